//! Coverage: which part supplies which bytes of a file, and whether all parts together are the whole.

use std::collections::BTreeMap;

use serde::Serialize;

/// One saved file that may be a part of a larger one.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) session: u64,
    pub(super) transfer: u64,
    pub(super) saved_as: String,
    /// Offset of its first byte in the server's file.
    pub(super) offset: u64,
    /// Bytes of the saved file, gaps included.
    pub(super) length: u64,
    /// Gaps as half-open ranges of its bytes.
    pub(super) holes: Vec<[u64; 2]>,
    /// True if its end is the end of the file.
    pub(super) ends: bool,
    /// Size that the server stated for the whole file; `None` if it stated none.
    pub(super) stated_size: Option<u64>,
    /// True if it was appended, or begins behind the first byte.
    pub(super) continues: bool,
    /// True if its path is known, and not only the argument of the command.
    pub(super) placed: bool,
}

/// Bytes that one part supplies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Piece {
    pub(super) session: u64,
    pub(super) transfer: u64,
    pub(super) saved_as: String,
    /// Offset of the first byte in the assembled file.
    pub(super) from: u64,
    /// Offset behind the last byte.
    pub(super) to: u64,
    /// Offset of the first byte in the part.
    pub(super) from_in_part: u64,
}

/// Returns the end of the parts, or `None` if one of them has a gap.
pub(super) fn end_of(parts: &[Part]) -> Option<u64> {
    let end = parts
        .iter()
        .filter_map(|part| part.offset.checked_add(part.length))
        .max()?;
    let whole = parts.iter().all(|part| part.holes.is_empty());
    whole.then_some(end)
}

/// Returns the size of the file that the parts cover from its first byte to its last, or `None` if they do not.
pub(super) fn coverable(parts: &[Part]) -> Option<u64> {
    if parts.len() < 2 || !parts.iter().any(|part| part.continues) {
        return None;
    }
    // The latest statement counts: the file may have grown between transfers.
    let stated = parts.iter().rev().find_map(|part| part.stated_size);
    let agreed = parts
        .iter()
        .all(|part| part.stated_size.is_none_or(|size| Some(size) == stated));
    if !agreed && parts.iter().any(|part| !part.placed) {
        return None;
    }
    let ended = parts
        .iter()
        .filter(|part| part.ends)
        .filter_map(|part| part.offset.checked_add(part.length))
        .max();
    let size = stated.or(ended)?;
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

/// Divides `size` bytes among the parts: the earliest part that has a byte supplies it.
pub(super) fn pieces(parts: &[Part], size: u64) -> Vec<Piece> {
    // Assigned ranges by their beginning.
    let mut assigned: BTreeMap<u64, (u64, Piece)> = BTreeMap::new();
    for part in parts {
        for [from, to] in captured(part) {
            let to = to.min(size);
            let mut at = from;
            while at < to {
                // The range that covers this byte, or else begins next.
                let here = assigned.range(..=at).next_back().map(|(_, (end, _))| *end);
                if let Some(end) = here.filter(|end| *end > at) {
                    at = end;
                    continue;
                }
                let next = assigned.range(at..).next().map_or(to, |(begin, _)| *begin);
                let until = next.min(to);
                assigned.insert(
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
    assigned.into_values().map(|(_, piece)| piece).collect()
}

/// Returns the ranges of the server's file that a part holds.
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
            stated_size: None,
            continues: offset > 0,
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
    fn earlier_part_supplies_the_bytes_and_gaps_supply_none() {
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
        let stated = |parts: [Part; 2]| {
            parts.map(|part| Part {
                stated_size: Some(100),
                ..part
            })
        };
        assert_eq!(
            coverable(&stated([part(1, 0, 60), part(2, 60, 40)])),
            Some(100)
        );
        assert_eq!(coverable(&stated([part(1, 0, 60), part(2, 61, 39)])), None);
        assert_eq!(coverable(&stated([part(1, 0, 60), part(2, 60, 30)])), None);
        assert_eq!(coverable(&[part(1, 0, 60), part(2, 60, 40)]), None);
        let ends = [
            part(1, 0, 60),
            Part {
                ends: true,
                ..part(2, 60, 40)
            },
        ];
        assert_eq!(coverable(&ends), Some(100));
        assert_eq!(coverable(&stated([part(1, 0, 100), part(2, 0, 100)])), None);
    }

    #[test]
    fn offsets_near_the_maximum_do_not_overflow() {
        let parts = [part(1, 0, 10), part(2, u64::MAX - 3, 10)];
        assert_eq!(coverable(&parts), None);
        assert_eq!(map(&parts, u64::MAX), [(1, 0, 10, 0)]);
    }
}
