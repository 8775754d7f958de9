//! Sessions that have ended and are not drawn yet.
//!
//! Data connections can close after the session they belong to: one that nobody answers expires minutes later. So a
//! session waits as long as the memory limit permits, in a small capture until its end. Beyond the limit, complete
//! sessions are evicted first, and then those that ended first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::diagram::DiagramRecorder;
use crate::model::record::{Connection, Session, Weight as _};

/// Waiting sessions, numbered in the order of their ends.
#[derive(Debug)]
pub(super) struct WaitingSessions {
    /// Number of the last session.
    ended: u64,
    /// By number.
    sessions: BTreeMap<u64, WaitingSession>,
    /// Numbers of complete sessions.
    complete: BTreeSet<u64>,
    /// Numbers of the sessions that await a data connection, by its first frame.
    awaited: BTreeMap<u64, Vec<u64>>,
    /// Memory of all sessions in bytes.
    memory: usize,
    /// Limit of `memory` in bytes.
    memory_limit: usize,
}

/// A session that has ended.
#[derive(Debug)]
struct WaitingSession {
    session: Arc<Session>,
    /// Memory in bytes.
    memory: usize,
    /// First frames of its data connections that are not closed.
    missing: BTreeSet<u64>,
    /// Whether it announced a data connection that was not established. Attempts at it may still expire, and nothing
    /// shows that the last one has.
    has_attempts: bool,
}

/// A session to be drawn now.
#[derive(Debug)]
pub(super) struct Evicted {
    pub(super) session: Arc<Session>,
    /// Whether some of its data connections may still be open.
    pub(super) early: bool,
}

impl WaitingSessions {
    /// Creates an empty collection with the usual limit.
    pub(super) fn new() -> Self {
        Self::with_limit(MEMORY_LIMIT)
    }

    /// Creates an empty collection with a memory limit in bytes.
    pub(super) fn with_limit(memory_limit: usize) -> Self {
        Self {
            ended: 0,
            sessions: BTreeMap::new(),
            complete: BTreeSet::new(),
            awaited: BTreeMap::new(),
            memory: 0,
            memory_limit,
        }
    }

    /// Returns the count of the waiting sessions.
    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Adds a session that has ended.
    pub(super) fn add(&mut self, session: &Arc<Session>, recorder: &DiagramRecorder) {
        self.ended += 1;
        let number = self.ended;
        let mut missing = BTreeSet::new();
        let mut has_attempts = false;
        for transfer in &session.transfers {
            match &transfer.connection {
                Some(connection) => missing.extend(awaited(connection, recorder)),
                None => has_attempts |= transfer.announced.is_some(),
            }
        }
        for encrypted in &session.encrypted_data {
            missing.extend(awaited(&encrypted.connection, recorder));
        }
        for frame in &missing {
            self.awaited.entry(*frame).or_default().push(number);
        }
        let waiting = WaitingSession {
            memory: session.weight(),
            session: Arc::clone(session),
            missing,
            has_attempts,
        };
        if waiting.is_complete() {
            self.complete.insert(number);
        }
        self.memory += waiting.memory;
        self.sessions.insert(number, waiting);
    }

    /// Records that a data connection is closed.
    pub(super) fn on_connection_end(&mut self, first_frame: u64) {
        for number in self.awaited.remove(&first_frame).unwrap_or_default() {
            if let Some(waiting) = self.sessions.get_mut(&number) {
                waiting.missing.remove(&first_frame);
                if waiting.is_complete() {
                    self.complete.insert(number);
                }
            }
        }
    }

    /// Evicts a session if the memory limit is exceeded; `None` if none has to be drawn now.
    ///
    /// With `segments_crowded`, complete sessions are evicted in any case, to free the memory of their segments.
    pub(super) fn evict(&mut self, segments_crowded: bool) -> Option<Evicted> {
        let is_full = self.memory > self.memory_limit;
        let complete = self.complete.first();
        let complete = complete.filter(|_| is_full || segments_crowded);
        let oldest = self.sessions.keys().next().filter(|_| is_full);
        // A complete session gains nothing by waiting; an incomplete one may lose packets by leaving.
        let number = *complete.or(oldest)?;
        let evicted = self.sessions.remove(&number)?;
        self.complete.remove(&number);
        self.memory = self.memory.saturating_sub(evicted.memory);
        for frame in &evicted.missing {
            if let Some(waiting) = self.awaited.get_mut(frame) {
                waiting.retain(|waiting| *waiting != number);
                if waiting.is_empty() {
                    self.awaited.remove(frame);
                }
            }
        }
        Some(Evicted {
            early: !evicted.is_complete(),
            session: evicted.session,
        })
    }

    /// Returns all sessions in order of their ids, at the end of the input.
    pub(super) fn into_sessions(self) -> impl Iterator<Item = Arc<Session>> {
        let waiting = self.sessions.into_values();
        let mut sessions: Vec<_> = waiting.map(|waiting| waiting.session).collect();
        sessions.sort_by_key(|session| session.id);
        sessions.into_iter()
    }
}

impl WaitingSession {
    /// Returns whether no segment can come any more.
    fn is_complete(&self) -> bool {
        self.missing.is_empty() && !self.has_attempts
    }
}

/// Returns the first frame of a data connection that is not closed; `None` if the recorder has it already.
fn awaited(connection: &Connection, recorder: &DiagramRecorder) -> Option<u64> {
    let first = connection.first_frame;
    (!recorder.has_data_connection(first)).then_some(first)
}

/// Limit of the memory of waiting sessions in bytes.
const MEMORY_LIMIT: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example::example_session;

    fn session(id: u64, first_frame: Option<u64>) -> Arc<Session> {
        let mut session = example_session();
        session.id = id;
        session.transfers.truncate(1);
        for transfer in session.transfers.iter_mut().map(Arc::make_mut) {
            match (&mut transfer.connection, first_frame) {
                (Some(connection), Some(first)) => connection.first_frame = first,
                _ => session_without(transfer),
            }
        }
        session.encrypted_data.clear();
        Arc::new(session)
    }

    fn session_without(transfer: &mut crate::model::record::Transfer) {
        transfer.connection = None;
        transfer.announced = None;
    }

    fn waiting(memory_limit: usize, sessions: &[Arc<Session>]) -> WaitingSessions {
        let mut waiting = WaitingSessions::with_limit(memory_limit);
        for session in sessions {
            waiting.add(session, &DiagramRecorder::default());
        }
        waiting
    }

    /// Evicts as many sessions as it can. Returns their ids, and whether each was early.
    fn evicted(waiting: &mut WaitingSessions, segments_crowded: bool) -> Vec<(u64, bool)> {
        let evict = || waiting.evict(segments_crowded);
        let evicted = std::iter::from_fn(evict);
        evicted.map(|one| (one.session.id, one.early)).collect()
    }

    #[test]
    fn sessions_within_the_limit_wait_until_the_end_and_come_by_id() {
        let mut waiting = waiting(usize::MAX, &[session(3, None), session(1, Some(7))]);
        assert!(evicted(&mut waiting, false).is_empty());
        let rest: Vec<u64> = waiting.into_sessions().map(|session| session.id).collect();
        assert_eq!(rest, [1, 3]);
    }

    #[test]
    fn complete_sessions_are_evicted_first() {
        let sessions = [session(1, Some(7)), session(2, None), session(3, Some(9))];
        let mut waiting = waiting(0, &sessions);
        waiting.on_connection_end(9);
        let expected = [(2, false), (3, false), (1, true)];
        assert_eq!(evicted(&mut waiting, false), expected);
        assert!(waiting.awaited.is_empty());
        assert_eq!(waiting.memory, 0);
    }

    #[test]
    fn crowded_segments_evict_only_complete_sessions() {
        let sessions = [session(1, Some(7)), session(2, None)];
        let mut waiting = waiting(usize::MAX, &sessions);
        assert_eq!(evicted(&mut waiting, true), [(2, false)]);
        assert_eq!(waiting.len(), 1);
    }
}
