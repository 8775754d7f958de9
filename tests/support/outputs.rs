//! Every output of the library for one capture, made in this process.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Cursor, Write};
use std::sync::{Arc, Mutex};

use ftpscope::capture::{CaptureSet, ReadOptions};
use ftpscope::check::answer::{github, junit, text, write_json};
use ftpscope::check::baseline::{Baseline, compare};
use ftpscope::check::verdict::Answer;
use ftpscope::check::{FieldNames, Subject, file, judge_file, record};
use ftpscope::diagram::{
    Detail, DiagramRecorder, Drawings, TextOptions, write_mermaid, write_plantuml, write_svg,
    write_text,
};
use ftpscope::model::trace::{TracedConnection, Tracing};
use ftpscope::model::{Event, EventSink};
use ftpscope::page::{PageBuilder, PageOptions, Previews};
use ftpscope::pipeline::{Options, analyze};
use ftpscope::report::export::FORMATS;
use ftpscope::report::tree::ServerTrees;
use ftpscope::report::{
    ExportOptions, Exporter, KeptSessions, LiveLines, OutputFile, Outputs, Report, ReportBuilder,
    RunEnd, json, table,
};
use jiff::tz::TimeZone;

/// Analyzes a capture once, and writes it in every format of every command. The key names the format.
pub(crate) fn of(capture: Vec<u8>) -> BTreeMap<String, Vec<u8>> {
    let options = Options {
        tracing: Tracing::Packets,
        ..Options::default()
    };
    let export = ExportOptions::default();
    let mut files = Memory::default();
    let mut sinks = Sinks {
        report: ReportBuilder::new(&options.limits),
        recorder: DiagramRecorder::new(&options.limits),
        page: PageBuilder::new(
            &options.limits,
            PageOptions {
                zone: TimeZone::UTC,
                detail: Detail::Messages,
            },
            Previews::default(),
        ),
        exporters: FORMATS
            .iter()
            .map(|format| (format.open)(&export, &mut files).expect("memory takes it"))
            .collect(),
        live: LiveLines::new(false, TimeZone::UTC),
        lines: String::new(),
    };
    let reader: Box<dyn io::Read + Send> = Box::new(Cursor::new(capture));
    let inputs = vec![("a.pcap".into(), reader)];
    let mut source = CaptureSet::from_readers(inputs, ReadOptions::default());
    let summary = analyze(&mut source, &options, &mut sinks, &mut ());
    for exporter in sinks.exporters {
        let end = RunEnd {
            captures: &summary.captures,
            totals: &summary.totals,
            unwritten_warnings: &mut |_| {},
        };
        exporter.finish(end).expect("memory takes it");
    }
    let mut outputs = files.into_bytes();
    outputs.insert("live".into(), sinks.lines.into_bytes());
    let mut add = |name: &str, write: &dyn Fn(&mut Vec<u8>) -> io::Result<()>| {
        let mut bytes = Vec::new();
        write(&mut bytes).expect("memory takes it");
        outputs.insert(name.to_owned(), bytes);
    };
    let mut page = Vec::new();
    let drawn = sinks
        .page
        .finish(summary.captures.clone(), summary.totals.clone());
    drawn.write(&mut page).expect("memory takes it");
    add("page", &|out| out.write_all(&page));
    let report = sinks.report.finish(summary.captures, summary.totals);
    draw(&report, &sinks.recorder, &mut add);
    add("tree json", &|out| {
        json::write_tree(&mut ServerTrees::of(&report), out)
    });
    add("tree text", &|out| {
        let verbose = table::Options {
            verbose: true,
            ..export.table.clone()
        };
        table::render_tree(&mut ServerTrees::of(&report), &verbose, out)
    });
    add("verbose table", &|out| {
        let verbose = table::Options {
            verbose: true,
            width: 300,
            ..export.table.clone()
        };
        table::render(&report, &verbose, out)
    });
    let sessions = KeptSessions::of(&report);
    let subject = Subject::new(&report, &sessions, FieldNames::all());
    add("record", &|out| record::record(&subject, out));
    add("doubts", &|out| {
        out.write_all(record::doubts(&subject).join("\n").as_bytes())
    });
    let answer = answer(&report, &subject);
    add("check text", &|out| {
        let options = text::Options {
            color: false,
            verbose: true,
            width: None,
        };
        text::write(&answer, options, out)
    });
    add("junit", &|out| junit::write(&answer, out));
    add("github", &|out| github::write(&answer, out));
    add("summary", &|out| github::write_summary(&answer, &[], out));
    add("check json", &|out| write_json(&answer, out));
    outputs
}

/// A receiver of outputs by name.
type Add<'a> = dyn FnMut(&str, &dyn Fn(&mut Vec<u8>) -> io::Result<()>) + 'a;

/// Draws every diagram in every format.
fn draw(report: &Report, recorder: &DiagramRecorder, add: &mut Add<'_>) {
    let diagrams = || {
        let sessions = report.sessions.iter();
        Drawings::new(sessions.cloned().map(Ok), recorder)
    };
    for detail in [Detail::Steps, Detail::Messages, Detail::Packets] {
        add(&format!("diagram text {detail:?}"), &|out| {
            let options = TextOptions {
                detail,
                width: 200,
                color: false,
            };
            write_text(diagrams(), options, out)
        });
        add(&format!("mermaid {detail:?}"), &|out| {
            write_mermaid(diagrams(), detail, out)
        });
        add(&format!("plantuml {detail:?}"), &|out| {
            write_plantuml(diagrams(), detail, out)
        });
        add(&format!("svg {detail:?}"), &|out| {
            write_svg(diagrams(), detail, out)
        });
    }
}

/// Compares a report with expectations that do not hold and with an empty report, so that every difference is worded.
fn answer(report: &Report, subject: &Subject<'_>) -> Answer {
    let expected = file::read("expected.toml", EXPECTED).expect("an expectation file");
    let mut before = report.clone();
    before.sessions.clear();
    let before = Baseline::of(&KeptSessions::of(&before)).expect("memory");
    let groups = vec![
        judge_file(&expected, subject),
        compare("before", &before, subject),
    ];
    Answer::new(vec!["a.pcap".into()], report.totals.sessions, groups)
}

/// All sinks of events.
struct Sinks {
    report: ReportBuilder,
    recorder: DiagramRecorder,
    page: PageBuilder,
    exporters: Vec<Box<dyn Exporter>>,
    live: LiveLines,
    lines: String,
}

impl EventSink for Sinks {
    fn event(&mut self, event: &Event<'_>) {
        self.report.event(event);
        self.recorder.event(event);
        self.page.event(event);
        for exporter in &mut self.exporters {
            exporter.event(event);
        }
        self.lines.extend(self.live.line(event, true));
        self.lines.push('\n');
    }

    fn connection(&mut self, connection: TracedConnection) {
        self.recorder.connection(connection.clone());
        self.page.connection(connection);
    }

    fn wants_connections(&self) -> bool {
        true
    }
}

/// Output files in memory, by name.
#[derive(Default)]
struct Memory(BTreeMap<String, MemoryFile>);

#[derive(Clone, Default)]
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
        let file = MemoryFile::default();
        let key = format!("{} {name}", self.0.len());
        self.0.insert(key, file.clone());
        Ok(BufWriter::new(Box::new(file)))
    }
}

impl Memory {
    fn into_bytes(self) -> BTreeMap<String, Vec<u8>> {
        let files = self.0.into_iter();
        files
            .map(|(name, file)| (name, file.0.lock().expect("one thread").clone()))
            .collect()
    }
}

/// Expectations of which none holds.
const EXPECTED: &str = r#"
sessions = "exactly"

[[session]]
match = 'login.user != "nobody"'
steps = ["login", "retrieve nothing.txt", "quit"]
extra_steps = false
only_commands = ["NOOP"]

[session.login]
password = "nothing"

[[rule]]
name = "no command at all"
for = "step"
assert = 'size(commands) == 100'
"#;
