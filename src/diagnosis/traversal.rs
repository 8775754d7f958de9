//! `traversal-name`: names that would leave their directory, or deceive whoever reads them.

use std::collections::BTreeSet;

use super::{Draft, step_number};
use crate::model::record::{
    EntryKind, Finding, Outcome, Session, Severity, Transfer, TransferDirection,
};
use crate::model::wire_text::printable;

/// Reports hostile names in listings and in transfer commands.
pub(super) fn detect(session: &Session, findings: &mut Vec<Finding>) {
    let directories = directories(session);
    let mut titles = BTreeSet::new();
    for transfer in &session.transfers {
        let finding = if transfer.direction == TransferDirection::Listing {
            in_listing(session, transfer)
        } else {
            in_command(session, &directories, transfer)
        };
        // Clients list a folder more than once, with LIST and NLST, and ask for a name again: it is one all the same.
        findings.extend(finding.filter(|new| titles.insert(new.title.clone())));
    }
}

/// Returns the finding about a listing. A server that lists such names attacks clients that save files under them.
///
/// Returns `None` for listings with ordinary names, and for content that is no listing.
fn in_listing(session: &Session, transfer: &Transfer) -> Option<Finding> {
    // Ciphertext parsed as a listing has names at random.
    let encrypted = session
        .tls
        .as_ref()
        .is_some_and(|tls| tls.data_protected == Some(true) && !tls.decrypted);
    if encrypted {
        return None;
    }
    let connection = transfer.connection.as_ref()?;
    let argument = transfer.argument.as_deref().unwrap_or_default();
    let mut hostile = transfer.entries.iter().filter_map(|entry| {
        // Some servers end lines with CR CR LF.
        let name = entry.name.trim_end_matches('\r');
        let leaves_directory =
            if transfer.verb == "NLST" || argument.contains(['/', '\\', '*', '?']) {
                // These listings repeat the requested path before each name.
                // If the client asked for `..`, it is in every name for that reason.
                climbs(name) && !argument.contains("..")
            } else {
                // MLSD may name the listed directory itself by its full path (RFC 3659 section 7.5.1).
                climbs(name) || (entry.kind != EntryKind::Directory && is_absolute(name))
            };
        if leaves_directory {
            Some((name, true))
        } else {
            has_control(name).then_some((name, false))
        }
    });
    let (name, leaves_directory) = hostile.next()?;
    let more = hostile.count();
    // If most names look hostile, the content is no listing at all.
    if more + 1 > 1 + transfer.entries.len() / 2 {
        return None;
    }
    let also = if more > 0 {
        format!(" (and {more} more)")
    } else {
        String::new()
    };
    let shown = printable(name);
    let (severity, title, risk) = if leaves_directory {
        (
            Severity::Medium,
            format!("the server lists a name that leaves the folder: {shown}"),
            "A client that saves files under the names it is told would write outside its folder",
        )
    } else {
        (
            Severity::Low,
            format!("the server lists a name with control characters: {shown}"),
            "Control characters can deceive whoever reads the name on a terminal or in a log",
        )
    };
    Some(
        Draft {
            id: "traversal-name",
            severity,
            title,
            explanation: format!("The answer to {} holds the name {shown}{also}. {risk}.", transfer.verb),
            advice: "Do not fetch such files with a client that is not known to check names, and look at how they came onto the server.",
            frames: vec![connection.first_frame],
        }
        .about(step_number(session, transfer.id), Some(transfer.id)),
    )
}

/// Returns the finding about a command. A client that names such files looks for those it must not see.
fn in_command(
    session: &Session,
    directories: &[(u64, &str)],
    transfer: &Transfer,
) -> Option<Finding> {
    let argument = transfer.argument.as_deref()?;
    let step = session.step_of(transfer.id)?;
    let command = step
        .commands
        .iter()
        .find(|command| command.verb == transfer.verb)?;
    let above = climbs_above(argument, known_directory(directories, step.number));
    let control = has_control(argument);
    if !above && !control {
        return None;
    }
    let done = step.outcome == Outcome::Ok;
    let answer = if done {
        "carried it out"
    } else {
        "did not carry it out"
    };
    let shown = printable(argument);
    let shown: String = shown.chars().take(MAX_NAME_CHARS).collect();
    let (severity, title, defect) = if above {
        (
            if done {
                Severity::Medium
            } else {
                Severity::Low
            },
            format!("{} climbs above the root: {shown}", transfer.verb),
            "its .. lead above the root, which no proper client asks for",
        )
    } else {
        (
            Severity::Low,
            format!(
                "{} names a file with control characters: {shown}",
                transfer.verb
            ),
            "it holds control characters",
        )
    };
    Some(
        Draft {
            id: "traversal-name",
            severity,
            title,
            explanation: format!("The client sent {} {shown} (frame {}): {defect}. The server {answer}.", transfer.verb, command.frame),
            advice: "Look at what else this client asked for, and let the server keep its users in their folder.",
            frames: vec![command.frame],
        }
        .about(Some(step.number), Some(transfer.id)),
    )
}

/// Returns the working directories, each with the number of the step after which it is known.
fn directories(session: &Session) -> Vec<(u64, &str)> {
    let steps = session.steps.iter();
    steps
        .filter_map(|step| Some((step.number, step.directory.as_deref()?)))
        .collect()
}

/// Returns the working directory before a step; `None` if it is not known.
fn known_directory<'a>(directories: &[(u64, &'a str)], step: u64) -> Option<&'a str> {
    let before = directories.partition_point(|&(number, _)| number < step);
    let (_, directory) = directories.get(before.checked_sub(1)?)?;
    Some(directory)
}

/// Returns whether a path leads above the root: it has more `..` than directories above it, which are taken to be
/// [`UNKNOWN_DEPTH`] if the working directory is not known.
fn climbs_above(path: &str, directory: Option<&str>) -> bool {
    if !climbs(path) {
        return false;
    }
    let absolute = path.starts_with(['/', '\\']);
    let mut depth = match directory {
        _ if absolute => 0,
        Some(directory) => i64::try_from(parts(directory).count()).unwrap_or(i64::MAX),
        None => UNKNOWN_DEPTH,
    };
    for part in parts(path) {
        depth += if part == ".." { -1 } else { 1 };
        if depth < 0 {
            return true;
        }
    }
    false
}

/// Splits a path at slashes and backslashes, without empty parts and `.`.
fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split(['/', '\\'])
        .filter(|part| !part.is_empty() && *part != ".")
}

/// Returns whether a name holds `..` beside another part. A lone `..` is in every listing.
fn climbs(name: &str) -> bool {
    name.contains(['/', '\\']) && parts(name).any(|part| part == "..") && parts(name).count() > 1
}

/// Returns whether a name is an absolute path, or begins with a drive.
fn is_absolute(name: &str) -> bool {
    let bytes = name.as_bytes();
    let drive = matches!(bytes, [letter, b':', b'/' | b'\\', ..] if letter.is_ascii_alphabetic());
    drive || (name.starts_with(['/', '\\']) && name.len() > 1)
}

/// Returns whether a name holds control characters. Some servers pad names with tabs, which do no harm.
fn has_control(name: &str) -> bool {
    name.chars()
        .any(|character| character != '\t' && (character < ' ' || character == '\u{7f}'))
}

/// Depth assumed for an unknown working directory: most users are not deeper.
const UNKNOWN_DEPTH: i64 = 3;
/// Limit of the characters shown of a name.
const MAX_NAME_CHARS: usize = 120;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::diagnosis::tests::{command, session, step, transfer};
    use crate::model::record::{Completeness, ListingEntry};

    fn entry(name: &str) -> ListingEntry {
        ListingEntry {
            folder: None,
            name: name.into(),
            name_b64: None,
            kind: EntryKind::File,
            size: None,
            modified: None,
            modified_precision: None,
            year_inferred: false,
            permissions: None,
            owner: None,
            group: None,
            target: None,
            raw: name.into(),
            truncated: false,
        }
    }

    fn listing(verb: &str, argument: &str, listed: &[&str]) -> Vec<Finding> {
        let mut session = session();
        let mut list = transfer(Completeness::Complete);
        list.verb = verb.into();
        list.argument = Some(argument.into());
        list.direction = TransferDirection::Listing;
        list.entries = listed.iter().map(|name| entry(name)).collect();
        session.transfers = vec![list.into()];
        let mut findings = Vec::new();
        detect(&session, &mut findings);
        findings
    }

    fn retrieve(argument: &str, directory: Option<&str>, code: u16) -> Vec<Finding> {
        let mut session = session();
        Arc::make_mut(&mut session.steps[0]).directory = directory.map(Into::into);
        let mut file = transfer(Completeness::Complete);
        file.argument = Some(argument.into());
        session.transfers = vec![file.into()];
        let mut step = step(vec![command("RETR", Some(argument), (code, "x"))]);
        step.number = 2;
        step.outcome = if code < 400 {
            Outcome::Ok
        } else {
            Outcome::Failed
        };
        step.transfer = Some(1);
        session.steps.push(step.into());
        let mut findings = Vec::new();
        detect(&session, &mut findings);
        findings
    }

    #[test]
    fn hostile_names_in_a_listing_are_reported_once() {
        let found = listing("LIST", "", &[".", "..", "a.txt", "../../.bashrc", "..\\x"]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].severity, Severity::Medium);
        assert!(found[0].explanation.contains("../../.bashrc (and 1 more)"));
        assert_eq!(listing("MLSD", "", &["a", "/etc/cron.d/x"]).len(), 1);
        assert_eq!(listing("LIST", "", &["a", "C:\\autoexec.bat"]).len(), 1);
        assert_eq!(
            listing("LIST", "", &["a", "x\u{1b}[2J"])[0].severity,
            Severity::Low
        );
    }

    #[test]
    fn name_that_list_and_nlst_hold_is_reported_once() {
        let mut session = session();
        let listings = [
            (1, "LIST", "x\u{7}"),
            (2, "NLST", "x\u{7}"),
            (3, "NLST", "y\u{7}"),
        ];
        let listings = listings.map(|(id, verb, name)| {
            let mut list = transfer(Completeness::Complete);
            (list.id, list.verb) = (id, verb.into());
            list.argument = None;
            list.direction = TransferDirection::Listing;
            list.entries = vec![entry("a"), entry(name)];
            list.into()
        });
        session.transfers = listings.into();
        let mut findings = Vec::new();
        detect(&session, &mut findings);
        let transfers: Vec<_> = findings.iter().map(|one| one.transfer).collect();
        assert_eq!(transfers, [Some(1), Some(3)]);
    }

    #[test]
    fn ordinary_listings_report_nothing() {
        assert!(listing("LIST", "", &[".", "..", "..data", "a..b", "x:y"]).is_empty());
        assert!(listing("NLST", "/pub", &["/pub/a", "/pub/b"]).is_empty());
        assert!(listing("NLST", "../pub", &["../pub/a", "../pub/b"]).is_empty());
        assert!(listing("LIST", "/pub/*", &["/pub/a"]).is_empty());
        assert!(listing("LIST", "", &["a\r", "b\r"]).is_empty());
    }

    #[test]
    fn content_that_is_no_listing_reports_nothing() {
        assert!(listing("LIST", "", &["\u{1}", "\u{2}", "\u{3}", "\u{4}"]).is_empty());
    }

    #[test]
    fn paths_above_the_root_are_reported_and_one_step_up_is_not() {
        assert_eq!(
            retrieve("../../etc/passwd", Some("/"), 226)[0].severity,
            Severity::Medium
        );
        assert_eq!(
            retrieve("../../etc/passwd", Some("/pub"), 550)[0].severity,
            Severity::Low
        );
        assert_eq!(retrieve("../../../../../etc/passwd", None, 550).len(), 1);
        assert_eq!(retrieve("..\\..\\boot.ini", Some("/"), 550).len(), 1);
        assert!(retrieve("../readme.txt", Some("/pub"), 226).is_empty());
        assert!(retrieve("../readme.txt", None, 226).is_empty());
        assert!(retrieve("/etc/passwd", Some("/"), 226).is_empty());
        assert!(retrieve("a/../b", Some("/"), 226).is_empty());
    }
}
