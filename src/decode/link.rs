//! Link layer: the header that a packet begins with, and what lies between it and IP.
//!
//! ```text
//! Ethernet, 802.2 ──┐                   ┌> VN-Tag, HSR, ... ──> ether type
//! Linux cooked ─────┼──> ether type ──> ┼> VLAN*, MPLS*, PPPoE ──> PPP ──> IP
//!                   │                   └> PBB, FabricPath, TRILL ──> Ethernet
//! BSD loopback, PPP, HDLC, raw IP, logs of pf and netfilter ─────────────> IP
//! ```
//!
//! An ether type that is neither read nor known to carry something else is [`SkipReason::Unread`]: if there are many of it,
//! a warning names it. PRP (IEC 62439-3) needs nothing: its trailer lies behind the end that the IP header states.
//!
//! The headers of Linux cooked captures are parsed here rather than by etherparse, which rejects most hardware types
//! (such as a tunnel's) and does not know version 2.

use etherparse::{Ethernet2HeaderSlice, SingleVlanHeaderSlice, ether_type};

use super::decoded::{Encapsulation, Layer, SkipReason};
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
        LinkType::PPP_WITH_DIR | LinkType::PPP_PPPD => NextHeader::PppWithDirection,
        LinkType::C_HDLC_WITH_DIR => NextHeader::HdlcWithDirection,
        LinkType::ATM_RFC1483 => NextHeader::Llc,
        LinkType::PFLOG => NextHeader::Pflog,
        LinkType::NFLOG => NextHeader::Nflog,
        LinkType::ENC => NextHeader::Enc,
        LinkType::PPI => NextHeader::Ppi,
        LinkType::PKTAP => NextHeader::Pktap,
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
        _ => return rare_ether_type(value, bytes),
    })
}

/// Takes off the headers of ether types that few networks have: tags of switches, and frames in frames.
#[cold]
fn rare_ether_type(value: u16, bytes: WireBytes<'_>) -> LayerResult<'_> {
    match value {
        // Interfaces of a fabric extender (Cisco), ring and sequence numbers (IEC 62439-3, IEEE 802.1CB).
        VN_TAG | HSR | R_TAG => tag::<6>(bytes),
        // Interfaces of a fabric extender (IEEE 802.1BR), security group (Cisco).
        E_TAG | CISCO_METADATA => tag::<8>(bytes),
        // Instance of a backbone service (IEEE 802.1ah), before a whole frame.
        PBB => Ok((NextHeader::Ethernet, bytes.skip(4, Layer::Link)?)),
        // Tree and time to live (Cisco), before a whole frame.
        FABRIC_PATH => Ok((NextHeader::Ethernet, bytes.skip(2, Layer::Link)?)),
        TRILL => {
            // RFC 6325 section 3.2: 5 bits count the options in units of 4 bytes.
            let (header, payload) = bytes.split_header::<6>(Layer::Link)?;
            let options = usize::from(u16::from_be_bytes([header[0], header[1]]) >> 6 & 0x1f) * 4;
            Ok((NextHeader::Ethernet, payload.skip(options, Layer::Link)?))
        }
        MACSEC => {
            let (&[control, ..], payload) = bytes.split_header::<6>(Layer::Link)?;
            // IEEE 802.1AE section 9.5: without the bits "encrypted" and "changed", only integrity is protected.
            if control & 0x0c != 0 {
                return Err(SkipReason::Unread(Encapsulation::EtherType(value)));
            }
            let channel = usize::from(control & 0x20 != 0) * 8;
            tag::<2>(payload.skip(channel, Layer::Link)?)
        }
        NSH => nsh(bytes),
        _ if is_other_than_ip(value) => Err(SkipReason::NotIp),
        _ => Err(SkipReason::Unread(Encapsulation::EtherType(value))),
    }
}

/// Takes off a tag of `N` bytes that ends with an ether type.
fn tag<const N: usize>(bytes: WireBytes<'_>) -> LayerResult<'_> {
    let (header, payload) = bytes.split_header::<N>(Layer::Link)?;
    let value = match header.as_slice() {
        [.., high, low] => u16::from_be_bytes([*high, *low]),
        _ => return Err(SkipReason::Malformed(Layer::Link)),
    };
    Ok((NextHeader::EtherType(value), payload))
}

/// Decodes a network service header (RFC 8300 section 2.2).
pub(super) fn nsh(bytes: WireBytes<'_>) -> LayerResult<'_> {
    let (&[_, length, _, next, ..], _) = bytes.split_header::<8>(Layer::Link)?;
    // In units of 4 bytes, this header included. A length of 0 would loop.
    let length = usize::from(length & 0x3f).max(2) * 4;
    let payload = bytes.skip(length, Layer::Link)?;
    match next {
        1 | 2 => Ok((NextHeader::Ip, payload)),
        3 => Ok((NextHeader::Ethernet, payload)),
        5 => Ok((NextHeader::Mpls, payload)),
        _ => Err(SkipReason::NotIp),
    }
}

/// Returns the name of an ether type of a tag or of a frame in a frame; `None` for all others, which have a header of their
/// own.
pub(super) fn tag_name(value: u16) -> Option<&'static str> {
    Some(match value {
        VN_TAG => "VN-Tag",
        HSR => "HSR",
        R_TAG => "R-Tag",
        E_TAG => "E-Tag",
        CISCO_METADATA => "Cisco metadata",
        PBB => "PBB",
        FABRIC_PATH => "FabricPath",
        TRILL => "TRILL",
        MACSEC => "MACsec",
        NSH => "NSH",
        _ => return None,
    })
}

/// Returns whether an ether type is that of a protocol that never has IP behind it: address resolution, the management of
/// links, time, fieldbuses, storage, and network protocols other than IP.
fn is_other_than_ip(value: u16) -> bool {
    matches!(
        value,
        // ARP, wake on LAN, RARP, AppleTalk, IPX
        0x0806 | 0x0842 | 0x8035 | 0x809b | 0x80f3 | 0x8137 | 0x8138
        // slow protocols, PPPoE discovery, EAPOL, PROFINET, AoE, EtherCAT
        | 0x8809 | 0x8863 | 0x888e | 0x8892 | 0x88a2 | 0x88a4
        // POWERLINK, GOOSE, GSE, sampled values, LLDP, SERCOS, HomePlug, MRP
        | 0x88ab | 0x88b8 | 0x88b9 | 0x88ba | 0x88cc | 0x88cd | 0x88e1 | 0x88e3
        // MVRP, MMRP, PTP, NC-SI, PRP, CFM, FCoE, TDLS, RoCE, time-triggered Ethernet, MIS
        | 0x88f5 | 0x88f6 | 0x88f7 | 0x88f8 | 0x88fb | 0x8902 | 0x8906 | 0x8914 | 0x890d | 0x8915
        | 0x891d | 0x893a
        // loopback tests, link tests of switches, IS-IS, DECnet and LAT
        | 0x9000 | 0x9003 | 0x00fe | 0x6002..=0x6007 | 0x22f0 | 0x22f4 | 0x22ea
    )
}

/// Returns true for ether types of headers between Ethernet and IP.
pub(super) fn is_tag(value: u16) -> bool {
    matches!(
        value,
        VLAN | PROVIDER_BRIDGING | MPLS_UNICAST | MPLS_MULTICAST | PPPOE_SESSION
    ) || tag_name(value).is_some()
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
    if is_ip_family(family) {
        Ok((NextHeader::Ip, payload))
    } else {
        Err(SkipReason::NotIp)
    }
}

/// Returns whether an address family is that of IPv4 or IPv6.
fn is_ip_family(family: u32) -> bool {
    // IPv4 is 2 everywhere. IPv6 is 10 on Linux, 23 on Windows, 24 on NetBSD and OpenBSD, 28 on FreeBSD, 30 on macOS.
    matches!(family, 2 | 10 | 23 | 24 | 28 | 30)
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

/// Decodes HDLC framing preceded by a direction byte.
pub(super) fn hdlc_with_direction(bytes: WireBytes<'_>) -> LayerResult<'_> {
    Ok((NextHeader::Hdlc, bytes.skip(1, Layer::Link)?))
}

/// Decodes the header of `LINKTYPE_PFLOG`, whose first byte is its length without the padding to a multiple of four.
pub(super) fn pflog(bytes: WireBytes<'_>) -> LayerResult<'_> {
    let (&[length, family], _) = bytes.split_header(Layer::Link)?;
    let length = usize::from(length).next_multiple_of(4);
    if length < PFLOG_SHORTEST {
        return Err(SkipReason::Malformed(Layer::Link));
    }
    let payload = bytes.skip(length, Layer::Link)?;
    if is_ip_family(u32::from(family)) {
        Ok((NextHeader::Ip, payload))
    } else {
        Err(SkipReason::NotIp)
    }
}

/// Decodes the header of `LINKTYPE_ENC`: address family, SPI and flags.
pub(super) fn enc(bytes: WireBytes<'_>) -> LayerResult<'_> {
    let (&[a, b, c, d, ..], payload) = bytes.split_header::<12>(Layer::Link)?;
    // The byte order of the capturing machine, as in NULL.
    let family = [a, b, c, d];
    let family = u32::from_be_bytes(family).min(u32::from_le_bytes(family));
    if is_ip_family(family) {
        Ok((NextHeader::Ip, payload))
    } else {
        Err(SkipReason::NotIp)
    }
}

/// Decodes the attributes of `LINKTYPE_NFLOG` up to the one that holds the packet.
pub(super) fn nflog(bytes: WireBytes<'_>) -> LayerResult<'_> {
    let (&[family, version, _, _], mut rest) = bytes.split_header(Layer::Link)?;
    if version != 0 {
        return Err(SkipReason::Malformed(Layer::Link));
    }
    // A bridge logs the IP packet too.
    if !is_ip_family(u32::from(family)) && family != AF_BRIDGE {
        return Err(SkipReason::NotIp);
    }
    // Attributes are in the byte order of the capturing machine, which the capture does not state. The first attribute is
    // short, so the smaller reading is the right one.
    let little = match rest.data {
        &[a, b, ..] => u16::from_le_bytes([a, b]) <= u16::from_be_bytes([a, b]),
        _ => true,
    };
    let number = |bytes| {
        if little {
            u16::from_le_bytes(bytes)
        } else {
            u16::from_be_bytes(bytes)
        }
    };
    // A packet may be logged without its bytes.
    while rest.wire_len() > 0 {
        let (&[a, b, c, d], value) = rest.split_header(Layer::Link)?;
        let length = number([a, b]);
        let Some(value_length) = length.checked_sub(4) else {
            return Err(SkipReason::Malformed(Layer::Link));
        };
        // The upper two bits are flags of netlink.
        if number([c, d]) & 0x3fff == NFULA_PAYLOAD {
            return Ok((NextHeader::Ip, value.at_most(u32::from(value_length))));
        }
        rest = rest.skip(usize::from(length).next_multiple_of(4), Layer::Link)?;
    }
    Err(SkipReason::NotIp)
}

/// Decodes the header of `LINKTYPE_PPI`, which states its length and the link type behind it.
pub(super) fn ppi(bytes: WireBytes<'_>) -> LayerResult<'_> {
    let (&[_, _, low, high, ref link @ ..], _) = bytes.split_header::<8>(Layer::Link)?;
    let length = usize::from(u16::from_le_bytes([low, high]));
    inner_link(bytes, length, u32::from_le_bytes(*link))
}

/// Decodes the header of `LINKTYPE_PKTAP`, which states its length, the kind of its content and the link type behind it.
pub(super) fn pktap(bytes: WireBytes<'_>) -> LayerResult<'_> {
    let (header, _) = bytes.split_header::<12>(Layer::Link)?;
    let number = |at: usize| {
        let bytes = header
            .get(at..at + 4)
            .and_then(|bytes| bytes.try_into().ok());
        u32::from_le_bytes(bytes.unwrap_or_default())
    };
    inner_link(bytes, number(0) as usize, number(8))
}

fn inner_link(bytes: WireBytes<'_>, header_len: usize, link: u32) -> LayerResult<'_> {
    // Shorter than its own fields, the header would be decoded for ever.
    if header_len < 8 {
        return Err(SkipReason::Malformed(Layer::Link));
    }
    let payload = bytes.skip(header_len, Layer::Link)?;
    u16::try_from(link)
        .ok()
        .and_then(|link| first_header(LinkType::from_file(link)))
        .map(|next| (next, payload))
        .ok_or(SkipReason::NotIp)
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
const TRILL: u16 = 0x22f3;
const MACSEC: u16 = 0x88e5;
const PBB: u16 = 0x88e7;
const FABRIC_PATH: u16 = 0x8903;
const CISCO_METADATA: u16 = 0x8909;
const VN_TAG: u16 = 0x8926;
const HSR: u16 = 0x892f;
const E_TAG: u16 = 0x893f;
const NSH: u16 = 0x894f;
const R_TAG: u16 = 0xf1c1;
/// Length of the shortest `PFLOG` header: up to the direction.
const PFLOG_SHORTEST: usize = 28;
const AF_BRIDGE: u8 = 7;
/// Attribute that holds the packet.
const NFULA_PAYLOAD: u16 = 9;
const ETH_P_802_2: u16 = 4;
const ARPHRD_NETLINK: u16 = 824;
// PPP protocol numbers.
const PPP_IPV4: u16 = 0x0021;
const PPP_IPV6: u16 = 0x0057;
const PPP_MPLS_UNICAST: u16 = 0x0281;
const PPP_MPLS_MULTICAST: u16 = 0x0283;
