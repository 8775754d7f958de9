//! OS/2: the size first, attributes and `DIR` in a column of their own.

use super::dates::{Modified, numeric_date, time_of_day, time_of_half_day};
use super::fields::{Fields, size};
use super::parsed::Parsed;
use crate::model::record::EntryKind;

/// `  36611      A    04-23-103  10:57  name`, ` 0  DIR   12-30-97  12:32  name`
///
/// Servers that count years from 1900 write 103 for 2003.
pub(super) fn parse(line: &[u8]) -> Option<Parsed<'_>> {
    let fields = Fields::new(line);
    let size = size(fields.word(0))?;
    let at = (1..=MARKS + 1).find(|at| !is_mark(fields.word(*at)))?;
    let date = numeric_date(fields.word(at))?;
    let clock = fields.word(at + 1);
    let digits = clock
        .iter()
        .rposition(u8::is_ascii_digit)
        .map_or(0, |last| last + 1);
    let (digits, half) = clock.split_at(digits);
    let time = if half.is_empty() {
        time_of_day(digits)?
    } else {
        time_of_half_day(digits, half)?
    };
    // The name stands in a column of its own, so leading spaces say nothing.
    let name = fields.after(at + 1).trim_ascii_start();
    if name.is_empty() {
        return None;
    }
    let folder = (1..at).any(|mark| fields.word(mark) == b"DIR");
    let marks = (1..at).find(|mark| fields.word(*mark) != b"DIR");
    let mut parsed = Parsed {
        modified: Some(Modified::moment(date, time)),
        permissions: marks.map(|mark| fields.word(mark)),
        ..Parsed::of(name, EntryKind::Directory)
    };
    if !folder {
        parsed.kind = EntryKind::File;
        parsed.size = Some(size);
    }
    Some(parsed)
}

/// `DIR`, or attributes: archive, hidden, read-only, system.
fn is_mark(word: &[u8]) -> bool {
    word == b"DIR"
        || (!word.is_empty()
            && word.len() <= 4
            && word.iter().all(|letter| b"AHRS".contains(letter)))
}

/// Words of attributes.
const MARKS: usize = 2;
