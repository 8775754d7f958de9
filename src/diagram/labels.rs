//! Commands and replies as they stand on arrows.

use crate::model::record::{Command, Reply};

/// `230-Welcome` and so on, as on the wire.
pub(super) fn reply_lines(reply: &Reply) -> Vec<String> {
    let last = reply.lines.len().saturating_sub(1);
    let whole = reply.lines_omitted == 0;
    let line = |(place, line): (usize, &String)| {
        if place == last && whole {
            format!("{} {line}", reply.code)
        } else if place == 0 {
            format!("{}-{line}", reply.code)
        } else {
            line.clone()
        }
    };
    let mut lines: Vec<String> = reply.lines.iter().enumerate().map(line).collect();
    if lines.is_empty() {
        lines.push(reply.code.to_string());
    }
    lines
}

/// A reply in one line.
pub(super) fn reply_label(reply: &Reply) -> String {
    let lines = reply_lines(reply);
    match lines.as_slice() {
        [first, .., last] => format!("{first} … {last}"),
        _ => lines.into_iter().next().unwrap_or_default(),
    }
}

/// A command in one line.
pub(super) fn command_label(command: &Command) -> String {
    match command.argument.as_deref() {
        Some(argument) => format!("{} {argument}", command.verb),
        None => command.verb.clone(),
    }
}
