//! What expectations are held against: a report, as records and as the JSON that users see, with words for its parts.

use serde_json::Value;

use super::super::step_text::items;
use super::super::verdict::Place;
use crate::model::record::{Command, Reply, Session, Step, StepKind, Transfer};
use crate::report::{Report, units};

/// A report and its JSON.
pub struct Subject<'r> {
    /// The records.
    pub(in super::super) report: &'r Report,
    /// The same as JSON.
    pub(in super::super) value: Value,
}

impl<'r> Subject<'r> {
    /// Of a report.
    #[must_use]
    pub fn new(report: &'r Report) -> Self {
        Self {
            report,
            value: serde_json::to_value(report).unwrap_or_default(),
        }
    }

    /// Sessions with their JSON.
    pub(in super::super) fn sessions(&self) -> impl Iterator<Item = (&'r Session, &Value)> {
        let values = items(&self.value, "sessions");
        self.report.sessions.iter().map(AsRef::as_ref).zip(values)
    }

    fn session(&self, id: u64) -> Option<&'r Session> {
        let sessions = &self.report.sessions;
        let place = sessions
            .binary_search_by_key(&id, |session| session.id)
            .ok()?;
        sessions.get(place).map(AsRef::as_ref)
    }

    /// Where a session begins, by its id.
    pub(in super::super) fn beginning_of(&self, session: u64) -> Option<Place> {
        Some(self.beginning(self.session(session)?))
    }

    /// Where a field of a session was told, by the id of the session.
    pub(in super::super) fn field_of(&self, session: u64, field: &str) -> Option<Place> {
        Some(self.field(self.session(session)?, &[field.to_owned()]))
    }

    /// Where a step is, by the id of its session and its index.
    pub(in super::super) fn step_of(&self, session: u64, index: usize) -> Option<Place> {
        let session = self.session(session)?;
        Some(self.step(session, session.steps.get(index)?))
    }

    /// Where a transfer is, by the id of its session and its index.
    pub(in super::super) fn transfer_of(&self, session: u64, index: usize) -> Option<Place> {
        let session = self.session(session)?;
        Some(self.transfer(session, session.transfers.get(index)?))
    }

    /// Where the first finding with an id is.
    pub(in super::super) fn finding_of(&self, session: u64, id: &str) -> Option<Place> {
        let session = self.session(session)?;
        let finding = session.findings.iter().find(|finding| finding.id == id)?;
        Some(self.frame(session, *finding.frames.first()?))
    }

    /// Where a command is.
    pub(super) fn command(&self, session: &Session, command: &Command) -> Place {
        self.place(
            session,
            command.frame,
            command.capture,
            command.capture_frame,
        )
    }

    /// A command with its frame: `TYPE A (frame 42)`.
    pub(super) fn command_words(&self, session: &Session, command: &Command) -> String {
        let line = match &command.argument {
            Some(argument) => format!("{} {argument}", command.verb),
            None => command.verb.clone(),
        };
        match self.command(session, command).words() {
            Some(place) => format!("{line} ({place})"),
            None => line,
        }
    }

    /// The last command that is known of a session, else where it begins.
    pub(super) fn last(&self, session: &Session) -> Place {
        let mut commands = session.steps.iter().rev().flat_map(|step| &step.commands);
        match commands.next() {
            Some(command) => self.command(session, command),
            None => self.beginning(session),
        }
    }

    /// Where a reply is.
    pub(super) fn reply(&self, session: &Session, reply: &Reply) -> Place {
        self.place(session, reply.frame, reply.capture, reply.capture_frame)
    }

    /// Where a frame is of which no more is known.
    pub(super) fn frame(&self, session: &Session, frame: u64) -> Place {
        self.place(session, frame, None, None)
    }

    fn place(
        &self,
        session: &Session,
        frame: u64,
        capture: Option<u32>,
        capture_frame: Option<u64>,
    ) -> Place {
        let captures = &self.report.captures;
        let index = match (capture, captures.len()) {
            (None, 1) => Some(0),
            (index, _) => index.and_then(|index| usize::try_from(index).ok()),
        };
        let capture = index.and_then(|index| captures.get(index));
        Place {
            session: Some(session.id),
            frame: Some(frame),
            capture: capture.map(|capture| capture.path.clone()),
            capture_frame,
            ..Place::default()
        }
    }

    /// Where a step is: its first command, or what else is known of it.
    pub(super) fn step(&self, session: &Session, step: &Step) -> Place {
        let found = match (step.commands.first(), step.kind) {
            (Some(command), _) => Some(self.command(session, command)),
            (None, StepKind::Dns) => session
                .dns
                .as_ref()
                .map(|dns| self.frame(session, dns.query_frame.unwrap_or(dns.response_frame))),
            (None, StepKind::Greeting) => session
                .greeting
                .as_ref()
                .map(|reply| self.reply(session, reply)),
            (None, _) => None,
        };
        Place {
            session: Some(session.id),
            step: Some(step.number),
            transfer: step.transfer,
            ..found.unwrap_or_default()
        }
    }

    /// Where a transfer is: the last reply to its command, else the command.
    pub(super) fn transfer(&self, session: &Session, transfer: &Transfer) -> Place {
        let step = session.step_of(transfer.id);
        let command = step.and_then(|step| {
            let own = |command: &&Command| command.verb == transfer.verb;
            step.commands.iter().find(own)
        });
        let found = command.map(|command| match command.replies.last() {
            Some(reply) => self.reply(session, reply),
            None => self.command(session, command),
        });
        let data = || {
            let connection = transfer.connection.as_ref()?;
            Some(self.frame(session, connection.first_frame))
        };
        Place {
            session: Some(session.id),
            step: step.map(|step| step.number),
            transfer: Some(transfer.id),
            ..found.or_else(data).unwrap_or_default()
        }
    }

    /// Where a field of a session was told.
    pub(super) fn field(&self, session: &Session, path: &[String]) -> Place {
        let last_of = |kind| {
            let mut steps = session.steps.iter().rev();
            steps.find(|step| step.kind == kind)
        };
        let step = match path.first().map(String::as_str) {
            Some("login") => last_of(StepKind::Login),
            Some("tls") => last_of(StepKind::Tls),
            Some("dns") => last_of(StepKind::Dns),
            Some("greeting") => last_of(StepKind::Greeting),
            Some("end_state" | "end" | "duration") => {
                let mut steps = session.steps.iter().rev();
                steps.find(|step| !step.commands.is_empty())
            }
            _ => None,
        };
        match step {
            Some(step) => self.step(session, step),
            None => self.beginning(session),
        }
    }

    /// The first frame that is known of a session.
    pub(super) fn beginning(&self, session: &Session) -> Place {
        let reply = session.greeting.as_ref();
        let mut commands = session.steps.iter().flat_map(|step| &step.commands);
        match (reply, commands.next()) {
            (Some(reply), _) => self.reply(session, reply),
            (None, Some(command)) => self.command(session, command),
            (None, None) => Place {
                session: Some(session.id),
                ..Place::default()
            },
        }
    }
}

/// A session in words: `session 2 (mira at 192.0.2.7)`.
pub(super) fn session_words(session: &Session) -> String {
    let user = session.login.user.as_deref();
    let server = session.server.name.clone();
    let server = server.unwrap_or_else(|| session.server.ip.to_string());
    match user {
        Some(user) => format!("session {} ({user} at {server})", session.id),
        None => format!("session {} (at {server})", session.id),
    }
}

/// A transfer in words: `RETR readme.txt (1,715 bytes, complete)`.
pub(super) fn transfer_words(transfer: &Transfer) -> String {
    let what = transfer.path.as_deref().or(transfer.argument.as_deref());
    let completeness = serde_json::to_value(transfer.completeness).unwrap_or_default();
    let completeness = completeness.as_str().unwrap_or_default().to_owned();
    let size = units::bytes(transfer.bytes);
    match what {
        Some(what) => format!("{} {what} ({size}, {completeness})", transfer.verb),
        None => format!("{} ({size}, {completeness})", transfer.verb),
    }
}
