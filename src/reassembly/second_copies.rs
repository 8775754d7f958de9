//! Segments that were captured twice, as on a mirrored port or with all interfaces at once: no retransmissions.
//!
//! A copy has the IPv4 identification of the first one and comes within milliseconds; a retransmission is a packet of its
//! own and gets the next number. IPv6 has no such number, and some systems send 0: there, bytes seen again count as
//! retransmitted.

use crate::decode::Segment;
use crate::model::{Span, Timestamp};

use super::HalfSummary;

/// The latest segments with payload of one direction.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SecondCopies {
    recent: [Recent; KEPT],
    next: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Recent {
    time: Timestamp,
    sequence: u32,
    wire_len: u32,
    identification: u16,
}

impl SecondCopies {
    /// Takes back what a second copy of a segment with payload added to the bytes sent again, and remembers any other
    /// segment. `before` are the bytes sent again and the conflicting ones among them, as they were without this segment:
    /// what brings other bytes is no copy.
    #[inline]
    pub(super) fn tell_apart(
        &mut self,
        segment: &Segment<'_>,
        half: &mut HalfSummary,
        before: (u64, u64),
    ) {
        let (retransmitted, conflicting) = before;
        if half.retransmitted_bytes != retransmitted
            && half.conflicting_bytes == conflicting
            && self.is_copy(segment)
        {
            half.retransmitted_bytes = retransmitted;
            half.second_copies += 1;
        } else {
            self.remember(segment);
        }
    }

    #[inline]
    fn remember(&mut self, segment: &Segment<'_>) {
        if let Some(place) = self.recent.get_mut(self.next % KEPT) {
            *place = Recent::of(segment);
        }
        self.next = self.next.wrapping_add(1);
    }

    /// True for another copy of a segment that was remembered.
    #[cold]
    fn is_copy(&self, segment: &Segment<'_>) -> bool {
        let this = Recent::of(segment);
        this.identification != 0
            && self.recent.iter().any(|recent| {
                let apart = this.time.since(recent.time).nanos();
                (recent.identification, recent.sequence, recent.wire_len)
                    == (this.identification, this.sequence, this.wire_len)
                    && (-AT_MOST.nanos()..=AT_MOST.nanos()).contains(&apart)
            })
    }
}

impl Recent {
    #[inline]
    fn of(segment: &Segment<'_>) -> Self {
        Self {
            time: segment.frame.time,
            sequence: segment.sequence,
            wire_len: segment.wire_len(),
            identification: segment.identification,
        }
    }
}

/// How far apart two copies may be: much less than a retransmission timeout.
const AT_MOST: Span = Span::from_millis(10);
/// A burst that a switch copies as a whole is not longer than this.
const KEPT: usize = 16;
