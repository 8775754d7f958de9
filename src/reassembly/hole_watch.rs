//! Two ways to decide that the bytes of a hole will not arrive, so that the hole becomes a gap.
//!
//! [`HoleWatch`] decides by time and packets. It samples positions instead of timing each hole: everything acknowledged
//! at the time of the sample has been acknowledged for at least the sample's age. One sample decides any number of
//! holes, each after one to two times the wait.
//!
//! [`RoundTrip`] decides by the dialogue itself, at once:
//!
//! ```text
//! sender   --- A (not captured) ------------------ C acknowledges B --->
//! receiver ------------------- B acknowledges A ------------------------
//! ```
//!
//! B proves that A was sent and arrived; C, that its sender had received B, so that C was sent a round trip after A.
//! The packets of one direction pass the capture point in the order of sending, except for reordering on the path,
//! which never spans a round trip. A is therefore missing in the capture, however little time has passed, and the next
//! command of a dialogue is not held for it.

use crate::model::{Span, Timestamp};

/// Running samples of one stream with holes.
#[derive(Debug, Default)]
pub(super) struct HoleWatch {
    /// End of the acknowledged bytes, with the packet count of the flow. `None` while no sample runs.
    acked: Option<Sample>,
    /// End of the captured bytes, with the packet count of the receiver. `None` while no sample runs.
    silent: Option<Sample>,
}

/// Position of a stream and its flow at the current packet. Positions are stream offsets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// First missing byte.
    pub(super) next: u64,
    /// End of the bytes that the receiver has acknowledged.
    pub(super) acked: u64,
    /// End of the captured bytes.
    pub(super) highest: u64,
    /// Packets of the flow, both directions.
    pub(super) packets: u64,
    /// Packets that the receiver has sent.
    pub(super) receiver_packets: u64,
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
    /// Returns the offset before which missing bytes will not arrive; 0 while nothing is decided.
    pub(super) fn decided(&mut self, standing: Standing) -> u64 {
        let acked = self.acked.take_if(|sample| {
            standing.packets.saturating_sub(sample.packets) >= ACKED_PACKETS
                || standing.now.since(sample.time) >= ACKED_TIME
        });
        // Any packet of the receiver restarts the wait: its side is captured, and will acknowledge.
        self.silent
            .take_if(|sample| sample.packets != standing.receiver_packets);
        let silent = self
            .silent
            .take_if(|sample| standing.now.since(sample.time) >= SILENT_TIME);
        let position = |sample: Option<Sample>| sample.map_or(0, |sample| sample.position);
        // The acknowledged number beyond all captured bytes may be that of a FIN, which only the end of the flow decides.
        position(acked).max(position(silent)).min(standing.highest)
    }

    /// Starts the samples that are not running, while there is a hole.
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
            packets: standing.receiver_packets,
            time: standing.now,
        });
    }

    /// Stops all samples, when there is no hole.
    pub(super) fn stop(&mut self) {
        *self = Self::default();
    }
}

/// The round trip being watched, of one stream with a hole.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RoundTrip {
    /// Offset that the receiver acknowledged, and the end of its own stream when it did. `None` while none is watched.
    answer: Option<(u64, u64)>,
}

impl RoundTrip {
    /// Records that the receiver acknowledged up to `position`, beyond the captured bytes, in a segment with new bytes
    /// of its own that end at `end`.
    pub(super) const fn on_answer(&mut self, position: u64, end: u64) {
        // The earliest answer decides first; a later one would only restart the wait.
        if self.answer.is_none() {
            self.answer = Some((position, end));
        }
    }

    /// Returns the offset before which missing bytes will not arrive; 0 while nothing is decided.
    ///
    /// The sender has acknowledged the receiver's stream up to `acked`; all bytes before `next` are delivered or
    /// missing.
    pub(super) fn decided(&mut self, next: u64, acked: u64) -> u64 {
        self.answer.take_if(|(position, _)| *position <= next);
        self.answer
            .filter(|(_, end)| acked >= *end)
            .map_or(0, |(position, _)| position)
    }
}

/// Packets of the flow after which acknowledged bytes that were not captured are missing.
const ACKED_PACKETS: u64 = 64;

/// Time after which acknowledged bytes that were not captured are missing.
const ACKED_TIME: Span = Span::from_millis(200);

/// Time after which a hole is a gap while the receiver sends nothing.
const SILENT_TIME: Span = Span::from_secs(2);
