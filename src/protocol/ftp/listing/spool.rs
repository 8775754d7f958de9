//! The spool of MVS (SITE FILETYPE=JES): jobs, and the files that one job has written.

use super::fields::{Fields, number};
use super::parsed::Parsed;
use crate::model::record::EntryKind;

/// A job or one of its files.
///
/// - `USER1     JOB04001  OUTPUT    3 Spool Files` (interface level 1)
/// - `USER3    JOB00063 USER3    OUTPUT A        RC=0000 5 spool files` (level 2)
/// - `         001 JES2              H JESMSGLG       982`
///
/// A job is named by its number, which is what RETR wants.
pub(super) fn parse(line: &[u8]) -> Option<Parsed<'_>> {
    let fields = Fields::new(line);
    job(&fields).or_else(|| file(&fields))
}

/// Whether a line is none of the entries but belongs to such a listing.
pub(super) fn is_heading(line: &[u8]) -> bool {
    let fields = Fields::new(line);
    let (first, second) = (fields.word(0), fields.word(1));
    (first == b"JOBNAME" && second == b"JOBID")
        || (first == b"ID" && second == b"STEPNAME")
        || (first.starts_with(b"---") && first.iter().all(|byte| *byte == b'-'))
        || (number(first).is_some() && second.eq_ignore_ascii_case(b"spool"))
}

fn job<'a>(fields: &Fields<'a>) -> Option<Parsed<'a>> {
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

/// The columns of step and procedure step may be empty.
fn file<'a>(fields: &Fields<'a>) -> Option<Parsed<'a>> {
    let count = fields.len();
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

/// `JOB00063`, `STC01234`, `TSU00055`, and `J0000063` where numbers are larger.
fn is_job_number(word: &[u8]) -> bool {
    let digits = [&b"JOB"[..], b"STC", b"TSU", b"J", b"S", b"T"]
        .iter()
        .find_map(|kind| {
            word.strip_prefix(*kind)
                .filter(|rest| number(rest).is_some())
        });
    word.len() == 8 && digits.is_some()
}
