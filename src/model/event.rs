//! Events, warnings and content: the facts and bytes that leave the session layer, and the sinks that receive them.
//!
//! [`Event`] borrows from its sender and lives for one call. [`KeptEvent`] owns its content, for queues between threads
//! and for sessions whose selection is not decided yet.
//!
//! ```text
//! write(id, offset, bytes)*  ──>  settle(id, Settled) -> Stored      a file
//!                            \->  discard(id)                        a listing, TLS, or the wrong direction
//! ```

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::record::{
    Address, Capture, CaptureFrame, Completeness, Connection, ConnectionAttempt, Decoded, Finding,
    Server, Session, Step, Transfer, UnmatchedData, Weight as _,
};
use super::streams::{StreamBytes, StreamPart};
use super::trace::TracedConnection;
use super::{Endpoint, FrameRef, Timestamp};

/// A fact, and the frame that made it known. Events are emitted in the order of these frames, but for those that are `late`.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    /// The frame that completed the fact: the end of a line, or the packet that filled a hole. Number 0 if no packet
    /// did.
    pub frame: FrameRef,
    /// Id of the session; `None` for events about the input, several sessions or unrelated connections.
    pub session: Option<u64>,
    /// The event could be emitted only once a TLS secret came, later than its packet.
    pub late: bool,
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
    /// A finding that is proven before its session or the input ends; [`Event::session`] as for [`EventKind::Finding`].
    ///
    /// States what is known by then. The final [`EventKind::Finding`] comes at the end all the same, unless what followed
    /// changed it.
    FindingSoFar(&'a Finding),
    /// A finding; [`Event::session`] is `None` if it concerns several sessions or the input.
    Finding(&'a Finding),
    /// End of a session, with the whole session.
    SessionEnd(Arc<Session>),
    /// A data connection without a transfer command in the capture.
    UnmatchedData(&'a UnmatchedData),
    /// A connection to port 21 that carried no FTP.
    ConnectionAttempt(&'a ConnectionAttempt),
    /// A connection after whose end packets came: its record with them. Which end is the FTP client is a guess here.
    LatePackets(&'a Connection),
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
    late: bool,
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
    FindingSoFar(Box<Finding>),
    Finding(Box<Finding>),
    SessionEnd(Arc<Session>),
    UnmatchedData(Box<UnmatchedData>),
    ConnectionAttempt(Box<ConnectionAttempt>),
    LatePackets(Box<Connection>),
    Warning(Box<Warning>),
}

impl KeptEvent {
    /// Copies an event, sharing its steps, transfers and session.
    #[must_use]
    pub fn of(event: &Event<'_>) -> Self {
        Self {
            frame: event.frame,
            session: event.session,
            late: event.late,
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
                EventKind::FindingSoFar(finding) => {
                    KeptKind::FindingSoFar(Box::new((*finding).clone()))
                }
                EventKind::Finding(finding) => KeptKind::Finding(Box::new((*finding).clone())),
                EventKind::SessionEnd(session) => KeptKind::SessionEnd(Arc::clone(session)),
                EventKind::UnmatchedData(data) => {
                    KeptKind::UnmatchedData(Box::new((*data).clone()))
                }
                EventKind::ConnectionAttempt(attempt) => {
                    KeptKind::ConnectionAttempt(Box::new((*attempt).clone()))
                }
                EventKind::LatePackets(connection) => {
                    KeptKind::LatePackets(Box::new((*connection).clone()))
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
            late: self.late,
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
                KeptKind::FindingSoFar(finding) => EventKind::FindingSoFar(finding),
                KeptKind::Finding(finding) => EventKind::Finding(finding),
                KeptKind::SessionEnd(session) => EventKind::SessionEnd(Arc::clone(session)),
                KeptKind::UnmatchedData(data) => EventKind::UnmatchedData(data),
                KeptKind::ConnectionAttempt(attempt) => EventKind::ConnectionAttempt(attempt),
                KeptKind::LatePackets(connection) => EventKind::LatePackets(connection),
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

/// Stable names of the warnings.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum WarningCode {
    /// The input ends inside a packet, block or compressed stream; it was analyzed up to there.
    CaptureTruncated,
    /// A capture followed while it grew became shorter or was replaced; packets written after that were not read.
    CaptureReplaced,
    /// A record or block is damaged; the input behind it could not be read.
    CaptureCorrupt,
    /// Packets of an unsupported link type were counted but not decoded.
    LinkTypeUnsupported,
    /// Much of the capture is of an ether type or IP protocol that is not read.
    EncapsulationUnread,
    /// The capture states that packets were dropped before they were written.
    PacketsDropped,
    /// An interface went down during a live capture, or is up again: meanwhile nothing was captured from it.
    InterfaceDown,
    /// Packets were captured in part (snap length); the rest of their bytes counts as missing.
    PacketsCut,
    /// The capture filter hid data connections: what moved over them is not in the report.
    DataConnectionsFiltered,
    /// A header could not be decoded.
    MalformedPacket,
    /// Overlapping segments differed in their bytes; the first seen were kept.
    ConflictingRetransmission,
    /// IP fragments overlapped, were incomplete or exceeded their limit.
    Fragments,
    /// A timestamp far from its neighbours was rejected.
    TimeJump,
    /// A limit was reached and something was omitted.
    LimitReached,
    /// Saved files or session text may hold secrets.
    SecretsInOutput,
    /// An output could not be written.
    OutputFailed,
    /// Lines of a key log are no secrets.
    SecretsUnusable,
    /// No secret was found for TLS connections of FTP, although a source of secrets was there.
    SecretsMissing,
    /// Lines of a server's log do not fit its kind.
    LogLineUnreadable,
}

/// One warning, with its count and its first frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Stable name.
    pub code: WarningCode,
    /// Sentence for people: the problem and the remedy.
    pub message: String,
    /// Number of occurrences.
    pub count: u64,
    /// Frame of the first occurrence; `None` if the warning concerns no packet.
    pub frame: Option<FrameRef>,
}

impl Warning {
    /// Creates a warning that occurred once.
    #[must_use]
    pub fn new(code: WarningCode, message: impl Into<String>, frame: Option<FrameRef>) -> Self {
        Self {
            code,
            message: message.into(),
            count: 1,
            frame,
        }
    }

    /// Creates the warning that a filter hid the data connections of this many transfers.
    #[must_use]
    pub fn data_filtered(transfers: u64) -> Self {
        let message = "the filter of -f hides data connections, which use ports of their own: \
            files and listings are missing; filter by host, or leave out -f";
        Self {
            count: transfers,
            ..Self::new(WarningCode::DataConnectionsFiltered, message, None)
        }
    }
}

/// Receiver of the bytes of data connections as they arrive.
///
/// The command that the bytes belong to may become known later: bytes come under a [`ContentId`], and exactly one call
/// of [`settle`](Self::settle) or [`discard`](Self::discard) follows for each id that was written. `settle` may also
/// come for an id that was never written: an empty file. A sink that cannot write remembers the failure, returns it
/// from `settle`, and accepts further calls.
pub trait TransferSink {
    /// Receives bytes at `offset` of the stream. Offsets never decrease; gaps are skipped without a call.
    fn write(&mut self, id: ContentId, offset: u64, bytes: &[u8]);

    /// Ends a content that is a file.
    fn settle(&mut self, id: ContentId, settled: &Settled<'_>) -> Result<Stored, StoreError>;

    /// Ends a content that is no file: a listing, encrypted, or the wrong direction.
    fn discard(&mut self, id: ContentId);

    /// Ends the decoded content of the transfer that is settled next; `settled` describes the bytes on the wire.
    // Before `settle`, so that `Settled::decoded` already names the saved file.
    fn settle_decoded(
        &mut self,
        id: ContentId,
        settled: &Settled<'_>,
        decoded: &Decoded,
    ) -> Result<Stored, StoreError> {
        let _ = (id, settled, decoded);
        Ok(Stored::default())
    }

    /// Corrects the completeness of a settled transfer. Its file stays at its path.
    fn revise(&mut self, session: u64, transfer: u64, completeness: Completeness) {
        let _ = (session, transfer, completeness);
    }

    /// Returns true if the sink uses [`stream_bytes`](Self::stream_bytes) and [`stream_part`](Self::stream_part).
    fn wants_streams(&self) -> bool {
        false
    }

    /// Receives bytes of a control or data connection as they were sent, whatever they are.
    fn stream_bytes(&mut self, bytes: &StreamBytes<'_>) {
        let _ = bytes;
    }

    /// Receives the next part of a control stream, or the prelude of a data connection, after its bytes.
    fn stream_part(&mut self, part: StreamPart) {
        let _ = part;
    }
}

impl TransferSink for () {
    fn write(&mut self, _: ContentId, _: u64, _: &[u8]) {}

    fn settle(&mut self, _: ContentId, _: &Settled<'_>) -> Result<Stored, StoreError> {
        Ok(Stored::default())
    }

    fn discard(&mut self, _: ContentId) {}
}

/// Identity of the bytes of one direction of one data connection; never reused in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentId(pub u64);

/// Facts about the complete content of one direction of a data connection.
#[derive(Clone, Debug)]
pub struct Settled<'a> {
    /// Id of the session; `None` for data without a command.
    pub session: Option<u64>,
    /// Id of the transfer within the session; `None` for data without a command.
    pub transfer: Option<u64>,
    /// The FTP client's end of the control connection; of the data connection if no session claims it.
    pub client: Endpoint,
    /// The FTP server's end of the control connection; of the data connection if no session claims it.
    pub server: Endpoint,
    /// First frame of the data connection; names data without a command.
    pub first_frame: u64,
    /// With more than one capture: its place; otherwise `None`.
    pub first_place: Option<CaptureFrame>,
    /// User logged in; `None` if it is not known.
    pub user: Option<&'a str>,
    /// Verb of the transfer command; empty for data without a command.
    pub verb: &'a str,
    /// Absolute path on the server; `None` if the working directory is unknown.
    pub path: Option<&'a [u8]>,
    /// Argument of the transfer command; `None` if it has none.
    pub argument: Option<&'a [u8]>,
    /// Path, or else argument, as reports show it: without secrets. `None` if the transfer has neither.
    pub shown: Option<&'a str>,
    /// Completeness of the transfer.
    pub completeness: Completeness,
    /// Payload bytes captured, each once.
    pub bytes: u64,
    /// Gaps as half-open ranges of stream offsets, as in the report.
    pub missing_ranges: &'a [[u64; 2]],
    /// Offset in the server's file of the first byte (REST, RFC 3659 section 5); 0 without REST.
    pub restart_offset: u64,
    /// True if the bytes are those of the file (TYPE I, STRU F, MODE S) and all gaps are known. Only then can parts of
    /// several transfers be put together.
    pub plain: bool,
    /// Exact size of the file that the server stated before the transfer (SIZE, MLST, 213); `None` if it stated none.
    pub told_size: Option<u64>,
    /// Length of the stream with its gaps, in bytes: the length of the saved file.
    pub length: u64,
    /// SHA-256 of the captured bytes in hex; `None` if the report has none.
    pub sha256: Option<&'a str>,
    /// MD5 in hex; `None` unless requested.
    pub md5: Option<&'a str>,
    /// SHA-1 in hex; `None` unless requested.
    pub sha1: Option<&'a str>,
    /// Media type detected from the first bytes; `None` if not recognized.
    pub media_type: Option<&'a str>,
    /// The file after MODE, STRU and TYPE are decoded; `None` if the bytes are the file.
    pub decoded: Option<&'a Decoded>,
    /// Time of the first packet of the data connection.
    pub start: Timestamp,
    /// Time of the last packet of the data connection.
    pub end: Timestamp,
}

/// Location of settled content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Path below the extraction directory, with `/` between its parts; `None` if nothing was saved.
    pub saved_as: Option<String>,
}

/// Reason why content was not saved. The analysis continues without the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError(pub String);
