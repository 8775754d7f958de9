//! `file-in-parts`: a download in parts over several sessions, as segmenting clients make it (lftp pget).
//!
//! Such a client breaks its first data connections off once it has enough. Each transfer alone looks aborted, and the file
//! is whole all the same.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Draft;
use super::cross_session::{MAX_FRAMES, MAX_SESSIONS};
use crate::model::grouped;
use crate::model::record::{
    Completeness, DataType, Finding, Session, Severity, TransferDirection, TransferMode,
};

/// Parts of downloads so far, by the file they may belong to.
#[derive(Debug, Default)]
pub(super) struct SegmentedDownloads {
    files: BTreeMap<(IpAddr, IpAddr, u16, String), Vec<Part>>,
    count: usize,
}

/// Bytes of one transfer, without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Part {
    /// Offset in the file of the first byte.
    from: u64,
    /// Offset after the last byte.
    to: u64,
    /// The transfer ended with the file: it was whole, or reached the size of the file that the server told, whatever
    /// it was answered (a client that resets when it has enough is answered 426).
    ends: bool,
    session: u64,
    /// Frame of the first packet of its data connection.
    frame: u64,
}

impl SegmentedDownloads {
    /// Adds the downloads of a finished session whose bytes on the wire are those of the file.
    pub(super) fn on_session_end(&mut self, session: &Session) {
        for transfer in &session.transfers {
            let plain = transfer.data_type == Some(DataType::Image)
                && transfer.transfer_mode == TransferMode::Stream;
            let (Some(connection), Some(name)) = (&transfer.connection, &transfer.name) else {
                continue;
            };
            if transfer.direction != TransferDirection::Download
                || !plain
                || transfer.bytes == 0
                || transfer.missing_bytes > 0
                || self.count >= MAX_PARTS
            {
                continue;
            }
            // Additional connections of a segmented download do not show their working directory.
            let name = name.rsplit('/').next().unwrap_or_default().to_owned();
            let key = (
                session.client.ip,
                session.server.ip,
                session.server.port,
                name,
            );
            self.count += 1;
            let to = transfer.restart_offset.saturating_add(transfer.bytes);
            self.files.entry(key).or_default().push(Part {
                from: transfer.restart_offset,
                to,
                ends: transfer.completeness == Completeness::Complete
                    || transfer.announced_bytes == Some(to),
                session: session.id,
                frame: connection.first_frame,
            });
        }
    }

    /// Returns a finding for each file that the parts of several sessions cover, and none of them alone.
    pub(super) fn finish(&mut self) -> Vec<Finding> {
        let files = std::mem::take(self).files;
        files
            .into_iter()
            .filter_map(|((_, _, _, name), parts)| finding(&name, parts))
            .collect()
    }
}

fn finding(name: &str, mut parts: Vec<Part>) -> Option<Finding> {
    parts.sort_unstable();
    // Where a transfer ended in order the file ends; parts that disagree are those of several versions.
    let mut ends = parts.iter().filter(|part| part.ends).map(|part| part.to);
    let size = ends.next()?;
    let one_version = ends.all(|end| end == size) && parts.iter().all(|part| part.to <= size);
    let alone = parts.iter().any(|part| part.from == 0 && part.to == size);
    let reached = parts.iter().fold(0, |reached, part| {
        if part.from <= reached {
            part.to.max(reached)
        } else {
            reached
        }
    });
    let mut sessions: Vec<u64> = parts.iter().map(|part| part.session).collect();
    sessions.sort_unstable();
    sessions.dedup();
    if !one_version || alone || reached != size || sessions.len() < 2 {
        return None;
    }
    let mut frames: Vec<u64> = parts.iter().map(|part| part.frame).collect();
    frames.sort_unstable();
    frames.truncate(MAX_FRAMES);
    let mut finding = Draft {
        id: FILE_IN_PARTS,
        severity: Severity::Info,
        title: format!(
            "{name} was fetched in {} parts over {} sessions, and is whole",
            parts.len(),
            sessions.len()
        ),
        explanation: format!(
            "The parts together cover all {} bytes of the file. A client that fetches a file in segments breaks a transfer off once it has its part: that is no failure.",
            grouped(size)
        ),
        advice: "Nothing to mend. Option -x writes the parts and the assembled file.",
        frames,
    }
    .about(None, None);
    sessions.truncate(MAX_SESSIONS);
    finding.sessions = sessions;
    Some(finding)
}

/// Id of the finding, which each session with a part has in its verdict.
pub(super) const FILE_IN_PARTS: &str = "file-in-parts";
/// Limit of the parts kept of all files.
const MAX_PARTS: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn part(session: u64, from: u64, to: u64, ends: bool) -> Part {
        Part {
            from,
            to,
            ends,
            session,
            frame: session * 10,
        }
    }

    #[test]
    fn parts_of_several_sessions_that_cover_the_file_are_reported_as_whole() {
        let parts = vec![
            part(2, 10_000, 22_800, false),
            part(1, 0, 12_800, false),
            part(3, 20_000, 30_000, true),
        ];
        let found = finding("f.bin", parts).expect("a finding");
        assert_eq!(
            found.title,
            "f.bin was fetched in 3 parts over 3 sessions, and is whole"
        );
        assert_eq!(
            (found.sessions, found.frames),
            (vec![1, 2, 3], vec![10, 20, 30])
        );
        assert!(found.explanation.contains("30,000 bytes"));
    }

    #[test]
    fn holes_other_versions_and_single_sessions_are_not_reported() {
        for parts in [
            vec![part(1, 0, 9_000, false), part(2, 10_000, 30_000, true)],
            vec![part(1, 0, 10_000, false), part(2, 10_000, 30_000, false)],
            vec![part(1, 0, 40_000, false), part(2, 10_000, 30_000, true)],
            vec![part(1, 0, 10_000, false), part(1, 10_000, 30_000, true)],
            vec![part(1, 0, 10_000, false), part(2, 0, 30_000, true)],
        ] {
            assert_eq!(finding("f.bin", parts.clone()), None, "{parts:?}");
        }
    }
}
