//! Builds a page from events, session by session.
//!
//! ```text
//! connections ──> DiagramRecorder ─┐
//! SessionEnd ──> WaitingSessions ──┴─> Drawing ──> SessionData ──> FinishedSessions ─┐
//!                                                     └─> StringTable ───────────────┤
//! other events ──> ReportBuilder ──> Report without sessions ────────────────────────┴─> Page
//! ```
//!
//! A session that is drawn is kept as JSON in a [`FinishedSessions`]; its record and its segments are dropped.

use std::io::{self, Write};
use std::sync::Arc;

use super::budget::RowBudget;
use super::data::SessionData;
use super::embed::Embedded;
use super::previews::Previews;
use super::rows::StateList;
use super::strings::StringTable;
use super::waiting::{Evicted, WaitingSessions};
use super::{PageOptions, write_page};
use crate::diagram::DiagramRecorder;
use crate::model::record::{Capture, Session, Totals};
use crate::model::trace::TracedConnection;
use crate::model::{Event, EventKind, EventSink, FrameRef, Limits, Warning, WarningCode};
use crate::report::{FinishedSessions, Report, ReportBuilder};

/// An [`EventSink`] that collects the events and connections of a run for a page.
#[derive(Debug)]
pub struct PageBuilder {
    /// Report of all events but those of sessions.
    report: ReportBuilder,
    recorder: DiagramRecorder,
    waiting: WaitingSessions,
    drawn: DrawnSessions,
    parts: PageParts,
    max_sessions: usize,
}

/// A finished page, ready to be written.
#[derive(Debug)]
pub struct Page {
    report: Report,
    sessions: FinishedSessions,
    strings: StringTable,
    options: PageOptions,
}

/// Parts of the page to which each drawn session contributes.
#[derive(Debug)]
struct PageParts {
    sessions: FinishedSessions,
    strings: StringTable,
    /// States of the session being drawn, reused to save its buffer.
    states: StateList,
    budget: RowBudget,
    previews: Previews,
    options: PageOptions,
    /// Count of the sessions drawn before it was certain that all of their data connections were closed.
    early: u64,
    /// Count of the previews omitted.
    omitted_previews: u64,
}

/// Set of the sessions drawn or omitted, as a bitmap by id: connections that come later are not kept.
#[derive(Debug, Default)]
struct DrawnSessions(Vec<u64>);

impl PageBuilder {
    /// Creates a builder that keeps as much as `limits` allow, and shows the previews in `previews`.
    #[must_use]
    pub fn new(limits: &Limits, options: PageOptions, previews: Previews) -> Self {
        Self {
            report: ReportBuilder::new(limits),
            recorder: DiagramRecorder::new(limits),
            waiting: WaitingSessions::new(),
            drawn: DrawnSessions::default(),
            parts: PageParts {
                sessions: FinishedSessions::within(IN_MEMORY),
                strings: StringTable::new(),
                states: StateList::new(),
                budget: RowBudget::default(),
                previews,
                options,
                early: 0,
                omitted_previews: 0,
            },
            max_sessions: limits.sessions,
        }
    }

    /// Finishes the page at the end of the input.
    #[must_use]
    pub fn finish(mut self, captures: Vec<Capture>, totals: Totals) -> Page {
        for session in self.waiting.into_sessions() {
            self.parts.draw(&session, false, &self.recorder);
            self.recorder.discard(&session);
        }
        let parts = self.parts;
        // Limits become warnings, so that nobody takes the page for complete.
        for (count, message) in [
            (
                parts.early,
                "sessions were drawn before it was certain that all of their data connections were over",
            ),
            (
                self.recorder.dropped_segments(),
                "segments of data connections are missing in diagrams: too many were open",
            ),
            (
                parts.omitted_previews,
                "previews of files were left out of the page",
            ),
        ] {
            if count > 0 {
                let mut warning = Warning::new(WarningCode::LimitReached, message, None);
                warning.count = count;
                self.report.event(&Event {
                    frame: FrameRef::default(),
                    session: None,
                    kind: EventKind::Warning(&warning),
                });
            }
        }
        Page {
            report: self.report.finish(captures, totals),
            sessions: parts.sessions,
            strings: parts.strings,
            options: parts.options,
        }
    }

    /// Queues a session that has ended, or omits it beyond the session limit.
    fn on_session_end(&mut self, session: &Arc<Session>) {
        // Waiting sessions count as well: all of them will be on the page.
        if self.parts.sessions.len() + self.waiting.len() >= self.max_sessions {
            self.report.omit_session();
            self.session_filtered(session);
            return;
        }
        self.waiting.add(session, &self.recorder);
        self.draw_evicted();
    }

    /// Draws waiting sessions until their memory and that of the segments are within their limits.
    fn draw_evicted(&mut self) {
        while let Some(evicted) = self.waiting.evict(self.recorder.memory() > CROWDED) {
            let Evicted { session, early } = evicted;
            self.parts.draw(&session, early, &self.recorder);
            self.session_filtered(&session);
        }
    }
}

impl EventSink for PageBuilder {
    fn event(&mut self, event: &Event<'_>) {
        match &event.kind {
            EventKind::SessionEnd(session) => self.on_session_end(session),
            _ => self.report.event(event),
        }
    }

    fn connection(&mut self, connection: TracedConnection) {
        let mut sessions = connection.sessions().peekable();
        // A connection without a session may turn out to belong to one, so it is kept.
        let has_session = sessions.peek().is_some();
        if has_session && sessions.all(|session| self.drawn.contains(session)) {
            return;
        }
        let (first, is_data) = (connection.first.number, connection.control_of.is_none());
        self.recorder.connection(connection);
        if is_data {
            self.waiting.on_connection_end(first);
        }
        self.draw_evicted();
    }

    fn session_filtered(&mut self, session: &Arc<Session>) {
        self.drawn.insert(session.id);
        self.recorder.discard(session);
    }

    fn wants_connections(&self) -> bool {
        true
    }
}

impl PageParts {
    /// Draws a session with its share of the budget.
    fn draw(&mut self, session: &Session, early: bool, recorder: &DiagramRecorder) {
        let drawing = recorder.drawing(session);
        let data = SessionData {
            session,
            share: self.budget.share(session.verdict.status, &drawing),
            drawing: &drawing,
            early,
            zone: &self.options.zone,
            previews: &self.previews,
        };
        let (strings, states) = (&mut self.strings, &mut self.states);
        let budget = &mut self.budget;
        self.sessions.push(session.id, |out| {
            budget.charge(data.write(strings, states, &mut Embedded(out))?);
            Ok(())
        });
        self.early += u64::from(early);
        self.omitted_previews += self.previews.take_omitted(session.id);
    }
}

impl DrawnSessions {
    fn insert(&mut self, id: u64) {
        let Some((word, bit)) = Self::position(id) else {
            return;
        };
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        if let Some(word) = self.0.get_mut(word) {
            *word |= bit;
        }
    }

    fn contains(&self, id: u64) -> bool {
        let position = Self::position(id);
        position.is_some_and(|(word, bit)| self.0.get(word).is_some_and(|word| word & bit != 0))
    }

    /// Returns the word and its bit for an id; `None` beyond [`MAX_WORDS`]. Ids count from 1 without gaps.
    fn position(id: u64) -> Option<(usize, u64)> {
        let word = usize::try_from(id / 64).ok();
        Some((word.filter(|word| *word < MAX_WORDS)?, 1 << (id % 64)))
    }
}

impl Page {
    /// Writes the page.
    pub fn write(self, out: &mut dyn Write) -> io::Result<()> {
        write_page(out, |out| {
            super::data::write(
                &self.report,
                self.sessions,
                self.strings,
                &self.options,
                out,
            )
        })
    }
}

/// Bytes of drawn sessions kept in memory before they go to a temporary file. With waiting sessions, segments and shared
/// strings, a page takes no more memory than a JSON report.
const IN_MEMORY: usize = 16 << 20;
/// Memory of segments in bytes beyond which complete sessions do not wait.
const CROWDED: usize = 8 << 20;
/// Limit of the bitmap in words of 64 bits: 64 million sessions.
const MAX_WORDS: usize = 1_000_000;

#[cfg(test)]
mod tests;
