//! `control-timeout`: the control connection was given up, by the server's clock or by a box on the way.

use super::{Draft, name_of, quote};
use crate::model::record::{Close, EndState, Finding, Reply, Session, Severity, Step, Transfer};
use crate::model::{Span, Timestamp};

/// `until` is the time to which the capture goes on.
pub(super) fn timeout(session: &Session, until: Timestamp, findings: &mut Vec<Finding>) {
    told(session, findings);
    silent(session, until, findings);
}

/// A 421 that speaks of time.
fn told(session: &Session, findings: &mut Vec<Finding>) {
    let answers = session.steps.iter().flat_map(|step| {
        step.commands
            .iter()
            .flat_map(move |command| command.replies.iter().map(move |reply| (Some(step), reply)))
    });
    let unasked = session
        .unsolicited_replies
        .iter()
        .map(|reply| (None, reply));
    let greeting = session.greeting.iter().map(|reply| (None, reply));
    let Some((step, reply)) = answers
        .chain(unasked)
        .chain(greeting)
        .find(|(_, reply)| reply.code == 421 && speaks_of_time(reply))
    else {
        return;
    };
    let working = step.is_some_and(|step| step.transfer.is_some());
    let (severity, what) = if working {
        (Severity::Medium, " while a transfer was not finished")
    } else {
        (Severity::Info, "")
    };
    findings.push(
        Draft {
            id: "control-timeout",
            severity,
            title: format!("the server ended the session after waiting too long{what}"),
            explanation: format!(
                "The server said {} (frame {}){what}: nothing came within its time limit.",
                quote(reply),
                reply.frame
            ),
            advice: "Raise the server's limit, or let the client send NOOP while it has nothing to do.",
            frames: vec![reply.frame],
        }
        .about(step.map(|step| step.number), step.and_then(|step| step.transfer)),
    );
}

/// The data came through, but the control connection, quiet meanwhile, brought no final reply any more: a firewall or an
/// address translator forgot it.
fn silent(session: &Session, until: Timestamp, findings: &mut Vec<Finding>) {
    let Some((transfer, step, end, took)) = session
        .transfers
        .iter()
        .rev()
        .find_map(|transfer| long_unanswered(session, transfer))
    else {
        return;
    };
    let waited = match session.end_state {
        EndState::Reset if session.end >= end => session.end.since(end),
        EndState::Open | EndState::Timeout => until.since(end),
        _ => return,
    };
    let reset = session.end_state == EndState::Reset;
    if !reset && waited < PATIENCE {
        return;
    }
    let what = if reset { "was reset" } else { "stayed silent" };
    let name = name_of(transfer);
    findings.push(
        Draft {
            id: "control-timeout",
            severity: Severity::Medium,
            title: format!("the control connection {what} after a transfer of {took:.0} s"),
            explanation: format!(
                "The data connection of {} {name} was open for {took:.0} s and ended in order, but no final reply came, and the control connection {what} {:.1} s later. A firewall or address translator that forgets connections without traffic does this.",
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
    let begun_only =
        !command.replies.is_empty() && command.replies.iter().all(|reply| reply.code < 200);
    (connection.close == Close::Fin && took >= LONG && begun_only).then_some((
        transfer,
        step,
        connection.end,
        took.seconds(),
    ))
}

fn speaks_of_time(reply: &Reply) -> bool {
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

/// A transfer in which idle limits may strike.
const LONG: Span = Span::from_secs(60);
/// How long a server may take for its final reply.
const PATIENCE: Span = Span::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::tests::{command, session, step, transfer};
    use crate::model::record::Completeness;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_parts(seconds, 0)
    }

    fn long_transfer(reply: (u16, &str), seconds: u64) -> Session {
        let mut it = session();
        let mut long = transfer(Completeness::Unverifiable);
        if let Some(connection) = &mut long.connection {
            connection.start = at(1_000);
            connection.end = at(1_000 + seconds);
        }
        it.transfers = vec![long.into()];
        let mut retrieving = step(vec![command("RETR", Some("readme.txt"), reply)]);
        retrieving.transfer = Some(1);
        it.steps.push(retrieving.into());
        it
    }

    fn found(session: &Session, until: u64) -> Vec<Finding> {
        let mut findings = Vec::new();
        timeout(session, at(until), &mut findings);
        findings
    }

    #[test]
    fn a_421_that_speaks_of_time_is_told_and_one_that_does_not_is_not() {
        let mut it = session();
        it.steps
            .push(step(vec![command("NOOP", None, (421, "Timeout."))]).into());
        assert_eq!(found(&it, 0)[0].severity, Severity::Info);
        it.steps[1] = step(vec![command("USER", None, (421, "Too many connections."))]).into();
        assert!(found(&it, 0).is_empty());
    }

    #[test]
    fn a_reset_after_a_long_transfer_without_an_answer_is_told() {
        let mut it = long_transfer((150, "here it comes"), 400);
        it.end_state = EndState::Reset;
        it.end = at(1_500);
        let findings = found(&it, 1_500);
        assert_eq!(findings[0].severity, Severity::Medium);
        assert!(
            findings[0]
                .title
                .contains("was reset after a transfer of 400 s")
        );
    }

    #[test]
    fn an_answer_a_short_transfer_or_the_end_of_the_capture_raise_nothing() {
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
