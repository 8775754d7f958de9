//! `eve`: EVE JSON as Suricata 8.0 and 9.0 write it, one object a line.
//!
//! ```text
//! session ──> greeting, commands, unsolicited replies ──> ftp
//!         ──> transfers ─────────────────────────────────> ftp_data, and fileinfo for files
//!         ──> connections ───────────────────────────────> flow
//!         ──> lookup, TLS ───────────────────────────────> dns, tls       with --eve-types
//!         └─> findings ──────────────────────────────────> alert from medium severity on, anomaly below; the same
//! ```
//!
//! Suricata's schema allows no member of its own making, at any level: facts that EVE has no place for are left out, and so are
//! members whose value is not known. Lines are in order of `timestamp`, the packet that completed the event. Counts of a `flow`
//! include packets after its end and second copies made by the capture, as Suricata's do; its times are those of the report.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::IpAddr;

use serde_json::{Value, json};

use super::timed_lines::{
    Opened, OverConnections, TimedLines, commands, data_connections, flow_of, last_line,
};
use super::{ExportOptions, Exporter, Format, OutputFile, OutputKind, RunEnd};
use crate::model::record::{
    Address, Close, Command, Completeness, Connection, EndState, Finding, Outcome, Reply, Session,
    Severity, StepKind, Tls, Transfer, TransferDirection,
};
use crate::model::{Event, EventKind, EventSink, Span, Timestamp};
use crate::protocol::ftp::{
    extended_passive_reply, extended_port_argument, passive_reply, port_argument,
};
use crate::report::ReportBuilder;
use crate::report::json::compact::Object;

pub(super) const FORMAT: Format = Format {
    name: "eve",
    summary: "Suricata's EVE JSON",
    unit: Some("Suricata's events"),
    output: OutputKind::Document,
    open: |options, outputs| {
        let out = outputs.create("eve.json")?;
        Ok(Box::new(Eve::new(options, out)))
    },
    schema: Some(schema),
};

/// Returns the JSON Schema of a line: the part of Suricata's that is written here.
fn schema() -> String {
    let texts = json!({"type": "array", "minItems": 1, "items": {"type": "string"}});
    let object = |fields: Value| json!({"type": "object", "additionalProperties": false, "properties": fields});
    let record = json!({"type": "object", "additionalProperties": false, "properties": {
        "rrname": TEXT.value(), "rrtype": TEXT.value(), "rdata": TEXT.value(),
    }});
    let records = json!({"type": "array", "minItems": 1, "items": record});
    let [text, number, flag] = [TEXT, NUMBER, FLAG].map(MemberType::value);
    let time = json!({"type": "string", "pattern": TIME_PATTERN});
    let ftp_data = object(json!({"filename": text, "command": text}));
    let ftp = object(json!({
        "command": text, "command_data": text, "completion_code": texts, "reply": texts,
        "dynamic_port": number, "mode": {"enum": ["active", "passive"]},
        "command_truncated": flag, "reply_received": {"enum": ["yes", "no"]},
        "reply_truncated": flag,
    }));
    let fileinfo = object(json!({
        "filename": text, "gaps": flag, "state": {"enum": ["CLOSED", "TRUNCATED"]},
        "md5": text, "sha1": text, "sha256": text, "stored": flag, "file_id": number,
        "size": number, "tx_id": number,
    }));
    let flow = object(json!({
        "pkts_toserver": number, "pkts_toclient": number, "bytes_toserver": number,
        "bytes_toclient": number, "start": time, "end": time, "age": number,
        "state": {"enum": ["new", "established", "closed"]},
        "reason": {"enum": ["timeout", "shutdown"]}, "alerted": flag, "tx_cnt": number,
    }));
    let tls = object(json!({
        "version": text, "sni": text, "session_resumed": flag, "server_alpns": texts,
        "from_proto": text,
    }));
    let dns = object(json!({
        "version": number, "type": text, "rcode": text, "queries": records, "answers": records,
    }));
    let anomaly = object(json!({"app_proto": text, "type": text, "event": text, "layer": text}));
    let alert = object(json!({
        "action": text, "gid": number, "signature_id": number, "rev": number, "signature": text,
        "category": text, "severity": number,
    }));
    let kinds = EveType::ALL.map(EveType::name);
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": false,
        "required": ["timestamp", "event_type"],
        "properties": {
            "timestamp": time, "flow_id": number, "parent_id": number, "in_iface": text,
            "pcap_cnt": number, "event_type": {"enum": kinds},
            "vlan": {"type": "array", "minItems": 1, "items": number},
            "src_ip": text, "src_port": number, "dest_ip": text, "dest_port": number,
            "proto": text, "ip_v": number, "pkt_src": text, "tx_id": number, "app_proto": text,
            "app_proto_orig": text, "community_id": text, "pcap_filename": text,
            "ftp": ftp, "ftp_data": ftp_data, "fileinfo": fileinfo, "flow": flow, "tls": tls,
            "dns": dns, "anomaly": anomaly, "alert": alert,
        },
    });
    format!("{schema:#}\n")
}

/// Type of a member in the schema.
#[derive(Clone, Copy)]
struct MemberType(&'static str);

impl MemberType {
    fn value(self) -> Value {
        json!({"type": self.0})
    }
}

const TEXT: MemberType = MemberType("string");
const NUMBER: MemberType = MemberType("integer");
const FLAG: MemberType = MemberType("boolean");
const TIME_PATTERN: &str = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d+[+\-]\d+$";

/// Kinds of events to write; empty for those of Suricata's own configuration: `ftp`, `ftp_data`, `fileinfo`, `flow`.
pub type EveTypes = Vec<EveType>;

/// A kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EveType {
    /// A command with its replies, or replies without one.
    Ftp,
    /// A transfer.
    FtpData,
    /// A file.
    FileInfo,
    /// A connection.
    Flow,
    /// TLS of a connection.
    Tls,
    /// The lookup of a server.
    Dns,
    /// A finding of low severity or less.
    Anomaly,
    /// A finding of medium severity or more.
    Alert,
}

impl EveType {
    const ALL: [Self; 8] = [
        Self::Ftp,
        Self::FtpData,
        Self::FileInfo,
        Self::Flow,
        Self::Tls,
        Self::Dns,
        Self::Anomaly,
        Self::Alert,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Ftp => "ftp",
            Self::FtpData => "ftp_data",
            Self::FileInfo => "fileinfo",
            Self::Flow => "flow",
            Self::Tls => "tls",
            Self::Dns => "dns",
            Self::Anomaly => "anomaly",
            Self::Alert => "alert",
        }
    }

    const fn is_default(self) -> bool {
        matches!(
            self,
            Self::Ftp | Self::FtpData | Self::FileInfo | Self::Flow
        )
    }
}

/// Exporter of EVE lines.
struct Eve {
    types: EveTypes,
    captures: Vec<String>,
    interfaces: Vec<String>,
    lines: TimedLines,
    over: OverConnections<FlowNote>,
    /// Control connections of sessions by id, for findings about several; empty unless those are wanted.
    parties: BTreeMap<u64, Party>,
    /// Files saved so far.
    files: u64,
    /// Collects the warnings, for which EVE has no place.
    rest: ReportBuilder,
    out: OutputFile,
}

/// Facts of a `flow` event that its connection does not have.
struct FlowNote {
    layers: Vec<String>,
    /// Flow of the control connection; `None` for a control connection.
    parent: Option<u64>,
    /// `None` if nothing was recognized.
    protocol: Option<&'static str>,
    end: FlowEnd,
    /// Time of the last packet before the close.
    last: Timestamp,
    /// Number of `ftp` events.
    transactions: u64,
}

/// End of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FlowEnd {
    Closed,
    Expired,
    /// The input ended first.
    Open,
}

impl FlowEnd {
    const fn of(connection: &Connection) -> Self {
        match connection.close {
            Close::Open => Self::Open,
            Close::Fin | Close::Reset => Self::Closed,
        }
    }
}

/// A control connection, as events about it name it.
#[derive(Clone)]
struct Party {
    flow: u64,
    client: Address,
    server: Address,
    community_id: String,
    layers: Vec<String>,
}

impl Party {
    fn of(session: &Session) -> Self {
        Self {
            flow: flow_of(&session.control),
            client: session.client,
            server: Address {
                ip: session.server.ip,
                port: session.server.port,
            },
            community_id: session.community_id.clone(),
            layers: session.layers.clone(),
        }
    }
}

/// A command with its replies, or replies without a command.
struct Turn<'a> {
    /// Time, frame and capture of the packet that completed it.
    complete: (Timestamp, u64, Option<u32>),
    command: Option<&'a Command>,
    replies: Vec<&'a Reply>,
}

/// Members that begin an event. `None` for those that the event has not, or that are not known.
struct Head<'a> {
    kind: EveType,
    time: Timestamp,
    flow: Option<u64>,
    /// Flow of the control connection; `None` in its own events.
    parent: Option<u64>,
    /// Frame that completed the event; `None` in flow events.
    frame: Option<u64>,
    /// Index of that frame's capture.
    capture: Option<u32>,
    layers: &'a [String],
    source: Option<End>,
    destination: Option<End>,
    /// `None` if it may be UDP or TCP.
    transport: Option<&'static str>,
    community_id: Option<&'a str>,
    transaction: Option<u64>,
    protocol: Option<&'a str>,
}

/// End of a connection; the port is `None` if it is not known.
type End = (IpAddr, Option<u16>);

const fn end(address: Address) -> End {
    (address.ip, Some(address.port))
}

impl<'a> Head<'a> {
    /// Creates the head of an event about a control connection, or about none that is known.
    fn control(
        kind: EveType,
        party: Option<&'a Party>,
        (time, frame, capture): (Timestamp, Option<u64>, Option<u32>),
    ) -> Self {
        Self {
            kind,
            time,
            flow: party.map(|party| party.flow),
            parent: None,
            frame,
            capture,
            layers: party.map_or(&[], |party| party.layers.as_slice()),
            source: party.map(|party| end(party.client)),
            destination: party.map(|party| end(party.server)),
            transport: party.map(|_| "TCP"),
            community_id: party.map(|party| party.community_id.as_str()),
            transaction: None,
            protocol: Some("ftp"),
        }
    }

    /// Creates the head of an event about a connection, whose ends are seen from the one that opened it.
    fn connection(kind: EveType, connection: &'a Connection, parent: Option<u64>) -> Self {
        let opened = Opened::of(connection);
        Self {
            kind,
            time: connection.end,
            flow: Some(flow_of(connection)),
            parent,
            frame: Some(connection.last_frame),
            capture: None,
            layers: &[],
            source: Some(end(opened.originator)),
            destination: Some(end(opened.responder)),
            transport: Some("TCP"),
            community_id: Some(&connection.community_id),
            transaction: None,
            protocol: None,
        }
    }
}

impl Eve {
    fn new(options: &ExportOptions, out: OutputFile) -> Self {
        Self {
            types: options.eve_types.clone(),
            captures: options.captures.clone(),
            interfaces: options.interfaces.clone(),
            lines: TimedLines::default(),
            over: OverConnections::new(options.followed),
            parties: BTreeMap::new(),
            files: 0,
            rest: ReportBuilder::new(&options.limits),
            out,
        }
    }

    fn wants(&self, kind: EveType) -> bool {
        if self.types.is_empty() {
            kind.is_default()
        } else {
            self.types.contains(&kind)
        }
    }

    fn session(&mut self, session: &Session, now: Timestamp) {
        let party = Party::of(session);
        let events = self.dialogue(session, &party);
        let control = &session.control;
        let protocol = if session.tls.is_some() { "tls" } else { "ftp" };
        let note = FlowNote {
            layers: session.layers.clone(),
            parent: None,
            protocol: Some(protocol),
            end: match session.end_state {
                EndState::Closed | EndState::Reset => FlowEnd::Closed,
                EndState::Timeout => FlowEnd::Expired,
                EndState::Open => FlowEnd::Open,
            },
            last: control.end,
            transactions: events,
        };
        self.over.add(now, control.clone(), note);
        let mut flows: BTreeMap<&str, u64> = BTreeMap::new();
        let connections = data_connections(session);
        for connection in &connections {
            flows.insert(&connection.uid, flow_of(connection));
            let note = FlowNote {
                layers: session.layers.clone(),
                parent: Some(party.flow),
                protocol: Some("ftp-data"),
                end: FlowEnd::of(connection),
                last: connection.end,
                transactions: 0,
            };
            self.over.add(now, connection.clone(), note);
        }
        for transfer in &session.transfers {
            if let Some(connection) = &transfer.connection
                && flows.contains_key(connection.uid.as_str())
                && transfer.bytes > 0
            {
                // The first part of a connection gives the time from which its flow is numbered.
                let data = flows.get(connection.uid.as_str()).copied();
                self.transfer(transfer, connection, &party, data);
            }
        }
        if self.wants(EveType::Tls) {
            self.tls(session, &party);
        }
        if self.wants(EveType::Dns) {
            self.lookup(session);
        }
        if self.wants(EveType::Alert) || self.wants(EveType::Anomaly) {
            for finding in &session.findings {
                let known = (session.end, control.last_frame);
                self.finding(finding, Some(&party), known);
            }
            if self.parties.len() < MAX_PARTIES {
                self.parties.insert(session.id, party);
            }
        }
    }

    /// Writes the events of a control connection; returns how many.
    fn dialogue(&mut self, session: &Session, party: &Party) -> u64 {
        let of_reply = |reply: &Reply| (reply.time, reply.frame, reply.capture);
        let mut turns: Vec<Turn<'_>> = Vec::new();
        for reply in session.greeting.iter().chain(&session.unsolicited_replies) {
            turns.push(Turn {
                complete: of_reply(reply),
                command: None,
                replies: reply.preliminary.iter().chain([reply]).collect(),
            });
        }
        for command in commands(session) {
            let last = command.replies.last().filter(|reply| reply.code >= 200);
            turns.push(Turn {
                // Without a final reply nothing completed it but the end of the connection.
                complete: last.map_or(
                    (session.control.end, session.control.last_frame, None),
                    of_reply,
                ),
                command: Some(command),
                replies: command.replies.iter().collect(),
            });
        }
        turns.sort_by_key(|turn| (turn.complete.0, turn.complete.1));
        let mut transaction = 0;
        for turn in turns {
            let (time, frame, capture) = turn.complete;
            let complete = (time, Some(frame), capture);
            let head = Head {
                transaction: Some(transaction),
                ..Head::control(EveType::Ftp, Some(party), complete)
            };
            self.line(&head, |line| {
                write_ftp(line.object("ftp")?, turn.command, &turn.replies)
            });
            transaction += 1;
        }
        transaction
    }

    fn transfer(
        &mut self,
        transfer: &Transfer,
        connection: &Connection,
        party: &Party,
        flow: Option<u64>,
    ) {
        let is_listing = transfer.direction == TransferDirection::Listing;
        let name = (!is_listing).then(|| file_name(transfer)).flatten();
        let mut head = Head {
            flow,
            layers: &party.layers,
            ..Head::connection(EveType::FtpData, connection, Some(party.flow))
        };
        self.line(&head, |line| {
            write_transfer(line, transfer, name.as_deref())
        });
        if is_listing {
            return;
        }
        let [client, server] = [connection.client, connection.server].map(end);
        (head.source, head.destination) = if transfer.direction == TransferDirection::Upload {
            (Some(client), Some(server))
        } else {
            (Some(server), Some(client))
        };
        head.kind = EveType::FileInfo;
        head.protocol = Some("ftp-data");
        if transfer.saved_as.is_some() {
            self.files += 1;
        }
        let number = self.files;
        self.line(&head, |line| {
            write_transfer(line, transfer, name.as_deref())?;
            write_file(line.object("fileinfo")?, transfer, name.as_deref(), number)
        });
    }

    /// Writes the event of a connection whose counts are final.
    fn flow(&mut self, connection: &Connection, note: &FlowNote) {
        let opened = Opened::of(connection);
        let head = Head {
            time: note.last,
            frame: None,
            layers: &note.layers,
            protocol: note.protocol,
            ..Head::connection(EveType::Flow, connection, note.parent)
        };
        self.line(&head, |line| {
            if note.protocol == Some("tls") {
                line.field("app_proto_orig", "ftp")?;
            }
            let mut flow = line.object("flow")?;
            flow.field("pkts_toserver", &opened.packets[0])?;
            flow.field("pkts_toclient", &opened.packets[1])?;
            flow.field("bytes_toserver", &opened.frame_bytes[0])?;
            flow.field("bytes_toclient", &opened.frame_bytes[1])?;
            flow.field("start", &stamp(connection.start))?;
            flow.field("end", &stamp(note.last))?;
            let seconds = |time: Timestamp| time.nanos().div_euclid(1_000_000_000);
            let age = seconds(note.last) - seconds(connection.start);
            flow.field("age", &age.max(0))?;
            let state = match (note.end, opened.packets) {
                (FlowEnd::Closed, _) => "closed",
                (_, [_, 0]) => "new",
                _ => "established",
            };
            flow.field("state", state)?;
            let is_open = note.end == FlowEnd::Open;
            flow.field("reason", if is_open { "shutdown" } else { "timeout" })?;
            flow.field("alerted", &false)?;
            if note.transactions > 0 {
                flow.field("tx_cnt", &note.transactions)?;
            }
            flow.end()
        });
    }

    /// Writes the events of TLS: of the control connection, then of data connections.
    fn tls(&mut self, session: &Session, party: &Party) {
        let control = &session.control;
        if let Some(tls) = &session.tls {
            let mut steps = session.steps.iter();
            let asked = steps
                .find(|step| step.kind == StepKind::Tls && step.outcome == Outcome::Ok)
                .and_then(|step| step.commands.first())
                .and_then(|command| command.replies.last());
            let begun = asked.map_or((control.start, control.first_frame, None), |reply| {
                (reply.time, reply.frame, reply.capture)
            });
            let (time, frame, capture) = begun;
            let head = Head {
                protocol: None,
                ..Head::control(EveType::Tls, Some(party), (time, Some(frame), capture))
            };
            let from = asked.map(|_| "ftp");
            self.line(&head, |line| write_tls(line.object("tls")?, tls, from));
        }
        let transfers = session.transfers.iter();
        let transfers = transfers
            .filter_map(|transfer| Some((transfer.connection.as_ref()?, transfer.tls.as_ref()?)));
        let encrypted = session.encrypted_data.iter();
        let encrypted = encrypted.filter_map(|data| Some((&data.connection, data.tls.as_ref()?)));
        for (connection, tls) in transfers.chain(encrypted) {
            let head = Head {
                time: connection.first_payload.unwrap_or(connection.start),
                frame: Some(connection.first_frame),
                layers: &party.layers,
                ..Head::connection(EveType::Tls, connection, Some(party.flow))
            };
            self.line(&head, |line| write_tls(line.object("tls")?, tls, None));
        }
    }

    /// Writes the event of the lookup of a server. The client's port is not in the report, nor whether it was UDP.
    fn lookup(&mut self, session: &Session) {
        let mut steps = session.steps.iter();
        let (Some(dns), Some(step)) = (&session.dns, steps.find(|step| step.kind == StepKind::Dns))
        else {
            return;
        };
        let waited = Span::from_seconds(dns.response_time.unwrap_or(0.0));
        let head = Head {
            source: Some((session.client.ip, None)),
            destination: Some(end(dns.resolver)),
            protocol: Some("dns"),
            ..Head::control(
                EveType::Dns,
                None,
                (step.time.plus(waited), Some(dns.response_frame), None),
            )
        };
        let mut name = dns.name.as_str();
        let mut answers: Vec<Value> = Vec::new();
        for alias in &dns.aliases {
            answers.push(json!({"rrname": name, "rrtype": "CNAME", "rdata": alias}));
            name = alias;
        }
        let kind = dns.record_type.as_str();
        let address = |ip: &IpAddr| json!({"rrname": name, "rrtype": kind, "rdata": ip});
        answers.extend(dns.answers.iter().map(address));
        self.line(&head, |line| {
            let mut object = line.object("dns")?;
            object.field("version", &3)?;
            object.field("type", "response")?;
            object.field("rcode", "NOERROR")?;
            let query = json!({"rrname": dns.name, "rrtype": kind});
            object.field("queries", &[query])?;
            object.some("answers", (!answers.is_empty()).then_some(&answers))?;
            object.end()
        });
    }

    /// Writes the event of a finding: an alert from medium severity on, else an anomaly. `known` are time and frame at which the
    /// session ended, if it is about one.
    fn finding(&mut self, finding: &Finding, party: Option<&Party>, known: (Timestamp, u64)) {
        let alerts = finding.severity >= Severity::Medium;
        let kind = if alerts {
            EveType::Alert
        } else {
            EveType::Anomaly
        };
        let head = Head::control(kind, party, (known.0, Some(known.1), None));
        self.line(&head, |line| {
            if !alerts {
                return write_anomaly(line.object("anomaly")?, &finding.id);
            }
            let mut object = line.object("alert")?;
            object.field("action", "allowed")?;
            object.field("gid", &EVE_GENERATOR)?;
            object.field("signature_id", &eve_signature(&finding.id))?;
            object.field("rev", &1)?;
            object.field("signature", &format!("ftpscope: {}", finding.title))?;
            object.field("category", category(&finding.id))?;
            let severity = if finding.severity == Severity::High {
                1
            } else {
                2
            };
            object.field("severity", &severity)?;
            object.end()
        });
    }

    /// Writes a line: the members of every event, then those that `write` adds.
    fn line<F>(&mut self, head: &Head<'_>, write: F)
    where
        F: FnOnce(&mut Object<'_, Vec<u8>>) -> io::Result<()>,
    {
        if !self.wants(head.kind) {
            return;
        }
        let (captures, interfaces) = (&self.captures, &self.interfaces);
        self.lines.push(head.time, |out| {
            let mut line = Object::begin(out)?;
            line.field("timestamp", &stamp(head.time))?;
            line.some("flow_id", head.flow)?;
            line.some("parent_id", head.parent)?;
            let interface = match interfaces.as_slice() {
                [only] => Some(only),
                several => head.capture.and_then(|index| several.get(index as usize)),
            };
            line.some("in_iface", interface)?;
            line.some("pcap_cnt", head.frame)?;
            line.field("event_type", head.kind.name())?;
            let tags: Vec<u16> = head
                .layers
                .iter()
                .filter_map(|layer| layer.strip_prefix("VLAN ")?.parse().ok())
                .collect();
            line.some("vlan", (!tags.is_empty()).then_some(&tags))?;
            if let Some((ip, port)) = head.source {
                line.field("src_ip", &ip)?;
                line.some("src_port", port)?;
            }
            if let Some((ip, port)) = head.destination {
                line.field("dest_ip", &ip)?;
                line.some("dest_port", port)?;
            }
            line.some("proto", head.transport)?;
            let version = |(ip, _): End| if ip.is_ipv4() { 4 } else { 6 };
            line.some("ip_v", head.source.map(version))?;
            let source = if interfaces.is_empty() {
                "wire/pcap"
            } else {
                "wire"
            };
            line.some("pkt_src", head.frame.map(|_| source))?;
            line.some("tx_id", head.transaction)?;
            line.some("app_proto", head.protocol)?;
            write(&mut line)?;
            line.some("community_id", head.community_id)?;
            let path = head.capture.and_then(|index| captures.get(index as usize));
            line.some("pcap_filename", path)?;
            line.end()?;
            out.write_all(b"\n")
        });
    }
}

impl EventSink for Eve {
    fn event(&mut self, event: &Event<'_>) {
        let now = event.frame.time;
        let unparented = |connection: &Connection, protocol| FlowNote {
            layers: Vec::new(),
            parent: None,
            protocol,
            end: FlowEnd::of(connection),
            last: connection.end,
            transactions: 0,
        };
        match &event.kind {
            EventKind::SessionEnd(session) => self.session(session, now),
            EventKind::UnmatchedData(data) => {
                let connection = &data.connection;
                let note = unparented(connection, Some("ftp-data"));
                self.over.add(now, connection.clone(), note);
            }
            EventKind::ConnectionAttempt(attempt) => {
                let connection = &attempt.connection;
                let note = unparented(connection, None);
                self.over.add(now, connection.clone(), note);
            }
            EventKind::LatePackets(connection) => self.over.on_late(connection),
            EventKind::Finding(finding) if event.session.is_none() => {
                let first = finding.sessions.first();
                let party = first.and_then(|id| self.parties.get(id)).cloned();
                self.finding(finding, party.as_ref(), (now, event.frame.number));
            }
            _ => self.rest.event(event),
        }
        while let Some((connection, note)) = self.over.take_final(now) {
            self.flow(&connection, &note);
        }
    }
}

impl Exporter for Eve {
    fn take_lines(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.lines.drain(out)
    }

    fn finish(mut self: Box<Self>, run: RunEnd<'_>) -> io::Result<()> {
        while let Some((connection, note)) = self.over.take() {
            self.flow(&connection, &note);
        }
        let report = self.rest.finish(run.captures.to_vec(), run.totals.clone());
        (run.unwritten_warnings)(&report.warnings);
        self.lines.write(&mut self.out)?;
        self.out.flush()
    }
}

/// Writes the object of a command, or of replies without one.
fn write_ftp<W: Write>(
    mut object: Object<'_, W>,
    command: Option<&Command>,
    replies: &[&Reply],
) -> io::Result<()> {
    let argument = command.and_then(|command| command.argument.as_deref());
    if let Some(command) = command {
        object.field("command", &command.verb)?;
        object.some("command_data", argument)?;
    }
    let codes: Vec<String> = replies.iter().map(|reply| reply.code.to_string()).collect();
    let lines: Vec<String> = replies.iter().flat_map(|reply| lines_of(reply)).collect();
    object.some("completion_code", (!codes.is_empty()).then_some(&codes))?;
    object.some("reply", (!lines.is_empty()).then_some(&lines))?;
    if let Some(command) = command
        && let Some((mode, port)) = negotiated(command, replies.last().copied())
    {
        object.some("dynamic_port", port)?;
        object.field("mode", mode)?;
    }
    if let Some(command) = command.filter(|_| argument.is_some()) {
        object.field("command_truncated", &command.truncated)?;
    }
    let is_final = replies.iter().any(|reply| reply.code >= 200);
    object.field("reply_received", if is_final { "yes" } else { "no" })?;
    object.field(
        "reply_truncated",
        &replies.iter().any(|reply| reply.truncated),
    )?;
    object.end()
}

/// Returns the lines of a reply: text of the last one, all others with their code, as sent. Empty ones are left out.
fn lines_of(reply: &Reply) -> Vec<String> {
    let last = reply.lines.len().saturating_sub(1);
    let lines = reply.lines.iter().enumerate();
    let whole = lines.map(|(index, line)| match index {
        0 if last > 0 => format!("{}-{}", reply.code, line.trim_end()),
        _ => line.trim_end().to_owned(),
    });
    whole.filter(|line| !line.is_empty()).collect()
}

/// Returns mode and port of PORT, EPRT, PASV and EPSV, the port `None` if it cannot be read; `None` for other commands.
fn negotiated(command: &Command, reply: Option<&Reply>) -> Option<(&'static str, Option<u16>)> {
    let argument = command.argument.as_deref().unwrap_or_default().as_bytes();
    let text = |code| {
        let reply = reply.filter(|reply| reply.code == code);
        reply.map(|reply| last_line(reply).as_bytes())
    };
    Some(match command.verb.as_str() {
        "PORT" => ("active", port_argument(argument).map(|end| end.port)),
        "EPRT" => (
            "active",
            extended_port_argument(argument).map(|end| end.port),
        ),
        "PASV" => (
            "passive",
            text(227).and_then(passive_reply).map(|end| end.port),
        ),
        "EPSV" => (
            "passive",
            text(229)
                .and_then(extended_passive_reply)
                .map(|end| end.port),
        ),
        _ => return None,
    })
}

/// Returns the name of a file as sent; of STOU without one, the name that the server chose.
fn file_name(transfer: &Transfer) -> Option<String> {
    let argument = transfer.argument.clone().filter(|name| !name.is_empty());
    argument.or_else(|| {
        let chosen = transfer.name.clone().filter(|_| transfer.verb == "STOU");
        chosen.or_else(|| (transfer.verb == "STOU").then(|| "<stou>".to_owned()))
    })
}

fn write_transfer<W: Write>(
    line: &mut Object<'_, W>,
    transfer: &Transfer,
    name: Option<&str>,
) -> io::Result<()> {
    let mut object = line.object("ftp_data")?;
    object.some("filename", name)?;
    object.field("command", &transfer.verb)?;
    object.end()
}

fn write_file<W: Write>(
    mut object: Object<'_, W>,
    transfer: &Transfer,
    name: Option<&str>,
    number: u64,
) -> io::Result<()> {
    let gaps = transfer.missing_bytes > 0;
    let is_closed = !gaps
        && matches!(
            transfer.completeness,
            Completeness::Complete | Completeness::Unverifiable
        );
    object.some("filename", name)?;
    object.field("gaps", &gaps)?;
    object.field("state", if is_closed { "CLOSED" } else { "TRUNCATED" })?;
    object.some("md5", transfer.md5.as_ref().filter(|_| is_closed))?;
    object.some("sha1", transfer.sha1.as_ref().filter(|_| is_closed))?;
    object.some("sha256", transfer.sha256.as_ref())?;
    let is_stored = transfer.saved_as.is_some();
    object.field("stored", &is_stored)?;
    object.some("file_id", is_stored.then_some(number))?;
    object.field("size", &transfer.bytes)?;
    object.field("tx_id", &0)?;
    object.end()
}

/// Writes TLS of a connection; `from` is the protocol that it followed.
fn write_tls<W: Write>(mut object: Object<'_, W>, tls: &Tls, from: Option<&str>) -> io::Result<()> {
    object.some("version", tls.version.as_deref())?;
    object.some("sni", tls.server_name.as_deref())?;
    // Suricata writes it only if it is true.
    object.some("session_resumed", tls.resumed.filter(|resumed| *resumed))?;
    let agreed = tls.application_protocol.as_ref();
    object.some("server_alpns", agreed.map(|name| [name]))?;
    object.some("from_proto", from)?;
    object.end()
}

/// Writes an anomaly of the application layer, named by the id of its finding.
fn write_anomaly<W: Write>(mut object: Object<'_, W>, id: &str) -> io::Result<()> {
    object.field("app_proto", "ftp")?;
    object.field("type", "applayer")?;
    object.field("event", &id.replace('-', "_"))?;
    object.field("layer", "proto_parser")?;
    object.end()
}

/// Returns the signature id of a finding in alerts: the same number in every version.
#[must_use]
pub fn eve_signature(finding: &str) -> u32 {
    let known = SIGNATURES.iter().find(|(id, _)| *id == finding);
    known.map_or(0, |(_, number)| *number)
}

/// Returns the category of an alert, in the words of Suricata's classification.
fn category(finding: &str) -> &'static str {
    match finding {
        "bounce" | "port-theft" | "traversal-name" => "Misc Attack",
        "brute-force" | "password-spraying" => "Attempted User Privilege Gain",
        "cleartext-credentials" | "tls-data-in-clear" | "tls-weak" => {
            "Potential Corporate Privacy Violation"
        }
        _ => "Generic Protocol Command Decode",
    }
}

/// Generator id of the alerts: no other program's signatures have it.
pub const EVE_GENERATOR: u32 = 959;

/// Signature ids by finding. Rules of users refer to them: a number is never given to another finding.
const SIGNATURES: &[(&str, u32)] = &[
    ("address-translation", 1),
    ("announced-port-unused", 2),
    ("ascii-damage", 3),
    ("bounce", 4),
    ("brute-force", 5),
    ("capture-loss", 6),
    ("cleartext-credentials", 7),
    ("conflicting-retransmission", 8),
    ("control-timeout", 9),
    ("data-address-unused", 10),
    ("data-connection-blocked", 11),
    ("data-connection-failed", 12),
    ("file-in-parts", 13),
    ("fxp", 14),
    ("incomplete-file", 15),
    ("login-rejected", 16),
    ("login-unfinished", 17),
    ("mode-refused", 18),
    ("no-answer", 19),
    ("password-spraying", 20),
    ("port-theft", 21),
    ("reply-violation", 22),
    ("server-closes-at-once", 23),
    ("session-in-halves", 24),
    ("session-refused", 25),
    ("session-seen-twice", 26),
    ("size-mismatch", 27),
    ("slow-greeting", 28),
    ("stalled-transfer", 29),
    ("tls-alert", 30),
    ("tls-close-missing", 31),
    ("tls-commands-in-clear", 32),
    ("tls-data-in-clear", 33),
    ("tls-failed", 34),
    ("tls-session-not-resumed", 35),
    ("tls-weak", 36),
    ("transfer-refused", 37),
    ("traversal-name", 38),
    ("log-claims-complete", 39),
    ("log-clock-off", 40),
    ("log-entry-missing", 41),
    ("log-entry-unseen", 42),
    ("log-size-differs", 43),
    ("log-user-differs", 44),
    ("reply-and-log-disagree", 45),
    ("log-line-injected", 46),
    ("upload-unconfirmed", 47),
];

/// Control connections kept for findings about several sessions.
const MAX_PARTIES: usize = 65_536;

/// Formats as `2026-11-20T15:53:01.256485+0000`; nanoseconds are cut off.
fn stamp(time: Timestamp) -> String {
    let text = time.to_string();
    format!("{}+0000", text.get(..26).unwrap_or(&text))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::ExportOptions;
    use super::super::tests::export;
    use super::*;
    use crate::report::example::example_session;

    fn events(options: &ExportOptions) -> Vec<Value> {
        let text = export(&FORMAT, options, &[1]).remove("eve.json");
        let text = text.expect("one file");
        text.lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }

    #[test]
    fn every_command_and_the_greeting_have_an_event_in_order_of_time() {
        let events = events(&ExportOptions::default());
        let of = |kind: &str| {
            events
                .iter()
                .filter(|event| event["event_type"] == kind)
                .count()
        };
        assert_eq!(of("ftp"), commands(&example_session()).len() + 1);
        assert_eq!((of("ftp_data"), of("fileinfo")), (2, 1));
        let times: Vec<&str> = events
            .iter()
            .filter_map(|event| event["timestamp"].as_str())
            .collect();
        assert!(times.is_sorted());
        assert_eq!(times[0].len(), "2026-11-20T15:53:01.256485+0000".len());
    }

    #[test]
    fn schema_has_every_member_that_is_written() {
        let schema: Value = serde_json::from_str(&schema()).expect("JSON");
        let options = ExportOptions {
            eve_types: EveType::ALL.to_vec(),
            ..ExportOptions::default()
        };
        for event in events(&options) {
            for (name, value) in event.as_object().expect("an object") {
                let member = &schema["properties"][name];
                assert!(member.is_object(), "{name}");
                let inner = value.as_object().into_iter().flatten();
                for (inner, _) in inner {
                    assert!(member["properties"][inner].is_object(), "{name}.{inner}");
                }
            }
        }
    }

    #[test]
    fn inner_lines_of_a_reply_keep_their_code() {
        let mut reply = example_session().greeting.expect("a greeting");
        reply.code = 220;
        reply.lines = ["Welcome", "", "220-inner ", "ready"]
            .map(String::from)
            .into();
        assert_eq!(lines_of(&reply), ["220-Welcome", "220-inner", "ready"]);
        reply.lines = vec!["ready".into()];
        assert_eq!(lines_of(&reply), ["ready"]);
    }

    #[test]
    fn only_events_of_the_wanted_types_are_written() {
        let options = ExportOptions {
            eve_types: vec![EveType::Flow],
            ..ExportOptions::default()
        };
        let events = events(&options);
        assert!(events.iter().all(|event| event["event_type"] == "flow"));
        assert!(!events.is_empty());
    }
}
