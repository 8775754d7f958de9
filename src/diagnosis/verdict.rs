//! The verdict: one line that sums a session up, with the reason in front.
//!
//! `failed`: the login was rejected, TLS did not start, a transfer began and was not completed on the wire, or the session ended
//! before what the client asked for was done. `warning`: a finding of medium severity or more, of the session or about several
//! that names it ([`concern`]); a failed step that changes or fetches files; a file that is not whole in the capture.

use super::segmented::FILE_IN_PARTS;
use super::tls::is_tls_failure;
use super::unfinished::UNFINISHED;
use super::{UNCAPTURED_USER, quote, shorten};
use crate::model::record::{
    Close, Completeness, Finding, LoginOutcome, Outcome, Reply, Session, Severity, Step, StepKind,
    Transfer, TransferDirection, Verdict, VerdictStatus,
};

/// Returns the placeholder for the verdict of a session that is not finished.
#[must_use]
pub const fn no_verdict() -> Verdict {
    Verdict {
        status: VerdictStatus::Ok,
        text: String::new(),
    }
}

/// Returns whether a finding about several sessions may still change the verdict of a session ([`concern`]).
///
/// Of these findings only those about guessed passwords are of medium severity or more, and they name sessions in which a
/// login was refused, or accepted after that (which is known when the session ends). A file in parts is named in the verdict
/// of each session that has a part.
#[must_use]
pub fn may_be_concerned(session: &Session) -> bool {
    let is_refused = |step: &Step| step.kind == StepKind::Login && step.outcome == Outcome::Failed;
    let is_part = |transfer: &Transfer| {
        transfer.direction == TransferDirection::Download
            && transfer.bytes > 0
            && (transfer.restart_offset > 0 || transfer.completeness == Completeness::Aborted)
    };
    session.verdict.status == VerdictStatus::Ok && session.steps.iter().any(|step| is_refused(step))
        || session.transfers.iter().any(|transfer| is_part(transfer))
}

/// Lets a finding about several sessions count in the verdict of a session that it names.
pub fn concern(session: &mut Session, finding: &Finding) {
    let is_worse =
        finding.severity >= Severity::Medium && session.verdict.status == VerdictStatus::Ok;
    let is_part = finding.id == FILE_IN_PARTS;
    if !finding.sessions.contains(&session.id) || !(is_worse || is_part) {
        return;
    }
    if is_worse {
        session.verdict.status = VerdictStatus::Warning;
    }
    session.verdict.text = format!("{}; {}", finding.title, session.verdict.text);
}

/// Sums a session up: the reason in front where it is not ok, then login and traffic.
pub(super) fn verdict(session: &Session) -> Verdict {
    if session.login.outcome == LoginOutcome::Rejected {
        // Without a login there is nothing else to sum up.
        return Verdict {
            status: VerdictStatus::Failed,
            text: rejected(session),
        };
    }
    let (status, reason) = match failure(session) {
        Some(reason) => (VerdictStatus::Failed, Some(reason)),
        None => match trouble(session) {
            Some(reason) => (VerdictStatus::Warning, Some(reason)),
            None => (VerdictStatus::Ok, None),
        },
    };
    let facts = format!("{}; {}", login(session), traffic(session));
    let text = reason.map_or_else(|| facts.clone(), |reason| format!("{reason}; {facts}"));
    Verdict { status, text }
}

fn rejected(session: &Session) -> String {
    let user = session.login.user.as_deref().unwrap_or(UNCAPTURED_USER);
    let steps = session.steps.iter().rev();
    let reply = steps
        .filter(|step| step.kind == StepKind::Login && step.outcome == Outcome::Failed)
        .find_map(|step| {
            step.commands
                .iter()
                .rev()
                .find_map(|command| command.replies.last())
        });
    let reason = reply.map_or_else(String::new, |reply| format!(" ({})", brief(reply)));
    format!("login as {user} rejected{reason}")
}

fn login(session: &Session) -> String {
    match session.login.outcome {
        LoginOutcome::Rejected => "login rejected".to_owned(),
        LoginOutcome::Accepted if session.login.anonymous => "anonymous login".to_owned(),
        LoginOutcome::Accepted => format!(
            "login as {}",
            session.login.user.as_deref().unwrap_or(UNCAPTURED_USER)
        ),
        LoginOutcome::Incomplete => "login not finished".to_owned(),
        LoginOutcome::Unseen if session.findings.iter().any(is_tls_failure) => {
            "no login".to_owned()
        }
        // Behind TLS the login cannot be seen, but it did take place.
        LoginOutcome::Unseen if session.tls.is_some() => "encrypted".to_owned(),
        LoginOutcome::Unseen => "login not in the capture".to_owned(),
    }
}

/// Returns why a session failed: TLS that did not start, a transfer that broke off, an end before all was done.
fn failure(session: &Session) -> Option<String> {
    let title = |wanted: &dyn Fn(&Finding) -> bool| {
        let finding = session.findings.iter().find(|finding| wanted(finding))?;
        Some(finding.title.clone())
    };
    let broken: Vec<&Transfer> = session
        .transfers
        .iter()
        .map(AsRef::as_ref)
        .filter(|transfer| broke_off(session.step_of(transfer.id), transfer))
        .collect();
    title(&is_tls_failure)
        .or_else(|| {
            let first = broken.first()?;
            let step = session.step_of(first.id);
            Some(format!(
                "{} of {} failed: {}",
                transfers(broken.len()),
                session.transfers.len(),
                named(first, step, broken.len() - 1)
            ))
        })
        .or_else(|| title(&|finding| UNFINISHED.contains(&finding.id.as_str())))
}

/// Returns why a session deserves attention: a file that is not whole, a finding, a failed step.
fn trouble(session: &Session) -> Option<String> {
    let incomplete = session
        .transfers
        .iter()
        .filter(|transfer| is_incomplete(transfer))
        .count();
    if incomplete > 0 {
        return Some(format!(
            "{} not whole in the capture",
            transfers(incomplete)
        ));
    }
    let finding = session
        .findings
        .iter()
        .filter(|finding| finding.severity >= Severity::Medium)
        // `max_by_key` returns the last maximum. Of equal findings the first is wanted: later ones often follow from it.
        .rev()
        .max_by_key(|finding| finding.severity);
    if let Some(finding) = finding {
        return Some(finding.title.clone());
    }
    let failed: Vec<&Step> = session
        .steps
        .iter()
        .map(AsRef::as_ref)
        .filter(|step| has_failed(session, step))
        .collect();
    let first = failed.first()?;
    let more = failed.len() - 1;
    if let Some(transfer) = first.transfer.and_then(|id| session.transfer(id)) {
        return Some(format!("refused: {}", named(transfer, Some(first), more)));
    }
    let command = first.commands.first()?;
    let name = command
        .argument
        .as_deref()
        .filter(|name| !name.is_empty())
        .map_or_else(String::new, |name| format!(" {}", shorten(name)));
    let reply = first
        .commands
        .iter()
        .rev()
        .find_map(|command| command.replies.last());
    let reason = reply.map_or_else(String::new, |reply| format!(" ({})", brief(reply)));
    Some(format!(
        "refused: {}{name}{reason}{}",
        command.verb,
        and_more(more)
    ))
}

/// Names a transfer with the reply that ended it.
fn named(transfer: &Transfer, step: Option<&Step>, more: usize) -> String {
    let name = transfer
        .argument
        .as_deref()
        .filter(|name| !name.is_empty())
        .map_or_else(String::new, |name| format!(" {}", shorten(name)));
    let reason = step
        .and_then(|step| last_reply(step, transfer))
        .filter(|reply| reply.code >= 400)
        .map_or_else(String::new, |reply| format!(" ({})", brief(reply)));
    format!("{}{name}{reason}{}", transfer.verb, and_more(more))
}

fn and_more(more: usize) -> String {
    if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    }
}

/// Returns whether a step of a kind that people notice was refused.
fn has_failed(session: &Session, step: &Step) -> bool {
    let noticed = matches!(
        step.kind,
        StepKind::List
            | StepKind::Cwd
            | StepKind::Retrieve
            | StepKind::Store
            | StepKind::Rename
            | StepKind::Delete
    );
    // An empty directory is answered with 450 or 550 by some servers (RFC 1123 section 4.1.2.7).
    let empty_listing = || {
        let transfer = step.transfer.and_then(|id| session.transfer(id));
        transfer.is_some_and(|transfer| {
            let code = last_reply(step, transfer).map(|reply| reply.code);
            transfer.verb == "NLST"
                && transfer.connection.is_none()
                && matches!(code, Some(450 | 550))
        })
    };
    noticed && step.outcome == Outcome::Failed && !empty_listing()
}

/// Returns the last reply to the transfer's own command; `None` before any.
fn last_reply<'a>(step: &'a Step, transfer: &Transfer) -> Option<&'a Reply> {
    step.commands
        .iter()
        .find(|command| command.verb == transfer.verb)?
        .replies
        .last()
}

/// Quotes the beginning of a reply.
fn brief(reply: &Reply) -> String {
    let text = quote(reply);
    match text.char_indices().nth(MAX_REASON_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Returns whether a transfer began and was not completed on the wire: it was refused after its 1yz reply (RFC 959 section
/// 5.4) or its first byte, it was aborted, or its sender reset the connection.
fn broke_off(step: Option<&Step>, transfer: &Transfer) -> bool {
    let replies = || {
        step.into_iter()
            .flat_map(|step| &step.commands)
            .filter(|command| command.verb == transfer.verb)
            .flat_map(|command| &command.replies)
    };
    // With 425 and 426 the server says that it tried (RFC 959 section 5.4).
    let is_refused = step.is_some_and(|step| transfer.is_refused(step));
    let begun = (transfer.connection.is_some() && !is_refused)
        || replies().any(|reply| reply.code < 200 || matches!(reply.code, 425 | 426));
    let refused = replies().any(|reply| reply.code >= 400);
    let reset = transfer
        .connection
        .as_ref()
        .is_some_and(|connection| connection.close == Close::Reset);
    begun
        && (refused
            || transfer.completeness == Completeness::Aborted && transfer.connection.is_some()
            || transfer.completeness == Completeness::Truncated && reset)
}

/// Returns whether bytes of a transfer are missing in the capture.
fn is_incomplete(transfer: &Transfer) -> bool {
    matches!(
        transfer.completeness,
        Completeness::Gaps | Completeness::Truncated
    )
}

/// Counts the transfers of each direction.
fn traffic(session: &Session) -> String {
    let count = |direction| {
        session
            .transfers
            .iter()
            .filter(|transfer| transfer.direction == direction && transfer.has_moved())
            .count()
    };
    let mut parts = Vec::new();
    for (count, one, many) in [
        (count(TransferDirection::Download), "download", "downloads"),
        (count(TransferDirection::Upload), "upload", "uploads"),
        (count(TransferDirection::Listing), "listing", "listings"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {}", if count == 1 { one } else { many }));
        }
    }
    let encrypted = session.encrypted_data.len();
    if encrypted > 0 {
        let connections = if encrypted == 1 {
            "connection"
        } else {
            "connections"
        };
        parts.push(format!("{encrypted} encrypted data {connections}"));
    }
    if !parts.is_empty() {
        return parts.join(", ");
    }
    // Replies of a capture that began within a transfer.
    let ended = session
        .unsolicited_replies
        .iter()
        .filter(|reply| ends_transfer(reply))
        .count();
    if session.transfers.is_empty() && ended > 0 {
        format!("{} known from the reply alone", transfers(ended))
    } else if session.transfers.iter().all(|transfer| {
        let step = session.step_of(transfer.id);
        let has_failed = step.is_some_and(|step| step.outcome == Outcome::Failed);
        has_failed || transfer.connection.is_some()
    }) {
        "nothing transferred".to_owned()
    } else {
        "no data connection in the capture".to_owned()
    }
}

/// Returns whether an unsolicited reply ends a transfer whose command was not captured. The words decide, since some
/// servers send 226 when the client leaves.
fn ends_transfer(reply: &Reply) -> bool {
    reply.code == 226 && {
        let text = reply.lines.join(" ").to_ascii_lowercase();
        ["transfer", "send ok", "complete", "closing data"]
            .iter()
            .any(|part| text.contains(part))
    }
}

fn transfers(count: usize) -> String {
    format!(
        "{count} {}",
        if count == 1 { "transfer" } else { "transfers" }
    )
}

/// Limit of the characters quoted from a reply.
const MAX_REASON_CHARS: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::Draft;
    use crate::diagnosis::tests::{command, session, step, transfer};

    #[test]
    fn failed_transfer_is_named_with_its_reason_and_a_shortened_name() {
        let mut session = session();
        let mut refused = transfer(Completeness::Aborted);
        refused.connection = None;
        refused.argument = Some("A".repeat(5_000));
        session.transfers = vec![refused.into()];
        let mut retrieving = step(vec![command("RETR", None, (550, "No such file."))]);
        retrieving.kind = StepKind::Retrieve;
        retrieving.outcome = Outcome::Failed;
        retrieving.transfer = Some(1);
        session.steps.push(retrieving.into());
        let text = verdict(&session).text;
        assert!(
            text.starts_with("refused: RETR AAA")
                && text.contains("… (550 No such file); login as bob; nothing transferred"),
            "{text}"
        );
        assert!(text.len() < 250, "{text}");
    }

    #[test]
    fn lone_226_counts_as_a_transfer_unless_it_is_a_logout() {
        let mut session = session();
        session.unsolicited_replies = command("RETR", None, (226, "Transfer complete.")).replies;
        assert_eq!(
            verdict(&session).text,
            "login as bob; 1 transfer known from the reply alone"
        );
        session.unsolicited_replies = command("QUIT", None, (226, "Logout.")).replies;
        assert_eq!(verdict(&session).text, "login as bob; nothing transferred");
    }

    #[test]
    fn first_of_equally_severe_findings_is_named() {
        let mut session = session();
        for title in ["cause", "consequence"] {
            let draft = Draft {
                id: "x",
                severity: Severity::Medium,
                title: title.into(),
                explanation: String::new(),
                advice: "",
                frames: vec![],
            };
            session.findings.push(draft.about(None, None));
        }
        assert_eq!(
            verdict(&session).text,
            "cause; login as bob; nothing transferred"
        );
    }

    #[test]
    fn login_whose_user_was_not_captured_is_named_so() {
        let mut session = session();
        session.login.user = None;
        let text = verdict(&session).text;
        assert_eq!(
            text,
            "login as a user not in the capture; nothing transferred"
        );
    }

    #[test]
    fn rejected_login_fails_and_gap_warns() {
        let mut session = session();
        assert_eq!(verdict(&session).status, VerdictStatus::Ok);
        session.transfers = vec![transfer(Completeness::Complete).into()];
        assert_eq!(verdict(&session).text, "login as bob; 1 download");
        session.transfers = vec![transfer(Completeness::Gaps).into()];
        assert_eq!(verdict(&session).status, VerdictStatus::Warning);
        session.transfers = vec![transfer(Completeness::Aborted).into()];
        assert_eq!(verdict(&session).status, VerdictStatus::Failed);
        session.login.outcome = LoginOutcome::Rejected;
        assert_eq!(verdict(&session).text, "login as bob rejected");
    }
}
