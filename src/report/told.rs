//! What was told of a session, as it was written, for the line that tells all of it.
//!
//! `session_end` repeats the steps and transfers of its session word for word. They are most of the output, and turning
//! them into JSON is most of the work, so it is done once: [`Told`] keeps the texts until their session ends.
//!
//! ```text
//! step, transfer ──> JSON ──┬──> their line
//!                           └──> Told ──> session_end
//! ```

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use foldhash::fast::RandomState;
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use super::{compact_json, escaped_json};
use crate::model::record::{
    Address, Dns, EncryptedConnection, EndState, Finding, Login, Numbered, Reply, Server, Session,
    Step, Timing, Tls, Transfer, Verdict,
};
use crate::model::{Timestamp, record};

/// The texts of sessions that have not ended, up to a bound; what is beyond it is written twice.
#[derive(Debug)]
pub(super) struct Told {
    sessions: HashMap<u64, Texts, RandomState>,
    /// Of sessions that were told: their allocations serve those that follow.
    spare: Vec<Texts>,
    /// Bytes kept.
    bytes: usize,
    /// Bytes from which on nothing more is kept.
    limit: usize,
}

/// The texts of one session.
#[derive(Debug, Default)]
struct Texts {
    bytes: Vec<u8>,
    steps: Vec<Place>,
    transfers: Vec<Place>,
}

/// Where the text of a step or transfer stands.
#[derive(Clone, Copy, Debug)]
struct Place {
    number: u64,
    start: usize,
    end: usize,
}

impl Told {
    /// Keeps about `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            sessions: HashMap::default(),
            spare: Vec::new(),
            bytes: 0,
            limit,
        }
    }

    /// A step for its own line.
    pub(super) fn step<'a>(&'a mut self, session: u64, step: &'a Step) -> Part<'a, Step> {
        self.part(session, step, |texts| &mut texts.steps)
    }

    /// A transfer for its own line.
    pub(super) fn transfer<'a>(
        &'a mut self,
        session: u64,
        transfer: &'a Transfer,
    ) -> Part<'a, Transfer> {
        self.part(session, transfer, |texts| &mut texts.transfers)
    }

    /// A session for its last line.
    pub(super) fn session<'a>(&'a mut self, session: &'a Session) -> WholeSession<'a> {
        let texts = self.sessions.get_mut(&session.id).map(|texts| {
            // Transfers are told as they settle and stand in the session by number.
            texts.transfers.sort_unstable_by_key(|place| place.number);
            &*texts
        });
        WholeSession { session, texts }
    }

    /// The session was told.
    pub(super) fn forget(&mut self, session: u64) {
        if let Some(mut texts) = self.sessions.remove(&session) {
            self.bytes = self.bytes.saturating_sub(texts.bytes.len());
            if self.spare.len() < SPARE && texts.bytes.capacity() <= SPARE_BYTES {
                texts.bytes.clear();
                texts.steps.clear();
                texts.transfers.clear();
                self.spare.push(texts);
            }
        }
    }

    fn part<'a, T: Numbered + Serialize>(
        &'a mut self,
        session: u64,
        value: &'a T,
        places: impl FnOnce(&mut Texts) -> &mut Vec<Place>,
    ) -> Part<'a, T> {
        if self.bytes >= self.limit {
            return Part::Value(value);
        }
        let spare = &mut self.spare;
        let texts = self.sessions.entry(session);
        let texts = texts.or_insert_with(|| spare.pop().unwrap_or_default());
        let start = texts.bytes.len();
        if compact_json::write_value(value, &mut texts.bytes).is_err() {
            texts.bytes.truncate(start);
            return Part::Value(value);
        }
        let end = texts.bytes.len();
        self.bytes += end - start;
        places(texts).push(Place {
            number: value.number(),
            start,
            end,
        });
        Part::Text(escaped_json::Text(&texts.bytes[start..end]))
    }
}

impl Texts {
    fn of(&self, places: &[Place], number: u64) -> Option<escaped_json::Text<'_>> {
        let at = places
            .binary_search_by_key(&number, |place| place.number)
            .ok()?;
        let place = places.get(at)?;
        self.bytes
            .get(place.start..place.end)
            .map(escaped_json::Text)
    }
}

/// A value, or its text where that was made already.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Part<'a, T> {
    /// To be turned into JSON.
    Value(&'a T),
    /// As it was written.
    Text(escaped_json::Text<'a>),
}

/// A session with the texts of its parts. It is written as the session is.
#[derive(Debug)]
pub(super) struct WholeSession<'a> {
    session: &'a Session,
    texts: Option<&'a Texts>,
}

impl Serialize for WholeSession<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Named one by one and without `..`, so that no new field is forgotten.
        let record::Session {
            id,
            client,
            server,
            community_id,
            display_filter,
            layers,
            start,
            end,
            duration,
            midstream,
            end_state,
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
        } = self.session;
        let texts = self.texts;
        Fields {
            id: *id,
            client: *client,
            server,
            community_id,
            display_filter,
            layers,
            start: *start,
            end: *end,
            duration: *duration,
            midstream: *midstream,
            end_state: *end_state,
            timing,
            dns: dns.as_ref(),
            greeting: greeting.as_ref(),
            login,
            tls: tls.as_ref(),
            steps: List {
                values: steps,
                texts: texts.map(|texts| (texts, texts.steps.as_slice())),
                amended: &index.amended_steps,
            },
            steps_omitted: *steps_omitted,
            transfers: List {
                values: transfers,
                texts: texts.map(|texts| (texts, texts.transfers.as_slice())),
                amended: &index.amended_transfers,
            },
            transfers_omitted: *transfers_omitted,
            encrypted_data,
            encrypted_data_omitted: *encrypted_data_omitted,
            unsolicited_replies,
            unsolicited_replies_omitted: *unsolicited_replies_omitted,
            findings,
            findings_omitted: *findings_omitted,
            verdict,
        }
        .serialize(serializer)
    }
}

/// The fields of a session, in its order.
#[derive(Serialize)]
struct Fields<'a> {
    id: u64,
    client: Address,
    server: &'a Server,
    community_id: &'a str,
    display_filter: &'a str,
    layers: &'a [String],
    start: Timestamp,
    end: Timestamp,
    duration: f64,
    midstream: bool,
    end_state: EndState,
    timing: &'a Timing,
    dns: Option<&'a Dns>,
    greeting: Option<&'a Reply>,
    login: &'a Login,
    tls: Option<&'a Tls>,
    steps: List<'a, Step>,
    #[serde(skip_serializing_if = "is_zero")]
    steps_omitted: u64,
    transfers: List<'a, Transfer>,
    #[serde(skip_serializing_if = "is_zero")]
    transfers_omitted: u64,
    encrypted_data: &'a [EncryptedConnection],
    #[serde(skip_serializing_if = "is_zero")]
    encrypted_data_omitted: u64,
    unsolicited_replies: &'a [Reply],
    #[serde(skip_serializing_if = "is_zero")]
    unsolicited_replies_omitted: u64,
    findings: &'a [Finding],
    #[serde(skip_serializing_if = "is_zero")]
    findings_omitted: u64,
    verdict: &'a Verdict,
}

/// Values by number, each with its text where there is one.
struct List<'a, T> {
    values: &'a [Arc<T>],
    texts: Option<(&'a Texts, &'a [Place])>,
    amended: &'a BTreeSet<u64>,
}

impl<T: Numbered + Serialize> Serialize for List<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.values.len()))?;
        for value in self.values {
            // What changed since it was told is written anew.
            let text = self
                .texts
                .filter(|_| !self.amended.contains(&value.number()))
                .and_then(|(texts, places)| texts.of(places, value.number()));
            match text {
                Some(text) => list.serialize_element(&text)?,
                None => list.serialize_element(value.as_ref())?,
            }
        }
        list.end()
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Texts of sessions that were told whose allocations are kept.
const SPARE: usize = 64;

/// Larger allocations are not kept.
const SPARE_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example::example_session;

    fn text(value: &impl Serialize) -> String {
        let mut out = Vec::new();
        compact_json::write_value(value, &mut out).expect("memory takes it");
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    #[test]
    fn a_session_reads_the_same_whatever_was_told_before() {
        let session = Session {
            steps_omitted: 3,
            findings_omitted: 1,
            ..example_session()
        };
        let expected = text(&session);
        for limit in [0, 1, 1 << 20] {
            let mut told = Told::new(limit);
            for step in &session.steps {
                assert_eq!(text(&told.step(session.id, step)), text(step));
            }
            for transfer in session.transfers.iter().rev() {
                assert_eq!(text(&told.transfer(session.id, transfer)), text(transfer));
            }
            assert_eq!(text(&told.session(&session)), expected);
        }
    }

    #[test]
    fn what_was_amended_is_written_as_it_is_now() {
        let mut session = example_session();
        let mut told = Told::new(1 << 20);
        for step in &session.steps {
            told.step(session.id, step);
        }
        for transfer in &session.transfers {
            told.transfer(session.id, transfer);
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
        assert_eq!(text(&told.session(&session)), text(&session));
    }

    #[test]
    fn the_bytes_of_a_session_are_free_once_it_was_told() {
        let session = example_session();
        let mut told = Told::new(1 << 20);
        told.step(session.id, &session.steps[0]);
        assert!(told.bytes > 0);
        told.forget(session.id);
        assert_eq!((told.bytes, told.sessions.len()), (0, 0));
    }
}
