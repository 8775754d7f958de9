//! `incomplete-file` and `conflicting-retransmission`: bytes that are not there, or not certain.

use super::{DataTrouble, Draft, name_of, step_of};
use crate::model::grouped;
use crate::model::record::{
    Close, Completeness, DataType, Finding, Session, Severity, Transfer, TransferDirection,
    TransferMode,
};

pub(super) fn incomplete(session: &Session, troubles: &[DataTrouble], findings: &mut Vec<Finding>) {
    for transfer in &session.transfers {
        let Some(connection) = &transfer.connection else {
            continue;
        };
        let (what, advice) = match transfer.completeness {
            Completeness::Gaps => (
                format!(
                    "is not whole: {} bytes of it are missing in the capture",
                    grouped(transfer.missing_bytes)
                ),
                "Capture again with whole packets (snap length 0) and a larger buffer; do not look up digests of this file.",
            ),
            // It came whole, and only its size is another.
            Completeness::Truncated if has_wrong_size(troubles, transfer.id) => continue,
            Completeness::Truncated if connection.close == Close::Open => (
                "is not whole: its end is not in the capture".to_owned(),
                "Capture for longer, or look for a later transfer of the same file.",
            ),
            Completeness::Truncated => (
                "is not whole: it ended before its end".to_owned(),
                "Look at who ended the data connection, and for a later transfer of the same file.",
            ),
            Completeness::Aborted
                if transfer.direction == TransferDirection::Listing || has_all(transfer) =>
            {
                continue;
            }
            Completeness::Aborted => (
                "was given up before its end".to_owned(),
                "Look for a later transfer of the same file.",
            ),
            _ => continue,
        };
        let name = name_of(transfer);
        let frames = if connection.first_frame == connection.last_frame {
            vec![connection.first_frame]
        } else {
            vec![connection.first_frame, connection.last_frame]
        };
        findings.push(
            Draft {
                id: "incomplete-file",
                severity: Severity::Medium,
                title: format!("{} {name} is not whole", transfer.verb),
                explanation: format!(
                    "{} of {name} {what}. Captured of it were {} bytes. Evidence: {}.",
                    transfer.verb,
                    grouped(transfer.bytes),
                    transfer.evidence.join("; ")
                ),
                advice,
                frames,
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
        let bytes = match bytes {
            1 => "1 byte".to_owned(),
            bytes => format!("{} bytes", grouped(*bytes)),
        };
        findings.push(
            Draft {
                id: "conflicting-retransmission",
                severity: Severity::Medium,
                title: format!("{bytes} of the {place} connection sent twice with different values"),
                explanation: format!(
                    "A segment repeats {bytes} of the {place} connection with other content. The first bytes seen were kept, as a receiver does that had them already."
                ),
                advice: "Look at the frame: a broken middlebox, a damaged capture, or somebody who injects segments.",
                frames: vec![*frame],
            }
            .about(transfer.and_then(|id| step_of(session, id)), *transfer),
        );
    }
}

/// It was broken off after its last byte: the server said how many there would be, and so many came.
fn has_all(transfer: &Transfer) -> bool {
    transfer.missing_bytes == 0
        && transfer.data_type == DataType::Image
        && transfer.transfer_mode == TransferMode::Stream
        && transfer.announced_bytes.is_some_and(|announced| {
            transfer.bytes > 0
                && (transfer.bytes == announced
                    || transfer.bytes.checked_add(transfer.restart_offset) == Some(announced))
        })
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
        whole.transfers = vec![transfer(Completeness::Complete).into()];
        let mut refused = transfer(Completeness::Aborted);
        refused.connection = None;
        whole.transfers.push(refused.into());
        let mut findings = Vec::new();
        incomplete(&whole, &[], &mut findings);
        assert!(findings.is_empty());
    }

    #[test]
    fn a_file_that_was_broken_off_after_its_last_byte_is_whole() {
        let found = |bytes: u64, data_type: DataType| {
            let mut session = session();
            let mut late = transfer(Completeness::Aborted);
            late.announced_bytes = Some(60_000);
            late.restart_offset = 20_000;
            late.data_type = data_type;
            late.bytes = bytes;
            session.transfers = vec![late.into()];
            let mut findings = Vec::new();
            incomplete(&session, &[], &mut findings);
            findings.len()
        };
        assert_eq!(found(40_000, DataType::Image), 0);
        assert_eq!(found(39_999, DataType::Image), 1);
        assert_eq!(found(40_000, DataType::Ascii), 1);
    }

    #[test]
    fn only_what_the_capture_cut_off_is_worth_a_longer_capture() {
        let advice = |close: Close| {
            let mut session = session();
            let mut cut = transfer(Completeness::Truncated);
            if let Some(connection) = &mut cut.connection {
                connection.close = close;
            }
            session.transfers = vec![cut.into()];
            let mut findings = Vec::new();
            incomplete(&session, &[], &mut findings);
            findings.remove(0).advice
        };
        assert!(advice(Close::Open).contains("for longer"));
        assert!(!advice(Close::Reset).contains("for longer"));
    }

    #[test]
    fn a_file_with_gaps_is_named() {
        let mut cut = session();
        cut.transfers = vec![transfer(Completeness::Gaps).into()];
        let mut findings = Vec::new();
        incomplete(&cut, &[], &mut findings);
        assert_eq!(findings[0].title, "RETR /pub/readme.txt is not whole");
        assert_eq!(findings[0].transfer, Some(1));
    }
}
