//! One FTP session: a control connection, and everything that hangs on it.
//!
//! The session owns its parts and passes outcomes between them, in one place ([`Session::apply`]) and in one order: server
//! state, then negotiation, then transfers, then steps. No part knows the session or another part's fields.
//!
//! ```text
//! bytes ─> encryption ─> dialogue ─> Outcome ─> apply ─┬─> server_state
//!                                                      ├─> negotiations ─> expectations (shared)
//!                                                      ├─> transfers
//!                                                      └─> steps ─> events
//! data connection opened, closed, split ──────────────────> negotiations, settle
//! ```

use std::sync::Arc;

use compact_str::CompactString;

use super::Options;
use super::anomalies::{Anomalies, Subject, Watched};
use super::connection::Part;
use super::data::data_channel::{DataChannel, DataId};
use super::data::unmatched::emit_unmatched;
use super::dialogue::outcome::{CommandLine, Outcome, ReplyTo, ServerReply, Violation};
use super::dialogue::resynchronise::Activity;
use super::dialogue::{Dialogue, Moment};
use super::encrypted::encrypted_data::{self, EncryptedData};
use super::encrypted::encryption::{Encryption, Taken};
use super::encrypted::tls_record::{OpenedContent, OpenedPieces};
use super::negotiation::{InForce, Negotiations, Parties, UnknownEnd};
use super::record as records;
use super::secrets::{HIDDEN, Secrets};
use super::server_state::effects::{Effect, effect, passive_end_point};
use super::server_state::known_files::{DigestClaim, LateEvidence, StatedSize};
use super::server_state::representation::Representation;
use super::server_state::{ResetCause, ServerState};
use super::shared::{COPIES, Shared};
use super::steps::inferred::{infer_login, infer_steps};
use super::steps::log::CommandState;
use super::steps::{Steps, text_bytes};
use super::transfers::judgement::Case;
use super::transfers::transfer_state::{TransferState, direction_of};
use super::transfers::{self, Progress, Transfers};
use crate::diagnosis::{self, DataTrouble, Standstill};
use crate::model::record::{
    self, Address, Command, DataType, Dns, Finding, LinkMethod, Mode, Outcome as StepOutcome,
    Reply, Server, Step, StepKind, TransferDirection,
};
use crate::model::streams::{ArgumentKind, PartKind, StreamId, StreamPart};
use crate::model::{
    Direction, Endpoint, EventKind, FlowKey, FrameRef, Span, Timestamp, WarningCode,
};
use crate::protocol::community_id::community_id;
use crate::protocol::ftp::representation::Coding;
use crate::protocol::ftp::{
    Algorithm, Line, ParsedReply, Verb, claimed_digest, first_text_line, parse_command, path,
    whole_file_argument,
};
use crate::protocol::proxy::Prelude;
use crate::protocol::tls::hello::ClientHello;
use crate::protocol::uid::connection_uid;
use crate::reassembly::{Chunk, CloseReason, FlowSummary, Gap};

/// One FTP session. Thousands may be open at once, so what is large and rare is boxed.
pub(crate) struct Session {
    identity: Identity,
    encryption: Encryption,
    encrypted_data: EncryptedData,
    dialogue: Dialogue,
    server_state: ServerState,
    negotiations: Negotiations,
    transfers: Transfers,
    steps: Steps,
    replies: SessionReplies,
    secrets: Secrets,
    anomalies: Anomalies,
    /// Time of the first packet.
    begun: Timestamp,
    unread: UnreadLines,
    /// Bytes of control lines and records that are kept, of the budget of all sessions.
    kept_bytes: usize,
    /// `None` while the control connection is open.
    closed: Option<Box<Closed>>,
}

/// Names and addresses of a session.
pub(crate) struct Identity {
    pub(crate) id: u64,
    /// Name that is the same in every run.
    uid: CompactString,
    pub(crate) key: FlowKey,
    /// Number of the first frame.
    first_frame: u64,
    pub(crate) client: Endpoint,
    pub(crate) server: Endpoint,
    /// Direction in which the client sends.
    pub(crate) client_way: Direction,
    /// Neither SYN was captured.
    pub(crate) midstream: bool,
    /// Lookup that gave the server's address; `None` without one.
    dns: Option<Box<Dns>>,
    /// Name that the capture states for the server; `None` if it states none, or a lookup gave one.
    stated_name: Option<Box<str>>,
    /// Encapsulation of its first payload, outermost first.
    layers: Vec<String>,
    /// Dialogue with a proxy in front of the connection; `None` without one.
    proxy: Option<Box<Prelude>>,
}

/// Lines of the client that are captured, or may be, and not read yet. Replies captured before them may repeat their
/// secrets, so that steps wait for them.
#[derive(Debug, Default)]
struct UnreadLines {
    /// Bytes are held behind a hole.
    held: bool,
    /// The next line follows a gap.
    after_gap: bool,
}

/// End of a control connection.
pub(crate) struct Closed {
    pub(crate) reason: CloseReason,
    pub(crate) summary: FlowSummary,
}

/// Replies that belong to no command.
#[derive(Debug, Default)]
struct SessionReplies {
    /// `None` before it.
    greeting: Option<Box<Reply>>,
    /// `None` for most sessions.
    unsolicited: Option<Box<UnsolicitedReplies>>,
}

#[derive(Debug, Default)]
struct UnsolicitedReplies {
    /// 120 replies before the greeting.
    preliminary: Vec<Reply>,
    list: Vec<Reply>,
    omitted: u64,
}

impl Session {
    /// Creates a session on the connection of `summary`.
    pub(crate) fn new(
        id: u64,
        summary: &FlowSummary,
        client_way: Direction,
        options: &Options,
    ) -> Self {
        let limits = &options.limits;
        let midstream = summary.half.iter().all(|half| half.syn.is_none());
        Self {
            identity: Identity {
                id,
                uid: connection_uid(&community_id(&summary.key), summary.first.time),
                key: summary.key,
                first_frame: summary.first.number,
                client: summary.key.source(client_way),
                server: summary.key.destination(client_way),
                client_way,
                midstream,
                dns: None,
                stated_name: None,
                layers: Vec::new(),
                proxy: None,
            },
            encryption: Encryption::default(),
            encrypted_data: EncryptedData::default(),
            dialogue: Dialogue::new(limits.line_bytes, limits.reply_lines, midstream),
            server_state: ServerState::new(!midstream),
            negotiations: Negotiations::default(),
            transfers: Transfers::new(),
            steps: Steps::new(),
            replies: SessionReplies::default(),
            secrets: Secrets::new(options.show_passwords),
            anomalies: Anomalies::default(),
            begun: summary.first.time,
            unread: UnreadLines::default(),
            kept_bytes: 0,
            closed: None,
        }
    }

    /// Begins the session: emits who takes part, and adds the steps before its first byte.
    pub(crate) fn begin(&mut self, shared: &mut Shared<'_>, summary: &FlowSummary) {
        let Identity {
            id,
            key,
            client,
            server,
            ..
        } = self.identity;
        shared.open.enter(key.hosts(), id);
        let lookup = shared.names.lookup(client, server, summary.first.time);
        if let Some(lookup) = lookup {
            let dns = records::dns_record(lookup, shared.has_several_captures());
            self.steps
                .log_mut()
                .add_step(records::dns_step(&dns, lookup));
            self.identity.dns = Some(Box::new(dns));
        } else {
            self.identity.stated_name = shared.names.stated(server).map(Into::into);
        }
        if let Some(step) = records::connect_step(&self.identity, summary) {
            self.steps.log_mut().add_step(step);
        }
        let server = self.identity.server_record();
        shared.emit(
            Some(id),
            EventKind::SessionStart {
                client: Address::from(client),
                server: &server,
            },
        );
        self.emit_steps(shared, false);
    }

    /// Records the encapsulation of the first payload, outermost first.
    pub(crate) fn set_layers(&mut self, layers: Vec<String>) {
        self.identity.layers = layers;
    }

    /// Records the dialogue with a proxy or load balancer in front of the control connection.
    pub(crate) fn on_prelude(&mut self, shared: &mut Shared<'_>, prelude: Prelude) {
        if prelude.is_tunnel() {
            let proxy = self.identity.server;
            if shared.network.tunnels.len() < TUNNELS {
                shared.network.tunnels.insert(proxy);
            }
            self.anomalies.on_tunnel(prelude.target);
        }
        self.identity.proxy = Some(Box::new(prelude));
    }

    /// Returns names and addresses.
    pub(crate) const fn identity(&self) -> &Identity {
        &self.identity
    }

    // ---- The control connection.

    /// Reads bytes of the control connection, in order.
    pub(crate) fn on_data(
        &mut self,
        shared: &mut Shared<'_>,
        direction: Direction,
        chunk: Chunk<'_>,
        summary: &FlowSummary,
    ) {
        let from_client = direction == self.identity.client_way;
        let first_frame = self.identity.first_frame;
        shared.tap_bytes(
            Some(self.identity.id),
            first_frame,
            direction,
            &chunk,
            summary,
        );
        let held = summary.sent(self.identity.client_way).held;
        // Until all lines of a chunk that was held are read, not only the first one.
        let was_unread = self.unread.held || self.unread.after_gap;
        self.unread.held = held || (from_client && was_unread);
        if self.encryption.is_clear(from_client) && self.encryption.is_clear(!from_client) {
            let heard = self.dialogue.heard(!from_client);
            let ended =
                self.dialogue
                    .line_ended_by_answer(from_client, chunk.arrived, chunk.waited);
            if let Some(line) = ended {
                self.read_line(shared, !from_client, line, heard);
            } else if !from_client {
                self.note_incomplete_line();
            }
        }
        // Within records the frame of each line counts, once it is opened.
        if self.encryption.is_clear(from_client) {
            self.dialogue
                .begin_chunk(from_client, chunk.arrived, chunk.waited);
        }
        self.dialogue.set_position(from_client, Some(chunk.offset));
        let mut rest = chunk.bytes;
        while !rest.is_empty() {
            rest = if self.encryption.is_clear(from_client) {
                self.read_lines(shared, from_client, rest, chunk.arrived)
            } else {
                self.read_records(shared, from_client, rest, chunk)
            };
        }
        if let Some(line) = self.dialogue.line_ended_by_segment(from_client) {
            self.read_line(shared, from_client, line, chunk.arrived);
        }
        if from_client && was_unread {
            self.note_incomplete_line();
            self.unread.held = held;
            self.emit_steps(shared, false);
        }
        self.dialogue.end_chunk();
    }

    /// Reads lines in clear. Returns the bytes behind them, where TLS begins.
    fn read_lines<'bytes>(
        &mut self,
        shared: &mut Shared<'_>,
        from_client: bool,
        bytes: &'bytes [u8],
        arrived: FrameRef,
    ) -> &'bytes [u8] {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.dialogue.at_line_start(from_client) && self.encryption.begin(from_client, rest)
            {
                return rest;
            }
            let Some(line) = self.dialogue.next_line(from_client, &mut rest) else {
                break;
            };
            self.take_line(shared, from_client, line, arrived);
        }
        rest
    }

    /// Reads TLS records. Returns the bytes behind them, where the stream is clear again (CCC).
    fn read_records<'bytes>(
        &mut self,
        shared: &mut Shared<'_>,
        from_client: bool,
        bytes: &'bytes [u8],
        chunk: Chunk<'_>,
    ) -> &'bytes [u8] {
        let arrived = chunk.arrived;
        let mut opened = OpenedPieces::default();
        let taken = self.encryption.take(
            from_client,
            bytes,
            arrived,
            || self.identity.uid.clone(),
            &mut shared.network.keyring,
            &mut opened,
        );
        if self.encryption.hides_commands() {
            self.hide_commands(shared);
        }
        if self.encryption.handshake_is_known() {
            self.report_handshake(shared);
        }
        if self.encryption.hides_replies() {
            let mut outcomes = shared.take_outcomes();
            self.dialogue.hide_replies(&mut outcomes);
            self.apply(shared, outcomes);
        }
        self.read_opened(shared, opened, chunk.waited);
        let begin = self.dialogue.position(from_client).unwrap_or_default();
        let Taken::Clear { line, used } = taken else {
            self.dialogue
                .set_position(from_client, Some(begin + bytes.len() as u64));
            self.tap_part(shared, from_client, PartKind::Encrypted);
            return &[];
        };
        let end = begin + used as u64;
        let line_begin = end.saturating_sub(line.len() as u64);
        self.dialogue.set_position(from_client, Some(line_begin));
        self.tap_part(shared, from_client, PartKind::Encrypted);
        if !from_client {
            self.dialogue.show_replies();
        }
        self.dialogue
            .begin_chunk(from_client, arrived, chunk.waited);
        self.read_lines(shared, from_client, &line, arrived);
        self.dialogue.set_position(from_client, Some(end));
        bytes.get(used..).unwrap_or_default()
    }

    /// Reads the lines in opened records.
    fn read_opened(&mut self, shared: &mut Shared<'_>, opened: OpenedPieces, waited: bool) {
        let positions = [true, false].map(|end| (end, self.dialogue.position(end)));
        for (from_client, _) in positions {
            self.dialogue.set_position(from_client, None);
        }
        for piece in opened.0 {
            let from_client = piece.way == Direction::Up;
            match piece.content {
                OpenedContent::Bytes(bytes) => {
                    self.dialogue.begin_chunk(from_client, piece.at, waited);
                    let mut rest = bytes.as_slice();
                    while let Some(line) = self.dialogue.next_line(from_client, &mut rest) {
                        self.take_line(shared, from_client, line, piece.at);
                    }
                    if let Some(line) = self.dialogue.line_ended_by_segment(from_client) {
                        self.read_line(shared, from_client, line, piece.at);
                    }
                }
                OpenedContent::Gap(length) => self.lose_lines(shared, from_client, length),
            }
        }
        for (from_client, position) in positions {
            self.dialogue.set_position(from_client, position);
        }
    }

    /// Reads a line that may be the rest of one whose beginning was lost.
    fn take_line(
        &mut self,
        shared: &mut Shared<'_>,
        from_client: bool,
        line: Line<'_>,
        arrived: FrameRef,
    ) {
        self.unread.after_gap &= !from_client;
        if self.dialogue.is_whole(from_client, &line.bytes) {
            self.read_line(shared, from_client, line, arrived);
        } else if from_client {
            self.tap_part(shared, from_client, PartKind::Unread);
            // The end of a line that was lost may be a password, which the server repeats.
            self.secrets.note(line, self.dialogue.commands() + 1);
        } else {
            self.tap_part(shared, from_client, PartKind::Reply);
        }
    }

    /// Passes on bytes that were exchanged with a proxy before FTP, if anyone wants them.
    pub(crate) fn tap_prelude(
        &self,
        shared: &mut Shared<'_>,
        direction: Direction,
        chunk: &Chunk<'_>,
        summary: &FlowSummary,
    ) {
        let (id, first_frame) = (self.identity.id, self.identity.first_frame);
        shared.tap_bytes(Some(id), first_frame, direction, chunk, summary);
        shared.files.stream_part(StreamPart {
            stream: StreamId {
                key: self.identity.key,
                first_frame,
                direction,
            },
            end: chunk.offset + chunk.bytes.len() as u64,
            kind: PartKind::Prelude,
        });
    }

    /// Passes on where a part of the control stream ends, if anyone wants it.
    fn tap_part(&self, shared: &mut Shared<'_>, from_client: bool, kind: PartKind) {
        let Some(end) = self.dialogue.position(from_client) else {
            return;
        };
        if shared.files.wants_streams() {
            let way = self.identity.client_way;
            shared.files.stream_part(StreamPart {
                stream: StreamId {
                    key: self.identity.key,
                    first_frame: self.identity.first_frame,
                    direction: if from_client { way } else { way.reverse() },
                },
                end,
                kind,
            });
        }
    }

    /// Does the same as [`tap_part`](Self::tap_part) for a line of the client. `shown` is the line without its secrets.
    fn tap_command(&self, shared: &mut Shared<'_>, line: &[u8], shown: &[u8]) {
        let command = parse_command(line);
        let argument = match Verb::from_bytes(&command.verb) {
            Verb::Pass | Verb::Acct | Verb::Adat => ArgumentKind::Secret,
            Verb::User => ArgumentKind::User,
            Verb::Host => ArgumentKind::Host,
            verb if takes_path(verb, &command.verb) => ArgumentKind::Path,
            _ => ArgumentKind::Other,
        };
        let common = line.iter().zip(shown).take_while(|(a, b)| a == b).count();
        let kind = PartKind::Command {
            sequence: self.dialogue.commands() + 1,
            argument,
            shown: (line != shown).then_some(common),
        };
        self.tap_part(shared, true, kind);
    }

    fn read_line(
        &mut self,
        shared: &mut Shared<'_>,
        from_client: bool,
        line: Line<'_>,
        arrived: FrameRef,
    ) {
        let line = if from_client {
            let sent = shared.files.wants_streams().then(|| line.bytes.to_vec());
            let line = self.secrets.redact(line, self.dialogue.commands() + 1);
            if let Some(sent) = sent {
                self.tap_command(shared, &sent, &line.bytes);
            }
            line
        } else {
            self.tap_part(shared, false, PartKind::Reply);
            line
        };
        let truncated = line.truncated;
        let (line, cut) = shared.keep_text(&line.bytes);
        self.kept_bytes += line.len() * COPIES;
        let moment = self.moment(shared, arrived);
        let mut outcomes = shared.take_outcomes();
        self.dialogue
            .on_line(from_client, line, truncated || cut, moment, &mut outcomes);
        self.apply(shared, outcomes);
    }

    /// Reads a gap in the control connection: the line it cuts counts as far as it came, if that says anything.
    pub(crate) fn on_gap(&mut self, shared: &mut Shared<'_>, direction: Direction, gap: Gap) {
        let from_client = direction == self.identity.client_way;
        if !self.encryption.is_clear(from_client) {
            let mut opened = OpenedPieces::default();
            self.encryption.hole(
                from_client,
                gap.length,
                gap.frame,
                &mut shared.network.keyring,
                &mut opened,
            );
            if self.encryption.hides_commands() {
                self.hide_commands(shared);
            }
            self.read_opened(shared, opened, true);
            return;
        }
        self.lose_lines(shared, from_client, gap.length);
    }

    /// Reads bytes that are no part of a line, since they came too late: the server may repeat the secrets in them.
    pub(crate) fn on_undelivered(&mut self, direction: Direction, bytes: &[u8]) {
        let from_client = direction == self.identity.client_way;
        if from_client && self.encryption.is_clear(true) {
            self.secrets
                .note_undelivered(bytes, self.dialogue.commands() + 1);
        }
    }

    /// Reads a gap of `length` bytes between lines.
    fn lose_lines(&mut self, shared: &mut Shared<'_>, from_client: bool, length: u64) {
        let heard = self.dialogue.heard(from_client);
        if from_client {
            self.note_incomplete_line();
            self.unread.after_gap = true;
        }
        if let Some(line) = self.dialogue.begin_gap(from_client) {
            let cut = Line {
                truncated: true,
                ..line
            };
            self.read_line(shared, from_client, cut, heard);
        }
        if from_client {
            self.secrets.on_gap(self.dialogue.commands() + 1);
            self.server_state.logins_mut().doubt_user();
        }
        let moment = self.moment(shared, heard);
        let mut outcomes = shared.take_outcomes();
        self.dialogue
            .end_gap(from_client, length, moment, &mut outcomes);
        self.apply(shared, outcomes);
    }

    /// Reads the FIN of an end: bytes behind the last line end are a line as well.
    pub(crate) fn on_fin(
        &mut self,
        shared: &mut Shared<'_>,
        direction: Direction,
        frame: FrameRef,
    ) {
        let from_client = direction == self.identity.client_way;
        if let Some(text) = self.encryption.stream_end(from_client) {
            self.read_lines(shared, from_client, &text, frame);
        }
        if let Some(line) = self.dialogue.last_line(from_client) {
            self.read_line(shared, from_client, line, frame);
        }
        let moment = self.moment(shared, frame);
        let mut outcomes = shared.take_outcomes();
        self.dialogue.on_fin(from_client, moment, &mut outcomes);
        self.apply(shared, outcomes);
    }

    /// Closes the control connection. Data connections may still be open.
    pub(crate) fn on_close(
        &mut self,
        shared: &mut Shared<'_>,
        reason: CloseReason,
        frame: FrameRef,
        summary: &FlowSummary,
    ) {
        let mut opened = OpenedPieces::default();
        self.encryption
            .finish(frame, &mut shared.network.keyring, &mut opened);
        shared.network.count_secret(self.encryption.connection());
        if self.encryption.hides_commands() {
            self.hide_commands(shared);
        }
        self.read_opened(shared, opened, true);
        self.unread = UnreadLines::default();
        self.note_incomplete_line();
        let moment = self.moment(shared, frame);
        let mut outcomes = shared.take_outcomes();
        self.dialogue.on_close(moment, &mut outcomes);
        self.apply(shared, outcomes);
        if self.dialogue.server_is_silent() {
            self.dialogue.lose_replies();
            self.steps.log_mut().lose_replies();
        }
        if self.dialogue.commands() == 0 && summary.sent(self.identity.client_way).segments == 0 {
            self.infer_from_replies();
        }
        self.report_handshake(shared);
        let hosts = self.identity.key.hosts();
        shared.encrypted.leave(hosts, self.identity.id);
        shared.open.leave(hosts, self.identity.id);
        self.closed = Some(Box::new(Closed {
            reason,
            summary: summary.clone(),
        }));
        if let Some(step) = records::disconnect_step(&self.identity, reason, summary) {
            self.steps.log_mut().add_step(step);
        }
        for id in self.transfers.open_ids() {
            let number = self.transfers.get(id).and_then(|state| state.negotiation);
            let running = self.negotiations.has_open_data(shared, number);
            self.settle(shared, id, !running);
        }
    }

    /// Runs a timer of this session that is due at `now`: of a deferred reply, and of a transfer that has its final reply.
    pub(crate) fn on_timer(&mut self, shared: &mut Shared<'_>, transfer: u64, now: Timestamp) {
        let mut outcomes = shared.take_outcomes();
        self.dialogue.expire(now, &mut outcomes);
        self.apply(shared, outcomes);
        // The data connection is over if its sender finished, or if it never opened.
        if let Some(state) = self.transfers.get(transfer)
            && transfers::progress(shared, state, self.negotiations.data(state.negotiation))
                != Some(Progress::Running)
        {
            self.settle(shared, transfer, true);
        }
    }

    /// Applies outcomes of the dialogue, in order. This is the only place where the parts of a session meet.
    fn apply(&mut self, shared: &mut Shared<'_>, mut outcomes: Vec<Outcome>) {
        for outcome in outcomes.drain(..) {
            match outcome {
                Outcome::Command(command) => {
                    self.emit_steps(shared, false);
                    self.on_command(shared, command);
                }
                Outcome::Turn { sequence } => self.on_turn(shared, sequence),
                Outcome::Presumed { sequence, verb } => {
                    self.presume(sequence, verb);
                    let command = self.steps.log().get(sequence);
                    let command =
                        command.map(|command| (command.record.time, command.argument.as_deref()));
                    let parties = self.identity.parties();
                    self.negotiations
                        .presume(shared, parties, sequence, verb, command);
                }
                Outcome::ReplyLost {
                    sequence,
                    verb,
                    presumed,
                } => {
                    if !presumed {
                        self.presume(sequence, verb);
                    }
                    if let Some(command) = self.steps.log_mut().get_mut(sequence) {
                        command.reply_lost = true;
                    }
                }
                Outcome::Greeting(reply) => {
                    self.emit_steps(shared, false);
                    self.on_greeting(shared, &reply);
                }
                Outcome::PreliminaryGreeting(reply) => {
                    let record = self.reply_record(shared, &reply.reply, reply.arrived);
                    let preliminary = &mut self.replies.unsolicited_mut().preliminary;
                    if preliminary.len() < REPLIES {
                        preliminary.push(record);
                    }
                }
                Outcome::ReplyTo(reply) => {
                    self.emit_steps(shared, false);
                    self.on_reply(shared, &reply);
                }
                Outcome::Unsolicited(reply) => self.on_unsolicited(shared, &reply),
                Outcome::Reclaimed { frame, code } => self.replies.reclaim(frame, code),
                Outcome::Protected(frame) => {
                    self.encryption.hear(frame.time);
                    self.hide_commands(shared);
                }
                Outcome::Deferred => shared.wait_for_data(self.identity.id, NO_TRANSFER),
                Outcome::CommandsLost(lost) => self.server_state.on_commands_lost(&lost),
                Outcome::Violation(violation, frame) => {
                    if let Violation::NoCode {
                        waiting: Some(sequence),
                    } = violation
                    {
                        self.steps.log_mut().answered_without_code(sequence);
                    }
                    self.anomalies.on_violation(violation, frame);
                }
                Outcome::TooManyPending => shared.warn(
                    WarningCode::LimitReached,
                    "a session has too many unanswered commands; the oldest count as not answered",
                ),
            }
        }
        self.emit_steps(shared, false);
        shared.return_outcomes(outcomes);
    }

    fn on_command(&mut self, shared: &mut Shared<'_>, command: CommandLine) {
        if self.encryption.clear_command() {
            self.steps.log_mut().handshake(None);
        }
        if is_protected(&command.verb_text) {
            self.encryption.hear(command.arrived.time);
            self.hide_commands(shared);
        } else if self.encryption.show_commands() {
            let hosts = self.identity.key.hosts();
            shared.encrypted.leave(hosts, self.identity.id);
        }
        // First of all: whether a password is one of an anonymous login is decided by the attempt that it belongs to.
        let argument = command.argument.as_deref().unwrap_or_default();
        self.note_login(command.verb, command.sequence, argument);
        let state = self.command_state(shared, &command);
        let CommandLine {
            sequence,
            verb,
            argument,
            arrived,
            ..
        } = command;
        if let Some(aborted) = command.aborts {
            self.transfers.on_abort(aborted, arrived);
        }
        let parties = self.identity.parties();
        let bytes = argument.as_deref().unwrap_or_default();
        self.negotiations
            .on_command(shared, parties, sequence, verb, bytes);
        let server_state = &self.server_state;
        let same_name = |other: &[u8]| {
            argument
                .as_deref()
                .is_some_and(|name| server_state.is_same_file(other, name))
        };
        let transfer = verb.is_transfer().then(|| {
            let text = state.record.verb.clone();
            let representation = server_state.representation();
            let transfers = &mut self.transfers;
            transfers.on_command(sequence, verb, text, argument.clone(), representation)
        });
        self.steps.log_mut().add_command(state, transfer, same_name);
    }

    /// Records the secrets in a line of the client that has no end yet: the next reply may repeat them.
    fn note_incomplete_line(&mut self) {
        if let Some(line) = self.dialogue.incomplete_line() {
            self.secrets.note(line, self.dialogue.commands() + 1);
        }
    }

    /// Records what a command says of the login, and the secrets in it.
    fn note_login(&mut self, verb: Verb, sequence: u64, argument: &[u8]) {
        let logins = self.server_state.logins_mut();
        match verb {
            Verb::User => logins.user(argument, &self.secrets),
            Verb::Pass if !logins.password(sequence, argument) => self.secrets.add(argument),
            Verb::Acct => {
                logins.account(argument);
                self.secrets.add(argument);
            }
            Verb::Adat => self.secrets.add(argument),
            // It may have been a USER.
            Verb::Unknown => logins.doubt_user(),
            _ => {}
        }
    }

    /// Lets a transfer take what is in force now.
    fn on_turn(&mut self, shared: &mut Shared<'_>, sequence: u64) {
        let Some(id) = self.transfers.of_command(sequence) else {
            return;
        };
        let Some(state) = self.transfers.get(id) else {
            return;
        };
        let verb = state.verb;
        let context = self
            .server_state
            .begin_transfer(verb, state.argument.as_deref());
        let representation = context.representation;
        let number = self.negotiation_for(shared, id);
        let Some((mode, data)) = self.negotiations.give_to(number, id) else {
            return;
        };
        self.transfers.on_turn(id, context, number, mode);
        for data in data {
            claim(shared, data, verb, representation);
        }
    }

    /// Returns the negotiation that a transfer uses: the one in force; the same again if another transfer used it, for PORT
    /// stays in force and a refused transfer leaves its listener; else the default data port (RFC 959 section 3.2).
    fn negotiation_for(&mut self, shared: &mut Shared<'_>, id: u64) -> u64 {
        let parties = self.identity.parties();
        let refused = |earlier| self.transfers.was_refused(earlier);
        match self.negotiations.in_force(id, refused) {
            InForce::Nothing => self.negotiations.use_default_port(shared, parties),
            InForce::Unused(number) => number,
            InForce::Refused(number) => {
                self.negotiations.take_next(shared, number, number);
                number
            }
            InForce::Used { number, transfer } => {
                for data in self.negotiations.unmarked(shared, number) {
                    self.on_file_end(shared, data, None);
                }
                if self.negotiations.awaits_end(shared, Some(number)) {
                    // The connection stays open for this one.
                    self.settle(shared, transfer, true);
                }
                self.negotiations.renew(shared, parties, number)
            }
        }
    }

    /// Presumes that a command was accepted though its reply was not captured.
    fn presume(&mut self, sequence: u64, verb: Verb) {
        let command = self.steps.log().get(sequence);
        let argument = command.and_then(|command| command.argument.as_deref());
        self.server_state
            .on_reply_lost(verb, argument.unwrap_or_default());
    }

    fn on_greeting(&mut self, shared: &Shared<'_>, reply: &ServerReply) {
        let arrived = reply.arrived;
        let mut record = self.reply_record(shared, &reply.reply, arrived);
        if let Some(unsolicited) = &mut self.replies.unsolicited {
            record.preliminary = std::mem::take(&mut unsolicited.preliminary);
        }
        let time = record
            .preliminary
            .first()
            .map_or(arrived.time, |first| first.time);
        let code = reply.reply.code;
        let text = first_text_line(&reply.reply.lines);
        let text = self.secrets.text(text.as_bytes()).0;
        let step = Step {
            outcome: if code < 400 {
                StepOutcome::Ok
            } else {
                StepOutcome::Failed
            },
            ..Step::without_commands(
                StepKind::Greeting,
                format!("{code} {text}").trim_end().to_owned(),
                time,
                arrived.time.since(time).seconds(),
            )
        };
        let (server, client) = (self.identity.server.address, self.identity.client.address);
        let start = self.begun;
        if let Some(lookup) = shared
            .network
            .ident
            .between(server, client, start, arrived.time)
        {
            self.anomalies.on_ident(lookup);
        }
        self.replies.greeting = Some(Box::new(record));
        self.steps.log_mut().add_step(step);
    }

    fn on_reply(&mut self, shared: &mut Shared<'_>, answer: &ReplyTo) {
        let ReplyTo {
            sequence,
            verb,
            ref reply,
            ..
        } = *answer;
        self.secrets.on_reply(sequence, verb, reply.reply.code);
        let record = self.reply_record(shared, &reply.reply, reply.arrived);
        if let Some(command) = self.steps.log_mut().get_mut(sequence)
            && command.record.replies.len() < REPLIES
        {
            // Most commands have one reply or two, and a long session many commands.
            command.record.replies.reserve_exact(1);
            command.record.replies.push(record);
        }
        if reply.reply.code < 200 {
            self.on_preliminary_reply(shared, sequence, &reply.reply);
        } else {
            self.on_final_reply(shared, answer);
        }
    }

    fn on_preliminary_reply(
        &mut self,
        shared: &mut Shared<'_>,
        sequence: u64,
        reply: &ParsedReply,
    ) {
        if !matches!(reply.code, 125 | 150) {
            return;
        }
        let Some(id) = self.transfers.of_command(sequence) else {
            return;
        };
        let verb = self.transfers.get(id).map(|state| state.verb);
        if verb.is_some_and(|verb| direction_of(verb) != TransferDirection::Listing)
            && let Some(data_type) = self.server_state.learn_type(reply)
            && let Some(number) = self.transfers.retype(id, data_type)
        {
            self.reclaim_data(shared, id, number);
        }
        self.transfers
            .on_preliminary_reply(id, reply, self.server_state.directory());
    }

    /// Applies a final reply to all parts.
    fn on_final_reply(&mut self, shared: &mut Shared<'_>, answer: &ReplyTo) {
        let ReplyTo {
            sequence,
            verb,
            ref reply,
            last,
        } = *answer;
        let (arrived, code) = (reply.arrived, reply.reply.code);
        let command = self.steps.log_mut().get_mut(sequence);
        let argument = command.and_then(|command| {
            command.answer = Some((code, arrived.time));
            command.argument.clone()
        });
        let argument = argument.as_deref();
        if verb.is_transfer() {
            // Settling the transfer below may emit its step; the reply changes no directory.
            self.note_directory(sequence);
        }
        if (200..300).contains(&code) && verb.needs_login() {
            self.server_state.logins_mut().prove();
        }
        let parties = self.identity.parties();
        match effect(verb, argument, &reply.reply) {
            Effect::Login => self.on_login_reply(sequence, verb, code),
            Effect::Size(size) => self.on_size(shared, argument, size, arrived),
            Effect::Features { crc32 } => shared.compute_crc32(crc32),
            Effect::StatusListing => self.on_status_listing(shared, sequence, argument, reply),
            Effect::Facts => {
                let entries = transfers::mlst_entries(&self.secrets, &reply.reply);
                if let ([entry], Some(name)) = (entries.as_slice(), argument)
                    && entry.kind == record::EntryKind::File
                    && let Some(size) = entry.size
                {
                    let name = self.server_state.resolve(name.to_vec());
                    self.server_state.known_files_mut().on_listed(StatedSize {
                        name,
                        size,
                        exact: true,
                        frame: reply.arrived.number,
                    });
                }
                self.steps.log_mut().listed(sequence, entries, 0);
            }
            Effect::Digest => self.on_digest(shared, sequence, argument, reply),
            Effect::EndPoint { accepted } => {
                self.negotiations
                    .on_end_point_reply(shared, parties, sequence, accepted);
            }
            // A command in clear behind AUTH: this client is about to encrypt nothing.
            Effect::Tls if !last => {
                self.steps.log_mut().handshake(None);
            }
            Effect::Tls => self.encryption.accept(),
            Effect::Protection => self.encryption.protect(argument.unwrap_or_default()),
            effect => {
                if effect == Effect::Reinitialized {
                    self.negotiations.reset();
                }
                self.server_state.apply(effect, verb, argument);
            }
        }
        // By the code, not by the command: some servers answer EPSV with 227, and translators PASV with 229. CPSV and its kin
        // are in no RFC.
        if matches!(
            verb,
            Verb::Pasv | Verb::Epsv | Verb::Lpsv | Verb::Other | Verb::Unknown
        ) {
            match passive_end_point(&reply.reply, self.identity.server) {
                Some(end) => {
                    self.negotiations
                        .on_passive_reply(shared, parties, reply.number, end);
                }
                // The server listens, and its client may know where: as if the reply had been lost.
                None if matches!(code, 227..=229) => {
                    let command = Some((arrived.time, argument));
                    self.negotiations
                        .presume(shared, parties, sequence, verb, command);
                }
                None => {}
            }
        }
        if let Some(id) = self.transfers.of_command(sequence) {
            let directory = self.server_state.directory();
            self.transfers
                .on_final_reply(id, &reply.reply, arrived, directory);
            self.settle(shared, id, false);
            if self.transfers.is_open(id) {
                shared.wait_for_data(self.identity.id, id);
            }
        }
        self.note_directory(sequence);
    }

    fn on_login_reply(&mut self, sequence: u64, verb: Verb, code: u16) {
        // A password that follows a refused USER belongs to no anonymous login, even if it was sent before the refusal.
        if verb == Verb::User
            && let Some((password, secret)) =
                self.server_state.logins_mut().refuse_user(sequence, code)
        {
            if let Some(command) = self.steps.log_mut().get_mut(password) {
                command.anonymous = false;
            }
            self.secrets.add(&secret);
        }
        if let Some(refused) = self.server_state.logins().refused_password(verb, code) {
            self.secrets.add(&refused);
        }
        self.server_state.on_login_reply(verb, code);
    }

    fn on_size(
        &mut self,
        shared: &mut Shared<'_>,
        argument: Option<&[u8]>,
        size: u64,
        arrived: FrameRef,
    ) {
        let Some(name) = argument else { return };
        let stated = StatedSize {
            name: self.server_state.resolve(name.to_vec()),
            size,
            exact: self.server_state.representation().bytes_are_the_file(),
            frame: arrived.number,
        };
        let evidence = self.server_state.known_files_mut().on_size(stated);
        self.add_evidence(shared, evidence);
    }

    fn on_digest(
        &mut self,
        shared: &mut Shared<'_>,
        sequence: u64,
        argument: Option<&[u8]>,
        reply: &ServerReply,
    ) {
        let Some(command) = self.steps.log().get(sequence) else {
            return;
        };
        let verb = command.record.verb.clone();
        let (Some(claim), Some(name)) = (
            claimed_digest(&verb, &reply.reply.lines),
            argument.and_then(whole_file_argument),
        ) else {
            return;
        };
        let name = self.server_state.resolve(name.to_vec());
        shared.compute_crc32(claim.algorithm == Algorithm::Crc32);
        let claim = DigestClaim {
            verb,
            claim,
            frame: reply.arrived.number,
        };
        let evidence = self.server_state.known_files_mut().on_digest(name, claim);
        self.add_evidence(shared, evidence);
    }

    fn on_status_listing(
        &mut self,
        shared: &mut Shared<'_>,
        sequence: u64,
        argument: Option<&[u8]>,
        reply: &ServerReply,
    ) {
        let arrived = reply.arrived;
        let (entries, omitted) =
            transfers::status_listing(shared, &self.secrets, &reply.reply, arrived);
        let name = path::listing_argument(argument.unwrap_or_default());
        if let Some(listed) = path::resolve(self.server_state.directory(), name) {
            let known = self.server_state.known_files_mut();
            known.on_listing(Some(&listed), &entries, arrived.number);
        }
        self.steps.log_mut().listed(sequence, entries, omitted);
    }

    fn on_unsolicited(&mut self, shared: &mut Shared<'_>, reply: &ServerReply) {
        // Its command was not captured, but the data connection it announces may be.
        if let Some(end) = passive_end_point(&reply.reply, self.identity.server) {
            let parties = self.identity.parties();
            self.negotiations
                .on_unsolicited_reply(shared, parties, reply.number, end);
        }
        if self.replies.unsolicited().len() >= shared.options.limits.unsolicited_replies {
            self.replies.unsolicited_mut().omitted += 1;
            shared.warn(
                WarningCode::LimitReached,
                "a session has too many replies without a command; the rest were left out",
            );
            return;
        }
        let record = self.reply_record(shared, &reply.reply, reply.arrived);
        self.replies.unsolicited_mut().list.push(record);
    }

    /// Hides commands from here on: what they change is unknown, and no line announces data connections.
    fn hide_commands(&mut self, shared: &mut Shared<'_>) {
        if self.encryption.hide_commands() {
            self.server_state.reset(ResetCause::CommandsHidden);
            let hosts = self.identity.key.hosts();
            shared.encrypted.enter(hosts, self.identity.id);
        }
    }

    /// Reports the TLS handshake, once: in the step of AUTH, or in a step of its own if there was no AUTH (implicit TLS).
    fn report_handshake(&mut self, shared: &mut Shared<'_>) {
        if let Some(handshake) = self.encryption.take_handshake() {
            let ended = handshake.ended.time;
            let facts = handshake.facts.clone().map(|facts| (facts, ended));
            let in_step = self.steps.log_mut().handshake(facts);
            if !in_step && handshake.has_hello {
                let begun = handshake.begun.time;
                let facts = handshake.facts;
                self.steps.log_mut().add_step(Step::without_commands(
                    StepKind::Tls,
                    facts.unwrap_or_else(|| {
                        if handshake.whole {
                            "TLS: begun and not answered".into()
                        } else {
                            "TLS, its handshake was not captured whole".into()
                        }
                    }),
                    begun,
                    ended.since(begun).seconds(),
                ));
            }
            self.emit_steps(shared, false);
        }
    }

    /// Infers steps and the login from replies: nothing of the client's side was captured.
    fn infer_from_replies(&mut self) {
        let replies = self.replies.unsolicited();
        let login = infer_login(replies);
        let steps = infer_steps(replies);
        self.server_state.logins_mut().infer(login);
        for step in steps {
            self.steps.log_mut().add_step(step);
        }
    }

    // ---- Data connections.

    /// Returns the mode of a negotiation; `None` if it is unknown.
    pub(crate) fn negotiated_mode(&self, number: u64) -> Option<Mode> {
        self.negotiations.mode(number)
    }

    /// Returns the negotiation in force if its end point is unknown or unused and no connection was found for it.
    pub(crate) fn unknown_end(&self, shared: &Shared<'_>) -> Option<UnknownEnd> {
        let is_open = |id| self.transfers.is_open(id);
        self.negotiations.unknown_end(shared, is_open)
    }

    /// Records a data connection found for a negotiation.
    pub(crate) fn on_data_opened(&mut self, shared: &mut Shared<'_>, number: u64, data: DataId) {
        let transfer = self.negotiations.on_data_opened(number, data);
        if let Some(channel) = shared.data.get_mut(data) {
            channel.carries(self.server_state.representation().transfer_mode);
            if self.encryption.was_seen() {
                channel.expect_tls(self.encryption.protects_data());
            }
        }
        if let Some(state) = transfer.and_then(|id| self.transfers.get(id)) {
            claim(shared, data, state.verb, state.representation);
        }
    }

    /// Settles the transfer of a negotiation if the close of its data connection was the last it needed.
    pub(crate) fn on_data_closed(&mut self, shared: &mut Shared<'_>, number: u64) {
        let Some(transfer) = self.negotiations.transfer(number) else {
            return;
        };
        // After the control connection no reply can come, and the end of the data is the end.
        let last = self.closed.is_some() && !self.negotiations.has_open_data(shared, Some(number));
        self.settle(shared, transfer, last);
    }

    /// Records the end of the data connection of a transfer that was settled before, whose packets went on.
    pub(crate) fn on_settled_closed(&mut self, channel: &DataChannel, several_captures: bool) {
        let connection = channel.record(channel.client_way(), several_captures);
        self.transfers.complete_connection(connection);
    }

    /// Records that a file is over on a data connection which is not.
    pub(crate) fn on_file_end(
        &mut self,
        shared: &mut Shared<'_>,
        data: DataId,
        summary: Option<&FlowSummary>,
    ) {
        if let Some(number) = self.negotiations.on_file_end(shared, data, summary) {
            self.on_data_closed(shared, number);
        }
    }

    /// Returns the transfer that uses a negotiation, and its command; `None` before its turn, or if it is settled.
    pub(crate) fn running_transfer(&self, number: u64) -> Option<(u64, Verb)> {
        let id = self.negotiations.transfer(number)?;
        Some((id, self.transfers.get(id)?.verb))
    }

    /// Returns whether a data connection of the session is open.
    pub(crate) fn has_open_data(&self, shared: &Shared<'_>) -> bool {
        let mut numbers = self.transfers.negotiations();
        self.encrypted_data.any_open()
            || numbers.any(|number| self.negotiations.has_open_data(shared, Some(number)))
    }

    /// Returns how long before `time` the session sent bytes that cannot be read, if a connection between `opener` and
    /// `listener` may be what they were about.
    pub(crate) fn may_open(
        &self,
        opener: Endpoint,
        listener: Endpoint,
        time: Timestamp,
    ) -> Option<Span> {
        let parties = self.identity.parties();
        encrypted_data::may_open(parties, &self.encryption, opener, listener, time)
    }

    /// Returns whether a hello resumes the TLS session of the control connection.
    pub(crate) fn resumes_session(&self, hello: &ClientHello) -> bool {
        encrypted_data::resumes_session(&self.encryption, hello)
    }

    /// Records that a connection which may carry encrypted data was opened.
    pub(crate) const fn on_encrypted_data_opened(&mut self) {
        self.encrypted_data.on_opened();
    }

    /// Records that such a connection is closed, or turned out to be unrelated.
    pub(crate) const fn on_encrypted_data_gone(&mut self) {
        self.encrypted_data.on_gone();
    }

    /// Keeps the record of a closed connection if it carried encrypted data of this session. Returns whether it did.
    pub(crate) fn on_encrypted_data_closed(
        &mut self,
        shared: &mut Shared<'_>,
        channel: &mut DataChannel,
        sole: bool,
    ) -> bool {
        let parties = self.identity.parties();
        let data = &mut self.encrypted_data;
        let kept = data.on_closed(
            shared,
            parties,
            &self.encryption,
            channel,
            sole,
            &self.identity.uid,
        );
        if kept {
            self.anomalies.on_loss(channel.summary());
        }
        kept
    }

    /// Decodes the connections of a transfer by its corrected type.
    fn reclaim_data(&self, shared: &mut Shared<'_>, id: u64, number: u64) {
        let Some(state) = self.transfers.get(id) else {
            return;
        };
        for &data in self.negotiations.data(Some(number)) {
            if let Some(channel) = shared.data.get_mut(data) {
                channel.forget_decoding();
            }
            claim(shared, data, state.verb, state.representation);
        }
    }

    // ---- The end of transfers, steps, and the session.

    /// Settles a transfer if nothing more of it can come; with `force` in any case.
    fn settle(&mut self, shared: &mut Shared<'_>, id: u64, force: bool) {
        let Some(state) = self.transfers.get(id) else {
            return;
        };
        let negotiation = state.negotiation;
        if !force {
            let data = self.negotiations.data(negotiation);
            let settled = transfers::is_settled(shared, state, data);
            if !settled || self.negotiations.awaits_end(shared, negotiation) {
                return;
            }
        }
        let Some(state) = self.transfers.close(id) else {
            return;
        };
        let parties = self.identity.parties();
        if let Some(number) = negotiation {
            self.negotiations.retire(shared, parties, number);
            if state.is_refused() {
                self.negotiations.leave_rest(shared, number);
            }
        }
        self.negotiations.join_end(shared, negotiation);
        let data = self.negotiations.data(negotiation).to_vec();
        let chosen = transfers::carrier(shared, &data, state.verb);
        let mut channel = chosen.and_then(|data| shared.data.remove(data));
        if let Some(channel) = &mut channel {
            channel.finish_decoding(shared.sink());
        }
        let user = self.server_state.logins().user_name().map(str::to_owned);
        let case = Case {
            id,
            parties,
            session_uid: &self.identity.uid,
            state: &state,
            channel: channel.as_deref(),
            announced: negotiation.and_then(|number| self.negotiations.announced(number)),
            after_tls: self.encryption.was_seen(),
            secrets: &self.secrets,
            user: user.as_deref(),
        };
        let judgement = case.judge(shared);
        let mut transfer = judgement.transfer;
        let facts = judgement.facts;
        let known = self.server_state.known_files_mut();
        // The names in the reply to NLST come without sizes.
        if judgement.listed
            && state.verb != Verb::Nlst
            && (state.path.is_some() || lists_working_directory(state.argument.as_deref()))
        {
            let connection = transfer.connection.as_ref();
            let frame = connection.map_or(0, |connection| connection.first_frame);
            known.on_listing(state.path.as_deref(), &transfer.entries, frame);
        }
        if !facts.encrypted {
            for text in known.on_transfer(&state, &transfer, case.content()) {
                transfer.evidence.push(self.secrets.text(text.as_bytes()).0);
            }
        }
        shared.add_evidence_places(&mut transfer);
        let command = self.steps.log().get(state.sequence);
        case.save(shared, &mut transfer, command);
        if let Some(channel) = channel.as_deref() {
            let subject = Subject {
                id,
                state: &state,
                channel,
                announced: case.announced,
                facts: &facts,
                first_reply: command.and_then(|command| command.record.replies.first()),
            };
            self.anomalies.on_transfer(shared, &subject);
        }
        let note = Case::note(&transfer, command);
        for other in data.into_iter().filter(|other| Some(*other) != chosen) {
            self.leave_unmatched(shared, other);
        }
        if let (Some(data), Some(mut channel)) = (chosen, channel)
            && !channel.is_over()
        {
            // Its last segments are still to come; they find it settled.
            channel.settle();
            shared.data.insert(data, channel);
        }
        if let Some(number) = negotiation
            && !state.is_refused()
        {
            self.negotiations.forget_data(number);
        }
        self.steps.log_mut().settled(id, note);
        let transfer = Arc::new(transfer);
        shared.emit(Some(self.identity.id), EventKind::Transfer(&transfer));
        let code = state.answer.as_ref().map(|(code, ..)| *code);
        self.kept_bytes += self.transfers.keep(shared, transfer, code);
        self.emit_steps(shared, false);
    }

    /// Leaves a connection that was announced to the unmatched ones, or one over TLS to those of this session: no command used
    /// it.
    fn leave_unmatched(&mut self, shared: &mut Shared<'_>, data: DataId) {
        let Some(channel) = shared.data.get_mut(data) else {
            return;
        };
        // A connection taken by its time alone, in place of the announced one that came after all, was never announced.
        let by_time = channel.link().method == LinkMethod::PortAndTime;
        let number = channel.negotiation().map(|negotiation| negotiation.number);
        let announced = number.and_then(|number| self.negotiations.announced(number));
        if by_time
            && let Some(announced) = announced
            && announced.port != channel.server().port
        {
            for way in [Direction::Up, Direction::Down] {
                channel.discard(way, shared.files);
            }
            channel.settle();
        }
        channel.unbind(self.identity.id);
        if channel.is_over()
            && let Some(mut channel) = shared.data.remove(data)
        {
            self.on_unclaimed(shared, &mut channel);
        }
    }

    /// Reports a closed connection that this session announced and no command used.
    pub(crate) fn on_unclaimed(&mut self, shared: &mut Shared<'_>, channel: &mut DataChannel) {
        let (data, uid) = (&mut self.encrypted_data, &self.identity.uid);
        if data.on_unclaimed(shared, channel, uid) {
            self.anomalies.on_loss(channel.summary());
        } else {
            emit_unmatched(shared, channel);
        }
    }

    /// Adds evidence to a transfer that was emitted before; the session's report has it.
    fn add_evidence(&mut self, shared: &mut Shared<'_>, evidence: Option<LateEvidence>) {
        let Some(evidence) = evidence else { return };
        let text = self.secrets.text(evidence.text.as_bytes()).0;
        let places = shared.places_in(&text);
        if let Some(verdict) = self.transfers.amend(&evidence, text, places) {
            let id = evidence.transfer;
            shared.files.revise(self.identity.id, id, verdict);
            self.steps.revise(id, verdict);
        }
    }

    /// Records the working directory after a command in its step.
    fn note_directory(&mut self, sequence: u64) {
        let directory = self.server_state.stated_directory();
        let directory = directory.map(|bytes| self.secrets.name(bytes));
        self.steps.log_mut().set_directory(sequence, directory);
    }

    /// Emits the steps that are complete; with `all` every one.
    fn emit_steps(&mut self, shared: &mut Shared<'_>, all: bool) {
        while self.steps.is_full() {
            shared.warn(
                WarningCode::LimitReached,
                "a session has too many unfinished steps; the oldest are told as far as they are known",
            );
            if let Some(id) = self.steps.log().oldest_transfer()
                && self.transfers.is_open(id)
            {
                // Emits its step on the way, or makes it complete.
                self.settle(shared, id, true);
                continue;
            }
            let Some(step) = self.steps.next(true, &self.secrets) else {
                break;
            };
            self.emit_step(shared, step);
        }
        if (self.unread.held || self.unread.after_gap) && !all {
            return;
        }
        while let Some(step) = self.steps.next(all, &self.secrets) {
            self.emit_step(shared, step);
        }
    }

    fn emit_step(&mut self, shared: &mut Shared<'_>, step: Step) {
        let step = Arc::new(step);
        shared.emit(Some(self.identity.id), EventKind::Step(&step));
        self.emit_findings_so_far(shared, &step);
        // The lines of an emitted step are freed; its record counts anew, if it is kept.
        let lines = (text_bytes(&step) * COPIES).min(self.kept_bytes);
        self.kept_bytes -= lines;
        shared.release(lines);
        self.kept_bytes += self.steps.keep(shared, step);
    }

    /// Emits the findings that a step proves, its transfer included. All others need the whole session.
    fn emit_findings_so_far(&mut self, shared: &mut Shared<'_>, step: &Arc<Step>) {
        let id = self.identity.id;
        let logins = self.server_state.logins();
        if step.kind == StepKind::Login {
            let parties = (
                Address::from(self.identity.client),
                self.identity.server_record(),
            );
            let guessed = shared.several.login(id, parties, step, logins.passwords());
            if let Some(finding) = guessed {
                shared.emit_so_far(None, finding);
            }
        }
        let transfer = step.transfer.and_then(|id| self.transfers.latest(id));
        let evidence = step.transfer.map(|id| self.anomalies.of_transfer(id));
        let evidence = evidence.unwrap_or_default();
        // Most steps prove nothing, and cost no record.
        let may_prove = match &transfer {
            Some(transfer) => {
                !evidence.is_empty()
                    || step.outcome == record::Outcome::Failed
                    || !matches!(
                        transfer.completeness,
                        record::Completeness::Complete | record::Completeness::Unverifiable
                    )
            }
            None => step.kind == StepKind::Login && !self.encryption.was_seen(),
        };
        if !may_prove {
            return;
        }
        let login = logins.record(&self.secrets);
        let tls = self.steps.latest_tls().filter(|_| transfer.is_none());
        let steps = tls.into_iter().chain([Arc::clone(step)]).collect();
        let so_far = records::so_far(&self.identity, login, steps, transfer, shared.now());
        for finding in diagnosis::of_step(&so_far, &evidence) {
            if !self.anomalies.has_emitted_standstill(&finding)
                && self.anomalies.may_emit(&finding.id)
            {
                shared.emit_so_far(Some(id), finding);
            }
        }
    }

    // ---- Standstills of a live capture.

    /// Emits the finding that a data connection stands still at `now`, once it is proven. `summary` is that of the connection as
    /// of its latest segment; `None` if it is not followed any more.
    pub(crate) fn on_silence(
        &mut self,
        shared: &mut Shared<'_>,
        number: u64,
        data: DataId,
        summary: Option<&FlowSummary>,
        now: Timestamp,
    ) {
        let (Some(mode), Some(channel)) = (self.negotiations.mode(number), shared.data.get(data))
        else {
            return;
        };
        let transfer = self.negotiations.transfer(number);
        let state = transfer.and_then(|id| self.transfers.get(id));
        // Settled, or about to be.
        let is_answered = |state: &TransferState| state.answer.is_some() || state.abor.is_some();
        if transfer.is_some() && state.is_none_or(is_answered) {
            return;
        }
        let command = state.and_then(|state| self.steps.log().get(state.sequence));
        let watched = Watched {
            transfer: transfer.zip(state),
            mode,
            channel,
            summary,
            announced: self.negotiations.announced(number),
            first_reply: command.and_then(|command| command.record.replies.first()),
            now,
        };
        let Some(trouble) = watched.standstill(shared) else {
            return;
        };
        let name = state.and_then(|state| self.shown_name(state));
        let standstill = Standstill {
            transfer,
            verb: state.map_or("", |state| state.verb_text.as_str()),
            name: name.as_deref(),
        };
        let finding = standstill.finding(&trouble);
        self.emit_standstill(shared, finding);
    }

    /// Returns whether a transfer is open.
    pub(crate) fn has_open_transfers(&self) -> bool {
        !self.transfers.all_settled()
    }

    /// Emits the finding that nobody tries to open the data connection of a transfer without a reply, once it is proven.
    pub(crate) fn on_silent_transfers(&mut self, shared: &mut Shared<'_>, now: Timestamp) {
        if self.closed.is_some() {
            return;
        }
        for id in self.transfers.open_ids() {
            let Some(state) = self.transfers.get(id) else {
                continue;
            };
            let Some(number) = state.negotiation else {
                continue;
            };
            let Some(command) = self.steps.log().get(state.sequence) else {
                continue;
            };
            let is_tried = !self.negotiations.data(Some(number)).is_empty();
            let is_answered = state.abor.is_some() || !command.record.replies.is_empty();
            let Some(announced) = self.negotiations.announced(number) else {
                continue;
            };
            if is_tried || is_answered || command.reply_lost {
                continue;
            }
            let standstill = Standstill {
                transfer: Some(id),
                verb: &state.verb_text,
                name: None,
            };
            let waited = now.since(command.record.time);
            let frame = command.record.frame;
            let finding = standstill.not_tried(state.mode, announced, waited, frame);
            self.emit_standstill(shared, finding);
        }
    }

    /// Emits a finding about a standstill, if it is new.
    fn emit_standstill(&mut self, shared: &mut Shared<'_>, finding: Option<Finding>) {
        if let Some(finding) = finding
            && self.anomalies.may_emit_standstill(&finding)
        {
            shared.emit_so_far(Some(self.identity.id), finding);
        }
    }

    /// Returns the path of a transfer, or else its argument, as reports show it; `None` if it has neither.
    fn shown_name(&self, state: &TransferState) -> Option<String> {
        let name = state.path.as_deref().or(state.argument.as_deref())?;
        Some(self.secrets.name(name).0)
    }

    /// Returns whether nothing more of the session can come.
    pub(crate) fn is_over(&self) -> bool {
        self.closed.is_some() && self.transfers.all_settled() && !self.encrypted_data.any_open()
    }

    /// Settles what is left and emits the session as a whole.
    pub(crate) fn finish(mut self, shared: &mut Shared<'_>) {
        for id in self.transfers.open_ids() {
            self.settle(shared, id, true);
        }
        let numbers = self.negotiations.numbers();
        for &number in &numbers {
            self.anomalies.on_unused(shared, &self.negotiations, number);
        }
        for data in self.negotiations.unused_data(shared) {
            self.leave_unmatched(shared, data);
        }
        let parties = self.identity.parties();
        for number in numbers {
            self.negotiations.retire(shared, parties, number);
        }
        self.emit_steps(shared, true);
        shared.release(self.kept_bytes);
        let Some(closed) = self.closed.take() else {
            return;
        };
        let id = self.identity.id;
        let mut troubles = self
            .anomalies
            .take(&closed.summary, self.identity.client_way);
        troubles.extend(self.encryption.start().map(DataTrouble::Tls));
        troubles.extend(shared.several.exchanges_of(id));
        // Writers of pcapng put names of hosts behind the packets as well.
        if self.identity.dns.is_none() && self.identity.stated_name.is_none() {
            let stated = shared.names.stated(self.identity.server);
            self.identity.stated_name = stated.map(Into::into);
        }
        let mut record = self.into_record(&closed, shared.has_several_captures());
        if let Some(tls) = &mut record.tls {
            shared.add_alert_places(tls);
        }
        diagnosis::diagnose(&mut record, &troubles, shared.now().time);
        shared.several.session_over(&record, &troubles);
        if let Some(finding) = shared.several.concerning(&record) {
            diagnosis::concern(&mut record, &finding);
        }
        for finding in &mut record.findings {
            shared.add_places(finding);
            shared.emit(Some(id), EventKind::Finding(finding));
        }
        shared.emit(Some(id), EventKind::SessionEnd(Arc::new(record)));
    }

    fn into_record(mut self, closed: &Closed, several_captures: bool) -> record::Session {
        self.encrypted_data.sort();
        let identity = self.identity;
        let summary = &closed.summary;
        let transfers = self.transfers.settled().iter();
        let transfers = transfers.filter_map(|transfer| transfer.connection.as_ref());
        let encrypted = self.encrypted_data.records().iter();
        let data = transfers.chain(encrypted.map(|data| &data.connection));
        let mut control = Part::whole(summary, identity.client_way, several_captures).record();
        // Of interest for files only.
        control.samples = None;
        let display_filter = records::display_filter(&control, data.clone());
        let display_filters = records::display_filters(&control, data);
        let mut greeting = self.replies.greeting.map(|greeting| *greeting);
        let timing = records::timing(&identity, summary, greeting.as_ref());
        let unsolicited = self.replies.unsolicited.map(|replies| *replies);
        let mut unsolicited = unsolicited.unwrap_or_default();
        for reply in unsolicited.list.iter_mut().chain(&mut greeting) {
            self.secrets.clean_reply(reply);
        }
        let (steps, amended_steps, steps_omitted) = self.steps.into_records();
        let (transfers, amended_transfers, transfers_omitted) = self.transfers.into_records();
        let (encrypted_data, encrypted_data_omitted) = self.encrypted_data.into_records();
        let index = record::Index::new(&steps, amended_steps, amended_transfers);
        let wire_bytes = control.payload_bytes_from_client + control.payload_bytes_from_server;
        record::Session {
            id: identity.id,
            uid: identity.uid.clone(),
            client: Address::from(identity.client),
            server: identity.server_record(),
            community_id: community_id(&identity.key),
            layers: identity
                .layers
                .into_iter()
                .chain(identity.proxy.map(|proxy| proxy.text()))
                .collect(),
            display_filter,
            display_filters: display_filters.list,
            display_filters_omitted: display_filters.omitted,
            start: summary.first.time,
            end: summary.last.time,
            duration: summary.last.time.since(summary.first.time).seconds(),
            midstream: identity.midstream,
            end_state: records::end_state(closed),
            control,
            timing,
            dns: identity.dns.map(|dns| *dns),
            greeting,
            login: self.server_state.logins().record(&self.secrets),
            tls: self.encryption.record(wire_bytes),
            steps,
            steps_omitted,
            transfers,
            transfers_omitted,
            encrypted_data,
            encrypted_data_omitted,
            unsolicited_replies: unsolicited.list,
            unsolicited_replies_omitted: unsolicited.omitted,
            findings: Vec::new(),
            findings_omitted: 0,
            verdict: diagnosis::no_verdict(),
            index,
        }
    }

    // ---- Records of lines.

    fn moment(&self, shared: &Shared<'_>, arrived: FrameRef) -> Moment {
        Moment {
            arrived,
            now: shared.now().number,
            deadline: shared.clock().plus(shared.options.limits.settle),
            // By the server: a client that begins TLS too early gets its greeting in clear all the same.
            encrypted: self.encryption.has_records(false) && !self.encryption.is_readable(false),
            activity: self.activity(shared),
        }
    }

    /// Returns how far the running transfers are, by their data connections.
    fn activity(&self, shared: &Shared<'_>) -> Activity {
        let progress = |sequence| {
            let state = self.transfers.get(self.transfers.of_command(sequence)?)?;
            let data = self.negotiations.data(state.negotiation);
            transfers::progress(shared, state, data)
        };
        let mut running = self.dialogue.running();
        let oldest = running.next();
        let unfinished = oldest.filter(|&one| progress(one) == Some(Progress::Running));
        Activity {
            unfinished,
            finished: unfinished
                .and_then(|_| running.find(|&one| progress(one) == Some(Progress::Over))),
        }
    }

    fn command_state(&self, shared: &Shared<'_>, command: &CommandLine) -> CommandState {
        let (mut verb_text, verb_b64) = self.secrets.text(&command.verb_text);
        let verb = command.verb;
        if verb_text.eq_ignore_ascii_case(HIDDEN) {
            HIDDEN.clone_into(&mut verb_text);
        }
        let (argument, argument_b64) = match command.argument.as_deref() {
            Some(argument) => {
                let (text, exact) = if verb == Verb::User || takes_path(verb, &command.verb_text) {
                    self.secrets.name(argument)
                } else {
                    self.secrets.text(argument)
                };
                (Some(text), exact)
            }
            None => (None, None),
        };
        let arrived = command.arrived;
        let place = shared.place(arrived);
        CommandState {
            record: Command {
                sequence: command.sequence,
                verb: verb_text,
                verb_b64,
                argument,
                argument_b64,
                time: arrived.time,
                frame: arrived.number,
                capture: place.capture,
                capture_frame: place.capture_frame,
                truncated: command.truncated,
                response_time: None,
                replies: Vec::new(),
            },
            verb,
            argument: command.argument.clone(),
            answer: None,
            reply_lost: false,
            anonymous: verb == Verb::Pass && self.server_state.logins().is_anonymous_attempt(),
        }
    }

    fn reply_record(&self, shared: &Shared<'_>, reply: &ParsedReply, arrived: FrameRef) -> Reply {
        let secrets = &self.secrets;
        let mut exact = false;
        let lines = reply
            .lines
            .iter()
            .map(|line| {
                let (text, bytes) = secrets.reply_line(reply.code, line, reply.truncated);
                exact |= bytes.is_some();
                text
            })
            .collect();
        let clean = |line: &Vec<u8>| {
            base64_of(&secrets.clean_reply_line(reply.code, line, reply.truncated))
        };
        let place = shared.place(arrived);
        Reply {
            code: reply.code,
            lines,
            lines_b64: exact.then(|| reply.lines.iter().map(clean).collect()),
            lines_omitted: reply.lines_omitted,
            time: arrived.time,
            frame: arrived.number,
            capture: place.capture,
            capture_frame: place.capture_frame,
            truncated: reply.truncated,
            preliminary: Vec::new(),
        }
    }
}

impl Identity {
    /// Returns the session and both ends.
    pub(crate) const fn parties(&self) -> Parties {
        Parties {
            session: self.id,
            client: self.client,
            server: self.server,
        }
    }

    /// Returns the frames of the lookup that gave the server's address.
    pub(crate) fn lookup_frames(&self) -> Vec<u64> {
        self.dns.as_ref().map_or_else(Vec::new, |dns| {
            let response = Some(dns.response_frame);
            dns.query_frame.into_iter().chain(response).collect()
        })
    }

    pub(super) fn server_record(&self) -> Server {
        Server {
            ip: self.server.ip(),
            port: self.server.port,
            name: match &self.dns {
                Some(dns) => Some(dns.name.clone()),
                None => self.stated_name.as_deref().map(str::to_owned),
            },
        }
    }
}

/// Returns whether a listing command names no path, so that it lists the working directory.
fn lists_working_directory(argument: Option<&[u8]>) -> bool {
    path::listing_argument(argument.unwrap_or_default()).is_empty()
}

impl SessionReplies {
    fn unsolicited(&self) -> &[Reply] {
        self.unsolicited
            .as_ref()
            .map_or(&[], |replies| replies.list.as_slice())
    }

    fn unsolicited_mut(&mut self) -> &mut UnsolicitedReplies {
        self.unsolicited.get_or_insert_default()
    }

    /// Removes an unsolicited reply that answers a command after all.
    fn reclaim(&mut self, frame: u64, code: u16) {
        if let Some(replies) = &mut self.unsolicited
            && let Some(at) = replies
                .list
                .iter()
                .rposition(|reply| reply.frame == frame && reply.code == code)
        {
            replies.list.remove(at);
        }
    }
}

/// Gives a data connection to a transfer command: that says what its bytes are.
fn claim(shared: &mut Shared<'_>, data: DataId, verb: Verb, representation: Representation) {
    use super::data::data_channel::Purpose;
    let text_lines = shared.options.text_lines;
    let Some((channel, sink)) = shared.channel(data) else {
        return;
    };
    let direction = direction_of(verb);
    let purpose = match direction {
        TransferDirection::Listing => Purpose::Listing,
        TransferDirection::Download => Purpose::File(channel.client_way().reverse()),
        TransferDirection::Upload => Purpose::File(channel.client_way()),
    };
    let coding = Coding {
        mode: representation.transfer_mode,
        structure: representation.structure,
        // Bytes of an unknown type are left as they are.
        data_type: representation.data_type.unwrap_or(DataType::Image),
        text_lines: text_lines && direction != TransferDirection::Listing,
    };
    channel.claim(purpose, coding, sink);
}

fn base64_of(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Returns whether a command wraps another one, in base64 and mostly encrypted (RFC 2228 section 3).
fn is_protected(verb: &[u8]) -> bool {
    matches!(verb, b"MIC" | b"CONF" | b"ENC")
}

/// Returns whether the argument of a command is the name of a file or directory.
fn takes_path(verb: Verb, text: &[u8]) -> bool {
    verb.is_transfer()
        || matches!(
            verb,
            Verb::Cwd
                | Verb::Stat
                | Verb::Mlst
                | Verb::Size
                | Verb::Mdtm
                | Verb::Dele
                | Verb::Mkd
                | Verb::Rmd
                | Verb::Rnfr
                | Verb::Rnto
                | Verb::Pret
        )
        || matches!(
            text,
            b"AVBL"
                | b"COMB"
                | b"DSIZ"
                | b"HASH"
                | b"MD5"
                | b"MFCT"
                | b"MFF"
                | b"MFMT"
                | b"MMD5"
                | b"RMDA"
                | b"SMNT"
                | b"THMB"
                | b"XCRC"
                | b"XMD5"
                | b"XSHA"
                | b"XSHA1"
                | b"XSHA256"
                | b"XSHA512"
        )
}

/// Transfer id of a timer that is for a deferred reply.
const NO_TRANSFER: u64 = 0;

/// Proxies remembered.
const TUNNELS: usize = 1024;

/// Replies kept of one command.
const REPLIES: usize = 1000;
