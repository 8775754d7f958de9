//! Tunnels: GRE and its payloads, Ethernet over IP, L2TP, and tunnels over UDP.
//!
//! A UDP port is only a hint. A datagram is decapsulated if its port is that of a tunnel and its bytes can hardly
//! be anything else; otherwise it stays a datagram. One from or to port 53 always stays a datagram: a DNS client
//! may use any port.

use super::decoded::{Layer, SkipReason};
use super::wire_bytes::WireBytes;
use super::{LayerResult, NextHeader, link, transport};

/// Decodes a GRE header (RFC 2784, RFC 2890), or PPTP's variant of it (RFC 2637 section 4.1).
pub(super) fn gre(bytes: WireBytes<'_>) -> LayerResult<'_> {
    let (&[flags, version, high, low], rest) = bytes.split_header(Layer::Tunnel)?;
    let protocol = u16::from_be_bytes([high, low]);
    let field_len = |flag| usize::from(flags & flag != 0) * 4;
    match version & 7 {
        // Source routes (RFC 1701) have a length of their own; RFC 2784 removed them.
        0 if flags & GRE_ROUTING == 0 => {
            let options = field_len(GRE_CHECKSUM) + field_len(GRE_KEY) + field_len(GRE_SEQUENCE);
            let payload = rest.skip(options, Layer::Tunnel)?;
            match protocol {
                // ERSPAN type I shares the protocol number of type II. It has no header, and no sequence number in GRE.
                ERSPAN_2 if flags & GRE_SEQUENCE == 0 => Ok((NextHeader::Ethernet, payload)),
                ERSPAN_2 => Ok((NextHeader::Ethernet, payload.skip(8, Layer::Tunnel)?)),
                ERSPAN_3 => erspan3(payload),
                _ => Ok((NextHeader::EtherType(protocol), payload)),
            }
        }
        1 => {
            let (&[high, low, _, _], rest) = rest.split_header(Layer::Tunnel)?;
            let acknowledgment = usize::from(version & PPTP_ACKNOWLEDGMENT != 0) * 4;
            let payload = rest.skip(field_len(GRE_SEQUENCE) + acknowledgment, Layer::Tunnel)?;
            let length = u16::from_be_bytes([high, low]);
            match length {
                // Only an acknowledgment.
                0 => Err(SkipReason::OtherProtocol),
                _ => Ok((NextHeader::Ppp, payload.at_most(u32::from(length)))),
            }
        }
        _ => Err(SkipReason::OtherProtocol),
    }
}

/// Decodes an ERSPAN type III header, with its optional platform-specific subheader.
fn erspan3(bytes: WireBytes<'_>) -> LayerResult<'_> {
    let (header, payload) = bytes.split_header::<12>(Layer::Tunnel)?;
    let subheader = usize::from(header[11] & 1) * 8;
    let payload = payload.skip(subheader, Layer::Tunnel)?;
    // Frame type.
    match (header[10] >> 2) & 0x1f {
        0 => Ok((NextHeader::Ethernet, payload)),
        2 => Ok((NextHeader::Ip, payload)),
        _ => Err(SkipReason::NotIp),
    }
}

/// Decodes the header of Ethernet over IP (RFC 3378).
pub(super) fn ether_ip(bytes: WireBytes<'_>) -> LayerResult<'_> {
    let (&[version, _], payload) = bytes.split_header(Layer::Tunnel)?;
    if version >> 4 == 3 {
        Ok((NextHeader::Ethernet, payload))
    } else {
        Err(SkipReason::Malformed(Layer::Tunnel))
    }
}

/// Decapsulates a UDP datagram, header included, if it belongs to a tunnel; `None` if it does not.
#[inline]
pub(super) fn over_udp(bytes: WireBytes<'_>) -> Option<(NextHeader, WireBytes<'_>)> {
    let (&[a, b, c, d, ..], _) = bytes.data.split_first_chunk::<8>()?;
    let (source, destination) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    let is_tunnel = |port| {
        matches!(
            port,
            VXLAN
                | VXLAN_LINUX
                | VXLAN_GPE
                | GENEVE
                | GTP_USER
                | TEREDO
                | L2TP
                | TZSP
                | MPLS
                | GRE
                | LISP
        )
    };
    // All but Teredo and L2TP take random source ports and send to the tunnel's port in both directions. Their servers
    // answer from that port.
    if !(is_tunnel(destination) || matches!(source, TEREDO | L2TP))
        || source == DNS
        || destination == DNS
    {
        return None;
    }
    decapsulate(source, destination, transport::udp_payload(bytes).ok()?)
}

/// Returns the port of the tunnel that a datagram between these ports belongs to; `None` if it belongs to none. What the
/// decoder passes on as a datagram could not be decapsulated: it is encrypted, or of a form that is not read.
#[inline]
pub(super) fn unread_port(source: u16, destination: u16) -> Option<u16> {
    let is_tunnel = |port| {
        matches!(
            port,
            VXLAN
                | VXLAN_GPE
                | GENEVE
                | GTP_USER
                | L2TP
                | TZSP
                | MPLS
                | GRE
                | LISP
                | WIREGUARD
                | CAPWAP_DATA
                | ESP
                | OPENVPN
        )
    };
    // The client of a resolver may have any port.
    if source == DNS || destination == DNS {
        None
    } else if is_tunnel(destination) {
        Some(destination)
    } else if is_tunnel(source) {
        Some(source)
    } else {
        None
    }
}

/// Returns the name of the tunnel at a UDP port.
pub(super) const fn port_name(port: u16) -> &'static str {
    match port {
        VXLAN | VXLAN_LINUX => "VXLAN",
        VXLAN_GPE => "VXLAN-GPE",
        GENEVE => "Geneve",
        GTP_USER => "GTP-U",
        L2TP => "L2TP",
        TZSP => "TZSP",
        MPLS => "MPLS",
        GRE => "GRE",
        LISP => "LISP",
        WIREGUARD => "WireGuard, encrypted",
        CAPWAP_DATA => "CAPWAP",
        ESP => "ESP, encrypted IPsec",
        OPENVPN => "OpenVPN, encrypted",
        _ => "a tunnel",
    }
}

/// Returns true for a GRE header that announces ERSPAN.
pub(super) fn is_erspan(bytes: WireBytes<'_>) -> bool {
    matches!(bytes.data, &[_, _, high, low, ..] if matches!(u16::from_be_bytes([high, low]), ERSPAN_2 | ERSPAN_3))
}

/// Returns the name of the tunnel that a UDP datagram belongs to; `None` if its header is incomplete.
pub(super) fn name(bytes: WireBytes<'_>) -> Option<&'static str> {
    let (&[a, b, c, d, ..], _) = bytes.data.split_first_chunk::<8>()?;
    let (source, destination) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    Some(match destination {
        VXLAN | VXLAN_LINUX => "VXLAN",
        VXLAN_GPE => "VXLAN-GPE",
        GENEVE => "Geneve",
        GTP_USER => "GTP-U",
        L2TP => "L2TP",
        TZSP => "TZSP",
        // The next header is named MPLS or GRE.
        MPLS | GRE => return None,
        LISP => "LISP",
        _ if source == L2TP && destination != TEREDO => "L2TP",
        _ => "Teredo",
    })
}

#[cold]
fn decapsulate(
    source: u16,
    destination: u16,
    bytes: WireBytes<'_>,
) -> Option<(NextHeader, WireBytes<'_>)> {
    match destination {
        VXLAN | VXLAN_LINUX => vxlan(bytes),
        GENEVE => geneve(bytes),
        GTP_USER => gtp(bytes),
        TEREDO => teredo(bytes),
        VXLAN_GPE => vxlan_gpe(bytes),
        L2TP => l2tp(bytes),
        TZSP => tzsp(bytes),
        MPLS => mpls(bytes),
        GRE => gre_over_udp(bytes),
        LISP => lisp(bytes),
        _ if source == TEREDO => teredo(bytes),
        _ if source == L2TP => l2tp(bytes),
        _ => None,
    }
}

/// Decodes VXLAN (RFC 7348 section 5), with or without the group policy extension.
fn vxlan(bytes: WireBytes<'_>) -> Option<(NextHeader, WireBytes<'_>)> {
    let (header, payload) = bytes.split_header::<8>(Layer::Tunnel).ok()?;
    let plausible = match header[0] {
        0x08 => header[1..4] == [0, 0, 0],
        0x88 => true,
        _ => false,
    };
    (plausible && header[7] == 0 && is_ethernet(payload)).then_some((NextHeader::Ethernet, payload))
}

/// Decodes VXLAN with a next protocol (draft-ietf-nvo3-vxlan-gpe section 3.1).
fn vxlan_gpe(bytes: WireBytes<'_>) -> Option<(NextHeader, WireBytes<'_>)> {
    let (header, payload) = bytes.split_header::<8>(Layer::Tunnel).ok()?;
    // Version 0, identifier and next protocol valid, reserved bits zero.
    if header[0] & 0xfc != 0x0c || header[1..3] != [0, 0] || header[7] != 0 {
        return None;
    }
    match header[3] {
        1 => is_ip(payload, 4).then_some((NextHeader::Ip, payload)),
        2 => is_ip(payload, 6).then_some((NextHeader::Ip, payload)),
        3 => is_ethernet(payload).then_some((NextHeader::Ethernet, payload)),
        4 => link::nsh(payload).ok(),
        5 => mpls(payload),
        _ => None,
    }
}

/// Decodes MPLS over UDP (RFC 7510 section 3): a label stack, then IP or Ethernet.
fn mpls(bytes: WireBytes<'_>) -> Option<(NextHeader, WireBytes<'_>)> {
    let mut entries = bytes.data.chunks_exact(4).take(MPLS_LABELS);
    // The bottom of the stack is marked in the third byte of its entry.
    let bottom = entries.position(|entry| entry.get(2).is_some_and(|byte| byte & 1 == 1))?;
    let payload = bytes.skip((bottom + 1) * 4, Layer::Tunnel).ok()?;
    let control_word = payload.skip(4, Layer::Tunnel).ok()?;
    let fits = is_ip(payload, 4)
        || is_ip(payload, 6)
        || is_ethernet(payload)
        || (is_ip(payload, 0) && is_ethernet(control_word));
    fits.then_some((NextHeader::Mpls, bytes))
}

/// Decodes GRE over UDP (RFC 8086).
fn gre_over_udp(bytes: WireBytes<'_>) -> Option<(NextHeader, WireBytes<'_>)> {
    let &[flags, version, high, low, ..] = bytes.data else {
        return None;
    };
    let known = matches!(
        u16::from_be_bytes([high, low]),
        link::IPV4 | link::IPV6 | link::TRANSPARENT_ETHERNET
    );
    let plausible = flags & 0x4f == 0 && version == 0 && known;
    plausible.then_some((NextHeader::Protocol(super::GRE), bytes))
}

/// Decodes LISP (RFC 9300 section 5.3): flags, nonce and instance before an IP packet.
fn lisp(bytes: WireBytes<'_>) -> Option<(NextHeader, WireBytes<'_>)> {
    let (_, payload) = bytes.split_header::<8>(Layer::Tunnel).ok()?;
    // Four bits alone are a weak sign, so the IP length has to match the datagram exactly.
    let stated = match *payload.data {
        [first, _, high, low, ..] if first >> 4 == 4 => u32::from(u16::from_be_bytes([high, low])),
        [first, _, _, _, high, low, ..] if first >> 4 == 6 => {
            u32::from(u16::from_be_bytes([high, low])) + 40
        }
        _ => return None,
    };
    (stated == payload.wire_len()).then_some((NextHeader::Ip, payload))
}

/// Decodes TZSP, in which routers and access points send the frames they capture: version, type, protocol, then fields up
/// to the end mark.
fn tzsp(bytes: WireBytes<'_>) -> Option<(NextHeader, WireBytes<'_>)> {
    let (header, mut rest) = bytes.split_header::<4>(Layer::Tunnel).ok()?;
    let inner = match *header {
        // Version 1, a packet received or to be sent.
        [1, 0 | 1, 0, 1] => NextHeader::Ethernet,
        [1, 0 | 1, 0, 18] => NextHeader::Wireless,
        _ => return None,
    };
    loop {
        let (&field, after) = rest.data.split_first()?;
        rest = match field {
            // Padding.
            0 => rest.skip(1, Layer::Tunnel).ok()?,
            // The end.
            1 => return Some((inner, rest.skip(1, Layer::Tunnel).ok()?)),
            _ => {
                let length = usize::from(*after.first()?);
                rest.skip(length + 2, Layer::Tunnel).ok()?
            }
        };
    }
}

/// Decodes a data message of L2TP over UDP: version 2 (RFC 2661 section 3.1), or 3 (RFC 3931 section 4.1.2.1).
fn l2tp(bytes: WireBytes<'_>) -> Option<(NextHeader, WireBytes<'_>)> {
    let (&[flags, version], mut rest) = bytes.split_header(Layer::Tunnel).ok()?;
    if flags & L2TP_CONTROL != 0 || version & 0x0f == 3 {
        let session = rest.skip(2, Layer::Tunnel).ok()?;
        return (flags & L2TP_CONTROL == 0)
            .then(|| l2tp_session(session))
            .flatten();
    }
    if version != 2 || flags & L2TP_RESERVED != 0 {
        return None;
    }
    if flags & L2TP_LENGTH != 0 {
        let (&length, after) = rest.split_header(Layer::Tunnel).ok()?;
        // The length counts from the flags on.
        rest = after.at_most(u32::from(u16::from_be_bytes(length)).checked_sub(4)?);
    }
    let sequence = usize::from(flags & L2TP_SEQUENCE != 0) * 4;
    rest = rest.skip(4 + sequence, Layer::Tunnel).ok()?;
    if flags & L2TP_OFFSET != 0 {
        let (&offset, after) = rest.split_header(Layer::Tunnel).ok()?;
        let offset = usize::from(u16::from_be_bytes(offset));
        rest = after.skip(offset, Layer::Tunnel).ok()?;
    }
    // A protocol number of PPP, with address and control bytes or compressed.
    let plausible = matches!(
        rest.data,
        [0xff, 0x03, ..]
            | [0x00, 0x21 | 0x57, ..]
            | [0x21, 0x40..0x50, ..]
            | [0x57, 0x60..0x70, ..]
    );
    plausible.then_some((NextHeader::Ppp, rest))
}

/// Decodes L2TP version 3 over IP (RFC 3931 section 4.1.1.1). Messages of session 0 are control messages.
pub(super) fn l2tp_over_ip(bytes: WireBytes<'_>) -> LayerResult<'_> {
    l2tp_session(bytes).ok_or(SkipReason::OtherProtocol)
}

/// Decodes a session of L2TP version 3 that carries Ethernet. Both ends agree on a cookie of 0, 4 or 8 bytes and a sublayer
/// of 0 or 4, which no packet states: the ether type behind them decides.
fn l2tp_session(bytes: WireBytes<'_>) -> Option<(NextHeader, WireBytes<'_>)> {
    let (session, payload) = bytes.split_header::<4>(Layer::Tunnel).ok()?;
    if session == &[0; 4] {
        return None;
    }
    [0, 4, 8, 12]
        .into_iter()
        .filter_map(|agreed| payload.skip(agreed, Layer::Tunnel).ok())
        .find(|payload| is_ethernet(*payload))
        .map(|payload| (NextHeader::Ethernet, payload))
}

/// Decodes Geneve (RFC 8926 section 3.4).
fn geneve(bytes: WireBytes<'_>) -> Option<(NextHeader, WireBytes<'_>)> {
    let (header, rest) = bytes.split_header::<8>(Layer::Tunnel).ok()?;
    let options = usize::from(header[0] & 0x3f) * 4;
    let payload = rest.skip(options, Layer::Tunnel).ok()?;
    // Version 0, reserved bits zero.
    if header[0] >> 6 != 0 || header[1] & 0x3f != 0 || header[7] != 0 {
        return None;
    }
    match u16::from_be_bytes([header[2], header[3]]) {
        link::TRANSPARENT_ETHERNET => {
            is_ethernet(payload).then_some((NextHeader::Ethernet, payload))
        }
        link::IPV4 => is_ip(payload, 4).then_some((NextHeader::Ip, payload)),
        link::IPV6 => is_ip(payload, 6).then_some((NextHeader::Ip, payload)),
        _ => None,
    }
}

/// Decodes a GTP user packet (3GPP TS 29.281 section 5.1) with its extension headers.
fn gtp(bytes: WireBytes<'_>) -> Option<(NextHeader, WireBytes<'_>)> {
    let (header, rest) = bytes.split_header::<8>(Layer::Tunnel).ok()?;
    // Version 1, protocol type GTP, spare bit zero; message type G-PDU.
    if header[0] & 0xf8 != 0x30 || header[1] != 0xff {
        return None;
    }
    let length = u16::from_be_bytes([header[2], header[3]]);
    let mut payload = rest.at_most(u32::from(length));
    // If any of the three flags is set, all three optional fields are present.
    if header[0] & 7 != 0 {
        let (options, rest) = payload.split_header::<4>(Layer::Tunnel).ok()?;
        payload = rest;
        let mut extension = if header[0] & 4 != 0 { options[3] } else { 0 };
        while extension != 0 {
            // Length in units of 4 bytes; the last byte is the type of the next extension. A length of 0 would loop.
            let units = usize::from(*payload.data.first()?);
            let last = (units * 4).checked_sub(1)?;
            extension = *payload.data.get(last)?;
            payload = payload.skip(last + 1, Layer::Tunnel).ok()?;
        }
    }
    (is_ip(payload, 4) || is_ip(payload, 6)).then_some((NextHeader::Ip, payload))
}

/// Decodes Teredo (RFC 4380 section 5.1.1): IPv6, preceded by an authentication indication, an origin indication,
/// both or neither.
fn teredo(mut bytes: WireBytes<'_>) -> Option<(NextHeader, WireBytes<'_>)> {
    if let [0, 1, id_len, auth_len, ..] = *bytes.data {
        let variable = usize::from(id_len) + usize::from(auth_len);
        bytes = bytes.skip(13 + variable, Layer::Tunnel).ok()?;
    }
    if let [0, 0, ..] = bytes.data {
        bytes = bytes.skip(8, Layer::Tunnel).ok()?;
    }
    match *bytes.data {
        // Four bits alone are a weak sign, so the IPv6 length has to match the datagram exactly.
        [first, _, _, _, high, low, ..] if first >> 4 == 6 => {
            let stated = u32::from(u16::from_be_bytes([high, low])) + 40;
            (stated == bytes.wire_len()).then_some((NextHeader::Ip, bytes))
        }
        _ => None,
    }
}

/// Returns true for bytes that look like an Ethernet frame with IP, ARP or a tag in it.
fn is_ethernet(bytes: WireBytes<'_>) -> bool {
    match bytes.data.get(12..15) {
        Some(&[high, low, first]) => match u16::from_be_bytes([high, low]) {
            link::IPV4 => first >> 4 == 4,
            link::IPV6 => first >> 4 == 6,
            value => value == ARP || link::is_tag(value),
        },
        _ => false,
    }
}

fn is_ip(bytes: WireBytes<'_>, version: u8) -> bool {
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
// Linux's default from before the port was assigned; container networks still use it.
const VXLAN_LINUX: u16 = 8472;
const GENEVE: u16 = 6081;
const VXLAN_GPE: u16 = 4790;
const L2TP: u16 = 1701;
const TZSP: u16 = 37_008;
const MPLS: u16 = 6635;
const GRE: u16 = 4754;
const LISP: u16 = 4341;
const WIREGUARD: u16 = 51_820;
/// RFC 5415 section 3.1.
const CAPWAP_DATA: u16 = 5247;
/// RFC 3948 section 2.1.
const ESP: u16 = 4500;
const OPENVPN: u16 = 1194;

const L2TP_CONTROL: u8 = 0x80;
const L2TP_LENGTH: u8 = 0x40;
const L2TP_SEQUENCE: u8 = 0x08;
const L2TP_OFFSET: u8 = 0x02;
const L2TP_RESERVED: u8 = 0x34;
/// Labels searched for the bottom of a stack; deeper stacks are not seen in practice.
const MPLS_LABELS: usize = 8;
