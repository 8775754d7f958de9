//! A session as it is recorded.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::super::wording::{StepView, word};
use super::{list, quoted};
use crate::model::record::{
    Completeness, EndState, Session, StepKind, Transfer, TransferDirection,
};
use crate::model::wire_text::printable;

/// Appends a `[[session]]`.
pub(super) fn write(session: &Session, condition: Option<&str>, out: &mut String) {
    out.push_str("[[session]]\n");
    let _ = writeln!(out, "# {}", printable(&session.verdict.text));
    if let Some(condition) = condition {
        let _ = writeln!(out, "match = {}", quoted_expression(condition));
    }
    fields(session, out);
    let _ = writeln!(out, "steps = {}", steps(session));
    out.push_str("extra_steps = false       # no other steps between these\n");
    let _ = writeln!(out, "only_commands = {}", commands(session));
    out.push_str("extra_transfers = false   # no other transfers beside these\n");
    for transfer in &session.transfers {
        out.push('\n');
        write_transfer(transfer, out);
    }
}

/// Renders the lookups and the requested steps as a list.
fn steps(session: &Session) -> String {
    let steps: Vec<String> = StepView::all(session)
        .into_iter()
        .filter(|step| step.is_requested() || step.kind() == StepKind::Dns)
        .map(step)
        .collect();
    list(&steps, "")
}

/// Renders one step by its index; `None` if there is no such step.
pub(super) fn step_at(session: &Session, index: usize) -> Option<String> {
    StepView::all(session).get(index).map(|view| step(*view))
}

/// Renders the verbs that were sent as a sorted list.
pub(super) fn commands(session: &Session) -> String {
    let commands = session.steps.iter().flat_map(|step| &step.commands);
    let verbs: BTreeSet<&str> = commands.map(|command| command.verb.as_str()).collect();
    let verbs: Vec<_> = verbs.into_iter().map(quoted).collect();
    list(&verbs, "")
}

/// Appends a `[[session.transfer]]`.
pub(super) fn write_transfer(transfer: &Transfer, out: &mut String) {
    out.push_str("  [[session.transfer]]\n");
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(out, "  {name} = {value}");
    };
    line("verb", &quoted(&transfer.verb));
    // The server chooses a new name for each STOU (RFC 959 section 4.1.3).
    if transfer.verb != "STOU" {
        if let Some(path) = &transfer.path {
            line("path", &quoted(path));
        } else if let Some(name) = &transfer.name {
            line("name", &quoted(name));
        }
    }
    line("mode", &quoted(&word(transfer.mode)));
    line("data_type", &quoted(&word(transfer.data_type)));
    if transfer.restart_offset > 0 {
        line("restart_offset", &transfer.restart_offset.to_string());
    }
    line("completeness", &quoted(&word(transfer.completeness)));
    // Size and digest of a file with gaps depend on which packets were lost.
    if !matches!(
        transfer.completeness,
        Completeness::Complete | Completeness::Unverifiable
    ) {
        return;
    }
    if transfer.direction == TransferDirection::Listing {
        if transfer.entries_omitted == 0 && transfer.entries.len() <= MAX_ENTRIES {
            let entries = transfer.entries.iter();
            let names: Vec<_> = entries.map(|entry| quoted(&entry.name)).collect();
            line("entries", &list(&names, "  "));
        }
        return;
    }
    line("bytes", &transfer.bytes.to_string());
    if let Some(digest) = &transfer.sha256 {
        line("sha256", &quoted(digest));
    }
}

fn fields(session: &Session, out: &mut String) {
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(out, "{name} = {value}");
    };
    line("login.outcome", &quoted(&word(session.login.outcome)));
    if let Some(user) = &session.login.user {
        line("login.user", &quoted(user));
    }
    if let Some(greeting) = &session.greeting {
        line("greeting.code", &greeting.code.to_string());
    }
    let Some(tls) = &session.tls else {
        return;
    };
    // QUIT is not visible in an encrypted session, only the end of the connection; whether FIN or RST comes last
    // varies.
    if matches!(session.end_state, EndState::Closed | EndState::Reset) {
        line("end_state", "[\"closed\", \"reset\"]");
    }
    if let Some(version) = &tls.version {
        line("tls.version", &quoted(version));
    }
    if let Some(protected) = tls.data_protected {
        line("tls.data_protected", &protected.to_string());
    }
    if tls.version.is_none() && tls.data_protected.is_none() {
        line("tls", "{ absent = false }");
    }
    line("encrypted_data", &session.encrypted_data.len().to_string());
    if !session.findings.iter().any(|one| one.id == "capture-loss") {
        line(
            "absent",
            "[\"capture-loss\"]   # of what is encrypted nobody could tell otherwise",
        );
    }
}

/// Renders a step as a string, or as a table if its argument differs in every run.
fn step(step: StepView<'_>) -> String {
    let verb = step.verb().unwrap_or_default();
    let has_address = matches!(verb, "PORT" | "EPRT" | "LPRT");
    let is_changing = step.subject().is_some_and(|subject| has_time(&subject));
    let code = step.reproducible_code();
    if step.kind() == StepKind::Command && (has_address || is_changing) {
        let code = code.map(|code| format!(", code = {code}"));
        return format!(
            "{{ kind = \"command\", verb = {}, outcome = {}{} }}",
            quoted(verb),
            quoted(&word(step.outcome())),
            code.unwrap_or_default()
        );
    }
    let is_chosen_by_server = step.kind() == StepKind::Store && verb == "STOU";
    let line = if is_chosen_by_server {
        format!("store: {}", word(step.outcome()))
    } else {
        step.line()
    };
    match code {
        Some(code) => quoted(&format!("{line} {code}")),
        None => quoted(&line),
    }
}

/// Returns true for an argument with a time of MFMT or MDTM (`20260302100000`, RFC 3659 section 2.3).
fn has_time(subject: &str) -> bool {
    let mut digits = subject.split(|character: char| !character.is_ascii_digit());
    digits.any(|run| run.len() >= 12)
}

/// Renders an expression as a TOML literal string, which needs no escapes, unless it contains a `'`.
fn quoted_expression(text: &str) -> String {
    if text.contains('\'') {
        quoted(text)
    } else {
        format!("'{text}'")
    }
}

/// Entries of a recorded listing; longer ones are left out, since nobody would read them.
const MAX_ENTRIES: usize = 60;
