//! `capture-loss`: bytes that reached the other side and are not in the capture.

use super::{DataTrouble, Draft, Lost};
use crate::model::grouped;
use crate::model::record::{Finding, Session, Severity};

pub(super) fn lost(_: &Session, troubles: &[DataTrouble], findings: &mut Vec<Finding>) {
    for trouble in troubles {
        let DataTrouble::Lost(lost) = trouble else {
            continue;
        };
        findings.push(
            Draft {
                id: "capture-loss",
                severity: Severity::Low,
                title: title(lost),
                explanation: explanation(lost),
                advice: ADVICE,
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
    let what = parts.join(" and ");
    let side = lost.unseen.map_or_else(String::new, |side| {
        format!(" No packet of the {side} is in the capture at all: it was taken where only one direction passes.")
    });
    format!(
        "{what} are not in the capture although the receiver acknowledged them. They were not lost on the network: the recording missed them.{side}"
    )
}

/// What helps against loss in the recording.
pub(super) const ADVICE: &str = "Record with a larger buffer (dumpcap -B), filter while recording, or use a tap instead of a mirror port.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::tests::session;

    fn found(loss: Lost) -> Finding {
        let mut findings = Vec::new();
        lost(&session(), &[DataTrouble::Lost(loss)], &mut findings);
        findings.remove(0)
    }

    #[test]
    fn how_much_and_where_is_told() {
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
    fn a_side_that_is_not_there_is_named() {
        let finding = found(Lost {
            control: 20,
            unseen: Some("server"),
            ..Lost::default()
        });
        assert_eq!(finding.title, "nothing of the server's side was captured");
    }
}
