//! xferlog: one line a transfer, parsed from both ends.
//!
//! ```text
//! Www Mmm dd hh:mm:ss YYYY SECONDS HOST BYTES NAME TYPE ACTION DIRECTION ACCESS USER SERVICE AUTH AUTH-USER STATUS
//! ──────────────────── from the left ────────> <──────────────────────── from the right ──────────────────────────
//! ```
//!
//! NAME is the remainder, so a name with blanks survives, and so does an anonymous password with blanks in place of USER.
//! Three servers write this format and differ in the form of names and in what they count; the lines show which one it is:
//!
//! | line has | writer |
//! | --- | --- |
//! | authentication `1` | `Pure-FTPd` |
//! | day padded with a blank, guest access, `?` in the name, a broken transfer of 0 bytes | vsftpd |
//! | day padded with a zero, 0 seconds, service `ftps`, a deletion, bytes of 128 and more | `ProFTPD` |

use std::collections::VecDeque;

use super::Writer;
use super::grammar::{Line, Reading};
use super::scan::{Scan, asctime, host, number, present, split_last};
use crate::reconcile::claim::{
    Claim, ClaimKind, ClaimStatus, ClaimedBytes, Counted, Direction, LogTime, LoggedType,
    NameChanges, PathForm,
};

/// Reader of an xferlog, which learns from its lines who writes it.
#[derive(Debug, Default)]
pub(super) struct XferlogReader {
    /// Evidence for vsftpd and `ProFTPD`, in lines.
    vsftpd: u64,
    proftpd: u64,
    pure_ftpd: u64,
}

/// Fields of a line, borrowed from it.
#[derive(Clone, Copy, Debug)]
struct Fields<'a> {
    time: LogTime,
    /// Byte in front of a day of one digit.
    padding: u8,
    seconds: u64,
    host: &'a [u8],
    bytes: u64,
    name: &'a [u8],
    tail: Tail<'a>,
}

/// Fields behind the name.
#[derive(Clone, Copy, Debug)]
struct Tail<'a> {
    /// `a` or `b`.
    data_type: u8,
    /// `i`, `o` or `d`.
    direction: u8,
    /// `a`, `g` or `r`.
    access: u8,
    user: &'a [u8],
    service: &'a [u8],
    authentication: u8,
    /// `c` or `i`; `None` in logs of old servers.
    status: Option<u8>,
}

impl XferlogReader {
    pub(super) fn read(&mut self, line: Line<'_>, claims: &mut VecDeque<Claim>) -> Reading {
        let Some(fields) = parse(line.bytes) else {
            return Reading::Unreadable;
        };
        self.learn(&fields);
        claims.push_back(self.claim(line, &fields));
        Reading::Known
    }

    /// Learns from a line that is read later.
    pub(super) fn look_at(&mut self, line: &[u8]) {
        if let Some(fields) = parse(line) {
            self.learn(&fields);
        }
    }

    /// Returns the writer for which most lines speak; `None` while none does.
    pub(super) fn writer(&self) -> Option<Writer> {
        let most = self.vsftpd.max(self.proftpd).max(self.pure_ftpd);
        match most {
            0 => None,
            _ if most == self.pure_ftpd => Some(Writer::PureFtpd),
            _ if most == self.vsftpd => Some(Writer::Vsftpd),
            _ => Some(Writer::Proftpd),
        }
    }

    fn learn(&mut self, fields: &Fields<'_>) {
        let tail = &fields.tail;
        if tail.authentication == b'1' {
            self.pure_ftpd += 1;
        } else if fields.padding == b'0'
            || fields.seconds == 0
            || tail.direction == b'd'
            || tail.service == b"ftps"
            || !fields.name.is_ascii()
        {
            self.proftpd += 1;
        } else if fields.padding == b' '
            || tail.access == b'g'
            || fields.name.contains(&b'?')
            || (tail.status == Some(b'i') && fields.bytes == 0)
        {
            self.vsftpd += 1;
        }
    }

    fn claim(&self, line: Line<'_>, fields: &Fields<'_>) -> Claim {
        let tail = &fields.tail;
        // A line with the mark of Pure-FTPd is its own, even if several daemons share the file.
        let writer = match tail.authentication {
            b'1' => Some(Writer::PureFtpd),
            _ => self.writer().filter(|writer| *writer != Writer::PureFtpd),
        };
        let is_deletion = tail.direction == b'd';
        let mut claim = line.claim(if is_deletion {
            ClaimKind::Delete
        } else {
            ClaimKind::Transfer
        });
        claim.time = Some(fields.time);
        // Anonymous sessions are locked into their folder, guests usually, others rarely.
        claim.clock_group = match tail.access {
            b'a' => 1,
            b'g' => 2,
            _ => 0,
        };
        claim.host = host(fields.host);
        claim.user = present(tail.user);
        if tail.access == b'a' {
            claim.anonymous_password.clone_from(&claim.user);
        }
        claim.path = Some(fields.name.to_vec());
        claim.path_form = match writer {
            Some(Writer::Vsftpd) => PathForm::Seen,
            _ => PathForm::Real,
        };
        claim.name_changes = NameChanges {
            underscores: true,
            question_marks: !matches!(writer, Some(Writer::Proftpd | Writer::PureFtpd)),
            plus_signs: false,
            joined_blanks: false,
        };
        claim.bytes = Some(ClaimedBytes {
            count: fields.bytes,
            counted: match writer {
                _ if is_deletion => Counted::WholeFile,
                Some(Writer::Vsftpd | Writer::PureFtpd) => Counted::Wire,
                Some(Writer::Proftpd) => Counted::File,
                _ => Counted::Unknown,
            },
        });
        claim.status = tail.status.map(|status| match status {
            b'c' => ClaimStatus::Done,
            _ => ClaimStatus::Failed,
        });
        claim.status_is_judged = writer != Some(Writer::PureFtpd);
        if !is_deletion {
            claim.direction = Some(match tail.direction {
                b'o' => Direction::Download,
                _ => Direction::Upload,
            });
            claim.data_type = Some(match tail.data_type {
                b'a' => LoggedType::Ascii,
                _ => LoggedType::Image,
            });
            claim.duration = fields.seconds.checked_mul(1_000_000_000);
        }
        claim
    }
}

fn parse(line: &[u8]) -> Option<Fields<'_>> {
    let mut scan = Scan::new(line);
    let (time, padding) = asctime(&mut scan)?;
    let seconds = number(scan.word()?)?;
    let host = scan.word()?;
    let bytes = number(scan.word()?)?;
    let (name, tail) = name_and_tail(scan.rest)?;
    Some(Fields {
        time,
        padding,
        seconds,
        host,
        bytes,
        name,
        tail,
    })
}

/// Divides the part of a line behind BYTES.
fn name_and_tail(text: &[u8]) -> Option<(&[u8], Tail<'_>)> {
    let text = text.trim_ascii_end();
    let (rest, last) = split_last(text, b' ')?;
    let (before, second) = split_last(rest, b' ')?;
    let (before_that, third) = split_last(before, b' ')?;
    let is_authentication = |field: &[u8]| matches!(field, b"0" | b"1");
    let (rest, authentication, status) =
        if matches!(last, b"c" | b"i") && is_authentication(third) && !second.is_empty() {
            (before_that, third[0], Some(last[0]))
        } else if is_authentication(second) {
            (before, second[0], None)
        } else {
            return None;
        };
    let (rest, service) = split_last(rest, b' ')?;
    // Of several places that look like the four flags, the last one counts: names hold what clients choose, and so do
    // anonymous passwords, but those with blanks are rare.
    let mut end = rest.len();
    loop {
        let at = memchr::memrchr(b' ', &rest[..end])?;
        let flags = &rest[..at];
        if let Some((name, [data_type, direction, access])) = name_and_flags(flags) {
            let tail = Tail {
                data_type,
                direction,
                access,
                user: &rest[at + 1..],
                service,
                authentication,
                status,
            };
            return Some((name, tail));
        }
        end = at;
    }
}

/// Divides `NAME TYPE ACTION DIRECTION ACCESS`.
fn name_and_flags(text: &[u8]) -> Option<(&[u8], [u8; 3])> {
    let &[
        ref rest @ ..,
        b' ',
        direction @ (b'i' | b'o' | b'd'),
        b' ',
        access @ (b'a' | b'g' | b'r'),
    ] = text
    else {
        return None;
    };
    let (rest, action) = split_last(rest, b' ')?;
    let is_action = matches!(action.len(), 1..=3)
        && action
            .iter()
            .all(|flag| matches!(flag, b'_' | b'C' | b'U' | b'T'));
    let &[ref name @ .., b' ', data_type @ (b'a' | b'b')] = rest else {
        return None;
    };
    (is_action && !name.is_empty()).then_some((name, [data_type, direction, access]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Vec<Claim> {
        let mut reader = XferlogReader::default();
        let mut claims = VecDeque::new();
        for (number, line) in (1..).zip(lines) {
            let bytes = line.as_bytes();
            assert_eq!(
                reader.read(Line { number, bytes }, &mut claims),
                Reading::Known,
                "{line}"
            );
        }
        claims.into()
    }

    #[test]
    fn line_of_vsftpd_has_every_field() {
        let claims = read(&[
            "Thu Dec  3 10:15:00 2026 4 192.0.2.9 4711 /in/summer_plan.bin b _ i r lena ftp 0 * c",
        ]);
        let claim = &claims[0];
        assert_eq!((claim.kind, claim.line), (ClaimKind::Transfer, 1));
        assert_eq!(claim.host.as_deref(), Some("192.0.2.9"));
        assert_eq!(claim.path.as_deref(), Some(&b"/in/summer_plan.bin"[..]));
        assert_eq!(claim.path_form, PathForm::Seen);
        assert_eq!(claim.user.as_deref(), Some("lena"));
        assert_eq!(claim.direction, Some(Direction::Upload));
        assert_eq!(claim.status, Some(ClaimStatus::Done));
        let bytes = claim.bytes.unwrap();
        assert_eq!((bytes.count, bytes.counted), (4711, Counted::Wire));
        assert_eq!(claim.duration, Some(4_000_000_000));
        assert!(claim.name_changes.underscores && claim.name_changes.question_marks);
        assert_eq!(claim.time.unwrap().offset, None);
    }

    #[test]
    fn writers_are_recognized_by_their_lines() {
        let pure = read(&["Thu Dec 03 10:15:00 2026 0 192.0.2.9 7 /srv/x_y b _ o r ida ftp 1 * c"]);
        assert!(!pure[0].status_is_judged);
        assert_eq!(pure[0].path_form, PathForm::Real);
        let pro = read(&[
            "Thu Dec 03 10:15:00 2026 0 192.0.2.9 7 /srv/\u{f6} a _ o r ida ftps 0 * i",
            "Thu Dec 13 10:15:00 2026 3 192.0.2.9 7 /srv/x a _ d r ida ftp 0 * c",
        ]);
        assert_eq!(pro[0].bytes.unwrap().counted, Counted::File);
        assert!(pro[0].status_is_judged && pro[0].status == Some(ClaimStatus::Failed));
        assert!(!pro[0].name_changes.question_marks);
        assert_eq!(pro[1].kind, ClaimKind::Delete);
        assert_eq!(pro[1].direction, None);
        let unknown = read(&["Thu Dec 13 10:15:00 2026 3 192.0.2.9 7 /x b _ o r ida ftp 0 * c"]);
        assert_eq!(unknown[0].bytes.unwrap().counted, Counted::Unknown);
    }

    #[test]
    fn names_and_passwords_with_blanks_and_flags_inside_survive() {
        let claims = read(&[
            "Thu Dec  3 10:15:00 2026 1 192.0.2.9 7 /a b _ o r x y.bin b _ o a me and you ftp 0 * c",
            "Thu Dec  3 10:15:00 2026 1 ::ffff:192.0.2.9 7 / b _ o r c ftp 0 c",
        ]);
        assert_eq!(claims[0].path.as_deref(), Some(&b"/a b _ o r x y.bin"[..]));
        assert_eq!(claims[0].anonymous_password.as_deref(), Some("me and you"));
        assert_eq!(claims[1].host.as_deref(), Some("192.0.2.9"));
        // The fields end with the name of a user: there is no status.
        assert_eq!(
            (claims[1].status, claims[1].user.as_deref()),
            (None, Some("c"))
        );
    }

    #[test]
    fn other_lines_are_unreadable() {
        for line in [
            "Thu Dec  3 10:15:00 2026 1 192.0.2.9 7 /a b _ o r",
            "Thu Dec  3 10:15:00 2026 1 192.0.2.9 -7 /a b _ o r x ftp 0 * c",
            "Thu Dec  3 10:15:00 2026 1 192.0.2.9 7  b _ o r x ftp 0 * c",
            "Thu Dec 33 10:15:00 2026 1 192.0.2.9 7 /a b _ o r x ftp 0 * c",
            "Thu Dec  3 10:15:00 2026 [pid 3] CONNECT: Client \"192.0.2.9\"",
            "0 * c",
        ] {
            assert!(parse(line.as_bytes()).is_none(), "{line}");
        }
    }
}
