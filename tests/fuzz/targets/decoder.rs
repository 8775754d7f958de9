//! Any bytes as packets of every link type.

#![no_main]

use ftpscope::capture::{LinkType, Packet};
use ftpscope::decode::{Decoded, Decoder, layer_names};
use ftpscope::model::{FrameRef, Limits};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut decoder = Decoder::new(&Limits::default());
    let mut rest = bytes;
    let mut packets = 0;
    // Link type, length, bytes that were cut; then the packet.
    while let [link, length, cut, tail @ ..] = rest {
        let (data, tail) = tail.split_at(usize::from(*length).min(tail.len()));
        let packet = Packet {
            frame: FrameRef::default(),
            link: LinkType(LINKS[usize::from(*link) % LINKS.len()]),
            wire_len: u32::try_from(data.len()).unwrap_or(0) + u32::from(*cut),
            data,
        };
        if let Decoded::Segment(segment) = decoder.decode(&packet) {
            assert!(segment.payload.len() <= 65_535);
        }
        let _ = decoder.take_joined_fragments();
        assert!(layer_names(&packet).len() <= 80);
        packets += 1;
        rest = tail;
    }
    let tally = decoder.tally();
    let undecoded: u64 = tally.not_decodable().values().sum();
    assert_eq!(tally.decoded() + undecoded, packets);
});

const LINKS: [u16; 19] = [
    0, 1, 9, 12, 14, 50, 51, 101, 104, 105, 108, 113, 127, 204, 219, 228, 229, 276, 7,
];
