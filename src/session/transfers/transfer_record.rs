//! A transfer as the report tells it, and its files as the extractor is told of them.

use crate::model::record::{
    Address, Completeness, Connection, Outcome, Transfer, TransferDirection,
};
use crate::model::{Settled, WarningCode};
use crate::protocol::ftp::{Verb, path};
use crate::session::data::content::Content;
use crate::session::data::data_channel::DataChannel;
use crate::session::data::decoding::Decoding;
use crate::session::ftp_session::Session;
use crate::session::shared::Shared;
use crate::session::steps::log::TransferNote;
use crate::session::steps::title;
use crate::session::transfers::completeness;
use crate::session::transfers::facts;
use crate::session::transfers::transfer_state::{TransferState, direction_of, payload_way};

impl Session {
    /// Judges a transfer that is over, saves its bytes, and tells what its step adds to its title.
    pub(crate) fn judge(
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
        let facts = facts::of_transfer(state, open, direction, self.encryption.was_seen());
        let (completeness, evidence) = completeness::judge(&facts);
        let digests = match (open, content) {
            _ if completeness == Completeness::Gaps => None,
            (Some(_), Some(content)) => Some(content.digests()),
            (Some(_), None) => Some(Content::new(shared.next_content(), shared.digests).digests()),
            (None, _) => None,
        };
        let announced = state
            .negotiation
            .and_then(|number| self.negotiations.get(number))
            .and_then(|one| one.announced);
        let (argument, argument_b64) = split(
            state
                .argument
                .as_deref()
                .map(|bytes| self.secrets.text(bytes)),
        );
        let (path, path_b64) = split(state.path.as_deref().map(|bytes| self.secrets.text(bytes)));
        let name = state
            .named()
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
            cut_lines: Vec::new(),
            cut_lines_omitted: 0,
        };
        if direction == TransferDirection::Listing && !facts.encrypted {
            let decoded = open
                .zip(way)
                .and_then(|(channel, way)| channel.decoded(way));
            let content = decoded.map_or(content, |decoding| Some(&decoding.content));
            self.read_listing(shared, state, &mut transfer, content, &facts);
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

    fn save(
        &self,
        shared: &mut Shared<'_>,
        state: &TransferState,
        transfer: &mut Transfer,
        channel: Option<&DataChannel>,
    ) {
        let Some(channel) = channel else { return };
        let way = payload_way(state.verb, channel.client_way);
        channel.discard(way.reverse(), shared.files);
        // Bytes that are TLS records would be no file under the file's name.
        if transfer.direction == TransferDirection::Listing
            || !channel.was_open()
            || channel.is_encrypted(self.encryption.was_seen())
        {
            channel.discard(way, shared.files);
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
        let told = state.size.as_ref().filter(|told| told.exact);
        let told = told.map(|told| told.size).or(whole_size(state, transfer));
        Settled {
            session: Some(self.id),
            transfer: Some(transfer.id),
            client: self.client,
            server: self.server,
            first_frame: channel.summary.first.number,
            verb: &transfer.verb,
            path: state.path.as_deref(),
            argument: state.chosen_name.as_deref().or(state.argument.as_deref()),
            completeness: transfer.completeness,
            bytes: transfer.bytes,
            missing_ranges: &transfer.missing_ranges,
            restart_offset: transfer.restart_offset,
            plain: state.representation.bytes_are_the_file()
                && transfer.missing_ranges_omitted == 0,
            told_size: told,
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
}

/// The size of the whole file, from the 150. With REST some servers name the whole, some the rest: only where one of
/// them is just what was sent it is known which.
fn whole_size(state: &TransferState, transfer: &Transfer) -> Option<u64> {
    let announced = state.announced.filter(|&size| size > 0)?;
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
