//! Text in styles, wrapped between words at the width of a terminal.

use std::borrow::Cow;
use std::io::{self, Write};

use anstyle::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

#[cfg(any(test, feature = "cli"))]
use super::table::PLAIN;
use super::table::paint;
use crate::model::wire_text::printable;

/// A run of text in one style. Only [`span`] creates it, so that no text reaches a terminal unescaped.
pub(crate) struct Span {
    style: Style,
    text: String,
    /// Minimum width of each of its words, in columns.
    least: usize,
    /// Keeps runs of blanks within a line, as in a line of a log.
    keeps_blanks: bool,
}

/// Creates a span of text, escaped for a terminal. An endless one is cut.
pub(crate) fn span(style: Style, text: &str) -> Span {
    Span {
        style,
        text: printable(&cut(text, LONGEST_SPAN)).into_owned(),
        least: 0,
        keeps_blanks: false,
    }
}

/// Cuts a text behind `most` characters.
pub(super) fn cut(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

/// Creates a span of one word that is padded to `least` columns.
pub(crate) fn label(style: Style, word: &str, least: usize) -> Span {
    Span {
        least,
        ..span(style, word)
    }
}

/// Creates a span of text that is shown whole, with its runs of blanks.
pub(crate) fn verbatim(style: Style, text: &str) -> Span {
    Span {
        style,
        text: printable(text).into_owned(),
        least: 0,
        keeps_blanks: true,
    }
}

/// Creates a span without a style.
#[cfg(any(test, feature = "cli"))]
pub(super) fn plain(text: &str) -> Span {
    span(PLAIN, text)
}

/// Writes spans as [`wrap`] does, or on one line if `width` is `None`.
pub(crate) fn write_wrapped(
    spans: &[Span],
    width: Option<u16>,
    (indent, hang): (usize, usize),
    color: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let width = width.map_or(UNLIMITED, |width| usize::from(width.max(MIN_WIDTH)));
    for line in wrap(spans, width, indent, hang, color) {
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// Wraps spans between words: the first line is indented by `indent` columns, the others by `hang` more.
///
/// No line is wider than `width`, but for a digest, which could not be copied in parts.
pub(super) fn wrap(
    spans: &[Span],
    width: usize,
    indent: usize,
    hang: usize,
    color: bool,
) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = " ".repeat(indent);
    let mut used = indent;
    let mut at_start = true;
    let after_first = indent + hang;
    let mut blanks = 0;
    for (span, word) in spans
        .iter()
        .flat_map(|span| span.text.split(' ').map(move |word| (span, word)))
    {
        // Runs of spaces, as in server replies, become one.
        if word.is_empty() {
            blanks += usize::from(span.keeps_blanks);
            continue;
        }
        let before = 1 + std::mem::take(&mut blanks);
        let mut rest = word;
        loop {
            let gap = if at_start { 0 } else { before };
            // Not of all of an endless word, for each of its lines. A character that fits takes a column, or none.
            let length = match rest.get(..rest.floor_char_boundary(width.saturating_mul(64))) {
                Some(begin) if begin.len() < rest.len() => begin.width().max(width + 1),
                _ => rest.width(),
            };
            if used + gap + length <= width {
                line.push_str(&" ".repeat(gap));
                line.push_str(&paint(color, span.style, rest));
                let padding = span.least.saturating_sub(length);
                line.push_str(&" ".repeat(padding));
                used += gap + length + padding;
                at_start = false;
                break;
            }
            // A digest that is cut cannot be copied: the terminal, which breaks a line too long for it, gives it as a whole.
            if at_start && is_digest(word) {
                line.truncate(width.saturating_sub(length).min(used));
                line.push_str(&paint(color, span.style, word));
                used = width;
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

/// Returns true for the hexadecimal digits of MD5, SHA-1 or SHA-256, also in quotes or before a comma.
fn is_digest(word: &str) -> bool {
    let word = word.trim_matches(|sign: char| sign.is_ascii_punctuation());
    matches!(word.len(), 32 | 40 | 64) && word.bytes().all(|byte| byte.is_ascii_hexdigit())
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

/// Minimum width in columns. Narrower terminals get lines of this width and wrap them.
pub(super) const MIN_WIDTH: u16 = 24;

/// Width of a line that is not wrapped.
const UNLIMITED: usize = usize::MAX >> 8;

/// Longest text of a paragraph, in characters.
const LONGEST_SPAN: usize = 4000;

#[cfg(test)]
mod tests {
    use super::super::table::{BOLD, RED};
    use super::*;

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
    fn digest_is_never_cut_and_stands_at_the_beginning_of_a_line_too_narrow_for_it() {
        let digest = "c232a16f5c073e3136d1d0de17cc6849";
        let spans = [plain("md5"), plain(digest), plain("a.txt")];
        let indented = format!("  {digest}");
        assert_eq!(
            wrap(&spans, 34, 2, 2, false),
            ["  md5", &indented, "    a.txt"]
        );
        assert_eq!(
            wrap(&spans, 20, 2, 2, false),
            ["  md5", digest, "    a.txt"]
        );
        assert_eq!(wrap(&[plain(digest)], 20, 2, 2, false), [digest]);
    }

    #[test]
    fn styles_surround_words_only_with_colours() {
        let line = wrap(&[span(RED, "bad\x1b[2J")], 20, 0, 0, true);
        assert_eq!(line, ["\x1b[31mbad\\x1b[2J\x1b[0m"]);
    }

    #[test]
    fn verbatim_text_keeps_its_blanks_within_a_line() {
        let spans = [label(PLAIN, "log", 5), verbatim(PLAIN, "Nov  3 05:56  a")];
        assert_eq!(wrap(&spans, 80, 2, 6, false), ["  log   Nov  3 05:56  a"]);
        assert_eq!(
            wrap(&spans, 20, 2, 6, false),
            ["  log   Nov  3 05:56", "        a"]
        );
    }

    #[test]
    fn digest_in_quotes_is_not_cut_either() {
        let digest = "\"c232a16f5c073e3136d1d0de17cc6849\",";
        assert_eq!(wrap(&[plain(digest)], 20, 2, 2, false), [digest]);
    }

    #[test]
    fn text_without_a_width_stays_on_one_line() {
        let mut out = Vec::new();
        let text = "word ".repeat(500);
        let spans = [verbatim(PLAIN, text.trim_end())];
        write_wrapped(&spans, None, (0, 2), false, &mut out).expect("memory takes it");
        assert_eq!(
            String::from_utf8(out).expect("text").trim_end(),
            text.trim_end()
        );
    }
}
