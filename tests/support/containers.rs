//! The same packets in every kind of capture file there is.

use std::io::Write as _;

use super::recording::Recorded;

/// Numbers in one byte order.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    Little,
    Big,
}

/// Block type of a packet in a pcapng section.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Block {
    /// With its interface and time.
    Enhanced,
    /// The same in its older form.
    Obsolete,
}

/// A kind of capture file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Container {
    /// Classic, with microseconds.
    Micros(Order),
    /// Classic, with nanoseconds.
    Nanos(Order),
    /// As Kuznetzov's patched libpcap wrote it: 8 bytes more in front of each packet.
    Modified(Order),
    /// pcapng: packets go to `interfaces` interfaces in turn, `sections` sections follow each other, and time counts in
    /// units of `resolution` (as the option writes it).
    Next {
        order: Order,
        block: Block,
        interfaces: u32,
        sections: usize,
        resolution: u8,
    },
}

/// Compression of a capture file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Squeezed {
    Not,
    Gzip,
    Zstd,
    Lz4,
    Xz,
}

impl Order {
    fn put32(self, out: &mut Vec<u8>, value: u32) {
        out.extend_from_slice(&match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        });
    }

    fn put16(self, out: &mut Vec<u8>, value: u16) {
        out.extend_from_slice(&match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        });
    }
}

impl Container {
    /// Every kind there is, pcapng in several forms.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for order in [Order::Little, Order::Big] {
            all.extend([
                Self::Micros(order),
                Self::Nanos(order),
                Self::Modified(order),
            ]);
            for block in [Block::Enhanced, Block::Obsolete] {
                // Powers of ten and of two.
                for (interfaces, sections, resolution) in
                    [(1, 1, 6), (3, 1, 9), (2, 4, 0x9e), (1, 2, 7)]
                {
                    all.push(Self::Next {
                        order,
                        block,
                        interfaces,
                        sections,
                        resolution,
                    });
                }
            }
        }
        all
    }

    /// Writes the packets.
    pub(crate) fn write(self, link_type: u16, packets: &[Recorded]) -> Vec<u8> {
        match self {
            Self::Micros(order) => classic(order, 0xa1b2_c3d4, 1000, &[], link_type, packets),
            Self::Nanos(order) => classic(order, 0xa1b2_3c4d, 1, &[], link_type, packets),
            Self::Modified(order) => classic(order, 0xa1b2_cd34, 1000, &[7; 8], link_type, packets),
            Self::Next {
                order,
                block,
                interfaces,
                sections,
                resolution,
            } => {
                let mut out = Vec::new();
                let each = packets.len().div_ceil(sections).max(1);
                for part in packets.chunks(each) {
                    section(
                        &mut out, order, block, interfaces, resolution, link_type, part,
                    );
                }
                out
            }
        }
    }
}

impl Squeezed {
    pub(crate) const ALL: [Self; 5] = [Self::Not, Self::Gzip, Self::Zstd, Self::Lz4, Self::Xz];

    /// Compresses a file in two members or frames, where the format knows them.
    pub(crate) fn squeeze(self, bytes: Vec<u8>) -> Vec<u8> {
        let (first, second) = bytes.split_at(bytes.len() / 2);
        match self {
            Self::Not => bytes,
            _ => [self.frame(first), self.frame(second)].concat(),
        }
    }

    fn frame(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Not => bytes.to_vec(),
            Self::Gzip => {
                let level = flate2::Compression::fast();
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
                encoder.write_all(bytes).expect("memory takes it");
                encoder.finish().expect("memory takes it")
            }
            Self::Zstd => {
                use ruzstd::encoding::{CompressionLevel, compress_to_vec};
                compress_to_vec(bytes, CompressionLevel::Fastest)
            }
            Self::Lz4 => {
                let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
                encoder.write_all(bytes).expect("memory takes it");
                encoder.finish().expect("memory takes it")
            }
            Self::Xz => {
                let options = lzma_rust2::XzOptions::with_preset(0);
                let mut encoder =
                    lzma_rust2::XzWriter::new(Vec::new(), options).expect("good options");
                encoder.write_all(bytes).expect("memory takes it");
                encoder.finish().expect("memory takes it")
            }
        }
    }
}

fn length_of(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("short packets")
}

fn classic(
    order: Order,
    magic: u32,
    nanos_per_unit: u64,
    extra: &[u8],
    link_type: u16,
    packets: &[Recorded],
) -> Vec<u8> {
    let mut out = Vec::new();
    order.put32(&mut out, magic);
    order.put16(&mut out, 2);
    order.put16(&mut out, 4);
    for word in [0, 0, 262_144, u32::from(link_type)] {
        order.put32(&mut out, word);
    }
    for packet in packets {
        let seconds = u32::try_from(packet.time / 1_000_000_000).expect("before 2106");
        let rest = packet.time % 1_000_000_000 / nanos_per_unit;
        order.put32(&mut out, seconds);
        order.put32(&mut out, u32::try_from(rest).expect("less than a second"));
        order.put32(&mut out, length_of(&packet.bytes));
        order.put32(&mut out, length_of(&packet.bytes));
        out.extend_from_slice(extra);
        out.extend_from_slice(&packet.bytes);
    }
    out
}

fn section(
    out: &mut Vec<u8>,
    order: Order,
    block: Block,
    interfaces: u32,
    resolution: u8,
    link_type: u16,
    packets: &[Recorded],
) {
    let mut body = Vec::new();
    order.put32(&mut body, 0x1a2b_3c4d);
    order.put16(&mut body, 1);
    order.put16(&mut body, 0);
    // A section of unknown length.
    order.put32(&mut body, u32::MAX);
    order.put32(&mut body, u32::MAX);
    put_block(out, order, 0x0a0d_0d0a, &body);
    for _ in 0..interfaces {
        let mut body = Vec::new();
        order.put16(&mut body, link_type);
        order.put16(&mut body, 0);
        order.put32(&mut body, 0);
        order.put16(&mut body, 9);
        order.put16(&mut body, 1);
        body.extend_from_slice(&[resolution, 0, 0, 0]);
        order.put32(&mut body, 0);
        put_block(out, order, 1, &body);
    }
    for (packet, number) in packets.iter().zip(0_u32..) {
        let interface = number % interfaces;
        let units = units(packet.time, resolution);
        let [high, low] = [units >> 32, units & 0xffff_ffff]
            .map(|half| u32::try_from(half).expect("half of 64 bits"));
        let mut body = Vec::new();
        match block {
            Block::Enhanced => order.put32(&mut body, interface),
            Block::Obsolete => {
                order.put16(&mut body, u16::try_from(interface).expect("few interfaces"));
                order.put16(&mut body, 0);
            }
        }
        for word in [
            high,
            low,
            length_of(&packet.bytes),
            length_of(&packet.bytes),
        ] {
            order.put32(&mut body, word);
        }
        body.extend_from_slice(&packet.bytes);
        body.resize(body.len().next_multiple_of(4), 0);
        let kind = match block {
            Block::Enhanced => 6,
            Block::Obsolete => 2,
        };
        put_block(out, order, kind, &body);
        // A block that nobody knows.
        put_block(out, order, 0x0bad_0000, &[1, 2, 3, 4]);
    }
}

fn put_block(out: &mut Vec<u8>, order: Order, kind: u32, body: &[u8]) {
    let length = length_of(body) + 12;
    order.put32(out, kind);
    order.put32(out, length);
    out.extend_from_slice(body);
    order.put32(out, length);
}

/// A time in the units of an interface, rounded up so that reading it gives the same or a later nanosecond.
fn units(time: u64, resolution: u8) -> u64 {
    let per_second = if resolution & 0x80 == 0 {
        10_u128.pow(u32::from(resolution))
    } else {
        1_u128 << (resolution & 0x7f)
    };
    let units = (u128::from(time) * per_second).div_ceil(1_000_000_000);
    u64::try_from(units).expect("times of tests fit")
}
