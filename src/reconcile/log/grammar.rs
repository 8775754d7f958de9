//! One grammar out of the table, behind one interface.

use std::collections::{HashMap, VecDeque};

use super::clf::ClfReader;
use super::earlier_report::ReportReader;
use super::filezilla::FilezillaReader;
use super::proftpd::ProftpdReader;
use super::pyftpdlib::PyftpdlibReader;
use super::scan::present;
use super::w3c::W3cReader;
use super::xferlog::XferlogReader;
use super::{LogError, LogKind, LogOptions, Writer};
use super::{pureftpd, vsftpd};
use crate::reconcile::claim::{Claim, ClaimKind, ClaimStatus, Direction, PathForm};

/// A line of a log, without its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    /// Number from 1.
    pub(super) number: u64,
    pub(super) bytes: &'a [u8],
}

/// The result of reading one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// The line is one of the grammar, whether it claims something or not.
    Known,
    /// The line belongs to another program: those of a syslog daemon stand in one file.
    Unrelated,
    /// The grammar does not have such a line.
    Unreadable,
}

/// A grammar with its memory of earlier lines.
pub(super) enum Grammar {
    Xferlog(XferlogReader),
    Vsftpd,
    Proftpd(ProftpdReader),
    Clf(ClfReader),
    PureftpdStats,
    PureftpdSyslog,
    W3c(W3cReader),
    Filezilla(FilezillaReader),
    Pyftpdlib(PyftpdlibReader),
    Report(ReportReader),
}

impl Line<'_> {
    /// Creates a claim of this line.
    pub(super) fn claim(&self, kind: ClaimKind) -> Claim {
        Claim::new(kind, self.number, &String::from_utf8_lossy(self.bytes))
    }
}

impl Grammar {
    /// Prepares to read a log of this kind.
    ///
    /// # Errors
    ///
    /// The `LogFormat` in `options` cannot be read backwards.
    pub(super) fn new(kind: LogKind, options: &LogOptions) -> Result<Self, LogError> {
        Ok(match kind {
            LogKind::Xferlog => Self::Xferlog(XferlogReader::default()),
            LogKind::Vsftpd => Self::Vsftpd,
            LogKind::Proftpd => Self::Proftpd(ProftpdReader::new(options)?),
            LogKind::Clf => Self::Clf(ClfReader::default()),
            LogKind::PureftpdStats => Self::PureftpdStats,
            LogKind::PureftpdSyslog => Self::PureftpdSyslog,
            LogKind::W3c => Self::W3c(W3cReader::of_pure_ftpd()),
            LogKind::Iis => Self::W3c(W3cReader::of_iis()),
            LogKind::Filezilla => Self::Filezilla(FilezillaReader::new(false, options.captured)),
            LogKind::Filezilla09 => Self::Filezilla(FilezillaReader::new(true, options.captured)),
            LogKind::Pyftpdlib => Self::Pyftpdlib(PyftpdlibReader::default()),
            LogKind::Ftpscope => Self::Report(ReportReader::default()),
        })
    }

    /// Learns from the first lines, before they are read.
    pub(super) fn prepare(&mut self, lines: &[&[u8]]) {
        match self {
            Self::Xferlog(reader) => {
                for line in lines {
                    reader.look_at(line);
                }
            }
            Self::Clf(reader) => {
                for line in lines {
                    reader.look_at(line);
                }
            }
            Self::Filezilla(reader) => {
                for line in lines {
                    reader.look_at(line);
                }
            }
            _ => {}
        }
    }

    /// Returns true while only later lines can show how dates are to be read.
    pub(super) fn is_undecided(&self) -> bool {
        matches!(self, Self::Filezilla(reader) if reader.is_undecided())
    }

    /// Returns the kind that lines show, of kinds that have the same lines as `kind`: the default format of `ProFTPD` is the
    /// common log format with verbs of the protocol.
    pub(super) fn refined(kind: LogKind, lines: &[&[u8]]) -> LogKind {
        let mut reader = ClfReader::default();
        if kind == LogKind::Clf {
            for line in lines {
                reader.look_at(line);
            }
        }
        match reader.writer() {
            Some(Writer::Proftpd) => LogKind::Proftpd,
            _ => kind,
        }
    }

    /// Reads a line that is not empty. Claims are appended to `claims`: of this line, or of earlier ones that it ends.
    pub(super) fn read(&mut self, line: Line<'_>, claims: &mut VecDeque<Claim>) -> Reading {
        match self {
            Self::Xferlog(reader) => reader.read(line, claims),
            Self::Vsftpd => vsftpd::read(line, claims),
            Self::Proftpd(reader) => reader.read(line, claims),
            Self::Clf(reader) => reader.read(line, claims),
            Self::PureftpdStats => pureftpd::read_stats(line, claims),
            Self::PureftpdSyslog => pureftpd::read_syslog(line, claims),
            Self::W3c(reader) => reader.read(line, claims),
            Self::Filezilla(reader) => reader.read(line, claims),
            Self::Pyftpdlib(reader) => reader.read(line, claims),
            Self::Report(reader) => reader.read(line, claims),
        }
    }

    /// Appends the claims that were pending at the end of the log.
    pub(super) fn finish(&mut self, claims: &mut VecDeque<Claim>) {
        if let Self::Filezilla(reader) = self {
            reader.finish(claims);
        }
    }

    /// Returns the server that wrote the log, as far as its lines show; `None` while they do not.
    pub(super) fn writer(&self) -> Option<Writer> {
        match self {
            Self::Xferlog(reader) => reader.writer(),
            Self::Clf(reader) => reader.writer(),
            _ => None,
        }
    }
}

/// Returns the kind of claim that a command of the protocol makes.
pub(super) fn kind_of_verb(verb: &str) -> ClaimKind {
    match verb {
        "RETR" | "STOR" | "STOU" | "APPE" => ClaimKind::Transfer,
        "LIST" | "NLST" | "MLSD" => ClaimKind::List,
        "DELE" => ClaimKind::Delete,
        "MKD" | "XMKD" => ClaimKind::Mkdir,
        "RMD" | "XRMD" => ClaimKind::Rmdir,
        "RNTO" => ClaimKind::Rename,
        "PASS" => ClaimKind::Login,
        _ => ClaimKind::Command,
    }
}

/// Returns the status that a final reply means (RFC 959 section 4.2.1); `None` for 3yz, which asks for more.
pub(super) const fn status_of_code(code: u16) -> Option<ClaimStatus> {
    match code / 100 {
        2 => Some(ClaimStatus::Done),
        4 | 5 => Some(ClaimStatus::Failed),
        _ => None,
    }
}

/// Returns a claim of a command of the protocol, as logs name it: `path` is the argument as it was sent, which PASS and ACCT
/// never keep, and which of USER is the user.
pub(super) fn command_claim(line: Line<'_>, verb: &[u8], argument: Option<&[u8]>) -> Claim {
    let verb = String::from_utf8_lossy(verb).to_ascii_uppercase();
    let mut claim = line.claim(kind_of_verb(&verb));
    match verb.as_str() {
        "PASS" | "ACCT" => {}
        "USER" => claim.user = argument.and_then(present),
        _ => {
            claim.path = argument.map(<[u8]>::to_vec);
            claim.path_form = PathForm::Argument;
        }
    }
    claim.direction = match verb.as_str() {
        "RETR" => Some(Direction::Download),
        "STOR" | "STOU" | "APPE" => Some(Direction::Upload),
        _ => None,
    };
    claim.verb = Some(verb);
    claim
}

/// Marks the argument of a command that `ProFTPD` wrote from its words: blanks between them were one or several.
pub(super) fn set_joined_blanks(claim: &mut Claim) {
    claim.name_changes.joined_blanks = claim.path_form == PathForm::Argument;
}

/// Sets the code of a command's final reply, and the status it means. A USER that was accepted needed no PASS: it is the login.
pub(super) fn set_code(claim: &mut Claim, code: Option<u16>) {
    claim.code = code;
    claim.status = code.and_then(status_of_code);
    if claim.verb.as_deref() == Some("USER") && claim.status == Some(ClaimStatus::Done) {
        claim.kind = ClaimKind::Login;
    }
}

/// Names that RNFR gave, until the RNTO of the same session.
#[derive(Debug, Default)]
pub(super) struct RenameSources {
    sources: HashMap<Vec<u8>, Vec<u8>>,
}

impl RenameSources {
    /// Notes the name of an RNFR, and gives an RNTO the name before it. `key` is the same for the lines of one session.
    pub(super) fn on_claim(&mut self, key: &[u8], claim: &mut Claim) {
        if claim.kind == ClaimKind::Rename && claim.new_path.is_none() {
            claim.new_path = claim.path.take();
            claim.path = self.sources.remove(key);
        } else if claim.verb.as_deref() == Some("RNFR") && claim.status != Some(ClaimStatus::Failed)
        {
            // Sessions that end between the two commands would stay for ever.
            if self.sources.len() >= MAX_PENDING {
                self.sources.clear();
            }
            if let Some(path) = &claim.path {
                self.sources.insert(key.to_vec(), path.clone());
            }
        }
    }

    /// Forgets the name that RNFR gave in a session: it has ended, or another one has begun with the same key.
    pub(super) fn end(&mut self, key: &[u8]) {
        self.sources.remove(key);
    }
}

/// Users that USER named, until the PASS of the same session.
#[derive(Debug, Default)]
pub(super) struct PendingUsers {
    users: HashMap<Vec<u8>, PendingUser>,
}

/// USER lines of one key that wait for their PASS.
#[derive(Debug)]
struct PendingUser {
    /// `None` once two lines name different users: the key may stand for sessions side by side.
    user: Option<String>,
    lines: u32,
}

impl PendingUsers {
    /// Notes the user of a USER, and gives a login without a user that of the USER before it. `key` is that of one session at a
    /// time if `is_exclusive`: a USER that still waits is then of an ended session, or was taken back by the next one.
    pub(super) fn on_claim(&mut self, key: &[u8], is_exclusive: bool, claim: &mut Claim) {
        if claim.verb.as_deref() == Some("USER") {
            if self.users.len() >= MAX_PENDING {
                self.users.clear();
            }
            if is_exclusive {
                self.users.remove(key);
            }
            // No PASS follows a USER that is the login, or was refused.
            if claim.kind == ClaimKind::Login || claim.status == Some(ClaimStatus::Failed) {
                return;
            }
            let pending = self
                .users
                .entry(key.to_vec())
                .or_insert_with(|| PendingUser {
                    user: claim.user.clone(),
                    lines: 0,
                });
            pending.lines = pending.lines.saturating_add(1);
            if pending.user != claim.user {
                pending.user = None;
            }
        } else if claim.kind == ClaimKind::Login {
            let Some(pending) = self.users.get_mut(key) else {
                return;
            };
            if claim.user.is_none() {
                claim.user.clone_from(&pending.user);
                claim.user_is_inferred = claim.user.is_some();
            }
            pending.lines -= 1;
            if pending.lines == 0 {
                self.users.remove(key);
            }
        }
    }

    /// Forgets the user of a session that has ended.
    pub(super) fn end(&mut self, key: &[u8]) {
        self.users.remove(key);
    }
}

/// Sessions whose earlier lines are remembered.
const MAX_PENDING: usize = 4096;
