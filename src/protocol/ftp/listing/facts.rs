//! MLSD and MLST: facts and a name (RFC 3659 section 7).

use std::fmt::Write as _;

use compact_str::ToCompactString as _;

use super::dates::Modified;
use super::fields::{Parsed, number};
use crate::model::record::{EntryKind, ListingEntry, Precision};

/// Parses a line of an MLSD listing: facts, one space, the name. `None` if the line has no space, or no facts before
/// it.
///
/// Everything after the first space is the name, spaces and semicolons included (RFC 3659 section 7.2). Lines of a reply to
/// MLST are for [`parse_reply_line`].
#[must_use]
pub fn parse_entry(line: &[u8]) -> Option<ListingEntry> {
    let space = line.iter().position(|byte| *byte == b' ')?;
    let (facts, name) = (&line[..space], &line[space + 1..]);
    if name.is_empty() {
        return None;
    }
    let mut known = Facts::default();
    for fact in facts
        .split(|byte| *byte == b';')
        .filter(|fact| !fact.is_empty())
    {
        let equals = fact.iter().position(|byte| *byte == b'=')?;
        known.record(&fact[..equals], &fact[equals + 1..]);
    }
    let (kind, target) = known.kind.map_or((EntryKind::Other, None), entry_kind);
    let parsed = Parsed {
        size: known.size,
        modified: known.modified,
        // Modes and names of Unix say more than `perm` and numeric IDs.
        permissions: known.mode.or(known.perm),
        owner: known.owner.or(known.uid),
        group: known.group.or(known.gid),
        target,
        ..Parsed::of(name, kind)
    };
    Some(parsed.into_entry(line))
}

/// Parses a line of a reply to MLST: facts and a name. `None` for a line of prose.
///
/// One space precedes the facts (RFC 3659 section 7.2). Servers send none, two or four, and the entry on the only line of
/// the reply. Without a space before it, only facts that end in `;`, as that section requires, set an entry apart from
/// prose.
#[must_use]
pub fn parse_reply_line(line: &[u8]) -> Option<ListingEntry> {
    let entry = line.trim_ascii_start();
    let indented = entry.len() < line.len();
    let end = entry.iter().position(|byte| *byte == b' ')?;
    let facts = &entry[..end];
    (facts.contains(&b'=') && (indented || facts.ends_with(b";")))
        .then(|| parse_entry(entry))
        .flatten()
}

/// Facts that have a field in the report. The first value of a repeated fact counts.
#[derive(Debug, Default)]
struct Facts<'a> {
    kind: Option<&'a [u8]>,
    size: Option<u64>,
    modified: Option<Modified>,
    perm: Option<&'a [u8]>,
    mode: Option<&'a [u8]>,
    owner: Option<&'a [u8]>,
    uid: Option<&'a [u8]>,
    group: Option<&'a [u8]>,
    gid: Option<&'a [u8]>,
}

impl<'a> Facts<'a> {
    /// Records a fact. Names of facts are case-insensitive (RFC 3659 section 7.5).
    fn record(&mut self, name: &[u8], value: &'a [u8]) {
        // Bounds the copy that the lower case takes.
        if name.len() > NAME_MAX {
            return;
        }
        let place = match name.to_ascii_lowercase().as_slice() {
            b"size" | b"sizd" => {
                self.size = self.size.or_else(|| number(value));
                return;
            }
            b"modify" => {
                self.modified = self.modified.take().or_else(|| time_value(value));
                return;
            }
            b"type" => &mut self.kind,
            b"perm" => &mut self.perm,
            b"unix.mode" => &mut self.mode,
            b"unix.owner" | b"unix.ownername" => &mut self.owner,
            b"unix.uid" => &mut self.uid,
            b"unix.group" | b"unix.groupname" => &mut self.group,
            b"unix.gid" => &mut self.gid,
            _ => return,
        };
        if place.is_none() && !value.is_empty() {
            *place = Some(value);
        }
    }
}

/// Parses the value of `type` (RFC 3659 section 7.5.1). Links have a type of the operating system:
/// `OS.unix=slink:target`.
fn entry_kind(value: &[u8]) -> (EntryKind, Option<&[u8]>) {
    let lower = value
        .get(..value.len().min(NAME_MAX))
        .unwrap_or_default()
        .to_ascii_lowercase();
    match lower.as_slice() {
        b"file" => (EntryKind::File, None),
        b"dir" | b"cdir" | b"pdir" => (EntryKind::Directory, None),
        other => {
            let prefix = LINKS.iter().find(|prefix| {
                other
                    .strip_prefix(prefix.as_bytes())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(b":"))
            });
            match prefix {
                Some(prefix) => (
                    EntryKind::Link,
                    value
                        .get(prefix.len() + 1..)
                        .filter(|target| !target.is_empty()),
                ),
                None => (EntryKind::Other, None),
            }
        }
    }
}

/// Parses a time value: `YYYYMMDDHHMMSS` with an optional fraction, always UTC (RFC 3659 section 2.3).
fn time_value(value: &[u8]) -> Option<Modified> {
    let (digits, rest) = value.split_at_checked(14)?;
    let fraction = match rest {
        [] => "",
        [b'.', fraction @ ..] if (1..=9).contains(&fraction.len()) => {
            number(fraction)?;
            std::str::from_utf8(rest).ok()?
        }
        _ => return None,
    };
    let part = |from: usize, to: usize| digits.get(from..to).and_then(number);
    let small = |from: usize| part(from, from + 2).and_then(|number| i8::try_from(number).ok());
    let year = part(0, 4).and_then(|year| i16::try_from(year).ok())?;
    let date = jiff::civil::Date::new(year, small(4)?, small(6)?).ok()?;
    let (hour, minute, second) = (small(8)?, small(10)?, small(12)?);
    // 60 is a leap second, which RFC 3659 allows and jiff's times do not have: hence the text is written by hand.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut text = date.to_compact_string();
    // Writing to a String cannot fail.
    let _ = write!(text, "T{hour:02}:{minute:02}:{second:02}{fraction}Z");
    Some(Modified {
        text,
        precision: Precision::Second,
        year_inferred: false,
    })
}

/// Longer than the name of any known fact or type.
const NAME_MAX: usize = 64;

/// Types of symbolic links, in lower case.
const LINKS: [&str; 3] = ["os.unix=slink", "os.unix=symlink", "os.unix=link"];
