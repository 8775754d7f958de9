//! Which bytes of a listing are there, and so which of its lines are whole.

use std::borrow::Cow;

/// How much of a listing there is.
#[derive(Clone, Copy, Debug)]
pub struct Extent<'a> {
    /// The first byte is the first of the listing.
    pub from_start: bool,
    /// Before which of the bytes others are missing, counted from 0, in order.
    pub holes: &'a [usize],
    /// The last byte is the last of the listing: the last line needs no line end.
    pub to_end: bool,
}

impl Extent<'_> {
    /// All of it.
    pub const WHOLE: Self = Self {
        from_start: true,
        holes: &[],
        to_end: true,
    };

    /// The lines of which nothing is missing. `begins` tells of a line whose beginning may be missing that it is not; what
    /// is left of the other lines goes to `cut`.
    pub(super) fn whole_lines(
        self,
        bytes: &[u8],
        begins: impl Fn(&[u8]) -> bool,
        mut cut: impl FnMut(&[u8]),
    ) -> Cow<'_, [u8]> {
        if self.from_start && self.holes.is_empty() {
            return Cow::Borrowed(without_end(bytes, self.to_end, &mut cut));
        }
        let mut kept = Vec::new();
        let mut from = 0;
        let ends = self.holes.iter().copied().chain([bytes.len()]);
        for (number, end) in ends.enumerate() {
            let end = end.clamp(from, bytes.len());
            let mut piece = &bytes[from..end];
            from = end;
            let first = number == 0;
            if !first || !self.from_start {
                let line_end = piece.iter().position(|byte| *byte == b'\n');
                let (line, rest) = piece.split_at(line_end.map_or(piece.len(), |end| end + 1));
                let known = first && line_end.is_some() && begins(line.trim_ascii_end());
                if !known {
                    told(line, &mut cut);
                    piece = rest;
                }
            }
            let last = number == self.holes.len();
            kept.extend_from_slice(without_end(piece, last && self.to_end, &mut cut));
        }
        Cow::Owned(kept)
    }
}

/// Without a last line that has no line end, unless that is the end of the listing.
fn without_end<'b>(piece: &'b [u8], to_end: bool, cut: &mut impl FnMut(&[u8])) -> &'b [u8] {
    if to_end {
        return piece;
    }
    let end = piece
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1);
    let (lines, rest) = piece.split_at(end);
    told(rest, cut);
    lines
}

fn told(line: &[u8], cut: &mut impl FnMut(&[u8])) {
    let line = line.trim_ascii_end();
    if !line.is_empty() {
        cut(line);
    }
}
