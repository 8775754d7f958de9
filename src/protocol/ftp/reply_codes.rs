//! Which final replies a command may get, and which it usually gets (RFC 959 section 5.4 and what servers do).

use super::command::Verb;

impl Verb {
    /// True where `code` could be a final reply to this command. Only codes that say what they answer rule anything out:
    /// nearly any command may get a 200, a 250, a 4yz or a 5yz.
    #[must_use]
    pub const fn may_get(self, code: u16) -> bool {
        match code {
            _ if matches!(self, Self::Unknown | Self::Other | Self::Site) => true,
            // An end point or a refusal: a 200 or 250 in its place is late and answers an earlier command.
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
            257 => matches!(self, Self::Pwd | Self::Mkd | Self::Cwd | Self::Cdup),
            331 | 332 => matches!(self, Self::User | Self::Pass | Self::Acct | Self::Auth),
            350 => matches!(self, Self::Rnfr | Self::Rest | Self::Allo),
            _ => true,
        }
    }

    /// True where `code` is what this command is usually answered with: as RFC 959 section 5.4 lists, and as servers are seen
    /// to do. A refusal (4yz, 5yz) is always usual, and so is what a protected reply hides (6yz).
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

    /// A command that arranges the next data connection.
    #[must_use]
    pub const fn sets_up_data(self) -> bool {
        matches!(
            self,
            Self::Port | Self::Pasv | Self::Eprt | Self::Epsv | Self::Lprt | Self::Lpsv
        )
    }

    /// A command that servers carry out for nobody but those who are logged in.
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

    /// A command that a client may send while a transfer runs (RFC 959 section 4.1.3): it tells nothing about the client's
    /// waiting for the reply before.
    #[must_use]
    pub const fn comes_out_of_turn(self) -> bool {
        matches!(self, Self::Abor | Self::Stat | Self::Quit | Self::Noop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_telling_codes_rule_a_command_out() {
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
    fn a_usual_reply_is_also_a_possible_one() {
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
