//! TCP segments become ordered bytes, one stream for each direction.
//!
//! ```text
//! Segment -> flow_table -> flow -> half_stream (x2) -> delivery -> StreamHandler
//!            |   |        └ waiting_room: what came before what it answers; window_scale: how large windows are
//!            |   |                   |   |   └ receiver_side: what the other side acknowledged and has room for
//!            |   |                   |   └ hole_watch, round_trip: when a hole becomes a gap
//!            |   |                   └ held_segments, distant_segments: bytes before their turn, the only copy
//!            |   |                     measurements: pauses, closed windows, what the capture lost
//!            |   |                     history: bytes delivered last, to compare what is sent again
//!            |   └ flow_slots: flows by their ends; closed ones linger there
//!            └ recent_openings: handshakes of flows that nobody follows (yet)
//! ```
//!
//! A flow costs memory only once [`StreamHandler::admit`] says that it is wanted. What is missing becomes a [`Gap`],
//! never a silent join. All time is capture time.

mod arrival;
mod believed_time;
mod budget;
mod delivery;
mod distant_segments;
mod flow;
mod flow_slots;
mod flow_table;
mod half_open;
mod half_stream;
mod held_segments;
mod history;
mod hole_watch;
mod measurements;
mod receiver_side;
mod recent_openings;
mod round_trip;
mod second_copies;
mod sequence;
#[cfg(test)]
mod tests;
mod waiting_room;
mod window_scale;

use crate::decode::Segment;
use crate::model::{Direction, FlowKey, FrameRef, Span};

pub use flow_table::FlowTable;
pub use measurements::{Measurements, Moment, Pause};

/// Names a flow in the table, from `opened` to `closed`; numbers are used again after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(pub u32);

/// Ordered bytes of one direction.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    /// The frame that made these bytes deliverable: the current packet.
    pub frame: FrameRef,
    /// The frame in which they arrived; earlier than `frame` for bytes that were held.
    pub arrived: FrameRef,
    /// Offset of the first byte in the stream; the byte after SYN, or the first one seen, is 0.
    pub offset: u64,
    /// The bytes, never empty.
    pub bytes: &'a [u8],
    /// They arrived before what they answer, and waited for it: the frames do not tell the order in which they were sent.
    pub waited: bool,
}

/// Bytes that will not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The frame that decided it.
    pub frame: FrameRef,
    /// Offset of the first missing byte.
    pub offset: u64,
    /// How many are missing.
    pub length: u64,
}

/// What the handler wants of a flow from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Ordered bytes.
    Bytes,
    /// Nothing more, not even [`StreamHandler::closed`]: buffers are dropped, the flow stays known so that it is not
    /// offered again. Its number is used again once it was silent for long enough.
    Ignore,
}

/// How a flow ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// Both directions ended with FIN and both FINs were acknowledged (or, with one side not captured, the seen one).
    Fin,
    /// RST, sent in this direction.
    Reset(Direction),
    /// A new connection between the same end points began.
    Reused,
    /// Nothing was seen of it for longer than its limit.
    Expired,
    /// The input ended.
    InputEnd,
}

/// What no byte tells about one direction of a flow.
#[derive(Clone, Debug, Default)]
pub struct HalfSummary {
    /// SYN or SYN ACK of this sender.
    pub syn: Option<FrameRef>,
    /// True where the stream's first byte is known (from SYN or from the handshake's acknowledgment), so that nothing
    /// before the first byte seen can be missing.
    pub start_known: bool,
    /// First segment with payload.
    pub first_data: Option<FrameRef>,
    /// The segment with FIN.
    pub fin: Option<FrameRef>,
    /// True once all bytes up to FIN were delivered or declared missing.
    pub finished: bool,
    /// Segments seen from this sender.
    pub segments: u64,
    /// Payload bytes delivered, each once.
    pub delivered_bytes: u64,
    /// Payload bytes seen again, but for those of packets that were captured twice.
    pub retransmitted_bytes: u64,
    /// Times and windows.
    pub measured: Measurements,
    irregular: Option<Box<Irregular>>,
}

/// What few directions of flows have: there may be very many flows.
#[derive(Clone, Debug, Default)]
pub struct Irregular {
    /// The segment with RST.
    pub rst: Option<FrameRef>,
    /// Where no FIN was captured, and the connection is over: the segment of the other side that acknowledged one more than
    /// the bytes that were seen, which must be the FIN.
    pub fin_acknowledged: Option<FrameRef>,
    /// Payload bytes declared missing.
    pub missing_bytes: u64,
    /// Segments with payload that were captured twice; their bytes are not counted as sent again.
    pub second_copies: u64,
    /// Bytes seen again with another value; the first were kept.
    pub conflicting_bytes: u64,
    /// The first segment with conflicting bytes.
    pub first_conflict: Option<FrameRef>,
    /// Payload bytes that lay outside the window or came after the end, and were not delivered.
    pub ignored_bytes: u64,
}

impl HalfSummary {
    /// What few have; nothing of it, for most.
    #[must_use]
    pub fn irregular(&self) -> &Irregular {
        self.irregular.as_deref().unwrap_or(&REGULAR)
    }

    /// The same, to be changed.
    fn irregular_mut(&mut self) -> &mut Irregular {
        self.irregular.get_or_insert_default()
    }
}

/// What most directions of flows have of it.
static REGULAR: Irregular = Irregular {
    rst: None,
    fin_acknowledged: None,
    missing_bytes: 0,
    second_copies: 0,
    conflicting_bytes: 0,
    first_conflict: None,
    ignored_bytes: 0,
};

/// What no byte tells about a flow.
#[derive(Debug)]
pub struct FlowSummary {
    /// The two ends.
    pub key: FlowKey,
    /// The direction of the SYN; known too where only the SYN ACK was captured.
    pub initiator: Option<Direction>,
    /// First packet.
    pub first: FrameRef,
    /// Last packet.
    pub last: FrameRef,
    /// The first ACK of the initiator after SYN ACK: the handshake is over.
    pub established: Option<FrameRef>,
    /// By [`Direction::index`].
    pub half: [HalfSummary; 2],
}

impl Clone for FlowSummary {
    /// Each half by itself, for the clone of an array is a loop that shows in profiles.
    fn clone(&self) -> Self {
        let [up, down] = &self.half;
        Self {
            half: [up.clone(), down.clone()],
            ..*self
        }
    }
}

impl FlowSummary {
    /// The half that `direction` sends.
    #[must_use]
    pub const fn sent(&self, direction: Direction) -> &HalfSummary {
        &self.half[direction.index()]
    }
}

/// Receives ordered bytes. One object owns the state of all flows. `summary` is up to date at each call.
pub trait StreamHandler {
    /// A segment of a flow that is not in the table: shall it be followed from here on? Called for every segment of
    /// foreign traffic, so it has to be cheap.
    fn admit(&mut self, segment: &Segment<'_>) -> bool;
    /// The flow is in the table now; the segment that was admitted follows.
    fn opened(&mut self, flow: FlowId, summary: &FlowSummary) -> Interest;
    /// A segment of a flow that is followed, before anything else is told of it.
    #[inline]
    fn segment(&mut self, flow: FlowId, direction: Direction, segment: &Segment<'_>) {
        let _ = (flow, direction, segment);
    }
    /// SYN or SYN ACK was seen, for the first time or again.
    fn handshake(&mut self, flow: FlowId, summary: &FlowSummary) {
        let _ = (flow, summary);
    }
    /// SYN ACK was seen, or for a flow without one the first segment that shows it is open.
    fn established(&mut self, flow: FlowId, summary: &FlowSummary);
    /// Bytes in order.
    fn data(
        &mut self,
        flow: FlowId,
        direction: Direction,
        chunk: Chunk<'_>,
        summary: &FlowSummary,
    ) -> Interest;
    /// Bytes that will not come.
    fn gap(&mut self, flow: FlowId, direction: Direction, gap: Gap, summary: &FlowSummary);
    /// All bytes up to FIN were delivered or declared missing.
    fn finished(
        &mut self,
        flow: FlowId,
        direction: Direction,
        frame: FrameRef,
        summary: &FlowSummary,
    );
    /// The flow has been `silent` for longer than the shorter of [`Limits::data_idle`](crate::model::Limits::data_idle)
    /// and [`Limits::control_idle`](crate::model::Limits::control_idle): is it over? Asked again while the answer is no.
    fn expires(&self, flow: FlowId, silent: Span) -> bool {
        let _ = (flow, silent);
        true
    }
    /// The flow is over; called once, and nothing follows for this id.
    fn closed(&mut self, flow: FlowId, reason: CloseReason, frame: FrameRef, summary: &FlowSummary);
    /// A segment came of a flow that is over or ignored; it was dropped. (Only this may follow [`closed`](Self::closed).)
    fn late(&mut self, flow: FlowId) {
        let _ = flow;
    }
}
