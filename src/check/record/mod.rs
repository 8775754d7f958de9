//! Writes expectation files from captures that are known to be good, and brings files up to date.
//!
//! In: a report. Out: TOML with what stays the same when the same thing is done again, and nothing else: no times, no ports,
//! no addresses, no frame numbers, no passwords.
//!
//! ```text
//! report -> session (fields, steps, transfers) -> text            --record
//! file + report -> Partners -> update (only what differs) -> text  --update
//! ```

mod apart;
mod session;
mod toml_text;
mod update;

use std::fmt::Write as _;

use serde_json::Value;

use super::judge::Subject;
use super::step_text::{items, text};
use crate::model::wire_text::printable;

pub use update::{Updated, update};

/// An expectation file for everything in a report.
#[must_use]
pub fn record(subject: &Subject<'_>) -> String {
    let sessions = items(&subject.value, "sessions");
    let captures: Vec<_> = subject
        .report
        .captures
        .iter()
        .map(|capture| file_name(&capture.path))
        .collect();
    let mut out = String::new();
    let _ = writeln!(out, "# What happened in {}.", captures.join(", "));
    out.push_str(HEAD);
    let word = if subject.report.sessions_omitted > 0 {
        "at-least"
    } else {
        "exactly"
    };
    let _ = writeln!(out, "sessions = \"{word}\"");
    let conditions = apart::conditions(sessions);
    for (session, condition) in sessions.iter().zip(conditions) {
        out.push('\n');
        session::write(session, condition.as_deref(), &mut out);
    }
    out.push_str(TAIL);
    out
}

/// What a person should look at before trusting what was recorded.
#[must_use]
pub fn doubts(subject: &Subject<'_>) -> Vec<String> {
    let sessions = items(&subject.value, "sessions");
    let mut doubts = Vec::new();
    for session in sessions {
        let verdict = session.get("verdict").unwrap_or(&Value::Null);
        if text(verdict, "status").is_some_and(|status| status != "ok") {
            let id = session.get("id").and_then(Value::as_u64).unwrap_or(0);
            let words = text(verdict, "text").unwrap_or_default();
            doubts.push(format!("session {id} is recorded as it is: {words}"));
        }
    }
    doubts
}

/// The last part of a path, in one line.
fn file_name(path: &str) -> String {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    let name = if name == "-" { "standard input" } else { name };
    printable(name).into_owned()
}

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

const TAIL: &str = "
# A rule holds for every session, transfer or step; its expressions are CEL over the fields of the JSON report.
#
# [[rule]]
# name = \"no download takes longer than five seconds\"
# for = \"step\"
# match = 'kind == \"retrieve\"'
# assert = 'duration < 5.0'
";
