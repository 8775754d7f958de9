//! Steps and transfers that were told, for the record of their session.
//!
//! Whoever writes them as they are told may use that text again for the whole session, so nothing told may change
//! unseen: [`ToldList::amend`] is the only way to change it, and remembers that it did.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::Arc;

use crate::model::record::Numbered;

/// What was told, in that order.
#[derive(Debug)]
pub(crate) struct ToldList<T> {
    records: Vec<Arc<T>>,
    amended: BTreeSet<u64>,
}

impl<T: Numbered + Clone> ToldList<T> {
    pub(crate) const fn new() -> Self {
        Self {
            records: Vec::new(),
            amended: BTreeSet::new(),
        }
    }

    /// As it was told.
    pub(crate) fn push(&mut self, record: Arc<T>) {
        // Transfers are large: twice the room, as a list takes it by itself, would be too much for many of them.
        if self.records.len() == self.records.capacity() {
            self.records
                .reserve_exact((self.records.len() / 8).max(FEW));
        }
        self.records.push(record);
    }

    /// The record with this number, to be changed.
    pub(crate) fn amend(&mut self, number: u64) -> Option<&mut T> {
        let mut latest = self.records.iter_mut().rev();
        let record = latest.find(|record| record.number() == number)?;
        self.amended.insert(number);
        Some(Arc::make_mut(record))
    }

    /// All of them by number, and the numbers of those that are not as they were told.
    pub(crate) fn into_records(mut self) -> (Vec<Arc<T>>, BTreeSet<u64>) {
        self.records.sort_by_key(|record| record.number());
        (self.records, self.amended)
    }
}

impl<T> Deref for ToldList<T> {
    type Target = [Arc<T>];

    fn deref(&self) -> &[Arc<T>] {
        &self.records
    }
}

/// Records to make room for at once.
const FEW: usize = 8;
