//! Captured parts of a listing, and the lines that are complete in them.

use std::borrow::Cow;

/// Captured part of a listing.
#[derive(Clone, Copy, Debug)]
pub struct Extent<'a> {
    /// Whether the first byte is the first of the listing.
    pub from_start: bool,
    /// Indexes of the bytes before which others are missing, ascending.
    pub holes: &'a [usize],
    /// Whether the last byte is the last of the listing, so that the last line needs no line end.
    pub to_end: bool,
}

impl Extent<'_> {
    /// All of the listing.
    pub const WHOLE: Self = Self {
        from_start: true,
        holes: &[],
        to_end: true,
    };

    /// Returns the complete lines of `bytes`, and passes the remains of the others to `cut`.
    ///
    /// Of the first line, the beginning may be missing unnoticed; `is_complete` decides whether it is.
    pub(super) fn complete_lines(
        self,
        bytes: &[u8],
        is_complete: impl Fn(&[u8]) -> bool,
        mut cut: impl FnMut(&[u8]),
    ) -> Cow<'_, [u8]> {
        if self.from_start && self.holes.is_empty() {
            return Cow::Borrowed(without_cut_end(bytes, self.to_end, &mut cut));
        }
        let mut kept = Vec::new();
        let mut from = 0;
        let ends = self.holes.iter().copied().chain([bytes.len()]);
        for (number, end) in ends.enumerate() {
            // Holes come from the capture and may lie beyond the bytes that were kept.
            let end = end.clamp(from, bytes.len());
            let mut piece = &bytes[from..end];
            from = end;
            let first = number == 0;
            if !first || !self.from_start {
                // A line that begins right after a hole may be complete or not; it counts as cut.
                let line_end = piece.iter().position(|byte| *byte == b'\n');
                let (line, rest) = piece.split_at(line_end.map_or(piece.len(), |end| end + 1));
                let complete = first && line_end.is_some() && is_complete(line.trim_ascii_end());
                if !complete {
                    pass_cut(line, &mut cut);
                    piece = rest;
                }
            }
            let last = number == self.holes.len();
            kept.extend_from_slice(without_cut_end(piece, last && self.to_end, &mut cut));
        }
        Cow::Owned(kept)
    }
}

/// Returns `piece` without a last line that has no line end, unless the listing ends there.
fn without_cut_end<'b>(piece: &'b [u8], to_end: bool, cut: &mut impl FnMut(&[u8])) -> &'b [u8] {
    if to_end {
        return piece;
    }
    let end = piece
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1);
    let (lines, rest) = piece.split_at(end);
    pass_cut(rest, cut);
    lines
}

fn pass_cut(line: &[u8], cut: &mut impl FnMut(&[u8])) {
    let line = line.trim_ascii_end();
    if !line.is_empty() {
        cut(line);
    }
}
