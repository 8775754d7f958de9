//! Equal events in the order of their lines.
//!
//! Several equal events may end in one second, more than a line's time can distinguish: retries of one transfer, or PASV in
//! sessions side by side. A log is written in the order of time, so that the lines around one tell which of them it is about:
//! each event stands behind those of the lines before, and before those of the lines behind. A line whose event does not is given
//! another one that fits as well, or changes its event with another line, as long as fewer stand in the wrong place.

use std::collections::{BTreeMap, HashMap};

use super::matching::{Match, Matcher, State, key_of, owners, times_of};

impl Matcher<'_> {
    /// Exchanges events until they follow the lines.
    pub(super) fn follow_lines(&self, state: &mut State) {
        let matched = self.claims.iter().zip(&state.matches).enumerate();
        let mut order: Vec<usize> = matched
            .filter(|(_, (held, found))| found.is_some() && (self.is_ordered)(held.log))
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
                break;
            }
        }
        self.slide(&mut lines, state);
    }

    /// Moves the events of equal lines along, all at once, where one of them has no line: without the first of three logins, each
    /// of the others stands as near to the login before its own.
    fn slide(&self, lines: &mut Sequence, state: &mut State) {
        let mut groups: BTreeMap<(u32, u64), Vec<usize>> = BTreeMap::new();
        for (place, &at) in lines.order.iter().enumerate() {
            if let Some(held) = self.claims.get(at) {
                let key = (held.log, key_of(held));
                groups.entry(key).or_default().push(place);
            }
        }
        for places in groups.into_values() {
            self.slide_group(lines, &places, state);
        }
    }

    /// Assigns the events of lines that are equal, in the order of both, so that the fewest of other lines are on the wrong side.
    fn slide_group(&self, lines: &mut Sequence, places: &[usize], state: &mut State) {
        let members: Option<Vec<(usize, Match)>> = places
            .iter()
            .map(|&place| lines.line(place, state))
            .collect();
        let Some(members) = members.filter(|members| members.len() <= SLID) else {
            return;
        };
        let Some(first) = members.first().and_then(|(at, _)| self.claims.get(*at)) else {
            return;
        };
        let named = self.index.named(&first.claim, first.client);
        let own: Vec<u32> = members.iter().map(|(_, found)| found.event).collect();
        let at = |event: &u32| named.iter().position(|other| other == event);
        let (Some(begin), Some(end)) = (
            own.iter().filter_map(at).min(),
            own.iter().filter_map(at).max(),
        ) else {
            return;
        };
        let near = named.get(begin.saturating_sub(BESIDE)..named.len().min(end + 1 + BESIDE));
        let events: Vec<u32> = near
            .unwrap_or_default()
            .iter()
            .copied()
            .filter(|event| own.contains(event) || !lines.owners.contains_key(event))
            .collect();
        if events.len() <= members.len() || events.len() > 2 * SLID {
            return;
        }
        let wrong = |member: usize, event: u32| -> Option<usize> {
            let (&place, &(at, own)) = places.get(member).zip(members.get(member))?;
            let other = Match { event, ..own };
            (event == own.event || self.fits_as_well(at, other, own))
                .then(|| self.misplaced(lines, place, other, places, state))
        };
        let now: usize = members
            .iter()
            .enumerate()
            .filter_map(|(member, (_, found))| wrong(member, found.event))
            .sum();
        let Some((least, chosen)) = in_order(members.len(), &events, &wrong).filter(|_| now > 0)
        else {
            return;
        };
        if least >= now {
            return;
        }
        for event in &own {
            lines.owners.remove(event);
            state.used.remove(event);
        }
        for ((at, found), event) in members.into_iter().zip(chosen) {
            lines.owners.insert(event, at);
            state.used.insert(event);
            if let Some(slot) = state.matches.get_mut(at) {
                *slot = Some(Match { event, ..found });
            }
        }
    }

    /// Gives one line the event that follows the lines best. Returns true for another than before.
    fn improve(&self, lines: &mut Sequence, place: usize, state: &mut State) -> bool {
        let Some((at, own)) = lines.line(place, state) else {
            return false;
        };
        let before = self.misplaced(lines, place, own, &[], state);
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
            let mut gain = before.saturating_sub(self.misplaced(lines, place, other, &[], state));
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
                let now = self.misplaced(lines, place, of_owner, &[], state);
                let then = self.misplaced(lines, place, swapped, &[], state);
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
            && (!own.in_time || held.is_second_of(own.shift, new))
            && self.fields(held, new).differences() <= self.fields(held, old).differences()
    }

    /// Counts the lines around one that its event is on the wrong side of, but for those at `equal` places.
    fn misplaced(
        &self,
        lines: &Sequence,
        place: usize,
        found: Match,
        equal: &[usize],
        state: &State,
    ) -> usize {
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
            .filter(|other| *other != place && equal.binary_search(other).is_err())
            .filter(is_misplaced)
            .count()
    }
}

/// Assigns one of `events` to each of `count` lines, both in their order, at the least sum of `cost`. Returns the sum and the
/// events; `None` if some line fits none.
fn in_order(
    count: usize,
    events: &[u32],
    cost: &dyn Fn(usize, u32) -> Option<usize>,
) -> Option<(usize, Vec<u32>)> {
    // Least sums for the lines so far, with only the events so far.
    let mut sums: Vec<Option<usize>> = vec![Some(0); events.len() + 1];
    let mut taken: Vec<Vec<bool>> = Vec::new();
    for line in 0..count {
        let mut next = vec![None];
        let mut row = vec![false];
        for (before, &event) in sums.iter().zip(events) {
            let with = before.zip(cost(line, event)).map(|(sum, cost)| sum + cost);
            let without = next.last().copied().flatten();
            // Of equal sums the earliest event, as the first of several equal ones has the first line.
            let is_less = match (with, without) {
                (Some(with), Some(without)) => with < without,
                (with, _) => with.is_some(),
            };
            next.push(if is_less { with } else { without });
            row.push(is_less);
        }
        sums = next;
        taken.push(row);
    }
    let least = sums.last().copied().flatten()?;
    let mut chosen = Vec::new();
    let mut end = events.len();
    for row in taken.iter().rev() {
        while end > 0 && !row.get(end).copied().unwrap_or_default() {
            end -= 1;
        }
        end = end.checked_sub(1)?;
        chosen.push(*events.get(end)?);
    }
    chosen.reverse();
    Some((least, chosen))
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

/// Equal lines that are moved along together.
const SLID: usize = 64;

/// Events before and behind those of equal lines that are tried for them.
const BESIDE: usize = 4;

/// Times that all lines are looked at.
const SWEEPS: usize = 4;
