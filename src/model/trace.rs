//! Segments of connections one by one, for diagrams; reports do not need them.

use super::{Direction, FlowKey, FrameRef};

/// Which segments are traced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tracing {
    /// None, at no cost.
    #[default]
    Off,
    /// Segments that open and close connections; of all others the counts.
    Connections,
    /// All segments; in the middle of long transfers the counts.
    Packets,
}

/// Novelty of a segment's payload on its arrival.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Novelty {
    /// The next bytes of the stream, or no payload.
    #[default]
    New,
    /// Bytes seen before: a retransmission.
    Again,
    /// Bytes of a hole: out of order, or lost before and retransmitted.
    Late,
    /// A second copy of the same packet made by the capture, as on a mirrored port.
    Copy,
}

/// TCP flags that a diagram shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentFlags {
    /// SYN.
    pub syn: bool,
    /// ACK.
    pub ack: bool,
    /// FIN.
    pub fin: bool,
    /// RST.
    pub rst: bool,
}

/// One TCP segment without its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TracedSegment {
    /// The packet that held the segment.
    pub frame: FrameRef,
    /// Direction within the connection.
    pub direction: Direction,
    /// TCP flags.
    pub flags: SegmentFlags,
    /// Sequence number relative to the first of this direction, modulo 2^32.
    pub sequence: u32,
    /// Acknowledgment number relative to the first sequence number of the other direction, modulo 2^32.
    pub acknowledgment: u32,
    /// Receive window as in the header, not scaled.
    pub window: u16,
    /// Payload bytes on the wire, captured or not.
    pub bytes: u32,
    /// Novelty of the payload.
    pub novelty: Novelty,
}

/// Counts of the segments in the middle of a long transfer that are not kept one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Folded {
    /// Frame of the first folded segment.
    pub first: FrameRef,
    /// Frame of the last folded segment.
    pub last: FrameRef,
    /// Number of folded segments.
    pub segments: u64,
    /// Their payload bytes, each once, by [`Direction::index`].
    pub bytes: [u64; 2],
    /// Segments whose payload had been seen before.
    pub again: u64,
}

/// Payload of one direction of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TracedPayload {
    /// First segment with payload; `None` if there was none.
    pub first: Option<FrameRef>,
    /// Last segment with payload; `None` if there was none.
    pub last: Option<FrameRef>,
    /// Segments with payload, retransmissions included.
    pub segments: u64,
    /// Payload bytes, each once.
    pub bytes: u64,
    /// Segments whose payload had been seen before.
    pub again: u64,
}

/// A connection of a session, segment by segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedConnection {
    /// The two end points.
    pub key: FlowKey,
    /// Id of the session whose control connection this is; `None` for data connections.
    pub control_of: Option<u64>,
    /// Ids of the sessions whose data connection this is or may be. There are two if one server sends to another
    /// (FXP), one for a client's own transfer, none for a control connection.
    pub data_of: [Option<u64>; 2],
    /// First packet. Its number equals `first_frame` of the data connection in the report.
    pub first: FrameRef,
    /// Last packet.
    pub last: FrameRef,
    /// Segments in order of their frames.
    pub segments: Vec<TracedSegment>,
    /// Segments omitted from the middle of a long transfer; `None` if all are in `segments`.
    pub folded: Option<Folded>,
    /// Segments omitted since the limit on all traced segments was reached.
    pub omitted: u64,
    /// Payload by [`Direction::index`].
    pub payload: [TracedPayload; 2],
}

impl TracedConnection {
    /// Iterates over the ids of all sessions that the connection belongs to.
    pub fn sessions(&self) -> impl Iterator<Item = u64> + use<> {
        let [one, other] = self.data_of;
        [self.control_of, one, other].into_iter().flatten()
    }

    /// Estimates the bytes of memory that the connection takes.
    #[must_use]
    pub fn weight(&self) -> usize {
        size_of::<Self>() + self.segments.capacity() * size_of::<TracedSegment>()
    }
}
