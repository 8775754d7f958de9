//! `control-timeout`: the control connection was given up, by the server's time limit or by a middlebox on the way.

use super::{Draft, display_name, quote};
use crate::model::record::{Close, EndState, Finding, Reply, Session, Severity, Step, Transfer};
use crate::model::{Span, Timestamp};

/// Reports timeouts of the control connection. `capture_end` is the time of the last packet so far.
pub(super) fn detect(session: &Session, capture_end: Timestamp, findings: &mut Vec<Finding>) {
    detect_421(session, findings);
    detect_silence(session, capture_end, findings);
}

/// Reports a 421 that names time as its reason: others are sent by full servers and by those that shut down.
fn detect_421(session: &Session, findings: &mut Vec<Finding>) {
    let answers = session.steps.iter().flat_map(|step| {
        step.commands
            .iter()
            .flat_map(move |command| command.replies.iter().map(move |reply| (Some(step), reply)))
    });
    let unsolicited = session
        .unsolicited_replies
        .iter()
        .map(|reply| (None, reply));
    let greeting = session.greeting.iter().map(|reply| (None, reply));
    let Some((step, reply)) = answers
        .chain(unsolicited)
        .chain(greeting)
        .find(|(_, reply)| reply.code == 421 && mentions_time(reply))
    else {
        return;
    };
    let transferring = step.is_some_and(|step| step.transfer.is_some());
    let (severity, when) = if transferring {
        (Severity::Medium, " while a transfer was not finished")
    } else {
        (Severity::Info, "")
    };
    findings.push(
        Draft {
            id: "control-timeout",
            severity,
            title: format!("the server ended the session after waiting too long{when}"),
            explanation: format!(
                "The server said {} (frame {}){when}: nothing came within its time limit.",
                quote(reply),
                reply.frame
            ),
            advice: "Raise the server's limit, or let the client send NOOP while it has nothing to do.",
            frames: vec![reply.frame],
        }
        .about(step.map(|step| step.number), step.and_then(|step| step.transfer)),
    );
}

/// Reports a control connection that was lost during a long transfer: the data arrived, the final reply did not.
///
/// Firewalls and address translators drop the state of connections without traffic, and the control connection has none
/// while a file is transferred.
fn detect_silence(session: &Session, capture_end: Timestamp, findings: &mut Vec<Finding>) {
    let Some((transfer, step, end, took)) = session
        .transfers
        .iter()
        .rev()
        .find_map(|transfer| long_unanswered(session, transfer))
    else {
        return;
    };
    let waited = match session.end_state {
        // A reset before the end of the data was not caused by the silence.
        EndState::Reset if session.end >= end => session.end.since(end),
        EndState::Open | EndState::Timeout => capture_end.since(end),
        _ => return,
    };
    let reset = session.end_state == EndState::Reset;
    // A capture that stops right after the data does not show whether the reply came.
    if !reset && waited < MAX_REPLY_TIME {
        return;
    }
    let symptom = if reset { "was reset" } else { "stayed silent" };
    let name = display_name(transfer);
    findings.push(
        Draft {
            id: "control-timeout",
            severity: Severity::Medium,
            title: format!("the control connection {symptom} after a transfer of {took:.0} s"),
            explanation: format!(
                "The data connection of {} {name} was open for {took:.0} s and ended in order, but no final reply came, and the control connection {symptom} {:.1} s later. A firewall or address translator that forgets connections without traffic does this.",
                transfer.verb,
                waited.seconds()
            ),
            advice: "Switch on TCP keep-alive at client or server, or raise the idle limit of the firewall above the longest transfer.",
            frames: transfer
                .connection
                .iter()
                .map(|connection| connection.last_frame)
                .collect(),
        }
        .about(Some(step.number), Some(transfer.id)),
    );
}

/// Returns a transfer that ended in order after at least [`MIN_DURATION`] and has only 1yz replies, with its step, its
/// end and its duration in seconds; `None` for others.
fn long_unanswered<'a>(
    session: &'a Session,
    transfer: &'a Transfer,
) -> Option<(&'a Transfer, &'a Step, Timestamp, f64)> {
    let connection = transfer.connection.as_ref()?;
    let took = connection.end.since(connection.start);
    let step = session.step_of(transfer.id)?;
    let command = step
        .commands
        .iter()
        .find(|command| command.verb == transfer.verb)?;
    let only_preliminary =
        !command.replies.is_empty() && command.replies.iter().all(|reply| reply.code < 200);
    (connection.close == Close::Fin && took >= MIN_DURATION && only_preliminary).then_some((
        transfer,
        step,
        connection.end,
        took.seconds(),
    ))
}

/// Returns whether a reply names time as its reason, in the words of any server.
fn mentions_time(reply: &Reply) -> bool {
    let text = reply.lines.join(" ").to_ascii_lowercase();
    [
        "timeout",
        "time out",
        "timed out",
        "timed-out",
        "idle",
        "inactiv",
        "too long",
        "faster next time",
    ]
    .iter()
    .any(|part| text.contains(part))
}

/// Duration from which a transfer can exceed an idle limit.
const MIN_DURATION: Span = Span::from_secs(60);
/// Time that a server may take for its final reply, as to hash or scan a file.
const MAX_REPLY_TIME: Span = Span::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::tests::{command, session, step, transfer};
    use crate::model::record::Completeness;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_parts(seconds, 0)
    }

    fn long_transfer(reply: (u16, &str), seconds: u64) -> Session {
        let mut session = session();
        let mut long = transfer(Completeness::Unverifiable);
        if let Some(connection) = &mut long.connection {
            connection.start = at(1_000);
            connection.end = at(1_000 + seconds);
        }
        session.transfers = vec![long.into()];
        let mut retrieving = step(vec![command("RETR", Some("readme.txt"), reply)]);
        retrieving.transfer = Some(1);
        session.steps.push(retrieving.into());
        session
    }

    fn found(session: &Session, until: u64) -> Vec<Finding> {
        let mut findings = Vec::new();
        detect(session, at(until), &mut findings);
        findings
    }

    #[test]
    fn reply_421_is_reported_only_if_it_names_time() {
        let mut session = session();
        session
            .steps
            .push(step(vec![command("NOOP", None, (421, "Timeout."))]).into());
        assert_eq!(found(&session, 0)[0].severity, Severity::Info);
        session.steps[1] = step(vec![command("USER", None, (421, "Too many connections."))]).into();
        assert!(found(&session, 0).is_empty());
    }

    #[test]
    fn reset_after_a_long_transfer_without_final_reply_is_reported() {
        let mut session = long_transfer((150, "here it comes"), 400);
        session.end_state = EndState::Reset;
        session.end = at(1_500);
        let findings = found(&session, 1_500);
        assert_eq!(findings[0].severity, Severity::Medium);
        assert!(
            findings[0]
                .title
                .contains("was reset after a transfer of 400 s")
        );
    }

    #[test]
    fn final_reply_short_transfer_or_end_of_capture_reports_nothing() {
        let mut answered = long_transfer((226, "done"), 400);
        answered.end_state = EndState::Reset;
        assert!(found(&answered, 2_000).is_empty());
        let mut short = long_transfer((150, "here it comes"), 5);
        short.end_state = EndState::Open;
        assert!(found(&short, 2_000).is_empty());
        let mut cut = long_transfer((150, "here it comes"), 400);
        cut.end_state = EndState::Open;
        assert!(found(&cut, 1_401).is_empty());
        assert!(found(&cut, 1_500)[0].title.contains("stayed silent"));
    }
}
