//! The command line: arguments in, reports and an exit code out.
//!
//! ```text
//! args* -> live           -> a network as it happens: its own front page
//! args* -> <name>_command -> reading (capture, pipeline, check) -> report, extract
//!                         -> output (standard output or -o), standard error, exit_code
//! ```
//!
//! Only this layer looks at the environment, the terminal and the clock.

mod analyze_command;
mod args;
mod args_check;
mod args_diagram;
mod args_digest;
mod args_exit;
mod args_input;
mod args_output;
mod args_presentation;
mod args_selection;
mod args_tree;
mod check_answer;
mod check_baseline;
mod check_command;
mod check_files;
mod check_reading;
mod check_record;
mod completions_command;
mod diagram_command;
mod error_text;
mod exit_code;
mod extraction_folder;
#[cfg(feature = "live")]
mod filtered_source;
#[cfg(feature = "live")]
mod interfaces_command;
mod interruption;
mod live;
mod man_command;
mod output;
mod reading;
mod schema_command;
mod tally;
mod terminal;
mod tree_command;
mod watched_source;

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;

use args::{Arguments, Command};
use error_text::Failure;
use exit_code::Exit;

/// Runs the tool on the arguments of this process.
#[must_use]
pub fn run() -> ExitCode {
    if let Some(helper) = live::HelperArguments::of_process() {
        return live::run_helper(helper);
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(message) => return show(&message),
    };
    let result = match &arguments.command {
        Command::Analyze(arguments) => analyze_command::run(arguments),
        Command::Diagram(arguments) => diagram_command::run(arguments),
        Command::Check(arguments) => check_command::run(arguments),
        Command::Live(arguments) => live::run(arguments),
        Command::Tree(arguments) => tree_command::run(arguments),
        #[cfg(feature = "live")]
        Command::Interfaces => interfaces_command::run(),
        Command::Schema(arguments) => schema_command::run(arguments),
        Command::Completions(arguments) => completions_command::run(arguments),
        Command::Man => man_command::run(),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(Failure::PipeClosed) => Exit::Done.into(),
        Err(Failure::Mistakes(text)) => {
            error_text::print_lines(&text);
            Exit::Misuse.into()
        }
        Err(failure) => {
            error_text::print(&failure.to_string());
            failure.exit().into()
        }
    }
}

/// Help, version, or in one line what is wrong with the arguments.
fn show(message: &clap::Error) -> ExitCode {
    let asked_for = matches!(
        message.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    );
    if asked_for || message.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        // That the output was closed is no news here.
        let _ = message.print();
    } else {
        error_text::print(&error_text::usage(&message.to_string()));
    }
    if asked_for {
        Exit::Done.into()
    } else {
        Exit::Misuse.into()
    }
}
