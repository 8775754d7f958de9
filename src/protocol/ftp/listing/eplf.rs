//! Easily Parsed LIST Format: facts, a tab, the name.

use super::dates::Modified;
use super::fields::number;
use super::parsed::Parsed;
use crate::model::record::EntryKind;

/// `+i8388621.48594,m825718503,r,s280,up644,<TAB>name`
pub(super) fn parse(line: &[u8]) -> Option<Parsed<'_>> {
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
            // One may change into it and retrieve it: it is still a folder.
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
