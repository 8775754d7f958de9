//! Novell's servers: rights in brackets.

use super::dates::{Clock, unix_date};
use super::fields::{Fields, size};
use super::parsed::Parsed;
use crate::model::record::EntryKind;

/// `d [R----F--] owner  512 Jan 16 18:53    name`
pub(super) fn parse<'a>(line: &'a [u8], clock: &Clock) -> Option<Parsed<'a>> {
    let fields = Fields::new(line);
    let kind = match fields.word(0) {
        b"d" => EntryKind::Directory,
        b"-" => EntryKind::File,
        _ => return None,
    };
    let rights = fields.word(1).strip_prefix(b"[")?.strip_suffix(b"]")?;
    let (at, (date, last)) =
        (4..fields.len()).find_map(|at| Some((at, unix_date(&fields, at, clock)?)))?;
    // The name stands in a column of its own, so leading spaces say nothing.
    let name = fields.after(last).trim_ascii_start();
    if name.is_empty() {
        return None;
    }
    Some(Parsed {
        size: Some(size(fields.word(at - 1))?),
        modified: Some(date),
        permissions: Some(rights),
        owner: fields.span(2, at - 1),
        ..Parsed::of(name, kind)
    })
}
