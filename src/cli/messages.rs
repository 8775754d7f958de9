//! Messages on standard error, one line each: what happened, to which file or option, and what to do.

use std::io::{self, Write};
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::failure::Failure;
use crate::capture::Error;
use crate::model::record::WarningRecord;
use crate::model::system_message;
use crate::model::wire_text::printable;
use crate::monitor::{Notice, Notify};
use crate::report::units;

/// Prints one line. A closed standard error is ignored: there is no other place for a message.
pub(super) fn print(message: &str) {
    let line = format!("ftpscope: {}\n", one_line(message));
    match &mut *held() {
        Some(held) if held.len() < MAX_HELD => held.push_str(&line),
        Some(_) => {}
        None => {
            let _ = io::stderr().write_all(line.as_bytes());
        }
    }
}

/// Holds messages back until the returned guard is dropped: on a screen that is drawn they would stand anywhere.
#[cfg(feature = "browse")]
pub(super) fn hold() -> HeldMessages {
    held().get_or_insert_default();
    HeldMessages
}

/// Prints the messages that were held back, when it is dropped.
#[cfg(feature = "browse")]
pub(super) struct HeldMessages;

#[cfg(feature = "browse")]
impl Drop for HeldMessages {
    fn drop(&mut self) {
        if let Some(text) = held().take() {
            print_lines(&text);
        }
    }
}

/// Returns the messages that are held back; `None` inside while they are printed at once.
fn held() -> MutexGuard<'static, Option<String>> {
    static HELD: Mutex<Option<String>> = Mutex::new(None);
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes of messages that are held back; later ones are lost.
const MAX_HELD: usize = 1 << 20;

/// Prints lines that are already in their final form.
pub(super) fn print_lines(lines: &str) {
    let _ = io::stderr().write_all(lines.as_bytes());
}

/// Prints a note, which is not an error.
pub(super) fn note(message: &str) {
    print(&format!("note: {message}"));
}

/// Prints warnings about the input, for formats that have no place for them.
pub(super) fn note_warnings(warnings: &[WarningRecord]) {
    for warning in warnings {
        let times = match warning.count {
            0 | 1 => String::new(),
            count => format!(" ({} times)", units::count(count)),
        };
        note(&format!("{}{times}", warning.message));
    }
}

/// Returns the receiver of a monitor's notices; a quiet one leaves out advice.
pub(super) fn notices(quiet: bool) -> Notify {
    Rc::new(move |notice| {
        if quiet && notice.is_advice() {
            return;
        }
        // The option that a notice is about is known here only.
        let text = match notice {
            Notice::InputFailed(error) => input(error),
            Notice::FilesHoldSecrets(folder) => format!(
                "-x copies bytes as they are: {} may hold secrets",
                folder.display()
            ),
            Notice::PacketsHoldSecrets(path) => format!(
                "--write copies packets as they are: {} may hold secrets",
                path.display()
            ),
            Notice::PacketsOfAllSessions(path) => format!(
                "--write {} gets the packets of all sessions: which of them --session and --where choose is known \
                only when they end; choose from that file with carve",
                path.display()
            ),
            Notice::StaysRoot(_) => format!("{notice} (chown), or name one with --user"),
            Notice::AlertsTooExpensive => {
                "--alert: it is too much work for some events, which are not marked; look at \
                fewer lists within lists"
                    .to_owned()
            }
            _ => notice.to_string(),
        };
        if notice.is_error() {
            print(&text);
        } else {
            note(&text);
        }
    })
}

/// Refuses `--previews` without a page to show them on, and notes that they may show secrets.
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

/// Returns the text of an input failure with its remedy.
pub(super) fn input(error: &Error) -> String {
    let text = match error {
        // The right is granted to an executable, and only this layer knows its path.
        Error::Permission { .. } => {
            let own = std::env::current_exe().unwrap_or_else(|_| "ftpscope".into());
            return format!(
                "{error}; run it as root, or grant the right once: setcap cap_net_raw+ep {} (in a container: --cap-add NET_RAW)",
                own.display()
            );
        }
        Error::Io { path, cause } => format!("cannot read {path}: {}", system_message(cause)),
        _ => error.to_string(),
    };
    match error.hint() {
        Some(hint) => format!("{text}; {hint}"),
        None => text,
    }
}

/// Returns clap's message about the arguments as one line, without its usage block.
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

/// Joins lines and escapes control characters, which a file name may contain.
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
    fn wrong_usage_is_one_line() {
        let message = "error: unexpected argument '--x' found\n\n  tip: a similar one exists: '-x'\n\n\
            Usage: ftpscope analyze\n\nFor more information, try '--help'.\n";
        assert_eq!(
            usage(message),
            "unexpected argument '--x' found; tip: a similar one exists: '-x'; try '--help'"
        );
    }

    #[test]
    fn control_characters_in_a_path_are_escaped() {
        assert_eq!(
            one_line("cannot read a\x1b[2J\nb"),
            "cannot read a\\x1b[2J; b"
        );
    }
}
