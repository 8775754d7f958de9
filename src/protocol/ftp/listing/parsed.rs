//! What every form of a listing makes of a line.

use compact_str::CompactString;

use super::dates::Modified;
use crate::model::record::{EntryKind, ListingEntry};
use crate::model::wire_text::decode;

/// An entry in the words of the line.
#[derive(Clone, Debug)]
pub(in crate::protocol::ftp) struct Parsed<'a> {
    pub(in crate::protocol::ftp) name: &'a [u8],
    pub(in crate::protocol::ftp) kind: EntryKind,
    pub(in crate::protocol::ftp) size: Option<u64>,
    pub(in crate::protocol::ftp) modified: Option<Modified>,
    pub(in crate::protocol::ftp) permissions: Option<&'a [u8]>,
    pub(in crate::protocol::ftp) owner: Option<&'a [u8]>,
    pub(in crate::protocol::ftp) group: Option<&'a [u8]>,
    pub(in crate::protocol::ftp) target: Option<&'a [u8]>,
}

impl<'a> Parsed<'a> {
    pub(in crate::protocol::ftp) fn of(name: &'a [u8], kind: EntryKind) -> Self {
        Self {
            name,
            kind,
            size: None,
            modified: None,
            permissions: None,
            owner: None,
            group: None,
            target: None,
        }
    }

    pub(in crate::protocol::ftp) fn into_entry(self, line: &[u8]) -> ListingEntry {
        let (name, name_b64) = decode(self.name);
        let (modified, modified_precision, year_inferred) = match self.modified {
            Some(modified) => (
                Some(modified.text),
                Some(modified.precision),
                modified.year_inferred,
            ),
            None => (None, None, false),
        };
        ListingEntry {
            name,
            name_b64,
            kind: self.kind,
            size: self.size,
            modified,
            modified_precision,
            year_inferred,
            permissions: self.permissions.map(short),
            owner: self.owner.map(short),
            group: self.group.map(short),
            target: self.target.map(short),
            folder: None,
            raw: String::from_utf8_lossy(line).into_owned(),
        }
    }
}

fn short(bytes: &[u8]) -> CompactString {
    CompactString::from_utf8_lossy(bytes)
}
