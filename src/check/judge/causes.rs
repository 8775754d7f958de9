//! What is known of the cause where something is not as expected: what the session itself shows.

use super::subject::Subject;
use crate::check::step_text::{StepView, reply_line};
use crate::model::record::{
    Completeness, EndState, Outcome, Reply, Session, StepKind, Transfer, TransferDirection,
};

/// Why something of a session may not be there at all.
pub(super) fn of_session(session: &Session) -> Vec<String> {
    let mut causes = Vec::new();
    let mut steps = session.steps.iter();
    let is_one_sided = session.steps.iter().any(|step| step.inferred)
        && steps.all(|step| step.commands.is_empty());
    if is_one_sided {
        causes.push(
            "no command is in the capture: of the control connection it has one direction only"
                .to_owned(),
        );
    }
    if session.end_state == EndState::Open && !is_one_sided {
        causes.push("the capture ends while the session is open".to_owned());
    }
    causes.extend(findings_with(session, |id| {
        id == "login-rejected" || (id == "capture-loss" && !is_one_sided)
    }));
    causes
}

/// What findings of a session say.
pub(super) fn findings_with(session: &Session, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let findings = session.findings.iter().filter(|one| wanted(&one.id));
    findings.map(|one| one.explanation.clone()).collect()
}

/// The greeting as it was sent.
pub(super) fn of_greeting(session: &Session) -> Vec<String> {
    let said = |reply: &Reply| {
        let reply = serde_json::to_value(reply).unwrap_or_default();
        format!("the server greeted with {}", reply_line(&reply))
    };
    session.greeting.iter().map(said).collect()
}

/// A folder that was refused, before a transfer that is elsewhere.
pub(super) fn of_folders(session: &Session, value: &serde_json::Value) -> Vec<String> {
    let steps = session.steps.iter().zip(StepView::all(value));
    let refused = steps
        .filter(|(step, _)| step.kind == StepKind::Cwd && step.outcome == Outcome::Failed)
        .map(|(_, view)| view.answered());
    refused.take(MOST_FOLDERS).collect()
}

/// Why a field of a transfer is not as it should be.
pub(super) fn of_field(
    field: &[String],
    session: &Session,
    transfer: &Transfer,
    subject: &Subject<'_>,
) -> Vec<String> {
    match field.first().map(String::as_str) {
        Some("mode") => vec![negotiation(session, transfer, subject)],
        Some("data_type") => vec![representation(session, transfer, subject)],
        Some("completeness" | "missing_bytes" | "missing_ranges") => of_content(session, transfer),
        Some("bytes" | "sha256" | "entries" | "md5" | "sha1") => {
            let mut causes = of_content(session, transfer);
            if transfer.completeness == Completeness::Complete {
                let what = match transfer.direction {
                    TransferDirection::Listing => "the listing",
                    _ => "the file",
                };
                causes.insert(
                    0,
                    format!("{what} is whole in the capture: what was sent is another"),
                );
            }
            causes
        }
        _ => findings_about(session, transfer),
    }
}

/// What completeness rests on where a file is not complete, and findings about it.
fn of_content(session: &Session, transfer: &Transfer) -> Vec<String> {
    let mut causes = match transfer.completeness {
        Completeness::Complete => Vec::new(),
        _ => transfer.evidence.clone(),
    };
    causes.extend(findings_about(session, transfer));
    causes
}

fn findings_about(session: &Session, transfer: &Transfer) -> Vec<String> {
    let findings = session.findings.iter();
    // That a file is incomplete says no more than the evidence does.
    let told =
        findings.filter(|one| one.transfer == Some(transfer.id) && one.id != "incomplete-file");
    told.map(|one| one.explanation.clone()).collect()
}

/// The command that said how the data connection is opened.
fn negotiation(session: &Session, transfer: &Transfer, subject: &Subject<'_>) -> String {
    let step = session.step_of(transfer.id);
    let mut commands = step.into_iter().flat_map(|step| step.commands.iter().rev());
    let found = commands.find(|command| NEGOTIATIONS.contains(&command.verb.as_str()));
    match found {
        Some(command) => subject.command_words(session, command),
        None => format!(
            "nothing was negotiated for {} in the capture",
            transfer.verb
        ),
    }
}

/// The last TYPE before a transfer.
fn representation(session: &Session, transfer: &Transfer, subject: &Subject<'_>) -> String {
    let own = session.step_of(transfer.id).map(|step| step.number);
    let steps = session.steps.iter();
    let steps = steps.filter(|step| own.is_none_or(|own| step.number <= own));
    let commands = steps.flat_map(|step| &step.commands);
    let is_accepted = |reply: &Reply| (200..300).contains(&reply.code);
    let mut types = commands
        .filter(|command| command.verb == "TYPE" && command.replies.iter().any(is_accepted));
    match types.next_back() {
        Some(command) => subject.command_words(session, command),
        None => {
            "no TYPE before it is in the capture, and ASCII is what holds without one".to_owned()
        }
    }
}

/// Commands that say how the next data connection is opened.
const NEGOTIATIONS: &[&str] = &[
    "PORT", "PASV", "EPRT", "EPSV", "LPRT", "LPSV", "SPSV", "CPSV",
];

/// Folders that are named.
const MOST_FOLDERS: usize = 3;
