//! IP fragments of few datagrams: any offset, length and order, with and without tunnels around.

#![no_main]

use ftpscope::capture::{LinkType, Packet};
use ftpscope::decode::Decoder;
use ftpscope::model::{FrameRef, Limits, Timestamp};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let limits = Limits {
        fragment_bytes: 4096,
        ..Limits::default()
    };
    let mut decoder = Decoder::new(&limits);
    let (mut time, mut packets) = (0, 0);
    for fragment in bytes.chunks(6) {
        let &[id, high, low, length, protocol, wait] = fragment else {
            break;
        };
        time += i64::from(wait) * 50_000_000;
        let protocol = [6, 17, 4, 47, 41, 44, 1, 58][usize::from(protocol % 8)];
        let (packet, fill) = if id & 0x80 == 0 {
            let total = u16::from(length) + 20;
            let [a, b] = total.to_be_bytes();
            let header = [
                0x45, 0, a, b, 0, id & 3, high & 0x3f, low, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0,
                0, 2,
            ];
            (header.to_vec(), 0x45)
        } else {
            let [a, b] = (u16::from(length) + 8).to_be_bytes();
            let mut packet = vec![0x60, 0, 0, 0, a, b, 44, 64];
            packet.extend_from_slice(&[0x20; 32]);
            packet.extend_from_slice(&[protocol, 0, high, low, 0, 0, 0, id & 3]);
            (packet, 0x60)
        };
        let mut packet = packet;
        packet.resize(packet.len() + usize::from(length), fill);
        let frame = FrameRef {
            time: Timestamp::from_nanos(time),
            number: packets + 1,
            ..FrameRef::default()
        };
        let packet = Packet {
            frame,
            link: LinkType::RAW,
            wire_len: u32::try_from(packet.len()).unwrap_or(0) + u32::from(high >> 7) * 8,
            data: &packet,
        };
        let _ = decoder.decode(&packet);
        let _ = decoder.take_joined_fragments();
        packets += 1;
    }
    let _ = decoder.warnings();
    let tally = decoder.tally();
    let undecoded: u64 = tally.not_decodable().values().sum();
    assert_eq!(tally.decoded() + undecoded, packets);
});
