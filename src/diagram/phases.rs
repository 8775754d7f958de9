//! Headings: the phases of a session, each with a title.

use std::sync::Arc;

use crate::model::record::{Step, StepKind};

/// Consecutive steps under one heading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Phase {
    /// Number of its first step.
    pub(super) first: u64,
    group: Group,
    /// Index of its first step.
    start: usize,
    /// Count of its steps.
    length: usize,
}

impl Phase {
    /// Returns the title; `steps` are all steps of the session.
    pub(super) fn title(self, steps: &[Arc<Step>]) -> String {
        let end = self.start.saturating_add(self.length);
        title(self.group, steps.get(self.start..end).unwrap_or_default())
    }
}

/// Kind of a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    Lookup,
    Control,
    Login,
    Encryption,
    Listing,
    Directory,
    Download,
    Upload,
    Rename,
    Delete,
    Commands,
    Logout,
    Release,
}

/// Divides the steps of a session into phases, in order.
pub(super) fn divide(steps: &[Arc<Step>]) -> Vec<Phase> {
    let mut phases = Vec::new();
    let mut rest = steps;
    let mut previous = None;
    while let Some(first) = rest.first() {
        let group = group(first.kind, previous);
        let mut length = 1;
        while let Some(next) = rest.get(length)
            && continues(group, next.kind)
        {
            length += 1;
        }
        phases.push(Phase {
            first: first.number,
            group,
            start: steps.len() - rest.len(),
            length,
        });
        previous = Some(group);
        rest = rest.get(length..).unwrap_or_default();
    }
    phases
}

/// Returns the kind of phase that a step begins after a phase of kind `previous`; `None` for the first.
fn group(kind: StepKind, previous: Option<Group>) -> Group {
    match kind {
        StepKind::Dns => Group::Lookup,
        StepKind::Connect | StepKind::Greeting => Group::Control,
        // A capture that begins with the login shows neither handshake nor greeting.
        StepKind::Login if previous.is_none_or(|previous| previous == Group::Lookup) => {
            Group::Control
        }
        StepKind::Login => Group::Login,
        StepKind::Tls => Group::Encryption,
        StepKind::List => Group::Listing,
        StepKind::Cwd => Group::Directory,
        StepKind::Retrieve => Group::Download,
        StepKind::Store => Group::Upload,
        StepKind::Rename => Group::Rename,
        StepKind::Delete => Group::Delete,
        StepKind::Command => Group::Commands,
        StepKind::Quit => Group::Logout,
        StepKind::Disconnect => Group::Release,
    }
}

/// Returns whether a step continues a phase. Each transfer is a phase of its own.
fn continues(group: Group, next: StepKind) -> bool {
    match group {
        Group::Control => matches!(
            next,
            StepKind::Connect | StepKind::Greeting | StepKind::Login
        ),
        Group::Login => next == StepKind::Login,
        Group::Encryption => next == StepKind::Tls,
        Group::Commands => next == StepKind::Command,
        Group::Logout => matches!(next, StepKind::Quit | StepKind::Disconnect),
        _ => false,
    }
}

/// Formats the title of a phase, with its verbs in brackets.
fn title(group: Group, steps: &[Arc<Step>]) -> String {
    let has = |kind| steps.iter().any(|step| step.kind == kind);
    let name = match group {
        Group::Lookup => return "DNS query for the server's address".to_owned(),
        Group::Release => return "Control connection is released".to_owned(),
        Group::Control if has(StepKind::Login) => "Control connection and login",
        Group::Control => "Control connection",
        Group::Login => "Login",
        Group::Encryption => "Encryption",
        Group::Listing => "Directory listing",
        Group::Directory => "Change directory",
        Group::Download => "Download",
        Group::Upload => "Upload",
        Group::Rename => "Rename",
        Group::Delete => "Delete",
        Group::Commands if steps.len() == 1 => "Command",
        Group::Commands => "Commands",
        Group::Logout => "Logout",
    };
    let mut verbs: Vec<&str> = Vec::new();
    for command in steps.iter().flat_map(|step| &step.commands) {
        if !verbs.contains(&command.verb.as_str()) {
            verbs.push(&command.verb);
        }
        // One more than the limit proves that some are omitted; a phase may have a million commands.
        if verbs.len() > MAX_VERBS {
            break;
        }
    }
    if verbs.len() > MAX_VERBS {
        verbs.truncate(MAX_VERBS);
        verbs.push("…");
    }
    // A negotiation and its transfer belong together: `PASV and RETR`.
    let pair = matches!(group, Group::Listing | Group::Download | Group::Upload);
    match (verbs.split_last(), group) {
        (None, _) | (_, Group::Logout) => name.to_owned(),
        (Some((last, before)), _) if pair && !before.is_empty() => {
            format!("{name} ({} and {last})", before.join(", "))
        }
        (Some(_), _) => format!("{name} ({})", verbs.join(", ")),
    }
}

/// Limit of the verbs named in a title.
const MAX_VERBS: usize = 6;
