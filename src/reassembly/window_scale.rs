//! How many bytes a unit of an offered window stands for.

use crate::model::Direction;

/// The window scale options of both sides of a connection (RFC 7323 section 2).
#[derive(Debug, Default)]
pub(super) struct WindowScale([Scale; 2]);

/// The option of one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Scale {
    /// The handshake was not seen.
    #[default]
    Unknown,
    /// As in SYN or SYN ACK; `None` when that had no such option.
    Offered(Option<u8>),
}

impl WindowScale {
    /// The SYN or SYN ACK of `sender` had this option, or none.
    pub(super) const fn offer(&mut self, sender: Direction, option: Option<u8>) {
        self.0[sender.index()] = Scale::Offered(option);
    }

    /// By how many bits the windows that `direction` offers are scaled (RFC 7323 section 2.2): by none unless both
    /// sides have the option. Where that is unknown, the largest window that can be meant.
    pub(super) fn shift(&self, direction: Direction) -> u8 {
        let own = self.0[direction.index()];
        let other = self.0[direction.reverse().index()];
        match (own, other) {
            (Scale::Offered(None), _) | (_, Scale::Offered(None)) => 0,
            (Scale::Offered(Some(shift)), _) => shift.min(LARGEST_SHIFT),
            (Scale::Unknown, _) => LARGEST_SHIFT,
        }
    }
}

/// RFC 7323 section 2.3.
const LARGEST_SHIFT: u8 = 14;
