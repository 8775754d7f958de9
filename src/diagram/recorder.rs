//! Keeps the segments of connections until diagrams are drawn.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::model::record::{Address, Session};
use crate::model::trace::{TracedConnection, TracedSegment};
use crate::model::{Endpoint, Event, EventSink, FlowKey, Limits};

/// An [`EventSink`] that remembers connections for the diagrams of their sessions.
#[derive(Debug)]
pub struct Recorder {
    /// By session.
    control: BTreeMap<u64, TracedConnection>,
    /// By the number of their first frame.
    data: BTreeMap<u64, TracedConnection>,
    /// First frames of the data connections of a session.
    of_session: BTreeMap<u64, Vec<u64>>,
    /// First frames of data connections that nobody may need any more: those of sessions that are drawn, of which another
    /// session may have the same, and those of no session, which may have been an attempt of one.
    spare: VecDeque<u64>,
    /// Bytes of all connections.
    weight: usize,
    /// Bytes that they may take.
    bound: usize,
    /// Segments of connections that were not kept at all.
    lost: u64,
}

impl Recorder {
    /// A recorder that keeps as many segments as `limits` allow.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            control: BTreeMap::new(),
            data: BTreeMap::new(),
            of_session: BTreeMap::new(),
            spare: VecDeque::new(),
            weight: 0,
            bound: limits
                .traced_segments
                .saturating_mul(size_of::<TracedSegment>()),
            lost: 0,
        }
    }

    pub(super) fn control(&self, session: u64) -> Option<&TracedConnection> {
        self.control.get(&session)
    }

    /// The data connection that began in a frame.
    pub(super) fn data(&self, first_frame: u64) -> Option<&TracedConnection> {
        self.data.get(&first_frame)
    }

    /// Connections to or from an end point, that began between two frames.
    pub(super) fn data_at(
        &self,
        address: Address,
        from: u64,
        to: u64,
    ) -> impl Iterator<Item = &TracedConnection> {
        let end = Endpoint::from(address);
        let frames = from..to.max(from);
        let touches = move |key: &FlowKey| key.low == end || key.high == end;
        let connections = self.data.range(frames).map(|(_, connection)| connection);
        connections.filter(move |connection| touches(&connection.key))
    }

    /// Whether it has the data connection that began in a frame.
    #[must_use]
    pub fn has_data(&self, first_frame: u64) -> bool {
        self.data.contains_key(&first_frame)
    }

    /// Bytes it takes, near enough.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// Segments of connections that were not kept at all, because there was no more room.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// A session is drawn and will not be again: its segments need not be kept.
    pub fn forget(&mut self, session: &Session) {
        if let Some(control) = self.control.remove(&session.id) {
            self.weight = self.weight.saturating_sub(control.weight());
        }
        let data = self.of_session.remove(&session.id).unwrap_or_default();
        self.spare.extend(data);
        while self.spare.len() > SPARE {
            self.drop_spare();
        }
    }

    fn drop_spare(&mut self) -> bool {
        let Some(frame) = self.spare.pop_front() else {
            return false;
        };
        if let Some(connection) = self.data.remove(&frame) {
            self.weight = self.weight.saturating_sub(connection.weight());
        }
        true
    }

    /// Makes room, as far as there is something that nobody needs. Tells how many bytes there are.
    fn room(&mut self, wanted: usize) -> usize {
        while self.bound.saturating_sub(self.weight) < wanted && self.drop_spare() {}
        self.bound.saturating_sub(self.weight)
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new(&Limits::default())
    }
}

impl EventSink for Recorder {
    fn event(&mut self, _: &Event<'_>) {}

    fn connection(&mut self, mut connection: TracedConnection) {
        let segments = connection.segments.len();
        let room = self.room(connection.weight());
        let Some(room) = room.checked_sub(size_of::<TracedConnection>()) else {
            self.lost = self.lost.saturating_add(segments as u64);
            return;
        };
        let kept = room / size_of::<TracedSegment>();
        if kept < segments {
            connection.segments.truncate(kept);
            connection.segments.shrink_to_fit();
            connection.omitted += (segments - kept) as u64;
        }
        self.weight += connection.weight();
        let before = if let Some(session) = connection.control_of {
            self.control.insert(session, connection)
        } else {
            let first = connection.first.number;
            if connection.data_of == [None; 2] {
                self.spare.push_back(first);
            }
            for session in connection.data_of.into_iter().flatten() {
                self.of_session.entry(session).or_default().push(first);
            }
            self.data.insert(first, connection)
        };
        if let Some(before) = before {
            self.weight = self.weight.saturating_sub(before.weight());
        }
    }

    fn session_filtered(&mut self, session: &Arc<Session>) {
        self.forget(session);
    }

    fn wants_connections(&self) -> bool {
        true
    }
}

/// Data connections kept that nobody may need.
const SPARE: usize = 1_000;

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
            segments: vec![segment; segments],
            folded: None,
            omitted: 0,
            payload: Default::default(),
        }
    }

    fn recorder(segments: usize) -> Recorder {
        Recorder::new(&Limits {
            traced_segments: segments,
            ..Limits::default()
        })
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let mut recorder = recorder(100);
        recorder.connection(connection(1, None, 200));
        let kept = recorder.data(1).expect("its beginning");
        assert!(kept.segments.len() < 100);
        assert_eq!(kept.segments.len() as u64 + kept.omitted, 200);
        recorder.connection(connection(2, None, 7));
        assert!(recorder.data(2).is_none());
        assert_eq!(recorder.lost(), 7);
    }

    #[test]
    fn what_is_drawn_gives_its_room_back() {
        let mut recorder = recorder(1_000);
        let session = crate::report::example::example_session();
        recorder.connection(connection(1, Some(session.id), 300));
        recorder.connection(TracedConnection {
            data_of: [Some(session.id), None],
            ..connection(7, None, 300)
        });
        recorder.forget(&session);
        assert!(recorder.control(session.id).is_none());
        assert!(recorder.has_data(7), "another session may have it too");
        recorder.connection(connection(8, None, 900));
        assert!(!recorder.has_data(7));
        let kept = recorder.data(8).expect("there is room");
        assert_eq!((kept.segments.len(), recorder.lost()), (900, 0));
    }
}
