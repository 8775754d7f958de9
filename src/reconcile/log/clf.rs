//! Common log format: `Pure-FTPd`'s transfers, and the default `ExtendedLog` of `ProFTPD`.
//!
//! ```text
//! HOST IDENT USER [dd/Mmm/YYYY:hh:mm:ss ±hhmm] "GET PATH" 200 BYTES
//! HOST IDENT USER [dd/Mmm/YYYY:hh:mm:ss ±hhmm] "RETR ARGUMENT" 226 BYTES
//! ```
//!
//! Quotes inside are not escaped by every server: the request ends at the last quote of the line. `Pure-FTPd` writes GET and
//! PUT, percent-encoded real paths, and always 200; `ProFTPD` writes commands as they were sent, and the code of the final reply.

use std::collections::VecDeque;

use super::Writer;
use super::grammar::{
    Line, PendingUsers, Reading, RenameSources, command_claim, set_code, set_joined_blanks,
};
use super::scan::{Scan, clf_time, code, host, number, percent_decoded, present, split_last};
use crate::reconcile::claim::{
    Claim, ClaimKind, ClaimedBytes, Counted, Direction, LogTime, PathForm,
};

/// Reader of the format; remembers USER and RNFR, whose lines the next ones need.
#[derive(Debug, Default)]
pub(super) struct ClfReader {
    users: PendingUsers,
    renames: RenameSources,
    /// Lines with GET or PUT, and lines with a verb of the protocol.
    web: u64,
    protocol: u64,
}

/// Fields of a line, borrowed from it.
struct Fields<'a> {
    host: &'a [u8],
    user: &'a [u8],
    time: LogTime,
    request: &'a [u8],
    /// `None` for `-`.
    code: Option<u16>,
    /// `None` for `-`.
    bytes: Option<u64>,
}

impl ClfReader {
    pub(super) fn read(&mut self, line: Line<'_>, claims: &mut VecDeque<Claim>) -> Reading {
        let Some(fields) = parse(line.bytes) else {
            return Reading::Unreadable;
        };
        self.learn(&fields);
        // ProFTPD writes an empty request at the end of a session.
        if fields.request.is_empty() || fields.request == b"-" {
            return Reading::Known;
        }
        let mut claim = match web_transfer(fields.request) {
            Some((direction, path)) => {
                let mut claim = line.claim(ClaimKind::Transfer);
                claim.direction = Some(direction);
                claim.path = Some(percent_decoded(path));
                claim.path_form = PathForm::Real;
                claim.name_changes.underscores = true;
                claim.bytes = fields.bytes.map(|count| ClaimedBytes {
                    count,
                    counted: Counted::Wire,
                });
                claim.user = present(fields.user);
                claim
            }
            None => self.command(line, &fields),
        };
        claim.time = Some(fields.time);
        claim.host = host(fields.host);
        // Sessions of `ftp` are locked into their folder, others rarely; before the login no session is.
        claim.clock_group = match fields.user {
            b"-" => 0,
            b"ftp" | b"anonymous" => 2,
            _ => 1,
        };
        claims.push_back(claim);
        Reading::Known
    }

    /// Learns from a line that is read later.
    pub(super) fn look_at(&mut self, line: &[u8]) {
        if let Some(fields) = parse(line) {
            self.learn(&fields);
        }
    }

    /// Returns the server that most lines show; `None` while none does.
    pub(super) fn writer(&self) -> Option<Writer> {
        match self.web.cmp(&self.protocol) {
            std::cmp::Ordering::Greater => Some(Writer::PureFtpd),
            std::cmp::Ordering::Less => Some(Writer::Proftpd),
            std::cmp::Ordering::Equal => None,
        }
    }

    fn learn(&mut self, fields: &Fields<'_>) {
        if web_transfer(fields.request).is_some() {
            self.web += 1;
        } else if !fields.request.is_empty() {
            self.protocol += 1;
        }
    }

    fn command(&mut self, line: Line<'_>, fields: &Fields<'_>) -> Claim {
        let (verb, argument) = verb_and_argument(fields.request);
        let mut claim = command_claim(line, verb, argument);
        if claim.user.is_none() {
            claim.user = present(fields.user);
        }
        set_code(&mut claim, fields.code);
        claim.bytes = command_bytes(claim.kind, fields.bytes);
        set_joined_blanks(&mut claim);
        self.users.on_claim(fields.host, false, &mut claim);
        let session = [fields.host, b" ", fields.user].concat();
        self.renames.on_claim(&session, &mut claim);
        claim
    }
}

/// Divides a command into its verb and its argument.
pub(super) fn verb_and_argument(request: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b' ', request) {
        Some(blank) => (&request[..blank], Some(&request[blank + 1..])),
        None => (request, None),
    }
}

/// Returns the bytes that `ProFTPD`'s `%b` means for a kind of command; `None` where they are no claim.
pub(super) fn command_bytes(kind: ClaimKind, count: Option<u64>) -> Option<ClaimedBytes> {
    let counted = match kind {
        ClaimKind::Transfer => Counted::File,
        ClaimKind::List => Counted::Wire,
        ClaimKind::Delete => Counted::WholeFile,
        _ => return None,
    };
    count.map(|count| ClaimedBytes { count, counted })
}

fn web_transfer(request: &[u8]) -> Option<(Direction, &[u8])> {
    if let Some(path) = request.strip_prefix(b"GET ") {
        return Some((Direction::Download, path));
    }
    let path = request.strip_prefix(b"PUT ")?;
    Some((Direction::Upload, path))
}

fn parse(line: &[u8]) -> Option<Fields<'_>> {
    let mut scan = Scan::new(line);
    let host = scan.word()?;
    scan.word()?;
    // A user may hold blanks and brackets: the first bracket that a time follows ends the name.
    let rest = scan.rest;
    let (user, time, rest) = memchr::memmem::find_iter(rest, b" [").find_map(|at| {
        let mut scan = Scan::new(&rest[at + 2..]);
        let time = clf_time(scan.until(b']')?)?;
        scan.literal(b" \"")?;
        Some((&rest[..at], time, scan.rest))
    })?;
    let (request, tail) = split_last(rest, b'"')?;
    let (code_text, bytes_text) = split_last(tail.strip_prefix(b" ")?, b' ')?;
    Some(Fields {
        host,
        user,
        time,
        request,
        code: match code_text {
            b"-" => None,
            digits => Some(code(digits)?),
        },
        bytes: match bytes_text {
            b"-" => None,
            digits => Some(number(digits)?),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::known_claims;
    use super::*;
    use crate::reconcile::claim::ClaimStatus;

    fn read(lines: &[&str]) -> Vec<Claim> {
        let mut reader = ClfReader::default();
        let claims = known_claims(lines, |line, claims| reader.read(line, claims));
        claims.into()
    }

    #[test]
    fn transfers_of_pure_ftpd_are_decoded_and_their_code_is_no_status() {
        let claims = read(&[
            r#"192.0.2.9 - ida [03/Dec/2026:10:15:00 -0330] "GET /srv/a%20b%25.bin" 200 77"#,
            r#"192.0.2.9 - ida b [03/Dec/2026:10:15:00 +0100] "PUT /srv/a"b" 200 5"#,
        ]);
        assert_eq!(claims[0].path.as_deref(), Some(&b"/srv/a b%.bin"[..]));
        assert_eq!((claims[0].status, claims[0].code), (None, None));
        assert_eq!(claims[0].time.unwrap().offset, Some(-12_600));
        assert_eq!(
            (claims[1].user.as_deref(), claims[1].direction),
            (Some("ida b"), Some(Direction::Upload))
        );
        assert_eq!(claims[1].path.as_deref(), Some(&br#"/srv/a"b"#[..]));
    }

    #[test]
    fn commands_of_proftpd_take_user_and_old_name_from_lines_before() {
        let at = "[03/Dec/2026:10:15:00 +0000]";
        let lines = [
            format!("192.0.2.9 UNKNOWN - {at} \"USER ida\" 331 -"),
            format!("192.0.2.9 UNKNOWN - {at} \"PASS (hidden)\" 530 -"),
            format!("192.0.2.9 UNKNOWN ida {at} \"RNFR a \"b\"\" 350 0"),
            format!("192.0.2.9 UNKNOWN ida {at} \"RNTO c\" 250 0"),
            format!("192.0.2.9 UNKNOWN ida {at} \"RETR big\" 426 409600"),
            format!("192.0.2.9 UNKNOWN ida {at} \"\" - -"),
        ];
        let claims = read(&lines.each_ref().map(String::as_str));
        assert_eq!(claims.len(), 5);
        let login = &claims[1];
        assert_eq!(
            (login.kind, login.user.as_deref(), login.status),
            (ClaimKind::Login, Some("ida"), Some(ClaimStatus::Failed))
        );
        assert!(login.path.is_none());
        let rename = &claims[3];
        assert_eq!(rename.path.as_deref(), Some(&br#"a "b""#[..]));
        assert_eq!(rename.new_path.as_deref(), Some(&b"c"[..]));
        assert_eq!(rename.bytes, None);
        let transfer = &claims[4];
        assert_eq!(
            (transfer.bytes.unwrap().count, transfer.code),
            (409_600, Some(426))
        );
        assert_eq!(transfer.path_form, PathForm::Argument);
    }

    #[test]
    fn user_of_sessions_side_by_side_is_not_guessed() {
        let at = "[03/Dec/2026:10:15:00 +0000]";
        let lines = [
            format!("192.0.2.9 UNKNOWN - {at} \"USER ida\" 331 -"),
            format!("192.0.2.9 UNKNOWN - {at} \"USER max\" 331 -"),
            format!("192.0.2.9 UNKNOWN - {at} \"PASS (hidden)\" 530 -"),
        ];
        let claims = read(&lines.each_ref().map(String::as_str));
        assert_eq!(claims[2].user, None);
    }
}
