//! Colours, and what they stand for.

use anstyle::{AnsiColor, Style};

use crate::model::record::{Severity, VerdictStatus};

/// Text in a style where colours are wanted.
pub(in crate::report) fn paint(color: bool, style: Style, text: &str) -> String {
    if color && style != PLAIN {
        format!("{style}{text}{style:#}")
    } else {
        text.to_owned()
    }
}

/// The colour of a verdict.
pub(in crate::report) fn verdict_style(status: VerdictStatus) -> Style {
    match status {
        VerdictStatus::Ok => GREEN,
        VerdictStatus::Warning => YELLOW,
        VerdictStatus::Failed => RED,
    }
}

/// The colour of a severity.
pub(in crate::report) fn severity_style(severity: Severity) -> Style {
    match severity {
        Severity::Info => DIM,
        Severity::Low => CYAN,
        Severity::Medium => YELLOW,
        Severity::High => RED,
    }
}

pub(in crate::report) const PLAIN: Style = Style::new();
pub(in crate::report) const BOLD: Style = Style::new().bold();
pub(in crate::report) const DIM: Style = Style::new().dimmed();
pub(in crate::report) const GREEN: Style = AnsiColor::Green.on_default();
pub(in crate::report) const YELLOW: Style = AnsiColor::Yellow.on_default();
pub(in crate::report) const RED: Style = AnsiColor::Red.on_default();
pub(in crate::report) const CYAN: Style = AnsiColor::Cyan.on_default();
