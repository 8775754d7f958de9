//! Judgement of a report by expectations.
//!
//! In: [`Expectations`] or named rules, and a [`Subject`]. Out: a [`Group`] with one verdict for each expectation.
//!
//! ```text
//! Expectations -> sessions (pairs expected and actual sessions, then their transfers) -> fields, absences, steps
//!              -> rules (CEL over the value tree; absences)
//! ```
//!
//! Here are the entry points and the causes of differences, as far as the session itself shows them. Each entry point
//! visits the sessions once or a few times, one after the other: they may be in a file.

mod rules;
mod sessions;
mod steps;
mod subject;

use serde_json::Value;

use super::built_in::{BuiltIn, encrypted};
use super::file::{Expectations, FieldExpectation, SessionExpectation};
use super::verdict::{Difference, Differences, Group, Origin, Verdict};
use super::wording::{StepView, reply_line, word};
use crate::model::record::{
    Completeness, EndState, Finding, Outcome, Reply, Session, Severity, StepKind, Transfer,
    TransferDirection,
};
use crate::report::units;

pub(super) use sessions::{SessionPairing, pair as pair_transfers};
pub(super) use steps::{Row, UpdatedStep, align, updated as updated_steps};
pub use subject::{FieldNames, Subject};
pub(super) use subject::{LoadedSession, Part};

/// Judges a report by an expectation file.
#[must_use]
pub fn judge_file(file: &Expectations, subject: &Subject<'_>) -> Group {
    let pairing = SessionPairing::find(file, subject);
    let mut verdicts = sessions::judge(file, &pairing, subject);
    verdicts.extend(rules::judge_file(file, subject));
    Group {
        kind: Origin::File,
        name: file.path.clone(),
        file: Some(file.path.clone()),
        verdicts,
    }
}

/// Judges a report by built-in rules.
#[must_use]
pub fn judge_rules(rules: &[&'static BuiltIn], subject: &Subject<'_>) -> Group {
    Group {
        kind: Origin::Rules,
        name: "rules".to_owned(),
        file: None,
        verdicts: rules::judge_built_in(rules, subject),
    }
}

/// Compares a field of the object `tree` with its expectation; `None` if it is as expected.
pub(super) fn field_difference(field: &FieldExpectation, tree: &Value) -> Option<Difference> {
    let mut value = tree;
    let mut null_parent = None;
    for (depth, name) in field.path.iter().enumerate() {
        if value.is_null() && null_parent.is_none() {
            null_parent = Some(field.path.get(..depth).unwrap_or_default().join("."));
        }
        // The report omits some fields that say nothing; an expectation cannot distinguish them from null.
        value = value.get(name).unwrap_or(&Value::Null);
    }
    if field.constraint.allows(value) {
        return None;
    }
    let found = match null_parent {
        Some(parent) => format!("nothing: {parent} is null"),
        None => field.constraint.found(value),
    };
    let expected = format!("{} {}", field.name(), field.constraint.words());
    Some(Difference::new(expected, found))
}

/// Returns true if steps are missing, different or not expected.
pub(super) fn steps_differ(
    expected: &SessionExpectation,
    session: &LoadedSession,
    subject: &Subject<'_>,
) -> bool {
    let (different, extra) = steps::compare(expected, session, subject);
    !different.is_empty() || (!expected.extra_steps && !extra.is_empty())
}

/// Returns true if commands were sent that `only_commands` does not list.
pub(super) fn commands_differ(
    expected: &SessionExpectation,
    session: &LoadedSession,
    subject: &Subject<'_>,
) -> bool {
    !steps::other_commands(expected, session, subject).is_empty()
}

/// Returns the indices of the `absent` items that the session has.
pub(super) fn present_absences(
    expected: &SessionExpectation,
    session: &Session,
    subject: &Subject<'_>,
) -> Vec<usize> {
    let absent = expected.absent.iter().enumerate();
    let present = absent.filter(|(_, (absence, _))| {
        let mut found = Differences::default();
        sessions::occurrences(absence, session, subject, &mut found);
        !found.is_empty()
    });
    present.map(|(index, _)| index).collect()
}

/// Judges that a report has no finding of severity `least` or more.
#[must_use]
pub fn judge_findings(least: Severity, subject: &Subject<'_>) -> Group {
    let expected = match least {
        Severity::High => "no finding of severity high".to_owned(),
        _ => format!("no finding of severity {} or more", word(least)),
    };
    let mut differences = Differences::default();
    let mut any_session = false;
    for session in subject.sessions() {
        any_session = true;
        for finding in session.findings.iter().filter(|one| one.severity >= least) {
            differences.push(|| {
                let frame = finding.frames.first();
                let place = frame.map(|frame| subject.frame(&session, *frame));
                let found = format!("{}: {}", finding.id, finding.title);
                Difference::new(&expected, found)
                    .at(place)
                    .because(vec![finding.explanation.clone()])
                    .advice(&finding.advice)
            });
        }
    }
    for finding in &subject.report.findings {
        if finding.severity >= least {
            differences.push(|| {
                let found = format!("{}: {}", finding.id, finding.title);
                let because = vec![finding.explanation.clone()];
                let difference = Difference::new(&expected, found).because(because);
                difference.advice(&finding.advice)
            });
        }
    }
    Group {
        kind: Origin::Findings,
        name: "findings".to_owned(),
        file: None,
        verdicts: vec![if any_session || !differences.is_empty() {
            differences.into_verdict(expected)
        } else {
            Verdict::skipped(expected, "there is no session")
        }],
    }
}

/// Returns what the capture itself lost, in words: a line for each session and finding, of the first few.
#[must_use]
pub fn capture_losses(subject: &Subject<'_>) -> Vec<String> {
    let is_loss = |finding: &&Finding| finding.id == "capture-loss";
    let mut lines = Vec::new();
    let mut omitted = 0;
    for session in subject.sessions() {
        for finding in session.findings.iter().filter(is_loss) {
            if lines.len() < MAX_LOSSES {
                lines.push(format!("session {}: {}", session.id, finding.explanation));
            } else {
                omitted += 1;
            }
        }
    }
    if omitted > 0 {
        let more = units::counted(omitted, "more loss", "more losses");
        lines.push(format!("{more} of the capture in other sessions"));
    }
    let of_report = subject.report.findings.iter().filter(is_loss);
    lines.extend(of_report.map(|finding| finding.explanation.clone()));
    lines
}

/// Returns the causes for which any part of a session may be missing.
fn causes_of_session(session: &Session) -> Vec<String> {
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
    if let Some(why) = encrypted(session) {
        causes.push(format!("nothing of its commands is known: {why}"));
    }
    if session.end_state == EndState::Open && !is_one_sided {
        causes.push("the capture ends while the session is open".to_owned());
    }
    causes.extend(explanations(session, |id| {
        id == "login-rejected" || (id == "capture-loss" && !is_one_sided)
    }));
    causes
}

/// Returns true if the capture begins or ends within a session, or lost some of it.
fn is_cut_or_lossy(session: &Session) -> bool {
    let mut findings = session.findings.iter();
    session.midstream
        || session.end_state == EndState::Open
        || findings.any(|one| one.id == "capture-loss")
}

/// Returns the explanations of the findings whose id is wanted.
fn explanations(session: &Session, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let findings = session.findings.iter().filter(|one| wanted(&one.id));
    findings.map(|one| one.explanation.clone()).collect()
}

/// Returns the greeting as it was sent.
fn causes_of_greeting(session: &Session) -> Vec<String> {
    let words = |reply: &Reply| format!("the server greeted with {}", reply_line(reply));
    session.greeting.iter().map(words).collect()
}

/// Returns the refused changes of directory, after which every path is another one.
fn causes_of_directories(session: &Session) -> Vec<String> {
    let steps = StepView::all(session).into_iter();
    let refused = steps
        .filter(|step| step.kind() == StepKind::Cwd && step.outcome() == Outcome::Failed)
        .map(StepView::with_reply);
    refused.take(MAX_DIRECTORIES).collect()
}

/// Returns the causes of a difference in a field of a transfer.
fn causes_of_field(
    field: &[String],
    session: &Session,
    transfer: &Transfer,
    subject: &Subject<'_>,
) -> Vec<String> {
    match field.first().map(String::as_str) {
        Some("mode") => vec![negotiation(session, transfer, subject)],
        Some("data_type") => vec![representation(session, transfer, subject)],
        Some("completeness" | "missing_bytes" | "missing_ranges") => {
            causes_of_content(session, transfer)
        }
        Some("bytes" | "sha256" | "entries" | "md5" | "sha1") => {
            let mut causes = causes_of_content(session, transfer);
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
fn causes_of_content(session: &Session, transfer: &Transfer) -> Vec<String> {
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

/// Losses of the capture described one by one.
const MAX_LOSSES: usize = 10;

/// Refused directories in one difference.
const MAX_DIRECTORIES: usize = 3;
