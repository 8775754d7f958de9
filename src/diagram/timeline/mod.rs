//! Time line: the sessions of a capture as bars over time, in lanes by client or server.
//!
//! ```text
//! Session ── add ──> Timeline ── layout ──> lanes ─┬ rows     one bar per session, transfers and findings in it
//!                                                  └ columns  counts per period, where there are too many sessions
//!                                           = picture (SVG, part of the page) | gantt (Mermaid)
//! ```
//!
//! A session leaves some tens of bytes here, so that the page of very many sessions still has a time line. The picture
//! has some hundreds of bars at most, however many sessions there are. Lanes beyond a limit share the last one.

mod gantt;
mod hosts;
mod layout;
mod picture;

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::net::IpAddr;
use std::ops::Range;

pub use gantt::write_mermaid_timeline;
pub use hosts::write_hosts_section;
pub use picture::{TIMELINE_STYLE, write_svg_timeline, write_timeline_section};

use crate::model::Timestamp;
use crate::model::record::{
    Capture, Completeness, Finding, Session, Severity, Transfer, TransferDirection, VerdictStatus,
};
use crate::report::units;

/// End of the control connection that gives a session its lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LanesBy {
    /// One lane per client address.
    #[default]
    Client,
    /// One lane per server address.
    Server,
}

/// Times of the sessions of a capture, of their transfers and of their findings.
#[derive(Debug, Default)]
pub struct Timeline {
    /// In the order in which they were added.
    sessions: Vec<SessionSpan>,
    transfers: Vec<TransferSpan>,
    marks: Vec<FindingMark>,
    /// Names of servers. Never iterated, so that the random order of its hashes cannot reach the picture.
    names: HashMap<IpAddr, Box<str>, RandomState>,
    /// First and last packet of each capture.
    captures: Vec<(Timestamp, Timestamp)>,
    /// Count of the sessions beyond [`MAX_SESSIONS`].
    omitted: u64,
}

/// Time and outcome of one session.
#[derive(Debug)]
struct SessionSpan {
    id: u64,
    start: Timestamp,
    end: Timestamp,
    status: VerdictStatus,
    client: IpAddr,
    server: IpAddr,
    /// Count of the downloads and uploads that moved anything.
    files: u64,
    /// Bytes of these.
    bytes: u64,
    /// Bytes of the uploads among them.
    uploaded: u64,
    /// User and verdict; `None` beyond [`MAX_TITLED`] sessions.
    title: Option<Box<str>>,
    /// Indices into the transfers of the time line.
    transfers: Range<usize>,
    /// Indices into the marks of the time line.
    marks: Range<usize>,
}

/// Time and outcome of one data connection.
#[derive(Debug)]
struct TransferSpan {
    start: Timestamp,
    end: Timestamp,
    direction: TransferDirection,
    /// Whether bytes are missing, or the transfer ended early.
    is_damaged: bool,
    /// Name, size and completeness; `None` beyond [`MAX_TITLED`] transfers.
    title: Option<Box<str>>,
}

/// Time of one finding.
#[derive(Debug)]
struct FindingMark {
    time: Timestamp,
    severity: Severity,
    title: Box<str>,
}

impl Timeline {
    /// Adds a session that has ended.
    pub fn add(&mut self, session: &Session) {
        if self.sessions.len() >= MAX_SESSIONS {
            self.omitted += 1;
            return;
        }
        if let Some(name) = &session.server.name
            && self.names.len() < MAX_NAMES
            && !self.names.contains_key(&session.server.ip)
        {
            let name = cut(name, NAME_LENGTH).into_boxed_str();
            self.names.insert(session.server.ip, name);
        }
        let transfers = self.add_transfers(session);
        let marks = self.add_marks(session);
        let files = || {
            let moved = session.transfers.iter().filter(|one| one.has_moved());
            moved.filter(|one| one.direction != TransferDirection::Listing)
        };
        let title = (self.sessions.len() < MAX_TITLED).then(|| {
            let user = session.login.user.as_deref();
            let user = user.map_or_else(String::new, |user| format!("{user}: "));
            cut(&format!("{user}{}", session.verdict.text), TITLE_LENGTH).into_boxed_str()
        });
        self.sessions.push(SessionSpan {
            id: session.id,
            start: session.start,
            end: session.end.max(session.start),
            status: session.verdict.status,
            client: session.client.ip,
            server: session.server.ip,
            files: units::to_u64(files().count()),
            bytes: files().fold(0, |sum, one| one.bytes.saturating_add(sum)),
            uploaded: files()
                .filter(|one| one.direction == TransferDirection::Upload)
                .fold(0, |sum, one| one.bytes.saturating_add(sum)),
            title,
            transfers,
            marks,
        });
    }

    /// Sets the captures: times that none of them covers are not drawn.
    pub fn set_captures(&mut self, captures: &[Capture]) {
        if captures.len() > MAX_CAPTURES {
            return;
        }
        let packets = captures
            .iter()
            .filter_map(|one| one.first_packet.zip(one.last_packet));
        self.captures = packets.collect();
    }

    /// Adds the data connections of a session. Returns their indices.
    fn add_transfers(&mut self, session: &Session) -> Range<usize> {
        let first = self.transfers.len();
        let known = session.transfers.iter().filter_map(|transfer| {
            let connection = transfer.connection.as_ref()?;
            let is_damaged = matches!(
                transfer.completeness,
                Completeness::Gaps | Completeness::Aborted | Completeness::Truncated
            );
            Some((connection, transfer.direction, is_damaged, Some(transfer)))
        });
        let encrypted = session.encrypted_data.iter().filter_map(|data| {
            // Direction unknown: both sides sent as much, which is nothing in most cases.
            Some((&data.connection, data.direction?, false, None))
        });
        let room = MAX_TRANSFERS.saturating_sub(first);
        for (connection, direction, is_damaged, transfer) in known.chain(encrypted).take(room) {
            let is_titled = self.transfers.len() < MAX_TITLED;
            self.transfers.push(TransferSpan {
                start: connection.start,
                end: connection.end.max(connection.start),
                direction,
                is_damaged,
                title: transfer.filter(|_| is_titled).map(transfer_title),
            });
        }
        first..self.transfers.len()
    }

    /// Adds the findings of a session. Returns their indices.
    fn add_marks(&mut self, session: &Session) -> Range<usize> {
        let first = self.marks.len();
        let room = MAX_MARKS.saturating_sub(first).min(MAX_SESSION_MARKS);
        for finding in session.findings.iter().take(room) {
            self.marks.push(FindingMark {
                time: time_of(finding, session),
                severity: finding.severity,
                title: cut(&finding.title, TITLE_LENGTH).into_boxed_str(),
            });
        }
        first..self.marks.len()
    }

    /// Returns whether no session was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Returns the host of a session's lane.
    fn host(session: &SessionSpan, by: LanesBy) -> IpAddr {
        match by {
            LanesBy::Client => session.client,
            LanesBy::Server => session.server,
        }
    }

    /// Returns the name of a host with its address, or its address alone.
    fn host_title(&self, host: IpAddr) -> String {
        match self.names.get(&host) {
            Some(name) => format!("{name} ({host})"),
            None => host.to_string(),
        }
    }
}

impl LanesBy {
    /// Returns the noun of a lane, in the singular and in the plural.
    const fn nouns(self) -> (&'static str, &'static str) {
        match self {
            Self::Client => ("client", "clients"),
            Self::Server => ("server", "servers"),
        }
    }
}

/// Formats a transfer: `download data.bin: 200,000 bytes, complete`.
fn transfer_title(transfer: &std::sync::Arc<Transfer>) -> Box<str> {
    let direction = match transfer.direction {
        TransferDirection::Download => "download",
        TransferDirection::Upload => "upload",
        TransferDirection::Listing => "listing",
    };
    let name = transfer.name.as_deref().unwrap_or(&transfer.verb);
    let completeness = match transfer.completeness {
        Completeness::Gaps => "gaps",
        Completeness::Aborted => "aborted",
        Completeness::Truncated => "truncated",
        Completeness::Complete => "complete",
        Completeness::Unverifiable => "unverifiable",
    };
    let name = cut(name, NAME_LENGTH);
    let size = units::size(transfer.bytes);
    format!("{direction} {name}: {size}, {completeness}").into_boxed_str()
}

/// Returns the time of a finding: that of its first frame among the commands of its step, else of its step, else of its
/// transfer, else the start of the session.
fn time_of(finding: &Finding, session: &Session) -> Timestamp {
    let step = finding.step.and_then(|number| {
        let found = session
            .steps
            .binary_search_by_key(&number, |step| step.number);
        session.steps.get(found.ok()?)
    });
    let transfer = finding.transfer.and_then(|id| session.transfer(id));
    let connection = transfer.and_then(|transfer| transfer.connection.as_ref());
    let at_frame = step.and_then(|step| {
        let frame = finding.frames.first()?;
        let commands = step.commands.iter();
        commands
            .flat_map(|command| {
                let replies = command
                    .replies
                    .iter()
                    .map(|reply| (reply.frame, reply.time));
                std::iter::once((command.frame, command.time)).chain(replies)
            })
            .find_map(|(at, time)| (at == *frame).then_some(time))
    });
    at_frame
        .or_else(|| step.map(|step| step.time))
        .or_else(|| connection.map(|connection| connection.start))
        .unwrap_or(session.start)
}

/// Cuts a string to a number of characters.
fn cut(text: &str, length: usize) -> String {
    match text.char_indices().nth(length) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Limit of the sessions of a time line.
const MAX_SESSIONS: usize = 100_000;
/// Limit of the data connections of a time line.
const MAX_TRANSFERS: usize = 200_000;
/// Limit of the findings of a time line.
const MAX_MARKS: usize = 20_000;
/// Limit of the findings of one session.
const MAX_SESSION_MARKS: usize = 20;
/// Limit of the sessions and of the transfers that keep a title. More than that are never drawn one by one.
const MAX_TITLED: usize = 2_000;
/// Limit of the captures; with more than that all times are drawn.
const MAX_CAPTURES: usize = 100_000;
/// Limit of the server names.
const MAX_NAMES: usize = 10_000;
/// Limit of a title in characters.
const TITLE_LENGTH: usize = 160;
/// Limit of a name in characters.
const NAME_LENGTH: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example::example_session;

    #[test]
    fn finding_is_placed_at_the_time_of_its_step() {
        let mut session = example_session();
        let step = session.steps[1].clone();
        let mut finding = Finding {
            id: "x".into(),
            severity: Severity::High,
            title: "x".into(),
            explanation: String::new(),
            advice: String::new(),
            frames: vec![],
            places: vec![],
            step: Some(step.number),
            transfer: None,
            sessions: vec![],
        };
        assert_eq!(time_of(&finding, &session), step.time);
        finding.step = None;
        assert_eq!(time_of(&finding, &session), session.start);
        session.findings = vec![finding; MAX_SESSION_MARKS + 5];
        let mut timeline = Timeline::default();
        timeline.add(&session);
        assert_eq!(timeline.marks.len(), MAX_SESSION_MARKS);
    }

    #[test]
    fn files_and_bytes_are_those_of_the_report() {
        let session = example_session();
        let mut timeline = Timeline::default();
        timeline.add(&session);
        let span = &timeline.sessions[0];
        assert_eq!((span.files, span.bytes), (1, 1_715));
        assert_eq!(timeline.transfers.len(), 2);
    }
}
