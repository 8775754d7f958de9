//! Command lines: verbs, arguments, and the replies that each verb may receive.
//!
//! RFC 959 section 5.3: verbs are case-insensitive. RFC 2640 section 3.1: exactly one space separates verb and
//! argument; further and trailing spaces belong to the name.

use super::reply::size_reply;

/// Command line split into verb and argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedCommand<'a> {
    /// The verb in upper case; may be empty or any bytes.
    pub verb: Vec<u8>,
    /// Everything after the first space; `None` without a space.
    pub argument: Option<&'a [u8]>,
}

/// Splits a command line. Skips spaces and controls before the verb, and bytes of a Telnet Data Mark that TCP urgent
/// handling left there (RFC 854). A tab separates as a space does: no verb has one, and some servers accept it.
#[must_use]
pub fn parse_command(line: &[u8]) -> ParsedCommand<'_> {
    let start = line
        .iter()
        .position(|&byte| !matches!(byte, 0..=b' ' | 127 | DATA_MARK | IAC))
        .unwrap_or(line.len());
    let line = &line[start..];
    // Only the first space separates: `RETR a` names a file that begins with a space.
    let (verb, argument) = match line.iter().position(|&byte| matches!(byte, b' ' | b'\t')) {
        Some(at) => (&line[..at], Some(&line[at + 1..])),
        None => (line, None),
    };
    ParsedCommand {
        verb: verb.to_ascii_uppercase(),
        argument,
    }
}

/// Returns whether a user name is one of anonymous FTP: `anonymous` (RFC 1635), and `ftp` by custom.
#[must_use]
pub fn is_anonymous(user: &[u8]) -> bool {
    user.eq_ignore_ascii_case(b"anonymous") || user.eq_ignore_ascii_case(b"ftp")
}

macro_rules! verbs {
    ($($(#[$doc:meta])* $name:ident = $($text:literal)|+,)*) => {
        /// Verbs that are interpreted. The X commands of RFC 775 (XCWD and so on) have the values of their plain forms.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Verb {
            $($(#[$doc])* $name,)*
            /// Known, but not interpreted.
            Other,
            /// Neither in the registry of RFC 5797 nor common.
            Unknown,
        }

        impl Verb {
            /// Returns the value of a verb in upper case.
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
    /// Changes to the parent directory.
    Cdup = b"CDUP" | b"XCUP",
    /// Changes the working directory.
    Cwd = b"CWD" | b"XCWD",
    /// User name.
    User = b"USER",
    /// Password.
    Pass = b"PASS",
    /// Account.
    Acct = b"ACCT",
    /// Resets to the state before the login.
    Rein = b"REIN",
    /// Ends the session.
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
    /// Storage to reserve.
    Allo = b"ALLO",
    /// Restart position of the next transfer.
    Rest = b"REST",
    /// First command of a rename: the old name.
    Rnfr = b"RNFR",
    /// Second command of a rename: the new name.
    Rnto = b"RNTO",
    /// Aborts the transfer.
    Abor = b"ABOR",
    /// Deletes a file.
    Dele = b"DELE",
    /// Deletes a directory.
    Rmd = b"RMD" | b"XRMD",
    /// Creates a directory.
    Mkd = b"MKD" | b"XMKD",
    /// Returns the working directory.
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
    /// Operating system of the server.
    Syst = b"SYST",
    /// Status, or a listing on the control connection.
    Stat = b"STAT",
    /// Features of the server (RFC 2389).
    Feat = b"FEAT",
    /// Options of a command (RFC 2389).
    Opts = b"OPTS",
    /// Help.
    Help = b"HELP",
    /// Commands specific to the server.
    Site = b"SITE",
    /// No operation.
    Noop = b"NOOP",
    /// Security mechanism (RFC 2228).
    Auth = b"AUTH",
    /// Security data (RFC 2228).
    Adat = b"ADAT",
    /// Protection buffer size (RFC 2228).
    Pbsz = b"PBSZ",
    /// Protection of the data connection (RFC 2228).
    Prot = b"PROT",
    /// Clears the command channel's protection (RFC 2228).
    Ccc = b"CCC",
    /// Virtual host (RFC 7151).
    Host = b"HOST",
    /// Announces the next transfer command (drftpd).
    Pret = b"PRET",
}

impl Verb {
    /// Returns whether the command transfers a file or listing over a data connection.
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

    /// Returns whether the command prepares a transfer, whatever its argument, and so belongs to the transfer's step.
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

impl Verb {
    /// Returns whether `code` can be a final reply to this command.
    ///
    /// By RFC 959 section 5.4 and observed servers. Only codes specific to few commands exclude any: nearly all
    /// commands may receive a 200, a 250, a 4yz or a 5yz.
    #[must_use]
    pub const fn may_get(self, code: u16) -> bool {
        match code {
            _ if matches!(self, Self::Unknown | Self::Other | Self::Site) => true,
            // These receive an endpoint or a refusal: a 200 or 250 is late and belongs to an earlier command.
            200 | 202 | 250 => !matches!(self, Self::Pasv | Self::Epsv | Self::Lpsv),
            211 => matches!(
                self,
                Self::Stat | Self::Feat | Self::Help | Self::Syst | Self::Opts
            ),
            212 | 213 => matches!(
                self,
                Self::Stat | Self::Size | Self::Mdtm | Self::Mlst | Self::List | Self::Nlst
            ),
            214 => matches!(self, Self::Help | Self::Stat | Self::Feat),
            215 => matches!(self, Self::Syst),
            220 => matches!(
                self,
                Self::Rein | Self::Host | Self::User | Self::Auth | Self::Acct
            ),
            221 => matches!(self, Self::Quit | Self::Rein | Self::Abor),
            // ABOR during a transfer receives two replies, the 426 of the transfer and a 226 of its own.
            225 | 226 => self.is_transfer() || matches!(self, Self::Abor | Self::Stat),
            227 | 229 => matches!(self, Self::Pasv | Self::Epsv),
            228 => matches!(self, Self::Lpsv),
            230..=232 => matches!(
                self,
                Self::User
                    | Self::Pass
                    | Self::Acct
                    | Self::Adat
                    | Self::Rein
                    | Self::Auth
                    | Self::Quit
            ),
            234 | 235 | 334 | 335 | 336 => {
                matches!(self, Self::Auth | Self::Adat | Self::User | Self::Pass)
            }
            // Some servers confirm CWD and CDUP with the new directory, as a 257.
            257 => matches!(self, Self::Pwd | Self::Mkd | Self::Cwd | Self::Cdup),
            331 | 332 => matches!(self, Self::User | Self::Pass | Self::Acct | Self::Auth),
            350 => matches!(self, Self::Rnfr | Self::Rest | Self::Allo),
            _ => true,
        }
    }

    /// Returns whether `code` is a usual final reply to this command: listed in RFC 959 section 5.4, or sent by common
    /// servers.
    ///
    /// Refusals (4yz, 5yz) are always usual, and so are protected replies (6yz, RFC 2228), whose code is hidden.
    #[must_use]
    pub const fn usually_gets(self, code: u16) -> bool {
        match self {
            _ if code >= 400 => true,
            Self::Unknown | Self::Other | Self::Site => {
                matches!(code, 200 | 202 | 211..=214 | 250 | 331 | 332 | 350)
            }
            Self::User => matches!(code, 230 | 232 | 331 | 332 | 336),
            Self::Pass | Self::Acct => matches!(code, 202 | 230 | 232 | 332 | 336),
            Self::Cwd | Self::Cdup => matches!(code, 200 | 250),
            Self::Rein => matches!(code, 200 | 220),
            Self::Quit => matches!(code, 200 | 221 | 226),
            Self::Pasv | Self::Epsv => matches!(code, 227 | 229),
            Self::Lpsv => code == 228,
            Self::Retr
            | Self::Stor
            | Self::Stou
            | Self::Appe
            | Self::List
            | Self::Nlst
            | Self::Mlsd
            | Self::Abor => matches!(code, 225 | 226 | 250),
            Self::Allo => matches!(code, 200 | 202),
            Self::Rest | Self::Rnfr => code == 350,
            Self::Rnto | Self::Dele | Self::Rmd => matches!(code, 200 | 250),
            Self::Mkd => matches!(code, 250 | 257),
            Self::Pwd => code == 257,
            Self::Syst => code == 215,
            Self::Stat => matches!(code, 200 | 211..=213),
            Self::Feat | Self::Help => matches!(code, 211 | 214),
            Self::Auth => matches!(code, 200 | 234 | 334),
            Self::Adat => matches!(code, 235 | 335),
            Self::Host => code == 220,
            Self::Size | Self::Mdtm => code == 213,
            Self::Mlst => code == 250,
            Self::Port
            | Self::Eprt
            | Self::Lprt
            | Self::Type
            | Self::Stru
            | Self::Mode
            | Self::Opts
            | Self::Noop
            | Self::Pbsz
            | Self::Prot
            | Self::Ccc
            | Self::Pret => matches!(code, 200 | 202),
        }
    }

    /// Returns whether the command negotiates the endpoint of the next data connection.
    #[must_use]
    pub const fn sets_up_data(self) -> bool {
        matches!(
            self,
            Self::Port | Self::Pasv | Self::Eprt | Self::Epsv | Self::Lprt | Self::Lpsv
        )
    }

    /// Returns whether servers require a login for the command.
    #[must_use]
    pub const fn needs_login(self) -> bool {
        self.is_transfer()
            || matches!(
                self,
                Self::Pwd
                    | Self::Cwd
                    | Self::Cdup
                    | Self::Mkd
                    | Self::Rmd
                    | Self::Dele
                    | Self::Rnto
                    | Self::Size
                    | Self::Mdtm
                    | Self::Mlst
            )
    }

    /// Returns whether a client may send the command while a transfer runs (RFC 959 section 4.1.3). Such a command is
    /// no evidence that the client has received the previous reply.
    #[must_use]
    pub const fn comes_out_of_turn(self) -> bool {
        matches!(self, Self::Abor | Self::Stat | Self::Quit | Self::Noop)
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

/// Bytes of a Telnet Data Mark (RFC 854).
const DATA_MARK: u8 = 242;
const IAC: u8 = 255;

/// Known verbs that are not interpreted: the rest of the registry of RFC 5797, and common ones beside it.
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
    fn verbs_are_case_insensitive_and_arguments_keep_their_spaces() {
        let command = parse_command(b"  retr  two spaces.txt ");
        assert_eq!(command.verb, b"RETR");
        assert_eq!(command.argument, Some(&b" two spaces.txt "[..]));
        assert_eq!(parse_command(b"pasv").argument, None);
        assert_eq!(parse_command(b"PASS ").argument, Some(&b""[..]));
        assert_eq!(parse_command(b"").verb, b"");
    }

    #[test]
    fn x_commands_have_the_values_of_their_plain_forms() {
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

    #[test]
    fn only_specific_codes_exclude_a_command() {
        assert!(!Verb::Pasv.may_get(250));
        assert!(Verb::Pasv.may_get(425));
        assert!(!Verb::Retr.may_get(227));
        assert!(Verb::Retr.may_get(226));
        assert!(Verb::Retr.may_get(550));
        assert!(Verb::Noop.may_get(200));
        assert!(!Verb::Noop.may_get(226));
        assert!(Verb::Epsv.may_get(227));
    }

    #[test]
    fn usual_replies_are_possible_replies() {
        for verb in [
            Verb::User,
            Verb::Pasv,
            Verb::Retr,
            Verb::Pwd,
            Verb::Stat,
            Verb::Type,
            Verb::Mkd,
        ] {
            for code in 200..600 {
                assert!(
                    !verb.usually_gets(code) || verb.may_get(code) || code == 250,
                    "{verb:?} {code}"
                );
            }
        }
        assert!(!Verb::Pwd.usually_gets(250));
        assert!(Verb::Cwd.usually_gets(200));
    }
}
