//! `ftpscope tree`: what was seen of the servers' folders.

use super::args_tree::{TreeArguments, TreeFormat};
use super::error_text::Failure;
use super::exit_code::Exit;
use super::output::Output;
use super::reading::Reading;
use crate::report::tree::Tree;
use crate::report::{json, table};

/// Reads the captures and writes the trees.
pub(super) fn run(arguments: &TreeArguments) -> Result<Exit, Failure> {
    let reading = Reading::open(
        &arguments.input,
        &arguments.selection,
        &arguments.presentation,
    )?;
    let path = arguments.output.as_deref();
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
    Ok(arguments.exit.exit(&outcome, false))
}
