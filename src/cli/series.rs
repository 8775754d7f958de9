//! `ftpscope series`: which captures belong into one run.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use anstyle::Style;
use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use serde_json::json;

use super::failure::{Exit, Failure};
use super::messages;
use super::options::values::time_span;
use super::output::Output;
use super::terminal::{Environment, stdout_width};
use crate::capture::{ReadOptions, Series, SeriesListing};
use crate::model::{Span, Timestamp};
use crate::report::units;
use crate::report::wrapping::{verbatim, write_wrapped};

#[derive(Debug, Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub(super) struct SeriesArguments {
    /// pcap or pcapng files (also compressed), or directories of them
    #[arg(required = true, value_name = "CAPTURE")]
    captures: Vec<PathBuf>,
    /// Most time between two files of a series
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time_span)]
    gap: Duration,
    /// Output format: json (an object a line), text
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "json",
        hide_possible_values = true
    )]
    format: SeriesFormat,
    /// No notes on standard error, only errors
    #[arg(short, long)]
    quiet: bool,
}

/// The format of a list of series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SeriesFormat {
    /// One object a line, for scripts.
    Json,
    /// A line for each series and one for each of its files.
    Text,
}

/// Puts the captures into series and prints these.
pub(super) fn run(arguments: &SeriesArguments) -> Result<Exit, Failure> {
    if arguments
        .captures
        .iter()
        .any(|path| path.as_os_str() == "-")
    {
        return Err(Failure::Refused(
            "series are made of files; standard input is always one by itself".to_owned(),
        ));
    }
    let gap = i64::try_from(arguments.gap.as_secs()).unwrap_or(i64::MAX / 1_000_000_000);
    let listing = SeriesListing::of(
        &arguments.captures,
        Span::from_secs(gap),
        ReadOptions::default(),
    );
    for failure in listing.damaged_files.iter().chain(&listing.failures) {
        messages::print(&messages::input(failure));
    }
    if !arguments.quiet && !listing.skipped_files.is_empty() {
        let skipped = units::to_u64(listing.skipped_files.len());
        let files = units::counted(
            skipped,
            "file that is no capture",
            "files that are no captures",
        );
        messages::note(&format!("passed over {files}"));
    }
    let width = Environment::of_process().known_width(stdout_width());
    let mut output = Output::stdout();
    let written = listing
        .series
        .iter()
        .try_for_each(|series| match arguments.format {
            SeriesFormat::Json => writeln!(output, "{}", object(series)),
            SeriesFormat::Text => write_lines(series, width, &mut output),
        });
    output.close(written)?;
    Ok(if listing.failures.is_empty() {
        Exit::Done
    } else {
        Exit::Unreadable
    })
}

fn object(series: &Series) -> serde_json::Value {
    let paths: Vec<_> = series
        .paths
        .iter()
        .map(|path| path.to_string_lossy())
        .collect();
    json!({
        "series": series.name,
        "paths": paths,
        "bytes": series.bytes,
        "first_packet": series.first_packet,
        "last_packet": series.last_packet,
    })
}

fn write_lines(series: &Series, width: Option<u16>, out: &mut dyn Write) -> io::Result<()> {
    let mut line = |indent: usize, text: &str| {
        let text = verbatim(Style::new(), text);
        write_wrapped(&[text], width, (indent, 4), false, out)
    };
    let time = |time: Option<Timestamp>| {
        time.map_or("-".to_owned(), |time| units::time(time, &TimeZone::UTC))
    };
    line(
        0,
        &format!(
            "{}: {} to {}, {} in {}",
            series.name,
            time(series.first_packet),
            time(series.last_packet),
            units::bytes(series.bytes),
            units::counted(units::to_u64(series.paths.len()), "file", "files"),
        ),
    )?;
    let mut paths = series.paths.iter();
    paths.try_for_each(|path| line(2, &path.to_string_lossy()))
}

const EXAMPLES: &str = "\
Examples:
  ftpscope series --format text captures/
  ftpscope series captures/ | jq -r '.paths | @sh' |
    xargs -P 8 -L 1 sh -c 'ftpscope analyze -q --format csv \"$@\"' sh";
