//! The start of a run, in the order that least privilege asks for.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::alerts::Alerts;
use super::args::{LiveArguments, LiveFormat};
use super::desk::{Desk, LineStyle};
use super::exec_helper;
use super::extraction::Extraction;
use super::line_output::LineOutput;
use super::metrics::Metrics;
use super::numbers::Numbers;
use super::privileges::{self, Made, OutputFolder};
use super::signals::Signals;
use crate::capture::{CaptureSet, PipeSource, ReadOptions};
use crate::check::Selection;
use crate::cli::args_input::window_limit;
use crate::cli::error_text::{self, Failure};
use crate::cli::extraction_folder;
use crate::keep::PacketRecorder;
use crate::model::Limits;
use crate::model::record::Drops;
use crate::pipeline::Options;
use crate::report::LiveLines;

/// A run that is ready: everything is open, and nothing more than that can be done.
pub(super) struct Started {
    pub(super) source: Source,
    /// The source ends by itself when a signal says so.
    pub(super) ends_itself: bool,
    #[cfg(feature = "live")]
    pub(super) filter: Option<crate::capture::Filter>,
    pub(super) drops: CountDrops,
    pub(super) signals: Signals,
    pub(super) numbers: Arc<Numbers>,
    pub(super) desk: Desk,
    pub(super) extraction: Extraction,
    pub(super) recorder: Option<PacketRecorder>,
    pub(super) selection: Selection,
    pub(super) options: Options,
}

/// Where packets come from.
pub(super) enum Source {
    Pipe(Box<PipeSource>),
    Files(Box<CaptureSet>),
    #[cfg(feature = "live")]
    Interfaces(Box<crate::capture::LiveSource>),
}

/// Lost packets, as far as the source knows.
type CountDrops = Box<dyn Fn() -> Drops>;

impl Started {
    /// Opens everything, then gives up what is not needed any more.
    pub(super) fn new(arguments: &LiveArguments) -> Result<Self, Failure> {
        let selection = arguments.selection.selection()?;
        let mut alerts = Alerts::compile(&arguments.alert)?;
        let signals = Signals::watch().map_err(|cause| refused(&cause))?;

        let (source, ends_itself, drops) = open_source(arguments, &signals)?;
        #[cfg(feature = "live")]
        let filter = match (&arguments.read, &arguments.filter) {
            (Some(_), Some(filter)) => Some(
                crate::capture::Filter::new(filter)
                    .map_err(|error| Failure::Refused(error_text::input(&error)))?,
            ),
            _ => None,
        };
        let metrics = arguments.metrics.map(Metrics::bind).transpose()?;
        let mut folders = Folders::default();
        let output = open_output(arguments, &mut folders)?;
        if let Some(path) = &arguments.extract {
            folders.folder(path)?;
        }
        let numbers = Numbers::new();
        let recorder = open_recorder(arguments, &mut folders)?;

        let account = privileges::account(arguments.user.as_deref(), &folders.all)?;
        if let Some(account) = account {
            for made in &folders.made {
                made.give(account)?;
            }
        }
        let helper = arguments
            .exec
            .as_deref()
            .map(|program| exec_helper::start(program, account))
            .transpose()?;
        privileges::become_harmless(account).map_err(|cause| {
            Failure::Refused(format!("{cause}; choose another user with --user"))
        })?;
        let closed = privileges::close_file_system(&folders.all, &counters(arguments))
            .map_err(Failure::Refused)?;
        privileges::probe(&folders.all)?;
        // Everything in this folder is made by the account that it belongs to.
        let extractor = extraction_folder::open(
            arguments.extract.as_deref(),
            arguments.presentation.quiet,
            |error| Failure::Refused(error.to_string()),
        )?;
        if let Some(note) = privileges::what_stays(closed)
            && !arguments.presentation.quiet
        {
            error_text::note(note);
        }

        // From here on threads may start.
        if let Some(metrics) = metrics {
            metrics
                .serve(Arc::clone(&numbers))
                .map_err(|cause| refused(&cause))?;
        }
        if let Some(helper) = helper {
            alerts.connect(helper, &numbers);
        }
        let mut options = Options {
            show_passwords: arguments.selection.show_passwords,
            live: true,
            limits: Limits {
                held_bytes: arguments.max_memory,
                flows: FLOWS,
                ..Limits::default()
            },
            ..Options::default()
        };
        arguments.digests.apply(&mut options);
        let several = several_captures(arguments);
        let desk = Desk::new(
            output,
            style(arguments),
            alerts,
            Arc::clone(&numbers),
            several,
        );
        Ok(Self {
            source,
            ends_itself,
            #[cfg(feature = "live")]
            filter,
            drops,
            signals,
            numbers,
            desk,
            extraction: Extraction::new(
                extractor,
                arguments.extract.as_deref().unwrap_or(Path::new("")),
            ),
            recorder,
            selection,
            options,
        })
    }
}

/// Folders that are written to, and what we have made of them.
#[derive(Default)]
struct Folders {
    all: Vec<OutputFolder>,
    made: Vec<Made>,
}

impl Folders {
    /// The folder that a file is in; a file that is not there yet is one that we make.
    fn file(&mut self, path: &Path) -> Result<(), Failure> {
        self.folder(path.parent().unwrap_or(Path::new(".")))?;
        if fs::symlink_metadata(path).is_err() {
            self.made.push(Made::file(path)?);
        }
        Ok(())
    }

    fn folder(&mut self, path: &Path) -> Result<(), Failure> {
        let folder = OutputFolder::prepare(path, &mut self.made)?;
        if !self.all.iter().any(|known| known.path == folder.path) {
            self.all.push(folder);
        }
        Ok(())
    }
}

fn open_source(
    arguments: &LiveArguments,
    signals: &Signals,
) -> Result<(Source, bool, CountDrops), Failure> {
    let wake = signals.wake().map_err(|cause| refused(&cause))?;
    let none: CountDrops = Box::new(Drops::default);
    let window_limit = window_limit(arguments.max_memory);
    if let Some(path) = &arguments.read {
        let unreadable = |cause: io::Error| {
            let path = path.clone();
            let cause = error_text::system_words(&cause);
            Failure::Missing(format!("cannot read {}: {cause}", path.display()))
        };
        let file = if path.as_os_str() == "-" {
            PipeSource::standard_input().map_err(unreadable)?
        } else {
            open_input(path).map_err(unreadable)?
        };
        let metadata = file.metadata().map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(Failure::Refused(format!(
                "cannot watch {}: it is a folder; give one file, or - for standard input",
                path.display()
            )));
        }
        if metadata.is_file() {
            let options = ReadOptions {
                window_limit,
                ..ReadOptions::default()
            };
            let set = CaptureSet::from_readers(vec![(path.clone(), Box::new(file))], options);
            return Ok((Source::Files(Box::new(set)), false, none));
        }
        let source = PipeSource::new(path.clone(), file, window_limit, wake);
        return Ok((Source::Pipe(Box::new(source)), true, none));
    }
    open_interfaces(arguments, wake)
}

/// Opens a file or a fifo, whose writer may be long in coming: that is waited for like for packets.
fn open_input(path: &Path) -> io::Result<fs::File> {
    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
    use std::os::unix::fs::OpenOptionsExt as _;
    let file = fs::File::options()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    let flags = fcntl_getfl(&file)?;
    fcntl_setfl(&file, flags - OFlags::NONBLOCK)?;
    Ok(file)
}

#[cfg(feature = "live")]
fn open_interfaces(
    arguments: &LiveArguments,
    wake: crate::capture::Waker,
) -> Result<(Source, bool, CountDrops), Failure> {
    use super::args::WayChoice;
    use crate::capture::{CaptureDirection, Error, LiveOptions, LiveSource};
    let options = LiveOptions {
        buffer: u32::try_from(arguments.buffer).unwrap_or(u32::MAX),
        snap_length: arguments.snap_length,
        promiscuous: !arguments.no_promiscuous,
        filter: arguments.filter.clone(),
        direction: match arguments.direction {
            WayChoice::In => CaptureDirection::In,
            WayChoice::Out => CaptureDirection::Out,
            WayChoice::Both => CaptureDirection::Both,
        },
    };
    let source = LiveSource::open(&arguments.interface, &options, wake).map_err(|error| {
        let text = error_text::input(&error);
        match error {
            Error::Interface { .. } => Failure::Missing(text),
            _ => Failure::Refused(text),
        }
    })?;
    let drops = source.drops();
    let count: CountDrops = Box::new(move || drops.get());
    Ok((Source::Interfaces(Box::new(source)), true, count))
}

#[cfg(not(feature = "live"))]
fn open_interfaces(
    _: &LiveArguments,
    _: crate::capture::Waker,
) -> Result<(Source, bool, CountDrops), Failure> {
    Err(Failure::Refused(
        "this build cannot capture; give a pipe with -r".to_owned(),
    ))
}

fn open_output(arguments: &LiveArguments, folders: &mut Folders) -> Result<LineOutput, Failure> {
    let path = arguments.output.as_deref();
    if let Some(path) = path
        && std::fs::metadata(path).map_or(true, |found| found.is_file())
    {
        folders.file(path)?;
    }
    LineOutput::open(path, arguments.rotation_limits())
}

fn open_recorder(
    arguments: &LiveArguments,
    folders: &mut Folders,
) -> Result<Option<PacketRecorder>, Failure> {
    let Some(path) = &arguments.write else {
        return Ok(None);
    };
    if std::fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(Failure::Refused(format!(
            "cannot keep packets in {}: it is no file; name a file",
            path.display()
        )));
    }
    folders.file(path)?;
    let recorder = PacketRecorder::open(path, arguments.rotation_limits(), input_names(arguments))
        .map_err(|cause| Failure::output(path, &cause))?;
    if !arguments.presentation.quiet {
        error_text::note(&format!(
            "--write copies packets as they are: {} may hold secrets",
            path.display()
        ));
    }
    Ok(Some(recorder))
}

#[cfg(feature = "live")]
fn input_names(arguments: &LiveArguments) -> Vec<String> {
    arguments.interface.clone()
}

#[cfg(not(feature = "live"))]
fn input_names(_: &LiveArguments) -> Vec<String> {
    Vec::new()
}

fn style(arguments: &LiveArguments) -> LineStyle {
    match arguments.format {
        LiveFormat::Text => {
            let layout = arguments.presentation.layout(arguments.output.as_deref());
            LineStyle::Text(LiveLines::new(layout.color, layout.zone))
        }
        LiveFormat::Ndjson => LineStyle::Ndjson(arguments.events.into()),
    }
}

/// Where the system counts what interfaces lose.
#[cfg(feature = "live")]
fn counters(arguments: &LiveArguments) -> Vec<PathBuf> {
    let folder = |name: &String| Path::new("/sys/class/net").join(name).join("statistics");
    arguments.interface.iter().map(folder).collect()
}

#[cfg(not(feature = "live"))]
fn counters(_: &LiveArguments) -> Vec<PathBuf> {
    Vec::new()
}

#[cfg(feature = "live")]
fn several_captures(arguments: &LiveArguments) -> bool {
    arguments.interface.len() > 1
}

#[cfg(not(feature = "live"))]
fn several_captures(_: &LiveArguments) -> bool {
    false
}

fn refused(cause: &io::Error) -> Failure {
    Failure::Refused(cause.to_string())
}

/// Connections followed at once: half a gigabyte, should each of them be a session.
const FLOWS: usize = 50_000;
