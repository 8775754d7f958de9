//! Sequence numbers: 32 bits that wrap around (RFC 9293 section 3.4), and the 64-bit stream offsets they stand for.

/// A TCP sequence or acknowledgment number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SeqNum(pub(super) u32);

impl SeqNum {
    /// Returns the number `count` bytes further on.
    pub(super) const fn plus(self, count: u32) -> Self {
        Self(self.0.wrapping_add(count))
    }

    /// Returns the number of the byte at `offset` in a stream whose first byte has this number.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "sequence numbers are offsets modulo 2^32"
    )]
    pub(super) const fn at(self, offset: u64) -> Self {
        Self(self.0.wrapping_add(offset as u32))
    }

    /// Returns the distance from `other` to this number by the shorter way around; negative if it lies before `other`.
    pub(super) const fn distance_from(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0).cast_signed()
    }

    /// Returns the stream offset of this number; negative if it lies before the stream.
    ///
    /// `start` is the number of offset 0. `near` is an offset within 2 GiB of the result: the number alone is ambiguous
    /// in streams longer than 4 GiB.
    pub(super) fn unwrap_near(self, start: Self, near: u64) -> i64 {
        let distance = self.distance_from(start.at(near));
        i64::try_from(near)
            .unwrap_or(i64::MAX)
            .saturating_add(i64::from(distance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_takes_the_shorter_way_around() {
        assert_eq!(SeqNum(5).distance_from(SeqNum(u32::MAX)), 6);
        assert_eq!(SeqNum(u32::MAX).distance_from(SeqNum(5)), -6);
        assert_eq!(SeqNum(u32::MAX).plus(2), SeqNum(1));
    }

    #[test]
    fn offsets_continue_past_four_gibibytes() {
        let start = SeqNum(4_000_000_000);
        let far = 10 * (1_u64 << 32) + 17;
        assert_eq!(
            start.at(far).unwrap_near(start, far - 1000),
            10 * (1 << 32) + 17
        );
        assert_eq!(
            start.at(far).unwrap_near(start, far + 1000),
            10 * (1 << 32) + 17
        );
        assert_eq!(SeqNum(3_999_999_999).unwrap_near(start, 0), -1);
    }
}
