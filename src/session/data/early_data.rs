//! Connections between the hosts of an open session that nobody announced, yet.
//!
//! An announcement may come late: held behind a hole of the control connection, or captured on another interface whose
//! packets arrive later. So what opens between two hosts with an open session is kept for a while, and claimed when
//! somebody asks for it. All of it is bounded: so many bytes of one connection and of all together, so many connections, so
//! many seconds.

use std::collections::BTreeMap;

use crate::model::{Direction, FrameRef, Span, Timestamp};
use crate::reassembly::{Chunk, CloseReason, FlowId, FlowSummary, Gap};

/// One such connection, as far as it went.
#[derive(Debug)]
pub(crate) struct EarlyConnection {
    /// Where it is followed; stale once it is closed.
    pub(crate) flow: FlowId,
    /// The latest that is known of it.
    pub(crate) summary: FlowSummary,
    pub(crate) closed: Option<CloseReason>,
    pieces: Vec<Piece>,
    /// How far each direction is in `pieces`, and how far it went, by [`Direction::index`].
    kept: [u64; 2],
    passed: [u64; 2],
    since: Timestamp,
    held: usize,
}

/// What passed, in order.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Bytes, and where they arrived.
    Bytes(Direction, u64, FrameRef, Vec<u8>),
    /// A hole.
    Gap(Direction, Gap),
}

/// All of them, by a number that is never used twice.
#[derive(Debug, Default)]
pub(crate) struct EarlyData {
    connections: BTreeMap<u64, EarlyConnection>,
    count: u64,
    held: usize,
    /// Something was announced since they were looked through.
    pub(crate) wanted: bool,
}

impl EarlyData {
    /// Whether there is any.
    pub(crate) fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// Takes up a connection; its number.
    pub(crate) fn open(&mut self, flow: FlowId, summary: &FlowSummary, now: Timestamp) -> u64 {
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

    /// A connection that is kept.
    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut EarlyConnection> {
        self.connections.get_mut(&number)
    }

    /// A connection that is kept.
    pub(crate) fn get(&self, number: u64) -> Option<&EarlyConnection> {
        self.connections.get(&number)
    }

    /// Their numbers, the first opened first.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.connections.keys().copied().collect()
    }

    /// Keeps bytes, while there is room; what there is no room for becomes a hole.
    pub(crate) fn bytes(&mut self, number: u64, direction: Direction, chunk: Chunk<'_>) {
        let length = chunk.bytes.len();
        let room = self.has_room(number, length);
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        if room {
            connection.fill(direction, chunk.frame, chunk.offset);
            let bytes = chunk.bytes.to_vec();
            let piece = Piece::Bytes(direction, chunk.offset, chunk.arrived, bytes);
            connection.pieces.push(piece);
            connection.held += length + PIECE;
            self.held += length + PIECE;
            connection.kept[direction.index()] = chunk.offset.saturating_add(length as u64);
        }
        connection.pass(direction, chunk.offset.saturating_add(length as u64));
    }

    /// Whether these bytes would be kept.
    pub(crate) fn has_room(&self, number: u64, length: usize) -> bool {
        self.connections.get(&number).is_some_and(|connection| {
            let room = TOTAL.saturating_sub(self.held);
            length <= room.min(EACH.saturating_sub(connection.held))
                && connection.pieces.len() < PIECES
        })
    }

    /// It is over, and may still be asked for.
    pub(crate) fn close(&mut self, number: u64, reason: CloseReason, summary: &FlowSummary) {
        if let Some(connection) = self.connections.get_mut(&number) {
            connection.closed = Some(reason);
            connection.summary.clone_from(summary);
        }
    }

    /// Bytes that will not come.
    pub(crate) fn gap(&mut self, number: u64, direction: Direction, gap: Gap) {
        if let Some(connection) = self.connections.get_mut(&number) {
            connection.pass(direction, gap.offset.saturating_add(gap.length));
        }
    }

    /// Gives a connection away.
    pub(crate) fn take(&mut self, number: u64) -> Option<EarlyConnection> {
        let taken = self.connections.remove(&number)?;
        self.held = self.held.saturating_sub(taken.held);
        Some(taken)
    }

    /// The next that was kept for long enough, or that there is no room for.
    pub(crate) fn over(&mut self, now: Timestamp) -> Option<EarlyConnection> {
        let (&number, oldest) = self.connections.first_key_value()?;
        let full = self.held >= TOTAL || self.connections.len() > CONNECTIONS;
        // Time may step back; then what is kept is kept for as long again.
        let old = now.since(oldest.since) >= AGE;
        if full || old { self.take(number) } else { None }
    }
}

impl EarlyConnection {
    /// What passed, in order; what was not kept of it is a hole.
    pub(crate) fn into_pieces(mut self, frame: FrameRef) -> Vec<Piece> {
        for direction in [Direction::Up, Direction::Down] {
            self.fill(direction, frame, self.passed[direction.index()]);
        }
        self.pieces
    }

    /// Nothing passed in this direction.
    pub(crate) const fn is_silent(&self, direction: Direction) -> bool {
        self.passed[direction.index()] == 0
    }

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

/// How long a connection is kept without being asked for: longer than any hole stays open.
const AGE: Span = Span::from_secs(10);

/// Bytes kept of one connection.
const EACH: usize = 4 << 20;

/// Bytes kept of all.
const TOTAL: usize = 16 << 20;

/// Connections kept at once.
const CONNECTIONS: usize = 4096;

/// Pieces kept of one connection.
const PIECES: usize = 1 << 16;

/// What a piece costs beside its bytes.
const PIECE: usize = std::mem::size_of::<Piece>();

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Endpoint, FlowKey};

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
            established: None,
            half: Default::default(),
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
    fn what_there_is_no_room_for_is_a_hole() {
        let mut early = EarlyData::default();
        let number = early.open(FlowId(1), &summary(), Timestamp::default());
        let piece = vec![7; 1 << 20];
        for part in 0..6 {
            early.bytes(number, Direction::Up, chunk(part << 20, &piece));
        }
        assert!(early.held <= EACH);
        let taken = early.take(number).expect("it is there");
        assert_eq!(early.held, 0);
        let pieces = taken.into_pieces(FrameRef::default());
        let Some(Piece::Gap(Direction::Up, gap)) = pieces.last() else {
            panic!("the end is a hole");
        };
        assert_eq!((gap.offset, gap.offset + gap.length), (3 << 20, 6 << 20));
        assert_eq!(pieces.len(), 4);
    }

    #[test]
    fn the_oldest_go_when_time_or_room_is_over() {
        let mut early = EarlyData::default();
        let at = |seconds| Timestamp::from_parts(seconds, 0);
        let first = early.open(FlowId(1), &summary(), at(0));
        let second = early.open(FlowId(2), &summary(), at(5));
        assert!(early.over(at(9)).is_none());
        assert_eq!(early.over(at(10)).map(|one| one.flow), Some(FlowId(1)));
        assert!(early.over(at(10)).is_none());
        assert!(early.get_mut(first).is_none() && early.get_mut(second).is_some());
        let piece = vec![7; (4 << 20) - 1000];
        for flow in 3..9 {
            let number = early.open(FlowId(flow), &summary(), at(6));
            early.bytes(number, Direction::Up, chunk(0, &piece));
        }
        assert!(early.held <= TOTAL);
        for _ in 0..=CONNECTIONS {
            early.open(FlowId(99), &summary(), at(7));
            while early.over(at(7)).is_some() {}
        }
        assert_eq!(early.numbers().len(), CONNECTIONS);
    }
}
