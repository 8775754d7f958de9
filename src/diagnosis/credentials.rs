//! `login-rejected` and `cleartext-credentials`.

use super::{Draft, quote};
use crate::model::record::{Finding, LoginOutcome, Outcome, Session, Severity, Step, StepKind};

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
    let is_login = |step: &&Step| step.kind == StepKind::Login && step.outcome == Outcome::Ok;
    let Some(step) = session.steps.iter().rev().find(is_login) else {
        return;
    };
    let Some(pass) = step.commands.iter().find(|command| command.verb == "PASS") else {
        return;
    };
    let user = session.login.user.as_deref().unwrap_or("an unknown user");
    findings.push(
        Draft {
            id: "cleartext-credentials",
            severity: Severity::Low,
            title: format!("password of {user} sent in clear"),
            explanation: format!("User name and password of {user} crossed the network unencrypted, and the login succeeded."),
            advice: "Use FTPS (AUTH TLS before USER) or SFTP, and change this password.",
            frames: vec![pass.frame],
        }
        .about(Some(step.number), None),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::tests::session;

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
