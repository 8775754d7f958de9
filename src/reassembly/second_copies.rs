//! Segments that were captured twice, as on a mirror port or on all interfaces at once: no retransmissions.
//!
//! A copy has the IPv4 identification of the first one and is captured within milliseconds; a retransmission is a
//! packet of its own with the next identification. IPv6 has no such field, and some systems send 0 in it: there,
//! repeated bytes count as retransmitted.

use crate::decode::Segment;
use crate::model::Direction;

use super::HalfSummary;

/// Latest segments of both directions of a flow, by [`Direction::index`]. `None` before the first segment with payload
/// and an identification.
#[derive(Debug, Default)]
pub(super) struct SecondCopies(Option<Box<[Latest; 2]>>);

/// Latest segments with payload of one direction.
#[derive(Debug, Default)]
struct Latest {
    /// Ring of [`KEPT`] segments once full. Most flows have fewer segments, so that it is not allocated as a whole.
    recent: Vec<Recent>,
    /// Index of the next segment to be overwritten.
    oldest: u8,
}

/// Identity of a segment in 16 bytes: each of many flows has up to 32.
#[derive(Clone, Copy, Debug, Default)]
struct Recent {
    /// Capture time in [`TICK`]s modulo 2^32: wraps after more than an hour.
    time: u32,
    sequence: u32,
    wire_len: u32,
    identification: u16,
}

impl SecondCopies {
    /// Takes a second copy of a segment with payload out of the retransmitted bytes, and records any other segment.
    ///
    /// `before` are the retransmitted and the conflicting bytes of `half` before this segment. A segment with
    /// conflicting bytes is no copy, whatever its identification.
    #[inline]
    pub(super) fn discount_copy(
        &mut self,
        direction: Direction,
        segment: &Segment<'_>,
        half: &mut HalfSummary,
        before: (u64, u64),
    ) {
        if segment.identification == 0 {
            return;
        }
        let latest = &mut self.0.get_or_insert_default()[direction.index()];
        let (retransmitted, conflicting) = before;
        if half.retransmitted_bytes != retransmitted
            && half.irregular().conflicting_bytes == conflicting
            && latest.is_copy(segment)
        {
            half.retransmitted_bytes = retransmitted;
            half.irregular_mut().second_copies += 1;
        } else {
            latest.record(segment);
        }
    }
}

impl Latest {
    #[inline]
    fn record(&mut self, segment: &Segment<'_>) {
        let this = Recent::of(segment);
        if self.recent.len() < usize::from(KEPT) {
            self.recent.push(this);
        } else if let Some(place) = self.recent.get_mut(usize::from(self.oldest)) {
            *place = this;
            self.oldest = (self.oldest + 1) % KEPT;
        }
    }

    /// Returns whether `segment` is a copy of a recorded one.
    #[cold]
    fn is_copy(&self, segment: &Segment<'_>) -> bool {
        let this = Recent::of(segment);
        self.recent.iter().any(|recent| {
            let apart = this.time.wrapping_sub(recent.time).cast_signed();
            (recent.identification, recent.sequence, recent.wire_len)
                == (this.identification, this.sequence, this.wire_len)
                && apart.unsigned_abs() <= LONGEST_DELAY
        })
    }
}

impl Recent {
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "differences of times are taken modulo 2^32 ticks"
    )]
    fn of(segment: &Segment<'_>) -> Self {
        Self {
            time: segment.frame.time.nanos().div_euclid(TICK) as u32,
            sequence: segment.sequence,
            wire_len: segment.wire_len(),
            identification: segment.identification,
        }
    }
}

/// Unit of [`Recent::time`] in nanoseconds.
const TICK: i64 = 1000;

/// Longest time between two copies in ticks, 10 ms: far below the smallest retransmission timeout.
const LONGEST_DELAY: u32 = 10_000;

/// Segments recorded for each direction: switches copy bursts as a whole, and those are no longer.
const KEPT: u8 = 16;
