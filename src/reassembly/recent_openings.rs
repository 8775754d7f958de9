//! Handshakes of flows that are not followed yet, in a table of fixed size.
//!
//! A connection may be recognized as FTP only by its first lines; its SYN and SYN ACK are then found here.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::fast::RandomState;

use crate::decode::{Segment, TcpFlags};
use crate::model::{Direction, FlowKey, FrameRef};

use super::course::Observed;
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
}

/// Captured part of one handshake.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Opening {
    /// SYN or SYN ACK by the sender's [`Direction::index`]; `None` if not captured.
    pub(super) syn: [Option<Syn>; 2],
    /// Direction of the SYN; `None` if nothing of the handshake was captured.
    pub(super) initiator: Option<Direction>,
    /// The SYN was counted when it was captured, as a late segment of the refused connection before.
    pub(super) is_counted: bool,
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
        let length = |bytes: u32| u16::try_from(bytes).unwrap_or(u16::MAX);
        Self {
            frame: segment.frame,
            start: SeqNum(segment.sequence).plus(1),
            scale: segment.window_scale,
            acknowledgment: SeqNum(segment.acknowledgment),
            has_ack: segment.flags.ack(),
            window: segment.window,
            identification: segment.identification,
            ip_len: length(segment.ip_len),
            frame_len: length(segment.frame_len),
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
}

fn index(place: usize) -> u32 {
    u32::try_from(place).expect("the ring is far shorter than 2^32")
}

const CAPACITY: usize = 1 << 16;

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
