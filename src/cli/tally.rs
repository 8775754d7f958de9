//! What the exit code needs to know of a run.

use crate::model::record::{Finding, Severity};
use crate::model::{Event, EventKind, EventSink, WarningCode};

/// Remembers the worst finding, and whether the input was whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// The highest severity of a finding.
    pub(super) worst: Option<Severity>,
    /// An input was cut short, had lost packets or has a link type that is not supported.
    pub(super) not_whole: bool,
}

impl Tally {
    fn finding(&mut self, finding: &Finding) {
        self.worst = self.worst.max(Some(finding.severity));
    }
}

impl EventSink for Tally {
    fn event(&mut self, event: &Event<'_>) {
        match &event.kind {
            EventKind::Finding(finding) => self.finding(finding),
            EventKind::SessionEnd(session) => {
                for finding in &session.findings {
                    self.finding(finding);
                }
            }
            EventKind::Warning(warning) => {
                self.not_whole |= matches!(
                    warning.code,
                    WarningCode::CaptureTruncated
                        | WarningCode::CaptureCorrupt
                        | WarningCode::PacketsDropped
                        | WarningCode::LinkTypeUnsupported
                );
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FrameRef, Warning};

    fn after(code: WarningCode) -> Tally {
        let mut tally = Tally::default();
        let warning = Warning::new(code, "", None);
        tally.event(&Event {
            frame: FrameRef::default(),
            session: None,
            kind: EventKind::Warning(&warning),
        });
        tally
    }

    #[test]
    fn an_input_is_not_whole_where_packets_are_missing() {
        assert!(after(WarningCode::CaptureTruncated).not_whole);
        assert!(after(WarningCode::PacketsDropped).not_whole);
        assert!(after(WarningCode::LinkTypeUnsupported).not_whole);
        assert!(!after(WarningCode::TimeJump).not_whole);
        assert!(!after(WarningCode::LimitReached).not_whole);
    }

    #[test]
    fn the_worst_finding_counts() {
        let mut tally = Tally::default();
        for severity in [Severity::Low, Severity::High, Severity::Info] {
            let finding = Finding {
                id: String::new(),
                severity,
                title: String::new(),
                explanation: String::new(),
                advice: String::new(),
                frames: vec![],
                step: None,
                transfer: None,
                sessions: vec![],
            };
            tally.event(&Event {
                frame: FrameRef::default(),
                session: None,
                kind: EventKind::Finding(&finding),
            });
        }
        assert_eq!(tally.worst, Some(Severity::High));
    }
}
