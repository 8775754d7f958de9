//! What the page knows, as JSON: the report without what the page does not show, and the rows of the diagrams.
//!
//! Texts that many sessions share are numbers into one list, so that thousands of them make a page that still opens.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::PageOptions;
use super::embed::{Embedded, value};
use super::session::finding;
use super::strings::{Strings, text};
use crate::report::{FinishedSessions, Report, units};

/// Writes the JSON block: the report, the sessions as they were written when they ended, and their texts.
pub(super) fn write(
    report: &Report,
    sessions: FinishedSessions,
    strings: Strings,
    options: &PageOptions,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut out = Embedded(out);
    write!(out, "{{\"format\":1,\"detail\":{},", options.detail as u8)?;
    let first = report
        .captures
        .iter()
        .filter_map(|capture| capture.first_packet);
    let last = report
        .captures
        .iter()
        .filter_map(|capture| capture.last_packet);
    let head = [
        ("captures", captures(report)),
        (
            "moreCaptures",
            report.captures.len().saturating_sub(CAPTURES).into(),
        ),
        (
            "from",
            first
                .min()
                .map(|time| units::time(time, &options.zone))
                .into(),
        ),
        (
            "to",
            last.max()
                .map(|time| units::time(time, &options.zone))
                .into(),
        ),
        ("totals", value(&report.totals)),
        ("warnings", warnings(report)),
        ("findings", report.findings.iter().map(finding).collect()),
        ("attempts", attempts(report)),
        ("moreAttempts", beyond(report.connection_attempts.len())),
        ("unmatched", unmatched(report)),
        ("moreUnmatched", beyond(report.unmatched_data.len())),
    ];
    for (name, value) in head {
        write!(out, "\"{name}\":")?;
        serde_json::to_writer(&mut out, &value)?;
        write!(out, ",")?;
    }
    write!(out, "\"sessions\":[")?;
    sessions.write(b",\n", out.0)?;
    write!(out, "],\n\"texts\":")?;
    strings.write(out.0)?;
    write!(out, "}}")
}

fn captures(report: &Report) -> Value {
    let captures = report.captures.iter().take(CAPTURES);
    captures
        .map(|capture| json!({"path": text(&capture.path)}))
        .collect()
}

fn warnings(report: &Report) -> Value {
    let warning = |warning: &crate::model::record::WarningRecord| json!({"code": value(&warning.code), "message": text(&warning.message), "count": warning.count});
    report.warnings.iter().map(warning).collect()
}

fn attempts(report: &Report) -> Value {
    let attempt = |attempt: &crate::model::record::ConnectionAttempt| {
        let client = crate::model::Endpoint::from(attempt.client);
        let server = crate::model::Endpoint::from(attempt.server);
        json!([
            client.to_string(),
            server.to_string(),
            value(&attempt.outcome),
            attempt.frame
        ])
    };
    report
        .connection_attempts
        .iter()
        .take(LISTED)
        .map(attempt)
        .collect()
}

fn unmatched(report: &Report) -> Value {
    let data = |data: &crate::model::record::UnmatchedData| {
        let client = crate::model::Endpoint::from(data.connection.client);
        let server = crate::model::Endpoint::from(data.connection.server);
        json!([
            client.to_string(),
            server.to_string(),
            data.bytes,
            value(&data.completeness),
            data.media_type,
            data.connection.first_frame
        ])
    };
    report
        .unmatched_data
        .iter()
        .take(LISTED)
        .map(data)
        .collect()
}

/// How many of a list are not on the page.
fn beyond(length: usize) -> Value {
    length.saturating_sub(LISTED).into()
}

/// Captures named on a page.
const CAPTURES: usize = 100;
/// Connection attempts, and data without a command.
const LISTED: usize = 1_000;
