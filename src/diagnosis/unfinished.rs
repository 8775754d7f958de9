//! `no-answer`, `session-refused`, `mode-refused`, `data-address-unused`, `login-unfinished`, `upload-unconfirmed` and
//! `slow-greeting`: sessions that stalled, or ended before what the client asked for was done.
//!
//! A server owes each command a final reply (RFC 959 section 4.2), and a client that negotiated a data connection owes it a
//! transfer. How long the other side waited is part of each finding. A wait is reported where it was ended (FIN, RST), or
//! where it lasted [`LONG_WAIT`] and the capture could have shown an answer.
//!
//! | the last thing in the dialogue | finding |
//! | --- | --- |
//! | a greeting of 4yz or 5yz | `session-refused` |
//! | a command without a final reply | `no-answer` |
//! | 331 or 332, and no PASS or ACCT | `login-unfinished` |
//! | PORT, PASV or their kin refused, and no other way tried | `mode-refused` |
//! | an accepted PORT, PASV or their kin, and no transfer command | `data-address-unused` |
//! | an upload that was answered when the client had left | `upload-unconfirmed` |
//!
//! QUIT ends a session whether or not it is answered, and many clients do not wait for the reply. Nothing is concluded where
//! bytes of the control connection are missing, or commands are encrypted.

use super::{DataTrouble, Draft, display_name, quote, refusal};
use crate::model::record::{
    Command, Completeness, EndState, Finding, LoginOutcome, Opener, Outcome, Reply, Session,
    Severity, Step, StepKind,
};
use crate::model::{Span, Timestamp, grouped};
use crate::protocol::ftp::passive_reply;

/// Ids of findings which say that a session ended before what the client asked for was done.
pub(super) const UNFINISHED: [&str; 5] = [
    "no-answer",
    "session-refused",
    "mode-refused",
    "data-address-unused",
    "login-unfinished",
];

/// Reports the end of a session whose last request was not done, and a late greeting. `capture_end` is the time of the last
/// packet so far.
pub(super) fn detect(
    session: &Session,
    evidence: &[DataTrouble],
    capture_end: Timestamp,
    findings: &mut Vec<Finding>,
) {
    findings.extend(slow_greeting(session, evidence));
    if session.steps_omitted > 0 || super::control_was_lost(evidence) {
        return;
    }
    let end = Ending {
        session,
        evidence,
        capture_end,
    };
    findings.extend(end.refused_session());
    findings.extend(end.unconfirmed_upload());
    let hidden = session.tls.is_some()
        && session
            .steps
            .iter()
            .all(|step| step.kind != StepKind::Login);
    if !hidden {
        let known = findings.len();
        findings.extend(end.no_answer());
        if findings.len() == known {
            findings.extend(end.unfinished_login());
            findings.extend(end.after_negotiation());
        }
    }
}

/// A session, and what its end depends on.
struct Ending<'a> {
    session: &'a Session,
    evidence: &'a [DataTrouble],
    capture_end: Timestamp,
}

impl<'a> Ending<'a> {
    /// Returns how long somebody has waited since `from`; `None` where the capture may have ended too early, or where QUIT
    /// came so soon that the client wanted nothing more.
    fn wait(&self, from: Timestamp) -> Option<Span> {
        if let Some(quit) = self.quit() {
            return Some(quit.time.since(from)).filter(|&wait| wait >= LONG_WAIT);
        }
        match self.session.end_state {
            EndState::Closed | EndState::Reset => Some(self.session.end.since(from)),
            EndState::Open | EndState::Timeout => {
                Some(self.capture_end.since(from)).filter(|&wait| wait >= LONG_WAIT)
            }
        }
    }

    /// Returns the end of the session for a sentence, and its frame.
    fn end(&self) -> (&'static str, Option<u64>) {
        if let Some(quit) = self.quit() {
            return ("the client sent QUIT", Some(quit.frame));
        }
        match self.session.end_state {
            EndState::Closed | EndState::Reset => super::ended_by(self.evidence),
            EndState::Open => ("the capture ended", None),
            EndState::Timeout => ("nothing more came", None),
        }
    }

    fn quit(&self) -> Option<&'a Command> {
        let last = self
            .session
            .steps
            .iter()
            .rev()
            .find(|step| step.kind == StepKind::Quit)?;
        last.commands.first()
    }

    fn by_server(&self) -> bool {
        self.quit().is_none()
            && self.evidence.iter().any(|item| {
                matches!(
                    item,
                    DataTrouble::ControlEnd {
                        by: Opener::Server,
                        ..
                    }
                )
            })
    }

    fn commands(&self) -> impl DoubleEndedIterator<Item = (&'a Step, &'a Command)> {
        self.session
            .steps
            .iter()
            .filter(|step| step.kind != StepKind::Quit)
            .flat_map(|step| step.commands.iter().map(move |command| (&**step, command)))
    }

    /// Reports a greeting that refuses the session (RFC 959 section 5.4: 421).
    fn refused_session(&self) -> Option<Finding> {
        let greeting = self
            .session
            .greeting
            .as_ref()
            .filter(|reply| reply.code >= 400)?;
        if self.session.login.outcome == LoginOutcome::Accepted {
            return None;
        }
        let cause = refusal::of_login(greeting);
        let advice = cause.map_or(
            "Look at the server's log, and try again later.",
            refusal::Cause::login_advice,
        );
        Some(
            Draft {
                id: "session-refused",
                severity: Severity::Medium,
                title: format!("the server refused the session: {}", quote(greeting)),
                explanation: format!(
                    "The server greeted with {} (frame {}) and took no login.",
                    quote(greeting),
                    greeting.frame
                ),
                advice,
                frames: vec![greeting.frame],
            }
            .about(None, None),
        )
    }

    /// Reports the first of the last commands that got no final reply.
    fn no_answer(&self) -> Option<Finding> {
        // The latest ones: an earlier command without a reply was passed over, and the dialogue went on.
        let (step, command) = self
            .commands()
            .rev()
            .take_while(|(_, command)| !command.replies.iter().any(|reply| reply.code >= 200))
            .filter(|(step, command)| {
                step.outcome != Outcome::Unknown
                    && !matches!(command.verb.as_str(), "ABOR" | "STAT" | "NOOP")
            })
            .last()?;
        let preliminary = command.replies.last();
        let transfer = step.transfer.and_then(|id| self.session.transfer(id));
        let connection = transfer.and_then(|transfer| transfer.connection.as_ref());
        // `incomplete-file`, `stalled-transfer` and `data-connection-blocked` cover a transfer that broke off.
        if let Some(transfer) = transfer
            && (matches!(transfer.completeness, Completeness::Aborted | Completeness::Truncated | Completeness::Gaps)
                && connection.is_some()
                || self.evidence.iter().any(
                    |item| matches!(item, DataTrouble::Blocked { transfer: Some(id), .. } if *id == transfer.id),
                ))
        {
            return None;
        }
        let from = [
            Some(command.time),
            preliminary.map(|reply| reply.time),
            connection.map(|connection| connection.end),
        ]
        .into_iter()
        .flatten()
        .max()?;
        let wait = self.wait(from)?;
        let delivered = connection.is_some();
        // Some clients close as soon as they have the data.
        if delivered && wait < LONG_WAIT && !self.by_server() {
            return None;
        }
        let seconds = duration(wait);
        let (who, frame) = self.end();
        let verb = &command.verb;
        let what = if delivered {
            format!(
                "the data connection of {verb} closed in order, but the final reply (226) never came"
            )
        } else if preliminary.is_some() {
            format!("{verb} got no final reply")
        } else {
            format!("{verb} got no answer")
        };
        let mut frames = vec![command.frame];
        frames.extend(preliminary.map(|reply| reply.frame));
        frames.extend(connection.map(|connection| connection.last_frame));
        frames.extend(frame);
        let advice = if delivered {
            "Look at the server: it owes a 226 or 250 after each transfer (RFC 959 section 5.4), and clients wait for it."
        } else if preliminary.is_some() {
            "Look at who was to open the data connection, and whether it tried; the server had begun (RFC 959 section 3.2)."
        } else if matches!(verb.as_str(), "USER" | "PASS" | "ACCT") {
            "Look at the server's log: a login that gets no answer often waits for a directory service or a reverse lookup."
        } else {
            "Look at the server's log: it took the command and did not answer (RFC 959 section 4.2)."
        };
        let severity = if wait >= LONG_WAIT || self.by_server() {
            Severity::Medium
        } else {
            Severity::Low
        };
        Some(
            Draft {
                id: "no-answer",
                severity,
                title: if delivered {
                    format!("{verb} got no final reply in {seconds} s after its data, then {who}")
                } else if preliminary.is_some() {
                    format!("{verb} got no final reply in {seconds} s, then {who}")
                } else {
                    format!("{verb} got no answer in {seconds} s, then {who}")
                },
                explanation: format!(
                    "{} in {seconds} s (frame {}); then {who}.",
                    super::capitalize(&what),
                    command.frame
                ),
                advice,
                frames,
            }
            .about(Some(step.number), step.transfer),
        )
    }

    /// Reports an upload that the server called complete when the client had left already.
    ///
    /// A client that breaks off an upload closes both connections. On the data connection that is the end of the file, and the
    /// server answers 226 (RFC 959 section 3.4.1: in stream mode, closing the connection indicates the end of file).
    fn unconfirmed_upload(&self) -> Option<Finding> {
        let left = self.evidence.iter().find_map(|item| match item {
            DataTrouble::ControlEnd {
                by: Opener::Client,
                frame,
                ..
            } => Some(*frame),
            _ => None,
        })?;
        let (step, command) = self.commands().next_back()?;
        if self.quit().is_some() || step.kind != StepKind::Store {
            return None;
        }
        let reply = command
            .replies
            .last()
            .filter(|reply| (200..300).contains(&reply.code) && reply.frame > left)?;
        let transfer = self.session.transfer(step.transfer?)?;
        let is_proven = transfer.announced_bytes == Some(transfer.bytes);
        if transfer.completeness != Completeness::Complete || is_proven {
            return None;
        }
        let (verb, name) = (&command.verb, display_name(transfer));
        Some(
            Draft {
                id: "upload-unconfirmed",
                severity: Severity::Low,
                title: format!("the client left before the answer to {verb} {name}"),
                explanation: format!(
                    "The client ended the control connection (frame {left}) before the server had answered {verb}; {} came later (frame {}), for {} bytes. A client that breaks off an upload ends it like a whole file: nothing on the wire shows whether it had more to send.",
                    quote(reply),
                    reply.frame,
                    grouped(transfer.bytes)
                ),
                advice: "Compare the size or a digest with the file at the client.",
                frames: vec![left, reply.frame],
            }
            .about(Some(step.number), Some(transfer.id)),
        )
    }

    /// Reports a login that the client left after 331 or 332.
    fn unfinished_login(&self) -> Option<Finding> {
        if self.session.login.outcome != LoginOutcome::Incomplete {
            return None;
        }
        let (step, command) = self.commands().next_back()?;
        let reply = command
            .replies
            .last()
            .filter(|reply| step.kind == StepKind::Login && (300..400).contains(&reply.code))?;
        // A user may think better of it at the prompt for a password. An account is asked for by servers that demand more than the
        // client knows of, and QUIT is the answer of clients that have none.
        let gave_up = || {
            let quit = self.quit().filter(|_| reply.code == 332)?;
            Some(quit.time.since(reply.time))
        };
        let wait = self.wait(reply.time).or_else(gave_up)?;
        let (who, frame) = self.end();
        let mut frames = vec![command.frame, reply.frame];
        frames.extend(frame);
        let asked = if reply.code == 332 {
            "an account"
        } else {
            "a password"
        };
        let seconds = duration(wait);
        Some(
            Draft {
                id: "login-unfinished",
                severity: if wait >= LONG_WAIT || self.by_server() { Severity::Medium } else { Severity::Low },
                title: format!("the client sent no {} in {seconds} s, then {who}", &asked[asked.find(' ').map_or(0, |at| at + 1)..]),
                explanation: format!(
                    "The server asked for {asked} with {} (frame {}), and nothing came for {seconds} s; then {who}.",
                    quote(reply),
                    reply.frame
                ),
                advice: "Look at the client: it began a login and did not go on with it.",
                frames,
            }
            .about(Some(step.number), None),
        )
    }

    /// Reports a negotiation that no transfer followed.
    fn after_negotiation(&self) -> Option<Finding> {
        let last = self
            .session
            .transfers
            .last()
            .and_then(|transfer| self.session.step_of(transfer.id));
        let after = last.map_or(0, |step| step.number);
        let negotiations = || {
            self.commands().filter(|(step, command)| {
                step.number > after && step.transfer.is_none() && listens(&command.verb).is_some()
            })
        };
        let (step, command) = negotiations().next_back()?;
        let reply = command.replies.last()?;
        let (who, frame) = self.end();
        let mut frames = vec![command.frame, reply.frame];
        frames.extend(frame);
        let passive = listens(&command.verb) == Some(Opener::Server);
        if reply.code >= 400 {
            let delivered = self
                .session
                .transfers
                .iter()
                .any(|transfer| transfer.connection.is_some());
            let over = self.quit().is_some() || self.wait(reply.time).is_some();
            // The client may have found another way before this one.
            if delivered
                || !over
                || negotiations()
                    .any(|(_, command)| command.replies.iter().any(|reply| reply.code < 400))
            {
                return None;
            }
            let (mode, advice) = if passive {
                (
                    "passive",
                    "Use active mode (PORT or EPRT), or EPSV instead of PASV and the reverse, if the server knows it; or switch passive mode on at the server.",
                )
            } else {
                (
                    "active",
                    "Use passive mode (PASV or EPSV), or allow active mode at the server.",
                )
            };
            return Some(
                Draft {
                    id: "mode-refused",
                    severity: Severity::Medium,
                    title: format!("the server refused {mode} mode and nothing was transferred: {} {}", command.verb, quote(reply)),
                    explanation: format!(
                        "{} was refused with {} (frame {}), and the client tried no other way to a data connection; then {who}.",
                        command.verb,
                        quote(reply),
                        reply.frame
                    ),
                    advice,
                    frames,
                }
                .about(Some(step.number), None),
            );
        }
        let tried = self.evidence.iter().any(|item| {
            matches!(
                item,
                DataTrouble::Blocked { transfer: None, .. } | DataTrouble::OpenedUnused { .. }
            )
        });
        if tried || reply.code < 200 {
            return None;
        }
        let wait = self.wait(reply.time)?;
        Some(
            self.unused_address(command, reply, passive, wait)
                .about(Some(step.number), None),
        )
    }

    fn unused_address(
        &self,
        command: &Command,
        reply: &Reply,
        passive: bool,
        wait: Span,
    ) -> Draft<'static> {
        let (who, frame) = self.end();
        let seconds = duration(wait);
        let mut frames = vec![reply.frame];
        frames.extend(frame);
        let end = reply
            .lines
            .iter()
            .rev()
            .find_map(|line| passive_reply(line.as_bytes()))
            .filter(|_| reply.code == 227);
        let place = end.map_or_else(
            || {
                extended_port(reply).map_or_else(
                    || quote(reply),
                    |port| format!("{} port {port}", self.session.server.ip),
                )
            },
            |end| format!("{} port {}", end.ip(), end.port),
        );
        if !passive {
            return Draft {
                id: "data-address-unused",
                severity: Severity::Medium,
                title: format!(
                    "no transfer command came in {seconds} s after {}, then {who}",
                    command.verb
                ),
                explanation: format!(
                    "The server accepted {} with {} (frame {}), and the client sent no transfer command for {seconds} s; then {who}.",
                    command.verb,
                    quote(reply),
                    reply.frame
                ),
                advice: "Look at the client: it prepared a transfer and did not begin it.",
                frames,
            };
        }
        let server = self.session.server.ip;
        let private = end.is_some_and(|end| {
            end.ip() != server
                && (end.ip().is_unspecified()
                    || super::third_party::is_internal(end.ip())
                        && !super::third_party::is_internal(server))
        });
        let (why, advice) = if private {
            (
                format!(
                    " The address is internal while the server is {server}: a client outside cannot reach it."
                ),
                "Configure the address that the server announces in passive mode, or use EPSV, which names none.",
            )
        } else {
            (
                String::new(),
                "Capture at the client: its SYN shows whether it tries the announced address. If it does, a firewall between drops it.",
            )
        };
        Draft {
            id: "data-address-unused",
            severity: Severity::Medium,
            title: format!(
                "nobody connected to {place} in {seconds} s after {}, then {who}",
                command.verb
            ),
            explanation: format!(
                "The server waits for the data connection at {place} (frame {}), but no SYN to it is in the capture, and no transfer command came for {seconds} s; then {who}.{why}",
                reply.frame
            ),
            advice,
            frames,
        }
    }
}

/// Reports a greeting that was long in coming, and a lookup by ident (RFC 1413) that explains it.
fn slow_greeting(session: &Session, evidence: &[DataTrouble]) -> Option<Finding> {
    let greeting = session.greeting.as_ref()?;
    let waited = session
        .timing
        .greeting
        .filter(|&seconds| seconds >= SLOW_GREETING)?;
    let ident = evidence.iter().find_map(|item| match item {
        DataTrouble::Ident { frame, answered } if *frame < greeting.frame => {
            Some((*frame, *answered))
        }
        _ => None,
    });
    let (why, advice) = match ident {
        Some((frame, false)) => (
            format!(
                " Meanwhile the server asked the client's port 113 who it is (ident, RFC 1413; frame {frame}) and got no answer: a firewall at the client drops it."
            ),
            "Switch ident lookups off at the server (ProFTPD: IdentLookups off; DrFTPD, xinetd: USERID), or let the client's firewall refuse port 113 instead of dropping it.",
        ),
        Some((frame, true)) => (
            format!(
                " Meanwhile the server asked the client's port 113 who it is (ident, RFC 1413; frame {frame})."
            ),
            "Switch ident lookups off at the server (ProFTPD: IdentLookups off; DrFTPD, xinetd: USERID).",
        ),
        None => (
            String::new(),
            "Look at the server: reverse lookups of the client's address (ProFTPD: UseReverseDNS off), ident lookups and overload delay greetings.",
        ),
    };
    let mut frames = vec![greeting.frame];
    frames.extend(ident.map(|(frame, _)| frame));
    let severity = if waited >= LONG_WAIT.seconds() {
        Severity::Medium
    } else {
        Severity::Low
    };
    let because = if ident.is_some() {
        ", after an ident lookup (port 113)"
    } else {
        ""
    };
    Some(
        Draft {
            id: "slow-greeting",
            severity,
            title: format!("the greeting came {waited:.1} s after the connection{because}"),
            explanation: format!(
                "The connection was open, and the server greeted {waited:.1} s later with {} (frame {}).{why}",
                quote(greeting),
                greeting.frame
            ),
            advice,
            frames,
        }
        .about(None, None),
    )
}

/// Returns the side that listens after a negotiation command; `None` for other commands.
fn listens(verb: &str) -> Option<Opener> {
    match verb {
        "PORT" | "EPRT" | "LPRT" => Some(Opener::Client),
        "PASV" | "EPSV" | "LPSV" => Some(Opener::Server),
        _ => None,
    }
}

/// Returns the port in a 229 reply (RFC 2428 section 3); `None` for other replies.
fn extended_port(reply: &Reply) -> Option<u16> {
    let text = reply.lines.last().filter(|_| reply.code == 229)?;
    let inner = text.rsplit_once('(')?.1.split_once(')')?.0;
    inner
        .split(|letter: char| !letter.is_ascii_digit())
        .rfind(|part| !part.is_empty())?
        .parse()
        .ok()
}

/// Formats a wait: whole seconds where the parts of a second say nothing.
fn duration(wait: Span) -> String {
    let seconds = wait.seconds();
    if seconds >= 10.0 {
        format!("{seconds:.0}")
    } else {
        format!("{seconds:.1}")
    }
}

/// Wait after which an answer is overdue. Busy servers answer within a few seconds.
pub(super) const LONG_WAIT: Span = Span::from_secs(10);

/// Seconds from which a greeting is late. A reverse lookup that fails takes about as long.
const SLOW_GREETING: f64 = 5.0;
