//! PPP, alone, in HDLC framing and over Ethernet.

use super::captured::Captured;
use super::outcome::{Layer, NotOurs};
use super::{Next, Step};

/// A PPP packet (RFC 1661 section 2), with or without address and control bytes (RFC 1662 section 3.1); the protocol may
/// be compressed to one byte.
pub(super) fn packet(bytes: Captured<'_>) -> Step<'_> {
    let bytes = match bytes.data {
        [0xff, 0x03, ..] => bytes.after(2, Layer::Link)?,
        _ => bytes,
    };
    let (&[first], compressed) = bytes.header(Layer::Link)?;
    let (protocol, payload) = if first & 1 == 1 {
        (u16::from(first), compressed)
    } else {
        let (&protocol, payload) = bytes.header(Layer::Link)?;
        (u16::from_be_bytes(protocol), payload)
    };
    match protocol {
        IPV4 | IPV6 => Ok((Next::Ip, payload)),
        MPLS_UNICAST | MPLS_MULTICAST => Ok((Next::Mpls, payload)),
        _ => Err(NotOurs::NotIp),
    }
}

/// A `PPPoE` header (RFC 2516 section 4); discovery carries nothing.
pub(super) fn session(bytes: Captured<'_>) -> Step<'_> {
    let (&[version_type, code, _, _, high, low], payload) = bytes.header(Layer::Link)?;
    match (version_type, code) {
        (0x11, 0) => {
            let length = u16::from_be_bytes([high, low]);
            Ok((Next::Ppp, payload.at_most(u32::from(length))))
        }
        (0x11, _) => Err(NotOurs::NotIp),
        _ => Err(NotOurs::Malformed(Layer::Link)),
    }
}

/// PPP behind a byte that says who sent it.
pub(super) fn with_direction(bytes: Captured<'_>) -> Step<'_> {
    Ok((Next::Ppp, bytes.after(1, Layer::Link)?))
}

/// HDLC: PPP, or Cisco's form, where an ether type follows address and control.
pub(super) fn hdlc(bytes: Captured<'_>) -> Step<'_> {
    match bytes.data {
        [0x0f | 0x8f, ..] => {
            let (&[_, _, high, low], payload) = bytes.header(Layer::Link)?;
            Ok((Next::EtherType(u16::from_be_bytes([high, low])), payload))
        }
        _ => Ok((Next::Ppp, bytes)),
    }
}

const IPV4: u16 = 0x0021;
const IPV6: u16 = 0x0057;
const MPLS_UNICAST: u16 = 0x0281;
const MPLS_MULTICAST: u16 = 0x0283;
