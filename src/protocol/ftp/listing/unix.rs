//! `ls -l`, by far the most common form, with the variants that servers send.

use super::dates::{CaptureDate, Modified, unix_date};
use super::fields::{Fields, Parsed, number, size};
use crate::model::record::EntryKind;

/// Parses `-rw-r--r--  1 owner group 1715 Jun 19 15:22 name`, with or without inode, blocks, links, owner and group.
///
/// A size below 0, as servers with 32 bits write it, is no size.
pub(super) fn parse<'a>(line: &'a [u8], captured: &CaptureDate) -> Option<Parsed<'a>> {
    let fields = Fields::new(line);
    // `ls -is` prints inode and blocks before the mode.
    let mode = (0..3).find(|index| !is_number(fields.word(*index)))?;
    let (kind, permissions) =
        parse_mode(fields.word(mode)).or_else(|| parse_mailbox_flags(fields.word(mode)))?;

    // Names of owner and group may have spaces, so that columns cannot be counted: the first size with a date after
    // it ends them.
    let first = mode + 1;
    let columns = (first..fields.len()).find_map(|at| {
        let (width, size) = size_before(&fields, first, at)?;
        let (date, last) = unix_date(&fields, at, captured)?;
        Some((at - width, None, date, size, last))
    });
    // A long group may leave no space before the size: only in a line that has no other size before its date.
    let joined = || {
        (first + 1..fields.len()).find_map(|at| {
            let (group, size) = split_digits(fields.word(at - 1))?;
            let (date, last) = unix_date(&fields, at, captured)?;
            Some((at - 1, Some(group), date, Some(size), last))
        })
    };
    let (size_column, joined_group, date, size, last) = columns.or_else(joined)?;
    let name = name_after(&fields, last);
    if name.is_empty() {
        return None;
    }
    let owner = if is_number(fields.word(first)) && first < size_column {
        first + 1
    } else {
        first
    };
    let mut parsed = Parsed {
        size,
        modified: Some(date),
        permissions: Some(permissions),
        owner: fields.span(owner, size_column.min(owner + 1)),
        group: joined_group.or_else(|| fields.span(owner + 1, size_column)),
        ..Parsed::of(name, kind)
    };
    if kind == EntryKind::Link {
        (parsed.name, parsed.target) = split_link(name, size);
    }
    Some(parsed)
}

/// Returns the name, which follows the last word of the date.
///
/// The column of year or time is five wide: `ls` prints ` 2000`, some servers `2000 `, with a padding that is no part
/// of the name.
fn name_after<'a>(fields: &Fields<'a>, last: usize) -> &'a [u8] {
    let name = fields.name_after(last);
    let year_to_the_left = fields.word(last).len() == 4
        && is_number(fields.word(last))
        && fields.gap_before(last) == 1
        && !last
            .checked_sub(1)
            .is_some_and(|before| fields.word(before).contains(&b':'));
    match name.strip_prefix(b" ") {
        Some(name) if year_to_the_left => name,
        _ => name,
    }
}

/// Splits name and target of a link. Either may contain an arrow; the size of a link is the length of its target, which
/// decides where to split.
pub(super) fn split_link(text: &[u8], size: Option<u64>) -> (&[u8], Option<&[u8]>) {
    let by_size = size
        .and_then(|size| usize::try_from(size).ok())
        .and_then(|size| text.len().checked_sub(size)?.checked_sub(ARROW.len()))
        .filter(|at| text.get(*at..).is_some_and(|rest| rest.starts_with(ARROW)));
    let at = by_size.or_else(|| text.windows(ARROW.len()).position(|window| window == ARROW));
    match at {
        Some(at) if at > 0 => (&text[..at], text.get(at + ARROW.len()..)),
        _ => (text, None),
    }
}

/// Parses a mode into type and permissions; the mark of an access list stays with the permissions.
fn parse_mode(word: &[u8]) -> Option<(EntryKind, &[u8])> {
    let (kind, permissions) = word.split_first()?;
    let (bits, mark) = permissions.split_at_checked(9)?;
    let known = bits.iter().all(|bit| b"-rwxsStTlL".contains(bit))
        && mark.len() <= 2
        && mark.iter().all(|mark| b"+.@*".contains(mark));
    if !known {
        return None;
    }
    let kind = match kind {
        b'-' => EntryKind::File,
        b'd' => EntryKind::Directory,
        b'l' => EntryKind::Link,
        b'b' | b'c' | b'p' | b's' | b'D' | b'C' | b'M' | b'P' | b'n' | b'w' | b'?' => {
            EntryKind::Other
        }
        _ => return None,
    };
    Some((kind, permissions))
}

/// Parses the size before word `at`: `1715`, `1,715`, `1.7K`, and for a device `8, 0` or `8,0`.
///
/// Returns the number of its words, and the size in bytes; `None` for a rounded size and the numbers of a device.
fn size_before(fields: &Fields<'_>, first: usize, at: usize) -> Option<(usize, Option<u64>)> {
    let column = at.checked_sub(1).filter(|column| *column >= first)?;
    let word = fields.word(column);
    let major = column
        .checked_sub(1)
        .filter(|major| *major >= first)
        .and_then(|major| fields.word(major).strip_suffix(b","));
    if is_number(word) && major.is_some_and(is_number) {
        return Some((2, None));
    }
    if let Some(size) = size(word) {
        return Some((1, Some(size)));
    }
    if is_negative(word) {
        return Some((1, None));
    }
    if let Some(minor) = word.iter().position(|byte| *byte == b',')
        && is_number(&word[..minor])
        && is_number(&word[minor + 1..])
    {
        return Some((1, None));
    }
    is_rounded(word).then_some((1, None))
}

/// Returns whether a word is a number below 0, perhaps in brackets: `-2147483648`, `(-1)`.
fn is_negative(word: &[u8]) -> bool {
    let bare = word
        .strip_prefix(b"(")
        .and_then(|word| word.strip_suffix(b")"))
        .unwrap_or(word);
    bare.strip_prefix(b"-").is_some_and(is_number)
}

/// Splits a name and the number that follows it without a space: `staff1715`.
fn split_digits(word: &[u8]) -> Option<(&[u8], u64)> {
    let at = word.iter().rposition(|byte| !byte.is_ascii_digit())? + 1;
    Some((&word[..at], number(&word[at..])?))
}

/// Parses the flags of a batch in a mailbox of Connect:Enterprise, such as `-C--E-----FTP`: ten flags, then the protocol.
fn parse_mailbox_flags(word: &[u8]) -> Option<(EntryKind, &[u8])> {
    let (flags, protocol) = word.split_at_checked(10)?;
    let fits = flags.first() == Some(&b'-')
        && flags
            .iter()
            .all(|flag| *flag == b'-' || flag.is_ascii_uppercase())
        && protocol.len() == 3
        && protocol.iter().all(u8::is_ascii_uppercase);
    fits.then_some((EntryKind::File, word))
}

/// Parses a line with mode, owner, group, size and seconds since 1970 as numbers: `0100644  500  101  1715  1718810565
/// name`.
pub(super) fn parse_numeric(line: &[u8]) -> Option<Parsed<'_>> {
    let fields = Fields::new(line);
    let mode = fields.word(0);
    if !(5..=7).contains(&mode.len()) || !mode.iter().all(|digit| (b'0'..=b'7').contains(digit)) {
        return None;
    }
    let bits = mode
        .iter()
        .fold(0_u32, |bits, digit| bits * 8 + u32::from(digit - b'0'));
    let kind = match bits >> 12 {
        0o04 => EntryKind::Directory,
        0o10 => EntryKind::File,
        0o12 => EntryKind::Link,
        0o01 | 0o02 | 0o06 | 0o14 => EntryKind::Other,
        _ => return None,
    };
    if !(1..4).all(|column| is_number(fields.word(column))) {
        return None;
    }
    let seconds = i64::try_from(number(fields.word(4))?).ok()?;
    // The name stands in a column of its own, so that leading spaces are padding.
    let name = fields.after(4).trim_ascii_start();
    if name.is_empty() {
        return None;
    }
    let mut parsed = Parsed {
        size: number(fields.word(3)),
        modified: Some(Modified::unix(seconds)?),
        permissions: Some(mode),
        owner: Some(fields.word(1)),
        group: Some(fields.word(2)),
        ..Parsed::of(name, kind)
    };
    if kind == EntryKind::Link {
        (parsed.name, parsed.target) = split_link(name, parsed.size);
    }
    Some(parsed)
}

/// Returns whether a word is a rounded size, as of `ls -h`.
fn is_rounded(word: &[u8]) -> bool {
    let digits = word
        .iter()
        .take_while(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b','))
        .count();
    word.first().is_some_and(u8::is_ascii_digit)
        && matches!(
            word.get(digits..),
            Some([b'K' | b'k' | b'M' | b'G' | b'T' | b'P' | b'E'] | [_, b'B'] | [_, b'i', b'B'])
        )
}

fn is_number(word: &[u8]) -> bool {
    number(word).is_some()
}

const ARROW: &[u8] = b" -> ";
