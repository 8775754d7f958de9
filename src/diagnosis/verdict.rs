//! The one line a person reads first.

use super::{quote, shortened};
use crate::model::record::{
    Completeness, LoginOutcome, Outcome, Reply, Session, Severity, Step, StepKind, Transfer,
    TransferDirection, Verdict, VerdictStatus,
};

/// What stands there until a session is over.
#[must_use]
pub const fn no_verdict() -> Verdict {
    Verdict {
        status: VerdictStatus::Ok,
        text: String::new(),
    }
}

pub(super) fn verdict(session: &Session) -> Verdict {
    let login = match session.login.outcome {
        LoginOutcome::Rejected => {
            let user = session.login.user.as_deref().unwrap_or("an unknown user");
            return Verdict {
                status: VerdictStatus::Failed,
                text: format!("login as {user} rejected"),
            };
        }
        LoginOutcome::Accepted if session.login.anonymous => "anonymous login".to_owned(),
        LoginOutcome::Accepted => format!(
            "login as {}",
            session.login.user.as_deref().unwrap_or("an unknown user")
        ),
        LoginOutcome::Incomplete => "login not finished".to_owned(),
        LoginOutcome::Unseen if session.tls.is_some() => "encrypted".to_owned(),
        LoginOutcome::Unseen => "login not in the capture".to_owned(),
    };
    let failed: Vec<&Transfer> = session
        .transfers
        .iter()
        .map(AsRef::as_ref)
        .filter(|transfer| failed_on_the_wire(session.step_of(transfer.id), transfer))
        .collect();
    let partial = session
        .transfers
        .iter()
        .filter(|transfer| not_whole(transfer))
        .count();
    let moved = moved(session);
    let finding = session
        .findings
        .iter()
        .filter(|finding| finding.severity >= Severity::Medium)
        // Of equal ones the first: what came later often follows from it.
        .rev()
        .max_by_key(|finding| finding.severity);
    let (status, text) = if let Some(first) = failed.first() {
        let name = first
            .argument
            .as_deref()
            .filter(|name| !name.is_empty())
            .map_or_else(String::new, |name| format!(" {}", shortened(name)));
        let why = session
            .step_of(first.id)
            .and_then(|step| final_answer(step, first))
            .filter(|reply| reply.code >= 400)
            .map_or_else(String::new, |reply| format!(" ({})", brief(reply)));
        let more = if failed.len() > 1 {
            format!(" and {} more", failed.len() - 1)
        } else {
            String::new()
        };
        (
            VerdictStatus::Failed,
            format!(
                "{login}; {} of {} failed: {}{name}{why}{more}",
                transfers(failed.len()),
                session.transfers.len(),
                first.verb
            ),
        )
    } else if partial > 0 {
        (
            VerdictStatus::Warning,
            format!("{login}; {moved}; {partial} not whole in the capture"),
        )
    } else if let Some(finding) = finding {
        (
            VerdictStatus::Warning,
            format!("{login}; {moved}; {}", finding.title),
        )
    } else {
        (VerdictStatus::Ok, format!("{login}; {moved}"))
    };
    Verdict { status, text }
}

/// The final reply to the transfer's own command.
fn final_answer<'a>(step: &'a Step, transfer: &Transfer) -> Option<&'a Reply> {
    step.commands
        .iter()
        .find(|command| command.verb == transfer.verb)?
        .replies
        .last()
}

/// A reply in a few words.
fn brief(reply: &Reply) -> String {
    let text = quote(reply);
    match text.char_indices().nth(LONGEST_REASON) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Refused, aborted, or never connected although a final reply says so.
fn failed_on_the_wire(step: Option<&Step>, transfer: &Transfer) -> bool {
    let refused =
        step.is_some_and(|step| step.outcome == Outcome::Failed && step.kind != StepKind::Command);
    // An empty directory is answered with 450 or 550 by some servers (RFC 1123 section 4.1.2.7).
    let empty_listing = transfer.direction == TransferDirection::Listing
        && transfer.verb == "NLST"
        && transfer.connection.is_none();
    (refused && !empty_listing)
        || transfer.completeness == Completeness::Aborted && transfer.connection.is_some()
}

fn not_whole(transfer: &Transfer) -> bool {
    matches!(
        transfer.completeness,
        Completeness::Gaps | Completeness::Truncated
    )
}

fn moved(session: &Session) -> String {
    let count = |direction| {
        session
            .transfers
            .iter()
            .filter(|transfer| transfer.direction == direction && transfer.connection.is_some())
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
    let ended = session
        .unsolicited_replies
        .iter()
        .filter(|reply| tells_of_a_transfer(reply))
        .count();
    if session.transfers.is_empty() && ended > 0 {
        format!("{} known from the reply alone", transfers(ended))
    } else if session.transfers.is_empty() {
        "nothing transferred".to_owned()
    } else {
        "no data connection in the capture".to_owned()
    }
}

/// The end of a transfer whose command was not captured. Some servers say 226 when the client leaves.
fn tells_of_a_transfer(reply: &Reply) -> bool {
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

/// Characters of a reply that stand in the verdict.
const LONGEST_REASON: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::Draft;
    use crate::diagnosis::tests::{command, session, step, transfer};

    #[test]
    fn a_failed_transfer_is_told_with_its_reason_and_no_endless_name() {
        let mut it = session();
        let mut refused = transfer(Completeness::Aborted);
        refused.connection = None;
        refused.argument = Some("A".repeat(5_000));
        it.transfers = vec![refused.into()];
        let mut retrieving = step(vec![command("RETR", None, (550, "No such file."))]);
        retrieving.kind = StepKind::Retrieve;
        retrieving.outcome = Outcome::Failed;
        retrieving.transfer = Some(1);
        it.steps.push(retrieving.into());
        let text = verdict(&it).text;
        assert!(text.ends_with("… (550 No such file)"), "{text}");
        assert!(text.len() < 250, "{text}");
    }

    #[test]
    fn a_226_of_a_transfer_that_began_before_the_capture_is_not_nothing() {
        let mut it = session();
        it.unsolicited_replies = command("RETR", None, (226, "Transfer complete.")).replies;
        assert_eq!(
            verdict(&it).text,
            "login as bob; 1 transfer known from the reply alone"
        );
        it.unsolicited_replies = command("QUIT", None, (226, "Logout.")).replies;
        assert_eq!(verdict(&it).text, "login as bob; nothing transferred");
    }

    #[test]
    fn of_findings_with_equal_weight_the_first_is_named() {
        let mut it = session();
        for title in ["cause", "consequence"] {
            let draft = Draft {
                id: "x",
                severity: Severity::Medium,
                title: title.into(),
                explanation: String::new(),
                advice: "",
                frames: vec![],
            };
            it.findings.push(draft.about(None, None));
        }
        assert!(verdict(&it).text.ends_with("cause"));
    }

    #[test]
    fn a_rejected_login_fails_and_a_gap_warns() {
        let mut it = session();
        assert_eq!(verdict(&it).status, VerdictStatus::Ok);
        it.transfers = vec![transfer(Completeness::Complete).into()];
        assert_eq!(verdict(&it).text, "login as bob; 1 download");
        it.transfers = vec![transfer(Completeness::Gaps).into()];
        assert_eq!(verdict(&it).status, VerdictStatus::Warning);
        it.transfers = vec![transfer(Completeness::Aborted).into()];
        assert_eq!(verdict(&it).status, VerdictStatus::Failed);
        it.login.outcome = LoginOutcome::Rejected;
        assert_eq!(verdict(&it).text, "login as bob rejected");
    }
}
