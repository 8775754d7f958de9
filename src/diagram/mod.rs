//! Sessions as sequence diagrams: lanes, arrows between them, and what was true at each arrow.
//!
//! In: the sessions of a report, and the segments of their connections where they were asked for. Out: one [`Diagram`] a
//! session, and the same diagrams as text, Mermaid, `PlantUML` or SVG.
//!
//! ```text
//! Event, connection -> Recorder ─┐
//! Session ───────────────────────┴> build ─┬ phases      headings
//!                                          ├ messages    commands, replies, name lookup
//!                                          ├ control_connection, data_connections    packet by packet
//!                                          ├ console     what the user typed and saw
//!                                          ├ captions    each arrow in words
//!                                          └ state       who, where, which type, how many bytes
//!                                          = Diagram -> text | mermaid | plantuml | svg | page
//! ```
//!
//! Every row knows at which [`Detail`] it is drawn, so that one diagram serves all three. Texts from the wire stand in
//! the rows as the report has them, secrets hidden; each format escapes them in its own way.

mod arrows;
mod build;
mod captions;
mod console;
mod control_connection;
mod data_connections;
mod draft;
mod labels;
mod mermaid;
mod messages;
mod model;
mod phases;
mod plan;
mod plantuml;
mod recorder;
mod segments;
mod state;
mod svg;
mod text;

#[cfg(test)]
mod tests;

pub use build::Drawing;
pub use mermaid::write_mermaid;
pub use model::{Channel, Detail, Diagram, Lane, Levels, Row, RowKind, State};
pub use plantuml::write_plantuml;
pub use recorder::Recorder;
pub use svg::write_svg;
pub use text::{TextOptions, write_text};
