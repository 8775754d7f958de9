//! A capture of a real session that is damaged on purpose: packets left out, lines of the control connection replaced.

use std::fs;
use std::path::Path;

/// A capture of Ethernet frames, packet by packet.
#[derive(Clone, Debug)]
pub(crate) struct Edited {
    header: Vec<u8>,
    packets: Vec<Packet>,
}

#[derive(Clone, Debug)]
struct Packet {
    /// Microseconds since 1970.
    time: u64,
    /// Ethernet and IP, and all of it where it is no TCP over IPv4.
    below: Vec<u8>,
    tcp: Option<Segment>,
}

#[derive(Clone, Debug)]
struct Segment {
    /// Ports, sequence numbers and options.
    header: Vec<u8>,
    payload: Vec<u8>,
}

impl Edited {
    /// A capture of `testdata/captures`.
    pub(crate) fn read(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures");
        let bytes = fs::read(folder.join(name)).expect("a capture");
        let (header, mut rest) = bytes.split_at(24);
        assert_eq!(
            header[..4],
            [0xd4, 0xc3, 0xb2, 0xa1],
            "little endian, microseconds"
        );
        let mut packets = Vec::new();
        while rest.len() > 16 {
            let word = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().expect("a word"));
            let time = u64::from(word(0)) * 1_000_000 + u64::from(word(4));
            let length = word(8) as usize;
            packets.push(Packet::new(time, &rest[16..16 + length]));
            rest = &rest[16 + length..];
        }
        let header = header.to_vec();
        Self { header, packets }
    }

    /// The capture as a file.
    pub(crate) fn to_pcap(&self) -> Vec<u8> {
        let mut out = self.header.clone();
        for packet in &self.packets {
            let bytes = packet.to_bytes();
            let length = u32::try_from(bytes.len()).expect("a length");
            let seconds = u32::try_from(packet.time / 1_000_000).expect("a time");
            for word in [seconds, (packet.time % 1_000_000) as u32, length, length] {
                out.extend(word.to_le_bytes());
            }
            out.extend(bytes);
        }
        out
    }

    /// The packet of the control connection that begins with a text.
    pub(crate) fn line(&self, text: &str) -> usize {
        let is_it = |packet: &Packet| {
            packet
                .control()
                .is_some_and(|segment| segment.payload.starts_with(text.as_bytes()))
        };
        self.packets.iter().position(is_it).expect(text)
    }

    /// The next one after a packet.
    pub(crate) fn line_after(&self, after: usize, text: &str) -> usize {
        let rest = Self {
            header: Vec::new(),
            packets: self.packets[after..].to_vec(),
        };
        after + rest.line(text)
    }

    /// Returns the text of a packet of the control connection.
    pub(crate) fn text(&self, at: usize) -> String {
        let segment = self.packets[at].control().expect("a line");
        String::from_utf8_lossy(&segment.payload).into_owned()
    }

    /// The answer to a command.
    pub(crate) fn answer(&self, command: usize) -> usize {
        let asked = self.packets[command].control().expect("a command").ports();
        let is_it = |packet: &Packet| {
            let segment = packet.control();
            segment.is_some_and(|one| one.ports() == (asked.1, asked.0) && !one.payload.is_empty())
        };
        let after = self.packets[command..].iter().position(is_it);
        command + after.expect("an answer")
    }

    /// Packets with bytes of data connections, the large ones.
    pub(crate) fn data(&self) -> Vec<usize> {
        let is_data = |packet: &Packet| {
            packet.control().is_none()
                && packet
                    .tcp
                    .as_ref()
                    .is_some_and(|segment| segment.payload.len() > 500)
        };
        let packets = self.packets.iter().enumerate();
        packets
            .filter(|(_, packet)| is_data(packet))
            .map(|(at, _)| at)
            .collect()
    }

    /// Leaves a packet out, as a capture that lost it.
    pub(crate) fn lose(&mut self, at: usize) {
        self.packets.remove(at);
    }

    /// Leaves out everything from a packet on.
    pub(crate) fn end(&mut self, at: usize) {
        self.packets.truncate(at);
    }

    /// All packets from one on come later.
    pub(crate) fn delay(&mut self, at: usize, seconds: u64) {
        for packet in &mut self.packets[at..] {
            packet.time += seconds * 1_000_000;
        }
    }

    /// Leaves out what one end of the control connection says.
    pub(crate) fn mute_client(&mut self) {
        self.packets.retain(|packet| {
            let segment = packet.control();
            segment.is_none_or(|segment| segment.ports().1 != 21)
        });
    }

    /// A command and its answer were never sent.
    pub(crate) fn unsay(&mut self, command: usize) {
        let answer = self.answer(command);
        self.say(answer, "");
        self.say(command, "");
    }

    /// Other bytes in a packet; what follows in both directions moves along.
    pub(crate) fn say(&mut self, at: usize, text: &str) {
        self.put(at, text.as_bytes());
    }

    /// A byte in the midst of a packet is another.
    pub(crate) fn flip(&mut self, at: usize) {
        let mut payload = self.packets[at]
            .tcp
            .as_ref()
            .expect("a segment")
            .payload
            .clone();
        payload[50] ^= 1;
        self.put(at, &payload);
    }

    /// The last bytes of a packet were never sent.
    pub(crate) fn shorten(&mut self, at: usize, by: usize) {
        let payload = self.packets[at]
            .tcp
            .as_ref()
            .expect("a segment")
            .payload
            .clone();
        self.put(at, &payload[..payload.len() - by]);
    }

    fn put(&mut self, at: usize, payload: &[u8]) {
        let changed = self.packets[at].tcp.as_mut().expect("a segment");
        let old = std::mem::replace(&mut changed.payload, payload.to_vec());
        let size = |bytes: &[u8]| u32::try_from(bytes.len()).expect("a short packet");
        let (length, new) = (size(&old), size(payload));
        let (ports, end) = (changed.ports(), changed.number(4).wrapping_add(length));
        let shift = new.wrapping_sub(length);
        for packet in &mut self.packets[at + 1..] {
            let Some(segment) = &mut packet.tcp else {
                continue;
            };
            // The sequence number of one direction, the acknowledgement of the other.
            let field = match segment.ports() {
                same if same == ports => 4,
                other if other == (ports.1, ports.0) => 8,
                _ => continue,
            };
            let number = segment.number(field);
            if number.wrapping_sub(end) < 1 << 31 {
                segment.set_number(field, number.wrapping_add(shift));
            }
        }
    }
}

impl Packet {
    fn new(time: u64, bytes: &[u8]) -> Self {
        let whole = Self {
            time,
            below: bytes.to_vec(),
            tcp: None,
        };
        if bytes.len() < 34 || bytes[12..14] != [8, 0] || bytes[23] != 6 {
            return whole;
        }
        let start = 14 + usize::from(bytes[14] & 15) * 4;
        let end = 14 + usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
        let data = start + usize::from(bytes[start + 12] >> 4) * 4;
        let tcp = Segment {
            header: bytes[start..data].to_vec(),
            payload: bytes[data..end].to_vec(),
        };
        Self {
            below: bytes[..start].to_vec(),
            tcp: Some(tcp),
            ..whole
        }
    }

    fn control(&self) -> Option<&Segment> {
        let segment = self.tcp.as_ref();
        segment.filter(|segment| segment.ports().0 == 21 || segment.ports().1 == 21)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.below.clone();
        if let Some(segment) = &self.tcp {
            bytes.extend(&segment.header);
            bytes.extend(&segment.payload);
            let length = u16::try_from(bytes.len() - 14).expect("a length");
            bytes[16..18].copy_from_slice(&length.to_be_bytes());
        }
        bytes
    }
}

impl Segment {
    fn ports(&self) -> (u16, u16) {
        let port = |at: usize| u16::from_be_bytes([self.header[at], self.header[at + 1]]);
        (port(0), port(2))
    }

    fn number(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.header[at..at + 4].try_into().expect("four bytes"))
    }

    fn set_number(&mut self, at: usize, number: u32) {
        self.header[at..at + 4].copy_from_slice(&number.to_be_bytes());
    }
}
