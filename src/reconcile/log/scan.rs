//! Scanners over the bytes of a line: words, numbers, dates, percent-encoding.

use crate::model::Timestamp;
use crate::reconcile::claim::LogTime;

/// Bytes of a line that are not read yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scan<'a> {
    /// The remainder.
    pub(super) rest: &'a [u8],
}

impl<'a> Scan<'a> {
    pub(super) const fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    /// Takes `text`; `None` if the remainder does not begin with it.
    pub(super) fn literal(&mut self, text: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(text)?;
        Some(())
    }

    /// Takes the bytes before `byte`, and `byte`; `None` if it does not occur.
    pub(super) fn until(&mut self, byte: u8) -> Option<&'a [u8]> {
        let at = memchr::memchr(byte, self.rest)?;
        let (head, tail) = self.rest.split_at(at);
        self.rest = tail.get(1..).unwrap_or_default();
        Some(head)
    }

    /// Takes a non-empty word and the blank behind it.
    pub(super) fn word(&mut self) -> Option<&'a [u8]> {
        self.until(b' ').filter(|word| !word.is_empty())
    }

    /// Takes exactly `length` bytes.
    pub(super) fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.rest.split_at_checked(length)?;
        self.rest = tail;
        Some(head)
    }

    /// Takes the digits that follow, at least one; `None` beyond 64 bits.
    pub(super) fn digits(&mut self) -> Option<u64> {
        let length = self.rest.iter().take_while(|b| b.is_ascii_digit()).count();
        number(self.bytes(length)?)
    }
}

/// Parses digits; `None` for anything else, and beyond 64 bits.
pub(super) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then_some(())?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// Parses digits into a number of at most 32 bits.
pub(super) fn small(digits: &[u8]) -> Option<u32> {
    u32::try_from(number(digits)?).ok()
}

/// Parses the three digits of a reply code.
pub(super) fn code(digits: &[u8]) -> Option<u16> {
    let value = (digits.len() == 3).then(|| small(digits)).flatten()?;
    u16::try_from(value).ok().filter(|code| *code >= 100)
}

/// Parses seconds with an optional fraction into nanoseconds.
pub(super) fn seconds(text: &[u8]) -> Option<u64> {
    let (whole, fraction) = match memchr::memchr(b'.', text) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &[][..]),
    };
    number(whole)?
        .checked_mul(1_000_000_000)?
        .checked_add(if fraction.is_empty() {
            0
        } else {
            nanos(fraction)?
        })
}

/// Parses the digits behind a decimal point of seconds; digits beyond nanoseconds are dropped.
pub(super) fn nanos(fraction: &[u8]) -> Option<u64> {
    if fraction.is_empty() || !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut value = 0;
    for place in 0..9 {
        let digit = fraction.get(place).map_or(0, |byte| byte - b'0');
        value = value * 10 + u64::from(digit);
    }
    Some(value)
}

/// A date and time of day as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Civil {
    pub(super) year: u32,
    /// 1 to 12.
    pub(super) month: u32,
    /// 1 to 31.
    pub(super) day: u32,
    pub(super) hour: u32,
    pub(super) minute: u32,
    /// 60 is a leap second.
    pub(super) second: u32,
    pub(super) nanos: u32,
}

impl Civil {
    /// Returns the time counted as if it were UTC; `None` if there is no such date from 1970 to 2262, or no such time.
    pub(super) fn wall(self) -> Option<Timestamp> {
        let leap = self.year.is_multiple_of(4)
            && (!self.year.is_multiple_of(100) || self.year.is_multiple_of(400));
        let last = match self.month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => return None,
        };
        let is_valid = (1970..=2261).contains(&self.year)
            && (1..=last).contains(&self.day)
            && self.hour < 24
            && self.minute < 60
            && self.second <= 60;
        if !is_valid {
            return None;
        }
        // Years that begin in March have their leap day last.
        let (year, month) = if self.month > 2 {
            (self.year, self.month - 3)
        } else {
            (self.year - 1, self.month + 9)
        };
        let days = u64::from(
            year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + self.day - 1,
        ) - 719_468;
        let of_day = u64::from(self.hour * 3600 + self.minute * 60 + self.second);
        Some(Timestamp::from_parts(
            days * 86_400 + of_day,
            u64::from(self.nanos),
        ))
    }

    /// Sets the time of day from `hh:mm:ss`.
    pub(super) fn with_clock(mut self, text: &[u8]) -> Option<Self> {
        let &[_, _, b':', _, _, b':', _, _] = text else {
            return None;
        };
        self.hour = small(&text[..2])?;
        self.minute = small(&text[3..5])?;
        self.second = small(&text[6..])?;
        Some(self)
    }
}

/// Returns a time without a zone, of whole seconds.
pub(super) const fn zoneless(wall: Timestamp) -> LogTime {
    LogTime {
        wall,
        offset: None,
        whole_seconds: true,
        has_year: true,
    }
}

/// Parses the English name of a month in three letters.
pub(super) fn month(name: &[u8]) -> Option<u32> {
    let at = MONTHS.iter().position(|month| *month == name)?;
    u32::try_from(at + 1).ok()
}

/// Takes `Www Mmm dd hh:mm:ss YYYY` and the blank behind it. The second value is the byte in front of a day of one digit: a
/// blank, a zero, or 1 to 3 where it does not show.
pub(super) fn asctime(scan: &mut Scan<'_>) -> Option<(LogTime, u8)> {
    let text = scan.bytes(24)?;
    scan.literal(b" ")?;
    let is_weekday = WEEKDAYS.contains(&&text[..3]);
    if !is_weekday || [text[3], text[7], text[10], text[19]] != [b' '; 4] {
        return None;
    }
    let padding = text[8];
    let civil = Civil {
        year: small(&text[20..])?,
        month: month(&text[4..7])?,
        day: small(text[8..10].trim_ascii_start())?,
        ..Civil::default()
    };
    let wall = civil.with_clock(&text[11..19])?.wall()?;
    Some((zoneless(wall), padding))
}

/// Parses `dd/Mmm/YYYY:hh:mm:ss ±hhmm`, the time of the common log format.
pub(super) fn clf_time(text: &[u8]) -> Option<LogTime> {
    if text.len() != 26 || [text[2], text[6], text[11], text[20]] != *b"//: " {
        return None;
    }
    let civil = Civil {
        year: small(&text[7..11])?,
        month: month(&text[3..6])?,
        day: small(&text[..2])?,
        ..Civil::default()
    };
    let wall = civil.with_clock(&text[12..20])?.wall()?;
    Some(LogTime {
        offset: Some(zone(&text[21..])?),
        ..zoneless(wall)
    })
}

/// Parses `±hhmm` or `±hh:mm` into seconds east of UTC.
pub(super) fn zone(text: &[u8]) -> Option<i32> {
    let (sign, digits) = text.split_first()?;
    let (hours, minutes) = match digits.len() {
        4 => (&digits[..2], &digits[2..]),
        5 if digits[2] == b':' => (&digits[..2], &digits[3..]),
        2 => (digits, &b"00"[..]),
        _ => return None,
    };
    let (hours, minutes) = (small(hours)?, small(minutes)?);
    if hours > 15 || minutes > 59 {
        return None;
    }
    let offset = i32::try_from(hours * 3600 + minutes * 60).ok()?;
    match sign {
        b'+' => Some(offset),
        b'-' => Some(-offset),
        _ => None,
    }
}

/// Parses `YYYY-MM-DD`.
pub(super) fn iso_date(text: &[u8]) -> Option<Civil> {
    let &[_, _, _, _, b'-', _, _, b'-', _, _] = text else {
        return None;
    };
    Some(Civil {
        year: small(&text[..4])?,
        month: small(&text[5..7])?,
        day: small(&text[8..])?,
        ..Civil::default()
    })
}

/// Parses `YYYY-MM-DDThh:mm:ss` with a fraction behind a point or comma and a zone, both of which may be absent. A blank
/// may stand for the `T`.
pub(super) fn iso_time(text: &[u8]) -> Option<LogTime> {
    let (date, rest) = text.split_at_checked(10)?;
    let (clock, rest) = rest.split_at_checked(9)?;
    if !matches!(clock[0], b'T' | b' ') {
        return None;
    }
    let mut civil = iso_date(date)?.with_clock(&clock[1..])?;
    let mut rest = rest;
    let mut whole_seconds = true;
    if let Some((b'.' | b',', fraction)) = rest.split_first() {
        let length = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
        civil.nanos = u32::try_from(nanos(&fraction[..length])?).ok()?;
        rest = &fraction[length..];
        whole_seconds = false;
    }
    let offset = match rest {
        b"" => None,
        b"Z" | b"z" => Some(0),
        _ => Some(zone(rest)?),
    };
    Some(LogTime {
        offset,
        whole_seconds,
        ..zoneless(civil.wall()?)
    })
}

/// Returns an address or name as a string; `::ffff:` in front of an IPv4 address is removed.
pub(super) fn host(text: &[u8]) -> Option<String> {
    if text.is_empty() || text == b"-" {
        return None;
    }
    let text = match text.get(..7) {
        Some(prefix) if prefix.eq_ignore_ascii_case(b"::ffff:") && text.contains(&b'.') => {
            &text[7..]
        }
        _ => text,
    };
    Some(string(text))
}

/// Returns bytes as a string; `None` for an empty one and for `-`, which logs write for an absent value.
pub(super) fn present(text: &[u8]) -> Option<String> {
    (!text.is_empty() && text != b"-").then(|| string(text))
}

/// Returns bytes as a string, with replacement characters where they are not UTF-8.
pub(super) fn string(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// Decodes `%XX`; a `%` without two hex digits stays as it is.
pub(super) fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        let escaped = match tail {
            [high, low, ..] if byte == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        if let Some((high, low)) = escaped {
            decoded.push(high << 4 | low);
            rest = &tail[2..];
        } else {
            decoded.push(byte);
            rest = tail;
        }
    }
    decoded
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

/// Splits at the last occurrence of `byte`; `None` if it does not occur.
pub(super) fn split_last(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr::memrchr(byte, text)?;
    Some((&text[..at], &text[at + 1..]))
}

const MONTHS: [&[u8]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

const WEEKDAYS: [&[u8]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds_of(time: LogTime) -> i64 {
        time.wall.nanos() / 1_000_000_000
    }

    #[test]
    fn civil_times_are_counted_from_1970() {
        let mut scan = Scan::new(b"Thu Jan  1 00:00:00 1970 x");
        let (time, padding) = asctime(&mut scan).unwrap();
        assert_eq!((seconds_of(time), padding, scan.rest), (0, b' ', &b"x"[..]));
        let mut scan = Scan::new(b"Thu Feb 29 23:59:59 2024 ");
        assert_eq!(seconds_of(asctime(&mut scan).unwrap().0), 1_709_251_199);
        let time = clf_time(b"29/Nov/2026:13:14:48 +0100").unwrap();
        assert_eq!((seconds_of(time), time.offset), (1_795_958_088, Some(3600)));
        let time = iso_time(b"2026-11-29T12:14:48.084Z").unwrap();
        assert_eq!(time.wall.nanos(), 1_795_954_488_084_000_000);
        assert_eq!((time.offset, time.whole_seconds), (Some(0), false));
    }

    #[test]
    fn impossible_dates_are_rejected() {
        for text in [
            "2026-02-29T00:00:00",
            "2026-13-01T00:00:00",
            "2026-00-01T00:00:00",
            "2026-01-32T00:00:00",
            "2026-01-01T24:00:00",
            "1969-01-01T00:00:00",
            "2026-01-01T00:00:00 x",
            "2026-01-01",
        ] {
            assert_eq!(iso_time(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn percent_signs_without_hex_digits_stay() {
        assert_eq!(percent_decoded(b"a%20b%2Cc%zz%4"), b"a b,c%zz%4");
    }

    #[test]
    fn mapped_addresses_lose_their_prefix_and_others_do_not() {
        assert_eq!(host(b"::FFFF:192.0.2.7").as_deref(), Some("192.0.2.7"));
        assert_eq!(host(b"::ffff:1").as_deref(), Some("::ffff:1"));
        assert_eq!(host(b"2001:db8::1").as_deref(), Some("2001:db8::1"));
        assert_eq!(host(b"-"), None);
    }
}
