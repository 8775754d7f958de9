//! One connection: its two streams, its handshake, and how it ends.

use crate::decode::Segment;
use crate::model::{Direction, FlowKey, FrameRef, Span, Timestamp};

use super::delivery::{Context, Delivery};
use super::half_stream::{Flush, HalfStream};
use super::recent_openings::Opening;
use super::second_copies::SecondCopies;
use super::sequence::SeqNum;
use super::waiting_room::WaitingRoom;
use super::window_scale::WindowScale;
use super::{CloseReason, FlowSummary, StreamHandler};

/// A connection that is followed.
#[derive(Debug)]
pub(super) struct Flow {
    summary: FlowSummary,
    streams: [HalfStream; 2],
    /// To tell copies made by the capture from what was sent again.
    copies: SecondCopies,
    scale: WindowScale,
    /// True where nothing since the SYN was missed because nobody followed the flow.
    from_syn: bool,
    /// The handler knows that the connection is open.
    established: bool,
    /// The handler wants nothing more.
    ignored: bool,
    /// When the last FIN was reached, while it is not sure that the flow is over; else [`NOT_ENDED`].
    ended: Timestamp,
    /// Segments that came before what they answer.
    room: Option<Box<WaitingRoom>>,
}

/// What a segment meant for its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The flow goes on.
    Open,
    /// The handler has been told that the flow is over.
    Closed,
    /// The handler wants nothing more of it.
    Ignored,
}

/// How long segments may wait for what they answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    Usual,
    None,
}

impl Flow {
    /// A flow that begins with `segment`, or with the handshake that was seen before.
    pub(super) fn new(
        key: FlowKey,
        direction: Direction,
        segment: &Segment<'_>,
        opening: Option<Opening>,
    ) -> Self {
        let opening = opening
            .filter(|opening| opening.fits(direction, segment))
            .unwrap_or_default();
        let mut flow = Self {
            summary: FlowSummary {
                key,
                initiator: opening.initiator,
                first: segment.frame,
                last: segment.frame,
                established: None,
                half: Default::default(),
            },
            streams: Default::default(),
            copies: SecondCopies::default(),
            scale: WindowScale::default(),
            from_syn: segment.flags.syn(),
            established: false,
            ignored: false,
            ended: NOT_ENDED,
            room: None,
        };
        for half in &mut flow.summary.half {
            half.measured.joined_late = !segment.flags.syn();
        }
        for sender in [Direction::Up, Direction::Down] {
            if let Some(syn) = opening.syn[sender.index()] {
                flow.begin_with_syn(sender, syn.frame, syn.start, syn.scale);
                if syn.frame.number < flow.summary.first.number {
                    flow.summary.first = syn.frame;
                }
                // The segment that is admitted is counted when it is handled.
                if syn.frame != segment.frame {
                    flow.summary.half[sender.index()].segments += 1;
                }
            }
        }
        flow
    }

    /// What no byte tells.
    pub(super) const fn summary(&self) -> &FlowSummary {
        &self.summary
    }

    /// Where each sender's stream starts.
    pub(super) fn starts(&self) -> [Option<SeqNum>; 2] {
        [self.streams[0].start(), self.streams[1].start()]
    }

    /// True when time alone may change something.
    pub(super) fn waiting(&self) -> bool {
        self.ended != NOT_ENDED
            || self.streams[0].waiting()
            || self.streams[1].waiting()
            || self.room.is_some()
    }

    /// Bytes that wait behind holes.
    pub(super) fn held_bytes(&self) -> usize {
        let room = self.room.as_ref().map_or(0, |room| room.bytes());
        self.streams[0].held_bytes() + self.streams[1].held_bytes() + room
    }

    /// The handler wants nothing of it.
    pub(super) const fn ignore(&mut self) {
        self.ignored = true;
    }

    /// True for a SYN or SYN ACK of another connection between the same ends.
    pub(super) fn is_reused_by(&self, direction: Direction, segment: &Segment<'_>) -> bool {
        if !segment.flags.syn() || segment.flags.rst() {
            return false;
        }
        let Some(start) = self.streams[direction.index()].start() else {
            return false;
        };
        let distance = SeqNum(segment.sequence).plus(1).distance_from(start);
        // Where the start is a guess, a SYN shortly before it is that of this flow, come late.
        let late = !self.summary.sent(direction).start_known && (LATE_SYN..0).contains(&distance);
        distance != 0 && !late
    }

    /// Handles one segment of this flow, once what it answers is there.
    #[inline]
    pub(super) fn segment<H: StreamHandler>(
        &mut self,
        direction: Direction,
        segment: &Segment<'_>,
        context: &mut Context<'_, H>,
    ) -> Outcome {
        if self.room.is_none() && !self.is_early(direction, segment) {
            return self.handle(direction, segment, context);
        }
        let early = self.is_early(direction, segment);
        let room = self.room.get_or_insert_default();
        room.packet();
        if early {
            room.admit(direction, segment, context.now, context.budget);
        } else if segment.flags.rst() {
            // Nothing comes after it.
            let outcome = self.empty_room(Patience::None, context);
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
        self.empty_room(Patience::Usual, context)
    }

    /// True where a segment answers what was not seen, though the other side's packets are captured.
    #[inline]
    fn is_early(&self, direction: Direction, segment: &Segment<'_>) -> bool {
        let flags = segment.flags;
        let other = direction.reverse().index();
        (!segment.payload.is_empty() || flags.fin())
            && flags.ack()
            && !flags.syn()
            && !flags.rst()
            && self.summary.half[other].segments > 0
            && self.streams[other].is_ahead(SeqNum(segment.acknowledgment))
    }

    /// Handles the segments that need not wait any longer.
    fn empty_room<H: StreamHandler>(
        &mut self,
        patience: Patience,
        context: &mut Context<'_, H>,
    ) -> Outcome {
        while let Some(mut room) = self.room.take() {
            let next = room.next(context.now, context.budget, |direction, segment| {
                patience == Patience::None || !self.is_early(direction, segment)
            });
            let waits = next.is_none();
            if !room.is_empty() {
                self.room = Some(room);
            }
            if let Some(guest) = next {
                let segment = guest.segment();
                if self.is_early(guest.direction, &segment) {
                    let other = guest.direction.reverse().index();
                    self.streams[other].give_up(SeqNum(segment.acknowledgment));
                } else {
                    context.waited = true;
                }
                let outcome = self.handle(guest.direction, &segment, context);
                context.waited = false;
                if outcome != Outcome::Open {
                    return outcome;
                }
            }
            if waits {
                break;
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
        if segment.frame.number >= self.summary.last.number {
            self.summary.last = segment.frame;
        }
        self.summary.half[direction.index()].segments += 1;
        if flags.rst() {
            return self.reset(direction, segment, context);
        }
        let mut sequence = SeqNum(segment.sequence);
        if flags.syn() {
            sequence = sequence.plus(1);
            self.begin_with_syn(direction, segment.frame, sequence, segment.window_scale);
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
                measured.window(closed, segment.frame.time);
            }
            self.acknowledgment(direction, segment, first_after_syn, context);
            if !self.established {
                self.established = true;
                context.handler.established(context.flow, &self.summary);
            }
        }
        let seen = self.streams[direction.index()].seen();
        let half = self.summary.sent(direction);
        let before = (half.retransmitted_bytes, half.irregular().conflicting_bytes);
        let (stream, mut out) = self.sent(direction, context);
        if !out.ignored() {
            stream.segment(sequence, segment, &mut out);
        }
        if !segment.payload.is_empty() {
            let half = &mut self.summary.half[direction.index()];
            self.copies.tell_apart(direction, segment, half, before);
        }
        let end = self.streams[direction.index()].seen();
        if end > seen && flags.ack() {
            let acknowledgment = SeqNum(segment.acknowledgment);
            self.streams[direction.reverse().index()].answered(acknowledgment, end);
        }
        if self.streams[0].has_backlog() || self.streams[1].has_backlog() {
            self.review_streams(context);
        }
        self.outcome(context)
    }

    /// Looks at holes and at closing when no segment of the flow came.
    pub(super) fn review<H: StreamHandler>(
        &mut self,
        linger: Span,
        context: &mut Context<'_, H>,
    ) -> Outcome {
        let outcome = self.empty_room(Patience::Usual, context);
        if outcome != Outcome::Open {
            return outcome;
        }
        self.review_streams(context);
        if !self.ignored
            && self.ended != NOT_ENDED
            && context.now.since(self.ended) >= linger
            && self.over()
        {
            context.close(CloseReason::Fin, &self.summary);
            return Outcome::Closed;
        }
        self.outcome(context)
    }

    /// Makes the first hole of the stream that holds most a gap.
    pub(super) fn relieve<H: StreamHandler>(&mut self, context: &mut Context<'_, H>) -> Outcome {
        if self.room.is_some() {
            return self.empty_room(Patience::None, context);
        }
        let direction = if self.streams[0].held_bytes() >= self.streams[1].held_bytes() {
            Direction::Up
        } else {
            Direction::Down
        };
        let (stream, mut out) = self.sent(direction, context);
        stream.close_first_hole(&mut out);
        self.outcome(context)
    }

    /// The flow is over for a reason outside it: delivers what is held and says so.
    pub(super) fn end<H: StreamHandler>(
        &mut self,
        reason: CloseReason,
        context: &mut Context<'_, H>,
    ) {
        match self.empty_room(Patience::None, context) {
            Outcome::Open => self.flush(Flush::All, context),
            Outcome::Closed => return,
            Outcome::Ignored => {}
        }
        if self.ignored {
            return;
        }
        let reason = if self.over() {
            CloseReason::Fin
        } else {
            reason
        };
        context.close(reason, &self.summary);
    }

    /// Gives all memory back.
    pub(super) fn release<H: StreamHandler>(&mut self, context: &mut Context<'_, H>) {
        if let Some(mut room) = self.room.take() {
            while room
                .next(context.now, context.budget, |_, _| true)
                .is_some()
            {}
        }
        for direction in [Direction::Up, Direction::Down] {
            let (stream, mut out) = self.sent(direction, context);
            stream.release(&mut out);
        }
    }

    /// The stream that `direction` sends, and the way out for its bytes.
    const fn sent<'a, 'b, H: StreamHandler>(
        &'a mut self,
        direction: Direction,
        context: &'a mut Context<'b, H>,
    ) -> (&'a mut HalfStream, Delivery<'a, 'b, H>) {
        (
            &mut self.streams[direction.index()],
            context.delivery(&mut self.summary, &mut self.ignored, direction),
        )
    }

    /// SYN or SYN ACK of `sender`; `start` is the number after it.
    fn begin_with_syn(
        &mut self,
        sender: Direction,
        frame: FrameRef,
        start: SeqNum,
        scale: Option<u8>,
    ) {
        let half = &mut self.summary.half[sender.index()];
        half.syn.get_or_insert(frame);
        self.scale.offer(sender, scale);
        let stream = &mut self.streams[sender.index()];
        let known = *stream.start().get_or_insert(start);
        if known == start {
            half.start_known = true;
            stream.begin(start);
        }
    }

    /// What a segment of `direction` says about the other direction's stream.
    fn acknowledgment<H: StreamHandler>(
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
            // SYN ACK and the ACK that ends the handshake acknowledge a SYN: the stream starts there.
            self.streams[other.index()].begin(acknowledged);
            self.summary.half[other.index()].start_known = flags.syn() || first_after_syn;
        }
        if !flags.syn() && !flags.rst() && self.summary.initiator == Some(direction) {
            self.summary.established.get_or_insert(segment.frame);
        }
        let shift = if flags.syn() {
            0
        } else {
            self.scale.shift(direction)
        };
        let (stream, mut out) = self.sent(other, context);
        stream.acknowledged(acknowledged, u64::from(segment.window) << shift, &mut out);
    }

    /// RST (RFC 9293 section 3.10.7): believed near the window, or from a side of which nothing is known, as when it
    /// answers a SYN.
    fn reset<H: StreamHandler>(
        &mut self,
        direction: Direction,
        segment: &Segment<'_>,
        context: &mut Context<'_, H>,
    ) -> Outcome {
        let payload = segment.payload.len() as u64;
        if payload > 0 {
            let half = &mut self.summary.half[direction.index()];
            half.irregular_mut().ignored_bytes += payload;
        }
        if !self.streams[direction.index()].accepts_reset(SeqNum(segment.sequence)) {
            return Outcome::Open;
        }
        if segment.flags.ack() {
            self.acknowledgment(direction, segment, false, context);
        }
        let half = &mut self.summary.half[direction.index()];
        half.irregular_mut().rst = Some(segment.frame);
        self.flush(Flush::Acknowledged, context);
        if self.ignored {
            return Outcome::Ignored;
        }
        context.close(CloseReason::Reset(direction), &self.summary);
        Outcome::Closed
    }

    fn flush<H: StreamHandler>(&mut self, how: Flush, context: &mut Context<'_, H>) {
        for direction in [Direction::Up, Direction::Down] {
            let (stream, mut out) = self.sent(direction, context);
            if !out.ignored() {
                stream.flush(how, &mut out);
            }
        }
    }

    fn review_streams<H: StreamHandler>(&mut self, context: &mut Context<'_, H>) {
        for direction in [Direction::Up, Direction::Down] {
            let heard = self.streams[direction.reverse().index()].acked();
            let (stream, mut out) = self.sent(direction, context);
            if !out.ignored() {
                stream.review(heard, &mut out);
            }
        }
    }

    /// Closes the flow once both FINs were reached and acknowledged.
    fn outcome<H: StreamHandler>(&mut self, context: &mut Context<'_, H>) -> Outcome {
        if self.ignored {
            return Outcome::Ignored;
        }
        let half = &self.summary.half;
        if !half[0].finished && !half[1].finished {
            return Outcome::Open;
        }
        if self.streams[0].closed() && self.streams[1].closed() {
            context.close(CloseReason::Fin, &self.summary);
            return Outcome::Closed;
        }
        if self.ended == NOT_ENDED && self.over() {
            self.ended = context.now;
        }
        Outcome::Open
    }

    /// True when nothing more can be expected, though an acknowledgment or a whole side was not captured.
    fn over(&self) -> bool {
        let [up, down] = &self.summary.half;
        (up.finished && (down.finished || down.segments == 0))
            || (down.finished && up.segments == 0)
    }
}

const NOT_ENDED: Timestamp = Timestamp::MAX;
/// How far before the first byte seen a SYN may lie that came late.
const LATE_SYN: i32 = -(1 << 20);
