//! Frames of recorded captures, taken apart and changed; and the generator of the choices.

use std::fs;
use std::path::{Path, PathBuf};

/// One frame of a classic pcap file.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// Seconds and microseconds, as in the record header.
    pub(crate) time: [u8; 8],
    /// Captured bytes.
    pub(crate) bytes: Vec<u8>,
}

/// Reads a file of the captures in the test data.
pub(crate) fn bytes_of(name: &str) -> Vec<u8> {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/captures")
        .join(name);
    fs::read(path).expect("a capture of the test data")
}

/// Reads a classic pcap file of the test data.
pub(crate) fn read(name: &str) -> Vec<Frame> {
    let file = bytes_of(name);
    let mut rest = &file[24..];
    let mut frames = Vec::new();
    while let Some((header, tail)) = rest.split_first_chunk::<16>() {
        let length = u32::from_le_bytes(header[8..12].try_into().expect("four bytes")) as usize;
        let (bytes, tail) = tail.split_at(length);
        frames.push(Frame {
            time: header[..8].try_into().expect("eight bytes"),
            bytes: bytes.to_vec(),
        });
        rest = tail;
    }
    frames
}

/// Writes frames as a classic pcap file: little endian, microseconds, Ethernet.
pub(crate) fn write(frames: &[Frame]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 1] {
        file.extend(word.to_le_bytes());
    }
    for frame in frames {
        let length = u32::try_from(frame.bytes.len())
            .expect("a small frame")
            .to_le_bytes();
        file.extend(frame.time);
        file.extend(length);
        file.extend(length);
        file.extend(&frame.bytes);
    }
    file
}

/// Returns the bounds of the TCP payload in an IPv4 frame; `None` for any other frame.
pub(crate) fn payload_range(frame: &Frame) -> Option<std::ops::Range<usize>> {
    let bytes = &frame.bytes;
    let is_tcp = bytes.get(12..14) == Some(&[8, 0]) && bytes.get(23) == Some(&6);
    if !is_tcp {
        return None;
    }
    let tcp = 14 + usize::from(bytes[14] & 15) * 4;
    let total = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
    Some(tcp + usize::from(bytes[tcp + 12] >> 4) * 4..14 + total)
}

/// Returns the TCP payload of a frame, empty for any other.
pub(crate) fn payload(frame: &Frame) -> &[u8] {
    payload_range(frame).map_or(&[], |range| &frame.bytes[range])
}

/// Returns whether two frames are segments of one direction of one connection.
pub(crate) fn same_sender(a: &Frame, b: &Frame) -> bool {
    let ends = |frame: &Frame| frame.bytes.get(26..38).map(<[u8]>::to_vec);
    payload_range(a).is_some() && payload_range(b).is_some() && ends(a) == ends(b)
}

/// The same payload in segments of random length; FIN goes with the last.
pub(crate) fn split(frame: &Frame, random: &mut Random) -> Vec<Frame> {
    let Some(range) = payload_range(frame).filter(|range| range.len() > 1) else {
        return vec![frame.clone()];
    };
    let tcp = 14 + usize::from(frame.bytes[14] & 15) * 4;
    let sequence = u32::from_be_bytes(
        frame.bytes[tcp + 4..tcp + 8]
            .try_into()
            .expect("four bytes"),
    );
    let is_right = tcp_sum(&frame.bytes[..range.end]) == u16::MAX;
    let mut pieces = Vec::new();
    let mut from = range.start;
    while from < range.end {
        let left = range.end - from;
        let length = if random.below(3) == 0 {
            left
        } else {
            1 + random.below(left)
        };
        let mut bytes = frame.bytes[..range.start].to_vec();
        bytes.extend(&frame.bytes[from..from + length]);
        let total = u16::try_from(bytes.len() - 14).expect("a small frame");
        bytes[16..18].copy_from_slice(&total.to_be_bytes());
        let offset = u32::try_from(from - range.start).expect("a small frame");
        bytes[tcp + 4..tcp + 8].copy_from_slice(&sequence.wrapping_add(offset).to_be_bytes());
        if from + length < range.end {
            bytes[tcp + 13] &= !1;
        }
        // Segments that a sender makes have right checksums, unless its network card fills them in.
        if is_right {
            bytes[tcp + 16..tcp + 18].fill(0);
            let checksum = !tcp_sum(&bytes);
            bytes[tcp + 16..tcp + 18].copy_from_slice(&checksum.to_be_bytes());
        }
        pieces.push(Frame {
            time: frame.time,
            bytes,
        });
        from += length;
    }
    pieces
}

/// Sums a TCP segment over IPv4 with its pseudo-header, in ones' complement (RFC 9293 section 3.1).
fn tcp_sum(frame: &[u8]) -> u16 {
    let tcp = 14 + usize::from(frame[14] & 15) * 4;
    let length = u16::try_from(frame.len() - tcp).expect("a small frame");
    let mut covered = frame[26..34].to_vec();
    covered.extend([0, 6]);
    covered.extend(length.to_be_bytes());
    covered.extend(&frame[tcp..]);
    covered.resize(covered.len().next_multiple_of(2), 0);
    covered.chunks(2).fold(0, |sum: u16, word| {
        let (sum, carry) = sum.overflowing_add(u16::from_be_bytes([word[0], word[1]]));
        sum + u16::from(carry)
    })
}

/// A small generator, so that one number stands for all choices of a case.
#[derive(Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// Returns a number below `bound`, or 0 if that is 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % u64::try_from(bound.max(1)).expect("a small bound"))
            .expect("below a small bound")
    }

    /// Returns true once in `count` times.
    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    /// Chooses an item of a list.
    pub(crate) fn pick<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.below(list.len())]
    }
}
