//! What `ftpscope tree` takes.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::args_exit::ExitArguments;
use super::args_input::InputArguments;
use super::args_presentation::PresentationArguments;
use super::args_selection::SelectionArguments;

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
    #[command(flatten)]
    pub(super) presentation: PresentationArguments,
    #[command(flatten)]
    pub(super) selection: SelectionArguments,
    #[command(flatten)]
    pub(super) exit: ExitArguments,
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
