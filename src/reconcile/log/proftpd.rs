//! `ProFTPD`'s `ExtendedLog`, by its `LogFormat`.
//!
//! The line of a command is written when it is done, with the code of its final reply. PASS is the login: a refused one has
//! `-` for the user, whose name stands in the line of the USER before it. RNTO is the rename, and RNFR has its old name.

use std::collections::VecDeque;

use super::clf::{command_bytes, verb_and_argument};
use super::grammar::{
    Line, PendingUsers, Reading, RenameSources, command_claim, set_code, set_joined_blanks,
};
use super::log_format::{Field, LogFormat, Values};
use super::scan::{code, host, number, present, seconds, string};
use super::{LogError, LogOptions};
use crate::reconcile::claim::{
    Claim, ClaimKind, ClaimStatus, ClaimedBytes, Counted, LoggedType, PathForm,
};

/// Reader of an `ExtendedLog`.
#[derive(Debug)]
pub(super) struct ProftpdReader {
    format: LogFormat,
    users: PendingUsers,
    renames: RenameSources,
}

impl ProftpdReader {
    /// Prepares to read the format of the options, or the default one.
    ///
    /// # Errors
    ///
    /// The format is ambiguous or unknown.
    pub(super) fn new(options: &LogOptions) -> Result<Self, LogError> {
        let format = options.log_format.as_deref().unwrap_or(DEFAULT_FORMAT);
        let parsed = LogFormat::parse(format).map_err(|cause| LogError::Format {
            format: format.to_owned(),
            cause,
        })?;
        Ok(Self {
            format: parsed,
            users: PendingUsers::default(),
            renames: RenameSources::default(),
        })
    }

    pub(super) fn read(&mut self, line: Line<'_>, claims: &mut VecDeque<Claim>) -> Reading {
        let Some(values) = self.format.read(line.bytes) else {
            return Reading::Unreadable;
        };
        let request = values.get(Field::Request).map(verb_and_argument);
        let verb = request
            .map(|(verb, _)| verb)
            .or(values
                .get(Field::Verb)
                .map(|verb| verb_and_argument(verb).0))
            .unwrap_or_default();
        let session = session(&values);
        let has_pid = values.get(Field::Pid).is_some();
        // The end of a session has a line without a command; its pid may be given to another one.
        if verb.is_empty() {
            if has_pid {
                self.users.end(&session);
                self.renames.end(&session);
            }
            return Reading::Known;
        }
        let argument = request
            .and_then(|(_, argument)| argument)
            .or(values.get(Field::Argument))
            .filter(|argument| !argument.is_empty());
        let mut claim = command_claim(line, verb, argument);
        let user = values.get(Field::User);
        claim.time = values.time;
        claim.clock_group = match user {
            None => 0,
            Some(b"ftp" | b"anonymous") => 2,
            Some(_) => 1,
        };
        claim.host = values
            .get(Field::Address)
            .or(values.get(Field::Host))
            .and_then(host);
        if claim.user.is_none() {
            claim.user = user.and_then(present);
        }
        claim.client_port = values
            .get(Field::RemotePort)
            .and_then(number)
            .and_then(|port| u16::try_from(port).ok());
        claim.session_key = values.get(Field::Pid).map(string);
        set_code(&mut claim, values.get(Field::Code).and_then(code));
        set_path(&mut claim, &values);
        set_joined_blanks(&mut claim);
        if claim.kind == ClaimKind::Transfer {
            set_transfer(&mut claim, &values);
        }
        claim.bytes = command_bytes(claim.kind, values.get(Field::Bytes).and_then(number));
        if claim.bytes.is_none() && claim.kind == ClaimKind::Transfer {
            let size = values.get(Field::FileSize).and_then(number);
            claim.bytes = size.map(|count| ClaimedBytes {
                count,
                counted: Counted::WholeFile,
            });
        }
        if has_pid && claim.verb.as_deref() == Some("USER") {
            self.renames.end(&session);
        }
        self.users.on_claim(&session, has_pid, &mut claim);
        self.renames.on_claim(&session, &mut claim);
        if claim.kind == ClaimKind::Rename
            && let Some(old) = values.get(Field::RenamedFrom)
        {
            claim.path = Some(old.to_vec());
        }
        claims.push_back(claim);
        Reading::Known
    }
}

/// Returns the best name for a session that the format has.
fn session(values: &Values<'_>) -> Vec<u8> {
    let fields: &[Field] = match values.get(Field::Pid) {
        // A pid is used again by later sessions.
        Some(_) => &[Field::Pid, Field::Address, Field::Host],
        None => &[Field::Address, Field::Host, Field::RemotePort],
    };
    let parts: Vec<&[u8]> = fields
        .iter()
        .filter_map(|field| values.get(*field))
        .collect();
    parts.join(&b' ')
}

/// Prefers the path that the server made of the argument, for what has one. Of a rename both names are arguments.
fn set_path(claim: &mut Claim, values: &Values<'_>) {
    let has_path = matches!(
        claim.kind,
        ClaimKind::Transfer | ClaimKind::Delete | ClaimKind::Mkdir | ClaimKind::Rmdir
    );
    let is_absolute = |path: &&[u8]| path.starts_with(b"/");
    if !has_path {
        return;
    }
    if let Some(path) = values.get(Field::SeenPath).filter(is_absolute) {
        claim.path = Some(path.to_vec());
        claim.path_form = PathForm::Seen;
    } else if let Some(path) = values.get(Field::RealPath).filter(is_absolute) {
        claim.path = Some(path.to_vec());
        claim.path_form = PathForm::Real;
    }
}

fn set_transfer(claim: &mut Claim, values: &Values<'_>) {
    match values.get(Field::TransferStatus) {
        Some(b"success") => claim.status = Some(ClaimStatus::Done),
        Some(_) => claim.status = Some(ClaimStatus::Failed),
        None => {}
    }
    claim.data_type = match values.get(Field::TransferType) {
        Some(name) if name.eq_ignore_ascii_case(b"ascii") => Some(LoggedType::Ascii),
        Some(name) if name.eq_ignore_ascii_case(b"binary") => Some(LoggedType::Image),
        _ => None,
    };
    let millis = values.get(Field::Millis).and_then(number);
    claim.duration = millis
        .and_then(|millis| millis.checked_mul(1_000_000))
        .or_else(|| values.get(Field::Seconds).and_then(seconds));
}

/// Format of an `ExtendedLog` without a name.
const DEFAULT_FORMAT: &str = "%h %l %u %t \"%r\" %s %b";

#[cfg(test)]
mod tests {
    use super::super::tests::known_claims;
    use super::*;

    fn read(format: &str, lines: &[&str]) -> Vec<Claim> {
        let mut reader = ProftpdReader::new(&LogOptions {
            log_format: Some(format.to_owned()),
            ..LogOptions::default()
        })
        .unwrap();
        let claims = known_claims(lines, |line, claims| reader.read(line, claims));
        claims.into()
    }

    #[test]
    fn custom_format_gives_paths_status_and_duration() {
        let claims = read(
            r#"%{%Y-%m-%d %H:%M:%S}t %a %P %u "%m %J" %s %b %T "%f" "%F" %{transfer-status}"#,
            &[
                r#"2026-12-03 10:15:00 192.0.2.9 71 ida "STOR a b.bin" 226 700 0.031 "/srv/a b.bin" "/a b.bin" success"#,
                r#"2026-12-03 10:15:00 192.0.2.9 71 ida "RETR none" 550 - - "-" "-" failed"#,
                r#"2026-12-03 10:15:00 192.0.2.9 71 - "PASS (hidden)" 230 - - "-" "-" -"#,
            ],
        );
        assert_eq!(claims[0].path.as_deref(), Some(&b"/a b.bin"[..]));
        assert_eq!(claims[0].path_form, PathForm::Seen);
        assert_eq!(
            (claims[0].duration, claims[0].session_key.as_deref()),
            (Some(31_000_000), Some("71"))
        );
        assert_eq!(claims[0].bytes.unwrap().counted, Counted::File);
        assert_eq!(claims[1].path.as_deref(), Some(&b"none"[..]));
        assert_eq!(
            (claims[1].status, claims[1].code),
            (Some(ClaimStatus::Failed), Some(550))
        );
        assert_eq!(
            (claims[2].kind, claims[2].path.clone()),
            (ClaimKind::Login, None)
        );
    }

    #[test]
    fn logins_and_renames_use_the_lines_of_the_same_process() {
        let claims = read(
            "%P %u %s %r",
            &[
                "71 - 331 USER ida",
                "72 - 331 USER max",
                "71 - 530 PASS (hidden)",
                "72 max 230 PASS (hidden)",
                "71 ida 350 RNFR old name",
                "72 max 350 RNFR other",
                "71 ida 250 RNTO new name",
            ],
        );
        assert_eq!(claims[2].user.as_deref(), Some("ida"));
        assert_eq!(claims[6].path.as_deref(), Some(&b"old name"[..]));
        assert_eq!(claims[6].new_path.as_deref(), Some(&b"new name"[..]));
    }

    #[test]
    fn pid_of_an_ended_session_is_that_of_another_one() {
        let claims = read(
            "%P %a %u %s %r",
            &[
                "71 192.0.2.9 - 331 USER ida",
                "71 192.0.2.9 - - -",
                "71 192.0.2.9 - 331 USER max",
                "71 192.0.2.9 - 331 USER eve",
                "71 192.0.2.9 - 530 PASS (hidden)",
                "71 192.0.2.9 - 331 USER max",
                "71 192.0.2.9 max 230 PASS (hidden)",
                "71 192.0.2.9 max 350 RNFR old name",
                "71 192.0.2.9 - 331 USER ida",
                "71 192.0.2.9 ida 503 RNTO new name",
            ],
        );
        let users: Vec<Option<&str>> = claims.iter().map(|claim| claim.user.as_deref()).collect();
        assert_eq!(users[3], Some("eve"), "{users:?}");
        assert_eq!(users[5], Some("max"), "{users:?}");
        let renamed = claims.last().expect("the last line");
        assert_eq!((renamed.kind, &renamed.path), (ClaimKind::Rename, &None));
    }
}
