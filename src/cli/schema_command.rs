//! `ftpscope schema`: what the JSON looks like.

use std::io::Write;

use super::args::SchemaArguments;
use super::error_text::Failure;
use super::exit_code::Exit;
use crate::check::answer;
use crate::report::json;

/// Prints a JSON Schema.
pub(super) fn run(arguments: &SchemaArguments) -> Result<Exit, Failure> {
    let schema = if arguments.events {
        json::event_schema()
    } else if arguments.tree {
        json::tree_schema()
    } else if arguments.check {
        answer::json_schema()
    } else {
        json::report_schema()
    };
    print(schema.as_bytes())
}

/// All of a generated text on standard output.
pub(super) fn print(text: &[u8]) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text)
        .and_then(|()| out.flush())
        .map_err(|cause| Failure::stdout(&cause))?;
    Ok(Exit::Done)
}
