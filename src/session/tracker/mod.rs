//! All sessions, and the role of each connection.

pub(crate) mod closing;
pub(crate) mod data_flows;
pub(crate) mod dispatch;
pub(crate) mod dns_streams;
pub(crate) mod early_flows;
pub(crate) mod encrypted_flows;
pub(crate) mod progress;
pub(crate) mod recognition;
pub(crate) mod standing;
pub(crate) mod trace;

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::decode::{Datagram, IcmpError};
use crate::model::record::Totals;
use crate::model::{Direction, EventKind, EventSink, FrameRef, Timestamp, TransferSink, Warning};
use crate::protocol::dns::parse_message;
use crate::reassembly::{Chunk, FlowId, FlowSummary, Interest};
use crate::session::data::data_channel::{DataId, FTP_DATA};
use crate::session::data::unmatched::tell_unmatched;
use crate::session::ftp_session::Session;
use crate::session::options::Options;
use crate::session::shared::Shared;
use crate::session::tracker::dns_streams::{DNS, DnsStreams};
use crate::session::tracker::recognition::{Candidate, Judgement, implicit_way};
use crate::session::tracker::trace::Traces;

/// Knows all sessions. Feed it through [`StreamHandler`](crate::reassembly::StreamHandler), [`datagram`](Self::datagram) and [`tick`](Self::tick).
pub struct SessionTracker<'s> {
    pub(crate) roles: Vec<Role>,
    pub(crate) sessions: HashMap<u64, Box<Session>, RandomState>,
    pub(crate) shared: Shared<'s>,
    session_count: u64,
    pub(crate) candidates: usize,
    pub(crate) packets: PacketCounts,
    /// The session that the current packet began, until somebody asks.
    begun: Option<u64>,
    /// Where diagrams are asked for.
    pub(crate) traces: Option<Box<Traces>>,
    /// What is told by the clock, where packets come as they happen.
    pub(crate) watch: Watch,
}

#[derive(Default)]
pub(crate) enum Role {
    #[default]
    None,
    /// To port 21, without a byte so far.
    Attempt,
    Control(u64),
    Candidate(Box<Candidate>),
    Data(DataId),
    /// Between the hosts of an open session; it may be announced later.
    Early(u64),
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

impl PacketCounts {
    /// Those of a connection that is over.
    pub(crate) fn count(&mut self, summary: &FlowSummary) {
        let [up, down] = &summary.half;
        self.used += up.segments + down.segments;
        self.duplicates += up.irregular().second_copies + down.irregular().second_copies;
    }
}

/// When something is to be told again by the clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Watch {
    pub(crate) progress_due: Timestamp,
    /// `None` before the first look.
    pub(crate) several_due: Option<Timestamp>,
}

impl<'s> SessionTracker<'s> {
    /// A tracker that tells `events` what happens and gives the bytes of transfers to `files`. `several_captures`: frames are
    /// told by capture as well.
    pub fn new(
        options: Options,
        several_captures: bool,
        events: &'s mut dyn EventSink,
        files: &'s mut dyn TransferSink,
    ) -> Self {
        let traces = Traces::asked_for(options.tracing, &options.limits).map(Box::new);
        Self {
            traces,
            roles: Vec::new(),
            sessions: HashMap::default(),
            shared: Shared::new(options, several_captures, events, files),
            session_count: 0,
            candidates: 0,
            packets: PacketCounts::default(),
            begun: None,
            watch: Watch::default(),
        }
    }

    /// The packet that is looked at from here on, and the time from which timers go that it starts.
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
        self.forget_early(now);
        while let Some((session, transfer)) = self.shared.waited(now) {
            if let Some(session) = self.sessions.get_mut(&session) {
                session.let_go(&mut self.shared, now);
                session.settle_after_waiting(&mut self.shared, transfer);
            }
            self.finish_if_over(session);
        }
        if self.shared.options.live {
            self.tell_by_the_clock(now);
        }
    }

    /// The input ended and all connections were closed: tells what is left.
    pub fn finish(&mut self) -> Vec<Warning> {
        self.forget_all_early();
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

    pub(crate) fn role(&mut self, flow: FlowId) -> &mut Role {
        let index = flow.0 as usize;
        if index >= self.roles.len() {
            self.roles.resize_with(index + 1, Role::default);
        }
        &mut self.roles[index]
    }

    pub(crate) fn begin_session(
        &mut self,
        flow: FlowId,
        summary: &FlowSummary,
        client_way: Direction,
    ) -> u64 {
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

    pub(crate) fn control_data(&mut self, id: u64, direction: Direction, chunk: Chunk<'_>) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.bytes(&mut self.shared, direction, chunk);
        }
        self.claim_early();
    }

    pub(crate) fn candidate_data(
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
                        waited: false,
                    };
                    self.control_data(id, held.direction, chunk);
                }
                Interest::Bytes
            }
        }
    }
}
