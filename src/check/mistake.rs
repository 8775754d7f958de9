//! Mistakes in an expectation file, each shown at its place: line, column, the line itself with a caret, and what to do.

use std::fmt::Write as _;
use std::ops::Range;

use unicode_width::UnicodeWidthChar as _;

use crate::model::wire_text::printable;

/// A mistake at a place of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Bytes of the text.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// A line and a column, both from 1; columns count characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: u64,
    /// The character in it.
    pub column: u64,
}

impl Position {
    /// Where a byte of a text is.
    #[must_use]
    pub fn of(text: &str, byte: usize) -> Self {
        let before = before(text, byte);
        let line = before.matches('\n').count() as u64 + 1;
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(start..).unwrap_or_default().chars().count() as u64 + 1;
        Self { line, column }
    }
}

/// All mistakes of a file, the first ones first.
#[must_use]
pub fn render(path: &str, text: &str, mistakes: &[Mistake]) -> String {
    let mut sorted: Vec<_> = mistakes.iter().collect();
    sorted.sort_by_key(|mistake| mistake.span.start);
    let mut out = String::new();
    for mistake in sorted.iter().take(MOST) {
        one(path, text, mistake, &mut out);
    }
    if let Some(more) = sorted.len().checked_sub(MOST).filter(|more| *more > 0) {
        let _ = writeln!(
            out,
            "ftpscope: and {more} more mistakes in {}",
            printable(path)
        );
    }
    out
}

fn one(path: &str, text: &str, mistake: &Mistake, out: &mut String) {
    let at = Position::of(text, mistake.span.start);
    let number = at.line.to_string();
    let margin = " ".repeat(number.len());
    let start = before(text, mistake.span.start);
    let start = start.rfind('\n').map_or(0, |at| at + 1);
    let line = text.get(start..).unwrap_or_default();
    let line = line.lines().next().unwrap_or_default();
    let end = mistake.span.end.min(start + line.len());
    let end = end.max(mistake.span.start);
    let marked = text.get(mistake.span.start..end).unwrap_or_default();
    let indent = text.get(start..mistake.span.start).unwrap_or_default();
    let _ = writeln!(
        out,
        "ftpscope: {}:{}:{}: {}",
        printable(path),
        at.line,
        at.column,
        printable(&mistake.message)
    );
    let _ = writeln!(out, "{margin} |");
    let _ = writeln!(out, "{number} | {}", plain(line));
    let _ = writeln!(
        out,
        "{margin} | {}{}",
        " ".repeat(width(indent)),
        "^".repeat(width(marked).max(1))
    );
    if let Some(hint) = &mistake.hint {
        let _ = writeln!(out, "{margin} = {}", printable(hint));
    }
}

fn before(text: &str, byte: usize) -> &str {
    let mut end = byte.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// A line as it is shown: a tab is one column, as in the line of carets.
fn plain(line: &str) -> String {
    printable(&line.replace('\t', " ")).into_owned()
}

fn width(text: &str) -> usize {
    let shown = plain(text);
    shown.chars().map(|one| one.width().unwrap_or(0)).sum()
}

/// Mistakes that are shown.
const MOST: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_shown_under_its_line() {
        let text = "sessions = \"exactly\"\n\tcompletness = 1\n";
        let start = text.find("compl").expect("there");
        let mistake = Mistake {
            span: start..start + 11,
            message: "there is no field completness".to_owned(),
            hint: Some("did you mean completeness?".to_owned()),
        };
        assert_eq!(
            render("e.toml", text, &[mistake]),
            "ftpscope: e.toml:2:2: there is no field completness\n  \
             |\n2 |  completness = 1\n  |  ^^^^^^^^^^^\n  = did you mean completeness?\n"
        );
    }

    #[test]
    fn a_place_beyond_the_text_is_its_end() {
        assert_eq!(Position::of("é\n", 99), Position { line: 2, column: 1 });
        assert_eq!(Position::of("éé", 3), Position { line: 1, column: 2 });
        let mistake = Mistake {
            span: 7..9,
            message: "ends".to_owned(),
            hint: None,
        };
        assert!(render("e", "a = ", &[mistake]).contains("e:1:5: ends"));
    }
}
