//! Keeps the segments of connections until diagrams are drawn.

use std::collections::BTreeMap;

use crate::model::record::Address;
use crate::model::trace::TracedConnection;
use crate::model::{Endpoint, Event, EventSink, FlowKey};

/// An [`EventSink`] that remembers connections for the diagrams of their sessions.
#[derive(Debug, Default)]
pub struct Recorder {
    /// By session.
    control: BTreeMap<u64, TracedConnection>,
    /// By the number of their first frame.
    data: BTreeMap<u64, TracedConnection>,
}

impl Recorder {
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
}

impl EventSink for Recorder {
    fn event(&mut self, _: &Event<'_>) {}

    fn connection(&mut self, connection: TracedConnection) {
        match connection.control_of {
            Some(session) => self.control.insert(session, connection),
            None => self.data.insert(connection.first.number, connection),
        };
    }

    fn wants_connections(&self) -> bool {
        true
    }
}
