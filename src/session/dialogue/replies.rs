//! Which reply answers which command, and the greeting.
//!
//! A server answers each command with at most one 1yz and then one final reply, in the order of the commands (RFC 959 sections
//! 4.2 and 5.4). So replies go to the oldest command that waits. Not all servers are so exact, and no capture shows all. These
//! rules keep one lost, late, doubled or missing reply from shifting all that follow:
//!
//! 1. A reply that can only answer a later command goes there, and those before it are not answered any more; but while a
//!    transfer runs, STAT, ABOR, NOOP and QUIT may be answered before it ends ([`pair`]).
//! 2. A running transfer is over when the server begins the next one (a 150 for it) or arranges its data connection.
//! 3. A doubtful reply is held: one that its command does not usually get, or one in the same words as the reply before. If
//!    another reply to that command comes first, the held one was late or doubled, and answers nothing. If the client goes on,
//!    it was the answer. A reply without an end point is never the answer to PASV or EPSV.
//! 4. A client has gone on that sends a command after what it must have taken for the answer: a second 1yz, the final reply of
//!    the transfer it aborted, seconds of silence. The commands before are answered only by what fits no later one.
//! 5. A reply never answers a command that was captured after it. A client that waits for each reply has one command under way:
//!    after a hole in either stream a reply answers the newest command before it; of a client that does not wait, the first
//!    that usually gets such a reply. A command that comes to light only when a hole in the client's stream is closed takes
//!    the replies that came meanwhile and that nobody waited for.
//!
//! Rules 3 to 5 are in [`crate::session::dialogue::resynchronise`].

use crate::model::record::{Outcome, Step, StepKind};
use crate::model::{FrameRef, WarningCode};
use crate::protocol::ftp::{ParsedReply, Verb};
use crate::session::dialogue::pairing::{Pairing, pair};
use crate::session::ftp_session::Session;
use crate::session::secrets::HIDDEN;
use crate::session::shared::Shared;
use crate::session::transfers::settle::first_line;

impl Session {
    /// One complete reply.
    pub(crate) fn reply(
        &mut self,
        shared: &mut Shared<'_>,
        reply: &ParsedReply,
        arrived: FrameRef,
    ) {
        self.replies_seen += 1;
        if reply.code >= 600 {
            // Protected by GSSAPI or the like (RFC 2228 section 5): what was asked is not to be read either.
            self.encryption.hear(arrived.time);
            self.hide_commands(shared);
        }
        if self.is_greeting(reply.code) {
            self.greet(shared, reply, arrived);
            return;
        }
        self.judge_held(shared, reply);
        self.make_way(reply.code, arrived);
        if self.is_doubtful(reply) {
            self.hold(shared, reply, arrived);
        } else {
            self.give(shared, reply, arrived);
        }
    }

    /// The reply goes to the command it answers.
    pub(crate) fn give(&mut self, shared: &mut Shared<'_>, reply: &ParsedReply, arrived: FrameRef) {
        self.dialogue.note_reply(reply);
        let pairing =
            pair(&self.pending, reply.code).filter(|found| self.was_sent(found.index, arrived));
        let Some(Pairing { index, skips }) = pairing else {
            self.unsolicited_reply(shared, reply, arrived);
            return;
        };
        if skips || reply.code < 200 {
            self.presume_answered(shared, index);
        }
        let index = if skips || self.ends_the_transfer_before(index) {
            for _ in 0..index {
                self.drop_front();
            }
            0
        } else {
            index
        };
        let Some(pending) = self.pending.get_mut(index) else {
            return;
        };
        let (sequence, verb) = (pending.sequence, pending.verb);
        let again = pending.preliminary && matches!(reply.code, 125 | 150);
        pending.preliminary |= reply.code < 200;
        self.activate_front(shared);
        self.hide_mistyped_password(sequence, verb, reply.code);
        let record = self.reply_record(shared, reply, arrived);
        if let Some(command) = self.steps.get_mut(sequence)
            && command.record.replies.len() < REPLIES
        {
            // Most commands have one reply or two, and a long session many commands.
            command.record.replies.reserve_exact(1);
            command.record.replies.push(record);
        }
        if reply.code < 200 {
            if again {
                self.dialogue.begun_twice(sequence);
            }
            self.preliminary(shared, sequence, reply);
        } else {
            self.note_waiting(index, arrived);
            self.pending.remove(index);
            if let Some(command) = self.steps.get_mut(sequence) {
                command.answer = Some((reply.code, arrived.time));
            }
            if verb.is_transfer() {
                // With this reply its step may be told; it changes no directory.
                self.note_directory(sequence);
            }
            if (200..300).contains(&reply.code) && verb.needs_login() {
                self.logins.prove();
            }
            self.finally(shared, sequence, verb, reply, arrived);
            self.note_directory(sequence);
            self.activate_front(shared);
        }
        self.tell_steps(shared, false);
    }

    /// The 220, or what comes in its place: the first reply of a stream whose start is known, or a 220 that nothing asked for.
    fn is_greeting(&self, code: u16) -> bool {
        if self.greeting.is_some() || self.encryption.was_seen() {
            return false;
        }
        let stray = self.stray.as_ref();
        let before = stray.map_or(0, |stray| stray.preliminary_greetings.len() as u64);
        let first = self.replies_seen == 1 + before;
        if self.midstream {
            first && self.next_sequence == 0 && matches!(code, 120 | 220)
        } else {
            first
                && (self.pending.is_empty() || matches!(code, 120 | 220 | 421))
                && self.next_sequence == self.pending.len() as u64
        }
    }

    fn greet(&mut self, shared: &mut Shared<'_>, reply: &ParsedReply, arrived: FrameRef) {
        let mut record = self.reply_record(shared, reply, arrived);
        if reply.code < 200 {
            let greetings = &mut self.stray.get_or_insert_default().preliminary_greetings;
            if greetings.len() < REPLIES {
                greetings.push(record);
            }
            return;
        }
        if let Some(stray) = &mut self.stray {
            record.preliminary = std::mem::take(&mut stray.preliminary_greetings);
        }
        let time = record
            .preliminary
            .first()
            .map_or(arrived.time, |first| first.time);
        let outcome = if reply.code < 400 {
            Outcome::Ok
        } else {
            Outcome::Failed
        };
        let text = self.secrets.text(first_line(&reply.lines).as_bytes()).0;
        let step = Step {
            outcome,
            ..Step::without_commands(
                StepKind::Greeting,
                format!("{} {text}", reply.code).trim_end().to_owned(),
                time,
                arrived.time.since(time).seconds(),
            )
        };
        self.greeting = Some(Box::new(record));
        self.steps.made(step);
        self.tell_steps(shared, false);
    }

    /// A reply that no command waits for.
    pub(crate) fn unsolicited_reply(
        &mut self,
        shared: &mut Shared<'_>,
        reply: &ParsedReply,
        arrived: FrameRef,
    ) {
        // Its command was not captured, but the data connection it announces may be.
        let negotiation = self.passive_end_point(reply).map(|(mode, announced)| {
            let number = self.announce(shared, mode, announced, None);
            self.put_in_force(shared, number);
            number
        });
        self.dialogue.unclaimed(reply, arrived, negotiation);
        if self.unsolicited().len() >= shared.options.limits.unsolicited_replies {
            self.stray.get_or_insert_default().unsolicited_omitted += 1;
            shared.warn(
                WarningCode::LimitReached,
                "a session has too many replies without a command; the rest were left out",
            );
            return;
        }
        let record = self.reply_record(shared, reply, arrived);
        let stray = self.stray.get_or_insert_default();
        stray.unsolicited.push(record);
    }

    /// A command nobody knows that gets a 331 or 332 was a password.
    fn hide_mistyped_password(&mut self, sequence: u64, verb: Verb, code: u16) {
        if verb != Verb::Unknown || !matches!(code, 331 | 332) || self.secrets.shown() {
            return;
        }
        if let Some(command) = self.steps.get_mut(sequence) {
            if let Some(argument) = &command.argument {
                self.secrets.add(argument);
            }
            self.secrets.add(command.record.verb.as_bytes());
            HIDDEN.clone_into(&mut command.record.verb);
            command.record.verb_b64 = None;
            command.record.argument = command.record.argument.as_ref().map(|_| HIDDEN.to_owned());
            command.record.argument_b64 = None;
        }
    }
}

/// Replies kept of one command.
const REPLIES: usize = 1000;
