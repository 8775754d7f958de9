//! Sessions that are over and not drawn yet.
//!
//! Segments of a data connection may come after the session they belong to: a connection that nobody answers is only given
//! up long after. So a session waits as long as there is room, and where the capture is small, until its end. Where there
//! is no more room, sessions go that lack nothing, and then those that have waited longest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::diagram::DiagramRecorder;
use crate::model::record::{Connection, Session, Weight as _};

/// Sessions in the order of their ends.
#[derive(Debug)]
pub(super) struct Waiting {
    ended: u64,
    /// By the order of their ends, as are the numbers below.
    sessions: BTreeMap<u64, Held>,
    /// Those that lack nothing.
    whole: BTreeSet<u64>,
    /// First frames of data connections that are not over, and who waits for them.
    awaited: BTreeMap<u64, Vec<u64>>,
    /// Bytes of all sessions.
    weight: usize,
    bound: usize,
}

#[derive(Debug)]
struct Held {
    session: Arc<Session>,
    weight: usize,
    /// First frames of data connections that are not over.
    lacking: BTreeSet<u64>,
    /// Whether attempts at data connections may still come, that nobody announces the end of.
    tried: bool,
}

/// A session that is to be drawn.
#[derive(Debug)]
pub(super) struct Leaving {
    pub(super) session: Arc<Session>,
    /// It is not certain that all of its data connections are over.
    pub(super) early: bool,
}

impl Waiting {
    /// Nobody yet.
    pub(super) fn new() -> Self {
        Self::within(WAITING)
    }

    /// Nobody yet, and room for so many bytes.
    pub(super) fn within(bound: usize) -> Self {
        Self {
            ended: 0,
            sessions: BTreeMap::new(),
            whole: BTreeSet::new(),
            awaited: BTreeMap::new(),
            weight: 0,
            bound,
        }
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// A session is over.
    pub(super) fn push(&mut self, session: &Arc<Session>, recorder: &DiagramRecorder) {
        self.ended += 1;
        let number = self.ended;
        let mut lacking = BTreeSet::new();
        let mut tried = false;
        for transfer in &session.transfers {
            match &transfer.connection {
                Some(connection) => lacking.extend(awaited(connection, recorder)),
                None => tried |= transfer.announced.is_some(),
            }
        }
        for encrypted in &session.encrypted_data {
            lacking.extend(awaited(&encrypted.connection, recorder));
        }
        for frame in &lacking {
            self.awaited.entry(*frame).or_default().push(number);
        }
        let held = Held {
            weight: weight(session),
            session: Arc::clone(session),
            lacking,
            tried,
        };
        if held.is_whole() {
            self.whole.insert(number);
        }
        self.weight += held.weight;
        self.sessions.insert(number, held);
    }

    /// A data connection is over.
    pub(super) fn connection(&mut self, first_frame: u64) {
        for number in self.awaited.remove(&first_frame).unwrap_or_default() {
            if let Some(held) = self.sessions.get_mut(&number) {
                held.lacking.remove(&first_frame);
                if held.is_whole() {
                    self.whole.insert(number);
                }
            }
        }
    }

    /// Who has to go, where there is no more room for all. With `crowded` whoever lacks nothing has to.
    pub(super) fn leave(&mut self, crowded: bool) -> Option<Leaving> {
        let is_full = self.weight > self.bound;
        let whole = self.whole.first().filter(|_| is_full || crowded);
        let oldest = self.sessions.keys().next().filter(|_| is_full);
        let number = *whole.or(oldest)?;
        let held = self.sessions.remove(&number)?;
        self.whole.remove(&number);
        self.weight = self.weight.saturating_sub(held.weight);
        for frame in &held.lacking {
            if let Some(waiting) = self.awaited.get_mut(frame) {
                waiting.retain(|waiting| *waiting != number);
                if waiting.is_empty() {
                    self.awaited.remove(frame);
                }
            }
        }
        Some(Leaving {
            early: !held.is_whole(),
            session: held.session,
        })
    }

    /// All of them by id, once nothing more can come.
    pub(super) fn into_rest(self) -> impl Iterator<Item = Arc<Session>> {
        let held = self.sessions.into_values();
        let mut rest: Vec<_> = held.map(|held| held.session).collect();
        rest.sort_by_key(|session| session.id);
        rest.into_iter()
    }
}

impl Held {
    fn is_whole(&self) -> bool {
        self.lacking.is_empty() && !self.tried
    }
}

fn awaited(connection: &Connection, recorder: &DiagramRecorder) -> Option<u64> {
    let first = connection.first_frame;
    (!recorder.has_data_connection(first)).then_some(first)
}

/// Bytes that a session takes.
fn weight(session: &Session) -> usize {
    let steps = session.steps.iter().map(|step| step.weight());
    let transfers = session.transfers.iter().map(|transfer| transfer.weight());
    size_of::<Session>() + steps.sum::<usize>() + transfers.sum::<usize>()
}

/// Bytes of sessions that wait.
const WAITING: usize = 8 << 20;

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

    fn waiting(bound: usize, sessions: &[Arc<Session>]) -> Waiting {
        let mut waiting = Waiting::within(bound);
        for session in sessions {
            waiting.push(session, &DiagramRecorder::default());
        }
        waiting
    }

    fn leaving(waiting: &mut Waiting, crowded: bool) -> Vec<(u64, bool)> {
        let leave = || waiting.leave(crowded);
        let leaving = std::iter::from_fn(leave);
        leaving.map(|one| (one.session.id, one.early)).collect()
    }

    #[test]
    fn who_has_room_waits_until_the_end_and_comes_by_id() {
        let mut waiting = waiting(usize::MAX, &[session(3, None), session(1, Some(7))]);
        assert!(leaving(&mut waiting, false).is_empty());
        let rest: Vec<u64> = waiting.into_rest().map(|session| session.id).collect();
        assert_eq!(rest, [1, 3]);
    }

    #[test]
    fn who_lacks_nothing_goes_first() {
        let sessions = [session(1, Some(7)), session(2, None), session(3, Some(9))];
        let mut waiting = waiting(0, &sessions);
        waiting.connection(9);
        let expected = [(2, false), (3, false), (1, true)];
        assert_eq!(leaving(&mut waiting, false), expected);
        assert!(waiting.awaited.is_empty());
        assert_eq!(waiting.weight, 0);
    }

    #[test]
    fn where_segments_take_the_room_only_who_lacks_nothing_goes() {
        let sessions = [session(1, Some(7)), session(2, None)];
        let mut waiting = waiting(usize::MAX, &sessions);
        assert_eq!(leaving(&mut waiting, true), [(2, false)]);
        assert_eq!(waiting.len(), 1);
    }
}
