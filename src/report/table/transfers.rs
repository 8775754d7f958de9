//! Table of transfers in the block of a session.

use std::borrow::Cow;
use std::io;

use super::block::{Block, WIDE, hidden_row, omitted, plain, shown};
use super::grid::{Column, Grid, Mark};
use super::{Options, completeness_words};
use crate::model::record::{
    Completeness, EntryKind, ListingEntry, Session, Transfer, TransferDirection,
};
use crate::report::units;

/// Writes the table, and below it the entries of listings.
pub(super) fn write(session: &Session, options: &Options, block: &mut Block<'_>) -> io::Result<()> {
    if session.transfers.is_empty() {
        return Ok(());
    }
    block.space()?;
    let shape = Shape::of(block.width());
    let mut grid = Grid::new(&shape.columns());
    let (first, hidden, last) = shown(&session.transfers, options);
    for transfer in first {
        transfer_row(transfer, shape, options, &mut grid);
    }
    if hidden > 0 {
        hidden_row(hidden, shape.columns().len(), 1, &mut grid);
    }
    for transfer in last {
        transfer_row(transfer, shape, options, &mut grid);
    }
    block.grid(&grid)?;
    omitted(session.transfers_omitted, "transfer", "transfers", block)?;
    for transfer in first.iter().chain(last) {
        entries(transfer, options, block)?;
    }
    Ok(())
}

/// Width class of the table of transfers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Narrow,
    Wide,
    Full,
}

impl Shape {
    fn of(width: usize) -> Self {
        if width >= FULL {
            Self::Full
        } else if width >= WIDE {
            Self::Wide
        } else {
            Self::Narrow
        }
    }

    fn columns(self) -> Vec<(Column, &'static str)> {
        let mut columns = vec![
            (Column::Right, "#"),
            (Column::Text, "Transfer"),
            (Column::Left, "Way"),
            (Column::Right, "Size"),
        ];
        if self != Self::Narrow {
            columns.push((Column::Right, "Rate"));
        }
        columns.push((Column::Left, "State"));
        columns.push((Column::Left, "SHA-256"));
        columns
    }
}

fn transfer_row(transfer: &Transfer, shape: Shape, options: &Options, grid: &mut Grid) {
    let mut text = vec![name(transfer)];
    if let Some(saved) = &transfer.saved_as {
        text.push(format!("saved as {saved}"));
    }
    if transfer.restart_offset > 0 {
        text.push(format!(
            "from byte {}",
            units::count(transfer.restart_offset)
        ));
    }
    if transfer.missing_bytes > 0 {
        text.push(format!("{} missing", units::bytes(transfer.missing_bytes)));
    }
    if options.verbose {
        text.extend(
            transfer
                .evidence
                .iter()
                .map(|reason| format!("because: {reason}")),
        );
    }
    let (mark, state) = state(transfer.completeness);
    let digest = transfer.sha256.as_deref().unwrap_or("-");
    let digest = if shape == Shape::Full {
        digest
    } else {
        // Enough to compare by eye; the JSON report has all digits.
        digest.get(..SHORT_DIGEST).unwrap_or(digest)
    };
    let mut cells = vec![
        vec![transfer.id.to_string()],
        text,
        vec![way(transfer.direction).to_owned()],
        vec![units::size(transfer.bytes)],
    ];
    if shape != Shape::Narrow {
        cells.push(vec![
            transfer
                .throughput
                .map_or_else(|| "-".to_owned(), units::rate),
        ]);
    }
    cells.push(vec![state.to_owned()]);
    cells.push(vec![digest.to_owned()]);
    grid.row(mark, &cells);
}

/// Returns the path of a file, verb and path of a listing, or the verb if the path is unknown.
fn name(transfer: &Transfer) -> String {
    let path = transfer.path.as_ref().or(transfer.argument.as_ref());
    let path = path.map(|path| shortened(path));
    match (path, transfer.direction) {
        (Some(path), TransferDirection::Listing) => format!("{} {path}", transfer.verb),
        (Some(path), _) => path.into_owned(),
        (None, _) => transfer.verb.clone(),
    }
}

/// Shortens a path in its middle: its beginning shows where it is, its end what it is. JSON has all of it.
fn shortened(path: &str) -> Cow<'_, str> {
    let count = path.chars().count();
    if count <= PATH_CHARACTERS {
        return Cow::Borrowed(path);
    }
    let half = PATH_CHARACTERS / 2;
    let beginning: String = path.chars().take(half).collect();
    let end: String = path.chars().skip(count - half).collect();
    Cow::Owned(format!("{beginning}…{end}"))
}

/// Characters of a path that the table shows: about four lines of its column.
const PATH_CHARACTERS: usize = 200;

/// Writes the entries of a listing: the first few on one line, or with `-v` each on its own.
fn entries(transfer: &Transfer, options: &Options, block: &mut Block<'_>) -> io::Result<()> {
    if transfer.entries.is_empty() {
        return Ok(());
    }
    let limit = if options.verbose {
        usize::MAX
    } else {
        FIRST_ENTRIES
    };
    let total = units::to_u64(transfer.entries.len()).saturating_add(transfer.entries_omitted);
    let title = format!(
        "{}: {}",
        name(transfer),
        units::counted(total, "entry", "entries"),
    );
    let mut names: Vec<String> = transfer.entries.iter().take(limit).map(entry).collect();
    let more = total.saturating_sub(units::to_u64(names.len()));
    if more > 0 {
        names.push(format!("… {} more", units::count(more)));
    }
    block.space()?;
    if options.verbose {
        block.text(2, 2, &[plain(&title)])?;
        for name in names {
            block.text(4, 2, &[plain(&name)])?;
        }
        return Ok(());
    }
    block.text(
        2,
        2,
        &[plain(&format!("{title}:")), plain(&names.join(", "))],
    )
}

fn entry(entry: &ListingEntry) -> String {
    let slash = if entry.kind == EntryKind::Directory {
        "/"
    } else {
        ""
    };
    let target = match &entry.target {
        Some(target) => format!(" → {target}"),
        None => String::new(),
    };
    let size = match entry.size {
        Some(size) if entry.kind == EntryKind::File => format!(" ({})", units::size(size)),
        _ => String::new(),
    };
    format!("{}{slash}{target}{size}", entry.name)
}

/// Returns the mark and the words for a completeness.
pub(super) fn state(completeness: Completeness) -> (Mark, &'static str) {
    let mark = match completeness {
        Completeness::Complete => Mark::Good,
        Completeness::Unverifiable => Mark::Unknown,
        Completeness::Gaps | Completeness::Truncated => Mark::Attention,
        Completeness::Aborted => Mark::Bad,
    };
    (mark, completeness_words(completeness))
}

fn way(direction: TransferDirection) -> &'static str {
    match direction {
        TransferDirection::Download => "download",
        TransferDirection::Upload => "upload",
        TransferDirection::Listing => "listing",
    }
}

/// Entries of a listing shown without `-v`.
const FIRST_ENTRIES: usize = 5;

/// Width in columns from which digests are shown whole.
const FULL: usize = 158;

/// Digits of a shortened digest.
const SHORT_DIGEST: usize = 12;
