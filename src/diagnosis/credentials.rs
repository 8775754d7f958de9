//! `login-rejected` and `cleartext-credentials`.

use super::{Draft, quote};
use crate::model::record::{Finding, LoginOutcome, Outcome, Reply, Session, Severity, StepKind};

pub(super) fn login_rejected(session: &Session, findings: &mut Vec<Finding>) {
    if session.login.outcome != LoginOutcome::Rejected {
        return;
    }
    let Some(step) = session
        .steps
        .iter()
        .rev()
        .find(|step| step.kind == StepKind::Login && step.outcome == Outcome::Failed)
    else {
        return;
    };
    let reply = step
        .commands
        .iter()
        .rev()
        .find_map(|command| command.replies.last());
    let said = reply.map_or_else(String::new, |reply| format!(": {}", quote(reply)));
    let user = session.login.user.as_deref().unwrap_or("an unknown user");
    let tries = if session.login.attempts > 1 {
        format!(" after {} attempts", session.login.attempts)
    } else {
        String::new()
    };
    findings.push(
        Draft {
            id: "login-rejected",
            severity: Severity::Low,
            title: format!("login as {user} rejected"),
            explanation: format!("The server refused the login as {user}{tries}{said}."),
            advice: "Check the account and its password on the server, and whether this client is meant to log in.",
            frames: reply.map(|reply| reply.frame).into_iter().collect(),
        }
        .about(Some(step.number), None),
    );
}

pub(super) fn cleartext(session: &Session, findings: &mut Vec<Finding>) {
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
    let user = session.login.user.as_deref().unwrap_or("an unknown user");
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
            id: "cleartext-credentials",
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

/// The last refusal of AUTH before a step.
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::diagnosis::tests::{command, session, step};

    #[test]
    fn a_client_that_went_on_in_clear_after_a_refused_auth_is_told_so() {
        let mut it = session();
        Arc::make_mut(&mut it.steps[0]).number = 2;
        let refused = command(
            "AUTH",
            Some("TLS"),
            (530, "Please login with USER and PASS."),
        );
        it.steps.insert(0, step(vec![refused]).into());
        let mut findings = Vec::new();
        cleartext(&it, &mut findings);
        assert!(
            findings[0]
                .explanation
                .ends_with("said 530 Please login with USER and PASS (frame 8).")
        );
        assert!(findings[0].advice.starts_with("Switch TLS on"));
        assert_eq!(findings[0].frames, [8, 7]);
    }

    #[test]
    fn an_anonymous_password_is_no_credential() {
        let mut anonymous = session();
        anonymous.login.anonymous = true;
        let mut findings = Vec::new();
        cleartext(&anonymous, &mut findings);
        login_rejected(&anonymous, &mut findings);
        assert!(findings.is_empty());
        cleartext(&session(), &mut findings);
        assert_eq!(findings[0].id, "cleartext-credentials");
        assert!(!findings[0].explanation.contains("hunter2"));
    }
}
