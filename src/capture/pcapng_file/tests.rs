use super::*;
use crate::capture::pcapng_options::ByteOrder::{self, Big, Little};

/// Writer of pcapng blocks in one byte order.
struct Writer {
    order: ByteOrder,
    bytes: Vec<u8>,
    /// Offset of each block's end.
    ends: Vec<usize>,
}

impl Writer {
    fn new(order: ByteOrder) -> Self {
        let mut writer = Self {
            order,
            bytes: Vec::new(),
            ends: Vec::new(),
        };
        writer.section();
        writer
    }

    fn word(&self, word: u32) -> [u8; 4] {
        match self.order {
            Little => word.to_le_bytes(),
            Big => word.to_be_bytes(),
        }
    }

    fn half(&self, half: u16) -> [u8; 2] {
        match self.order {
            Little => half.to_le_bytes(),
            Big => half.to_be_bytes(),
        }
    }

    fn long(&self, long: u64) -> [u8; 8] {
        match self.order {
            Little => long.to_le_bytes(),
            Big => long.to_be_bytes(),
        }
    }

    fn block(&mut self, block_type: u32, body: &[u8]) {
        let padded = body.len().next_multiple_of(4);
        let len = u32::try_from(padded + 12).unwrap();
        self.bytes.extend_from_slice(&self.word(block_type));
        self.bytes.extend_from_slice(&self.word(len));
        self.bytes.extend_from_slice(body);
        self.bytes.resize(self.bytes.len() + padded - body.len(), 0);
        self.bytes.extend_from_slice(&self.word(len));
        self.ends.push(self.bytes.len());
    }

    fn section(&mut self) {
        let body = [
            &self.word(0x1a2b_3c4d)[..],
            &self.half(1),
            &self.half(0),
            &[0xff; 8],
        ];
        self.block(SECTION_HEADER, &body.concat());
    }

    fn option(&self, code: u16, value: &[u8]) -> Vec<u8> {
        let len = u16::try_from(value.len()).unwrap();
        let mut option = [self.half(code), self.half(len)].concat();
        option.extend_from_slice(value);
        option.resize(option.len().next_multiple_of(4), 0);
        option
    }

    fn interface(&mut self, link: u16, snap_len: u32, options: &[u8]) {
        let body = [&self.half(link)[..], &[0, 0], &self.word(snap_len), options];
        self.block(INTERFACE_DESCRIPTION, &body.concat());
    }

    fn packet(&mut self, interface: u32, ticks: u64, wire: u32, data: &[u8], options: &[u8]) {
        let high = u32::try_from(ticks >> 32).unwrap();
        let low = u32::try_from(ticks & 0xffff_ffff).unwrap();
        let mut body = Vec::new();
        for word in [
            interface,
            high,
            low,
            u32::try_from(data.len()).unwrap(),
            wire,
        ] {
            body.extend_from_slice(&self.word(word));
        }
        body.extend_from_slice(data);
        body.resize(body.len().next_multiple_of(4), 0);
        body.extend_from_slice(options);
        self.block(ENHANCED_PACKET, &body);
    }
}

#[derive(Debug, PartialEq)]
struct Seen {
    nanos: i64,
    link: u16,
    wire: u32,
    data: Vec<u8>,
}

fn seen(nanos: i64, link: u16, wire: u32, data: &[u8]) -> Seen {
    Seen {
        nanos,
        link,
        wire,
        data: data.to_vec(),
    }
}

fn open(bytes: &[u8]) -> Result<PcapNgFile, (HeaderError, RecordBuffer)> {
    let input = Box::new(std::io::Cursor::new(bytes.to_vec()));
    PcapNgFile::new(RecordBuffer::new(input, 64, false))
}

fn drain(file: &mut PcapNgFile) -> (Vec<Seen>, Vec<Notice>) {
    let (mut packets, mut notices) = (Vec::new(), Vec::new());
    loop {
        match file.advance() {
            Advance::Packet => {
                let record = file.record();
                packets.push(seen(
                    record.time.nanos(),
                    record.link.0,
                    record.wire_len,
                    file.data(),
                ));
            }
            Advance::Secrets | Advance::Names | Advance::Section => {}
            Advance::Notice(notice) => notices.push(notice),
            Advance::Failed(error) => panic!("{error}"),
            Advance::Idle => panic!("a file is never idle"),
            Advance::End => return (packets, notices),
        }
    }
}

fn read(bytes: &[u8]) -> (Vec<Seen>, Vec<Notice>) {
    drain(&mut open(bytes).unwrap_or_else(|_| panic!("rejected")))
}

#[test]
fn interfaces_of_different_links_and_clocks_are_read_in_both_byte_orders() {
    for order in [Little, Big] {
        let mut writer = Writer::new(order);
        writer.interface(1, 65_535, &[]);
        let nanoseconds = writer.option(9, &[9]);
        writer.interface(276, 96, &nanoseconds);
        let offset = writer.option(14, &writer.long(1000));
        let binary = [writer.option(9, &[0x80 | 16]), offset].concat();
        writer.interface(101, 0, &binary);
        writer.packet(0, 5_000_001, 60, b"abc", &[]);
        writer.packet(1, 5_000_000_001, 3, b"def", &[]);
        writer.packet(2, 5 << 16, 9, b"ghij", &[]);
        let (packets, notices) = read(&writer.bytes);
        assert_eq!(
            packets,
            [
                seen(5_000_001_000, 1, 60, b"abc"),
                seen(5_000_000_001, 276, 3, b"def"),
                seen(1_005_000_000_000, 101, 9, b"ghij"),
            ]
        );
        assert!(notices.is_empty(), "{notices:?}");
    }
}

#[test]
fn new_section_discards_interfaces_and_may_change_the_byte_order() {
    let mut writer = Writer::new(Little);
    writer.interface(1, 0, &[]);
    writer.packet(0, 1, 1, b"a", &[]);
    writer.order = Big;
    writer.section();
    writer.interface(113, 0, &[]);
    writer.packet(0, 2, 1, b"b", &[]);
    let mut file = open(&writer.bytes).unwrap_or_else(|_| panic!("rejected"));
    let (packets, _) = drain(&mut file);
    assert_eq!(packets, [seen(1000, 1, 1, b"a"), seen(2000, 113, 1, b"b")]);
    assert_eq!(file.links(), [LinkType::ETHERNET, LinkType::LINUX_SLL]);
}

#[test]
fn simple_and_obsolete_packet_blocks_are_read() {
    let mut writer = Writer::new(Big);
    writer.interface(1, 4, &[]);
    writer.packet(0, 7, 1, b"a", &[]);
    let simple = [writer.word(9).as_slice(), b"bcde"].concat();
    writer.block(SIMPLE_PACKET, &simple);
    let mut obsolete = [writer.half(0), writer.half(3)].concat();
    for word in [0, 8, 2, 2] {
        obsolete.extend_from_slice(&writer.word(word));
    }
    obsolete.extend_from_slice(b"fg");
    writer.block(OBSOLETE_PACKET, &obsolete);
    let (packets, notices) = read(&writer.bytes);
    assert_eq!(
        packets,
        [
            seen(7000, 1, 1, b"a"),
            seen(7000, 1, 9, b"bcde"),
            seen(8000, 1, 2, b"fg")
        ]
    );
    assert_eq!(notices.len(), 1);
    assert_eq!(notices[0].code, WarningCode::PacketsDropped);
    assert_eq!(notices[0].count, 3);
}

#[test]
fn unknown_blocks_of_any_size_are_skipped() {
    let mut writer = Writer::new(Little);
    writer.block(0x0000_0bad, &[1; 1000]);
    writer.interface(1, 0, &[]);
    writer.block(4, &[]);
    writer.packet(0, 1, 1, b"a", &[]);
    let (packets, notices) = read(&writer.bytes);
    assert_eq!(packets.len(), 1);
    assert!(notices.is_empty());
}

#[test]
fn drops_in_statistics_and_packets_are_counted_once() {
    let mut writer = Writer::new(Little);
    writer.interface(1, 0, &[]);
    writer.interface(1, 0, &[]);
    let two = writer.option(4, &writer.long(2));
    // Interface 0 has statistics, which include its packets' counts; interface 1 has only those of its packets.
    writer.packet(0, 1, 1, b"a", &two);
    writer.packet(1, 1, 1, b"a", &two);
    writer.packet(1, 1, 1, b"a", &two);
    for count in [3, 10] {
        let mut statistics = [0; 12].to_vec();
        statistics.extend_from_slice(&writer.option(5, &writer.long(count)));
        statistics.extend_from_slice(&writer.option(7, &writer.long(1)));
        writer.block(INTERFACE_STATISTICS, &statistics);
    }
    let (packets, notices) = read(&writer.bytes);
    assert_eq!(packets.len(), 3);
    assert_eq!(notices.len(), 1);
    assert_eq!(notices[0].count, 11 + 4);
}

#[test]
fn packets_of_an_undescribed_interface_are_skipped_and_counted() {
    let mut writer = Writer::new(Little);
    writer.interface(1, 0, &[]);
    writer.packet(7, 1, 1, b"a", &[]);
    writer.packet(0, 2, 1, b"b", &[]);
    let (packets, notices) = read(&writer.bytes);
    assert_eq!(packets.len(), 1);
    assert_eq!(notices[0].code, WarningCode::CaptureCorrupt);
    assert_eq!(notices[0].count, 1);
}

/// Appends a Decryption Secrets Block that claims `claimed` bytes of secrets.
fn write_secrets(writer: &mut Writer, claimed: u32, secrets: &[u8]) {
    let kind = writer.word(Secrets::TLS_KEY_LOG);
    let body = [&kind[..], &writer.word(claimed), secrets].concat();
    writer.block(DECRYPTION_SECRETS, &body);
}

/// Reads packets and secrets, in file order, and the notices.
fn read_with_secrets(bytes: &[u8]) -> (Vec<Vec<u8>>, Vec<Notice>) {
    let mut file = open(bytes).unwrap_or_else(|_| panic!("rejected"));
    let (mut items, mut notices) = (Vec::new(), Vec::new());
    loop {
        match file.advance() {
            Advance::Packet => items.push(file.data().to_vec()),
            Advance::Secrets => {
                let secrets = file.secrets();
                assert_eq!(secrets.secrets_type, Secrets::TLS_KEY_LOG);
                items.push(secrets.data.to_vec());
            }
            Advance::Names => {
                let names = file.names().into_iter();
                let texts = names.map(|host| format!("{} {}", host.address, host.name));
                items.extend(texts.map(String::into_bytes));
            }
            Advance::Section => {}
            Advance::Notice(notice) => notices.push(notice),
            Advance::Failed(error) => panic!("{error}"),
            Advance::Idle => panic!("a file is never idle"),
            Advance::End => return (items, notices),
        }
    }
}

#[test]
fn secrets_are_lent_at_their_place_in_both_byte_orders() {
    // Lengths around a multiple of 4, and one that is larger than the read buffer.
    for len in [0, 19, 20, 21, 5_000] {
        for order in [Little, Big] {
            let log = vec![b'c'; len];
            let mut writer = Writer::new(order);
            writer.interface(1, 0, &[]);
            write_secrets(&mut writer, u32::try_from(len).unwrap(), &log);
            writer.packet(0, 1, 1, b"a", &[]);
            write_secrets(&mut writer, 3, b"log");
            writer.packet(0, 2, 1, b"b", &[]);
            let (items, notices) = read_with_secrets(&writer.bytes);
            let expected: [&[u8]; 4] = [&log, b"a", b"log", b"b"];
            assert_eq!(items, expected, "{len} bytes, {order:?}");
            assert!(notices.is_empty(), "{notices:?}");
        }
    }
}

#[test]
fn first_name_of_each_address_is_read_in_both_byte_orders() {
    for order in [Little, Big] {
        let mut writer = Writer::new(order);
        let record = |writer: &Writer, kind: u16, value: &[u8]| {
            let length = u16::try_from(value.len()).expect("short");
            let padding = vec![0; value.len().next_multiple_of(4) - value.len()];
            [
                &writer.half(kind)[..],
                &writer.half(length),
                value,
                &padding,
            ]
            .concat()
        };
        let body = [
            record(&writer, 1, b"\x0a\0\0\x01ftp.example.org\0alias\0"),
            record(&writer, 9, b"unknown"),
            record(
                &writer,
                2,
                b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01six\0",
            ),
            record(&writer, 1, b"\x0a\0"),
            record(&writer, 0, b""),
        ]
        .concat();
        writer.block(NAME_RESOLUTION, &body);
        writer.interface(1, 0, &[]);
        writer.packet(0, 1, 1, b"a", &[]);
        // A record that claims more than its block has.
        let cut = [&writer.half(1)[..], &[0xff, 0xff]].concat();
        writer.block(NAME_RESOLUTION, &cut);
        let (items, notices) = read_with_secrets(&writer.bytes);
        let expected: [&[u8]; 3] = [b"10.0.0.1 ftp.example.org", b"2001:db8::1 six", b"a"];
        assert_eq!(items, expected);
        assert!(notices.is_empty(), "{notices:?}");
    }
}

#[test]
fn secrets_longer_than_their_block_end_with_it() {
    let mut writer = Writer::new(Little);
    write_secrets(&mut writer, u32::MAX, b"12345678");
    writer.interface(1, 0, &[]);
    writer.packet(0, 1, 1, b"a", &[]);
    let (items, notices) = read_with_secrets(&writer.bytes);
    assert_eq!(items, [b"12345678".as_slice(), b"a"]);
    assert!(notices.is_empty(), "{notices:?}");
}

#[test]
fn cut_secrets_block_is_reported_as_truncated_and_lends_nothing() {
    let mut writer = Writer::new(Big);
    writer.interface(1, 0, &[]);
    writer.packet(0, 1, 1, b"a", &[]);
    let begin = writer.bytes.len();
    write_secrets(&mut writer, 40, &[b's'; 40]);
    for cut in begin + 1..writer.bytes.len() {
        let (items, notices) = read_with_secrets(&writer.bytes[..cut]);
        assert_eq!(items, [b"a"], "cut at {cut}");
        assert_eq!(notices.len(), 1, "cut at {cut}");
        assert_eq!(notices[0].code, WarningCode::CaptureTruncated);
        assert!(
            notices[0].text.contains(&format!("byte {begin}")),
            "{}",
            notices[0].text
        );
    }
}

#[test]
fn secrets_block_with_a_wrong_length_ends_the_file_as_damaged() {
    let mut writer = Writer::new(Little);
    writer.interface(1, 0, &[]);
    let begin = writer.bytes.len();
    write_secrets(&mut writer, 8, &[b's'; 8]);
    for len in [16, 30, u32::MAX] {
        let mut bytes = writer.bytes.clone();
        bytes[begin + 4..begin + 8].copy_from_slice(&len.to_le_bytes());
        let (items, notices) = read_with_secrets(&bytes);
        assert!(items.is_empty(), "{len}");
        assert_eq!(notices.len(), 1, "{len}");
        assert_eq!(notices[0].code, WarningCode::CaptureCorrupt);
    }
}

#[test]
fn file_cut_anywhere_yields_the_whole_packets_before_the_cut() {
    let mut writer = Writer::new(Little);
    writer.interface(1, 0, &[]);
    let first_packet = writer.ends.len();
    for tick in 0..4 {
        writer.packet(
            0,
            tick,
            100,
            &vec![1; 30 * usize::try_from(tick).unwrap()],
            &[],
        );
    }
    writer.block(99, &[0; 40]);
    let (whole, _) = read(&writer.bytes);
    assert_eq!(whole.len(), 4);
    for cut in 0..=writer.bytes.len() {
        let Ok(mut file) = open(&writer.bytes[..cut]) else {
            assert!(cut < writer.ends[0]);
            continue;
        };
        let (packets, notices) = drain(&mut file);
        let ended = writer.ends.iter().filter(|end| **end <= cut).count();
        let expected = ended.saturating_sub(first_packet).min(4);
        assert_eq!(packets[..], whole[..expected], "cut at {cut}");
        let codes: Vec<_> = notices.iter().map(|notice| notice.code).collect();
        if writer.ends.contains(&cut) {
            assert!(codes.is_empty(), "cut at {cut}");
        } else {
            assert_eq!(codes, [WarningCode::CaptureTruncated], "cut at {cut}");
        }
    }
}

#[test]
fn wrong_lengths_end_the_file_and_name_the_byte() {
    let mut writer = Writer::new(Little);
    writer.interface(1, 0, &[]);
    writer.packet(0, 1, 1, b"a", &[]);
    let at = writer.bytes.len();
    writer.packet(0, 2, 1, b"b", &[]);
    let end = writer.bytes.len();
    for (offset, value) in [
        (at + 4, 0_u32),
        (at + 4, 8),
        (at + 4, 37),
        (at + 4, u32::MAX),
        (at + 20, 200),
        (end - 4, 40),
    ] {
        let mut bytes = writer.bytes.clone();
        bytes[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
        let (packets, notices) = read(&bytes);
        assert_eq!(packets.len(), 1, "{value}");
        assert_eq!(notices.len(), 1, "{value}");
        assert_eq!(notices[0].code, WarningCode::CaptureCorrupt);
        assert!(
            notices[0].text.contains(&format!("byte {at} ")),
            "{}",
            notices[0].text
        );
    }
}

#[test]
fn damaged_first_section_header_is_rejected() {
    let writer = Writer::new(Little);
    for (offset, what) in [(8, "byte order"), (12, "version"), (4, "claims")] {
        let mut bytes = writer.bytes.clone();
        bytes[offset] = 0x77;
        let Err((HeaderError::Damaged(detail), _)) = open(&bytes) else {
            panic!("opened with {what} damaged");
        };
        assert!(detail.contains(what), "{detail}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { failure_persistence: None, ..Default::default() })]
    #[test]
    fn arbitrary_damage_neither_panics_nor_loops(
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300),
        at in 0_usize..400,
    ) {
        let mut writer = Writer::new(Little);
        writer.interface(1, 0, &[]);
        for tick in 0..5 {
            writer.packet(0, tick, 1, &[1; 30], &[]);
        }
        let at = at.min(writer.bytes.len());
        let end = (at + bytes.len()).min(writer.bytes.len());
        writer.bytes.splice(at..end, bytes);
        if let Ok(mut file) = open(&writer.bytes) {
            let (packets, _) = drain(&mut file);
            proptest::prop_assert!(packets.len() <= writer.bytes.len() / 12);
        }
    }
}
