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
            Advance::Secrets | Advance::Names => panic!("pcap has no secrets or names"),
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
    assert_eq!(open(&writer.bytes).link(), LinkType::LINUX_SLL);
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
        warnings[0].1.contains(&format!("byte {at}")) && warnings[0].1.contains("100 bytes were"),
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
