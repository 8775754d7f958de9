//! Transfers of a session paired with those of the file, and the verdicts on each pair.

use serde_json::Value;

use super::super::constraint::Constraint;
use super::super::expression::Prepared;
use super::super::file::{SessionExpectation, TransferExpectation};
use super::super::mistake::Position;
use super::super::verdict::{Difference, Verdict};
use super::super::wording::transfer_words;
use super::subject::{Part, Subject};
use super::{causes, field_difference};
use crate::model::record::{Session, Transfer};

/// Returns the names of the expectations about transfers, with their places in the file.
pub(super) fn names(expected: &SessionExpectation) -> Vec<(String, Position)> {
    let mut names: Vec<_> = expected
        .transfers
        .iter()
        .enumerate()
        .map(|(index, transfer)| (label(transfer, index), transfer.at))
        .collect();
    if !expected.extra_transfers {
        let name = "no other transfers".to_owned();
        names.push((name, expected.extra_transfers_at));
    }
    names
}

/// Judges the expectations about transfers.
pub(super) fn judge(
    label: &str,
    expected: &SessionExpectation,
    session: Part<'_, Session>,
    subject: &Subject<'_>,
) -> Vec<Verdict> {
    let transfers: Vec<Part<'_, Transfer>> = session.transfers().collect();
    let partners = pair(expected, session, subject);
    let mut verdicts = Vec::new();
    let mut names = names(expected).into_iter();
    for (wanted, partner) in expected.transfers.iter().zip(&partners) {
        let Some((name, at)) = names.next() else {
            break;
        };
        let found = partner.and_then(|partner| transfers.get(partner));
        let differences = match found {
            Some(transfer) => differences(wanted, &session, *transfer, subject),
            None => vec![missing(wanted, &partners, session, subject)],
        };
        verdicts.push(Verdict::of(format!("{label}: {name}"), differences).at(at));
    }
    if let Some((name, at)) = names.next() {
        let free = session
            .transfers
            .iter()
            .enumerate()
            .filter(|(index, _)| !partners.contains(&Some(*index)));
        let differences = free.map(|(_, transfer)| {
            Difference::new("no other transfer", transfer_words(transfer))
                .at(Some(subject.transfer(&session, transfer)))
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
    session: Part<'_, Session>,
    subject: &Subject<'_>,
) -> Vec<Option<usize>> {
    let mut taken = vec![false; session.transfers.len()];
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
                    .is_none_or(|condition| condition.is_true(transfer.tree, Some(session.tree)))
        };
        let candidates: Vec<(usize, Part<'_, Transfer>)> = taken
            .iter()
            .zip(session.transfers())
            .enumerate()
            .filter(|(_, (taken, transfer))| !**taken && has_name(*transfer))
            .map(|(index, (_, transfer))| (index, transfer))
            .collect();
        // A file fetched twice, cut short once, must not fail the expectation that the whole one meets.
        let is_as_expected = |(_, transfer): &&(usize, Part<'_, Transfer>)| {
            let mut fields = wanted.fields.iter();
            fields.all(|field| field_difference(field, transfer.tree).is_none())
        };
        let best = candidates.iter().find(is_as_expected);
        let partner = best.or_else(|| candidates.first()).map(|(index, _)| *index);
        if let Some(taken) = partner.and_then(|partner| taken.get_mut(partner)) {
            *taken = true;
        }
        partners.push(partner);
    }
    partners
}

fn differences(
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
            let mut because = causes::of_field(&field.path, session, &transfer, subject);
            because.retain(|cause| !reported.contains(cause));
            reported.extend(because.iter().cloned());
            let place = Some(subject.transfer(session, &transfer));
            differences.push(difference.because(because).at(place));
        }
    }
    differences
}

fn missing(
    wanted: &TransferExpectation,
    partners: &[Option<usize>],
    session: Part<'_, Session>,
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
        .filter(|(index, _)| !partners.contains(&Some(*index)))
        .map(|(_, transfer)| transfer.as_ref())
        .collect();
    let found = match free.as_slice() {
        [] if session.transfers.is_empty() => "no transfer at all".to_owned(),
        [] => "none beside those that others in the file took".to_owned(),
        free => {
            let words: Vec<_> = free
                .iter()
                .take(MAX_CANDIDATES)
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
        because.extend(causes::of_directories(&session));
    }
    because.extend(causes::of_session(&session));
    let place = match free.first() {
        Some(transfer) => subject.transfer(&session, transfer),
        None => subject.last(&session),
    };
    Difference::new(expected, found)
        .because(because)
        .at(Some(place))
}

/// Returns true for fields that select a transfer; all others constrain the one selected.
fn is_name(path: &[String]) -> bool {
    matches!(path, [name] if matches!(name.as_str(), "verb" | "path" | "name" | "argument" | "direction"))
}

fn label(transfer: &TransferExpectation, index: usize) -> String {
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

/// Free transfers named where none fits.
const MAX_CANDIDATES: usize = 5;
