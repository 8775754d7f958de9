//! Sizes and digests that the server stated for file names, and the files that were transferred, held against each other.
//!
//! ```text
//! SIZE, HASH, XCRC, listings ──> the next transfer of that name is compared with them
//! a transfer that is over    ──> a later SIZE or HASH of that name is compared with it
//! ```
//!
//! A file that was whole by all that was known, and that the server then states to have another length, is not proven whole
//! any more: the session's report has the last word.

use std::collections::VecDeque;

use crate::model::record::{Completeness, EntryKind, ListingEntry, Transfer, TransferDirection};
use crate::model::{ContentId, grouped};
use crate::protocol::ftp::{Algorithm, ClaimedDigest, Verb, path};
use crate::session::data::content::{Content, DigestChoice, Digests};
use crate::session::transfers::transfer_state::TransferState;

/// Stated sizes and digests, and the latest transferred files, by name.
#[derive(Debug, Default)]
pub(crate) struct KnownFiles {
    /// `None` until there is something to remember: most sessions need none.
    lists: Option<Box<Lists>>,
}

#[derive(Debug, Default)]
struct Lists {
    sizes: VecDeque<StatedSize>,
    listed: VecDeque<StatedSize>,
    digests: VecDeque<(Vec<u8>, DigestClaim)>,
    files: VecDeque<TransferredFile>,
}

/// A size that the server stated for a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StatedSize {
    /// Absolute path, or the name as sent while the working directory is unknown.
    pub(crate) name: Vec<u8>,
    /// Size in bytes.
    pub(crate) size: u64,
    /// Stated while TYPE I was in force, or in a listing: a count of the file's own bytes (RFC 3659 section 4).
    pub(crate) exact: bool,
    /// Frame of the reply; for a listing, the first frame of its data connection.
    pub(crate) frame: u64,
}

/// A digest that the server stated.
#[derive(Clone, Debug)]
pub(crate) struct DigestClaim {
    /// Command it answers.
    pub(crate) verb: String,
    /// Algorithm, value and range.
    pub(crate) claim: ClaimedDigest,
    /// Frame of the reply.
    pub(crate) frame: u64,
}

/// Evidence about a transfer that was emitted before it came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LateEvidence {
    /// Id of the transfer.
    pub(crate) transfer: u64,
    /// One sentence; it may hold bytes from the wire.
    pub(crate) text: String,
    /// Completeness that replaces `complete`; `None` if the verdict stands.
    pub(crate) verdict: Option<Completeness>,
}

/// A transferred file, as far as later replies can say more about it.
#[derive(Clone, Debug)]
struct TransferredFile {
    transfer: u64,
    name: Vec<u8>,
    upload: bool,
    /// Length in bytes that the server's file must have now; `None` if it does not follow from the transfer.
    length: Option<u64>,
    /// The file may be longer than that: bytes in its middle were replaced.
    at_least: bool,
    /// Digests of the whole file; `None` if the transferred bytes are only a part of it.
    digests: Option<Digests>,
}

impl KnownFiles {
    /// Records a reply to SIZE. Returns what it shows about the latest transfer of that name.
    pub(crate) fn on_size(&mut self, stated: StatedSize) -> Option<LateEvidence> {
        let file = self.file_of(&stated.name).filter(|_| stated.exact);
        let evidence = file.and_then(|file| compare_later_size(file, &stated));
        push(&mut self.lists_mut().sizes, stated, STATED);
        evidence
    }

    /// Records the sizes of the files in a listing of the directory `listed`; `None` for the working directory while that is
    /// unknown.
    pub(crate) fn on_listing(
        &mut self,
        listed: Option<&[u8]>,
        entries: &[ListingEntry],
        frame: u64,
    ) {
        let folder = listed.map(listed_folder);
        for entry in entries.iter().filter(|entry| states_size(entry)) {
            let Some(size) = entry.size else { continue };
            let name = entry.name.as_bytes();
            self.on_listed(StatedSize {
                name: path::resolve(folder, name).unwrap_or_else(|| name.to_vec()),
                size,
                exact: true,
                frame,
            });
        }
    }

    /// Records the size of one listed file.
    pub(crate) fn on_listed(&mut self, stated: StatedSize) {
        if stated.name.len() <= NAME_BYTES {
            push(&mut self.lists_mut().listed, stated, LISTED);
        }
    }

    /// Records a stated digest. Returns what it shows about the latest transfer of that name.
    pub(crate) fn on_digest(&mut self, name: Vec<u8>, claim: DigestClaim) -> Option<LateEvidence> {
        let evidence = self.file_of(&name).and_then(|file| {
            let digests = file.digests.as_ref()?;
            Some(LateEvidence {
                transfer: file.transfer,
                text: compare_digest(&claim, digests, file.length, "afterwards")?,
                verdict: None,
            })
        });
        push(&mut self.lists_mut().digests, (name, claim), STATED);
        evidence
    }

    /// Records a transferred file. Returns what the digests stated before show about it, one sentence each.
    pub(crate) fn on_transfer(
        &mut self,
        state: &TransferState,
        transfer: &Transfer,
        content: Option<&Content>,
    ) -> Vec<String> {
        let Some(name) = state.named().filter(|_| {
            transfer.direction != TransferDirection::Listing && transfer.connection.is_some()
        }) else {
            return Vec::new();
        };
        let upload = transfer.direction == TransferDirection::Upload;
        let complete = transfer.completeness == Completeness::Complete;
        let plain = state.representation.bytes_are_the_file() && transfer.missing_bytes == 0;
        let before = match state.verb {
            Verb::Appe => state
                .sizes
                .size
                .as_ref()
                .filter(|stated| stated.exact)
                .map(|stated| stated.size),
            _ => Some(state.restart),
        };
        let length = before
            .filter(|_| plain && complete)
            .and_then(|before| before.checked_add(transfer.bytes));
        let whole = plain && complete && state.restart == 0 && state.verb != Verb::Appe;
        let digests = whole.then(|| {
            content.map_or_else(
                || Content::new(ContentId(0), DigestChoice::default()).digests(),
                Content::digests,
            )
        });
        let evidence = match &digests {
            Some(digests) if !upload => self
                .digests_of(name)
                .filter_map(|claim| compare_digest(claim, digests, length, "before"))
                .collect(),
            _ => Vec::new(),
        };
        if upload {
            // Everything known of the name was about the file before.
            self.forget(name);
        }
        let file = TransferredFile {
            transfer: transfer.id,
            name: name.to_vec(),
            upload,
            length,
            at_least: upload && state.restart > 0,
            digests,
        };
        push(&mut self.lists_mut().files, file, STATED);
        evidence
    }

    /// Forgets a name: it means another file from here on, or none.
    pub(crate) fn forget(&mut self, name: &[u8]) {
        let Some(lists) = &mut self.lists else {
            return;
        };
        lists.sizes.retain(|stated| stated.name != name);
        lists.listed.retain(|stated| stated.name != name);
        lists.digests.retain(|(known, _)| known != name);
        lists.files.retain(|file| file.name != name);
    }

    /// Forgets names as sent: the unknown working directory is another one from here on.
    pub(crate) fn forget_relative(&mut self) {
        let Some(lists) = &mut self.lists else {
            return;
        };
        let absolute = |name: &[u8]| path::resolve(None, name).is_some();
        lists.sizes.retain(|stated| absolute(&stated.name));
        lists.listed.retain(|stated| absolute(&stated.name));
        lists.digests.retain(|(known, _)| absolute(known));
        lists.files.retain(|file| absolute(&file.name));
    }

    /// Returns the latest reply to SIZE for a name.
    pub(crate) fn size_of(&self, name: &[u8]) -> Option<&StatedSize> {
        let mut latest = self.lists.as_ref()?.sizes.iter().rev();
        latest.find(|stated| stated.name == name)
    }

    /// Returns the size of a name in the latest listing that has it.
    pub(crate) fn listed_size_of(&self, name: &[u8]) -> Option<&StatedSize> {
        let mut latest = self.lists.as_ref()?.listed.iter().rev();
        latest.find(|stated| stated.name == name)
    }

    fn digests_of(&self, name: &[u8]) -> impl Iterator<Item = &DigestClaim> {
        self.lists
            .iter()
            .flat_map(|lists| &lists.digests)
            .filter_map(move |(known, claim)| (known == name).then_some(claim))
    }

    fn file_of(&self, name: &[u8]) -> Option<&TransferredFile> {
        let mut latest = self.lists.as_ref()?.files.iter().rev();
        latest.find(|file| file.name == name)
    }

    fn lists_mut(&mut self) -> &mut Lists {
        self.lists.get_or_insert_default()
    }
}

/// Compares a reply to SIZE with the file that was transferred before; `None` if its length is not known.
fn compare_later_size(file: &TransferredFile, stated: &StatedSize) -> Option<LateEvidence> {
    let length = file.length?;
    let size = stated.size;
    let said = format!(
        "the reply to SIZE afterwards (frame {}) said {} bytes",
        stated.frame,
        grouped(size)
    );
    let (text, verdict) = if size == length {
        (format!("{said}: equal"), None)
    } else if file.at_least && size > length {
        (
            format!("{said}: the file goes on behind what was written"),
            None,
        )
    } else {
        // A download shows what the file was then, and it may have changed since. What was uploaded should be there.
        (
            format!("{said}, but it must have {}", grouped(length)),
            file.upload.then_some(Completeness::Unverifiable),
        )
    };
    Some(LateEvidence {
        transfer: file.transfer,
        text,
        verdict,
    })
}

/// Compares a stated digest with ours; `None` if it is about a part of the file.
fn compare_digest(
    claim: &DigestClaim,
    digests: &Digests,
    length: Option<u64>,
    when: &str,
) -> Option<String> {
    // HASH counts to the last byte or to the one behind it, depending on the server.
    if let Some((from, to)) = claim.claim.range
        && (from != 0
            || length.is_none_or(|length| to != length && to.checked_add(1) != Some(length)))
    {
        return None;
    }
    let algorithm = claim.claim.algorithm;
    let said = format!(
        "the reply to {} {when} (frame {}) said {} {}",
        claim.verb,
        claim.frame,
        algorithm.name(),
        claim.claim.value
    );
    let ours = match algorithm {
        Algorithm::Crc32 => digests.crc32.as_ref(),
        Algorithm::Md5 => digests.md5.as_ref(),
        Algorithm::Sha1 => digests.sha1.as_ref(),
        Algorithm::Sha256 => digests.sha256.as_ref(),
        Algorithm::Sha512 => None,
    };
    Some(match ours {
        Some(ours) if *ours == claim.claim.value => format!("{said}: equal"),
        Some(ours) => format!("{said}, but the bytes captured have {ours}"),
        None => format!("{said}: not compared"),
    })
}

/// Returns the directory that a listing is of: a pattern as its last part is no part of its name.
fn listed_folder(listed: &[u8]) -> &[u8] {
    let name = path::file_name(listed);
    if name.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[')) {
        let end = listed.len().saturating_sub(name.len());
        &listed[..end.max(1).min(listed.len())]
    } else {
        listed
    }
}

/// Returns whether an entry states the exact size of a file: rounded sizes and counts of blocks do not.
fn states_size(entry: &ListingEntry) -> bool {
    if entry.kind != EntryKind::File || entry.name_b64.is_some() || entry.name.contains('/') {
        return false;
    }
    let Some(size) = entry.size else { return false };
    // `1.5M` parses as a size too, but its digits do not stand in the line.
    entry
        .raw
        .split_ascii_whitespace()
        .flat_map(|word| word.split([';', '=']))
        .any(|word| are_digits_of(word, size))
}

/// Returns whether a word is a number in decimal, with or without separators between its groups of digits.
// Every word of every line of a listing is looked at: most are no numbers, and none is copied.
fn are_digits_of(word: &str, number: u64) -> bool {
    let mut rest = number;
    let mut digits = 0;
    for byte in word.bytes().rev().filter(|byte| !b",.".contains(byte)) {
        let fits = u64::from(byte) == u64::from(b'0') + rest % 10 && (rest > 0 || digits == 0);
        if !fits {
            return false;
        }
        rest /= 10;
        digits += 1;
    }
    digits > 0 && rest == 0
}

fn push<T>(queue: &mut VecDeque<T>, item: T, most: usize) {
    if queue.len() >= most {
        queue.pop_front();
    }
    queue.push_back(item);
}

/// Replies, and files, remembered of one session.
const STATED: usize = 64;
/// Listed sizes remembered of one session.
const LISTED: usize = 1024;
/// Longest name remembered from a listing, in bytes.
const NAME_BYTES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_is_recognized_with_and_without_separators() {
        for (word, size) in [
            ("0", 0),
            ("1715", 1715),
            ("1,715", 1715),
            ("1.000.000", 1_000_000),
        ] {
            assert!(are_digits_of(word, size), "{word}");
        }
        let most = u64::MAX.to_string();
        assert!(are_digits_of(&most, u64::MAX));
        for (word, size) in [
            ("", 0),
            (".", 0),
            ("00", 0),
            ("015", 15),
            ("15", 5),
            ("5", 15),
            ("1.5M", 15),
        ] {
            assert!(!are_digits_of(word, size), "{word}");
        }
    }

    #[test]
    fn pattern_is_no_part_of_the_listed_directory() {
        assert_eq!(listed_folder(b"/pub/*.txt"), b"/pub/");
        assert_eq!(listed_folder(b"/*"), b"/");
        assert_eq!(listed_folder(b"/pub"), b"/pub");
    }
}
