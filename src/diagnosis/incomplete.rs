//! `incomplete-file` and `conflicting-retransmission`: bytes that are not there, or not certain.

use super::{DataTrouble, Draft, name_of, step_of};
use crate::model::record::{Completeness, Finding, Session, Severity, TransferDirection};

pub(super) fn incomplete(session: &Session, troubles: &[DataTrouble], findings: &mut Vec<Finding>) {
    for transfer in &session.transfers {
        let Some(connection) = &transfer.connection else {
            continue;
        };
        let what = match transfer.completeness {
            Completeness::Gaps => format!(
                "{} bytes of it are missing in the capture",
                transfer.missing_bytes
            ),
            // It came whole, and only its size is another.
            Completeness::Truncated if has_wrong_size(troubles, transfer.id) => continue,
            Completeness::Truncated => "its end is not in the capture".to_owned(),
            Completeness::Aborted if transfer.direction != TransferDirection::Listing => {
                "it was given up before its end".to_owned()
            }
            _ => continue,
        };
        let name = name_of(transfer);
        findings.push(
            Draft {
                id: "incomplete-file",
                severity: Severity::Medium,
                title: format!("{} {name} is not whole", transfer.verb),
                explanation: format!("{} of {name}: {what} ({} bytes were captured). {}.", transfer.verb, transfer.bytes, transfer.evidence.join("; ")),
                advice: match transfer.completeness {
                    Completeness::Gaps => "Capture again with a larger buffer or nearer to the server; do not look up digests of this file.",
                    _ => "Look for a later transfer of the same file, or capture for longer.",
                },
                frames: vec![connection.first_frame, connection.last_frame],
            }
            .about(step_of(session, transfer.id), Some(transfer.id)),
        );
    }
}

pub(super) fn conflicts(session: &Session, troubles: &[DataTrouble], findings: &mut Vec<Finding>) {
    for trouble in troubles {
        let DataTrouble::Conflict {
            transfer,
            bytes,
            frame,
        } = trouble
        else {
            continue;
        };
        let place = if transfer.is_some() {
            "data"
        } else {
            "control"
        };
        findings.push(
            Draft {
                id: "conflicting-retransmission",
                severity: Severity::Medium,
                title: format!("{bytes} bytes of the {place} connection were sent twice with different values"),
                explanation: format!(
                    "A segment repeats {bytes} bytes of the {place} connection with other content. The first bytes seen were kept, as a receiver does that had them already."
                ),
                advice: "Look at the frame: a broken middlebox, a damaged capture, or somebody who injects segments.",
                frames: vec![*frame],
            }
            .about(transfer.and_then(|id| step_of(session, id)), *transfer),
        );
    }
}

fn has_wrong_size(troubles: &[DataTrouble], id: u64) -> bool {
    troubles.iter().any(
        |trouble| matches!(trouble, DataTrouble::WrongSize { transfer, .. } if *transfer == id),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::tests::{session, transfer};

    #[test]
    fn whole_files_and_refused_commands_raise_nothing() {
        let mut whole = session();
        whole.transfers = vec![transfer(Completeness::Complete)];
        let mut refused = transfer(Completeness::Aborted);
        refused.connection = None;
        whole.transfers.push(refused);
        let mut findings = Vec::new();
        incomplete(&whole, &[], &mut findings);
        assert!(findings.is_empty());
    }

    #[test]
    fn a_file_with_gaps_is_named() {
        let mut cut = session();
        cut.transfers = vec![transfer(Completeness::Gaps)];
        let mut findings = Vec::new();
        incomplete(&cut, &[], &mut findings);
        assert_eq!(findings[0].title, "RETR /pub/readme.txt is not whole");
        assert_eq!(findings[0].transfer, Some(1));
    }
}
