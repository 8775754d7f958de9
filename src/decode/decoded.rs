//! Output types of the decoder: views into the packet, never copies.

use crate::model::{Endpoint, FrameRef};

/// Result of decoding one packet.
#[derive(Clone, Copy, Debug)]
pub enum Decoded<'a> {
    /// A TCP segment.
    Segment(Segment<'a>),
    /// A UDP datagram.
    Datagram(Datagram<'a>),
    /// An ICMP error about a segment or datagram.
    Icmp(IcmpError),
    /// A packet without any of these.
    Skipped(SkipReason),
}

/// One TCP segment (RFC 9293 section 3.1).
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// Packet that carried the segment; of a fragmented one, the packet that completed it.
    pub frame: FrameRef,
    /// Sender.
    pub source: Endpoint,
    /// Receiver.
    pub destination: Endpoint,
    /// Identification of the IPv4 packet (RFC 791 section 3.1), equal in all copies of one packet; 0 for IPv6.
    pub identification: u16,
    /// Sequence number of the first payload byte, or of SYN if that flag is set.
    pub sequence: u32,
    /// Acknowledgment number; valid only with the flag ACK.
    pub acknowledgment: u32,
    /// Flags.
    pub flags: TcpFlags,
    /// Window as in the header, not scaled.
    pub window: u16,
    /// Shift count of the window scale option (RFC 7323 section 2.2), at most 14. `None` without the option or
    /// without SYN.
    pub window_scale: Option<u8>,
    /// Length of the IP packet on the wire in bytes, its header included.
    pub ip_len: u32,
    /// Length of the frame on the wire in bytes.
    pub frame_len: u32,
    /// TCP header with its options as captured, for [`checksum_is_right`](Self::checksum_is_right); empty for a segment
    /// that was copied and held.
    pub header: &'a [u8],
    /// Captured payload.
    pub payload: &'a [u8],
    /// Count of payload bytes behind `payload` that were on the wire but not captured.
    pub cut: u32,
}

impl Segment<'_> {
    /// Verifies the checksum (RFC 9293 section 3.1, over the pseudo-header of RFC 8200 section 8.1 or of IPv4). `None` if
    /// not all bytes it covers are at hand.
    ///
    /// Sums the whole payload, and is therefore left to those who need it: most segments belong to unrelated traffic.
    #[must_use]
    pub fn checksum_is_right(&self) -> Option<bool> {
        if self.cut > 0 || self.header.len() < 20 {
            return None;
        }
        // Longer than any packet: segments joined by the network card, with the checksum of none of them.
        let length = u16::try_from(self.header.len() + self.payload.len()).ok()?;
        let address = |of: u128| ones_complement_sum(&pseudo_address(of));
        let sum = address(self.source.address)
            + address(self.destination.address)
            + ones_complement_sum(&[0, TCP, 0, 0])
            + ones_complement_sum(&length.to_be_bytes())
            + ones_complement_sum(self.header)
            + ones_complement_sum(self.payload);
        Some(fold(sum) == u16::MAX)
    }

    /// Returns the payload length on the wire in bytes.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a payload is shorter than its packet, whose length is 32 bits"
    )]
    pub const fn wire_len(&self) -> u32 {
        (self.payload.len() as u32).saturating_add(self.cut)
    }
}

/// Returns an address as it is summed: an IPv4 address is mapped into IPv6 as `::ffff:a.b.c.d`, whose prefix must not count.
fn pseudo_address(address: u128) -> [u8; 16] {
    let v4 = address >> 32 == 0xffff;
    if v4 { address & 0xffff_ffff } else { address }.to_be_bytes()
}

/// Sums bytes as 16-bit words, without the carries folded in. The order of bytes within a word only swaps the bytes of the
/// sum (RFC 1071 section 2), so that words are read as the machine has them, two at a time.
#[must_use]
pub fn ones_complement_sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<4>();
    let mut sum: u64 = words
        .iter()
        .map(|word| u64::from(u32::from_ne_bytes(*word)))
        .sum();
    if !rest.is_empty() {
        let mut last = [0; 4];
        last[..rest.len()].copy_from_slice(rest);
        sum += u64::from(u32::from_ne_bytes(last));
    }
    sum
}

/// Folds the carries of a sum into 16 bits (RFC 1071 section 1).
#[expect(clippy::cast_possible_truncation, reason = "the carries are folded in")]
#[must_use]
pub const fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// Protocol number of TCP in the pseudo-header.
const TCP: u8 = 6;

/// TCP flags: the lower byte of the header's flags field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// FIN.
    pub const FIN: u8 = 0x01;
    /// SYN.
    pub const SYN: u8 = 0x02;
    /// RST.
    pub const RST: u8 = 0x04;
    /// PSH.
    pub const PSH: u8 = 0x08;
    /// ACK.
    pub const ACK: u8 = 0x10;
    /// URG.
    pub const URG: u8 = 0x20;

    /// Returns true if the sender has finished sending.
    #[must_use]
    pub const fn fin(self) -> bool {
        self.0 & Self::FIN != 0
    }

    /// Returns true if the sequence number is the initial one.
    #[must_use]
    pub const fn syn(self) -> bool {
        self.0 & Self::SYN != 0
    }

    /// Returns true if the connection is reset.
    #[must_use]
    pub const fn rst(self) -> bool {
        self.0 & Self::RST != 0
    }

    /// Returns true if the acknowledgment number is valid.
    #[must_use]
    pub const fn ack(self) -> bool {
        self.0 & Self::ACK != 0
    }
}

/// One UDP datagram (RFC 768).
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Packet that carried the datagram; of a fragmented one, the packet that completed it.
    pub frame: FrameRef,
    /// Sender.
    pub source: Endpoint,
    /// Receiver.
    pub destination: Endpoint,
    /// Captured payload.
    pub payload: &'a [u8],
    /// Count of payload bytes behind `payload` that were on the wire but not captured.
    pub cut: u32,
}

/// An ICMP error message (RFC 792, RFC 4443 section 3) about a TCP segment or UDP datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpError {
    /// Packet that carried the message.
    pub frame: FrameRef,
    /// Address of the reporting host, in [`Endpoint::address`] form.
    pub reporter: u128,
    /// True for `ICMPv6`, whose type numbers are its own.
    pub v6: bool,
    /// ICMP type: 3, 4, 11 or 12, or 1 to 4 for `ICMPv6`.
    pub kind: u8,
    /// ICMP code within the type.
    pub code: u8,
    /// Transport protocol of the undelivered packet: 6 for TCP, 17 for UDP.
    pub protocol: u8,
    /// Sender of the undelivered packet.
    pub source: Endpoint,
    /// Receiver of the undelivered packet.
    pub destination: Endpoint,
}

/// Reason why a packet yields no segment, datagram or ICMP error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipReason {
    /// Unsupported link type.
    LinkTypeUnsupported,
    /// Protocol other than IP: ARP, spanning tree, management frames of a wireless network.
    NotIp,
    /// Protocol over IP other than TCP and UDP, or an ICMP message that is not an error.
    OtherProtocol,
    /// Header that may have IP behind it and is not read.
    Unread(Encapsulation),
    /// Encrypted wireless frame.
    Encrypted,
    /// Header of this layer that contradicts itself or exceeds the packet.
    Malformed(Layer),
    /// Headers cut by the snap length.
    HeaderCut,
    /// Fragment of a datagram that is incomplete, or that is complete without this fragment.
    FragmentHeld,
    /// More nested layers than are decoded.
    DepthLimit,
}

/// Encapsulation that is not read: unknown, or encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Encapsulation {
    /// Ether type that is not known to carry something other than IP.
    EtherType(u16),
    /// Protocol number of IP that is not known to carry something other than TCP and UDP.
    Protocol(u8),
    /// UDP port of a tunnel whose datagrams could not be decapsulated. They are passed on as datagrams.
    UdpPort(u16),
}

/// Layer of a malformed header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// Link header, VLAN and MPLS tags, PPP.
    Link,
    /// IPv4, IPv6 and extension headers.
    Network,
    /// TCP, UDP and ICMP.
    Transport,
    /// GRE and its payloads, and tunnels over UDP.
    Tunnel,
}

impl Layer {
    /// Returns the name for messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Network => "IP",
            Self::Transport => "TCP, UDP or ICMP",
            Self::Tunnel => "tunnel",
        }
    }
}
