//! `eve`: EVE JSON as Suricata 8.0 and 9.0 write it, one object a line.
//!
//! ```text
//! session ──> greeting, commands, unsolicited replies ──> ftp
//!         ──> transfers ─────────────────────────────────> ftp_data, and fileinfo for files
//!         └─> connections ───────────────────────────────> flow
//! ```
//!
//! Suricata's schema allows no member of its own making, at any level: facts that EVE has no place for are left out, and so are
//! members whose value is not known. Lines are in order of `timestamp`, the packet that completed the event.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::timed_lines::{Opened, TimedLines, commands, data_connections, flow_of, last_line};
use super::{Exporter, Format, OutputFile, OutputKind, RunEnd};
use crate::model::record::{
    Address, Close, Command, Completeness, Connection, EndState, Reply, Session, Transfer,
    TransferDirection,
};
use crate::model::{Event, EventKind, EventSink, Timestamp};
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
        Ok(Box::new(Eve {
            types: options.eve_types.clone(),
            captures: options.captures.clone(),
            lines: TimedLines::default(),
            files: 0,
            rest: ReportBuilder::new(&options.limits),
            out: outputs.create("eve.json")?,
        }))
    },
};

/// Kinds of events to write; empty for all.
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
}

impl EveType {
    const fn name(self) -> &'static str {
        match self {
            Self::Ftp => "ftp",
            Self::FtpData => "ftp_data",
            Self::FileInfo => "fileinfo",
            Self::Flow => "flow",
        }
    }
}

/// Exporter of EVE lines.
struct Eve {
    types: EveTypes,
    captures: Vec<String>,
    lines: TimedLines,
    /// Files saved so far.
    files: u64,
    /// Collects the warnings, for which EVE has no place.
    rest: ReportBuilder,
    out: OutputFile,
}

/// A command with its replies, or replies without a command.
struct Turn<'a> {
    /// Time, frame and capture of the packet that completed it.
    complete: (Timestamp, u64, Option<u32>),
    command: Option<&'a Command>,
    replies: Vec<&'a Reply>,
}

/// Members that begin an event.
struct Head<'a> {
    kind: EveType,
    time: Timestamp,
    flow: u64,
    /// Flow of the control connection; `None` in its own events.
    parent: Option<u64>,
    /// Frame that completed the event; `None` in flow events.
    frame: Option<u64>,
    /// Index of that frame's capture.
    capture: Option<u32>,
    layers: &'a [String],
    source: Address,
    destination: Address,
    community_id: &'a str,
    transaction: Option<u64>,
    protocol: Option<&'a str>,
}

impl Eve {
    fn session(&mut self, session: &Session) {
        let flow = flow_of(&session.control);
        let events = self.dialogue(session, flow);
        let control = &session.control;
        let closed = matches!(session.end_state, EndState::Closed | EndState::Reset);
        let protocol = if session.tls.is_some() { "tls" } else { "ftp" };
        self.flow(
            control,
            &session.layers,
            None,
            Some(protocol),
            closed,
            events,
        );
        let mut flows: BTreeMap<&str, u64> = BTreeMap::new();
        let connections = data_connections(session);
        for connection in &connections {
            flows.insert(&connection.uid, flow_of(connection));
            let closed = connection.close != Close::Open;
            let layers = &session.layers;
            self.flow(connection, layers, Some(flow), Some("ftp-data"), closed, 0);
        }
        for transfer in &session.transfers {
            if let Some(connection) = &transfer.connection
                && let Some(&data) = flows.get(connection.uid.as_str())
                && transfer.bytes > 0
            {
                self.transfer(session, transfer, connection, [flow, data]);
            }
        }
    }

    /// Writes the events of a control connection; returns how many.
    fn dialogue(&mut self, session: &Session, flow: u64) -> u64 {
        let server = Address {
            ip: session.server.ip,
            port: session.server.port,
        };
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
            let head = Head {
                kind: EveType::Ftp,
                time,
                flow,
                parent: None,
                frame: Some(frame),
                capture,
                layers: &session.layers,
                source: session.client,
                destination: server,
                community_id: &session.community_id,
                transaction: Some(transaction),
                protocol: Some("ftp"),
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
        session: &Session,
        transfer: &Transfer,
        connection: &Connection,
        [control, data]: [u64; 2],
    ) {
        let opened = Opened::of(connection);
        let is_listing = transfer.direction == TransferDirection::Listing;
        let name = (!is_listing).then(|| file_name(transfer)).flatten();
        let mut head = Head {
            kind: EveType::FtpData,
            time: connection.end,
            flow: data,
            parent: Some(control),
            frame: Some(connection.last_frame),
            capture: None,
            layers: &session.layers,
            source: opened.originator,
            destination: opened.responder,
            community_id: &connection.community_id,
            transaction: None,
            protocol: None,
        };
        self.line(&head, |line| {
            write_transfer(line, transfer, name.as_deref())
        });
        if is_listing {
            return;
        }
        if transfer.direction == TransferDirection::Upload {
            (head.source, head.destination) = (connection.client, connection.server);
        } else {
            (head.source, head.destination) = (connection.server, connection.client);
        }
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

    fn flow(
        &mut self,
        connection: &Connection,
        layers: &[String],
        parent: Option<u64>,
        protocol: Option<&str>,
        closed: bool,
        transactions: u64,
    ) {
        let opened = Opened::of(connection);
        let head = Head {
            kind: EveType::Flow,
            time: connection.end,
            flow: flow_of(connection),
            parent,
            frame: None,
            capture: None,
            layers,
            source: opened.originator,
            destination: opened.responder,
            community_id: &connection.community_id,
            transaction: None,
            protocol,
        };
        self.line(&head, |line| {
            if protocol == Some("tls") {
                line.field("app_proto_orig", "ftp")?;
            }
            let mut flow = line.object("flow")?;
            flow.field("pkts_toserver", &opened.packets[0])?;
            flow.field("pkts_toclient", &opened.packets[1])?;
            flow.field("bytes_toserver", &opened.frame_bytes[0])?;
            flow.field("bytes_toclient", &opened.frame_bytes[1])?;
            flow.field("start", &stamp(connection.start))?;
            flow.field("end", &stamp(connection.end))?;
            let seconds = |time: Timestamp| time.nanos().div_euclid(1_000_000_000);
            flow.field(
                "age",
                &(seconds(connection.end) - seconds(connection.start)).max(0),
            )?;
            let state = match (closed, opened.packets) {
                (true, _) => "closed",
                (false, [_, 0]) => "new",
                (false, _) => "established",
            };
            flow.field("state", state)?;
            flow.field("reason", if closed { "timeout" } else { "shutdown" })?;
            flow.field("alerted", &false)?;
            if transactions > 0 {
                flow.field("tx_cnt", &transactions)?;
            }
            flow.end()
        });
    }

    /// Writes a line: the members of every event, then those that `write` adds.
    fn line<F>(&mut self, head: &Head<'_>, write: F)
    where
        F: FnOnce(&mut Object<'_, super::SessionText<'_>>) -> io::Result<()>,
    {
        if !self.types.is_empty() && !self.types.contains(&head.kind) {
            return;
        }
        let captures = &self.captures;
        self.lines.push(head.time, |out| {
            let mut line = Object::begin(out)?;
            line.field("timestamp", &stamp(head.time))?;
            line.field("flow_id", &head.flow)?;
            line.some("parent_id", head.parent)?;
            line.some("pcap_cnt", head.frame)?;
            line.field("event_type", head.kind.name())?;
            let tags: Vec<u16> = head
                .layers
                .iter()
                .filter_map(|layer| layer.strip_prefix("VLAN ")?.parse().ok())
                .collect();
            line.some("vlan", (!tags.is_empty()).then_some(&tags))?;
            line.field("src_ip", &head.source.ip)?;
            line.field("src_port", &head.source.port)?;
            line.field("dest_ip", &head.destination.ip)?;
            line.field("dest_port", &head.destination.port)?;
            line.field("proto", "TCP")?;
            let version = if head.source.ip.is_ipv4() { 4 } else { 6 };
            line.field("ip_v", &version)?;
            line.some("pkt_src", head.frame.map(|_| "wire/pcap"))?;
            line.some("tx_id", head.transaction)?;
            line.some("app_proto", head.protocol)?;
            write(&mut line)?;
            line.field("community_id", head.community_id)?;
            let path = head.capture.and_then(|index| captures.get(index as usize));
            line.some("pcap_filename", path)?;
            line.end()?;
            out.write_all(b"\n")
        });
    }
}

impl EventSink for Eve {
    fn event(&mut self, event: &Event<'_>) {
        match &event.kind {
            EventKind::SessionEnd(session) => self.session(session),
            EventKind::UnmatchedData(data) => {
                let connection = &data.connection;
                let closed = connection.close != Close::Open;
                self.flow(connection, &[], None, Some("ftp-data"), closed, 0);
            }
            EventKind::ConnectionAttempt(attempt) => {
                let connection = &attempt.connection;
                self.flow(
                    connection,
                    &[],
                    None,
                    None,
                    connection.close != Close::Open,
                    0,
                );
            }
            _ => self.rest.event(event),
        }
    }
}

impl Exporter for Eve {
    fn finish(mut self: Box<Self>, run: RunEnd<'_>) -> io::Result<()> {
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
