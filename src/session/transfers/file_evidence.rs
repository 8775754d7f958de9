//! What else is known of a file beside its transfer: sizes and digests from replies and listings, before and after it.
//!
//! ```text
//! SIZE, HASH, XCRC, listings ──> known_sizes ──> the next transfer of that name is held against them
//! a transfer that is over    ──> known_sizes ──> a later SIZE or HASH of that name is held against it
//! ```
//!
//! A file that was whole by all that was known, and that the server then says is of another length, is not proven whole
//! any more: the last word is that of the whole session's report.

use crate::model::FrameRef;
use crate::model::grouped;
use crate::model::record::{Completeness, EntryKind, ListingEntry, Transfer, TransferDirection};
use crate::protocol::ftp::{Algorithm, ParsedReply, Verb, claimed_digest, path, size_reply};
use crate::session::data::content::{Content, DigestChoice, Digests};
use crate::session::ftp_session::Session;
use crate::session::server_state::known_sizes::{DigestClaim, PassedFile, Told};
use crate::session::shared::Shared;
use crate::session::steps::title;
use crate::session::transfers::transfer_state::TransferState;

impl Session {
    /// A reply to SIZE: for the next transfer of the name, and for the latest one.
    pub(crate) fn size_told(
        &mut self,
        shared: &mut Shared<'_>,
        name: Vec<u8>,
        size: u64,
        arrived: FrameRef,
    ) {
        let exact = self.representation.bytes_are_the_file();
        if exact && let Some(file) = self.known_sizes.file_of(&name).cloned() {
            self.compare_later_size(shared, &file, size, arrived);
        }
        self.known_sizes.tell(Told {
            name,
            size,
            exact,
            frame: arrived.number,
        });
    }

    /// A positive reply to a command that is only known by name: it may tell a digest.
    pub(crate) fn digest_told(
        &mut self,
        shared: &mut Shared<'_>,
        sequence: u64,
        argument: Option<&[u8]>,
        reply: &ParsedReply,
        arrived: FrameRef,
    ) {
        let Some(verb) = self
            .steps
            .get(sequence)
            .map(|command| command.record.verb.clone())
        else {
            return;
        };
        let (Some(claim), Some(name)) = (
            claimed_digest(&verb, &reply.lines),
            argument.and_then(whole_file_argument),
        ) else {
            return;
        };
        let name = path::resolve(self.directory.as_deref(), &name).unwrap_or(name);
        shared.digests.crc32 |= claim.algorithm == Algorithm::Crc32;
        let claim = DigestClaim {
            verb,
            claim,
            frame: arrived.number,
        };
        if let Some(file) = self.known_sizes.file_of(&name)
            && let Some(digests) = &file.digests
            && let Some(text) = compare_digest(&claim, digests, file.length, "afterwards")
        {
            let id = file.transfer;
            self.add_evidence(shared, id, &text, None);
        }
        self.known_sizes.claim(name, claim);
    }

    /// A name that was deleted or renamed means nothing that was known of it any more.
    pub(crate) fn forget_file(&mut self, argument: Option<&[u8]>) {
        let Some(argument) = argument else { return };
        let name = path::resolve(self.directory.as_deref(), argument);
        self.known_sizes.forget(name.as_deref().unwrap_or(argument));
    }

    /// A file passed: what the server says of it from now on is about this.
    pub(crate) fn remember_file(
        &mut self,
        state: &TransferState,
        transfer: &mut Transfer,
        content: Option<&Content>,
    ) {
        if transfer.direction == TransferDirection::Listing {
            return;
        }
        let Some(name) = state.named() else {
            return;
        };
        let upload = transfer.direction == TransferDirection::Upload;
        if transfer.connection.is_none() {
            return;
        }
        let plain = state.representation.bytes_are_the_file() && transfer.missing_bytes == 0;
        let before = match state.verb {
            Verb::Appe => state
                .size
                .as_ref()
                .filter(|told| told.exact)
                .map(|told| told.size),
            _ => Some(state.restart),
        };
        let length = before
            .filter(|_| plain && transfer.completeness == Completeness::Complete)
            .and_then(|before| before.checked_add(transfer.bytes));
        let whole = plain
            && state.restart == 0
            && state.verb != Verb::Appe
            && transfer.completeness == Completeness::Complete;
        let digests = whole.then(|| {
            content.map_or_else(
                || Content::new(crate::model::ContentId(0), DigestChoice::default()).digests(),
                Content::digests,
            )
        });
        if let Some(digests) = &digests
            && !upload
        {
            let told: Vec<String> = self
                .known_sizes
                .digests_of(name)
                .filter_map(|claim| compare_digest(claim, digests, length, "before"))
                .collect();
            for text in told {
                transfer.evidence.push(self.secrets.text(text.as_bytes()).0);
            }
        }
        self.known_sizes.pass(PassedFile {
            transfer: transfer.id,
            name: name.to_vec(),
            upload,
            length,
            at_least: upload && state.restart > 0,
            digests,
        });
    }

    /// The sizes of the files in a listing, for the transfers that follow; `listed` is what it is of.
    pub(crate) fn remember_listed(&mut self, listed: &[u8], entries: &[ListingEntry], frame: u64) {
        let folder = listed_folder(listed);
        for entry in entries.iter().filter(|entry| tells_size(entry)) {
            let Some(size) = entry.size else { continue };
            if let Some(name) = path::resolve(Some(folder), entry.name.as_bytes()) {
                self.known_sizes.list(Told {
                    name,
                    size,
                    exact: true,
                    frame,
                });
            }
        }
    }

    fn compare_later_size(
        &mut self,
        shared: &mut Shared<'_>,
        file: &PassedFile,
        size: u64,
        arrived: FrameRef,
    ) {
        let Some(length) = file.length else { return };
        let said = format!(
            "the reply to SIZE afterwards (frame {}) said {} bytes",
            arrived.number,
            grouped(size)
        );
        if size == length {
            self.add_evidence(shared, file.transfer, &format!("{said}: equal"), None);
        } else if file.at_least && size > length {
            self.add_evidence(
                shared,
                file.transfer,
                &format!("{said}: the file goes on behind what was written"),
                None,
            );
        } else {
            // A download says what the file was then; it may have changed since. What was uploaded should be there.
            let verdict = file.upload.then_some(Completeness::Unverifiable);
            self.add_evidence(
                shared,
                file.transfer,
                &format!("{said}, but it must have {}", grouped(length)),
                verdict,
            );
        }
    }

    /// Adds to what is known of a transfer that was told already; the report of the session has it.
    fn add_evidence(
        &mut self,
        shared: &mut Shared<'_>,
        id: u64,
        text: &str,
        verdict: Option<Completeness>,
    ) {
        let text = self.secrets.text(text.as_bytes()).0;
        let mut told = self.settled.iter().rev();
        let told = told.find(|transfer| transfer.id == id);
        if told.is_none_or(|told| told.evidence.len() >= EVIDENCE || told.evidence.contains(&text))
        {
            return;
        }
        let Some(transfer) = self.settled.amend(id) else {
            return;
        };
        transfer.evidence.push(text);
        if let Some(verdict) = verdict
            && transfer.completeness == Completeness::Complete
        {
            transfer.completeness = verdict;
            shared.files.revise(self.id, id, verdict);
            let mut told = self.told_steps.iter().rev();
            let step = told.find(|step| step.transfer == Some(id));
            let number = step.map(|step| step.number);
            if let Some(step) = number.and_then(|number| self.told_steps.amend(number)) {
                title::revise(&mut step.title, verdict);
            }
        }
    }
}

/// The number that ALLO names; a record size may follow it (RFC 959 section 4.1.3).
pub(crate) fn allocated_size(argument: &[u8]) -> Option<u64> {
    size_reply(argument.split(|&byte| byte == b' ').next()?)
}

/// The folder that a listing is of: a pattern as its last part is none of its name.
fn listed_folder(listed: &[u8]) -> &[u8] {
    let name = path::file_name(listed);
    if name.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[')) {
        let end = listed.len().saturating_sub(name.len());
        &listed[..end.max(1).min(listed.len())]
    } else {
        listed
    }
}

/// Whether an entry tells the exact size of a file: rounded sizes and counts of blocks do not.
fn tells_size(entry: &ListingEntry) -> bool {
    if entry.kind != EntryKind::File || entry.name_b64.is_some() || entry.name.contains('/') {
        return false;
    }
    let Some(size) = entry.size else { return false };
    let digits = size.to_string();
    entry
        .raw
        .split_ascii_whitespace()
        .flat_map(|word| word.split([';', '=']))
        .any(|word| word == digits || word.replace([',', '.'], "") == digits)
}

/// The name in the argument of a digest command; `None` where a part of the file is asked for.
fn whole_file_argument(argument: &[u8]) -> Option<Vec<u8>> {
    let Some(quoted) = argument.strip_prefix(b"\"") else {
        return Some(argument.to_vec());
    };
    let end = quoted.iter().position(|&byte| byte == b'"')?;
    quoted[end + 1..]
        .trim_ascii()
        .is_empty()
        .then(|| quoted[..end].to_vec())
}

fn compare_digest(
    claim: &DigestClaim,
    digests: &Digests,
    length: Option<u64>,
    when: &str,
) -> Option<String> {
    // HASH counts to the last byte or to the one behind it, as the server likes.
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
        Algorithm::Sha256 => Some(&digests.sha256),
        Algorithm::Sha512 => None,
    };
    Some(match ours {
        Some(ours) if *ours == claim.claim.value => format!("{said}: equal"),
        Some(ours) => format!("{said}, but the bytes captured have {ours}"),
        None => format!("{said}: not compared"),
    })
}

/// Sentences about one transfer.
const EVIDENCE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_file_are_no_file() {
        assert_eq!(whole_file_argument(b"a b").as_deref(), Some(&b"a b"[..]));
        assert_eq!(
            whole_file_argument(b"\"a b\"").as_deref(),
            Some(&b"a b"[..])
        );
        assert_eq!(whole_file_argument(b"\"a b\" 0 100"), None);
    }

    #[test]
    fn patterns_are_no_folder() {
        assert_eq!(listed_folder(b"/pub/*.txt"), b"/pub/");
        assert_eq!(listed_folder(b"/*"), b"/");
        assert_eq!(listed_folder(b"/pub"), b"/pub");
        assert_eq!(allocated_size(b"1024 R 80"), Some(1024));
        assert_eq!(allocated_size(b"R"), None);
    }
}
