//! Blocks: lines behind a coloured bar, wrapped at the width of the terminal, with long lists shortened.

use std::io::{self, Write};

use anstyle::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::grid::{Grid, Mark};
use super::{DIM, Options, PLAIN, paint};
use crate::model::wire_text::printable;
use crate::report::units;

/// A run of text in one style. Only [`span`] creates it, so that no text reaches a terminal unescaped.
pub(super) struct Span {
    style: Style,
    text: String,
    /// Minimum width of each of its words, in columns.
    least: usize,
}

/// Creates a span of text, escaped for a terminal.
pub(super) fn span(style: Style, text: &str) -> Span {
    Span {
        style,
        text: printable(text).into_owned(),
        least: 0,
    }
}

/// Creates a span of one word that is padded to `least` columns.
pub(super) fn label(style: Style, word: &str, least: usize) -> Span {
    Span {
        least,
        ..span(style, word)
    }
}

/// Creates a span without a style.
pub(super) fn plain(text: &str) -> Span {
    span(PLAIN, text)
}

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
    pub(super) fn grid(&mut self, grid: &Grid) -> io::Result<()> {
        for line in grid.lines(self.width, self.color) {
            self.raw(&line)?;
        }
        Ok(())
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

fn wrap(spans: &[Span], width: usize, indent: usize, hang: usize, color: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = " ".repeat(indent);
    let mut used = indent;
    let mut at_start = true;
    let after_first = indent + hang;
    for (span, word) in spans
        .iter()
        .flat_map(|span| span.text.split(' ').map(move |word| (span, word)))
    {
        // Runs of spaces, as in server replies, become one.
        if word.is_empty() {
            continue;
        }
        let mut rest = word;
        loop {
            let gap = usize::from(!at_start);
            let length = rest.width();
            if used + gap + length <= width {
                line.push_str(if at_start { "" } else { " " });
                line.push_str(&paint(color, span.style, rest));
                let padding = span.least.saturating_sub(length);
                line.push_str(&" ".repeat(padding));
                used += gap + length + padding;
                at_start = false;
                break;
            }
            // A word longer than a line is cut, so that no line is wider than the terminal.
            if at_start {
                let (fits, remains) = split_at_width(rest, width.saturating_sub(used));
                line.push_str(&paint(color, span.style, fits));
                rest = remains;
            }
            lines.push(std::mem::replace(&mut line, " ".repeat(after_first)));
            used = after_first;
            at_start = true;
            if rest.is_empty() {
                break;
            }
        }
    }
    if !at_start || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// Splits text behind the longest part that fits into `width` columns, at least one character.
fn split_at_width(text: &str, width: usize) -> (&str, &str) {
    let mut used = 0;
    for (at, character) in text.char_indices() {
        used += character.width().unwrap_or(0);
        if used > width && at > 0 {
            return text.split_at(at);
        }
    }
    (text, "")
}

/// Writes a line with the number of omitted items, if there are any.
pub(super) fn omitted(count: u64, one: &str, many: &str, block: &mut Block<'_>) -> io::Result<()> {
    if count == 0 {
        return Ok(());
    }
    let text = format!("… and {} left out", units::counted(count, one, many));
    block.text(0, 2, &[span(DIM, &text)])
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
pub(super) fn hidden_row(hidden: u64, columns: usize, column: usize, grid: &mut Grid) {
    let mut cells = vec![vec![]; columns];
    if let Some(cell) = cells.get_mut(column) {
        *cell = vec![format!("… {} more (-v shows them)", units::count(hidden))];
    }
    grid.row(Mark::Note, &cells);
}

/// Rows shown at the beginningof a long table.
const FIRST_ROWS: usize = 80;

/// Rows shown at the end of a long table.
const LAST_ROWS: usize = 20;

/// Width in columns from which replies, durations and rates are shown.
pub(super) const WIDE: usize = 98;

/// Minimum width in columns. Narrower terminals get lines of this width and wrap them.
const MIN_WIDTH: u16 = 72;

/// Columns of the bar and the space behind it.
const BAR_WIDTH: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::table::{BOLD, RED};

    #[test]
    fn text_wraps_between_words_with_a_hanging_indent() {
        let spans = [span(BOLD, "one"), plain("two three")];
        assert_eq!(wrap(&spans, 9, 0, 2, false), ["one two", "  three"]);
    }

    #[test]
    fn long_words_are_cut_at_their_display_width() {
        assert_eq!(wrap(&[plain("漢字漢字")], 5, 0, 0, false), ["漢字", "漢字"]);
        assert_eq!(wrap(&[plain("漢")], 0, 0, 0, false), ["漢"]);
        assert_eq!(
            wrap(&[plain("ab abcdefgh")], 4, 0, 1, false),
            ["ab", " abc", " def", " gh"]
        );
    }

    #[test]
    fn styles_surround_words_only_with_colours() {
        let line = wrap(&[span(RED, "bad\x1b[2J")], 20, 0, 0, true);
        assert_eq!(line, ["\x1b[31mbad\\x1b[2J\x1b[0m"]);
    }
}
