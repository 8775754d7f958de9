//! Where all events arrive: they are counted, held against the alert expressions, and written as they happen.

use std::sync::Arc;

use super::alerts::Alerts;
use super::line_output::LineOutput;
use super::numbers::{Counting, Numbers, add};
use crate::model::record::{Capture, Totals};
use crate::model::{Event, EventSink};
use crate::report::{EventChoice, LiveLines, event_text, totals_text};

/// Takes events and writes them.
pub(super) struct Desk {
    pub(super) output: LineOutput,
    style: LineStyle,
    pub(super) alerts: Alerts,
    counting: Counting,
    several_captures: bool,
}

/// How events are written.
pub(super) enum LineStyle {
    /// For people.
    Text(LiveLines),
    /// For programs.
    Ndjson(EventChoice),
}

impl Desk {
    /// Writes to `output`; `several_captures`: frames are told by capture as well.
    pub(super) fn new(
        output: LineOutput,
        style: LineStyle,
        alerts: Alerts,
        numbers: Arc<Numbers>,
        several_captures: bool,
    ) -> Self {
        Self {
            output,
            style,
            alerts,
            counting: Counting(numbers),
            several_captures,
        }
    }

    /// The last line.
    pub(super) fn finish(&mut self, captures: &[Capture], totals: &Totals) {
        match &self.style {
            LineStyle::Text(lines) => {
                let dropped = self.counting.0.dropped();
                self.output.line(lines.totals(totals, dropped).as_bytes());
            }
            LineStyle::Ndjson(_) => {
                // Records are plain data: writing them into memory does not fail.
                if let Ok(text) = totals_text(captures, totals) {
                    self.output.line(&text);
                }
            }
        }
        self.tell_lost();
    }

    /// What is due is done.
    pub(super) fn look_after(&mut self) {
        self.output.look_after();
        self.alerts.look_after();
        self.tell_lost();
    }

    fn tell_lost(&self) {
        let lost = &self.counting.0.events_lost;
        lost.store(self.output.lost(), std::sync::atomic::Ordering::Relaxed);
    }

    /// Whether an expression is true of the event, which is then given to the program.
    fn is_alert(&mut self, event: &Event<'_>) -> bool {
        if !self.alerts.are_wanted() {
            return false;
        }
        // Expressions see what the output shows.
        let Ok(text) = event_text(event, EventChoice::All, self.several_captures, false) else {
            return false;
        };
        let Ok(value) = serde_json::from_slice::<serde_json::Value>(&text) else {
            return false;
        };
        if !self.alerts.matches(&value) {
            return false;
        }
        add(&self.counting.0.alerts, 1);
        if self.alerts.has_program()
            && let Ok(text) = event_text(event, EventChoice::All, self.several_captures, true)
        {
            self.alerts.hand_over(text);
        }
        true
    }
}

impl EventSink for Desk {
    fn event(&mut self, event: &Event<'_>) {
        self.counting.event(event);
        let alert = self.is_alert(event);
        match &mut self.style {
            LineStyle::Text(lines) => {
                if let Some(line) = lines.line(event, alert) {
                    self.output.line(line.as_bytes());
                }
            }
            LineStyle::Ndjson(choice) => {
                let choice = if alert { EventChoice::All } else { *choice };
                if let Ok(text) = event_text(event, choice, self.several_captures, alert) {
                    self.output.line(&text);
                }
            }
        }
    }
}
