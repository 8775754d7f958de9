//! `ftpscope completions`: what a shell needs to complete our arguments.

use clap::CommandFactory as _;

use super::args::{Arguments, CompletionsArguments};
use super::error_text::Failure;
use super::exit_code::Exit;
use super::schema_command::print;

/// Prints completions for a shell.
pub(super) fn run(arguments: &CompletionsArguments) -> Result<Exit, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut Arguments::command(),
        "ftpscope",
        &mut text,
    );
    print(&text)
}
