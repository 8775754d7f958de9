//! One direction of a connection: segments in any order become bytes in order.
//!
//! ```text
//!                       next            first held            highest
//!  delivered or missing  |     hole         |  held  | hole | held |
//! -----------------------+------------------+--------+------+------+---------> offset
//! ```
//!
//! A hole becomes a gap once the other side has acknowledged past it for 64 packets or 200 ms: it has the bytes, we
//! will not get them. In a dialogue one [`RoundTrip`] decides at once. Where the other side sends nothing, 2 s or the
//! limit on held bytes decide.
//!
//! # Damaged segments
//!
//! A receiver drops a segment whose checksum is wrong (RFC 9293 section 3.1) and takes the copy that is sent again. Such
//! a segment is therefore held apart until the receiver acknowledges it, and gives way to a copy that comes before. A
//! wrong checksum proves damage only if the sender's others are right: captured on the sending host, all are wrong,
//! since the network card fills them in ([`Checksums`]).

use std::num::NonZeroU64;

use crate::decode::{Segment, TcpFlags};
use crate::model::FrameRef;

use super::StreamHandler;
use super::checksums::Checksums;
use super::delivery::{Arrival, Delivery};
use super::held_segments::{DistantSegment, DistantSegments, HeldSegments};
use super::history::History;
use super::hole_watch::{HoleWatch, RoundTrip, Standing};
use super::receiver_side::{ReceiverSide, SLACK};
use super::sequence::SeqNum;

/// The stream of one sender. All positions are stream offsets.
#[derive(Debug, Default)]
pub(super) struct HalfStream {
    /// Sequence number of offset 0; `None` until the handshake, an acknowledgment or the first payload gives it.
    start: Option<SeqNum>,
    /// End of the bytes delivered or declared missing.
    next: u64,
    /// End of the bytes captured at all, those cut off by the snap length included.
    highest: u64,
    /// Like `highest`, of segments that were captured in order.
    in_order_end: u64,
    receiver: ReceiverSide,
    checksums: Checksums,
    /// End of the stream plus 1, as FIN counts as a byte; `None` until FIN is captured.
    past_fin: Option<NonZeroU64>,
    history: History,
    /// State of a stream with holes; `None` for one that never had a hole.
    backlog: Option<Box<Backlog>>,
    /// State of a stream of which the receiver has more than was captured; `None` for one that never was in that state.
    uncaptured: Option<Box<Uncaptured>>,
}

/// Extent of the held bytes that are delivered when a flow ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flush {
    /// Everything held.
    All,
    /// Acknowledged bytes only: after a reset, the others count as not received.
    Acknowledged,
}

#[derive(Debug, Default)]
struct Backlog {
    held: HeldSegments,
    distant: DistantSegments,
    /// End of the damaged segments among the distant ones.
    damaged_end: u64,
    watch: HoleWatch,
}

#[derive(Debug, Default)]
struct Uncaptured {
    /// End of the bytes after `next` that the snap length cut off. Once acknowledged, they are not retransmitted.
    cut_until: u64,
    round_trip: RoundTrip,
    /// End of the bytes for which early segments are no longer held.
    unexpected_until: u64,
    /// The first acknowledgment of exactly one more than was captured, and its frame.
    one_more: Option<(u64, FrameRef)>,
}

/// Part of the stream from one segment.
#[derive(Clone, Copy)]
struct Piece<'a> {
    /// Negative before the start of the stream.
    offset: i64,
    bytes: &'a [u8],
    cut: u32,
    fin: bool,
    arrived: Arrival,
}

impl HalfStream {
    /// Returns the sequence number of offset 0; `None` while unknown.
    pub(super) const fn start(&self) -> Option<SeqNum> {
        self.start
    }

    /// Sets the sequence number of offset 0.
    pub(super) const fn set_start(&mut self, start: SeqNum) {
        self.start = Some(start);
    }

    /// Returns the end of the stream; `None` until FIN is captured.
    fn fin(&self) -> Option<u64> {
        self.past_fin.map(|past| past.get() - 1)
    }

    /// Returns whether the next byte in order has this sequence number.
    pub(super) fn expects(&self, sequence: SeqNum) -> bool {
        self.start
            .is_some_and(|start| start.at(self.next) == sequence)
    }

    /// Returns whether the stream ever had a hole.
    pub(super) const fn has_backlog(&self) -> bool {
        self.backlog.is_some()
    }

    /// Returns whether bytes or FIN are held behind a hole.
    pub(super) fn is_incomplete(&self) -> bool {
        self.fin().is_some_and(|fin| fin > self.next) || !self.is_nothing_held()
    }

    /// Returns the number of bytes held behind holes or beyond the window.
    pub(super) fn held_bytes(&self) -> usize {
        self.backlog
            .as_ref()
            .map_or(0, |backlog| backlog.held.bytes() + backlog.distant.bytes())
    }

    /// Returns whether FIN has been reached and acknowledged.
    pub(super) fn is_closed(&self) -> bool {
        self.fin()
            .is_some_and(|fin| self.next == fin && self.receiver.acked() > fin)
    }

    /// Returns whether a RST with this sequence number is near enough to the stream to be accepted.
    pub(super) fn accepts_reset(&self, sequence: SeqNum) -> bool {
        // A refused SYN is reset by a side of which nothing else is captured.
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

    /// Handles payload and FIN of a segment of this direction; `sequence` is the number of the first payload byte.
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
            out.count_ignored(segment.payload.len() as u64);
            return;
        };
        out.half().origin = Some(start.0);
        let offset = sequence.unwrap_near(start, self.near());
        if length == 1 && !fin && !segment.flags.syn() && self.is_keep_alive(offset) {
            return;
        }
        if length > 0 {
            let frame = out.frame();
            let half = out.half();
            half.first_data.get_or_insert(frame);
            half.measured.record_cut(segment.cut);
        }
        let piece = Piece {
            offset,
            bytes: segment.payload,
            cut: segment.cut,
            fin,
            arrived: out.arrival(segment.frame),
        };
        if self.is_damaged(&piece, segment, out) {
            self.hold_damaged(&piece, out);
        } else if self.is_distant(&piece) {
            self.hold_until_acknowledged(&piece, false, out);
        } else {
            self.accept(piece, out);
        }
    }

    /// Judges this sender's checksums by that of SYN or SYN ACK.
    pub(super) fn verify_syn(&mut self, segment: &Segment<'_>) {
        self.checksums.is_damaged(segment);
    }

    /// Returns whether the receiver drops a segment for its checksum, as far as can be known.
    fn is_damaged<H: StreamHandler>(
        &mut self,
        piece: &Piece<'_>,
        segment: &Segment<'_>,
        out: &Delivery<'_, '_, H>,
    ) -> bool {
        // Without acknowledgments in the capture nothing would release a held segment before the end.
        !segment.payload.is_empty()
            && self.checksums.is_damaged(segment)
            && out.other_half().segments > 0
            && u64::try_from(piece.offset).is_ok()
    }

    /// Holds a damaged segment until it is acknowledged, except for one whose bytes are known already.
    fn hold_damaged<H: StreamHandler>(&mut self, piece: &Piece<'_>, out: &mut Delivery<'_, '_, H>) {
        let end = piece.offset.unsigned_abs() + piece.bytes.len() as u64;
        if end <= self.next && !piece.fin {
            out.count_repeated(piece.bytes.len() as u64, 0);
        } else if end <= self.receiver.acked() {
            self.accept(*piece, out);
        } else {
            let backlog = self.backlog.get_or_insert_default();
            backlog.damaged_end = backlog.damaged_end.max(end);
            self.hold_until_acknowledged(piece, true, out);
        }
    }

    /// Returns whether `acknowledgment` covers bytes that were not captured but may be soon: those of a stream with a
    /// known start, not far beyond the captured ones.
    #[inline]
    pub(super) fn is_ahead(&self, acknowledgment: SeqNum) -> bool {
        self.start.is_some_and(|start| {
            let unexpected_until = self
                .uncaptured
                .as_ref()
                .map_or(0, |uncaptured| uncaptured.unexpected_until);
            let damaged_end = self
                .backlog
                .as_ref()
                .map_or(0, |backlog| backlog.damaged_end);
            let end = self.captured_end().max(unexpected_until).max(damaged_end);
            // FIN takes a number of its own, whose acknowledgment covers no further bytes.
            let end = self.fin().map_or(end, |fin| end.max(fin.saturating_add(1)));
            let ahead = acknowledgment.distance_from(start.at(end));
            (1..=FARTHEST_AHEAD).contains(&ahead)
        })
    }

    /// Records that no early segment is to be held for bytes before `acknowledgment`.
    pub(super) fn stop_expecting(&mut self, acknowledgment: SeqNum) {
        if let Some(start) = self.start {
            let offset = acknowledgment.unwrap_near(start, self.near());
            let uncaptured = self.uncaptured.get_or_insert_default();
            uncaptured.unexpected_until = uncaptured
                .unexpected_until
                .max(u64::try_from(offset).unwrap_or(0));
        }
    }

    /// Returns the end of all bytes captured or declared missing.
    pub(super) fn captured_end(&self) -> u64 {
        self.highest.max(self.next)
    }

    /// Returns the end of the bytes that the other side has acknowledged.
    pub(super) const fn acked(&self) -> u64 {
        self.receiver.acked()
    }

    /// Records a segment of the other side with new bytes that end at `end`: its acknowledgment may start a round trip.
    #[inline]
    pub(super) fn on_answer(&mut self, acknowledgment: SeqNum, end: u64) {
        let acked = self.receiver.acked();
        if acked > self.next
            && let Some(start) = self.start
            && start.at(acked) == acknowledgment
        {
            let uncaptured = self.uncaptured.get_or_insert_default();
            uncaptured.round_trip.on_answer(acked, end);
        }
    }

    /// Applies an acknowledgment of this stream by the other side, with the window it offers in bytes.
    #[inline]
    pub(super) fn on_acknowledgment<H: StreamHandler>(
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
        if self.receiver.on_acknowledgment(offset, window, sent) {
            self.withdraw_fin(offset, out);
            if offset == sent.saturating_add(1) && self.fin().is_none() {
                self.uncaptured.get_or_insert_default().one_more = Some((offset, out.frame()));
            }
            self.accept_distant(offset, out);
            let cut_until = self
                .uncaptured
                .as_ref()
                .map_or(0, |uncaptured| uncaptured.cut_until);
            // Acknowledged bytes are not retransmitted: those cut off by the snap length are missing for good.
            if cut_until > self.next && offset >= cut_until {
                self.declare_missing(cut_until, out);
            }
        }
    }

    /// Declares holes gaps whose bytes will not arrive. The sender has acknowledged the other stream up to `acked`; from
    /// `held_apart` on its bytes are held as early segments.
    pub(super) fn review<H: StreamHandler>(
        &mut self,
        acked: u64,
        held_apart: Option<SeqNum>,
        out: &mut Delivery<'_, '_, H>,
    ) {
        if self.backlog.is_none() {
            return;
        }
        // Of a one-sided flow no acknowledgment ever decides a hole, so that a smaller limit on held bytes does.
        let other = out.other_half().segments;
        if other == 0 && self.held_bytes() >= out.budget().held_one_sided {
            self.close_first_hole(out);
        }
        let by_time = self.watch(out, HoleWatch::decided).unwrap_or_default();
        let mut by_dialogue = self.uncaptured.as_mut().map_or(0, |uncaptured| {
            uncaptured.round_trip.decided(self.next, acked)
        });
        // A bare acknowledgment is never held, so that it may prove lost what is captured, but not handled yet.
        if by_dialogue > self.next
            && let Some((start, first)) = self.start.zip(held_apart)
        {
            let first = first.unwrap_near(start, self.near());
            by_dialogue = by_dialogue.min(u64::try_from(first).unwrap_or(0));
        }
        // A number acknowledged beyond all captured bytes may be that of a FIN, or shifted by an address translator.
        let decided = by_time.max(by_dialogue.min(self.captured_end()));
        if decided > self.next {
            self.declare_missing(decided, out);
        }
        self.watch(out, HoleWatch::watch);
    }

    /// Declares the first hole a gap and delivers the bytes after it. Without a hole, drops distant segments.
    pub(super) fn close_first_hole<H: StreamHandler>(&mut self, out: &mut Delivery<'_, '_, H>) {
        match self.hole_end() {
            Some(end) => self.declare_missing(end, out),
            None => self.drop_distant(out),
        }
    }

    /// Delivers held bytes and declares gaps at the end of the flow.
    pub(super) fn flush<H: StreamHandler>(&mut self, how: Flush, out: &mut Delivery<'_, '_, H>) {
        if self.start.is_none() {
            return;
        }
        self.accept_damaged(out);
        self.drop_distant(out);
        // End of the bytes that the other side has received. The last number may be that of a FIN that was not captured: a
        // connection whose other direction ended in order had one, and one single byte is more likely to be it.
        let mut received = self.receiver.acked();
        if self.fin().is_none() && received > self.highest {
            let captured = self.next.max(self.highest);
            let is_fin = out.other_half().finished || received - 1 == captured;
            let evidence = self
                .uncaptured
                .as_ref()
                .and_then(|uncaptured| uncaptured.one_more)
                .filter(|(end, _)| *end == captured + 1 && *end == received);
            if let Some((_, frame)) = evidence {
                out.half().irregular_mut().fin_acknowledged = Some(frame);
            }
            received -= u64::from(is_fin);
        }
        let everything = how == Flush::All || out.other_half().segments == 0;
        if !everything && let Some(backlog) = self.backlog.as_deref_mut() {
            let unacknowledged = self.receiver.acked().max(self.next);
            let dropped = backlog.held.drop_from(unacknowledged, out.budget());
            out.count_ignored(dropped);
        }
        while let Some(first) = self
            .backlog
            .as_ref()
            .and_then(|backlog| backlog.held.first_offset())
        {
            self.declare_missing(first, out);
            if out.ignored() {
                return;
            }
        }
        // Bytes cut off in order were sent, although no acknowledgment of them was captured.
        let mut end = received.max(self.in_order_end);
        if everything {
            end = end.max(self.highest);
        }
        if let Some(fin) = self.fin() {
            end = if everything { fin } else { end.min(fin) };
        }
        self.declare_missing(end, out);
    }

    /// Gives all memory back to the shared budget.
    pub(super) fn release<H: StreamHandler>(&mut self, out: &mut Delivery<'_, '_, H>) {
        self.drop_distant(out);
        if let Some(mut backlog) = self.backlog.take() {
            backlog.held.drop_from(0, out.budget());
        }
        self.history.clear(out.budget());
    }

    /// Returns the offset near which new sequence numbers are expected.
    fn near(&self) -> u64 {
        // After a long loss in the capture, the receiver is far beyond the captured bytes.
        self.next.max(self.receiver.acked())
    }

    /// Starts a stream of unknown start at its first payload. `None` if that may be a keep-alive.
    const fn begin_at(&mut self, sequence: SeqNum, segment: &Segment<'_>) -> Option<SeqNum> {
        // A keep-alive has one byte and mostly no PSH. Taken for the start, it would shift all offsets by one.
        let push = segment.flags.0 & TcpFlags::PSH != 0;
        if segment.wire_len() > 1 || segment.flags.fin() || push {
            self.start = Some(sequence);
        }
        self.start
    }

    /// Returns whether a single byte at `offset` is a keep-alive: it repeats the last number, with a byte of no meaning
    /// (RFC 9293 section 3.8.4).
    fn is_keep_alive(&self, offset: i64) -> bool {
        let after = u64::try_from(offset.saturating_add(1)).ok();
        // Behind a hole, the last number sent is that of `highest` and not of `next`.
        let sent = self.fin().map_or(self.highest, |fin| fin.saturating_add(1));
        after.is_some_and(|after| after == self.next || after == sent)
    }

    /// Returns whether a piece lies beyond any window the receiver can have offered, and is not the next one.
    fn is_distant(&self, piece: &Piece<'_>) -> bool {
        u64::try_from(piece.offset).is_ok_and(|offset| {
            let end = offset
                .saturating_add(piece.bytes.len() as u64)
                .saturating_add(u64::from(piece.cut));
            offset > self.next && self.receiver.cannot_accept(end)
        })
    }

    /// Withdraws a FIN that bytes were acknowledged beyond: it was forged or damaged.
    fn withdraw_fin<H: StreamHandler>(&mut self, acked: u64, out: &mut Delivery<'_, '_, H>) {
        if let Some(fin) = self.fin()
            && acked > fin.saturating_add(1)
            && !out.half().finished
        {
            self.past_fin = None;
            out.half().fin = None;
        }
    }

    fn hold_until_acknowledged<H: StreamHandler>(
        &mut self,
        piece: &Piece<'_>,
        damaged: bool,
        out: &mut Delivery<'_, '_, H>,
    ) {
        let Ok(offset) = u64::try_from(piece.offset) else {
            return;
        };
        let segment = DistantSegment {
            offset,
            bytes: piece.bytes.into(),
            cut: piece.cut,
            fin: piece.fin,
            arrived: piece.arrived,
            damaged,
        };
        let backlog = self.backlog.get_or_insert_default();
        if !backlog.distant.add(segment, out.budget()) {
            // Too many to be forged: the capture lacks the acknowledgments that moved the window.
            self.accept_distant(u64::MAX, out);
            self.receiver.widen(self.highest);
        }
    }

    /// Accepts the distant segments that end at or before `acked`.
    fn accept_distant<H: StreamHandler>(&mut self, acked: u64, out: &mut Delivery<'_, '_, H>) {
        if let Some(backlog) = self.backlog.as_deref_mut() {
            let taken = backlog.distant.take_until(acked, out.budget());
            self.accept_held(taken, out);
        }
    }

    /// Accepts the damaged segments of which no copy came: their bytes are the only ones there are.
    fn accept_damaged<H: StreamHandler>(&mut self, out: &mut Delivery<'_, '_, H>) {
        if let Some(backlog) = self.backlog.as_deref_mut() {
            let taken = backlog.distant.take_damaged(out.budget());
            self.accept_held(taken, out);
        }
    }

    fn accept_held<H: StreamHandler>(
        &mut self,
        segments: Vec<DistantSegment>,
        out: &mut Delivery<'_, '_, H>,
    ) {
        for segment in segments {
            let end = segment.offset + segment.bytes.len() as u64;
            if end <= self.next && segment.damaged && !segment.fin {
                // Damaged, and sent again since: its bytes are no other version of those delivered.
                out.count_repeated(segment.bytes.len() as u64, 0);
            } else if !out.ignored() {
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
            out.count_ignored(dropped);
        }
    }

    /// Applies `with` to the hole watch; returns `None` if the stream has no hole.
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
            receiver_packets: out.other_half().segments,
            now: out.now(),
        };
        let is_incomplete = self.is_incomplete();
        let watch = &mut self.backlog.as_deref_mut()?.watch;
        if !is_incomplete {
            watch.stop();
            return None;
        }
        Some(with(watch, standing))
    }

    fn is_nothing_held(&self) -> bool {
        self.backlog
            .as_ref()
            .is_none_or(|backlog| backlog.held.is_empty())
    }

    /// Delivers, holds or drops the parts of a piece, depending on their place in the stream.
    #[inline]
    fn accept<H: StreamHandler>(&mut self, piece: Piece<'_>, out: &mut Delivery<'_, '_, H>) {
        let mut bytes = piece.bytes;
        let mut cut = u64::from(piece.cut);
        let offset = if let Ok(offset) = u64::try_from(piece.offset) {
            offset
        } else {
            // Before the first captured byte, which has been delivered as offset 0: too late for what precedes it.
            let before = piece.offset.unsigned_abs();
            if before > bytes.len() as u64 + cut {
                out.count_ignored(bytes.len() as u64);
                return;
            }
            let skip = usize::try_from(before)
                .unwrap_or(usize::MAX)
                .min(bytes.len());
            out.count_ignored(skip as u64);
            out.undelivered(&bytes[..skip]);
            cut = cut.saturating_sub(before - skip as u64);
            bytes = &bytes[skip..];
            0
        };
        if let Some(fin) = self.fin() {
            let left = fin.saturating_sub(offset);
            if bytes.len() as u64 > left {
                let fits = usize::try_from(left).unwrap_or(usize::MAX);
                out.count_ignored((bytes.len() - fits) as u64);
                bytes = &bytes[..fits];
            }
            cut = cut.min(left - bytes.len() as u64);
        }
        let end = offset
            .saturating_add(bytes.len() as u64)
            .saturating_add(cut);
        self.highest = self.highest.max(end);
        if offset <= self.next {
            self.in_order_end = self.in_order_end.max(end);
        }
        if offset == self.next && self.is_nothing_held() {
            if !bytes.is_empty() {
                self.deliver(bytes, piece.arrived, out);
            }
        } else {
            self.accept_out_of_order(offset, bytes, piece.arrived, out);
        }
        // Behind a hole, bytes cut off become missing together with the hole.
        if cut > 0 && end - cut <= self.next {
            let uncaptured = self.uncaptured.get_or_insert_default();
            uncaptured.cut_until = uncaptured.cut_until.max(end);
        }
        // A FIN before bytes already captured is forged, unless it is the next in order.
        if piece.fin && self.fin().is_none() && (end >= self.highest || end == self.next) {
            self.past_fin = Some(NonZeroU64::MIN.saturating_add(end));
            let known_at = out.known_at(piece.arrived);
            out.half().fin = Some(known_at);
            // A FIN behind a hole needs the hole watch, although no bytes are held.
            if end > self.next {
                self.backlog.get_or_insert_default();
            }
        }
        self.report_finish(out);
    }

    /// Accepts bytes that do not simply follow the delivered ones.
    fn accept_out_of_order<H: StreamHandler>(
        &mut self,
        mut offset: u64,
        mut bytes: &[u8],
        arrived: Arrival,
        out: &mut Delivery<'_, '_, H>,
    ) {
        let old = usize::try_from(self.next.saturating_sub(offset))
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        if old > 0 {
            let conflicting = self.history.conflicts(offset, &bytes[..old]);
            out.count_repeated(old as u64, conflicting);
            if conflicting > 0 || !self.history.reaches(offset) {
                out.undelivered(&bytes[..old]);
            }
            bytes = &bytes[old..];
            offset = offset.saturating_add(old as u64);
        }
        if bytes.is_empty() {
            return;
        }
        if offset == self.next && self.is_nothing_held() {
            self.deliver(bytes, arrived, out);
            return;
        }
        // Bytes up to the first held piece are delivered without a copy; only those behind a hole are copied.
        let in_order = self.deliverable_length(offset, bytes);
        let (now, later) = bytes.split_at(in_order);
        if !now.is_empty() {
            self.deliver(now, arrived, out);
        }
        if !later.is_empty() && !out.ignored() {
            let backlog = self.backlog.get_or_insert_default();
            let at = offset.saturating_add(in_order as u64);
            let overlap = backlog.held.insert(at, later, arrived, out.budget());
            out.count_repeated(overlap.repeated, overlap.conflicting);
            out.half().held = true;
        }
        self.deliver_held(false, out);
    }

    /// Returns the number of `bytes` at `offset` that can be delivered at once.
    fn deliverable_length(&self, offset: u64, bytes: &[u8]) -> usize {
        if offset != self.next {
            return 0;
        }
        let first = self
            .backlog
            .as_ref()
            .and_then(|backlog| backlog.held.first_offset());
        let free = first.map_or(u64::MAX, |first| first.saturating_sub(offset));
        usize::try_from(free).unwrap_or(usize::MAX).min(bytes.len())
    }

    /// Delivers held bytes that are next in order.
    fn deliver_held<H: StreamHandler>(&mut self, after_gap: bool, out: &mut Delivery<'_, '_, H>) {
        while !out.ignored()
            && let Some(backlog) = self.backlog.as_deref_mut()
            && let Some(piece) = backlog.held.take_at(self.next, out.budget())
        {
            // After a gap the bytes before it were lost and not late: frame order is the order of sending again.
            let waited = piece.arrived.waited && !after_gap;
            let arrived = Arrival {
                waited,
                ..piece.arrived
            };
            self.deliver(&piece.bytes, arrived, out);
        }
    }

    #[inline]
    fn deliver<H: StreamHandler>(
        &mut self,
        bytes: &[u8],
        arrived: Arrival,
        out: &mut Delivery<'_, '_, H>,
    ) {
        let offset = self.next;
        self.next = offset.saturating_add(bytes.len() as u64);
        out.half().held = !self.is_nothing_held();
        out.data(offset, bytes, arrived);
        if !out.ignored() {
            self.history.push(offset, bytes, out.budget());
        }
    }

    /// Declares all holes before `end` gaps, and delivers the held bytes between them.
    fn declare_missing<H: StreamHandler>(&mut self, end: u64, out: &mut Delivery<'_, '_, H>) {
        let end = self.fin().map_or(end, |fin| fin.min(end));
        while self.next < end && !out.ignored() {
            let offset = self.next;
            // A gap ends at the next held bytes, so that one hole is one gap.
            self.next = self.hole_end().map_or(end, |hole| hole.min(end));
            let length = self.next - offset;
            let acknowledged = self.receiver.acked().saturating_sub(offset).min(length);
            out.gap(offset, length, acknowledged);
            self.deliver_held(true, out);
        }
        self.report_finish(out);
    }

    /// Returns the end of the hole at `next`; `None` if nothing is held behind it.
    fn hole_end(&self) -> Option<u64> {
        self.backlog
            .as_ref()
            .and_then(|backlog| backlog.held.first_offset())
            .or(self.fin())
            .filter(|end| *end > self.next)
    }

    /// Reports once that the stream has reached its end.
    fn report_finish<H: StreamHandler>(&mut self, out: &mut Delivery<'_, '_, H>) {
        if self.fin() != Some(self.next) || out.half().finished || out.ignored() {
            return;
        }
        if let Some(backlog) = self.backlog.as_deref_mut() {
            // Bytes after FIN, held before FIN was captured: no receiver delivers them.
            let beyond = backlog.held.drop_from(self.next, out.budget());
            out.count_ignored(beyond);
        }
        out.finished();
    }
}

/// Largest distance beyond the captured bytes at which an acknowledgment still counts as captured out of step, in
/// bytes.
const FARTHEST_AHEAD: i32 = 1 << 20;
