//! Reader of classic pcap files (draft-ietf-opsawg-pcap).
//!
//! ```text
//! file header, 24 bytes: magic, version, 8 reserved, snap length, link type
//! record header, 16 bytes (24 in Kuznetzov's variant): seconds, fraction, captured length, wire length
//! packet bytes
//! record header ...
//! ```
//!
//! All numbers are in the byte order of the writing machine, which the magic number reveals, as it does the unit of
//! the fraction. Another file header where a record is expected begins a second capture, as `cat a.pcap b.pcap` makes it;
//! it is read on. Nothing in the format marks the start of a record: behind damage the reader searches for a chain
//! of plausible headers (see [`RecordLayout::resynchronize`]).

use super::pcapng_file::SECTION_HEADER;
use super::record::{Advance, HeaderError, MAX_RECORD, Notice, Record, end_of_input};
use super::record_buffer::RecordBuffer;
use super::{DescribedInterface, LinkType};
use crate::model::{Span, Timestamp};

/// Reader positioned before or on a packet of a pcap file.
pub(super) struct PcapFile {
    buffer: RecordBuffer,
    layout: RecordLayout,
    link: LinkType,
    /// Snap length in the latest file header.
    snap_len: u32,
    /// No packet behind the latest file header was read.
    is_new: bool,
    /// All link types so far, each once.
    links: Vec<LinkType>,
    /// Bytes of the current record, released by the next [`PcapFile::advance`].
    pending: usize,
    record: Record,
    /// Count of damaged places that were skipped.
    resynchronized: u32,
    ended: bool,
}

/// Properties of all records of one file.
#[derive(Clone, Copy, Debug)]
struct RecordLayout {
    big_endian: bool,
    /// Nanoseconds per unit of the fraction: 1000 or 1.
    nanos_per_unit: i64,
    /// Length of a record header in bytes.
    header_len: usize,
    length_order: LengthOrder,
    /// Largest plausible captured length in bytes.
    max_captured: u32,
}

/// Order of the two length fields of a record header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LengthOrder {
    CapturedFirst,
    /// Version 2.3: some writers swapped the fields and some did not. The captured length is never the larger.
    SmallerIsCaptured,
    /// Versions before 2.3, written by libpcap up to 0.4.
    WireFirst,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RecordHeader {
    seconds: u32,
    fraction: u32,
    captured: u32,
    wire: u32,
}

impl PcapFile {
    /// Reads the file header.
    pub(super) fn new(mut buffer: RecordBuffer) -> Result<Self, (HeaderError, RecordBuffer)> {
        let magic = if buffer.ensure(4) {
            u32::from_le_bytes(buffer.head())
        } else {
            0
        };
        let Some(magic) = Magic::parse(magic) else {
            return Err((HeaderError::UnknownMagic, buffer));
        };
        if !buffer.ensure(FILE_HEADER_LEN) {
            return Err((HeaderError::Truncated, buffer));
        }
        let header = buffer.head();
        let (layout, link) = RecordLayout::of_file(&magic, &header);
        buffer.consume(FILE_HEADER_LEN);
        Ok(Self {
            buffer,
            layout,
            link,
            snap_len: snap_len(&magic, &header),
            is_new: true,
            links: vec![link],
            pending: 0,
            record: Record::none(link),
            resynchronized: 0,
            ended: false,
        })
    }

    /// Returns the link types so far, each once: one, unless several captures follow each other.
    pub(super) fn links(&self) -> &[LinkType] {
        &self.links
    }

    /// Reads up to the next packet or notice.
    #[inline]
    pub(super) fn advance(&mut self) -> Advance {
        self.buffer.consume(self.pending);
        self.pending = 0;
        let (header, header_len) = loop {
            let header_len = self.layout.header_len;
            if self.ended || !self.buffer.try_ensure(header_len) {
                return self.finish();
            }
            let header = self.layout.parse_header(&self.buffer.head());
            if header.captured > self.layout.max_captured {
                return self.skip_damage(header.captured);
            }
            // A file header has zeros in the place of the lengths.
            if header.captured > 0 || !self.begin_next_file() {
                break (header, header_len);
            }
        };
        let len = header.captured as usize;
        if !self.buffer.try_ensure(header_len + len) {
            return self.finish();
        }
        self.pending = header_len + len;
        self.record = Record {
            time: self.layout.time(header),
            link: self.link,
            wire_len: header.wire.max(header.captured),
            offset: header_len,
            len,
            has_notes: std::mem::take(&mut self.is_new),
        };
        Advance::Packet
    }

    /// Returns the interface of the current file header.
    pub(super) fn interface(&self) -> DescribedInterface {
        DescribedInterface {
            link: self.link,
            snap_len: self.snap_len,
            ..DescribedInterface::default()
        }
    }

    /// Returns the metadata of the current packet.
    #[inline]
    pub(super) fn record(&self) -> Record {
        self.record
    }

    /// Returns the captured bytes of the current packet.
    #[inline]
    pub(super) fn data(&self) -> &[u8] {
        self.buffer.slice(self.record.offset, self.record.len)
    }

    #[cold]
    fn finish(&mut self) -> Advance {
        if self.buffer.take_idle() {
            return Advance::Idle;
        }
        if self.ended {
            return Advance::End;
        }
        self.ended = true;
        end_of_input(&mut self.buffer, "a packet")
    }

    /// Continues with another capture if its file header is next.
    #[cold]
    fn begin_next_file(&mut self) -> bool {
        let head: [u8; 4] = self.buffer.head();
        let Some(magic) = Magic::parse(u32::from_le_bytes(head)) else {
            return false;
        };
        if !self.buffer.ensure(FILE_HEADER_LEN) {
            return false;
        }
        let header: [u8; FILE_HEADER_LEN] = self.buffer.head();
        let version = [4, 6].map(|at| u16::from_le_bytes([header[at], header[at + 1]]));
        if !matches!(version, [2, 4] | [0x0200, 0x0400]) {
            return false;
        }
        let (layout, link) = RecordLayout::of_file(&magic, &header);
        self.buffer.consume(FILE_HEADER_LEN);
        self.layout = layout;
        self.snap_len = snap_len(&magic, &header);
        self.is_new = true;
        self.link = link;
        if self.links.len() < MAX_LINKS && !self.links.contains(&link) {
            self.links.push(link);
        }
        true
    }

    /// Skips to the next plausible record, or ends the file if there is none.
    #[cold]
    fn skip_damage(&mut self, claimed: u32) -> Advance {
        let position = self.buffer.describe_position();
        if u32::from_le_bytes(self.buffer.head()) == SECTION_HEADER {
            self.ended = true;
            return Advance::Notice(Notice::corrupt(format!(
                "a pcapng file begins at {position}, behind a pcap file; what follows was not read: give the two as files"
            )));
        }
        let damage = format!("the record at {position} claims {claimed} captured bytes");
        if self.resynchronized < MAX_RESYNCHRONIZED {
            self.buffer.ensure(SEARCH_WINDOW);
            let last = (self.record.time > Timestamp::default()).then_some(self.record.time);
            if let Some(skipped) = self.layout.resynchronize(self.buffer.held(), last) {
                self.resynchronized += 1;
                self.buffer.consume(skipped);
                return Advance::Notice(Notice::corrupt(format!(
                    "{damage}; {skipped} bytes were passed over"
                )));
            }
        }
        self.ended = true;
        Advance::Notice(Notice::corrupt(format!(
            "{damage}; what follows could not be read"
        )))
    }
}

impl RecordLayout {
    /// Returns the layout and the link type that a file header states.
    fn of_file(magic: &Magic, header: &[u8; FILE_HEADER_LEN]) -> (Self, LinkType) {
        let word = |index: usize| word_at(header, index * 4, magic.big_endian);
        // Two 16-bit numbers, major first in memory: the byte order decides which half of the word each one is.
        let version = word(1);
        let (major, minor) = if magic.big_endian {
            (version >> 16, version & 0xffff)
        } else {
            (version & 0xffff, version >> 16)
        };
        let length_order = match (major, minor) {
            (2, 3) => LengthOrder::SmallerIsCaptured,
            (2, 0..3) => LengthOrder::WireFirst,
            _ => LengthOrder::CapturedFirst,
        };
        let max_record = u32::try_from(MAX_RECORD).unwrap_or(u32::MAX);
        let layout = Self {
            big_endian: magic.big_endian,
            nanos_per_unit: magic.nanos_per_unit,
            header_len: magic.record_header_len,
            length_order,
            // Writers that merge or convert files put a snap length there that their packets exceed.
            max_captured: word(4).clamp(MAX_LIBPCAP_SNAP_LEN, max_record),
        };
        // The upper half of the word holds the length of the frame check sequence, not a part of the link type.
        (layout, LinkType::from_file((word(5) & 0xffff) as u16))
    }

    /// Returns how many fraction units make a second.
    fn units_per_second(&self) -> u32 {
        if self.nanos_per_unit == 1 {
            1_000_000_000
        } else {
            1_000_000
        }
    }

    #[inline]
    fn parse_header(&self, bytes: &[u8; 16]) -> RecordHeader {
        let word = |offset| word_at(bytes, offset, self.big_endian);
        let (first, second) = (word(8), word(12));
        let (captured, wire) = match self.length_order {
            LengthOrder::CapturedFirst => (first, second),
            LengthOrder::SmallerIsCaptured => (first.min(second), first.max(second)),
            LengthOrder::WireFirst => (second, first),
        };
        RecordHeader {
            seconds: word(0),
            fraction: word(4),
            captured,
            wire,
        }
    }

    /// Returns the packet time. The fraction may exceed a second in damaged or hand-made files; it is added as it is.
    #[inline]
    fn time(&self, header: RecordHeader) -> Timestamp {
        // Cannot overflow: 2^32 seconds are less than half of what 64-bit nanoseconds hold.
        Timestamp::from_nanos(
            i64::from(header.seconds) * 1_000_000_000
                + i64::from(header.fraction) * self.nanos_per_unit,
        )
    }

    /// Returns the offset in `bytes` of the next plausible record behind the damaged one at 0.
    ///
    /// Plausible is a chain of [`CHAIN`] headers, each pointing to the next, with times near `last`, the time of
    /// the packet before the damage. `None` if there is no chain, or no packet before the damage to compare with.
    fn resynchronize(&self, bytes: &[u8], last: Option<Timestamp>) -> Option<usize> {
        let last = last?;
        (1..bytes.len()).find(|&offset| self.is_chain(bytes, offset, last))
    }

    fn is_chain(&self, bytes: &[u8], mut offset: usize, last: Timestamp) -> bool {
        for _ in 0..CHAIN {
            let Some(head) = bytes.get(offset..).and_then(<[u8]>::first_chunk) else {
                return false;
            };
            let header = self.parse_header(head);
            if !self.is_plausible(header, last) {
                return false;
            }
            offset += self.header_len + header.captured as usize;
        }
        true
    }

    fn is_plausible(&self, header: RecordHeader, last: Timestamp) -> bool {
        let distance = self.time(header).since(last);
        header.fraction < self.units_per_second()
            && (MIN_PACKET..=self.max_captured).contains(&header.captured)
            && (header.captured..=self.max_captured).contains(&header.wire)
            && distance >= Span::from_secs(-MAX_TIME_DISTANCE)
            && distance <= Span::from_secs(MAX_TIME_DISTANCE)
    }
}

/// Returns the snap length that a file header states.
fn snap_len(magic: &Magic, header: &[u8; FILE_HEADER_LEN]) -> u32 {
    word_at(header, 16, magic.big_endian)
}

/// Properties that follow from the magic number.
struct Magic {
    big_endian: bool,
    nanos_per_unit: i64,
    record_header_len: usize,
}

impl Magic {
    /// Parses a magic number read as little endian; `None` if it is not one of pcap's.
    fn parse(magic: u32) -> Option<Self> {
        let big_endian = !matches!(magic, MICROSECONDS | NANOSECONDS | KUZNETZOV);
        let native = if big_endian {
            magic.swap_bytes()
        } else {
            magic
        };
        let (nanos_per_unit, record_header_len) = match native {
            MICROSECONDS => (1000, 16),
            NANOSECONDS => (1, 16),
            KUZNETZOV => (1000, 24),
            _ => return None,
        };
        Some(Self {
            big_endian,
            nanos_per_unit,
            record_header_len,
        })
    }
}

/// Returns true if these four bytes begin a pcap file.
pub(super) fn is_pcap(head: [u8; 4]) -> bool {
    Magic::parse(u32::from_le_bytes(head)).is_some()
}

/// Reads a 32-bit number at `offset`; 0 behind the end.
#[inline]
fn word_at<const N: usize>(bytes: &[u8; N], offset: usize, big_endian: bool) -> u32 {
    let word = bytes
        .get(offset..)
        .and_then(<[u8]>::first_chunk)
        .map_or(0, |word| u32::from_le_bytes(*word));
    if big_endian { word.swap_bytes() } else { word }
}

const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;
/// Alexey Kuznetzov's patched libpcap (1999), whose record headers also carry interface, protocol and packet type.
const KUZNETZOV: u32 = 0xa1b2_cd34;
const FILE_HEADER_LEN: usize = 24;
/// Link types listed of captures that follow each other.
const MAX_LINKS: usize = 32;
/// Largest snap length in bytes that libpcap accepts (`MAXIMUM_SNAPLEN`).
const MAX_LIBPCAP_SNAP_LEN: u32 = 262_144;
/// Damaged places skipped in one file; with more, the packets found in between are chance.
const MAX_RESYNCHRONIZED: u32 = 100;
/// Bytes searched for the next record.
const SEARCH_WINDOW: usize = 256 << 10;
/// Headers in a row that make a chain: four of 16 bytes exclude chance.
const CHAIN: usize = 4;
/// Seconds that a packet in a chain may be away from the packet before the damage.
const MAX_TIME_DISTANCE: i64 = 3600;
/// Smallest plausible packet in bytes, the header of the BSD loopback. Excludes runs of zeros, which would be a chain.
const MIN_PACKET: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::WarningCode;

    /// Writer of pcap files in either byte order and unit.
    struct Writer {
        magic: u32,
        big_endian: bool,
        bytes: Vec<u8>,
    }

    impl Writer {
        fn new(magic: u32, big_endian: bool, snap_len: u32, link: u32) -> Self {
            let mut writer = Self {
                magic,
                big_endian,
                bytes: Vec::new(),
            };
            writer.word(magic);
            let version: u32 = if big_endian { 2 << 16 | 4 } else { 4 << 16 | 2 };
            for word in [version, 0, 0, snap_len, link] {
                writer.word(word);
            }
            writer
        }

        fn word(&mut self, word: u32) {
            let bytes = if self.big_endian {
                word.to_be_bytes()
            } else {
                word.to_le_bytes()
            };
            self.bytes.extend_from_slice(&bytes);
        }

        fn record(&mut self, seconds: u32, fraction: u32, wire: u32, data: &[u8]) {
            for word in [seconds, fraction, u32::try_from(data.len()).unwrap(), wire] {
                self.word(word);
            }
            if self.magic == KUZNETZOV {
                self.bytes.extend_from_slice(&[0xee; 8]);
            }
            self.bytes.extend_from_slice(data);
        }
    }

    #[test]
    fn concatenated_captures_are_read_on() {
        let mut first = Writer::new(MICROSECONDS, false, 65_535, 1);
        first.record(1_000, 5, 4, b"abcd");
        let mut second = Writer::new(NANOSECONDS, true, 65_535, 101);
        second.record(2_000, 7, 4, b"efgh");
        let none = Writer::new(MICROSECONDS, false, 65_535, 1);
        let empty: Vec<u8> = none.bytes.repeat(100_000);
        let mut file = open(&[first.bytes, empty, second.bytes].concat());
        let mut seen = Vec::new();
        loop {
            match file.advance() {
                Advance::Packet => seen.push((file.record().time.nanos(), file.data().to_vec())),
                Advance::End => break,
                _ => panic!("nothing is wrong with them"),
            }
        }
        let expected = [
            (1_000_000_005_000, b"abcd".to_vec()),
            (2_000_000_000_007, b"efgh".to_vec()),
        ];
        assert_eq!(seen, expected);
        assert_eq!(
            file.links(),
            [LinkType::from_file(1), LinkType::from_file(101)]
        );
    }

    fn open(bytes: &[u8]) -> PcapFile {
        let input = Box::new(std::io::Cursor::new(bytes.to_vec()));
        PcapFile::new(RecordBuffer::new(input, 128, false)).unwrap_or_else(|_| panic!("rejected"))
    }

    /// Packets as (nanoseconds, wire length, bytes), and the notices.
    type Read = (Vec<(i64, u32, Vec<u8>)>, Vec<(WarningCode, String)>);

    fn read(bytes: &[u8]) -> Read {
        let mut file = open(bytes);
        let (mut packets, mut warnings) = (Vec::new(), Vec::new());
        loop {
            match file.advance() {
                Advance::Packet => {
                    let record = file.record();
                    packets.push((record.time.nanos(), record.wire_len, file.data().to_vec()));
                }
                Advance::Notice(notice) => warnings.push((notice.code, notice.text)),
                Advance::Failed(error) => panic!("{error}"),
                Advance::Secrets | Advance::Names | Advance::Section => {
                    panic!("pcap has no secrets, names or sections")
                }
                Advance::Idle => panic!("a file is never idle"),
                Advance::End => return (packets, warnings),
            }
        }
    }

    #[test]
    fn both_byte_orders_both_units_and_kuznetzovs_variant_are_read() {
        for (magic, fraction) in [
            (MICROSECONDS, 7_000),
            (NANOSECONDS, 7_000_000),
            (KUZNETZOV, 7_000),
        ] {
            for big_endian in [false, true] {
                let mut writer = Writer::new(magic, big_endian, 65_535, 1);
                writer.record(1_700_000_000, fraction, 60, b"abc");
                writer.record(1_700_000_001, 0, 4, b"defg");
                let (packets, warnings) = read(&writer.bytes);
                assert_eq!(
                    packets,
                    [
                        (1_700_000_000_007_000_000, 60, b"abc".to_vec()),
                        (1_700_000_001_000_000_000, 4, b"defg".to_vec())
                    ],
                    "{magic:x} {big_endian}"
                );
                assert!(warnings.is_empty());
            }
        }
    }

    #[test]
    fn link_type_is_the_lower_half_of_its_word() {
        let writer = Writer::new(MICROSECONDS, true, 65_535, 0x2400_0071);
        assert_eq!(open(&writer.bytes).links(), [LinkType::LINUX_SLL]);
    }

    #[test]
    fn packets_beyond_a_snap_length_that_is_too_small_are_read() {
        for snap_len in [0, 1] {
            let mut writer = Writer::new(MICROSECONDS, false, snap_len, 1);
            writer.record(1, 0, 300, &[1; 300]);
            assert_eq!(read(&writer.bytes).0.len(), 1);
        }
    }

    #[test]
    fn latest_time_of_the_format_does_not_overflow() {
        let mut writer = Writer::new(MICROSECONDS, false, 0, 1);
        writer.record(u32::MAX, u32::MAX, 1, b"x");
        assert!(read(&writer.bytes).0[0].0 > i64::from(u32::MAX) * 1_000_000_000);
    }

    #[test]
    fn lengths_swapped_by_old_versions_are_put_in_order() {
        for (minor, lengths) in [(2, [60, 3]), (3, [60, 3]), (3, [3, 60])] {
            let mut writer = Writer::new(MICROSECONDS, false, 0, 1);
            writer.bytes[6] = minor;
            for word in [1, 0, lengths[0], lengths[1]] {
                writer.word(word);
            }
            writer.bytes.extend_from_slice(b"abc");
            assert_eq!(
                read(&writer.bytes).0,
                [(1_000_000_000, 60, b"abc".to_vec())]
            );
        }
    }

    #[test]
    fn file_cut_anywhere_yields_the_whole_packets_before_the_cut() {
        let mut writer = Writer::new(MICROSECONDS, false, 65_535, 1);
        let mut ends = vec![writer.bytes.len()];
        for (seconds, len) in [(1, 0), (2, 5), (3, 200), (4, 1)] {
            writer.record(seconds, 0, 300, &vec![9; len]);
            ends.push(writer.bytes.len());
        }
        let (whole, _) = read(&writer.bytes);
        for cut in 24..=writer.bytes.len() {
            let (packets, warnings) = read(&writer.bytes[..cut]);
            let expected = ends.iter().filter(|end| **end <= cut).count() - 1;
            assert_eq!(packets, whole[..expected], "cut at {cut}");
            let truncated = !ends.contains(&cut);
            assert_eq!(warnings.len(), usize::from(truncated), "cut at {cut}");
            assert!(warnings.iter().all(|(code, text)| {
                *code == WarningCode::CaptureTruncated
                    && text.contains(&format!("byte {}", ends[expected]))
            }));
        }
    }

    #[test]
    fn cut_file_header_is_rejected() {
        let writer = Writer::new(MICROSECONDS, false, 65_535, 1);
        for cut in 0..24 {
            let input = Box::new(std::io::Cursor::new(writer.bytes[..cut].to_vec()));
            let opened = PcapFile::new(RecordBuffer::new(input, 64, false)).map(|_| ());
            let (error, _) = opened.unwrap_err();
            let truncated = matches!(error, HeaderError::Truncated);
            assert_eq!(truncated, cut >= 4, "cut at {cut}");
        }
    }

    fn damaged_in_the_middle(garbage: &[u8]) -> Vec<u8> {
        let mut writer = Writer::new(MICROSECONDS, false, 65_535, 1);
        for second in 0..10 {
            writer.record(1_700_000_000 + second, 5, 60, &[0x40; 60]);
            if second == 4 {
                writer.bytes.extend_from_slice(garbage);
            }
        }
        writer.bytes
    }

    #[test]
    fn packets_behind_damage_are_found() {
        let (packets, warnings) = read(&damaged_in_the_middle(&[0xff; 100]));
        assert_eq!(packets.len(), 10);
        assert_eq!(warnings.len(), 1);
        assert_eq!(warnings[0].0, WarningCode::CaptureCorrupt);
        let at = 24 + 5 * 76;
        assert!(
            warnings[0].1.contains(&format!("byte {at}"))
                && warnings[0].1.contains("100 bytes were"),
            "{}",
            warnings[0].1
        );
    }

    #[test]
    fn damage_without_a_plausible_record_behind_it_ends_the_file() {
        let mut bytes = damaged_in_the_middle(&[]);
        bytes.truncate(24 + 3 * 76);
        bytes.extend_from_slice(&[0xff; 5000]);
        let (packets, warnings) = read(&bytes);
        assert_eq!(packets.len(), 3);
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].1.contains("claims 4294967295 captured bytes"));
        assert!(warnings[0].1.contains("could not be read"));
    }

    #[test]
    fn damage_before_the_first_packet_ends_the_file() {
        let mut writer = Writer::new(MICROSECONDS, false, 65_535, 1);
        writer.bytes.extend_from_slice(&[0xff; 50]);
        for second in 0..10 {
            writer.record(second, 5, 60, &[1; 60]);
        }
        let (packets, warnings) = read(&writer.bytes);
        assert!(packets.is_empty());
        assert_eq!(warnings.len(), 1);
    }
}
