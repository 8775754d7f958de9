//! Command lines: verb and argument.
//!
//! RFC 959 section 5.3: verbs are case-insensitive. RFC 2640 section 3.1: exactly one space parts verb and argument; further
//! and trailing spaces belong to the name.

use super::reply::size_reply;

/// A command line taken apart; nothing is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedCommand<'a> {
    /// The verb in upper case, as sent otherwise.
    pub verb: Vec<u8>,
    /// What follows the first space.
    pub argument: Option<&'a [u8]>,
}

/// Takes a line apart. Spaces before the verb are skipped, and what urgent handling left there of a Telnet Data Mark (RFC 854).
#[must_use]
pub fn parse_command(line: &[u8]) -> ParsedCommand<'_> {
    let start = line
        .iter()
        .position(|&byte| !matches!(byte, b' ' | DATA_MARK | IAC))
        .unwrap_or(line.len());
    let line = &line[start..];
    let (verb, argument) = match line.iter().position(|&byte| byte == b' ') {
        Some(at) => (&line[..at], Some(&line[at + 1..])),
        None => (line, None),
    };
    ParsedCommand {
        verb: verb.to_ascii_uppercase(),
        argument,
    }
}

macro_rules! verbs {
    ($($(#[$doc:meta])* $name:ident = $($text:literal)|+,)*) => {
        /// The commands whose meaning matters here; synonyms of RFC 775 (XCWD and so on) are one value.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Verb {
            $($(#[$doc])* $name,)*
            /// Known, without a meaning here.
            Other,
            /// Not in the registry of RFC 5797, nor common.
            Unknown,
        }

        impl Verb {
            /// From a verb in upper case.
            #[must_use]
            pub fn from_bytes(verb: &[u8]) -> Self {
                match verb {
                    $($($text)|+ => Self::$name,)*
                    _ if OTHERS.contains(&verb) => Self::Other,
                    _ => Self::Unknown,
                }
            }
        }
    };
}

verbs! {
    /// Back to the parent directory.
    Cdup = b"CDUP" | b"XCUP",
    /// Change the working directory.
    Cwd = b"CWD" | b"XCWD",
    /// User name.
    User = b"USER",
    /// Password.
    Pass = b"PASS",
    /// Account.
    Acct = b"ACCT",
    /// Back to the state before the login.
    Rein = b"REIN",
    /// The end.
    Quit = b"QUIT",
    /// Active data connection (RFC 959).
    Port = b"PORT",
    /// Passive data connection (RFC 959).
    Pasv = b"PASV" | b"CPSV",
    /// Active data connection (RFC 2428).
    Eprt = b"EPRT",
    /// Passive data connection (RFC 2428).
    Epsv = b"EPSV",
    /// Active data connection (RFC 1639).
    Lprt = b"LPRT",
    /// Passive data connection (RFC 1639).
    Lpsv = b"LPSV",
    /// Representation type.
    Type = b"TYPE",
    /// File structure.
    Stru = b"STRU",
    /// Transfer mode.
    Mode = b"MODE",
    /// Download.
    Retr = b"RETR",
    /// Upload.
    Stor = b"STOR",
    /// Upload under a name of the server's choice.
    Stou = b"STOU",
    /// Upload to the end of a file.
    Appe = b"APPE",
    /// Space to reserve.
    Allo = b"ALLO",
    /// Where the next transfer begins.
    Rest = b"REST",
    /// A rename begins.
    Rnfr = b"RNFR",
    /// A rename ends.
    Rnto = b"RNTO",
    /// Stop the transfer.
    Abor = b"ABOR",
    /// Delete a file.
    Dele = b"DELE",
    /// Delete a directory.
    Rmd = b"RMD" | b"XRMD",
    /// Make a directory.
    Mkd = b"MKD" | b"XMKD",
    /// Print the working directory.
    Pwd = b"PWD" | b"XPWD",
    /// Listing for people.
    List = b"LIST",
    /// Names only.
    Nlst = b"NLST",
    /// Listing for programs (RFC 3659).
    Mlsd = b"MLSD",
    /// Facts of one object, on the control connection (RFC 3659).
    Mlst = b"MLST",
    /// Size of a file (RFC 3659).
    Size = b"SIZE",
    /// Time of a file (RFC 3659).
    Mdtm = b"MDTM",
    /// What the server is.
    Syst = b"SYST",
    /// Status, or a listing on the control connection.
    Stat = b"STAT",
    /// What the server can.
    Feat = b"FEAT",
    /// Options of a command (RFC 2389).
    Opts = b"OPTS",
    /// Help.
    Help = b"HELP",
    /// Server's own commands.
    Site = b"SITE",
    /// Nothing.
    Noop = b"NOOP",
    /// Security mechanism (RFC 2228).
    Auth = b"AUTH",
    /// Security data (RFC 2228).
    Adat = b"ADAT",
    /// Protection buffer size (RFC 2228).
    Pbsz = b"PBSZ",
    /// Protection of the data connection (RFC 2228).
    Prot = b"PROT",
    /// Back to clear (RFC 2228).
    Ccc = b"CCC",
    /// Virtual host (RFC 7151).
    Host = b"HOST",
    /// What will be asked for next (drftpd).
    Pret = b"PRET",
}

impl Verb {
    /// A command that moves a file or listing over a data connection.
    #[must_use]
    pub const fn is_transfer(self) -> bool {
        matches!(
            self,
            Self::Retr
                | Self::Stor
                | Self::Stou
                | Self::Appe
                | Self::List
                | Self::Nlst
                | Self::Mlsd
        )
    }

    /// A command that prepares a transfer and belongs to its step, whatever its argument.
    #[must_use]
    pub const fn prepares_transfer(self) -> bool {
        matches!(
            self,
            Self::Port
                | Self::Pasv
                | Self::Eprt
                | Self::Epsv
                | Self::Lprt
                | Self::Lpsv
                | Self::Type
                | Self::Mode
                | Self::Stru
                | Self::Rest
                | Self::Pret
                | Self::Allo
        )
    }
}

/// Returns whether the argument of AUTH names TLS.
///
/// RFC 4217 section 4 has `TLS` and `SSL`; its drafts had `TLS-C` (same as `TLS`) and `TLS-P` (data protected as well).
#[must_use]
pub fn is_tls_mechanism(argument: &[u8]) -> bool {
    let name = argument.trim_ascii();
    [&b"TLS"[..], b"TLS-C", b"TLS-P", b"SSL"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

/// Parses the number of bytes in the argument of ALLO; `R <record size>` may follow it (RFC 959 section 4.1.3).
///
/// `None` if the argument does not begin with a decimal number that fits 64 bits.
#[must_use]
pub fn allocated_size(argument: &[u8]) -> Option<u64> {
    size_reply(argument.split(|&byte| byte == b' ').next()?)
}

const DATA_MARK: u8 = 242;
const IAC: u8 = 255;

/// Known verbs without a meaning here: the rest of RFC 5797's registry, and what is common beside it.
const OTHERS: &[&[u8]] = &[
    b"ALGS", b"AVBL", b"CLNT", b"COMB", b"CONF", b"CSID", b"DSIZ", b"ENC", b"ESTA", b"ESTP",
    b"HASH", b"LANG", b"MACB", b"MD5", b"MFCT", b"MFF", b"MFMT", b"MIC", b"MLFL", b"MMD5", b"MAIL",
    b"MRCP", b"MRSQ", b"MSAM", b"MSND", b"MSOM", b"NOP", b"RANG", b"REPL", b"RMDA", b"SMNT",
    b"SPSV", b"SSCN", b"THMB", b"XCRC", b"XMD5", b"XSEM", b"XSEN", b"XSHA", b"XSHA1", b"XSHA256",
    b"XSHA512",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_are_case_insensitive_and_the_argument_keeps_its_spaces() {
        let command = parse_command(b"  retr  two spaces.txt ");
        assert_eq!(command.verb, b"RETR");
        assert_eq!(command.argument, Some(&b" two spaces.txt "[..]));
        assert_eq!(parse_command(b"pasv").argument, None);
        assert_eq!(parse_command(b"PASS ").argument, Some(&b""[..]));
        assert_eq!(parse_command(b"").verb, b"");
    }

    #[test]
    fn x_commands_equal_their_plain_forms() {
        assert_eq!(Verb::from_bytes(b"XCWD"), Verb::Cwd);
        assert_eq!(Verb::from_bytes(b"XCUP"), Verb::Cdup);
        assert_eq!(Verb::from_bytes(b"MFMT"), Verb::Other);
        assert_eq!(Verb::from_bytes(b"GET"), Verb::Unknown);
    }

    #[test]
    fn tls_mechanisms_are_recognized_in_any_case() {
        for name in [&b"TLS"[..], b"tls", b"SSL", b"TLS-C", b"tls-p "] {
            assert!(is_tls_mechanism(name), "{}", name.escape_ascii());
        }
        for name in [&b"GSSAPI"[..], b"KERBEROS_V4", b""] {
            assert!(!is_tls_mechanism(name), "{}", name.escape_ascii());
        }
    }

    #[test]
    fn record_size_of_allo_is_not_its_size() {
        assert_eq!(allocated_size(b"1024 R 80"), Some(1024));
        assert_eq!(allocated_size(b"1024"), Some(1024));
        assert_eq!(allocated_size(b"R"), None);
        assert_eq!(allocated_size(b""), None);
    }
}
