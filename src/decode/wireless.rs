//! IEEE 802.11 data frames that are not encrypted, with or without a radiotap header.

use super::captured::Captured;
use super::outcome::{Layer, NotOurs};
use super::{Next, Step};

/// A radiotap header: of its fields, only the flags matter, which say what surrounds the frame.
pub(super) fn radiotap(bytes: Captured<'_>) -> Step<'_> {
    let (&[version, _, low, high], _) = bytes.header(Layer::Link)?;
    let header_len = usize::from(u16::from_le_bytes([low, high]));
    if version != 0 || header_len < 8 {
        return Err(NotOurs::Malformed(Layer::Link));
    }
    let mut frame = bytes.after(header_len, Layer::Link)?;
    let header = bytes.data.get(..header_len).unwrap_or_default();
    let flags = radiotap_flags(header).unwrap_or(0);
    if flags & RADIOTAP_FCS != 0 {
        frame = frame.at_most(frame.wire_len().saturating_sub(4));
    }
    if flags & RADIOTAP_PADDED == 0 {
        Ok((Next::Wireless, frame))
    } else {
        Ok((Next::WirelessPadded, frame))
    }
}

/// The flags field. Fields stand in the order of their bits, each aligned to its size; only a time stamp precedes it.
fn radiotap_flags(header: &[u8]) -> Option<u8> {
    let mut present = header.get(4..)?.chunks_exact(4);
    let first = present.next()?;
    let mut fields = 8;
    let mut word = first;
    while word.last()? & 0x80 != 0 {
        word = present.next()?;
        fields += 4;
    }
    if first.first()? & 2 == 0 {
        return None;
    }
    if first.first()? & 1 != 0 {
        fields = usize::next_multiple_of(fields, 8) + 8;
    }
    header.get(fields).copied()
}

/// The header of a data frame (IEEE 802.11 section 9.3.2.1). `padded` if the header was filled up to a multiple of four.
pub(super) fn frame(bytes: Captured<'_>, padded: bool) -> Step<'_> {
    let (fixed, _) = bytes.header::<24>(Layer::Link)?;
    let (control, flags) = (fixed[0], fixed[1]);
    // Version 0 and type data; a frame without data carries nothing.
    if control & 0x0f != 0x08 || control & SUBTYPE_NO_DATA != 0 {
        return Err(NotOurs::NotIp);
    }
    if flags & PROTECTED != 0 {
        return Err(NotOurs::Encrypted);
    }
    // The number of the fragment: only the first one begins with headers.
    if fixed[22] & 0x0f != 0 {
        return Err(NotOurs::FragmentHeld);
    }
    let mut header_len = 24;
    if flags & BOTH_SYSTEMS == BOTH_SYSTEMS {
        header_len += 6;
    }
    let mut aggregate = false;
    if control & SUBTYPE_QOS != 0 {
        let (&[quality, _], _) = bytes.after(header_len, Layer::Link)?.header(Layer::Link)?;
        aggregate = quality & QOS_AGGREGATE != 0;
        header_len += 2;
        if flags & ORDER != 0 {
            header_len += 4;
        }
    }
    if padded {
        header_len = header_len.next_multiple_of(4);
    }
    let payload = bytes.after(header_len, Layer::Link)?;
    Ok(if aggregate {
        (Next::Aggregate, payload)
    } else {
        (Next::Llc, payload)
    })
}

/// The first packet of an A-MSDU (section 9.3.2.2.2), and true if others follow.
pub(super) fn aggregate(bytes: Captured<'_>) -> Result<(Captured<'_>, bool), NotOurs> {
    let (header, rest) = bytes.header::<14>(Layer::Link)?;
    let length = u32::from(u16::from_be_bytes([header[12], header[13]]));
    // The subframe is filled up to a multiple of four.
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
