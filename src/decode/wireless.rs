//! IEEE 802.11 data frames without encryption, with or without a radiotap header.

use super::decoded::{Layer, SkipReason};
use super::wire_bytes::WireBytes;
use super::{LayerResult, NextHeader};

/// Decodes a radiotap header. Only its flags matter: they state padding and checksum of the frame.
pub(super) fn radiotap(bytes: WireBytes<'_>) -> LayerResult<'_> {
    let (&[version, _, low, high], _) = bytes.split_header(Layer::Link)?;
    let header_len = usize::from(u16::from_le_bytes([low, high]));
    if version != 0 || header_len < 8 {
        return Err(SkipReason::Malformed(Layer::Link));
    }
    let mut frame = bytes.skip(header_len, Layer::Link)?;
    let header = bytes.data.get(..header_len).unwrap_or_default();
    let flags = radiotap_flags(header).unwrap_or(0);
    if flags & RADIOTAP_FCS != 0 {
        frame = frame.at_most(frame.wire_len().saturating_sub(4));
    }
    if flags & RADIOTAP_PADDED == 0 {
        Ok((NextHeader::Wireless, frame))
    } else {
        Ok((NextHeader::WirelessPadded, frame))
    }
}

/// Returns the flags field; `None` if it is absent.
fn radiotap_flags(header: &[u8]) -> Option<u8> {
    let mut present = header.get(4..)?.chunks_exact(4);
    let first = present.next()?;
    let mut fields = 8;
    let mut word = first;
    // Bit 31 announces another word of present bits.
    while word.last()? & 0x80 != 0 {
        word = present.next()?;
        fields += 4;
    }
    if first.first()? & 2 == 0 {
        return None;
    }
    // Fields are in the order of their bits, each aligned to its size. Only bit 0, a timestamp of 8 bytes, precedes the
    // flags.
    if first.first()? & 1 != 0 {
        fields = usize::next_multiple_of(fields, 8) + 8;
    }
    header.get(fields).copied()
}

/// Decodes the header of a data frame (IEEE 802.11-2020 section 9.3.2.1); `padded` if it is padded to a multiple of
/// four.
pub(super) fn frame(bytes: WireBytes<'_>, padded: bool) -> LayerResult<'_> {
    let (fixed, _) = bytes.split_header::<24>(Layer::Link)?;
    let (control, flags) = (fixed[0], fixed[1]);
    // Version 0 and type data; null frames, which only signal power saving, carry no packet.
    if control & 0x0f != 0x08 || control & SUBTYPE_NO_DATA != 0 {
        return Err(SkipReason::NotIp);
    }
    if flags & PROTECTED != 0 {
        return Err(SkipReason::Encrypted);
    }
    // Fragment number: only the first fragment begins with headers. Fragments of frames are not joined.
    if fixed[22] & 0x0f != 0 {
        return Err(SkipReason::FragmentHeld);
    }
    let mut header_len = 24;
    // From one access point to another: a fourth address.
    if flags & BOTH_SYSTEMS == BOTH_SYSTEMS {
        header_len += 6;
    }
    let mut aggregate = false;
    if control & SUBTYPE_QOS != 0 {
        let (&[quality, _], _) = bytes
            .skip(header_len, Layer::Link)?
            .split_header(Layer::Link)?;
        aggregate = quality & QOS_AGGREGATE != 0;
        header_len += 2;
        // In a QoS frame this bit announces an HT control field.
        if flags & ORDER != 0 {
            header_len += 4;
        }
    }
    if padded {
        header_len = header_len.next_multiple_of(4);
    }
    let payload = bytes.skip(header_len, Layer::Link)?;
    Ok(if aggregate {
        (NextHeader::Aggregate, payload)
    } else {
        (NextHeader::Llc, payload)
    })
}

/// Decodes the first packet of an A-MSDU (IEEE 802.11-2020 section 9.3.2.2.2). Returns true with it if others follow.
pub(super) fn aggregate(bytes: WireBytes<'_>) -> Result<(WireBytes<'_>, bool), SkipReason> {
    let (header, rest) = bytes.split_header::<14>(Layer::Link)?;
    let length = u32::from(u16::from_be_bytes([header[12], header[13]]));
    // Up to 3 bytes of padding are not another subframe.
    let several = rest.wire_len() > length.saturating_add(3);
    Ok((rest.at_most(length), several))
}

const SUBTYPE_NO_DATA: u8 = 0x40;
const SUBTYPE_QOS: u8 = 0x80;
const BOTH_SYSTEMS: u8 = 0x03;
const PROTECTED: u8 = 0x40;
const ORDER: u8 = 0x80;
const QOS_AGGREGATE: u8 = 0x80;
const RADIOTAP_FCS: u8 = 0x10;
const RADIOTAP_PADDED: u8 = 0x20;
