//! Mistakes in an expectation file, rendered with line, column, the line itself under a caret, and a correction.

use std::fmt::Write as _;
use std::ops::Range;

use unicode_width::UnicodeWidthChar as _;

use crate::model::wire_text::printable;

/// A mistake in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Byte range in the file.
    pub span: Range<usize>,
    /// Message without the position.
    pub message: String,
    /// Correction; `None` if none is known.
    pub hint: Option<String>,
}

/// A position in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: u64,
    /// Character in the line, from 1.
    pub column: u64,
}

impl Position {
    /// Returns the position of a byte; beyond the end, the position of the end.
    #[must_use]
    pub fn of(text: &str, byte: usize) -> Self {
        let before = before(text, byte);
        let line = before.matches('\n').count() as u64 + 1;
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(start..).unwrap_or_default().chars().count() as u64 + 1;
        Self { line, column }
    }
}

/// Beginnings of the lines of a file, so that thousands of positions are found without reading it for each.
#[derive(Clone, Debug)]
pub struct LineStarts(Vec<usize>);

impl LineStarts {
    /// Finds the lines of a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let after_ends = text.match_indices('\n').map(|(at, _)| at + 1);
        Self(std::iter::once(0).chain(after_ends).collect())
    }

    /// Returns what [`Position::of`] returns for the same text.
    #[must_use]
    pub fn position(&self, text: &str, byte: usize) -> Position {
        let byte = before(text, byte).len();
        let line = self.0.partition_point(|start| *start <= byte);
        let start = self.0.get(line.saturating_sub(1)).copied();
        let inside = text
            .get(start.unwrap_or_default()..byte)
            .unwrap_or_default();
        Position {
            line: line as u64,
            column: inside.chars().count() as u64 + 1,
        }
    }
}

/// Renders the mistakes of a file in file order, at most 20.
#[must_use]
pub fn render(path: &str, text: &str, mistakes: &[Mistake]) -> String {
    let mut sorted: Vec<_> = mistakes.iter().collect();
    sorted.sort_by_key(|mistake| mistake.span.start);
    let mut out = String::new();
    for mistake in sorted.iter().take(MAX_MISTAKES) {
        one(path, text, mistake, &mut out);
    }
    if let Some(more) = sorted
        .len()
        .checked_sub(MAX_MISTAKES)
        .filter(|more| *more > 0)
    {
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
    // A span may cross lines (a multi-line string): only its first line is marked.
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

/// Renders a line without control characters; a tab takes one column, as in the line of carets.
fn plain(line: &str) -> String {
    printable(&line.replace('\t', " ")).into_owned()
}

fn width(text: &str) -> usize {
    let shown = plain(text);
    shown.chars().map(|one| one.width().unwrap_or(0)).sum()
}

/// Mistakes rendered of one file.
const MAX_MISTAKES: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistake_is_rendered_under_its_line() {
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
    fn position_beyond_the_file_is_its_end() {
        assert_eq!(Position::of("é\n", 99), Position { line: 2, column: 1 });
        assert_eq!(Position::of("éé", 3), Position { line: 1, column: 2 });
    }

    #[test]
    fn positions_by_beginnings_of_lines_are_those_of_the_whole_text() {
        let text = "a = 1\r\n\né = \"ü\"\nlast";
        let lines = LineStarts::of(text);
        for byte in 0..text.len() + 3 {
            assert_eq!(
                lines.position(text, byte),
                Position::of(text, byte),
                "{byte}"
            );
        }
        let mistake = Mistake {
            span: 7..9,
            message: "ends".to_owned(),
            hint: None,
        };
        assert!(render("e", "a = ", &[mistake]).contains("e:1:5: ends"));
    }
}
