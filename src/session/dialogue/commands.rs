//! What a command changes when it is read, and when its turn comes.

use std::hash::{DefaultHasher, Hasher as _};
use std::sync::Arc;

use crate::model::record::{Command, Mode, Place, Step, Weight as _};
use crate::model::{EventKind, FrameRef, WarningCode};
use crate::protocol::ftp::{
    Verb, extended_port_argument, long_address, parse_command, path, port_argument,
};
use crate::session::dialogue::pairing::Pending;
use crate::session::ftp_session::Session;
use crate::session::secrets::HIDDEN;
use crate::session::shared::{COPIES, Shared};
use crate::session::steps::log::CommandState;

impl Session {
    /// One command line.
    pub(crate) fn command(
        &mut self,
        shared: &mut Shared<'_>,
        line: &[u8],
        truncated: bool,
        arrived: FrameRef,
    ) {
        let (line, cut) = shared.keep_text(line);
        self.kept_bytes += line.len() * COPIES;
        let truncated = truncated || cut;
        let parsed = parse_command(line);
        let verb = Verb::from_bytes(&parsed.verb);
        self.next_sequence += 1;
        let sequence = self.next_sequence;
        if is_protected(&parsed.verb) {
            self.encryption.hear(arrived.time);
            self.hide_commands(shared);
        } else {
            self.read_commands_again(shared);
        }
        let state = self.command_state(
            shared,
            &parsed.verb,
            parsed.argument,
            verb,
            truncated,
            arrived,
        );
        let argument = parsed.argument.unwrap_or_default();
        if verb == Verb::Pass && self.passwords.len() < PASSWORDS {
            self.passwords.push((sequence, number_of(argument)));
        }
        match verb {
            Verb::User => self.logins.user(argument, &self.secrets),
            Verb::Pass if !self.logins.password(argument) => {
                self.secrets.add(argument);
            }
            Verb::Acct => {
                self.logins.account(argument);
                self.secrets.add(argument);
            }
            Verb::Adat => self.secrets.add(argument),
            // The old password and the new one.
            Verb::Site if is_password_change(argument) => {
                for word in argument.split(|&byte| byte == b' ').skip(1) {
                    self.secrets.add(word);
                }
            }
            Verb::Abor => self.note_abor(arrived),
            _ => {}
        }
        let transfer = verb.is_transfer().then(|| {
            let text = state.record.verb.clone();
            self.begin_transfer(verb, &text, sequence, parsed.argument)
        });
        if let Some((mode, announced)) = active_end_point(verb, argument) {
            // The server may connect before its reply is captured.
            let number = self.announce(shared, mode, announced, None);
            self.announced_by.push_back((sequence, number));
            if self.announced_by.len() > ANNOUNCEMENTS {
                self.announced_by.pop_front();
            }
        }
        let directory = self.directory.as_deref();
        let same_name = |other: &[u8]| {
            parsed.argument.is_some_and(|name| {
                other == name
                    || path::resolve(directory, other)
                        .is_some_and(|known| Some(known) == path::resolve(directory, name))
            })
        };
        self.steps.command(state, transfer, same_name);
        self.pending.push_back(Pending {
            sequence,
            verb,
            preliminary: false,
            activated: false,
            presumed: false,
        });
        if self.pending.len() > PENDING {
            shared.warn(
                WarningCode::LimitReached,
                "a session has too many unanswered commands; the oldest count as not answered",
            );
            self.drop_front();
        }
        self.activate_front(shared);
        self.tell_steps(shared, false);
    }

    /// Gives the front of the queue its turn: what is in force now holds for it.
    pub(crate) fn activate_front(&mut self, shared: &mut Shared<'_>) {
        // Without the server's side nothing is ever answered, and the order of the commands is all there is.
        let alone = self.server_is_silent() && self.next_sequence > 1;
        let (first, end) = if alone {
            let activated = self.pending.iter().rposition(|one| one.activated);
            (activated.map_or(0, |last| last + 1), self.pending.len())
        } else {
            (0, 1)
        };
        for at in first..end {
            let Some(pending) = self.pending.get_mut(at) else {
                break;
            };
            if std::mem::replace(&mut pending.activated, true) {
                continue;
            }
            let Pending { sequence, verb, .. } = *pending;
            if verb.is_transfer() {
                self.activate_transfer(shared, sequence);
            } else if alone {
                self.presume_accepted(shared, at);
            }
        }
    }

    /// The commands in front of this place were accepted, though their replies were not captured: a transfer that waited for
    /// them has begun.
    pub(crate) fn presume_answered(&mut self, shared: &mut Shared<'_>, place: usize) {
        for at in 0..place {
            self.presume_accepted(shared, at);
        }
        if let Some(pending) = self.pending.get_mut(place)
            && pending.verb.is_transfer()
            && !std::mem::replace(&mut pending.activated, true)
        {
            let sequence = pending.sequence;
            self.activate_transfer(shared, sequence);
        }
    }

    /// Puts in force what a command without a captured reply asked for.
    fn presume_accepted(&mut self, shared: &mut Shared<'_>, at: usize) {
        let Some(pending) = self.pending.get_mut(at) else {
            return;
        };
        if std::mem::replace(&mut pending.presumed, true) {
            return;
        }
        let Pending { sequence, verb, .. } = *pending;
        self.reply_is_lost(sequence, verb);
        if let Some(number) = self.announcement(sequence) {
            self.put_in_force(shared, number);
            return;
        }
        let mode = match verb {
            Verb::Pasv => Mode::Passive,
            Verb::Epsv => Mode::ExtendedPassive,
            Verb::Lpsv => Mode::LongPassive,
            _ => return,
        };
        let Some(command) = self.steps.get(sequence) else {
            return;
        };
        let all = command
            .argument
            .as_deref()
            .is_some_and(|argument| argument.eq_ignore_ascii_case(b"ALL"));
        if !all {
            let since = command.record.time;
            let number = self.expect_unknown(shared, mode, since);
            self.put_in_force(shared, number);
        }
    }

    /// The negotiation that a PORT, EPRT or LPRT began.
    pub(crate) fn announcement(&self, sequence: u64) -> Option<u64> {
        self.announced_by
            .iter()
            .find(|(command, _)| *command == sequence)
            .map(|&(_, number)| number)
    }

    /// The oldest command will not be answered any more.
    pub(crate) fn drop_front(&mut self) {
        let Some(pending) = self.pending.pop_front() else {
            return;
        };
        if !pending.presumed {
            self.reply_is_lost(pending.sequence, pending.verb);
        }
        if let Some(command) = self.steps.get_mut(pending.sequence) {
            command.reply_lost = true;
        }
    }

    /// Tells the steps that are complete; with `all` every one.
    pub(crate) fn tell_steps(&mut self, shared: &mut Shared<'_>, all: bool) {
        self.let_go_of_old_steps(shared);
        while let Some(step) = {
            let secrets = &self.secrets;
            self.steps.next(all, |command| hide(command, secrets))
        } {
            self.step_told(shared, step);
        }
    }

    /// Tells a step, and keeps it for the whole session while there is room.
    fn step_told(&mut self, shared: &mut Shared<'_>, step: Step) {
        let step = Arc::new(step);
        shared.emit(Some(self.id), EventKind::Step(&step));
        // Its lines go; they stay in the record, if that stays.
        let lines = (text_of(&step) * COPIES).min(self.kept_bytes);
        self.kept_bytes -= lines;
        shared.kept_bytes = shared.kept_bytes.saturating_sub(lines);
        let most = shared.options.limits.commands;
        if self.told_steps.len() >= most {
            self.steps_omitted += 1;
            shared.warn(
                WarningCode::LimitReached,
                format!("more than {most} steps in one session; the rest were left out"),
            );
            return;
        }
        let weight = step.weight();
        if shared.keep_record(weight) {
            self.kept_bytes += weight;
            self.told_steps.push(step);
        } else {
            self.steps_omitted += 1;
        }
    }

    /// A session whose first open step never ends must not hold everything behind it: beyond the bound the oldest is told
    /// as far as it is known.
    fn let_go_of_old_steps(&mut self, shared: &mut Shared<'_>) {
        while self.steps.open_steps() > OPEN_STEPS {
            shared.warn(
                WarningCode::LimitReached,
                "a session has too many unfinished steps; the oldest are told as far as they are known",
            );
            if let Some(id) = self.steps.oldest_transfer()
                && self.transfers.contains(id)
            {
                // It takes its step out of the way, or shows it as settled.
                self.try_settle(shared, id, true);
                continue;
            }
            let secrets = &self.secrets;
            let Some(step) = self.steps.next(true, |command| hide(command, secrets)) else {
                break;
            };
            self.step_told(shared, step);
        }
    }

    fn command_state(
        &self,
        shared: &Shared<'_>,
        verb_bytes: &[u8],
        argument: Option<&[u8]>,
        verb: Verb,
        truncated: bool,
        arrived: FrameRef,
    ) -> CommandState {
        let (verb_text, verb_b64) = self.secrets.text(verb_bytes);
        let (argument_text, argument_b64) = match argument {
            Some(argument)
                if verb == Verb::Site && !self.secrets.shown() && is_password_change(argument) =>
            {
                (Some(format!("PSWD {HIDDEN}")), None)
            }
            Some(argument) => {
                let (text, exact) = self.secrets.text(argument);
                (Some(text), exact)
            }
            None => (None, None),
        };
        let place = Place::of(arrived, shared.several_captures);
        CommandState {
            record: Command {
                sequence: self.next_sequence,
                verb: verb_text,
                verb_b64,
                argument: argument_text,
                argument_b64,
                time: arrived.time,
                frame: arrived.number,
                capture: place.capture,
                capture_frame: place.capture_frame,
                truncated,
                response_time: None,
                replies: Vec::new(),
            },
            verb,
            argument: argument.map(<[u8]>::to_vec),
            answer: None,
            reply_lost: false,
            anonymous: verb == Verb::Pass && self.logins.is_anonymous_attempt(),
        }
    }

    /// ABOR stops the transfer that runs (RFC 959 section 4.1.3): the first one without its final reply.
    fn note_abor(&mut self, arrived: FrameRef) {
        let running = self
            .pending
            .iter()
            .take(ABORTABLE)
            .find(|one| one.verb.is_transfer());
        if let Some(id) = running.and_then(|pending| self.transfer_of(pending.sequence))
            && let Some(state) = self.transfers.get_mut(id)
        {
            state.abor.get_or_insert(arrived);
        }
    }
}

/// The command as it is told: without what is secret.
fn hide(command: CommandState, secrets: &crate::session::secrets::Secrets) -> Command {
    let mut record = command.record;
    record.response_time = record
        .replies
        .first()
        .filter(|reply| reply.frame >= record.frame)
        .map(|reply| reply.time.since(record.time).seconds());
    let refused = command.answer.is_some_and(|(code, _)| code >= 400);
    let secret = match command.verb {
        Verb::Pass => !command.anonymous || refused,
        Verb::Acct | Verb::Adat => true,
        _ => false,
    };
    if secret && !secrets.shown() && record.argument.is_some() {
        record.argument = Some(HIDDEN.to_owned());
        record.argument_b64 = None;
    }
    record
}

/// Bytes of the lines of a step, as they were sent.
fn text_of(step: &Step) -> usize {
    let commands = step.commands.iter();
    commands
        .map(|command| {
            let argument = command.argument.as_ref().map_or(0, |text| text.len() + 1);
            let lines = command.replies.iter().flat_map(|reply| &reply.lines);
            command.verb.len() + argument + lines.map(|line| line.len() + CODE).sum::<usize>()
        })
        .sum()
}

/// A command within another, in base64 and mostly encrypted (RFC 2228 section 3).
fn is_protected(verb: &[u8]) -> bool {
    matches!(verb, b"MIC" | b"CONF" | b"ENC")
}

/// A number that tells passwords apart; it is never shown.
fn number_of(password: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(password);
    hasher.finish()
}

/// SITE PSWD changes a password.
fn is_password_change(argument: &[u8]) -> bool {
    argument
        .get(..4)
        .is_some_and(|word| word.eq_ignore_ascii_case(b"PSWD"))
        && argument.get(4).is_none_or(|&byte| byte == b' ')
}

fn active_end_point(verb: Verb, argument: &[u8]) -> Option<(Mode, crate::model::Endpoint)> {
    match verb {
        Verb::Port => Some((Mode::Active, port_argument(argument)?)),
        Verb::Eprt => Some((Mode::ExtendedActive, extended_port_argument(argument)?)),
        Verb::Lprt => Some((Mode::LongActive, long_address(argument)?)),
        _ => None,
    }
}

/// Steps that are not told yet.
const OPEN_STEPS: usize = 4096;

/// Bytes of a reply's code and what follows it.
const CODE: usize = 4;

/// Passwords told apart in one session.
const PASSWORDS: usize = 1_000;

/// Commands that wait for an answer at once.
const PENDING: usize = 10_000;

/// Unanswered commands among which an ABOR looks for the transfer it stops.
const ABORTABLE: usize = 64;

/// PORT commands whose answer may be outstanding.
const ANNOUNCEMENTS: usize = 1024;
