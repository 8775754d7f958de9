//! Sessions of the report paired with those of the file, and the verdicts on each pair.

use super::super::expression::{self, Prepared, fact_words};
use super::super::file::{Absence, Expectations, FieldExpectation, SessionExpectation};
use super::super::verdict::{Difference, NO_SESSION, Verdict};
use super::super::wording::{command_line, session_words};
use super::subject::{Part, Subject};
use super::{causes, field_difference, steps, transfers};
use crate::model::record::Session;

/// Pairs of expected and actual sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionPairing {
    /// For each expected session the index of its partner in the report; `None` if no session fits.
    pub(crate) partners: Vec<Option<usize>>,
    /// Indices of the sessions in the report without a partner.
    pub(crate) unpaired: Vec<usize>,
}

impl SessionPairing {
    /// Pairs in file order: each expected session takes the first free one for which its `match` is true.
    #[must_use]
    pub(crate) fn find(file: &Expectations, subject: &Subject<'_>) -> Self {
        let mut is_taken = vec![false; subject.sessions().len()];
        let mut partners = Vec::new();
        for expected in &file.sessions {
            let condition = expected
                .condition
                .as_ref()
                .map(|condition| Prepared::new(&condition.expression, subject.tree()));
            let mut candidates = is_taken.iter().zip(subject.sessions());
            let partner = candidates.position(|(is_taken, session)| {
                !is_taken
                    && condition
                        .as_ref()
                        .is_none_or(|condition| condition.is_true(session.tree, None))
            });
            if let Some(is_taken) = partner.and_then(|partner| is_taken.get_mut(partner)) {
                *is_taken = true;
            }
            partners.push(partner);
        }
        let unpaired = is_taken.iter().enumerate().filter(|(_, taken)| !**taken);
        Self {
            partners,
            unpaired: unpaired.map(|(index, _)| index).collect(),
        }
    }
}

/// Judges everything that the file expects of sessions.
pub(super) fn judge(
    file: &Expectations,
    pairing: &SessionPairing,
    subject: &Subject<'_>,
) -> Vec<Verdict> {
    let sessions: Vec<Part<'_, Session>> = subject.sessions().collect();
    let mut verdicts = Vec::new();
    for (index, expected) in file.sessions.iter().enumerate() {
        let label = label(expected, index);
        let taken = pairing.partners.get(..index).unwrap_or_default();
        let partner = pairing.partners.get(index).copied().flatten();
        let partner = partner.and_then(|partner| sessions.get(partner));
        let there = format!("{label} is there");
        if let Some(session) = partner {
            verdicts.push(Verdict::of(there, Vec::new()).at(expected.at));
            verdicts.extend(judge_session(&label, expected, *session, subject));
        } else {
            let difference = missing(expected, taken, &sessions, subject);
            verdicts.push(Verdict::of(there, vec![difference]).at(expected.at));
            verdicts.extend(skipped(&label, expected));
        }
    }
    if file.exactly {
        let unpaired = pairing.unpaired.iter();
        let extra = unpaired.filter_map(|index| sessions.get(*index));
        let differences = extra.map(|session| {
            Difference::new("no other session", session_words(session))
                .at(Some(subject.beginning(session)))
                .because(vec![session.verdict.text.clone()])
        });
        verdicts.push(Verdict::of("no other sessions", differences.collect()).at(file.exactly_at));
    }
    verdicts
}

fn judge_session(
    label: &str,
    expected: &SessionExpectation,
    session: Part<'_, Session>,
    subject: &Subject<'_>,
) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for field in &expected.fields {
        let differences = session_field(field, session, subject);
        let name = format!("{label}: {}", field.name());
        verdicts.push(Verdict::of(name, differences).at(field.at));
    }
    verdicts.extend(steps::judge(label, expected, session, subject));
    for (absence, at) in &expected.absent {
        let differences = occurrences(absence, &session, subject);
        let name = format!("{label}: no {}", absence.words());
        verdicts.push(Verdict::of(name, differences).at(*at));
    }
    verdicts.extend(transfers::judge(label, expected, session, subject));
    verdicts
}

/// Skips everything that is expected of a session without a partner.
fn skipped(label: &str, expected: &SessionExpectation) -> Vec<Verdict> {
    let skip = |what: String, at| Verdict::skipped(format!("{label}: {what}"), NO_SESSION).at(at);
    let mut verdicts = Vec::new();
    for field in &expected.fields {
        verdicts.push(skip(field.name(), field.at));
    }
    for (name, at) in steps::names(expected) {
        verdicts.push(skip(name, at));
    }
    for (absence, at) in &expected.absent {
        verdicts.push(skip(format!("no {}", absence.words()), *at));
    }
    for (name, at) in transfers::names(expected) {
        verdicts.push(skip(name, at));
    }
    verdicts
}

/// Describes why no session fits, with the sessions that were still free.
fn missing(
    expected: &SessionExpectation,
    taken: &[Option<usize>],
    sessions: &[Part<'_, Session>],
    subject: &Subject<'_>,
) -> Difference {
    let free: Vec<_> = sessions
        .iter()
        .enumerate()
        .filter(|(index, _)| !taken.contains(&Some(*index)))
        .map(|(_, session)| session)
        .collect();
    let wanted = match &expected.condition {
        Some(condition) => format!("a session for which {}", condition.text),
        None => "one more session".to_owned(),
    };
    let found = match (sessions.len(), free.len()) {
        (0, _) => "no session at all".to_owned(),
        (all, 0) => format!("only {all}, and those before it in the file took them"),
        (_, 1) => "1 session for which that is not so".to_owned(),
        (_, free) => format!("{free} sessions for which that is not so"),
    };
    let because = free.iter().take(MAX_CANDIDATES).map(|session| {
        let facts = expected
            .condition
            .as_ref()
            .map(|condition| condition.expression.facts(session.tree))
            .unwrap_or_default();
        let mut words = format!("{}: {}", session_words(session), session.verdict.text);
        if let Some(cause) = causes::of_session(session).first() {
            words = format!("{words}; {cause}");
        }
        match fact_words(&facts) {
            facts if facts.is_empty() => words,
            facts => format!("{words} ({facts})"),
        }
    });
    let place = free.first().map(|session| subject.beginning(session));
    let condition = expected.condition.as_ref();
    let too_much = condition.filter(|condition| condition.expression.has_given_up());
    let too_much = too_much.map(|_| expression::GIVEN_UP.to_owned());
    Difference::new(wanted, found)
        .because(too_much.into_iter().chain(because).collect())
        .at(place)
}

/// Compares a field of a session with its expectation, with the causes of a difference.
fn session_field(
    field: &FieldExpectation,
    session: Part<'_, Session>,
    subject: &Subject<'_>,
) -> Vec<Difference> {
    let difference = field_difference(field, session.tree);
    let difference = difference.map(|difference| {
        let because = match field.path.first().map(String::as_str) {
            Some("login") => causes::of_session(&session),
            Some("greeting") => causes::of_greeting(&session),
            Some("tls") if session.tls.is_none() => vec![
                "the session is not encrypted: no AUTH TLS was accepted and no TLS record was seen"
                    .to_owned(),
            ],
            _ => Vec::new(),
        };
        difference
            .because(because)
            .at(Some(subject.field(&session, &field.path)))
    });
    difference.into_iter().collect()
}

/// Finds every occurrence in a session of something that must be absent.
pub(super) fn occurrences(
    absence: &Absence,
    session: &Session,
    subject: &Subject<'_>,
) -> Vec<Difference> {
    let expected = format!("no {}", absence.words());
    let mut differences = Vec::new();
    match absence {
        Absence::Command(verb) => {
            let commands = session.steps.iter().flat_map(|step| &step.commands);
            for command in commands.filter(|command| command.verb == *verb) {
                let place = subject.command(session, command);
                let difference = Difference::new(&expected, command_line(command));
                differences.push(difference.at(Some(place)));
            }
        }
        Absence::Step(kind) => {
            for step in session.steps.iter().filter(|step| step.kind == *kind) {
                let place = subject.step(session, step);
                differences.push(Difference::new(&expected, &step.title).at(Some(place)));
            }
        }
        Absence::Finding(id) => {
            for finding in session.findings.iter().filter(|one| one.id == *id) {
                let frame = finding.frames.first();
                let place = frame.map(|frame| subject.frame(session, *frame));
                differences.push(
                    Difference::new(&expected, &finding.title)
                        .at(place)
                        .because(vec![finding.explanation.clone()]),
                );
            }
        }
    }
    differences
}

/// Judges that something is absent from every session, and a finding also from the report as a whole.
pub(super) fn absent_everywhere(absence: &Absence, subject: &Subject<'_>) -> Verdict {
    let name = format!("no {}", absence.words());
    if subject.report.sessions.is_empty() {
        return Verdict::skipped(name, "there is no session");
    }
    let mut differences = Vec::new();
    for session in &subject.report.sessions {
        differences.extend(occurrences(absence, session, subject));
    }
    if let Absence::Finding(id) = absence {
        for finding in subject.report.findings.iter().filter(|one| one.id == *id) {
            let because = vec![finding.explanation.clone()];
            differences.push(Difference::new(&name, &finding.title).because(because));
        }
    }
    Verdict::of(name, differences)
}

fn label(expected: &SessionExpectation, index: usize) -> String {
    match &expected.name {
        Some(name) => name.clone(),
        None => format!("session {}", index + 1),
    }
}

/// Free sessions described where none fits.
const MAX_CANDIDATES: usize = 5;
