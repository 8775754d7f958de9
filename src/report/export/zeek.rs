//! `zeek`, `zeek-json`: logs as Zeek 8.2 and 9.0 write them.
//!
//! ```text
//! session ──> commands ─────> ftp.log      rows of the commands that Zeek logs, or one row for a session without any
//!         ──> connections ──> conn.log     control and data
//!         ──> transfers ────> files.log    one row for each data connection that carried bytes
//!         ──> TLS, lookup ──> ssl.log, dns.log           with --logs
//!         └─> findings ─────> notice.log                 the same
//! ```
//!
//! The columns, their order and types are Zeek's. Times have six decimals, and the nanoseconds are cut off. `#open` and
//! `#close` are the times of the first and the last packet, so that the output does not depend on the clock. A log without
//! rows is not written. As JSON, the logs may share one output: `_path` then names the log of each line.
//!
//! # Escapes
//!
//! An unset value is `-`, an empty text `(empty)`; a text that reads so begins with an escape. Backslash and tab are escaped
//! everywhere. A piece between them that has control characters or bytes that are not UTF-8 has all its bytes that are not
//! printable ASCII as `\xHH`; other pieces stand as they are.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::net::IpAddr;

use serde_json::json;

use super::timed_lines::{
    Opened, OverConnections, TimedLines, commands, data_connections, exact, last_line,
    transfers_by_command,
};
use super::{ExportOptions, Exporter, Format, OutputFile, OutputKind, Outputs, RunEnd};
use crate::model::record::{
    Address, Command, Connection, Finding, Opener, Reply, Session, StepKind, Tls, Transfer,
    TransferDirection, UnmatchedData,
};
use crate::model::{Endpoint, Event, EventKind, EventSink, Span, Timestamp};
use crate::protocol::ftp::{
    extended_passive_reply, extended_port_argument, passive_reply, port_argument,
};
use crate::protocol::uid::file_uid;
use crate::report::ReportBuilder;
use crate::report::json::compact::write_value;

pub(super) const TSV: Format = Format {
    name: "zeek",
    summary: "Zeek's ftp.log, conn.log and files.log, in a directory",
    unit: Some("Zeek's logs"),
    output: OutputKind::Directory,
    open: |options, outputs| Ok(Box::new(ZeekLogs::open(options, outputs, Style::Tabs)?)),
    schema: Some(headers),
};

pub(super) const JSON: Format = Format {
    name: "zeek-json",
    summary: "The same records as JSON, in a directory",
    unit: Some("the same as JSON"),
    output: OutputKind::Directory,
    open: |options, outputs| Ok(Box::new(ZeekLogs::open(options, outputs, Style::Json)?)),
    schema: Some(json_schema),
};

/// Returns the header lines of each log that name and type its columns.
fn headers() -> String {
    let logs = ZeekLog::ALL.into_iter().map(|log| {
        let list = |of: fn(&(&'static str, &'static str)) -> &'static str| {
            let names: Vec<&str> = log.columns().iter().map(of).collect();
            names.join("\t")
        };
        let (fields, types) = (list(|column| column.0), list(|column| column.1));
        format!(
            "#path\t{}\n#fields\t{fields}\n#types\t{types}\n",
            log.name()
        )
    });
    logs.collect()
}

/// Returns the JSON Schema of a line of any log.
fn json_schema() -> String {
    let of_type = |kind: &str| match kind {
        "time" | "interval" | "double" => json!({"type": "number"}),
        "count" | "port" => json!({"type": "integer", "minimum": 0}),
        "bool" => json!({"type": "boolean"}),
        "vector[interval]" => json!({"type": "array", "items": {"type": "number"}}),
        list if list.starts_with("set[") || list.starts_with("vector[") => {
            json!({"type": "array", "items": {"type": "string"}})
        }
        _ => json!({"type": "string"}),
    };
    let logs = ZeekLog::ALL.into_iter().map(|log| {
        let columns = log.columns().iter();
        let mut fields: serde_json::Map<_, _> = columns
            .map(|(name, kind)| ((*name).to_owned(), of_type(kind)))
            .collect();
        fields.insert("_path".to_owned(), json!({"const": log.name()}));
        json!({
            "title": format!("{}.log", log.name()),
            "type": "object",
            "properties": fields,
            "required": ["ts"],
            "additionalProperties": false,
        })
    });
    let logs: Vec<_> = logs.collect();
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "anyOf": logs,
    });
    format!("{schema:#}\n")
}

/// Commands with a row in ftp.log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ZeekCommands {
    /// Commands that Zeek logs.
    #[default]
    Zeek,
    /// All.
    All,
}

/// Networks that count as local.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalNetworks(Vec<(u128, u32)>);

/// A log of Zeek's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ZeekLog {
    /// Commands with their replies.
    Ftp,
    /// Connections.
    Conn,
    /// Files.
    Files,
    /// TLS of connections.
    Ssl,
    /// Lookups of servers.
    Dns,
    /// Findings.
    Notice,
}

/// Names and types of the columns of a log.
type Columns = &'static [(&'static str, &'static str)];

impl ZeekLog {
    /// The logs written unless others are named.
    pub const DEFAULT: [Self; 3] = [Self::Ftp, Self::Conn, Self::Files];

    /// All logs.
    pub const ALL: [Self; 6] = [
        Self::Ftp,
        Self::Conn,
        Self::Files,
        Self::Ssl,
        Self::Dns,
        Self::Notice,
    ];

    /// Returns the name, as in `#path`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ftp => "ftp",
            Self::Conn => "conn",
            Self::Files => "files",
            Self::Ssl => "ssl",
            Self::Dns => "dns",
            Self::Notice => "notice",
        }
    }

    /// Returns the columns in order, each with its name and Zeek's type.
    #[must_use]
    pub const fn columns(self) -> Columns {
        match self {
            Self::Ftp => FTP,
            Self::Conn => CONN,
            Self::Files => FILES,
            Self::Ssl => SSL,
            Self::Dns => DNS,
            Self::Notice => NOTICE,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Tabs,
    Json,
    /// JSON with the name of the log in front, as in Zeek's streaming JSON: several logs go into one output.
    NamedJson,
}

/// Exporter of the logs.
struct ZeekLogs {
    /// Logs that are written.
    logs: Vec<ZeekLog>,
    /// Outputs by log, or a single one for all.
    outputs: Vec<Log>,
    options: ZeekOptions,
    /// Connections that are over, with their service.
    over: OverConnections<Option<&'static str>>,
    /// Connections that two sessions share, of which conn.log has one row.
    shared: BTreeSet<String>,
    /// Ends of sessions by id, for findings about several; empty unless notice.log is written.
    parties: BTreeMap<u64, (String, Address, Address)>,
    /// Collects the warnings, for which the logs have no place.
    rest: ReportBuilder,
}

struct ZeekOptions {
    commands: ZeekCommands,
    local: LocalNetworks,
    md5: bool,
    sha1: bool,
}

/// One output: its rows so far, and its file.
struct Log {
    /// The log whose header it has.
    kind: ZeekLog,
    style: Style,
    rows: TimedLines,
    out: OutputFile,
}

/// Value of one column.
enum Value {
    Unset,
    Time(Timestamp),
    /// Nanoseconds.
    Interval(i64),
    Address(IpAddr),
    Count(u64),
    Flag(bool),
    /// Text that needs no escape.
    Word(String),
    Text(Vec<u8>),
    Set(Vec<&'static str>),
    List(Vec<String>),
}

impl ZeekLogs {
    fn open(options: &ExportOptions, outputs: &mut dyn Outputs, style: Style) -> io::Result<Self> {
        let logs = if options.logs.is_empty() {
            ZeekLog::DEFAULT.to_vec()
        } else {
            options.logs.clone()
        };
        let style = match style {
            Style::Json if options.names_logs => Style::NamedJson,
            style => style,
        };
        let mut output = |log: ZeekLog| {
            Ok(Log {
                kind: log,
                style,
                rows: TimedLines::default(),
                out: outputs.create(&format!("{}.log", log.name()))?,
            })
        };
        let separate = if style == Style::NamedJson {
            &logs[..1]
        } else {
            &logs
        };
        let outputs: io::Result<Vec<Log>> = separate.iter().map(|&log| output(log)).collect();
        Ok(Self {
            outputs: outputs?,
            logs,
            options: ZeekOptions {
                commands: options.zeek_commands,
                local: options.local.clone(),
                md5: options.md5,
                sha1: options.sha1,
            },
            over: OverConnections::new(options.followed),
            shared: BTreeSet::new(),
            parties: BTreeMap::new(),
            rest: ReportBuilder::new(&options.limits),
        })
    }

    fn writes(&self, log: ZeekLog) -> bool {
        self.logs.contains(&log)
    }

    /// Adds a row that was complete at `time`, if its log is written.
    fn row(&mut self, log: ZeekLog, time: Timestamp, values: &[Value]) {
        if !self.writes(log) {
            return;
        }
        let own = self.outputs.iter().position(|output| output.kind == log);
        // A single output is for all logs.
        if let Some(output) = self.outputs.get_mut(own.unwrap_or(0)) {
            output.row(log, time, values);
        }
    }

    fn session(&mut self, session: &Session, now: Timestamp) {
        self.commands(session);
        let service = if session.tls.is_some() {
            "ftp,ssl"
        } else {
            "ftp"
        };
        self.over.add(now, session.control.clone(), Some(service));
        for connection in data_connections(session) {
            let is_third = connection.client.ip != session.client.ip
                || connection.server.ip != session.server.ip;
            if !is_third || self.shared.insert(connection.uid.to_string()) {
                self.over.add(now, connection, Some("ftp-data"));
            }
        }
        for transfer in &session.transfers {
            if let Some(connection) = transfer.connection.as_ref().filter(|_| transfer.bytes > 0) {
                self.transfer(transfer, connection);
            }
        }
        if self.writes(ZeekLog::Ssl) {
            self.tls(session);
        }
        if self.writes(ZeekLog::Dns) {
            self.lookup(session);
        }
        if self.writes(ZeekLog::Notice) {
            let server = Address {
                ip: session.server.ip,
                port: session.server.port,
            };
            let party = (session.uid.to_string(), session.client, server);
            for finding in &session.findings {
                self.notice(finding, session.end, Some(&party));
            }
            if self.parties.len() < MAX_PARTIES {
                self.parties.insert(session.id, party);
            }
        }
    }

    /// Adds the rows of TLS: of the control connection, then of data connections.
    fn tls(&mut self, session: &Session) {
        let transfers = session.transfers.iter();
        let transfers = transfers
            .filter_map(|transfer| Some((transfer.connection.as_ref()?, transfer.tls.as_ref()?)));
        let encrypted = session.encrypted_data.iter();
        let encrypted = encrypted.filter_map(|data| Some((&data.connection, data.tls.as_ref()?)));
        let control = session.tls.iter().map(|tls| (&session.control, tls));
        for (connection, tls) in control.chain(transfers).chain(encrypted) {
            self.tls_row(connection, tls);
        }
    }

    fn tls_row(&mut self, connection: &Connection, tls: &Tls) {
        let opened = Opened::of(connection);
        let text = |text: Option<&str>| match text {
            Some(text) => Value::Text(text.as_bytes().to_vec()),
            None => Value::Unset,
        };
        let start = connection.first_payload.unwrap_or(connection.start);
        let mut row = vec![Value::Time(start), Value::Word(connection.uid.to_string())];
        row.extend(ends(opened.originator, opened.responder));
        let version = tls.version.as_deref().map(zeek_version);
        let certificate = tls.certificate_sha256.clone();
        let alert = tls.alerts.last().map(|alert| alert.description.as_str());
        row.extend([
            text(version.as_deref()),
            text(tls.cipher_suite.as_deref()),
            Value::Unset,
            text(tls.server_name.as_deref()),
            tls.resumed.map_or(Value::Unset, Value::Flag),
            text(alert),
            text(tls.application_protocol.as_deref()),
            Value::Flag(tls.records > 0),
            Value::Unset,
            certificate.map_or(Value::Unset, |digest| Value::List(vec![digest])),
            Value::Unset,
            Value::Unset,
        ]);
        self.row(ZeekLog::Ssl, start, &row);
    }

    /// Adds the row of the lookup of a server.
    fn lookup(&mut self, session: &Session) {
        let mut steps = session.steps.iter();
        let (Some(dns), Some(step)) = (&session.dns, steps.find(|step| step.kind == StepKind::Dns))
        else {
            return;
        };
        let number = if dns.record_type == "AAAA" { 28 } else { 1 };
        let answers = dns.aliases.iter().cloned();
        let answers = answers.chain(dns.answers.iter().map(IpAddr::to_string));
        let waited = dns.response_time.map(Span::from_seconds);
        let mut row = vec![
            Value::Time(step.time),
            Value::Unset,
            Value::Address(session.client.ip),
            Value::Unset,
            Value::Address(dns.resolver.ip),
            Value::Count(dns.resolver.port.into()),
        ];
        row.extend([
            Value::Unset,
            Value::Unset,
            waited.map_or(Value::Unset, |waited| Value::Interval(waited.nanos())),
            Value::Text(dns.name.clone().into_bytes()),
            Value::Count(1),
            Value::Word("C_INTERNET".into()),
            Value::Count(number),
            Value::Text(dns.record_type.clone().into_bytes()),
            Value::Count(0),
            Value::Word("NOERROR".into()),
        ]);
        // Flags, and further on the times to live, are not in the report.
        row.extend((0..5).map(|_| Value::Unset));
        row.extend([
            Value::List(answers.collect()),
            Value::Unset,
            Value::Flag(false),
            Value::Unset,
            Value::Unset,
        ]);
        self.row(ZeekLog::Dns, step.time, &row);
    }

    /// Adds the row of a finding; `party` are the uid and the ends of its session, or of the first of several.
    fn notice(
        &mut self,
        finding: &Finding,
        time: Timestamp,
        party: Option<&(String, Address, Address)>,
    ) {
        let mut row = vec![Value::Time(time)];
        match party {
            Some((uid, client, server)) => {
                row.push(Value::Word(uid.clone()));
                row.extend(ends(*client, *server));
            }
            None => row.extend((0..5).map(|_| Value::Unset)),
        }
        row.extend((0..3).map(|_| Value::Unset));
        let address = |address: Option<Address>| match address {
            Some(address) => Value::Address(address.ip),
            None => Value::Unset,
        };
        let server = party.map(|party| party.2);
        row.extend([
            Value::Word("tcp".into()),
            Value::Word(notice_name(&finding.id)),
            Value::Text(finding.title.clone().into_bytes()),
            Value::Text(finding.explanation.clone().into_bytes()),
            address(party.map(|party| party.1)),
            address(server),
            server.map_or(Value::Unset, |server| Value::Count(server.port.into())),
            Value::Unset,
            Value::Unset,
            Value::Set(vec!["Notice::ACTION_LOG"]),
            Value::Set(Vec::new()),
            Value::Interval(0),
        ]);
        row.extend((0..5).map(|_| Value::Unset));
        self.row(ZeekLog::Notice, time, &row);
    }

    /// Adds the rows of a session in ftp.log.
    fn commands(&mut self, session: &Session) {
        let transfers = transfers_by_command(session);
        if !self.writes(ZeekLog::Ftp) {
            return;
        }
        let all = self.options.commands == ZeekCommands::All;
        let mut dialogue = Dialogue::new(session);
        // Zeek writes a row when it is complete, but rows of one connection stand in the order of their commands.
        let mut written = session.start;
        let mut rows = 0;
        let mut last = None;
        for command in commands(session) {
            dialogue.on_command(command);
            let transfer = transfers.get(&command.sequence).copied();
            let row = dialogue.row(command, transfer);
            let complete = command
                .replies
                .last()
                .map_or(command.time, |last| last.time);
            written = written.max(complete);
            if all || LOGGED.contains(&command.verb.as_str()) {
                self.row(ZeekLog::Ftp, written, &row);
                rows += 1;
            } else {
                last = Some((written, row));
            }
            dialogue.on_replies(command);
        }
        if rows == 0 {
            let greeting = session.greeting.as_ref();
            let summary = last
                .or_else(|| greeting.map(|reply| (reply.time, dialogue.row_of_greeting(reply))));
            if let Some((time, row)) = summary {
                self.row(ZeekLog::Ftp, time, &row);
            }
        }
    }

    /// Adds the row of a connection in conn.log.
    fn connection_row(&mut self, connection: &Connection, service: Option<&str>) {
        let opened = Opened::of(connection);
        let end = connection.closed_at.unwrap_or(connection.end);
        let duration = end.since(connection.start).nanos();
        let timed = |value| if duration > 0 { value } else { Value::Unset };
        let local = &self.options.local;
        let mut row = vec![
            Value::Time(connection.start),
            Value::Word(connection.uid.to_string()),
        ];
        row.extend(ends(opened.originator, opened.responder));
        row.extend([
            Value::Word("tcp".into()),
            service.map_or(Value::Unset, |service| Value::Word(service.into())),
            timed(Value::Interval(duration)),
            timed(Value::Count(opened.payload_bytes[0])),
            timed(Value::Count(opened.payload_bytes[1])),
            Value::Word(connection.tcp_state.to_string()),
            Value::Flag(local.contain(opened.originator.ip)),
            Value::Flag(local.contain(opened.responder.ip)),
            Value::Count(connection.missing_bytes),
            Value::Word(connection.tcp_history.to_string()),
            Value::Count(opened.packets[0]),
            Value::Count(opened.ip_bytes[0]),
            Value::Count(opened.packets[1]),
            Value::Count(opened.ip_bytes[1]),
            Value::Unset,
            Value::Count(6),
        ]);
        self.row(ZeekLog::Conn, connection.end, &row);
    }

    /// Adds the row of a transfer in files.log.
    fn transfer(&mut self, transfer: &Transfer, connection: &Connection) {
        let is_listing = transfer.direction == TransferDirection::Listing;
        let name = transfer.name.as_ref().filter(|_| !is_listing);
        self.file(&File {
            uid: &transfer.uid,
            connection,
            by_client: transfer.direction == TransferDirection::Upload,
            name: name.map(|name| exact(name, transfer.name_b64.as_ref()).into_owned()),
            bytes: transfer.bytes,
            missing: transfer.missing_bytes,
            digests: [&transfer.md5, &transfer.sha1, &transfer.sha256],
            media_type: transfer.media_type.as_deref(),
            saved_as: transfer.saved_as.as_deref(),
        });
    }

    fn unmatched(&mut self, data: &UnmatchedData, now: Timestamp) {
        let connection = &data.connection;
        self.over.add(now, connection.clone(), Some("ftp-data"));
        if data.bytes > 0 {
            self.file(&File {
                uid: &file_uid(&connection.uid, 0),
                connection,
                by_client: connection.payload_bytes_from_client
                    > connection.payload_bytes_from_server,
                name: None,
                bytes: data.bytes,
                missing: connection.missing_bytes,
                digests: [&data.md5, &data.sha1, &data.sha256],
                media_type: data.media_type.as_deref(),
                saved_as: data.saved_as.as_deref(),
            });
        }
    }

    fn file(&mut self, file: &File<'_>) {
        let connection = file.connection;
        let opened = Opened::of(connection);
        let start = connection.first_payload.unwrap_or(connection.start);
        let end = connection.last_payload.unwrap_or(start);
        let sender = if file.by_client {
            connection.client.ip
        } else {
            connection.server.ip
        };
        let mut analyzers = Vec::new();
        analyzers.extend(self.options.md5.then_some("MD5"));
        analyzers.extend(self.options.sha1.then_some("SHA1"));
        analyzers.push("SHA256");
        let text = |text: Option<&str>| match text {
            Some(text) => Value::Text(text.as_bytes().to_vec()),
            None => Value::Unset,
        };
        let mut row = vec![
            Value::Time(start),
            Value::Word(file.uid.to_owned()),
            Value::Word(connection.uid.to_string()),
        ];
        row.extend(ends(opened.originator, opened.responder));
        row.extend([
            Value::Word("FTP_DATA".into()),
            Value::Count(0),
            Value::Set(analyzers),
            text(file.media_type.map(zeek_type)),
            file.name.clone().map_or(Value::Unset, Value::Text),
            Value::Interval(end.since(start).nanos().max(0)),
            Value::Flag(self.options.local.contain(sender)),
            Value::Flag(file.by_client == (connection.originator == Opener::Client)),
            Value::Count(file.bytes),
            Value::Unset,
            Value::Count(file.missing),
            Value::Count(0),
            Value::Flag(false),
            Value::Unset,
        ]);
        // A digest of bytes with gaps matches no file.
        let whole = file.missing == 0;
        row.extend(
            file.digests
                .map(|digest| text(digest.as_deref().filter(|_| whole))),
        );
        row.extend([
            text(file.saved_as),
            file.saved_as.map_or(Value::Unset, |_| Value::Flag(false)),
            Value::Unset,
        ]);
        self.row(ZeekLog::Files, connection.end, &row);
    }
}

/// A file that went over a data connection.
struct File<'a> {
    uid: &'a str,
    connection: &'a Connection,
    /// The client sent it.
    by_client: bool,
    name: Option<Vec<u8>>,
    bytes: u64,
    missing: u64,
    /// MD5, SHA-1 and SHA-256.
    digests: [&'a Option<String>; 3],
    media_type: Option<&'a str>,
    saved_as: Option<&'a str>,
}

impl EventSink for ZeekLogs {
    fn event(&mut self, event: &Event<'_>) {
        let now = event.frame.time;
        match &event.kind {
            EventKind::SessionEnd(session) => self.session(session, now),
            EventKind::UnmatchedData(data) => self.unmatched(data, now),
            EventKind::ConnectionAttempt(attempt) => {
                self.over.add(now, attempt.connection.clone(), None);
            }
            EventKind::LatePackets(connection) => self.over.on_late(connection),
            EventKind::Finding(finding) if event.session.is_none() => {
                if self.writes(ZeekLog::Notice) {
                    let first = finding.sessions.first();
                    let party = first.and_then(|id| self.parties.get(id)).cloned();
                    self.notice(finding, now, party.as_ref());
                }
            }
            _ => self.rest.event(event),
        }
        while let Some((connection, service)) = self.over.take_final(now) {
            self.connection_row(&connection, service);
        }
    }
}

impl Exporter for ZeekLogs {
    fn take_lines(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let mut outputs = self.outputs.iter_mut();
        outputs.try_for_each(|output| output.rows.drain(out))
    }

    fn finish(mut self: Box<Self>, run: RunEnd<'_>) -> io::Result<()> {
        while let Some((connection, service)) = self.over.take() {
            self.connection_row(&connection, service);
        }
        let report = self.rest.finish(run.captures.to_vec(), run.totals.clone());
        (run.unwritten_warnings)(&report.warnings);
        let captures = run.captures.iter();
        let open = captures.clone().filter_map(|capture| capture.first_packet);
        let close = captures.filter_map(|capture| capture.last_packet);
        let (open, close) = (open.min(), close.max());
        for output in self.outputs {
            output.finish(open.unwrap_or_default(), close.unwrap_or_default())?;
        }
        Ok(())
    }
}

/// Dialogue of one session, as its rows are written.
struct Dialogue<'a> {
    session: &'a Session,
    /// Argument of the last USER; `None` before it.
    user: Option<Vec<u8>>,
    password: Option<Vec<u8>>,
    /// Working directory, `.` until it is known.
    directory: Vec<u8>,
}

impl<'a> Dialogue<'a> {
    fn new(session: &'a Session) -> Self {
        Self {
            session,
            user: None,
            password: None,
            directory: b".".to_vec(),
        }
    }

    fn on_command(&mut self, command: &Command) {
        let argument = || cut(argument(command).unwrap_or_default(), LONGEST_NAME);
        match command.verb.as_str() {
            "USER" => self.user = Some(argument()),
            "PASS" => self.password = Some(argument()),
            _ => {}
        }
    }

    /// Applies the final reply to the working directory.
    fn on_replies(&mut self, command: &Command) {
        let Some(reply) = command.replies.last() else {
            return;
        };
        let argument = argument(command).unwrap_or_default();
        match (command.verb.as_str(), reply.code) {
            ("CWD" | "XCWD", 250) => self.directory = join(&self.directory, &argument),
            ("CDUP" | "XCUP", 200 | 250) => self.directory = join(&self.directory, b".."),
            ("PWD" | "XPWD", 257) => {
                if let Some(path) = quoted(last_line(reply)) {
                    self.directory = path;
                }
            }
            _ => {}
        }
    }

    /// Returns the row of a command.
    fn row(&self, command: &Command, transfer: Option<&Transfer>) -> Vec<Value> {
        let carried =
            transfer.filter(|transfer| transfer.bytes > 0 && transfer.connection.is_some());
        let reply = command.replies.last();
        let channel = self.data_channel(command, reply);
        let mut row = self.beginning(command.time);
        row.extend([
            Value::Text(command.verb.clone().into_bytes()),
            self.argument(command),
            carried
                .and_then(|transfer| transfer.media_type.as_deref())
                .map_or(Value::Unset, |media| Value::Text(zeek_type(media).into())),
            announced_size(command).map_or(Value::Unset, Value::Count),
        ]);
        row.extend(reply_values(reply));
        row.extend(channel);
        row.push(carried.map_or(Value::Unset, |transfer| {
            Value::Word(transfer.uid.to_string())
        }));
        row
    }

    /// Returns the row of a session without commands.
    fn row_of_greeting(&self, reply: &Reply) -> Vec<Value> {
        let mut row = self.beginning(reply.time);
        row.extend([
            Value::Text(b"<init>".to_vec()),
            Value::Unset,
            Value::Unset,
            Value::Unset,
        ]);
        row.extend(reply_values(Some(reply)));
        row.extend([
            Value::Unset,
            Value::Unset,
            Value::Unset,
            Value::Unset,
            Value::Unset,
        ]);
        row
    }

    fn beginning(&self, time: Timestamp) -> Vec<Value> {
        let session = self.session;
        let server = Address {
            ip: session.server.ip,
            port: session.server.port,
        };
        let mut row = vec![Value::Time(time), Value::Word(session.uid.to_string())];
        row.extend(ends(session.client, server));
        let user = self.user.as_deref().unwrap_or(b"<unknown>");
        row.push(Value::Text(user.to_vec()));
        row.push(self.password.clone().map_or(Value::Unset, Value::Text));
        row
    }

    fn argument(&self, command: &Command) -> Value {
        let argument = argument(command);
        if FILE_COMMANDS.contains(&command.verb.as_str()) {
            let path = join(&self.directory, &argument.unwrap_or_default());
            let host = match self.session.server.ip {
                IpAddr::V4(ip) => ip.to_string(),
                IpAddr::V6(ip) => format!("[{ip}]"),
            };
            let mut url = format!("ftp://{host}").into_bytes();
            if !path.starts_with(b"/") {
                url.push(b'/');
            }
            url.extend(path);
            return Value::Text(cut(url, LONGEST_TEXT));
        }
        match argument {
            Some(argument) if !argument.is_empty() => Value::Text(cut(argument, LONGEST_TEXT)),
            _ => Value::Unset,
        }
    }

    /// Returns the end points that PORT, EPRT, PASV or EPSV negotiated: four unset values for other commands, and where none
    /// can be read.
    fn data_channel(&self, command: &Command, reply: Option<&Reply>) -> [Value; 4] {
        let session = self.session;
        let argument = || argument(command).unwrap_or_default();
        let text = |code| {
            let reply = reply.filter(|reply| reply.code == code);
            reply.map(|reply| last_line(reply).as_bytes())
        };
        let active = |end: Endpoint| (false, session.server.ip, end.ip(), end.port);
        let passive = |ip, port| (true, session.client.ip, ip, port);
        let channel = match command.verb.as_str() {
            "PORT" => port_argument(&argument()).map(active).or_else(|| {
                Some(active(Endpoint {
                    port: 0,
                    ..without_port(&argument())?
                }))
            }),
            "EPRT" => extended_port_argument(&argument()).map(active),
            "PASV" => text(227)
                .and_then(passive_reply)
                .map(|end| passive(end.ip(), end.port)),
            "EPSV" => text(229)
                .and_then(extended_passive_reply)
                .map(|end| passive(end.address.unwrap_or(session.server.ip), end.port)),
            _ => None,
        };
        match channel {
            Some((is_passive, opener, listener, port)) => [
                Value::Flag(is_passive),
                Value::Address(opener),
                Value::Address(listener),
                Value::Count(port.into()),
            ],
            None => [Value::Unset, Value::Unset, Value::Unset, Value::Unset],
        }
    }
}

/// Returns the address of PORT with port 0, which no connection can have, but Zeek logs.
fn without_port(argument: &[u8]) -> Option<Endpoint> {
    let host = argument.trim_ascii_end().strip_suffix(b",0,0")?;
    port_argument(&[host, b",0,1"].concat())
}

/// Returns code and text of a reply, unset without one.
fn reply_values(reply: Option<&Reply>) -> [Value; 2] {
    match reply {
        Some(reply) => {
            let exact_line = reply.lines_b64.as_ref().and_then(|lines| lines.last());
            let text = exact(last_line(reply), exact_line);
            let text = cut(text.trim_ascii_start().to_vec(), LONGEST_TEXT);
            [Value::Count(reply.code.into()), Value::Text(text)]
        }
        None => [Value::Unset, Value::Unset],
    }
}

/// Returns the last number in the 150 reply to RETR.
fn announced_size(command: &Command) -> Option<u64> {
    if command.verb != "RETR" {
        return None;
    }
    let reply = command.replies.iter().find(|reply| reply.code == 150)?;
    let mut numbers = last_line(reply).split(|letter: char| !letter.is_ascii_digit());
    numbers.rfind(|number| !number.is_empty())?.parse().ok()
}

/// Returns the exact argument of a command without blanks in front; `None` without one.
fn argument(command: &Command) -> Option<Vec<u8>> {
    let text = command.argument.as_deref()?;
    let bytes = exact(text, command.argument_b64.as_ref());
    let begin = bytes.iter().position(|byte| !matches!(byte, b' ' | b'\t'));
    Some(begin.map_or_else(Vec::new, |begin| bytes[begin..].to_vec()))
}

/// Returns the path between quotes in a reply to PWD, in which a quote is doubled (RFC 959 appendix II).
fn quoted(text: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once('"')?;
    let mut path = Vec::new();
    let mut bytes = rest.bytes().peekable();
    while let Some(byte) = bytes.next() {
        if byte == b'"' && bytes.next_if_eq(&b'"').is_none() {
            return Some(path);
        }
        path.push(byte);
    }
    None
}

/// Returns `name` within `directory`, with `//`, `/./` and `x/..` resolved as Zeek does.
fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let is_drive = |name: &[u8]| matches!(name, [letter, b':', b'/' | b'\\', ..] if letter.is_ascii_alphabetic());
    let path = if name.starts_with(b"/") || is_drive(name) || directory.is_empty() {
        name.to_vec()
    } else {
        let mut path = directory.to_vec();
        if !path.ends_with(b"/") {
            path.push(b'/');
        }
        path.extend(name);
        path
    };
    let resolves = path.windows(2).any(|pair| matches!(pair, b"//" | b"/."));
    if !resolves {
        return match path.as_slice() {
            [rest @ .., b'/'] if !rest.is_empty() => rest.to_vec(),
            whole => whole.to_vec(),
        };
    }
    let mut parts: Vec<&[u8]> = Vec::new();
    for (index, part) in path.split(|&byte| byte == b'/').enumerate() {
        if part.is_empty() || (part == b"." && index > 0) {
            continue;
        }
        match parts.last().copied() {
            Some(b".") if part == b".." => {
                parts.pop();
                parts.push(b"..");
            }
            Some(last) if part == b".." && last != b"~" && last != b".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    let mut joined = if path.starts_with(b"/") {
        b"/".to_vec()
    } else {
        Vec::new()
    };
    joined.extend(parts.join(&b'/'));
    joined
}

fn cut(mut bytes: Vec<u8>, longest: usize) -> Vec<u8> {
    bytes.truncate(longest);
    bytes
}

fn ends(originator: Address, responder: Address) -> [Value; 4] {
    [
        Value::Address(originator.ip),
        Value::Count(originator.port.into()),
        Value::Address(responder.ip),
        Value::Count(responder.port.into()),
    ]
}

/// Returns Zeek's name of a media type.
fn zeek_type(media_type: &str) -> &str {
    match media_type {
        "application/gzip" => "application/x-gzip",
        "application/bzip2" | "application/x-bzip" => "application/x-bzip2",
        "application/xz" => "application/x-xz",
        "application/vnd.rar" => "application/x-rar",
        "application/vnd.microsoft.portable-executable" => "application/x-dosexec",
        "application/x-elf" | "application/x-sharedlib" => "application/x-executable",
        "application/x-mach-binary" => "application/x-mach-o-executable",
        "application/json" => "text/json",
        "application/x-sh" | "text/x-sh" => "text/x-shellscript",
        other => other,
    }
}

impl LocalNetworks {
    /// Parses a comma-separated list of networks such as `10.0.0.0/8,2001:db8::/32`; fails with the first entry that is none.
    pub fn parse(list: &str) -> Result<Self, String> {
        let parse = |entry: &str| {
            let (address, length) = entry.split_once('/').unwrap_or((entry, ""));
            let address: IpAddr = address.trim().parse().ok()?;
            let bits = if address.is_ipv4() { 32 } else { 128 };
            let length: u32 = match length {
                "" => bits,
                length => length.parse().ok().filter(|length| *length <= bits)?,
            };
            Some((mapped(address), 128 - bits + length))
        };
        let entries = list.split(',').map(str::trim);
        let networks = entries.map(|entry| parse(entry).ok_or_else(|| entry.to_owned()));
        networks.collect::<Result<_, _>>().map(Self)
    }

    /// Returns whether an address is local: in one of the networks, or in a private or special range if none was given.
    fn contain(&self, ip: IpAddr) -> bool {
        // 6to4 (RFC 3056) has the IPv4 address in it.
        let ip = match ip {
            IpAddr::V6(v6) if v6.segments()[0] == 0x2002 => {
                let [_, high, low, ..] = v6.segments();
                IpAddr::V4((u32::from(high) << 16 | u32::from(low)).into())
            }
            other => other,
        };
        let address = mapped(ip);
        let inside = |&(network, length): &(u128, u32)| {
            let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
            address & mask == network & mask
        };
        if self.0.is_empty() {
            SPECIAL.iter().any(inside)
        } else {
            self.0.iter().any(inside)
        }
    }
}

/// Returns an address as an IPv6 one, IPv4 mapped.
const fn mapped(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

const fn v4(a: u8, b: u8, c: u8, length: u32) -> (u128, u32) {
    (
        mapped(IpAddr::V4(std::net::Ipv4Addr::new(a, b, c, 0))),
        96 + length,
    )
}

const fn v6(a: u16, b: u16, c: u16, length: u32) -> (u128, u32) {
    let address = std::net::Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0);
    (address.to_bits(), length)
}

impl Log {
    /// Adds a row of `log` that was complete at `time`.
    fn row(&mut self, log: ZeekLog, time: Timestamp, values: &[Value]) {
        let style = self.style;
        self.rows.push(time, |out| match style {
            Style::Tabs => write_tabs(values, out),
            Style::Json => write_json(None, log.columns(), values, out),
            Style::NamedJson => write_json(Some(log.name()), log.columns(), values, out),
        });
    }

    /// Writes the log, unless it has no rows.
    fn finish(mut self, open: Timestamp, close: Timestamp) -> io::Result<()> {
        if self.rows.is_empty() {
            return self.out.flush();
        }
        if self.style == Style::Tabs {
            let list = |of: fn(&(&'static str, &'static str)) -> &'static str| {
                let names: Vec<&str> = self.kind.columns().iter().map(of).collect();
                names.join("\t")
            };
            write!(
                self.out,
                "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\t{}\n#open\t{}\n#fields\t{}\n#types\t{}\n",
                self.kind.name(),
                stamp(open),
                list(|column| column.0),
                list(|column| column.1),
            )?;
        }
        self.rows.write(&mut self.out)?;
        if self.style == Style::Tabs {
            writeln!(self.out, "#close\t{}", stamp(close))?;
        }
        self.out.flush()
    }
}

/// Formats as `2026-11-20-15-53-01`.
fn stamp(time: Timestamp) -> String {
    let text = time.to_string();
    let seconds = text.get(..19).unwrap_or(&text);
    seconds.replace(['T', ':'], "-")
}

fn write_tabs(values: &[Value], out: &mut impl Write) -> io::Result<()> {
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.write_all(b"\t")?;
        }
        match value {
            Value::Unset => out.write_all(b"-")?,
            Value::Time(time) => write_decimal(time.nanos(), out)?,
            Value::Interval(nanos) => write_decimal(*nanos, out)?,
            Value::Address(ip) => write!(out, "{ip}")?,
            Value::Count(count) => write!(out, "{count}")?,
            Value::Flag(flag) => out.write_all(if *flag { b"T" } else { b"F" })?,
            Value::Word(word) => out.write_all(word.as_bytes())?,
            Value::Text(text) => out.write_all(&escaped(text))?,
            Value::Set(items) if items.is_empty() => out.write_all(b"(empty)")?,
            Value::Set(items) => out.write_all(items.join(",").as_bytes())?,
            Value::List(items) if items.is_empty() => out.write_all(b"(empty)")?,
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.write_all(b",")?;
                    }
                    // A comma within an element would end it.
                    let item =
                        String::from_utf8_lossy(&escaped(item.as_bytes())).replace(',', "\\x2c");
                    out.write_all(item.as_bytes())?;
                }
            }
        }
    }
    out.write_all(b"\n")
}

/// Writes a line of JSON, with `path` in front if there is one.
fn write_json(
    path: Option<&str>,
    columns: Columns,
    values: &[Value],
    out: &mut impl Write,
) -> io::Result<()> {
    out.write_all(b"{")?;
    let mut separator = "";
    if let Some(path) = path {
        write!(out, "\"_path\":\"{path}\"")?;
        separator = ",";
    }
    for ((name, _), value) in columns.iter().zip(values) {
        if matches!(value, Value::Unset) {
            continue;
        }
        write!(out, "{separator}\"{name}\":")?;
        separator = ",";
        match value {
            Value::Unset => {}
            Value::Time(time) => write_decimal(time.nanos(), out)?,
            Value::Interval(nanos) => write_decimal(*nanos, out)?,
            Value::Address(ip) => write!(out, "\"{ip}\"")?,
            Value::Count(count) => write!(out, "{count}")?,
            Value::Flag(flag) => write!(out, "{flag}")?,
            Value::Word(word) => write_value(word, out)?,
            Value::Text(text) => write_value(&json_text(text), out)?,
            Value::Set(items) => write_value(items, out)?,
            Value::List(items) => write_value(items, out)?,
        }
    }
    out.write_all(b"}\n")
}

/// Writes seconds with six decimals; nanoseconds are cut off.
fn write_decimal(nanos: i64, out: &mut impl Write) -> io::Result<()> {
    let micros = nanos.max(0) / 1000;
    write!(out, "{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// Returns a text as a value of a log with tabs.
fn escaped(text: &[u8]) -> Vec<u8> {
    match text {
        b"" => return b"(empty)".to_vec(),
        b"-" => return b"\\x2d".to_vec(),
        b"(empty)" => return b"\\x28empty)".to_vec(),
        _ => {}
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    loop {
        let end = rest.iter().position(|byte| matches!(byte, b'\t' | b'\\'));
        let (piece, separator) = match end {
            Some(end) => (&rest[..end], Some(rest[end])),
            None => (rest, None),
        };
        push_piece(piece, &mut out);
        match separator {
            Some(b'\t') => out.extend(b"\\x09"),
            Some(_) => out.extend(b"\\\\"),
            None => return out,
        }
        rest = &rest[piece.len() + 1..];
    }
}

/// Adds a piece without tabs and backslashes.
fn push_piece(piece: &[u8], out: &mut Vec<u8>) {
    let is_special = |letter: char| {
        letter.is_control() || matches!(letter, '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{ffff}')
    };
    let is_plain = std::str::from_utf8(piece).is_ok_and(|text| !text.chars().any(is_special));
    if is_plain {
        out.extend(piece);
        return;
    }
    for &byte in piece {
        if byte.is_ascii_graphic() || byte == b' ' {
            out.push(byte);
        } else {
            push_hex(byte, out);
        }
    }
}

fn push_hex(byte: u8, out: &mut Vec<u8>) {
    out.extend(b"\\x");
    out.extend([byte >> 4, byte & 15].map(|digit| b"0123456789abcdef"[usize::from(digit)]));
}

/// Returns a text for JSON: bytes that are not UTF-8 are written as the text `\xHH`.
fn json_text(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for &byte in chunk.invalid() {
            let mut hex = Vec::new();
            push_hex(byte, &mut hex);
            text.extend(hex.into_iter().map(char::from));
        }
    }
    text
}

/// Returns a version of TLS as Zeek names it.
fn zeek_version(version: &str) -> String {
    match version {
        "SSL 3.0" => "SSLv3".to_owned(),
        "TLS 1.0" => "TLSv10".to_owned(),
        version => match version.strip_prefix("TLS ") {
            Some(number) => format!("TLSv{}", number.replace('.', "")),
            None => version.to_owned(),
        },
    }
}

/// Returns the type of the notice about a finding.
fn notice_name(finding: &str) -> String {
    if finding == "brute-force" {
        // The name that Zeek's own script has for it.
        return "FTP::Bruteforcing".to_owned();
    }
    let mut name = String::from("FTPScope::");
    for word in finding.split('-') {
        let mut letters = word.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    name
}

/// Sessions kept for findings about several.
const MAX_PARTIES: usize = 65_536;

/// Commands with a row in Zeek's ftp.log.
const LOGGED: &[&str] = &[
    "APPE", "DELE", "RETR", "STOR", "STOU", "ACCT", "PORT", "PASV", "EPRT", "EPSV",
];

/// Commands whose argument is written as a URL.
const FILE_COMMANDS: &[&str] = &[
    "APPE", "CWD", "DELE", "MKD", "RETR", "RMD", "RNFR", "RNTO", "STOR", "STOU", "REST", "SIZE",
    "MDTM",
];

/// Bytes kept of a user name and a password.
const LONGEST_NAME: usize = 128;

/// Bytes kept of an argument and the text of a reply.
const LONGEST_TEXT: usize = 4096;

/// Private and special networks: local unless others are named.
const SPECIAL: &[(u128, u32)] = &[
    v4(0, 0, 0, 8),
    v4(10, 0, 0, 8),
    v4(100, 64, 0, 10),
    v4(127, 0, 0, 8),
    v4(169, 254, 0, 16),
    v4(172, 16, 0, 12),
    v4(192, 0, 0, 24),
    v4(192, 0, 2, 24),
    v4(192, 168, 0, 16),
    v4(198, 18, 0, 15),
    v4(198, 51, 100, 24),
    v4(203, 0, 113, 24),
    v4(224, 0, 0, 24),
    v4(239, 0, 0, 8),
    v4(240, 0, 0, 4),
    (0, 128),
    (1, 128),
    v6(0x64, 0xff9b, 1, 48),
    v6(0x100, 0, 0, 64),
    v6(0x2001, 0, 0, 23),
    v6(0x2001, 2, 0, 48),
    v6(0x2001, 0xdb8, 0, 32),
    v6(0xfc00, 0, 0, 7),
    v6(0xfe80, 0, 0, 10),
    v6(0xfec0, 0, 0, 10),
];

const FTP: &[(&str, &str)] = &[
    ("ts", "time"),
    ("uid", "string"),
    ("id.orig_h", "addr"),
    ("id.orig_p", "port"),
    ("id.resp_h", "addr"),
    ("id.resp_p", "port"),
    ("user", "string"),
    ("password", "string"),
    ("command", "string"),
    ("arg", "string"),
    ("mime_type", "string"),
    ("file_size", "count"),
    ("reply_code", "count"),
    ("reply_msg", "string"),
    ("data_channel.passive", "bool"),
    ("data_channel.orig_h", "addr"),
    ("data_channel.resp_h", "addr"),
    ("data_channel.resp_p", "port"),
    ("fuid", "string"),
];

const CONN: &[(&str, &str)] = &[
    ("ts", "time"),
    ("uid", "string"),
    ("id.orig_h", "addr"),
    ("id.orig_p", "port"),
    ("id.resp_h", "addr"),
    ("id.resp_p", "port"),
    ("proto", "enum"),
    ("service", "string"),
    ("duration", "interval"),
    ("orig_bytes", "count"),
    ("resp_bytes", "count"),
    ("conn_state", "string"),
    ("local_orig", "bool"),
    ("local_resp", "bool"),
    ("missed_bytes", "count"),
    ("history", "string"),
    ("orig_pkts", "count"),
    ("orig_ip_bytes", "count"),
    ("resp_pkts", "count"),
    ("resp_ip_bytes", "count"),
    ("tunnel_parents", "set[string]"),
    ("ip_proto", "count"),
];

const FILES: &[(&str, &str)] = &[
    ("ts", "time"),
    ("fuid", "string"),
    ("uid", "string"),
    ("id.orig_h", "addr"),
    ("id.orig_p", "port"),
    ("id.resp_h", "addr"),
    ("id.resp_p", "port"),
    ("source", "string"),
    ("depth", "count"),
    ("analyzers", "set[string]"),
    ("mime_type", "string"),
    ("filename", "string"),
    ("duration", "interval"),
    ("local_orig", "bool"),
    ("is_orig", "bool"),
    ("seen_bytes", "count"),
    ("total_bytes", "count"),
    ("missing_bytes", "count"),
    ("overflow_bytes", "count"),
    ("timedout", "bool"),
    ("parent_fuid", "string"),
    ("md5", "string"),
    ("sha1", "string"),
    ("sha256", "string"),
    ("extracted", "string"),
    ("extracted_cutoff", "bool"),
    ("extracted_size", "count"),
];

const SSL: &[(&str, &str)] = &[
    ("ts", "time"),
    ("uid", "string"),
    ("id.orig_h", "addr"),
    ("id.orig_p", "port"),
    ("id.resp_h", "addr"),
    ("id.resp_p", "port"),
    ("version", "string"),
    ("cipher", "string"),
    ("curve", "string"),
    ("server_name", "string"),
    ("resumed", "bool"),
    ("last_alert", "string"),
    ("next_protocol", "string"),
    ("established", "bool"),
    ("ssl_history", "string"),
    ("cert_chain_fps", "vector[string]"),
    ("client_cert_chain_fps", "vector[string]"),
    ("sni_matches_cert", "bool"),
];

const DNS: &[(&str, &str)] = &[
    ("ts", "time"),
    ("uid", "string"),
    ("id.orig_h", "addr"),
    ("id.orig_p", "port"),
    ("id.resp_h", "addr"),
    ("id.resp_p", "port"),
    ("proto", "enum"),
    ("trans_id", "count"),
    ("rtt", "interval"),
    ("query", "string"),
    ("qclass", "count"),
    ("qclass_name", "string"),
    ("qtype", "count"),
    ("qtype_name", "string"),
    ("rcode", "count"),
    ("rcode_name", "string"),
    ("AA", "bool"),
    ("TC", "bool"),
    ("RD", "bool"),
    ("RA", "bool"),
    ("Z", "count"),
    ("answers", "vector[string]"),
    ("TTLs", "vector[interval]"),
    ("rejected", "bool"),
    ("opcode", "count"),
    ("opcode_name", "string"),
];

const NOTICE: &[(&str, &str)] = &[
    ("ts", "time"),
    ("uid", "string"),
    ("id.orig_h", "addr"),
    ("id.orig_p", "port"),
    ("id.resp_h", "addr"),
    ("id.resp_p", "port"),
    ("fuid", "string"),
    ("file_mime_type", "string"),
    ("file_desc", "string"),
    ("proto", "enum"),
    ("note", "enum"),
    ("msg", "string"),
    ("sub", "string"),
    ("src", "addr"),
    ("dst", "addr"),
    ("p", "port"),
    ("n", "count"),
    ("peer_descr", "string"),
    ("actions", "set[enum]"),
    ("email_dest", "set[string]"),
    ("suppress_for", "interval"),
    ("remote_location.country_code", "string"),
    ("remote_location.region", "string"),
    ("remote_location.city", "string"),
    ("remote_location.latitude", "double"),
    ("remote_location.longitude", "double"),
];

#[cfg(test)]
mod tests {
    use super::super::tests::export;
    use super::*;

    #[test]
    fn every_hostile_text_is_one_value() {
        let cases: &[(&[u8], &str)] = &[
            (b"", "(empty)"),
            (b"-", "\\x2d"),
            (b"(empty)", "\\x28empty)"),
            (b"a\tb\nc\\d", "a\\x09b\\x0ac\\\\d"),
            ("grün".as_bytes(), "grün"),
            (
                "grün\tgr\u{fc}n\u{7f}".as_bytes(),
                "grün\\x09gr\\xc3\\xbcn\\x7f",
            ),
            (b"\xff x", "\\xff x"),
            (b"#a", "#a"),
        ];
        for (text, value) in cases {
            assert_eq!(String::from_utf8_lossy(&escaped(text)), *value);
        }
        assert_eq!(json_text(b"a\xff"), "a\\xff");
    }

    #[test]
    fn paths_are_resolved_within_the_directory() {
        let cases = [
            ("/", "a", "/a"),
            (".", "robots.txt", "./robots.txt"),
            ("/pub", "../x", "/x"),
            ("/pub", "/a//b/./c/", "/a/b/c"),
            ("/pub", "", "/pub"),
            (".", "", "."),
            ("/pub", "C:\\x", "C:\\x"),
        ];
        for (directory, name, path) in cases {
            let joined = join(directory.as_bytes(), name.as_bytes());
            assert_eq!(String::from_utf8_lossy(&joined), path, "{directory} {name}");
        }
        assert_eq!(quoted("\"/a \"\"b\" is it"), Some(b"/a \"b".to_vec()));
    }

    #[test]
    fn networks_are_parsed_and_special_ones_are_local() {
        let local = LocalNetworks::default();
        for (ip, is_local) in [
            ("10.1.2.3", true),
            ("8.8.8.8", false),
            ("fe80::1", true),
            ("2002:a00:1::1", true),
            ("2600::1", false),
        ] {
            assert_eq!(
                local.contain(ip.parse().expect("an address")),
                is_local,
                "{ip}"
            );
        }
        let named = LocalNetworks::parse("8.8.0.0/16, 2600::/16").expect("networks");
        assert!(named.contain("8.8.8.8".parse().expect("an address")));
        assert!(!named.contain("10.0.0.1".parse().expect("an address")));
        assert_eq!(LocalNetworks::parse("10.0.0.0/8,x"), Err("x".to_owned()));
    }

    #[test]
    fn logs_of_the_example_have_one_value_a_column() {
        let logs = export(&TSV, &ExportOptions::default(), &[1]);
        assert_eq!(
            logs.keys().collect::<Vec<_>>(),
            ["conn.log", "files.log", "ftp.log"]
        );
        for log in logs.values() {
            let count = |line: &str| line.split('\t').count();
            let fields = log.lines().find(|line| line.starts_with("#fields"));
            let fields = fields.expect("a header");
            for row in log.lines().filter(|line| !line.starts_with('#')) {
                assert_eq!(count(row), count(fields) - 1, "{row}");
            }
        }
        assert!(logs["ftp.log"].contains("\tRETR\tftp://192.168.0.1/./pub/readme.txt\t"));
        let json = export(&JSON, &ExportOptions::default(), &[1]);
        for line in json.values().flat_map(|log| log.lines()) {
            let line = serde_json::from_str::<serde_json::Value>(line).expect("JSON");
            assert_eq!(line.get("_path"), None);
        }
    }

    #[test]
    fn chosen_logs_go_into_one_output_under_their_names() {
        let options = ExportOptions {
            logs: ZeekLog::ALL.to_vec(),
            names_logs: true,
            ..ExportOptions::default()
        };
        let logs = export(&JSON, &options, &[1]);
        assert_eq!(logs.len(), 1);
        let lines = logs.values().flat_map(|log| log.lines());
        let values = lines.map(serde_json::from_str::<serde_json::Value>);
        let values: Vec<_> = values.collect::<Result<_, _>>().expect("JSON");
        let names: BTreeSet<_> = values
            .iter()
            .filter_map(|row| row["_path"].as_str())
            .collect();
        assert_eq!(
            names.into_iter().collect::<Vec<_>>(),
            ["conn", "dns", "files", "ftp", "notice"]
        );
        assert_eq!(notice_name("size-mismatch"), "FTPScope::SizeMismatch");
        assert_eq!(zeek_version("TLS 1.3"), "TLSv13");
    }

    #[test]
    fn rows_of_every_log_have_one_value_a_column() {
        let options = ExportOptions {
            logs: ZeekLog::ALL.to_vec(),
            ..ExportOptions::default()
        };
        for (name, log) in export(&TSV, &options, &[1]) {
            let rows = log.lines().filter(|line| !line.starts_with('#'));
            let log = ZeekLog::ALL
                .into_iter()
                .find(|log| name == format!("{}.log", log.name()));
            let columns = log.expect("a log").columns().len();
            for row in rows {
                assert_eq!(row.split('\t').count(), columns, "{name}: {row}");
            }
        }
    }
}
