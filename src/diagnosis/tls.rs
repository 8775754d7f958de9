//! `tls-failed`, or `tls-alert` where an alert is the reason: TLS that was asked for and did not come about.
//!
//! TLS starts when AUTH is answered with 234 (RFC 4217 section 4), or with the first byte where it is implicit (appendix A),
//! and it has come about when the client's side of the handshake is finished (RFC 5246 section 7.3, RFC 8446 section 2). A
//! session in which it did not is not encrypted, whatever records it carried. The reason is the first of these that was seen:
//!
//! | seen | reason |
//! | --- | --- |
//! | an alert in clear | its sender gave up, and says why |
//! | the client's hello, and a reply in clear behind it | the server does not speak TLS here, or cannot |
//! | a command in clear behind 234, and no hello | the client encrypts nothing |
//! | 234, and no hello until the end | the client gave up before it began |
//! | a hello, and no answer until the end | the server stalls |
//! | a handshake that one side left | whoever closed first |
//!
//! Where bytes are missing, only an alert proves anything.

use super::encryption::TLS_ALERT;
use super::evidence::TlsStart;
use super::{DataTrouble, Draft, quote};
use crate::model::Timestamp;
use crate::model::record::{Command, EndState, Finding, Opener, Reply, Session, Severity};
use crate::protocol::tls::alert::Alert;

/// Id of a failure without an alert.
const TLS_FAILED: &str = "tls-failed";

/// Beginning of the title of every failure.
const FAILED: &str = "TLS failed: ";

/// Returns whether a finding says that TLS did not come about, so that its session is not encrypted: [`TLS_FAILED`], or an alert
/// within the handshake.
pub(crate) fn is_tls_failure(finding: &Finding) -> bool {
    finding.id == TLS_FAILED || finding.id == TLS_ALERT && finding.title.starts_with(FAILED)
}

/// Reports TLS that did not come about. `capture_end` is the time of the last packet so far.
pub(super) fn detect(
    session: &Session,
    evidence: &[DataTrouble],
    capture_end: Timestamp,
    findings: &mut Vec<Finding>,
) {
    let Some(start) = evidence.iter().find_map(|item| match item {
        DataTrouble::Tls(start) => Some(start),
        _ => None,
    }) else {
        return;
    };
    if start.established {
        return;
    }
    let certain = !start.unknown && !session.midstream && !super::control_was_lost(evidence);
    let Some(failure) = failure(session, evidence, start, certain, capture_end) else {
        return;
    };
    let clear = session.login.user.is_some()
        && commands(session).any(|command| {
            command.verb == "USER" && failure.frames.iter().all(|&frame| command.frame > frame)
        });
    let then = if clear {
        " The client then went on without TLS: what follows crossed the network in clear."
    } else {
        ""
    };
    let step = session.steps.iter().find(|step| {
        let auth = |command: &Command| command.verb == "AUTH";
        step.commands.iter().any(auth)
    });
    findings.push(
        Draft {
            id: failure.id,
            severity: Severity::Medium,
            title: format!("{FAILED}{}", failure.title),
            explanation: format!("{}{then}", failure.explanation),
            advice: failure.advice,
            frames: failure.frames,
        }
        .about(step.map(|step| step.number), None),
    );
}

/// A failure without the words that all have in common.
struct Failure {
    id: &'static str,
    title: String,
    explanation: String,
    advice: &'static str,
    frames: Vec<u64>,
}

fn failure(
    session: &Session,
    evidence: &[DataTrouble],
    start: &TlsStart,
    certain: bool,
    capture_end: Timestamp,
) -> Option<Failure> {
    // An alert in answer to a command in clear: the server expects TLS from the first byte.
    if start.client.is_none()
        && !start.negotiated
        && let Some(frame) = start.server
        && let Some(command) = command_before(session, frame)
    {
        return Some(Failure {
            id: TLS_FAILED,
            title: format!(
                "the server on port {} speaks TLS at once, the client does not",
                session.server.port
            ),
            explanation: format!(
                "The client sent {} in clear (frame {}), and the server answered with a TLS record (frame {frame}). It expects TLS from the first byte on (implicit FTPS, RFC 4217 appendix A).",
                command.verb, command.frame
            ),
            advice: "Let the client use implicit TLS on this port, or the port for plain FTP and AUTH TLS, mostly 21.",
            frames: vec![command.frame, frame],
        });
    }
    if let Some(hello) = start.client
        && start.server.is_none()
        && let Some(reply) = reply_after(session, hello)
    {
        return Some(answered_in_clear(start, hello, reply));
    }
    if let Some((frame, by, alert)) = start.alert {
        return Some(alerted(session, start, frame, by, alert));
    }
    if !certain {
        return None;
    }
    if start.negotiated && start.client.is_none() {
        return not_begun(session, capture_end);
    }
    let ended = match session.end_state {
        EndState::Closed | EndState::Reset | EndState::Timeout => true,
        EndState::Open => capture_end.since(session.end) >= super::unfinished::LONG_WAIT,
    };
    let hello = start.client?;
    if !ended {
        return None;
    }
    let (who, frame) = super::ended_by(evidence);
    let mut frames = vec![hello];
    frames.extend(start.server);
    frames.extend(frame);
    let seconds = session.duration;
    if start.server.is_none() {
        return Some(Failure {
            id: TLS_FAILED,
            title: "the server did not answer the hello".to_owned(),
            explanation: format!(
                "The client began TLS (frame {hello}), and nothing came from the server until {who}, {seconds:.1} s after the session began."
            ),
            advice: "Look at the server's log: it waits for something, or takes the hello for lines in clear. A client that begins TLS at once needs a server with implicit TLS, mostly on port 990.",
            frames,
        });
    }
    let hint = if start.encrypted_alert {
        " The last record of the client is as short as an alert: most likely it did not accept the server's certificate, which cannot be read here."
    } else {
        ""
    };
    Some(Failure {
        id: TLS_FAILED,
        title: format!("{who} before the handshake was done"),
        explanation: format!(
            "Both sides began TLS (frames {hello} and {}), but the client never finished the handshake: {who}.{hint}",
            start.server.unwrap_or(hello)
        ),
        advice: "Look at the log of the side that ended it: a certificate that it does not accept is the usual reason, then versions and cipher suites.",
        frames,
    })
}

/// Explains an alert: who sent it, its name, and its usual meaning.
fn alerted(session: &Session, start: &TlsStart, frame: u64, by: Opener, alert: Alert) -> Failure {
    let (who, other) = match by {
        Opener::Client => ("client", "server"),
        Opener::Server => ("server", "client"),
    };
    let name = alert.name();
    let reply = reply_after(session, frame);
    let said = reply.map_or_else(String::new, |reply| {
        format!(
            " The server then said {} (frame {}).",
            quote(reply),
            reply.frame
        )
    });
    let words = reply.filter(|reply| reply.code >= 400);
    let words = words.map_or_else(String::new, |reply| format!("; {}", quote(reply)));
    let advice = match by {
        Opener::Client if alert.is_about_certificate() => {
            "Give the server a certificate that its clients trust (right name, not expired, with its whole chain), or let this client trust its issuer."
        }
        Opener::Server if alert.is_about_certificate() => {
            "The server wants a client certificate that it trusts: give the client one, or do not demand one at the server."
        }
        _ if alert.is_about_parameters() => {
            "Compare which TLS versions and cipher suites client and server allow; the older of the two needs an update mostly."
        }
        _ => "Look at the log of the side that sent the alert.",
    };
    let mut frames = vec![frame];
    frames.extend(start.client.filter(|&hello| hello != frame));
    Failure {
        id: TLS_ALERT,
        title: format!(
            "the {who} sent the alert {name} ({}){words}",
            alert.description
        ),
        explanation: format!(
            "The {who} ended the TLS handshake with the alert {name} ({}, frame {frame}): {}. \"The other side\" is the {other}.{said}",
            alert.description,
            alert.meaning()
        ),
        advice,
        frames,
    }
}

/// Explains a reply in clear where the server's hello should be.
fn answered_in_clear(start: &TlsStart, hello: u64, reply: &Reply) -> Failure {
    let said = quote(reply);
    if start.negotiated {
        return Failure {
            id: TLS_FAILED,
            title: format!("the server answered in clear: {said}"),
            explanation: format!(
                "The server accepted AUTH, the client began TLS (frame {hello}), and the server answered in clear: {said} (frame {}). Nothing was encrypted.",
                reply.frame
            ),
            advice: "Mend what the server says: most often it cannot read its certificate or its key.",
            frames: vec![hello, reply.frame],
        };
    }
    Failure {
        id: TLS_FAILED,
        title: format!("the client speaks TLS at once, the server plain FTP: {said}"),
        explanation: format!(
            "The client began with TLS (implicit FTPS, RFC 4217 appendix A; frame {hello}), but the server greets in clear: {said} (frame {}). Nothing was encrypted.",
            reply.frame
        ),
        advice: "Let the client use explicit TLS (AUTH TLS, RFC 4217) on this port, or the server's port for implicit TLS, mostly 990.",
        frames: vec![hello, reply.frame],
    }
}

/// Explains a 234 after which the client sent no hello.
fn not_begun(session: &Session, capture_end: Timestamp) -> Option<Failure> {
    let (auth, reply) = accepted_auth(session)?;
    let next = commands(session).find(|command| command.frame > reply.frame);
    let waited = match session.end_state {
        EndState::Open => capture_end.since(reply.time),
        _ => session.end.since(reply.time),
    };
    let (title, explanation) = match next {
        Some(next) => (
            format!(
                "the client sent {} in clear after {}",
                next.verb, reply.code
            ),
            format!(
                "The server accepted AUTH (frame {}), but the client never began TLS and sent {} in clear (frame {}).",
                reply.frame, next.verb, next.frame
            ),
        ),
        None if session.end_state == EndState::Open && waited < super::unfinished::LONG_WAIT => {
            return None;
        }
        None => (
            format!("the client never began it, for {:.1} s", waited.seconds()),
            format!(
                "The server accepted AUTH (frame {}), and the client sent no hello until the session ended {:.1} s later.",
                reply.frame,
                waited.seconds()
            ),
        ),
    };
    let mut frames = vec![auth, reply.frame];
    frames.extend(next.map(|next| next.frame));
    Some(Failure {
        id: TLS_FAILED,
        title,
        explanation,
        advice: "Look at the client: it asked for TLS and did not begin it.",
        frames,
    })
}

/// Returns the frame of the last AUTH that was accepted, and its reply; `None` without one.
fn accepted_auth(session: &Session) -> Option<(u64, &Reply)> {
    commands(session)
        .filter(|command| command.verb == "AUTH")
        .filter_map(|command| Some((command.frame, command.replies.last()?)))
        .filter(|(_, reply)| (200..300).contains(&reply.code))
        .last()
}

fn commands(session: &Session) -> impl Iterator<Item = &Command> {
    session.steps.iter().flat_map(|step| &step.commands)
}

/// Returns the last command before a frame; `None` without one.
fn command_before(session: &Session, frame: u64) -> Option<&Command> {
    commands(session)
        .filter(|command| command.frame < frame)
        .last()
}

/// Returns the first reply in clear behind a frame, but for those to later commands; `None` without one.
fn reply_after(session: &Session, frame: u64) -> Option<&Reply> {
    let next = commands(session)
        .map(|command| command.frame)
        .find(|&command| command > frame)
        .unwrap_or(u64::MAX);
    session
        .greeting
        .iter()
        .chain(&session.unsolicited_replies)
        .chain(
            commands(session)
                .filter(|command| command.frame < frame)
                .flat_map(|command| &command.replies),
        )
        .filter(|reply| reply.frame > frame && reply.frame < next)
        .min_by_key(|reply| reply.frame)
}
