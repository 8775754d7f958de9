//! Further tables of `csv` (`--table`): sessions, logins, hosts and files, one row each.
//!
//! ```text
//! session ──┬──────────────────> sessions      one row
//!           ├── login attempts ─> credentials   one row an attempt; passwords as in the report
//!           ├── transfers ──────> files         one row for each download and upload with a data connection
//!           └── both ends ──────> hosts         sums over all sessions, written at the end
//! ```
//!
//! Cells follow the rules of the table of [transfers](super::csv).

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::net::IpAddr;

use serde::Serialize;

use super::csv::{CsvTable, Optional, Text, header_of, write_row};
use super::timed_lines::last_line;
use super::{DocumentFormat, ExportOptions, FinishedSessions, OutputFile, SessionText};
use crate::model::Timestamp;
use crate::model::record::{
    CaptureFrame, Command, Completeness, Connection, EndState, LoginOutcome, Outcome, Session,
    Step, StepKind, Transfer, TransferDirection, VerdictStatus,
};
use crate::report::{Report, units};

/// A table whose rows are made session by session.
pub(super) struct SessionTable {
    table: CsvTable,
    md5: bool,
    sha1: bool,
    /// With more than one capture: the paths of all, in the order of the report. Adds `capture_path` and
    /// `capture_frame`.
    captures: Vec<String>,
}

impl SessionTable {
    /// Creates the sessions, the credentials or the files.
    pub(super) fn new(table: CsvTable, options: &ExportOptions) -> Self {
        Self {
            table,
            md5: options.md5,
            sha1: options.sha1,
            captures: options.captures.clone(),
        }
    }

    /// Returns the header line.
    pub(super) fn header(&self) -> io::Result<Vec<u8>> {
        match self.table {
            CsvTable::Credentials => header_of(&CredentialRow::new(PlaceCells::new(None, self))),
            CsvTable::Files => header_of(&FileRow::new(self)),
            _ => header_of(&SessionRow::new(PlaceCells::new(None, self))),
        }
    }
}

impl DocumentFormat for SessionTable {
    fn write_session(&mut self, session: &Session, out: &mut SessionText<'_>) -> io::Result<()> {
        match self.table {
            CsvTable::Credentials => {
                let mut steps = session.steps.iter();
                steps.try_for_each(|step| match step.kind {
                    StepKind::Login => write_row(&CredentialRow::of(session, step, self), out),
                    _ => Ok(()),
                })
            }
            CsvTable::Files => {
                let mut files = session.transfers.iter().filter(|transfer| {
                    transfer.direction != TransferDirection::Listing
                        && transfer.connection.is_some()
                });
                files.try_for_each(|file| write_row(&FileRow::of(session, file, self), out))
            }
            _ => write_row(&SessionRow::of(session, self), out),
        }
    }

    fn write_document(
        &self,
        _: &Report,
        sessions: FinishedSessions,
        out: &mut OutputFile,
    ) -> io::Result<()> {
        out.write_all(&self.header()?)?;
        sessions.write(b"", out)
    }

    fn writes_warnings(&self) -> bool {
        false
    }
}

/// Cells of the last two columns, which are there with more than one capture.
#[derive(Clone, Copy, Default)]
struct PlaceCells<'a> {
    path: Optional<Text<'a>>,
    frame: Optional<u64>,
}

impl<'a> PlaceCells<'a> {
    /// Creates the cells of a packet; empty for `None`.
    fn new(packet: Option<CaptureFrame>, table: &'a SessionTable) -> Self {
        let several = !table.captures.is_empty();
        let path = packet.and_then(|packet| {
            let index = usize::try_from(packet.capture).ok()?;
            table.captures.get(index)
        });
        Self {
            path: Optional::new(several).with(path.map(|path| Text(path))),
            frame: Optional::new(several).with(packet.map(|packet| packet.capture_frame)),
        }
    }
}

/// A session.
#[derive(Default, Serialize)]
struct SessionRow<'a> {
    session: u64,
    uid: &'a str,
    start: Timestamp,
    end: Timestamp,
    duration: f64,
    client: Option<IpAddr>,
    client_port: u16,
    server: Option<IpAddr>,
    server_port: u16,
    server_name: Option<Text<'a>>,
    greeting: Option<Text<'a>>,
    user: Option<Text<'a>>,
    anonymous: bool,
    login_outcome: Option<LoginOutcome>,
    login_attempts: u64,
    encrypted: bool,
    tls_version: Option<&'a str>,
    end_state: Option<EndState>,
    commands: u64,
    downloads: u64,
    downloaded_bytes: u64,
    uploads: u64,
    uploaded_bytes: u64,
    listings: u64,
    findings: u64,
    verdict_status: Option<VerdictStatus>,
    verdict_text: Text<'a>,
    #[serde(skip_serializing_if = "Optional::is_absent")]
    capture_path: Optional<Text<'a>>,
    #[serde(skip_serializing_if = "Optional::is_absent")]
    capture_frame: Optional<u64>,
}

impl<'a> SessionRow<'a> {
    /// Creates a row of empty cells.
    fn new(cells: PlaceCells<'a>) -> Self {
        Self {
            capture_path: cells.path,
            capture_frame: cells.frame,
            ..Self::default()
        }
    }

    fn of(session: &'a Session, table: &'a SessionTable) -> Self {
        let of = |direction| {
            let transfers = session.transfers.iter();
            transfers.filter(move |transfer| transfer.direction == direction)
        };
        let bytes = |direction| of(direction).map(|transfer| transfer.bytes).sum();
        let count = |direction| units::to_u64(of(direction).count());
        let commands: usize = session.steps.iter().map(|step| step.commands.len()).sum();
        let login = &session.login;
        let place = PlaceCells::new(session.control.first_place(), table);
        Self {
            session: session.id,
            uid: &session.uid,
            start: session.start,
            end: session.end,
            duration: session.duration,
            client: Some(session.client.ip),
            client_port: session.client.port,
            server: Some(session.server.ip),
            server_port: session.server.port,
            server_name: session.server.name.as_deref().map(Text),
            greeting: session.greeting.as_ref().map(last_line).map(Text),
            user: login.user.as_deref().map(Text),
            anonymous: login.anonymous,
            login_outcome: Some(login.outcome),
            login_attempts: login.attempts,
            encrypted: session.tls.is_some(),
            tls_version: session.tls.as_ref().and_then(|tls| tls.version.as_deref()),
            end_state: Some(session.end_state),
            commands: units::to_u64(commands),
            downloads: count(TransferDirection::Download),
            downloaded_bytes: bytes(TransferDirection::Download),
            uploads: count(TransferDirection::Upload),
            uploaded_bytes: bytes(TransferDirection::Upload),
            listings: count(TransferDirection::Listing),
            findings: units::to_u64(session.findings.len()) + session.findings_omitted,
            verdict_status: Some(session.verdict.status),
            verdict_text: Text(&session.verdict.text),
            capture_path: place.path,
            capture_frame: place.frame,
        }
    }
}

/// An attempt to log in. Secrets are hidden in its commands already, unless they were asked for.
#[derive(Default, Serialize)]
struct CredentialRow<'a> {
    session: u64,
    session_uid: &'a str,
    time: Timestamp,
    frame: Option<u64>,
    client: Option<IpAddr>,
    client_port: u16,
    server: Option<IpAddr>,
    server_port: u16,
    server_name: Option<Text<'a>>,
    user: Option<Text<'a>>,
    password: Option<Text<'a>>,
    account: Option<Text<'a>>,
    outcome: Option<LoginOutcome>,
    reply_code: Option<u16>,
    reply_text: Option<Text<'a>>,
    encrypted: bool,
    #[serde(skip_serializing_if = "Optional::is_absent")]
    capture_path: Optional<Text<'a>>,
    #[serde(skip_serializing_if = "Optional::is_absent")]
    capture_frame: Optional<u64>,
}

impl<'a> CredentialRow<'a> {
    /// Creates a row of empty cells.
    fn new(cells: PlaceCells<'a>) -> Self {
        Self {
            capture_path: cells.path,
            capture_frame: cells.frame,
            ..Self::default()
        }
    }

    fn of(session: &'a Session, step: &'a Step, table: &'a SessionTable) -> Self {
        let argument = |verb| {
            let mut commands = step.commands.iter().rev();
            let command = commands.find(|command| command.verb == verb)?;
            command.argument.as_deref().map(Text)
        };
        let mut commands = step.commands.iter().rev();
        let reply = commands.find_map(|command| command.replies.last());
        let first = step.commands.first();
        let place = PlaceCells::new(first.and_then(Command::place), table);
        Self {
            session: session.id,
            session_uid: &session.uid,
            time: step.time,
            frame: first.map(|command| command.frame),
            client: Some(session.client.ip),
            client_port: session.client.port,
            server: Some(session.server.ip),
            server_port: session.server.port,
            server_name: session.server.name.as_deref().map(Text),
            user: argument("USER"),
            password: argument("PASS"),
            account: argument("ACCT"),
            outcome: Some(match step.outcome {
                Outcome::Ok => LoginOutcome::Accepted,
                Outcome::Failed => LoginOutcome::Rejected,
                Outcome::Incomplete => LoginOutcome::Incomplete,
                Outcome::Unknown => LoginOutcome::Unseen,
            }),
            reply_code: reply.map(|reply| reply.code),
            reply_text: reply.map(last_line).map(Text),
            encrypted: session.tls.is_some(),
            capture_path: place.path,
            capture_frame: place.frame,
        }
    }
}

/// A file that was moved, or a part of one.
#[derive(Default, Serialize)]
struct FileRow<'a> {
    session: u64,
    transfer: u64,
    uid: &'a str,
    time: Timestamp,
    client: Option<IpAddr>,
    server: Option<IpAddr>,
    server_name: Option<Text<'a>>,
    user: Option<Text<'a>>,
    verb: Text<'a>,
    direction: Option<TransferDirection>,
    path: Option<Text<'a>>,
    name: Option<Text<'a>>,
    bytes: u64,
    missing_bytes: u64,
    announced_bytes: Option<u64>,
    restart_offset: u64,
    completeness: Option<Completeness>,
    media_type: Option<Text<'a>>,
    sha256: Option<&'a str>,
    #[serde(skip_serializing_if = "Optional::is_absent")]
    md5: Optional<&'a str>,
    #[serde(skip_serializing_if = "Optional::is_absent")]
    sha1: Optional<&'a str>,
    saved_as: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Optional::is_absent")]
    capture_path: Optional<Text<'a>>,
    #[serde(skip_serializing_if = "Optional::is_absent")]
    capture_frame: Optional<u64>,
}

impl<'a> FileRow<'a> {
    /// Creates a row of empty cells.
    fn new(table: &'a SessionTable) -> Self {
        let place = PlaceCells::new(None, table);
        Self {
            md5: Optional::new(table.md5),
            sha1: Optional::new(table.sha1),
            capture_path: place.path,
            capture_frame: place.frame,
            ..Self::default()
        }
    }

    fn of(session: &'a Session, file: &'a Transfer, table: &'a SessionTable) -> Self {
        let empty = Self::new(table);
        let connection = file.connection.as_ref();
        let first = connection.and_then(Connection::first_place);
        let place = PlaceCells::new(first, table);
        Self {
            session: session.id,
            transfer: file.id,
            uid: &file.uid,
            time: connection.map_or(session.start, |connection| connection.start),
            client: Some(session.client.ip),
            server: Some(session.server.ip),
            server_name: session.server.name.as_deref().map(Text),
            user: session.login.user.as_deref().map(Text),
            verb: Text(&file.verb),
            direction: Some(file.direction),
            path: file.path.as_deref().map(Text),
            name: file.name.as_deref().map(Text),
            bytes: file.bytes,
            missing_bytes: file.missing_bytes,
            announced_bytes: file.announced_bytes,
            restart_offset: file.restart_offset,
            completeness: Some(file.completeness),
            media_type: file.media_type.as_deref().map(Text),
            sha256: file.sha256.as_deref(),
            md5: empty.md5.with(file.md5.as_deref()),
            sha1: empty.sha1.with(file.sha1.as_deref()),
            saved_as: file.saved_as.as_deref().map(Text),
            capture_path: place.path,
            capture_frame: place.frame,
        }
    }
}

/// The table of hosts: sums over all sessions by address.
#[derive(Default)]
pub(super) struct HostTable(BTreeMap<IpAddr, Host>);

/// Sums of one address.
struct Host {
    /// Names under which clients looked it up.
    names: BTreeSet<String>,
    users: BTreeSet<String>,
    sessions_as_client: u64,
    sessions_as_server: u64,
    logins_accepted: u64,
    logins_rejected: u64,
    /// Files and bytes that it sent.
    sent: [u64; 2],
    /// Files and bytes that it received.
    received: [u64; 2],
    first_seen: Timestamp,
    last_seen: Timestamp,
}

/// A host.
#[derive(Default, Serialize)]
struct HostRow<'a> {
    host: Option<IpAddr>,
    names: Text<'a>,
    sessions_as_client: u64,
    sessions_as_server: u64,
    users: Text<'a>,
    logins_accepted: u64,
    logins_rejected: u64,
    files_sent: u64,
    bytes_sent: u64,
    files_received: u64,
    bytes_received: u64,
    first_seen: Timestamp,
    last_seen: Timestamp,
}

impl Host {
    fn new(session: &Session) -> Self {
        Self {
            names: BTreeSet::new(),
            users: BTreeSet::new(),
            sessions_as_client: 0,
            sessions_as_server: 0,
            logins_accepted: 0,
            logins_rejected: 0,
            sent: [0; 2],
            received: [0; 2],
            first_seen: session.start,
            last_seen: session.end,
        }
    }

    /// Adds the facts of a session that are the same for both of its ends.
    fn add(&mut self, session: &Session) {
        self.first_seen = self.first_seen.min(session.start);
        self.last_seen = self.last_seen.max(session.end);
        // Each attempt counts, as in the table of credentials: one session may guess a hundred times.
        let steps = session.steps.iter();
        for step in steps.filter(|step| step.kind == StepKind::Login) {
            match step.outcome {
                Outcome::Ok => self.logins_accepted += 1,
                Outcome::Failed => self.logins_rejected += 1,
                _ => {}
            }
        }
        if let Some(user) = &session.login.user {
            keep(&mut self.users, user);
        }
    }
}

/// Adds a text to a list with an end.
fn keep(list: &mut BTreeSet<String>, text: &str) {
    if list.len() < MAX_TEXTS && !list.contains(text) {
        list.insert(text.to_owned());
    }
}

impl HostTable {
    /// Returns the sums of an address; `None` once there are too many.
    fn host(&mut self, ip: IpAddr, session: &Session) -> Option<&mut Host> {
        if self.0.len() >= MAX_HOSTS && !self.0.contains_key(&ip) {
            return None;
        }
        Some(self.0.entry(ip).or_insert_with(|| Host::new(session)))
    }

    /// Returns the header line.
    pub(super) fn header() -> io::Result<Vec<u8>> {
        header_of(&HostRow::default())
    }

    fn add(&mut self, session: &Session) {
        if let Some(client) = self.host(session.client.ip, session) {
            client.sessions_as_client += 1;
            client.add(session);
        }
        if let Some(server) = self.host(session.server.ip, session) {
            server.sessions_as_server += 1;
            server.add(session);
            if let Some(name) = &session.server.name {
                keep(&mut server.names, name);
            }
        }
        for transfer in &session.transfers {
            // Of two servers that exchange a file, the other one has no session of this client.
            let Some(connection) = &transfer.connection else {
                continue;
            };
            let (sender, receiver) = match transfer.direction {
                TransferDirection::Upload => (connection.client.ip, connection.server.ip),
                TransferDirection::Download => (connection.server.ip, connection.client.ip),
                TransferDirection::Listing => continue,
            };
            let moved = [1, transfer.bytes];
            if let Some(host) = self.host(sender, session) {
                add_counts(&mut host.sent, moved);
            }
            if let Some(host) = self.host(receiver, session) {
                add_counts(&mut host.received, moved);
            }
        }
    }
}

fn add_counts(sums: &mut [u64; 2], counts: [u64; 2]) {
    for (sum, count) in sums.iter_mut().zip(counts) {
        *sum = sum.saturating_add(count);
    }
}

impl DocumentFormat for HostTable {
    fn write_session(&mut self, session: &Session, _: &mut SessionText<'_>) -> io::Result<()> {
        self.add(session);
        Ok(())
    }

    fn write_document(
        &self,
        _: &Report,
        _: FinishedSessions,
        out: &mut OutputFile,
    ) -> io::Result<()> {
        out.write_all(&Self::header()?)?;
        let joined = |list: &BTreeSet<String>| {
            let texts: Vec<&str> = list.iter().map(String::as_str).collect();
            texts.join("; ")
        };
        for (ip, host) in &self.0 {
            let (names, users) = (joined(&host.names), joined(&host.users));
            let row = HostRow {
                host: Some(*ip),
                names: Text(&names),
                sessions_as_client: host.sessions_as_client,
                sessions_as_server: host.sessions_as_server,
                users: Text(&users),
                logins_accepted: host.logins_accepted,
                logins_rejected: host.logins_rejected,
                files_sent: host.sent[0],
                bytes_sent: host.sent[1],
                files_received: host.received[0],
                bytes_received: host.received[1],
                first_seen: host.first_seen,
                last_seen: host.last_seen,
            };
            write_row(&row, out)?;
        }
        Ok(())
    }

    fn writes_warnings(&self) -> bool {
        false
    }
}

/// Hosts of the table: as many as the addresses of a whole network of class B.
const MAX_HOSTS: usize = 65_536;

/// Names and users of one host.
const MAX_TEXTS: usize = 100;

#[cfg(test)]
mod tests {
    use super::super::tests::export;
    use super::super::{ExportOptions, csv};
    use super::*;

    fn rows(table: CsvTable, ids: &[u64]) -> Vec<Vec<(String, String)>> {
        let options = ExportOptions {
            csv_table: table,
            ..ExportOptions::default()
        };
        let text = export(&csv::FORMAT, &options, ids).into_values().next();
        let text = text.expect("one file");
        let mut reader = ::csv::Reader::from_reader(text.as_bytes());
        let header = reader.headers().expect("a header").clone();
        let records = reader.records().map(|record| {
            let record = record.expect("a row");
            let cells = header.iter().zip(record.iter());
            cells
                .map(|(name, cell)| (name.to_owned(), cell.to_owned()))
                .collect()
        });
        records.collect()
    }

    fn cell<'r>(row: &'r [(String, String)], name: &str) -> &'r str {
        let found = row.iter().find(|(column, _)| column == name);
        found.map_or("", |(_, cell)| cell)
    }

    #[test]
    fn session_is_one_row_with_its_sums() {
        let rows = rows(CsvTable::Sessions, &[1, 2]);
        assert_eq!(rows.len(), 2);
        assert_eq!(cell(&rows[0], "downloads"), "1");
        assert_eq!(cell(&rows[0], "downloaded_bytes"), "1715");
        assert_eq!(cell(&rows[1], "session"), "2");
    }

    #[test]
    fn attempt_has_user_and_password_as_the_report_shows_them() {
        let rows = rows(CsvTable::Credentials, &[1]);
        assert_eq!(rows.len(), 1);
        assert_eq!(cell(&rows[0], "user"), "ftp");
        assert_eq!(cell(&rows[0], "outcome"), "accepted");
    }

    #[test]
    fn files_are_downloads_and_uploads_with_a_connection() {
        let rows = rows(CsvTable::Files, &[1]);
        assert_eq!(rows.len(), 1);
        assert_eq!(cell(&rows[0], "path"), "/pub/readme.txt");
        assert_eq!(cell(&rows[0], "completeness"), "complete");
    }

    #[test]
    fn several_captures_add_path_and_frame_within_the_capture_to_each_table() {
        let names = |table| {
            let options = ExportOptions {
                csv_table: table,
                captures: vec!["a.pcap".to_owned(), "b.pcap".to_owned()],
                ..ExportOptions::default()
            };
            let table = SessionTable::new(table, &options);
            String::from_utf8(table.header().expect("a header")).expect("UTF-8")
        };
        for table in [CsvTable::Sessions, CsvTable::Credentials, CsvTable::Files] {
            let header = names(table);
            assert!(
                header.ends_with(",capture_path,capture_frame\r\n"),
                "{header}"
            );
            let single = SessionTable::new(table, &ExportOptions::default()).header();
            let single = String::from_utf8(single.expect("a header")).expect("UTF-8");
            assert!(!single.contains("capture_"), "{single}");
        }
    }

    #[test]
    fn hosts_are_sums_over_sessions() {
        let rows = rows(CsvTable::Hosts, &[1, 2]);
        assert_eq!(rows.len(), 2);
        let server = &rows[0];
        assert_eq!(cell(server, "host"), "192.168.0.1");
        assert_eq!(cell(server, "sessions_as_server"), "2");
        assert_eq!(cell(server, "bytes_sent"), "3430");
        assert_eq!(cell(&rows[1], "files_received"), "2");
        assert_eq!(cell(&rows[1], "users"), "ftp");
    }
}
