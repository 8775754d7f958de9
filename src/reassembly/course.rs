//! Course of a connection as its packets show it: counts, TCP state and history, in the words of Zeek's conn.log.
//!
//! The state machine is Zeek's, not that of RFC 9293: it describes the packets on the wire, those that a receiver drops
//! included. [`HalfStream`](super::half_stream) alone decides which bytes are delivered.
//!
//! Each end is in one [`Phase`], entered by its own packets:
//!
//! ```text
//! Inactive ──SYN──> SynSent ──SYN ACK of the other end──> Open ──FIN──> Closed ──RST, if the other end is not closed─┐
//!    │ └─SYN ACK────────────────────────────────────────> Open ──RST────────────────────────────────────────> Reset <┘
//!    └─anything else─> Partial ──FIN, RST──> Closed, Reset
//! ```
//!
//! Second copies that the capture made of a packet are only counted, apart from all others.

use compact_str::CompactString;

use super::sequence::SeqNum;
use super::{FlowSummary, HalfSummary};
use crate::decode::{Segment, TcpFlags};
use crate::model::{Direction, FlowKey, Timestamp};

/// Counts, state and history of one connection.
#[derive(Clone, Debug, Default)]
pub struct Course {
    /// By the sender's [`Direction::index`].
    sides: [Side; 2],
    /// Letters in order, upper case for [`Direction::Up`].
    letters: CompactString,
    /// Sender of the first packet; `None` before it.
    first_sender: Option<Direction>,
    /// The latest packet up to the one with which both sides were closed.
    until: Timestamp,
    /// Second copies by the sender's [`Direction::index`]; `None` before the first.
    copies: Option<Box<[Copies; 2]>>,
}

/// Second copies that the capture made of the packets of one end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Copies {
    /// Number of copies.
    pub packets: u64,
    /// Sum of their IP total lengths, in bytes.
    pub ip_bytes: u64,
    /// Sum of their frame lengths on the wire, in bytes.
    pub frame_bytes: u64,
}

/// Packets of one end of a connection. Copied with each summary, so that it is kept small.
#[derive(Clone, Copy, Debug)]
struct Side {
    packets: u64,
    ip_bytes: u64,
    frame_bytes: u64,
    phase: Phase,
    previous: Phase,
    /// Whether `first` is known, from a packet of this end or an acknowledgment of the other.
    is_known: bool,
    has_fin: bool,
    has_reset: bool,
    /// Letters written for this end, one bit each.
    seen: u8,
    first: SeqNum,
    /// Highest sequence number sent.
    last: SeqNum,
    /// Highest number that the other end acknowledged.
    acknowledged: SeqNum,
    /// Distance from `first` to `last` and to `acknowledged` in 64 bits: long transfers wrap around.
    sent: u64,
    taken: u64,
    /// `taken` when one of the ends was closed; [`u64::MAX`] before.
    taken_at_close: u64,
    /// Numbers of the latest SYN, FIN and RST, whose letters are written again for another number.
    syn: SeqNum,
    fin: SeqNum,
    rst: SeqNum,
    repeated: u32,
    zero_windows: u32,
    gaps: u32,
    /// Time of the first delivered byte; [`Timestamp::MAX`] before.
    first_payload: Timestamp,
    last_payload: Timestamp,
}

/// State of one end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Nothing sent.
    #[default]
    Inactive,
    /// SYN without an answer.
    SynSent,
    /// SYN and SYN ACK.
    Open,
    /// Packets, but no SYN in the capture.
    Partial,
    /// FIN.
    Closed,
    /// RST.
    Reset,
}

/// Header fields of one packet.
pub(super) struct Observed {
    pub(super) time: Timestamp,
    pub(super) sequence: SeqNum,
    pub(super) acknowledgment: SeqNum,
    pub(super) flags: TcpFlags,
    pub(super) window: u16,
    pub(super) payload: u32,
    pub(super) ip_len: u32,
    pub(super) frame_len: u32,
}

impl Observed {
    /// Creates the fields of a segment.
    #[inline]
    pub(super) const fn of(segment: &Segment<'_>) -> Self {
        Self {
            time: segment.frame.time,
            sequence: SeqNum(segment.sequence),
            acknowledgment: SeqNum(segment.acknowledgment),
            flags: segment.flags,
            window: segment.window,
            payload: segment.wire_len(),
            ip_len: segment.ip_len,
            frame_len: segment.frame_len,
        }
    }
}

impl Course {
    /// Returns the number of packets sent in `direction`.
    #[must_use]
    pub const fn packets(&self, direction: Direction) -> u64 {
        self.sides[direction.index()].packets
    }

    /// Returns the sum of IP total lengths in `direction`, in bytes.
    #[must_use]
    pub const fn ip_bytes(&self, direction: Direction) -> u64 {
        self.sides[direction.index()].ip_bytes
    }

    /// Returns the sum of frame lengths on the wire in `direction`, link layer included, in bytes.
    #[must_use]
    pub const fn frame_bytes(&self, direction: Direction) -> u64 {
        self.sides[direction.index()].frame_bytes
    }

    /// Returns the second copies of packets sent in `direction`.
    #[must_use]
    pub fn copies(&self, direction: Direction) -> Copies {
        let copies = self.copies.as_deref();
        copies.map_or_else(Copies::default, |copies| copies[direction.index()])
    }

    /// Records a second copy.
    pub(super) fn on_copy(&mut self, direction: Direction, packet: &Observed) {
        let copies = &mut self.copies.get_or_insert_default()[direction.index()];
        copies.packets += 1;
        copies.ip_bytes += u64::from(packet.ip_len);
        copies.frame_bytes += u64::from(packet.frame_len);
    }

    /// Returns the payload bytes sent in `direction` by sequence numbers: each once, those that the capture lacks included.
    #[must_use]
    pub fn payload_bytes(&self, direction: Direction) -> u64 {
        let side = &self.sides[direction.index()];
        let other = &self.sides[direction.reverse().index()];
        // A SYN that its own sender reset: nothing was ever open.
        let withdrawn = side.previous == Phase::SynSent && side.phase == Phase::Reset;
        if !side.is_known || (withdrawn && other.phase == Phase::Inactive) {
            return 0;
        }
        // SYN and FIN take a number each.
        let numbers = side.sent.max(side.taken).saturating_sub(1);
        numbers.saturating_sub(u64::from(side.has_fin))
    }

    /// Returns the times of the first and the last byte delivered in `direction`; `None` without one.
    #[must_use]
    pub fn payload_times(&self, direction: Direction) -> Option<(Timestamp, Timestamp)> {
        let side = &self.sides[direction.index()];
        (side.first_payload != Timestamp::MAX).then_some((side.first_payload, side.last_payload))
    }

    /// Records the delivery of bytes.
    #[inline]
    pub(super) fn on_delivery(&mut self, direction: Direction, time: Timestamp) {
        let side = &mut self.sides[direction.index()];
        if side.first_payload == Timestamp::MAX {
            side.first_payload = time;
        }
        side.last_payload = time;
    }

    /// Records a gap at a stream offset.
    ///
    /// Its letter stands for the acknowledgment of bytes that are missing, while both ends are open: what is lost in the
    /// teardown, or was never acknowledged, has none.
    pub(super) fn on_gap(&mut self, direction: Direction, offset: u64) {
        let side = &mut self.sides[direction.index()];
        side.gaps = side.gaps.saturating_add(1);
        // The SYN takes the number before offset 0.
        let acknowledged = side.taken_at_close.min(side.taken) > offset.saturating_add(1);
        if acknowledged && is_power_of_ten(side.gaps) {
            self.write(direction, b'G');
        }
    }

    /// Returns whether a packet has no number that is new: it may be a second copy.
    #[inline]
    pub(super) fn may_repeat(&self, direction: Direction, packet: &Observed) -> bool {
        let side = &self.sides[direction.index()];
        let other = &self.sides[direction.reverse().index()];
        side.is_known
            && packet.end().distance_from(side.last) <= 0
            && (!packet.flags.ack() || packet.acknowledgment.distance_from(other.acknowledged) <= 0)
    }

    /// Adds packets that are known by their number only: `count` retransmissions of a SYN.
    pub(super) fn add_repeated_syns(
        &mut self,
        direction: Direction,
        packet: &Observed,
        count: u16,
    ) {
        let side = &mut self.sides[direction.index()];
        let count = u64::from(count);
        side.packets += count;
        side.ip_bytes += count * u64::from(packet.ip_len);
        side.frame_bytes += count * u64::from(packet.frame_len);
    }

    /// Records a packet. A RST that the receiver drops (`reset_counts` false) has its letter, but ends nothing.
    #[inline]
    pub(super) fn on_packet(
        &mut self,
        direction: Direction,
        packet: &Observed,
        reset_counts: bool,
        halves: &[HalfSummary; 2],
    ) {
        self.first_sender.get_or_insert(direction);
        let closed =
            |way: Direction| halves[way.index()].finished || self.sides[way.index()].has_reset;
        if !(closed(Direction::Up) && closed(Direction::Down)) {
            self.until = packet.time;
        }
        let flags = packet.flags;
        self.sides[direction.index()].begin(packet);
        self.write_flags(direction, packet);
        if packet.window == 0 && !flags.rst() {
            self.on_zero_window(direction);
        }
        if flags.ack() {
            self.sides[direction.reverse().index()].on_acknowledgment(packet);
        }
        if self.sides[direction.index()].advance(packet) {
            self.write(direction, b'T');
        }
        if !flags.rst() || reset_counts {
            self.enter(direction, packet);
        }
    }

    fn on_zero_window(&mut self, direction: Direction) {
        let is_other_closed = self.sides[direction.reverse().index()].phase == Phase::Closed;
        let side = &mut self.sides[direction.index()];
        if is_other_closed || side.phase == Phase::Reset {
            return;
        }
        side.zero_windows = side.zero_windows.saturating_add(1);
        if is_power_of_ten(side.zero_windows) {
            self.write(direction, b'W');
        }
    }

    /// Writes the letters of a packet's flags. A packet with SYN, FIN or RST gets that letter only.
    #[inline]
    fn write_flags(&mut self, direction: Direction, packet: &Observed) {
        let flags = packet.flags;
        let side = &mut self.sides[direction.index()];
        let several = u8::from(flags.syn()) + u8::from(flags.fin()) + u8::from(flags.rst()) > 1;
        let letter = if several && flags.fin() && flags.rst() {
            side.once(SEEN_I).then_some(b'I')
        } else if several {
            side.once(SEEN_Q).then_some(b'Q')
        } else if flags.syn() {
            let letter = if flags.ack() { b'H' } else { b'S' };
            let is_new = side.once(SEEN_S) || side.syn != packet.sequence;
            side.syn = packet.sequence;
            is_new.then_some(letter)
        } else if flags.fin() {
            let number = packet.sequence.plus(packet.payload);
            let is_new = side.once(SEEN_F) || side.fin != number;
            side.fin = number;
            is_new.then_some(b'F')
        } else if flags.rst() {
            let is_new = side.once(SEEN_R) || side.rst != packet.sequence;
            side.rst = packet.sequence;
            is_new.then_some(b'R')
        } else if packet.payload > 0 {
            side.once(SEEN_D).then_some(b'D')
        } else if flags.ack() {
            side.once(SEEN_A).then_some(b'A')
        } else {
            None
        };
        if let Some(letter) = letter {
            self.write(direction, letter);
        }
    }

    #[cold]
    fn write(&mut self, direction: Direction, letter: u8) {
        if self.letters.len() < LONGEST_HISTORY {
            let letter = char::from(letter);
            self.letters.push(match direction {
                Direction::Up => letter,
                Direction::Down => letter.to_ascii_lowercase(),
            });
        }
    }

    /// Moves the sender, and with a SYN ACK the other end, to the phase that a packet begins.
    #[inline]
    fn enter(&mut self, direction: Direction, packet: &Observed) {
        let flags = packet.flags;
        let other = direction.reverse().index();
        let other_phase = self.sides[other].phase;
        let side = &mut self.sides[direction.index()];
        let phase = side.phase;
        if phase == Phase::Open && !flags.syn() && !flags.fin() && !flags.rst() {
            return;
        }
        side.has_fin |= flags.fin();
        side.has_reset |= flags.rst();
        match phase {
            Phase::Inactive => {
                let bare = packet.payload == 0;
                let next = if flags.rst() {
                    Phase::Reset
                } else if flags.fin() {
                    Phase::Closed
                } else if flags.syn() && other_phase == Phase::Inactive && !flags.ack() {
                    Phase::SynSent
                } else if flags.syn() || (flags.ack() && other_phase == Phase::Open) {
                    Phase::Open
                } else if bare && other_phase == Phase::SynSent {
                    Phase::Inactive
                } else {
                    Phase::Partial
                };
                side.set(next);
                if flags.syn() && next == Phase::Open && other_phase == Phase::SynSent {
                    self.sides[other].set(Phase::Open);
                }
            }
            Phase::SynSent | Phase::Open | Phase::Partial => {
                if flags.rst() {
                    side.set(Phase::Reset);
                } else if flags.fin() {
                    side.set(Phase::Closed);
                    let other = &mut self.sides[other];
                    if other.phase == Phase::Reset && other.previous == Phase::Closed {
                        other.set(Phase::Closed);
                    }
                }
            }
            Phase::Closed if flags.rst() && other_phase != Phase::Closed => side.set(Phase::Reset),
            Phase::Closed | Phase::Reset => {}
        }
        if flags.fin() || flags.rst() {
            for side in &mut self.sides {
                side.taken_at_close = side.taken_at_close.min(side.taken);
            }
        }
    }

    /// Returns the state in Zeek's words, seen from `originator`.
    fn state(&self, originator: Direction) -> &'static str {
        let (own, other) = (originator, originator.reverse());
        let [own_phase, other_phase] = [own, other].map(|way| self.sides[way.index()].phase);
        let unseen = |phase| matches!(phase, Phase::Inactive | Phase::Partial);
        let is_empty = || self.payload_bytes(own) == 0 && self.payload_bytes(other) == 0;
        let was_syn_sent = self.sides[own.index()].previous == Phase::SynSent;
        match (own_phase, other_phase) {
            (Phase::SynSent, Phase::Reset) => "REJ",
            (Phase::Reset, Phase::Reset) if is_empty() => "REJ",
            (own, Phase::Reset) if unseen(own) => "RSTRH",
            (_, Phase::Reset) => "RSTR",
            (Phase::Reset, other) if unseen(other) && was_syn_sent => "RSTOS0",
            (Phase::Reset, other) if unseen(other) => "OTH",
            (Phase::Reset, _) => "RSTO",
            (Phase::Closed, Phase::Closed) => "SF",
            (Phase::Closed, other) if unseen(other) => "SH",
            (Phase::Closed, _) => "S2",
            (own, Phase::Closed) if unseen(own) => "SHR",
            (_, Phase::Closed) => "S3",
            (Phase::SynSent, Phase::Inactive) => "S0",
            (Phase::Open, Phase::Open) => "S1",
            _ => "OTH",
        }
    }

    /// Returns the history, upper case for `originator`.
    fn history(&self, originator: Direction) -> String {
        let turned = self.first_sender.is_some_and(|first| first != originator);
        let letters = self.letters.chars().map(|letter| match originator {
            Direction::Up => letter,
            Direction::Down if letter.is_ascii_uppercase() => letter.to_ascii_lowercase(),
            Direction::Down => letter.to_ascii_uppercase(),
        });
        turned.then_some('^').into_iter().chain(letters).collect()
    }
}

impl Default for Side {
    fn default() -> Self {
        Self {
            packets: 0,
            ip_bytes: 0,
            frame_bytes: 0,
            phase: Phase::default(),
            previous: Phase::default(),
            is_known: false,
            has_fin: false,
            has_reset: false,
            seen: 0,
            first: SeqNum::default(),
            last: SeqNum::default(),
            acknowledged: SeqNum::default(),
            sent: 0,
            taken: 0,
            taken_at_close: u64::MAX,
            syn: SeqNum::default(),
            fin: SeqNum::default(),
            rst: SeqNum::default(),
            repeated: 0,
            zero_windows: 0,
            gaps: 0,
            first_payload: Timestamp::MAX,
            last_payload: Timestamp::MAX,
        }
    }
}

impl Side {
    /// Counts a packet, and takes the first number from it.
    #[inline]
    fn begin(&mut self, packet: &Observed) {
        let syn = packet.flags.syn();
        self.packets += 1;
        self.ip_bytes += u64::from(packet.ip_len);
        self.frame_bytes += u64::from(packet.frame_len);
        if !self.is_known {
            self.is_known = true;
            // Without a captured SYN, the number before the first packet is taken for its number.
            self.first = if syn {
                packet.sequence
            } else {
                SeqNum(packet.sequence.0.wrapping_sub(1))
            };
            (self.last, self.acknowledged) = (packet.sequence, self.first);
            (self.sent, self.taken) = (u64::from(!syn), 0);
        } else if syn
            && matches!(self.phase, Phase::SynSent | Phase::Open)
            && packet.sequence != self.first
        {
            self.first = packet.sequence;
            (self.last, self.acknowledged) = (self.first, self.first);
            (self.sent, self.taken) = (0, 0);
        }
    }

    /// Takes an acknowledgment by the other end.
    #[inline]
    fn on_acknowledgment(&mut self, packet: &Observed) {
        if !self.is_known {
            self.is_known = true;
            self.first = SeqNum(packet.acknowledgment.0.wrapping_sub(1));
            (self.last, self.acknowledged) = (self.first, self.first);
            return;
        }
        let ahead = packet.acknowledgment.distance_from(self.acknowledged);
        if !packet.flags.rst()
            && let Ok(ahead @ 1..) = u64::try_from(ahead)
        {
            self.taken = self.taken.saturating_add(ahead);
            self.acknowledged = packet.acknowledgment;
        }
    }

    /// Moves the highest number on. Returns true if payload was repeated for the 1st, 10th, 100th time and so on.
    #[inline]
    fn advance(&mut self, packet: &Observed) -> bool {
        let flags = packet.flags;
        if self.phase == Phase::Reset && !flags.syn() {
            return false;
        }
        let ahead = packet.end().distance_from(self.last);
        if (flags.syn() || flags.rst()) && ahead.unsigned_abs() > FARTHEST {
            return false;
        }
        if let Ok(ahead @ 1..) = u64::try_from(ahead) {
            self.sent = self.sent.saturating_add(ahead);
            self.last = packet.end();
            return false;
        }
        if packet.payload == 0 || flags.syn() || (ahead == 0 && self.packets == 1) {
            return false;
        }
        self.repeated = self.repeated.saturating_add(1);
        is_power_of_ten(self.repeated)
    }

    /// Marks a letter as written. Returns false if it was before.
    const fn once(&mut self, letter: u8) -> bool {
        let is_new = self.seen & letter == 0;
        self.seen |= letter;
        is_new
    }

    fn set(&mut self, phase: Phase) {
        if phase != self.phase {
            self.previous = self.phase;
            self.phase = phase;
        }
    }
}

impl Observed {
    /// Returns the number after the packet.
    #[inline]
    const fn end(&self) -> SeqNum {
        // Bytes in a RST explain it (RFC 9293 section 3.5.3) and are not part of the stream.
        let payload = if self.flags.rst() { 0 } else { self.payload };
        self.sequence
            .plus(payload)
            .plus(self.flags.syn() as u32 + self.flags.fin() as u32)
    }
}

impl FlowSummary {
    /// Returns the direction of the end that opened the connection, as far as packets show it: the sender of the SYN, else
    /// that of the first packet, but not a port of FTP's servers where the other end has none.
    #[must_use]
    pub fn originator(&self) -> Direction {
        let by_first_packet = || {
            let first = self.course.first_sender.unwrap_or(Direction::Up);
            let is_server = |way| is_server_port(&self.key, way);
            if is_server(first) && !is_server(first.reverse()) {
                first.reverse()
            } else {
                first
            }
        };
        self.initiator.unwrap_or_else(by_first_packet)
    }

    /// Returns the opening and the end of the connection in the words of Zeek's `conn_state`.
    #[must_use]
    pub fn tcp_state(&self) -> &'static str {
        self.course.state(self.originator())
    }

    /// Returns the packets of the connection in the letters of Zeek's `history`.
    #[must_use]
    pub fn tcp_history(&self) -> String {
        self.course.history(self.originator())
    }

    /// Returns the time of the packet with which both ends were closed, by a FIN whose bytes are there or a RST; `None` if
    /// they were not.
    #[must_use]
    pub fn closed_at(&self) -> Option<Timestamp> {
        let closed =
            |way: Direction| self.sent(way).finished || self.course.sides[way.index()].has_reset;
        (closed(Direction::Up) && closed(Direction::Down)).then_some(self.course.until)
    }
}

/// Returns whether the sender in `direction` uses a port of an FTP server: data, control, or control of `GridFTP`.
fn is_server_port(key: &FlowKey, direction: Direction) -> bool {
    matches!(key.source(direction).port, 20 | 21 | 2811)
}

/// Returns true for 1, 10, 100 and so on.
const fn is_power_of_ten(count: u32) -> bool {
    matches!(
        count,
        1 | 10
            | 100
            | 1_000
            | 10_000
            | 100_000
            | 1_000_000
            | 10_000_000
            | 100_000_000
            | 1_000_000_000
    )
}

// Bits of `Side::seen`.
const SEEN_S: u8 = 1;
const SEEN_F: u8 = 1 << 1;
const SEEN_R: u8 = 1 << 2;
const SEEN_D: u8 = 1 << 3;
const SEEN_A: u8 = 1 << 4;
const SEEN_I: u8 = 1 << 5;
const SEEN_Q: u8 = 1 << 6;

/// Distance beyond which the number of a SYN or RST is not believed, in bytes.
const FARTHEST: u32 = 1 << 20;

/// Letters kept: SYN, FIN and RST with ever new numbers would write without end.
const LONGEST_HISTORY: usize = 64;
