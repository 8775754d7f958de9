//! Secrets of a run, and the TLS sessions that later connections may resume.
//!
//! ```text
//! key logs, secrets blocks ─> secrets by client random, session id, encrypted premaster
//! private keys             ─> premaster secrets of handshakes with RSA key exchange
//! handshakes               ─> session ids and tickets: the connection that got them, and its master secret
//! ```
//!
//! A client random may have several secrets of one kind: tools that hook a library log some too early. The last one is tried
//! first. Both stores are bounded; the oldest entries are evicted first.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use compact_str::CompactString;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::DecodePrivateKey;
use rsa::{Pkcs1v15Encrypt, PrivateKey};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::model::record::TlsSecret;

use super::key_log::{KeyLogReader, Label, Secret, SecretId, Unusable};

/// Bytes of a secret, wiped when dropped.
pub(super) type SecretBytes = Zeroizing<Box<[u8]>>;

/// Secrets and resumable sessions.
#[derive(Default)]
pub struct Keyring {
    /// Secrets by what they belong to, the oldest first.
    secrets: HashMap<SecretId, Vec<(TlsSecret, Secret)>, foldhash::fast::RandomState>,
    /// Ids of all secrets in the order they came.
    order: VecDeque<SecretId>,
    private_keys: Vec<PrivateKey>,
    /// Sessions that may be resumed, by a digest of session id or ticket.
    sessions: HashMap<SessionKey, Resumable, foldhash::fast::RandomState>,
    session_order: VecDeque<SessionKey>,
    unusable: Unusable,
    /// Secrets evicted to respect the limit.
    evicted: u64,
    /// A source of secrets was added, even if it held none.
    has_source: bool,
    /// Nothing may be opened.
    off: bool,
    /// Premaster secrets or private keys are known, so that handshakes have to be kept.
    has_premasters: bool,
    /// Secrets that are read only once a connection needs them; `None` if there are none, or they were read.
    further: Option<FurtherSecrets>,
    /// Payload lengths of records with a ticket of TLS 1.3, the last [`TICKET_LENGTHS`].
    ticket_lengths: VecDeque<u64>,
    /// Secrets may still come, so that a missing one is worth waiting for.
    waits: bool,
    /// Random of the last hello whose secrets are missing; `None` once taken.
    wanted: Option<[u8; 32]>,
    /// Randoms that nothing waits for any longer, the last [`GIVEN_UP`].
    given_up: VecDeque<[u8; 32]>,
    /// Buffer for the content of one record, shared by all connections.
    scratch: Vec<u8>,
}

/// Reads further secrets into a keyring.
pub type FurtherSecrets = Box<dyn FnOnce(&mut Keyring) + Send>;

/// Secrets that are known before a run.
#[derive(Clone, Default)]
pub struct SecretSources {
    /// Contents of key logs.
    pub key_logs: Vec<Arc<Zeroizing<Vec<u8>>>>,
    /// Private keys of servers in PEM format, each checked by [`Keyring::add_private_key`].
    pub private_keys: Vec<Arc<Zeroizing<String>>>,
    /// Key logs that are read on while their programs write them.
    pub followed: Vec<FollowedKeyLog>,
    /// Longest time for which bytes wait for a secret; zero for none.
    pub wait: Duration,
    /// Nothing may be opened, not even with secrets that a capture carries.
    pub off: bool,
}

/// Key log that is read on while its program writes it.
#[derive(Clone, Debug)]
pub struct FollowedKeyLog {
    /// Path, to notice that another file has taken its place.
    pub path: PathBuf,
    /// Open file: its path may be out of reach once privileges are dropped.
    pub file: Arc<File>,
}

/// Digest of a session id or ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionKey([u8; 16]);

/// TLS session that may be resumed.
#[derive(Clone, Debug)]
pub(super) struct Resumable {
    /// Name of the connection that established the session.
    pub(super) connection: CompactString,
    /// Master secret of TLS 1.2 and before; `None` if unknown, and in TLS 1.3.
    pub(super) master: Option<SecretBytes>,
}

/// Error: a private key that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrivateKeyError {
    /// The key is protected by a password.
    #[error("the private key is encrypted")]
    Encrypted,
    /// Not a PEM file with an RSA private key.
    #[error("no RSA private key in PEM format")]
    NotRsa,
}

impl std::fmt::Debug for Keyring {
    /// Formats the numbers of secrets only.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyring")
            .field("secrets", &self.order.len())
            .field("private_keys", &self.private_keys.len())
            .field("sessions", &self.sessions.len())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for SecretSources {
    /// Formats the numbers of sources only.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretSources")
            .field("key_logs", &self.key_logs.len())
            .field("private_keys", &self.private_keys.len())
            .field("followed", &self.followed)
            .field("off", &self.off)
            .finish_non_exhaustive()
    }
}

impl Keyring {
    /// Creates a keyring with the secrets of `sources`.
    #[must_use]
    pub fn new(sources: &SecretSources) -> Self {
        let mut keyring = Self::default();
        if sources.off {
            keyring.turn_off();
            return keyring;
        }
        for key_log in &sources.key_logs {
            keyring.add_key_log(TlsSecret::Keylog, key_log);
        }
        keyring.has_source |= !sources.followed.is_empty();
        for key in &sources.private_keys {
            // Keys that cannot be used were refused before the run.
            let _ = keyring.add_private_key(key);
        }
        keyring
    }

    /// Adds the secrets of a whole key log.
    pub fn add_key_log(&mut self, source: TlsSecret, bytes: &[u8]) {
        let mut reader = KeyLogReader::default();
        let mut found = |id, secret| self.add(source, id, secret);
        reader.feed(bytes, &mut found);
        reader.finish(&mut found);
        self.has_source = true;
        self.add_unusable(reader.unusable());
    }

    /// Adds one secret. One that is known already is moved to the end, so that it is tried first.
    pub fn add(&mut self, source: TlsSecret, id: SecretId, secret: Secret) {
        self.has_source = true;
        let secrets = self.secrets.entry(id).or_default();
        if let Some(known) = secrets.iter().position(|(_, known)| *known == secret) {
            let known = secrets.remove(known);
            secrets.push(known);
            return;
        }
        self.has_premasters |= secret.label == Label::Premaster;
        secrets.push((source, secret));
        self.order.push_back(id);
        if self.order.len() > SECRETS {
            self.evict_secret();
        }
    }

    fn evict_secret(&mut self) {
        let Some(oldest) = self.order.pop_front() else {
            return;
        };
        self.evicted += 1;
        if let Some(secrets) = self.secrets.get_mut(&oldest) {
            secrets.remove(0);
            if secrets.is_empty() {
                self.secrets.remove(&oldest);
            }
        }
    }

    /// Adds lines that are no secrets.
    pub const fn add_unusable(&mut self, unusable: Unusable) {
        self.unusable.lines += unusable.lines;
        if self.unusable.first == 0 {
            self.unusable.first = unusable.first;
        }
    }

    /// Adds the private key of a server, from PEM text.
    ///
    /// # Errors
    ///
    /// [`PrivateKeyError`] unless it is an RSA key in PKCS#1 or PKCS#8 that is not encrypted.
    pub fn add_private_key(&mut self, pem: &str) -> Result<(), PrivateKeyError> {
        if pem.contains("ENCRYPTED") {
            return Err(PrivateKeyError::Encrypted);
        }
        // A file may hold certificates and parameters as well.
        let keys = pem.split_inclusive("-----END ").filter_map(|part| {
            let begin = part.rfind("-----BEGIN ")?;
            let body = part.get(begin..)?;
            body.contains("PRIVATE KEY-----").then_some(body)
        });
        let mut found = false;
        for begin in keys {
            let kind = begin.get("-----BEGIN ".len()..).unwrap_or_default();
            let Some((kind, _)) = kind.split_once("-----") else {
                continue;
            };
            let text = format!("{begin}{kind}-----\n");
            let key = PrivateKey::from_pkcs8_pem(&text)
                .ok()
                .or_else(|| PrivateKey::from_pkcs1_pem(&text).ok());
            if let Some(key) = key {
                self.private_keys.push(key);
                found = true;
            }
        }
        self.has_source |= found;
        self.has_premasters |= found;
        found.then_some(()).ok_or(PrivateKeyError::NotRsa)
    }

    /// Uses no secret at all, whatever is added.
    pub const fn turn_off(&mut self) {
        self.off = true;
    }

    /// Returns whether no secret is used.
    #[must_use]
    pub const fn is_off(&self) -> bool {
        self.off
    }

    /// Returns whether there is a source of secrets, even one without any.
    #[must_use]
    pub const fn has_source(&self) -> bool {
        self.has_source && !self.off
    }

    /// Returns the lines of all sources that are no secrets.
    #[must_use]
    pub const fn unusable(&self) -> Unusable {
        self.unusable
    }

    /// Returns how many secrets were evicted to respect the limit.
    #[must_use]
    pub const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Returns the number of secrets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Returns whether there is no secret and no private key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty() && self.private_keys.is_empty()
    }

    /// Returns whether the private key of a server is known.
    #[must_use]
    pub const fn has_private_keys(&self) -> bool {
        !self.private_keys.is_empty() && !self.off
    }

    /// Returns whether any secret of the connection is known.
    #[must_use]
    pub fn knows(&self, client_random: [u8; 32]) -> bool {
        !self.off
            && self
                .secrets
                .contains_key(&SecretId::ClientRandom(client_random))
    }

    /// Returns the secrets of one kind, the one to try first in front.
    pub(super) fn find(
        &self,
        id: SecretId,
        label: Label,
    ) -> impl Iterator<Item = (TlsSecret, &SecretBytes)> {
        let secrets = if self.off {
            None
        } else {
            self.secrets.get(&id)
        };
        secrets
            .into_iter()
            .flatten()
            .rev()
            .filter(move |(_, secret)| secret.label == label)
            .map(|(source, secret)| (*source, &secret.bytes))
            .take(CANDIDATES)
    }

    /// Decrypts a premaster secret with each private key (RFC 5246 section 7.4.7.1).
    pub(super) fn decrypt_premaster(&self, encrypted: &[u8]) -> Vec<SecretBytes> {
        if self.off {
            return Vec::new();
        }
        let keys = self.private_keys.iter();
        keys.filter_map(|key| decrypt_premaster(key, encrypted))
            .collect()
    }

    /// Returns whether premaster secrets or private keys are known.
    pub(super) const fn has_premasters(&self) -> bool {
        self.has_premasters
    }

    /// Adds secrets that are read only once a connection has none.
    pub fn add_further(&mut self, further: FurtherSecrets) {
        self.further = Some(further);
    }

    /// Reads the further secrets if none of the connection is known. If some may still come, remembers that they are `needed`.
    pub(super) fn want(&mut self, client_random: [u8; 32], needed: bool) {
        if self.off || self.has_all(client_random) {
            return;
        }
        if !self.knows(client_random)
            && let Some(further) = self.further.take()
        {
            further(self);
        }
        if needed && self.waits && self.has_source && !self.given_up.contains(&client_random) {
            self.wanted = Some(client_random);
        }
    }

    /// Expects secrets that come later than the packets they open.
    pub const fn expect_late(&mut self) {
        self.waits = true;
    }

    /// Takes the random of a hello whose secrets are missing; `None` if there is none.
    #[inline]
    pub const fn take_wanted(&mut self) -> Option<[u8; 32]> {
        self.wanted.take()
    }

    /// Waits no longer for the secrets of a connection.
    pub fn give_up(&mut self, client_random: [u8; 32]) {
        if self.given_up.len() == GIVEN_UP {
            self.given_up.pop_front();
        }
        self.given_up.push_back(client_random);
    }

    /// Returns whether the secrets of the content of both directions are known. Programs write them one by one.
    #[must_use]
    pub fn has_all(&self, client_random: [u8; 32]) -> bool {
        let known = self.secrets.get(&SecretId::ClientRandom(client_random));
        let has = |label| {
            known.is_some_and(|secrets| secrets.iter().any(|(_, secret)| secret.label == label))
        };
        let both = has(Label::ClientTraffic) && has(Label::ServerTraffic);
        !self.off && (both || has(Label::Master) || has(Label::Premaster))
    }

    /// Returns whether the master secret of a session that a client offers to resume is known.
    pub(super) fn has_master(&self, key: SessionKey) -> bool {
        self.resumable(key)
            .is_some_and(|session| session.master.is_some())
    }

    /// Remembers the payload length of a record with a ticket: from outside it looks like content.
    pub(super) fn note_ticket_length(&mut self, length: u64) {
        if !self.ticket_lengths.contains(&length) {
            if self.ticket_lengths.len() == TICKET_LENGTHS {
                self.ticket_lengths.pop_front();
            }
            self.ticket_lengths.push_back(length);
        }
    }

    /// Returns whether records with a ticket had this payload length.
    pub(super) fn is_ticket_length(&self, length: u64) -> bool {
        self.ticket_lengths.contains(&length)
    }

    /// Takes the buffer for the content of a record.
    pub(super) fn take_scratch(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.scratch)
    }

    /// Gives the buffer for the content of a record back.
    pub(super) fn give_scratch(&mut self, scratch: Vec<u8>) {
        if scratch.capacity() > self.scratch.capacity() {
            self.scratch = scratch;
        }
    }

    /// Remembers a session that may be resumed by `key`.
    pub(super) fn remember(&mut self, key: SessionKey, mut session: Resumable) {
        if session.master.is_none()
            && let Some(known) = self.sessions.get(&key)
        {
            session.master.clone_from(&known.master);
        }
        if self.sessions.insert(key, session).is_none() {
            self.session_order.push_back(key);
        }
        if self.session_order.len() > SESSIONS
            && let Some(oldest) = self.session_order.pop_front()
        {
            self.sessions.remove(&oldest);
        }
    }

    /// Returns the session that `key` resumes; `None` if it is not known.
    pub(super) fn resumable(&self, key: SessionKey) -> Option<&Resumable> {
        self.sessions.get(&key)
    }
}

impl SessionKey {
    /// Creates the key of a session id, ticket or PSK identity.
    pub(super) fn new(bytes: &[u8]) -> Self {
        let digest = Sha256::digest(bytes);
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        Self(key)
    }
}

/// Decrypts RSA PKCS#1 v1.5; `None` unless the result has the form of a premaster secret.
fn decrypt_premaster(key: &PrivateKey, encrypted: &[u8]) -> Option<SecretBytes> {
    let premaster = Zeroizing::new(key.decrypt(Pkcs1v15Encrypt, encrypted).ok()?);
    (premaster.len() == PREMASTER && premaster.first() == Some(&3))
        .then(|| Zeroizing::new(Box::from(premaster.as_slice())))
}

/// Most secrets kept.
const SECRETS: usize = 2_000_000;

/// Most sessions remembered for resumption.
const SESSIONS: usize = 65_536;

/// Most connections whose secrets are given up that are remembered.
const GIVEN_UP: usize = 1024;

/// Most lengths of tickets that are remembered: servers pad them, or give some of few lengths.
const TICKET_LENGTHS: usize = 16;

/// Most secrets of one kind that are tried for one connection.
const CANDIDATES: usize = 16;

/// Length in bytes of the premaster secret of RSA key exchange.
const PREMASTER: usize = 48;

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(byte: u8) -> Secret {
        Secret {
            label: Label::Master,
            bytes: Zeroizing::new(Box::from([byte; 48])),
        }
    }

    #[test]
    fn last_secret_of_a_random_is_tried_first_and_repeated_ones_count_once() {
        let mut keyring = Keyring::default();
        let id = SecretId::ClientRandom([1; 32]);
        for byte in [1, 2, 1] {
            keyring.add(TlsSecret::Keylog, id, secret(byte));
        }
        let found: Vec<u8> = keyring
            .find(id, Label::Master)
            .map(|(_, bytes)| bytes[0])
            .collect();
        assert_eq!((found, keyring.len()), (vec![1, 2], 2));
    }

    #[test]
    fn private_keys_are_read_in_both_formats_and_encrypted_ones_are_refused() {
        let mut keyring = Keyring::default();
        let pkcs8 = include_str!("../../../../testdata/tls/rsa.key");
        let pem = include_str!("../../../../testdata/tls/rsa.pem");
        assert_eq!(keyring.add_private_key(&format!("{pem}{pkcs8}")), Ok(()));
        assert_eq!(keyring.add_private_key(pem), Err(PrivateKeyError::NotRsa));
        let ecdsa = include_str!("../../../../testdata/tls/ecdsa.key");
        assert_eq!(keyring.add_private_key(ecdsa), Err(PrivateKeyError::NotRsa));
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n";
        assert_eq!(
            keyring.add_private_key(encrypted),
            Err(PrivateKeyError::Encrypted)
        );
        assert!(keyring.has_premasters() && !keyring.is_empty());
    }

    #[test]
    fn further_secrets_are_read_once_and_only_for_an_unknown_connection() {
        let mut keyring = Keyring::default();
        keyring.add(
            TlsSecret::Keylog,
            SecretId::ClientRandom([1; 32]),
            secret(1),
        );
        keyring.add_further(Box::new(|keyring| {
            keyring.add(
                TlsSecret::Capture,
                SecretId::ClientRandom([2; 32]),
                secret(2),
            );
        }));
        keyring.want([1; 32], true);
        assert!(!keyring.knows([2; 32]));
        keyring.want([2; 32], true);
        assert!(keyring.knows([2; 32]));
    }
}
