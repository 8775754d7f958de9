//! The way out for the bytes of data connections.

use std::sync::Arc;

use crate::model::{ContentId, TransferSink};
use crate::session::data::content::DigestChoice;
use crate::session::data::first_bytes::AllFirstBytes;
use crate::session::options::Options;
use crate::session::transfers::listing_text::ListingTexts;

/// Where the bytes of a data connection go.
pub(in crate::session) struct ContentSink<'a> {
    pub(in crate::session) options: &'a Options,
    pub(in crate::session) digests: DigestChoice,
    pub(in crate::session) files: &'a mut dyn TransferSink,
    pub(in crate::session) texts: &'a ListingTexts,
    pub(in crate::session) first_bytes: &'a AllFirstBytes,
    pub(in crate::session) contents: &'a mut u64,
    pub(in crate::session) decoders: &'a Arc<()>,
}

impl ContentSink<'_> {
    pub(in crate::session) fn next_content(&mut self) -> ContentId {
        *self.contents += 1;
        ContentId(*self.contents)
    }

    /// A place for one more decoder; `None` where too many are at work.
    pub(in crate::session) fn decoder_place(&self) -> Option<Arc<()>> {
        (Arc::strong_count(self.decoders) <= DECODERS).then(|| Arc::clone(self.decoders))
    }
}

/// Decoders at work at once; each of MODE Z has a window of 32 KiB and tables.
const DECODERS: usize = 1024;
