//! Segments that came before what they answer.
//!
//! ```text
//! sent       A --->  <--- B acknowledges A  ---> C acknowledges B
//! captured   B C A      B and C wait for A, then A B C are handled
//! ```
//!
//! A capture may hold the two directions out of step: two interfaces, a mirror port, several queues of one card. A segment
//! with payload or FIN that acknowledges bytes nobody has seen waits here until they come. Where they do not, eight packets of
//! the flow or 20 ms are enough: then they were not captured, and all goes on in the order of the capture.

use std::collections::VecDeque;

use crate::decode::Segment;
use crate::model::{Direction, Span, Timestamp};

use super::budget::Budget;

/// The segments of one flow that wait, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct WaitingRoom {
    guests: VecDeque<Guest>,
    bytes: usize,
    /// Packets of the flow since the room was opened.
    packets: u64,
}

/// A segment that waits.
#[derive(Debug)]
pub(super) struct Guest {
    /// Its sender.
    pub(super) direction: Direction,
    head: Segment<'static>,
    payload: Box<[u8]>,
    packets: u64,
    since: Timestamp,
}

impl Guest {
    /// The segment as it came.
    pub(super) fn segment(&self) -> Segment<'_> {
        Segment {
            payload: &self.payload,
            ..self.head
        }
    }
}

impl WaitingRoom {
    /// True where nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.guests.is_empty()
    }

    /// Payload bytes held.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// A packet of the flow came.
    pub(super) const fn packet(&mut self) {
        self.packets += 1;
    }

    /// Lets a segment wait.
    pub(super) fn admit(
        &mut self,
        direction: Direction,
        segment: &Segment<'_>,
        now: Timestamp,
        budget: &mut Budget,
    ) {
        budget.hold(segment.payload.len());
        self.bytes += segment.payload.len();
        self.guests.push_back(Guest {
            direction,
            head: Segment {
                payload: &[],
                ..*segment
            },
            payload: segment.payload.into(),
            packets: self.packets,
            since: now,
        });
    }

    /// The first segment that `may_go`, or that has waited for long enough at `now`.
    pub(super) fn next(
        &mut self,
        now: Timestamp,
        budget: &mut Budget,
        may_go: impl Fn(Direction, &Segment<'_>) -> bool,
    ) -> Option<Guest> {
        let packets = self.packets;
        let waited = |guest: &Guest| {
            packets.saturating_sub(guest.packets) >= PACKETS || now.since(guest.since) >= TIME
        };
        let index = self
            .guests
            .iter()
            .position(|guest| waited(guest) || may_go(guest.direction, &guest.segment()))?;
        let guest = self.guests.remove(index)?;
        budget.release(guest.payload.len());
        self.bytes = self.bytes.saturating_sub(guest.payload.len());
        Some(guest)
    }
}

/// Packets of the flow for which a segment waits at most: more than captures put out of step.
const PACKETS: u64 = 8;
/// Capture time for which a segment waits at most.
const TIME: Span = Span::from_millis(20);
