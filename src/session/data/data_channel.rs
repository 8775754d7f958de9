//! One data connection: which negotiation it belongs to, and its bytes both ways.

use crate::model::record::{
    Address, Close, Connection, DataType, Link, LinkMethod, Opener, TransferMode,
};
use crate::model::{Direction, Endpoint, FlowKey, FrameRef, TransferSink};
use crate::protocol::community_id::community_id;
use crate::protocol::ftp::representation::{Coding, FileEnds};
use crate::reassembly::{Chunk, CloseReason, FlowSummary, Gap};
use crate::session::data::content::Content;
use crate::session::data::content_sink::ContentSink;
use crate::session::data::decoding::Decoding;
use crate::session::data::encrypted_stream::{EncryptedStream, Nature};
use crate::session::negotiation::confidence::Agreement;
use crate::session::negotiation::expectation::NegotiationId;

/// Names a data connection; never used twice in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct DataId(pub(crate) u64);

/// What the bytes are, as far as it is known while they pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// No command claimed the connection yet.
    Unknown,
    /// A listing, whose text is kept and not saved.
    Listing,
    /// A file, sent in this direction.
    File(Direction),
}

/// One data connection.
pub(crate) struct DataChannel {
    pub(crate) key: FlowKey,
    /// The negotiation that announced it.
    pub(crate) negotiation: Option<NegotiationId>,
    pub(crate) link: Link,
    /// The direction in which the FTP client sends.
    pub(crate) client_way: Direction,
    pub(crate) purpose: Purpose,
    /// By [`Direction::index`].
    pub(crate) contents: [Option<Box<Content>>; 2],
    /// The file that the bytes of one direction stand for.
    pub(crate) decoding: Option<(Direction, Box<Decoding>)>,
    /// Line ends of the bytes of this direction are counted: they are sent as text.
    pub(crate) lines: Option<Direction>,
    /// As of the last time anything but bytes happened.
    pub(crate) summary: FlowSummary,
    pub(crate) closed: Option<CloseReason>,
    /// The session that announced it, where no command of that session used it.
    pub(crate) announcer: Option<u64>,
    /// What passes on it, where it may belong to a session whose commands cannot be read, and that session.
    pub(crate) encrypted: Option<Box<EncryptedStream>>,
    pub(crate) home: Option<u64>,
    /// Its port alone says that it carries data, so that clear bytes are worth keeping.
    pub(crate) is_data: bool,
    /// Everything was told; only its last segments are still to come.
    pub(crate) settled: bool,
    /// MODE in force when it was opened.
    pub(crate) mode: TransferMode,
    /// Where files end, by [`Direction::index`]; `None` where only the end of the connection ends one.
    pub(crate) ends: [Option<FileEnds>; 2],
    /// The file is over, though the connection is not.
    pub(crate) ended: Option<FrameRef>,
    /// The next file began before anything said that this one is over.
    pub(crate) cut_off: bool,
    /// What came on the same connection before this file.
    pub(crate) before: Option<Box<Before>>,
    /// Where in the stream this file begins, by [`Direction::index`].
    pub(crate) base: [u64; 2],
    /// The same connection as another session sees it.
    pub(crate) twin: Option<DataId>,
}

/// What is known of a data connection where a file begins that is not its first.
#[derive(Clone, Debug)]
pub(crate) struct Before {
    /// The connection until then.
    pub(crate) summary: FlowSummary,
    /// Nothing lies between the file before and this one.
    pub(crate) start_known: bool,
    /// The first byte of this file.
    pub(crate) first: Option<FrameRef>,
}

impl DataChannel {
    /// A connection that was waited for; `listener` is the end that listens, `client_listens` in active modes.
    pub(crate) fn expected(
        negotiation: NegotiationId,
        link: Link,
        listener: Endpoint,
        client_listens: bool,
        summary: &FlowSummary,
    ) -> Self {
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

    /// A connection from port 20 that nobody announced; the link is never shown.
    pub(crate) fn unannounced(summary: &FlowSummary) -> Self {
        let from_low = summary.key.low.port == FTP_DATA;
        let client_way = if from_low {
            Direction::Down
        } else {
            Direction::Up
        };
        Self::new(
            None,
            Agreement::PortAndOneHost.link(false),
            client_way,
            summary,
        )
    }

    /// A connection that may belong to `session`, whose commands cannot be read; `client_way` as far as the ends tell.
    pub(crate) fn unreadable(session: u64, client_way: Direction, summary: &FlowSummary) -> Self {
        let link = Link {
            method: LinkMethod::EncryptedSession,
            confidence: 0.5,
        };
        let ports = [summary.key.low.port, summary.key.high.port];
        Self {
            encrypted: Some(Box::default()),
            home: Some(session),
            is_data: ports.contains(&FTP_DATA),
            ..Self::new(None, link, client_way, summary)
        }
    }

    fn new(
        negotiation: Option<NegotiationId>,
        link: Link,
        client_way: Direction,
        summary: &FlowSummary,
    ) -> Self {
        Self {
            key: summary.key,
            negotiation,
            link,
            client_way,
            purpose: Purpose::Unknown,
            contents: [None, None],
            decoding: None,
            lines: None,
            summary: summary.clone(),
            closed: None,
            announcer: None,
            encrypted: None,
            home: None,
            is_data: true,
            settled: false,
            mode: TransferMode::Stream,
            ends: [None, None],
            ended: None,
            cut_off: false,
            before: None,
            base: [0; 2],
            twin: None,
        }
    }

    /// Everything was told: the bytes are dropped, and what still comes is not looked at.
    pub(crate) fn settle(&mut self) {
        self.contents = [None, None];
        self.decoding = None;
        self.settled = true;
    }

    /// Whether everything was told.
    pub(crate) const fn is_settled(&self) -> bool {
        self.settled
    }

    /// The FTP server's end.
    pub(crate) const fn server(&self) -> Endpoint {
        self.key.destination(self.client_way)
    }

    /// The FTP client's end.
    pub(crate) const fn client(&self) -> Endpoint {
        self.key.source(self.client_way)
    }

    /// Bytes in order. Tells how many of them are of this file: all, unless it ends among them.
    pub(crate) fn data(
        &mut self,
        direction: Direction,
        chunk: Chunk<'_>,
        mut sink: ContentSink<'_>,
    ) -> usize {
        let all = chunk.bytes.len();
        if self.settled {
            return all;
        }
        let mut held = Vec::new();
        if let Some(stream) = &mut self.encrypted {
            let nature;
            (nature, held) = stream.data(direction, chunk.bytes);
            if nature != Nature::Clear || !self.is_data {
                return all;
            }
        }
        if !held.is_empty() {
            let offset = chunk.offset.saturating_sub(held.len() as u64);
            self.write(direction, offset, &held, &mut sink);
        }
        let end = self.ends[direction.index()]
            .as_mut()
            .and_then(|ends| ends.push(chunk.bytes));
        if end.is_some() {
            self.ended = Some(chunk.frame);
        }
        let used = end.unwrap_or(all);
        let offset = chunk.offset.saturating_sub(self.base[direction.index()]);
        self.write(direction, offset, &chunk.bytes[..used], &mut sink);
        if let Some(before) = &mut self.before {
            before.first.get_or_insert(chunk.arrived);
        }
        used
    }

    fn write(
        &mut self,
        direction: Direction,
        offset: u64,
        bytes: &[u8],
        sink: &mut ContentSink<'_>,
    ) {
        let purpose = self.purpose;
        let text_room = match purpose {
            Purpose::Unknown => UNCLAIMED_TEXT,
            Purpose::Listing => sink.options.limits.listing_bytes,
            Purpose::File(_) => 0,
        };
        let content = self.content_mut(direction, sink);
        content.write(offset, bytes, text_room);
        let save = match purpose {
            Purpose::Unknown => true,
            Purpose::Listing => false,
            Purpose::File(way) => way == direction,
        };
        if save {
            content.stored = true;
            let id = content.id;
            sink.files.write(id, offset, bytes);
        }
        if let Some((way, decoding)) = &mut self.decoding
            && *way == direction
        {
            let raw = self.contents[direction.index()].as_deref();
            decoding.push(bytes, raw, text_room, save, sink);
        }
    }

    /// A command claims the connection, and says what its bytes are.
    pub(crate) fn claim(&mut self, purpose: Purpose, coding: Coding, mut sink: ContentSink<'_>) {
        self.purpose = purpose;
        if self.decoding.is_some() || self.settled {
            return;
        }
        let way = match purpose {
            Purpose::File(way) => way,
            Purpose::Listing => self.client_way.reverse(),
            Purpose::Unknown => return,
        };
        if purpose == Purpose::File(way) && coding.data_type == DataType::Ascii {
            self.lines = Some(way);
            if let Some(content) = &mut self.contents[way.index()] {
                content.count_line_ends();
            }
        }
        let Some(mut decoding) = Decoding::new(coding, purpose == Purpose::File(way), &mut sink)
        else {
            return;
        };
        if let Some(content) = self.content(way).filter(|content| content.length > 0) {
            match content.text() {
                Some((text, _)) if text.len() as u64 == content.length => {
                    let (room, save) = self.room_and_save(&sink);
                    decoding.push(text, Some(content), room, save, &mut sink);
                }
                _ => decoding.stop("bytes that came before the command were not kept"),
            }
        }
        self.decoding = Some((way, Box::new(decoding)));
    }

    /// What was said of its bytes was wrong: they are decoded otherwise, if none were yet.
    pub(crate) fn forget_decoding(&mut self) {
        if let Some((_, decoding)) = &mut self.decoding {
            if decoding.content.length == 0 {
                self.decoding = None;
            } else {
                decoding.stop("the type of the transfer was not known when it began");
            }
        }
    }

    /// No more bytes come: what is decoded is all there is.
    pub(crate) fn finish_decoding(&mut self, mut sink: ContentSink<'_>) {
        let (room, save) = self.room_and_save(&sink);
        if let Some((way, decoding)) = &mut self.decoding {
            let raw = self.contents[way.index()].as_deref();
            decoding.finish(raw, room, save, &mut sink);
        }
    }

    /// The file that the bytes of this direction stand for, where they are not the file.
    pub(crate) fn decoded(&self, direction: Direction) -> Option<&Decoding> {
        let (way, decoding) = self.decoding.as_ref()?;
        (*way == direction && decoding.applies()).then_some(&**decoding)
    }

    fn room_and_save(&self, sink: &ContentSink<'_>) -> (usize, bool) {
        match self.purpose {
            Purpose::Listing => (sink.options.limits.listing_bytes, false),
            Purpose::File(_) => (0, true),
            Purpose::Unknown => (0, false),
        }
    }

    /// Bytes that will not come.
    pub(crate) fn gap(&mut self, direction: Direction, gap: Gap, mut sink: ContentSink<'_>) {
        if let Some(stream) = &mut self.encrypted {
            stream.gap(direction, gap.length);
        }
        if !self.settled && self.encrypted.as_ref().is_none_or(|_| self.is_data) {
            if let Some(ends) = &mut self.ends[direction.index()] {
                ends.skip(gap.length);
            }
            let offset = gap.offset.saturating_sub(self.base[direction.index()]);
            self.content_mut(direction, &mut sink)
                .gap(offset, gap.length);
            if let Some((way, decoding)) = &mut self.decoding
                && *way == direction
            {
                decoding.stop("bytes are missing");
            }
        }
    }

    /// What was sent in this direction.
    pub(crate) fn content(&self, direction: Direction) -> Option<&Content> {
        self.contents[direction.index()].as_deref()
    }

    /// TLS runs on it: both ends began with its records, or one did and `expected` says that this is what to expect.
    pub(crate) fn is_encrypted(&self, expected: bool) -> bool {
        let begins = |way| self.content(way).map(Content::begins_with_record);
        match (begins(Direction::Up), begins(Direction::Down)) {
            (Some(up), Some(down)) => up && down,
            (Some(one), None) | (None, Some(one)) => one && expected,
            (None, None) => false,
        }
    }

    /// The direction that carried more.
    pub(crate) fn heavier_way(&self) -> Direction {
        let carried = |way| self.content(way).map_or(0, |content| content.bytes);
        if carried(Direction::Up) > carried(Direction::Down) {
            Direction::Up
        } else {
            Direction::Down
        }
    }

    /// Drops saved bytes that turned out to be no file.
    pub(crate) fn discard(&self, direction: Direction, files: &mut dyn TransferSink) {
        if let Some(content) = self.content(direction)
            && content.stored
        {
            files.discard(content.id);
        }
        if let Some(decoding) = self.decoded(direction)
            && decoding.content.stored
        {
            files.discard(decoding.content.id);
        }
    }

    /// True once more was seen than SYNs without an answer or an RST in their place.
    pub(crate) fn was_open(&self) -> bool {
        self.summary.established.is_some()
            || (self.summary.sent(Direction::Up).syn.is_some()
                && self.summary.sent(Direction::Down).syn.is_some())
            || self
                .contents
                .iter()
                .flatten()
                .any(|content| content.bytes > 0)
            || (self.summary.initiator.is_none()
                && self
                    .summary
                    .half
                    .iter()
                    .any(|half| half.segments > u64::from(half.irregular().rst.is_some())))
    }

    /// The connection as the report shows it.
    pub(crate) fn record(&self, way: Direction) -> Connection {
        let opened_by = self.summary.initiator.map(|initiator| {
            if initiator == self.client_way {
                Opener::Client
            } else {
                Opener::Server
            }
        });
        let summary = &self.summary;
        let reset = summary
            .half
            .iter()
            .any(|half| half.irregular().rst.is_some());
        let sent = summary.sent(way);
        let fin = sent.fin.or(sent.irregular().fin_acknowledged).is_some()
            || matches!(self.closed, Some(CloseReason::Fin));
        // Of a connection with several files, the part with this one.
        let before = self.before.as_deref();
        let first = before
            .and_then(|before| before.first)
            .unwrap_or(summary.first);
        let counted = |of: fn(&FlowSummary) -> u64| {
            of(summary).saturating_sub(before.map_or(0, |before| of(&before.summary)))
        };
        let closed = |of: &FlowSummary| -> f64 {
            of.half
                .iter()
                .map(|half| half.measured.closed_until(of.last.time).seconds())
                .sum()
        };
        let closed_before = before.map_or(0.0, |before| closed(&before.summary));
        Connection {
            client: Address::from(self.key.source(self.client_way)),
            server: Address::from(self.server()),
            opened_by,
            start: first.time,
            end: summary.last.time,
            first_frame: first.number,
            last_frame: summary.last.number,
            retransmitted_bytes: counted(|of| {
                of.half.iter().map(|half| half.retransmitted_bytes).sum()
            }),
            zero_windows: counted(|of| {
                of.half
                    .iter()
                    .map(|half| half.measured.zero_windows())
                    .sum()
            }),
            zero_window_seconds: (closed(summary) - closed_before).max(0.0),
            close: if fin {
                Close::Fin
            } else if reset {
                Close::Reset
            } else {
                Close::Open
            },
            community_id: community_id(&self.key),
        }
    }

    fn content_mut(&mut self, direction: Direction, sink: &mut ContentSink<'_>) -> &mut Content {
        let lines = self.lines == Some(direction);
        self.contents[direction.index()].get_or_insert_with(|| {
            let content = Content::new(sink.next_content(), sink.digests);
            let mut content = content.among(sink.texts, sink.first_bytes);
            if lines {
                content.count_line_ends();
            }
            Box::new(content)
        })
    }
}

/// The server's data port by default (RFC 959 section 3.2: the port beside the control port).
pub(crate) const FTP_DATA: u16 = 20;

/// Text kept of a connection that no command claimed yet.
const UNCLAIMED_TEXT: usize = 64 << 10;
