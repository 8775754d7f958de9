//! Blocks: lines behind a coloured bar, wrapped at the width of the terminal, with long lists shortened, and their tables:
//! columns by `comfy-table`, with a coloured mark in front of each row.

use std::borrow::Cow;
use std::io::{self, Write};

use anstyle::Style;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets};
use unicode_width::UnicodeWidthStr;

use super::super::units;
use super::super::wrapping::{MIN_WIDTH, cut, wrap};
use super::{CYAN, DIM, GREEN, Options, PLAIN, RED, YELLOW, paint};
use crate::model::record::Outcome;
use crate::model::wire_text::printable;

pub(super) use super::super::wrapping::{Span, label, plain, span};

/// Writer of lines behind a bar.
pub(super) struct Block<'a> {
    out: &'a mut dyn Write,
    width: usize,
    color: bool,
    bar: Style,
}

impl<'a> Block<'a> {
    pub(super) fn new(out: &'a mut dyn Write, options: &Options, bar: Style) -> Self {
        Self {
            out,
            width: usize::from(options.width.max(MIN_WIDTH)) - BAR_WIDTH,
            color: options.color,
            bar,
        }
    }

    /// Returns the columns behind the bar.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Writes a line with only the bar.
    pub(super) fn space(&mut self) -> io::Result<()> {
        self.raw("")
    }

    /// Writes text, wrapped between words and indented by `indent` columns; lines after the first by `hang` more.
    pub(super) fn text(&mut self, indent: usize, hang: usize, spans: &[Span]) -> io::Result<()> {
        for line in wrap(spans, self.width, indent, hang, self.color) {
            self.raw(&line)?;
        }
        Ok(())
    }

    /// Writes text with a prefix: `first` before its first line, `rest` before the others.
    pub(super) fn branch(&mut self, first: &str, rest: &str, spans: &[Span]) -> io::Result<()> {
        let taken = first.width().max(rest.width());
        let lines = wrap(spans, self.width.saturating_sub(taken), 0, 0, self.color);
        let mut before = first;
        for line in lines {
            self.raw(&format!("{}{line}", paint(self.color, DIM, before)))?;
            before = rest;
        }
        Ok(())
    }

    /// Writes a table.
    pub(super) fn grid(&mut self, grid: Grid) -> io::Result<()> {
        let (width, color) = (self.width, self.color);
        grid.render(width, color, |line| self.raw(line))
    }

    /// Ends the block with an empty line.
    pub(super) fn end(self) -> io::Result<()> {
        self.out.write_all(b"\n")
    }

    fn raw(&mut self, line: &str) -> io::Result<()> {
        // Trailing spaces would be in every snapshot and every copied line.
        let bar = paint(self.color, self.bar, "│");
        let line = line.trim_end();
        if line.is_empty() {
            writeln!(self.out, "{bar}")
        } else {
            writeln!(self.out, "{bar} {line}")
        }
    }
}

/// Writes a line without a bar, wrapped at the width of the terminal. For text that is not from the wire.
pub(super) fn bare(
    out: &mut dyn Write,
    options: &Options,
    style: Style,
    text: &str,
) -> io::Result<()> {
    let width = usize::from(options.width.max(MIN_WIDTH));
    for line in wrap(&[span(PLAIN, text)], width, 0, 2, false) {
        writeln!(out, "{}", paint(options.color, style, &line))?;
    }
    Ok(())
}

/// Writes a line with the number of omitted items, if there are any.
pub(super) fn omitted(count: u64, one: &str, many: &str, block: &mut Block<'_>) -> io::Result<()> {
    if count == 0 {
        return Ok(());
    }
    let text = format!("… and {} left out", units::counted(count, one, many));
    block.text(0, 2, &[span(DIM, &text)])
}

/// Shortens a name or path in its middle: its beginning shows where it is, its end what it is. JSON has all of it.
pub(super) fn shortened(text: &str) -> Cow<'_, str> {
    shortened_to(text, LONGEST_NAME)
}

/// Shortens a sentence that is longer than any name should be, between words.
pub(super) fn sentence_shortened(text: &str) -> Cow<'_, str> {
    sentence_shortened_to(text, LONGEST_NAME)
}

/// Shortens text in its middle to `most` characters.
pub(super) fn shortened_to(text: &str, most: usize) -> Cow<'_, str> {
    // Bytes first: most names are far too short to count their characters.
    if text.len() <= most || text.chars().count() <= most {
        return Cow::Borrowed(text);
    }
    let half = most / 2;
    let beginning: String = text.chars().take(half).collect();
    let mut end: Vec<char> = text.chars().rev().take(half).collect();
    end.reverse();
    Cow::Owned(format!(
        "{beginning}…{}",
        end.into_iter().collect::<String>()
    ))
}

/// Shortens a sentence in its middle to at most `most` characters, between words where one ends near the cut.
pub(super) fn sentence_shortened_to(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most || text.chars().count() <= most {
        return Cow::Borrowed(text);
    }
    let half = most / 2;
    let head: String = text.chars().take(half).collect();
    let tail = text.chars().count() - half;
    let tail: String = text.chars().skip(tail).collect();
    let head = to_last_blank(&head);
    let tail = match tail.find(' ') {
        Some(at) if is_word(&tail[..at]) => &tail[at..],
        _ => &tail,
    };
    Cow::Owned(format!("{head}…{tail}"))
}

/// Shortens a sentence at its end to at most `most` characters, between words where one ends near the cut: verdicts have the
/// reason in front.
pub(super) fn sentence_begun(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most || text.chars().count() <= most {
        return Cow::Borrowed(text);
    }
    let head: String = text.chars().take(most).collect();
    let head = to_last_blank(&head).trim_end_matches([';', ',', ' ', '(']);
    Cow::Owned(format!("{head}…"))
}

/// Returns the beginning of a cut sentence up to its last blank, unless what follows is longer than a word.
fn to_last_blank(head: &str) -> &str {
    match head.rfind(' ') {
        Some(at) if is_word(&head[at + 1..]) => &head[..=at],
        _ => head,
    }
}

/// Returns false for names that are longer than any word: those are cut where they stand.
fn is_word(part: &str) -> bool {
    part.chars().count() <= LONGEST_WORD
}

/// Splits rows into the first ones, the number of hidden ones, and the last ones. Without many rows, all are first.
pub(super) fn shown<'a, T>(items: &'a [T], options: &Options) -> (&'a [T], u64, &'a [T]) {
    let hidden = items.len().saturating_sub(FIRST_ROWS + LAST_ROWS);
    if options.verbose || hidden == 0 {
        return (items, 0, &[]);
    }
    let (first, rest) = items.split_at(FIRST_ROWS);
    let (_, last) = rest.split_at(hidden);
    (first, u64::try_from(hidden).unwrap_or(u64::MAX), last)
}

/// Adds a row with the number of hidden rows, in the given column.
pub(super) fn hidden_row(hidden: u64, column: usize, grid: &mut Grid) {
    let mut cells = vec![vec![]; grid.len()];
    if let Some(cell) = cells.get_mut(column) {
        *cell = vec![format!("… {} more (-v shows them)", units::count(hidden))];
    }
    grid.row(Mark::Note, &cells);
}

/// Mark in front of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Good,
    Attention,
    Bad,
    Unknown,
    Note,
}

impl From<Outcome> for Mark {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Ok => Self::Good,
            Outcome::Failed => Self::Bad,
            Outcome::Incomplete => Self::Attention,
            Outcome::Unknown => Self::Unknown,
        }
    }
}

impl Mark {
    /// Returns the character and its colour.
    fn shape(self) -> (char, Style) {
        match self {
            Self::Good => ('✓', GREEN),
            Self::Attention => ('!', YELLOW),
            Self::Bad => ('✗', RED),
            Self::Unknown => ('?', DIM),
            Self::Note => ('·', CYAN),
        }
    }
}

/// Width and alignment of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// As wide as its content, aligned left. For short text that is not from the wire.
    Left,
    /// As wide as its content, aligned right.
    Right,
    /// Takes the width that the others leave, and wraps.
    Text,
}

/// Title, kind and least width of a column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    kind: Column,
    title: &'static str,
    /// Width of the block from which the column stands by itself. Below it, its cells are lines below the first text.
    least: usize,
    /// Whether such a line names the column, where the value alone would be a riddle.
    named: bool,
}

impl Head {
    /// Creates a column that stands by itself at every width.
    pub(super) const fn new(kind: Column, title: &'static str) -> Self {
        Self {
            kind,
            title,
            least: 0,
            named: false,
        }
    }

    /// Folds the column below this width of the block.
    pub(super) const fn from(self, least: usize) -> Self {
        Self { least, ..self }
    }

    /// Names the column where it is folded.
    pub(super) const fn named(self) -> Self {
        Self {
            named: true,
            ..self
        }
    }
}

/// A table whose cells are escaped for a terminal.
pub(super) struct Grid {
    table: Table,
    /// Columns that stand by themselves.
    columns: Vec<Column>,
    /// All columns, each with whether it is folded into the first column of text.
    heads: Vec<(Head, bool)>,
}

impl Grid {
    /// Creates a table without rows for a block of this width.
    pub(super) fn new(width: usize, heads: &[Head]) -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_content_arrangement(ContentArrangement::Dynamic);
        let heads: Vec<(Head, bool)> = heads
            .iter()
            .map(|head| (*head, width < head.least))
            .collect();
        let own = || heads.iter().filter(|(_, folded)| !folded);
        let titles = own().map(|(head, _)| head.title.to_owned());
        table.set_header(
            std::iter::once(String::new())
                .chain(titles)
                .collect::<Vec<_>>(),
        );
        Self {
            table,
            columns: own().map(|(head, _)| head.kind).collect(),
            heads,
        }
    }

    /// Returns the number of columns, folded ones included.
    pub(super) fn len(&self) -> usize {
        self.heads.len()
    }

    /// Adds a row with a cell for each column, folded ones included. Each cell may have several lines.
    pub(super) fn row(&mut self, mark: Mark, cells: &[Vec<String>]) {
        let (shape, _) = mark.shape();
        let mut below = Vec::new();
        for ((head, _), lines) in self
            .heads
            .iter()
            .zip(cells)
            .filter(|((_, folded), _)| *folded)
        {
            for line in lines
                .iter()
                .filter(|line| !matches!(line.as_str(), "" | "-"))
            {
                below.push(if head.named {
                    // The title of a digest is a name.
                    let is_name = head.title.contains(|c: char| c.is_ascii_digit());
                    let title = head.title.to_lowercase();
                    // One session by its number alone: the column's title counts several.
                    let is_one = line.bytes().all(|byte| byte.is_ascii_digit());
                    let singular = title.strip_suffix('s').filter(|_| is_one);
                    let title = singular.unwrap_or(&title);
                    format!("{} {line}", if is_name { head.title } else { title })
                } else {
                    line.clone()
                });
            }
        }
        let below = (!below.is_empty()).then(|| below.join(", "));
        let mut below = below.iter();
        let own = self
            .heads
            .iter()
            .zip(cells)
            .filter(|((_, folded), _)| !folded);
        let cells = own.map(|((head, _), lines)| {
            let below = (head.kind == Column::Text).then(|| below.next()).flatten();
            // Escaped before they are joined: a line end from the wire must not begin a line.
            let lines: Vec<_> = lines
                .iter()
                .chain(below)
                .map(|line| printable(&cut(line, LONGEST_CELL)).into_owned())
                .collect();
            lines.join("\n")
        });
        self.table.add_row(
            std::iter::once(shape.to_string())
                .chain(cells)
                .collect::<Vec<_>>(),
        );
    }

    /// Passes the rendered lines to `write`, header first.
    fn render(
        mut self,
        width: usize,
        color: bool,
        mut write: impl FnMut(&str) -> io::Result<()>,
    ) -> io::Result<()> {
        let width = u16::try_from(width).unwrap_or(u16::MAX);
        self.table.set_width(width);
        for (index, column_width) in self.widths(width).into_iter().enumerate() {
            let padding = self.padding(index);
            let Some(column) = self.table.column_mut(index) else {
                continue;
            };
            column.set_padding(padding);
            let with_padding = column_width.saturating_add(padding.0 + padding.1);
            column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(with_padding)));
            if index > 0 && self.columns.get(index - 1) == Some(&Column::Right) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        for (index, line) in self.table.lines().enumerate() {
            let line = line.trim_end();
            if index == 0 {
                write(&paint(color, DIM, line))?;
            } else {
                write(&paint_mark(line, color))?;
            }
        }
        Ok(())
    }

    /// Returns the width of each column without its padding. Columns of text share the width that the others leave:
    /// each but the last takes at most three fifths of it.
    // The dynamic arrangement of the library gives every column an equal share and leaves the rest of short ones
    // unused.
    fn widths(&self, width: u16) -> Vec<u16> {
        let mut widths = self.table.column_max_content_widths();
        let texts: Vec<usize> = (1..)
            .zip(&self.columns)
            .filter_map(|(index, kind)| (*kind == Column::Text).then_some(index))
            .collect();
        let mut left = width;
        for (index, natural) in widths.iter().enumerate() {
            let (before, behind) = self.padding(index);
            let fixed = if texts.contains(&index) { 0 } else { *natural };
            left = left.saturating_sub(before + behind).saturating_sub(fixed);
        }
        for index in &texts {
            let most = if Some(index) == texts.last() {
                left
            } else {
                left - left / 5 * 2
            };
            if let Some(width) = widths.get_mut(*index) {
                *width = (*width).min(most).max(MIN_TEXT);
                left = left.saturating_sub(*width);
            }
        }
        widths
    }

    /// Returns the spaces at the left and right of a column: none around the mark, none at the end.
    fn padding(&self, index: usize) -> (u16, u16) {
        match index {
            0 => (0, 0),
            _ => (1, u16::from(index < self.columns.len())),
        }
    }
}

/// Colours the mark that a line begins with. Continuation lines of a cell begin with a space.
fn paint_mark(line: &str, color: bool) -> String {
    let mut rest = line.chars();
    let first = rest.next();
    let mark = [
        Mark::Good,
        Mark::Attention,
        Mark::Bad,
        Mark::Unknown,
        Mark::Note,
    ]
    .into_iter()
    .map(Mark::shape)
    .find(|&(shape, _)| Some(shape) == first);
    match mark {
        Some((shape, style)) if style != PLAIN => {
            paint(color, style, &shape.to_string()) + rest.as_str()
        }
        _ => line.to_owned(),
    }
}

/// Rows shown at the beginning of a long table.
const FIRST_ROWS: usize = 80;

/// Rows shown at the end of a long table.
const LAST_ROWS: usize = 20;
/// Longest line of a cell, in characters. The library wraps a cell in more than linear time.
const LONGEST_CELL: usize = 600;

/// Width in columns from which replies, durations and rates are shown.
pub(super) const WIDE: usize = 98;

/// Width in columns from which steps have a column for their times, and transfers one for their direction and digest.
pub(super) const NARROW: usize = 68;

/// Width in columns from which tables have more than their text.
pub(super) const TINY: usize = 48;

/// Characters of a name or path that a table shows: about four lines of its column.
const LONGEST_NAME: usize = 200;
/// Characters of a word that is not cut.
const LONGEST_WORD: usize = 20;

/// Columns of the bar and the space behind it.
const BAR_WIDTH: usize = 2;

/// Minimum width of a column of text.
const MIN_TEXT: u16 = 8;
