//! Events of the wire that a log may claim: one small record for each login, transfer, listing, change and command.
//!
//! ```text
//! SessionEnd ─> WireBuilder ─> Wire: sessions, events in order of time, the time that the captures cover
//! ```
//!
//! Sessions are dropped as soon as their events are made, so that memory depends on the number of events alone. A command
//! such as RETR makes two events, the transfer and the command, since a log may record either or both.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use compact_str::CompactString;

use super::claim::{ClaimKind, Direction};
use super::{injection, names};
use crate::model::record::{
    Address, Capture, Command, Completeness, DataType, EncryptedConnection, EndState, Session,
    StepKind, Tls, Transfer, TransferDirection, TransferMode,
};
use crate::model::{Event, EventKind, EventSink, Span, Timestamp};

/// All events of the captures.
#[derive(Debug, Default)]
pub struct Wire {
    /// Sessions in order of their ids.
    pub sessions: Vec<WireSession>,
    /// Events in order of their ends.
    pub events: Vec<WireEvent>,
    /// Spans of time that the captures cover, in order, without overlaps.
    pub covered: Vec<(Timestamp, Timestamp)>,
    /// Parts of names behind line ends, in the form in which injected lines are recognized by them.
    pub line_parts: Vec<Vec<u8>>,
    /// True if a filter hid packets, or a limit hid sessions, so that absence from the wire proves nothing.
    pub is_partial: bool,
}

/// A session, without its events.
#[derive(Clone, Debug)]
pub struct WireSession {
    /// Id in the report.
    pub id: u64,
    /// Name that is the same in every run.
    pub uid: CompactString,
    /// Client end of the control connection.
    pub client: Address,
    /// Address and port of the server.
    pub server: (IpAddr, u16),
    /// Time of the first packet.
    pub start: Timestamp,
    /// Time of the last packet.
    pub end: Timestamp,
    /// True if the beginning is not in the capture.
    pub midstream: bool,
    /// True if the control connection was still open at the end of the capture.
    pub open: bool,
    /// True if bytes of the control connection are missing, or parts of the session are beyond a limit.
    pub lossy: bool,
    /// True if commands are encrypted, and were not opened.
    pub sealed: bool,
    /// True if `--where` or `--session` rejected the session.
    pub rejected: bool,
}

/// The result of a command by its final reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireResult {
    /// 2yz or 3yz.
    Done,
    /// 4yz or 5yz before anything was sent.
    Refused,
    /// 4yz or 5yz after the transfer began.
    Broken,
    /// No final reply in the capture.
    Open,
}

/// The user of a session at the time of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireUser {
    /// Argument of USER.
    pub name: String,
    /// Password of an anonymous login; `None` for accounts.
    pub password: Option<String>,
}

impl WireUser {
    /// Returns true for the names of anonymous logins (RFC 1635).
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        names::is_anonymous(&self.name)
    }
}

/// One event.
#[derive(Clone, Debug)]
pub struct WireEvent {
    /// Kind of the claim that would match.
    pub kind: ClaimKind,
    /// Index into the sessions.
    pub session: u32,
    /// Number of the step; `None` if the command was not captured.
    pub step: Option<u64>,
    /// Id of the transfer; `None` for other events.
    pub transfer: Option<u64>,
    /// Verb of the command.
    pub verb: CompactString,
    /// Direction of a transfer.
    pub direction: Option<Direction>,
    /// User at that time; `None` if the login is not in the capture.
    pub user: Option<Arc<WireUser>>,
    /// Absolute path, normalized; `None` if there is none, or the working directory is unknown.
    pub path: Option<Box<[u8]>>,
    /// Argument as sent; of a rename that of RNFR.
    pub argument: Option<Box<[u8]>>,
    /// New absolute path and argument of a rename.
    pub renamed: Option<Box<Renamed>>,
    /// Time of the command.
    pub start: Timestamp,
    /// Earliest time that a server may log: the last byte of data, or the command.
    pub settled: Timestamp,
    /// Time of the final reply, or of the last packet that belongs to the event.
    pub end: Timestamp,
    /// Frames of the command and of the final reply.
    pub frames: [u64; 2],
    /// Code of the final reply; `None` without one.
    pub code: Option<u16>,
    /// Result.
    pub result: WireResult,
    /// True if the name holds a line end: a server may write it as several lines, or not at all.
    pub is_split: bool,
    /// True if the refusal's text says that permission is denied; vsftpd logs some of these, and others not.
    pub permission_denied: bool,
    /// Content of a transfer; `None` for other events.
    pub content: Option<Box<Content>>,
}

/// New name of a rename.
#[derive(Clone, Debug)]
pub struct Renamed {
    /// Absolute path, normalized.
    pub path: Option<Box<[u8]>>,
    /// Argument of RNTO.
    pub argument: Box<[u8]>,
}

/// Content of a transfer as the wire shows it.
#[derive(Clone, Copy, Debug)]
pub struct Content {
    /// Bytes captured; `None` if the data connection was not captured, or its length is not known exactly.
    pub bytes: Option<u64>,
    /// Bytes known to be missing.
    pub missing: u64,
    /// Offset by REST.
    pub restart: u64,
    /// Bytes after line ends, blocks or compression are decoded; `None` if decoding changes nothing.
    pub decoded: Option<u64>,
    /// Size that the server announced; `None` if it announced none.
    pub announced: Option<u64>,
    /// Bytes that the receiver acknowledged; `None` if they are not known as bytes of the content.
    pub acknowledged: Option<u64>,
    /// True for TYPE A.
    pub ascii: bool,
    /// True if the client sent a TYPE before: a server's default may differ from RFC 959.
    pub type_is_known: bool,
    /// True in MODE S.
    pub stream: bool,
    /// Completeness.
    pub completeness: Completeness,
    /// True if the data connection is in the capture.
    pub captured: bool,
    /// True if a TLS connection was not opened.
    pub sealed: bool,
    /// Shortest and longest duration that a server may have measured, in nanoseconds.
    pub duration: (u64, u64),
}

impl WireEvent {
    /// Returns true if a transfer broke off: by its reply, or by what the wire shows.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        let broken = self.content.as_ref().is_some_and(|content| {
            matches!(
                content.completeness,
                Completeness::Aborted | Completeness::Truncated
            )
        });
        broken || matches!(self.result, WireResult::Broken | WireResult::Refused)
    }
}

/// Sink that turns sessions into events.
#[derive(Debug, Default)]
pub struct WireBuilder {
    wire: Wire,
}

impl WireBuilder {
    /// Returns the events after the last session. `bounds` are those of `--since` and `--until`.
    #[must_use]
    pub fn finish(
        mut self,
        captures: &[Capture],
        bounds: (Option<Timestamp>, Option<Timestamp>),
    ) -> Wire {
        let wire = &mut self.wire;
        let mut order: Vec<u32> = (0..).take(wire.sessions.len()).collect();
        order.sort_by_key(|&at| wire.sessions.get(at as usize).map(|session| session.id));
        let mut places = vec![0_u32; order.len()];
        for (place, &at) in (0..).zip(&order) {
            if let Some(slot) = places.get_mut(at as usize) {
                *slot = place;
            }
        }
        wire.sessions.sort_by_key(|session| session.id);
        for event in &mut wire.events {
            event.session = places.get(event.session as usize).copied().unwrap_or(0);
        }
        wire.events
            .sort_by_key(|event| (event.end, event.start, event.session, event.frames));
        wire.covered = covered(captures, bounds);
        self.wire
    }

    fn add(&mut self, session: &Session) {
        let place = u32::try_from(self.wire.sessions.len()).unwrap_or(u32::MAX);
        let summary = summary(session);
        let mut reader = SessionReader {
            session,
            place,
            user: None,
            pending: None,
            renamed_from: None,
            type_is_known: false,
            user_is_split: false,
            step: 0,
            latest: 0,
            line_parts: &mut self.wire.line_parts,
            events: &mut self.wire.events,
        };
        if !summary.rejected {
            reader.read();
        }
        self.wire.sessions.push(summary);
    }
}

impl EventSink for WireBuilder {
    fn event(&mut self, event: &Event<'_>) {
        if let EventKind::SessionEnd(session) = &event.kind {
            self.add(session);
        }
    }

    fn session_filtered(&mut self, session: &Arc<Session>) {
        self.wire.sessions.push(WireSession {
            rejected: true,
            ..summary(session)
        });
    }
}

fn summary(session: &Session) -> WireSession {
    WireSession {
        id: session.id,
        uid: session.uid.clone(),
        client: session.client,
        server: (session.server.ip, session.server.port),
        start: session.start,
        end: session.end,
        midstream: session.midstream,
        open: session.end_state == EndState::Open,
        lossy: session.control.missing_bytes > 0
            || session.control.packets_from_client == 0
            || session.control.packets_from_server == 0
            || session.steps_omitted > 0
            || session.transfers_omitted > 0,
        sealed: session.tls.as_ref().is_some_and(is_sealed),
        rejected: false,
    }
}

fn is_sealed(tls: &Tls) -> bool {
    !tls.decrypted && (tls.obstacle.is_some() || tls.records == 0)
}

/// Merges the spans of captures, less what `--since` and `--until` exclude.
fn covered(
    captures: &[Capture],
    bounds: (Option<Timestamp>, Option<Timestamp>),
) -> Vec<(Timestamp, Timestamp)> {
    let span = |capture: &Capture| Some((capture.first_packet?, capture.last_packet?));
    let mut spans: Vec<_> = captures.iter().filter_map(span).collect();
    spans.sort_unstable();
    let mut merged: Vec<(Timestamp, Timestamp)> = Vec::new();
    for (first, last) in spans {
        match merged.last_mut() {
            Some(before) if first <= before.1.plus(Span::from_secs(JOINED_GAP)) => {
                before.1 = before.1.max(last);
            }
            _ => merged.push((first, last)),
        }
    }
    let inside = |(first, last): (Timestamp, Timestamp)| {
        let first = bounds.0.map_or(first, |since| first.max(since));
        let last = bounds.1.map_or(last, |until| last.min(until));
        (first <= last).then_some((first, last))
    };
    merged.into_iter().filter_map(inside).collect()
}

/// RNFR that was accepted.
struct RenamedFrom {
    path: Option<Box<[u8]>>,
    argument: Box<[u8]>,
    time: Timestamp,
    frame: u64,
}

/// Reader of one session, command by command, with the state that later commands depend on.
struct SessionReader<'s> {
    session: &'s Session,
    place: u32,
    user: Option<Arc<WireUser>>,
    /// Name of a USER that awaits its PASS.
    pending: Option<String>,
    /// RNFR that awaits its RNTO.
    renamed_from: Option<RenamedFrom>,
    type_is_known: bool,
    /// True if the user's name holds a line end.
    user_is_split: bool,
    /// Number of the step that is read.
    step: u64,
    /// Index of the first event of the latest command.
    latest: usize,
    line_parts: &'s mut Vec<Vec<u8>>,
    events: &'s mut Vec<WireEvent>,
}

impl SessionReader<'_> {
    fn read(&mut self) {
        let session = self.session;
        let mut seen = BTreeSet::new();
        let mut before: Option<Vec<u8>> = None;
        for step in &session.steps {
            let folder = match (&step.directory_b64, &step.directory) {
                (Some(exact), _) => decoded(exact),
                (None, text) => text.as_ref().map(|text| text.as_bytes().to_vec()),
            };
            // The argument of CWD is relative to the directory before it.
            let is_change = step.kind == StepKind::Cwd;
            let base = if is_change {
                before.clone()
            } else {
                folder.clone()
            };
            self.step = step.number;
            for command in &step.commands {
                let transfer = step.transfer.filter(|_| is_transfer(&command.verb));
                let transfer = transfer.and_then(|id| session.transfer(id));
                seen.extend(transfer.map(|transfer| transfer.id));
                self.command(command, base.as_deref(), transfer);
            }
            before = folder;
        }
        // Transfers that were inferred without their command.
        for transfer in &session.transfers {
            if !seen.contains(&transfer.id) {
                self.inferred(transfer);
            }
        }
        for data in &session.encrypted_data {
            self.encrypted(data);
        }
    }

    fn command(&mut self, command: &Command, folder: Option<&[u8]>, transfer: Option<&Transfer>) {
        let argument = argument(command);
        let is_split = self.find_parts(command, argument.as_deref().unwrap_or_default());
        let absolute = |argument: &Option<Box<[u8]>>| {
            let argument = argument.as_deref()?;
            names::absolute(folder, argument)
        };
        let last = command.replies.last();
        let last_frame = last.map_or(command.frame, |reply| reply.frame);
        let reply = last.filter(|reply| reply.code >= 200);
        let code = reply.map(|reply| reply.code);
        let began = command.replies.iter().any(|reply| reply.code < 200);
        let result = match code {
            None => WireResult::Open,
            Some(code) if code < 400 => WireResult::Done,
            Some(_) if began => WireResult::Broken,
            Some(_) => WireResult::Refused,
        };
        let base = WireEvent {
            kind: ClaimKind::Command,
            session: self.place,
            step: Some(self.step),
            transfer: None,
            verb: command.verb.as_str().into(),
            direction: None,
            user: self.user.clone(),
            path: None,
            argument,
            renamed: None,
            start: command.time,
            settled: command.time,
            end: last.map_or(command.time, |reply| reply.time.max(command.time)),
            frames: [command.frame, last_frame],
            code,
            result,
            is_split,
            permission_denied: reply
                .and_then(|reply| reply.lines.first())
                .is_some_and(|line| line.starts_with("Permission denied")),
            content: None,
        };
        let path = absolute(&base.argument);
        let is_hidden = matches!(command.verb.as_str(), "PASS" | "ACCT");
        self.events.push(WireEvent {
            path: path.clone(),
            argument: base.argument.clone().filter(|_| !is_hidden),
            user: match command.verb.as_str() {
                // Servers name the user of these in different ways.
                "USER" | "PASS" | "ACCT" | "REIN" => None,
                _ => base.user.clone(),
            },
            ..base.clone()
        });
        match command.verb.as_str() {
            "USER" => self.user_command(command, base),
            "PASS" => self.password(command, base),
            "REIN" if result == WireResult::Done => {
                self.user = None;
                self.pending = None;
            }
            "TYPE" if result == WireResult::Done => self.type_is_known = true,
            "DELE" => self.change(ClaimKind::Delete, path, base),
            "MKD" | "XMKD" => self.change(ClaimKind::Mkdir, path, base),
            "RMD" | "XRMD" => self.change(ClaimKind::Rmdir, path, base),
            "RNFR" => {
                // vsftpd writes about a rename that ends here.
                if result == WireResult::Refused {
                    self.events.push(WireEvent {
                        kind: ClaimKind::Rename,
                        path: path.clone(),
                        ..base.clone()
                    });
                }
                let argument = base.argument.unwrap_or_default();
                self.renamed_from = (result == WireResult::Done).then_some(RenamedFrom {
                    path,
                    argument,
                    time: base.start,
                    frame: command.frame,
                });
            }
            "RNTO" => {
                let renamed = Renamed {
                    path,
                    argument: base.argument.clone().unwrap_or_default(),
                };
                let (path, argument, start, frame) = match self.renamed_from.take() {
                    Some(from) => (from.path, Some(from.argument), from.time, from.frame),
                    None => (None, None, base.start, command.frame),
                };
                self.events.push(WireEvent {
                    kind: ClaimKind::Rename,
                    path,
                    argument,
                    renamed: Some(Box::new(renamed)),
                    start,
                    frames: [frame, base.frames[1]],
                    ..base
                });
            }
            verb if is_transfer(verb) => self.transfer(path, transfer, base),
            _ => {}
        }
    }

    /// Collects the lines that the name of a command holds. Returns true if it, or that of the user, holds a line
    /// end.
    fn find_parts(&mut self, command: &Command, argument: &[u8]) -> bool {
        let is_user = command.verb == "USER";
        if is_user {
            self.user_is_split = false;
        }
        let room = injection::MAX_PARTS.saturating_sub(self.line_parts.len());
        if injection::is_no_command(&command.verb) {
            // LF ends a command on the wire; for a server that waits for CR LF, this one is the rest of the name before.
            let line = [command.verb.as_bytes(), argument].join(&b' ');
            self.line_parts
                .extend(injection::line_part(&line).into_iter().take(room));
            for event in self.events.iter_mut().skip(self.latest) {
                event.is_split = true;
                self.user_is_split |= event.verb == "USER";
            }
            self.latest = self.events.len();
            return true;
        }
        self.latest = self.events.len();
        let is_split = memchr::memchr3(0, b'\r', b'\n', argument).is_some();
        if is_split {
            self.line_parts
                .extend(injection::parts(argument).take(room));
            self.user_is_split |= is_user;
        }
        is_split || self.user_is_split
    }

    fn user_command(&mut self, command: &Command, base: WireEvent) {
        let name = command.argument.clone().unwrap_or_default();
        match base.code {
            // Logged in without a password.
            Some(230 | 232) => {
                let user = Arc::new(WireUser {
                    name,
                    password: None,
                });
                self.user = Some(Arc::clone(&user));
                self.pending = None;
                self.login(Some(user), base);
            }
            Some(300..400) | None => self.pending = Some(name),
            Some(_) => {
                self.pending = None;
                let user = WireUser {
                    name,
                    password: None,
                };
                self.login(Some(Arc::new(user)), base);
            }
        }
    }

    fn password(&mut self, command: &Command, base: WireEvent) {
        // 503: there was no USER. 332: ACCT decides.
        if matches!(base.code, Some(503)) {
            return;
        }
        let shown = command.argument.clone();
        let user = self.pending.take().map(|name| {
            let password = shown.filter(|_| names::is_anonymous(&name));
            Arc::new(WireUser { name, password })
        });
        if base.result == WireResult::Done {
            self.user.clone_from(&user);
        }
        self.login(user, base);
    }

    fn login(&mut self, user: Option<Arc<WireUser>>, base: WireEvent) {
        self.events.push(WireEvent {
            kind: ClaimKind::Login,
            user,
            path: None,
            argument: None,
            ..base
        });
    }

    fn change(&mut self, kind: ClaimKind, path: Option<Box<[u8]>>, base: WireEvent) {
        self.events.push(WireEvent { kind, path, ..base });
    }

    fn transfer(&mut self, path: Option<Box<[u8]>>, transfer: Option<&Transfer>, base: WireEvent) {
        let (kind, direction) = kind_of(&base.verb);
        let mut event = WireEvent {
            kind,
            direction,
            path: transfer.map_or(path, transfer_path),
            ..base
        };
        if let Some(transfer) = transfer {
            self.complete(&mut event, transfer);
        }
        self.events.push(event);
    }

    fn inferred(&mut self, transfer: &Transfer) {
        let Some(connection) = &transfer.connection else {
            return;
        };
        let (kind, direction) = match transfer.direction {
            TransferDirection::Listing => (ClaimKind::List, None),
            TransferDirection::Download => (ClaimKind::Transfer, Some(Direction::Download)),
            TransferDirection::Upload => (ClaimKind::Transfer, Some(Direction::Upload)),
        };
        let argument = transfer.argument.as_ref();
        let mut event = WireEvent {
            kind,
            session: self.place,
            step: None,
            transfer: None,
            verb: transfer.verb.as_str().into(),
            direction,
            user: self.user.clone(),
            path: transfer_path(transfer),
            argument: argument.map(|argument| argument.as_bytes().into()),
            renamed: None,
            start: connection.start,
            settled: connection.start,
            end: connection.end,
            frames: [connection.first_frame, connection.last_frame],
            code: None,
            result: WireResult::Open,
            is_split: false,
            permission_denied: false,
            content: None,
        };
        self.complete(&mut event, transfer);
        self.events.push(event);
    }

    /// Adds the content of a transfer to its event.
    fn complete(&self, event: &mut WireEvent, transfer: &Transfer) {
        event.transfer = Some(transfer.id);
        let connection = transfer.connection.as_ref();
        let sealed = transfer.tls.as_ref().is_some_and(is_sealed);
        let bytes = match (connection, &transfer.tls) {
            (None, _) => None,
            (Some(_), Some(tls)) if sealed => tls.content_bytes_exact.then_some(tls.content_bytes),
            (Some(_), _) => Some(transfer.bytes),
        };
        // In a session over TLS, bytes without a handshake are the alert of a client that was refused.
        let is_content = self.session.tls.is_none() || transfer.tls.is_some();
        let moved = is_content && (transfer.bytes > 0 || transfer.missing_bytes > 0);
        if event.result == WireResult::Refused && moved {
            event.result = WireResult::Broken;
        }
        if let Some(connection) = connection {
            // A reply that came before the data's end must not end the event.
            event.end = event.end.max(connection.last_payload.unwrap_or(event.end));
            event.settled = connection
                .last_payload
                .unwrap_or(connection.start)
                .clamp(event.start, event.end);
            // A server may wait for the data connection's end before it writes about a transfer that broke off.
            if event.code.is_none() || event.result == WireResult::Broken {
                event.end = event.end.max(connection.end);
            }
        }
        let nanos = |from: Timestamp, to: Timestamp| {
            u64::try_from(to.since(from).nanos()).unwrap_or_default()
        };
        let whole = nanos(event.start, event.end);
        let data = connection.map_or(whole, |connection| {
            match (connection.first_payload, connection.last_payload) {
                (Some(first), Some(last)) => nanos(first, last),
                _ => 0,
            }
        });
        let known = transfer.decoded.as_ref().filter(|decoded| decoded.whole);
        event.content = Some(Box::new(Content {
            bytes,
            missing: transfer.missing_bytes,
            restart: transfer.restart_offset,
            decoded: known.map(|decoded| decoded.bytes),
            announced: transfer.announced_bytes,
            acknowledged: acknowledged(transfer),
            ascii: transfer.data_type == Some(DataType::Ascii),
            type_is_known: self.type_is_known && transfer.data_type.is_some(),
            stream: transfer.transfer_mode == TransferMode::Stream,
            completeness: transfer.completeness,
            captured: connection.is_some(),
            sealed,
            duration: (data.min(whole), whole.max(data)),
        }));
    }

    /// Adds a data connection of which no command is known: only its length and time can be compared.
    fn encrypted(&mut self, data: &EncryptedConnection) {
        let Some(tls) = &data.tls else { return };
        let direction = match data.direction {
            Some(TransferDirection::Upload) => Direction::Upload,
            Some(_) => Direction::Download,
            None => return,
        };
        let connection = &data.connection;
        let nanos = connection.end.since(connection.start).nanos();
        self.events.push(WireEvent {
            kind: ClaimKind::Transfer,
            session: self.place,
            step: None,
            transfer: None,
            verb: CompactString::default(),
            direction: Some(direction),
            user: None,
            path: None,
            argument: None,
            renamed: None,
            start: connection.start,
            settled: connection.start,
            end: connection.end,
            frames: [connection.first_frame, connection.last_frame],
            code: None,
            result: WireResult::Open,
            is_split: false,
            permission_denied: false,
            content: Some(Box::new(Content {
                bytes: tls.content_bytes_exact.then_some(tls.content_bytes),
                missing: connection.missing_bytes,
                restart: 0,
                decoded: None,
                announced: None,
                acknowledged: None,
                ascii: false,
                type_is_known: false,
                stream: true,
                completeness: Completeness::Unverifiable,
                captured: true,
                sealed: true,
                duration: (0, u64::try_from(nanos).unwrap_or_default()),
            })),
        });
    }
}

/// Returns the exact bytes of an argument.
fn argument(command: &Command) -> Option<Box<[u8]>> {
    if let Some(exact) = &command.argument_b64 {
        return decoded(exact).map(Into::into);
    }
    let argument = command.argument.as_ref()?;
    Some(argument.as_bytes().into())
}

fn acknowledged(transfer: &Transfer) -> Option<u64> {
    // Of a TLS connection, records are acknowledged, not the content; in blocks or compressed, it is not known either.
    if transfer.tls.is_some() || transfer.transfer_mode != TransferMode::Stream {
        return None;
    }
    let samples = transfer.connection.as_ref()?.samples.as_ref()?;
    samples.points.last().map(|point| point.acknowledged)
}

fn transfer_path(transfer: &Transfer) -> Option<Box<[u8]>> {
    let exact = transfer.path_b64.as_deref().and_then(decoded);
    let text = || transfer.path.as_ref().map(|path| path.as_bytes().to_vec());
    let path = exact.or_else(text)?;
    Some(names::normal(&path).into())
}

fn decoded(base64: &str) -> Option<Vec<u8>> {
    STANDARD.decode(base64).ok()
}

fn is_transfer(verb: &str) -> bool {
    matches!(
        verb,
        "RETR" | "STOR" | "STOU" | "APPE" | "LIST" | "NLST" | "MLSD"
    )
}

fn kind_of(verb: &str) -> (ClaimKind, Option<Direction>) {
    match verb {
        "RETR" => (ClaimKind::Transfer, Some(Direction::Download)),
        "STOR" | "STOU" | "APPE" => (ClaimKind::Transfer, Some(Direction::Upload)),
        _ => (ClaimKind::List, None),
    }
}

/// Pause between captures, in seconds, that does not part the time they cover.
const JOINED_GAP: i64 = 2;
