//! `size-mismatch` and `ascii-damage`: a file that came whole and is not what it should be.

use super::{DataTrouble, Draft, capitalized, name_of, step_of};
use crate::model::grouped;
use crate::model::record::{Finding, Session, Severity};

pub(super) fn wrong_size(session: &Session, troubles: &[DataTrouble], findings: &mut Vec<Finding>) {
    for trouble in troubles {
        let DataTrouble::WrongSize {
            transfer,
            announced,
            place,
            with_transfer,
            seen,
            restart,
        } = trouble
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
        let name = name_of(transfer);
        findings.push(
            Draft {
                id: "size-mismatch",
                severity,
                title: format!("{name} has another size than announced: {difference}"),
                explanation: format!(
                    "{} said that {name} has {} bytes{offset}; {} were sent, without a gap and with a proper end.",
                    capitalized(place),
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
            .about(step_of(session, id), Some(id)),
        );
    }
}

pub(super) fn ascii_damage(
    session: &Session,
    troubles: &[DataTrouble],
    findings: &mut Vec<Finding>,
) {
    for trouble in troubles {
        let DataTrouble::BinaryAsText {
            transfer: id,
            media_type,
        } = trouble
        else {
            continue;
        };
        let Some(transfer) = session.transfer(*id) else {
            continue;
        };
        if !is_binary(media_type) || !type_is_certain(session, troubles, *id) {
            continue;
        }
        let name = name_of(transfer);
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
            .about(step_of(session, *id), Some(*id)),
        );
    }
}

/// Whether TYPE A was in force: it was asked for, or it is still the default of a session that is known from its start.
fn type_is_certain(session: &Session, troubles: &[DataTrouble], transfer: u64) -> bool {
    let until = session.step_of(transfer).map_or(0, |maker| {
        let steps = &session.steps;
        steps.partition_point(|step| step.number <= maker.number)
    });
    let lost = troubles
        .iter()
        .any(|trouble| matches!(trouble, DataTrouble::Lost(lost) if lost.control > 0));
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
                Some(400..) => !ascii && !lost && !session.midstream,
                _ => false,
            }
        }
        None => !session.midstream && !lost,
    }
}

/// Whether the server says that it sends the bytes as they are, whatever TYPE was asked for.
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

/// Formats that no line end may be changed in. What is unknown, and every format that is text, is left alone.
fn is_binary(media_type: &str) -> bool {
    let Some((kind, format)) = media_type.split_once('/') else {
        return false;
    };
    let written = [
        "+xml",
        "+json",
        "svg",
        "x-portable",
        "pixmap",
        "xbitmap",
        "mpegurl",
        "scpls",
    ];
    if written.iter().any(|part| format.contains(part)) {
        return false;
    }
    match kind {
        "image" | "audio" | "video" | "font" => true,
        "application" => BINARY.iter().any(|part| format.contains(part)),
        _ => false,
    }
}

/// What stands in the names of archives, programs, documents and databases.
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
    use crate::model::record::Completeness;

    fn found(trouble: DataTrouble) -> Vec<Finding> {
        let mut it = session();
        it.transfers = vec![transfer(Completeness::Unverifiable).into()];
        let mut findings = Vec::new();
        wrong_size(&it, std::slice::from_ref(&trouble), &mut findings);
        ascii_damage(&it, &[trouble], &mut findings);
        findings
    }

    fn size(announced: u64, seen: u64, restart: u64) -> Finding {
        let trouble = DataTrouble::WrongSize {
            transfer: 1,
            announced,
            place: "the 150 reply".into(),
            with_transfer: true,
            seen,
            restart,
        };
        found(trouble).remove(0)
    }

    #[test]
    fn fewer_bytes_weigh_more_than_more_of_them() {
        let fewer = size(2_000, 500, 1_000);
        assert_eq!(fewer.severity, Severity::Medium);
        assert!(fewer.title.ends_with("500 fewer"), "{}", fewer.title);
        assert!(fewer.explanation.contains("1,000 were to be skipped"));
        assert_eq!(size(100, 120, 0).severity, Severity::Low);
    }

    #[test]
    fn only_a_certain_type_a_damages() {
        let raises = |change: &dyn Fn(&mut Session)| {
            let mut it = session();
            it.transfers = vec![transfer(Completeness::Complete).into()];
            let mut retrieving = step(vec![command("RETR", Some("a.png"), (150, "ok"))]);
            retrieving.transfer = Some(1);
            it.steps.push(retrieving.into());
            change(&mut it);
            let mut findings = Vec::new();
            let trouble = DataTrouble::BinaryAsText {
                transfer: 1,
                media_type: "image/png".into(),
            };
            ascii_damage(&it, &[trouble], &mut findings);
            !findings.is_empty()
        };
        let asked = |letter: &str, reply: (u16, &str)| {
            let typed = command("TYPE", Some(letter), reply);
            raises(&|it| {
                Arc::make_mut(&mut it.steps[1])
                    .commands
                    .insert(0, typed.clone());
            })
        };
        assert!(raises(&|_| ()));
        assert!(asked("A", (200, "ok")));
        assert!(asked("I", (504, "no")));
        assert!(!asked("I", (200, "ok")));
        assert!(!raises(&|it| it.midstream = true));
        assert!(!raises(&|it| {
            Arc::make_mut(&mut it.steps[1]).commands[0].replies[0].lines =
                vec!["Opening BINARY mode data connection".into()];
        }));
    }

    #[test]
    fn images_archives_and_programs_are_binary_and_text_never_is() {
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
