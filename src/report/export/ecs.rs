//! `ecs`: documents of the Elastic Common Schema 9.4, one JSON object a line.
//!
//! | dataset | one for each |
//! | --- | --- |
//! | `ftpscope.session` | session |
//! | `ftpscope.login` | step of kind `login` |
//! | `ftpscope.transfer` | transfer, listings and refused ones included |
//! | `ftpscope.file` | file or directory deleted, renamed, made or removed |
//! | `ftpscope.finding` | finding, those about the whole capture included |
//!
//! ECS has no fields for FTP: facts without a place stand under `ftpscope.*`, which a later field set cannot collide with.
//! `source` is the FTP client of the control connection in every document, whoever opened the data connection. A field has one
//! type in all documents, an array where ECS says array, and is left out if its value is not known.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::timed_lines::{TimedLines, last_line, last_reply};
use super::{Exporter, Format, OutputFile, OutputKind, RunEnd};
use crate::model::record::{
    Completeness, Finding, Outcome, Session, Severity, Step, StepKind, Transfer, TransferDirection,
    VerdictStatus,
};
use crate::model::{Event, EventKind, EventSink, Timestamp};
use crate::protocol::ftp::completes_transfer;
use crate::report::ReportBuilder;
use crate::report::json::compact::write_value;

pub(super) const FORMAT: Format = Format {
    name: "ecs",
    summary: "Elastic Common Schema, one document per line",
    unit: Some("Elastic's documents"),
    output: OutputKind::Document,
    open: |options, outputs| {
        Ok(Box::new(Ecs {
            lines: TimedLines::default(),
            rest: ReportBuilder::new(&options.limits),
            out: outputs.create("ecs.ndjson")?,
        }))
    },
    schema: Some(template),
};

/// Returns an index template for Elasticsearch and `OpenSearch` with the mapping of every field.
fn template() -> String {
    let mut mapping = Map::new();
    for (path, kind) in FIELDS {
        let mut fields = &mut mapping;
        let mut parts = path.split('.').peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                fields.insert(part.to_owned(), mapping_of(kind));
                break;
            }
            let inner = fields
                .entry(part)
                .or_insert_with(|| json!({"properties": {}}));
            let Some(Value::Object(inner)) = inner.get_mut("properties") else {
                break;
            };
            fields = inner;
        }
    }
    let template = json!({
        "index_patterns": ["ftpscope-*"],
        "template": {"mappings": {"dynamic": "strict", "properties": mapping}},
    });
    format!("{template:#}\n")
}

fn mapping_of(kind: &str) -> Value {
    match kind {
        "keyword" => json!({"type": "keyword", "ignore_above": 1024}),
        "date" => json!({"type": "date_nanos"}),
        kind => json!({"type": kind}),
    }
}

/// Fields of all documents, with their types in Elasticsearch.
const FIELDS: &[(&str, &str)] = &[
    ("@timestamp", "date"),
    ("client.ip", "ip"),
    ("client.port", "long"),
    ("destination.bytes", "long"),
    ("destination.domain", "keyword"),
    ("destination.ip", "ip"),
    ("destination.packets", "long"),
    ("destination.port", "long"),
    ("ecs.version", "keyword"),
    ("event.action", "keyword"),
    ("event.category", "keyword"),
    ("event.dataset", "keyword"),
    ("event.duration", "long"),
    ("event.end", "date"),
    ("event.id", "keyword"),
    ("event.kind", "keyword"),
    ("event.module", "keyword"),
    ("event.outcome", "keyword"),
    ("event.reason", "keyword"),
    ("event.severity", "long"),
    ("event.start", "date"),
    ("event.type", "keyword"),
    ("file.directory", "keyword"),
    ("file.extension", "keyword"),
    ("file.hash.md5", "keyword"),
    ("file.hash.sha1", "keyword"),
    ("file.hash.sha256", "keyword"),
    ("file.mime_type", "keyword"),
    ("file.name", "keyword"),
    ("file.path", "keyword"),
    ("file.size", "long"),
    ("file.type", "keyword"),
    ("ftpscope.argument", "keyword"),
    ("ftpscope.command", "keyword"),
    ("ftpscope.data.announced.ip", "ip"),
    ("ftpscope.data.announced.port", "long"),
    ("ftpscope.data.client.ip", "ip"),
    ("ftpscope.data.client.port", "long"),
    ("ftpscope.data.community_id", "keyword"),
    ("ftpscope.data.opened_by", "keyword"),
    ("ftpscope.data.server.ip", "ip"),
    ("ftpscope.data.server.port", "long"),
    ("ftpscope.data.uid", "keyword"),
    ("ftpscope.finding.severity", "keyword"),
    ("ftpscope.frames", "long"),
    ("ftpscope.greeting", "keyword"),
    ("ftpscope.login.anonymous", "boolean"),
    ("ftpscope.login.attempt", "long"),
    ("ftpscope.reply.code", "long"),
    ("ftpscope.reply.text", "keyword"),
    ("ftpscope.session.commands", "long"),
    ("ftpscope.session.community_id", "keyword"),
    ("ftpscope.session.end_state", "keyword"),
    ("ftpscope.session.id", "long"),
    ("ftpscope.session.tcp_history", "keyword"),
    ("ftpscope.session.tcp_state", "keyword"),
    ("ftpscope.session.transfers", "long"),
    ("ftpscope.session.uid", "keyword"),
    ("ftpscope.transfer.announced_bytes", "long"),
    ("ftpscope.transfer.completeness", "keyword"),
    ("ftpscope.transfer.direction", "keyword"),
    ("ftpscope.transfer.evidence", "keyword"),
    ("ftpscope.transfer.id", "long"),
    ("ftpscope.transfer.missing_bytes", "long"),
    ("ftpscope.transfer.mode", "keyword"),
    ("ftpscope.transfer.restart_offset", "long"),
    ("ftpscope.transfer.uid", "keyword"),
    ("ftpscope.verdict.status", "keyword"),
    ("ftpscope.verdict.text", "keyword"),
    ("message", "match_only_text"),
    ("network.bytes", "long"),
    ("network.community_id", "keyword"),
    ("network.iana_number", "keyword"),
    ("network.packets", "long"),
    ("network.protocol", "keyword"),
    ("network.transport", "keyword"),
    ("network.type", "keyword"),
    ("observer.product", "keyword"),
    ("observer.type", "keyword"),
    ("observer.version", "keyword"),
    ("related.hash", "keyword"),
    ("related.hosts", "keyword"),
    ("related.ip", "ip"),
    ("related.user", "keyword"),
    ("rule.description", "keyword"),
    ("rule.id", "keyword"),
    ("rule.name", "keyword"),
    ("rule.ruleset", "keyword"),
    ("server.domain", "keyword"),
    ("server.ip", "ip"),
    ("server.port", "long"),
    ("source.bytes", "long"),
    ("source.ip", "ip"),
    ("source.packets", "long"),
    ("source.port", "long"),
    ("source.user.name", "keyword"),
    ("tls.cipher", "keyword"),
    ("tls.client.server_name", "keyword"),
    ("tls.established", "boolean"),
    ("tls.resumed", "boolean"),
    ("tls.version", "keyword"),
    ("tls.version_protocol", "keyword"),
    ("user.name", "keyword"),
];

/// Exporter of ECS documents.
struct Ecs {
    lines: TimedLines,
    /// Collects warnings, for which ECS has no place, and the findings about several sessions.
    rest: ReportBuilder,
    out: OutputFile,
}

/// A document under construction. Names of fields are paths with dots.
struct Document {
    fields: Map<String, Value>,
    addresses: BTreeSet<IpAddr>,
    users: BTreeSet<String>,
    digests: BTreeSet<String>,
    hosts: BTreeSet<String>,
}

impl Ecs {
    fn session(&mut self, session: &Session) {
        self.session_document(session);
        for step in &session.steps {
            match step.kind {
                StepKind::Login => self.login(session, step),
                _ => self.file(session, step),
            }
        }
        for transfer in &session.transfers {
            self.transfer(session, transfer);
        }
        for (number, finding) in (1_u64..).zip(&session.findings) {
            let mut document = Document::of_session("finding", session, number);
            document.finding(finding);
            self.push(session.end, document);
        }
    }

    fn session_document(&mut self, session: &Session) {
        let mut document = Document::of_session("session", session, session.id);
        document.event(
            &["network", "session"],
            &["connection", "end"],
            "ftp-session",
        );
        document.set(
            "event.outcome",
            match session.verdict.status {
                VerdictStatus::Failed => "failure",
                VerdictStatus::Ok | VerdictStatus::Warning => "success",
            },
        );
        document.set("message", session.verdict.text.as_str());
        document.times(session.start, session.end);
        let control = &session.control;
        let (client, server) = (
            control.payload_bytes_from_client,
            control.payload_bytes_from_server,
        );
        document.set("source.bytes", client);
        document.set("destination.bytes", server);
        document.set("network.bytes", client.saturating_add(server));
        document.set("source.packets", control.packets_from_client);
        document.set("destination.packets", control.packets_from_server);
        let packets = control.packets_from_client + control.packets_from_server;
        document.set("network.packets", packets);
        document.set("ftpscope.verdict.status", json!(session.verdict.status));
        document.set("ftpscope.verdict.text", session.verdict.text.as_str());
        document.set("ftpscope.session.end_state", json!(session.end_state));
        document.set("ftpscope.session.transfers", session.transfers.len());
        let commands: usize = session.steps.iter().map(|step| step.commands.len()).sum();
        document.set("ftpscope.session.commands", commands);
        document.set("ftpscope.session.tcp_state", control.tcp_state.as_str());
        document.set("ftpscope.session.tcp_history", control.tcp_history.as_str());
        if let Some(greeting) = &session.greeting {
            document.set("ftpscope.greeting", last_line(greeting));
        }
        if let Some(tls) = &session.tls {
            let version = tls.version.as_deref();
            let number = version.and_then(|text| text.strip_prefix("TLS "));
            document.some("tls.version", number);
            document.some("tls.version_protocol", number.map(|_| "tls"));
            document.some("tls.cipher", tls.cipher_suite.as_deref());
            document.some("tls.client.server_name", tls.server_name.as_deref());
            document.some("tls.resumed", tls.resumed);
            document.set("tls.established", tls.cipher_suite.is_some());
        }
        self.push(session.end, document);
    }

    fn login(&mut self, session: &Session, step: &Step) {
        let mut document = Document::of_session("login", session, step.number);
        document.event(&["authentication"], &["start"], "ftp-login");
        document.set("event.outcome", outcome(step.outcome));
        document.set("message", step.title.as_str());
        let end = end_of(step);
        document.times(step.time, end);
        let user = step.commands.iter().find(|command| command.verb == "USER");
        if let Some(name) = user.and_then(|command| command.argument.as_deref()) {
            // Of this attempt: the session may have had others.
            document.user(name);
            let is_guest = ["anonymous", "ftp"]
                .iter()
                .any(|guest| name.eq_ignore_ascii_case(guest));
            document.set("ftpscope.login.anonymous", is_guest);
        }
        let attempts = session
            .steps
            .iter()
            .filter(|other| other.kind == StepKind::Login);
        let attempt = attempts
            .take_while(|other| other.number <= step.number)
            .count();
        document.set("ftpscope.login.attempt", attempt);
        document.reply_of(step);
        self.push(end, document);
    }

    /// Adds the document of a step that changes files without a transfer.
    fn file(&mut self, session: &Session, step: &Step) {
        let Some(command) = step.commands.last() else {
            return;
        };
        let (action, kind) = match (step.kind, command.verb.as_str()) {
            (StepKind::Rename, _) => ("ftp-rename", "change"),
            (StepKind::Delete, "RMD" | "XRMD") => ("ftp-rmdir", "deletion"),
            (StepKind::Delete, _) => ("ftp-delete", "deletion"),
            (_, "MKD" | "XMKD") => ("ftp-mkdir", "creation"),
            _ => return,
        };
        let mut document = Document::of_session("file", session, step.number);
        document.event(&["network", "file"], &["protocol", kind], action);
        document.set("event.outcome", outcome(step.outcome));
        document.set("message", step.title.as_str());
        let end = end_of(step);
        document.times(step.time, end);
        let is_directory = matches!(action, "ftp-rmdir" | "ftp-mkdir");
        if let Some(argument) = &command.argument {
            document.path(argument);
            document.set("ftpscope.argument", argument.as_str());
        }
        document.some("file.type", is_directory.then_some("dir"));
        document.set("ftpscope.command", command.verb.as_str());
        document.reply_of(step);
        self.push(end, document);
    }

    fn transfer(&mut self, session: &Session, transfer: &Transfer) {
        let mut document = Document::of_session("transfer", session, transfer.id);
        let (action, kind) = match (transfer.direction, transfer.verb.as_str()) {
            (TransferDirection::Download, _) => ("ftp-download", "access"),
            (TransferDirection::Listing, _) => ("ftp-listing", "access"),
            (TransferDirection::Upload, "APPE") => ("ftp-append", "change"),
            (TransferDirection::Upload, _) => ("ftp-upload", "creation"),
        };
        document.event(&["network", "file"], &["protocol", kind], action);
        let reply = last_reply(session, transfer);
        let was_confirmed = reply.is_some_and(|reply| completes_transfer(reply.code));
        document.set(
            "event.outcome",
            match transfer.completeness {
                Completeness::Complete => "success",
                Completeness::Aborted | Completeness::Truncated => "failure",
                _ if was_confirmed => "success",
                _ => "unknown",
            },
        );
        let step = session.step_of(transfer.id);
        document.some("message", step.map(|step| step.title.as_str()));
        let replied = reply.map(|reply| reply.time);
        let closed = transfer
            .connection
            .as_ref()
            .map(|connection| connection.end);
        let begun = step.map(|step| step.time);
        let end = replied.max(closed).or(begun).unwrap_or(session.end);
        document.times(begun.unwrap_or(end).min(end), end);
        // The argument of STOU as well: the path is what the command asked for, `file.name` what the server chose.
        match transfer.path.as_deref().or(transfer.argument.as_deref()) {
            Some(path) => document.path(path),
            None => document.set("file.path", ""),
        }
        document.some("file.name", transfer.name.as_deref());
        let is_listing = transfer.direction == TransferDirection::Listing;
        document.set("file.type", if is_listing { "dir" } else { "file" });
        document.some("file.mime_type", transfer.media_type.as_deref());
        if transfer.path.is_none() && transfer.argument.is_none() {
            document.remove("file.path");
        }
        let digests = [
            ("file.hash.sha256", &transfer.sha256),
            ("file.hash.md5", &transfer.md5),
            ("file.hash.sha1", &transfer.sha1),
        ];
        for (field, digest) in digests {
            if let Some(digest) = digest {
                document.set(field, digest.as_str());
                document.digests.insert(digest.clone());
            }
        }
        document.set("ftpscope.command", transfer.verb.as_str());
        document.some("ftpscope.argument", transfer.argument.as_deref());
        if let Some(reply) = reply {
            document.set("ftpscope.reply.code", reply.code);
            document.set("ftpscope.reply.text", last_line(reply));
        }
        document.set("ftpscope.transfer.id", transfer.id);
        document.set("ftpscope.transfer.uid", transfer.uid.as_str());
        document.set("ftpscope.transfer.mode", json!(transfer.mode));
        document.set("ftpscope.transfer.direction", json!(transfer.direction));
        document.set(
            "ftpscope.transfer.completeness",
            json!(transfer.completeness),
        );
        document.set("ftpscope.transfer.missing_bytes", transfer.missing_bytes);
        document.some(
            "ftpscope.transfer.announced_bytes",
            transfer.announced_bytes.map(long),
        );
        document.set(
            "ftpscope.transfer.restart_offset",
            long(transfer.restart_offset),
        );
        document.set("ftpscope.transfer.evidence", json!(transfer.evidence));
        document.data(session, transfer);
        self.push(end, document);
    }

    fn push(&mut self, time: Timestamp, document: Document) {
        let value = document.finish(time);
        self.lines.push(time, |out| {
            write_value(&value, out)?;
            out.write_all(b"\n")
        });
    }
}

/// Returns a number that a peer stated as a `long`: a larger one is the largest, for Elasticsearch refuses the whole document
/// otherwise.
fn long(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl EventSink for Ecs {
    fn event(&mut self, event: &Event<'_>) {
        match &event.kind {
            EventKind::SessionEnd(session) => self.session(session),
            _ => self.rest.event(event),
        }
    }

    fn session_filtered(&mut self, session: &Arc<Session>) {
        self.rest.session_filtered(session);
    }
}

impl Exporter for Ecs {
    fn take_lines(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.lines.drain(out)
    }

    fn finish(mut self: Box<Self>, run: RunEnd<'_>) -> io::Result<()> {
        let rest = std::mem::replace(
            &mut self.rest,
            ReportBuilder::new(&crate::model::Limits::default()),
        );
        let report = rest.finish(run.captures.to_vec(), run.totals.clone());
        (run.unwritten_warnings)(&report.warnings);
        let captures = run.captures.iter();
        let end = captures.filter_map(|capture| capture.last_packet).max();
        for (number, finding) in (1_u64..).zip(&report.findings) {
            let mut document = Document::new("finding", format!("capture-finding-{number}"));
            document.finding(finding);
            self.push(end.unwrap_or_default(), document);
        }
        self.lines.write(&mut self.out)?;
        self.out.flush()
    }
}

impl Document {
    fn new(dataset: &str, id: String) -> Self {
        let mut document = Self {
            fields: Map::new(),
            addresses: BTreeSet::new(),
            users: BTreeSet::new(),
            digests: BTreeSet::new(),
            hosts: BTreeSet::new(),
        };
        document.set("ecs.version", ECS_VERSION);
        document.set("event.kind", "event");
        document.set("event.module", "ftpscope");
        document.set("event.dataset", format!("ftpscope.{dataset}"));
        document.set("event.id", id);
        document.set("observer.type", "sensor");
        document.set("observer.product", "ftpscope");
        document.set("observer.version", env!("CARGO_PKG_VERSION"));
        document
    }

    /// Creates a document with the ends of a session; `number` is that of the record among its kind.
    fn of_session(dataset: &str, session: &Session, number: u64) -> Self {
        let mut document = Self::new(dataset, format!("{}-{dataset}-{number}", session.uid));
        let (client, server) = (session.client, &session.server);
        for (role, ip, port) in [
            ("source", client.ip, client.port),
            ("client", client.ip, client.port),
            ("destination", server.ip, server.port),
            ("server", server.ip, server.port),
        ] {
            document.address(role, ip, port);
        }
        if let Some(name) = &server.name {
            document.set("destination.domain", name.as_str());
            document.set("server.domain", name.as_str());
            document.hosts.insert(name.clone());
        }
        document.set("network.transport", "tcp");
        let version = if client.ip.is_ipv4() { "ipv4" } else { "ipv6" };
        document.set("network.type", version);
        document.set("network.protocol", "ftp");
        document.set("network.iana_number", "6");
        document.set("network.community_id", session.community_id.as_str());
        document.set("ftpscope.session.id", session.id);
        document.set("ftpscope.session.uid", session.uid.as_str());
        if let Some(user) = &session.login.user {
            document.user(user);
        }
        document
    }

    fn set(&mut self, path: &str, value: impl Into<Value>) {
        let mut parts = path.split('.');
        let Some(last) = parts.next_back() else {
            return;
        };
        let mut fields = &mut self.fields;
        for part in parts {
            let inner = fields
                .entry(part)
                .or_insert_with(|| Value::Object(Map::new()));
            match inner {
                Value::Object(inner) => fields = inner,
                // A field is a value or has fields in it, never both: the paths here are fixed.
                _ => return,
            }
        }
        debug_assert!(FIELDS.iter().any(|(known, _)| *known == path), "{path}");
        let mut value = value.into();
        // Elasticsearch rejects the document otherwise.
        if let Value::String(text) = &mut value
            && text.len() > LONGEST_TEXT
        {
            text.truncate(text.floor_char_boundary(LONGEST_TEXT));
        }
        fields.insert(last.to_owned(), value);
    }

    fn some(&mut self, path: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(path, value);
        }
    }

    fn remove(&mut self, path: &str) {
        if let Some((outer, inner)) = path.split_once('.')
            && let Some(Value::Object(fields)) = self.fields.get_mut(outer)
        {
            fields.remove(inner);
        }
    }

    fn event(&mut self, categories: &[&str], types: &[&str], action: &str) {
        self.set("event.category", json!(categories));
        self.set("event.type", json!(types));
        self.set("event.action", action);
    }

    fn times(&mut self, start: Timestamp, end: Timestamp) {
        self.set("event.start", json!(start));
        self.set("event.end", json!(end));
        self.set("event.duration", end.since(start).nanos());
    }

    fn address(&mut self, role: &str, ip: IpAddr, port: u16) {
        self.set(&format!("{role}.ip"), ip.to_string());
        self.set(&format!("{role}.port"), port);
        self.addresses.insert(ip);
    }

    fn user(&mut self, name: &str) {
        self.set("user.name", name);
        self.set("source.user.name", name);
        self.users.clear();
        self.users.insert(name.to_owned());
    }

    /// Sets the fields of a file's path, and its name from it.
    fn path(&mut self, path: &str) {
        self.set("file.path", path);
        let (folder, name) = match path.rsplit_once('/') {
            Some(("", name)) => (Some("/"), name),
            Some((folder, name)) => (Some(folder), name),
            None => (None, path),
        };
        self.some("file.directory", folder);
        if !name.is_empty() {
            self.set("file.name", name);
        }
        if let Some((stem, extension)) = name.rsplit_once('.')
            && !stem.is_empty()
            && !extension.is_empty()
        {
            self.set("file.extension", extension);
        }
    }

    /// Sets code and text of the last reply in a step.
    fn reply_of(&mut self, step: &Step) {
        let mut commands = step.commands.iter().rev();
        if let Some(reply) = commands.find_map(|command| command.replies.last()) {
            self.set("ftpscope.reply.code", reply.code);
            self.set("ftpscope.reply.text", last_line(reply));
        }
    }

    /// Sets the fields of a transfer's data connection.
    fn data(&mut self, session: &Session, transfer: &Transfer) {
        if let Some(announced) = transfer.announced {
            self.address("ftpscope.data.announced", announced.ip, announced.port);
        }
        let Some(connection) = &transfer.connection else {
            return;
        };
        self.set("file.size", transfer.bytes);
        let is_upload = transfer.direction == TransferDirection::Upload;
        let (source, destination) = if is_upload {
            (transfer.bytes, 0)
        } else {
            (0, transfer.bytes)
        };
        self.set("source.bytes", source);
        self.set("destination.bytes", destination);
        self.set("network.bytes", transfer.bytes);
        self.set("network.community_id", connection.community_id.as_str());
        self.set(
            "ftpscope.session.community_id",
            session.community_id.as_str(),
        );
        let (client, server) = (connection.client, connection.server);
        self.address("ftpscope.data.client", client.ip, client.port);
        self.address("ftpscope.data.server", server.ip, server.port);
        self.some(
            "ftpscope.data.opened_by",
            connection.opened_by.map(|by| json!(by)),
        );
        self.set(
            "ftpscope.data.community_id",
            connection.community_id.as_str(),
        );
        self.set("ftpscope.data.uid", connection.uid.as_str());
    }

    fn finding(&mut self, finding: &Finding) {
        let is_high = finding.severity == Severity::High;
        let categories: &[&str] = if is_high {
            &["network", "intrusion_detection"]
        } else {
            &["network"]
        };
        self.event(categories, &["info"], "ftp-finding");
        self.set("event.kind", "alert");
        self.set("message", finding.title.as_str());
        self.set("rule.id", finding.id.as_str());
        self.set("rule.name", finding.title.as_str());
        self.set("rule.ruleset", "ftpscope");
        self.set("rule.description", finding.explanation.as_str());
        self.set("event.reason", finding.advice.as_str());
        let severity = match finding.severity {
            Severity::Info => 1,
            Severity::Low => 2,
            Severity::Medium => 3,
            Severity::High => 4,
        };
        self.set("event.severity", severity);
        self.set("ftpscope.finding.severity", json!(finding.severity));
        self.set("ftpscope.frames", json!(finding.frames));
    }

    fn finish(mut self, time: Timestamp) -> Value {
        self.set("@timestamp", json!(time));
        let related = [
            (
                "related.ip",
                self.addresses.iter().map(ToString::to_string).collect(),
            ),
            ("related.user", self.users.iter().cloned().collect()),
            ("related.hash", self.digests.iter().cloned().collect()),
            (
                "related.hosts",
                self.hosts.iter().cloned().collect::<Vec<_>>(),
            ),
        ];
        for (field, values) in related {
            if !values.is_empty() {
                self.set(field, values);
            }
        }
        Value::Object(self.fields)
    }
}

/// Returns when a step was complete: at its last reply, else its last command.
fn end_of(step: &Step) -> Timestamp {
    let commands = step.commands.iter();
    let times = commands.map(|command| {
        let replied = command.replies.last().map(|reply| reply.time);
        replied.unwrap_or(command.time)
    });
    times.max().unwrap_or(step.time)
}

const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "success",
        Outcome::Failed => "failure",
        _ => "unknown",
    }
}

/// Bytes kept of a text: as many as a keyword of Elasticsearch may have.
const LONGEST_TEXT: usize = 32_766;

const ECS_VERSION: &str = "9.4.0";

#[cfg(test)]
mod tests {
    use super::super::ExportOptions;
    use super::super::tests::export;
    use super::*;

    #[test]
    fn documents_of_the_example_are_nested_and_in_order_of_time() {
        let text = export(&FORMAT, &ExportOptions::default(), &[1]).remove("ecs.ndjson");
        let text = text.expect("one file");
        let documents: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        let of = |dataset: &str| {
            let wanted = documents.iter();
            wanted
                .filter(|one| one["event"]["dataset"] == format!("ftpscope.{dataset}"))
                .count()
        };
        assert_eq!(
            ["session", "login", "transfer", "finding"].map(of),
            [1, 1, 3, 2]
        );
        let times: Vec<&str> = documents
            .iter()
            .filter_map(|one| one["@timestamp"].as_str())
            .collect();
        assert!(times.is_sorted());
        let has_dot = |value: &Value| {
            value
                .as_object()
                .is_some_and(|fields| fields.keys().any(|key| key.contains('.')))
        };
        assert!(documents.iter().all(|one| !has_dot(one)));
        assert!(!text.contains(":null"));
    }

    #[test]
    fn path_is_split_into_directory_name_and_extension() {
        let mut document = Document::new("transfer", String::new());
        document.path("/pub/a.tar.gz");
        let file = &document.fields["file"];
        assert_eq!(file["directory"], "/pub");
        assert_eq!(
            (file["name"].as_str(), file["extension"].as_str()),
            (Some("a.tar.gz"), Some("gz"))
        );
        document.path("/.profile");
        assert_eq!(document.fields["file"]["directory"], "/");
    }
}
