//! Sessions of the report, and the transfers of each, paired with those of the file, and the verdicts on each pair.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::built_in::{Requires, encrypted};
use super::super::constraint::Constraint;
use super::super::expression::{self, Prepared, fact_words};
use super::super::file::{
    Absence, Expectations, FieldExpectation, SessionExpectation, TransferExpectation,
};
use super::super::mistake::Position;
use super::super::verdict::{Difference, Differences, NO_SESSION, Verdict};
use super::super::wording::{command_line, session_words, transfer_words};
use super::subject::{LoadedSession, Part, Subject};
use super::{field_difference, steps};
use crate::model::record::{Session, Transfer};

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
    ///
    /// Sessions are visited in their order, and each is taken by the first expectation without a partner that it meets,
    /// which makes the same pairs.
    #[must_use]
    pub(crate) fn find(file: &Expectations, subject: &Subject<'_>) -> Self {
        let conditions = file.sessions.iter().map(|expected| {
            let condition = expected.condition.as_ref();
            condition.map(|condition| Prepared::new(&condition.expression, subject.tree()))
        });
        let conditions: Vec<Option<Prepared<'_>>> = conditions.collect();
        let mut free = Free::new(conditions.len());
        let mut partners = vec![None; conditions.len()];
        let mut unpaired = Vec::new();
        let is_conditional = conditions.iter().any(Option::is_some);
        for index in 0..subject.session_count() {
            // Without a condition the sessions need not be read.
            let session = if is_conditional && free.has_any() {
                subject.session_at(index)
            } else {
                None
            };
            let expected = free.find(|expected| match conditions.get(expected) {
                Some(Some(condition)) => session
                    .as_ref()
                    .is_some_and(|session| condition.is_true(session.tree(), None)),
                found => found.is_some(),
            });
            free.take(expected);
            match expected.and_then(|expected| partners.get_mut(expected)) {
                Some(partner) => *partner = Some(index),
                None => unpaired.push(index),
            }
        }
        Self { partners, unpaired }
    }
}

/// Items of one list that have no partner in another yet.
///
/// Expectations of a recorded file take the items one after the other, so that the first free one mostly fits. If none does,
/// each would be compared with all: after [`MAX_TRIES`] comparisons only the next few are.
struct Free {
    taken: Vec<bool>,
    /// All items before it are taken.
    first: usize,
    tries: usize,
}

impl Free {
    fn new(count: usize) -> Self {
        Self {
            taken: vec![false; count],
            first: 0,
            tries: 0,
        }
    }

    fn has_any(&self) -> bool {
        self.first < self.taken.len()
    }

    fn indices(&self) -> impl Iterator<Item = usize> {
        let rest = self.taken.iter().enumerate().skip(self.first);
        rest.filter(|(_, taken)| !**taken).map(|(index, _)| index)
    }

    /// Returns the first free item for which `fits` is true.
    fn find(&mut self, mut fits: impl FnMut(usize) -> bool) -> Option<usize> {
        let most = match MAX_TRIES.saturating_sub(self.tries) {
            left if left > FEW => left,
            _ => FEW,
        };
        let mut tries = 0;
        let found = self.indices().take(most).find(|&index| {
            tries += 1;
            fits(index)
        });
        self.tries += tries;
        found
    }

    fn take(&mut self, index: Option<usize>) {
        if let Some(taken) = index.and_then(|index| self.taken.get_mut(index)) {
            *taken = true;
        }
        while self.taken.get(self.first) == Some(&true) {
            self.first += 1;
        }
    }
}

/// Judges everything that the file expects of sessions.
pub(super) fn judge(
    file: &Expectations,
    pairing: &SessionPairing,
    subject: &Subject<'_>,
) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    let mut taken = BTreeSet::new();
    for (index, expected) in file.sessions.iter().enumerate() {
        let label = label(expected, index);
        let partner = pairing.partners.get(index).copied().flatten();
        let there = format!("{label} is there");
        if let Some(session) = partner.and_then(|partner| subject.session_at(partner)) {
            verdicts.push(Verdict::of(there, Vec::new()).at(expected.at));
            verdicts.extend(judge_session(&label, expected, &session, subject));
        } else {
            let difference = missing(expected, &taken, subject);
            verdicts.push(Verdict::of(there, vec![difference]).at(expected.at));
            verdicts.extend(skipped(&label, expected));
        }
        taken.extend(partner);
    }
    if file.exactly {
        let mut differences = Differences::default();
        for index in &pairing.unpaired {
            if differences.is_full() {
                differences.count();
            } else if let Some(session) = subject.record_at(*index) {
                differences.push(|| {
                    Difference::new("no other session", session_words(&session))
                        .at(Some(subject.beginning(&session)))
                        .because(vec![session.verdict.text.clone()])
                });
            }
        }
        verdicts.push(
            differences
                .into_verdict("no other sessions")
                .at(file.exactly_at),
        );
    }
    verdicts
}

fn judge_session(
    label: &str,
    expected: &SessionExpectation,
    session: &LoadedSession,
    subject: &Subject<'_>,
) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for field in &expected.fields {
        let differences = session_field(field, session, subject);
        let name = format!("{label}: {}", field.name());
        let hidden = required_by(field).hidden_in(session);
        verdicts.push(match hidden.filter(|_| differences.is_empty()) {
            Some(why) => Verdict::skipped(name, why).at(field.at),
            None => Verdict::of(name, differences).at(field.at),
        });
    }
    verdicts.extend(steps::judge(label, expected, session, subject));
    for (absence, at) in &expected.absent {
        let mut differences = Differences::default();
        occurrences(absence, session, subject, &mut differences);
        let name = format!("{label}: no {}", absence.words());
        let hidden = absence.requires().hidden_in(session);
        verdicts.push(match hidden.filter(|_| differences.is_empty()) {
            Some(why) => Verdict::skipped(name, why).at(*at),
            None => differences.into_verdict(name).at(*at),
        });
    }
    verdicts.extend(judge_transfers(label, expected, session, subject));
    verdicts
}

/// Returns the part of a session without which a field has a value that nobody saw.
fn required_by(field: &FieldExpectation) -> Requires {
    match field.path.as_slice() {
        [parent, name] if parent == "login" && (name == "anonymous" || name == "attempts") => {
            Requires::Login
        }
        _ => Requires::Nothing,
    }
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
    for (name, at) in transfer_names(expected) {
        verdicts.push(skip(name, at));
    }
    verdicts
}

/// Describes why no session fits, with the sessions that were still free.
fn missing(
    expected: &SessionExpectation,
    taken: &BTreeSet<usize>,
    subject: &Subject<'_>,
) -> Difference {
    let count = subject.session_count();
    let free = (0..count).filter(|index| !taken.contains(index));
    let free = free.filter_map(|index| subject.session_at(index));
    let free: Vec<_> = free.take(MAX_CANDIDATES).collect();
    let wanted = match &expected.condition {
        Some(condition) => format!("a session for which {}", condition.text),
        None if count == 0 => "a session".to_owned(),
        None => "one more session".to_owned(),
    };
    let found = match (count, count.saturating_sub(taken.len())) {
        (0, _) => "no session".to_owned(),
        (all, 0) => format!("only {all}, and those before it in the file took them"),
        (_, 1) => "1 session for which that is not so".to_owned(),
        (_, free) => format!("{free} sessions for which that is not so"),
    };
    let because = free.iter().map(|session| {
        let facts = expected
            .condition
            .as_ref()
            .map(|condition| condition.expression.facts(session.tree()))
            .unwrap_or_default();
        let mut words = format!("{}: {}", session_words(session), session.verdict.text);
        if let Some(cause) = super::causes_of_session(session).first() {
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
    session: &LoadedSession,
    subject: &Subject<'_>,
) -> Vec<Difference> {
    let difference = field_difference(field, session.tree());
    let difference = difference.map(|difference| {
        let because = match field.path.first().map(String::as_str) {
            Some("login") => super::causes_of_session(session),
            Some("greeting") => super::causes_of_greeting(session),
            Some("tls") if session.tls.is_none() => vec![
                "the session is not encrypted: no AUTH TLS was accepted and no TLS record was seen"
                    .to_owned(),
            ],
            Some("tls" | "encrypted_data") => {
                encrypted(session).map(str::to_owned).into_iter().collect()
            }
            _ => Vec::new(),
        };
        difference
            .because(because)
            .at(Some(subject.field(session, &field.path)))
    });
    difference.into_iter().collect()
}

/// Finds every occurrence in a session of something that must be absent.
pub(super) fn occurrences(
    absence: &Absence,
    session: &Session,
    subject: &Subject<'_>,
    differences: &mut Differences,
) {
    let expected = format!("no {}", absence.words());
    match absence {
        Absence::Command(verb) => {
            let commands = session.steps.iter().flat_map(|step| &step.commands);
            for command in commands.filter(|command| command.verb == *verb) {
                differences.push(|| {
                    let place = subject.command(session, command);
                    Difference::new(&expected, command_line(command)).at(Some(place))
                });
            }
        }
        Absence::Step(kind) => {
            for step in session.steps.iter().filter(|step| step.kind == *kind) {
                differences.push(|| {
                    let place = subject.step(session, step);
                    Difference::new(&expected, &step.title).at(Some(place))
                });
            }
        }
        Absence::Finding(id) => {
            for finding in session.findings.iter().filter(|one| one.id == *id) {
                differences.push(|| {
                    let frame = finding.frames.first();
                    let place = frame.map(|frame| subject.frame(session, *frame));
                    Difference::new(&expected, &finding.title)
                        .at(place)
                        .because(vec![finding.explanation.clone()])
                });
            }
        }
    }
}

fn label(expected: &SessionExpectation, index: usize) -> String {
    match &expected.name {
        Some(name) => name.clone(),
        None => format!("session {}", index + 1),
    }
}

/// Returns the names of the expectations about transfers, with their places in the file.
pub(super) fn transfer_names(expected: &SessionExpectation) -> Vec<(String, Position)> {
    let mut names: Vec<_> = expected
        .transfers
        .iter()
        .enumerate()
        .map(|(index, transfer)| (transfer_label(transfer, index), transfer.at))
        .collect();
    if !expected.extra_transfers {
        let name = "no other transfers".to_owned();
        names.push((name, expected.extra_transfers_at));
    }
    names
}

/// Judges the expectations about transfers.
pub(super) fn judge_transfers(
    label: &str,
    expected: &SessionExpectation,
    session: &LoadedSession,
    subject: &Subject<'_>,
) -> Vec<Verdict> {
    let transfers: Vec<Part<'_, Transfer>> = session.transfers().collect();
    let partners = pair(expected, session, subject);
    let taken: BTreeSet<usize> = partners.iter().copied().flatten().collect();
    let mut verdicts = Vec::new();
    let mut names = transfer_names(expected).into_iter();
    for (wanted, partner) in expected.transfers.iter().zip(&partners) {
        let Some((name, at)) = names.next() else {
            break;
        };
        let found = partner.and_then(|partner| transfers.get(partner));
        let differences = match found {
            Some(transfer) => transfer_differences(wanted, session, *transfer, subject),
            None => vec![missing_transfer(wanted, &taken, session, subject)],
        };
        verdicts.push(Verdict::of(format!("{label}: {name}"), differences).at(at));
    }
    if let Some((name, at)) = names.next() {
        let free = session
            .transfers
            .iter()
            .enumerate()
            .filter(|(index, _)| !taken.contains(index));
        let differences = free.map(|(_, transfer)| {
            Difference::new("no other transfer", transfer_words(transfer))
                .at(Some(subject.transfer(session, transfer)))
        });
        let verdict = Verdict::of(format!("{label}: {name}"), differences.collect());
        verdicts.push(verdict.at(at));
    }
    verdicts
}

/// Pairs in file order; returns for each expected transfer the index of its partner, `None` if no transfer fits.
///
/// A partner is the first free transfer that has the name and is as expected, else the first that has the name.
pub(crate) fn pair(
    expected: &SessionExpectation,
    session: &LoadedSession,
    subject: &Subject<'_>,
) -> Vec<Option<usize>> {
    let transfers: Vec<Part<'_, Transfer>> = session.transfers().collect();
    let mut free = Free::new(transfers.len());
    let mut partners = Vec::new();
    for wanted in &expected.transfers {
        let condition = wanted
            .condition
            .as_ref()
            .map(|condition| Prepared::new(&condition.expression, subject.tree()));
        let has_name = |transfer: Part<'_, Transfer>| {
            let named = wanted.fields.iter().filter(|field| is_name(&field.path));
            let mut named = named.map(|field| field_difference(field, transfer.tree));
            named.all(|difference| difference.is_none())
                && condition
                    .as_ref()
                    .is_none_or(|condition| condition.is_true(transfer.tree, Some(session.tree())))
        };
        // A file fetched twice, cut short once, must not fail the expectation that the whole one meets.
        let is_as_expected = |transfer: Part<'_, Transfer>| {
            let mut fields = wanted.fields.iter();
            fields.all(|field| field_difference(field, transfer.tree).is_none())
        };
        let mut named = None;
        let best = free.find(|index| {
            let transfer = transfers.get(index).copied();
            let Some(transfer) = transfer.filter(|transfer| has_name(*transfer)) else {
                return false;
            };
            named.get_or_insert(index);
            is_as_expected(transfer)
        });
        let partner = best.or(named);
        free.take(partner);
        partners.push(partner);
    }
    partners
}

fn transfer_differences(
    wanted: &TransferExpectation,
    session: &Session,
    transfer: Part<'_, Transfer>,
    subject: &Subject<'_>,
) -> Vec<Difference> {
    let mut reported: Vec<String> = Vec::new();
    let mut differences = Vec::new();
    for field in &wanted.fields {
        if let Some(difference) = field_difference(field, transfer.tree) {
            // One lost packet changes several fields: its cause is reported once, with the first of them.
            let mut because = super::causes_of_field(&field.path, session, &transfer, subject);
            because.retain(|cause| !reported.contains(cause));
            reported.extend(because.iter().cloned());
            let place = Some(subject.transfer(session, &transfer));
            differences.push(difference.because(because).at(place));
        }
    }
    differences
}

fn missing_transfer(
    wanted: &TransferExpectation,
    taken: &BTreeSet<usize>,
    session: &LoadedSession,
    subject: &Subject<'_>,
) -> Difference {
    let named: Vec<_> = wanted
        .fields
        .iter()
        .filter(|field| is_name(&field.path))
        .map(|field| format!("{} {}", field.name(), field.constraint.words()))
        .chain(
            wanted
                .condition
                .iter()
                .map(|condition| condition.text.clone()),
        )
        .collect();
    let expected = match named.as_slice() {
        [] => "one more transfer".to_owned(),
        named => format!("a transfer whose {}", named.join(" and ")),
    };
    let free: Vec<&Transfer> = session
        .transfers
        .iter()
        .enumerate()
        .filter(|(index, _)| !taken.contains(index))
        .map(|(_, transfer)| transfer.as_ref())
        .collect();
    let found = match free.as_slice() {
        [] if session.transfers.is_empty() => "no transfer at all".to_owned(),
        [] => "none beside those that others in the file took".to_owned(),
        free => {
            let words: Vec<_> = free
                .iter()
                .take(MAX_TRANSFER_CANDIDATES)
                .map(|transfer| transfer_words(transfer))
                .collect();
            words.join(", ")
        }
    };
    let wants_path = wanted.fields.iter().any(|field| field.path == ["path"]);
    let pathless = free
        .iter()
        .find(|transfer| transfer.path.is_none() && transfer.name.is_some());
    let because = pathless.filter(|_| wants_path).map(|transfer| {
        format!(
            "the folder of {} is not known in this capture, so that its path is null; its name is known",
            transfer_words(transfer)
        )
    });
    let mut because: Vec<String> = because.into_iter().collect();
    if wants_path {
        because.extend(super::causes_of_directories(session));
    }
    because.extend(super::causes_of_session(session));
    let place = match free.first() {
        Some(transfer) => subject.transfer(session, transfer),
        None => subject.last(session),
    };
    Difference::new(expected, found)
        .because(because)
        .at(Some(place))
}

/// Returns true for fields that select a transfer; all others constrain the one selected.
fn is_name(path: &[String]) -> bool {
    matches!(path, [name] if matches!(name.as_str(), "verb" | "path" | "name" | "argument" | "direction"))
}

fn transfer_label(transfer: &TransferExpectation, index: usize) -> String {
    let words = |wanted: &str| {
        let mut fields = transfer.fields.iter();
        let field =
            fields.find(|field| matches!(field.path.as_slice(), [name] if name == wanted))?;
        match &field.constraint {
            Constraint::Is(Value::String(text)) | Constraint::Like(text, _) => Some(text.clone()),
            _ => None,
        }
    };
    let what = words("path")
        .or_else(|| words("name"))
        .or_else(|| words("argument"));
    match (words("verb"), what) {
        (Some(verb), Some(what)) => format!("{verb} {what}"),
        (Some(verb), None) => format!("{verb} (transfer {})", index + 1),
        (None, Some(what)) => format!("transfer {what}"),
        (None, None) => format!("transfer {}", index + 1),
    }
}

/// Comparisons of expectations with items in one list.
const MAX_TRIES: usize = 500_000;

/// Items that an expectation is compared with beyond them.
const FEW: usize = 20;

/// Free sessions described where none fits.
const MAX_CANDIDATES: usize = 5;

/// Free transfers named where none fits.
const MAX_TRANSFER_CANDIDATES: usize = 5;
