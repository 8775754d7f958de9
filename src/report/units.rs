//! Counts, sizes, rates, durations and times, formatted for people.

use jiff::tz::TimeZone;

use crate::model::Timestamp;

pub use crate::model::grouped as count;

/// Formats a count with its noun: `1 session`, `2 sessions`.
#[must_use]
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// Formats an exact number of bytes: `1,715 bytes`.
#[must_use]
pub fn bytes(number: u64) -> String {
    counted(number, "byte", "bytes")
}

/// Formats a number of bytes for a narrow column: exact below a million, then `1.5 MB` (powers of 1000).
#[must_use]
pub fn size(number: u64) -> String {
    if number < 1_000_000 {
        bytes(number)
    } else {
        scaled(to_float(number), "")
    }
}

/// Formats bytes per second: `142.9 kB/s`.
#[must_use]
pub fn rate(bytes_per_second: f64) -> String {
    scaled(bytes_per_second, "/s")
}

/// Formats a duration in seconds: `0.000360 s`, `0.012 s`, `3.1 s`, `2 min 05 s`, `1 h 02 min`, `3 d 04 h`. Below 1 ms
/// it has six decimals, as in titles.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a duration is never negative, and a float to integer cast saturates"
)]
pub fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    if seconds < 0.000_000_5 {
        return "0 s".to_owned();
    }
    if seconds < 0.001 {
        return format!("{seconds:.6} s");
    }
    // From here on, rounding to three decimals would give 1.000 s.
    if seconds < 0.9995 {
        return format!("{seconds:.3} s");
    }
    if seconds < 59.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    let (days, hours) = (whole / 86_400, whole / 3_600 % 24);
    let (minutes, rest) = (whole / 60 % 60, whole % 60);
    if days > 0 {
        format!("{days} d {hours:02} h")
    } else if hours > 0 {
        format!("{hours} h {minutes:02} min")
    } else {
        format!("{minutes} min {rest:02} s")
    }
}

/// Formats the seconds from the start of a session to a time in it: `+0.013`.
#[must_use]
pub fn offset(time: Timestamp, start: Timestamp) -> String {
    format!("+{:.3}", time.since(start).seconds())
}

/// Formats a time in a zone, to the second: `2026-11-20 15:53:01 UTC`.
#[must_use]
pub fn time(time: Timestamp, zone: &TimeZone) -> String {
    formatted(time, zone, "%Y-%m-%d %H:%M:%S %Z")
}

/// Formats a time in a zone, to the millisecond and without the zone's name: `2026-11-20 15:53:01.234`.
#[must_use]
pub fn time_to_millisecond(time: Timestamp, zone: &TimeZone) -> String {
    formatted(time, zone, "%Y-%m-%d %H:%M:%S%.3f")
}

fn formatted(time: Timestamp, zone: &TimeZone, format: &str) -> String {
    match jiff::Timestamp::from_nanosecond(i128::from(time.nanos())) {
        Ok(instant) => instant.to_zoned(zone.clone()).strftime(format).to_string(),
        Err(_) => time.to_string(),
    }
}

/// Converts the length of a list to a count.
#[must_use]
pub fn to_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn scaled(number: f64, suffix: &str) -> String {
    let mut value = number.max(0.0);
    let mut unit = "bytes";
    for larger in ["kB", "MB", "GB", "TB", "PB", "EB"] {
        // From 999.95 on, one digit would round to 1000.0.
        if value < 999.95 {
            break;
        }
        value /= 1000.0;
        unit = larger;
    }
    if unit == "bytes" {
        format!("{value:.0} {unit}{suffix}")
    } else {
        format!("{value:.1} {unit}{suffix}")
    }
}

#[expect(clippy::cast_precision_loss, reason = "three digits of it are shown")]
fn to_float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn count_of_one_has_the_singular() {
        assert_eq!(counted(1, "session", "sessions"), "1 session");
        assert_eq!(counted(1_000, "session", "sessions"), "1,000 sessions");
    }

    #[test]
    fn sizes_below_a_million_are_exact() {
        assert_eq!(bytes(1), "1 byte");
        assert_eq!(size(1_715), "1,715 bytes");
        assert_eq!(size(999_999), "999,999 bytes");
        assert_eq!(size(1_500_000), "1.5 MB");
        assert_eq!(size(999_990_000), "1.0 GB");
        assert_eq!(size(u64::MAX), "18.4 EB");
    }

    #[test]
    fn rates_have_one_digit() {
        assert_eq!(rate(142_916.7), "142.9 kB/s");
        assert_eq!(rate(12.0), "12 bytes/s");
        assert_eq!(rate(f64::NAN), "0 bytes/s");
    }

    #[test]
    fn long_durations_have_larger_units() {
        assert_eq!(duration(0.0), "0 s");
        assert_eq!(duration(0.000_36), "0.000360 s");
        assert_eq!(duration(0.0124), "0.012 s");
        assert_eq!(duration(3.12), "3.1 s");
        assert_eq!(duration(59.99), "1 min 00 s");
        assert_eq!(duration(125.0), "2 min 05 s");
        assert_eq!(duration(3_720.0), "1 h 02 min");
        assert_eq!(duration(273_600.0), "3 d 04 h");
        assert_eq!(duration(-1.0), "0 s");
    }

    #[test]
    fn times_are_formatted_in_the_given_zone() {
        let moment = Timestamp::from_parts(1_795_190_081, 256_485_000);
        assert_eq!(time(moment, &TimeZone::UTC), "2026-11-20 15:54:41 UTC");
        let plus_two = TimeZone::fixed(jiff::tz::offset(2));
        assert_eq!(time(moment, &plus_two), "2026-11-20 17:54:41 +02");
        assert_eq!(
            offset(moment, Timestamp::from_parts(1_795_190_080, 0)),
            "+1.256"
        );
    }
}
