//! One data connection: the negotiation it is bound to, and the file it carries.

use crate::model::record::{Close, Connection, Link, LinkMethod, Tls, TransferMode};
use crate::model::{Direction, Endpoint, FlowKey, FrameRef, TransferSink};
use crate::protocol::community_id::community_id;
use crate::protocol::ftp::FTP_DATA_PORT;
use crate::protocol::ftp::representation::Coding;
use crate::protocol::proxy;
use crate::protocol::tls::decryption::Keyring;
use crate::protocol::uid::connection_uid;
use crate::reassembly::{Chunk, CloseReason, FlowSummary, Gap};
use crate::session::connection::Part;
use crate::session::data::content::Content;
use crate::session::data::content_sink::ContentSink;
use crate::session::data::decoding::Decoding;
use crate::session::data::encrypted_stream::{EncryptedStream, Nature};
use crate::session::data::payload::Payload;
pub(crate) use crate::session::data::payload::Purpose;
use crate::session::data::shared_connection::FilePart;
use crate::session::data::tls_data::{Destination, TlsData};
use crate::session::negotiation::confidence::Agreement;
use crate::session::negotiation::expectation::NegotiationId;

/// Identifies a data channel; never reused within a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct DataId(pub(crate) u64);

/// A data connection, or the part of one that carries one file.
pub(crate) struct DataChannel {
    key: FlowKey,
    /// Direction in which the FTP client sends.
    client_way: Direction,
    /// Summary of the flow as of its last event other than bytes.
    summary: FlowSummary,
    /// `None` while the connection is open.
    closed: Option<CloseReason>,
    binding: Binding,
    part: FilePart,
    payload: Payload,
    /// TLS records seen on the connection; `None` unless it may belong to an encrypted session.
    encrypted: Option<Box<EncryptedStream>>,
    /// TLS of a connection that a readable command announced; `None` if its session is in clear, or its bytes are.
    tls: Option<Box<TlsData>>,
    /// TLS up to the end of this file; `None` unless the connection goes on behind it.
    tls_so_far: Option<Box<Tls>>,
    /// Cleartext is kept, because the port alone shows that the connection carries data.
    keeps_cleartext: bool,
}

/// Sessions to which a data connection belongs or may belong.
struct Binding {
    /// Negotiation that announced the connection; `None` for an unannounced one, and once no command used it.
    negotiation: Option<NegotiationId>,
    /// Method and confidence of the binding to `negotiation`.
    link: Link,
    /// Session that announced the connection; `None` unless no command of that session used it.
    announcer: Option<u64>,
    /// Session with unreadable commands that the connection may belong to; `None` for any other connection.
    encrypted_session: Option<u64>,
    /// Same connection as bound to another session; `None` unless two servers exchange a file (RFC 959 section 5.2).
    twin: Option<DataId>,
}

impl DataChannel {
    /// Creates the channel of an announced connection.
    ///
    /// `listener` is the endpoint that was announced; `client_listens` in the active modes.
    pub(crate) fn expected(
        negotiation: NegotiationId,
        link: Link,
        listener: Endpoint,
        client_listens: bool,
        summary: &FlowSummary,
    ) -> Self {
        // `listener` is one of the two endpoints: the expectation was found by them.
        let listener_way = summary
            .key
            .direction_from(listener)
            .unwrap_or(Direction::Up);
        let client_way = if client_listens {
            listener_way
        } else {
            listener_way.reverse()
        };
        Self::new(Some(negotiation), link, client_way, summary)
    }

    /// Creates the channel of a connection from port 20 that no session announced.
    pub(crate) fn unannounced(summary: &FlowSummary) -> Self {
        let from_low = summary.key.low.port == FTP_DATA_PORT;
        let client_way = if from_low {
            Direction::Down
        } else {
            Direction::Up
        };
        // Unmatched data is reported without its link.
        let link = Agreement::PortAndOneHost.link(false);
        Self::new(None, link, client_way, summary)
    }

    /// Creates the channel of a connection that may belong to `session`, whose commands cannot be read.
    ///
    /// `client_way` is a guess from the endpoints, which the TLS handshake may correct.
    pub(crate) fn unreadable(session: u64, client_way: Direction, summary: &FlowSummary) -> Self {
        let link = Link {
            method: LinkMethod::EncryptedSession,
            confidence: 0.5,
        };
        let ports = [summary.key.low.port, summary.key.high.port];
        let mut channel = Self::new(None, link, client_way, summary);
        channel.binding.encrypted_session = Some(session);
        channel.encrypted = Some(Box::default());
        channel.keeps_cleartext = ports.contains(&FTP_DATA_PORT);
        channel
    }

    fn new(
        negotiation: Option<NegotiationId>,
        link: Link,
        client_way: Direction,
        summary: &FlowSummary,
    ) -> Self {
        Self {
            key: summary.key,
            client_way,
            summary: summary.clone(),
            closed: None,
            binding: Binding {
                negotiation,
                link,
                announcer: None,
                encrypted_session: None,
                twin: None,
            },
            part: FilePart::default(),
            payload: Payload::default(),
            encrypted: None,
            tls: None,
            tls_so_far: None,
            keeps_cleartext: true,
        }
    }

    /// Returns the endpoints of the connection.
    pub(crate) const fn key(&self) -> FlowKey {
        self.key
    }

    /// Returns the direction in which the FTP client sends.
    pub(crate) const fn client_way(&self) -> Direction {
        self.client_way
    }

    /// Corrects the direction in which the FTP client sends.
    pub(crate) const fn set_client_way(&mut self, direction: Direction) {
        self.client_way = direction;
    }

    /// Returns the FTP server's endpoint.
    pub(crate) const fn server(&self) -> Endpoint {
        self.key.destination(self.client_way)
    }

    /// Returns the FTP client's endpoint.
    pub(crate) const fn client(&self) -> Endpoint {
        self.key.source(self.client_way)
    }

    /// Returns the negotiation that the connection is bound to; `None` if it is unannounced or unbound.
    pub(crate) const fn negotiation(&self) -> Option<NegotiationId> {
        self.binding.negotiation
    }

    /// Returns the method and confidence of the binding.
    pub(crate) const fn link(&self) -> Link {
        self.binding.link
    }

    /// Binds the channel to another negotiation of the same session; does nothing for an unbound channel.
    pub(crate) const fn rebind(&mut self, number: u64) {
        if let Some(negotiation) = &mut self.binding.negotiation {
            negotiation.number = number;
        }
    }

    /// Unbinds the channel from its negotiation; `session` announced the connection, or may own it.
    pub(crate) const fn unbind(&mut self, session: u64) {
        self.binding.negotiation = None;
        self.binding.announcer = Some(session);
    }

    /// Returns the session with unreadable commands that the connection may belong to; `None` for any other connection.
    pub(crate) const fn encrypted_session(&self) -> Option<u64> {
        self.binding.encrypted_session
    }

    /// Returns the session that announced the connection without using it; `None` if there is none.
    pub(crate) const fn announcer(&self) -> Option<u64> {
        self.binding.announcer
    }

    /// Returns the session that the connection belongs to, or may belong to; `None` if there is none.
    pub(crate) fn claimant(&self) -> Option<u64> {
        let binding = &self.binding;
        let bound = binding.negotiation.map(|negotiation| negotiation.session);
        bound.or(binding.encrypted_session).or(binding.announcer)
    }

    /// Returns the same connection as bound to another session; `None` unless two servers exchange a file.
    pub(crate) const fn twin(&self) -> Option<DataId> {
        self.binding.twin
    }

    /// Records the same connection as bound to another session.
    pub(crate) const fn set_twin(&mut self, twin: DataId) {
        self.binding.twin = Some(twin);
    }

    /// Returns the summary of the flow as of its last event other than bytes.
    pub(crate) const fn summary(&self) -> &FlowSummary {
        &self.summary
    }

    /// Replaces the summary of the flow.
    pub(crate) fn update_summary(&mut self, summary: &FlowSummary) {
        self.summary.clone_from(summary);
    }

    /// Records the end of the connection.
    pub(crate) fn close(&mut self, reason: CloseReason, summary: &FlowSummary) {
        self.closed = Some(reason);
        self.summary.clone_from(summary);
    }

    /// Returns the reason for which the connection was closed; `None` while it is open.
    pub(crate) const fn close_reason(&self) -> Option<CloseReason> {
        self.closed
    }

    /// Returns whether the connection is closed.
    pub(crate) const fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

    /// Returns the TLS records seen on the connection; `None` unless it may belong to an encrypted session.
    pub(crate) fn encrypted(&self) -> Option<&EncryptedStream> {
        self.encrypted.as_deref()
    }

    /// Takes the TLS records seen on the connection; `None` unless it may belong to an encrypted session.
    pub(crate) fn take_encrypted(&mut self) -> Option<Box<EncryptedStream>> {
        self.encrypted.take()
    }

    /// Drops the bytes of a channel whose transfer has been reported, and ignores further bytes.
    pub(crate) fn settle(&mut self) {
        self.payload.settle();
    }

    /// Returns whether the transfer of the channel has been reported.
    pub(crate) const fn is_settled(&self) -> bool {
        self.payload.is_settled()
    }

    /// Processes bytes in stream order. Returns how many of them belong to this file: all, unless it ends among them.
    pub(crate) fn data(
        &mut self,
        direction: Direction,
        chunk: Chunk<'_>,
        mut sink: ContentSink<'_>,
        keyring: &mut Keyring,
    ) -> usize {
        let all = chunk.bytes.len();
        if let Some(tls) = &mut self.tls {
            let to = Destination::new(&mut self.part, &mut self.payload, &mut sink);
            if tls.data(direction, chunk, keyring, to) {
                return all;
            }
            self.tls = None;
        }
        if self.is_settled() {
            return all;
        }
        let mut held = Vec::new();
        if let Some(stream) = &mut self.encrypted {
            let nature;
            (nature, held) = stream.data(direction, chunk.bytes);
            if nature == Nature::Tls {
                let (key, first) = (&self.key, self.summary.first.time);
                let mut to = Destination::new(&mut self.part, &mut self.payload, &mut sink);
                for bytes in [&held, chunk.bytes] {
                    let uid = || connection_uid(&community_id(key), first);
                    stream.open(direction, bytes, chunk.arrived, uid, keyring, &mut to);
                }
            }
            // After PROT C the data is readable although the commands are not, but only port 20 shows that it is FTP's.
            if nature != Nature::Clear || !self.keeps_cleartext {
                return all;
            }
        }
        if !held.is_empty() {
            // Up to two bytes may begin a TLS record, and are held until the third shows that they do not.
            let offset = chunk.offset.saturating_sub(held.len() as u64);
            self.payload.write(direction, offset, &held, &mut sink);
        }
        if chunk.offset == 0 && self.summary.initiator == Some(direction) {
            self.skip_proxy_header(direction, chunk.bytes);
        }
        let before = self.part.before_file(direction, chunk.offset, all);
        let mut chunk = chunk;
        chunk.offset = chunk.offset.saturating_add(before as u64);
        chunk.bytes = &chunk.bytes[before..];
        if chunk.bytes.is_empty() {
            return all;
        }
        let used = self.part.take_bytes(direction, &chunk);
        let offset = self.part.offset_in_file(direction, chunk.offset);
        let bytes = &chunk.bytes[..used];
        self.payload.write(direction, offset, bytes, &mut sink);
        before + used
    }

    /// Leaves out the header that a load balancer put in front of the data. It arrives in one segment, as its
    /// specification allows receivers to assume.
    fn skip_proxy_header(&mut self, direction: Direction, bytes: &[u8]) {
        if self.payload.is_empty()
            && self.part.before().is_none()
            && proxy::may_begin(bytes)
            && let Some(header) = proxy::detect_header(bytes)
        {
            self.part.begin_at(direction, header.client_bytes as u64);
        }
    }

    /// Leaves out the dialogue with a proxy in front of the data: `lengths` bytes, by [`Direction::index`].
    pub(crate) const fn skip_prelude(&mut self, lengths: [u64; 2]) {
        self.part.begin_at(Direction::Up, lengths[0]);
        self.part.begin_at(Direction::Down, lengths[1]);
    }

    /// Returns how many bytes of a direction come before its first file, while that is the current one.
    pub(crate) const fn prelude_length(&self, direction: Direction) -> u64 {
        self.part.begin(direction)
    }

    /// Records bytes that are not in the capture.
    pub(crate) fn gap(
        &mut self,
        direction: Direction,
        gap: Gap,
        mut sink: ContentSink<'_>,
        keyring: &mut Keyring,
    ) {
        if let Some(tls) = &mut self.tls {
            let to = Destination::new(&mut self.part, &mut self.payload, &mut sink);
            if tls.gap(direction, gap.length, gap.frame, keyring, to) {
                return;
            }
            self.tls = None;
        }
        if let Some(stream) = &mut self.encrypted {
            stream.gap(direction, gap.length);
            let mut to = Destination::new(&mut self.part, &mut self.payload, &mut sink);
            if let Some(connection) = stream.connection_mut() {
                connection.gap(direction, gap.length, gap.frame, keyring, &mut to);
            }
        }
        let unreadable = self.encrypted.is_some() && !self.keeps_cleartext;
        if self.is_settled() || unreadable {
            return;
        }
        self.part.skip(direction, gap.length);
        let before = self.part.before_file(direction, gap.offset, usize::MAX) as u64;
        let length = gap.length.saturating_sub(before);
        let offset = self
            .part
            .offset_in_file(direction, gap.offset.saturating_add(before));
        if length > 0 {
            self.payload.gap(direction, offset, length, &mut sink);
        }
    }

    /// Expects TLS on a connection that a readable command announced.
    pub(crate) fn expect_tls(&mut self, protected: bool) {
        if self.payload.is_empty() && self.encrypted.is_none() && self.tls.is_none() {
            let uid = connection_uid(&community_id(&self.key), self.summary.first.time);
            self.tls = Some(Box::new(TlsData::new(uid, protected)));
        }
    }

    /// Ends the TLS of a connection that is closed: content that was hidden by a loss to the end is missing.
    pub(crate) fn finish_tls(&mut self, mut sink: ContentSink<'_>, keyring: &mut Keyring) {
        if let Some(tls) = &mut self.tls {
            let to = Destination::new(&mut self.part, &mut self.payload, &mut sink);
            tls.finish(self.summary.last, keyring, to);
        } else if let Some(connection) = self
            .encrypted
            .as_mut()
            .and_then(|stream| stream.connection_mut())
        {
            let mut to = Destination::new(&mut self.part, &mut self.payload, &mut sink);
            connection.finish(self.summary.last, keyring, &mut to);
        }
    }

    /// Returns the TLS of a connection that a readable command announced; `None` if its bytes are in clear.
    pub(crate) fn tls(&self) -> Option<&TlsData> {
        self.tls.as_deref().filter(|tls| tls.has_begun())
    }

    /// Returns TLS for the report, of a connection whose content is sent in `way`; `None` if its bytes are in clear.
    ///
    /// Where several files share a connection, `content_bytes` are those of this file, and the rest is counted from the
    /// beginning of the connection.
    pub(crate) fn tls_record(&self, way: Direction) -> Option<Tls> {
        let mut tls = match (self.tls(), &self.tls_so_far) {
            (Some(tls), _) => tls.record(self.client_way, way),
            (None, tls) => Tls::clone(tls.as_deref()?),
        };
        if !self.is_first_file() || self.part.is_over() {
            tls.content_bytes = self.payload.lengths()[way.index()];
        }
        Some(tls)
    }

    /// Returns the uid of the connection whose TLS session this one resumes; `None` if it is unknown.
    pub(crate) fn resumed_connection(&self) -> Option<&str> {
        match (self.tls(), &self.tls_so_far) {
            (Some(tls), _) => tls.connection().facts().resumes.as_deref(),
            (None, tls) => tls.as_deref()?.resumes.as_deref(),
        }
    }

    /// Applies the purpose and the encoding that a transfer command gives the bytes.
    pub(crate) fn claim(&mut self, purpose: Purpose, coding: Coding, sink: ContentSink<'_>) {
        self.payload.claim(purpose, self.client_way, coding, sink);
    }

    /// Discards a decoding whose representation proved wrong, or stops it if bytes were decoded already.
    pub(crate) fn forget_decoding(&mut self) {
        self.payload.reset_decoding();
    }

    /// Completes the decoding: no more bytes follow.
    pub(crate) fn finish_decoding(&mut self, sink: ContentSink<'_>) {
        self.payload.finish_decoding(sink);
    }

    /// Writes bytes that were taken for a listing to their file, if they were kept.
    pub(crate) fn complete_file(&mut self, direction: Direction, files: &mut dyn TransferSink) {
        self.payload.complete_file(direction, files);
    }

    /// Returns the file that the bytes of this direction encode; `None` if the bytes are the file.
    pub(crate) fn decoded(&self, direction: Direction) -> Option<&Decoding> {
        self.payload.decoded(direction)
    }

    /// Returns the bytes sent in this direction; `None` if there are none, not even a gap.
    pub(crate) fn content(&self, direction: Direction) -> Option<&Content> {
        self.payload.content(direction)
    }

    /// Returns whether the connection carries TLS that cannot be read.
    ///
    /// Both sides must begin with a TLS record. A side that sent nothing counts as well if `expected`, which is the
    /// case after PROT P.
    pub(crate) fn is_encrypted(&self, expected: bool) -> bool {
        if let Some(tls) = self.tls() {
            return tls.is_closed();
        }
        let begins = |way| self.content(way).map(Content::begins_with_record);
        match (begins(Direction::Up), begins(Direction::Down)) {
            (Some(up), Some(down)) => up && down,
            (Some(one), None) | (None, Some(one)) => one && expected,
            (None, None) => false,
        }
    }

    /// Returns the direction that carried more bytes, [`Direction::Down`] if both carried as many.
    pub(crate) fn heavier_way(&self) -> Direction {
        let carried = |way| self.content(way).map_or(0, |content| content.bytes);
        if carried(Direction::Up) > carried(Direction::Down) {
            Direction::Up
        } else {
            Direction::Down
        }
    }

    /// Discards saved bytes that proved to be no file.
    pub(crate) fn discard(&self, direction: Direction, files: &mut dyn TransferSink) {
        self.payload.discard(direction, files);
    }

    /// Returns whether the connection was established: a lone SYN, or one answered by RST, is not enough.
    pub(crate) fn was_open(&self) -> bool {
        let summary = &self.summary;
        let both_syns = [Direction::Up, Direction::Down]
            .into_iter()
            .all(|way| summary.sent(way).syn.is_some());
        // Without a captured handshake any segment but a lone RST belongs to an established connection.
        let joined_later = || {
            summary.initiator.is_none()
                && summary
                    .half
                    .iter()
                    .any(|half| half.segments > u64::from(half.irregular().rst.is_some()))
        };
        summary.established.is_some() || both_syns || self.payload.has_bytes() || joined_later()
    }

    /// Returns the connection for the report; `way` carries the payload. With `several_captures` it names the captures that
    /// have packets of it.
    pub(crate) fn record(&self, way: Direction, several_captures: bool) -> Connection {
        let summary = &self.summary;
        let reset = summary
            .half
            .iter()
            .any(|half| half.irregular().rst.is_some());
        let sent = summary.sent(way);
        // A FIN that was not captured shows in the acknowledgment of its sequence number.
        let fin = sent.fin.or(sent.irregular().fin_acknowledged).is_some()
            || matches!(self.closed, Some(CloseReason::Fin));
        // Counters of a flow include the earlier files on the same connection, which are subtracted.
        let before = self.part.before();
        let part = Part {
            summary,
            before: before.map(|before| &before.summary),
            first: before
                .and_then(|before| before.first_byte)
                .unwrap_or(summary.first),
            client_way: self.client_way,
            close: if fin {
                Close::Fin
            } else if reset {
                Close::Reset
            } else {
                Close::Open
            },
            several_captures,
        };
        part.record()
    }
}

/// Several files on one connection; the picture is in [`shared_connection`](crate::session::data::shared_connection).
impl DataChannel {
    /// Sets the transfer mode in force when the connection was opened, which decides where files end.
    pub(crate) fn carries(&mut self, mode: TransferMode) {
        self.part = FilePart::new(mode);
    }

    /// Returns whether the transfer mode marks the end of a file, so that another may follow.
    pub(crate) fn marks_ends(&self) -> bool {
        self.part.marks_ends()
    }

    /// Treats the rest of the connection as one file.
    pub(crate) fn ignore_ends(&mut self) {
        self.part.ignore_ends();
    }

    /// Returns the frame with the end-of-file mark; `None` if there is no mark, or not yet.
    pub(crate) const fn end_mark(&self) -> Option<FrameRef> {
        self.part.end_mark()
    }

    /// Returns whether no more bytes follow for the file.
    pub(crate) const fn is_over(&self) -> bool {
        self.closed.is_some() || self.part.is_over()
    }

    /// Returns whether this is the first file of its connection.
    pub(crate) fn is_first_file(&self) -> bool {
        self.part.before().is_none()
    }

    /// Returns whether no other file follows on the connection.
    pub(crate) const fn is_last_file(&self) -> bool {
        !self.part.is_over()
    }

    /// Returns whether the first byte of the file is known: it begins the connection or follows an end-of-file mark.
    pub(crate) fn is_start_known(&self) -> bool {
        self.part.before().is_none_or(|before| before.start_known)
    }

    /// Returns whether this is the remainder of a connection after a file, without a byte so far.
    pub(crate) fn is_bare_rest(&self) -> bool {
        !self.is_first_file() && self.payload.is_empty()
    }

    /// Splits off the completed file and returns it; `self` becomes the remainder of the connection.
    ///
    /// `summary` is the flow at the end of the file, `None` if it did not change since the last event.
    pub(crate) fn split(&mut self, summary: Option<&FlowSummary>, at: FrameRef) -> Self {
        if let Some(summary) = summary {
            self.summary.clone_from(summary);
        }
        self.tls_so_far = self.tls_record(self.heavier_way()).map(Box::new);
        let part = self.part.split(self.payload.lengths(), &self.summary, at);
        let rest = Self {
            key: self.key,
            client_way: self.client_way,
            summary: self.summary.clone(),
            closed: None,
            binding: Binding {
                announcer: None,
                encrypted_session: None,
                // The twin follows the flow, and the remainder keeps the number under which the flow is known.
                twin: self.binding.twin.take(),
                ..self.binding
            },
            part,
            payload: Payload::default(),
            encrypted: None,
            tls: self.tls.take(),
            tls_so_far: None,
            keeps_cleartext: self.keeps_cleartext,
        };
        std::mem::replace(self, rest)
    }
}
