//! Login attempts, and the one that counts.

use std::hash::{DefaultHasher, Hasher as _};
use std::rc::Rc;

use crate::model::record::{Login, LoginOutcome};
use crate::protocol::ftp::{Verb, is_anonymous};
use crate::session::secrets::Secrets;

/// The login attempts of a session.
#[derive(Debug, Default)]
pub(crate) struct Logins {
    /// The latest attempt; `None` before the first USER or PASS.
    attempt: Option<Rc<Attempt>>,
    /// The latest attempt that succeeded: mostly the same one, so that both share it.
    accepted: Option<Rc<Attempt>>,
    /// USER commands with a final reply.
    answered: u64,
    /// Outcome known from replies alone; `None` unless the client's side was not captured.
    inferred: Option<LoginOutcome>,
    /// The client may have sent another USER since the latest attempt began.
    doubted: bool,
    /// Sequence number of each PASS, and a hash of its argument that distinguishes passwords without showing them.
    passwords: Vec<(u64, u64)>,
}

#[derive(Clone, Debug, Default)]
struct Attempt {
    /// Text for the report, hidden by the secrets known when it was sent, and its exact bytes.
    user: Option<(String, Option<String>)>,
    anonymous: bool,
    /// Sequence number of its latest PASS; `None` before it.
    password_sequence: Option<u64>,
    password: Option<Vec<u8>>,
    account: Option<Vec<u8>>,
    /// Accepted or refused; `None` without a final reply.
    outcome: Option<bool>,
}

impl Logins {
    /// Begins an attempt: USER.
    pub(crate) fn user(&mut self, argument: &[u8], secrets: &Secrets) {
        self.doubted = false;
        self.attempt = Some(Rc::new(Attempt {
            user: Some(secrets.name(argument)),
            anonymous: is_anonymous(argument),
            ..Attempt::default()
        }));
    }

    /// Records PASS. Returns whether it belongs to an anonymous login, whose password is no secret unless it is refused.
    pub(crate) fn password(&mut self, sequence: u64, argument: &[u8]) -> bool {
        if self.passwords.len() < PASSWORDS {
            self.passwords.push((sequence, hash_of(argument)));
        }
        // A second password then belongs to a USER that was lost.
        if self.doubted
            && self
                .attempt
                .as_ref()
                .is_some_and(|attempt| attempt.password.is_some())
        {
            self.attempt = None;
        }
        let attempt = Rc::make_mut(self.attempt.get_or_insert_default());
        // One USER is followed by one password; of any other it is not known whose it is.
        attempt.anonymous &=
            !self.doubted && attempt.password.is_none() && attempt.outcome != Some(false);
        attempt.password = Some(argument.to_vec());
        attempt.password_sequence = Some(sequence);
        attempt.anonymous
    }

    /// Records a gap in the client's bytes, or a command that is not known: either may have been a USER.
    pub(crate) const fn doubt_user(&mut self) {
        self.doubted = true;
    }

    /// Returns the sequence number and value of an anonymous password that was sent before its USER was refused; `None`
    /// unless `code` refuses USER.
    pub(crate) fn refuse_user(&mut self, user: u64, code: u16) -> Option<(u64, Vec<u8>)> {
        let attempt = self
            .attempt
            .as_mut()
            .filter(|attempt| attempt.anonymous && code >= 400)?;
        let sequence = attempt
            .password_sequence
            .filter(|&password| password > user)?;
        let attempt = Rc::make_mut(attempt);
        attempt.anonymous = false;
        Some((sequence, attempt.password.clone()?))
    }

    /// Records ACCT.
    pub(crate) fn account(&mut self, argument: &[u8]) {
        Rc::make_mut(self.attempt.get_or_insert_default()).account = Some(argument.to_vec());
    }

    /// Returns whether the latest attempt is anonymous.
    pub(crate) fn is_anonymous_attempt(&self) -> bool {
        self.attempt
            .as_ref()
            .is_some_and(|attempt| attempt.anonymous)
    }

    /// Returns whether the latest attempt is by another user than the one logged in.
    pub(crate) fn is_other_user(&self) -> bool {
        fn user(attempt: Option<&Rc<Attempt>>) -> Option<&(String, Option<String>)> {
            attempt.and_then(|attempt| attempt.user.as_ref())
        }
        self.accepted.is_some() && user(self.accepted.as_ref()) != user(self.attempt.as_ref())
    }

    /// Returns the password of an anonymous attempt that `code` refuses: it is a secret after all.
    pub(crate) fn refused_password(&self, verb: Verb, code: u16) -> Option<Vec<u8>> {
        let attempt = self.attempt.as_ref().filter(|attempt| attempt.anonymous)?;
        (verb == Verb::Pass && code >= 400).then(|| attempt.password.clone())?
    }

    /// Ends the latest attempt: REIN.
    pub(crate) fn forget_attempt(&mut self) {
        self.attempt = None;
    }

    /// Records the final reply to USER, PASS or ACCT. Returns whether it completed a login.
    pub(crate) fn reply(&mut self, verb: Verb, code: u16) -> bool {
        if verb == Verb::User {
            self.answered += 1;
        }
        let Some(attempt) = &mut self.attempt else {
            return false;
        };
        match code {
            // 202: superfluous, as after a USER that was enough.
            200..300 => {
                Rc::make_mut(attempt).outcome = Some(true);
                self.accepted = Some(Rc::clone(attempt));
                true
            }
            // A refused ACCT without USER is no login: the user logged in before the capture, or the server knows no accounts.
            400.. if verb == Verb::Acct && attempt.user.is_none() => {
                self.attempt.clone_from(&self.accepted);
                false
            }
            400.. => {
                Rc::make_mut(attempt).outcome = Some(false);
                false
            }
            _ => false,
        }
    }

    /// Concludes from a command that needs a login that an attempt without a captured reply succeeded.
    pub(crate) fn prove(&mut self) {
        if let Some(attempt) = &mut self.attempt
            && attempt.outcome.is_none()
        {
            Rc::make_mut(attempt).outcome = Some(true);
            self.accepted = Some(Rc::clone(attempt));
        }
    }

    /// Returns the sequence numbers of PASS commands, each with the hash of its argument.
    pub(crate) fn passwords(&self) -> &[(u64, u64)] {
        &self.passwords
    }

    /// Records an outcome that is known from replies alone.
    pub(crate) const fn infer(&mut self, outcome: Option<LoginOutcome>) {
        self.inferred = outcome;
    }

    /// Returns the user of the login that counts, as the report shows it; `None` if it is not known.
    pub(crate) fn user_name(&self) -> Option<&str> {
        let attempt = self.accepted.as_ref().or(self.attempt.as_ref())?;
        attempt.user.as_ref().map(|(user, _)| user.as_str())
    }

    /// Returns the login as the report shows it.
    pub(crate) fn record(&self, secrets: &Secrets) -> Login {
        let Some(attempt) = self.accepted.as_ref().or(self.attempt.as_ref()) else {
            return Login {
                outcome: self.inferred.unwrap_or(LoginOutcome::Unseen),
                user: None,
                user_b64: None,
                password: None,
                password_b64: None,
                account: None,
                anonymous: false,
                attempts: self.answered,
            };
        };
        let anonymous = attempt.anonymous && attempt.outcome != Some(false);
        let (password, password_b64) = match &attempt.password {
            Some(bytes) if anonymous => split(secrets.text(bytes)),
            Some(bytes) => split(secrets.secret(bytes)),
            None => (None, None),
        };
        let (user, user_b64) = attempt.user.clone().map_or((None, None), split);
        Login {
            outcome: self.inferred.unwrap_or(match attempt.outcome {
                Some(true) => LoginOutcome::Accepted,
                Some(false) => LoginOutcome::Rejected,
                None => LoginOutcome::Incomplete,
            }),
            user,
            user_b64,
            password,
            password_b64,
            account: attempt
                .account
                .as_ref()
                .map(|bytes| secrets.secret(bytes).0),
            anonymous,
            attempts: self.answered,
        }
    }
}

/// Returns a hash that distinguishes passwords; it is never shown.
fn hash_of(password: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(password);
    hasher.finish()
}

fn split((text, exact): (String, Option<String>)) -> (Option<String>, Option<String>) {
    (Some(text), exact)
}

/// Passwords distinguished in one session.
const PASSWORDS: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn successful_login_counts_else_the_last_attempt() {
        let secrets = Secrets::new(false);
        let mut logins = Logins::default();
        assert_eq!(logins.record(&secrets).outcome, LoginOutcome::Unseen);
        for (user, code) in [(&b"bob"[..], 530), (b"eve", 230), (b"mallory", 530)] {
            logins.user(user, &secrets);
            logins.reply(Verb::User, 331);
            assert!(!logins.password(1, b"pw"));
            logins.reply(Verb::Pass, code);
        }
        let login = logins.record(&secrets);
        assert_eq!(
            (login.outcome, login.user.as_deref(), login.attempts),
            (LoginOutcome::Accepted, Some("eve"), 3)
        );
        assert_eq!(login.password.as_deref(), Some("<hidden>"));
    }

    #[test]
    fn refused_account_without_a_user_rejects_no_login() {
        let secrets = Secrets::new(false);
        let mut logins = Logins::default();
        logins.account(b"tests");
        logins.reply(Verb::Acct, 502);
        assert_eq!(logins.record(&secrets).outcome, LoginOutcome::Unseen);
        logins.user(b"bob", &secrets);
        logins.account(b"tests");
        logins.reply(Verb::Acct, 530);
        assert_eq!(logins.record(&secrets).outcome, LoginOutcome::Rejected);
    }

    #[test]
    fn anonymous_password_is_shown_unless_refused() {
        let secrets = Secrets::new(false);
        for (code, shown) in [(230, "me@example.com"), (530, "<hidden>")] {
            let mut logins = Logins::default();
            logins.user(b"Anonymous", &secrets);
            assert!(logins.password(1, b"me@example.com"));
            logins.reply(Verb::Pass, code);
            assert_eq!(logins.record(&secrets).password.as_deref(), Some(shown));
        }
    }

    #[test]
    fn attempt_without_a_reply_succeeded_if_a_later_command_did() {
        let secrets = Secrets::new(false);
        let mut logins = Logins::default();
        logins.prove();
        assert_eq!(logins.record(&secrets).outcome, LoginOutcome::Unseen);
        logins.user(b"bob", &secrets);
        logins.reply(Verb::User, 331);
        logins.prove();
        assert_eq!(logins.record(&secrets).outcome, LoginOutcome::Accepted);
        logins.user(b"eve", &secrets);
        logins.reply(Verb::User, 530);
        logins.prove();
        assert_eq!(logins.record(&secrets).user.as_deref(), Some("bob"));
    }

    #[test]
    fn login_without_a_password_has_none() {
        let secrets = Secrets::new(false);
        let mut logins = Logins::default();
        logins.user(b"ftp", &secrets);
        logins.reply(Verb::User, 230);
        let login = logins.record(&secrets);
        assert_eq!(
            (login.outcome, login.password, login.anonymous),
            (LoginOutcome::Accepted, None, true)
        );
    }
}
