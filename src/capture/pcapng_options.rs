//! Options of pcapng blocks: what they say about time and lost packets.

use super::record_buffer::RecordBuffer;
use crate::model::Timestamp;

/// Byte order of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

/// How the 64-bit numbers of an interface become times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    tick: Tick,
    /// Seconds to be added.
    offset: i64,
}

/// What one unit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tick {
    /// This many nanoseconds.
    Nanoseconds(u64),
    /// This part of a nanosecond.
    PartOfNanosecond(u128),
    /// 2^-n of a second.
    PowerOfTwo(u8),
}

impl ByteOrder {
    #[inline]
    pub(super) fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    #[inline]
    pub(super) fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    pub(super) fn u64(self, bytes: [u8; 8]) -> u64 {
        match self {
            Self::Little => u64::from_le_bytes(bytes),
            Self::Big => u64::from_be_bytes(bytes),
        }
    }

    /// The 32-bit number at `offset`; 0 where the bytes do not reach.
    #[inline]
    pub(super) fn word(self, bytes: &[u8], offset: usize) -> u32 {
        bytes
            .get(offset..)
            .and_then(<[u8]>::first_chunk)
            .map_or(0, |word| self.u32(*word))
    }
}

impl Clock {
    /// Microseconds since 1970, where the options say nothing.
    pub(super) const DEFAULT: Self = Self {
        tick: Tick::Nanoseconds(1000),
        offset: 0,
    };

    /// From the options of an interface: `if_tsresol` and `if_tsoffset`.
    pub(super) fn from_options(options: &[u8], order: ByteOrder) -> Self {
        let mut clock = Self::DEFAULT;
        for (code, value) in Options::new(options, order) {
            match (code, value) {
                (IF_TSRESOL, [resolution, ..]) => clock.tick = Tick::from_resolution(*resolution),
                (IF_TSOFFSET, _) => {
                    if let Some(seconds) = value.first_chunk() {
                        clock.offset = order.u64(*seconds).cast_signed();
                    }
                }
                _ => {}
            }
        }
        clock
    }

    /// The time of a count of ticks; saturates at the ends of what can be told.
    #[inline]
    pub(super) fn time(self, ticks: u64) -> Timestamp {
        let nanos = match self.tick {
            Tick::Nanoseconds(unit) => ticks.saturating_mul(unit),
            Tick::PartOfNanosecond(parts) => saturate(u128::from(ticks) / parts),
            Tick::PowerOfTwo(bits) => {
                saturate((u128::from(ticks) * 1_000_000_000) >> u32::from(bits))
            }
        };
        let nanos = i64::try_from(nanos).unwrap_or(i64::MAX);
        Timestamp::from_nanos(nanos.saturating_add(self.offset.saturating_mul(1_000_000_000)))
    }
}

impl Tick {
    /// The top bit tells the base: 2, or else 10. The other bits are the negative exponent.
    fn from_resolution(resolution: u8) -> Self {
        let exponent = resolution & 0x7f;
        if resolution & 0x80 != 0 {
            return Self::PowerOfTwo(exponent);
        }
        match exponent {
            0..=9 => Self::Nanoseconds(10_u64.pow(u32::from(9 - exponent))),
            // Beyond 10^38 parts of a nanosecond every count is zero.
            _ => Self::PartOfNanosecond(
                10_u128
                    .checked_pow(u32::from(exponent - 9))
                    .unwrap_or(u128::MAX),
            ),
        }
    }
}

/// The options at the end of a block: code and value.
pub(super) struct Options<'a> {
    bytes: &'a [u8],
    order: ByteOrder,
}

impl<'a> Options<'a> {
    pub(super) fn new(bytes: &'a [u8], order: ByteOrder) -> Self {
        Self { bytes, order }
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&[a, b, c, d], rest) = self.bytes.split_first_chunk()?;
        let (code, len) = (self.order.u16([a, b]), self.order.u16([c, d]));
        if code == END_OF_OPTIONS {
            return None;
        }
        let len = usize::from(len);
        let value = rest.get(..len)?;
        self.bytes = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((code, value))
    }
}

/// Packets that an interface statistics block says were dropped, by the interface and by the operating system.
pub(super) fn dropped_by_statistics(options: &[u8], order: ByteOrder) -> Option<u64> {
    sum_of(options, order, &[ISB_IFDROP, ISB_OSDROP])
}

/// Packets that were dropped between this packet and the one before it.
pub(super) fn dropped_before_packet(options: &[u8], order: ByteOrder) -> Option<u64> {
    sum_of(options, order, &[EPB_DROPCOUNT])
}

fn sum_of(options: &[u8], order: ByteOrder, codes: &[u16]) -> Option<u64> {
    let mut sum = None;
    for (code, value) in Options::new(options, order) {
        let count = value.first_chunk().map(|count| order.u64(*count));
        // All ones means that the writer does not know.
        if let Some(count) = count.filter(|count| codes.contains(&code) && *count != u64::MAX) {
            sum = Some(sum.unwrap_or(0_u64).saturating_add(count));
        }
    }
    sum
}

/// The order of a section whose header block stands at the beginning of `buffer`.
pub(super) fn section_order(buffer: &RecordBuffer) -> Option<ByteOrder> {
    match buffer.slice(8, 4) {
        [0x4d, 0x3c, 0x2b, 0x1a] => Some(ByteOrder::Little),
        [0x1a, 0x2b, 0x3c, 0x4d] => Some(ByteOrder::Big),
        _ => None,
    }
}

fn saturate(nanos: u128) -> u64 {
    u64::try_from(nanos).unwrap_or(u64::MAX)
}

const END_OF_OPTIONS: u16 = 0;
const IF_TSRESOL: u16 = 9;
const IF_TSOFFSET: u16 = 14;
const EPB_DROPCOUNT: u16 = 4;
const ISB_IFDROP: u16 = 5;
const ISB_OSDROP: u16 = 7;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_resolution_gives_the_same_second() {
        for (resolution, ticks) in [
            (0, 5),
            (3, 5_000),
            (6, 5_000_000),
            (9, 5_000_000_000),
            (12, 5_000_000_000_000),
            (0x80, 5),
            (0x8a, 5 << 10),
            (0xa0, 5 << 32),
        ] {
            let options = [9, 0, 1, 0, resolution, 0, 0, 0];
            let clock = Clock::from_options(&options, ByteOrder::Little);
            assert_eq!(clock.time(ticks).nanos(), 5_000_000_000, "{resolution:#x}");
        }
    }

    #[test]
    fn no_resolution_or_count_overflows() {
        for resolution in 0..=255 {
            let tick = Tick::from_resolution(resolution);
            for offset in [i64::MIN, -1, 0, i64::MAX] {
                let clock = Clock { tick, offset };
                assert!(clock.time(0) <= clock.time(u64::MAX));
            }
        }
    }

    #[test]
    fn an_offset_is_read_in_the_order_of_its_section() {
        let options = [0, 14, 0, 8, 0, 0, 0, 0, 0, 0, 3, 232, 0, 0, 0, 0];
        let clock = Clock::from_options(&options, ByteOrder::Big);
        assert_eq!(clock.time(1).nanos(), 1_000_000_001_000);
    }

    #[test]
    fn an_option_longer_than_its_block_ends_the_list() {
        let options = [2, 0, 2, 0, b'a', b'b', 0, 0, 3, 0, 200, 0, 1];
        let found: Vec<_> = Options::new(&options, ByteOrder::Little).collect();
        assert_eq!(found, [(2, b"ab".as_slice())]);
    }
}
