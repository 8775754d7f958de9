//! Sequence numbers: 32 bits that wrap (RFC 9293 section 3.4).

/// A TCP sequence or acknowledgment number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SeqNum(pub(super) u32);

impl SeqNum {
    /// The number `count` further on.
    pub(super) const fn plus(self, count: u32) -> Self {
        Self(self.0.wrapping_add(count))
    }

    /// The number of the byte at `offset` of the stream whose first byte has this number.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "sequence numbers are offsets modulo 2^32"
    )]
    pub(super) const fn at(self, offset: u64) -> Self {
        Self(self.0.wrapping_add(offset as u32))
    }

    /// How far this number lies after `other`, by the shorter way around; negative when before.
    pub(super) const fn distance_from(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0).cast_signed()
    }

    /// The stream offset of this number, given the number of offset 0 and an offset that lies within 2 GiB of it.
    /// Negative when it lies before the stream.
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
    fn distances_go_the_shorter_way_around() {
        assert_eq!(SeqNum(5).distance_from(SeqNum(u32::MAX)), 6);
        assert_eq!(SeqNum(u32::MAX).distance_from(SeqNum(5)), -6);
        assert_eq!(SeqNum(u32::MAX).plus(2), SeqNum(1));
    }

    #[test]
    fn offsets_go_on_past_four_gibibytes() {
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
