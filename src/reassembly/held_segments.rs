//! Bytes of one direction captured before their turn: the only copy of payload in the pipeline.
//!
//! [`HeldSegments`] are behind a hole. [`DistantSegments`] lie so far beyond the receiver's window that they may be
//! forged.

use std::collections::BTreeMap;

use super::budget::Budget;
use super::delivery::Arrival;
use super::history::count_differences;

/// Pieces by stream offset. They never overlap: the bytes captured first are kept.
#[derive(Debug, Default)]
pub(super) struct HeldSegments {
    pieces: BTreeMap<u64, HeldPiece>,
    bytes: usize,
}

/// Consecutive bytes of one segment.
#[derive(Debug)]
pub(super) struct HeldPiece {
    /// The segment's arrival.
    pub(super) arrived: Arrival,
    /// Never empty.
    pub(super) bytes: Box<[u8]>,
}

/// Bytes of an insertion that were held before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Overlap {
    /// Their number.
    pub(super) repeated: u64,
    /// The number of those with another value.
    pub(super) conflicting: u64,
}

impl HeldSegments {
    /// Returns the offset of the first byte held; `None` when nothing is held.
    pub(super) fn first_offset(&self) -> Option<u64> {
        self.pieces.first_key_value().map(|(offset, _)| *offset)
    }

    /// Returns whether nothing is held.
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Returns the number of payload bytes held.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Holds those of `bytes` that are new, and compares the others.
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
            // The held bytes from `at` on, if a piece that begins at or before `at` reaches beyond it.
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
                overlap.repeated += length as u64;
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

    /// Removes the first piece if it begins at `offset`.
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

    /// Drops pieces that begin at or after `offset`; returns the number of bytes dropped.
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

/// Segments that count once the receiver acknowledges them: damaged, or far beyond the window that the receiver offered,
/// where they are forged or ahead of acknowledgments that were not captured.
///
/// They are held apart until the receiver acknowledges them, since the bytes captured first are kept: a forged segment
/// in [`HeldSegments`] would replace the bytes of the real one.
#[derive(Debug, Default)]
pub(super) struct DistantSegments {
    segments: Vec<DistantSegment>,
    bytes: usize,
}

/// A segment as captured.
#[derive(Debug)]
pub(super) struct DistantSegment {
    /// Stream offset of the first byte.
    pub(super) offset: u64,
    /// Captured payload.
    pub(super) bytes: Box<[u8]>,
    /// Payload bytes after these that the snap length took away.
    pub(super) cut: u32,
    /// Whether it ends the stream.
    pub(super) fin: bool,
    /// The segment's arrival.
    pub(super) arrived: Arrival,
    /// Whether its checksum is wrong, so that a copy goes first.
    pub(super) damaged: bool,
}

impl DistantSegments {
    /// Returns the number of payload bytes held.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Holds one more segment. Returns false once there are too many to be forged, so that the capture must lack
    /// acknowledgments.
    pub(super) fn add(&mut self, segment: DistantSegment, budget: &mut Budget) -> bool {
        self.bytes += segment.bytes.len();
        budget.hold(segment.bytes.len());
        self.segments.push(segment);
        self.bytes <= FORGED_BYTES && self.segments.len() <= FORGED_SEGMENTS
    }

    /// Removes the segments whose captured bytes end at or before `acked`, in order of arrival.
    pub(super) fn take_until(&mut self, acked: u64, budget: &mut Budget) -> Vec<DistantSegment> {
        self.take(budget, |segment| {
            segment.offset.saturating_add(segment.bytes.len() as u64) <= acked
        })
    }

    /// Removes the damaged segments, in order of arrival.
    pub(super) fn take_damaged(&mut self, budget: &mut Budget) -> Vec<DistantSegment> {
        self.take(budget, |segment| segment.damaged)
    }

    fn take(
        &mut self,
        budget: &mut Budget,
        wanted: impl Fn(&DistantSegment) -> bool,
    ) -> Vec<DistantSegment> {
        if self.segments.is_empty() {
            return Vec::new();
        }
        let (taken, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.segments)
            .into_iter()
            .partition(wanted);
        self.segments = kept;
        for segment in &taken {
            self.bytes -= segment.bytes.len();
            budget.release(segment.bytes.len());
        }
        taken
    }

    /// Drops all segments; returns the number of bytes dropped.
    pub(super) fn clear(&mut self, budget: &mut Budget) -> u64 {
        let taken = self.take_until(u64::MAX, budget);
        taken.iter().map(|segment| segment.bytes.len() as u64).sum()
    }
}

/// Most distant bytes of one stream that still count as forged.
const FORGED_BYTES: usize = 256 << 10;

/// Most distant segments of one stream that still count as forged.
const FORGED_SEGMENTS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Limits;

    #[test]
    fn overlap_keeps_the_first_bytes_and_counts_differences() {
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
                repeated: 3,
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
    fn dropped_pieces_give_their_budget_back() {
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
