//! All flows that are followed: admission, expiry, and the bounds they share.

use crate::decode::Segment;
use crate::model::{Direction, FlowKey, FrameRef, Limits, Span, Timestamp, Warning};

use super::believed_time::{BelievedTime, Moment};
use super::budget::Budget;
use super::delivery::Context;
use super::flow::{Flow, Outcome};
use super::flow_slots::{FlowSlots, Quiet, State};
use super::half_open::{HalfOpen, is_half_open, is_one_sided};
use super::recent_openings::RecentOpenings;
use super::{CloseReason, FlowId, Interest, StreamHandler};

/// Segments go in, ordered bytes come out at the [`StreamHandler`].
///
/// Time is what [`tick`](Self::tick) says; segments move it on in between, but never by more than a minute at once: one
/// damaged time stamp must not expire every flow.
#[derive(Debug)]
pub struct FlowTable {
    slots: FlowSlots,
    openings: RecentOpenings,
    half_open: HalfOpen,
    budget: Budget,
    flows: usize,
    idle: Span,
    linger: Span,
    time: BelievedTime,
    /// The earliest time at which something may be due.
    due: Timestamp,
    /// Flows in which time alone may decide something, in the order in which that began.
    attention: Vec<u32>,
    attention_due: Timestamp,
    scan_due: Timestamp,
    /// Segments handled, and how many it had been at the last walk through `attention` or `slots`.
    work: u64,
    attention_work: u64,
    scan_work: u64,
    late_segments: u64,
}

impl FlowTable {
    /// An empty table.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            slots: FlowSlots::new(),
            openings: RecentOpenings::default(),
            half_open: HalfOpen::default(),
            budget: Budget::new(limits),
            flows: limits.flows.min(u32::MAX as usize),
            idle: limits.data_idle.min(limits.control_idle),
            linger: limits.linger,
            time: BelievedTime::default(),
            due: Timestamp::MAX,
            attention: Vec::new(),
            attention_due: Timestamp::MAX,
            scan_due: Timestamp::MAX,
            work: 0,
            attention_work: 0,
            scan_work: 0,
            late_segments: 0,
        }
    }

    /// Handles one segment; `handler` hears of what it makes known, before this returns. True where it belongs to a flow
    /// that is, or was, followed.
    #[inline]
    pub fn segment(&mut self, segment: &Segment<'_>, handler: &mut impl StreamHandler) -> bool {
        let moment = self.time.segment(segment.frame.time);
        let (key, direction) = FlowKey::new(segment.source, segment.destination);
        let offered = match self.slots.find(key) {
            Some(place) => self.known(place, direction, segment, handler, moment),
            None => true,
        };
        let taken = !offered || self.unknown(key, direction, segment, handler, moment);
        let now = moment.now;
        self.work += 1;
        if self.budget.over() {
            self.relieve(segment.frame, handler, now);
        }
        if now >= self.due {
            self.housekeeping(segment.frame, handler, now);
        }
        taken
    }

    /// The flow between these ends, where it is in the table.
    #[must_use]
    pub fn flow_between(&self, key: FlowKey) -> Option<FlowId> {
        self.slots.find(key).map(FlowId)
    }

    /// Time has come to `now`, at the packet `at`: decides holes and ends flows that are due. Costs next to nothing when
    /// nothing is.
    pub fn tick(&mut self, now: Timestamp, at: FrameRef, handler: &mut impl StreamHandler) {
        let (now, went_back) = self.time.tick(now);
        if went_back {
            // What is due is due from now on.
            self.scan_due = now.plus(SCAN_EVERY);
            self.attention_due = now.plus(ATTENTION_EVERY);
            self.due = self.scan_due.min(self.attention_due);
        }
        // A live link may be quiet, and then ticks are all there is.
        self.work += 1 + self.slots.len() as u64 / 64;
        if now >= self.due {
            self.housekeeping(at, handler, now);
        }
    }

    /// The input has ended: closes every flow, the one seen last as the last.
    pub fn finish(&mut self, at: FrameRef, handler: &mut impl StreamHandler) {
        let Moment { now, .. } = self.time.segment(at.time);
        for (_, place) in self.slots.open_flows(|_| true) {
            self.end(place, CloseReason::InputEnd, at, handler, now);
        }
        self.slots.clear();
        self.attention.clear();
    }

    /// The bounds that were reached.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        self.budget.warnings()
    }

    /// Segments of flows that had ended or were ignored: they were dropped.
    #[must_use]
    pub const fn late_segments(&self) -> u64 {
        self.late_segments
    }

    /// A segment whose ends are in the table. True when it is of another connection, or of one that is over.
    fn known(
        &mut self,
        place: u32,
        direction: Direction,
        segment: &Segment<'_>,
        handler: &mut impl StreamHandler,
        moment: Moment,
    ) -> bool {
        let Some(slot) = self.slots.get_mut(place) else {
            return true;
        };
        let Moment { now, came } = moment;
        let silent = now.since(slot.last_seen);
        match &mut slot.state {
            State::Open(flow) => {
                let id = FlowId(place);
                let ends = if flow.is_reused_by(direction, segment) {
                    Some(CloseReason::Reused)
                } else if silent > self.idle && handler.expires(id, silent) {
                    Some(CloseReason::Expired)
                } else {
                    None
                };
                if let Some(reason) = ends {
                    self.end(place, reason, segment.frame, handler, came);
                    return true;
                }
                slot.last_seen = came;
                handler.segment(id, direction, segment);
                let mut context = Context::new(handler, &mut self.budget, id, segment.frame, came);
                let outcome = flow.segment(direction, segment, &mut context);
                if outcome != Outcome::Open || (flow.waiting() && !slot.in_attention) {
                    self.settle(place, outcome, segment.frame, handler, moment);
                }
                false
            }
            State::Quiet(quiet) => {
                if quiet.is_over(silent, now, self.idle, self.linger)
                    || quiet.is_reused_by(direction, segment)
                {
                    self.slots.remove(place);
                    return true;
                }
                self.late_segments += 1;
                handler.late(FlowId(place));
                slot.last_seen = came;
                if segment.flags.rst() {
                    quiet.closed.get_or_insert(came);
                }
                false
            }
            State::Free => true,
        }
    }

    /// A segment that belongs to no flow in the table; true where one begins with it.
    fn unknown(
        &mut self,
        key: FlowKey,
        direction: Direction,
        segment: &Segment<'_>,
        handler: &mut impl StreamHandler,
        moment: Moment,
    ) -> bool {
        if segment.flags.syn() && !segment.flags.rst() {
            self.openings.remember(key, direction, segment);
        }
        let admitted = handler.admit(segment);
        if admitted {
            self.open(key, direction, segment, handler, moment);
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
        let Moment { now, came } = moment;
        if self.slots.flows() >= self.flows && !self.make_room(segment.frame, handler, now) {
            self.budget.refused_flows.note(segment.frame);
            return;
        }
        let flow = Flow::new(key, direction, segment, self.openings.take(key));
        let place = self.slots.insert(key, flow, came);
        let id = FlowId(place);
        let Some(slot) = self.slots.get_mut(place) else {
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
            let mut context = Context::new(handler, &mut self.budget, id, segment.frame, came);
            flow.segment(direction, segment, &mut context)
        };
        self.settle(place, outcome, segment.frame, handler, moment);
        if segment.flags.syn()
            && !segment.flags.ack()
            && let Some(oldest) = self.half_open.push(place, key)
        {
            self.give_up_opening(oldest, segment.frame, handler, now);
        }
        if self.scan_due == Timestamp::MAX {
            self.scan_due = now.plus(SCAN_EVERY);
            self.due = self.due.min(self.scan_due);
        }
    }

    /// Nobody answered it while many others began. Should its SYN be answered yet, it is remembered.
    fn give_up_opening(
        &mut self,
        (place, key): (u32, FlowKey),
        frame: FrameRef,
        handler: &mut impl StreamHandler,
        now: Timestamp,
    ) {
        let slot = self.slots.get_mut(place);
        if let Some(State::Open(flow)) = slot.map(|slot| &slot.state)
            && flow.summary().key == key
            && is_half_open(flow.summary())
        {
            self.budget.forgotten_openings.note(frame);
            self.end(place, CloseReason::Expired, frame, handler, now);
        }
    }

    /// Does what the outcome of a segment asks for.
    #[cold]
    fn settle(
        &mut self,
        place: u32,
        outcome: Outcome,
        frame: FrameRef,
        handler: &mut impl StreamHandler,
        Moment { now, came }: Moment,
    ) {
        let Some(slot) = self.slots.get_mut(place) else {
            return;
        };
        let State::Open(flow) = &mut slot.state else {
            return;
        };
        if outcome == Outcome::Open {
            if flow.waiting() && !slot.in_attention {
                slot.in_attention = true;
                self.attention.push(place);
                self.attention_due = self.attention_due.min(now.plus(ATTENTION_EVERY));
                self.due = self.due.min(self.attention_due);
            }
            return;
        }
        flow.release(&mut Context::new(
            handler,
            &mut self.budget,
            FlowId(place),
            frame,
            came,
        ));
        slot.state = State::Quiet(Quiet {
            starts: flow.starts(),
            closed: (outcome == Outcome::Closed).then_some(came),
        });
    }

    /// Ends a flow for a reason outside it, and forgets it.
    fn end(
        &mut self,
        place: u32,
        reason: CloseReason,
        frame: FrameRef,
        handler: &mut impl StreamHandler,
        now: Timestamp,
    ) {
        if let Some(slot) = self.slots.get_mut(place)
            && let State::Open(flow) = &mut slot.state
        {
            let mut context = Context::new(handler, &mut self.budget, FlowId(place), frame, now);
            flow.end(reason, &mut context);
            flow.release(&mut context);
        }
        self.slots.remove(place);
    }

    #[cold]
    fn housekeeping(&mut self, at: FrameRef, handler: &mut impl StreamHandler, now: Timestamp) {
        // Walks are paid for by as many segments as they have steps, so that no capture can make them costly.
        if now >= self.attention_due
            && self.work - self.attention_work >= self.attention.len() as u64
        {
            self.attention_work = self.work;
            self.attend(at, handler, now);
        }
        if now >= self.scan_due && self.work - self.scan_work >= self.slots.len() as u64 {
            self.scan_work = self.work;
            self.scan(at, handler, now);
            self.scan_due = if self.slots.flows() == 0 {
                Timestamp::MAX
            } else {
                now.plus(SCAN_EVERY)
            };
        }
        self.due = self.attention_due.min(self.scan_due);
    }

    /// Looks at the flows in which time may decide something.
    fn attend(&mut self, at: FrameRef, handler: &mut impl StreamHandler, now: Timestamp) {
        for place in std::mem::take(&mut self.attention) {
            let Some(slot) = self.slots.get_mut(place) else {
                continue;
            };
            slot.in_attention = false;
            if let State::Open(flow) = &mut slot.state {
                let mut context = Context::new(handler, &mut self.budget, FlowId(place), at, now);
                let outcome = flow.review(self.linger, &mut context);
                self.settle(place, outcome, at, handler, Moment::at(now));
            }
        }
        self.attention_due = if self.attention.is_empty() {
            Timestamp::MAX
        } else {
            now.plus(ATTENTION_EVERY)
        };
    }

    /// Ends the flows that were silent for too long.
    fn scan(&mut self, at: FrameRef, handler: &mut impl StreamHandler, now: Timestamp) {
        let (idle, linger) = (self.idle, self.linger);
        self.slots.forget_quiet(
            |quiet, silent| quiet.is_over(silent, now, idle, linger),
            now,
        );
        let silent = self
            .slots
            .open_flows(|last_seen| now.since(last_seen) > idle);
        for (last_seen, place) in silent {
            if handler.expires(FlowId(place), now.since(last_seen)) {
                self.end(place, CloseReason::Expired, at, handler, now);
            }
        }
    }

    /// The table is full: lets go of what is over, and of what may be forged.
    fn make_room(
        &mut self,
        at: FrameRef,
        handler: &mut impl StreamHandler,
        now: Timestamp,
    ) -> bool {
        if self.work - self.scan_work < self.slots.len() as u64 / 16 {
            return false;
        }
        self.scan_work = self.work;
        self.scan(at, handler, now);
        if self.slots.flows() >= self.flows {
            self.slots
                .forget_quiet(|quiet, _| quiet.closed.is_some(), now);
        }
        if self.slots.flows() >= self.flows {
            self.give_up_one_sided(at, handler, now);
        }
        self.slots.flows() < self.flows
    }

    /// Lets go of some flows of which only one side was heard, those that were silent longest first.
    fn give_up_one_sided(
        &mut self,
        at: FrameRef,
        handler: &mut impl StreamHandler,
        now: Timestamp,
    ) {
        let mut room = self.flows / 4 + 1;
        let silent = |last_seen| now.since(last_seen) >= ONE_SIDED_SILENCE;
        for (_, place) in self.slots.open_flows(silent) {
            let slot = self.slots.get_mut(place);
            if room > 0
                && let Some(State::Open(flow)) = slot.map(|slot| &slot.state)
                && is_one_sided(flow.summary())
            {
                room -= 1;
                self.budget.forgotten_one_sided.note(at);
                self.end(place, CloseReason::Expired, at, handler, now);
            }
        }
    }

    /// Too much is held: the flows that hold most give up their oldest holes.
    #[cold]
    fn relieve(&mut self, at: FrameRef, handler: &mut impl StreamHandler, now: Timestamp) {
        for place in self.slots.holders() {
            while !self.budget.relieved()
                && let Some(slot) = self.slots.get_mut(place)
                && let State::Open(flow) = &mut slot.state
                && flow.held_bytes() > 0
            {
                self.budget.forced_gaps.note(at);
                let mut context = Context::new(handler, &mut self.budget, FlowId(place), at, now);
                let outcome = flow.relieve(&mut context);
                self.settle(place, outcome, at, handler, Moment::at(now));
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

/// A flow of which one side was not heard may be given up for others once it was silent for this long.
const ONE_SIDED_SILENCE: Span = Span::from_secs(2);
/// How often flows are looked through for those that were silent too long.
const SCAN_EVERY: Span = Span::from_secs(10);
/// How often flows with holes are looked at without a segment of their own.
const ATTENTION_EVERY: Span = Span::from_millis(100);
