//! What is different between two sessions, in sentences.

use super::super::alignment::{Row, align};
use super::super::judge::Subject;
use super::super::verdict::{Difference, Place};
use super::outline::{Outline, StepOutline, TransferOutline};
use crate::report::units;

/// Everything that differs, the most telling first.
pub(super) fn differences(old: &Outline, new: &Outline, subject: &Subject<'_>) -> Vec<Difference> {
    let mut told = facts(old, new, subject);
    steps(old, new, subject, &mut told);
    transfers(old, new, subject, &mut told);
    for (id, title) in &new.findings {
        if !old.findings.iter().any(|(known, _)| known == id) {
            let place = subject.finding_of(new.id, id);
            let found = format!("finding {id}: {title}");
            told.push(Difference::new("no such finding", found).at(place));
        }
    }
    for (id, title) in &old.findings {
        if !new.findings.iter().any(|(known, _)| known == id) {
            told.push(Difference::new(
                format!("finding {id}: {title}"),
                "no such finding",
            ));
        }
    }
    told
}

fn facts(old: &Outline, new: &Outline, subject: &Subject<'_>) -> Vec<Difference> {
    let (was, is) = (&old.facts, &new.facts);
    let mut told = Vec::new();
    let mut tell = |field: &str, before: String, now: String| {
        let place = subject.field_of(new.id, field);
        told.push(Difference::new(before, now).at(place));
    };
    if was.server != is.server {
        let name = |server: &Option<String>| match server {
            Some(name) => format!("the server was looked up as {name}"),
            None => "the name of the server was not looked up".to_owned(),
        };
        tell("dns", name(&was.server), name(&is.server));
    }
    if was.tls != is.tls || was.data_protected != is.data_protected {
        let words = |tls: &Option<String>, data: Option<bool>| match (tls, data) {
            (None, _) => "no encryption".to_owned(),
            (Some(version), Some(true)) => format!("encrypted with {version}, data too"),
            (Some(version), Some(false)) => format!("encrypted with {version}, but not the data"),
            (Some(version), None) => format!("encrypted with {version}"),
        };
        tell(
            "tls",
            words(&was.tls, was.data_protected),
            words(&is.tls, is.data_protected),
        );
    }
    if was.user != is.user || was.login != is.login {
        let words = |user: &Option<String>, outcome: &str| match user {
            Some(user) => format!("login as {user}: {outcome}"),
            None => format!("login: {outcome}"),
        };
        tell(
            "login",
            words(&was.user, &was.login),
            words(&is.user, &is.login),
        );
    }
    if was.encrypted_data != is.encrypted_data {
        let words = |count: usize| {
            let count = units::to_u64(count);
            units::counted(
                count,
                "encrypted data connection",
                "encrypted data connections",
            )
        };
        tell("tls", words(was.encrypted_data), words(is.encrypted_data));
    }
    if was.end != is.end {
        let words = |end: &str| match end {
            "closed" => "the connection was closed in order".to_owned(),
            "reset" => "the connection was reset".to_owned(),
            "open" => "the capture ended before the connection did".to_owned(),
            _ => "nothing more was heard of the connection".to_owned(),
        };
        tell("end_state", words(&was.end), words(&is.end));
    }
    told
}

fn steps(old: &Outline, new: &Outline, subject: &Subject<'_>, told: &mut Vec<Difference>) {
    let same = |i: usize, j: usize| match (old.steps.get(i), new.steps.get(j)) {
        (Some(old), Some(new)) => old.what == new.what,
        _ => false,
    };
    let answer = |step: &StepOutline| match step.code {
        Some(code) => format!("{}: {} ({code})", step.what, step.outcome),
        None => format!("{}: {}", step.what, step.outcome),
    };
    let place = |step: &StepOutline| subject.step_of(new.id, step.place);
    let mut gone: Vec<&StepOutline> = Vec::new();
    let mut before: Option<&StepOutline> = None;
    for row in align(old.steps.len(), new.steps.len(), same) {
        match row {
            Row::Left(i) => gone.extend(old.steps.get(i)),
            Row::Right(j) => {
                if let Some(step) = new.steps.get(j) {
                    let was = if gone.is_empty() {
                        "not asked".to_owned()
                    } else {
                        answer(gone.remove(0))
                    };
                    told.push(Difference::new(was, answer(step)).at(place(step)));
                }
            }
            Row::Both(i, j) => {
                flush(&mut gone, before.and_then(place).as_ref(), &answer, told);
                if let (Some(old), Some(new)) = (old.steps.get(i), new.steps.get(j)) {
                    if old.code != new.code && old.what != "login" {
                        told.push(Difference::new(answer(old), answer(new)).at(place(new)));
                    }
                    before = Some(new);
                }
            }
        }
    }
    flush(&mut gone, before.and_then(place).as_ref(), &answer, told);
}

/// Tells steps that have no step in their place.
fn flush(
    gone: &mut Vec<&StepOutline>,
    place: Option<&Place>,
    answer: &impl Fn(&StepOutline) -> String,
    told: &mut Vec<Difference>,
) {
    for step in gone.drain(..) {
        told.push(Difference::new(answer(step), "not asked").at(place.cloned()));
    }
}

fn transfers(old: &Outline, new: &Outline, subject: &Subject<'_>, told: &mut Vec<Difference>) {
    let same = |i: usize, j: usize| match (old.transfers.get(i), new.transfers.get(j)) {
        (Some(old), Some(new)) => old.what == new.what,
        _ => false,
    };
    for row in align(old.transfers.len(), new.transfers.len(), same) {
        match row {
            Row::Both(i, j) => {
                if let (Some(old), Some(new_one)) = (old.transfers.get(i), new.transfers.get(j)) {
                    let place = subject.transfer_of(new.id, new_one.place);
                    transfer(old, new_one, place.as_ref(), told);
                }
            }
            Row::Left(i) => {
                if let Some(one) = old.transfers.get(i) {
                    told.push(Difference::new(summary(one), "no such transfer"));
                }
            }
            Row::Right(j) => {
                if let Some(one) = new.transfers.get(j) {
                    let place = subject.transfer_of(new.id, one.place);
                    told.push(Difference::new("no such transfer", summary(one)).at(place));
                }
            }
        }
    }
}

fn transfer(
    old: &TransferOutline,
    new: &TransferOutline,
    place: Option<&Place>,
    told: &mut Vec<Difference>,
) {
    let mut tell = |before: String, now: String, because: Vec<String>| {
        let difference = Difference::new(before, now).because(because);
        told.push(difference.at(place.cloned()));
    };
    let what = &new.what;
    if old.completeness != new.completeness || old.missing != new.missing {
        tell(summary(old), summary(new), new.evidence.clone());
    } else if old.entries.is_none() && old.bytes != new.bytes {
        tell(summary(old), summary(new), Vec::new());
    } else if let (Some(was), Some(is)) = (&old.sha256, &new.sha256)
        && was != is
    {
        tell(
            format!("{what}: content with SHA-256 {was}"),
            format!("{what}: content with SHA-256 {is}"),
            vec!["it has the same size and other content".to_owned()],
        );
    }
    if let (Some(was), Some(is)) = (&old.entries, &new.entries)
        && was != is
    {
        let only = |these: &[String], those: &[String]| {
            let names: Vec<_> = these.iter().filter(|name| !those.contains(name)).collect();
            let first: Vec<_> = names
                .iter()
                .take(MOST_NAMES)
                .map(|name| name.as_str())
                .collect();
            match names.len() {
                0 => format!("{what}: nothing beside"),
                count if count > MOST_NAMES => {
                    format!(
                        "{what}: {} and {} more",
                        first.join(", "),
                        count - MOST_NAMES
                    )
                }
                _ => format!("{what}: {}", first.join(", ")),
            }
        };
        let because = vec!["other names are in the listing".to_owned()];
        tell(only(was, is), only(is, was), because);
    }
    if old.mode != new.mode {
        let words = |mode: &str| format!("{what}: in {mode} mode");
        tell(words(&old.mode), words(&new.mode), Vec::new());
    }
    if old.data_type != new.data_type {
        let words = |data_type: &str| format!("{what}: as {data_type}");
        tell(words(&old.data_type), words(&new.data_type), Vec::new());
    }
}

fn summary(transfer: &TransferOutline) -> String {
    let mut text = format!("{}: {}", transfer.what, transfer.completeness);
    if transfer.entries.is_none() {
        text = format!("{text}, {}", units::bytes(transfer.bytes));
    }
    if transfer.missing > 0 {
        text = format!("{text}, {} missing", units::bytes(transfer.missing));
    }
    text
}

/// Names that are told.
const MOST_NAMES: usize = 12;
