//! The way out for the bytes of data connections.

use std::sync::Arc;

use crate::model::{ContentId, TransferSink};
use crate::session::data::content::DigestChoice;
use crate::session::data::first_bytes::AllFirstBytes;
use crate::session::data::listing_text::ListingTexts;
use crate::session::options::Options;

/// Where the bytes of a data connection go.
pub(crate) struct ContentSink<'a> {
    pub(crate) options: &'a Options,
    pub(crate) digests: DigestChoice,
    pub(crate) files: &'a mut dyn TransferSink,
    pub(crate) texts: &'a ListingTexts,
    pub(crate) first_bytes: &'a AllFirstBytes,
    pub(crate) contents: &'a mut u64,
    pub(crate) decoders: &'a Arc<()>,
}

impl ContentSink<'_> {
    pub(crate) fn next_content(&mut self) -> ContentId {
        *self.contents += 1;
        ContentId(*self.contents)
    }

    /// A place for one more decoder; `None` where too many are at work.
    pub(crate) fn decoder_place(&self) -> Option<Arc<()>> {
        (Arc::strong_count(self.decoders) <= DECODERS).then(|| Arc::clone(self.decoders))
    }
}

/// Decoders at work at once; each of MODE Z has a window of 32 KiB and tables.
const DECODERS: usize = 1024;
