//! The clock of a log, estimated against the capture's.
//!
//! Every claim that an event fits gives a shift, log less wire. A *cluster* is a set of shifts that agree within the tolerance;
//! its size is the number of lines and events that it can match one to one. The shift of the largest cluster is the clock:
//! its quarter hours are the zone, the rest is the error.
//!
//! A log that holds the same work several times, such as a job of every hour, has a cluster for each run, of nearly the same
//! size. Rivals are decided in this order, by evidence only:
//!
//! 1. Lines that name the client's port match by port, if any of them does: a port belongs to one run.
//! 2. A rival that leaves no clock error beside a zone is more likely than others: runs are rarely a whole number of quarter
//!    hours apart, and clocks rarely wrong.
//! 3. Lines that name their zone, and other logs of the same server.
//! 4. Seconds: a line's time is cut off, so that of the right run no line is a second early or late.
//!
//! If rivals remain, the clock is not certain, and nothing is accused by it.
//!
//! Each group of lines that one process writes has a clock of its own. Within a group, further shifts that differ by quarter
//! hours are followed as well, for events and lines that the first does not match: the end of summer time, and processes that
//! lost their zone file.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::civil;
use jiff::tz::TimeZone;

use super::claim::LogTime;
use crate::model::{Span, Timestamp};

/// Lines with one clock: the reader's group, and the zone that the lines name.
pub(super) type GroupKey = (u16, Option<i32>);

/// An event that fits a claim.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fit {
    /// Index of the event.
    pub(super) event: u32,
    /// Earliest and latest time at which a server may log it.
    pub(super) times: (Timestamp, Timestamp),
    /// True if the line names the client's port, and it is that of the event.
    pub(super) by_port: bool,
}

/// A match that may give the shift.
#[derive(Clone, Copy, Debug)]
struct Pair {
    /// Time of the log less time of the wire, in nanoseconds.
    shift: i64,
    event: u32,
    line: u64,
    /// True for a transfer with path and bytes.
    strong: bool,
    by_port: bool,
    /// Time of the line, as if its zone were right.
    base: Timestamp,
    /// Earliest and latest time at which a server may log the event.
    wire: (Timestamp, Timestamp),
}

/// Matches of one log, before its clock is known.
#[derive(Debug, Default)]
pub(super) struct ClockSurvey {
    groups: BTreeMap<GroupKey, Group>,
    /// Zone that most lines name.
    named: BTreeMap<Option<i32>, u64>,
}

/// Pairs of one group of lines.
#[derive(Debug)]
struct Group {
    pairs: Vec<Pair>,
    /// Lines whose numbers are multiples of this are surveyed: 1, doubled each time that the pairs are too many.
    every: u64,
}

impl Default for Group {
    fn default() -> Self {
        Self {
            pairs: Vec::new(),
            every: 1,
        }
    }
}

/// The clock of one group of lines.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Clock {
    /// Shifts of the log against the wire in nanoseconds, the usual one first; never empty.
    pub(super) shifts: Vec<i64>,
    /// Differences of the clocks themselves, one for each shift: times are cut off, so that shifts are up to a second less.
    pub(super) offsets: Vec<i64>,
    /// Matches that agree on the first shift.
    pub(super) matches: u64,
    /// True if times may be compared.
    pub(super) certain: bool,
}

impl Clock {
    /// Adds the differences of the clocks to the shifts that `pairs` gave.
    fn new(found: Found, pairs: &[Pair]) -> Self {
        let offsets = found.shifts.iter().map(|&shift| offset(pairs, shift));
        Self {
            offsets: offsets.collect(),
            shifts: found.shifts,
            matches: found.matches,
            certain: found.certain,
        }
    }

    /// Returns true if a shift is that of a zone alone: the clocks themselves agree.
    #[must_use]
    pub(super) fn is_zone(&self, shift: usize, tolerance: Span) -> bool {
        let shift = self.shifts.get(shift).copied().unwrap_or_default();
        error_of(shift) <= tolerance.nanos().saturating_add(SECOND)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            shifts: vec![0],
            offsets: vec![0],
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

    /// Adds a claim with the events that fit it.
    pub(super) fn add(
        &mut self,
        key: GroupKey,
        line: u64,
        base: Timestamp,
        strong: bool,
        events: &[Fit],
    ) {
        let group = self.groups.entry(key).or_default();
        for fit in events {
            let shift = base.since(fit.times.1).nanos();
            if shift.abs() <= FARTHEST {
                group.pairs.push(Pair {
                    shift,
                    event: fit.event,
                    line,
                    strong,
                    by_port: fit.by_port,
                    base,
                    wire: fit.times,
                });
            }
        }
        while group.pairs.len() > MAX_PAIRS && group.every < u64::MAX / 2 {
            group.every *= 2;
            let every = group.every;
            group.pairs.retain(|pair| pair.line.is_multiple_of(every));
        }
    }

    /// Returns true if a line is surveyed; in long logs that fit many events, some are not.
    #[must_use]
    pub(super) fn wants(&self, key: GroupKey, line: u64) -> bool {
        self.groups
            .get(&key)
            .is_none_or(|group| line.is_multiple_of(group.every))
    }

    /// Returns true if ports of clients that lines name are those of the wire by these clocks, so that they decide.
    #[must_use]
    pub(super) fn has_ports(&self, clocks: &BTreeMap<GroupKey, Clock>, tolerance: Span) -> bool {
        let width = tolerance.nanos().saturating_mul(2);
        self.groups.iter().any(|(key, group)| {
            let shifts = clocks.get(key).map_or(&[][..], |clock| &clock.shifts);
            let is_at = |pair: &Pair| shifts.iter().any(|at| (pair.shift - at).abs() <= width);
            group.pairs.iter().any(|pair| pair.by_port && is_at(pair))
        })
    }

    /// Joins the surveys of files that are one log, in their order.
    #[must_use]
    pub(super) fn join<'s>(surveys: impl Iterator<Item = &'s Self>) -> Self {
        let mut joined = Self::default();
        for (file, survey) in (0_u64..).zip(surveys) {
            for (key, group) in &survey.groups {
                let all = joined.groups.entry(*key).or_default();
                all.pairs.extend(group.pairs.iter().map(|pair| Pair {
                    line: pair.line + file * LINES_OF_FILE,
                    ..*pair
                }));
            }
        }
        joined
    }

    /// Returns the earliest time of a line with a match, as if its zone were right; `None` without one.
    #[must_use]
    pub(super) fn first(&self) -> Option<Timestamp> {
        let pairs = self.groups.values().flat_map(|group| &group.pairs);
        pairs.map(|pair| pair.base).min()
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
        let mut rivals = BTreeMap::new();
        let elsewhere = |key: GroupKey| -> Vec<i64> {
            let zone = nanos(key.1.unwrap_or(0));
            others.iter().map(|shift| shift - zone).collect()
        };
        for (&key, group) in &self.groups {
            match estimate(&group.pairs, tolerance, key.1.is_some(), &elsewhere(key)) {
                Estimate::Clear(clock) => {
                    clocks.insert(key, clock);
                }
                Estimate::Rivals(shifts) => {
                    rivals.insert(key, shifts);
                }
                Estimate::TooFew => {}
            }
        }
        let mut known: Vec<(u64, i64)> = clocks
            .values()
            .flat_map(|clock| clock.shifts.iter().map(|&shift| (clock.matches, shift)))
            .collect();
        known.sort_unstable_by(|a, b| b.cmp(a));
        let mut own: Vec<i64> = known.into_iter().map(|(_, shift)| shift).collect();
        own.dedup();
        for (&key, group) in &self.groups {
            clocks.entry(key).or_insert_with(|| match rivals.get(&key) {
                Some(rivals) => among_rivals(rivals, tolerance, &own),
                None => inherit(&group.pairs, tolerance, &own, &elsewhere(key)),
            });
        }
        share_changes(&mut clocks, tolerance);
        clocks
            .into_iter()
            .map(|(key, found)| {
                let pairs = self.groups.get(&key).map_or(&[][..], |group| &group.pairs);
                (key, Clock::new(found, pairs))
            })
            .collect()
    }
}

/// Shifts of one group, before the clocks themselves are compared.
struct Found {
    shifts: Vec<i64>,
    matches: u64,
    certain: bool,
}

/// Result for one group.
enum Estimate {
    /// One clock fits.
    Clear(Found),
    /// Shifts that fit equally well, the preferred one first.
    Rivals(Vec<i64>),
    /// Fewer than three matches agree.
    TooFew,
}

/// Pairs whose shifts agree.
struct Cluster {
    shift: i64,
    /// Lines and events that can be matched one to one.
    matches: usize,
    /// Share of pairs, in percent, whose second is exactly that of the wire.
    exact: usize,
    events: HashSet<u32>,
}

impl Cluster {
    fn error(&self) -> i64 {
        error_of(self.shift)
    }

    /// Returns true if most events of one are events of both: then one of them is about another run.
    fn competes_with(&self, other: &Self) -> bool {
        let shared = self.events.intersection(&other.events).count();
        shared * 2 >= self.events.len().min(other.events.len())
    }
}

/// Estimates a clock. `names_zone` is true if the lines name one; `known` are shifts of other logs.
fn estimate(pairs: &[Pair], tolerance: Span, names_zone: bool, known: &[i64]) -> Estimate {
    let subset = |rule: fn(&Pair) -> bool| -> Vec<Pair> {
        pairs.iter().filter(|pair| rule(pair)).copied().collect()
    };
    let mut result = Estimate::TooFew;
    for mut set in [
        subset(|pair| pair.by_port),
        subset(|pair| pair.strong),
        pairs.to_vec(),
    ] {
        set.sort_unstable_by_key(|pair| (pair.shift, pair.event, pair.line));
        // The same files again some seconds later are several clocks in one cluster, if that is as wide as the tolerance.
        let tight = tolerance.min(Span::from_nanos(SECOND));
        let estimate = match choose(&set, tight, names_zone, known) {
            Estimate::Clear(clock) if clock.matches >= densest(&set, tolerance).0 as u64 => {
                Estimate::Clear(clock)
            }
            _ => choose(&set, tolerance, names_zone, known),
        };
        match estimate {
            Estimate::TooFew => {}
            Estimate::Clear(mut clock) => {
                add_changes(&mut clock, &set, tolerance);
                return Estimate::Clear(clock);
            }
            // Logins and folders may decide between runs whose transfers are the same.
            rivals @ Estimate::Rivals(_) => result = rivals,
        }
    }
    result
}

/// Chooses one of the clusters.
fn choose(pairs: &[Pair], tolerance: Span, names_zone: bool, known: &[i64]) -> Estimate {
    let clusters = clusters(pairs, tolerance);
    let largest = clusters
        .iter()
        .min_by_key(|cluster| (std::cmp::Reverse(cluster.matches), cluster.error()));
    let Some(largest) = largest.filter(|largest| largest.matches >= LEAST) else {
        return Estimate::TooFew;
    };
    let is_rival = |cluster: &&Cluster| {
        cluster.matches >= LEAST
            && cluster.matches * RIVAL.1 >= largest.matches * RIVAL.0
            && cluster.competes_with(largest)
    };
    let mut rivals: Vec<&Cluster> = clusters.iter().filter(is_rival).collect();
    let slack = tolerance.nanos();
    // Each rule applies only if it leaves some of the rivals.
    let mut keep = |rule: &dyn Fn(&Cluster) -> bool| {
        if rivals.iter().any(|cluster| rule(cluster)) {
            rivals.retain(|cluster| rule(cluster));
        }
        rivals.len()
    };
    let mut left = keep(&|cluster| cluster.error() <= slack);
    if left > 1 {
        left = keep(&|cluster| {
            known
                .iter()
                .any(|shift| (cluster.shift - shift).abs() <= slack)
        });
    }
    if left > 1 && names_zone {
        left = keep(&|cluster| cluster.shift.abs() <= slack);
    }
    if left > 1 {
        let best = rivals.iter().map(|cluster| cluster.exact).max();
        let best = best.unwrap_or(0);
        if best >= EXACT {
            rivals.retain(|cluster| cluster.exact + INEXACT > best);
        }
    }
    rivals.sort_by_key(|cluster| {
        let is_utc = cluster.shift.abs() <= slack;
        let latest = std::cmp::Reverse(cluster.shift);
        (!is_utc, std::cmp::Reverse(cluster.matches), latest)
    });
    match rivals.as_slice() {
        [] => Estimate::TooFew,
        [only] => Estimate::Clear(Found {
            shifts: vec![only.shift],
            matches: only.matches as u64,
            certain: true,
        }),
        all => Estimate::Rivals(all.iter().map(|cluster| cluster.shift).collect()),
    }
}

/// Returns the largest clusters of pairs sorted by shift, and those at whole quarter hours.
fn clusters(pairs: &[Pair], tolerance: Span) -> Vec<Cluster> {
    let mut clusters: Vec<Cluster> = Vec::new();
    let mut free: Vec<(usize, usize)> = vec![(0, pairs.len())];
    for _ in 0..MAX_CLUSTERS {
        let densest = free.iter().enumerate().map(|(place, &(from, to))| {
            let within = pairs.get(from..to).unwrap_or_default();
            let (matches, (low, high)) = densest(within, tolerance);
            (matches, std::cmp::Reverse(place), (from + low, from + high))
        });
        let Some((matches, std::cmp::Reverse(place), range)) = densest.max() else {
            break;
        };
        if matches < LEAST {
            break;
        }
        let (from, to) = free.swap_remove(place);
        free.extend([(from, range.0), (range.1, to)]);
        free.retain(|(from, to)| from < to);
        free.sort_unstable();
        clusters.push(cluster(pairs, range, matches));
    }
    // Where a job runs every minute, clusters are many: the likely ones must be among them.
    let mut quarter = -FARTHEST / QUARTER * QUARTER;
    while quarter <= FARTHEST {
        let is_there = |cluster: &Cluster| (cluster.shift - quarter).abs() <= tolerance.nanos();
        if !clusters.iter().any(is_there) {
            let low = quarter - tolerance.nanos();
            let from = pairs.partition_point(|pair| pair.shift < low);
            let to = pairs.partition_point(|pair| pair.shift <= quarter + tolerance.nanos());
            let matches = distinct(pairs.get(from..to).unwrap_or_default());
            if matches >= LEAST {
                clusters.push(cluster(pairs, (from, to), matches));
            }
        }
        quarter += QUARTER;
    }
    clusters
}

fn cluster(pairs: &[Pair], range: (usize, usize), matches: usize) -> Cluster {
    let members = pairs.get(range.0..range.1).unwrap_or_default();
    let shift = median(members);
    // Times are cut off: the whole seconds between the clocks are above the median.
    let near = nearest_quarter(shift);
    let seconds = if (shift - near).abs() <= SECOND {
        near
    } else {
        shift.div_euclid(SECOND) * SECOND + SECOND
    };
    let is_exact = |pair: &&Pair| {
        let second = |time: Timestamp| time.nanos().saturating_add(seconds).div_euclid(SECOND);
        let line = pair.base.nanos().div_euclid(SECOND);
        (second(pair.wire.0)..=second(pair.wire.1)).contains(&line)
    };
    let mut lines: Vec<u64> = members.iter().map(|pair| pair.line).collect();
    let mut exact: Vec<u64> = members
        .iter()
        .filter(is_exact)
        .map(|pair| pair.line)
        .collect();
    for lines in [&mut lines, &mut exact] {
        lines.sort_unstable();
        lines.dedup();
    }
    Cluster {
        shift,
        matches,
        exact: exact.len() * 100 / lines.len().max(1),
        events: members.iter().map(|pair| pair.event).collect(),
    }
}

/// Adds the shifts of lines that were written by another clock: for events that the first shift does not match.
fn add_changes(found: &mut Found, pairs: &[Pair], tolerance: Span) {
    let Some(&first) = found.shifts.first() else {
        return;
    };
    let near = |shift: i64, pair: &Pair| (pair.shift - shift).abs() <= tolerance.nanos() * 2;
    let matched: Vec<Pair> = pairs
        .iter()
        .filter(|pair| near(first, pair))
        .copied()
        .collect();
    let lines: HashSet<u64> = matched.iter().map(|pair| pair.line).collect();
    let events: HashSet<u32> = matched.iter().map(|pair| pair.event).collect();
    let mut rest: Vec<Pair> = pairs
        .iter()
        .filter(|pair| !lines.contains(&pair.line) && !events.contains(&pair.event))
        .copied()
        .collect();
    let span = |pairs: &[Pair]| {
        let times = pairs.iter().map(|pair| pair.wire.1);
        times.clone().min().zip(times.max())
    };
    let mut spans: Vec<_> = span(&matched).into_iter().collect();
    let mut order: Vec<Pair> = matched;
    for _ in 1..MAX_SHIFTS {
        let (size, (from, to)) = densest(&rest, tolerance);
        if size < LEAST {
            break;
        }
        let members: Vec<Pair> = rest.drain(from..to).collect();
        let shift = median(&members);
        let error = (shift - first) - nearest_quarter(shift - first);
        let Some(own) = span(&members) else { break };
        // A clock that was set anew: then no time is in both parts.
        let is_apart = spans.iter().all(|other| own.1 < other.0 || other.1 < own.0);
        let is_change = error.abs() <= tolerance.nanos() || is_apart && size >= LEAST_STEP;
        // Lines of another run stand apart from those of the captured one.
        if is_change && keeps_order(&order, &members) {
            found.shifts.push(shift);
            spans.push(own);
            order.extend(members);
        }
    }
}

/// Gives a change of the clock that some lines of a log show to all lines with the same clock: logins fit so many logins that
/// they do not show it themselves.
fn share_changes(clocks: &mut BTreeMap<GroupKey, Found>, tolerance: Span) {
    let changed = |clock: &&Found| clock.certain && clock.shifts.len() > 1;
    let all: Vec<(Option<i32>, Vec<i64>)> = clocks
        .iter()
        .filter(|(_, clock)| changed(clock))
        .map(|(key, clock)| (key.1, clock.shifts.clone()))
        .collect();
    let has = |shifts: &[i64], shift: i64| {
        shifts
            .iter()
            .any(|own| (own - shift).abs() <= tolerance.nanos())
    };
    for (key, clock) in clocks.iter_mut() {
        for (zone, shifts) in &all {
            let first = clock.shifts.first().copied().unwrap_or(0);
            if *zone != key.1 || !has(shifts, first) {
                continue;
            }
            for &shift in shifts {
                if !has(&clock.shifts, shift) && clock.shifts.len() < MAX_SHIFTS {
                    clock.shifts.push(shift);
                }
            }
        }
    }
}

/// Returns true if the lines of `members` stand where their events belong among those of `matched`.
///
/// A log is written in the order of time, whatever its clock says. Lines that were put in another order say nothing.
fn keeps_order(matched: &[Pair], members: &[Pair]) -> bool {
    let mut order: Vec<(u64, Timestamp)> = matched
        .iter()
        .map(|pair| (pair.line, pair.wire.1))
        .collect();
    order.sort_unstable();
    let steps = order.windows(2);
    let forward = steps.filter(|pair| pair[0].1 <= pair[1].1).count();
    if forward * 4 < order.len().saturating_sub(1) * 3 {
        return true;
    }
    let in_place = |pair: &&Pair| {
        let at = order.partition_point(|(line, _)| *line < pair.line);
        let before = at.checked_sub(1).and_then(|before| order.get(before));
        let early = before.is_none_or(|(_, time)| *time <= pair.wire.1);
        early && order.get(at).is_none_or(|(_, time)| pair.wire.1 <= *time)
    };
    let placed = members.iter().filter(in_place).count();
    placed * 2 >= members.len()
}

/// Takes one of several shifts that fit equally well: that of other lines of the log, if it is among them.
fn among_rivals(rivals: &[i64], tolerance: Span, own: &[i64]) -> Found {
    let is_own = |shift: &&i64| {
        own.iter()
            .any(|own| (**shift - own).abs() <= tolerance.nanos())
    };
    let fitting = rivals.iter().find(is_own);
    let chosen = fitting.or(rivals.first()).copied().unwrap_or(0);
    Found {
        shifts: vec![chosen],
        matches: 0,
        certain: fitting.is_some(),
    }
}

/// Takes the clock of other lines, where a group has too few matches of its own.
fn inherit(pairs: &[Pair], tolerance: Span, own: &[i64], elsewhere: &[i64]) -> Found {
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
        return Found {
            shifts,
            matches: 0,
            certain: fitting.is_some() || !contradict(pairs, usual, tolerance),
        };
    }
    if let Some(&first) = elsewhere.first()
        && !contradict(pairs, first, tolerance)
        && !elsewhere.iter().any(|&shift| near(shift))
    {
        return Found {
            shifts: vec![first],
            matches: 0,
            certain: true,
        };
    }
    let candidates = elsewhere.iter().copied().chain([0]);
    if let Some(shift) = candidates.clone().find(|&shift| near(shift)) {
        return Found {
            shifts: vec![shift],
            matches: pairs
                .iter()
                .filter(|pair| (pair.shift - shift).abs() <= tolerance.nanos())
                .count() as u64,
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
    Found {
        shifts,
        matches: 0,
        certain: false,
    }
}

/// Returns the difference of the clocks, log less wire, of lines with this shift.
///
/// A line of second s about an event between a and b says that the difference is at least s - b, and less than s + 1 - a. The
/// difference is where most lines agree; a whole number of quarter hours is preferred, since most clocks are right.
fn offset(pairs: &[Pair], shift: i64) -> i64 {
    let usual = shift.saturating_add(SECOND / 2);
    let quarter = nearest_quarter(usual);
    let bounds = |pair: &Pair| {
        let written = pair.base.nanos();
        let least = written.saturating_sub(pair.wire.1.nanos());
        let most = written.saturating_sub(pair.wire.0.nanos());
        (least, most.saturating_add(SECOND))
    };
    let near = pairs
        .iter()
        .filter(|pair| (pair.shift - shift).abs() <= SECOND);
    let mut edges: Vec<(i64, bool, u64, u32)> = Vec::new();
    for pair in near {
        let (least, most) = bounds(pair);
        edges.push((least, true, pair.line, pair.event));
        edges.push((most, false, pair.line, pair.event));
    }
    // The end of one line's bounds is before the beginning of another's at the same place.
    edges.sort_unstable();
    let (mut deepest, mut at_quarter, mut is_behind) = (0, 0, false);
    let mut best = (usual, usual);
    // A line that fits many events, and an event that fits many lines, agree once.
    let mut lines: HashMap<u64, u32> = HashMap::new();
    let mut events: HashMap<u32, u32> = HashMap::new();
    for (place, &(value, begins, line, event)) in edges.iter().enumerate() {
        if value > quarter && !is_behind {
            (at_quarter, is_behind) = (lines.len().min(events.len()), true);
        }
        if begins {
            *lines.entry(line).or_default() += 1;
            *events.entry(event).or_default() += 1;
        } else {
            leave(&mut lines, line);
            leave(&mut events, event);
        }
        let depth = lines.len().min(events.len());
        if depth > deepest {
            deepest = depth;
            let end = edges.get(place + 1).map_or(value, |(end, ..)| *end);
            best = (value, end);
        }
    }
    let is_near = (usual - quarter).abs() <= SECOND;
    if is_near && (deepest < 3 || at_quarter * 100 >= deepest * 95) {
        quarter
    } else if deepest < 3 {
        usual
    } else {
        i64::midpoint(best.0, best.1)
    }
}

/// Returns true if pairs speak for another clock: transfers that fit, or anything in another zone.
///
/// A login fits all logins of the same user, and so says nothing by itself.
fn contradict(pairs: &[Pair], shift: i64, tolerance: Span) -> bool {
    pairs.iter().any(|pair| {
        let other = pair.shift - shift;
        pair.strong || nearest_quarter(other) != 0 && error_of(other) <= tolerance.nanos()
    })
}

/// Returns the most matches of pairs, sorted by shift, that agree within the tolerance on both sides, and their range.
fn densest(pairs: &[Pair], tolerance: Span) -> (usize, (usize, usize)) {
    let width = tolerance.nanos().saturating_mul(2);
    let mut lines: HashMap<u64, u32> = HashMap::new();
    let mut events: HashMap<u32, u32> = HashMap::new();
    let mut best = (0, (0, 0));
    let mut from = 0;
    for (to, last) in pairs.iter().enumerate() {
        *lines.entry(last.line).or_default() += 1;
        *events.entry(last.event).or_default() += 1;
        while let Some(first) = pairs
            .get(from)
            .filter(|first| last.shift - first.shift > width)
        {
            leave(&mut lines, first.line);
            leave(&mut events, first.event);
            from += 1;
        }
        let matches = lines.len().min(events.len());
        if matches > best.0 {
            best = (matches, (from, to + 1));
        }
    }
    best
}

/// Takes one off the count of a key.
fn leave<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, u32>, key: K) {
    if let Entry::Occupied(mut count) = counts.entry(key) {
        *count.get_mut() -= 1;
        if *count.get() == 0 {
            count.remove();
        }
    }
}

/// Counts the lines and events of pairs that can be matched one to one.
fn distinct(pairs: &[Pair]) -> usize {
    let lines: HashSet<u64> = pairs.iter().map(|pair| pair.line).collect();
    let events: HashSet<u32> = pairs.iter().map(|pair| pair.event).collect();
    lines.len().min(events.len())
}

/// Returns the median shift, of pairs whose line and event are in no other pair if there are any.
fn median(sorted: &[Pair]) -> i64 {
    let mut lines: HashMap<u64, u32> = HashMap::new();
    let mut events: HashMap<u32, u32> = HashMap::new();
    for pair in sorted {
        *lines.entry(pair.line).or_default() += 1;
        *events.entry(pair.event).or_default() += 1;
    }
    let is_sole =
        |pair: &&Pair| lines.get(&pair.line) == Some(&1) && events.get(&pair.event) == Some(&1);
    let mut shifts: Vec<i64> = sorted
        .iter()
        .filter(is_sole)
        .map(|pair| pair.shift)
        .collect();
    if shifts.is_empty() {
        shifts = sorted.iter().map(|pair| pair.shift).collect();
    }
    let at = |index: usize| shifts.get(index).copied().unwrap_or(0);
    let middle = shifts.len() / 2;
    if shifts.len() % 2 == 1 {
        at(middle)
    } else {
        i64::midpoint(at(middle.saturating_sub(1)), at(middle))
    }
}

/// Returns what a shift leaves beside a zone.
fn error_of(shift: i64) -> i64 {
    (shift - nearest_quarter(shift)).abs()
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

/// Numbers of lines that a file has at most, where several are joined.
const LINES_OF_FILE: u64 = 1 << 40;

/// Share of the largest cluster, as a fraction, from which another is its rival.
const RIVAL: (usize, usize) = (7, 10);

/// Percentage of lines with the right second, from which seconds decide.
const EXACT: usize = 85;

/// Percentage by which a rival is less exact, if seconds decide against it.
const INEXACT: usize = 20;

/// Clusters that are compared, beside those at quarter hours.
const MAX_CLUSTERS: usize = 8;

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
            let fit = Fit {
                event,
                times: (wire, wire),
                by_port: false,
            };
            survey.add((0, None), u64::from(event) + 1, base, true, &[fit]);
        }
        survey
    }

    /// A log of runs of the same work, of which the wire has one: each line of each run fits an event. `starts` are the
    /// beginnings of runs in milliseconds of the log less the captured beginning; `captured` is the run with the right ports.
    fn of_runs(starts: &[i64], captured: Option<usize>) -> Clock {
        let mut survey = ClockSurvey::default();
        let mut line = 0;
        for (run, &start) in starts.iter().enumerate() {
            for event in 0..10_u32 {
                line += 1;
                let wire =
                    Timestamp::from_nanos(1_000_000 * SECOND + i64::from(event) * 1_370_000_000);
                let written = wire.plus(Span::from_millis(start)).nanos();
                let base = Timestamp::from_nanos(written.div_euclid(SECOND) * SECOND);
                survey.see((0, None));
                let fit = Fit {
                    event,
                    times: (wire, wire),
                    by_port: captured == Some(run),
                };
                if captured.is_none_or(|captured| captured == run) {
                    survey.add((0, None), line, base, true, &[fit]);
                }
            }
        }
        let clocks = survey.estimate(Span::from_secs(2), &[]);
        clocks[&(0, None)].clone()
    }

    #[test]
    fn earlier_run_of_the_same_work_does_not_mislead_the_clock() {
        let clock = of_runs(&[-2_817_000, 0, 1_633_000], None);
        assert!(clock.certain);
        assert_eq!(nearest_quarter(clock.shifts[0]), 0);
        assert!(clock.shifts[0].abs() < SECOND, "{clock:?}");
        assert_eq!((clock.shifts.len(), clock.matches), (1, 10));
        let in_berlin = of_runs(&[-2_817_000 + 3_600_000, 3_600_000], None);
        assert_eq!(nearest_quarter(in_berlin.shifts[0]), 3_600 * SECOND);
        assert!(in_berlin.certain);
    }

    #[test]
    fn runs_an_hour_apart_are_distinguished_by_their_seconds() {
        let clock = of_runs(&[-3_600_400, 0], None);
        assert!(clock.certain);
        assert!(clock.shifts[0].abs() < SECOND, "{clock:?}");
    }

    #[test]
    fn runs_exactly_an_hour_apart_leave_the_clock_uncertain() {
        let clock = of_runs(&[-3_600_000, 0, 3_600_000], None);
        assert!(!clock.certain, "{clock:?}");
        assert_eq!(clock.shifts.len(), 1);
    }

    #[test]
    fn ports_distinguish_runs_exactly_an_hour_apart() {
        let clock = of_runs(&[-3_600_000, 0], Some(0));
        assert!(clock.certain);
        assert_eq!(nearest_quarter(clock.shifts[0]), -3_600 * SECOND);
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
    fn end_of_summer_time_in_some_lines_holds_for_all() {
        let mut shifts: Vec<_> = (0..5).map(|at| (at * 10, 7_199_500)).collect();
        shifts.extend((5..9).map(|at| (at * 10, 3_599_600)));
        let mut survey = survey(&shifts);
        for login in 0..4_u32 {
            let wire = Timestamp::from_nanos(i64::from(login) * 10 * SECOND);
            let fit = Fit {
                event: 100 + login,
                times: (wire, wire),
                by_port: false,
            };
            let base = wire.plus(Span::from_millis(7_199_600));
            survey.add((1, None), 100 + u64::from(login), base, false, &[fit]);
        }
        let clocks = survey.estimate(Span::from_secs(2), &[]);
        assert_eq!(clocks[&(1, None)].shifts.len(), 2);
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
