//! Marks: outcomes of steps and transfers as people are shown them.
//!
//! The record keeps the outcome that the replies give (RFC 959 section 4.2). A good mark says more: that what was asked for
//! was done, as far as the capture proves it. A 226 alone does not prove that of a file that is not in the capture. Tables,
//! pages and diagrams take their marks from here, so that a step and its transfer never disagree.

use crate::diagnosis::is_tls_failure;
use crate::model::record::{Completeness, Finding, Outcome, Session, Step, StepKind, Transfer};

/// Returns the mark of a step: that of its outcome, but no better than that of its transfer, and a bad one for a TLS that
/// failed.
pub(crate) fn step_mark(step: &Step, session: &Session) -> Outcome {
    if step.outcome != Outcome::Ok {
        return step.outcome;
    }
    let failed_here = |finding: &Finding| {
        is_tls_failure(finding) && (finding.step == Some(step.number) || step.commands.is_empty())
    };
    if step.kind == StepKind::Tls && session.findings.iter().any(failed_here) {
        return Outcome::Failed;
    }
    // A transfer known from its replies alone: nothing of it was captured.
    let unseen = matches!(
        step.kind,
        StepKind::List | StepKind::Retrieve | StepKind::Store
    );
    match step.transfer {
        Some(id) => session.transfer(id).map_or(Outcome::Unknown, transfer_mark),
        None if step.inferred && (unseen || is_opened(step)) => Outcome::Unknown,
        None => Outcome::Ok,
    }
}

/// Returns the mark of a transfer.
pub(crate) fn transfer_mark(transfer: &Transfer) -> Outcome {
    match completeness_mark(transfer.completeness) {
        // Nothing of its data is in the capture.
        Outcome::Ok if transfer.connection.is_none() => Outcome::Unknown,
        mark => mark,
    }
}

/// Returns the mark of a completeness.
pub(crate) const fn completeness_mark(completeness: Completeness) -> Outcome {
    match completeness {
        Completeness::Complete => Outcome::Ok,
        Completeness::Unverifiable => Outcome::Unknown,
        Completeness::Gaps | Completeness::Truncated => Outcome::Incomplete,
        Completeness::Aborted => Outcome::Failed,
    }
}

/// Returns whether the title of an inferred step begins with a preliminary reply, which opens a data connection.
fn is_opened(step: &Step) -> bool {
    ["125", "150"]
        .iter()
        .any(|code| step.title.starts_with(code))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::report::example::example_session;

    /// Returns the mark of the step of the first transfer with another completeness, with and without its connection.
    fn marks(completeness: Completeness) -> (Outcome, Outcome) {
        let mut session = example_session();
        let transfer = Arc::make_mut(&mut session.transfers[0]);
        transfer.completeness = completeness;
        let id = transfer.id;
        let step = session.step_of(id).expect("its step").clone();
        assert_eq!(step.outcome, Outcome::Ok);
        let with = step_mark(&step, &session);
        assert_eq!(with, transfer_mark(&session.transfers[0]));
        Arc::make_mut(&mut session.transfers[0]).connection = None;
        (with, step_mark(&step, &session))
    }

    #[test]
    fn step_with_a_226_is_marked_as_its_transfer() {
        use Outcome::{Failed, Incomplete, Ok, Unknown};
        assert_eq!(marks(Completeness::Complete), (Ok, Unknown));
        assert_eq!(marks(Completeness::Unverifiable), (Unknown, Unknown));
        assert_eq!(marks(Completeness::Gaps), (Incomplete, Incomplete));
        assert_eq!(marks(Completeness::Aborted), (Failed, Failed));
    }

    #[test]
    fn transfer_known_from_its_replies_alone_is_not_marked_as_good() {
        let session = example_session();
        let mut step = Step::clone(&session.steps[0]);
        step.inferred = true;
        step.outcome = Outcome::Ok;
        step.title = "150 Opening: 226 Done".to_owned();
        assert_eq!(step_mark(&step, &session), Outcome::Unknown);
        step.title = "230 Logged in".to_owned();
        assert_eq!(step_mark(&step, &session), Outcome::Ok);
    }
}
