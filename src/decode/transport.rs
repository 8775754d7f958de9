//! Transport layer: TCP and UDP headers, and ICMP errors about them.
//!
//! TCP is parsed here from an array of 20 bytes rather than by etherparse, which rejects a header whose options
//! were cut by the snap length although ports, sequence number and length are all there.

use etherparse::{TcpOptionElement, TcpOptionsIterator, UdpHeaderSlice};

use super::decoded::{Datagram, Decoded, IcmpError, Layer, Segment, SkipReason, TcpFlags};
use super::network::{self, Addresses, IpHeader};
use super::wire_bytes::WireBytes;
use super::{MAX_LAYERS, TCP, UDP};
use crate::capture::Packet;
use crate::model::{Endpoint, FrameRef};

/// Decodes a TCP segment (RFC 9293 section 3.1).
#[inline]
pub(super) fn tcp<'a>(packet: &Packet<'_>, ip: IpHeader, bytes: WireBytes<'a>) -> Decoded<'a> {
    // Returns `Decoded` rather than a `Result` of a segment: that is too large to be moved a second time per packet.
    let Some((header, rest)) = bytes.data.split_first_chunk::<MIN_TCP_HEADER>() else {
        return Decoded::Skipped(bytes.incomplete(Layer::Transport));
    };
    let header_len = usize::from(header[12] >> 4) * 4;
    let Some(options_len) = header_len.checked_sub(MIN_TCP_HEADER) else {
        return Decoded::Skipped(SkipReason::Malformed(Layer::Transport));
    };
    let (options, payload, cut) = match rest.split_at_checked(options_len) {
        Some((options, payload)) => (options, payload, bytes.cut),
        None => match cut_in_options(options_len, rest, bytes.cut) {
            Some(cut) => (rest, EMPTY, cut),
            None => return Decoded::Skipped(SkipReason::Malformed(Layer::Transport)),
        },
    };
    let flags = TcpFlags(header[13]);
    let whole_header = bytes.data.get(..header_len).unwrap_or_default();
    Decoded::Segment(Segment {
        frame: packet.frame,
        source: endpoint(ip.addresses.source, [header[0], header[1]]),
        destination: endpoint(ip.addresses.destination, [header[2], header[3]]),
        identification: ip.identification,
        sequence: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
        acknowledgment: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
        flags,
        window: u16::from_be_bytes([header[14], header[15]]),
        window_scale: if flags.syn() {
            window_scale(options)
        } else {
            None
        },
        ip_len: ip.length,
        frame_len: packet.wire_len,
        header: whole_header,
        payload,
        cut,
    })
}

/// Returns the count of payload bytes of a segment cut inside its options: all of them were cut. `None` if the
/// packet on the wire was too short for the options.
#[cold]
fn cut_in_options(options_len: usize, rest: &[u8], cut: u32) -> Option<u32> {
    let cut_options = u32::try_from(options_len.checked_sub(rest.len())?).ok()?;
    cut.checked_sub(cut_options)
}

/// Returns the shift count of the window scale option; `None` without the option.
fn window_scale(options: &[u8]) -> Option<u8> {
    TcpOptionsIterator::from_slice(options)
        .map_while(Result::ok)
        .find_map(|option| match option {
            // RFC 7323 section 2.3: a larger shift count must be taken as 14.
            TcpOptionElement::WindowScale(shift) => Some(shift.min(14)),
            _ => None,
        })
}

/// Decodes a UDP datagram (RFC 768).
pub(super) fn udp(
    frame: FrameRef,
    addresses: Addresses,
    bytes: WireBytes<'_>,
) -> Result<Datagram<'_>, SkipReason> {
    let payload = udp_payload(bytes)?;
    let (&[a, b, c, d], _) = bytes.split_header(Layer::Transport)?;
    Ok(Datagram {
        frame,
        source: endpoint(addresses.source, [a, b]),
        destination: endpoint(addresses.destination, [c, d]),
        payload: payload.data,
        cut: payload.cut,
    })
}

/// Takes a UDP header off, and the bytes behind the end that it states.
pub(super) fn udp_payload(bytes: WireBytes<'_>) -> Result<WireBytes<'_>, SkipReason> {
    let Ok(header) = UdpHeaderSlice::from_slice(bytes.data) else {
        return Err(bytes.incomplete(Layer::Transport));
    };
    let header_len = header.slice().len();
    let datagram = match usize::from(header.length()) {
        // Segmentation offload, or a length beyond 16 bits (RFC 2675 section 4).
        0 => bytes,
        length if length < header_len => return Err(SkipReason::Malformed(Layer::Transport)),
        _ => bytes.at_most(u32::from(header.length())),
    };
    datagram.skip(header_len, Layer::Transport)
}

/// Decodes an ICMP message (RFC 792), or an `ICMPv6` one (RFC 4443) if `v6`. All but errors about TCP and UDP are
/// skipped.
pub(super) fn icmp_error(
    frame: FrameRef,
    addresses: Addresses,
    v6: bool,
    bytes: WireBytes<'_>,
) -> Result<IcmpError, SkipReason> {
    let (&[kind, code, _, _, _, _, _, _], quote) = bytes.split_header(Layer::Transport)?;
    let is_error = if v6 {
        matches!(
            kind,
            V6_UNREACHABLE | V6_TOO_BIG | V6_TIME_EXCEEDED | V6_PARAMETER_PROBLEM
        )
    } else {
        matches!(
            kind,
            UNREACHABLE | SOURCE_QUENCH | TIME_EXCEEDED | PARAMETER_PROBLEM
        )
    };
    if !is_error {
        return Err(SkipReason::OtherProtocol);
    }
    // The quoted IP length exceeds the quote, which holds as little as 28 bytes of the packet: whether the message
    // was cut must be judged by the length of the message itself.
    let flow = quoted_flow(quote).map_err(|_| quote.incomplete(Layer::Transport))?;
    let (protocol, source, destination) = flow.ok_or(SkipReason::OtherProtocol)?;
    Ok(IcmpError {
        frame,
        reporter: addresses.source,
        v6,
        kind,
        code,
        protocol,
        source,
        destination,
    })
}

/// Returns protocol and endpoints of the packet that an ICMP error quotes; `None` if it is neither TCP nor UDP, or a
/// fragment other than the first.
fn quoted_flow(quote: WireBytes<'_>) -> Result<Option<(u8, Endpoint, Endpoint)>, SkipReason> {
    let packet = network::ip(quote)?;
    let mut fragment = packet.fragment;
    let (mut protocol, mut bytes) = (packet.protocol, packet.payload);
    for _ in 0..MAX_LAYERS {
        if fragment.is_some_and(|fragment| fragment.offset > 0) {
            return Ok(None);
        }
        (protocol, bytes) = match protocol {
            TCP | UDP => {
                let (&[a, b, c, d], _) = bytes.split_header(Layer::Transport)?;
                return Ok(Some((
                    protocol,
                    endpoint(packet.header.addresses.source, [a, b]),
                    endpoint(packet.header.addresses.destination, [c, d]),
                )));
            }
            network::FRAGMENT => {
                let (next, position, rest) = network::fragment(bytes)?;
                fragment = position;
                (next, rest)
            }
            network::AUTHENTICATION => network::authentication(bytes)?,
            _ if network::is_extension(protocol) => network::extension(bytes)?,
            _ => return Ok(None),
        };
    }
    Ok(None)
}

#[inline]
fn endpoint(address: u128, port: [u8; 2]) -> Endpoint {
    Endpoint {
        address,
        port: u16::from_be_bytes(port),
    }
}

/// TCP header without options, in bytes.
const MIN_TCP_HEADER: usize = 20;
const EMPTY: &[u8] = &[];

// ICMP types (RFC 792).
const UNREACHABLE: u8 = 3;
const SOURCE_QUENCH: u8 = 4;
const TIME_EXCEEDED: u8 = 11;
const PARAMETER_PROBLEM: u8 = 12;
// ICMPv6 types (RFC 4443 section 3).
const V6_UNREACHABLE: u8 = 1;
const V6_TOO_BIG: u8 = 2;
const V6_TIME_EXCEEDED: u8 = 3;
const V6_PARAMETER_PROBLEM: u8 = 4;
