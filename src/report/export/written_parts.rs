//! Steps and transfers as JSON text, kept from their own lines for the line of their session.
//!
//! `session_end` repeats the steps and transfers of its session word for word. They are most of the output, and turning
//! them into JSON is most of the work, so it is done once: [`WrittenParts`] keeps the texts until their session ends.
//!
//! ```text
//! step, transfer ──> JSON ──┬──> their line
//!                           └──> WrittenParts ──> session_end
//! ```

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Write};
use std::sync::Arc;

use foldhash::fast::RandomState;
use serde::Serialize;

use crate::model::record::{Numbered, Session, Step, Transfer};
use crate::report::json::compact::{List, Object, write_value};

/// Texts of open sessions, up to a limit. Beyond it nothing is kept, and parts are turned into JSON twice.
#[derive(Debug)]
pub(super) struct WrittenParts {
    // Ids are our own numbers, so that the hash needs no protection against chosen keys.
    sessions: HashMap<u64, SessionParts, RandomState>,
    /// Empty collections of ended sessions, whose allocations serve later ones.
    spare: Vec<SessionParts>,
    /// Bytes kept.
    bytes: usize,
    /// Bytes from which on nothing more is kept.
    limit: usize,
}

/// Texts of one session.
#[derive(Debug, Default)]
pub(super) struct SessionParts {
    bytes: Vec<u8>,
    steps: Vec<Place>,
    transfers: Vec<Place>,
}

/// Place of the text of a step or transfer in `bytes`.
#[derive(Clone, Copy, Debug)]
struct Place {
    number: u64,
    start: usize,
    end: usize,
}

impl WrittenParts {
    /// Creates an empty collection that keeps about `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            sessions: HashMap::default(),
            spare: Vec::new(),
            bytes: 0,
            limit,
        }
    }

    /// Turns a step into JSON and keeps it, or returns `None` beyond the limit.
    pub(super) fn step(&mut self, session: u64, step: &Step) -> Option<&[u8]> {
        self.keep(session, step, |parts| &mut parts.steps)
    }

    /// Turns a transfer into JSON and keeps it, or returns `None` beyond the limit.
    pub(super) fn transfer(&mut self, session: u64, transfer: &Transfer) -> Option<&[u8]> {
        self.keep(session, transfer, |parts| &mut parts.transfers)
    }

    /// Returns the texts of a session that ends, or `None` if none were kept.
    pub(super) fn of_session(&mut self, session: u64) -> Option<&SessionParts> {
        let parts = self.sessions.get_mut(&session)?;
        // Transfers are emitted in the order in which they settle, but are looked up by number.
        parts.transfers.sort_unstable_by_key(|place| place.number);
        Some(parts)
    }

    /// Removes the texts of a session that has ended.
    pub(super) fn remove(&mut self, session: u64) {
        if let Some(mut parts) = self.sessions.remove(&session) {
            self.bytes = self.bytes.saturating_sub(parts.bytes.len());
            if self.spare.len() < SPARE && parts.bytes.capacity() <= SPARE_BYTES {
                parts.bytes.clear();
                parts.steps.clear();
                parts.transfers.clear();
                self.spare.push(parts);
            }
        }
    }

    fn keep<T: Numbered + Serialize>(
        &mut self,
        session: u64,
        value: &T,
        places: impl FnOnce(&mut SessionParts) -> &mut Vec<Place>,
    ) -> Option<&[u8]> {
        if self.bytes >= self.limit {
            return None;
        }
        let spare = &mut self.spare;
        let parts = self.sessions.entry(session);
        let parts = parts.or_insert_with(|| spare.pop().unwrap_or_default());
        let start = parts.bytes.len();
        // Memory does not fail; a value that JSON cannot hold fails again, and is reported, on its own line.
        if write_value(value, &mut parts.bytes).is_err() {
            parts.bytes.truncate(start);
            return None;
        }
        let end = parts.bytes.len();
        self.bytes += end - start;
        places(parts).push(Place {
            number: value.number(),
            start,
            end,
        });
        parts.bytes.get(start..end)
    }
}

impl SessionParts {
    fn text(&self, places: &[Place], number: u64) -> Option<&[u8]> {
        let found = places.binary_search_by_key(&number, |place| place.number);
        let place = places.get(found.ok()?)?;
        self.bytes.get(place.start..place.end)
    }
}

/// Writes the fields of a session into `object`, with the texts of its steps and transfers where they were kept. The
/// result equals the session as serialized.
pub(super) fn write_session<W: Write>(
    session: &Session,
    parts: Option<&SessionParts>,
    mut object: Object<'_, W>,
) -> io::Result<()> {
    // Named one by one and without `..`, so that the compiler finds a field that is missing here.
    let Session {
        id,
        uid,
        client,
        server,
        community_id,
        display_filter,
        display_filters,
        display_filters_omitted,
        layers,
        start,
        end,
        duration,
        midstream,
        end_state,
        control,
        timing,
        dns,
        greeting,
        login,
        tls,
        steps,
        steps_omitted,
        transfers,
        transfers_omitted,
        encrypted_data,
        encrypted_data_omitted,
        unsolicited_replies,
        unsolicited_replies_omitted,
        findings,
        findings_omitted,
        verdict,
        index,
    } = session;
    object.field("id", id)?;
    object.field("uid", uid)?;
    object.field("client", client)?;
    object.field("server", server)?;
    object.field("community_id", community_id)?;
    object.field("display_filter", display_filter)?;
    if !display_filters.is_empty() {
        object.field("display_filters", display_filters)?;
    }
    object.count("display_filters_omitted", *display_filters_omitted)?;
    object.field("layers", layers)?;
    object.field("start", start)?;
    object.field("end", end)?;
    object.field("duration", duration)?;
    object.field("midstream", midstream)?;
    object.field("end_state", end_state)?;
    object.field("control", control)?;
    object.field("timing", timing)?;
    object.field("dns", dns)?;
    object.field("greeting", greeting)?;
    object.field("login", login)?;
    object.field("tls", tls)?;
    let texts = parts.map(|parts| (parts, parts.steps.as_slice()));
    write_list(steps, texts, &index.amended_steps, object.list("steps")?)?;
    object.count("steps_omitted", *steps_omitted)?;
    let texts = parts.map(|parts| (parts, parts.transfers.as_slice()));
    let list = object.list("transfers")?;
    write_list(transfers, texts, &index.amended_transfers, list)?;
    object.count("transfers_omitted", *transfers_omitted)?;
    object.field("encrypted_data", encrypted_data)?;
    object.count("encrypted_data_omitted", *encrypted_data_omitted)?;
    object.field("unsolicited_replies", unsolicited_replies)?;
    object.count("unsolicited_replies_omitted", *unsolicited_replies_omitted)?;
    object.field("findings", findings)?;
    object.count("findings_omitted", *findings_omitted)?;
    object.field("verdict", verdict)?;
    object.end()
}

fn write_list<W: Write, T: Numbered + Serialize>(
    values: &[Arc<T>],
    texts: Option<(&SessionParts, &[Place])>,
    amended: &BTreeSet<u64>,
    mut list: List<'_, W>,
) -> io::Result<()> {
    for value in values {
        let number = value.number();
        // A part that was amended after its own line is no longer as its text.
        let text = texts
            .filter(|_| !amended.contains(&number))
            .and_then(|(parts, places)| parts.text(places, number));
        match text {
            Some(text) => list.written(text)?,
            None => list.element(value.as_ref())?,
        }
    }
    list.end()
}

/// Ended sessions whose allocations are reused.
const SPARE: usize = 64;

/// Largest allocation that is reused, in bytes.
const SPARE_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example::example_session;

    fn text(value: &impl Serialize) -> String {
        let mut out = Vec::new();
        write_value(value, &mut out).expect("memory takes it");
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    fn whole(session: &Session, parts: &mut WrittenParts) -> String {
        let mut out = Vec::new();
        let object = Object::begin(&mut out).expect("memory takes it");
        write_session(session, parts.of_session(session.id), object).expect("memory takes it");
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    #[test]
    fn session_is_written_the_same_however_many_parts_were_kept() {
        let session = Session {
            steps_omitted: 3,
            findings_omitted: 1,
            ..example_session()
        };
        let expected = text(&session);
        for limit in [0, 1, 1 << 20] {
            let mut parts = WrittenParts::new(limit);
            for step in &session.steps {
                if let Some(kept) = parts.step(session.id, step) {
                    assert_eq!(kept, text(step).as_bytes());
                }
            }
            for transfer in session.transfers.iter().rev() {
                if let Some(kept) = parts.transfer(session.id, transfer) {
                    assert_eq!(kept, text(transfer).as_bytes());
                }
            }
            assert_eq!(whole(&session, &mut parts), expected);
        }
    }

    #[test]
    fn amended_parts_are_written_as_they_are_now() {
        let mut session = example_session();
        let mut parts = WrittenParts::new(1 << 20);
        for step in &session.steps {
            parts.step(session.id, step);
        }
        for transfer in &session.transfers {
            parts.transfer(session.id, transfer);
        }
        Arc::make_mut(&mut session.steps[0]).title = "another title".to_owned();
        session.index.amended_steps.insert(session.steps[0].number);
        Arc::make_mut(&mut session.transfers[0])
            .evidence
            .push("later".to_owned());
        session
            .index
            .amended_transfers
            .insert(session.transfers[0].id);
        assert_eq!(whole(&session, &mut parts), text(&session));
    }

    #[test]
    fn bytes_of_an_ended_session_are_free() {
        let session = example_session();
        let mut parts = WrittenParts::new(1 << 20);
        parts.step(session.id, &session.steps[0]);
        assert!(parts.bytes > 0);
        parts.remove(session.id);
        assert_eq!((parts.bytes, parts.sessions.len()), (0, 0));
    }
}
