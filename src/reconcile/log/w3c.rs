//! W3C extended log format, as `Pure-FTPd` and IIS write it.
//!
//! ```text
//! #Fields: date time c-ip cs-method cs-uri-stem sc-status cs-username sc-bytes
//! 2026-11-29 12:15:10 192.0.2.7 []sent /srv/ftp/a%20b.txt 226 mira 3
//! ```
//!
//! `#Fields:` may come again in the middle, with other fields. Times are UTC, `-` is an absent value.
//!
//! | | `Pure-FTPd` | IIS |
//! | --- | --- | --- |
//! | methods | `[]sent`, `[]created` | verbs; IIS 6: `[N]USER`, `[N]sent`, `[N]created`, N a session |
//! | names | real path, percent-encoded | `x-fullpath` as the client sees it, else the argument; `+` for a blank |
//! | code | constant, no status | that of the final reply |

use std::collections::VecDeque;

use super::grammar::{Line, PendingUsers, Reading, RenameSources, command_claim, set_code};
use super::scan::{
    code, host, iso_date, number, percent_decoded, present, split_last, string, zoneless,
};
use crate::reconcile::claim::{
    Claim, ClaimKind, ClaimedBytes, Counted, Direction, LogTime, PathForm,
};

/// Reader of either server's logs.
#[derive(Debug)]
pub(super) struct W3cReader {
    server: Server,
    fields: Vec<Field>,
    /// Date of `#Date:`, for logs whose lines have only a time.
    date: Vec<u8>,
    users: PendingUsers,
    renames: RenameSources,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    PureFtpd,
    Iis,
}

/// Fields that are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Date,
    Time,
    Client,
    ClientPort,
    User,
    Method,
    Stem,
    Status,
    /// Bytes that the server sent.
    Sent,
    /// Bytes that the server received.
    Received,
    TimeTaken,
    Session,
    FullPath,
    Other,
}

/// Values of a line by field.
struct Row<'r, 'a> {
    fields: &'r [Field],
    values: Vec<&'a [u8]>,
}

impl<'a> Row<'_, 'a> {
    /// Returns the value of a field; `None` if it is absent or `-`.
    fn get(&self, field: Field) -> Option<&'a [u8]> {
        let at = self.fields.iter().position(|found| *found == field)?;
        self.values
            .get(at)
            .copied()
            .filter(|value| *value != b"-" && !value.is_empty())
    }
}

impl W3cReader {
    /// Creates a reader of `Pure-FTPd`'s logs.
    pub(super) fn of_pure_ftpd() -> Self {
        Self::new(Server::PureFtpd, FIELDS_OF_PURE_FTPD)
    }

    /// Creates a reader of the logs of IIS.
    pub(super) fn of_iis() -> Self {
        Self::new(Server::Iis, FIELDS_OF_IIS)
    }

    fn new(server: Server, fields: &[u8]) -> Self {
        Self {
            server,
            fields: parse_fields(fields),
            date: Vec::new(),
            users: PendingUsers::default(),
            renames: RenameSources::default(),
        }
    }

    pub(super) fn read(&mut self, line: Line<'_>, claims: &mut VecDeque<Claim>) -> Reading {
        if let Some(directive) = line.bytes.strip_prefix(b"#") {
            return self.directive(directive);
        }
        let values: Vec<&[u8]> = words(line.bytes).collect();
        if values.len() != self.fields.len() {
            return Reading::Unreadable;
        }
        let fields = std::mem::take(&mut self.fields);
        let row = Row {
            fields: &fields,
            values,
        };
        let claim = self.row(line, &row);
        self.fields = fields;
        match claim {
            Some(Ok(claim)) => claims.push_back(claim),
            Some(Err(NoClaim)) => {}
            None => return Reading::Unreadable,
        }
        Reading::Known
    }

    fn directive(&mut self, directive: &[u8]) -> Reading {
        let Some(colon) = memchr::memchr(b':', directive) else {
            return Reading::Unreadable;
        };
        let value = directive[colon + 1..].trim_ascii();
        match &directive[..colon] {
            b"Fields" => self.fields = parse_fields(value),
            b"Date" => self.date = words(value).next().unwrap_or_default().to_vec(),
            b"Software" => {
                let is_iis = value.starts_with(b"Microsoft");
                if is_iis != (self.server == Server::Iis) {
                    return Reading::Unreadable;
                }
            }
            _ => {}
        }
        Reading::Known
    }

    /// Returns the claim of a row; `None` if it is not one of this server.
    fn row(&mut self, line: Line<'_>, row: &Row<'_, '_>) -> Option<Result<Claim, NoClaim>> {
        let time = self.time(row)?;
        let method = row.get(Field::Method)?;
        let (session, method) = match method.strip_prefix(b"[") {
            Some(rest) => {
                let end = memchr::memchr(b']', rest)?;
                (Some(&rest[..end]), &rest[end + 1..])
            }
            None => (None, method),
        };
        let direction = match method {
            b"sent" => Some(Direction::Download),
            b"created" | b"appended" => Some(Direction::Upload),
            _ => None,
        };
        let mut claim = match self.server {
            Server::PureFtpd => {
                if session != Some(b"") {
                    return None;
                }
                let mut claim = line.claim(ClaimKind::Transfer);
                claim.direction = Some(direction?);
                claim.path = row.get(Field::Stem).map(percent_decoded);
                claim.path_form = PathForm::Real;
                claim.name_changes.underscores = true;
                claim
            }
            Server::Iis if session == Some(b"") => return None,
            Server::Iis => {
                let verb = match (direction, method) {
                    (Some(Direction::Download), _) => &b"RETR"[..],
                    (Some(Direction::Upload), b"appended") => b"APPE",
                    (Some(Direction::Upload), _) => b"STOR",
                    (None, verb) => verb,
                };
                // Rows about connections, such as ControlChannelOpened and IIS 6's `closed`.
                if verb == b"closed" || verb.ends_with(b"Opened") || verb.ends_with(b"Closed") {
                    return Some(Err(NoClaim));
                }
                if !verb.iter().all(u8::is_ascii_alphabetic) {
                    return None;
                }
                let mut claim = command_claim(line, verb, row.get(Field::Stem));
                claim.name_changes.plus_signs = true;
                if let Some(path) = row.get(Field::FullPath)
                    && !matches!(claim.kind, ClaimKind::Login | ClaimKind::Command)
                {
                    claim.path = Some(path.to_vec());
                    claim.path_form = PathForm::Seen;
                }
                set_code(&mut claim, row.get(Field::Status).and_then(code));
                claim
            }
        };
        claim.time = Some(time);
        claim.host = row.get(Field::Client).and_then(host);
        claim.client_port = row
            .get(Field::ClientPort)
            .and_then(number)
            .and_then(|port| u16::try_from(port).ok());
        claim.session_key = row
            .get(Field::Session)
            .or(session.filter(|session| !session.is_empty()))
            .map(string);
        if claim.user.is_none() {
            claim.user = row.get(Field::User).and_then(|user| self.user(user));
        }
        let bytes = match claim.direction {
            Some(Direction::Upload) if self.server == Server::Iis => row.get(Field::Received),
            Some(_) => row.get(Field::Sent),
            None => None,
        };
        claim.bytes = bytes.and_then(number).map(|count| ClaimedBytes {
            count,
            counted: Counted::Wire,
        });
        let millis = row.get(Field::TimeTaken).and_then(number);
        if claim.kind == ClaimKind::Transfer {
            claim.duration = millis.and_then(|millis| millis.checked_mul(1_000_000));
        }
        if self.server == Server::Iis {
            let key = claim.session_key.clone().or_else(|| claim.host.clone());
            let key = key.unwrap_or_default();
            self.users.on_claim(key.as_bytes(), false, &mut claim);
            self.renames.on_claim(key.as_bytes(), &mut claim);
        }
        Some(Ok(claim))
    }

    fn time(&self, row: &Row<'_, '_>) -> Option<LogTime> {
        let date = row.get(Field::Date).unwrap_or(&self.date);
        let civil = iso_date(date)?.with_clock(row.get(Field::Time)?)?;
        Some(LogTime {
            offset: Some(0),
            ..zoneless(civil.wall()?)
        })
    }

    /// Returns the user without the computer or domain in front, which IIS adds.
    fn user(&self, user: &[u8]) -> Option<String> {
        let user = match split_last(user, b'\\') {
            Some((_, user)) if self.server == Server::Iis => user,
            _ => user,
        };
        present(user)
    }
}

/// A row that claims nothing.
struct NoClaim;

fn parse_fields(names: &[u8]) -> Vec<Field> {
    let field = |name: &[u8]| match name {
        b"date" => Field::Date,
        b"time" => Field::Time,
        b"c-ip" => Field::Client,
        b"c-port" => Field::ClientPort,
        b"cs-username" => Field::User,
        b"cs-method" => Field::Method,
        b"cs-uri-stem" => Field::Stem,
        b"sc-status" => Field::Status,
        b"sc-bytes" => Field::Sent,
        b"cs-bytes" => Field::Received,
        b"time-taken" => Field::TimeTaken,
        b"x-session" => Field::Session,
        b"x-fullpath" => Field::FullPath,
        _ => Field::Other,
    };
    words(names).map(field).collect()
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| matches!(byte, b' ' | b'\t'))
        .filter(|word| !word.is_empty())
}

/// Fields of logs that were cut at their beginning.
const FIELDS_OF_PURE_FTPD: &[u8] =
    b"date time c-ip cs-method cs-uri-stem sc-status cs-username sc-bytes";
const FIELDS_OF_IIS: &[u8] =
    b"date time c-ip cs-username s-ip s-port cs-method cs-uri-stem sc-status \
      sc-win32-status sc-substatus x-session x-fullpath";

#[cfg(test)]
mod tests {
    use super::super::tests::known_claims;
    use super::*;
    use crate::reconcile::claim::ClaimStatus;

    fn read(mut reader: W3cReader, lines: &[&str]) -> Vec<Claim> {
        let claims = known_claims(lines, |line, claims| reader.read(line, claims));
        claims.into()
    }

    #[test]
    fn transfers_of_pure_ftpd_are_in_utc_and_their_code_is_no_status() {
        let claims = read(
            W3cReader::of_pure_ftpd(),
            &[
                "#Software: Pure-FTPd 1.0.50",
                "#Version: 1.0",
                "#Fields: date time c-ip cs-method cs-uri-stem sc-status cs-username sc-bytes",
                "2026-12-03 10:15:00 192.0.2.9 []sent /srv/a%20b 226 ida 77",
                "2026-12-03 10:15:01 192.0.2.9 []created /srv/c 226 ida 5",
            ],
        );
        assert_eq!(claims[0].path.as_deref(), Some(&b"/srv/a b"[..]));
        assert_eq!((claims[0].status, claims[0].code), (None, None));
        assert_eq!(claims[0].time.unwrap().offset, Some(0));
        assert_eq!(claims[1].direction, Some(Direction::Upload));
        assert_eq!(claims[1].bytes.unwrap().count, 5);
    }

    #[test]
    fn rows_of_iis_are_joined_by_session_and_fields_may_change() {
        let claims = read(
            W3cReader::of_iis(),
            &[
                "#Software: Microsoft Internet Information Services 10.0",
                "#Fields: date time c-ip cs-username s-ip s-port cs-method cs-uri-stem sc-status sc-win32-status sc-substatus x-session x-fullpath",
                "2026-12-03 10:15:00 192.0.2.9 - 192.0.2.1 21 ControlChannelOpened - - 0 0 9a -",
                "2026-12-03 10:15:00 192.0.2.9 - 192.0.2.1 21 USER ida 331 0 0 9a -",
                "2026-12-03 10:15:00 192.0.2.9 - 192.0.2.1 21 PASS *** 530 1326 41 9a -",
                "2026-12-03 10:15:00 192.0.2.9 BOX\\ida 192.0.2.1 21 RETR a+b.txt 226 0 0 9a /in/a+b.txt",
                "#Fields: date time c-ip c-port cs-username cs-method cs-uri-stem sc-status sc-bytes cs-bytes time-taken x-session",
                "2026-12-03 10:15:01 192.0.2.9 50100 BOX\\ida STOR c.bin 226 29 7000 31 9a",
            ],
        );
        assert_eq!(claims.len(), 4);
        let login = &claims[1];
        assert_eq!(
            (login.user.as_deref(), login.status),
            (Some("ida"), Some(ClaimStatus::Failed))
        );
        let download = &claims[2];
        assert_eq!((download.path_form, download.bytes), (PathForm::Seen, None));
        assert!(download.name_changes.plus_signs);
        let upload = &claims[3];
        assert_eq!(
            (upload.client_port, upload.bytes.unwrap().count),
            (Some(50_100), 7000)
        );
        assert_eq!(
            (upload.duration, upload.user.as_deref()),
            (Some(31_000_000), Some("ida"))
        );
    }

    #[test]
    fn rows_of_iis_6_have_the_session_in_front_of_the_method() {
        let claims = read(
            W3cReader::of_iis(),
            &[
                "#Date: 2026-12-03 10:00:00",
                "#Fields: time c-ip cs-method cs-uri-stem sc-status",
                "10:15:00 192.0.2.9 [7]USER ida 331",
                "10:15:00 192.0.2.9 [7]PASS - 230",
                "10:15:01 192.0.2.9 [7]sent /in/a.txt 226",
                "10:15:02 192.0.2.9 [7]closed - 426",
            ],
        );
        assert_eq!(claims.len(), 3);
        assert_eq!(
            (claims[1].kind, claims[1].user.as_deref()),
            (ClaimKind::Login, Some("ida"))
        );
        assert_eq!(
            (claims[2].verb.as_deref(), claims[2].session_key.as_deref()),
            (Some("RETR"), Some("7"))
        );
    }

    #[test]
    fn rows_of_the_other_server_are_unreadable() {
        let line = |bytes| Line { number: 1, bytes };
        let mut claims = VecDeque::new();
        let row = b"2026-12-03 10:15:00 192.0.2.9 []sent /srv/a 226 ida 77";
        assert_eq!(
            W3cReader::of_iis().read(line(row), &mut claims),
            Reading::Unreadable
        );
        let mut reader = W3cReader::of_pure_ftpd();
        for bytes in [
            &b"2026-12-03 10:15:00 192.0.2.9 RETR /srv/a 226 ida 77"[..],
            b"2026-12-03",
            b"#",
        ] {
            assert_eq!(reader.read(line(bytes), &mut claims), Reading::Unreadable);
        }
    }
}
