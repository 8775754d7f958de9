//! Byte order and options of pcapng blocks: timestamp resolution and drop counts.

use crate::model::Timestamp;

/// Byte order of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

/// Conversion of an interface's 64-bit timestamps: `if_tsresol` and `if_tsoffset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimestampScale {
    unit: TimestampUnit,
    /// Seconds added to every timestamp.
    offset: i64,
}

/// Unit of a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TimestampUnit {
    /// This many nanoseconds.
    Nanoseconds(u64),
    /// A nanosecond divided by this number.
    NanosecondFraction(u128),
    /// 2^-n seconds.
    PowerOfTwo(u8),
}

impl ByteOrder {
    /// Detects the byte order of a section by its byte-order magic; `None` if `magic` is not one.
    pub(super) fn detect(magic: &[u8]) -> Option<Self> {
        match magic {
            [0x4d, 0x3c, 0x2b, 0x1a] => Some(Self::Little),
            [0x1a, 0x2b, 0x3c, 0x4d] => Some(Self::Big),
            _ => None,
        }
    }

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

    /// Reads the 32-bit number at `offset`; 0 behind the end of `bytes`.
    #[inline]
    pub(super) fn word(self, bytes: &[u8], offset: usize) -> u32 {
        bytes
            .get(offset..)
            .and_then(<[u8]>::first_chunk)
            .map_or(0, |word| self.u32(*word))
    }
}

impl TimestampScale {
    /// Microseconds since 1970, the default without options.
    pub(super) const DEFAULT: Self = Self {
        unit: TimestampUnit::Nanoseconds(1000),
        offset: 0,
    };

    /// Reads the scale from the options of an Interface Description Block.
    pub(super) fn from_options(options: &[u8], order: ByteOrder) -> Self {
        let mut scale = Self::DEFAULT;
        for (code, value) in Options::new(options, order) {
            match (code, value) {
                (IF_TSRESOL, [resolution, ..]) => {
                    scale.unit = TimestampUnit::from_resolution(*resolution);
                }
                (IF_TSOFFSET, _) => {
                    if let Some(seconds) = value.first_chunk() {
                        scale.offset = order.u64(*seconds).cast_signed();
                    }
                }
                _ => {}
            }
        }
        scale
    }

    /// Converts a timestamp of `ticks` units; saturates at the limits of [`Timestamp`].
    #[inline]
    pub(super) fn time(self, ticks: u64) -> Timestamp {
        let nanos = match self.unit {
            TimestampUnit::Nanoseconds(unit) => ticks.saturating_mul(unit),
            TimestampUnit::NanosecondFraction(divisor) => saturate(u128::from(ticks) / divisor),
            TimestampUnit::PowerOfTwo(bits) => {
                saturate((u128::from(ticks) * 1_000_000_000) >> u32::from(bits))
            }
        };
        let nanos = i64::try_from(nanos).unwrap_or(i64::MAX);
        Timestamp::from_nanos(nanos.saturating_add(self.offset.saturating_mul(1_000_000_000)))
    }
}

impl TimestampUnit {
    /// Parses `if_tsresol`: the top bit set means base 2, clear base 10; the other bits are the negated exponent.
    fn from_resolution(resolution: u8) -> Self {
        let exponent = resolution & 0x7f;
        if resolution & 0x80 != 0 {
            return Self::PowerOfTwo(exponent);
        }
        match exponent {
            0..=9 => Self::Nanoseconds(10_u64.pow(u32::from(9 - exponent))),
            // From 10^-48 seconds on the divisor exceeds 128 bits; every timestamp is 0 nanoseconds long before.
            _ => Self::NanosecondFraction(
                10_u128
                    .checked_pow(u32::from(exponent - 9))
                    .unwrap_or(u128::MAX),
            ),
        }
    }
}

/// Iterator over the options at the end of a block, as code and value.
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
        // An option longer than its block ends the list: the block's own length has already been verified.
        let value = rest.get(..len)?;
        self.bytes = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((code, value))
    }
}

/// Returns the packets dropped by the interface and the operating system according to an Interface Statistics Block;
/// `None` if it counts neither.
pub(super) fn dropped_by_statistics(options: &[u8], order: ByteOrder) -> Option<u64> {
    sum_of(options, order, &[ISB_IFDROP, ISB_OSDROP])
}

/// Returns the packets dropped between this packet and the previous one; `None` without such an option.
pub(super) fn dropped_before_packet(options: &[u8], order: ByteOrder) -> Option<u64> {
    sum_of(options, order, &[EPB_DROPCOUNT])
}

/// Returns the comments among the options of any block, up to a number and a length.
pub(super) fn comments(options: &[u8], order: ByteOrder) -> Vec<String> {
    let comments = Options::new(options, order).filter(|(code, _)| *code == OPT_COMMENT);
    comments
        .take(MAX_COMMENTS)
        .map(|(_, text)| String::from_utf8_lossy(text).into_owned())
        .collect()
}

/// Returns the name of an interface, and its other options in little endian: those about times say how the file was written and
/// are left out.
pub(super) fn interface_options(options: &[u8], order: ByteOrder) -> (String, Vec<(u16, Vec<u8>)>) {
    let mut name = String::new();
    let mut kept = Vec::new();
    for (code, value) in Options::new(options, order).take(MAX_OPTIONS) {
        match code {
            IF_NAME if name.is_empty() => name = String::from_utf8_lossy(value).into_owned(),
            // Speeds are numbers of 64 bits.
            IF_SPEED | IF_TXSPEED | IF_RXSPEED => {
                if let Some(speed) = value.first_chunk() {
                    kept.push((code, order.u64(*speed).to_le_bytes().to_vec()));
                }
            }
            OPT_COMMENT | IF_DESCRIPTION..=IF_EUIADDR | IF_FILTER..=IF_FCSLEN | IF_HARDWARE => {
                kept.push((code, value.to_vec()));
            }
            _ => {}
        }
    }
    (name, kept)
}

fn sum_of(options: &[u8], order: ByteOrder, codes: &[u16]) -> Option<u64> {
    let mut sum = None;
    for (code, value) in Options::new(options, order) {
        let count = value.first_chunk().map(|count| order.u64(*count));
        // All bits set: the writer does not know the count.
        if let Some(count) = count.filter(|count| codes.contains(&code) && *count != u64::MAX) {
            sum = Some(sum.unwrap_or(0_u64).saturating_add(count));
        }
    }
    sum
}

fn saturate(nanos: u128) -> u64 {
    u64::try_from(nanos).unwrap_or(u64::MAX)
}

const END_OF_OPTIONS: u16 = 0;
const OPT_COMMENT: u16 = 1;
const IF_NAME: u16 = 2;
const IF_DESCRIPTION: u16 = 3;
const IF_EUIADDR: u16 = 7;
const IF_SPEED: u16 = 8;
const IF_TSRESOL: u16 = 9;
const IF_FILTER: u16 = 11;
const IF_FCSLEN: u16 = 13;
const IF_TSOFFSET: u16 = 14;
const IF_HARDWARE: u16 = 15;
const IF_TXSPEED: u16 = 16;
const IF_RXSPEED: u16 = 17;
const EPB_DROPCOUNT: u16 = 4;
const ISB_IFDROP: u16 = 5;
const ISB_OSDROP: u16 = 7;
/// Comments on one packet, and options of one interface, that are read at most.
const MAX_COMMENTS: usize = 16;
const MAX_OPTIONS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_second_is_read_in_every_resolution() {
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
            let scale = TimestampScale::from_options(&options, ByteOrder::Little);
            assert_eq!(scale.time(ticks).nanos(), 5_000_000_000, "{resolution:#x}");
        }
    }

    #[test]
    fn extreme_resolutions_and_counts_saturate() {
        for resolution in 0..=255 {
            let unit = TimestampUnit::from_resolution(resolution);
            for offset in [i64::MIN, -1, 0, i64::MAX] {
                let scale = TimestampScale { unit, offset };
                assert!(scale.time(0) <= scale.time(u64::MAX));
            }
        }
    }

    #[test]
    fn time_offset_is_read_in_the_byte_order_of_its_section() {
        let options = [0, 14, 0, 8, 0, 0, 0, 0, 0, 0, 3, 232, 0, 0, 0, 0];
        let scale = TimestampScale::from_options(&options, ByteOrder::Big);
        assert_eq!(scale.time(1).nanos(), 1_000_000_001_000);
    }

    #[test]
    fn option_longer_than_its_block_ends_the_list() {
        let options = [2, 0, 2, 0, b'a', b'b', 0, 0, 3, 0, 200, 0, 1];
        let found: Vec<_> = Options::new(&options, ByteOrder::Little).collect();
        assert_eq!(found, [(2, b"ab".as_slice())]);
    }
}
