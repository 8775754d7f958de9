//! `ftpscope tree`: the servers' folders as far as the captures show them.

use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::failure::{Exit, Failure};
use super::options::{
    ExitOptions, InputOptions, PresentationOptions, SelectionOptions, WholeOutputOptions,
};
use super::output::Output;
use super::reading::Reading;
use crate::report::tree::TreeBuilder;
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
    let mut output = Output::open(path, &arguments.input.files(), true)?;
    let mut builder = TreeBuilder::new(&reading.options.limits);
    let outcome = reading.run(&mut builder, false, &mut (), Arc::default());
    if outcome.interrupted {
        return Err(Failure::Interrupted);
    }
    let mut trees = builder.finish();
    let written = match arguments.format {
        TreeFormat::Json => json::write_tree(&mut trees, &mut output),
        TreeFormat::Text => {
            let layout = arguments.presentation.layout(path);
            table::render_tree(&mut trees, &layout, &mut output)
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
