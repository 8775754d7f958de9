//! IP fragments are put together again, in bounded memory.
//!
//! ```text
//! fragment -> pending datagram (by hosts, identification, protocol) -> pieces by offset -> whole: bytes in a buffer
//! ```
//!
//! Bytes that come twice keep their first value; a difference is counted. etherparse's own pool is not used: it says of
//! itself that it does not bound its memory, and lets the last value win. A datagram that stays incomplete for long, or
//! for which there is no room, is dropped, the oldest first; time is capture time.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::captured::Captured;
use super::network::{Fragment, Hosts};
use super::outcome::{Layer, NotOurs};
use super::tally::Count;
use crate::model::{FrameRef, Limits, Span, Warning, WarningCode};

/// Datagrams of which some fragments were seen.
#[derive(Debug)]
pub(super) struct Fragments {
    /// In the order of their first fragments.
    pending: BTreeMap<u64, Pending>,
    by_key: HashMap<Key, u64, foldhash::fast::RandomState>,
    next_number: u64,
    held_bytes: usize,
    max_bytes: usize,
    max_age: Span,
    /// The latest whole datagrams: a second copy of a fragment must not begin another.
    whole: VecDeque<(Key, FrameRef)>,
    /// Fragments that came before the last ones of whole datagrams, since somebody asked.
    joined: u64,
    overlaps: Count,
    incomplete: Count,
    evicted: Count,
}

/// What tells datagrams apart: RFC 791 section 3.2; IPv6 does without the protocol (RFC 8200 section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    hosts: Hosts,
    identification: u32,
    protocol: u8,
    v6: bool,
}

#[derive(Debug)]
struct Pending {
    key: Key,
    first: FrameRef,
    /// What the datagram begins with; valid once the fragment at offset 0 was seen.
    protocol: u8,
    /// By offset; they do not overlap.
    pieces: BTreeMap<u32, Piece>,
    /// Fragments that were taken, second copies included.
    fragments: u64,
    /// Bytes on the wire within `pieces`.
    covered: u32,
    /// Those of them that were captured.
    captured: usize,
    /// Length of the datagram, known from its last fragment.
    total: Option<u32>,
}

#[derive(Debug)]
struct Piece {
    bytes: Box<[u8]>,
    wire_len: u32,
}

impl Fragments {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            pending: BTreeMap::new(),
            by_key: HashMap::default(),
            next_number: 0,
            held_bytes: 0,
            max_bytes: limits.fragment_bytes,
            max_age: limits.fragment_age,
            whole: VecDeque::new(),
            joined: 0,
            overlaps: Count::default(),
            incomplete: Count::default(),
            evicted: Count::default(),
        }
    }

    /// Takes a fragment. If it was the last one missing, `buffer` holds the datagram: what protocol it begins with, and
    /// how many bytes follow those in `buffer` but were not captured.
    #[cold]
    #[inline(never)]
    pub(super) fn add(
        &mut self,
        frame: FrameRef,
        hosts: Hosts,
        protocol: u8,
        fragment: Fragment,
        bytes: Captured<'_>,
        buffer: &mut Vec<u8>,
    ) -> Result<(u8, u32), NotOurs> {
        self.expire(frame);
        let length = bytes.wire_len();
        let end = fragment.offset.saturating_add(length);
        // All but the last consist of units of 8 bytes (RFC 791 section 3.2).
        if length == 0 || end > MAX_DATAGRAM || (fragment.more && !length.is_multiple_of(8)) {
            return Err(NotOurs::Malformed(Layer::Network));
        }
        let key = Key {
            hosts,
            identification: fragment.identification,
            protocol: if fragment.v6 { 0 } else { protocol },
            v6: fragment.v6,
        };
        let number = self.number(key, frame).ok_or(NotOurs::FragmentHeld)?;
        let pending = self.pending.get_mut(&number).expect("numbered just now");
        if fragment.offset == 0 && !pending.pieces.contains_key(&0) {
            pending.protocol = protocol;
        }
        pending.fragments += 1;
        let before = pending.cost();
        let overlap = !pending.insert(fragment, bytes);
        self.held_bytes = self.held_bytes - before + pending.cost();
        if overlap {
            self.overlaps.add(frame);
        }
        if pending.total != Some(pending.covered) {
            self.make_room();
            return Err(NotOurs::FragmentHeld);
        }
        let pending = self.remove(number).expect("it was there just now");
        if self.whole.len() == RECENT_WHOLE {
            self.whole.pop_front();
        }
        self.whole.push_back((key, frame));
        self.joined += pending.fragments - 1;
        let cut = pending.write_to(buffer);
        Ok((pending.protocol, cut))
    }

    /// How many earlier packets hold parts of the datagrams that became whole since the last call.
    #[inline]
    pub(super) fn take_joined(&mut self) -> u64 {
        std::mem::take(&mut self.joined)
    }

    /// What was odd, datagrams that are incomplete still included.
    pub(super) fn warnings(&self) -> Vec<Warning> {
        let mut incomplete = self.incomplete;
        for pending in self.pending.values() {
            incomplete.add(pending.first);
        }
        [
            self.overlaps.warning(
                WarningCode::Fragments,
                "IP fragments overlapped or contradicted each other; the bytes seen first were kept",
            ),
            incomplete.warning(
                WarningCode::Fragments,
                "IP datagrams lack fragments and were not read",
            ),
            self.evicted.warning(
                WarningCode::LimitReached,
                "incomplete IP datagrams were dropped to make room for others",
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The datagram of this key, a new one if there is none. `None` if it was whole just now: on a mirrored port every
    /// fragment may come twice.
    fn number(&mut self, key: Key, frame: FrameRef) -> Option<u64> {
        if let Some(&number) = self.by_key.get(&key) {
            return Some(number);
        }
        let just_now = |whole: &(Key, FrameRef)| {
            whole.0 == key && frame.time.since(whole.1.time) <= SECOND_COPY
        };
        if self.whole.iter().any(just_now) {
            return None;
        }
        let number = self.next_number;
        self.next_number += 1;
        let pending = Pending {
            key,
            first: frame,
            protocol: key.protocol,
            pieces: BTreeMap::new(),
            fragments: 0,
            covered: 0,
            captured: 0,
            total: None,
        };
        self.held_bytes += pending.cost();
        self.by_key.insert(key, number);
        self.pending.insert(number, pending);
        Some(number)
    }

    fn expire(&mut self, now: FrameRef) {
        while let Some((&number, oldest)) = self.pending.first_key_value() {
            if now.time.since(oldest.first.time) <= self.max_age {
                break;
            }
            let first = oldest.first;
            self.incomplete.add(first);
            self.remove(number);
        }
    }

    fn make_room(&mut self) {
        while self.held_bytes > self.max_bytes {
            let Some((&number, oldest)) = self.pending.first_key_value() else {
                break;
            };
            let first = oldest.first;
            self.evicted.add(first);
            self.remove(number);
        }
    }

    fn remove(&mut self, number: u64) -> Option<Pending> {
        let pending = self.pending.remove(&number)?;
        self.by_key.remove(&pending.key);
        self.held_bytes -= pending.cost();
        Some(pending)
    }
}

impl Pending {
    /// Adds what is new of a fragment. False if it disagrees with those before it: other bytes, other borders, or
    /// another end.
    fn insert(&mut self, fragment: Fragment, bytes: Captured<'_>) -> bool {
        let (start, end) = (fragment.offset, fragment.offset + bytes.wire_len());
        let seen_end = self
            .pieces
            .last_key_value()
            .map_or(0, |(at, piece)| at + piece.wire_len);
        let fits = match (self.total, fragment.more) {
            (Some(total), true) => end <= total,
            (Some(total), false) => end == total,
            (None, true) => true,
            (None, false) => seen_end <= end,
        };
        if !fits {
            return false;
        }
        if !fragment.more {
            self.total = Some(end);
        }
        let mut holes = Vec::new();
        let mut at = start;
        let mut agrees = true;
        let earlier = self.pieces.range(..start).next_back();
        for (&offset, piece) in earlier.into_iter().chain(self.pieces.range(start..end)) {
            if offset + piece.wire_len <= start {
                continue;
            }
            if at < offset {
                holes.push((at, offset));
            }
            at = at.max(offset + piece.wire_len);
            agrees &= piece.agrees(offset, start, bytes.data);
        }
        if at < end {
            holes.push((at, end));
        }
        let all_new = holes == [(start, end)];
        let all_known = holes.is_empty();
        for (from, to) in holes {
            let part = bytes
                .data
                .get((from - start) as usize..)
                .unwrap_or_default();
            let part = part.get(..(to - from) as usize).unwrap_or(part);
            let piece = Piece {
                bytes: part.into(),
                wire_len: to - from,
            };
            self.covered += piece.wire_len;
            self.captured += piece.bytes.len();
            self.pieces.insert(from, piece);
        }
        all_new || (all_known && agrees)
    }

    /// Writes the datagram up to the first byte that was not captured; the count of those after it.
    fn write_to(&self, buffer: &mut Vec<u8>) -> u32 {
        buffer.clear();
        let mut written = 0;
        for piece in self.pieces.values() {
            buffer.extend_from_slice(&piece.bytes);
            let captured = u32::try_from(piece.bytes.len()).unwrap_or(u32::MAX);
            written += captured.min(piece.wire_len);
            if captured < piece.wire_len {
                break;
            }
        }
        self.covered - written
    }

    /// Bytes of memory, roughly.
    fn cost(&self) -> usize {
        self.captured + self.pieces.len() * PIECE_COST + DATAGRAM_COST
    }
}

impl Piece {
    /// True if `data`, which begins at `start`, has the same bytes where it overlaps this piece at `offset`.
    fn agrees(&self, offset: u32, start: u32, data: &[u8]) -> bool {
        let mine = self.bytes.get(start.saturating_sub(offset) as usize..);
        let theirs = data.get(offset.saturating_sub(start) as usize..);
        let (mine, theirs) = (mine.unwrap_or_default(), theirs.unwrap_or_default());
        mine.iter().zip(theirs).all(|(a, b)| a == b)
    }
}

/// Length of the longest datagram.
const MAX_DATAGRAM: u32 = 65_535;
/// Whole datagrams remembered for second copies of their fragments.
const RECENT_WHOLE: usize = 64;
/// How long after the whole datagram a second copy may come; identifications come again later.
const SECOND_COPY: Span = Span::from_millis(10);
/// What a piece and a datagram cost beside their bytes.
const PIECE_COST: usize = 64;
const DATAGRAM_COST: usize = 320;

#[cfg(test)]
mod tests;
