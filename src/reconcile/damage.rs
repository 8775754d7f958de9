//! Damaged lines of logs: what the wire shows that may be such a line is not missed.
//!
//! A log that was rotated or copied by its size begins and ends within a line, and a crash leaves half a line in the middle. Such
//! a line still proves that something happened between the lines around it. It stands for one event at most.

use std::collections::{BTreeSet, HashSet};

use super::answer::ClaimOutcome;
use super::claim::Cut;
use super::matching::Held;
use super::wire::Wire;
use crate::model::{Span, Timestamp};

/// Damaged lines between two lines, with the times at which their events may have ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Damage {
    from: Timestamp,
    to: Timestamp,
    lines: usize,
}

impl Damage {
    /// Creates one line whose time is known.
    #[must_use]
    pub(super) fn at(time: Timestamp, slack: Span) -> Self {
        Self {
            from: back(time, slack),
            to: time.plus(slack),
            lines: 1,
        }
    }
}

/// Place of damaged lines in a log.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Time of the line before; `None` at the beginning of the log.
    before: Option<Timestamp>,
    /// Time of the line behind; `None` at the end of the log.
    behind: Option<Timestamp>,
    lines: usize,
}

/// Order of a log's lines, with the places of the damaged ones.
#[derive(Debug, Default)]
pub(super) struct LineOrder {
    places: Vec<Place>,
    /// Time of the line before.
    before: Option<Timestamp>,
    /// Lines with a time.
    lines: u64,
    /// Lines earlier than the one before, by more than sessions side by side explain.
    backwards: u64,
}

impl LineOrder {
    /// Adds a line with its possible times, and the number of damaged lines before it.
    pub(super) fn add(&mut self, times: &[Timestamp], damaged: usize) {
        if damaged > 0 && self.places.len() < MAX_PLACES {
            self.places.push(Place {
                before: self.before,
                behind: times.iter().max().copied(),
                lines: damaged,
            });
        }
        let Some(&earliest) = times.iter().min() else {
            return;
        };
        self.lines += 1;
        let is_back = |before: Timestamp| times.iter().all(|time| time.plus(SIDE_BY_SIDE) < before);
        self.backwards += u64::from(self.before.is_some_and(is_back));
        self.before = Some(earliest);
    }

    /// Ends the log with the damaged lines behind its last line.
    pub(super) fn end(&mut self, damaged: usize) {
        if damaged > 0 && self.places.len() < MAX_PLACES {
            self.places.push(Place {
                before: self.before,
                behind: None,
                lines: damaged,
            });
        }
    }

    /// Returns true if the lines are in order of time, but for a few.
    #[must_use]
    pub(super) fn is_ordered(&self) -> bool {
        self.backwards.saturating_mul(10) <= self.lines
    }

    /// Returns the damaged lines with their times. `others` are the times of the first and the last line of other files of
    /// the same log; `tolerance` is the error of times.
    pub(super) fn damage(
        &self,
        others: &[(Timestamp, Timestamp)],
        tolerance: Span,
    ) -> impl Iterator<Item = Damage> {
        // In a log that was put in another order, the lines around say nothing.
        let is_ordered = self.is_ordered();
        self.places.iter().map(move |place| {
            let before = || {
                let behind = place.behind?.plus(tolerance);
                let last = others.iter().map(|(_, last)| *last);
                last.filter(|last| *last <= behind).max()
            };
            let behind = || {
                let before = back(place.before?, tolerance);
                let first = others.iter().map(|(first, _)| *first);
                first.filter(|first| before <= *first).min()
            };
            let from = place.before.or_else(before).filter(|_| is_ordered);
            let to = place.behind.or_else(behind).filter(|_| is_ordered);
            Damage {
                from: from.map_or(Timestamp::from_nanos(i64::MIN), |from| {
                    back(from, tolerance)
                }),
                to: to.map_or(Timestamp::from_nanos(i64::MAX), |to| to.plus(tolerance)),
                lines: place.lines,
            }
        })
    }
}

/// Returns the events that damaged lines may be about: as many as there are such lines.
#[must_use]
pub(super) fn excused(wire: &Wire, missing: &[u32], mut damage: Vec<Damage>) -> HashSet<u32> {
    let end = |event: u32| wire.events.get(event as usize).map(|event| event.end);
    let mut rest: BTreeSet<(Timestamp, u32)> = missing
        .iter()
        .filter_map(|&event| Some((end(event)?, event)))
        .collect();
    let mut excused = HashSet::new();
    damage.sort_unstable_by_key(|damage| (damage.to, damage.from));
    for damage in damage {
        for _ in 0..damage.lines {
            let next = rest.range((damage.from, 0)..).next().copied();
            let Some((time, event)) = next.filter(|(end, _)| *end <= damage.to) else {
                break;
            };
            rest.remove(&(time, event));
            excused.insert(event);
        }
    }
    excused
}

/// Returns true if a line that cannot be compared, or seems to contradict the wire, lacks its beginning or its end.
#[must_use]
pub(super) fn is_cut(held: &Held, outcome: ClaimOutcome, wire: &Wire) -> bool {
    match held.claim.cut {
        Cut::None => false,
        Cut::End => matches!(outcome, ClaimOutcome::Differs | ClaimOutcome::LogOnly),
        Cut::Start => held
            .claim
            .host
            .as_deref()
            .is_some_and(|host| is_end_of_client(host, wire)),
    }
}

/// Returns true if a host is the end of a client's address, and no client's own.
fn is_end_of_client(host: &str, wire: &Wire) -> bool {
    let mut is_end = false;
    for session in &wire.sessions {
        let client = session.client.ip;
        let plain = client.to_canonical().to_string();
        if plain == host || client.to_string() == host {
            return false;
        }
        // IPv4 in IPv6 is written with its prefix.
        is_end |= plain.ends_with(host) || format!("::ffff:{plain}").ends_with(host);
    }
    is_end
}

fn back(time: Timestamp, span: Span) -> Timestamp {
    time.plus(Span::from_nanos(-span.nanos()))
}

/// Sessions side by side may write lines this much out of order.
const SIDE_BY_SIDE: Span = Span::from_secs(5);

/// Places of damaged lines that are kept.
const MAX_PLACES: usize = 10_000;
