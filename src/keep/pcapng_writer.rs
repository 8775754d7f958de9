//! Blocks of pcapng files, made in memory (draft-ietf-opsawg-pcapng).

use crate::capture::{DescribedInterface, HostName, LinkType, Packet, Secrets};

/// An encoder of pcapng blocks, one section at a time. Numbers are little endian, timestamps in nanoseconds.
#[derive(Debug, Default)]
pub struct PcapNgWriter {
    /// Capture number and link type of each interface described in this section, in the order of interface numbers.
    interfaces: Vec<(u32, LinkType)>,
}

impl PcapNgWriter {
    /// Appends a section header to `out`; interfaces have to be described anew in it.
    pub fn section(&mut self, out: &mut Vec<u8>) {
        self.commented_section("", out);
    }

    /// Appends a section header with a comment to `out`. An empty comment is left out.
    pub fn commented_section(&mut self, comment: &str, out: &mut Vec<u8>) {
        self.interfaces.clear();
        let mut body = Vec::new();
        body.extend(BYTE_ORDER.to_le_bytes());
        body.extend([1, 0, 0, 0]);
        // Section length unspecified: packets are appended as long as the run lasts.
        body.extend(u64::MAX.to_le_bytes());
        if !comment.is_empty() {
            option(&mut body, COMMENT, comment);
        }
        option(&mut body, USER_APPLICATION, APPLICATION);
        end_options(&mut body);
        block(out, SECTION_HEADER, &body);
    }

    /// Appends an enhanced packet block to `out`, preceded by an interface description if this section has none yet.
    ///
    /// `name` is the name of the interface. Two link types of one capture are two interfaces.
    pub fn packet(&mut self, packet: &Packet<'_>, name: &str, out: &mut Vec<u8>) {
        self.commented_packet(packet, &[], out, &|| DescribedInterface {
            name: name.to_owned(),
            ..DescribedInterface::default()
        });
    }

    /// Does the same as [`packet`](Self::packet), and adds comments. `interface` is called if the interface is to be described.
    pub fn commented_packet(
        &mut self,
        packet: &Packet<'_>,
        comments: &[&str],
        out: &mut Vec<u8>,
        interface: &dyn Fn() -> DescribedInterface,
    ) {
        let wanted = (packet.frame.capture(), packet.link);
        let known = self.interfaces.iter().position(|known| *known == wanted);
        let number = known.unwrap_or_else(|| {
            describe(packet.link, &interface(), out);
            self.interfaces.push(wanted);
            self.interfaces.len() - 1
        });
        let mut options = Vec::new();
        if !comments.is_empty() {
            for comment in comments {
                option(&mut options, COMMENT, comment);
            }
            end_options(&mut options);
        }
        let nanos = packet.frame.time.nanos().cast_unsigned();
        let captured = u32::try_from(packet.data.len()).unwrap_or(u32::MAX);
        let (upper, lower) = (nanos >> 32, nanos & 0xffff_ffff);
        let length = PACKET_FIELDS + packet.data.len().next_multiple_of(4) + options.len();
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
        out.extend_from_slice(&options);
        out.extend_from_slice(&length.to_le_bytes());
    }

    /// Appends a name resolution block to `out`.
    pub fn names<'n>(&self, names: impl Iterator<Item = &'n HostName>, out: &mut Vec<u8>) {
        let mut body = Vec::new();
        for host in names {
            // The name ends with a NUL, so that one within it would cut it.
            let name = host.name.as_bytes().split(|byte| *byte == 0).next();
            let name = name.unwrap_or_default();
            let name = name.get(..LONGEST_OPTION).unwrap_or(name);
            let (kind, address) = match host.address {
                std::net::IpAddr::V4(ip) => (NAME_OF_IPV4, ip.octets().to_vec()),
                std::net::IpAddr::V6(ip) => (NAME_OF_IPV6, ip.octets().to_vec()),
            };
            let length = u16::try_from(address.len() + name.len() + 1).unwrap_or(0);
            body.extend(u16::to_le_bytes(kind));
            body.extend(length.to_le_bytes());
            body.extend(address);
            body.extend(name);
            body.push(0);
            pad(&mut body);
        }
        if !body.is_empty() {
            // A record of type and length 0 ends the list.
            end_options(&mut body);
            block(out, NAME_RESOLUTION, &body);
        }
    }

    /// Appends a decryption secrets block with lines of a TLS key log to `out`.
    pub fn secrets(&self, lines: &[u8], out: &mut Vec<u8>) {
        let mut body = Vec::new();
        body.extend(Secrets::TLS_KEY_LOG.to_le_bytes());
        body.extend(u32::try_from(lines.len()).unwrap_or(u32::MAX).to_le_bytes());
        body.extend(lines);
        block(out, DECRYPTION_SECRETS, &body);
    }
}

/// Appends an interface description block.
fn describe(link: LinkType, interface: &DescribedInterface, out: &mut Vec<u8>) {
    let mut body = Vec::new();
    body.extend(link.0.to_le_bytes());
    body.extend([0; 2]);
    body.extend(interface.snap_len.to_le_bytes());
    option(&mut body, INTERFACE_NAME, &interface.name);
    for (code, value) in &interface.options {
        bytes_option(&mut body, *code, value);
    }
    // Exponent of ten: nanoseconds.
    bytes_option(&mut body, TIME_RESOLUTION, &[9]);
    end_options(&mut body);
    block(out, INTERFACE_DESCRIPTION, &body);
}

/// Appends an option of UTF-8 text, padded to a whole word.
fn option(out: &mut Vec<u8>, code: u16, text: &str) {
    // Cut between characters: readers take the text for damaged otherwise.
    let text = &text[..text.floor_char_boundary(LONGEST_OPTION)];
    bytes_option(out, code, text.as_bytes());
}

/// Appends an option, padded to a whole word; one that is too long is left out.
fn bytes_option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    if value.len() > LONGEST_OPTION {
        return;
    }
    out.extend(code.to_le_bytes());
    out.extend(u16::try_from(value.len()).unwrap_or(0).to_le_bytes());
    out.extend(value);
    pad(out);
}

/// Appends the end of a list of options.
fn end_options(out: &mut Vec<u8>) {
    out.extend([0; 4]);
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
const NAME_RESOLUTION: u32 = 4;
const ENHANCED_PACKET: u32 = 6;
const DECRYPTION_SECRETS: u32 = 10;
/// Bytes of an enhanced packet block beside the packet and its options.
const PACKET_FIELDS: usize = 32;
const NAME_OF_IPV4: u16 = 1;
const NAME_OF_IPV6: u16 = 2;
const COMMENT: u16 = 1;
const INTERFACE_NAME: u16 = 2;
const USER_APPLICATION: u16 = 4;
const TIME_RESOLUTION: u16 = 9;
/// Limit of an option value in bytes. The format allows 65,535; step titles are the longest text here.
const LONGEST_OPTION: usize = 8192;
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
                // A comment of every length modulo 4.
                let comment = &"12345"[..usize::try_from(number).unwrap_or(0)];
                writer.commented_packet(&packet, &[comment], &mut bytes, &|| DescribedInterface {
                    name: "eth0".to_owned(),
                    snap_len: 9000,
                    ..DescribedInterface::default()
                });
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

    #[test]
    fn names_and_secrets_are_read_back() {
        let mut writer = PcapNgWriter::default();
        let mut bytes = Vec::new();
        writer.commented_section("made", &mut bytes);
        let names = [
            HostName {
                address: [192, 0, 2, 7].into(),
                name: "ftp.example.com".into(),
            },
            HostName {
                address: [0x2001, 0xdb8, 0, 0, 0, 0, 0, 7].into(),
                name: "six.example.com".into(),
            },
        ];
        writer.names(names.iter(), &mut bytes);
        writer.secrets(b"CLIENT_RANDOM 00 11\n", &mut bytes);
        let reader = Box::new(std::io::Cursor::new(bytes));
        let mut set =
            CaptureSet::from_readers(vec![("made".into(), reader)], ReadOptions::default());
        let mut read = Vec::new();
        set.for_each(&mut |input| {
            match input {
                Input::Names(found) => {
                    let name = |host: &HostName| format!("{} {}", host.address, host.name);
                    read.extend(found.iter().map(name));
                }
                Input::Secrets(secrets) => {
                    read.push(String::from_utf8_lossy(secrets.data).into_owned());
                }
                _ => {}
            }
            ControlFlow::Continue(())
        });
        assert_eq!(
            read,
            [
                "192.0.2.7 ftp.example.com",
                "2001:db8::7 six.example.com",
                "CLIENT_RANDOM 00 11\n"
            ]
        );
    }
}
