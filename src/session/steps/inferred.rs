//! Steps that are known from replies alone: of a capture that holds only what the server sent.
//!
//! A reply says less than its command did. What it does say is told, marked as inferred; no command is invented. Replies
//! that stand for one step are told as one: a 331 and the 230 or 530 after it, a 227 and the transfer it was for, a 150 and its
//! 226, the two of a rename.

use crate::model::record::{LoginOutcome, Outcome, Reply, Step, StepKind};
use crate::protocol::ftp::{announced_size, path};
use crate::reassembly::FlowSummary;
use crate::session::ftp_session::Session;
use crate::session::steps::title::first_line_of;

impl Session {
    /// Replies that nothing asked for become steps where the client's side was not captured at all.
    pub(crate) fn infer_steps(&mut self, summary: &FlowSummary) {
        if self.next_sequence > 0 || summary.sent(self.client_way).segments > 0 {
            return;
        }
        let mut begun: Option<&Reply> = None;
        let mut directory: Option<String> = None;
        let mut steps = Vec::new();
        let unsolicited = self
            .stray
            .as_ref()
            .map_or(&[][..], |stray| stray.unsolicited.as_slice());
        for reply in unsolicited {
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
                // It comes unasked.
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
        for reply in unsolicited {
            match reply.code {
                230 | 232 => self.inferred_login = Some(LoginOutcome::Accepted),
                530 if self.inferred_login.is_none() => {
                    self.inferred_login = Some(LoginOutcome::Rejected);
                }
                _ => {}
            }
        }
        for step in steps {
            self.steps.made(step);
        }
    }
}

/// Whether `next` is of the same step as `first`.
fn continues(first: &Reply, next: &Reply) -> bool {
    match first.code {
        ..200 => next.code >= 200 && !matches!(next.code, 331 | 227..=229),
        227..=229 => matches!(next.code, 125 | 150),
        331 | 332 => matches!(next.code, 202 | 230 | 232 | 332 | 530),
        350 => next.code == 250 || next.code >= 500,
        _ => false,
    }
}

/// The step of a reply that nothing continued; none for the first half of a rename or a restart.
fn alone(reply: &Reply, directory: Option<&String>) -> Option<Step> {
    (reply.code != 350).then(|| step_of(None, reply, directory.cloned()))
}

/// What a reply tells of the command it answered; `begun` is the one before it of the same step.
fn step_of(begun: Option<&Reply>, reply: &Reply, directory: Option<String>) -> Step {
    let opening = begun.filter(|first| first.code < 200);
    let kind = match (reply.code, begun) {
        (_, Some(first)) if first.code < 200 => transfer_kind(first),
        (..200, None) => transfer_kind(reply),
        (230..=232 | 331 | 332 | 530, _) => StepKind::Login,
        (_, Some(first)) if first.code == 350 => StepKind::Rename,
        (221, None) => StepKind::Quit,
        (234, None) => StepKind::Tls,
        (200 | 250, None) => done_kind(reply),
        _ => StepKind::Command,
    };
    let what = begun.unwrap_or(reply);
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
            what.time,
            reply.time.since(what.time).seconds(),
        )
    }
}

/// What a 150 says of its transfer: one that names `ls` or a listing is for a listing, one that names a size or a download for
/// a download, one that asks for data for an upload. Else nothing is certain.
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

/// What a 250 says was done.
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

/// Where a reply says the client is now.
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
            let told = last
                .split_once("directory is ")
                .map(|(_, path)| path.trim_end().to_owned())
                .or_else(quoted)
                .filter(|path| path.starts_with('/'));
            told.map_or(Moved::Somewhere, Moved::To)
        }
        _ => Moved::Not,
    }
}

fn text_of(reply: &Reply) -> String {
    reply.lines.join(" ").to_ascii_lowercase()
}
