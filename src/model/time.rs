//! Capture time in nanoseconds since 1970, with saturating arithmetic.

use std::borrow::Cow;
use std::fmt;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};

/// A point in capture time: nanoseconds since 1970-01-01T00:00:00Z.
///
/// Times outside 1970 to 2262 saturate, so that a damaged record does not stop the analysis. Serialized as RFC 3339 in
/// UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// A signed distance between two [`Timestamp`]s, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(i64);

impl Timestamp {
    /// The latest representable time, in April 2262.
    pub const MAX: Self = Self(i64::MAX);

    /// Creates a time from nanoseconds since 1970; negative values become 1970.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(if nanos < 0 { 0 } else { nanos })
    }

    /// Creates a time from seconds since 1970 and nanoseconds within the second; saturates.
    #[must_use]
    pub fn from_parts(seconds: u64, nanos: u64) -> Self {
        // A pcap record may claim any number of microseconds: they carry over into the seconds.
        let total = u128::from(seconds) * 1_000_000_000 + u128::from(nanos);
        Self(i64::try_from(total).unwrap_or(i64::MAX))
    }

    /// Returns the nanoseconds since 1970.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Returns the time since `earlier`, negative if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }

    /// Returns this time moved by `span`, saturating at 1970 and [`MAX`](Self::MAX).
    #[must_use]
    pub const fn plus(self, span: Span) -> Self {
        Self::from_nanos(self.0.saturating_add(span.0))
    }
}

impl Span {
    /// Creates a span of nanoseconds.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Creates a span of milliseconds; saturates.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Creates a span of seconds; saturates.
    #[must_use]
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000_000))
    }

    /// Creates a span from a duration of the report; saturates.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the conversion saturates, and durations of the report have no more than nanoseconds"
    )]
    pub fn from_seconds(seconds: f64) -> Self {
        Self((seconds * 1e9).round() as i64)
    }

    /// Returns the nanoseconds.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Returns the span in seconds, as the report writes durations; 0 if negative.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "a duration of 104 days is exact to the nanosecond, longer ones to the microsecond"
    )]
    pub fn seconds(self) -> f64 {
        self.0.max(0) as f64 / 1e9
    }
}

impl Timestamp {
    /// Formats the time as RFC 3339 in UTC with nanoseconds.
    // Every step, command and reply has one or two times: formatting them with a calendar of all years and zones took a
    // tenth of the time of NDJSON. This is the civil-from-days algorithm, restricted to years from 1970 on.
    fn rfc_3339(self) -> [u8; 30] {
        let nanos = self.0.unsigned_abs();
        let (seconds, fraction) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        // Days since 0000-03-01. Years that begin in March have their leap day last, where it shifts no month.
        // 719,468 days lie between that date and 1970-01-01; an era of 400 years always has 146,097.
        let days = days + 719_468;
        let (era, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let (month, next) = if month < 10 {
            (month + 3, 0)
        } else {
            (month - 9, 1)
        };
        let mut text = *b"0000-00-00T00:00:00.000000000Z";
        let year = era * 400 + year + next;
        for (at, digits, value) in [
            (0, 4, year),
            (5, 2, month),
            (8, 2, day),
            (11, 2, second / 3600),
            (14, 2, second / 60 % 60),
            (17, 2, second % 60),
            (20, 9, fraction),
        ] {
            let mut rest = value;
            for digit in text[at..at + digits].iter_mut().rev() {
                *digit += u8::try_from(rest % 10).unwrap_or_default();
                rest /= 10;
            }
        }
        text
    }

    /// Parses a time in the form of [`rfc_3339`](Self::rfc_3339); `None` for any other text, also if it is a time.
    // Reports that are read back have nothing else, and a parser of all forms took a fifth of their reading. This is the
    // days-from-civil algorithm, the inverse of the above.
    fn of_rfc_3339(text: &str) -> Option<Self> {
        let text: &[u8; 30] = text.as_bytes().try_into().ok()?;
        let number = |at: usize, digits: usize| {
            let digits = text.get(at..at + digits)?.iter();
            digits.copied().try_fold(0_u64, |number, digit| {
                let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
                Some(number * 10 + u64::from(digit))
            })
        };
        let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
        let year = year.checked_sub(u64::from(month <= 2))?;
        let (era, year) = (year / 400, year % 400);
        let day = (153 * ((month + 9) % 12) + 2) / 5 + day;
        let day = year * 365 + year / 4 - year / 100 + day;
        // One less: days of a month count from 1.
        let days = (era * 146_097 + day).checked_sub(719_469)?;
        let seconds = days * 86_400 + number(11, 2)? * 3600 + number(14, 2)? * 60 + number(17, 2)?;
        let nanos = seconds
            .checked_mul(1_000_000_000)?
            .checked_add(number(20, 9)?)?;
        let time = Self::from_nanos(i64::try_from(nanos).ok()?);
        // February 30 and second 60 are written in another way.
        (time.rfc_3339() == *text).then_some(time)
    }
}

impl fmt::Display for Timestamp {
    /// Formats as RFC 3339 in UTC with nanoseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.rfc_3339()).unwrap_or_default())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&self.rfc_3339()).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Rfc3339)
    }
}

/// Reads an instant of RFC 3339, or a date with or without a time in `zone`; `None` for any other text.
pub(crate) fn instant_in(text: &str, zone: &TimeZone) -> Option<jiff::Timestamp> {
    text.parse().ok().or_else(|| {
        let local: DateTime = text.parse().ok()?;
        Some(local.to_zoned(zone.clone()).ok()?.timestamp())
    })
}

/// Parser of RFC 3339 times in any zone; times outside 1970 to 2262 saturate.
struct Rfc3339;

impl Visitor<'_> for Rfc3339 {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an RFC 3339 time")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Timestamp, E> {
        if let Some(time) = Timestamp::of_rfc_3339(text) {
            return Ok(time);
        }
        let time: jiff::Timestamp = text.parse().map_err(E::custom)?;
        let nanos = time.as_nanosecond().clamp(0, i64::MAX.into());
        Ok(Timestamp::from_nanos(
            i64::try_from(nanos).unwrap_or(i64::MAX),
        ))
    }
}

impl JsonSchema for Timestamp {
    fn schema_name() -> Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "date-time",
            "description": "RFC 3339 in UTC with nanoseconds."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_time_is_parsed_back_and_others_are_left_to_the_parser_of_all_forms() {
        let day = 86_400;
        let leap = 951_782_400; // 2000-02-29
        for seconds in [
            0,
            1,
            day - 1,
            leap - 1,
            leap,
            leap + day,
            4_102_444_800,
            9_223_372_035,
        ] {
            for nanos in [0, 5, 999_999_999] {
                let time = Timestamp::from_nanos(seconds * 1_000_000_000 + nanos);
                let text = time.to_string();
                assert_eq!(Timestamp::of_rfc_3339(&text), Some(time), "{text}");
            }
        }
        for number in 0..4_000 {
            let time = Timestamp::from_nanos(number * 2_305_843_009_213_693);
            let text = time.to_string();
            assert_eq!(Timestamp::of_rfc_3339(&text), Some(time), "{text}");
            let jiff: jiff::Timestamp = text.parse().expect("a time");
            assert_eq!(i128::from(time.nanos()), jiff.as_nanosecond());
        }
        for other in [
            "2026-02-30T00:00:00.000000000Z",
            "2026-13-01T00:00:00.000000000Z",
            "2026-00-00T00:00:00.000000000Z",
            "1969-12-31T23:59:59.000000000Z",
            "0000-01-01T00:00:00.000000000Z",
            "9999-12-31T23:59:59.000000000Z",
            "2026-01-01T24:00:00.000000000Z",
            "2026-01-01T00:00:60.000000000Z",
            "2026-01-01T00:00:00.00000000+Z",
            "2026-01-01t00:00:00.000000000Z",
            "2026-01-01T00:00:00Z",
            "",
        ] {
            assert_eq!(Timestamp::of_rfc_3339(other), None, "{other}");
        }
        let read = |text: &str| serde_json::from_str::<Timestamp>(&format!("\"{text}\""));
        let zoned = read("2026-01-01T02:00:00+02:00").expect("a time");
        assert_eq!(zoned.to_string(), "2026-01-01T00:00:00.000000000Z");
        assert!(read("2026-02-30T00:00:00.000000000Z").is_err());
    }

    #[test]
    fn time_is_displayed_as_rfc_3339_with_nine_digits() {
        let time = Timestamp::from_parts(1_700_000_000, 5);
        assert_eq!(time.to_string(), "2023-11-14T22:13:20.000000005Z");
    }

    #[test]
    fn calendar_agrees_with_jiff_for_every_day() {
        let same = |nanos: i64| {
            let time = jiff::Timestamp::from_nanosecond(i128::from(nanos)).expect("in range");
            assert_eq!(
                Timestamp::from_nanos(nanos).to_string(),
                format!("{time:.9}")
            );
        };
        // Every day from 1970 to 2262, each at another time of day.
        let mut nanos = 0_i64;
        while let Some(next) = nanos.checked_add(86_400_000_000_000 + 1_234_567_891) {
            same(nanos);
            nanos = next;
        }
        same(i64::MAX);
    }

    #[test]
    fn serialized_time_is_read_back_unchanged() {
        for nanos in [0, 5, 1_700_000_000_123_456_789, i64::MAX] {
            let time = Timestamp::from_nanos(nanos);
            let text = serde_json::to_string(&time).expect("a string");
            assert_eq!(
                serde_json::from_str::<Timestamp>(&text).expect("a time"),
                time
            );
        }
        let other_zone: Timestamp =
            serde_json::from_str(r#""1970-01-01T02:00:01+02:00""#).expect("a time");
        assert_eq!(other_zone, Timestamp::from_parts(1, 0));
        assert!(serde_json::from_str::<Timestamp>(r#""yesterday""#).is_err());
    }

    #[test]
    fn times_out_of_range_saturate() {
        assert_eq!(Timestamp::from_parts(u64::MAX, 0), Timestamp::MAX);
        assert_eq!(Timestamp::from_nanos(-5), Timestamp::default());
        assert_eq!(Timestamp::MAX.plus(Span::from_secs(10)), Timestamp::MAX);
        assert!(Timestamp::MAX.to_string().starts_with("2262-04-11"));
    }
}
