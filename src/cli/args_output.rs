//! What `ftpscope analyze` writes, and where.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::report::EventChoice;

/// Options about the report.
#[derive(Debug, Args)]
pub(super) struct OutputArguments {
    /// What to write: table, json (one document), ndjson (one object an event), csv (one row a transfer), html (one page)
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
    /// On the page, show the beginning of text files, and small pictures
    #[arg(long, help_heading = "Output")]
    pub(super) previews: bool,
    /// Which events ndjson has: all, or summary (whole sessions, warnings, totals)
    #[arg(
        long,
        value_name = "WHICH",
        default_value = "all",
        hide_possible_values = true,
        help_heading = "Output"
    )]
    pub(super) events: Events,
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
    /// One row a transfer, for a spreadsheet.
    Csv,
    /// One page to look at and to step through.
    Html,
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
