//! Handshakes of flows that are not followed yet, in a table of fixed size.
//!
//! A connection may be recognized as FTP only by its first lines; its SYN, its SYN ACK and the acknowledgment that ends the
//! handshake (RFC 9293 section 3.5) are then found here.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::fast::RandomState;

use crate::decode::{Segment, TcpFlags};
use crate::model::{Direction, FlowKey, FrameRef};

use super::course::Observed;
use super::flow_slots::LONGEST_OPENING;
use super::sequence::SeqNum;

/// The latest 65,536 handshakes; when full, the oldest is overwritten.
///
/// A ring in order of arrival and not a table indexed by hash: the handshake to overwrite must not depend on the hash,
/// which differs from run to run.
#[derive(Debug, Default)]
pub(super) struct RecentOpenings {
    ring: Vec<(u64, Opening)>,
    /// Hash of the flow key -> index in `ring`. 64 bits with a random seed identify a flow well enough here: a
    /// collision costs a session its handshake frames, no more.
    places: HashMap<u64, u32, RandomState>,
    /// Index of the next handshake to be overwritten, once the ring is full.
    oldest: usize,
    hasher: RandomState,
    expected: ExpectedAcknowledgments,
}

/// The numbers that acknowledge the latest SYN ACKs, each in the place that its last bits name; 0 where there is none.
///
/// Most segments of a capture are of no followed flow, and many of them carry an acknowledgment only. One look at 16 KiB
/// shows that they end no handshake.
#[derive(Debug)]
struct ExpectedAcknowledgments(Box<[u32; EXPECTED]>);

impl Default for ExpectedAcknowledgments {
    fn default() -> Self {
        Self(Box::new([0; EXPECTED]))
    }
}

impl ExpectedAcknowledgments {
    fn add(&mut self, number: SeqNum) {
        self.0[number.0 as usize % EXPECTED] = number.0;
    }

    #[inline]
    const fn may_have(&self, number: u32) -> bool {
        self.0[number as usize % EXPECTED] == number
    }
}

/// Captured part of one handshake.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Opening {
    /// SYN or SYN ACK by the sender's [`Direction::index`]; `None` if not captured.
    pub(super) syn: [Option<Syn>; 2],
    /// Direction of the SYN; `None` if nothing of the handshake was captured.
    pub(super) initiator: Option<Direction>,
    /// The initiator's acknowledgment of the SYN ACK; `None` if it was not captured, or carried data.
    pub(super) acknowledgment: Option<HandshakeEnd>,
    /// The SYN was counted when it was captured, as a late segment of the refused connection before.
    pub(super) is_counted: bool,
}

/// Acknowledgment without data that ends a handshake.
#[derive(Clone, Copy, Debug)]
pub(super) struct HandshakeEnd {
    pub(super) frame: FrameRef,
    window: u16,
    ip_len: u16,
    frame_len: u16,
}

impl HandshakeEnd {
    /// Returns the packet as it was observed. `sequence` is the first number after the SYN, `acknowledgment` that after
    /// the SYN ACK.
    pub(super) fn observed(&self, sequence: SeqNum, acknowledgment: SeqNum) -> Observed {
        Observed {
            time: self.frame.time,
            sequence,
            acknowledgment,
            flags: TcpFlags(TcpFlags::ACK),
            window: self.window,
            payload: 0,
            ip_len: self.ip_len.into(),
            frame_len: self.frame_len.into(),
        }
    }
}

/// SYN or SYN ACK of one sender.
#[derive(Clone, Copy, Debug)]
pub(super) struct Syn {
    /// The first frame that had it.
    pub(super) frame: FrameRef,
    /// Sequence number of the first byte after it.
    pub(super) start: SeqNum,
    /// Window scale option; `None` without one.
    pub(super) scale: Option<u8>,
    /// Number that a SYN ACK acknowledges.
    acknowledgment: SeqNum,
    has_ack: bool,
    window: u16,
    pub(super) identification: u16,
    ip_len: u16,
    frame_len: u16,
    /// Later segments with the same number.
    pub(super) repeats: u16,
}

impl Syn {
    fn of(segment: &Segment<'_>) -> Self {
        Self {
            frame: segment.frame,
            start: SeqNum(segment.sequence).plus(1),
            scale: segment.window_scale,
            acknowledgment: SeqNum(segment.acknowledgment),
            has_ack: segment.flags.ack(),
            window: segment.window,
            identification: segment.identification,
            ip_len: short(segment.ip_len),
            frame_len: short(segment.frame_len),
            repeats: 0,
        }
    }

    /// Returns the packet as it was observed.
    pub(super) fn observed(&self) -> Observed {
        let ack = if self.has_ack { TcpFlags::ACK } else { 0 };
        Observed {
            time: self.frame.time,
            sequence: SeqNum(self.start.0.wrapping_sub(1)),
            acknowledgment: self.acknowledgment,
            flags: TcpFlags(TcpFlags::SYN | ack),
            window: self.window,
            payload: 0,
            ip_len: self.ip_len.into(),
            frame_len: self.frame_len.into(),
        }
    }
}

/// Flow key with a cheap hash: 3 words instead of one per field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key(pub(super) FlowKey);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let FlowKey { low, high } = self.0;
        state.write_u128(low.address);
        state.write_u128(high.address);
        state.write_u32(u32::from(low.port) << 16 | u32::from(high.port));
    }
}

impl RecentOpenings {
    /// Records the SYN or SYN ACK `segment`.
    pub(super) fn record(&mut self, key: FlowKey, direction: Direction, segment: &Segment<'_>) {
        let syn = Syn::of(segment);
        if segment.flags.ack() {
            self.expected.add(syn.start);
        }
        let initiator = if segment.flags.ack() {
            direction.reverse()
        } else {
            direction
        };
        let hash = self.hasher.hash_one(Key(key));
        let place = self.places.get(&hash).copied();
        if let Some((_, known)) = place.and_then(|place| self.ring.get_mut(place as usize)) {
            known.add(direction, initiator, syn, segment);
            return;
        }
        let mut opening = Opening {
            initiator: Some(initiator),
            ..Opening::default()
        };
        opening.syn[direction.index()] = Some(syn);
        if self.ring.len() < CAPACITY {
            self.places.insert(hash, index(self.ring.len()));
            self.ring.push((hash, opening));
        } else if let Some(slot) = self.ring.get_mut(self.oldest) {
            // The entry may have been taken, and the same flow recorded anew elsewhere in the ring.
            if self.places.get(&slot.0) == Some(&index(self.oldest)) {
                self.places.remove(&slot.0);
            }
            *slot = (hash, opening);
            self.places.insert(hash, index(self.oldest));
            self.oldest = (self.oldest + 1) % CAPACITY;
        }
    }

    /// Records `segment`, of a flow that is not followed, if it ends a handshake.
    // Inlined up to the first look: it is paid for by each segment of other traffic.
    #[inline]
    pub(super) fn on_acknowledgment(
        &mut self,
        key: FlowKey,
        direction: Direction,
        segment: &Segment<'_>,
    ) {
        if segment.flags.0 & !TcpFlags::PSH == TcpFlags::ACK
            && segment.wire_len() == 0
            && self.expected.may_have(segment.acknowledgment)
        {
            self.end_handshake(key, direction, segment);
        }
    }

    #[cold]
    fn end_handshake(&mut self, key: FlowKey, direction: Direction, segment: &Segment<'_>) {
        let hash = self.hasher.hash_one(Key(key));
        let place = self.places.get(&hash).copied();
        if let Some((_, opening)) = place.and_then(|place| self.ring.get_mut(place as usize))
            && opening.initiator == Some(direction)
            && opening.acknowledgment.is_none()
            && let [Some(own), Some(other)] =
                [direction, direction.reverse()].map(|sender| opening.syn[sender.index()])
            && own.start.0 == segment.sequence
            && other.start.0 == segment.acknowledgment
        {
            opening.acknowledgment = Some(HandshakeEnd {
                frame: segment.frame,
                window: segment.window,
                ip_len: short(segment.ip_len),
                frame_len: short(segment.frame_len),
            });
        }
    }

    /// Records a SYN that was sent again after the flow it opened was refused: the handshake begins with it.
    pub(super) fn record_repeated(
        &mut self,
        key: FlowKey,
        direction: Direction,
        segment: &Segment<'_>,
    ) {
        self.take(key);
        self.record(key, direction, segment);
        let hash = self.hasher.hash_one(Key(key));
        let place = self.places.get(&hash).copied();
        if let Some((_, opening)) = place.and_then(|place| self.ring.get_mut(place as usize)) {
            opening.is_counted = true;
        }
    }

    /// Removes the handshake of a flow that is followed from now on; `None` if none was captured or it was overwritten.
    pub(super) fn take(&mut self, key: FlowKey) -> Option<Opening> {
        let hash = self.hasher.hash_one(Key(key));
        // Its slot in the ring is overwritten in its turn.
        let place = self.places.remove(&hash)?;
        self.ring.get(place as usize).map(|(_, opening)| *opening)
    }
}

impl Opening {
    /// Adds another SYN or SYN ACK between the same endpoints, of this handshake or of a new one that replaces it.
    fn add(&mut self, direction: Direction, initiator: Direction, syn: Syn, segment: &Segment<'_>) {
        let own = direction.index();
        let other = direction.reverse().index();
        if let Some(known) = &mut self.syn[own]
            && known.start == syn.start
            && syn.frame.time.since(known.frame.time) <= LONGEST_OPENING
        {
            // The capture's own copy has the identification of the first; one that is sent again has the next.
            let is_copy = syn.identification != 0 && known.identification == syn.identification;
            known.repeats = known.repeats.saturating_add(u16::from(!is_copy));
            return;
        }
        let fits = self.syn[own].is_none()
            && self.syn[other].is_some_and(|known| {
                // A SYN captured after its SYN ACK was reordered; only the SYN ACK names the other's number.
                !segment.flags.ack() || SeqNum(segment.acknowledgment) == known.start
            });
        if fits {
            self.syn[own] = Some(syn);
            if segment.flags.ack() {
                self.initiator = Some(initiator);
            }
        } else {
            *self = Self {
                initiator: Some(initiator),
                ..Self::default()
            };
            self.syn[own] = Some(syn);
        }
    }

    /// Returns whether `segment` can belong to this handshake. If not, the ports were used again and the new SYN was
    /// missed.
    pub(super) fn fits(&self, direction: Direction, segment: &Segment<'_>) -> bool {
        if segment.flags.syn() {
            return true;
        }
        let sent = self.syn[direction.index()].is_none_or(|syn| {
            // One before the first byte: a keep-alive.
            (-1..=LONGEST_UNFOLLOWED).contains(&SeqNum(segment.sequence).distance_from(syn.start))
        });
        let acknowledged = self.syn[direction.reverse().index()].is_none_or(|syn| {
            !segment.flags.ack()
                || (0..=LONGEST_UNFOLLOWED)
                    .contains(&SeqNum(segment.acknowledgment).distance_from(syn.start))
        });
        sent && acknowledged
    }

    /// Returns whether `segment` has the first bytes of the connection: both SYNs are known, and neither end sent a byte before.
    pub(super) fn is_followed_by(&self, direction: Direction, segment: &Segment<'_>) -> bool {
        let start = |way: Direction| self.syn[way.index()].map(|syn| syn.start);
        !segment.payload.is_empty()
            && start(direction) == Some(SeqNum(segment.sequence))
            && segment.flags.ack()
            && start(direction.reverse()) == Some(SeqNum(segment.acknowledgment))
    }
}

fn short(bytes: u32) -> u16 {
    u16::try_from(bytes).unwrap_or(u16::MAX)
}

fn index(place: usize) -> u32 {
    u32::try_from(place).expect("the ring is far shorter than 2^32")
}

const CAPACITY: usize = 1 << 16;

/// Places for the numbers of the latest SYN ACKs.
const EXPECTED: usize = 1 << 12;

/// Bytes that a flow may have sent before it is followed.
const LONGEST_UNFOLLOWED: i32 = 1 << 30;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Endpoint;

    fn segment(client: u32, sequence: u32, answer: Option<u32>) -> Segment<'static> {
        let client = Endpoint::v4(client.to_be_bytes(), 40_000);
        let server = Endpoint::v4([192, 0, 2, 1], 21);
        let (source, destination, flags) = if answer.is_some() {
            (server, client, TcpFlags::SYN | TcpFlags::ACK)
        } else {
            (client, server, TcpFlags::SYN)
        };
        Segment {
            frame: FrameRef::default(),
            source,
            destination,
            identification: 0,
            sequence,
            acknowledgment: answer.unwrap_or(0),
            flags: TcpFlags(flags),
            window: 0,
            window_scale: None,
            ip_len: 40,
            frame_len: 54,
            header: &[],
            payload: &[],
            cut: 0,
        }
    }

    fn record(openings: &mut RecentOpenings, segment: &Segment<'_>) -> FlowKey {
        let (key, direction) = FlowKey::new(segment.source, segment.destination);
        openings.record(key, direction, segment);
        key
    }

    #[test]
    fn syn_and_its_syn_ack_are_one_handshake() {
        let mut openings = RecentOpenings::default();
        record(&mut openings, &segment(1, 99, None));
        let key = record(&mut openings, &segment(1, 499, Some(100)));
        let opening = openings.take(key).expect("it was recorded");
        assert_eq!(
            opening.syn.map(|syn| syn.map(|syn| syn.start.0)),
            [Some(100), Some(500)]
        );
        assert_eq!(opening.initiator, Some(Direction::Up));
        assert!(openings.take(key).is_none());
    }

    #[test]
    fn syn_ack_of_another_syn_starts_a_new_handshake() {
        let mut openings = RecentOpenings::default();
        record(&mut openings, &segment(1, 99, None));
        let key = record(&mut openings, &segment(1, 499, Some(7000)));
        let opening = openings.take(key).expect("it was recorded");
        assert_eq!(
            opening.syn.map(|syn| syn.map(|syn| syn.start.0)),
            [None, Some(500)]
        );
    }

    #[test]
    fn acknowledgment_without_data_of_the_syn_ack_ends_the_handshake() {
        let mut openings = RecentOpenings::default();
        record(&mut openings, &segment(1, 99, None));
        record(&mut openings, &segment(1, 499, Some(100)));
        let end = |sequence, acknowledgment, payload| Segment {
            acknowledgment,
            payload,
            flags: TcpFlags(TcpFlags::ACK),
            window: 7,
            ..segment(1, sequence, None)
        };
        let mut acknowledged = |segment: &Segment<'_>| {
            let (key, direction) = FlowKey::new(segment.source, segment.destination);
            openings.on_acknowledgment(key, direction, segment);
            let place = openings.places.values().next().copied();
            let (_, opening) = openings.ring[place.expect("a handshake") as usize];
            opening.acknowledgment.map(|end| end.window)
        };
        assert_eq!(acknowledged(&end(100, 501, b"")), None);
        assert_eq!(acknowledged(&end(99, 500, b"")), None);
        assert_eq!(acknowledged(&end(100, 500, b"USER a")), None);
        assert_eq!(acknowledged(&end(100, 500, b"")), Some(7));
    }

    #[test]
    fn full_table_overwrites_the_oldest_handshake() {
        let mut openings = RecentOpenings::default();
        let first = record(&mut openings, &segment(0, 99, None));
        let second = record(&mut openings, &segment(1, 99, None));
        for client in 2..=65_536 {
            record(&mut openings, &segment(client, 99, None));
        }
        assert!(openings.take(first).is_none());
        assert!(openings.take(second).is_some());
        assert_eq!(
            (openings.ring.len(), openings.places.len()),
            (CAPACITY, CAPACITY - 1)
        );
    }
}
