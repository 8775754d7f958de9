//! Where flows are kept: found by their ends, named by their place.

use std::cmp::Reverse;
use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::decode::Segment;
use crate::model::{Direction, FlowKey, Span, Timestamp};

use super::flow::Flow;
use super::recent_openings::Key;
use super::sequence::SeqNum;

/// Flows by place. A place is used again after its flow was removed.
#[derive(Debug)]
pub(super) struct FlowSlots {
    /// Never iterated: its order differs from run to run.
    places: HashMap<Key, u32, RandomState>,
    slots: Vec<Slot>,
    free: Vec<u32>,
}

/// One place.
#[derive(Debug)]
pub(super) struct Slot {
    key: FlowKey,
    /// When its last segment came.
    pub(super) last_seen: Timestamp,
    /// The place is in the list of those in which time may decide something.
    pub(super) in_attention: bool,
    /// What is kept there.
    pub(super) state: State,
}

/// What a place holds.
#[derive(Debug)]
pub(super) enum State {
    /// Nothing.
    Free,
    /// A flow that is followed.
    Open(Box<Flow>),
    /// A flow of which nothing is told any more.
    Quiet(Quiet),
}

/// What is remembered of a flow that has ended or is ignored, so that its segments open no new one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quiet {
    /// Where each sender's stream starts.
    pub(super) starts: [Option<SeqNum>; 2],
    /// When it ended; `None` for one that goes on but that the handler ignores.
    pub(super) closed: Option<Timestamp>,
}

impl FlowSlots {
    /// No flows. What is not used of the room is never touched, so that it takes no memory; growing to it took time.
    pub(super) fn new() -> Self {
        Self {
            places: HashMap::with_capacity_and_hasher(ROOM, RandomState::default()),
            slots: Vec::with_capacity(ROOM),
            free: Vec::new(),
        }
    }

    /// The place of the flow between these ends.
    #[inline]
    pub(super) fn find(&self, key: FlowKey) -> Option<u32> {
        if self.places.is_empty() {
            return None;
        }
        self.places.get(&Key(key)).copied()
    }

    /// What is at a place.
    #[inline]
    pub(super) fn get_mut(&mut self, place: u32) -> Option<&mut Slot> {
        self.slots.get_mut(place as usize)
    }

    /// Flows kept, those that have ended and are remembered included.
    pub(super) fn flows(&self) -> usize {
        self.places.len()
    }

    /// Places, free ones included: what looking at all of them costs.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Keeps a flow.
    pub(super) fn insert(&mut self, key: FlowKey, flow: Flow, now: Timestamp) -> u32 {
        let state = State::Open(Box::new(flow));
        let place = if let Some(place) = self.free.pop()
            && let Some(slot) = self.slots.get_mut(place as usize)
        {
            slot.key = key;
            slot.last_seen = now;
            slot.state = state;
            place
        } else {
            self.slots.push(Slot {
                key,
                last_seen: now,
                in_attention: false,
                state,
            });
            u32::try_from(self.slots.len() - 1).expect("the bound on flows fits 32 bits")
        };
        self.places.insert(Key(key), place);
        place
    }

    /// Forgets what is at a place.
    pub(super) fn remove(&mut self, place: u32) {
        if let Some(slot) = self.slots.get_mut(place as usize)
            && !matches!(slot.state, State::Free)
        {
            slot.state = State::Free;
            self.places.remove(&Key(slot.key));
            self.free.push(place);
        }
    }

    /// Forgets the quiet flows that are `over`, given how long they were silent.
    pub(super) fn forget_quiet(&mut self, over: impl Fn(&Quiet, Span) -> bool, now: Timestamp) {
        for place in 0..u32::try_from(self.slots.len()).unwrap_or(u32::MAX) {
            if let Some(slot) = self.slots.get(place as usize)
                && let State::Quiet(quiet) = &slot.state
                && over(quiet, now.since(slot.last_seen))
            {
                self.remove(place);
            }
        }
    }

    /// When the open flows that were last seen at a `wanted` time were seen, and their places; the one seen longest ago
    /// first, of several the one that began first.
    pub(super) fn open_flows(&self, wanted: impl Fn(Timestamp) -> bool) -> Vec<(Timestamp, u32)> {
        let mut flows: Vec<_> = self
            .open()
            .filter(|(_, slot, _)| wanted(slot.last_seen))
            .map(|(place, slot, flow)| (slot.last_seen, flow.summary().first.number, place))
            .collect();
        flows.sort_unstable();
        flows
            .into_iter()
            .map(|(last_seen, _, place)| (last_seen, place))
            .collect()
    }

    /// The places of flows with bytes that wait, those with most of them first.
    pub(super) fn holders(&self) -> Vec<u32> {
        let mut flows: Vec<_> = self
            .open()
            .filter(|(_, _, flow)| flow.held_bytes() > 0)
            .map(|(place, _, flow)| {
                (
                    Reverse(flow.held_bytes()),
                    flow.summary().first.number,
                    place,
                )
            })
            .collect();
        flows.sort_unstable();
        flows.into_iter().map(|(_, _, place)| place).collect()
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.places.clear();
        self.slots.clear();
        self.free.clear();
    }

    fn open(&self) -> impl Iterator<Item = (u32, &Slot, &Flow)> {
        (0_u32..)
            .zip(&self.slots)
            .filter_map(|(place, slot)| match &slot.state {
                State::Open(flow) => Some((place, slot, &**flow)),
                State::Quiet(_) | State::Free => None,
            })
    }
}

impl Quiet {
    /// True once late segments are no longer to be expected.
    pub(super) fn is_over(&self, silent: Span, now: Timestamp, idle: Span, linger: Span) -> bool {
        match self.closed {
            Some(closed) => now.since(closed) > linger,
            None => silent > idle,
        }
    }

    /// True for a SYN or SYN ACK of another connection between the same ends.
    pub(super) fn is_reused_by(&self, direction: Direction, segment: &Segment<'_>) -> bool {
        if !segment.flags.syn() || segment.flags.rst() {
            return false;
        }
        match self.starts[direction.index()] {
            Some(start) => start != SeqNum(segment.sequence).plus(1),
            // A late SYN ACK of the same attempt answers the SYN that is known.
            None => {
                self.starts[direction.reverse().index()] != Some(SeqNum(segment.acknowledgment))
            }
        }
    }
}

/// Flows for which there is room from the beginning.
const ROOM: usize = 48 << 10;
