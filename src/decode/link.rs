//! Link layer: the header that a packet begins with, and what lies between it and IP.
//!
//! ```text
//! Ethernet, 802.2 ──┐
//! Linux cooked ─────┼──> ether type ──> VLAN*, MPLS*, PPPoE ──> PPP ──> IP
//! BSD loopback, PPP, HDLC, raw IP ────────────────────────────────────> IP
//! ```
//!
//! The headers of Linux cooked captures are parsed here rather than by etherparse, which rejects most hardware types
//! (such as a tunnel's) and does not know version 2.

use etherparse::{Ethernet2HeaderSlice, SingleVlanHeaderSlice, ether_type};

use super::decoded::{Layer, SkipReason};
use super::wire_bytes::WireBytes;
use super::{LayerResult, NextHeader};
use crate::capture::LinkType;

/// Returns the first header of packets of a link type; `None` for an unsupported one.
#[inline]
pub(super) fn first_header(link: LinkType) -> Option<NextHeader> {
    Some(match link {
        LinkType::ETHERNET => NextHeader::Ethernet,
        LinkType::NULL | LinkType::LOOP => NextHeader::Loopback,
        LinkType::RAW
        | LinkType::RAW_BSD
        | LinkType::RAW_OPENBSD
        | LinkType::IPV4
        | LinkType::IPV6 => NextHeader::Ip,
        LinkType::PPP => NextHeader::Ppp,
        LinkType::PPP_HDLC | LinkType::C_HDLC => NextHeader::Hdlc,
        LinkType::PPP_ETHER => NextHeader::PppoeSession,
        LinkType::MPLS => NextHeader::Mpls,
        LinkType::PPP_WITH_DIR => NextHeader::PppWithDirection,
        LinkType::IEEE802_11 => NextHeader::Wireless,
        LinkType::IEEE802_11_RADIOTAP => NextHeader::Radiotap,
        LinkType::LINUX_SLL => NextHeader::Cooked,
        LinkType::LINUX_SLL2 => NextHeader::Cooked2,
        _ => return None,
    })
}

/// Takes the header of a common link type off and returns the ether type. `None` for all other link types and for
/// incomplete headers.
#[inline]
pub(super) fn common_header(link: LinkType, bytes: WireBytes<'_>) -> Option<(u16, WireBytes<'_>)> {
    match link {
        LinkType::ETHERNET => ethernet_header(bytes).ok(),
        // The hardware type can be ignored here: whatever it is, the ether types of IP mean IP.
        LinkType::LINUX_SLL => {
            let (_, protocol, payload) = cooked_header(bytes).ok()?;
            Some((protocol, payload))
        }
        LinkType::LINUX_SLL2 => {
            let (_, protocol, payload) = cooked2_header(bytes).ok()?;
            Some((protocol, payload))
        }
        _ => None,
    }
}

/// Decodes an Ethernet header, version 2 or IEEE 802.3.
pub(super) fn ethernet(bytes: WireBytes<'_>) -> LayerResult<'_> {
    let (ether_type, payload) = ethernet_header(bytes)?;
    Ok((NextHeader::EtherType(ether_type), payload))
}

#[inline]
fn ethernet_header(bytes: WireBytes<'_>) -> Result<(u16, WireBytes<'_>), SkipReason> {
    let Ok(header) = Ethernet2HeaderSlice::from_slice(bytes.data) else {
        return Err(bytes.incomplete(Layer::Link));
    };
    let payload = bytes.skip(header.slice().len(), Layer::Link)?;
    Ok((header.ether_type().0, payload))
}

/// Returns the header that an ether type announces.
#[inline]
pub(super) fn ether_type(value: u16, bytes: WireBytes<'_>) -> LayerResult<'_> {
    Ok(match value {
        IPV4 | IPV6 => (NextHeader::Ip, bytes),
        VLAN | PROVIDER_BRIDGING | VLAN_9100 | VLAN_9200 | VLAN_9300 => (NextHeader::Vlan, bytes),
        MPLS_UNICAST | MPLS_MULTICAST => (NextHeader::Mpls, bytes),
        PPPOE_SESSION => (NextHeader::PppoeSession, bytes),
        PPP => (NextHeader::Ppp, bytes),
        TRANSPARENT_ETHERNET => (NextHeader::Ethernet, bytes),
        // Below 0x600 the field is the length of an IEEE 802.2 packet (IEEE 802.3 section 3.2.6).
        0..0x600 => (NextHeader::Llc, bytes.at_most(u32::from(value))),
        JUMBO_LLC => (NextHeader::Llc, bytes),
        _ => return Err(SkipReason::NotIp),
    })
}

/// Returns true for ether types of headers between Ethernet and IP.
pub(super) fn is_tag(value: u16) -> bool {
    matches!(
        value,
        VLAN | PROVIDER_BRIDGING | MPLS_UNICAST | MPLS_MULTICAST | PPPOE_SESSION
    )
}

/// Decodes an IEEE 802.2 header, with SNAP (RFC 1042) or the service access point of IP.
pub(super) fn llc(bytes: WireBytes<'_>) -> LayerResult<'_> {
    let (&[destination, source, control], payload) = bytes.split_header(Layer::Link)?;
    match (destination, source, control) {
        (0xaa, 0xaa, 3) => {
            let (&[a, b, c, high, low], payload) = payload.split_header(Layer::Link)?;
            match [a, b, c] {
                // Encapsulated Ethernet (RFC 1042), and bridged Ethernet (IEEE 802.1H).
                [0, 0, 0 | 0xf8] => {
                    let ether_type = u16::from_be_bytes([high, low]);
                    Ok((NextHeader::EtherType(ether_type), payload))
                }
                _ => Err(SkipReason::NotIp),
            }
        }
        (6, 6, 3) => Ok((NextHeader::Ip, payload)),
        _ => Err(SkipReason::NotIp),
    }
}

/// Decodes the address family in front of a packet of a BSD loopback interface.
pub(super) fn loopback(bytes: WireBytes<'_>) -> LayerResult<'_> {
    let (family, payload) = bytes.split_header(Layer::Link)?;
    // NULL has the byte order of the capturing machine, which the capture does not state, LOOP that of the network.
    // Families are small numbers, so the smaller reading is the right one.
    let family = u32::from_be_bytes(*family).min(u32::from_le_bytes(*family));
    match family {
        // IPv4 is 2 everywhere. IPv6 is 10 on Linux, 23 on Windows, 24 on NetBSD and OpenBSD, 28 on FreeBSD, 30 on
        // macOS.
        2 | 10 | 23 | 24 | 28 | 30 => Ok((NextHeader::Ip, payload)),
        _ => Err(SkipReason::NotIp),
    }
}

/// Decodes the header of a Linux cooked capture (`LINKTYPE_LINUX_SLL`).
pub(super) fn cooked(bytes: WireBytes<'_>) -> LayerResult<'_> {
    let (hardware, protocol, payload) = cooked_header(bytes)?;
    cooked_protocol(hardware, protocol, payload)
}

/// Decodes the header of a Linux cooked capture, version 2 (`LINKTYPE_LINUX_SLL2`).
pub(super) fn cooked2(bytes: WireBytes<'_>) -> LayerResult<'_> {
    let (hardware, protocol, payload) = cooked2_header(bytes)?;
    cooked_protocol(hardware, protocol, payload)
}

/// Takes packet type, hardware type, address and protocol off; returns hardware type and protocol.
#[inline]
fn cooked_header(bytes: WireBytes<'_>) -> Result<(u16, u16, WireBytes<'_>), SkipReason> {
    let (header, payload) = bytes.split_header::<16>(Layer::Link)?;
    let hardware = u16::from_be_bytes([header[2], header[3]]);
    let protocol = u16::from_be_bytes([header[14], header[15]]);
    Ok((hardware, protocol, payload))
}

/// Takes protocol, interface, hardware type, packet type and address off; returns hardware type and protocol.
#[inline]
fn cooked2_header(bytes: WireBytes<'_>) -> Result<(u16, u16, WireBytes<'_>), SkipReason> {
    let (header, payload) = bytes.split_header::<20>(Layer::Link)?;
    let protocol = u16::from_be_bytes([header[0], header[1]]);
    let hardware = u16::from_be_bytes([header[8], header[9]]);
    Ok((hardware, protocol, payload))
}

fn cooked_protocol(hardware: u16, protocol: u16, payload: WireBytes<'_>) -> LayerResult<'_> {
    match (hardware, protocol) {
        // On netlink devices the field is a netlink family, not an ether type.
        (ARPHRD_NETLINK, _) => Err(SkipReason::NotIp),
        (_, ETH_P_802_2) => Ok((NextHeader::Llc, payload)),
        // Linux's own numbers (ETH_P_802_3 to ETH_P_MAP), not lengths as in Ethernet.
        (_, 0..0x600) => Err(SkipReason::NotIp),
        _ => Ok((NextHeader::EtherType(protocol), payload)),
    }
}

/// Decodes one VLAN tag (IEEE 802.1Q). Stacked tags follow one by one.
pub(super) fn vlan(bytes: WireBytes<'_>) -> LayerResult<'_> {
    let (ether_type, payload) = vlan_header(bytes)?;
    Ok((NextHeader::EtherType(ether_type), payload))
}

/// Takes a VLAN tag off and returns the ether type behind it.
#[inline]
pub(super) fn vlan_header(bytes: WireBytes<'_>) -> Result<(u16, WireBytes<'_>), SkipReason> {
    let Ok(header) = SingleVlanHeaderSlice::from_slice(bytes.data) else {
        return Err(bytes.incomplete(Layer::Link));
    };
    let payload = bytes.skip(header.slice().len(), Layer::Link)?;
    Ok((header.ether_type().0, payload))
}

/// Decodes one entry of an MPLS label stack (RFC 3032 section 2.1).
pub(super) fn mpls(bytes: WireBytes<'_>) -> LayerResult<'_> {
    let (&[_, _, label, _], payload) = bytes.split_header(Layer::Link)?;
    if label & 1 == 0 {
        return Ok((NextHeader::Mpls, payload));
    }
    // The routers agree on the payload of the last label and do not state it. RFC 4928 section 3 and RFC 4385
    // reserve the first four bits, so that IP, a pseudowire's control word and plain Ethernet can be distinguished
    // by them.
    match payload.data.first().map(|byte| byte >> 4) {
        Some(4 | 6) => Ok((NextHeader::Ip, payload)),
        Some(0) => Ok((NextHeader::Ethernet, payload.skip(4, Layer::Link)?)),
        // The associated channel of a pseudowire, for its own management.
        Some(1) => Err(SkipReason::NotIp),
        Some(_) => Ok((NextHeader::Ethernet, payload)),
        None => Err(payload.incomplete(Layer::Link)),
    }
}

/// Decodes a PPP packet (RFC 1661 section 2), with or without address and control bytes (RFC 1662 section 3.1).
pub(super) fn ppp(bytes: WireBytes<'_>) -> LayerResult<'_> {
    let bytes = match bytes.data {
        [0xff, 0x03, ..] => bytes.skip(2, Layer::Link)?,
        _ => bytes,
    };
    let (&[first], compressed) = bytes.split_header(Layer::Link)?;
    // Protocol field compression (RFC 1661 section 6.5): the last byte of the field is odd, all others are even.
    let (protocol, payload) = if first & 1 == 1 {
        (u16::from(first), compressed)
    } else {
        let (&protocol, payload) = bytes.split_header(Layer::Link)?;
        (u16::from_be_bytes(protocol), payload)
    };
    match protocol {
        PPP_IPV4 | PPP_IPV6 => Ok((NextHeader::Ip, payload)),
        PPP_MPLS_UNICAST | PPP_MPLS_MULTICAST => Ok((NextHeader::Mpls, payload)),
        _ => Err(SkipReason::NotIp),
    }
}

/// Decodes a `PPPoE` header (RFC 2516 section 4).
pub(super) fn pppoe(bytes: WireBytes<'_>) -> LayerResult<'_> {
    let (&[version_type, code, _, _, high, low], payload) = bytes.split_header(Layer::Link)?;
    match (version_type, code) {
        (0x11, 0) => {
            let length = u16::from_be_bytes([high, low]);
            Ok((NextHeader::Ppp, payload.at_most(u32::from(length))))
        }
        // Discovery, which carries no packet.
        (0x11, _) => Err(SkipReason::NotIp),
        _ => Err(SkipReason::Malformed(Layer::Link)),
    }
}

/// Decodes PPP preceded by a direction byte.
pub(super) fn ppp_with_direction(bytes: WireBytes<'_>) -> LayerResult<'_> {
    Ok((NextHeader::Ppp, bytes.skip(1, Layer::Link)?))
}

/// Decodes HDLC framing: PPP, or Cisco's variant with an ether type behind address and control.
pub(super) fn hdlc(bytes: WireBytes<'_>) -> LayerResult<'_> {
    match bytes.data {
        // Cisco's address byte: unicast or broadcast.
        [0x0f | 0x8f, ..] => {
            let (&[_, _, high, low], payload) = bytes.split_header(Layer::Link)?;
            let ether_type = u16::from_be_bytes([high, low]);
            Ok((NextHeader::EtherType(ether_type), payload))
        }
        _ => Ok((NextHeader::Ppp, bytes)),
    }
}

pub(super) const IPV4: u16 = ether_type::IPV4.0;
pub(super) const IPV6: u16 = ether_type::IPV6.0;
pub(super) const VLAN: u16 = ether_type::VLAN_TAGGED_FRAME.0;
const PROVIDER_BRIDGING: u16 = ether_type::PROVIDER_BRIDGING.0;
// Vendors' numbers for an outer tag from before IEEE 802.1ad, still in use.
const VLAN_9100: u16 = ether_type::VLAN_DOUBLE_TAGGED_FRAME.0;
const VLAN_9200: u16 = 0x9200;
const VLAN_9300: u16 = 0x9300;
pub(super) const TRANSPARENT_ETHERNET: u16 = 0x6558;
const PPP: u16 = 0x880b;
const MPLS_UNICAST: u16 = 0x8847;
const MPLS_MULTICAST: u16 = 0x8848;
const PPPOE_SESSION: u16 = 0x8864;
const JUMBO_LLC: u16 = 0x8870;
const ETH_P_802_2: u16 = 4;
const ARPHRD_NETLINK: u16 = 824;
// PPP protocol numbers.
const PPP_IPV4: u16 = 0x0021;
const PPP_IPV6: u16 = 0x0057;
const PPP_MPLS_UNICAST: u16 = 0x0281;
const PPP_MPLS_MULTICAST: u16 = 0x0283;
