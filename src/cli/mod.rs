//! The command line: arguments in, reports, messages and an exit code out.
//!
//! ```text
//! command_line ─> analyze, diagram, tree, check, reconcile, carve, browse ─> reading (capture, pipeline, selection) ─> output
//!    (clap)    ─> live ─> monitor (the engine)
//!              ─> interfaces, generated (schema, integration, man, completions)
//!                    └─> messages (standard error), failure (exit code)
//! ```
//!
//! Each command is one module with its arguments and its run; `options` holds the blocks of arguments that several commands
//! share. Only this layer looks at the terminal and the environment.

mod analyze;
#[cfg(feature = "browse")]
mod browse;
mod carve;
mod check;
mod command_line;
mod diagram;
mod failure;
mod generated;
#[cfg(feature = "live")]
mod interfaces;
mod live;
mod messages;
mod options;
mod output;
mod reading;
mod reconcile;
mod redact;
mod series;
mod terminal;
mod tree;
mod watched_source;
mod wireshark;

use std::env;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use self::command_line::{Arguments, Command};
use self::failure::{Exit, Failure};
use crate::monitor::ExecHelper;

/// Runs the tool with the arguments of this process and returns its exit code.
#[must_use]
pub fn run() -> ExitCode {
    // Before the arguments are parsed: the helper of `live --exec` is this program, started with arguments of its own.
    if let Some(helper) = ExecHelper::of_process() {
        return match helper.run(messages::print) {
            Ok(()) => ExitCode::SUCCESS,
            Err(message) => {
                messages::print(&message);
                Exit::Misuse.into()
            }
        };
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return show_usage(&error),
    };
    let result = match &arguments.command {
        Command::Analyze(arguments) => analyze::run(arguments),
        Command::Diagram(arguments) => diagram::run(arguments),
        Command::Check(arguments) => check::run(arguments),
        Command::Live(arguments) => live::run(arguments),
        Command::Tree(arguments) => tree::run(arguments),
        #[cfg(feature = "browse")]
        Command::Browse(arguments) => browse::run(arguments),
        Command::Carve(arguments) => carve::run(arguments),
        Command::Series(arguments) => series::run(arguments),
        Command::Reconcile(arguments) => reconcile::run(arguments),
        #[cfg(feature = "live")]
        Command::Interfaces => interfaces::run(),
        Command::Schema(arguments) => generated::schema(arguments),
        Command::Integration(arguments) => generated::integration(arguments),
        Command::Completions(arguments) => generated::completions(arguments),
        Command::Man(arguments) => generated::man(arguments),
        Command::Help(arguments) => generated::help(arguments),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(Failure::PipeClosed) => Exit::Done.into(),
        Err(Failure::Mistakes(text)) => {
            messages::print_lines(&text);
            Exit::Misuse.into()
        }
        Err(failure) => {
            messages::print(&failure.to_string());
            failure.exit().into()
        }
    }
}

/// Prints help, the version, or in one line the mistake in the arguments.
fn show_usage(error: &clap::Error) -> ExitCode {
    let is_requested = matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    );
    if error.kind() == ErrorKind::DisplayVersion && generated::wants_build_details(env::args()) {
        return match generated::build_details() {
            Ok(exit) => exit.into(),
            Err(failure) => failure.exit().into(),
        };
    }
    if is_requested || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        // A closed output is no failure here: `ftpscope --help | head` is a common call.
        let _ = error.print();
    } else {
        let text = messages::usage(&error.to_string());
        // In place of general advice: the call that was meant is all there is to say.
        let text = match (usage_hint(error), text.split_once("; ")) {
            (Some(hint), Some((cause, _))) => format!("{cause}; {hint}"),
            _ => text,
        };
        messages::print(&text);
    }
    if is_requested {
        Exit::Done.into()
    } else {
        Exit::Misuse.into()
    }
}

/// Returns the call that was probably meant; `None` if none is known.
fn usage_hint(error: &clap::Error) -> Option<String> {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(value)) => Some(value.as_str()),
        _ => None,
    };
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let word = context(ContextKind::InvalidSubcommand)?;
            let is_capture =
                Path::new(word).exists() || CAPTURE_NAMES.iter().any(|end| word.contains(end));
            is_capture.then(|| format!("did you mean: ftpscope analyze {word}"))
        }
        ErrorKind::UnknownArgument => {
            let option = context(ContextKind::InvalidArg)?;
            let hint = match option {
                "-r" | "--read" | "-i" | "--input" | "--file" => {
                    "captures stand without an option: ftpscope analyze FILE"
                }
                "--follow" => "analyze follows a file that grows: ftpscope analyze --follow FILE",
                _ => return None,
            };
            Some(hint.to_owned())
        }
        _ => None,
    }
}

/// Parts of names by which a capture is recognized where a command is expected.
const CAPTURE_NAMES: &[&str] = &[".pcap", ".cap"];
