//! Diagrams for a terminal: lanes as columns, in the width that there is.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::model::{Channel, Detail, Diagram, Lane, Row, RowKind, State};
use crate::model::wire_text::printable;
use crate::report::units;

/// How the text looks.
#[derive(Clone, Copy, Debug)]
pub struct TextOptions {
    /// How much is drawn.
    pub detail: Detail,
    /// Columns.
    pub width: u16,
    /// With colours.
    pub color: bool,
}

/// Writes diagrams one below the other. No line is wider than the options say, and nothing in it moves the cursor.
pub fn write_text(
    diagrams: &mut dyn Iterator<Item = Diagram>,
    options: TextOptions,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut is_first = true;
    for diagram in diagrams {
        if !is_first {
            writeln!(out)?;
        }
        is_first = false;
        Text::new(&diagram, options).write(out)?;
    }
    Ok(())
}

struct Text<'a> {
    diagram: &'a Diagram,
    detail: Detail,
    width: usize,
    color: bool,
    /// Column of each lane within the lanes' part; `None` for lanes that are not drawn.
    columns: [Option<usize>; 4],
}

impl<'a> Text<'a> {
    fn new(diagram: &'a Diagram, options: TextOptions) -> Self {
        let width = usize::from(options.width);
        let detail = options.detail;
        Self {
            diagram,
            detail,
            width,
            color: options.color,
            columns: columns(width, diagram.uses(Lane::Dns, detail)),
        }
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let diagram = self.diagram;
        let title = format!("Session {}: {}", diagram.session, diagram.verdict);
        self.line(out, &title, BOLD)?;
        self.line(out, &diagram.between, DIM)?;
        writeln!(out)?;
        let lanes_fit = self.width >= NARROW;
        if lanes_fit {
            self.heads(out)?;
        }
        for row in diagram.rows_at(self.detail) {
            match row.kind {
                RowKind::Phase => self.phase(row, lanes_fit, out)?,
                RowKind::Part => self.part(row, lanes_fit, out)?,
                RowKind::Arrow { from, to, channel } if lanes_fit => {
                    self.arrow(row, from, to, channel, out)?;
                }
                RowKind::Arrow { from, to, .. } => self.listed(row, from, to, out)?,
            }
        }
        if diagram.omitted > 0 {
            let left = units::counted(diagram.omitted, "segment", "segments");
            self.line(out, &format!("{left} could not be kept"), DIM)?;
        }
        Ok(())
    }

    /// The names of the lanes, and below them whose they are.
    fn heads(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut titles = Cells::blank(self.lanes_width());
        let mut ends = Cells::blank(self.lanes_width());
        let mut has_ends = false;
        for lane in Lane::ALL {
            let Some(column) = self.columns[lane.place()] else {
                continue;
            };
            let room = self.room_around(lane);
            titles.centre(column, lane.title(), room);
            let end = &self.diagram.ends[lane.place()];
            has_ends |= !end.is_empty();
            ends.centre(column, &printable(end), room);
        }
        let margin = " ".repeat(MARGIN);
        self.line(out, &format!("{margin}{}", titles.text()), BOLD)?;
        if has_ends {
            self.line(out, &format!("{margin}{}", ends.text()), DIM)?;
        }
        Ok(())
    }

    fn phase(&self, row: &Row, lanes_fit: bool, out: &mut dyn Write) -> io::Result<()> {
        if lanes_fit {
            let lanes = self.bars().text();
            writeln!(out, "{}{}", " ".repeat(MARGIN), lanes.trim_end())?;
        }
        let state = printable(&state_text(&row.state)).into_owned();
        let title = printable(&row.label).into_owned();
        let room = self.width.saturating_sub(title.width() + 9);
        let state = clipped(&state, room);
        let used = title.width() + state.width() + if state.is_empty() { 4 } else { 8 };
        let rule = "─".repeat(self.width.saturating_sub(used));
        let line = if state.is_empty() {
            format!("── {title} {rule}")
        } else {
            format!("── {title} {rule} {state} ──")
        };
        self.line(out, &line, BOLD)
    }

    fn part(&self, row: &Row, lanes_fit: bool, out: &mut dyn Write) -> io::Result<()> {
        let margin = if lanes_fit { MARGIN } else { 0 };
        let line = format!("{}· {}", " ".repeat(margin), row.label);
        if !lanes_fit {
            return self.line(out, &line, DIM);
        }
        let mut cells = self.bars();
        let from = self.columns[Lane::Server.place()].unwrap_or_default();
        let to = self.columns[Lane::Client.place()].unwrap_or_default();
        let text = format!("· {} ·", row.label);
        cells.centre(from.midpoint(to), &text, self.lanes_width());
        let line = format!("{}{}", " ".repeat(MARGIN), cells.text());
        self.line(out, &line, DIM)
    }

    fn arrow(
        &self,
        row: &Row,
        from: Lane,
        to: Lane,
        channel: Channel,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let mut cells = self.bars();
        let (Some(begin), Some(end)) = (self.columns[from.place()], self.columns[to.place()])
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
        let when = units::offset(row.time, self.diagram.start);
        let frame = row
            .frame
            .map_or_else(String::new, |frame| format!("#{frame}"));
        let mut margin = clipped(&format!("{when:>9} {frame:<8}"), MARGIN);
        let room = (right - left).saturating_sub(6);
        let label = printable(&row.label);
        if label.width() > room {
            // Above the arrow there is room from edge to edge.
            let mut above = self.bars();
            let label = format!(" {label} ");
            above.centre(left.midpoint(right), &label, self.lanes_width());
            self.lanes(&margin, &above, row.failed, out)?;
            margin.clear();
        } else if !label.is_empty() {
            // The head of the arrow takes one column of what lies between.
            let centre = left.midpoint(right) + usize::from(begin > end);
            cells.centre(centre, &format!(" {label} "), room + 2);
        }
        self.lanes(&margin, &cells, row.failed, out)
    }

    /// A line with what stands before the lanes.
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

    /// An arrow where lanes do not fit.
    fn listed(&self, row: &Row, from: Lane, to: Lane, out: &mut dyn Write) -> io::Result<()> {
        let when = units::offset(row.time, self.diagram.start);
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

    /// How wide a text above a lane may be.
    fn room_around(&self, lane: Lane) -> usize {
        let Some(column) = self.columns[lane.place()] else {
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

/// Where the lanes stand.
fn columns(width: usize, dns: bool) -> [Option<usize>; 4] {
    let width = width.saturating_sub(MARGIN);
    let last = width.saturating_sub(SIDE + 1);
    let room = last.saturating_sub(SIDE);
    if dns {
        let server = SIDE + (room / 5).clamp(14, 24);
        let console = (room * 3 / 10).clamp(16, 36);
        [
            Some(SIDE),
            Some(server),
            Some(last.saturating_sub(console)),
            Some(last),
        ]
    } else {
        let console = (room * 3 / 10).clamp(16, 36);
        [
            None,
            Some(SIDE),
            Some(last.saturating_sub(console)),
            Some(last),
        ]
    }
}

/// What is true, in few words.
fn state_text(state: &State) -> String {
    let mut parts = Vec::new();
    parts.extend(state.user.clone());
    parts.extend(state.directory.clone());
    if state.user.is_some() {
        parts.push(state.data_type.clone());
    }
    if !state.mode.is_empty() {
        parts.push(state.mode.clone());
    }
    if state.encrypted {
        parts.push("encrypted".to_owned());
    }
    parts.join(" · ")
}

/// A text cut to a number of columns, with an ellipsis where something is missing.
fn clipped(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for character in text.chars() {
        let width = character.width().unwrap_or(0);
        if used + width + 1 > columns {
            break;
        }
        used += width;
        out.push(character);
    }
    // One that the text has there already says it too.
    if columns > 0 && !out.ends_with('…') {
        out.push('…');
    }
    out
}

/// One line, column by column.
struct Cells(Vec<String>);

impl Cells {
    fn blank(width: usize) -> Self {
        Self(vec![" ".to_owned(); width])
    }

    fn put(&mut self, column: usize, character: char) {
        if let Some(cell) = self.0.get_mut(column) {
            *cell = character.to_string();
        }
    }

    /// Puts a text around a column, cut to `room` columns.
    fn centre(&mut self, column: usize, text: &str, room: usize) {
        let text = clipped(text, room);
        let mut at = column.saturating_sub(text.width() / 2);
        at = at.min(self.0.len().saturating_sub(text.width()));
        for character in text.chars() {
            let width = character.width().unwrap_or(0);
            if width == 0 {
                if let Some(cell) = at.checked_sub(1).and_then(|before| self.0.get_mut(before)) {
                    cell.push(character);
                }
                continue;
            }
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
/// Columns for time and frame.
const MARGIN: usize = 18;
/// Columns beside the outermost lanes.
const SIDE: usize = 6;
/// Below this width arrows are listed instead of drawn.
const NARROW: usize = 72;
