//! The data of the page as one block of JSON: the report, without what the page does not show, and the diagrams.
//!
//! Strings that many sessions share are indices into one list, so that a page of thousands of sessions still opens.

use std::io::{self, Write};

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::PageOptions;
use super::embed::{Embedded, ObjectWriter, StringTable, value, visible};
use super::logs::{self, PageLogs};
use super::plot::PlotBudget;
use super::previews::Previews;
use super::rows::{self, DrawnRows, RowShare, StateList};
use crate::diagram::Drawing;
use crate::model::record::{
    ConnectionAttempt, Finding, ListingEntry, Login, Session, Step, Tls, Transfer, UnmatchedData,
    WarningRecord,
};
use crate::model::{Endpoint, Timestamp};
use crate::report::marks::step_mark;
use crate::report::{CaptureNames, FinishedSessions, Report, units};

/// Writes the JSON block: the report, the sessions as they were written when drawn, and the strings they share.
pub(super) fn write(
    report: &Report,
    sessions: FinishedSessions,
    strings: StringTable,
    options: &PageOptions,
    logs: Option<&PageLogs>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut out = Embedded(out);
    // The script shifts 1 by `detail` to get the bit of the level.
    write!(out, "{{\"format\":1,\"detail\":{},", options.detail as u8)?;
    let paths: Vec<String> = report.captures.iter().map(|one| one.path.clone()).collect();
    let names = CaptureNames::new(&paths);
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
            report.captures.len().saturating_sub(MAX_CAPTURES).into(),
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
        (
            "findings",
            report
                .findings
                .iter()
                .map(|one| finding(one, &names))
                .collect(),
        ),
        ("attempts", attempts(report)),
        ("moreAttempts", beyond(report.connection_attempts.len())),
        ("unmatched", unmatched(report)),
        ("moreUnmatched", beyond(report.unmatched_data.len())),
    ];
    let logs = logs.map(|logs| ("logs", logs::write(logs)));
    for (name, value) in head.into_iter().chain(logs) {
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
    let captures = report.captures.iter().take(MAX_CAPTURES);
    captures
        .map(|capture| json!({"path": visible(&capture.path)}))
        .collect()
}

fn warnings(report: &Report) -> Value {
    let warning = |warning: &WarningRecord| json!({"code": value(&warning.code), "message": visible(&warning.message), "count": warning.count});
    report.warnings.iter().map(warning).collect()
}

fn attempts(report: &Report) -> Value {
    let attempt = |attempt: &ConnectionAttempt| {
        let client = Endpoint::from(attempt.client);
        let server = Endpoint::from(attempt.server);
        json!([
            client.to_string(),
            server.to_string(),
            value(&attempt.outcome),
            rows::frame_value(attempt.frame, attempt.place())
        ])
    };
    report
        .connection_attempts
        .iter()
        .take(MAX_LISTED)
        .map(attempt)
        .collect()
}

fn unmatched(report: &Report) -> Value {
    let data = |data: &UnmatchedData| {
        let client = Endpoint::from(data.connection.client);
        let server = Endpoint::from(data.connection.server);
        json!([
            client.to_string(),
            server.to_string(),
            data.bytes,
            value(&data.completeness),
            data.media_type,
            rows::frame_value(data.connection.first_frame, data.connection.first_place())
        ])
    };
    report
        .unmatched_data
        .iter()
        .take(MAX_LISTED)
        .map(data)
        .collect()
}

/// Returns the count of list items that the page omits.
fn beyond(length: usize) -> Value {
    length.saturating_sub(MAX_LISTED).into()
}

/// Limit of the captures named on a page.
const MAX_CAPTURES: usize = 100;
/// Limit of the connection attempts listed, and of the data connections without a command.
const MAX_LISTED: usize = 1_000;

/// Session with all that the page shows of it.
pub(super) struct SessionData<'a> {
    pub(super) session: &'a Session,
    pub(super) drawing: &'a Drawing<'a>,
    pub(super) share: RowShare,
    /// Whether it is drawn before it is certain that all of its data connections are closed.
    pub(super) early: bool,
    pub(super) zone: &'a TimeZone,
    pub(super) previews: &'a Previews,
    /// Names of the captures; none with a single one.
    pub(super) captures: &'a CaptureNames,
}

impl SessionData<'_> {
    /// Writes the session as an object with sorted names. Returns the counts of its rows.
    pub(super) fn write(
        &self,
        strings: &mut StringTable,
        states: &mut StateList,
        plots: &mut PlotBudget,
        out: &mut Embedded<'_>,
    ) -> io::Result<DrawnRows> {
        let Self {
            session,
            drawing,
            share,
            ..
        } = *self;
        let client = Endpoint::from(session.client);
        let server = Endpoint::new(session.server.ip, session.server.port);
        let mut object = ObjectWriter::begin(out)?;
        if !drawing.captures().is_empty() {
            object.field("captures", &drawing.captures())?;
        }
        object.field("client", &client.to_string())?;
        object.field("duration", &session.duration)?;
        if self.early {
            object.field("early", &true)?;
        }
        object.field("encrypted", &session.encrypted_data.len())?;
        object.field("end", &session.end_state)?;
        object.field("ends", &drawing.addresses())?;
        object.field("filter", &session.display_filter)?;
        if !session.display_filters.is_empty() {
            let filters = session.display_filters.iter().take(MAX_FILTERS);
            object.list(
                "filters",
                filters.map(|one| json!([one.capture, one.filter])),
            )?;
        }
        object.list(
            "findings",
            session
                .findings
                .iter()
                .map(|one| finding(one, self.captures)),
        )?;
        object.field("id", &session.id)?;
        object.field("login", &login(&session.login))?;
        object.field("midstream", &session.midstream)?;
        object.field("name", &session.server.name.as_deref().map(visible))?;
        object.field("omitted", &drawing.omitted())?;
        // In microseconds: nanoseconds exceed 2^53, up to which JavaScript numbers are exact.
        object.field("order", &(session.start.nanos() / 1_000))?;
        object.field("packetsLeft", &share.omitted_packets)?;
        // States are numbered while rows are written, so they come after them.
        let (drawn, start) = rows::write(drawing, share, strings, states, &mut object)?;
        object.field("rowsLeft", &drawn.omitted)?;
        object.field("server", &server.to_string())?;
        object.field("start", &units::time(session.start, self.zone))?;
        if drawn.rows + drawn.packets > 0 {
            object.raw("states", |out| states.write(out))?;
        } else {
            object.field("states", &Value::Null)?;
        }
        object.field("status", &session.verdict.status)?;
        let steps = session.steps.iter();
        let start = start.unwrap_or(session.start);
        object.list("steps", steps.map(|one| step(one, session, start, strings)))?;
        object.field("tls", &session.tls.as_ref().map(tls))?;
        let transfers = session.transfers.iter().map(|one| {
            let preview = self.previews.take(session.id, one.id);
            let connection = one.connection.as_ref();
            let plot = connection.and_then(|connection| plots.plot(connection));
            transfer(one, preview.as_ref(), plot.as_ref(), self.captures, strings)
        });
        object.list("transfers", transfers)?;
        object.field("verdict", &visible(&session.verdict.text))?;
        object.end()?;
        Ok(drawn)
    }
}

fn login(login: &Login) -> Value {
    json!({
        "outcome": value(&login.outcome),
        "user": login.user.as_deref().map(visible),
        "password": login.password.as_deref().map(visible),
        "account": login.account.as_deref().map(visible),
        "anonymous": login.anonymous,
        "attempts": login.attempts,
    })
}

fn tls(tls: &Tls) -> Value {
    json!({
        "version": tls.version.as_deref().map(visible),
        "cipher_suite": tls.cipher_suite.as_deref().map(visible),
        "decrypted": tls.decrypted,
    })
}

/// Returns a finding, of one session or of several.
fn finding(finding: &Finding, names: &CaptureNames) -> Value {
    let place = |at: usize| finding.places.get(at).copied().flatten();
    let frames = finding.frames.iter().enumerate();
    let frames = frames.map(|(at, frame)| rows::frame_value(*frame, place(at)));
    json!({
        "id": finding.id,
        "severity": value(&finding.severity),
        "title": visible(&finding.title),
        "explanation": visible(&names.explanation(finding)),
        "advice": visible(&finding.advice),
        "frames": frames.take(MAX_FRAMES).collect::<Vec<_>>(),
        "step": finding.step,
        "sessions": finding.sessions,
    })
}

/// Returns a step with its mark.
fn step(step: &Step, session: &Session, start: Timestamp, strings: &mut StringTable) -> Value {
    json!([
        step.number,
        strings.intern(&step.title),
        value(&step_mark(step, session)),
        units::offset(step.time, start),
    ])
}

/// Returns a transfer with its preview and its plot, without the fields that are unknown or zero: most are, in pages of many files.
fn transfer(
    transfer: &Transfer,
    preview: Option<&Value>,
    plot: Option<&Value>,
    names: &CaptureNames,
    strings: &mut StringTable,
) -> Value {
    let connection = transfer.connection.as_ref();
    let seconds = connection.map(|connection| connection.end.since(connection.start).seconds());
    let more = units::to_u64(transfer.entries.len().saturating_sub(MAX_ENTRIES))
        .saturating_add(transfer.entries_omitted);
    let evidence = transfer.evidence.iter();
    let evidence: Vec<_> = evidence
        .map(|line| strings.intern(&names.evidence(transfer, line)))
        .collect();
    let mut value = json!({
        "verb": transfer.verb,
        "path": transfer.shown_path().map(visible),
        "direction": value(&transfer.direction),
        "mode": value(&transfer.mode),
        "type": value(&transfer.data_type),
        "bytes": transfer.bytes,
        "idle": (!transfer.has_moved()).then_some(true),
        "missing": Some(transfer.missing_bytes).filter(|bytes| *bytes > 0),
        "offset": Some(transfer.restart_offset).filter(|bytes| *bytes > 0),
        "announced": transfer.announced_bytes,
        "completeness": value(&transfer.completeness),
        "evidence": evidence,
        "sha256": transfer.sha256,
        "md5": transfer.md5,
        "sha1": transfer.sha1,
        "media": transfer.media_type,
        "saved": transfer.saved_as.as_deref().map(visible),
        "seconds": seconds,
        "entries": Some(&transfer.entries).filter(|entries| !entries.is_empty())
            .map(|entries| entries.iter().take(MAX_ENTRIES).map(entry).collect::<Value>()),
        "more": Some(more).filter(|more| *more > 0),
        "preview": preview,
        "plot": plot,
        "again": connection.map(|one| one.retransmitted_bytes).filter(|bytes| *bytes > 0),
    });
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, field| !field.is_null());
    }
    value
}

fn entry(entry: &ListingEntry) -> Value {
    json!([
        value(&entry.kind),
        visible(&entry.name),
        entry.size,
        entry.modified.as_deref().map(visible),
        entry.permissions.as_deref().map(visible),
        entry.target.as_deref().map(visible),
    ])
}

/// Limit of the display filters of one session.
const MAX_FILTERS: usize = 20;
/// Limit of the frames of a finding.
const MAX_FRAMES: usize = 20;
/// Limit of the entries of one listing.
const MAX_ENTRIES: usize = 1_000;
