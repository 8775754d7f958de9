//! What the times and windows of one direction's segments tell: pauses, closed windows, bytes that the capture lost.

use std::num::NonZeroU64;

use crate::model::{FrameRef, Span, Timestamp};

/// Measurements of one end of a flow. Costs a few comparisons for each segment.
#[derive(Clone, Debug, Default)]
pub struct Measurements {
    /// When this end last sent bytes that were new.
    pub last_progress: Option<Moment>,
    /// The longest time between two such moments.
    pub longest_pause: Option<Pause>,
    /// The flow was not followed from its SYN on: what is missing at its start may have passed unlooked at.
    pub(super) joined_late: bool,
    /// What few flows have.
    troubled: Option<Box<Troubled>>,
}

/// Of an end that closed its window, or of whose bytes the capture lacks some.
#[derive(Clone, Debug, Default)]
struct Troubled {
    /// How often it closed its receive window.
    zero_windows: u64,
    /// How long it was closed, all times that were over.
    closed: Span,
    /// Since when it is closed.
    closed_since: Option<Timestamp>,
    /// Payload bytes declared missing that the other end acknowledged: it has them, the capture has not.
    lost_by_capture: u64,
    /// The frame that decided the first of these losses.
    first_loss: Option<FrameRef>,
    /// Payload bytes that the snap length took away.
    cut_bytes: u64,
}

/// A time and the frame it comes from, with the counts that a pause is explained by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Capture time.
    pub time: Timestamp,
    /// Frame number.
    pub frame: NonZeroU64,
    sent_again: u64,
    receiver_closed: Span,
}

/// A time in which one end sent nothing new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// The last frame with new bytes before it.
    pub first_frame: NonZeroU64,
    /// The frame that ended it.
    pub last_frame: u64,
    /// How long it was.
    pub length: Span,
    /// Bytes that were sent again meanwhile.
    pub sent_again: u64,
    /// How long the receiver's window was closed meanwhile.
    pub receiver_closed: Span,
}

impl Measurements {
    /// How long this end's receive window was closed until `now`.
    #[must_use]
    pub fn closed_until(&self, now: Timestamp) -> Span {
        self.troubled
            .as_ref()
            .map_or(Span::default(), |troubled| troubled.closed_until(now))
    }

    /// How often this end closed its receive window (RFC 9293 section 3.8.6).
    #[must_use]
    pub fn zero_windows(&self) -> u64 {
        self.troubled
            .as_ref()
            .map_or(0, |troubled| troubled.zero_windows)
    }

    /// The frame that decided the first loss of bytes that the other end has and the capture has not.
    #[must_use]
    pub fn first_loss(&self) -> Option<FrameRef> {
        self.troubled
            .as_ref()
            .and_then(|troubled| troubled.first_loss)
    }

    /// The pause from the last new bytes to `end`, which brought none.
    #[must_use]
    pub fn pause_until(
        &self,
        end: FrameRef,
        sent_again: u64,
        receiver_closed: Span,
    ) -> Option<Pause> {
        let last = self.last_progress?;
        Some(Pause {
            first_frame: last.frame,
            last_frame: end.number,
            length: end.time.since(last.time),
            sent_again: sent_again.saturating_sub(last.sent_again),
            receiver_closed: Span::from_nanos(
                receiver_closed
                    .nanos()
                    .saturating_sub(last.receiver_closed.nanos()),
            ),
        })
    }

    /// This end offers a window, closed or not.
    #[inline]
    pub(super) fn window(&mut self, closed: bool, now: Timestamp) {
        if !closed && self.troubled.is_none() {
            return;
        }
        let troubled = self.troubled.get_or_insert_default();
        match (closed, troubled.closed_since) {
            (true, None) => {
                troubled.zero_windows += 1;
                troubled.closed_since = Some(now);
            }
            (false, Some(_)) => {
                troubled.closed = troubled.closed_until(now);
                troubled.closed_since = None;
            }
            _ => {}
        }
    }

    /// This end sent something new; `sent_again` and `receiver_closed` are the counts so far.
    #[inline]
    pub(super) fn progress(&mut self, at: FrameRef, sent_again: u64, receiver_closed: Span) {
        let longest = self.longest_pause.map(|pause| pause.length);
        if let Some(last) = self.last_progress
            && Some(at.time.since(last.time)) > longest
        {
            self.longest_pause = self.pause_until(at, sent_again, receiver_closed);
        }
        self.last_progress = Some(Moment {
            time: at.time,
            frame: NonZeroU64::new(at.number).unwrap_or(NonZeroU64::MIN),
            sent_again,
            receiver_closed,
        });
    }

    /// Bytes are missing, `lost` of which the other end has. The time over them is no pause.
    pub(super) fn gap(&mut self, at: FrameRef, offset: u64, lost: u64) {
        let unlooked_at = self.joined_late && offset < BEGINNING;
        if lost > 0 && !unlooked_at {
            let troubled = self.troubled.get_or_insert_default();
            troubled.lost_by_capture = troubled.lost_by_capture.saturating_add(lost);
            troubled.first_loss.get_or_insert(at);
        }
        self.last_progress = None;
    }

    /// The snap length took payload bytes away.
    #[inline]
    pub(super) fn cut(&mut self, bytes: u32) {
        if bytes > 0 {
            self.troubled.get_or_insert_default().cut_bytes += u64::from(bytes);
        }
    }

    /// Bytes that the other end has and the capture has not, the snap length apart.
    #[must_use]
    pub fn not_recorded(&self) -> u64 {
        self.troubled.as_ref().map_or(0, |troubled| {
            troubled.lost_by_capture.saturating_sub(troubled.cut_bytes)
        })
    }
}

impl Troubled {
    fn closed_until(&self, now: Timestamp) -> Span {
        let open = self
            .closed_since
            .map_or(0, |since| now.since(since).nanos().max(0));
        Span::from_nanos(self.closed.nanos().saturating_add(open))
    }
}

/// How much of a stream may have passed before a flow was followed, in segments that overtook one another.
const BEGINNING: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> FrameRef {
        FrameRef {
            time: Timestamp::from_parts(seconds, 0),
            number: seconds,
            ..FrameRef::default()
        }
    }

    #[test]
    fn a_window_that_closes_is_counted_once_until_it_opens() {
        let mut end = Measurements::default();
        for (second, closed) in [(1, false), (2, true), (3, true), (7, false), (9, true)] {
            end.window(closed, at(second).time);
        }
        assert_eq!(end.zero_windows(), 2);
        assert_eq!(end.closed_until(at(10).time), Span::from_secs(6));
    }

    #[test]
    fn the_longest_pause_is_kept_with_what_happened_in_it() {
        let mut end = Measurements::default();
        end.progress(at(1), 0, Span::default());
        end.progress(at(2), 0, Span::default());
        end.progress(at(30), 500, Span::from_secs(20));
        end.progress(at(40), 500, Span::from_secs(20));
        let pause = end.longest_pause.expect("a pause");
        assert_eq!((pause.first_frame.get(), pause.last_frame), (2, 30));
        assert_eq!(
            (pause.length, pause.sent_again, pause.receiver_closed),
            (Span::from_secs(28), 500, Span::from_secs(20))
        );
    }

    #[test]
    fn time_over_a_gap_is_no_pause() {
        let mut end = Measurements::default();
        end.progress(at(1), 0, Span::default());
        end.gap(at(50), 700, 100);
        end.progress(at(51), 0, Span::default());
        assert_eq!(end.longest_pause, None);
        assert_eq!(end.not_recorded(), 100);
        end.cut(100);
        assert_eq!(end.not_recorded(), 0);
    }

    #[test]
    fn what_passed_before_a_flow_was_followed_is_not_lost() {
        let mut end = Measurements {
            joined_late: true,
            ..Measurements::default()
        };
        end.gap(at(1), 0, 100);
        assert_eq!(end.not_recorded(), 0);
        end.gap(at(2), 500_000, 30);
        assert_eq!(end.not_recorded(), 30);
    }
}
