//! A capture taken apart into its packets, so that it can be written again in another form.

/// One packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// Nanoseconds since 1970.
    pub(crate) time: u64,
    /// The captured bytes, all there were on the wire.
    pub(crate) bytes: Vec<u8>,
}

/// The packets of a classic pcap file in little-endian order with microseconds, as [`super::wire`] writes it.
pub(crate) fn packets(pcap: &[u8]) -> Vec<Recorded> {
    let (header, mut rest) = pcap.split_at(24);
    assert_eq!(header[..4], 0xa1b2_c3d4_u32.to_le_bytes());
    let mut packets = Vec::new();
    while let Some((header, tail)) = rest.split_first_chunk::<16>() {
        let word = |at: usize| {
            let bytes = header[at..at + 4].try_into().expect("four bytes");
            u32::from_le_bytes(bytes)
        };
        let length = usize::try_from(word(8)).expect("32 bits fit");
        let (bytes, tail) = tail.split_at(length);
        packets.push(Recorded {
            time: u64::from(word(0)) * 1_000_000_000 + u64::from(word(4)) * 1000,
            bytes: bytes.to_vec(),
        });
        rest = tail;
    }
    packets
}

/// Writes packets as a classic pcap file in little-endian order with nanoseconds.
pub(crate) fn pcap(link_type: u32, packets: &[Recorded]) -> Vec<u8> {
    let mut out = Vec::new();
    for word in [0xa1b2_3c4d, 4 << 16 | 2, 0, 0, 262_144, link_type] {
        out.extend_from_slice(&u32::to_le_bytes(word));
    }
    for packet in packets {
        let seconds = u32::try_from(packet.time / 1_000_000_000).expect("before 2106");
        let rest = u32::try_from(packet.time % 1_000_000_000).expect("less than a second");
        let length = u32::try_from(packet.bytes.len()).expect("short packets");
        for word in [seconds, rest, length, length] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&packet.bytes);
    }
    out
}
