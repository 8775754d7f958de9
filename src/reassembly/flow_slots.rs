//! Storage of flows: looked up by endpoints, identified by slot number.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};

use foldhash::fast::RandomState;

use crate::decode::Segment;
use crate::model::{Direction, FlowKey, Span, Timestamp};

use super::FlowSummary;
use super::course::Observed;
use super::flow::Flow;
use super::recent_openings::Key;
use super::sequence::SeqNum;

/// Flows by slot number. A slot is used again after its flow was removed.
#[derive(Debug)]
pub(super) struct FlowSlots {
    /// Never iterated: its order differs from run to run, and would show in reports.
    numbers: HashMap<Key, u32, RandomState>,
    slots: Vec<Slot>,
    free: Vec<u32>,
}

/// Storage of one flow.
#[derive(Debug)]
pub(super) struct Slot {
    key: FlowKey,
    /// Arrival of the latest segment.
    pub(super) last_seen: Timestamp,
    /// Timestamp of the latest segment, also one that the clock does not believe yet.
    pub(super) captured: Timestamp,
    /// Whether the slot is in the table's list of flows with running timers.
    pub(super) has_timer: bool,
    /// Content.
    pub(super) state: State,
}

/// Content of a slot.
#[derive(Debug)]
pub(super) enum State {
    /// Nothing.
    Free,
    /// A flow that is followed.
    Open(Box<Flow>),
    /// Remainder of a flow that is not followed any more.
    Tombstone(Tombstone),
}

/// Remainder of a flow that has ended or is ignored, so that its late segments open no new flow.
#[derive(Debug)]
pub(super) struct Tombstone {
    /// Sequence number of each stream's first byte, by the sender's [`Direction::index`]; `None` if unknown.
    pub(super) starts: [Option<SeqNum>; 2],
    /// End of the flow; `None` for a flow that goes on but is ignored by the handler.
    pub(super) closed: Option<Timestamp>,
    /// Timestamp of the packet with which the flow ended or was ignored, also one that the clock does not believe yet.
    pub(super) ended: Timestamp,
    /// Progress of the opening after a reset that met an unfinished handshake.
    pub(super) refusal: Refusal,
    /// Summary of the flow, in which late packets are counted; `None` unless the flow was open and is over.
    pub(super) summary: Option<Box<FlowSummary>>,
    /// Whether packets came after the end of the flow.
    pub(super) is_late: bool,
}

/// Progress of a connection that was reset before it was open.
///
/// A RST answers a SYN and not the attempt: the initiator may repeat the SYN from the same port, with the same number
/// (Windows does so twice, 500 ms apart), and a SYN ACK then opens the connection (RFC 9293 section 3.10.7.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The connection was open before it ended, or was not reset.
    #[default]
    None,
    /// Reset before it was open.
    Refused,
    /// The same SYN was captured again after that.
    Repeated,
}

impl FlowSlots {
    /// Creates an empty store.
    pub(super) fn new() -> Self {
        // Untouched capacity takes address space but no memory, while growing step by step took measurable time.
        Self {
            numbers: HashMap::with_capacity_and_hasher(INITIAL_CAPACITY, RandomState::default()),
            slots: Vec::with_capacity(INITIAL_CAPACITY),
            free: Vec::new(),
        }
    }

    /// Returns the slot number of the flow between these endpoints.
    #[inline]
    pub(super) fn find(&self, key: FlowKey) -> Option<u32> {
        if self.numbers.is_empty() {
            return None;
        }
        self.numbers.get(&Key(key)).copied()
    }

    /// Returns a slot; `None` for a number that was never given out.
    #[inline]
    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut Slot> {
        self.slots.get_mut(number as usize)
    }

    /// Returns the number of flows, tombstones included.
    pub(super) fn flows(&self) -> usize {
        self.numbers.len()
    }

    /// Returns the number of slots, free ones included: the cost of walking them all.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Stores a flow; returns its slot number.
    pub(super) fn insert(&mut self, key: FlowKey, flow: Flow, now: Timestamp) -> u32 {
        let captured = flow.summary().last.time;
        let state = State::Open(Box::new(flow));
        let number = if let Some(number) = self.free.pop()
            && let Some(slot) = self.slots.get_mut(number as usize)
        {
            slot.key = key;
            slot.last_seen = now;
            slot.captured = captured;
            slot.state = state;
            number
        } else {
            self.slots.push(Slot {
                key,
                last_seen: now,
                captured,
                has_timer: false,
                state,
            });
            u32::try_from(self.slots.len() - 1).expect("the limit on flows fits 32 bits")
        };
        self.numbers.insert(Key(key), number);
        number
    }

    /// Frees a slot.
    pub(super) fn remove(&mut self, number: u32) {
        if let Some(slot) = self.slots.get_mut(number as usize)
            && !matches!(slot.state, State::Free)
        {
            slot.state = State::Free;
            self.numbers.remove(&Key(slot.key));
            self.free.push(number);
        }
    }

    /// Returns the slot numbers of the `wanted` tombstones, given the time since their latest segment.
    pub(super) fn tombstones(
        &self,
        wanted: impl Fn(&Tombstone, Span) -> bool,
        now: Timestamp,
    ) -> Vec<u32> {
        let slots = (0_u32..).zip(&self.slots);
        let found = slots.filter(|(_, slot)| match &slot.state {
            State::Tombstone(tombstone) => wanted(tombstone, now.since(slot.last_seen)),
            State::Open(_) | State::Free => false,
        });
        found.map(|(number, _)| number).collect()
    }

    /// Returns the open flows whose latest segment arrived at a `wanted` time, as that time and the slot number;
    /// ordered by that time, then by first frame.
    pub(super) fn open_flows(&self, wanted: impl Fn(Timestamp) -> bool) -> Vec<(Timestamp, u32)> {
        let mut flows: Vec<_> = self
            .open()
            .filter(|(_, slot, _)| wanted(slot.last_seen))
            .map(|(number, slot, flow)| (slot.last_seen, flow.summary().first.number, number))
            .collect();
        // Sorted: the order in which flows are closed shows in reports.
        flows.sort_unstable();
        flows
            .into_iter()
            .map(|(last_seen, _, number)| (last_seen, number))
            .collect()
    }

    /// Returns the slot numbers of flows with held bytes, most bytes first.
    pub(super) fn holders(&self) -> Vec<u32> {
        let mut flows: Vec<_> = self
            .open()
            .filter(|(_, _, flow)| flow.held_bytes() > 0)
            .map(|(number, _, flow)| {
                (
                    Reverse(flow.held_bytes()),
                    flow.summary().first.number,
                    number,
                )
            })
            .collect();
        flows.sort_unstable();
        flows.into_iter().map(|(_, _, number)| number).collect()
    }

    /// Removes everything.
    pub(super) fn clear(&mut self) {
        self.numbers.clear();
        self.slots.clear();
        self.free.clear();
    }

    fn open(&self) -> impl Iterator<Item = (u32, &Slot, &Flow)> {
        (0_u32..)
            .zip(&self.slots)
            .filter_map(|(number, slot)| match &slot.state {
                State::Open(flow) => Some((number, slot, &**flow)),
                State::Tombstone(_) | State::Free => None,
            })
    }
}

impl Tombstone {
    /// Returns whether late segments of the flow are no longer to be expected at `now`.
    pub(super) fn is_expired(
        &self,
        silent: Span,
        now: Timestamp,
        idle: Span,
        linger: Span,
    ) -> bool {
        match self.closed {
            Some(closed) => now.since(closed) > linger,
            None => silent > idle,
        }
    }

    /// Returns whether `segment` is a SYN or SYN ACK of another connection between the same endpoints. `captured` is the
    /// timestamp of the segment before it.
    ///
    /// The other one may have the same initial sequence number: up to `linger` after the end it is taken for a copy. The
    /// timestamps decide and not the clock, which believes in a pause only after many packets.
    pub(super) fn is_reused_by(
        &self,
        direction: Direction,
        segment: &Segment<'_>,
        captured: Timestamp,
        linger: Span,
    ) -> bool {
        if !segment.flags.syn() || segment.flags.rst() {
            return false;
        }
        let is_later = match self.closed {
            Some(_) => segment.frame.time.since(self.ended) > linger,
            // The handshake may not be complete.
            None => segment.frame.time.since(captured) > LONGEST_OPENING,
        };
        if is_later {
            return true;
        }
        let acknowledges_syn =
            self.starts[direction.reverse().index()] == Some(SeqNum(segment.acknowledgment));
        if self.refusal == Refusal::Repeated && segment.flags.ack() && acknowledges_syn {
            return true;
        }
        match self.starts[direction.index()] {
            Some(start) => start != SeqNum(segment.sequence).plus(1),
            // A late SYN ACK of the same attempt acknowledges the known SYN.
            None => !acknowledges_syn,
        }
    }

    /// Counts a packet after the end of the flow. It moves the state and the history on, but none of its bytes are delivered.
    pub(super) fn on_late(&mut self, direction: Direction, segment: &Segment<'_>) {
        let Some(summary) = self.summary.as_deref_mut() else {
            return;
        };
        self.is_late = true;
        let observed = Observed::of(segment);
        summary
            .course
            .on_packet(direction, &observed, true, &summary.half);
        if segment.frame.number >= summary.last.number {
            summary.last = segment.frame;
        }
        if segment.flags.fin() {
            summary.half[direction.index()].finished = true;
        }
    }

    /// Records a SYN that repeats the one of a refused connection. Returns whether `segment` is one.
    pub(super) fn on_repeated_syn(&mut self, segment: &Segment<'_>) -> bool {
        let repeated = self.refusal != Refusal::None
            && segment.flags.syn()
            && !segment.flags.ack()
            && !segment.flags.rst();
        if repeated {
            self.refusal = Refusal::Repeated;
        }
        repeated
    }
}

/// Flows that began with a SYN, oldest first, as slot number and endpoints. Some have been answered since.
///
/// A SYN flood must not fill the table: of more than 16,384, the oldest unanswered ones are evicted.
#[derive(Debug, Default)]
pub(super) struct HalfOpenQueue {
    flows: VecDeque<(u32, FlowKey)>,
}

impl HalfOpenQueue {
    /// Adds a flow. Returns the oldest one when the queue is full, to be evicted if it is still half open.
    pub(super) fn push(&mut self, number: u32, key: FlowKey) -> Option<(u32, FlowKey)> {
        self.flows.push_back((number, key));
        if self.flows.len() > HALF_OPEN_LIMIT {
            self.flows.pop_front()
        } else {
            None
        }
    }
}

/// Returns whether only one side of a connection has been captured, and that without data.
pub(super) fn is_half_open(summary: &FlowSummary) -> bool {
    let [up, down] = &summary.half;
    summary.established.is_none()
        && (up.segments == 0 || down.segments == 0)
        && [up, down]
            .iter()
            .all(|half| half.first_data.is_none() && half.fin.is_none())
}

/// Returns whether nothing has been captured from one of the sides, as with all traffic from forged addresses.
pub(super) fn is_one_sided(summary: &FlowSummary) -> bool {
    summary.half.iter().any(|half| half.segments == 0)
}

/// Longest time over which a SYN is sent again: Linux gives up after 127 s with six retransmissions, its default.
pub(super) const LONGEST_OPENING: Span = Span::from_secs(127);

/// Flows allocated at the start.
const INITIAL_CAPACITY: usize = 48 << 10;

/// Flows that may be half open at once.
const HALF_OPEN_LIMIT: usize = 16_384;
