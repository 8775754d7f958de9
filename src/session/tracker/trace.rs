//! Segments of each connection, for diagrams.
//!
//! Of a long transfer the first and last segments are kept. Those between are folded into counts as they pass, so that
//! memory does not grow with the length of the capture.

use std::collections::VecDeque;

use crate::decode::Segment;
use crate::model::trace::{
    Folded, Novelty, SegmentFlags, TracedConnection, TracedPayload, TracedSegment, Tracing,
};
use crate::model::{Direction, FlowKey, FrameRef, Limits, Span, Timestamp};
use crate::reassembly::{FlowId, FlowSummary};

/// Segments of all open connections.
#[derive(Debug)]
pub(super) struct Traces {
    /// All segments are traced, not only those that open or close a connection.
    packets: bool,
    /// Indexed by flow number; `None` for a flow that is closed or unrelated.
    flows: Vec<Option<Box<Trace>>>,
    /// Segments that may still be kept, of all connections.
    quota: usize,
}

/// Segments of one connection.
#[derive(Debug)]
struct Trace {
    key: FlowKey,
    /// By [`Direction::index`].
    halves: [TracedHalf; 2],
    /// Segments in capture order: all, but only the first [`HEAD`] of a data connection.
    segments: Vec<TracedSegment>,
    /// Latest segments of a data connection after its first [`HEAD`].
    tail: VecDeque<TracedSegment>,
    /// Counts of the segments between `segments` and `tail`; `None` if there are none.
    folded: Option<Folded>,
    /// Segments dropped once the quota was used up.
    omitted: u64,
}

/// Sequence numbers and payload of one direction.
#[derive(Debug, Default)]
struct TracedHalf {
    /// Sequence number shown as 0; `None` before the first segment of either direction that reveals it.
    base: Option<u32>,
    /// Sequence number after the last byte seen; `None` before the first segment.
    next: Option<u32>,
    /// Sequence numbers passed over, as half-open ranges.
    holes: Vec<[u32; 2]>,
    /// Last segment that occupied sequence numbers; `None` before the first.
    last: Option<LastSegment>,
    payload: TracedPayload,
}

/// Marks by which a segment captured twice is recognized.
#[derive(Clone, Copy, Debug)]
struct LastSegment {
    /// IPv4 identification, 0 for IPv6.
    identification: u16,
    sequence: u32,
    time: Timestamp,
}

impl Traces {
    /// Creates an empty set of traces; `None` if no diagram is wanted.
    pub(super) fn if_wanted(tracing: Tracing, limits: &Limits) -> Option<Self> {
        (tracing != Tracing::Off).then(|| Self {
            packets: tracing == Tracing::Packets,
            flows: Vec::new(),
            quota: limits.traced_segments,
        })
    }

    /// Begins the trace of a connection, in place of an earlier one with this number.
    pub(super) fn begin(&mut self, flow: FlowId, key: FlowKey) {
        let index = flow.0 as usize;
        if index >= self.flows.len() {
            self.flows.resize_with(index + 1, Option::default);
        }
        if let Some(slot) = self.flows.get_mut(index) {
            self.quota += slot.take().map_or(0, |trace| trace.len());
            *slot = Some(Box::new(Trace {
                key,
                halves: Default::default(),
                segments: Vec::new(),
                tail: VecDeque::new(),
                folded: None,
                omitted: 0,
            }));
        }
    }

    /// Adds a segment. Those in the middle of a data connection are folded.
    pub(super) fn segment(
        &mut self,
        flow: FlowId,
        direction: Direction,
        segment: &Segment<'_>,
        is_data: bool,
    ) {
        let Some(Some(trace)) = self.flows.get_mut(flow.0 as usize) else {
            return;
        };
        let traced = trace.count(direction, segment);
        let flags = traced.flags;
        if !(self.packets || flags.syn || flags.fin || flags.rst) {
            return;
        }
        // Counted all the same, so that the diagram says how many it lacks.
        if self.quota == 0 {
            trace.omitted += 1;
            return;
        }
        self.quota -= 1;
        if !is_data || trace.segments.len() < HEAD {
            trace.segments.push(traced);
            return;
        }
        trace.tail.push_back(traced);
        if trace.tail.len() > TAIL
            && let Some(oldest) = trace.tail.pop_front()
        {
            self.quota += usize::from(!trace.fold(oldest));
        }
    }

    /// Drops the trace of an unrelated connection.
    pub(super) fn discard(&mut self, flow: FlowId) {
        if let Some(slot) = self.flows.get_mut(flow.0 as usize) {
            self.quota += slot.take().map_or(0, |trace| trace.len());
        }
    }

    /// Completes the trace of a closed connection; `None` if it was not traced.
    ///
    /// `summary` gives the frames of a handshake that passed before the connection was in the flow table. `control_of`
    /// and `data_of` are the sessions it belongs to.
    pub(super) fn end(
        &mut self,
        flow: FlowId,
        control_of: Option<u64>,
        data_of: [Option<u64>; 2],
        summary: &FlowSummary,
    ) -> Option<TracedConnection> {
        let mut trace = self.flows.get_mut(flow.0 as usize)?.take()?;
        // The receiver has a bound of its own.
        self.quota += trace.len();
        let mut segments = std::mem::take(&mut trace.segments);
        segments.extend(trace.tail.drain(..));
        Trace::add_opening(&mut segments, summary, self.packets);
        segments.shrink_to_fit();
        Some(TracedConnection {
            key: trace.key,
            control_of,
            data_of,
            first: summary.first,
            last: summary.last,
            segments,
            folded: trace.folded,
            omitted: trace.omitted,
            payload: [trace.halves[0].payload, trace.halves[1].payload],
        })
    }
}

impl Trace {
    fn len(&self) -> usize {
        self.segments.len() + self.tail.len()
    }

    /// Counts a segment and returns it as a diagram shows it, with numbers relative to the first of each direction.
    fn count(&mut self, direction: Direction, segment: &Segment<'_>) -> TracedSegment {
        let flags = SegmentFlags {
            syn: segment.flags.syn(),
            ack: segment.flags.ack(),
            fin: segment.flags.fin(),
            rst: segment.flags.rst(),
        };
        if flags.ack && !flags.rst {
            // Of a connection joined later, the first ACK seen reveals the other direction's numbers.
            let other = &mut self.halves[direction.reverse().index()];
            let acknowledged = segment.acknowledgment;
            other.base.get_or_insert(acknowledged.wrapping_sub(1));
        }
        let half = &mut self.halves[direction.index()];
        let before = if flags.syn {
            segment.sequence
        } else {
            segment.sequence.wrapping_sub(1)
        };
        let base = *half.base.get_or_insert(before);
        let novelty = half.count(segment, flags);
        let acknowledgment = match self.halves[direction.reverse().index()].base {
            Some(base) if flags.ack => segment.acknowledgment.wrapping_sub(base),
            _ => 0,
        };
        TracedSegment {
            frame: segment.frame,
            direction,
            flags,
            sequence: segment.sequence.wrapping_sub(base),
            acknowledgment,
            window: segment.window,
            bytes: segment.wire_len(),
            novelty,
        }
    }

    /// Folds a segment into the counts, or keeps it if it opens or closes the connection. Returns whether it was kept.
    fn fold(&mut self, segment: TracedSegment) -> bool {
        let flags = segment.flags;
        if (flags.syn || flags.fin || flags.rst) && self.segments.len() < HEAD + KEPT {
            self.segments.push(segment);
            return true;
        }
        let folded = self.folded.get_or_insert(Folded {
            first: segment.frame,
            last: segment.frame,
            segments: 0,
            bytes: [0; 2],
            again: 0,
        });
        folded.last = segment.frame;
        folded.segments += 1;
        match segment.novelty {
            Novelty::New | Novelty::Late => {
                folded.bytes[segment.direction.index()] += u64::from(segment.bytes);
            }
            Novelty::Again => folded.again += 1,
            Novelty::Copy => {}
        }
        false
    }

    /// Adds segments of the handshake that passed before the connection was in the flow table.
    fn add_opening(segments: &mut Vec<TracedSegment>, summary: &FlowSummary, packets: bool) {
        let Some(initiator) = summary.initiator else {
            return;
        };
        let seen = |frame: FrameRef, segments: &[TracedSegment]| {
            segments
                .iter()
                .any(|segment| segment.frame.number == frame.number)
        };
        let bare = |frame, direction: Direction, flags| TracedSegment {
            frame,
            direction,
            flags,
            sequence: u32::from(!matches!(flags, SegmentFlags { syn: true, .. })),
            acknowledgment: u32::from(flags.ack),
            window: u16::MAX,
            bytes: 0,
            novelty: Novelty::New,
        };
        for (direction, ack) in [(initiator, false), (initiator.reverse(), true)] {
            if let Some(frame) = summary.sent(direction).syn
                && !seen(frame, segments)
            {
                let flags = SegmentFlags {
                    syn: true,
                    ack,
                    ..SegmentFlags::default()
                };
                segments.push(bare(frame, direction, flags));
            }
        }
        if packets
            && let Some(frame) = summary.established
            && frame.number < first_number(segments, initiator)
        {
            let flags = SegmentFlags {
                ack: true,
                ..SegmentFlags::default()
            };
            segments.push(bare(frame, initiator, flags));
        }
        segments.sort_by_key(|segment| segment.frame.number);
    }
}

/// Returns the number of the initiator's first frame after its SYN, [`u64::MAX`] if there is none.
fn first_number(segments: &[TracedSegment], initiator: Direction) -> u64 {
    let mut others = segments.iter().filter(|segment| !segment.flags.syn);
    let from_initiator = others.find(|segment| segment.direction == initiator);
    from_initiator.map_or(u64::MAX, |segment| segment.frame.number)
}

impl TracedHalf {
    /// Counts the payload of a segment and returns whether it is new.
    fn count(&mut self, segment: &Segment<'_>, flags: SegmentFlags) -> Novelty {
        let length = segment.wire_len();
        let from = segment.sequence.wrapping_add(u32::from(flags.syn));
        let to = from.wrapping_add(length);
        let after = to.wrapping_add(u32::from(flags.fin));
        let next = *self.next.get_or_insert(from);
        if flags.rst {
            // A RST may carry sequence number 0 (RFC 9293 section 3.5.2), which would look like a hole.
            return Novelty::New;
        }
        let occupies = length > 0 || flags.fin || flags.syn;
        let novelty = if !occupies {
            Novelty::New
        } else if self.is_copy(segment, from) {
            Novelty::Copy
        } else if is_before(next, after) {
            if is_before(next, from) && self.holes.len() < HOLES {
                self.holes.push([next, from]);
            }
            self.next = Some(after);
            Novelty::New
        } else if self.fill(from, to) {
            Novelty::Late
            // The first SYN: `next` was just set to the number after it.
        } else if flags.syn && self.payload.segments == 0 && after == next && self.last.is_none() {
            Novelty::New
        } else {
            Novelty::Again
        };
        if occupies {
            self.last = Some(LastSegment {
                identification: segment.identification,
                sequence: from,
                time: segment.frame.time,
            });
        }
        if length > 0 && novelty != Novelty::Copy {
            self.payload.segments += 1;
            self.payload.first.get_or_insert(segment.frame);
            self.payload.last = Some(segment.frame);
            match novelty {
                // A retransmission that carries new bytes as well: only those beyond the known end count.
                Novelty::New if is_before(from, next) => {
                    self.payload.bytes += u64::from(to.wrapping_sub(next));
                }
                Novelty::New | Novelty::Late => self.payload.bytes += u64::from(length),
                Novelty::Again | Novelty::Copy => self.payload.again += 1,
            }
        }
        novelty
    }

    /// Returns whether the capture has this very packet already, as it has with a mirror port for both directions.
    fn is_copy(&self, segment: &Segment<'_>, from: u32) -> bool {
        // Without an identification a copy cannot be distinguished from a retransmission.
        segment.identification != 0
            && self.last.is_some_and(|last| {
                last.identification == segment.identification
                    && last.sequence == from
                    && segment.frame.time.since(last.time) <= COPY
            })
    }

    /// Fills holes with the range of a segment. Returns whether it filled a part of any.
    fn fill(&mut self, from: u32, to: u32) -> bool {
        let mut filled = false;
        let mut left = Vec::new();
        for [start, end] in self.holes.drain(..) {
            if is_before(start, to) && is_before(from, end) {
                filled = true;
                if is_before(start, from) {
                    left.push([start, from]);
                }
                if is_before(to, end) {
                    left.push([to, end]);
                }
            } else {
                left.push([start, end]);
            }
        }
        // Splitting a hole adds one.
        left.truncate(HOLES);
        self.holes = left;
        filled
    }
}

/// Returns whether sequence number `a` precedes `b` modulo 2^32 (RFC 9293 section 3.4).
const fn is_before(a: u32, b: u32) -> bool {
    let distance = b.wrapping_sub(a);
    distance != 0 && distance < 1 << 31
}

/// First segments kept of a data connection: its handshake, and enough to see how it goes.
const HEAD: usize = 24;

/// Last segments kept of a data connection.
const TAIL: usize = 8;

/// Bound on SYN, FIN and RST segments kept between them.
const KEPT: usize = 64;

/// Bound on holes watched in one direction.
const HOLES: usize = 16;

/// Time within which the same packet again is a second copy made by the capture.
const COPY: Span = Span::from_millis(10);
