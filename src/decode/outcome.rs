//! What becomes of a packet that is no segment and no datagram.

use crate::model::{Endpoint, FrameRef};

/// Why a packet yields neither segment nor datagram nor ICMP error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotOurs {
    /// Nothing is known of what its link type means.
    LinkTypeUnsupported,
    /// Another protocol than IP: ARP, spanning tree, the management of a wireless network.
    NotIp,
    /// Another protocol over IP than TCP and UDP, or ICMP that is no error.
    OtherProtocol,
    /// A wireless frame that is encrypted.
    Encrypted,
    /// A header of this layer contradicts itself or ends before it is complete.
    Malformed(Layer),
    /// The snap length cut the packet within its headers.
    HeaderCut,
    /// A fragment whose datagram is not complete yet, or which is not needed any more.
    FragmentHeld,
    /// More layers around its payload than are opened.
    DepthLimit,
}

/// Where a malformed header stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// What the packet begins with, tags and PPP included.
    Link,
    /// IPv4, IPv6 and extension headers.
    Network,
    /// TCP, UDP and ICMP.
    Transport,
    /// GRE and what it carries, and tunnels over UDP.
    Tunnel,
}

impl Layer {
    /// As it stands in a message.
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

/// An ICMP error message (RFC 792, RFC 4443 section 3) about a TCP segment or UDP datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpError {
    /// The packet it came in.
    pub frame: FrameRef,
    /// Who reports, in [`Endpoint::address`] form.
    pub reporter: u128,
    /// True for `ICMPv6`, whose types are numbered apart.
    pub v6: bool,
    /// Type: 3, 4, 11 or 12, or for `ICMPv6` 1 to 4.
    pub kind: u8,
    /// Code within the type.
    pub code: u8,
    /// Transport protocol of the packet it is about: 6 for TCP, 17 for UDP.
    pub protocol: u8,
    /// Sender of that packet.
    pub source: Endpoint,
    /// Receiver of that packet: the end that was not reached.
    pub destination: Endpoint,
}
