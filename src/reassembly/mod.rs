//! Turns TCP segments into ordered bytes, one stream for each direction.
//!
//! In: [`Segment`]s from `decode`, each with its [`Moment`], and ticks. Out: calls to a [`StreamHandler`] with
//! [`Chunk`]s, [`Gap`]s and the [`FlowSummary`].
//!
//! ```text
//! Segment -> flow_table -> flow -> half_stream (x2) -> delivery -> StreamHandler
//!            |   |         |        |   |   |   |  └ receiver_side: acknowledgments and windows of the other side
//!            |   |         |        |   |   |   ├ checksums: which segments are damaged
//!            |   |         |        |   |   |   └ hole_watch: decides when a hole becomes a gap
//!            |   |         |        |   |   └ held_segments: bytes before their turn, the only copy
//!            |   |         |        |   └ history: bytes delivered last, to compare with retransmissions
//!            |   |         |        └ measurements: pauses, closed windows, bytes lost by the capture
//!            |   |         ├ course: counts of packets, state and history, in Zeek's words
//!            |   |         ├ early_segments: segments captured before the bytes they acknowledge
//!            |   |         └ second_copies: segments captured twice
//!            |   ├ flow_slots: flows by endpoints, tombstones of closed ones
//!            |   └ budget: limits that all flows share
//!            └ recent_openings: handshakes of flows not followed yet
//! ```
//!
//! # Guarantees
//!
//! - Offsets of one direction are contiguous: every byte is in exactly one chunk or gap, and no two chunks are joined
//!   over missing bytes.
//! - The bytes captured first are delivered; later bytes with another value are counted as conflicting. A damaged segment
//!   is delivered only once the receiver acknowledges it without a copy.
//! - A flow costs memory only once [`StreamHandler::admit`] returns true. All memory is bounded by
//!   [`Limits`](crate::model::Limits).
//! - All time is capture time, from one [`CaptureClock`]. The same segments give the same calls.

mod budget;
mod capture_clock;
mod checksums;
mod course;
mod delivery;
mod early_segments;
mod flow;
mod flow_slots;
mod flow_table;
mod half_stream;
mod held_segments;
mod history;
mod hole_watch;
mod measurements;
mod receiver_side;
mod recent_openings;
mod samples;
mod second_copies;
mod sequence;
#[cfg(test)]
mod tests;

use crate::decode::Segment;
use crate::model::{CaptureSpans, Direction, FlowKey, FrameRef, Span};

pub use capture_clock::{CaptureClock, Moment};
pub use course::{Copies, Course};
pub use flow_table::FlowTable;
pub use measurements::{Measurements, Pause, Progress};
pub use samples::{Sample, Samples};

/// Number of a flow in the table, from `opened` to `closed`; then used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(pub u32);

/// Ordered bytes of one direction.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    /// The current packet: the frame that made these bytes deliverable.
    pub frame: FrameRef,
    /// The frame in which they were captured; earlier than `frame` for held bytes.
    pub arrived: FrameRef,
    /// Stream offset of the first byte. Offset 0 is the byte after SYN or, without a captured handshake, the first one
    /// known.
    pub offset: u64,
    /// The bytes, never empty.
    pub bytes: &'a [u8],
    /// Captured before the bytes they acknowledge, and held until those were captured: frame order is not the order of
    /// sending.
    pub waited: bool,
}

/// Bytes that will not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The frame that decided it.
    pub frame: FrameRef,
    /// Stream offset of the first missing byte.
    pub offset: u64,
    /// Number of missing bytes, never 0.
    pub length: u64,
}

/// The handler's demand on a flow from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Ordered bytes.
    Bytes,
    /// Nothing more, not even [`StreamHandler::closed`]. Buffers are dropped; a tombstone remains until the flow is
    /// idle, so that its segments are not offered to [`StreamHandler::admit`] again.
    Ignore,
}

/// Cause of the end of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// Both directions ended with FIN and both FINs were acknowledged. With one captured side, its FIN and the linger
    /// time are enough.
    Fin,
    /// RST, sent in this direction.
    Reset(Direction),
    /// A new connection between the same endpoints.
    Reused,
    /// Silence for longer than the flow's limit, or eviction from a full table.
    Expired,
    /// End of the input.
    InputEnd,
}

/// Facts about one direction of a flow beside its bytes.
#[derive(Clone, Debug, Default)]
pub struct HalfSummary {
    /// SYN or SYN ACK of this sender; `None` if not captured.
    pub syn: Option<FrameRef>,
    /// Sequence number of the stream's first byte, from SYN or the handshake's acknowledgment; `None` unless known. If it is,
    /// no byte before the first captured one can be missing unnoticed.
    pub start: Option<u32>,
    /// Sequence number of stream offset 0, known or assumed; `None` before the first byte.
    pub origin: Option<u32>,
    /// First segment with payload; `None` before it.
    pub first_data: Option<FrameRef>,
    /// Segment with FIN; `None` before it.
    pub fin: Option<FrameRef>,
    /// Whether all bytes up to FIN have been delivered or declared missing.
    pub finished: bool,
    /// Whether bytes are held behind a hole: captured, and not delivered yet.
    pub held: bool,
    /// Segments captured from this sender.
    pub segments: u64,
    /// Payload bytes delivered, each once.
    pub delivered_bytes: u64,
    /// Payload bytes captured again, without those of packets that the capture itself has twice.
    pub retransmitted_bytes: u64,
    /// Times and windows.
    pub measured: Measurements,
    irregular: Option<Box<Irregular>>,
}

/// Anomaly counters, allocated on the first anomaly: there may be very many flows.
#[derive(Clone, Debug, Default)]
pub struct Irregular {
    /// Segment with RST; `None` without one.
    pub rst: Option<FrameRef>,
    /// Evidence of a FIN that was not captured, once the connection is over: the segment of the other side that
    /// acknowledged one more than the captured bytes. `None` if FIN was captured or there is no such segment.
    pub fin_acknowledged: Option<FrameRef>,
    /// Payload bytes declared missing.
    pub missing_bytes: u64,
    /// Bytes captured again with another value; the first were kept.
    pub conflicting_bytes: u64,
    /// First segment with conflicting bytes; `None` without one.
    pub first_conflict: Option<FrameRef>,
    /// Payload bytes not delivered because they lay outside the window or after the end of the stream.
    pub ignored_bytes: u64,
}

impl HalfSummary {
    /// Returns the anomaly counters; all zero before the first anomaly.
    #[must_use]
    pub fn irregular(&self) -> &Irregular {
        self.irregular.as_deref().unwrap_or(&REGULAR)
    }

    fn irregular_mut(&mut self) -> &mut Irregular {
        self.irregular.get_or_insert_default()
    }
}

/// Anomaly counters of a direction without anomalies.
static REGULAR: Irregular = Irregular {
    rst: None,
    fin_acknowledged: None,
    missing_bytes: 0,
    conflicting_bytes: 0,
    first_conflict: None,
    ignored_bytes: 0,
};

/// Facts about a flow beside its bytes.
#[derive(Debug)]
pub struct FlowSummary {
    /// The two endpoints.
    pub key: FlowKey,
    /// Direction of the SYN, also deduced from a SYN ACK alone. `None` if no handshake was captured.
    pub initiator: Option<Direction>,
    /// First packet.
    pub first: FrameRef,
    /// Latest packet.
    pub last: FrameRef,
    /// First and last packet in each capture; `None` while all packets are in the capture of the first.
    pub spans: Option<Box<CaptureSpans>>,
    /// First ACK of the initiator after SYN ACK, which completes the handshake; `None` before it, and if there was no
    /// handshake.
    pub established: Option<FrameRef>,
    /// Both directions, by [`Direction::index`].
    pub half: [HalfSummary; 2],
    /// Counts and course of its packets.
    pub course: Course,
    /// Its progress over time; `None` if it is not sampled.
    pub samples: Option<Box<Samples>>,
}

impl Clone for FlowSummary {
    fn clone(&self) -> Self {
        // Written out: the derived clone of an array is a loop that shows in profiles.
        let [up, down] = &self.half;
        Self {
            half: [up.clone(), down.clone()],
            course: self.course.clone(),
            spans: self.spans.clone(),
            samples: self.samples.clone(),
            ..*self
        }
    }
}

impl FlowSummary {
    /// Returns the half that is sent in `direction`.
    #[must_use]
    pub const fn sent(&self, direction: Direction) -> &HalfSummary {
        &self.half[direction.index()]
    }

    /// Records the capture of a packet, before it becomes the latest.
    #[inline]
    fn note_capture(&mut self, frame: FrameRef) {
        if self.spans.is_some() || frame.capture() != self.first.capture() {
            self.note_span(frame);
        }
    }

    #[cold]
    fn note_span(&mut self, frame: FrameRef) {
        let (first, last) = (self.first, self.last);
        let spans = self.spans.get_or_insert_with(|| {
            let mut spans = Box::<CaptureSpans>::default();
            spans.note(first);
            spans.note(last);
            spans
        });
        spans.note(frame);
    }
}

/// Receiver of ordered bytes. One object owns the state of all flows; `summary` is up to date at each call.
///
/// Calls for one flow come in the order `opened`, then any of the others, then `closed`.
pub trait StreamHandler {
    /// Decides whether the flow of a segment that is not in the table is followed from here on.
    ///
    /// Called for every segment of unrelated traffic, so that it has to be cheap.
    fn admit(&mut self, segment: &Segment<'_>) -> bool;
    /// Called when a flow enters the table, before its first segment is handled.
    fn opened(&mut self, flow: FlowId, summary: &FlowSummary) -> Interest;
    /// Called for each segment of a followed flow, before the calls for its bytes.
    #[inline]
    fn segment(&mut self, flow: FlowId, direction: Direction, segment: &Segment<'_>) {
        let _ = (flow, direction, segment);
    }
    /// Called for SYN and SYN ACK, retransmitted ones included.
    fn handshake(&mut self, flow: FlowId, summary: &FlowSummary) {
        let _ = (flow, summary);
    }
    /// Called once for SYN ACK, or in a flow without one for the first segment with ACK.
    fn established(&mut self, flow: FlowId, summary: &FlowSummary);
    /// Called with bytes in order.
    fn data(
        &mut self,
        flow: FlowId,
        direction: Direction,
        chunk: Chunk<'_>,
        summary: &FlowSummary,
    ) -> Interest;
    /// Called for bytes that will not arrive.
    fn gap(&mut self, flow: FlowId, direction: Direction, gap: Gap, summary: &FlowSummary);
    /// Called for bytes that [`data`](Self::data) will never have: they arrived after they were declared missing, or differ
    /// from those delivered before. Some may have been delivered before a gap.
    fn undelivered(&mut self, flow: FlowId, direction: Direction, bytes: &[u8]) {
        let _ = (flow, direction, bytes);
    }
    /// Called once all bytes up to FIN have been delivered or declared missing.
    fn finished(
        &mut self,
        flow: FlowId,
        direction: Direction,
        frame: FrameRef,
        summary: &FlowSummary,
    );
    /// Decides whether a flow that has been `silent` for longer than the shorter of
    /// [`Limits::data_idle`](crate::model::Limits::data_idle) and
    /// [`Limits::control_idle`](crate::model::Limits::control_idle) is over. Called again while it returns false.
    fn expires(&self, flow: FlowId, silent: Span) -> bool {
        let _ = (flow, silent);
        true
    }
    /// Called once at the end of a flow.
    fn closed(&mut self, flow: FlowId, reason: CloseReason, frame: FrameRef, summary: &FlowSummary);
    /// Called for a dropped segment of a flow that is over or ignored. Only this and [`forgotten`](Self::forgotten) may
    /// follow [`closed`](Self::closed).
    fn late(&mut self, flow: FlowId) {
        let _ = flow;
    }
    /// Called for each flow that is open when the input ends, before the first of them is closed.
    fn ending(&mut self, flow: FlowId, summary: &FlowSummary) {
        let _ = (flow, summary);
    }
    /// Called when late segments of a flow that is over are no longer expected, if there were any; `summary` counts them.
    fn forgotten(&mut self, flow: FlowId, summary: &FlowSummary) {
        let _ = (flow, summary);
    }
}
