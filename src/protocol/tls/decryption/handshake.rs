//! Handshake messages: joined from records, and the facts that keys depend on.

use compact_str::CompactString;
use sha2::{Digest, Sha256};

use super::key_log::{Label, SecretId};
use super::key_schedule::{master_secret, session_hash};
use super::keyring::{Keyring, Resumable, SecretBytes, SessionKey};
use super::suite::{Suite, TLS_1_0, TLS_1_3, is_rsa_key_exchange};
use crate::model::Direction;
use crate::model::record::{TlsObstacle, TlsResumption, TlsSecret};
use crate::protocol::tls::hello::{ClientHello, Reader, ServerHello};

/// Messages of one direction, which records may split anywhere.
#[derive(Debug, Default)]
pub(super) struct Messages {
    bytes: Vec<u8>,
    /// A part is missing, so that the beginning of the next message is unknown.
    lost: bool,
}

/// Error: a message longer than [`MESSAGE_MAX`].
#[derive(Debug)]
pub(super) struct TooLong;

/// One handshake, as far as keys depend on it.
#[derive(Default)]
pub(super) struct Handshake {
    /// Direction in which the TLS client sends; `None` before its hello.
    pub(super) client_way: Option<Direction>,
    pub(super) client: Option<ClientOffers>,
    pub(super) server: Option<ServerChoices>,
    /// The server asked for another hello (RFC 8446 section 4.1.4).
    pub(super) retry: bool,
    /// A message was captured that only a full handshake has.
    pub(super) full: bool,
    /// Whether the server takes early data; `None` before its encrypted extensions.
    pub(super) early_data: Option<bool>,
    /// Sessions that this handshake establishes: session id and tickets.
    established: Vec<SessionKey>,
    /// Master secret that opened a record, and its origin; `None` before that, and in TLS 1.3.
    pub(super) master: Option<(TlsSecret, SecretBytes)>,
    /// Premaster secret encrypted for the server's RSA key; empty if there is none.
    encrypted_premaster: Vec<u8>,
    /// Messages up to the `ClientKeyExchange`: first hello, the server's, the client's after them.
    transcript: [Vec<u8>; 3],
    /// The transcript is complete up to the `ClientKeyExchange`.
    transcript_complete: bool,
}

/// Offers of the client that keys depend on.
#[derive(Debug)]
pub(super) struct ClientOffers {
    pub(super) random: [u8; 32],
    session_id: Vec<u8>,
    ticket: Option<SessionKey>,
    identities: Vec<SessionKey>,
    pub(super) early_data: bool,
    /// Numbers of the cipher suites of TLS 1.3.
    pub(super) suites_13: Vec<u16>,
}

/// Choices of the server that keys depend on.
#[derive(Debug)]
pub(super) struct ServerChoices {
    random: [u8; 32],
    pub(super) version: u16,
    pub(super) suite_number: u16,
    pub(super) suite: Option<Suite>,
    pub(super) extended_master_secret: bool,
    pub(super) encrypt_then_mac: bool,
    session_id: Vec<u8>,
    pub(super) identity: Option<u16>,
    /// Reason why no record can be opened whatever the secrets; `None` if there is none.
    pub(super) obstacle: Option<TlsObstacle>,
}

impl Messages {
    /// Adds the payload of a record.
    pub(super) fn feed(&mut self, payload: &[u8]) -> Result<(), TooLong> {
        if self.lost {
            return Ok(());
        }
        self.bytes.extend_from_slice(payload);
        match self.bytes.as_slice() {
            [_, a, b, c, ..] if u32::from_be_bytes([0, *a, *b, *c]) as usize > MESSAGE_MAX => {
                Err(TooLong)
            }
            _ => Ok(()),
        }
    }

    /// Removes the next complete message, with its header.
    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        let [_, a, b, c, ..] = self.bytes.as_slice() else {
            return None;
        };
        let length = HEADER + u32::from_be_bytes([0, *a, *b, *c]) as usize;
        if self.bytes.len() < length {
            return None;
        }
        let rest = self.bytes.split_off(length);
        Some(std::mem::replace(&mut self.bytes, rest))
    }

    /// Returns whether no message is begun.
    pub(super) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Drops everything up to the next change of keys.
    pub(super) fn lose(&mut self) {
        self.lost = true;
        self.bytes = Vec::new();
    }

    /// Begins anew, where a message is sure to begin.
    pub(super) fn restart(&mut self) {
        *self = Self::default();
    }
}

impl Handshake {
    /// Records the client's hello. A second one after a retry request replaces the first.
    pub(super) fn on_client_hello(&mut self, way: Direction, hello: ClientHello) {
        self.client_way = Some(way);
        self.client = Some(ClientOffers {
            random: hello.random,
            session_id: hello.session_id,
            ticket: (!hello.ticket.is_empty()).then(|| SessionKey::new(&hello.ticket)),
            identities: hello
                .identities
                .iter()
                .map(|id| SessionKey::new(id))
                .collect(),
            early_data: hello.early_data,
            suites_13: hello.suites_13,
        });
    }

    /// Records the server's hello, which is no retry request.
    pub(super) fn on_server_hello(&mut self, hello: ServerHello) {
        let suite = Suite::new(hello.version, hello.cipher_suite);
        let obstacle = if !(TLS_1_0..=TLS_1_3).contains(&hello.version) {
            Some(TlsObstacle::Version)
        } else if suite.is_none() {
            Some(TlsObstacle::Suite)
        } else if hello.compression != 0 {
            Some(TlsObstacle::Compression)
        } else {
            None
        };
        if hello.version < TLS_1_3 && !hello.session_id.is_empty() {
            self.established.push(SessionKey::new(&hello.session_id));
        }
        self.server = Some(ServerChoices {
            random: hello.random,
            version: hello.version,
            suite_number: hello.cipher_suite,
            suite,
            extended_master_secret: hello.extended_master_secret,
            encrypt_then_mac: hello.encrypt_then_mac,
            session_id: hello.session_id,
            identity: hello.identity,
            obstacle,
        });
    }

    /// Records a `ClientKeyExchange` (RFC 5246 section 7.4.7).
    pub(super) fn on_client_key_exchange(&mut self, body: &[u8]) {
        let is_rsa = self
            .server
            .as_ref()
            .is_none_or(|server| is_rsa_key_exchange(server.suite_number));
        if is_rsa && let Some(encrypted) = Reader(body).vector16() {
            self.encrypted_premaster = encrypted.to_vec();
        }
    }

    /// Keeps a message that an extended master secret depends on.
    pub(super) fn keep(&mut self, way: Direction, message: &[u8]) {
        if self.transcript_complete {
            return;
        }
        let from_client = self.client_way == Some(way);
        let part = match (from_client, self.transcript[0].is_empty()) {
            (true, true) => 0,
            (false, _) => 1,
            (true, false) => 2,
        };
        if let Some(part) = self.transcript.get_mut(part)
            && part.len() + message.len() <= MESSAGE_MAX
        {
            part.extend_from_slice(message);
        }
        self.transcript_complete = message.first() == Some(&CLIENT_KEY_EXCHANGE);
    }

    /// Records a ticket that the server gave.
    pub(super) fn on_ticket(&mut self, ticket: &[u8]) {
        if !ticket.is_empty() && self.established.len() < TICKETS {
            self.established.push(SessionKey::new(ticket));
        }
    }

    /// Returns the suite that the server has chosen; `None` before its hello, and for one that cannot be opened.
    pub(super) fn suite(&self) -> Option<Suite> {
        self.server.as_ref().and_then(|server| server.suite)
    }

    /// Returns whether both hellos were read, so that keys can be looked for.
    pub(super) const fn is_known(&self) -> bool {
        self.client.is_some() && self.server.is_some()
    }

    /// Returns the way in which an earlier session was resumed; `None` if none was, or it cannot be seen.
    pub(super) fn resumption(&self) -> Option<TlsResumption> {
        let (client, server) = (self.client.as_ref()?, self.server.as_ref()?);
        if server.version >= TLS_1_3 {
            return server.identity.map(|_| TlsResumption::Psk);
        }
        if self.full {
            return None;
        }
        let echoed = !client.session_id.is_empty() && client.session_id == server.session_id;
        match client.ticket {
            // The echo of a session id that the client made up confirms the ticket (RFC 5077 section 3.4).
            Some(_) => Some(TlsResumption::Ticket),
            None => echoed.then_some(TlsResumption::SessionId),
        }
    }

    /// Returns whether the client offers to resume a session of TLS 1.2 or before whose master secret is known.
    pub(super) fn may_resume(&self, keyring: &Keyring) -> bool {
        let Some(client) = &self.client else {
            return false;
        };
        let id = (!client.session_id.is_empty()).then(|| SessionKey::new(&client.session_id));
        client
            .ticket
            .into_iter()
            .chain(id)
            .any(|key| keyring.has_master(key))
    }

    /// Returns the session that is resumed; `None` if none is, or it was not captured.
    pub(super) fn resumed<'keys>(&self, keyring: &'keys Keyring) -> Option<&'keys Resumable> {
        let client = self.client.as_ref()?;
        match self.resumption()? {
            TlsResumption::Psk => {
                let index = usize::from(self.server.as_ref()?.identity?);
                keyring.resumable(*client.identities.get(index)?)
            }
            TlsResumption::Ticket => keyring
                .resumable(client.ticket?)
                .or_else(|| keyring.resumable(SessionKey::new(&client.session_id))),
            TlsResumption::SessionId => keyring.resumable(SessionKey::new(&client.session_id)),
        }
    }

    /// Remembers the session id and the tickets of this handshake, for connections that resume it.
    pub(super) fn remember(&mut self, keyring: &mut Keyring, connection: &CompactString) {
        // A session that is resumed stays that of the first connection.
        let connection = self
            .resumed(keyring)
            .map_or(connection, |resumed| &resumed.connection)
            .clone();
        for key in &self.established {
            let master = self.master.as_ref().map(|(_, master)| master.clone());
            let connection = connection.clone();
            keyring.remember(*key, Resumable { connection, master });
        }
        if self.master.is_some() {
            self.established = Vec::new();
            self.transcript = Default::default();
            self.encrypted_premaster = Vec::new();
        }
    }

    /// Returns the master secrets to try before TLS 1.3, the likeliest first.
    pub(super) fn masters(&self, keyring: &Keyring) -> Vec<(TlsSecret, SecretBytes)> {
        if let Some(master) = &self.master {
            return vec![master.clone()];
        }
        let (Some(client), Some(server)) = (&self.client, &self.server) else {
            return Vec::new();
        };
        let id = SecretId::ClientRandom(client.random);
        let of = |id, label| {
            let found = keyring.find(id, label);
            found.map(|(source, secret)| (source, secret.clone()))
        };
        let mut masters: Vec<_> = of(id, Label::Master).collect();
        if !keyring.is_off()
            && let Some(master) = self.resumed(keyring).and_then(|of| of.master.clone())
        {
            masters.push((TlsSecret::Resumed, master));
        }
        masters.extend(
            SecretId::of_session(&server.session_id)
                .into_iter()
                .flat_map(|id| of(id, Label::Master)),
        );
        let mut premasters: Vec<_> = of(id, Label::Premaster).collect();
        if let Some(first) = self.encrypted_premaster.first_chunk() {
            premasters.extend(of(SecretId::EncryptedPremaster(*first), Label::Premaster));
            let decrypted = keyring.decrypt_premaster(&self.encrypted_premaster);
            premasters.extend(
                decrypted
                    .into_iter()
                    .map(|key| (TlsSecret::PrivateKey, key)),
            );
        }
        masters.extend(
            premasters
                .iter()
                .filter_map(|(source, premaster)| Some((*source, self.master_of(premaster)?))),
        );
        masters
    }

    /// Derives the master secret from a premaster secret; `None` if messages it depends on are missing.
    fn master_of(&self, premaster: &[u8]) -> Option<SecretBytes> {
        let (client, server) = (self.client.as_ref()?, self.server.as_ref()?);
        let hash = server.suite?.hash;
        let digest = if server.extended_master_secret {
            if !self.transcript_complete {
                return None;
            }
            let parts: Vec<&[u8]> = self.transcript.iter().map(Vec::as_slice).collect();
            Some(session_hash(server.version, hash, &parts))
        } else {
            None
        };
        let randoms = [&client.random, &server.random];
        let master = master_secret(server.version, hash, premaster, randoms, digest.as_deref());
        Some(SecretBytes::new(Box::from(master.as_slice())))
    }

    /// Returns the randoms as the key block takes them: the server's in front (RFC 5246 section 6.3).
    pub(super) fn key_block_seed(&self) -> Option<[&[u8]; 2]> {
        Some([&self.server.as_ref()?.random, &self.client.as_ref()?.random])
    }
}

/// Returns the SHA-256 of the first certificate in a `Certificate` message.
pub(super) fn certificate_digest(version: u16, body: &[u8]) -> Option<[u8; 32]> {
    let mut body = Reader(body);
    if version >= TLS_1_3 {
        // The context of a request, empty in the server's message (RFC 8446 section 4.4.2).
        body.vector8()?;
    }
    body.take(3)?;
    let length: [u8; 3] = body.array()?;
    let length = u32::from_be_bytes([0, length[0], length[1], length[2]]);
    let certificate = body.take(usize::try_from(length).ok()?)?;
    Some(Sha256::digest(certificate).into())
}

/// Returns the ticket in a `NewSessionTicket` (RFC 5077 section 3.3, RFC 8446 section 4.6.1).
pub(super) fn ticket(version: u16, body: &[u8]) -> Option<&[u8]> {
    let mut body = Reader(body);
    if version >= TLS_1_3 {
        body.take(8)?;
        body.vector8()?;
    } else {
        body.take(4)?;
    }
    body.vector16()
}

pub(super) const CLIENT_KEY_EXCHANGE: u8 = 16;

/// Length of a message header in bytes: type and 24-bit length.
pub(super) const HEADER: usize = 4;

/// Longest message in bytes.
pub(super) const MESSAGE_MAX: usize = 64 << 10;

/// Most tickets of one connection that are remembered.
const TICKETS: usize = 64;
