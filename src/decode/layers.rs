//! The names of what is around a segment, for the report.

use super::captured::Captured;
use super::outcome::NotOurs;
use super::{
    ETHER_IP, GRE, MAX_LAYERS, Next, TCP, UDP, link, link_layer, network, other_protocol, tunnels,
    wireless,
};
use crate::capture::Packet;

/// What a packet is wrapped in, from its link type to its transport protocol: `EN10MB`, `VLAN 5`, `IPv4`, `TCP`.
///
/// It walks through the headers once more, so it is for few packets. Of a fragment, what the first one carries is not
/// looked into: the walk ends with the protocol that its header names. As many layers are named as are opened; where the
/// bytes end or make no sense, so does the list.
#[must_use]
pub fn layers(packet: &Packet<'_>) -> Vec<String> {
    let mut names = vec![packet.link.to_string()];
    if let Some(first) = link::first(packet.link) {
        let bytes = Captured::new(packet.data, packet.wire_len);
        // Whatever stops the walk, the names so far are right.
        let _ = walk(first, bytes, &mut names);
    }
    names
}

fn walk(first: Next, mut bytes: Captured<'_>, names: &mut Vec<String>) -> Result<(), NotOurs> {
    let mut next = first;
    for layer in 0..MAX_LAYERS {
        if layer > 0 {
            names.extend(name(next, bytes));
        }
        (next, bytes) = match next {
            Next::Ip => {
                let network = network::ip(bytes)?;
                if layer == 0 {
                    names.extend(name(next, bytes));
                }
                if network.fragment.is_some() {
                    fragment(network.protocol, names);
                    return Ok(());
                }
                (Next::Protocol(network.protocol), network.payload)
            }
            Next::Protocol(network::FRAGMENT) => {
                let (protocol, fragment, payload) = network::fragment(bytes)?;
                if fragment.is_some() {
                    self::fragment(protocol, names);
                    return Ok(());
                }
                (Next::Protocol(protocol), payload)
            }
            Next::Protocol(UDP) => match tunnels::over_udp(bytes) {
                Some(step) => {
                    names.extend(tunnels::name(bytes).map(str::to_owned));
                    step
                }
                None => return Ok(()),
            },
            Next::Protocol(TCP) => return Ok(()),
            Next::Protocol(protocol) => {
                let step = other_protocol(protocol, bytes)?;
                if protocol == GRE && tunnels::is_erspan(bytes) {
                    names.push("ERSPAN".to_owned());
                }
                step
            }
            Next::Aggregate => (Next::Llc, wireless::aggregate(bytes)?.0),
            _ => link_layer(next, bytes)?,
        };
    }
    Ok(())
}

/// Of a fragment only its own header can be read.
fn fragment(protocol: u8, names: &mut Vec<String>) {
    names.push("fragment".to_owned());
    let protocol = Next::Protocol(protocol);
    names.extend(name(protocol, Captured::new(&[], 0)));
}

/// What a layer is called; `None` for one that is part of another, such as IEEE 802.2.
fn name(next: Next, bytes: Captured<'_>) -> Option<String> {
    let name = match next {
        Next::Ethernet => "Ethernet",
        Next::Vlan => {
            let &[high, low, ..] = bytes.data else {
                return None;
            };
            return Some(format!("VLAN {}", u16::from_be_bytes([high & 0x0f, low])));
        }
        Next::Mpls => {
            let &[a, b, c, ..] = bytes.data else {
                return None;
            };
            return Some(format!("MPLS {}", u32::from_be_bytes([0, a, b, c]) >> 4));
        }
        Next::PppoeSession => "PPPoE",
        Next::Ppp | Next::PppWithDirection | Next::Hdlc => "PPP",
        Next::Ip => match bytes.data.first().map(|byte| byte >> 4) {
            Some(4) => "IPv4",
            Some(6) => "IPv6",
            _ => return None,
        },
        Next::Protocol(TCP) => "TCP",
        Next::Protocol(UDP) => "UDP",
        Next::Protocol(GRE) => "GRE",
        Next::Protocol(ETHER_IP) => "EtherIP",
        Next::Protocol(network::AUTHENTICATION) => "AH",
        Next::EtherType(_)
        | Next::Llc
        | Next::Loopback
        | Next::Cooked
        | Next::Cooked2
        | Next::Radiotap
        | Next::Wireless
        | Next::WirelessPadded
        | Next::Aggregate
        | Next::Protocol(_) => return None,
    };
    Some(name.to_owned())
}
