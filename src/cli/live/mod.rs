//! `ftpscope live`: what happens on a network, as it happens, for weeks.
//!
//! ```text
//! interfaces | pipe -> Watch (limits, signals, numbers) -> pipeline -> Desk: alerts, text or NDJSON -> LineOutput
//!                        |                                    |         └> queue -> exec_helper -> a program
//!                        |                                    └> Extraction -> files and their lists
//!                        |                                    └> Recorder -> pcapng with the packets of sessions
//!                        └> looks after LineOutput, Extraction        Numbers -> summary, metrics
//! ```
//!
//! The start has an order that must stay: everything is opened; what was made is given to the account to go on as; the helper
//! is started; [`privileges`] are given up; only then threads are started and the first byte of a stranger is looked at.

mod alerts;
mod args;
mod desk;
mod exec_helper;
mod extraction;
mod line_output;
mod metrics;
mod numbers;
mod privileges;
mod signals;
mod start;
mod watch;

use std::cell::RefCell;
use std::sync::Arc;

use self::desk::Desk;
use self::extraction::{Extraction, ToExtraction};
use self::numbers::Numbers;
use self::start::{Source, Started};
use self::watch::{LookAfter, Watch};
use super::error_text::{self, Failure};
use super::exit_code::Exit;
use crate::capture::{Packet, PacketSource};
use crate::check::SelectedEvents;
use crate::keep::{PacketRecorder, PacketSink, RecordingError, Relation};
use crate::model::{Event, EventSink, FlowKey, Warning, WarningCode};
use crate::pipeline;

pub(in crate::cli) use self::args::LiveArguments;
pub(in crate::cli) use self::exec_helper::{HelperArguments, run as run_helper};

/// Watches until it is told to end, and reports.
pub(super) fn run(arguments: &LiveArguments) -> Result<Exit, Failure> {
    let mut started = Started::new(arguments)?;
    let source: &mut dyn PacketSource = match &mut started.source {
        Source::Pipe(source) => &mut **source,
        Source::Files(source) => &mut **source,
        #[cfg(feature = "live")]
        Source::Interfaces(source) => &mut **source,
    };
    let ends = !started.ends_itself;
    #[cfg(feature = "live")]
    let mut filtered;
    #[cfg(feature = "live")]
    let source: &mut dyn PacketSource = match started.filter.take() {
        Some(filter) => {
            filtered = super::filtered_source::FilteredSource::new(source, filter);
            &mut filtered
        }
        None => source,
    };
    let desk = RefCell::new(started.desk);
    let extraction = RefCell::new(started.extraction);
    let records = started.recorder.is_some();
    let recorder = RefCell::new(started.recorder);
    let outcome = {
        let mut to_desk = ToDesk(&desk);
        let everything = started.selection.is_everything();
        let selected = RefCell::new(SelectedEvents::new(started.selection, &mut to_desk, true));
        let outputs = RefCell::new(Outputs {
            desk: &desk,
            extraction: &extraction,
            recorder: &recorder,
            numbers: &started.numbers,
            selected: (!everything).then_some(&selected),
        });
        let closed = desk.borrow().output.closed();
        let mut watch = Watch {
            inner: source,
            signals: &started.signals,
            numbers: Arc::clone(&started.numbers),
            closed,
            count: arguments.count,
            duration: arguments.duration,
            drops: &*started.drops,
            outputs: &outputs,
            ends,
            failures: 0,
        };
        let mut events: Box<dyn EventSink> = if everything {
            Box::new(ToDesk(&desk))
        } else {
            Box::new(ToSelected(&selected))
        };
        let mut files = ToExtraction(&extraction);
        let mut keeper = ToRecorder(&recorder);
        let keeper: Option<&mut dyn PacketSink> = if records { Some(&mut keeper) } else { None };
        let mut summary = pipeline::analyze_and_keep(
            &mut watch,
            &started.options,
            &mut *events,
            &mut files,
            keeper,
        );
        drop(events);
        if !everything {
            summary.totals = selected.borrow().totals(&summary.totals);
            let rejected = selected.borrow_mut().take_rejected();
            extraction.borrow_mut().withdraw(&rejected);
        }
        (summary, watch.failures)
    };
    let (summary, failures) = outcome;
    let mut desk = desk.into_inner();
    if let Some(mut recorder) = recorder.into_inner() {
        recorder.finish();
        for error in recorder.maintain() {
            error_text::print(&recording_message(&error));
        }
        started
            .numbers
            .set_packets_written(recorder.packets_written());
    }
    desk.alerts.finish();
    desk.finish(&summary.captures, &summary.totals);
    let saved = extraction.into_inner().finish();
    if !arguments.presentation.quiet && arguments.output.is_some() {
        error_text::note(&started.numbers.summary());
    }
    if let Err(error) = saved {
        return Err(Failure::Refused(error.to_string()));
    }
    let mut reasons = Vec::new();
    if desk.output.lost() > 0 {
        reasons.push(Exit::Misuse);
    }
    if failures > 0 {
        reasons.push(Exit::Unreadable);
    }
    Ok(Exit::first_of(&reasons))
}

/// Returns the message about a failure of the packet output.
fn recording_message(error: &RecordingError) -> String {
    match error {
        RecordingError::Write(cause) => format!(
            "packets cannot be written: {}; no more are kept, everything else goes on; make room and send SIGHUP",
            error_text::system_words(cause)
        ),
        RecordingError::Rotate(cause) => format!(
            "the old packets cannot be put aside: {}; the file is written on",
            error_text::system_words(cause)
        ),
    }
}

/// Events on their way to a [`Desk`] that others look after too.
struct ToDesk<'a>(&'a RefCell<Desk>);

impl EventSink for ToDesk<'_> {
    fn event(&mut self, event: &Event<'_>) {
        self.0.borrow_mut().event(event);
    }
}

/// Events on their way to a choice of sessions.
struct ToSelected<'a, 's>(&'a RefCell<SelectedEvents<'s>>);

impl EventSink for ToSelected<'_, '_> {
    fn event(&mut self, event: &Event<'_>) {
        self.0.borrow_mut().event(event);
    }
}

/// Packets on their way to a [`PacketRecorder`] that others look after too.
struct ToRecorder<'a>(&'a RefCell<Option<PacketRecorder>>);

impl PacketSink for ToRecorder<'_> {
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

/// Everything that is written to, between two packets.
struct Outputs<'a, 's> {
    desk: &'a RefCell<Desk>,
    extraction: &'a RefCell<Extraction>,
    recorder: &'a RefCell<Option<PacketRecorder>>,
    numbers: &'a Numbers,
    selected: Option<&'a RefCell<SelectedEvents<'s>>>,
}

impl LookAfter for Outputs<'_, '_> {
    fn look_after(&mut self) -> Vec<Warning> {
        self.desk.borrow_mut().look_after();
        if let Some(selected) = self.selected {
            let rejected = selected.borrow_mut().take_rejected();
            if !rejected.is_empty() {
                self.extraction.borrow_mut().withdraw(&rejected);
            }
        }
        let mut warnings = self.extraction.borrow_mut().look_after();
        if let Some(recorder) = &mut *self.recorder.borrow_mut() {
            let errors = recorder.maintain();
            let messages = errors.iter().map(recording_message);
            warnings.extend(
                messages.map(|message| Warning::new(WarningCode::OutputFailed, message, None)),
            );
            self.numbers.set_packets_written(recorder.packets_written());
        }
        warnings
    }

    fn reopen(&mut self) {
        self.desk.borrow_mut().output.reopen();
        self.extraction.borrow_mut().reopen();
        if let Some(recorder) = &mut *self.recorder.borrow_mut() {
            recorder.reopen();
        }
    }
}
