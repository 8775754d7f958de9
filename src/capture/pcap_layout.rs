//! What the records of a pcap file look like.

use crate::model::Timestamp;

/// What the file header says about the records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// The byte order of its numbers.
    pub(super) big_endian: bool,
    /// What the fraction of a second counts.
    pub(super) nanos_per_unit: i64,
    /// Bytes of a record header.
    pub(super) header_len: usize,
    /// Which length comes first.
    pub(super) length_order: LengthOrder,
    /// A captured length beyond this is damage.
    pub(super) bound: u32,
}

/// A record header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) seconds: u32,
    pub(super) fraction: u32,
    pub(super) captured: u32,
    pub(super) wire: u32,
}

/// Which of the two lengths comes first; libpcap up to 0.4 wrote them the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LengthOrder {
    CapturedFirst,
    /// Version 2.3: some writers swapped them, some did not; the captured length is never the larger.
    SmallerIsCaptured,
    WireFirst,
}

impl Layout {
    /// Fractions of a second that make a whole one.
    pub(super) fn units(&self) -> u32 {
        if self.nanos_per_unit == 1 {
            1_000_000_000
        } else {
            1_000_000
        }
    }

    /// Reads a record header.
    #[inline]
    pub(super) fn header(&self, bytes: &[u8; 16]) -> Header {
        let word = |offset| word_at(bytes, offset, self.big_endian);
        let (first, second) = (word(8), word(12));
        let (captured, wire) = match self.length_order {
            LengthOrder::CapturedFirst => (first, second),
            LengthOrder::SmallerIsCaptured => (first.min(second), first.max(second)),
            LengthOrder::WireFirst => (second, first),
        };
        Header {
            seconds: word(0),
            fraction: word(4),
            captured,
            wire,
        }
    }

    /// The time a header tells. Cannot overflow: 32-bit seconds are less than half of what 64-bit nanoseconds hold.
    #[inline]
    pub(super) fn time(&self, header: Header) -> Timestamp {
        Timestamp::from_nanos(
            i64::from(header.seconds) * 1_000_000_000
                + i64::from(header.fraction) * self.nanos_per_unit,
        )
    }
}

/// A number of 32 bits at `offset`; 0 beyond the end.
#[inline]
pub(super) fn word_at<const N: usize>(bytes: &[u8; N], offset: usize, big_endian: bool) -> u32 {
    let word = bytes
        .get(offset..)
        .and_then(<[u8]>::first_chunk)
        .map_or(0, |word| u32::from_le_bytes(*word));
    if big_endian { word.swap_bytes() } else { word }
}
