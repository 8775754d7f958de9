//! Where the bytes of a segment go: out in order, behind a hole, or nowhere because they were there before.

use std::num::NonZeroU64;

use super::{HalfStream, Piece};
use crate::reassembly::StreamHandler;
use crate::reassembly::arrival::Arrival;
use crate::reassembly::delivery::Delivery;

impl HalfStream {
    /// Puts a piece in its place.
    #[inline]
    pub(super) fn accept<H: StreamHandler>(
        &mut self,
        piece: Piece<'_>,
        out: &mut Delivery<'_, '_, H>,
    ) {
        let mut bytes = piece.bytes;
        let mut cut = u64::from(piece.cut);
        let offset = if let Ok(offset) = u64::try_from(piece.offset) {
            offset
        } else {
            // Before the first byte seen: the stream is under way, it cannot be put in front of it.
            let before = piece.offset.unsigned_abs();
            if before > bytes.len() as u64 + cut {
                out.ignore(bytes.len() as u64);
                return;
            }
            let skip = usize::try_from(before)
                .unwrap_or(usize::MAX)
                .min(bytes.len());
            out.ignore(skip as u64);
            cut = cut.saturating_sub(before - skip as u64);
            bytes = &bytes[skip..];
            0
        };
        if let Some(fin) = self.fin() {
            let room = fin.saturating_sub(offset);
            if bytes.len() as u64 > room {
                let fits = usize::try_from(room).unwrap_or(usize::MAX);
                out.ignore((bytes.len() - fits) as u64);
                bytes = &bytes[..fits];
            }
            cut = cut.min(room - bytes.len() as u64);
        }
        let end = offset
            .saturating_add(bytes.len() as u64)
            .saturating_add(cut);
        self.highest = self.highest.max(end);
        if offset <= self.next {
            self.reach = self.reach.max(end);
        }
        if offset == self.next && self.held_is_empty() {
            if !bytes.is_empty() {
                self.deliver(bytes, piece.arrived, out);
            }
        } else {
            self.place(offset, bytes, piece.arrived, out);
        }
        if cut > 0 && end - cut <= self.next {
            let unseen = self.unseen.get_or_insert_default();
            unseen.cut_until = unseen.cut_until.max(end);
        }
        if piece.fin && self.fin().is_none() && (end >= self.highest || end == self.next) {
            self.past_fin = Some(NonZeroU64::MIN.saturating_add(end));
            let known_at = out.known_at(piece.arrived);
            out.half().fin = Some(known_at);
            if end > self.next {
                self.backlog.get_or_insert_default();
            }
        }
        self.finish(out);
    }

    /// The way of bytes that do not simply follow.
    fn place<H: StreamHandler>(
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
            out.seen_again(old as u64, conflicting);
            bytes = &bytes[old..];
            offset = offset.saturating_add(old as u64);
        }
        if bytes.is_empty() {
            return;
        }
        if offset == self.next && self.held_is_empty() {
            self.deliver(bytes, arrived, out);
            return;
        }
        // The free parts go between what is held; then all that is in order leaves, at best nothing was copied in vain
        // but the new bytes of one segment.
        let in_order = self.free_length(offset, bytes);
        let (now, later) = bytes.split_at(in_order);
        if !now.is_empty() {
            self.deliver(now, arrived, out);
        }
        if !later.is_empty() && !out.ignored() {
            let backlog = self.backlog.get_or_insert_default();
            let at = offset.saturating_add(in_order as u64);
            let overlap = backlog.held.insert(at, later, arrived, out.budget());
            out.seen_again(overlap.seen_again, overlap.conflicting);
        }
        self.drain(false, out);
    }

    /// How many of `bytes` at `offset` can be delivered as they are.
    fn free_length(&self, offset: u64, bytes: &[u8]) -> usize {
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

    /// Delivers what is held and has become next. Where that is because of a gap, what it waited for was lost and not late.
    fn drain<H: StreamHandler>(&mut self, behind_gap: bool, out: &mut Delivery<'_, '_, H>) {
        while !out.ignored()
            && let Some(backlog) = self.backlog.as_deref_mut()
            && let Some(piece) = backlog.held.take_at(self.next, out.budget())
        {
            let waited = piece.arrived.waited && !behind_gap;
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
        out.data(offset, bytes, arrived);
        if !out.ignored() {
            self.history.push(offset, bytes, out.budget());
        }
    }

    /// Declares everything missing that is missing before `end`, and delivers what lies between.
    pub(super) fn decide<H: StreamHandler>(&mut self, end: u64, out: &mut Delivery<'_, '_, H>) {
        let end = self.fin().map_or(end, |fin| fin.min(end));
        while self.next < end && !out.ignored() {
            let offset = self.next;
            self.next = self.hole_end().map_or(end, |hole| hole.min(end));
            let length = self.next - offset;
            let acknowledged = self.receiver.acked().saturating_sub(offset).min(length);
            out.gap(offset, length, acknowledged);
            self.drain(true, out);
        }
        self.finish(out);
    }

    /// Where the hole at `next` ends, if something lies behind it.
    pub(super) fn hole_end(&self) -> Option<u64> {
        self.backlog
            .as_ref()
            .and_then(|backlog| backlog.held.first_offset())
            .or(self.fin())
            .filter(|end| *end > self.next)
    }

    /// Says once that the stream has reached its end.
    fn finish<H: StreamHandler>(&mut self, out: &mut Delivery<'_, '_, H>) {
        if self.fin() != Some(self.next) || out.half().finished || out.ignored() {
            return;
        }
        if let Some(backlog) = self.backlog.as_deref_mut() {
            let beyond = backlog.held.drop_from(self.next, out.budget());
            out.ignore(beyond);
        }
        out.finished();
    }
}
