//! Gives each connection its role, and what happens on it to whom it concerns.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::control::Session;
use super::data_channel::{DataChannel, DataId, FTP_DATA};
use super::recognise::{Candidate, FTPS, Judgement, may_be_control, may_be_implicit};
use super::settle::tell_unmatched;
use super::shared::{Options, Shared};
use crate::decode::{Datagram, IcmpError, Segment};
use crate::model::record::{Address, AttemptOutcome, ConnectionAttempt, Link, Place, Totals};
use crate::model::{
    Direction, EventKind, EventSink, FlowKey, FrameRef, HostPair, Span, Timestamp, TransferSink,
    Warning,
};
use crate::protocol::dns::parse_message;
use crate::reassembly::{Chunk, CloseReason, FlowId, FlowSummary, Gap, Interest, StreamHandler};

/// Knows all sessions. Feed it through [`StreamHandler`], [`datagram`](Self::datagram) and [`tick`](Self::tick).
pub struct SessionTracker<'s> {
    roles: Vec<Role>,
    pub(super) sessions: HashMap<u64, Box<Session>, RandomState>,
    pub(super) shared: Shared<'s>,
    session_count: u64,
    data_count: u64,
    pub(super) candidates: usize,
    packets: PacketCounts,
    /// The session that the current packet began, until somebody asks.
    begun: Option<u64>,
}

#[derive(Default)]
pub(super) enum Role {
    #[default]
    None,
    /// To port 21, without a byte so far.
    Attempt,
    Control(u64),
    Candidate(Box<Candidate>),
    Data(DataId),
    Dns(Box<DnsStreams>),
    Foreign,
    /// It is over, and was of FTP.
    Over,
    /// It is over, and was of DNS.
    DnsOver,
}

/// Packets by what they belong to. The others belong to nothing of ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketCounts {
    /// Of control and data connections and of connection attempts.
    pub used: u64,
    /// Of DNS.
    pub dns: u64,
    /// Second copies among those that are used.
    pub duplicates: u64,
}

/// DNS over TCP: messages with a length in front (RFC 1035 section 4.2.2).
#[derive(Default)]
pub(super) struct DnsStreams {
    partial: [Vec<u8>; 2],
}

impl<'s> SessionTracker<'s> {
    /// A tracker that tells `events` what happens and gives the bytes of transfers to `files`.
    pub fn new(
        options: Options,
        events: &'s mut dyn EventSink,
        files: &'s mut dyn TransferSink,
    ) -> Self {
        Self {
            roles: Vec::new(),
            sessions: HashMap::default(),
            shared: Shared::new(options, events, files),
            session_count: 0,
            data_count: 0,
            candidates: 0,
            packets: PacketCounts::default(),
            begun: None,
        }
    }

    /// The packet that is looked at from here on, and the time that timers go by.
    pub fn at(&mut self, frame: FrameRef, clock: Timestamp) {
        self.shared.now = frame;
        self.shared.clock = clock;
    }

    /// Tells the sinks of something that does not come from a session.
    pub fn tell(&mut self, kind: EventKind<'_>) {
        self.shared.emit(None, kind);
    }

    /// A UDP datagram: only DNS matters. True where it is that.
    pub fn datagram(&mut self, datagram: &Datagram<'_>) -> bool {
        if datagram.source.port != DNS && datagram.destination.port != DNS {
            return false;
        }
        let message = parse_message(datagram.payload);
        let is_dns = message.is_some();
        self.packets.dns += u64::from(is_dns);
        if let Some(message) = message {
            self.shared.names.message(
                message,
                datagram.source,
                datagram.destination,
                datagram.frame,
            );
        }
        is_dns
    }

    /// An ICMP error: it may tell why a data connection does not open.
    pub fn icmp(&mut self, error: &IcmpError) {
        let (source, destination) = (error.source.port, error.destination.port);
        if self.shared.expectations.may_concern(source, destination)
            || source == FTP_DATA
            || destination == FTP_DATA
        {
            self.shared.unreachable.note(error);
        }
    }

    /// Capture time went on: what waited long enough is settled.
    pub fn tick(&mut self, now: Timestamp) {
        self.shared.expectations.tick(now);
        while let Some((session, transfer)) = self.shared.waited(now) {
            if let Some(session) = self.sessions.get_mut(&session) {
                session.settle_after_waiting(&mut self.shared, transfer);
            }
            self.finish_if_over(session);
        }
    }

    /// The input ended and all connections were closed: tells what is left.
    pub fn finish(&mut self) -> Vec<Warning> {
        let mut ids: Vec<u64> = self.sessions.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            if let Some(session) = self.sessions.remove(&id) {
                session.finish(&mut self.shared);
            }
        }
        let mut data: Vec<DataId> = self.shared.data.keys().copied().collect();
        data.sort_unstable();
        for id in data {
            if let Some(channel) = self.shared.data.remove(&id) {
                tell_unmatched(&mut self.shared, &channel);
            }
        }
        for finding in self.shared.several.finish() {
            self.shared.emit(None, EventKind::Finding(&finding));
        }
        self.shared.take_warnings()
    }

    /// Counts so far; packets and bytes are counted elsewhere.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.shared.totals.clone()
    }

    /// The session that the last packet began, told once.
    #[inline]
    pub fn take_begun(&mut self) -> Option<u64> {
        self.begun.take()
    }

    /// What the packet that began a session was wrapped in.
    pub fn set_layers(&mut self, session: u64, layers: Vec<String>) {
        if let Some(session) = self.sessions.get_mut(&session) {
            session.layers = layers;
        }
    }

    /// Packets so far, of connections that are over.
    #[must_use]
    pub const fn packets(&self) -> PacketCounts {
        self.packets
    }

    pub(super) fn role(&mut self, flow: FlowId) -> &mut Role {
        let index = flow.0 as usize;
        if index >= self.roles.len() {
            self.roles.resize_with(index + 1, Role::default);
        }
        &mut self.roles[index]
    }

    fn begin_session(&mut self, flow: FlowId, summary: &FlowSummary, client_way: Direction) -> u64 {
        self.session_count += 1;
        let id = self.session_count;
        let mut session = Box::new(Session::new(id, summary, client_way, &self.shared.options));
        session.begin(&mut self.shared, summary);
        self.sessions.insert(id, session);
        // It may also begin by the clock, at a packet of others.
        self.begun = (summary.last == self.shared.now).then_some(id);
        *self.role(flow) = Role::Control(id);
        id
    }

    fn control_data(&mut self, id: u64, direction: Direction, chunk: Chunk<'_>) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.bytes(&mut self.shared, direction, chunk);
        }
    }

    fn candidate_data(
        &mut self,
        flow: FlowId,
        direction: Direction,
        chunk: Chunk<'_>,
        summary: &FlowSummary,
    ) -> Interest {
        let Role::Candidate(candidate) = self.role(flow) else {
            return Interest::Ignore;
        };
        match candidate.data(direction, &chunk, implicit_way(&summary.key)) {
            Judgement::Open => Interest::Bytes,
            Judgement::Foreign => {
                *self.role(flow) = Role::Foreign;
                self.candidates = self.candidates.saturating_sub(1);
                Interest::Ignore
            }
            Judgement::Ftp(client_way) => {
                let Role::Candidate(candidate) = std::mem::take(self.role(flow)) else {
                    return Interest::Ignore;
                };
                self.candidates = self.candidates.saturating_sub(1);
                let id = self.begin_session(flow, summary, client_way);
                for held in candidate.into_chunks() {
                    let chunk = Chunk {
                        frame: held.frame,
                        arrived: held.arrived,
                        offset: held.offset,
                        bytes: &held.bytes,
                    };
                    self.control_data(id, held.direction, chunk);
                }
                Interest::Bytes
            }
        }
    }

    fn data_connection(&mut self, flow: FlowId, summary: &FlowSummary) -> bool {
        let listener = summary
            .initiator
            .map(|initiator| summary.key.destination(initiator));
        let found = self
            .shared
            .expectations
            .find(summary.key.low, summary.key.high, listener);
        let (channel, owner) = match found {
            Some(found) => {
                let Some(session) = self.sessions.get(&found.negotiation.session) else {
                    return false;
                };
                let Some(mode) = session.negotiated_mode(found.negotiation.number) else {
                    return false;
                };
                self.shared
                    .expectations
                    .fulfil(found.listener.port, found.negotiation);
                let link = Link {
                    method: found.method,
                    confidence: found.confidence,
                };
                let client_listens = mode.client_listens();
                (
                    DataChannel::expected(
                        found.negotiation,
                        link,
                        found.listener,
                        client_listens,
                        summary,
                    ),
                    Some(found.negotiation),
                )
            }
            None if let Some(home) = self.home(summary) => {
                if let Some(session) = self.sessions.get_mut(&home.session) {
                    session.encrypted_data.open += 1;
                }
                (
                    DataChannel::unreadable(home.session, home.client_way, summary),
                    None,
                )
            }
            None if summary.key.low.port == FTP_DATA || summary.key.high.port == FTP_DATA => {
                (DataChannel::unannounced(summary), None)
            }
            None => return false,
        };
        self.data_count += 1;
        let id = DataId(self.data_count);
        self.shared.data.insert(id, Box::new(channel));
        *self.role(flow) = Role::Data(id);
        if let Some(owner) = owner
            && let Some(session) = self.sessions.get_mut(&owner.session)
        {
            session.data_opened(&mut self.shared, owner.number, id);
        }
        true
    }

    /// The session of a data connection looks whether it changes anything.
    fn data_changed(&mut self, id: DataId) {
        let Some(negotiation) = self
            .shared
            .data
            .get(&id)
            .and_then(|channel| channel.negotiation)
        else {
            return;
        };
        if let Some(session) = self.sessions.get_mut(&negotiation.session) {
            session.data_changed(&mut self.shared, negotiation.number);
        }
        self.finish_if_over(negotiation.session);
    }

    pub(super) fn finish_if_over(&mut self, id: u64) {
        if self
            .sessions
            .get(&id)
            .is_some_and(|session| session.is_over())
            && let Some(session) = self.sessions.remove(&id)
        {
            session.finish(&mut self.shared);
        }
    }

    fn close_data(&mut self, id: DataId, reason: CloseReason, summary: &FlowSummary) {
        let Some(channel) = self.shared.data.get_mut(&id) else {
            return;
        };
        channel.closed = Some(reason);
        channel.summary = *summary;
        if channel.encrypted.is_some() {
            if let Some(channel) = self.shared.data.remove(&id) {
                self.close_encrypted(channel);
            }
            return;
        }
        let waits = channel.negotiation.is_some() && !channel.is_settled();
        if waits {
            self.data_changed(id);
        } else if let Some(channel) = self.shared.data.remove(&id) {
            tell_unmatched(&mut self.shared, &channel);
        }
    }

    fn tell_attempt(&mut self, reason: CloseReason, summary: &FlowSummary) {
        let way = client_way(&summary.key, summary.initiator);
        let (client, server) = (summary.sent(way), summary.sent(way.reverse()));
        let outcome = match reason {
            CloseReason::Reset(by) if by != way && server.syn.is_none() => AttemptOutcome::Refused,
            _ if client.syn.is_some() && server.segments == 0 => AttemptOutcome::Unanswered,
            _ => AttemptOutcome::Closed,
        };
        let place = Place::of(summary.first, self.shared.options.several_captures);
        let attempt = ConnectionAttempt {
            client: Address::from(summary.key.source(way)),
            server: Address::from(summary.key.destination(way)),
            time: summary.first.time,
            frame: summary.first.number,
            capture: place.capture,
            capture_frame: place.capture_frame,
            outcome,
        };
        self.shared
            .emit(None, EventKind::ConnectionAttempt(&attempt));
    }
}

impl StreamHandler for SessionTracker<'_> {
    fn admit(&mut self, segment: &Segment<'_>) -> bool {
        let (source, destination) = (segment.source.port, segment.destination.port);
        if source == FTP || destination == FTP || source == FTP_DATA || destination == FTP_DATA {
            return true;
        }
        if self.shared.expectations.may_concern(source, destination) {
            let listener = segment.flags.syn().then_some(if segment.flags.ack() {
                segment.source
            } else {
                segment.destination
            });
            if self
                .shared
                .expectations
                .find(segment.source, segment.destination, listener)
                .is_some()
            {
                return true;
            }
        }
        if segment.flags.syn() && !self.shared.encrypted.is_empty() {
            let hosts = HostPair::new(segment.source.address, segment.destination.address);
            if !self.shared.encrypted.between(hosts).is_empty() {
                return true;
            }
        }
        if source == DNS || destination == DNS {
            return segment.flags.syn() || !segment.payload.is_empty();
        }
        let implicit = source == FTPS || destination == FTPS;
        // From the SYN on, so that a hello whose segments arrive in another order is whole.
        let may_be_ours = (implicit && segment.flags.syn())
            || may_be_control(segment.payload)
            || may_be_implicit(segment.payload, implicit);
        may_be_ours && self.candidates < self.shared.options.limits.candidates
    }

    fn opened(&mut self, flow: FlowId, summary: &FlowSummary) -> Interest {
        let ports = [summary.key.low.port, summary.key.high.port];
        if self.data_connection(flow, summary) {
            return Interest::Bytes;
        }
        *self.role(flow) = if ports.contains(&FTP) {
            Role::Attempt
        } else if ports.contains(&DNS) {
            Role::Dns(Box::default())
        } else if self.candidates < self.shared.options.limits.candidates {
            self.candidates += 1;
            Role::Candidate(Box::default())
        } else {
            Role::Foreign
        };
        Interest::Bytes
    }

    fn handshake(&mut self, flow: FlowId, summary: &FlowSummary) {
        self.established(flow, summary);
    }

    fn established(&mut self, flow: FlowId, summary: &FlowSummary) {
        if let Role::Data(id) = *self.role(flow)
            && let Some(channel) = self.shared.data.get_mut(&id)
        {
            channel.summary = *summary;
        }
    }

    fn data(
        &mut self,
        flow: FlowId,
        direction: Direction,
        chunk: Chunk<'_>,
        summary: &FlowSummary,
    ) -> Interest {
        match self.role(flow) {
            Role::Data(id) => {
                let id = *id;
                if self.is_no_data(flow, id, chunk.bytes) {
                    return self.data(flow, direction, chunk, summary);
                }
                if let Some((channel, sink)) = self.shared.channel(id) {
                    channel.data(direction, chunk, sink);
                }
                Interest::Bytes
            }
            Role::Control(id) => {
                let id = *id;
                self.control_data(id, direction, chunk);
                Interest::Bytes
            }
            Role::Attempt => {
                let way = client_way(&summary.key, summary.initiator);
                let id = self.begin_session(flow, summary, way);
                self.control_data(id, direction, chunk);
                Interest::Bytes
            }
            Role::Candidate(_) => self.candidate_data(flow, direction, chunk, summary),
            Role::Dns(streams) => {
                let messages = streams.messages(direction, chunk.bytes);
                let (source, destination) = (
                    summary.key.source(direction),
                    summary.key.destination(direction),
                );
                for message in messages.iter().filter_map(|bytes| parse_message(bytes)) {
                    self.shared
                        .names
                        .message(message, source, destination, chunk.arrived);
                }
                Interest::Bytes
            }
            Role::None | Role::Foreign | Role::Over | Role::DnsOver => Interest::Ignore,
        }
    }

    fn gap(&mut self, flow: FlowId, direction: Direction, gap: Gap, _: &FlowSummary) {
        match self.role(flow) {
            Role::Data(id) => {
                let id = *id;
                if let Some((channel, sink)) = self.shared.channel(id) {
                    channel.gap(direction, gap, sink);
                }
            }
            Role::Control(id) => {
                let id = *id;
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.hole(&mut self.shared, direction, gap);
                }
            }
            Role::Dns(streams) => streams.partial[direction.index()].clear(),
            _ => {}
        }
    }

    fn finished(
        &mut self,
        flow: FlowId,
        direction: Direction,
        frame: FrameRef,
        summary: &FlowSummary,
    ) {
        match self.role(flow) {
            Role::Data(id) => {
                let id = *id;
                if let Some(channel) = self.shared.data.get_mut(&id) {
                    channel.summary = *summary;
                }
            }
            Role::Control(id) => {
                let id = *id;
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.stream_end(&mut self.shared, direction, frame);
                }
            }
            _ => {}
        }
    }

    fn closed(
        &mut self,
        flow: FlowId,
        reason: CloseReason,
        frame: FrameRef,
        summary: &FlowSummary,
    ) {
        let role = std::mem::take(self.role(flow));
        let segments = summary.half[0].segments + summary.half[1].segments;
        match &role {
            Role::Data(_) | Role::Control(_) | Role::Attempt => {
                self.packets.used += segments;
                self.packets.duplicates +=
                    summary.half[0].second_copies + summary.half[1].second_copies;
                *self.role(flow) = Role::Over;
            }
            Role::Dns(_) => {
                self.packets.dns += segments;
                *self.role(flow) = Role::DnsOver;
            }
            _ => {}
        }
        match role {
            Role::Data(id) => self.close_data(id, reason, summary),
            Role::Control(id) => {
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.close(&mut self.shared, reason, frame, summary);
                }
                self.finish_if_over(id);
            }
            Role::Attempt => self.tell_attempt(reason, summary),
            Role::Candidate(_) => self.candidates = self.candidates.saturating_sub(1),
            Role::None | Role::Dns(_) | Role::Foreign | Role::Over | Role::DnsOver => {}
        }
    }

    fn late(&mut self, flow: FlowId) {
        match self.role(flow) {
            Role::Over => self.packets.used += 1,
            Role::DnsOver => self.packets.dns += 1,
            _ => {}
        }
    }

    fn expires(&self, flow: FlowId, silent: Span) -> bool {
        let limits = &self.shared.options.limits;
        match self.roles.get(flow.0 as usize) {
            // A control connection is quiet while its transfer runs.
            Some(Role::Control(id)) => {
                silent >= limits.control_idle
                    && !self.sessions.get(id).is_some_and(|session| {
                        session.encrypted_data.open > 0 || session.is_transferring(&self.shared)
                    })
            }
            _ => silent >= limits.data_idle,
        }
    }
}

impl DnsStreams {
    /// The messages that these bytes complete.
    fn messages(&mut self, direction: Direction, bytes: &[u8]) -> Vec<Vec<u8>> {
        let partial = &mut self.partial[direction.index()];
        partial.extend_from_slice(bytes);
        let mut messages = Vec::new();
        let mut rest = partial.as_slice();
        while let Some((length, tail)) = rest.split_first_chunk::<2>() {
            let length = usize::from(u16::from_be_bytes(*length));
            let Some((message, tail)) = tail.split_at_checked(length) else {
                break;
            };
            messages.push(message.to_vec());
            rest = tail;
        }
        let left = rest.to_vec();
        *partial = left;
        messages
    }
}

/// The direction in which the client of a connection to port 21 sends.
fn client_way(key: &FlowKey, initiator: Option<Direction>) -> Direction {
    match (key.low.port == FTP, key.high.port == FTP) {
        (true, false) => Direction::Down,
        (false, true) => Direction::Up,
        _ => initiator.unwrap_or(Direction::Up),
    }
}

/// The direction in which the client of implicit TLS sends.
fn implicit_way(key: &FlowKey) -> Option<Direction> {
    match (key.low.port == FTPS, key.high.port == FTPS) {
        (true, false) => Some(Direction::Down),
        (false, true) => Some(Direction::Up),
        _ => None,
    }
}

/// The control port (RFC 959 section 8).
const FTP: u16 = 21;

const DNS: u16 = 53;
