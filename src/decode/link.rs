//! What a captured packet begins with: the link layer's own header.
//!
//! The headers of Linux cooked captures are read by hand: etherparse refuses most hardware types (a tunnel's, for
//! example) and knows no version 2.

use etherparse::{Ethernet2HeaderSlice, ether_type};

use super::captured::Captured;
use super::outcome::{Layer, NotOurs};
use super::{Next, Step};
use crate::capture::LinkType;

/// The first layer of a packet of this link type.
#[inline]
pub(super) fn first(link: LinkType) -> Option<Next> {
    Some(match link {
        LinkType::ETHERNET => Next::Ethernet,
        LinkType::NULL | LinkType::LOOP => Next::Loopback,
        LinkType::RAW
        | LinkType::RAW_BSD
        | LinkType::RAW_OPENBSD
        | LinkType::IPV4
        | LinkType::IPV6 => Next::Ip,
        LinkType::PPP => Next::Ppp,
        LinkType::PPP_HDLC | LinkType::C_HDLC => Next::Hdlc,
        LinkType::PPP_ETHER => Next::PppoeSession,
        LinkType::MPLS => Next::Mpls,
        LinkType::PPP_WITH_DIR => Next::PppWithDirection,
        LinkType::IEEE802_11 => Next::Wireless,
        LinkType::IEEE802_11_RADIOTAP => Next::Radiotap,
        LinkType::LINUX_SLL => Next::Cooked,
        LinkType::LINUX_SLL2 => Next::Cooked2,
        _ => return None,
    })
}

/// An Ethernet header, version 2 or IEEE 802.3.
pub(super) fn ethernet(bytes: Captured<'_>) -> Step<'_> {
    let (ether_type, payload) = ethernet_header(bytes)?;
    Ok((Next::EtherType(ether_type), payload))
}

/// The ether type of a packet of a common link type, and what follows the header; `None` for all others. An ether type
/// of IP means IP in all of them.
#[inline]
pub(super) fn plain(link: LinkType, bytes: Captured<'_>) -> Option<(u16, Captured<'_>)> {
    match link {
        LinkType::ETHERNET => ethernet_header(bytes).ok(),
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

/// Takes an Ethernet header off.
#[inline]
fn ethernet_header(bytes: Captured<'_>) -> Result<(u16, Captured<'_>), NotOurs> {
    let Ok(header) = Ethernet2HeaderSlice::from_slice(bytes.data) else {
        return Err(bytes.short(Layer::Link));
    };
    let payload = bytes.after(header.slice().len(), Layer::Link)?;
    Ok((header.ether_type().0, payload))
}

/// What an ether type announces. Below 0x600 it is the length of an IEEE 802.2 packet (IEEE 802.3 section 3.2.6).
#[inline]
pub(super) fn ether_type(value: u16, bytes: Captured<'_>) -> Step<'_> {
    Ok(match value {
        IPV4 | IPV6 => (Next::Ip, bytes),
        VLAN | PROVIDER_BRIDGING | VLAN_9100 | VLAN_9200 | VLAN_9300 => (Next::Vlan, bytes),
        MPLS_UNICAST | MPLS_MULTICAST => (Next::Mpls, bytes),
        PPPOE_SESSION => (Next::PppoeSession, bytes),
        PPP => (Next::Ppp, bytes),
        TRANSPARENT_ETHERNET => (Next::Ethernet, bytes),
        0..0x600 => (Next::Llc, bytes.at_most(u32::from(value))),
        JUMBO_LLC => (Next::Llc, bytes),
        _ => return Err(NotOurs::NotIp),
    })
}

/// True for ether types of what stands between Ethernet and IP.
pub(super) fn is_tag(value: u16) -> bool {
    matches!(
        value,
        VLAN | PROVIDER_BRIDGING | MPLS_UNICAST | MPLS_MULTICAST | PPPOE_SESSION
    )
}

/// An IEEE 802.2 header, with SNAP (RFC 1042) or naming IP itself.
pub(super) fn llc(bytes: Captured<'_>) -> Step<'_> {
    let (&[destination, source, control], payload) = bytes.header(Layer::Link)?;
    match (destination, source, control) {
        (0xaa, 0xaa, 3) => {
            let (&[a, b, c, high, low], payload) = payload.header(Layer::Link)?;
            match [a, b, c] {
                // Encapsulated Ethernet, and bridged Ethernet (IEEE 802.1H).
                [0, 0, 0 | 0xf8] => Ok((Next::EtherType(u16::from_be_bytes([high, low])), payload)),
                _ => Err(NotOurs::NotIp),
            }
        }
        (6, 6, 3) => Ok((Next::Ip, payload)),
        _ => Err(NotOurs::NotIp),
    }
}

/// The address family before a packet of a BSD loopback interface.
///
/// In NULL it stands in the byte order of the capturing machine, in LOOP in network order; families are small numbers, so
/// the order shows. IPv6 has another number on each system.
pub(super) fn loopback(bytes: Captured<'_>) -> Step<'_> {
    let (family, payload) = bytes.header(Layer::Link)?;
    let family = u32::from_be_bytes(*family).min(u32::from_le_bytes(*family));
    match family {
        2 | 10 | 23 | 24 | 28 | 30 => Ok((Next::Ip, payload)),
        _ => Err(NotOurs::NotIp),
    }
}

/// The header of a Linux cooked capture.
pub(super) fn cooked(bytes: Captured<'_>) -> Step<'_> {
    let (hardware, protocol, payload) = cooked_header(bytes)?;
    cooked_protocol(hardware, protocol, payload)
}

/// The header of a Linux cooked capture, version 2.
pub(super) fn cooked2(bytes: Captured<'_>) -> Step<'_> {
    let (hardware, protocol, payload) = cooked2_header(bytes)?;
    cooked_protocol(hardware, protocol, payload)
}

/// Takes packet type, hardware type, address and protocol off.
#[inline]
fn cooked_header(bytes: Captured<'_>) -> Result<(u16, u16, Captured<'_>), NotOurs> {
    let (header, payload) = bytes.header::<16>(Layer::Link)?;
    let hardware = u16::from_be_bytes([header[2], header[3]]);
    let protocol = u16::from_be_bytes([header[14], header[15]]);
    Ok((hardware, protocol, payload))
}

/// Takes protocol, interface, hardware type, packet type and address off.
#[inline]
fn cooked2_header(bytes: Captured<'_>) -> Result<(u16, u16, Captured<'_>), NotOurs> {
    let (header, payload) = bytes.header::<20>(Layer::Link)?;
    let protocol = u16::from_be_bytes([header[0], header[1]]);
    let hardware = u16::from_be_bytes([header[8], header[9]]);
    Ok((hardware, protocol, payload))
}

/// What follows a cooked header. Numbers below 0x600 are Linux's own, and of hardware that is no network the protocol
/// means something else.
fn cooked_protocol(hardware: u16, protocol: u16, payload: Captured<'_>) -> Step<'_> {
    match (hardware, protocol) {
        (ARPHRD_NETLINK, _) => Err(NotOurs::NotIp),
        (_, ETH_P_802_2) => Ok((Next::Llc, payload)),
        (_, 0..0x600) => Err(NotOurs::NotIp),
        _ => Ok((Next::EtherType(protocol), payload)),
    }
}

pub(super) const IPV4: u16 = ether_type::IPV4.0;
pub(super) const IPV6: u16 = ether_type::IPV6.0;
pub(super) const VLAN: u16 = ether_type::VLAN_TAGGED_FRAME.0;
const PROVIDER_BRIDGING: u16 = ether_type::PROVIDER_BRIDGING.0;
// Numbers in use for an outer tag before IEEE 802.1ad.
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
