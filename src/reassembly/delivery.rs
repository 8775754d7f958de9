//! Calls to the handler, with the summary's counts kept in step.

use crate::model::{Direction, FrameRef, Timestamp};

use super::arrival::Arrival;
use super::budget::Budget;
use super::{Chunk, CloseReason, FlowId, FlowSummary, Gap, HalfSummary, Interest, StreamHandler};

/// What handling one packet needs beside the flow itself.
pub(super) struct Context<'a, H> {
    /// Receives what is found.
    pub(super) handler: &'a mut H,
    /// What all flows together may keep.
    pub(super) budget: &'a mut Budget,
    /// The flow's number.
    pub(super) flow: FlowId,
    /// The current packet.
    pub(super) frame: FrameRef,
    /// Capture time as the table believes it.
    pub(super) now: Timestamp,
    /// The segment in hand has waited for what it answers, and has got it.
    pub(super) waited: bool,
}

/// One direction of one flow, seen from the stream that feeds it.
pub(super) struct Delivery<'a, 'b, H> {
    context: &'a mut Context<'b, H>,
    summary: &'a mut FlowSummary,
    ignored: &'a mut bool,
    direction: Direction,
}

impl<'b, H: StreamHandler> Context<'b, H> {
    /// At a packet that did not have to wait.
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

    /// The way out for one direction. `ignored` is set once the handler wants nothing more.
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

    /// The flow is over.
    pub(super) fn close(&mut self, reason: CloseReason, summary: &FlowSummary) {
        self.handler.closed(self.flow, reason, self.frame, summary);
    }
}

impl<H: StreamHandler> Delivery<'_, '_, H> {
    /// Bytes in order.
    pub(super) fn data(&mut self, offset: u64, bytes: &[u8], arrived: Arrival) {
        self.half().delivered_bytes += bytes.len() as u64;
        self.progress();
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

    /// Bytes that will not come. Of `length` bytes the first `acknowledged` ones are known to have arrived at the other side.
    pub(super) fn gap(&mut self, offset: u64, length: u64, acknowledged: u64) {
        let frame = self.context.frame;
        let half = self.half();
        let irregular = half.irregular_mut();
        irregular.missing_bytes = irregular.missing_bytes.saturating_add(length);
        half.measured.gap(frame, offset, acknowledged);
        let gap = Gap {
            frame: self.context.frame,
            offset,
            length,
        };
        self.context
            .handler
            .gap(self.context.flow, self.direction, gap, self.summary);
    }

    /// The stream has reached its FIN.
    pub(super) fn finished(&mut self) {
        self.progress();
        self.half().finished = true;
        self.context.handler.finished(
            self.context.flow,
            self.direction,
            self.context.frame,
            self.summary,
        );
    }

    fn progress(&mut self) {
        let frame = self.context.frame;
        let receiver_closed = self.other_half().measured.closed_until(frame.time);
        let half = self.half();
        let sent_again = half.retransmitted_bytes;
        half.measured.progress(frame, sent_again, receiver_closed);
    }

    /// Counts what was seen again.
    pub(super) fn seen_again(&mut self, bytes: u64, conflicting: u64) {
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
    pub(super) fn ignore(&mut self, bytes: u64) {
        if bytes > 0 {
            self.half().irregular_mut().ignored_bytes += bytes;
        }
    }

    /// The counts of this direction's sender.
    pub(super) const fn half(&mut self) -> &mut HalfSummary {
        &mut self.summary.half[self.direction.index()]
    }

    /// The counts of the other side.
    pub(super) const fn other_half(&self) -> &HalfSummary {
        self.summary.sent(self.direction.reverse())
    }

    /// Packets of the flow so far, both ways.
    pub(super) const fn packets(&self) -> u64 {
        self.summary.half[0].segments + self.summary.half[1].segments
    }

    /// True once the handler wants nothing more of this flow.
    pub(super) const fn ignored(&self) -> bool {
        *self.ignored
    }

    /// The current packet.
    pub(super) const fn frame(&self) -> FrameRef {
        self.context.frame
    }

    /// When the segment in hand came.
    pub(super) const fn arrival(&self, frame: FrameRef) -> Arrival {
        Arrival {
            frame,
            waited: self.context.waited,
        }
    }

    /// The packet that tells when something came: where it waited for what it answers, the current one.
    pub(super) const fn known_at(&self, arrived: Arrival) -> FrameRef {
        if arrived.waited {
            self.context.frame
        } else {
            arrived.frame
        }
    }

    /// Capture time.
    pub(super) const fn now(&self) -> Timestamp {
        self.context.now
    }

    /// What all flows together may keep.
    pub(super) const fn budget(&mut self) -> &mut Budget {
        self.context.budget
    }
}
