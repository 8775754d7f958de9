//! Overlay: a box of text over the panes, such as the help, laid out for the screen that is there and scrolled where it is
//! higher.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::widgets::{Block, Clear, Widget as _};
use unicode_width::UnicodeWidthStr as _;

use super::keys::Move;
use super::line::{BOLD, Line, PLAIN, wrapped};

/// A box of text over the panes.
pub(super) struct Overlay {
    title: String,
    paragraphs: Vec<Paragraph>,
    /// First line that is shown.
    top: usize,
    /// Lines of all paragraphs, and of the box, when it was drawn last; 0 before.
    length: usize,
    page: usize,
}

/// A paragraph, with its key in front of it if it has one.
struct Paragraph {
    key: &'static str,
    style: Style,
    text: String,
}

impl Overlay {
    /// Creates an empty overlay.
    pub(super) fn new(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            paragraphs: Vec::new(),
            top: 0,
            length: 0,
            page: 0,
        }
    }

    /// Adds a paragraph.
    pub(super) fn text(&mut self, style: Style, text: &str) {
        self.pair("", style, text);
    }

    /// Adds the meaning of a key.
    pub(super) fn key(&mut self, key: &'static str, meaning: &str) {
        self.pair(key, PLAIN, meaning);
    }

    fn pair(&mut self, key: &'static str, style: Style, text: &str) {
        let text = text.to_owned();
        self.paragraphs.push(Paragraph { key, style, text });
    }

    /// Scrolls; returns false if all of it is shown, so that a key closes it.
    pub(super) fn scroll(&mut self, by: Move) -> bool {
        let last = self.length.saturating_sub(self.page);
        let page = self.page.cast_signed();
        self.top = match by {
            Move::Lines(lines) => self.top.saturating_add_signed(lines),
            Move::Pages(pages) => self.top.saturating_add_signed(pages.saturating_mul(page)),
            Move::First => 0,
            Move::Last => last,
        }
        .min(last);
        last > 0
    }

    /// Draws it in the middle of `area`.
    pub(super) fn draw(&mut self, buffer: &mut Buffer, area: Rect) {
        let lines = self.lines(usize::from(area.width).saturating_sub(6).min(WIDEST));
        let widest = lines.iter().map(Line::width).max().unwrap_or(0);
        let widest = widest.max(self.title.width() + 2);
        let width = u16::try_from(widest + 4).unwrap_or(u16::MAX);
        let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX);
        let (width, height) = (width.min(area.width - 2), height.min(area.height - 2));
        let inside = Rect {
            x: area.x + (area.width - width) / 2,
            y: area.y + (area.height - height) / 2,
            width,
            height,
        };
        self.length = lines.len();
        self.page = usize::from(height.saturating_sub(2));
        let last = self.length.saturating_sub(self.page);
        self.top = self.top.min(last);
        Clear.render(inside, buffer);
        let mut frame = Block::bordered().title(self.title.as_str());
        if last > 0 {
            frame = frame.title_bottom(if self.top < last {
                "↓ more"
            } else {
                "↑ more"
            });
        }
        frame.render(inside, buffer);
        let shown = lines.iter().skip(self.top);
        for (line, y) in shown.zip(inside.y + 1..inside.bottom() - 1) {
            line.draw(buffer, inside.x + 2, y, inside.width - 4, PLAIN);
        }
    }

    /// Lays the paragraphs out: meanings beside their keys, in a column where there is room for it.
    fn lines(&self, width: usize) -> Vec<Line> {
        let keys = self.paragraphs.iter().map(|one| one.key.width());
        let column = keys.max().unwrap_or(0);
        let is_wide =
            |one: &Paragraph| one.key.is_empty() || column + 2 + one.text.width() <= width;
        let has_column = self.paragraphs.iter().all(is_wide);
        let mut lines = Vec::new();
        for Paragraph { key, style, text } in &self.paragraphs {
            if key.is_empty() {
                let parts = wrapped(text, width);
                lines.extend(parts.iter().map(|part| Line::of(*style, part)));
                continue;
            }
            let mut line = Line::default();
            if has_column {
                line.cell(BOLD, key, column + 1).add(*style, text);
                lines.push(line);
                continue;
            }
            line.add(BOLD, key);
            if key.width() + 2 + text.width() <= width {
                line.add(*style, &format!("  {text}"));
                lines.push(line);
                continue;
            }
            lines.push(line);
            for part in wrapped(text, width.saturating_sub(2)) {
                lines.push(Line::of(*style, &format!("  {part}")));
            }
        }
        lines
    }
}

/// Columns of a paragraph.
const WIDEST: usize = 90;

#[cfg(test)]
mod tests {
    use ratatui::buffer::Cell;

    use super::*;

    #[test]
    fn text_higher_than_the_screen_is_scrolled_and_never_beyond_its_end() {
        let mut overlay = Overlay::new("Keys");
        for number in 0..20 {
            overlay.key("x", &format!("number {number}"));
        }
        let area = Rect::new(0, 0, 30, 10);
        let draw = |overlay: &mut Overlay| {
            let mut buffer = Buffer::empty(area);
            overlay.draw(&mut buffer, area);
            buffer.content.iter().map(Cell::symbol).collect::<String>()
        };
        let first = draw(&mut overlay);
        assert!(
            first.contains("number 0 ") && first.contains("↓ more"),
            "{first}"
        );
        assert!(overlay.scroll(Move::Pages(9)));
        let last = draw(&mut overlay);
        assert!(
            last.contains("number 19") && last.contains("↑ more"),
            "{last}"
        );
        assert!(overlay.scroll(Move::Lines(-1)));
        assert!(!draw(&mut overlay).contains("number 19"));
        let mut short = Overlay::new("Copied");
        short.text(PLAIN, "one");
        draw(&mut short);
        assert!(!short.scroll(Move::Lines(1)));
    }
}
