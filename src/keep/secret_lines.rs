//! TLS secrets of chosen connections, for the file that holds their packets.
//!
//! A reading of its own, between the other two: secrets stand before the first packet, and the captures that hold them may
//! hold them anywhere. The handshake of a connection shows what belongs to it: the random of the `ClientHello`, the session id
//! of either hello (RFC 5246 section 7.4.1), and the first bytes of the encrypted premaster secret (section 7.4.7.1). Only
//! lines of a key log (RFC 9850) that name one of these leave, so that the secrets of other connections stay where they are.
//! Private keys never leave: they open every connection of their server.
//!
//! ```text
//! segments of chosen connections ─> FlowTable ─> beginning of each stream ─> records ─> handshake messages ─> names
//! ```
//!
//! A message may be cut over several segments, which may arrive in any order, and over several records (RFC 8446 section 5.1).
//! Hellos of a renegotiation are encrypted and stay unknown here.

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::RandomState;
use zeroize::Zeroizing;

use super::carve::{ChosenPackets, Owners};
use crate::capture::Input;
use crate::decode::{Decoded, Decoder, Segment};
use crate::model::{Direction, FrameRef, Limits};
use crate::protocol::tls::decryption::SecretId;
use crate::reassembly::{
    CaptureClock, Chunk, CloseReason, FlowId, FlowSummary, FlowTable, Gap, Interest, StreamHandler,
};

/// A reader of handshakes and of the secrets that captures carry.
pub struct SecretLines<'c> {
    chosen: &'c ChosenPackets,
    decoder: Decoder,
    flows: FlowTable,
    clock: CaptureClock,
    last: FrameRef,
    handshakes: Handshakes,
    /// Key logs within the captures.
    logs: Vec<Zeroizing<Vec<u8>>>,
    log_bytes: usize,
}

/// Names of the chosen connections, from their handshakes.
#[derive(Debug, Default)]
struct Handshakes {
    /// Sessions by the names that lines of key logs may have for their connections.
    wanted: HashMap<SecretId, BTreeSet<u32>, RandomState>,
    streams: HashMap<FlowId, Streams, RandomState>,
    /// Bytes of all streams.
    held: usize,
    /// Sessions of the connection that the current segment may open.
    next: Owners,
}

/// Both directions of a connection.
#[derive(Debug, Default)]
struct Streams {
    owners: Owners,
    /// Bytes in which a handshake may have begun, without gaps, by [`Direction::index`].
    begun: [Vec<u8>; 2],
    /// Bytes of each direction that were searched.
    searched: [usize; 2],
}

/// Lines of key logs to write, each with the sessions that it belongs to.
#[derive(Debug, Default)]
pub struct EmbeddedSecrets {
    lines: Vec<(Zeroizing<Vec<u8>>, BTreeSet<u32>)>,
}

impl<'c> SecretLines<'c> {
    /// Creates a reader for the connections of `chosen`.
    #[must_use]
    pub fn new(chosen: &'c ChosenPackets) -> Self {
        Self {
            chosen,
            decoder: Decoder::new(&Limits::default()),
            flows: FlowTable::new(&Limits::default()),
            clock: CaptureClock::default(),
            last: FrameRef::default(),
            handshakes: Handshakes::default(),
            logs: Vec::new(),
            log_bytes: 0,
        }
    }

    /// Reads one item of the captures.
    pub fn input(&mut self, input: &Input<'_>) {
        match input {
            Input::Packet(packet) => {
                let decoded = self.decoder.decode(packet);
                if let Decoded::Segment(segment) = &decoded {
                    let owners = self.chosen.owners(packet, &decoded);
                    if !owners.is_empty() {
                        let moment = self.clock.advance(segment.frame.time);
                        self.last = segment.frame;
                        self.handshakes.next = owners;
                        self.flows.segment(segment, moment, &mut self.handshakes);
                    }
                }
            }
            Input::Secrets(secrets) => {
                if let Some(log) = secrets.key_log()
                    && self.log_bytes + log.len() <= MAX_LOG_BYTES
                {
                    self.log_bytes += log.len();
                    self.logs.push(Zeroizing::new(log.to_vec()));
                }
            }
            _ => {}
        }
    }

    /// Ends the reading, and chooses lines of `key_logs` and of those within the captures.
    #[must_use]
    pub fn finish(mut self, key_logs: &[&[u8]]) -> EmbeddedSecrets {
        self.flows
            .finish(self.clock.now(), self.last, &mut self.handshakes);
        let mut lines: Vec<(Zeroizing<Vec<u8>>, BTreeSet<u32>)> = Vec::new();
        let within = self.logs.iter().map(|log| log.as_slice());
        for log in key_logs.iter().copied().chain(within) {
            for line in log.split(|byte| matches!(byte, b'\n' | b'\r')) {
                let wanted = &self.handshakes.wanted;
                if let Some(owners) = SecretId::named_by(line).and_then(|name| wanted.get(&name)) {
                    let line = Zeroizing::new(line.trim_ascii().to_vec());
                    lines.push((line, owners.clone()));
                }
            }
        }
        lines.sort_unstable_by(|(one, _), (other, _)| one.as_slice().cmp(other));
        lines.dedup_by(|(one, _), (other, _)| one == other);
        EmbeddedSecrets { lines }
    }
}

impl Handshakes {
    /// Searches what one direction of a connection has sent, and forgets it.
    fn search(&mut self, flow: FlowId, way: Direction) {
        let Some(streams) = self.streams.get_mut(&flow) else {
            return;
        };
        let bytes = std::mem::take(&mut streams.begun[way.index()]);
        streams.searched[way.index()] += bytes.len();
        self.held -= bytes.len();
        for name in handshake_names(&bytes) {
            // Names of a stranger's making: a bound on all of them.
            if self.wanted.len() < MAX_NAMES {
                let owners = self.wanted.entry(name).or_default();
                owners.extend(streams.owners.iter());
            }
        }
    }
}

impl StreamHandler for Handshakes {
    fn admit(&mut self, _: &Segment<'_>) -> bool {
        true
    }

    fn opened(&mut self, flow: FlowId, _: &FlowSummary) -> Interest {
        let streams = Streams {
            owners: self.next.clone(),
            ..Streams::default()
        };
        self.streams.insert(flow, streams);
        Interest::Bytes
    }

    fn segment(&mut self, _: FlowId, _: Direction, _: &Segment<'_>) {}

    fn established(&mut self, _: FlowId, _: &FlowSummary) {}

    fn data(
        &mut self,
        flow: FlowId,
        way: Direction,
        chunk: Chunk<'_>,
        _: &FlowSummary,
    ) -> Interest {
        let Some(streams) = self.streams.get_mut(&flow) else {
            return Interest::Ignore;
        };
        let index = way.index();
        let begun = &mut streams.begun[index];
        let room = SEARCHED_BYTES.saturating_sub(streams.searched[index] + begun.len());
        let taken = chunk.bytes.get(..room).unwrap_or(chunk.bytes);
        begun.extend_from_slice(taken);
        self.held += taken.len();
        if taken.len() == room || self.held > HELD_BYTES {
            streams.searched[index] = SEARCHED_BYTES;
            self.search(flow, way);
        }
        Interest::Bytes
    }

    fn gap(&mut self, flow: FlowId, way: Direction, _: Gap, _: &FlowSummary) {
        self.search(flow, way);
    }

    fn finished(&mut self, flow: FlowId, way: Direction, _: FrameRef, _: &FlowSummary) {
        self.search(flow, way);
    }

    fn closed(&mut self, flow: FlowId, _: CloseReason, _: FrameRef, _: &FlowSummary) {
        for way in [Direction::Up, Direction::Down] {
            self.search(flow, way);
        }
        self.streams.remove(&flow);
    }
}

impl EmbeddedSecrets {
    /// Returns the number of lines.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.lines.len()
    }

    /// Returns true if no connection has a secret.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Returns the key log for the file of the session with index `owner`; with `None` for a file of all sessions.
    pub(super) fn key_log(&self, owner: Option<u32>) -> Zeroizing<Vec<u8>> {
        let mut log = Zeroizing::new(Vec::new());
        for (line, owners) in &self.lines {
            if owner.is_none_or(|owner| owners.contains(&owner)) {
                log.extend_from_slice(line);
                log.push(b'\n');
            }
        }
        log
    }
}

/// Finds the handshakes in the bytes of one direction, and what a line of a key log may name in them.
fn handshake_names(bytes: &[u8]) -> Vec<SecretId> {
    let mut names = Vec::new();
    let mut searched = 0;
    while let Some(at) = memchr::memmem::find(&bytes[searched..], &[HANDSHAKE_RECORD, 3]) {
        let begin = searched + at;
        let (messages, length) = joined_records(&bytes[begin..]);
        let found = message_names(&messages, &mut names);
        // Two bytes of a file or a line may look like a record; behind a handshake another one may follow, as after CCC.
        searched = begin + if found { length } else { 2 };
    }
    names
}

/// Joins the handshake messages of the records that `bytes` begin with. Returns them, and the length of the records.
fn joined_records(bytes: &[u8]) -> (Vec<u8>, usize) {
    let mut messages = Vec::new();
    let mut at = 0;
    while let Some(&[HANDSHAKE_RECORD, 3, 0..=4, high, low]) = bytes
        .get(at..)
        .and_then(<[u8]>::first_chunk::<RECORD_HEADER>)
    {
        let begin = at + RECORD_HEADER;
        let end = begin + usize::from(u16::from_be_bytes([high, low]));
        messages.extend_from_slice(&bytes[begin..end.min(bytes.len())]);
        at = end.min(bytes.len());
    }
    (messages, at)
}

/// Adds what the first messages of a handshake name. Returns false if they are none.
fn message_names(mut messages: &[u8], names: &mut Vec<SecretId>) -> bool {
    let mut is_handshake = false;
    while let Some((&[kind, high, middle, low], rest)) = messages.split_first_chunk::<4>() {
        let length = u32::from_be_bytes([0, high, middle, low]) as usize;
        let body = rest.get(..length).unwrap_or(rest);
        messages = rest.get(length..).unwrap_or_default();
        match (kind, body) {
            // Version and random.
            (1 | 2, [3, 0..=4, hello @ ..]) => {
                let Some((random, rest)) = hello.split_first_chunk::<32>() else {
                    break;
                };
                is_handshake = true;
                if kind == 1 {
                    names.push(SecretId::ClientRandom(*random));
                }
                if let Some((&length @ 1..=32, rest)) = rest.split_first()
                    && let Some(id) = rest.get(..usize::from(length))
                {
                    names.extend(SecretId::of_session(id));
                }
            }
            // ClientKeyExchange: two bytes of length before the encrypted premaster secret.
            (16, [_, _, secret @ ..]) => {
                is_handshake = true;
                if let Some((first, _)) = secret.split_first_chunk::<8>() {
                    names.push(SecretId::EncryptedPremaster(*first));
                }
            }
            // Other messages of a handshake; what follows one that is none was not read from its beginning.
            (0 | 4 | 8 | 11..=15 | 20 | 22..=24, _) => {}
            _ => break,
        }
    }
    is_handshake
}

/// Content type of handshake records (RFC 8446 section 5.1).
const HANDSHAKE_RECORD: u8 = 22;
/// Bytes of type, version and length of a record.
const RECORD_HEADER: usize = 5;
/// Bytes of each direction in which handshakes are looked for. Logins and AUTH come early.
const SEARCHED_BYTES: usize = 64 << 10;
/// Limit of the bytes held of all connections; beyond it connections are searched as far as they were captured.
const HELD_BYTES: usize = 64 << 20;
/// Limit of the names of connections.
const MAX_NAMES: usize = 1 << 18;
/// Limit of the key logs within captures in bytes.
const MAX_LOG_BYTES: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn client_hello(random: u8, id: &[u8]) -> Vec<u8> {
        let mut hello = vec![22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3];
        hello.extend([random; 32]);
        hello.push(u8::try_from(id.len()).expect("a length"));
        hello.extend(id);
        hello.extend([0; 40]);
        hello
    }

    #[test]
    fn hello_names_its_random_and_the_session_it_resumes() {
        let names = handshake_names(&client_hello(7, b"abc"));
        assert_eq!(
            names,
            [
                SecretId::ClientRandom([7; 32]),
                SecretId::of_session(b"abc").expect("short")
            ]
        );
        assert_eq!(handshake_names(&client_hello(7, b"")[..42]), []);
    }

    #[test]
    fn hello_over_two_records_and_behind_clear_lines_is_found() {
        let hello = client_hello(7, b"abc");
        let (first, second) = hello[5..].split_at(20);
        let mut stream = b"AUTH TLS\r\n".to_vec();
        for part in [first, second] {
            stream.extend([22, 3, 1, 0, u8::try_from(part.len()).expect("short")]);
            stream.extend(part);
        }
        let names = handshake_names(&stream);
        assert_eq!(names.first(), Some(&SecretId::ClientRandom([7; 32])));
        assert_eq!(names.len(), 2);
    }

    #[test]
    fn key_exchange_names_the_encrypted_premaster_secret() {
        let mut record = vec![22, 3, 3, 1, 6, 16, 0, 1, 2, 1, 0];
        record.extend(1..=128);
        let names = handshake_names(&record);
        let first = [1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(names, [SecretId::EncryptedPremaster(first)]);
    }

    #[test]
    fn lines_that_are_no_secrets_name_nothing() {
        let random = "07".repeat(32);
        let secret = "ab".repeat(48);
        let named = |line: String| SecretId::named_by(line.as_bytes());
        assert_eq!(
            named(format!("CLIENT_RANDOM {random} {secret}")),
            Some(SecretId::ClientRandom([7; 32]))
        );
        assert_eq!(
            named(format!("RSA Session-ID:616263 Master-Key:{secret}")),
            Some(SecretId::of_session(b"abc").expect("short"))
        );
        for line in [
            format!("# CLIENT_RANDOM {random} {secret}"),
            format!("CLIENT_RANDOM {random} {secret} and more"),
            format!("CLIENT_RANDOM {random} {}", &secret[..20]),
            format!("CLIENT_RANDOM {random} {}x", &secret[1..]),
            format!("client random {random}"),
            "password=hunter2".to_owned(),
        ] {
            assert_eq!(named(line.clone()), None, "{line}");
        }
    }
}
