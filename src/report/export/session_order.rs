//! Finished sessions in order of their ids, for formats that write rows and keep no text.
//!
//! ```text
//!             ┌─ the next by id ──────────────────────────────────┐
//! session ──> ┼─ others: held until then, while they are few ─────┼──> rows
//!             └─ all later ones: JSON text, until the input ends ─┘
//! ```
//!
//! Sessions mostly end in the order in which they began. Where one goes on for long, or with a selection, which leaves ids out,
//! those behind it are kept as text: it takes a fraction of the memory of records, and beyond a limit it goes into a file.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use super::document::FinishedSessions;
use crate::model::record::{Session, Weight as _};

/// Sessions that wait for those with lower ids.
#[derive(Debug)]
pub(super) struct SessionsInOrder {
    /// Id of the session whose rows are next.
    next: u64,
    /// Sessions that ended before the next one, by id.
    held: BTreeMap<u64, Arc<Session>>,
    /// Bytes of memory of the sessions in `held`.
    held_bytes: usize,
    /// Sessions as text, none of them before those that were passed on; `None` while few were held.
    kept: Option<FinishedSessions>,
    /// Sessions taken so far.
    taken: usize,
    /// Sessions taken at most.
    limit: usize,
}

impl SessionsInOrder {
    /// Creates an empty collection that takes up to `limit` sessions.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            next: 1,
            held: BTreeMap::new(),
            held_bytes: 0,
            kept: None,
            taken: 0,
            limit,
        }
    }

    /// Takes a session that has ended, and passes those that are next to `rows`. Returns false if it is beyond the limit.
    pub(super) fn push(
        &mut self,
        session: &Arc<Session>,
        mut rows: impl FnMut(&Session) -> io::Result<()>,
    ) -> io::Result<bool> {
        if self.taken >= self.limit {
            return Ok(false);
        }
        self.taken += 1;
        if let Some(kept) = &mut self.kept {
            keep(kept, session);
        } else if session.id == self.next {
            rows(session)?;
            self.next += 1;
            while let Some(session) = self.held.remove(&self.next) {
                self.held_bytes = self.held_bytes.saturating_sub(session.weight());
                rows(&session)?;
                self.next += 1;
            }
        } else {
            self.held_bytes += session.weight();
            self.held.insert(session.id, Arc::clone(session));
            if self.held_bytes > HELD_BYTES {
                let mut kept = FinishedSessions::within(KEPT_BYTES);
                for session in std::mem::take(&mut self.held).values() {
                    keep(&mut kept, session);
                }
                self.kept = Some(kept);
            }
        }
        Ok(true)
    }

    /// Passes all sessions that are left to `rows`.
    pub(super) fn finish(self, mut rows: impl FnMut(&Session) -> io::Result<()>) -> io::Result<()> {
        for session in self.held.values() {
            rows(session)?;
        }
        let Some(kept) = self.kept else {
            return Ok(());
        };
        let mut sessions = EachLine {
            text: Vec::new(),
            on_line: |text: &[u8]| rows(&serde_json::from_slice(text).map_err(io::Error::from)?),
        };
        kept.write(b"\n", &mut sessions)?;
        sessions.end()
    }
}

fn keep(kept: &mut FinishedSessions, session: &Session) {
    kept.push(session.id, |out| {
        serde_json::to_writer(out, session).map_err(io::Error::from)
    });
}

/// Target that passes each line on.
struct EachLine<F> {
    text: Vec<u8>,
    on_line: F,
}

impl<F: FnMut(&[u8]) -> io::Result<()>> EachLine<F> {
    /// Passes the last line on.
    fn end(mut self) -> io::Result<()> {
        if self.text.is_empty() {
            return Ok(());
        }
        (self.on_line)(&self.text)
    }
}

impl<F: FnMut(&[u8]) -> io::Result<()>> Write for EachLine<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // JSON has no line ends but those between sessions.
        let mut pieces = bytes.split(|&byte| byte == b'\n');
        self.text.extend(pieces.next().unwrap_or_default());
        for piece in pieces {
            (self.on_line)(&self.text)?;
            self.text.clear();
            self.text.extend(piece);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes of memory of held sessions, beyond which they are kept as text.
const HELD_BYTES: usize = 8 << 20;

/// Bytes of text in memory before a file is made.
const KEPT_BYTES: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example::example_session;

    /// Returns the ids in the order in which their rows are written, and the number of sessions beyond `limit`.
    fn order(limit: usize, ids: impl IntoIterator<Item = u64>) -> (Vec<u64>, usize) {
        let mut sessions = SessionsInOrder::new(limit);
        let (mut written, mut refused) = (Vec::new(), 0);
        for id in ids {
            let session = Arc::new(Session {
                id,
                ..example_session()
            });
            let taken = sessions.push(&session, |session| {
                written.push(session.id);
                Ok(())
            });
            refused += usize::from(!taken.expect("memory takes it"));
        }
        let rest = sessions.finish(|session| {
            written.push(session.id);
            Ok(())
        });
        rest.expect("memory takes it");
        (written, refused)
    }

    #[test]
    fn sessions_are_in_order_of_their_ids_however_they_end() {
        assert_eq!(order(9, [1, 2, 3]), (vec![1, 2, 3], 0));
        assert_eq!(order(9, [3, 1, 2]), (vec![1, 2, 3], 0));
        assert_eq!(order(9, [5, 2, 7]), (vec![2, 5, 7], 0));
        assert_eq!(order(2, [1, 4, 2]), (vec![1, 4], 1));
    }

    #[test]
    fn many_sessions_behind_a_long_one_are_in_order_as_well() {
        let many = HELD_BYTES / example_session().weight() + 10;
        let last = many as u64;
        let (written, _) = order(usize::MAX, (2..=last).rev().chain([1, last + 1]));
        assert_eq!(written.len(), many + 1);
        assert!(written.is_sorted());
    }

    #[test]
    fn lines_are_passed_on_however_they_are_cut() {
        let mut lines = Vec::new();
        let mut target = EachLine {
            text: Vec::new(),
            on_line: |line: &[u8]| {
                lines.push(String::from_utf8_lossy(line).into_owned());
                Ok(())
            },
        };
        for piece in ["a", "b\nc", "\n", "d"] {
            target.write_all(piece.as_bytes()).expect("memory takes it");
        }
        target.end().expect("memory takes it");
        assert_eq!(lines, ["ab", "c", "d"]);
    }
}
