//! What the receiver of a stream has said of it: how far it has got, and how much it can take.

use std::num::NonZeroU64;

/// Acknowledgments and windows, as offsets of the stream.
#[derive(Debug, Default)]
pub(super) struct ReceiverSide {
    acked: u64,
    /// An acknowledgment too far on to be believed from one segment.
    doubtful: Option<NonZeroU64>,
    /// One more than the end of the farthest window, once one was offered.
    beyond_window: Option<NonZeroU64>,
}

impl ReceiverSide {
    /// What was acknowledged; one more than the end of the bytes where that includes FIN.
    pub(super) const fn acked(&self) -> u64 {
        self.acked
    }

    /// An acknowledgment with the window it offers, while bytes up to `sent` were seen. True when it is news.
    pub(super) fn says(&mut self, acked: u64, window: u64, sent: u64) -> bool {
        let news = acked > self.acked;
        if news {
            if !self.believes(acked, sent) {
                self.doubtful = NonZeroU64::new(acked);
                return false;
            }
            self.acked = acked;
        }
        self.doubtful = None;
        self.widen(acked.saturating_add(window));
        news
    }

    /// The window reaches up to `end` at least.
    pub(super) fn widen(&mut self, end: u64) {
        let beyond = NonZeroU64::MIN.saturating_add(end);
        self.beyond_window = self.beyond_window.max(Some(beyond));
    }

    /// The end of the farthest window, or 0.
    pub(super) fn window_end(&self) -> u64 {
        self.beyond_window.map_or(0, |beyond| beyond.get() - 1)
    }

    /// True for what the receiver cannot have offered room for.
    pub(super) fn cannot_take(&self, end: u64) -> bool {
        self.beyond_window
            .is_some_and(|beyond| end > (beyond.get() - 1).saturating_add(SLACK))
    }

    /// False for an acknowledgment of what cannot have been sent; believed when a second one says the same.
    fn believes(&self, acked: u64, sent: u64) -> bool {
        acked <= sent.max(self.window_end()).saturating_add(SLACK)
            || self.doubtful.is_some_and(|first| {
                let first = first.get();
                (first..=first.saturating_add(SLACK)).contains(&acked)
            })
    }
}

/// How far outside the window something may lie: what was sent while window updates were not captured.
pub(super) const SLACK: u64 = 1 << 20;
