//! `ftpscope analyze`: a report of every FTP session in captures.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::failure::{Exit, Failure};
use super::messages;
use super::options::{
    DigestOptions, EventOptions, Events, ExitOptions, FailOnOptions, InputOptions,
    PresentationOptions, PreviewOptions, SelectionOptions,
};
use super::output::Output;
use super::reading::{Outcome, Reading};
use crate::diagram::Detail;
use crate::extract::Extractor;
use crate::model::TransferSink;
use crate::monitor::open_extractor;
use crate::page::PageOptions;
use crate::report::{DocumentBuilder, EventLines, csv, json, table, tell_aside};

#[derive(Debug, Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub(super) struct AnalyzeArguments {
    #[command(flatten)]
    input: InputOptions,
    /// What to write: table, json (one document), ndjson (one object an event), csv (one row a transfer), html (one page)
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "table",
        hide_possible_values = true,
        help_heading = "Output"
    )]
    format: Format,
    /// Write to FILE; a regular file appears whole or not at all (ndjson: event by event)
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    output: Option<PathBuf>,
    #[command(flatten)]
    previews: PreviewOptions,
    #[command(flatten)]
    events: EventOptions,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Tables for people.
    Table,
    /// One JSON document.
    Json,
    /// One JSON object per event.
    Ndjson,
    /// One row per transfer, for a spreadsheet.
    Csv,
    /// One page to step through.
    Html,
}

/// Reads the captures and writes the report.
pub(super) fn run(arguments: &AnalyzeArguments) -> Result<Exit, Failure> {
    let is_page = arguments.format == Format::Html;
    let quiet = arguments.presentation.quiet;
    messages::check_previews(arguments.previews.previews, is_page, quiet)?;
    let mut reading = Reading::open(
        &arguments.input,
        &arguments.selection,
        &arguments.presentation,
    )?;
    arguments.digests.apply(&mut reading.options);
    let path = arguments.output.as_deref();
    let whole = arguments.format != Format::Ndjson;
    let mut output = Output::open(path, &arguments.input.captures, whole)?;
    let mut extractor = open_extractor(arguments.extract.as_deref(), &messages::notices(quiet))
        .map_err(|error| Failure::extraction(&error))?;
    let mut nowhere = ();
    let files: &mut dyn TransferSink = match &mut extractor {
        Some(extractor) => extractor,
        None => &mut nowhere,
    };
    let write = match arguments.format {
        Format::Ndjson => write_events,
        Format::Html => write_as_page,
        Format::Table | Format::Json | Format::Csv => write_sessions,
    };
    let (outcome, written) = write(arguments, reading, files, &mut output);
    // Even if the report could not be written: the files are complete by themselves.
    let extracted = extractor.map_or(Ok(()), |extractor| {
        finish_folder(extractor, &outcome.rejected, arguments)
    });
    if outcome.interrupted {
        extracted?;
        return Err(Failure::Interrupted);
    }
    let written = output.close(written);
    extracted?;
    written?;
    let found = arguments
        .fail_on
        .least()
        .is_some_and(|least| outcome.tally.worst >= Some(least));
    Ok(arguments.exit.exit(&outcome, found))
}

/// Reads the captures and writes one line per event.
fn write_events(
    arguments: &AnalyzeArguments,
    reading: Reading,
    files: &mut dyn TransferSink,
    output: &mut Output,
) -> (Outcome, io::Result<()>) {
    let choice = arguments.events.events.into();
    let several = reading.is_several();
    let piped = reading.piped;
    let mut lines = EventLines::new(output, choice, several, piped);
    let stop = lines.stopped();
    // In a summary only whole sessions appear, so that earlier events need not be held for the selection.
    let hold = arguments.events.events == Events::All;
    // Events of a pipe are awaited one by one; otherwise a second thread formats them.
    let outcome = if piped {
        reading.run(&mut lines, hold, files, stop)
    } else {
        tell_aside(&mut lines, |events| reading.run(events, hold, files, stop))
    };
    let summary = &outcome.summary;
    let written = lines.finish(&summary.captures, &summary.totals).map(|_| ());
    (outcome, written)
}

/// Reads the captures and writes a page.
fn write_as_page(
    arguments: &AnalyzeArguments,
    reading: Reading,
    files: &mut dyn TransferSink,
    output: &mut Output,
) -> (Outcome, io::Result<()>) {
    let options = PageOptions {
        zone: arguments.presentation.tz.clone(),
        detail: Detail::Messages,
    };
    let (page, outcome) = reading.page(options, arguments.previews.previews, files);
    let written = page.map_or(Ok(()), |page| page.write(output));
    (outcome, written)
}

/// Reads the captures and writes a document; each session is rendered as soon as it has ended, to save memory.
fn write_sessions(
    arguments: &AnalyzeArguments,
    reading: Reading,
    files: &mut dyn TransferSink,
    output: &mut Output,
) -> (Outcome, io::Result<()>) {
    let format = arguments.format;
    let layout = arguments.presentation.layout(arguments.output.as_deref());
    let columns = csv::Columns {
        md5: reading.options.md5,
        sha1: reading.options.sha1,
        captures: reading.several_paths(),
    };
    let limits = reading.options.limits.clone();
    let mut builder = DocumentBuilder::new(&limits, |session, out| match format {
        Format::Json => json::write_session(session, out),
        Format::Csv => csv::write_session(session, &columns, out),
        _ => table::write_session(session, &layout, out),
    });
    let outcome = tell_aside(&mut builder, |events| {
        reading.run(events, false, files, Arc::default())
    });
    let summary = &outcome.summary;
    let (report, sessions) = builder.finish(summary.captures.clone(), summary.totals.clone());
    let written = match format {
        _ if outcome.interrupted => Ok(()),
        Format::Json => json::write_document(&report, sessions, output),
        Format::Csv => {
            if !arguments.presentation.quiet {
                messages::note_warnings(&report.warnings);
            }
            csv::write_document(sessions, &columns, output)
        }
        _ => table::write_document(&report, sessions, &layout, output),
    };
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
        return Err(Failure::Refused(format!(
            "{} of {} files could not be saved below {folder}: {first}",
            finished.failures,
            finished.files.saturating_add(finished.failures),
        )));
    }
    if arguments.presentation.verbose {
        messages::note(&format!("{} files saved below {folder}", finished.files));
    }
    Ok(())
}

const EXAMPLES: &str = "\
Examples:
  ftpscope analyze --where 'transfers.exists(t, t.name.endsWith(\".zip\"))' capture.pcap
  ftpscope analyze --since 2026-11-20T15:00 --tz Europe/Berlin capture.pcap
  tcpdump -U -w - host 192.0.2.7 | ftpscope analyze --format ndjson -
  ftpscope analyze --strict --fail-on medium -o report.json --format json captures/";
