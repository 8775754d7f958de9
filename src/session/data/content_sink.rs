//! Outputs and shared resources for the bytes of data connections.

use std::sync::Arc;

use crate::model::{ContentId, TransferSink};
use crate::session::data::content::{Content, DigestChoice};
use crate::session::data::first_bytes::AllFirstBytes;
use crate::session::data::listing_text::ListingTexts;
use crate::session::options::Options;

/// Destination of the bytes of a data connection, lent for one call.
pub(crate) struct ContentSink<'a> {
    pub(crate) options: &'a Options,
    pub(crate) files: &'a mut dyn TransferSink,
    digests: DigestChoice,
    resources: &'a mut ContentResources,
}

/// Numbers and budgets shared by the contents of all data connections.
#[derive(Default)]
pub(crate) struct ContentResources {
    /// Contents created so far; the last one has this number.
    count: u64,
    /// Every running decoder holds a clone, so that the reference count bounds them.
    decoders: Arc<()>,
    texts: ListingTexts,
    first_bytes: AllFirstBytes,
}

impl ContentSink<'_> {
    /// Creates a content that counts against the shared budgets.
    pub(super) fn new_content(&mut self) -> Content {
        let id = self.resources.next_id();
        let ContentResources {
            texts, first_bytes, ..
        } = &*self.resources;
        Content::new(id, self.digests).among(texts, first_bytes)
    }

    /// Reserves one of the decoders that may run at once; `None` if all are taken.
    pub(super) fn reserve_decoder(&self) -> Option<Arc<()>> {
        let decoders = &self.resources.decoders;
        (Arc::strong_count(decoders) <= DECODERS).then(|| Arc::clone(decoders))
    }
}

impl ContentResources {
    /// Returns the next unused content number.
    pub(crate) fn next_id(&mut self) -> ContentId {
        self.count += 1;
        ContentId(self.count)
    }

    /// Lends the resources, with the options and outputs of the run. New contents get these `digests`.
    pub(crate) fn sink<'a>(
        &'a mut self,
        options: &'a Options,
        digests: DigestChoice,
        files: &'a mut dyn TransferSink,
    ) -> ContentSink<'a> {
        ContentSink {
            options,
            files,
            digests,
            resources: self,
        }
    }
}

/// Bound on decoders that run at once: each one for MODE Z has a window of 32 KiB and tables.
const DECODERS: usize = 1024;
