//! Builds a page from events, session by session.
//!
//! ```text
//! connections ──> DiagramRecorder ─┐
//! SessionEnd ──> WaitingSessions ──┴─> Drawing ──> SessionData ──> FinishedSessions ─┐
//!                                                     └─> StringTable ───────────────┤
//! SessionEnd ──> Timeline ─────────────────────────────────────────────────────────┤
//! other events ──> ReportBuilder ──> Report without sessions ────────────────────────┴─> Page
//! ```
//!
//! A session that is drawn is kept as JSON in a [`FinishedSessions`]; its record and its segments are dropped.

use std::io::{self, Write};
use std::sync::Arc;

use super::data::SessionData;
use super::embed::{Embedded, StringTable};
use super::logs::PageLogs;
use super::plot::PlotBudget;
use super::previews::Previews;
use super::rows::{RowBudget, StateList};
use super::waiting::{Evicted, WaitingSessions};
use super::{PageOptions, write_page};
use crate::diagram::{DiagramRecorder, Timeline, write_hosts_section, write_timeline_section};
use crate::model::record::{Capture, Finding, Session, Totals};
use crate::model::trace::TracedConnection;
use crate::model::{Event, EventKind, EventSink, FrameRef, Limits, Warning, WarningCode};
use crate::report::{CaptureNames, FinishedSessions, Report, ReportBuilder, units};

/// An [`EventSink`] that collects the events and connections of a run for a page.
#[derive(Debug)]
pub struct PageBuilder {
    /// Report of all events but those of sessions.
    report: ReportBuilder,
    recorder: DiagramRecorder,
    waiting: WaitingSessions,
    drawn: DrawnSessions,
    timeline: Timeline,
    parts: PageParts,
    max_sessions: usize,
}

/// A finished page, ready to be written.
#[derive(Debug)]
pub struct Page {
    report: Report,
    sessions: FinishedSessions,
    strings: StringTable,
    timeline: Timeline,
    options: PageOptions,
    /// `None` without logs.
    logs: Option<PageLogs>,
}

/// Parts of the page to which each drawn session contributes.
#[derive(Debug)]
struct PageParts {
    sessions: FinishedSessions,
    strings: StringTable,
    /// States of the session being drawn, reused to save its buffer.
    states: StateList,
    budget: RowBudget,
    plots: PlotBudget,
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
            timeline: Timeline::default(),
            parts: PageParts {
                sessions: FinishedSessions::within(IN_MEMORY),
                strings: StringTable::new(),
                states: StateList::new(),
                budget: RowBudget::default(),
                plots: PlotBudget::default(),
                previews,
                options,
                early: 0,
                omitted_previews: 0,
            },
            max_sessions: limits.sessions,
        }
    }

    /// Names the captures, if there are several: frames are numbered by their own capture.
    pub fn name_captures(&mut self, names: CaptureNames) {
        self.recorder.name_captures(names);
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
                    late: false,
                    kind: EventKind::Warning(&warning),
                });
            }
        }
        let mut timeline = self.timeline;
        timeline.set_captures(&captures);
        Page {
            report: self.report.finish(captures, totals),
            sessions: parts.sessions,
            strings: parts.strings,
            timeline,
            options: parts.options,
            logs: None,
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
        self.timeline.add(session);
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
            captures: recorder.captures(),
        };
        let (strings, states) = (&mut self.strings, &mut self.states);
        let (budget, plots) = (&mut self.budget, &mut self.plots);
        self.sessions.push(session.id, |out| {
            budget.charge(data.write(strings, states, plots, &mut Embedded(out))?);
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
    /// Adds claims of servers' logs, and the findings about them.
    pub fn add_logs(&mut self, logs: PageLogs, findings: &[Finding]) {
        self.logs = Some(logs);
        self.report.findings.extend_from_slice(findings);
        self.report.totals.findings += units::to_u64(findings.len());
    }

    /// Writes the page.
    pub fn write(self, out: &mut dyn Write) -> io::Result<()> {
        let plots = |out: &mut dyn Write| {
            write_timeline_section(&self.timeline, &self.options.zone, out)?;
            write_hosts_section(&self.timeline, out)
        };
        write_page(out, plots, |out| {
            super::data::write(
                &self.report,
                self.sessions,
                self.strings,
                &self.options,
                self.logs.as_ref(),
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
mod tests {
    use std::net::Ipv4Addr;

    use jiff::tz::TimeZone;
    use serde_json::Value;

    use super::super::rows::DrawnRows;
    use super::*;
    use crate::diagram::Detail;
    use crate::model::record::VerdictStatus;
    use crate::model::trace::{Novelty, SegmentFlags, TracedSegment};
    use crate::model::{Direction, Endpoint, FlowKey};
    use crate::report::example::example_session;

    fn builder(limits: &Limits) -> PageBuilder {
        let options = PageOptions {
            zone: TimeZone::UTC,
            detail: Detail::Messages,
        };
        PageBuilder::new(limits, options, Previews::default())
    }

    /// Returns a builder in which no session waits.
    fn without_waiting() -> PageBuilder {
        PageBuilder {
            waiting: WaitingSessions::with_limit(0),
            ..builder(&Limits::default())
        }
    }

    fn session(id: u64, status: VerdictStatus) -> Arc<Session> {
        let mut session = example_session();
        session.id = id;
        session.verdict.status = status;
        session.server.name = Some(format!("ftp{id}.example.org"));
        Arc::new(session)
    }

    fn end(builder: &mut PageBuilder, session: &Arc<Session>) {
        builder.event(&Event {
            frame: FrameRef::default(),
            session: Some(session.id),
            late: false,
            kind: EventKind::SessionEnd(Arc::clone(session)),
        });
    }

    /// Returns the JSON block of the page.
    fn data(builder: PageBuilder) -> Value {
        let page = builder.finish(Vec::new(), Totals::default());
        let mut out = Vec::new();
        page.write(&mut out).expect("memory takes it");
        let text = String::from_utf8(out).expect("pages are UTF-8");
        let (_, rest) = text.split_once("id=\"data\">").expect("the data");
        let (data, _) = rest.split_once("</script>").expect("its end");
        serde_json::from_str(data).expect("JSON")
    }

    /// Returns the sessions with strings in index of their numbers, which depend on the order of drawing.
    fn sessions_with_strings(data: &Value) -> Vec<Value> {
        let text = |number: &Value| {
            let index = number
                .as_i64()
                .and_then(|number| usize::try_from(number).ok());
            index.map_or_else(|| number.clone(), |index| data["texts"][index].clone())
        };
        let mut sessions = data["sessions"].as_array().expect("a list").clone();
        for session in &mut sessions {
            for row in session["rows"].as_array_mut().into_iter().flatten() {
                for index in [2, 3] {
                    row[index] = text(&row[index]);
                }
                for list in row.as_array_mut().into_iter().flatten().skip(9) {
                    list.as_array_mut()
                        .into_iter()
                        .flatten()
                        .for_each(|one| *one = text(one));
                }
            }
            for step in session["steps"].as_array_mut().into_iter().flatten() {
                step[1] = text(&step[1]);
            }
            for transfer in session["transfers"].as_array_mut().into_iter().flatten() {
                let evidence = transfer["evidence"].as_array_mut();
                evidence
                    .into_iter()
                    .flatten()
                    .for_each(|one| *one = text(one));
            }
        }
        sessions
    }

    fn warnings(data: &Value) -> Vec<(String, u64)> {
        let warnings = data["warnings"].as_array().expect("a list").iter();
        let warnings = warnings.map(|warning| {
            let message = warning["message"].as_str().expect("a text").to_owned();
            (message, warning["count"].as_u64().expect("a count"))
        });
        warnings.collect()
    }

    /// Returns a connection with empty segments.
    fn connection(first: u64, data_of: Option<u64>, segments: usize) -> TracedConnection {
        let end = |port| Endpoint::new(Ipv4Addr::LOCALHOST.into(), port);
        let first = FrameRef {
            number: first,
            ..FrameRef::default()
        };
        let segment = TracedSegment {
            frame: first,
            direction: Direction::Up,
            flags: SegmentFlags::default(),
            sequence: 0,
            acknowledgment: 0,
            window: 0,
            bytes: 0,
            novelty: Novelty::New,
        };
        TracedConnection {
            key: FlowKey::new(end(20), end(50_000)).0,
            control_of: None,
            data_of: [data_of, None],
            first,
            last: first,
            segments: vec![segment; segments],
            folded: None,
            omitted: 0,
            payload: Default::default(),
        }
    }

    #[test]
    fn sessions_drawn_at_their_end_equal_those_drawn_at_the_end_of_the_input() {
        let sessions = [3, 1, 2].map(|id| session(id, VerdictStatus::Ok));
        let (mut waiting, mut at_once) = (builder(&Limits::default()), without_waiting());
        for session in &sessions {
            end(&mut waiting, session);
            end(&mut at_once, session);
        }
        assert_eq!((waiting.waiting.len(), at_once.waiting.len()), (3, 0));
        let (waiting, at_once) = (
            sessions_with_strings(&data(waiting)),
            sessions_with_strings(&data(at_once)),
        );
        let ids: Vec<_> = waiting
            .iter()
            .map(|session| session["id"].as_u64())
            .collect();
        assert_eq!(ids, [Some(1), Some(2), Some(3)]);
        assert!(
            waiting[0]["rows"]
                .as_array()
                .is_some_and(|rows| rows.len() > 10)
        );
        let mut at_once = at_once;
        for session in &mut at_once {
            let session = session.as_object_mut().expect("an object");
            assert_eq!(session.remove("early"), Some(Value::Bool(true)));
        }
        assert_eq!(at_once, waiting);
    }

    #[test]
    fn records_and_segments_of_drawn_sessions_are_dropped() {
        let mut builder = without_waiting();
        for id in 1..=200 {
            let session = session(id, VerdictStatus::Ok);
            builder.connection(connection(10_000 + id, Some(id), 50));
            end(&mut builder, &session);
            assert_eq!(Arc::strong_count(&session), 1);
            // A connection that comes after its session was drawn is dropped.
            let before = builder.recorder.memory();
            builder.connection(connection(20_000 + id, Some(id), 50));
            assert_eq!(builder.recorder.memory(), before);
        }
        assert_eq!(
            data(builder)["sessions"].as_array().map(Vec::len),
            Some(200)
        );
    }

    #[test]
    fn failed_sessions_get_diagrams_after_many_successful_ones() {
        let mut builder = without_waiting();
        builder.parts.budget.charge(DrawnRows {
            rows: 299_990,
            packets: 0,
            omitted: 0,
        });
        for (id, status) in [
            (1, VerdictStatus::Ok),
            (2, VerdictStatus::Ok),
            (3, VerdictStatus::Warning),
            (4, VerdictStatus::Failed),
        ] {
            end(&mut builder, &session(id, status));
        }
        let data = data(builder);
        let rows = |index: usize| {
            let session = &data["sessions"][index];
            let rows = session["rows"].as_array().map_or(0, Vec::len);
            (rows, session["rowsLeft"].as_u64().expect("a count"))
        };
        let (all, none_left) = rows(3);
        assert!(all > 10 && none_left == 0);
        assert_eq!(rows(2), (all, 0));
        assert_eq!(rows(0), (10, all as u64 - 10));
        assert_eq!(rows(1), (0, all as u64));
        assert_eq!(data["sessions"][1]["rows"], Value::Null);
        assert_eq!(data["sessions"][1]["states"], Value::Null);
    }

    #[test]
    fn limits_that_were_reached_become_warnings() {
        let limits = Limits {
            sessions: 2,
            traced_segments: 100,
            ..Limits::default()
        };
        let mut builder = PageBuilder {
            waiting: WaitingSessions::with_limit(0),
            ..builder(&limits)
        };
        builder.connection(connection(5_000, Some(9), 90));
        builder.connection(connection(6_000, Some(9), 70));
        for id in 1..=3 {
            end(&mut builder, &session(id, VerdictStatus::Ok));
        }
        let data = data(builder);
        assert_eq!(data["sessions"].as_array().map(Vec::len), Some(2));
        let warnings = warnings(&data);
        let count_of = |words: &str| {
            let found = warnings.iter().find(|(message, _)| message.contains(words));
            found.map(|(_, count)| *count)
        };
        assert_eq!(count_of("drawn before"), Some(2), "{warnings:?}");
        assert_eq!(count_of("segments"), Some(70), "{warnings:?}");
        assert_eq!(count_of("sessions were left out"), Some(1), "{warnings:?}");
    }

    #[test]
    fn session_waits_for_its_last_data_connection() {
        let session = session(1, VerdictStatus::Ok);
        let frames = session.transfers.iter();
        let frames = frames.filter_map(|transfer| Some(transfer.connection.as_ref()?.first_frame));
        let mut builder = builder(&Limits::default());
        end(&mut builder, &session);
        for frame in frames {
            builder.connection(connection(frame, Some(1), 3));
        }
        let data = data(builder);
        let rows = data["sessions"][0]["rows"].as_array().expect("rows").iter();
        let packets = rows.filter(|row| row[0] == 4).count();
        assert!(packets >= 3, "{packets}");
        assert_eq!(data["sessions"][0].get("early"), None);
    }
}
