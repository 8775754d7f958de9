//! Colours, what they stand for, and the words for it.

use anstyle::{AnsiColor, Style};

use crate::model::record::{Completeness, Severity, VerdictStatus};

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

/// A severity in a word.
pub(in crate::report) const fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
    }
}

/// A completeness in a word or two.
pub(in crate::report) const fn completeness_words(completeness: Completeness) -> &'static str {
    match completeness {
        Completeness::Complete => "complete",
        Completeness::Unverifiable => "unverifiable",
        Completeness::Gaps => "has gaps",
        Completeness::Truncated => "truncated",
        Completeness::Aborted => "aborted",
    }
}

pub(in crate::report) const PLAIN: Style = Style::new();
pub(in crate::report) const BOLD: Style = Style::new().bold();
pub(in crate::report) const DIM: Style = Style::new().dimmed();
pub(in crate::report) const GREEN: Style = AnsiColor::Green.on_default();
pub(in crate::report) const YELLOW: Style = AnsiColor::Yellow.on_default();
pub(in crate::report) const RED: Style = AnsiColor::Red.on_default();
pub(in crate::report) const CYAN: Style = AnsiColor::Cyan.on_default();
