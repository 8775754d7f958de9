//! Errors as one line each: what, which file, where in it, and what to do.

use std::io::{self, Write};
use std::path::Path;

use super::exit_code::Exit;
use crate::capture::Error;
use crate::model::record::WarningRecord;
use crate::model::wire_text::printable;
use crate::report::units;

/// Why a command could not be carried out.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// An option has a value that means nothing.
    #[error("{option} '{value}': {cause}; {hint}")]
    Option {
        /// The option.
        option: &'static str,
        /// What was given.
        value: String,
        /// What is wrong with it.
        cause: String,
        /// What to write instead.
        hint: &'static str,
    },
    /// Output cannot be written.
    #[error("cannot write {target}: {cause}{hint}")]
    Output {
        /// The file, or standard output.
        target: String,
        /// What the system says.
        cause: String,
        /// What to do, with a `; ` in front, where there is something to do.
        hint: &'static str,
    },
    /// The reader of standard output went away: not an error.
    #[error("the pipe was closed")]
    PipeClosed,
    /// The user does not want to wait for it.
    #[error("interrupted: there is no report")]
    Interrupted,
    /// Mistakes in expectation files, each with its place: several lines.
    #[error("{0}")]
    Mistakes(String),
    /// An input could not be read, which was told when it was tried.
    #[error("the baseline cannot be read")]
    Unreadable,
    /// What was to be read is not there.
    #[error("{0}")]
    Missing(String),
    /// Anything else that was asked for and cannot be done.
    #[error("{0}")]
    Refused(String),
}

impl Failure {
    /// Standard output cannot be written.
    pub(super) fn stdout(cause: &io::Error) -> Self {
        if cause.kind() == io::ErrorKind::BrokenPipe {
            return Self::PipeClosed;
        }
        Self::Output {
            target: "standard output".to_owned(),
            cause: system_words(cause),
            hint: output_hint(cause),
        }
    }

    /// A file cannot be written. A fifo whose reader went away is a closed pipe too.
    pub(super) fn output(path: &Path, cause: &io::Error) -> Self {
        if cause.kind() == io::ErrorKind::BrokenPipe {
            return Self::PipeClosed;
        }
        Self::Output {
            target: path.display().to_string(),
            cause: system_words(cause),
            hint: output_hint(cause),
        }
    }

    /// The exit code for it.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::PipeClosed => Exit::Done,
            Self::Interrupted => Exit::Interrupted,
            Self::Unreadable | Self::Missing(_) => Exit::Unreadable,
            Self::Option { .. } | Self::Output { .. } | Self::Mistakes(_) | Self::Refused(_) => {
                Exit::Misuse
            }
        }
    }
}

/// One line on standard error. Where that is closed there is no one to tell.
pub(super) fn print(message: &str) {
    let _ = writeln!(io::stderr(), "ftpscope: {}", one_line(message));
}

/// Lines on standard error that are as they should be shown.
pub(super) fn print_lines(lines: &str) {
    let _ = io::stderr().write_all(lines.as_bytes());
}

/// A note on standard error: not an error.
pub(super) fn note(message: &str) {
    print(&format!("note: {message}"));
}

/// Notes on the input, where the report has no place for them.
pub(super) fn note_warnings(warnings: &[WarningRecord]) {
    for warning in warnings {
        let times = match warning.count {
            0 | 1 => String::new(),
            count => format!(" ({} times)", units::count(count)),
        };
        note(&format!("{}{times}", warning.message));
    }
}

/// Refuses previews where there is no page to show them, and says what they may show.
pub(super) fn check_previews(asked: bool, is_page: bool, quiet: bool) -> Result<(), Failure> {
    if asked && !is_page {
        let cause = "--previews needs a page; add --format html";
        return Err(Failure::Refused(cause.to_owned()));
    }
    if asked && !quiet {
        note("--previews shows files as they are: the page may hold secrets");
    }
    Ok(())
}

/// What failed about an input, and what to do.
pub(super) fn input(error: &Error) -> String {
    let text = match error {
        // Which program the right is for.
        Error::Permission { .. } => {
            let own = std::env::current_exe().unwrap_or_else(|_| "ftpscope".into());
            return format!(
                "{error}; run it as root, or grant the right once: setcap cap_net_raw+ep {} (in a container: --cap-add NET_RAW)",
                own.display()
            );
        }
        Error::Io { path, cause } => format!("cannot read {path}: {}", system_words(cause)),
        _ => error.to_string(),
    };
    match error.hint() {
        Some(hint) => format!("{text}; {hint}"),
        None => text,
    }
}

/// What clap says about the arguments, in one line.
pub(super) fn usage(message: &str) -> String {
    let parts = message
        .split("\n\n")
        .map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|part| !part.starts_with("Usage:") && !part.is_empty())
        .map(
            |part| match part.strip_prefix("For more information, try") {
                Some(help) => format!("try{}", help.trim_end_matches('.')),
                None => part.trim_start_matches("error: ").to_owned(),
            },
        );
    parts.collect::<Vec<_>>().join("; ")
}

/// The words of the system without the number of the error.
pub(super) fn system_words(cause: &io::Error) -> String {
    let text = cause.to_string();
    let words = text.split(" (os error").next().unwrap_or(&text);
    let mut rest = words.chars();
    match rest.next() {
        // "No such file" after a colon reads better as "no such file".
        Some(first) => first.to_lowercase().chain(rest).collect(),
        None => words.to_owned(),
    }
}

fn output_hint(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::NotFound => "; make the folder first",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; choose a folder you may write to"
        }
        io::ErrorKind::StorageFull => "; make room or choose another disk",
        io::ErrorKind::IsADirectory => "; name a file in it",
        _ => "",
    }
}

fn one_line(message: &str) -> String {
    let joined = message
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("; ");
    printable(&joined).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_put_in_a_sentence() {
        let failure = Failure::output(Path::new("a/b.json"), &io::Error::from_raw_os_error(2));
        assert_eq!(
            failure.to_string(),
            "cannot write a/b.json: no such file or directory; make the folder first"
        );
        assert_eq!(failure.exit(), Exit::Misuse);
    }

    #[test]
    fn a_closed_pipe_is_no_error() {
        let failure = Failure::stdout(&io::ErrorKind::BrokenPipe.into());
        assert!(matches!(failure, Failure::PipeClosed));
        assert_eq!(failure.exit().code(), 0);
    }

    #[test]
    fn wrong_usage_is_one_line() {
        let message = "error: unexpected argument '--x' found\n\n  tip: a similar one exists: '-x'\n\n\
            Usage: ftpscope analyze\n\nFor more information, try '--help'.\n";
        assert_eq!(
            usage(message),
            "unexpected argument '--x' found; tip: a similar one exists: '-x'; try '--help'"
        );
    }

    #[test]
    fn messages_stay_on_one_line_whatever_is_in_a_path() {
        assert_eq!(
            one_line("cannot read a\x1b[2J\nb"),
            "cannot read a\\x1b[2J; b"
        );
    }
}
