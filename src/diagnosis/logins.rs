//! `login-rejected`, `cleartext-credentials`, `brute-force` and `password-spraying`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::cross_session::{MAX_FRAMES, MAX_SESSIONS};
use super::encryption::is_encrypted_at;
use super::refusal::{self, Cause};
use super::{Draft, UNCAPTURED_USER, quote};
use crate::model::record::{
    Command, Finding, LoginOutcome, Outcome, Reply, Session, Severity, Step, StepKind,
};
use crate::model::{Span, Timestamp};

/// Id of the finding about a password in clear, of which a session has at most one.
pub(super) const CLEARTEXT: &str = "cleartext-credentials";
/// Id of the finding about a refused login, of which a session has at most one.
pub(super) const REJECTED: &str = "login-rejected";

/// Reports a session whose last login was refused; a later attempt that came to no end does not change that.
pub(super) fn detect_rejected(session: &Session, findings: &mut Vec<Finding>) {
    let (LoginOutcome::Rejected | LoginOutcome::Incomplete) = session.login.outcome else {
        return;
    };
    let mut refused = session
        .steps
        .iter()
        .rev()
        .filter(|step| step.kind == StepKind::Login && step.outcome == Outcome::Failed);
    // PASS alone is refused for its place, not for its account.
    let with_user = refused.clone().find(|step| user_command(step).is_some());
    let Some(step) = with_user.or_else(|| refused.next()) else {
        return;
    };
    let reply = step
        .commands
        .iter()
        .rev()
        .find_map(|command| command.replies.last());
    let quotation = reply.map_or_else(String::new, |reply| format!(": {}", quote(reply)));
    // Servers say 530 for much: only a text that names no other cause leaves the password in doubt.
    let cause = reply.and_then(refusal::of_login);
    let named = user_command(step).and_then(|command| command.argument.as_deref());
    let user = named
        .or(session.login.user.as_deref())
        .unwrap_or(UNCAPTURED_USER);
    let tries = if session.login.attempts > 1 {
        format!(" after {} attempts", session.login.attempts)
    } else {
        String::new()
    };
    findings.push(
        Draft {
            id: REJECTED,
            severity: Severity::Low,
            title: format!("login as {user} rejected"),
            explanation: format!("The server refused the login as {user}{tries}{quotation}."),
            advice: cause.map_or(
                "Check the account and its password on the server, and whether this client is meant to log in.",
                Cause::login_advice,
            ),
            frames: reply.map(|reply| reply.frame).into_iter().collect(),
        }
        .about(Some(step.number), None),
    );
}

fn user_command(step: &Step) -> Option<&Command> {
    step.commands.iter().find(|command| command.verb == "USER")
}

/// Reports a password that crossed the network in cleartext and was accepted.
///
/// Anonymous passwords are no secrets, and refused ones are mostly mistyped.
pub(super) fn detect_cleartext(session: &Session, findings: &mut Vec<Finding>) {
    if session.login.anonymous
        || session.login.outcome != LoginOutcome::Accepted
        || session.login.password.is_none()
    {
        return;
    }
    let mut steps = session.steps.iter().rev();
    let Some(step) = steps.find(|step| step.kind == StepKind::Login && step.outcome == Outcome::Ok)
    else {
        return;
    };
    let Some(pass) = step.commands.iter().find(|command| command.verb == "PASS") else {
        return;
    };
    if is_encrypted_at(session, pass.frame) {
        return;
    }
    let user = session.login.user.as_deref().unwrap_or(UNCAPTURED_USER);
    let refused = refused_encryption(session, step.number);
    let after = refused.map_or_else(String::new, |reply| {
        format!(
            " The client had asked for TLS before, and went on without it when the server said {} (frame {}).",
            quote(reply),
            reply.frame
        )
    });
    let mut frames: Vec<u64> = refused.map(|reply| reply.frame).into_iter().collect();
    frames.push(pass.frame);
    findings.push(
        Draft {
            id: CLEARTEXT,
            severity: Severity::Low,
            title: format!("password of {user} sent in clear"),
            explanation: format!("User name and password of {user} crossed the network unencrypted, and the login succeeded.{after}"),
            advice: if refused.is_some() {
                "Switch TLS on at the server, let the client insist on it, and change this password."
            } else {
                "Use FTPS (AUTH TLS before USER) or SFTP, and change this password."
            },
            frames,
        }
        .about(Some(step.number), None),
    );
}

/// Returns the last refusal of AUTH before a step; `None` if the client did not ask for TLS or got it.
fn refused_encryption(session: &Session, before: u64) -> Option<&Reply> {
    session
        .steps
        .iter()
        .take_while(|step| step.number < before)
        .flat_map(|step| &step.commands)
        .filter(|command| command.verb == "AUTH")
        .filter_map(|command| command.replies.last())
        .filter(|reply| reply.code >= 400)
        .last()
}

/// Login attempts of all sessions, kept until the end of the run.
#[derive(Debug, Default)]
pub(super) struct LoginAttempts {
    attempts: BTreeMap<Parties, Attempts>,
    /// Count of the attempts kept, at most [`MAX_ATTEMPTS`].
    count: usize,
    /// Refused attempts beyond that limit.
    omitted: u64,
}

/// Client address, server address and server port.
pub(super) type Parties = (IpAddr, IpAddr, u16);

/// Attempts of one client at one server.
#[derive(Debug, Default)]
struct Attempts {
    list: Vec<Attempt>,
    /// Distinct pairs of user and password among the refused, up to [`MANY_SLOWLY`].
    distinct: BTreeSet<(Box<str>, Option<u64>)>,
    told: Told,
}

/// Guessing that was reported before the end of the input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Told {
    #[default]
    Nothing,
    /// Refused logins.
    Refusals,
    /// Refused logins and the accepted one after them.
    Success,
}

impl Attempts {
    /// Returns whether the latest refusal completes as many as no human error explains.
    fn reaches_threshold(&self) -> bool {
        let refused = self.list.iter().rev().filter(|one| !one.accepted);
        let mut times = refused.map(|one| one.time).take(MANY);
        let fast = match (times.next(), times.nth(MANY - 2)) {
            (Some(last), Some(first)) => last.since(first) <= WINDOW,
            _ => false,
        };
        fast || self.distinct.len() >= MANY_SLOWLY
    }
}

#[derive(Clone, Debug)]
struct Attempt {
    time: Timestamp,
    frame: u64,
    session: u64,
    user: Box<str>,
    /// Fingerprint of the password; `None` if the capture has no PASS for the attempt.
    password: Option<u64>,
    accepted: bool,
}

impl LoginAttempts {
    /// Adds the login attempt of a step. Returns the guessing that it proves, once when the refusals reach the threshold and
    /// once when a login then succeeds.
    pub(super) fn on_step(
        &mut self,
        session: u64,
        key: Parties,
        step: &Step,
        passwords: &[(u64, u64)],
    ) -> Option<Finding> {
        let attempt = attempt(session, step, passwords)?;
        // An accepted login matters only after refused ones, and nearly all logins are accepted.
        if attempt.accepted && !self.attempts.contains_key(&key) {
            return None;
        }
        if self.count >= MAX_ATTEMPTS {
            self.omitted += u64::from(!attempt.accepted);
            return None;
        }
        self.count += 1;
        let attempts = self.attempts.entry(key).or_default();
        let accepted = attempt.accepted;
        if !accepted && attempts.distinct.len() < MANY_SLOWLY {
            let pair = (attempt.user.clone(), attempt.password);
            attempts.distinct.insert(pair);
        }
        attempts.list.push(attempt);
        let may_prove = match attempts.told {
            Told::Nothing => !accepted && attempts.reaches_threshold(),
            Told::Refusals => accepted && attempts.list.len() <= MAX_ATTEMPTS_AGAIN,
            Told::Success => false,
        };
        if !may_prove {
            return None;
        }
        let mut list = attempts.list.clone();
        list.sort_by_key(|attempt| (attempt.time, attempt.frame));
        let guessing = Guessing::detect(&list)?;
        let told = if guessing.success.is_some() {
            Told::Success
        } else {
            Told::Refusals
        };
        if told == attempts.told {
            return None;
        }
        attempts.told = told;
        Some(guessing.finding(key.0, key.1, key.2, 0))
    }

    /// Adds the login attempts of a whole session.
    #[cfg(test)]
    fn on_session_end(&mut self, session: &Session, passwords: &[(u64, u64)]) {
        let key = (session.client.ip, session.server.ip, session.server.port);
        for step in &session.steps {
            let _ = self.on_step(session.id, key, step, passwords);
        }
    }

    /// Returns what is known of guessed passwords at the end of a session whose login was accepted, among them those of other
    /// sessions; `None` if nothing is.
    ///
    /// The report writes a session when it ends, so that its verdict cannot wait for the end of the input.
    pub(super) fn so_far(&self, session: &Session) -> Option<Finding> {
        if session.login.outcome != LoginOutcome::Accepted {
            return None;
        }
        let key = (session.client.ip, session.server.ip, session.server.port);
        // Each such session costs one look at the attempts of its client.
        let attempts = self
            .attempts
            .get(&key)
            .filter(|attempts| attempts.list.len() <= MAX_ATTEMPTS_AGAIN)?;
        let mut attempts = attempts.list.clone();
        attempts.sort_by_key(|attempt| (attempt.time, attempt.frame));
        let guessing = Guessing::detect(&attempts)?;
        Some(guessing.finding(key.0, key.1, key.2, 0))
    }

    /// Returns the findings about guessed passwords, and forgets all attempts.
    pub(super) fn finish(&mut self) -> Vec<Finding> {
        let omitted = std::mem::take(&mut self.omitted);
        self.count = 0;
        std::mem::take(&mut self.attempts)
            .into_iter()
            .filter_map(|((client, server, port), attempts)| {
                let mut attempts = attempts.list;
                attempts.sort_by_key(|attempt| (attempt.time, attempt.frame));
                Guessing::detect(&attempts)
                    .map(|guessing| guessing.finding(client, server, port, omitted))
            })
            .collect()
    }
}

/// Password guessing of one client against one server.
struct Guessing<'a> {
    rejected: Vec<&'a Attempt>,
    users: BTreeSet<&'a str>,
    /// Count of the distinct pairs of user and password.
    distinct: usize,
    /// Most refused attempts within any [`WINDOW`].
    fastest: usize,
    /// The first accepted login of a guessed user after the guessing; `None` if no guess was right.
    success: Option<&'a Attempt>,
}

impl<'a> Guessing<'a> {
    /// Evaluates attempts in order of time. Returns `None` for attempts that may come from people who mistype.
    fn detect(attempts: &'a [Attempt]) -> Option<Self> {
        let rejected: Vec<&Attempt> = attempts.iter().filter(|one| !one.accepted).collect();
        // Two pointers: `first` is the start of the window that ends at `last`.
        let mut fastest = 0;
        let mut first = 0;
        for (last, attempt) in rejected.iter().enumerate() {
            while attempt.time.since(rejected[first].time) > WINDOW {
                first += 1;
            }
            fastest = fastest.max(last + 1 - first);
        }
        let users: BTreeSet<&str> = rejected.iter().map(|one| &*one.user).collect();
        let distinct: BTreeSet<(&str, Option<u64>)> = rejected
            .iter()
            .map(|one| (&*one.user, one.password))
            .collect();
        let distinct = distinct.len();
        if fastest < MANY && distinct < MANY_SLOWLY {
            return None;
        }
        // A success counts only after the fifth refusal: before it, the user mistyped and then remembered.
        let after = rejected.get(MANY - 1).or(rejected.last())?;
        let success = attempts.iter().find(|one| {
            one.accepted
                && (one.time, one.frame) > (after.time, after.frame)
                && users.contains(&*one.user)
        });
        Some(Self {
            rejected,
            users,
            distinct,
            fastest,
            success,
        })
    }

    fn finding(&self, client: IpAddr, server: IpAddr, port: u16, omitted: u64) -> Finding {
        let count = self.rejected.len();
        let users = self.users.len();
        let spraying = users >= MANY && count <= users * FEW_TRIES;
        let span = match (self.rejected.first(), self.rejected.last()) {
            (Some(first), Some(last)) => last.time.since(first.time).seconds(),
            _ => 0.0,
        };
        let at_least = if omitted > 0 { "at least " } else { "" };
        let named: Vec<&str> = self.users.iter().copied().take(MAX_NAMED_USERS).collect();
        let more = if users > named.len() {
            format!(" and {} more", users - named.len())
        } else {
            String::new()
        };
        let one_password = self.distinct == 1;
        let kind = if one_password {
            " All of them sent the same user and password: rather a program with a wrong password than somebody who guesses."
        } else {
            ""
        };
        let success = self.success.map_or_else(String::new, |one| {
            format!(
                " Then the login as {} succeeded (session {}, frame {}).",
                one.user, one.session, one.frame
            )
        });
        // One password repeated is rather a misconfigured program than a break-in. If a login then succeeds, somebody has
        // changed the account or the program: worth a look.
        let severity = match (self.distinct, self.success) {
            (2.., Some(_)) => Severity::High,
            (3.., None) | (_, Some(_)) => Severity::Medium,
            _ => Severity::Low,
        };
        let then = if self.success.is_some() {
            ", then one succeeded"
        } else {
            ""
        };
        let (id, title) = if spraying {
            (
                "password-spraying",
                format!("{client} tried {users} users at {server}:{port}, few times each{then}"),
            )
        } else {
            (
                "brute-force",
                format!("{client} was refused {at_least}{count} logins at {server}:{port}{then}"),
            )
        };
        let mut frames: Vec<u64> = self
            .rejected
            .iter()
            .map(|one| one.frame)
            // One frame stays free for the success.
            .take(MAX_FRAMES - 1)
            .collect();
        frames.extend(self.success.map(|one| one.frame));
        let mut sessions: BTreeSet<u64> = self
            .rejected
            .iter()
            .map(|one| one.session)
            .take(MAX_SESSIONS - 1)
            .collect();
        sessions.extend(self.success.map(|one| one.session));
        let mut finding = Draft {
            id,
            severity,
            title,
            explanation: format!(
                "The server {server}:{port} refused {at_least}{count} logins of {client} within {span:.1} s, up to {} of them within a minute, as {}{more}.{kind}{success}",
                self.fastest,
                named.join(", ")
            ),
            advice: if self.success.is_some() && !one_password {
                "Change the password of that user now, look at what the session did, and let the server lock out clients that fail often."
            } else {
                "Let the server lock out or slow down clients that fail often (RFC 2577 section 5), and look at who the client is."
            },
            frames,
        }
        .about(None, None);
        finding.sessions = sessions.into_iter().collect();
        finding
    }
}

/// Extracts the attempt from a login step; `None` if the server did not judge user and password.
fn attempt(session: u64, step: &Step, passwords: &[(u64, u64)]) -> Option<Attempt> {
    if step.kind != StepKind::Login {
        return None;
    }
    // The last answered command carries the judgement: PASS, or USER if the server refuses it at once.
    let (command, reply) = step.commands.iter().rev().find_map(|command| {
        let reply = command.replies.last()?;
        Some((command, reply))
    })?;
    let accepted = (200..300).contains(&reply.code);
    if !accepted && !is_judgement(reply) {
        return None;
    }
    let user = step
        .commands
        .iter()
        .find(|command| command.verb == "USER")
        .and_then(|command| command.argument.as_deref())
        .unwrap_or(UNCAPTURED_USER);
    Some(Attempt {
        time: reply.time,
        frame: reply.frame,
        session,
        user: user.chars().take(MAX_USER_CHARS).collect(),
        password: password_of(command, step, passwords),
        accepted,
    })
}

/// Returns the fingerprint of the password sent in a login step; `None` if none was captured.
fn password_of(command: &Command, step: &Step, passwords: &[(u64, u64)]) -> Option<u64> {
    let sequence = step
        .commands
        .iter()
        .rev()
        .find(|command| command.verb == "PASS")
        .unwrap_or(command)
        .sequence;
    let index = passwords
        .binary_search_by_key(&sequence, |&(sequence, _)| sequence)
        .ok()?;
    passwords.get(index).map(|&(_, fingerprint)| fingerprint)
}

/// Returns whether a reply refuses user and password. Servers also send 530 when they are full or demand encryption.
fn is_judgement(reply: &Reply) -> bool {
    const OTHER_REASONS: &[&str] = &[
        "tls",
        "ssl",
        "encrypt",
        "secur",
        "too many",
        "maximum",
        "limit",
        "full",
        "busy",
        "try again later",
    ];
    let text = quote(reply).to_ascii_lowercase();
    // 430 is in no RFC, but some servers send it for a wrong password; 535 is from RFC 2228.
    matches!(reply.code, 430 | 530 | 535)
        && !OTHER_REASONS.iter().any(|reason| text.contains(reason))
}

/// Period in which refused logins are counted against [`MANY`].
const WINDOW: Span = Span::from_secs(60);
/// Refused logins within [`WINDOW`] beyond human error.
const MANY: usize = 5;
/// Distinct passwords beyond human error at any speed.
const MANY_SLOWLY: usize = 10;
/// Average limit of tries for each user up to which guessing counts as spraying.
const FEW_TRIES: usize = 2;
/// Limit of the users named in the explanation.
const MAX_NAMED_USERS: usize = 5;
/// Limit of the characters kept of a user name.
const MAX_USER_CHARS: usize = 64;
/// Limit of the attempts that are looked at again for each accepted login.
const MAX_ATTEMPTS_AGAIN: usize = 2_000;
/// Limit of the attempts kept over all clients.
const MAX_ATTEMPTS: usize = 100_000;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::diagnosis::tests::{command, session, step};

    #[test]
    fn cleartext_login_after_refused_auth_names_the_refusal() {
        let mut session = session();
        Arc::make_mut(&mut session.steps[0]).number = 2;
        let refused = command(
            "AUTH",
            Some("TLS"),
            (530, "Please login with USER and PASS."),
        );
        session.steps.insert(0, step(vec![refused]).into());
        let mut findings = Vec::new();
        detect_cleartext(&session, &mut findings);
        assert!(
            findings[0]
                .explanation
                .ends_with("said 530 Please login with USER and PASS (frame 8).")
        );
        assert!(findings[0].advice.starts_with("Switch TLS on"));
        assert_eq!(findings[0].frames, [8, 7]);
    }

    #[test]
    fn refused_login_is_reported_also_before_one_that_came_to_no_end() {
        let mut session = session();
        session.login.outcome = LoginOutcome::Incomplete;
        session.login.user = Some("otto".to_owned());
        let mut findings = Vec::new();
        detect_rejected(&session, &mut findings);
        assert!(findings.is_empty());
        let mut refused = step(vec![
            command("USER", Some("mira"), (331, "Password required.")),
            command("PASS", Some("<hidden>"), (530, "Login incorrect.")),
        ]);
        refused.kind = StepKind::Login;
        refused.outcome = Outcome::Failed;
        session.steps.insert(0, refused.into());
        detect_rejected(&session, &mut findings);
        assert_eq!(findings[0].title, "login as mira rejected");
    }

    #[test]
    fn anonymous_password_reports_nothing() {
        let mut anonymous = session();
        anonymous.login.anonymous = true;
        let mut findings = Vec::new();
        detect_cleartext(&anonymous, &mut findings);
        detect_rejected(&anonymous, &mut findings);
        assert!(findings.is_empty());
        detect_cleartext(&session(), &mut findings);
        assert_eq!(findings[0].id, "cleartext-credentials");
        assert!(!findings[0].explanation.contains("hunter2"));
    }

    /// Returns the findings about `attempts`, each given as second, user, password fingerprint and reply code.
    fn findings(attempts: &[(u64, &str, u64, u16)]) -> Vec<Finding> {
        let mut logins = LoginAttempts::default();
        for (number, &(second, user, password, code)) in (1..).zip(attempts) {
            let mut session = session();
            session.id = number;
            let mut pass = command("PASS", Some("<hidden>"), (code, "Login incorrect."));
            pass.sequence = 2;
            pass.replies[0].time = Timestamp::from_parts(1_000 + second, 0);
            pass.replies[0].frame = number * 10;
            let mut login = step(vec![command("USER", Some(user), (331, "password")), pass]);
            login.kind = StepKind::Login;
            session.steps = vec![login.into()];
            logins.on_session_end(&session, &[(2, password)]);
        }
        logins.finish()
    }

    #[test]
    fn five_passwords_within_a_minute_are_brute_force() {
        let attempts: Vec<_> = (0..5).map(|n| (n, "bob", n, 530)).collect();
        let found = findings(&attempts);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].id.as_str(), found[0].severity),
            ("brute-force", Severity::Medium)
        );
        assert_eq!(found[0].sessions, [1, 2, 3, 4, 5]);
        assert_eq!(found[0].frames, [10, 20, 30, 40, 50]);
    }

    #[test]
    fn success_after_guessing_is_of_high_severity() {
        let mut attempts: Vec<_> = (0..6).map(|n| (n, "bob", n, 530)).collect();
        attempts.push((7, "bob", 99, 230));
        let found = findings(&attempts);
        assert_eq!(found[0].severity, Severity::High);
        assert!(found[0].title.ends_with("then one succeeded"));
        attempts[6].1 = "eve";
        assert_eq!(findings(&attempts)[0].severity, Severity::Medium);
    }

    #[test]
    fn many_users_with_few_tries_each_are_password_spraying() {
        let users = ["ann", "bob", "cid", "dan", "eve", "fay"];
        let attempts: Vec<_> = (0..)
            .zip(users)
            .map(|(n, user)| (n, user, 1, 530))
            .collect();
        assert_eq!(findings(&attempts)[0].id, "password-spraying");
    }

    #[test]
    fn mistyped_passwords_and_full_servers_report_nothing() {
        assert!(
            findings(&[
                (0, "bob", 1, 530),
                (9, "bob", 2, 530),
                (20, "bob", 3, 530),
                (30, "bob", 4, 230)
            ])
            .is_empty()
        );
        let slowly: Vec<_> = (0..9).map(|n| (n * 120, "bob", n, 530)).collect();
        assert!(findings(&slowly).is_empty());
        let full: Vec<_> = (0..20).map(|n| (n, "bob", n, 421)).collect();
        assert!(findings(&full).is_empty());
        assert!(!is_judgement(
            &command("PASS", None, (530, "Sorry, too many users.")).replies[0]
        ));
        assert!(!is_judgement(
            &command(
                "USER",
                None,
                (530, "Non-anonymous sessions must use encryption.")
            )
            .replies[0]
        ));
    }

    #[test]
    fn one_wrong_password_repeated_is_a_program_of_low_severity() {
        let attempts: Vec<_> = (0..20).map(|n| (n, "bob", 1, 530)).collect();
        let found = findings(&attempts);
        assert_eq!(found[0].severity, Severity::Low);
        assert!(
            found[0]
                .explanation
                .contains("a program with a wrong password")
        );
        let attempts: Vec<_> = (0..6)
            .map(|n| (n, "bob", 1, 530))
            .chain([(9, "bob", 2, 230)])
            .collect();
        assert_eq!(findings(&attempts)[0].severity, Severity::Medium);
    }

    #[test]
    fn ten_passwords_are_brute_force_at_any_speed() {
        let attempts: Vec<_> = (0..10).map(|n| (n * 600, "bob", n, 530)).collect();
        assert_eq!(findings(&attempts).len(), 1);
    }
}
