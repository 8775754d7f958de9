//! Rules 2 to 6 of the [dialogue](super): one lost, late, doubled or missing reply must not shift all that follow.

use super::Dialogue;
use super::Moment;
use super::outcome::{Outcome, ServerReply};
use super::pairing::{Pairing, Pending};
use crate::model::{FrameRef, Span, Timestamp};
use crate::protocol::ftp::{ParsedReply, Verb};

/// Facts about the course of a dialogue so far.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// Code and first line of the final reply before; `None` before the first.
    last: Option<(u16, Vec<u8>)>,
    /// Commands up to this number are answered only by replies that fit no later one: the client has gone on.
    passed: u64,
    /// Sequence number of the transfer that got a second 1yz; `None` without one.
    pub(super) begun_twice: Option<u64>,
    /// Sequence number of the command that waited when a line without a code came; `None` without one.
    pub(super) without_code: Option<u64>,
    /// Either stream had a gap since all commands were last answered.
    pub(super) gap: bool,
    /// A command was seen to be sent before the reply to the one before.
    pub(super) pipelines: bool,
    /// Time of the last command or final reply.
    heard: Timestamp,
    /// Number of the frame of the last command.
    last_command: u64,
    /// An ABOR is pending, and the transfer it stopped has had its final reply since.
    aborted: bool,
    /// The bytes being read were captured before those they answer: they were held behind a hole.
    pub(super) out_of_step: bool,
    /// Progress of the running transfers when the line was read.
    pub(super) activity: Activity,
}

/// Progress of transfers that run, by their data connections. Both are `None` mostly.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Activity {
    /// Sequence number of the oldest pending command, if it is a transfer whose sender has not finished.
    pub(crate) unfinished: Option<u64>,
    /// Sequence number of the first running transfer behind it whose data connection is over.
    pub(crate) finished: Option<u64>,
}

/// A doubtful reply (rule 3).
#[derive(Debug)]
pub(super) struct Deferred {
    pub(super) reply: ServerReply,
    /// Capture time from which it counts as the answer.
    pub(super) until: Timestamp,
}

impl Course {
    /// Records a final reply, paired or unsolicited.
    pub(super) fn note_reply(&mut self, reply: &ParsedReply) {
        if reply.code >= 200 {
            self.last = Some((reply.code, reply.first_line().to_vec()));
        }
    }
}

impl Dialogue {
    /// Assigns a deferred reply whose time is over: no other reply has come that would fit better.
    pub(crate) fn expire(&mut self, now: Timestamp, out: &mut Vec<Outcome>) {
        if let Some(deferred) = self.deferred.take_if(|deferred| deferred.until <= now) {
            self.assign(deferred.reply, out);
        }
    }

    /// Assigns a deferred reply: no line will follow that could decide.
    pub(super) fn release_deferred(&mut self, out: &mut Vec<Outcome>) {
        if let Some(deferred) = self.deferred.take() {
            self.assign(deferred.reply, out);
        }
    }

    /// Decides about a deferred reply when another one comes: either that takes its place, and the deferred one answers
    /// nothing, or the deferred one was the answer (rule 3).
    pub(super) fn judge_deferred(&mut self, next: u16, out: &mut Vec<Outcome>) {
        let Some(deferred) = self.deferred.take() else {
            return;
        };
        let before = deferred.reply.reply.code;
        let replaced = self.pending.front().is_some_and(|front| match next {
            // A 421 may come unasked.
            421 => false,
            ..200 => front.is_to_begin(),
            code => front.fits(code) && (front.is_usual(code) || !front.is_usual(before)),
        });
        if replaced {
            self.disown(deferred.reply, out);
        } else {
            self.assign(deferred.reply, out);
        }
    }

    /// Gives up the oldest commands before a reply that cannot be theirs any more (rules 2, 4 and 5).
    pub(super) fn give_up_before(&mut self, code: u16, arrived: FrameRef, out: &mut Vec<Outcome>) {
        if matches!(code, 125 | 150) {
            let next_is_due = self.pending.front().is_some_and(Pending::runs)
                && !self.front_goes_on()
                && (1..self.pending.len())
                    .any(|at| self.pending[at].is_to_begin() && self.was_sent(at, arrived));
            if next_is_due {
                self.drop_front(out);
            }
            return;
        }
        if self.course.gap && !self.course.pipelines {
            let newest = (0..self.pending.len())
                .rev()
                .find(|&at| self.is_in_turn(at) && self.was_sent(at, arrived));
            if let Some(newest) = newest
                && self.pending[newest].fits(code)
            {
                for _ in 0..newest {
                    self.drop_front(out);
                }
            }
        }
        if self.course.gap && self.pending.front().is_some_and(|one| !one.is_usual(code)) {
            let first = (1..self.pending.len()).find(|&at| {
                let one = &self.pending[at];
                one.fits(code)
                    && one.is_usual(code)
                    && self.is_in_turn(at)
                    && self.was_sent(at, arrived)
            });
            for _ in 0..first.unwrap_or(0) {
                self.drop_front(out);
            }
        }
        while let Some(front) = self.pending.front()
            && front.sequence <= self.course.passed
            && (1..self.pending.len()).any(|at| {
                let one = &self.pending[at];
                one.sequence > self.course.passed
                    && one.fits(code)
                    && one.is_usual(code)
                    && self.was_sent(at, arrived)
            })
        {
            self.drop_front(out);
        }
    }

    /// Returns whether a reply may be late or doubled, so that the next line has to decide (rule 3). With several pending
    /// commands their order decides.
    pub(super) fn is_doubtful(&self, reply: &ParsedReply) -> bool {
        if reply.code < 200 || reply.code == 421 || self.pending.len() != 1 {
            return false;
        }
        let Some(front) = self.pending.front() else {
            return false;
        };
        let repeats = || {
            let last = self.course.last.as_ref();
            last.is_some_and(|(code, line)| *code == reply.code && line == reply.first_line())
        };
        // What follows the answer to AUTH may be TLS, and no line would ever decide.
        front.verb != Verb::Auth && (!front.is_usual(reply.code) || repeats())
    }

    /// Learns from the client's next command which reply it took for the answer to the one before (rules 3 and 4).
    pub(super) fn client_goes_on(&mut self, verb: Verb, arrived: FrameRef, out: &mut Vec<Outcome>) {
        // A command that comes to light late, behind a hole, may be the one that the deferred reply answers; the next line
        // decides between them.
        let is_later = |deferred: &mut Box<Deferred>| {
            !self.course.gap || deferred.reply.arrived.number <= arrived.number
        };
        if let Some(deferred) = self.deferred.take_if(is_later) {
            let code = deferred.reply.reply.code;
            let refused = self.pending.front().is_some_and(|front| {
                !front.fits(code) && (front.runs() || front.verb.sets_up_data())
            });
            if refused {
                self.disown(deferred.reply, out);
                self.pass(verb);
            } else {
                self.assign(deferred.reply, out);
            }
        }
        let Some(front) = self.pending.front() else {
            return;
        };
        if arrived.number == self.course.last_command {
            self.course.pipelines = true;
        } else if self.course.begun_twice == Some(front.sequence)
            || (!front.runs() && self.course.without_code == Some(front.sequence))
            || (front.verb == Verb::Abor && self.course.aborted)
            || (!front.runs() && arrived.time.since(self.course.heard) >= PATIENCE)
        {
            self.pass(verb);
        }
    }

    /// Lets a command that was just read reclaim the replies that arrived before it came to light (rule 5).
    pub(super) fn reclaim(&mut self, verb: Verb, moment: Moment, out: &mut Vec<Outcome>) {
        let arrived = moment.arrived;
        self.course.heard = arrived.time;
        self.course.last_command = arrived.number;
        if verb == Verb::Abor {
            self.course.aborted = false;
        }
        if arrived.number >= moment.now {
            return;
        }
        while let Some(front) = self.pending.front()
            && let Some(at) = self.unsolicited.iter().position(|one| {
                one.arrived.number > arrived.number
                    && match one.reply.code {
                        ..200 => front.is_to_begin(),
                        code => front.fits(code) && front.is_usual(code),
                    }
            })
            && let Some(reply) = self.unsolicited.remove(at)
        {
            out.push(Outcome::Reclaimed {
                frame: reply.arrived.number,
                code: reply.reply.code,
            });
            let left = self.unsolicited.len();
            self.assign(reply, out);
            if self.unsolicited.len() > left {
                // It answers none of the pending commands, and would come up again forever.
                return;
            }
        }
    }

    /// Learns how the client waits from a final reply to the command at `index`.
    pub(super) fn note_waiting(&mut self, index: usize, arrived: FrameRef) {
        self.course.heard = arrived.time;
        let next = index + 1;
        let early =
            next < self.pending.len() && self.is_in_turn(next) && self.was_sent(next, arrived);
        self.course.pipelines |= early && !self.course.gap;
        self.course.aborted |= self
            .pending
            .get(index)
            .is_some_and(|one| one.verb.is_transfer())
            && self
                .pending
                .get(next)
                .is_some_and(|one| one.verb == Verb::Abor);
        self.course.gap &= self.pending.len() > 1;
    }

    /// Returns whether a reply to the command at `index` shows that the transfer in front is over: no server arranges the next
    /// data connection before that (rule 2).
    pub(super) fn ends_the_transfer_before(&self, index: usize) -> bool {
        index > 0
            && !self.front_goes_on()
            && self.pending.front().is_some_and(Pending::runs)
            && self
                .pending
                .get(index)
                .is_some_and(|one| one.verb.sets_up_data())
    }

    /// Returns the command behind a running transfer that a reply answers, since that transfer is not over (rule 6); `None` if
    /// the usual order decides.
    pub(super) fn pair_beside(&self, code: u16, arrived: FrameRef) -> Option<Pairing> {
        if !self.front_goes_on() {
            return None;
        }
        let find = |wanted: &dyn Fn(&Pending) -> bool| {
            (1..self.pending.len())
                .take(BESIDE)
                .find(|&at| wanted(&self.pending[at]) && self.was_sent(at, arrived))
        };
        // ABOR, STAT, NOOP and QUIT are answered during a transfer by any server, and ABOR may be what the reply is about.
        let is_next = |one: &Pending| !one.runs() && !one.verb.comes_out_of_turn();
        let index = match code {
            ..200 => find(&Pending::is_to_begin),
            225 | 226 | 250 => {
                let finished = self.course.activity.finished;
                find(&|one| Some(one.sequence) == finished)
                    .or_else(|| find(&|one| is_next(one) && one.is_usual(code)))
            }
            // None of these ends a transfer that has begun (RFC 959 section 5.4).
            450 | 500..=504 | 530 | 550 | 553 => find(&is_next),
            _ => None,
        };
        index.map(|index| Pairing {
            index,
            skips: false,
        })
    }

    /// Returns whether the oldest pending command is a transfer whose sender has not finished (rule 6).
    fn front_goes_on(&self) -> bool {
        let front = self.pending.front();
        front.is_some_and(|front| Some(front.sequence) == self.course.activity.unfinished)
    }

    /// Returns whether a client that waits sends the command at `index` only after all replies to those before: not so for
    /// commands that may be sent while a transfer runs.
    fn is_in_turn(&self, index: usize) -> bool {
        let mut before = self.pending.iter().take(index);
        let out_of_turn = self
            .pending
            .get(index)
            .is_some_and(|one| one.verb.comes_out_of_turn());
        !(out_of_turn && before.any(|one| one.verb.is_transfer()))
    }

    /// Marks all commands so far as passed: the client does not wait for their replies. A command that may be sent while a
    /// transfer runs shows nothing of the kind.
    fn pass(&mut self, verb: Verb) {
        // Thousands may be pending, so they are looked through only where the answer matters.
        let out_of_turn =
            verb.comes_out_of_turn() && self.pending.iter().any(|one| one.verb.is_transfer());
        if !out_of_turn {
            self.course.passed = self.commands;
        }
    }

    /// Leaves a deferred reply without a command.
    fn disown(&mut self, reply: ServerReply, out: &mut Vec<Outcome>) {
        self.course.note_reply(&reply.reply);
        self.leave_unsolicited(reply, out);
    }
}

/// Commands behind a running transfer that are looked at.
const BESIDE: usize = 64;

/// Silence after which a client that sends its next command no longer awaits the reply to the last one.
const PATIENCE: Span = Span::from_secs(3);
