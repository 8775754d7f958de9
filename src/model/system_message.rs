//! Messages of the operating system, as part of our own sentences.

use std::io;

/// Returns the system's message for `cause` without the error number, beginning in lower case.
#[must_use]
pub fn system_message(cause: &io::Error) -> String {
    let text = cause.to_string();
    let words = text.split(" (os error").next().unwrap_or(&text);
    let mut rest = words.chars();
    match rest.next() {
        // It follows a colon: "cannot read x: no such file or directory".
        Some(first) => first.to_lowercase().chain(rest).collect(),
        None => words.to_owned(),
    }
}
