//! Reports: events become documents, rows, lines and tables.
//!
//! In: [`Event`](crate::model::Event)s and the counts at the end of a run. Out: bytes in one of the [formats](export).
//!
//! ```text
//! Event ─┬─> ReportBuilder ──────> Report ──> json, table, tree
//!        ├─> export::Exporter ───> table | json | ndjson | csv      in bounded memory
//!        └─> LiveLines ──────────> one line of text per event
//! with_sink_thread: any of these in its own thread
//! ```
//!
//! Nothing here sees packets, and secrets were hidden before the events were emitted. Text from the wire goes to people
//! through [`wire_text::printable`](crate::model::wire_text::printable), and to machines through the escapes of its
//! format.
//!
//! A written report and each line of NDJSON can be read back: into [`Report`] and [`EventLine`].

mod builder;
mod event_line;
#[cfg(test)]
pub(crate) mod example;
pub mod export;
pub mod json;
mod live_lines;
mod model;
mod sink_thread;
mod spooled_text;
pub mod table;
pub mod tree;
pub mod units;

pub use builder::ReportBuilder;
pub use event_line::EventLine;
pub use export::{
    EventChoice, EventLines, ExportOptions, Exporter, FinishedSessions, Format, OutputFile,
    OutputKind, Outputs, RunEnd, SessionText, event_text, totals_text,
};
pub use live_lines::LiveLines;
pub use model::{Report, SCHEMA_VERSION};
pub use sink_thread::with_sink_thread;
pub use spooled_text::SpooledText;
