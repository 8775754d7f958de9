//! Judgement of a report by expectations.
//!
//! In: [`Expectations`] or named rules, and a [`Subject`]. Out: a [`Group`] with one verdict for each expectation.
//!
//! ```text
//! Expectations -> sessions (pairs expected and actual sessions, then their transfers) -> fields, absences, steps
//!              -> rules (CEL over the value tree)
//! ```
//!
//! Here are the entry points, the rules (assertions about every session, transfer or step, or about the whole report) and
//! the causes of differences, as far as the session itself shows them.

mod sessions;
mod steps;
mod subject;

use serde_json::Value;

use super::built_in::BuiltIn;
use super::expression::{self, Expression, Fact, Judgement, Prepared, Scope, fact_words};
use super::file::{Expectations, FieldExpectation, Rule, SessionExpectation};
use super::verdict::{Difference, Group, Origin, Place, Verdict};
use super::wording::{StepView, reply_line, session_words, transfer_words, word};
use crate::model::record::{
    Completeness, EndState, Outcome, Reply, Session, Severity, StepKind, Transfer,
    TransferDirection,
};

pub(super) use sessions::{SessionPairing, pair as pair_transfers};
pub(super) use steps::{Row, UpdatedStep, align, updated as updated_steps};
pub(super) use subject::Part;
pub use subject::Subject;

/// Judges a report by an expectation file.
#[must_use]
pub fn judge_file(file: &Expectations, subject: &Subject<'_>) -> Group {
    let pairing = SessionPairing::find(file, subject);
    let mut verdicts = sessions::judge(file, &pairing, subject);
    for (absence, at) in &file.absent {
        verdicts.push(sessions::absent_everywhere(absence, subject).at(*at));
    }
    for (rule, at) in &file.built_in {
        verdicts.push(judge_built_in(rule, subject).at(*at));
    }
    for rule in &file.rules {
        verdicts.push(judge_rule(rule, subject).at(rule.at));
    }
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
        verdicts: rules
            .iter()
            .map(|rule| judge_built_in(rule, subject))
            .collect(),
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
    session: Part<'_, Session>,
    subject: &Subject<'_>,
) -> bool {
    let (different, extra) = steps::compare(expected, session, subject);
    !different.is_empty() || (!expected.extra_steps && !extra.is_empty())
}

/// Returns true if commands were sent that `only_commands` does not list.
pub(super) fn commands_differ(
    expected: &SessionExpectation,
    session: Part<'_, Session>,
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
    let present = absent
        .filter(|(_, (absence, _))| !sessions::occurrences(absence, session, subject).is_empty());
    present.map(|(index, _)| index).collect()
}

/// Judges that a report has no finding of severity `least` or more.
#[must_use]
pub fn judge_findings(least: Severity, subject: &Subject<'_>) -> Group {
    let expected = match least {
        Severity::High => "no finding of severity high".to_owned(),
        _ => format!("no finding of severity {} or more", word(least)),
    };
    let mut differences = Vec::new();
    for session in subject.sessions() {
        for finding in session.findings.iter().filter(|one| one.severity >= least) {
            let place = finding
                .frames
                .first()
                .map(|frame| subject.frame(&session, *frame));
            let found = format!("{}: {}", finding.id, finding.title);
            differences.push(
                Difference::new(&expected, found)
                    .at(place)
                    .because(vec![finding.explanation.clone()])
                    .advice(&finding.advice),
            );
        }
    }
    for finding in &subject.report.findings {
        if finding.severity >= least {
            let found = format!("{}: {}", finding.id, finding.title);
            let because = vec![finding.explanation.clone()];
            let difference = Difference::new(&expected, found).because(because);
            differences.push(difference.advice(&finding.advice));
        }
    }
    Group {
        kind: Origin::Findings,
        name: "findings".to_owned(),
        file: None,
        verdicts: vec![Verdict::of(expected, differences)],
    }
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

/// Judges by a rule of a file.
fn judge_rule(rule: &Rule, subject: &Subject<'_>) -> Verdict {
    let condition = rule.condition.as_ref();
    hold(
        &rule.name,
        rule.scope,
        condition.map(|condition| (condition.text.as_str(), &condition.expression)),
        (&rule.assert.text, &rule.assert.expression),
        subject,
    )
}

/// Judges by a built-in rule.
fn judge_built_in(rule: &BuiltIn, subject: &Subject<'_>) -> Verdict {
    let compile = |text: &str| Expression::compile_in_report(text, rule.scope);
    let condition = rule
        .condition
        .map(|text| compile(text).map(|made| (text, made)));
    match (condition.transpose(), compile(rule.assert)) {
        (Ok(condition), Ok(assert)) => hold(
            rule.name,
            rule.scope,
            condition.as_ref().map(|(text, made)| (*text, made)),
            (rule.meaning, &assert),
            subject,
        ),
        // A unit test compiles every rule. If one fails to compile all the same, a verdict of "passed" would be a lie.
        (Err(error), _) | (_, Err(error)) => Verdict::of(
            rule.name,
            vec![Difference::new(rule.meaning, error.to_string())],
        ),
    }
}

fn hold(
    name: &str,
    scope: Scope,
    condition: Option<(&str, &Expression)>,
    (expected, assert): (&str, &Expression),
    subject: &Subject<'_>,
) -> Verdict {
    let prepared = Prepared::new(assert, subject.tree());
    let filter = condition.map(|(_, expression)| Prepared::new(expression, subject.tree()));
    let mut judged: u64 = 0;
    let mut differences = Vec::new();
    for object in objects(scope, subject) {
        let applies = filter
            .as_ref()
            .is_none_or(|filter| filter.is_true(object.tree, object.session));
        if !applies {
            continue;
        }
        judged += 1;
        let (facts, cause) = match prepared.judge(object.tree, object.session) {
            Judgement::True => continue,
            Judgement::False(facts) => (facts, None),
            Judgement::Undecided(cause, facts) => (facts, Some(cause)),
        };
        let found = match (fact_words(&facts), cause) {
            (facts, None) => facts,
            (facts, Some(cause)) if facts.is_empty() || facts == cause => cause,
            (facts, Some(cause)) => format!("it cannot be told: {cause} ({facts})"),
        };
        let words = (object.words)();
        let found = match (words.is_empty(), found.is_empty()) {
            (true, _) => found,
            (false, true) => words,
            (false, false) => format!("{words}: {found}"),
        };
        let difference = Difference::new(expected, found).at((object.place)());
        // The evidence explains a completeness. A rule about anything else would show a cause that is not one.
        let is_about_completeness = facts.iter().any(|fact| fact.name == "completeness");
        let evidence = object.evidence.filter(|_| is_about_completeness);
        let mut because = evidence.unwrap_or_default().to_vec();
        because.extend(explanations_read(&facts, object.tree));
        differences.push(difference.because(because));
    }
    if filter.as_ref().is_some_and(Prepared::has_given_up) {
        // Objects that were not filtered are not judged either: the verdict must not be "passed".
        let text = condition.map_or("", |(text, _)| text);
        let wanted = format!("to tell for which {text}");
        differences.push(Difference::new(wanted, expression::GIVEN_UP));
        return Verdict::of(name, differences);
    }
    // An assertion about no object at all would hold trivially, for example after a misspelled filter.
    if judged == 0 {
        let what = match scope {
            Scope::Session => "session",
            Scope::Transfer => "transfer",
            Scope::Step => "step",
            Scope::Finding => "finding",
            Scope::Capture => "capture",
            Scope::Event => "event",
        };
        let reason = match condition {
            Some((text, _)) => format!("there is no {what} for which {text}"),
            None => format!("there is no {what}"),
        };
        return Verdict::skipped(name, reason);
    }
    Verdict::of(name, differences)
}

/// Returns the explanations of the findings and the messages of the warnings that an expression read.
fn explanations_read(facts: &[Fact], tree: &Value) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for fact in facts {
        // `findings[1].id`, `sessions[0].findings[1].id`, `warnings[0].code`.
        let mut at = tree;
        let parts = fact.name.split(['.', '[']);
        for part in parts {
            let part = part.trim_end_matches(']');
            let inner = match part.parse::<usize>() {
                Ok(index) => at.get(index),
                Err(_) => at.get(part),
            };
            at = inner.unwrap_or(&Value::Null);
            let text = at.get("explanation").or_else(|| at.get("message"));
            let text = text.and_then(Value::as_str);
            if let Some(text) = text.filter(|text| !found.iter().any(|known| known == text)) {
                found.push(text.to_owned());
            }
        }
    }
    found
}

/// An object that a rule is about.
struct Object<'o> {
    tree: &'o Value,
    /// Tree of the session that the object is part of; `None` for a session or the report.
    session: Option<&'o Value>,
    /// Evidence for the completeness of a transfer; `None` for other objects.
    evidence: Option<&'o [String]>,
    // Words and place are computed only for the few objects that fail.
    words: Box<dyn Fn() -> String + 'o>,
    place: Box<dyn Fn() -> Option<Place> + 'o>,
}

fn objects<'o>(scope: Scope, subject: &'o Subject<'_>) -> Vec<Object<'o>> {
    let mut objects = Vec::new();
    if scope == Scope::Capture {
        objects.push(Object {
            tree: subject.tree(),
            session: None,
            evidence: None,
            words: Box::new(String::new),
            place: Box::new(|| None),
        });
        return objects;
    }
    for part in subject.sessions() {
        let session = part.record();
        match scope {
            Scope::Session => objects.push(Object {
                tree: part.tree,
                session: None,
                evidence: None,
                words: Box::new(move || session_words(session)),
                place: Box::new(move || Some(subject.beginning(session))),
            }),
            Scope::Transfer => {
                for (transfer, part_of) in session.transfers.iter().zip(part.transfers()) {
                    objects.push(Object {
                        tree: part_of.tree,
                        session: Some(part.tree),
                        evidence: Some(&transfer.evidence),
                        words: Box::new(move || {
                            format!("{} in session {}", transfer_words(transfer), session.id)
                        }),
                        place: Box::new(move || Some(subject.transfer(session, transfer))),
                    });
                }
            }
            Scope::Step => {
                for (step, part_of) in session.steps.iter().zip(part.steps()) {
                    objects.push(Object {
                        tree: part_of.tree,
                        session: Some(part.tree),
                        evidence: None,
                        words: Box::new(move || {
                            format!("{} in session {}", step.title, session.id)
                        }),
                        place: Box::new(move || Some(subject.step(session, step))),
                    });
                }
            }
            Scope::Finding | Scope::Capture | Scope::Event => {}
        }
    }
    objects
}

/// Commands that negotiate a data connection.
const NEGOTIATIONS: &[&str] = &[
    "PORT", "PASV", "EPRT", "EPSV", "LPRT", "LPSV", "SPSV", "CPSV",
];

/// Refused directories in one difference.
const MAX_DIRECTORIES: usize = 3;
