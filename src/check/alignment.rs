//! Alignment of two lists by their longest common subsequence.

/// A row of the alignment, with indices into the lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Row {
    /// Equal items of both lists.
    Both(usize, usize),
    /// Item of the left list only.
    Left(usize),
    /// Item of the right list only.
    Right(usize),
}

/// Aligns two lists, given their lengths and the equality of two items.
pub(super) fn align(left: usize, right: usize, same: impl Fn(usize, usize) -> bool) -> Vec<Row> {
    let mut start = 0;
    while start < left && start < right && same(start, start) {
        start += 1;
    }
    let mut end = 0;
    while end < left - start && end < right - start && same(left - 1 - end, right - 1 - end) {
        end += 1;
    }
    let mut rows: Vec<Row> = (0..start).map(|at| Row::Both(at, at)).collect();
    let (rest_left, rest_right) = (left - start - end, right - start - end);
    if rest_left.saturating_mul(rest_right) <= MAX_CELLS {
        middle(start, rest_left, rest_right, &same, &mut rows);
    } else {
        // The table would be too large: everything between the common ends counts as replaced.
        rows.extend((start..start + rest_left).map(Row::Left));
        rows.extend((start..start + rest_right).map(Row::Right));
    }
    rows.extend(
        (0..end)
            .rev()
            .map(|at| Row::Both(left - 1 - at, right - 1 - at)),
    );
    rows
}

/// Aligns the part between the common ends with a table of the common length of all pairs of tails.
fn middle(
    start: usize,
    left: usize,
    right: usize,
    same: &impl Fn(usize, usize) -> bool,
    rows: &mut Vec<Row>,
) {
    let width = right + 1;
    let mut longest = vec![0_u32; (left + 1) * width];
    for i in (0..left).rev() {
        for j in (0..right).rev() {
            longest[i * width + j] = if same(start + i, start + j) {
                longest[(i + 1) * width + j + 1] + 1
            } else {
                longest[(i + 1) * width + j].max(longest[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < left || j < right {
        if i < left && j < right && same(start + i, start + j) {
            rows.push(Row::Both(start + i, start + j));
            (i, j) = (i + 1, j + 1);
        // On a tie the left item comes first, so that removals precede additions.
        } else if j == right
            || (i < left && longest[(i + 1) * width + j] >= longest[i * width + j + 1])
        {
            rows.push(Row::Left(start + i));
            i += 1;
        } else {
            rows.push(Row::Right(start + j));
            j += 1;
        }
    }
}

/// Cells of 4 bytes in the table.
const MAX_CELLS: usize = 4_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(left: &str, right: &str) -> String {
        let (left, right) = (left.as_bytes(), right.as_bytes());
        let rows = align(left.len(), right.len(), |i, j| left[i] == right[j]);
        let word = |row: Row| match row {
            Row::Both(i, _) => char::from(left[i]).to_string(),
            Row::Left(i) => format!("-{}", char::from(left[i])),
            Row::Right(j) => format!("+{}", char::from(right[j])),
        };
        rows.into_iter().map(word).collect()
    }

    #[test]
    fn common_items_are_aligned_and_others_kept_in_order() {
        assert_eq!(shown("abc", "abc"), "abc");
        assert_eq!(shown("abcd", "axcd"), "a-b+xcd");
        assert_eq!(shown("abc", ""), "-a-b-c");
        assert_eq!(shown("", "ab"), "+a+b");
        assert_eq!(shown("quit", "uxit"), "-qu+xit");
        assert_eq!(shown("aaa", "aa"), "aa-a");
    }
}
