//! The segments of connections, one by one: what a diagram shows and no report needs.

use super::{Direction, FlowKey, FrameRef};

/// Which segments are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tracing {
    /// None: it costs nothing.
    #[default]
    Off,
    /// Those that open and close connections; of the others the counts.
    Connections,
    /// All of them; in the midst of long transfers the counts.
    Packets,
}

/// What is known of the payload of a segment at the moment it came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Novelty {
    /// The next bytes, or none at all.
    #[default]
    New,
    /// Bytes that had been seen before: a retransmission.
    Again,
    /// Bytes of a hole: out of order, or lost before and sent again.
    Late,
    /// The same packet, captured twice.
    Copy,
}

/// The flags that a diagram shows.
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

/// One TCP segment without its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TracedSegment {
    /// The packet it came in.
    pub frame: FrameRef,
    /// Its way.
    pub direction: Direction,
    /// Its flags.
    pub flags: SegmentFlags,
    /// Sequence number, counted from the connection's first.
    pub sequence: u32,
    /// Acknowledgment number, counted from the other side's first sequence number.
    pub acknowledgment: u32,
    /// Window as in the header, not scaled.
    pub window: u16,
    /// Payload bytes on the wire.
    pub bytes: u32,
    /// Whether its payload is new.
    pub novelty: Novelty,
}

/// Segments in the midst of a long transfer, of which only this is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Folded {
    /// The first of them.
    pub first: FrameRef,
    /// The last of them.
    pub last: FrameRef,
    /// How many there are.
    pub segments: u64,
    /// Payload bytes in them, each once, by [`Direction::index`].
    pub bytes: [u64; 2],
    /// Segments with payload that had been seen before.
    pub again: u64,
}

/// Payload of one direction of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TracedPayload {
    /// The first segment with payload.
    pub first: Option<FrameRef>,
    /// The last segment with payload.
    pub last: Option<FrameRef>,
    /// Segments with payload, retransmissions too.
    pub segments: u64,
    /// Payload bytes, each once.
    pub bytes: u64,
    /// Segments with payload that had been seen before.
    pub again: u64,
}

/// A connection of a session, segment by segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedConnection {
    /// The two ends.
    pub key: FlowKey,
    /// The session whose control connection it is; `None` for data connections.
    pub control_of: Option<u64>,
    /// The sessions whose data connection it is or may be: two where two servers send to each other.
    pub data_of: [Option<u64>; 2],
    /// Its first packet: with the report's `first_frame` it tells which data connection it is.
    pub first: FrameRef,
    /// In order of their frames.
    pub segments: Vec<TracedSegment>,
    /// What is left out of `segments` because a transfer is long.
    pub folded: Option<Folded>,
    /// Segments that are missing because the bound on all of them was reached.
    pub omitted: u64,
    /// By [`Direction::index`].
    pub payload: [TracedPayload; 2],
}

impl TracedConnection {
    /// All sessions that it belongs to.
    pub fn sessions(&self) -> impl Iterator<Item = u64> + use<> {
        let [one, other] = self.data_of;
        [self.control_of, one, other].into_iter().flatten()
    }

    /// Bytes it takes, near enough.
    #[must_use]
    pub fn weight(&self) -> usize {
        size_of::<Self>() + self.segments.capacity() * size_of::<TracedSegment>()
    }
}
