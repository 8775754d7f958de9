//! Connections between the hosts of an open session that no session has announced yet.
//!
//! An announcement may be late: held behind a hole of the control connection, or captured on another interface whose
//! packets arrive later. A connection that opens between two hosts with an open session is therefore kept for a while,
//! and becomes a data connection once it is announced. Bytes per connection and in total, connections and seconds are
//! bounded.

use std::collections::BTreeMap;

use crate::decode::Segment;
use crate::model::{Direction, Endpoint, FrameRef, Span, Timestamp};
use crate::protocol::dns::DNS_PORT;
use crate::protocol::ftp::{FTP_CONTROL_PORT, FTP_DATA_PORT, FTPS_CONTROL_PORT, is_ephemeral};
use crate::protocol::proxy::{self, Detection, Prelude};
use crate::reassembly::{Chunk, CloseReason, FlowId, FlowSummary, Gap};
use crate::session::tracker::recognition::{may_be_control, may_be_implicit};

/// Early connections by a number that is never reused.
#[derive(Debug, Default)]
pub(super) struct EarlyFlows {
    connections: BTreeMap<u64, EarlyConnection>,
    /// Connections added so far; the last one has this number.
    count: u64,
    /// Bytes held of all connections.
    held: usize,
}

/// One early connection and everything it carried.
#[derive(Debug)]
pub(super) struct EarlyConnection {
    /// Stale once the connection is closed: the flow table reuses the number.
    pub(super) flow: FlowId,
    pub(super) summary: FlowSummary,
    /// `None` while the connection is open.
    pub(super) closed: Option<CloseReason>,
    pieces: Vec<Piece>,
    /// Stream offset up to which `pieces` reach, by [`Direction::index`].
    kept: [u64; 2],
    /// Stream offset up to which the connection went, by [`Direction::index`].
    passed: [u64; 2],
    /// Capture time of its first packet.
    since: Timestamp,
    /// Bytes that it counts for.
    held: usize,
}

/// Bytes or a gap, in the order of arrival.
#[derive(Debug)]
pub(super) enum Piece {
    /// Bytes in stream order.
    Bytes {
        direction: Direction,
        /// Stream offset of the first byte.
        offset: u64,
        /// Frame in which the first byte arrived.
        arrived: FrameRef,
        bytes: Vec<u8>,
    },
    /// Bytes that are not in the capture, or were not kept.
    Gap(Direction, Gap),
}

/// Result of bytes on an early connection.
pub(super) enum EarlyBytes {
    /// They are kept, or became a gap for want of space.
    Kept,
    /// The connection was evicted before.
    Evicted,
    /// They look like a control connection on another port; the connection is no longer early. Its pieces came before
    /// them.
    MayBeControl(Vec<Piece>),
    /// With them a proxy has opened a tunnel for the client that sends in this direction. They are kept.
    Tunnel(Direction, Box<Prelude>),
    /// They exceed the limit, and port 20 alone shows that they are data; the connection is no longer early.
    CertainData(Box<EarlyConnection>),
}

impl EarlyFlows {
    /// Adds a connection and returns its number.
    pub(super) fn open(&mut self, flow: FlowId, summary: &FlowSummary, now: Timestamp) -> u64 {
        self.count += 1;
        self.connections.insert(
            self.count,
            EarlyConnection {
                flow,
                summary: summary.clone(),
                closed: None,
                pieces: Vec::new(),
                kept: [0; 2],
                passed: [0; 2],
                since: now,
                held: 0,
            },
        );
        self.count
    }

    /// Returns the summary of a connection; `None` if it is no longer early.
    pub(super) fn summary(&self, number: u64) -> Option<&FlowSummary> {
        self.connections.get(&number).map(|early| &early.summary)
    }

    /// Returns the numbers of all connections, the oldest first.
    pub(super) fn numbers(&self) -> Vec<u64> {
        self.connections.keys().copied().collect()
    }

    /// Processes bytes in stream order.
    pub(super) fn bytes(
        &mut self,
        number: u64,
        direction: Direction,
        chunk: Chunk<'_>,
        summary: &FlowSummary,
    ) -> EarlyBytes {
        self.update_summary(number, summary);
        let Some(early) = self.connections.get(&number) else {
            return EarlyBytes::Evicted;
        };
        let certain = involves_data_port(summary);
        let first = early.passed[direction.index()] == 0;
        // A host that runs one FTP server may run another on any port.
        if first && !certain && (may_be_control(chunk.bytes) || may_be_implicit(chunk.bytes, false))
        {
            // The candidate holds its own bytes, which count against its own limit.
            let early = self.take(number);
            let pieces = early.map_or_else(Vec::new, |early| early.into_pieces(chunk.frame));
            return EarlyBytes::MayBeControl(pieces);
        }
        if certain
            && !self.has_capacity(number, chunk.bytes.len())
            && let Some(early) = self.take(number)
        {
            return EarlyBytes::CertainData(Box::new(early));
        }
        self.keep(number, direction, chunk);
        match self.find_tunnel(number, direction) {
            Some((way, prelude)) => EarlyBytes::Tunnel(way, prelude),
            None => EarlyBytes::Kept,
        }
    }

    /// Returns the dialogue with a proxy at the beginning of a connection, once `direction` has sent its last byte of it.
    fn find_tunnel(&self, number: u64, direction: Direction) -> Option<(Direction, Box<Prelude>)> {
        let early = self.connections.get(&number)?;
        let Some(Piece::Bytes {
            direction: way,
            offset: 0,
            bytes,
            ..
        }) = early.pieces.first()
        else {
            return None;
        };
        // The proxy's answer completes it, within the first few segments.
        if *way == direction || early.pieces.len() > PRELUDE_PIECES || !proxy::may_begin(bytes) {
            return None;
        }
        let stream = |wanted: Direction| -> Vec<u8> {
            let bytes = early.pieces.iter().filter_map(|piece| match piece {
                Piece::Bytes {
                    direction, bytes, ..
                } if *direction == wanted => Some(bytes.as_slice()),
                _ => None,
            });
            bytes.flatten().copied().collect()
        };
        match proxy::detect(&stream(*way), &stream(way.reverse())) {
            Detection::Found(prelude) => Some((*way, prelude)),
            Detection::Incomplete | Detection::None => None,
        }
    }

    /// Records bytes that are not in the capture.
    pub(super) fn gap(&mut self, number: u64, direction: Direction, gap: Gap) {
        if let Some(connection) = self.connections.get_mut(&number) {
            connection.pass(direction, gap.offset.saturating_add(gap.length));
        }
    }

    /// Records the summary of the flow.
    pub(super) fn update_summary(&mut self, number: u64, summary: &FlowSummary) {
        if let Some(connection) = self.connections.get_mut(&number) {
            connection.summary.clone_from(summary);
        }
    }

    /// Records the end of a connection, which may still be announced.
    pub(super) fn close(&mut self, number: u64, reason: CloseReason, summary: &FlowSummary) {
        if let Some(connection) = self.connections.get_mut(&number) {
            connection.closed = Some(reason);
            connection.summary.clone_from(summary);
        }
    }

    /// Removes and returns a connection; `None` if it is no longer early.
    pub(super) fn take(&mut self, number: u64) -> Option<EarlyConnection> {
        let taken = self.connections.remove(&number)?;
        self.held = self.held.saturating_sub(taken.held);
        Some(taken)
    }

    /// Removes and returns the oldest connection if its time has expired or a limit is exceeded.
    pub(super) fn take_expired(&mut self, now: Timestamp) -> Option<EarlyConnection> {
        let (&number, oldest) = self.connections.first_key_value()?;
        let full = self.held >= MAX_HELD || self.connections.len() > MAX_CONNECTIONS;
        // A clock that is set back makes `since` a later time: the connection is then kept for its whole time again.
        let expired = now.since(oldest.since) >= MAX_AGE;
        if full || expired {
            self.take(number)
        } else {
            None
        }
    }

    /// Keeps bytes; bytes beyond a limit become a gap.
    fn keep(&mut self, number: u64, direction: Direction, chunk: Chunk<'_>) {
        let length = chunk.bytes.len();
        let fits = self.has_capacity(number, length);
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        let end = chunk.offset.saturating_add(length as u64);
        if fits {
            connection.fill(direction, chunk.frame, chunk.offset);
            connection.pieces.push(Piece::Bytes {
                direction,
                offset: chunk.offset,
                arrived: chunk.arrived,
                bytes: chunk.bytes.to_vec(),
            });
            connection.held += length + PIECE_OVERHEAD;
            self.held += length + PIECE_OVERHEAD;
            connection.kept[direction.index()] = end;
        }
        // Passed bytes that were not kept become a gap once the connection is announced.
        connection.pass(direction, end);
    }

    /// Returns whether `length` more bytes of a connection can be kept.
    fn has_capacity(&self, number: u64, length: usize) -> bool {
        self.connections.get(&number).is_some_and(|connection| {
            let total = MAX_HELD.saturating_sub(self.held);
            let own = MAX_CONNECTION_BYTES.saturating_sub(connection.held);
            length <= total.min(own) && connection.pieces.len() < MAX_PIECES
        })
    }
}

impl EarlyConnection {
    /// Returns everything that passed, in order, with gaps for what was not kept. `frame` dates the gaps.
    pub(super) fn into_pieces(mut self, frame: FrameRef) -> Vec<Piece> {
        for direction in [Direction::Up, Direction::Down] {
            self.fill(direction, frame, self.passed[direction.index()]);
        }
        self.pieces
    }

    /// Returns whether port 20 alone shows that the connection carries data.
    pub(super) fn is_certain_data(&self) -> bool {
        involves_data_port(&self.summary)
    }

    /// Adds a gap from the last kept byte up to `to`.
    fn fill(&mut self, direction: Direction, frame: FrameRef, to: u64) {
        let kept = &mut self.kept[direction.index()];
        if to > *kept {
            let (offset, length) = (*kept, to - *kept);
            *kept = to;
            let gap = Gap {
                frame,
                offset,
                length,
            };
            self.pieces.push(Piece::Gap(direction, gap));
        }
    }

    fn pass(&mut self, direction: Direction, end: u64) {
        let passed = &mut self.passed[direction.index()];
        *passed = end.max(*passed);
    }
}

/// Returns whether a SYN or SYN ACK between the hosts of a session may open an early data connection.
pub(super) fn may_open(segment: &Segment<'_>) -> bool {
    let (opener, listener) = if segment.flags.ack() {
        (segment.destination, segment.source)
    } else {
        (segment.source, segment.destination)
    };
    may_carry_data(opener, listener)
}

/// Returns whether a connection between the hosts of a session may be an early data connection.
pub(super) fn is_early(summary: &FlowSummary) -> bool {
    let key = summary.key;
    involves_data_port(summary)
        || summary.initiator.is_some_and(|initiator| {
            may_carry_data(key.source(initiator), key.destination(initiator))
        })
}

fn may_carry_data(opener: Endpoint, listener: Endpoint) -> bool {
    // Of the well-known ports only 20 opens data connections (RFC 959 section 3.2); these belong to other roles.
    let other_service = matches!(opener.port, FTP_CONTROL_PORT | DNS_PORT | FTPS_CONTROL_PORT);
    is_ephemeral(listener.port) && !other_service
}

fn involves_data_port(summary: &FlowSummary) -> bool {
    [summary.key.low.port, summary.key.high.port].contains(&FTP_DATA_PORT)
}

/// Age at which a connection expires: longer than any hole stays open.
const MAX_AGE: Span = Span::from_secs(10);

/// Bound in bytes on what is held of one connection.
const MAX_CONNECTION_BYTES: usize = 4 << 20;

/// Bound in bytes on what is held of all connections.
const MAX_HELD: usize = 16 << 20;

const MAX_CONNECTIONS: usize = 4096;

/// Bound on pieces of one connection.
const MAX_PIECES: usize = 1 << 16;

/// Pieces within which a proxy has opened its tunnel.
const PRELUDE_PIECES: usize = 16;

/// Bytes that a piece takes beside its payload, so that one-byte segments cannot exceed the bounds.
const PIECE_OVERHEAD: usize = std::mem::size_of::<Piece>();

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FlowKey;

    fn summary() -> FlowSummary {
        let (key, _) = FlowKey::new(
            Endpoint::v4([10, 0, 0, 1], 5001),
            Endpoint::v4([10, 0, 0, 2], 40_001),
        );
        FlowSummary {
            key,
            initiator: Some(Direction::Down),
            first: FrameRef::default(),
            last: FrameRef::default(),
            spans: None,
            established: None,
            half: Default::default(),
            course: crate::reassembly::Course::default(),
            samples: None,
        }
    }

    fn chunk(offset: u64, bytes: &[u8]) -> Chunk<'_> {
        Chunk {
            frame: FrameRef::default(),
            arrived: FrameRef::default(),
            offset,
            bytes,
            waited: false,
        }
    }

    #[test]
    fn bytes_beyond_the_limit_of_a_connection_become_a_gap() {
        let mut early = EarlyFlows::default();
        let number = early.open(FlowId(1), &summary(), Timestamp::default());
        let piece = vec![7; 1 << 20];
        for part in 0..6 {
            early.keep(number, Direction::Up, chunk(part << 20, &piece));
        }
        assert!(early.held <= MAX_CONNECTION_BYTES);
        let taken = early.take(number).expect("it is there");
        assert_eq!(early.held, 0);
        let pieces = taken.into_pieces(FrameRef::default());
        let Some(Piece::Gap(Direction::Up, gap)) = pieces.last() else {
            panic!("the last piece is a gap");
        };
        assert_eq!((gap.offset, gap.offset + gap.length), (3 << 20, 6 << 20));
        assert_eq!(pieces.len(), 4);
    }

    #[test]
    fn oldest_connections_expire_first_and_are_evicted_first() {
        let mut early = EarlyFlows::default();
        let at = |seconds| Timestamp::from_parts(seconds, 0);
        let first = early.open(FlowId(1), &summary(), at(0));
        let second = early.open(FlowId(2), &summary(), at(5));
        assert!(early.take_expired(at(9)).is_none());
        let expired = early.take_expired(at(10)).map(|one| one.flow);
        assert_eq!(expired, Some(FlowId(1)));
        assert!(early.take_expired(at(10)).is_none());
        assert!(early.summary(first).is_none() && early.summary(second).is_some());
        let piece = vec![7; (4 << 20) - 1000];
        for flow in 3..9 {
            let number = early.open(FlowId(flow), &summary(), at(6));
            early.keep(number, Direction::Up, chunk(0, &piece));
        }
        assert!(early.held <= MAX_HELD);
        for _ in 0..=MAX_CONNECTIONS {
            early.open(FlowId(99), &summary(), at(7));
            while early.take_expired(at(7)).is_some() {}
        }
        assert_eq!(early.numbers().len(), MAX_CONNECTIONS);
    }
}
