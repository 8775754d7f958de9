//! Assignment of claims to events: one to one, in passes from certain to doubtful.
//!
//! 1. All fields agree, the time is within the tolerance; pairs of the same second first, then the nearest. A claim that finds
//!    its events taken gets one if the claims that have them agree with others too.
//! 2. The name agrees, the time is within the tolerance, something else differs; the fewest differences.
//! 3. The time is within the tolerance and bytes agree, or nothing else is near: the name differs.
//! 4. All fields agree, the time differs: the log should have a line for the event, and has no other.
//!
//! Before and after the last pass, where lines are in order of time, equal events are exchanged until they follow the lines
//! ([`sequence`](super::sequence)).
//!
//! Claims and events that agree in everything but their times within the tolerance are put in the same order, so that three
//! retries within a second are matched in the order of their lines. Every search starts from an index and looks at a bounded
//! number of events, so that the work is that of sorting.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use super::claim::{Claim, ClaimKind};
use super::clock::{Fit, GroupKey};
use super::comparison::{self, Field, Fields};
use super::names::{self, Prefixes, hash_of};
use super::wire::{Wire, WireEvent, WireResult};
use crate::model::{Span, Timestamp};

/// A claim within the time of the captures, on its way to an outcome.
#[derive(Debug)]
pub(super) struct Held {
    /// The claim, its path mapped.
    pub(super) claim: Claim,
    /// Index of its log.
    pub(super) log: u32,
    /// Lines with the same clock.
    pub(super) group: GroupKey,
    /// Times on the capture's clock, one for each shift of the log's clock, the usual one first; empty without a time.
    pub(super) times: Vec<Timestamp>,
    /// Beginnings of the seconds that the line names, on the capture's clock, one for each of `times`.
    pub(super) seconds: Vec<Timestamp>,
    /// Address of the client; `None` if the line has none, or a name.
    pub(super) client: Option<IpAddr>,
    /// True if the line before made no claim.
    pub(super) follows_other: bool,
    /// True if a name on the wire holds the line.
    pub(super) is_injected: bool,
    /// True if the time is outside of the captures, by more than a second.
    pub(super) is_outside: bool,
    /// True if the time is outside of the captures, and so is that of the line before or behind: lines about other work.
    pub(super) is_apart: bool,
}

impl Held {
    /// Returns the usual time, for sorting.
    #[must_use]
    pub(super) fn time(&self) -> Option<Timestamp> {
        self.times.first().copied()
    }

    /// Returns true if the event may have ended in the second that the line names.
    pub(super) fn is_second_of(&self, shift: usize, event: &WireEvent) -> bool {
        let is_exact = self.claim.time.is_none_or(|time| !time.whole_seconds);
        let (from, to) = times_of(&self.claim, event);
        is_exact
            || self.seconds.get(shift).is_some_and(|&second| {
                second <= to.plus(WRITING) && from < second.plus(Span::from_secs(1))
            })
    }

    /// Returns the distance between the line's time on the capture's clock and its event that digits cut off may cause.
    #[must_use]
    pub(super) fn precision(&self) -> Span {
        let whole = self.claim.time.is_some_and(|time| time.whole_seconds);
        Span::from_millis(if whole { 1_000 } else { 250 })
    }
}

/// The event of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Match {
    /// Index into the events.
    pub(super) event: u32,
    /// Index into the times of the claim.
    pub(super) shift: usize,
    /// True if the time is within the tolerance.
    pub(super) in_time: bool,
}

/// Indices of events in order of their ends, by what a claim knows of them.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// By kind, client and hash of the name.
    by_name: HashMap<u64, Vec<u32>>,
    /// By kind and client.
    by_client: HashMap<u64, Vec<u32>>,
    /// By kind, and by kind and name, for clients that the log calls by name.
    any_client: HashMap<u64, Vec<u32>>,
    /// End points of clients.
    ports: HashSet<(IpAddr, u16)>,
}

impl Index {
    /// Builds the index.
    #[must_use]
    pub(super) fn new(wire: &Wire) -> Self {
        let mut index = Self::default();
        for (at, event) in (0_u32..).zip(&wire.events) {
            let Some(session) = wire.sessions.get(event.session as usize) else {
                continue;
            };
            let client = session.client.ip;
            index.ports.insert((client, session.client.port));
            let name = name_of_event(event, |name| name);
            let mut add = |map: usize, key: u64| {
                let map = match map {
                    0 => &mut index.by_name,
                    1 => &mut index.by_client,
                    _ => &mut index.any_client,
                };
                map.entry(key).or_default().push(at);
            };
            let mut forms = vec![name, name_of_event(event, names::first_line)];
            if !matches!(event.kind, ClaimKind::Login | ClaimKind::Command) {
                let argument = event.argument.as_deref();
                let joined = argument.and_then(names::joined_blanks);
                let requested = names::requested_path(event);
                let others = [joined, requested].into_iter().flatten();
                forms.extend(others.map(|name| names::loose_hash(&name)));
            }
            forms.sort_unstable();
            forms.dedup();
            for name in forms {
                add(0, hash_of(&(event.kind, Some(client), name)));
                if event.kind != ClaimKind::Command {
                    add(2, hash_of(&(event.kind, None::<IpAddr>, name)));
                }
            }
            add(1, hash_of(&(event.kind, Some(client))));
            if event.kind != ClaimKind::Command {
                add(2, hash_of(&(event.kind, None::<IpAddr>)));
            }
        }
        index
    }

    /// Returns the events with the kind, client and name of a claim.
    #[must_use]
    pub(super) fn named(&self, claim: &Claim, client: Option<IpAddr>) -> &[u32] {
        let lacks_name = match claim.kind {
            ClaimKind::Login => claim.user.is_none() || claim.user_is_inferred,
            ClaimKind::Command => claim.verb.is_none(),
            ClaimKind::List | ClaimKind::Rename => false,
            _ => claim.path.is_none(),
        };
        if lacks_name {
            return self.of_client(claim, client);
        }
        let map = if client.is_some() {
            &self.by_name
        } else {
            &self.any_client
        };
        let found = map.get(&hash_of(&(claim.kind, client, name_of_claim(claim))));
        found.map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns the events with the kind and client of a claim.
    fn of_client(&self, claim: &Claim, client: Option<IpAddr>) -> &[u32] {
        let map = if client.is_some() {
            &self.by_client
        } else {
            &self.any_client
        };
        let found = map.get(&hash_of(&(claim.kind, client)));
        found.map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns true if a control connection from this end point is in the capture.
    #[must_use]
    pub(super) fn has_port(&self, client: IpAddr, port: u16) -> bool {
        self.ports.contains(&(client, port))
    }
}

/// Hashes the name of an event, of which `part` counts.
fn name_of_event(event: &WireEvent, part: fn(&[u8]) -> &[u8]) -> u64 {
    let name = || {
        event
            .path
            .as_deref()
            .or(event.argument.as_deref())
            .map(part)
    };
    match event.kind {
        ClaimKind::Login => event.user.as_ref().map_or(0, |user| user_hash(&user.name)),
        ClaimKind::Command => hash_of(&event.verb.as_str()),
        ClaimKind::List | ClaimKind::Rename => 0,
        _ => name().map_or(0, names::loose_hash),
    }
}

/// Hashes what a claim looks its events up by.
pub(super) fn key_of(held: &Held) -> u64 {
    hash_of(&(held.claim.kind, held.client, name_of_claim(&held.claim)))
}

fn name_of_claim(claim: &Claim) -> u64 {
    match claim.kind {
        ClaimKind::Login => claim.user.as_deref().map_or(0, user_hash),
        ClaimKind::Command => hash_of(&claim.verb.as_deref().unwrap_or_default()),
        ClaimKind::List | ClaimKind::Rename => 0,
        _ => claim.path.as_deref().map_or(0, names::loose_hash),
    }
}

/// Hashes a user; anonymous ones are one user.
fn user_hash(user: &str) -> u64 {
    let plain = user.rsplit('\\').next().unwrap_or(user);
    if names::is_anonymous(plain) {
        return 1;
    }
    names::loose_hash(plain.as_bytes())
}

/// Assigns the claims of one log, or of the rotated files of one, to events.
pub(super) struct Matcher<'a> {
    /// Events.
    pub(super) wire: &'a Wire,
    /// Index of the events.
    pub(super) index: &'a Index,
    /// Claims in order of time.
    pub(super) claims: &'a [&'a Held],
    /// Prefixes of paths.
    pub(super) prefixes: &'a Prefixes,
    /// Distance of times that are the same.
    pub(super) tolerance: Span,
    /// Times of the first and the last claim of the log that are not among `claims`.
    pub(super) edges: Option<(Timestamp, Timestamp)>,
    /// Returns true for logs whose lines are in order of time.
    pub(super) is_ordered: &'a dyn Fn(u32) -> bool,
    /// Returns true for events of the log's server.
    pub(super) usable: &'a dyn Fn(&WireEvent) -> bool,
    /// Returns true for events that the log should have a line for.
    pub(super) covered: &'a dyn Fn(&WireEvent) -> bool,
}

/// Order in which pairs of claims and events are assigned: claims within the captures' time first, then fewest differences, the
/// second that the line names, nearest bytes, nearest time.
type Rank = (bool, usize, bool, u64, u64);

/// State of an assignment.
pub(super) struct State {
    pub(super) used: HashSet<u32>,
    pub(super) matches: Vec<Option<Match>>,
    /// Claims that got another event, to give room to one.
    moved: Vec<usize>,
}

/// An event that may be the claim's.
struct Candidate<'w> {
    at: u32,
    event: &'w WireEvent,
    shift: usize,
    /// Distance of the times in nanoseconds; of another second than the line names, more than any other.
    distance: u64,
}

impl<'a> Matcher<'a> {
    /// Returns the match of each claim.
    #[must_use]
    pub(super) fn assign(&self) -> Vec<Option<Match>> {
        let mut state = State {
            used: HashSet::new(),
            matches: vec![None; self.claims.len()],
            moved: Vec::new(),
        };
        self.pass(&mut state, |held, event| self.agreeing(held, event));
        self.make_room(&mut state);
        self.restore_order(&mut state);
        self.pass(&mut state, |held, event| self.differing(held, event));
        self.unnamed(&mut state);
        // Of several equal events, the one that no line stands for is the late line's; where that stands, it follows the lines too.
        self.follow_lines(&mut state);
        self.late(&mut state);
        self.follow_lines(&mut state);
        self.repeated(&mut state);
        self.draw_in(&mut state, true);
        self.draw_in(&mut state, false);
        state.matches
    }

    /// Assigns the best pairs of claims and events first. `rank` gives what a pair lacks; `None` if it is none.
    fn pass(&self, state: &mut State, rank: impl Fn(&Held, &WireEvent) -> Option<usize>) {
        let mut pairs: Vec<(Rank, usize, u32, usize)> = Vec::new();
        for (at, (held, slot)) in self.claims.iter().zip(&state.matches).enumerate() {
            if slot.is_some() {
                continue;
            }
            let named = self.index.named(&held.claim, held.client);
            let from = pairs.len();
            pairs.extend(self.near(held, named, FORWARD, &state.used).filter_map(
                |Candidate {
                     at: event,
                     event: on_wire,
                     shift,
                     distance,
                 }| {
                    let lacks = rank(held, on_wire)?;
                    // Many numbers of bytes may be those of a transfer that broke off; the nearest one is the likeliest.
                    let apart = if on_wire.is_broken() {
                        comparison::bytes_apart(&held.claim, on_wire)
                    } else {
                        0
                    };
                    let is_other_second = distance >= OTHER_SECOND;
                    let rank = (held.is_outside, lacks, is_other_second, apart, distance);
                    Some((rank, at, event, shift))
                },
            ));
            if pairs.len() - from > MAX_CANDIDATES {
                let own = pairs.get_mut(from..).unwrap_or_default();
                own.sort_unstable();
                pairs.truncate(from + MAX_CANDIDATES);
            }
        }
        pairs.sort_unstable();
        for (_, at, event, shift) in pairs {
            if let Some(slot) = state.matches.get_mut(at)
                && slot.is_none()
                && state.used.insert(event)
            {
                *slot = Some(Match {
                    event,
                    shift,
                    in_time: true,
                });
            }
        }
    }

    /// Pass 1: everything agrees. Bytes may be counted as another server counts them, if no other event is there.
    fn agreeing(&self, held: &Held, event: &WireEvent) -> Option<usize> {
        let agrees = self.fields(held, event).differences() == 0;
        let claim = &held.claim;
        let is_other_user = || match (&claim.user, &event.user) {
            (Some(log), Some(wire)) => !comparison::same_user(log, wire),
            _ => false,
        };
        let lacks = usize::from(!comparison::is_exact(claim, event))
            + usize::from(is_bare(claim))
            + usize::from(claim.user_is_inferred && is_other_user());
        agrees.then_some(lacks)
    }

    /// Returns true if the line can be about no other event than its match, as exact as its time is written.
    #[must_use]
    pub(super) fn is_sole(&self, held: &Held, found: Match) -> bool {
        let all = self.all_agreeing(held);
        all.into_iter()
            .all(|(.., event, shift)| event == found.event || !self.may_be_of(held, event, shift))
    }

    /// Pass 2: the name agrees.
    fn differing(&self, held: &Held, event: &WireEvent) -> Option<usize> {
        let fields = self.fields(held, event);
        (!fields.path.differs()).then(|| fields.differences())
    }

    /// Returns the events with which everything agrees, used or not, the best first.
    fn all_agreeing(&self, held: &Held) -> Vec<(usize, u64, u32, usize)> {
        let named = self.index.named(&held.claim, held.client);
        let unused = HashSet::new();
        let near = self.near(held, named, FORWARD, &unused);
        let mut all: Vec<_> = near
            .filter_map(|candidate| {
                let lacks = self.agreeing(held, candidate.event)?;
                Some((lacks, candidate.distance, candidate.at, candidate.shift))
            })
            .collect();
        all.sort_unstable();
        all
    }

    /// Gives claims without an event one that agrees, if the claim that has it agrees with another event too.
    fn make_room(&self, state: &mut State) {
        let slots = self.claims.iter().zip(&state.matches).enumerate();
        // What happened before the capture has no event that could be found by moving others.
        let rest: Vec<usize> = slots
            .filter(|(_, (held, slot))| slot.is_none() && !held.is_outside)
            .map(|(at, _)| at)
            .collect();
        if rest.is_empty() {
            return;
        }
        let mut owners = owners(state);
        for at in rest {
            self.reassign(
                at,
                MAX_MOVES,
                &|_: &Held, _: u32, _: usize| true,
                &mut HashSet::new(),
                &mut owners,
                state,
            );
        }
    }

    /// Finds an event for a claim that `may_take` it, moving up to `moves` other claims to other events.
    fn reassign(
        &self,
        at: usize,
        moves: usize,
        may_take: &dyn Fn(&Held, u32, usize) -> bool,
        tried: &mut HashSet<u32>,
        owners: &mut HashMap<u32, usize>,
        state: &mut State,
    ) -> bool {
        let Some(held) = self.claims.get(at) else {
            return false;
        };
        let mut candidates = self.all_agreeing(held);
        candidates.retain(|(_, _, event, shift)| {
            may_take(held, *event, *shift) && tried.len() < MAX_TRIED && tried.insert(*event)
        });
        // Events of nobody come first.
        candidates.sort_by_key(|(_, _, event, _)| owners.contains_key(event));
        for (_, _, event, shift) in candidates {
            let is_free = match owners.get(&event) {
                None => true,
                Some(&owner) => {
                    moves > 0 && self.reassign(owner, moves - 1, may_take, tried, owners, state)
                }
            };
            if is_free {
                owners.insert(event, at);
                state.used.insert(event);
                state.moved.push(at);
                if let Some(slot) = state.matches.get_mut(at) {
                    *slot = Some(Match {
                        event,
                        shift,
                        in_time: true,
                    });
                }
                return true;
            }
        }
        false
    }

    /// Pass 3: the name differs, or is not known.
    fn unnamed(&self, state: &mut State) {
        let rest: Vec<usize> = state
            .matches
            .iter()
            .enumerate()
            .filter_map(|(at, found)| found.is_none().then_some(at))
            .collect();
        for (place, &at) in rest.iter().enumerate() {
            let Some(held) = self.claims.get(at) else {
                continue;
            };
            let others = self.index.of_client(&held.claim, held.client);
            let candidates: Vec<Candidate<'a>> = self.near(held, others, 0, &state.used).collect();
            let same_bytes = candidates
                .iter()
                .filter(|candidate| {
                    let fields = self.fields(held, candidate.event);
                    let count = held.claim.bytes.map_or(0, |bytes| bytes.count);
                    // Of a transfer that broke off, a server may count any of many numbers: they agree, and prove nothing.
                    let is_exact = comparison::bytes_apart(&held.claim, candidate.event) == 0;
                    fields.bytes == Field::Agrees
                        && count > 0
                        && (is_exact || !candidate.event.is_broken())
                        && !fields.user.differs()
                })
                .min_by_key(|candidate| (candidate.distance, candidate.at));
            let is_alone = || {
                let near = |other: Option<&usize>| {
                    let other = other.and_then(|&other| self.claims.get(other));
                    other.is_some_and(|other| self.is_rival(held, other))
                };
                let before = place.checked_sub(1).and_then(|before| rest.get(before));
                !near(before) && !near(rest.get(place + 1))
            };
            let chosen = match (same_bytes, candidates.as_slice()) {
                (Some(candidate), _) => Some(candidate),
                (None, [only]) if self.may_be_alone(held, only.event) && is_alone() => Some(only),
                _ => None,
            };
            if let Some(candidate) = chosen {
                state.used.insert(candidate.at);
                if let Some(slot) = state.matches.get_mut(at) {
                    *slot = Some(found(candidate, true));
                }
            }
        }
    }

    /// Returns true if the only event near a claim may be the claim's, though its name is another.
    fn may_be_alone(&self, held: &Held, event: &WireEvent) -> bool {
        if event.verb.is_empty() || held.claim.kind == ClaimKind::Command {
            return false;
        }
        let fields = self.fields(held, event);
        let is_login = held.claim.kind == ClaimKind::Login;
        !fields.bytes.differs()
            && !fields.status.differs()
            && (is_login || !fields.user.differs())
            && (is_login || held.claim.path.is_some())
    }

    fn is_rival(&self, held: &Held, other: &Held) -> bool {
        let (Some(time), Some(rival)) = (held.time(), other.time()) else {
            return true;
        };
        held.claim.kind == other.claim.kind
            && held.client == other.client
            && rival.since(time).nanos().abs() <= self.tolerance.nanos().saturating_mul(2)
    }

    /// Pass 4: only the time differs, or the line names none.
    fn late(&self, state: &mut State) {
        let mut keys: HashMap<u64, u32> = HashMap::new();
        for (held, slot) in self.claims.iter().zip(&state.matches) {
            if slot.is_none() && !held.is_apart {
                *keys.entry(key_of(held)).or_default() += 1;
            }
        }
        for (held, slot) in self.claims.iter().zip(&mut state.matches) {
            if slot.is_some()
                || held.is_apart
                || matches!(held.claim.kind, ClaimKind::Command | ClaimKind::List)
            {
                continue;
            }
            let named = self.index.named(&held.claim, held.client);
            let free: Vec<u32> = self
                .around(held, named)
                .filter(|at| !state.used.contains(at))
                .filter(|&at| {
                    let event = self.wire.events.get(at as usize);
                    event.is_some_and(|event| {
                        self.is_usable(held, event)
                            && (self.covered)(event)
                            && self.fields(held, event).differences() == 0
                    })
                })
                .take(2)
                .collect();
            let is_only = free.len() == 1 && keys.get(&key_of(held)) == Some(&1);
            let has_content = held.claim.bytes.is_some_and(|bytes| bytes.count > 0);
            let Some(&event) = free.first().filter(|_| is_only || has_content) else {
                continue;
            };
            state.used.insert(event);
            *slot = Some(Match {
                event,
                shift: 0,
                in_time: held.times.is_empty(),
            });
        }
    }

    /// Gives a command's second line the event of the first: `ProFTPD` writes `OPTS_UTF8 ON` with its code, and then
    /// `OPTS UTF8 ON` without one.
    fn repeated(&self, state: &mut State) {
        for (held, slot) in self.claims.iter().zip(&mut state.matches) {
            if slot.is_none() && is_bare(&held.claim) {
                let first = self.all_agreeing(held).into_iter().next();
                *slot = first.map(|(.., event, shift)| Match {
                    event,
                    shift,
                    in_time: true,
                });
            }
        }
    }

    /// Moves the first or the last claims to equal events nearer to the middle.
    ///
    /// Where a log begins between two equal events, its line is about the one behind: the other would be missed otherwise. That a
    /// log begins late shows in further events before, of the kinds that it has.
    fn draw_in(&self, state: &mut State, from_start: bool) {
        let place = |event: u32| {
            let event = self.wire.events.get(event as usize)?;
            // Counted from the edge.
            Some(if from_start {
                event.settled.nanos()
            } else {
                event.end.nanos().saturating_neg()
            })
        };
        let mut order: BTreeSet<(i64, usize)> = BTreeSet::new();
        let mut edge = self.edges.map(|(first, last)| {
            if from_start {
                first.nanos()
            } else {
                last.nanos().saturating_neg()
            }
        });
        for (at, (held, found)) in self.claims.iter().zip(&state.matches).enumerate() {
            match (found, held.time()) {
                (Some(found), _) if found.in_time => {
                    order.extend(place(found.event).map(|place| (place, at)));
                }
                (None, Some(time)) => {
                    let own = time.nanos();
                    let own = if from_start {
                        own
                    } else {
                        own.saturating_neg()
                    };
                    edge = Some(edge.map_or(own, |edge| edge.min(own)));
                }
                _ => {}
            }
        }
        let kinds: HashSet<ClaimKind> = self.claims.iter().map(|held| held.claim.kind).collect();
        let is_lacking = |(at, event): &(u32, &WireEvent)| {
            kinds.contains(&event.kind) && !state.used.contains(at) && (self.usable)(event)
        };
        let lacking = (0_u32..).zip(&self.wire.events).filter(is_lacking);
        let Some(outermost) = lacking.filter_map(|(at, _)| place(at)).min() else {
            return;
        };
        let mut owners = owners(state);
        for _ in 0..MAX_DRAWN {
            let Some((from, at)) = order.pop_first().filter(|(from, _)| outermost < *from) else {
                return;
            };
            let own = state.matches.get(at).copied().flatten();
            let Some(own) = own.filter(|own| place(own.event) == Some(from)) else {
                // The claim was moved since.
                continue;
            };
            // The log reaches further than its matches.
            if edge.is_some_and(|edge| edge < from) {
                return;
            }
            state.moved.clear();
            let may_take = |held: &Held, event: u32, shift: usize| {
                place(event).is_some_and(|place| place > from) && self.may_be_of(held, event, shift)
            };
            let mut tried = HashSet::from([own.event]);
            if !self.reassign(at, MAX_MOVES, &may_take, &mut tried, &mut owners, state) {
                return;
            }
            owners.remove(&own.event);
            state.used.remove(&own.event);
            let moved = std::mem::take(&mut state.moved);
            order.extend(moved.into_iter().filter_map(|at| {
                let found = state.matches.get(at).copied().flatten()?;
                Some((place(found.event)?, at))
            }));
        }
    }

    /// Returns true if a line's time, as exact as it is written, may be that of the event.
    fn may_be_of(&self, held: &Held, event: u32, shift: usize) -> bool {
        let slack = held.precision();
        let event = self.wire.events.get(event as usize);
        let time = held.times.get(shift);
        event
            .zip(time)
            .is_some_and(|(event, time)| is_in_time(*time, event, slack))
    }

    /// Puts events that could change places in the order of their claims.
    fn restore_order(&self, state: &mut State) {
        let mut groups: HashMap<u64, Vec<usize>> = HashMap::new();
        for (at, (held, slot)) in self.claims.iter().zip(&state.matches).enumerate() {
            if slot.is_some_and(|found| found.in_time) {
                let claim = &held.claim;
                let key = (
                    claim.kind,
                    held.client,
                    name_of_claim(claim),
                    claim.bytes.map(|bytes| bytes.count),
                    (claim.status, &claim.path, &claim.user, claim.client_port),
                );
                groups.entry(hash_of(&key)).or_default().push(at);
            }
        }
        for group in groups.into_values().filter(|group| group.len() > 1) {
            // Claims are in order of time and line.
            let mut events: Vec<Match> = group
                .iter()
                .filter_map(|&at| state.matches.get(at).copied().flatten())
                .collect();
            events.sort_unstable_by_key(|found| found.event);
            let fits = group.iter().zip(&events).all(|(&at, found)| {
                let held = self.claims.get(at);
                let event = self.wire.events.get(found.event as usize);
                held.zip(event).is_some_and(|(held, event)| {
                    let time = held.times.get(found.shift);
                    time.is_some_and(|time| self.is_in_time(*time, event))
                        && self.fields(held, event).differences() == 0
                })
            });
            if fits {
                for (&at, found) in group.iter().zip(events) {
                    if let Some(slot) = state.matches.get_mut(at) {
                        *slot = Some(found);
                    }
                }
            }
        }
    }

    pub(super) fn fields(&self, held: &Held, event: &WireEvent) -> Fields {
        Fields::of(&held.claim, event, self.prefixes)
    }

    /// Returns the unused events of a list within the tolerance. `forward` is how far behind a line, in nanoseconds, the reply
    /// of its event may be, if the data ended before.
    fn near<'m>(
        &'m self,
        held: &'m Held,
        list: &'m [u32],
        forward: i64,
        used: &'m HashSet<u32>,
    ) -> impl Iterator<Item = Candidate<'a>> + 'm {
        let shifts = held.times.iter().enumerate();
        shifts.flat_map(move |(shift, &time)| {
            let from = self.end_at(list, back(time, self.tolerance));
            let until = time.plus(self.tolerance).plus(Span::from_nanos(forward));
            let candidates = list.get(from..).unwrap_or_default().iter();
            candidates
                .take(LOOKED_AT)
                .filter_map(move |&at| {
                    let event = self.wire.events.get(at as usize)?;
                    Some((at, event))
                })
                .take_while(move |(_, event)| event.end <= until)
                .filter(move |(at, event)| {
                    !used.contains(at)
                        && self.is_in_time(time, event)
                        && self.is_usable(held, event)
                })
                .map(move |(at, event)| {
                    let distance = |moment: Timestamp| moment.since(time).nanos().unsigned_abs();
                    let is_same_second = held.is_second_of(shift, event);
                    let (from, to) = times_of(&held.claim, event);
                    let nearest = distance(from).min(distance(to));
                    Candidate {
                        at,
                        event,
                        shift,
                        distance: nearest.saturating_add(if is_same_second {
                            0
                        } else {
                            OTHER_SECOND
                        }),
                    }
                })
        })
    }

    /// Returns events of a list, nearest to the claim first; without a time, in order.
    pub(super) fn around<'m>(
        &'m self,
        held: &Held,
        list: &'m [u32],
    ) -> impl Iterator<Item = u32> + 'm {
        let time = held.time();
        let middle = time.map_or(0, |time| self.end_at(list, time));
        let (before, behind) = list.split_at(middle.min(list.len()));
        let mut near: Vec<u32> = before.iter().rev().take(LOOKED_AT / 2).copied().collect();
        near.extend(behind.iter().take(LOOKED_AT / 2));
        if let Some(time) = time {
            near.sort_by_key(|&at| {
                let event = self.wire.events.get(at as usize);
                event.map_or(u64::MAX, |event| {
                    event.end.since(time).nanos().unsigned_abs()
                })
            });
        }
        near.into_iter()
    }

    /// Returns the index of the first event that ends at or after a time.
    fn end_at(&self, list: &[u32], time: Timestamp) -> usize {
        list.partition_point(|&at| {
            let event = self.wire.events.get(at as usize);
            event.is_some_and(|event| event.end < time)
        })
    }

    fn is_in_time(&self, time: Timestamp, event: &WireEvent) -> bool {
        is_in_time(time, event, self.tolerance)
    }

    pub(super) fn is_usable(&self, held: &Held, event: &WireEvent) -> bool {
        let session = self.wire.sessions.get(event.session as usize);
        let Some(session) = session else { return false };
        let claim = &held.claim;
        let same_direction = claim
            .direction
            .is_none_or(|direction| event.direction.is_none_or(|other| other == direction));
        let same_verb = claim
            .verb
            .as_deref()
            .is_none_or(|verb| event.verb.is_empty() || verbs_fit(claim, verb, event));
        let same_port = claim
            .client_port
            .is_none_or(|port| session.client.port == port);
        same_direction && same_verb && same_port && (self.usable)(event)
    }
}

/// Returns the claim of each event.
#[must_use]
pub(super) fn owners(state: &State) -> HashMap<u32, usize> {
    let matched = state.matches.iter().enumerate();
    matched
        .filter_map(|(at, found)| Some((found.as_ref()?.event, at)))
        .collect()
}

/// Returns true for the second line of a command, without its code.
fn is_bare(claim: &Claim) -> bool {
    claim.kind == ClaimKind::Command && claim.code.is_none() && claim.status.is_none()
}

/// Returns true if the verbs are the same, or only one side has one that says more.
fn verbs_fit(claim: &Claim, verb: &str, event: &WireEvent) -> bool {
    if verb.eq_ignore_ascii_case(&event.verb) {
        return true;
    }
    match claim.kind {
        // USER logs in without a password; STOR may stand for all uploads.
        ClaimKind::Login | ClaimKind::Rename => true,
        ClaimKind::Transfer => {
            !matches!(verb, "RETR" | "APPE" | "STOU" | "STOR")
                || verb == "STOR" && event.verb == "STOU"
        }
        ClaimKind::Mkdir | ClaimKind::Rmdir => {
            verb.trim_start_matches(['X', 'x']) == event.verb.trim_start_matches('X')
        }
        _ => false,
    }
}

/// Returns the earliest and the latest time at which a server may write such a line about the event.
#[must_use]
pub(super) fn times_of(claim: &Claim, event: &WireEvent) -> (Timestamp, Timestamp) {
    if claim.is_early {
        (event.start, event.start)
    } else {
        (event.settled, event.end)
    }
}

/// Returns true if a line of this time may be about the event.
#[must_use]
pub(super) fn is_in_time(time: Timestamp, event: &WireEvent, tolerance: Span) -> bool {
    back(event.settled, tolerance) <= time && time <= event.end.plus(tolerance)
}

fn back(time: Timestamp, span: Span) -> Timestamp {
    time.plus(Span::from_nanos(-span.nanos()))
}

fn found(candidate: &Candidate<'_>, in_time: bool) -> Match {
    Match {
        event: candidate.at,
        shift: candidate.shift,
        in_time,
    }
}

/// Returns the events that fit a claim by client, name, bytes and result, whatever their times; empty if there are too many.
#[must_use]
pub(super) fn fitting(
    wire: &Wire,
    index: &Index,
    claim: &Claim,
    client: Option<IpAddr>,
) -> Vec<Fit> {
    let named = index.named(claim, client);
    let lacks_name = claim.kind == ClaimKind::Transfer && claim.path.is_none();
    if lacks_name || named.len() > LOOKED_AT {
        return Vec::new();
    }
    let no_prefixes = Prefixes::default();
    let mut fitting = Vec::new();
    for &at in named {
        let Some(event) = wire.events.get(at as usize) else {
            continue;
        };
        if event.result == WireResult::Open {
            continue;
        }
        let same_direction = claim.direction.is_none() || claim.direction == event.direction;
        let session = wire.sessions.get(event.session as usize);
        let by_port = match (claim.client_port, client) {
            (Some(port), Some(client)) if index.has_port(client, port) => {
                Some(session.is_some_and(|session| session.client.port == port))
            }
            _ => None,
        };
        let fields = Fields::of(claim, event, &no_prefixes);
        let same = !fields.path.differs() && !fields.bytes.differs() && !fields.status.differs();
        if same_direction && by_port != Some(false) && same {
            fitting.push(Fit {
                event: at,
                times: times_of(claim, event),
                by_port: by_port == Some(true),
            });
            if fitting.len() > AMBIGUOUS {
                return Vec::new();
            }
        }
    }
    fitting
}

/// Distance in nanoseconds added to events of another second than the line names: they come last.
const OTHER_SECOND: u64 = 1 << 62;

/// A line may be written this much later than the reply that the capture shows.
const WRITING: Span = Span::from_millis(5);

/// Events of one search.
const LOOKED_AT: usize = 512;

/// Events that fit a claim at most, if the claim is to say something about the clock.
const AMBIGUOUS: usize = 128;

/// Claims that are moved to other events for one.
const MAX_MOVES: usize = 48;

/// Claims at either end of a log that are moved.
const MAX_DRAWN: usize = 256;

/// Events that are compared with one claim.
const MAX_CANDIDATES: usize = 16;

/// Events that are tried for one claim.
const MAX_TRIED: usize = 128;

/// A reply may come this much later than the data that a line is about, in nanoseconds.
const FORWARD: i64 = 600_000_000_000;
