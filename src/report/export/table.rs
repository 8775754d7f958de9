//! `table`: tables for people.

use std::io;

use super::{
    DocumentExporter, DocumentFormat, FinishedSessions, Format, OutputFile, OutputKind, SessionText,
};
use crate::model::record::Session;
use crate::report::{Report, table};

pub(super) const FORMAT: Format = Format {
    name: "table",
    summary: "Tables for people",
    unit: None,
    output: OutputKind::Document,
    open: |options, outputs| {
        let out = outputs.create("report.txt")?;
        let format = Table(options.table.clone());
        Ok(Box::new(DocumentExporter::new(
            format,
            &options.limits,
            out,
        )))
    },
};

struct Table(table::Options);

impl DocumentFormat for Table {
    fn write_session(&self, session: &Session, out: &mut SessionText<'_>) -> io::Result<()> {
        table::write_session(session, &self.0, out)
    }

    fn write_document(
        &self,
        report: &Report,
        sessions: FinishedSessions,
        out: &mut OutputFile,
    ) -> io::Result<()> {
        table::write_document(report, sessions, &self.0, out)
    }
}
