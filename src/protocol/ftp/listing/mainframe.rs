//! IBM systems: data sets, members and the spool of MVS, minidisks of VM/CMS, and AS/400.

use super::dates::{CaptureDate, Modified, any_date, numeric_date, time_of_day, year_month_day};
use super::fields::{Fields, Parsed, number};
use crate::model::record::EntryKind;

/// Heading that identifies a listing of MVS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heading {
    /// `Volume Unit    Referred Ext Used Recfm Lrecl BlkSz Dsorg Dsname`
    Datasets,
    /// ` Name     VV.MM   Created       Changed      Size  Init   Mod   Id`
    Members,
}

/// Parses the heading of an MVS listing.
pub(super) fn heading(line: &[u8]) -> Option<Heading> {
    // A cheap check first: called for every line of an MVS listing, and for the first lines of all listings.
    let words = line.trim_ascii_start();
    if !words.starts_with(b"Volume") && !words.starts_with(b"Name") {
        return None;
    }
    let fields = Fields::new(line);
    let last = fields.word(fields.len().saturating_sub(1));
    if fields.word(0) == b"Volume" && fields.word(1) == b"Unit" && last == b"Dsname" {
        Some(Heading::Datasets)
    } else if fields.word(0) == b"Name"
        && (fields.word(1) == b"VV.MM" || (fields.word(1) == b"Size" && fields.word(2) == b"TTR"))
    {
        Some(Heading::Members)
    } else {
        None
    }
}

/// Parses a data set: `WRK001 3390   2004/06/19  1    1  FB      80  8000  PS  USER.DATA`.
///
/// Left out are the date, on which the data set was last referred to and not changed, and the space used, which is in
/// tracks.
pub(super) fn parse_dataset(line: &[u8]) -> Option<Parsed<'_>> {
    if heading(line).is_some() {
        return None;
    }
    let fields = Fields::new(line);
    let last = fields.len().checked_sub(1)?;
    let name = fields.word(last);
    let kind = match fields.word(last.checked_sub(1)?) {
        b"PO" | b"PO-E" | b"Directory" => EntryKind::Directory,
        b"PS" | b"PS-E" | b"PSU" | b"DA" | b"VSAM" | b"VS" => EntryKind::File,
        // `Migrated  NAME`, `ARCIVE Not Direct Access Device  NAME` and the like have no date.
        _ if !fields.word(2).contains(&b'/') => EntryKind::Other,
        _ => EntryKind::File,
    };
    Some(Parsed::of(name, kind))
}

/// Parses a member: ` MEMBER1   01.01 2002/09/12 2002/10/11 09:37    11    11     0 USER1`, or the name alone.
///
/// Left out is the size, which is in records.
pub(super) fn parse_member(line: &[u8]) -> Option<Parsed<'_>> {
    if heading(line).is_some() {
        return None;
    }
    let fields = Fields::new(line);
    if fields.len() == 0 {
        return None;
    }
    let mut parsed = Parsed::of(fields.word(0), EntryKind::File);
    if let Some(changed) = year_month_day(fields.word(3)) {
        parsed.modified = Some(match time_of_day(fields.word(4)) {
            Some(time) => Modified::moment(changed, time),
            None => Modified::day(changed),
        });
        parsed.owner = (fields.len() >= 9).then(|| fields.word(8));
    }
    Some(parsed)
}

/// Parses a line of the spool (SITE FILETYPE=JES): a job, or one of the files that a job has written.
///
/// - `USER1     JOB04001  OUTPUT    3 Spool Files` (interface level 1)
/// - `USER3    JOB00063 USER3    OUTPUT A        RC=0000 5 spool files` (level 2)
/// - `         001 JES2              H JESMSGLG       982`
///
/// The name of a job is its number, which is the argument of RETR.
pub(super) fn parse_spool(line: &[u8]) -> Option<Parsed<'_>> {
    let fields = Fields::new(line);
    parse_job(&fields).or_else(|| parse_spool_file(&fields))
}

/// Returns whether a line is a heading, rule or sum of a spool listing.
pub(super) fn is_spool_heading(line: &[u8]) -> bool {
    let fields = Fields::new(line);
    let (first, second) = (fields.word(0), fields.word(1));
    (first == b"JOBNAME" && second == b"JOBID")
        || (first == b"ID" && second == b"STEPNAME")
        || (first.starts_with(b"---") && first.iter().all(|byte| *byte == b'-'))
        || (number(first).is_some() && second.eq_ignore_ascii_case(b"spool"))
}

fn parse_job<'a>(fields: &Fields<'a>) -> Option<Parsed<'a>> {
    if !is_job_number(fields.word(1)) {
        return None;
    }
    let is_status = |at: &usize| matches!(fields.word(*at), b"INPUT" | b"ACTIVE" | b"OUTPUT");
    let status = (2..=3).find(is_status)?;
    Some(Parsed {
        owner: (status == 3).then(|| fields.word(2)),
        ..Parsed::of(fields.word(1), EntryKind::File)
    })
}

fn parse_spool_file<'a>(fields: &Fields<'a>) -> Option<Parsed<'a>> {
    let count = fields.len();
    // 4 to 6 words: the columns of step and procedure step may be empty.
    let last = count.checked_sub(1).filter(|_| (4..=6).contains(&count))?;
    let class = fields.word(last - 2);
    if fields.word(0).len() < 3 || class.len() != 1 || !class.iter().all(u8::is_ascii_alphanumeric)
    {
        return None;
    }
    number(fields.word(0))?;
    Some(Parsed {
        size: Some(number(fields.word(last))?),
        ..Parsed::of(fields.word(last - 1), EntryKind::File)
    })
}

/// Returns whether a word is a job number: `JOB00063`, `STC01234`, `TSU00055`, or `J0000063` on systems with larger
/// numbers.
fn is_job_number(word: &[u8]) -> bool {
    let digits = [&b"JOB"[..], b"STC", b"TSU", b"J", b"S", b"T"]
        .iter()
        .find_map(|kind| {
            word.strip_prefix(*kind)
                .filter(|rest| number(rest).is_some())
        });
    word.len() == 8 && digits.is_some()
}

/// Parses a file of VM/CMS: name, type, mode, record format, record length, records, blocks, date, time, perhaps the owner.
///
/// - `PROFILE  EXEC     A1 F   132   84   3  9/12/91 12:39:07`
/// - `PROFILE  EXEC     V   65  107   2  1991-09-12 12:39:07 OWNER`
/// - `BACKUP            A1 DIR   -    -   -  9/20/99 10:31:11`
///
/// RETR takes name and type with a dot between. Left out is the size: the length of records of format V is that of the
/// longest, and transfers in ASCII end each with CRLF.
pub(super) fn parse_cms<'a>(line: &'a [u8], captured: &CaptureDate) -> Option<Parsed<'a>> {
    let fields = Fields::new(line);
    let format = (1..=3).find(|at| matches!(fields.word(*at), b"F" | b"V" | b"DIR"))?;
    let directory = fields.word(format) == b"DIR";
    let is_count = |column| {
        let word = fields.word(column);
        number(word).is_some() || (directory && word == b"-")
    };
    // Directories have a dash for each count; some servers write two.
    let columns = if directory && !is_count(format + 3) {
        2
    } else {
        3
    };
    let counted = (format + 1..=format + columns).all(is_count);
    if !counted || fields.len() > format + columns + 4 {
        return None;
    }
    let date = any_date(fields.word(format + columns + 1), captured)?;
    let time = time_of_day(fields.word(format + columns + 2))?;
    let is_mode = |word: &[u8]| matches!(word, [b'A'..=b'Z', b'0'..=b'6'] | [b'A'..=b'Z'] | b"-");
    let has_type = format == 3 || (format == 2 && !is_mode(fields.word(1)));
    let kind = if directory {
        EntryKind::Directory
    } else {
        EntryKind::File
    };
    Some(Parsed {
        modified: Some(Modified::moment(date, time)),
        owner: (fields.len() == format + columns + 4).then(|| fields.word(format + columns + 3)),
        file_type: has_type.then(|| fields.word(1)),
        ..Parsed::of(fields.word(0), kind)
    })
}

/// Parses a line of AS/400: `OWNER  77824 02/23/00 15:09:55 *DIR  name/`, and `OWNER  *MEM  name` for members.
pub(super) fn parse_as400<'a>(line: &'a [u8], captured: &CaptureDate) -> Option<Parsed<'a>> {
    let fields = Fields::new(line);
    let column = [1, 4]
        .into_iter()
        .find(|column| fields.word(*column).starts_with(b"*"))?;
    let name = fields.after(column).trim_ascii();
    if name.is_empty() {
        return None;
    }
    let kind = match fields.word(column) {
        b"*DIR" | b"*DDIR" | b"*LIB" | b"*FLR" => EntryKind::Directory,
        b"*STMF" | b"*DSTMF" | b"*FILE" | b"*MEM" | b"*DOC" | b"*SAVF" => EntryKind::File,
        b"*SYMLNK" => EntryKind::Link,
        _ => EntryKind::Other,
    };
    let mut parsed = Parsed {
        owner: Some(fields.word(0)),
        ..Parsed::of(name, kind)
    };
    if column == 4 {
        parsed.size = Some(number(fields.word(1))?);
        let date = fields.word(2);
        let date = year_month_day(date).or_else(|| numeric_date(date, captured));
        let time = time_of_day(fields.word(3))?;
        parsed.modified = date.map(|date| Modified::moment(date, time));
    }
    Some(parsed)
}
