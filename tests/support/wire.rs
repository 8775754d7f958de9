//! A tap on the wire: frames with timestamps, written as a classic pcap file.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use etherparse::{IpHeaders, NetSlice, PacketBuilder, PacketBuilderStep, SlicedPacket, TcpHeader};

/// A recording in the making. Its clock moves on with every frame.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    /// Microseconds since 1970.
    now: u64,
    frames: Vec<Frame>,
    /// Whether the tap sees what passes now.
    recording: bool,
}

/// One recorded frame.
#[derive(Clone, Debug)]
struct Frame {
    time: u64,
    wire_len: usize,
    bytes: Vec<u8>,
}

impl Wire {
    /// An empty recording that begins at a fixed time.
    pub(crate) fn new() -> Self {
        Self {
            now: START,
            frames: Vec::new(),
            recording: true,
        }
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, time: Duration) {
        self.now += u64::try_from(time.as_micros()).expect("test times fit 64 bits");
    }

    /// True while sent frames are not recorded.
    pub(crate) fn unseen(&mut self, pass: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.recording, false);
        pass(self);
        self.recording = before;
    }

    /// The number of frames recorded so far.
    pub(crate) fn len(&self) -> usize {
        self.frames.len()
    }

    /// Frames `first` and `second` (counted from 0) arrive in each other's place; the times stay in order.
    pub(crate) fn reorder(&mut self, first: usize, second: usize) {
        self.move_frame(first, second);
        if second > first + 1 {
            self.move_frame(second - 1, first);
        }
    }

    /// Frame `from` arrives at place `to` instead; the times stay in order.
    pub(crate) fn move_frame(&mut self, from: usize, to: usize) {
        let times: Vec<u64> = self.frames.iter().map(|frame| frame.time).collect();
        let frame = self.frames.remove(from);
        self.frames.insert(to, frame);
        for (frame, time) in self.frames.iter_mut().zip(times) {
            frame.time = time;
        }
    }

    /// Returns source port and payload of the segment in frame `index`, counted from 0, and whether it has FIN; `None` for any other
    /// frame.
    pub(crate) fn segment_at(&self, index: usize) -> Option<(u16, usize, bool)> {
        let frame = self.frames.get(index)?;
        let packet = etherparse::SlicedPacket::from_ethernet(&frame.bytes).ok()?;
        match packet.transport {
            Some(etherparse::TransportSlice::Tcp(tcp)) => {
                Some((tcp.source_port(), tcp.payload().len(), tcp.fin()))
            }
            _ => None,
        }
    }

    /// Keeps only the frames for which `keep` is true of source and destination address.
    pub(crate) fn keep_only(&mut self, keep: impl Fn(IpAddr, IpAddr) -> bool) {
        self.frames.retain(|frame| {
            addresses(&frame.bytes).is_none_or(|(source, destination)| keep(source, destination))
        });
    }

    /// Drops the frames from number `first` (counted from 0) on: the capture had not begun.
    pub(crate) fn truncate(&mut self, first: usize) {
        self.frames.truncate(first);
    }

    /// Cuts every frame as a capture with this snap length does.
    pub(crate) fn snap(&mut self, length: usize) {
        for frame in &mut self.frames {
            frame.bytes.truncate(length);
        }
    }

    /// A UDP datagram goes by.
    pub(crate) fn datagram(&mut self, source: SocketAddr, destination: SocketAddr, payload: &[u8]) {
        let mut bytes = Vec::new();
        between(source.ip(), destination.ip())
            .udp(source.port(), destination.port())
            .write(&mut bytes, payload)
            .expect("a datagram fits a packet");
        self.frame(bytes);
    }

    /// Sends an ICMP destination unreachable (type 3) from `router` to `source` about a TCP segment to `destination`.
    pub(crate) fn unreachable(
        &mut self,
        router: [u8; 4],
        code: u8,
        source: SocketAddr,
        destination: SocketAddr,
    ) {
        let (IpAddr::V4(from), IpAddr::V4(to)) = (source.ip(), destination.ip()) else {
            panic!("ICMP is made for IPv4 only");
        };
        let mut quoted = Vec::new();
        PacketBuilder::ipv4(from.octets(), to.octets(), HOPS)
            .tcp(source.port(), destination.port(), 1, 0)
            .write(&mut quoted, &[])
            .expect("a segment fits a packet");
        let mut bytes = Vec::new();
        between(IpAddr::from(router), source.ip())
            .icmpv4_raw(3, code, [0; 4])
            .write(&mut bytes, &quoted)
            .expect("a message fits a packet");
        self.frame(bytes);
    }

    /// A TCP segment goes by.
    pub(crate) fn segment(
        &mut self,
        source: SocketAddr,
        destination: SocketAddr,
        header: TcpHeader,
        payload: &[u8],
    ) {
        let mut bytes = Vec::new();
        between(source.ip(), destination.ip())
            .tcp_header(header)
            .write(&mut bytes, payload)
            .expect("a segment fits a packet");
        self.frame(bytes);
    }

    /// Flips a bit of the last byte recorded, on the wire: its checksum stays as it was.
    pub(crate) fn damage_last(&mut self) {
        let last = self
            .frames
            .last_mut()
            .and_then(|frame| frame.bytes.last_mut());
        *last.expect("a frame") ^= 1;
    }

    /// The recording as a classic pcap file: little endian, microseconds, Ethernet.
    pub(crate) fn to_pcap(&self) -> Vec<u8> {
        let mut file = Vec::new();
        for field in [
            0xa1b2_c3d4,
            0x0004_0002,
            0,
            0,
            SNAP_LENGTH,
            LINKTYPE_ETHERNET,
        ] {
            file.extend(u32::to_le_bytes(field));
        }
        for frame in &self.frames {
            for field in [
                frame.time / 1_000_000,
                frame.time % 1_000_000,
                frame.bytes.len() as u64,
                frame.wire_len as u64,
            ] {
                file.extend(
                    u32::try_from(field)
                        .expect("test captures are small")
                        .to_le_bytes(),
                );
            }
            file.extend(&frame.bytes);
        }
        file
    }

    fn frame(&mut self, bytes: Vec<u8>) {
        self.now += BETWEEN_FRAMES;
        if self.recording {
            self.frames.push(Frame {
                time: self.now,
                wire_len: bytes.len(),
                bytes,
            });
        }
    }
}

/// Ethernet and IP headers between two hosts; each host's hardware address is made of its IP address.
fn between(source: IpAddr, destination: IpAddr) -> PacketBuilderStep<IpHeaders> {
    let ethernet =
        PacketBuilder::ethernet2(hardware_address(source), hardware_address(destination));
    match (source, destination) {
        (IpAddr::V4(from), IpAddr::V4(to)) => ethernet.ipv4(from.octets(), to.octets(), HOPS),
        (IpAddr::V6(from), IpAddr::V6(to)) => ethernet.ipv6(from.octets(), to.octets(), HOPS),
        _ => panic!("both ends are of one address family"),
    }
}

/// A locally administered address that ends like `ip`.
fn hardware_address(ip: IpAddr) -> [u8; 6] {
    let last = match ip {
        IpAddr::V4(ip) => ip.octets()[3],
        IpAddr::V6(ip) => ip.octets()[15],
    };
    [0x02, b'F', b'T', b'P', 0x00, last]
}

/// Source and destination address of a frame made here.
fn addresses(frame: &[u8]) -> Option<(IpAddr, IpAddr)> {
    let parsed = SlicedPacket::from_ethernet(frame).ok()?;
    match parsed.net? {
        NetSlice::Ipv4(ip) => Some((
            ip.header().source_addr().into(),
            ip.header().destination_addr().into(),
        )),
        NetSlice::Ipv6(ip) => Some((
            ip.header().source_addr().into(),
            ip.header().destination_addr().into(),
        )),
        NetSlice::Arp(_) => None,
    }
}

/// 2026-03-02 10:00:00 UTC in microseconds.
const START: u64 = 1_772_445_600_000_000;
/// Microseconds from one frame to the next.
const BETWEEN_FRAMES: u64 = 180;
const HOPS: u8 = 64;
const SNAP_LENGTH: u32 = 262_144;
const LINKTYPE_ETHERNET: u32 = 1;
