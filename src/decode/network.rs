//! IPv4 and IPv6 headers: who sends to whom, what follows, and where it ends.

use etherparse::{
    IpAuthHeaderSlice, Ipv4HeaderSlice, Ipv6FragmentHeaderSlice, Ipv6HeaderSlice, err,
};

use super::captured::Captured;
use super::outcome::{Layer, NotOurs};
use crate::model::Endpoint;

/// The two hosts of a packet, in [`Endpoint::address`] form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Hosts {
    /// Sender.
    pub(super) source: u128,
    /// Receiver.
    pub(super) destination: u128,
}

/// An IP packet without its header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Network<'a> {
    /// From whom to whom.
    pub(super) hosts: Hosts,
    /// Number of the protocol that `payload` begins with.
    pub(super) protocol: u8,
    /// Number of the packet; 0 for IPv6, which has none.
    pub(super) identification: u16,
    /// What the packet carries, up to where the header says that it ends.
    pub(super) payload: Captured<'a>,
    /// Where the payload belongs, if it is a part of something longer.
    pub(super) fragment: Option<Fragment>,
}

/// The place of a fragment (RFC 791 section 3.2, RFC 8200 section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fragment {
    /// Tells the datagrams of two hosts apart.
    pub(super) identification: u32,
    /// Offset in bytes, a multiple of 8.
    pub(super) offset: u32,
    /// More fragments follow.
    pub(super) more: bool,
    /// True for IPv6, where only the first fragment says what the datagram carries.
    pub(super) v6: bool,
}

/// Reads an IP header of either version.
#[inline]
pub(super) fn ip(bytes: Captured<'_>) -> Result<Network<'_>, NotOurs> {
    match bytes.data.first().map(|byte| byte >> 4) {
        Some(4) => ipv4(bytes),
        Some(6) => ipv6(bytes),
        Some(_) => Err(NotOurs::Malformed(Layer::Network)),
        None => Err(bytes.short(Layer::Network)),
    }
}

/// Reads an IPv4 header (RFC 791 section 3.1).
#[inline]
pub(super) fn ipv4(bytes: Captured<'_>) -> Result<Network<'_>, NotOurs> {
    let header = match Ipv4HeaderSlice::from_slice(bytes.data) {
        Ok(header) => header,
        Err(err::ipv4::HeaderSliceError::Len(_)) => return Err(bytes.short(Layer::Network)),
        Err(_) => return Err(NotOurs::Malformed(Layer::Network)),
    };
    let header_len = header.slice().len();
    let packet = match usize::from(header.total_len()) {
        // Written before the network card split it (segmentation offload): it ends with the frame.
        0 => bytes,
        length if length < header_len => return Err(NotOurs::Malformed(Layer::Network)),
        _ => bytes.limited_to(u32::from(header.total_len())),
    };
    let fragment = header.is_fragmenting_payload().then(|| Fragment {
        identification: u32::from(header.identification()),
        offset: u32::from(header.fragments_offset().value()) * 8,
        more: header.more_fragments(),
        v6: false,
    });
    Ok(Network {
        hosts: Hosts {
            source: Endpoint::v4(header.source(), 0).address,
            destination: Endpoint::v4(header.destination(), 0).address,
        },
        protocol: header.protocol().0,
        identification: header.identification(),
        payload: packet.after(header_len, Layer::Network)?,
        fragment,
    })
}

/// Reads an IPv6 header (RFC 8200 section 3). Extension headers are left to [`extension`], [`fragment`] and [`authentication`].
#[inline]
pub(super) fn ipv6(bytes: Captured<'_>) -> Result<Network<'_>, NotOurs> {
    let Ok(header) = Ipv6HeaderSlice::from_slice(bytes.data) else {
        return Err(bytes.short(Layer::Network));
    };
    let payload = bytes.after(header.slice().len(), Layer::Network)?;
    Ok(Network {
        hosts: Hosts {
            source: Endpoint::v6(header.source(), 0).address,
            destination: Endpoint::v6(header.destination(), 0).address,
        },
        protocol: header.next_header().0,
        identification: 0,
        payload: match header.payload_length() {
            // A jumbogram, whose length is in an option (RFC 2675), or segmentation offload: either ends with the frame.
            0 => payload,
            length => payload.limited_to(u32::from(length)),
        },
        fragment: None,
    })
}

/// True for extension headers of the common form.
pub(super) fn is_extension(protocol: u8) -> bool {
    matches!(
        protocol,
        HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | MOBILITY | HOST_IDENTITY | SHIM6
    )
}

/// Takes an extension header of the common form (RFC 8200 section 4) off: the protocol that follows, and its bytes.
pub(super) fn extension(bytes: Captured<'_>) -> Result<(u8, Captured<'_>), NotOurs> {
    let (&[next, length], _) = bytes.header(Layer::Network)?;
    let payload = bytes.after(usize::from(length) * 8 + 8, Layer::Network)?;
    Ok((next, payload))
}

/// Takes a fragment header off. One that stands alone (an atomic fragment, RFC 6946) makes the packet no fragment.
pub(super) fn fragment(
    bytes: Captured<'_>,
) -> Result<(u8, Option<Fragment>, Captured<'_>), NotOurs> {
    let Ok(header) = Ipv6FragmentHeaderSlice::from_slice(bytes.data) else {
        return Err(bytes.short(Layer::Network));
    };
    let fragment = header.is_fragmenting_payload().then(|| Fragment {
        identification: header.identification(),
        offset: u32::from(header.fragment_offset().value()) * 8,
        more: header.more_fragments(),
        v6: true,
    });
    let payload = bytes.after(header.slice().len(), Layer::Network)?;
    Ok((header.next_header().0, fragment, payload))
}

/// Takes an authentication header (RFC 4302) off; what it protects is not encrypted.
pub(super) fn authentication(bytes: Captured<'_>) -> Result<(u8, Captured<'_>), NotOurs> {
    let header = match IpAuthHeaderSlice::from_slice(bytes.data) {
        Ok(header) => header,
        Err(err::ip_auth::HeaderSliceError::Len(_)) => return Err(bytes.short(Layer::Network)),
        Err(_) => return Err(NotOurs::Malformed(Layer::Network)),
    };
    let payload = bytes.after(header.slice().len(), Layer::Network)?;
    Ok((header.next_header().0, payload))
}

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
/// The IPv6 fragment header.
pub(super) const FRAGMENT: u8 = 44;
/// The authentication header.
pub(super) const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;
const MOBILITY: u8 = 135;
const HOST_IDENTITY: u8 = 139;
const SHIM6: u8 = 140;
