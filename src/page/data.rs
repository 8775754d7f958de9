//! What the page knows, as JSON: the report without what the page does not show, and the rows of the diagrams.
//!
//! Texts that many sessions share are numbers into one list, so that thousands of them make a page that still opens.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Value, json};

use super::PageOptions;
use super::embed::Embedded;
use super::previews::{ON_A_PAGE, Previews};
use super::room::{Room, Share};
use super::rows;
use super::strings::Strings;
use crate::diagram::{Diagram, Recorder};
use crate::model::record::{Finding, ListingEntry, Session, Step, Tls, Transfer};
use crate::model::wire_text::printable;
use crate::report::{Report, units};

/// Writes the JSON block.
pub(super) fn write(
    report: &Report,
    recorder: &Recorder,
    previews: &Previews,
    options: &PageOptions,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut out = Embedded(out);
    let mut strings = Strings::default();
    let mut previews_room = ON_A_PAGE;
    let mut room = Room::of(report, recorder);
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
    let mut comma = "";
    for session in &report.sessions {
        let diagram = recorder.diagram(session);
        let share = room.share(session, &diagram);
        let mut value = session_value(session, &diagram, share, options, &mut strings);
        add_previews(&mut value, session, previews, &mut previews_room);
        write!(out, "{comma}")?;
        serde_json::to_writer(&mut out, &value)?;
        comma = ",\n";
    }
    write!(out, "],\n\"texts\":")?;
    serde_json::to_writer(&mut out, &strings.into_texts())?;
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

fn session_value(
    session: &Session,
    diagram: &Diagram,
    share: Share,
    options: &PageOptions,
    strings: &mut Strings,
) -> Value {
    let client = crate::model::Endpoint::from(session.client);
    let server = crate::model::Endpoint::new(session.server.ip, session.server.port);
    let login = &session.login;
    let (rows, states) = rows::values(diagram, share, strings);
    json!({
        "id": session.id,
        "client": client.to_string(),
        "server": server.to_string(),
        "name": session.server.name.as_deref().map(text),
        "start": units::time(session.start, &options.zone),
        "order": session.start.nanos() / 1_000,
        "duration": session.duration,
        "end": value(&session.end_state),
        "midstream": session.midstream,
        "status": value(&session.verdict.status),
        "verdict": text(&session.verdict.text),
        "filter": session.display_filter,
        "login": {
            "outcome": value(&login.outcome),
            "user": login.user.as_deref().map(text),
            "password": login.password.as_deref().map(text),
            "account": login.account.as_deref().map(text),
            "anonymous": login.anonymous,
            "attempts": login.attempts,
        },
        "tls": session.tls.as_ref().map(tls),
        "encrypted": session.encrypted_data.len(),
        "findings": session.findings.iter().map(finding).collect::<Value>(),
        "steps": session.steps.iter().map(|one| step(one, diagram, strings)).collect::<Value>(),
        "transfers": session.transfers.iter().map(|one| transfer(one, strings)).collect::<Value>(),
        "ends": diagram.ends,
        "omitted": diagram.omitted,
        "rowsLeft": share.rows_left,
        "packetsLeft": share.packets_left,
        "rows": rows,
        "states": states,
    })
}

fn tls(tls: &Tls) -> Value {
    json!({
        "version": tls.version.as_deref().map(text),
        "cipher_suite": tls.cipher_suite.as_deref().map(text),
        "decrypted": tls.decrypted,
    })
}

/// Puts what can be shown of the files beside their transfers.
fn add_previews(value: &mut Value, session: &Session, previews: &Previews, room: &mut usize) {
    let Some(transfers) = value.get_mut("transfers").and_then(Value::as_array_mut) else {
        return;
    };
    for (value, transfer) in transfers.iter_mut().zip(&session.transfers) {
        if let Some(preview) = previews.value(session.id, transfer.id, room)
            && let Some(value) = value.as_object_mut()
        {
            value.insert("preview".to_owned(), preview);
        }
    }
}

fn finding(finding: &Finding) -> Value {
    json!({
        "id": finding.id,
        "severity": value(&finding.severity),
        "title": text(&finding.title),
        "explanation": text(&finding.explanation),
        "advice": text(&finding.advice),
        "frames": finding.frames.iter().take(FRAMES).collect::<Vec<_>>(),
        "step": finding.step,
        "sessions": finding.sessions,
    })
}

fn step(step: &Step, diagram: &Diagram, strings: &mut Strings) -> Value {
    json!([
        step.number,
        strings.number(&step.title),
        value(&step.outcome),
        units::offset(step.time, diagram.start),
    ])
}

/// Without what is not known, and without what is nothing.
fn transfer(transfer: &Transfer, strings: &mut Strings) -> Value {
    let connection = transfer.connection.as_ref();
    let seconds = connection.map(|connection| connection.end.since(connection.start).seconds());
    let more = units::to_u64(transfer.entries.len().saturating_sub(ENTRIES))
        .saturating_add(transfer.entries_omitted);
    let mut value = json!({
        "verb": transfer.verb,
        "path": transfer.path.as_deref().or(transfer.argument.as_deref()).map(text),
        "direction": value(&transfer.direction),
        "mode": value(&transfer.mode),
        "type": value(&transfer.data_type),
        "bytes": transfer.bytes,
        "missing": Some(transfer.missing_bytes).filter(|bytes| *bytes > 0),
        "offset": Some(transfer.restart_offset).filter(|bytes| *bytes > 0),
        "announced": transfer.announced_bytes,
        "completeness": value(&transfer.completeness),
        "evidence": transfer.evidence.iter().map(|line| strings.number(line)).collect::<Vec<_>>(),
        "sha256": transfer.sha256,
        "media": transfer.media_type,
        "saved": transfer.saved_as.as_deref().map(text),
        "seconds": seconds,
        "entries": Some(&transfer.entries).filter(|entries| !entries.is_empty())
            .map(|entries| entries.iter().take(ENTRIES).map(entry).collect::<Value>()),
        "more": Some(more).filter(|more| *more > 0),
    });
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, field| !field.is_null());
    }
    value
}

fn entry(entry: &ListingEntry) -> Value {
    json!([
        value(&entry.kind),
        text(&entry.name),
        entry.size,
        entry.modified.as_deref().map(text),
        entry.permissions.as_deref().map(text),
        entry.target.as_deref().map(text),
    ])
}

pub(super) fn text(text: &str) -> String {
    printable(text).into_owned()
}

/// As the report writes it. What is serialised here cannot fail to be.
fn value(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

/// Captures named on a page.
const CAPTURES: usize = 100;
/// Frames of a finding.
const FRAMES: usize = 20;
/// Entries of one listing.
const ENTRIES: usize = 1_000;
/// Connection attempts, and data without a command.
const LISTED: usize = 1_000;
