//! The commands that await a reply, and which of them a reply answers.
//!
//! First in, first out (RFC 959 section 4.2), with two exceptions: a reply that can only answer a later command goes to that
//! command, and while a transfer runs, replies to STAT, ABOR, NOOP and QUIT may overtake its completion (RFC 959 section
//! 4.1.3).

use std::collections::VecDeque;

use crate::model::FrameRef;
use crate::protocol::ftp::{Verb, completes_transfer};

/// A command without its final reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) sequence: u64,
    pub(crate) verb: Verb,
    /// Number of the frame in which the command was captured.
    pub(crate) frame: u64,
    /// A 1yz was received.
    pub(crate) preliminary: bool,
    /// All earlier commands were answered.
    pub(crate) activated: bool,
    /// Not answered, but accepted: later commands or replies show it.
    pub(crate) presumed: bool,
}

impl Pending {
    /// Returns whether it is a transfer that began and did not end.
    pub(crate) fn runs(&self) -> bool {
        self.verb.is_transfer() && self.preliminary
    }

    /// Returns whether it is a transfer that did not begin.
    pub(crate) fn is_to_begin(&self) -> bool {
        self.verb.is_transfer() && !self.preliminary
    }

    /// Returns whether `code` is a possible final reply.
    pub(crate) fn fits(&self, code: u16) -> bool {
        if self.runs() {
            completes_transfer(code)
        } else {
            self.verb.may_get(code)
        }
    }

    /// Returns whether `code` is a usual final reply. A transfer begins before it ends well.
    pub(crate) fn is_usual(&self, code: u16) -> bool {
        self.verb.usually_gets(code)
            && (code >= 400 || !self.verb.is_transfer() || self.preliminary)
    }

    /// Returns whether the command was captured before a reply.
    pub(crate) fn was_sent_before(&self, reply: FrameRef) -> bool {
        self.frame <= reply.number
    }
}

/// The place of a reply in the queue of pending commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pairing {
    /// Index of the command that is answered.
    pub(crate) index: usize,
    /// The commands before it will not be answered: their replies were lost.
    pub(crate) skips: bool,
}

/// Returns the command that a reply with `code` answers; `None` if no pending command can be answered by it.
pub(crate) fn pair(queue: &VecDeque<Pending>, code: u16) -> Option<Pairing> {
    let front = queue.front()?;
    if code < 200 {
        // A 1yz announces a transfer; a late or repeated one stays with the command in front.
        let index = if front.verb.is_transfer() {
            0
        } else {
            queue.iter().position(Pending::is_to_begin).unwrap_or(0)
        };
        return Some(Pairing {
            index,
            skips: false,
        });
    }
    if front.fits(code) {
        return Some(Pairing {
            index: 0,
            skips: false,
        });
    }
    let later = queue.iter().skip(1).position(|one| one.verb.may_get(code));
    match later {
        Some(at) => Some(Pairing {
            index: at + 1,
            skips: !front.runs(),
        }),
        // What comes in place of an end point is a late reply to an earlier command.
        None if matches!(front.verb, Verb::Pasv | Verb::Epsv | Verb::Lpsv) => None,
        None => Some(Pairing {
            index: 0,
            skips: false,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(commands: &[(Verb, bool)]) -> VecDeque<Pending> {
        (1..)
            .zip(commands)
            .map(|(sequence, &(verb, preliminary))| Pending {
                sequence,
                verb,
                frame: sequence,
                preliminary,
                activated: true,
                presumed: false,
            })
            .collect()
    }

    fn index(commands: &[(Verb, bool)], code: u16) -> Option<usize> {
        pair(&queue(commands), code).map(|pairing| pairing.index)
    }

    #[test]
    fn reply_goes_to_the_oldest_command() {
        assert_eq!(
            index(&[(Verb::User, false), (Verb::Pass, false)], 331),
            Some(0)
        );
        assert_eq!(
            index(&[(Verb::Noop, false), (Verb::Cwd, false)], 550),
            Some(0)
        );
        assert_eq!(index(&[], 221), None);
    }

    #[test]
    fn reply_that_overtakes_a_running_transfer_goes_to_its_own_command() {
        let running = [(Verb::Retr, true), (Verb::Stat, false), (Verb::Quit, false)];
        assert_eq!(index(&running, 211), Some(1));
        assert_eq!(index(&running, 221), Some(2));
        assert_eq!(index(&running, 226), Some(0));
        assert_eq!(
            index(&[(Verb::Retr, true), (Verb::Noop, false)], 200),
            Some(1)
        );
        assert!(pair(&queue(&running), 211).is_some_and(|pairing| !pairing.skips));
    }

    #[test]
    fn reply_that_only_fits_a_later_command_skips_those_before() {
        let lost = [(Verb::Type, false), (Verb::Pasv, false)];
        assert_eq!(
            pair(&queue(&lost), 227),
            Some(Pairing {
                index: 1,
                skips: true
            })
        );
        assert_eq!(
            pair(&queue(&[(Verb::Type, false)]), 227),
            Some(Pairing {
                index: 0,
                skips: false
            })
        );
    }

    #[test]
    fn late_reply_does_not_take_the_place_of_an_end_point() {
        assert_eq!(index(&[(Verb::Pasv, false)], 250), None);
        assert_eq!(index(&[(Verb::Pasv, false)], 227), Some(0));
        assert_eq!(index(&[(Verb::Epsv, false)], 500), Some(0));
    }

    #[test]
    fn preliminary_reply_goes_to_the_transfer() {
        assert_eq!(
            index(&[(Verb::Type, false), (Verb::List, false)], 150),
            Some(1)
        );
        assert_eq!(
            index(&[(Verb::Retr, false), (Verb::Retr, false)], 150),
            Some(0)
        );
    }
}
