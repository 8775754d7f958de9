//! MS-DOS, as IIS writes it, and `dir` itself.

use super::dates::{Modified, numeric_date, time_of_day, time_of_half_day, year_month_day};
use super::fields::{Fields, size};
use super::parsed::Parsed;
use crate::model::record::EntryKind;

/// `06-19-24  03:22PM  <DIR>  name`, with two or four digits of the year, 12 or 24 hours.
pub(super) fn parse(line: &[u8]) -> Option<Parsed<'_>> {
    let fields = Fields::new(line);
    let date = fields.word(0);
    let date = year_month_day(date).or_else(|| numeric_date(date))?;
    let clock = fields.word(1);
    let half = clock
        .iter()
        .rposition(u8::is_ascii_digit)
        .map_or(0, |last| last + 1);
    let (digits, half) = clock.split_at(half);
    let (time, column) = if half.is_empty() {
        match time_of_half_day(digits, fields.word(2)) {
            Some(time) => (time, 3),
            None => (time_of_day(digits)?, 2),
        }
    } else {
        (time_of_half_day(digits, half)?, 2)
    };

    let what = fields.word(column);
    let mut parsed = if what.starts_with(b"<") {
        let kind = match what {
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
            size: Some(size(what)?),
            ..Parsed::of(fields.name_after(column), EntryKind::File)
        }
    };
    // `dir` writes where a junction leads.
    if parsed.kind == EntryKind::Link
        && let Some(text) = parsed.name.strip_suffix(b"]")
        && let Some(at) = text.windows(2).position(|window| window == b" [")
    {
        (parsed.name, parsed.target) = (&text[..at], Some(&text[at + 2..]));
    }
    parsed.modified = Some(Modified::moment(date, time));
    (!parsed.name.is_empty()).then_some(parsed)
}
