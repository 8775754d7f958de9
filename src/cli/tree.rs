//! `ftpscope tree`: the servers' folders as far as the captures show them.

use clap::{Args, ValueEnum};

use super::failure::{Exit, Failure};
use super::options::{
    ExitOptions, InputOptions, PresentationOptions, SelectionOptions, WholeOutputOptions,
};
use super::output::Output;
use super::reading::Reading;
use crate::report::tree::Tree;
use crate::report::{json, table};

#[derive(Debug, Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub(super) struct TreeArguments {
    #[command(flatten)]
    input: InputOptions,
    /// Output format: text (an indented tree), json (one document)
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_possible_values = true,
        help_heading = "Output"
    )]
    format: TreeFormat,
    #[command(flatten)]
    output: WholeOutputOptions,
    #[command(flatten)]
    presentation: PresentationOptions,
    #[command(flatten)]
    selection: SelectionOptions,
    #[command(flatten)]
    exit: ExitOptions,
}

/// The format of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TreeFormat {
    /// For people.
    Text,
    /// One JSON document.
    Json,
}

/// Reads the captures and writes one tree per server.
pub(super) fn run(arguments: &TreeArguments) -> Result<Exit, Failure> {
    let reading = Reading::open(
        &arguments.input,
        &arguments.selection,
        &arguments.presentation,
    )?;
    let path = arguments.output.output.as_deref();
    let mut output = Output::open(path, &arguments.input.captures, true)?;
    let (report, outcome) = reading.report()?;
    let tree = Tree::of(&report);
    let written = match arguments.format {
        TreeFormat::Json => json::write_tree(&tree, &mut output),
        TreeFormat::Text => {
            table::render_tree(&tree, &arguments.presentation.layout(path), &mut output)
        }
    };
    output.close(written)?;
    outcome.note_empty_selection(&arguments.presentation);
    Ok(arguments.exit.exit(&outcome, false))
}

const EXAMPLES: &str = "\
Examples:
  ftpscope tree capture.pcap
  ftpscope tree --format json day/ | jq '.servers[].entries[] | select(.exists | not).path'";
