//! Pictures: the state as cells of a screen.
//!
//! ```text
//! title     input, counts, order, filter
//! tabs      1 Sessions  2 Steps  …
//! list      a line each session            on a high screen above the pane, else in its place
//! heading   the selected session, 2 lines
//! pane      its lines
//! foot      keys, a message, or the line that is typed
//! ```
//!
//! Only what is in the window becomes text, so that a picture costs the same with a million sessions.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::line::{BOLD, DIM, Line, PLAIN, RED, REVERSED, YELLOW, clean, verdict_mark, wrapped};
use super::panes::{Anchor, Pane, Subject, short_size};
use super::sessions::Row;
use super::state::{Browser, PromptKind};
use crate::report::units;

/// Draws everything into `area`, which the buffer has.
pub(super) fn draw(browser: &mut Browser, buffer: &mut Buffer, area: Rect) {
    if area.width < LEAST.0 || area.height < LEAST.1 {
        too_small(buffer, area);
    } else {
        browser.open(false);
        let foot = if browser.prompt.is_some() { 2 } else { 1 };
        Line::draw(&title(browser), buffer, area.x, area.y, area.width, PLAIN);
        tabs(browser, buffer, area);
        let body = Rect {
            y: area.y + 2,
            height: area.height - 2 - foot,
            ..area
        };
        draw_body(browser, buffer, body);
        draw_foot(browser, buffer, area, foot);
        if let Some(overlay) = &mut browser.overlay {
            overlay.draw(buffer, area);
        }
    }
    clean(buffer, browser.options.ascii, browser.options.color);
}

fn too_small(buffer: &mut Buffer, area: Rect) {
    let text = format!(
        "browse needs {} × {} cells; here are {} × {}",
        LEAST.0, LEAST.1, area.width, area.height
    );
    let lines = wrapped(&text, usize::from(area.width));
    for (y, text) in (area.y..area.bottom()).zip(lines) {
        Line::of(PLAIN, &text).draw(buffer, area.x, y, area.width, PLAIN);
    }
}

fn title(browser: &Browser) -> Line {
    let sessions = &browser.sessions;
    let mut line = Line::of(BOLD, "ftpscope ");
    line.plain(&browser.options.title);
    let count = units::to_u64(sessions.len());
    line.plain(&format!(
        "  {}",
        units::counted(count, "session", "sessions")
    ));
    let [failed, warned] = sessions.troubled;
    if failed > 0 {
        line.add(RED, &format!(", {} failed", units::count(failed)));
    }
    if warned > 0 {
        let warned = units::counted(warned, "warning", "warnings");
        line.add(YELLOW, &format!(", {warned}"));
    }
    if !sessions.news.ended {
        let read = match sessions.news.progress {
            Some((read, all)) if all > 0 => format!("  reading {} %", read * 100 / all),
            _ => "  reading …".to_owned(),
        };
        line.add(BOLD, &read);
    }
    let list = &browser.list;
    line.add(DIM, &format!("  by {}", list.sort.name()));
    if let Some(filter) = &list.filter {
        let shown = units::count(units::to_u64(list.order.len()));
        line.plain(&format!("  {shown} where {}", filter.text));
        if list.checked < sessions.len() {
            let percent = list.checked * 100 / sessions.len();
            line.add(BOLD, &format!(" ({percent} % checked)"));
        }
    }
    let warnings = sessions.news.warnings.len();
    if warnings > 0 {
        let text = units::counted(units::to_u64(warnings), "note", "notes");
        line.add(YELLOW, &format!("  {text} about the input (?)"));
    }
    line
}

fn tabs(browser: &Browser, buffer: &mut Buffer, area: Rect) {
    let short = area.width < 76;
    let mut line = Line::default();
    for pane in Pane::ALL {
        let text = format!("{} {}", pane.index() + 1, pane.title(short));
        if pane == browser.focus {
            line.add(REVERSED, &format!("[{text}]"));
        } else {
            line.add(DIM, &format!(" {text} "));
        }
    }
    line.draw(buffer, area.x, area.y + 1, area.width, PLAIN);
}

fn draw_body(browser: &mut Browser, buffer: &mut Buffer, body: Rect) {
    let is_split = body.height >= SPLIT;
    let listed = u16::try_from(browser.list.order.len()).unwrap_or(u16::MAX);
    let list_height = if is_split {
        // What is looked at gets the space.
        let most = if browser.focus == Pane::Sessions {
            body.height * 2 / 5
        } else {
            (body.height / 5).max(4)
        };
        listed.saturating_add(1).clamp(3, most)
    } else {
        body.height
    };
    let list = Rect {
        height: list_height,
        ..body
    };
    if is_split || browser.focus == Pane::Sessions {
        draw_list(browser, buffer, list);
    }
    if is_split {
        let rule = "─".repeat(usize::from(body.width));
        Line::of(DIM, &rule).draw(buffer, body.x, list.bottom(), body.width, PLAIN);
        let pane = Rect {
            y: list.bottom() + 1,
            height: body.height - list_height - 1,
            ..body
        };
        draw_pane(browser, buffer, pane);
    } else if browser.focus != Pane::Sessions {
        draw_pane(browser, buffer, body);
    }
}

fn draw_list(browser: &mut Browser, buffer: &mut Buffer, area: Rect) {
    let shape = ListShape::of(area.width, browser);
    shape
        .titles()
        .draw(buffer, area.x, area.y, area.width, PLAIN);
    let height = usize::from(area.height - 1);
    browser.heights[0] = height;
    let length = browser.list.order.len();
    browser.list.cursor.follow(length, height);
    if length == 0 {
        let text = if browser.list.checked < browser.sessions.len() || !browser.has_ended() {
            "no session so far"
        } else if browser.list.filter.is_some() {
            "no session passes the filter; f changes it"
        } else {
            "no FTP session in the input"
        };
        Line::of(DIM, text).draw(buffer, area.x, area.y + 1, area.width, PLAIN);
        return;
    }
    let cursor = browser.list.cursor;
    let is_focused = browser.focus == Pane::Sessions;
    let rows = browser.list.order.iter().enumerate().skip(cursor.top);
    for ((at, &index), y) in rows.zip(area.y + 1..area.bottom()) {
        let Some(row) = browser.sessions.row(index) else {
            continue;
        };
        let is_selected = at == cursor.at;
        let line = shape.row(row, is_selected, browser);
        let over = match (is_selected, is_focused) {
            (true, true) => REVERSED,
            (true, false) => BOLD,
            _ => PLAIN,
        };
        line.draw(buffer, area.x, y, area.width, over);
    }
}

/// Columns of the list; 0 for a column that is left out.
struct ListShape {
    id: usize,
    time: usize,
    client: usize,
    server: usize,
    user: usize,
    files: usize,
    bytes: usize,
    verdict: usize,
}

impl ListShape {
    fn of(width: u16, browser: &Browser) -> Self {
        let width = usize::from(width);
        let digits = browser.sessions.len().max(1).ilog10() as usize + 1;
        let mut shape = Self {
            id: digits.max(2),
            time: if width >= 110 { 19 } else { 8 },
            client: if width >= 140 { 21 } else { 15 },
            server: if width >= 140 { 24 } else { 15 },
            user: if width >= 76 { 9 } else { 0 },
            files: if width >= 90 { 5 } else { 0 },
            bytes: if width >= 90 { 9 } else { 0 },
            verdict: 0,
        };
        let columns = [
            shape.id,
            shape.time,
            shape.client,
            shape.server,
            shape.user,
            shape.files,
            shape.bytes,
        ];
        // Selection and mark, then a space behind each column.
        let used = 4 + columns
            .iter()
            .filter(|&&one| one > 0)
            .map(|one| one + 1)
            .sum::<usize>();
        shape.verdict = width.saturating_sub(used + 1);
        shape
    }

    fn titles(&self) -> Line {
        let mut line = Line::default();
        line.cell(DIM, "", 1).cell(DIM, "", 1);
        line.right(DIM, "#", self.id).cell(DIM, "Time", self.time);
        line.cell(DIM, "Client", self.client);
        line.cell(DIM, "Server", self.server);
        if self.user > 0 {
            line.cell(DIM, "User", self.user);
        }
        if self.files > 0 {
            line.right(DIM, "Files", self.files)
                .right(DIM, "Bytes", self.bytes);
        }
        line.add(DIM, "Verdict");
        line
    }

    fn row(&self, row: &Row, is_selected: bool, browser: &Browser) -> Line {
        let (sign, _, style) = verdict_mark(row.status);
        let time = units::time_to_millisecond(row.start, &browser.options.zone);
        let time = if self.time < 19 {
            time.get(11..19)
        } else {
            time.get(..19)
        };
        let is_wide = self.client > 15;
        let client = if is_wide {
            row.client.to_string()
        } else {
            row.client.ip().to_canonical().to_string()
        };
        let server = match &row.name {
            Some(name) => name.to_string(),
            None if is_wide => row.server.to_string(),
            None => row.server.ip().to_canonical().to_string(),
        };
        let mut line = Line::default();
        line.cell(PLAIN, if is_selected { "▶" } else { "" }, 1);
        line.cell(style, sign, 1);
        line.right(DIM, &row.id.to_string(), self.id);
        line.cell(PLAIN, time.unwrap_or_default(), self.time);
        line.cell(PLAIN, &client, self.client);
        line.cell(PLAIN, &server, self.server);
        if self.user > 0 {
            line.cell(PLAIN, row.user.as_deref().unwrap_or("-"), self.user);
        }
        if self.files > 0 {
            line.right(PLAIN, &units::count(row.files).to_string(), self.files);
            line.right(PLAIN, &short_size(row.bytes), self.bytes);
        }
        line.add(style, &row.verdict);
        line
    }
}

fn draw_pane(browser: &mut Browser, buffer: &mut Buffer, area: Rect) {
    let pane = browser.detail;
    let width = usize::from(area.width);
    // The sign of the selection stands before each line.
    browser.width = width.saturating_sub(2);
    let Some(opened) = &mut browser.opened else {
        let text = if browser.list.order.is_empty() {
            "no session is selected"
        } else {
            "a large session: Enter opens it"
        };
        Line::of(DIM, text).draw(buffer, area.x, area.y, area.width, PLAIN);
        return;
    };
    opened.fill(pane, width.saturating_sub(2), &browser.options);
    let subject = opened.subject(&browser.options);
    let mut y = area.y;
    for line in subject.heading() {
        line.draw(buffer, area.x, y, area.width, PLAIN);
        y += 1;
    }
    if let Some(titles) = Subject::titles(pane, width - 2) {
        titles.draw(buffer, area.x + 2, y, area.width - 2, PLAIN);
        y += 1;
    }
    let note = note_lines(pane, area.height);
    let height = usize::from(area.bottom().saturating_sub(y + note));
    browser.heights[1] = height;
    let length = opened.view(pane).filled.items.len();
    let view = opened.view_mut(pane);
    view.cursor.follow(length, height);
    // Headings above the first line that can be selected.
    if view
        .filled
        .items
        .iter()
        .take(view.cursor.at)
        .all(|item| !item.halts)
    {
        view.cursor.top = 0;
    }
    let cursor = view.cursor;
    let is_focused = browser.focus == pane;
    let subject = opened.subject(&browser.options);
    let view = opened.view(pane);
    let items = view.filled.items.iter().enumerate().skip(cursor.top);
    for ((at, item), y) in items.take(height).zip(y..) {
        let is_selected = at == cursor.at && is_focused;
        let over = if is_selected { REVERSED } else { PLAIN };
        let sign = if is_selected { "▶ " } else { "  " };
        Line::of(PLAIN, sign).draw(buffer, area.x, y, 2, over);
        let line = subject.line(item, width - 2);
        line.draw(buffer, area.x + 2, y, area.width - 2, over);
    }
    if note > 0 {
        draw_note(browser, buffer, area, note);
    }
}

/// Returns the lines below a pane about what is selected in it.
const fn note_lines(pane: Pane, height: u16) -> u16 {
    match (pane, height) {
        (Pane::Diagram, 16..) => 4,
        (Pane::Diagram, _) => 2,
        _ => 0,
    }
}

/// Draws the selected arrow as a sentence, and the state of the session after it.
fn draw_note(browser: &Browser, buffer: &mut Buffer, area: Rect, note: u16) {
    let Some(opened) = &browser.opened else {
        return;
    };
    let view = opened.view(Pane::Diagram);
    let anchor = view
        .filled
        .items
        .get(view.cursor.at)
        .map(|item| item.anchor);
    let Some(Anchor::Arrow(index)) = anchor else {
        return;
    };
    let Some(arrow) = view.filled.arrows.get(index) else {
        return;
    };
    let mut y = area.bottom() - note;
    if note > 2 {
        let rule = "─".repeat(usize::from(area.width));
        Line::of(DIM, &rule).draw(buffer, area.x, y, area.width, PLAIN);
        y += 1;
    }
    let frame = arrow
        .frame
        .map(|frame| browser.options.captures.frame(frame, arrow.place));
    let text = match frame {
        Some(frame) => format!("{} ({frame})", arrow.caption),
        None => arrow.caption.clone(),
    };
    let most = usize::from(note.saturating_sub(2).max(1));
    let parts = wrapped(&text, usize::from(area.width));
    for (at, part) in parts.iter().enumerate().take(most) {
        // The last line that fits gets all the rest, so that it ends with the sign of what is cut.
        let is_cut = at + 1 == most && parts.len() > most;
        let rest = is_cut.then(|| parts[at..].join(" "));
        let line = Line::of(PLAIN, rest.as_ref().unwrap_or(part));
        line.draw(buffer, area.x, y, area.width, PLAIN);
        y += 1;
    }
    let state = &arrow.state;
    let mut parts = vec![
        state
            .user
            .clone()
            .unwrap_or_else(|| "not logged in".to_owned()),
    ];
    parts.extend(state.directory.clone());
    if !state.data_type.is_empty() {
        parts.push(state.data_type.clone());
    }
    if !state.mode.is_empty() {
        parts.push(state.mode.clone());
    }
    if state.encrypted {
        parts.push("encrypted".to_owned());
    }
    parts.extend(state.open.iter().map(|ends| format!("open: {ends}")));
    if state.bytes > 0 {
        parts.push(format!("{} of data", units::bytes(state.bytes)));
    }
    let line = Line::of(DIM, &parts.join(" · "));
    line.draw(buffer, area.x, area.bottom() - 1, area.width, PLAIN);
}

fn draw_foot(browser: &Browser, buffer: &mut Buffer, area: Rect, foot: u16) {
    let last = area.bottom() - 1;
    let Some(prompt) = &browser.prompt else {
        let line = match &browser.message {
            Some(message) => Line::of(BOLD, message),
            None => Line::of(DIM, &fitting_hints(browser.focus, area.width)),
        };
        line.draw(buffer, area.x, last, area.width, PLAIN);
        return;
    };
    let label = prompt.kind.label();
    let free = usize::from(area.width).saturating_sub(label.len() + 2);
    // The end of a long text is where it is typed.
    let shown: Vec<char> = prompt.text.chars().rev().take(free / 2 * 2).collect();
    let mut line = Line::of(BOLD, label);
    line.plain(&shown.iter().rev().collect::<String>());
    line.add(REVERSED, " ");
    line.draw(buffer, area.x, last + 1 - foot, area.width, PLAIN);
    let below = match (&prompt.mistake, prompt.kind) {
        (Some(mistake), _) => Line::of(RED, mistake),
        (None, PromptKind::Filter) => {
            let text = "such as login.user == \"bob\"; Enter applies, empty shows all, Esc leaves";
            Line::of(DIM, text)
        }
        (None, _) => Line::of(DIM, "Enter goes, Esc leaves"),
    };
    below.draw(buffer, area.x, last, area.width, PLAIN);
}

/// Returns as many keys of a pane as fit, the most useful ones first.
fn fitting_hints(pane: Pane, width: u16) -> String {
    let mut shown = String::new();
    for hint in hints(pane).split("  ") {
        if shown.chars().count() + 2 + hint.chars().count() > usize::from(width) {
            break;
        }
        if !shown.is_empty() {
            shown.push_str("  ");
        }
        shown.push_str(hint);
    }
    shown
}

/// Returns the keys that are of use in a pane.
const fn hints(pane: Pane) -> &'static str {
    match pane {
        Pane::Sessions => {
            "q quit  ? help  Enter open  5 diagram  e next trouble  / search  f filter  s sort"
        }
        Pane::Steps => "q quit  ? help  Esc back  Enter commands  / search  y copy filter  w write",
        Pane::Files => "q quit  ? help  Esc back  Enter facts  6 content  x save  Y copy digest",
        Pane::Findings => "q quit  ? help  Esc back  Enter go to the step  / search",
        Pane::Diagram => {
            "q quit  ? help  Esc back  ↑ ↓ step through  Enter go to the step  / search"
        }
        Pane::Content => "q quit  ? help  Esc back  3 choose a file  / search  x save",
        Pane::Tree => "q quit  ? help  Esc back  / search",
    }
}

/// Least width and height.
const LEAST: (u16, u16) = (60, 15);
/// Lines of the body from which the list and a pane share it.
const SPLIT: u16 = 21;
