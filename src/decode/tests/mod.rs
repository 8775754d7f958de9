//! Test support: builds packets with stacks of headers and decodes them.

mod hostile;
mod ip;
mod stacks;

use etherparse::PacketBuilder;

use super::{Decoded, Decoder, IcmpError, SkipReason};
use crate::capture::{LinkType, Packet};
use crate::model::{Endpoint, FrameRef, Limits, Timestamp};

/// Payload of the segment in all stacks.
pub(super) const COMMAND: &[u8] = b"USER anonymous\r\n";
pub(super) const IPV4: u16 = 0x0800;
pub(super) const IPV6: u16 = 0x86dd;

/// Owned copy of a decoder's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Output {
    Segment {
        source: Endpoint,
        destination: Endpoint,
        sequence: u32,
        payload: Vec<u8>,
        cut: u32,
    },
    Datagram {
        source: Endpoint,
        destination: Endpoint,
        payload: Vec<u8>,
        cut: u32,
    },
    Icmp(IcmpError),
    Skipped(SkipReason),
}

impl Output {
    /// Returns the result expected of all stacks over IPv4.
    pub(super) fn command() -> Self {
        Self::Segment {
            source: Endpoint::v4([10, 0, 0, 2], 1175),
            destination: Endpoint::v4([10, 0, 0, 1], 21),
            sequence: 1000,
            payload: COMMAND.to_vec(),
            cut: 0,
        }
    }

    /// Returns the result expected of all stacks over IPv6.
    pub(super) fn command_v6() -> Self {
        Self::Segment {
            source: Endpoint::v6(V6_CLIENT, 1175),
            destination: Endpoint::v6(V6_SERVER, 21),
            sequence: 1000,
            payload: COMMAND.to_vec(),
            cut: 0,
        }
    }

    pub(super) fn of(decoded: Decoded<'_>) -> Self {
        match decoded {
            Decoded::Segment(segment) => Self::Segment {
                source: segment.source,
                destination: segment.destination,
                sequence: segment.sequence,
                payload: segment.payload.to_vec(),
                cut: segment.cut,
            },
            Decoded::Datagram(datagram) => Self::Datagram {
                source: datagram.source,
                destination: datagram.destination,
                payload: datagram.payload.to_vec(),
                cut: datagram.cut,
            },
            Decoded::Icmp(error) => Self::Icmp(error),
            Decoded::Skipped(reason) => Self::Skipped(reason),
        }
    }
}

/// Decoder with the frame counter of one capture.
pub(super) struct Harness {
    pub(super) decoder: Decoder,
    number: u64,
    pub(super) time: Timestamp,
}

impl Harness {
    pub(super) fn new() -> Self {
        Self::with(&Limits::default())
    }

    pub(super) fn with(limits: &Limits) -> Self {
        Self {
            decoder: Decoder::new(limits),
            number: 0,
            time: Timestamp::from_parts(1_700_000_000, 0),
        }
    }

    pub(super) fn decode(&mut self, link: LinkType, data: &[u8], wire_len: usize) -> Output {
        self.number += 1;
        Output::of(self.decoder.decode(&Packet {
            frame: FrameRef {
                number: self.number,
                time: self.time,
                ..FrameRef::default()
            },
            link,
            wire_len: u32::try_from(wire_len).expect("a short packet"),
            data,
        }))
    }
}

/// Decodes one completely captured packet with a new decoder.
pub(super) fn decode(link: LinkType, data: &[u8]) -> Output {
    Harness::new().decode(link, data, data.len())
}

/// Builds the IPv4 packet with the command.
pub(super) fn ipv4() -> Vec<u8> {
    build(|out| {
        PacketBuilder::ipv4([10, 0, 0, 2], [10, 0, 0, 1], 64)
            .tcp(1175, 21, 1000, 512)
            .write(out, COMMAND)
            .expect("memory does not fail");
    })
}

/// Builds the IPv6 packet with the command.
pub(super) fn ipv6() -> Vec<u8> {
    build(|out| {
        PacketBuilder::ipv6(V6_CLIENT, V6_SERVER, 64)
            .tcp(1175, 21, 1000, 512)
            .write(out, COMMAND)
            .expect("memory does not fail");
    })
}

/// Builds a UDP datagram over IPv4.
pub(super) fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    build(|out| {
        PacketBuilder::ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64)
            .udp(source, destination)
            .write(out, payload)
            .expect("memory does not fail");
    })
}

/// Builds an IPv4 packet of any protocol.
pub(super) fn ipv4_with(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let total = u16::try_from(payload.len() + 20).expect("a short packet");
    let header = [
        &[0x45, 0][..],
        &total.to_be_bytes(),
        &[0, 1, 0, 0, 64, protocol, 0, 0],
        &[192, 0, 2, 1, 192, 0, 2, 2],
    ];
    [&header.concat(), payload].concat()
}

/// Builds an IPv6 packet with any next header.
pub(super) fn ipv6_with(next: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("a short packet");
    let header = [
        &[0x60, 0, 0, 0][..],
        &length.to_be_bytes(),
        &[next, 64],
        &V6_CLIENT,
        &V6_SERVER,
    ];
    [&header.concat(), payload].concat()
}

/// Builds an Ethernet frame.
pub(super) fn ethernet(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    [&[2; 6][..], &[4; 6], &ether_type.to_be_bytes(), payload].concat()
}

/// Prepends a header.
pub(super) fn with_header(header: &[u8], payload: &[u8]) -> Vec<u8> {
    [header, payload].concat()
}

fn build(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

pub(super) const V6_CLIENT: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
pub(super) const V6_SERVER: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
