//! Segments that were captured twice, as on a mirrored port or with all interfaces at once: no retransmissions.
//!
//! A copy has the IPv4 identification of the first one and comes within milliseconds; a retransmission is a packet of its
//! own and gets the next number. IPv6 has no such number, and some systems send 0: there, bytes seen again count as
//! retransmitted.

use crate::decode::Segment;
use crate::model::Direction;

use super::HalfSummary;

/// What both directions of a flow sent last, where copies of it can be told.
#[derive(Debug, Default)]
pub(super) struct SecondCopies(Option<Box<[Latest; 2]>>);

/// The latest segments with payload of one direction.
#[derive(Debug, Default)]
struct Latest {
    /// A ring once it has [`KEPT`]; most flows have few segments and never get so far.
    recent: Vec<Recent>,
    oldest: u8,
}

/// A segment in a few bytes: there are many of them for each of many flows.
#[derive(Clone, Copy, Debug, Default)]
struct Recent {
    /// Capture time in [`TICK`]s, without those above 32 bits: more than an hour.
    time: u32,
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
            latest.remember(segment);
        }
    }
}

impl Latest {
    #[inline]
    fn remember(&mut self, segment: &Segment<'_>) {
        let this = Recent::of(segment);
        if self.recent.len() < usize::from(KEPT) {
            self.recent.push(this);
        } else if let Some(place) = self.recent.get_mut(usize::from(self.oldest)) {
            *place = this;
            self.oldest = (self.oldest + 1) % KEPT;
        }
    }

    /// True for another copy of a segment that was remembered.
    #[cold]
    fn is_copy(&self, segment: &Segment<'_>) -> bool {
        let this = Recent::of(segment);
        self.recent.iter().any(|recent| {
            let apart = this.time.wrapping_sub(recent.time).cast_signed();
            (recent.identification, recent.sequence, recent.wire_len)
                == (this.identification, this.sequence, this.wire_len)
                && apart.unsigned_abs() <= AT_MOST
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

/// Nanoseconds of the unit in which times are compared.
const TICK: i64 = 1000;
/// How far apart two copies may be: much less than a retransmission timeout.
const AT_MOST: u32 = 10_000;
/// A burst that a switch copies as a whole is not longer than this.
const KEPT: u8 = 16;
