//! The engine of continuous monitoring: a network or a pipe becomes events, files, packets, metrics and alerts, for weeks.
//!
//! In: [`Settings`]. Out: outputs that are maintained while packets arrive, [`Notice`]s about the run itself, and an
//! [`Outcome`]. No argument parser and no terminal is involved: `ftpscope live` is one caller.
//!
//! ```text
//! interfaces | pipe ─> WatchedSource ─> pipeline ─> EventWriter ─> LineOutput (text or NDJSON)
//!                      (limits, signals,  │             └ Alerts ─> queue ─> exec helper ─> program
//!                       maintenance)      ├─> ContinuousExtractor ─> files and their manifests
//!                                         └─> PacketRecorder (module keep) ─> pcapng
//!                      Counters ─> summary, Metrics (HTTP)
//! ```
//!
//! [`Monitor::start`] follows the order of least privilege, which must stay:
//!
//! 1. open sources, outputs and sockets;
//! 2. hand what was created to the account that the run continues as;
//! 3. start the exec helper, which needs a file system to run programs from;
//! 4. drop privileges and restrict the file system (`privileges`);
//! 5. only then start threads and read the first byte of network data.
//!
//! Signals end a run, request a summary, or reopen files.

mod alerts;
mod counters;
mod error;
mod event_writer;
mod extraction;
mod privileges;
mod source;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{fs, io};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::flag;
use signal_hook::low_level::pipe;

use self::alerts::Alerts;
use self::counters::{Counters, Metrics};
use self::event_writer::{EventWriter, LineOutput};
use self::extraction::{ContinuousExtractor, SharedExtractor};
use self::privileges::OutputFolders;
use self::source::{Maintain, OpenSource, WatchedSource};
use crate::capture::{Packet, Waker};
use crate::check::{Expression, SelectedEvents, Selection};
use crate::keep::{PacketRecorder, PacketSink, RecordingError, Relation, RotationLimits};
use crate::model::{Event, EventSink, FlowKey, Limits, Warning, WarningCode, system_message};
use crate::pipeline::Options;
use crate::report::units;
use crate::{capture, extract, pipeline};

pub use self::alerts::ExecHelper;
pub use self::error::{Error, Notice, Notify};
pub use self::event_writer::EventFormat;
pub use self::extraction::open_extractor;
pub use self::source::SourceSettings;

/// Everything that a run is asked for. Nothing is opened before [`Monitor::start`].
pub struct Settings {
    /// Interfaces, a pipe or a file.
    pub source: SourceSettings,
    /// Options of the pipeline; [`Settings::new`] sets what suits a long run.
    pub options: Options,
    /// Sessions to report.
    pub selection: Selection,
    /// Format of the events.
    pub format: EventFormat,
    /// File for events, appended to; `None` for standard output.
    pub output: Option<PathBuf>,
    /// Rotation of the event file and the packet file.
    pub rotation: RotationLimits,
    /// Folder for transferred files; `None` to save none.
    pub extract: Option<PathBuf>,
    /// pcapng file for the packets of FTP sessions, appended to; `None` to keep none.
    pub write: Option<PathBuf>,
    /// Address at which Prometheus metrics are served; `None` for no server.
    pub metrics: Option<SocketAddr>,
    /// Expressions in [`Scope::Event`](crate::check::Scope::Event); an event for which one is true is an alert.
    pub alerts: Vec<Expression>,
    /// Program started for each alert; `None` if alerts are only marked. Needs [`ExecHelper`] in the caller's `main`.
    pub alert_program: Option<PathBuf>,
    /// Account to continue as when started as root: a name, a UID or `UID:GID`. `None` for the owner of the first output
    /// folder that existed before, or else `nobody`.
    pub user: Option<String>,
    /// Number of packets after which the run ends; `None` for no limit.
    pub packets: Option<u64>,
    /// Wall-clock time after which the run ends; `None` for no limit.
    pub duration: Option<Duration>,
}

impl Settings {
    /// Creates settings with no output but text on standard output in UTC.
    #[must_use]
    pub fn new(source: SourceSettings) -> Self {
        Self {
            source,
            options: Options {
                live: true,
                limits: Limits {
                    flows: FLOWS,
                    ..Limits::default()
                },
                ..Options::default()
            },
            selection: Selection::default(),
            format: EventFormat::default(),
            output: None,
            rotation: RotationLimits::default(),
            extract: None,
            write: None,
            metrics: None,
            alerts: Vec::new(),
            alert_program: None,
            user: None,
            packets: None,
            duration: None,
        }
    }
}

/// A run that is ready: everything is open, and the process can open nothing more.
pub struct Monitor {
    source: OpenSource,
    signals: Signals,
    counters: Arc<Counters>,
    writer: EventWriter,
    extractor: ContinuousExtractor,
    /// `None` if no packets are kept.
    recorder: Option<PacketRecorder>,
    selection: Selection,
    options: Options,
    packets: Option<u64>,
    duration: Option<Duration>,
    notify: Notify,
}

/// The result of a run that came to its end.
#[derive(Debug)]
pub struct Outcome {
    /// Inputs that could not be opened or read to their end.
    pub failures: Vec<capture::Error>,
    /// The reason why the folder of extracted files is incomplete; `None` if it is complete or none was asked for.
    pub extraction: Option<extract::Error>,
    /// Events that could not be written.
    pub events_lost: u64,
    /// Packets that passed the filter, if there is one.
    pub packets: u64,
    /// The counters of the run, as one line of text.
    pub summary: String,
}

impl Monitor {
    /// Opens everything, then drops every privilege that is not needed any more.
    ///
    /// Registers handlers for SIGINT, SIGTERM, SIGHUP and SIGUSR1. Must be called before the process has other threads: they
    /// would keep their privileges.
    pub fn start(settings: Settings, notify: Notify) -> Result<Self, Error> {
        let signals = Signals::watch().map_err(Error::System)?;
        let source = OpenSource::open(
            &settings.source,
            settings.options.limits.held_bytes,
            signals.wake().map_err(Error::System)?,
        )?;
        let metrics = settings.metrics.map(Metrics::bind).transpose()?;
        let mut folders = OutputFolders::default();
        let output = open_output(&settings, &mut folders, &notify)?;
        if let Some(path) = &settings.extract {
            folders.add_folder(path)?;
        }
        let counters = Counters::new();
        let recorder = open_recorder(&settings, &mut folders, &notify)?;

        let account = privileges::account(settings.user.as_deref(), &folders)?;
        if let Some(account) = account {
            folders.give_to(account)?;
        }
        let helper = settings
            .alert_program
            .as_deref()
            .map(|program| alerts::start(program, account))
            .transpose()?;
        let stays_root = account.is_some_and(privileges::Account::is_root);
        let owned_by_root = Some(&folders)
            .filter(|_| stays_root && settings.user.is_none())
            .and_then(OutputFolders::owned_by_root);
        // The table of users cannot be read any more once the file system is restricted.
        let user = account.filter(|account| !account.is_root());
        let user = user.map(privileges::Account::name);
        privileges::drop_privileges(account)
            .map_err(|cause| Error::Privileges { cause, user: true })?;
        let restricted =
            privileges::restrict_file_system(&folders, &settings.source.counter_folders())
                .map_err(|cause| Error::Privileges { cause, user: false })?;
        privileges::probe(&folders)?;
        // After the change of account, so that everything in the folder belongs to that account.
        let extractor =
            open_extractor(settings.extract.as_deref(), &notify).map_err(Error::Extract)?;
        if let Some(user) = user {
            notify(&Notice::GoesOnAs(&user));
        }
        if let Some(folder) = &owned_by_root {
            notify(&Notice::StaysRoot(folder));
        }
        if let Some(what) = privileges::remaining(restricted) {
            notify(&Notice::PrivilegesRemain(what));
        }

        // Threads inherit privileges when they start: none may start above this line.
        if let Some(metrics) = metrics {
            metrics
                .serve(Arc::clone(&counters))
                .map_err(Error::System)?;
        }
        let mut alerts = Alerts::new(settings.alerts, Rc::clone(&notify));
        if let (Some(program), Some(helper)) = (&settings.alert_program, helper) {
            alerts.connect(program, helper, &counters);
        }
        let writer = EventWriter::new(
            output,
            settings.format,
            alerts,
            Arc::clone(&counters),
            settings.source.is_several(),
            settings.source.filter().is_some(),
        );
        Ok(Self {
            source,
            signals,
            counters,
            writer,
            extractor: ContinuousExtractor::new(extractor, settings.extract.as_deref()),
            recorder,
            selection: settings.selection,
            options: settings.options,
            packets: settings.packets,
            duration: settings.duration,
            notify,
        })
    }

    /// Monitors until the source ends, a limit is reached or a signal asks for the end; then reports what is still open.
    #[must_use]
    pub fn run(mut self) -> Outcome {
        let writer = RefCell::new(self.writer);
        let extractor = RefCell::new(self.extractor);
        let keeps_packets = self.recorder.is_some();
        let recorder = RefCell::new(self.recorder);
        let mut to_writer = SharedSink(&writer);
        let is_everything = self.selection.is_everything();
        // The pipeline and the maintenance between packets use the same outputs, one after the other on one thread.
        let selected = RefCell::new(SelectedEvents::new(self.selection, &mut to_writer, true));
        let outputs = RefCell::new(Outputs {
            writer: &writer,
            extractor: &extractor,
            recorder: &recorder,
            counters: &self.counters,
            selected: (!is_everything).then_some(&selected),
        });
        let closed = writer.borrow().output.closed();
        let mut watched = WatchedSource {
            inner: &mut self.source,
            signals: &self.signals,
            counters: &self.counters,
            notify: &self.notify,
            closed,
            packets: self.packets,
            duration: self.duration,
            outputs: &outputs,
        };
        let (mut every_event, mut selected_event) = (SharedSink(&writer), SharedSink(&selected));
        let events: &mut dyn EventSink = if is_everything {
            &mut every_event
        } else {
            &mut selected_event
        };
        let mut files = SharedExtractor(&extractor);
        let mut keeper = SharedRecorder(&recorder);
        let keeper: Option<&mut dyn PacketSink> = keeps_packets.then_some(&mut keeper as _);
        let mut summary =
            pipeline::analyze_and_keep(&mut watched, &self.options, events, &mut files, keeper);
        if !is_everything {
            summary.totals = selected.borrow().totals(&summary.totals);
            let rejected = selected.borrow_mut().take_rejected();
            extractor.borrow_mut().withdraw(&rejected);
        }
        drop(selected);

        let mut writer = writer.into_inner();
        if let Some(mut recorder) = recorder.into_inner() {
            recorder.finish();
            for error in recorder.maintain() {
                (self.notify)(&Notice::Recording(&error));
            }
            if let Some(lost) = recorder.take_resumed() {
                (self.notify)(&Notice::OutputFailed(&packets_resumed(lost)));
            }
            self.counters
                .set_packets_written(recorder.packets_written());
        }
        writer.alerts.finish();
        writer.finish(&summary.captures, &summary.totals);
        let mut extractor = extractor.into_inner();
        for warning in extractor.last_warnings() {
            (self.notify)(&Notice::OutputFailed(&warning.message));
        }
        let extraction = extractor.finish().err();
        Outcome {
            extraction,
            failures: summary.failures,
            events_lost: writer.output.lost(),
            packets: summary.totals.packets - summary.totals.accounting.filtered,
            summary: self.counters.summary(),
        }
    }
}

fn open_output(
    settings: &Settings,
    folders: &mut OutputFolders,
    notify: &Notify,
) -> Result<LineOutput, Error> {
    let path = settings.output.as_deref();
    // A device or a fifo has no folder that would have to stay writable.
    if let Some(path) = path
        && fs::metadata(path).map_or(true, |found| found.is_file())
    {
        folders.add_file(path)?;
    }
    let output = LineOutput::open(path, settings.rotation, Rc::clone(notify))?;
    if let Some((path, moved)) = path.zip(output.cut_off()) {
        begin_behind_cut(path, moved, folders, notify)?;
    }
    Ok(output)
}

/// Tells that `path` is a new file, since the earlier one, now `moved`, was cut off, and has it given to the account that the run
/// goes on as.
fn begin_behind_cut(
    path: &Path,
    moved: &Path,
    folders: &mut OutputFolders,
    notify: &Notify,
) -> Result<(), Error> {
    notify(&Notice::CutOff { path, moved });
    folders.add_begun(path)
}

fn open_recorder(
    settings: &Settings,
    folders: &mut OutputFolders,
    notify: &Notify,
) -> Result<Option<PacketRecorder>, Error> {
    let Some(path) = &settings.write else {
        return Ok(None);
    };
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(Error::PacketsNotAFile(path.clone()));
    }
    folders.add_file(path)?;
    let names = settings.source.names().to_vec();
    let recorder = PacketRecorder::open(path, settings.rotation, names)
        .map_err(|cause| Error::output(path, cause))?;
    if let Some(moved) = recorder.cut_off() {
        begin_behind_cut(path, moved, folders, notify)?;
    }
    notify(&Notice::PacketsHoldSecrets(path));
    if !settings.selection.is_everything() {
        notify(&Notice::PacketsOfAllSessions(path));
    }
    Ok(Some(recorder))
}

/// A sink that is also used between packets, by [`Outputs`].
struct SharedSink<'a, S>(&'a RefCell<S>);

impl<S: EventSink> EventSink for SharedSink<'_, S> {
    fn event(&mut self, event: &Event<'_>) {
        self.0.borrow_mut().event(event);
    }
}

/// A [`PacketRecorder`] that is also used between packets, by [`Outputs`].
struct SharedRecorder<'a>(&'a RefCell<Option<PacketRecorder>>);

impl PacketSink for SharedRecorder<'_> {
    fn packet(&mut self, packet: &Packet<'_>, relation: Relation) {
        if let Some(recorder) = &mut *self.0.borrow_mut() {
            recorder.packet(packet, relation);
        }
    }

    fn session(&mut self, connection: FlowKey, lookup_frames: &[u64]) {
        if let Some(recorder) = &mut *self.0.borrow_mut() {
            recorder.session(connection, lookup_frames);
        }
    }
}

/// All outputs, as maintained between two packets.
struct Outputs<'a, 's> {
    writer: &'a RefCell<EventWriter>,
    extractor: &'a RefCell<ContinuousExtractor>,
    recorder: &'a RefCell<Option<PacketRecorder>>,
    counters: &'a Counters,
    /// `None` if every session is selected.
    selected: Option<&'a RefCell<SelectedEvents<'s>>>,
}

impl Maintain for Outputs<'_, '_> {
    fn maintain(&mut self) -> Vec<Warning> {
        self.writer.borrow_mut().maintain();
        if let Some(selected) = self.selected {
            let rejected = selected.borrow_mut().take_rejected();
            if !rejected.is_empty() {
                self.extractor.borrow_mut().withdraw(&rejected);
            }
        }
        let mut warnings = self.extractor.borrow_mut().maintain();
        if let Some(recorder) = &mut *self.recorder.borrow_mut() {
            let errors = recorder.maintain();
            warnings.extend(errors.iter().map(|error| {
                Warning::new(WarningCode::OutputFailed, recording_message(error), None)
            }));
            warnings.extend(
                recorder.take_resumed().map(|lost| {
                    Warning::new(WarningCode::OutputFailed, packets_resumed(lost), None)
                }),
            );
            self.counters
                .set_packets_written(recorder.packets_written());
        }
        warnings
    }

    fn warns_into_file(&self) -> bool {
        self.writer.borrow().output.is_file()
    }

    fn reopen(&mut self) {
        self.writer.borrow_mut().output.reopen();
        self.extractor.borrow_mut().resume();
        if let Some(recorder) = &mut *self.recorder.borrow_mut() {
            recorder.reopen();
        }
    }
}

/// Returns the text of a failure of the packet output, as a warning and as a notice.
fn recording_message(error: &RecordingError) -> String {
    match error {
        RecordingError::Write(cause) => format!(
            "packets cannot be written: {}; no more are kept, everything else goes on; make room and send SIGHUP",
            system_message(cause)
        ),
        RecordingError::Rotate(cause) => format!(
            "the old packets cannot be put aside: {}; the file is written on",
            system_message(cause)
        ),
    }
}

/// Returns the text for the moment at which packets are written again.
fn packets_resumed(lost: u64) -> String {
    let lost = units::counted(lost, "packet was", "packets were");
    format!("packets are written again; {lost} not written")
}

/// A request to stop, by SIGINT or SIGTERM.
#[derive(Clone, Debug, Default)]
pub struct Interruption {
    requested: Arc<AtomicBool>,
}

impl Interruption {
    /// Exit code after a second signal: 128 and the number of SIGINT, as shells report it.
    pub const EXIT_CODE: u8 = 130;

    /// Registers handlers: the first SIGINT or SIGTERM is a request, the second ends the process at once.
    ///
    /// A request leaves time to finish files. It also lets a pipe be read to its end: Ctrl-C at `tcpdump | ftpscope` reaches
    /// both processes while the last packets are still on their way.
    pub fn watch() -> io::Result<Self> {
        let interruption = Self::default();
        let code = Self::EXIT_CODE.into();
        // Handlers run in the order of registration: the first signal must find the flag unset before it sets the flag.
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_shutdown(signal, code, Arc::clone(&interruption.requested))?;
            flag::register(signal, Arc::clone(&interruption.requested))?;
        }
        Ok(interruption)
    }

    /// Returns the flag that the first signal sets.
    #[must_use]
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.requested)
    }

    /// Returns true after the first signal.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }
}

/// Requests by signal during a monitoring run.
#[derive(Debug)]
struct Signals {
    /// SIGINT and SIGTERM.
    interruption: Interruption,
    /// SIGUSR1.
    summary: Arc<AtomicBool>,
    /// SIGHUP.
    reopen: Arc<AtomicBool>,
    /// Becomes readable with each signal.
    readable: UnixStream,
}

impl Signals {
    /// Registers all handlers.
    fn watch() -> io::Result<Self> {
        let interruption = Interruption::watch()?;
        let (summary, reopen) = (Arc::default(), Arc::default());
        flag::register(SIGUSR1, Arc::clone(&summary))?;
        flag::register(SIGHUP, Arc::clone(&reopen))?;
        let (readable, writable) = UnixStream::pair()?;
        readable.set_nonblocking(true)?;
        // After the flags: a thread that the pipe wakes must find its flag set.
        for signal in [SIGINT, SIGTERM, SIGUSR1, SIGHUP] {
            pipe::register(signal, writable.try_clone()?)?;
        }
        Ok(Self {
            interruption,
            summary,
            reopen,
            readable,
        })
    }

    /// Returns a handle that wakes a waiting source.
    fn wake(&self) -> io::Result<Waker> {
        let readable = self.readable.try_clone()?;
        Ok(Waker::new(readable, self.interruption.flag()))
    }

    /// Returns true once the run has to end.
    fn is_stopping(&self) -> bool {
        self.interruption.is_requested()
    }

    /// Returns true once after each request for a summary.
    fn take_summary(&self) -> bool {
        self.summary.swap(false, Ordering::Relaxed)
    }

    /// Returns true once after each request to reopen files.
    fn take_reopen(&self) -> bool {
        self.reopen.swap(false, Ordering::Relaxed)
    }
}

/// Connections followed at once: half a gigabyte if every one of them is a session.
const FLOWS: usize = 50_000;

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::path::Path;

    use super::*;
    use crate::capture::{Input, PacketSource as _};

    // `Monitor::start` is tested in processes of its own: it would drop the privileges of all tests.
    #[test]
    fn a_regular_file_is_a_source_too() {
        let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures/classic.pcap");
        let settings = Settings::new(SourceSettings::read(capture));
        let (readable, _writable) = std::os::unix::net::UnixStream::pair().expect("a pair");
        let wake = capture::Waker::new(readable, Arc::default());
        let mut source = OpenSource::open(&settings.source, 1 << 20, wake).expect("a capture");
        let mut packets = 0;
        source.for_each(&mut |input| {
            packets += u64::from(matches!(input, Input::Packet(_)));
            ControlFlow::Continue(())
        });
        assert_eq!(packets, 67);
    }
}
