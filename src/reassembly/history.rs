//! The bytes delivered last, for comparison with retransmissions.

use super::budget::Budget;

/// Ring buffer over the end of one stream. Grows with the stream from 256 bytes up to 32 KiB, as far as the shared
/// budget allows; without budget, bytes go uncompared.
#[derive(Debug, Default)]
pub(super) struct History {
    /// Holds the byte at `offset` in place `offset` modulo the length, which is 0 or a power of two.
    ring: Box<[u8]>,
    /// Offset of the first byte kept.
    from: u64,
    /// Offset after the last byte kept.
    end: u64,
}

impl History {
    /// Records delivered `bytes`. After a gap, older bytes are dropped.
    pub(super) fn push(&mut self, offset: u64, bytes: &[u8], budget: &mut Budget) {
        if offset != self.end {
            self.from = offset;
            self.end = offset;
        }
        if self.ring.len() < LONGEST {
            self.grow(bytes.len(), budget);
        }
        let size = self.ring.len();
        let end = offset.saturating_add(bytes.len() as u64);
        self.end = end;
        if size == 0 {
            self.from = end;
            return;
        }
        // Of a piece longer than the ring only its end is kept.
        let kept = &bytes[bytes.len().saturating_sub(size)..];
        let place = position(end - kept.len() as u64, size);
        let until_wrap = kept.len().min(size - place);
        let (first, second) = kept.split_at(until_wrap);
        self.ring[place..place + first.len()].copy_from_slice(first);
        self.ring[..second.len()].copy_from_slice(second);
        self.from = self.from.max(end.saturating_sub(size as u64));
    }

    /// Returns the number of `bytes`, retransmitted at `offset`, that differ from those kept. Bytes not kept count as
    /// equal.
    pub(super) fn conflicts(&self, offset: u64, bytes: &[u8]) -> u64 {
        let size = self.ring.len();
        let from = offset.max(self.from);
        let end = offset.saturating_add(bytes.len() as u64).min(self.end);
        if size == 0 || from >= end {
            return 0;
        }
        let skip = usize::try_from(from - offset).unwrap_or(usize::MAX);
        let length = usize::try_from(end - from).unwrap_or(usize::MAX);
        let Some(again) = bytes.get(skip..).and_then(|rest| rest.get(..length)) else {
            return 0;
        };
        let place = position(from, size);
        let (first, second) = again.split_at(length.min(size - place));
        count_differences(&self.ring[place..place + first.len()], first)
            + count_differences(&self.ring[..second.len()], second)
    }

    /// Returns whether the bytes from `offset` on are kept, as far as they were delivered.
    pub(super) const fn reaches(&self, offset: u64) -> bool {
        offset >= self.from
    }

    /// Drops all bytes and gives their budget back.
    pub(super) fn clear(&mut self, budget: &mut Budget) {
        budget.release_history(self.ring.len());
        self.ring = Box::default();
        self.from = self.end;
    }

    /// Enlarges the ring for `more` bytes, as far as budget and largest size allow.
    fn grow(&mut self, more: usize, budget: &mut Budget) {
        let kept = usize::try_from(self.end - self.from).unwrap_or(usize::MAX);
        let wanted = kept
            .saturating_add(more)
            .clamp(SHORTEST, LONGEST)
            .next_power_of_two();
        let size = self.ring.len();
        if wanted <= size || !budget.reserve_history(wanted - size) {
            return;
        }
        let mut ring = vec![0; wanted].into_boxed_slice();
        let mut from = self.from;
        while from < self.end {
            let (here, there) = (position(from, size), position(from, wanted));
            let left = usize::try_from(self.end - from).unwrap_or(usize::MAX);
            let piece = left.min(size - here).min(wanted - there);
            ring[there..there + piece].copy_from_slice(&self.ring[here..here + piece]);
            from += piece as u64;
        }
        self.ring = ring;
    }
}

/// Returns the place of `offset` in a ring of `size` bytes, a power of two.
#[expect(
    clippy::cast_possible_truncation,
    reason = "only the bits below the ring's size count"
)]
const fn position(offset: u64, size: usize) -> usize {
    offset as usize & (size - 1)
}

/// Returns the number of places at which two slices of the same length differ.
pub(super) fn count_differences(kept: &[u8], again: &[u8]) -> u64 {
    if kept == again {
        return 0;
    }
    // Nearly all retransmissions are equal, and slices compare far faster as a whole.
    kept.iter().zip(again).filter(|(a, b)| a != b).count() as u64
}

/// Ring sizes in bytes. Most control connections never outgrow the smallest one.
const SHORTEST: usize = 256;
const LONGEST: usize = 32 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Limits;

    #[test]
    fn conflicts_are_found_across_growth_and_wrap() {
        let mut budget = Budget::new(&Limits::default());
        let mut history = History::default();
        let stream: Vec<u8> = (0..200_000_u32).map(|at| (at % 251) as u8).collect();
        for (at, piece) in stream.chunks(1460).enumerate() {
            history.push(at as u64 * 1460, piece, &mut budget);
        }
        let last = &stream[stream.len() - LONGEST..];
        let offset = (stream.len() - LONGEST) as u64;
        assert_eq!(history.conflicts(offset, last), 0);
        let mut other = last.to_vec();
        other[0] ^= 1;
        other[LONGEST - 1] ^= 1;
        assert_eq!(history.conflicts(offset, &other), 2);
        assert_eq!(history.conflicts(0, b"not kept any more"), 0);
    }

    #[test]
    fn gap_drops_older_bytes() {
        let mut budget = Budget::new(&Limits::default());
        let mut history = History::default();
        history.push(0, b"abc", &mut budget);
        history.push(10, b"def", &mut budget);
        assert_eq!(history.conflicts(0, b"xxx"), 0);
        assert_eq!(history.conflicts(9, b"xdeX"), 1);
    }

    #[test]
    fn without_budget_no_byte_is_kept_or_compared() {
        let mut budget = Budget::new(&Limits {
            history_bytes: 1000,
            ..Limits::default()
        });
        let mut history = History::default();
        history.push(0, &[1; 4000], &mut budget);
        assert_eq!(history.conflicts(3000, &[2; 1000]), 0);
        history.push(4000, &[1; 10], &mut budget);
        assert_eq!(history.conflicts(4000, &[2; 10]), 10);
        history.clear(&mut budget);
        assert!(budget.reserve_history(1000));
    }
}
