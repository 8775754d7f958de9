//! The end of the event stream: events are counted, compared with the alert expressions, and written line by line.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;

use super::alerts::Alerts;
use super::counters::{Counters, CountingSink};
use super::error::{Error, Notice, Notify};
use crate::keep::{RecordEnd, RotatingFile, RotationLimits};
use crate::model::record::{Capture, Totals};
use crate::model::{Event, EventKind, EventSink, Warning};
use crate::report::export::ExportLines;
use crate::report::{EventChoice, LiveLines, SessionParties, event_text, totals_text};

/// Counts events and writes them.
pub(super) struct EventWriter {
    pub(super) output: LineOutput,
    format: EventFormat,
    pub(super) alerts: Alerts,
    counting: CountingSink,
    /// True if frames are identified by capture as well.
    several_captures: bool,
    parties: SessionParties,
    /// With a filter, until it is known whether it lets data connections through.
    data_is_awaited: bool,
}

/// The format of events.
pub enum EventFormat {
    /// One line of text per event.
    Text(LiveLines),
    /// One JSON object per event.
    Ndjson(EventChoice),
    /// Lines of an export, which come when a session ends.
    Export(ExportLines),
}

impl Default for EventFormat {
    /// Returns text without colours, with times in UTC.
    fn default() -> Self {
        Self::Text(LiveLines::new(false, TimeZone::UTC))
    }
}

impl EventWriter {
    pub(super) fn new(
        output: LineOutput,
        format: EventFormat,
        alerts: Alerts,
        counters: Arc<Counters>,
        several_captures: bool,
        is_filtered: bool,
    ) -> Self {
        Self {
            output,
            format,
            alerts,
            counting: CountingSink(counters),
            several_captures,
            parties: SessionParties::default(),
            data_is_awaited: is_filtered,
        }
    }

    /// Writes the totals as the last line.
    pub(super) fn finish(&mut self, captures: &[Capture], totals: &Totals) {
        match &mut self.format {
            EventFormat::Text(lines) => {
                // Of an input that could not be read the error message is all there is to say.
                if captures.is_empty() && totals.packets == 0 {
                    return;
                }
                let dropped = self.counting.0.packets_dropped();
                self.output.line(lines.totals(totals, dropped).as_bytes());
            }
            EventFormat::Ndjson(_) => {
                // Serializing plain data into memory does not fail.
                if let Ok(text) = totals_text(captures, totals) {
                    self.output.line(&text);
                }
            }
            EventFormat::Export(lines) => {
                let (text, warnings) = lines.finish(captures, totals);
                for line in text.split_inclusive(|&byte| byte == b'\n') {
                    self.output.line(line);
                }
                for warning in &warnings {
                    self.output.notify(&Notice::Warning(warning));
                }
            }
        }
        self.counting.0.set_events_lost(self.output.lost());
    }

    /// Warns once behind the first transfer, if its data connection did not pass the filter.
    fn warn_of_filter(&mut self, event: &Event<'_>) {
        let EventKind::Transfer(transfer) = &event.kind else {
            return;
        };
        let is_decided = transfer.connection.is_some() || transfer.is_unseen();
        if !self.data_is_awaited || !is_decided {
            return;
        }
        self.data_is_awaited = false;
        if transfer.is_unseen() {
            let warning = Warning::data_filtered(1);
            self.event(&Event {
                session: None,
                kind: EventKind::Warning(&warning),
                ..*event
            });
        }
    }

    /// Rotates the output if due, and notices a dead alert helper.
    pub(super) fn maintain(&mut self) {
        self.output.maintain();
        self.alerts.maintain();
        self.counting.0.set_events_lost(self.output.lost());
    }

    /// Returns whether an alert expression is true for the event; such an event is queued for the program.
    fn check_alerts(&mut self, event: &Event<'_>) -> bool {
        if !self.alerts.are_wanted() || self.parties.told_before(event) {
            return false;
        }
        // Expressions are evaluated on the NDJSON form, so that users can write them from what they see there.
        let Ok(text) = event_text(
            event,
            EventChoice::All,
            self.several_captures,
            false,
            &self.parties,
        ) else {
            return false;
        };
        let Ok(value) = serde_json::from_slice::<serde_json::Value>(&text) else {
            return false;
        };
        if !self.alerts.matches(&value) {
            return false;
        }
        self.counting.0.add_alert();
        if self.alerts.has_program()
            && let Ok(text) = event_text(
                event,
                EventChoice::All,
                self.several_captures,
                true,
                &self.parties,
            )
        {
            self.alerts.enqueue(text);
        }
        true
    }
}

impl EventSink for EventWriter {
    fn event(&mut self, event: &Event<'_>) {
        self.counting.event(event);
        if self.parties.repeats(event) {
            return;
        }
        self.parties.note(event);
        let is_alert = self.check_alerts(event);
        match &mut self.format {
            EventFormat::Text(lines) => {
                if let Some(line) = lines.line(event, is_alert) {
                    self.output.line(line.as_bytes());
                }
            }
            EventFormat::Ndjson(choice) => {
                // An alert is written even if its kind of event is not chosen.
                let choice = if is_alert { EventChoice::All } else { *choice };
                if let Ok(text) = event_text(
                    event,
                    choice,
                    self.several_captures,
                    is_alert,
                    &self.parties,
                ) {
                    self.output.line(&text);
                }
            }
            EventFormat::Export(lines) => {
                for line in lines.of(event).split_inclusive(|&byte| byte == b'\n') {
                    self.output.line(line);
                }
            }
        }
        if let (EventKind::SessionEnd(_), Some(session)) = (&event.kind, event.session) {
            self.parties.remove(session);
        }
        self.warn_of_filter(event);
    }
}

/// An output of whole lines: standard output, a device or fifo, or a rotating file.
///
/// Each line is written at once, so that a reader who follows the output sees it. A line that does not fit is removed again and
/// counted; the next one is tried anew.
pub(super) struct LineOutput {
    target: Target,
    /// True once the reader of the pipe is gone.
    closed: Rc<Cell<bool>>,
    /// Lines that could not be written.
    lost: u64,
    /// `None` while lines can be written.
    outage: Option<Outage>,
    notify: Notify,
}

/// A time in which lines could not be written.
#[derive(Debug)]
struct Outage {
    /// Lines lost in it.
    lost: u64,
    last_loss: Instant,
    /// True once a line was written after the last loss.
    is_written: bool,
    /// True once the file was opened again: somebody has made room.
    is_reopened: bool,
}

impl Outage {
    /// Returns whether lines are written again. On a disk that is nearly full short lines still fit where long ones do not, so
    /// that one which fits proves nothing before a while has passed.
    fn is_over(&self) -> bool {
        self.is_written && (self.is_reopened || self.last_loss.elapsed() >= OUTAGE_END)
    }
}

enum Target {
    StandardOutput,
    /// A device or a fifo, which can be neither rotated nor truncated.
    Special(File),
    File(Box<RotatingFile>),
}

impl LineOutput {
    /// Returns whether lines go into a file, and not to standard output, a device or a fifo.
    pub(super) const fn is_file(&self) -> bool {
        matches!(self.target, Target::File(_))
    }

    /// Returns the new name of the file that was there before and ended inside a line; `None` if it ended behind one.
    pub(super) fn cut_off(&self) -> Option<&Path> {
        match &self.target {
            Target::File(file) => file.cut_off(),
            Target::StandardOutput | Target::Special(_) => None,
        }
    }

    /// Opens `path` for appending, or standard output if `None`.
    pub(super) fn open(
        path: Option<&Path>,
        rotation: RotationLimits,
        notify: Notify,
    ) -> Result<Self, Error> {
        let target = match path {
            None => Target::StandardOutput,
            Some(path) if fs::metadata(path).is_ok_and(|found| !found.is_file()) => {
                let file = File::options().write(true).open(path);
                Target::Special(file.map_err(|cause| Error::output(path, cause))?)
            }
            Some(path) => {
                let file = RotatingFile::open(path, rotation, Vec::new(), RecordEnd::LineFeed);
                let file = file.map_err(|cause| Error::output(path, cause))?;
                Target::File(Box::new(file))
            }
        };
        Ok(Self {
            target,
            closed: Rc::default(),
            lost: 0,
            outage: None,
            notify,
        })
    }

    /// Returns a flag that becomes true once the reader of the pipe is gone.
    pub(super) fn closed(&self) -> Rc<Cell<bool>> {
        Rc::clone(&self.closed)
    }

    /// Passes a notice on to the operator.
    fn notify(&self, notice: &Notice<'_>) {
        (self.notify)(notice);
    }

    /// Returns the number of lines that could not be written.
    pub(super) const fn lost(&self) -> u64 {
        self.lost
    }

    /// Writes a line, which includes its line end.
    pub(super) fn line(&mut self, line: &[u8]) {
        if line.is_empty() || self.closed.get() {
            return;
        }
        let written = match &mut self.target {
            Target::StandardOutput => {
                let mut out = io::stdout().lock();
                out.write_all(line).and_then(|()| out.flush())
            }
            Target::Special(file) => file.write_all(line),
            Target::File(file) => file.write_record(line),
        };
        let Err(cause) = written else {
            if let Some(outage) = &mut self.outage {
                outage.is_written = true;
                self.end_outage();
            }
            return;
        };
        if cause.kind() == ErrorKind::BrokenPipe {
            self.closed.set(true);
            return;
        }
        // Once is enough: the counter grows in the metrics and in the summary.
        if self.outage.is_none() {
            (self.notify)(&Notice::EventsLost(&cause));
        }
        self.lost = self.lost.saturating_add(1);
        let before = self.outage.take().map_or(0, |outage| outage.lost);
        self.outage = Some(Outage {
            lost: before.saturating_add(1),
            last_loss: Instant::now(),
            is_written: false,
            is_reopened: false,
        });
    }

    /// Notifies that lines are written again, if they are.
    fn end_outage(&mut self) {
        if let Some(outage) = self.outage.take_if(|outage| outage.is_over()) {
            (self.notify)(&Notice::EventsResumed(outage.lost));
        }
    }

    /// Rotates the file if due, and notices the end of an outage.
    fn maintain(&mut self) {
        self.end_outage();
        let Target::File(file) = &mut self.target else {
            return;
        };
        file.rotate_if_due(0);
        if let Some(cause) = file.take_error() {
            (self.notify)(&Notice::EventsNotRotated(&cause));
        }
    }

    /// Reopens the file under its name, after an outside tool has moved it.
    pub(super) fn reopen(&mut self) {
        let Target::File(file) = &mut self.target else {
            return;
        };
        if let Err(cause) = file.reopen() {
            (self.notify)(&Notice::EventsNotReopened(&cause));
        } else if let Some(outage) = &mut self.outage {
            outage.is_reopened = true;
        }
    }
}

/// Time without a loss after which events count as written again.
const OUTAGE_END: Duration = Duration::from_secs(10);
