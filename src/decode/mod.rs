//! Packets become TCP segments, UDP datagrams and ICMP errors.
//!
//! In: one [`Packet`]. Out: one [`Decoded`] that borrows its payload. Each header has a function that takes it off
//! the front of the bytes and returns the kind of the next one. [`Decoder`] calls them in a loop until a segment, a
//! datagram or an ICMP error is left.
//!
//! ```text
//!                                +------------ tunnels (GRE, VXLAN, ...) <------------+
//!                                v                                                    |
//! Packet -> link, wireless -> VLAN, MPLS, PPP -> network (IP) <-> fragments -> transport -> Decoded
//! ```
//!
//! # Guarantees
//!
//! - Every packet is counted exactly once in the [`Tally`]: as a segment, a datagram, an ICMP error, or by the
//!   [`SkipReason`] for which it is none of them.
//! - Bytes that the snap length cut are counted by the innermost length known (`cut`), so that sequence numbers
//!   stay right and Ethernet padding is not taken for loss.
//! - Hostile packets cost bounded time (64 headers, 9 IP headers) and bounded memory (fragments, see [`Limits`]).
//! - Checksums are not verified: with checksum offload, every packet of a capture on the sending host has wrong ones.
//!
//! # etherparse
//!
//! Headers are read through etherparse's slices of single headers, where it has one that accepts what captures
//! contain. Its slices of whole packets reject packets that were cut or offloaded, do not enter tunnels, and take
//! longer than the whole rest of the decoder. The most frequent packets by far, TCP over IP over Ethernet, skip the
//! loop (`fast_path`).

use crate::capture::{LinkType, Packet};
use crate::model::{FrameRef, Limits, Warning};

mod decoded;
mod fragments;
mod layers;
mod link;
mod network;
mod places;
mod tally;
mod transport;
mod tunnels;
mod wire_bytes;
mod wireless;

pub use decoded::{
    Datagram, Decoded, Encapsulation, IcmpError, Layer, Segment, SkipReason, TcpFlags, fold,
    ones_complement_sum,
};
pub use layers::layer_names;
pub use places::{
    HeaderKind, PlacedHeader, place_headers, place_headers_of_datagram, place_headers_of_quote,
};
pub use tally::{Occurrences, Tally};

use fragments::Defragmenter;
use network::IpHeader;
use wire_bytes::WireBytes;

/// Decoder of one timeline of packets, with its statistics.
#[derive(Debug)]
pub struct Decoder {
    tally: Tally,
    defragmenter: Defragmenter,
    /// Buffers of datagrams joined from fragments: the outermost, and those nested in it.
    datagrams: [Vec<u8>; MAX_NESTED_DATAGRAMS],
}

/// Kind of the header that the remaining bytes begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NextHeader {
    Ethernet,
    /// The header that an ether type announces.
    EtherType(u16),
    /// IEEE 802.2.
    Llc,
    /// Address family of a BSD loopback.
    Loopback,
    /// Linux cooked capture.
    Cooked,
    /// Linux cooked capture, version 2.
    Cooked2,
    /// VLAN tag without its ether type.
    Vlan,
    /// MPLS label stack.
    Mpls,
    PppoeSession,
    Ppp,
    /// PPP preceded by a direction byte.
    PppWithDirection,
    /// HDLC: PPP's or Cisco's.
    Hdlc,
    /// HDLC preceded by a direction byte.
    HdlcWithDirection,
    /// Header of the log of pf.
    Pflog,
    /// Attributes of the log of netfilter.
    Nflog,
    /// Header of the interface that shows decrypted `IPsec`.
    Enc,
    /// Per-packet information in front of a packet of another link type.
    Ppi,
    /// The same of macOS.
    Pktap,
    Radiotap,
    /// IEEE 802.11 frame.
    Wireless,
    /// IEEE 802.11 frame whose header is padded to a multiple of four.
    WirelessPadded,
    /// Several packets in one IEEE 802.11 frame (A-MSDU).
    Aggregate,
    /// IP of either version.
    Ip,
    /// The header that a protocol number of IP announces.
    Protocol(u8),
}

/// Payload of the innermost IP packet.
#[derive(Clone, Copy, Debug)]
struct IpPayload<'a> {
    protocol: u8,
    header: IpHeader,
    bytes: WireBytes<'a>,
}

/// Result of taking one header off: the kind of the next one, and the bytes from there.
type LayerResult<'a> = Result<(NextHeader, WireBytes<'a>), SkipReason>;

impl Decoder {
    /// Creates a decoder. Of `limits`, those on fragments apply.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            tally: Tally::default(),
            defragmenter: Defragmenter::new(limits),
            datagrams: Default::default(),
        }
    }

    /// Decodes one packet. The result borrows from the packet or, for a datagram joined from fragments, from the
    /// decoder.
    #[inline]
    pub fn decode<'a>(&'a mut self, packet: &Packet<'a>) -> Decoded<'a> {
        let bytes = WireBytes::new(packet.data, packet.wire_len);
        let Self {
            tally,
            defragmenter,
            datagrams,
        } = self;
        tally.packets += 1;
        if bytes.cut > 0 {
            tally.cut.add(packet.frame);
        }
        let decoded = match fast_path(packet.link, bytes) {
            Some((header, bytes)) => transport::tcp(packet, header, bytes),
            None => general_path(packet, bytes, tally, defragmenter, datagrams),
        };
        match decoded {
            Decoded::Segment(_) => tally.segments += 1,
            Decoded::Datagram(datagram) => {
                tally.datagrams += 1;
                let (source, destination) = (datagram.source.port, datagram.destination.port);
                if let Some(port) = tunnels::unread_port(source, destination) {
                    tally.add_unread_tunnel(port, packet.frame);
                }
            }
            Decoded::Icmp(_) => tally.icmp_errors += 1,
            Decoded::Skipped(reason) => tally.add_skipped(reason, packet.link, packet.frame),
        }
        decoded
    }

    /// Returns how many earlier packets hold fragments of the datagram that the last packet completed; nearly always 0.
    /// They no longer count as held fragments.
    #[inline]
    pub fn take_joined_fragments(&mut self) -> u64 {
        let joined = self.defragmenter.take_joined();
        if joined > 0 {
            self.tally.join_fragments(joined);
        }
        joined
    }

    /// Returns the numbers of the packets that [`Self::take_joined_fragments`] counted since the last call.
    pub fn take_joined_frames(&mut self) -> Vec<u64> {
        self.defragmenter.take_joined_frames()
    }

    /// Returns the statistics of all packets so far.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Returns warnings for the report, in a fixed order.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = self.tally.warnings();
        warnings.extend(self.defragmenter.warnings());
        warnings
    }
}

/// Decodes the headers up to TCP of a packet of a common link type, perhaps with one VLAN tag, over unfragmented
/// IP. Returns fields of the IP header and TCP bytes, `None` for all other packets.
#[inline]
fn fast_path(link: LinkType, bytes: WireBytes<'_>) -> Option<(IpHeader, WireBytes<'_>)> {
    // The same functions as in the loop of `strip_headers`, but in a straight line, so that neither the next header nor
    // the bytes pass through memory. This takes a fifth of the loop's time.
    let (ether_type, bytes) = link::common_header(link, bytes)?;
    let (ether_type, bytes) = if ether_type == link::VLAN {
        link::vlan_header(bytes).ok()?
    } else {
        (ether_type, bytes)
    };
    let packet = match ether_type {
        link::IPV4 => network::ipv4(bytes).ok()?,
        link::IPV6 => network::ipv6(bytes).ok()?,
        _ => return None,
    };
    (packet.protocol == TCP && packet.fragment.is_none()).then_some((packet.header, packet.payload))
}

/// Decodes any packet, header by header.
#[inline(never)]
fn general_path<'a>(
    packet: &Packet<'a>,
    bytes: WireBytes<'a>,
    tally: &mut Tally,
    defragmenter: &mut Defragmenter,
    datagrams: &'a mut [Vec<u8>],
) -> Decoded<'a> {
    match strip_headers(packet, bytes, tally, defragmenter, datagrams) {
        Ok(payload) if payload.protocol == TCP => {
            transport::tcp(packet, payload.header, payload.bytes)
        }
        Ok(payload) => connectionless(packet.frame, payload),
        Err(reason) => Decoded::Skipped(reason),
    }
}

/// Takes headers off until TCP, UDP or ICMP is left, or a reason to skip the packet is found.
#[inline]
fn strip_headers<'a>(
    packet: &Packet<'a>,
    mut bytes: WireBytes<'a>,
    tally: &mut Tally,
    defragmenter: &mut Defragmenter,
    mut datagrams: &'a mut [Vec<u8>],
) -> Result<IpPayload<'a>, SkipReason> {
    let frame = packet.frame;
    let mut next = link::first_header(packet.link).ok_or(SkipReason::LinkTypeUnsupported)?;
    let mut header = IpHeader::default();
    let mut ip_headers = 0;
    for _ in 0..MAX_LAYERS {
        let (protocol, fragment) = match next {
            NextHeader::Ip => {
                ip_headers += 1;
                if ip_headers > MAX_IP_HEADERS {
                    break;
                }
                let ip = network::ip(bytes)?;
                header = ip.header;
                bytes = ip.payload;
                (ip.protocol, ip.fragment)
            }
            NextHeader::Protocol(network::FRAGMENT) => {
                let (protocol, fragment, payload) = network::fragment(bytes)?;
                bytes = payload;
                (protocol, fragment)
            }
            NextHeader::Protocol(protocol) => (protocol, None),
            NextHeader::Aggregate => {
                // Only the first packet is decoded: the caller receives one result per packet.
                let (first, several) = wireless::aggregate(bytes)?;
                if several {
                    tally.aggregates.add(frame);
                }
                (next, bytes) = (NextHeader::Llc, first);
                continue;
            }
            _ => {
                (next, bytes) = link_layer(next, bytes)?;
                continue;
            }
        };
        if let Some(fragment) = fragment {
            // A completed datagram may itself contain fragments of another one: each level needs a buffer of its own,
            // since the inner bytes borrow from the outer ones.
            let Some((buffer, rest)) = std::mem::take(&mut datagrams).split_first_mut() else {
                break;
            };
            let fragment_len = bytes.wire_len();
            let (protocol, cut) =
                defragmenter.add(frame, header.addresses, protocol, fragment, bytes, buffer)?;
            datagrams = rest;
            bytes = WireBytes { data: buffer, cut };
            // As if the packet had come whole: the headers of the other fragments do not count.
            header.length = header.length.saturating_sub(fragment_len) + bytes.wire_len();
            next = NextHeader::Protocol(protocol);
            continue;
        }
        (next, bytes) = match protocol {
            UDP => match tunnels::over_udp(bytes) {
                Some(inner) => inner,
                None => {
                    return Ok(IpPayload {
                        protocol,
                        header,
                        bytes,
                    });
                }
            },
            TCP | ICMP | ICMP_V6 => {
                return Ok(IpPayload {
                    protocol,
                    header,
                    bytes,
                });
            }
            network::FRAGMENT => (NextHeader::Protocol(protocol), bytes),
            _ => other_protocol(protocol, bytes)?,
        };
    }
    Err(SkipReason::DepthLimit)
}

/// Decodes UDP or ICMP.
fn connectionless(frame: FrameRef, payload: IpPayload<'_>) -> Decoded<'_> {
    let IpPayload {
        protocol,
        header,
        bytes,
    } = payload;
    let addresses = header.addresses;
    let decoded = if protocol == UDP {
        transport::udp(frame, addresses, bytes).map(Decoded::Datagram)
    } else {
        transport::icmp_error(frame, addresses, protocol == ICMP_V6, bytes).map(Decoded::Icmp)
    };
    decoded.unwrap_or_else(Decoded::Skipped)
}

/// Takes one header in front of IP off.
#[inline]
fn link_layer(next: NextHeader, bytes: WireBytes<'_>) -> LayerResult<'_> {
    match next {
        NextHeader::Ethernet => link::ethernet(bytes),
        NextHeader::EtherType(value) => link::ether_type(value, bytes),
        NextHeader::Vlan => link::vlan(bytes),
        NextHeader::Llc => link::llc(bytes),
        NextHeader::Loopback => link::loopback(bytes),
        NextHeader::Cooked => link::cooked(bytes),
        NextHeader::Cooked2 => link::cooked2(bytes),
        NextHeader::Mpls => link::mpls(bytes),
        NextHeader::PppoeSession => link::pppoe(bytes),
        NextHeader::Ppp => link::ppp(bytes),
        NextHeader::PppWithDirection => link::ppp_with_direction(bytes),
        NextHeader::Hdlc => link::hdlc(bytes),
        NextHeader::HdlcWithDirection => link::hdlc_with_direction(bytes),
        NextHeader::Pflog => link::pflog(bytes),
        NextHeader::Nflog => link::nflog(bytes),
        NextHeader::Enc => link::enc(bytes),
        NextHeader::Ppi => link::ppi(bytes),
        NextHeader::Pktap => link::pktap(bytes),
        NextHeader::Radiotap => wireless::radiotap(bytes),
        NextHeader::Wireless => wireless::frame(bytes, false),
        NextHeader::WirelessPadded => wireless::frame(bytes, true),
        NextHeader::Aggregate | NextHeader::Ip | NextHeader::Protocol(_) => Ok((next, bytes)),
    }
}

/// Takes one header between IP and transport off: an extension header or a tunnel's.
fn other_protocol(protocol: u8, bytes: WireBytes<'_>) -> LayerResult<'_> {
    match protocol {
        IPV4 | IPV6 => Ok((NextHeader::Ip, bytes)),
        GRE => tunnels::gre(bytes),
        ETHER_IP => tunnels::ether_ip(bytes),
        MPLS => Ok((NextHeader::Mpls, bytes)),
        L2TP => tunnels::l2tp_over_ip(bytes),
        network::AUTHENTICATION => {
            let (next, payload) = network::authentication(bytes)?;
            Ok((NextHeader::Protocol(next), payload))
        }
        _ if network::is_extension(protocol) => {
            let (next, payload) = network::extension(bytes)?;
            Ok((NextHeader::Protocol(next), payload))
        }
        // Routing and multicast protocols, which carry no packets of others: IGMP, EGP, IGRP, UDP's older rivals, RSVP,
        // EIGRP, OSPF, PIM, VRRP and CARP, SCTP, pfsync.
        2 | 8 | 9 | 33 | 46 | 59 | 88 | 89 | 103 | 112 | 132 | 136 | 240 => {
            Err(SkipReason::OtherProtocol)
        }
        _ => Err(SkipReason::Unread(Encapsulation::Protocol(protocol))),
    }
}

// Protocol numbers of IP.
const ICMP: u8 = 1;
const IPV4: u8 = 4;
const TCP: u8 = 6;
const UDP: u8 = 17;
const IPV6: u8 = 41;
const GRE: u8 = 47;
const ICMP_V6: u8 = 58;
const ETHER_IP: u8 = 97;
const L2TP: u8 = 115;
const MPLS: u8 = 137;

/// IP headers decoded in one packet: eight tunnels in one another.
const MAX_IP_HEADERS: u32 = 9;

/// Headers decoded in one packet, tags and extension headers included.
const MAX_LAYERS: usize = 64;

/// Datagrams joined from fragments that may be nested in one another.
const MAX_NESTED_DATAGRAMS: usize = 3;

#[cfg(test)]
mod tests;
