//! Connections segment by segment, for diagrams.
//!
//! Of long transfers the beginning and the end are kept; what lies between is folded into counts as it passes, so that a
//! capture of any length needs little memory.

use std::collections::VecDeque;

use crate::decode::Segment;
use crate::model::trace::{
    Folded, Novelty, SegmentFlags, TracedConnection, TracedPayload, TracedSegment, Tracing,
};
use crate::model::{Direction, FlowKey, FrameRef, Limits, Span, Timestamp};
use crate::reassembly::{FlowId, FlowSummary};

/// The segments of all connections that are open.
#[derive(Debug)]
pub(crate) struct Traces {
    packets: bool,
    flows: Vec<Option<Box<Trace>>>,
    /// Segments that may still be kept.
    room: usize,
}

/// One connection.
#[derive(Debug)]
struct Trace {
    key: FlowKey,
    ways: [Way; 2],
    segments: Vec<TracedSegment>,
    /// The latest segments of a data connection.
    tail: VecDeque<TracedSegment>,
    folded: Option<Folded>,
    omitted: u64,
}

/// What is known of one direction.
#[derive(Debug, Default)]
struct Way {
    /// The number that counts as 0.
    base: Option<u32>,
    /// The number after the last byte seen.
    next: Option<u32>,
    /// Numbers that were passed over: from, to.
    holes: Vec<[u32; 2]>,
    /// Identification, number and time of the last segment with payload.
    last: Option<(u16, u32, Timestamp)>,
    payload: TracedPayload,
}

impl Traces {
    /// Nothing where nothing is asked for.
    pub(crate) fn asked_for(tracing: Tracing, limits: &Limits) -> Option<Self> {
        (tracing != Tracing::Off).then(|| Self {
            packets: tracing == Tracing::Packets,
            flows: Vec::new(),
            room: limits.traced_segments,
        })
    }

    /// A connection begins under this number.
    pub(crate) fn begin(&mut self, flow: FlowId, key: FlowKey) {
        let place = flow.0 as usize;
        if place >= self.flows.len() {
            self.flows.resize_with(place + 1, Option::default);
        }
        if let Some(slot) = self.flows.get_mut(place) {
            self.room += slot.take().map_or(0, |trace| trace.len());
            *slot = Some(Box::new(Trace {
                key,
                ways: Default::default(),
                segments: Vec::new(),
                tail: VecDeque::new(),
                folded: None,
                omitted: 0,
            }));
        }
    }

    /// One segment. The midst of data connections is folded.
    pub(crate) fn segment(
        &mut self,
        flow: FlowId,
        direction: Direction,
        segment: &Segment<'_>,
        is_data: bool,
    ) {
        let Some(Some(trace)) = self.flows.get_mut(flow.0 as usize) else {
            return;
        };
        let traced = trace.note(direction, segment);
        let flags = traced.flags;
        if !(self.packets || flags.syn || flags.fin || flags.rst) {
            return;
        }
        if self.room == 0 {
            trace.omitted += 1;
            return;
        }
        self.room -= 1;
        if !is_data || trace.segments.len() < HEAD {
            trace.segments.push(traced);
            return;
        }
        trace.tail.push_back(traced);
        if trace.tail.len() > TAIL
            && let Some(oldest) = trace.tail.pop_front()
        {
            self.room += usize::from(!trace.fold(oldest));
        }
    }

    /// The connection is none of ours.
    pub(crate) fn forget(&mut self, flow: FlowId) {
        if let Some(slot) = self.flows.get_mut(flow.0 as usize) {
            self.room += slot.take().map_or(0, |trace| trace.len());
        }
    }

    /// The connection is over. What was known of its opening before it was followed comes from `summary`.
    pub(crate) fn end(
        &mut self,
        flow: FlowId,
        control_of: Option<u64>,
        data_of: [Option<u64>; 2],
        summary: &FlowSummary,
    ) -> Option<TracedConnection> {
        let mut trace = self.flows.get_mut(flow.0 as usize)?.take()?;
        // Whoever takes them bounds what it keeps of them.
        self.room += trace.len();
        let mut segments = std::mem::take(&mut trace.segments);
        segments.extend(trace.tail.drain(..));
        Trace::add_opening(&mut segments, summary, self.packets);
        segments.shrink_to_fit();
        Some(TracedConnection {
            key: trace.key,
            control_of,
            data_of,
            first: summary.first,
            segments,
            folded: trace.folded,
            omitted: trace.omitted,
            payload: [trace.ways[0].payload, trace.ways[1].payload],
        })
    }
}

impl Trace {
    fn len(&self) -> usize {
        self.segments.len() + self.tail.len()
    }

    /// Counts a segment, and says what a diagram shows of it.
    fn note(&mut self, direction: Direction, segment: &Segment<'_>) -> TracedSegment {
        let flags = SegmentFlags {
            syn: segment.flags.syn(),
            ack: segment.flags.ack(),
            fin: segment.flags.fin(),
            rst: segment.flags.rst(),
        };
        if flags.ack && !flags.rst {
            let other = &mut self.ways[direction.reverse().index()];
            let acknowledged = segment.acknowledgment;
            other.base.get_or_insert(acknowledged.wrapping_sub(1));
        }
        let way = &mut self.ways[direction.index()];
        let before = if flags.syn {
            segment.sequence
        } else {
            segment.sequence.wrapping_sub(1)
        };
        let base = *way.base.get_or_insert(before);
        let novelty = way.note(segment, flags);
        let acknowledgment = match self.ways[direction.reverse().index()].base {
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

    /// Counts a segment in place of keeping it, unless it opens or closes the connection. True where it was kept.
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

    /// Segments of the opening that were seen before the connection was followed.
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

/// Number of the initiator's first frame after its SYN.
fn first_number(segments: &[TracedSegment], initiator: Direction) -> u64 {
    let mut others = segments.iter().filter(|segment| !segment.flags.syn);
    let from_initiator = others.find(|segment| segment.direction == initiator);
    from_initiator.map_or(u64::MAX, |segment| segment.frame.number)
}

impl Way {
    /// Counts the payload, and says whether it is new.
    fn note(&mut self, segment: &Segment<'_>, flags: SegmentFlags) -> Novelty {
        let length = segment.wire_len();
        let from = segment.sequence.wrapping_add(u32::from(flags.syn));
        let to = from.wrapping_add(length);
        let after = to.wrapping_add(u32::from(flags.fin));
        let next = *self.next.get_or_insert(from);
        if flags.rst {
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
        } else if flags.syn && self.payload.segments == 0 && after == next && self.last.is_none() {
            Novelty::New
        } else {
            Novelty::Again
        };
        if occupies {
            self.last = Some((segment.identification, from, segment.frame.time));
        }
        if length > 0 && novelty != Novelty::Copy {
            self.payload.segments += 1;
            self.payload.first.get_or_insert(segment.frame);
            self.payload.last = Some(segment.frame);
            match novelty {
                Novelty::New if is_before(from, next) => {
                    self.payload.bytes += u64::from(to.wrapping_sub(next));
                }
                Novelty::New | Novelty::Late => self.payload.bytes += u64::from(length),
                Novelty::Again | Novelty::Copy => self.payload.again += 1,
            }
        }
        novelty
    }

    /// Whether the capture saw this very packet before.
    fn is_copy(&self, segment: &Segment<'_>, from: u32) -> bool {
        segment.identification != 0
            && self.last.is_some_and(|(identification, number, time)| {
                identification == segment.identification
                    && number == from
                    && segment.frame.time.since(time) <= COPY
            })
    }

    /// Takes what the segment has out of the holes; true where it had any of them.
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
        left.truncate(HOLES);
        self.holes = left;
        filled
    }
}

/// Order of sequence numbers, which wrap (RFC 9293 section 3.4).
const fn is_before(a: u32, b: u32) -> bool {
    let distance = b.wrapping_sub(a);
    distance != 0 && distance < 1 << 31
}

/// Segments kept of the beginning of a data connection: its opening, and enough to see how it goes.
const HEAD: usize = 24;
/// Segments kept of its end.
const TAIL: usize = 8;
/// Segments kept that open or close it in the midst of a transfer.
const KEPT: usize = 64;
/// Holes watched in one direction.
const HOLES: usize = 16;
/// Within this time the same packet again is a second copy that the capture made.
const COPY: Span = Span::from_millis(10);
