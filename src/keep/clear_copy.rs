//! Copies of TLS connections in clear, for programs that cannot open them.
//!
//! ```text
//! segments of one connection ─> FlowTable ─> TLS records ─> content ─> MadeStream ─> packets of plain TCP
//!                                               │ clear lines (before AUTH, behind CCC)     ↑
//!                                               └───────────────────────────────────────────┘
//! ```
//!
//! A copy has addresses, ports, handshake and times of its connection, and the content of its records as payload, a hole
//! where content is missing, and no byte of TLS: a program that sees one takes the whole for TLS. AUTH and its reply are left
//! out for the same reason, and a control connection to port 990 gets port 21. Sequence numbers begin as they did and count
//! content from there. Each record is acknowledged at once: some programs read only what was acknowledged.
//!
//! The packets are Ethernet frames without anything that encapsulated the original.
//!
//! This is a reading of TLS apart from the session's, because packets are made in the second reading, once it is known which
//! sessions are chosen and which of their connections open.

use std::collections::HashMap;
use std::net::IpAddr;

use etherparse::PacketBuilder;
use foldhash::fast::RandomState;

use super::carve::Owners;
use crate::decode::{Segment, TcpFlags};
use crate::model::{Direction, Endpoint, FlowKey, FrameRef, Limits};
use crate::protocol::ftp::strip_telnet;
use crate::protocol::tls::decryption::{Connection, Keyring, Receiver};
use crate::protocol::tls::record::RecordSplitter;
use crate::reassembly::{
    CaptureClock, Chunk, CloseReason, FlowId, FlowSummary, FlowTable, Gap, Interest, StreamHandler,
};

/// TLS of a connection, as the first reading found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SeenTls {
    /// Content was opened, or there was none.
    Opened {
        /// The server's end of a control connection; `None` for a data connection.
        control_server: Option<Endpoint>,
    },
    /// Nothing could be opened.
    Closed,
}

/// Packet of a copy.
pub(super) struct MadePacket {
    /// Indices of the sessions that the connection belongs to.
    pub(super) owners: Owners,
    /// Packet that gave its time: of content the one in which its record ended.
    pub(super) frame: FrameRef,
    /// Ethernet frame.
    pub(super) bytes: Vec<u8>,
}

/// Maker of the copies of all connections.
pub(super) struct ClearCopies {
    flows: FlowTable,
    clock: CaptureClock,
    last: FrameRef,
    copying: Copying,
}

/// Connections that are copied now.
struct Copying {
    connections: HashMap<FlowId, Copied, RandomState>,
    /// The connection of the current segment.
    next: Option<(Option<Endpoint>, Owners)>,
    keyring: Keyring,
    made: Vec<MadePacket>,
}

/// One connection: its records in, content out.
struct Copied {
    tls: Connection,
    /// By [`Direction::index`].
    ends: [End; 2],
    stream: MadeStream,
    /// Direction of the client's commands; `None` for a data connection.
    client_way: Option<Direction>,
    /// The reply to AUTH comes next in the server's clear lines.
    is_reply_due: bool,
}

/// Bytes of one end.
#[derive(Default)]
struct End {
    /// `None` while the end sends in clear.
    records: Option<RecordSplitter>,
    /// Bytes are missing, so that the end of TLS cannot be told from a record.
    is_blind: bool,
    /// Clear bytes before the end of their line.
    line: Vec<u8>,
}

/// The TCP connection that is made.
struct MadeStream {
    key: FlowKey,
    /// Port that stands in place of another one.
    renamed: Option<(u16, u16)>,
    owners: Owners,
    /// Next sequence number; `None` before the first, by [`Direction::index`].
    next: [Option<u32>; 2],
    /// SYN was made, by [`Direction::index`].
    opened: [bool; 2],
    /// The handshake's last ACK was made.
    established: bool,
    finished: [bool; 2],
    made: Vec<MadePacket>,
}

impl ClearCopies {
    pub(super) fn new(keyring: Keyring) -> Self {
        Self {
            flows: FlowTable::new(&Limits::default()),
            clock: CaptureClock::default(),
            last: FrameRef::default(),
            copying: Copying {
                connections: HashMap::default(),
                next: None,
                keyring,
                made: Vec::new(),
            },
        }
    }

    /// Reads a segment of a connection to copy. Returns the packets that it completes.
    pub(super) fn segment(
        &mut self,
        segment: &Segment<'_>,
        control_server: Option<Endpoint>,
        owners: Owners,
    ) -> Vec<MadePacket> {
        let moment = self.clock.advance(segment.frame.time);
        self.last = segment.frame;
        self.copying.next = Some((control_server, owners));
        self.flows.segment(segment, moment, &mut self.copying);
        std::mem::take(&mut self.copying.made)
    }

    /// Ends all connections. Returns the packets that they still had.
    pub(super) fn finish(mut self) -> Vec<MadePacket> {
        self.flows
            .finish(self.clock.now(), self.last, &mut self.copying);
        self.copying.made
    }
}

impl Copying {
    /// Reads bytes of a connection, and takes what it made.
    fn with(&mut self, flow: FlowId, read: impl FnOnce(&mut Copied, &mut Keyring)) {
        if let Some(copied) = self.connections.get_mut(&flow) {
            read(copied, &mut self.keyring);
            self.made.append(&mut copied.stream.made);
        }
    }
}

impl StreamHandler for Copying {
    fn admit(&mut self, _: &Segment<'_>) -> bool {
        true
    }

    fn opened(&mut self, flow: FlowId, summary: &FlowSummary) -> Interest {
        let (control_server, owners) = self.next.take().unwrap_or_default();
        let key = summary.key;
        let is_implicit = control_server.is_some_and(|server| server.port == IMPLICIT_PORT);
        let copied = Copied {
            tls: Connection::new(format!("{}", flow.0).into()),
            ends: [End::default(), End::default()],
            stream: MadeStream {
                key,
                renamed: is_implicit.then_some((IMPLICIT_PORT, CONTROL_PORT)),
                owners,
                next: [None; 2],
                opened: [false; 2],
                established: false,
                finished: [false; 2],
                made: Vec::new(),
            },
            client_way: control_server.map(|server| {
                if key.destination(Direction::Up) == server {
                    Direction::Up
                } else {
                    Direction::Down
                }
            }),
            is_reply_due: false,
        };
        self.connections.insert(flow, copied);
        Interest::Bytes
    }

    fn segment(&mut self, flow: FlowId, way: Direction, segment: &Segment<'_>) {
        self.with(flow, |copied, _| copied.stream.handshake(way, segment));
    }

    fn established(&mut self, _: FlowId, _: &FlowSummary) {}

    fn data(
        &mut self,
        flow: FlowId,
        way: Direction,
        chunk: Chunk<'_>,
        summary: &FlowSummary,
    ) -> Interest {
        self.with(flow, |copied, keyring| {
            copied.stream.begin(summary);
            copied.bytes(way, chunk.bytes, chunk.arrived, keyring);
        });
        Interest::Bytes
    }

    fn gap(&mut self, flow: FlowId, way: Direction, gap: Gap, summary: &FlowSummary) {
        self.with(flow, |copied, keyring| {
            copied.stream.begin(summary);
            copied.lose(way, gap, keyring);
        });
    }

    fn finished(&mut self, flow: FlowId, way: Direction, frame: FrameRef, summary: &FlowSummary) {
        self.with(flow, |copied, _| {
            copied.stream.begin(summary);
            copied.flush_line(way, frame);
            copied.stream.finish(way, frame);
        });
    }

    fn closed(
        &mut self,
        flow: FlowId,
        reason: CloseReason,
        frame: FrameRef,
        summary: &FlowSummary,
    ) {
        self.with(flow, |copied, keyring| {
            copied.stream.begin(summary);
            copied.tls.finish(frame, keyring, &mut copied.stream);
            for way in [Direction::Up, Direction::Down] {
                copied.flush_line(way, frame);
            }
            if let CloseReason::Reset(way) = reason {
                let at = summary.sent(way).irregular().rst.unwrap_or(frame);
                copied
                    .stream
                    .push(way, at, TcpFlags::RST | TcpFlags::ACK, &[], &[]);
            }
        });
        self.connections.remove(&flow);
    }
}

impl Copied {
    fn bytes(&mut self, way: Direction, bytes: &[u8], at: FrameRef, keyring: &mut Keyring) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let end = &mut self.ends[way.index()];
            let Some(records) = &mut end.records else {
                if end.line.is_empty() && begins_tls(rest) {
                    end.records = Some(RecordSplitter::default());
                    self.tls.restart(way);
                } else {
                    rest = self.clear(way, rest, at);
                }
                continue;
            };
            let all = rest;
            let mut refused = None;
            if end.is_blind {
                rest = &[];
            }
            while !rest.is_empty() {
                match records.next(&mut rest) {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => {
                        refused = Some(records.refused().to_vec());
                        break;
                    }
                }
            }
            // What looked like a header until its last byte may have begun in an earlier segment.
            let used = all.len() - rest.len();
            let header = refused.as_ref().map_or(0, Vec::len);
            let opened = all.get(..used.saturating_sub(header)).unwrap_or_default();
            if !opened.is_empty() {
                self.tls.data(way, opened, at, keyring, &mut self.stream);
                // The end of a file was told inside TLS, where no program looks any more; FIN may come after the receiver's,
                // or never. Behind a control connection's close_notify commands may follow in clear (CCC).
                if self.client_way.is_none() && self.tls.close_notify(way) == Some(true) {
                    self.stream.finish(way, at);
                }
            }
            if let Some(refused) = refused {
                let end = &mut self.ends[way.index()];
                end.records = None;
                end.line = refused;
                if rest.is_empty() && used == 0 {
                    return;
                }
                rest = self.clear(way, rest, at);
            }
        }
    }

    /// Takes clear bytes up to the end of a line. Returns those behind it.
    fn clear<'b>(&mut self, way: Direction, bytes: &'b [u8], at: FrameRef) -> &'b [u8] {
        if self.client_way.is_none() {
            self.stream.content(way, at, bytes);
            return &[];
        }
        let line = &mut self.ends[way.index()].line;
        let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
        let (this, rest) = bytes.split_at(end);
        line.extend_from_slice(this);
        if this.ends_with(b"\n") || line.len() > LONGEST_LINE {
            self.flush_line(way, at);
        }
        rest
    }

    /// Writes a clear line, unless it is AUTH or its reply.
    fn flush_line(&mut self, way: Direction, at: FrameRef) {
        let line = std::mem::take(&mut self.ends[way.index()].line);
        if line.is_empty() {
            return;
        }
        let from_client = self.client_way == Some(way);
        if from_client
            && strip_telnet(&line)
                .to_ascii_uppercase()
                .starts_with(b"AUTH ")
        {
            self.is_reply_due = true;
            return;
        }
        if !from_client && self.is_reply_due {
            let goes_on =
                line.get(3) == Some(&b'-') || !line.first().is_some_and(u8::is_ascii_digit);
            self.is_reply_due = goes_on;
            return;
        }
        self.stream.content(way, at, &line);
    }

    fn lose(&mut self, way: Direction, gap: Gap, keyring: &mut Keyring) {
        let end = &mut self.ends[way.index()];
        if let Some(records) = &mut end.records {
            end.is_blind |= !records.skip(gap.length);
            self.tls
                .gap(way, gap.length, gap.frame, keyring, &mut self.stream);
        } else {
            self.flush_line(way, gap.frame);
            self.stream.gap(way, gap.frame, gap.length);
        }
    }
}

impl MadeStream {
    /// Fixes where the numbers of both ends begin, once it is known.
    fn begin(&mut self, summary: &FlowSummary) {
        for way in [Direction::Up, Direction::Down] {
            let start = summary.sent(way).start;
            self.next[way.index()].get_or_insert(start.unwrap_or(1));
        }
    }

    /// Copies SYN, SYN ACK and the ACK behind them.
    fn handshake(&mut self, way: Direction, segment: &Segment<'_>) {
        let flags = segment.flags.0;
        if flags & TcpFlags::SYN != 0 {
            if std::mem::replace(&mut self.opened[way.index()], true) {
                return;
            }
            self.next[way.index()] = Some(segment.sequence);
            let options = segment.header.get(20..).unwrap_or_default();
            self.push(
                way,
                segment.frame,
                flags & (TcpFlags::SYN | TcpFlags::ACK),
                options,
                &[],
            );
            self.next[way.index()] = Some(segment.sequence.wrapping_add(1));
        } else if self.opened == [true; 2] && !std::mem::replace(&mut self.established, true) {
            self.push(way, segment.frame, TcpFlags::ACK, &[], &[]);
        }
    }

    fn finish(&mut self, way: Direction, at: FrameRef) {
        if std::mem::replace(&mut self.finished[way.index()], true) {
            return;
        }
        self.push(way, at, TcpFlags::FIN | TcpFlags::ACK, &[], &[]);
        self.advance(way, 1);
        self.push(way.reverse(), at, TcpFlags::ACK, &[], &[]);
    }

    fn advance(&mut self, way: Direction, length: u64) {
        // Sequence numbers are counted modulo 2^32 (RFC 9293 section 3.4).
        let length = u32::try_from(length & 0xffff_ffff).unwrap_or_default();
        let next = &mut self.next[way.index()];
        *next = Some(next.unwrap_or(1).wrapping_add(length));
    }

    /// Makes one packet.
    fn push(&mut self, way: Direction, at: FrameRef, flags: u8, options: &[u8], payload: &[u8]) {
        let (source, destination) = (self.key.source(way), self.key.destination(way));
        let port = |port: u16| match self.renamed {
            Some((from, to)) if from == port => to,
            _ => port,
        };
        let (from_mac, to_mac) = match way {
            Direction::Up => (MACS[0], MACS[1]),
            Direction::Down => (MACS[1], MACS[0]),
        };
        let ethernet = PacketBuilder::ethernet2(from_mac, to_mac);
        let ip = match (source.ip(), destination.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => ethernet.ipv4(from.octets(), to.octets(), 64),
            (from, to) => ethernet.ipv6(octets_v6(from), octets_v6(to), 64),
        };
        let sequence = self.next[way.index()].unwrap_or(1);
        let mut tcp = ip.tcp(port(source.port), port(destination.port), sequence, WINDOW);
        if flags & TcpFlags::ACK != 0 {
            tcp = tcp.ack(self.next[way.reverse().index()].unwrap_or(1));
        }
        if flags & TcpFlags::SYN != 0 {
            tcp = tcp.syn();
        }
        if flags & TcpFlags::FIN != 0 {
            tcp = tcp.fin();
        }
        if flags & TcpFlags::RST != 0 {
            tcp = tcp.rst();
        }
        if flags & TcpFlags::PSH != 0 {
            tcp = tcp.psh();
        }
        let Ok(tcp) = tcp.options_raw(options) else {
            return;
        };
        let mut bytes = Vec::with_capacity(tcp.size(payload.len()));
        // Writing into memory fails only for lengths that no packet has.
        if tcp.write(&mut bytes, payload).is_ok() {
            self.made.push(MadePacket {
                owners: self.owners.clone(),
                frame: at,
                bytes,
            });
        }
    }
}

impl Receiver for MadeStream {
    fn content(&mut self, way: Direction, at: FrameRef, bytes: &[u8]) {
        if self.finished[way.index()] {
            return;
        }
        for part in bytes.chunks(SEGMENT) {
            self.push(way, at, TcpFlags::PSH | TcpFlags::ACK, &[], part);
            self.advance(way, part.len() as u64);
        }
        self.push(way.reverse(), at, TcpFlags::ACK, &[], &[]);
    }

    fn gap(&mut self, way: Direction, _: FrameRef, length: u64) {
        if !self.finished[way.index()] {
            self.advance(way, length);
        }
    }
}

/// Returns whether bytes at the beginning of a line, or of a data connection, are a TLS record.
fn begins_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [22] | [20..=23, 3] | [20..=23, 3, 0..=4, ..])
}

fn octets_v6(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// Port of control connections under TLS from their first byte on.
const IMPLICIT_PORT: u16 = 990;
const CONTROL_PORT: u16 = 21;
/// Payload of a made segment in bytes: what fits into Ethernet with IPv4 and the timestamp option.
const SEGMENT: usize = 1448;
/// Clear bytes that are held until their line ends.
const LONGEST_LINE: usize = 8192;
const WINDOW: u16 = 0xffff;
/// Addresses of both ends, locally administered.
const MACS: [[u8; 6]; 2] = [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]];
