//! `csv`: one row a transfer (RFC 4180), for a spreadsheet or a script; other [tables](super::csv_tables) on demand.
//!
//! ```text
//! session ──┬── transfer ──> row: facts of the session, facts of the transfer
//!           └── none ──────> row: facts of the session, empty cells
//! ```
//!
//! Columns are named as the fields of the report; a field of an inner object follows the object's name. Unknown facts
//! are empty cells. CSV has no escapes: control characters in text from the wire are written as [`printable`] writes
//! them, so that a row is one line, and text that a spreadsheet would take for a formula gets a leading `'`.

use std::io::{self, Write};
use std::net::IpAddr;

use ::csv::{ErrorKind, IntoInnerError, Terminator, WriterBuilder};
use serde::{Serialize, Serializer};

use super::csv_tables::{HostTable, SessionTable};
use super::{
    DocumentExporter, DocumentFormat, ExportOptions, FinishedSessions, Format, OutputFile,
    OutputKind, SessionText,
};
use crate::model::Timestamp;
use crate::model::record::{
    Command, Completeness, Connection, DataType, LoginOutcome, Mode, Session, Tls, TlsObstacle,
    Transfer, TransferDirection, VerdictStatus,
};
use crate::model::wire_text::printable;
use crate::report::{CaptureNames, Report};

pub(super) const FORMAT: Format = Format {
    name: "csv",
    summary: "One row per transfer, for a spreadsheet",
    unit: Some("one row a transfer"),
    output: OutputKind::Document,
    open: |options, outputs| {
        let table = options.csv_table;
        let out = outputs.create(&format!("{}.csv", table.name()))?;
        let limits = &options.limits;
        Ok(match table {
            CsvTable::Transfers => Box::new(DocumentExporter::new(
                Csv(Columns::of(options)),
                limits,
                out,
            )),
            CsvTable::Hosts => Box::new(DocumentExporter::new(HostTable::default(), limits, out)),
            _ => {
                let format = SessionTable::new(table, options);
                Box::new(DocumentExporter::new(format, limits, out))
            }
        })
    },
    schema: Some(schema),
};

/// A table of CSV.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CsvTable {
    /// Transfers, and sessions without any.
    #[default]
    Transfers,
    /// Sessions.
    Sessions,
    /// Attempts to log in.
    Credentials,
    /// Addresses of clients and servers.
    Hosts,
    /// Downloads and uploads.
    Files,
}

impl CsvTable {
    /// All tables.
    pub const ALL: [Self; 5] = [
        Self::Transfers,
        Self::Sessions,
        Self::Credentials,
        Self::Hosts,
        Self::Files,
    ];

    /// Returns the name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transfers => "transfers",
            Self::Sessions => "sessions",
            Self::Credentials => "credentials",
            Self::Hosts => "hosts",
            Self::Files => "files",
        }
    }
}

/// Returns the columns of each table, those that options add included, as one JSON object.
fn schema() -> String {
    let options = ExportOptions {
        md5: true,
        sha1: true,
        captures: vec![String::new(), String::new()],
        ..ExportOptions::default()
    };
    let columns = CsvTable::ALL.into_iter().filter_map(|table| {
        let header = match table {
            CsvTable::Transfers => header(&Columns::of(&options)),
            CsvTable::Hosts => HostTable::header(),
            _ => SessionTable::new(table, &options).header(),
        };
        let header = String::from_utf8(header.ok()?).ok()?;
        let names: Vec<&str> = header.trim_end().split(',').collect();
        Some((table.name().to_owned(), serde_json::json!(names)))
    });
    let tables: serde_json::Map<_, _> = columns.collect();
    format!("{:#}\n", serde_json::Value::Object(tables))
}

struct Csv(Columns);

impl DocumentFormat for Csv {
    fn write_session(&mut self, session: &Session, out: &mut SessionText<'_>) -> io::Result<()> {
        write_session(session, &self.0, out)
    }

    fn write_document(
        &self,
        _: &Report,
        sessions: FinishedSessions,
        out: &mut OutputFile,
    ) -> io::Result<()> {
        write_document(sessions, &self.0, out)
    }

    // Rows are transfers: a warning about the capture has no place among them.
    fn writes_warnings(&self) -> bool {
        false
    }
}

/// Optional columns.
#[derive(Clone, Debug, Default)]
struct Columns {
    /// Adds `md5`.
    md5: bool,
    /// Adds `sha1`.
    sha1: bool,
    /// With more than one capture: the paths of all, in the order of the report. Adds `capture_path` and
    /// `capture_frame`.
    captures: Vec<String>,
    /// Short names of these captures.
    names: CaptureNames,
}

impl Columns {
    fn of(options: &ExportOptions) -> Self {
        Self {
            md5: options.md5,
            sha1: options.sha1,
            captures: options.captures.clone(),
            names: CaptureNames::new(&options.captures),
        }
    }
}

/// Writes the rows of one session, for [`write_document`].
fn write_session<W: Write>(session: &Session, columns: &Columns, out: &mut W) -> io::Result<()> {
    let mut writer = WriterBuilder::new()
        .has_headers(false)
        // RFC 4180 section 2: lines end with CRLF.
        .terminator(Terminator::CRLF)
        .from_writer(out);
    let row = Row::of_session(session, columns);
    for transfer in &session.transfers {
        writer
            .serialize(row.with(session, transfer, columns))
            .map_err(failure)?;
    }
    if session.transfers.is_empty() {
        writer.serialize(row).map_err(failure)?;
    }
    writer.flush()
}

/// Writes the header, and the sessions that [`write_session`] has written with the same columns.
fn write_document(
    sessions: FinishedSessions,
    columns: &Columns,
    out: &mut dyn Write,
) -> io::Result<()> {
    out.write_all(&header(columns)?)?;
    sessions.write(b"", out)
}

/// Returns the header line.
fn header(columns: &Columns) -> io::Result<Vec<u8>> {
    header_of(&Row::new(columns))
}

/// Returns the header line of rows like `row`.
// The csv crate derives the header from a row: an empty one is written and cut off behind the header. Names of columns
// hold no line ends.
pub(super) fn header_of(row: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut writer = WriterBuilder::new()
        .terminator(Terminator::CRLF)
        .from_writer(Vec::new());
    writer.serialize(row).map_err(failure)?;
    let mut text = writer.into_inner().map_err(IntoInnerError::into_error)?;
    let end = text.iter().position(|&byte| byte == b'\n');
    text.truncate(end.map_or(0, |at| at.saturating_add(1)));
    Ok(text)
}

/// Writes a row without the header.
pub(super) fn write_row<W: Write>(row: &impl Serialize, out: &mut W) -> io::Result<()> {
    let mut writer = WriterBuilder::new()
        .has_headers(false)
        .terminator(Terminator::CRLF)
        .from_writer(out);
    writer.serialize(row).map_err(failure)?;
    writer.flush()
}

/// Returns the error of the target. Any other error would be a defect of [`Row`].
fn failure(error: ::csv::Error) -> io::Error {
    match error.into_kind() {
        ErrorKind::Io(cause) => cause,
        kind => io::Error::other(format!("{kind:?}")),
    }
}

/// One row, in the order of the columns.
#[derive(Clone, Copy, Default, Serialize)]
struct Row<'a> {
    session: u64,
    start: Timestamp,
    duration: f64,
    client: Option<IpAddr>,
    client_port: u16,
    server: Option<IpAddr>,
    server_port: u16,
    server_name: Option<Text<'a>>,
    user: Option<Text<'a>>,
    login_outcome: Option<LoginOutcome>,
    encrypted: bool,
    verdict_status: Option<VerdictStatus>,
    verdict_text: Text<'a>,
    transfer: Option<u64>,
    frame: Option<u64>,
    #[serde(skip_serializing_if = "Optional::is_absent")]
    capture_path: Optional<Text<'a>>,
    #[serde(skip_serializing_if = "Optional::is_absent")]
    capture_frame: Optional<u64>,
    time: Option<Timestamp>,
    verb: Option<Text<'a>>,
    argument: Option<Text<'a>>,
    path: Option<Text<'a>>,
    direction: Option<TransferDirection>,
    mode: Option<Mode>,
    data_type: Option<DataType>,
    bytes: Option<u64>,
    missing_bytes: Option<u64>,
    announced_bytes: Option<u64>,
    restart_offset: Option<u64>,
    completeness: Option<Completeness>,
    evidence: Sentences<'a>,
    sha256: Option<&'a str>,
    #[serde(skip_serializing_if = "Optional::is_absent")]
    md5: Optional<&'a str>,
    #[serde(skip_serializing_if = "Optional::is_absent")]
    sha1: Optional<&'a str>,
    media_type: Option<Text<'a>>,
    saved_as: Option<Text<'a>>,
    connection_client: Option<IpAddr>,
    connection_client_port: Option<u16>,
    connection_server: Option<IpAddr>,
    connection_server_port: Option<u16>,
    connection_start: Option<Timestamp>,
    connection_duration: Option<f64>,
    tls_version: Option<&'a str>,
    tls_decrypted: Option<bool>,
    tls_obstacle: Option<TlsObstacle>,
}

impl<'a> Row<'a> {
    /// Creates a row of empty cells.
    fn new(columns: &Columns) -> Self {
        let several = !columns.captures.is_empty();
        Self {
            capture_path: Optional::new(several),
            capture_frame: Optional::new(several),
            md5: Optional::new(columns.md5),
            sha1: Optional::new(columns.sha1),
            ..Self::default()
        }
    }

    /// Creates the row of a session without transfers.
    fn of_session(session: &'a Session, columns: &'a Columns) -> Self {
        Self {
            session: session.id,
            start: session.start,
            duration: session.duration,
            client: Some(session.client.ip),
            client_port: session.client.port,
            server: Some(session.server.ip),
            server_port: session.server.port,
            server_name: session.server.name.as_deref().map(Text),
            user: session.login.user.as_deref().map(Text),
            login_outcome: Some(session.login.outcome),
            encrypted: session.tls.is_some(),
            verdict_status: Some(session.verdict.status),
            verdict_text: Text(&session.verdict.text),
            ..Self::new(columns).in_capture(session, columns)
        }
        .with_tls(session.tls.as_ref())
    }

    /// Returns this row with the capture in which the session begins.
    fn in_capture(self, session: &Session, columns: &'a Columns) -> Self {
        let place = session.control.first_place();
        let path = place.and_then(|place| path_of(place.capture, columns));
        Self {
            capture_path: self.capture_path.with(path.map(Text)),
            ..self
        }
    }

    /// Returns this row with TLS of its connection; `None` for one in clear.
    fn with_tls(self, tls: Option<&'a Tls>) -> Self {
        Self {
            tls_version: tls.and_then(|tls| tls.version.as_deref()),
            tls_decrypted: tls.map(|tls| tls.decrypted),
            tls_obstacle: tls.and_then(|tls| tls.obstacle),
            ..self
        }
    }

    /// Returns this row with a transfer of its session.
    fn with(&self, session: &'a Session, transfer: &'a Transfer, columns: &'a Columns) -> Self {
        let command = command_of(session, transfer);
        let place = command.and_then(Command::place);
        let path = place.and_then(|place| path_of(place.capture, columns));
        let connection = transfer.connection.as_ref();
        Self {
            transfer: Some(transfer.id),
            frame: command.map(|command| command.frame),
            capture_path: self.capture_path.with(path.map(Text)),
            capture_frame: self
                .capture_frame
                .with(place.map(|place| place.capture_frame)),
            time: command.map(|command| command.time),
            verb: Some(Text(&transfer.verb)),
            argument: transfer.argument.as_deref().map(Text),
            path: transfer.path.as_deref().map(Text),
            direction: Some(transfer.direction),
            mode: Some(transfer.mode),
            data_type: transfer.data_type,
            bytes: Some(transfer.bytes),
            missing_bytes: Some(transfer.missing_bytes),
            announced_bytes: transfer.announced_bytes,
            restart_offset: Some(transfer.restart_offset),
            completeness: Some(transfer.completeness),
            evidence: Sentences(Some((transfer, &columns.names))),
            sha256: transfer.sha256.as_deref(),
            md5: self.md5.with(transfer.md5.as_deref()),
            sha1: self.sha1.with(transfer.sha1.as_deref()),
            media_type: transfer.media_type.as_deref().map(Text),
            saved_as: transfer.saved_as.as_deref().map(Text),
            connection_client: connection.map(|connection| connection.client.ip),
            connection_client_port: connection.map(|connection| connection.client.port),
            connection_server: connection.map(|connection| connection.server.ip),
            connection_server_port: connection.map(|connection| connection.server.port),
            connection_start: connection.map(|connection| connection.start),
            connection_duration: connection.map(duration),
            ..*self
        }
        .with_tls(transfer.tls.as_ref())
    }
}

/// Returns the command that began a transfer, or `None` if it was omitted.
fn command_of<'a>(session: &'a Session, transfer: &Transfer) -> Option<&'a Command> {
    let commands = &session.step_of(transfer.id)?.commands;
    // A refused command may have been repeated within the step: the last one made the transfer.
    commands
        .iter()
        .rfind(|command| command.verb == transfer.verb)
}

fn path_of(capture: u32, columns: &Columns) -> Option<&str> {
    let index = usize::try_from(capture).ok()?;
    columns.captures.get(index).map(String::as_str)
}

fn duration(connection: &Connection) -> f64 {
    connection.end.since(connection.start).seconds()
}

/// Text that may hold text from the wire.
#[derive(Clone, Copy, Default)]
pub(super) struct Text<'a>(pub(super) &'a str);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = printable(self.0);
        if text.starts_with(FORMULA) {
            serializer.serialize_str(&format!("'{text}"))
        } else {
            serializer.serialize_str(&text)
        }
    }
}

/// Evidence of a transfer in one cell.
#[derive(Clone, Copy, Default)]
struct Sentences<'a>(Option<(&'a Transfer, &'a CaptureNames)>);

impl Serialize for Sentences<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some((transfer, captures)) = self.0 else {
            return Text("").serialize(serializer);
        };
        let sentences = transfer.evidence.iter();
        let named: Vec<_> = sentences
            .map(|text| captures.evidence(transfer, text))
            .collect();
        Text(&named.join("; ")).serialize(serializer)
    }
}

/// Cell of an optional column.
#[derive(Clone, Copy, Default, Serialize)]
#[serde(untagged)]
pub(super) enum Optional<T> {
    #[default]
    Absent,
    Cell(Option<T>),
}

impl<T> Optional<T> {
    /// Creates an empty cell, or none if the column is absent.
    pub(super) fn new(present: bool) -> Self {
        if present {
            Self::Cell(None)
        } else {
            Self::Absent
        }
    }

    /// Returns this cell with a value, if the column is present.
    pub(super) fn with(self, value: Option<T>) -> Self {
        match self {
            Self::Absent => Self::Absent,
            Self::Cell(_) => Self::Cell(value),
        }
    }

    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

/// Characters that make a spreadsheet evaluate a cell as a formula (OWASP: CSV injection).
const FORMULA: [char; 4] = ['=', '+', '-', '@'];

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::report::example::example_session;

    /// The document of these sessions.
    fn document(sessions: &[Session], columns: &Columns) -> String {
        let mut finished = FinishedSessions::new();
        for session in sessions {
            finished.push(session.id, |out| write_session(session, columns, out));
        }
        let mut out = Vec::new();
        write_document(finished, columns, &mut out).expect("memory takes it");
        String::from_utf8(out).expect("CSV is UTF-8")
    }

    /// The cells of a document as a reader of CSV finds them, the header first.
    fn cells(document: &str) -> Vec<Vec<String>> {
        let mut reader = ::csv::ReaderBuilder::new()
            .has_headers(false)
            .from_reader(document.as_bytes());
        reader
            .records()
            .map(|row| row.expect("a row").iter().map(str::to_owned).collect())
            .collect()
    }

    /// The cells of one column, by its name.
    fn column(document: &str, name: &str) -> Vec<String> {
        let mut rows = cells(document).into_iter();
        let header = rows.next().expect("a header");
        let place = header.iter().position(|column| column == name);
        let place = place.unwrap_or_else(|| panic!("no {name} in {header:?}"));
        rows.map(|row| row[place].clone()).collect()
    }

    /// The example session with another path of its download.
    fn with_path(path: &str) -> Session {
        let mut session = example_session();
        let mut download = Transfer::clone(&session.transfers[1]);
        download.path = Some(path.to_owned());
        session.transfers = vec![Arc::new(download)];
        session
    }

    #[test]
    fn row_has_the_facts_of_a_transfer_and_its_session() {
        let mut rows = cells(&document(&[example_session()], &Columns::default()));
        assert_eq!(rows.len(), 4);
        let download = rows.swap_remove(2);
        let pairs = rows[0].iter().zip(download);
        let lines: Vec<String> = pairs
            .map(|(column, cell)| format!("{column}: {cell}"))
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @"
    session: 1
    start: 2026-11-20T15:54:41.376485000Z
    duration: 42.28
    client: 192.168.0.2
    client_port: 1175
    server: 192.168.0.1
    server_port: 21
    server_name: ftp.any-domain.com
    user: ftp
    login_outcome: accepted
    encrypted: false
    verdict_status: failed
    verdict_text: readme.txt was downloaded whole; the upload of notes.txt was refused (550)
    transfer: 2
    frame: 39
    time: 2026-11-20T15:55:05.261485000Z
    verb: RETR
    argument: readme.txt
    path: /pub/readme.txt
    direction: download
    mode: active
    data_type: ascii
    bytes: 1715
    missing_bytes: 0
    announced_bytes: 1715
    restart_offset: 0
    completeness: complete
    evidence: FIN of the sender; 226; 1715 bytes announced
    sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    media_type: text/plain
    saved_as: 192.168.0.1_21/1/pub/readme.txt
    connection_client: 192.168.0.2
    connection_client_port: 5002
    connection_server: 192.168.0.1
    connection_server_port: 20
    connection_start: 2026-11-20T15:55:05.265485000Z
    connection_duration: 0.012
    tls_version: 
    tls_decrypted: 
    tls_obstacle: 
    ");
    }

    #[test]
    fn session_without_transfers_has_a_row() {
        let mut silent = example_session();
        silent.id = 2;
        silent.transfers.clear();
        let text = document(&[silent, example_session()], &Columns::default());
        assert_eq!(column(&text, "session"), ["1", "1", "1", "2"]);
        assert_eq!(column(&text, "transfer"), ["1", "2", "3", ""]);
        assert_eq!(column(&text, "evidence")[3], "");
        assert_eq!(column(&text, "verdict_status")[3], "failed");
    }

    #[test]
    fn document_without_sessions_is_the_header() {
        let text = document(&[], &Columns::default());
        assert!(text.starts_with("session,start,duration,client,"));
        assert!(text.ends_with("\r\n"));
        assert_eq!(cells(&text).len(), 1);
    }

    #[test]
    fn commas_and_quotes_stay_in_their_cell() {
        let text = document(&[with_path("/a, \"b\".txt")], &Columns::default());
        assert!(text.contains(",\"/a, \"\"b\"\".txt\","), "{text}");
        assert_eq!(column(&text, "path"), ["/a, \"b\".txt"]);
    }

    #[test]
    fn row_is_one_line_whatever_a_name_contains() {
        let text = document(
            &[with_path("/a\r\n\t\0\x1b]0;b\u{202e}\u{85}.txt")],
            &Columns::default(),
        );
        assert_eq!(text.lines().count(), 2);
        let visible = "/a\\x0d\\x0a\\x09\\x00\\x1b]0;b\\u{202e}\\x85.txt";
        assert_eq!(column(&text, "path"), [visible]);
    }

    #[test]
    fn text_like_a_formula_gets_a_quote() {
        for (name, cell) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(1)", "'@SUM(1)"),
            ("a=1", "a=1"),
            ("'=1", "'=1"),
            ("\t=1", "\\x09=1"),
        ] {
            let mut session = with_path(name);
            session.login.user = Some(name.to_owned());
            session.server.name = Some(name.to_owned());
            session.verdict.text = name.to_owned();
            let transfer = Arc::make_mut(&mut session.transfers[0]);
            for text in [
                &mut transfer.argument,
                &mut transfer.saved_as,
                &mut transfer.media_type,
            ] {
                *text = Some(name.to_owned());
            }
            transfer.verb = name.to_owned();
            transfer.evidence = vec![name.to_owned(), name.to_owned()];
            let text = document(&[session], &Columns::default());
            for place in [
                "user",
                "server_name",
                "verdict_text",
                "verb",
                "argument",
                "path",
                "saved_as",
                "media_type",
            ] {
                assert_eq!(column(&text, place), [cell], "{place}");
            }
            let evidence = &column(&text, "evidence")[0];
            assert!(evidence.starts_with(cell), "{evidence}");
        }
    }

    #[test]
    fn requested_digests_follow_sha256() {
        let mut session = with_path("/a");
        Arc::make_mut(&mut session.transfers[0]).md5 = Some("d41d8cd9".to_owned());
        let columns = Columns {
            md5: true,
            sha1: true,
            ..Columns::default()
        };
        let text = document(std::slice::from_ref(&session), &columns);
        assert!(text.contains(",sha256,md5,sha1,media_type,"));
        assert_eq!(column(&text, "md5"), ["d41d8cd9"]);
        assert_eq!(column(&text, "sha1"), [""]);
        // A column that nobody asked for is not there, whatever is known.
        let without = document(&[session], &Columns::default());
        assert!(without.contains(",sha256,media_type,"));
        assert!(!without.contains("d41d8cd9"));
    }

    #[test]
    fn several_captures_add_path_and_frame_within_the_capture() {
        let mut session = example_session();
        let captures = vec!["a.pcap".to_owned(), "=b.pcap".to_owned()];
        for step in &mut session.steps {
            for command in &mut Arc::make_mut(step).commands {
                command.capture = Some(u32::from(command.verb == "RETR"));
                command.capture_frame = Some(command.frame + 1_000);
            }
        }
        let columns = Columns {
            captures,
            ..Columns::default()
        };
        let text = document(&[session], &columns);
        assert!(text.contains(",frame,capture_path,capture_frame,time,"));
        let expected = ["a.pcap", "'=b.pcap", "a.pcap"];
        assert_eq!(column(&text, "capture_path"), expected);
        for (frame, within) in column(&text, "frame")
            .iter()
            .zip(column(&text, "capture_frame"))
        {
            let frame: u64 = frame.parse().expect("a number");
            assert_eq!(within, (frame + 1_000).to_string());
        }
    }

    #[test]
    fn transfer_without_a_captured_command_has_no_frame() {
        let mut session = example_session();
        for step in &mut session.steps {
            Arc::make_mut(step).commands.clear();
        }
        let text = document(&[session], &Columns::default());
        assert_eq!(column(&text, "frame"), ["", "", ""]);
        assert_eq!(column(&text, "time"), ["", "", ""]);
        assert_eq!(column(&text, "verb"), ["LIST", "RETR", "STOR"]);
    }

    #[test]
    fn cells_equal_the_fields_of_the_json_report() {
        let session = example_session();
        let text = document(std::slice::from_ref(&session), &Columns::default());
        let json = serde_json::to_value(&session).expect("JSON");
        let shown = |value: &serde_json::Value| match value {
            serde_json::Value::Null => String::new(),
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        for name in ["start", "duration", "verdict_status", "verdict_text"] {
            let value = match name.split_once('_') {
                Some((object, field)) => &json[object][field],
                None => &json[name],
            };
            assert_eq!(column(&text, name)[0], shown(value), "{name}");
        }
        for name in [
            "verb",
            "argument",
            "path",
            "direction",
            "mode",
            "data_type",
            "bytes",
            "missing_bytes",
            "announced_bytes",
            "restart_offset",
            "completeness",
            "sha256",
            "media_type",
            "saved_as",
        ] {
            let transfers = json["transfers"].as_array().expect("a list");
            let expected: Vec<String> = transfers.iter().map(|one| shown(&one[name])).collect();
            assert_eq!(column(&text, name), expected, "{name}");
        }
    }
}
