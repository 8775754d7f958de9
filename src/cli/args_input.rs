//! What to read: captures, and the bounds on it.

use std::path::PathBuf;

use clap::Args;
use jiff::civil;
use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::TimeZone;

use super::error_text::Failure;
use crate::capture::ReadOptions;
use crate::model::Timestamp;

/// Options about the input.
#[derive(Clone, Debug, Args)]
pub(super) struct InputArguments {
    /// pcap or pcapng files (also compressed), directories of them, or - for standard input
    #[arg(required = true, value_name = "CAPTURE")]
    pub(super) captures: Vec<PathBuf>,
    /// Look only at packets that match a libpcap filter
    #[cfg(feature = "live")]
    #[arg(short, long, value_name = "BPF", help_heading = "Input")]
    pub(super) filter: Option<String>,
    /// Look at packets from this time on
    #[arg(long, value_name = "TIME", help_heading = "Input")]
    pub(super) since: Option<String>,
    /// Look at packets before this time
    #[arg(long, value_name = "TIME", help_heading = "Input")]
    pub(super) until: Option<String>,
    /// Read a file that is still being written: wait for more at its end, until SIGINT
    #[arg(long, help_heading = "Input")]
    pub(super) follow: bool,
    /// Ceiling for buffered stream data; what does not fit becomes a recorded gap
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "256MiB",
        value_parser = memory_size,
        help_heading = "Input"
    )]
    pub(super) max_memory: usize,
}

/// The value of `--since` or `--until`: RFC 3339, or a date with or without a time, in `zone`.
pub(super) fn time_bound(
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
    let instant = match value.parse::<jiff::Timestamp>() {
        Ok(instant) => instant,
        Err(_) => value
            .parse::<civil::DateTime>()
            .and_then(|time| time.to_zoned(zone.clone()))
            .map_err(|_| wrong("not a time".to_owned()))?
            .timestamp(),
    };
    match i64::try_from(instant.as_nanosecond()) {
        Ok(nanos) if nanos >= 0 => Ok(Timestamp::from_nanos(nanos)),
        _ => Err(wrong("outside the years 1970 to 2262".to_owned())),
    }
}

/// The value of `--tz`: `local`, a name like `Europe/Berlin`, or an offset like `+02:00`.
pub(super) fn time_zone(value: &str) -> Result<TimeZone, String> {
    match value {
        "local" => Ok(TimeZone::system()),
        "UTC" | "utc" | "Z" => Ok(TimeZone::UTC),
        _ => DateTimeParser::new().parse_time_zone(value).map_err(|_| {
            "write UTC, local, a name like Europe/Berlin or an offset like +02:00".to_owned()
        }),
    }
}

/// A size of memory, as [`byte_size`] reads it.
pub(super) fn memory_size(value: &str) -> Result<usize, String> {
    let bytes = byte_size(value)?;
    if bytes < LEAST_MEMORY {
        return Err("at least 1MiB is needed".to_owned());
    }
    Ok(bytes)
}

/// The largest window of a compressed capture: as always, but within `--max-memory`.
pub(super) fn window_limit(max_memory: usize) -> u64 {
    let usual = ReadOptions::default().window_limit;
    u64::try_from(max_memory).unwrap_or(u64::MAX).min(usual)
}

/// A size in bytes: `1048576`, `512KiB`, `256MiB`, `2GiB`, or with powers of 1000 `500MB`.
pub(super) fn byte_size(value: &str) -> Result<usize, String> {
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

/// Below this no window of a connection fits.
const LEAST_MEMORY: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_and_decimal_units() {
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
    fn bounds_are_instants_or_local_times() {
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
    fn what_is_no_time_is_refused_with_an_example() {
        for wrong in ["yesterday", "1969-12-31", "2026-13-01", ""] {
            let failure = time_bound("--until", wrong, &TimeZone::UTC).expect_err(wrong);
            assert!(failure.to_string().contains("2026-11-20T15:53:01Z"));
        }
    }

    #[test]
    fn zones_have_names_or_offsets() {
        assert!(time_zone("+02:00").is_ok());
        assert!(time_zone("local").is_ok());
        assert!(time_zone("Mars/Olympus").is_err());
    }
}
