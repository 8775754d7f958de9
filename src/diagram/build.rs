//! Draws a session: plans its arrows, then turns them into rows with console lines and state, below a heading for each
//! phase of the session.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::arrow::{Arrows, Counts, Draft, StateTracker};
use super::control_connection::{Control, ControlArrow, ReplyParts};
use super::data_connections::{DataArrow, DataConnections};
use super::messages::{Message, Shown};
use super::model::{Channel, Detail, Diagram, Lane, Levels, Row, RowKind};
use super::recorder::DiagramRecorder;
use super::{captions, messages};
use crate::model::record::{CaptureFrame, Outcome, Session, Step, StepKind, TransferDirection};
use crate::model::{Endpoint, Timestamp};
use crate::report::marks::step_mark;
use crate::report::{CaptureNames, SessionPlaces};

impl DiagramRecorder {
    /// Draws a session, with the segments that were recorded for it.
    #[must_use]
    pub fn diagram(&self, session: &Session) -> Diagram {
        let drawing = self.drawing(session);
        let rows: Vec<Row> = drawing.rows().collect();
        let start = rows.first().map_or(session.start, |row| row.time);
        Diagram {
            session: session.id,
            status: session.verdict.status,
            verdict: session.verdict.text.clone(),
            endpoints: endpoints(session),
            addresses: drawing.addresses(),
            start,
            rows,
            omitted: drawing.omitted(),
        }
    }

    /// Plans the drawing of a session, for callers that take its rows one by one.
    #[must_use]
    pub fn drawing<'a>(&'a self, session: &'a Session) -> Drawing<'a> {
        let places = if self.captures().is_empty() {
            SessionPlaces::default()
        } else {
            SessionPlaces::of(session)
        };
        Drawing {
            session,
            places,
            names: self.captures(),
            plan: Plan::new(session, self),
        }
    }
}

/// Sessions to draw, each read when its turn comes, and the recorder with their segments.
pub struct Drawings<'a> {
    sessions: Box<dyn Iterator<Item = io::Result<Arc<Session>>> + 'a>,
    recorder: &'a DiagramRecorder,
}

impl<'a> Drawings<'a> {
    /// Prepares the drawings of sessions, in their order.
    pub fn new(
        sessions: impl Iterator<Item = io::Result<Arc<Session>>> + 'a,
        recorder: &'a DiagramRecorder,
    ) -> Self {
        Self {
            sessions: Box::new(sessions),
            recorder,
        }
    }

    /// Returns the next session; `None` after the last one.
    pub(super) fn next_session(&mut self) -> io::Result<Option<Arc<Session>>> {
        self.sessions.next().transpose()
    }

    /// Plans the drawing of a session.
    pub(super) fn plan<'s>(&'s self, session: &'s Session) -> Drawing<'s> {
        self.recorder.drawing(session)
    }
}

/// A planned diagram, whose rows are made one by one.
pub struct Drawing<'a> {
    session: &'a Session,
    /// None with a single capture.
    places: SessionPlaces,
    /// Names of all captures; none with a single one.
    names: &'a CaptureNames,
    plan: Plan<'a>,
}

impl Drawing<'_> {
    /// Returns the session and its verdict: `Session 3: ok: …`.
    pub(super) fn title(&self) -> String {
        title_of(self.session)
    }

    /// Returns both endpoints of the control connection, as in [`Diagram::endpoints`].
    pub(super) fn endpoints(&self) -> String {
        endpoints(self.session)
    }

    /// Returns the origin of time offsets, as in [`Diagram::start`].
    pub(super) fn start(&self) -> Timestamp {
        let first = self.rows().next();
        first.map_or(self.session.start, |row| row.time)
    }

    /// Returns the rows drawn at `detail`, each made on demand.
    pub(super) fn rows_at(&self, detail: Detail) -> impl Iterator<Item = Row> {
        self.rows().filter(move |row| row.levels.has(detail))
    }

    /// Returns whether any arrow touches the lane of the DNS server at `detail`.
    pub(super) fn uses_dns(&self, detail: Detail) -> bool {
        // Most sessions have no lookup, of which no row need be made.
        let mut steps = self.session.steps.iter();
        let has_lookup = self.session.dns.is_some() || steps.any(|step| step.kind == StepKind::Dns);
        has_lookup && self.rows_at(detail).any(|row| row.touches(Lane::Dns))
    }

    /// Returns the address of each lane, as in [`Diagram::addresses`].
    #[must_use]
    pub fn addresses(&self) -> [String; 4] {
        addresses(self.session)
    }

    /// Returns the captures with packets of the session, in order; empty with a single capture.
    #[must_use]
    pub fn captures(&self) -> &[u32] {
        self.places.captures()
    }

    /// Returns the names of all captures; none with a single one.
    pub(super) const fn names(&self) -> &CaptureNames {
        self.names
    }

    /// Returns the number of a row's frame, as few characters: with several captures `5` within the only one that has
    /// packets of the session, else `2:5` for frame 5 of the second capture. `None` without a frame.
    pub(super) fn short_frame(&self, row: &Row) -> Option<String> {
        let frame = row.frame?;
        Some(match row.place {
            Some(place) if self.captures().len() > 1 => {
                format!("{}:{}", u64::from(place.capture) + 1, place.capture_frame)
            }
            Some(place) => place.capture_frame.to_string(),
            None => frame.to_string(),
        })
    }

    /// Returns the captures whose frames the rows name, as a line: `frames of b.pcap`, `frames: 1 is a.pcap, 2 is b.pcap`.
    /// `None` with a single capture.
    pub(super) fn captures_line(&self) -> Option<String> {
        let name = |capture: u32| self.names.name(capture);
        let numbered = |capture: &u32| format!("{} is {}", u64::from(*capture) + 1, name(*capture));
        Some(match self.captures() {
            [] => return None,
            [only] => format!("frames of {}", name(*only)),
            all => {
                let named: Vec<String> = all.iter().take(MAX_NAMED).map(numbered).collect();
                let more = match all.len().saturating_sub(MAX_NAMED) {
                    0 => String::new(),
                    more => format!(" and {more} more captures"),
                };
                format!("frames: {}{more}", named.join(", "))
            }
        })
    }

    /// Returns the count of the segments that were not kept, for want of memory.
    #[must_use]
    pub fn omitted(&self) -> u64 {
        self.plan.omitted
    }

    /// Returns the count of the rows drawn at packet detail only.
    #[must_use]
    pub fn packet_rows(&self) -> usize {
        self.plan.counts().packets
    }

    /// Returns a lower limit for the count of the other rows.
    #[must_use]
    pub fn min_rows(&self) -> usize {
        self.plan.counts().others + self.session.steps.len()
    }

    /// Returns an upper limit for the count of the other rows.
    #[must_use]
    pub fn max_rows(&self) -> usize {
        // Each arrow can have console output after it; each step a heading, its own row, and the typing before it.
        let counts = self.plan.counts();
        2 * counts.others + counts.headings + 3 * self.session.steps.len()
    }

    /// Returns the rows from top to bottom, each made on demand.
    pub fn rows(&self) -> impl Iterator<Item = Row> {
        Rows {
            drafts: self.plan.drafts(),
            builder: RowBuilder::new(self.session, &self.places, self.plan.has_packets()),
            is_finished: false,
        }
    }
}

/// The arrows of one session in order, each as its source.
struct Plan<'a> {
    session: &'a Session,
    parts: ReplyParts,
    /// `None` if the control connection was not traced.
    control: Option<Control<'a>>,
    data: DataConnections<'a>,
    arrows: Arrows<Source<'a>>,
    /// Count of the segments that were not kept.
    omitted: u64,
}

/// Source of an arrow.
#[derive(Clone, Copy)]
enum Source<'a> {
    Message(Message<'a>),
    Control(ControlArrow<'a>),
    Data(DataArrow<'a>),
}

impl<'a> From<Message<'a>> for Source<'a> {
    fn from(message: Message<'a>) -> Self {
        Self::Message(message)
    }
}

impl<'a> From<ControlArrow<'a>> for Source<'a> {
    fn from(arrow: ControlArrow<'a>) -> Self {
        Self::Control(arrow)
    }
}

impl<'a> From<DataArrow<'a>> for Source<'a> {
    fn from(arrow: DataArrow<'a>) -> Self {
        Self::Data(arrow)
    }
}

impl<'a> Plan<'a> {
    /// Plans a session, with the segments that were recorded for it.
    fn new(session: &'a Session, recorder: &'a DiagramRecorder) -> Self {
        let connection = recorder.control(session.id);
        let parts = connection.map_or_else(ReplyParts::default, |connection| {
            ReplyParts::find(session, connection)
        });
        let mut arrows = Arrows::default();
        messages::plan(session, &parts, &mut arrows);
        let control =
            connection.map(|connection| Control::plan(session, connection, &parts, &mut arrows));
        let data = DataConnections::plan(session, recorder, &mut arrows);
        let omitted = connection.map_or(0, |connection| connection.omitted);
        arrows.sort();
        Self {
            session,
            parts,
            control,
            omitted: omitted.saturating_add(data.omitted),
            data,
            arrows,
        }
    }

    /// Returns whether all packets were traced, and not only those that open and close connections.
    fn has_packets(&self) -> bool {
        self.control.as_ref().is_some_and(Control::has_packets)
    }

    /// Returns the counts of the rows.
    fn counts(&self) -> Counts {
        self.arrows.counts()
    }

    /// Makes the arrows one after the other.
    fn drafts(&self) -> impl Iterator<Item = Draft> {
        self.arrows.sources().filter_map(|source| match *source {
            Source::Message(message) => messages::draft(self.session, message, &self.parts),
            Source::Control(arrow) => self.control.as_ref()?.draft(arrow, &self.parts),
            Source::Data(arrow) => self.data.draft(arrow),
        })
    }
}

/// Iterator that turns drafts into rows.
struct Rows<'a, D> {
    drafts: D,
    builder: RowBuilder<'a>,
    /// Set once the drafts are exhausted and the last rows are in the builder.
    is_finished: bool,
}

impl<D: Iterator<Item = Draft>> Iterator for Rows<'_, D> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        loop {
            if let Some(row) = self.builder.rows.pop_front() {
                return Some(row);
            }
            if self.is_finished {
                return None;
            }
            if let Some(draft) = self.drafts.next() {
                self.builder.add(draft);
            } else {
                self.is_finished = true;
                self.builder.finish();
            }
        }
    }
}

/// Builder of the rows of one session.
struct RowBuilder<'a> {
    session: &'a Session,
    places: &'a SessionPlaces,
    phases: Vec<Phase>,
    /// Index of the next phase.
    phase: usize,
    /// Number of the current step, 0 before the first.
    step: u64,
    /// Count of the steps whose own row is drawn.
    steps_drawn: usize,
    tracker: StateTracker,
    /// Finished rows, not yet taken.
    rows: VecDeque<Row>,
    /// Label of the last row; `None` unless it is a phase heading.
    heading: Option<String>,
    /// Console output deferred until after the acknowledgements that follow its cause; `None` if there is none.
    deferred: Option<(Box<Shown>, Cause)>,
    /// Whether all packets were traced: then they count the bytes, else the messages do.
    has_packets: bool,
}

/// Circumstances of the arrow that caused console output.
#[derive(Clone, Copy)]
struct Cause {
    time: Timestamp,
    failed: bool,
}

impl<'a> RowBuilder<'a> {
    fn new(session: &'a Session, places: &'a SessionPlaces, has_packets: bool) -> Self {
        Self {
            session,
            places,
            phases: divide_into_phases(&session.steps),
            phase: 0,
            step: 0,
            steps_drawn: 0,
            tracker: StateTracker::new(session.tls.as_ref().is_some_and(|tls| tls.decrypted)),
            rows: VecDeque::new(),
            heading: None,
            deferred: None,
            has_packets,
        }
    }

    /// Adds the rows after the last arrow: deferred output and steps without arrows.
    fn finish(&mut self) {
        self.show_deferred();
        if let Some(last) = self.session.steps.last() {
            self.advance(last.number);
        }
        self.draw_steps(u64::MAX);
    }

    /// Adds an arrow, with the rows that belong before and after it.
    fn add(&mut self, mut draft: Draft) {
        if !draft.is_ack {
            self.show_deferred();
        }
        if let Some(step) = draft.step {
            self.advance(step);
        }
        if let Some(typed) = draft.typed.take() {
            self.push_typed(*typed, draft.time);
        }
        if let Some(part) = draft.part
            && !self.repeats_heading(part)
        {
            let levels = draft.levels;
            self.push_heading(RowKind::Part, part.to_owned(), levels, draft.time);
        }
        // Effects come before the row: its state is the one after it.
        for effect in &draft.effects {
            self.tracker.apply(effect, draft.levels, self.has_packets);
        }
        let shown = draft.shown.take();
        let cause = Cause {
            time: draft.time,
            failed: draft.failed,
        };
        self.push_arrow(draft);
        match shown {
            Some(shown) if shown.after_acks => self.deferred = Some((shown, cause)),
            Some(shown) => self.push_shown(*shown, cause),
            None => {}
        }
    }

    /// Advances to a step: draws the rows of the steps before it, its heading, and the typing that begins it.
    fn advance(&mut self, step: u64) {
        while self.step < step {
            self.draw_steps(self.step);
            self.step += 1;
            let number = self.step;
            let Some(step) = self.find(number) else {
                // A number without a step was omitted from the record. Beyond the last step there is nothing to visit.
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
            if let Some(typed) = messages::typed_for(self.session, step) {
                self.push_typed(typed, time);
            }
        }
    }

    /// Finds a step by its number; `None` if it was omitted from the record.
    fn find(&self, number: u64) -> Option<&'a Step> {
        // Numbers count from 1 without gaps, unless steps were omitted: then search.
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        let steps = &self.session.steps;
        let step = steps.get(index).filter(|step| step.number == number);
        let step = step.or_else(|| {
            let index = steps.binary_search_by_key(&number, |step| step.number);
            index.ok().and_then(|index| steps.get(index))
        });
        step.map(AsRef::as_ref)
    }

    /// Draws the rows of the steps up to a number. A step is drawn at its end, when its outcome has changed the state.
    fn draw_steps(&mut self, up_to: u64) {
        let session = self.session;
        while let Some(step) = session.steps.get(self.steps_drawn)
            && step.number <= up_to
        {
            self.steps_drawn += 1;
            let (from, to) = step_lanes(session, step);
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
                place: frame.and_then(|frame| self.places.find(frame)),
                step: Some(step.number),
                state: self.tracker.at(Levels::STEPS),
                console: Vec::new(),
                failed: step_mark(step, session) == Outcome::Failed,
            });
        }
    }

    /// Returns whether a subheading would repeat the phase heading just above it.
    fn repeats_heading(&self, part: &str) -> bool {
        let heading = self.heading.as_deref();
        heading.is_some_and(|heading| heading.eq_ignore_ascii_case(part))
    }

    fn push_typed(&mut self, typed: messages::Typed, time: Timestamp) {
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

    fn show_deferred(&mut self) {
        if let Some((shown, cause)) = self.deferred.take() {
            self.push_shown(*shown, cause);
        }
    }

    fn push_shown(&mut self, shown: Shown, cause: Cause) {
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
            place: None,
            step: (self.step > 0).then_some(self.step),
            state: self.tracker.at(levels),
            console: Vec::new(),
            failed: false,
        });
    }

    fn push_arrow(&mut self, draft: Draft) {
        let several = !self.places.captures().is_empty();
        let traced = draft.traced.filter(|_| several).map(CaptureFrame::from);
        let place = traced.or_else(|| self.places.find(draft.frame));
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
            // Rows of the console have frame 0: no packet shows them.
            frame: (draft.frame > 0).then_some(draft.frame),
            place,
            step: (self.step > 0).then_some(self.step),
            state: self.tracker.at(draft.levels),
            console: draft.console,
            failed: draft.failed,
        });
    }
}

/// Formats the title of a session's diagram.
pub(super) fn title_of(session: &Session) -> String {
    format!("Session {}: {}", session.id, session.verdict.text)
}

/// Formats both endpoints: `192.0.2.7:50211 → ftp.example.org (192.0.2.1:21)`.
fn endpoints(session: &Session) -> String {
    let server = Endpoint::new(session.server.ip, session.server.port);
    let client = Endpoint::from(session.client);
    match &session.server.name {
        Some(name) => format!("{client} → {name} ({server})"),
        None => format!("{client} → {server}"),
    }
}

/// Returns the address of each lane, and for the console, which no packet shows, where its text comes from.
fn addresses(session: &Session) -> [String; 4] {
    let resolver = session.dns.as_ref().map(|dns| dns.resolver.ip.to_string());
    [
        resolver.unwrap_or_default(),
        session.server.ip.to_string(),
        session.client.ip.to_string(),
        CONSOLE_SOURCE.to_owned(),
    ]
}

/// Origin of what the console shows: it was typed and read on the client's screen, not sent.
pub(super) const CONSOLE_SOURCE: &str = "rebuilt from the commands";

/// Returns the lanes of the arrow of a step: the direction of its data, else that of its command.
fn step_lanes(session: &Session, step: &Step) -> (Lane, Lane) {
    let to_client = (Lane::Server, Lane::Client);
    let to_server = (Lane::Client, Lane::Server);
    match step.kind {
        StepKind::Dns => (Lane::Client, Lane::Dns),
        StepKind::Greeting => to_client,
        StepKind::Disconnect if step.title.ends_with("server") => to_client,
        StepKind::List | StepKind::Retrieve => {
            let transfer = step.transfer.and_then(|id| session.transfer(id));
            let receives = transfer.is_some_and(|transfer| {
                transfer.bytes > 0 && transfer.direction != TransferDirection::Upload
            });
            if receives { to_client } else { to_server }
        }
        _ => to_server,
    }
}

/// Consecutive steps under one heading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Phase {
    /// Number of its first step.
    pub(super) first: u64,
    group: Group,
    /// Index of its first step.
    start: usize,
    /// Count of its steps.
    length: usize,
}

impl Phase {
    /// Returns the title; `steps` are all steps of the session.
    pub(super) fn title(self, steps: &[Arc<Step>]) -> String {
        let end = self.start.saturating_add(self.length);
        title(self.group, steps.get(self.start..end).unwrap_or_default())
    }
}

/// Kind of a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    Lookup,
    Control,
    Login,
    Encryption,
    Listing,
    Directory,
    Download,
    Upload,
    Rename,
    Delete,
    Commands,
    Logout,
    Release,
}

/// Divides the steps of a session into phases, in order.
pub(super) fn divide_into_phases(steps: &[Arc<Step>]) -> Vec<Phase> {
    let mut phases = Vec::new();
    let mut rest = steps;
    let mut previous = None;
    while let Some(first) = rest.first() {
        let group = group(first.kind, previous);
        let mut length = 1;
        while let Some(next) = rest.get(length)
            && continues(group, next.kind)
        {
            length += 1;
        }
        phases.push(Phase {
            first: first.number,
            group,
            start: steps.len() - rest.len(),
            length,
        });
        previous = Some(group);
        rest = rest.get(length..).unwrap_or_default();
    }
    phases
}

/// Returns the kind of phase that a step begins after a phase of kind `previous`; `None` for the first.
fn group(kind: StepKind, previous: Option<Group>) -> Group {
    match kind {
        StepKind::Dns => Group::Lookup,
        StepKind::Connect | StepKind::Greeting => Group::Control,
        // A capture that begins with the login shows neither handshake nor greeting.
        StepKind::Login if previous.is_none_or(|previous| previous == Group::Lookup) => {
            Group::Control
        }
        StepKind::Login => Group::Login,
        StepKind::Tls => Group::Encryption,
        StepKind::List => Group::Listing,
        StepKind::Cwd => Group::Directory,
        StepKind::Retrieve => Group::Download,
        StepKind::Store => Group::Upload,
        StepKind::Rename => Group::Rename,
        StepKind::Delete => Group::Delete,
        StepKind::Command => Group::Commands,
        StepKind::Quit => Group::Logout,
        StepKind::Disconnect => Group::Release,
    }
}

/// Returns whether a step continues a phase. Each transfer is a phase of its own.
fn continues(group: Group, next: StepKind) -> bool {
    match group {
        Group::Control => matches!(
            next,
            StepKind::Connect | StepKind::Greeting | StepKind::Login
        ),
        Group::Login => next == StepKind::Login,
        Group::Encryption => next == StepKind::Tls,
        Group::Commands => next == StepKind::Command,
        Group::Logout => matches!(next, StepKind::Quit | StepKind::Disconnect),
        _ => false,
    }
}

/// Formats the title of a phase, with its verbs in brackets.
fn title(group: Group, steps: &[Arc<Step>]) -> String {
    let has = |kind| steps.iter().any(|step| step.kind == kind);
    let name = match group {
        Group::Lookup => return "DNS query for the server's address".to_owned(),
        Group::Release => return "Control connection is released".to_owned(),
        Group::Control if has(StepKind::Login) => "Control connection and login",
        Group::Control => "Control connection",
        Group::Login => "Login",
        Group::Encryption => "Encryption",
        Group::Listing => "Directory listing",
        Group::Directory => "Change directory",
        Group::Download => "Download",
        Group::Upload => "Upload",
        Group::Rename => "Rename",
        Group::Delete => "Delete",
        Group::Commands if steps.len() == 1 => "Command",
        Group::Commands => "Commands",
        Group::Logout => "Logout",
    };
    let mut verbs: Vec<&str> = Vec::new();
    for command in steps.iter().flat_map(|step| &step.commands) {
        if !verbs.contains(&command.verb.as_str()) {
            verbs.push(&command.verb);
        }
        // One more than the limit proves that some are omitted; a phase may have a million commands.
        if verbs.len() > MAX_VERBS {
            break;
        }
    }
    if verbs.len() > MAX_VERBS {
        verbs.truncate(MAX_VERBS);
        verbs.push("…");
    }
    // A negotiation and its transfer belong together: `PASV and RETR`.
    let pair = matches!(group, Group::Listing | Group::Download | Group::Upload);
    match (verbs.split_last(), group) {
        (None, _) | (_, Group::Logout) => name.to_owned(),
        (Some((last, before)), _) if pair && !before.is_empty() => {
            format!("{name} ({} and {last})", before.join(", "))
        }
        (Some(_), _) => format!("{name} ({})", verbs.join(", ")),
    }
}

/// Limit of the verbs named in a title.
const MAX_VERBS: usize = 6;

/// Captures named in one line.
const MAX_NAMED: usize = 20;
