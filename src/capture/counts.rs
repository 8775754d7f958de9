//! What was read of an input.

use super::record::Notice;
use crate::model::{Timestamp, WarningCode};

/// Packets and bytes so far, and when they were.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) packets: u64,
    pub(super) bytes: u64,
    pub(super) first: Option<Timestamp>,
    pub(super) last: Option<Timestamp>,
    pub(super) truncated: bool,
    pub(super) ended: bool,
}

impl Counts {
    /// One more packet, of which `len` bytes were captured.
    #[inline]
    pub(super) fn add(&mut self, time: Timestamp, len: usize) {
        self.packets += 1;
        self.bytes += len as u64;
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        self.last = Some(self.last.map_or(time, |last| last.max(time)));
    }

    /// What was noticed between packets.
    pub(super) fn note(&mut self, notice: &Notice) {
        self.truncated |= notice.code == WarningCode::CaptureTruncated;
    }
}
