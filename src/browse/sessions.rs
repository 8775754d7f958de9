//! Sessions to look through: a small row of each in memory, and the place of its whole record.
//!
//! ```text
//! pipeline (a thread) ── Event ──> Feed ── rows, findings ──> Sessions ── order, filter ──> list
//! ReportFile::index  ── lines ───> Feed                           │
//!                                   └─ KeptSessions (memory, temporary file) <── load ──┤
//!                                      ReportFile (offset, length)           <── load ──┘
//! ```
//!
//! A million rows take about 150 MB. Whole records stay where they are: in the report, or for captures in
//! [`KeptSessions`]. One is read when it is looked at.

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;

use super::report_file::ReportFile;
use crate::model::record::{
    Address, Capture, Finding, Index, Server, Session, Severity, TransferDirection, Verdict,
    VerdictStatus, Weight as _,
};
use crate::model::{Endpoint, Event, EventKind, EventSink, Timestamp};
use crate::report::{KeptSessions, units};

/// One session in the list.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) id: u64,
    pub(super) start: Timestamp,
    /// Seconds.
    pub(super) duration: f64,
    pub(super) client: Endpoint,
    pub(super) server: Endpoint,
    /// Host name of the server; `None` without a lookup in the capture.
    pub(super) name: Option<Arc<str>>,
    /// User of the login; `None` without one in the capture.
    pub(super) user: Option<Arc<str>>,
    /// Files moved, listings left out.
    pub(super) files: u64,
    /// Bytes of these files.
    pub(super) bytes: u64,
    pub(super) status: VerdictStatus,
    /// Highest severity of a finding; `None` without findings.
    pub(super) severity: Option<Severity>,
    /// Text of the verdict, cut.
    pub(super) verdict: Arc<str>,
    place: Place,
}

/// Place of the record of a session.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// Index into the kept sessions, and the memory of the record in bytes.
    Kept(u32, u64),
    /// Line of NDJSON with the end of the session.
    Line(Extent),
    /// Element of a report's list of sessions.
    Element(Extent),
}

/// Part of a report file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    /// Index of the file.
    pub(super) file: u16,
    /// Offset of the first byte.
    pub(super) offset: u64,
    /// Length in bytes.
    pub(super) length: u64,
}

/// Fields of a session that its row needs; all others are passed over while reading.
#[derive(Debug, Deserialize)]
pub(super) struct Head {
    id: u64,
    client: Address,
    server: Server,
    start: Timestamp,
    duration: f64,
    login: HeadLogin,
    #[serde(default)]
    transfers: Vec<HeadTransfer>,
    #[serde(default)]
    transfers_omitted: u64,
    #[serde(default)]
    findings: Vec<HeadFinding>,
    verdict: Verdict,
}

#[derive(Debug, Deserialize)]
struct HeadLogin {
    user: Option<String>,
}

#[derive(Debug, Deserialize)]
struct HeadTransfer {
    direction: TransferDirection,
    bytes: u64,
}

#[derive(Debug, Deserialize)]
struct HeadFinding {
    severity: Severity,
}

impl From<&Session> for Head {
    fn from(session: &Session) -> Self {
        let transfers = session.transfers.iter().map(|transfer| HeadTransfer {
            direction: transfer.direction,
            bytes: transfer.bytes,
        });
        let findings = session.findings.iter().map(|finding| HeadFinding {
            severity: finding.severity,
        });
        Self {
            id: session.id,
            client: session.client,
            server: session.server.clone(),
            start: session.start,
            duration: session.duration,
            login: HeadLogin {
                user: session.login.user.clone(),
            },
            transfers: transfers.collect(),
            transfers_omitted: session.transfers_omitted,
            findings: findings.collect(),
            verdict: session.verdict.clone(),
        }
    }
}

/// Strings of rows, each in memory once: few servers and users make many sessions.
#[derive(Debug, Default)]
struct Strings(HashSet<Arc<str>>);

impl Strings {
    fn share(&mut self, text: &str) -> Arc<str> {
        let text = match text.char_indices().nth(LONGEST_TEXT) {
            Some((end, _)) => &text[..end],
            None => text,
        };
        if let Some(known) = self.0.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        // Beyond the limit strings are hardly ever equal, and looking for them only costs memory.
        if self.0.len() < MAX_SHARED {
            self.0.insert(Arc::clone(&new));
        }
        new
    }
}

/// Way from whoever reads the input to the list. Clones share their content.
#[derive(Clone, Debug)]
pub struct Feed(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Sessions listed at most.
    limit: usize,
    incoming: Mutex<Incoming>,
    kept: Mutex<KeptSessions>,
}

/// Facts that the list has not taken yet.
#[derive(Debug, Default)]
struct Incoming {
    rows: Vec<Row>,
    /// Sessions so far, those beyond the limit included.
    taken: usize,
    strings: Strings,
    news: News,
}

/// Facts beside the rows.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Findings about several sessions.
    pub(super) findings: Vec<Finding>,
    /// Messages about the input.
    pub(super) warnings: Vec<String>,
    /// Captures of the report, with several; empty until they are known.
    pub(super) captures: Vec<Capture>,
    /// Bytes read, and bytes in all; `None` where that is not known.
    pub(super) progress: Option<(u64, u64)>,
    /// True once nothing more comes.
    pub(super) ended: bool,
}

impl Feed {
    /// Creates a feed for as many sessions as fit into `memory` bytes.
    #[must_use]
    pub fn within(memory: usize) -> Self {
        Self(Arc::new(Shared {
            limit: memory / size_of::<Row>(),
            incoming: Mutex::default(),
            kept: Mutex::new(KeptSessions::within(IN_MEMORY)),
        }))
    }

    /// Notes that nothing more comes.
    pub fn end(&self) {
        self.incoming().news.ended = true;
    }

    /// Adds a message about the input.
    pub fn warn(&self, message: String) {
        let mut incoming = self.incoming();
        if incoming.news.warnings.len() < MAX_FACTS {
            incoming.news.warnings.push(message);
        }
    }

    /// Adds a session that is kept, whole.
    fn session(&self, session: &Arc<Session>) {
        let index = {
            let mut kept = lock(&self.0.kept);
            kept.push(session);
            kept.len().saturating_sub(1)
        };
        let weight = units::to_u64(session.weight());
        let place = Place::Kept(u32::try_from(index).unwrap_or(u32::MAX), weight);
        self.head(&Head::from(session.as_ref()), place);
    }

    /// Adds a session by its head.
    pub(super) fn head(&self, head: &Head, place: Place) {
        let mut incoming = self.incoming();
        incoming.taken += 1;
        if incoming.taken > self.0.limit {
            if incoming.taken == self.0.limit + 1 {
                incoming.news.warnings.push(TOO_MANY.to_owned());
            }
            return;
        }
        let row = incoming.row(head, place);
        incoming.rows.push(row);
    }

    /// Adds a finding about several sessions.
    pub(super) fn finding(&self, finding: &Finding) {
        let mut incoming = self.incoming();
        if incoming.news.findings.len() < MAX_FACTS {
            incoming.news.findings.push(finding.clone());
        }
    }

    /// Sets the captures of a report.
    pub(super) fn captures(&self, captures: Vec<Capture>) {
        self.incoming().news.captures = captures;
    }

    /// Sets the bytes read, and the bytes in all.
    pub(super) fn progress(&self, read: u64, all: u64) {
        self.incoming().news.progress = Some((read, all));
    }

    fn incoming(&self) -> MutexGuard<'_, Incoming> {
        lock(&self.0.incoming)
    }
}

impl EventSink for Feed {
    fn event(&mut self, event: &Event<'_>) {
        match (event.session, &event.kind) {
            (_, EventKind::SessionEnd(session)) => self.session(session),
            (None, EventKind::Finding(finding)) => self.finding(finding),
            (_, EventKind::Warning(warning)) => self.warn(warning.message.clone()),
            _ => {}
        }
    }
}

impl Incoming {
    fn row(&mut self, head: &Head, place: Place) -> Row {
        let files = head
            .transfers
            .iter()
            .filter(|transfer| transfer.direction != TransferDirection::Listing);
        let strings = &mut self.strings;
        Row {
            id: head.id,
            start: head.start,
            duration: head.duration,
            client: Endpoint::from(head.client),
            server: Endpoint::new(head.server.ip, head.server.port),
            name: head.server.name.as_deref().map(|name| strings.share(name)),
            user: head.login.user.as_deref().map(|user| strings.share(user)),
            files: units::to_u64(files.clone().count()).saturating_add(head.transfers_omitted),
            bytes: files.fold(0, |sum, file| sum.saturating_add(file.bytes)),
            status: head.verdict.status,
            severity: head.findings.iter().map(|finding| finding.severity).max(),
            verdict: strings.share(&head.verdict.text),
            place,
        }
    }
}

/// The sessions that were read so far.
pub(super) struct Sessions {
    rows: Vec<Row>,
    feed: Feed,
    files: Arc<[ReportFile]>,
    pub(super) news: News,
    /// Counts of failed sessions, and of those with a warning.
    pub(super) troubled: [u64; 2],
    /// Whether passwords of a report are hidden.
    pub(super) hides_secrets: bool,
}

impl Sessions {
    pub(super) fn new(feed: Feed, files: Arc<[ReportFile]>) -> Self {
        Self {
            rows: Vec::new(),
            feed,
            files,
            news: News::default(),
            troubled: [0, 0],
            hides_secrets: false,
        }
    }

    /// Takes what came since the last call. Returns whether there was anything new.
    pub(super) fn take(&mut self) -> bool {
        let (rows, news) = {
            let mut incoming = self.feed.incoming();
            let kept = News {
                progress: incoming.news.progress,
                ended: incoming.news.ended,
                ..News::default()
            };
            let news = std::mem::replace(&mut incoming.news, kept);
            (std::mem::take(&mut incoming.rows), news)
        };
        let is_new = !rows.is_empty()
            || !news.findings.is_empty()
            || !news.warnings.is_empty()
            || news.progress != self.news.progress
            || news.ended != self.news.ended;
        for row in &rows {
            match row.status {
                VerdictStatus::Failed => self.troubled[0] += 1,
                VerdictStatus::Warning => self.troubled[1] += 1,
                VerdictStatus::Ok => {}
            }
        }
        if self.rows.capacity() - self.rows.len() < rows.len() {
            // Not twice as much, as a vector does by itself: a million rows are most of the memory.
            let more = rows.len().max(self.rows.len() / 4);
            self.rows.reserve_exact(more);
        }
        self.rows.extend(rows);
        self.news.findings.extend(news.findings);
        self.news.warnings.extend(news.warnings);
        if !news.captures.is_empty() {
            self.news.captures = news.captures;
        }
        self.news.progress = news.progress;
        self.news.ended = news.ended;
        is_new
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn row(&self, index: u32) -> Option<&Row> {
        self.rows.get(usize::try_from(index).ok()?)
    }

    /// Returns the size of a record in bytes, as written or in memory.
    pub(super) fn size(&self, index: u32) -> u64 {
        match self.row(index).map(|row| row.place) {
            Some(Place::Line(extent) | Place::Element(extent)) => extent.length,
            Some(Place::Kept(_, weight)) => weight,
            None => 0,
        }
    }

    /// Reads the whole record of a session.
    pub(super) fn load(&self, index: u32) -> io::Result<Arc<Session>> {
        let row = self.row(index).ok_or(io::ErrorKind::NotFound)?;
        let (extent, is_line) = match row.place {
            Place::Kept(kept, _) => {
                let kept = usize::try_from(kept).unwrap_or(usize::MAX);
                let found = lock(&self.feed.0.kept).get(kept)?;
                return found.ok_or_else(|| io::ErrorKind::NotFound.into());
            }
            Place::Line(extent) => (extent, true),
            Place::Element(extent) => (extent, false),
        };
        let file = self.files.get(usize::from(extent.file));
        let text = file
            .ok_or(io::ErrorKind::NotFound)?
            .part(extent.offset, extent.length)?;
        let mut session: Session = if is_line {
            serde_json::from_slice::<EndLine>(&text)?.report
        } else {
            serde_json::from_slice(&text)?
        };
        if self.hides_secrets {
            hide_secrets(&mut session);
        }
        // A session that is read has no index, without which each transfer would look through all steps.
        let none = std::collections::BTreeSet::new;
        session.index = Index::new(&session.steps, none(), none());
        Ok(Arc::new(session))
    }
}

/// Hides the arguments of PASS and ACCT, as in a report without `--show-passwords`.
fn hide_secrets(session: &mut Session) {
    // Anonymous passwords are e-mail addresses (RFC 1635), which no report hides.
    if session.login.anonymous {
        return;
    }
    let hide = |secret: &mut Option<String>, exact: &mut Option<String>| {
        if secret.is_some() {
            *secret = Some(HIDDEN.to_owned());
        }
        *exact = None;
    };
    let login = &mut session.login;
    hide(&mut login.password, &mut login.password_b64);
    hide(&mut login.account, &mut None);
    for step in session.steps.iter_mut().map(Arc::make_mut) {
        for command in &mut step.commands {
            if matches!(command.verb.as_str(), "PASS" | "ACCT") {
                hide(&mut command.argument, &mut command.argument_b64);
            }
        }
    }
}

/// Message about sessions beyond the limit.
const TOO_MANY: &str =
    "there are more sessions than fit into --max-memory; choose some with --where, or allow more";

/// Text in place of a secret.
const HIDDEN: &str = "<hidden>";

/// Line of NDJSON with the end of a session.
#[derive(Deserialize)]
struct EndLine {
    report: Session,
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere ends the program; until then what is here is shown.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Characters of a verdict or name in a row.
const LONGEST_TEXT: usize = 200;
/// Strings that are compared with new ones.
const MAX_SHARED: usize = 200_000;
/// Findings and messages kept.
const MAX_FACTS: usize = 10_000;
/// Memory of whole records before the temporary file is used, in bytes.
const IN_MEMORY: usize = 32 << 20;
