//! Guardian, the file system of Tandem's machines: names of eight letters, owners as group and user number.

use super::dates::{Modified, short_year_date, time_of_day};
use super::fields::{Fields, number};
use super::parsed::Parsed;
use crate::model::record::EntryKind;

/// Whether a line is `File         Code             EOF  Last Modification    Owner  RWEP`.
pub(super) fn is_heading(line: &[u8]) -> bool {
    if !line.trim_ascii_start().starts_with(b"File") {
        return false;
    }
    let fields = Fields::new(line);
    let last = fields.word(fields.len().saturating_sub(1));
    fields.word(0) == b"File"
        && fields.word(1) == b"Code"
        && fields.word(2) == b"EOF"
        && last == b"RWEP"
}

/// `NAME     O  101     16354 18-Mar-08 15:09:12 244, 10 "nnnn"`; the letter says that the file is open.
///
/// The end of file is the size in bytes. The four letters say who may read, write, execute and purge.
pub(super) fn parse(line: &[u8]) -> Option<Parsed<'_>> {
    let fields = Fields::new(line);
    let at = (3..=4).find(|at| short_year_date(fields.word(*at)).is_some())?;
    let date = short_year_date(fields.word(at))?;
    let time = time_of_day(fields.word(at + 1))?;
    let mut parsed = Parsed {
        size: Some(number(fields.word(at - 1))?),
        modified: Some(Modified::moment(date, time)),
        ..Parsed::of(fields.word(0), EntryKind::File)
    };
    let rest = fields.after(at + 1);
    let mut parts = rest.split(|byte| *byte == b'"');
    let owner = parts.next().unwrap_or_default();
    parsed.permissions = parts.next();
    if let Some(comma) = owner.iter().position(|byte| *byte == b',') {
        let (group, user) = (owner[..comma].trim_ascii(), owner[comma + 1..].trim_ascii());
        parsed.group = Some(group).filter(|group| number(group).is_some());
        parsed.owner = Some(user).filter(|user| number(user).is_some());
    }
    Some(parsed)
}
