//! `brute-force` and `password-spraying`: many refused logins from one client to one server.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::{MOST_FRAMES, MOST_SESSIONS};
use crate::diagnosis::{Draft, quote};
use crate::model::record::{Command, Finding, Reply, Session, Severity, Step, StepKind};
use crate::model::{Span, Timestamp};

/// Attempts by client and server.
#[derive(Debug, Default)]
pub(super) struct Logins {
    attempts: BTreeMap<(IpAddr, IpAddr, u16), Vec<Attempt>>,
    count: usize,
    /// Refused attempts that found no room.
    left_out: u64,
}

#[derive(Clone, Debug)]
struct Attempt {
    time: Timestamp,
    frame: u64,
    session: u64,
    user: Box<str>,
    /// Tells passwords apart; `None` where none was seen.
    password: Option<u64>,
    accepted: bool,
}

impl Logins {
    pub(super) fn session_over(&mut self, session: &Session, passwords: &[(u64, u64)]) {
        let key = (session.client.ip, session.server.ip, session.server.port);
        for step in &session.steps {
            let Some(attempt) = attempt(session.id, step, passwords) else {
                continue;
            };
            // A login that succeeded matters only after refused ones.
            if attempt.accepted && !self.attempts.contains_key(&key) {
                continue;
            }
            if self.count >= ATTEMPTS {
                self.left_out += u64::from(!attempt.accepted);
                continue;
            }
            self.count += 1;
            self.attempts.entry(key).or_default().push(attempt);
        }
    }

    pub(super) fn finish(&mut self) -> Vec<Finding> {
        let left_out = std::mem::take(&mut self.left_out);
        self.count = 0;
        std::mem::take(&mut self.attempts)
            .into_iter()
            .filter_map(|((client, server, port), mut attempts)| {
                attempts.sort_by_key(|attempt| (attempt.time, attempt.frame));
                Guessing::of(&attempts)
                    .map(|guessing| guessing.finding(client, server, port, left_out))
            })
            .collect()
    }
}

/// What the attempts of one client at one server amount to.
struct Guessing<'a> {
    rejected: Vec<&'a Attempt>,
    users: BTreeSet<&'a str>,
    different: usize,
    fastest: usize,
    success: Option<&'a Attempt>,
}

impl<'a> Guessing<'a> {
    /// `None` for what may be people who mistype.
    fn of(attempts: &'a [Attempt]) -> Option<Self> {
        let rejected: Vec<&Attempt> = attempts.iter().filter(|one| !one.accepted).collect();
        let mut fastest = 0;
        let mut first = 0;
        for (last, attempt) in rejected.iter().enumerate() {
            while attempt.time.since(rejected[first].time) > WINDOW {
                first += 1;
            }
            fastest = fastest.max(last + 1 - first);
        }
        let users: BTreeSet<&str> = rejected.iter().map(|one| &*one.user).collect();
        let different: BTreeSet<(&str, Option<u64>)> = rejected
            .iter()
            .map(|one| (&*one.user, one.password))
            .collect();
        let different = different.len();
        if fastest < MANY && different < MANY_SLOWLY {
            return None;
        }
        let after = rejected.get(MANY - 1).or(rejected.last())?;
        let success = attempts.iter().find(|one| {
            one.accepted
                && (one.time, one.frame) > (after.time, after.frame)
                && users.contains(&*one.user)
        });
        Some(Self {
            rejected,
            users,
            different,
            fastest,
            success,
        })
    }

    fn finding(&self, client: IpAddr, server: IpAddr, port: u16, left_out: u64) -> Finding {
        let count = self.rejected.len();
        let users = self.users.len();
        let spraying = users >= MANY && count <= users * FEW_TRIES;
        let span = match (self.rejected.first(), self.rejected.last()) {
            (Some(first), Some(last)) => last.time.since(first.time).seconds(),
            _ => 0.0,
        };
        let at_least = if left_out > 0 { "at least " } else { "" };
        let named: Vec<&str> = self.users.iter().copied().take(NAMED).collect();
        let more = if users > named.len() {
            format!(" and {} more", users - named.len())
        } else {
            String::new()
        };
        let one_password = self.different == 1;
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
        let severity = match (self.different, self.success) {
            (2.., Some(_)) => Severity::High,
            (3.., None) => Severity::Medium,
            _ => Severity::Low,
        };
        let then = if self.success.is_some() && !one_password {
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
            .take(MOST_FRAMES - 1)
            .collect();
        frames.extend(self.success.map(|one| one.frame));
        let sessions: BTreeSet<u64> = self
            .rejected
            .iter()
            .copied()
            .chain(self.success)
            .map(|one| one.session)
            .collect();
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
        finding.sessions = sessions.into_iter().take(MOST_SESSIONS).collect();
        finding
    }
}

/// The attempt that a login step is, where the server judged user and password.
fn attempt(session: u64, step: &Step, passwords: &[(u64, u64)]) -> Option<Attempt> {
    if step.kind != StepKind::Login {
        return None;
    }
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
        .unwrap_or("an unknown user");
    Some(Attempt {
        time: reply.time,
        frame: reply.frame,
        session,
        user: user.chars().take(LONGEST_USER).collect(),
        password: password_of(command, step, passwords),
        accepted,
    })
}

fn password_of(command: &Command, step: &Step, passwords: &[(u64, u64)]) -> Option<u64> {
    let sequence = step
        .commands
        .iter()
        .rev()
        .find(|command| command.verb == "PASS")
        .unwrap_or(command)
        .sequence;
    let place = passwords
        .binary_search_by_key(&sequence, |&(sequence, _)| sequence)
        .ok()?;
    passwords.get(place).map(|&(_, print)| print)
}

/// 530 and its kin refuse a user; but not where the server is full or wants encryption.
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
    matches!(reply.code, 430 | 530 | 535)
        && !OTHER_REASONS.iter().any(|reason| text.contains(reason))
}

const WINDOW: Span = Span::from_secs(60);
/// Refused logins within [`WINDOW`] that no person makes by mistake.
const MANY: usize = 5;
/// Different passwords that no person tries by mistake, however slowly.
const MANY_SLOWLY: usize = 10;
/// Tries for each user that still are spraying.
const FEW_TRIES: usize = 2;
/// Users that are named.
const NAMED: usize = 5;
/// Characters of a user name that are kept.
const LONGEST_USER: usize = 64;
/// Attempts remembered.
const ATTEMPTS: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::tests::{command, session, step};

    /// Attempts as second, user, password, code.
    fn findings(attempts: &[(u64, &str, u64, u16)]) -> Vec<Finding> {
        let mut logins = Logins::default();
        for (number, &(second, user, password, code)) in (1..).zip(attempts) {
            let mut it = session();
            it.id = number;
            let mut pass = command("PASS", Some("<hidden>"), (code, "Login incorrect."));
            pass.sequence = 2;
            pass.replies[0].time = Timestamp::from_parts(1_000 + second, 0);
            pass.replies[0].frame = number * 10;
            let mut login = step(vec![command("USER", Some(user), (331, "password")), pass]);
            login.kind = StepKind::Login;
            it.steps = vec![login.into()];
            logins.session_over(&it, &[(2, password)]);
        }
        logins.finish()
    }

    #[test]
    fn five_different_passwords_within_a_minute_are_brute_force() {
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
    fn a_success_afterwards_needs_action() {
        let mut attempts: Vec<_> = (0..6).map(|n| (n, "bob", n, 530)).collect();
        attempts.push((7, "bob", 99, 230));
        let found = findings(&attempts);
        assert_eq!(found[0].severity, Severity::High);
        assert!(found[0].title.ends_with("then one succeeded"));
        attempts[6].1 = "eve";
        assert_eq!(findings(&attempts)[0].severity, Severity::Medium);
    }

    #[test]
    fn many_users_with_few_tries_are_spraying() {
        let users = ["ann", "bob", "cid", "dan", "eve", "fay"];
        let attempts: Vec<_> = (0..)
            .zip(users)
            .map(|(n, user)| (n, user, 1, 530))
            .collect();
        assert_eq!(findings(&attempts)[0].id, "password-spraying");
    }

    #[test]
    fn people_who_mistype_and_servers_that_are_full_raise_nothing() {
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
    fn one_wrong_password_over_and_over_is_rather_a_program() {
        let attempts: Vec<_> = (0..20).map(|n| (n, "bob", 1, 530)).collect();
        let found = findings(&attempts);
        assert_eq!(found[0].severity, Severity::Low);
        assert!(
            found[0]
                .explanation
                .contains("a program with a wrong password")
        );
    }

    #[test]
    fn ten_different_passwords_are_told_however_slowly_they_come() {
        let attempts: Vec<_> = (0..10).map(|n| (n * 600, "bob", n, 530)).collect();
        assert_eq!(findings(&attempts).len(), 1);
    }
}
