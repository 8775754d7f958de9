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
    /// `start` is the number of offset 0, `near` the end of what is known of the stream. The number alone is ambiguous in
    /// streams longer than 4 GiB: of its offsets the one from 1 GiB before `near` to 3 GiB after it is returned. No window
    /// is larger than 1 GiB (RFC 7323 section 2.3), so that nothing older is sent again, but a capture may lack any number
    /// of bytes.
    pub(super) fn unwrap_near(self, start: Self, near: u64) -> i64 {
        let oldest = near.wrapping_sub(LARGEST_WINDOW);
        // Negative offsets wrap around as the number does: before a stream of less than 1 GiB lies its own beginning.
        let distance = self.0.wrapping_sub(start.at(oldest).0);
        oldest.cast_signed().saturating_add(i64::from(distance))
    }
}

/// Largest receive window in bytes (RFC 7323 section 2.3).
const LARGEST_WINDOW: u64 = 1 << 30;

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

    #[test]
    fn bytes_after_a_loss_of_up_to_three_gibibytes_are_later_ones() {
        let start = SeqNum(17);
        let near = 5_000_000_000;
        for (offset, seen) in [
            (near + 3 * (1 << 30) - 1, near + 3 * (1 << 30) - 1),
            (near + 3 * (1 << 30), near - (1 << 30)),
            (near - (1 << 30), near - (1 << 30)),
        ] {
            let found = start.at(offset).unwrap_near(start, near);
            assert_eq!(u64::try_from(found), Ok(seen));
        }
    }
}
