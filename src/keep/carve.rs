//! Packets of chosen sessions: found in a first reading of the captures, written in a second one.
//!
//! ```text
//! first reading:   events, traced connections ─> PacketChooser ─┐
//!                  joined fragments ───────────> FragmentLog ───┴> ChosenPackets
//! second reading:  packet ─> Decoder ─> ChosenPackets ─> Carver ─> pcapng blocks
//! ```
//!
//! Two readings, because the owner of a packet may be known long after it passed: a data connection whose reply 227 was lost, or a
//! session that `--where` accepts at its end. What is remembered between them grows with the connections of FTP and not with
//! the packets: a connection is its end points and the frames at which it begins and ends.
//!
//! A packet belongs to the connection of its innermost TCP segment, so that tunnels and VLAN tags come along as captured. ICMP
//! errors belong to the connection that they quote, fragments to the datagram that they complete.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::clear_copy::{ClearCopies, MadePacket, SeenTls};
use super::redact::{
    Classes, HeldFragment, PacketPatcher, Redaction, RedactionKey, SessionFacts, StreamCollector,
};
use super::{EmbeddedSecrets, PacketSink, PcapNgWriter, Relation};
use crate::capture::{DescribedInterface, HostName, Input, LinkType, Notes, Packet};
use crate::decode::{Decoded, Decoder, Segment};
use crate::model::record::{Session, StepKind, Tls};
use crate::model::trace::TracedConnection;
use crate::model::wire_text::printable;
use crate::model::{
    Endpoint, Event, EventKind, EventSink, FlowKey, FrameRef, Limits, Span, Timestamp,
};
use crate::protocol::tls::decryption::Keyring;

/// The kinds of packets to carve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketKinds {
    /// Control connections, and the ident lookups (RFC 1413) that servers make before they greet.
    pub control: bool,
    /// Data connections.
    pub data: bool,
    /// Lookups of the servers' names.
    pub dns: bool,
    /// ICMP errors about control and data connections.
    pub icmp: bool,
}

impl PacketKinds {
    /// All packets of a session.
    pub const ALL: Self = Self {
        control: true,
        data: true,
        dns: true,
        icmp: true,
    };
}

/// A chosen session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChosenSession {
    /// Id within the first reading.
    pub id: u64,
    /// The session's `uid`; that of the redacted session once addresses are replaced.
    pub uid: String,
    key: FlowKey,
    start: Timestamp,
}

/// A redaction to plan at the end of the first reading.
pub struct RedactionPlan<'u> {
    /// Bytes that the first reading collected.
    pub collected: StreamCollector,
    /// Classes to replace.
    pub classes: Classes,
    /// Key of all replacements.
    pub key: RedactionKey,
    /// Returns the `uid` of a connection between end points, by the time of its first packet.
    pub uid: &'u dyn Fn(FlowKey, Timestamp) -> String,
}

/// A sink for the first reading: the connections and lookups of the sessions that arrive with their end.
///
/// Sessions to be left out have to be filtered before it.
#[derive(Debug)]
pub struct PacketChooser {
    kinds: PacketKinds,
    with_comments: bool,
    sessions: Vec<ChosenSession>,
    /// Index into `sessions` by id.
    by_id: HashMap<u64, u32, RandomState>,
    rejected: HashSet<u64, RandomState>,
    connections: Vec<SeenConnection>,
    /// Length of `connections` at which those of rejected sessions are dropped.
    next_sweep: usize,
    lookups: Vec<(u64, u32)>,
    /// Place, session, number and title of steps.
    comments: Vec<(CommentPlace, u32, u64, String)>,
    comment_bytes: usize,
    /// `None` unless the packets are redacted.
    facts: Option<SessionFacts>,
    /// Server, client and time of each session, for ident lookups.
    idents: Vec<(Endpoint, Endpoint, Timestamp, Timestamp, u32)>,
    /// First and last packets of connections with TLS, and whether they were opened.
    tls: HashMap<FlowKey, Vec<(Timestamp, Timestamp, SeenTls)>, RandomState>,
}

/// A connection of FTP, with the ids of its sessions.
#[derive(Clone, Copy, Debug)]
struct SeenConnection {
    key: FlowKey,
    span: FrameSpan,
    /// First frame in the flow table, without a handshake that passed before.
    flow_first: u64,
    sessions: [Option<u64>; 3],
    is_control: bool,
}

/// First and last packet of a connection.
#[derive(Clone, Copy, Debug)]
struct FrameSpan {
    first: u64,
    last: u64,
    begins: Timestamp,
    ends: Timestamp,
}

/// The packet that a comment is about.
#[derive(Clone, Copy, Debug)]
enum CommentPlace {
    Frame(u64),
    /// First packet of the control connection.
    ControlStart,
}

impl PacketChooser {
    /// Creates a sink that chooses packets of `kinds`, with a comment on the first packet of each step if `with_comments`.
    #[must_use]
    pub fn new(kinds: PacketKinds, with_comments: bool) -> Self {
        Self {
            kinds,
            with_comments,
            sessions: Vec::new(),
            by_id: HashMap::default(),
            rejected: HashSet::default(),
            connections: Vec::new(),
            next_sweep: SWEEP,
            lookups: Vec::new(),
            comments: Vec::new(),
            comment_bytes: 0,
            facts: None,
            idents: Vec::new(),
            tls: HashMap::default(),
        }
    }

    /// Collects what a redaction needs to know of the sessions.
    pub fn prepare_redaction(&mut self) {
        self.facts = Some(SessionFacts::default());
    }

    /// Ends the first reading.
    #[must_use]
    pub fn finish(
        mut self,
        fragments: FragmentLog,
        redaction: Option<RedactionPlan<'_>>,
    ) -> ChosenPackets {
        self.join();
        let Self { kinds, by_id, .. } = self;
        let facts = self.facts.take().unwrap_or_default();
        let redaction = redaction.map(|plan| {
            let redaction = Redaction::new(plan.collected, &facts, plan.classes, plan.key);
            for session in &mut self.sessions {
                let key = session.key;
                let [low, high] = [key.low, key.high].map(|end| redaction.endpoint(end));
                session.uid = (plan.uid)(FlowKey::new(low, high).0, session.start);
            }
            redaction
        });
        let mut chosen = ChosenPackets {
            kinds,
            sessions: self.sessions,
            connections: HashMap::default(),
            frames: HashMap::default(),
            comments: HashMap::default(),
            idents: HashMap::default(),
            hosts: HashSet::default(),
            tls_fragments: HashSet::default(),
            joined: HashMap::default(),
            redaction,
        };
        let mut starts: HashMap<u32, u64, RandomState> = HashMap::default();
        for seen in self.connections {
            let owners = seen.sessions.map(|id| by_id.get(&id?).copied());
            if seen.is_control
                && let Some(owner) = owners.into_iter().flatten().next()
            {
                starts.insert(owner, seen.span.first);
            }
            let wanted = if seen.is_control {
                kinds.control
            } else {
                kinds.data
            };
            // Those of other sessions stay in the list: they bound the chosen ones between the same end points.
            let connection = ChosenConnection {
                span: seen.span,
                flow_first: seen.flow_first,
                owners,
                wanted,
                tls: self.tls.get(&seen.key).and_then(|list| {
                    let overlaps = |from, to| from <= seen.span.ends && seen.span.begins <= to;
                    let found = list.iter().find(|(from, to, _)| overlaps(*from, *to));
                    found.map(|(_, _, tls)| *tls)
                }),
            };
            chosen
                .connections
                .entry(seen.key)
                .or_default()
                .push(connection);
        }
        // Between end points that no chosen session has, nothing needs to be bounded.
        chosen
            .connections
            .retain(|_, list| list.iter().any(|one| one.owners != [None; 3]));
        for (frame, owner) in self.lookups {
            chosen.frames.entry(frame).or_default().push(owner);
        }
        for (server, client, from, to, owner) in self.idents {
            chosen.hosts.extend([server.ip(), client.ip()]);
            let list = chosen
                .idents
                .entry((server.address, client.address))
                .or_default();
            list.push((from, to, owner));
        }
        for (place, owner, step, title) in self.comments {
            let frame = match place {
                CommentPlace::Frame(frame) => Some(frame),
                CommentPlace::ControlStart => starts.get(&owner).copied(),
            };
            let session = chosen.sessions.get(owner as usize);
            if let (Some(frame), Some(session)) = (frame, session) {
                let title = match &chosen.redaction {
                    Some(redaction) => redaction.title(&title),
                    None => title,
                };
                let text = format!(
                    "session {} ({}), step {step}: {}",
                    session.id,
                    session.uid,
                    printable(&title)
                );
                chosen
                    .comments
                    .entry(frame)
                    .or_default()
                    .push((owner, text));
            }
        }
        chosen.add_fragments(fragments);
        chosen
    }

    fn add(&mut self, session: &Session) {
        let owner = u32::try_from(self.sessions.len()).unwrap_or(u32::MAX);
        if let Some(facts) = &mut self.facts {
            facts.add(session);
        }
        let server = Endpoint::new(session.server.ip, session.server.port);
        self.sessions.push(ChosenSession {
            id: session.id,
            uid: session.uid.to_string(),
            key: FlowKey::new(session.client.into(), server).0,
            start: session.start,
        });
        self.by_id.insert(session.id, owner);
        if self.kinds.dns
            && let Some(dns) = &session.dns
        {
            let frames = dns.query_frame.into_iter().chain([dns.response_frame]);
            self.lookups.extend(frames.map(|frame| (frame, owner)));
        }
        self.note_tls(session);
        // A connection that was tied to the session only after its end has no trace.
        let data = session.transfers.iter().flat_map(|one| &one.connection);
        let encrypted = session.encrypted_data.iter().map(|one| &one.connection);
        for connection in data.chain(encrypted) {
            let (key, _) = FlowKey::new(connection.client.into(), connection.server.into());
            self.connections.push(SeenConnection {
                key,
                span: FrameSpan {
                    first: connection.first_frame,
                    last: connection.last_frame,
                    begins: connection.start,
                    ends: connection.end,
                },
                flow_first: connection.first_frame,
                sessions: [Some(session.id), None, None],
                is_control: false,
            });
        }
        self.sweep();
        let server = Endpoint::new(session.server.ip, IDENT_PORT);
        let client = Endpoint::from(session.client);
        self.idents
            .push((server, client, session.start, session.end, owner));
        if self.with_comments {
            self.comment(session, owner);
        }
    }

    /// Notes which connections of a session have TLS.
    fn note_tls(&mut self, session: &Session) {
        let server = Endpoint::new(session.server.ip, session.server.port);
        let mut note = |one: Endpoint, other: Endpoint, times: (Timestamp, Timestamp), tls, of| {
            let (key, _) = FlowKey::new(one, other);
            let list = self.tls.entry(key).or_default();
            list.push((times.0, times.1, seen_tls(tls, of)));
        };
        if let Some(tls) = &session.tls {
            let times = (session.start, session.end);
            note(session.client.into(), server, times, tls, Some(server));
        }
        let transfers = session.transfers.iter().filter_map(|one| {
            let connection = one.connection.as_ref()?;
            Some((connection, one.tls.as_ref()?))
        });
        let unclaimed = session.encrypted_data.iter();
        let unclaimed = unclaimed.filter_map(|one| Some((&one.connection, one.tls.as_ref()?)));
        for (connection, tls) in transfers.chain(unclaimed) {
            let times = (connection.start, connection.end);
            let (client, server) = (connection.client.into(), connection.server.into());
            note(client, server, times, tls, None);
        }
    }

    fn comment(&mut self, session: &Session, owner: u32) {
        for step in &session.steps {
            let place = match (step.kind, step.commands.first()) {
                (_, Some(command)) => CommentPlace::Frame(command.frame),
                (StepKind::Connect, None) => CommentPlace::ControlStart,
                (StepKind::Dns, None) => {
                    let Some(dns) = &session.dns else { continue };
                    CommentPlace::Frame(dns.query_frame.unwrap_or(dns.response_frame))
                }
                (StepKind::Greeting, None) => {
                    let Some(greeting) = &session.greeting else {
                        continue;
                    };
                    CommentPlace::Frame(greeting.frame)
                }
                _ => continue,
            };
            self.comment_bytes += COMMENT_FRAME + step.title.len();
            // Of a capture of millions of steps the later ones have none: the packets matter more.
            if self.comment_bytes > COMMENT_BYTES {
                return;
            }
            self.comments
                .push((place, owner, step.number, step.title.clone()));
        }
    }

    /// Drops connections of which every session was left out, and joins the trace of one with its record.
    fn sweep(&mut self) {
        if self.connections.len() < self.next_sweep {
            return;
        }
        let rejected = &self.rejected;
        self.connections.retain(|seen| {
            let mut sessions = seen.sessions.iter().flatten();
            !sessions.all(|id| rejected.contains(id))
        });
        self.join();
        self.next_sweep = self.connections.len() * 2 + SWEEP;
    }

    fn join(&mut self) {
        self.connections
            .sort_unstable_by_key(|seen| (seen.key, seen.span.first));
        self.connections.dedup_by(|other, kept| {
            let is_same = other.key == kept.key && other.span.first == kept.span.first;
            if is_same {
                kept.is_control |= other.is_control;
                if other.span.last > kept.span.last {
                    kept.span = other.span;
                }
                for id in other.sessions.into_iter().flatten() {
                    if !kept.sessions.contains(&Some(id))
                        && let Some(free) = kept.sessions.iter_mut().find(|one| one.is_none())
                    {
                        *free = Some(id);
                    }
                }
            }
            is_same
        });
    }
}

impl EventSink for PacketChooser {
    fn event(&mut self, event: &Event<'_>) {
        if let EventKind::SessionEnd(session) = &event.kind {
            self.add(session);
        }
    }

    fn connection(&mut self, connection: TracedConnection) {
        let [one, other] = connection.data_of;
        // A handshake that passed before the connection was recognized is among the segments.
        let earliest = connection.segments.first().map(|segment| segment.frame);
        let first = match earliest {
            Some(frame) if frame.number < connection.first.number => frame,
            _ => connection.first,
        };
        self.connections.push(SeenConnection {
            key: connection.key,
            span: FrameSpan {
                first: first.number,
                last: connection.last.number,
                begins: first.time,
                ends: connection.last.time,
            },
            flow_first: connection.first.number,
            sessions: [connection.control_of, one, other],
            is_control: connection.control_of.is_some(),
        });
        self.sweep();
    }

    fn session_filtered(&mut self, session: &Arc<Session>) {
        self.rejected.insert(session.id);
    }

    fn wants_connections(&self) -> bool {
        true
    }
}

/// A sink for the first reading: frames of fragments by the connection or the packet that they completed.
#[derive(Debug, Default)]
pub struct FragmentLog {
    /// Completing frame, its connection if it held a segment, and an earlier frame.
    fragments: Vec<(FrameRef, Option<FlowKey>, u64)>,
    /// Fragments beyond the limit, which are missing in the output.
    pub omitted: u64,
}

impl PacketSink for FragmentLog {
    fn packet(&mut self, _: &Packet<'_>, _: Relation) {}

    fn fragments(&mut self, frame: FrameRef, earlier: &[u64], relation: Relation) {
        let key = match relation {
            Relation::Session(key) | Relation::Undecided(key) => Some(key),
            Relation::Dns => None,
            Relation::Unrelated => return,
        };
        if self.fragments.len() + earlier.len() > MAX_FRAGMENTS {
            self.omitted += earlier.len() as u64;
            return;
        }
        let earlier = earlier.iter().map(|number| (frame, key, *number));
        self.fragments.extend(earlier);
    }

    fn session(&mut self, _: FlowKey, _: &[u64]) {}
}

/// The packets to write, by connection and by frame.
#[derive(Debug)]
pub struct ChosenPackets {
    kinds: PacketKinds,
    sessions: Vec<ChosenSession>,
    /// Connections between the same end points, in order of their first frames.
    connections: HashMap<FlowKey, Vec<ChosenConnection>, RandomState>,
    /// Owners of single packets: lookups and fragments.
    frames: HashMap<u64, Vec<u32>, RandomState>,
    comments: HashMap<u64, Vec<(u32, String)>, RandomState>,
    /// Times of sessions by server and client.
    idents: HashMap<(u128, u128), Vec<SessionTime>, RandomState>,
    /// Hosts whose names are carried over.
    hosts: HashSet<IpAddr, RandomState>,
    /// Frames of fragments of connections with TLS.
    tls_fragments: HashSet<u64, RandomState>,
    /// Frame that completes the datagram, by the frame of each of its fragments.
    joined: HashMap<u64, FrameRef, RandomState>,
    /// `None` if packets are written as they were captured.
    redaction: Option<Redaction>,
}

#[derive(Clone, Copy, Debug)]
struct ChosenConnection {
    span: FrameSpan,
    flow_first: u64,
    /// Indices of chosen sessions; all `None` for a connection of others.
    owners: [Option<u32>; 3],
    /// False if its kind was not asked for.
    wanted: bool,
    /// `None` for a connection without TLS.
    tls: Option<SeenTls>,
}

/// A connection in a redacted file of which nothing but the hello was looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncryptedConnection {
    /// Its first frame in the captures.
    pub first_frame: u64,
    /// End point of the FTP client, as the redacted file has it.
    pub client: Endpoint,
    /// End point of the FTP server, as the redacted file has it.
    pub server: Endpoint,
}

impl std::fmt::Display for EncryptedConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            first_frame,
            client,
            server,
        } = self;
        write!(f, "{client} to {server} from frame {first_frame} on")
    }
}

/// Indices of the sessions that a packet belongs to, in ascending order. Nearly always it is one, which costs no allocation.
#[derive(Clone, Debug, Default)]
pub(super) struct Owners {
    first: Option<u32>,
    others: BTreeSet<u32>,
}

impl Owners {
    pub(super) const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u32> {
        self.first.into_iter().chain(self.others.iter().copied())
    }
}

impl Extend<u32> for Owners {
    fn extend<I: IntoIterator<Item = u32>>(&mut self, owners: I) {
        for owner in owners {
            match self.first {
                None => self.first = Some(owner),
                Some(first) if owner == first => {}
                Some(first) => {
                    self.first = Some(first.min(owner));
                    self.others.insert(first.max(owner));
                }
            }
        }
    }
}

/// Time of a session and its index.
type SessionTime = (Timestamp, Timestamp, u32);

impl ChosenPackets {
    /// Returns the chosen sessions, in the order of their ends.
    #[must_use]
    pub fn sessions(&self) -> &[ChosenSession] {
        &self.sessions
    }

    /// Returns the redaction; `None` if packets are written as they were captured.
    #[must_use]
    pub const fn redaction(&self) -> Option<&Redaction> {
        self.redaction.as_ref()
    }

    /// Returns the connections in a redacted file that stay encrypted: all, or those of the session with index `owner`.
    #[must_use]
    pub fn encrypted(&self, owner: Option<u32>) -> Vec<EncryptedConnection> {
        let redaction = self.redaction.as_ref();
        let all = redaction.into_iter().flat_map(Redaction::encrypted);
        let wanted = all.filter(|&(first, &[client, server])| {
            let list = self.connections.get(&FlowKey::new(client, server).0);
            let mut list = list.into_iter().flatten();
            list.any(|one| {
                let is_owned = owner.is_none_or(|owner| one.owners.contains(&Some(owner)));
                one.flow_first == *first && one.wanted && is_owned
            })
        });
        let named = wanted.zip(redaction.into_iter().cycle());
        named
            .map(|((first, ends), redaction)| {
                let [client, server] = ends.map(|end| redaction.endpoint(end));
                EncryptedConnection {
                    first_frame: *first,
                    client,
                    server,
                }
            })
            .collect()
    }

    /// Returns the index of each session that a packet belongs to, without repetition.
    pub(super) fn owners(&self, packet: &Packet<'_>, decoded: &Decoded<'_>) -> Owners {
        let mut owners = Owners::default();
        match decoded {
            Decoded::Segment(segment) => {
                let (key, _) = FlowKey::new(segment.source, segment.destination);
                if let Some(connection) = self.connection(key, segment.frame)
                    && connection.wanted
                {
                    owners.extend(connection.owners.into_iter().flatten());
                }
                if segment.source.port == IDENT_PORT || segment.destination.port == IDENT_PORT {
                    owners.extend(self.ident(segment.source, segment.destination, segment.frame));
                }
            }
            Decoded::Icmp(error) if self.kinds.icmp => {
                let (key, _) = FlowKey::new(error.source, error.destination);
                if let Some(connection) = self.connection(key, error.frame) {
                    owners.extend(connection.owners.into_iter().flatten());
                }
            }
            Decoded::Icmp(_) | Decoded::Datagram(_) | Decoded::Skipped(_) => {}
        }
        if let Some(more) = self.frames.get(&packet.frame.number) {
            owners.extend(more.iter().copied());
        }
        owners
    }

    /// Returns the connection between two end points that `frame` belongs to.
    ///
    /// Packets before its first and behind its last one belong to it for a while: a SYN that was repeated, the
    /// acknowledgment of the last FIN, an ICMP error.
    fn connection(&self, key: FlowKey, frame: FrameRef) -> Option<&ChosenConnection> {
        let list = self.connections.get(&key)?;
        let next = list.partition_point(|one| one.span.first <= frame.number);
        let before = next.checked_sub(1).and_then(|index| list.get(index));
        let is_near = |from: Timestamp, to: Timestamp| to.since(from) <= NEIGHBOURHOOD;
        if let Some(one) = before
            && (frame.number <= one.span.last || is_near(one.span.ends, frame.time))
        {
            return Some(one);
        }
        let after = list.get(next)?;
        is_near(frame.time, after.span.begins).then_some(after)
    }

    /// Returns the connection of a segment, if it has TLS.
    fn with_tls(&self, segment: &Segment<'_>) -> Option<(FlowKey, &ChosenConnection)> {
        let (key, _) = FlowKey::new(segment.source, segment.destination);
        let connection = self.connection(key, segment.frame)?;
        connection.tls.is_some().then_some((key, connection))
    }

    /// Returns the owners of a segment from or to port 113.
    fn ident(&self, one: Endpoint, other: Endpoint, frame: FrameRef) -> Vec<u32> {
        if !self.kinds.control {
            return Vec::new();
        }
        let (server, client) = if other.port == IDENT_PORT {
            (one, other)
        } else {
            (other, one)
        };
        let list = self.idents.get(&(server.address, client.address));
        let during = list
            .into_iter()
            .flatten()
            .filter(|(from, to, _)| (*from..=*to).contains(&frame.time));
        during.map(|(_, _, owner)| *owner).collect()
    }

    fn add_fragments(&mut self, log: FragmentLog) {
        for (frame, key, earlier) in log.fragments {
            let owners: Vec<u32> = match key {
                Some(key) => {
                    let found = self.connection(key, frame).filter(|one| one.wanted);
                    let owners = found.map_or([None; 3], |one| one.owners);
                    if found.is_some_and(|one| one.tls.is_some()) {
                        self.tls_fragments.insert(earlier);
                    }
                    owners.into_iter().flatten().collect()
                }
                None => self.frames.get(&frame.number).cloned().unwrap_or_default(),
            };
            if !owners.is_empty() {
                self.frames.entry(earlier).or_default().extend(owners);
                self.joined.insert(earlier, frame);
                self.joined.insert(frame.number, frame);
            }
        }
    }
}

/// A place for the blocks of pcapng files.
pub trait CarvedFiles {
    /// Appends `blocks`, which are whole, to file `file`.
    fn append(&mut self, file: usize, blocks: &[u8]) -> io::Result<()>;
}

/// A writer of the chosen packets, for the second reading.
pub struct Carver<'c> {
    chosen: &'c ChosenPackets,
    decoder: Decoder,
    /// Names of the inputs in the order of their capture numbers.
    names: Vec<String>,
    /// One file for each session, in their order; otherwise one for all.
    is_split: bool,
    writers: BTreeMap<usize, PcapNgWriter>,
    /// Blocks that are not written yet, and their file.
    blocks: Vec<u8>,
    blocks_of: usize,
    /// Interfaces of the captures, as far as they are described.
    interfaces: HashMap<(u32, LinkType), DescribedInterface, RandomState>,
    /// Comments of a captured packet, and its frame.
    noted: (u64, Vec<String>),
    packets: u64,
    left_secrets: bool,
    secrets: EmbeddedSecrets,
    /// `None` if connections with TLS are written as they were captured.
    clear: Option<ClearCopies>,
    /// Connections with TLS that stay closed, and are left out.
    closed: BTreeSet<(FlowKey, u64)>,
    /// The latest frame whose comments a made packet has.
    commented: u64,
    failure: Option<io::Error>,
    patcher: PacketPatcher,
    /// Buffer of the redacted packet.
    redacted: Vec<u8>,
    /// Fragments whose datagram is not complete, and the packets behind the first of them.
    waiting: VecDeque<WaitingPacket>,
    waiting_bytes: usize,
}

/// A redacted packet that waits for its turn.
struct WaitingPacket {
    frame: FrameRef,
    link: LinkType,
    wire_len: u32,
    owners: Owners,
    content: WaitingContent,
}

enum WaitingContent {
    Ready(Vec<u8>),
    /// The frame completes the datagram.
    Fragment(u64, Box<HeldFragment>),
}

impl<'c> Carver<'c> {
    /// Creates a writer; `names` are the inputs' names, and with `is_split` each session gets a file of its own.
    #[must_use]
    pub fn new(chosen: &'c ChosenPackets, names: Vec<String>, is_split: bool) -> Self {
        Self {
            chosen,
            decoder: Decoder::new(&Limits::default()),
            names: match &chosen.redaction {
                None => names,
                // Files are named after customers, hosts and users.
                Some(_) => (1..=names.len())
                    .map(|number| format!("capture {number}"))
                    .collect(),
            },
            is_split,
            writers: BTreeMap::new(),
            blocks: Vec::new(),
            blocks_of: 0,
            interfaces: HashMap::default(),
            noted: (0, Vec::new()),
            packets: 0,
            left_secrets: false,
            secrets: EmbeddedSecrets::default(),
            clear: None,
            closed: BTreeSet::new(),
            commented: 0,
            failure: None,
            patcher: PacketPatcher::default(),
            redacted: Vec::new(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
        }
    }

    /// Writes `secrets` before the first packet of each file that holds one of their connections.
    pub fn embed(&mut self, secrets: EmbeddedSecrets) {
        self.secrets = secrets;
    }

    /// Writes connections with TLS in clear, as far as `keyring` opens them; others are left out.
    pub fn decrypt(&mut self, keyring: Keyring) {
        self.clear = Some(ClearCopies::new(keyring));
    }

    /// Number of connections with TLS that were left out since they stay closed.
    #[must_use]
    pub fn closed_connections(&self) -> usize {
        self.closed.len()
    }

    /// Number of packets written; one that went to several files counts once.
    #[must_use]
    pub const fn packets(&self) -> u64 {
        self.packets
    }

    /// Returns true if the inputs had secrets for decryption, which are not carried over.
    #[must_use]
    pub const fn has_left_secrets(&self) -> bool {
        self.left_secrets
    }

    /// Passes one item of the second reading; returns false once a file could not be written.
    pub fn input(&mut self, input: &Input<'_>, files: &mut dyn CarvedFiles) -> bool {
        match input {
            Input::Packet(packet) => self.packet(packet, files),
            // Names of hosts are not carried over into a redacted file.
            Input::Names(names) if self.chosen.redaction.is_none() => {
                self.host_names(names, files);
            }
            Input::Notes(notes) => self.note(notes),
            Input::Secrets(_) => self.left_secrets = true,
            _ => {}
        }
        self.failure.is_none()
    }

    /// Ends the writing. A single file without any packet still has its section header.
    ///
    /// # Errors
    ///
    /// The first failure to write.
    pub fn finish(mut self, files: &mut dyn CarvedFiles) -> io::Result<()> {
        self.give_up_fragments();
        self.write_ready(files);
        if let Some(clear) = self.clear.take() {
            self.write_made(&clear.finish(), files);
        }
        if !self.is_split {
            self.begin(0, files);
        }
        self.flush(files);
        self.failure.map_or(Ok(()), Err)
    }

    /// Keeps what a capture says of a packet and of interfaces. Nothing but snap lengths goes into a redacted file.
    fn note(&mut self, notes: &Notes) {
        let is_redacted = self.chosen.redaction.is_some();
        for interface in &notes.interfaces {
            let mut interface = interface.clone();
            if is_redacted {
                interface.name.clear();
                interface.options.clear();
            }
            let key = (notes.frame.capture(), interface.link);
            match self.interfaces.entry(key) {
                Entry::Vacant(entry) => {
                    entry.insert(interface);
                }
                Entry::Occupied(entry) => join_interfaces(entry.into_mut(), interface),
            }
        }
        if !is_redacted && !notes.comments.is_empty() {
            self.noted = (notes.frame.number, notes.comments.clone());
        }
    }

    fn packet(&mut self, packet: &Packet<'_>, files: &mut dyn CarvedFiles) {
        let owners = match self.decoder.decode(packet) {
            // The two results of nearly all foreign packets that cost no look-up.
            Decoded::Skipped(_) | Decoded::Datagram(_) if self.chosen.frames.is_empty() => return,
            decoded => {
                let owners = self.chosen.owners(packet, &decoded);
                if let (Some(clear), Decoded::Segment(segment)) = (&mut self.clear, &decoded)
                    && let Some((key, connection)) = self.chosen.with_tls(segment)
                    && !owners.is_empty()
                {
                    match connection.tls {
                        Some(SeenTls::Opened { control_server }) => {
                            let made = clear.segment(segment, control_server, owners);
                            self.write_made(&made, files);
                        }
                        _ => {
                            self.closed.insert((key, connection.span.first));
                        }
                    }
                    return;
                }
                owners
            }
        };
        let is_sealed =
            self.clear.is_some() && self.chosen.tls_fragments.contains(&packet.frame.number);
        if owners.is_empty() || is_sealed {
            return;
        }
        self.packets += 1;
        let chosen = self.chosen;
        match &chosen.redaction {
            None => self.write_packet(packet, &owners, files),
            Some(redaction) => self.redact(packet, owners, redaction, files),
        }
    }

    /// Writes a packet redacted, or holds it until the datagram is complete of which it is a fragment.
    fn redact(
        &mut self,
        packet: &Packet<'_>,
        owners: Owners,
        redaction: &Redaction,
        files: &mut dyn CarvedFiles,
    ) {
        let chosen = self.chosen;
        let find = |key| {
            chosen
                .connection(key, packet.frame)
                .map(|one| one.flow_first)
        };
        let mut redacted = std::mem::take(&mut self.redacted);
        let fragment = self.patcher.patch(packet, redaction, &find, &mut redacted);
        if fragment.is_none() && self.waiting.is_empty() {
            let data = &redacted;
            self.write_packet(&Packet { data, ..*packet }, &owners, files);
            self.redacted = redacted;
            return;
        }
        let number = packet.frame.number;
        let content = match fragment {
            None => WaitingContent::Ready(redacted),
            Some(fragment) => {
                let complete = chosen.joined.get(&number).map_or(0, |frame| frame.number);
                WaitingContent::Fragment(complete, Box::new(fragment))
            }
        };
        self.waiting_bytes += packet.data.len();
        self.waiting.push_back(WaitingPacket {
            frame: packet.frame,
            link: packet.link,
            wire_len: packet.wire_len,
            owners,
            content,
        });
        if chosen
            .joined
            .get(&number)
            .is_some_and(|frame| frame.number == number)
        {
            self.join_fragments(number, redaction, &find);
        }
        if self.waiting_bytes > WAITING_BYTES {
            self.give_up_fragments();
        }
        self.write_ready(files);
    }

    /// Redacts the fragments of the datagram that frame `number` completes.
    fn join_fragments(
        &mut self,
        number: u64,
        redaction: &Redaction,
        find: &dyn Fn(FlowKey) -> Option<u64>,
    ) {
        let of_datagram = self
            .waiting
            .iter_mut()
            .filter_map(|one| match &mut one.content {
                WaitingContent::Fragment(complete, fragment) if *complete == number => {
                    Some(&mut **fragment)
                }
                _ => None,
            });
        let mut fragments: Vec<_> = of_datagram.collect();
        self.patcher.join(&mut fragments, redaction, find);
        for one in &mut self.waiting {
            if let WaitingContent::Fragment(complete, fragment) = &mut one.content
                && *complete == number
            {
                one.content = WaitingContent::Ready(std::mem::take(&mut fragment.new));
            }
        }
    }

    /// Hides the fragments that still wait for others.
    fn give_up_fragments(&mut self) {
        for one in &mut self.waiting {
            if let WaitingContent::Fragment(_, fragment) = &mut one.content {
                fragment.give_up();
                one.content = WaitingContent::Ready(std::mem::take(&mut fragment.new));
            }
        }
    }

    /// Writes packets up to the first fragment that waits for others.
    fn write_ready(&mut self, files: &mut dyn CarvedFiles) {
        while let Some(WaitingPacket {
            content: WaitingContent::Ready(_),
            ..
        }) = self.waiting.front()
        {
            let Some(one) = self.waiting.pop_front() else {
                return;
            };
            let WaitingContent::Ready(data) = &one.content else {
                return;
            };
            self.waiting_bytes -= data.len();
            let packet = Packet {
                frame: one.frame,
                link: one.link,
                wire_len: one.wire_len,
                data,
            };
            self.write_packet(&packet, &one.owners, files);
        }
    }

    /// Writes a packet to the files of its sessions.
    fn write_packet(&mut self, packet: &Packet<'_>, owners: &Owners, files: &mut dyn CarvedFiles) {
        let chosen = self.chosen;
        let comments = chosen.comments.get(&packet.frame.number);
        let comments = comments.map(Vec::as_slice).unwrap_or_default();
        let noted = std::mem::take(&mut self.noted);
        let captured: &[String] = if noted.0 == packet.frame.number {
            &noted.1
        } else {
            &[]
        };
        let captured = captured.iter().map(String::as_str);
        let texts = |owner: Option<u32>| -> Vec<&str> {
            let own = comments
                .iter()
                .filter(|(of, _)| owner.is_none_or(|owner| *of == owner));
            captured
                .clone()
                .chain(own.map(|(_, text)| text.as_str()))
                .collect()
        };
        if self.is_split {
            for owner in owners.iter() {
                self.write(owner as usize, packet, &texts(Some(owner)), files);
            }
        } else {
            self.write(0, packet, &texts(None), files);
        }
        if noted.0 > packet.frame.number {
            self.noted = noted;
        }
    }

    fn write(
        &mut self,
        file: usize,
        packet: &Packet<'_>,
        comments: &[&str],
        files: &mut dyn CarvedFiles,
    ) {
        self.begin(file, files);
        let Self {
            names,
            interfaces,
            writers,
            blocks,
            ..
        } = self;
        let interface = || {
            let capture = packet.frame.capture();
            let key = (capture, packet.link);
            let mut interface = interfaces.get(&key).cloned().unwrap_or_default();
            if interface.name.is_empty() {
                let name = usize::try_from(capture).ok();
                let name = name.and_then(|index| names.get(index));
                interface.name = name.cloned().unwrap_or_default();
            }
            interface
        };
        if let Some(writer) = writers.get_mut(&file) {
            writer.commented_packet(packet, comments, blocks, &interface);
        }
        if self.is_split || self.blocks.len() >= BATCH {
            self.flush(files);
        }
    }

    /// Writes packets that were made in place of captured ones.
    fn write_made(&mut self, made: &[MadePacket], files: &mut dyn CarvedFiles) {
        let chosen = self.chosen;
        for one in made {
            self.packets += 1;
            let length = u32::try_from(one.bytes.len()).unwrap_or(u32::MAX);
            let packet = Packet {
                frame: one.frame,
                link: LinkType::ETHERNET,
                wire_len: length,
                data: &one.bytes,
            };
            let is_first =
                std::mem::replace(&mut self.commented, one.frame.number) != one.frame.number;
            let comments = chosen.comments.get(&one.frame.number).filter(|_| is_first);
            for owner in one.owners.iter() {
                let own = comments.into_iter().flatten();
                let own = own.filter(|(of, _)| !self.is_split || *of == owner);
                let own = own.map(|(_, text)| text.as_str());
                let texts: Vec<&str> = [MADE].into_iter().chain(own).collect();
                let file = if self.is_split { owner as usize } else { 0 };
                self.write(file, &packet, &texts, files);
                if !self.is_split {
                    break;
                }
            }
        }
    }

    /// Carries over the names of the sessions' hosts, without which the servers would have none.
    fn host_names(&mut self, names: &[HostName], files: &mut dyn CarvedFiles) {
        let chosen = self.chosen;
        let known = || {
            names
                .iter()
                .filter(|host| chosen.hosts.contains(&host.address))
        };
        if known().next().is_none() {
            return;
        }
        let files_open: Vec<usize> = if self.is_split {
            (0..chosen.sessions.len()).collect()
        } else {
            vec![0]
        };
        for file in files_open {
            self.begin(file, files);
            if let Some(writer) = self.writers.get(&file) {
                writer.names(known(), &mut self.blocks);
            }
        }
    }

    /// Continues with a file, and begins it with a section header if it has none yet.
    fn begin(&mut self, file: usize, files: &mut dyn CarvedFiles) {
        if self.blocks_of != file {
            self.flush(files);
            self.blocks_of = file;
        }
        if self.writers.contains_key(&file) {
            return;
        }
        let comment = self.section_comment(file);
        let mut writer = PcapNgWriter::default();
        writer.commented_section(&comment, &mut self.blocks);
        let owner = self
            .is_split
            .then(|| u32::try_from(file).unwrap_or(u32::MAX));
        let secrets = self.secrets.key_log(owner);
        if !secrets.is_empty() {
            writer.secrets(&secrets, &mut self.blocks);
        }
        self.writers.insert(file, writer);
    }

    /// Returns the origin of the file in one line: which captures, and which sessions of them.
    fn section_comment(&self, file: usize) -> String {
        let all = self.chosen.sessions.as_slice();
        let sessions = if self.is_split {
            all.get(file..=file).unwrap_or_default()
        } else {
            all
        };
        let shown = sessions.iter().take(NAMED_SESSIONS);
        let mut uids: Vec<&str> = shown.map(|session| session.uid.as_str()).collect();
        let more = sessions.len().saturating_sub(NAMED_SESSIONS);
        let more = format!("{more} more");
        if sessions.len() > NAMED_SESSIONS {
            uids.push(&more);
        }
        let names: Vec<_> = self.names.iter().map(|name| printable(name)).collect();
        let mut comment = format!(
            "carved from {}; FTP sessions: {}",
            names.join(", "),
            uids.join(", ")
        );
        if let Some(redaction) = &self.chosen.redaction {
            comment.push_str("; redacted: ");
            comment.push_str(&redaction.classes().names());
            comment.push_str(NOT_HIDDEN);
            let owner = u32::try_from(file).unwrap_or(u32::MAX);
            let encrypted = self.chosen.encrypted(self.is_split.then_some(owner));
            let shown = encrypted.iter().take(NAMED_CONNECTIONS);
            let mut connections: Vec<_> = shown
                .map(|one| format!("{} to {}", one.client, one.server))
                .collect();
            if let Some(more @ 1..) = encrypted.len().checked_sub(NAMED_CONNECTIONS) {
                connections.push(format!("{more} more"));
            }
            if !connections.is_empty() {
                comment.push_str("; encrypted, and replaced only in hellos: ");
                comment.push_str(&connections.join(", "));
            }
        }
        comment
    }

    /// Writes the blocks collected so far.
    fn flush(&mut self, files: &mut dyn CarvedFiles) {
        if self.failure.is_none()
            && !self.blocks.is_empty()
            && let Err(cause) = files.append(self.blocks_of, &self.blocks)
        {
            self.failure = Some(cause);
        }
        self.blocks.clear();
    }
}

/// Returns whether TLS of a connection was opened; `control_server` is its server's end, if it is a control connection.
fn seen_tls(tls: &Tls, control_server: Option<Endpoint>) -> SeenTls {
    if tls.records_opened > 0 || tls.obstacle.is_none() {
        SeenTls::Opened { control_server }
    } else {
        SeenTls::Closed
    }
}

/// Joins the descriptions of two interfaces that become one.
fn join_interfaces(known: &mut DescribedInterface, other: DescribedInterface) {
    known.snap_len = match (known.snap_len, other.snap_len) {
        (0, _) | (_, 0) => 0,
        (one, other) => one.max(other),
    };
    let mut names = known.name.split(", ");
    if !other.name.is_empty() && !names.any(|name| name == other.name) {
        if known.name.is_empty() {
            known.name = other.name;
        } else if known.name.len() + other.name.len() < JOINED_NAMES {
            known.name.push_str(", ");
            known.name.push_str(&other.name);
        }
    }
    // What differs is true of neither.
    known
        .options
        .retain(|option| other.options.contains(option));
}

/// Comment of packets that were not captured.
const MADE: &str = "made by ftpscope: content of a TLS connection in clear";
/// Part of the comment of a redacted file.
const NOT_HIDDEN: &str = "; not hidden: ports, times, lengths, TTLs, TCP options, IP identifications, TLS records; \
    addresses keep their prefixes, kinds and numbers of digits, so that few replacements are possible for each; \
    not carried over: comments, TLS keys, names of hosts and interfaces";
/// Bytes of blocks at which they are written.
const BATCH: usize = 256 << 10;
/// Limit of the joined names of interfaces in bytes.
const JOINED_NAMES: usize = 256;
/// Bytes of redacted packets that wait for a fragment.
const WAITING_BYTES: usize = 64 << 20;
/// Bytes of a comment beside the title.
const COMMENT_FRAME: usize = 48;
/// Port of ident (RFC 1413).
const IDENT_PORT: u16 = 113;
/// Time around a connection within which packets between its end points belong to it. SYNs are repeated for 127 seconds with
/// the usual 6 attempts.
const NEIGHBOURHOOD: Span = Span::from_secs(130);
/// Fragments remembered, 64 bytes each.
const MAX_FRAGMENTS: usize = 1 << 20;
/// Bound on the comments of all packets in bytes.
const COMMENT_BYTES: usize = 64 << 20;
/// Least number of connections between two sweeps.
const SWEEP: usize = 1 << 12;
/// Sessions named in a section's comment.
const NAMED_SESSIONS: usize = 100;
/// Encrypted connections named in a section's comment.
const NAMED_CONNECTIONS: usize = 40;
