//! Reasons why a command fails, and the table of exit codes.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use super::messages;
use crate::capture;
use crate::extract;
use crate::model::system_message;
use crate::monitor::{self, Interruption};

/// The end of a run. Variants are in order of precedence: of several reasons the first one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Exit {
    /// Ctrl-C before the report was complete.
    Interrupted,
    /// Wrong usage, or output that cannot be written.
    Misuse,
    /// An input cannot be read, or is not whole with `--strict`.
    Unreadable,
    /// A check failed, or `--fail-on` found something.
    Found,
    /// No FTP session, with `--fail-if-empty` or in `check`.
    NoSession,
    /// Success.
    Done,
}

impl Exit {
    /// Returns the process's exit code.
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Found => 1,
            Self::Misuse => 2,
            Self::Unreadable => 3,
            Self::NoSession => 4,
            Self::Interrupted => Interruption::EXIT_CODE,
        }
    }

    /// Returns the meaning of the exit code, for help.
    pub(super) const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Found => "a check failed, or --fail-on found something",
            Self::Misuse => {
                "wrong usage, a mistake in an expression or file, output that cannot be written, no right to capture"
            }
            Self::Unreadable => {
                "a capture cannot be read; with --strict also one that is cut short, lost packets or has a link type that is not supported"
            }
            Self::NoSession => {
                "no FTP session (none that --session and --where choose), with --fail-if-empty and in check"
            }
            Self::Interrupted => "interrupted before the report was complete",
        }
    }

    /// All ends in order of their codes.
    pub(super) const ALL: [Self; 6] = [
        Self::Done,
        Self::Found,
        Self::Misuse,
        Self::Unreadable,
        Self::NoSession,
        Self::Interrupted,
    ];

    /// Returns the reason that takes precedence, or [`Exit::Done`] without any.
    pub(super) fn first_of(reasons: &[Self]) -> Self {
        reasons.iter().copied().min().unwrap_or(Self::Done)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

/// The reason why a command cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The value of an option has no meaning.
    #[error("{option} '{value}': {cause}; {hint}")]
    Option {
        /// The option, with its dashes.
        option: &'static str,
        /// The value as given.
        value: String,
        /// The mistake in it.
        cause: String,
        /// A correct form.
        hint: &'static str,
    },
    /// Output cannot be written.
    #[error("cannot write {target}: {cause}{hint}")]
    Output {
        /// The file, or "standard output".
        target: String,
        /// The system's message.
        cause: String,
        /// Advice that begins with `; `, or empty.
        hint: &'static str,
    },
    /// The reader of standard output is gone, which is no error.
    #[error("the pipe was closed")]
    PipeClosed,
    /// The user interrupted the run.
    #[error("interrupted: there is no report")]
    Interrupted,
    /// Mistakes in expectation files, several lines with their places.
    #[error("{0}")]
    Mistakes(String),
    /// The baseline cannot be read; its inputs' failures are printed already.
    #[error("the baseline cannot be read")]
    Unreadable,
    /// An input does not exist or cannot be opened.
    #[error("{0}")]
    Missing(String),
    /// Any other request that cannot be fulfilled.
    #[error("{0}")]
    Refused(String),
}

impl Failure {
    /// Creates the failure to write standard output.
    pub(super) fn stdout(cause: &io::Error) -> Self {
        Self::write("standard output".to_owned(), cause, output_hint(cause))
    }

    /// Creates the failure to write a file.
    pub(super) fn output(path: &Path, cause: &io::Error) -> Self {
        let folder = path.parent().unwrap_or(Path::new(""));
        let is_there = folder.as_os_str().is_empty() || folder.is_dir();
        let hint = match cause.kind() {
            // /proc and its like: the folder is there, and new files are refused with this error.
            io::ErrorKind::NotFound if is_there => "; choose another folder",
            _ => output_hint(cause),
        };
        Self::write(path.display().to_string(), cause, hint)
    }

    fn write(target: String, cause: &io::Error, hint: &'static str) -> Self {
        // Also for a file: a fifo whose reader is gone is a closed pipe.
        if cause.kind() == io::ErrorKind::BrokenPipe {
            return Self::PipeClosed;
        }
        Self::Output {
            target,
            cause: system_message(cause),
            hint,
        }
    }

    /// Creates the failure of `-x`.
    pub(super) fn extraction(error: &extract::Error) -> Self {
        let (action, path, cause) = match error {
            extract::Error::Folder { path, source } => ("extract to", path, source),
            extract::Error::Manifest { path, source } => {
                ("write the lists of files in", path, source)
            }
        };
        let hint = match cause.kind() {
            io::ErrorKind::StorageFull => "; make room or choose another disk",
            _ => "; name a folder you may write to",
        };
        Self::Refused(format!(
            "cannot {action} {}: {}{hint}",
            path.display(),
            system_message(cause)
        ))
    }

    /// Returns the exit code.
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

/// Adds the options of `ftpscope live` that lead out of the failure; the engine does not know them.
impl From<monitor::Error> for Failure {
    fn from(error: monitor::Error) -> Self {
        use monitor::Error as Monitor;
        let hint = match &error {
            Monitor::Source(source) => {
                let text = messages::input(source);
                return match source {
                    capture::Error::Io { .. } | capture::Error::Interface { .. } => {
                        Self::Missing(text)
                    }
                    _ => Self::Refused(text),
                };
            }
            Monitor::Output { path, cause } => return Self::output(path, cause),
            Monitor::NotRoot(user) => {
                return Self::Refused(format!(
                    "--user {user}: only root can become somebody else; leave it out, or start as root"
                ));
            }
            Monitor::UnknownUser(user) => {
                return Self::Refused(format!(
                    "--user {user}: there is no such user; name one of /etc/passwd, or write UID:GID"
                ));
            }
            Monitor::Metrics { .. } => "; choose another address with --metrics",
            Monitor::Give { .. } | Monitor::Privileges { user: true, .. } => {
                "; choose another user with --user"
            }
            Monitor::NotWritable { .. } => {
                "; give the folder to that user, or choose another one with --user"
            }
            _ => "",
        };
        Self::Refused(format!("{error}{hint}"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_take_precedence_in_the_order_2_3_1_4() {
        let mut reasons = vec![Exit::NoSession, Exit::Found, Exit::Unreadable, Exit::Misuse];
        let mut codes = vec![];
        while !reasons.is_empty() {
            codes.push(Exit::first_of(&reasons).code());
            reasons.pop();
        }
        assert_eq!(codes, [2, 3, 1, 4]);
        assert_eq!(Exit::first_of(&[]).code(), 0);
    }

    #[test]
    fn a_missing_folder_is_reported_with_its_remedy() {
        let failure = Failure::output(Path::new("a/b.json"), &io::Error::from_raw_os_error(2));
        assert_eq!(
            failure.to_string(),
            "cannot write a/b.json: no such file or directory; make the folder first"
        );
        assert_eq!(failure.exit(), Exit::Misuse);
    }

    #[test]
    fn folder_that_is_there_need_not_be_made() {
        let missing = io::Error::from_raw_os_error(2);
        let folder = std::env::temp_dir();
        let failure = Failure::output(&folder.join("a.json"), &missing).to_string();
        assert!(
            failure.ends_with(": no such file or directory; choose another folder"),
            "{failure}"
        );
    }

    #[test]
    fn a_closed_pipe_exits_with_0() {
        let failure = Failure::stdout(&io::ErrorKind::BrokenPipe.into());
        assert!(matches!(failure, Failure::PipeClosed));
        assert_eq!(failure.exit().code(), 0);
    }
}
