//! The lines that pyftpdlib logs at level INFO, in its own format.
//!
//! ```text
//! [I YYYY-MM-DD hh:mm:ss] HOST:PORT-[USER] RETR PATH completed=1 bytes=N seconds=S
//! [I YYYY-MM-DD hh:mm:ss] HOST:PORT-[USER] MKD PATH 257
//! [I YYYY-MM-DD hh:mm:ss] HOST:PORT-[USER] DELE PATH 550 'REASON'
//! ```
//!
//! PORT is that of the client's control connection. PATH is the path in the server's file system and not quoted. A RETR of an
//! empty file has `None` in place of its verb. Lines outside a session claim nothing.

use std::collections::VecDeque;

use super::grammar::{Line, Reading, RenameSources, kind_of_verb, status_of_code};
use super::scan::{
    Scan, code, host, iso_time, number, present, seconds, small, split_last, string,
};
use crate::reconcile::claim::{
    Claim, ClaimKind, ClaimStatus, ClaimedBytes, Counted, Direction, PathForm,
};

/// Reader of the log; remembers the name in front of a rename.
#[derive(Debug, Default)]
pub(super) struct PyftpdlibReader {
    renames: RenameSources,
}

impl PyftpdlibReader {
    pub(super) fn read(&mut self, line: Line<'_>, claims: &mut VecDeque<Claim>) -> Reading {
        let mut scan = Scan::new(line.bytes);
        let Some(time) = header(&mut scan) else {
            return Reading::Unreadable;
        };
        let Some(session) = session(scan.rest) else {
            return Reading::Known;
        };
        if let Some(mut claim) = event(line, session.text) {
            claim.time = Some(time);
            claim.host = host(session.host);
            claim.client_port = u16::try_from(session.port).ok();
            if claim.user.is_none() {
                claim.user = present(session.user);
            }
            let key = &scan.rest[..session.length];
            self.renames.on_claim(key, &mut claim);
            claims.push_back(claim);
        }
        Reading::Known
    }
}

/// Takes `[I YYYY-MM-DD hh:mm:ss] `; the level may be any.
fn header(scan: &mut Scan<'_>) -> Option<crate::reconcile::claim::LogTime> {
    scan.literal(b"[")?;
    let level = scan.bytes(2)?;
    let is_level = matches!(level[0], b'D' | b'I' | b'W' | b'E' | b'C') && level[1] == b' ';
    let time = iso_time(scan.until(b']')?)?;
    scan.literal(b" ")?;
    is_level.then_some(time)
}

/// Parts of `HOST:PORT-[USER] TEXT`.
struct Session<'a> {
    host: &'a [u8],
    port: u32,
    user: &'a [u8],
    text: &'a [u8],
    /// Bytes of `HOST:PORT`, which names the session.
    length: usize,
}

fn session(text: &[u8]) -> Option<Session<'_>> {
    let length = memchr::memmem::find(text, b"-[")?;
    let (host, port) = split_last(&text[..length], b':')?;
    let port = small(port)?;
    if host.contains(&b' ') {
        return None;
    }
    let rest = &text[length + 2..];
    let end = memchr::memmem::find(rest, b"] ")?;
    Some(Session {
        host: host
            .strip_prefix(b"[")
            .and_then(|host| host.strip_suffix(b"]"))
            .unwrap_or(host),
        port,
        user: &rest[..end],
        text: &rest[end + 2..],
        length,
    })
}

/// Returns the claim of a text; `None` for texts that claim nothing.
fn event(line: Line<'_>, text: &[u8]) -> Option<Claim> {
    if let Some(rest) = text.strip_prefix(b"USER '") {
        let (user, status) = if let Some(user) = rest.strip_suffix(b"' logged in.") {
            (user, ClaimStatus::Done)
        } else {
            (rest.strip_suffix(b"' failed login.")?, ClaimStatus::Failed)
        };
        let mut claim = line.claim(ClaimKind::Login);
        claim.user = present(user);
        claim.status = Some(status);
        return Some(claim);
    }
    let blank = memchr::memchr(b' ', text)?;
    let (verb, rest) = (&text[..blank], &text[blank + 1..]);
    if !verb.iter().all(u8::is_ascii_alphabetic) {
        return None;
    }
    if let Some(transfer) = transfer(rest) {
        let mut claim = line.claim(ClaimKind::Transfer);
        claim.direction = Some(match verb {
            b"RETR" | b"None" => Direction::Download,
            _ => Direction::Upload,
        });
        // An empty file: nothing was sent that would know its command.
        claim.verb = Some(match verb {
            b"None" => "RETR".to_owned(),
            _ => string(verb).to_ascii_uppercase(),
        });
        claim.path = Some(transfer.path.to_vec());
        claim.path_form = PathForm::Real;
        claim.bytes = Some(ClaimedBytes {
            count: transfer.bytes,
            counted: Counted::Wire,
        });
        claim.status = Some(if transfer.completed {
            ClaimStatus::Done
        } else {
            ClaimStatus::Failed
        });
        claim.duration = Some(transfer.nanos);
        return Some(claim);
    }
    // A refused command has the reason behind its code: `550 'No such file or directory.'`.
    let rest = match rest.strip_suffix(b"'") {
        Some(quoted) => &rest[..memchr::memmem::rfind(quoted, b" '")?],
        None => rest,
    };
    let (path, digits) = split_last(rest, b' ')?;
    let code = code(digits)?;
    let verb = string(verb).to_ascii_uppercase();
    let mut claim = line.claim(kind_of_verb(&verb));
    claim.verb = Some(verb);
    claim.path = Some(path.to_vec());
    claim.path_form = PathForm::Real;
    claim.code = Some(code);
    claim.status = status_of_code(code);
    Some(claim)
}

/// Parts of `PATH completed=1 bytes=N seconds=S`.
struct Transferred<'a> {
    path: &'a [u8],
    completed: bool,
    bytes: u64,
    nanos: u64,
}

fn transfer(rest: &[u8]) -> Option<Transferred<'_>> {
    let (rest, last) = split_last(rest, b' ')?;
    let nanos = seconds(last.strip_prefix(b"seconds=")?)?;
    let (rest, last) = split_last(rest, b' ')?;
    let bytes = number(last.strip_prefix(b"bytes=")?)?;
    let (path, last) = split_last(rest, b' ')?;
    let completed = match last {
        b"completed=1" => true,
        b"completed=0" => false,
        _ => return None,
    };
    Some(Transferred {
        path,
        completed,
        bytes,
        nanos,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[&str]) -> Vec<Claim> {
        let mut reader = PyftpdlibReader::default();
        let mut claims = VecDeque::new();
        for text in texts {
            let bytes = format!("[I 2026-12-03 10:15:00] {text}");
            let line = Line {
                number: 1,
                bytes: bytes.as_bytes(),
            };
            assert_eq!(reader.read(line, &mut claims), Reading::Known, "{text}");
        }
        claims.into()
    }

    #[test]
    fn transfers_have_port_size_and_status() {
        let claims = read(&[
            "::ffff:192.0.2.9:50100-[ida] RETR /srv/a b.bin completed=0 bytes=1310720 seconds=0.402",
            "192.0.2.9:50100-[ida] None /srv/empty completed=1 bytes=0 seconds=0.0",
        ]);
        assert_eq!(claims[0].host.as_deref(), Some("192.0.2.9"));
        assert_eq!(
            (claims[0].client_port, claims[0].user.as_deref()),
            (Some(50_100), Some("ida"))
        );
        assert_eq!(claims[0].path.as_deref(), Some(&b"/srv/a b.bin"[..]));
        assert_eq!(
            (claims[0].status, claims[0].duration),
            (Some(ClaimStatus::Failed), Some(402_000_000))
        );
        assert_eq!(
            (claims[1].direction, claims[1].verb.as_deref()),
            (Some(Direction::Download), Some("RETR"))
        );
    }

    #[test]
    fn renames_are_joined_and_lines_outside_sessions_claim_nothing() {
        let claims = read(&[
            ">>> starting FTP server on 0.0.0.0:2121, pid=4 <<<",
            "passive ports: None",
            "192.0.2.9:50100-[] FTP session opened (connect)",
            "192.0.2.9:50100-[] USER 'ida' failed login.",
            "192.0.2.9:50100-[ida] RNFR /srv/old 350",
            "192.0.2.9:50101-[ida] RNTO /srv/else 250",
            "192.0.2.9:50100-[ida] RNTO /srv/new 250",
            "192.0.2.9:50100-[ida] DELE /srv/it's gone 550 'No such file or directory.'",
        ]);
        assert_eq!(claims.len(), 5);
        assert_eq!(
            (claims[4].path.as_deref(), claims[4].code),
            (Some(&b"/srv/it's gone"[..]), Some(550))
        );
        assert_eq!(
            (claims[0].user.as_deref(), claims[0].status),
            (Some("ida"), Some(ClaimStatus::Failed))
        );
        assert_eq!(
            (claims[1].kind, claims[1].status),
            (ClaimKind::Command, None)
        );
        assert_eq!(claims[2].path, None);
        assert_eq!(claims[3].path.as_deref(), Some(&b"/srv/old"[..]));
        assert_eq!(claims[3].new_path.as_deref(), Some(&b"/srv/new"[..]));
    }
}
