//! Lines behind a coloured bar, wrapped at the width.

use std::io::{self, Write};

use anstyle::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::Options;
use super::grid::Grid;
use super::style::{DIM, PLAIN, paint};
use crate::model::wire_text::printable;

/// A run of text in one style. Made through [`span`], so that nothing reaches a terminal unescaped.
pub(super) struct Span {
    style: Style,
    text: String,
    /// Columns each of its words takes at least.
    least: usize,
}

/// Text in a style, made safe for a terminal.
pub(super) fn span(style: Style, text: &str) -> Span {
    Span {
        style,
        text: printable(text).into_owned(),
        least: 0,
    }
}

/// A word of our own in a style, as wide as `least` columns.
pub(super) fn label(style: Style, word: &str, least: usize) -> Span {
    Span {
        least,
        ..span(style, word)
    }
}

/// Text without a style.
pub(super) fn plain(text: &str) -> Span {
    span(PLAIN, text)
}

/// Writes lines behind a bar.
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

    /// Columns behind the bar.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// A line with nothing but the bar.
    pub(super) fn space(&mut self) -> io::Result<()> {
        self.raw("")
    }

    /// Text, wrapped between words; lines after the first begin `hang` columns further right.
    pub(super) fn text(&mut self, indent: usize, hang: usize, spans: &[Span]) -> io::Result<()> {
        for line in wrap(spans, self.width, indent, hang, self.color) {
            self.raw(&line)?;
        }
        Ok(())
    }

    /// Text behind lines of our own: `first` before its first line, `rest` before the others.
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

    /// A table.
    pub(super) fn grid(&mut self, grid: &Grid) -> io::Result<()> {
        for line in grid.lines(self.width, self.color) {
            self.raw(&line)?;
        }
        Ok(())
    }

    /// An empty line after the block, without a bar.
    pub(super) fn end(self) -> io::Result<()> {
        self.out.write_all(b"\n")
    }

    fn raw(&mut self, line: &str) -> io::Result<()> {
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

/// The longest beginning that fits, at least one character, and the rest.
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

/// Narrower terminals get this width and wrap by themselves.
const MIN_WIDTH: u16 = 72;

/// The bar and the blank behind it.
const BAR_WIDTH: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::table::style::{BOLD, RED};

    #[test]
    fn text_wraps_between_words_and_hangs() {
        let spans = [span(BOLD, "one"), plain("two three")];
        assert_eq!(wrap(&spans, 9, 0, 2, false), ["one two", "  three"]);
    }

    #[test]
    fn words_that_are_too_long_are_cut_at_the_width_they_take() {
        assert_eq!(wrap(&[plain("漢字漢字")], 5, 0, 0, false), ["漢字", "漢字"]);
        assert_eq!(wrap(&[plain("漢")], 0, 0, 0, false), ["漢"]);
        assert_eq!(
            wrap(&[plain("ab abcdefgh")], 4, 0, 1, false),
            ["ab", " abc", " def", " gh"]
        );
    }

    #[test]
    fn styles_surround_words_only_where_colours_are_wanted() {
        let line = wrap(&[span(RED, "bad\x1b[2J")], 20, 0, 0, true);
        assert_eq!(line, ["\x1b[31mbad\\x1b[2J\x1b[0m"]);
    }
}
