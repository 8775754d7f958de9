//! `capture-loss` of the whole capture, where more than one session is concerned: one tells it itself.

use super::{MOST_FRAMES, MOST_SESSIONS};
use crate::diagnosis::{DataTrouble, Draft, lost};
use crate::model::grouped;
use crate::model::record::{Finding, Severity};

/// What was lost over all sessions.
#[derive(Debug, Default)]
pub(super) struct Losses {
    sessions: Vec<u64>,
    count: u64,
    control: u64,
    data: u64,
    one_sided: u64,
    frames: Vec<u64>,
}

impl Losses {
    pub(super) fn session_over(&mut self, session: u64, troubles: &[DataTrouble]) {
        for trouble in troubles {
            let DataTrouble::Lost(lost) = trouble else {
                continue;
            };
            self.count += 1;
            self.one_sided += u64::from(lost.unseen.is_some());
            self.control = self.control.saturating_add(lost.control);
            self.data = self.data.saturating_add(lost.data);
            if self.sessions.len() < MOST_SESSIONS {
                self.sessions.push(session);
            }
            let room = MOST_FRAMES.saturating_sub(self.frames.len());
            self.frames.extend(lost.frames.iter().take(room));
        }
    }

    pub(super) fn finish(&mut self) -> Option<Finding> {
        let mut this = std::mem::take(self);
        if this.count < 2 {
            return None;
        }
        this.sessions.sort_unstable();
        this.frames.sort_unstable();
        let bytes = grouped(this.control.saturating_add(this.data));
        let one_sided = match this.one_sided {
            0 => String::new(),
            count if count == this.count => {
                " Of each of them only one side was captured.".to_owned()
            }
            count => format!(" Of {} of them only one side was captured.", grouped(count)),
        };
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
            advice: lost::ADVICE,
            frames: this.frames,
        }
        .about(None, None);
        finding.sessions = this.sessions;
        Some(finding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::Lost;

    #[test]
    fn losses_add_up_and_one_session_tells_its_own() {
        let mut losses = Losses::default();
        assert_eq!(losses.finish(), None);
        losses.session_over(1, &[DataTrouble::Lost(Lost::default())]);
        assert_eq!(losses.finish(), None);
        for (session, control, data) in [(3, 10, 0), (1, 0, 1_490)] {
            let lost = Lost {
                control,
                data,
                frames: vec![session * 100],
                ..Lost::default()
            };
            losses.session_over(session, &[DataTrouble::Lost(lost)]);
        }
        let finding = losses.finish().expect("a finding");
        assert_eq!(finding.title, "the capture lost 1,500 bytes of 2 sessions");
        assert_eq!(finding.sessions, [1, 3]);
        assert_eq!(finding.frames, [100, 300]);
        assert_eq!(finding.severity, Severity::Medium);
    }
}
