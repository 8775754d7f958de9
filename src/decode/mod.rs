//! Packets become TCP segments and UDP datagrams.
//!
//! In: one [`Packet`]. Out: one [`Decoded`] that borrows its payload. Each layer is a function that takes a header off
//! the front of the bytes and says what comes next; [`Decoder`] calls them in a loop until a segment, a datagram or an ICMP
//! error is left. Bytes that the snap length took away are counted by the innermost length known (`cut`), and whatever
//! is none of ours is counted by reason, so that every packet is accounted for.
//!
//! ```text
//!                                  +------------------- tunnels <--------------------+
//!                                  v                                                 |
//! Packet -> link, wireless -> tags, ppp -> network <-> fragments -> transport (TCP, UDP), icmp -> Decoded
//! ```
//!
//! Headers are read through etherparse's slices of a single header, where it has one that takes what captures hold. Its
//! slices of whole packets refuse packets that were cut or offloaded, do not enter tunnels, and take longer than all the
//! rest of the way. What is most of every capture, TCP in IP in Ethernet, skips the loop (`plain`). Checksums are not verified: a
//! capture on the sending host has wrong ones in every packet.

use crate::capture::{LinkType, Packet};
use crate::model::{FrameRef, Limits, Warning};

mod captured;
mod fragments;
mod icmp;
mod layers;
mod link;
mod network;
mod outcome;
mod ppp;
mod segment;
mod tags;
mod tally;
mod transport;
mod tunnels;
mod wireless;

pub use layers::layers;
pub use outcome::{IcmpError, Layer, NotOurs};
pub use segment::{Datagram, Segment, TcpFlags};
pub use tally::{Count, Tally};

use captured::Captured;
use fragments::Fragments;
use network::Hosts;

/// Decodes packets, one at a time, and counts what they are.
#[derive(Debug)]
pub struct Decoder {
    tally: Tally,
    fragments: Fragments,
    /// Datagrams put together from fragments: one, and those within it.
    whole: [Vec<u8>; MAX_NESTED_DATAGRAMS],
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
    /// The same behind a byte for the direction.
    PppWithDirection,
    /// An HDLC header: PPP's or Cisco's.
    Hdlc,
    /// A radiotap header.
    Radiotap,
    /// An IEEE 802.11 frame.
    Wireless,
    /// The same with its header filled up to a multiple of four.
    WirelessPadded,
    /// Several packets in one IEEE 802.11 frame.
    Aggregate,
    /// An IP header of either version.
    Ip,
    /// What a protocol number of IP announces.
    Protocol(u8),
}

/// What is left when all around the transport layer is off.
#[derive(Clone, Copy, Debug)]
struct Innermost<'a> {
    protocol: u8,
    hosts: Hosts,
    /// Of the innermost IPv4 packet.
    identification: u16,
    bytes: Captured<'a>,
}

/// What one layer yields: what comes next, and its bytes.
type Step<'a> = Result<(Next, Captured<'a>), NotOurs>;

impl Decoder {
    /// A decoder that has seen nothing yet.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            tally: Tally::default(),
            fragments: Fragments::new(limits),
            whole: Default::default(),
        }
    }

    /// Decodes one packet. What is returned borrows from the packet or, for a datagram put together from fragments, from
    /// the decoder.
    #[inline]
    pub fn decode<'a>(&'a mut self, packet: &Packet<'a>) -> Decoded<'a> {
        let bytes = Captured::new(packet.data, packet.wire_len);
        let Self {
            tally,
            fragments,
            whole,
        } = self;
        tally.packets += 1;
        if bytes.cut > 0 {
            tally.cut.add(packet.frame);
        }
        let decoded = match plain(packet.link, bytes) {
            Some((hosts, identification, bytes)) => {
                transport::tcp(&packet.frame, hosts, identification, bytes)
            }
            None => layered(packet, bytes, tally, fragments, whole),
        };
        match decoded {
            Decoded::Segment(_) => tally.segments += 1,
            Decoded::Datagram(_) => tally.datagrams += 1,
            Decoded::Icmp(_) => tally.icmp_errors += 1,
            Decoded::Other(reason) => tally.not_ours(reason, packet.link, packet.frame),
        }
        decoded
    }

    /// How many packets before the last one hold fragments of what it completed; nearly always none. They no longer
    /// count as fragments that wait.
    #[inline]
    pub fn take_joined(&mut self) -> u64 {
        let joined = self.fragments.take_joined();
        if joined > 0 {
            self.tally.fragments_joined(joined);
        }
        joined
    }

    /// What became of the packets so far.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// What a reader of the report should know of, in an order that does not change.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = self.tally.warnings();
        warnings.extend(self.fragments.warnings());
        warnings
    }
}

/// The two hosts and the TCP segment of most packets there are: in Ethernet or a cooked capture, perhaps with a VLAN
/// tag, and IP.
///
/// It does what the loop does, by the same functions, but in one straight line: what comes next is known without being
/// stored, and so are the bytes. That takes a fifth of the time.
#[inline]
fn plain(link: LinkType, bytes: Captured<'_>) -> Option<(Hosts, u16, Captured<'_>)> {
    let (ether_type, bytes) = link::plain(link, bytes)?;
    let (ether_type, bytes) = if ether_type == link::VLAN {
        tags::vlan_header(bytes).ok()?
    } else {
        (ether_type, bytes)
    };
    let network = match ether_type {
        link::IPV4 => network::ipv4(bytes).ok()?,
        link::IPV6 => network::ipv6(bytes).ok()?,
        _ => return None,
    };
    (network.protocol == TCP && network.fragment.is_none()).then_some((
        network.hosts,
        network.identification,
        network.payload,
    ))
}

/// Decodes any packet, layer by layer.
#[inline(never)]
fn layered<'a>(
    packet: &Packet<'a>,
    bytes: Captured<'a>,
    tally: &mut Tally,
    fragments: &mut Fragments,
    whole: &'a mut [Vec<u8>],
) -> Decoded<'a> {
    match unwrap(packet, bytes, tally, fragments, whole) {
        Ok(inner) if inner.protocol == TCP => transport::tcp(
            &packet.frame,
            inner.hosts,
            inner.identification,
            inner.bytes,
        ),
        Ok(inner) => connectionless(packet.frame, inner),
        Err(reason) => Decoded::Other(reason),
    }
}

/// Takes headers off until something is left that is ours, or certainly not.
#[inline]
fn unwrap<'a>(
    packet: &Packet<'a>,
    mut bytes: Captured<'a>,
    tally: &mut Tally,
    fragments: &mut Fragments,
    mut whole: &'a mut [Vec<u8>],
) -> Result<Innermost<'a>, NotOurs> {
    let frame = packet.frame;
    let mut next = link::first(packet.link).ok_or(NotOurs::LinkTypeUnsupported)?;
    let mut hosts = Hosts::default();
    let mut identification = 0;
    let mut packets = 0;
    for _ in 0..MAX_LAYERS {
        let (protocol, fragment) = match next {
            Next::Ip => {
                packets += 1;
                if packets > MAX_PACKETS {
                    break;
                }
                let network = network::ip(bytes)?;
                hosts = network.hosts;
                identification = network.identification;
                bytes = network.payload;
                (network.protocol, network.fragment)
            }
            Next::Protocol(network::FRAGMENT) => {
                let (protocol, fragment, payload) = network::fragment(bytes)?;
                bytes = payload;
                (protocol, fragment)
            }
            Next::Protocol(protocol) => (protocol, None),
            Next::Aggregate => {
                let (first, several) = wireless::aggregate(bytes)?;
                if several {
                    tally.aggregates.add(frame);
                }
                (next, bytes) = (Next::Llc, first);
                continue;
            }
            _ => {
                (next, bytes) = link_layer(next, bytes)?;
                continue;
            }
        };
        if let Some(fragment) = fragment {
            let Some((buffer, rest)) = std::mem::take(&mut whole).split_first_mut() else {
                break;
            };
            let (protocol, cut) = fragments.add(frame, hosts, protocol, fragment, bytes, buffer)?;
            whole = rest;
            bytes = Captured { data: buffer, cut };
            next = Next::Protocol(protocol);
            continue;
        }
        (next, bytes) = match protocol {
            UDP => match tunnels::over_udp(bytes) {
                Some(step) => step,
                None => {
                    return Ok(Innermost {
                        protocol,
                        hosts,
                        identification,
                        bytes,
                    });
                }
            },
            TCP | ICMP | ICMP_V6 => {
                return Ok(Innermost {
                    protocol,
                    hosts,
                    identification,
                    bytes,
                });
            }
            network::FRAGMENT => (Next::Protocol(protocol), bytes),
            _ => other_protocol(protocol, bytes)?,
        };
    }
    Err(NotOurs::DepthLimit)
}

/// UDP and ICMP.
fn connectionless(frame: FrameRef, inner: Innermost<'_>) -> Decoded<'_> {
    let Innermost {
        protocol,
        hosts,
        bytes,
        ..
    } = inner;
    let decoded = if protocol == UDP {
        transport::udp(frame, hosts, bytes).map(Decoded::Datagram)
    } else {
        icmp::error(frame, hosts, protocol == ICMP_V6, bytes).map(Decoded::Icmp)
    };
    decoded.unwrap_or_else(Decoded::Other)
}

/// The layers around IP.
#[inline]
fn link_layer(next: Next, bytes: Captured<'_>) -> Step<'_> {
    match next {
        Next::Ethernet => link::ethernet(bytes),
        Next::EtherType(value) => link::ether_type(value, bytes),
        Next::Vlan => tags::vlan(bytes),
        Next::Llc => link::llc(bytes),
        Next::Loopback => link::loopback(bytes),
        Next::Cooked => link::cooked(bytes),
        Next::Cooked2 => link::cooked2(bytes),
        Next::Mpls => tags::mpls(bytes),
        Next::PppoeSession => ppp::session(bytes),
        Next::Ppp => ppp::packet(bytes),
        Next::PppWithDirection => ppp::with_direction(bytes),
        Next::Hdlc => ppp::hdlc(bytes),
        Next::Radiotap => wireless::radiotap(bytes),
        Next::Wireless => wireless::frame(bytes, false),
        Next::WirelessPadded => wireless::frame(bytes, true),
        Next::Aggregate | Next::Ip | Next::Protocol(_) => Ok((next, bytes)),
    }
}

/// Protocols between IP and transport: extension headers and tunnels.
fn other_protocol(protocol: u8, bytes: Captured<'_>) -> Step<'_> {
    match protocol {
        IPV4 | IPV6 => Ok((Next::Ip, bytes)),
        GRE => tunnels::gre(bytes),
        ETHER_IP => tunnels::ether_ip(bytes),
        MPLS => Ok((Next::Mpls, bytes)),
        network::AUTHENTICATION => {
            let (next, payload) = network::authentication(bytes)?;
            Ok((Next::Protocol(next), payload))
        }
        _ if network::is_extension(protocol) => {
            let (next, payload) = network::extension(bytes)?;
            Ok((Next::Protocol(next), payload))
        }
        _ => Err(NotOurs::OtherProtocol),
    }
}

const ICMP: u8 = 1;
const IPV4: u8 = 4;
const TCP: u8 = 6;
const UDP: u8 = 17;
const IPV6: u8 = 41;
const GRE: u8 = 47;
const ICMP_V6: u8 = 58;
const ETHER_IP: u8 = 97;
const MPLS: u8 = 137;

/// IP headers of one packet, the outermost included: eight tunnels within each other.
const MAX_PACKETS: u32 = 9;

/// Headers taken off one packet, tags and extension headers included.
const MAX_LAYERS: usize = 64;

/// Datagrams put together from fragments that come out of each other.
const MAX_NESTED_DATAGRAMS: usize = 3;

#[cfg(test)]
mod tests;
