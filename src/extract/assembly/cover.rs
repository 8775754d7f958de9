//! Which part of a file gives which of its bytes, and whether all parts together are the whole.

use std::collections::BTreeMap;

use serde::Serialize;

/// One saved file that may be a part of a larger one.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) session: u64,
    pub(super) transfer: u64,
    pub(super) saved_as: String,
    /// Where in the server's file its first byte belongs.
    pub(super) offset: u64,
    /// Bytes of the saved file, holes included.
    pub(super) length: u64,
    pub(super) holes: Vec<[u64; 2]>,
    /// Its end is the end of the file.
    pub(super) ends: bool,
    /// The size that the server told for the whole file.
    pub(super) told_size: Option<u64>,
    /// It goes on where another ended, or begins behind the first byte.
    pub(super) goes_on: bool,
    /// Its path is known, and not only the name that was asked for.
    pub(super) placed: bool,
}

/// Bytes that one part gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Piece {
    pub(super) session: u64,
    pub(super) transfer: u64,
    pub(super) saved_as: String,
    /// In the assembled file.
    pub(super) from: u64,
    pub(super) to: u64,
    /// Where `from` is in the part.
    pub(super) from_in_part: u64,
}

/// Where the bytes of parts without a hole between them end.
pub(super) fn end_of(parts: &[Part]) -> Option<u64> {
    let end = parts
        .iter()
        .filter_map(|part| part.offset.checked_add(part.length))
        .max()?;
    let whole = parts.iter().all(|part| part.holes.is_empty());
    whole.then_some(end)
}

/// The size of the file that parts cover from its first byte to its last.
pub(super) fn coverable(parts: &[Part]) -> Option<u64> {
    if parts.len() < 2 || !parts.iter().any(|part| part.goes_on) {
        return None;
    }
    let told = parts.iter().rev().find_map(|part| part.told_size);
    let agreed = parts
        .iter()
        .all(|part| part.told_size.is_none_or(|size| Some(size) == told));
    if !agreed && parts.iter().any(|part| !part.placed) {
        return None;
    }
    let ended = parts
        .iter()
        .filter(|part| part.ends)
        .filter_map(|part| part.offset.checked_add(part.length))
        .max();
    let size = told.or(ended)?;
    let pieces = pieces(parts, size);
    let mut at = 0;
    for piece in &pieces {
        if piece.from != at {
            return None;
        }
        at = piece.to;
    }
    let several = pieces
        .iter()
        .any(|piece| (piece.session, piece.transfer) != first_of(&pieces));
    (at == size && size > 0 && several).then_some(size)
}

fn first_of(pieces: &[Piece]) -> (u64, u64) {
    pieces
        .first()
        .map_or((0, 0), |piece| (piece.session, piece.transfer))
}

/// Which part gives which bytes: the earliest that has them.
pub(super) fn pieces(parts: &[Part], size: u64) -> Vec<Piece> {
    // Ranges that are taken, by their beginning.
    let mut taken: BTreeMap<u64, (u64, Piece)> = BTreeMap::new();
    for part in parts {
        for [from, to] in captured(part) {
            let to = to.min(size);
            let mut at = from;
            while at < to {
                // What is taken at this place or next behind it.
                let here = taken.range(..=at).next_back().map(|(_, (end, _))| *end);
                if let Some(end) = here.filter(|end| *end > at) {
                    at = end;
                    continue;
                }
                let next = taken.range(at..).next().map_or(to, |(begin, _)| *begin);
                let until = next.min(to);
                taken.insert(
                    at,
                    (
                        until,
                        Piece {
                            session: part.session,
                            transfer: part.transfer,
                            saved_as: part.saved_as.clone(),
                            from: at,
                            to: until,
                            from_in_part: at - part.offset,
                        },
                    ),
                );
                at = until;
            }
        }
    }
    taken.into_values().map(|(_, piece)| piece).collect()
}

/// The ranges of the server's file that a part has.
pub(super) fn captured(part: &Part) -> Vec<[u64; 2]> {
    let mut ranges = Vec::new();
    let mut at = 0;
    let end = [[part.length, part.length]];
    for [from, to] in part.holes.iter().chain(&end) {
        if *from > at
            && let (Some(from), Some(to)) =
                (part.offset.checked_add(at), part.offset.checked_add(*from))
        {
            ranges.push([from, to]);
        }
        at = at.max(*to);
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(transfer: u64, offset: u64, length: u64) -> Part {
        Part {
            session: 1,
            transfer,
            saved_as: transfer.to_string(),
            offset,
            length,
            holes: Vec::new(),
            ends: false,
            told_size: None,
            goes_on: offset > 0,
            placed: true,
        }
    }

    fn map(parts: &[Part], size: u64) -> Vec<(u64, u64, u64, u64)> {
        pieces(parts, size)
            .iter()
            .map(|piece| (piece.transfer, piece.from, piece.to, piece.from_in_part))
            .collect()
    }

    #[test]
    fn the_earlier_part_gives_the_bytes_and_holes_give_none() {
        let mut first = part(1, 0, 60);
        first.holes = vec![[20, 30]];
        let parts = [first, part(2, 10, 90)];
        assert_eq!(
            map(&parts, 100),
            [
                (1, 0, 20, 0),
                (2, 20, 30, 10),
                (1, 30, 60, 30),
                (2, 60, 100, 50)
            ]
        );
    }

    #[test]
    fn only_parts_that_cover_the_whole_file_are_assembled() {
        let told = |parts: [Part; 2]| {
            parts.map(|part| Part {
                told_size: Some(100),
                ..part
            })
        };
        assert_eq!(
            coverable(&told([part(1, 0, 60), part(2, 60, 40)])),
            Some(100)
        );
        assert_eq!(coverable(&told([part(1, 0, 60), part(2, 61, 39)])), None);
        assert_eq!(coverable(&told([part(1, 0, 60), part(2, 60, 30)])), None);
        assert_eq!(coverable(&[part(1, 0, 60), part(2, 60, 40)]), None);
        let ends = [
            part(1, 0, 60),
            Part {
                ends: true,
                ..part(2, 60, 40)
            },
        ];
        assert_eq!(coverable(&ends), Some(100));
        assert_eq!(coverable(&told([part(1, 0, 100), part(2, 0, 100)])), None);
    }

    #[test]
    fn offsets_at_the_end_of_numbers_do_no_harm() {
        let parts = [part(1, 0, 10), part(2, u64::MAX - 3, 10)];
        assert_eq!(coverable(&parts), None);
        assert_eq!(map(&parts, u64::MAX), [(1, 0, 10, 0)]);
    }
}
