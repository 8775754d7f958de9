//! What to write, where, and how it looks.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;

use super::args_input::time_zone;
use super::terminal::ColorChoice;
use crate::report::EventChoice;

/// Options about the output.
#[derive(Debug, Args)]
pub(super) struct OutputArguments {
    /// What to write: table, json (one document), ndjson (one object an event)
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "table",
        hide_possible_values = true,
        help_heading = "Output"
    )]
    pub(super) format: Format,
    /// Write to FILE; a regular file appears whole or not at all (ndjson: event by event)
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
    /// When to use colours: auto, always, never
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true,
        help_heading = "Output"
    )]
    pub(super) color: ColorChoice,
    /// Zone of times in tables and of --since and --until: UTC, local, Europe/Berlin, +02:00
    #[arg(
        long,
        value_name = "ZONE",
        default_value = "UTC",
        value_parser = time_zone,
        help_heading = "Output"
    )]
    pub(super) tz: TimeZone,
    /// No notes on standard error, only errors
    #[arg(short, long, conflicts_with = "verbose", help_heading = "Output")]
    pub(super) quiet: bool,
    /// Show everything: commands and replies, explanations, files that were passed over
    #[arg(short, long, help_heading = "Output")]
    pub(super) verbose: bool,
    /// No progress on standard error
    #[arg(long, help_heading = "Output")]
    pub(super) no_progress: bool,
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Tables for people.
    Table,
    /// One JSON document.
    Json,
    /// One JSON object an event.
    Ndjson,
}

/// Which events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Events {
    /// All of them.
    All,
    /// Only whole sessions, warnings and totals.
    Summary,
}

impl From<Events> for EventChoice {
    fn from(events: Events) -> Self {
        match events {
            Events::All => Self::All,
            Events::Summary => Self::Summary,
        }
    }
}
