//! Text that grows without being moved.

use std::io::{self, Write};

/// Bytes in pieces: a vector of tens of megabytes would stand in memory twice whenever it grows.
#[derive(Debug, Default)]
pub(super) struct TextPieces {
    /// All but the last are full.
    pieces: Vec<Vec<u8>>,
    length: usize,
}

impl TextPieces {
    /// Bytes in all.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len();
        while !bytes.is_empty() {
            match self.pieces.last_mut().filter(|last| last.len() < PIECE) {
                Some(last) => {
                    let (now, later) = bytes.split_at(bytes.len().min(PIECE - last.len()));
                    last.extend_from_slice(now);
                    bytes = later;
                }
                None => self.pieces.push(Vec::with_capacity(PIECE)),
            }
        }
    }

    /// Writes `length` bytes from `start`.
    pub(super) fn write(
        &self,
        start: usize,
        mut length: usize,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let mut within = start % PIECE;
        for piece in self.pieces.iter().skip(start / PIECE) {
            let end = within.saturating_add(length).min(piece.len());
            let part = piece.get(within..end).unwrap_or_default();
            out.write_all(part)?;
            length -= part.len();
            within = 0;
            if length == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Forgets all but the room of one piece.
    pub(super) fn clear(&mut self) {
        self.pieces.truncate(1);
        self.pieces.iter_mut().for_each(Vec::clear);
        self.length = 0;
    }
}

/// Bytes of a piece.
const PIECE: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_part_is_what_was_pushed() {
        let all: Vec<u8> = (0..3 * PIECE + 5)
            .map(|at| u8::try_from(at % 251).expect("small"))
            .collect();
        let mut pieces = TextPieces::default();
        let mut rest = all.as_slice();
        for size in [1, 70_000, PIECE, 3, 200_000].into_iter().cycle() {
            let (now, later) = rest.split_at(size.min(rest.len()));
            pieces.push(now);
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        assert_eq!(pieces.len(), all.len());
        for (start, length) in [
            (0, all.len()),
            (0, 0),
            (PIECE - 1, 2),
            (PIECE, PIECE),
            (5, 2 * PIECE),
            (all.len() - 1, 1),
        ] {
            let mut out = Vec::new();
            pieces.write(start, length, &mut out).expect("memory");
            assert!(out == all[start..start + length], "{start} {length}");
        }
        pieces.clear();
        pieces.push(b"again");
        let mut out = Vec::new();
        pieces.write(0, 5, &mut out).expect("memory");
        assert_eq!(out, b"again");
    }
}
