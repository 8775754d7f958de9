//! ICMP errors: which segment or datagram could not be delivered, and why.

use super::captured::Captured;
use super::network::{self, Hosts};
use super::outcome::{IcmpError, Layer, NotOurs};
use super::{MAX_LAYERS, TCP, UDP};
use crate::model::{Endpoint, FrameRef};

/// An ICMP message (RFC 792), or an `ICMPv6` one (RFC 4443) if `v6`. Only errors about TCP and UDP are of interest.
pub(super) fn error(
    frame: FrameRef,
    hosts: Hosts,
    v6: bool,
    bytes: Captured<'_>,
) -> Result<IcmpError, NotOurs> {
    let (&[kind, code, _, _, _, _, _, _], quote) = bytes.header(Layer::Transport)?;
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
        return Err(NotOurs::OtherProtocol);
    }
    // A quote is shorter than what it quotes, so that its own lengths do not tell whether the message was cut.
    let flow = quoted_flow(quote).map_err(|_| quote.short(Layer::Transport))?;
    let (protocol, source, destination) = flow.ok_or(NotOurs::OtherProtocol)?;
    Ok(IcmpError {
        frame,
        reporter: hosts.source,
        v6,
        kind,
        code,
        protocol,
        source,
        destination,
    })
}

/// Protocol and end points of the quoted packet; `None` if it is neither TCP nor UDP or not the beginning of one.
fn quoted_flow(quote: Captured<'_>) -> Result<Option<(u8, Endpoint, Endpoint)>, NotOurs> {
    let packet = network::ip(quote)?;
    let mut fragment = packet.fragment;
    let (mut protocol, mut bytes) = (packet.protocol, packet.payload);
    for _ in 0..MAX_LAYERS {
        if fragment.is_some_and(|part| part.offset > 0) {
            return Ok(None);
        }
        (protocol, bytes) = match protocol {
            TCP | UDP => {
                let (&[a, b, c, d], _) = bytes.header(Layer::Transport)?;
                let end = |address, port| Endpoint {
                    address,
                    port: u16::from_be_bytes(port),
                };
                return Ok(Some((
                    protocol,
                    end(packet.hosts.source, [a, b]),
                    end(packet.hosts.destination, [c, d]),
                )));
            }
            network::FRAGMENT => {
                let (next, part, rest) = network::fragment(bytes)?;
                fragment = part;
                (next, rest)
            }
            network::AUTHENTICATION => network::authentication(bytes)?,
            _ if network::is_extension(protocol) => network::extension(bytes)?,
            _ => return Ok(None),
        };
    }
    Ok(None)
}

const UNREACHABLE: u8 = 3;
const SOURCE_QUENCH: u8 = 4;
const TIME_EXCEEDED: u8 = 11;
const PARAMETER_PROBLEM: u8 = 12;
const V6_UNREACHABLE: u8 = 1;
const V6_TOO_BIG: u8 = 2;
const V6_TIME_EXCEEDED: u8 = 3;
const V6_PARAMETER_PROBLEM: u8 = 4;
