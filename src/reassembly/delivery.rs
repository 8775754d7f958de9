//! Calls to the handler, with the counts of the flow's summary kept in step.

use crate::model::{Direction, FrameRef, Timestamp};

use super::budget::Budget;
use super::{Chunk, CloseReason, FlowId, FlowSummary, Gap, HalfSummary, Interest, StreamHandler};

/// The frame in which a segment was captured, and whether frame order is the order of sending.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Arrival {
    /// The frame.
    pub(super) frame: FrameRef,
    /// Captured before the bytes it acknowledges, and held as an [early segment](super::early_segments) until they were
    /// captured too. Its own bytes may then still be held behind a hole.
    pub(super) waited: bool,
}

/// Everything that handling one packet needs beside the flow itself.
pub(super) struct Context<'a, H> {
    /// Receives streams and their events.
    pub(super) handler: &'a mut H,
    /// Limits that all flows share.
    pub(super) budget: &'a mut Budget,
    /// The flow's number.
    pub(super) flow: FlowId,
    /// The current packet.
    pub(super) frame: FrameRef,
    /// Capture time; [`Moment::arrived`](super::Moment::arrived) of the current packet.
    pub(super) now: Timestamp,
    /// The segment in hand is an early one whose acknowledged bytes were captured at last.
    pub(super) waited: bool,
}

/// Output of one direction of one flow: passes its bytes and gaps to the handler.
pub(super) struct Delivery<'a, 'b, H> {
    context: &'a mut Context<'b, H>,
    summary: &'a mut FlowSummary,
    ignored: &'a mut bool,
    direction: Direction,
}

impl<'b, H: StreamHandler> Context<'b, H> {
    /// Creates the context of a packet that is handled as it is captured.
    pub(super) const fn new(
        handler: &'b mut H,
        budget: &'b mut Budget,
        flow: FlowId,
        frame: FrameRef,
        now: Timestamp,
    ) -> Self {
        Self {
            handler,
            budget,
            flow,
            frame,
            now,
            waited: false,
        }
    }

    /// Returns the output of one direction. `ignored` is set once the handler loses interest.
    pub(super) const fn delivery<'a>(
        &'a mut self,
        summary: &'a mut FlowSummary,
        ignored: &'a mut bool,
        direction: Direction,
    ) -> Delivery<'a, 'b, H> {
        Delivery {
            context: self,
            summary,
            ignored,
            direction,
        }
    }

    /// Reports the end of the flow.
    pub(super) fn close(&mut self, reason: CloseReason, summary: &FlowSummary) {
        self.handler.closed(self.flow, reason, self.frame, summary);
    }
}

impl<H: StreamHandler> Delivery<'_, '_, H> {
    /// Delivers bytes in order.
    pub(super) fn data(&mut self, offset: u64, bytes: &[u8], arrived: Arrival) {
        self.half().delivered_bytes += bytes.len() as u64;
        self.measure_progress();
        let time = self.context.frame.time;
        self.summary.course.on_delivery(self.direction, time);
        let chunk = Chunk {
            frame: self.context.frame,
            arrived: arrived.frame,
            offset,
            bytes,
            waited: arrived.waited,
        };
        let interest =
            self.context
                .handler
                .data(self.context.flow, self.direction, chunk, self.summary);
        if interest == Interest::Ignore {
            *self.ignored = true;
        }
    }

    /// Reports a gap of `length` bytes, of which the receiver has acknowledged the first `acknowledged`.
    pub(super) fn gap(&mut self, offset: u64, length: u64, acknowledged: u64) {
        let frame = self.context.frame;
        let half = self.half();
        let irregular = half.irregular_mut();
        // Forged sequence numbers may declare gaps of any length.
        irregular.missing_bytes = irregular.missing_bytes.saturating_add(length);
        half.measured.record_gap(frame, offset, acknowledged);
        self.summary.course.on_gap(self.direction, offset);
        let gap = Gap {
            frame: self.context.frame,
            offset,
            length,
        };
        self.context
            .handler
            .gap(self.context.flow, self.direction, gap, self.summary);
    }

    /// Passes bytes that were captured too late to be delivered, or differ from those delivered.
    pub(super) fn undelivered(&mut self, bytes: &[u8]) {
        if !*self.ignored {
            let context = &mut *self.context;
            context
                .handler
                .undelivered(context.flow, self.direction, bytes);
        }
    }

    /// Reports that the stream has reached its FIN.
    pub(super) fn finished(&mut self) {
        self.measure_progress();
        self.half().finished = true;
        self.context.handler.finished(
            self.context.flow,
            self.direction,
            self.context.frame,
            self.summary,
        );
    }

    fn measure_progress(&mut self) {
        let frame = self.context.frame;
        // A pause is explained by the receiver's closed window, so that its total is recorded with each progress.
        let receiver_closed = self.other_half().measured.closed_until(frame.time);
        let half = self.half();
        let sent_again = half.retransmitted_bytes;
        half.measured
            .record_progress(frame, sent_again, receiver_closed);
    }

    /// Counts bytes that were captured before, `conflicting` of them with another value.
    pub(super) fn count_repeated(&mut self, bytes: u64, conflicting: u64) {
        let frame = self.context.frame;
        let half = self.half();
        half.retransmitted_bytes += bytes;
        if conflicting > 0 {
            let irregular = half.irregular_mut();
            irregular.conflicting_bytes += conflicting;
            irregular.first_conflict.get_or_insert(frame);
        }
    }

    /// Counts payload that is not part of the stream.
    pub(super) fn count_ignored(&mut self, bytes: u64) {
        if bytes > 0 {
            self.half().irregular_mut().ignored_bytes += bytes;
        }
    }

    /// Returns the summary of this direction.
    pub(super) const fn half(&mut self) -> &mut HalfSummary {
        &mut self.summary.half[self.direction.index()]
    }

    /// Returns the summary of the opposite direction.
    pub(super) const fn other_half(&self) -> &HalfSummary {
        self.summary.sent(self.direction.reverse())
    }

    /// Returns the number of packets of the flow so far, both directions.
    pub(super) const fn packets(&self) -> u64 {
        self.summary.half[0].segments + self.summary.half[1].segments
    }

    /// Returns whether the handler has lost interest in this flow.
    pub(super) const fn ignored(&self) -> bool {
        *self.ignored
    }

    /// Returns the current packet.
    pub(super) const fn frame(&self) -> FrameRef {
        self.context.frame
    }

    /// Returns the arrival of the segment in hand, which was captured in `frame`.
    pub(super) const fn arrival(&self, frame: FrameRef) -> Arrival {
        Arrival {
            frame,
            waited: self.context.waited,
        }
    }

    /// Returns the frame that made an arrival knowable: the current one for an early segment, else its own.
    pub(super) const fn known_at(&self, arrived: Arrival) -> FrameRef {
        if arrived.waited {
            self.context.frame
        } else {
            arrived.frame
        }
    }

    /// Returns the capture time.
    pub(super) const fn now(&self) -> Timestamp {
        self.context.now
    }

    /// Returns the limits that all flows share.
    pub(super) const fn budget(&mut self) -> &mut Budget {
        self.context.budget
    }
}
