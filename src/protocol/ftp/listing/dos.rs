//! MS-DOS, as IIS and `dir` write it, and OS/2.

use jiff::civil::Date;

use super::dates::{
    CaptureDate, Modified, TimeOfDay, numeric_date, time_of_day, time_of_half_day, year_month_day,
};
use super::fields::{Fields, Parsed, size};
use crate::model::record::EntryKind;

/// Parses a line of MS-DOS: `06-19-24  03:22PM  <DIR>  name`, with two or four digits of the year, 12 or 24 hours.
pub(super) fn parse_dos<'a>(line: &'a [u8], captured: &CaptureDate) -> Option<Parsed<'a>> {
    let fields = Fields::new(line);
    let date = fields.word(0);
    let date: Date = year_month_day(date).or_else(|| numeric_date(date, captured))?;
    let (digits, half) = split_half(fields.word(1));
    let (time, column) = if half.is_empty() {
        match time_of_half_day(digits, fields.word(2)) {
            Some(time) => (time, 3),
            None => (time_of_day(digits)?, 2),
        }
    } else {
        (time_of_half_day(digits, half)?, 2)
    };

    let mark = fields.word(column);
    let mut parsed = if mark.starts_with(b"<") {
        let kind = match mark {
            b"<DIR>" => EntryKind::Directory,
            b"<JUNCTION>" | b"<SYMLINK>" | b"<SYMLINKD>" => EntryKind::Link,
            _ => return None,
        };
        // The column of the size follows, empty and ten wide; a name may itself begin with a space.
        let rest = fields.after(column);
        let padding = rest
            .iter()
            .take(10)
            .take_while(|byte| **byte == b' ')
            .count();
        Parsed::of(&rest[padding..], kind)
    } else {
        Parsed {
            size: Some(size(mark)?),
            ..Parsed::of(fields.name_after(column), EntryKind::File)
        }
    };
    // `dir` writes the target of a junction in brackets after its name.
    if parsed.kind == EntryKind::Link
        && let Some(text) = parsed.name.strip_suffix(b"]")
        && let Some(at) = text.windows(2).position(|window| window == b" [")
    {
        (parsed.name, parsed.target) = (&text[..at], Some(&text[at + 2..]));
    }
    parsed.modified = Some(Modified::moment(date, time));
    (!parsed.name.is_empty()).then_some(parsed)
}

/// Parses a line of OS/2: `  36611      A    04-23-103  10:57  name`, ` 0  DIR   12-30-97  12:32  name`.
///
/// The size stands first, attributes and `DIR` in columns of their own. Servers that count years from 1900 write 103
/// for 2003.
pub(super) fn parse_os2<'a>(line: &'a [u8], captured: &CaptureDate) -> Option<Parsed<'a>> {
    let fields = Fields::new(line);
    let size = size(fields.word(0))?;
    let at = (1..=ATTRIBUTE_WORDS + 1).find(|at| !is_attribute(fields.word(*at)))?;
    let date = numeric_date(fields.word(at), captured)?;
    let (digits, half) = split_half(fields.word(at + 1));
    let time: TimeOfDay = if half.is_empty() {
        time_of_day(digits)?
    } else {
        time_of_half_day(digits, half)?
    };
    // The name stands in a column of its own, so that leading spaces are padding.
    let name = fields.after(at + 1).trim_ascii_start();
    if name.is_empty() {
        return None;
    }
    let directory = (1..at).any(|word| fields.word(word) == b"DIR");
    let attributes = (1..at).find(|word| fields.word(*word) != b"DIR");
    let mut parsed = Parsed {
        modified: Some(Modified::moment(date, time)),
        permissions: attributes.map(|word| fields.word(word)),
        ..Parsed::of(name, EntryKind::Directory)
    };
    if !directory {
        parsed.kind = EntryKind::File;
        parsed.size = Some(size);
    }
    Some(parsed)
}

/// Splits `03:22PM` into the digits and the half of the day, which may be empty.
fn split_half(clock: &[u8]) -> (&[u8], &[u8]) {
    let end = clock
        .iter()
        .rposition(u8::is_ascii_digit)
        .map_or(0, |last| last + 1);
    clock.split_at(end)
}

/// Returns whether a word is `DIR` or attributes: archive, hidden, read-only, system.
fn is_attribute(word: &[u8]) -> bool {
    word == b"DIR"
        || (!word.is_empty()
            && word.len() <= 4
            && word.iter().all(|letter| b"AHRS".contains(letter)))
}

/// Most words of attributes in a line.
const ATTRIBUTE_WORDS: usize = 2;
