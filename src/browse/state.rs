//! State: the sessions in their order, the selection in each pane, and the line that is typed.
//!
//! Keys change it, time lets it go on ([`Browser::tick`]), and [`picture`](super::picture) draws it. It knows no terminal.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;

use super::contents::Contents;
use super::keys::{Action, Key, Move};
use super::overlay::Overlay;
use super::panes::{Anchor, Arrow, Filled, Pane, Subject};
use super::report_file::ReportFile;
use super::sessions::{Feed, Row, Sessions};
use crate::check::{Expression, Scope, Selection};
use crate::diagram::DiagramRecorder;
use crate::model::record::{Finding, Outcome, Session, Step, StepKind, VerdictStatus};
use crate::model::system_message;
use crate::report::marks::step_mark;
use crate::report::{CaptureNames, SessionPlaces};

/// Origin of what is looked through, and its presentation.
pub struct BrowseOptions {
    /// Name of the input, for the first line.
    pub title: String,
    /// Zone of times.
    pub zone: TimeZone,
    /// Names of the captures, which frames are named by if there are several.
    pub captures: CaptureNames,
    /// Uses colours.
    pub color: bool,
    /// Draws with ASCII characters only.
    pub ascii: bool,
    /// Beginnings of files; `None` for a report made before.
    pub contents: Option<Contents>,
    /// Segments of the captures, for diagrams.
    pub recorder: Arc<Mutex<DiagramRecorder>>,
    /// Carries out jobs that read the captures again; `None` for a report made before.
    pub worker: Option<Worker>,
    /// Fields of digests that were not computed, so that no filter can ask for them.
    pub absent_digests: Vec<&'static str>,
}

/// Carries out a job and returns a message about what was done, or why it was not.
pub type Worker = Arc<dyn Fn(Job) -> Result<String, String> + Send + Sync>;

/// A job that reads the captures again.
#[derive(Clone, Debug)]
pub enum Job {
    /// Saves a file.
    Save {
        /// The session.
        session: Arc<Session>,
        /// Id of the transfer.
        transfer: u64,
        /// Folder to save it below.
        folder: PathBuf,
    },
    /// Writes the packets of a session.
    Write {
        /// The session.
        session: Arc<Session>,
        /// The file to write.
        path: PathBuf,
    },
}

/// Request to the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Copy(String),
    Suspend,
    Quit,
}

/// The whole state.
pub struct Browser {
    pub(super) options: BrowseOptions,
    pub(super) sessions: Sessions,
    pub(super) list: List,
    pub(super) focus: Pane,
    /// Pane shown beside the list.
    pub(super) detail: Pane,
    /// Record of the selected session; `None` before it is read, and for a large one until it is opened.
    pub(super) opened: Option<Opened>,
    pub(super) prompt: Option<Prompt>,
    /// Lines in a box over everything, with their title.
    pub(super) overlay: Option<Overlay>,
    /// Message in the last line; `None` for the keys.
    pub(super) message: Option<String>,
    searched: Option<Search>,
    job: Option<Receiver<Result<String, String>>>,
    /// Rows of the list and of the pane, as drawn last.
    pub(super) heights: [usize; 2],
    /// Columns of the pane, as drawn last.
    pub(super) width: usize,
    requests: Vec<Request>,
}

/// Order of the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sort {
    #[default]
    Time,
    Bytes,
    Duration,
    Severity,
}

impl Sort {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Bytes => "bytes",
            Self::Duration => "duration",
            Self::Severity => "severity",
        }
    }

    const fn next(self) -> Self {
        match self {
            Self::Time => Self::Bytes,
            Self::Bytes => Self::Duration,
            Self::Duration => Self::Severity,
            Self::Severity => Self::Time,
        }
    }

    /// Returns the key of a row: small ones come first. Rows of the same key stay in the order in which they came.
    fn key(self, row: &Row) -> u64 {
        let time = row.start.nanos().max(0).cast_unsigned();
        match self {
            Self::Time => time,
            Self::Bytes => u64::MAX - row.bytes,
            // Positive numbers are in the order of their bits.
            Self::Duration => u64::MAX - row.duration.max(0.0).to_bits(),
            Self::Severity => {
                let status = match row.status {
                    VerdictStatus::Failed => 0,
                    VerdictStatus::Warning => 1,
                    VerdictStatus::Ok => 2,
                };
                let severity = row.severity.map_or(7, |severity| 4 - severity as u64);
                // Times need 61 bits until the year 2043, and to 64 ns they do with less.
                ((status * 8 + severity) << 58) | (time >> 6)
            }
        }
    }
}

/// The list of sessions: those that pass the filter, in their order.
#[derive(Default)]
pub(super) struct List {
    pub(super) order: Vec<u32>,
    /// Rows that the filter was applied to.
    pub(super) checked: usize,
    pub(super) sort: Sort,
    pub(super) filter: Option<Filter>,
    pub(super) cursor: Cursor,
    /// Selected session; `None` before there is one.
    chosen: Option<u32>,
    /// True once the user moved the selection; until then it goes to a session with trouble.
    is_moved: bool,
    /// True if sessions came since they were put in order.
    is_unsorted: bool,
    sorted_at: Option<Instant>,
}

/// Filter of the sessions.
pub(super) struct Filter {
    pub(super) text: String,
    selection: Selection,
}

/// Selected line, and the first one that is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) at: usize,
    pub(super) top: usize,
}

impl Cursor {
    /// Moves the window so that the selected line is in it.
    pub(super) fn follow(&mut self, length: usize, height: usize) {
        self.at = self.at.min(length.saturating_sub(1));
        if self.at < self.top {
            self.top = self.at;
        } else if self.at >= self.top + height {
            self.top = self.at + 1 - height.max(1);
        }
        self.top = self.top.min(length.saturating_sub(height));
    }

    fn moved(&self, by: Move, length: usize, height: usize) -> usize {
        let last = length.saturating_sub(1);
        let page = height.saturating_sub(1).max(1).cast_signed();
        match by {
            Move::Lines(lines) => self.at.saturating_add_signed(lines),
            Move::Pages(pages) => self.at.saturating_add_signed(pages * page),
            Move::First => 0,
            Move::Last => last,
        }
        .min(last)
    }
}

/// A session whose record was read, with its panes.
pub(super) struct Opened {
    row: u32,
    pub(super) session: Arc<Session>,
    pub(super) places: SessionPlaces,
    several: Vec<Finding>,
    /// Index of the step that the verdict is about; `None` in a session without trouble, or without a failed step.
    failure: Option<usize>,
    panes: [View; 7],
    /// Index of the transfer chosen last.
    pub(super) transfer: usize,
    /// Sessions with the same server and user; empty before the tree is shown.
    visits: Vec<Arc<Session>>,
}

/// State of one pane.
#[derive(Default)]
pub(super) struct View {
    pub(super) cursor: Cursor,
    /// Indexes of opened steps or transfers.
    open: BTreeSet<usize>,
    pub(super) filled: Filled,
    /// Columns that it was filled for; 0 if it has to be filled.
    width: usize,
}

impl Opened {
    pub(super) fn subject<'a>(&'a self, options: &'a BrowseOptions) -> Subject<'a> {
        Subject {
            session: &self.session,
            places: &self.places,
            names: &options.captures,
            zone: &options.zone,
            several: &self.several,
            contents: options.contents.as_ref(),
            recorder: &options.recorder,
            transfer: self.transfer,
            visits: &self.visits,
        }
    }

    pub(super) fn view(&self, pane: Pane) -> &View {
        &self.panes[pane.index()]
    }

    pub(super) fn view_mut(&mut self, pane: Pane) -> &mut View {
        &mut self.panes[pane.index()]
    }

    /// Fills a pane, if it is not filled for this width.
    pub(super) fn fill(&mut self, pane: Pane, width: usize, options: &BrowseOptions) {
        let view = self.view(pane);
        if view.width == width.max(1) {
            return;
        }
        let anchor = view
            .filled
            .items
            .get(view.cursor.at)
            .map(|item| item.anchor);
        let is_first = view.filled.items.is_empty();
        let failed = self.failure.and_then(|index| {
            let step = self.session.steps.get(index)?;
            Some((index, step.number))
        });
        let filled = self.subject(options).fill(pane, &view.open, width);
        let view = self.view_mut(pane);
        view.filled = filled;
        view.width = width.max(1);
        // In another width the same step stands on another line.
        if let Some(anchor) = anchor.filter(|anchor| *anchor != Anchor::None) {
            select(view, anchor);
        } else if is_first && let Some(anchor) = failure_in(&view.filled, pane, failed) {
            select(view, anchor);
            view.cursor.top = view.cursor.at.saturating_sub(LINES_BEFORE);
        }
        let items = &view.filled.items;
        let at = view.cursor.at.min(items.len().saturating_sub(1));
        let halts = |index: &usize| items.get(*index).is_some_and(|item| item.halts);
        view.cursor.at = (at..items.len())
            .find(halts)
            .or_else(|| (0..at).rev().find(halts))
            .unwrap_or(at);
    }
}

/// A line that is typed.
pub(super) struct Prompt {
    pub(super) kind: PromptKind,
    pub(super) text: String,
    /// Mistake in the text; `None` before it was entered.
    pub(super) mistake: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PromptKind {
    Search,
    Filter,
    Save,
    Write,
}

impl PromptKind {
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Search => "search: ",
            Self::Filter => "sessions where: ",
            Self::Save => "save to folder: ",
            Self::Write => "write packets to: ",
        }
    }
}

/// A search that may not be finished.
struct Search {
    needle: String,
    pane: Pane,
    forward: bool,
    /// Next line to look at, and lines left to look at.
    at: usize,
    left: usize,
}

impl Browser {
    /// Creates the state before anything was read. `files` are the reports that `feed` has sessions of.
    #[must_use]
    pub fn new(options: BrowseOptions, feed: Feed, files: Arc<[ReportFile]>) -> Self {
        Self {
            options,
            sessions: Sessions::new(feed, files),
            list: List::default(),
            focus: Pane::Sessions,
            detail: Pane::Steps,
            opened: None,
            prompt: None,
            overlay: None,
            message: None,
            searched: None,
            job: None,
            heights: [10, 10],
            width: 80,
            requests: Vec::new(),
        }
    }

    /// Shows only the sessions of a selection, with its text, until the user filters otherwise.
    pub fn select(&mut self, selection: Selection, text: &str) {
        self.list.filter = Some(Filter {
            text: text.to_owned(),
            selection,
        });
    }

    /// Hides the secrets that a report made before may show.
    pub fn hide_secrets(&mut self) {
        self.sessions.hides_secrets = true;
    }

    /// Returns true once the input was read to its end.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.sessions.news.ended
    }

    pub(super) fn has_requests(&self) -> bool {
        !self.requests.is_empty()
    }

    /// Takes the requests to the terminal since the last call.
    pub(super) fn take_requests(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.requests)
    }

    /// Goes on with what takes long, for at most about 30 ms. Returns whether there is something new to draw.
    pub(super) fn tick(&mut self) -> bool {
        let deadline = Instant::now() + SLICE;
        let mut is_new = self.sessions.take();
        if !self.sessions.news.captures.is_empty() && self.options.captures.is_empty() {
            let captures = self.sessions.news.captures.iter();
            let paths: Vec<String> = captures.map(|capture| capture.path.clone()).collect();
            self.options.captures = CaptureNames::new(&paths);
        }
        is_new |= self.check_rows(deadline);
        is_new |= self.sort_rows(false);
        is_new |= self.go_on_searching(deadline);
        if let Some(job) = &self.job {
            let result = match job.try_recv() {
                Ok(result) => Some(result),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => Some(Err("it was not done".to_owned())),
            };
            if let Some(result) = result {
                self.message = Some(result.unwrap_or_else(|mistake| mistake));
                self.job = None;
                is_new = true;
            }
        }
        is_new
    }

    /// Returns true while [`tick`](Self::tick) has more to do, whether or not more input comes.
    pub(super) fn is_busy(&self) -> bool {
        self.list.checked < self.sessions.len()
            || self.list.is_unsorted
            || self.searched.as_ref().is_some_and(|search| search.left > 0)
            || self.job.is_some()
    }

    /// Applies the filter to sessions that came, and adds those that pass to the list.
    fn check_rows(&mut self, deadline: Instant) -> bool {
        let before = (self.list.order.len(), self.list.checked);
        while self.list.checked < self.sessions.len() {
            let Ok(index) = u32::try_from(self.list.checked) else {
                break;
            };
            let passes = match &self.list.filter {
                None => true,
                Some(filter) => {
                    let several = &self.sessions.news.findings;
                    let session = self.sessions.load(index);
                    session.is_ok_and(|session| filter.selection.keeps(&session, several))
                }
            };
            if passes {
                self.list.order.push(index);
                self.list.is_unsorted = true;
            }
            self.list.checked += 1;
            let is_time_to_look = self.list.filter.is_some() || index.is_multiple_of(4096);
            if is_time_to_look && Instant::now() >= deadline {
                break;
            }
        }
        before != (self.list.order.len(), self.list.checked)
    }

    /// Puts the list in order: at once if the user waits for it, else seldom while sessions come.
    fn sort_rows(&mut self, now: bool) -> bool {
        let list = &mut self.list;
        let is_due = list
            .sorted_at
            .is_none_or(|at| at.elapsed() > SORT_EVERY || list.order.len() < FEW);
        let is_last = self.sessions.news.ended && list.checked == self.sessions.len();
        if !list.is_unsorted || !(now || is_due || is_last) {
            return false;
        }
        let (rows, sort) = (&self.sessions, list.sort);
        let key = |&index: &u32| (rows.row(index).map_or(0, |row| sort.key(row)), index);
        let mut pairs: Vec<(u64, u32)> = list.order.iter().map(key).collect();
        #[expect(
            clippy::stable_sort_primitive,
            reason = "it uses sorted runs: what was in order before costs little"
        )]
        pairs.sort();
        list.order.clear();
        list.order.extend(pairs.iter().map(|(_, index)| index));
        list.is_unsorted = false;
        list.sorted_at = Some(Instant::now());
        if !list.is_moved {
            // The first session with trouble is what most come for.
            let worst = |status| {
                let mut order = list.order.iter();
                order.find(|&&index| rows.row(index).is_some_and(|row| row.status == status))
            };
            let found = worst(VerdictStatus::Failed).or_else(|| worst(VerdictStatus::Warning));
            list.chosen = found.or(list.order.first()).copied();
        }
        self.find_chosen();
        true
    }

    /// Moves the cursor to the chosen session.
    fn find_chosen(&mut self) {
        let list = &mut self.list;
        let mut order = list.order.iter();
        let at = list
            .chosen
            .and_then(|chosen| order.position(|&index| index == chosen));
        if let Some(at) = at {
            list.cursor.at = at;
        } else {
            list.cursor.at = list.cursor.at.min(list.order.len().saturating_sub(1));
            list.chosen = list.order.get(list.cursor.at).copied();
        }
    }

    /// Moves the cursor of the list.
    fn choose(&mut self, at: usize) {
        let list = &mut self.list;
        list.is_moved = true;
        list.cursor.at = at.min(list.order.len().saturating_sub(1));
        list.chosen = list.order.get(list.cursor.at).copied();
    }

    /// Returns the selected session of the list.
    pub(super) fn chosen(&self) -> Option<u32> {
        self.list.order.get(self.list.cursor.at).copied()
    }

    /// Reads the record of the selected session, unless it is large and nobody asked for it.
    pub(super) fn open(&mut self, asked: bool) {
        let Some(row) = self.chosen() else {
            self.opened = None;
            return;
        };
        if self.opened.as_ref().is_some_and(|opened| opened.row == row) {
            return;
        }
        self.opened = None;
        if !asked && self.sessions.size(row) > SMALL {
            return;
        }
        match self.sessions.load(row) {
            Ok(session) => {
                let findings = self.sessions.news.findings.iter();
                let several = findings.filter(|finding| finding.sessions.contains(&session.id));
                let bad = session.transfers.iter().position(|transfer| {
                    transfer.completeness != crate::model::record::Completeness::Complete
                });
                self.opened = Some(Opened {
                    row,
                    failure: failure_of(&session),
                    places: SessionPlaces::of(&session),
                    several: several.take(MAX_SEVERAL).cloned().collect(),
                    panes: std::array::from_fn(|_| View::default()),
                    transfer: bad.unwrap_or_default(),
                    visits: Vec::new(),
                    session,
                });
            }
            Err(cause) => {
                let cause = system_message(&cause);
                self.message = Some(format!("the session cannot be read: {cause}"));
            }
        }
        if self.detail == Pane::Tree {
            self.find_visits();
        }
    }

    /// Reads the sessions that saw the same folders, for the tree.
    fn find_visits(&mut self) {
        let Some(opened) = self
            .opened
            .as_mut()
            .filter(|opened| opened.visits.is_empty())
        else {
            return;
        };
        let Some(row) = self.sessions.row(opened.row) else {
            return;
        };
        let mut bytes = 0;
        // Others come first, so that the one that is looked at always has its place.
        for index in (0..self.sessions.len()).filter_map(|index| u32::try_from(index).ok()) {
            let is_other = index != opened.row
                && self
                    .sessions
                    .row(index)
                    .is_some_and(|other| other.server == row.server && other.user == row.user);
            let size = self.sessions.size(index);
            if !is_other || size > SMALL {
                continue;
            }
            bytes += size;
            if opened.visits.len() >= MAX_VISITS || bytes > MAX_VISIT_BYTES {
                break;
            }
            opened.visits.extend(self.sessions.load(index));
        }
        opened.visits.push(Arc::clone(&opened.session));
    }

    /// Takes a key.
    pub(super) fn key(&mut self, key: Key) {
        self.message = None;
        if key == Key::Control('c') {
            self.requests.push(Request::Quit);
            return;
        }
        if self.prompt.is_some() {
            self.type_into_prompt(key);
            return;
        }
        if let Some(overlay) = &mut self.overlay {
            if let Some(Action::Move(by)) = key.action()
                && overlay.scroll(by)
            {
                return;
            }
            self.overlay = None;
            if key != Key::Char('q') {
                return;
            }
        }
        if let Some(action) = key.action() {
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Move(by) => self.move_by(by),
            Action::Show(pane) => self.show(pane),
            Action::Turn(by) => {
                let count = Pane::ALL.len().cast_signed();
                let next = (self.focus.index().cast_signed() + by).rem_euclid(count);
                self.show(Pane::ALL[next.cast_unsigned()]);
            }
            Action::Open => self.enter(),
            Action::Back => self.show(Pane::Sessions),
            Action::AskSearch => self.ask(PromptKind::Search, String::new()),
            Action::Search { forward } => self.search(forward),
            Action::AskFilter => {
                let filter = self.list.filter.as_ref();
                let text = filter.map_or_else(String::new, |filter| filter.text.clone());
                self.ask(PromptKind::Filter, text);
            }
            Action::Sort => {
                self.list.sort = self.list.sort.next();
                self.list.is_moved |= self.focus != Pane::Sessions;
                self.list.is_unsorted = true;
                self.sort_rows(true);
                self.message = Some(format!("sorted by {}", self.list.sort.name()));
            }
            Action::AskSave => self.ask_save(),
            Action::AskWrite => self.ask_write(),
            Action::CopyFilter => self.copy_filter(),
            Action::CopyDigest => self.copy_digest(),
            Action::Trouble { forward } => self.next_trouble(forward),
            Action::Help => {
                let mut help = Overlay::new("Keys");
                for (keys, meaning) in super::keys::HELP {
                    help.key(keys, meaning);
                }
                for note in self.sessions.news.warnings.iter().take(MAX_NOTES) {
                    help.text(super::line::YELLOW, note);
                }
                self.overlay = Some(help);
            }
            Action::Suspend => self.requests.push(Request::Suspend),
            Action::Quit => self.requests.push(Request::Quit),
        }
    }

    fn show(&mut self, pane: Pane) {
        if pane != Pane::Sessions {
            self.open(true);
            self.note_transfer();
            self.detail = pane;
            if pane == Pane::Tree {
                self.find_visits();
            }
        }
        self.focus = pane;
        if pane == Pane::Content
            && let Some(opened) = &mut self.opened
        {
            // The chosen transfer may be another one than before.
            opened.view_mut(pane).width = 0;
        }
        self.list.is_moved = true;
    }

    /// Notes the transfer that the selection stands on, for the pane with contents.
    fn note_transfer(&mut self) {
        let Some(opened) = &mut self.opened else {
            return;
        };
        let view = opened.view(self.focus);
        let anchor = view
            .filled
            .items
            .get(view.cursor.at)
            .map(|item| item.anchor);
        let session = &opened.session;
        let id = match anchor {
            Some(Anchor::Transfer(index)) => {
                opened.transfer = index;
                return;
            }
            Some(Anchor::Step(index)) => session.steps.get(index).and_then(|step| step.transfer),
            Some(Anchor::Finding(index)) => {
                session.findings.get(index).and_then(|one| one.transfer)
            }
            Some(Anchor::Arrow(index)) => {
                let step = view.filled.arrows.get(index).and_then(|arrow| arrow.step);
                let mut steps = session.steps.iter();
                let step = step.and_then(|number| steps.find(|one| one.number == number));
                step.and_then(|step| step.transfer)
            }
            _ => None,
        };
        let found = id.and_then(|id| session.transfers.iter().position(|one| one.id == id));
        opened.transfer = found.unwrap_or(opened.transfer);
    }

    fn move_by(&mut self, by: Move) {
        if self.focus == Pane::Sessions {
            let length = self.list.order.len();
            let at = self.list.cursor.moved(by, length, self.heights[0]);
            self.choose(at);
            return;
        }
        let (pane, width, height) = (self.focus, self.width, self.heights[1]);
        let Some(opened) = &mut self.opened else {
            return;
        };
        opened.fill(pane, width, &self.options);
        let view = opened.view_mut(pane);
        let items = &view.filled.items;
        let at = view.cursor.moved(by, items.len(), height);
        let halts = |index: &usize| items.get(*index).is_some_and(|item| item.halts);
        let found = if at >= view.cursor.at {
            (at..items.len()).find(halts)
        } else {
            (0..=at).rev().find(halts)
        };
        match found {
            Some(found) => view.cursor.at = found,
            // Above the first line that can be selected there are headings, which are shown with it.
            None if at < view.cursor.at => {
                let first = (0..items.len()).find(halts);
                view.cursor = Cursor {
                    at: first.unwrap_or(view.cursor.at),
                    top: 0,
                };
            }
            None => {}
        }
    }

    fn enter(&mut self) {
        if self.focus == Pane::Sessions {
            self.show(self.detail);
            return;
        }
        let (pane, width) = (self.focus, self.width);
        let Some(opened) = &mut self.opened else {
            return;
        };
        opened.fill(pane, width, &self.options);
        let view = opened.view(pane);
        let item = view.filled.items.get(view.cursor.at);
        let session = Arc::clone(&opened.session);
        match item.map(|item| item.anchor) {
            Some(anchor @ (Anchor::Step(index) | Anchor::Transfer(index))) => {
                let view = opened.view_mut(pane);
                if !view.open.remove(&index) {
                    view.open.insert(index);
                }
                view.width = 0;
                // The head of what was closed is selected, not what took the place of its lines.
                opened.fill(pane, width, &self.options);
                select(opened.view_mut(pane), anchor);
            }
            Some(Anchor::Finding(index)) => {
                let finding = session.findings.get(index);
                let step = finding.and_then(|finding| finding.step);
                self.show_step(step);
            }
            Some(Anchor::Arrow(index)) => {
                let view = opened.view(pane);
                let step = view.filled.arrows.get(index).and_then(|arrow| arrow.step);
                self.show_step(step);
            }
            _ => {}
        }
    }

    /// Shows a step by its number, opened.
    fn show_step(&mut self, number: Option<u64>) {
        let width = self.width;
        let Some(opened) = &mut self.opened else {
            return;
        };
        let mut steps = opened.session.steps.iter();
        let index = number.and_then(|number| steps.position(|step| step.number == number));
        let Some(index) = index else {
            self.message = Some("no single step is concerned".to_owned());
            return;
        };
        let view = opened.view_mut(Pane::Steps);
        view.open.insert(index);
        view.width = 0;
        opened.fill(Pane::Steps, width, &self.options);
        select(opened.view_mut(Pane::Steps), Anchor::Step(index));
        self.show(Pane::Steps);
    }

    fn next_trouble(&mut self, forward: bool) {
        let length = self.list.order.len();
        let start = self.list.cursor.at;
        let is_trouble = |at: &usize| {
            let row = self
                .list
                .order
                .get(*at)
                .and_then(|&index| self.sessions.row(index));
            row.is_some_and(|row| row.status != VerdictStatus::Ok)
        };
        let found = (1..=length)
            .map(|step| {
                if forward {
                    (start + step) % length
                } else {
                    (start + length - step) % length
                }
            })
            .find(is_trouble);
        match found {
            Some(at) => {
                self.choose(at);
                if self.focus != Pane::Sessions {
                    self.open(true);
                }
            }
            None => self.message = Some("no session has trouble".to_owned()),
        }
    }

    fn ask(&mut self, kind: PromptKind, text: String) {
        self.prompt = Some(Prompt {
            kind,
            text,
            mistake: None,
        });
    }

    fn type_into_prompt(&mut self, key: Key) {
        let Some(prompt) = &mut self.prompt else {
            return;
        };
        prompt.mistake = None;
        match key {
            Key::Escape => self.prompt = None,
            Key::Backspace => {
                prompt.text.pop();
            }
            Key::Control('u') => prompt.text.clear(),
            Key::Char(character) if prompt.text.len() < MAX_TYPED => prompt.text.push(character),
            Key::Enter => self.enter_prompt(),
            _ => {}
        }
    }

    fn enter_prompt(&mut self) {
        let Some(prompt) = self.prompt.take() else {
            return;
        };
        match prompt.kind {
            PromptKind::Search => {
                if !prompt.text.is_empty() {
                    self.begin_search(prompt.text, true);
                }
            }
            PromptKind::Filter => self.set_filter(prompt),
            PromptKind::Save => self.save(prompt),
            PromptKind::Write => self.write(prompt),
        }
    }

    fn set_filter(&mut self, mut prompt: Prompt) {
        let text = prompt.text.trim().to_owned();
        let filter = if text.is_empty() {
            None
        } else {
            let compiled = Expression::compile(&text, Scope::Session);
            match compiled
                .map_err(|error| error.to_string())
                .and_then(|expression| self.with_digests(expression))
            {
                Ok(expression) => {
                    let selection = Selection {
                        expression: Some(expression),
                        ..Selection::default()
                    };
                    Some(Filter { text, selection })
                }
                Err(mistake) => {
                    // The old filter stays until this one is right.
                    prompt.mistake = Some(mistake);
                    self.prompt = Some(prompt);
                    return;
                }
            }
        };
        self.list.filter = filter;
        self.list.order.clear();
        self.list.checked = 0;
        self.list.cursor = Cursor::default();
        self.list.sorted_at = None;
        self.list.is_moved = false;
        self.show_list();
    }

    /// Returns the expression, or a mistake if it asks for a digest that was not computed: it would be false for every session.
    fn with_digests(&self, expression: Expression) -> Result<Expression, String> {
        let mut absent = self.options.absent_digests.iter();
        match absent.find(|digest| expression.names_field(digest)) {
            Some(digest) => Err(format!(
                "{digest} is not computed; start with this filter in --where"
            )),
            None => Ok(expression),
        }
    }

    fn show_list(&mut self) {
        self.focus = Pane::Sessions;
        self.opened = None;
    }

    fn begin_search(&mut self, needle: String, forward: bool) {
        let (length, at) = self.lines_and_cursor();
        if length == 0 {
            return;
        }
        self.searched = Some(Search {
            needle,
            pane: self.focus,
            forward,
            at: next(at, length, forward),
            left: length,
        });
        self.go_on_searching(Instant::now() + SLICE);
    }

    fn search(&mut self, forward: bool) {
        match self.searched.take() {
            Some(search) => self.begin_search(search.needle, forward),
            None => self.message = Some("nothing was searched for; / begins a search".to_owned()),
        }
    }

    /// Returns the number of lines of the pane, and the selected one.
    fn lines_and_cursor(&mut self) -> (usize, usize) {
        if self.focus == Pane::Sessions {
            return (self.list.order.len(), self.list.cursor.at);
        }
        let (pane, width) = (self.focus, self.width);
        let Some(opened) = &mut self.opened else {
            return (0, 0);
        };
        opened.fill(pane, width, &self.options);
        let view = opened.view(pane);
        (view.filled.items.len(), view.cursor.at)
    }

    fn go_on_searching(&mut self, deadline: Instant) -> bool {
        let Some(mut search) = self.searched.take() else {
            return false;
        };
        if search.left == 0 || search.pane != self.focus {
            search.left = 0;
            self.searched = Some(search);
            return false;
        }
        // As people type: capitals count only where there are some.
        let is_exact = search.needle.chars().any(char::is_uppercase);
        let needle = if is_exact {
            search.needle.clone()
        } else {
            search.needle.to_lowercase()
        };
        let (length, _) = self.lines_and_cursor();
        let mut found = None;
        let mut looked: u32 = 0;
        while search.left > 0 {
            let text = self.line_text(search.pane, search.at);
            let text = if is_exact { text } else { text.to_lowercase() };
            if text.contains(&needle) {
                found = Some(search.at);
                break;
            }
            search.at = next(search.at, length, search.forward);
            search.left -= 1;
            looked += 1;
            if looked.is_multiple_of(256) && Instant::now() >= deadline {
                break;
            }
        }
        if let Some(at) = found {
            search.left = 0;
            if search.pane == Pane::Sessions {
                self.choose(at);
            } else if let Some(opened) = &mut self.opened {
                opened.view_mut(search.pane).cursor.at = at;
            }
            self.message = None;
        } else if search.left == 0 {
            self.message = Some(format!("'{}' is not in this pane", search.needle));
        } else {
            self.message = Some("searching …".to_owned());
        }
        self.searched = Some(search);
        true
    }

    /// Returns the text that a search looks at.
    fn line_text(&self, pane: Pane, at: usize) -> String {
        if pane == Pane::Sessions {
            let row = self
                .list
                .order
                .get(at)
                .and_then(|&index| self.sessions.row(index));
            return row.map_or_else(String::new, |row| {
                format!(
                    "{} {} {} {} {} {}",
                    row.id,
                    row.client,
                    row.server,
                    row.name.as_deref().unwrap_or_default(),
                    row.user.as_deref().unwrap_or_default(),
                    row.verdict
                )
            });
        }
        let Some(opened) = &self.opened else {
            return String::new();
        };
        let item = opened.view(pane).filled.items.get(at);
        item.map_or_else(String::new, |item| {
            // Wide enough that nothing is cut.
            opened.subject(&self.options).line(item, WIDEST).text()
        })
    }

    fn copy_filter(&mut self) {
        self.open(true);
        let Some(opened) = &self.opened else {
            return;
        };
        let session = &opened.session;
        let mut texts = vec![("Display filter".to_owned(), session.display_filter.clone())];
        for filter in &session.display_filters {
            let name = self.options.captures.name(filter.capture).to_owned();
            texts.push((name, filter.filter.clone()));
        }
        // With several captures frames are numbered by each: the filter of the first is what its reader needs.
        let copied = texts.get(1).unwrap_or(&texts[0]).1.clone();
        self.show_copied(texts, copied);
    }

    fn copy_digest(&mut self) {
        self.open(true);
        self.note_transfer();
        let Some(opened) = &self.opened else {
            return;
        };
        let transfer = opened.session.transfers.get(opened.transfer);
        let digest = transfer.and_then(|transfer| {
            let digest = transfer.sha256.clone()?;
            Some((crate::report::table::transfer_name(transfer), digest))
        });
        match digest {
            Some((name, digest)) => {
                let text = format!("SHA-256 of {name}");
                self.show_copied(vec![(text, digest.clone())], digest);
            }
            None => self.message = Some("no digest is known of this file".to_owned()),
        }
    }

    /// Copies a text, and shows it, since many terminals refuse to copy.
    fn show_copied(&mut self, texts: Vec<(String, String)>, copied: String) {
        let mut shown = Overlay::new("Copied, if the terminal permits");
        for (name, text) in texts {
            shown.text(super::line::DIM, &name);
            shown.text(super::line::PLAIN, &text);
        }
        self.overlay = Some(shown);
        self.requests.push(Request::Copy(copied));
    }

    fn ask_save(&mut self) {
        if self.options.worker.is_none() {
            self.message =
                Some("a report does not hold files; browse the captures to save one".to_owned());
            return;
        }
        self.open(true);
        self.note_transfer();
        let has_file = self.opened.as_ref().is_some_and(|opened| {
            let transfer = opened.session.transfers.get(opened.transfer);
            transfer.is_some_and(|transfer| {
                transfer.direction != crate::model::record::TransferDirection::Listing
            })
        });
        if has_file {
            self.ask(PromptKind::Save, ".".to_owned());
        } else {
            self.message = Some("no file is chosen; choose one in pane 3".to_owned());
        }
    }

    fn ask_write(&mut self) {
        if self.options.worker.is_none() {
            self.message = Some(
                "a report does not hold packets; browse the captures to write them".to_owned(),
            );
            return;
        }
        self.open(true);
        if let Some(opened) = &self.opened {
            let name = format!("session-{}.pcapng", opened.session.id);
            self.ask(PromptKind::Write, name);
        }
    }

    fn save(&mut self, prompt: Prompt) {
        let chosen = self.opened.as_ref().and_then(|opened| {
            let transfer = opened.session.transfers.get(opened.transfer)?;
            Some((Arc::clone(&opened.session), transfer.id))
        });
        if let Some((session, transfer)) = chosen {
            self.start(Job::Save {
                session,
                transfer,
                folder: prompt.text.into(),
            });
        }
    }

    fn write(&mut self, prompt: Prompt) {
        if let Some(opened) = &self.opened {
            let session = Arc::clone(&opened.session);
            self.start(Job::Write {
                session,
                path: prompt.text.into(),
            });
        }
    }

    /// Starts a job in a thread of its own: keys are answered while the captures are read again.
    fn start(&mut self, job: Job) {
        if self.job.is_some() {
            self.message =
                Some("one thing after the other: the captures are still being read".to_owned());
            return;
        }
        let Some(worker) = self.options.worker.clone() else {
            return;
        };
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            // The receiver is gone if the user quit meanwhile.
            let _ = sender.send(worker(job));
        });
        self.job = Some(receiver);
        self.message = Some("reading the captures again …".to_owned());
    }
}

/// Selects the first line of an anchor.
fn select(view: &mut View, anchor: Anchor) {
    let mut items = view.filled.items.iter();
    if let Some(at) = items.position(|item| item.anchor == anchor) {
        view.cursor.at = at;
    }
}

/// Returns the index of the step to look at first: the last failed transfer, else login or TLS, else any failed step.
fn failure_of(session: &Session) -> Option<usize> {
    if session.verdict.status == VerdictStatus::Ok {
        return None;
    }
    let steps = session.steps.iter().enumerate();
    let failed = steps.filter(|(_, step)| step_mark(step, session) == Outcome::Failed);
    let rank = |step: &Step| match step.kind {
        StepKind::Retrieve | StepKind::Store | StepKind::List => 2,
        StepKind::Login | StepKind::Tls => 1,
        _ => 0,
    };
    // Of several with the same rank, the last one.
    let found = failed.max_by_key(|(_, step)| rank(step));
    found.map(|(index, _)| index)
}

/// Returns the place of the failed step, given by its index and its number, in a pane that shows steps.
fn failure_in(filled: &Filled, pane: Pane, failed: Option<(usize, u64)>) -> Option<Anchor> {
    let (index, number) = failed?;
    match pane {
        Pane::Steps => Some(Anchor::Step(index)),
        Pane::Diagram => {
            let arrows = &filled.arrows;
            let of_step = |arrow: &Arrow| arrow.step == Some(number) && !arrow.caption.is_empty();
            // The reply that refuses; what the console showed follows from it.
            let is_refusal =
                |arrow: &Arrow| of_step(arrow) && arrow.failed && arrow.frame.is_some();
            let refused = arrows.iter().rposition(is_refusal);
            let at = refused.or_else(|| arrows.iter().position(of_step));
            at.map(Anchor::Arrow)
        }
        _ => None,
    }
}

/// Returns the line behind or before another, from the end to the beginning again.
const fn next(at: usize, length: usize, forward: bool) -> usize {
    if length == 0 {
        0
    } else if forward {
        (at + 1) % length
    } else {
        (at + length - 1) % length
    }
}

/// Lines shown above a failure that a pane begins at.
const LINES_BEFORE: usize = 6;
/// Time for work between two keys.
const SLICE: Duration = Duration::from_millis(25);
/// Time between two orderings of a long list while sessions come.
const SORT_EVERY: Duration = Duration::from_millis(500);
/// Sessions that are put in order at once.
const FEW: usize = 20_000;
/// Bytes of a record that is read without being asked for.
const SMALL: u64 = 1 << 20;
/// Sessions whose observations make a tree.
const MAX_VISITS: usize = 200;
/// Bytes of their records.
const MAX_VISIT_BYTES: u64 = 4 << 20;
/// Findings about several sessions that are shown with one.
const MAX_SEVERAL: usize = 100;
/// Messages about the input in the help.
const MAX_NOTES: usize = 10;
/// Bytes typed into a line.
const MAX_TYPED: usize = 4_096;
/// Columns for which lines are made to be searched.
const WIDEST: usize = 400;
