//! TCP and UDP headers.
//!
//! TCP is read by hand from an array of 20 bytes: where the snap length cut the options off, etherparse refuses the
//! header, yet the segment's ports, sequence number and length are all there.

use etherparse::{TcpOptionElement, TcpOptionsIterator, UdpHeaderSlice};

use super::Decoded;
use super::captured::Captured;
use super::network::Hosts;
use super::outcome::{Layer, NotOurs};
use super::segment::{Datagram, Segment, TcpFlags};
use crate::model::{Endpoint, FrameRef};

/// A TCP segment (RFC 9293 section 3.1), in the form in which it leaves the decoder: it is too big to be moved twice.
#[inline]
pub(super) fn tcp<'a>(
    frame: &FrameRef,
    hosts: Hosts,
    identification: u16,
    bytes: Captured<'a>,
) -> Decoded<'a> {
    let Some((header, rest)) = bytes.data.split_first_chunk::<MIN_TCP_HEADER>() else {
        return Decoded::Other(bytes.short(Layer::Transport));
    };
    let header_len = usize::from(header[12] >> 4) * 4;
    let Some(options_len) = header_len.checked_sub(MIN_TCP_HEADER) else {
        return Decoded::Other(NotOurs::Malformed(Layer::Transport));
    };
    let (options, payload, cut) = match rest.split_at_checked(options_len) {
        Some((options, payload)) => (options, payload, bytes.cut),
        None => match cut_options(options_len, rest, bytes.cut) {
            Some(cut) => (rest, EMPTY, cut),
            None => return Decoded::Other(NotOurs::Malformed(Layer::Transport)),
        },
    };
    let flags = TcpFlags(header[13]);
    Decoded::Segment(Segment {
        frame: *frame,
        source: endpoint(hosts.source, [header[0], header[1]]),
        destination: endpoint(hosts.destination, [header[2], header[3]]),
        identification,
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
pub(super) fn udp(
    frame: FrameRef,
    hosts: Hosts,
    bytes: Captured<'_>,
) -> Result<Datagram<'_>, NotOurs> {
    let payload = udp_payload(bytes)?;
    let (&[a, b, c, d], _) = bytes.header(Layer::Transport)?;
    Ok(Datagram {
        frame,
        source: endpoint(hosts.source, [a, b]),
        destination: endpoint(hosts.destination, [c, d]),
        payload: payload.data,
        cut: payload.cut,
    })
}

/// What follows the header of a UDP datagram, up to where it says that it ends.
pub(super) fn udp_payload(bytes: Captured<'_>) -> Result<Captured<'_>, NotOurs> {
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
    datagram.after(header_len, Layer::Transport)
}

/// Payload bytes cut from a segment whose options were not captured in full: all of them. `None` if there were never so
/// many options.
#[cold]
fn cut_options(options_len: usize, rest: &[u8], cut: u32) -> Option<u32> {
    let missing = u32::try_from(options_len.checked_sub(rest.len())?).ok()?;
    cut.checked_sub(missing)
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
const EMPTY: &[u8] = &[];
