//! The report as one JSON document, and the schemas of what is written.

use std::io::{self, Write};

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{Formatter, PrettyFormatter};

use super::compact_json;
use super::escaped_json::Escaping;
use super::{EventLine, FinishedSessions, Report};
use crate::model::record::Session;

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

/// Writes a value as one line without spaces, as the NDJSON output has it.
pub fn write_line(value: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    compact_json::write_value(value, out)?;
    out.write_all(b"\n")
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
    schema_text::<EventLine>()
}

/// The schema of what is written: fields that may be left out are not required, those that may be `null` are.
#[must_use]
pub fn schema_text<T: JsonSchema>() -> String {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let schema = settings.into_generator().into_root_schema_for::<T>();
    format!("{:#}\n", schema.as_value())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example::example_report;

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
