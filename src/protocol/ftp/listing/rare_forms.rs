//! Forms of single systems: EPLF, Novell `NetWare`, VMS, Tandem Guardian, OS-9, and those that begin with the size or the
//! name.

use super::dates::{
    CaptureDate, Modified, any_date, date_on_weekday, short_year_date, time_of_day,
    time_of_four_digits, unix_date, vms_date, year_first_date,
};
use super::fields::{Fields, Parsed, number, size};
use crate::model::record::{EntryKind, Precision};

/// Parses Easily Parsed LIST Format: facts, a tab, the name.
///
/// `+i8388621.48594,m825718503,r,s280,up644,<TAB>name`
pub(super) fn parse_eplf(line: &[u8]) -> Option<Parsed<'_>> {
    let line = line.strip_prefix(b"+")?;
    let tab = line.iter().position(|byte| *byte == b'\t')?;
    let (facts, name) = (&line[..tab], &line[tab + 1..]);
    if name.is_empty() {
        return None;
    }
    let mut parsed = Parsed::of(name, EntryKind::Other);
    for fact in facts.split(|byte| *byte == b',') {
        match fact {
            b"/" => parsed.kind = EntryKind::Directory,
            // `/` and `r` together: CWD and RETR both work, and the entry is a directory.
            b"r" if parsed.kind != EntryKind::Directory => parsed.kind = EntryKind::File,
            [b's', size @ ..] => parsed.size = number(size),
            [b'm', seconds @ ..] => {
                parsed.modified = number(seconds)
                    .and_then(|seconds| i64::try_from(seconds).ok())
                    .and_then(Modified::unix);
            }
            [b'u', b'p', mode @ ..] => parsed.permissions = Some(mode),
            _ => {}
        }
    }
    Some(parsed)
}

/// Parses a line of Novell `NetWare`, with rights in brackets: `d [R----F--] owner  512 Jan 16 18:53    name`. Hellsoft's
/// server has no space before them: `d[RWCEMFA] owner  512 Jan 16 18:53  name`.
pub(super) fn parse_netware<'a>(line: &'a [u8], captured: &CaptureDate) -> Option<Parsed<'a>> {
    let fields = Fields::new(line);
    let (kind, rest) = fields.word(0).split_first()?;
    let kind = match kind {
        b'd' => EntryKind::Directory,
        b'-' => EntryKind::File,
        _ => return None,
    };
    let (rights, owner) = if rest.is_empty() {
        (fields.word(1), 2)
    } else {
        (rest, 1)
    };
    let rights = rights.strip_prefix(b"[")?.strip_suffix(b"]")?;
    let (at, (date, last)) =
        (owner + 2..fields.len()).find_map(|at| Some((at, unix_date(&fields, at, captured)?)))?;
    // The name stands in a column of its own, so that leading spaces are padding.
    let name = fields.after(last).trim_ascii_start();
    if name.is_empty() {
        return None;
    }
    Some(Parsed {
        size: Some(size(fields.word(at - 1))?),
        modified: Some(date),
        permissions: Some(rights),
        owner: fields.span(owner, at - 1),
        ..Parsed::of(name, kind)
    })
}

/// Parses a line of VMS: `NAME.EXT;1  12/15  2-JAN-1996 12:34  [GROUP,OWNER]  (RWED,RWED,RE,)`.
///
/// Left out is the size: it is in blocks of 512 bytes, from which the length of the file does not follow.
pub(super) fn parse_vms(line: &[u8]) -> Option<Parsed<'_>> {
    let fields = Fields::new(line);
    let name = fields.word(0);
    if !has_version(name) || fields.len() < 2 {
        return None;
    }
    let kind = if is_vms_directory(name) {
        EntryKind::Directory
    } else {
        EntryKind::File
    };
    let mut parsed = Parsed::of(name, kind);
    // Without privileges: `NAME.EXT;1  %RMS-E-PRV, insufficient privilege or file protection violation`.
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

/// Returns whether a line of VMS is a name alone. Its facts may be on the next line, indented or, from `MultiNet`, not.
pub(super) fn is_wrapped_vms(line: &[u8]) -> bool {
    let fields = Fields::new(line);
    fields.len() == 1 && has_version(fields.word(0))
}

/// Returns whether a line begins with a name of VMS, so that it does not continue the line before it.
pub(super) fn begins_with_vms_name(line: &[u8]) -> bool {
    has_version(Fields::new(line).word(0))
}

fn has_version(name: &[u8]) -> bool {
    name.iter()
        .rposition(|byte| *byte == b';')
        .is_some_and(|at| at > 0 && number(&name[at + 1..]).is_some())
}

fn is_vms_directory(name: &[u8]) -> bool {
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

/// Returns whether a line is the heading of Guardian: `File         Code             EOF  Last Modification    Owner
/// RWEP`.
pub(super) fn is_guardian_heading(line: &[u8]) -> bool {
    // A cheap check first: every listing is searched for this heading.
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

/// Parses a line of Guardian: `NAME     O  101     16354 18-Mar-08 15:09:12 244, 10 "nnnn"`. The letter `O` marks open
/// files.
///
/// EOF is the size in bytes. The owner is a group and a user number; the four letters are the rights to read, write,
/// execute and purge.
pub(super) fn parse_guardian(line: &[u8]) -> Option<Parsed<'_>> {
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

/// Parses a line that begins with the size.
///
/// - `  6775    FEB-02-2021  10:11:12   ports.tcl          ` and `   512  JAN-01-1980  00:00:00   LOGS   <DIR>` of `VxWorks`
/// - `206876  Apr 04, 2000 21:06 name` and `0  Dec 12, 2002 02:13 folder/` of `VShell`
pub(super) fn parse_size_first<'a>(line: &'a [u8], captured: &CaptureDate) -> Option<Parsed<'a>> {
    let fields = Fields::new(line);
    let size = number(fields.word(0))?;
    let (modified, last) = unix_date(&fields, 1, captured)?;
    // Without a time, any name that begins with two numbers would pass.
    if modified.precision == Precision::Day {
        return None;
    }
    let name = fields.after(last).trim_ascii();
    let (name, directory) = match name.strip_suffix(b"<DIR>") {
        Some(name) => (name.trim_ascii_end(), true),
        None => match name.strip_suffix(b"/") {
            Some(name) => (name, true),
            None => (name, false),
        },
    };
    if name.is_empty() {
        return None;
    }
    Some(Parsed {
        modified: Some(modified),
        ..if directory {
            Parsed::of(name, EntryKind::Directory)
        } else {
            Parsed {
                size: Some(size),
                ..Parsed::of(name, EntryKind::File)
            }
        }
    })
}

/// Returns whether a line is the heading of `VxWorks`: `  size          date       time       name`.
pub(super) fn is_size_first_heading(line: &[u8]) -> bool {
    let fields = Fields::new(line);
    fields.word(0).eq_ignore_ascii_case(b"size") && fields.word(1).eq_ignore_ascii_case(b"date")
}

/// Parses a line that begins with the name, which has no spaces, and ends with the time.
///
/// - `bn.exe       14196  06/03/04  Thur.   10:20:03` of Nortel routers
/// - `BIN     <DIR>    11-21-94    10:17` of `SuperTCP`
///
/// The day of the week decides which number of the date is the month.
pub(super) fn parse_name_first<'a>(line: &'a [u8], captured: &CaptureDate) -> Option<Parsed<'a>> {
    let fields = Fields::new(line);
    let (date, time) = match fields.len() {
        4 => (any_date(fields.word(2), captured)?, fields.word(3)),
        5 => (
            date_on_weekday(fields.word(2), fields.word(3), captured)?,
            fields.word(4),
        ),
        _ => return None,
    };
    let mut parsed = Parsed {
        modified: Some(Modified::moment(date, time_of_day(time)?)),
        ..Parsed::of(fields.word(0), EntryKind::Directory)
    };
    if fields.word(1) != b"<DIR>" {
        parsed.kind = EntryKind::File;
        parsed.size = Some(size(fields.word(1))?);
    }
    Some(parsed)
}

/// Parses a line of OS-9: `20.20 24/06/19 1522 d-ewrewr  2650  85920 name`: group and user, year first, attributes, sector,
/// size.
pub(super) fn parse_os9(line: &[u8]) -> Option<Parsed<'_>> {
    let fields = Fields::new(line);
    let owner = fields.word(0);
    let dot = owner.iter().position(|byte| *byte == b'.')?;
    let (group, user) = (&owner[..dot], &owner[dot + 1..]);
    number(group)?;
    number(user)?;
    let date = year_first_date(fields.word(1))?;
    let time = time_of_four_digits(fields.word(2))?;
    let attributes = fields.word(3);
    if attributes.len() != 8 || !attributes.iter().all(|bit| b"-dsewr".contains(bit)) {
        return None;
    }
    if !fields.word(4).iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    // The name stands in a column of its own, so that leading spaces are padding.
    let name = fields.after(5).trim_ascii_start();
    let size = number(fields.word(5)).filter(|_| !name.is_empty())?;
    let kind = if attributes.starts_with(b"d") {
        EntryKind::Directory
    } else {
        EntryKind::File
    };
    Some(Parsed {
        size: Some(size),
        modified: Some(Modified::moment(date, time)),
        permissions: Some(attributes),
        owner: Some(user),
        group: Some(group),
        ..Parsed::of(name, kind)
    })
}

/// Returns whether a line is a heading of OS-9: `Directory of . 14:46:01`, ` Owner    Last modified  Attributes …`.
pub(super) fn is_os9_heading(line: &[u8]) -> bool {
    let fields = Fields::new(line);
    (fields.word(0) == b"Directory" && fields.word(1) == b"of")
        || (fields.word(0) == b"Owner" && fields.word(1) == b"Last")
}
