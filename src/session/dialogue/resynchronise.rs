//! Keeps one lost, late, doubled or missing reply from shifting all that follow. The rules stand in [`crate::session::dialogue::replies`].

use crate::model::{FrameRef, Span, Timestamp};
use crate::protocol::ftp::{ParsedReply, Verb};
use crate::session::dialogue::course::{Held, first_line};
use crate::session::dialogue::pairing::Pending;
use crate::session::ftp_session::Session;
use crate::session::shared::Shared;

impl Session {
    /// A reply came while another is held: either it takes the held one's place, which then answers nothing, or the held one
    /// was the answer (rule 3).
    pub(crate) fn judge_held(&mut self, shared: &mut Shared<'_>, next: &ParsedReply) {
        let Some(held) = self.dialogue.held.take() else {
            return;
        };
        let replaced = self.pending.front().is_some_and(|front| match next.code {
            // It may come unasked.
            421 => false,
            ..200 => front.verb.is_transfer() && !front.preliminary,
            code => fits(front, code) && (usual(front, code) || !usual(front, held.reply.code)),
        });
        if replaced {
            self.leave_over(shared, &held);
        } else {
            self.give_held(shared, &held);
        }
    }

    /// The oldest commands make way for a reply that is not theirs any more (rules 2, 4 and 5).
    pub(crate) fn make_way(&mut self, code: u16, arrived: FrameRef) {
        if matches!(code, 125 | 150) {
            let next_waits = self.pending.front().is_some_and(runs)
                && (1..self.pending.len()).any(|at| {
                    self.pending
                        .get(at)
                        .is_some_and(|one| one.verb.is_transfer() && !one.preliminary)
                        && self.was_sent(at, arrived)
                });
            if next_waits {
                self.drop_front();
            }
            return;
        }
        if self.dialogue.hole && !self.dialogue.pipelines {
            let newest = (0..self.pending.len())
                .rev()
                .find(|&at| self.is_in_turn(at) && self.was_sent(at, arrived));
            if let Some(newest) = newest
                && self.pending.get(newest).is_some_and(|one| fits(one, code))
            {
                for _ in 0..newest {
                    self.drop_front();
                }
            }
        }
        if self.dialogue.hole && self.pending.front().is_some_and(|one| !usual(one, code)) {
            let first = (1..self.pending.len()).find(|&at| {
                self.pending
                    .get(at)
                    .is_some_and(|one| fits(one, code) && usual(one, code))
                    && self.is_in_turn(at)
                    && self.was_sent(at, arrived)
            });
            for _ in 0..first.unwrap_or(0) {
                self.drop_front();
            }
        }
        while let Some(front) = self.pending.front()
            && front.sequence <= self.dialogue.passed
            && (1..self.pending.len()).any(|at| {
                self.pending.get(at).is_some_and(|one| {
                    one.sequence > self.dialogue.passed && fits(one, code) && usual(one, code)
                }) && self.was_sent(at, arrived)
            })
        {
            self.drop_front();
        }
    }

    /// Whether the reply may be late or doubled, so that the next line has to tell (rule 3). Where several commands wait, the
    /// order tells.
    pub(crate) fn is_doubtful(&self, reply: &ParsedReply) -> bool {
        if reply.code < 200 || reply.code == 421 || self.pending.len() != 1 {
            return false;
        }
        let Some(front) = self.pending.front() else {
            return false;
        };
        let repeats = || {
            let last = self.dialogue.last.as_ref();
            last.is_some_and(|(code, line)| *code == reply.code && line == first_line(reply))
        };
        // What follows an answer to AUTH may be no line.
        front.verb != Verb::Auth && (!usual(front, reply.code) || repeats())
    }

    /// Keeps a doubtful reply until the next line, or for a while.
    pub(crate) fn hold(&mut self, shared: &mut Shared<'_>, reply: &ParsedReply, arrived: FrameRef) {
        self.dialogue.held = Some(Box::new(Held {
            reply: reply.clone(),
            arrived,
            until: shared.clock.plus(shared.options.limits.settle),
        }));
        shared.wait_for_data(self.id, NO_TRANSFER);
    }

    /// Time went by: what was held long enough is the answer.
    pub(crate) fn let_go(&mut self, shared: &mut Shared<'_>, now: Timestamp) {
        if let Some(held) = self.dialogue.held.take_if(|held| held.until <= now) {
            self.give_held(shared, &held);
        }
    }

    /// No line will follow that could tell: what is held is the answer.
    pub(crate) fn release_held(&mut self, shared: &mut Shared<'_>) {
        if let Some(held) = self.dialogue.held.take() {
            self.give_held(shared, &held);
        }
    }

    /// The client is about to send this command: it took what it got for the answer, or waits no more (rules 3 and 4).
    pub(crate) fn client_goes_on(
        &mut self,
        shared: &mut Shared<'_>,
        verb: Verb,
        arrived: FrameRef,
    ) {
        if let Some(held) = self.dialogue.held.take() {
            let refused = self.pending.front().is_some_and(|front| {
                !fits(front, held.reply.code) && (runs(front) || front.verb.sets_up_data())
            });
            if refused {
                self.leave_over(shared, &held);
                self.pass(self.comes_in_turn(verb));
            } else {
                self.give_held(shared, &held);
            }
        }
        let Some(front) = self.pending.front() else {
            return;
        };
        if arrived.number == self.dialogue.last_command {
            self.dialogue.pipelines = true;
        } else if self.dialogue.begun_twice == Some(front.sequence)
            || (front.verb == Verb::Abor && self.dialogue.aborted)
            || (!runs(front) && arrived.time.since(self.dialogue.heard) >= GIVES_UP)
        {
            self.pass(self.comes_in_turn(verb));
        }
    }

    /// Whether a command waits for what was sent before it. Thousands may wait: asked only where something hangs on it.
    fn comes_in_turn(&self, verb: Verb) -> bool {
        !(verb.comes_out_of_turn() && self.pending.iter().any(|one| one.verb.is_transfer()))
    }

    /// The command was taken in: it has the replies that came to light before it (rule 5).
    pub(crate) fn command_sent(&mut self, shared: &mut Shared<'_>, verb: Verb, arrived: FrameRef) {
        self.dialogue.heard = arrived.time;
        self.dialogue.last_command = arrived.number;
        if verb == Verb::Abor {
            self.dialogue.aborted = false;
        }
        if arrived.number >= shared.now.number {
            return;
        }
        while let Some(front) = self.pending.front()
            && let Some(at) = self.dialogue.unclaimed.iter().position(|one| {
                one.arrived.number > arrived.number
                    && match one.reply.code {
                        ..200 => front.verb.is_transfer() && !front.preliminary,
                        code => fits(front, code) && usual(front, code),
                    }
            })
            && let Some(one) = self.dialogue.unclaimed.remove(at)
        {
            let told = |reply: &crate::model::record::Reply| {
                reply.frame == one.arrived.number && reply.code == one.reply.code
            };
            if let Some(stray) = &mut self.stray
                && let Some(place) = stray.unsolicited.iter().rposition(told)
            {
                stray.unsolicited.remove(place);
            }
            let left = self.dialogue.unclaimed.len();
            self.dialogue.announced = one.negotiation;
            self.give(shared, &one.reply, one.arrived);
            self.dialogue.announced = None;
            if self.dialogue.unclaimed.len() > left {
                // It answers none of them after all, and would come up again for ever.
                return;
            }
        }
    }

    /// A final reply is given to the command at `index`: what it tells of how the client waits.
    pub(crate) fn note_waiting(&mut self, index: usize, arrived: FrameRef) {
        self.dialogue.heard = arrived.time;
        let next = index + 1;
        let early =
            next < self.pending.len() && self.is_in_turn(next) && self.was_sent(next, arrived);
        self.dialogue.pipelines |= early && !self.dialogue.hole;
        self.dialogue.aborted |= self
            .pending
            .get(index)
            .is_some_and(|one| one.verb.is_transfer())
            && self
                .pending
                .get(next)
                .is_some_and(|one| one.verb == Verb::Abor);
        self.dialogue.hole &= self.pending.len() > 1;
    }

    /// Whether the command at `index` was captured before a reply.
    pub(crate) fn was_sent(&self, index: usize, arrived: FrameRef) -> bool {
        self.dialogue.out_of_step
            || self
                .pending
                .get(index)
                .and_then(|one| self.steps.get(one.sequence))
                .is_none_or(|command| command.record.frame <= arrived.number)
    }

    /// Whether a reply to the command at `index` shows that the transfer in front is over: no server arranges the next data
    /// connection before that (rule 2).
    pub(crate) fn ends_the_transfer_before(&self, index: usize) -> bool {
        index > 0
            && self.pending.front().is_some_and(runs)
            && self
                .pending
                .get(index)
                .is_some_and(|one| one.verb.sets_up_data())
    }

    /// Whether a client that waits sends the command at `index` only after all replies to those before: not what may be sent
    /// while a transfer runs.
    fn is_in_turn(&self, index: usize) -> bool {
        let mut before = self.pending.iter().take(index);
        let out_of_turn = self
            .pending
            .get(index)
            .is_some_and(|one| one.verb.comes_out_of_turn());
        !(out_of_turn && before.any(|one| one.verb.is_transfer()))
    }

    /// The client waits for nothing it has sent so far.
    fn pass(&mut self, in_turn: bool) {
        if in_turn {
            self.dialogue.passed = self.next_sequence;
        }
    }

    fn give_held(&mut self, shared: &mut Shared<'_>, held: &Held) {
        self.give(shared, &held.reply, held.arrived);
    }

    fn leave_over(&mut self, shared: &mut Shared<'_>, held: &Held) {
        self.dialogue.note_reply(&held.reply);
        self.unsolicited_reply(shared, &held.reply, held.arrived);
    }
}

/// A transfer that began and did not end.
fn runs(pending: &Pending) -> bool {
    pending.verb.is_transfer() && pending.preliminary
}

/// Whether the code is one that the command can end with.
fn fits(pending: &Pending, code: u16) -> bool {
    if runs(pending) {
        matches!(code, 225 | 226 | 250 | 400..)
    } else {
        pending.verb.may_get(code)
    }
}

/// Whether the code is one that the command usually ends with. A transfer begins before it ends well.
fn usual(pending: &Pending, code: u16) -> bool {
    pending.verb.usually_gets(code)
        && (code >= 400 || !pending.verb.is_transfer() || pending.preliminary)
}

/// Stands for no transfer where a session asks to be looked at again.
const NO_TRANSFER: u64 = 0;

/// A client that sends its next command after so long a silence does not wait for the reply any more.
const GIVES_UP: Span = Span::from_secs(3);
