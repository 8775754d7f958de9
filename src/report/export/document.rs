//! Documents: exports whose sessions are kept as text until the input ends.
//!
//! A finished session does not change any more, but sessions are in order of their ids, and totals may come before
//! them: nothing can be written yet. The text of a session takes a fraction of the memory of its records, and beyond a
//! limit it goes into a file.
//!
//! ```text
//! SessionEnd ──> DocumentFormat::write_session ──> FinishedSessions ──┐
//! all else   ──> ReportBuilder ──> Report without sessions ───────────┴──> DocumentFormat::write_document
//! ```
//!
//! The formats `json`, the report as one document, and `table`, tables for people, are here: each needs no more than its
//! two writers.

use std::io::{self, Write};

#[cfg(feature = "cli")]
use super::super::table;
use super::super::{Report, ReportBuilder, SpooledText, json};
use super::{Exporter, Format, OutputFile, OutputKind, RunEnd};
use crate::model::record::Session;
use crate::model::{Event, EventKind, EventSink, Limits};

/// Format of a document that consists of the texts of its sessions and a rest.
pub trait DocumentFormat: Send {
    /// Writes one session as the document will have it.
    fn write_session(&mut self, session: &Session, out: &mut SessionText<'_>) -> io::Result<()>;

    /// Writes the whole document. `report` has no sessions; their texts are in `sessions`.
    fn write_document(
        &self,
        report: &Report,
        sessions: FinishedSessions,
        out: &mut OutputFile,
    ) -> io::Result<()>;

    /// Returns true if [`write_document`](Self::write_document) writes the warnings of the report.
    fn writes_warnings(&self) -> bool {
        true
    }
}

/// Exporter of a [`DocumentFormat`].
pub struct DocumentExporter<F> {
    format: F,
    rest: ReportBuilder,
    sessions: FinishedSessions,
    /// Sessions kept at most.
    limit: usize,
    out: OutputFile,
}

impl<F: DocumentFormat> DocumentExporter<F> {
    /// Creates an exporter that keeps as many records as `limits` allow.
    pub fn new(format: F, limits: &Limits, out: OutputFile) -> Self {
        Self {
            format,
            rest: ReportBuilder::new(limits),
            sessions: FinishedSessions::new(),
            limit: limits.sessions,
            out,
        }
    }
}

impl<F: DocumentFormat> EventSink for DocumentExporter<F> {
    fn event(&mut self, event: &Event<'_>) {
        let EventKind::SessionEnd(session) = &event.kind else {
            self.rest.event(event);
            return;
        };
        if self.sessions.len() < self.limit {
            let format = &mut self.format;
            self.sessions
                .push(session.id, |out| format.write_session(session, out));
        } else {
            self.rest.omit_session();
        }
    }
}

impl<F: DocumentFormat> Exporter for DocumentExporter<F> {
    fn finish(mut self: Box<Self>, run: RunEnd<'_>) -> io::Result<()> {
        let report = self.rest.finish(run.captures.to_vec(), run.totals.clone());
        if !self.format.writes_warnings() {
            (run.unwritten_warnings)(&report.warnings);
        }
        self.format
            .write_document(&report, self.sessions, &mut self.out)?;
        self.out.flush()
    }
}

/// Texts of finished sessions.
#[derive(Debug)]
pub struct FinishedSessions {
    places: Vec<Place>,
    text: SpooledText,
    /// First error; `None` while all texts were kept.
    error: Option<io::Error>,
}

/// Place of the text of one session.
#[derive(Clone, Copy, Debug)]
struct Place {
    id: u64,
    offset: u64,
    length: u64,
}

/// Target for the text of one session.
// The text goes to the spool in pieces: a session of 100,000 transfers must not be in memory as a whole.
#[derive(Debug)]
pub struct SessionText<'a>(&'a mut SpooledText);

impl Write for SessionText<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl FinishedSessions {
    /// Creates an empty collection that keeps 64 MiB in memory.
    #[must_use]
    pub fn new() -> Self {
        Self::within(KEPT_IN_MEMORY)
    }

    /// Creates an empty collection that keeps `limit` bytes in memory and the rest in a file.
    #[must_use]
    pub fn within(limit: usize) -> Self {
        Self {
            places: Vec::new(),
            text: SpooledText::new(limit),
            error: None,
        }
    }

    /// Keeps the text that `write` makes of the session `id`. An error is returned by [`write`](Self::write).
    pub fn push(&mut self, id: u64, write: impl FnOnce(&mut SessionText<'_>) -> io::Result<()>) {
        // A document without one of its sessions would be wrong: after an error no more are kept.
        if self.error.is_some() {
            return;
        }
        let offset = self.text.len();
        match write(&mut SessionText(&mut self.text)) {
            Ok(()) => {
                let length = self.text.len().saturating_sub(offset);
                self.places.push(Place { id, offset, length });
            }
            Err(error) => {
                self.error = Some(error);
                // The texts so far are of no use any more: free their memory and file.
                self.text = SpooledText::new(0);
            }
        }
    }

    /// Returns the number of sessions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Returns true if there are no sessions.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Writes all texts in order of their ids, separated by `separator`.
    pub fn write(mut self, separator: &[u8], out: &mut dyn Write) -> io::Result<()> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        self.places.sort_by_key(|place| place.id);
        for (index, place) in self.places.iter().enumerate() {
            if index > 0 {
                out.write_all(separator)?;
            }
            self.text.copy(place.offset, place.length, out)?;
        }
        Ok(())
    }
}

impl Default for FinishedSessions {
    fn default() -> Self {
        Self::new()
    }
}

pub(super) const JSON: Format = Format {
    name: "json",
    summary: "One JSON document",
    unit: Some("one document"),
    output: OutputKind::Document,
    open: |options, outputs| {
        let out = outputs.create("report.json")?;
        Ok(Box::new(DocumentExporter::new(Json, &options.limits, out)))
    },
    schema: Some(json::report_schema),
};

struct Json;

impl DocumentFormat for Json {
    fn write_session(&mut self, session: &Session, out: &mut SessionText<'_>) -> io::Result<()> {
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

#[cfg(feature = "cli")]
pub(super) const TABLE: Format = Format {
    name: "table",
    summary: "Tables for people",
    unit: None,
    output: OutputKind::Document,
    open: |options, outputs| {
        let out = outputs.create("report.txt")?;
        let format = Table {
            options: options.table.clone(),
            overview: table::Overview::default(),
        };
        Ok(Box::new(DocumentExporter::new(
            format,
            &options.limits,
            out,
        )))
    },
    schema: None,
};

#[cfg(feature = "cli")]
struct Table {
    options: table::Options,
    overview: table::Overview,
}

#[cfg(feature = "cli")]
impl DocumentFormat for Table {
    fn write_session(&mut self, session: &Session, out: &mut SessionText<'_>) -> io::Result<()> {
        self.overview.add(session);
        if self.options.summary {
            return Ok(());
        }
        table::write_session(session, &self.options, out)
    }

    fn write_document(
        &self,
        report: &Report,
        sessions: FinishedSessions,
        out: &mut OutputFile,
    ) -> io::Result<()> {
        table::write_document(report, &self.overview, sessions, &self.options, out)
    }
}

/// Bytes of text kept in memory before a file is made.
const KEPT_IN_MEMORY: usize = 64 << 20;

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

    fn texts(sessions: FinishedSessions) -> String {
        let mut out = Vec::new();
        sessions.write(b"|", &mut out).expect("all is there");
        String::from_utf8(out).expect("text")
    }

    fn push(sessions: &mut FinishedSessions, id: u64, text: &[u8]) {
        sessions.push(id, |out| out.write_all(text));
    }

    #[test]
    fn texts_are_written_by_id() {
        let mut sessions = FinishedSessions::new();
        push(&mut sessions, 2, b"second");
        push(&mut sessions, 1, b"first");
        assert_eq!(texts(sessions), "first|second");
    }

    #[test]
    fn texts_in_the_file_are_written_by_id() {
        let mut sessions = FinishedSessions::within(1 << 20);
        let large = vec![b'x'; 1 << 19];
        push(&mut sessions, 3, &large);
        push(&mut sessions, 1, &large);
        push(&mut sessions, 2, b"between");
        assert_eq!(sessions.len(), 3);
        let texts = texts(sessions);
        let lengths: Vec<_> = texts.split('|').map(str::len).collect();
        assert_eq!(lengths, [large.len(), 7, large.len()]);
    }

    #[test]
    fn one_long_text_is_not_in_memory_as_a_whole() {
        let limit = 1 << 20;
        let mut sessions = FinishedSessions::within(limit);
        let line = [b'x'; 1 << 14];
        let lines = 4 * limit / line.len();
        sessions.push(1, |out| {
            for _ in 0..lines {
                out.write_all(&line)?;
                assert!(out.0.in_memory() < limit);
            }
            Ok(())
        });
        assert_eq!(texts(sessions).len(), lines * line.len());
    }

    #[test]
    fn error_of_a_session_is_returned_when_all_are_written() {
        let mut sessions = FinishedSessions::new();
        sessions.push(1, |_| Err(io::ErrorKind::StorageFull.into()));
        push(&mut sessions, 2, b"not kept");
        let error = sessions.write(b"", &mut Vec::new()).expect_err("it failed");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }

    /// The document of sessions with these ids, as exported and as a report that was built as a whole.
    fn both(limits: &Limits, ids: &[u64]) -> (String, String) {
        let options = ExportOptions {
            limits: limits.clone(),
            ..ExportOptions::default()
        };
        let exported = export(&JSON, &options, ids).remove("report.json");
        let mut builder = ReportBuilder::new(limits);
        for &id in ids {
            let session = Session {
                id,
                ..example_session()
            };
            builder.event(&Event {
                frame: FrameRef::default(),
                session: Some(id),
                late: false,
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
