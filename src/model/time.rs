//! Capture time: nanoseconds since 1970, with arithmetic that saturates.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

/// A point in capture time, in nanoseconds since 1970-01-01T00:00:00Z.
///
/// Times outside 1970 to 2262 saturate: a damaged record must not stop an analysis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// A distance between two [`Timestamp`]s, in nanoseconds; negative where time went back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(i64);

impl Timestamp {
    /// The latest time that can be told.
    pub const MAX: Self = Self(i64::MAX);

    /// From nanoseconds since 1970; negative values become 1970.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(if nanos < 0 { 0 } else { nanos })
    }

    /// From seconds since 1970 and nanoseconds within; saturates.
    #[must_use]
    pub fn from_parts(seconds: u64, nanos: u64) -> Self {
        let total = u128::from(seconds) * 1_000_000_000 + u128::from(nanos);
        Self(i64::try_from(total).unwrap_or(i64::MAX))
    }

    /// Nanoseconds since 1970.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Time since `earlier`; negative where `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }

    /// This time moved by `span`, within what can be told.
    #[must_use]
    pub const fn plus(self, span: Span) -> Self {
        Self::from_nanos(self.0.saturating_add(span.0))
    }
}

impl Span {
    /// A number of nanoseconds.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// A number of milliseconds.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// A number of seconds.
    #[must_use]
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000_000))
    }

    /// Nanoseconds.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Seconds, as the report writes durations; never negative.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "a duration of 104 days is exact to the nanosecond, longer ones to the microsecond"
    )]
    pub fn seconds(self) -> f64 {
        self.0.max(0) as f64 / 1e9
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with nanoseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(time) => write!(f, "{time:.9}"),
            Err(_) => f.write_str("1970-01-01T00:00:00.000000000Z"),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
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
    fn prints_rfc_3339_with_nine_digits() {
        let time = Timestamp::from_parts(1_700_000_000, 5);
        assert_eq!(time.to_string(), "2023-11-14T22:13:20.000000005Z");
    }

    #[test]
    fn saturates_instead_of_wrapping() {
        assert_eq!(Timestamp::from_parts(u64::MAX, 0), Timestamp::MAX);
        assert_eq!(Timestamp::from_nanos(-5), Timestamp::default());
        assert_eq!(Timestamp::MAX.plus(Span::from_secs(10)), Timestamp::MAX);
        assert!(Timestamp::MAX.to_string().starts_with("2262-04-11"));
    }
}
