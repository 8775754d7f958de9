//! Dates and times in the forms that listings have.

use compact_str::{CompactString, ToCompactString as _};
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

use super::fields::{Fields, number};
use crate::model::Timestamp;
use crate::model::record::Precision;

/// Time of modification, as exact as in the listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Modified {
    /// ISO 8601: `2024-06-19` or `2024-06-19T15:22:00`, with `Z` or an offset only if the listing has a zone.
    pub(super) text: CompactString,
    pub(super) precision: Precision,
    /// Whether the listing has no year, so that it is inferred from the time of the capture.
    pub(super) year_inferred: bool,
}

/// Date of the capture, from which missing years are inferred, and the order of dates in the listing.
#[derive(Clone, Copy, Debug)]
pub(super) struct CaptureDate {
    /// Latest time that a file can have: a day after the capture, since clocks and zones differ.
    latest: DateTime,
    /// In dates of three numbers the day stands before the month: some date of the listing makes no sense otherwise.
    day_first: bool,
}

/// Time of day, and whether the listing has seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimeOfDay {
    time: Time,
    seconds: bool,
}

impl CaptureDate {
    /// Creates the date of a capture made at `captured`.
    pub(super) fn new(captured: Timestamp) -> Self {
        let captured = jiff::Timestamp::from_nanosecond(i128::from(captured.nanos()))
            .unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let captured = TimeZone::UTC.to_datetime(captured);
        let latest = captured.date().tomorrow().unwrap_or(captured.date());
        Self {
            latest: latest.to_datetime(captured.time()),
            day_first: false,
        }
    }

    /// Learns from the dates of three numbers among `words` whether the day stands before the month: in one of them the first
    /// number is above 12, and in none the second.
    pub(super) fn learn_order<'a>(&mut self, words: impl Iterator<Item = &'a [u8]>) {
        self.day_first = false;
        for word in words {
            let Some((first, second, _)) = ambiguous(word) else {
                continue;
            };
            if second > 12 {
                self.day_first = false;
                return;
            }
            self.day_first |= first > 12;
        }
    }

    /// Returns the latest such date not after the capture: within 12 months before it, or up to 8 years for 29
    /// February.
    fn infer_year(self, month: i8, day: i8, time: Time) -> Option<Date> {
        (0..=8)
            .filter_map(|back| Date::new(self.latest.year().checked_sub(back)?, month, day).ok())
            .find(|date| date.to_datetime(time) <= self.latest)
    }
}

impl Modified {
    /// Returns a time known to the day.
    pub(super) fn day(date: Date) -> Self {
        Self {
            text: date_text(date),
            precision: Precision::Day,
            year_inferred: false,
        }
    }

    /// Returns a time known to the minute or second.
    pub(super) fn moment(date: Date, time: TimeOfDay) -> Self {
        Self {
            text: moment_text(date, time.time),
            precision: if time.seconds {
                Precision::Second
            } else {
                Precision::Minute
            },
            year_inferred: false,
        }
    }

    /// Returns the time `seconds` after 1970-01-01 UTC; `None` outside the calendar's range.
    pub(super) fn unix(seconds: i64) -> Option<Self> {
        let time = jiff::Timestamp::from_second(seconds).ok()?;
        Some(Self {
            text: time.to_compact_string(),
            precision: Precision::Second,
            year_inferred: false,
        })
    }

    fn with_zone(mut self, zone: &[u8]) -> Self {
        match zone {
            [b'+' | b'-', b'0', b'0', b'0', b'0'] => self.text.push('Z'),
            [sign, h, i, m, n] => {
                self.text.push(char::from(*sign));
                self.text.extend([*h, *i].map(char::from));
                self.text.push(':');
                self.text.extend([*m, *n].map(char::from));
            }
            _ => {}
        }
        self
    }
}

/// Formats a date as ISO 8601. Same text as jiff's own formatting, which is several times slower; a listing has one or
/// two dates in every line.
fn date_text(date: Date) -> CompactString {
    match IsoText::of(date) {
        Some(text) => text.finish(),
        None => date.to_compact_string(),
    }
}

fn moment_text(date: Date, time: Time) -> CompactString {
    match IsoText::of(date) {
        Some(text) if time.subsec_nanosecond() == 0 => text.with(time).finish(),
        _ => date.to_datetime(time).to_compact_string(),
    }
}

/// Text of a date, and of a time of day after it.
struct IsoText {
    characters: [u8; DATE_AND_TIME],
    length: usize,
}

impl IsoText {
    /// Writes a date; `None` if its year does not have four digits.
    fn of(date: Date) -> Option<Self> {
        let year @ 0..=9999 = u16::try_from(date.year()).ok()? else {
            return None;
        };
        let mut text = Self {
            characters: [0; DATE_AND_TIME],
            length: 0,
        };
        text.push(None, year / 100);
        text.push(None, year % 100);
        text.push(Some(b'-'), date.month().unsigned_abs().into());
        text.push(Some(b'-'), date.day().unsigned_abs().into());
        Some(text)
    }

    fn with(mut self, time: Time) -> Self {
        self.push(Some(b'T'), time.hour().unsigned_abs().into());
        self.push(Some(b':'), time.minute().unsigned_abs().into());
        self.push(Some(b':'), time.second().unsigned_abs().into());
        self
    }

    /// Appends a separator and two digits.
    fn push(&mut self, mark: Option<u8>, number: u16) {
        let digit = |digit: u16| b'0' + u8::try_from(digit % 10).unwrap_or_default();
        let free = self.characters.iter_mut().skip(self.length);
        let characters = mark.into_iter().chain([digit(number / 10), digit(number)]);
        for (place, character) in free.zip(characters) {
            *place = character;
            self.length += 1;
        }
    }

    fn finish(&self) -> CompactString {
        CompactString::from_utf8_lossy(&self.characters[..self.length])
    }
}

/// Parses a date of `ls` that begins at word `at`; returns it with the index of its last word.
///
/// - `Jun 19 15:22`, `Jun 19 2024`, `19 Jun 2024`, `Jun 19 15:22:45 2024`, `Jun 19, 2024 15:22`, in any language
/// - `2024-06-19`, `19-06-2024`, `19.06.24`, `19-jun-24`, `jun-19-2024`, alone or before a time, with a zone or without
/// - `06-19 15:22`, `06-19 2024`, and `6 19 15:22`
/// - `2024年 6月 19日`, `6月19日`, and the same in Korean
pub(super) fn unix_date(
    fields: &Fields<'_>,
    at: usize,
    captured: &CaptureDate,
) -> Option<(Modified, usize)> {
    let (first, second, third) = (fields.word(at), fields.word(at + 1), fields.word(at + 2));
    // A number is cheaper to recognize than a month in any language.
    let named = match (day(second), day(first)) {
        (Some(day), _) => month(first).map(|month| (month, day)),
        (None, Some(day)) => month(second).map(|month| (month, day)),
        (None, None) => None,
    };
    if let Some((month, day)) = named {
        if let Some(year) = year(third) {
            let date = Date::new(year, month, day).ok()?;
            // A time after the year may be the beginning of the name, but for servers that set the year off by a comma.
            let comma = first.ends_with(b",") || second.ends_with(b",");
            return Some(match time_of_day(fields.word(at + 3)).filter(|_| comma) {
                Some(time) => (Modified::moment(date, time), at + 3),
                None => (Modified::day(date), at + 2),
            });
        }
        let time = time_of_day(third)?;
        if time.seconds
            && let Some(year) = year(fields.word(at + 3))
        {
            let date = Date::new(year, month, day).ok()?;
            return Some((Modified::moment(date, time), at + 3));
        }
        let date = captured.infer_year(month, day, time.time)?;
        let mut modified = Modified::moment(date, time);
        modified.year_inferred = true;
        return Some((modified, at + 2));
    }
    if let Some((modified, last)) = ideographic_date(fields, at, captured) {
        return Some((modified, last));
    }
    if let Some(date) = any_date(first, captured) {
        let Some(time) = time_of_day(second) else {
            return Some((Modified::day(date), at));
        };
        let modified = Modified::moment(date, time);
        return if time.seconds && is_zone(third) {
            Some((modified.with_zone(third), at + 2))
        } else {
            Some((modified, at + 1))
        };
    }
    let (month, day, time, last) = match month_day(first) {
        Some((month, day)) => {
            if let Some(year) = year(second) {
                return Some((Modified::day(Date::new(year, month, day).ok()?), at + 1));
            }
            (month, day, time_of_day(second)?, at + 1)
        }
        // Two plain numbers are a date only before a time: before a year they may be owner and group.
        None => (
            short(first).filter(|month| (1..=12).contains(month))?,
            short(second)?,
            time_of_day(third)?,
            at + 2,
        ),
    };
    let mut modified = Modified::moment(captured.infer_year(month, day, time.time)?, time);
    modified.year_inferred = true;
    Some((modified, last))
}

/// Parses the dates of East Asian servers that [`unix_date`] does not have as words of month and day: `2024年 6月 19日`, with
/// or without a time, and `6月19日` before a time or year.
fn ideographic_date(
    fields: &Fields<'_>,
    at: usize,
    captured: &CaptureDate,
) -> Option<(Modified, usize)> {
    let first = fields.word(at);
    // Cheap for the many words in front of a date: the signs are not ASCII.
    if first.is_ascii() {
        return None;
    }
    if number(first).is_none()
        && let Some(year) = year(first)
    {
        let (month, day) = (month(fields.word(at + 1))?, day(fields.word(at + 2))?);
        let date = Date::new(year, month, day).ok()?;
        return Some(match time_of_day(fields.word(at + 3)) {
            Some(time) => (Modified::moment(date, time), at + 3),
            None => (Modified::day(date), at + 2),
        });
    }
    let (month, day) = CJK_MONTHS.iter().find_map(|sign| {
        let place = memchr::memmem::find(first, sign)?;
        let (month, rest) = (&first[..place], &first[place + sign.len()..]);
        Some((short(month)?, day(rest)?))
    })?;
    if let Some(year) = year(fields.word(at + 1)) {
        return Some((Modified::day(Date::new(year, month, day).ok()?), at + 1));
    }
    let time = time_of_day(fields.word(at + 1))?;
    let mut modified = Modified::moment(captured.infer_year(month, day, time.time)?, time);
    modified.year_inferred = true;
    Some((modified, at + 1))
}

/// Parses a date in one word, in any of the orders that servers have: year, month, day; month, day, year; day, month,
/// year; with the month as a number or a name.
pub(super) fn any_date(word: &[u8], captured: &CaptureDate) -> Option<Date> {
    year_month_day(word)
        .or_else(|| numeric_date(word, captured))
        .or_else(|| named_month_date(word))
}

/// Parses `19-jun-24`, `19-Jun-2024`, `Jun-19-2024`.
fn named_month_date(word: &[u8]) -> Option<Date> {
    let (first, second, third) = three(word)?;
    let year = match third.len() {
        2 => two_digit_year(short(third)?),
        _ => year(third)?,
    };
    let (month, day) = match short(first) {
        Some(day) => (month(second)?, day),
        None => (month(first)?, short(second)?),
    };
    Date::new(year, month, day).ok()
}

/// Parses a date of three numbers in the order for which it falls on the day of the week `weekday`, of which the first
/// three letters count; in the order of [`numeric_date`] if it does in none.
pub(super) fn date_on_weekday(word: &[u8], weekday: &[u8], captured: &CaptureDate) -> Option<Date> {
    let (first, second, third) = three(word)?;
    let (one, two) = (short(first)?, short(second)?);
    let weekday = WEEKDAYS.iter().position(|name| {
        weekday
            .get(..3)
            .is_some_and(|start| start.eq_ignore_ascii_case(name.as_slice()))
    })?;
    let date = |year: &[u8], month, day| {
        let year = match year.len() {
            2 => two_digit_year(short(year)?),
            _ => self::year(year)?,
        };
        Date::new(year, month, day).ok()
    };
    [
        date(third, one, two),
        date(third, two, one),
        short(third).and_then(|day| date(first, two, day)),
    ]
    .into_iter()
    .flatten()
    .find(|date| usize::try_from(date.weekday().to_monday_zero_offset()) == Ok(weekday))
    .or_else(|| numeric_date(word, captured))
}

/// Parses `15:22`, or `1522` as OS-9 writes it.
pub(super) fn time_of_four_digits(word: &[u8]) -> Option<TimeOfDay> {
    let (hour, minute) = match word {
        [a, b, c, d] => (short(&[*a, *b])?, short(&[*c, *d])?),
        _ => return time_of_day(word),
    };
    let time = Time::new(hour, minute, 0, 0).ok()?;
    Some(TimeOfDay {
        time,
        seconds: false,
    })
}

/// Parses `24/06/19` or `2024/06/19`, year first.
pub(super) fn year_first_date(word: &[u8]) -> Option<Date> {
    let (first, second, third) = three(word)?;
    let year = match first.len() {
        2 => two_digit_year(short(first)?),
        _ => year(first)?,
    };
    Date::new(year, short(second)?, short(third)?).ok()
}

/// Parses `15:22`, `15:22:45` or `15:22:45.123456789`.
pub(super) fn time_of_day(word: &[u8]) -> Option<TimeOfDay> {
    let mut parts = word.split(|byte| *byte == b':');
    let hour = short(parts.next()?)?;
    let minute = parts
        .next()
        .filter(|part| part.len() == 2)
        .and_then(short)?;
    let (mut second, mut nanos, mut seconds) = (0, 0, false);
    if let Some(part) = parts.next() {
        let (whole, fraction) = match part.iter().position(|byte| *byte == b'.') {
            Some(point) => (&part[..point], Some(&part[point + 1..])),
            None => (part, None),
        };
        second = Some(whole).filter(|part| part.len() == 2).and_then(short)?;
        nanos = match fraction {
            Some(fraction) => nanoseconds(fraction)?,
            None => 0,
        };
        seconds = true;
    }
    if parts.next().is_some() {
        return None;
    }
    // A leap second becomes the second before it, as in POSIX.
    let time = Time::new(hour, minute, second.min(59), nanos).ok()?;
    Some(TimeOfDay { time, seconds })
}

/// Parses a time of the 12-hour clock: `03:22` with `PM` as `half`.
pub(super) fn time_of_half_day(word: &[u8], half: &[u8]) -> Option<TimeOfDay> {
    let time = time_of_day(word)?;
    let hour = match (half.to_ascii_lowercase().as_slice(), time.time.hour()) {
        (b"am" | b"a", 12) => 0,
        (b"pm" | b"p", hour @ 0..12) => hour + 12,
        // Noon, the morning, and servers that send `15:22PM`.
        (b"am" | b"a" | b"pm" | b"p", hour) => hour,
        _ => return None,
    };
    Some(TimeOfDay {
        time: time.time.with().hour(hour).build().ok()?,
        ..time
    })
}

/// Parses `2024-06-19` or `2024/06/19`.
pub(super) fn year_month_day(word: &[u8]) -> Option<Date> {
    let (year, month, day) = three(word)?;
    if word.len() != 10 || word.get(4) != word.get(7) {
        return None;
    }
    let (year, month, day) = (self::year(year)?, short(month)?, short(day)?);
    // `2024-19-06`: there is no month 19.
    let (month, day) = if month > 12 {
        (day, month)
    } else {
        (month, day)
    };
    Date::new(year, month, day).ok()
}

/// Returns the numbers of a date whose first two may be month and day in either order, and its year; `None` for other words.
fn ambiguous(word: &[u8]) -> Option<(i8, i8, i16)> {
    let (first, second, third) = three(word)?;
    if first.len() > 2 || second.len() > 2 {
        return None;
    }
    let year = match third.len() {
        2 => two_digit_year(short(third)?),
        3 => i16::try_from(number(third)?).ok()?.checked_add(1900)?,
        4 => year(third)?,
        _ => return None,
    };
    Some((short(first)?, short(second)?, year))
}

/// Returns whether a word may be a date of three numbers.
pub(super) fn is_numeric_date(word: &[u8]) -> bool {
    ambiguous(word).is_some()
}

/// Parses `06-19-24` and `06/19/2024`, month first unless the first number is above 12 or other dates of the listing have the
/// day first; `19.06.24`, day first; and `04-23-103`, with years since 1900.
pub(super) fn numeric_date(word: &[u8], captured: &CaptureDate) -> Option<Date> {
    let (first, second, year) = ambiguous(word)?;
    let day_first = captured.day_first && second <= 12;
    let (month, day) = if first > 12 || day_first || word.contains(&b'.') {
        (second, first)
    } else {
        (first, second)
    };
    Date::new(year, month, day).ok()
}

/// Parses `19-JUN-2024`.
pub(super) fn vms_date(word: &[u8]) -> Option<Date> {
    let (first, second, third) = three(word)?;
    Date::new(year(third)?, month(second)?, day(first)?).ok()
}

/// Parses `19-Jun-24`.
pub(super) fn short_year_date(word: &[u8]) -> Option<Date> {
    let (first, second, third) = three(word)?;
    let year = two_digit_year(short(third).filter(|_| third.len() == 2)?);
    Date::new(year, month(second)?, day(first)?).ok()
}

/// Parses the name of a month in the languages of common servers.
fn month(word: &[u8]) -> Option<i8> {
    // Every word of a line is tried; the lower case of a longer one would be a wasted copy.
    if word.len() < 3 || word.len() > 20 {
        return None;
    }
    if let Some(digits) = CJK_MONTHS.iter().find_map(|sign| word.strip_suffix(*sign)) {
        return short(digits).filter(|month| (1..=12).contains(month));
    }
    let word = word.strip_suffix(b",").unwrap_or(word);
    let english = ENGLISH
        .iter()
        .position(|name| word.eq_ignore_ascii_case(name.as_slice()));
    if let Some(place) = english {
        return i8::try_from(place + 1).ok();
    }
    let word = match std::str::from_utf8(word) {
        Ok(text) => text.to_lowercase(),
        // Latin-1, in which every byte is a character.
        Err(_) => word
            .iter()
            .map(|byte| char::from(*byte))
            .collect::<String>()
            .to_lowercase(),
    };
    let word = word.strip_suffix('.').unwrap_or(&word);
    let place = MONTHS
        .iter()
        .position(|names| names.split(' ').any(|name| name == word))?;
    i8::try_from(place + 1).ok()
}

fn day(word: &[u8]) -> Option<i8> {
    let digits = CJK_DAYS
        .iter()
        .find_map(|sign| word.strip_suffix(*sign))
        .or_else(|| word.strip_suffix(b","))
        .or_else(|| word.strip_suffix(b"."))
        .unwrap_or(word);
    short(digits).filter(|day| (1..=31).contains(day))
}

fn year(word: &[u8]) -> Option<i16> {
    let digits = CJK_YEARS
        .iter()
        .find_map(|sign| word.strip_suffix(*sign))
        .or_else(|| word.strip_suffix(b","))
        .unwrap_or(word);
    if digits.len() != 4 {
        return None;
    }
    i16::try_from(number(digits)?)
        .ok()
        .filter(|year| *year >= 1900)
}

/// Returns the year of two digits: 1970 to 2069, as in POSIX `%y` but for 69.
fn two_digit_year(year: i8) -> i16 {
    if year < 70 {
        2000 + i16::from(year)
    } else {
        1900 + i16::from(year)
    }
}

fn month_day(word: &[u8]) -> Option<(i8, i8)> {
    match word {
        [a, b, b'-', c, d] => Some((short(&[*a, *b])?, short(&[*c, *d])?)),
        _ => None,
    }
}

fn is_zone(word: &[u8]) -> bool {
    matches!(word, [b'+' | b'-', digits @ ..] if digits.len() == 4 && number(digits).is_some())
}

/// Parses a number of one or two digits.
fn short(word: &[u8]) -> Option<i8> {
    if word.len() > 2 {
        return None;
    }
    number(word).and_then(|number| i8::try_from(number).ok())
}

/// Parses a decimal fraction of a second, of up to nine digits, as nanoseconds.
fn nanoseconds(fraction: &[u8]) -> Option<i32> {
    let digits = fraction.len();
    if digits == 0 || digits > 9 {
        return None;
    }
    let value = number(fraction)?;
    (digits..9)
        .try_fold(value, |value, _| value.checked_mul(10))
        .and_then(|value| i32::try_from(value).ok())
}

/// Splits a date at `-`, `/` or `.`; `None` unless it has three parts.
fn three(word: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let mut parts = word.split(|byte| matches!(byte, b'-' | b'/' | b'.'));
    let three = (parts.next()?, parts.next()?, parts.next()?);
    parts.next().is_none().then_some(three)
}

/// Length of `2024-06-19T15:22:00`.
const DATE_AND_TIME: usize = 19;

/// Months of nearly every server, compared before those of other languages.
const ENGLISH: [&[u8; 3]; 12] = [
    b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
];

/// First letters of the days of the week, Monday first.
const WEEKDAYS: [&[u8; 3]; 7] = [b"mon", b"tue", b"wed", b"thu", b"fri", b"sat", b"sun"];

/// Names and abbreviations in other languages, January first; none stands for two months.
const MONTHS: [&str; 12] = [
    "jan january janv janvier januar januari jän jänner ene enero gen gennaio janeiro ian ianuarie oca ocak янв января sty led \
     tammi jaan ιαν",
    "feb february févr fév fevr février februar februari febr febrero febbraio fev fevereiro fev. şub şubat фев февраля lut \
     úno helmi veebr φεβ",
    "mar march mär märz mrz mars maart mrt marzo março marts márc mart мар марта bře maalis märts μαρ",
    "apr april avr avril abr abril aprile ápr nis nisan апр апреля kwi dub huhti απρ",
    "may mai maj mei mag mayo maggio maio máj mayıs май мая kvě touko μαι μαϊ",
    "jun june juin juni giu junio giugno junho jún haz haziran iun июн июня cze čer kesä juuni ιουν",
    "jul july juil juli juillet lug julio luglio julho júl tem temmuz iul июл июля lip čvc heinä juuli ιουλ",
    "aug august août aou aout ago agosto augusti augustus avg ağu ağustos авг августа sie srp elo αυγ",
    "sep sept september septembre set septiembre settembre setembro szept eyl eylül сен сент сентября wrz zář syys σεπ",
    "oct october octobre okt oktober out ott octubre ottobre outubro eki ekim окт октября paź říj loka οκτ",
    "nov november novembre noviembre novembro kas kasım noi ноя нояб ноября lis marras νοε",
    "dec december déc décembre decembre dez dezember dic diciembre dicembre dezembro des desember dets ara aralık дек декабря \
     gru pro joulu δεκ",
];

/// Signs after the number of a month, day or year in Chinese, Japanese and Korean: in UTF-8, and in the encodings that
/// servers of those languages had before it, Shift JIS, EUC-JP, GBK and EUC-KR.
const CJK_MONTHS: [&[u8]; 6] = [
    "月".as_bytes(),
    "월".as_bytes(),
    b"\x8c\x8e",
    b"\xb7\xee",
    b"\xd4\xc2",
    b"\xbf\xf9",
];
const CJK_DAYS: [&[u8]; 6] = [
    "日".as_bytes(),
    "일".as_bytes(),
    b"\x93\xfa",
    b"\xc6\xfc",
    b"\xc8\xd5",
    b"\xc0\xcf",
];
const CJK_YEARS: [&[u8]; 6] = [
    "年".as_bytes(),
    "년".as_bytes(),
    b"\x94\x4e",
    b"\xc7\xaf",
    b"\xc4\xea",
    b"\xb3\xe2",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_have_the_same_text_as_jiff_gives_them() {
        for (year, month, day) in [(2024, 2, 29), (1, 1, 1), (9999, 12, 31), (-44, 3, 15)] {
            let date = Date::new(year, month, day).expect("a date");
            assert_eq!(date_text(date), date.to_string());
            for (hour, nanos) in [(0, 0), (23, 0), (7, 120_000_000)] {
                let time = Time::new(hour, 5, 59, nanos).expect("a time");
                assert_eq!(moment_text(date, time), date.to_datetime(time).to_string());
            }
        }
    }
}
