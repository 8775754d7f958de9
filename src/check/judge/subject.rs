//! The report that expectations are held against, and the places of its parts.
//!
//! Sessions are taken one at a time, since there may be more of them than memory holds. Of each only those fields become
//! values that some expectation reads.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::super::built_in::BuiltIn;
use super::super::expression::{Expression, Fact};
use super::super::file::{Condition, Expectations, FieldExpectation};
use super::super::picked;
use super::super::verdict::Place;
use super::super::wording::command_line;
use crate::model::record::{Command, Reply, Session, Step, StepKind, Transfer, Weight as _};
use crate::report::{KeptSessions, Report};

/// A report and its sessions, as records and as the values in which expressions and field names are looked up.
pub struct Subject<'r> {
    pub(crate) report: &'r Report,
    sessions: &'r KeptSessions,
    names: Rc<FieldNames>,
    tree: OnceCell<ReportTree>,
    /// Sessions used last, the latest at the end.
    recent: RefCell<VecDeque<(usize, Rc<LoadedSession>)>>,
    /// First session that could not be read; `None` while all could.
    failure: RefCell<Option<io::Error>>,
}

/// Value tree of a report.
struct ReportTree {
    value: Value,
    /// True if sessions are missing in it, for want of memory.
    is_partial: bool,
}

/// Names of the fields that expectations read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldNames {
    names: BTreeSet<String>,
    /// True if any other field may be read as well, since whole objects are compared.
    reads_all: bool,
}

impl FieldNames {
    /// Returns all names.
    #[must_use]
    pub fn all() -> Self {
        Self {
            names: BTreeSet::new(),
            reads_all: true,
        }
    }

    /// Returns the names that the expectations of files and built-in rules read.
    #[must_use]
    pub fn of<'e>(
        files: impl IntoIterator<Item = &'e Expectations>,
        rules: impl IntoIterator<Item = &'static BuiltIn>,
    ) -> Self {
        let mut names = Self {
            names: ALWAYS_READ.iter().map(|&name| name.to_owned()).collect(),
            reads_all: false,
        };
        for file in files {
            names.add_file(file);
        }
        for rule in rules {
            names.add_built_in(rule);
        }
        names
    }

    fn add_file(&mut self, file: &Expectations) {
        for session in &file.sessions {
            self.add_condition(session.condition.as_ref());
            self.add_fields(&session.fields);
            for transfer in &session.transfers {
                self.add_condition(transfer.condition.as_ref());
                self.add_fields(&transfer.fields);
            }
        }
        for rule in &file.rules {
            self.add_condition(rule.condition.as_ref());
            self.add_condition(Some(&rule.assert));
        }
        for (rule, _) in &file.built_in {
            self.add_built_in(rule);
        }
    }

    fn add_built_in(&mut self, rule: &BuiltIn) {
        for text in rule.condition.into_iter().chain([rule.assert]) {
            match Expression::compile_in_report(text, rule.scope) {
                Ok(expression) => self.add(&expression),
                Err(_) => self.reads_all = true,
            }
        }
    }

    fn add_condition(&mut self, condition: Option<&Condition>) {
        if let Some(condition) = condition {
            self.add(&condition.expression);
        }
    }

    fn add_fields(&mut self, fields: &[FieldExpectation]) {
        let names = fields.iter().flat_map(|field| field.path.iter().cloned());
        self.names.extend(names);
    }

    fn add(&mut self, expression: &Expression) {
        self.names.extend(expression.all_names().iter().cloned());
        self.reads_all |= expression.field_names().is_none();
    }

    /// Returns true if an expectation names this field, of whatever object: what nobody names need not be computed for it.
    #[must_use]
    pub fn names_field(&self, field: &str) -> bool {
        self.names.contains(field)
    }

    fn has(&self, name: &str) -> bool {
        self.reads_all || self.names.contains(name)
    }

    /// Converts a record to a value without the fields that nobody reads.
    fn value_of(&self, record: &impl Serialize) -> Value {
        picked::value_of(record, (!self.reads_all).then_some(&self.names))
    }
}

/// A session with its value tree.
///
/// Checks read the record. The tree is for names that users write, in fields and in CEL: these are known at run time
/// only.
pub(crate) struct LoadedSession {
    record: Arc<Session>,
    tree: OnceCell<Value>,
    /// Trees of the transfers, unless they are in `tree`.
    transfer_trees: OnceCell<Vec<Value>>,
    names: Rc<FieldNames>,
}

impl LoadedSession {
    fn new(record: Arc<Session>, names: Rc<FieldNames>) -> Self {
        Self {
            record,
            tree: OnceCell::new(),
            transfer_trees: OnceCell::new(),
            names,
        }
    }

    /// Returns the session with the fields that are read; steps and transfers are in it only if an expression reads them there.
    pub(crate) fn tree(&self) -> &Value {
        self.tree.get_or_init(|| self.make_tree())
    }

    /// Makes the tree anew, for one look at it.
    pub(super) fn make_tree(&self) -> Value {
        let (record, names) = (&self.record, &self.names);
        let mut tree = self.head();
        if let Value::Object(fields) = &mut tree {
            if names.has("steps") {
                let steps = record.steps.iter().map(|step| names.value_of(step));
                fields.insert("steps".to_owned(), Value::Array(steps.collect()));
            }
            if names.has("transfers") {
                let transfers = record.transfers.iter();
                let transfers = transfers.map(|transfer| names.value_of(transfer));
                fields.insert("transfers".to_owned(), Value::Array(transfers.collect()));
            }
        }
        tree
    }

    /// Returns the tree without steps and transfers.
    pub(super) fn head(&self) -> Value {
        let head = Session {
            steps: Vec::new(),
            transfers: Vec::new(),
            ..Session::clone(&self.record)
        };
        self.names.value_of(&head)
    }

    /// Returns whether its tree is too large to be held while an expression reads it.
    pub(super) fn is_large(&self) -> bool {
        self.record.weight() > LARGE
    }

    /// Returns the transfers with their trees, in order of their commands.
    pub(crate) fn transfers(&self) -> impl ExactSizeIterator<Item = Part<'_, Transfer>> {
        let tree = self.names.has("transfers").then(|| self.tree());
        let in_tree = tree.and_then(|tree| tree.get("transfers")?.as_array());
        let trees = in_tree.unwrap_or_else(|| {
            self.transfer_trees.get_or_init(|| {
                let transfers = self.record.transfers.iter();
                let tree = |transfer: &Arc<Transfer>| self.names.value_of(transfer);
                transfers.map(tree).collect()
            })
        });
        let pairs = self.record.transfers.iter().zip(trees);
        pairs.map(|(record, tree)| Part {
            record: record.as_ref(),
            tree,
        })
    }

    /// Returns the tree of a step.
    pub(crate) fn step_tree(&self, step: &Step) -> Value {
        self.names.value_of(step)
    }
}

impl Deref for LoadedSession {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.record
    }
}

/// A record of a session with its part of the value tree.
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

impl<'r> Subject<'r> {
    /// Prepares a report, of which `sessions` are the sessions, for expectations that read fields of these names.
    #[must_use]
    pub fn new(report: &'r Report, sessions: &'r KeptSessions, names: FieldNames) -> Self {
        Self {
            report,
            sessions,
            names: Rc::new(names),
            tree: OnceCell::new(),
            recent: RefCell::default(),
            failure: RefCell::default(),
        }
    }

    /// Returns why a session could not be read; `None` if all could.
    #[must_use]
    pub fn failure(&self) -> Option<io::Error> {
        self.failure.take()
    }

    /// Returns the value tree of the whole report, with the sessions if an expression reads them there.
    pub(crate) fn tree(&self) -> &Value {
        &self.report_tree().value
    }

    /// Returns true if sessions are missing in the tree of the report, for want of memory.
    pub(crate) fn is_tree_partial(&self) -> bool {
        self.report_tree().is_partial
    }

    fn report_tree(&self) -> &ReportTree {
        self.tree.get_or_init(|| {
            let rest = Report {
                sessions: Vec::new(),
                ..self.report.clone()
            };
            let mut value = self.names.value_of(&rest);
            let mut sessions = Vec::new();
            let mut memory = 0;
            if self.names.has("sessions") {
                for session in self.sessions() {
                    memory += memory_of(session.tree());
                    if memory > MAX_TREE {
                        break;
                    }
                    sessions.push(session.tree().clone());
                }
            }
            let is_partial = memory > MAX_TREE;
            if let Value::Object(fields) = &mut value {
                fields.insert("sessions".to_owned(), Value::Array(sessions));
            }
            ReportTree { value, is_partial }
        })
    }

    /// Returns the number of sessions.
    pub(crate) fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// Returns the index of the session with this id; `None` if there is none.
    pub(crate) fn index_of(&self, id: u64) -> Option<usize> {
        self.sessions.index_of(id)
    }

    /// Returns the sessions by id, each read when it is asked for.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = Rc<LoadedSession>> {
        (0..self.session_count()).filter_map(|index| self.session_at(index))
    }

    /// Returns a session by its index; `None` if it cannot be read, and beyond the last one.
    pub(crate) fn session_at(&self, index: usize) -> Option<Rc<LoadedSession>> {
        let mut recent = self.recent.borrow_mut();
        if let Some((_, known)) = recent.iter().find(|(known, _)| *known == index) {
            return Some(Rc::clone(known));
        }
        let record = match self.sessions.get(index) {
            Ok(record) => record?,
            Err(error) => {
                self.failure.borrow_mut().get_or_insert(error);
                return None;
            }
        };
        let is_small = record.weight() <= SMALL;
        let loaded = Rc::new(LoadedSession::new(record, Rc::clone(&self.names)));
        if is_small {
            if recent.len() >= RECENT {
                recent.pop_front();
            }
            recent.push_back((index, Rc::clone(&loaded)));
        }
        Some(loaded)
    }

    /// Returns the record of a session by its index, without its tree.
    pub(crate) fn record_at(&self, index: usize) -> Option<Arc<Session>> {
        match self.sessions.get(index) {
            Ok(record) => record,
            Err(error) => {
                self.failure.borrow_mut().get_or_insert(error);
                None
            }
        }
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
    pub(crate) fn frame(&self, session: &Session, frame: u64) -> Place {
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
    pub(crate) fn step(&self, session: &Session, step: &Step) -> Place {
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
    pub(crate) fn transfer(&self, session: &Session, transfer: &Transfer) -> Place {
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

    /// Returns the place that decides the fields of a session which a rule read: that of the first field with a place of its
    /// own, else the beginning.
    pub(super) fn place_of_facts(&self, session: &Session, facts: &[Fact]) -> Place {
        // Rules about passwords read other fields of the login too: PASS says more than the USER before it.
        let is_password = |fact: &&Fact| fact.name == "login.password" && !fact.value.is_null();
        let password = facts.iter().find(is_password);
        let paths = password
            .into_iter()
            .chain(facts)
            .map(|fact| fact.name.split('.'));
        let mut paths = paths.map(|path| path.map(str::to_owned).collect::<Vec<_>>());
        let found = paths.find_map(|path| self.field_place(session, &path));
        found.unwrap_or_else(|| self.beginning(session))
    }

    /// Returns the place that decides a field of a session, else the beginning.
    pub(crate) fn field(&self, session: &Session, path: &[String]) -> Place {
        let found = self.field_place(session, path);
        found.unwrap_or_else(|| self.beginning(session))
    }

    /// Returns the command that a field of a session is of, else the step that decides it; `None` if neither is known.
    fn field_place(&self, session: &Session, path: &[String]) -> Option<Place> {
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
        }?;
        let is_password = path.get(1).is_some_and(|field| field == "password");
        let mut commands = step.commands.iter().rev();
        let password = commands.find(|command| is_password && command.verb == "PASS");
        let place = password.map(|command| Place {
            step: Some(step.number),
            ..self.command(session, command)
        });
        Some(place.unwrap_or_else(|| self.step(session, step)))
    }

    /// Returns the first known place of a session: its greeting, else its first command.
    pub(crate) fn beginning(&self, session: &Session) -> Place {
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

/// Estimates the memory of a value in bytes.
fn memory_of(value: &Value) -> usize {
    let own = size_of::<Value>();
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => own,
        Value::String(text) => own + text.len(),
        Value::Array(items) => own + items.iter().map(memory_of).sum::<usize>(),
        // A map begins with one node for 11 fields.
        Value::Object(fields) => {
            let nodes = fields.len().div_ceil(11) * 11 * (size_of::<String>() + own);
            own + nodes + fields.values().map(memory_of).sum::<usize>()
        }
    }
}

/// Fields that messages show beside those that an expectation names.
const ALWAYS_READ: &[&str] = &["id", "name", "explanation", "message"];
/// Memory of the value tree of a report in bytes, as estimated.
const MAX_TREE: usize = 128 << 20;
/// Sessions kept with their trees.
const RECENT: usize = 16;
/// Weight in bytes from which a session is large.
const LARGE: usize = 8 << 20;
/// Weight of the largest of them in bytes.
const SMALL: usize = 256 << 10;
