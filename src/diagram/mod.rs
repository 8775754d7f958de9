//! Sessions as sequence diagrams: lanes, arrows between them, and the state of the session at each arrow.
//!
//! In: sessions of a report and, where they were traced, the segments of their connections. Out: one [`Diagram`] per
//! session, and the same diagrams as text, SVG, Mermaid or `PlantUML`; the page draws its pictures from the same rows.
//!
//! ```text
//! traced connections -> DiagramRecorder ─┐
//! Session ───────────────────────────────┴> build ─┬ phases    headings
//!                                                  ├ messages  commands, replies, name lookup
//!                                                  ├ control_connection, data_connections    segment by segment
//!                                                  ├ console   the user's typing and the client's answers
//!                                                  ├ captions  each arrow as a sentence
//!                                                  └ state     user, directory, type, open connections, bytes
//!                                                  = Diagram -> text | svg | markup (Mermaid, PlantUML) | page
//! ```
//!
//! A diagram is made in two passes. Planning puts the sources of all arrows in order, which takes a few bytes each;
//! drawing makes one row after the other from them. So the texts of a session with 300,000 arrows need never be in
//! memory together.
//!
//! Every row carries the [`Levels`] at which it is drawn, so that one diagram serves all three [`Detail`]s. Strings from
//! the wire are in the rows as in the report, with secrets hidden; each format has one function that escapes them.

mod arrow;
mod build;
mod captions;
mod console;
mod control_connection;
mod data_connections;
mod labels;
mod markup;
mod messages;
mod model;
mod phases;
mod recorder;
mod state;
mod svg;
mod text;

#[cfg(test)]
mod tests;

pub use build::Drawing;
pub use markup::{write_mermaid, write_plantuml};
pub use model::{Channel, Detail, Diagram, Lane, Levels, Row, RowKind, SessionState};
pub use recorder::DiagramRecorder;
pub use svg::write_svg;
pub use text::{TextOptions, write_text};
