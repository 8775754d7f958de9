//! What the server said of files' sizes outside of transfers, and of the files that passed, so that each can be held
//! against the other: whichever comes first.

use std::collections::VecDeque;

use crate::protocol::ftp::ClaimedDigest;
use crate::session::data::content::Digests;

/// Sizes and digests that the server told for names, and the latest files.
#[derive(Debug, Default)]
pub(crate) struct KnownSizes {
    /// Nothing, until there is something to remember.
    lists: Option<Box<Lists>>,
}

#[derive(Debug, Default)]
struct Lists {
    told: VecDeque<Told>,
    listed: VecDeque<Told>,
    digests: VecDeque<(Vec<u8>, DigestClaim)>,
    files: VecDeque<PassedFile>,
}

/// One size and where it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) name: Vec<u8>,
    pub(crate) size: u64,
    /// Told while TYPE I was in force, or in a listing: a count of the file's own bytes (RFC 3659 section 4).
    pub(crate) exact: bool,
    /// The reply's frame; for a listing, the first frame of its data connection.
    pub(crate) frame: u64,
}

/// A digest and how the server came to tell it.
#[derive(Clone, Debug)]
pub(crate) struct DigestClaim {
    pub(crate) verb: String,
    pub(crate) claim: ClaimedDigest,
    pub(crate) frame: u64,
}

/// A file that passed, as far as later replies can tell more of it.
#[derive(Clone, Debug)]
pub(crate) struct PassedFile {
    pub(crate) transfer: u64,
    pub(crate) name: Vec<u8>,
    pub(crate) upload: bool,
    /// The length that the server's file must have now; `None` where that does not follow.
    pub(crate) length: Option<u64>,
    /// It may be longer than that: bytes in the middle of a file were replaced.
    pub(crate) at_least: bool,
    /// Of the whole file; `None` where these bytes are only a part of it.
    pub(crate) digests: Option<Digests>,
}

impl KnownSizes {
    /// A reply to SIZE.
    pub(crate) fn tell(&mut self, told: Told) {
        push(&mut self.lists_mut().told, told, TOLD);
    }

    /// An entry of a listing.
    pub(crate) fn list(&mut self, told: Told) {
        if told.name.len() <= NAME_BYTES {
            push(&mut self.lists_mut().listed, told, LISTED);
        }
    }

    /// A reply with a digest.
    pub(crate) fn claim(&mut self, name: Vec<u8>, claim: DigestClaim) {
        push(&mut self.lists_mut().digests, (name, claim), TOLD);
    }

    /// A file passed. An upload makes everything that was known of the name a thing of the past.
    pub(crate) fn pass(&mut self, file: PassedFile) {
        if file.upload {
            self.forget(&file.name);
        }
        push(&mut self.lists_mut().files, file, TOLD);
    }

    /// The name means another file from here on, or none.
    pub(crate) fn forget(&mut self, name: &[u8]) {
        let Some(lists) = &mut self.lists else {
            return;
        };
        lists.told.retain(|told| told.name != name);
        lists.listed.retain(|told| told.name != name);
        lists.digests.retain(|(known, _)| known != name);
        lists.files.retain(|file| file.name != name);
    }

    /// The latest reply to SIZE for a name.
    pub(crate) fn size_of(&self, name: &[u8]) -> Option<&Told> {
        let mut latest = self.lists.as_ref()?.told.iter().rev();
        latest.find(|told| told.name == name)
    }

    /// The latest listing's size for a name.
    pub(crate) fn listed_size_of(&self, name: &[u8]) -> Option<&Told> {
        let mut latest = self.lists.as_ref()?.listed.iter().rev();
        latest.find(|told| told.name == name)
    }

    /// The digests that were told for a name.
    pub(crate) fn digests_of(&self, name: &[u8]) -> impl Iterator<Item = &DigestClaim> {
        self.lists
            .iter()
            .flat_map(|lists| &lists.digests)
            .filter_map(move |(known, claim)| (known == name).then_some(claim))
    }

    /// The latest file of a name.
    pub(crate) fn file_of(&self, name: &[u8]) -> Option<&PassedFile> {
        let mut latest = self.lists.as_ref()?.files.iter().rev();
        latest.find(|file| file.name == name)
    }

    fn lists_mut(&mut self) -> &mut Lists {
        self.lists.get_or_insert_default()
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
