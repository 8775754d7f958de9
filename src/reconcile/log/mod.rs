//! Logs of FTP servers, read line by line into claims.
//!
//! A log is opened with [`LogFile::open`], which tells its kind by content where none is given; [`LogFile::next_claim`] gives
//! the claims in the order of their lines. What no grammar knows is counted, never fatal.

use super::claim::ClaimKind;

/// The grammars that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LogKind {
    /// Transfers as wu-ftpd wrote them: vsftpd, ProFTPD, Pure-FTPd.
    Xferlog,
    /// The log of vsftpd, with or without the protocol.
    Vsftpd,
    /// ExtendedLog of ProFTPD, with the LogFormat that is given.
    Proftpd,
    /// Common log format: Pure-FTPd, and the default ExtendedLog of ProFTPD.
    Clf,
    /// Statistics of Pure-FTPd.
    PureftpdStats,
    /// Pure-FTPd through syslog.
    PureftpdSyslog,
    /// W3C extended, as Pure-FTPd writes it.
    W3c,
    /// W3C extended, as IIS writes it.
    Iis,
    /// FileZilla Server 1.x, and the form of its window.
    Filezilla,
    /// FileZilla Server 0.9.
    Filezilla09,
    /// The logging of pyftpdlib.
    Pyftpdlib,
    /// An earlier report of ftpscope, as JSON.
    Ftpscope,
}

impl LogKind {
    /// Returns true if the grammar has a line for every event of this kind, so that one without a line is missed.
    #[must_use]
    pub const fn guarantees(self, kind: ClaimKind) -> bool {
        match self {
            Self::Xferlog | Self::Clf | Self::PureftpdStats | Self::W3c => {
                matches!(kind, ClaimKind::Transfer)
            }
            _ => false,
        }
    }
}
