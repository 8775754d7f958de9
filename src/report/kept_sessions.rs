//! Finished sessions, kept as records within a limit of memory, and beyond it in a temporary file.
//!
//! Commands that need the sessions again at the end of the input take them from here, one at a time: a diagram in order
//! of ids, a tree in order of time, a check as often as it has to.
//!
//! ```text
//! SessionEnd ──> KeptSessions ── fits ────> records
//!     │                       └─ else ────> transfers and steps, as many as fit; of the rest pieces of JSON in a
//!     │                                     SpooledText: the session, then each step and transfer
//! all else ──> ReportBuilder ─> Report without sessions
//! ```
//!
//! Pieces and not one document: a session of 100,000 steps is read back without its text in memory. Of the session that
//! exceeds the limit only what does not fit is written: writing and reading it back costs more than all other work on a
//! session of many commands.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::json::compact;
use super::{Report, ReportBuilder, SpooledText};
use crate::model::record::{Capture, Index, Session, Step, Totals, Transfer, Weight};
use crate::model::{Event, EventKind, EventSink, Limits};

/// Sessions of a run in order of their ids, each available as a record.
#[derive(Debug)]
pub struct KeptSessions {
    kept: Vec<Kept>,
    /// Memory of the records in bytes.
    memory: usize,
    /// Limit of `memory` in bytes.
    memory_limit: usize,
    text: RefCell<SpooledText>,
    /// First error; `None` while all sessions were kept.
    error: Option<io::Error>,
}

#[derive(Debug)]
struct Kept {
    id: u64,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Record(Arc<Session>),
    Divided(Box<Divided>),
}

/// A session of which the first steps and transfers are in memory.
#[derive(Debug)]
struct Divided {
    steps: Vec<Arc<Step>>,
    transfers: Vec<Arc<Transfer>>,
    /// Place of the pieces in the text: all else of the session.
    offset: u64,
    length: u64,
}

impl KeptSessions {
    /// Creates an empty collection that keeps records of about `limit` bytes in memory.
    pub(crate) fn within(limit: usize) -> Self {
        Self {
            kept: Vec::new(),
            memory: 0,
            memory_limit: limit,
            text: RefCell::new(SpooledText::new(WRITE_BUFFER)),
            error: None,
        }
    }

    /// Takes the sessions of a report, which are in memory already.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        let mut sessions = Self::within(usize::MAX);
        for session in &report.sessions {
            sessions.push(session);
        }
        sessions.sorted()
    }

    /// Keeps a session. An error is returned by [`get`](Self::get).
    pub(crate) fn push(&mut self, session: &Arc<Session>) {
        if self.error.is_some() {
            return;
        }
        let weight = session.weight();
        let content = if weight <= self.free_memory() {
            self.memory += weight;
            Content::Record(Arc::clone(session))
        } else {
            match self.divide(session) {
                Ok(divided) => Content::Divided(Box::new(divided)),
                Err(error) => {
                    self.error = Some(error);
                    return;
                }
            }
        };
        let id = session.id;
        self.kept.push(Kept { id, content });
    }

    /// Returns the bytes of records that may still be kept.
    fn free_memory(&self) -> usize {
        self.memory_limit.saturating_sub(self.memory)
    }

    /// Keeps the first transfers and steps of a session in memory, and writes the rest of it.
    fn divide(&mut self, session: &Session) -> io::Result<Divided> {
        let transfers = self.keep_first(&session.transfers);
        let steps = self.keep_first(&session.steps);
        let text = self.text.get_mut();
        let offset = text.len();
        write_pieces(session, &steps, &transfers, text)?;
        Ok(Divided {
            length: text.len().saturating_sub(offset),
            steps,
            transfers,
            offset,
        })
    }

    /// Returns the first items that fit into memory.
    fn keep_first<T: Weight>(&mut self, items: &[Arc<T>]) -> Vec<Arc<T>> {
        let fits = |item: &&Arc<T>| {
            let weight = item.weight();
            let fits = weight <= self.free_memory();
            if fits {
                self.memory += weight;
            }
            fits
        };
        let count = items.iter().take_while(fits).count();
        items.iter().take(count).cloned().collect()
    }

    /// Puts the sessions, which arrive in the order in which they end, in order of their ids.
    fn sorted(mut self) -> Self {
        self.kept.sort_by_key(|kept| kept.id);
        self
    }

    /// Returns the number of sessions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Returns true if there are no sessions.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Returns the index of the session with this id; `None` if there is none.
    #[must_use]
    pub fn index_of(&self, id: u64) -> Option<usize> {
        self.kept.binary_search_by_key(&id, |kept| kept.id).ok()
    }

    /// Returns a session by its index; `None` beyond the last one.
    ///
    /// # Errors
    ///
    /// The temporary file could not be written or read.
    pub fn get(&self, index: usize) -> io::Result<Option<Arc<Session>>> {
        if let Some(error) = &self.error {
            return Err(io::Error::new(error.kind(), error.to_string()));
        }
        match self.kept.get(index).map(|kept| &kept.content) {
            None => Ok(None),
            Some(Content::Record(session)) => Ok(Some(Arc::clone(session))),
            Some(Content::Divided(divided)) => {
                let mut text = self.text.borrow_mut();
                let pieces = &mut Pieces::new(&mut text, divided.offset, divided.length);
                Ok(Some(Arc::new(read_pieces(divided, pieces)?)))
            }
        }
    }

    /// Returns all sessions in order of their ids, each read when it is asked for.
    pub fn iter(&self) -> impl Iterator<Item = io::Result<Arc<Session>>> {
        (0..self.len()).filter_map(|index| self.get(index).transpose())
    }
}

/// Sink that collects a run into a report and, beside it, the sessions.
#[derive(Debug)]
pub struct KeptReport {
    rest: ReportBuilder,
    sessions: KeptSessions,
    /// Sessions kept at most.
    limit: usize,
}

impl KeptReport {
    /// Creates a sink that keeps as many records as `limits` allow.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            rest: ReportBuilder::new(limits),
            sessions: KeptSessions::within(IN_MEMORY),
            limit: limits.sessions,
        }
    }

    /// Returns the report, which has no sessions, and the sessions.
    #[must_use]
    pub fn finish(self, captures: Vec<Capture>, totals: Totals) -> (Report, KeptSessions) {
        (self.rest.finish(captures, totals), self.sessions.sorted())
    }
}

impl EventSink for KeptReport {
    fn event(&mut self, event: &Event<'_>) {
        match &event.kind {
            EventKind::SessionEnd(session) if self.sessions.len() < self.limit => {
                self.sessions.push(session);
            }
            EventKind::SessionEnd(_) => self.rest.omit_session(),
            _ => self.rest.event(event),
        }
    }
}

/// Writes what is not in memory of a session, as pieces, each after its length in 4 bytes.
fn write_pieces(
    session: &Session,
    steps: &[Arc<Step>],
    transfers: &[Arc<Transfer>],
    text: &mut SpooledText,
) -> io::Result<()> {
    let mut piece = Vec::new();
    let steps = session.steps.iter().skip(steps.len());
    let transfers = session.transfers.iter().skip(transfers.len());
    write_piece(&[steps.len(), transfers.len()], &mut piece, text)?;
    let head = Session {
        steps: Vec::new(),
        transfers: Vec::new(),
        index: Index::default(),
        ..session.clone()
    };
    write_piece(&head, &mut piece, text)?;
    for step in steps {
        write_piece(step, &mut piece, text)?;
    }
    for transfer in transfers {
        write_piece(transfer, &mut piece, text)?;
    }
    Ok(())
}

fn write_piece(
    value: &impl Serialize,
    piece: &mut Vec<u8>,
    text: &mut SpooledText,
) -> io::Result<()> {
    piece.clear();
    compact::write_value(value, piece)?;
    let length = u32::try_from(piece.len()).map_err(io::Error::other)?;
    text.write_all(&length.to_le_bytes())?;
    text.write_all(piece)
}

fn read_pieces(divided: &Divided, pieces: &mut Pieces<'_>) -> io::Result<Session> {
    let [steps, transfers]: [usize; 2] = pieces.next()?;
    let mut session: Session = pieces.next()?;
    session.steps.reserve_exact(divided.steps.len() + steps);
    session.steps.extend(divided.steps.iter().cloned());
    for _ in 0..steps {
        session.steps.push(Arc::new(without_spare(pieces.next()?)));
    }
    session
        .transfers
        .reserve_exact(divided.transfers.len() + transfers);
    session.transfers.extend(divided.transfers.iter().cloned());
    for _ in 0..transfers {
        session.transfers.push(pieces.next()?);
    }
    session.index = Index::new(&session.steps, BTreeSet::new(), BTreeSet::new());
    Ok(session)
}

/// Frees the memory that lists have for more items: a list that is read begins with room for four, and most commands have
/// one reply of one line.
fn without_spare(mut step: Step) -> Step {
    step.commands.shrink_to_fit();
    for command in &mut step.commands {
        command.replies.shrink_to_fit();
        for reply in &mut command.replies {
            reply.lines.shrink_to_fit();
        }
    }
    step
}

/// Reader of the pieces of one session.
struct Pieces<'t> {
    text: &'t mut SpooledText,
    /// Offset of the first byte that is not in the buffer.
    at: u64,
    end: u64,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were read.
    read: usize,
}

impl<'t> Pieces<'t> {
    fn new(text: &'t mut SpooledText, offset: u64, length: u64) -> Self {
        Self {
            text,
            at: offset,
            end: offset.saturating_add(length),
            buffer: Vec::new(),
            read: 0,
        }
    }

    /// Reads the next piece.
    fn next<T: DeserializeOwned>(&mut self) -> io::Result<T> {
        let mut length = [0; 4];
        length.copy_from_slice(self.take(4)?);
        let length = usize::try_from(u32::from_le_bytes(length)).map_err(io::Error::other)?;
        // Checked once as a whole: the strings of a piece are many and short.
        let piece = str::from_utf8(self.take(length)?).map_err(io::Error::other)?;
        Ok(serde_json::from_str(piece)?)
    }

    fn take(&mut self, length: usize) -> io::Result<&[u8]> {
        let missing = length.saturating_sub(self.buffer.len() - self.read);
        if missing > 0 {
            self.buffer.drain(..self.read);
            self.read = 0;
            let rest = self.end.saturating_sub(self.at);
            let wanted = rest.min(missing.max(READ_AT_ONCE) as u64);
            self.text.copy(self.at, wanted, &mut self.buffer)?;
            self.at += wanted;
        }
        let start = self.read;
        self.read += length;
        let piece = self.buffer.get(start..self.read);
        piece.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// Memory of the records kept before the file is used, in bytes.
const IN_MEMORY: usize = 32 << 20;
/// Bytes in memory before they go to the file.
const WRITE_BUFFER: usize = 256 << 10;
/// Bytes read from the file at once.
const READ_AT_ONCE: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example::{example_report, example_session};

    fn session(id: u64) -> Arc<Session> {
        Arc::new(Session {
            id,
            ..example_session()
        })
    }

    #[test]
    fn sessions_in_the_file_are_the_same_as_in_memory_and_in_order_of_ids() {
        for limit in [0, session(1).weight() + 1, usize::MAX] {
            let mut sessions = KeptSessions::within(limit);
            for id in [3, 1, 2] {
                sessions.push(&session(id));
            }
            let sessions = sessions.sorted();
            for (index, id) in [1, 2, 3].into_iter().enumerate() {
                let found = sessions.get(index).expect("a file").expect("a session");
                let mut expected = Session::clone(&session(id));
                // An index is made when the session is read.
                expected.index = found.index.clone();
                assert_eq!(*found, expected);
                assert_eq!(sessions.index_of(id), Some(index));
                for transfer in &found.transfers {
                    assert_eq!(found.step_of(transfer.id), expected.step_of(transfer.id));
                }
            }
            assert!(sessions.get(3).expect("no need of the file").is_none());
            assert_eq!(sessions.index_of(4), None);
        }
    }

    #[test]
    fn of_the_session_that_exceeds_the_limit_only_the_rest_is_written() {
        let example = example_session();
        let weight = example.weight();
        let mut written = Vec::new();
        for part in 0..=10 {
            let limit = weight * part / 10;
            let mut sessions = KeptSessions::within(limit);
            sessions.push(&session(1));
            assert!(sessions.memory <= limit, "{} of {limit}", sessions.memory);
            written.push(sessions.text.get_mut().len());
            let found = sessions.get(0).expect("a file").expect("a session");
            let mut expected = Session::clone(&session(1));
            expected.index = found.index.clone();
            assert_eq!(*found, expected);
            // Parts that are in memory are not there twice.
            if let Content::Divided(divided) = &sessions.kept[0].content {
                let shared = found.steps.iter().zip(&divided.steps);
                assert!(
                    shared
                        .into_iter()
                        .all(|(one, other)| Arc::ptr_eq(one, other))
                );
            }
        }
        assert!(
            written.is_sorted_by(|more, less| more >= less),
            "{written:?}"
        );
        assert!(written[5] < written[0], "{written:?}");
        assert_eq!(written[10], 0);
    }

    #[test]
    fn sessions_beyond_the_limit_of_the_report_are_counted() {
        let limits = Limits {
            sessions: 1,
            ..Limits::default()
        };
        let mut kept = KeptReport::new(&limits);
        for id in [1, 2] {
            kept.event(&Event {
                frame: crate::model::FrameRef::default(),
                session: Some(id),
                late: false,
                kind: EventKind::SessionEnd(session(id)),
            });
        }
        let example = example_report();
        let (report, sessions) = kept.finish(example.captures, example.totals);
        assert_eq!((report.sessions_omitted, sessions.len()), (1, 1));
        assert!(!report.warnings.is_empty());
    }
}
