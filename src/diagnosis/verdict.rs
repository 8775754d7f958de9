//! The verdict: one line that sums a session up.

use super::{quote, shorten};
use crate::model::record::{
    Completeness, LoginOutcome, Outcome, Reply, Session, Severity, Step, StepKind, Transfer,
    TransferDirection, Verdict, VerdictStatus,
};

/// Returns the placeholder for the verdict of a session that is not finished.
#[must_use]
pub const fn no_verdict() -> Verdict {
    Verdict {
        status: VerdictStatus::Ok,
        text: String::new(),
    }
}

/// Sums a session up. The worst fact decides: refused login, failed transfer, incomplete transfer, finding.
pub(super) fn verdict(session: &Session) -> Verdict {
    let login = match session.login.outcome {
        // Without a login there is nothing else to sum up.
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
        // Behind TLS the login cannot be seen, but it did take place.
        LoginOutcome::Unseen if session.tls.is_some() => "encrypted".to_owned(),
        LoginOutcome::Unseen => "login not in the capture".to_owned(),
    };
    let failed: Vec<&Transfer> = session
        .transfers
        .iter()
        .map(AsRef::as_ref)
        .filter(|transfer| failed_on_the_wire(session.step_of(transfer.id), transfer))
        .collect();
    let incomplete = session
        .transfers
        .iter()
        .filter(|transfer| is_incomplete(transfer))
        .count();
    let traffic = traffic(session);
    let finding = session
        .findings
        .iter()
        .filter(|finding| finding.severity >= Severity::Medium)
        // `max_by_key` returns the last maximum. Of equal findings the first is wanted: later ones often follow from it.
        .rev()
        .max_by_key(|finding| finding.severity);
    let (status, text) = if let Some(first) = failed.first() {
        let name = first
            .argument
            .as_deref()
            .filter(|name| !name.is_empty())
            .map_or_else(String::new, |name| format!(" {}", shorten(name)));
        let reason = session
            .step_of(first.id)
            .and_then(|step| last_reply(step, first))
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
                "{login}; {} of {} failed: {}{name}{reason}{more}",
                transfers(failed.len()),
                session.transfers.len(),
                first.verb
            ),
        )
    } else if incomplete > 0 {
        (
            VerdictStatus::Warning,
            format!("{login}; {traffic}; {incomplete} not whole in the capture"),
        )
    } else if let Some(finding) = finding {
        (
            VerdictStatus::Warning,
            format!("{login}; {traffic}; {}", finding.title),
        )
    } else {
        (VerdictStatus::Ok, format!("{login}; {traffic}"))
    };
    Verdict { status, text }
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

/// Returns whether a transfer was refused or aborted by client or server, not only cut off by the capture.
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
    // Replies of a capture that began within a transfer.
    let ended = session
        .unsolicited_replies
        .iter()
        .filter(|reply| ends_transfer(reply))
        .count();
    if session.transfers.is_empty() && ended > 0 {
        format!("{} known from the reply alone", transfers(ended))
    } else if session.transfers.is_empty() {
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
        assert!(text.ends_with("… (550 No such file)"), "{text}");
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
        assert!(verdict(&session).text.ends_with("cause"));
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
