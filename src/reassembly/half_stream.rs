//! One direction of a connection: segments in any order become bytes in order.
//!
//! ```text
//!                       next            first held            highest
//!  delivered or missing  |     hole         |  held  | hole | held |
//! -----------------------+------------------+--------+------+------+---------> offset
//! ```
//!
//! A hole becomes a gap once the other side has acknowledged past it for 64 packets or 200 ms: it has the bytes, we will
//! not get them. In a dialogue one [`RoundTrip`] decides at once. Where the other side says nothing, 2 s or the bound on held
//! bytes decide.

mod placing;

use std::num::NonZeroU64;

use crate::decode::{Segment, TcpFlags};
use crate::model::FrameRef;

use super::StreamHandler;
use super::arrival::Arrival;
use super::delivery::Delivery;
use super::distant_segments::{DistantSegment, DistantSegments};
use super::held_segments::HeldSegments;
use super::history::History;
use super::hole_watch::{HoleWatch, Standing};
use super::receiver_side::{ReceiverSide, SLACK};
use super::round_trip::RoundTrip;
use super::sequence::SeqNum;

/// The stream of one sender.
#[derive(Debug, Default)]
pub(super) struct HalfStream {
    /// Sequence number of offset 0.
    start: Option<SeqNum>,
    /// Everything before it was delivered or declared missing.
    next: u64,
    /// End of the bytes that were seen at all, those cut by the snap length included.
    highest: u64,
    /// The same, of segments that came in order.
    reach: u64,
    receiver: ReceiverSide,
    /// One more than where the stream ends: FIN counts as a byte.
    past_fin: Option<NonZeroU64>,
    history: History,
    /// What only a stream with holes needs.
    backlog: Option<Box<Backlog>>,
    /// What only a stream needs of which the other side has more than was seen.
    unseen: Option<Box<Unseen>>,
}

/// How much of what is held may be thrown away when a flow ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flush {
    /// Everything held is delivered.
    All,
    /// The connection was reset: what was not acknowledged did not arrive.
    Acknowledged,
}

#[derive(Debug, Default)]
struct Backlog {
    held: HeldSegments,
    distant: DistantSegments,
    watch: HoleWatch,
}

#[derive(Debug, Default)]
struct Unseen {
    /// End of the bytes that follow `next` and were cut by the snap length: no retransmission brings them once they
    /// were acknowledged.
    cut_until: u64,
    round_trip: RoundTrip,
    /// What lies before it was waited for long enough.
    given_up: u64,
    /// The first acknowledgment of one more than was seen, and its segment.
    one_more: Option<(u64, FrameRef)>,
}

/// A piece of the stream on its way in.
#[derive(Clone, Copy)]
struct Piece<'a> {
    offset: i64,
    bytes: &'a [u8],
    cut: u32,
    fin: bool,
    arrived: Arrival,
}

impl HalfStream {
    /// Sequence number of offset 0, once known.
    pub(super) const fn start(&self) -> Option<SeqNum> {
        self.start
    }

    /// Says where the stream starts.
    pub(super) const fn begin(&mut self, start: SeqNum) {
        self.start = Some(start);
    }

    /// Where the stream ends, once FIN was seen.
    fn fin(&self) -> Option<u64> {
        self.past_fin.map(|past| past.get() - 1)
    }

    /// True when the next byte in order would have this number.
    pub(super) fn expects(&self, sequence: SeqNum) -> bool {
        self.start
            .is_some_and(|start| start.at(self.next) == sequence)
    }

    /// True once there was a hole.
    pub(super) const fn has_backlog(&self) -> bool {
        self.backlog.is_some()
    }

    /// True when bytes or FIN wait behind a hole.
    pub(super) fn waiting(&self) -> bool {
        self.fin().is_some_and(|fin| fin > self.next) || !self.held_is_empty()
    }

    /// Bytes that wait behind holes or beyond the window.
    pub(super) fn held_bytes(&self) -> usize {
        self.backlog
            .as_ref()
            .map_or(0, |backlog| backlog.held.bytes() + backlog.distant.bytes())
    }

    /// True once FIN was reached and acknowledged.
    pub(super) fn closed(&self) -> bool {
        self.fin()
            .is_some_and(|fin| self.next == fin && self.receiver.acked() > fin)
    }

    /// True where a RST with this sequence number would be believed.
    pub(super) fn accepts_reset(&self, sequence: SeqNum) -> bool {
        let Some(start) = self.start else {
            return true;
        };
        let offset = sequence.unwrap_near(start, self.near());
        let end = self
            .highest
            .max(self.receiver.acked())
            .max(self.receiver.window_end())
            .saturating_add(SLACK);
        match u64::try_from(offset) {
            Ok(offset) => offset.saturating_add(SLACK) >= self.next && offset <= end,
            Err(_) => self.next <= SLACK && offset.unsigned_abs() <= SLACK,
        }
    }

    /// Payload and FIN of a segment of this direction; `sequence` is that of the first payload byte.
    #[inline]
    pub(super) fn segment<H: StreamHandler>(
        &mut self,
        sequence: SeqNum,
        segment: &Segment<'_>,
        out: &mut Delivery<'_, '_, H>,
    ) {
        let length = segment.wire_len();
        let fin = segment.flags.fin();
        if length == 0 && !fin {
            return;
        }
        let Some(start) = self.start.or_else(|| self.begin_at(sequence, segment)) else {
            out.ignore(segment.payload.len() as u64);
            return;
        };
        let offset = sequence.unwrap_near(start, self.near());
        if length == 1 && !fin && !segment.flags.syn() && self.is_keep_alive(offset) {
            return;
        }
        if length > 0 {
            let frame = out.frame();
            let half = out.half();
            half.first_data.get_or_insert(frame);
            half.measured.cut(segment.cut);
        }
        let piece = Piece {
            offset,
            bytes: segment.payload,
            cut: segment.cut,
            fin,
            arrived: out.arrival(segment.frame),
        };
        if self.is_distant(&piece) {
            self.hold_distant(&piece, out);
        } else {
            self.accept(piece, out);
        }
    }

    /// True where `acknowledgment` is of bytes that were not seen, though they may yet come: those of a stream whose start is
    /// known, not far beyond what was seen.
    #[inline]
    pub(super) fn is_ahead(&self, acknowledgment: SeqNum) -> bool {
        self.start.is_some_and(|start| {
            let given_up = self.unseen.as_ref().map_or(0, |unseen| unseen.given_up);
            let end = self.seen().max(given_up);
            let end = self.fin().map_or(end, |fin| end.max(fin.saturating_add(1)));
            let ahead = acknowledgment.distance_from(start.at(end));
            (1..=FAR_AHEAD).contains(&ahead)
        })
    }

    /// Nothing waits any longer for what lies before `acknowledgment`.
    pub(super) fn give_up(&mut self, acknowledgment: SeqNum) {
        if let Some(start) = self.start {
            let offset = acknowledgment.unwrap_near(start, self.near());
            let unseen = self.unseen.get_or_insert_default();
            unseen.given_up = unseen.given_up.max(u64::try_from(offset).unwrap_or(0));
        }
    }

    /// End of all that was seen of this stream.
    pub(super) fn seen(&self) -> u64 {
        self.highest.max(self.next)
    }

    /// What the other side has acknowledged of it.
    pub(super) const fn acked(&self) -> u64 {
        self.receiver.acked()
    }

    /// A segment of the other side brought new bytes, which end at `end`: with what it acknowledges it may begin a round trip.
    #[inline]
    pub(super) fn answered(&mut self, acknowledgment: SeqNum, end: u64) {
        let acked = self.receiver.acked();
        if acked > self.next
            && let Some(start) = self.start
            && start.at(acked) == acknowledgment
        {
            let unseen = self.unseen.get_or_insert_default();
            unseen.round_trip.answered(acked, end);
        }
    }

    /// An acknowledgment of this stream by the other side, with the window it offers.
    #[inline]
    pub(super) fn acknowledged<H: StreamHandler>(
        &mut self,
        acknowledgment: SeqNum,
        window: u64,
        out: &mut Delivery<'_, '_, H>,
    ) {
        let Some(start) = self.start else {
            return;
        };
        let Ok(offset) = u64::try_from(acknowledgment.unwrap_near(start, self.near())) else {
            return;
        };
        let sent = self.highest.max(self.next);
        if self.receiver.says(offset, window, sent) {
            self.withdraw_fin(offset, out);
            if offset == sent.saturating_add(1) && self.fin().is_none() {
                self.unseen.get_or_insert_default().one_more = Some((offset, out.frame()));
            }
            self.accept_distant(offset, out);
            let cut_until = self.unseen.as_ref().map_or(0, |unseen| unseen.cut_until);
            if cut_until > self.next && offset >= cut_until {
                self.decide(cut_until, out);
            }
        }
    }

    /// Decides whether holes have become gaps; the sender has acknowledged the other stream up to `heard`.
    pub(super) fn review<H: StreamHandler>(&mut self, heard: u64, out: &mut Delivery<'_, '_, H>) {
        if self.backlog.is_none() {
            return;
        }
        let other = out.other_half().segments;
        if other == 0 && self.held_bytes() >= out.budget().held_one_sided {
            self.close_first_hole(out);
        }
        let by_time = self.watch(out, HoleWatch::decided).unwrap_or_default();
        let by_dialogue = self
            .unseen
            .as_mut()
            .map_or(0, |unseen| unseen.round_trip.decided(self.next, heard));
        // What was acknowledged beyond all that was seen may be a FIN, or a number that a translator shifted.
        let decided = by_time.max(by_dialogue.min(self.seen()));
        if decided > self.next {
            self.decide(decided, out);
        }
        self.watch(out, HoleWatch::watch);
    }

    /// Makes the first hole a gap, and delivers what follows it; without a hole, lets go of what else is held.
    pub(super) fn close_first_hole<H: StreamHandler>(&mut self, out: &mut Delivery<'_, '_, H>) {
        match self.hole_end() {
            Some(end) => self.decide(end, out),
            None => self.drop_distant(out),
        }
    }

    /// The flow ends: delivers what is held, declares what is missing.
    pub(super) fn flush<H: StreamHandler>(&mut self, how: Flush, out: &mut Delivery<'_, '_, H>) {
        if self.start.is_none() {
            return;
        }
        self.drop_distant(out);
        // What the other side is known to have. The last number may be that of a FIN that was not captured: a connection
        // whose other direction ended in order had one, and one single byte is more likely to be it.
        let mut known = self.receiver.acked();
        if self.fin().is_none() && known > self.highest {
            let seen = self.next.max(self.highest);
            let fin = out.other_half().finished || known - 1 == seen;
            let told = self
                .unseen
                .as_ref()
                .and_then(|unseen| unseen.one_more)
                .filter(|(end, _)| *end == seen + 1 && *end == known);
            if let Some((_, frame)) = told {
                out.half().irregular_mut().fin_acknowledged = Some(frame);
            }
            known -= u64::from(fin);
        }
        let everything = how == Flush::All || out.other_half().segments == 0;
        if !everything && let Some(backlog) = self.backlog.as_deref_mut() {
            let unacknowledged = self.receiver.acked().max(self.next);
            let dropped = backlog.held.drop_from(unacknowledged, out.budget());
            out.ignore(dropped);
        }
        while let Some(first) = self
            .backlog
            .as_ref()
            .and_then(|backlog| backlog.held.first_offset())
        {
            self.decide(first, out);
            if out.ignored() {
                return;
            }
        }
        let mut end = known.max(self.reach);
        if everything {
            end = end.max(self.highest);
        }
        if let Some(fin) = self.fin() {
            end = if everything { fin } else { end.min(fin) };
        }
        self.decide(end, out);
    }

    /// Gives all memory back.
    pub(super) fn release<H: StreamHandler>(&mut self, out: &mut Delivery<'_, '_, H>) {
        self.drop_distant(out);
        if let Some(mut backlog) = self.backlog.take() {
            backlog.held.drop_from(0, out.budget());
        }
        self.history.clear(out.budget());
    }

    /// Where new sequence numbers are expected: after a long loss the receiver is far beyond what was seen.
    fn near(&self) -> u64 {
        self.next.max(self.receiver.acked())
    }

    /// A stream of which no start was seen starts with its first payload, but not with what may be a keep-alive.
    const fn begin_at(&mut self, sequence: SeqNum, segment: &Segment<'_>) -> Option<SeqNum> {
        let push = segment.flags.0 & TcpFlags::PSH != 0;
        if segment.wire_len() > 1 || segment.flags.fin() || push {
            self.start = Some(sequence);
        }
        self.start
    }

    /// RFC 9293 section 3.8.4: a keep-alive repeats the last number, with a byte that means nothing.
    fn is_keep_alive(&self, offset: i64) -> bool {
        let after = u64::try_from(offset.saturating_add(1)).ok();
        let sent = self.fin().map_or(self.highest, |fin| fin.saturating_add(1));
        after.is_some_and(|after| after == self.next || after == sent)
    }

    /// True for what the receiver cannot have offered room for, unless it is what comes next.
    fn is_distant(&self, piece: &Piece<'_>) -> bool {
        u64::try_from(piece.offset).is_ok_and(|offset| {
            let end = offset
                .saturating_add(piece.bytes.len() as u64)
                .saturating_add(u64::from(piece.cut));
            offset > self.next && self.receiver.cannot_take(end)
        })
    }

    /// A FIN that was acknowledged past was not one.
    fn withdraw_fin<H: StreamHandler>(&mut self, acked: u64, out: &mut Delivery<'_, '_, H>) {
        if let Some(fin) = self.fin()
            && acked > fin.saturating_add(1)
            && !out.half().finished
        {
            self.past_fin = None;
            out.half().fin = None;
        }
    }

    fn hold_distant<H: StreamHandler>(&mut self, piece: &Piece<'_>, out: &mut Delivery<'_, '_, H>) {
        let Ok(offset) = u64::try_from(piece.offset) else {
            return;
        };
        let segment = DistantSegment {
            offset,
            bytes: piece.bytes.into(),
            cut: piece.cut,
            fin: piece.fin,
            arrived: piece.arrived,
        };
        let backlog = self.backlog.get_or_insert_default();
        if !backlog.distant.add(segment, out.budget()) {
            self.accept_distant(u64::MAX, out);
            self.receiver.widen(self.highest);
        }
    }

    /// Takes in the distant segments that end at or before `acked`.
    fn accept_distant<H: StreamHandler>(&mut self, acked: u64, out: &mut Delivery<'_, '_, H>) {
        let Some(backlog) = self.backlog.as_deref_mut() else {
            return;
        };
        for segment in backlog.distant.take_until(acked, out.budget()) {
            if !out.ignored() {
                let piece = Piece {
                    offset: i64::try_from(segment.offset).unwrap_or(i64::MAX),
                    bytes: &segment.bytes,
                    cut: segment.cut,
                    fin: segment.fin,
                    arrived: segment.arrived,
                };
                self.accept(piece, out);
            }
        }
    }

    fn drop_distant<H: StreamHandler>(&mut self, out: &mut Delivery<'_, '_, H>) {
        if let Some(backlog) = self.backlog.as_deref_mut() {
            let dropped = backlog.distant.clear(out.budget());
            out.ignore(dropped);
        }
    }

    /// Does something with the watch over holes, where there is one.
    fn watch<H: StreamHandler, T>(
        &mut self,
        out: &Delivery<'_, '_, H>,
        with: impl FnOnce(&mut HoleWatch, Standing) -> T,
    ) -> Option<T> {
        let standing = Standing {
            next: self.next,
            acked: self.receiver.acked(),
            highest: self.highest,
            packets: out.packets(),
            packets_of_other: out.other_half().segments,
            now: out.now(),
        };
        let waiting = self.waiting();
        let watch = &mut self.backlog.as_deref_mut()?.watch;
        if !waiting {
            watch.rest();
            return None;
        }
        Some(with(watch, standing))
    }

    fn held_is_empty(&self) -> bool {
        self.backlog
            .as_ref()
            .is_none_or(|backlog| backlog.held.is_empty())
    }
}

/// An acknowledgment that lies further beyond what was seen is not of packets that come a little late.
const FAR_AHEAD: i32 = 1 << 20;
