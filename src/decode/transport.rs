//! TCP and UDP headers.
//!
//! TCP is read by hand from an array of 20 bytes: where the snap length cut the options off, etherparse refuses the
//! header, yet the segment's ports, sequence number and length are all there.

use etherparse::{TcpOptionElement, TcpOptionsIterator, UdpHeaderSlice};

use super::captured::Captured;
use super::network::Hosts;
use super::outcome::{Layer, NotOurs};
use super::segment::{Datagram, Segment, TcpFlags};
use crate::model::{Endpoint, FrameRef};

/// A TCP segment (RFC 9293 section 3.1).
#[inline]
pub(super) fn tcp(
    frame: FrameRef,
    hosts: Hosts,
    bytes: Captured<'_>,
) -> Result<Segment<'_>, NotOurs> {
    let (header, rest) = bytes.header::<MIN_TCP_HEADER>(Layer::Transport)?;
    let header_len = usize::from(header[12] >> 4) * 4;
    let Some(options_len) = header_len.checked_sub(MIN_TCP_HEADER) else {
        return Err(NotOurs::Malformed(Layer::Transport));
    };
    let flags = TcpFlags(header[13]);
    let (options, payload, cut) = match rest.data.split_at_checked(options_len) {
        Some((options, payload)) => (options, payload, rest.cut),
        None => cut_options(options_len, rest)?,
    };
    Ok(Segment {
        frame,
        source: endpoint(hosts.source, [header[0], header[1]]),
        destination: endpoint(hosts.destination, [header[2], header[3]]),
        sequence: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
        acknowledgment: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
        flags,
        window: u16::from_be_bytes([header[14], header[15]]),
        window_scale: if flags.syn() {
            window_scale(options)
        } else {
            None
        },
        payload,
        cut,
    })
}

/// A UDP datagram (RFC 768).
#[inline]
pub(super) fn udp(
    frame: FrameRef,
    hosts: Hosts,
    bytes: Captured<'_>,
) -> Result<Datagram<'_>, NotOurs> {
    let Ok(header) = UdpHeaderSlice::from_slice(bytes.data) else {
        return Err(bytes.short(Layer::Transport));
    };
    let header_len = header.slice().len();
    let datagram = match usize::from(header.length()) {
        // Segmentation offload, or longer than 16 bits can tell (RFC 2675).
        0 => bytes,
        length if length < header_len => return Err(NotOurs::Malformed(Layer::Transport)),
        _ => bytes.at_most(u32::from(header.length())),
    };
    let payload = datagram.after(header_len, Layer::Transport)?;
    Ok(Datagram {
        frame,
        source: Endpoint {
            address: hosts.source,
            port: header.source_port(),
        },
        destination: Endpoint {
            address: hosts.destination,
            port: header.destination_port(),
        },
        payload: payload.data,
        cut: payload.cut,
    })
}

/// Options, payload and cut of a segment whose options were not captured in full: all of its payload is cut.
#[cold]
fn cut_options(options_len: usize, rest: Captured<'_>) -> Result<(&[u8], &[u8], u32), NotOurs> {
    let missing = u32::try_from(options_len.saturating_sub(rest.data.len())).unwrap_or(u32::MAX);
    match rest.cut.checked_sub(missing) {
        Some(cut) => Ok((rest.data, &[], cut)),
        None => Err(NotOurs::Malformed(Layer::Transport)),
    }
}

/// The shift count of the window scale option (RFC 7323 section 2.2), at most 14.
fn window_scale(options: &[u8]) -> Option<u8> {
    TcpOptionsIterator::from_slice(options)
        .map_while(Result::ok)
        .find_map(|option| match option {
            TcpOptionElement::WindowScale(shift) => Some(shift.min(14)),
            _ => None,
        })
}

#[inline]
fn endpoint(address: u128, port: [u8; 2]) -> Endpoint {
    Endpoint {
        address,
        port: u16::from_be_bytes(port),
    }
}

const MIN_TCP_HEADER: usize = 20;
