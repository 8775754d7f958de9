//! `ndjson`: one JSON object per event, written as the events happen.
//!
//! ```text
//! Event ──> write_event ──> {"type":"step","time":…,"session":1,"step":{…}}
//!               │ texts of steps and transfers
//!               v
//!           WrittenParts ──> {"type":"session_end",…,"report":{…,"steps":[…],…}}
//! ```
//!
//! [`EventLine`] is the type of a line: the schema is made of it, and written lines are read back into it.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::builder::warning_record;
use super::super::json::compact::Object;
use super::written_parts::{WrittenParts, write_session};
use super::{Exporter, Format, OutputKind, RunEnd};
use crate::diagnosis::{is_one_per_session, is_one_per_transfer};
use crate::model::record::{
    Address, Capture, ConnectionAttempt, Finding, Server, Session, Step, StepKind, Totals,
    Transfer, UnmatchedData, WarningRecord,
};
use crate::model::{Event, EventKind, EventSink, Timestamp};

pub(super) const FORMAT: Format = Format {
    name: "ndjson",
    summary: "One JSON object per event",
    unit: Some("one object an event"),
    output: OutputKind::Stream,
    open: |options, outputs| {
        let out = outputs.create("events.ndjson")?;
        let several_captures = !options.captures.is_empty();
        let lines = EventLines::new(out, options.events, several_captures, options.flush);
        Ok(Box::new(lines))
    },
    schema: Some(crate::report::json::event_schema),
};

/// Selection of events by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EventChoice {
    /// All events.
    #[default]
    All,
    /// `session_end`, data without a command, connection attempts, warnings and totals.
    Summary,
}

impl EventChoice {
    fn includes(self, kind: &EventKind<'_>) -> bool {
        let is_summary = matches!(
            kind,
            EventKind::SessionEnd(_)
                | EventKind::UnmatchedData(_)
                | EventKind::ConnectionAttempt(_)
                | EventKind::Warning(_)
        );
        self == Self::All || is_summary
    }
}

/// Writer of events as lines.
///
/// The first line that cannot be written ends the output: its error is kept for [`finish`](Self::finish), and
/// [`stopped`](Self::stopped) lets the source of the events end the run.
#[derive(Debug)]
pub struct EventLines<W> {
    out: W,
    choice: EventChoice,
    flush: bool,
    several_captures: bool,
    parties: SessionParties,
    parts: WrittenParts,
    /// First error; `None` while all lines were written.
    error: Option<io::Error>,
    stopped: Arc<AtomicBool>,
}

impl<W: Write> EventLines<W> {
    /// Creates a writer to `out`. With `several_captures` frames are also given within their capture; with `flush` the
    /// output is flushed after each event, for readers that follow it.
    pub fn new(out: W, choice: EventChoice, several_captures: bool, flush: bool) -> Self {
        // Without lines of their own, steps and transfers are written once and need not be kept.
        let limit = match choice {
            EventChoice::All => KEPT_BYTES,
            EventChoice::Summary => 0,
        };
        Self {
            out,
            choice,
            flush,
            several_captures,
            parties: SessionParties::default(),
            parts: WrittenParts::new(limit),
            error: None,
            stopped: Arc::default(),
        }
    }

    /// Returns the first error, or `None` while all lines were written.
    pub fn failed(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }

    /// Returns a flag that becomes true once a line could not be written.
    #[must_use]
    pub fn stopped(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stopped)
    }

    /// Writes the last line, `totals`, and returns the flushed output.
    pub fn finish(mut self, captures: &[Capture], totals: &Totals) -> io::Result<W> {
        if self.error.is_none() {
            self.error = write_totals(captures, totals, &mut self.out).err();
        }
        match self.error {
            Some(error) => Err(error),
            None => self.out.flush().map(|()| self.out),
        }
    }

    fn write(&mut self, event: &Event<'_>) -> io::Result<()> {
        write_event(
            event,
            self.several_captures,
            false,
            &self.parties,
            &mut self.parts,
            &mut self.out,
        )?;
        if self.flush {
            self.out.flush()?;
        }
        Ok(())
    }
}

impl<W: Write> EventSink for EventLines<W> {
    fn event(&mut self, event: &Event<'_>) {
        if self.error.is_some() {
            return;
        }
        self.parties.note(event);
        if self.choice.includes(&event.kind) {
            self.error = self.write(event).err();
            self.stopped.store(self.error.is_some(), Ordering::Relaxed);
        }
        // Also for a line that failed: nothing of the session is needed again.
        if let EventKind::SessionEnd(session) = &event.kind {
            self.parts.remove(session.id);
            self.parties.remove(session.id);
        }
    }
}

impl<W: Write + Send> Exporter for EventLines<W> {
    fn writes_open_sessions(&self) -> bool {
        self.choice == EventChoice::All
    }

    fn stop_flag(&self) -> Arc<AtomicBool> {
        self.stopped()
    }

    fn finish(self: Box<Self>, run: RunEnd<'_>) -> io::Result<()> {
        EventLines::finish(*self, run.captures, run.totals).map(drop)
    }
}

/// Client, server and user of the open sessions: every event of a session carries them, so that whoever gets a single one,
/// such as an alert program, needs no memory.
#[derive(Debug, Default)]
pub struct SessionParties {
    open: BTreeMap<u64, Party>,
    /// The latest findings about several sessions that were written before the end.
    about_several: VecDeque<AboutSeveral>,
}

/// Client, server and user of a session.
#[derive(Debug)]
struct Party {
    client: Address,
    server: Server,
    /// User of the latest login; `None` before it.
    user: Option<String>,
    /// Findings that were written before the end.
    written: Vec<Written>,
}

/// A finding about several sessions that was written before the end.
#[derive(Debug)]
struct AboutSeveral {
    id: String,
    explanation: String,
    frames: Vec<u64>,
    /// True if it replaced one that was written before.
    revises: bool,
}

impl AboutSeveral {
    /// Returns whether `finding` says this, or what followed it, as well: it rests on one of the same frames.
    fn is_replaced_by(&self, finding: &Finding) -> bool {
        self.id == finding.id && shares(&self.frames, &finding.frames)
    }

    fn is(&self, finding: &Finding) -> bool {
        self.id == finding.id && self.explanation == finding.explanation
    }
}

fn shares(some: &[u64], others: &[u64]) -> bool {
    some.iter().any(|frame| others.contains(frame))
}

/// A finding that was written before the end of its session.
#[derive(Debug)]
struct Written {
    id: String,
    frames: Vec<u64>,
    /// `None` unless a transfer has at most one finding of this kind.
    transfer: Option<u64>,
}

impl Party {
    /// Returns whether a finding was written before: one of the same kind that rests on one of its frames, or the only one that
    /// its transfer can have.
    fn knows(&self, finding: &Finding) -> bool {
        let mut written = self.written.iter();
        written.any(|one| {
            let is_transfer = one.transfer.is_some() && one.transfer == finding.transfer;
            one.id == finding.id && (is_transfer || shares(&one.frames, &finding.frames))
        })
    }

    /// Returns whether a finding replaces one that was written for an earlier login: a session has one of this kind. `noted` of
    /// those written are the finding itself.
    fn withdrew(&self, finding: &Finding, noted: usize) -> bool {
        let written = self.written.iter().filter(|one| one.id == finding.id);
        is_one_per_session(&finding.id) && written.count() > noted
    }
}

impl SessionParties {
    /// Learns from an event, before it is written.
    pub fn note(&mut self, event: &Event<'_>) {
        let Some(id) = event.session else {
            if let EventKind::FindingSoFar(finding) = &event.kind {
                if self.about_several.len() >= MAX_WRITTEN {
                    self.about_several.pop_front();
                }
                self.about_several.push_back(AboutSeveral {
                    id: finding.id.clone(),
                    explanation: finding.explanation.clone(),
                    frames: finding.frames.clone(),
                    revises: self.replaces(finding),
                });
            }
            return;
        };
        match &event.kind {
            EventKind::SessionStart { client, server } => {
                let party = Party {
                    client: *client,
                    server: Server::clone(server),
                    user: None,
                    written: Vec::new(),
                };
                self.open.insert(id, party);
            }
            EventKind::Step(step) if step.kind == StepKind::Login => {
                let user = step.commands.iter().rev().find(|one| one.verb == "USER");
                let user = user.and_then(|command| command.argument.as_ref());
                if let (Some(user), Some(party)) = (user, self.open.get_mut(&id)) {
                    party.user = Some(user.clone());
                }
            }
            EventKind::FindingSoFar(finding) => {
                if let Some(party) = self.open.get_mut(&id)
                    && party.written.len() < MAX_WRITTEN
                {
                    party.written.push(Written {
                        id: finding.id.clone(),
                        frames: finding.frames.clone(),
                        transfer: finding
                            .transfer
                            .filter(|_| is_one_per_transfer(&finding.id)),
                    });
                }
            }
            _ => {}
        }
    }

    /// Returns whether an event repeats a finding that was written when it was proven.
    #[must_use]
    pub fn repeats(&self, event: &Event<'_>) -> bool {
        let party = event.session.and_then(|id| self.open.get(&id));
        match &event.kind {
            EventKind::Finding(finding) => party.is_some_and(|party| party.knows(finding)),
            _ => false,
        }
    }

    /// Returns whether an event at the end is a finding about several sessions that was told before, word for word. It is
    /// written again, as the report has it, but is no second alert; where it went on since, its numbers differ.
    #[must_use]
    pub fn told_before(&self, event: &Event<'_>) -> bool {
        let EventKind::Finding(finding) = &event.kind else {
            return false;
        };
        let mut told = self.about_several.iter();
        event.session.is_none() && told.any(|one| one.is(finding))
    }

    /// Returns whether a finding about several sessions replaces one that was written before.
    fn replaces(&self, finding: &Finding) -> bool {
        let mut written = self.about_several.iter();
        written.any(|one| one.is_replaced_by(finding))
    }

    /// Returns whether the line of an event replaces an earlier one: the same finding, with what was known later.
    fn revises(&self, event: &Event<'_>) -> bool {
        match (&event.kind, event.session) {
            (EventKind::Finding(finding), None) => self.replaces(finding),
            // It was noted already, with those before it.
            (EventKind::FindingSoFar(finding), None) => {
                let mut written = self.about_several.iter().rev();
                written.any(|one| one.is(finding) && one.revises)
            }
            (EventKind::Finding(finding), Some(session)) => {
                let party = self.open.get(&session);
                party.is_some_and(|party| party.withdrew(finding, 0))
            }
            (EventKind::FindingSoFar(finding), Some(session)) => {
                let party = self.open.get(&session);
                party.is_some_and(|party| party.withdrew(finding, 1))
            }
            _ => false,
        }
    }

    /// Forgets a session, after its last event was written.
    pub fn remove(&mut self, session: u64) {
        self.open.remove(&session);
    }
}

/// Returns one event as a line with its end, or nothing if `choice` excludes it. With `alert` the line is marked as
/// one.
pub fn event_text(
    event: &Event<'_>,
    choice: EventChoice,
    several_captures: bool,
    alert: bool,
    parties: &SessionParties,
) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    if choice.includes(&event.kind) {
        let mut parts = WrittenParts::new(0);
        write_event(
            event,
            several_captures,
            alert,
            parties,
            &mut parts,
            &mut text,
        )?;
    }
    Ok(text)
}

/// Returns the last line, `totals`, with its end.
pub fn totals_text(captures: &[Capture], totals: &Totals) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    write_totals(captures, totals, &mut text)?;
    Ok(text)
}

/// Writes the line of an event, or nothing if a kind that belongs to a session has no session id.
fn write_event<W: Write>(
    event: &Event<'_>,
    several_captures: bool,
    alert: bool,
    parties: &SessionParties,
    parts: &mut WrittenParts,
    out: &mut W,
) -> io::Result<()> {
    // Events that no packet completed, such as the start of an input, have frame number 0.
    let time = (event.frame.number > 0).then_some(event.frame.time);
    let about = event.session.and_then(|session| parties.open.get(&session));
    let mut line;
    match (&event.kind, event.session) {
        (EventKind::Capture(capture), _) => {
            line = begin("capture", time, None, out)?;
            line.field("capture", capture)?;
            line.some(
                "interface",
                // The path of a live capture is the name of its interface.
                (capture.format == "live").then_some(&capture.path),
            )?;
        }
        (EventKind::SessionStart { client, server }, Some(session)) => {
            line = begin("session_start", time, Some(session), out)?;
            line.field("client", client)?;
            line.field("server", server)?;
        }
        (EventKind::Step(step), Some(session)) => {
            line = begin("step", time, Some(session), out)?;
            write_party(about, &mut line)?;
            match parts.step(session, step) {
                Some(text) => line.written("step", text)?,
                None => line.field("step", step)?,
            }
        }
        (EventKind::Transfer(transfer), Some(session)) => {
            line = begin("transfer", time, Some(session), out)?;
            write_party(about, &mut line)?;
            match parts.transfer(session, transfer) {
                Some(text) => line.written("transfer", text)?,
                None => line.field("transfer", transfer)?,
            }
        }
        (
            EventKind::TransferProgress {
                transfer,
                bytes,
                throughput,
            },
            Some(session),
        ) => {
            line = begin("transfer_progress", time, Some(session), out)?;
            write_party(about, &mut line)?;
            line.field("transfer", transfer)?;
            line.field("bytes", bytes)?;
            line.field("throughput", throughput)?;
        }
        // The reader knows it since it was proven.
        (EventKind::Finding(finding), _) if about.is_some_and(|party| party.knows(finding)) => {
            return Ok(());
        }
        (EventKind::FindingSoFar(finding) | EventKind::Finding(finding), session) => {
            line = begin("finding", time, session, out)?;
            write_party(about, &mut line)?;
            line.field("finding", finding)?;
            line.some("revises", parties.revises(event).then_some(true))?;
        }
        (EventKind::SessionEnd(session), _) => {
            line = begin("session_end", time, Some(session.id), out)?;
            write_party(about, &mut line)?;
            write_session(
                session,
                parts.of_session(session.id),
                line.object("report")?,
            )?;
        }
        (EventKind::UnmatchedData(data), session) => {
            line = begin("unmatched_data", time, session.or(data.session), out)?;
            write_party(about, &mut line)?;
            line.field("unmatched_data", data)?;
        }
        (EventKind::ConnectionAttempt(attempt), _) => {
            line = begin("connection_attempt", time, None, out)?;
            line.field("connection_attempt", attempt)?;
        }
        (EventKind::Warning(warning), session) => {
            line = begin("warning", time, session, out)?;
            write_party(about, &mut line)?;
            line.field("warning", &warning_record(warning, several_captures))?;
        }
        (
            EventKind::SessionStart { .. }
            | EventKind::Step(_)
            | EventKind::Transfer(_)
            | EventKind::TransferProgress { .. },
            None,
        )
        | (EventKind::LatePackets(_), _) => return Ok(()),
    }
    line.some("late", event.late.then_some(true))?;
    line.some("alert", alert.then_some(true))?;
    line.end()?;
    out.write_all(b"\n")
}

fn write_totals<W: Write>(captures: &[Capture], totals: &Totals, out: &mut W) -> io::Result<()> {
    let time = captures.iter().filter_map(|c| c.last_packet).max();
    let mut line = begin("totals", time, None, out)?;
    line.field("totals", totals)?;
    line.field("captures", captures)?;
    line.end()?;
    out.write_all(b"\n")
}

fn write_party<W: Write>(party: Option<&Party>, line: &mut Object<'_, W>) -> io::Result<()> {
    line.some("client", party.map(|party| party.client))?;
    line.some("server", party.map(|party| &party.server))?;
    line.some("user", party.and_then(|party| party.user.as_ref()))
}

/// Begins a line with the fields that all kinds share.
fn begin<'w, W: Write>(
    kind: &str,
    time: Option<Timestamp>,
    session: Option<u64>,
    out: &'w mut W,
) -> io::Result<Object<'w, W>> {
    let mut line = Object::begin(out)?;
    line.field("type", kind)?;
    line.field("time", &time)?;
    line.some("session", session)?;
    Ok(line)
}

/// One event as a JSON object.
///
/// Lines are written by [`EventLines`], which borrows its events; this type owns them and is for
/// programs that read lines:
///
/// ```
/// use ftpscope::report::EventLine;
///
/// let line = r#"{"type":"transfer_progress","time":null,"session":1,"transfer":2,"bytes":512,"throughput":null}"#;
/// let EventLine::TransferProgress { bytes, .. } = serde_json::from_str(line)? else {
///     panic!("another event");
/// };
/// assert_eq!(bytes, 512);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schemars(
    description = "One line. `time` is that of the packet that completed the event, `null` where no packet did."
)]
#[non_exhaustive]
#[expect(clippy::large_enum_variant, reason = "lines are read one at a time")]
pub enum EventLine {
    /// Start of an input; its counts are `null` until `totals`.
    Capture {
        /// Time of the packet that completed the event; `null` if no packet did.
        time: Option<Timestamp>,
        /// The input.
        capture: Capture,
        /// Interface that packets are captured from; omitted for files and pipes.
        #[serde(skip_serializing_if = "Option::is_none")]
        interface: Option<String>,
        /// True if the event became known only by a TLS secret that came later than its packet; omitted otherwise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        late: bool,
        /// True if an expression of `--alert` holds for the event; omitted otherwise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        alert: bool,
    },
    /// A connection recognized as an FTP control connection.
    SessionStart {
        /// Time of the packet that completed the event; `null` if no packet did.
        time: Option<Timestamp>,
        /// Id of the session.
        session: u64,
        /// Client end of the control connection.
        client: Address,
        /// Server end of the control connection.
        server: Server,
        /// True if the event became known only by a TLS secret that came later than its packet; omitted otherwise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        late: bool,
        /// True if an expression of `--alert` holds for the event; omitted otherwise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        alert: bool,
    },
    /// A completed step.
    Step {
        /// Time of the packet that completed the event; `null` if no packet did.
        time: Option<Timestamp>,
        /// Id of the session.
        session: u64,
        /// Client end of the control connection; omitted where it is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client: Option<Address>,
        /// Server end of the control connection; omitted where it is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        server: Option<Server>,
        /// User of the latest login; omitted before it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// The step.
        step: Step,
        /// True if the event became known only by a TLS secret that came later than its packet; omitted otherwise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        late: bool,
        /// True if an expression of `--alert` holds for the event; omitted otherwise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        alert: bool,
    },
    /// A transfer whose completeness has been decided.
    Transfer {
        /// Time of the packet that completed the event; `null` if no packet did.
        time: Option<Timestamp>,
        /// Id of the session.
        session: u64,
        /// Client end of the control connection; omitted where it is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client: Option<Address>,
        /// Server end of the control connection; omitted where it is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        server: Option<Server>,
        /// User of the latest login; omitted before it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// The transfer.
        transfer: Transfer,
        /// True if the event became known only by a TLS secret that came later than its packet; omitted otherwise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        late: bool,
        /// True if an expression of `--alert` holds for the event; omitted otherwise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        alert: bool,
    },
    /// A running transfer; emitted repeatedly, by `live` only.
    TransferProgress {
        /// Time of the packet that completed the event; `null` if no packet did.
        time: Option<Timestamp>,
        /// Id of the session.
        session: u64,
        /// Client end of the control connection; omitted where it is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client: Option<Address>,
        /// Server end of the control connection; omitted where it is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        server: Option<Server>,
        /// User of the latest login; omitted before it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// Id of the transfer within the session.
        transfer: u64,
        /// Payload bytes so far.
        bytes: u64,
        /// Bytes per second so far; `null` before two packets at different times.
        throughput: Option<f64>,
        /// True if the event became known only by a TLS secret that came later than its packet; omitted otherwise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        late: bool,
        /// True if an expression of `--alert` holds for the event; omitted otherwise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        alert: bool,
    },
    /// A finding about one session, several sessions or the capture.
    Finding {
        /// Time of the packet that completed the event; `null` if no packet did.
        time: Option<Timestamp>,
        /// Id of the session; omitted if the event concerns none or several.
        #[serde(skip_serializing_if = "Option::is_none")]
        session: Option<u64>,
        /// Client end of the control connection; omitted where it is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client: Option<Address>,
        /// Server end of the control connection; omitted where it is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        server: Option<Server>,
        /// User of the latest login; omitted before it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// The finding.
        finding: Finding,
        /// True if the finding replaces an earlier one with the same id, since more is known now; omitted otherwise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        revises: bool,
        /// True if the event became known only by a TLS secret that came later than its packet; omitted otherwise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        late: bool,
        /// True if an expression of `--alert` holds for the event; omitted otherwise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        alert: bool,
    },
    /// End of a session, with the whole session.
    SessionEnd {
        /// Time of the packet that completed the event; `null` if no packet did.
        time: Option<Timestamp>,
        /// Id of the session.
        session: u64,
        /// Client end of the control connection; omitted where it is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client: Option<Address>,
        /// Server end of the control connection; omitted where it is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        server: Option<Server>,
        /// User of the latest login; omitted before it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// The session as in the JSON report.
        report: Session,
        /// True if the event became known only by a TLS secret that came later than its packet; omitted otherwise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        late: bool,
        /// True if an expression of `--alert` holds for the event; omitted otherwise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        alert: bool,
    },
    /// A data connection without a transfer command in the capture.
    UnmatchedData {
        /// Time of the packet that completed the event; `null` if no packet did.
        time: Option<Timestamp>,
        /// Id of the session; omitted if the event concerns none or several.
        #[serde(skip_serializing_if = "Option::is_none")]
        session: Option<u64>,
        /// Client end of the control connection; omitted where it is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client: Option<Address>,
        /// Server end of the control connection; omitted where it is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        server: Option<Server>,
        /// User of the latest login; omitted before it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// The connection and its content.
        unmatched_data: UnmatchedData,
        /// True if the event became known only by a TLS secret that came later than its packet; omitted otherwise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        late: bool,
        /// True if an expression of `--alert` holds for the event; omitted otherwise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        alert: bool,
    },
    /// A connection to port 21 that carried no FTP.
    ConnectionAttempt {
        /// Time of the packet that completed the event; `null` if no packet did.
        time: Option<Timestamp>,
        /// The attempt.
        connection_attempt: ConnectionAttempt,
        /// True if the event became known only by a TLS secret that came later than its packet; omitted otherwise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        late: bool,
        /// True if an expression of `--alert` holds for the event; omitted otherwise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        alert: bool,
    },
    /// A problem with the input, or a limit that was reached.
    Warning {
        /// Time of the packet that completed the event; `null` if no packet did.
        time: Option<Timestamp>,
        /// Id of the session; omitted if the event concerns none or several.
        #[serde(skip_serializing_if = "Option::is_none")]
        session: Option<u64>,
        /// Client end of the control connection; omitted where it is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client: Option<Address>,
        /// Server end of the control connection; omitted where it is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        server: Option<Server>,
        /// User of the latest login; omitted before it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// The warning.
        warning: WarningRecord,
        /// True if the event became known only by a TLS secret that came later than its packet; omitted otherwise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        late: bool,
        /// True if an expression of `--alert` holds for the event; omitted otherwise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        alert: bool,
    },
    /// Last line: the counts of the run and of each input.
    Totals {
        /// Time of the packet that completed the event; `null` if no packet did.
        time: Option<Timestamp>,
        /// Counts over the whole run.
        totals: Totals,
        /// The inputs, now with their counts.
        captures: Vec<Capture>,
        /// True if the event became known only by a TLS secret that came later than its packet; omitted otherwise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        late: bool,
        /// True if an expression of `--alert` holds for the event; omitted otherwise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        alert: bool,
    },
}

/// Bytes of steps and transfers kept for the last lines of their sessions.
// Below a power of two, so that the text that passes the limit does not double the allocation.
const KEPT_BYTES: usize = 7 << 20;

/// Findings of one session remembered until it ends, and of those about several sessions.
const MAX_WRITTEN: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record::UnmatchedData;
    use crate::model::{CapturePlace, FrameRef, Warning, WarningCode};
    use crate::report::EventLine;
    use crate::report::example::{example_report, example_session};
    use crate::report::json;

    fn at(number: u64) -> FrameRef {
        FrameRef {
            time: Timestamp::from_parts(1_700_000_000, number),
            number,
            place: CapturePlace::new(0, number),
        }
    }

    fn emit_all(sink: &mut dyn EventSink) {
        let session = Arc::new(example_session());
        let report = example_report();
        let events = [
            (0, EventKind::Capture(&report.captures[0])),
            (
                6,
                EventKind::SessionStart {
                    client: session.client,
                    server: &session.server,
                },
            ),
            (9, EventKind::Step(&session.steps[0])),
            (40, EventKind::Transfer(&session.transfers[0])),
            (41, EventKind::Finding(&session.findings[0])),
            (71, EventKind::SessionEnd(Arc::clone(&session))),
        ];
        for (number, kind) in events {
            sink.event(&Event {
                frame: at(number),
                session: (number > 0).then_some(1),
                late: false,
                kind,
            });
        }
        let warning = Warning::new(WarningCode::CaptureTruncated, "it ends early", Some(at(71)));
        sink.event(&Event {
            frame: at(71),
            session: None,
            late: false,
            kind: EventKind::Warning(&warning),
        });
    }

    fn text(choice: EventChoice) -> String {
        let mut sink = EventLines::new(Vec::new(), choice, false, false);
        emit_all(&mut sink);
        let report = example_report();
        let out = sink
            .finish(&report.captures, &report.totals)
            .expect("memory takes it");
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    fn lines(choice: EventChoice) -> Vec<serde_json::Value> {
        let text = text(choice);
        assert!(text.ends_with('\n'));
        text.lines()
            .map(|line| serde_json::from_str(line).expect("valid JSON"))
            .collect()
    }

    fn types(lines: &[serde_json::Value]) -> Vec<&str> {
        lines.iter().filter_map(|l| l["type"].as_str()).collect()
    }

    #[test]
    fn each_event_is_a_line_and_totals_the_last() {
        let all = lines(EventChoice::All);
        assert_eq!(
            types(&all),
            [
                "capture",
                "session_start",
                "step",
                "transfer",
                "finding",
                "session_end",
                "warning",
                "totals"
            ]
        );
        assert_eq!(all[0]["time"], serde_json::Value::Null);
        assert_eq!(all[2]["session"], 1);
        assert_eq!(all[2]["time"], "2023-11-14T22:13:20.000000009Z");
        assert_eq!(all[5]["report"]["id"], 1);
        assert_eq!(all[6]["warning"]["frame"], 71);
        assert!(all[6].get("session").is_none());
        assert_eq!(all[7]["captures"][0]["packets"], 71);
    }

    #[test]
    fn summary_omits_events_that_session_end_repeats() {
        assert_eq!(
            types(&lines(EventChoice::Summary)),
            ["session_end", "warning", "totals"]
        );
    }

    #[test]
    fn finding_that_replaces_an_earlier_one_is_marked() {
        let draft = |frames: &[u64], title: &str| Finding {
            id: "brute-force".to_owned(),
            title: title.to_owned(),
            explanation: title.to_owned(),
            frames: frames.to_vec(),
            ..example_session().findings[0].clone()
        };
        let five = draft(&[1, 2, 3, 4, 5], "5 logins");
        let six = draft(&[1, 2, 3, 4, 5, 6], "6 logins");
        let other = draft(&[40, 41], "another client");
        let mut lines = EventLines::new(Vec::new(), EventChoice::All, false, false);
        for kind in [
            EventKind::FindingSoFar(&five),
            EventKind::FindingSoFar(&six),
            EventKind::FindingSoFar(&other),
            EventKind::Finding(&six),
            EventKind::Finding(&other),
        ] {
            lines.event(&Event {
                frame: at(7),
                session: None,
                late: false,
                kind,
            });
        }
        let out = lines.finish(&[], &Totals::default()).expect("a vector");
        let text = String::from_utf8(out).expect("UTF-8");
        let revises = text.lines().map(|line| line.contains("\"revises\":true"));
        let expected = [false, true, false, true, true, false];
        assert_eq!(revises.collect::<Vec<_>>(), expected, "{text}");
    }

    #[test]
    fn finding_about_a_later_login_replaces_that_about_an_earlier_one() {
        let session = example_session();
        let draft = |id: &str, frame: u64| Finding {
            id: id.to_owned(),
            frames: vec![frame],
            ..session.findings[0].clone()
        };
        let login = [
            draft("cleartext-credentials", 9),
            draft("cleartext-credentials", 20),
        ];
        let refused = [draft("transfer-refused", 30), draft("transfer-refused", 40)];
        let mut lines = EventLines::new(Vec::new(), EventChoice::All, false, false);
        for kind in [
            EventKind::SessionStart {
                client: session.client,
                server: &session.server,
            },
            EventKind::FindingSoFar(&login[0]),
            EventKind::FindingSoFar(&refused[0]),
            EventKind::FindingSoFar(&login[1]),
            EventKind::Finding(&refused[1]),
            EventKind::Finding(&login[1]),
        ] {
            lines.event(&Event {
                frame: at(7),
                session: Some(1),
                late: false,
                kind,
            });
        }
        let out = lines.finish(&[], &Totals::default()).expect("a vector");
        let text = String::from_utf8(out).expect("UTF-8");
        let revises = text.lines().map(|line| line.contains("\"revises\":true"));
        let expected = [false, false, false, true, false, false];
        assert_eq!(revises.collect::<Vec<_>>(), expected, "{text}");
    }

    #[test]
    fn every_kind_of_line_is_read_back_and_written_the_same() {
        let report = example_report();
        let mut text = text(EventChoice::All);
        let data: &UnmatchedData = &report.unmatched_data[0];
        let kinds = [
            EventKind::UnmatchedData(data),
            EventKind::ConnectionAttempt(&report.connection_attempts[0]),
            EventKind::TransferProgress {
                transfer: 1,
                bytes: 7,
                throughput: Some(0.1),
            },
        ];
        for kind in kinds {
            let event = Event {
                frame: at(1),
                session: Some(1),
                late: false,
                kind,
            };
            let line = event_text(
                &event,
                EventChoice::All,
                true,
                true,
                &SessionParties::default(),
            )
            .expect("memory takes it");
            let line = String::from_utf8(line).expect("JSON is UTF-8");
            assert!(line.ends_with(",\"alert\":true}\n"), "{line}");
            text.push_str(&line);
        }
        for line in text.lines() {
            let event: EventLine =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            let mut again = Vec::new();
            json::write_line(&event, &mut again).expect("memory takes it");
            assert_eq!(String::from_utf8_lossy(&again).trim_end(), line);
        }
    }

    #[test]
    fn every_line_fits_the_schema() {
        let schema: serde_json::Value =
            serde_json::from_str(&json::event_schema()).expect("valid JSON");
        let mut schemas = boon::Schemas::new();
        let mut compiler = boon::Compiler::new();
        compiler
            .add_resource("event.json", schema)
            .expect("a schema");
        let index = compiler
            .compile("event.json", &mut schemas)
            .expect("a schema");
        for line in lines(EventChoice::All) {
            if let Err(error) = schemas.validate(&line, index) {
                panic!("{line}: {error:#}");
            }
        }
    }

    #[test]
    fn closed_pipe_stops_the_source_and_is_returned_at_the_end() {
        #[derive(Debug)]
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut sink = EventLines::new(Closed, EventChoice::All, false, true);
        let stopped = sink.stopped();
        assert!(!stopped.load(Ordering::Relaxed));
        emit_all(&mut sink);
        assert!(stopped.load(Ordering::Relaxed));
        assert_eq!(
            sink.failed().map(io::Error::kind),
            Some(io::ErrorKind::BrokenPipe)
        );
        let error = sink.finish(&[], &Totals::default()).expect_err("it failed");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
