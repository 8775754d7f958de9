//! Findings: what deserves attention in a session, with the frames that prove it; and the verdict that sums it up.
//!
//! In: the session's record and what only packets tell ([`DataTrouble`]). Out: [`Finding`]s, into the record. One file for each
//! kind; each holds its id, severity, explanation and advice. A finding that is wrong is worse than none.

mod blocked;
mod credentials;
mod incomplete;
mod third_party;
mod verdict;

#[cfg(test)]
mod tests;

use crate::model::Endpoint;
use crate::model::record::{Finding, Mode, Session, Severity};

pub use verdict::no_verdict;

/// What the packets of a data connection tell and the record of its transfer does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataTrouble {
    /// The data connection was tried and never opened.
    Blocked {
        /// Id of the transfer.
        transfer: u64,
        /// How it was negotiated.
        mode: Mode,
        /// Where nobody answered.
        listener: Endpoint,
        /// SYNs sent.
        attempts: u64,
        /// Frame of the RST in answer, if there was one.
        refused: Option<u64>,
        /// Frame of the first SYN.
        first_frame: u64,
    },
    /// Bytes were sent twice with different values.
    Conflict {
        /// Id of the transfer; `None` for the control connection.
        transfer: Option<u64>,
        /// How many bytes differed.
        bytes: u64,
        /// The first frame with other bytes.
        frame: u64,
    },
}

/// Adds the findings and the verdict to a session.
pub fn diagnose(session: &mut Session, troubles: &[DataTrouble]) {
    let mut findings = Vec::new();
    credentials::login_rejected(session, &mut findings);
    credentials::cleartext(session, &mut findings);
    blocked::blocked(session, troubles, &mut findings);
    third_party::announced_elsewhere(session, &mut findings);
    incomplete::incomplete(session, &mut findings);
    incomplete::conflicts(session, troubles, &mut findings);
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
    session
        .steps
        .iter()
        .find(|step| step.transfer == Some(transfer))
        .map(|step| step.number)
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

/// Findings kept of one session.
const MOST: usize = 1000;
