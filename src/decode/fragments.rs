//! Reassembly of IP fragments, in bounded memory.
//!
//! ```text
//! fragment ──> partial datagram (by addresses, identification, protocol) ──> pieces by offset ──> complete: bytes
//! ```
//!
//! - Bytes that arrive twice keep their first value; contradictions are counted and become a warning.
//! - A datagram that is incomplete for too long expires; beyond the memory limit the oldest ones are evicted. Both
//!   go by capture time.
//!
//! etherparse's own pool is not used: by its documentation it does not limit its memory, and it lets the last value
//! win.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::decoded::{Layer, SkipReason};
use super::network::{Addresses, FragmentInfo};
use super::tally::Occurrences;
use super::wire_bytes::WireBytes;
use crate::model::{FrameRef, Limits, Span, Warning, WarningCode};

/// Incomplete datagrams and their fragments.
#[derive(Debug)]
pub(super) struct Defragmenter {
    /// Incomplete datagrams by number, in the order of their first fragments.
    partial: BTreeMap<u64, PartialDatagram>,
    by_key: HashMap<Key, u64, foldhash::fast::RandomState>,
    next_number: u64,
    /// Memory of all incomplete datagrams in bytes.
    held_bytes: usize,
    max_bytes: usize,
    max_age: Span,
    /// Latest completed datagrams, with the frame that completed each.
    completed: VecDeque<(Key, FrameRef)>,
    /// Count of packets with earlier fragments of the datagrams completed since the last [`Self::take_joined`].
    joined: u64,
    /// Numbers of these packets.
    joined_frames: Vec<u64>,
    overlaps: Occurrences,
    incomplete: Occurrences,
    evicted: Occurrences,
}

/// Identity of a datagram (RFC 791 section 3.2; without the protocol for IPv6, RFC 8200 section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    addresses: Addresses,
    identification: u32,
    /// 0 for IPv6.
    protocol: u8,
    v6: bool,
}

#[derive(Debug)]
struct PartialDatagram {
    key: Key,
    /// Packet with the fragment that arrived first.
    first: FrameRef,
    /// Protocol of the datagram; for IPv6 valid once the fragment at offset 0 has arrived.
    protocol: u8,
    /// Pieces by offset in bytes; they do not overlap.
    pieces: BTreeMap<u32, Piece>,
    /// Count of fragments, second copies included.
    fragments: u64,
    /// Frames of the fragments, of which at most [`MAX_FRAMES`] are remembered.
    frames: Vec<u64>,
    /// Bytes on the wire that the pieces cover.
    covered: u32,
    /// Bytes of the pieces that were captured.
    captured: usize,
    /// Length in bytes; `None` before the last fragment has arrived.
    total: Option<u32>,
}

#[derive(Debug)]
struct Piece {
    /// Captured bytes.
    bytes: Box<[u8]>,
    /// Length on the wire in bytes.
    wire_len: u32,
}

impl Defragmenter {
    /// Creates a store with the limits on memory and age of fragments.
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            partial: BTreeMap::new(),
            by_key: HashMap::default(),
            next_number: 0,
            held_bytes: 0,
            max_bytes: limits.fragment_bytes,
            max_age: limits.fragment_age,
            completed: VecDeque::new(),
            joined: 0,
            joined_frames: Vec::new(),
            overlaps: Occurrences::default(),
            incomplete: Occurrences::default(),
            evicted: Occurrences::default(),
        }
    }

    /// Adds a fragment. If it completes a datagram, writes that to `buffer` and returns its protocol and the count
    /// of bytes behind those in `buffer` that were not captured.
    #[cold]
    #[inline(never)]
    pub(super) fn add(
        &mut self,
        frame: FrameRef,
        addresses: Addresses,
        protocol: u8,
        fragment: FragmentInfo,
        bytes: WireBytes<'_>,
        buffer: &mut Vec<u8>,
    ) -> Result<(u8, u32), SkipReason> {
        self.expire(frame);
        let length = bytes.wire_len();
        let end = fragment.offset.saturating_add(length);
        // All fragments but the last consist of units of 8 bytes (RFC 791 section 3.2). Ends beyond 64 KiB are the
        // attack known as the ping of death.
        if length == 0 || end > MAX_DATAGRAM || (fragment.more && !length.is_multiple_of(8)) {
            return Err(SkipReason::Malformed(Layer::Network));
        }
        let key = Key {
            addresses,
            identification: fragment.identification,
            protocol: if fragment.v6 { 0 } else { protocol },
            v6: fragment.v6,
        };
        let number = self.number(key, frame).ok_or(SkipReason::FragmentHeld)?;
        let partial = self.partial.get_mut(&number).expect("numbered just now");
        if fragment.offset == 0 && !partial.pieces.contains_key(&0) {
            partial.protocol = protocol;
        }
        let before = partial.memory();
        partial.fragments += 1;
        if partial.frames.len() < MAX_FRAMES {
            partial.frames.push(frame.number);
        }
        let overlap = !partial.insert(fragment, bytes);
        self.held_bytes = self.held_bytes - before + partial.memory();
        if overlap {
            self.overlaps.add(frame);
        }
        if partial.total != Some(partial.covered) {
            self.evict();
            return Err(SkipReason::FragmentHeld);
        }
        let partial = self.remove(number).expect("it was there just now");
        if self.completed.len() == RECENTLY_COMPLETED {
            self.completed.pop_front();
        }
        self.completed.push_back((key, frame));
        self.joined += partial.fragments - 1;
        let earlier = partial.frames.iter().copied();
        self.joined_frames
            .extend(earlier.filter(|number| *number != frame.number));
        let cut = partial.write_to(buffer);
        Ok((partial.protocol, cut))
    }

    /// Returns how many earlier packets hold fragments of the datagrams completed since the last call.
    #[inline]
    pub(super) fn take_joined(&mut self) -> u64 {
        std::mem::take(&mut self.joined)
    }

    /// Returns the numbers of the packets that the last [`Self::take_joined`] counted, and forgets them.
    pub(super) fn take_joined_frames(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.joined_frames)
    }

    /// Returns warnings for the report; datagrams that are still incomplete count as such.
    pub(super) fn warnings(&self) -> Vec<Warning> {
        let mut incomplete = self.incomplete;
        for partial in self.partial.values() {
            incomplete.add(partial.first);
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

    /// Returns the number of the datagram with `key`, which is created if necessary. `None` if it was completed
    /// just now.
    fn number(&mut self, key: Key, frame: FrameRef) -> Option<u64> {
        if let Some(&number) = self.by_key.get(&key) {
            return Some(number);
        }
        // A mirrored port may deliver every packet twice. The second copies must not begin another datagram, which
        // would stay incomplete.
        let just_completed = |completed: &(Key, FrameRef)| {
            completed.0 == key && frame.time.since(completed.1.time) <= SECOND_COPY_AGE
        };
        if self.completed.iter().any(just_completed) {
            return None;
        }
        let number = self.next_number;
        self.next_number += 1;
        let partial = PartialDatagram {
            key,
            first: frame,
            protocol: key.protocol,
            pieces: BTreeMap::new(),
            fragments: 0,
            frames: Vec::new(),
            covered: 0,
            captured: 0,
            total: None,
        };
        self.held_bytes += partial.memory();
        self.by_key.insert(key, number);
        self.partial.insert(number, partial);
        Some(number)
    }

    /// Removes datagrams that have been incomplete for too long.
    fn expire(&mut self, now: FrameRef) {
        while let Some((&number, oldest)) = self.partial.first_key_value() {
            if now.time.since(oldest.first.time) <= self.max_age {
                break;
            }
            let first = oldest.first;
            self.incomplete.add(first);
            self.remove(number);
        }
    }

    /// Removes the oldest datagrams until the memory limit holds.
    fn evict(&mut self) {
        while self.held_bytes > self.max_bytes {
            let Some((&number, oldest)) = self.partial.first_key_value() else {
                break;
            };
            let first = oldest.first;
            self.evicted.add(first);
            self.remove(number);
        }
    }

    fn remove(&mut self, number: u64) -> Option<PartialDatagram> {
        let partial = self.partial.remove(&number)?;
        self.by_key.remove(&partial.key);
        self.held_bytes -= partial.memory();
        Some(partial)
    }
}

impl PartialDatagram {
    /// Adds the new bytes of a fragment. Returns false if it contradicts earlier ones: other bytes, partial overlap, or
    /// another end of the datagram.
    fn insert(&mut self, fragment: FragmentInfo, bytes: WireBytes<'_>) -> bool {
        let (start, end) = (fragment.offset, fragment.offset + bytes.wire_len());
        let last_end = self
            .pieces
            .last_key_value()
            .map_or(0, |(at, piece)| at + piece.wire_len);
        let fits = match (self.total, fragment.more) {
            (Some(total), true) => end <= total,
            (Some(total), false) => end == total,
            (None, true) => true,
            (None, false) => last_end <= end,
        };
        // Ignored as a whole: bytes behind the end would never be delivered, and a second end would move the first.
        if !fits {
            return false;
        }
        if !fragment.more {
            self.total = Some(end);
        }
        // Parts of the fragment that no earlier piece covers.
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
        // A second copy with the same bytes is duplication on the way. Partial overlap never happens by accident.
        all_new || (all_known && agrees)
    }

    /// Writes the datagram up to the first byte that was not captured. Returns the count of bytes behind it.
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

    /// Returns the approximate memory in bytes.
    fn memory(&self) -> usize {
        self.captured
            + self.pieces.len() * PIECE_OVERHEAD
            + self.frames.len() * size_of::<u64>()
            + DATAGRAM_OVERHEAD
    }
}

impl Piece {
    /// Returns true if `data`, which begins at `start`, equals this piece, which begins at `offset`, where they
    /// overlap.
    fn agrees(&self, offset: u32, start: u32, data: &[u8]) -> bool {
        let mine = self.bytes.get(start.saturating_sub(offset) as usize..);
        let theirs = data.get(offset.saturating_sub(start) as usize..);
        let (mine, theirs) = (mine.unwrap_or_default(), theirs.unwrap_or_default());
        mine.iter().zip(theirs).all(|(a, b)| a == b)
    }
}

/// Length of the longest datagram in bytes.
const MAX_DATAGRAM: u32 = 65_535;
/// Frames remembered of one datagram: as many as fragments of 8 bytes fit into it. Beyond it there are copies only.
const MAX_FRAMES: usize = 8192;
/// Completed datagrams remembered for second copies of their fragments.
const RECENTLY_COMPLETED: usize = 64;
/// Longest time from completion to a second copy. Short, since a busy host reuses its 16-bit identifications within
/// seconds.
const SECOND_COPY_AGE: Span = Span::from_millis(10);
/// Memory of a piece in bytes, its data excluded.
const PIECE_OVERHEAD: usize = 64;
/// Memory of a datagram in bytes, its pieces excluded.
const DATAGRAM_OVERHEAD: usize = 320;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    fn frame(number: u64, millis: i64) -> FrameRef {
        FrameRef {
            number,
            time: Timestamp::from_parts(1_700_000_000, 0).plus(Span::from_millis(millis)),
            ..FrameRef::default()
        }
    }

    fn part(identification: u32, offset: u32, more: bool) -> FragmentInfo {
        FragmentInfo {
            identification,
            offset,
            more,
            v6: false,
        }
    }

    struct Store {
        defragmenter: Defragmenter,
        buffer: Vec<u8>,
        number: u64,
    }

    impl Store {
        fn new(limits: &Limits) -> Self {
            Self {
                defragmenter: Defragmenter::new(limits),
                buffer: Vec::new(),
                number: 0,
            }
        }

        /// Adds a fragment. Returns the datagram if it is complete now.
        fn add(&mut self, at: FragmentInfo, data: &[u8], millis: i64) -> Option<Vec<u8>> {
            self.number += 1;
            let bytes = WireBytes { data, cut: 0 };
            let frame = frame(self.number, millis);
            let (defragmenter, buffer) = (&mut self.defragmenter, &mut self.buffer);
            let added = defragmenter.add(frame, Addresses::default(), 6, at, bytes, buffer);
            added.ok().map(|_| self.buffer.clone())
        }
    }

    #[test]
    fn overlap_keeps_the_first_bytes_and_is_warned_about() {
        let mut store = Store::new(&Limits::default());
        assert_eq!(store.add(part(1, 8, true), b"BBBBBBBB", 0), None);
        assert_eq!(store.add(part(1, 0, true), b"aaaaaaaaaaaaaaaa", 0), None);
        let whole = store.add(part(1, 16, false), b"CC", 0);
        assert_eq!(whole.as_deref(), Some(&b"aaaaaaaaBBBBBBBBCC"[..]));
        let warnings = store.defragmenter.warnings();
        assert_eq!(warnings.len(), 1);
        assert_eq!(warnings[0].frame.map(|frame| frame.number), Some(2));
    }

    #[test]
    fn fragment_that_contradicts_the_end_is_ignored() {
        let mut store = Store::new(&Limits::default());
        assert_eq!(store.add(part(1, 8, false), b"end", 0), None);
        assert_eq!(store.add(part(1, 16, true), b"beyond!!", 0), None);
        assert_eq!(store.add(part(1, 16, false), b"other", 0), None);
        let whole = store.add(part(1, 0, true), b"begin...", 0);
        assert_eq!(whole.as_deref(), Some(&b"begin...end"[..]));
        assert_eq!(store.defragmenter.warnings()[0].count, 2);
    }

    #[test]
    fn second_copies_of_all_fragments_begin_no_second_datagram() {
        let mut store = Store::new(&Limits::default());
        assert_eq!(store.add(part(1, 0, true), b"12345678", 0), None);
        assert_eq!(store.add(part(1, 0, true), b"12345678", 0), None);
        assert!(store.add(part(1, 8, false), b"9", 1).is_some());
        assert_eq!(store.add(part(1, 8, false), b"9", 1), None);
        assert_eq!(store.defragmenter.warnings(), []);
        // Later the same identification belongs to another datagram.
        assert_eq!(store.add(part(1, 8, false), b"!", 500), None);
        let whole = store.add(part(1, 0, true), b"abcdefgh", 500);
        assert_eq!(whole.as_deref(), Some(&b"abcdefgh!"[..]));
    }

    #[test]
    fn oldest_datagrams_are_evicted_at_the_memory_limit() {
        let limits = Limits {
            fragment_bytes: 10_000,
            ..Limits::default()
        };
        let mut store = Store::new(&limits);
        for identification in 0..1000 {
            assert_eq!(store.add(part(identification, 0, true), &[7; 64], 0), None);
            assert!(store.defragmenter.held_bytes <= 10_000);
        }
        assert_eq!(
            store.defragmenter.partial.len(),
            store.defragmenter.by_key.len()
        );
        let memory: usize = store
            .defragmenter
            .partial
            .values()
            .map(PartialDatagram::memory)
            .sum();
        assert_eq!(store.defragmenter.held_bytes, memory);
        // The newest are still there.
        assert!(store.add(part(999, 64, false), b"end", 0).is_some());
        let warnings = store.defragmenter.warnings();
        assert_eq!(warnings[1].code, WarningCode::LimitReached);
        assert_eq!(warnings[1].frame.map(|frame| frame.number), Some(1));
    }

    #[test]
    fn fragments_with_impossible_lengths_are_malformed() {
        let mut store = Store::new(&Limits::default());
        assert_eq!(store.add(part(1, 65_528, false), b"12345678", 0), None);
        assert_eq!(store.defragmenter.partial.len(), 0);
        assert_eq!(store.add(part(1, 0, true), b"", 0), None);
        assert_eq!(store.add(part(1, 0, true), b"1234567", 0), None);
        assert_eq!(store.defragmenter.partial.len(), 0);
        assert_eq!(store.add(part(1, 65_520, false), b"12345678", 0), None);
        assert_eq!(store.defragmenter.partial.len(), 1);
    }

    #[test]
    fn random_fragments_equal_a_model_in_which_the_first_byte_wins() {
        let mut seed = 1_u32;
        let mut random = move |below: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) % below
        };
        for round in 0..300 {
            let mut store = Store::new(&Limits::default());
            let mut naive = [None; 64];
            let mut done = false;
            for index in 0..100_u8 {
                let from = random(8);
                let to = from + 1 + random(8 - from);
                let data = vec![index; (to - from) as usize * 8];
                for place in naive
                    .iter_mut()
                    .take(to as usize * 8)
                    .skip(from as usize * 8)
                {
                    place.get_or_insert(index);
                }
                let whole = store.add(part(round, from * 8, to < 8), &data, 0);
                let expected: Option<Vec<u8>> = naive.iter().copied().collect();
                assert_eq!(whole, expected, "round {round}, fragment {index}");
                if whole.is_some() {
                    done = true;
                    break;
                }
            }
            assert!(done, "round {round}");
        }
    }
}
