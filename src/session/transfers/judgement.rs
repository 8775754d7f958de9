//! The judgement of a transfer that is over: its record for the report, and its file for the extractor.

use super::completeness;
use super::facts::{self, Facts, Wrap};
use super::listings;
use super::transfer_state::{TransferState, direction_of, payload_way};
use crate::model::record::{
    Address, CaptureFrame, Completeness, Connection, Link, LinkMethod, Outcome, Transfer,
    TransferDirection,
};
use crate::model::{Direction, Endpoint, Settled};
use crate::protocol::ftp::{Verb, path};
use crate::protocol::uid::file_uid;
use crate::session::data::content::Content;
use crate::session::data::data_channel::DataChannel;
use crate::session::data::decoding::Decoding;
use crate::session::negotiation::Parties;
use crate::session::secrets::Secrets;
use crate::session::shared::Shared;
use crate::session::steps::log::{CommandState, TransferNote};
use crate::session::steps::title;

/// A transfer to judge, and everything its judgement depends on.
pub(crate) struct Case<'a> {
    /// Id of the transfer.
    pub(crate) id: u64,
    pub(crate) parties: Parties,
    /// Uid of the session.
    pub(crate) session_uid: &'a str,
    pub(crate) state: &'a TransferState,
    /// Connection that carried it; `None` if none was found.
    pub(crate) channel: Option<&'a DataChannel>,
    /// Announced end point; `None` if it is unknown.
    pub(crate) announced: Option<Endpoint>,
    /// TLS was seen on the control connection.
    pub(crate) after_tls: bool,
    pub(crate) secrets: &'a Secrets,
    /// User logged in; `None` if it is not known.
    pub(crate) user: Option<&'a str>,
}

/// Judgement of one transfer.
pub(crate) struct Judgement {
    pub(crate) transfer: Transfer,
    pub(crate) facts: Facts,
    /// The transfer is a listing whose entries were parsed.
    pub(crate) listed: bool,
}

impl<'a> Case<'a> {
    /// Judges the transfer. Its file is not saved yet: evidence may be added before ([`save`](Self::save)).
    pub(crate) fn judge(&self, shared: &mut Shared<'_>) -> Judgement {
        let direction = direction_of(self.state.verb);
        let open = self.open();
        let facts = facts::of_transfer(self.state, open, direction, self.after_tls);
        let (completeness, evidence) = completeness::judge(&facts);
        let mut transfer = self.record(shared, &facts, completeness);
        transfer.evidence = evidence
            .iter()
            .map(|text| self.secrets.text(text.as_bytes()).0)
            .collect();
        let mut listed = false;
        if direction == TransferDirection::Listing && !facts.encrypted {
            let decoded = open.and_then(|channel| channel.decoded(self.way(channel)));
            let content = decoded.map_or(self.content(), |decoding| Some(&decoding.content));
            listed = listings::read_listing(
                shared,
                self.secrets,
                self.state,
                &mut transfer,
                content,
                &facts,
            );
        }
        Judgement {
            transfer,
            facts,
            listed,
        }
    }

    /// Returns the content of the connection, if that opened and carried any.
    pub(crate) fn content(&self) -> Option<&'a Content> {
        let channel = self.open()?;
        channel.content(self.way(channel))
    }

    /// Returns what the transfer adds to its step; `command` is the transfer command, if its step is not emitted yet.
    pub(crate) fn note(transfer: &Transfer, command: Option<&CommandState>) -> TransferNote {
        let outcome = command.map_or(Outcome::Unknown, |command| match command.answer {
            Some((200..300, _)) => Outcome::Ok,
            Some((400.., _)) => Outcome::Failed,
            _ => Outcome::Incomplete,
        });
        let answer = command.and_then(|command| command.record.replies.last());
        TransferNote {
            title: title::of_transfer(transfer, outcome, answer),
            end: transfer
                .connection
                .as_ref()
                .map(|connection| connection.end)
                .unwrap_or_default(),
        }
    }

    /// Saves the file, or drops bytes that are none. Records in `transfer` where it lies. `command` is the transfer command;
    /// `None` if its step is emitted.
    pub(crate) fn save(
        &self,
        shared: &mut Shared<'_>,
        transfer: &mut Transfer,
        command: Option<&CommandState>,
    ) {
        let Some(channel) = self.channel else { return };
        let way = self.way(channel);
        channel.discard(way.reverse(), shared.files);
        // A client in passive mode connects before it is refused: an empty file would say that one began.
        let replies = command.map_or(&[][..], |command| &command.record.replies);
        let is_refused = transfer.is_refused_by(replies.iter().map(|reply| reply.code));
        // TLS records under the file's name would be no file.
        if is_refused
            || transfer.direction == TransferDirection::Listing
            || !channel.was_open()
            || channel.is_encrypted(self.after_tls)
        {
            channel.discard(way, shared.files);
            return;
        }
        // Taken for a listing while bytes passed that were not kept: no file can be made of them.
        if channel.content(way).is_some_and(Content::has_unsaved) {
            channel.discard(way, shared.files);
            return;
        }
        let (id, length) = match channel.content(way) {
            Some(content) => (content.id, content.length),
            None => (shared.next_content(), 0),
        };
        let first_place = shared.capture_frame(channel.summary().first);
        let hidden = |name: String| self.secrets.name(name.as_bytes()).0;
        if let Some((decoding, mut decoded)) = channel.decoded(way).zip(transfer.decoded.take()) {
            let settled = self.settled(transfer, channel, length, first_place);
            let stored = shared
                .files
                .settle_decoded(decoding.content.id, &settled, &decoded);
            match stored {
                Ok(stored) => decoded.saved_as = stored.saved_as,
                Err(error) => shared.warn_unsaved(error),
            }
            transfer.decoded = Some(decoded);
        }
        let settled = self.settled(transfer, channel, length, first_place);
        // Bytes after a gap of more than 4 GiB were written where the sequence numbers put them: they are cut off.
        let misplaced_from = self.misplaced_from(channel);
        let settled = Settled {
            length: misplaced_from.map_or(length, |from| from.min(length)),
            ..settled
        };
        match shared.files.settle(id, &settled) {
            Ok(stored) => transfer.saved_as = stored.saved_as.map(hidden),
            Err(error) => shared.warn_unsaved(error),
        }
        if let Some(decoded) = &mut transfer.decoded {
            decoded.saved_as = decoded.saved_as.take().map(hidden);
        }
    }

    /// Returns the offset of the first saved bytes that do not stand at their place; `None` if all do.
    fn misplaced_from(&self, channel: &DataChannel) -> Option<u64> {
        let direction = direction_of(self.state.verb);
        let facts = facts::of_transfer(self.state, Some(channel), direction, self.after_tls);
        match facts.wrap? {
            Wrap::Proven { gap, .. } => Some(gap[0]),
            Wrap::Ambiguous => None,
        }
    }

    /// Returns the connection, if it opened.
    fn open(&self) -> Option<&'a DataChannel> {
        self.channel.filter(|channel| channel.was_open())
    }

    /// Returns the binding of the connection. A TLS session that is resumed proves it, where addresses only suggest it.
    fn link(&self, channel: &DataChannel) -> Link {
        let link = channel.link();
        let proven = channel.resumed_connection() == Some(self.session_uid);
        if proven && link.confidence < 1.0 {
            return Link {
                method: LinkMethod::TlsSession,
                confidence: 1.0,
            };
        }
        link
    }

    /// Returns the direction of the payload.
    fn way(&self, channel: &DataChannel) -> Direction {
        payload_way(self.state.verb, channel.client_way())
    }

    /// Returns the text of a name from the wire, and its exact bytes in base64 if it is not UTF-8.
    fn text(&self, bytes: Option<&[u8]>) -> (Option<String>, Option<String>) {
        bytes.map_or((None, None), |bytes| {
            let (text, exact) = self.secrets.name(bytes);
            (Some(text), exact)
        })
    }

    fn record(
        &self,
        shared: &mut Shared<'_>,
        facts: &Facts,
        completeness: Completeness,
    ) -> Transfer {
        let state = self.state;
        let open = self.open();
        let content = self.content();
        let mut tls = open.and_then(|channel| channel.tls_record(self.way(channel)));
        if let Some(tls) = &mut tls {
            shared.add_alert_places(tls);
        }
        let digests = match (open, content) {
            _ if completeness == Completeness::Gaps || tls.is_some() && facts.encrypted => None,
            (Some(_), Some(content)) => Some(content.digests()),
            (Some(_), None) => Some(shared.empty_content().digests()),
            (None, _) => None,
        };
        let (argument, argument_b64) = self.text(state.argument.as_deref());
        let (path, path_b64) = self.text(state.path.as_deref());
        let name = state.named().map(path::file_name);
        let (name, name_b64) = self.text(name.filter(|name| !name.is_empty()));
        let connection =
            open.map(|channel| channel.record(self.way(channel), shared.has_several_captures()));
        let bytes = match &tls {
            // What stays closed has a size all the same, by the lengths of its records.
            Some(tls) if facts.encrypted => tls.content_bytes,
            _ => content.map_or(0, |content| content.bytes),
        };
        Transfer {
            id: self.id,
            uid: file_uid(self.session_uid, self.id),
            verb: state.verb_text.clone(),
            argument,
            argument_b64,
            path,
            path_b64,
            name,
            name_b64,
            direction: direction_of(state.verb),
            mode: state.mode,
            data_type: state.representation.data_type,
            transfer_mode: state.representation.transfer_mode,
            structure: state.representation.structure,
            restart_offset: state.restart,
            announced: self.announced.map(Address::from),
            link: open.map(|channel| self.link(channel)),
            bytes,
            missing_bytes: facts.missing,
            missing_ranges: content.map_or_else(Vec::new, |content| ranges(&content.gaps, facts)),
            missing_ranges_omitted: content.map_or(0, |content| content.gaps_omitted),
            announced_bytes: facts.sizes.announced.map(|(bytes, _)| bytes),
            completeness,
            evidence: Vec::new(),
            evidence_places: Vec::new(),
            sha256: digests.as_ref().and_then(|digests| digests.sha256.clone()),
            md5: digests.as_ref().and_then(|digests| digests.md5.clone()),
            sha1: digests.as_ref().and_then(|digests| digests.sha1.clone()),
            decoded: self
                .channel
                .and_then(|channel| channel.decoded(self.way(channel)))
                .filter(|_| connection.is_some() && !facts.encrypted)
                .map(Decoding::record),
            tls,
            media_type: content
                .filter(|_| !facts.encrypted)
                .and_then(Content::media_type),
            saved_as: None,
            throughput: connection
                .as_ref()
                .and_then(|connection| rate(connection, bytes)),
            connection,
            entries: Vec::new(),
            entries_omitted: 0,
            cut_lines: Vec::new(),
            cut_lines_omitted: 0,
        }
    }

    /// Returns what the extractor needs to know of the transfer.
    fn settled<'b>(
        &'b self,
        transfer: &'b Transfer,
        channel: &DataChannel,
        length: u64,
        first_place: Option<CaptureFrame>,
    ) -> Settled<'b> {
        let state = self.state;
        let size = state.sizes.size.as_ref().filter(|stated| stated.exact);
        Settled {
            session: Some(self.parties.session),
            transfer: Some(transfer.id),
            client: self.parties.client,
            server: self.parties.server,
            first_frame: channel.summary().first.number,
            first_place,
            user: self.user,
            verb: &transfer.verb,
            path: state.path.as_deref(),
            argument: state.chosen_name.as_deref().or(state.argument.as_deref()),
            shown: transfer.path.as_deref().or(transfer.argument.as_deref()),
            completeness: transfer.completeness,
            bytes: transfer.bytes,
            missing_ranges: &transfer.missing_ranges,
            restart_offset: transfer.restart_offset,
            plain: state.representation.bytes_are_the_file()
                && transfer.missing_ranges_omitted == 0,
            told_size: size
                .map(|stated| stated.size)
                .or(whole_size(state, transfer)),
            length,
            sha256: transfer.sha256.as_deref(),
            md5: transfer.md5.as_deref(),
            sha1: transfer.sha1.as_deref(),
            media_type: transfer.media_type.as_deref(),
            decoded: transfer.decoded.as_ref(),
            start: channel.summary().first.time,
            end: channel.summary().last.time,
        }
    }
}

/// Returns the gaps of a file, the largest of them as long as a stated size proves it to be.
fn ranges(gaps: &[[u64; 2]], facts: &Facts) -> Vec<[u64; 2]> {
    let mut ranges = gaps.to_vec();
    if let Some(Wrap::Proven { gap, further, .. }) = &facts.wrap {
        for [from, to] in &mut ranges {
            if *from > gap[0] {
                *from = from.saturating_add(*further);
            }
            if *to >= gap[1] {
                *to = to.saturating_add(*further);
            }
        }
    }
    ranges
}

/// Returns the size of the whole file from the 150; `None` if that is not certain. After REST some servers announce the whole
/// file, some the rest: which of them is known only if one of them is just what was sent.
fn whole_size(state: &TransferState, transfer: &Transfer) -> Option<u64> {
    let announced = state.sizes.announced.filter(|&size| size > 0)?;
    if state.verb != Verb::Retr || !state.representation.bytes_are_the_file() {
        return None;
    }
    if state.restart == 0 {
        return Some(announced);
    }
    let sent = transfer.bytes.checked_add(transfer.missing_bytes)?;
    let whole = state.restart.checked_add(sent)?;
    (announced == whole || announced == sent).then_some(whole)
}

/// Returns bytes per second over the connection, to the thousandth; `None` for no time or no bytes.
#[expect(
    clippy::cast_precision_loss,
    reason = "a rate needs no more than 15 digits"
)]
fn rate(connection: &Connection, bytes: u64) -> Option<f64> {
    let seconds = connection.end.since(connection.start).seconds();
    (seconds > 0.0 && bytes > 0).then(|| ((bytes as f64 / seconds) * 1000.0).round() / 1000.0)
}
