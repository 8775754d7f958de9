//! Steps that are known from replies alone: the capture holds only what the server sent.
//!
//! A reply says less than its command did. What it does say becomes a step that is marked as inferred; no command is invented.
//! Replies that stand for one step become one: a 331 and the 230 or 530 after it, a 227 and the transfer it was for, a 150 and
//! its 226, the two of a rename.

use super::title::first_line_of;
use crate::model::record::{LoginOutcome, Outcome, Reply, Step, StepKind};
use crate::protocol::ftp::{announced_size, path};

/// Returns the steps that replies without any command show.
pub(crate) fn infer_steps(replies: &[Reply]) -> Vec<Step> {
    let mut begun: Option<&Reply> = None;
    let mut directory: Option<String> = None;
    let mut steps = Vec::new();
    for reply in replies {
        if let Some(first) = begun.take() {
            if continues(first, reply) {
                // A 150 takes the place of the 227 before it.
                if reply.code < 200 {
                    begun = Some(reply);
                } else {
                    steps.push(step_of(Some(first), reply, directory.clone()));
                }
                continue;
            }
            steps.extend(alone(first, directory.as_ref()));
        }
        match reply.code {
            ..200 | 227..=229 | 331 | 332 | 350 => begun = Some(reply),
            // A 421 comes unasked.
            421 => {}
            _ => {
                match moved(reply) {
                    Moved::To(there) => directory = Some(there),
                    Moved::Somewhere => directory = None,
                    Moved::Not => {}
                }
                steps.push(step_of(None, reply, directory.clone()));
            }
        }
    }
    steps.extend(begun.and_then(|first| alone(first, directory.as_ref())));
    steps
}

/// Returns the outcome of the login that replies without any command show; `None` if they show none.
pub(crate) fn infer_login(replies: &[Reply]) -> Option<LoginOutcome> {
    let mut outcome = None;
    let mut asked = false;
    for reply in replies {
        match reply.code {
            230 | 232 => outcome = Some(LoginOutcome::Accepted),
            // Any command before a login is answered by 530 (RFC 959 section 5.4); only behind 331 or 332 it is the login's.
            530 if asked && outcome.is_none() => outcome = Some(LoginOutcome::Rejected),
            _ => {}
        }
        asked = matches!(reply.code, 331 | 332);
    }
    outcome
}

/// Returns whether `next` belongs to the same step as `first`.
fn continues(first: &Reply, next: &Reply) -> bool {
    match first.code {
        ..200 => next.code >= 200 && !matches!(next.code, 331 | 227..=229),
        227..=229 => matches!(next.code, 125 | 150),
        331 | 332 => matches!(next.code, 202 | 230 | 232 | 332 | 530),
        350 => next.code == 250 || next.code >= 500,
        _ => false,
    }
}

/// Returns the step of a reply that nothing continued; `None` for the first half of a rename or a restart.
fn alone(reply: &Reply, directory: Option<&String>) -> Option<Step> {
    (reply.code != 350).then(|| step_of(None, reply, directory.cloned()))
}

/// Returns the step that a reply shows; `begun` is the reply before it of the same step.
fn step_of(begun: Option<&Reply>, reply: &Reply, directory: Option<String>) -> Step {
    let opening = begun.filter(|first| first.code < 200);
    let kind = match (reply.code, begun) {
        (_, Some(first)) if first.code < 200 => transfer_kind(first),
        (..200, None) => transfer_kind(reply),
        (230..=232 | 331 | 332, _) | (530, Some(_)) => StepKind::Login,
        (_, Some(first)) if first.code == 350 => StepKind::Rename,
        (221, None) => StepKind::Quit,
        (234, None) => StepKind::Tls,
        (200 | 250, None) => done_kind(reply),
        _ => StepKind::Command,
    };
    let first = begun.unwrap_or(reply);
    let said = first_line_of(reply);
    let title = match opening {
        Some(opening) => format!(
            "{} {}: {} {said}",
            opening.code,
            first_line_of(opening),
            reply.code
        ),
        None => format!("{} {said}", reply.code),
    };
    Step {
        outcome: match reply.code {
            200..300 => Outcome::Ok,
            400.. => Outcome::Failed,
            _ => Outcome::Incomplete,
        },
        directory,
        inferred: true,
        ..Step::without_commands(
            kind,
            title.trim_end().to_owned(),
            first.time,
            reply.time.since(first.time).seconds(),
        )
    }
}

/// Returns the kind of transfer that a 150 begins: `ls` or a listing in it means a listing, a size or a download means a
/// download, a request for data means an upload. Otherwise nothing is certain.
fn transfer_kind(opening: &Reply) -> StepKind {
    let text = text_of(opening);
    let names = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if names(&["/bin/ls", "directory listing", "file list", "mlsd"]) {
        StepKind::List
    } else if names(&["ok to send data", "file upload", "file: "]) {
        StepKind::Store
    } else if names(&["file download", "to download"])
        || opening
            .lines
            .iter()
            .any(|line| announced_size(line.as_bytes()).is_some())
    {
        StepKind::Retrieve
    } else {
        StepKind::Command
    }
}

/// Returns the kind of step that a 250 completes.
fn done_kind(reply: &Reply) -> StepKind {
    if !matches!(moved(reply), Moved::Not) {
        return StepKind::Cwd;
    }
    let text = text_of(reply);
    let names = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if names(&["rename", "rnto"]) {
        StepKind::Rename
    } else if names(&["delete", "removed", "remove directory", "dele ", "rmd "]) {
        StepKind::Delete
    } else {
        StepKind::Command
    }
}

/// Change of the working directory that a reply shows.
enum Moved {
    Not,
    To(String),
    Somewhere,
}

fn moved(reply: &Reply) -> Moved {
    let text = text_of(reply);
    let quoted = || {
        let found = reply
            .lines
            .iter()
            .find_map(|line| path::quoted_path(line.as_bytes()))?;
        String::from_utf8(found).ok()
    };
    let names = |words: &[&str]| words.iter().any(|word| text.contains(word));
    match reply.code {
        257 if !names(&["creat", "made"]) => quoted().map_or(Moved::Not, Moved::To),
        200 | 250
            if names(&["cwd ", "cdup "])
                || (text.contains("directory") && names(&["chang", "current"])) =>
        {
            let last = reply.lines.last().map_or("", String::as_str);
            let stated = last
                .split_once("directory is ")
                .map(|(_, path)| path.trim_end().to_owned())
                .or_else(quoted)
                .filter(|path| path.starts_with('/'));
            stated.map_or(Moved::Somewhere, Moved::To)
        }
        _ => Moved::Not,
    }
}

fn text_of(reply: &Reply) -> String {
    reply.lines.join(" ").to_ascii_lowercase()
}
