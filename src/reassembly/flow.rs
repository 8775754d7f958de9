//! One connection: its handshake, its two streams, and its end.

use crate::decode::Segment;
use crate::model::{Direction, FlowKey, FrameRef, Span, Timestamp};

use super::course::{Course, Observed};
use super::delivery::{Context, Delivery};
use super::early_segments::EarlySegments;
use super::flow_slots::{LONGEST_OPENING, Refusal};
use super::half_stream::{Flush, HalfStream};
use super::receiver_side::WindowScale;
use super::recent_openings::{Opening, Syn};
use super::samples::Samples;
use super::second_copies::SecondCopies;
use super::sequence::SeqNum;
use super::{CloseReason, FlowSummary, HalfSummary, StreamHandler};

/// A connection that is followed.
#[derive(Debug)]
pub(super) struct Flow {
    summary: FlowSummary,
    streams: [HalfStream; 2],
    /// Distinguishes copies made by the capture from retransmissions.
    copies: SecondCopies,
    scale: WindowScale,
    /// Whether the flow has been followed from its SYN on.
    from_syn: bool,
    /// Whether the handler knows that the connection is open.
    established: bool,
    /// Whether the handler has lost interest.
    ignored: bool,
    /// Time of the last FIN while it is uncertain whether the flow is over; else [`NOT_ENDED`].
    ended: Timestamp,
    /// Segments captured before the bytes they acknowledge; `None` while there are none.
    early: Option<Box<EarlySegments>>,
}

/// State of a flow after a segment or timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The flow continues.
    Open,
    /// The flow is over, and its end has been reported.
    Closed,
    /// The handler has lost interest in it.
    Ignored,
}

/// Early segments to handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Release {
    /// Segments whose acknowledged bytes are there, or whose time is over.
    Due,
    /// All: the flow ends, or too much is held.
    All,
}

impl Flow {
    /// Creates a flow that begins with `segment`, or with its handshake if that was captured before.
    pub(super) fn new(
        key: FlowKey,
        direction: Direction,
        segment: &Segment<'_>,
        opening: Option<Opening>,
        samples: Option<Box<Samples>>,
    ) -> Self {
        // The ring may have the handshake of an earlier connection between the same ports.
        let opening = opening
            .filter(|opening| opening.fits(direction, segment))
            .unwrap_or_default();
        let mut flow = Self {
            summary: FlowSummary {
                key,
                initiator: opening.initiator,
                first: segment.frame,
                last: segment.frame,
                spans: None,
                established: None,
                half: Default::default(),
                course: Course::default(),
                samples,
            },
            streams: Default::default(),
            copies: SecondCopies::default(),
            scale: WindowScale::default(),
            from_syn: segment.flags.syn(),
            established: false,
            ignored: false,
            ended: NOT_ENDED,
            early: None,
        };
        let is_late = !segment.flags.syn() && !opening.is_followed_by(direction, segment);
        for half in &mut flow.summary.half {
            half.measured.joined_late = is_late;
        }
        let mut senders = [Direction::Up, Direction::Down];
        senders.sort_by_key(|sender| opening.syn[sender.index()].map(|syn| syn.frame.number));
        for sender in senders {
            if let Some(syn) = opening.syn[sender.index()] {
                flow.record_opening(sender, &syn, segment);
                flow.record_syn(sender, syn.frame, syn.start, syn.scale);
                flow.summary.note_capture(syn.frame);
                if syn.frame.number < flow.summary.first.number {
                    flow.summary.first = syn.frame;
                }
                // The segment that is admitted is counted when it is handled.
                if syn.frame != segment.frame && !opening.is_counted {
                    flow.summary.half[sender.index()].segments += 1;
                }
            }
        }
        flow.record_handshake_end(&opening);
        flow
    }

    /// Records the acknowledgment of the SYN ACK, if it was captured before the flow was followed.
    fn record_handshake_end(&mut self, opening: &Opening) {
        let (Some(end), Some(initiator)) = (&opening.acknowledgment, opening.initiator) else {
            return;
        };
        let [own, other] =
            [initiator, initiator.reverse()].map(|sender| opening.syn[sender.index()]);
        if let (Some(own), Some(other)) = (own, other) {
            let observed = end.observed(own.start, other.start);
            let summary = &mut self.summary;
            summary.established = Some(end.frame);
            summary.note_capture(end.frame);
            summary.half[initiator.index()].segments += 1;
            let course = &mut summary.course;
            course.on_packet(initiator, &observed, true, &summary.half);
        }
    }

    /// Records a SYN or SYN ACK captured before `segment`, with which the flow begins.
    fn record_opening(&mut self, sender: Direction, syn: &Syn, segment: &Segment<'_>) {
        let observed = syn.observed();
        let summary = &mut self.summary;
        let mut repeats = syn.repeats;
        if syn.frame == segment.frame {
            return;
        }
        if segment.flags.syn() && SeqNum(segment.sequence).plus(1) == syn.start {
            // It is one of the repeated ones, and is recorded when it is handled.
            repeats = repeats.saturating_sub(1);
        }
        self.copies.record_syn(sender, syn);
        let course = &mut summary.course;
        course.on_packet(sender, &observed, true, &summary.half);
        course.add_repeated_syns(sender, &observed, repeats);
    }

    /// Returns the summary.
    pub(super) const fn summary(&self) -> &FlowSummary {
        &self.summary
    }

    /// Takes the summary out of a flow that is over.
    pub(super) fn into_summary(self) -> FlowSummary {
        self.summary
    }

    /// Returns the sequence number of each stream's first byte; `None` if unknown.
    pub(super) fn starts(&self) -> [Option<SeqNum>; 2] {
        [self.streams[0].start(), self.streams[1].start()]
    }

    /// Returns whether a reset met the handshake before it was finished.
    pub(super) fn refusal(&self) -> Refusal {
        let reset = self
            .summary
            .half
            .iter()
            .any(|half| half.irregular().rst.is_some());
        let has_data = self
            .summary
            .half
            .iter()
            .any(|half| half.first_data.is_some());
        if reset && self.from_syn && self.summary.established.is_none() && !has_data {
            Refusal::Refused
        } else {
            Refusal::None
        }
    }

    /// Returns whether time alone may change the flow, so that it has to be reviewed.
    pub(super) fn needs_timer(&self) -> bool {
        self.ended != NOT_ENDED
            || self.streams[0].is_incomplete()
            || self.streams[1].is_incomplete()
            || self.early.is_some()
    }

    /// Returns the number of bytes held: behind holes, and in early segments.
    pub(super) fn held_bytes(&self) -> usize {
        let early = self.early.as_ref().map_or(0, |early| early.bytes());
        self.streams[0].held_bytes() + self.streams[1].held_bytes() + early
    }

    /// Records that the handler has no interest.
    pub(super) const fn ignore(&mut self) {
        self.ignored = true;
    }

    /// Returns whether `segment` is a SYN or SYN ACK of another connection between the same endpoints, captured `silent`
    /// after the latest segment of this one.
    pub(super) fn is_reused_by(
        &self,
        direction: Direction,
        segment: &Segment<'_>,
        silent: Span,
    ) -> bool {
        if !segment.flags.syn() || segment.flags.rst() {
            return false;
        }
        let Some(start) = self.streams[direction.index()].start() else {
            return false;
        };
        let distance = SeqNum(segment.sequence).plus(1).distance_from(start);
        // Without a captured handshake the start is a guess: a SYN shortly before it belongs to this flow and was reordered.
        let reordered =
            self.summary.sent(direction).start.is_none() && (REORDERED_SYN..0).contains(&distance);
        // A retransmitted SYN has the same number, and so has a new connection of a sender that always begins with it.
        (distance != 0 && !reordered) || silent > self.longest_retransmission()
    }

    /// Returns the longest time after which a SYN of this connection may be sent or captured again.
    fn longest_retransmission(&self) -> Span {
        let has_data = |half: &HalfSummary| half.first_data.is_some();
        if self.summary.established.is_some() || self.summary.half.iter().any(has_data) {
            LONGEST_RETRANSMISSION
        } else {
            LONGEST_OPENING
        }
    }

    /// Handles one segment of this flow, or holds it until the bytes it acknowledges are there.
    #[inline]
    pub(super) fn segment<H: StreamHandler>(
        &mut self,
        direction: Direction,
        segment: &Segment<'_>,
        context: &mut Context<'_, H>,
    ) -> Outcome {
        if self.early.is_none() && !self.is_early(direction, segment) {
            return self.handle(direction, segment, context);
        }
        let is_early = self.is_early(direction, segment);
        let early = self.early.get_or_insert_default();
        early.count_packet();
        if is_early {
            early.hold(direction, segment, context.now, context.budget);
        } else if segment.flags.rst() {
            // A reset ends the flow, so that held segments come before it or never.
            let outcome = self.release_early(Release::All, context);
            if outcome != Outcome::Open {
                return outcome;
            }
            return self.handle(direction, segment, context);
        } else {
            let outcome = self.handle(direction, segment, context);
            if outcome != Outcome::Open {
                return outcome;
            }
        }
        self.release_early(Release::Due, context)
    }

    /// Returns whether a segment acknowledges bytes that were not captured, although the other side is.
    #[inline]
    fn is_early(&self, direction: Direction, segment: &Segment<'_>) -> bool {
        let flags = segment.flags;
        let other = direction.reverse().index();
        // The order of bare acknowledgments does not matter, and a side that is not captured will not catch up.
        (!segment.payload.is_empty() || flags.fin())
            && flags.ack()
            && !flags.syn()
            && !flags.rst()
            && self.summary.half[other].segments > 0
            && self.streams[other].is_ahead(SeqNum(segment.acknowledgment))
    }

    /// Handles early segments that are no longer held.
    fn release_early<H: StreamHandler>(
        &mut self,
        release: Release,
        context: &mut Context<'_, H>,
    ) -> Outcome {
        while let Some(mut held) = self.early.take() {
            let next = held.pop(context.now, context.budget, |direction, segment| {
                release == Release::All || !self.is_early(direction, segment)
            });
            if !held.is_empty() {
                self.early = Some(held);
            }
            let Some(early) = next else {
                break;
            };
            let segment = early.segment();
            if self.is_early(early.direction, &segment) {
                // Its time is over: later segments that acknowledge the same bytes are not held for them again.
                let other = early.direction.reverse().index();
                self.streams[other].stop_expecting(SeqNum(segment.acknowledgment));
            } else {
                context.waited = true;
            }
            let outcome = self.handle(early.direction, &segment, context);
            context.waited = false;
            if outcome != Outcome::Open {
                return outcome;
            }
        }
        Outcome::Open
    }

    fn handle<H: StreamHandler>(
        &mut self,
        direction: Direction,
        segment: &Segment<'_>,
        context: &mut Context<'_, H>,
    ) -> Outcome {
        let flags = segment.flags;
        let first_after_syn = self.from_syn
            && !self.established
            && !flags.syn()
            && self.summary.sent(direction).syn.is_some()
            && self.streams[direction.index()].expects(SeqNum(segment.sequence));
        self.summary.note_capture(segment.frame);
        // Early segments are handled after later frames.
        if segment.frame.number >= self.summary.last.number {
            self.summary.last = segment.frame;
        }
        self.summary.half[direction.index()].segments += 1;
        let reset_counts = flags.rst()
            && self.streams[direction.index()].accepts_reset(SeqNum(segment.sequence))
            && self.answers_syn(direction, segment);
        if segment.payload.is_empty() || flags.rst() {
            self.record_bare(direction, segment, reset_counts);
        }
        if flags.rst() {
            return self.reset(direction, segment, reset_counts, context);
        }
        let mut sequence = SeqNum(segment.sequence);
        if flags.syn() {
            // SYN takes a sequence number of its own, before the first byte.
            sequence = sequence.plus(1);
            self.record_syn(direction, segment.frame, sequence, segment.window_scale);
            self.streams[direction.index()].verify_syn(segment);
            // SYN ACK decides, whatever a SYN said before: in a simultaneous open both sides send one.
            self.summary.initiator = match (self.summary.initiator, flags.ack()) {
                (_, true) => Some(direction.reverse()),
                (None, false) => Some(direction),
                (known, false) => known,
            };
            context.handler.handshake(context.flow, &self.summary);
        }
        if flags.ack() {
            if !flags.syn() {
                let closed = segment.window == 0;
                let measured = &mut self.summary.half[direction.index()].measured;
                measured.record_window(closed, segment.frame.time);
            }
            self.on_acknowledgment(direction, segment, first_after_syn, context);
            if !self.established {
                self.established = true;
                context.handler.established(context.flow, &self.summary);
            }
        }
        let captured = self.streams[direction.index()].captured_end();
        let half = self.summary.sent(direction);
        let before = (half.retransmitted_bytes, half.irregular().conflicting_bytes);
        let (stream, mut out) = self.stream_of(direction, context);
        if !out.ignored() {
            stream.segment(sequence, segment, &mut out);
        }
        if !segment.payload.is_empty() {
            let summary = &mut self.summary;
            let half = &mut summary.half[direction.index()];
            let is_copy = self.copies.discount_copy(direction, segment, half, before);
            let observed = Observed::of(segment);
            let course = &mut summary.course;
            if is_copy {
                course.on_copy(direction, &observed);
            } else {
                course.on_packet(direction, &observed, false, &summary.half);
                self.sample(direction, &observed);
            }
        }
        let end = self.streams[direction.index()].captured_end();
        // Only new bytes start a round trip: a retransmission may have been sent before the acknowledged bytes arrived.
        if end > captured && flags.ack() {
            let acknowledgment = SeqNum(segment.acknowledgment);
            self.streams[direction.reverse().index()].on_answer(acknowledgment, end);
        }
        if self.streams[0].has_backlog() || self.streams[1].has_backlog() {
            self.review_streams(context);
        }
        self.outcome(context)
    }

    /// Records a segment without payload in the course of the connection, unless it is a second copy.
    #[inline]
    fn record_bare(&mut self, direction: Direction, segment: &Segment<'_>, reset_counts: bool) {
        let summary = &mut self.summary;
        let observed = Observed::of(segment);
        let may_repeat = summary.course.may_repeat(direction, &observed);
        let is_copy = self.copies.is_bare_copy(direction, segment, may_repeat);
        let course = &mut summary.course;
        if is_copy {
            course.on_copy(direction, &observed);
        } else {
            course.on_packet(direction, &observed, reset_counts, &summary.half);
            self.sample(direction, &observed);
        }
    }

    /// Samples a packet that is no second copy.
    #[inline]
    fn sample(&mut self, direction: Direction, packet: &Observed) {
        if let Some(samples) = &mut self.summary.samples {
            let shift = self.scale.known_shift(direction);
            let retransmitted = self.summary.half[direction.index()].retransmitted_bytes;
            samples.record(direction, packet, shift, retransmitted);
        }
    }

    /// Runs the flow's timers: decides holes, and closes the flow `linger` after its last FIN.
    pub(super) fn review<H: StreamHandler>(
        &mut self,
        linger: Span,
        context: &mut Context<'_, H>,
    ) -> Outcome {
        let outcome = self.release_early(Release::Due, context);
        if outcome != Outcome::Open {
            return outcome;
        }
        self.review_streams(context);
        if !self.ignored
            && self.ended != NOT_ENDED
            && context.now.since(self.ended) >= linger
            && self.is_over()
        {
            context.close(CloseReason::Fin, &self.summary);
            return Outcome::Closed;
        }
        self.outcome(context)
    }

    /// Frees held bytes: handles all early segments, or declares a gap in the stream that holds more.
    pub(super) fn close_oldest_hole<H: StreamHandler>(
        &mut self,
        context: &mut Context<'_, H>,
    ) -> Outcome {
        if self.early.is_some() {
            return self.release_early(Release::All, context);
        }
        let direction = if self.streams[0].held_bytes() >= self.streams[1].held_bytes() {
            Direction::Up
        } else {
            Direction::Down
        };
        let (stream, mut out) = self.stream_of(direction, context);
        stream.close_first_hole(&mut out);
        self.outcome(context)
    }

    /// Ends the flow for a reason outside it: delivers held bytes, then reports the end.
    pub(super) fn end<H: StreamHandler>(
        &mut self,
        reason: CloseReason,
        context: &mut Context<'_, H>,
    ) {
        match self.release_early(Release::All, context) {
            Outcome::Open => self.flush(Flush::All, context),
            Outcome::Closed => return,
            Outcome::Ignored => {}
        }
        if self.ignored {
            return;
        }
        // Both FINs are there, only the linger time was not over yet.
        let reason = if self.is_over() {
            CloseReason::Fin
        } else {
            reason
        };
        context.close(reason, &self.summary);
    }

    /// Gives all memory back to the shared budget.
    pub(super) fn release<H: StreamHandler>(&mut self, context: &mut Context<'_, H>) {
        if let Some(mut early) = self.early.take() {
            while early
                .pop(context.now, context.budget, |_, _| true)
                .is_some()
            {}
        }
        for direction in [Direction::Up, Direction::Down] {
            let (stream, mut out) = self.stream_of(direction, context);
            stream.release(&mut out);
        }
    }

    /// Returns the stream sent in `direction`, and the output for its bytes.
    const fn stream_of<'a, 'b, H: StreamHandler>(
        &'a mut self,
        direction: Direction,
        context: &'a mut Context<'b, H>,
    ) -> (&'a mut HalfStream, Delivery<'a, 'b, H>) {
        (
            &mut self.streams[direction.index()],
            context.delivery(&mut self.summary, &mut self.ignored, direction),
        )
    }

    /// Records the SYN or SYN ACK of `sender`; `start` is the sequence number after it.
    fn record_syn(&mut self, sender: Direction, frame: FrameRef, start: SeqNum, scale: Option<u8>) {
        let half = &mut self.summary.half[sender.index()];
        half.syn.get_or_insert(frame);
        self.scale.offer(sender, scale);
        let stream = &mut self.streams[sender.index()];
        let known = *stream.start().get_or_insert(start);
        if known == start {
            half.start = Some(start.0);
            stream.set_start(start);
        }
    }

    /// Applies a segment's acknowledgment to the stream of the opposite direction.
    fn on_acknowledgment<H: StreamHandler>(
        &mut self,
        direction: Direction,
        segment: &Segment<'_>,
        first_after_syn: bool,
        context: &mut Context<'_, H>,
    ) {
        let other = direction.reverse();
        let acknowledged = SeqNum(segment.acknowledgment);
        let flags = segment.flags;
        if self.streams[other.index()].start().is_none() {
            // SYN ACK and the ACK that ends the handshake acknowledge a SYN: the stream starts there. Any other
            // acknowledgment gives a start that is a guess.
            self.streams[other.index()].set_start(acknowledged);
            let known = flags.syn() || first_after_syn;
            self.summary.half[other.index()].start = known.then_some(acknowledged.0);
        }
        if !flags.syn() && !flags.rst() && self.summary.initiator == Some(direction) {
            self.summary.established.get_or_insert(segment.frame);
        }
        let shift = if flags.syn() {
            // RFC 7323 section 2.2: the window of a SYN is never scaled.
            0
        } else {
            self.scale.shift(direction)
        };
        let (stream, mut out) = self.stream_of(other, context);
        stream.on_acknowledgment(acknowledged, u64::from(segment.window) << shift, &mut out);
    }

    /// Handles a RST (RFC 9293 section 3.10.7), which is `accepted` near the window, or from a side of which nothing is known, as
    /// in reply to a SYN.
    fn reset<H: StreamHandler>(
        &mut self,
        direction: Direction,
        segment: &Segment<'_>,
        accepted: bool,
        context: &mut Context<'_, H>,
    ) -> Outcome {
        let payload = segment.payload.len() as u64;
        if payload > 0 {
            let half = &mut self.summary.half[direction.index()];
            half.irregular_mut().ignored_bytes += payload;
        }
        // Blind attackers guess sequence numbers (RFC 5961): a RST far from the window is dropped.
        if !accepted {
            return Outcome::Open;
        }
        if segment.flags.ack() {
            self.on_acknowledgment(direction, segment, false, context);
        }
        let half = &mut self.summary.half[direction.index()];
        half.irregular_mut().rst = Some(segment.frame);
        // Receivers discard bytes behind a hole at a reset, so that only acknowledged ones were read by the
        // application.
        self.flush(Flush::Acknowledged, context);
        if self.ignored {
            return Outcome::Ignored;
        }
        context.close(CloseReason::Reset(direction), &self.summary);
        Outcome::Closed
    }

    /// Returns whether a RST from a side that has sent nothing else acknowledges the SYN it answers. One that does not is
    /// dropped in SYN-SENT (RFC 9293 section 3.10.7.3): a device in between or a stale connection sent it.
    fn answers_syn(&self, direction: Direction, segment: &Segment<'_>) -> bool {
        let other = &self.streams[direction.reverse().index()];
        let in_syn_sent = self.from_syn
            && self.summary.initiator == Some(direction.reverse())
            && self.streams[direction.index()].start().is_none();
        let Some(start) = other.start().filter(|_| in_syn_sent) else {
            return true;
        };
        // Data sent with the SYN (RFC 7413) may be acknowledged too.
        let acknowledged = SeqNum(segment.acknowledgment).distance_from(start);
        segment.flags.ack()
            && u64::try_from(acknowledged).is_ok_and(|bytes| bytes <= other.captured_end())
    }

    fn flush<H: StreamHandler>(&mut self, how: Flush, context: &mut Context<'_, H>) {
        for direction in [Direction::Up, Direction::Down] {
            let (stream, mut out) = self.stream_of(direction, context);
            if !out.ignored() {
                stream.flush(how, &mut out);
            }
        }
    }

    fn review_streams<H: StreamHandler>(&mut self, context: &mut Context<'_, H>) {
        for direction in [Direction::Up, Direction::Down] {
            let acked = self.streams[direction.reverse().index()].acked();
            let early = self.early.as_deref();
            let held_apart = early.and_then(|early| early.first_sequence(direction));
            let (stream, mut out) = self.stream_of(direction, context);
            if !out.ignored() {
                stream.review(acked, held_apart, &mut out);
            }
        }
    }

    /// Closes the flow once both FINs have been reached and acknowledged.
    fn outcome<H: StreamHandler>(&mut self, context: &mut Context<'_, H>) -> Outcome {
        if self.ignored {
            return Outcome::Ignored;
        }
        let half = &self.summary.half;
        if !half[0].finished && !half[1].finished {
            return Outcome::Open;
        }
        if self.streams[0].is_closed() && self.streams[1].is_closed() {
            context.close(CloseReason::Fin, &self.summary);
            return Outcome::Closed;
        }
        if self.ended == NOT_ENDED && self.is_over() {
            self.ended = context.now;
        }
        Outcome::Open
    }

    /// Returns whether both streams have ended, or the only one that was captured; final acknowledgments may be
    /// lacking.
    fn is_over(&self) -> bool {
        let [up, down] = &self.summary.half;
        (up.finished && (down.finished || down.segments == 0))
            || (down.finished && up.segments == 0)
    }
}

/// Longest time after the handshake at which its SYN is still taken for a copy: the upper bound that RFC 6298 section 2.5
/// allows for a retransmission timer.
const LONGEST_RETRANSMISSION: Span = Span::from_secs(60);

/// In place of an `Option`, which would take 8 bytes more in each flow.
const NOT_ENDED: Timestamp = Timestamp::MAX;

/// Farthest distance before the first captured byte at which a SYN counts as reordered.
const REORDERED_SYN: i32 = -(1 << 20);
