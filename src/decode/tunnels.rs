//! Packets within packets: GRE and what it carries, Ethernet over IP, and tunnels over UDP.
//!
//! A UDP port is only a hint. A datagram is opened if its port is a tunnel's and its bytes cannot well be anything else;
//! otherwise it stays a datagram. One to or from port 53 always does, since a client may ask from any port.

use super::captured::Captured;
use super::outcome::{Layer, NotOurs};
use super::{Next, Step, link, transport};

/// A GRE header (RFC 2784, RFC 2890), or PPTP's form of it (RFC 2637 section 4.1).
pub(super) fn gre(bytes: Captured<'_>) -> Step<'_> {
    let (&[flags, version, high, low], rest) = bytes.header(Layer::Tunnel)?;
    let protocol = u16::from_be_bytes([high, low]);
    let has = |flag| usize::from(flags & flag != 0) * 4;
    match version & 7 {
        0 if flags & GRE_ROUTING == 0 => {
            let options = has(GRE_CHECKSUM) + has(GRE_KEY) + has(GRE_SEQUENCE);
            let payload = rest.after(options, Layer::Tunnel)?;
            match protocol {
                // The first version of ERSPAN has no header of its own, and no sequence number in GRE.
                ERSPAN_2 if flags & GRE_SEQUENCE == 0 => Ok((Next::Ethernet, payload)),
                ERSPAN_2 => Ok((Next::Ethernet, payload.after(8, Layer::Tunnel)?)),
                ERSPAN_3 => erspan3(payload),
                _ => Ok((Next::EtherType(protocol), payload)),
            }
        }
        1 => {
            let (&[high, low, _, _], rest) = rest.header(Layer::Tunnel)?;
            let acknowledged = usize::from(version & PPTP_ACKNOWLEDGMENT != 0) * 4;
            let payload = rest.after(has(GRE_SEQUENCE) + acknowledged, Layer::Tunnel)?;
            let length = u16::from_be_bytes([high, low]);
            match length {
                0 => Err(NotOurs::OtherProtocol),
                _ => Ok((Next::Ppp, payload.at_most(u32::from(length)))),
            }
        }
        _ => Err(NotOurs::OtherProtocol),
    }
}

/// An ERSPAN header, type III: it carries Ethernet or IP, and may have a subheader for the platform.
fn erspan3(bytes: Captured<'_>) -> Step<'_> {
    let (header, payload) = bytes.header::<12>(Layer::Tunnel)?;
    let subheader = usize::from(header[11] & 1) * 8;
    let payload = payload.after(subheader, Layer::Tunnel)?;
    match (header[10] >> 2) & 0x1f {
        0 => Ok((Next::Ethernet, payload)),
        2 => Ok((Next::Ip, payload)),
        _ => Err(NotOurs::NotIp),
    }
}

/// The header of Ethernet over IP (RFC 3378).
pub(super) fn ether_ip(bytes: Captured<'_>) -> Step<'_> {
    let (&[version, _], payload) = bytes.header(Layer::Tunnel)?;
    if version >> 4 == 3 {
        Ok((Next::Ethernet, payload))
    } else {
        Err(NotOurs::Malformed(Layer::Tunnel))
    }
}

/// What a UDP datagram carries if it is a tunnel's; its header is not taken off.
#[inline]
pub(super) fn over_udp(bytes: Captured<'_>) -> Option<(Next, Captured<'_>)> {
    let (&[a, b, c, d, ..], _) = bytes.data.split_first_chunk::<8>()?;
    let (source, destination) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    let known = |port| matches!(port, VXLAN | VXLAN_LINUX | GENEVE | GTP_USER | TEREDO);
    if !(known(destination) || source == TEREDO) || source == DNS || destination == DNS {
        return None;
    }
    tunnel(source, destination, transport::udp_payload(bytes).ok()?)
}

/// True for a GRE header that announces ERSPAN.
pub(super) fn is_erspan(bytes: Captured<'_>) -> bool {
    matches!(bytes.data, &[_, _, high, low, ..] if matches!(u16::from_be_bytes([high, low]), ERSPAN_2 | ERSPAN_3))
}

/// What a UDP datagram that is a tunnel's is called.
pub(super) fn name(bytes: Captured<'_>) -> Option<&'static str> {
    let (&[_, _, high, low, ..], _) = bytes.data.split_first_chunk::<8>()?;
    Some(match u16::from_be_bytes([high, low]) {
        VXLAN | VXLAN_LINUX => "VXLAN",
        GENEVE => "Geneve",
        GTP_USER => "GTP-U",
        _ => "Teredo",
    })
}

#[cold]
fn tunnel(source: u16, destination: u16, bytes: Captured<'_>) -> Option<(Next, Captured<'_>)> {
    match destination {
        VXLAN | VXLAN_LINUX => vxlan(bytes),
        GENEVE => geneve(bytes),
        GTP_USER => gtp(bytes),
        TEREDO => teredo(bytes),
        _ if source == TEREDO => teredo(bytes),
        _ => None,
    }
}

/// VXLAN (RFC 7348 section 5), with or without a group policy.
fn vxlan(bytes: Captured<'_>) -> Option<(Next, Captured<'_>)> {
    let (header, payload) = bytes.header::<8>(Layer::Tunnel).ok()?;
    let plausible = match header[0] {
        0x08 => header[1..4] == [0, 0, 0],
        0x88 => true,
        _ => false,
    };
    (plausible && header[7] == 0 && is_ethernet(payload)).then_some((Next::Ethernet, payload))
}

/// Geneve (RFC 8926 section 3.4).
fn geneve(bytes: Captured<'_>) -> Option<(Next, Captured<'_>)> {
    let (header, rest) = bytes.header::<8>(Layer::Tunnel).ok()?;
    let options = usize::from(header[0] & 0x3f) * 4;
    let payload = rest.after(options, Layer::Tunnel).ok()?;
    if header[0] >> 6 != 0 || header[1] & 0x3f != 0 || header[7] != 0 {
        return None;
    }
    match u16::from_be_bytes([header[2], header[3]]) {
        link::TRANSPARENT_ETHERNET => is_ethernet(payload).then_some((Next::Ethernet, payload)),
        link::IPV4 => is_ip(payload, 4).then_some((Next::Ip, payload)),
        link::IPV6 => is_ip(payload, 6).then_some((Next::Ip, payload)),
        _ => None,
    }
}

/// A GTP user packet (3GPP TS 29.281 section 5.1) and its extension headers.
fn gtp(bytes: Captured<'_>) -> Option<(Next, Captured<'_>)> {
    let (header, rest) = bytes.header::<8>(Layer::Tunnel).ok()?;
    // Version 1, protocol type GTP, the spare bit zero; message type G-PDU.
    if header[0] & 0xf8 != 0x30 || header[1] != 0xff {
        return None;
    }
    let length = u16::from_be_bytes([header[2], header[3]]);
    let mut payload = rest.at_most(u32::from(length));
    if header[0] & 7 != 0 {
        let (options, rest) = payload.header::<4>(Layer::Tunnel).ok()?;
        payload = rest;
        let mut extension = if header[0] & 4 != 0 { options[3] } else { 0 };
        while extension != 0 {
            let units = usize::from(*payload.data.first()?);
            let last = (units * 4).checked_sub(1)?;
            extension = *payload.data.get(last)?;
            payload = payload.after(last + 1, Layer::Tunnel).ok()?;
        }
    }
    (is_ip(payload, 4) || is_ip(payload, 6)).then_some((Next::Ip, payload))
}

/// Teredo (RFC 4380 section 5.1.1): IPv6, behind an authentication and an origin indication or neither. The length in
/// the IPv6 header has to fit exactly.
fn teredo(mut bytes: Captured<'_>) -> Option<(Next, Captured<'_>)> {
    if let [0, 1, id_len, auth_len, ..] = *bytes.data {
        let variable = usize::from(id_len) + usize::from(auth_len);
        bytes = bytes.after(13 + variable, Layer::Tunnel).ok()?;
    }
    if let [0, 0, ..] = bytes.data {
        bytes = bytes.after(8, Layer::Tunnel).ok()?;
    }
    match *bytes.data {
        [first, _, _, _, high, low, ..] if first >> 4 == 6 => {
            let promised = u32::from(u16::from_be_bytes([high, low])) + 40;
            (promised == bytes.wire_len()).then_some((Next::Ip, bytes))
        }
        _ => None,
    }
}

/// True if the bytes look like an Ethernet frame with something we would open, or ARP.
fn is_ethernet(bytes: Captured<'_>) -> bool {
    match bytes.data.get(12..15) {
        Some(&[high, low, first]) => match u16::from_be_bytes([high, low]) {
            link::IPV4 => first >> 4 == 4,
            link::IPV6 => first >> 4 == 6,
            value => value == ARP || link::is_tag(value),
        },
        _ => false,
    }
}

fn is_ip(bytes: Captured<'_>, version: u8) -> bool {
    bytes.data.first().is_some_and(|byte| byte >> 4 == version)
}

const GRE_CHECKSUM: u8 = 0x80;
const GRE_ROUTING: u8 = 0x40;
const GRE_KEY: u8 = 0x20;
const GRE_SEQUENCE: u8 = 0x10;
const PPTP_ACKNOWLEDGMENT: u8 = 0x80;
const ERSPAN_2: u16 = 0x88be;
const ERSPAN_3: u16 = 0x22eb;
const ARP: u16 = 0x0806;

const DNS: u16 = 53;
const GTP_USER: u16 = 2152;
const TEREDO: u16 = 3544;
const VXLAN: u16 = 4789;
// What Linux took before the port was assigned; container networks still do.
const VXLAN_LINUX: u16 = 8472;
const GENEVE: u16 = 6081;
