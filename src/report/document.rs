//! Folds events into a report whose sessions are text already.
//!
//! [`ReportBuilder`] keeps the records of all sessions; a document of many needs only their text, in bounded memory:
//!
//! ```text
//! session_end ──> text of the session ──> FinishedSessions ──┐
//! all else    ──> ReportBuilder ──> Report, no sessions ─────┴──> json::, table::, csv::write_document
//! ```

use std::io;

use super::finished_sessions::{FinishedSessions, SessionText};
use super::{Report, ReportBuilder};
use crate::model::record::{Capture, Session, Totals};
use crate::model::{Event, EventKind, EventSink, Limits};

/// Collects what a run tells for a document; `W` writes one session as the document will have it.
#[derive(Debug)]
pub struct DocumentBuilder<W> {
    rest: ReportBuilder,
    sessions: FinishedSessions,
    most: usize,
    write: W,
}

impl<W: FnMut(&Session, &mut SessionText<'_>) -> io::Result<()>> DocumentBuilder<W> {
    /// A builder that keeps as much as `limits` allow.
    #[must_use]
    pub fn new(limits: &Limits, write: W) -> Self {
        Self {
            rest: ReportBuilder::new(limits),
            sessions: FinishedSessions::new(),
            most: limits.sessions,
            write,
        }
    }

    /// The report without its sessions, and their texts, once the input has ended.
    #[must_use]
    pub fn finish(self, captures: Vec<Capture>, totals: Totals) -> (Report, FinishedSessions) {
        (self.rest.finish(captures, totals), self.sessions)
    }
}

impl<W: FnMut(&Session, &mut SessionText<'_>) -> io::Result<()>> EventSink for DocumentBuilder<W> {
    fn event(&mut self, event: &Event<'_>) {
        let EventKind::SessionEnd(session) = &event.kind else {
            self.rest.event(event);
            return;
        };
        if self.sessions.len() < self.most {
            let write = &mut self.write;
            self.sessions.push(session.id, |out| write(session, out));
        } else {
            self.rest.leave_out_session();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::FrameRef;
    use crate::report::example::example_session;
    use crate::report::json;

    /// The document and the report of the same sessions.
    fn both(limits: &Limits, ids: &[u64]) -> (String, String) {
        let mut builder = ReportBuilder::new(limits);
        let mut document =
            DocumentBuilder::new(limits, |session, out| json::write_session(session, out));
        for &id in ids {
            let session = Session {
                id,
                ..example_session()
            };
            let event = Event {
                frame: FrameRef::default(),
                session: Some(id),
                kind: EventKind::SessionEnd(Arc::new(session)),
            };
            builder.event(&event);
            document.event(&event);
        }
        let text = |out: Vec<u8>| String::from_utf8(out).expect("JSON is UTF-8");
        let mut expected = Vec::new();
        json::write_report(
            &builder.finish(Vec::new(), Totals::default()),
            &mut expected,
        )
        .expect("memory takes it");
        let mut out = Vec::new();
        let (report, sessions) = document.finish(Vec::new(), Totals::default());
        json::write_document(&report, sessions, &mut out).expect("memory takes it");
        (text(out), text(expected))
    }

    #[test]
    fn a_document_reads_as_the_report_does() {
        for ids in [&[][..], &[1], &[3, 1, 2]] {
            let (document, report) = both(&Limits::default(), ids);
            assert_eq!(document, report);
        }
    }

    #[test]
    fn sessions_beyond_the_bound_are_counted() {
        let limits = Limits {
            sessions: 2,
            ..Limits::default()
        };
        let (document, report) = both(&limits, &[1, 2, 3, 4]);
        assert_eq!(document, report);
        assert!(document.contains("\n  \"sessions_omitted\": 2,\n"));
    }
}
