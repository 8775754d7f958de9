//! `ftpscope analyze`: reports every FTP session in captures.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use super::args::AnalyzeArguments;
use super::args_output::{Events, Format};
use super::error_text::{self, Failure};
use super::exit_code::Exit;
use super::extraction_folder;
use super::output::Output;
use super::reading::{Outcome, Reading};
use crate::diagram::Detail;
use crate::extract::{self, Extractor};
use crate::model::TransferSink;
use crate::model::record::Severity;
use crate::page::PageOptions;
use crate::report::{DocumentBuilder, EventLines, csv, json, table, tell_aside};

/// Reads the captures and writes what happened in them.
pub(super) fn run(arguments: &AnalyzeArguments) -> Result<Exit, Failure> {
    let is_page = arguments.output.format == Format::Html;
    let quiet = arguments.presentation.quiet;
    error_text::check_previews(arguments.output.previews, is_page, quiet)?;
    let mut reading = Reading::open(
        &arguments.input,
        &arguments.selection,
        &arguments.presentation,
    )?;
    arguments.digests.apply(&mut reading.options);
    let path = arguments.output.output.as_deref();
    let whole = arguments.output.format != Format::Ndjson;
    let mut output = Output::open(path, &arguments.input.captures, whole)?;
    let mut extractor =
        extraction_folder::open(arguments.extract.as_deref(), quiet, extraction_failure)?;
    let mut nowhere = ();
    let files: &mut dyn TransferSink = match &mut extractor {
        Some(extractor) => extractor,
        None => &mut nowhere,
    };
    let write = match arguments.output.format {
        Format::Ndjson => write_events,
        Format::Html => write_as_page,
        Format::Table | Format::Json | Format::Csv => write_sessions,
    };
    let (outcome, written) = write(arguments, reading, files, &mut output);
    // The files are finished even where nobody reads the report.
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
    let threshold = arguments.fail_on.map(Severity::from);
    let found = threshold.is_some_and(|least| outcome.tally.worst >= Some(least));
    Ok(arguments.exit.exit(&outcome, found))
}

/// Reads the captures, with one line an event.
fn write_events(
    arguments: &AnalyzeArguments,
    reading: Reading,
    files: &mut dyn TransferSink,
    output: &mut Output,
) -> (Outcome, io::Result<()>) {
    let choice = arguments.output.events.into();
    let several = reading.is_several();
    let piped = reading.piped;
    let mut lines = EventLines::new(output, choice, several, piped);
    let stop = lines.stopped();
    let hold = arguments.output.events == Events::All;
    let outcome = if piped {
        reading.run(&mut lines, hold, files, stop)
    } else {
        tell_aside(&mut lines, |events| reading.run(events, hold, files, stop))
    };
    let summary = &outcome.summary;
    let written = lines.finish(&summary.captures, &summary.totals).map(|_| ());
    (outcome, written)
}

/// Reads the captures into a page.
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
    let (page, outcome) = reading.page(options, arguments.output.previews, files);
    let written = page.map_or(Ok(()), |page| page.write(output));
    (outcome, written)
}

/// Reads the captures into a document whose sessions are text as soon as they have ended.
fn write_sessions(
    arguments: &AnalyzeArguments,
    reading: Reading,
    files: &mut dyn TransferSink,
    output: &mut Output,
) -> (Outcome, io::Result<()>) {
    let format = arguments.output.format;
    let layout = arguments
        .presentation
        .layout(arguments.output.output.as_deref());
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
                error_text::note_warnings(&report.warnings);
            }
            csv::write_document(sessions, &columns, output)
        }
        _ => table::write_document(&report, sessions, &layout, output),
    };
    (outcome, written)
}

fn finish_folder(
    mut extractor: Extractor,
    rejected: &BTreeSet<u64>,
    arguments: &AnalyzeArguments,
) -> Result<(), Failure> {
    extractor
        .withdraw(rejected)
        .map_err(|error| extraction_failure(&error))?;
    let folder = extractor.folder().display().to_string();
    let finished = extractor
        .finish()
        .map_err(|error| extraction_failure(&error))?;
    if let Some(first) = finished.first_failure {
        return Err(Failure::Refused(format!(
            "{} of {} files could not be saved below {folder}: {first}",
            finished.failures,
            finished.files.saturating_add(finished.failures),
        )));
    }
    if arguments.presentation.verbose {
        error_text::note(&format!("{} files saved below {folder}", finished.files));
    }
    Ok(())
}

/// Why files cannot be saved, and what to do.
fn extraction_failure(error: &extract::Error) -> Failure {
    let (what, path, cause) = match error {
        extract::Error::Folder { path, source } => ("extract to", path, source),
        extract::Error::Manifest { path, source } => ("write the lists of files in", path, source),
    };
    Failure::Refused(format!(
        "cannot {what} {}: {}; name a folder you may write to",
        path.display(),
        error_text::system_words(cause)
    ))
}
