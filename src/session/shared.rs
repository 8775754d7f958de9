//! State that all sessions share: outputs, announced endpoints, data connections, names, budgets.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use crate::diagnosis::Several;
use crate::model::record::{
    CaptureFrame, Finding, NamedFrame, Place, Tls, TlsObstacle, Totals, Transfer, TransferDirection,
};
use crate::model::streams::{StreamBytes, StreamId};
use crate::model::trace::TracedConnection;
use crate::model::{
    ContentId, Direction, Endpoint, Event, EventKind, EventSink, FrameRef, PlaceIndex, StoreError,
    Timestamp, TransferSink, Warning, WarningCode, split_at_frames,
};
use crate::protocol::dns::Names;
use crate::protocol::tls::decryption::{Connection, Keyring};
use crate::reassembly::{Chunk, FlowSummary};
use crate::session::Options;
use crate::session::data::content::{Content, DigestChoice};
use crate::session::data::content_sink::{ContentResources, ContentSink};
use crate::session::data::data_channel::{DataChannel, DataId};
use crate::session::data::data_channels::DataChannels;
use crate::session::dialogue::outcome::Outcome;
use crate::session::ident::IdentLookups;
use crate::session::negotiation::expectation::Expectations;
use crate::session::sessions_by_hosts::SessionsByHosts;
use crate::session::unreachable::Unreachables;

/// State that all sessions share.
pub(crate) struct Shared<'s> {
    pub(crate) options: Options,
    emitter: Emitter<'s>,
    /// Destination of the bytes of transfers.
    pub(crate) files: &'s mut dyn TransferSink,
    contents: ContentResources,
    pub(crate) expectations: Expectations,
    /// Sessions whose control connection is open.
    pub(crate) open: SessionsByHosts,
    /// Sessions whose commands cannot be read, so that their data connections are unannounced.
    pub(crate) encrypted: SessionsByHosts,
    /// An endpoint was announced since the early data connections were last searched for it.
    early_search_wanted: bool,
    pub(crate) names: Names,
    pub(crate) network: Network,
    pub(crate) several: Several,
    pub(crate) data: DataChannels,
    timers: Timers,
    /// Bytes of control lines and records that open sessions keep.
    kept_bytes: usize,
    /// Empty list with its memory, for the outcomes of the next line.
    outcomes: Vec<Outcome>,
}

/// Event output, with the counts and warnings of everything emitted.
struct Emitter<'s> {
    events: &'s mut dyn EventSink,
    /// Frame being processed; events carry it.
    now: FrameRef,
    /// A secret that came later than their packets made the events known.
    late: bool,
    /// More than one capture is read: reported frames name their capture.
    several_captures: bool,
    /// Places of the frames of FTP; empty with a single capture.
    places: PlaceIndex,
    totals: Totals,
    /// Warnings by code and message, so that equal ones are counted and reported once.
    warnings: BTreeMap<(WarningCode, String), Warning>,
}

/// Timers of transfers with a final reply whose data connection has not ended yet.
#[derive(Default)]
struct Timers {
    /// Capture time without the jumps of damaged timestamps: start time of timers.
    clock: Timestamp,
    /// Time of expiry, session, transfer; the earliest first.
    queue: BinaryHeap<Reverse<(Timestamp, u64, u64)>>,
    /// Last frame before the latest section of each capture that has several.
    section_ends: BTreeMap<u32, u64>,
}

/// Facts about the network around the sessions.
#[derive(Default)]
pub(crate) struct Network {
    /// ICMP errors about connections that may carry data.
    pub(crate) unreachable: Unreachables,
    /// Proxies through which control connections run: data connections to them are bound by what their clients ask for.
    pub(crate) tunnels: BTreeSet<Endpoint>,
    /// Ident lookups of servers (RFC 1413).
    pub(crate) ident: IdentLookups,
    /// TLS secrets, and the TLS sessions that a connection may resume.
    pub(crate) keyring: Keyring,
    /// TLS connections of FTP for which no secret was found.
    pub(crate) without_secret: u64,
}

impl Network {
    /// Counts a TLS connection that is over if no secret of it was found.
    pub(crate) fn count_secret(&mut self, connection: Option<&Connection>) {
        let obstacle = connection.and_then(|connection| connection.facts().obstacle);
        self.without_secret += u64::from(obstacle == Some(TlsObstacle::NoSecret));
    }
}

impl<'s> Shared<'s> {
    /// Creates the shared state of a run.
    pub(crate) fn new(
        options: Options,
        several_captures: bool,
        events: &'s mut dyn EventSink,
        files: &'s mut dyn TransferSink,
    ) -> Self {
        Self {
            emitter: Emitter {
                events,
                now: FrameRef::default(),
                late: false,
                several_captures,
                places: PlaceIndex::default(),
                totals: Totals::default(),
                warnings: BTreeMap::new(),
            },
            files,
            contents: ContentResources::new(
                DigestChoice {
                    omit_sha256: options.omit_sha256,
                    md5: options.md5,
                    sha1: options.sha1,
                    crc32: false,
                },
                options.threads,
            ),
            expectations: Expectations::new(options.limits.expectations),
            open: SessionsByHosts::default(),
            encrypted: SessionsByHosts::default(),
            early_search_wanted: false,
            names: Names::new(options.limits.names),
            network: Network {
                keyring: Keyring::new(&options.secrets),
                ..Network::default()
            },
            several: Several::default(),
            data: DataChannels::default(),
            timers: Timers::default(),
            kept_bytes: 0,
            outcomes: Vec::new(),
            options,
        }
    }

    /// Marks the events that follow as late, or no longer.
    pub(crate) const fn set_late(&mut self, late: bool) {
        self.emitter.late = late;
    }

    /// Sets the frame being processed, and the capture time at which timers start that it sets.
    pub(crate) const fn set_now(&mut self, frame: FrameRef, clock: Timestamp) {
        self.emitter.now = frame;
        self.timers.clock = clock;
    }

    /// Returns the frame being processed.
    pub(crate) const fn now(&self) -> FrameRef {
        self.emitter.now
    }

    /// Records that a section of a capture ended: what its next one does not show need not have been absent.
    pub(crate) fn end_section(&mut self, last: FrameRef) {
        let ends = &mut self.timers.section_ends;
        ends.insert(last.capture(), last.number);
    }

    /// Returns whether the packets behind `frame` were recorded up to now: by the same capture, in the same section.
    pub(crate) fn recorded_since(&self, frame: FrameRef) -> bool {
        let end = self.timers.section_ends.get(&frame.capture());
        self.now().capture() == frame.capture() && end.is_none_or(|end| *end < frame.number)
    }

    /// Returns the capture time, without the jumps of damaged timestamps.
    pub(crate) const fn clock(&self) -> Timestamp {
        self.timers.clock
    }

    /// Returns the capture of a frame and its number there, if more than one capture is read.
    pub(crate) fn place(&self, frame: FrameRef) -> Place {
        Place::of(frame, self.emitter.several_captures)
    }

    /// Returns whether more than one capture is read.
    pub(crate) const fn has_several_captures(&self) -> bool {
        self.emitter.several_captures
    }

    /// Returns the place of a frame, if more than one capture is read.
    pub(crate) fn capture_frame(&self, frame: FrameRef) -> Option<CaptureFrame> {
        self.emitter.several_captures.then(|| frame.into())
    }

    /// Records the place of a frame that a finding may name.
    #[inline]
    pub(crate) fn note_place(&mut self, frame: FrameRef) {
        if self.emitter.several_captures {
            self.emitter.places.note(frame);
        }
    }

    /// Adds the places of its frames to a finding, if more than one capture is read.
    pub(crate) fn add_places(&self, finding: &mut Finding) {
        if self.emitter.several_captures {
            let places = &self.emitter.places;
            let found = finding.frames.iter().map(|frame| places.find(*frame));
            finding.places = found.collect();
        }
    }

    /// Adds the places of the frames that the evidence of a transfer names, if more than one capture is read.
    pub(crate) fn add_evidence_places(&self, transfer: &mut Transfer) {
        if self.emitter.several_captures {
            let sentences = transfer.evidence.iter();
            transfer.evidence_places = sentences.flat_map(|text| self.places_in(text)).collect();
        }
    }

    /// Returns the places of the frames that a sentence names; none with a single capture.
    pub(crate) fn places_in(&self, sentence: &str) -> Vec<NamedFrame> {
        if !self.emitter.several_captures {
            return Vec::new();
        }
        let frames = split_at_frames(sentence).filter_map(|(_, frame, _)| frame);
        let named = frames.filter_map(|frame| {
            let place = self.emitter.places.find(frame)?;
            Some(NamedFrame { frame, place })
        });
        named.collect()
    }

    /// Emits a finding that is proven before its session or the input ends.
    pub(crate) fn emit_so_far(&mut self, session: Option<u64>, mut finding: Finding) {
        self.add_places(&mut finding);
        self.emit(session, EventKind::FindingSoFar(&finding));
    }

    /// Adds the places of its alerts to TLS, if more than one capture is read.
    pub(crate) fn add_alert_places(&self, tls: &mut Tls) {
        if self.emitter.several_captures {
            for alert in &mut tls.alerts {
                let place = self.emitter.places.find(alert.frame);
                alert.capture = place.map(|place| place.capture);
                alert.capture_frame = place.map(|place| place.capture_frame);
            }
        }
    }

    /// Emits an event for the current frame; `session` is `None` for an event that belongs to no session.
    pub(crate) fn emit(&mut self, session: Option<u64>, kind: EventKind<'_>) {
        self.emitter.emit(session, kind);
    }

    /// Emits the segments of a closed connection.
    pub(crate) fn traced(&mut self, connection: TracedConnection) {
        self.emitter.events.connection(connection);
    }

    /// Passes bytes of a connection on as they were sent, if anyone wants them; `control_of` as in [`StreamBytes`].
    #[inline]
    pub(crate) fn tap_bytes(
        &mut self,
        control_of: Option<u64>,
        first_frame: u64,
        direction: Direction,
        chunk: &Chunk<'_>,
        summary: &FlowSummary,
    ) {
        if self.files.wants_streams()
            && let Some(origin) = summary.sent(direction).origin
        {
            self.files.stream_bytes(&StreamBytes {
                stream: StreamId {
                    key: summary.key,
                    first_frame,
                    direction,
                },
                control_of,
                origin,
                offset: chunk.offset,
                bytes: chunk.bytes,
            });
        }
    }

    /// Counts a warning, which is emitted at the end of the input.
    pub(crate) fn warn(&mut self, code: WarningCode, message: impl Into<String>) {
        self.emitter.warn(code, message.into());
    }

    /// Counts a failure to save a file. Of all with the same cause one warning is emitted at the end of the input, which names
    /// the first file.
    pub(crate) fn warn_unsaved(&mut self, error: StoreError) {
        let cause = error.0.rsplit(": ").next().unwrap_or_default().to_owned();
        self.emitter
            .warn_of(WarningCode::OutputFailed, cause, move |_| error.0);
    }

    /// Returns all warnings, and forgets them.
    pub(crate) fn take_warnings(&mut self) -> Vec<Warning> {
        std::mem::take(&mut self.emitter.warnings)
            .into_values()
            .collect()
    }

    /// Returns the counts of everything emitted so far.
    pub(crate) const fn totals(&self) -> &Totals {
        &self.emitter.totals
    }

    /// Returns as much of a control line as may be kept, and whether that is less than the line.
    ///
    /// Lines are kept whole until the lines of all open sessions exceed the limit.
    pub(crate) fn keep_text<'a>(&mut self, line: &'a [u8]) -> (&'a [u8], bool) {
        // Short lines are kept whole in any case: cutting them would save little, and lose what a command names.
        let whole = self.kept_bytes <= self.options.limits.record_bytes || line.len() <= SHORT_LINE;
        let kept = if whole { line } else { &line[..SHORT_LINE] };
        self.kept_bytes += kept.len() * COPIES;
        if !whole {
            self.warn(
                WarningCode::LimitReached,
                "open sessions hold too much text; long lines were cut",
            );
        }
        (kept, !whole)
    }

    /// Returns whether a record of `bytes` bytes may be kept until its session ends, and counts it if so.
    pub(crate) fn keep_record(&mut self, bytes: usize) -> bool {
        let kept = self.kept_bytes.saturating_add(bytes);
        let fits = kept <= self.options.limits.record_bytes;
        if fits {
            self.kept_bytes = kept;
        } else {
            self.warn(
                WarningCode::LimitReached,
                "open sessions have too many steps and transfers; the rest were left out of their whole",
            );
        }
        fits
    }

    /// Releases bytes of lines and records that are no longer kept.
    pub(crate) const fn release(&mut self, bytes: usize) {
        self.kept_bytes = self.kept_bytes.saturating_sub(bytes);
    }

    /// Takes the empty list for the outcomes of one line. One list serves all sessions, so that no line allocates.
    pub(crate) fn take_outcomes(&mut self) -> Vec<Outcome> {
        std::mem::take(&mut self.outcomes)
    }

    /// Returns the list, emptied.
    pub(crate) fn return_outcomes(&mut self, outcomes: Vec<Outcome>) {
        self.outcomes = outcomes;
    }

    /// Starts the timer after which a transfer is settled even if its data connection has not ended.
    pub(crate) fn wait_for_data(&mut self, session: u64, transfer: u64) {
        let until = self.clock().plus(self.options.limits.settle);
        self.timers.queue.push(Reverse((until, session, transfer)));
    }

    /// Returns session and number of the next transfer whose timer has expired at `now`; `None` if there is none.
    pub(crate) fn waited(&mut self, now: Timestamp) -> Option<(u64, u64)> {
        let Reverse((until, session, transfer)) = *self.timers.queue.peek()?;
        if until > now {
            return None;
        }
        // Timers are never cancelled: the session ignores one of a transfer that is settled.
        self.timers.queue.pop();
        Some((session, transfer))
    }

    /// Requests a search of the early data connections: an endpoint was announced.
    pub(crate) const fn search_early_data(&mut self) {
        self.early_search_wanted = true;
    }

    /// Returns whether a search of the early data connections was requested, and withdraws the request.
    pub(crate) const fn take_early_search(&mut self) -> bool {
        std::mem::replace(&mut self.early_search_wanted, false)
    }

    /// Returns the next unused content number.
    pub(crate) fn next_content(&mut self) -> ContentId {
        self.contents.next_id()
    }

    /// Returns a content without bytes: an empty file.
    pub(crate) fn empty_content(&mut self) -> Content {
        self.contents.empty_content()
    }

    /// Computes the CRC-32 of contents from now on, if `wanted`. A server that knows XCRC may be asked for it.
    pub(crate) const fn compute_crc32(&mut self, wanted: bool) {
        self.contents.compute_crc32(wanted);
    }

    /// Adds a data connection, or the next part of one.
    pub(crate) fn add_channel(&mut self, channel: DataChannel) -> DataId {
        self.data.add(channel)
    }

    /// Returns a data connection and the destination of its bytes; `None` if it is gone.
    pub(crate) fn channel(&mut self, id: DataId) -> Option<(&mut DataChannel, ContentSink<'_>)> {
        let channel = self.data.get_mut(id)?;
        let sink = self.contents.sink(&self.options, &mut *self.files);
        Some((channel, sink))
    }

    /// Returns a data connection, the destination of its bytes, and the secrets that may open it; `None` if it is gone.
    pub(crate) fn tls_channel(
        &mut self,
        id: DataId,
    ) -> Option<(&mut DataChannel, ContentSink<'_>, &mut Keyring)> {
        let channel = self.data.get_mut(id)?;
        let sink = self.contents.sink(&self.options, &mut *self.files);
        Some((channel, sink, &mut self.network.keyring))
    }

    /// Returns the destination of the bytes of a data connection.
    pub(crate) fn sink(&mut self) -> ContentSink<'_> {
        self.contents.sink(&self.options, &mut *self.files)
    }
}

impl Emitter<'_> {
    fn emit(&mut self, session: Option<u64>, kind: EventKind<'_>) {
        let totals = &mut self.totals;
        match &kind {
            EventKind::SessionStart { .. } => totals.sessions += 1,
            EventKind::Transfer(transfer) => {
                totals.transfers += 1;
                // Listings have bytes as well, but no file.
                if transfer.direction != TransferDirection::Listing {
                    totals.file_bytes = totals.file_bytes.saturating_add(transfer.bytes);
                }
            }
            EventKind::Finding(_) => totals.findings += 1,
            _ => {}
        }
        self.events.event(&Event {
            frame: self.now,
            session,
            late: self.late,
            kind,
        });
    }

    fn warn(&mut self, code: WarningCode, message: String) {
        self.warn_of(code, message, Clone::clone);
    }

    /// Counts a warning by its `cause`; `message` makes the text of the first one from it.
    fn warn_of(
        &mut self,
        code: WarningCode,
        cause: String,
        message: impl FnOnce(&String) -> String,
    ) {
        let frame = self.now;
        self.warnings
            .entry((code, cause))
            .and_modify(|warning| warning.count += 1)
            .or_insert_with_key(|(code, cause)| Warning::new(*code, message(cause), Some(frame)));
    }
}

/// Bytes kept of a control line once the limit is exceeded.
const SHORT_LINE: usize = 256;

/// Copies of a control line in the state of its session until its step is emitted: the command as sent and as reported,
/// and the argument and path of its transfer.
pub(crate) const COPIES: usize = 4;
