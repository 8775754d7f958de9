//! How text looks, and what is told beside the report.

use std::path::Path;

use clap::Args;
use jiff::tz::TimeZone;

use super::args_input::time_zone;
use super::terminal::{self, ColorChoice, Environment};
use crate::report::table;

/// Options about the text for people.
#[derive(Debug, Args)]
pub(super) struct PresentationArguments {
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
    /// Show everything: commands and replies, explanations, files that were passed over
    #[arg(short, long, help_heading = "Output")]
    pub(super) verbose: bool,
    /// No progress on standard error
    #[arg(long, help_heading = "Output")]
    pub(super) no_progress: bool,
}

impl PresentationArguments {
    /// Whether to show how far the reading is.
    pub(super) fn shows_progress(&self) -> bool {
        !self.no_progress && !self.quiet
    }

    /// How to lay out text for `output`, or for standard output where that is `None`.
    pub(super) fn layout(&self, output: Option<&Path>) -> table::Options {
        let environment = Environment::of_process();
        let to_terminal = output.is_none() && terminal::stdout_is_terminal();
        let columns = to_terminal.then(terminal::stdout_width).flatten();
        table::Options {
            width: environment.width(columns),
            color: environment.color(self.color, to_terminal),
            zone: self.tz.clone(),
            verbose: self.verbose,
        }
    }
}
