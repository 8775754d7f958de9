//! Which session of the report is which of the file, and what is expected of it.

use serde_json::Value;

use super::super::expression::{self, Prepared};
use super::super::file::{Expectations, SessionExpectation};
use super::super::verdict::{Difference, NO_SESSION, Verdict};
use super::subject::{Subject, session_words};
use super::{absences, causes, facts, fields, steps, transfers};
use crate::model::record::Session;

/// Who is who: in file order, each expected session takes the first not yet taken for which its `match` is true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Partners {
    /// For each expected session the index of its partner in the report.
    pub(in super::super) of_expected: Vec<Option<usize>>,
    /// Indices of sessions in the report that nobody took.
    pub(in super::super) others: Vec<usize>,
}

impl Partners {
    /// Finds them.
    #[must_use]
    pub(in super::super) fn find(file: &Expectations, subject: &Subject<'_>) -> Self {
        let sessions: Vec<&Value> = subject.sessions().map(|(_, value)| value).collect();
        let mut taken = vec![false; sessions.len()];
        let mut of_expected = Vec::new();
        for expected in &file.sessions {
            let condition = expected
                .condition
                .as_ref()
                .map(|condition| Prepared::new(&condition.expression, &subject.value));
            let partner = taken.iter().zip(&sessions).position(|(taken, session)| {
                !taken
                    && condition
                        .as_ref()
                        .is_none_or(|condition| condition.is_true(session, None))
            });
            if let Some(taken) = partner.and_then(|partner| taken.get_mut(partner)) {
                *taken = true;
            }
            of_expected.push(partner);
        }
        let others = taken.iter().enumerate().filter(|(_, taken)| !**taken);
        Self {
            of_expected,
            others: others.map(|(index, _)| index).collect(),
        }
    }
}

/// What becomes of everything that is expected of sessions.
pub(super) fn sessions(
    file: &Expectations,
    partners: &Partners,
    subject: &Subject<'_>,
) -> Vec<Verdict> {
    let sessions: Vec<(&Session, &Value)> = subject.sessions().collect();
    let mut verdicts = Vec::new();
    for (index, expected) in file.sessions.iter().enumerate() {
        let label = label(expected, index);
        let taken = partners.of_expected.get(..index).unwrap_or_default();
        let partner = partners.of_expected.get(index).copied().flatten();
        let partner = partner.and_then(|partner| sessions.get(partner));
        let there = format!("{label} is there");
        if let Some((session, value)) = partner {
            verdicts.push(Verdict::of(there, Vec::new()).at(expected.at));
            verdicts.extend(one(&label, expected, session, value, subject));
        } else {
            let difference = missing(expected, taken, &sessions, subject);
            verdicts.push(Verdict::of(there, vec![difference]).at(expected.at));
            verdicts.extend(skipped(&label, expected));
        }
    }
    if file.exactly {
        let extra = partners
            .others
            .iter()
            .filter_map(|index| sessions.get(*index));
        let differences = extra.map(|(session, _)| {
            Difference::new("no other session", session_words(session))
                .at(Some(subject.beginning(session)))
                .because(vec![session.verdict.text.clone()])
        });
        verdicts.push(Verdict::of("no other sessions", differences.collect()).at(file.exactly_at));
    }
    verdicts
}

fn one(
    label: &str,
    expected: &SessionExpectation,
    session: &Session,
    value: &Value,
    subject: &Subject<'_>,
) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for field in &expected.fields {
        let differences = fields::session_field(field, session, value, subject);
        let name = format!("{label}: {}", field.name());
        verdicts.push(Verdict::of(name, differences).at(field.at));
    }
    verdicts.extend(steps::steps(label, expected, session, value, subject));
    for (absence, at) in &expected.absent {
        let differences = absences::in_session(absence, session, subject);
        let name = format!("{label}: no {}", absence.words());
        verdicts.push(Verdict::of(name, differences).at(*at));
    }
    verdicts.extend(transfers::transfers(
        label, expected, session, value, subject,
    ));
    verdicts
}

/// What cannot be told without its session.
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

/// Why no session was taken: what those are like that nobody before it in the file took.
fn missing(
    expected: &SessionExpectation,
    taken: &[Option<usize>],
    sessions: &[(&Session, &Value)],
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
    let because = free.iter().take(MOST_TOLD).map(|(session, value)| {
        let values = expected
            .condition
            .as_ref()
            .map(|condition| condition.expression.values(value))
            .unwrap_or_default();
        let mut words = format!("{}: {}", session_words(session), session.verdict.text);
        if let Some(cause) = causes::of_session(session).first() {
            words = format!("{words}; {cause}");
        }
        match facts::values(&values) {
            values if values.is_empty() => words,
            values => format!("{words} ({values})"),
        }
    });
    let place = free.first().map(|(session, _)| subject.beginning(session));
    let condition = expected.condition.as_ref();
    let too_much = condition.filter(|condition| condition.expression.has_given_up());
    let too_much = too_much.map(|_| expression::GIVEN_UP.to_owned());
    Difference::new(wanted, found)
        .because(too_much.into_iter().chain(because).collect())
        .at(place)
}

fn label(expected: &SessionExpectation, index: usize) -> String {
    match &expected.name {
        Some(name) => name.clone(),
        None => format!("session {}", index + 1),
    }
}

/// Sessions that are told where none fits.
const MOST_TOLD: usize = 5;
