//! What the server said of files' sizes outside of transfers, and of the files that passed, so that each can be held
//! against the other: whichever comes first.

use std::collections::VecDeque;

use super::content::Digests;
use crate::protocol::ftp::ClaimedDigest;

/// Sizes and digests that the server told for names, and the latest files.
#[derive(Debug, Default)]
pub(super) struct KnownSizes {
    told: VecDeque<Told>,
    listed: VecDeque<Told>,
    digests: VecDeque<(Vec<u8>, DigestClaim)>,
    files: VecDeque<PassedFile>,
}

/// One size and where it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) name: Vec<u8>,
    pub(super) size: u64,
    /// Told while TYPE I was in force, or in a listing: a count of the file's own bytes (RFC 3659 section 4).
    pub(super) exact: bool,
    /// The reply's frame; for a listing, the first frame of its data connection.
    pub(super) frame: u64,
}

/// A digest and how the server came to tell it.
#[derive(Clone, Debug)]
pub(super) struct DigestClaim {
    pub(super) verb: String,
    pub(super) claim: ClaimedDigest,
    pub(super) frame: u64,
}

/// A file that passed, as far as later replies can tell more of it.
#[derive(Clone, Debug)]
pub(super) struct PassedFile {
    pub(super) transfer: u64,
    pub(super) name: Vec<u8>,
    pub(super) upload: bool,
    /// The length that the server's file must have now; `None` where that does not follow.
    pub(super) length: Option<u64>,
    /// It may be longer than that: bytes in the middle of a file were replaced.
    pub(super) at_least: bool,
    /// Of the whole file; `None` where these bytes are only a part of it.
    pub(super) digests: Option<Digests>,
}

impl KnownSizes {
    /// A reply to SIZE.
    pub(super) fn tell(&mut self, told: Told) {
        push(&mut self.told, told, TOLD);
    }

    /// An entry of a listing.
    pub(super) fn list(&mut self, told: Told) {
        if told.name.len() <= NAME_BYTES {
            push(&mut self.listed, told, LISTED);
        }
    }

    /// A reply with a digest.
    pub(super) fn claim(&mut self, name: Vec<u8>, claim: DigestClaim) {
        push(&mut self.digests, (name, claim), TOLD);
    }

    /// A file passed. An upload makes everything that was known of the name a thing of the past.
    pub(super) fn pass(&mut self, file: PassedFile) {
        if file.upload {
            self.forget(&file.name);
        }
        push(&mut self.files, file, TOLD);
    }

    /// The name means another file from here on, or none.
    pub(super) fn forget(&mut self, name: &[u8]) {
        self.told.retain(|told| told.name != name);
        self.listed.retain(|told| told.name != name);
        self.digests.retain(|(known, _)| known != name);
        self.files.retain(|file| file.name != name);
    }

    /// The latest reply to SIZE for a name.
    pub(super) fn size_of(&self, name: &[u8]) -> Option<&Told> {
        self.told.iter().rev().find(|told| told.name == name)
    }

    /// The latest listing's size for a name.
    pub(super) fn listed_size_of(&self, name: &[u8]) -> Option<&Told> {
        self.listed.iter().rev().find(|told| told.name == name)
    }

    /// The digests that were told for a name.
    pub(super) fn digests_of(&self, name: &[u8]) -> impl Iterator<Item = &DigestClaim> {
        self.digests
            .iter()
            .filter_map(move |(known, claim)| (known == name).then_some(claim))
    }

    /// The latest file of a name.
    pub(super) fn file_of(&self, name: &[u8]) -> Option<&PassedFile> {
        self.files.iter().rev().find(|file| file.name == name)
    }
}

fn push<T>(queue: &mut VecDeque<T>, item: T, most: usize) {
    if queue.len() >= most {
        queue.pop_front();
    }
    queue.push_back(item);
}

/// Replies and files remembered of one session.
const TOLD: usize = 64;
/// Listed sizes remembered of one session.
const LISTED: usize = 1024;
/// Longer names are not remembered from listings.
const NAME_BYTES: usize = 1024;
