//! The one line a person reads first.

use std::collections::BTreeMap;

use crate::model::record::{
    Completeness, LoginOutcome, Outcome, Session, Severity, Step, StepKind, Transfer,
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
    let steps: BTreeMap<u64, &Step> = session
        .steps
        .iter()
        .filter_map(|step| Some((step.transfer?, step)))
        .collect();
    let failed: Vec<&Transfer> = session
        .transfers
        .iter()
        .filter(|transfer| failed_on_the_wire(steps.get(&transfer.id).copied(), transfer))
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
        .max_by_key(|finding| finding.severity);
    let (status, text) = if let Some(first) = failed.first() {
        let name = first
            .argument
            .as_deref()
            .filter(|name| !name.is_empty())
            .map_or_else(String::new, |name| format!(" {name}"));
        let more = if failed.len() > 1 {
            format!(" and {} more", failed.len() - 1)
        } else {
            String::new()
        };
        (
            VerdictStatus::Failed,
            format!(
                "{login}; {} of {} failed: {}{name}{more}",
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
    if session.transfers.is_empty() {
        "nothing transferred".to_owned()
    } else {
        "no data connection in the capture".to_owned()
    }
}

fn transfers(count: usize) -> String {
    format!(
        "{count} {}",
        if count == 1 { "transfer" } else { "transfers" }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::tests::{session, transfer};

    #[test]
    fn a_rejected_login_fails_and_a_gap_warns() {
        let mut it = session();
        assert_eq!(verdict(&it).status, VerdictStatus::Ok);
        it.transfers = vec![transfer(Completeness::Complete)];
        assert_eq!(verdict(&it).text, "login as bob; 1 download");
        it.transfers = vec![transfer(Completeness::Gaps)];
        assert_eq!(verdict(&it).status, VerdictStatus::Warning);
        it.transfers = vec![transfer(Completeness::Aborted)];
        assert_eq!(verdict(&it).status, VerdictStatus::Failed);
        it.login.outcome = LoginOutcome::Rejected;
        assert_eq!(verdict(&it).text, "login as bob rejected");
    }
}
