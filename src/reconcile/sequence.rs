//! Equal events in the order of their lines.
//!
//! Several equal events may end in one second, more than a line's time can distinguish: retries of one transfer, or PASV in
//! sessions side by side. A log is written in the order of time, so that the lines around one tell which of them it is about:
//! each event stands behind those of the lines before, and before those of the lines behind. A line whose event does not is given
//! another one that fits as well, or changes its event with another line, as long as fewer stand in the wrong place.

use std::collections::HashMap;

use super::matching::{Match, Matcher, State, owners, times_of};

impl Matcher<'_> {
    /// Exchanges events until they follow the lines.
    pub(super) fn follow_lines(&self, state: &mut State) {
        let matched = self.claims.iter().zip(&state.matches).enumerate();
        let mut order: Vec<usize> = matched
            .filter(|(_, (held, found))| {
                found.is_some_and(|found| found.in_time) && (self.is_ordered)(held.log)
            })
            .map(|(at, _)| at)
            .collect();
        order.sort_by_key(|&at| self.claims.get(at).map(|held| (held.log, held.claim.line)));
        let mut lines = Sequence {
            places: order
                .iter()
                .enumerate()
                .map(|(place, &at)| (at, place))
                .collect(),
            order,
            owners: owners(state),
        };
        for _ in 0..SWEEPS {
            let mut is_changed = false;
            for place in 0..lines.order.len() {
                is_changed |= self.improve(&mut lines, place, state);
            }
            if !is_changed {
                return;
            }
        }
    }

    /// Gives one line the event that follows the lines best. Returns true for another than before.
    fn improve(&self, lines: &mut Sequence, place: usize, state: &mut State) -> bool {
        let Some((at, own)) = lines.line(place, state) else {
            return false;
        };
        let before = self.misplaced(lines, place, own, state);
        let Some(held) = self.claims.get(at).filter(|_| before > 0) else {
            return false;
        };
        let named = self.index.named(&held.claim, held.client);
        let mut best: Option<(usize, Match)> = None;
        for event in self.around(held, named).take(TRIED) {
            let other = Match { event, ..own };
            if event == own.event || !self.fits_as_well(at, other, own) {
                continue;
            }
            let mut gain = before.saturating_sub(self.misplaced(lines, place, other, state));
            if let Some(&owner) = lines.owners.get(&event) {
                let place_of_owner = lines.places.get(&owner).copied();
                let Some((of_owner, place)) = lines.line_of(owner, state).zip(place_of_owner)
                else {
                    continue;
                };
                let swapped = Match {
                    event: own.event,
                    ..of_owner
                };
                if !self.fits_as_well(owner, swapped, of_owner) {
                    continue;
                }
                let now = self.misplaced(lines, place, of_owner, state);
                let then = self.misplaced(lines, place, swapped, state);
                gain = (gain + now).saturating_sub(then);
            }
            if gain > best.map_or(0, |(most, _)| most) {
                best = Some((gain, other));
            }
        }
        let Some((_, other)) = best else { return false };
        if let Some(owner) = lines.owners.insert(other.event, at) {
            if let Some(Some(of_owner)) = state.matches.get_mut(owner) {
                of_owner.event = own.event;
            }
            lines.owners.insert(own.event, owner);
        } else {
            lines.owners.remove(&own.event);
            state.used.remove(&own.event);
            state.used.insert(other.event);
        }
        if let Some(slot) = state.matches.get_mut(at) {
            *slot = Some(other);
        }
        true
    }

    /// Returns true if a line's other event fits no worse than its own.
    fn fits_as_well(&self, at: usize, other: Match, own: Match) -> bool {
        let event = |found: Match| self.wire.events.get(found.event as usize);
        let (Some(held), Some(new), Some(old)) = (self.claims.get(at), event(other), event(own))
        else {
            return false;
        };
        self.is_usable(held, new)
            && held.is_second_of(own.shift, new)
            && self.fields(held, new).differences() <= self.fields(held, old).differences()
    }

    /// Counts the lines around one that its event is on the wrong side of.
    fn misplaced(&self, lines: &Sequence, place: usize, found: Match, state: &State) -> usize {
        let times = |at: usize, found: Match| {
            let event = self.wire.events.get(found.event as usize)?;
            Some(times_of(&self.claims.get(at)?.claim, event))
        };
        let log = |at: usize| self.claims.get(at).map(|held| held.log);
        let Some(&at) = lines.order.get(place) else {
            return 0;
        };
        let Some((from, to)) = times(at, found) else {
            return 0;
        };
        let is_misplaced = |other: &usize| {
            let Some((of_other, match_of_other)) = lines.line(*other, state) else {
                return false;
            };
            if match_of_other.event == found.event || log(of_other) != log(at) {
                return false;
            }
            times(of_other, match_of_other).is_some_and(|(earliest, latest)| {
                if *other < place {
                    to < earliest
                } else {
                    latest < from
                }
            })
        };
        let around = place.saturating_sub(AROUND)..=place.saturating_add(AROUND);
        around
            .filter(|other| *other != place)
            .filter(is_misplaced)
            .count()
    }
}

/// Lines with events, in their order.
struct Sequence {
    /// Indices of claims.
    order: Vec<usize>,
    /// Place of each claim in `order`.
    places: HashMap<usize, usize>,
    /// Claim of each event.
    owners: HashMap<u32, usize>,
}

impl Sequence {
    /// Returns the claim at a place, and its match.
    fn line(&self, place: usize, state: &State) -> Option<(usize, Match)> {
        let at = *self.order.get(place)?;
        Some((at, self.line_of(at, state)?))
    }

    /// Returns the match of a claim that follows lines.
    fn line_of(&self, at: usize, state: &State) -> Option<Match> {
        self.places.get(&at)?;
        state.matches.get(at).copied().flatten()
    }
}

/// Lines before and behind one that are compared with it.
const AROUND: usize = 6;

/// Events that are tried for one line.
const TRIED: usize = 24;

/// Times that all lines are looked at.
const SWEEPS: usize = 4;
