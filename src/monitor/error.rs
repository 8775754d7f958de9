//! Failures that end a run before it begins, and notices while it lasts.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::recording_message;
use crate::capture;
use crate::extract;
use crate::keep::RecordingError;
use crate::model::record::WarningRecord;
use crate::model::system_message;
use crate::model::wire_text::printable;
use crate::report::units;

/// The reason why monitoring cannot start, or cannot complete its files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The source cannot be opened.
    #[error(transparent)]
    Source(#[from] capture::Error),
    /// The source is a directory.
    #[error("cannot watch {}: it is a folder; give one file, or - for standard input", .0.display())]
    SourceIsFolder(PathBuf),
    /// An output cannot be created or opened.
    #[error("cannot write {}: {}", path.display(), system_message(cause))]
    Output {
        /// The output.
        path: PathBuf,
        /// The failed call.
        cause: io::Error,
    },
    /// The packet output is a device, a fifo or a directory.
    #[error("cannot keep packets in {}: it is no file; name a file", .0.display())]
    PacketsNotAFile(PathBuf),
    /// The address of the metrics cannot be bound.
    #[error("cannot serve metrics at {address}: {}", system_message(cause))]
    Metrics {
        /// The address.
        address: SocketAddr,
        /// The failed call.
        cause: io::Error,
    },
    /// The alert program cannot be run.
    #[error("cannot run {} for alerts: {cause}; name a program that can be executed", program.display())]
    AlertProgram {
        /// The program.
        program: PathBuf,
        /// The reason in words.
        cause: String,
    },
    /// An account is asked for, but the process does not run as root.
    #[error("only root can become user {0}")]
    NotRoot(String),
    /// The account does not exist.
    #[error("there is no user {0}; name one of /etc/passwd, or write UID:GID")]
    UnknownUser(String),
    /// An output that was created cannot be given to the account.
    #[error("cannot give {} to user {uid}: {}", path.display(), system_message(cause))]
    Give {
        /// The output.
        path: PathBuf,
        /// The account's user number.
        uid: u32,
        /// The failed call.
        cause: io::Error,
    },
    /// The account cannot create files in an output folder.
    #[error("cannot write in {} as user {uid}: {}", path.display(), system_message(cause))]
    NotWritable {
        /// The folder.
        path: PathBuf,
        /// The account's user number.
        uid: u32,
        /// The failed call.
        cause: io::Error,
    },
    /// Privileges cannot be dropped.
    #[error("{cause}")]
    Privileges {
        /// The step that failed, and why.
        cause: String,
        /// True if another account may help.
        user: bool,
    },
    /// The folder of extracted files cannot be created or completed.
    #[error(transparent)]
    Extract(extract::Error),
    /// Signals or threads are not available.
    #[error("{0}")]
    System(io::Error),
}

impl Error {
    /// Creates the failure of an output.
    pub(super) fn output(path: &Path, cause: io::Error) -> Self {
        Self::Output {
            path: path.to_owned(),
            cause,
        }
    }
}

/// Receiver of the notices of a run. Called on the thread that runs the monitor.
pub type Notify = Rc<dyn Fn(&Notice<'_>)>;

/// A fact about the run itself, for the person who operates it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice<'a> {
    /// The folder of extracted files already holds a run; this run uses a folder in it.
    EarlierRun {
        /// The folder asked for.
        named: &'a Path,
        /// The folder used.
        used: &'a Path,
    },
    /// An output of an earlier run ends inside a record, so that nothing could be read behind it; a new file takes its name.
    CutOff {
        /// The name asked for, of the new file.
        path: &'a Path,
        /// New name of the earlier file.
        moved: &'a Path,
    },
    /// Extracted files are copies of what was sent, secrets included.
    FilesHoldSecrets(&'a Path),
    /// Packets are written as captured, secrets included.
    PacketsHoldSecrets(&'a Path),
    /// Sessions are chosen, but packets of all are written: a session is chosen when it ends.
    PacketsOfAllSessions(&'a Path),
    /// Root's rights are given up: the run goes on as this user.
    GoesOnAs(&'a str),
    /// The run goes on as root, since root owns this output folder and no other user was given.
    StaysRoot(&'a Path),
    /// A privilege could not be dropped.
    PrivilegesRemain(&'a str),
    /// The counters, asked for with SIGUSR1.
    Summary(String),
    /// Alert expressions were given up for some events, because they take too long.
    AlertsTooExpensive,
    /// Alerts that the program did not receive before the end.
    AlertsUndelivered(u64),
    /// An input cannot be read or read on.
    InputFailed(&'a capture::Error),
    /// The first event that could not be written, or the first after [`EventsResumed`](Self::EventsResumed).
    EventsLost(&'a io::Error),
    /// Events are written again; so many could not be since the last [`EventsLost`](Self::EventsLost).
    EventsResumed(u64),
    /// The event file could not be rotated.
    EventsNotRotated(&'a io::Error),
    /// The event file could not be reopened.
    EventsNotReopened(&'a io::Error),
    /// Packets or extracted files cannot be written, or are written again; the events say so as well.
    OutputFailed(&'a str),
    /// The packet file could not be written or rotated.
    Recording(&'a RecordingError),
    /// The program failed for `count` alerts so far.
    AlertProgramFailed {
        /// The program.
        program: &'a Path,
        /// Alerts for which it failed.
        count: u64,
        /// End of the latest of these runs, in words.
        cause: String,
    },
    /// The helper process that starts the alert program has ended.
    AlertHelperGone,
    /// A warning for which the format of the events has no place.
    Warning(&'a WarningRecord),
}

impl Notice<'_> {
    /// Returns true for notices that report a failure.
    #[must_use]
    pub const fn is_error(&self) -> bool {
        matches!(
            self,
            Self::InputFailed(_)
                | Self::EventsLost(_)
                | Self::EventsNotRotated(_)
                | Self::EventsNotReopened(_)
                | Self::OutputFailed(_)
                | Self::Recording(_)
                | Self::AlertHelperGone
                | Self::AlertProgramFailed { .. }
        )
    }

    /// Returns true for advice at the start, which a quiet caller may leave out.
    #[must_use]
    pub const fn is_advice(&self) -> bool {
        matches!(
            self,
            Self::EarlierRun { .. }
                | Self::FilesHoldSecrets(_)
                | Self::PacketsHoldSecrets(_)
                | Self::PacketsOfAllSessions(_)
                | Self::PrivilegesRemain(_)
                | Self::GoesOnAs(_)
                | Self::StaysRoot(_)
        )
    }
}

impl fmt::Display for Notice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EarlierRun { named, used } => write!(
                f,
                "{} holds an earlier run; this one goes to {}",
                named.display(),
                used.display()
            ),
            Self::CutOff { path, moved } => write!(
                f,
                "{} ends inside a record, as an earlier run was cut off; it is {} now, and a new file begins",
                path.display(),
                moved.display()
            ),
            Self::FilesHoldSecrets(folder) => {
                let folder = folder.display();
                write!(f, "bytes are copied as they are: {folder} may hold secrets")
            }
            Self::PacketsHoldSecrets(path) => {
                let path = path.display();
                write!(f, "packets are copied as they are: {path} may hold secrets")
            }
            Self::PacketsOfAllSessions(path) => {
                let path = path.display();
                write!(
                    f,
                    "{path} gets the packets of all sessions: which are chosen is known when they end"
                )
            }
            Self::GoesOnAs(user) => write!(f, "gives up the rights of root and goes on as {user}"),
            Self::StaysRoot(folder) => {
                let folder = folder.display();
                write!(
                    f,
                    "goes on as root, without its capabilities: {folder} belongs to root; give that folder to another user"
                )
            }
            Self::PrivilegesRemain(what) | Self::OutputFailed(what) => f.write_str(what),
            Self::Summary(text) => f.write_str(text),
            Self::AlertsTooExpensive => f.write_str(
                "the expression is too much work for some events, which are not marked; look at fewer lists within lists",
            ),
            Self::AlertsUndelivered(count) => write!(
                f,
                "{} not given to the program any more: it takes too long",
                units::counted(*count, "alert was", "alerts were")
            ),
            Self::InputFailed(error) => error.fmt(f),
            Self::Warning(warning) => f.write_str(&printable(&warning.message)),
            Self::EventsLost(cause) => write!(
                f,
                "events cannot be written: {}; they are counted, and the next ones are tried again",
                system_message(cause)
            ),
            Self::EventsResumed(lost) => {
                let lost = units::counted(*lost, "event was", "events were");
                write!(f, "events are written again; {lost} not written")
            }
            Self::EventsNotRotated(cause) => write!(
                f,
                "the old events cannot be put aside: {}; the file is written on",
                system_message(cause)
            ),
            Self::EventsNotReopened(cause) => write!(
                f,
                "the events cannot be opened again: {}; the old file is written on",
                system_message(cause)
            ),
            Self::Recording(error) => f.write_str(&recording_message(error)),
            Self::AlertProgramFailed {
                program,
                count,
                cause,
            } => write!(
                f,
                "{} failed for {} ({cause}); try it with one of the events as its standard input",
                program.display(),
                units::counted(*count, "alert", "alerts")
            ),
            Self::AlertHelperGone => f.write_str(
                "the helper that starts the alert program is gone; alerts are only counted from here on",
            ),
        }
    }
}
