//! Reports: events become documents, rows, lines and tables.
//!
//! In: [`Event`](crate::model::Event)s and the counts at the end of a run. Out: bytes in one of the [formats](export).
//!
//! ```text
//! Event ─┬─> ReportBuilder ──────> Report ──> json, table
//!        ├─> export::Exporter ───> table | json | ndjson | csv      in bounded memory
//!        ├─> KeptReport ─────────> Report, KeptSessions ──> tree, check, diagram   in bounded memory
//!        └─> LiveLines ──────────> one line of text per event
//! DeferredEnds: sessions that a late finding may name reach any of these last
//! with_sink_thread: any of these in its own thread
//! ```
//!
//! Nothing here sees packets, and secrets were hidden before the events were emitted. Text from the wire goes to people
//! through [`wire_text::printable`](crate::model::wire_text::printable), and to machines through the escapes of its
//! format.
//!
//! A written report and each line of NDJSON can be read back: into [`Report`] and [`EventLine`].

mod builder;
mod deferred_ends;
#[cfg(test)]
pub(crate) mod example;
pub mod export;
mod frame_names;
pub mod json;
mod kept_sessions;
mod live_lines;
pub(crate) mod marks;
mod sink_thread;
mod spooled_text;
pub mod table;
pub mod tree;
pub mod units;
pub(crate) mod wrapping;

use std::borrow::Cow;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::record::{
    Capture, ConnectionAttempt, Finding, Session, Totals, UnmatchedData, WarningRecord, is_zero,
};

pub use builder::ReportBuilder;
pub use deferred_ends::DeferredEnds;
pub use export::{
    EventChoice, EventLine, EventLines, ExportOptions, Exporter, FinishedSessions, Format,
    OutputFile, OutputKind, Outputs, RunEnd, SessionParties, SessionText, event_text, totals_text,
};
pub use frame_names::{CaptureNames, SessionPlaces, capture_words};
pub use kept_sessions::{KeptReport, KeptSessions};
pub use live_lines::LiveLines;
pub use sink_thread::with_sink_thread;
pub use spooled_text::SpooledText;

/// All records of a run, in the order in which they are written.
///
/// A report can be read back from JSON:
///
/// ```no_run
/// let file = std::io::BufReader::new(std::fs::File::open("report.json")?);
/// let report: ftpscope::report::Report = serde_json::from_reader(file)?;
/// for transfer in report.sessions.iter().flat_map(|session| &session.transfers) {
///     println!("{} {:?}", transfer.path.as_deref().unwrap_or("?"), transfer.completeness);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(description = "All records of a run, in the order in which they are written.")]
#[non_exhaustive]
pub struct Report {
    /// Version of the format. A new name, type or meaning of a field changes it, an additional field does not.
    pub schema_version: Cow<'static, str>,
    /// Inputs in the order of the timeline.
    pub captures: Vec<Capture>,
    /// FTP sessions in order of their ids.
    pub sessions: Vec<Arc<Session>>,
    /// Sessions beyond the limit; omitted if 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub sessions_omitted: u64,
    /// Data connections without a transfer command in the capture, in order of their first frames.
    pub unmatched_data: Vec<UnmatchedData>,
    /// Such connections beyond the limit; omitted if 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unmatched_data_omitted: u64,
    /// Connections to port 21 that carried no FTP, in order of their first frames.
    pub connection_attempts: Vec<ConnectionAttempt>,
    /// Attempts beyond the limit; omitted if 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub connection_attempts_omitted: u64,
    /// Findings about several sessions or the capture.
    pub findings: Vec<Finding>,
    /// Findings beyond the limit; omitted if 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub findings_omitted: u64,
    /// Problems with the input, and limits that were reached.
    pub warnings: Vec<WarningRecord>,
    /// Warnings beyond the limit; omitted if 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub warnings_omitted: u64,
    /// Counts over the whole run.
    pub totals: Totals,
}

/// Version of the report's format.
pub const SCHEMA_VERSION: &str = "1";
