//! All data channels of a run.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::session::data::data_channel::{DataChannel, DataId};

/// Data channels by their number, which is never reused.
#[derive(Default)]
pub(crate) struct DataChannels {
    by_id: HashMap<DataId, Box<DataChannel>, RandomState>,
    count: u64,
}

impl DataChannels {
    /// Adds a channel under the next number.
    pub(crate) fn add(&mut self, channel: DataChannel) -> DataId {
        self.count += 1;
        let id = DataId(self.count);
        self.by_id.insert(id, Box::new(channel));
        id
    }

    /// Puts a channel back under its number.
    pub(crate) fn insert(&mut self, id: DataId, channel: Box<DataChannel>) {
        self.by_id.insert(id, channel);
    }

    /// Returns a channel; `None` if it is gone.
    pub(crate) fn get(&self, id: DataId) -> Option<&DataChannel> {
        self.by_id.get(&id).map(|channel| &**channel)
    }

    /// Returns a channel for changes; `None` if it is gone.
    pub(crate) fn get_mut(&mut self, id: DataId) -> Option<&mut DataChannel> {
        self.by_id.get_mut(&id).map(|channel| &mut **channel)
    }

    /// Removes a channel; `None` if it is gone.
    pub(crate) fn remove(&mut self, id: DataId) -> Option<Box<DataChannel>> {
        self.by_id.remove(&id)
    }

    /// Returns the numbers of the channels that satisfy a condition, in ascending order.
    pub(crate) fn ids_where(&self, condition: impl Fn(&DataChannel) -> bool) -> Vec<DataId> {
        let mut ids: Vec<DataId> = self
            .by_id
            .iter()
            .filter(|(_, channel)| condition(channel))
            .map(|(id, _)| *id)
            .collect();
        // Nothing that reaches an output may depend on the order of a hash map.
        ids.sort_unstable();
        ids
    }
}
