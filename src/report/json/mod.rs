//! JSON: the report as one indented document, single lines for NDJSON, and the schemas of both.
//!
//! ```text
//! Report ──────────────────> write_report ──┐
//! sessions ─> write_session ─> FinishedSessions ─> write_document ─┴─> the same bytes
//! any value ─> write_line (compact)          types ─> schema_text
//! ```
//!
//! Beyond the escapes that JSON requires, all output writes U+007F to U+009F, invisible characters and bidirectional
//! controls as `\uXXXX`, so that a report on a terminal or in an editor shows its characters as they are.

pub(super) mod compact;
mod session_scanner;

pub(crate) use session_scanner::SessionScanner;

use std::cell::RefCell;
use std::io::{self, BufWriter, Write};

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde::ser::{Error as _, SerializeSeq as _, SerializeStruct, Serializer as _};
use serde_json::Serializer;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

use super::tree::{SeenServer, ServerTrees, TreeServer};
use super::{EventLine, FinishedSessions, Report, SCHEMA_VERSION};
use crate::model::record::{Session, is_zero};
use crate::model::wire_text::is_hostile;

/// Writes the report, indented by two spaces, with a line end after it.
pub fn write_report(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    write_indented(report, out)
}

/// Writes a [`Tree`](super::tree::Tree) server by server, formatted as by [`write_report`].
pub fn write_tree(trees: &mut ServerTrees, out: &mut dyn Write) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(BUFFER, out);
    let mut serializer = Serializer::with_formatter(&mut out, indenting());
    let mut document = serializer.serialize_struct("Tree", 2)?;
    document.serialize_field("schema_version", SCHEMA_VERSION)?;
    document.serialize_field("servers", &EachServer(RefCell::new(trees)))?;
    SerializeStruct::end(document)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// List of all servers, which are made one by one as they are serialized.
struct EachServer<'t>(RefCell<&'t mut ServerTrees>);

impl Serialize for EachServer<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        let mut trees = self.0.borrow_mut();
        while let Some(server) = trees.next_server().map_err(S::Error::custom)? {
            list.serialize_element(&OneServer::of(&server))?;
        }
        list.end()
    }
}

/// [`ServerTree`](super::tree::ServerTree), whose entries are made one by one.
#[derive(Serialize)]
struct OneServer<'t> {
    server: &'t TreeServer,
    user: Option<&'t str>,
    sessions: &'t [u64],
    #[serde(serialize_with = "each_entry")]
    entries: &'t SeenServer,
    #[serde(skip_serializing_if = "is_zero")]
    entries_omitted: u64,
}

impl<'t> OneServer<'t> {
    fn of(server: &'t SeenServer) -> Self {
        Self {
            server: &server.server,
            user: server.user.as_deref(),
            sessions: &server.sessions,
            entries: server,
            entries_omitted: server.entries_omitted(),
        }
    }
}

fn each_entry<S: serde::Serializer>(server: &SeenServer, out: S) -> Result<S::Ok, S::Error> {
    out.collect_seq(server.entries())
}

/// Writes any document, such as the verdict of a check, formatted as by [`write_report`].
pub fn write_indented(document: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    // Values are written in pieces of a few bytes.
    let mut out = BufWriter::with_capacity(BUFFER, out);
    document.serialize(&mut Serializer::with_formatter(&mut out, indenting()))?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Writes a value as one line without spaces, formatted as the NDJSON output.
pub fn write_line(value: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    compact::write_value(value, out)?;
    out.write_all(b"\n")
}

/// Writes one session as it stands in the report, for [`write_document`].
pub fn write_session<W: Write>(session: &Session, out: &mut W) -> io::Result<()> {
    let mut formatter = indenting();
    // A session is an element of a list within an object: two calls without output bring the formatter to that depth.
    formatter.begin_object(&mut io::sink())?;
    formatter.begin_array(&mut io::sink())?;
    formatter.begin_array_value(out, true)?;
    Ok(session.serialize(&mut Serializer::with_formatter(out, formatter))?)
}

/// Writes the report as [`write_report`] does, with the sessions that [`write_session`] has written in place of its
/// own.
pub fn write_document(
    report: &Report,
    sessions: FinishedSessions,
    out: &mut dyn Write,
) -> io::Result<()> {
    // Named one by one and without `..`, so that the compiler finds a field that is missing here.
    let Report {
        schema_version,
        captures,
        sessions: _,
        sessions_omitted,
        unmatched_data,
        unmatched_data_omitted,
        connection_attempts,
        connection_attempts_omitted,
        findings,
        findings_omitted,
        warnings,
        warnings_omitted,
        totals,
    } = report;
    let mut document = Indented::begin(BufWriter::with_capacity(BUFFER, out))?;
    document.field("schema_version", schema_version)?;
    document.field("captures", captures)?;
    document.list("sessions", sessions)?;
    document.count("sessions_omitted", *sessions_omitted)?;
    document.field("unmatched_data", unmatched_data)?;
    document.count("unmatched_data_omitted", *unmatched_data_omitted)?;
    document.field("connection_attempts", connection_attempts)?;
    document.count("connection_attempts_omitted", *connection_attempts_omitted)?;
    document.field("findings", findings)?;
    document.count("findings_omitted", *findings_omitted)?;
    document.field("warnings", warnings)?;
    document.count("warnings_omitted", *warnings_omitted)?;
    document.field("totals", totals)?;
    document.end()
}

/// An indented object that is written field by field.
struct Indented<W> {
    out: W,
    /// Formatter at the depth of the fields.
    formatter: Escaping<PrettyFormatter<'static>>,
    empty: bool,
}

impl<W: Write> Indented<W> {
    fn begin(mut out: W) -> io::Result<Self> {
        let mut formatter = indenting();
        formatter.begin_object(&mut out)?;
        Ok(Self {
            out,
            formatter,
            empty: true,
        })
    }

    fn key(&mut self, name: &'static str) -> io::Result<()> {
        let first = std::mem::take(&mut self.empty);
        self.formatter.begin_object_key(&mut self.out, first)?;
        // Names of fields need no escapes.
        write!(self.out, "\"{name}\"")?;
        self.formatter.end_object_key(&mut self.out)?;
        self.formatter.begin_object_value(&mut self.out)
    }

    fn field(&mut self, name: &'static str, value: &impl Serialize) -> io::Result<()> {
        self.key(name)?;
        // The copy counts the depth of the value; this one stays at the depth of the fields.
        let formatter = self.formatter.clone();
        value.serialize(&mut Serializer::with_formatter(&mut self.out, formatter))?;
        self.formatter.end_object_value(&mut self.out)
    }

    /// Writes a count, which is omitted if it is 0.
    fn count(&mut self, name: &'static str, count: u64) -> io::Result<()> {
        if count == 0 {
            return Ok(());
        }
        self.field(name, &count)
    }

    /// Writes a list of sessions that are JSON already.
    fn list(&mut self, name: &'static str, sessions: FinishedSessions) -> io::Result<()> {
        self.key(name)?;
        self.formatter.begin_array(&mut self.out)?;
        if !sessions.is_empty() {
            sessions.write(b",", &mut self.out)?;
            self.formatter.end_array_value(&mut self.out)?;
        }
        self.formatter.end_array(&mut self.out)?;
        self.formatter.end_object_value(&mut self.out)
    }

    /// Ends the document, with a line end after it.
    fn end(mut self) -> io::Result<()> {
        self.formatter.end_object(&mut self.out)?;
        self.out.write_all(b"\n")?;
        self.out.flush()
    }
}

fn indenting() -> Escaping<PrettyFormatter<'static>> {
    Escaping(PrettyFormatter::new())
}

/// Returns the JSON Schema of the report.
#[must_use]
pub fn report_schema() -> String {
    schema_text::<Report>()
}

/// Returns the JSON Schema of the directory trees.
#[must_use]
pub fn tree_schema() -> String {
    schema_text::<super::tree::Tree>()
}

/// Returns the JSON Schema of one line of the NDJSON output.
#[must_use]
pub fn event_schema() -> String {
    schema_text::<EventLine>()
}

/// Returns the JSON Schema of a type as it is written: fields that may be omitted are not required, nullable ones are.
#[must_use]
pub fn schema_text<T: JsonSchema>() -> String {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let schema = settings.into_generator().into_root_schema_for::<T>();
    format!("{:#}\n", schema.as_value())
}

/// Writes a value without spaces and line ends, as [`compact`] does but slower.
fn write_escaped<W: Write>(value: &(impl Serialize + ?Sized), out: &mut W) -> io::Result<()> {
    let mut serializer = Serializer::with_formatter(out, Escaping(CompactFormatter));
    Ok(value.serialize(&mut serializer)?)
}

/// Formatter of `serde_json` with the additional escapes.
#[derive(Clone)]
struct Escaping<F>(F);

impl<F: Formatter> Formatter for Escaping<F> {
    fn write_string_fragment<W: Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        // Nearly all text is plain, and one pass over its bytes is much faster than one over its characters.
        if is_plain(fragment) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut rest = fragment;
        while let Some((at, character)) = rest.char_indices().find(|&(_, c)| is_hostile(c)) {
            let (plain, hostile) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            // JSON escapes are UTF-16: characters beyond U+FFFF take a surrogate pair (RFC 8259 section 7).
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = hostile.get(character.len_utf8()..).unwrap_or_default();
        }
        writer.write_all(rest.as_bytes())
    }

    fn begin_array<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: Write + ?Sized>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: Write + ?Sized>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn end_object_key<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_key(writer)
    }

    fn begin_object_value<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

/// Returns true for ASCII without DEL. Other controls are escaped by `serde_json` and are no part of a fragment.
fn is_plain(text: &str) -> bool {
    text.bytes().fold(0, u8::max) < 0x7f
}

/// Bytes collected before they are passed on.
const BUFFER: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::super::example::example_report;
    use super::*;

    #[test]
    fn document_is_indented_and_ordered_and_ends_with_a_line_end() {
        let mut out = Vec::new();
        write_report(&example_report(), &mut out).expect("memory takes it");
        let text = String::from_utf8(out).expect("JSON is UTF-8");
        assert!(text.starts_with("{\n  \"schema_version\": \"1\",\n  \"captures\": [\n"));
        assert!(text.ends_with("\n  }\n}\n"));
        let places: Vec<_> = [
            "captures",
            "sessions",
            "unmatched_data",
            "connection_attempts",
            "totals",
        ]
        .iter()
        .map(|key| {
            text.find(&format!("\n  \"{key}\""))
                .expect("the key is there")
        })
        .collect();
        assert!(places.is_sorted());
        assert!(!text.contains("_omitted"));
    }

    #[test]
    fn document_of_written_sessions_equals_the_report() {
        let mut report = example_report();
        report.warnings_omitted = 3;
        let mut expected = Vec::new();
        write_report(&report, &mut expected).expect("memory takes it");
        let mut sessions = FinishedSessions::new();
        for session in &report.sessions {
            sessions.push(session.id, |out| write_session(session, out));
        }
        let mut out = Vec::new();
        write_document(&report, sessions, &mut out).expect("memory takes it");
        assert_eq!(
            String::from_utf8_lossy(&out),
            String::from_utf8_lossy(&expected)
        );
    }

    #[test]
    fn report_fits_its_schema() {
        let mut out = Vec::new();
        write_report(&example_report(), &mut out).expect("memory takes it");
        let report: serde_json::Value = serde_json::from_slice(&out).expect("valid JSON");
        check(&report_schema(), &report);
    }

    fn check(schema: &str, value: &serde_json::Value) {
        let schema: serde_json::Value = serde_json::from_str(schema).expect("valid JSON");
        let mut schemas = boon::Schemas::new();
        let mut compiler = boon::Compiler::new();
        compiler
            .add_resource("schema.json", schema)
            .expect("a schema");
        let index = compiler
            .compile("schema.json", &mut schemas)
            .expect("a schema");
        if let Err(error) = schemas.validate(value, index) {
            panic!("{error:#}");
        }
    }

    fn line(value: &impl Serialize) -> String {
        let mut out = Vec::new();
        write_escaped(value, &mut out).expect("memory takes it");
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    #[test]
    fn invisible_characters_are_escaped_and_nothing_else_is() {
        let hostile = "a\u{7f}\u{9b}2J\u{202e}fdp.exe\u{200b}\u{e0041}\x1b\"ü漢";
        let text = line(&hostile);
        assert_eq!(
            text,
            "\"a\\u007f\\u009b2J\\u202efdp.exe\\u200b\\udb40\\udc41\\u001b\\\"ü漢\""
        );
        let back: String = serde_json::from_str(&text).expect("valid JSON");
        assert_eq!(back, hostile);
    }
}
