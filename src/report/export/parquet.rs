//! `parquet`: tables for `DuckDB`, pandas, Spark and `ClickHouse`, one file each in a directory.
//!
//! ```text
//! session ──> SessionsInOrder ──> rows of sessions, transfers, steps, commands, findings, entries ──> row groups
//! end of the run ────────────────> captures
//! ```
//!
//! A table has the same schema in every run, also without rows, so that the files of many runs are read together. Columns are
//! named as the fields of the report, with the object's name before those of an object within it. Times are microseconds in
//! UTC, cut off and not rounded, since Spark refuses nanoseconds; these stand beside them as integers (`start_ns`). Integers
//! are signed, lists hold text or integers, and nothing else is nested.
//!
//! Nothing depends on the clock: the same input gives the same bytes.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;
use serde::Serialize;

use super::session_order::SessionsInOrder;
use super::{ExportOptions, Exporter, Format, OutputFile, OutputKind, Outputs, RunEnd};
use crate::model::record::{
    Capture, Command, Finding, ListingEntry, Session, Step, Transfer, WarningRecord,
};
use crate::model::{Event, EventKind, EventSink, Timestamp};
use crate::report::{ReportBuilder, SCHEMA_VERSION};

pub(super) const FORMAT: Format = Format {
    name: "parquet",
    summary: "Parquet tables, in a directory",
    unit: Some("tables"),
    output: OutputKind::Directory,
    open: |options, outputs| Ok(Box::new(Tables::open(options, outputs)?)),
    schema: Some(schemas),
};

/// Returns the schema of each table, in the notation of Parquet.
fn schemas() -> String {
    let tables = TABLES.iter();
    let texts = tables.map(|name| message(name, &all_columns(columns(name))));
    texts.collect::<Vec<_>>().join("\n")
}

/// Names of the tables, in the order in which their files are written: the last one stands for "done".
pub const TABLES: &[&str] = &[
    "sessions",
    "transfers",
    "steps",
    "commands",
    "findings",
    "entries",
    "captures",
];

/// Exporter of tables.
struct Tables {
    sessions: SessionsInOrder,
    rows: Rows,
    /// First error; `None` while all rows were written.
    error: Option<io::Error>,
    rest: ReportBuilder,
}

/// Type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    /// Text that every row has: the uid of what the row is about.
    Name,
    /// 64 bits.
    Int,
    /// 32 bits: ports and codes.
    Short,
    Double,
    Flag,
    Time,
    Texts,
    Ints,
}

/// Value of one column in one row.
#[derive(Clone, Debug)]
enum Cell {
    Null,
    Text(String),
    Int(i64),
    Double(f64),
    Flag(bool),
    Time(Timestamp),
    Texts(Vec<String>),
    Ints(Vec<i64>),
}

impl Tables {
    fn open(options: &ExportOptions, outputs: &mut dyn Outputs) -> io::Result<Self> {
        let wanted = |name: &&&str| {
            let chosen = &options.tables;
            // Entries of listings are many, and few ask for them.
            (chosen.is_empty() && **name != "entries") || chosen.iter().any(|table| table == **name)
        };
        let file = |name: &str| match &options.part {
            Some(part) => format!("{name}/{part}.parquet"),
            None => format!("{name}.parquet"),
        };
        let mut rows = BTreeMap::new();
        for name in TABLES.iter().filter(wanted) {
            let out = outputs.create(&file(name))?;
            let part = options.part.as_deref();
            rows.insert(*name, Table::open(columns(name), name, part, out)?);
        }
        Ok(Self {
            sessions: SessionsInOrder::new(options.limits.sessions),
            rows: Rows(rows),
            error: None,
            rest: ReportBuilder::new(&options.limits),
        })
    }
}

impl EventSink for Tables {
    fn event(&mut self, event: &Event<'_>) {
        let EventKind::SessionEnd(session) = &event.kind else {
            self.rest.event(event);
            return;
        };
        if self.error.is_some() {
            return;
        }
        let rows = &mut self.rows;
        match self.sessions.push(session, |one| rows.add_session(one)) {
            Ok(true) => {}
            Ok(false) => self.rest.omit_session(),
            Err(error) => self.error = Some(error),
        }
    }
}

impl Exporter for Tables {
    fn finish(mut self: Box<Self>, run: RunEnd<'_>) -> io::Result<()> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        let report = self.rest.finish(run.captures.to_vec(), run.totals.clone());
        (run.unwritten_warnings)(&report.warnings);
        let paths: Vec<&str> = run.captures.iter().map(|one| one.path.as_str()).collect();
        let paths = serde_json::to_string(&paths).map_err(io::Error::from)?;
        let mut rows = self.rows;
        self.sessions.finish(|session| rows.add_session(session))?;
        for finding in &report.findings {
            rows.add("findings", || finding_row(finding, None))?;
        }
        for capture in run.captures {
            rows.add("captures", || capture_row(capture, &report.warnings))?;
        }
        TABLES
            .iter()
            .filter_map(|name| rows.0.remove(name))
            .try_for_each(|table| table.close(&paths))
    }
}

/// Writers of the tables by name.
struct Rows(BTreeMap<&'static str, Table>);

impl Rows {
    fn add(&mut self, table: &str, row: impl FnOnce() -> Vec<Cell>) -> io::Result<()> {
        match self.0.get_mut(table) {
            Some(table) => table.add(row()),
            None => Ok(()),
        }
    }

    fn add_session(&mut self, session: &Session) -> io::Result<()> {
        let makers: BTreeMap<u64, &Step> = session
            .steps
            .iter()
            .filter_map(|step| Some((step.transfer?, step.as_ref())))
            .collect();
        let uids: BTreeMap<u64, &str> = session
            .transfers
            .iter()
            .map(|transfer| (transfer.id, transfer.uid.as_str()))
            .collect();
        self.add("sessions", || session_row(session))?;
        for transfer in &session.transfers {
            let step = makers.get(&transfer.id).copied();
            self.add("transfers", || transfer_row(session, transfer, step))?;
            for entry in &transfer.entries {
                self.add("entries", || entry_row(session, Some(transfer), entry))?;
            }
        }
        for step in &session.steps {
            let uid = step.transfer.and_then(|id| uids.get(&id).copied());
            self.add("steps", || step_row(session, step, uid))?;
            for entry in &step.entries {
                self.add("entries", || entry_row(session, None, entry))?;
            }
        }
        let steps = session.steps.iter();
        let mut commands: Vec<(&Command, &Step)> = steps
            .flat_map(|step| step.commands.iter().map(|command| (command, step.as_ref())))
            .collect();
        commands.sort_by_key(|(command, _)| command.sequence);
        for (command, step) in commands {
            let uid = step.transfer.and_then(|id| uids.get(&id).copied());
            self.add("commands", || command_row(session, command, step, uid))?;
        }
        for finding in &session.findings {
            self.add("findings", || finding_row(finding, Some(session)))?;
        }
        Ok(())
    }
}

/// One table: its rows since the last row group, and its file.
struct Table {
    columns: Vec<(String, Kind)>,
    /// Indices of the columns with times, whose nanoseconds stand behind the given cells.
    times: Vec<usize>,
    /// Cells by column: a row takes no memory of its own.
    cells: Vec<Vec<Cell>>,
    rows: usize,
    part: Option<String>,
    writer: SerializedFileWriter<OutputFile>,
}

impl Table {
    fn open(
        columns: &[(&'static str, Kind)],
        name: &str,
        part: Option<&str>,
        out: OutputFile,
    ) -> io::Result<Self> {
        let all = all_columns(columns);
        let schema = message(name, &all);
        let schema = parse_message_type(&schema).map_err(failure)?;
        let facts = [
            ("ftpscope.schema_version", SCHEMA_VERSION),
            ("ftpscope.version", env!("CARGO_PKG_VERSION")),
        ];
        let facts = facts.map(|(key, value)| KeyValue::new(key.to_owned(), value.to_owned()));
        let mut properties = WriterProperties::builder()
            .set_writer_version(WriterVersion::PARQUET_1_0)
            .set_compression(Compression::SNAPPY)
            .set_created_by(concat!("ftpscope version ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_key_value_metadata(Some(facts.to_vec()));
        for (column, kind) in &all {
            // Values that hardly repeat: a dictionary of them takes time and memory, and saves nothing.
            let is_unique = matches!(kind, Kind::Name | Kind::Time | Kind::Double);
            if is_unique || column.ends_with("_ns") {
                let path = ColumnPath::from(column.as_str());
                properties = properties.set_column_dictionary_enabled(path, false);
            }
        }
        let properties = Arc::new(properties.build());
        let writer = SerializedFileWriter::new(out, Arc::new(schema), properties);
        let times = columns.iter().enumerate();
        Ok(Self {
            times: times
                .filter(|(_, (_, kind))| *kind == Kind::Time)
                .map(|(index, _)| index)
                .collect(),
            cells: all.iter().map(|_| Vec::new()).collect(),
            columns: all,
            rows: 0,
            part: part.map(str::to_owned),
            writer: writer.map_err(failure)?,
        })
    }

    /// Adds a row, given without the columns for nanoseconds and the part.
    fn add(&mut self, row: Vec<Cell>) -> io::Result<()> {
        debug_assert_eq!(row.len() + self.times.len() + 1, self.columns.len());
        let given = row.len();
        let (places, derived) = self.cells.split_at_mut(given.min(self.columns.len()));
        for (&index, place) in self.times.iter().zip(derived.iter_mut()) {
            place.push(match row.get(index) {
                Some(Cell::Time(time)) => Cell::Int(time.nanos()),
                _ => Cell::Null,
            });
        }
        if let Some(place) = derived.last_mut() {
            place.push(text(self.part.as_deref()));
        }
        for (cell, place) in row.into_iter().zip(places) {
            place.push(cell);
        }
        self.rows += 1;
        if self.rows * self.columns.len() >= CELLS_IN_MEMORY {
            self.write_rows()?;
        }
        Ok(())
    }

    fn write_rows(&mut self) -> io::Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        self.rows = 0;
        let mut group = self.writer.next_row_group().map_err(failure)?;
        for ((_, kind), cells) in self.columns.iter().zip(&mut self.cells) {
            let Some(column) = group.next_column().map_err(failure)? else {
                break;
            };
            write_column(column, *kind, cells.drain(..)).map_err(failure)?;
        }
        group.close().map_err(failure)?;
        Ok(())
    }

    /// Writes the last rows, and ends the file. `captures` is the list of the inputs, which are known at the end.
    fn close(mut self, captures: &str) -> io::Result<()> {
        self.write_rows()?;
        self.writer.append_key_value_metadata(KeyValue::new(
            "ftpscope.captures".to_owned(),
            captures.to_owned(),
        ));
        let mut out = self.writer.into_inner().map_err(failure)?;
        out.flush()
    }
}

/// Returns all columns of a table, those for nanoseconds and the part included.
fn all_columns(columns: &[(&'static str, Kind)]) -> Vec<(String, Kind)> {
    let mut all: Vec<(String, Kind)> = columns
        .iter()
        .map(|(name, kind)| ((*name).to_owned(), *kind))
        .collect();
    let times = columns.iter().filter(|column| column.1 == Kind::Time);
    all.extend(times.map(|(name, _)| (format!("{name}_ns"), Kind::Int)));
    all.push(("part".to_owned(), Kind::Text));
    all
}

/// Returns the schema of a table in the notation of Parquet.
fn message(table: &str, columns: &[(String, Kind)]) -> String {
    let fields = columns.iter().map(|(name, kind)| match kind {
        Kind::Text => format!("  optional binary {name} (STRING);\n"),
        Kind::Name => format!("  required binary {name} (STRING);\n"),
        Kind::Int => format!("  optional int64 {name};\n"),
        Kind::Short => format!("  optional int32 {name};\n"),
        Kind::Double => format!("  optional double {name};\n"),
        Kind::Flag => format!("  optional boolean {name};\n"),
        Kind::Time => format!("  optional int64 {name} (TIMESTAMP(MICROS,true));\n"),
        Kind::Texts => list(name, "binary element (STRING)"),
        Kind::Ints => list(name, "int64 element"),
    });
    let fields: String = fields.collect();
    format!("message {table} {{\n{fields}}}\n")
}

/// Returns a list in the three-level form of the specification.
fn list(name: &str, element: &str) -> String {
    format!("  optional group {name} (LIST) {{ repeated group list {{ optional {element}; }} }}\n")
}

fn write_column(
    mut column: SerializedColumnWriter<'_>,
    kind: Kind,
    cells: impl Iterator<Item = Cell>,
) -> Result<(), ParquetError> {
    match kind {
        Kind::Text => write::<ByteArrayType>(&mut column, cells, |cell| match cell {
            Cell::Text(text) => Some(bytes(text)),
            _ => None,
        })?,
        Kind::Name => {
            let names: Vec<ByteArray> = cells
                .map(|cell| match cell {
                    Cell::Text(text) => bytes(text),
                    _ => ByteArray::new(),
                })
                .collect();
            let column = column.typed::<ByteArrayType>();
            column.write_batch(&names, None, None)?;
        }
        Kind::Int => write::<Int64Type>(&mut column, cells, |cell| match cell {
            Cell::Int(number) => Some(number),
            _ => None,
        })?,
        Kind::Short => write::<Int32Type>(&mut column, cells, |cell| match cell {
            Cell::Int(number) => i32::try_from(number).ok(),
            _ => None,
        })?,
        Kind::Double => write::<DoubleType>(&mut column, cells, |cell| match cell {
            Cell::Double(number) => Some(number),
            _ => None,
        })?,
        Kind::Flag => write::<BoolType>(&mut column, cells, |cell| match cell {
            Cell::Flag(flag) => Some(flag),
            _ => None,
        })?,
        Kind::Time => write::<Int64Type>(&mut column, cells, |cell| match cell {
            Cell::Time(time) => Some(time.nanos().div_euclid(1000)),
            _ => None,
        })?,
        Kind::Texts => write_lists::<ByteArrayType>(&mut column, cells, |cell| match cell {
            Cell::Texts(texts) => texts.into_iter().map(bytes).collect(),
            _ => Vec::new(),
        })?,
        Kind::Ints => write_lists::<Int64Type>(&mut column, cells, |cell| match cell {
            Cell::Ints(numbers) => numbers,
            _ => Vec::new(),
        })?,
    }
    column.close()
}

/// Takes over the bytes of a text.
fn bytes(text: String) -> ByteArray {
    ByteArray::from(text.into_bytes())
}

fn write<T: DataType>(
    column: &mut SerializedColumnWriter<'_>,
    cells: impl Iterator<Item = Cell>,
    value: impl Fn(Cell) -> Option<T::T>,
) -> Result<(), ParquetError> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    for cell in cells {
        let value = value(cell);
        levels.push(i16::from(value.is_some()));
        values.extend(value);
    }
    column
        .typed::<T>()
        .write_batch(&values, Some(&levels), None)?;
    Ok(())
}

fn write_lists<T: DataType>(
    column: &mut SerializedColumnWriter<'_>,
    cells: impl Iterator<Item = Cell>,
    items: impl Fn(Cell) -> Vec<T::T>,
) -> Result<(), ParquetError> {
    let (mut values, mut definitions, mut repetitions) = (Vec::new(), Vec::new(), Vec::new());
    for cell in cells {
        let items = items(cell);
        if items.is_empty() {
            // The list is there, and has no element.
            definitions.push(1);
            repetitions.push(0);
        }
        for index in 0..items.len() {
            definitions.push(3);
            repetitions.push(i16::from(index > 0));
        }
        values.extend(items);
    }
    let column = column.typed::<T>();
    column.write_batch(&values, Some(&definitions), Some(&repetitions))?;
    Ok(())
}

fn failure(error: ParquetError) -> io::Error {
    match error {
        // An output that cannot be written is reported by its own cause.
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(cause) => *cause,
            Err(cause) => io::Error::other(cause.to_string()),
        },
        other => io::Error::other(other.to_string()),
    }
}

fn text(text: Option<&str>) -> Cell {
    text.map_or(Cell::Null, |text| Cell::Text(text.to_owned()))
}

fn int(number: impl TryInto<i64>) -> Cell {
    Cell::Int(number.try_into().unwrap_or(i64::MAX))
}

fn some<T>(value: Option<T>, cell: impl FnOnce(T) -> Cell) -> Cell {
    value.map_or(Cell::Null, cell)
}

/// Returns the word of the report for a value of an enumeration.
fn word(value: &impl Serialize) -> Cell {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Cell::Text(word),
        _ => Cell::Null,
    }
}

fn session_row(session: &Session) -> Vec<Cell> {
    let login = &session.login;
    let (client, server) = (session.client, &session.server);
    let tls = session.tls.as_ref();
    let control = &session.control;
    let total = |there: usize, omitted: u64| int(there as u64 + omitted);
    vec![
        int(session.id),
        Cell::Time(session.start),
        Cell::Time(session.end),
        Cell::Double(session.duration),
        Cell::Text(client.ip.to_string()),
        int(client.port),
        Cell::Text(server.ip.to_string()),
        int(server.port),
        text(server.name.as_deref()),
        Cell::Text(session.community_id.clone()),
        Cell::Flag(session.midstream),
        word(&session.end_state),
        some(session.greeting.as_ref(), |reply| int(reply.code)),
        word(&login.outcome),
        text(login.user.as_deref()),
        Cell::Flag(login.anonymous),
        int(login.attempts),
        Cell::Flag(tls.is_some()),
        text(tls.and_then(|tls| tls.version.as_deref())),
        word(&session.verdict.status),
        Cell::Text(session.verdict.text.clone()),
        total(session.steps.len(), session.steps_omitted),
        total(session.transfers.len(), session.transfers_omitted),
        total(session.findings.len(), session.findings_omitted),
        Cell::Text(session.uid.to_string()),
        int(control.packets_from_client),
        int(control.packets_from_server),
        int(control.payload_bytes_from_client),
        int(control.payload_bytes_from_server),
        Cell::Text(control.tcp_state.to_string()),
        Cell::Text(control.tcp_history.to_string()),
        int(control.ip_bytes_from_client),
        int(control.ip_bytes_from_server),
        text(login.user_b64.as_deref()),
        text(tls.and_then(|tls| tls.cipher_suite.as_deref())),
        some(tls, |tls| Cell::Flag(tls.decrypted)),
        some(tls.and_then(|tls| tls.obstacle), |obstacle| word(&obstacle)),
        text(tls.and_then(|tls| tls.server_name.as_deref())),
        Cell::Text(session.display_filter.clone()),
    ]
}

fn transfer_row(session: &Session, transfer: &Transfer, step: Option<&Step>) -> Vec<Cell> {
    let command = step.and_then(|step| {
        let mut commands = step.commands.iter();
        commands.find(|command| command.verb == transfer.verb)
    });
    let time = command.map(|command| command.time);
    let connection = transfer.connection.as_ref();
    let link = transfer.link.as_ref();
    let tls = transfer.tls.as_ref();
    let reply = command.and_then(|command| command.replies.last());
    vec![
        int(session.id),
        int(transfer.id),
        some(time.or(step.map(|step| step.time)), Cell::Time),
        some(command, |command| int(command.frame)),
        Cell::Text(transfer.verb.clone()),
        text(transfer.argument.as_deref()),
        text(transfer.path.as_deref()),
        text(transfer.name.as_deref()),
        word(&transfer.direction),
        word(&transfer.mode),
        word(&transfer.data_type),
        word(&transfer.transfer_mode),
        int(transfer.restart_offset),
        int(transfer.bytes),
        int(transfer.missing_bytes),
        some(transfer.announced_bytes, int),
        word(&transfer.completeness),
        Cell::Texts(transfer.evidence.clone()),
        text(transfer.sha256.as_deref()),
        text(transfer.media_type.as_deref()),
        text(transfer.saved_as.as_deref()),
        some(transfer.throughput, Cell::Double),
        some(connection, |one| Cell::Text(one.client.ip.to_string())),
        some(connection, |one| int(one.client.port)),
        some(connection, |one| Cell::Text(one.server.ip.to_string())),
        some(connection, |one| int(one.server.port)),
        some(connection.and_then(|one| one.opened_by), |by| word(&by)),
        some(connection, |one| word(&one.close)),
        some(connection, |one| Cell::Text(one.community_id.clone())),
        some(connection, |one| Cell::Time(one.start)),
        some(connection, |one| Cell::Time(one.end)),
        some(link, |link| word(&link.method)),
        some(link, |link| Cell::Double(link.confidence)),
        Cell::Text(transfer.uid.to_string()),
        Cell::Text(session.uid.to_string()),
        some(connection, |one| Cell::Text(one.uid.to_string())),
        text(transfer.md5.as_deref()),
        text(transfer.sha1.as_deref()),
        some(reply, |reply| int(reply.code)),
        some(connection, |one| int(one.packets_from_client)),
        some(connection, |one| int(one.packets_from_server)),
        some(connection, |one| Cell::Text(one.tcp_state.to_string())),
        some(connection, |one| Cell::Text(one.tcp_history.to_string())),
        some(connection, |one| int(one.ip_bytes_from_client)),
        some(connection, |one| int(one.ip_bytes_from_server)),
        some(connection, |one| int(one.payload_bytes_from_client)),
        some(connection, |one| int(one.payload_bytes_from_server)),
        some(connection, |one| int(one.retransmitted_bytes)),
        some(transfer.announced, |end| Cell::Text(end.ip.to_string())),
        some(transfer.announced, |end| int(end.port)),
        text(tls.and_then(|tls| tls.version.as_deref())),
        some(tls, |tls| Cell::Flag(tls.decrypted)),
        some(tls.and_then(|tls| tls.obstacle), |obstacle| word(&obstacle)),
        text(transfer.argument_b64.as_deref()),
        text(transfer.path_b64.as_deref()),
        text(transfer.name_b64.as_deref()),
    ]
}

fn step_row(session: &Session, step: &Step, transfer: Option<&str>) -> Vec<Cell> {
    let mut commands: Vec<&Command> = step.commands.iter().collect();
    commands.sort_by_key(|command| command.sequence);
    let verbs = commands.iter().map(|command| command.verb.clone());
    let replies = commands.iter().flat_map(|command| &command.replies);
    let frames = commands.iter().map(|command| signed(command.frame));
    vec![
        int(session.id),
        int(step.number),
        word(&step.kind),
        Cell::Text(step.title.clone()),
        word(&step.outcome),
        text(step.directory.as_deref()),
        Cell::Time(step.time),
        Cell::Double(step.duration),
        some(step.transfer, int),
        Cell::Flag(step.inferred),
        Cell::Texts(verbs.collect()),
        Cell::Ints(replies.map(|reply| i64::from(reply.code)).collect()),
        Cell::Ints(frames.collect()),
        Cell::Text(session.uid.to_string()),
        text(transfer),
    ]
}

fn command_row(
    session: &Session,
    command: &Command,
    step: &Step,
    transfer: Option<&str>,
) -> Vec<Cell> {
    let last = command.replies.last();
    let preliminary = command.replies.iter().filter(|reply| reply.code < 200);
    vec![
        Cell::Text(session.uid.to_string()),
        int(command.sequence),
        Cell::Time(command.time),
        int(command.frame),
        some(command.capture, int),
        Cell::Text(command.verb.clone()),
        text(command.argument.as_deref()),
        some(last, |reply| int(reply.code)),
        some(last, |reply| Cell::Text(reply.lines.join("\n"))),
        Cell::Ints(preliminary.map(|reply| i64::from(reply.code)).collect()),
        some(command.response_time, Cell::Double),
        int(step.number),
        text(transfer),
        text(command.verb_b64.as_deref()),
        text(command.argument_b64.as_deref()),
        Cell::Flag(command.truncated),
    ]
}

fn finding_row(finding: &Finding, session: Option<&Session>) -> Vec<Cell> {
    let sessions = match session {
        Some(session) => vec![signed(session.id)],
        None => finding.sessions.iter().copied().map(signed).collect(),
    };
    let transfer = finding.transfer.and_then(|id| session?.transfer(id));
    vec![
        some(session, |session| int(session.id)),
        Cell::Ints(sessions),
        Cell::Text(finding.id.clone()),
        word(&finding.severity),
        Cell::Text(finding.title.clone()),
        Cell::Text(finding.explanation.clone()),
        Cell::Text(finding.advice.clone()),
        Cell::Ints(finding.frames.iter().copied().map(signed).collect()),
        some(finding.step, int),
        some(finding.transfer, int),
        some(session, |session| Cell::Text(session.uid.to_string())),
        some(transfer, |transfer| Cell::Text(transfer.uid.to_string())),
    ]
}

fn entry_row(session: &Session, transfer: Option<&Transfer>, entry: &ListingEntry) -> Vec<Cell> {
    vec![
        Cell::Text(session.uid.to_string()),
        some(transfer, |transfer| Cell::Text(transfer.uid.to_string())),
        text(entry.folder.as_deref()),
        Cell::Text(entry.name.to_string()),
        word(&entry.kind),
        some(entry.size, int),
        text(entry.modified.as_deref()),
        some(entry.modified_precision, |precision| word(&precision)),
        Cell::Flag(entry.year_inferred),
        text(entry.permissions.as_deref()),
        text(entry.owner.as_deref()),
        text(entry.group.as_deref()),
        text(entry.target.as_deref()),
        text(entry.name_b64.as_deref()),
    ]
}

/// Returns the row of an input. Warnings are about the whole run, and every input has all of them.
fn capture_row(capture: &Capture, warnings: &[WarningRecord]) -> Vec<Cell> {
    let code = |warning: &WarningRecord| match word(&warning.code) {
        Cell::Text(code) => format!("{code}: {}", warning.message),
        _ => warning.message.clone(),
    };
    vec![
        Cell::Text(capture.path.clone()),
        Cell::Text(capture.format.clone()),
        Cell::Texts(capture.link_types.clone()),
        some(capture.packets, int),
        some(capture.bytes, int),
        some(capture.first_packet, Cell::Time),
        some(capture.last_packet, Cell::Time),
        some(capture.truncated, Cell::Flag),
        Cell::Texts(warnings.iter().map(code).collect()),
        text(capture.path_b64.as_deref()),
    ]
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Returns the columns of a table, without those for nanoseconds and the part.
fn columns(table: &str) -> &'static [(&'static str, Kind)] {
    match table {
        "sessions" => SESSIONS,
        "transfers" => TRANSFERS,
        "steps" => STEPS,
        "commands" => COMMANDS,
        "findings" => FINDINGS,
        "entries" => ENTRIES,
        _ => CAPTURES,
    }
}

const SESSIONS: &[(&str, Kind)] = &[
    ("session", Kind::Int),
    ("start", Kind::Time),
    ("end", Kind::Time),
    ("duration", Kind::Double),
    ("client", Kind::Text),
    ("client_port", Kind::Short),
    ("server", Kind::Text),
    ("server_port", Kind::Short),
    ("server_name", Kind::Text),
    ("community_id", Kind::Text),
    ("midstream", Kind::Flag),
    ("end_state", Kind::Text),
    ("greeting_code", Kind::Short),
    ("login_outcome", Kind::Text),
    ("user", Kind::Text),
    ("anonymous", Kind::Flag),
    ("login_attempts", Kind::Int),
    ("encrypted", Kind::Flag),
    ("tls_version", Kind::Text),
    ("verdict_status", Kind::Text),
    ("verdict_text", Kind::Text),
    ("steps", Kind::Int),
    ("transfers", Kind::Int),
    ("findings", Kind::Int),
    ("uid", Kind::Name),
    ("packets_from_client", Kind::Int),
    ("packets_from_server", Kind::Int),
    ("payload_bytes_from_client", Kind::Int),
    ("payload_bytes_from_server", Kind::Int),
    ("tcp_state", Kind::Text),
    ("tcp_history", Kind::Text),
    ("ip_bytes_from_client", Kind::Int),
    ("ip_bytes_from_server", Kind::Int),
    ("user_b64", Kind::Text),
    ("tls_cipher_suite", Kind::Text),
    ("tls_decrypted", Kind::Flag),
    ("tls_obstacle", Kind::Text),
    ("tls_server_name", Kind::Text),
    ("display_filter", Kind::Text),
];

const TRANSFERS: &[(&str, Kind)] = &[
    ("session", Kind::Int),
    ("transfer", Kind::Int),
    ("time", Kind::Time),
    ("frame", Kind::Int),
    ("verb", Kind::Text),
    ("argument", Kind::Text),
    ("path", Kind::Text),
    ("name", Kind::Text),
    ("direction", Kind::Text),
    ("mode", Kind::Text),
    ("data_type", Kind::Text),
    ("transfer_mode", Kind::Text),
    ("restart_offset", Kind::Int),
    ("bytes", Kind::Int),
    ("missing_bytes", Kind::Int),
    ("announced_bytes", Kind::Int),
    ("completeness", Kind::Text),
    ("evidence", Kind::Texts),
    ("sha256", Kind::Text),
    ("media_type", Kind::Text),
    ("saved_as", Kind::Text),
    ("throughput", Kind::Double),
    ("connection_client", Kind::Text),
    ("connection_client_port", Kind::Short),
    ("connection_server", Kind::Text),
    ("connection_server_port", Kind::Short),
    ("connection_opened_by", Kind::Text),
    ("connection_close", Kind::Text),
    ("connection_community_id", Kind::Text),
    ("connection_start", Kind::Time),
    ("connection_end", Kind::Time),
    ("link_method", Kind::Text),
    ("link_confidence", Kind::Double),
    ("uid", Kind::Name),
    ("session_uid", Kind::Text),
    ("connection_uid", Kind::Text),
    ("md5", Kind::Text),
    ("sha1", Kind::Text),
    ("reply_code", Kind::Short),
    ("connection_packets_from_client", Kind::Int),
    ("connection_packets_from_server", Kind::Int),
    ("connection_tcp_state", Kind::Text),
    ("connection_tcp_history", Kind::Text),
    ("connection_ip_bytes_from_client", Kind::Int),
    ("connection_ip_bytes_from_server", Kind::Int),
    ("connection_payload_bytes_from_client", Kind::Int),
    ("connection_payload_bytes_from_server", Kind::Int),
    ("connection_retransmitted_bytes", Kind::Int),
    ("announced", Kind::Text),
    ("announced_port", Kind::Short),
    ("tls_version", Kind::Text),
    ("tls_decrypted", Kind::Flag),
    ("tls_obstacle", Kind::Text),
    ("argument_b64", Kind::Text),
    ("path_b64", Kind::Text),
    ("name_b64", Kind::Text),
];

const STEPS: &[(&str, Kind)] = &[
    ("session", Kind::Int),
    ("step", Kind::Int),
    ("kind", Kind::Text),
    ("title", Kind::Text),
    ("outcome", Kind::Text),
    ("directory", Kind::Text),
    ("time", Kind::Time),
    ("duration", Kind::Double),
    ("transfer", Kind::Int),
    ("inferred", Kind::Flag),
    ("verbs", Kind::Texts),
    ("codes", Kind::Ints),
    ("frames", Kind::Ints),
    ("session_uid", Kind::Text),
    ("transfer_uid", Kind::Text),
];

const COMMANDS: &[(&str, Kind)] = &[
    ("session_uid", Kind::Text),
    ("sequence", Kind::Int),
    ("time", Kind::Time),
    ("frame", Kind::Int),
    ("capture", Kind::Int),
    ("verb", Kind::Text),
    ("argument", Kind::Text),
    ("reply_code", Kind::Short),
    ("reply_text", Kind::Text),
    ("preliminary_codes", Kind::Ints),
    ("response_time", Kind::Double),
    ("step", Kind::Int),
    ("transfer_uid", Kind::Text),
    ("verb_b64", Kind::Text),
    ("argument_b64", Kind::Text),
    ("truncated", Kind::Flag),
];

const FINDINGS: &[(&str, Kind)] = &[
    ("session", Kind::Int),
    ("sessions", Kind::Ints),
    ("id", Kind::Text),
    ("severity", Kind::Text),
    ("title", Kind::Text),
    ("explanation", Kind::Text),
    ("advice", Kind::Text),
    ("frames", Kind::Ints),
    ("step", Kind::Int),
    ("transfer", Kind::Int),
    ("session_uid", Kind::Text),
    ("transfer_uid", Kind::Text),
];

const ENTRIES: &[(&str, Kind)] = &[
    ("session_uid", Kind::Text),
    ("transfer_uid", Kind::Text),
    ("folder", Kind::Text),
    ("name", Kind::Text),
    ("kind", Kind::Text),
    ("size", Kind::Int),
    ("modified", Kind::Text),
    ("modified_precision", Kind::Text),
    ("year_inferred", Kind::Flag),
    ("permissions", Kind::Text),
    ("owner", Kind::Text),
    ("group", Kind::Text),
    ("target", Kind::Text),
    ("name_b64", Kind::Text),
];

const CAPTURES: &[(&str, Kind)] = &[
    ("path", Kind::Text),
    ("format", Kind::Text),
    ("link_types", Kind::Texts),
    ("packets", Kind::Int),
    ("bytes", Kind::Int),
    ("first_packet", Kind::Time),
    ("last_packet", Kind::Time),
    ("truncated", Kind::Flag),
    ("warnings", Kind::Texts),
    ("path_b64", Kind::Text),
];

/// Cells after which a row group is written: some 4,000 sessions or 15,000 commands, and 10 MB.
const CELLS_IN_MEMORY: usize = 200_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example::{example_report, example_session};

    #[test]
    fn every_row_has_a_cell_of_its_type_for_each_column() {
        let session = example_session();
        let transfer = &session.transfers[0];
        let step = &session.steps[3];
        let entry = &transfer.entries[0];
        let rows = [
            ("sessions", session_row(&session)),
            ("transfers", transfer_row(&session, transfer, Some(step))),
            ("steps", step_row(&session, step, None)),
            (
                "commands",
                command_row(&session, &step.commands[0], step, None),
            ),
            (
                "findings",
                finding_row(&session.findings[0], Some(&session)),
            ),
            ("entries", entry_row(&session, Some(transfer), entry)),
            ("captures", capture_row(&example_report().captures[0], &[])),
        ];
        for (table, row) in rows {
            assert_eq!(row.len(), columns(table).len(), "{table}");
            for (cell, (name, kind)) in row.iter().zip(columns(table)) {
                let fits = match cell {
                    Cell::Null => *kind != Kind::Name,
                    Cell::Text(_) => matches!(kind, Kind::Text | Kind::Name),
                    Cell::Int(_) => matches!(kind, Kind::Int | Kind::Short),
                    Cell::Double(_) => *kind == Kind::Double,
                    Cell::Flag(_) => *kind == Kind::Flag,
                    Cell::Time(_) => *kind == Kind::Time,
                    Cell::Texts(_) => *kind == Kind::Texts,
                    Cell::Ints(_) => *kind == Kind::Ints,
                };
                assert!(fits, "{table}.{name}: {cell:?}");
            }
        }
    }
}
