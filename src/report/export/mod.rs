//! Export formats: each is one [`Format`] constant in this folder, and one line in [`FORMATS`].
//!
//! ```text
//! --format NAME ─> find ─> Format::open(options, outputs) ─> Exporter
//!                                                              │ events ...
//!                                                              v
//!                                            finish(RunEnd): the outputs are complete
//!
//! Document   one file that appears whole   json, csv, table: sessions are kept as text until their order is known
//!                                          eve, ecs: lines are kept until the input ends, and sorted by time
//! Stream     one file, event by event      ndjson
//! Directory  several files in a directory  zeek, zeek-json, parquet
//! ```
//!
//! To add a format:
//!
//! 1. Write `export/NAME.rs` with `pub(super) const FORMAT: Format`, whose `open` returns an [`Exporter`].
//! 2. Implement [`DocumentFormat`] if sessions can be written one by one, else [`Exporter`] and its
//!    [`EventSink`].
//! 3. Take each file from [`Outputs::create`], under its name if there are several; flush them in
//!    [`finish`](Exporter::finish).
//! 4. Add the module and its line in [`FORMATS`].
//! 5. Write text from the wire through the format's own escapes, and test it with a hostile name.

mod csv;
mod csv_tables;
mod document;
mod ecs;
mod eve;
mod ndjson;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(feature = "parquet")]
mod session_order;
mod timed_lines;
mod written_parts;
mod zeek;

use std::io::{self, BufWriter, Write};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use jiff::tz::TimeZone;

use super::CaptureNames;
use super::table::Options as TableOptions;
use crate::model::record::{Capture, Totals, WarningRecord};
use crate::model::{Event, EventSink, Limits};

pub use self::csv::CsvTable;
pub use self::document::{DocumentExporter, DocumentFormat, FinishedSessions, SessionText};
pub use self::eve::{EVE_GENERATOR, EveType, EveTypes, eve_signature};
pub use self::ndjson::{
    EventChoice, EventLine, EventLines, SessionParties, event_text, totals_text,
};
#[cfg(feature = "parquet")]
pub use self::parquet::TABLES;
pub use self::zeek::{LocalNetworks, ZeekCommands, ZeekLog};

/// The formats in the order in which help lists them. The first is the default.
pub const FORMATS: &[Format] = &[
    #[cfg(feature = "cli")]
    document::TABLE,
    document::JSON,
    ndjson::FORMAT,
    csv::FORMAT,
    zeek::TSV,
    zeek::JSON,
    eve::FORMAT,
    ecs::FORMAT,
    #[cfg(feature = "parquet")]
    parquet::FORMAT,
];

/// Returns the format with this name, or `None` if there is none.
#[must_use]
pub fn find(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

/// An export format.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Format {
    /// Name on the command line.
    pub name: &'static str,
    /// Content in a few words, for shell completion.
    pub summary: &'static str,
    /// Unit that the format writes, for help: `one row a transfer`. `None` if the name says it.
    pub unit: Option<&'static str>,
    /// Kind of output.
    pub output: OutputKind,
    /// Creates the exporter and its outputs.
    pub open: fn(&ExportOptions, &mut dyn Outputs) -> io::Result<Box<dyn Exporter>>,
    /// Returns the description of the output for programs that read it; `None` for text that people read.
    pub schema: Option<fn() -> String>,
}

impl Format {
    /// Returns the kind of output for a number of chosen `logs` (0 for the default ones). A single log is a document, and so are
    /// logs whose lines name them, on standard output.
    #[must_use]
    pub fn output_for(&self, logs: usize, to_stdout: bool) -> OutputKind {
        match self.name {
            "zeek" | "zeek-json" if logs == 1 => OutputKind::Document,
            "zeek-json" if to_stdout => OutputKind::Document,
            _ => self.output,
        }
    }
}

/// Kind of output that a format needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputKind {
    /// One file that appears whole or not at all.
    Document,
    /// One file that is written event by event and may be followed.
    Stream,
    /// Several files in a directory, which appear whole or not at all.
    Directory,
}

/// Options of an export. A format uses those that concern it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExportOptions {
    /// Limits on the sessions and other records of a document.
    pub limits: Limits,
    /// Appearance of tables.
    pub table: TableOptions,
    /// Events in NDJSON.
    pub events: EventChoice,
    /// Flushes after each event, for readers that follow the output.
    pub flush: bool,
    /// Lines are taken after each event: see [`ExportLines`].
    pub followed: bool,
    /// With more than one capture: the paths of all, in the order of the report; otherwise empty.
    pub captures: Vec<String>,
    /// Table of CSV.
    pub csv_table: CsvTable,
    /// Adds MD5 where digests are columns.
    pub md5: bool,
    /// Adds SHA-1 where digests are columns.
    pub sha1: bool,
    /// Rows of Zeek's ftp.log.
    pub zeek_commands: ZeekCommands,
    /// Zeek's logs to write; empty for the default ones.
    pub logs: Vec<ZeekLog>,
    /// Writes Zeek's logs as JSON into one output, each line with the name of its log.
    pub names_logs: bool,
    /// Networks that count as local in Zeek's logs.
    pub local: LocalNetworks,
    /// Kinds of EVE events; empty for the default ones.
    pub eve_types: EveTypes,
    /// Names of the network interfaces, by index of their capture; empty unless packets come from some.
    pub interfaces: Vec<String>,
    /// Names of the tables to write; empty for all but `entries`.
    pub tables: Vec<String>,
    /// Name of this run among those that write into one directory; `None` for a single run.
    pub part: Option<String>,
}

impl Default for ExportOptions {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            table: TableOptions {
                width: 100,
                color: false,
                zone: TimeZone::UTC,
                verbose: false,
                summary: false,
                captures: CaptureNames::default(),
            },
            events: EventChoice::default(),
            flush: false,
            followed: false,
            captures: Vec::new(),
            csv_table: CsvTable::default(),
            md5: false,
            sha1: false,
            zeek_commands: ZeekCommands::default(),
            logs: Vec::new(),
            names_logs: false,
            local: LocalNetworks::default(),
            eve_types: EveTypes::new(),
            interfaces: Vec::new(),
            tables: Vec::new(),
            part: None,
        }
    }
}

/// An open output file. Its owner puts it in place, or removes it, when the exporter is done.
// A concrete type: a report is written in very many pieces of a few bytes, which must not cost a virtual call each.
pub type OutputFile = BufWriter<Box<dyn Write + Send>>;

/// Creator of output files.
pub trait Outputs {
    /// Creates the output file `name`. Formats with a single output get the file that the user chose, whatever the
    /// name.
    fn create(&mut self, name: &str) -> io::Result<OutputFile>;
}

/// Receiver of events that writes them in one format.
pub trait Exporter: EventSink + Send {
    /// Returns true if the exporter writes events of sessions that have not ended. Otherwise events before `SessionEnd`
    /// need not be kept while it is undecided whether a session is selected.
    fn writes_open_sessions(&self) -> bool {
        false
    }

    /// Returns a flag that becomes true once the output has failed, for the source of the events to stop.
    fn stop_flag(&self) -> Arc<AtomicBool> {
        Arc::default()
    }

    /// Writes the lines kept so far to `out`, and keeps none of them: for outputs that are followed. Formats without lines of
    /// their own write nothing.
    fn take_lines(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let _ = out;
        Ok(())
    }

    /// Completes the outputs after the last event, and flushes them. Returns the first error of the whole export.
    fn finish(self: Box<Self>, run: RunEnd<'_>) -> io::Result<()>;
}

/// Lines of an export after each event, for outputs that are followed.
pub struct ExportLines {
    /// `None` after the end.
    exporter: Option<Box<dyn Exporter>>,
    /// Lines written at the end.
    rest: Arc<Mutex<Vec<u8>>>,
    lines: Vec<u8>,
}

impl ExportLines {
    /// Opens a format whose lines stand alone. `options` are taken as followed.
    pub fn open(format: &Format, options: &ExportOptions) -> io::Result<Self> {
        let options = ExportOptions {
            followed: true,
            ..options.clone()
        };
        let mut outputs = SharedBytes::default();
        Ok(Self {
            exporter: Some((format.open)(&options, &mut outputs)?),
            rest: outputs.0,
            lines: Vec::new(),
        })
    }

    /// Returns the lines that an event completes: those of a session at its end.
    pub fn of(&mut self, event: &Event<'_>) -> &[u8] {
        self.lines.clear();
        if let Some(exporter) = &mut self.exporter {
            exporter.event(event);
            // Writing into memory fails only if the spool of the lines does; they are lost then.
            let _ = exporter.take_lines(&mut self.lines);
        }
        &self.lines
    }

    /// Returns the last lines, and the warnings for which the format has no place.
    pub fn finish(
        &mut self,
        captures: &[Capture],
        totals: &Totals,
    ) -> (Vec<u8>, Vec<WarningRecord>) {
        let mut warnings = Vec::new();
        if let Some(exporter) = self.exporter.take() {
            let run = RunEnd {
                captures,
                totals,
                unwritten_warnings: &mut |unwritten| warnings.extend_from_slice(unwritten),
            };
            // As above.
            let _ = exporter.finish(run);
        }
        let rest = self.rest.lock().map(|mut rest| std::mem::take(&mut *rest));
        (rest.unwrap_or_default(), warnings)
    }
}

/// One output in memory, whatever its name.
#[derive(Clone, Default)]
struct SharedBytes(Arc<Mutex<Vec<u8>>>);

impl Outputs for SharedBytes {
    fn create(&mut self, _: &str) -> io::Result<OutputFile> {
        Ok(BufWriter::new(Box::new(self.clone())))
    }
}

impl Write for SharedBytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut buffer = self.0.lock().map_err(|_| io::ErrorKind::Other)?;
        buffer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Facts known at the end of a run.
pub struct RunEnd<'a> {
    /// The inputs with their counts.
    pub captures: &'a [Capture],
    /// Counts over the whole run.
    pub totals: &'a Totals,
    /// Receives the warnings if the format has no place for them.
    pub unwritten_warnings: &'a mut dyn FnMut(&[WarningRecord]),
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::record::Session;
    use crate::model::{EventKind, FrameRef};
    use crate::report::example::{example_report, example_session};

    /// Output files in memory, by name.
    #[derive(Default)]
    pub(super) struct Memory(BTreeMap<String, Arc<Mutex<Vec<u8>>>>);

    struct MemoryFile(Arc<Mutex<Vec<u8>>>);

    impl Write for MemoryFile {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("one thread").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Outputs for Memory {
        fn create(&mut self, name: &str) -> io::Result<OutputFile> {
            let file = Arc::clone(self.0.entry(name.to_owned()).or_default());
            Ok(BufWriter::new(Box::new(MemoryFile(file))))
        }
    }

    impl Memory {
        /// Text of each file; of a Parquet file, which is none, its beginning.
        pub(super) fn texts(self) -> BTreeMap<String, String> {
            let text = |file: Arc<Mutex<Vec<u8>>>| {
                let bytes = file.lock().expect("one thread").clone();
                let is_parquet = bytes.starts_with(b"PAR1");
                let text = if is_parquet { b"PAR1".to_vec() } else { bytes };
                String::from_utf8(text).expect("text is UTF-8")
            };
            self.0
                .into_iter()
                .map(|(name, file)| (name, text(file)))
                .collect()
        }
    }

    /// Exports sessions with these ids, which otherwise equal the example, and the captures and totals of the example.
    pub(super) fn export(
        format: &Format,
        options: &ExportOptions,
        ids: &[u64],
    ) -> BTreeMap<String, String> {
        let mut outputs = Memory::default();
        let mut exporter = (format.open)(options, &mut outputs).expect("memory takes it");
        for &id in ids {
            let session = Session {
                id,
                ..example_session()
            };
            exporter.event(&Event {
                frame: FrameRef::default(),
                session: Some(id),
                late: false,
                kind: EventKind::SessionEnd(Arc::new(session)),
            });
        }
        let report = example_report();
        let end = RunEnd {
            captures: &report.captures,
            totals: &report.totals,
            unwritten_warnings: &mut |_| {},
        };
        exporter.finish(end).expect("memory takes it");
        outputs.texts()
    }

    #[test]
    fn every_format_has_its_own_name_and_writes_one_file_unless_it_is_a_directory() {
        let mut names = std::collections::BTreeSet::new();
        for format in FORMATS {
            assert!(names.insert(format.name), "{}", format.name);
            assert!(find(format.name).is_some());
            let schema = format.schema.map(|schema| schema());
            assert!(schema.is_none_or(|text| text.ends_with('\n') && text.len() > 100));
            let files = export(format, &ExportOptions::default(), &[1]);
            assert!(
                files.values().all(|text| !text.is_empty()),
                "{}",
                format.name
            );
            if format.output != OutputKind::Directory {
                assert_eq!(files.len(), 1, "{}", format.name);
            }
        }
        assert!(find("pdf").is_none());
    }

    /// A format with two files: ids of sessions, and the count of packets.
    struct TwoFiles([OutputFile; 2]);

    impl EventSink for TwoFiles {
        fn event(&mut self, event: &Event<'_>) {
            if let EventKind::SessionEnd(session) = &event.kind {
                writeln!(self.0[0], "{}", session.id).expect("memory takes it");
            }
        }
    }

    impl Exporter for TwoFiles {
        fn finish(mut self: Box<Self>, run: RunEnd<'_>) -> io::Result<()> {
            writeln!(self.0[1], "{}", run.totals.packets)?;
            self.0.iter_mut().try_for_each(Write::flush)
        }
    }

    #[test]
    fn format_may_write_several_files() {
        let format = Format {
            name: "two-files",
            summary: "Ids and packets",
            unit: None,
            output: OutputKind::Directory,
            open: |_, outputs| {
                let files = [outputs.create("sessions")?, outputs.create("packets")?];
                Ok(Box::new(TwoFiles(files)))
            },
            schema: None,
        };
        let files = export(&format, &ExportOptions::default(), &[4, 7]);
        let packets = example_report().totals.packets;
        assert_eq!(files["sessions"], "4\n7\n");
        assert_eq!(files["packets"], format!("{packets}\n"));
    }
}
