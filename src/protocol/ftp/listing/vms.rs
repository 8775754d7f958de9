//! VMS: names with a version, sizes in blocks, long names on a line of their own.

use super::dates::{Modified, time_of_day, vms_date};
use super::fields::{Fields, number};
use super::parsed::Parsed;
use crate::model::record::EntryKind;

/// `NAME.EXT;1  12/15  2-JAN-1996 12:34  [GROUP,OWNER]  (RWED,RWED,RE,)`
///
/// The size is in blocks of 512 bytes, which does not tell the length of the file: it is left out.
pub(super) fn parse(line: &[u8]) -> Option<Parsed<'_>> {
    let fields = Fields::new(line);
    let name = fields.word(0);
    if !has_version(name) || fields.len() < 2 {
        return None;
    }
    let kind = if is_directory(name) {
        EntryKind::Directory
    } else {
        EntryKind::File
    };
    let mut parsed = Parsed::of(name, kind);
    // A file that may not be looked at: `NAME.EXT;1  %RMS-E-PRV, insufficient privilege or file protection violation`.
    if fields.word(1).starts_with(b"%") {
        return Some(parsed);
    }
    let at = (1..fields.len().min(4)).find(|at| vms_date(fields.word(*at)).is_some())?;
    let date = vms_date(fields.word(at))?;
    parsed.modified = Some(match time_of_day(fields.word(at + 1)) {
        Some(time) => Modified::moment(date, time),
        None => Modified::day(date),
    });
    let rest = fields.after(at);
    if let Some(identifier) = between(rest, b'[', b']') {
        match identifier.iter().position(|byte| *byte == b',') {
            Some(comma) => {
                parsed.group = Some(&identifier[..comma]);
                parsed.owner = Some(&identifier[comma + 1..]);
            }
            None => parsed.owner = Some(identifier),
        }
    }
    parsed.permissions = between(rest, b'(', b')');
    Some(parsed)
}

/// True for a line that holds a name alone: what belongs to it stands on the next.
pub(super) fn wraps(line: &[u8]) -> bool {
    let fields = Fields::new(line);
    fields.len() == 1 && has_version(fields.word(0))
}

fn has_version(name: &[u8]) -> bool {
    name.iter()
        .rposition(|byte| *byte == b';')
        .is_some_and(|at| at > 0 && number(&name[at + 1..]).is_some())
}

fn is_directory(name: &[u8]) -> bool {
    name.split(|byte| *byte == b';')
        .next()
        .and_then(|stem| stem.split_last_chunk::<4>())
        .is_some_and(|(_, extension)| extension.eq_ignore_ascii_case(b".dir"))
}

fn between(text: &[u8], open: u8, close: u8) -> Option<&[u8]> {
    let from = text.iter().position(|byte| *byte == open)? + 1;
    let rest = text.get(from..)?;
    let length = rest.iter().position(|byte| *byte == close)?;
    rest.get(..length)
}
