//! Open sessions by number, from the first byte of their control connection to their report.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::model::{Direction, FlowKey, Timestamp};
use crate::reassembly::FlowSummary;
use crate::session::ftp_session::Session;
use crate::session::shared::Shared;

/// Open sessions.
#[derive(Default)]
pub(super) struct Sessions {
    // Boxed: a growing map moves its values, and a session is large.
    open: HashMap<u64, Box<Session>, RandomState>,
    /// Sessions begun so far; the last one has this number.
    count: u64,
}

/// Packets that made a session known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Endpoints of its control connection.
    pub connection: FlowKey,
    /// Frames of the DNS query and response that gave the server's address; empty if they were not captured.
    pub lookup: Vec<u64>,
}

impl Sessions {
    /// Begins a session and returns its number.
    pub(super) fn begin(
        &mut self,
        shared: &mut Shared<'_>,
        summary: &FlowSummary,
        client_way: Direction,
    ) -> u64 {
        self.count += 1;
        let id = self.count;
        let mut session = Box::new(Session::new(id, summary, client_way, &shared.options));
        session.begin(shared, summary);
        self.open.insert(id, session);
        id
    }

    /// Returns an open session; `None` if it has ended.
    pub(super) fn get(&self, id: u64) -> Option<&Session> {
        self.open.get(&id).map(|session| &**session)
    }

    /// Returns an open session for changes; `None` if it has ended.
    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Session> {
        self.open.get_mut(&id).map(|session| &mut **session)
    }

    /// Settles the transfers whose timer has expired.
    pub(super) fn run_timers(&mut self, shared: &mut Shared<'_>, now: Timestamp) {
        while let Some((id, transfer)) = shared.waited(now) {
            if let Some(session) = self.get_mut(id) {
                session.on_timer(shared, transfer, now);
            }
            // The settled transfer may have been the last thing that a closed session waited for.
            self.finish_if_over(shared, id);
        }
    }

    /// Emits what is proven of transfers whose data connection nobody tries to open, in the order of the sessions.
    pub(super) fn report_silent_transfers(&mut self, shared: &mut Shared<'_>, now: Timestamp) {
        let open = self.open.iter();
        let waiting = open.filter(|(_, session)| session.has_open_transfers());
        let mut ids: Vec<u64> = waiting.map(|(id, _)| *id).collect();
        ids.sort_unstable();
        for id in ids {
            if let Some(session) = self.get_mut(id) {
                session.on_silent_transfers(shared, now);
            }
        }
    }

    /// Reports a session and removes it, if its control connection and all its data connections are closed.
    pub(super) fn finish_if_over(&mut self, shared: &mut Shared<'_>, id: u64) {
        if self.get(id).is_some_and(Session::is_over)
            && let Some(session) = self.open.remove(&id)
        {
            session.finish(shared);
        }
    }

    /// Reports all open sessions and removes them, in the order in which they began.
    pub(super) fn finish_all(&mut self, shared: &mut Shared<'_>) {
        // The order of a hash map differs from run to run, and reports must not.
        let mut ids: Vec<u64> = self.open.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            if let Some(session) = self.open.remove(&id) {
                session.finish(shared);
            }
        }
    }
}

impl Origin {
    /// Returns the packets that made `session` known.
    pub(super) fn of(session: &Session) -> Self {
        let identity = session.identity();
        Self {
            connection: identity.key,
            lookup: identity.lookup_frames(),
        }
    }
}
