//! Checksums of one sender: whether a wrong one proves that the segment is damaged.
//!
//! Captured on the sending host, checksums are wrong in all of a sender's segments, SYN included, because the network card
//! fills them in later. A receiving host that joins segments captures wrong checksums in the joined ones, which are longer
//! than any packet. A wrong checksum is taken for damage only among right ones, in a segment that fits a packet.
//!
//! A sender whose checksums prove to be filled in later is not verified any more. For others the sum costs 2 to 4 % of the
//! SHA-256 over the same bytes, which brings them into the cache anyway; unrelated traffic is never summed.

use crate::decode::Segment;

/// Counts of right and wrong checksums of one sender, in segments with payload and in SYN.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Checksums {
    right: u8,
    wrong: u8,
}

impl Checksums {
    /// Verifies a segment, and returns whether it is damaged. False if that cannot be known.
    #[inline]
    pub(super) fn is_damaged(&mut self, segment: &Segment<'_>) -> bool {
        // Most senders are one or the other throughout: after this many wrong ones nothing is summed any more.
        if self.wrong >= FILLED_IN_LATER && self.wrong > self.right {
            return false;
        }
        if segment.payload.len() > LONGEST_PAYLOAD {
            return false;
        }
        match segment.checksum_is_right() {
            Some(true) => {
                self.right = self.right.saturating_add(1);
                false
            }
            Some(false) => {
                let is_trusted = self.wrong < self.right;
                self.wrong = self.wrong.saturating_add(1);
                is_trusted
            }
            None => false,
        }
    }
}

/// Wrong checksums, more than right ones, that show that the network card fills them in.
const FILLED_IN_LATER: u8 = 3;

/// Longest payload of one packet with jumbo frames, in bytes.
const LONGEST_PAYLOAD: usize = 9000;
