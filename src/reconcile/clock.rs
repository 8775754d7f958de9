//! The clock of a log, estimated against the capture's.
//!
//! The shift between log and wire is the median over matches that are unique by address, path and bytes, if at least three
//! agree within the tolerance. Its quarter hours are the zone, the rest is the error of the clock. Each group of lines that
//! one process writes has a clock of its own; within a group, further shifts that differ by quarter hours and have three
//! matches of their own are followed as well: the end of summer time, and processes that lost their zone file.

use std::collections::{BTreeMap, HashMap};

use jiff::civil;
use jiff::tz::TimeZone;

use super::claim::LogTime;
use crate::model::{Span, Timestamp};

/// Lines with one clock: the reader's group, and the zone that the lines name.
pub(super) type GroupKey = (u16, Option<i32>);

/// A match that may give the shift.
#[derive(Clone, Copy, Debug)]
struct Pair {
    /// Time of the log less time of the wire, in nanoseconds.
    shift: i64,
    event: u32,
    line: u64,
    /// True if no other event fits the claim.
    sole: bool,
    /// True for a transfer with path and bytes.
    strong: bool,
    /// Time on the wire.
    wire: Timestamp,
}

/// Matches of one log, before its clock is known.
#[derive(Debug, Default)]
pub(super) struct ClockSurvey {
    groups: BTreeMap<GroupKey, Vec<Pair>>,
    /// Zone that most lines name.
    named: BTreeMap<Option<i32>, u64>,
}

/// The clock of one group of lines.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Clock {
    /// Shifts of the log against the wire in nanoseconds, the usual one first; never empty.
    pub(super) shifts: Vec<i64>,
    /// Matches that agree on the first shift.
    pub(super) matches: u64,
    /// True if times may be compared.
    pub(super) certain: bool,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            shifts: vec![0],
            matches: 0,
            certain: false,
        }
    }
}

impl ClockSurvey {
    /// Counts a line of a group, also without a match.
    pub(super) fn see(&mut self, key: GroupKey) {
        self.groups.entry(key).or_default();
        *self.named.entry(key.1).or_default() += 1;
    }

    /// Adds a claim with the events that fit it: their indices and times on the wire.
    pub(super) fn add(
        &mut self,
        key: GroupKey,
        line: u64,
        base: Timestamp,
        strong: bool,
        events: &[(u32, Timestamp)],
    ) {
        let pairs = self.groups.entry(key).or_default();
        for &(event, wire) in events {
            let shift = base.since(wire).nanos();
            if pairs.len() < MAX_PAIRS && shift.abs() <= FARTHEST {
                pairs.push(Pair {
                    shift,
                    event,
                    line,
                    sole: events.len() == 1,
                    strong,
                    wire,
                });
            }
        }
    }

    /// Returns the zone that most lines name, in seconds; 0 if they name none.
    #[must_use]
    pub(super) fn named_zone(&self) -> i32 {
        let most = self.named.iter().max_by_key(|(_, count)| **count);
        most.and_then(|(zone, _)| *zone).unwrap_or(0)
    }

    /// Estimates the clock of each group; `others` are shifts of other logs, as if this one named no zone.
    #[must_use]
    pub(super) fn estimate(&self, tolerance: Span, others: &[i64]) -> BTreeMap<GroupKey, Clock> {
        let mut clocks = BTreeMap::new();
        for (&key, pairs) in &self.groups {
            if let Some(clock) = estimate(pairs, tolerance) {
                clocks.insert(key, clock);
            }
        }
        let mut known: Vec<(u64, i64)> = clocks
            .values()
            .flat_map(|clock| clock.shifts.iter().map(|&shift| (clock.matches, shift)))
            .collect();
        known.sort_unstable_by(|a, b| b.cmp(a));
        let mut own: Vec<i64> = known.into_iter().map(|(_, shift)| shift).collect();
        own.dedup();
        for (&key, pairs) in &self.groups {
            clocks.entry(key).or_insert_with(|| {
                let elsewhere = others.iter().map(|shift| shift - nanos(key.1.unwrap_or(0)));
                inherit(pairs, tolerance, &own, &elsewhere.collect::<Vec<_>>())
            });
        }
        clocks
    }
}

/// Estimates a clock; `None` if fewer than three matches agree.
fn estimate(pairs: &[Pair], tolerance: Span) -> Option<Clock> {
    let mut events: HashMap<u32, u32> = HashMap::new();
    for pair in pairs {
        *events.entry(pair.event).or_default() += 1;
    }
    let is_unique = |pair: &&Pair| pair.sole && events.get(&pair.event) == Some(&1);
    let strong: Vec<Pair> = pairs
        .iter()
        .filter(is_unique)
        .filter(|pair| pair.strong)
        .copied()
        .collect();
    let unique: Vec<Pair> = pairs.iter().filter(is_unique).copied().collect();
    for set in [strong, unique] {
        if let Some(clock) = of_unique(set, tolerance) {
            return Some(clock);
        }
    }
    of_repeated(pairs, tolerance)
}

/// Estimates a clock from unique matches, with further shifts.
fn of_unique(mut pairs: Vec<Pair>, tolerance: Span) -> Option<Clock> {
    pairs.sort_unstable_by_key(|pair| (pair.shift, pair.event));
    let mut clock: Option<Clock> = None;
    let mut spans: Vec<(Timestamp, Timestamp)> = Vec::new();
    for _ in 0..MAX_SHIFTS {
        let (from, to) = densest(&pairs, tolerance);
        let cluster: Vec<Pair> = pairs.drain(from..to).collect();
        if cluster.len() < LEAST {
            break;
        }
        let shift = median(&cluster);
        let times = cluster.iter().map(|pair| pair.wire);
        let span = (times.clone().min()?, times.max()?);
        match &mut clock {
            None => {
                clock = Some(Clock {
                    shifts: vec![shift],
                    matches: cluster.len() as u64,
                    certain: true,
                });
                spans.push(span);
            }
            Some(clock) => {
                let first = clock.shifts.first().copied().unwrap_or(0);
                let rest = (shift - first) - nearest_quarter(shift - first);
                let is_zone = rest.abs() <= tolerance.nanos();
                // A clock that was set anew: then no time is in both parts.
                let apart = spans
                    .iter()
                    .all(|other| span.1 < other.0 || other.1 < span.0);
                if is_zone || apart && cluster.len() >= LEAST_STEP {
                    clock.shifts.push(shift);
                    spans.push(span);
                }
            }
        }
    }
    clock
}

/// Estimates a clock from names that repeat: the shift by which most of them fit.
fn of_repeated(pairs: &[Pair], tolerance: Span) -> Option<Clock> {
    let mut pairs = pairs.to_vec();
    pairs.sort_unstable_by_key(|pair| (pair.shift, pair.event));
    let (from, to) = densest(&pairs, tolerance);
    let cluster: Vec<Pair> = pairs.drain(from..to).collect();
    let distinct = |cluster: &[Pair]| {
        let mut lines: Vec<u64> = cluster.iter().map(|pair| pair.line).collect();
        let mut events: Vec<u32> = cluster.iter().map(|pair| pair.event).collect();
        lines.sort_unstable();
        lines.dedup();
        events.sort_unstable();
        events.dedup();
        lines.len().min(events.len())
    };
    let best = distinct(&cluster);
    let (from, to) = densest(&pairs, tolerance);
    let second = distinct(pairs.get(from..to).unwrap_or_default());
    // Transfers that repeat every hour fit by any number of hours.
    if best < LEAST || second * 4 > best * 3 {
        return None;
    }
    Some(Clock {
        shifts: vec![median(&cluster)],
        matches: best as u64,
        certain: true,
    })
}

/// Takes the clock of other lines, where a group has too few matches of its own.
fn inherit(pairs: &[Pair], tolerance: Span, own: &[i64], elsewhere: &[i64]) -> Clock {
    let near = |shift: i64| {
        pairs
            .iter()
            .any(|pair| (pair.shift - shift).abs() <= tolerance.nanos())
    };
    if let Some(&first) = own.first() {
        let fitting = own.iter().copied().find(|&shift| near(shift));
        let usual = fitting.unwrap_or(first);
        let mut shifts = vec![usual];
        shifts.extend(own.iter().filter(|&&shift| shift != usual));
        let certain = pairs.is_empty() || fitting.is_some();
        return Clock {
            shifts,
            matches: 0,
            certain,
        };
    }
    let candidates = elsewhere.iter().copied().chain([0]);
    if let Some(shift) = candidates.clone().find(|&shift| near(shift)) {
        return Clock {
            shifts: vec![shift],
            matches: pairs.len() as u64,
            certain: true,
        };
    }
    let mut shifts: Vec<i64> = pairs
        .iter()
        .map(|pair| pair.shift)
        .take(MAX_SHIFTS)
        .collect();
    shifts.extend(candidates);
    shifts.truncate(MAX_SHIFTS);
    Clock {
        shifts,
        matches: 0,
        certain: false,
    }
}

/// Returns the range of the most pairs, sorted by shift, that agree within the tolerance on both sides.
fn densest(pairs: &[Pair], tolerance: Span) -> (usize, usize) {
    let width = tolerance.nanos().saturating_mul(2);
    let mut best = (0, 0);
    let mut from = 0;
    for (to, last) in pairs.iter().enumerate() {
        while pairs
            .get(from)
            .is_some_and(|first| last.shift - first.shift > width)
        {
            from += 1;
        }
        if to + 1 - from > best.1 - best.0 {
            best = (from, to + 1);
        }
    }
    best
}

fn median(sorted: &[Pair]) -> i64 {
    let at = |index: usize| sorted.get(index).map_or(0, |pair| pair.shift);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        at(middle)
    } else {
        i64::midpoint(at(middle.saturating_sub(1)), at(middle))
    }
}

/// Rounds to whole quarters of an hour.
#[must_use]
pub(super) fn nearest_quarter(shift: i64) -> i64 {
    let half = if shift < 0 { -QUARTER / 2 } else { QUARTER / 2 };
    (shift + half) / QUARTER * QUARTER
}

/// Nanoseconds of seconds.
#[must_use]
pub(super) const fn nanos(seconds: i32) -> i64 {
    seconds as i64 * SECOND
}

/// Returns the time that a line names as if its zone were right, or UTC if it names none.
///
/// `zone` is that of `--log-tz`; `near` gives the year to lines without one.
#[must_use]
pub(super) fn base(time: &LogTime, zone: Option<&TimeZone>, near: Timestamp) -> Timestamp {
    let wall = if time.has_year {
        time.wall
    } else {
        with_year(time.wall, near)
    };
    if let Some(offset) = time.offset {
        return wall.plus(Span::from_secs(-i64::from(offset)));
    }
    let Some(zone) = zone else { return wall };
    let zoned = civil_of(wall).and_then(|civil| zone.to_ambiguous_zoned(civil).compatible().ok());
    let instant = zoned.and_then(|zoned| i64::try_from(zoned.timestamp().as_nanosecond()).ok());
    instant.map_or(wall, Timestamp::from_nanos)
}

/// Puts a date of the year 1972 into the year that brings it nearest to `near`.
fn with_year(wall: Timestamp, near: Timestamp) -> Timestamp {
    let (Some(date), Some(year)) = (civil_of(wall), civil_of(near).map(civil::DateTime::year))
    else {
        return wall;
    };
    let in_year = |year: i16| {
        // 29 February of a year without one is the day after the 28th.
        let moved = date.with().year(year).build().ok().or_else(|| {
            let before = date.with().year(year).day(28).build().ok()?;
            before.checked_add(jiff::Span::new().days(1)).ok()
        })?;
        let instant = moved.to_zoned(TimeZone::UTC).ok()?.timestamp();
        i64::try_from(instant.as_nanosecond())
            .ok()
            .map(Timestamp::from_nanos)
    };
    let years = [year - 1, year, year.saturating_add(1)];
    let dates = years.into_iter().filter_map(in_year);
    dates
        .min_by_key(|date| date.since(near).nanos().unsigned_abs())
        .unwrap_or(wall)
}

fn civil_of(time: Timestamp) -> Option<civil::DateTime> {
    let instant = jiff::Timestamp::from_nanosecond(i128::from(time.nanos())).ok()?;
    Some(instant.to_zoned(TimeZone::UTC).datetime())
}

/// Formats a zone: `+01:00`.
#[must_use]
pub(super) fn zone_text(seconds: i64) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.unsigned_abs() / 60;
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// Nanoseconds of a second.
pub(super) const SECOND: i64 = 1_000_000_000;

/// A quarter of an hour, the unit of zones, in nanoseconds.
const QUARTER: i64 = 900 * SECOND;

/// Largest shift: zones reach from -12 to +14 hours, and a clock may be wrong beside.
pub(super) const FARTHEST: i64 = 17 * 3_600 * SECOND;

/// Matches that must agree.
const LEAST: usize = 3;

/// Matches that must agree on a clock that was set anew.
const LEAST_STEP: usize = 5;

/// Shifts of one group.
const MAX_SHIFTS: usize = 4;

/// Pairs kept for one group.
const MAX_PAIRS: usize = 500_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn survey(shifts: &[(i64, i64)]) -> ClockSurvey {
        let mut survey = ClockSurvey::default();
        for (event, &(wire, millis)) in (0..).zip(shifts) {
            let wire = Timestamp::from_nanos(wire * SECOND);
            let base = wire.plus(Span::from_millis(millis));
            survey.see((0, None));
            survey.add(
                (0, None),
                u64::from(event) + 1,
                base,
                true,
                &[(event, wire)],
            );
        }
        survey
    }

    fn clock(shifts: &[(i64, i64)]) -> Clock {
        let clocks = survey(shifts).estimate(Span::from_secs(2), &[]);
        clocks[&(0, None)].clone()
    }

    #[test]
    fn zone_and_error_are_the_median_of_those_that_agree() {
        let clock = clock(&[
            (10, 3_599_600),
            (20, 3_599_500),
            (30, 3_599_700),
            (40, 9_000),
        ]);
        assert_eq!(clock.shifts, [3_599_600_000_000]);
        assert_eq!(clock.matches, 3);
        assert_eq!(nearest_quarter(clock.shifts[0]), 3_600 * SECOND);
    }

    #[test]
    fn end_of_summer_time_is_a_second_shift() {
        let mut shifts: Vec<_> = (0..5).map(|at| (at * 10, 7_199_500)).collect();
        shifts.extend((5..9).map(|at| (at * 10, 3_599_600)));
        assert_eq!(clock(&shifts).shifts.len(), 2);
    }

    #[test]
    fn two_matches_are_too_few_to_accuse_by() {
        let clock = clock(&[(10, 3_599_600), (20, 3_599_500)]);
        assert!(!clock.certain);
        assert!(!clock.shifts.is_empty());
    }

    #[test]
    fn two_matches_in_utc_are_enough_to_keep_utc() {
        let clock = clock(&[(10, -400), (20, -500)]);
        assert!(clock.certain);
        assert_eq!(clock.shifts, [0]);
    }

    #[test]
    fn year_is_that_which_is_nearest() {
        let december = civil::date(1972, 12, 31).at(23, 59, 58, 0);
        let wall = december
            .to_zoned(TimeZone::UTC)
            .expect("a time")
            .timestamp();
        let wall = Timestamp::from_nanos(wall.as_second() * SECOND);
        let near = civil::date(2027, 1, 1).at(0, 0, 1, 0);
        let near = near.to_zoned(TimeZone::UTC).expect("a time").timestamp();
        let near = Timestamp::from_nanos(near.as_second() * SECOND);
        assert_eq!(near.since(with_year(wall, near)).nanos(), 3 * SECOND);
    }
}
