//! `capture-loss`: bytes that reached the receiver and are missing in the capture, of one session and of all together.

use std::collections::{BTreeMap, BTreeSet};

use super::cross_session::{MAX_FRAMES, MAX_SESSIONS};
use super::{DataTrouble, Draft, Lost};
use crate::model::grouped;
use crate::model::record::{Finding, Severity};

/// Reports what the capture lost of one session.
pub(super) fn detect(evidence: &[DataTrouble], findings: &mut Vec<Finding>) {
    for item in evidence {
        let DataTrouble::Lost(lost) = item else {
            continue;
        };
        findings.push(
            Draft {
                id: "capture-loss",
                severity: Severity::Low,
                title: title(lost),
                explanation: explanation(lost),
                advice: advice(lost.unseen.is_some()),
                frames: lost.frames.clone(),
            }
            .about(None, None),
        );
    }
}

fn title(lost: &Lost) -> String {
    match lost.unseen {
        Some(side) => format!("nothing of the {side}'s side was captured"),
        None => format!(
            "the capture lost {} bytes of this session",
            grouped(lost.control.saturating_add(lost.data))
        ),
    }
}

fn explanation(lost: &Lost) -> String {
    let connections = match lost.connections {
        1 => "one data connection".to_owned(),
        count => format!("{count} data connections"),
    };
    let parts: Vec<String> = [
        (lost.control > 0)
            .then(|| format!("{} bytes of the control connection", grouped(lost.control))),
        (lost.data > 0).then(|| format!("{} bytes of {connections}", grouped(lost.data))),
    ]
    .into_iter()
    .flatten()
    .collect();
    let lost_bytes = parts.join(" and ");
    let side = lost.unseen.map_or_else(String::new, |side| {
        format!(" No packet of the {side} is in the capture at all: it was taken where only one direction passes.")
    });
    format!(
        "{lost_bytes} are not in the capture although the receiver acknowledged them. They were not lost on the network: the recording missed them.{side}"
    )
}

/// Returns the remedy. Where a whole direction is missing, no buffer helps.
const fn advice(one_sided: bool) -> &'static str {
    if one_sided {
        "Record where both directions pass: both lines of a tap, both directions of a mirror port, one side of an address translator."
    } else {
        "Record with a larger buffer (dumpcap -B), filter while recording, or use a tap instead of a mirror port."
    }
}

/// Sum of the losses of all sessions. A single session with losses has its own finding and none here.
#[derive(Debug, Default)]
pub(super) struct TotalLoss {
    /// Losses of sessions of which one side was captured, by session; of the first [`MAX_ONE_SIDED`].
    one_sided: BTreeMap<u64, Lost>,
    sum: Sum,
}

/// Sum of losses.
#[derive(Debug, Default)]
struct Sum {
    /// Ids of the first [`MAX_SESSIONS`] sessions with losses.
    sessions: Vec<u64>,
    /// Count of all sessions with losses.
    count: u64,
    /// Bytes of control connections.
    control: u64,
    /// Bytes of data connections.
    data: u64,
    /// Count of the sessions of which only one side was captured.
    one_sided: u64,
    frames: Vec<u64>,
}

impl TotalLoss {
    /// Adds the losses of a finished session.
    pub(super) fn on_session_end(&mut self, session: u64, evidence: &[DataTrouble]) {
        for item in evidence {
            let DataTrouble::Lost(lost) = item else {
                continue;
            };
            // The other side may be in the capture as another session: these are added at the end.
            if lost.unseen.is_some() && self.one_sided.len() < MAX_ONE_SIDED {
                self.one_sided.insert(session, lost.clone());
            } else {
                self.sum.add(session, lost);
            }
        }
    }

    /// Forgets sessions whose other side is in the capture.
    pub(super) fn forget(&mut self, sessions: &BTreeSet<u64>) {
        self.one_sided
            .retain(|session, _| !sessions.contains(session));
    }

    /// Returns the finding about the whole capture; `None` unless at least two sessions have losses.
    pub(super) fn finish(&mut self) -> Option<Finding> {
        let Self {
            one_sided,
            sum: mut this,
        } = std::mem::take(self);
        for (session, lost) in &one_sided {
            this.add(*session, lost);
        }
        if this.count < 2 {
            return None;
        }
        this.sessions.sort_unstable();
        this.sessions.truncate(MAX_SESSIONS);
        this.frames.sort_unstable();
        this.frames.truncate(MAX_FRAMES);
        let bytes = grouped(this.control.saturating_add(this.data));
        let one_sided = match this.one_sided {
            0 => String::new(),
            count if count == this.count => {
                " Of each of them only one side was captured.".to_owned()
            }
            count => format!(" Of {} of them only one side was captured.", grouped(count)),
        };
        // Lost data makes files incomplete; lost commands cost only part of the dialogue.
        let severity = if this.data > 0 {
            Severity::Medium
        } else {
            Severity::Low
        };
        let mut finding = Draft {
            id: "capture-loss",
            severity,
            title: format!("the capture lost {bytes} bytes of {} sessions", grouped(this.count)),
            explanation: format!(
                "{} bytes of control connections and {} bytes of data connections were acknowledged by their receivers and are not in the capture: the recording missed them, the network did not lose them.{one_sided}",
                grouped(this.control),
                grouped(this.data)
            ),
            advice: advice(this.one_sided == this.count),
            frames: this.frames,
        }
        .about(None, None);
        finding.sessions = this.sessions;
        Some(finding)
    }
}

impl Sum {
    fn add(&mut self, session: u64, lost: &Lost) {
        self.count += 1;
        self.one_sided += u64::from(lost.unseen.is_some());
        // Saturating: losses follow from sequence numbers, which a hostile capture chooses.
        self.control = self.control.saturating_add(lost.control);
        self.data = self.data.saturating_add(lost.data);
        if self.sessions.len() < MAX_SESSIONS {
            self.sessions.push(session);
        }
        let free = MAX_FRAMES.saturating_sub(self.frames.len());
        self.frames.extend(lost.frames.iter().take(free));
    }
}

/// Limit of the one-sided sessions that wait for their other side.
const MAX_ONE_SIDED: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn found(loss: Lost) -> Finding {
        let mut findings = Vec::new();
        detect(&[DataTrouble::Lost(loss)], &mut findings);
        findings.remove(0)
    }

    #[test]
    fn loss_is_reported_by_connection_kind_with_its_frames() {
        let finding = found(Lost {
            control: 20,
            data: 2_800,
            connections: 1,
            unseen: None,
            frames: vec![9],
        });
        assert_eq!(
            finding.title,
            "the capture lost 2,820 bytes of this session"
        );
        assert!(finding.explanation.starts_with(
            "20 bytes of the control connection and 2,800 bytes of one data connection are not"
        ));
        assert_eq!(finding.frames, [9]);
    }

    #[test]
    fn side_without_any_packet_is_named_in_the_title() {
        let finding = found(Lost {
            control: 20,
            unseen: Some("server"),
            ..Lost::default()
        });
        assert_eq!(finding.title, "nothing of the server's side was captured");
    }

    #[test]
    fn losses_of_two_sessions_add_up_and_one_alone_reports_nothing() {
        let mut losses = TotalLoss::default();
        assert_eq!(losses.finish(), None);
        losses.on_session_end(1, &[DataTrouble::Lost(Lost::default())]);
        assert_eq!(losses.finish(), None);
        for (session, control, data) in [(3, 10, 0), (1, 0, 1_490)] {
            let lost = Lost {
                control,
                data,
                frames: vec![session * 100],
                ..Lost::default()
            };
            losses.on_session_end(session, &[DataTrouble::Lost(lost)]);
        }
        let finding = losses.finish().expect("a finding");
        assert_eq!(finding.title, "the capture lost 1,500 bytes of 2 sessions");
        assert_eq!(finding.sessions, [1, 3]);
        assert_eq!(finding.frames, [100, 300]);
        assert_eq!(finding.severity, Severity::Medium);
    }
}
