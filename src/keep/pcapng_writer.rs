//! pcapng blocks, made in memory (draft-ietf-opsawg-pcapng).

use crate::capture::{LinkType, Packet};

/// An encoder of pcapng blocks, one section at a time. Numbers are little endian, timestamps in nanoseconds.
#[derive(Debug, Default)]
pub struct PcapNgWriter {
    /// Capture number and link type of each interface described in this section, in the order of interface numbers.
    interfaces: Vec<(u32, LinkType)>,
}

impl PcapNgWriter {
    /// Appends a section header to `out`; interfaces have to be described anew in it.
    pub fn section(&mut self, out: &mut Vec<u8>) {
        self.interfaces.clear();
        let mut body = Vec::new();
        body.extend(BYTE_ORDER.to_le_bytes());
        body.extend([1, 0, 0, 0]);
        // Section length unspecified: packets are appended as long as the run lasts.
        body.extend(u64::MAX.to_le_bytes());
        option(&mut body, USER_APPLICATION, APPLICATION.as_bytes());
        option(&mut body, END_OF_OPTIONS, &[]);
        block(out, SECTION_HEADER, &body);
    }

    /// Appends an enhanced packet block to `out`, preceded by an interface description if this section has none yet.
    ///
    /// `name` is the name of the interface. Two link types of one capture are two interfaces.
    pub fn packet(&mut self, packet: &Packet<'_>, name: &str, out: &mut Vec<u8>) {
        let wanted = (packet.frame.capture(), packet.link);
        let known = self.interfaces.iter().position(|known| *known == wanted);
        let number = known.unwrap_or_else(|| {
            describe(packet.link, name, out);
            self.interfaces.push(wanted);
            self.interfaces.len() - 1
        });
        let nanos = packet.frame.time.nanos().cast_unsigned();
        let captured = u32::try_from(packet.data.len()).unwrap_or(u32::MAX);
        let (upper, lower) = (nanos >> 32, nanos & 0xffff_ffff);
        let length = PACKET_FIELDS + packet.data.len().next_multiple_of(4);
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        // Written in place rather than through `block`: on a busy link each copy of a packet counts.
        for word in [
            ENHANCED_PACKET,
            length,
            u32::try_from(number).unwrap_or(u32::MAX),
            u32::try_from(upper).unwrap_or(u32::MAX),
            u32::try_from(lower).unwrap_or(u32::MAX),
            captured,
            packet.wire_len.max(captured),
        ] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(packet.data);
        pad(out);
        out.extend_from_slice(&length.to_le_bytes());
    }
}

/// Appends an interface description block.
fn describe(link: LinkType, name: &str, out: &mut Vec<u8>) {
    let mut body = Vec::new();
    body.extend(link.0.to_le_bytes());
    body.extend([0; 2]);
    // Snap length 0: unlimited.
    body.extend([0; 4]);
    option(&mut body, INTERFACE_NAME, name.as_bytes());
    // Exponent of ten: nanoseconds.
    option(&mut body, TIME_RESOLUTION, &[9]);
    option(&mut body, END_OF_OPTIONS, &[]);
    block(out, INTERFACE_DESCRIPTION, &body);
}

/// Appends an option, padded to a whole word.
fn option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = value.get(..LONGEST_OPTION).unwrap_or(value);
    out.extend(code.to_le_bytes());
    out.extend(u16::try_from(value.len()).unwrap_or(0).to_le_bytes());
    out.extend(value);
    pad(out);
}

/// Appends a block around `body`, which is padded to whole words.
fn block(out: &mut Vec<u8>, kind: u32, body: &[u8]) {
    let length = body.len().next_multiple_of(4) + 12;
    let length = u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    out.extend(kind.to_le_bytes());
    out.extend(length);
    out.extend(body);
    pad(out);
    out.extend(length);
}

/// Pads `out` to a whole word. All blocks and options are whole words, so that its length is always aligned with them.
fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(4), 0);
}

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
/// Bytes of an enhanced packet block beside the packet itself.
const PACKET_FIELDS: usize = 32;
const END_OF_OPTIONS: u16 = 0;
const INTERFACE_NAME: u16 = 2;
const USER_APPLICATION: u16 = 4;
const TIME_RESOLUTION: u16 = 9;
/// Limit of an option value in bytes; the format allows 65,535, and an interface name needs fewer than 100.
const LONGEST_OPTION: usize = 1024;
const APPLICATION: &str = concat!("ftpscope ", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::capture::{CaptureSet, Input, PacketSource as _, ReadOptions};
    use crate::model::{CapturePlace, FrameRef, Timestamp};

    #[test]
    fn written_packets_are_read_back_unchanged() {
        let mut writer = PcapNgWriter::default();
        let mut bytes = Vec::new();
        let packets = [
            (0, LinkType::ETHERNET, 5, b"hello".as_slice()),
            (1, LinkType::LINUX_SLL2, 9000, b"odd"),
            (0, LinkType::ETHERNET, 0, b""),
        ];
        // Two sections, as in a file continued by a second run.
        for _ in 0..2 {
            writer.section(&mut bytes);
            for (number, (capture, link, wire_len, data)) in (1..).zip(packets) {
                let frame = FrameRef {
                    time: Timestamp::from_parts(1_700_000_000, number),
                    number,
                    place: CapturePlace::new(capture, number),
                };
                let packet = Packet {
                    frame,
                    link,
                    wire_len,
                    data,
                };
                writer.packet(&packet, "eth0", &mut bytes);
            }
        }
        let reader = Box::new(std::io::Cursor::new(bytes));
        let mut set =
            CaptureSet::from_readers(vec![("made".into(), reader)], ReadOptions::default());
        let mut read = Vec::new();
        set.for_each(&mut |input| {
            match input {
                Input::Packet(packet) => {
                    let nanos = packet.frame.time.nanos() % 1_000_000_000;
                    read.push((nanos, packet.link, packet.wire_len, packet.data.to_vec()));
                }
                Input::Warning(warning) => panic!("{}", warning.message),
                Input::Failed(error) => panic!("{error}"),
                _ => {}
            }
            ControlFlow::Continue(())
        });
        let expected: Vec<_> = [1_i64, 2, 3]
            .into_iter()
            .zip(packets)
            .map(|(nanos, (_, link, wire_len, data))| (nanos, link, wire_len, data.to_vec()))
            .collect();
        assert_eq!(read, [expected.clone(), expected].concat());
    }
}
