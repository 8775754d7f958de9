//! Commands grouped into steps, which leave in order as soon as each is complete.
//!
//! A command that prepares a transfer stays open: only the next command shows whether it belongs to a transfer or stands alone.
//! Steps are numbered in the order of their first commands, so a step leaves only after all before it are complete.

use std::collections::VecDeque;

use crate::model::Timestamp;
use crate::model::record::{Command, ListingEntry, Outcome, Step, StepKind};
use crate::protocol::ftp::{Verb, is_tls_mechanism};
use crate::session::by_number::ByNumber;
use crate::session::steps::title;

/// A command and its replies so far.
#[derive(Debug)]
pub(crate) struct CommandState {
    /// Record for the report, but for a secret argument.
    pub(crate) record: Command,
    pub(crate) verb: Verb,
    /// Argument as it was sent; `None` without one.
    pub(crate) argument: Option<Vec<u8>>,
    /// Code and time of the final reply; `None` before it.
    pub(crate) answer: Option<(u16, Timestamp)>,
    /// Its reply was not captured: a later command was answered.
    pub(crate) reply_lost: bool,
    /// The argument is the password of an anonymous login: no secret unless it is refused.
    pub(crate) anonymous: bool,
}

impl CommandState {
    fn is_settled(&self) -> bool {
        self.answer.is_some() || self.reply_lost
    }

    fn is_refused(&self) -> bool {
        self.answer
            .is_some_and(|(code, _)| (400..600).contains(&code))
    }

    /// Returns whether it is AUTH with a mechanism of TLS.
    fn begins_tls(&self) -> bool {
        self.verb == Verb::Auth && self.argument.as_deref().is_some_and(is_tls_mechanism)
    }
}

/// Contribution of a settled transfer to its step.
#[derive(Clone, Debug)]
pub(crate) struct TransferNote {
    pub(crate) title: String,
    pub(crate) end: Timestamp,
}

#[derive(Debug)]
struct StepState {
    kind: StepKind,
    /// Sequence numbers, ascending.
    commands: Vec<u64>,
    /// Number of its first commands that are known to be settled, so that a step of many is not searched for each reply.
    settled: usize,
    /// The step may yet belong to the transfer that follows.
    prepares: bool,
    /// Id of the transfer it made; `None` without one.
    transfer: Option<u64>,
    /// AUTH: nothing more is to be learned of its handshake.
    handshake_over: bool,
    /// Facts beside the commands; `None` for most steps.
    learned: Option<Box<Learned>>,
    /// Record of a step without commands; `None` for all others.
    made: Option<Box<Step>>,
}

#[derive(Debug, Default)]
struct Learned {
    /// From its transfer; `None` before that is settled.
    note: Option<TransferNote>,
    /// Working directory after it, and its exact bytes; `None` if unknown.
    directory: Option<(String, Option<String>)>,
    /// AUTH: facts of the handshake after it, and their time; `None` before they are known.
    handshake: Option<(String, Timestamp)>,
    /// A line without a reply code came in place of the reply.
    without_code: bool,
    /// Entries listed by STAT or MLST, and how many were left out.
    entries: (Vec<ListingEntry>, u64),
}

/// The steps of one session.
#[derive(Debug, Default)]
pub(crate) struct StepLog {
    open: VecDeque<StepState>,
    commands: ByNumber<Box<CommandState>>,
    /// Steps that have left; the number of the latest.
    emitted: u64,
    /// Number of open steps that may yet belong to the transfer that follows.
    preparing: usize,
    /// Number of open steps with a transfer that is not settled and room for further commands.
    joinable: usize,
}

impl StepLog {
    /// Adds a step without commands: lookup, handshake, greeting, teardown. It gets its number when it leaves.
    pub(crate) fn add_step(&mut self, step: Step) {
        self.open.push_back(StepState {
            made: Some(Box::new(step)),
            ..StepState::new(StepKind::Command, false)
        });
    }

    /// Marks every command as unanswered: nothing of the server's side was captured.
    pub(crate) fn lose_replies(&mut self) {
        for command in self.commands.values_mut() {
            command.reply_lost |= command.answer.is_none();
        }
    }

    /// Adds a command. `same_name` returns whether an earlier argument means the same file as the transfer's argument.
    pub(crate) fn add_command(
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
            let was_joinable = step.is_joinable();
            step.commands.push(sequence);
            self.joinable -= usize::from(was_joinable && !step.is_joinable());
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
            // A step stands where its first command stood: preparations may lie before other open steps.
            let at = self
                .open
                .iter()
                .rposition(|other| other.commands.first().is_none_or(|&other| other < first))
                .map_or(0, |before| before + 1);
            self.preparing += usize::from(step.prepares);
            self.joinable += usize::from(step.is_joinable());
            self.open.insert(at, step);
        }
        self.commands.insert(sequence, Box::new(command));
    }

    /// Returns how many steps are open.
    pub(crate) fn open_steps(&self) -> usize {
        self.open.len()
    }

    /// Returns the transfer of the oldest open step.
    pub(crate) fn oldest_transfer(&self) -> Option<u64> {
        self.open.front().and_then(|step| step.transfer)
    }

    /// Returns the command with this number, to record its replies; `None` once its step has left.
    pub(crate) fn get_mut(&mut self, sequence: u64) -> Option<&mut CommandState> {
        self.commands.get_mut(sequence).map(AsMut::as_mut)
    }

    /// Returns the command with this number; `None` once its step has left.
    pub(crate) fn get(&self, sequence: u64) -> Option<&CommandState> {
        self.commands.get(sequence).map(AsRef::as_ref)
    }

    /// Records the working directory after a command.
    pub(crate) fn set_directory(
        &mut self,
        sequence: u64,
        directory: Option<(String, Option<String>)>,
    ) {
        if let Some(step) = self.step_of(sequence)
            && (directory.is_some() || step.learned.is_some())
        {
            step.learned_mut().directory = directory;
        }
    }

    /// Records that a line without a reply code came while a command waited for its reply.
    pub(crate) fn answered_without_code(&mut self, sequence: u64) {
        if let Some(step) = self.step_of(sequence) {
            step.learned_mut().without_code = true;
        }
    }

    /// Records that the reply to a command is a listing.
    pub(crate) fn listed(&mut self, sequence: u64, entries: Vec<ListingEntry>, omitted: u64) {
        if let Some(step) = self.step_of(sequence) {
            step.learned_mut().entries = (entries, omitted);
        }
    }

    /// Returns the open step that has a command. Open steps stand in the order of their first commands, and there may be
    /// thousands.
    fn step_of(&mut self, sequence: u64) -> Option<&mut StepState> {
        let (mut low, mut high) = (0, self.open.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            // Steps without commands have no place in this order, and are few.
            let mut from_middle = self.open.range(middle..high).enumerate();
            let first =
                from_middle.find_map(|(skipped, step)| Some((skipped, *step.commands.first()?)));
            match first {
                Some((skipped, first)) if first <= sequence => low = middle + skipped + 1,
                _ => high = middle,
            }
        }
        // A command that joined a transfer has steps with later first commands between it and its own.
        let mut before = self.open.range_mut(..low).rev();
        before.find(|step| step.has(sequence))
    }

    /// Records that a transfer is settled.
    pub(crate) fn settled(&mut self, transfer: u64, note: TransferNote) {
        if let Some(step) = self
            .open
            .iter_mut()
            .find(|step| step.transfer == Some(transfer))
        {
            self.joinable -= usize::from(step.is_joinable());
            step.learned_mut().note = Some(note);
        }
    }

    /// Records that the handshake after AUTH is over; `facts` are its facts and their time. Returns whether a step awaits it.
    pub(crate) fn handshake(&mut self, facts: Option<(String, Timestamp)>) -> bool {
        let commands = &self.commands;
        let begins = |step: &StepState| {
            step.commands
                .iter()
                .filter_map(|&sequence| commands.get(sequence))
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
        step.handshake_over = true;
        if facts.is_some() {
            step.learned_mut().handshake = facts;
        }
        true
    }

    /// Returns the next complete step, or with `all` the next at all. `hide` makes the record of a command, without secrets.
    pub(crate) fn next(
        &mut self,
        all: bool,
        hide: impl Fn(CommandState) -> Command,
    ) -> Option<Step> {
        if !all && !self.is_ready() {
            return None;
        }
        let state = self.open.pop_front()?;
        self.preparing -= usize::from(state.prepares);
        self.joinable -= usize::from(state.is_joinable());
        self.emitted += 1;
        if let Some(mut step) = state.made {
            step.number = self.emitted;
            return Some(*step);
        }
        let mut commands = Vec::with_capacity(state.commands.len());
        let log = &mut self.commands;
        let taken = state.commands.iter().filter_map(|&one| log.remove(one));
        commands.extend(taken.map(|command| *command));
        Some(self.record(state, commands, hide))
    }

    fn record(
        &self,
        state: StepState,
        commands: Vec<CommandState>,
        hide: impl Fn(CommandState) -> Command,
    ) -> Step {
        let learned = state.learned.map(|learned| *learned).unwrap_or_default();
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
            .chain(learned.note.iter().map(|note| note.end))
            .chain(learned.handshake.iter().map(|(_, end)| *end))
            .max()
            .unwrap_or(time);
        let outcome = outcome(state.kind, &commands);
        // `collect` would keep the allocation of the larger command states.
        let mut records = Vec::with_capacity(commands.len());
        records.extend(commands.into_iter().map(hide));
        let (entries, entries_omitted) = learned.entries;
        let title = match (&learned.note, &learned.handshake) {
            // Cloned to its exact length: the original was built with spare capacity.
            (Some(note), _) => note.title.clone(),
            (None, Some((facts, _))) => title::of_handshake(&records, facts),
            (None, None) if !entries.is_empty() => {
                title::of_entries(&records, entries.len() as u64 + entries_omitted)
            }
            (None, None) if learned.without_code => {
                title::of_step_without_code(state.kind, &records, outcome)
            }
            (None, None) => title::of_step(state.kind, &records, outcome),
        };
        let (directory, directory_b64) = learned
            .directory
            .map_or((None, None), |(text, exact)| (Some(text), exact));
        Step {
            number: self.emitted,
            kind: state.kind,
            title,
            time,
            duration: end.since(time).seconds(),
            outcome,
            commands: records,
            directory,
            directory_b64,
            transfer: state.transfer,
            entries,
            entries_omitted,
            inferred: false,
        }
    }

    fn is_ready(&mut self) -> bool {
        let Some(step) = self.open.front_mut() else {
            return false;
        };
        if step.made.is_some() {
            return true;
        }
        if step.is_transferring() {
            return false;
        }
        let all = &self.commands;
        let is_settled = |sequence: &u64| all.get(*sequence).is_none_or(|one| one.is_settled());
        while step.commands.get(step.settled).is_some_and(is_settled) {
            step.settled += 1;
        }
        if step.settled < step.commands.len() {
            return false;
        }
        let Some(step) = self.open.front() else {
            return false;
        };
        let commands = || {
            step.commands
                .iter()
                .filter_map(|&sequence| self.commands.get(sequence))
        };
        // The title of AUTH has the facts of the handshake.
        if step.kind == StepKind::Tls
            && !step.handshake_over
            && commands().any(|command| {
                command.begins_tls() && command.answer.is_some() && !command.is_refused()
            })
        {
            return false;
        }
        let followed = self.open.len() > 1;
        if step.prepares {
            // Nothing but preparations is open: the usual case of a session that prepares on and on, decided at once.
            if self.preparing == self.open.len() {
                return false;
            }
            // A step that is no preparation and was not refused ends the wait.
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
            .filter_map(|&sequence| self.commands.get(sequence))
            .any(|command| command.is_settled() && !command.is_refused())
    }

    /// Moves the commands that prepared a transfer into its step: those since the last command that was neither a
    /// preparation nor refused.
    fn take_preparations(&mut self, step: &mut StepState, same_name: impl Fn(&[u8]) -> bool) {
        let mut taken = Vec::new();
        for (at, other) in self.open.iter().enumerate().rev() {
            let commands = || {
                other
                    .commands
                    .iter()
                    .filter_map(|&sequence| self.commands.get(sequence))
            };
            let refused =
                !other.commands.is_empty() && commands().all(|command| command.is_refused());
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
                self.joinable -= usize::from(other.is_joinable());
                step.commands.splice(0..0, other.commands);
            }
        }
    }

    fn running_transfer(&self) -> Option<usize> {
        // Without this a client that sends ABOR or STAT without end has all open steps looked at each time.
        if self.joinable == 0 {
            return None;
        }
        self.open.iter().rposition(|step| {
            // Behind the transfer's own command there are only STAT and ABOR, however many.
            let mut commands = step
                .commands
                .iter()
                .filter_map(|&sequence| self.commands.get(sequence));
            step.is_joinable()
                && commands
                    .find(|command| command.verb.is_transfer())
                    .is_some_and(|command| !command.is_settled())
        })
    }

    fn last_of_kind(&self, kind: StepKind) -> Option<usize> {
        let last = self.open.back()?;
        let joins = last.kind == kind && last.made.is_none() && last.commands.len() < COMMANDS;
        joins.then(|| self.open.len() - 1)
    }
}

impl StepState {
    const fn new(kind: StepKind, prepares: bool) -> Self {
        Self {
            kind,
            commands: Vec::new(),
            settled: 0,
            prepares,
            transfer: None,
            handshake_over: false,
            learned: None,
            made: None,
        }
    }

    fn has(&self, sequence: u64) -> bool {
        // Most of the steps that are asked lie before or behind: no search.
        self.commands.last().is_some_and(|last| *last >= sequence)
            && self.commands.binary_search(&sequence).is_ok()
    }

    /// Returns whether it has a transfer that is not settled.
    fn is_transferring(&self) -> bool {
        let learned = self.learned.as_ref();
        self.transfer.is_some() && learned.is_none_or(|learned| learned.note.is_none())
    }

    /// Returns whether ABOR and STAT belong to its transfer.
    fn is_joinable(&self) -> bool {
        self.is_transferring() && self.commands.len() < COMMANDS
    }

    fn learned_mut(&mut self) -> &mut Learned {
        self.learned.get_or_insert_default()
    }
}

/// Commands of one step; those beyond begin another. A client may send passwords that are never enough, and STAT without
/// end while a transfer runs.
const COMMANDS: usize = 1000;

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
    let decisive = match kind {
        StepKind::Retrieve | StepKind::Store | StepKind::List => commands
            .iter()
            .find(|command| command.verb.is_transfer())
            .or(commands.last()),
        _ => commands.last(),
    };
    match decisive {
        Some(command) => match command.answer {
            Some((200..300, _)) => Outcome::Ok,
            // The text of a protected reply cannot be read (RFC 2228 section 5).
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
                .add_command(command, transfer, |other| other == name.as_bytes());
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

        fn emitted(&mut self, all: bool) -> Vec<(StepKind, Vec<u64>)> {
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
        assert!(script.emitted(false).is_empty());
        script.say("RETR a", Some(1), Some(226));
        assert!(script.emitted(false).is_empty());
        script.settle(1);
        assert_eq!(
            script.emitted(false),
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
            script.emitted(false),
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
        assert_eq!(script.emitted(false), [(StepKind::Tls, vec![1])]);
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
            script.emitted(false),
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
        assert_eq!(script.emitted(true).len(), 3);
    }

    #[test]
    fn a_login_attempt_is_one_step_and_the_next_user_another() {
        let mut script = Script::new();
        script.say("USER a", None, Some(331));
        script.say("PASS b", None, Some(530));
        assert_eq!(script.emitted(false), [(StepKind::Login, vec![1, 2])]);
        script.say("USER ftp", None, Some(230));
        assert!(script.emitted(false).is_empty());
        script.say("QUIT", None, Some(221));
        assert_eq!(
            script.emitted(false),
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
            script.emitted(false),
            [
                (StepKind::Retrieve, vec![1, 2]),
                (StepKind::Rename, vec![3, 4]),
                (StepKind::Command, vec![5])
            ]
        );
    }
}
