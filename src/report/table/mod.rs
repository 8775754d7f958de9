//! Tables for people: the facts that somebody wants within ten seconds, one block per session.
//!
//! ```text
//! heading   id, verdict, end points, time, login
//! steps     in order, with reply and duration
//! files     completeness and digest
//! findings  title and advice
//! ```
//!
//! Blocks for records outside of sessions follow, then one line of totals. Every line of a block begins with a bar, so
//! that text from the wire never begins a line: CI runners execute lines that begin with `::`.

#[cfg(feature = "cli")]
mod block;
#[cfg(feature = "cli")]
mod grid;
#[cfg(feature = "cli")]
mod outside_sessions;
#[cfg(feature = "cli")]
mod session;
#[cfg(all(test, feature = "cli"))]
mod tests;
#[cfg(feature = "cli")]
mod transfers;
#[cfg(feature = "cli")]
mod tree;

#[cfg(feature = "cli")]
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use jiff::tz::TimeZone;

#[cfg(feature = "cli")]
use super::{FinishedSessions, Report};
#[cfg(feature = "cli")]
use crate::model::record::Session;
use crate::model::record::{Completeness, Severity, VerdictStatus};

#[cfg(feature = "cli")]
pub use tree::render_tree;

/// Appearance of tables.
#[derive(Clone, Debug)]
pub struct Options {
    /// Width of the terminal in columns.
    pub width: u16,
    /// Uses colours.
    pub color: bool,
    /// Time zone for times.
    pub zone: TimeZone,
    /// Shows all rows, the commands and replies of each step, explanations and evidence.
    pub verbose: bool,
}

/// Writes the report as tables.
#[cfg(feature = "cli")]
pub fn render(report: &Report, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    for session in &report.sessions {
        session::write(session, options, out)?;
    }
    outside_sessions::write(report, options, out)
}

/// Writes the block of one session, for [`write_document`].
#[cfg(feature = "cli")]
pub fn write_session(session: &Session, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    session::write(session, options, out)
}

/// Writes the report as [`render`] does, with the sessions that [`write_session`] has written in place of its own.
#[cfg(feature = "cli")]
pub fn write_document(
    report: &Report,
    sessions: FinishedSessions,
    options: &Options,
    out: &mut dyn Write,
) -> io::Result<()> {
    sessions.write(b"", out)?;
    outside_sessions::write(report, options, out)
}

/// Returns text in a style, or as it is without `color`.
pub(crate) fn paint(color: bool, style: Style, text: &str) -> String {
    if color && style != PLAIN {
        format!("{style}{text}{style:#}")
    } else {
        text.to_owned()
    }
}

/// Returns the colour of a verdict.
pub(crate) fn verdict_style(status: VerdictStatus) -> Style {
    match status {
        VerdictStatus::Ok => GREEN,
        VerdictStatus::Warning => YELLOW,
        VerdictStatus::Failed => RED,
    }
}

/// Returns the colour of a severity.
pub(crate) fn severity_style(severity: Severity) -> Style {
    match severity {
        Severity::Info => DIM,
        Severity::Low => CYAN,
        Severity::Medium => YELLOW,
        Severity::High => RED,
    }
}

/// Returns the word for a severity.
pub(crate) const fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
    }
}

/// Returns the words for a completeness.
pub(crate) const fn completeness_words(completeness: Completeness) -> &'static str {
    match completeness {
        Completeness::Complete => "complete",
        Completeness::Unverifiable => "unverifiable",
        Completeness::Gaps => "has gaps",
        Completeness::Truncated => "truncated",
        Completeness::Aborted => "aborted",
    }
}

pub(crate) const PLAIN: Style = Style::new();
pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const GREEN: Style = AnsiColor::Green.on_default();
pub(crate) const YELLOW: Style = AnsiColor::Yellow.on_default();
pub(crate) const RED: Style = AnsiColor::Red.on_default();
pub(crate) const CYAN: Style = AnsiColor::Cyan.on_default();
