//! What the page knows, as JSON: the report without what the page does not show, and the rows of the diagrams.
//!
//! Rows are arrays, and their texts are numbers into one list, so that thousands of sessions make a page that still opens.
//! The parts of a row stand in the order of [`row`]; `script/diagram.js` reads them in the same.

use std::io::{self, Write};
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::PageOptions;
use super::embed::Embedded;
use super::previews::{ON_A_PAGE, Previews};
use super::strings::Strings;
use crate::diagram::{Channel, Diagram, Levels, Recorder, Row, RowKind, State};
use crate::model::record::{Finding, ListingEntry, Session, Step, Transfer};
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
    let mut room = Room {
        rows: ROWS,
        packets: PACKET_ROWS,
    };
    write!(out, "{{\"format\":1,\"detail\":{},", options.detail as u8)?;
    let head = [
        ("captures", captures(report, options)),
        ("totals", value(&report.totals)),
        ("warnings", warnings(report)),
        ("findings", report.findings.iter().map(finding).collect()),
        ("attempts", attempts(report)),
        ("unmatched", unmatched(report)),
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
        let drawn = room.take(&diagram);
        let mut value = session_value(session, &diagram, drawn, options, &mut strings);
        add_previews(&mut value, session, previews, &mut previews_room);
        write!(out, "{comma}")?;
        serde_json::to_writer(&mut out, &value)?;
        comma = ",\n";
    }
    write!(out, "],\n\"texts\":")?;
    serde_json::to_writer(&mut out, &strings.into_texts())?;
    write!(out, "}}")
}

/// How much of a session's diagram a page has.
#[derive(Clone, Copy)]
enum Drawn {
    Nothing,
    Messages,
    Packets,
}

/// Rows that still fit the page.
struct Room {
    rows: usize,
    packets: usize,
}

impl Room {
    fn take(&mut self, diagram: &Diagram) -> Drawn {
        let rows = diagram.rows.iter();
        let packets = rows.filter(|row| row.levels == Levels::PACKETS).count();
        let others = diagram.rows.len() - packets;
        let Some(left) = self.rows.checked_sub(others) else {
            return Drawn::Nothing;
        };
        self.rows = left;
        let Some(left) = self.packets.checked_sub(packets) else {
            return Drawn::Messages;
        };
        self.packets = left;
        Drawn::Packets
    }
}

fn captures(report: &Report, options: &PageOptions) -> Value {
    let capture = |capture: &crate::model::record::Capture| {
        json!({
            "path": text(&capture.path),
            "format": capture.format,
            "packets": capture.packets,
            "first": capture.first_packet.map(|time| units::time(time, &options.zone)),
            "last": capture.last_packet.map(|time| units::time(time, &options.zone)),
            "truncated": capture.truncated,
        })
    };
    report.captures.iter().take(CAPTURES).map(capture).collect()
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

fn session_value(
    session: &Session,
    diagram: &Diagram,
    drawn: Drawn,
    options: &PageOptions,
    strings: &mut Strings,
) -> Value {
    let client = crate::model::Endpoint::from(session.client);
    let server = crate::model::Endpoint::new(session.server.ip, session.server.port);
    let login = &session.login;
    let (rows, states) = match drawn {
        Drawn::Nothing => (Value::Null, Value::Null),
        Drawn::Messages => rows(diagram, false, strings),
        Drawn::Packets => rows(diagram, true, strings),
    };
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
        "tls": session.tls.as_ref().map(value),
        "encrypted": session.encrypted_data.len(),
        "findings": session.findings.iter().map(finding).collect::<Value>(),
        "steps": session.steps.iter().map(|one| step(one, diagram, strings)).collect::<Value>(),
        "transfers": session.transfers.iter().map(|one| transfer(one)).collect::<Value>(),
        "ends": diagram.ends,
        "omitted": diagram.omitted,
        "rows": rows,
        "states": states,
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
        "transfer": finding.transfer,
        "sessions": finding.sessions,
    })
}

fn step(step: &Step, diagram: &Diagram, strings: &mut Strings) -> Value {
    json!([
        step.number,
        value(&step.kind),
        strings.number(&step.title),
        value(&step.outcome),
        units::offset(step.time, diagram.start),
    ])
}

fn transfer(transfer: &Transfer) -> Value {
    let connection = transfer.connection.as_ref();
    let seconds = connection.map(|connection| connection.end.since(connection.start).seconds());
    json!({
        "id": transfer.id,
        "verb": transfer.verb,
        "path": transfer.path.as_deref().or(transfer.argument.as_deref()).map(text),
        "name": transfer.name.as_deref().map(text),
        "direction": value(&transfer.direction),
        "mode": value(&transfer.mode),
        "type": value(&transfer.data_type),
        "bytes": transfer.bytes,
        "missing": transfer.missing_bytes,
        "offset": transfer.restart_offset,
        "announced": transfer.announced_bytes,
        "completeness": value(&transfer.completeness),
        "evidence": transfer.evidence.iter().map(|line| text(line)).collect::<Vec<_>>(),
        "sha256": transfer.sha256,
        "media": transfer.media_type,
        "saved": transfer.saved_as.as_deref().map(text),
        "seconds": seconds,
        "rate": transfer.throughput,
        "entries": transfer.entries.iter().take(ENTRIES).map(entry).collect::<Value>(),
        "more": units::to_u64(transfer.entries.len().saturating_sub(ENTRIES)) + transfer.entries_omitted,
    })
}

fn entry(entry: &ListingEntry) -> Value {
    json!([
        value(&entry.kind),
        text(&entry.name),
        entry.size,
        entry.modified,
        entry.permissions.as_deref().map(text),
        entry.target.as_deref().map(text),
    ])
}

/// All rows, and the states that they point to.
fn rows(diagram: &Diagram, packets: bool, strings: &mut Strings) -> (Value, Value) {
    let mut states: Vec<Value> = Vec::new();
    let mut known: Option<Arc<State>> = None;
    let mut rows = Vec::with_capacity(diagram.rows.len());
    for one in &diagram.rows {
        if one.levels == Levels::PACKETS && !packets {
            continue;
        }
        if known.as_deref() != Some(&*one.state) {
            known = Some(Arc::clone(&one.state));
            states.push(state(&one.state));
        }
        rows.push(row(one, diagram, states.len().saturating_sub(1), strings));
    }
    (Value::Array(rows), Value::Array(states))
}

/// One row: levels, kind, label, caption, frame, microseconds since the first row, step, failed, state, fields, console.
fn row(row: &Row, diagram: &Diagram, state: usize, strings: &mut Strings) -> Value {
    let kind = match row.kind {
        RowKind::Phase => -1,
        RowKind::Part => -2,
        RowKind::Arrow { from, to, channel } => {
            let channel: i64 = match channel {
                Channel::Dns => 0,
                Channel::Control => 1,
                Channel::Data => 2,
                Channel::Console => 3,
                Channel::Step => 4,
            };
            let lane = |lane: crate::diagram::Lane| i64::try_from(lane.place()).unwrap_or(0);
            channel * 16 + lane(from) * 4 + lane(to)
        }
    };
    let fields: Vec<usize> = row
        .fields
        .iter()
        .flat_map(|(name, value)| [strings.number(name), strings.number(value)])
        .collect();
    let console: Vec<usize> = row
        .console
        .iter()
        .map(|line| strings.number(line))
        .collect();
    let label = strings.number(&row.label);
    let caption = strings.number(&row.caption);
    let mut parts = vec![
        json!(row.levels.bits()),
        json!(kind),
        json!(label),
        json!(caption),
        json!(row.frame.unwrap_or(0)),
        json!(row.time.since(diagram.start).nanos() / 1_000),
        json!(row.step.unwrap_or(0)),
        json!(u8::from(row.failed)),
        json!(state),
    ];
    if !(fields.is_empty() && console.is_empty()) {
        parts.push(json!(fields));
    }
    if !console.is_empty() {
        parts.push(json!(console));
    }
    Value::Array(parts)
}

fn state(state: &State) -> Value {
    json!([
        state.user.as_deref().map(text),
        state.directory.as_deref().map(text),
        state.data_type,
        state.mode,
        state.open,
        state.bytes,
        u8::from(state.encrypted),
    ])
}

fn text(text: &str) -> String {
    printable(text).into_owned()
}

/// As the report writes it. What is serialised here cannot fail to be.
fn value(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

/// Rows of all diagrams on one page; sessions beyond it have their steps, but no diagram.
const ROWS: usize = 400_000;
/// Rows with single packets on one page; sessions beyond it have their messages.
const PACKET_ROWS: usize = 150_000;
/// Captures named on a page.
const CAPTURES: usize = 100;
/// Frames of a finding.
const FRAMES: usize = 20;
/// Entries of one listing.
const ENTRIES: usize = 1_000;
/// Connection attempts, and data without a command.
const LISTED: usize = 1_000;
