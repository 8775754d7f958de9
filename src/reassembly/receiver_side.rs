//! Acknowledgments and windows of a stream's receiver: which bytes it has, and which it may be sent.

use std::num::NonZeroU64;

use crate::model::Direction;

/// Acknowledgments and windows, as stream offsets.
#[derive(Debug, Default)]
pub(super) struct ReceiverSide {
    acked: u64,
    /// An acknowledgment too far ahead to be trusted from one segment. `None` unless the latest one is such.
    unconfirmed: Option<NonZeroU64>,
    /// End of the farthest window, plus 1. `None` before the first window.
    beyond_window: Option<NonZeroU64>,
}

impl ReceiverSide {
    /// Returns the end of the acknowledged bytes; 1 more if the FIN is acknowledged too.
    pub(super) const fn acked(&self) -> u64 {
        self.acked
    }

    /// Records an acknowledgment with the window it offers, while bytes up to `sent` have been captured. Returns
    /// whether it acknowledges more than before.
    pub(super) fn on_acknowledgment(&mut self, acked: u64, window: u64, sent: u64) -> bool {
        let advances = acked > self.acked;
        if advances {
            if !self.is_credible(acked, sent) {
                self.unconfirmed = NonZeroU64::new(acked);
                return false;
            }
            self.acked = acked;
        }
        // Window updates acknowledge nothing new.
        self.unconfirmed = None;
        self.widen(acked.saturating_add(window));
        advances
    }

    /// Extends the window to `end`, if it does not reach that far.
    pub(super) fn widen(&mut self, end: u64) {
        let beyond = NonZeroU64::MIN.saturating_add(end);
        self.beyond_window = self.beyond_window.max(Some(beyond));
    }

    /// Returns the end of the farthest window; 0 before the first one.
    pub(super) fn window_end(&self) -> u64 {
        self.beyond_window.map_or(0, |beyond| beyond.get() - 1)
    }

    /// Returns whether bytes up to `end` lie beyond any window that the receiver can have offered.
    pub(super) fn cannot_accept(&self, end: u64) -> bool {
        self.beyond_window
            .is_some_and(|beyond| end > (beyond.get() - 1).saturating_add(SLACK))
    }

    /// Returns whether bytes up to `acked` can have been sent, or a second acknowledgment confirms that they were.
    fn is_credible(&self, acked: u64, sent: u64) -> bool {
        // One forged acknowledgment must not declare megabytes missing. After a long loss in the capture, real ones lie as
        // far ahead, but there the next segment agrees.
        acked <= sent.max(self.window_end()).saturating_add(SLACK)
            || self.unconfirmed.is_some_and(|first| {
                let first = first.get();
                (first..=first.saturating_add(SLACK)).contains(&acked)
            })
    }
}

/// Distance outside the window that is still accepted, in bytes: the capture may lack window updates.
pub(super) const SLACK: u64 = 1 << 20;

/// Window scale options of both sides of a connection (RFC 7323 section 2), by the sender's [`Direction::index`].
#[derive(Debug, Default)]
pub(super) struct WindowScale([Scale; 2]);

/// The option of one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Scale {
    /// The handshake was not captured.
    #[default]
    Unknown,
    /// Value in SYN or SYN ACK; `None` if that had no such option.
    Offered(Option<u8>),
}

impl WindowScale {
    /// Records the option in the SYN or SYN ACK of `sender`; `None` if it had none.
    pub(super) const fn offer(&mut self, sender: Direction, option: Option<u8>) {
        self.0[sender.index()] = Scale::Offered(option);
    }

    /// Returns the same as [`Self::shift`]; `None` if it is a guess.
    pub(super) fn known_shift(&self, direction: Direction) -> Option<u8> {
        match self.0[direction.index()] {
            Scale::Unknown => None,
            Scale::Offered(_) => Some(self.shift(direction)),
        }
    }

    /// Returns the number of bits by which windows sent in `direction` are shifted left (RFC 7323 section 2.2).
    pub(super) fn shift(&self, direction: Direction) -> u8 {
        let own = self.0[direction.index()];
        let other = self.0[direction.reverse().index()];
        match (own, other) {
            // Scaling takes effect only if both sides have the option.
            (Scale::Offered(None), _) | (_, Scale::Offered(None)) => 0,
            (Scale::Offered(Some(shift)), _) => shift.min(LARGEST_SHIFT),
            // Too large a window only accepts more; too small a one would take real bytes for forged ones.
            (Scale::Unknown, _) => LARGEST_SHIFT,
        }
    }
}

/// Largest shift (RFC 7323 section 2.3).
const LARGEST_SHIFT: u8 = 14;
