//! `ftpscope analyze`: reports every FTP session in captures.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use jiff::tz::TimeZone;

use super::args::{AnalyzeArguments, Digest};
use super::args_input::{InputArguments, time_bound};
use super::args_output::{Events, Format, OutputArguments};
use super::error_text::{self, Failure};
use super::exit_code::Exit;
#[cfg(feature = "live")]
use super::filtered_source::FilteredSource;
use super::interruption::Interruption;
use super::output::Output;
use super::tally::Tally;
use super::terminal::{self, Environment};
use super::watched_source::WatchedSource;
#[cfg(feature = "live")]
use crate::capture::Filter;
use crate::capture::{CaptureSet, PacketSource, ReadOptions};
use crate::check::{Expression, Scope, SelectedEvents, Selection};
use crate::extract::{self, Extractor};
use crate::model::record::Severity;
use crate::model::{EventSink, Limits, TransferSink};
use crate::pipeline::{self, Options, Summary};
use crate::report::{EventLines, ReportBuilder, json, table};

/// Reads the captures and writes what happened in them.
pub(super) fn run(arguments: &AnalyzeArguments) -> Result<Exit, Failure> {
    let read = read_options(&arguments.input, &arguments.output.tz)?;
    let selection = selection(arguments.condition.as_ref(), &arguments.session)?;
    let mut output = open_output(
        arguments.output.output.as_deref(),
        &arguments.input,
        arguments.output.format != Format::Ndjson,
    )?;
    let mut extractor = open_folder(arguments)?;
    #[cfg(feature = "live")]
    let filter = open_filter(&arguments.input)?;
    let asked = Interruption::watch().map_err(|cause| Failure::Refused(cause.to_string()))?;
    let mut captures = match followed(&arguments.input)? {
        Some(path) => CaptureSet::follow(path, asked.flag(), read),
        None => CaptureSet::open(&arguments.input.captures, read),
    };
    if arguments.output.verbose {
        for path in captures.passed_over() {
            error_text::note(&format!("passed over {}: no capture", path.display()));
        }
    }
    let several = captures.captures().len() > 1;
    #[cfg(not(feature = "live"))]
    let source: &mut dyn PacketSource = &mut captures;
    #[cfg(feature = "live")]
    let mut filtered;
    #[cfg(feature = "live")]
    let source: &mut dyn PacketSource = match filter {
        Some(filter) => {
            filtered = FilteredSource::new(&mut captures, filter);
            &mut filtered
        }
        None => &mut captures,
    };
    // What arrives as it happens is flushed as it happens, and ends by itself when it is asked to.
    let piped = arguments.input.follow || arguments.input.captures.iter().any(is_pipe);
    let ignored = Interruption::default();
    let interruption = if piped { &ignored } else { &asked };
    let stop = Rc::new(Cell::new(false));
    let progress = !arguments.output.no_progress && !arguments.output.quiet;

    let options = options(arguments);
    let mut tally = Tally::default();
    let mut nowhere = ();
    let files: &mut dyn TransferSink = match &mut extractor {
        Some(extractor) => extractor,
        None => &mut nowhere,
    };
    let summary;
    let failures;
    let rejected;
    let written = if arguments.output.format == Format::Ndjson {
        let choice = arguments.output.events.into();
        let mut lines = EventLines::new(&mut output, choice, several, piped);
        let mut source = WatchedSource::new(source, lines.stopped(), interruption, progress);
        let events: &mut dyn EventSink = &mut (&mut tally, &mut lines);
        let hold = arguments.output.events == Events::All;
        (summary, rejected) = analyze(&mut source, &options, selection, events, hold, files);
        failures = source.failures();
        lines.finish(&summary.captures, &summary.totals).map(|_| ())
    } else {
        let mut builder = ReportBuilder::new(&options.limits);
        let mut source = WatchedSource::new(source, stop, interruption, progress);
        let events: &mut dyn EventSink = &mut (&mut tally, &mut builder);
        (summary, rejected) = analyze(&mut source, &options, selection, events, false, files);
        failures = source.failures();
        let report = builder.finish(summary.captures.clone(), summary.totals.clone());
        match arguments.output.format {
            _ if interruption.is_asked() => Ok(()),
            Format::Json => json::write_report(&report, &mut output),
            _ => table::render(&report, &table_options(&arguments.output), &mut output),
        }
    };
    // The files are finished even where nobody reads the report.
    let extracted = extractor.map_or(Ok(()), |extractor| {
        finish_folder(extractor, &rejected, arguments)
    });
    if interruption.is_asked() {
        extracted?;
        return Err(Failure::Interrupted);
    }
    let written = match written.and_then(|()| output.flush()) {
        Ok(()) => output.finish(),
        Err(cause) => Err(output.failure(&cause)),
    };
    extracted?;
    match written {
        // Whoever closed the pipe has seen enough; what the input was like still counts.
        Ok(()) | Err(Failure::PipeClosed) => {}
        Err(failure) => return Err(failure),
    }
    Ok(exit(arguments, &summary, tally, failures))
}

/// Runs the pipeline; gives its summary without the sessions that were left out, and their ids.
pub(super) fn analyze(
    source: &mut dyn PacketSource,
    options: &Options,
    selection: Selection,
    events: &mut dyn EventSink,
    hold: bool,
    files: &mut dyn TransferSink,
) -> (Summary, BTreeSet<u64>) {
    if selection.is_everything() {
        return (
            pipeline::analyze(source, options, events, files),
            BTreeSet::new(),
        );
    }
    let mut selected = SelectedEvents::new(selection, events, hold);
    let mut summary = pipeline::analyze(source, options, &mut selected, files);
    summary.totals = selected.totals(&summary.totals);
    (summary, selected.into_rejected())
}

/// Which sessions to keep.
pub(super) fn selection(condition: Option<&String>, ids: &[u64]) -> Result<Selection, Failure> {
    let compile = |text: &String| Expression::compile(text, Scope::Session);
    let expression = condition.map(compile).transpose();
    Ok(Selection {
        ids: ids.iter().copied().collect(),
        expression: expression.map_err(|error| Failure::Refused(format!("--where: {error}")))?,
    })
}

/// Bounds on time and memory for reading.
pub(super) fn read_options(
    input: &InputArguments,
    zone: &TimeZone,
) -> Result<ReadOptions, Failure> {
    let bound = |option, value: &Option<String>| {
        let value = value.as_deref();
        value
            .map(|value| time_bound(option, value, zone))
            .transpose()
    };
    let mut options = ReadOptions::default();
    options.since = bound("--since", &input.since)?;
    options.until = bound("--until", &input.until)?;
    options.window_limit = options
        .window_limit
        .min(u64::try_from(input.max_memory).unwrap_or(u64::MAX));
    Ok(options)
}

/// The file to follow, and what ends that.
fn followed(input: &InputArguments) -> Result<Option<PathBuf>, Failure> {
    if !input.follow {
        return Ok(None);
    }
    let refused = |cause: &str| Err(Failure::Refused(format!("cannot follow {cause}")));
    let [path] = input.captures.as_slice() else {
        return refused("several captures; give one file, or run once for each");
    };
    if path.is_dir() {
        return refused("a directory; give one file");
    }
    if is_pipe(path) {
        return refused("a pipe; it is read until it is closed anyway, leave out --follow");
    }
    Ok(Some(path.clone()))
}

fn options(arguments: &AnalyzeArguments) -> Options {
    Options {
        show_passwords: arguments.show_passwords,
        md5: arguments.hash.contains(&Digest::Md5),
        sha1: arguments.hash.contains(&Digest::Sha1),
        text_lines: arguments.text_lines,
        limits: Limits {
            held_bytes: arguments.input.max_memory,
            ..Limits::default()
        },
    }
}

#[cfg(feature = "live")]
pub(super) fn open_filter(input: &InputArguments) -> Result<Option<Filter>, Failure> {
    let expression = input.filter.as_deref();
    expression
        .map(Filter::new)
        .transpose()
        .map_err(|error| Failure::Refused(error_text::input(&error)))
}

/// Standard output or a file, which appears whole or is written as it is.
pub(super) fn open_output(
    path: Option<&Path>,
    input: &InputArguments,
    whole: bool,
) -> Result<Output, Failure> {
    let Some(path) = path else {
        return Ok(Output::stdout());
    };
    let same = |capture: &PathBuf| {
        let target = std::fs::canonicalize(path);
        target.is_ok_and(|target| std::fs::canonicalize(capture).is_ok_and(|input| input == target))
    };
    if input.captures.iter().any(same) {
        return Err(Failure::Refused(format!(
            "cannot write {}: it is one of the captures; choose another name",
            path.display()
        )));
    }
    if whole {
        Output::whole(path)
    } else {
        Output::as_it_is(path)
    }
}

fn open_folder(arguments: &AnalyzeArguments) -> Result<Option<Extractor>, Failure> {
    let Some(folder) = &arguments.extract else {
        return Ok(None);
    };
    let extractor = Extractor::create(folder).map_err(|error| extraction_failure(&error))?;
    if !arguments.output.quiet {
        if extractor.folder() != folder {
            error_text::note(&format!(
                "{} holds an earlier run; this one goes to {}",
                folder.display(),
                extractor.folder().display()
            ));
        }
        error_text::note(&format!(
            "-x copies bytes as they are: {} may hold secrets",
            extractor.folder().display()
        ));
    }
    Ok(Some(extractor))
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
    if arguments.output.verbose {
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

fn table_options(output: &OutputArguments) -> table::Options {
    let environment = Environment::of_process();
    let to_terminal = output.output.is_none() && terminal::stdout_is_terminal();
    let columns = to_terminal.then(terminal::stdout_width).flatten();
    table::Options {
        width: environment.width(columns),
        color: environment.color(output.color, to_terminal),
        zone: output.tz.clone(),
        verbose: output.verbose,
    }
}

fn exit(arguments: &AnalyzeArguments, summary: &Summary, tally: Tally, failures: u64) -> Exit {
    let mut reasons = Vec::new();
    if failures > 0 || arguments.strict && tally.not_whole {
        reasons.push(Exit::Unreadable);
    }
    let threshold = arguments.fail_on.map(Severity::from);
    if threshold.is_some_and(|least| tally.worst >= Some(least)) {
        reasons.push(Exit::Found);
    }
    if arguments.fail_if_empty && summary.totals.sessions == 0 {
        reasons.push(Exit::NoSession);
    }
    Exit::first_of(&reasons)
}

/// True where packets arrive as they happen: readers of the events wait for each of them.
pub(super) fn is_pipe(path: &PathBuf) -> bool {
    path.as_os_str() == "-"
        || std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}
