//! IP layer: IPv4, IPv6 and extension headers.

use etherparse::{
    IpAuthHeaderSlice, Ipv4HeaderSlice, Ipv6FragmentHeaderSlice, Ipv6HeaderSlice, err,
};

use super::decoded::{Layer, SkipReason};
use super::wire_bytes::WireBytes;
use crate::model::Endpoint;

/// Addresses of an IP packet, in [`Endpoint::address`] form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Addresses {
    pub(super) source: u128,
    pub(super) destination: u128,
}

/// Fields of an IP header that belong to the segment behind it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct IpHeader {
    pub(super) addresses: Addresses,
    /// Identification of an IPv4 packet; 0 for IPv6.
    pub(super) identification: u16,
    /// Length of the packet on the wire in bytes, the header included.
    pub(super) length: u32,
}

/// Decoded IP header and its payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct IpPacket<'a> {
    pub(super) header: IpHeader,
    /// Protocol number of the header that `payload` begins with.
    pub(super) protocol: u8,
    /// Payload, up to the end stated by the header.
    pub(super) payload: WireBytes<'a>,
    /// Position of the payload in its datagram; `None` if the packet is not a fragment.
    pub(super) fragment: Option<FragmentInfo>,
}

/// Position of a fragment in its datagram (RFC 791 section 3.2, RFC 8200 section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FragmentInfo {
    /// Identification, which distinguishes the datagrams between two hosts.
    pub(super) identification: u32,
    /// Offset in bytes, a multiple of 8.
    pub(super) offset: u32,
    /// True if more fragments follow this one.
    pub(super) more: bool,
    /// True for IPv6, where the protocol is that of the first fragment.
    pub(super) v6: bool,
}

/// Decodes an IP header of either version.
#[inline]
pub(super) fn ip(bytes: WireBytes<'_>) -> Result<IpPacket<'_>, SkipReason> {
    match bytes.data.first().map(|byte| byte >> 4) {
        Some(4) => ipv4(bytes),
        Some(6) => ipv6(bytes),
        Some(_) => Err(SkipReason::Malformed(Layer::Network)),
        None => Err(bytes.incomplete(Layer::Network)),
    }
}

/// Decodes an IPv4 header (RFC 791 section 3.1).
#[inline]
pub(super) fn ipv4(bytes: WireBytes<'_>) -> Result<IpPacket<'_>, SkipReason> {
    let header = match Ipv4HeaderSlice::from_slice(bytes.data) {
        Ok(header) => header,
        Err(err::ipv4::HeaderSliceError::Len(_)) => return Err(bytes.incomplete(Layer::Network)),
        Err(_) => return Err(SkipReason::Malformed(Layer::Network)),
    };
    let header_len = header.slice().len();
    let packet = match usize::from(header.total_len()) {
        // Segmentation offload: captured on the sending host before the network card split it. It ends with the frame.
        0 => bytes,
        length if length < header_len => return Err(SkipReason::Malformed(Layer::Network)),
        _ => bytes.with_wire_len(u32::from(header.total_len())),
    };
    let fragment = header.is_fragmenting_payload().then(|| FragmentInfo {
        identification: u32::from(header.identification()),
        offset: u32::from(header.fragments_offset().value()) * 8,
        more: header.more_fragments(),
        v6: false,
    });
    Ok(IpPacket {
        header: IpHeader {
            addresses: Addresses {
                source: Endpoint::v4(header.source(), 0).address,
                destination: Endpoint::v4(header.destination(), 0).address,
            },
            identification: header.identification(),
            length: packet.wire_len(),
        },
        protocol: header.protocol().0,
        payload: packet.skip(header_len, Layer::Network)?,
        fragment,
    })
}

/// Decodes an IPv6 header (RFC 8200 section 3). Extension headers are left to [`extension`], [`fragment`] and
/// [`authentication`].
#[inline]
pub(super) fn ipv6(bytes: WireBytes<'_>) -> Result<IpPacket<'_>, SkipReason> {
    let Ok(header) = Ipv6HeaderSlice::from_slice(bytes.data) else {
        return Err(bytes.incomplete(Layer::Network));
    };
    let header_len = header.slice().len();
    let payload = bytes.skip(header_len, Layer::Network)?;
    let payload = match header.payload_length() {
        // A jumbogram, whose length is in an option (RFC 2675), or segmentation offload. Both end with the frame.
        0 => payload,
        length => payload.with_wire_len(u32::from(length)),
    };
    Ok(IpPacket {
        header: IpHeader {
            addresses: Addresses {
                source: Endpoint::v6(header.source(), 0).address,
                destination: Endpoint::v6(header.destination(), 0).address,
            },
            identification: 0,
            length: payload.wire_len().saturating_add(IPV6_HEADER),
        },
        protocol: header.next_header().0,
        payload,
        fragment: None,
    })
}

/// Returns true for extension headers of the common format.
pub(super) fn is_extension(protocol: u8) -> bool {
    matches!(
        protocol,
        HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | MOBILITY | HOST_IDENTITY | SHIM6
    )
}

/// Decodes an extension header of the common format (RFC 6564 section 4). Returns the next protocol and its bytes.
pub(super) fn extension(bytes: WireBytes<'_>) -> Result<(u8, WireBytes<'_>), SkipReason> {
    let (&[next, length], _) = bytes.split_header(Layer::Network)?;
    // The length counts units of 8 bytes and excludes the first one.
    let payload = bytes.skip(usize::from(length) * 8 + 8, Layer::Network)?;
    Ok((next, payload))
}

/// Decodes an IPv6 fragment header. Returns the next protocol, the position and the bytes.
///
/// The position is `None` for an atomic fragment (RFC 6946), which is a complete packet.
pub(super) fn fragment(
    bytes: WireBytes<'_>,
) -> Result<(u8, Option<FragmentInfo>, WireBytes<'_>), SkipReason> {
    let Ok(header) = Ipv6FragmentHeaderSlice::from_slice(bytes.data) else {
        return Err(bytes.incomplete(Layer::Network));
    };
    let fragment = header.is_fragmenting_payload().then(|| FragmentInfo {
        identification: header.identification(),
        offset: u32::from(header.fragment_offset().value()) * 8,
        more: header.more_fragments(),
        v6: true,
    });
    let payload = bytes.skip(header.slice().len(), Layer::Network)?;
    Ok((header.next_header().0, fragment, payload))
}

/// Decodes an authentication header (RFC 4302). Returns the next protocol and its bytes, which are not encrypted.
pub(super) fn authentication(bytes: WireBytes<'_>) -> Result<(u8, WireBytes<'_>), SkipReason> {
    let header = match IpAuthHeaderSlice::from_slice(bytes.data) {
        Ok(header) => header,
        Err(err::ip_auth::HeaderSliceError::Len(_)) => {
            return Err(bytes.incomplete(Layer::Network));
        }
        Err(_) => return Err(SkipReason::Malformed(Layer::Network)),
    };
    let payload = bytes.skip(header.slice().len(), Layer::Network)?;
    Ok((header.next_header().0, payload))
}

/// Length of the IPv6 header in bytes.
const IPV6_HEADER: u32 = 40;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
/// Protocol number of the IPv6 fragment header.
pub(super) const FRAGMENT: u8 = 44;
/// Protocol number of the authentication header.
pub(super) const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;
const MOBILITY: u8 = 135;
const HOST_IDENTITY: u8 = 139;
const SHIM6: u8 = 140;
