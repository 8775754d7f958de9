//! What `ftpscope live` takes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::args_digest::DigestArguments;
use crate::cli::args_input::{byte_size, memory_size};
use crate::cli::args_output::Events;
use crate::cli::args_presentation::PresentationArguments;
use crate::cli::args_selection::SelectionArguments;
use crate::keep::{Rotation, RotationLimits};

/// The arguments of `ftpscope live`.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub(in crate::cli) struct LiveArguments {
    /// Capture from an interface; any for all of them; may be given more than once
    #[cfg(feature = "live")]
    #[arg(
        short,
        long,
        value_name = "INTERFACE",
        required_unless_present = "read",
        conflicts_with = "read",
        help_heading = "Input"
    )]
    pub(super) interface: Vec<String>,
    /// Take packets from a capture that is being made: a pipe, - for standard input, or a file
    #[arg(short, long, value_name = "FILE", help_heading = "Input")]
    #[cfg_attr(not(feature = "live"), arg(required = true))]
    pub(super) read: Option<PathBuf>,
    /// Look only at packets that match a libpcap filter
    #[cfg(feature = "live")]
    #[arg(short, long, value_name = "BPF", help_heading = "Input")]
    pub(super) filter: Option<String>,
    /// Size of the capture buffer of each interface
    #[cfg(feature = "live")]
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "64MiB",
        value_parser = memory_size,
        help_heading = "Input"
    )]
    pub(super) buffer: usize,
    /// Bytes captured of each packet
    #[cfg(feature = "live")]
    #[arg(
        long,
        value_name = "BYTES",
        default_value_t = 262_144,
        value_parser = clap::value_parser!(u32).range(64..=262_144),
        help_heading = "Input"
    )]
    pub(super) snap_length: u32,
    /// Only packets that this machine sends or is sent
    #[cfg(feature = "live")]
    #[arg(short = 'p', long, help_heading = "Input")]
    pub(super) no_promiscuous: bool,
    /// Only packets that go this way: in, out, both
    #[cfg(feature = "live")]
    #[arg(
        long,
        value_name = "WAY",
        default_value = "both",
        hide_possible_values = true,
        help_heading = "Input"
    )]
    pub(super) direction: WayChoice,
    /// End after this many packets
    #[arg(short, long, value_name = "PACKETS", help_heading = "Input")]
    pub(super) count: Option<u64>,
    /// End after this time: 90s, 10min, 8h, 7d
    #[arg(long, value_name = "TIME", value_parser = time_span, help_heading = "Input")]
    pub(super) duration: Option<Duration>,
    /// Ceiling for buffered stream data; what does not fit becomes a recorded gap
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "256MiB",
        value_parser = memory_size,
        help_heading = "Input"
    )]
    pub(super) max_memory: usize,
    /// What to write: text (one line an event), ndjson (one object an event)
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_possible_values = true,
        help_heading = "Output"
    )]
    pub(super) format: LiveFormat,
    /// Write events into FILE, behind what it holds already
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub(super) output: Option<PathBuf>,
    /// Which events ndjson has: all, or summary (whole sessions, warnings, totals)
    #[arg(
        long,
        value_name = "WHICH",
        default_value = "all",
        hide_possible_values = true,
        help_heading = "Output"
    )]
    pub(super) events: Events,
    /// Begin a new file at a size or after a time: 100MB, 1GiB, 30min, 24h; the old one gets the time behind its name
    #[arg(long, value_name = "LIMIT", value_parser = rotation, help_heading = "Output")]
    pub(super) rotate: Option<Rotation>,
    /// Keep only the newest COUNT of the old files of each output
    #[arg(
        long,
        value_name = "COUNT",
        requires = "rotate",
        value_parser = clap::value_parser!(u32).range(1..),
        help_heading = "Output"
    )]
    pub(super) keep: Option<u32>,
    /// Save the transferred files below DIR, as they arrive
    #[arg(short = 'x', long, value_name = "DIR", help_heading = "Output")]
    pub(super) extract: Option<PathBuf>,
    /// Keep the packets of FTP sessions (control, data, their DNS) in FILE, as pcapng
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub(super) write: Option<PathBuf>,
    /// Serve numbers for Prometheus at ADDRESS, such as 127.0.0.1:9121 or just 9121
    #[arg(long, value_name = "ADDRESS", value_parser = metrics_address, help_heading = "Output")]
    pub(super) metrics: Option<SocketAddr>,
    /// Mark events for which a CEL expression is true, such as 'finding.severity == "high"'; may be given more than once
    #[arg(long, value_name = "EXPR", help_heading = "Alerts")]
    pub(super) alert: Vec<String>,
    /// Give each marked event to PROGRAM, as JSON on its standard input
    #[arg(
        long,
        value_name = "PROGRAM",
        requires = "alert",
        help_heading = "Alerts"
    )]
    pub(super) exec: Option<PathBuf>,
    /// As root, go on as this user once everything is open (root: stay root)
    #[arg(long, value_name = "USER", help_heading = "Privileges")]
    pub(super) user: Option<String>,
    #[command(flatten, next_help_heading = "Output")]
    pub(super) digests: DigestArguments,
    #[command(flatten)]
    pub(super) presentation: PresentationArguments,
    #[command(flatten)]
    pub(super) selection: SelectionArguments,
}

impl LiveArguments {
    /// Returns the limits that all outputs share.
    pub(super) const fn rotation_limits(&self) -> RotationLimits {
        RotationLimits {
            rotate: self.rotate,
            keep: self.keep,
        }
    }
}

/// How events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum LiveFormat {
    Text,
    Ndjson,
}

/// Which packets are wanted.
#[cfg(feature = "live")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum WayChoice {
    In,
    Out,
    Both,
}

/// A length of time: `90s`, `10min`, `8h`, `7d`; a bare number is seconds.
fn time_span(value: &str) -> Result<Duration, String> {
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

/// An address with a port, or a port of the loopback interface.
fn metrics_address(value: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = value.trim_start_matches(':').parse::<u16>() {
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    value
        .parse()
        .map_err(|_| "write it like 127.0.0.1:9121, [::1]:9121 or 9121".to_owned())
}

/// A size with its unit, or a time.
fn rotation(value: &str) -> Result<Rotation, String> {
    let wrong = || "write it like 100MB, 1GiB, 30min or 24h".to_owned();
    if value.ends_with(['B', 'b']) {
        let size = byte_size(value).map_err(|_| wrong())?;
        return u64::try_from(size).map(Rotation::Size).map_err(|_| wrong());
    }
    if value.ends_with(|c: char| c.is_ascii_digit()) {
        return Err(wrong());
    }
    time_span(value).map(Rotation::Age).map_err(|_| wrong())
}

#[cfg(feature = "live")]
const EXAMPLES: &str = "\
Examples:
  ftpscope live -i eth0                                      one line an event
  ftpscope live -i eth0 --format ndjson -o ftp.ndjson --rotate 24h --keep 30
  ftpscope live -i any -x files -f 'host 192.0.2.7'
  ssh server tcpdump -U -w - host 192.0.2.7 | ftpscope live -r -";

#[cfg(not(feature = "live"))]
const EXAMPLES: &str = "\
Examples:
  tcpdump -U -w - host 192.0.2.7 | ftpscope live -r -";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_rotate_by_size_or_by_time() {
        assert_eq!(rotation("100MB"), Ok(Rotation::Size(100_000_000)));
        assert_eq!(rotation("1GiB"), Ok(Rotation::Size(1 << 30)));
        let day = Rotation::Age(Duration::from_hours(24));
        assert_eq!(rotation("24h"), Ok(day));
        for wrong in ["", "100", "10m", "h", "0h", "-1h", "10 parsecs"] {
            assert!(rotation(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_have_units() {
        assert_eq!(time_span("90"), Ok(Duration::from_secs(90)));
        assert_eq!(time_span("10min"), Ok(Duration::from_mins(10)));
        assert!(time_span("10m").is_err());
        assert!(time_span("99999999999999999999d").is_err());
    }
}
