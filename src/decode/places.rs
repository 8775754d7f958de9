//! Places of headers in a packet, for those who change packets.
//!
//! Packets are read by [`Decoder`](super::Decoder), which returns what is in them but not where it stood. This is the same walk
//! for few packets: it joins no fragments, and stops where the bytes end or make no sense. The places found before are right.

use super::decoded::SkipReason;
use super::wire_bytes::WireBytes;
use super::{
    GRE, ICMP, ICMP_V6, MAX_LAYERS, NextHeader, TCP, UDP, link, link_layer, network,
    other_protocol, transport, tunnels, wireless,
};
use crate::capture::Packet;

/// A header that holds addresses or a checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlacedHeader {
    /// Kind of the header.
    pub kind: HeaderKind,
    /// Offset of its first byte.
    pub at: usize,
    /// Offset behind its payload, as far as that was captured.
    pub end: usize,
    /// Bytes of its payload that were on the wire but not captured.
    pub cut: u32,
}

/// Kind of a placed header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderKind {
    /// Ethernet, with two addresses.
    Ethernet,
    /// IEEE 802.11, with three or four addresses.
    Wireless,
    /// Linux cooked capture, with the address of the sender.
    Cooked,
    /// Linux cooked capture, version 2.
    Cooked2,
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
    /// GRE, which may have a checksum.
    Gre,
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// ICMP.
    Icmp,
    /// ICMP for IPv6.
    IcmpV6,
    /// Bytes of an IP fragment; always the last one.
    Fragment {
        /// Offset of the bytes in the datagram.
        offset: u32,
        /// Protocol of the datagram; for IPv6 right only in the fragment with offset 0.
        protocol: u8,
    },
}

/// Appends the headers of a packet to `out`, outermost first.
pub fn place_headers(packet: &Packet<'_>, out: &mut Vec<PlacedHeader>) {
    if let Some(first) = link::first_header(packet.link) {
        let bytes = WireBytes::new(packet.data, packet.wire_len);
        // An error only ends the walk.
        let _ = walk(first, bytes, packet.data, out);
    }
}

/// Appends the headers of a whole datagram of `protocol` to `out`.
pub fn place_headers_of_datagram(protocol: u8, data: &[u8], out: &mut Vec<PlacedHeader>) {
    let bytes = WireBytes { data, cut: 0 };
    let _ = walk(NextHeader::Protocol(protocol), bytes, data, out);
}

/// Appends the headers of the beginning of an IP packet, as an ICMP error quotes it, to `out`.
pub fn place_headers_of_quote(data: &[u8], out: &mut Vec<PlacedHeader>) {
    let bytes = WireBytes { data, cut: 0 };
    let _ = walk(NextHeader::Ip, bytes, data, out);
}

fn walk<'a>(
    first: NextHeader,
    mut bytes: WireBytes<'a>,
    whole: &'a [u8],
    out: &mut Vec<PlacedHeader>,
) -> Result<(), SkipReason> {
    // All bytes are slices of `whole`.
    let offset = |data: &[u8]| data.as_ptr().addr() - whole.as_ptr().addr();
    let mut place = |kind, from: WireBytes<'_>, to: WireBytes<'_>| {
        out.push(PlacedHeader {
            kind,
            at: offset(from.data),
            end: offset(to.data) + to.data.len(),
            cut: to.cut,
        });
    };
    let mut next = first;
    for _ in 0..MAX_LAYERS {
        (next, bytes) = match next {
            NextHeader::Ip => {
                let packet = network::ip(bytes)?;
                let is_v4 = bytes.data.first().is_some_and(|byte| byte >> 4 == 4);
                let kind = if is_v4 {
                    HeaderKind::Ipv4
                } else {
                    HeaderKind::Ipv6
                };
                place(kind, bytes, packet.payload);
                if let Some(fragment) = packet.fragment {
                    let kind = HeaderKind::Fragment {
                        offset: fragment.offset,
                        protocol: packet.protocol,
                    };
                    place(kind, packet.payload, packet.payload);
                    return Ok(());
                }
                (NextHeader::Protocol(packet.protocol), packet.payload)
            }
            NextHeader::Protocol(network::FRAGMENT) => {
                let (protocol, fragment, payload) = network::fragment(bytes)?;
                if let Some(fragment) = fragment {
                    let kind = HeaderKind::Fragment {
                        offset: fragment.offset,
                        protocol,
                    };
                    place(kind, payload, payload);
                    return Ok(());
                }
                (NextHeader::Protocol(protocol), payload)
            }
            NextHeader::Protocol(UDP) => {
                let payload = transport::udp_payload(bytes)?;
                place(HeaderKind::Udp, bytes, payload);
                match tunnels::over_udp(bytes) {
                    Some(inner) => inner,
                    None => return Ok(()),
                }
            }
            NextHeader::Protocol(TCP) => {
                place(HeaderKind::Tcp, bytes, bytes);
                return Ok(());
            }
            NextHeader::Protocol(ICMP) => {
                place(HeaderKind::Icmp, bytes, bytes);
                return Ok(());
            }
            NextHeader::Protocol(ICMP_V6) => {
                place(HeaderKind::IcmpV6, bytes, bytes);
                return Ok(());
            }
            NextHeader::Protocol(protocol) => {
                if protocol == GRE {
                    place(HeaderKind::Gre, bytes, bytes);
                }
                other_protocol(protocol, bytes)?
            }
            NextHeader::Aggregate => {
                // Each subframe begins with two addresses, as Ethernet does.
                place(HeaderKind::Ethernet, bytes, bytes);
                (NextHeader::Llc, wireless::aggregate(bytes)?.0)
            }
            _ => {
                let kind = match next {
                    NextHeader::Ethernet => Some(HeaderKind::Ethernet),
                    NextHeader::Wireless | NextHeader::WirelessPadded => Some(HeaderKind::Wireless),
                    NextHeader::Cooked => Some(HeaderKind::Cooked),
                    NextHeader::Cooked2 => Some(HeaderKind::Cooked2),
                    _ => None,
                };
                if let Some(kind) = kind {
                    place(kind, bytes, bytes);
                }
                link_layer(next, bytes)?
            }
        };
    }
    Ok(())
}
