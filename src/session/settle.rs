//! The end of a transfer: when nothing can change any more, it is judged, saved, told.

use super::completeness::{self, Facts};
use super::content::Content;
use super::control::Session;
use super::data_channel::{DataChannel, DataId};
use super::decoding::Decoding;
use super::file_evidence::stated;
use super::shared::Shared;
use super::steps::TransferNote;
use super::title;
use super::transfer::{TransferState, direction_of, payload_way};
use crate::model::record::{
    Address, Completeness, Connection, DataType, Outcome, Structure, Transfer, TransferDirection,
    TransferMode, UnmatchedData,
};
use crate::model::{EventKind, Settled, WarningCode, wire_text};
use crate::protocol::ftp::listing::{ListingKind, parse_listing};
use crate::protocol::ftp::{Verb, path};

impl Session {
    /// Settles the transfer if it is over; with `force` in any case.
    pub(super) fn try_settle(&mut self, shared: &mut Shared<'_>, id: u64, force: bool) {
        let Some(state) = self.transfers.get(&id) else {
            return;
        };
        let channels: Vec<DataId> = state
            .negotiation
            .and_then(|number| self.negotiations.get(&number))
            .map(|negotiation| negotiation.data.clone())
            .unwrap_or_default();
        let may_close = self.awaits_end(shared, state.negotiation);
        if !force && (may_close || !nothing_more(shared, state, &channels)) {
            return;
        }
        let Some(state) = self.transfers.remove(&id) else {
            return;
        };
        self.transfer_ids.remove(&state.sequence);
        if let Some(number) = state.negotiation {
            self.retire(shared, number);
        }
        let channels = self.leave_rest(shared, &state, channels);
        self.join_end(shared, state.negotiation);
        let chosen = choose(shared, &channels, state.verb);
        let mut channel = chosen.and_then(|data| shared.data.remove(&data));
        if let Some(channel) = &mut channel {
            channel.finish_decoding(shared.sink());
        }
        let (transfer, note) = self.judge(shared, id, &state, channel.as_deref());
        for &other in channels.iter().filter(|&&other| Some(other) != chosen) {
            self.leave_unmatched(shared, other);
        }
        if let (Some(data), Some(mut channel)) = (chosen, channel)
            && !channel.is_over()
        {
            // Its last segments are still to come; they find it settled.
            channel.settle();
            shared.data.insert(data, channel);
        }
        if let Some(number) = state.negotiation
            && let Some(negotiation) = self.negotiations.get_mut(&number)
            && state.answer.as_ref().is_none_or(|(code, ..)| *code < 400)
        {
            negotiation.data.clear();
        }
        self.remember_outcome(&transfer, state.answer.as_ref().map(|(code, ..)| *code));
        self.steps.settled(id, note);
        shared.emit(Some(self.id), EventKind::Transfer(&transfer));
        if self.settled.len() < shared.options.limits.transfers {
            self.settled.push(transfer);
        } else {
            self.transfers_omitted += 1;
            shared.warn(
                WarningCode::LimitReached,
                format!(
                    "more than {} transfers in one session; the rest were left out",
                    shared.options.limits.transfers
                ),
            );
        }
        self.tell_steps(shared, false);
    }

    /// A data connection of this negotiation was closed.
    pub(super) fn data_changed(&mut self, shared: &mut Shared<'_>, number: u64) {
        let Some(transfer) = self
            .negotiations
            .get(&number)
            .and_then(|negotiation| negotiation.transfer)
        else {
            return;
        };
        // Once the control connection is gone no reply can come, and the end of the data is the end.
        let last = self.closed.is_some() && !self.has_open_data(shared, Some(number));
        self.try_settle(shared, transfer, last);
    }

    /// The transfer has its final reply, and time went by: its data connection is over if its sender said so, or it
    /// never was.
    pub(super) fn settle_after_waiting(&mut self, shared: &mut Shared<'_>, id: u64) {
        let Some(state) = self.transfers.get(&id) else {
            return;
        };
        let verb = state.verb;
        let negotiation = state
            .negotiation
            .and_then(|number| self.negotiations.get(&number));
        let running = negotiation.is_some_and(|negotiation| {
            negotiation
                .data
                .iter()
                .filter_map(|data| shared.data.get(data))
                .any(|channel| {
                    let way = payload_way(verb, channel.client_way);
                    !channel.is_over() && channel.was_open() && !channel.summary.sent(way).finished
                })
        });
        if !running {
            self.try_settle(shared, id, true);
        }
    }

    /// Whether a data connection of a transfer is open.
    pub(super) fn is_transferring(&self, shared: &Shared<'_>) -> bool {
        self.transfers
            .values()
            .any(|state| self.has_open_data(shared, state.negotiation))
    }

    fn judge(
        &mut self,
        shared: &mut Shared<'_>,
        id: u64,
        state: &TransferState,
        channel: Option<&DataChannel>,
    ) -> (Transfer, TransferNote) {
        let direction = direction_of(state.verb);
        let open = channel.filter(|channel| channel.was_open());
        let way = channel.map(|channel| payload_way(state.verb, channel.client_way));
        let content = open
            .zip(way)
            .and_then(|(channel, way)| channel.content(way));
        let facts = facts(state, open, direction, self.encryption.was_seen());
        let (completeness, evidence) = completeness::judge(&facts);
        let digests = match (open, content) {
            _ if completeness == Completeness::Gaps => None,
            (Some(_), Some(content)) => Some(content.digests()),
            (Some(_), None) => Some(Content::new(shared.next_content(), &shared.options).digests()),
            (None, _) => None,
        };
        let announced = state
            .negotiation
            .and_then(|number| self.negotiations.get(&number))
            .and_then(|one| one.announced);
        let (argument, argument_b64) = split(
            state
                .argument
                .as_deref()
                .map(|bytes| self.secrets.text(bytes)),
        );
        let (path, path_b64) = split(state.path.as_deref().map(|bytes| self.secrets.text(bytes)));
        let name = state
            .path
            .as_deref()
            .or(state.argument.as_deref())
            .map(path::file_name)
            .filter(|name| !name.is_empty());
        let (name, name_b64) = split(name.map(|bytes| self.secrets.text(bytes)));
        let connection = open.zip(way).map(|(channel, way)| channel.record(way));
        let mut transfer = Transfer {
            id,
            verb: state.verb_text.clone(),
            argument,
            argument_b64,
            path,
            path_b64,
            name,
            name_b64,
            direction,
            mode: state.mode,
            data_type: state.representation.data_type,
            transfer_mode: state.representation.transfer_mode,
            structure: state.representation.structure,
            restart_offset: state.restart,
            announced: announced.map(Address::from),
            link: open.map(|channel| channel.link),
            bytes: content.map_or(0, |content| content.bytes),
            missing_bytes: content.map_or(0, |content| content.missing),
            missing_ranges: content.map_or_else(Vec::new, |content| content.gaps.clone()),
            missing_ranges_omitted: content.map_or(0, |content| content.gaps_omitted),
            announced_bytes: facts.announced.map(|(bytes, _)| bytes),
            completeness,
            evidence: self.sentences(&evidence),
            sha256: digests.as_ref().map(|digests| digests.sha256.clone()),
            md5: digests.as_ref().and_then(|digests| digests.md5.clone()),
            sha1: digests.as_ref().and_then(|digests| digests.sha1.clone()),
            decoded: channel
                .zip(way)
                .and_then(|(channel, way)| channel.decoded(way))
                .filter(|_| connection.is_some() && !facts.encrypted)
                .map(Decoding::record),
            media_type: content
                .filter(|_| !facts.encrypted)
                .and_then(Content::media_type),
            saved_as: None,
            throughput: connection.as_ref().and_then(|connection| {
                rate(connection, content.map_or(0, |content| content.bytes))
            }),
            connection,
            entries: Vec::new(),
            entries_omitted: 0,
        };
        if direction == TransferDirection::Listing && !facts.encrypted {
            let decoded = open
                .zip(way)
                .and_then(|(channel, way)| channel.decoded(way));
            let content = decoded.map_or(content, |decoding| Some(&decoding.content));
            self.read_listing(shared, state, &mut transfer, content);
        }
        if !facts.encrypted {
            self.remember_file(state, &mut transfer, content);
        }
        self.save(shared, state, &mut transfer, channel);
        self.note_trouble(shared, id, state, channel, announced, &facts);
        let note = self.note(state, &transfer);
        (transfer, note)
    }

    /// What the transfer adds to its step.
    fn note(&self, state: &TransferState, transfer: &Transfer) -> TransferNote {
        let (outcome, answer) =
            self.steps
                .get(state.sequence)
                .map_or((Outcome::Unknown, None), |command| {
                    let outcome = match command.answer {
                        Some((200..300, _)) => Outcome::Ok,
                        Some((400.., _)) => Outcome::Failed,
                        _ => Outcome::Incomplete,
                    };
                    (outcome, command.record.replies.last())
                });
        TransferNote {
            title: title::of_transfer(transfer, outcome, answer),
            end: transfer
                .connection
                .as_ref()
                .map(|connection| connection.end)
                .unwrap_or_default(),
        }
    }

    /// Sentences without secrets.
    fn sentences(&self, evidence: &[String]) -> Vec<String> {
        let clean = |text: &String| self.secrets.text(text.as_bytes()).0;
        evidence.iter().map(clean).collect()
    }

    fn read_listing(
        &mut self,
        shared: &mut Shared<'_>,
        state: &TransferState,
        transfer: &mut Transfer,
        content: Option<&Content>,
    ) {
        let Some(content) = content else { return };
        if transfer.transfer_mode != TransferMode::Stream && transfer.decoded.is_none() {
            return;
        }
        let Some(text) = content.text() else { return };
        let kind = match transfer.verb.as_str() {
            "NLST" => ListingKind::Names,
            "MLSD" => ListingKind::Facts,
            _ => ListingKind::List,
        };
        let text = self.secrets.clean(text);
        let captured = transfer
            .connection
            .as_ref()
            .map_or(shared.now.time, |connection| connection.end);
        let whole = transfer.completeness == Completeness::Complete && !content.text_cut;
        let listing = parse_listing(
            &text,
            kind,
            captured,
            whole,
            shared.options.limits.listing_entries,
        );
        transfer.entries = listing.entries;
        transfer.entries_omitted = listing.omitted;
        self.remember_listing(state, transfer);
        if content.text_cut || listing.omitted > 0 {
            shared.warn(WarningCode::LimitReached, "a listing is longer than what is kept of one; the rest of its entries were left out");
        }
    }

    fn save(
        &self,
        shared: &mut Shared<'_>,
        state: &TransferState,
        transfer: &mut Transfer,
        channel: Option<&DataChannel>,
    ) {
        let Some(channel) = channel else { return };
        let way = payload_way(state.verb, channel.client_way);
        channel.discard(way.reverse(), shared);
        // Bytes that are TLS records would be no file under the file's name.
        if transfer.direction == TransferDirection::Listing
            || !channel.was_open()
            || channel.is_encrypted(self.encryption.was_seen())
        {
            channel.discard(way, shared);
            return;
        }
        let (id, length) = match channel.content(way) {
            Some(content) => (content.id, content.length),
            None => (shared.next_content(), 0),
        };
        let hidden = |name: String| self.secrets.text(name.as_bytes()).0;
        if let Some((decoding, mut decoded)) = channel.decoded(way).zip(transfer.decoded.take()) {
            let settled = self.settled(state, transfer, channel, length);
            let stored = shared
                .files
                .settle_decoded(decoding.content.id, &settled, &decoded);
            match stored {
                Ok(stored) => decoded.saved_as = stored.saved_as,
                Err(error) => shared.warn(WarningCode::OutputFailed, error.0),
            }
            transfer.decoded = Some(decoded);
        }
        let settled = self.settled(state, transfer, channel, length);
        match shared.files.settle(id, &settled) {
            Ok(stored) => transfer.saved_as = stored.saved_as.map(hidden),
            Err(error) => shared.warn(WarningCode::OutputFailed, error.0),
        }
        if let Some(decoded) = &mut transfer.decoded {
            decoded.saved_as = decoded.saved_as.take().map(hidden);
        }
    }

    /// What the extractor is told of a transfer.
    fn settled<'a>(
        &self,
        state: &'a TransferState,
        transfer: &'a Transfer,
        channel: &DataChannel,
        length: u64,
    ) -> Settled<'a> {
        let representation = state.representation;
        let whole = state.size.as_ref().filter(|told| told.exact);
        Settled {
            session: Some(self.id),
            transfer: Some(transfer.id),
            client: self.client,
            server: self.server,
            first_frame: channel.summary.first.number,
            verb: &transfer.verb,
            path: state.path.as_deref(),
            argument: state.argument.as_deref(),
            completeness: transfer.completeness,
            bytes: transfer.bytes,
            missing_ranges: &transfer.missing_ranges,
            restart_offset: transfer.restart_offset,
            plain: representation.data_type == DataType::Image
                && representation.transfer_mode == TransferMode::Stream
                && representation.structure == Structure::File
                && transfer.missing_ranges_omitted == 0,
            told_size: whole.map(|told| told.size),
            length,
            sha256: transfer.sha256.as_deref(),
            md5: transfer.md5.as_deref(),
            sha1: transfer.sha1.as_deref(),
            media_type: transfer.media_type.as_deref(),
            decoded: transfer.decoded.as_ref(),
            start: channel.summary.first.time,
            end: channel.summary.last.time,
        }
    }

    fn remember_outcome(&mut self, transfer: &Transfer, code: Option<u16>) {
        if code.is_some_and(|code| code >= 400) {
            self.refused_transfers.insert(transfer.id);
            // Only the latest can matter for what comes next.
            while self.refused_transfers.len() > 16 {
                self.refused_transfers.pop_first();
            }
        }
    }

    /// A connection that was announced and that no command uses.
    pub(super) fn leave_unmatched(&self, shared: &mut Shared<'_>, data: DataId) {
        let Some(channel) = shared.data.get_mut(&data) else {
            return;
        };
        channel.negotiation = None;
        channel.announcer = Some(self.id);
        if channel.is_over()
            && let Some(channel) = shared.data.remove(&data)
        {
            tell_unmatched(shared, &channel);
        }
    }
}

/// Whether nothing of the transfer can be expected any more.
fn nothing_more(shared: &Shared<'_>, state: &TransferState, channels: &[DataId]) -> bool {
    let refused = state.answer.as_ref().is_some_and(|(code, ..)| *code >= 400);
    let open = channels
        .iter()
        .filter_map(|data| shared.data.get(data))
        // What follows on an open connection is left to the next transfer.
        .filter(|channel| !(refused && channel.is_bare_rest()))
        .any(|channel| !channel.is_over() && (channel.was_open() || state.answer.is_none()));
    match &state.answer {
        Some((400.., ..)) => !open,
        Some(_) => !open && !channels.is_empty(),
        None => false,
    }
}

/// Tells of a data connection for which there is no command.
pub(super) fn tell_unmatched(shared: &mut Shared<'_>, channel: &DataChannel) {
    let way = channel.heavier_way();
    channel.discard(way.reverse(), shared);
    if channel.is_settled() {
        return;
    }
    if !channel.was_open() || channel.is_bare_rest() {
        channel.discard(way, shared);
        return;
    }
    let content = channel.content(way);
    let gaps = content.is_some_and(|content| content.missing > 0);
    let completeness = if gaps {
        Completeness::Gaps
    } else if channel.summary.sent(way).finished {
        Completeness::Unverifiable
    } else {
        Completeness::Truncated
    };
    let digests = content.filter(|_| !gaps).map(Content::digests);
    let mut record = UnmatchedData {
        session: channel.announcer,
        connection: channel.record(way),
        bytes: content.map_or(0, |content| content.bytes),
        completeness,
        sha256: digests.as_ref().map(|digests| digests.sha256.clone()),
        md5: digests.as_ref().and_then(|digests| digests.md5.clone()),
        sha1: digests.as_ref().and_then(|digests| digests.sha1.clone()),
        media_type: content.and_then(Content::media_type),
        saved_as: None,
    };
    if let Some(content) = content.filter(|content| content.stored) {
        let settled = Settled {
            session: None,
            transfer: None,
            client: channel.client(),
            server: channel.server(),
            first_frame: channel.summary.first.number,
            verb: "",
            path: None,
            argument: None,
            completeness,
            bytes: content.bytes,
            missing_ranges: &content.gaps,
            restart_offset: 0,
            plain: false,
            told_size: None,
            length: content.length,
            sha256: record.sha256.as_deref(),
            md5: record.md5.as_deref(),
            sha1: record.sha1.as_deref(),
            media_type: record.media_type.as_deref(),
            decoded: None,
            start: channel.summary.first.time,
            end: channel.summary.last.time,
        };
        match shared.files.settle(content.id, &settled) {
            Ok(stored) => record.saved_as = stored.saved_as,
            Err(error) => shared.warn(WarningCode::OutputFailed, error.0),
        }
    }
    shared.emit(record.session, EventKind::UnmatchedData(&record));
}

/// Of several connections to one end point, the one that carried it: with bytes, else open, else the last.
fn choose(shared: &Shared<'_>, channels: &[DataId], verb: Verb) -> Option<DataId> {
    channels.iter().copied().max_by_key(|data| {
        shared.data.get(data).map(|channel| {
            let way = payload_way(verb, channel.client_way);
            (
                channel
                    .content(way)
                    .is_some_and(|content| content.bytes > 0),
                channel.was_open(),
                data.0,
            )
        })
    })
}

/// `after_tls` tells whether TLS was seen on the control connection.
fn facts(
    state: &TransferState,
    open: Option<&DataChannel>,
    direction: TransferDirection,
    after_tls: bool,
) -> Facts {
    let mut facts = Facts {
        connected: open.is_some(),
        encrypted: open.is_some_and(|channel| channel.is_encrypted(after_tls)),
        answer: state.answer.clone(),
        abor: state.abor,
        restart: state.restart,
        size_counts: state.representation.data_type == DataType::Image
            && state.representation.transfer_mode == TransferMode::Stream,
        ..Facts::default()
    };
    if direction == TransferDirection::Download {
        facts.announced = state
            .announced
            .map(|bytes| (bytes, "the 150 reply"))
            .or(state
                .size
                .as_ref()
                .map(|told| (told.size, "the reply to SIZE")));
        // In TYPE A a server may count what it would send (RFC 3659 section 4).
        facts.size_counts &=
            state.announced.is_some() || state.size.as_ref().is_none_or(|told| told.exact);
    }
    facts.stated = stated(state, direction);
    if let Some(channel) = open {
        let way = payload_way(state.verb, channel.client_way);
        let (sender, receiver) = (
            channel.summary.sent(way),
            channel.summary.sent(way.reverse()),
        );
        if let Some(content) = channel.content(way) {
            facts.bytes = content.bytes;
            facts.missing = content.missing;
        }
        let begins = channel.before.as_ref().is_none_or(|it| it.start_known);
        facts.start_known = sender.start_known && begins;
        facts.sender_fin = sender.fin.filter(|_| sender.finished).or(channel.ended);
        facts.end_marked = channel.ended.is_some();
        facts.sender_reset = sender.rst;
        facts.receiver_end = [receiver.fin, receiver.rst]
            .into_iter()
            .flatten()
            .filter(|_| channel.ended.is_none())
            .min_by_key(|frame| frame.number);
    }
    facts
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a rate needs no more than 15 digits"
)]
fn rate(connection: &Connection, bytes: u64) -> Option<f64> {
    let seconds = connection.end.since(connection.start).seconds();
    (seconds > 0.0 && bytes > 0).then(|| ((bytes as f64 / seconds) * 1000.0).round() / 1000.0)
}

fn split(text: Option<(String, Option<String>)>) -> (Option<String>, Option<String>) {
    text.map_or((None, None), |(text, exact)| (Some(text), exact))
}

/// First line of a reply for a sentence.
pub(super) fn first_line(lines: &[Vec<u8>]) -> String {
    let line = lines
        .iter()
        .find(|line| !line.is_empty())
        .map_or(&b""[..], Vec::as_slice);
    wire_text::decode(&line[..line.len().min(200)])
        .0
        .trim()
        .to_owned()
}
