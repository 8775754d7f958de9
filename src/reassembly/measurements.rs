//! Pauses, closed windows and bytes lost by the capture, measured from the times and windows of one direction's
//! segments.

use std::num::NonZeroU64;

use crate::model::{FrameRef, Span, Timestamp};

/// Measurements of one endpoint of a flow. Costs a few comparisons per segment.
#[derive(Clone, Debug, Default)]
pub struct Measurements {
    /// The latest segment with new bytes. `None` before the first one, and after a gap.
    pub last_progress: Option<Progress>,
    /// The longest time between two segments with new bytes. `None` before the second one.
    pub longest_pause: Option<Pause>,
    /// The flow was not followed from its SYN on: bytes missing at its start may have been captured before.
    pub(super) joined_late: bool,
    /// Rare measurements, allocated on the first of them.
    troubled: Option<Box<Troubled>>,
}

/// Measurements of an endpoint that closed its window, or some of whose bytes the capture lacks.
#[derive(Clone, Debug, Default)]
struct Troubled {
    /// Number of times it closed its receive window.
    zero_windows: u64,
    /// Total time of closed windows, without the current one.
    closed: Span,
    /// Start of the current closed window; `None` while the window is open.
    closed_since: Option<Timestamp>,
    /// Payload bytes in gaps that the other endpoint has acknowledged: it received them, the capture lacks them.
    lost_by_capture: u64,
    /// The frame that decided the first of these gaps; `None` without one.
    first_loss: Option<FrameRef>,
    /// Payload bytes cut off by the snap length.
    cut_bytes: u64,
}

/// A segment with new bytes, with the counts that explain a pause after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Capture time.
    pub time: Timestamp,
    /// Frame number.
    pub frame: NonZeroU64,
    /// Bytes retransmitted until then.
    sent_again: u64,
    /// Time until then during which the receiver's window was closed.
    receiver_closed: Span,
}

/// A time during which one endpoint sent no new bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// The last frame with new bytes before it.
    pub first_frame: NonZeroU64,
    /// The frame that ended it.
    pub last_frame: u64,
    /// Duration.
    pub length: Span,
    /// Bytes retransmitted meanwhile.
    pub sent_again: u64,
    /// Time during which the receiver's window was closed meanwhile.
    pub receiver_closed: Span,
}

impl Measurements {
    /// Returns the total time until `now` during which this endpoint's receive window was closed.
    #[must_use]
    pub fn closed_until(&self, now: Timestamp) -> Span {
        self.troubled
            .as_ref()
            .map_or(Span::default(), |troubled| troubled.closed_until(now))
    }

    /// Returns the number of times this endpoint closed its receive window (RFC 9293 section 3.8.6).
    #[must_use]
    pub fn zero_windows(&self) -> u64 {
        self.troubled
            .as_ref()
            .map_or(0, |troubled| troubled.zero_windows)
    }

    /// Returns the frame that decided the first gap of bytes that the other endpoint received and the capture lacks;
    /// `None` without such a gap.
    #[must_use]
    pub fn first_loss(&self) -> Option<FrameRef> {
        self.troubled
            .as_ref()
            .and_then(|troubled| troubled.first_loss)
    }

    /// Returns the pause from the latest new bytes to `end`, a frame without new bytes. `None` before the first bytes,
    /// and after a gap.
    ///
    /// `sent_again` and `receiver_closed` are the totals at `end`, as for [`Pause`].
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

    /// Records a window offered by this endpoint, closed (0 bytes) or not.
    #[inline]
    pub(super) fn record_window(&mut self, closed: bool, now: Timestamp) {
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

    /// Records new bytes from this endpoint; `sent_again` and `receiver_closed` are the totals so far.
    #[inline]
    pub(super) fn record_progress(&mut self, at: FrameRef, sent_again: u64, receiver_closed: Span) {
        let longest = self.longest_pause.map(|pause| pause.length);
        if let Some(last) = self.last_progress
            && Some(at.time.since(last.time)) > longest
        {
            self.longest_pause = self.pause_until(at, sent_again, receiver_closed);
        }
        self.last_progress = Some(Progress {
            time: at.time,
            frame: NonZeroU64::new(at.number).unwrap_or(NonZeroU64::MIN),
            sent_again,
            receiver_closed,
        });
    }

    /// Records a gap, `lost` bytes of which the other endpoint has received.
    pub(super) fn record_gap(&mut self, at: FrameRef, offset: u64, lost: u64) {
        let unfollowed = self.joined_late && offset < BEGINNING;
        if lost > 0 && !unfollowed {
            let troubled = self.troubled.get_or_insert_default();
            troubled.lost_by_capture = troubled.lost_by_capture.saturating_add(lost);
            troubled.first_loss.get_or_insert(at);
        }
        // New bytes were sent during the gap, only not captured: the time across it is no pause.
        self.last_progress = None;
    }

    /// Counts payload bytes cut off by the snap length.
    #[inline]
    pub(super) fn record_cut(&mut self, bytes: u32) {
        if bytes > 0 {
            self.troubled.get_or_insert_default().cut_bytes += u64::from(bytes);
        }
    }

    /// Returns the number of bytes that the other endpoint received and the capture lacks, without those cut off by the
    /// snap length.
    #[must_use]
    pub fn not_recorded(&self) -> u64 {
        // Bytes cut off by the snap length end up in gaps as well.
        self.troubled.as_ref().map_or(0, |troubled| {
            troubled.lost_by_capture.saturating_sub(troubled.cut_bytes)
        })
    }
}

impl Troubled {
    fn closed_until(&self, now: Timestamp) -> Span {
        // Timestamps may go back; a negative time must not shorten the total.
        let open = self
            .closed_since
            .map_or(0, |since| now.since(since).nanos().max(0));
        Span::from_nanos(self.closed.nanos().saturating_add(open))
    }
}

/// Offset below which a gap may hold bytes captured before the flow was followed, in reordered segments.
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
    fn closed_window_is_counted_once_until_it_opens() {
        let mut end = Measurements::default();
        for (second, closed) in [(1, false), (2, true), (3, true), (7, false), (9, true)] {
            end.record_window(closed, at(second).time);
        }
        assert_eq!(end.zero_windows(), 2);
        assert_eq!(end.closed_until(at(10).time), Span::from_secs(6));
    }

    #[test]
    fn longest_pause_has_the_counts_of_its_time() {
        let mut end = Measurements::default();
        end.record_progress(at(1), 0, Span::default());
        end.record_progress(at(2), 0, Span::default());
        end.record_progress(at(30), 500, Span::from_secs(20));
        end.record_progress(at(40), 500, Span::from_secs(20));
        let pause = end.longest_pause.expect("a pause");
        assert_eq!((pause.first_frame.get(), pause.last_frame), (2, 30));
        assert_eq!(
            (pause.length, pause.sent_again, pause.receiver_closed),
            (Span::from_secs(28), 500, Span::from_secs(20))
        );
    }

    #[test]
    fn time_across_a_gap_is_no_pause() {
        let mut end = Measurements::default();
        end.record_progress(at(1), 0, Span::default());
        end.record_gap(at(50), 700, 100);
        end.record_progress(at(51), 0, Span::default());
        assert_eq!(end.longest_pause, None);
        assert_eq!(end.not_recorded(), 100);
        end.record_cut(100);
        assert_eq!(end.not_recorded(), 0);
    }

    #[test]
    fn gap_before_a_flow_was_followed_is_no_loss() {
        let mut end = Measurements {
            joined_late: true,
            ..Measurements::default()
        };
        end.record_gap(at(1), 0, 100);
        assert_eq!(end.not_recorded(), 0);
        end.record_gap(at(2), 500_000, 30);
        assert_eq!(end.not_recorded(), 30);
    }
}
