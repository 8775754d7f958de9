//! Segments that were captured twice, as on a mirror port or on all interfaces at once: no retransmissions.
//!
//! A copy has the IPv4 identification of the first one and is captured within milliseconds; a retransmission is a
//! packet of its own with the next identification. IPv6 has no such field, and some systems send 0 in it: there,
//! repeated bytes count as retransmitted.

use crate::decode::{Segment, TcpFlags};
use crate::model::{Direction, Timestamp};

use super::HalfSummary;
use super::recent_openings::Syn;

/// Latest segments of both directions of a flow, by [`Direction::index`]. `None` before the first segment with an
/// identification.
#[derive(Debug, Default)]
pub(super) struct SecondCopies(Option<Box<[Latest; 2]>>);

/// Latest segments of one direction.
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
    /// Sequence number; of a segment without payload, whose sequence number says little, the acknowledgment.
    number: u32,
    /// Length of the payload, and flags in the upper 8 bits.
    shape: u32,
    identification: u16,
}

impl SecondCopies {
    /// Records a SYN or SYN ACK that was captured before the flow was followed.
    pub(super) fn record_syn(&mut self, direction: Direction, syn: &Syn) {
        if syn.identification == 0 {
            return;
        }
        let latest = &mut self.0.get_or_insert_default()[direction.index()];
        let observed = syn.observed();
        latest.push(Recent {
            time: ticks(observed.time),
            number: observed.acknowledgment.0,
            shape: shape(0, observed.flags),
            identification: syn.identification,
        });
    }

    /// Returns whether a segment without payload is a second copy, and records any other. `may_repeat` if no number in it is
    /// new.
    #[inline]
    pub(super) fn is_bare_copy(
        &mut self,
        direction: Direction,
        segment: &Segment<'_>,
        may_repeat: bool,
    ) -> bool {
        if segment.identification == 0 {
            return false;
        }
        let latest = &mut self.0.get_or_insert_default()[direction.index()];
        if may_repeat && latest.is_copy(segment) {
            return true;
        }
        latest.record(segment);
        false
    }

    /// Takes a second copy of a segment with payload out of the retransmitted bytes, and records any other segment. Returns
    /// whether it is a copy.
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
    ) -> bool {
        if segment.identification == 0 {
            return false;
        }
        let latest = &mut self.0.get_or_insert_default()[direction.index()];
        let (retransmitted, conflicting) = before;
        if half.retransmitted_bytes != retransmitted
            && half.irregular().conflicting_bytes == conflicting
            && latest.is_copy(segment)
        {
            half.retransmitted_bytes = retransmitted;
            return true;
        }
        latest.record(segment);
        false
    }
}

impl Latest {
    #[inline]
    fn record(&mut self, segment: &Segment<'_>) {
        self.push(Recent::of(segment));
    }

    #[inline]
    fn push(&mut self, this: Recent) {
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
            (recent.identification, recent.number, recent.shape)
                == (this.identification, this.number, this.shape)
                && apart.unsigned_abs() <= LONGEST_DELAY
        })
    }
}

impl Recent {
    #[inline]
    fn of(segment: &Segment<'_>) -> Self {
        Self {
            time: ticks(segment.frame.time),
            number: if segment.wire_len() > 0 {
                segment.sequence
            } else {
                segment.acknowledgment
            },
            shape: shape(segment.wire_len(), segment.flags),
            identification: segment.identification,
        }
    }
}

#[inline]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "differences of times are taken modulo 2^32 ticks"
)]
const fn ticks(time: Timestamp) -> u32 {
    time.nanos().div_euclid(TICK) as u32
}

#[inline]
fn shape(payload: u32, flags: TcpFlags) -> u32 {
    payload ^ (u32::from(flags.0) << 24)
}

/// Unit of [`Recent::time`] in nanoseconds.
const TICK: i64 = 1000;

/// Longest time between two copies in ticks, 10 ms: far below the smallest retransmission timeout.
const LONGEST_DELAY: u32 = 10_000;

/// Segments recorded for each direction: switches copy bursts as a whole, and those are no longer.
const KEPT: u8 = 16;
