//! Built-in rules.
//!
//! Each consists of the same expressions as a `[[rule]]`, so that a user can copy one and change it.

use super::expression::Scope;
use super::vocabulary;
use crate::model::record::{LoginOutcome, Session, TlsObstacle};

/// A built-in rule.
#[derive(Debug)]
pub struct BuiltIn {
    /// Name on the command line and in `rules`.
    pub name: &'static str,
    /// Kind of the objects that the rule is about.
    pub scope: Scope,
    /// Filter of these objects; `None` if the rule is about all of them.
    pub condition: Option<&'static str>,
    /// Assertion about each object.
    pub assert: &'static str,
    /// Meaning of the assertion, in one line.
    pub meaning: &'static str,
    /// Part of a session that the rule reads.
    pub requires: Requires,
}

/// Part of a session that a rule reads. On a session that hides it the rule does not hold: it is not judged there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requires {
    /// Nothing that can be hidden.
    Nothing,
    /// The user, and the outcome of the login.
    Login,
    /// Whether a password was sent in clear.
    Password,
    /// Commands and replies.
    Commands,
}

impl Requires {
    /// Returns why a session hides this part; `None` if it does not.
    pub(super) fn hidden_in(self, session: &Session) -> Option<&'static str> {
        let login = &session.login;
        let is_unseen = login.outcome == LoginOutcome::Unseen;
        match self {
            Self::Nothing => None,
            Self::Login if !is_unseen && login.user.is_some() => None,
            Self::Login => encrypted(session).or(Some(NO_LOGIN)),
            Self::Password if !is_unseen || login.password.is_some() || session.tls.is_some() => {
                None
            }
            Self::Password => Some(NO_LOGIN),
            Self::Commands => encrypted(session),
        }
    }
}

/// Returns why TLS hides commands of a session; `None` if all that were captured could be read.
pub(super) fn encrypted(session: &Session) -> Option<&'static str> {
    let tls = session.tls.as_ref().filter(|tls| !tls.decrypted)?;
    Some(match tls.obstacle {
        Some(TlsObstacle::NoSecret) => {
            "it is encrypted, and no TLS secret of it is known; give its key log with --keylog"
        }
        Some(TlsObstacle::WrongSecret) => {
            "it is encrypted, and the TLS secrets of it that are known do not open it"
        }
        Some(TlsObstacle::HandshakeMissing) => {
            "it is encrypted, and its TLS handshake is not whole in the capture"
        }
        Some(TlsObstacle::Off) => "it is encrypted, and --no-decrypt keeps it closed",
        _ => "it is encrypted, and was not read, or only in part",
    })
}

const NO_LOGIN: &str = "its login is not in the capture";

/// Returns the rule of this name; `None` if there is none.
#[must_use]
pub fn named(name: &str) -> Option<&'static BuiltIn> {
    ALL.iter().find(|rule| rule.name == name)
}

/// Returns the rule name most similar to an unknown one; `None` if none is similar.
#[must_use]
pub fn nearest(name: &str) -> Option<&'static str> {
    vocabulary::nearest(ALL.iter().map(|rule| rule.name), name)
}

/// All built-in rules, in the order in which they are listed.
pub const ALL: &[BuiltIn] = &[
    BuiltIn {
        name: "no-cleartext-login",
        scope: Scope::Session,
        condition: None,
        assert: "login.anonymous || login.password == null || (tls != null && tls.decrypted)",
        meaning: "no password crosses the network in clear; that of an anonymous login may",
        requires: Requires::Password,
    },
    BuiltIn {
        name: "no-anonymous-login",
        scope: Scope::Session,
        condition: None,
        assert: "!(login.anonymous && login.outcome == 'accepted')",
        meaning: "nobody is let in as anonymous or ftp",
        requires: Requires::Login,
    },
    BuiltIn {
        name: "all-logins-accepted",
        scope: Scope::Session,
        condition: Some("login.outcome != 'unseen'"),
        assert: "login.outcome == 'accepted'",
        meaning: "every login that was seen succeeds",
        requires: Requires::Login,
    },
    BuiltIn {
        name: "all-commands-accepted",
        scope: Scope::Step,
        condition: Some("size(commands) > 0"),
        assert: "outcome != 'failed'",
        meaning: "no step ends with a reply of 400 or more",
        requires: Requires::Commands,
    },
    BuiltIn {
        name: "all-transfers-complete",
        scope: Scope::Transfer,
        condition: None,
        assert: "completeness == 'complete'",
        meaning: "every file and listing is whole in the capture and was accepted",
        requires: Requires::Nothing,
    },
    BuiltIn {
        name: "no-active-mode",
        scope: Scope::Transfer,
        condition: None,
        assert: "!(mode in ['active', 'extended-active', 'long-active', 'default-port'])",
        meaning: "no server connects to a client (PORT, EPRT, LPRT, or nothing negotiated)",
        requires: Requires::Nothing,
    },
    BuiltIn {
        name: "files-in-binary",
        scope: Scope::Transfer,
        condition: Some("direction != 'listing'"),
        assert: "data_type == 'image'",
        meaning: "files move with TYPE I, never with TYPE A, which changes line ends",
        requires: Requires::Nothing,
    },
    BuiltIn {
        name: "sessions-encrypted",
        scope: Scope::Session,
        condition: None,
        assert: "tls != null",
        meaning: "every session uses TLS",
        requires: Requires::Nothing,
    },
    BuiltIn {
        name: "data-encrypted",
        scope: Scope::Session,
        condition: None,
        // PROT is not visible in an encrypted control connection, but the data connections are. One bound to the
        // session by chance must not fail it, hence the confidence.
        assert: "tls != null && (tls.data_protected != null ? tls.data_protected : \
                 size(transfers) == 0 && encrypted_data.all(d, d.link.confidence > 0.5))",
        meaning: "every session uses TLS, and its data connections do",
        requires: Requires::Nothing,
    },
    BuiltIn {
        name: "all-decrypted",
        scope: Scope::Session,
        condition: Some("tls != null"),
        assert: "tls.decrypted && transfers.all(t, t.tls == null || t.tls.obstacle == null) && \
                 size(encrypted_data) == 0",
        meaning: "every TLS connection of every session was read",
        requires: Requires::Nothing,
    },
    BuiltIn {
        name: "data-resumes-control",
        scope: Scope::Session,
        condition: Some(
            "tls != null && (transfers.exists(t, t.tls != null) || encrypted_data.exists(d, d.tls != null))",
        ),
        // With TLS 1.3 the session that is resumed can be read only with secrets.
        assert: "transfers.all(t, t.tls == null || (t.tls.resumed == true && \
                 (t.tls.resumes == null || t.tls.resumes == uid))) && \
                 encrypted_data.all(d, d.tls == null || (d.tls.resumed == true && \
                 (d.tls.resumes == null || d.tls.resumes == uid)))",
        meaning: "every TLS data connection resumes the TLS session of its control connection",
        requires: Requires::Nothing,
    },
    BuiltIn {
        name: "tls-1.2-or-newer",
        scope: Scope::Session,
        condition: Some("tls != null"),
        assert: "tls.version in ['TLS 1.2', 'TLS 1.3'] && \
                 transfers.all(t, t.tls == null || t.tls.version in ['TLS 1.2', 'TLS 1.3']) && \
                 encrypted_data.all(d, d.tls == null || d.tls.version in ['TLS 1.2', 'TLS 1.3'])",
        meaning: "every TLS connection uses TLS 1.2 or newer",
        requires: Requires::Nothing,
    },
    BuiltIn {
        name: "tls-closed-properly",
        scope: Scope::Transfer,
        condition: Some("tls != null && tls.close_notify != null"),
        assert: "direction == 'upload' ? tls.close_notify.client : tls.close_notify.server",
        meaning: "every sender ends TLS on its data connection with close_notify",
        requires: Requires::Nothing,
    },
    BuiltIn {
        name: "sessions-end-with-quit",
        scope: Scope::Session,
        condition: Some("steps.exists(s, size(s.commands) > 0) && (tls == null || tls.decrypted)"),
        assert: "steps.exists(s, s.kind == 'quit')",
        meaning: "every session that can be read ends with QUIT",
        requires: Requires::Nothing,
    },
    BuiltIn {
        name: "rfc-conformant",
        scope: Scope::Session,
        condition: None,
        assert: "findings.all(f, f.id != 'reply-violation')",
        meaning: "replies are as the RFCs say",
        requires: Requires::Commands,
    },
    BuiltIn {
        name: "no-third-parties",
        scope: Scope::Session,
        condition: None,
        assert: "findings.all(f, !(f.id in ['bounce', 'fxp', 'port-theft']))",
        meaning: "data moves between client and server only",
        requires: Requires::Commands,
    },
    BuiltIn {
        name: "capture-whole",
        scope: Scope::Capture,
        condition: None,
        assert: "warnings.all(w, !(w.code in ['capture-truncated', 'capture-corrupt', 'packets-dropped', \
                 'packets-cut', 'link-type-unsupported'])) && \
                 sessions.all(s, s.findings.all(f, f.id != 'capture-loss')) && \
                 findings.all(f, f.id != 'capture-loss')",
        meaning: "nothing is missing in the capture itself",
        requires: Requires::Nothing,
    },
];

#[cfg(test)]
mod tests {
    use super::super::expression::Expression;
    use super::*;

    #[test]
    fn every_rule_compiles_and_has_a_unique_name() {
        for (index, rule) in ALL.iter().enumerate() {
            for text in rule.condition.iter().chain([&rule.assert]) {
                Expression::compile_in_report(text, rule.scope).expect(rule.name);
            }
            assert!(
                ALL.iter()
                    .skip(index + 1)
                    .all(|other| other.name != rule.name),
                "{}",
                rule.name
            );
        }
    }
}
