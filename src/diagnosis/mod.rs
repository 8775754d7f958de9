//! Findings: what deserves attention in a session, with the frames that prove it; and the verdict that sums it up.
//!
//! In: the session's record and what only packets tell ([`DataTrouble`]). Out: [`Finding`]s, into the record, and those
//! about several sessions ([`Several`]). One file for each kind; each holds its id, severity, explanation and advice. A
//! finding that is wrong is worse than none.
//!
//! ```text
//! record, troubles -> blocked, refused_data, third_party, port_theft    the data connection was not there, or not theirs
//!                  -> incomplete, content, stalled, lost                what came through it
//!                  -> credentials, control_timeout, violation, traversal the dialogue
//!                  -> verdict
//! all sessions     -> several
//! ```

mod blocked;
mod content;
mod control_timeout;
mod credentials;
mod incomplete;
mod lost;
mod port_theft;
mod refused_data;
mod several;
mod stalled;
mod third_party;
mod traversal;
mod trouble;
mod verdict;
mod violation;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::model::Timestamp;
use crate::model::record::{Finding, Reply, Session, Severity, Transfer};

pub use several::{Announcement, Several};
pub(crate) use stalled::SHORTEST as SHORTEST_STALL;
pub use trouble::{DataTrouble, Lost, StallPlace, Unreachable};
pub use verdict::no_verdict;

/// Adds the findings and the verdict to a session. `until` is the time to which the capture goes on.
pub fn diagnose(session: &mut Session, troubles: &[DataTrouble], until: Timestamp) {
    let mut findings = Vec::new();
    credentials::login_rejected(session, &mut findings);
    credentials::cleartext(session, &mut findings);
    blocked::blocked(session, troubles, &mut findings);
    refused_data::refused(session, troubles, &mut findings);
    third_party::announced_elsewhere(session, troubles, &mut findings);
    port_theft::theft(session, troubles, &mut findings);
    incomplete::incomplete(session, troubles, &mut findings);
    incomplete::conflicts(session, troubles, &mut findings);
    content::wrong_size(session, troubles, &mut findings);
    content::ascii_damage(session, troubles, &mut findings);
    stalled::stalled(session, troubles, &mut findings);
    control_timeout::timeout(session, until, &mut findings);
    violation::violations(session, troubles, &mut findings);
    traversal::names(session, &mut findings);
    lost::lost(session, troubles, &mut findings);
    findings.sort_by_key(|finding| {
        (
            finding.frames.first().copied().unwrap_or(0),
            finding.id.clone(),
        )
    });
    if findings.len() > MOST {
        session.findings_omitted = (findings.len() - MOST) as u64;
        findings.truncate(MOST);
    }
    session.findings = findings;
    session.verdict = verdict::verdict(session);
}

/// The number of the step that made a transfer.
fn step_of(session: &Session, transfer: u64) -> Option<u64> {
    session.step_of(transfer).map(|step| step.number)
}

/// The final reply to the command of a transfer.
fn final_reply(session: &Session, transfer: u64) -> Option<&Reply> {
    let verb = &session.transfer(transfer)?.verb;
    let step = session.step_of(transfer)?;
    let command = step.commands.iter().find(|command| command.verb == *verb)?;
    command.replies.iter().rev().find(|reply| reply.code >= 200)
}

/// A reply in a sentence: its code and its last line.
fn quote(reply: &Reply) -> String {
    let line = reply
        .lines
        .iter()
        .rev()
        .map(|line| line.trim())
        .find(|line| !line.is_empty());
    let text: String = line
        .unwrap_or_default()
        .chars()
        .take(LONGEST_QUOTE)
        .collect();
    let text = text.trim_end_matches('.');
    if text.is_empty() {
        reply.code.to_string()
    } else {
        format!("{} {text}", reply.code)
    }
}

/// What a person would call the content of a transfer.
fn name_of(transfer: &Transfer) -> Cow<'_, str> {
    transfer
        .path
        .as_deref()
        .or(transfer.argument.as_deref())
        .filter(|name| !name.is_empty())
        .map_or(Cow::Borrowed("the listing"), shortened)
}

/// A name in a sentence: the whole of it stands with its command and transfer.
fn shortened(name: &str) -> Cow<'_, str> {
    match name.char_indices().nth(LONGEST_NAME) {
        Some((end, _)) => Cow::Owned(format!("{}…", &name[..end])),
        None => Cow::Borrowed(name),
    }
}

/// A sentence that was written to stand within another.
fn capitalized(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

struct Draft<'a> {
    id: &'a str,
    severity: Severity,
    title: String,
    explanation: String,
    advice: &'a str,
    frames: Vec<u64>,
}

impl Draft<'_> {
    fn about(self, step: Option<u64>, transfer: Option<u64>) -> Finding {
        Finding {
            id: self.id.to_owned(),
            severity: self.severity,
            title: self.title,
            explanation: self.explanation,
            advice: self.advice.to_owned(),
            frames: self.frames,
            step,
            transfer,
            sessions: Vec::new(),
        }
    }
}

/// Characters of a reply that are quoted.
const LONGEST_QUOTE: usize = 160;

/// Characters of a name that stand in a sentence.
const LONGEST_NAME: usize = 120;

/// Findings kept of one session.
const MOST: usize = 1000;
