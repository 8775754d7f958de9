//! Events become views.
//!
//! In: [`Event`](crate::model::Event)s and the run's summary. Out: one document, rows, one line an event, or tables for people.
//!
//! ```text
//! Event -> builder -> Report -> table | json | csv
//!       |-> document: the same, with sessions as text, in bounded memory
//!       |-> event_lines -> NDJSON
//!       \-> live_lines -> one line of text an event
//! aside: any of these in a thread of its own
//! Report -> tree -> table | json         the servers' folders over time
//! ```
//!
//! Nothing here looks at packets, and secrets were hidden before the events were made. Text from the wire goes to people
//! through [`wire_text::printable`](crate::model::wire_text::printable) and to machines through the JSON escapes of
//! `escaped_json`; CSV, which has no escapes, takes the former.

mod aside;
mod builder;
mod compact_json;
pub mod csv;
mod document;
mod escaped_json;
mod event_line;
mod event_lines;
#[cfg(test)]
pub(crate) mod example;
mod finished_sessions;
pub mod json;
mod live_lines;
mod model;
mod spooled_text;
pub mod table;
mod text_pieces;
mod told;
pub mod tree;
pub mod units;

pub use aside::tell_aside;
pub use builder::ReportBuilder;
pub use document::DocumentBuilder;
pub use event_line::EventLine;
pub use event_lines::{EventChoice, EventLines, event_text, totals_text};
pub use finished_sessions::{FinishedSessions, SessionText};
pub use live_lines::LiveLines;
pub use model::{Report, SCHEMA_VERSION};
pub use spooled_text::SpooledText;
