//! Names of the headers around a segment, for reports.

use super::decoded::SkipReason;
use super::wire_bytes::WireBytes;
use super::{
    ETHER_IP, GRE, L2TP, MAX_LAYERS, NextHeader, TCP, UDP, link, link_layer, network,
    other_protocol, tunnels, wireless,
};
use crate::capture::Packet;

/// Returns the names of a packet's headers from its link type to its transport protocol: `EN10MB`, `VLAN 5`, `IPv4`,
/// `TCP`.
///
/// Decodes the headers a second time, so it is meant for few packets. The list ends where the bytes end or make no
/// sense, and behind the header of a fragment, whose payload is not looked into.
#[must_use]
pub fn layer_names(packet: &Packet<'_>) -> Vec<String> {
    let mut names = vec![packet.link.to_string()];
    if let Some(first) = link::first_header(packet.link) {
        let bytes = WireBytes::new(packet.data, packet.wire_len);
        // The names found before an error are right.
        let _ = collect(first, bytes, &mut names);
    }
    names
}

fn collect(
    first: NextHeader,
    mut bytes: WireBytes<'_>,
    names: &mut Vec<String>,
) -> Result<(), SkipReason> {
    let mut next = first;
    for layer in 0..MAX_LAYERS {
        // The first header is named by the link type, except IP, whose version the link type may leave open.
        if layer > 0 {
            names.extend(name(next, bytes));
        }
        (next, bytes) = match next {
            NextHeader::Ip => {
                let packet = network::ip(bytes)?;
                if layer == 0 {
                    names.extend(name(next, bytes));
                }
                if packet.fragment.is_some() {
                    name_fragment(packet.protocol, names);
                    return Ok(());
                }
                (NextHeader::Protocol(packet.protocol), packet.payload)
            }
            NextHeader::Protocol(network::FRAGMENT) => {
                let (protocol, fragment, payload) = network::fragment(bytes)?;
                if fragment.is_some() {
                    name_fragment(protocol, names);
                    return Ok(());
                }
                (NextHeader::Protocol(protocol), payload)
            }
            NextHeader::Protocol(UDP) => match tunnels::over_udp(bytes) {
                Some(inner) => {
                    names.extend(tunnels::name(bytes).map(str::to_owned));
                    inner
                }
                None => return Ok(()),
            },
            NextHeader::Protocol(TCP) => return Ok(()),
            NextHeader::Protocol(protocol) => {
                let inner = other_protocol(protocol, bytes)?;
                if protocol == GRE && tunnels::is_erspan(bytes) {
                    names.push("ERSPAN".to_owned());
                }
                inner
            }
            NextHeader::Aggregate => (NextHeader::Llc, wireless::aggregate(bytes)?.0),
            _ => link_layer(next, bytes)?,
        };
    }
    Ok(())
}

/// Appends the names for a fragment of a datagram with `protocol`.
fn name_fragment(protocol: u8, names: &mut Vec<String>) {
    names.push("fragment".to_owned());
    let protocol = NextHeader::Protocol(protocol);
    names.extend(name(protocol, WireBytes::new(&[], 0)));
}

/// Returns the name of a header; `None` for one that is a part of another, such as IEEE 802.2.
fn name(next: NextHeader, bytes: WireBytes<'_>) -> Option<String> {
    let name = match next {
        NextHeader::Ethernet => "Ethernet",
        NextHeader::Vlan => {
            let &[high, low, ..] = bytes.data else {
                return None;
            };
            // The upper four bits are priority and drop eligibility.
            return Some(format!("VLAN {}", u16::from_be_bytes([high & 0x0f, low])));
        }
        NextHeader::Mpls => {
            let &[a, b, c, ..] = bytes.data else {
                return None;
            };
            // The label is the upper 20 bits.
            return Some(format!("MPLS {}", u32::from_be_bytes([0, a, b, c]) >> 4));
        }
        NextHeader::PppoeSession => "PPPoE",
        NextHeader::Ppp
        | NextHeader::PppWithDirection
        | NextHeader::Hdlc
        | NextHeader::HdlcWithDirection => "PPP",
        NextHeader::Ip => match bytes.data.first().map(|byte| byte >> 4) {
            Some(4) => "IPv4",
            Some(6) => "IPv6",
            _ => return None,
        },
        NextHeader::Protocol(TCP) => "TCP",
        NextHeader::Protocol(UDP) => "UDP",
        NextHeader::Protocol(GRE) => "GRE",
        NextHeader::Protocol(ETHER_IP) => "EtherIP",
        NextHeader::Protocol(L2TP) => "L2TP",
        NextHeader::EtherType(value) => link::tag_name(value)?,
        NextHeader::Protocol(network::AUTHENTICATION) => "AH",
        NextHeader::Llc
        | NextHeader::Loopback
        | NextHeader::Cooked
        | NextHeader::Cooked2
        | NextHeader::Radiotap
        | NextHeader::Wireless
        | NextHeader::WirelessPadded
        | NextHeader::Aggregate
        | NextHeader::Pflog
        | NextHeader::Nflog
        | NextHeader::Enc
        | NextHeader::Ppi
        | NextHeader::Pktap
        | NextHeader::Protocol(_) => return None,
    };
    Some(name.to_owned())
}
