//! Decides how long a hole stays open.
//!
//! Positions are sampled, not noted for each hole: what had been acknowledged at the sample has been acknowledged for at
//! least as long as the sample is old. That decides any number of holes at once, each after one to two times the wait.

use crate::model::{Span, Timestamp};

/// The samples of one stream with holes.
#[derive(Debug, Default)]
pub(super) struct HoleWatch {
    /// What was acknowledged, when the flow had had `packets`.
    acked: Option<Sample>,
    /// What had been seen, when the other side had sent `packets`.
    silent: Option<Sample>,
}

/// Where a stream and its flow stand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// First byte missing.
    pub(super) next: u64,
    /// What the other side has acknowledged.
    pub(super) acked: u64,
    /// End of what was seen.
    pub(super) highest: u64,
    /// Packets of the flow, both ways.
    pub(super) packets: u64,
    /// Packets of the other side.
    pub(super) packets_of_other: u64,
    /// Capture time.
    pub(super) now: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    position: u64,
    packets: u64,
    time: Timestamp,
}

impl HoleWatch {
    /// The position before which what is missing will not come any more; 0 when there is none.
    pub(super) fn decided(&mut self, standing: Standing) -> u64 {
        let acked = self.acked.take_if(|sample| {
            standing.packets.saturating_sub(sample.packets) >= ACKED_PACKETS
                || standing.now.since(sample.time) >= ACKED_TIME
        });
        // An answer starts the time anew: the other side is there, and will acknowledge.
        self.silent
            .take_if(|sample| sample.packets != standing.packets_of_other);
        let silent = self
            .silent
            .take_if(|sample| standing.now.since(sample.time) >= SILENT_TIME);
        let position = |sample: Option<Sample>| sample.map_or(0, |sample| sample.position);
        // What was acknowledged beyond all that was seen may be a FIN; the end of the flow will tell.
        position(acked).max(position(silent)).min(standing.highest)
    }

    /// There is a hole (still): takes the samples that are not running.
    pub(super) fn watch(&mut self, standing: Standing) {
        if standing.acked > standing.next {
            self.acked.get_or_insert(Sample {
                position: standing.acked,
                packets: standing.packets,
                time: standing.now,
            });
        }
        self.silent.get_or_insert(Sample {
            position: standing.highest,
            packets: standing.packets_of_other,
            time: standing.now,
        });
    }

    /// There is no hole.
    pub(super) fn rest(&mut self) {
        *self = Self::default();
    }
}

/// Packets of the flow after which bytes that were acknowledged but not seen are missing.
const ACKED_PACKETS: u64 = 64;
/// Time after which bytes that were acknowledged but not seen are missing.
const ACKED_TIME: Span = Span::from_millis(200);
/// Time after which a hole is a gap when the other side says nothing.
const SILENT_TIME: Span = Span::from_secs(2);
