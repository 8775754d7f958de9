//! Packets become TCP segments and UDP datagrams.
//!
//! In: one [`Packet`]. Out: one [`Decoded`] that borrows its payload. Each layer is a function that takes a header off
//! the front of the bytes and says what comes next; [`Decoder`] calls them in a loop until a segment, a datagram or an ICMP
//! error is left. Bytes that the snap length took away are counted by the innermost length known (`cut`), and whatever
//! is none of ours is counted by reason, so that every packet is accounted for.
//!
//! ```text
//! Packet -> link (Ethernet, SLL, loopback, raw) -> tags (VLAN, MPLS), ppp -> network (IPv4, IPv6) -> transport (TCP, UDP) -> Decoded
//! ```
//!
//! Headers are read through etherparse's slices of a single header. Its slices of whole packets refuse packets that were
//! cut or offloaded or do not enter tunnels, and take longer than all the rest of the way. Checksums are not verified: a
//! capture on the sending host has wrong ones in every packet.

use crate::capture::Packet;
use crate::model::{Limits, Warning};

mod captured;
mod link;
mod network;
mod outcome;
mod ppp;
mod segment;
mod tags;
mod tally;
mod transport;

pub use outcome::{IcmpError, Layer, NotOurs};
pub use segment::{Datagram, Segment, TcpFlags};
pub use tally::{Count, Tally};

use captured::Captured;
use network::Hosts;

/// Decodes packets, one at a time, and counts what they are.
#[derive(Debug)]
pub struct Decoder {
    tally: Tally,
}

/// What a packet carries.
#[derive(Clone, Copy, Debug)]
pub enum Decoded<'a> {
    /// A TCP segment.
    Segment(Segment<'a>),
    /// A UDP datagram.
    Datagram(Datagram<'a>),
    /// An ICMP error about a segment or datagram.
    Icmp(IcmpError),
    /// Nothing that belongs to FTP or DNS.
    Other(NotOurs),
}

/// What the next bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// An Ethernet header.
    Ethernet,
    /// What an ether type announces.
    EtherType(u16),
    /// An IEEE 802.2 header.
    Llc,
    /// An address family.
    Loopback,
    /// The header of a Linux cooked capture.
    Cooked,
    /// The same in its second version.
    Cooked2,
    /// A VLAN tag without its ether type.
    Vlan,
    /// An MPLS label stack.
    Mpls,
    /// A `PPPoE` header.
    PppoeSession,
    /// A PPP packet.
    Ppp,
    /// An HDLC header: PPP's or Cisco's.
    Hdlc,
    /// An IP header of either version.
    Ip,
    /// What a protocol number of IP announces.
    Protocol(u8),
}

/// What one layer yields: what comes next, and its bytes.
type Step<'a> = Result<(Next, Captured<'a>), NotOurs>;

impl Decoder {
    /// A decoder that has seen nothing yet.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        let _ = limits;
        Self {
            tally: Tally::default(),
        }
    }

    /// Decodes one packet. What is returned borrows from the packet or, for a datagram put together from fragments, from
    /// the decoder.
    #[inline]
    pub fn decode<'a>(&'a mut self, packet: &Packet<'a>) -> Decoded<'a> {
        let bytes = Captured::new(packet.data, packet.wire_len);
        self.tally.packets += 1;
        if bytes.cut > 0 {
            self.tally.cut.add(packet.frame);
        }
        let decoded = walk(packet, bytes).unwrap_or_else(Decoded::Other);
        match decoded {
            Decoded::Segment(_) => self.tally.segments += 1,
            Decoded::Datagram(_) => self.tally.datagrams += 1,
            Decoded::Icmp(_) => self.tally.icmp_errors += 1,
            Decoded::Other(reason) => self.tally.not_ours(reason, packet.link, packet.frame),
        }
        decoded
    }

    /// What became of the packets so far.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// What a reader of the report should know of, in an order that does not change.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        self.tally.warnings()
    }
}

/// Takes headers off until something is left that is ours, or certainly not.
#[inline]
fn walk<'a>(packet: &Packet<'a>, mut bytes: Captured<'a>) -> Result<Decoded<'a>, NotOurs> {
    let mut next = link::first(packet.link).ok_or(NotOurs::LinkTypeUnsupported)?;
    let mut hosts = Hosts::default();
    for _ in 0..MAX_LAYERS {
        (next, bytes) = match next {
            Next::Ethernet => link::ethernet(bytes)?,
            Next::EtherType(value) => link::ether_type(value, bytes)?,
            Next::Llc => link::llc(bytes)?,
            Next::Loopback => link::loopback(bytes)?,
            Next::Cooked => link::cooked(bytes)?,
            Next::Cooked2 => link::cooked2(bytes)?,
            Next::Vlan => tags::vlan(bytes)?,
            Next::Mpls => tags::mpls(bytes)?,
            Next::PppoeSession => ppp::session(bytes)?,
            Next::Ppp => ppp::packet(bytes)?,
            Next::Hdlc => ppp::hdlc(bytes)?,
            Next::Ip => {
                let network = network::ip(bytes)?;
                if network.fragment.is_some() {
                    return Err(NotOurs::FragmentHeld);
                }
                hosts = network.hosts;
                (Next::Protocol(network.protocol), network.payload)
            }
            Next::Protocol(TCP) => {
                return transport::tcp(packet.frame, hosts, bytes).map(Decoded::Segment);
            }
            Next::Protocol(UDP) => {
                return transport::udp(packet.frame, hosts, bytes).map(Decoded::Datagram);
            }
            Next::Protocol(_) => return Err(NotOurs::OtherProtocol),
        };
    }
    Err(NotOurs::DepthLimit)
}

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Headers taken off one packet, tags and extension headers included.
const MAX_LAYERS: usize = 48;
