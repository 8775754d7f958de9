//! TLS secrets of chosen connections, for the file that holds their packets.
//!
//! A reading of its own, between the other two: secrets stand before the first packet, and the captures that hold them may
//! hold them anywhere. What belongs to a connection is told by its handshake: the random of the `ClientHello`, the session id
//! of either hello (RFC 5246 section 7.4.1), and the first bytes of the encrypted premaster secret (section 7.4.7.1). Only
//! lines of a key log (RFC 9850) that name one of these leave, so that the secrets of other connections stay where they are.
//! Private keys never leave: they open every connection of their server.

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::RandomState;
use zeroize::Zeroizing;

use super::carve::ChosenPackets;
use crate::capture::Input;
use crate::decode::{Decoded, Decoder, Segment};
use crate::model::{FlowKey, Limits};
use crate::protocol::tls::decryption::SecretId;

/// A reader of handshakes and of the secrets that captures carry.
pub struct SecretLines<'c> {
    chosen: &'c ChosenPackets,
    decoder: Decoder,
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
    /// Directions in which a handshake may still begin, by connection and the index of the direction.
    streams: HashMap<(FlowKey, usize), Stream, RandomState>,
}

/// One direction of a connection, as far as it was searched.
#[derive(Debug, Default)]
struct Stream {
    /// Sequence number that continues `tail`.
    next: u32,
    /// Last bytes, in which a handshake message may have begun.
    tail: Vec<u8>,
    searched: usize,
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
                if let Decoded::Segment(segment) = &decoded
                    && !segment.payload.is_empty()
                {
                    let owners = self.chosen.owners(packet, &decoded);
                    if !owners.is_empty() {
                        self.handshakes.segment(segment, &owners);
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
    pub fn finish(self, key_logs: &[&[u8]]) -> EmbeddedSecrets {
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
    fn segment(&mut self, segment: &Segment<'_>, owners: &BTreeSet<u32>) {
        let (key, direction) = FlowKey::new(segment.source, segment.destination);
        if self.streams.len() >= MAX_STREAMS {
            self.streams.clear();
        }
        let stream = self.streams.entry((key, direction.index())).or_default();
        if stream.searched >= SEARCHED_BYTES {
            return;
        }
        stream.searched += segment.payload.len();
        let continues = !stream.tail.is_empty() && stream.next == segment.sequence;
        let mut window = if continues {
            std::mem::take(&mut stream.tail)
        } else {
            Vec::new()
        };
        window.extend_from_slice(segment.payload);
        for name in handshake_names(&window) {
            // Names of a stranger's making: a bound on all of them.
            if self.wanted.len() < MAX_NAMES {
                self.wanted.entry(name).or_default().extend(owners);
            }
        }
        let kept = window.len().saturating_sub(MESSAGE_BYTES);
        stream.tail = window.split_off(kept);
        let length = u32::try_from(segment.payload.len()).unwrap_or(u32::MAX);
        stream.next = segment.sequence.wrapping_add(length);
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

/// Finds the beginnings of handshake messages that a line of a key log may name.
fn handshake_names(bytes: &[u8]) -> Vec<SecretId> {
    let mut names = Vec::new();
    for at in memchr::memmem::find_iter(bytes, &[HANDSHAKE_RECORD, 3]) {
        let record = bytes.get(at..).unwrap_or_default();
        match record {
            // Version and length of the record, type and length of the message, its version and random.
            &[
                _,
                _,
                0..=4,
                _,
                _,
                kind @ (1 | 2),
                0,
                _,
                _,
                3,
                0..=4,
                ref body @ ..,
            ] => {
                let Some((random, rest)) = body.split_first_chunk::<32>() else {
                    continue;
                };
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
            [_, _, 0..=3, _, _, 16, 0, _, _, _, _, body @ ..] => {
                if let Some((first, _)) = body.split_first_chunk::<8>() {
                    names.push(SecretId::EncryptedPremaster(*first));
                }
            }
            _ => {}
        }
    }
    names
}

/// Content type of handshake records (RFC 8446 section 5.1).
const HANDSHAKE_RECORD: u8 = 22;
/// Bytes from the beginning of a hello to the end of its session id.
const MESSAGE_BYTES: usize = 76;
/// Bytes of each direction in which handshakes are looked for. Logins and AUTH come early.
const SEARCHED_BYTES: usize = 64 << 10;
/// Limit of the directions remembered at once, some 200 bytes each.
const MAX_STREAMS: usize = 1 << 16;
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
