//! One session as packets, to be sent again from other clients at other times.

use std::fs;

use crate::live::monitor::capture;

/// One packet of the specimen.
pub(crate) struct Specimen {
    seconds: u32,
    micros: u32,
    bytes: Vec<u8>,
}

/// The packets of `classic.pcap`.
pub(crate) fn specimen() -> Vec<Specimen> {
    let file = fs::read(capture("classic.pcap")).expect("a capture");
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("four bytes"));
    assert_eq!(word(0), 0xa1b2_c3d4, "little endian, microseconds");
    let mut packets = Vec::new();
    let mut at = 24;
    while at < file.len() {
        let length = word(at + 8) as usize;
        packets.push(Specimen {
            seconds: word(at),
            micros: word(at + 4),
            bytes: file[at + 16..at + 16 + length].to_vec(),
        });
        at += 16 + length;
    }
    packets
}

/// The specimen from another client, some seconds later.
pub(crate) fn write_again(packets: &[Specimen], number: u32, later: u32, out: &mut Vec<u8>) {
    let [_, b, c, d] = number.to_be_bytes();
    for packet in packets {
        let mut bytes = packet.bytes.clone();
        for at in [26, 30] {
            if bytes[at..at + 4] == [192, 168, 0, 2] {
                bytes[at..at + 4].copy_from_slice(&[10, b, c, d]);
            }
        }
        let length = u32::try_from(bytes.len()).expect("short");
        for word in [packet.seconds + later, packet.micros, length, length] {
            out.extend(word.to_le_bytes());
        }
        out.extend(bytes);
    }
}
