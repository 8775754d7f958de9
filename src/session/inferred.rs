//! Steps that are known from replies alone: of a capture that holds only what the server sent.
//!
//! A reply says less than its command did. What it does say is told, marked as inferred; no command is invented.

use super::control::Session;
use super::title::first_line_of;
use crate::model::record::{LoginOutcome, Outcome, Reply, Step, StepKind};
use crate::protocol::ftp::announced_size;
use crate::reassembly::FlowSummary;

impl Session {
    /// Replies that nothing asked for become steps where the client's side was not captured at all.
    pub(super) fn infer_steps(&mut self, summary: &FlowSummary) {
        if self.next_sequence > 0 || summary.sent(self.client_way).segments > 0 {
            return;
        }
        let mut begun: Option<&Reply> = None;
        let mut steps = Vec::new();
        for reply in &self.unsolicited {
            if reply.code < 200 {
                begun = Some(reply);
                continue;
            }
            steps.extend(step_of(reply, begun.take()));
            match reply.code {
                230 => self.inferred_login = Some(LoginOutcome::Accepted),
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

/// What a final reply tells of the command it answered; `begun` is the 1yz before it.
fn step_of(reply: &Reply, begun: Option<&Reply>) -> Option<Step> {
    let kind = match (reply.code, begun) {
        (_, Some(opening)) => transfer_kind(opening),
        (230 | 331 | 332 | 530, None) => StepKind::Login,
        (221, None) => StepKind::Quit,
        (234, None) => StepKind::Tls,
        // The first of two, and what comes unasked.
        (350 | 421, None) => return None,
        _ => StepKind::Command,
    };
    let what = begun.unwrap_or(reply);
    let said = first_line_of(reply);
    let title = match begun {
        Some(opening) => format!(
            "{} {}: {} {said}",
            opening.code,
            first_line_of(opening),
            reply.code
        ),
        None => format!("{} {said}", reply.code),
    };
    Some(Step {
        number: 0,
        kind,
        title: title.trim_end().to_owned(),
        time: what.time,
        duration: reply.time.since(what.time).seconds(),
        outcome: match reply.code {
            200..300 => Outcome::Ok,
            400.. => Outcome::Failed,
            _ => Outcome::Incomplete,
        },
        commands: Vec::new(),
        directory: None,
        directory_b64: None,
        transfer: None,
        inferred: true,
    })
}

/// A 150 that names a size announces a download; one that names `ls` or a listing, a listing. Else nothing is certain.
fn transfer_kind(opening: &Reply) -> StepKind {
    let text = opening.lines.join(" ").to_ascii_lowercase();
    if text.contains("/bin/ls") || text.contains("directory listing") || text.contains("file list")
    {
        StepKind::List
    } else if opening
        .lines
        .iter()
        .any(|line| announced_size(line.as_bytes()).is_some())
    {
        StepKind::Retrieve
    } else {
        StepKind::Command
    }
}
