//! Events that outlive the call that told them.

use std::sync::Arc;

use super::record::{
    Address, Capture, ConnectionAttempt, Finding, Server, Session, Step, Transfer, UnmatchedData,
    Weight as _,
};
use super::{Event, EventKind, EventSink, FrameRef, Warning};

/// An event, kept to be told later or elsewhere. Steps, transfers and sessions are shared, not copied.
#[derive(Clone, Debug)]
pub struct KeptEvent {
    frame: FrameRef,
    session: Option<u64>,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
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
    /// Keeps an event.
    #[must_use]
    pub fn of(event: &Event<'_>) -> Self {
        Self {
            frame: event.frame,
            session: event.session,
            kind: match &event.kind {
                EventKind::Capture(capture) => Kind::Capture(Box::new(Capture::clone(capture))),
                EventKind::SessionStart { client, server } => {
                    Kind::SessionStart(*client, Box::new((*server).clone()))
                }
                EventKind::Step(step) => Kind::Step(Arc::clone(step)),
                EventKind::Transfer(transfer) => Kind::Transfer(Arc::clone(transfer)),
                EventKind::TransferProgress {
                    transfer,
                    bytes,
                    throughput,
                } => Kind::TransferProgress {
                    transfer: *transfer,
                    bytes: *bytes,
                    throughput: *throughput,
                },
                EventKind::Finding(finding) => Kind::Finding(Box::new((*finding).clone())),
                EventKind::SessionEnd(session) => Kind::SessionEnd(Arc::clone(session)),
                EventKind::UnmatchedData(data) => Kind::UnmatchedData(Box::new((*data).clone())),
                EventKind::ConnectionAttempt(attempt) => {
                    Kind::ConnectionAttempt(Box::new((*attempt).clone()))
                }
                EventKind::Warning(warning) => Kind::Warning(Box::new((*warning).clone())),
            },
        }
    }

    /// Tells it.
    pub fn tell(&self, sink: &mut dyn EventSink) {
        sink.event(&Event {
            frame: self.frame,
            session: self.session,
            kind: match &self.kind {
                Kind::Capture(capture) => EventKind::Capture(capture),
                Kind::SessionStart(client, server) => EventKind::SessionStart {
                    client: *client,
                    server,
                },
                Kind::Step(step) => EventKind::Step(step),
                Kind::Transfer(transfer) => EventKind::Transfer(transfer),
                Kind::TransferProgress {
                    transfer,
                    bytes,
                    throughput,
                } => EventKind::TransferProgress {
                    transfer: *transfer,
                    bytes: *bytes,
                    throughput: *throughput,
                },
                Kind::Finding(finding) => EventKind::Finding(finding),
                Kind::SessionEnd(session) => EventKind::SessionEnd(Arc::clone(session)),
                Kind::UnmatchedData(data) => EventKind::UnmatchedData(data),
                Kind::ConnectionAttempt(attempt) => EventKind::ConnectionAttempt(attempt),
                Kind::Warning(warning) => EventKind::Warning(warning),
            },
        });
    }

    /// Bytes that stay in memory because it is kept, near enough: a session has none of its own, for its steps and
    /// transfers were told before.
    #[must_use]
    pub fn weight(&self) -> usize {
        let shared = match &self.kind {
            Kind::Step(step) => step.weight(),
            Kind::Transfer(transfer) => transfer.weight(),
            _ => 0,
        };
        size_of::<Self>() + shared
    }
}
