//! Lines of text for the screen. Text from the wire is escaped where a line is made, and nowhere else.

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::diagram::cut_beginning;
use crate::model::record::{Outcome, Severity, VerdictStatus};
use crate::model::wire_text::{is_hostile, printable};

/// A line in pieces of one style each. Its text is safe on a terminal.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    pieces: Vec<(Style, String)>,
}

impl Line {
    /// Creates a line of one style.
    pub(super) fn of(style: Style, text: &str) -> Self {
        let mut line = Self::default();
        line.add(style, text);
        line
    }

    /// Adds text, escaped.
    pub(super) fn add(&mut self, style: Style, text: &str) -> &mut Self {
        if !text.is_empty() {
            self.pieces.push((style, printable(text).into_owned()));
        }
        self
    }

    /// Adds text without a style, escaped.
    pub(super) fn plain(&mut self, text: &str) -> &mut Self {
        self.add(PLAIN, text)
    }

    /// Adds a cell of a table: text cut or filled up to `width`, and a space.
    pub(super) fn cell(&mut self, style: Style, text: &str, width: usize) -> &mut Self {
        let text = printable(text);
        let cut = clipped(&text, width);
        let fill = width.saturating_sub(cut.width()) + 1;
        self.pieces
            .push((style, format!("{cut}{}", " ".repeat(fill))));
        self
    }

    /// Adds a cell whose text stands at its right edge.
    pub(super) fn right(&mut self, style: Style, text: &str, width: usize) -> &mut Self {
        let text = printable(text);
        let cut = clipped(&text, width);
        let fill = width.saturating_sub(cut.width());
        self.pieces
            .push((style, format!("{}{cut} ", " ".repeat(fill))));
        self
    }

    /// Returns the text without styles.
    pub(super) fn text(&self) -> String {
        self.pieces.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// Returns the width in columns.
    pub(super) fn width(&self) -> usize {
        self.pieces.iter().map(|(_, text)| text.width()).sum()
    }

    /// Draws the line, cut at `width` with an ellipsis; `over` is added to each style.
    pub(super) fn draw(&self, buffer: &mut Buffer, x: u16, y: u16, width: u16, over: Style) {
        let end = x.saturating_add(width);
        let is_cut = self.width() > usize::from(width);
        let last = if is_cut { end.saturating_sub(1) } else { end };
        let mut at = x;
        for (style, text) in &self.pieces {
            let free = usize::from(last.saturating_sub(at));
            if free == 0 {
                break;
            }
            (at, _) = buffer.set_stringn(at, y, text, free, style.patch(over));
        }
        if is_cut && last >= x {
            buffer.set_stringn(at.min(last), y, "…", 1, over);
            at = at.min(last) + 1;
        }
        // The style of a selected line reaches to the edge.
        if over != PLAIN && at < end {
            let rest = " ".repeat(usize::from(end - at));
            buffer.set_stringn(at, y, rest, usize::from(end - at), over);
        }
    }
}

/// Cuts a text, escaped already, to a number of columns. An ellipsis marks the cut.
pub(super) fn clipped(text: &str, columns: usize) -> String {
    let Some(beginning) = cut_beginning(text, columns) else {
        return text.to_owned();
    };
    let mut out = beginning.to_owned();
    if columns > 0 {
        out.push('…');
    }
    out
}

/// Divides text, with escapes for hostile characters, into lines of at most `width` columns, between words if it can.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(8);
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let paragraph = printable(paragraph.trim_end_matches('\r')).into_owned();
        let mut line = String::new();
        let mut used = 0;
        for word in paragraph.split(' ') {
            let mut word = word;
            let wide = word.width();
            if used > 0 && used + 1 + wide > width {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            if used > 0 {
                line.push(' ');
                used += 1;
            }
            // A word that no line can hold is divided.
            while word.width() > width - used {
                let mut end = 0;
                for (at, character) in word.char_indices() {
                    let columns = character.width().unwrap_or(0);
                    if used + columns > width {
                        break;
                    }
                    used += columns;
                    end = at + character.len_utf8();
                }
                if end == 0 && used == 0 {
                    break;
                }
                line.push_str(&word[..end]);
                word = &word[end..];
                lines.push(std::mem::take(&mut line));
                used = 0;
                if lines.len() > MAX_WRAPPED {
                    return lines;
                }
            }
            line.push_str(word);
            used += word.width();
        }
        lines.push(line);
        if lines.len() > MAX_WRAPPED {
            break;
        }
    }
    lines
}

/// Converts text of the project's own writers, which carries styles as escape sequences and has no others, to lines.
pub(super) fn styled(text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut style = PLAIN;
    for text in text.lines() {
        let mut line = Line::default();
        let mut parts = text.split('\x1b');
        line.add(style, parts.next().unwrap_or_default());
        for part in parts {
            let sequence = part.strip_prefix('[').and_then(|part| part.split_once('m'));
            match sequence {
                Some((code, rest)) => {
                    style = match code {
                        "0" | "" => PLAIN,
                        "1" => style.add_modifier(Modifier::BOLD),
                        "2" => style.add_modifier(Modifier::DIM),
                        "31" => style.fg(Color::Red),
                        "32" => style.fg(Color::Green),
                        "33" => style.fg(Color::Yellow),
                        "36" => style.fg(Color::Cyan),
                        _ => style,
                    };
                    line.add(style, rest);
                }
                None => {
                    line.add(style, part);
                }
            }
        }
        lines.push(line);
    }
    lines
}

/// Replaces what must not reach a terminal, and without Unicode every character beyond ASCII, in a finished picture.
///
/// Lines are escaped where they are made; this holds whatever is drawn later in another way.
pub(super) fn clean(buffer: &mut Buffer, ascii: bool, color: bool) {
    for cell in &mut buffer.content {
        let symbol = cell.symbol();
        if symbol.chars().any(is_hostile) {
            cell.set_symbol("?");
        } else if ascii && !symbol.is_ascii() {
            let plain = symbol.chars().next().map_or("?", ascii_for);
            cell.set_symbol(plain);
        }
        if !color {
            cell.set_fg(Color::Reset);
        }
    }
}

/// Returns the ASCII character in place of one of the pictures' own; `?` for any other.
const fn ascii_for(character: char) -> &'static str {
    match character {
        '│' => "|",
        '─' | '═' | '—' | '–' => "-",
        '✓' | '┌' | '┐' | '└' | '┘' | '├' | '┤' | '┬' | '┴' | '┼' | '╭' | '╮' | '╰' | '╯' => {
            "+"
        }
        '▶' | '→' => ">",
        '◀' | '←' => "<",
        '✗' | '×' => "x",
        '…' => "~",
        '·' => ".",
        '↑' => "^",
        '↓' => "v",
        '↔' => "=",
        _ => "?",
    }
}

/// Returns sign and style of an outcome.
pub(super) const fn outcome_mark(outcome: Outcome) -> (&'static str, Style) {
    match outcome {
        Outcome::Ok => ("✓", GREEN),
        Outcome::Failed => ("✗", RED),
        Outcome::Incomplete => ("!", YELLOW),
        Outcome::Unknown => ("?", DIM),
    }
}

/// Returns sign, word and style of a verdict.
pub(super) const fn verdict_mark(status: VerdictStatus) -> (&'static str, &'static str, Style) {
    match status {
        VerdictStatus::Ok => ("✓", "OK", GREEN),
        VerdictStatus::Warning => ("!", "WARNING", YELLOW),
        VerdictStatus::Failed => ("✗", "FAILED", RED),
    }
}

/// Returns the style of a severity.
pub(super) const fn severity_style(severity: Severity) -> Style {
    match severity {
        Severity::Info => DIM,
        Severity::Low => CYAN,
        Severity::Medium => YELLOW,
        Severity::High => RED,
    }
}

// Of the 16 colours that a user's palette sets, and no background: they are legible on dark and light ones.
pub(super) const PLAIN: Style = Style::new();
pub(super) const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
pub(super) const DIM: Style = Style::new().add_modifier(Modifier::DIM);
pub(super) const REVERSED: Style = Style::new().add_modifier(Modifier::REVERSED);
pub(super) const RED: Style = Style::new().fg(Color::Red);
pub(super) const GREEN: Style = Style::new().fg(Color::Green);
pub(super) const YELLOW: Style = Style::new().fg(Color::Yellow);
pub(super) const CYAN: Style = Style::new().fg(Color::Cyan);

/// Lines of one text.
const MAX_WRAPPED: usize = 2_000;

#[cfg(test)]
mod tests {
    use ratatui::buffer::Cell;
    use ratatui::layout::Rect;

    use super::*;

    #[test]
    fn cells_have_their_width_with_wide_and_combining_characters() {
        for text in [
            "a",
            "日本語の名前",
            "cafe\u{301}",
            "\u{1b}[2J",
            "👍👍👍👍👍",
        ] {
            let mut line = Line::default();
            line.cell(PLAIN, text, 6).right(PLAIN, text, 6);
            assert_eq!(line.width(), 14, "{text}: {:?}", line.text());
        }
    }

    #[test]
    fn hostile_text_is_escaped_in_lines_and_in_wrapped_paragraphs() {
        let hostile = "a\u{1b}]0;x\u{7}\u{9b}2J\u{202e}b";
        let line = Line::of(PLAIN, hostile);
        assert!(!line.text().contains(is_hostile), "{:?}", line.text());
        let lines = wrapped(hostile, 8);
        assert!(lines.len() > 2 && !lines.concat().contains(is_hostile));
        assert!(lines.iter().all(|line| line.width() <= 8), "{lines:?}");
    }

    #[test]
    fn colours_of_our_writers_become_styles_and_other_sequences_are_shown() {
        let lines = styled("a\x1b[31mb\x1b[0mc\n\x1b]0;x");
        assert_eq!(lines[0].text(), "abc");
        assert_eq!(lines[0].pieces[1], (RED, "b".to_owned()));
        assert_eq!(lines[1].text(), "]0;x");
    }

    #[test]
    fn finished_picture_is_cleaned() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 3, 1));
        buffer.content[0].set_symbol("\u{202e}");
        buffer.content[1].set_symbol("│").set_fg(Color::Red);
        buffer.content[2].set_symbol("ü");
        clean(&mut buffer, true, false);
        let symbols: Vec<&str> = buffer.content.iter().map(Cell::symbol).collect();
        assert_eq!(symbols, ["?", "|", "?"]);
        assert_eq!(buffer.content[1].fg, Color::Reset);
    }
}
