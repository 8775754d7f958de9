//! Our readers against two others, libpcap and pcap-file, on files made here and on every capture in `testdata`.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use ftpscope::capture::{CaptureSet, Input, PacketSource, ReadOptions};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// A packet as a reader gave it: nanoseconds since 1970, length on the wire, bytes.
type Seen = (i64, u32, Vec<u8>);

/// Numbers in one byte order.
#[derive(Clone, Copy, Debug)]
struct Order {
    big: bool,
}

impl Order {
    fn put(self, out: &mut Vec<u8>, words: &[u32]) {
        for word in words {
            out.extend_from_slice(&if self.big {
                word.to_be_bytes()
            } else {
                word.to_le_bytes()
            });
        }
    }

    fn put_halves(self, out: &mut Vec<u8>, halves: &[u16]) {
        for half in halves {
            out.extend_from_slice(&if self.big {
                half.to_be_bytes()
            } else {
                half.to_le_bytes()
            });
        }
    }
}

/// Ingredients of a packet: seconds, fraction of the second, bytes, and bytes on the wire that are not captured.
type Made = (u32, u32, Vec<u8>, u32);

fn len_of(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap()
}

fn pcap(order: Order, nanoseconds: bool, packets: &[Made]) -> Vec<u8> {
    let (magic, units) = if nanoseconds {
        (0xa1b2_3c4d, 1_000_000_000)
    } else {
        (0xa1b2_c3d4, 1_000_000)
    };
    let mut out = Vec::new();
    order.put(&mut out, &[magic]);
    order.put_halves(&mut out, &[2, 4]);
    order.put(&mut out, &[0, 0, 65_535, 1]);
    for (seconds, fraction, data, more) in packets {
        let len = len_of(data);
        order.put(&mut out, &[*seconds, fraction % units, len, len + more]);
        out.extend_from_slice(data);
    }
    out
}

fn block(order: Order, out: &mut Vec<u8>, kind: u32, mut body: Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
    let len = len_of(&body) + 12;
    order.put(out, &[kind, len]);
    out.extend_from_slice(&body);
    order.put(out, &[len]);
}

/// One section; packets go to the interfaces in turn. An interface is a resolution and an offset in seconds.
fn pcapng(order: Order, interfaces: &[(u8, u16)], packets: &[Made]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut body = Vec::new();
    order.put(&mut body, &[0x1a2b_3c4d]);
    order.put_halves(&mut body, &[1, 0]);
    body.extend_from_slice(&[0xff; 8]);
    block(order, &mut out, 0x0a0d_0d0a, body);
    for (resolution, offset) in interfaces {
        let mut body = Vec::new();
        order.put_halves(&mut body, &[1, 0]);
        order.put(&mut body, &[65_535]);
        order.put_halves(&mut body, &[9, 1]);
        body.extend_from_slice(&[*resolution, 0, 0, 0]);
        order.put_halves(&mut body, &[14, 8]);
        let offset = u32::from(*offset);
        order.put(
            &mut body,
            &if order.big { [0, offset] } else { [offset, 0] },
        );
        order.put(&mut body, &[0]);
        block(order, &mut out, 1, body);
    }
    for ((seconds, fraction, data, more), interface) in
        packets.iter().zip((0..interfaces.len()).cycle())
    {
        let (resolution, _) = interfaces[interface];
        let per_second = if resolution & 0x80 == 0 {
            10_u64.pow(u32::from(resolution))
        } else {
            1 << (resolution & 0x7f)
        };
        let ticks = u64::from(*seconds) * per_second + u64::from(*fraction) % per_second;
        let mut body = Vec::new();
        let interface = u32::try_from(interface).unwrap();
        let high = u32::try_from(ticks >> 32).unwrap();
        let low = u32::try_from(ticks & 0xffff_ffff).unwrap();
        let len = len_of(data);
        order.put(&mut body, &[interface, high, low, len, len + more]);
        body.extend_from_slice(data);
        block(order, &mut out, 6, body);
    }
    out
}

/// Our reader; `None` where it refuses the file.
fn ours(path: &Path) -> Option<Vec<Seen>> {
    let (mut seen, mut failed) = (Vec::new(), false);
    CaptureSet::open(&[path.to_path_buf()], ReadOptions::default()).for_each(&mut |input| {
        match input {
            Input::Packet(packet) => seen.push((
                packet.frame.time.nanos(),
                packet.wire_len,
                packet.data.to_vec(),
            )),
            Input::Failed(_) => failed = true,
            Input::Tick(_) => panic!("files do not wait"),
            _ => {}
        }
        ControlFlow::Continue(())
    });
    (!failed).then_some(seen)
}

/// pcap-file; `None` where it does not know the format.
fn pcap_file(bytes: &[u8]) -> Option<Vec<Seen>> {
    let mut seen = Vec::new();
    let nanos = |time: std::time::Duration| i64::try_from(time.as_nanos()).unwrap();
    if bytes.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]) {
        let mut reader = pcap_file::pcapng::PcapNgReader::new(bytes).ok()?;
        while let Some(block) = reader.next_block() {
            use pcap_file::pcapng::blocks::block_common::Block;
            if let (Block::EnhancedPacket(packet), _) = block.ok()? {
                seen.push((
                    nanos(packet.timestamp),
                    packet.original_len,
                    packet.data.to_vec(),
                ));
            }
        }
    } else {
        let mut reader = pcap_file::pcap::PcapReader::new(bytes).ok()?;
        while let Some(packet) = reader.next_packet() {
            let packet = packet.ok()?;
            seen.push((
                nanos(packet.timestamp()),
                packet.orig_len(),
                packet.data().to_vec(),
            ));
        }
    }
    Some(seen)
}

/// libpcap; `None` where it refuses the file.
#[cfg(feature = "live")]
#[expect(
    clippy::unnecessary_cast,
    reason = "the fields of timeval have other widths elsewhere"
)]
fn libpcap(path: &Path) -> Option<Vec<Seen>> {
    let mut reader = pcap::Capture::from_file_with_precision(path, pcap::Precision::Nano).ok()?;
    let mut seen = Vec::new();
    loop {
        match reader.next_packet() {
            Ok(packet) => {
                let time = packet.header.ts;
                seen.push((
                    time.tv_sec as i64 * 1_000_000_000 + time.tv_usec as i64,
                    packet.header.len,
                    packet.data.to_vec(),
                ));
            }
            Err(pcap::Error::NoMorePackets) => return Some(seen),
            Err(_) => return None,
        }
    }
}

#[cfg(not(feature = "live"))]
fn libpcap(_: &Path) -> Option<Vec<Seen>> {
    None
}

/// Equal, but for the last nanosecond of a time that is no whole number of them.
fn assert_same(one: &[Seen], other: &[Seen], what: &str) {
    assert_eq!(one.len(), other.len(), "packets of {what}");
    for (number, (one, other)) in one.iter().zip(other).enumerate() {
        assert!(
            (one.0 - other.0).abs() <= 1,
            "time of packet {number} of {what}: {} {}",
            one.0,
            other.0
        );
        assert_eq!(one.1, other.1, "wire length of packet {number} of {what}");
        assert!(one.2 == other.2, "bytes of packet {number} of {what}");
    }
}

/// Number of other readers that could read the file.
fn compare(path: &Path) -> usize {
    let Some(ours) = ours(path) else {
        return 0;
    };
    let name = path.display();
    let mut compared = 0;
    if let Some(theirs) = pcap_file(&fs::read(path).unwrap()) {
        assert_same(&ours, &theirs, &format!("{name} (pcap-file)"));
        compared += 1;
    }
    if let Some(theirs) = libpcap(path) {
        assert_same(&ours, &theirs, &format!("{name} (libpcap)"));
        compared += 1;
    }
    compared
}

fn written(name: &str, bytes: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn packets() -> impl Strategy<Value = Vec<Made>> {
    let data = proptest::collection::vec(any::<u8>(), 0..2000);
    // libpcap's times are signed where a long has 32 bits.
    let packet = (0_u32..0x7fff_0000, 0_u32..1_000_000_000, data, 0_u32..3000);
    proptest::collection::vec(packet, 0..20)
}

/// The finest binary resolution: 2^-30 s, which is below a nanosecond, is one that of the others only libpcap reads.
const FINEST: u8 = if cfg!(feature = "live") { 0x9e } else { 0x9d };

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        rng_seed: RngSeed::Fixed(959),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn pcap_files_are_read_like_others_read_them(
        big: bool,
        nanoseconds: bool,
        packets in packets(),
    ) {
        let path = written("differential.pcap", &pcap(Order { big }, nanoseconds, &packets));
        prop_assert_eq!(compare(&path), 1 + usize::from(cfg!(feature = "live")));
    }

    #[test]
    fn pcapng_files_are_read_like_others_read_them(
        big: bool,
        interfaces in proptest::collection::vec(
            (prop_oneof![0_u8..=9, 0x80_u8..=FINEST], 0_u16..5000),
            1..5,
        ),
        packets in packets(),
    ) {
        let path = written("differential.pcapng", &pcapng(Order { big }, &interfaces, &packets));
        prop_assert!(compare(&path) >= 1);
    }
}

#[test]
fn captures_of_the_test_data_are_read_like_others_read_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures");
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let extension = path.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("pcap" | "pcapng" | "cap")) {
            compare(&path);
        }
    }
}
