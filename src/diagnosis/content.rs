//! `incomplete-file`, `conflicting-retransmission`, `size-mismatch` and `ascii-damage`: files that are not what was sent.

use super::{DataTrouble, Draft, capitalize, display_name, step_number};
use crate::model::grouped;
use crate::model::record::{
    Close, Completeness, DataType, Finding, Session, Severity, Transfer, TransferDirection,
    TransferMode,
};

/// Reports transfers whose content is not complete in the capture.
pub(super) fn detect_incomplete(
    session: &Session,
    evidence: &[DataTrouble],
    findings: &mut Vec<Finding>,
) {
    for transfer in &session.transfers {
        let Some(connection) = &transfer.connection else {
            continue;
        };
        if session.has_refused(transfer) {
            continue;
        }
        let (what, advice) = match transfer.completeness {
            Completeness::Gaps => (
                format!(
                    "is not whole: {} bytes of it are missing in the capture",
                    grouped(transfer.missing_bytes)
                ),
                "Capture again with whole packets (snap length 0) and a larger buffer; do not look up digests of this file.",
            ),
            // Nothing is missing: `size-mismatch` covers a complete transfer with another size.
            Completeness::Truncated if has_wrong_size(evidence, transfer.id) => continue,
            // Neither FIN nor RST: the capture ended first.
            Completeness::Truncated if connection.close == Close::Open => (
                "is not whole: its end is not in the capture".to_owned(),
                "Capture for longer, or look for a later transfer of the same file.",
            ),
            Completeness::Truncated => (
                "is not whole: its connection ended before the file did".to_owned(),
                "Look at who ended the data connection, and for a later transfer of the same file.",
            ),
            // Clients abort listings that the user has seen enough of.
            Completeness::Aborted
                if transfer.direction == TransferDirection::Listing
                    || has_announced_size(transfer) =>
            {
                continue;
            }
            Completeness::Aborted => (
                "was given up before its end".to_owned(),
                "Look for a later transfer of the same file; if one resumed it with REST, -x assembles the parts.",
            ),
            _ => continue,
        };
        let name = display_name(transfer);
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
            .about(step_number(session, transfer.id), Some(transfer.id)),
        );
    }
}

/// Reports bytes that were sent twice with different values.
pub(super) fn detect_conflicts(
    session: &Session,
    evidence: &[DataTrouble],
    findings: &mut Vec<Finding>,
) {
    for item in evidence {
        let DataTrouble::Conflict {
            transfer,
            bytes,
            frame,
        } = item
        else {
            continue;
        };
        let kind = if transfer.is_some() {
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
                title: format!("{bytes} of the {kind} connection sent twice with different values"),
                explanation: format!(
                    "A segment repeats {bytes} of the {kind} connection with other content. The first bytes seen were kept, as a receiver does that had them already."
                ),
                advice: "Look at the frame: a broken middlebox, a damaged capture, or somebody who injects segments.",
                frames: vec![*frame],
            }
            .about(transfer.and_then(|id| step_number(session, id)), *transfer),
        );
    }
}

/// Reports complete transfers whose size is not the announced one.
pub(super) fn detect_wrong_size(
    session: &Session,
    evidence: &[DataTrouble],
    findings: &mut Vec<Finding>,
) {
    for item in evidence {
        let DataTrouble::WrongSize {
            transfer,
            announced,
            place,
            with_transfer,
            seen,
            restart,
        } = item
        else {
            continue;
        };
        let (id, announced, seen, restart) = (*transfer, *announced, *seen, *restart);
        let Some(transfer) = session.transfer(id) else {
            continue;
        };
        let expected = announced.saturating_sub(restart);
        let (severity, difference) = if seen < expected {
            (
                // An older size, as from SIZE or a listing, may be of an earlier version of the file.
                if *with_transfer {
                    Severity::Medium
                } else {
                    Severity::Low
                },
                format!("{} fewer", grouped(expected - seen)),
            )
        } else {
            (Severity::Low, format!("{} more", grouped(seen - expected)))
        };
        let offset = if restart > 0 {
            format!(", of which {} were to be skipped (REST)", grouped(restart))
        } else {
            String::new()
        };
        let name = display_name(transfer);
        findings.push(
            Draft {
                id: "size-mismatch",
                severity,
                title: format!("{name} has another size than announced: {difference}"),
                explanation: format!(
                    "{} said that {name} has {} bytes{offset}; {} were sent, without a gap and with a proper end.",
                    capitalize(place),
                    grouped(announced),
                    grouped(seen)
                ),
                advice: "The file changed while it was sent, or the server counts wrongly: fetch it again and compare.",
                frames: transfer
                    .connection
                    .iter()
                    .flat_map(|connection| [connection.first_frame, connection.last_frame])
                    .collect(),
            }
            .about(step_number(session, id), Some(id)),
        );
    }
}

/// Reports binary files that were transferred in TYPE A, which damages them.
pub(super) fn detect_ascii_damage(
    session: &Session,
    evidence: &[DataTrouble],
    findings: &mut Vec<Finding>,
) {
    for item in evidence {
        let DataTrouble::BinaryAsText {
            transfer: id,
            media_type,
        } = item
        else {
            continue;
        };
        let Some(transfer) = session.transfer(*id) else {
            continue;
        };
        if !is_binary(media_type) || !is_certainly_ascii(session, evidence, *id) {
            continue;
        }
        let name = display_name(transfer);
        findings.push(
            Draft {
                id: "ascii-damage",
                severity: Severity::Medium,
                title: format!("{name} is no text and was sent as text (TYPE A)"),
                explanation: format!(
                    "{} of {name} ran in TYPE A, but by its first bytes it is {media_type}. In TYPE A the sender writes each line end as CR LF and the receiver turns it back (RFC 959 section 3.1.1.1): bytes that look like line ends are changed, and such a file is damaged.",
                    transfer.verb
                ),
                advice: "Send TYPE I before the transfer, and transfer the file again.",
                frames: transfer
                    .connection
                    .iter()
                    .map(|connection| connection.first_frame)
                    .collect(),
            }
            .about(step_number(session, *id), Some(*id)),
        );
    }
}

/// Returns whether an aborted transfer had delivered as many bytes as announced: the abort came after the last one.
///
/// Only image type in stream mode is certain: elsewhere bytes on the wire and bytes of the file are not the same.
fn has_announced_size(transfer: &Transfer) -> bool {
    transfer.missing_bytes == 0
        && transfer.data_type == Some(DataType::Image)
        && transfer.transfer_mode == TransferMode::Stream
        && transfer.announced_bytes.is_some_and(|announced| {
            // Some servers announce the size of the whole file, others that of the rest after REST.
            transfer.bytes > 0
                && (transfer.bytes == announced
                    || transfer.bytes.checked_add(transfer.restart_offset) == Some(announced))
        })
}

fn has_wrong_size(evidence: &[DataTrouble], id: u64) -> bool {
    evidence
        .iter()
        .any(|item| matches!(item, DataTrouble::WrongSize { transfer, .. } if *transfer == id))
}

/// Returns whether TYPE A was certainly in force for a transfer: the server accepted it, or it still was the default
/// (RFC 959 section 3.1.1) in a session captured from its start.
fn is_certainly_ascii(session: &Session, evidence: &[DataTrouble], transfer: u64) -> bool {
    let until = session.step_of(transfer).map_or(0, |maker| {
        let steps = &session.steps;
        steps.partition_point(|step| step.number <= maker.number)
    });
    let lost = evidence
        .iter()
        .any(|item| matches!(item, DataTrouble::Lost(lost) if lost.control > 0));
    let latest = session
        .steps
        .iter()
        .take(until)
        .rev()
        .flat_map(|step| step.commands.iter().rev())
        .find(|command| command.verb == "TYPE");
    if says_binary(session, transfer) {
        return false;
    }
    match latest {
        Some(command) => {
            let ascii = command
                .argument
                .as_deref()
                .is_some_and(|letter| letter.trim_start().starts_with(['A', 'a']));
            let reply = command.replies.last().map(|reply| reply.code);
            match reply {
                Some(200..300) => ascii,
                // A refused TYPE leaves the default in force, unless an earlier one was lost.
                Some(400..) => !ascii && !lost && !session.midstream,
                _ => false,
            }
        }
        None => !session.midstream && !lost,
    }
}

/// Returns whether the 1yz reply names binary mode. Some servers ignore TYPE A and send the bytes unchanged.
fn says_binary(session: &Session, transfer: u64) -> bool {
    session
        .step_of(transfer)
        .into_iter()
        .flat_map(|step| &step.commands)
        .flat_map(|command| &command.replies)
        .filter(|reply| reply.code < 200)
        .any(|reply| {
            let text = reply.lines.join(" ").to_ascii_lowercase();
            text.contains("binary mode") || text.contains("image mode")
        })
}

/// Returns whether a changed line end damages a format. Unknown formats and all text formats return false.
fn is_binary(media_type: &str) -> bool {
    let Some((kind, format)) = media_type.split_once('/') else {
        return false;
    };
    // Text formats within the binary families, such as image/svg+xml and audio/x-scpls.
    let text_formats = [
        "+xml",
        "+json",
        "svg",
        "x-portable",
        "pixmap",
        "xbitmap",
        "mpegurl",
        "scpls",
    ];
    if text_formats.iter().any(|part| format.contains(part)) {
        return false;
    }
    match kind {
        "image" | "audio" | "video" | "font" => true,
        "application" => BINARY.iter().any(|part| format.contains(part)),
        _ => false,
    }
}

/// Parts of `application/*` subtypes that name archives, programs, documents and databases.
const BINARY: &[&str] = &[
    "zip",
    "gzip",
    "bzip",
    "x-xz",
    "zstd",
    "lz4",
    "lzma",
    "lzip",
    "compress",
    "7z",
    "rar",
    "x-tar",
    "cab",
    "x-rpm",
    "debian",
    "java-archive",
    "android",
    "iso9660",
    "executable",
    "x-dosexec",
    "x-msdownload",
    "x-elf",
    "mach-binary",
    "x-sharedlib",
    "x-object",
    "wasm",
    "java-vm",
    "x-cpio",
    "x-arj",
    "x-ace",
    "x-coff",
    "diskimage",
    "appimage",
    "pdf",
    "msword",
    "ms-excel",
    "ms-powerpoint",
    "ms-office",
    "ole-storage",
    "openxmlformats",
    "opendocument",
    "sqlite",
    "x-shockwave-flash",
    "vnd.ms-fontobject",
    "x-pcap",
    "tcpdump",
];

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::diagnosis::tests::{command, session, step, transfer};

    #[test]
    fn complete_files_and_refused_commands_report_nothing() {
        let mut session = session();
        session.transfers = vec![transfer(Completeness::Complete).into()];
        let mut refused = transfer(Completeness::Aborted);
        refused.connection = None;
        session.transfers.push(refused.into());
        let mut findings = Vec::new();
        detect_incomplete(&session, &[], &mut findings);
        assert!(findings.is_empty());
    }

    #[test]
    fn abort_after_the_announced_last_byte_reports_nothing() {
        let found = |bytes: u64, data_type: DataType| {
            let mut session = session();
            let mut late = transfer(Completeness::Aborted);
            late.announced_bytes = Some(60_000);
            late.restart_offset = 20_000;
            late.data_type = Some(data_type);
            late.bytes = bytes;
            session.transfers = vec![late.into()];
            let mut findings = Vec::new();
            detect_incomplete(&session, &[], &mut findings);
            findings.len()
        };
        assert_eq!(found(40_000, DataType::Image), 0);
        assert_eq!(found(39_999, DataType::Image), 1);
        assert_eq!(found(40_000, DataType::Ascii), 1);
    }

    #[test]
    fn only_an_open_connection_advises_a_longer_capture() {
        let advice = |close: Close| {
            let mut session = session();
            let mut cut = transfer(Completeness::Truncated);
            if let Some(connection) = &mut cut.connection {
                connection.close = close;
            }
            session.transfers = vec![cut.into()];
            let mut findings = Vec::new();
            detect_incomplete(&session, &[], &mut findings);
            findings.remove(0).advice
        };
        assert!(advice(Close::Open).contains("for longer"));
        assert!(!advice(Close::Reset).contains("for longer"));
    }

    #[test]
    fn file_with_gaps_is_reported_by_its_path() {
        let mut cut = session();
        cut.transfers = vec![transfer(Completeness::Gaps).into()];
        let mut findings = Vec::new();
        detect_incomplete(&cut, &[], &mut findings);
        assert_eq!(findings[0].title, "RETR /pub/readme.txt is not whole");
        assert_eq!(findings[0].transfer, Some(1));
    }

    fn found(item: DataTrouble) -> Vec<Finding> {
        let mut session = session();
        session.transfers = vec![transfer(Completeness::Unverifiable).into()];
        let mut findings = Vec::new();
        detect_wrong_size(&session, std::slice::from_ref(&item), &mut findings);
        detect_ascii_damage(&session, &[item], &mut findings);
        findings
    }

    fn size(announced: u64, seen: u64, restart: u64) -> Finding {
        let item = DataTrouble::WrongSize {
            transfer: 1,
            announced,
            place: "the 150 reply".into(),
            with_transfer: true,
            seen,
            restart,
        };
        found(item).remove(0)
    }

    #[test]
    fn fewer_bytes_than_announced_are_more_severe_than_surplus_bytes() {
        let fewer = size(2_000, 500, 1_000);
        assert_eq!(fewer.severity, Severity::Medium);
        assert!(fewer.title.ends_with("500 fewer"), "{}", fewer.title);
        assert!(fewer.explanation.contains("1,000 were to be skipped"));
        assert_eq!(size(100, 120, 0).severity, Severity::Low);
    }

    #[test]
    fn ascii_damage_is_reported_only_if_type_a_is_certain() {
        let raises = |change: &dyn Fn(&mut Session)| {
            let mut session = session();
            session.transfers = vec![transfer(Completeness::Complete).into()];
            let mut retrieving = step(vec![command("RETR", Some("a.png"), (150, "ok"))]);
            retrieving.transfer = Some(1);
            session.steps.push(retrieving.into());
            change(&mut session);
            let mut findings = Vec::new();
            let item = DataTrouble::BinaryAsText {
                transfer: 1,
                media_type: "image/png".into(),
            };
            detect_ascii_damage(&session, &[item], &mut findings);
            !findings.is_empty()
        };
        let asked = |letter: &str, reply: (u16, &str)| {
            let typed = command("TYPE", Some(letter), reply);
            raises(&|session| {
                Arc::make_mut(&mut session.steps[1])
                    .commands
                    .insert(0, typed.clone());
            })
        };
        assert!(raises(&|_| ()));
        assert!(asked("A", (200, "ok")));
        assert!(asked("I", (504, "no")));
        assert!(!asked("I", (200, "ok")));
        assert!(!raises(&|session| session.midstream = true));
        assert!(!raises(&|session| {
            Arc::make_mut(&mut session.steps[1]).commands[0].replies[0].lines =
                vec!["Opening BINARY mode data connection".into()];
        }));
    }

    #[test]
    fn images_archives_and_programs_are_binary_and_text_formats_are_not() {
        let raises = |media_type: &str| {
            !found(DataTrouble::BinaryAsText {
                transfer: 1,
                media_type: media_type.into(),
            })
            .is_empty()
        };
        for binary in [
            "image/png",
            "application/zip",
            "application/gzip",
            "application/x-executable",
            "application/vnd.microsoft.portable-executable",
            "video/mp4",
        ] {
            assert!(raises(binary), "{binary}");
        }
        for text in [
            "text/plain",
            "text/html",
            "application/json",
            "application/xml",
            "application/octet-stream",
            "image/svg+xml",
            "image/x-portable-pixmap",
            "application/javascript",
            "application/x-shellscript",
        ] {
            assert!(!raises(text), "{text}");
        }
    }
}
