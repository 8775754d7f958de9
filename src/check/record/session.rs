//! One session as it is recorded.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

use super::super::step_text::{StepView, items, text};
use super::toml_text::{list, quoted};
use crate::model::wire_text::printable;

/// Writes a `[[session]]`.
pub(super) fn write(session: &Value, condition: Option<&str>, out: &mut String) {
    out.push_str("[[session]]\n");
    let verdict = session.get("verdict").unwrap_or(&Value::Null);
    if let Some(words) = text(verdict, "text") {
        let _ = writeln!(out, "# {}", printable(words));
    }
    if let Some(condition) = condition {
        let _ = writeln!(out, "match = {}", quoted_expression(condition));
    }
    fields(session, out);
    let _ = writeln!(out, "steps = {}", steps(session));
    out.push_str("extra_steps = false       # no other steps between these\n");
    let _ = writeln!(out, "only_commands = {}", commands(session));
    out.push_str("extra_transfers = false   # no other transfers beside these\n");
    for transfer in items(session, "transfers") {
        out.push('\n');
        write_transfer(transfer, out);
    }
}

/// The steps as a list: lookups, and what was asked of the server.
pub(super) fn steps(session: &Value) -> String {
    let steps: Vec<String> = StepView::all(session)
        .into_iter()
        .filter(|step| step.is_asked() || step.kind() == "dns")
        .map(step)
        .collect();
    list(&steps, "")
}

/// One step, by its place in a session.
pub(super) fn step_at(session: &Value, place: usize) -> Option<String> {
    StepView::all(session).get(place).map(|view| step(*view))
}

/// The verbs that were sent, as a list.
pub(super) fn commands(session: &Value) -> String {
    let steps = StepView::all(session);
    let commands = steps.into_iter().flat_map(StepView::commands);
    let verbs: BTreeSet<&str> = commands
        .filter_map(|command| text(command, "verb"))
        .collect();
    let verbs: Vec<_> = verbs.into_iter().map(quoted).collect();
    list(&verbs, "")
}

/// Writes a `[[session.transfer]]`.
pub(super) fn write_transfer(transfer: &Value, out: &mut String) {
    out.push_str("  [[session.transfer]]\n");
    let word = |name: &str| text(transfer, name);
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(out, "  {name} = {value}");
    };
    let verb = word("verb").unwrap_or_default();
    line("verb", &quoted(verb));
    // A server chooses another name each time for STOU.
    if verb != "STOU" {
        if let Some(path) = word("path") {
            line("path", &quoted(path));
        } else if let Some(name) = word("name") {
            line("name", &quoted(name));
        }
    }
    for name in ["mode", "data_type"] {
        line(name, &quoted(word(name).unwrap_or_default()));
    }
    let restart = transfer.get("restart_offset").and_then(Value::as_u64);
    if let Some(offset) = restart.filter(|offset| *offset > 0) {
        line("restart_offset", &offset.to_string());
    }
    let completeness = word("completeness").unwrap_or_default();
    line("completeness", &quoted(completeness));
    if !matches!(completeness, "complete" | "unverifiable") {
        return;
    }
    if word("direction") == Some("listing") {
        let omitted = transfer.get("entries_omitted").and_then(Value::as_u64);
        let entries = items(transfer, "entries");
        if omitted.unwrap_or(0) == 0 && entries.len() <= MOST_ENTRIES {
            let names: Vec<_> = entries
                .iter()
                .map(|entry| quoted(text(entry, "name").unwrap_or_default()))
                .collect();
            line("entries", &list(&names, "  "));
        }
        return;
    }
    let bytes = transfer.get("bytes").and_then(Value::as_u64);
    line("bytes", &bytes.unwrap_or(0).to_string());
    if let Some(digest) = word("sha256") {
        line("sha256", &quoted(digest));
    }
}

fn fields(session: &Value, out: &mut String) {
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(out, "{name} = {value}");
    };
    let login = login(session);
    line(
        "login.outcome",
        &quoted(text(login, "outcome").unwrap_or_default()),
    );
    if let Some(user) = text(login, "user") {
        line("login.user", &quoted(user));
    }
    let greeting = session.get("greeting");
    if let Some(code) = greeting.and_then(|reply| reply.get("code")) {
        line("greeting.code", &code.to_string());
    }
    let encrypted = session.get("tls").is_some_and(|tls| !tls.is_null());
    // What ends a session that cannot be read is not seen; that it ends is.
    if encrypted && matches!(text(session, "end_state"), Some("closed" | "reset")) {
        line("end_state", "[\"closed\", \"reset\"]");
    }
    let Some(tls) = session.get("tls").filter(|tls| !tls.is_null()) else {
        return;
    };
    let version = text(tls, "version");
    let protected = tls.get("data_protected").and_then(Value::as_bool);
    if let Some(version) = version {
        line("tls.version", &quoted(version));
    }
    if let Some(protected) = protected {
        line("tls.data_protected", &protected.to_string());
    }
    if version.is_none() && protected.is_none() {
        line("tls", "{ absent = false }");
    }
    let connections = items(session, "encrypted_data").len();
    line("encrypted_data", &connections.to_string());
    let is_lost = |finding: &Value| text(finding, "id") == Some("capture-loss");
    if !items(session, "findings").iter().any(is_lost) {
        line(
            "absent",
            "[\"capture-loss\"]   # of what is encrypted nobody could tell otherwise",
        );
    }
}

/// A step as a text, or as a table where its text would not be the same again.
fn step(step: StepView<'_>) -> String {
    let verb = step.verb().unwrap_or_default();
    let has_address = matches!(verb, "PORT" | "EPRT" | "LPRT");
    let is_changing = step.subject().is_some_and(|subject| has_time(&subject));
    let code = step.lasting_code();
    if step.kind() == "command" && (has_address || is_changing) {
        let code = code.map(|code| format!(", code = {code}"));
        return format!(
            "{{ kind = \"command\", verb = {}, outcome = {}{} }}",
            quoted(verb),
            quoted(step.outcome()),
            code.unwrap_or_default()
        );
    }
    let is_chosen_by_server = step.kind() == "store" && verb == "STOU";
    let line = if is_chosen_by_server {
        format!("store: {}", step.outcome())
    } else {
        step.line()
    };
    match code {
        Some(code) => quoted(&format!("{line} {code}")),
        None => quoted(&line),
    }
}

/// True for `20260302100000`, a time as MFMT and MDTM write it.
fn has_time(subject: &str) -> bool {
    let mut digits = subject.split(|character: char| !character.is_ascii_digit());
    digits.any(|run| run.len() >= 12)
}

/// An expression as a literal string, in which it stands as it is.
fn quoted_expression(text: &str) -> String {
    if text.contains('\'') {
        quoted(text)
    } else {
        format!("'{text}'")
    }
}

fn login(session: &Value) -> &Value {
    session.get("login").unwrap_or(&Value::Null)
}

/// Entries of a listing that are recorded; longer ones nobody would read.
const MOST_ENTRIES: usize = 60;
