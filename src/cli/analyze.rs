//! `ftpscope analyze`: a report of every FTP session in captures.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use super::failure::{Exit, Failure};
use super::messages;
use super::options::{
    DigestOptions, EventOptions, ExitOptions, ExportChoices, FailOnOptions, InputOptions,
    PresentationOptions, PreviewOptions, SelectionOptions, TableChoices,
};
use super::output::{ExportFiles, Output, is_standard};
use super::reading::{Outcome, Reading};
use crate::diagram::Detail;
use crate::extract::{Extractor, is_disk_full};
use crate::model::TransferSink;
use crate::model::wire_text::printable;
use crate::monitor::open_extractor;
use crate::page::PageOptions;
use crate::report::export::{self, FORMATS};
use crate::report::units;
use crate::report::{
    CaptureNames, ExportOptions, Exporter, OutputKind, RunEnd, table, with_sink_thread,
};

#[derive(Debug, Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub(super) struct AnalyzeArguments {
    #[command(flatten)]
    input: InputOptions,
    #[arg(
        long,
        help = format_help(),
        value_name = "FORMAT",
        default_value = FORMATS[0].name,
        value_parser = format_parser(),
        hide_possible_values = true,
        help_heading = "Output"
    )]
    format: Format,
    /// Write to FILE; a regular file appears whole or not at all (ndjson: event by event; zeek, parquet: files in a directory)
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    output: Option<PathBuf>,
    /// Only the overview: who logged in, what was moved, what went wrong
    #[arg(long, help_heading = "Output")]
    summary: bool,
    /// With json and ndjson: bytes, acknowledgments and windows of each transfer over time, up to 2,000 points
    #[arg(long, help_heading = "Output")]
    samples: bool,
    #[command(flatten)]
    previews: PreviewOptions,
    #[command(flatten)]
    events: EventOptions,
    #[command(flatten)]
    exports: ExportChoices,
    #[command(flatten)]
    tables: TableChoices,
    #[command(flatten)]
    presentation: PresentationOptions,
    /// Save the transferred files below DIR
    #[arg(short = 'x', long, value_name = "DIR")]
    extract: Option<PathBuf>,
    #[command(flatten)]
    digests: DigestOptions,
    #[command(flatten)]
    selection: SelectionOptions,
    #[command(flatten)]
    exit: ExitOptions,
    #[command(flatten, next_help_heading = "Exit codes")]
    fail_on: FailOnOptions,
}

/// The format of the report.
#[derive(Clone, Copy, Debug)]
enum Format {
    /// A format of the report layer.
    Export(&'static export::Format),
    /// One page to step through. It needs every segment and the beginnings of files, which no export sees.
    Page,
}

/// Parses a name of [`FORMATS`] or of the page.
fn format_parser() -> impl TypedValueParser<Value = Format> {
    let exports = FORMATS
        .iter()
        .map(|format| PossibleValue::new(format.name).help(format.summary));
    let page = PossibleValue::new(PAGE).help("One page to step through");
    PossibleValuesParser::new(exports.chain([page]))
        .map(|name| export::find(&name).map_or(Format::Page, Format::Export))
}

/// Lists the formats for `--help`.
fn format_help() -> String {
    let exports = FORMATS.iter().map(|format| match format.unit {
        Some(unit) => format!("{} ({unit})", format.name),
        None => format.name.to_owned(),
    });
    let names: Vec<String> = exports.chain([format!("{PAGE} (one page)")]).collect();
    format!("Output format: {}", names.join(", "))
}

/// Reads the captures and writes the report.
pub(super) fn run(arguments: &AnalyzeArguments) -> Result<Exit, Failure> {
    let is_page = matches!(arguments.format, Format::Page);
    let quiet = arguments.presentation.quiet;
    messages::check_previews(arguments.previews.previews, is_page, quiet)?;
    arguments.check_summary()?;
    arguments.check_samples()?;
    arguments.check_table()?;
    let mut reading = Reading::open(
        &arguments.input,
        &arguments.selection,
        &arguments.presentation,
    )?;
    arguments.digests.apply(&mut reading.options);
    if arguments.samples {
        reading.options.limits.samples = MAX_SAMPLES;
    }
    let kind = match arguments.format {
        Format::Export(format) => {
            let to_stdout = arguments.output.as_deref().is_none_or(is_standard);
            format.output_for(arguments.exports.logs().len(), to_stdout)
        }
        Format::Page => OutputKind::Document,
    };
    let path = arguments.output.as_deref();
    let mut outputs = ExportFiles::open(path, &arguments.input.files(), kind)?;
    let mut extractor = open_extractor(arguments.extract.as_deref(), &messages::notices(quiet))
        .map_err(|error| Failure::extraction(&error))?;
    if let Some(extractor) = &mut extractor {
        extractor.name_captures(reading.several_paths());
    }
    let mut nowhere = ();
    let files: &mut dyn TransferSink = match &mut extractor {
        Some(extractor) => extractor,
        None => &mut nowhere,
    };
    let (outcome, written) = match arguments.format {
        Format::Export(format) => {
            let options = export_options(arguments, &reading);
            let exporter =
                (format.open)(&options, &mut outputs).map_err(|cause| outputs.failure(&cause))?;
            write_export(arguments, exporter, kind, reading, files)
        }
        Format::Page => write_page(arguments, reading, files, outputs.single()),
    };
    // Even if the report could not be written: the files are complete by themselves.
    let extracted = extractor.map_or(Ok(()), |extractor| {
        finish_folder(extractor, &outcome.rejected, arguments)
    });
    if outcome.interrupted {
        extracted?;
        return Err(Failure::Interrupted);
    }
    let written = outputs.close(written);
    extracted?;
    written?;
    // The table has an empty selection in its last line.
    if arguments.is_table() {
        outcome.note_outside_time(&arguments.presentation);
    } else {
        outcome.note_empty_selection(&arguments.presentation);
    }
    let found = arguments
        .fail_on
        .least()
        .is_some_and(|least| outcome.tally.worst >= Some(least));
    Ok(arguments.exit.exit(&outcome, found))
}

impl AnalyzeArguments {
    fn is_table(&self) -> bool {
        matches!(self.format, Format::Export(format) if format.name == FORMATS[0].name)
    }

    /// Refuses `--table` for formats that have no such tables.
    fn check_table(&self) -> Result<(), Failure> {
        let is_csv = matches!(self.format, Format::Export(format) if format.name == "csv");
        let Some(table) = self.tables.csv().filter(|_| !is_csv) else {
            return Ok(());
        };
        Err(Failure::Refused(format!(
            "--table {} is for CSV; add --format csv",
            table.name()
        )))
    }

    /// Refuses `--samples` for formats that do not show them.
    fn check_samples(&self) -> Result<(), Failure> {
        let cause = match self.format {
            _ if !self.samples => return Ok(()),
            Format::Export(format) if matches!(format.name, "json" | "ndjson") => return Ok(()),
            Format::Page => "the page plots its transfers at any rate; leave out --samples",
            Format::Export(_) => "--samples needs --format json or ndjson",
        };
        Err(Failure::Refused(cause.to_owned()))
    }

    /// Refuses `--summary` for formats that have no overview.
    fn check_summary(&self) -> Result<(), Failure> {
        let cause = match self.format {
            _ if !self.summary || self.is_table() => return Ok(()),
            Format::Page => "the page begins with its overview; leave out --summary",
            Format::Export(format) if format.output == OutputKind::Stream => {
                "--summary is for tables; use --events summary"
            }
            Format::Export(_) => "--summary is for tables; leave out --format",
        };
        Err(Failure::Refused(cause.to_owned()))
    }
}

/// Collects the options of all formats.
fn export_options(arguments: &AnalyzeArguments, reading: &Reading) -> ExportOptions {
    let table = arguments.presentation.layout(arguments.output.as_deref());
    let mut options = ExportOptions {
        limits: reading.options.limits.clone(),
        table: table::Options {
            summary: arguments.summary,
            captures: CaptureNames::new(&reading.several_paths()),
            ..table
        },
        events: arguments.events.events.into(),
        flush: reading.piped,
        captures: reading.several_paths(),
        md5: reading.options.md5,
        sha1: reading.options.sha1,
        csv_table: arguments.tables.csv().unwrap_or_default(),
        names_logs: arguments.output.as_deref().is_none_or(is_standard),
        tables: arguments.tables.tables(),
        part: arguments.tables.part(),
        ..ExportOptions::default()
    };
    arguments.exports.apply(&mut options);
    options
}

/// Reads the captures and writes them with `exporter`.
fn write_export(
    arguments: &AnalyzeArguments,
    mut exporter: Box<dyn Exporter>,
    kind: OutputKind,
    reading: Reading,
    files: &mut dyn TransferSink,
) -> (Outcome, io::Result<()>) {
    let stop = exporter.stop_flag();
    // Formats that write whole sessions need no earlier events, which are then not held for the selection.
    let hold = exporter.writes_open_sessions();
    // Events of a pipe are awaited one by one; otherwise a second thread formats them.
    let outcome = if reading.piped && kind == OutputKind::Stream {
        reading.run(&mut exporter, hold, files, stop)
    } else {
        with_sink_thread(&mut exporter, |events| {
            reading.run(events, hold, files, stop)
        })
    };
    if outcome.interrupted && kind != OutputKind::Stream {
        return (outcome, Ok(()));
    }
    let summary = &outcome.summary;
    let end = RunEnd {
        captures: &summary.captures,
        totals: &summary.totals,
        unwritten_warnings: &mut |warnings| {
            if !arguments.presentation.quiet {
                messages::note_warnings(warnings);
            }
        },
    };
    let written = exporter.finish(end);
    (outcome, written)
}

/// Reads the captures and writes a page.
fn write_page(
    arguments: &AnalyzeArguments,
    reading: Reading,
    files: &mut dyn TransferSink,
    output: &mut Output,
) -> (Outcome, io::Result<()>) {
    let options = PageOptions {
        zone: arguments.presentation.tz.clone(),
        detail: Detail::Messages,
    };
    let (page, outcome) = reading.page(options, arguments.previews.previews, files, &mut ());
    let written = page.map_or(Ok(()), |page| page.write(output));
    (outcome, written)
}

/// Completes the folder of extracted files; fails if a file could not be saved.
fn finish_folder(
    mut extractor: Extractor,
    rejected: &BTreeSet<u64>,
    arguments: &AnalyzeArguments,
) -> Result<(), Failure> {
    extractor
        .withdraw(rejected)
        .map_err(|error| Failure::extraction(&error))?;
    let folder = extractor.folder().display().to_string();
    let finished = extractor
        .finish()
        .map_err(|error| Failure::extraction(&error))?;
    if let Some(first) = finished.first_failure {
        let hint = if is_disk_full(&first) {
            "; make room or choose another disk"
        } else {
            ""
        };
        return Err(Failure::Refused(format!(
            "{} of {} files could not be saved below {folder}: {first}{hint}",
            finished.failures,
            finished.files.saturating_add(finished.failures),
        )));
    }
    if arguments.presentation.quiet {
        return Ok(());
    }
    for file in finished.assembled.iter().take(NAMED_FILES) {
        messages::note(&format!(
            "assembled from its parts: {folder}/{}, {}, sha256 {}",
            printable(&file.saved_as),
            units::bytes(file.bytes),
            file.sha256
        ));
    }
    if finished.assembled.len() > NAMED_FILES {
        let more = units::to_u64(finished.assembled.len() - NAMED_FILES);
        messages::note(&format!(
            "assembled from their parts: {} more files, which {folder}/manifest.json lists",
            units::count(more)
        ));
    }
    if arguments.presentation.verbose {
        let saved = units::counted(finished.files, "file", "files");
        let assembled = units::to_u64(finished.assembled.len());
        let beside = match assembled {
            0 => String::new(),
            _ => format!(", and {} assembled", units::count(assembled)),
        };
        messages::note(&format!("{saved} saved below {folder}{beside}"));
    }
    Ok(())
}

/// Assembled files that are named.
const NAMED_FILES: usize = 10;
/// Limit of the points of one transfer in a report.
const MAX_SAMPLES: usize = 2_000;

/// Name of the page among the formats.
const PAGE: &str = "html";

const EXAMPLES: &str = "\
Examples:
  ftpscope analyze --where 'transfers.exists(t, t.name.endsWith(\".zip\"))' capture.pcap
  ftpscope analyze --since 2026-11-20T15:00 --tz Europe/Berlin capture.pcap
  tcpdump -U -w - host 192.0.2.7 | ftpscope analyze --format ndjson -
  ftpscope analyze --strict --fail-on medium -o report.json --format json captures/";
