//! `json`: the report as one document.

use std::io;

use super::{
    DocumentExporter, DocumentFormat, FinishedSessions, Format, OutputFile, OutputKind, SessionText,
};
use crate::model::record::Session;
use crate::report::{Report, json};

pub(super) const FORMAT: Format = Format {
    name: "json",
    summary: "One JSON document",
    unit: Some("one document"),
    output: OutputKind::Document,
    open: |options, outputs| {
        let out = outputs.create("report.json")?;
        Ok(Box::new(DocumentExporter::new(Json, &options.limits, out)))
    },
};

struct Json;

impl DocumentFormat for Json {
    fn write_session(&self, session: &Session, out: &mut SessionText<'_>) -> io::Result<()> {
        json::write_session(session, out)
    }

    fn write_document(
        &self,
        report: &Report,
        sessions: FinishedSessions,
        out: &mut OutputFile,
    ) -> io::Result<()> {
        json::write_document(report, sessions, out)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::ExportOptions;
    use super::super::tests::export;
    use super::*;
    use crate::model::record::Totals;
    use crate::model::{Event, EventKind, EventSink, FrameRef, Limits};
    use crate::report::ReportBuilder;
    use crate::report::example::{example_report, example_session};

    /// The document of sessions with these ids, as exported and as a report that was built as a whole.
    fn both(limits: &Limits, ids: &[u64]) -> (String, String) {
        let options = ExportOptions {
            limits: limits.clone(),
            ..ExportOptions::default()
        };
        let exported = export(&FORMAT, &options, ids).remove("report.json");
        let mut builder = ReportBuilder::new(limits);
        for &id in ids {
            let session = Session {
                id,
                ..example_session()
            };
            builder.event(&Event {
                frame: FrameRef::default(),
                session: Some(id),
                kind: EventKind::SessionEnd(Arc::new(session)),
            });
        }
        let example = example_report();
        let report = builder.finish(example.captures, Totals::clone(&example.totals));
        let mut expected = Vec::new();
        json::write_report(&report, &mut expected).expect("memory takes it");
        let expected = String::from_utf8(expected).expect("JSON is UTF-8");
        (exported.expect("one file"), expected)
    }

    #[test]
    fn exported_document_equals_the_report_with_sessions_by_id() {
        for ids in [&[][..], &[1], &[3, 1, 2]] {
            let (exported, report) = both(&Limits::default(), ids);
            assert_eq!(exported, report);
        }
    }

    #[test]
    fn sessions_beyond_the_limit_are_counted() {
        let limits = Limits {
            sessions: 2,
            ..Limits::default()
        };
        let (exported, report) = both(&limits, &[1, 2, 3, 4]);
        assert_eq!(exported, report);
        assert!(exported.contains("\n  \"sessions_omitted\": 2,\n"));
    }
}
