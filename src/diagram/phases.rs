//! Headings: what a person would call the parts of a session.

use std::sync::Arc;

use crate::model::record::{Step, StepKind};

/// Steps under one heading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Phase {
    /// Number of the step it stands before.
    pub(super) first: u64,
    group: Group,
    place: usize,
    length: usize,
}

impl Phase {
    /// What the heading says; `steps` are all steps of the session.
    pub(super) fn title(self, steps: &[Arc<Step>]) -> String {
        let end = self.place.saturating_add(self.length);
        title(self.group, steps.get(self.place..end).unwrap_or_default())
    }
}

/// What belongs under one heading.
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

/// The headings of a session, in order.
pub(super) fn of(steps: &[Arc<Step>]) -> Vec<Phase> {
    let mut phases = Vec::new();
    let mut rest = steps;
    let mut before = None;
    while let Some(first) = rest.first() {
        let group = group(first.kind, before);
        let mut length = 1;
        while let Some(next) = rest.get(length)
            && goes_on(group, next.kind)
        {
            length += 1;
        }
        phases.push(Phase {
            first: first.number,
            group,
            place: steps.len() - rest.len(),
            length,
        });
        before = Some(group);
        rest = rest.get(length..).unwrap_or_default();
    }
    phases
}

fn group(kind: StepKind, before: Option<Group>) -> Group {
    match kind {
        StepKind::Dns => Group::Lookup,
        StepKind::Connect | StepKind::Greeting => Group::Control,
        StepKind::Login if before.is_none_or(|before| before == Group::Lookup) => Group::Control,
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

/// Whether a step stands under the same heading as those before it. Each transfer has its own.
fn goes_on(group: Group, next: StepKind) -> bool {
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
        if verbs.len() > VERBS {
            break;
        }
    }
    if verbs.len() > VERBS {
        verbs.truncate(VERBS);
        verbs.push("…");
    }
    let pair = matches!(group, Group::Listing | Group::Download | Group::Upload);
    match (verbs.split_last(), group) {
        (None, _) | (_, Group::Logout) => name.to_owned(),
        (Some((last, before)), _) if pair && !before.is_empty() => {
            format!("{name} ({} and {last})", before.join(", "))
        }
        (Some(_), _) => format!("{name} ({})", verbs.join(", ")),
    }
}

/// Verbs named in a heading.
const VERBS: usize = 6;
