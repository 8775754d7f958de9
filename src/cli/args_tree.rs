//! What `ftpscope tree` takes.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;

use super::args_input::{InputArguments, time_zone};
use super::terminal::ColorChoice;

#[derive(Debug, Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub(super) struct TreeArguments {
    #[command(flatten)]
    pub(super) input: InputArguments,
    /// What to write: text (an indented tree), json (one document)
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_possible_values = true,
        help_heading = "Output"
    )]
    pub(super) format: TreeFormat,
    /// Write to FILE; a regular file appears whole or not at all
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub(super) output: Option<PathBuf>,
    /// When to use colours: auto, always, never
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true,
        help_heading = "Output"
    )]
    pub(super) color: ColorChoice,
    /// Zone of times in text and of --since and --until: UTC, local, Europe/Berlin, +02:00
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
    /// Show everything: all that happened to each entry, files that were passed over
    #[arg(short, long, help_heading = "Output")]
    pub(super) verbose: bool,
    /// No progress on standard error
    #[arg(long, help_heading = "Output")]
    pub(super) no_progress: bool,
    /// Keep only sessions for which a CEL expression is true, such as 'login.user == "bob"'
    #[arg(long = "where", value_name = "EXPR", help_heading = "Sessions")]
    pub(super) condition: Option<String>,
    /// Keep only the session with this id; may be given more than once
    #[arg(long, value_name = "ID", help_heading = "Sessions")]
    pub(super) session: Vec<u64>,
    /// Show secrets as they were sent
    #[arg(long)]
    pub(super) show_passwords: bool,
    /// Exit 3 where an input was cut short, had lost packets or a link type that is not supported
    #[arg(long, help_heading = "Exit codes")]
    pub(super) strict: bool,
    /// Exit 4 where there is no FTP session
    #[arg(long, help_heading = "Exit codes")]
    pub(super) fail_if_empty: bool,
}

/// What a tree is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum TreeFormat {
    /// For people.
    Text,
    /// One JSON document.
    Json,
}

const EXAMPLES: &str = "\
Examples:
  ftpscope tree capture.pcap
  ftpscope tree --format json day/ | jq '.servers[].entries[] | select(.exists | not).path'";
