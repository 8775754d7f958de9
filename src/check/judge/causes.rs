//! Causes of differences, as far as the session itself shows them.

use super::subject::Subject;
use crate::check::wording::{StepView, reply_line};
use crate::model::record::{
    Completeness, EndState, Outcome, Reply, Session, StepKind, Transfer, TransferDirection,
};

/// Returns the causes for which any part of a session may be missing.
pub(super) fn of_session(session: &Session) -> Vec<String> {
    let mut causes = Vec::new();
    let mut steps = session.steps.iter();
    let is_one_sided = session.steps.iter().any(|step| step.inferred)
        && steps.all(|step| step.commands.is_empty());
    // Replies alone reveal no commands: any other cause would be a guess.
    if is_one_sided {
        causes.push(
            "no command is in the capture: of the control connection it has one direction only"
                .to_owned(),
        );
    }
    if session.end_state == EndState::Open && !is_one_sided {
        causes.push("the capture ends while the session is open".to_owned());
    }
    causes.extend(explanations(session, |id| {
        id == "login-rejected" || (id == "capture-loss" && !is_one_sided)
    }));
    causes
}

/// Returns the explanations of the findings whose id is wanted.
fn explanations(session: &Session, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let findings = session.findings.iter().filter(|one| wanted(&one.id));
    findings.map(|one| one.explanation.clone()).collect()
}

/// Returns the greeting as it was sent.
pub(super) fn of_greeting(session: &Session) -> Vec<String> {
    let words = |reply: &Reply| format!("the server greeted with {}", reply_line(reply));
    session.greeting.iter().map(words).collect()
}

/// Returns the refused changes of directory, after which every path is another one.
pub(super) fn of_directories(session: &Session) -> Vec<String> {
    let steps = StepView::all(session).into_iter();
    let refused = steps
        .filter(|step| step.kind() == StepKind::Cwd && step.outcome() == Outcome::Failed)
        .map(StepView::with_reply);
    refused.take(MAX_DIRECTORIES).collect()
}

/// Returns the causes of a difference in a field of a transfer.
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

/// Returns the evidence that a file is not complete, and the findings about it.
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
    // `incomplete-file` repeats the evidence, which is reported already.
    let about =
        findings.filter(|one| one.transfer == Some(transfer.id) && one.id != "incomplete-file");
    about.map(|one| one.explanation.clone()).collect()
}

/// Returns the command that negotiated the data connection of a transfer.
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

/// Returns the last accepted TYPE before a transfer.
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

/// Commands that negotiate a data connection.
const NEGOTIATIONS: &[&str] = &[
    "PORT", "PASV", "EPRT", "EPSV", "LPRT", "LPSV", "SPSV", "CPSV",
];

/// Refused directories in one difference.
const MAX_DIRECTORIES: usize = 3;
