//! The report that expectations are held against, and the places of its parts.

use std::ops::Deref;
use std::sync::Arc;

use serde_json::Value;

use super::super::verdict::Place;
use super::super::wording::command_line;
use crate::model::record::{Command, Reply, Session, Step, StepKind, Transfer};
use crate::report::Report;

/// A report, as records and as the value tree in which expressions and field names are looked up.
pub struct Subject<'r> {
    pub(crate) report: &'r Report,
    tree: Value,
}

/// A record of the report with its part of the value tree.
///
/// Checks read the record. The tree is for names that users write, in fields and in CEL: these are known at run time
/// only.
pub(crate) struct Part<'t, T> {
    record: &'t T,
    pub(crate) tree: &'t Value,
}

impl<T> Clone for Part<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Part<'_, T> {}

impl<T> Deref for Part<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.record
    }
}

impl<'t> Part<'t, Session> {
    /// Returns the transfers in order of their commands.
    pub(crate) fn transfers(self) -> impl ExactSizeIterator<Item = Part<'t, Transfer>> {
        parts(&self.record.transfers, self.tree, "transfers")
    }

    /// Returns the steps in order of time.
    pub(crate) fn steps(self) -> impl ExactSizeIterator<Item = Part<'t, Step>> {
        parts(&self.record.steps, self.tree, "steps")
    }

    /// Returns the record, for as long as the report lives.
    pub(crate) fn record(self) -> &'t Session {
        self.record
    }
}

impl<'r> Subject<'r> {
    /// Builds the value tree of a report.
    #[must_use]
    pub fn new(report: &'r Report) -> Self {
        Self {
            report,
            tree: serde_json::to_value(report).unwrap_or_default(),
        }
    }

    /// Returns the value tree of the whole report.
    pub(crate) fn tree(&self) -> &Value {
        &self.tree
    }

    /// Returns the sessions by id.
    pub(crate) fn sessions(&self) -> impl ExactSizeIterator<Item = Part<'_, Session>> {
        parts(&self.report.sessions, &self.tree, "sessions")
    }

    fn session(&self, id: u64) -> Option<&'r Session> {
        // The report lists sessions in ascending order of their ids.
        let sessions = &self.report.sessions;
        let place = sessions
            .binary_search_by_key(&id, |session| session.id)
            .ok()?;
        sessions.get(place).map(AsRef::as_ref)
    }

    /// Returns the place where a session begins; `None` for an unknown id.
    pub(crate) fn beginning_of(&self, session: u64) -> Option<Place> {
        Some(self.beginning(self.session(session)?))
    }

    /// Returns the place that decides a field of a session; `None` for an unknown id.
    pub(crate) fn field_of(&self, session: u64, field: &str) -> Option<Place> {
        Some(self.field(self.session(session)?, &[field.to_owned()]))
    }

    /// Returns the place of a step by its index; `None` if there is no such step.
    pub(crate) fn step_of(&self, session: u64, index: usize) -> Option<Place> {
        let session = self.session(session)?;
        Some(self.step(session, session.steps.get(index)?))
    }

    /// Returns the place of a transfer by its index; `None` if there is no such transfer.
    pub(crate) fn transfer_of(&self, session: u64, index: usize) -> Option<Place> {
        let session = self.session(session)?;
        Some(self.transfer(session, session.transfers.get(index)?))
    }

    /// Returns the place of the first finding with this id; `None` without one, or if it names no frame.
    pub(crate) fn finding_of(&self, session: u64, id: &str) -> Option<Place> {
        let session = self.session(session)?;
        let finding = session.findings.iter().find(|finding| finding.id == id)?;
        Some(self.frame(session, *finding.frames.first()?))
    }

    /// Returns the place of a command.
    pub(super) fn command(&self, session: &Session, command: &Command) -> Place {
        self.place(
            session,
            command.frame,
            command.capture,
            command.capture_frame,
        )
    }

    /// Renders a command with its frame: `TYPE A (frame 42)`.
    pub(super) fn command_words(&self, session: &Session, command: &Command) -> String {
        let line = command_line(command);
        match self.command(session, command).words() {
            Some(place) => format!("{line} ({place})"),
            None => line,
        }
    }

    /// Returns the place of the last captured command, or of the beginning of a session without one.
    pub(super) fn last(&self, session: &Session) -> Place {
        let mut commands = session.steps.iter().rev().flat_map(|step| &step.commands);
        match commands.next() {
            Some(command) => self.command(session, command),
            None => self.beginning(session),
        }
    }

    /// Returns the place of a reply.
    pub(super) fn reply(&self, session: &Session, reply: &Reply) -> Place {
        self.place(session, reply.frame, reply.capture, reply.capture_frame)
    }

    /// Returns the place of a frame whose capture is known only if there is but one.
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
            // With a single capture the report omits the index.
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

    /// Returns the place of a step: its first command, else the DNS query or the greeting that it stands for.
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

    /// Returns the place of a transfer: the last reply to its command, else the command, else its data connection.
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

    /// Returns the place of the step that decides a field of a session, else of the beginning.
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

    /// Returns the first known place of a session: its greeting, else its first command.
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

/// Pairs the records of a list with the items of the list of that name in the tree.
fn parts<'t, T>(
    records: &'t [Arc<T>],
    tree: &'t Value,
    name: &str,
) -> impl ExactSizeIterator<Item = Part<'t, T>> {
    let items = tree.get(name).and_then(Value::as_array);
    let items = items.map(Vec::as_slice).unwrap_or_default();
    let pairs = records.iter().zip(items);
    pairs.map(|(record, tree)| Part {
        record: record.as_ref(),
        tree,
    })
}
