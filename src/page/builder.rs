//! Folds events into a page, session by session.
//!
//! ```text
//! connection ──> DiagramRecorder ─┐
//! session_end ──> Waiting ─┴─> Drawing ──> SessionData ──> FinishedSessions ─┐
//!                                             └─> Strings ───────────────────┤
//! all else ──> ReportBuilder ──> Report, no sessions ────────────────────────┴─> Page
//! ```
//!
//! A session that is drawn stands as text in a [`FinishedSessions`]; its records and its segments are dropped.

use std::io::{self, Write};
use std::sync::Arc;

use super::embed::Embedded;
use super::previews::Previews;
use super::room::Room;
use super::rows::States;
use super::session::SessionData;
use super::strings::Strings;
use super::waiting::{Leaving, Waiting};
use super::{PageOptions, write_around};
use crate::diagram::DiagramRecorder;
use crate::model::record::{Capture, Session, Totals};
use crate::model::trace::TracedConnection;
use crate::model::{Event, EventKind, EventSink, FrameRef, Limits, Warning, WarningCode};
use crate::report::{FinishedSessions, Report, ReportBuilder};

/// Collects what a run tells, with its connections, for a page.
#[derive(Debug)]
pub struct PageBuilder {
    rest: ReportBuilder,
    recorder: DiagramRecorder,
    waiting: Waiting,
    drawn: DrawnSessions,
    pieces: Pieces,
    most: usize,
}

/// All of a page, ready to be written.
#[derive(Debug)]
pub struct Page {
    report: Report,
    sessions: FinishedSessions,
    strings: Strings,
    options: PageOptions,
}

/// What sessions leave behind when they are drawn.
#[derive(Debug)]
struct Pieces {
    sessions: FinishedSessions,
    strings: Strings,
    states: States,
    room: Room,
    previews: Previews,
    options: PageOptions,
    /// Sessions that were drawn before it was certain that all was told of them.
    early: u64,
    /// Previews that there was no room for.
    previews_left: u64,
}

/// Which sessions are over and done with, by id.
#[derive(Debug, Default)]
struct DrawnSessions(Vec<u64>);

impl PageBuilder {
    /// A builder that keeps as much as `limits` allow, and shows what there is in `previews`.
    #[must_use]
    pub fn new(limits: &Limits, options: PageOptions, previews: Previews) -> Self {
        Self {
            rest: ReportBuilder::new(limits),
            recorder: DiagramRecorder::new(limits),
            waiting: Waiting::new(),
            drawn: DrawnSessions::default(),
            pieces: Pieces {
                sessions: FinishedSessions::within(IN_MEMORY),
                strings: Strings::new(),
                states: States::new(),
                room: Room::default(),
                previews,
                options,
                early: 0,
                previews_left: 0,
            },
            most: limits.sessions,
        }
    }

    /// The page, once the input has ended.
    #[must_use]
    pub fn finish(mut self, captures: Vec<Capture>, totals: Totals) -> Page {
        for session in self.waiting.into_rest() {
            self.pieces.draw(&session, false, &self.recorder);
            self.recorder.discard(&session);
        }
        let pieces = self.pieces;
        for (count, what) in [
            (
                pieces.early,
                "sessions were drawn before it was certain that all of their data connections were over",
            ),
            (
                self.recorder.dropped_segments(),
                "segments of data connections are missing in diagrams: too many were open",
            ),
            (
                pieces.previews_left,
                "previews of files were left out of the page",
            ),
        ] {
            if count > 0 {
                let mut warning = Warning::new(WarningCode::LimitReached, what, None);
                warning.count = count;
                self.rest.event(&Event {
                    frame: FrameRef::default(),
                    session: None,
                    kind: EventKind::Warning(&warning),
                });
            }
        }
        Page {
            report: self.rest.finish(captures, totals),
            sessions: pieces.sessions,
            strings: pieces.strings,
            options: pieces.options,
        }
    }

    fn end(&mut self, session: &Arc<Session>) {
        if self.pieces.sessions.len() + self.waiting.len() >= self.most {
            self.rest.omit_session();
            self.session_filtered(session);
            return;
        }
        self.waiting.push(session, &self.recorder);
        self.make_room();
    }

    /// Draws who has to go.
    fn make_room(&mut self) {
        while let Some(leaving) = self.waiting.leave(self.recorder.memory() > RECORDED) {
            let Leaving { session, early } = leaving;
            self.pieces.draw(&session, early, &self.recorder);
            self.session_filtered(&session);
        }
    }
}

impl EventSink for PageBuilder {
    fn event(&mut self, event: &Event<'_>) {
        match &event.kind {
            EventKind::SessionEnd(session) => self.end(session),
            _ => self.rest.event(event),
        }
    }

    fn connection(&mut self, connection: TracedConnection) {
        let mut sessions = connection.sessions().peekable();
        let is_known = sessions.peek().is_some();
        if is_known && sessions.all(|session| self.drawn.has(session)) {
            return;
        }
        let (first, is_data) = (connection.first.number, connection.control_of.is_none());
        self.recorder.connection(connection);
        if is_data {
            self.waiting.connection(first);
        }
        self.make_room();
    }

    fn session_filtered(&mut self, session: &Arc<Session>) {
        self.drawn.add(session.id);
        self.recorder.discard(session);
    }

    fn wants_connections(&self) -> bool {
        true
    }
}

impl Pieces {
    fn draw(&mut self, session: &Session, early: bool, recorder: &DiagramRecorder) {
        let drawing = recorder.drawing(session);
        let data = SessionData {
            session,
            share: self.room.share(session.verdict.status, &drawing),
            drawing: &drawing,
            early,
            zone: &self.options.zone,
            previews: &self.previews,
        };
        let (strings, states, room) = (&mut self.strings, &mut self.states, &mut self.room);
        self.sessions.push(session.id, |out| {
            room.take(data.write(strings, states, &mut Embedded(out))?);
            Ok(())
        });
        self.early += u64::from(early);
        self.previews_left += self.previews.missed(session.id);
    }
}

impl DrawnSessions {
    fn add(&mut self, id: u64) {
        let Some((word, bit)) = Self::place(id) else {
            return;
        };
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        if let Some(word) = self.0.get_mut(word) {
            *word |= bit;
        }
    }

    fn has(&self, id: u64) -> bool {
        let place = Self::place(id);
        place.is_some_and(|(word, bit)| self.0.get(word).is_some_and(|word| word & bit != 0))
    }

    /// Which word, and the bit in it. Sessions are numbered from 1 on without gaps.
    fn place(id: u64) -> Option<(usize, u64)> {
        let word = usize::try_from(id / 64).ok();
        Some((word.filter(|word| *word < WORDS)?, 1 << (id % 64)))
    }
}

impl Page {
    /// Writes the page.
    pub fn write(self, out: &mut dyn Write) -> io::Result<()> {
        write_around(out, |out| {
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

/// Bytes of the texts of sessions that stay in memory. With what waits, with segments, and with the texts that sessions
/// share, it is no more than a document keeps.
const IN_MEMORY: usize = 16 << 20;
/// Bytes of segments from which on no session waits that lacks nothing.
const RECORDED: usize = 8 << 20;
/// Ids that are remembered, by 64: those of 64 million sessions.
const WORDS: usize = 1_000_000;

#[cfg(test)]
mod tests;
