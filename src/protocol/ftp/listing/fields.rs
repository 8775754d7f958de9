//! Words of a line with their positions, and the entry that a form makes of them.

use compact_str::CompactString;

use super::dates::Modified;
use crate::model::record::{EntryKind, ListingEntry};
use crate::model::wire_text::decode;

/// Words of a line, up to [`WORDS_MAX`].
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    line: &'a [u8],
    words: [&'a [u8]; WORDS_MAX],
    /// Offset of the end of each word in the line.
    ends: [usize; WORDS_MAX],
    count: usize,
}

impl<'a> Fields<'a> {
    /// Splits a line at spaces, tabs and wrapped line ends.
    pub(super) fn new(line: &'a [u8]) -> Self {
        // Arrays, not vectors: every line of a listing is split once for each form tried, which allocates nothing.
        let mut fields = Self {
            line,
            words: [&[]; WORDS_MAX],
            ends: [0; WORDS_MAX],
            count: 0,
        };
        let mut at = 0;
        for (word, end) in fields.words.iter_mut().zip(&mut fields.ends) {
            let rest = line.get(at..).unwrap_or_default();
            let Some(begin) = rest.iter().position(|byte| !is_space(*byte)) else {
                break;
            };
            let rest = &rest[begin..];
            let length = rest
                .iter()
                .position(|byte| is_space(*byte))
                .unwrap_or(rest.len());
            *word = &rest[..length];
            at += begin + length;
            *end = at;
            fields.count += 1;
        }
        fields
    }

    /// Returns word `index`, counted from 0; empty if there is none.
    pub(super) fn word(&self, index: usize) -> &'a [u8] {
        self.words.get(index).copied().unwrap_or_default()
    }

    /// Returns the number of words, at most [`WORDS_MAX`].
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Returns the line after word `index`, with all spaces.
    pub(super) fn after(&self, index: usize) -> &'a [u8] {
        let end = self.ends.get(index).copied().unwrap_or(self.line.len());
        self.line.get(end..).unwrap_or_default()
    }

    /// Returns the line after word `index` and one space: a name, which may itself begin with spaces.
    pub(super) fn name_after(&self, index: usize) -> &'a [u8] {
        let rest = self.after(index);
        rest.strip_prefix(b" ").unwrap_or(rest)
    }

    /// Returns the number of spaces before word `index`.
    pub(super) fn gap_before(&self, index: usize) -> usize {
        let begin = |index: usize| self.ends.get(index)?.checked_sub(self.word(index).len());
        let end = index
            .checked_sub(1)
            .and_then(|before| self.ends.get(before));
        begin(index)
            .unwrap_or_default()
            .saturating_sub(end.copied().unwrap_or_default())
    }

    /// Returns the line from word `first` to before word `end`, with the spaces between; `None` for no words.
    pub(super) fn span(&self, first: usize, end: usize) -> Option<&'a [u8]> {
        if first >= end {
            return None;
        }
        let from = self.ends.get(first)?.checked_sub(self.word(first).len())?;
        self.line.get(from..*self.ends.get(end - 1)?)
    }
}

/// An entry that borrows from its line. Each field is `None` if the line has no such fact.
#[derive(Clone, Debug)]
pub(super) struct Parsed<'a> {
    pub(super) name: &'a [u8],
    pub(super) kind: EntryKind,
    /// Exact size in bytes.
    pub(super) size: Option<u64>,
    pub(super) modified: Option<Modified>,
    /// Permissions in the form of the listing.
    pub(super) permissions: Option<&'a [u8]>,
    pub(super) owner: Option<&'a [u8]>,
    pub(super) group: Option<&'a [u8]>,
    /// Target of a link.
    pub(super) target: Option<&'a [u8]>,
    /// File type of CMS, which a dot joins to the name.
    pub(super) file_type: Option<&'a [u8]>,
}

impl<'a> Parsed<'a> {
    /// Creates an entry without facts.
    pub(super) fn of(name: &'a [u8], kind: EntryKind) -> Self {
        Self {
            name,
            kind,
            size: None,
            modified: None,
            permissions: None,
            owner: None,
            group: None,
            target: None,
            file_type: None,
        }
    }

    /// Converts to an entry of the report; `line` is the line it was parsed from.
    pub(super) fn into_entry(self, line: &[u8]) -> ListingEntry {
        let (name, name_b64) = match self.file_type {
            Some(file_type) => decode(&[self.name, b".", file_type].concat()),
            None => decode(self.name),
        };
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
            permissions: self.permissions.map(compact),
            owner: self.owner.map(compact),
            group: self.group.map(compact),
            target: self.target.map(compact),
            folder: None,
            raw: String::from_utf8_lossy(line).into_owned(),
            truncated: false,
        }
    }
}

/// Converts to a string without allocating, if it has up to 24 bytes.
fn compact(bytes: &[u8]) -> CompactString {
    CompactString::from_utf8_lossy(bytes)
}

/// Parses a number of digits only; `None` also if it does not fit 64 bits.
pub(super) fn number(word: &[u8]) -> Option<u64> {
    if word.is_empty() {
        return None;
    }
    word.iter().try_fold(0_u64, |total, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        total.checked_mul(10)?.checked_add(digit)
    })
}

/// Parses a number that may have separators between groups of three digits: `1,715`, `1.715`, `1'715`.
pub(super) fn size(word: &[u8]) -> Option<u64> {
    let mut total = 0_u64;
    for (index, group) in word
        .split(|byte| matches!(byte, b',' | b'.' | b'\''))
        .enumerate()
    {
        let value = number(group)?;
        if index == 0 {
            total = value;
        } else if group.len() == 3 {
            total = total.checked_mul(1000)?.checked_add(value)?;
        } else {
            return None;
        }
    }
    Some(total)
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n')
}

/// More words than any form has before the name.
const WORDS_MAX: usize = 20;
