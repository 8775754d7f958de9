//! Tags between the link header and IP: VLAN and MPLS.

use etherparse::SingleVlanHeaderSlice;

use super::captured::Captured;
use super::outcome::{Layer, NotOurs};
use super::{Next, Step};

/// A VLAN tag (IEEE 802.1Q). Stacked ones come one after the other.
pub(super) fn vlan(bytes: Captured<'_>) -> Step<'_> {
    let (ether_type, payload) = vlan_header(bytes)?;
    Ok((Next::EtherType(ether_type), payload))
}

/// Takes a VLAN tag off.
#[inline]
pub(super) fn vlan_header(bytes: Captured<'_>) -> Result<(u16, Captured<'_>), NotOurs> {
    let Ok(header) = SingleVlanHeaderSlice::from_slice(bytes.data) else {
        return Err(bytes.short(Layer::Link));
    };
    let payload = bytes.after(header.slice().len(), Layer::Link)?;
    Ok((header.ether_type().0, payload))
}

/// One entry of an MPLS label stack (RFC 3032 section 2.1).
///
/// What follows the last entry is agreed between the routers and told by nothing but its first four bits: IP, the
/// control word of a pseudowire (RFC 4385) before Ethernet, or else Ethernet itself.
pub(super) fn mpls(bytes: Captured<'_>) -> Step<'_> {
    let (&[_, _, label, _], payload) = bytes.header(Layer::Link)?;
    if label & 1 == 0 {
        return Ok((Next::Mpls, payload));
    }
    match payload.data.first().map(|byte| byte >> 4) {
        Some(4 | 6) => Ok((Next::Ip, payload)),
        Some(0) => Ok((Next::Ethernet, payload.after(4, Layer::Link)?)),
        // The channel for the pseudowire's own upkeep.
        Some(1) => Err(NotOurs::NotIp),
        Some(_) => Ok((Next::Ethernet, payload)),
        None => Err(payload.short(Layer::Link)),
    }
}
