//! What of a long list is shown, and what a row of it may take.

use std::io;

use super::Options;
use super::block::{Block, span};
use super::grid::{Grid, Mark};
use super::style::DIM;
use crate::report::units;

/// A row of [`omitted`] things, where there are any.
pub(super) fn omitted(count: u64, one: &str, many: &str, block: &mut Block<'_>) -> io::Result<()> {
    if count == 0 {
        return Ok(());
    }
    let text = format!("… and {} left out", units::counted(count, one, many));
    block.text(0, 2, &[span(DIM, &text)])
}

/// Which rows are shown: all, or the first and the last of many.
pub(super) fn shown<'a, T>(items: &'a [T], options: &Options) -> (&'a [T], u64, &'a [T]) {
    let hidden = items.len().saturating_sub(FIRST_ROWS + LAST_ROWS);
    if options.verbose || hidden == 0 {
        return (items, 0, &[]);
    }
    let (first, rest) = items.split_at(FIRST_ROWS);
    let (_, last) = rest.split_at(hidden);
    (first, u64::try_from(hidden).unwrap_or(u64::MAX), last)
}

/// A row that tells how many rows are not shown, in the given column.
pub(super) fn hidden_row(hidden: u64, columns: usize, column: usize, grid: &mut Grid) {
    let mut cells = vec![vec![]; columns];
    if let Some(cell) = cells.get_mut(column) {
        *cell = vec![format!("… {} more (-v shows them)", units::count(hidden))];
    }
    grid.row(Mark::Note, &cells);
}

/// Rows shown of a long table: its beginning and its end.
const FIRST_ROWS: usize = 80;
const LAST_ROWS: usize = 20;

/// Columns from which replies, durations and rates are shown.
pub(super) const WIDE: usize = 98;
