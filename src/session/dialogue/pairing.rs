//! Which command a reply answers.
//!
//! First in, first out (RFC 959 section 4.2), with two exceptions: a reply that can only answer a later command goes there,
//! and while a transfer runs, the answers to STAT, ABOR, NOOP or QUIT may overtake its completion (RFC 959 section 4.1.3).

use std::collections::VecDeque;

use crate::protocol::ftp::Verb;

/// A command without its final reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) sequence: u64,
    pub(crate) verb: Verb,
    /// A 1yz was received.
    pub(crate) preliminary: bool,
    /// All earlier commands were answered, so that it is this one's turn.
    pub(crate) activated: bool,
    /// It was not answered, but what came after it shows that it was accepted.
    pub(crate) presumed: bool,
}

/// What a reply means for the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pairing {
    /// Place in the queue of the command that is answered.
    pub(crate) index: usize,
    /// The commands before it will not be answered any more: their replies were lost.
    pub(crate) skips: bool,
}

/// The command that a reply with `code` answers; `None` where none waits.
pub(crate) fn pair(queue: &VecDeque<Pending>, code: u16) -> Option<Pairing> {
    let front = queue.front()?;
    if code < 200 {
        // A 1yz announces a transfer; a late or repeated one stays with the command in front.
        let index = if front.verb.is_transfer() {
            0
        } else {
            queue
                .iter()
                .position(|one| one.verb.is_transfer() && !one.preliminary)
                .unwrap_or(0)
        };
        return Some(Pairing {
            index,
            skips: false,
        });
    }
    let running = front.verb.is_transfer() && front.preliminary;
    let fits = if running {
        completes_transfer(code)
    } else {
        front.verb.may_get(code)
    };
    if fits {
        return Some(Pairing {
            index: 0,
            skips: false,
        });
    }
    let later = queue.iter().skip(1).position(|one| one.verb.may_get(code));
    match later {
        Some(at) => Some(Pairing {
            index: at + 1,
            skips: !running,
        }),
        // What comes in place of an end point is a late reply to something else.
        None if matches!(front.verb, Verb::Pasv | Verb::Epsv | Verb::Lpsv) => None,
        None => Some(Pairing {
            index: 0,
            skips: false,
        }),
    }
}

/// Codes that end a transfer that was begun.
const fn completes_transfer(code: u16) -> bool {
    matches!(code, 225 | 226 | 250 | 400..)
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
    fn replies_go_to_the_oldest_command() {
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
    fn what_overtakes_a_running_transfer_goes_to_its_own_command() {
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
    fn a_reply_that_can_only_answer_a_later_command_skips_the_lost_ones() {
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
    fn a_late_reply_does_not_take_the_place_of_an_end_point() {
        assert_eq!(index(&[(Verb::Pasv, false)], 250), None);
        assert_eq!(index(&[(Verb::Pasv, false)], 227), Some(0));
        assert_eq!(index(&[(Verb::Epsv, false)], 500), Some(0));
    }

    #[test]
    fn a_preliminary_reply_goes_to_the_transfer() {
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
