//! One run of the pipeline over the captures of a command.
//!
//! In: the options about input and sessions. Out: events and files in the sinks of the command, and an [`Outcome`].
//!
//! ```text
//! CaptureSet -> FilteredSource (-f) -> WatchedSource (failures, progress, Ctrl-C) -> pipeline -> DeferredEnds
//!     -> SelectedEvents -> sinks
//! ```

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use jiff::tz::TimeZone;

use super::failure::Failure;
use super::messages;
use super::options::values::time_bound;
use super::options::{InputOptions, PresentationOptions, SelectionOptions, enable_digests};
use super::watched_source::{ProgressTarget, WatchedSource};
use crate::capture::{CaptureSet, Input, PacketSource, ReadOptions};
#[cfg(feature = "live")]
use crate::capture::{Filter, FilteredSource};
use crate::check::{SelectedEvents, Selection};
use crate::keep::PacketSink;
use crate::model::record::{Capture, Finding, Severity};
use crate::model::trace::Tracing;
use crate::model::{
    Event, EventKind, EventSink, FrameRef, Limits, Timestamp, TransferSink, Warning, WarningCode,
};
use crate::monitor::Interruption;
use crate::page::{self, Page, PageBuilder, PageOptions, Previews};
use crate::pipeline::{self, Options, Summary};
use crate::report::{
    CaptureNames, DeferredEnds, KeptReport, KeptSessions, Report, units, with_sink_thread,
};

/// The opened captures of a command and the options of the run.
pub(super) struct Reading {
    captures: CaptureSet,
    #[cfg(feature = "live")]
    /// `None` without `-f`.
    filter: Option<Filter>,
    selection: Selection,
    /// Messages about files of a directory with the name of a capture that are none.
    damaged_files: Vec<String>,
    /// Options of the pipeline, to be completed by the command.
    pub(super) options: Options,
    /// True if packets arrive as they happen, so that readers of events wait for each of them.
    pub(super) piped: bool,
    interruption: Interruption,
    progress: bool,
}

/// The result of a run.
pub(super) struct Outcome {
    /// Captures and totals, without the rejected sessions.
    pub(super) summary: Summary,
    /// Ids of the sessions that the selection rejected.
    pub(super) rejected: BTreeSet<u64>,
    /// True if `--where` was given up for a session because it takes too long.
    pub(super) undecided: bool,
    /// Inputs that could not be read.
    pub(super) failures: u64,
    /// Messages about files of a directory with the name of a capture that are none.
    pub(super) damaged_files: Vec<String>,
    /// Facts for the exit code.
    pub(super) tally: Tally,
    /// True if the user interrupted the run.
    pub(super) interrupted: bool,
}

impl Outcome {
    /// Notes that the selection left no session, for outputs that do not say so: an empty one denies the sessions there are.
    pub(super) fn note_empty_selection(&self, presentation: &PresentationOptions) {
        let totals = &self.summary.totals;
        if totals.sessions == 0 && totals.sessions_filtered > 0 && !presentation.quiet {
            let sessions = units::counted(totals.sessions_filtered, "session", "sessions");
            messages::note(&format!("{sessions}, none matches --session or --where"));
        }
        self.note_outside_time(presentation);
    }

    /// Notes that no packet lies within the bounds of time, rather than let the totals say that there was no session.
    pub(super) fn note_outside_time(&self, presentation: &PresentationOptions) {
        let totals = &self.summary.totals;
        let outside = totals.accounting.outside_time_bounds;
        if outside > 0 && outside == totals.packets && !presentation.quiet {
            let packets = units::counted(outside, "packet", "packets");
            messages::note(&format!(
                "{packets}, none within the time of --since and --until"
            ));
        }
    }
}

impl Reading {
    /// Checks the options and opens the captures. Captures that cannot be read are printed during the run.
    pub(super) fn open(
        input: &InputOptions,
        selection: &SelectionOptions,
        presentation: &PresentationOptions,
    ) -> Result<Self, Failure> {
        let read = read_options(input, &presentation.tz)?;
        let selected = selection.selection()?;
        let reads_secrets = ["password", "account"]
            .iter()
            .any(|field| selected.names_field(field));
        if reads_secrets && !selection.show_passwords && !presentation.quiet {
            messages::note(
                "--where names a secret, which is <hidden> to it as well; --show-passwords shows it",
            );
        }
        let secrets = input.secrets.read(input.follow)?;
        #[cfg(feature = "live")]
        let filter = open_filter(input)?;
        let followed = followed(input)?;
        let interruption = if input.on_screen {
            Interruption::default()
        } else {
            Interruption::watch().map_err(|cause| Failure::Refused(cause.to_string()))?
        };
        let mut captures = match followed {
            Some(path) => CaptureSet::follow(path, interruption.flag(), read),
            None => CaptureSet::open_until(&input.captures, &interruption.flag(), read),
        };
        if presentation.verbose {
            let threads = input.memory.threads();
            messages::note(&format!(
                "digests of large files: {}",
                units::counted(units::to_u64(threads), "thread", "threads")
            ));
            for path in captures.skipped_files() {
                messages::note(&format!("passed over {}: no capture", path.display()));
            }
        }
        let damaged_files = captures.take_damaged_files();
        let damaged_files: Vec<_> = damaged_files.iter().map(messages::input).collect();
        for message in &damaged_files {
            messages::print(message);
        }
        let mut options = Options {
            show_passwords: selection.show_passwords,
            threads: input.memory.threads(),
            secrets,
            limits: Limits {
                held_bytes: input.memory.max_memory,
                ..Limits::default()
            },
            ..Options::default()
        };
        enable_digests(&mut options, |field| selected.names_field(field));
        Ok(Self {
            captures,
            #[cfg(feature = "live")]
            filter,
            selection: selected,
            damaged_files,
            options,
            // Such input ends by itself when asked to, see `CaptureSet::open_until`.
            piped: input.follow || input.captures.iter().any(|path| is_pipe(path)),
            interruption,
            progress: presentation.shows_progress(),
        })
    }

    /// Returns the paths of the captures in the order of the report; empty for a single one.
    pub(super) fn several_paths(&self) -> Vec<String> {
        let captures = self.captures.captures();
        if captures.len() > 1 {
            captures.into_iter().map(|capture| capture.path).collect()
        } else {
            Vec::new()
        }
    }

    /// Reads everything into the sinks.
    ///
    /// With `hold`, a selection also emits the events before a session's end. The run ends once `stop` is true.
    pub(super) fn run(
        self,
        events: &mut dyn EventSink,
        hold: bool,
        files: &mut dyn TransferSink,
        stop: Arc<AtomicBool>,
    ) -> Outcome {
        self.run_and_keep(events, hold, files, stop, None)
    }

    /// Does the same as [`run`](Self::run), and passes every packet to `keeper`.
    pub(super) fn run_and_keep(
        mut self,
        events: &mut dyn EventSink,
        hold: bool,
        files: &mut dyn TransferSink,
        stop: Arc<AtomicBool>,
        keeper: Option<&mut dyn PacketSink>,
    ) -> Outcome {
        let sessions = Arc::new(AtomicU64::new(0));
        let progress = ProgressTarget {
            is_wanted: self.progress,
            total: self.input_size(),
            sessions: Arc::clone(&sessions),
        };
        let source: &mut dyn PacketSource = &mut self.captures;
        #[cfg(feature = "live")]
        let is_filtered = self.filter.is_some();
        #[cfg(not(feature = "live"))]
        let is_filtered = false;
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
        // A pipe ends by itself after Ctrl-C, once the last packets have arrived, and what it held is reported.
        let ignored = Interruption::default();
        let interruption = if self.piped {
            &ignored
        } else {
            &self.interruption
        };
        let mut source = WatchedSource::new(source, stop, interruption, progress);
        let mut counter = SessionCounter(sessions);
        let mut tally = Tally {
            not_whole: !self.damaged_files.is_empty(),
            ..Tally::default()
        };
        let mut sinks = (&mut tally, &mut *events);
        let mut undecided = false;
        // Whoever reads the events of a pipe waits for each of them.
        let is_followed = self.piped && hold;
        let (summary, rejected) = if self.selection.is_everything() {
            let analyze = |events: &mut dyn EventSink| {
                pipeline::analyze_and_keep(
                    &mut source,
                    &self.options,
                    events,
                    files,
                    shorter(keeper),
                )
            };
            let summary = if is_followed {
                analyze(&mut sinks)
            } else {
                let mut deferred = DeferredEnds::new(&mut sinks, false);
                let summary = analyze(&mut (&mut counter, &mut deferred));
                deferred.finish();
                summary
            };
            (summary, BTreeSet::new())
        } else {
            let all = self.selection.reads_findings();
            let mut selected = SelectedEvents::new(self.selection, &mut sinks, hold);
            let mut deferred = DeferredEnds::new(&mut selected, all);
            let mut summary = pipeline::analyze_and_keep(
                &mut source,
                &self.options,
                &mut (&mut counter, &mut deferred),
                files,
                shorter(keeper),
            );
            deferred.finish();
            summary.totals = selected.totals(&summary.totals);
            undecided = selected.has_given_up();
            (summary, selected.into_rejected())
        };
        if is_filtered && summary.totals.accounting.filtered > 0 && tally.without_data > 0 {
            let warning = Warning::data_filtered(tally.without_data);
            let warned = Event {
                frame: tally.last,
                session: None,
                late: false,
                kind: EventKind::Warning(&warning),
            };
            (&mut tally, &mut *events).event(&warned);
        }
        if undecided {
            messages::print(
                "--where: it is too much work for some sessions, which are left out; look at fewer lists within lists",
            );
        }
        Outcome {
            summary,
            rejected,
            undecided,
            failures: source.failures(),
            damaged_files: self.damaged_files,
            tally,
            interrupted: interruption.is_requested(),
        }
    }

    /// Returns the bytes of all inputs on disk; `None` if one of them is no regular file or may still grow.
    fn input_size(&self) -> Option<u64> {
        if self.piped {
            return None;
        }
        let captures = self.captures.captures();
        let sizes = captures.iter().map(|capture| {
            let found = std::fs::metadata(&capture.path).ok()?;
            found.is_file().then_some(found.len())
        });
        sizes.sum()
    }

    /// Reads everything into one page, `None` if the user interrupted the run; `more` receives the events as well.
    pub(super) fn page(
        mut self,
        options: PageOptions,
        shows_previews: bool,
        files: &mut dyn TransferSink,
        more: &mut dyn EventSink,
    ) -> (Option<Page>, Outcome) {
        self.options.tracing = Tracing::Packets;
        // A page shows no more segments.
        self.options.limits.traced_segments = page::MAX_SEGMENTS;
        self.options.limits.samples = page::MAX_SAMPLES;
        let previews = Previews::default();
        let mut builder = PageBuilder::new(&self.options.limits, options, previews.clone());
        builder.name_captures(CaptureNames::new(&self.several_paths()));
        let outcome = if shows_previews {
            // On one thread: which previews fit depends on when sessions are drawn, and that must not vary between runs.
            let mut files = previews.sink(files);
            let events = &mut (&mut builder, more);
            self.run(events, false, &mut files, Arc::default())
        } else {
            with_sink_thread(&mut builder, |events| {
                self.run(&mut (events, more), false, files, Arc::default())
            })
        };
        if outcome.interrupted {
            return (None, outcome);
        }
        let summary = &outcome.summary;
        let page = builder.finish(summary.captures.clone(), summary.totals.clone());
        (Some(page), outcome)
    }

    /// Reads everything into a report and, beside it, the sessions; `more` receives the events as well.
    pub(super) fn kept(
        self,
        more: &mut dyn EventSink,
    ) -> Result<(Report, KeptSessions, Outcome), Failure> {
        let mut kept = KeptReport::new(&self.options.limits);
        let outcome = self.run(&mut (&mut kept, more), false, &mut (), Arc::default());
        if outcome.interrupted {
            return Err(Failure::Interrupted);
        }
        let summary = &outcome.summary;
        let (report, sessions) = kept.finish(summary.captures.clone(), summary.totals.clone());
        Ok((report, sessions, outcome))
    }
}

/// Returns the same sink for the time of one call.
fn shorter<'s>(keeper: Option<&'s mut (dyn PacketSink + '_)>) -> Option<&'s mut dyn PacketSink> {
    match keeper {
        Some(keeper) => Some(keeper),
        None => None,
    }
}

/// Passes every item of the captures to `take` once more, in the order of the first reading. Returns the captures with their
/// counts; failures, which the first reading printed, and progress are silent.
pub(super) fn read_again(
    input: &InputOptions,
    zone: &TimeZone,
    take: &mut dyn FnMut(&Input<'_>) -> ControlFlow<()>,
) -> Result<Vec<Capture>, Failure> {
    let mut captures = CaptureSet::open(&input.captures, read_options(input, zone)?);
    let source: &mut dyn PacketSource = &mut captures;
    #[cfg(feature = "live")]
    let mut filtered;
    #[cfg(feature = "live")]
    let source: &mut dyn PacketSource = match open_filter(input)? {
        Some(filter) => {
            filtered = FilteredSource::new(source, filter);
            &mut filtered
        }
        None => source,
    };
    source.for_each(&mut |input| take(&input));
    Ok(source.captures())
}

/// Returns the times of `--since` and `--until`.
pub(super) fn time_bounds(
    input: &InputOptions,
    zone: &TimeZone,
) -> Result<(Option<Timestamp>, Option<Timestamp>), Failure> {
    let read = read_options(input, zone)?;
    Ok((read.since, read.until))
}

/// Returns the limits on packet time and on memory.
fn read_options(input: &InputOptions, zone: &TimeZone) -> Result<ReadOptions, Failure> {
    let bound = |option, value: &Option<String>| {
        let value = value.as_deref();
        value
            .map(|value| time_bound(option, value, zone))
            .transpose()
    };
    let since = bound("--since", &input.since)?;
    let until = bound("--until", &input.until)?;
    if let (Some(first), Some(last)) = (since, until)
        && last < first
    {
        return Err(Failure::Refused(
            "--since is after --until, so no packet can lie between them; exchange the two times"
                .to_owned(),
        ));
    }
    Ok(ReadOptions {
        since,
        until,
        // Windows of compressed captures count against the memory limit as well.
        window_limit: u64::try_from(input.memory.max_memory)
            .unwrap_or(u64::MAX)
            .min(ReadOptions::default().window_limit),
    })
}

/// Returns the file to follow; `None` without `--follow`.
fn followed(input: &InputOptions) -> Result<Option<PathBuf>, Failure> {
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
fn open_filter(input: &InputOptions) -> Result<Option<Filter>, Failure> {
    let expression = input.filter.as_deref();
    expression
        .map(Filter::new)
        .transpose()
        .map_err(|error| Failure::Refused(messages::input(&error)))
}

/// Returns true for standard input, fifos and devices, from which packets arrive as they happen.
fn is_pipe(path: &Path) -> bool {
    path.as_os_str() == "-"
        || std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// A sink that counts the sessions for the progress line, those that are not selected included.
struct SessionCounter(Arc<AtomicU64>);

impl EventSink for SessionCounter {
    fn event(&mut self, event: &Event<'_>) {
        if matches!(event.kind, EventKind::SessionStart { .. }) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn wants_connections(&self) -> bool {
        false
    }
}

/// Returns true for warnings about an input that is not whole.
pub(super) const fn is_of_damage(code: WarningCode) -> bool {
    matches!(
        code,
        WarningCode::CaptureTruncated
            | WarningCode::CaptureCorrupt
            | WarningCode::PacketsDropped
            | WarningCode::LinkTypeUnsupported
            | WarningCode::EncapsulationUnread
    )
}

/// A sink that collects the facts for the exit code, and those that a warning at the end needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// The highest severity of a finding; `None` without findings.
    pub(super) worst: Option<Severity>,
    /// True if an input was cut short, had lost packets, has a link type that is not supported, or is a capture by its name alone.
    pub(super) not_whole: bool,
    /// Transfers that the server carried out, without a data connection in the capture.
    without_data: u64,
    /// Frame of the latest event.
    last: FrameRef,
}

impl Tally {
    fn finding(&mut self, finding: &Finding) {
        self.worst = self.worst.max(Some(finding.severity));
        self.not_whole |= finding.id == "capture-loss";
    }
}

impl EventSink for Tally {
    fn event(&mut self, event: &Event<'_>) {
        self.last = event.frame;
        match &event.kind {
            EventKind::Finding(finding) => self.finding(finding),
            EventKind::SessionEnd(session) => {
                for finding in &session.findings {
                    self.finding(finding);
                }
                let transfers = session.transfers.iter();
                let unseen = transfers.filter(|transfer| transfer.is_unseen());
                self.without_data += units::to_u64(unseen.count());
            }
            EventKind::Warning(warning) => {
                self.not_whole |= is_of_damage(warning.code);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(code: WarningCode) -> Tally {
        let mut tally = Tally::default();
        let warning = Warning::new(code, "", None);
        tally.event(&Event {
            frame: FrameRef::default(),
            session: None,
            late: false,
            kind: EventKind::Warning(&warning),
        });
        tally
    }

    #[test]
    fn missing_packets_make_an_input_not_whole() {
        assert!(after(WarningCode::CaptureTruncated).not_whole);
        assert!(after(WarningCode::PacketsDropped).not_whole);
        // A snap length is chosen: what it leaves out is told of each file, and the input is all that was recorded.
        assert!(!after(WarningCode::PacketsCut).not_whole);
        assert!(after(WarningCode::LinkTypeUnsupported).not_whole);
        assert!(after(WarningCode::EncapsulationUnread).not_whole);
        assert!(!after(WarningCode::TimeJump).not_whole);
        assert!(!after(WarningCode::LimitReached).not_whole);
    }

    #[test]
    fn the_highest_severity_is_kept() {
        let mut tally = Tally::default();
        for severity in [Severity::Low, Severity::High, Severity::Info] {
            let finding = Finding {
                id: String::new(),
                severity,
                title: String::new(),
                explanation: String::new(),
                advice: String::new(),
                frames: vec![],
                places: vec![],
                step: None,
                transfer: None,
                sessions: vec![],
            };
            tally.event(&Event {
                frame: FrameRef::default(),
                session: None,
                late: false,
                kind: EventKind::Finding(&finding),
            });
        }
        assert_eq!(tally.worst, Some(Severity::High));
    }
}
