//! Steps: what a person would call one action of a session.
//!
//! In: commands, their replies, the transfers they made. Out: records of steps, in the order of their first commands.
//!
//! ```text
//! command ─> StepLog: open steps ── complete ─> record with its title ─> emitted, and kept for the session
//! replies without commands ─> inferred ─┘
//! ```

pub(crate) mod emitted;
pub(crate) mod inferred;
pub(crate) mod log;
pub(crate) mod title;

use std::collections::BTreeSet;
use std::sync::Arc;

use self::emitted::EmittedList;
use self::log::{CommandState, StepLog};
use super::secrets::{HIDDEN, Secrets};
use super::shared::Shared;
use crate::model::WarningCode;
use crate::model::record::{Command, Completeness, Step, StepKind, Weight as _};
use crate::protocol::ftp::Verb;

/// The steps of one session: open ones, and the records of those that were emitted.
#[derive(Debug)]
pub(crate) struct Steps {
    log: StepLog,
    emitted: EmittedList<Step>,
    /// Emitted steps without a record, to respect the limit.
    omitted: u64,
}

impl Steps {
    /// Creates an empty list.
    pub(crate) fn new() -> Self {
        Self {
            log: StepLog::default(),
            emitted: EmittedList::new(),
            omitted: 0,
        }
    }

    /// Returns the open steps.
    pub(crate) const fn log(&self) -> &StepLog {
        &self.log
    }

    /// Returns the open steps, to add to them.
    pub(crate) const fn log_mut(&mut self) -> &mut StepLog {
        &mut self.log
    }

    /// Takes the next complete step, or with `all` the next at all.
    pub(crate) fn next(&mut self, all: bool, secrets: &Secrets) -> Option<Step> {
        let mut step = self.log.next(all, |command| hide(command, secrets))?;
        // Replies of all others were cleaned before their titles were made.
        if step.commands.is_empty() {
            secrets.clean_text(&mut step.title);
        }
        Some(step)
    }

    /// Returns whether so many steps are open that the oldest must leave as far as it is known: a session whose first open step
    /// never ends must not hold everything behind it.
    pub(crate) fn is_full(&self) -> bool {
        self.log.open_steps() > OPEN_STEPS
    }

    /// Keeps the record of an emitted step while the limits allow. Returns the bytes that it counts for.
    pub(crate) fn keep(&mut self, shared: &mut Shared<'_>, step: Arc<Step>) -> usize {
        let most = shared.options.limits.commands;
        if self.emitted.len() >= most {
            self.omitted += 1;
            shared.warn(
                WarningCode::LimitReached,
                format!("more than {most} steps in one session; the rest were left out"),
            );
            return 0;
        }
        let weight = step.weight();
        if !shared.keep_record(weight) {
            self.omitted += 1;
            return 0;
        }
        self.emitted.push(step);
        weight
    }

    /// Replaces `complete` in the title of the step that made a transfer.
    pub(crate) fn revise(&mut self, transfer: u64, verdict: Completeness) {
        let mut emitted = self.emitted.iter().rev();
        let step = emitted.find(|step| step.transfer == Some(transfer));
        let number = step.map(|step| step.number);
        if let Some(step) = number.and_then(|number| self.emitted.amend(number)) {
            title::revise(&mut step.title, verdict);
        }
    }

    /// Returns the latest emitted step of TLS before a login, if there are few steps between them; `None` otherwise.
    pub(crate) fn latest_tls(&self) -> Option<Arc<Step>> {
        let mut latest = self.emitted.iter().rev().take(BEFORE_LOGIN);
        latest
            .find(|step| step.kind == StepKind::Tls)
            .map(Arc::clone)
    }

    /// Returns the records by number, the numbers of those amended after they were emitted, and how many were left out.
    pub(crate) fn into_records(self) -> (Vec<Arc<Step>>, BTreeSet<u64>, u64) {
        let (records, amended) = self.emitted.into_records();
        (records, amended, self.omitted)
    }
}

/// Returns the length of the lines of a step, in bytes, as they were sent.
pub(crate) fn text_bytes(step: &Step) -> usize {
    let commands = step.commands.iter();
    commands
        .map(|command| {
            let argument = command.argument.as_ref().map_or(0, |text| text.len() + 1);
            let lines = command.replies.iter().flat_map(|reply| &reply.lines);
            command.verb.len() + argument + lines.map(|line| line.len() + CODE).sum::<usize>()
        })
        .sum()
}

/// Returns the record of a command without its secret argument.
fn hide(command: CommandState, secrets: &Secrets) -> Command {
    let mut record = command.record;
    for reply in &mut record.replies {
        secrets.clean_reply(reply);
    }
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

/// Steps before a login among which that of TLS is looked for.
const BEFORE_LOGIN: usize = 32;

/// Steps that are open at once.
const OPEN_STEPS: usize = 4096;

/// Bytes of a reply's code and the character behind it.
const CODE: usize = 4;
