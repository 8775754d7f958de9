//! Records of the report in words: the same in verdicts, recorded files and baselines.

use serde::Serialize;

use crate::model::record::{Command, Outcome, Reply, Session, Step, StepKind, Transfer};
use crate::report::units;

/// A step, with the session that its subject may have to be taken from.
#[derive(Clone, Copy, Debug)]
pub(super) struct StepView<'s> {
    session: &'s Session,
    step: &'s Step,
}

impl<'s> StepView<'s> {
    /// Returns all steps of a session.
    pub(super) fn all(session: &'s Session) -> Vec<Self> {
        let steps = session.steps.iter();
        steps.map(|step| Self { session, step }).collect()
    }

    pub(super) fn kind(self) -> StepKind {
        self.step.kind
    }

    pub(super) fn outcome(self) -> Outcome {
        self.step.outcome
    }

    /// Returns the duration in seconds.
    pub(super) fn duration(self) -> f64 {
        self.step.duration
    }

    /// Returns the argument of the step's command, the user of a login, or the name of a lookup; `None` without one.
    pub(super) fn subject(self) -> Option<String> {
        let argument = |verbs: &[&str]| self.last_of(verbs)?.argument.clone();
        let subject = match self.kind() {
            StepKind::Dns => self.session.dns.as_ref().map(|dns| dns.name.clone()),
            StepKind::Rename => {
                let from = argument(&["RNFR"]).unwrap_or_default();
                let to = argument(&["RNTO"]).unwrap_or_default();
                Some(format!("{from} -> {to}"))
            }
            StepKind::Command => self.commands().first().map(command_line),
            kind => argument(verbs_of(kind)),
        };
        subject.filter(|subject| !subject.is_empty())
    }

    /// Returns the verb of the command that the step is named for; `None` for a step without commands.
    pub(super) fn verb(self) -> Option<&'s str> {
        let command = match self.kind() {
            // A step of this kind is named for its only command; others may have preparing ones before.
            StepKind::Command => self.commands().first(),
            kind => self
                .last_of(verbs_of(kind))
                .or_else(|| self.commands().last()),
        };
        Some(command?.verb.as_str())
    }

    /// Returns the code of the last reply; `None` without a reply.
    pub(super) fn code(self) -> Option<u16> {
        Some(self.reply()?.code)
    }

    fn reply(self) -> Option<&'s Reply> {
        if self.kind() == StepKind::Greeting {
            return self.session.greeting.as_ref();
        }
        let mut commands = self.commands().iter().rev();
        commands.find_map(|command| command.replies.last())
    }

    /// Returns the final code if the same run would give it again.
    ///
    /// An ABOR or STAT during a transfer races with its end: which of the replies comes last depends on timing.
    pub(super) fn reproducible_code(self) -> Option<u16> {
        let is_final = matches!(self.outcome(), Outcome::Ok | Outcome::Failed);
        let mut verbs = self.commands().iter().map(|command| command.verb.as_str());
        let is_interrupted = matches!(
            self.kind(),
            StepKind::List | StepKind::Retrieve | StepKind::Store
        ) && verbs.any(|verb| matches!(verb, "ABOR" | "STAT"));
        self.code().filter(|_| is_final && !is_interrupted)
    }

    /// Renders the step with its reply: `cwd pub: failed, answered 550 No such directory.`
    pub(super) fn with_reply(self) -> String {
        let line = self.line();
        match self.reply() {
            Some(reply) => format!("{line}, answered {}", reply_line(reply)),
            None if self.step.inferred => format!("{line}, known from its answer alone"),
            None => format!("{line}, not answered"),
        }
    }

    /// Returns the commands in wire order.
    pub(super) fn commands(self) -> &'s [Command] {
        &self.step.commands
    }

    fn last_of(self, verbs: &[&str]) -> Option<&'s Command> {
        let mut commands = self.commands().iter().rev();
        commands.find(|command| verbs.contains(&command.verb.as_str()))
    }

    /// Returns true if the client asked for the step, unlike lookups, greetings, and the TCP handshake and close.
    pub(super) fn is_requested(self) -> bool {
        !matches!(
            self.kind(),
            StepKind::Dns | StepKind::Connect | StepKind::Greeting | StepKind::Disconnect
        )
    }

    /// Renders the step as expectation files write it: `retrieve readme.txt: ok`.
    pub(super) fn line(self) -> String {
        let (kind, outcome) = (word(self.kind()), word(self.outcome()));
        match self.subject() {
            Some(subject) => format!("{kind} {subject}: {outcome}"),
            None => format!("{kind}: {outcome}"),
        }
    }
}

/// Returns the verbs of the commands that a kind of step is named for.
fn verbs_of(kind: StepKind) -> &'static [&'static str] {
    match kind {
        StepKind::Login => &["USER"],
        StepKind::List => &["LIST", "NLST", "MLSD", "STAT"],
        StepKind::Cwd => &["CWD", "XCWD"],
        StepKind::Retrieve => &["RETR"],
        StepKind::Store => &["STOR", "STOU", "APPE"],
        StepKind::Delete => &["DELE", "RMD", "XRMD"],
        _ => &[],
    }
}

/// Returns the string that the report writes for a value of an enum: `extended-passive`.
pub(super) fn word(value: impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

/// Renders a command as it was sent: `CWD pub`.
pub(super) fn command_line(command: &Command) -> String {
    match &command.argument {
        Some(argument) => format!("{} {argument}", command.verb),
        None => command.verb.clone(),
    }
}

/// Renders the last line of a reply: `550 No such directory.`
pub(super) fn reply_line(reply: &Reply) -> String {
    let last = reply.lines.last().map(String::as_str).unwrap_or_default();
    let last: String = last.chars().take(MAX_REPLY_CHARACTERS).collect();
    let line = format!("{} {}", reply.code, last.trim());
    line.trim_end().to_owned()
}

/// Renders a session: `session 2 (mira at 192.0.2.7)`.
pub(super) fn session_words(session: &Session) -> String {
    let server = session.server.name.clone();
    let server = server.unwrap_or_else(|| session.server.ip.to_string());
    match &session.login.user {
        Some(user) => format!("session {} ({user} at {server})", session.id),
        None => format!("session {} (at {server})", session.id),
    }
}

/// Renders a transfer: `RETR readme.txt (1,715 bytes, complete)`.
pub(super) fn transfer_words(transfer: &Transfer) -> String {
    let name = transfer.shown_path();
    let completeness = word(transfer.completeness);
    let size = units::bytes(transfer.bytes);
    match name {
        Some(name) => format!("{} {name} ({size}, {completeness})", transfer.verb),
        None => format!("{} ({size}, {completeness})", transfer.verb),
    }
}

/// Characters of a reply's text in a message.
const MAX_REPLY_CHARACTERS: usize = 120;
