//! Commands grouped into what a person would call steps, told in order as soon as each is complete.
//!
//! A command that prepares a transfer waits: only what comes next tells whether it belongs to a transfer or stands alone.
//! Steps are numbered in the order of their first commands, so nothing is told before all that precedes it is settled.

use std::collections::{BTreeMap, VecDeque};

use super::encryption::is_tls_mechanism;
use super::title;
use crate::model::Timestamp;
use crate::model::record::{Command, Outcome, Step, StepKind};
use crate::protocol::ftp::Verb;

/// A command and what became of it so far.
#[derive(Debug)]
pub(super) struct CommandState {
    /// As it will be told, but for a secret argument.
    pub(super) record: Command,
    pub(super) verb: Verb,
    /// As it was sent.
    pub(super) argument: Option<Vec<u8>>,
    /// Code and time of the final reply.
    pub(super) answer: Option<(u16, Timestamp)>,
    /// Its reply was not captured, for a later command was answered.
    pub(super) reply_lost: bool,
    /// The password of an anonymous login: no secret unless it is refused.
    pub(super) anonymous: bool,
}

impl CommandState {
    fn is_settled(&self) -> bool {
        self.answer.is_some() || self.reply_lost
    }

    fn is_refused(&self) -> bool {
        self.answer
            .is_some_and(|(code, _)| (400..600).contains(&code))
    }

    /// AUTH with a mechanism of TLS.
    fn begins_tls(&self) -> bool {
        self.verb == Verb::Auth && self.argument.as_deref().is_some_and(is_tls_mechanism)
    }
}

/// What the transfer of a step adds to it.
#[derive(Clone, Debug)]
pub(super) struct TransferNote {
    pub(super) title: String,
    pub(super) end: Timestamp,
}

#[derive(Debug)]
struct StepState {
    kind: StepKind,
    commands: Vec<u64>,
    /// It may yet belong to the transfer that follows.
    prepares: bool,
    transfer: Option<u64>,
    note: Option<TransferNote>,
    directory: Option<(String, Option<String>)>,
    /// AUTH: what the handshake after it told, and when.
    handshake: Option<(String, Timestamp)>,
    /// AUTH: nothing more is to be learned of its handshake.
    handshake_over: bool,
    /// A step without commands, as it will be told.
    made: Option<Step>,
}

/// The steps of one session.
#[derive(Debug, Default)]
pub(super) struct StepLog {
    open: VecDeque<StepState>,
    commands: BTreeMap<u64, CommandState>,
    told: u64,
    /// How many of the open steps may yet belong to the transfer that follows.
    preparing: usize,
}

impl StepLog {
    /// A step without commands: lookup, handshake, greeting, teardown. Its number is given when it is told.
    pub(super) fn made(&mut self, step: Step) {
        self.open.push_back(StepState {
            made: Some(step),
            ..StepState::new(StepKind::Command, false)
        });
    }

    /// Nothing of the other side was captured: no command can have its reply.
    pub(super) fn lose_replies(&mut self) {
        for command in self.commands.values_mut() {
            command.reply_lost |= command.answer.is_none();
        }
    }

    /// A command. `same_name` tells whether an earlier argument means what the transfer's argument means.
    pub(super) fn command(
        &mut self,
        command: CommandState,
        transfer: Option<u64>,
        same_name: impl Fn(&[u8]) -> bool,
    ) {
        let sequence = command.record.sequence;
        let kind = kind_of(&command);
        let joins = match command.verb {
            Verb::Abor | Verb::Stat => self.running_transfer(),
            Verb::Pass | Verb::Acct => self.last_of_kind(StepKind::Login),
            Verb::Rnto => self.last_of_kind(StepKind::Rename),
            _ => None,
        };
        if let Some(step) = joins.and_then(|at| self.open.get_mut(at)) {
            step.commands.push(sequence);
        } else {
            let prepares =
                command.verb.prepares_transfer() || matches!(command.verb, Verb::Size | Verb::Mdtm);
            let mut step = StepState::new(kind, prepares);
            step.transfer = transfer;
            if transfer.is_some() {
                self.take_preparations(&mut step, same_name);
            }
            step.commands.push(sequence);
            let first = step.commands.first().copied().unwrap_or(sequence);
            // Its place is that of its first command.
            let at = self
                .open
                .iter()
                .rposition(|other| other.commands.first().is_none_or(|&other| other < first))
                .map_or(0, |before| before + 1);
            self.preparing += usize::from(step.prepares);
            self.open.insert(at, step);
        }
        self.commands.insert(sequence, command);
    }

    /// How many steps are not told yet.
    pub(super) fn open_steps(&self) -> usize {
        self.open.len()
    }

    /// The transfer of the oldest step that is not told yet.
    pub(super) fn oldest_transfer(&self) -> Option<u64> {
        self.open.front().and_then(|step| step.transfer)
    }

    /// The command with this number, while it is not told.
    pub(super) fn get_mut(&mut self, sequence: u64) -> Option<&mut CommandState> {
        self.commands.get_mut(&sequence)
    }

    /// The command with this number, while it is not told.
    pub(super) fn get(&self, sequence: u64) -> Option<&CommandState> {
        self.commands.get(&sequence)
    }

    /// The working directory after what is known of this command's step.
    pub(super) fn set_directory(
        &mut self,
        sequence: u64,
        directory: Option<(String, Option<String>)>,
    ) {
        // The step of a command that is being answered is mostly the last one.
        if let Some(step) = self
            .open
            .iter_mut()
            .rev()
            .find(|step| step.commands.contains(&sequence))
        {
            step.directory = directory;
        }
    }

    /// The transfer is settled.
    pub(super) fn settled(&mut self, transfer: u64, note: TransferNote) {
        if let Some(step) = self
            .open
            .iter_mut()
            .find(|step| step.transfer == Some(transfer))
        {
            step.note = Some(note);
        }
    }

    /// The handshake that AUTH began is over; `facts` is what it told, and when. False where no step waits for it.
    pub(super) fn handshake(&mut self, facts: Option<(String, Timestamp)>) -> bool {
        let commands = &self.commands;
        let begins = |step: &StepState| {
            step.commands
                .iter()
                .filter_map(|sequence| commands.get(sequence))
                .any(|command| command.begins_tls() && !command.is_refused())
        };
        let Some(step) = self
            .open
            .iter_mut()
            .rev()
            .find(|step| !step.handshake_over && begins(step))
        else {
            return false;
        };
        step.handshake = facts;
        step.handshake_over = true;
        true
    }

    /// The next step that is complete, and with `all` the next at all.
    pub(super) fn next(
        &mut self,
        all: bool,
        hide: impl Fn(CommandState) -> Command,
    ) -> Option<Step> {
        if !all && !self.is_ready() {
            return None;
        }
        let state = self.open.pop_front()?;
        self.preparing -= usize::from(state.prepares);
        self.told += 1;
        if let Some(mut step) = state.made {
            step.number = self.told;
            return Some(step);
        }
        let commands: Vec<CommandState> = state
            .commands
            .iter()
            .filter_map(|sequence| self.commands.remove(sequence))
            .collect();
        Some(self.tell(state, commands, hide))
    }

    fn tell(
        &self,
        state: StepState,
        commands: Vec<CommandState>,
        hide: impl Fn(CommandState) -> Command,
    ) -> Step {
        let time = commands
            .first()
            .map(|command| command.record.time)
            .unwrap_or_default();
        let replies = commands
            .iter()
            .flat_map(|command| &command.record.replies)
            .map(|reply| reply.time);
        let sent = commands.iter().map(|command| command.record.time);
        let end = replies
            .chain(sent)
            .chain(state.note.iter().map(|note| note.end))
            .chain(state.handshake.iter().map(|(_, end)| *end))
            .max()
            .unwrap_or(time);
        let outcome = outcome(state.kind, &commands);
        let records: Vec<Command> = commands.into_iter().map(hide).collect();
        let title = match (&state.note, &state.handshake) {
            (Some(note), _) => note.title.clone(),
            (None, Some((facts, _))) => title::of_handshake(&records, facts),
            (None, None) => title::of_step(state.kind, &records, outcome),
        };
        let (directory, directory_b64) = state
            .directory
            .map_or((None, None), |(text, exact)| (Some(text), exact));
        Step {
            number: self.told,
            kind: state.kind,
            title,
            time,
            duration: end.since(time).seconds(),
            outcome,
            commands: records,
            directory,
            directory_b64,
            transfer: state.transfer,
            inferred: false,
        }
    }

    fn is_ready(&self) -> bool {
        let Some(step) = self.open.front() else {
            return false;
        };
        if step.made.is_some() {
            return true;
        }
        if step.transfer.is_some() && step.note.is_none() {
            return false;
        }
        let commands = || {
            step.commands
                .iter()
                .filter_map(|sequence| self.commands.get(sequence))
        };
        if !commands().all(CommandState::is_settled) {
            return false;
        }
        // What the handshake tells belongs into the title.
        if !step.handshake_over
            && commands().any(|command| {
                command.begins_tls() && command.answer.is_some() && !command.is_refused()
            })
        {
            return false;
        }
        let followed = self.open.len() > 1;
        if step.prepares {
            // Nothing but preparations is open: the usual case of a session that prepares on and on.
            if self.preparing == self.open.len() {
                return false;
            }
            // Something that is no preparation and was not refused stands behind it.
            return self.open.iter().skip(1).any(|other| {
                other.made.is_some() || (!other.prepares && self.is_answered_well(other))
            });
        }
        let Some(last) = commands().next_back() else {
            return true;
        };
        let code = last.answer.map_or(0, |(code, _)| code);
        match step.kind {
            // A USER that was enough may be followed by a PASS all the same.
            StepKind::Login => followed || code >= 400 || (code < 300 && last.verb != Verb::User),
            StepKind::Rename => followed || code >= 400 || last.verb == Verb::Rnto,
            _ => true,
        }
    }

    fn is_answered_well(&self, step: &StepState) -> bool {
        step.commands
            .iter()
            .filter_map(|sequence| self.commands.get(sequence))
            .any(|command| command.is_settled() && !command.is_refused())
    }

    /// Takes the commands that prepared a transfer into its step: those since the last command that was neither a
    /// preparation nor refused.
    fn take_preparations(&mut self, step: &mut StepState, same_name: impl Fn(&[u8]) -> bool) {
        let mut taken = Vec::new();
        for (at, other) in self.open.iter().enumerate().rev() {
            let commands = || {
                other
                    .commands
                    .iter()
                    .filter_map(|sequence| self.commands.get(sequence))
            };
            let refused = !other.commands.is_empty() && commands().all(CommandState::is_refused);
            let prepares = other.prepares
                && commands().all(|command| {
                    command.verb.prepares_transfer()
                        || command.argument.as_deref().is_some_and(&same_name)
                });
            if prepares {
                taken.push(at);
            } else if !refused {
                break;
            }
        }
        for at in taken {
            if let Some(other) = self.open.remove(at) {
                self.preparing -= usize::from(other.prepares);
                step.commands.splice(0..0, other.commands);
            }
        }
    }

    fn running_transfer(&self) -> Option<usize> {
        self.open.iter().rposition(|step| {
            step.transfer.is_some()
                && step.note.is_none()
                && step
                    .commands
                    .iter()
                    .filter_map(|sequence| self.commands.get(sequence))
                    .any(|command| command.verb.is_transfer() && !command.is_settled())
        })
    }

    fn last_of_kind(&self, kind: StepKind) -> Option<usize> {
        let last = self.open.back()?;
        (last.kind == kind && last.made.is_none()).then(|| self.open.len() - 1)
    }
}

impl StepState {
    const fn new(kind: StepKind, prepares: bool) -> Self {
        Self {
            kind,
            commands: Vec::new(),
            prepares,
            transfer: None,
            note: None,
            directory: None,
            handshake: None,
            handshake_over: false,
            made: None,
        }
    }
}

fn kind_of(command: &CommandState) -> StepKind {
    match command.verb {
        Verb::User | Verb::Pass | Verb::Acct => StepKind::Login,
        Verb::Auth | Verb::Pbsz | Verb::Prot | Verb::Ccc => StepKind::Tls,
        Verb::Cwd | Verb::Cdup => StepKind::Cwd,
        Verb::List | Verb::Nlst | Verb::Mlsd => StepKind::List,
        Verb::Stat
            if command
                .argument
                .as_ref()
                .is_some_and(|argument| !argument.is_empty()) =>
        {
            StepKind::List
        }
        Verb::Retr => StepKind::Retrieve,
        Verb::Stor | Verb::Stou | Verb::Appe => StepKind::Store,
        Verb::Rnfr | Verb::Rnto => StepKind::Rename,
        Verb::Dele | Verb::Rmd => StepKind::Delete,
        Verb::Quit => StepKind::Quit,
        _ => StepKind::Command,
    }
}

fn outcome(kind: StepKind, commands: &[CommandState]) -> Outcome {
    let telling = match kind {
        StepKind::Retrieve | StepKind::Store | StepKind::List => commands
            .iter()
            .find(|command| command.verb.is_transfer())
            .or(commands.last()),
        _ => commands.last(),
    };
    match telling {
        Some(command) => match command.answer {
            Some((200..300, _)) => Outcome::Ok,
            // What a protected reply says is not to be read (RFC 2228 section 5).
            Some((600.., _)) => Outcome::Unknown,
            Some((400.., _)) => Outcome::Failed,
            None if command.reply_lost => Outcome::Unknown,
            Some(_) | None => Outcome::Incomplete,
        },
        None => Outcome::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Script {
        log: StepLog,
        sequence: u64,
    }

    impl Script {
        fn new() -> Self {
            Self {
                log: StepLog::default(),
                sequence: 0,
            }
        }

        fn say(&mut self, line: &str, transfer: Option<u64>, code: Option<u16>) -> u64 {
            self.sequence += 1;
            let (verb, argument) = line
                .split_once(' ')
                .map_or((line, None), |(verb, argument)| (verb, Some(argument)));
            let name = argument.unwrap_or("").to_owned();
            let time = Timestamp::from_nanos(i64::try_from(self.sequence).expect("few"));
            let command = CommandState {
                record: Command {
                    sequence: self.sequence,
                    verb: verb.into(),
                    verb_b64: None,
                    argument: argument.map(Into::into),
                    argument_b64: None,
                    time,
                    frame: self.sequence,
                    capture: None,
                    capture_frame: None,
                    truncated: false,
                    response_time: None,
                    replies: vec![],
                },
                verb: Verb::from_bytes(verb.as_bytes()),
                argument: argument.map(|text| text.as_bytes().to_vec()),
                answer: code.map(|code| (code, time)),
                reply_lost: false,
                anonymous: false,
            };
            self.log
                .command(command, transfer, |other| other == name.as_bytes());
            self.sequence
        }

        fn settle(&mut self, transfer: u64) {
            self.log.settled(
                transfer,
                TransferNote {
                    title: "done".into(),
                    end: Timestamp::default(),
                },
            );
        }

        fn told(&mut self, all: bool) -> Vec<(StepKind, Vec<u64>)> {
            let mut steps = Vec::new();
            while let Some(step) = self.log.next(all, |command| command.record) {
                steps.push((
                    step.kind,
                    step.commands
                        .iter()
                        .map(|command| command.sequence)
                        .collect(),
                ));
            }
            steps
        }
    }

    #[test]
    fn preparations_join_the_transfer_across_refused_commands() {
        let mut script = Script::new();
        script.say("EPSV", None, Some(229));
        script.say("SIZE a", None, Some(213));
        script.say("CWD a", None, Some(550));
        assert!(script.told(false).is_empty());
        script.say("RETR a", Some(1), Some(226));
        assert!(script.told(false).is_empty());
        script.settle(1);
        assert_eq!(
            script.told(false),
            [
                (StepKind::Retrieve, vec![1, 2, 4]),
                (StepKind::Cwd, vec![3])
            ]
        );
    }

    #[test]
    fn preparations_for_nothing_stand_alone() {
        let mut script = Script::new();
        script.say("TYPE I", None, Some(200));
        script.say("SIZE b", None, Some(213));
        script.say("CWD a", None, Some(250));
        assert_eq!(
            script.told(false),
            [
                (StepKind::Command, vec![1]),
                (StepKind::Command, vec![2]),
                (StepKind::Cwd, vec![3])
            ]
        );
    }

    #[test]
    fn an_accepted_auth_waits_for_its_handshake_and_a_refused_one_does_not() {
        let mut script = Script::new();
        script.say("AUTH SSL", None, Some(500));
        script.say("AUTH TLS", None, Some(234));
        assert_eq!(script.told(false), [(StepKind::Tls, vec![1])]);
        let facts = ("TLS 1.3, a suite".to_owned(), Timestamp::from_nanos(9));
        assert!(script.log.handshake(Some(facts)));
        let step = script.log.next(false, |command| command.record.clone());
        assert_eq!(
            step.map(|step| step.title).as_deref(),
            Some("AUTH TLS: TLS 1.3, a suite")
        );
        assert!(!script.log.handshake(None));
    }

    #[test]
    fn an_auth_of_another_mechanism_waits_for_nothing() {
        let mut script = Script::new();
        script.say("AUTH GSSAPI", None, Some(334));
        script.say("ENC aGVsbG8=", None, Some(632));
        assert_eq!(
            script.told(false),
            [(StepKind::Tls, vec![1]), (StepKind::Command, vec![2])]
        );
    }

    #[test]
    fn the_size_of_another_file_breaks_the_chain() {
        let mut script = Script::new();
        script.say("PASV", None, Some(227));
        script.say("SIZE b", None, Some(213));
        script.say("RETR a", Some(1), Some(226));
        script.settle(1);
        assert_eq!(script.told(true).len(), 3);
    }

    #[test]
    fn a_login_attempt_is_one_step_and_the_next_user_another() {
        let mut script = Script::new();
        script.say("USER a", None, Some(331));
        script.say("PASS b", None, Some(530));
        assert_eq!(script.told(false), [(StepKind::Login, vec![1, 2])]);
        script.say("USER ftp", None, Some(230));
        assert!(script.told(false).is_empty());
        script.say("QUIT", None, Some(221));
        assert_eq!(
            script.told(false),
            [(StepKind::Login, vec![3]), (StepKind::Quit, vec![4])]
        );
    }

    #[test]
    fn abor_belongs_to_the_running_transfer_and_rnto_to_its_rnfr() {
        let mut script = Script::new();
        let retr = script.say("RETR a", Some(1), None);
        script.say("ABOR", None, None);
        for (sequence, code) in [(retr, 426), (2, 226)] {
            script.log.get_mut(sequence).expect("open").answer = Some((code, Timestamp::default()));
        }
        script.settle(1);
        script.say("RNFR a", None, Some(350));
        script.say("RNTO b", None, Some(250));
        script.say("ABOR", None, Some(226));
        assert_eq!(
            script.told(false),
            [
                (StepKind::Retrieve, vec![1, 2]),
                (StepKind::Rename, vec![3, 4]),
                (StepKind::Command, vec![5])
            ]
        );
    }
}
