//! One timeline out of several inputs.
//!
//! A heap holds, of each input but the current one, the time of its next packet and its place in the order. The
//! current input runs on its own until another one's packet is due, so that a single file, and rotated files that
//! follow each other, never touch the heap between packets. An input is opened when its first packet is due.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::ControlFlow;

use super::capture_set::{CaptureSet, Opened};
use super::record::Step;
use super::{Error, Input, Packet};
use crate::model::{CapturePlace, FrameRef, Timestamp};

/// When an input's next packet is due: its time, equal times in the order of the inputs.
type Due = (Timestamp, usize);

type Take<'a> = &'a mut dyn FnMut(Input<'_>) -> ControlFlow<()>;

impl CaptureSet {
    pub(super) fn run(&mut self, take: Take<'_>) -> ControlFlow<()> {
        self.begun = true;
        for failure in std::mem::take(&mut self.failures) {
            take(Input::Failed(failure))?;
        }
        let mut due: BinaryHeap<Reverse<Due>> = self
            .slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| !slot.counts.ended)
            .filter_map(|(index, slot)| Some(Reverse((slot.first_time?, index))))
            .collect();
        while let Some(Reverse((_, index))) = due.pop() {
            if !self.has_begun(index) && !self.begin(index, take)? {
                continue;
            }
            let limit = due.peek().map(|Reverse(limit)| *limit);
            if let Some(next) = self.run_one(index, limit, take)? {
                due.push(Reverse((next, index)));
            }
        }
        for index in 0..self.slots.len() {
            if !self.has_begun(index) {
                self.begin(index, take)?;
                self.run_one(index, None, take)?;
            }
        }
        ControlFlow::Continue(())
    }

    fn has_begun(&self, index: usize) -> bool {
        self.slots
            .get(index)
            .is_none_or(|slot| slot.begun || slot.counts.ended)
    }

    /// Opens an input where it is not open, and says so; false where that fails.
    fn begin(&mut self, index: usize, take: Take<'_>) -> ControlFlow<(), bool> {
        let (capacity, window_limit) = (self.capacity(), self.options.window_limit);
        let Some(slot) = self.slots.get_mut(index) else {
            return ControlFlow::Continue(false);
        };
        slot.begun = true;
        if slot.opened.is_none() {
            match slot.open(capacity, window_limit) {
                Ok(opened) => {
                    slot.opened = Some(opened);
                    self.open += 1;
                }
                Err(error) => {
                    slot.counts.ended = true;
                    take(Input::Failed(error))?;
                    return ControlFlow::Continue(false);
                }
            }
        }
        take(Input::CaptureStart(&slot.capture(false)))?;
        let early = slot
            .opened
            .as_mut()
            .map(|opened| std::mem::take(&mut opened.early));
        for notice in early.unwrap_or_default() {
            slot.counts.note(&notice);
            take(Input::Warning(notice.warning(&slot.name, None)))?;
        }
        ControlFlow::Continue(true)
    }

    /// Runs one input until another one's packet is due; the time of its next packet, or `None` at its end.
    fn run_one(
        &mut self,
        index: usize,
        limit: Option<Due>,
        take: Take<'_>,
    ) -> ControlFlow<(), Option<Timestamp>> {
        let Some(slot) = self.slots.get_mut(index) else {
            return ControlFlow::Continue(None);
        };
        let Some(opened) = slot.opened.as_mut() else {
            return ControlFlow::Continue(None);
        };
        let capture = u32::try_from(index).unwrap_or(u32::MAX);
        let earliest = self.options.since.unwrap_or_default();
        let latest = self.options.until;
        while opened.stands_on.is_some() {
            let record = opened.source.record();
            if limit.is_some_and(|limit| (record.time, index) > limit) {
                opened.stands_on = Some(record.time);
                return ControlFlow::Continue(opened.stands_on);
            }
            self.number += 1;
            slot.counts.add(record.time, record.len);
            let frame = FrameRef {
                time: record.time,
                number: self.number,
                place: CapturePlace::new(capture, slot.counts.packets),
            };
            slot.last = Some(frame);
            if record.time >= earliest && latest.is_none_or(|latest| record.time < latest) {
                take(Input::Packet(Packet {
                    frame,
                    link: record.link,
                    wire_len: record.wire_len,
                    data: opened.source.data(),
                }))?;
            } else {
                self.outside += 1;
            }
            loop {
                match opened.source.advance() {
                    Step::Packet => break,
                    Step::Idle => {}
                    Step::Notice(notice) => {
                        slot.counts.note(&notice);
                        take(Input::Warning(notice.warning(&slot.name, slot.last)))?;
                    }
                    Step::Failed(cause) => {
                        opened.failure = Some(cause);
                        opened.stands_on = None;
                        break;
                    }
                    Step::End => {
                        opened.stands_on = None;
                        break;
                    }
                }
            }
        }
        let ended = slot.opened.take();
        slot.counts.ended = true;
        self.open = self.open.saturating_sub(1);
        if let Some(opened) = ended {
            self.end(index, opened, take)?;
        }
        ControlFlow::Continue(None)
    }

    fn end(&mut self, index: usize, mut opened: Opened, take: Take<'_>) -> ControlFlow<()> {
        let Some(slot) = self.slots.get_mut(index) else {
            return ControlFlow::Continue(());
        };
        slot.learn(&opened.source);
        self.secrets.append(&mut opened.source.take_secrets());
        if let Some(cause) = opened.failure {
            slot.counts.truncated = true;
            let packets = slot.counts.packets;
            let error: Error = opened.source.name_failure(&slot.name, cause, packets);
            take(Input::Failed(error))?;
        }
        ControlFlow::Continue(())
    }
}
