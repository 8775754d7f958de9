//! What leaves the session layer: events for reports and printers, bytes for the extractor.

use std::sync::Arc;

use super::record::{
    Address, Capture, Completeness, ConnectionAttempt, Decoded, Finding, Server, Session, Step,
    Transfer, UnmatchedData,
};
use super::trace::TracedConnection;
use super::{Endpoint, FrameRef, Timestamp, Warning};

/// Something that became known, and the frame that made it known. Events leave in the order of these frames.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    /// The frame that completed the event.
    pub frame: FrameRef,
    /// The session it belongs to.
    pub session: Option<u64>,
    /// What became known.
    pub kind: EventKind<'a>,
}

/// The kinds of events.
#[derive(Clone, Debug)]
pub enum EventKind<'a> {
    /// An input begins; its counts are not known yet.
    Capture(&'a Capture),
    /// A connection turned out to be an FTP control connection.
    SessionStart {
        /// The client's end.
        client: Address,
        /// The server's end.
        server: &'a Server,
    },
    /// A step is complete.
    Step(&'a Arc<Step>),
    /// A transfer is settled.
    Transfer(&'a Arc<Transfer>),
    /// A transfer has been running for a while; told again and again, and only where packets are watched as they come.
    TransferProgress {
        /// Id of the transfer within the session.
        transfer: u64,
        /// Payload bytes so far.
        bytes: u64,
        /// Bytes per second so far.
        throughput: Option<f64>,
    },
    /// Something deserves attention; `session` of the event tells of which session, if of one.
    Finding(&'a Finding),
    /// A session is over; this is all of it.
    SessionEnd(Arc<Session>),
    /// A data connection for which there is no command.
    UnmatchedData(&'a UnmatchedData),
    /// A connection to port 21 that never carried a byte.
    ConnectionAttempt(&'a ConnectionAttempt),
    /// Something about the input, or a bound that was reached.
    Warning(&'a Warning),
}

/// Takes events: the report builder, the event lines. Sinks compose as tuples.
pub trait EventSink {
    /// One event. What it borrows is lent for this call.
    fn event(&mut self, event: &Event<'_>);
    /// A connection is over, and segments were asked for. Connections of one session come in any order, before or after
    /// its end.
    fn connection(&mut self, connection: TracedConnection) {
        drop(connection);
    }
    /// A session is over that is not told of, because it was not chosen. Its connections were told, or will be.
    fn left_out(&mut self, session: &Arc<Session>) {
        let _ = session;
    }
    /// Whether [`connection`](Self::connection) is of any use.
    fn wants_connections(&self) -> bool {
        false
    }
}

impl EventSink for () {
    fn event(&mut self, _: &Event<'_>) {}
}

impl<A: EventSink + ?Sized, B: EventSink + ?Sized> EventSink for (&mut A, &mut B) {
    fn event(&mut self, event: &Event<'_>) {
        self.0.event(event);
        self.1.event(event);
    }

    fn connection(&mut self, connection: TracedConnection) {
        match (self.0.wants_connections(), self.1.wants_connections()) {
            (true, true) => {
                self.0.connection(connection.clone());
                self.1.connection(connection);
            }
            (true, false) => self.0.connection(connection),
            (false, _) => self.1.connection(connection),
        }
    }

    fn left_out(&mut self, session: &Arc<Session>) {
        self.0.left_out(session);
        self.1.left_out(session);
    }

    fn wants_connections(&self) -> bool {
        self.0.wants_connections() || self.1.wants_connections()
    }
}

/// Names the bytes of one direction of one data connection: never used twice in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentId(pub u64);

/// What became of the bytes of one direction of a data connection.
#[derive(Clone, Debug)]
pub struct Settled<'a> {
    /// The session, where one claims them; `None` for data without a command.
    pub session: Option<u64>,
    /// Id of the transfer within the session.
    pub transfer: Option<u64>,
    /// The FTP client's end of the control connection, or of the data connection.
    pub client: Endpoint,
    /// The FTP server's end of the control connection (of the data connection, where no session claims it).
    pub server: Endpoint,
    /// First frame of the data connection: names data without a command.
    pub first_frame: u64,
    /// Verb of the transfer command.
    pub verb: &'a str,
    /// Absolute path on the server, where known.
    pub path: Option<&'a [u8]>,
    /// Argument of the transfer command.
    pub argument: Option<&'a [u8]>,
    /// Whether it is whole.
    pub completeness: Completeness,
    /// Payload bytes captured.
    pub bytes: u64,
    /// Holes, as in the report.
    pub missing_ranges: &'a [[u64; 2]],
    /// Where in the server's file the bytes begin (REST).
    pub restart_offset: u64,
    /// The bytes are those of the file (TYPE I, STRU F, MODE S), and all holes are known.
    pub plain: bool,
    /// The size that the server told for the path before the transfer, exactly.
    pub told_size: Option<u64>,
    /// Length of the stream, holes included: the length of the saved file.
    pub length: u64,
    /// SHA-256 of the bytes captured, in hex, where the report has one.
    pub sha256: Option<&'a str>,
    /// MD5, on request.
    pub md5: Option<&'a str>,
    /// SHA-1, on request.
    pub sha1: Option<&'a str>,
    /// What the content looks like.
    pub media_type: Option<&'a str>,
    /// The file that the bytes stand for, where they are not the file.
    pub decoded: Option<&'a Decoded>,
    /// First packet of the data connection.
    pub start: Timestamp,
    /// Last packet of the data connection.
    pub end: Timestamp,
}

/// Where settled bytes are now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Path below the extraction folder, with `/` between its parts; `None` where nothing was saved.
    pub saved_as: Option<String>,
}

/// Why bytes could not be saved; the analysis goes on without them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError(pub String);

/// Takes the bytes of data connections as they arrive.
///
/// Which command they belong to may be known only later: bytes come under a [`ContentId`], and exactly one call of
/// [`settle`](Self::settle) or [`discard`](Self::discard) follows for each id that was written. `settle` may also come
/// for an id that was never written: an empty file. A sink that cannot write remembers that, reports it from `settle`, and takes further
/// calls.
pub trait TransferSink {
    /// Bytes at `offset` of the stream. Offsets never go back; holes are simply passed over.
    fn write(&mut self, id: ContentId, offset: u64, bytes: &[u8]);
    /// The bytes belong to this file, and there are no more.
    fn settle(&mut self, id: ContentId, settled: &Settled<'_>) -> Result<Stored, StoreError>;
    /// The bytes are no file: a listing, encrypted, or the wrong direction.
    fn discard(&mut self, id: ContentId);
    /// The decoded bytes of the transfer that is about to be settled; `settled` is about the bytes on the wire.
    fn settle_decoded(
        &mut self,
        id: ContentId,
        settled: &Settled<'_>,
        decoded: &Decoded,
    ) -> Result<Stored, StoreError> {
        let _ = (id, settled, decoded);
        Ok(Stored::default())
    }
    /// More became known of a transfer that was settled: it is not what it seemed. Its file stays where it is.
    fn revise(&mut self, session: u64, transfer: u64, completeness: Completeness) {
        let _ = (session, transfer, completeness);
    }
}

impl TransferSink for () {
    fn write(&mut self, _: ContentId, _: u64, _: &[u8]) {}

    fn settle(&mut self, _: ContentId, _: &Settled<'_>) -> Result<Stored, StoreError> {
        Ok(Stored::default())
    }

    fn discard(&mut self, _: ContentId) {}
}
