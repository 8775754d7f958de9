//! Tables of columns by `comfy-table`, with a coloured mark in front of each row.

use anstyle::Style;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets};

use super::{CYAN, DIM, GREEN, PLAIN, RED, YELLOW, paint};
use crate::model::wire_text::printable;

/// Mark in front of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Good,
    Attention,
    Bad,
    Unknown,
    Note,
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

/// A table whose cells are escaped for a terminal.
pub(super) struct Grid {
    table: Table,
    columns: Vec<Column>,
}

impl Grid {
    /// Creates a table without rows from the kinds and titles of its columns.
    pub(super) fn new(columns: &[(Column, &str)]) -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_content_arrangement(ContentArrangement::Dynamic);
        let titles = columns.iter().map(|&(_, title)| title.to_owned());
        table.set_header(
            std::iter::once(String::new())
                .chain(titles)
                .collect::<Vec<_>>(),
        );
        Self {
            table,
            columns: columns.iter().map(|&(kind, _)| kind).collect(),
        }
    }

    /// Adds a row. Each cell may have several lines.
    pub(super) fn row(&mut self, mark: Mark, cells: &[Vec<String>]) {
        let (shape, _) = mark.shape();
        let cells = cells.iter().map(|lines| {
            // Escaped before they are joined: a line end from the wire must not begin a line.
            let lines: Vec<_> = lines.iter().map(|line| printable(line)).collect();
            lines.join("\n")
        });
        self.table.add_row(
            std::iter::once(shape.to_string())
                .chain(cells)
                .collect::<Vec<_>>(),
        );
    }

    /// Returns the rendered lines, header first.
    pub(super) fn lines(&self, width: usize, color: bool) -> Vec<String> {
        let mut table = self.table.clone();
        let width = u16::try_from(width).unwrap_or(u16::MAX);
        table.set_width(width);
        for (index, column_width) in self.widths(width).into_iter().enumerate() {
            let Some(column) = table.column_mut(index) else {
                continue;
            };
            let padding = self.padding(index);
            column.set_padding(padding);
            let with_padding = column_width.saturating_add(padding.0 + padding.1);
            column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(with_padding)));
            if index > 0 && self.columns.get(index - 1) == Some(&Column::Right) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let lines = table.lines().map(|line| line.trim_end().to_owned());
        lines
            .enumerate()
            .map(|(index, line)| {
                if index == 0 {
                    paint(color, DIM, &line)
                } else {
                    paint_mark(&line, color)
                }
            })
            .collect()
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

/// Minimum width of a column of text.
const MIN_TEXT: u16 = 8;
