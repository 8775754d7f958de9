//! The default output: what a person wants to see in ten seconds, one block a session.
//!
//! ```text
//! heading: id, verdict, ends, time, login
//! steps     what happened, in order
//! files     whole or not, with digest
//! findings  what deserves attention and what to do
//! ```
//!
//! Blocks for what is beside the sessions follow, then one line of totals. A bar stands at the left of every line of a
//! block: text from the wire never begins a line, and CI runners that obey lines with `::` find none.

mod beside;
mod block;
mod grid;
mod long_lists;
mod session;
pub(super) mod style;
#[cfg(test)]
mod tests;
mod transfers;
mod tree;

use std::io::{self, Write};

use jiff::tz::TimeZone;

use super::{FinishedSessions, Report};
use crate::model::record::Session;

pub use tree::render_tree;

/// How tables look.
#[derive(Clone, Debug)]
pub struct Options {
    /// Columns of the terminal.
    pub width: u16,
    /// Whether to use colours.
    pub color: bool,
    /// The zone for times.
    pub zone: TimeZone,
    /// Everything: all rows, the commands and replies of each step, explanations and evidence.
    pub verbose: bool,
}

/// Writes the report as tables.
pub fn render(report: &Report, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    for session in &report.sessions {
        session::write(session, options, out)?;
    }
    beside::write(report, options, out)
}

/// Writes the block of one session, for [`write_document`].
pub fn write_session(session: &Session, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    session::write(session, options, out)
}

/// Writes the report as [`render`] does, with the sessions that [`write_session`] made; it has none by itself.
pub fn write_document(
    report: &Report,
    sessions: FinishedSessions,
    options: &Options,
    out: &mut dyn Write,
) -> io::Result<()> {
    sessions.write(b"", out)?;
    beside::write(report, options, out)
}
