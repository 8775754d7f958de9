//! Segments far beyond the window that the receiver offered: forged, or ahead of acknowledgments that were not captured.

use super::arrival::Arrival;
use super::budget::Budget;

/// They wait apart, so that they cannot take the place of bytes that come later, until the receiver acknowledges them.
#[derive(Debug, Default)]
pub(super) struct DistantSegments {
    segments: Vec<DistantSegment>,
    bytes: usize,
}

/// A segment as it came.
#[derive(Debug)]
pub(super) struct DistantSegment {
    /// Offset of its first byte.
    pub(super) offset: u64,
    /// Captured payload.
    pub(super) bytes: Box<[u8]>,
    /// Bytes on the wire that were not captured.
    pub(super) cut: u32,
    /// Ends the stream.
    pub(super) fin: bool,
    /// When it came.
    pub(super) arrived: Arrival,
}

impl DistantSegments {
    /// Payload bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Keeps one more. False when there are so many that they are not forged: then acknowledgments are not captured.
    pub(super) fn add(&mut self, segment: DistantSegment, budget: &mut Budget) -> bool {
        self.bytes += segment.bytes.len();
        budget.hold(segment.bytes.len());
        self.segments.push(segment);
        self.bytes <= LARGEST && self.segments.len() <= MOST
    }

    /// Takes those that end at or before `acked`, in order of arrival.
    pub(super) fn take_until(&mut self, acked: u64, budget: &mut Budget) -> Vec<DistantSegment> {
        if self.segments.is_empty() {
            return Vec::new();
        }
        let (taken, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.segments)
            .into_iter()
            .partition(|segment| {
                segment.offset.saturating_add(segment.bytes.len() as u64) <= acked
            });
        self.segments = kept;
        for segment in &taken {
            self.bytes -= segment.bytes.len();
            budget.release(segment.bytes.len());
        }
        taken
    }

    /// Throws all away; returns how many bytes that was.
    pub(super) fn clear(&mut self, budget: &mut Budget) -> u64 {
        let taken = self.take_until(u64::MAX, budget);
        taken.iter().map(|segment| segment.bytes.len() as u64).sum()
    }
}

/// Bytes of one stream that may be forged; more are not.
const LARGEST: usize = 256 << 10;
/// Segments of one stream that may be forged; more are not.
const MOST: usize = 256;
