//! Outputs and shared resources for the bytes of data connections.

use std::sync::Arc;

use crate::model::{ContentId, TransferSink};
use crate::session::Options;
use crate::session::data::content::{Content, DigestChoice};
use crate::session::data::digest_pool::DigestPool;
use crate::session::data::file_type::FirstBytesBudget;
use crate::session::data::listing_text::ListingTextBudget;

/// Destination of the bytes of a data connection, lent for one call.
pub(crate) struct ContentSink<'a> {
    pub(crate) options: &'a Options,
    pub(crate) files: &'a mut dyn TransferSink,
    resources: &'a mut ContentResources,
}

/// Numbers and budgets shared by the contents of all data connections.
#[derive(Default)]
pub(crate) struct ContentResources {
    /// Digests of new contents.
    digests: DigestChoice,
    /// Contents created so far; the last one has this number.
    count: u64,
    /// Every running decoder holds a clone, so that the reference count bounds them.
    decoders: Arc<()>,
    pool: DigestPool,
    texts: ListingTextBudget,
    first_bytes: FirstBytesBudget,
}

impl ContentSink<'_> {
    /// Creates a content that counts against the shared budgets.
    pub(super) fn new_content(&mut self) -> Content {
        let content = self.resources.empty_content();
        content
            .with_budgets(&self.resources.texts, &self.resources.first_bytes)
            .with_pool(&self.resources.pool)
    }

    /// Reserves one of the decoders that may run at once; `None` if all are taken.
    pub(super) fn reserve_decoder(&self) -> Option<Arc<()>> {
        let decoders = &self.resources.decoders;
        // The count includes the one held here.
        (Arc::strong_count(decoders) <= DECODERS).then(|| Arc::clone(decoders))
    }
}

impl ContentResources {
    /// Creates the resources of a run whose contents get these digests, on up to so many threads.
    pub(crate) fn new(digests: DigestChoice, threads: usize) -> Self {
        Self {
            digests,
            pool: DigestPool::new(threads),
            ..Self::default()
        }
    }

    /// Adds CRC-32 to the digests of new contents, if `wanted`.
    pub(crate) const fn compute_crc32(&mut self, wanted: bool) {
        self.digests.crc32 |= wanted;
    }

    /// Creates a content that counts against no budget.
    pub(crate) fn empty_content(&mut self) -> Content {
        Content::new(self.next_id(), self.digests)
    }

    /// Returns the next unused content number.
    pub(crate) fn next_id(&mut self) -> ContentId {
        self.count += 1;
        ContentId(self.count)
    }

    /// Lends the resources, with the options and outputs of the run.
    pub(crate) fn sink<'a>(
        &'a mut self,
        options: &'a Options,
        files: &'a mut dyn TransferSink,
    ) -> ContentSink<'a> {
        ContentSink {
            options,
            files,
            resources: self,
        }
    }
}

/// Bound on decoders that run at once: each one for MODE Z has a window of 32 KiB and tables.
const DECODERS: usize = 1024;
