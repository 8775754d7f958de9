//! One session as the page has it.

use std::io;

use serde_json::{Value, json};

use super::embed::{Embedded, Object, value};
use super::previews::Previews;
use super::room::{Drawn, Share};
use super::rows::{self, States};
use super::strings::{Strings, text};
use crate::diagram::Drawing;
use crate::model::Timestamp;
use crate::model::record::{Finding, ListingEntry, Login, Session, Step, Tls, Transfer};
use crate::report::units;

use jiff::tz::TimeZone;

/// What is to be written of a session.
pub(super) struct SessionData<'a> {
    pub(super) session: &'a Session,
    pub(super) drawing: &'a Drawing<'a>,
    pub(super) share: Share,
    /// It is drawn before it is certain that all of its data connections are over.
    pub(super) early: bool,
    pub(super) zone: &'a TimeZone,
    pub(super) previews: &'a Previews,
}

impl SessionData<'_> {
    /// Writes it, its names in their order, and tells what became of its rows. The rows come before the steps, and these
    /// before the transfers: in that order texts get their numbers.
    pub(super) fn write(
        &self,
        strings: &mut Strings,
        states: &mut States,
        out: &mut Embedded<'_>,
    ) -> io::Result<Drawn> {
        let Self {
            session,
            drawing,
            share,
            ..
        } = *self;
        let client = crate::model::Endpoint::from(session.client);
        let server = crate::model::Endpoint::new(session.server.ip, session.server.port);
        let mut object = Object::begin(out)?;
        object.field("client", &client.to_string())?;
        object.field("duration", &session.duration)?;
        if self.early {
            object.field("early", &true)?;
        }
        object.field("encrypted", &session.encrypted_data.len())?;
        object.field("end", &session.end_state)?;
        object.field("ends", &drawing.addresses())?;
        object.field("filter", &session.display_filter)?;
        object.list("findings", session.findings.iter().map(finding))?;
        object.field("id", &session.id)?;
        object.field("login", &login(&session.login))?;
        object.field("midstream", &session.midstream)?;
        object.field("name", &session.server.name.as_deref().map(text))?;
        object.field("omitted", &drawing.omitted())?;
        object.field("order", &(session.start.nanos() / 1_000))?;
        object.field("packetsLeft", &share.packets_left)?;
        let (drawn, start) = rows::write(drawing, share, strings, states, &mut object)?;
        object.field("rowsLeft", &drawn.left)?;
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
        object.list("steps", steps.map(|one| step(one, start, strings)))?;
        object.field("tls", &session.tls.as_ref().map(tls))?;
        let transfers = session.transfers.iter().map(|one| {
            let preview = self.previews.take(session.id, one.id);
            transfer(one, preview.as_ref(), strings)
        });
        object.list("transfers", transfers)?;
        object.field("verdict", &text(&session.verdict.text))?;
        object.end()?;
        Ok(drawn)
    }
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

/// A finding, of a session or of several.
pub(super) fn finding(finding: &Finding) -> Value {
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

fn step(step: &Step, start: Timestamp, strings: &mut Strings) -> Value {
    json!([
        step.number,
        strings.number(&step.title),
        value(&step.outcome),
        units::offset(step.time, start),
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

/// Frames of a finding.
const FRAMES: usize = 20;
/// Entries of one listing.
const ENTRIES: usize = 1_000;
