//! What all sessions share: the outputs, the announced end points, the names, the data connections, the counts.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::diagnosis::Several;
use crate::model::record::Totals;
use crate::model::trace::TracedConnection;
use crate::model::{
    ContentId, Event, EventKind, EventSink, FrameRef, Timestamp, TransferSink, Warning, WarningCode,
};
use crate::protocol::dns::Names;
use crate::session::data::content::DigestChoice;
use crate::session::data::content_sink::ContentSink;
use crate::session::data::data_channel::{DataChannel, DataId};
use crate::session::data::early_data::EarlyData;
use crate::session::data::first_bytes::AllFirstBytes;
use crate::session::data::listing_text::ListingTexts;
use crate::session::negotiation::expectation::Expectations;
use crate::session::options::Options;
use crate::session::sessions_by_hosts::SessionsByHosts;
use crate::session::unreachable::Unreachables;

pub(crate) struct Shared<'s> {
    pub(crate) options: Options,
    /// There is more than one capture, so that frames also say which.
    pub(crate) several_captures: bool,
    pub(crate) digests: DigestChoice,
    events: &'s mut dyn EventSink,
    pub(crate) files: &'s mut dyn TransferSink,
    pub(crate) expectations: Expectations,
    /// Sessions whose control connection is open.
    pub(crate) open: SessionsByHosts,
    /// Those whose commands cannot be read, so that their data connections come unannounced.
    pub(crate) encrypted: SessionsByHosts,
    /// What may be announced later.
    pub(crate) early: EarlyData,
    pub(crate) names: Names,
    pub(crate) unreachable: Unreachables,
    pub(crate) several: Several,
    pub(crate) data: HashMap<DataId, Box<DataChannel>, RandomState>,
    /// The frame being looked at.
    pub(crate) now: FrameRef,
    /// Capture time, without the leaps of damaged records: what timers are started at.
    pub(crate) clock: Timestamp,
    pub(crate) totals: Totals,
    warnings: BTreeMap<(WarningCode, String), Warning>,
    contents: u64,
    data_count: u64,
    /// Bytes of control lines and records that open sessions keep.
    pub(crate) kept_bytes: usize,
    /// Each decoder at work holds one more reference.
    decoders: Arc<()>,
    texts: ListingTexts,
    first_bytes: AllFirstBytes,
    /// Transfers with a final reply that wait for their data connection: until when, session, transfer.
    waiting: BinaryHeap<Reverse<(Timestamp, u64, u64)>>,
}

impl<'s> Shared<'s> {
    pub(crate) fn new(
        options: Options,
        several_captures: bool,
        events: &'s mut dyn EventSink,
        files: &'s mut dyn TransferSink,
    ) -> Self {
        Self {
            expectations: Expectations::new(options.limits.expectations),
            open: SessionsByHosts::default(),
            encrypted: SessionsByHosts::default(),
            early: EarlyData::default(),
            names: Names::new(options.limits.names),
            unreachable: Unreachables::default(),
            several: Several::default(),
            digests: DigestChoice {
                md5: options.md5,
                sha1: options.sha1,
                crc32: false,
            },
            options,
            several_captures,
            events,
            files,
            data: HashMap::default(),
            now: FrameRef::default(),
            clock: Timestamp::default(),
            totals: Totals::default(),
            warnings: BTreeMap::new(),
            contents: 0,
            data_count: 0,
            kept_bytes: 0,
            decoders: Arc::default(),
            texts: ListingTexts::default(),
            first_bytes: AllFirstBytes::default(),
            waiting: BinaryHeap::new(),
        }
    }

    /// Tells the sinks what became known with the current frame.
    pub(crate) fn emit(&mut self, session: Option<u64>, kind: EventKind<'_>) {
        match &kind {
            EventKind::SessionStart { .. } => self.totals.sessions += 1,
            EventKind::Transfer(transfer) => {
                self.totals.transfers += 1;
                if transfer.direction != crate::model::record::TransferDirection::Listing {
                    self.totals.file_bytes = self.totals.file_bytes.saturating_add(transfer.bytes);
                }
            }
            EventKind::Finding(_) => self.totals.findings += 1,
            _ => {}
        }
        self.events.event(&Event {
            frame: self.now,
            session,
            kind,
        });
    }

    /// Hands on the segments of a connection that is over.
    pub(crate) fn traced(&mut self, connection: TracedConnection) {
        self.events.connection(connection);
    }

    /// Counts a warning; it is told at the end.
    pub(crate) fn warn(&mut self, code: WarningCode, message: impl Into<String>) {
        let message = message.into();
        let frame = self.now;
        self.warnings
            .entry((code, message))
            .and_modify(|warning| warning.count += 1)
            .or_insert_with_key(|(code, message)| {
                Warning::new(*code, message.clone(), Some(frame))
            });
    }

    /// A control line as it is kept: whole while there is room for the lines of all open sessions, else its beginning.
    /// Tells whether it was cut.
    pub(crate) fn keep_text<'a>(&mut self, line: &'a [u8]) -> (&'a [u8], bool) {
        let room = self.kept_bytes <= self.options.limits.record_bytes || line.len() <= SHORT_LINE;
        let kept = if room { line } else { &line[..SHORT_LINE] };
        self.kept_bytes += kept.len() * COPIES;
        if !room {
            self.warn(
                WarningCode::LimitReached,
                "open sessions hold too much text; long lines were cut",
            );
        }
        (kept, !room)
    }

    /// Whether a record that takes so many bytes may be kept until its session ends; it counts from now on.
    pub(crate) fn keep_record(&mut self, bytes: usize) -> bool {
        let kept = self.kept_bytes.saturating_add(bytes);
        let room = kept <= self.options.limits.record_bytes;
        if room {
            self.kept_bytes = kept;
        } else {
            self.warn(
                WarningCode::LimitReached,
                "open sessions have too many steps and transfers; the rest were left out of their whole",
            );
        }
        room
    }

    /// The transfer is settled after a while even if its data connection is not seen to end.
    pub(crate) fn wait_for_data(&mut self, session: u64, transfer: u64) {
        let until = self.clock.plus(self.options.limits.settle);
        self.waiting.push(Reverse((until, session, transfer)));
    }

    /// The next transfer that waited long enough.
    pub(crate) fn waited(&mut self, now: Timestamp) -> Option<(u64, u64)> {
        let Reverse((until, session, transfer)) = *self.waiting.peek()?;
        if until > now {
            return None;
        }
        self.waiting.pop();
        Some((session, transfer))
    }

    pub(crate) fn take_warnings(&mut self) -> Vec<Warning> {
        std::mem::take(&mut self.warnings).into_values().collect()
    }

    pub(crate) fn next_content(&mut self) -> ContentId {
        self.contents += 1;
        ContentId(self.contents)
    }

    /// Takes up a data connection, or what follows on one.
    pub(crate) fn add_channel(&mut self, channel: DataChannel) -> DataId {
        self.data_count += 1;
        let id = DataId(self.data_count);
        self.data.insert(id, Box::new(channel));
        id
    }

    /// A data connection, and where its bytes go.
    pub(crate) fn channel(&mut self, id: DataId) -> Option<(&mut DataChannel, ContentSink<'_>)> {
        let channel = self.data.get_mut(&id)?;
        let sink = ContentSink {
            options: &self.options,
            digests: self.digests,
            files: &mut *self.files,
            texts: &self.texts,
            first_bytes: &self.first_bytes,
            contents: &mut self.contents,
            decoders: &self.decoders,
        };
        Some((channel, sink))
    }

    /// Where bytes go.
    pub(crate) fn sink(&mut self) -> ContentSink<'_> {
        ContentSink {
            options: &self.options,
            digests: self.digests,
            files: &mut *self.files,
            texts: &self.texts,
            first_bytes: &self.first_bytes,
            contents: &mut self.contents,
            decoders: &self.decoders,
        }
    }
}

/// Bytes kept of a control line when room is short.
const SHORT_LINE: usize = 256;

/// How often a line stands in the state of a session, until its step is told: in the command as it was sent and as it will
/// be told, and with the argument and the path of a transfer.
pub(crate) const COPIES: usize = 4;
