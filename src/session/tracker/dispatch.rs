//! Dispatch: every event of a flow goes to the part that its role names, and the part's result may change the role.

use crate::decode::Segment;
use crate::diagnosis::ClosedByServer;
use crate::model::record::{Address, AttemptOutcome, ConnectionAttempt};
use crate::model::{Direction, EventKind, FrameRef, HostPair, Span};
use crate::protocol::dns::DNS_PORT;
use crate::protocol::ftp::{FTP_CONTROL_PORT, FTP_DATA_PORT, FTPS_CONTROL_PORT};
use crate::protocol::proxy::{self, Prelude};
use crate::reassembly::{Chunk, CloseReason, FlowId, FlowSummary, Gap, Interest, StreamHandler};
use crate::session::connection::Part;
use crate::session::data::data_channel::DataId;
use crate::session::ident::IDENT_PORT;
use crate::session::shared::Shared;
use crate::session::tracker::early_flows::{EarlyBytes, EarlyConnection, Piece};
use crate::session::tracker::recognition::{
    Candidate, Judgement, client_way, may_be_implicit, may_be_opened, may_be_other,
    may_be_padded_control,
};
use crate::session::tracker::roles::Role;
use crate::session::tracker::{SessionTracker, data_flows, early_flows, encrypted_flows};

impl StreamHandler for SessionTracker<'_> {
    // Called for every segment of unrelated traffic: the checks are in order of their cost.
    fn admit(&mut self, segment: &Segment<'_>) -> bool {
        let (source, destination) = (segment.source.port, segment.destination.port);
        let either = |port| source == port || destination == port;
        if either(IDENT_PORT) {
            self.shared.note_place(segment.frame);
            self.shared.network.ident.on_segment(segment);
        }
        if either(FTP_CONTROL_PORT) || either(FTP_DATA_PORT) {
            return true;
        }
        if is_expected(&self.shared, segment) {
            return true;
        }
        // Only a handshake can begin an early connection: later segments of other traffic are not looked up.
        if segment.flags.syn() && !self.shared.open.is_empty() {
            let hosts = HostPair::new(segment.source.address, segment.destination.address);
            let between_ours = !self.shared.open.between(hosts).is_empty();
            let hidden = between_ours && !self.shared.encrypted.between(hosts).is_empty();
            let tunneled = || {
                [segment.source, segment.destination]
                    .iter()
                    .any(|end| self.shared.network.tunnels.contains(end))
            };
            if hidden || (between_ours && (early_flows::may_open(segment) || tunneled())) {
                return true;
            }
        }
        if either(DNS_PORT) {
            return segment.flags.syn() || !segment.payload.is_empty();
        }
        let implicit = either(FTPS_CONTROL_PORT);
        // From the SYN on: a ClientHello whose segments arrive out of order is whole only if the first byte is known.
        let may_be_ours = (implicit && segment.flags.syn())
            || may_be_padded_control(segment.payload)
            || proxy::may_begin(segment.payload)
            || may_be_implicit(segment.payload, implicit)
            || may_be_opened(segment.payload, &self.shared.network.keyring);
        may_be_ours && self.candidates.has_capacity()
    }

    fn opened(&mut self, flow: FlowId, summary: &FlowSummary) -> Interest {
        if let Some(traces) = &mut self.traces {
            traces.begin(flow, summary.key);
        }
        // The handshake of a connection that is recognized by its first payload came before.
        let syns = summary.half.iter().filter_map(|half| half.syn);
        for frame in syns {
            self.shared.note_place(frame);
        }
        let role = self.initial_role(flow, summary);
        self.roles.set(flow, role);
        Interest::Bytes
    }

    #[inline]
    fn segment(&mut self, flow: FlowId, direction: Direction, segment: &Segment<'_>) {
        self.shared.note_place(segment.frame);
        if let Some(traces) = &mut self.traces {
            let is_data = self.roles.is_data(flow);
            traces.segment(flow, direction, segment, is_data);
        }
    }

    fn handshake(&mut self, flow: FlowId, summary: &FlowSummary) {
        self.update_summary(flow, summary);
    }

    fn established(&mut self, flow: FlowId, summary: &FlowSummary) {
        self.update_summary(flow, summary);
    }

    fn data(
        &mut self,
        flow: FlowId,
        direction: Direction,
        chunk: Chunk<'_>,
        summary: &FlowSummary,
    ) -> Interest {
        match self.roles.get_mut(flow) {
            Role::Data(id) => {
                let id = *id;
                let (sessions, shared) = (&mut self.sessions, &mut self.shared);
                // Hosts and time were the only evidence; the first bytes may refute it.
                if let Some(rejected) = encrypted_flows::reject(sessions, shared, id, chunk.bytes) {
                    let candidate = rejected
                        .may_be_control
                        .then(|| self.candidates.begin())
                        .flatten();
                    self.roles
                        .set(flow, candidate.map_or(Role::Unrelated, Role::Candidate));
                    return self.data(flow, direction, chunk, summary);
                }
                data_flows::bytes(sessions, shared, id, direction, chunk, summary);
                Interest::Bytes
            }
            Role::Early(number) => {
                let number = *number;
                self.early_bytes(flow, number, direction, chunk, summary)
            }
            Role::Control(id) => {
                let id = *id;
                self.control_bytes(id, direction, chunk, summary);
                Interest::Bytes
            }
            // The first byte begins the session, not the SYN: a port scan is no session.
            Role::Attempt => {
                let way = client_way(&summary.key, summary.initiator);
                let candidate = (proxy::may_begin(chunk.bytes)
                    || may_be_other(chunk.bytes, direction == way))
                .then(|| self.candidates.begin())
                .flatten();
                if let Some(mut candidate) = candidate {
                    let midstream = summary.half.iter().all(|half| half.syn.is_none());
                    candidate.trust_port(way, midstream);
                    self.roles.set(flow, Role::Candidate(candidate));
                    return self.data(flow, direction, chunk, summary);
                }
                let id = self.begin_session(flow, summary, way);
                self.control_bytes(id, direction, chunk, summary);
                Interest::Bytes
            }
            Role::Candidate(candidate) => {
                let keyring = &mut self.shared.network.keyring;
                let (key, first) = (&summary.key, summary.first.time);
                let judgement = candidate.data(direction, &chunk, key, first, keyring);
                self.apply_judgement(flow, judgement, summary)
            }
            Role::Dns(streams) => {
                let key = summary.key;
                let (source, destination) = (key.source(direction), key.destination(direction));
                for message in streams.messages(direction, chunk.bytes) {
                    self.shared
                        .names
                        .message(message, source, destination, chunk.arrived);
                }
                Interest::Bytes
            }
            Role::None | Role::Unrelated | Role::Closed | Role::DnsClosed => Interest::Ignore,
        }
    }

    fn gap(&mut self, flow: FlowId, direction: Direction, gap: Gap, _: &FlowSummary) {
        match self.roles.get_mut(flow) {
            Role::Data(id) => data_flows::gap(&mut self.shared, *id, direction, gap),
            Role::Early(number) => self.early.gap(*number, direction, gap),
            Role::Control(id) => {
                if let Some(session) = self.sessions.get_mut(*id) {
                    session.on_gap(&mut self.shared, direction, gap);
                }
                self.claim_early();
            }
            Role::Dns(streams) => streams.gap(direction),
            Role::Candidate(candidate) => candidate.gap(direction, gap),
            _ => {}
        }
    }

    fn undelivered(&mut self, flow: FlowId, direction: Direction, bytes: &[u8]) {
        if let Role::Control(id) = self.roles.get_mut(flow)
            && let Some(session) = self.sessions.get_mut(*id)
        {
            session.on_undelivered(direction, bytes);
        }
    }

    fn finished(
        &mut self,
        flow: FlowId,
        direction: Direction,
        frame: FrameRef,
        summary: &FlowSummary,
    ) {
        if let Some(Role::Control(id)) = self.roles.get(flow) {
            if let Some(session) = self.sessions.get_mut(*id) {
                session.on_fin(&mut self.shared, direction, frame);
            }
            self.claim_early();
        } else {
            self.update_summary(flow, summary);
        }
    }

    fn closed(
        &mut self,
        flow: FlowId,
        reason: CloseReason,
        frame: FrameRef,
        summary: &FlowSummary,
    ) {
        let role = self.roles.take(flow);
        match &role {
            Role::Data(_) | Role::Control(_) | Role::Attempt => {
                self.packets.add_connection(summary);
                self.roles.set(flow, Role::Closed);
            }
            Role::Dns(_) => {
                self.packets.dns += summary.half[0].segments + summary.half[1].segments;
                self.roles.set(flow, Role::DnsClosed);
            }
            _ => {}
        }
        // Before the role's part, which may remove the channel that names the sessions.
        self.close_trace(flow, &role, summary);
        let (sessions, shared) = (&mut self.sessions, &mut self.shared);
        match role {
            Role::Data(id) => data_flows::close(sessions, shared, id, reason, summary),
            Role::Early(number) => self.early.close(number, reason, summary),
            Role::Control(id) => {
                if let Some(session) = sessions.get_mut(id) {
                    session.on_close(shared, reason, frame, summary);
                }
                sessions.finish_if_over(shared, id);
            }
            Role::Attempt => emit_attempt(shared, reason, summary),
            Role::Candidate(mut candidate) => {
                self.candidates.end();
                match candidate.conclude() {
                    Some(Judgement::Ftp { client_way }) => {
                        self.begin_recognized(flow, *candidate, client_way, summary);
                        self.closed(flow, reason, frame, summary);
                    }
                    Some(Judgement::Other(protocol)) => {
                        emit_other_protocol(shared, protocol, summary);
                    }
                    _ if candidate.is_on_port() => emit_attempt(shared, reason, summary),
                    _ => {}
                }
            }
            Role::None | Role::Dns(_) | Role::Unrelated | Role::Closed | Role::DnsClosed => {}
        }
    }

    fn late(&mut self, flow: FlowId) {
        match self.roles.get(flow) {
            Some(Role::Closed) => self.packets.used += 1,
            Some(Role::DnsClosed) => self.packets.dns += 1,
            _ => {}
        }
    }

    fn ending(&mut self, flow: FlowId, summary: &FlowSummary) {
        self.update_summary(flow, summary);
    }

    fn forgotten(&mut self, flow: FlowId, summary: &FlowSummary) {
        if matches!(self.roles.get(flow), Some(Role::Closed)) {
            let way = client_way(&summary.key, summary.initiator);
            let several = self.shared.has_several_captures();
            let connection = Part::whole(summary, way, several).record();
            self.shared.emit(None, EventKind::LatePackets(&connection));
        }
    }

    fn expires(&self, flow: FlowId, silent: Span) -> bool {
        let limits = &self.shared.options.limits;
        match self.roles.get(flow) {
            // A control connection is silent while its transfer runs, which may take hours (RFC 1123 section 4.1.3.2).
            Some(Role::Control(id)) => {
                silent >= limits.control_idle
                    && !self
                        .sessions
                        .get(*id)
                        .is_some_and(|session| session.has_open_data(&self.shared))
            }
            // Candidates and unrelated connections as well, so that a host that vanished frees its entry.
            _ => silent >= limits.data_idle,
        }
    }
}

/// Transitions from one role to another.
impl SessionTracker<'_> {
    fn initial_role(&mut self, flow: FlowId, summary: &FlowSummary) -> Role {
        let key = summary.key;
        let ports = [key.low.port, key.high.port];
        let (sessions, shared) = (&mut self.sessions, &mut self.shared);
        // First, because an announced endpoint may have any port, 21 and 53 as well.
        if let Some(id) = data_flows::open(sessions, shared, summary) {
            return Role::Data(id);
        }
        if ports.contains(&FTP_CONTROL_PORT) {
            return Role::Attempt;
        }
        if ports.contains(&DNS_PORT) {
            return Role::Dns(Box::default());
        }
        let tunneled = [key.low, key.high]
            .iter()
            .any(|end| shared.network.tunnels.contains(end));
        if !shared.open.between(key.hosts()).is_empty()
            && (early_flows::is_early(summary) || tunneled)
        {
            return Role::Early(self.early.open(flow, summary, shared.clock()));
        }
        if ports.contains(&FTP_DATA_PORT) {
            return Role::Data(data_flows::open_unannounced(shared, summary));
        }
        self.new_candidate()
    }

    fn new_candidate(&mut self) -> Role {
        self.candidates
            .begin()
            .map_or(Role::Unrelated, Role::Candidate)
    }

    fn begin_session(&mut self, flow: FlowId, summary: &FlowSummary, client_way: Direction) -> u64 {
        let id = self.sessions.begin(&mut self.shared, summary, client_way);
        // A timer may deliver held bytes while the current packet belongs to another connection.
        self.begun = (summary.last == self.shared.now()).then_some(id);
        self.roles.set(flow, Role::Control(id));
        id
    }

    fn control_bytes(
        &mut self,
        id: u64,
        direction: Direction,
        chunk: Chunk<'_>,
        summary: &FlowSummary,
    ) {
        if let Some(session) = self.sessions.get_mut(id) {
            session.on_data(&mut self.shared, direction, chunk, summary);
        }
        self.claim_early();
    }

    fn apply_judgement(
        &mut self,
        flow: FlowId,
        judgement: Judgement,
        summary: &FlowSummary,
    ) -> Interest {
        match judgement {
            Judgement::Undecided => Interest::Bytes,
            Judgement::Unrelated => {
                self.candidates.end();
                self.roles.set(flow, Role::Unrelated);
                Interest::Ignore
            }
            Judgement::Other(protocol) => {
                self.candidates.end();
                self.roles.set(flow, Role::Unrelated);
                emit_other_protocol(&mut self.shared, protocol, summary);
                Interest::Ignore
            }
            Judgement::Ftp { client_way } => {
                self.candidates.end();
                let Role::Candidate(candidate) = self.roles.take(flow) else {
                    return Interest::Ignore;
                };
                self.begin_recognized(flow, *candidate, client_way, summary);
                Interest::Bytes
            }
        }
    }

    /// Makes a candidate a session, and processes the bytes that it carried so far.
    fn begin_recognized(
        &mut self,
        flow: FlowId,
        candidate: Candidate,
        client_way: Direction,
        summary: &FlowSummary,
    ) {
        let id = self.begin_session(flow, summary, client_way);
        let prelude = candidate.prelude().cloned();
        if let Some(session) = self.sessions.get_mut(id)
            && let Some(prelude) = prelude
        {
            for held in candidate.prelude_chunks() {
                let chunk = Chunk {
                    frame: held.frame,
                    arrived: held.arrived,
                    offset: held.offset,
                    bytes: &held.bytes,
                    waited: false,
                };
                session.tap_prelude(&mut self.shared, held.direction, &chunk, summary);
            }
            session.on_prelude(&mut self.shared, prelude);
        }
        for held in candidate.into_chunks() {
            if held.missing > 0 {
                let gap = Gap {
                    frame: held.frame,
                    offset: held.offset,
                    length: held.missing,
                };
                self.gap(flow, held.direction, gap, summary);
                continue;
            }
            let chunk = Chunk {
                frame: held.frame,
                arrived: held.arrived,
                offset: held.offset,
                bytes: &held.bytes,
                waited: false,
            };
            self.control_bytes(id, held.direction, chunk, summary);
        }
    }

    fn early_bytes(
        &mut self,
        flow: FlowId,
        number: u64,
        direction: Direction,
        chunk: Chunk<'_>,
        summary: &FlowSummary,
    ) -> Interest {
        match self.early.bytes(number, direction, chunk, summary) {
            EarlyBytes::Kept => Interest::Bytes,
            EarlyBytes::Evicted => {
                self.roles.set(flow, Role::Unrelated);
                Interest::Ignore
            }
            EarlyBytes::Tunnel(client_way, prelude) => {
                self.on_tunnel(flow, number, client_way, &prelude, chunk, summary)
            }
            EarlyBytes::MayBeControl(pieces) => {
                if self.begin_candidate(flow, pieces, chunk, summary) == Interest::Ignore {
                    return Interest::Ignore;
                }
                self.data(flow, direction, chunk, summary)
            }
            EarlyBytes::CertainData(early) => {
                self.release_early(*early);
                if let Some(&Role::Data(id)) = self.roles.get(flow) {
                    let (sessions, shared) = (&mut self.sessions, &mut self.shared);
                    data_flows::bytes(sessions, shared, id, direction, chunk, summary);
                }
                Interest::Bytes
            }
        }
    }

    /// Makes an early connection a candidate, and processes the bytes that it carried before `chunk`.
    fn begin_candidate(
        &mut self,
        flow: FlowId,
        pieces: Vec<Piece>,
        chunk: Chunk<'_>,
        summary: &FlowSummary,
    ) -> Interest {
        let role = self.new_candidate();
        self.roles.set(flow, role);
        for piece in pieces {
            let (direction, offset, arrived, bytes) = match piece {
                Piece::Bytes {
                    direction,
                    offset,
                    arrived,
                    bytes,
                } => (direction, offset, arrived, bytes),
                Piece::Gap(direction, gap) => {
                    self.gap(flow, direction, gap, summary);
                    continue;
                }
            };
            let held = Chunk {
                frame: chunk.frame,
                arrived,
                offset,
                bytes: &bytes,
                waited: false,
            };
            if self.data(flow, direction, held, summary) == Interest::Ignore {
                return Interest::Ignore;
            }
        }
        Interest::Bytes
    }

    /// Binds an early connection by the end point that its client named to a proxy. One that no session announced may be
    /// the control connection of another session. All bytes up to the current ones are kept already.
    fn on_tunnel(
        &mut self,
        flow: FlowId,
        number: u64,
        client_way: Direction,
        prelude: &Prelude,
        chunk: Chunk<'_>,
        summary: &FlowSummary,
    ) -> Interest {
        let (sessions, shared) = (&mut self.sessions, &mut self.shared);
        let id = data_flows::open_tunneled(sessions, shared, summary, client_way, prelude);
        let Some(early) = self.early.take(number) else {
            return Interest::Bytes;
        };
        match id {
            Some(id) => {
                self.replay(id, early);
                Interest::Bytes
            }
            None => self.begin_candidate(flow, early.into_pieces(chunk.frame), chunk, summary),
        }
    }

    /// Turns early connections that have been announced since into data connections.
    fn claim_early(&mut self) {
        if !self.shared.take_early_search() {
            return;
        }
        for number in self.early.numbers() {
            let Some(summary) = self.early.summary(number) else {
                continue;
            };
            let (sessions, shared) = (&mut self.sessions, &mut self.shared);
            if let Some(id) = data_flows::open_expected(sessions, shared, summary, false)
                && let Some(early) = self.early.take(number)
            {
                self.replay(id, early);
            }
        }
    }

    /// Gives up on the announcement of an early connection. From or to port 20 it carries data all the same.
    pub(super) fn release_early(&mut self, early: EarlyConnection) {
        if early.is_certain_data() {
            let id = data_flows::open_unannounced(&mut self.shared, &early.summary);
            self.replay(id, early);
        } else if early.closed.is_none() {
            self.roles.set(early.flow, Role::Unrelated);
        }
    }

    /// Makes an early connection a data connection, and processes everything that it carried.
    fn replay(&mut self, id: DataId, early: EarlyConnection) {
        // Events carry the frame that made a fact known: the announcement or the expiry, not the arrival of the bytes.
        let now = self.shared.now();
        let (flow, closed, summary) = (early.flow, early.closed, early.summary.clone());
        if closed.is_none() {
            self.roles.set(flow, Role::Data(id));
        } else {
            self.packets.add_connection(&summary);
        }
        let (sessions, shared) = (&mut self.sessions, &mut self.shared);
        for piece in early.into_pieces(now) {
            match piece {
                Piece::Bytes {
                    direction,
                    offset,
                    arrived,
                    bytes,
                } => {
                    let chunk = Chunk {
                        frame: now,
                        arrived,
                        offset,
                        bytes: &bytes,
                        waited: false,
                    };
                    data_flows::bytes(sessions, shared, id, direction, chunk, &summary);
                }
                Piece::Gap(direction, gap) => data_flows::gap(shared, id, direction, gap),
            }
        }
        if let Some(reason) = closed {
            data_flows::close(sessions, shared, id, reason, &summary);
        }
    }

    fn update_summary(&mut self, flow: FlowId, summary: &FlowSummary) {
        match self.roles.get(flow) {
            Some(&Role::Data(id)) => data_flows::update_summary(&mut self.shared, id, summary),
            Some(&Role::Early(number)) => self.early.update_summary(number, summary),
            _ => {}
        }
    }

    /// Emits the segments of a closed FTP connection, and drops those of any other.
    fn close_trace(&mut self, flow: FlowId, role: &Role, summary: &FlowSummary) {
        let Some(traces) = &mut self.traces else {
            return;
        };
        let (control_of, data_of) = match role {
            Role::Control(id) => (Some(*id), [None; 2]),
            Role::Data(id) => (None, data_flows::claimants(&self.shared, *id)),
            _ => {
                traces.discard(flow);
                return;
            }
        };
        if let Some(connection) = traces.end(flow, control_of, data_of, summary) {
            self.shared.traced(connection);
        }
    }
}

/// Returns whether a segment belongs to an announced data connection.
fn is_expected(shared: &Shared<'_>, segment: &Segment<'_>) -> bool {
    let (source, destination) = (segment.source, segment.destination);
    if !shared
        .expectations
        .may_concern(source.port, destination.port)
    {
        return false;
    }
    let listener = segment.flags.syn().then_some(if segment.flags.ack() {
        source
    } else {
        destination
    });
    shared
        .expectations
        .find(source, destination, listener)
        .is_some()
}

/// Returns the end of a connection whose handshake was captured if the server ended it first; `None` otherwise.
fn closed_by_server(summary: &FlowSummary, client_way: Direction) -> Option<ClosedByServer> {
    let end_of = |way| {
        let half = summary.sent(way);
        let fin = half.fin.map(|frame| (frame, false));
        let reset = half.irregular().rst.map(|frame| (frame, true));
        [fin, reset]
            .into_iter()
            .flatten()
            .min_by_key(|(frame, _)| frame.number)
    };
    let (client, server) = (summary.sent(client_way), summary.sent(client_way.reverse()));
    let opened = client.syn.filter(|_| server.syn.is_some())?;
    let (end, reset) = end_of(client_way.reverse())?;
    if end_of(client_way).is_some_and(|(first, _)| first.number < end.number) {
        return None;
    }
    Some(ClosedByServer {
        client: Address::from(summary.key.source(client_way)),
        server: Address::from(summary.key.destination(client_way)),
        opened: opened.time,
        closed: end.time,
        frame: end.number,
        reset,
    })
}

/// Emits a closed connection to port 21 that never carried a byte.
fn emit_attempt(shared: &mut Shared<'_>, reason: CloseReason, summary: &FlowSummary) {
    let way = client_way(&summary.key, summary.initiator);
    let (client, server) = (summary.sent(way), summary.sent(way.reverse()));
    let outcome = match reason {
        // A SYN ACK before the reset means that the server accepted, and then dropped the connection.
        CloseReason::Reset(by) if by != way && server.syn.is_none() => AttemptOutcome::Refused,
        _ if client.syn.is_some() && server.segments == 0 => AttemptOutcome::Unanswered,
        _ => AttemptOutcome::Closed,
    };
    if outcome == AttemptOutcome::Closed
        && let Some(closed) = closed_by_server(summary, way)
    {
        shared.several.closed_by_server(closed);
    }
    emit_connection(shared, outcome, None, summary);
}

/// Emits a connection to port 21 that carries another protocol than FTP; `None` for one that is not known.
fn emit_other_protocol(
    shared: &mut Shared<'_>,
    protocol: Option<&'static str>,
    summary: &FlowSummary,
) {
    emit_connection(shared, AttemptOutcome::OtherProtocol, protocol, summary);
}

fn emit_connection(
    shared: &mut Shared<'_>,
    outcome: AttemptOutcome,
    protocol: Option<&'static str>,
    summary: &FlowSummary,
) {
    let way = client_way(&summary.key, summary.initiator);
    let place = shared.place(summary.first);
    let attempt = ConnectionAttempt {
        client: Address::from(summary.key.source(way)),
        server: Address::from(summary.key.destination(way)),
        time: summary.first.time,
        frame: summary.first.number,
        capture: place.capture,
        capture_frame: place.capture_frame,
        outcome,
        protocol: protocol.map(str::to_owned),
        connection: Part::whole(summary, way, shared.has_several_captures()).record(),
    };
    shared.emit(None, EventKind::ConnectionAttempt(&attempt));
}
