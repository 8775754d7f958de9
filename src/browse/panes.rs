//! Panes: what each shows of a session, as items of one line.
//!
//! Steps and transfers become text when they are drawn or searched: a session may have 100,000 of them. An item that is
//! open is followed by lines that say more.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::tz::TimeZone;

use super::contents::Contents;
use super::line::{
    BOLD, CYAN, DIM, Line, PLAIN, YELLOW, outcome_mark, severity_style, styled, verdict_mark,
    wrapped,
};
pub(super) use crate::diagram::Row as Arrow;
use crate::diagram::{Detail, DiagramRecorder, TextOptions, draw_rows};
use crate::model::Endpoint;
use crate::model::record::{
    EndState, Finding, Session, Severity, Step, StepKind, Transfer, TransferDirection,
};
use crate::model::{Event, EventKind, EventSink as _, FrameRef, Limits};
use crate::report::marks::{step_mark, transfer_mark};
use crate::report::table::{
    self, completeness_words, exchange, final_reply, frames, listing_entry, login, severity_word,
    transfer_name, way,
};
use crate::report::tree::ServerTrees;
use crate::report::{CaptureNames, ReportBuilder, SessionPlaces, units};

/// A view of a session, or the list of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pane {
    Sessions,
    Steps,
    Files,
    Findings,
    Diagram,
    Content,
    Tree,
}

impl Pane {
    /// All panes in the order of their numbers.
    pub(super) const ALL: [Self; 7] = [
        Self::Sessions,
        Self::Steps,
        Self::Files,
        Self::Findings,
        Self::Diagram,
        Self::Content,
        Self::Tree,
    ];

    /// Returns the index, from 0.
    pub(super) const fn index(self) -> usize {
        self as usize
    }

    /// Returns the title, short for a narrow terminal.
    pub(super) const fn title(self, short: bool) -> &'static str {
        match (self, short) {
            (Self::Sessions, false) => "Sessions",
            (Self::Sessions, true) => "Sess",
            (Self::Steps, _) => "Steps",
            (Self::Files, _) => "Files",
            (Self::Findings, false) => "Findings",
            (Self::Findings, true) => "Find",
            (Self::Diagram, false) => "Diagram",
            (Self::Diagram, true) => "Diag",
            (Self::Content, false) => "Content",
            (Self::Content, true) => "Cont",
            (Self::Tree, _) => "Tree",
        }
    }
}

/// One line of a pane.
pub(super) struct Item {
    pub(super) anchor: Anchor,
    /// `None` for a line that is made when it is needed.
    line: Option<Line>,
    /// False for a line that the selection passes over.
    pub(super) halts: bool,
}

/// Part of the session that a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    None,
    /// Index into the steps.
    Step(usize),
    /// Index into the transfers.
    Transfer(usize),
    /// Index into the findings of the session, behind them those about several sessions.
    Finding(usize),
    /// Index into the arrows of the diagram.
    Arrow(usize),
}

impl Item {
    const fn later(anchor: Anchor) -> Self {
        Self {
            anchor,
            line: None,
            halts: true,
        }
    }

    const fn text(line: Line) -> Self {
        Self::of(Anchor::None, line)
    }

    const fn of(anchor: Anchor, line: Line) -> Self {
        Self {
            anchor,
            line: Some(line),
            halts: true,
        }
    }
}

/// Everything that panes are made of.
pub(super) struct Subject<'a> {
    pub(super) session: &'a Session,
    pub(super) places: &'a SessionPlaces,
    pub(super) names: &'a CaptureNames,
    pub(super) zone: &'a TimeZone,
    /// Findings about several sessions that name this one.
    pub(super) several: &'a [Finding],
    /// `None` for a report made before.
    pub(super) contents: Option<&'a Contents>,
    /// Segments of the captures; none for a report made before.
    pub(super) recorder: &'a Mutex<DiagramRecorder>,
    /// Transfer that was chosen last, by index.
    pub(super) transfer: usize,
    /// Sessions with the same server and user, this one among them; empty before they were looked for.
    pub(super) visits: &'a [Arc<Session>],
}

/// Items of a pane, and the arrows of a diagram.
#[derive(Default)]
pub(super) struct Filled {
    pub(super) items: Vec<Item>,
    pub(super) arrows: Vec<Arrow>,
}

impl Subject<'_> {
    /// Fills a pane for a width; `open` holds the indexes of what is opened in it.
    pub(super) fn fill(&self, pane: Pane, open: &BTreeSet<usize>, width: usize) -> Filled {
        let items = match pane {
            Pane::Sessions => Vec::new(),
            Pane::Steps => self.steps(open, width),
            Pane::Files => self.files(open, width),
            Pane::Findings => self.findings(width),
            Pane::Diagram => return self.diagram(width),
            Pane::Content => self.content(width),
            Pane::Tree => self.tree(width),
        };
        Filled {
            items,
            arrows: Vec::new(),
        }
    }

    /// Returns the titles of the columns; `None` for a pane without.
    pub(super) fn titles(pane: Pane, width: usize) -> Option<Line> {
        let mut line = Line::default();
        match pane {
            Pane::Steps => {
                let shape = StepShape::of(width);
                line.cell(DIM, "", 1)
                    .right(DIM, "#", 4)
                    .right(DIM, "At", 10);
                line.cell(DIM, "Step", shape.title);
                line.cell(
                    DIM,
                    if shape.is_wide { "Reply" } else { "Code" },
                    shape.reply,
                );
                if shape.is_wide {
                    line.right(DIM, "Took", TOOK);
                }
                line.add(DIM, "Frames");
            }
            Pane::Files => {
                let shape = FileShape::of(width);
                line.cell(DIM, "", 1).right(DIM, "#", 3);
                line.cell(DIM, "Transfer", shape.name).cell(DIM, "Way", 8);
                line.right(DIM, "Size", SIZE).cell(DIM, "State", STATE);
                if shape.digest > 0 {
                    line.cell(DIM, "SHA-256", shape.digest);
                }
            }
            _ => return None,
        }
        Some(line)
    }

    /// Returns the text of an item.
    pub(super) fn line(&self, item: &Item, width: usize) -> Line {
        let session = self.session;
        match (&item.line, item.anchor) {
            (Some(line), _) => line.clone(),
            (None, Anchor::Step(index)) => match session.steps.get(index) {
                Some(step) => self.step(step, width),
                None => Line::default(),
            },
            (None, Anchor::Transfer(index)) => match session.transfers.get(index) {
                Some(transfer) => file(transfer, width),
                None => Line::default(),
            },
            (None, _) => Line::default(),
        }
    }

    /// Returns the two lines about the session above its panes.
    pub(super) fn heading(&self) -> [Line; 2] {
        let session = self.session;
        let (sign, word, style) = verdict_mark(session.verdict.status);
        let mut first = Line::of(style, sign);
        first.add(BOLD, &format!(" Session {}  ", session.id));
        first
            .add(style, word)
            .plain("  ")
            .plain(&session.verdict.text);
        let server = Endpoint::new(session.server.ip, session.server.port);
        let client = Endpoint::from(session.client);
        let ends = match &session.server.name {
            Some(name) => format!("{client} → {name} ({server})"),
            None => format!("{client} → {server}"),
        };
        let end = match session.end_state {
            EndState::Closed => "closed",
            EndState::Reset => "reset",
            EndState::Open => "still open",
            EndState::Timeout => "never closed",
        };
        let facts = format!(
            "  {}, {}, {end}, {}",
            units::time(session.start, self.zone),
            units::duration(session.duration),
            login(session)
        );
        let mut second = Line::of(PLAIN, &ends);
        second.add(DIM, &facts);
        [first, second]
    }

    fn steps(&self, open: &BTreeSet<usize>, width: usize) -> Vec<Item> {
        let session = self.session;
        let mut items = Vec::with_capacity(session.steps.len());
        for (index, step) in session.steps.iter().enumerate() {
            items.push(Item::later(Anchor::Step(index)));
            if open.contains(&index) {
                let lines = self.step_lines(step, width);
                items.extend(
                    lines
                        .into_iter()
                        .map(|line| Item::of(Anchor::Step(index), line)),
                );
            }
        }
        omitted(session.steps_omitted, "step", "steps", &mut items);
        let inferred = session.steps.iter().any(|step| step.inferred);
        if !inferred && !session.unsolicited_replies.is_empty() {
            let title = "Replies that no captured command waits for";
            items.push(Item::text(Line::of(BOLD, title)));
            for reply in &session.unsolicited_replies {
                let text = reply.lines.last().map_or("", String::as_str);
                let mut line = Line::of(PLAIN, &format!("  < {} {text}", reply.code));
                let frame = self.names.frame(reply.frame, reply.place());
                line.add(DIM, &format!(" ({frame})"));
                items.push(Item::text(line));
            }
            let count = session.unsolicited_replies_omitted;
            omitted(count, "reply", "replies", &mut items);
        }
        if items.is_empty() {
            items.push(Item::text(Line::of(DIM, "no step in the capture")));
        }
        items
    }

    fn step(&self, step: &Step, width: usize) -> Line {
        let session = self.session;
        let shape = StepShape::of(width);
        let (sign, style) = outcome_mark(step_mark(step, session));
        let start = session.steps.first().map_or(session.start, |one| one.time);
        let (code, text) = final_reply(step);
        let mut line = Line::default();
        line.cell(style, sign, 1);
        line.right(DIM, &step.number.to_string(), 4);
        line.right(DIM, &units::offset(step.time, start), 10);
        line.cell(PLAIN, &step.title, shape.title);
        if shape.is_wide {
            line.cell(PLAIN, &format!("{code} {text}"), shape.reply);
            let took = (step.duration > 0.0).then(|| units::duration(step.duration));
            line.right(DIM, &took.unwrap_or_default(), TOOK);
        } else {
            line.cell(PLAIN, &code, shape.reply);
        }
        let frames = frames(step, session, self.places, self.names);
        line.add(DIM, &frames.join(", "));
        line
    }

    /// Returns the commands and replies of a step.
    fn step_lines(&self, step: &Step, width: usize) -> Vec<Line> {
        let mut lines = Vec::new();
        for command in &step.commands {
            let frame = self.names.frame(command.frame, command.place());
            for (index, text) in exchange(command).into_iter().enumerate() {
                for (part, text) in wrapped(&text, width.saturating_sub(24)).iter().enumerate() {
                    let mut line = Line::of(CYAN, "       │ ");
                    line.plain(text);
                    if index == 0 && part == 0 {
                        line.add(DIM, &format!("  {frame}"));
                    }
                    lines.push(line);
                }
                if lines.len() > MAX_LINES {
                    return lines;
                }
            }
            if let Some(seconds) = command.response_time {
                let text = format!("       │ first reply after {}", units::duration(seconds));
                lines.push(Line::of(DIM, &text));
            }
        }
        if step.kind == StepKind::Greeting
            && let Some(greeting) = &self.session.greeting
        {
            for text in &greeting.lines {
                lines.push(Line::of(
                    PLAIN,
                    &format!("       │ < {} {text}", greeting.code),
                ));
            }
        }
        if let Some(directory) = &step.directory {
            lines.push(Line::of(DIM, &format!("       │ directory {directory}")));
        }
        lines
    }

    fn files(&self, open: &BTreeSet<usize>, width: usize) -> Vec<Item> {
        let session = self.session;
        let mut items = Vec::with_capacity(session.transfers.len());
        for (index, transfer) in session.transfers.iter().enumerate() {
            items.push(Item::later(Anchor::Transfer(index)));
            if open.contains(&index) {
                let lines = self.transfer_lines(transfer, width);
                let anchor = Anchor::Transfer(index);
                items.extend(lines.into_iter().map(|line| Item::of(anchor, line)));
            }
        }
        omitted(
            session.transfers_omitted,
            "transfer",
            "transfers",
            &mut items,
        );
        for data in &session.encrypted_data {
            let (client, server) = (data.bytes_from_client, data.bytes_from_server);
            let text = format!(
                "encrypted data connection: {} from the client, {} from the server",
                units::bytes(client),
                units::bytes(server)
            );
            items.push(Item::text(Line::of(PLAIN, &text)));
        }
        if items.is_empty() {
            let text = "no transfer in this session";
            items.push(Item::text(Line::of(DIM, text)));
        }
        items
    }

    /// Returns the facts of a transfer.
    fn transfer_lines(&self, transfer: &Transfer, width: usize) -> Vec<Line> {
        let mut facts: Vec<(&str, String)> = Vec::new();
        for sentence in &transfer.evidence {
            let sentence = self.names.evidence(transfer, sentence);
            facts.push(("evidence", sentence.into_owned()));
        }
        if transfer.missing_bytes > 0 {
            facts.push(("missing", units::bytes(transfer.missing_bytes)));
        }
        facts.extend(
            transfer
                .announced_bytes
                .map(|size| ("announced", units::bytes(size))),
        );
        if transfer.restart_offset > 0 {
            facts.push((
                "from byte",
                units::count(transfer.restart_offset).to_string(),
            ));
        }
        facts.extend(transfer.throughput.map(|rate| ("rate", units::rate(rate))));
        let digests = [
            ("sha256", &transfer.sha256),
            ("md5", &transfer.md5),
            ("sha1", &transfer.sha1),
            ("type", &transfer.media_type),
            ("saved as", &transfer.saved_as),
        ];
        for (name, digest) in digests {
            facts.extend(digest.clone().map(|digest| (name, digest)));
        }
        if let Some(connection) = &transfer.connection {
            let ends = format!(
                "{} ↔ {}",
                Endpoint::from(connection.client),
                Endpoint::from(connection.server)
            );
            facts.push(("data", ends));
            let first = self
                .names
                .frame(connection.first_frame, connection.first_place());
            facts.push(("frames", format!("{first} to {}", connection.last_frame)));
        } else {
            facts.push(("data", "no data connection in the capture".to_owned()));
        }
        if let Some(decoded) = &transfer.decoded {
            let text = format!(
                "{}, {}",
                decoded.steps.join(", "),
                units::bytes(decoded.bytes)
            );
            facts.push(("decoded", text));
        }
        let mut lines = Vec::new();
        for (name, text) in facts {
            let parts = wrapped(&text, width.saturating_sub(20));
            for (index, part) in parts.iter().enumerate() {
                let mut line = Line::of(CYAN, "     │ ");
                line.cell(DIM, if index == 0 { name } else { "" }, 10)
                    .plain(part);
                lines.push(line);
            }
        }
        lines
    }

    fn findings(&self, width: usize) -> Vec<Item> {
        let mut items = Vec::new();
        let all = self.session.findings.iter().chain(self.several);
        let mut all: Vec<_> = all.enumerate().collect();
        all.sort_by_key(|(_, finding)| Reverse(finding.severity));
        for (index, finding) in all {
            let anchor = Anchor::Finding(index);
            if !items.is_empty() {
                items.push(Item::text(Line::default()));
            }
            let mut first = Line::default();
            let style = severity_style(finding.severity);
            first.cell(style, severity_word(finding.severity), 6);
            first.add(BOLD, &finding.title);
            items.push(Item::of(anchor, first));
            let mut facts = vec![finding.id.clone()];
            facts.extend(self.names.frames(finding));
            facts.extend(finding.step.map(|step| format!("step {step}")));
            facts.extend(finding.transfer.map(|id| format!("transfer {id}")));
            if !finding.sessions.is_empty() {
                let sessions =
                    units::counted(units::to_u64(finding.sessions.len()), "session", "sessions");
                facts.push(format!("about {sessions}"));
            }
            let text = format!("       {}", facts.join(", "));
            items.push(Item::of(anchor, Line::of(DIM, &text)));
            for text in wrapped(&self.names.explanation(finding), width.saturating_sub(8)) {
                items.push(Item::of(anchor, Line::of(PLAIN, &format!("       {text}"))));
            }
            if finding.severity > Severity::Info || !finding.advice.is_empty() {
                for (part, text) in wrapped(&finding.advice, width.saturating_sub(10))
                    .iter()
                    .enumerate()
                {
                    let arrow = if part == 0 {
                        "       → "
                    } else {
                        "         "
                    };
                    let mut line = Line::of(CYAN, arrow);
                    line.plain(text);
                    items.push(Item::of(anchor, line));
                }
            }
        }
        omitted(
            self.session.findings_omitted,
            "finding",
            "findings",
            &mut items,
        );
        if items.is_empty() {
            items.push(Item::text(Line::of(
                DIM,
                "nothing was found in this session",
            )));
        }
        items
    }

    fn diagram(&self, width: usize) -> Filled {
        let options = TextOptions {
            detail: Detail::Messages,
            width: u16::try_from(width).unwrap_or(u16::MAX),
            color: true,
        };
        let recorder = self.recorder.lock().unwrap_or_else(PoisonError::into_inner);
        let drawn = draw_rows(self.session, &recorder, options, MAX_ARROWS);
        let mut filled = Filled::default();
        // Title and ends of the session stand above the pane.
        let head = drawn.head.split_once("\n\n").map_or("", |(_, head)| head);
        let fixed = |line| Item {
            halts: false,
            ..Item::text(line)
        };
        filled.items.extend(styled(head).into_iter().map(fixed));
        for (arrow, text) in drawn.rows {
            let anchor = Anchor::Arrow(filled.arrows.len());
            let is_heading = arrow.caption.is_empty();
            let lines = styled(&text);
            let last = lines.len().saturating_sub(1);
            for (index, line) in lines.into_iter().enumerate() {
                filled.items.push(Item {
                    // Of an arrow with its label above it, the arrow is selected.
                    halts: index == last && !is_heading,
                    ..Item::of(anchor, line)
                });
            }
            filled.arrows.push(arrow);
        }
        if drawn.is_cut {
            let text = "the diagram goes on; ftpscope diagram draws all of it";
            filled.items.push(Item::text(Line::of(DIM, text)));
        }
        filled
    }

    fn content(&self, width: usize) -> Vec<Item> {
        let transfers = &self.session.transfers;
        let Some(transfer) = transfers.get(self.transfer).or_else(|| transfers.first()) else {
            let text = "no transfer in this session";
            return vec![Item::text(Line::of(DIM, text))];
        };
        let mut title = Line::of(BOLD, &transfer_name(transfer));
        let state = completeness_words(transfer.completeness);
        title.plain(&format!("  {}, {state}", units::bytes(transfer.bytes)));
        let mut items = vec![Item::text(title)];
        if transfer.direction == TransferDirection::Listing {
            for entry in &transfer.entries {
                let modified = entry.modified.as_deref().unwrap_or_default();
                let rights = entry.permissions.as_deref().unwrap_or_default();
                let mut line = Line::default();
                line.cell(DIM, rights, 10).cell(DIM, modified, 20);
                line.plain(&listing_entry(entry));
                items.push(Item::text(line));
            }
            omitted(transfer.entries_omitted, "entry", "entries", &mut items);
            for line in &transfer.cut_lines {
                items.push(Item::text(Line::of(YELLOW, &format!("cut: {line}"))));
            }
            return items;
        }
        let kept = self
            .contents
            .map(|contents| contents.beginning(self.session.id, transfer.id));
        match kept {
            Some(Some(beginning)) => {
                items.extend(beginning.lines(width).into_iter().map(Item::text));
            }
            Some(None) => {
                let text = "no byte of the file is at hand";
                items.push(Item::text(Line::of(DIM, text)));
            }
            None => {
                let text = "a report does not hold files; browse the captures to see their content";
                let lines = wrapped(text, width);
                items.extend(lines.iter().map(|line| Item::text(Line::of(DIM, line))));
            }
        }
        items
    }

    /// Fills the pane with the folders as this session and others of the same user saw them.
    fn tree(&self, width: usize) -> Vec<Item> {
        let mut builder = ReportBuilder::new(&Limits::default());
        for visit in self.visits {
            builder.event(&Event {
                frame: FrameRef::default(),
                session: Some(visit.id),
                late: false,
                kind: EventKind::SessionEnd(Arc::clone(visit)),
            });
        }
        let report = builder.finish(Vec::new(), crate::model::record::Totals::default());
        let options = table::Options {
            width: u16::try_from(width).unwrap_or(u16::MAX),
            color: true,
            zone: self.zone.clone(),
            verbose: false,
            summary: false,
            captures: self.names.clone(),
        };
        let mut out = Vec::new();
        let written = table::render_tree(&mut ServerTrees::of(&report), &options, &mut out);
        let text = match written {
            Ok(()) => String::from_utf8_lossy(&out).into_owned(),
            Err(cause) => cause.to_string(),
        };
        let lines = styled(&text).into_iter().take(MAX_ENTRIES);
        lines.map(Item::text).collect()
    }
}

/// Columns of the table of steps.
struct StepShape {
    title: usize,
    reply: usize,
    is_wide: bool,
}

impl StepShape {
    fn of(width: usize) -> Self {
        // Mark, number, time and frames, with their spaces.
        let free = width.saturating_sub(2 + 5 + 11 + FRAMES);
        if width >= 100 {
            let free = free.saturating_sub(TOOK + 1);
            let title = free / 2;
            Self {
                title,
                reply: free.saturating_sub(title + 2),
                is_wide: true,
            }
        } else {
            Self {
                title: free.saturating_sub(6),
                reply: 4,
                is_wide: false,
            }
        }
    }
}

/// Columns of the table of transfers.
struct FileShape {
    name: usize,
    digest: usize,
}

impl FileShape {
    fn of(width: usize) -> Self {
        let free = width.saturating_sub(2 + 4 + 9 + (SIZE + 1) + (STATE + 1) + 1);
        let digest = match width {
            150.. => 64,
            84.. => 12,
            _ => 0,
        };
        Self {
            name: free.saturating_sub(if digest > 0 { digest + 1 } else { 0 }),
            digest,
        }
    }
}

fn file(transfer: &Transfer, width: usize) -> Line {
    let shape = FileShape::of(width);
    let (sign, style) = outcome_mark(transfer_mark(transfer));
    let mut line = Line::default();
    line.cell(style, sign, 1);
    line.right(DIM, &transfer.id.to_string(), 3);
    line.cell(PLAIN, &transfer_name(transfer), shape.name);
    line.cell(PLAIN, way(transfer.direction), 8);
    line.right(PLAIN, &short_size(transfer.bytes), SIZE);
    line.cell(style, completeness_words(transfer.completeness), STATE);
    if shape.digest > 0 {
        let digest = transfer.sha256.as_deref().unwrap_or_default();
        let shown = digest.get(..shape.digest).unwrap_or(digest);
        line.cell(DIM, shown, shape.digest);
    }
    line
}

/// Formats a number of bytes for a column that is titled so.
pub(super) fn short_size(bytes: u64) -> String {
    let size = units::size(bytes);
    size.strip_suffix(" bytes")
        .map_or_else(|| size.clone(), str::to_owned)
}

fn omitted(count: u64, one: &str, many: &str, items: &mut Vec<Item>) {
    if count > 0 {
        let text = format!("… and {} left out", units::counted(count, one, many));
        items.push(Item::text(Line::of(DIM, &text)));
    }
}

/// Width of a duration.
const TOOK: usize = 11;
/// Width of the frames of a step.
const FRAMES: usize = 15;
/// Width of a size.
const SIZE: usize = 9;
/// Width of a completeness.
const STATE: usize = 12;
/// Lines that say more about one step.
const MAX_LINES: usize = 2_000;
/// Lines of a tree.
const MAX_ENTRIES: usize = 50_000;
/// Arrows of a diagram.
const MAX_ARROWS: usize = 20_000;
