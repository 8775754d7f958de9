//! Ends of sessions that wait for the findings about several sessions.
//!
//! Such findings come at the end of the input, and count in the verdict of each session that they name. Formats write a
//! session when it ends, so that the few sessions whose verdict may still change end late instead:
//!
//! ```text
//! SessionEnd ── verdict final ──────────────────────────────────> inner sink
//!            └─ may change, or a selection asks for findings ──> held ── finish ──> inner sink, with its final verdict
//! Finding    ───────────────────────────────────────────────────> inner sink, a copy for `finish`
//! ```
//!
//! Held records have a budget. Beyond it sessions end at once, with what is known so far.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::diagnosis;
use crate::model::record::{Finding, Session, Weight as _};
use crate::model::trace::TracedConnection;
use crate::model::{Event, EventKind, EventSink, FrameRef, KeptEvent};

/// A sink that emits the ends of sessions once their verdicts are final.
pub struct DeferredEnds<'s> {
    inner: &'s mut dyn EventSink,
    /// True if all sessions wait, since their findings decide whether they are selected.
    all: bool,
    /// Ends and the events after them, in order.
    held: Vec<Held>,
    sessions: BTreeSet<u64>,
    /// Memory of `held` in bytes.
    memory: usize,
    findings: Vec<Finding>,
    /// Frame of the latest event: held events are emitted with it, so that frames stay in order.
    latest: FrameRef,
}

enum Held {
    End { session: Arc<Session>, late: bool },
    Other(KeptEvent),
}

impl<'s> DeferredEnds<'s> {
    /// Emits to `inner`; with `all` every session ends at [`finish`](Self::finish).
    pub fn new(inner: &'s mut dyn EventSink, all: bool) -> Self {
        Self {
            inner,
            all,
            held: Vec::new(),
            sessions: BTreeSet::new(),
            memory: 0,
            findings: Vec::new(),
            latest: FrameRef::default(),
        }
    }

    /// Emits what is held, at the end of the input.
    pub fn finish(self) {
        for held in self.held {
            let (mut session, late) = match held {
                Held::Other(event) => {
                    event.emit(self.inner);
                    continue;
                }
                Held::End { session, late } => (session, late),
            };
            for finding in &self.findings {
                if finding.sessions.contains(&session.id) {
                    diagnosis::concern(Arc::make_mut(&mut session), finding);
                }
            }
            self.inner.event(&Event {
                frame: self.latest,
                session: Some(session.id),
                late,
                kind: EventKind::SessionEnd(session),
            });
        }
    }

    /// Holds the end of a session; false if it is final or the budget is used up.
    fn hold_end(&mut self, session: &Arc<Session>, late: bool) -> bool {
        if !self.all && !diagnosis::may_be_concerned(session) {
            return false;
        }
        let memory = session.weight();
        if self.memory.saturating_add(memory) > MAX_MEMORY {
            return false;
        }
        self.memory += memory;
        self.sessions.insert(session.id);
        let session = Arc::clone(session);
        self.held.push(Held::End { session, late });
        true
    }
}

impl EventSink for DeferredEnds<'_> {
    fn event(&mut self, event: &Event<'_>) {
        self.latest = event.frame;
        match (event.session, &event.kind) {
            (Some(_), EventKind::SessionEnd(session)) if self.hold_end(session, event.late) => {}
            // Data connections without a command may be emitted after the end of their session.
            (Some(id), _) if self.sessions.contains(&id) && self.held.len() < MAX_HELD => {
                self.held.push(Held::Other(KeptEvent::of(event)));
            }
            (None, EventKind::Finding(finding)) => {
                if self.findings.len() < MAX_FINDINGS {
                    self.findings.push((*finding).clone());
                }
                self.inner.event(event);
            }
            _ => self.inner.event(event),
        }
    }

    fn connection(&mut self, connection: TracedConnection) {
        self.inner.connection(connection);
    }

    fn session_filtered(&mut self, session: &Arc<Session>) {
        self.inner.session_filtered(session);
    }

    fn wants_connections(&self) -> bool {
        self.inner.wants_connections()
    }
}

/// Budget of held records in bytes.
const MAX_MEMORY: usize = 64 << 20;
/// Events held.
const MAX_HELD: usize = 500_000;
/// Findings kept.
const MAX_FINDINGS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record::{LoginOutcome, Outcome, Severity, StepKind, VerdictStatus};
    use crate::report::example::example_session;

    #[derive(Default)]
    struct Ends(Vec<(u64, VerdictStatus)>);

    impl EventSink for Ends {
        fn event(&mut self, event: &Event<'_>) {
            if let EventKind::SessionEnd(session) = &event.kind {
                self.0.push((session.id, session.verdict.status));
            }
        }
    }

    /// A session whose login was refused once and then accepted.
    fn with_refused_login(id: u64) -> Session {
        let mut session = Session {
            id,
            ..example_session()
        };
        session.login.outcome = LoginOutcome::Accepted;
        session.verdict.status = VerdictStatus::Ok;
        let step = Arc::make_mut(&mut session.steps[0]);
        step.kind = StepKind::Login;
        step.outcome = Outcome::Failed;
        session
    }

    fn emit(sink: &mut impl EventSink, session: Option<u64>, kind: EventKind<'_>) {
        sink.event(&Event {
            frame: FrameRef::default(),
            session,
            late: false,
            kind,
        });
    }

    #[test]
    fn session_named_by_a_late_finding_ends_with_a_warning() {
        let mut ends = Ends::default();
        let mut deferred = DeferredEnds::new(&mut ends, false);
        for id in [1, 2] {
            let session = Arc::new(with_refused_login(id));
            emit(&mut deferred, Some(id), EventKind::SessionEnd(session));
        }
        let mut plain = with_refused_login(3);
        Arc::make_mut(&mut plain.steps[0]).outcome = Outcome::Ok;
        emit(&mut deferred, Some(3), EventKind::SessionEnd(plain.into()));
        let mut finding = example_session().findings[0].clone();
        finding.severity = Severity::Medium;
        finding.sessions = vec![2];
        emit(&mut deferred, None, EventKind::Finding(&finding));
        deferred.finish();
        let (ok, warning) = (VerdictStatus::Ok, VerdictStatus::Warning);
        assert_eq!(ends.0, [(3, ok), (1, ok), (2, warning)]);
    }
}
