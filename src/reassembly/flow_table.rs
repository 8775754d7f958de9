//! All flows that are followed: admission, expiry, and eviction where limits are reached.

use crate::decode::Segment;
use crate::model::{Direction, FlowKey, FrameRef, Limits, Span, Timestamp, Warning};

use super::FlowSummary;
use super::budget::Budget;
use super::capture_clock::Moment;
use super::delivery::Context;
use super::flow::{Flow, Outcome};
use super::flow_slots::{
    FlowSlots, HalfOpenQueue, Refusal, State, Tombstone, is_half_open, is_one_sided,
};
use super::recent_openings::RecentOpenings;
use super::samples::Samples;
use super::{CloseReason, FlowId, Interest, StreamHandler};

/// Turns segments into ordered bytes for the [`StreamHandler`].
///
/// Has no clock of its own: each segment and tick is passed with the time of the run's
/// [`CaptureClock`](super::CaptureClock).
#[derive(Debug)]
pub struct FlowTable {
    slots: FlowSlots,
    openings: RecentOpenings,
    half_open: HalfOpenQueue,
    budget: Budget,
    flow_limit: usize,
    /// Points per flow; 0 for none.
    sample_limit: usize,
    idle: Span,
    linger: Span,
    now: Timestamp,
    /// The earlier of `review_due` and `scan_due`: the one comparison that most segments pay for.
    due: Timestamp,
    /// Slots of flows with running timers, in the order in which the timers started.
    timers: Vec<u32>,
    /// Next walk through `timers`.
    review_due: Timestamp,
    /// Next walk through all slots.
    scan_due: Timestamp,
    /// Segments handled so far.
    work: u64,
    /// `work` at the latest walk through `timers`.
    review_work: u64,
    /// `work` at the latest walk through all slots.
    scan_work: u64,
    late_segments: u64,
}

impl FlowTable {
    /// Creates an empty table.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            slots: FlowSlots::new(),
            openings: RecentOpenings::default(),
            half_open: HalfOpenQueue::default(),
            budget: Budget::new(limits),
            // Flows are numbered with 32 bits.
            flow_limit: limits.flows.min(u32::MAX as usize),
            sample_limit: limits.samples,
            idle: limits.data_idle.min(limits.control_idle),
            linger: limits.linger,
            now: Timestamp::default(),
            due: Timestamp::MAX,
            timers: Vec::new(),
            review_due: Timestamp::MAX,
            scan_due: Timestamp::MAX,
            work: 0,
            review_work: 0,
            scan_work: 0,
            late_segments: 0,
        }
    }

    /// Handles one segment, captured at `moment`. `handler` is called before this returns. Returns whether the segment
    /// belongs to a flow that is or was followed.
    #[inline]
    pub fn segment(
        &mut self,
        segment: &Segment<'_>,
        moment: Moment,
        handler: &mut impl StreamHandler,
    ) -> bool {
        self.set_time(moment.now);
        let (key, direction) = FlowKey::new(segment.source, segment.destination);
        let is_new = match self.slots.find(key) {
            Some(number) => !self.handle_known(number, direction, segment, handler, moment),
            None => true,
        };
        let taken = !is_new || self.handle_unknown(key, direction, segment, handler, moment);
        let now = moment.now;
        self.work += 1;
        if self.budget.is_over_limit() {
            self.reduce_held(segment.frame, handler, now);
        }
        if now >= self.due {
            self.run_timers(segment.frame, handler, now);
        }
        taken
    }

    /// Returns the flow between these endpoints; `None` if it is not in the table.
    #[must_use]
    pub fn flow_between(&self, key: FlowKey) -> Option<FlowId> {
        self.slots.find(key).map(FlowId)
    }

    /// Returns the summary of a flow that is followed, as of its latest segment; `None` if it has ended or is ignored.
    #[must_use]
    pub fn summary(&mut self, flow: FlowId) -> Option<&FlowSummary> {
        match &self.slots.get_mut(flow.0)?.state {
            State::Open(flow) => Some(flow.summary()),
            State::Free | State::Tombstone(_) => None,
        }
    }

    /// Runs the timers due at `now`, with `at` as the packet that made them due: declares gaps, and closes flows.
    /// Nearly free when none is due.
    pub fn tick(&mut self, now: Timestamp, at: FrameRef, handler: &mut impl StreamHandler) {
        self.set_time(now);
        // On a quiet live link ticks are all there is: they pay for walks too, so that timers run within 64 ticks.
        self.work += 1 + self.slots.len() as u64 / 64;
        if now >= self.due {
            self.run_timers(at, handler, now);
        }
    }

    /// Closes every flow at the end of the input, in order of the latest segment.
    pub fn finish(&mut self, now: Timestamp, at: FrameRef, handler: &mut impl StreamHandler) {
        let open = self.slots.open_flows(|_| true);
        // The end of one flow may decide what is reported of another: all summaries have to be known before.
        for &(_, number) in &open {
            if let Some(State::Open(flow)) = self.slots.get_mut(number).map(|slot| &slot.state) {
                handler.ending(FlowId(number), flow.summary());
            }
        }
        for (_, number) in open {
            self.end(number, CloseReason::InputEnd, at, handler, now);
        }
        for number in self.slots.tombstones(|_, _| true, now) {
            self.forget(number, handler);
        }
        self.slots.clear();
        self.timers.clear();
    }

    /// Returns a warning for each limit that was reached.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        self.budget.warnings()
    }

    /// Returns the number of segments dropped because their flow had ended or was ignored.
    #[must_use]
    pub const fn late_segments(&self) -> u64 {
        self.late_segments
    }

    #[inline]
    fn set_time(&mut self, now: Timestamp) {
        if now < self.now {
            // The clock goes back only after an earlier timestamp proved wrong. Timers set by it would not run for years.
            self.scan_due = now.plus(SCAN_INTERVAL);
            self.review_due = now.plus(REVIEW_INTERVAL);
            self.due = self.scan_due.min(self.review_due);
        }
        self.now = now;
    }

    /// Handles a segment whose endpoints are in the table. Returns false if it belongs to another connection between
    /// them, or to one that has ended.
    fn handle_known(
        &mut self,
        number: u32,
        direction: Direction,
        segment: &Segment<'_>,
        handler: &mut impl StreamHandler,
        moment: Moment,
    ) -> bool {
        let Some(slot) = self.slots.get_mut(number) else {
            return false;
        };
        let Moment { now, arrived } = moment;
        let silent = now.since(slot.last_seen);
        let captured = std::mem::replace(&mut slot.captured, segment.frame.time);
        match &mut slot.state {
            State::Open(flow) => {
                let id = FlowId(number);
                // After a long silence, a segment more likely belongs to a new connection whose SYN was not captured.
                let unconfirmed_silence = segment.frame.time.since(captured);
                let ended = if flow.is_reused_by(direction, segment, unconfirmed_silence) {
                    Some(CloseReason::Reused)
                } else if silent > self.idle && handler.expires(id, silent) {
                    Some(CloseReason::Expired)
                } else {
                    None
                };
                if let Some(reason) = ended {
                    self.end(number, reason, segment.frame, handler, arrived);
                    return false;
                }
                slot.last_seen = arrived;
                handler.segment(id, direction, segment);
                let mut context =
                    Context::new(handler, &mut self.budget, id, segment.frame, arrived);
                let outcome = flow.segment(direction, segment, &mut context);
                if outcome != Outcome::Open || (flow.needs_timer() && !slot.has_timer) {
                    self.apply(number, outcome, segment.frame, handler, moment);
                }
                true
            }
            State::Tombstone(tombstone) => {
                // `arrived`: a second packet behind a pause shows that the connection is no longer the old one.
                if tombstone.is_expired(silent, arrived, self.idle, self.linger)
                    || tombstone.is_reused_by(direction, segment, captured, self.linger)
                {
                    self.forget(number, handler);
                    return false;
                }
                tombstone.on_late(direction, segment);
                if tombstone.on_repeated_syn(segment) {
                    let (key, _) = FlowKey::new(segment.source, segment.destination);
                    self.openings.record_repeated(key, direction, segment);
                }
                self.late_segments += 1;
                handler.late(FlowId(number));
                slot.last_seen = arrived;
                if segment.flags.rst() {
                    // An ignored flow that is reset need not be remembered for as long as an idle one.
                    tombstone.closed.get_or_insert(arrived);
                }
                true
            }
            State::Free => false,
        }
    }

    /// Handles a segment of no flow in the table. Returns whether a flow begins with it.
    fn handle_unknown(
        &mut self,
        key: FlowKey,
        direction: Direction,
        segment: &Segment<'_>,
        handler: &mut impl StreamHandler,
        moment: Moment,
    ) -> bool {
        if segment.flags.syn() && !segment.flags.rst() {
            self.openings.record(key, direction, segment);
        }
        let admitted = handler.admit(segment);
        if admitted {
            self.open(key, direction, segment, handler, moment);
        } else {
            self.openings.on_acknowledgment(key, direction, segment);
        }
        admitted
    }

    #[cold]
    fn open(
        &mut self,
        key: FlowKey,
        direction: Direction,
        segment: &Segment<'_>,
        handler: &mut impl StreamHandler,
        moment: Moment,
    ) {
        let Moment { now, arrived } = moment;
        if self.slots.flows() >= self.flow_limit && !self.evict(segment.frame, handler, now) {
            self.budget.refused_flows.record(segment.frame);
            return;
        }
        // Very many connections at once are not sampled, for their points would take too much memory.
        let is_sampled = self.sample_limit > 0 && self.slots.flows() < MAX_SAMPLED;
        let limit = if is_sampled { self.sample_limit } else { 0 };
        let opening = self.openings.take(key);
        let flow = Flow::new(key, direction, segment, opening, Samples::up_to(limit));
        let number = self.slots.insert(key, flow, arrived);
        let id = FlowId(number);
        let Some(slot) = self.slots.get_mut(number) else {
            return;
        };
        let State::Open(flow) = &mut slot.state else {
            return;
        };
        let outcome = if handler.opened(id, flow.summary()) == Interest::Ignore {
            flow.ignore();
            Outcome::Ignored
        } else {
            handler.segment(id, direction, segment);
            let mut context = Context::new(handler, &mut self.budget, id, segment.frame, arrived);
            flow.segment(direction, segment, &mut context)
        };
        self.apply(number, outcome, segment.frame, handler, moment);
        if segment.flags.syn()
            && !segment.flags.ack()
            && let Some(oldest) = self.half_open.push(number, key)
        {
            self.evict_half_open(oldest, segment.frame, handler, now);
        }
        // An empty table is not scanned; its first flow starts the scans.
        if self.scan_due == Timestamp::MAX {
            self.scan_due = now.plus(SCAN_INTERVAL);
            self.due = self.due.min(self.scan_due);
        }
    }

    /// Evicts the oldest flow of the half-open queue, if its SYN is still unanswered.
    fn evict_half_open(
        &mut self,
        (number, key): (u32, FlowKey),
        frame: FrameRef,
        handler: &mut impl StreamHandler,
        now: Timestamp,
    ) {
        let slot = self.slots.get_mut(number);
        // The slot may hold another flow by now. A late SYN ACK still finds the SYN among the recent openings.
        if let Some(State::Open(flow)) = slot.map(|slot| &slot.state)
            && flow.summary().key == key
            && is_half_open(flow.summary())
        {
            self.budget.evicted_half_open.record(frame);
            self.end(number, CloseReason::Expired, frame, handler, now);
        }
    }

    /// Applies the outcome of a segment or timer: starts the flow's timer, or replaces the flow by a tombstone.
    #[cold]
    fn apply(
        &mut self,
        number: u32,
        outcome: Outcome,
        frame: FrameRef,
        handler: &mut impl StreamHandler,
        Moment { now, arrived }: Moment,
    ) {
        let Some(slot) = self.slots.get_mut(number) else {
            return;
        };
        let State::Open(flow) = &mut slot.state else {
            return;
        };
        if outcome == Outcome::Open {
            if flow.needs_timer() && !slot.has_timer {
                slot.has_timer = true;
                self.timers.push(number);
                self.review_due = self.review_due.min(now.plus(REVIEW_INTERVAL));
                self.due = self.due.min(self.review_due);
            }
            return;
        }
        flow.release(&mut Context::new(
            handler,
            &mut self.budget,
            FlowId(number),
            frame,
            arrived,
        ));
        let closed = (outcome == Outcome::Closed).then_some(arrived);
        let (starts, refusal) = (flow.starts(), flow.refusal());
        let State::Open(flow) = std::mem::replace(&mut slot.state, State::Free) else {
            return;
        };
        // Refused connections are many in a port scan, and need no memory for late packets.
        let counts_late = closed.is_some() && refusal == Refusal::None;
        slot.state = State::Tombstone(Tombstone {
            starts,
            closed,
            ended: frame.time,
            refusal,
            summary: counts_late.then(|| Box::new(flow.into_summary())),
            is_late: false,
        });
    }

    /// Removes a tombstone. The handler learns of packets after the end of its flow.
    fn forget(&mut self, number: u32, handler: &mut impl StreamHandler) {
        if let Some(slot) = self.slots.get_mut(number)
            && let State::Tombstone(tombstone) = &slot.state
            && tombstone.is_late
            && let Some(summary) = &tombstone.summary
        {
            handler.forgotten(FlowId(number), summary);
        }
        self.slots.remove(number);
    }

    /// Closes a flow for a reason outside it, and removes it without a tombstone.
    fn end(
        &mut self,
        number: u32,
        reason: CloseReason,
        frame: FrameRef,
        handler: &mut impl StreamHandler,
        now: Timestamp,
    ) {
        if let Some(slot) = self.slots.get_mut(number)
            && let State::Open(flow) = &mut slot.state
        {
            let mut context = Context::new(handler, &mut self.budget, FlowId(number), frame, now);
            flow.end(reason, &mut context);
            flow.release(&mut context);
        }
        self.slots.remove(number);
    }

    #[cold]
    fn run_timers(&mut self, at: FrameRef, handler: &mut impl StreamHandler, now: Timestamp) {
        // Walks are paid for by as many segments as they have steps, so that no capture can make them costly.
        if now >= self.review_due && self.work - self.review_work >= self.timers.len() as u64 {
            self.review_work = self.work;
            self.review(at, handler, now);
        }
        if now >= self.scan_due && self.work - self.scan_work >= self.slots.len() as u64 {
            self.scan_work = self.work;
            self.expire(at, handler, now);
            self.scan_due = if self.slots.flows() == 0 {
                Timestamp::MAX
            } else {
                now.plus(SCAN_INTERVAL)
            };
        }
        self.due = self.review_due.min(self.scan_due);
    }

    /// Reviews the flows with running timers.
    fn review(&mut self, at: FrameRef, handler: &mut impl StreamHandler, now: Timestamp) {
        for number in std::mem::take(&mut self.timers) {
            let Some(slot) = self.slots.get_mut(number) else {
                continue;
            };
            slot.has_timer = false;
            if let State::Open(flow) = &mut slot.state {
                let mut context = Context::new(handler, &mut self.budget, FlowId(number), at, now);
                let outcome = flow.review(self.linger, &mut context);
                self.apply(number, outcome, at, handler, Moment::at(now));
            }
        }
        self.review_due = if self.timers.is_empty() {
            Timestamp::MAX
        } else {
            now.plus(REVIEW_INTERVAL)
        };
    }

    /// Expires silent flows and old tombstones.
    fn expire(&mut self, at: FrameRef, handler: &mut impl StreamHandler, now: Timestamp) {
        let (idle, linger) = (self.idle, self.linger);
        let expired =
            |tombstone: &Tombstone, silent| tombstone.is_expired(silent, now, idle, linger);
        for number in self.slots.tombstones(expired, now) {
            self.forget(number, handler);
        }
        let silent = self
            .slots
            .open_flows(|last_seen| now.since(last_seen) > idle);
        for (last_seen, number) in silent {
            if handler.expires(FlowId(number), now.since(last_seen)) {
                self.end(number, CloseReason::Expired, at, handler, now);
            }
        }
    }

    /// Makes a slot available in a full table: expires flows, then evicts tombstones, then one-sided flows. Returns
    /// whether one is available.
    fn evict(&mut self, at: FrameRef, handler: &mut impl StreamHandler, now: Timestamp) -> bool {
        // In a flood every segment ends up here; a walk through all slots for each would stop the analysis.
        if self.work - self.scan_work < self.slots.len() as u64 / 16 {
            return false;
        }
        self.scan_work = self.work;
        self.expire(at, handler, now);
        if self.slots.flows() >= self.flow_limit {
            let closed = |tombstone: &Tombstone, _| tombstone.closed.is_some();
            for number in self.slots.tombstones(closed, now) {
                self.forget(number, handler);
            }
        }
        if self.slots.flows() >= self.flow_limit {
            self.evict_one_sided(at, handler, now);
        }
        self.slots.flows() < self.flow_limit
    }

    /// Evicts up to a quarter of the flows, longest silent first, of which only one side has been captured.
    fn evict_one_sided(&mut self, at: FrameRef, handler: &mut impl StreamHandler, now: Timestamp) {
        let mut quota = self.flow_limit / 4 + 1;
        let silent = |last_seen| now.since(last_seen) >= ONE_SIDED_SILENCE;
        for (_, number) in self.slots.open_flows(silent) {
            let slot = self.slots.get_mut(number);
            if quota > 0
                && let Some(State::Open(flow)) = slot.map(|slot| &slot.state)
                && is_one_sided(flow.summary())
            {
                quota -= 1;
                self.budget.evicted_one_sided.record(at);
                self.end(number, CloseReason::Expired, at, handler, now);
            }
        }
    }

    /// Declares the oldest holes gaps until the limit on held bytes is respected, beginning with the flows that hold
    /// most.
    #[cold]
    fn reduce_held(&mut self, at: FrameRef, handler: &mut impl StreamHandler, now: Timestamp) {
        for number in self.slots.holders() {
            while !self.budget.is_relieved()
                && let Some(slot) = self.slots.get_mut(number)
                && let State::Open(flow) = &mut slot.state
                && flow.held_bytes() > 0
            {
                self.budget.forced_gaps.record(at);
                let mut context = Context::new(handler, &mut self.budget, FlowId(number), at, now);
                let outcome = flow.close_oldest_hole(&mut context);
                self.apply(number, outcome, at, handler, Moment::at(now));
            }
        }
    }
}

#[cfg(test)]
impl FlowTable {
    pub(super) const fn held(&self) -> usize {
        self.budget.held()
    }

    pub(super) const fn history(&self) -> usize {
        self.budget.history()
    }

    pub(super) fn flows(&self) -> usize {
        self.slots.flows()
    }
}

/// Open flows beyond which a new one is not sampled.
const MAX_SAMPLED: usize = 2_000;

/// Silence after which a flow with one captured side may be evicted.
const ONE_SIDED_SILENCE: Span = Span::from_secs(2);

/// Time between two walks through all flows for silent ones.
const SCAN_INTERVAL: Span = Span::from_secs(10);

/// Time between two reviews of flows with running timers.
const REVIEW_INTERVAL: Span = Span::from_millis(100);
