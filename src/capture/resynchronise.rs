//! Finds the next record of a pcap file behind a damaged one.
//!
//! Nothing in the format marks the beginning of a record. What is believed is a chain: several headers, each pointing
//! to the next, whose times lie near the last packet's and whose lengths fit. Where there is none, the file ends.

use super::pcap_layout::{Header, Layout};
use crate::model::{Span, Timestamp};

/// Offset in `bytes` of the next record that can be believed, behind the damaged one at 0.
pub(super) fn find(bytes: &[u8], layout: &Layout, last: Option<Timestamp>) -> Option<usize> {
    // Without a packet before the damage there is no time to compare with.
    let last = last?;
    (1..bytes.len()).find(|&offset| is_chain(bytes, offset, layout, last))
}

fn is_chain(bytes: &[u8], mut offset: usize, layout: &Layout, last: Timestamp) -> bool {
    for _ in 0..CHAIN {
        let Some(head) = bytes.get(offset..).and_then(<[u8]>::first_chunk) else {
            return false;
        };
        let header = layout.header(head);
        if !is_believable(header, layout, last) {
            return false;
        }
        offset += layout.header_len + header.captured as usize;
    }
    true
}

fn is_believable(header: Header, layout: &Layout, last: Timestamp) -> bool {
    let away = layout.time(header).since(last);
    header.fraction < layout.units()
        && (MIN_PACKET..=layout.bound).contains(&header.captured)
        && (header.captured..=layout.bound).contains(&header.wire)
        && away >= Span::from_secs(-NEAR)
        && away <= Span::from_secs(NEAR)
}

/// How far ahead is looked, in bytes.
pub(super) const WINDOW: usize = 256 << 10;
/// Headers in a row that make a chain: 4 of 16 bytes leave no room for chance.
const CHAIN: usize = 4;
/// Seconds a packet may be away from the last one.
const NEAR: i64 = 3600;
/// No link header is shorter; runs of zeros are no chain.
const MIN_PACKET: u32 = 4;
