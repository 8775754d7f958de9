//! The report as one JSON document, and the schemas of what is written.
//!
//! Beyond what JSON asks for, U+007F to U+009F and the characters that cannot be seen or that turn text around are
//! written as `\uXXXX`: a report on a terminal or in an editor shows what is there.

use std::io::{self, Write};

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

use super::event_lines::Line;
use super::{FinishedSessions, Report};
use crate::model::record::Session;
use crate::model::wire_text::is_hostile;

/// Writes the report, indented by two spaces, with a line end after it.
pub fn write_report(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut text = Vec::new();
    write_indented(report, &mut text)?;
    text.push(b'\n');
    out.write_all(&text)
}

/// Writes a tree of the servers' folders, as [`write_report`] does a report.
pub fn write_tree(tree: &super::tree::Tree, out: &mut dyn Write) -> io::Result<()> {
    write_other(tree, out)
}

/// Writes a document that is no report, such as the answer of a check, as [`write_report`] does a report.
pub fn write_other(document: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    let mut text = Vec::new();
    write_indented(document, &mut text)?;
    text.push(b'\n');
    out.write_all(&text)
}

/// Writes one session as it stands in the report, for [`write_document`].
pub fn write_session<W: Write>(session: &Session, out: &mut W) -> io::Result<()> {
    let mut formatter = Escaping(PrettyFormatter::new());
    // It stands in a list within an object, and is indented as there.
    formatter.begin_object(&mut io::sink())?;
    formatter.begin_array(&mut io::sink())?;
    formatter.begin_array_value(out, true)?;
    Ok(session.serialize(&mut Serializer::with_formatter(out, formatter))?)
}

/// Writes the report as [`write_report`] does, with the sessions that [`write_session`] made; it has none by itself.
pub fn write_document(
    report: &Report,
    sessions: FinishedSessions,
    out: &mut dyn Write,
) -> io::Result<()> {
    // Strings hold no line ends, so that this line can only be the one meant.
    const PLACE: &str = "\n  \"sessions\": [";
    let mut text = Vec::new();
    write_indented(report, &mut text)?;
    text.push(b'\n');
    let place = text
        .windows(PLACE.len())
        .position(|part| part == PLACE.as_bytes())
        .filter(|_| !sessions.is_empty());
    let (before, behind) = text.split_at(place.map_or(text.len(), |at| at + PLACE.len()));
    out.write_all(before)?;
    sessions.write(b",", out)?;
    if place.is_some() {
        out.write_all(b"\n  ")?;
    }
    out.write_all(behind)
}

fn write_indented(value: &impl Serialize, out: &mut Vec<u8>) -> io::Result<()> {
    let mut serializer = Serializer::with_formatter(out, Escaping(PrettyFormatter::new()));
    Ok(value.serialize(&mut serializer)?)
}

/// Writes a value, without spaces and line ends; what [`compact_json`](super::compact_json) does not write by itself.
pub(super) fn write_escaped<W: Write>(
    value: &(impl Serialize + ?Sized),
    out: &mut W,
) -> io::Result<()> {
    let mut serializer = Serializer::with_formatter(out, Escaping(CompactFormatter));
    Ok(value.serialize(&mut serializer)?)
}

/// JSON that was written before, to be written as it is. Only the writers of this module know what to do with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'a>(pub(super) &'a [u8]);

impl Serialize for Text<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Nothing else in a report is bytes, and the formatter below writes bytes as they are.
        serializer.serialize_bytes(self.0)
    }
}

/// JSON Schema of the report.
#[must_use]
pub fn report_schema() -> String {
    schema_text::<Report>()
}

/// JSON Schema of the tree of the servers' folders.
#[must_use]
pub fn tree_schema() -> String {
    schema_text::<super::tree::Tree>()
}

/// JSON Schema of one line of the NDJSON output.
#[must_use]
pub fn event_schema() -> String {
    schema_text::<Line<'static>>()
}

/// The schema of what is written: fields that may be left out are not required, those that may be `null` are.
#[must_use]
pub fn schema_text<T: JsonSchema>() -> String {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let schema = settings.into_generator().into_root_schema_for::<T>();
    format!("{:#}\n", schema.as_value())
}

/// Adds our escapes to a formatter of `serde_json`.
struct Escaping<F>(F);

impl<F: Formatter> Formatter for Escaping<F> {
    fn write_string_fragment<W: Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        // Nearly all text is plain, and looking at all bytes at once is much faster than at one character after the other.
        if is_plain(fragment) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut rest = fragment;
        while let Some((at, character)) = rest.char_indices().find(|&(_, c)| is_hostile(c)) {
            let (plain, hostile) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = hostile.get(character.len_utf8()..).unwrap_or_default();
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_byte_array<W: Write + ?Sized>(
        &mut self,
        writer: &mut W,
        value: &[u8],
    ) -> io::Result<()> {
        writer.write_all(value)
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

/// True for ASCII without DEL; `serde_json` escapes the other controls by itself.
fn is_plain(text: &str) -> bool {
    text.bytes().fold(0, u8::max) < 0x7f
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example::example_report;

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

    #[test]
    fn the_document_is_indented_ordered_and_ends_with_a_line_end() {
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
    fn what_is_written_fits_its_schema() {
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
}
