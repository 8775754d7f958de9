//! Expectation files recorded from captures that are known to be good, and updates of such files.
//!
//! In: a report. Out: TOML with the facts that the same run would reproduce: no times, ports, addresses, frame numbers
//! or passwords.
//!
//! ```text
//! report -> session (fields, steps, transfers) -> TOML                  --record
//! file + report -> SessionPairing -> update (only what differs) -> TOML  --update
//! ```

mod conditions;
mod session;
mod update;

use std::fmt::Write as _;

use super::judge::Subject;
use crate::model::record::VerdictStatus;
use crate::model::wire_text::{is_hostile, printable};

pub use update::{Updated, update};

/// Renders an expectation file for every session of a report.
#[must_use]
pub fn record(subject: &Subject<'_>) -> String {
    let sessions = &subject.report.sessions;
    let captures: Vec<_> = subject
        .report
        .captures
        .iter()
        .map(|capture| file_name(&capture.path))
        .collect();
    let mut out = String::new();
    let _ = writeln!(out, "# What happened in {}.", captures.join(", "));
    out.push_str(HEAD);
    // Omitted sessions are not recorded, so the next run may have sessions beside those in the file.
    let word = if subject.report.sessions_omitted > 0 {
        "at-least"
    } else {
        "exactly"
    };
    let _ = writeln!(out, "sessions = \"{word}\"");
    let conditions = conditions::conditions(sessions);
    for (session, condition) in sessions.iter().zip(conditions) {
        out.push('\n');
        session::write(session, condition.as_deref(), &mut out);
    }
    out.push_str(TAIL);
    out
}

/// Returns the sessions that a person should look at before trusting the recorded file.
#[must_use]
pub fn doubts(subject: &Subject<'_>) -> Vec<String> {
    let sessions = subject.report.sessions.iter();
    let doubtful = sessions.filter(|session| session.verdict.status != VerdictStatus::Ok);
    doubtful
        .map(|session| {
            let (id, text) = (session.id, &session.verdict.text);
            format!("session {id} is recorded as it is: {text}")
        })
        .collect()
}

/// Returns the last part of a path, printable in a comment.
fn file_name(path: &str) -> String {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    let name = if name == "-" { "standard input" } else { name };
    printable(name).into_owned()
}

/// Renders a basic string; characters that a terminal or editor would hide or obey are escaped.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            other if is_hostile(other) => {
                let _ = write!(out, "\\U{:08X}", u32::from(other));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// Renders a list of values: in one line if that is short, else one per line after `indent`.
fn list(values: &[String], indent: &str) -> String {
    let line = format!("[{}]", values.join(", "));
    if line.chars().count() <= MAX_WIDTH {
        return line;
    }
    let mut out = String::from("[\n");
    for value in values {
        let _ = writeln!(out, "{indent}  {value},");
    }
    let _ = write!(out, "{indent}]");
    out
}

/// Comment at the head of a recorded file.
const HEAD: &str = "\
#
# Edit it: what is not written here is not checked.
#   a step is \"kind what: outcome code\"; only the kind must be there:   \"retrieve: ok\"   \"quit\"
#   a number may be a range:      bytes = \"1000..2000\"   duration = \"..5\"
#   a text may be a pattern:      path = { glob = \"/pub/*.txt\" }   name = { matches = \"^log-[0-9]+\" }
#   or one of several:            completeness = [\"complete\", \"unverifiable\"]
#   what must not be there:       absent = [\"PORT\", \"cleartext-credentials\"]   tls = { absent = true }
#   a rule by its name:           rules = [\"all-transfers-complete\"]   (ftpscope check --list-rules)

";

/// Comment at its end.
const TAIL: &str = "
# A rule holds for every session, transfer or step; its expressions are CEL over the fields of the JSON report.
#
# [[rule]]
# name = \"no download takes longer than five seconds\"
# for = \"step\"
# match = 'kind == \"retrieve\"'
# assert = 'duration < 5.0'
";

/// Characters of a list in one line.
const MAX_WIDTH: usize = 90;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_strings_parse_back_to_the_original() {
        for text in [
            "",
            "a\"b\\c",
            "\x1b[0m\r\n\t\0",
            "é\u{202e}\u{e0041}x",
            "'''",
        ] {
            let document = format!("x = {}", quoted(text));
            let document = toml_edit::Document::parse(document).expect("TOML");
            assert_eq!(document["x"].as_str(), Some(text));
        }
        assert_eq!(quoted("a\u{202e}"), "\"a\\U0000202E\"");
    }
}
