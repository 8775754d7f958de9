//! Records that were emitted, kept for the record of their session.
//!
//! The NDJSON writer reuses the text of an emitted record for the whole session, so nothing emitted may change unnoticed:
//! [`EmittedList::amend`] is the only way to change it, and remembers that it did.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::Arc;

use crate::model::record::Numbered;

/// Emitted records, in the order in which they were emitted.
#[derive(Debug)]
pub(crate) struct EmittedList<T> {
    records: Vec<Arc<T>>,
    /// Numbers of the records that changed since.
    amended: BTreeSet<u64>,
}

impl<T: Numbered + Clone> EmittedList<T> {
    /// Creates an empty list.
    pub(crate) const fn new() -> Self {
        Self {
            records: Vec::new(),
            amended: BTreeSet::new(),
        }
    }

    /// Adds a record that was just emitted.
    pub(crate) fn push(&mut self, record: Arc<T>) {
        // A list doubles by itself; with thousands of sessions open, half of it empty costs megabytes.
        if self.records.len() == self.records.capacity() {
            self.records
                .reserve_exact((self.records.len() / 8).max(FEW));
        }
        self.records.push(record);
    }

    /// Returns the record with this number, to change it; `None` if it was not kept.
    pub(crate) fn amend(&mut self, number: u64) -> Option<&mut T> {
        let mut latest = self.records.iter_mut().rev();
        let record = latest.find(|record| record.number() == number)?;
        self.amended.insert(number);
        Some(Arc::make_mut(record))
    }

    /// Returns all records by number, and the numbers of those that changed after they were emitted.
    pub(crate) fn into_records(mut self) -> (Vec<Arc<T>>, BTreeSet<u64>) {
        self.records.sort_by_key(|record| record.number());
        (self.records, self.amended)
    }
}

impl<T> Deref for EmittedList<T> {
    type Target = [Arc<T>];

    fn deref(&self) -> &[Arc<T>] {
        &self.records
    }
}

/// Records that a list grows by at least.
const FEW: usize = 8;
