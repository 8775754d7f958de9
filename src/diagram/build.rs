//! Makes rows of what was planned: with headings, with the console, and with what was true at each of them.

use std::collections::VecDeque;

use super::captions;
use super::console::{self, Shown};
use super::draft::Draft;
use super::model::{Channel, Diagram, Lane, Levels, Row, RowKind};
use super::phases::{self, Phase};
use super::plan::Plan;
use super::recorder::Recorder;
use super::state::Tracker;
use crate::model::record::{Outcome, Session, Step, StepKind, TransferDirection};
use crate::model::{Endpoint, Timestamp};

impl Recorder {
    /// Draws a session, with the segments that were recorded of it.
    #[must_use]
    pub fn diagram(&self, session: &Session) -> Diagram {
        let drawing = self.drawing(session);
        let rows: Vec<Row> = drawing.rows().collect();
        let start = rows.first().map_or(session.start, |row| row.time);
        Diagram {
            session: session.id,
            status: session.verdict.status,
            verdict: session.verdict.text.clone(),
            between: between(session),
            ends: drawing.ends(),
            start,
            rows,
            omitted: drawing.omitted(),
        }
    }

    /// Gets ready to draw a session row by row, for who has no room for all rows.
    #[must_use]
    pub fn drawing<'a>(&'a self, session: &'a Session) -> Drawing<'a> {
        Drawing {
            session,
            plan: Plan::of(session, self),
        }
    }
}

/// A session that can be drawn row by row.
pub struct Drawing<'a> {
    session: &'a Session,
    plan: Plan<'a>,
}

impl Drawing<'_> {
    /// What stands below the name of each lane, as in [`Diagram::ends`].
    #[must_use]
    pub fn ends(&self) -> [String; 4] {
        ends(self.session)
    }

    /// Segments of its connections that could not be kept.
    #[must_use]
    pub fn omitted(&self) -> u64 {
        self.plan.omitted
    }

    /// How many rows there are of single packets.
    #[must_use]
    pub fn packet_rows(&self) -> usize {
        self.plan.counts().packets
    }

    /// How many other rows there are at least.
    #[must_use]
    pub fn fewest_rows(&self) -> usize {
        self.plan.counts().others + self.session.steps.len()
    }

    /// How many other rows there are at most: each may have a heading, or the console before or behind it.
    #[must_use]
    pub fn most_rows(&self) -> usize {
        let counts = self.plan.counts();
        2 * counts.others + counts.headings + 3 * self.session.steps.len()
    }

    /// The rows, from top to bottom, each made when it is asked for.
    pub fn rows(&self) -> impl Iterator<Item = Row> {
        Rows {
            drafts: self.plan.drafts(),
            builder: Builder::new(self.session, self.plan.has_packets()),
            is_over: false,
        }
    }
}

/// Rows as they come of drafts.
struct Rows<'a, D> {
    drafts: D,
    builder: Builder<'a>,
    is_over: bool,
}

impl<D: Iterator<Item = Draft>> Iterator for Rows<'_, D> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        loop {
            if let Some(row) = self.builder.rows.pop_front() {
                return Some(row);
            }
            if self.is_over {
                return None;
            }
            if let Some(draft) = self.drafts.next() {
                self.builder.draft(draft);
            } else {
                self.is_over = true;
                self.builder.finish();
            }
        }
    }
}

/// Draws one session.
struct Builder<'a> {
    session: &'a Session,
    phases: Vec<Phase>,
    phase: usize,
    /// Number of the step that the rows have come to.
    step: u64,
    /// How many steps have their own row.
    steps_drawn: usize,
    tracker: Tracker,
    /// Rows that are made and not yet taken.
    rows: VecDeque<Row>,
    /// Text of the heading, where the last row is one.
    heading: Option<String>,
    /// What the user sees once the acknowledgements are through.
    later: Option<(Box<Shown>, Cause)>,
    packets: bool,
}

/// What made the console show something.
#[derive(Clone, Copy)]
struct Cause {
    time: Timestamp,
    failed: bool,
}

impl<'a> Builder<'a> {
    fn new(session: &'a Session, packets: bool) -> Self {
        Self {
            session,
            phases: phases::of(&session.steps),
            phase: 0,
            step: 0,
            steps_drawn: 0,
            tracker: Tracker::new(),
            rows: VecDeque::new(),
            heading: None,
            later: None,
            packets,
        }
    }

    /// What comes after all arrows.
    fn finish(&mut self) {
        self.show_later();
        if let Some(last) = self.session.steps.last() {
            self.advance(last.number);
        }
        self.draw_steps(u64::MAX);
    }

    fn draft(&mut self, mut draft: Draft) {
        if !draft.is_ack {
            self.show_later();
        }
        if let Some(step) = draft.step {
            self.advance(step);
        }
        if let Some(typed) = draft.typed.take() {
            self.type_in(*typed, draft.time);
        }
        if let Some(part) = draft.part
            && !self.is_said(part)
        {
            let levels = draft.levels;
            self.push_heading(RowKind::Part, part.to_owned(), levels, draft.time);
        }
        for effect in &draft.effects {
            self.tracker.apply(effect, draft.levels, self.packets);
        }
        let shown = draft.shown.take();
        let cause = Cause {
            time: draft.time,
            failed: draft.failed,
        };
        self.push_arrow(draft);
        match shown {
            Some(shown) if shown.later => self.later = Some((shown, cause)),
            Some(shown) => self.show(*shown, cause),
            None => {}
        }
    }

    /// Goes on to a step: headings, and what the user typed for it.
    fn advance(&mut self, step: u64) {
        while self.step < step {
            self.draw_steps(self.step);
            self.step += 1;
            let number = self.step;
            let Some(step) = self.find(number) else {
                if self
                    .session
                    .steps
                    .last()
                    .is_none_or(|last| last.number < number)
                {
                    self.step = step;
                }
                continue;
            };
            let time = step.time;
            if let Some(phase) = self.phases.get(self.phase)
                && phase.first <= number
            {
                let title = phase.title(&self.session.steps);
                self.phase += 1;
                self.push_heading(RowKind::Phase, title, Levels::ALL, time);
            }
            if let Some(typed) = console::typed_for(self.session, step) {
                self.type_in(typed, time);
            }
        }
    }

    fn find(&self, number: u64) -> Option<&'a Step> {
        let place = usize::try_from(number.checked_sub(1)?).ok()?;
        let steps = &self.session.steps;
        let step = steps.get(place).filter(|step| step.number == number);
        let step = step.or_else(|| {
            let place = steps.binary_search_by_key(&number, |step| step.number);
            place.ok().and_then(|place| steps.get(place))
        });
        step.map(AsRef::as_ref)
    }

    /// Rows for the steps up to a number: they come when the step is over.
    fn draw_steps(&mut self, up_to: u64) {
        let session = self.session;
        while let Some(step) = session.steps.get(self.steps_drawn)
            && step.number <= up_to
        {
            self.steps_drawn += 1;
            let (from, to) = way(session, step);
            let frame = step.commands.first().map(|command| command.frame);
            self.push(Row {
                kind: RowKind::Arrow {
                    from,
                    to,
                    channel: Channel::Step,
                },
                levels: Levels::STEPS,
                label: step.title.clone(),
                caption: captions::step(step),
                fields: Vec::new(),
                time: step.time,
                frame,
                step: Some(step.number),
                state: self.tracker.at(Levels::STEPS),
                console: Vec::new(),
                failed: step.outcome == Outcome::Failed,
            });
        }
    }

    /// Whether the heading just above says the same.
    fn is_said(&self, part: &str) -> bool {
        let heading = self.heading.as_deref();
        heading.is_some_and(|heading| heading.eq_ignore_ascii_case(part))
    }

    fn type_in(&mut self, typed: console::Typed, time: Timestamp) {
        let draft = Draft {
            caption: typed.caption,
            console: vec![typed.line],
            ..Draft::new(
                (0, time),
                (Lane::Console, Lane::Client, Channel::Console),
                typed.levels,
                typed.label,
            )
        };
        self.push_arrow(draft);
    }

    fn show_later(&mut self) {
        if let Some((shown, cause)) = self.later.take() {
            self.show(*shown, cause);
        }
    }

    fn show(&mut self, shown: Shown, cause: Cause) {
        let draft = Draft {
            caption: shown.caption,
            console: shown.lines,
            failed: cause.failed,
            ..Draft::new(
                (0, cause.time),
                (Lane::Client, Lane::Console, Channel::Console),
                Levels::FINE,
                shown.label,
            )
        };
        self.push_arrow(draft);
    }

    fn push(&mut self, row: Row) {
        self.heading = (row.kind == RowKind::Phase).then(|| row.label.clone());
        self.rows.push_back(row);
    }

    fn push_heading(&mut self, kind: RowKind, title: String, levels: Levels, time: Timestamp) {
        self.push(Row {
            kind,
            levels,
            caption: String::new(),
            label: title,
            fields: Vec::new(),
            time,
            frame: None,
            step: (self.step > 0).then_some(self.step),
            state: self.tracker.at(levels),
            console: Vec::new(),
            failed: false,
        });
    }

    fn push_arrow(&mut self, draft: Draft) {
        self.push(Row {
            kind: RowKind::Arrow {
                from: draft.from,
                to: draft.to,
                channel: draft.channel,
            },
            levels: draft.levels,
            label: draft.label,
            caption: draft.caption,
            fields: draft.fields,
            time: draft.time,
            frame: (draft.frame > 0).then_some(draft.frame),
            step: (self.step > 0).then_some(self.step),
            state: self.tracker.at(draft.levels),
            console: draft.console,
            failed: draft.failed,
        });
    }
}

/// `192.0.2.7:50211 → ftp.example.org (192.0.2.1:21)`.
fn between(session: &Session) -> String {
    let server = Endpoint::new(session.server.ip, session.server.port);
    let client = Endpoint::from(session.client);
    match &session.server.name {
        Some(name) => format!("{client} → {name} ({server})"),
        None => format!("{client} → {server}"),
    }
}

/// What stands below the name of each lane.
fn ends(session: &Session) -> [String; 4] {
    let resolver = session.dns.as_ref().map(|dns| dns.resolver.ip.to_string());
    [
        resolver.unwrap_or_default(),
        session.server.ip.to_string(),
        session.client.ip.to_string(),
        String::new(),
    ]
}

/// Between which lanes a step is drawn.
fn way(session: &Session, step: &Step) -> (Lane, Lane) {
    let to_client = (Lane::Server, Lane::Client);
    let to_server = (Lane::Client, Lane::Server);
    match step.kind {
        StepKind::Dns => (Lane::Client, Lane::Dns),
        StepKind::Greeting => to_client,
        StepKind::Disconnect if step.title.ends_with("server") => to_client,
        StepKind::List | StepKind::Retrieve => {
            let transfer = step.transfer.and_then(|id| session.transfer(id));
            let moved = transfer.is_some_and(|transfer| {
                transfer.bytes > 0 && transfer.direction != TransferDirection::Upload
            });
            if moved { to_client } else { to_server }
        }
        _ => to_server,
    }
}
