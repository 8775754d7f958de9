//! The difference between two reports, as a person would tell it.
//!
//! In: the JSON of an earlier report and that of this one. Out: a [`Group`] with one verdict for each session of either.
//! Times, ports, addresses, frame numbers and passwords are not compared: they are another each time.
//!
//! ```text
//! report -> outlines (a session without what changes by itself) -> pairs -> differences
//! ```

mod outline;
mod sentences;

use serde_json::Value;

use super::alignment::{Row, align};
use super::judge::Subject;
use super::step_text::items;
use super::verdict::{Difference, Group, Origin, Verdict};
use outline::Outline;

/// Compares a report with an earlier one, which is called `name`.
#[must_use]
pub fn compare(name: &str, before: &Value, subject: &Subject<'_>) -> Group {
    let old: Vec<Outline> = items(before, "sessions").iter().map(Outline::of).collect();
    let new: Vec<Outline> = items(&subject.value, "sessions")
        .iter()
        .map(Outline::of)
        .collect();
    let mut verdicts = Vec::new();
    for pair in pairs(&old, &new) {
        verdicts.push(match pair {
            (Some(old), Some(new)) => Verdict::of(
                format!("{} is as before", new.words),
                sentences::differences(old, new, subject),
            ),
            (Some(old), None) => Verdict::of(
                format!("{} is there again", old.words),
                vec![Difference::new(&old.summary, "no such session")],
            ),
            (None, Some(new)) => Verdict::of(
                format!("{} is not new", new.words),
                vec![
                    Difference::new("no such session", &new.summary)
                        .at(subject.beginning_of(new.id)),
                ],
            ),
            (None, None) => continue,
        });
    }
    if verdicts.is_empty() {
        verdicts.push(Verdict::skipped(
            "sessions",
            "there is no session, before or now",
        ));
    }
    Group {
        kind: Origin::Baseline,
        name: name.to_owned(),
        file: None,
        verdicts,
    }
}

type Pair<'o> = (Option<&'o Outline>, Option<&'o Outline>);

/// Which session is which: equal ones in order first, then those that are most alike.
fn pairs<'o>(old: &'o [Outline], new: &'o [Outline]) -> Vec<Pair<'o>> {
    let same = |i: usize, j: usize| match (old.get(i), new.get(j)) {
        (Some(old), Some(new)) => old.is_equal(new),
        _ => false,
    };
    let mut partner_of_old = vec![None; old.len()];
    let mut is_taken = vec![false; new.len()];
    let mut take = |i: usize, j: usize, partners: &mut Vec<Option<usize>>| {
        if let (Some(partner), Some(taken)) = (partners.get_mut(i), is_taken.get_mut(j)) {
            *partner = Some(j);
            *taken = true;
        }
    };
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for row in align(old.len(), new.len(), same) {
        match row {
            Row::Both(i, j) => take(i, j, &mut partner_of_old),
            Row::Left(i) => left.push(i),
            Row::Right(j) => right.push(j),
        }
    }
    for i in left {
        let Some(one) = old.get(i) else {
            continue;
        };
        let near = right.iter().take(MOST_CANDIDATES).enumerate();
        let scores = near.filter_map(|(place, j)| Some((one.likeness(new.get(*j)?), place)));
        let best = scores.max_by_key(|(score, place)| (*score, std::cmp::Reverse(*place)));
        if let Some((_, place)) = best.filter(|(score, _)| *score > 0) {
            take(i, right.remove(place), &mut partner_of_old);
        }
    }
    let mut pairs: Vec<Pair<'o>> = Vec::new();
    for (one, partner) in old.iter().zip(&partner_of_old) {
        let partner = partner.and_then(|partner| new.get(partner));
        pairs.push((Some(one), partner));
    }
    let free = new.iter().zip(&is_taken).filter(|(_, taken)| !**taken);
    pairs.extend(free.map(|(one, _)| (None, Some(one))));
    pairs
}

/// Sessions among which a partner is looked for.
const MOST_CANDIDATES: usize = 1000;
