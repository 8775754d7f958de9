//! `transfer-refused`, and why the server refuses: its own words come before any guess.
//!
//! The code alone says little: most servers send 530 for every refused login and 550 for every refused file (RFC 959 section
//! 4.2.2). Their text names the cause, in the words of vsftpd, `ProFTPD`, Pure-FTPd, IIS, `FileZilla` Server, Serv-U and their
//! kin. A text that is not understood leaves the code, and a code without a meaning leaves the usual advice.

use super::{Draft, display_name, final_reply, quote, step_number};
use crate::model::record::{Finding, Reply, Session, Severity, Transfer};

/// Cause of a refusal, as the server states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cause {
    Encryption,
    WritableRoot,
    Home,
    Configuration,
    Tries,
    Limit,
    Unavailable,
    UnknownUser,
    Locked,
    Shell,
    Address,
    AnonymousOnly,
    NoAnonymous,
    NotLoggedIn,
    Space,
    NotFound,
    Permission,
    Busy,
    /// `550 Failed to open file`: missing, or not readable.
    Unopened,
}

/// Returns the cause of a refused login; `None` where the server states none, so that user and password are to be doubted.
#[expect(
    clippy::too_many_lines,
    reason = "one table of words, which reads best in one piece"
)]
pub(super) fn of_login(reply: &Reply) -> Option<Cause> {
    let text = words(reply);
    let has = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
    Some(match reply.code {
        // RFC 2228 section 5.
        _ if has(&[" tls", " ssl", " encrypt", " ftps", " secure "]) => Cause::Encryption,
        533 | 534 => Cause::Encryption,
        _ if has(&[" writ", " chroot"]) && has(&[" root", " chroot"]) => Cause::WritableRoot,
        _ if has(&[" home", " directory", " chdir", " folder"]) => Cause::Home,
        _ if has(&[
            " oops",
            " config",
            " misconfig",
            " internal ",
            " pam ",
            " database",
            " system error",
        ]) =>
        {
            Cause::Configuration
        }
        _ if has(&[
            " anonymous only",
            " only anonymous",
            " anonymous access only",
            " anonymous logins only",
        ]) =>
        {
            Cause::AnonymousOnly
        }
        _ if has(&[" no anonymous", " anonymous"])
            && has(&[
                " no ",
                " not ",
                " den",
                " disallow",
                " disabled",
                " cannot ",
            ]) =>
        {
            Cause::NoAnonymous
        }
        _ if has(&[" too many", " maximum", " max "])
            && has(&[" fail", " attempt", " tries", " incorrect", " wrong"]) =>
        {
            Cause::Tries
        }
        _ if has(&[
            " too many",
            " maximum",
            " max ",
            " limit",
            " full ",
            " exceed",
            " quota",
            " no more ",
            " already logged",
        ]) =>
        {
            Cause::Limit
        }
        _ if has(&[
            " try again",
            " later ",
            " unavailable",
            " not available",
            " busy ",
            " maintenance",
            " shut",
            " overload",
            " load ",
            " temporar",
            " out of service",
            " going down",
            " not ready",
            " restart",
        ]) =>
        {
            Cause::Unavailable
        }
        _ if has(&[
            " disabled",
            " expired",
            " locked",
            " suspended",
            " inactive",
            " banned",
            " blocked",
            " deactivated",
        ]) =>
        {
            Cause::Locked
        }
        _ if has(&[" shell"]) => Cause::Shell,
        _ if has(&[
            " no such user",
            " unknown user",
            " user unknown",
            " no such account",
            " unknown account",
            " not a user",
            " no user ",
            " invalid user ",
            " not known",
        ]) || has(&[" user", " account"])
            && has(&[
                " does not exist",
                " doesn t exist",
                " not found",
                " not exist",
            ]) =>
        {
            Cause::UnknownUser
        }
        _ if has(&[
            " your ip",
            " ip address",
            " your host",
            " your address",
            " this host",
            " this address",
            " access denied from",
        ]) =>
        {
            Cause::Address
        }
        // RFC 959 section 4.2.2: 421 is about the service and says nothing of the account.
        421 | 434 => Cause::Unavailable,
        _ => return None,
    })
}

/// Returns the cause of a refused transfer; `None` where the server states none.
fn of_transfer(reply: &Reply) -> Option<Cause> {
    let text = words(reply);
    let has = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
    Some(match reply.code {
        // RFC 4217 section 10: 521 and 522 where the data connection must be protected, or cannot be.
        _ if has(&[" tls", " ssl", " encrypt", " prot ", " secure "]) => Cause::Encryption,
        533 | 534 => Cause::Encryption,
        530 | 532 => Cause::NotLoggedIn,
        452 | 552 => Cause::Space,
        _ if has(&[
            " quota",
            " disk full",
            " no space",
            " storage",
            " not enough space",
            " insufficient",
        ]) =>
        {
            Cause::Space
        }
        _ if has(&[" log in", " login", " logged in"]) => Cause::NotLoggedIn,
        _ if has(&[
            " permission",
            " denied",
            " not allowed",
            " forbidden",
            " not permitted",
            " read only",
            " no access",
            " privilege",
        ]) =>
        {
            Cause::Permission
        }
        _ if has(&[" too many", " limit", " maximum", " exceed"]) => Cause::Limit,
        _ if has(&[
            " in use",
            " busy ",
            " locked",
            " another process",
            " try again",
            " later ",
        ]) =>
        {
            Cause::Busy
        }
        _ if has(&[
            " no such",
            " not found",
            " cannot find",
            " can t find",
            " does not exist",
            " doesn t exist",
            " not exist",
            " no file",
            " not a file",
            " not a plain",
            " not a regular",
            " is a directory",
            " could not find",
            " unable to find",
        ]) =>
        {
            Cause::NotFound
        }
        _ if has(&[
            " failed to open",
            " cannot open",
            " could not open",
            " can t open",
            " could not create",
            " cannot create",
        ]) =>
        {
            Cause::Unopened
        }
        450 => Cause::Busy,
        _ => return None,
    })
}

impl Cause {
    /// Returns what to do about a refused login.
    pub(super) const fn login_advice(self) -> &'static str {
        match self {
            Self::Encryption => {
                "The server takes logins over TLS only: let the client use FTPS, with AUTH TLS before USER (RFC 4217)."
            }
            Self::WritableRoot => {
                "Mend the server's configuration: it refuses a root directory that the user can write to. Take the write permission away, or allow it (vsftpd: allow_writeable_chroot=YES)."
            }
            Self::Home => {
                "Look at the user's home directory on the server: it must exist, and the user must be allowed to enter it."
            }
            Self::Configuration => {
                "Mend the server's configuration, or what it depends on: its log says more. The login itself was not the fault."
            }
            Self::Tries => {
                "Wait until the server takes logins of this client again, and find out who fails to log in so often."
            }
            Self::Limit => {
                "Try again later, close connections that are not needed, or raise the limit at the server."
            }
            Self::Unavailable => {
                "Try again later, and look at whether the server is overloaded or being shut down: it is not available now, whoever logs in."
            }
            Self::UnknownUser => {
                "Correct the user's name in the client, or create the user on the server: it knows none of that name."
            }
            Self::Locked => "Let the server's administrator unlock or renew the user.",
            Self::Shell => {
                "Give the user a login shell that the server accepts (/etc/shells), or switch that demand off."
            }
            Self::Address => {
                "Allow this client's address at the server: it refuses the host, not the user."
            }
            Self::AnonymousOnly => "Log in as anonymous: the server takes nobody else.",
            Self::NoAnonymous => "Log in with a user of this server: it takes no anonymous logins.",
            _ => "Look at the server's log.",
        }
    }

    /// Returns what to do about a refused transfer.
    const fn transfer_advice(self) -> &'static str {
        match self {
            Self::Encryption => {
                "The server demands another protection of data connections: let the client send PBSZ 0 and PROT P, or what the reply asks for (RFC 4217 section 9)."
            }
            Self::NotLoggedIn => "Let the client log in first.",
            Self::Space => "Make room on the server, or raise the user's quota.",
            Self::Permission => {
                "Look at the permissions of the file and its directory on the server."
            }
            Self::Limit => "Try again later, or raise the limit at the server.",
            Self::Busy => "Try again later: the file is in use.",
            Self::Unopened => {
                "Look at whether the file exists on the server, and whether the user may read or write it."
            }
            _ => "Look at the name and the directory: the server has no such file there.",
        }
    }
}

/// Reports transfers that the server refused, one finding for each cause that it states.
pub(super) fn detect_transfers(session: &Session, findings: &mut Vec<Finding>) {
    // A client that tries a thousand names is refused a thousand times, for one reason.
    let mut causes: Vec<(Cause, &Transfer, &Reply, u64)> = Vec::new();
    for transfer in &session.transfers {
        if transfer.connection.is_some() && !session.has_refused(transfer) {
            continue;
        }
        let Some(reply) = final_reply(session, transfer.id).filter(|reply| reply.code >= 400)
        else {
            continue;
        };
        // Some servers answer NLST of an empty directory so (RFC 1123 section 4.1.2.7).
        if transfer.verb == "NLST" || matches!(reply.code, 425 | 426 | 522) {
            continue;
        }
        let Some(cause) = of_transfer(reply) else {
            continue;
        };
        match causes.iter_mut().find(|(known, ..)| *known == cause) {
            Some((.., count)) => *count += 1,
            None => causes.push((cause, transfer, reply, 1)),
        }
    }
    for (cause, transfer, reply, count) in causes {
        let name = display_name(transfer);
        let more = match count {
            1 => String::new(),
            2 => " and 1 more".to_owned(),
            count => format!(" and {} more", count - 1),
        };
        findings.push(
            Draft {
                id: "transfer-refused",
                severity: Severity::Low,
                title: format!("{} {name}{more} refused: {}", transfer.verb, quote(reply)),
                explanation: format!(
                    "The server answered {} of {name} with {} (frame {}){more}.",
                    transfer.verb,
                    quote(reply),
                    reply.frame
                ),
                advice: cause.transfer_advice(),
                frames: vec![reply.frame],
            }
            .about(step_number(session, transfer.id), Some(transfer.id)),
        );
    }
}

/// Returns the text of a reply in lower case, words between single blanks, so that whole words can be looked for.
fn words(reply: &Reply) -> String {
    let mut text = String::from(" ");
    for letter in reply
        .lines
        .iter()
        .flat_map(|line| line.chars().chain([' ']))
    {
        if letter.is_alphanumeric() {
            text.extend(letter.to_lowercase());
        } else if !text.ends_with(' ') {
            text.push(' ');
        }
        // Replies may have a million lines; the reason stands in the first few.
        if text.len() > MAX_TEXT {
            break;
        }
    }
    if !text.ends_with(' ') {
        text.push(' ');
    }
    text
}

/// Limit of the text that is searched for a reason, in bytes.
const MAX_TEXT: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::tests::command;

    fn login(code: u16, text: &str) -> Option<Cause> {
        of_login(&command("PASS", None, (code, text)).replies[0])
    }

    #[test]
    fn servers_own_words_name_the_cause_of_a_refused_login() {
        for (code, text, cause) in [
            (
                530,
                "Non-anonymous sessions must use encryption.",
                Cause::Encryption,
            ),
            (421, "TLS is required on this server", Cause::Encryption),
            (
                500,
                "OOPS: vsftpd: refusing to run with writable root inside chroot()",
                Cause::WritableRoot,
            ),
            (500, "OOPS: cannot change directory:/home/bob", Cause::Home),
            (
                530,
                "User bob cannot log in, home directory inaccessible.",
                Cause::Home,
            ),
            (500, "OOPS: priv_sock_get_cmd", Cause::Configuration),
            (421, "Too many connections (8) from this IP", Cause::Limit),
            (
                530,
                "Sorry, the maximum number of allowed clients are already connected.",
                Cause::Limit,
            ),
            (
                421,
                "Service not available, remote server has closed connection",
                Cause::Unavailable,
            ),
            (421, "Bye", Cause::Unavailable),
            (530, "User does not exist.", Cause::UnknownUser),
            (530, "Account disabled", Cause::Locked),
            (
                530,
                "This FTP server is anonymous only.",
                Cause::AnonymousOnly,
            ),
            (530, "Anonymous access not allowed", Cause::NoAnonymous),
            (421, "Too many login failures", Cause::Tries),
        ] {
            assert_eq!(login(code, text), Some(cause), "{text}");
        }
    }

    #[test]
    fn plain_refusal_leaves_user_and_password_to_be_doubted() {
        for text in [
            "Login incorrect.",
            "Login authentication failed",
            "Not logged in, user or password incorrect!",
            "",
        ] {
            assert_eq!(login(530, text), None, "{text}");
        }
    }

    #[test]
    fn refused_transfers_are_understood_by_text_and_code() {
        let cause = |code, text| of_transfer(&command("RETR", None, (code, text)).replies[0]);
        assert_eq!(
            cause(550, "f.bin: No such file or directory"),
            Some(Cause::NotFound)
        );
        assert_eq!(cause(550, "Permission denied."), Some(Cause::Permission));
        assert_eq!(cause(552, "Exceeded storage"), Some(Cause::Space));
        assert_eq!(
            cause(521, "data connection must use PROT P"),
            Some(Cause::Encryption)
        );
        assert_eq!(cause(550, "x"), None);
    }
}
