//! Logs of FTP servers, read line by line into claims.
//!
//! ```text
//! --log ──> log_inputs ──> LogFile::open ── first 200 lines ──> kind
//!                             │
//!                   Lines ──> Grammar, one of the table ──> Claim
//! ```
//!
//! [`LogFile::open`] detects the kind by content where none is given; [`LogFile::next_claim`] returns the claims one by one,
//! in memory that does not grow with the log. Lines that no grammar knows are counted, never fatal. Logs may be compressed.
//!
//! # Grammars, and what they lack
//!
//! | kind | has | lacks |
//! | --- | --- | --- |
//! | `xferlog` | transfers with seconds, size, name, type, user; `ProFTPD`: deletions | logins, folders, renames, zone; names are changed; `Pure-FTPd` writes `c` whatever happened |
//! | `vsftpd` | logins, transfers, deletions, folders, renames, refused ones too; commands with `log_ftp_protocol` | zone, type, listings, session: a pid is none; a login refused at USER |
//! | `proftpd` | fields of the `LogFormat`; by default commands with their code, bytes and zone | commands outside the classes that are logged |
//! | `clf` | transfers with size and zone (`Pure-FTPd`); as `proftpd` where verbs are those of the protocol | status of `Pure-FTPd`'s lines, which have 200 whatever happened |
//! | `pureftpd-stats` | transfers with seconds, size, real path, session | status, refused and all else |
//! | `pureftpd-syslog` | logins, transfers, deletions, folders, renames | year or zone, depending on the syslog daemon; broken transfers |
//! | `w3c` | transfers with size, in UTC | status, refused and all else |
//! | `iis` | commands with their final code, in UTC, session | by default bytes and the client's port |
//! | `filezilla` | commands and replies of each session | sizes, zone in the form of the window |
//! | `filezilla09` | commands and replies of each session | sizes, zone, order of day and month |
//! | `pyftpdlib` | logins, transfers, deletions, folders, renames, port of the control connection | listings, whatever is refused, zone |
//! | `ftpscope` | sessions of an earlier report | lines: the line of a claim is that on which its session begins |
//!
//! # Clocks
//!
//! Lines of one log may come from processes with different zones: one that is locked into a folder loses its zone file. Each
//! claim has a `clock_group`, the kind of process that wrote its line. A zone that a line names is a claim as well.

mod clf;
mod earlier_report;
mod filezilla;
mod grammar;
mod inputs;
mod lines;
mod log_file;
mod log_format;
mod proftpd;
mod pureftpd;
mod pyftpdlib;
mod scan;
mod syslog;
mod vsftpd;
mod w3c;
mod xferlog;

#[cfg(test)]
mod tests;

pub use inputs::{LogInput, log_inputs};
pub use log_file::{Ending, LogCounts, LogError, LogFile, LogOptions, Sought};

use super::claim::ClaimKind;

/// The grammars that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LogKind {
    /// Transfers as wu-ftpd wrote them: vsftpd, `ProFTPD`, `Pure-FTPd`.
    Xferlog,
    /// The log of vsftpd, with or without the protocol.
    Vsftpd,
    /// `ExtendedLog` of `ProFTPD`, with the `LogFormat` that is given.
    Proftpd,
    /// Common log format: `Pure-FTPd`, and the default `ExtendedLog` of `ProFTPD`.
    Clf,
    /// Statistics of `Pure-FTPd`.
    PureftpdStats,
    /// `Pure-FTPd` through syslog.
    PureftpdSyslog,
    /// W3C extended, as `Pure-FTPd` writes it.
    W3c,
    /// W3C extended, as IIS writes it.
    Iis,
    /// `FileZilla` Server 1.x, and the form of its window.
    Filezilla,
    /// `FileZilla` Server 0.9.
    Filezilla09,
    /// The logging of pyftpdlib.
    Pyftpdlib,
    /// An earlier report of ftpscope, as JSON.
    Ftpscope,
}

/// The server that wrote a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Writer {
    /// vsftpd.
    Vsftpd,
    /// `ProFTPD`.
    Proftpd,
    /// `Pure-FTPd`.
    PureFtpd,
    /// pyftpdlib.
    Pyftpdlib,
    /// Internet Information Services.
    Iis,
    /// `FileZilla` Server.
    Filezilla,
    /// ftpscope itself.
    Ftpscope,
}

/// Whether a log has a line for events of some sort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// Every such event has a line.
    Always,
    /// The server's configuration decides: such events have lines if one of them has.
    IfAny,
    /// Such an event has no line, or not always one.
    Never,
}

impl LogKind {
    /// All kinds, in the order of the contract.
    pub const ALL: [Self; 12] = [
        Self::Xferlog,
        Self::Vsftpd,
        Self::Proftpd,
        Self::Clf,
        Self::PureftpdStats,
        Self::PureftpdSyslog,
        Self::W3c,
        Self::Iis,
        Self::Filezilla,
        Self::Filezilla09,
        Self::Pyftpdlib,
        Self::Ftpscope,
    ];

    /// Returns the name that `--log` and reports use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Xferlog => "xferlog",
            Self::Vsftpd => "vsftpd",
            Self::Proftpd => "proftpd",
            Self::Clf => "clf",
            Self::PureftpdStats => "pureftpd-stats",
            Self::PureftpdSyslog => "pureftpd-syslog",
            Self::W3c => "w3c",
            Self::Iis => "iis",
            Self::Filezilla => "filezilla",
            Self::Filezilla09 => "filezilla09",
            Self::Pyftpdlib => "pyftpdlib",
            Self::Ftpscope => "ftpscope",
        }
    }

    /// Returns the kind of this name; `None` if there is none.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns the server that writes this kind; `None` if several do.
    #[must_use]
    pub const fn writer(self) -> Option<Writer> {
        match self {
            Self::Xferlog | Self::Clf => None,
            Self::Vsftpd => Some(Writer::Vsftpd),
            Self::Proftpd => Some(Writer::Proftpd),
            Self::PureftpdStats | Self::PureftpdSyslog | Self::W3c => Some(Writer::PureFtpd),
            Self::Iis => Some(Writer::Iis),
            Self::Filezilla | Self::Filezilla09 => Some(Writer::Filezilla),
            Self::Pyftpdlib => Some(Writer::Pyftpdlib),
            Self::Ftpscope => Some(Writer::Ftpscope),
        }
    }

    /// Returns true if the grammar has a line for every event of this kind that was done, so that one without a line is
    /// missed.
    #[must_use]
    pub const fn guarantees(self, kind: ClaimKind) -> bool {
        let coverage = self.coverage(self.writer(), kind, Ending::Done);
        matches!(coverage, Coverage::Always)
    }

    /// Returns whether the log of this kind, by this server, has a line for events of one kind and ending.
    #[must_use]
    pub const fn coverage(
        self,
        writer: Option<Writer>,
        kind: ClaimKind,
        ending: Ending,
    ) -> Coverage {
        match self {
            Self::Xferlog => match (kind, ending, writer) {
                (ClaimKind::Transfer, Ending::Done, _)
                | (ClaimKind::Transfer, _, Some(Writer::Vsftpd))
                | (ClaimKind::Transfer, Ending::BrokenOff, Some(Writer::Proftpd)) => {
                    Coverage::Always
                }
                (ClaimKind::Delete, Ending::Done, _) => Coverage::IfAny,
                _ => Coverage::Never,
            },
            Self::Vsftpd => match kind {
                ClaimKind::List | ClaimKind::Command => Coverage::IfAny,
                _ => Coverage::Always,
            },
            // Which commands are logged, IIS and ProFTPD are told in their configuration, FileZilla by its levels.
            Self::Proftpd | Self::Iis | Self::Filezilla | Self::Filezilla09 => Coverage::IfAny,
            Self::Clf => match (kind, ending, writer) {
                (_, _, Some(Writer::Proftpd)) => Coverage::IfAny,
                (ClaimKind::Transfer, Ending::Done, _) => Coverage::Always,
                _ => Coverage::Never,
            },
            Self::PureftpdStats | Self::W3c => match (kind, ending) {
                (ClaimKind::Transfer, Ending::Done) => Coverage::Always,
                _ => Coverage::Never,
            },
            Self::PureftpdSyslog => match (kind, ending) {
                (ClaimKind::Transfer, Ending::Done) => Coverage::Always,
                (ClaimKind::Login | ClaimKind::List | ClaimKind::Command, _)
                | (_, Ending::Done) => Coverage::IfAny,
                _ => Coverage::Never,
            },
            Self::Pyftpdlib => match (kind, ending) {
                (ClaimKind::List, _) | (ClaimKind::Command, Ending::Refused) => Coverage::Never,
                (ClaimKind::Command, _) => Coverage::IfAny,
                (ClaimKind::Login, _)
                | (ClaimKind::Transfer, Ending::BrokenOff)
                | (_, Ending::Done) => Coverage::Always,
                _ => Coverage::Never,
            },
            Self::Ftpscope => Coverage::Always,
        }
    }
}

impl std::fmt::Display for LogKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
