//! Open sessions by their two hosts.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::model::HostPair;

/// Open sessions of each pair of hosts, in the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct SessionsByHosts {
    by_hosts: HashMap<HostPair, Vec<u64>, RandomState>,
}

impl SessionsByHosts {
    /// Returns whether there is no session, which spares unrelated traffic the look-up.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_hosts.is_empty()
    }

    /// Adds a session, unless it is known or the pair of hosts is at its limit.
    pub(crate) fn enter(&mut self, hosts: HostPair, session: u64) {
        let sessions = self.by_hosts.entry(hosts).or_default();
        if !sessions.contains(&session) && sessions.len() < MAX_PER_PAIR {
            sessions.push(session);
        }
    }

    /// Removes a session.
    pub(crate) fn leave(&mut self, hosts: HostPair, session: u64) {
        if let Some(sessions) = self.by_hosts.get_mut(&hosts) {
            sessions.retain(|known| *known != session);
            // An empty list would keep `is_empty` false, and all unrelated traffic would pay for a look-up.
            if sessions.is_empty() {
                self.by_hosts.remove(&hosts);
            }
        }
    }

    /// Returns the sessions between two hosts.
    pub(crate) fn between(&self, hosts: HostPair) -> &[u64] {
        self.by_hosts.get(&hosts).map_or(&[], Vec::as_slice)
    }
}

/// Bound on sessions of one pair of hosts: every new connection between them is compared with each.
const MAX_PER_PAIR: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_found_by_their_hosts_until_removed() {
        let mut sessions = SessionsByHosts::default();
        let hosts = HostPair::new(1, 2);
        sessions.enter(hosts, 7);
        sessions.enter(hosts, 7);
        sessions.enter(hosts, 8);
        assert_eq!(sessions.between(HostPair::new(2, 1)), [7, 8]);
        assert!(sessions.between(HostPair::new(1, 3)).is_empty());
        sessions.leave(hosts, 7);
        sessions.leave(hosts, 8);
        assert!(sessions.is_empty());
    }
}
