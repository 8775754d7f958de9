//! Transfers: which of the session is which of the file, and whether it is as expected.

use serde_json::Value;

use super::super::constraint::Constraint;
use super::super::expression::Prepared;
use super::super::file::{SessionExpectation, TransferExpectation};
use super::super::mistake::Position;
use super::super::step_text::items;
use super::super::verdict::{Difference, Verdict};
use super::subject::{Subject, transfer_words};
use super::{causes, fields};
use crate::model::record::{Session, Transfer};

/// The names of what is expected here, with their places.
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

/// What becomes of them.
pub(super) fn transfers(
    label: &str,
    expected: &SessionExpectation,
    session: &Session,
    value: &Value,
    subject: &Subject<'_>,
) -> Vec<Verdict> {
    let values = items(value, "transfers");
    let partners = partners(expected, session, value, subject);
    let mut verdicts = Vec::new();
    let mut names = names(expected).into_iter();
    for (wanted, partner) in expected.transfers.iter().zip(&partners) {
        let Some((name, at)) = names.next() else {
            break;
        };
        let found = partner.and_then(|partner| {
            let transfer = session.transfers.get(partner)?;
            Some((transfer, values.get(partner)?))
        });
        let differences = match found {
            Some((transfer, value)) => differences(wanted, session, transfer, value, subject),
            None => vec![missing(wanted, &partners, session, value, subject)],
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
                .at(Some(subject.transfer(session, transfer)))
        });
        let verdict = Verdict::of(format!("{label}: {name}"), differences.collect());
        verdicts.push(verdict.at(at));
    }
    verdicts
}

/// Who is who, in file order: the first not yet taken that has the name and is as expected, else the first that has the name.
pub(in super::super) fn partners(
    expected: &SessionExpectation,
    session: &Session,
    value: &Value,
    subject: &Subject<'_>,
) -> Vec<Option<usize>> {
    let values = items(value, "transfers");
    let mut taken = vec![false; session.transfers.len()];
    let mut partners = Vec::new();
    for wanted in &expected.transfers {
        let condition = wanted
            .condition
            .as_ref()
            .map(|condition| Prepared::new(&condition.expression, &subject.value));
        let is_meant = |transfer: &Value| {
            let named = wanted.fields.iter().filter(|field| is_name(&field.path));
            let mut named = named.map(|field| fields::difference(field, transfer));
            named.all(|difference| difference.is_none())
                && condition
                    .as_ref()
                    .is_none_or(|condition| condition.is_true(transfer, Some(value)))
        };
        let meant: Vec<usize> = taken
            .iter()
            .zip(values)
            .enumerate()
            .filter(|(_, (taken, transfer))| !**taken && is_meant(transfer))
            .map(|(index, _)| index)
            .collect();
        let fits = |index: &&usize| {
            values.get(**index).is_some_and(|transfer| {
                let mut all = wanted.fields.iter();
                all.all(|field| fields::difference(field, transfer).is_none())
            })
        };
        let partner = meant.iter().find(fits).or_else(|| meant.first()).copied();
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
    transfer: &Transfer,
    value: &Value,
    subject: &Subject<'_>,
) -> Vec<Difference> {
    let mut told: Vec<String> = Vec::new();
    let mut differences = Vec::new();
    for field in &wanted.fields {
        if let Some(difference) = fields::difference(field, value) {
            // A cause is told once, with the first thing that differs by it.
            let mut because = causes::of_field(&field.path, session, transfer, subject);
            because.retain(|cause| !told.contains(cause));
            told.extend(because.iter().cloned());
            let place = Some(subject.transfer(session, transfer));
            differences.push(difference.because(because).at(place));
        }
    }
    differences
}

fn missing(
    wanted: &TransferExpectation,
    partners: &[Option<usize>],
    session: &Session,
    value: &Value,
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
                .take(MOST_TOLD)
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
        because.extend(causes::of_folders(session, value));
    }
    because.extend(causes::of_session(session));
    let place = match free.first() {
        Some(transfer) => subject.transfer(session, transfer),
        None => subject.last(session),
    };
    Difference::new(expected, found)
        .because(because)
        .at(Some(place))
}

/// Fields that say which transfer is meant; all others say what it must be like.
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

/// Transfers that are told where none fits.
const MOST_TOLD: usize = 5;
