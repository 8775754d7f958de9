//! Bytes of one direction that came before their turn: the only copy of payload in the pipeline.

use std::collections::BTreeMap;

use super::arrival::Arrival;
use super::budget::Budget;
use super::history::count_differences;

/// Pieces by offset. They never overlap: the bytes that came first stay.
#[derive(Debug, Default)]
pub(super) struct HeldSegments {
    pieces: BTreeMap<u64, HeldPiece>,
    bytes: usize,
}

/// Bytes in one piece, as they came.
#[derive(Debug)]
pub(super) struct HeldPiece {
    /// When they came.
    pub(super) arrived: Arrival,
    /// Never empty.
    pub(super) bytes: Box<[u8]>,
}

/// What an insertion found already there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Overlap {
    /// Bytes that were held already.
    pub(super) seen_again: u64,
    /// Those of them that differ.
    pub(super) conflicting: u64,
}

impl HeldSegments {
    /// Offset of the first byte held.
    pub(super) fn first_offset(&self) -> Option<u64> {
        self.pieces.first_key_value().map(|(offset, _)| *offset)
    }

    /// True when nothing is held.
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Payload bytes held.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Keeps what is new of `bytes`, and compares the rest.
    pub(super) fn insert(
        &mut self,
        offset: u64,
        bytes: &[u8],
        arrived: Arrival,
        budget: &mut Budget,
    ) -> Overlap {
        let mut overlap = Overlap::default();
        let mut at = offset;
        let mut rest = bytes;
        while !rest.is_empty() {
            // What is held at `at`, if a piece that began at or before it reaches over it.
            let covered = self
                .pieces
                .range(..=at)
                .next_back()
                .and_then(|(from, piece)| {
                    let skip = usize::try_from(at - from).unwrap_or(usize::MAX);
                    piece.bytes.get(skip..).filter(|held| !held.is_empty())
                });
            let taken = if let Some(held) = covered {
                let length = held.len().min(rest.len());
                overlap.seen_again += length as u64;
                overlap.conflicting += count_differences(&held[..length], &rest[..length]);
                length
            } else {
                let free = self
                    .pieces
                    .range(at..)
                    .next()
                    .map_or(u64::MAX, |(from, _)| from - at);
                let length = usize::try_from(free).unwrap_or(usize::MAX).min(rest.len());
                self.pieces.insert(
                    at,
                    HeldPiece {
                        arrived,
                        bytes: rest[..length].into(),
                    },
                );
                self.bytes += length;
                budget.hold(length);
                length
            };
            at = at.saturating_add(taken as u64);
            rest = &rest[taken..];
        }
        overlap
    }

    /// Takes the first piece if it begins at `offset`.
    pub(super) fn take_at(&mut self, offset: u64, budget: &mut Budget) -> Option<HeldPiece> {
        let first = self.pieces.first_entry()?;
        if *first.key() != offset {
            return None;
        }
        let piece = first.remove();
        self.bytes -= piece.bytes.len();
        budget.release(piece.bytes.len());
        Some(piece)
    }

    /// Throws away what begins at or after `offset`; returns how many bytes that was.
    pub(super) fn drop_from(&mut self, offset: u64, budget: &mut Budget) -> u64 {
        let dropped = self.pieces.split_off(&offset);
        let mut count = 0;
        for piece in dropped.values() {
            count += piece.bytes.len();
            budget.release(piece.bytes.len());
        }
        self.bytes -= count;
        count as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Limits;

    #[test]
    fn first_bytes_stay_and_differences_are_counted() {
        let mut budget = Budget::new(&Limits::default());
        let mut held = HeldSegments::default();
        let frame = Arrival::default();
        assert_eq!(
            held.insert(10, b"bcd", frame, &mut budget),
            Overlap::default()
        );
        let overlap = held.insert(8, b"..xcd..", frame, &mut budget);
        assert_eq!(
            overlap,
            Overlap {
                seen_again: 3,
                conflicting: 1
            }
        );
        assert_eq!(held.bytes(), 7);
        let mut all = Vec::new();
        let mut at = 8;
        while let Some(piece) = held.take_at(at, &mut budget) {
            at += piece.bytes.len() as u64;
            all.extend_from_slice(&piece.bytes);
        }
        assert_eq!(all, b"..bcd..");
        assert_eq!(budget.held(), 0);
    }

    #[test]
    fn dropping_gives_the_budget_back() {
        let mut budget = Budget::new(&Limits::default());
        let mut held = HeldSegments::default();
        held.insert(10, b"abc", Arrival::default(), &mut budget);
        held.insert(20, b"de", Arrival::default(), &mut budget);
        assert_eq!(held.drop_from(11, &mut budget), 2);
        assert_eq!(held.first_offset(), Some(10));
        assert_eq!(held.drop_from(0, &mut budget), 3);
        assert_eq!((held.bytes(), budget.held()), (0, 0));
    }
}
