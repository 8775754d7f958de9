//! Builder of the report from events.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Report, SCHEMA_VERSION};
use crate::diagnosis;
use crate::model::record::{
    Capture, ConnectionAttempt, Finding, Place, Session, Totals, UnmatchedData, WarningRecord,
};
use crate::model::{Event, EventKind, EventSink, Limits, Warning, WarningCode};

/// Sink that collects the events of a run into a [`Report`].
///
/// Steps, transfers and findings of a session are taken from its `SessionEnd`; their own events are ignored.
#[derive(Debug)]
pub struct ReportBuilder {
    sessions: Bounded<Arc<Session>>,
    unmatched_data: Bounded<UnmatchedData>,
    connection_attempts: Bounded<ConnectionAttempt>,
    findings: Bounded<Finding>,
    warnings: Bounded<Warning>,
    /// Index in `warnings` of each code and message.
    warning_places: BTreeMap<(WarningCode, String), usize>,
}

impl ReportBuilder {
    /// Creates a builder that keeps as many records as `limits` allow.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            sessions: Bounded::new(limits.sessions),
            unmatched_data: Bounded::new(limits.unmatched_data),
            connection_attempts: Bounded::new(limits.connection_attempts),
            findings: Bounded::new(limits.findings),
            warnings: Bounded::new(MAX_WARNINGS),
            warning_places: BTreeMap::new(),
        }
    }

    /// Returns the report after the last event, with sessions by id and connections by their first frame.
    #[must_use]
    pub fn finish(mut self, captures: Vec<Capture>, totals: Totals) -> Report {
        self.warn_of_limits();
        let several = captures.len() > 1;
        let mut sessions = self.sessions.items;
        // Sessions arrive in the order in which they end.
        sessions.sort_by_key(|session| session.id);
        // Findings about several sessions come at the end of the input, after the sessions that they name.
        for finding in &self.findings.items {
            for id in &finding.sessions {
                if let Ok(at) = sessions.binary_search_by_key(id, |session| session.id)
                    && let Some(session) = sessions.get_mut(at)
                {
                    diagnosis::concern(Arc::make_mut(session), finding);
                }
            }
        }
        let mut unmatched_data = self.unmatched_data.items;
        unmatched_data.sort_by_key(|data| data.connection.first_frame);
        let mut connection_attempts = self.connection_attempts.items;
        connection_attempts.sort_by_key(|attempt| attempt.frame);
        Report {
            schema_version: SCHEMA_VERSION.into(),
            captures,
            sessions,
            sessions_omitted: self.sessions.omitted,
            unmatched_data,
            unmatched_data_omitted: self.unmatched_data.omitted,
            connection_attempts,
            connection_attempts_omitted: self.connection_attempts.omitted,
            findings: self.findings.items,
            findings_omitted: self.findings.omitted,
            warnings: self
                .warnings
                .items
                .iter()
                .map(|warning| warning_record(warning, several))
                .collect(),
            warnings_omitted: self.warnings.omitted,
            totals,
        }
    }

    /// Counts a session that is omitted from the report.
    pub fn omit_session(&mut self) {
        self.sessions.omitted = self.sessions.omitted.saturating_add(1);
    }

    fn warn(&mut self, warning: &Warning) {
        let key = (warning.code, warning.message.clone());
        if let Some(known) = self
            .warning_places
            .get(&key)
            .and_then(|&place| self.warnings.items.get_mut(place))
        {
            known.count = known.count.saturating_add(warning.count);
            // An earlier occurrence may have had no frame.
            known.frame = known.frame.or(warning.frame);
            return;
        }
        let place = self.warnings.items.len();
        if self.warnings.push(|| warning.clone()) {
            self.warning_places.insert(key, place);
        }
    }

    /// Adds a warning for each list that reached its limit. These five may exceed the limit on warnings.
    fn warn_of_limits(&mut self) {
        let lists = [
            ("sessions", self.sessions.omitted),
            (
                "data connections without a command",
                self.unmatched_data.omitted,
            ),
            ("connection attempts", self.connection_attempts.omitted),
            ("findings about several sessions", self.findings.omitted),
            ("different warnings", self.warnings.omitted),
        ];
        for (items, omitted) in lists {
            if omitted > 0 {
                let message =
                    format!("{items} were left out of the report; --format ndjson has all of them");
                self.warnings.items.push(Warning {
                    code: WarningCode::LimitReached,
                    message,
                    count: omitted,
                    frame: None,
                });
            }
        }
    }
}

impl EventSink for ReportBuilder {
    fn event(&mut self, event: &Event<'_>) {
        match &event.kind {
            EventKind::SessionEnd(session) => {
                self.sessions.push(|| Arc::clone(session));
            }
            EventKind::UnmatchedData(data) => {
                self.unmatched_data.push(|| (*data).clone());
            }
            EventKind::ConnectionAttempt(attempt) => {
                self.connection_attempts.push(|| (*attempt).clone());
            }
            EventKind::Finding(finding) if event.session.is_none() => {
                self.findings.push(|| (*finding).clone());
            }
            EventKind::Warning(warning) => self.warn(warning),
            EventKind::Capture(_)
            | EventKind::SessionStart { .. }
            | EventKind::Step(_)
            | EventKind::Transfer(_)
            | EventKind::TransferProgress { .. }
            | EventKind::FindingSoFar(_)
            | EventKind::Finding(_)
            | EventKind::LatePackets(_) => {}
        }
    }
}

/// Returns a warning as the report and the event lines write it.
pub(super) fn warning_record(warning: &Warning, several_captures: bool) -> WarningRecord {
    let place = warning
        .frame
        .map(|frame| Place::of(frame, several_captures));
    WarningRecord {
        code: warning.code,
        message: warning.message.clone(),
        count: warning.count,
        frame: warning.frame.map(|frame| frame.number),
        capture: place.and_then(|place| place.capture),
        capture_frame: place.and_then(|place| place.capture_frame),
    }
}

/// List with a limit that counts the items beyond it.
#[derive(Debug)]
struct Bounded<T> {
    items: Vec<T>,
    limit: usize,
    omitted: u64,
}

impl<T> Bounded<T> {
    fn new(limit: usize) -> Self {
        Self {
            items: Vec::new(),
            limit,
            omitted: 0,
        }
    }

    /// Adds an item, which is only made if it fits. Returns false if it does not.
    fn push(&mut self, item: impl FnOnce() -> T) -> bool {
        let fits = self.items.len() < self.limit;
        if fits {
            self.items.push(item());
        } else {
            self.omitted = self.omitted.saturating_add(1);
        }
        fits
    }
}

/// Different warnings kept. Each has a count; nobody reads more of them.
const MAX_WARNINGS: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FrameRef;
    use crate::report::example::example_session;

    fn emit(builder: &mut ReportBuilder, session: Option<u64>, kind: EventKind<'_>) {
        builder.event(&Event {
            frame: FrameRef::default(),
            session,
            late: false,
            kind,
        });
    }

    #[test]
    fn sessions_are_in_order_of_their_ids_however_they_ended() {
        let mut builder = ReportBuilder::new(&Limits::default());
        for id in [2, 3, 1] {
            let session = Session {
                id,
                ..example_session()
            };
            emit(
                &mut builder,
                Some(id),
                EventKind::SessionEnd(Arc::new(session)),
            );
        }
        let report = builder.finish(Vec::new(), Totals::default());
        let ids: Vec<u64> = report.sessions.iter().map(|session| session.id).collect();
        assert_eq!(ids, [1, 2, 3]);
    }

    #[test]
    fn equal_warnings_are_merged_with_a_count() {
        let mut builder = ReportBuilder::new(&Limits::default());
        let first = FrameRef {
            number: 7,
            ..FrameRef::default()
        };
        let cut = Warning::new(WarningCode::PacketsCut, "cut", Some(first));
        emit(&mut builder, None, EventKind::Warning(&cut));
        let other = Warning::new(WarningCode::PacketsCut, "elsewhere", None);
        emit(&mut builder, None, EventKind::Warning(&other));
        let again = Warning {
            count: 4,
            frame: None,
            ..cut.clone()
        };
        emit(&mut builder, None, EventKind::Warning(&again));
        let report = builder.finish(Vec::new(), Totals::default());
        let seen: Vec<_> = report
            .warnings
            .iter()
            .map(|w| (w.message.as_str(), w.count, w.frame))
            .collect();
        assert_eq!(seen, [("cut", 5, Some(7)), ("elsewhere", 1, None)]);
    }

    #[test]
    fn sessions_beyond_the_limit_are_counted_and_warned_of() {
        let limits = Limits {
            sessions: 1,
            ..Limits::default()
        };
        let mut builder = ReportBuilder::new(&limits);
        let session = Arc::new(example_session());
        for _ in 0..3 {
            emit(
                &mut builder,
                Some(1),
                EventKind::SessionEnd(Arc::clone(&session)),
            );
        }
        let report = builder.finish(Vec::new(), Totals::default());
        assert_eq!((report.sessions.len(), report.sessions_omitted), (1, 2));
        let warning = report.warnings.first().expect("a warning");
        assert_eq!(
            (warning.code, warning.count),
            (WarningCode::LimitReached, 2)
        );
    }

    #[test]
    fn findings_of_a_session_are_not_repeated_in_the_report() {
        let mut builder = ReportBuilder::new(&Limits::default());
        let session = example_session();
        let finding = session.findings.first().expect("the example has one");
        emit(&mut builder, Some(1), EventKind::Finding(finding));
        emit(&mut builder, None, EventKind::Finding(finding));
        assert_eq!(
            builder.finish(Vec::new(), Totals::default()).findings.len(),
            1
        );
    }
}
