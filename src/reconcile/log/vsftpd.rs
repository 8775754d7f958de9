//! The log of vsftpd, as a file of its own or behind the header of a syslog daemon.
//!
//! ```text
//! Www Mmm dd hh:mm:ss YYYY [pid N] CONNECT: Client "HOST"
//! Www Mmm dd hh:mm:ss YYYY [pid N] [USER] OK DOWNLOAD: Client "HOST", "NAME", N bytes, RATEKbyte/sec
//! Www Mmm dd hh:mm:ss YYYY [pid N] [USER] FTP command: Client "HOST", "VERB ARGUMENT"
//! Mmm dd hh:mm:ss LOGHOST vsftpd[N]: [USER] OK LOGIN: Client "HOST"
//! ```
//!
//! Quotes inside texts are not escaped: a text ends at the last quote of the line. The pid is no session: CONNECT, LOGIN, and
//! the lines after the login come from three processes, which may have different zones.

use std::collections::VecDeque;

use super::grammar::{Line, Reading, kind_of_verb};
use super::scan::{Scan, asctime, host, number, present, split_last, string};
use super::syslog;
use crate::reconcile::claim::{
    Claim, ClaimKind, ClaimStatus, ClaimedBytes, Counted, Direction, LogTime, NameChanges, PathForm,
};

/// Parts of a line around its text.
struct Entry<'a> {
    time: LogTime,
    user: Option<&'a [u8]>,
    event: Event,
    host: &'a [u8],
    /// Behind the host: empty, or from the comma on.
    rest: &'a [u8],
}

/// Events of the grammar, by their word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Event {
    Connect,
    Command,
    Response,
    Debug,
    /// A word behind `OK` or `FAIL`.
    Action(Action, ClaimStatus),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    Login,
    Upload,
    Download,
    Mkdir,
    Rmdir,
    Delete,
    Rename,
    Chmod,
}

/// Reads a line and appends its claim.
pub(super) fn read(line: Line<'_>, claims: &mut VecDeque<Claim>) -> Reading {
    let mut scan = Scan::new(line.bytes);
    let time = if let Some((time, _)) = asctime(&mut scan) {
        time
    } else {
        let Some(entry) = syslog::parse(line.bytes) else {
            return Reading::Unreadable;
        };
        if entry.program != b"vsftpd" {
            return Reading::Unrelated;
        }
        scan.rest = entry.message;
        entry.time
    };
    let Some(entry) = parse(time, scan.rest) else {
        return Reading::Unreadable;
    };
    match claim(line, &entry) {
        Some(Some(claim)) => claims.push_back(claim),
        Some(None) => {}
        None => return Reading::Unreadable,
    }
    Reading::Known
}

fn parse(time: LogTime, text: &[u8]) -> Option<Entry<'_>> {
    let mut scan = Scan::new(text);
    if scan.literal(b"[pid ").is_some() {
        scan.digits()?;
        scan.literal(b"] ")?;
    }
    if let Some((event, host, rest)) = event(scan.rest) {
        return Some(Entry {
            time,
            user: None,
            event,
            host,
            rest,
        });
    }
    scan.literal(b"[")?;
    // A user may have a bracket in the name: the first one that an event follows ends it.
    let after = scan.rest;
    memchr::memchr_iter(b']', after).find_map(|at| {
        let text = after[at + 1..].strip_prefix(b" ")?;
        let (event, host, rest) = event(text)?;
        Some(Entry {
            time,
            user: Some(&after[..at]),
            event,
            host,
            rest,
        })
    })
}

/// Parses `EVENT: Client "HOST"`. Returns the event, the host, and the remainder.
fn event(text: &[u8]) -> Option<(Event, &[u8], &[u8])> {
    let colon = memchr::memchr(b':', text)?;
    let (words, rest) = text.split_at(colon);
    let event = match words {
        b"CONNECT" => Event::Connect,
        b"FTP command" => Event::Command,
        b"FTP response" => Event::Response,
        b"DEBUG" => Event::Debug,
        _ => {
            let (action, status) = if let Some(action) = words.strip_prefix(b"OK ") {
                (action, ClaimStatus::Done)
            } else {
                (words.strip_prefix(b"FAIL ")?, ClaimStatus::Failed)
            };
            let action = match action {
                b"LOGIN" => Action::Login,
                b"UPLOAD" => Action::Upload,
                b"DOWNLOAD" => Action::Download,
                b"MKDIR" => Action::Mkdir,
                b"RMDIR" => Action::Rmdir,
                b"DELETE" => Action::Delete,
                b"RENAME" => Action::Rename,
                b"CHMOD" => Action::Chmod,
                _ => return None,
            };
            Event::Action(action, status)
        }
    };
    let mut scan = Scan::new(rest);
    scan.literal(b": Client \"")?;
    let host = scan.until(b'"')?;
    Some((event, host, scan.rest))
}

/// Returns the claim of a line; `Some(None)` for one that claims nothing, `None` for one that is no line of the grammar.
#[expect(
    clippy::option_option,
    reason = "the question mark leaves with `None` for damage, and a known line may have no claim"
)]
fn claim(line: Line<'_>, entry: &Entry<'_>) -> Option<Option<Claim>> {
    let (action, status) = match entry.event {
        Event::Connect if entry.rest.is_empty() => return Some(None),
        Event::Connect => return None,
        Event::Response | Event::Debug => {
            quoted(entry.rest)?;
            return Some(None);
        }
        Event::Command => return command(line, entry, quoted(entry.rest)?).map(Some),
        Event::Action(action, status) => (action, status),
    };
    let kind = match action {
        Action::Login => ClaimKind::Login,
        Action::Upload | Action::Download => ClaimKind::Transfer,
        Action::Mkdir => ClaimKind::Mkdir,
        Action::Rmdir => ClaimKind::Rmdir,
        Action::Delete => ClaimKind::Delete,
        Action::Rename => ClaimKind::Rename,
        Action::Chmod => ClaimKind::Command,
    };
    let mut claim = common(line, entry, kind);
    claim.status = Some(status);
    match action {
        Action::Login => {
            claim.clock_group = LOGIN;
            if let Some(rest) = entry.rest.strip_prefix(b", anon password \"") {
                claim.anonymous_password = Some(string(rest.strip_suffix(b"\"")?));
            } else if !entry.rest.is_empty() {
                return None;
            }
        }
        Action::Upload | Action::Download => {
            let (name, count) = name_and_bytes(entry.rest)?;
            claim.path = Some(name.to_vec());
            claim.bytes = Some(ClaimedBytes {
                count,
                counted: Counted::Wire,
            });
            claim.direction = Some(match action {
                Action::Upload => Direction::Upload,
                _ => Direction::Download,
            });
        }
        Action::Rename => {
            let names = quoted(entry.rest)?;
            // Both names are absolute: one blank in front of a slash is the place between them.
            let mut middles = memchr::memmem::find_iter(names, b" /");
            match (middles.next(), middles.next()) {
                (Some(blank), None) => {
                    claim.path = Some(names[..blank].to_vec());
                    claim.new_path = Some(names[blank + 1..].to_vec());
                }
                (first, _) => {
                    claim.names_joined = first.is_some() || names.contains(&b' ');
                    claim.path = Some(names.to_vec());
                }
            }
        }
        Action::Mkdir | Action::Rmdir | Action::Delete => {
            claim.path = Some(quoted(entry.rest)?.to_vec());
        }
        Action::Chmod => {
            quoted(entry.rest)?;
            claim.verb = Some("SITE".to_owned());
        }
    }
    Some(Some(claim))
}

/// Returns a claim with the fields that all lines have.
fn common(line: Line<'_>, entry: &Entry<'_>, kind: ClaimKind) -> Claim {
    let mut claim = line.claim(kind);
    claim.time = Some(entry.time);
    claim.clock_group = match entry.user {
        Some(_) => SESSION,
        None => BEFORE_LOGIN,
    };
    claim.host = host(entry.host);
    claim.user = entry.user.and_then(present);
    claim.path_form = PathForm::Seen;
    claim.name_changes = NameChanges {
        underscores: false,
        question_marks: true,
        plus_signs: false,
        joined_blanks: false,
    };
    claim
}

/// Returns the claim of a line of the protocol. Files and folders have lines of their own, so only listings are more than a
/// command.
fn command(line: Line<'_>, entry: &Entry<'_>, text: &[u8]) -> Option<Claim> {
    let (verb, argument) = match memchr::memchr(b' ', text) {
        Some(blank) => (&text[..blank], Some(&text[blank + 1..])),
        None => (text, None),
    };
    if verb.is_empty() {
        return None;
    }
    let verb = string(verb).to_ascii_uppercase();
    let kind = match kind_of_verb(&verb) {
        ClaimKind::List => ClaimKind::List,
        _ => ClaimKind::Command,
    };
    let mut claim = common(line, entry, kind);
    if verb == "USER" {
        claim.user = argument.and_then(present);
    } else if verb != "PASS" && verb != "ACCT" {
        claim.path = argument.map(<[u8]>::to_vec);
        claim.path_form = PathForm::Argument;
    }
    claim.is_early = true;
    claim.verb = Some(verb);
    Some(claim)
}

/// Returns the text of `, "TEXT"`.
fn quoted(rest: &[u8]) -> Option<&[u8]> {
    rest.strip_prefix(b", \"")?.strip_suffix(b"\"")
}

/// Parses `, "NAME", N bytes, RATEKbyte/sec` from its end; without `N bytes` the transfer had none.
fn name_and_bytes(rest: &[u8]) -> Option<(&[u8], u64)> {
    let rest = rest.strip_suffix(b"Kbyte/sec")?;
    let (rest, rate) = split_last(rest, b' ')?;
    if rate.is_empty()
        || !rate
            .iter()
            .all(|byte| byte.is_ascii_digit() || *byte == b'.')
    {
        return None;
    }
    let rest = rest.strip_suffix(b",")?;
    if let Some(before) = rest.strip_suffix(b" bytes") {
        let (rest, count) = split_last(before, b' ')?;
        return Some((quoted(rest.strip_suffix(b",")?)?, number(count)?));
    }
    Some((quoted(rest)?, 0))
}

/// Lines of the processes before the login, of the one that logs in, and of those after it.
const BEFORE_LOGIN: u16 = 0;
const LOGIN: u16 = 1;
const SESSION: u16 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn read_one(text: &str) -> Option<Claim> {
        let mut claims = VecDeque::new();
        let line = Line {
            number: 5,
            bytes: text.as_bytes(),
        };
        assert_eq!(read(line, &mut claims), Reading::Known, "{text}");
        claims.pop_front()
    }

    fn dated(text: &str) -> Option<Claim> {
        read_one(&format!("Thu Dec  3 10:15:00 2026 [pid 77] {text}"))
    }

    #[test]
    fn transfer_has_name_bytes_and_status() {
        let claim = dated(r#"[lena] FAIL DOWNLOAD: Client "192.0.2.9", "/a "b", 5 bytes.c", 458752 bytes, 88.21Kbyte/sec"#)
            .unwrap();
        assert_eq!(claim.path.as_deref(), Some(&br#"/a "b", 5 bytes.c"#[..]));
        assert_eq!(claim.bytes.unwrap().count, 458_752);
        assert_eq!(claim.status, Some(ClaimStatus::Failed));
        assert_eq!(claim.user.as_deref(), Some("lena"));
        assert_eq!(claim.direction, Some(Direction::Download));
        let empty =
            dated(r#"[lena] OK UPLOAD: Client "192.0.2.9", "/empty", 0.00Kbyte/sec"#).unwrap();
        assert_eq!(
            (empty.bytes.unwrap().count, empty.path.as_deref()),
            (0, Some(&b"/empty"[..]))
        );
    }

    #[test]
    fn logins_have_their_outcome_and_anonymous_passwords() {
        let claim =
            dated(r#"[ftp] OK LOGIN: Client "192.0.2.9", anon password "me@example.org""#).unwrap();
        assert_eq!(claim.anonymous_password.as_deref(), Some("me@example.org"));
        assert_eq!(
            (claim.kind, claim.status),
            (ClaimKind::Login, Some(ClaimStatus::Done))
        );
        let claim = dated(r#"[a] b] FAIL LOGIN: Client "::ffff:192.0.2.9""#).unwrap();
        assert_eq!(
            (claim.user.as_deref(), claim.host.as_deref()),
            (Some("a] b"), Some("192.0.2.9"))
        );
    }

    #[test]
    fn renames_are_divided_only_where_one_place_is() {
        let claim = dated(r#"[lena] OK RENAME: Client "192.0.2.9", "/old /new""#).unwrap();
        assert_eq!(claim.path.as_deref(), Some(&b"/old"[..]));
        assert_eq!(claim.new_path.as_deref(), Some(&b"/new"[..]));
        assert!(!claim.names_joined);
        let claim = dated(r#"[lena] OK RENAME: Client "192.0.2.9", "/an old /new name""#).unwrap();
        assert_eq!(claim.path.as_deref(), Some(&b"/an old"[..]));
        assert!(!claim.names_joined);
        let claim = dated(r#"[lena] OK RENAME: Client "192.0.2.9", "/a /b /c""#).unwrap();
        assert!(claim.names_joined && claim.new_path.is_none());
    }

    #[test]
    fn protocol_lines_are_commands_and_never_keep_a_password() {
        assert!(dated(r#"CONNECT: Client "192.0.2.9""#).is_none());
        assert!(
            dated(r#"FTP response: Client "192.0.2.9", "257 "/" is the current directory""#)
                .is_none()
        );
        let claim = dated(r#"FTP command: Client "192.0.2.9", "pass s3cret""#).unwrap();
        assert_eq!(
            (claim.kind, claim.verb.as_deref()),
            (ClaimKind::Command, Some("PASS"))
        );
        assert!(claim.path.is_none() && claim.anonymous_password.is_none());
        let claim = dated(r#"[lena] FTP command: Client "192.0.2.9", "RETR x""#).unwrap();
        assert_eq!(claim.kind, ClaimKind::Command);
        let claim = dated(r#"[lena] FTP command: Client "192.0.2.9", "LIST""#).unwrap();
        assert_eq!(claim.kind, ClaimKind::List);
    }

    #[test]
    fn lines_of_a_syslog_daemon_are_read_and_others_passed_over() {
        let claim = read_one(
            r#"Dec  3 10:15:00 box vsftpd[812]: [lena] OK DELETE: Client "192.0.2.9", "/x y""#,
        )
        .unwrap();
        assert_eq!(claim.path.as_deref(), Some(&b"/x y"[..]));
        assert!(!claim.time.unwrap().has_year);
        let bytes = b"Dec  3 10:15:00 box sshd[812]: hello";
        let other = read(Line { number: 1, bytes }, &mut VecDeque::new());
        assert_eq!(other, Reading::Unrelated);
    }
}
