//! What the page knows, as JSON: the report without what the page does not show, and the rows of the diagrams.
//!
//! Texts that many sessions share are numbers into one list, so that thousands of them make a page that still opens.
//! What there is much of is written piece by piece, and never stands in memory as JSON.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Value, json};

use super::PageOptions;
use super::embed::{Embedded, Object};
use super::previews::{ON_A_PAGE, Previews};
use super::room::{Room, Share};
use super::rows;
use super::strings::{Strings, text};
use crate::diagram::{Diagram, Recorder};
use crate::model::record::{Finding, ListingEntry, Login, Session, Step, Tls, Transfer};
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
        let previews = (previews, &mut previews_room);
        write!(out, "{comma}")?;
        write_session(
            session,
            (&diagram, share),
            options,
            &mut strings,
            previews,
            &mut out,
        )?;
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

/// Writes one session, its names in their order. Its rows come before its steps, and these before its transfers: in that
/// order texts get their numbers.
fn write_session(
    session: &Session,
    (diagram, share): (&Diagram, Share),
    options: &PageOptions,
    strings: &mut Strings,
    (previews, room): (&Previews, &mut usize),
    out: &mut Embedded<'_>,
) -> io::Result<()> {
    let client = crate::model::Endpoint::from(session.client);
    let server = crate::model::Endpoint::new(session.server.ip, session.server.port);
    let mut object = Object::begin(out)?;
    object.field("client", &client.to_string())?;
    object.field("duration", &session.duration)?;
    object.field("encrypted", &session.encrypted_data.len())?;
    object.field("end", &session.end_state)?;
    object.field("ends", &diagram.ends)?;
    object.field("filter", &session.display_filter)?;
    object.list("findings", session.findings.iter().map(finding))?;
    object.field("id", &session.id)?;
    object.field("login", &login(&session.login))?;
    object.field("midstream", &session.midstream)?;
    object.field("name", &session.server.name.as_deref().map(text))?;
    object.field("omitted", &diagram.omitted)?;
    object.field("order", &(session.start.nanos() / 1_000))?;
    object.field("packetsLeft", &share.packets_left)?;
    let states = rows::write(diagram, share, strings, &mut object)?;
    object.field("rowsLeft", &share.rows_left)?;
    object.field("server", &server.to_string())?;
    object.field("start", &units::time(session.start, &options.zone))?;
    match states {
        Some(states) => object.raw("states", &states.into_text())?,
        None => object.field("states", &Value::Null)?,
    }
    object.field("status", &session.verdict.status)?;
    let steps = session.steps.iter();
    object.list("steps", steps.map(|one| step(one, diagram, strings)))?;
    object.field("tls", &session.tls.as_ref().map(tls))?;
    let transfers = session.transfers.iter().map(|one| {
        let preview = previews.value(session.id, one.id, room);
        transfer(one, preview.as_ref(), strings)
    });
    object.list("transfers", transfers)?;
    object.field("verdict", &text(&session.verdict.text))?;
    object.end()
}

fn login(login: &Login) -> Value {
    json!({
        "outcome": value(&login.outcome),
        "user": login.user.as_deref().map(text),
        "password": login.password.as_deref().map(text),
        "account": login.account.as_deref().map(text),
        "anonymous": login.anonymous,
        "attempts": login.attempts,
    })
}

fn tls(tls: &Tls) -> Value {
    json!({
        "version": tls.version.as_deref().map(text),
        "cipher_suite": tls.cipher_suite.as_deref().map(text),
        "decrypted": tls.decrypted,
    })
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

/// With what can be shown of the file; without what is not known, and without what is nothing.
fn transfer(transfer: &Transfer, preview: Option<&Value>, strings: &mut Strings) -> Value {
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
        "preview": preview,
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
