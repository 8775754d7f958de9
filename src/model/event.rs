//! Events: the facts that leave the session layer, and the sinks that receive them.
//!
//! [`Event`] borrows from its sender and lives for one call. [`KeptEvent`] owns its content, for queues between threads
//! and for sessions whose selection is not decided yet.

use std::sync::Arc;

use super::record::{
    Address, Capture, ConnectionAttempt, Finding, Server, Session, Step, Transfer, UnmatchedData,
    Weight as _,
};
use super::trace::TracedConnection;
use super::{FrameRef, Warning};

/// A fact, and the frame that made it known. Events are emitted in the order of these frames.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    /// The frame that completed the fact: the end of a line, or the packet that filled a hole. Number 0 if no packet
    /// did.
    pub frame: FrameRef,
    /// Id of the session; `None` for events about the input, several sessions or unrelated connections.
    pub session: Option<u64>,
    /// The fact.
    pub kind: EventKind<'a>,
}

/// The kinds of events.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EventKind<'a> {
    /// Start of an input; its counts are not known yet.
    Capture(&'a Capture),
    /// A connection recognized as an FTP control connection.
    SessionStart {
        /// Client end of the control connection.
        client: Address,
        /// Server end of the control connection.
        server: &'a Server,
    },
    /// A completed step.
    Step(&'a Arc<Step>),
    /// A transfer whose completeness has been decided.
    Transfer(&'a Arc<Transfer>),
    /// A running transfer; emitted repeatedly, and only for packets that are watched as they arrive.
    TransferProgress {
        /// Id of the transfer within the session.
        transfer: u64,
        /// Payload bytes so far.
        bytes: u64,
        /// Bytes per second so far; `None` while no time has passed since the first packet.
        throughput: Option<f64>,
    },
    /// A finding; [`Event::session`] is `None` if it concerns several sessions or the input.
    Finding(&'a Finding),
    /// End of a session, with the whole session.
    SessionEnd(Arc<Session>),
    /// A data connection without a transfer command in the capture.
    UnmatchedData(&'a UnmatchedData),
    /// A connection to port 21 that never carried a byte.
    ConnectionAttempt(&'a ConnectionAttempt),
    /// A problem with the input, or a limit that was reached.
    Warning(&'a Warning),
}

/// Receiver of events, such as the report builder or the NDJSON writer. Two sinks compose as a tuple.
pub trait EventSink {
    /// Receives one event, which is lent for this call.
    fn event(&mut self, event: &Event<'_>);

    /// Receives a closed connection, segment by segment. Connections of one session come in any order, before or after
    /// the end of the session. Called only if [`wants_connections`](Self::wants_connections).
    fn connection(&mut self, connection: TracedConnection) {
        drop(connection);
    }

    /// Receives a session that was filtered out, in place of its events. Its connections are passed on all the same,
    /// since they may be closed before the selection is decided; this call lets a sink drop them.
    fn session_filtered(&mut self, session: &Arc<Session>) {
        let _ = session;
    }

    /// Returns true if the sink uses [`connection`](Self::connection). Tracing segments is skipped otherwise.
    fn wants_connections(&self) -> bool {
        false
    }
}

impl EventSink for () {
    fn event(&mut self, _: &Event<'_>) {}
}

impl<S: EventSink + ?Sized> EventSink for Box<S> {
    fn event(&mut self, event: &Event<'_>) {
        (**self).event(event);
    }

    fn connection(&mut self, connection: TracedConnection) {
        (**self).connection(connection);
    }

    fn session_filtered(&mut self, session: &Arc<Session>) {
        (**self).session_filtered(session);
    }

    fn wants_connections(&self) -> bool {
        (**self).wants_connections()
    }
}

impl<A: EventSink + ?Sized, B: EventSink + ?Sized> EventSink for (&mut A, &mut B) {
    fn event(&mut self, event: &Event<'_>) {
        self.0.event(event);
        self.1.event(event);
    }

    fn connection(&mut self, connection: TracedConnection) {
        match (self.0.wants_connections(), self.1.wants_connections()) {
            // A long connection has megabytes of segments: copy only if both sinks want them.
            (true, true) => {
                self.0.connection(connection.clone());
                self.1.connection(connection);
            }
            (true, false) => self.0.connection(connection),
            (false, _) => self.1.connection(connection),
        }
    }

    fn session_filtered(&mut self, session: &Arc<Session>) {
        self.0.session_filtered(session);
        self.1.session_filtered(session);
    }

    fn wants_connections(&self) -> bool {
        self.0.wants_connections() || self.1.wants_connections()
    }
}

/// An owned event. Steps, transfers and sessions are shared, not copied.
#[derive(Clone, Debug)]
pub struct KeptEvent {
    frame: FrameRef,
    session: Option<u64>,
    kind: KeptKind,
}

// Boxed but for what is shared already: hundreds of these wait in a batch, and most are steps and transfers.
#[derive(Clone, Debug)]
enum KeptKind {
    Capture(Box<Capture>),
    SessionStart(Address, Box<Server>),
    Step(Arc<Step>),
    Transfer(Arc<Transfer>),
    TransferProgress {
        transfer: u64,
        bytes: u64,
        throughput: Option<f64>,
    },
    Finding(Box<Finding>),
    SessionEnd(Arc<Session>),
    UnmatchedData(Box<UnmatchedData>),
    ConnectionAttempt(Box<ConnectionAttempt>),
    Warning(Box<Warning>),
}

impl KeptEvent {
    /// Copies an event, sharing its steps, transfers and session.
    #[must_use]
    pub fn of(event: &Event<'_>) -> Self {
        Self {
            frame: event.frame,
            session: event.session,
            kind: match &event.kind {
                EventKind::Capture(capture) => KeptKind::Capture(Box::new(Capture::clone(capture))),
                EventKind::SessionStart { client, server } => {
                    KeptKind::SessionStart(*client, Box::new((*server).clone()))
                }
                EventKind::Step(step) => KeptKind::Step(Arc::clone(step)),
                EventKind::Transfer(transfer) => KeptKind::Transfer(Arc::clone(transfer)),
                EventKind::TransferProgress {
                    transfer,
                    bytes,
                    throughput,
                } => KeptKind::TransferProgress {
                    transfer: *transfer,
                    bytes: *bytes,
                    throughput: *throughput,
                },
                EventKind::Finding(finding) => KeptKind::Finding(Box::new((*finding).clone())),
                EventKind::SessionEnd(session) => KeptKind::SessionEnd(Arc::clone(session)),
                EventKind::UnmatchedData(data) => {
                    KeptKind::UnmatchedData(Box::new((*data).clone()))
                }
                EventKind::ConnectionAttempt(attempt) => {
                    KeptKind::ConnectionAttempt(Box::new((*attempt).clone()))
                }
                EventKind::Warning(warning) => KeptKind::Warning(Box::new((*warning).clone())),
            },
        }
    }

    /// Emits the event to `sink`.
    pub fn emit(&self, sink: &mut dyn EventSink) {
        sink.event(&Event {
            frame: self.frame,
            session: self.session,
            kind: match &self.kind {
                KeptKind::Capture(capture) => EventKind::Capture(capture),
                KeptKind::SessionStart(client, server) => EventKind::SessionStart {
                    client: *client,
                    server,
                },
                KeptKind::Step(step) => EventKind::Step(step),
                KeptKind::Transfer(transfer) => EventKind::Transfer(transfer),
                KeptKind::TransferProgress {
                    transfer,
                    bytes,
                    throughput,
                } => EventKind::TransferProgress {
                    transfer: *transfer,
                    bytes: *bytes,
                    throughput: *throughput,
                },
                KeptKind::Finding(finding) => EventKind::Finding(finding),
                KeptKind::SessionEnd(session) => EventKind::SessionEnd(Arc::clone(session)),
                KeptKind::UnmatchedData(data) => EventKind::UnmatchedData(data),
                KeptKind::ConnectionAttempt(attempt) => EventKind::ConnectionAttempt(attempt),
                KeptKind::Warning(warning) => EventKind::Warning(warning),
            },
        });
    }

    /// Estimates the bytes of memory that the event keeps alive.
    #[must_use]
    pub fn weight(&self) -> usize {
        // A session counts as nothing: its steps and transfers were counted when they were emitted.
        let shared = match &self.kind {
            KeptKind::Step(step) => step.weight(),
            KeptKind::Transfer(transfer) => transfer.weight(),
            _ => 0,
        };
        size_of::<Self>() + shared
    }
}
