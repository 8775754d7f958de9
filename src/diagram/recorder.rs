//! Keeps traced connections until the diagrams of their sessions are drawn.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::model::record::{Address, Session};
use crate::model::trace::{TracedConnection, TracedSegment};
use crate::model::{Endpoint, Event, EventSink, FlowKey, Limits};
use crate::report::CaptureNames;

/// An [`EventSink`] that keeps traced connections within a memory limit.
#[derive(Debug)]
pub struct DiagramRecorder {
    /// Control connections by session id.
    control: BTreeMap<u64, TracedConnection>,
    /// Data connections by the number of their first frame, which identifies them in the report.
    data: BTreeMap<u64, TracedConnection>,
    /// First frames of the data connections of each session.
    of_session: BTreeMap<u64, Vec<u64>>,
    /// First frames of data connections that may be evicted, oldest first.
    ///
    /// They belong to sessions already drawn, but another session may share them; or to no session, but one may turn out
    /// to have attempted them.
    evictable: VecDeque<u64>,
    /// Memory of all connections kept, in bytes.
    memory: usize,
    /// Limit of `memory`, in bytes.
    memory_limit: usize,
    /// Count of the segments of connections that were not kept at all.
    dropped_segments: u64,
    /// Names of the captures; none with a single one.
    captures: CaptureNames,
}

impl DiagramRecorder {
    /// Creates a recorder that keeps as many segments as `limits` allow.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            control: BTreeMap::new(),
            data: BTreeMap::new(),
            of_session: BTreeMap::new(),
            evictable: VecDeque::new(),
            memory: 0,
            memory_limit: limits
                .traced_segments
                .saturating_mul(size_of::<TracedSegment>()),
            dropped_segments: 0,
            captures: CaptureNames::default(),
        }
    }

    /// Names the captures, if there are several: rows are numbered by their own capture.
    pub fn name_captures(&mut self, names: CaptureNames) {
        self.captures = names;
    }

    /// Returns the names of the captures; none with a single one.
    #[must_use]
    pub fn captures(&self) -> &CaptureNames {
        &self.captures
    }

    /// Returns the control connection of a session; `None` if it was not traced.
    pub(super) fn control(&self, session: u64) -> Option<&TracedConnection> {
        self.control.get(&session)
    }

    /// Returns the data connection that began in a frame; `None` if it was not traced.
    pub(super) fn data(&self, first_frame: u64) -> Option<&TracedConnection> {
        self.data.get(&first_frame)
    }

    /// Returns the data connections of an endpoint that began in the frames from `from` up to, not including, `to`.
    pub(super) fn data_of_endpoint(
        &self,
        address: Address,
        from: u64,
        to: u64,
    ) -> impl Iterator<Item = &TracedConnection> {
        let end = Endpoint::from(address);
        // `BTreeMap::range` panics on a range that ends before its start, which damaged captures can cause.
        let frames = from..to.max(from);
        let touches = move |key: &FlowKey| key.low == end || key.high == end;
        let connections = self.data.range(frames).map(|(_, connection)| connection);
        connections.filter(move |connection| touches(&connection.key))
    }

    /// Returns whether the data connection that began in a frame is kept.
    #[must_use]
    pub fn has_data_connection(&self, first_frame: u64) -> bool {
        self.data.contains_key(&first_frame)
    }

    /// Returns the memory in use, in bytes, as estimated.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.memory
    }

    /// Returns the count of the segments of connections that were not kept at all, for want of memory.
    #[must_use]
    pub fn dropped_segments(&self) -> u64 {
        self.dropped_segments
    }

    /// Discards the connections of a session that will not be drawn again.
    pub fn discard(&mut self, session: &Session) {
        if let Some(control) = self.control.remove(&session.id) {
            self.memory = self.memory.saturating_sub(control.weight());
        }
        let data = self.of_session.remove(&session.id).unwrap_or_default();
        // Not removed at once: the data connection of a server-to-server transfer belongs to two sessions.
        self.evictable.extend(data);
        while self.evictable.len() > MAX_EVICTABLE {
            self.evict();
        }
    }

    /// Evicts the oldest evictable data connection. Returns false if there is none.
    fn evict(&mut self) -> bool {
        let Some(frame) = self.evictable.pop_front() else {
            return false;
        };
        if let Some(connection) = self.data.remove(&frame) {
            self.memory = self.memory.saturating_sub(connection.weight());
        }
        true
    }

    /// Evicts until `wanted` bytes are free or nothing is evictable. Returns the free memory in bytes.
    fn reserve(&mut self, wanted: usize) -> usize {
        while self.memory_limit.saturating_sub(self.memory) < wanted && self.evict() {}
        self.memory_limit.saturating_sub(self.memory)
    }
}

impl Default for DiagramRecorder {
    fn default() -> Self {
        Self::new(&Limits::default())
    }
}

impl EventSink for DiagramRecorder {
    fn event(&mut self, _: &Event<'_>) {}

    fn connection(&mut self, mut connection: TracedConnection) {
        let segments = connection.segments.len();
        let free = self.reserve(connection.weight());
        // A connection takes memory beside that of its segments.
        let Some(free) = free.checked_sub(size_of::<TracedConnection>()) else {
            self.dropped_segments = self.dropped_segments.saturating_add(segments as u64);
            return;
        };
        // A connection that does not fit keeps its beginning.
        let kept = free / size_of::<TracedSegment>();
        if kept < segments {
            connection.segments.truncate(kept);
            connection.segments.shrink_to_fit();
            connection.omitted += (segments - kept) as u64;
        }
        self.memory += connection.weight();
        let replaced = if let Some(session) = connection.control_of {
            self.control.insert(session, connection)
        } else {
            let first = connection.first.number;
            if connection.data_of == [None; 2] {
                self.evictable.push_back(first);
            }
            for session in connection.data_of.into_iter().flatten() {
                self.of_session.entry(session).or_default().push(first);
            }
            self.data.insert(first, connection)
        };
        if let Some(replaced) = replaced {
            self.memory = self.memory.saturating_sub(replaced.weight());
        }
    }

    fn session_filtered(&mut self, session: &Arc<Session>) {
        self.discard(session);
    }

    fn wants_connections(&self) -> bool {
        true
    }
}

/// Limit of the evictable data connections kept.
const MAX_EVICTABLE: usize = 1_000;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::model::Direction;
    use crate::model::FrameRef;
    use crate::model::trace::{Novelty, SegmentFlags};

    fn connection(first: u64, control_of: Option<u64>, segments: usize) -> TracedConnection {
        let end = |port| Endpoint::new(Ipv4Addr::LOCALHOST.into(), port);
        let frame = FrameRef {
            number: first,
            ..FrameRef::default()
        };
        let segment = TracedSegment {
            frame,
            direction: Direction::Up,
            flags: SegmentFlags::default(),
            sequence: 0,
            acknowledgment: 0,
            window: 0,
            bytes: 0,
            novelty: Novelty::New,
        };
        TracedConnection {
            key: FlowKey::new(end(20), end(50_000)).0,
            control_of,
            data_of: [Some(9), None],
            first: frame,
            last: frame,
            segments: vec![segment; segments],
            folded: None,
            omitted: 0,
            payload: Default::default(),
        }
    }

    fn recorder(segments: usize) -> DiagramRecorder {
        DiagramRecorder::new(&Limits {
            traced_segments: segments,
            ..Limits::default()
        })
    }

    #[test]
    fn segments_beyond_the_memory_limit_are_counted() {
        let mut recorder = recorder(100);
        recorder.connection(connection(1, None, 200));
        let kept = recorder.data(1).expect("its beginning");
        assert!(kept.segments.len() < 100);
        assert_eq!(kept.segments.len() as u64 + kept.omitted, 200);
        recorder.connection(connection(2, None, 7));
        assert!(recorder.data(2).is_none());
        assert_eq!(recorder.dropped_segments(), 7);
    }

    #[test]
    fn discarded_session_frees_its_memory() {
        let mut recorder = recorder(1_000);
        let session = crate::report::example::example_session();
        recorder.connection(connection(1, Some(session.id), 300));
        recorder.connection(TracedConnection {
            data_of: [Some(session.id), None],
            ..connection(7, None, 300)
        });
        recorder.discard(&session);
        assert!(recorder.control(session.id).is_none());
        assert!(
            recorder.has_data_connection(7),
            "another session may have it too"
        );
        recorder.connection(connection(8, None, 900));
        assert!(!recorder.has_data_connection(7));
        let kept = recorder.data(8).expect("there is room");
        assert_eq!((kept.segments.len(), recorder.dropped_segments()), (900, 0));
    }
}
