//! One run of the pipeline over the captures a command was given.
//!
//! In: the options about input and sessions. Out: events and files in the sinks of the command, and an [`Outcome`].
//!
//! ```text
//! CaptureSet -> FilteredSource (-f) -> WatchedSource (failures, progress, Ctrl-C) -> pipeline -> SelectedEvents -> sinks
//! ```

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use jiff::tz::TimeZone;

use super::args_input::{InputArguments, time_bound, window_limit};
use super::args_presentation::PresentationArguments;
use super::args_selection::SelectionArguments;
use super::error_text::{self, Failure};
#[cfg(feature = "live")]
use super::filtered_source::FilteredSource;
use super::interruption::Interruption;
use super::tally::Tally;
use super::watched_source::WatchedSource;
#[cfg(feature = "live")]
use crate::capture::Filter;
use crate::capture::{CaptureSet, PacketSource, ReadOptions};
use crate::check::{SelectedEvents, Selection};
use crate::model::trace::Tracing;
use crate::model::{EventSink, Limits, TransferSink};
use crate::page::{self, Page, PageBuilder, PageOptions, Previews};
use crate::pipeline::{self, Options, Summary};
use crate::report::{Report, ReportBuilder, tell_aside};

/// The captures of a command, opened, and what to do with them.
pub(super) struct Reading {
    captures: CaptureSet,
    #[cfg(feature = "live")]
    filter: Option<Filter>,
    selection: Selection,
    /// What the pipeline is to do beside its work.
    pub(super) options: Options,
    /// Packets arrive as they happen: readers of the events wait for each of them.
    pub(super) piped: bool,
    asked: Interruption,
    progress: bool,
}

/// What a run came to.
pub(super) struct Outcome {
    /// Captures and totals, without the sessions that were left out.
    pub(super) summary: Summary,
    /// The sessions that were left out.
    pub(super) rejected: BTreeSet<u64>,
    /// It was too much work to tell of some session whether it is wanted.
    pub(super) undecided: bool,
    /// Inputs that could not be read.
    pub(super) failures: u64,
    /// What the exit code needs to know.
    pub(super) tally: Tally,
    /// The user did not want to wait for the end.
    pub(super) interrupted: bool,
}

impl Reading {
    /// Checks what was asked for and opens the captures. Captures that cannot be read are told during the run.
    pub(super) fn open(
        input: &InputArguments,
        selection: &SelectionArguments,
        presentation: &PresentationArguments,
    ) -> Result<Self, Failure> {
        let read = read_options(input, &presentation.tz)?;
        let selected = selection.selection()?;
        #[cfg(feature = "live")]
        let filter = open_filter(input)?;
        let followed = followed(input)?;
        let asked = Interruption::watch().map_err(|cause| Failure::Refused(cause.to_string()))?;
        let captures = match followed {
            Some(path) => CaptureSet::follow(path, asked.flag(), read),
            None => CaptureSet::open(&input.captures, read),
        };
        if presentation.verbose {
            for path in captures.skipped_files() {
                error_text::note(&format!("passed over {}: no capture", path.display()));
            }
        }
        Ok(Self {
            captures,
            #[cfg(feature = "live")]
            filter,
            selection: selected,
            options: Options {
                show_passwords: selection.show_passwords,
                limits: Limits {
                    held_bytes: input.max_memory,
                    ..Limits::default()
                },
                ..Options::default()
            },
            // What arrives as it happens is flushed as it happens, and ends by itself when it is asked to.
            piped: input.follow || input.captures.iter().any(|path| is_pipe(path)),
            asked,
            progress: presentation.shows_progress(),
        })
    }

    /// True with more than one capture: records then say which one a frame is from.
    pub(super) fn is_several(&self) -> bool {
        self.captures.captures().len() > 1
    }

    /// With more than one capture: their paths, in the order of the report.
    pub(super) fn several_paths(&self) -> Vec<String> {
        let captures = self.captures.captures();
        if captures.len() > 1 {
            captures.into_iter().map(|capture| capture.path).collect()
        } else {
            Vec::new()
        }
    }

    /// Reads everything. With `hold` also the events before a session's end are told where sessions are chosen; once
    /// `stop` is true nobody reads them any more.
    pub(super) fn run(
        mut self,
        events: &mut dyn EventSink,
        hold: bool,
        files: &mut dyn TransferSink,
        stop: Arc<AtomicBool>,
    ) -> Outcome {
        let source: &mut dyn PacketSource = &mut self.captures;
        #[cfg(feature = "live")]
        let mut filtered;
        #[cfg(feature = "live")]
        let source: &mut dyn PacketSource = match self.filter {
            Some(filter) => {
                filtered = FilteredSource::new(source, filter);
                &mut filtered
            }
            None => source,
        };
        let ignored = Interruption::default();
        let interruption = if self.piped { &ignored } else { &self.asked };
        let mut source = WatchedSource::new(source, stop, interruption, self.progress);
        let mut tally = Tally::default();
        let mut told = (&mut tally, events);
        let mut undecided = false;
        let (summary, rejected) = if self.selection.is_everything() {
            let summary = pipeline::analyze(&mut source, &self.options, &mut told, files);
            (summary, BTreeSet::new())
        } else {
            let mut selected = SelectedEvents::new(self.selection, &mut told, hold);
            let mut summary = pipeline::analyze(&mut source, &self.options, &mut selected, files);
            summary.totals = selected.totals(&summary.totals);
            undecided = selected.has_given_up();
            (summary, selected.into_rejected())
        };
        if undecided {
            error_text::print(
                "--where: it is too much work for some sessions, which are left out; look at fewer lists within lists",
            );
        }
        Outcome {
            summary,
            rejected,
            undecided,
            failures: source.failures(),
            tally,
            interrupted: interruption.is_asked(),
        }
    }

    /// Reads everything into one page; there is none where the user did not want to wait for it.
    pub(super) fn page(
        mut self,
        options: PageOptions,
        shows_previews: bool,
        files: &mut dyn TransferSink,
    ) -> (Option<Page>, Outcome) {
        self.options.tracing = Tracing::Packets;
        // No page has room for more.
        self.options.limits.traced_segments = page::SEGMENTS;
        let previews = Previews::default();
        let mut builder = PageBuilder::new(&self.options.limits, options, previews.clone());
        let outcome = if shows_previews {
            // What previews are kept depends on when sessions are drawn: with one thread it is always the same.
            let mut files = previews.sink(files);
            self.run(&mut builder, false, &mut files, Arc::default())
        } else {
            tell_aside(&mut builder, |events| {
                self.run(events, false, files, Arc::default())
            })
        };
        if outcome.interrupted {
            return (None, outcome);
        }
        let summary = &outcome.summary;
        let page = builder.finish(summary.captures.clone(), summary.totals.clone());
        (Some(page), outcome)
    }

    /// Reads everything into one report.
    pub(super) fn report(self) -> Result<(Report, Outcome), Failure> {
        let mut builder = ReportBuilder::new(&self.options.limits);
        let outcome = self.run(&mut builder, false, &mut (), Arc::default());
        if outcome.interrupted {
            return Err(Failure::Interrupted);
        }
        let summary = &outcome.summary;
        let report = builder.finish(summary.captures.clone(), summary.totals.clone());
        Ok((report, outcome))
    }
}

/// Bounds on time and memory for reading.
fn read_options(input: &InputArguments, zone: &TimeZone) -> Result<ReadOptions, Failure> {
    let bound = |option, value: &Option<String>| {
        let value = value.as_deref();
        value
            .map(|value| time_bound(option, value, zone))
            .transpose()
    };
    Ok(ReadOptions {
        since: bound("--since", &input.since)?,
        until: bound("--until", &input.until)?,
        window_limit: window_limit(input.max_memory),
    })
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

#[cfg(feature = "live")]
fn open_filter(input: &InputArguments) -> Result<Option<Filter>, Failure> {
    let expression = input.filter.as_deref();
    expression
        .map(Filter::new)
        .transpose()
        .map_err(|error| Failure::Refused(error_text::input(&error)))
}

/// True where packets arrive as they happen.
fn is_pipe(path: &Path) -> bool {
    path.as_os_str() == "-"
        || std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}
