//! Segments captured before the bytes that they acknowledge.
//!
//! ```text
//! sent       A --->  <--- B acknowledges A  ---> C acknowledges B
//! captured   B C A      B and C are held until A is there, then A B C are handled
//! ```
//!
//! The two directions of a capture may be out of step: two interfaces, a mirror port, several queues of one card. A
//! segment with payload or FIN that acknowledges bytes not captured yet is held here until they are. After 8 packets of
//! the flow or 20 ms those bytes count as lost by the capture, and segments are handled in capture order again.

use std::collections::VecDeque;

use crate::decode::Segment;
use crate::model::{Direction, Span, Timestamp};

use super::budget::Budget;
use super::sequence::SeqNum;

/// Held early segments of one flow, in capture order.
#[derive(Debug, Default)]
pub(super) struct EarlySegments {
    segments: VecDeque<EarlySegment>,
    bytes: usize,
    /// Packets of the flow since the first segment was held.
    packets: u64,
}

/// A segment with its own copy of the payload.
#[derive(Debug)]
pub(super) struct EarlySegment {
    /// Direction in which it was sent.
    pub(super) direction: Direction,
    header: Segment<'static>,
    payload: Box<[u8]>,
    /// [`EarlySegments::packets`] when it was captured.
    packets: u64,
    captured: Timestamp,
}

impl EarlySegment {
    /// Returns the segment as it was captured.
    pub(super) fn segment(&self) -> Segment<'_> {
        Segment {
            payload: &self.payload,
            ..self.header
        }
    }
}

impl EarlySegments {
    /// Returns whether no segment is held.
    pub(super) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Returns the number of payload bytes held.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the first sequence number of the bytes that are held of one direction; `None` without any.
    pub(super) fn first_sequence(&self, direction: Direction) -> Option<SeqNum> {
        let segments = self.segments.iter();
        let of = segments.filter(|early| early.direction == direction && !early.payload.is_empty());
        of.map(|early| SeqNum(early.header.sequence))
            .reduce(|first, other| {
                if other.distance_from(first) < 0 {
                    other
                } else {
                    first
                }
            })
    }

    /// Counts a packet of the flow.
    pub(super) const fn count_packet(&mut self) {
        self.packets += 1;
    }

    /// Holds a copy of a segment.
    pub(super) fn hold(
        &mut self,
        direction: Direction,
        segment: &Segment<'_>,
        now: Timestamp,
        budget: &mut Budget,
    ) {
        budget.hold(segment.payload.len());
        self.bytes += segment.payload.len();
        self.segments.push_back(EarlySegment {
            direction,
            // The payload borrows from the packet buffer, which is reused for the next packet.
            header: Segment {
                header: &[],
                payload: &[],
                ..*segment
            },
            payload: segment.payload.into(),
            packets: self.packets,
            captured: now,
        });
    }

    /// Removes the first segment that `is_ready`, or whose time is over at `now`.
    pub(super) fn pop(
        &mut self,
        now: Timestamp,
        budget: &mut Budget,
        is_ready: impl Fn(Direction, &Segment<'_>) -> bool,
    ) -> Option<EarlySegment> {
        let packets = self.packets;
        let is_due = |early: &EarlySegment| {
            packets.saturating_sub(early.packets) >= LONGEST_PACKETS
                || now.since(early.captured) >= LONGEST_TIME
        };
        // Short: every packet of the flow counts, so that at most 8 segments are held.
        let index = self
            .segments
            .iter()
            .position(|early| is_due(early) || is_ready(early.direction, &early.segment()))?;
        let early = self.segments.remove(index)?;
        budget.release(early.payload.len());
        self.bytes = self.bytes.saturating_sub(early.payload.len());
        Some(early)
    }
}

/// Packets of the flow after which a segment is held no longer: more than captures put out of step.
const LONGEST_PACKETS: u64 = 8;

/// Capture time after which a segment is held no longer.
const LONGEST_TIME: Span = Span::from_millis(20);
