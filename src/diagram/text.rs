//! Diagrams for a terminal: lanes as columns, or a list of arrows if the terminal is narrow.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use compact_str::CompactString;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::build::{CONSOLE_SOURCE, Drawing, Drawings};
use super::model::{Channel, Detail, Lane, Row, RowKind, SessionState};
use super::recorder::DiagramRecorder;
use crate::model::Timestamp;
use crate::model::record::Session;
use crate::model::wire_text::printable;
use crate::report::units;

/// Options of the text format.
#[derive(Clone, Copy, Debug)]
pub struct TextOptions {
    /// Detail drawn.
    pub detail: Detail,
    /// Width in columns.
    pub width: u16,
    /// Whether to write ANSI colours.
    pub color: bool,
}

/// Writes diagrams one below the other. No line is wider than `options.width`, and none contains control characters but
/// colours.
pub fn write_text(
    mut drawings: Drawings<'_>,
    options: TextOptions,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut is_first = true;
    while let Some(session) = drawings.next_session()? {
        if !is_first {
            writeln!(out)?;
        }
        is_first = false;
        Text::new(&drawings.plan(&session), options).write(out)?;
    }
    Ok(())
}

/// Rows of one diagram with their text, for readers that move through it.
#[derive(Clone, Debug, Default)]
pub struct DrawnRows {
    /// Title and heads of the lanes, several lines.
    pub head: String,
    /// Each row with its text, several lines.
    pub rows: Vec<(Row, String)>,
    /// True if there are more rows.
    pub is_cut: bool,
}

/// Draws the first `most` rows of a session as [`write_text`] does.
#[must_use]
pub fn draw_rows(
    session: &Session,
    recorder: &DiagramRecorder,
    options: TextOptions,
    most: usize,
) -> DrawnRows {
    let drawing = recorder.drawing(session);
    let text = Text::new(&drawing, options);
    let written = |write: &dyn Fn(&mut dyn Write) -> io::Result<()>| {
        let mut out = Vec::new();
        // Memory takes everything.
        let _ = write(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    };
    let mut rows = drawing.rows_at(options.detail);
    let first = rows.by_ref().take(most);
    let drawn = first.map(|row| {
        let lines = written(&|out| text.row(&row, out));
        (row, lines)
    });
    DrawnRows {
        head: written(&|out| text.head(out)),
        rows: drawn.collect(),
        is_cut: rows.next().is_some(),
    }
}

/// Diagram with the layout of its lanes.
struct Text<'a> {
    drawing: &'a Drawing<'a>,
    /// Origin of time offsets.
    start: Timestamp,
    detail: Detail,
    width: usize,
    color: bool,
    /// Column of each lane, counted from the margin; `None` for a lane that is not drawn.
    columns: [Option<usize>; 4],
}

impl<'a> Text<'a> {
    fn new(drawing: &'a Drawing<'a>, options: TextOptions) -> Self {
        let width = usize::from(options.width);
        let detail = options.detail;
        Self {
            drawing,
            start: drawing.start(),
            detail,
            width,
            color: options.color,
            columns: columns(width, drawing.uses_dns(detail)),
        }
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        self.head(out)?;
        for row in self.drawing.rows_at(self.detail) {
            self.row(&row, out)?;
        }
        let omitted = self.drawing.omitted();
        if omitted > 0 {
            let left = units::counted(omitted, "segment", "segments");
            self.line(out, &format!("{left} could not be kept"), DIM)?;
        }
        Ok(())
    }

    /// Writes the title and the heads of the lanes.
    fn head(&self, out: &mut dyn Write) -> io::Result<()> {
        self.line(out, &self.drawing.title(), BOLD)?;
        self.line(out, &self.drawing.endpoints(), DIM)?;
        if let Some(captures) = self.drawing.captures_line() {
            self.line(out, &captures, DIM)?;
        }
        writeln!(out)?;
        if self.lanes_fit() {
            self.heads(out)
        } else {
            self.line(out, &format!("The console is {CONSOLE_SOURCE}."), DIM)
        }
    }

    fn row(&self, row: &Row, out: &mut dyn Write) -> io::Result<()> {
        let lanes_fit = self.lanes_fit();
        match row.kind {
            RowKind::Phase => self.phase(row, lanes_fit, out),
            RowKind::Part => self.part(row, lanes_fit, out),
            RowKind::Arrow { from, to, channel } if lanes_fit => {
                self.arrow(row, from, to, channel, out)
            }
            RowKind::Arrow { from, to, .. } => self.listed(row, from, to, out),
        }
    }

    fn lanes_fit(&self) -> bool {
        self.width >= MIN_LANES_WIDTH
    }

    /// Writes the titles of the lanes, and their addresses below.
    fn heads(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut titles = Cells::blank(self.lanes_width());
        let mut addresses = Cells::blank(self.lanes_width());
        let mut more = Cells::blank(self.lanes_width());
        let mut has_addresses = false;
        let lane_addresses = self.drawing.addresses();
        for lane in Lane::ALL {
            let Some(column) = self.columns[lane.index()] else {
                continue;
            };
            let max_width = self.width_around(lane);
            titles.centre(column, lane.title(), max_width);
            let address = &lane_addresses[lane.index()];
            has_addresses |= !address.is_empty();
            let address = printable(address);
            match address.rsplit_once(" the ") {
                // The words below the console take two lines where one is too narrow.
                Some((first, rest)) if address.width() > max_width => {
                    addresses.centre(column, first, max_width);
                    more.centre(column, &format!("the {rest}"), max_width);
                }
                _ => addresses.centre(column, &address, max_width),
            }
        }
        let margin = " ".repeat(MARGIN);
        self.line(out, &format!("{margin}{}", titles.text()), BOLD)?;
        if has_addresses {
            self.line(out, &format!("{margin}{}", addresses.text()), DIM)?;
        }
        let more = more.text();
        if !more.trim().is_empty() {
            self.line(out, &format!("{margin}{more}"), DIM)?;
        }
        Ok(())
    }

    /// Writes a heading: a rule with the title on the left and the state on the right.
    fn phase(&self, row: &Row, lanes_fit: bool, out: &mut dyn Write) -> io::Result<()> {
        if lanes_fit {
            let lanes = self.bars().text();
            writeln!(out, "{}{}", " ".repeat(MARGIN), lanes.trim_end())?;
        }
        let state = printable(&state_text(&row.state)).into_owned();
        let title = printable(&row.label).into_owned();
        // 9 columns: the dashes and spaces around title and state, and one dash between them.
        let max_width = self.width.saturating_sub(title.width() + 9);
        let state = clipped(&state, max_width);
        let used = title.width() + state.width() + if state.is_empty() { 4 } else { 8 };
        let rule = "─".repeat(self.width.saturating_sub(used));
        let line = if state.is_empty() {
            format!("── {title} {rule}")
        } else {
            format!("── {title} {rule} {state} ──")
        };
        self.line(out, &line, BOLD)
    }

    /// Writes a subheading, centred between server and client.
    fn part(&self, row: &Row, lanes_fit: bool, out: &mut dyn Write) -> io::Result<()> {
        let margin = if lanes_fit { MARGIN } else { 0 };
        let line = format!("{}· {}", " ".repeat(margin), row.label);
        if !lanes_fit {
            return self.line(out, &line, DIM);
        }
        let mut cells = self.bars();
        let from = self.columns[Lane::Server.index()].unwrap_or_default();
        let to = self.columns[Lane::Client.index()].unwrap_or_default();
        let text = format!("· {} ·", row.label);
        cells.centre(from.midpoint(to), &text, self.lanes_width());
        let line = format!("{}{}", " ".repeat(MARGIN), cells.text());
        self.line(out, &line, DIM)
    }

    /// Writes an arrow, with its label on it or, if that is too long, on a line above it.
    fn arrow(
        &self,
        row: &Row,
        from: Lane,
        to: Lane,
        channel: Channel,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let mut cells = self.bars();
        let (Some(begin), Some(end)) = (self.columns[from.index()], self.columns[to.index()])
        else {
            return Ok(());
        };
        let line = if channel == Channel::Data {
            '═'
        } else {
            '─'
        };
        let (left, right) = (begin.min(end), begin.max(end));
        for column in left + 1..right {
            cells.put(column, line);
        }
        cells.put(begin, if begin < end { '├' } else { '┤' });
        if begin < end {
            cells.put(end - 1, '▶');
        } else {
            cells.put(end + 1, '◀');
        }
        let when = units::offset(row.time, self.start);
        let frame = self.drawing.short_frame(row);
        let frame = frame.map_or_else(String::new, |frame| format!("#{frame}"));
        // Cut, or frame numbers of more than 7 digits would move the lanes.
        let mut margin = clipped(&format!("{when:>9} {frame:<8}"), MARGIN);
        // 6 columns: the arrowhead, and a piece of the line on both sides of the label.
        let max_width = (right - left).saturating_sub(6);
        let label = printable(&row.label);
        if label.width() > max_width {
            // A line of its own may cross the other lanes.
            let mut above = self.bars();
            let label = format!(" {label} ");
            above.centre(left.midpoint(right), &label, self.lanes_width());
            self.lanes(&margin, &above, row.failed, out)?;
            margin.clear();
        } else if !label.is_empty() {
            // The arrowhead takes one column on its side, which shifts the centre.
            let centre = left.midpoint(right) + usize::from(begin > end);
            cells.centre(centre, &format!(" {label} "), max_width + 2);
        }
        self.lanes(&margin, &cells, row.failed, out)
    }

    /// Writes a line of lanes behind their margin, which holds time and frame.
    fn lanes(
        &self,
        margin: &str,
        cells: &Cells,
        failed: bool,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let style = if failed { RED } else { Style::new() };
        let lanes = cells.text();
        if self.color {
            writeln!(
                out,
                "{DIM}{margin:<MARGIN$}{DIM:#}{style}{}{style:#}",
                lanes.trim_end()
            )
        } else {
            writeln!(out, "{margin:<MARGIN$}{}", lanes.trim_end())
        }
    }

    /// Writes an arrow as a list item, for widths in which lanes do not fit.
    fn listed(&self, row: &Row, from: Lane, to: Lane, out: &mut dyn Write) -> io::Result<()> {
        let when = units::offset(row.time, self.start);
        let name = |lane: Lane| match lane {
            Lane::Dns => "dns",
            Lane::Server => "server",
            Lane::Client => "client",
            Lane::Console => "console",
        };
        let label = printable(&row.label);
        let line = format!("{when} {} → {}: {label}", name(from), name(to));
        let style = if row.failed { RED } else { Style::new() };
        self.line(out, &line, style)
    }

    /// Returns a line with nothing but the lanes.
    fn bars(&self) -> Cells {
        let mut cells = Cells::blank(self.lanes_width());
        for column in self.columns.iter().flatten() {
            cells.put(*column, '│');
        }
        cells
    }

    fn lanes_width(&self) -> usize {
        self.width.saturating_sub(MARGIN)
    }

    /// Returns the width available to a text centred on a lane, up to its neighbours and the edges.
    fn width_around(&self, lane: Lane) -> usize {
        let Some(column) = self.columns[lane.index()] else {
            return 0;
        };
        let others = self.columns.iter().flatten();
        let nearest = others
            .filter(|other| **other != column)
            .map(|other| other.abs_diff(column))
            .min()
            .unwrap_or(self.lanes_width());
        let side = column.min(self.lanes_width().saturating_sub(column + 1));
        (nearest.saturating_sub(1)).min(2 * side + 1)
    }

    /// Writes a line of text, made printable and cut to the width.
    fn line(&self, out: &mut dyn Write, text: &str, style: Style) -> io::Result<()> {
        let text = printable(text);
        let text = clipped(text.trim_end(), self.width);
        if self.color {
            writeln!(out, "{style}{text}{style:#}")
        } else {
            writeln!(out, "{text}")
        }
    }
}

/// Returns the columns of the lanes. Server and client get most of the width, since labels are longest between them.
fn columns(width: usize, dns: bool) -> [Option<usize>; 4] {
    let width = width.saturating_sub(MARGIN);
    let last = width.saturating_sub(SIDE + 1);
    let inner = last.saturating_sub(SIDE);
    if dns {
        let server = SIDE + (inner / 5).clamp(14, 24);
        let console = (inner * 3 / 10).clamp(16, 36);
        [
            Some(SIDE),
            Some(server),
            Some(last.saturating_sub(console)),
            Some(last),
        ]
    } else {
        let console = (inner * 3 / 10).clamp(16, 36);
        [
            None,
            Some(SIDE),
            Some(last.saturating_sub(console)),
            Some(last),
        ]
    }
}

/// Formats the state for the right end of a heading.
fn state_text(state: &SessionState) -> String {
    let mut parts = Vec::new();
    parts.extend(state.user.clone());
    parts.extend(state.directory.clone());
    if state.user.is_some() {
        parts.push(state.data_type.clone());
    }
    if !state.mode.is_empty() {
        parts.push(state.mode.clone());
    }
    parts.extend(state.encryption().map(str::to_owned));
    parts.join(" · ")
}

/// Returns the beginning of a text that is too wide for a number of columns, one of them left for an ellipsis; `None` if all
/// of it fits.
pub(crate) fn cut_beginning(text: &str, columns: usize) -> Option<&str> {
    if text.len() <= columns || text.width() <= columns {
        return None;
    }
    let mut used = 0;
    let cut = text.char_indices().find(|(_, character)| {
        used += character.width().unwrap_or(0);
        used + 1 > columns
    });
    Some(cut.map_or(text, |(at, _)| &text[..at]))
}

/// Cuts a text to a number of columns. An ellipsis marks the cut.
fn clipped(text: &str, columns: usize) -> String {
    let Some(beginning) = cut_beginning(text, columns) else {
        return text.to_owned();
    };
    let mut out = beginning.to_owned();
    // Multi-line replies have an ellipsis of their own; two in a row look like a mistake.
    if columns > 0 && !out.ends_with('…') {
        out.push('…');
    }
    out
}

/// A line of text by column: each cell holds a character and the combining marks on it, or nothing after a wide one.
// Inline strings: a row has hundreds of cells, and nearly all hold one character.
struct Cells(Vec<CompactString>);

impl Cells {
    fn blank(width: usize) -> Self {
        Self(vec![CompactString::const_new(" "); width])
    }

    fn put(&mut self, column: usize, character: char) {
        if let Some(cell) = self.0.get_mut(column) {
            cell.clear();
            cell.push(character);
        }
    }

    /// Centres a text on a column, cut to `max_width` columns.
    fn centre(&mut self, column: usize, text: &str, max_width: usize) {
        let text = clipped(text, max_width);
        let mut at = column.saturating_sub(text.width() / 2);
        at = at.min(self.0.len().saturating_sub(text.width()));
        for character in text.chars() {
            let width = character.width().unwrap_or(0);
            // Combining marks go into the cell of their base character.
            if width == 0 {
                if let Some(cell) = at.checked_sub(1).and_then(|before| self.0.get_mut(before)) {
                    cell.push(character);
                }
                continue;
            }
            // A wide character leaves the second of its cells empty, so that later columns stay in place.
            for column in at..at + width {
                if let Some(cell) = self.0.get_mut(column) {
                    cell.clear();
                }
            }
            if let Some(cell) = self.0.get_mut(at) {
                cell.push(character);
            }
            at += width;
        }
    }

    fn text(&self) -> String {
        self.0.concat()
    }
}

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const RED: Style = AnsiColor::Red.on_default();
/// Columns for time and frame, left of the lanes.
const MARGIN: usize = 18;
/// Columns between the outermost lanes and the edges.
const SIDE: usize = 6;
/// Width below which arrows are listed instead of drawn.
const MIN_LANES_WIDTH: usize = 72;
