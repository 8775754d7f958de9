//! Parsers of option values: times, zones, sizes, rotation limits, addresses.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::TimeZone;

use crate::cli::failure::Failure;
use crate::keep::Rotation;
use crate::model::{Span, Timestamp, instant_in};
use crate::report::export::LocalNetworks;

/// Parses the value of `--since` or `--until`: RFC 3339, or a date with or without a time in `zone`.
pub(crate) fn time_bound(
    option: &'static str,
    value: &str,
    zone: &TimeZone,
) -> Result<Timestamp, Failure> {
    let wrong = |cause: String| Failure::Option {
        option,
        value: value.to_owned(),
        cause,
        hint: "write it like 2026-11-20T15:53:01Z, 2026-11-20T15:53 or 2026-11-20",
    };
    let instant = instant_in(value, zone).ok_or_else(|| wrong("not a time".to_owned()))?;
    match i64::try_from(instant.as_nanosecond()) {
        Ok(nanos) if nanos >= 0 => Ok(Timestamp::from_nanos(nanos)),
        _ => Err(wrong("outside the years 1970 to 2262".to_owned())),
    }
}

/// Parses the value of `--tz`: `local`, a name like `Europe/Berlin`, or an offset like `+02:00`.
pub(crate) fn time_zone(value: &str) -> Result<TimeZone, String> {
    match value {
        "local" => Ok(TimeZone::system()),
        "UTC" | "utc" | "Z" => Ok(TimeZone::UTC),
        _ => DateTimeParser::new().parse_time_zone(value).map_err(|_| {
            "write UTC, local, a name like Europe/Berlin or an offset like +02:00".to_owned()
        }),
    }
}

/// Parses the value of `--session`.
pub(crate) fn session_id(value: &str) -> Result<u64, String> {
    let number = value.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| {
        "write the number of a session, from 1, such as 3; --where 'login.user == \"bob\"' finds sessions by what they are"
            .to_owned()
    })
}

/// Parses the value of `--tolerance`: at most an hour.
pub(crate) fn tolerance(value: &str) -> Result<Span, String> {
    let wrong = || "write it like 500ms, 2s or 1min, at most an hour".to_owned();
    if let Some(millis) = value.strip_suffix("ms") {
        let millis: i64 = millis.trim().parse().map_err(|_| wrong())?;
        return if (0..=3_600_000).contains(&millis) {
            Ok(Span::from_millis(millis))
        } else {
            Err(wrong())
        };
    }
    let time = match value {
        "0" | "0s" => Duration::ZERO,
        _ => time_span(value).map_err(|_| wrong())?,
    };
    if time > Duration::from_hours(1) {
        return Err(wrong());
    }
    i64::try_from(time.as_secs())
        .map(Span::from_secs)
        .map_err(|_| wrong())
}

/// Parses a size as [`byte_size`] does, of at least 1 MiB.
pub(crate) fn memory_size(value: &str) -> Result<usize, String> {
    let bytes = byte_size(value)?;
    if bytes < MIN_MEMORY {
        return Err("at least 1MiB is needed".to_owned());
    }
    Ok(bytes)
}

/// Parses a size in bytes: `1048576`, `512KiB`, `256MiB`, `2GiB`, or with powers of 1000 `500MB`.
pub(crate) fn byte_size(value: &str) -> Result<usize, String> {
    let digits = value.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = value.get(digits.len()..).unwrap_or_default().trim();
    let factor: usize = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" | "k" => 1 << 10,
        "mib" | "m" => 1 << 20,
        "gib" | "g" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err("write it like 256MiB or 2GiB".to_owned()),
    };
    let number: usize = digits
        .parse()
        .map_err(|_| "write it like 256MiB or 2GiB".to_owned())?;
    number
        .checked_mul(factor)
        .ok_or_else(|| "too large for this machine".to_owned())
}

/// Parses a length of time: `90s`, `10min`, `8h`, `7d`; a bare number is seconds.
pub(crate) fn time_span(value: &str) -> Result<Duration, String> {
    let wrong = || "write it like 90s, 10min, 8h or 7d".to_owned();
    let digits = value.trim_end_matches(|c: char| !c.is_ascii_digit());
    let seconds = match value.get(digits.len()..).unwrap_or_default().trim() {
        "" | "s" => 1,
        "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    match number.checked_mul(seconds) {
        Some(total) if total > 0 => Ok(Duration::from_secs(total)),
        _ => Err(wrong()),
    }
}

/// Parses the time for which bytes wait for a TLS secret: at most 10 minutes.
pub(crate) fn waiting_time(value: &str) -> Result<Duration, String> {
    let time = match value {
        "0" | "0s" => Duration::ZERO,
        _ => time_span(value)?,
    };
    if time > Duration::from_mins(10) {
        return Err("write at most 10min".to_owned());
    }
    Ok(time)
}

/// Parses an address with a port, or a port of the loopback interface.
pub(crate) fn metrics_address(value: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = value.trim_start_matches(':').parse::<u16>() {
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    value
        .parse()
        .map_err(|_| "write it like 127.0.0.1:9121, [::1]:9121 or 9121".to_owned())
}

/// Parses a rotation limit: a size with its unit, or a length of time.
pub(crate) fn rotation(value: &str) -> Result<Rotation, String> {
    let wrong = || "write it like 100MB, 1GiB, 30min or 24h".to_owned();
    // Sizes end with their B, so that 30m cannot be taken for either.
    if value.ends_with(['B', 'b']) {
        let size = byte_size(value).map_err(|_| wrong())?;
        return u64::try_from(size).map(Rotation::Size).map_err(|_| wrong());
    }
    if value.ends_with(|c: char| c.is_ascii_digit()) {
        return Err(wrong());
    }
    time_span(value).map(Rotation::Age).map_err(|_| wrong())
}

/// Smallest memory in bytes: below it not even one receive window fits.
const MIN_MEMORY: usize = 1 << 20;

/// Parses the name of a part: it becomes a file name.
#[cfg(feature = "parquet")]
pub(crate) fn part_name(text: &str) -> Result<String, String> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.=".contains(letter);
    if text.is_empty() || text.len() > 128 || !text.chars().all(is_plain) {
        return Err("use up to 128 letters, digits, -, _, . and =".to_owned());
    }
    Ok(text.to_owned())
}

/// Parses a list of networks.
pub(crate) fn local_networks(text: &str) -> Result<LocalNetworks, String> {
    LocalNetworks::parse(text).map_err(|entry| format!("{entry} is no network such as 10.0.0.0/8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_take_binary_and_decimal_units() {
        assert_eq!(memory_size("256MiB"), Ok(256 << 20));
        assert_eq!(memory_size("2g"), Ok(2 << 30));
        assert_eq!(memory_size("500 MB"), Ok(500_000_000));
        assert_eq!(memory_size("1048576"), Ok(1 << 20));
        for wrong in [
            "",
            "MiB",
            "-1MiB",
            "1.5GiB",
            "10QiB",
            "12",
            "99999999999999GiB",
        ] {
            assert!(memory_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn time_bounds_are_instants_or_local_times() {
        let berlin = time_zone("Europe/Berlin").expect("a zone");
        let nanos = |value, zone: &TimeZone| {
            time_bound("--since", value, zone).map(|time| time.to_string())
        };
        let noon = "2026-11-20T12:00:00.000000000Z";
        assert_eq!(
            nanos("2026-11-20T12:00:00Z", &berlin).expect("a time"),
            noon
        );
        assert_eq!(
            nanos("2026-11-20T13:00:00+01:00", &berlin).expect("a time"),
            noon
        );
        assert_eq!(nanos("2026-11-20T13:00", &berlin).expect("a time"), noon);
        assert_eq!(nanos("2026-11-20 13:00:00", &berlin).expect("a time"), noon);
        let day = nanos("2026-11-20", &TimeZone::UTC).expect("a time");
        assert_eq!(day, "2026-11-20T00:00:00.000000000Z");
    }

    #[test]
    fn a_wrong_time_is_refused_with_an_example() {
        for wrong in ["yesterday", "1969-12-31", "2026-13-01", ""] {
            let failure = time_bound("--until", wrong, &TimeZone::UTC).expect_err(wrong);
            assert!(failure.to_string().contains("2026-11-20T15:53:01Z"));
        }
    }

    #[test]
    fn zones_are_names_or_offsets() {
        assert!(time_zone("+02:00").is_ok());
        assert!(time_zone("local").is_ok());
        assert!(time_zone("Mars/Olympus").is_err());
    }

    #[test]
    fn rotation_limits_are_sizes_or_times() {
        assert_eq!(rotation("100MB"), Ok(Rotation::Size(100_000_000)));
        assert_eq!(rotation("1GiB"), Ok(Rotation::Size(1 << 30)));
        let day = Rotation::Age(Duration::from_hours(24));
        assert_eq!(rotation("24h"), Ok(day));
        for wrong in ["", "100", "10m", "h", "0h", "-1h", "10 parsecs"] {
            assert!(rotation(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn time_spans_take_units() {
        assert_eq!(time_span("90"), Ok(Duration::from_secs(90)));
        assert_eq!(time_span("10min"), Ok(Duration::from_mins(10)));
        assert!(time_span("10m").is_err());
        assert!(time_span("99999999999999999999d").is_err());
    }
}
