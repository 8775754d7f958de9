//! MVS data sets and members, and AS/400.

use super::dates::{Modified, numeric_date, time_of_day, year_month_day};
use super::fields::{Fields, number};
use super::parsed::Parsed;
use crate::model::record::EntryKind;

/// The headings by which MVS listings are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heading {
    /// `Volume Unit    Referred Ext Used Recfm Lrecl BlkSz Dsorg Dsname`
    Datasets,
    /// ` Name     VV.MM   Created       Changed      Size  Init   Mod   Id`
    Members,
}

/// Whether a line is the heading of an MVS listing.
pub(super) fn heading(line: &[u8]) -> Option<Heading> {
    // Asked of every line of every listing.
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

/// `WRK001 3390   2004/06/19  1    1  FB      80  8000  PS  USER.DATA`
///
/// The date tells when a data set was last referred to, not when it was changed: it is left out. The space used is in
/// tracks: it is left out too.
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
        // `Migrated  NAME`, `ARCIVE Not Direct Access Device  NAME` and the like.
        _ if !fields.word(2).contains(&b'/') => EntryKind::Other,
        _ => EntryKind::File,
    };
    Some(Parsed::of(name, kind))
}

/// ` MEMBER1   01.01 2002/09/12 2002/10/11 09:37    11    11     0 USER1`, or the name alone.
///
/// The size is in records: it is left out.
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

/// `OWNER  77824 02/23/00 15:09:55 *DIR  name/`, and `OWNER  *MEM  name` for members.
pub(super) fn parse_as400(line: &[u8]) -> Option<Parsed<'_>> {
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
        let date = year_month_day(date).or_else(|| numeric_date(date));
        let time = time_of_day(fields.word(3))?;
        parsed.modified = date.map(|date| Modified::moment(date, time));
    }
    Some(parsed)
}
