//! Two logs of `Pure-FTPd` beside the common log format: its statistics, and its lines in syslog.
//!
//! ```text
//! EPOCH START.PID USER HOST U|D BYTES SECONDS NAME
//! <syslog header> pure-ftpd[PID]: (USER@HOST) [LEVEL] TEXT
//! ```
//!
//! NAME ends with the line and is the path in the server's file system. In syslog it has two slashes where the user's folder
//! and the path within it meet; renames and errors name paths as the client gave them.

use std::collections::VecDeque;

use super::grammar::{Line, Reading, kind_of_verb};
use super::scan::{Scan, host, number, present, split_last, string};
use super::syslog;
use crate::model::Timestamp;
use crate::reconcile::claim::{
    Claim, ClaimKind, ClaimStatus, ClaimedBytes, Counted, Direction, LogTime, PathForm,
};

/// Reads a line of the statistics.
pub(super) fn read_stats(line: Line<'_>, claims: &mut VecDeque<Claim>) -> Reading {
    let Some(claim) = stats_claim(line) else {
        return Reading::Unreadable;
    };
    claims.push_back(claim);
    Reading::Known
}

fn stats_claim(line: Line<'_>) -> Option<Claim> {
    let mut scan = Scan::new(line.bytes);
    let epoch = number(scan.word()?)?;
    let session = scan.word()?;
    let (start, pid) = split_last(session, b'.')?;
    let is_hex = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_hexdigit);
    if !is_hex(start) || !is_hex(pid) || !(EARLIEST..=LATEST).contains(&epoch) {
        return None;
    }
    // A user with blanks: the first place that the other fields follow ends the name.
    let rest = scan.rest;
    let (user, transfer) = memchr::memchr_iter(b' ', rest).find_map(|at| {
        let transfer = stats_transfer(&rest[at + 1..])?;
        Some((&rest[..at], transfer))
    })?;
    let mut claim = line.claim(ClaimKind::Transfer);
    claim.time = Some(LogTime {
        wall: Timestamp::from_parts(epoch, 0),
        offset: Some(0),
        whole_seconds: true,
        has_year: true,
    });
    claim.host = host(transfer.host);
    claim.session_key = Some(string(session));
    claim.user = present(user);
    claim.path = Some(transfer.name.to_vec());
    claim.path_form = PathForm::Real;
    // Of control characters: blanks stay.
    claim.name_changes.underscores = true;
    claim.direction = Some(transfer.direction);
    claim.bytes = Some(ClaimedBytes {
        count: transfer.bytes,
        counted: Counted::Wire,
    });
    claim.duration = transfer.seconds.checked_mul(1_000_000_000);
    Some(claim)
}

/// Fields behind the user.
struct StatsTransfer<'a> {
    host: &'a [u8],
    direction: Direction,
    bytes: u64,
    seconds: u64,
    name: &'a [u8],
}

fn stats_transfer(text: &[u8]) -> Option<StatsTransfer<'_>> {
    let mut scan = Scan::new(text);
    let host = scan.word()?;
    let direction = match scan.word()? {
        b"U" => Direction::Upload,
        b"D" => Direction::Download,
        _ => return None,
    };
    Some(StatsTransfer {
        host,
        direction,
        bytes: number(scan.word()?)?,
        seconds: number(scan.word()?)?,
        name: Some(scan.rest).filter(|name| !name.is_empty())?,
    })
}

/// Reads a line of syslog.
pub(super) fn read_syslog(line: Line<'_>, claims: &mut VecDeque<Claim>) -> Reading {
    let Some(entry) = syslog::parse(line.bytes) else {
        return Reading::Unreadable;
    };
    if entry.program != b"pure-ftpd" {
        return Reading::Unrelated;
    }
    let Some(message) = message(entry.message) else {
        return Reading::Unreadable;
    };
    if let Some(mut claim) = event(line, message.text) {
        claim.time = Some(entry.time);
        // libc stamps the line in the zone of the process, which is locked into its folder after the login.
        claim.clock_group = u16::from(message.user != b"?");
        claim.host = host(message.host);
        claim.session_key = entry.pid.and_then(present);
        if claim.user.is_none() {
            claim.user = present(message.user).filter(|user| user != "?");
        }
        claims.push_back(claim);
    }
    Reading::Known
}

/// Parts of `(USER@HOST) [LEVEL] TEXT`.
struct Message<'a> {
    user: &'a [u8],
    host: &'a [u8],
    text: &'a [u8],
}

fn message(text: &[u8]) -> Option<Message<'_>> {
    let inside = text.strip_prefix(b"(")?;
    let (end, rest) = LEVELS.iter().find_map(|level| {
        let end = memchr::memmem::find(inside, level)?;
        Some((end, &inside[end + level.len()..]))
    })?;
    let (user, host) = split_last(&inside[..end], b'@')?;
    Some(Message {
        user,
        host,
        text: rest,
    })
}

/// Returns the claim of a text; `None` for texts that claim nothing.
fn event(line: Line<'_>, text: &[u8]) -> Option<Claim> {
    if let Some((path, bytes, direction)) = transfer(text) {
        let mut claim = done(line, ClaimKind::Transfer, path, PathForm::Real);
        claim.direction = Some(direction);
        claim.bytes = Some(ClaimedBytes {
            count: bytes,
            counted: Counted::Wire,
        });
        // A transfer that broke off has the same text, if it has one: the text says how many bytes moved, not whether all did.
        claim.status = None;
        return Some(claim);
    }
    if let Some(user) = text.strip_suffix(b" is now logged in") {
        let mut claim = line.claim(ClaimKind::Login);
        claim.user = present(user);
        claim.status = Some(ClaimStatus::Done);
        return Some(claim);
    }
    if text == b"Anonymous user logged in" {
        let mut claim = line.claim(ClaimKind::Login);
        claim.user = Some("anonymous".to_owned());
        claim.status = Some(ClaimStatus::Done);
        return Some(claim);
    }
    if let Some(user) = text.strip_prefix(b"Authentication failed for user [") {
        let mut claim = line.claim(ClaimKind::Login);
        claim.user = present(user.strip_suffix(b"]")?);
        claim.status = Some(ClaimStatus::Failed);
        return Some(claim);
    }
    for (start, kind) in [
        (&b"Deleted "[..], ClaimKind::Delete),
        (b"Created directory ", ClaimKind::Mkdir),
        (b"Removed directory ", ClaimKind::Rmdir),
    ] {
        if let Some(path) = text.strip_prefix(start) {
            return Some(done(line, kind, path, PathForm::Real));
        }
    }
    if let Some(names) = text.strip_prefix(b"File successfully renamed or moved: [") {
        let names = names.strip_suffix(b"]")?;
        let middle = memchr::memmem::find(names, b"]->[")?;
        let mut claim = done(
            line,
            ClaimKind::Rename,
            &names[..middle],
            PathForm::Argument,
        );
        claim.new_path = Some(names[middle + 4..].to_vec());
        return Some(claim);
    }
    if let Some(failed) = text.strip_prefix(b"Can't open ") {
        let end = memchr::memmem::rfind(failed, b": ")?;
        let mut claim = done(
            line,
            ClaimKind::Transfer,
            &failed[..end],
            PathForm::Argument,
        );
        // The text has these words in place of a name where the server may not create the file.
        if &failed[..end] == b"that file" {
            claim.path = None;
            claim.direction = Some(Direction::Upload);
        }
        claim.status = Some(ClaimStatus::Failed);
        return Some(claim);
    }
    command(line, text)
}

/// Returns the claim of `Command [verb] [argument]`.
fn command(line: Line<'_>, text: &[u8]) -> Option<Claim> {
    let inside = text.strip_prefix(b"Command [")?.strip_suffix(b"]")?;
    let middle = memchr::memmem::find(inside, b"] [")?;
    let verb = string(&inside[..middle]).to_ascii_uppercase();
    let argument = &inside[middle + 3..];
    // Files, folders and logins have texts of their own.
    let kind = match kind_of_verb(&verb) {
        ClaimKind::List => ClaimKind::List,
        _ => ClaimKind::Command,
    };
    let mut claim = line.claim(kind);
    if verb == "USER" {
        claim.user = present(argument);
    } else if !argument.is_empty() && verb != "PASS" && verb != "ACCT" {
        claim.path = Some(argument.to_vec());
        claim.path_form = PathForm::Argument;
    }
    claim.is_early = true;
    claim.verb = Some(verb);
    Some(claim)
}

/// Parses `PATH uploaded  (N bytes, X KB/sec)`, from its end.
fn transfer(text: &[u8]) -> Option<(&[u8], u64, Direction)> {
    let (before, inside) = split_last(text.strip_suffix(b"KB/sec)")?, b'(')?;
    let comma = memchr::memchr(b',', inside)?;
    let bytes = number(inside[..comma].strip_suffix(b" bytes")?)?;
    let before = before.trim_ascii_end();
    if let Some(path) = before.strip_suffix(b" uploaded") {
        return Some((path, bytes, Direction::Upload));
    }
    let path = before.strip_suffix(b" downloaded")?;
    Some((path, bytes, Direction::Download))
}

fn done(line: Line<'_>, kind: ClaimKind, path: &[u8], form: PathForm) -> Claim {
    let mut claim = line.claim(kind);
    claim.status = Some(ClaimStatus::Done);
    claim.path = Some(path.to_vec());
    claim.path_form = form;
    claim
}

const LEVELS: [&[u8]; 5] = [
    b") [INFO] ",
    b") [NOTICE] ",
    b") [WARNING] ",
    b") [ERROR] ",
    b") [DEBUG] ",
];

/// Seconds since 1970, of September 2001: the first version is younger, and a time cut at its beginning is less.
const EARLIEST: u64 = 1_000_000_000;

/// Seconds since 1970 beyond which no log was written: the year 2242.
const LATEST: u64 = 1 << 33;

#[cfg(test)]
mod tests {
    use super::*;

    fn syslog(text: &str) -> Option<Claim> {
        let mut claims = VecDeque::new();
        let bytes = format!("Dec  3 10:15:00 box pure-ftpd: {text}");
        let line = Line {
            number: 1,
            bytes: bytes.as_bytes(),
        };
        assert_eq!(read_syslog(line, &mut claims), Reading::Known, "{text}");
        claims.pop_front()
    }

    #[test]
    fn line_of_the_statistics_has_session_size_and_name_with_blanks() {
        let bytes = b"1795954525 6b0c1759.5438 my user 192.0.2.9 U 1111 3 /srv/ftp/a D 3 4 b.txt";
        let claim = stats_claim(Line { number: 1, bytes }).unwrap();
        assert_eq!(claim.user.as_deref(), Some("my user"));
        assert_eq!(claim.path.as_deref(), Some(&b"/srv/ftp/a D 3 4 b.txt"[..]));
        assert_eq!(claim.session_key.as_deref(), Some("6b0c1759.5438"));
        assert_eq!(claim.direction, Some(Direction::Upload));
        assert_eq!(
            (claim.bytes.unwrap().count, claim.duration),
            (1111, Some(3_000_000_000))
        );
        assert_eq!(claim.status, None);
        assert_eq!(claim.time.unwrap().offset, Some(0));
        for bytes in [
            &b"1795954525 6b0c1759 u h U 1 3 /x"[..],
            b"795954525 6b0c1759.1 u h U 1 3 /x",
            b"1795954525 6b.x u h U 1 3 /x",
            b"1795954525 6b.1 u h X 1 3 /x",
        ] {
            assert!(stats_claim(Line { number: 1, bytes }).is_none());
        }
    }

    #[test]
    fn texts_of_syslog_are_claims() {
        let claim = syslog(
            "(ida@192.0.2.9) [NOTICE] /srv//a (1 bytes).x downloaded  (5120 bytes, 88.10KB/sec)",
        )
        .unwrap();
        assert_eq!(claim.path.as_deref(), Some(&b"/srv//a (1 bytes).x"[..]));
        assert_eq!(
            (claim.bytes.unwrap().count, claim.direction),
            (5120, Some(Direction::Download))
        );
        assert_eq!(claim.status, None);
        assert_eq!((claim.user.as_deref(), claim.clock_group), (Some("ida"), 1));
        let claim = syslog("(?@192.0.2.9) [INFO] ida is now logged in").unwrap();
        assert_eq!((claim.user.as_deref(), claim.clock_group), (Some("ida"), 0));
        let claim = syslog("(?@192.0.2.9) [WARNING] Authentication failed for user [i@b]").unwrap();
        assert_eq!(
            (claim.user.as_deref(), claim.status),
            (Some("i@b"), Some(ClaimStatus::Failed))
        );
        let claim =
            syslog("(i@b@192.0.2.9) [NOTICE] File successfully renamed or moved: [a b]->[c]")
                .unwrap();
        assert_eq!(claim.new_path.as_deref(), Some(&b"c"[..]));
        assert_eq!(claim.host.as_deref(), Some("192.0.2.9"));
        let claim =
            syslog("(ida@192.0.2.9) [ERROR] Can't open no: such: No such file or directory")
                .unwrap();
        assert_eq!(claim.path.as_deref(), Some(&b"no: such"[..]));
        let claim = syslog("(ida@192.0.2.9) [DEBUG] Command [pass] [<*>]").unwrap();
        assert_eq!(
            (claim.kind, claim.verb.as_deref(), claim.path),
            (ClaimKind::Command, Some("PASS"), None)
        );
        assert!(syslog("(ida@192.0.2.9) [INFO] Logout.").is_none());
        assert!(syslog("(ida@192.0.2.9) [NOTICE] Restarting at 7").is_none());
    }
}
