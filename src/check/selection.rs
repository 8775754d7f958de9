//! Selection of sessions by id and expression.
//!
//! The decision is made when a session ends. Until then its events are held, within a limit, and then emitted or
//! dropped. To an expression, the findings of a session include those about several sessions that name it and were emitted
//! before its end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::record::{Finding, Session, Totals, TransferDirection};
use crate::model::trace::TracedConnection;
use crate::model::{Event, EventKind, EventSink, KeptEvent};

use super::Expression;

/// Criteria for the sessions to keep.
#[derive(Debug, Default)]
pub struct Selection {
    /// Ids to keep; empty for all.
    pub ids: BTreeSet<u64>,
    /// Condition on a session; `None` for all.
    pub expression: Option<Expression>,
}

/// A sink that forwards the events of selected sessions, findings that name one, and events that belong to no session.
pub struct SelectedEvents<'s> {
    selection: Selection,
    inner: &'s mut dyn EventSink,
    /// True if `inner` needs the events before the end of a session.
    hold: bool,
    held: BTreeMap<u64, Vec<KeptEvent>>,
    /// Number of events held over all sessions.
    held_events: usize,
    rejected: BTreeSet<u64>,
    left_out: Totals,
    /// Findings about several sessions so far; none unless the selection reads findings.
    several: Vec<Finding>,
}

impl Selection {
    /// Returns true if every session is selected.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.ids.is_empty() && self.expression.is_none()
    }

    /// Returns true if the selection depends on the findings about sessions.
    #[must_use]
    pub fn reads_findings(&self) -> bool {
        let expression = self.expression.as_ref();
        expression.is_some_and(|expression| expression.reads("findings"))
    }

    /// Returns true if the expression names this field, of whatever object.
    #[must_use]
    pub fn names_field(&self, field: &str) -> bool {
        let expression = self.expression.as_ref();
        expression.is_some_and(|expression| expression.names_field(field))
    }

    /// Decides about a session; `several` holds findings about several sessions.
    #[must_use]
    pub fn keeps(&self, session: &Session, several: &[Finding]) -> bool {
        if !self.ids.is_empty() && !self.ids.contains(&session.id) {
            return false;
        }
        let Some(expression) = &self.expression else {
            return true;
        };
        let names = |finding: &&Finding| finding.sessions.contains(&session.id);
        let mut naming = several.iter().filter(names).peekable();
        if naming.peek().is_none() {
            return expression.is_true(session);
        }
        let mut session = session.clone();
        session.findings.extend(naming.cloned());
        expression.is_true(&session)
    }
}

impl<'s> SelectedEvents<'s> {
    /// Forwards the sessions in `selection` to `inner`; with `hold` also their events before the end.
    pub fn new(selection: Selection, inner: &'s mut dyn EventSink, hold: bool) -> Self {
        Self {
            selection,
            inner,
            hold,
            held: BTreeMap::new(),
            held_events: 0,
            rejected: BTreeSet::new(),
            left_out: Totals::default(),
            several: Vec::new(),
        }
    }

    /// Returns true if the expression exceeded its work limit for some session.
    #[must_use]
    pub fn has_given_up(&self) -> bool {
        let expression = self.selection.expression.as_ref();
        expression.is_some_and(Expression::has_given_up)
    }

    /// Returns the ids of the sessions that were not selected.
    #[must_use]
    pub fn into_rejected(self) -> BTreeSet<u64> {
        self.rejected
    }

    /// Returns the ids that were not selected since the last call, for a run that does not end.
    pub fn take_rejected(&mut self) -> BTreeSet<u64> {
        std::mem::take(&mut self.rejected)
    }

    /// Returns the counts without the sessions that were not selected.
    #[must_use]
    pub fn totals(&self, all: &Totals) -> Totals {
        Totals {
            sessions: all.sessions.saturating_sub(self.left_out.sessions),
            transfers: all.transfers.saturating_sub(self.left_out.transfers),
            file_bytes: all.file_bytes.saturating_sub(self.left_out.file_bytes),
            findings: all.findings.saturating_sub(self.left_out.findings),
            sessions_filtered: self.left_out.sessions,
            ..all.clone()
        }
    }

    /// Returns whether a finding names only sessions that are not selected.
    fn is_about_others(&self, finding: &Finding) -> bool {
        let ids = &self.selection.ids;
        let is_other =
            |id: &u64| self.rejected.contains(id) || !ids.is_empty() && !ids.contains(id);
        !finding.sessions.is_empty() && finding.sessions.iter().all(is_other)
    }

    fn hold(&mut self, session: u64, event: &Event<'_>) {
        if !self.hold {
            return;
        }
        let events = self.held.entry(session).or_default();
        if events.len() >= MAX_HELD_PER_SESSION || self.held_events >= MAX_HELD {
            return;
        }
        events.push(KeptEvent::of(event));
        self.held_events += 1;
    }

    fn end(&mut self, id: u64, session: &Arc<Session>, event: &Event<'_>) {
        let held = self.held.remove(&id).unwrap_or_default();
        self.held_events -= held.len();
        if !self.selection.keeps(session, &self.several) {
            self.rejected.insert(id);
            self.left_out.sessions += 1;
            self.left_out.transfers += session.transfers.len() as u64 + session.transfers_omitted;
            self.left_out.findings += session.findings.len() as u64;
            let files = session
                .transfers
                .iter()
                .filter(|transfer| transfer.direction != TransferDirection::Listing);
            self.left_out.file_bytes += files.map(|transfer| transfer.bytes).sum::<u64>();
            self.inner.session_filtered(session);
            return;
        }
        for one in &held {
            one.emit(self.inner);
        }
        self.inner.event(event);
    }
}

impl EventSink for SelectedEvents<'_> {
    fn event(&mut self, event: &Event<'_>) {
        match (event.session, &event.kind) {
            (Some(id), EventKind::SessionEnd(session)) => {
                let session = session.clone();
                self.end(id, &session, event);
            }
            (Some(id), EventKind::UnmatchedData(_)) if self.rejected.contains(&id) => {}
            // Unmatched data may be emitted after the end of its session.
            (Some(id), EventKind::UnmatchedData(_)) if !self.held.contains_key(&id) => {
                self.inner.event(event);
            }
            (Some(id), _) => self.hold(id, event),
            (None, EventKind::Finding(finding)) => {
                if self.selection.reads_findings() && self.several.len() < MAX_FINDINGS {
                    self.several.push((*finding).clone());
                }
                if self.is_about_others(finding) {
                    self.left_out.findings += 1;
                } else {
                    self.inner.event(event);
                }
            }
            (None, _) => self.inner.event(event),
        }
    }

    fn connection(&mut self, connection: TracedConnection) {
        let mut sessions = connection.sessions().peekable();
        let is_known = sessions.peek().is_some();
        // A connection that several sessions share is dropped only if none of them is selected.
        let of_nobody = is_known && sessions.all(|id| self.rejected.contains(&id));
        if !of_nobody {
            self.inner.connection(connection);
        }
    }

    fn wants_connections(&self) -> bool {
        self.inner.wants_connections()
    }
}

/// Events held per session. Beyond it they are dropped: the record of the session has them all.
const MAX_HELD_PER_SESSION: usize = 10_000;
/// Events held over all open sessions.
const MAX_HELD: usize = 500_000;
/// Findings about several sessions kept.
const MAX_FINDINGS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Scope;
    use crate::model::FrameRef;
    use crate::report::example::example_session;

    #[derive(Default)]
    struct Log(Vec<String>);

    impl EventSink for Log {
        fn event(&mut self, event: &Event<'_>) {
            let kind = match event.kind {
                EventKind::SessionStart { .. } => "start",
                EventKind::SessionEnd(_) => "end",
                EventKind::Step(_) => "step",
                _ => "other",
            };
            self.0.push(format!("{kind} {:?}", event.session));
        }
    }

    fn selected_by(text: &str) -> (Vec<String>, Totals) {
        let session = example_session();
        let mut log = Log::default();
        let expression = Expression::compile(text, Scope::Session).expect("an expression");
        let selection = Selection {
            ids: BTreeSet::new(),
            expression: Some(expression),
        };
        let mut selected = SelectedEvents::new(selection, &mut log, true);
        let id = Some(session.id);
        let frame = FrameRef::default();
        let server = session.server.clone();
        selected.event(&Event {
            frame,
            session: id,
            late: false,
            kind: EventKind::SessionStart {
                client: session.client,
                server: &server,
            },
        });
        selected.event(&Event {
            frame,
            session: id,
            late: false,
            kind: EventKind::Step(&session.steps[0]),
        });
        selected.event(&Event {
            frame,
            session: id,
            late: false,
            kind: EventKind::SessionEnd(Arc::new(session.clone())),
        });
        let all = Totals {
            sessions: 1,
            transfers: session.transfers.len() as u64,
            ..Totals::default()
        };
        let totals = selected.totals(&all);
        (log.0, totals)
    }

    #[test]
    fn events_of_a_selected_session_are_emitted_in_order_and_of_others_dropped() {
        let (events, totals) = selected_by("id >= 1");
        assert_eq!(events.len(), 3);
        assert!(events[0].starts_with("start") && events[2].starts_with("end"));
        assert_eq!((totals.sessions, totals.sessions_filtered), (1, 0));
        let (events, totals) = selected_by("id < 1");
        assert!(events.is_empty());
        assert_eq!(
            (totals.sessions, totals.transfers, totals.sessions_filtered),
            (0, 0, 1)
        );
    }

    #[test]
    fn finding_about_several_sessions_selects_the_sessions_it_names() {
        let mut finding = example_session().findings[0].clone();
        finding.id = "brute-force".to_owned();
        finding.sessions = vec![1];
        let text = "findings.exists(f, f.id == 'brute-force')";
        let expression = Expression::compile(text, Scope::Session).expect("an expression");
        let selection = Selection {
            ids: BTreeSet::new(),
            expression: Some(expression),
        };
        assert!(selection.reads_findings());
        let named = example_session();
        let other = Session {
            id: 2,
            ..example_session()
        };
        assert!(selection.keeps(&named, std::slice::from_ref(&finding)));
        assert!(!selection.keeps(&other, &[finding]));
        assert!(!selection.keeps(&named, &[]));
    }

    #[test]
    fn sink_of_connections_learns_which_sessions_are_not_selected() {
        #[derive(Default)]
        struct Connections(Vec<u64>, Vec<u64>);
        impl EventSink for Connections {
            fn event(&mut self, _: &Event<'_>) {}
            fn connection(&mut self, connection: TracedConnection) {
                self.0.push(connection.first.number);
            }
            fn session_filtered(&mut self, session: &Arc<Session>) {
                self.1.push(session.id);
            }
        }
        let mut kept = Connections::default();
        let selection = Selection {
            ids: BTreeSet::from([2]),
            expression: None,
        };
        let mut selected = SelectedEvents::new(selection, &mut kept, false);
        let end = |id| Event {
            frame: FrameRef::default(),
            session: Some(id),
            late: false,
            kind: EventKind::SessionEnd(Arc::new(Session {
                id,
                ..example_session()
            })),
        };
        let data = |first, data_of| {
            let end =
                |port| crate::model::Endpoint::new(std::net::Ipv4Addr::LOCALHOST.into(), port);
            TracedConnection {
                key: crate::model::FlowKey::new(end(20), end(50_000)).0,
                control_of: None,
                data_of,
                first: FrameRef {
                    number: first,
                    ..FrameRef::default()
                },
                last: FrameRef {
                    number: first,
                    ..FrameRef::default()
                },
                segments: Vec::new(),
                folded: None,
                omitted: 0,
                payload: Default::default(),
            }
        };
        selected.event(&end(1));
        selected.event(&end(2));
        for (first, data_of) in [
            (10, [Some(1), None]),
            (20, [Some(2), None]),
            (30, [Some(1), Some(2)]),
            (40, [None, None]),
        ] {
            selected.connection(data(first, data_of));
        }
        assert_eq!((kept.0, kept.1), (vec![20, 30, 40], vec![1]));
    }

    #[test]
    fn finding_that_names_only_other_sessions_is_left_out() {
        let session = Arc::new(example_session());
        let mut log = Log::default();
        let selection = Selection {
            ids: BTreeSet::from([session.id]),
            expression: None,
        };
        let mut selected = SelectedEvents::new(selection, &mut log, true);
        let mut finding = session.findings[0].clone();
        for sessions in [vec![session.id + 1], vec![session.id, 99], vec![]] {
            finding.sessions = sessions;
            selected.event(&Event {
                frame: FrameRef::default(),
                session: None,
                late: false,
                kind: EventKind::Finding(&finding),
            });
        }
        let all = Totals {
            findings: 3,
            ..Totals::default()
        };
        assert_eq!(selected.totals(&all).findings, 2);
        assert_eq!(log.0, ["other None", "other None"]);
    }
}
