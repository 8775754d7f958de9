//! One TLS connection: follows the handshake, changes keys where both ends do, and opens records.
//!
//! ```text
//! TLS 1.2   clear ── ChangeCipherSpec ──> session keys ── renegotiation, ChangeCipherSpec ──> session keys ...
//! TLS 1.3   clear ── ServerHello ──> early, handshake ── Finished ──> application ── KeyUpdate ──> application ...
//! ```
//!
//! The keys after a change are those under which the next record opens: with several secrets for one client random, the record
//! decides. Records that come before the hello of the other end are held, in capture order.
//!
//! In TLS 1.3 the keys of records depend on secret and suite alone (RFC 8446 section 7.3), so that a server's hello that is lost
//! need not keep a connection closed: the suites that the client offered are tried, and the tag of a record proves one. Before
//! TLS 1.3 the keys depend on the server's random as well (RFC 5246 section 6.3), and nothing opens.

use compact_str::CompactString;

use super::half::{Epoch, HEADER, Half, Keyed, Layer, Search, Stage, Taken};
use super::handshake::{self, CLIENT_KEY_EXCHANGE, Handshake};
use super::key_log::{Label, SecretId};
use super::key_schedule::prf;
use super::keyring::{Keyring, SecretBytes};
use super::protection::{Proof, Protection, Record, key_block_length, next_traffic_secret};
use super::suite::{Suite, TLS_1_3};
use crate::model::record::{TlsObstacle, TlsResumption, TlsSecret};
use crate::model::{Direction, FrameRef};
use crate::protocol::tls::alert::Alert;
use crate::protocol::tls::hello::{
    ServerHello, parse_client_hello, parse_encrypted_extensions, parse_server_hello,
};
use crate::protocol::tls::record::looks_like_record;

/// Consumer of what a connection carries.
pub trait Receiver {
    /// Takes content, in order. `at` is the frame in which its record ended.
    fn content(&mut self, way: Direction, at: FrameRef, bytes: &[u8]);

    /// Takes note of content that cannot be read, in bytes.
    fn gap(&mut self, way: Direction, at: FrameRef, length: u64);
}

/// TLS connection.
pub struct Connection {
    /// Name that its owner gave it.
    name: CompactString,
    /// By [`Direction::index`].
    halves: [Half; 2],
    handshake: Box<Handshake>,
    facts: Facts,
}

/// Facts about a connection.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Direction in which the TLS client sends; `None` before its hello.
    pub client_way: Option<Direction>,
    /// Why not everything was opened; `None` if everything captured was, or nothing needed to be.
    pub obstacle: Option<TlsObstacle>,
    /// The same for each direction alone, by [`Direction::index`].
    pub obstacles: [Option<TlsObstacle>; 2],
    /// Origin of the secret; `None` before a record opens.
    pub secret: Option<TlsSecret>,
    /// Way in which an earlier session was resumed; `None` if none was, or it cannot be seen.
    pub resumption: Option<TlsResumption>,
    /// Name of the connection whose session is resumed; `None` if none is, or it was not captured.
    pub resumes: Option<CompactString>,
    /// Whether an earlier session was resumed; `None` if the captured part of the handshake does not show it.
    pub resumed: Option<bool>,
    /// Number of the cipher suite; `None` without the server's hello.
    pub cipher_suite: Option<u16>,
    /// Server name that the client asked for; `None` if it named none.
    pub server_name: Option<String>,
    /// Application protocol (ALPN) that was agreed; `None` if none was, or it cannot be read.
    pub application_protocol: Option<Vec<u8>>,
    /// Whether the master secret depends on the handshake; `None` in TLS 1.3.
    pub extended_master_secret: Option<bool>,
    /// Whether CBC records are authenticated after encryption; `None` in TLS 1.3.
    pub encrypt_then_mac: Option<bool>,
    /// Bytes of early data that were opened.
    pub early_data_bytes: u64,
    /// Key updates of both ends.
    pub key_updates: u64,
    /// Handshakes within the encrypted connection.
    pub renegotiations: u64,
    /// Alerts that can be read, without `close_notify`; the first 16.
    pub alerts: Vec<ReadAlert>,
    /// SHA-256 of the server's certificate; `None` if it cannot be read.
    pub certificate: Option<[u8; 32]>,
}

/// Alert that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadAlert {
    /// Direction in which it was sent.
    pub way: Direction,
    /// Level and description.
    pub alert: Alert,
    /// Frame in which its record ended.
    pub at: FrameRef,
}

/// Both sides of a call: secrets in, content out.
struct Io<'a> {
    keyring: &'a mut Keyring,
    receiver: &'a mut dyn Receiver,
}

/// Keys that may be the next ones.
struct Candidate {
    stage: Stage,
    protection: Protection,
    source: TlsSecret,
    /// Traffic secret in TLS 1.3, else the master secret.
    secret: SecretBytes,
}

impl Connection {
    /// Creates a connection, under the name that those which resume its TLS session report.
    #[must_use]
    pub fn new(name: CompactString) -> Self {
        Self {
            name,
            halves: Default::default(),
            handshake: Box::default(),
            facts: Facts::default(),
        }
    }

    /// Reads bytes of one direction, in order. Content goes to `receiver`.
    pub fn data(
        &mut self,
        way: Direction,
        bytes: &[u8],
        at: FrameRef,
        keyring: &mut Keyring,
        receiver: &mut dyn Receiver,
    ) {
        let mut io = Io { keyring, receiver };
        self.read(way, bytes, at, &mut io);
        self.release(&mut io);
    }

    /// Reads a loss of `length` bytes in one direction.
    pub fn gap(
        &mut self,
        way: Direction,
        length: u64,
        at: FrameRef,
        keyring: &mut Keyring,
        receiver: &mut dyn Receiver,
    ) {
        let mut io = Io { keyring, receiver };
        let half = self.half(way);
        if let Some(search) = &mut half.search {
            search.lose(length);
        } else if !matches!(half.layer, Layer::Dead) {
            match half.skip(length) {
                Ok(None) => {}
                Ok(Some(header)) => self.pass_damaged(way, header, at, &mut io),
                Err((hidden, first)) => self.begin_search(way, hidden, first),
            }
        }
        self.release(&mut io);
    }

    /// Begins anew in one direction: a TLS connection begins within the TCP connection.
    pub fn restart(&mut self, way: Direction) {
        let half = self.half(way);
        let counts = half.counts;
        *half = Half::default();
        half.counts = counts;
    }

    /// Ends the connection: what is held can no longer be opened.
    pub fn finish(&mut self, at: FrameRef, keyring: &mut Keyring, receiver: &mut dyn Receiver) {
        let mut io = Io { keyring, receiver };
        for way in [Direction::Up, Direction::Down] {
            if self.prove_suite_by_held(way, &io) {
                self.release_held(way, &mut io);
            }
        }
        for way in [Direction::Up, Direction::Down] {
            let is_13 = self.version() >= TLS_1_3;
            let counts = &mut self.half(way).counts;
            if is_13 && counts.closed > 0 && std::mem::take(&mut counts.last) == ALERT_LENGTH {
                // The last record looks like content, and is as long as the alert that closes.
                counts.records -= 1;
                counts.content -= ALERT_LENGTH;
                counts.closed -= ALERT_LENGTH;
            }
            let closed = std::mem::take(&mut counts.closed);
            if counts.opened > 0 && closed > 0 {
                io.receiver.gap(way, at, closed);
            }
            if !self.half(way).held.is_empty() {
                self.close(way, TlsObstacle::HandshakeMissing);
            }
            let unopened = self
                .half(way)
                .keyed()
                .is_some_and(|keyed| keyed.epoch.is_none() && keyed.unopened > 0);
            if unopened {
                let obstacle = self.reason(io.keyring);
                self.close(way, obstacle);
            }
            if let Some(search) = self.half(way).search.take() {
                if self.handshake.is_known() {
                    self.report_to_end(way, &search, at, &mut io);
                } else {
                    self.count_without_hello(way, &search.bytes, at, &mut io);
                }
            }
        }
    }

    /// Returns the facts so far.
    #[must_use]
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Returns the number of whole records of content in a direction, and how many of them were opened.
    #[must_use]
    pub const fn records(&self, way: Direction) -> (u64, u64) {
        let counts = &self.halves[way.index()].counts;
        (counts.records, counts.opened)
    }

    /// Returns the content bytes of a direction by the lengths of its records, and whether they are exact.
    #[must_use]
    pub const fn content_bytes(&self, way: Direction) -> (u64, bool) {
        let counts = &self.halves[way.index()].counts;
        (counts.content, !counts.inexact)
    }

    /// Returns whether an end said that it closes; `None` if that cannot be read.
    #[must_use]
    pub fn close_notify(&self, way: Direction) -> Option<bool> {
        let half = &self.halves[way.index()];
        let readable = half.counts.close_notify
            || matches!(&half.layer, Layer::Keyed(keyed) if keyed.epoch.is_some())
            || matches!(half.layer, Layer::Clear) && half.has_hello;
        readable.then_some(half.counts.close_notify)
    }

    /// Returns whether records of a direction are opened, or are likely to be: a search behind a loss may never end before
    /// anything was opened.
    #[must_use]
    pub const fn is_open(&self, way: Direction) -> bool {
        let half = &self.halves[way.index()];
        half.is_alive() && (half.search.is_none() || self.has_opened())
    }

    /// Returns whether the next record of a direction is looked for behind a loss, by the keys that open it.
    #[must_use]
    pub const fn is_searching(&self, way: Direction) -> bool {
        self.halves[way.index()].search.is_some() && self.handshake.is_known()
    }

    /// Returns whether nothing that was captured whole stayed closed, and the secrets fit.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        let all = |half: &Half| half.counts.records == half.counts.opened;
        self.facts.obstacle.is_none() && self.halves.iter().all(all)
    }

    /// Returns whether records of content were opened.
    #[must_use]
    pub const fn has_opened(&self) -> bool {
        self.halves[0].counts.opened + self.halves[1].counts.opened > 0
    }

    /// Returns the version that the server chose; 0 without its hello.
    #[must_use]
    pub fn version(&self) -> u16 {
        let server = self.handshake.server.as_ref();
        server.map_or(0, |server| server.version)
    }

    fn half(&mut self, way: Direction) -> &mut Half {
        &mut self.halves[way.index()]
    }

    fn read(&mut self, way: Direction, bytes: &[u8], at: FrameRef, io: &mut Io<'_>) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let half = self.half(way);
            if let Some(search) = &mut half.search {
                search.bytes.extend_from_slice(rest);
                self.search(way, at, io);
                return;
            }
            if matches!(half.layer, Layer::Dead) {
                return;
            }
            match half.next(&mut rest) {
                Taken::More => {}
                Taken::Record(header, payload) => {
                    self.record(way, header, payload.bytes(), at, io);
                    self.half(way).give_back(payload);
                }
                Taken::Damaged(header) => self.pass_damaged(way, header, at, io),
                Taken::Counted(header) => self.count_closed(way, header),
                Taken::Empty => self.count_empty(way),
                Taken::NoRecord => {
                    self.note_obstacle(way, TlsObstacle::Damaged);
                    self.half(way).close(Layer::Dead);
                }
            }
        }
    }

    /// Reads the records of both directions that no longer have to wait.
    fn release(&mut self, io: &mut Io<'_>) {
        for way in [Direction::Up, Direction::Down] {
            if self.handshake.is_known()
                && let Some(search) = &mut self.half(way).search
                && let Some(at) = search.waits.take()
            {
                self.search(way, at, io);
            }
            if self.halves[way.index()].held.is_empty() || self.must_wait(way) {
                continue;
            }
            self.prove_suite_by_held(way, io);
            self.release_held(way, io);
        }
    }

    /// Reads the held records of a direction.
    fn release_held(&mut self, way: Direction, io: &mut Io<'_>) {
        for held in self.half(way).take_held() {
            self.record(way, held.header, &held.payload, held.at, io);
        }
    }

    /// Returns whether encrypted records have to wait for something that the other end may still send.
    fn must_wait(&self, way: Direction) -> bool {
        // Keys in force open the hellos of a renegotiation, too.
        if matches!(&self.halves[way.index()].layer, Layer::Keyed(keyed) if keyed.epoch.is_some()) {
            return false;
        }
        let other = &self.halves[way.reverse().index()];
        if !other.is_alive() {
            return false;
        }
        if !self.handshake.is_known() {
            // The other end may still be looking for its hello behind a loss.
            return other.search.is_none() || !other.has_hello;
        }
        if other.search.is_some() {
            return false;
        }
        // Whether early data is taken stands in the encrypted extensions.
        let offered = self.handshake.client_way == Some(way)
            && self.version() >= TLS_1_3
            && self
                .handshake
                .client
                .as_ref()
                .is_some_and(|client| client.early_data);
        let decided = self.handshake.early_data.is_some()
            || matches!(&other.layer, Layer::Keyed(keyed) if keyed.stage == Stage::Application);
        offered && !decided
    }

    /// Reads one whole record.
    fn record(
        &mut self,
        way: Direction,
        header: [u8; HEADER],
        payload: &[u8],
        at: FrameRef,
        io: &mut Io<'_>,
    ) {
        let half = self.half(way);
        if !half.held.is_empty() && !half.hold(header, payload, at) {
            if self.prove_suite_by_held(way, io) {
                self.release_held(way, io);
            } else {
                let obstacle = if self.handshake.is_known() {
                    TlsObstacle::Limit
                } else {
                    TlsObstacle::HandshakeMissing
                };
                self.close(way, obstacle);
            }
        }
        let half = self.half(way);
        if !half.held.is_empty() {
            return;
        }
        match &half.layer {
            Layer::Clear => self.clear_record(way, header, payload, at, io),
            Layer::Keyed(_) => self.keyed_record(way, header, payload, at, io),
            Layer::Closed => self.count_closed(way, header),
            Layer::Dead => {}
        }
    }

    fn clear_record(
        &mut self,
        way: Direction,
        header: [u8; HEADER],
        payload: &[u8],
        at: FrameRef,
        io: &mut Io<'_>,
    ) {
        let has_hello = self.half(way).has_hello;
        match header[0] {
            HANDSHAKE
                if !has_hello
                    && self.half(way).messages.is_empty()
                    && !is_hello(Record { header, payload }) =>
            {
                self.close(way, TlsObstacle::HandshakeMissing);
            }
            HANDSHAKE => self.messages(way, payload, false, io),
            ALERT => self.alert(way, payload, at),
            CHANGE_CIPHER_SPEC if self.handshake.retry => {}
            // The first hello is lost; the second one follows where the server asked for it (RFC 8446 appendix D.4).
            CHANGE_CIPHER_SPEC if !has_hello => {}
            CHANGE_CIPHER_SPEC | APPLICATION_DATA => {
                if !has_hello {
                    // Neither end sends this before its own hello, which is lost.
                    if self.prove_suite(way, Record { header, payload }, io) {
                        return self.keyed_record(way, header, payload, at, io);
                    }
                    self.close(way, TlsObstacle::HandshakeMissing);
                    self.count_closed(way, header);
                } else if !self.handshake.is_known() {
                    if !self.must_wait(way) || !self.half(way).hold(header, payload, at) {
                        self.close(way, TlsObstacle::HandshakeMissing);
                        self.count_closed(way, header);
                    }
                } else if header[0] == CHANGE_CIPHER_SPEC {
                    self.change_cipher(way, io);
                } else {
                    self.half(way).layer = Layer::Keyed(Box::default());
                    self.keyed_record(way, header, payload, at, io);
                }
            }
            _ => {}
        }
    }

    fn keyed_record(
        &mut self,
        way: Direction,
        header: [u8; HEADER],
        payload: &[u8],
        at: FrameRef,
        io: &mut Io<'_>,
    ) {
        if self.version() >= TLS_1_3 {
            match header[0] {
                // Sent for middleboxes only (RFC 8446 appendix D.4).
                CHANGE_CIPHER_SPEC => return,
                // An end without keys can send nothing else.
                ALERT if payload.len() == 2 => return self.alert(way, payload, at),
                // The second hello of the client, whose request by the server was lost.
                HANDSHAKE if is_hello(Record { header, payload }) => {
                    self.half(way).messages.restart();
                    return self.messages(way, payload, false, io);
                }
                APPLICATION_DATA => {}
                _ => return self.close(way, TlsObstacle::Damaged),
            }
        }
        if self.must_wait(way) {
            if !self.half(way).hold(header, payload, at) {
                self.close(way, TlsObstacle::Limit);
            }
            return;
        }
        let record = Record { header, payload };
        let mut content = io.keyring.take_scratch();
        let opened = self.open(way, record, &mut content, at, io);
        self.note_lengths(way, record, opened, &content, io);
        match opened {
            Some(kind) => self.opened(way, kind, &content, at, io),
            None => self.pass_unopened(way, header, at, io),
        }
        io.keyring.give_scratch(content);
    }

    /// Remembers what the lengths of a record show: it has been opened as `opened`, or not.
    fn note_lengths(
        &mut self,
        way: Direction,
        record: Record<'_>,
        opened: Option<u8>,
        content: &[u8],
        io: &mut Io<'_>,
    ) {
        let payload = record.payload;
        let is_13 = self.version() >= TLS_1_3;
        let Some(keyed) = self.half(way).keyed() else {
            return;
        };
        if payload.len() > keyed.longest {
            keyed.longest = payload.len();
            keyed.longest_content = None;
        }
        if let Some(epoch) = &mut keyed.epoch {
            let number = epoch.sequence;
            let authentic = opened.is_some() || epoch.protection.authenticates(number, record);
            epoch.protection.passed(payload, authentic);
        }
        if opened == Some(APPLICATION_DATA) && payload.len() == keyed.longest {
            keyed.longest_content = Some(content.len() as u64);
        }
        let is_ticket = opened == Some(HANDSHAKE) && content.first() == Some(&NEW_SESSION_TICKET);
        if is_13 && is_ticket {
            io.keyring.note_ticket_length(payload.len() as u64);
        }
    }

    /// Opens a record under the keys in force or the next ones. Returns its content type.
    fn open(
        &mut self,
        way: Direction,
        record: Record<'_>,
        content: &mut Vec<u8>,
        at: FrameRef,
        io: &mut Io<'_>,
    ) -> Option<u8> {
        let keyed = self.half(way).keyed()?;
        if let Some(epoch) = &mut keyed.epoch {
            if let Some(kind) = epoch.protection.open(epoch.sequence, record, content) {
                epoch.sequence += 1;
                keyed.failures = 0;
                keyed.passed.clear();
                return Some(kind);
            }
            if epoch.stage == Stage::Application {
                return None;
            }
        }
        let tried = NUMBERS.min(keyed.passed.len() + 1);
        let passed = keyed.passed.len() as u64;
        for mut candidate in self.candidates(way, io.keyring) {
            // Of the records that passed, the last ones may have been the first under these keys. Behind refused early data
            // the first record has number 0 all the same.
            let numbers = [passed, 0].into_iter().chain((1..passed).rev());
            for sequence in numbers.take(tried) {
                if sequence > 0 {
                    candidate.protection.passed(&[], false);
                }
                match candidate.protection.prove(sequence, record, content) {
                    Some(Proof::Opened(kind)) => {
                        self.adopt(way, candidate, sequence, sequence, at, io);
                        return Some(kind);
                    }
                    Some(Proof::Authentic) => {
                        // The number of this record is counted where it is passed. Only padding can be wrong in the first one.
                        let before = sequence.checked_sub(1)?;
                        self.adopt(way, candidate, before, sequence, at, io);
                        return None;
                    }
                    None => {}
                }
            }
        }
        None
    }

    /// Returns the keys that may follow those in force, the likeliest first.
    fn candidates(&self, way: Direction, keyring: &Keyring) -> Vec<Candidate> {
        let (Some(client), Some(server)) = (&self.handshake.client, &self.handshake.server) else {
            return Vec::new();
        };
        let (Some(suite), None) = (server.suite, server.obstacle) else {
            return Vec::new();
        };
        let is_client = self.handshake.client_way == Some(way);
        if server.version < TLS_1_3 {
            let Some(seed) = self.handshake.key_block_seed() else {
                return Vec::new();
            };
            let length = key_block_length(suite, server.version);
            let masters = self.handshake.masters(keyring).into_iter();
            return masters
                .filter_map(|(source, secret)| {
                    let block = prf(
                        server.version,
                        suite.hash,
                        &secret,
                        b"key expansion",
                        &seed,
                        length,
                    );
                    let protection = Protection::from_key_block(
                        suite,
                        server.version,
                        &block,
                        is_client,
                        server.encrypt_then_mac,
                    )?;
                    Some(Candidate {
                        stage: Stage::Application,
                        protection,
                        source,
                        secret,
                    })
                })
                .collect();
        }
        let (stage, begun) = match &self.halves[way.index()].layer {
            Layer::Keyed(keyed) => (keyed.stage, keyed.epoch.is_some()),
            _ => (Stage::Early, false),
        };
        let takes_early = is_client && self.handshake.early_data == Some(true);
        let labels = [
            (Stage::Early, Label::ClientEarly),
            (
                Stage::Handshake,
                if is_client {
                    Label::ClientHandshake
                } else {
                    Label::ServerHandshake
                },
            ),
            (
                Stage::Application,
                if is_client {
                    Label::ClientTraffic
                } else {
                    Label::ServerTraffic
                },
            ),
        ];
        let id = SecretId::ClientRandom(client.random);
        let possible = labels.into_iter().filter(|(next, _)| {
            (*next > stage || *next == stage && !begun) && (*next != Stage::Early || takes_early)
        });
        possible
            .flat_map(|(stage, label)| {
                keyring.find(id, label).filter_map(move |(source, secret)| {
                    Some(Candidate {
                        stage,
                        protection: Protection::from_traffic_secret(suite, secret)?,
                        source,
                        secret: secret.clone(),
                    })
                })
            })
            .collect()
    }

    /// Puts keys in force that opened the record of this number. Of the records before it, `passed` were seen, and may have
    /// hidden content.
    fn adopt(
        &mut self,
        way: Direction,
        candidate: Candidate,
        sequence: u64,
        passed: u64,
        at: FrameRef,
        io: &mut Io<'_>,
    ) {
        let mut lost = Vec::new();
        if candidate.stage == Stage::Application
            && let Some(keyed) = self.half(way).keyed()
        {
            let before = keyed
                .passed
                .len()
                .saturating_sub(usize::try_from(passed).unwrap_or(usize::MAX));
            lost.extend(keyed.passed.iter().skip(before).copied());
        }
        self.facts.secret.get_or_insert(candidate.source);
        let is_13 = self.version() >= TLS_1_3;
        let half = &mut self.halves[way.index()];
        if !matches!(half.layer, Layer::Keyed(_)) {
            half.layer = Layer::Keyed(Box::default());
        }
        if half.counts.opened == 0 && candidate.stage == Stage::Application {
            // Records before these keys belonged to the handshake.
            half.counts = super::half::Counts::default();
        }
        if let Some(keyed) = half.keyed() {
            keyed.change(candidate.stage);
            keyed.epoch = Some(super::half::Epoch {
                protection: candidate.protection,
                stage: candidate.stage,
                secret: is_13.then(|| candidate.secret.clone()),
                sequence: sequence + 1,
            });
        }
        for (kind, length) in lost {
            if kind == APPLICATION_DATA {
                self.lose_record(way, u64::from(length), at, io);
            }
        }
        if !is_13 && self.handshake.master.is_none() {
            self.handshake.master = Some((candidate.source, candidate.secret));
            self.handshake.remember(io.keyring, &self.name);
        }
    }

    /// Reads the content of an opened record.
    fn opened(&mut self, way: Direction, kind: u8, content: &[u8], at: FrameRef, io: &mut Io<'_>) {
        let stage = self
            .half(way)
            .keyed()
            .map_or(Stage::Application, |keyed| keyed.stage);
        match kind {
            HANDSHAKE => self.messages(way, content, true, io),
            ALERT => self.alert(way, content, at),
            CHANGE_CIPHER_SPEC if self.version() < TLS_1_3 => self.change_cipher(way, io),
            APPLICATION_DATA if stage != Stage::Handshake => {
                let counts = &mut self.half(way).counts;
                counts.records += 1;
                counts.opened += 1;
                counts.content += content.len() as u64;
                if stage == Stage::Early {
                    self.facts.early_data_bytes += content.len() as u64;
                }
                if content.is_empty() {
                    self.count_empty(way);
                } else {
                    self.half(way).counts.empty = 0;
                    io.receiver.content(way, at, content);
                }
            }
            _ => {}
        }
    }

    /// Passes a whole record that does not open.
    fn pass_unopened(
        &mut self,
        way: Direction,
        header: [u8; HEADER],
        at: FrameRef,
        io: &mut Io<'_>,
    ) {
        let length = super::half::payload_length(header) as u64;
        let Some(keyed) = self.half(way).keyed() else {
            return;
        };
        if let Some(epoch) = &mut keyed.epoch
            && epoch.stage == Stage::Application
        {
            epoch.sequence += 1;
            keyed.failures += 1;
            let failures = keyed.failures;
            self.note_obstacle(way, TlsObstacle::Damaged);
            if header[0] == APPLICATION_DATA {
                self.half(way).counts.records += 1;
                self.lose_record(way, length, at, io);
            }
            if failures > FAILURES {
                self.close(way, TlsObstacle::Damaged);
            }
            return;
        }
        keyed.pass(header);
        keyed.unopened += 1;
        keyed.unopened_bytes += length;
        let (unopened, bytes) = (keyed.unopened, keyed.unopened_bytes);
        let exhausted = unopened > self.patience(way, io.keyring) || bytes > UNOPENED_BYTES;
        if exhausted || self.candidates(way, io.keyring).is_empty() {
            let obstacle = self.reason(io.keyring);
            self.close(way, obstacle);
        }
        self.count_closed(way, header);
    }

    /// Returns how many records of a direction may stay closed in a row while secrets are known for it.
    ///
    /// Where the keys of its very first record are known, that one has to open, or the secrets are wrong; another one is tried
    /// because a record may be damaged. In TLS 1.3 records of the handshake come first whose keys may be missing, and of a
    /// client early data that the server refused.
    fn patience(&self, way: Direction, keyring: &Keyring) -> u64 {
        let (Some(client), true) = (&self.handshake.client, self.version() >= TLS_1_3) else {
            return CERTAIN;
        };
        let is_client = self.handshake.client_way == Some(way);
        let label = if is_client {
            Label::ClientHandshake
        } else {
            Label::ServerHandshake
        };
        let id = SecretId::ClientRandom(client.random);
        if is_client && client.early_data {
            UNOPENED
        } else if keyring.find(id, label).next().is_some() {
            CERTAIN
        } else {
            HANDSHAKE_RECORDS
        }
    }

    /// Returns whether the secret that the content of both directions depends on is known, be it right or wrong.
    fn has_secrets(&self, keyring: &Keyring) -> bool {
        let Some(client) = &self.handshake.client else {
            return false;
        };
        if self.version() < TLS_1_3 {
            return keyring.knows(client.random) || !self.handshake.masters(keyring).is_empty();
        }
        let id = SecretId::ClientRandom(client.random);
        [Label::ClientTraffic, Label::ServerTraffic]
            .into_iter()
            .all(|label| keyring.find(id, label).next().is_some())
    }

    /// Returns why nothing of the connection opens.
    fn reason(&self, keyring: &Keyring) -> TlsObstacle {
        if keyring.is_off() {
            return TlsObstacle::Off;
        }
        let (Some(_), Some(server)) = (&self.handshake.client, &self.handshake.server) else {
            return TlsObstacle::HandshakeMissing;
        };
        match server.obstacle {
            _ if !self.has_secrets(keyring) => TlsObstacle::NoSecret,
            Some(obstacle) => obstacle,
            None if server.version < TLS_1_3 && self.handshake.masters(keyring).is_empty() => {
                TlsObstacle::HandshakeMissing
            }
            None => TlsObstacle::WrongSecret,
        }
    }

    /// Passes a record of which bytes are missing.
    fn pass_damaged(
        &mut self,
        way: Direction,
        header: [u8; HEADER],
        at: FrameRef,
        io: &mut Io<'_>,
    ) {
        let length = super::half::payload_length(header) as u64;
        let half = self.half(way);
        match &mut half.layer {
            Layer::Clear if header[0] == HANDSHAKE => half.messages.lose(),
            Layer::Keyed(keyed) => {
                let Some(epoch) = &mut keyed.epoch else {
                    keyed.pass(header);
                    half.messages.lose();
                    return;
                };
                epoch.sequence += 1;
                epoch.protection.passed(&[], false);
                if epoch.stage == Stage::Application && header[0] == APPLICATION_DATA {
                    self.lose_record(way, length, at, io);
                } else {
                    keyed.pass(header);
                    half.messages.lose();
                }
            }
            Layer::Clear | Layer::Closed | Layer::Dead => {}
        }
    }

    /// Reports the content of a record that stays closed though its keys are known, by its payload length.
    ///
    /// A record as long as an alert, or as a ticket in front of all content, is taken for one: TLS 1.3 hides what it is.
    fn lose_record(&mut self, way: Direction, length: u64, at: FrameRef, io: &mut Io<'_>) {
        let is_13 = self.version() >= TLS_1_3;
        let is_client = self.handshake.client_way == Some(way);
        let half = self.half(way);
        let Layer::Keyed(keyed) = &half.layer else {
            return;
        };
        let Some(epoch) = &keyed.epoch else {
            return;
        };
        let is_ticket =
            !is_client && half.counts.opened == 0 && io.keyring.is_ticket_length(length);
        let (mut content, exact) = epoch.protection.content_length(length);
        if is_13 && (is_ticket || content == ALERT_LENGTH) {
            return;
        }
        if length == keyed.longest as u64 {
            content = keyed.longest_content.unwrap_or(content);
        }
        half.counts.content += content;
        half.counts.inexact |= !exact;
        io.receiver.gap(way, at, content);
    }

    /// Stops opening records of a direction; those held are counted.
    fn close(&mut self, way: Direction, obstacle: TlsObstacle) {
        self.note_obstacle(way, obstacle);
        let held = self.half(way).take_held();
        self.half(way).close(Layer::Closed);
        for held in held {
            self.count_closed(way, held.header);
        }
    }

    fn note_obstacle(&mut self, way: Direction, obstacle: TlsObstacle) {
        let of_way = &mut self.facts.obstacles[way.index()];
        for known in [&mut self.facts.obstacle, of_way] {
            *known = Some(known.unwrap_or(obstacle).min(obstacle));
        }
    }

    /// Counts a record that stays closed.
    ///
    /// In TLS 1.3 the end of the handshake looks like content: not counted are the client's records up to its Finished
    /// ([`ClientFlight`](super::ClientFlight)), and all records of the server before it (RFC 8446 section 4.4.4).
    fn count_closed(&mut self, way: Direction, header: [u8; HEADER]) {
        if header[0] != APPLICATION_DATA {
            return;
        }
        let is_13 = self.version() >= TLS_1_3;
        let is_client = self.handshake.client_way == Some(way);
        let was_open = self.halves.iter().any(|half| half.counts.opened > 0);
        let length = super::half::payload_length(header) as u64;
        if is_13 && is_client && !was_open {
            let suite = self.facts.cipher_suite;
            if self.half(way).flight.take(length, suite) {
                if self.half(way).flight.is_done() {
                    self.end_flight(way);
                }
                return;
            }
        }
        let server = self.handshake.server.as_ref();
        let (content, exact) = match server.and_then(|server| Some((server, server.suite?))) {
            Some((server, suite)) => suite.content_length(server.version, length),
            None => (length, false),
        };
        let counts = &mut self.half(way).counts;
        counts.records += 1;
        counts.content += content;
        counts.closed += content;
        counts.inexact |= !exact;
        counts.last = content;
    }

    /// Ends the handshake of a TLS 1.3 client: what its server sent before that and stayed closed was handshake, too.
    fn end_flight(&mut self, way: Direction) {
        self.half(way).flight.end();
        let server = self.half(way.reverse());
        if server.counts.opened == 0 {
            server.counts = super::half::Counts::default();
        }
    }

    /// Counts a record without content, of which an end may send some but not many in a row.
    fn count_empty(&mut self, way: Direction) {
        let counts = &mut self.half(way).counts;
        counts.empty += 1;
        if counts.empty > EMPTY && self.half(way).is_alive() {
            self.close(way, TlsObstacle::Damaged);
        }
    }

    fn alert(&mut self, way: Direction, bytes: &[u8], at: FrameRef) {
        let [level, description] = *bytes else {
            return;
        };
        let alert = Alert { level, description };
        if description == CLOSE_NOTIFY {
            self.half(way).counts.close_notify = true;
        } else if self.facts.alerts.len() < ALERTS {
            self.facts.alerts.push(ReadAlert { way, alert, at });
        }
    }

    /// Puts the keys of TLS 1.2 and before in force.
    fn change_cipher(&mut self, way: Direction, io: &mut Io<'_>) {
        if self.version() >= TLS_1_3 {
            return;
        }
        let half = &mut self.halves[way.index()];
        if !matches!(half.layer, Layer::Keyed(_)) {
            half.layer = Layer::Keyed(Box::default());
        }
        if let Some(keyed) = half.keyed() {
            keyed.change(Stage::Application);
        }
        half.messages.restart();
        if self.handshake.client_way != Some(way) {
            self.note_resumption(io.keyring);
            self.handshake.remember(io.keyring, &self.name);
        }
    }

    fn note_resumption(&mut self, keyring: &Keyring) {
        self.facts.resumption = self.handshake.resumption();
        self.facts.resumed = Some(self.facts.resumption.is_some());
        let resumed = self.handshake.resumed(keyring);
        self.facts.resumes = resumed.map(|resumed| resumed.connection.clone());
    }

    /// Reads handshake messages from the payload of a record.
    fn messages(&mut self, way: Direction, payload: &[u8], encrypted: bool, io: &mut Io<'_>) {
        if self.half(way).messages.feed(payload).is_err() {
            return self.close(way, TlsObstacle::Damaged);
        }
        while let Some(message) = self.half(way).messages.next() {
            if let Some((kind, rest)) = message.split_first() {
                let body = rest.get(handshake::HEADER - 1..).unwrap_or_default();
                self.message(way, *kind, body, encrypted, io);
                if matches!(*kind, CLIENT_HELLO..=CLIENT_KEY_EXCHANGE)
                    && io.keyring.has_premasters()
                {
                    self.handshake.keep(way, &message);
                }
            }
        }
    }

    fn message(&mut self, way: Direction, kind: u8, body: &[u8], encrypted: bool, io: &mut Io<'_>) {
        let version = self.version();
        match kind {
            CLIENT_HELLO => {
                let Some(hello) = parse_client_hello(body) else {
                    return;
                };
                // The second hello of one handshake has the random of the first, which may be lost.
                let client = self.handshake.client.as_ref();
                let is_another = client.is_some_and(|client| client.random != hello.random);
                if self.handshake.server.is_some() && is_another {
                    self.facts.renegotiations += u64::from(encrypted);
                    *self.handshake = Handshake::default();
                }
                let random = hello.random;
                self.facts.client_way = Some(way);
                self.facts.server_name.clone_from(&hello.server_name);
                self.half(way).has_hello = true;
                self.handshake.on_client_hello(way, hello);
                let needed = !self.handshake.may_resume(io.keyring);
                io.keyring.want(random, needed);
            }
            SERVER_HELLO => self.server_hello(way, body, io),
            NEW_SESSION_TICKET => {
                if let Some(ticket) = handshake::ticket(version, body) {
                    self.handshake.on_ticket(ticket);
                    if version >= TLS_1_3 {
                        self.handshake.remember(io.keyring, &self.name);
                    }
                }
            }
            END_OF_EARLY_DATA if encrypted => self.begin_stage(way, Stage::Handshake),
            ENCRYPTED_EXTENSIONS if encrypted => {
                let (protocol, early_data) = parse_encrypted_extensions(body);
                self.facts.application_protocol = protocol;
                self.handshake.early_data = Some(early_data);
            }
            CERTIFICATE => {
                self.handshake.full = true;
                if self.handshake.client_way != Some(way) {
                    self.facts.certificate = handshake::certificate_digest(version, body);
                }
            }
            SERVER_KEY_EXCHANGE | CERTIFICATE_REQUEST | SERVER_HELLO_DONE => {
                self.handshake.full = true;
            }
            CLIENT_KEY_EXCHANGE => self.handshake.on_client_key_exchange(body),
            FINISHED if version >= TLS_1_3 => {
                if self.handshake.client_way == Some(way) {
                    self.end_flight(way);
                }
                self.begin_stage(way, Stage::Application);
            }
            KEY_UPDATE if version >= TLS_1_3 && encrypted => self.update_keys(way),
            _ => {}
        }
    }

    fn server_hello(&mut self, way: Direction, body: &[u8], io: &mut Io<'_>) {
        let Some(hello) = parse_server_hello(body) else {
            return;
        };
        self.half(way).has_hello = true;
        if hello.retry_request {
            // The client answers with another hello; suite and version come again.
            self.handshake.retry = true;
            return;
        }
        let is_13 = hello.version >= TLS_1_3;
        self.facts.cipher_suite = Some(hello.cipher_suite);
        if is_13 {
            self.facts.resumed = Some(hello.pre_shared_key);
            (
                self.facts.extended_master_secret,
                self.facts.encrypt_then_mac,
            ) = (None, None);
        } else {
            self.facts.extended_master_secret = Some(hello.extended_master_secret);
            self.facts.encrypt_then_mac = Some(hello.encrypt_then_mac);
            self.facts
                .application_protocol
                .clone_from(&hello.application_protocol);
        }
        self.handshake.on_server_hello(hello);
        if is_13 {
            self.begin_13(way);
            self.note_resumption(io.keyring);
        }
    }

    /// Begins the encrypted part of a TLS 1.3 handshake in both directions; the server sends in `way`.
    fn begin_13(&mut self, way: Direction) {
        for end in [way, way.reverse()] {
            if self.half(end).is_alive() {
                let mut keyed = Keyed::default();
                keyed.change(if end == way {
                    Stage::Handshake
                } else {
                    Stage::Early
                });
                let half = self.half(end);
                half.layer = Layer::Keyed(Box::new(keyed));
                half.messages.restart();
            }
        }
    }

    /// Finds the suite of a TLS 1.3 connection whose server's hello is lost, by the record that it opens. Returns whether the
    /// suite is known then.
    fn prove_suite(&mut self, way: Direction, record: Record<'_>, io: &Io<'_>) -> bool {
        let (Some(client), None) = (&self.handshake.client, &self.handshake.server) else {
            return false;
        };
        if record.header[0] != APPLICATION_DATA {
            return false;
        }
        let is_client = self.handshake.client_way == Some(way);
        let labels = if is_client {
            [
                Label::ClientHandshake,
                Label::ClientTraffic,
                Label::ClientEarly,
            ]
            .as_slice()
        } else {
            [Label::ServerHandshake, Label::ServerTraffic].as_slice()
        };
        let id = SecretId::ClientRandom(client.random);
        let cost = record.payload.len() as u64 + TRIAL_COST;
        let mut content = Vec::new();
        let mut found = None;
        let trials = &mut self.halves[way.index()].trials;
        'suites: for &number in &client.suites_13 {
            let Some(suite) = Suite::new(TLS_1_3, number) else {
                continue;
            };
            for &label in labels {
                for (_, secret) in io.keyring.find(id, label) {
                    let Some(keys) = Protection::from_traffic_secret(suite, secret) else {
                        continue;
                    };
                    for sequence in 0..NUMBERS as u64 {
                        *trials += cost;
                        if *trials > TRIALS {
                            return false;
                        }
                        if keys.open(sequence, record, &mut content).is_some() {
                            found = Some((number, label));
                            break 'suites;
                        }
                    }
                }
            }
        }
        let Some((cipher_suite, label)) = found else {
            return false;
        };
        self.facts.cipher_suite = Some(cipher_suite);
        self.handshake.on_server_hello(ServerHello {
            version: TLS_1_3,
            cipher_suite,
            ..ServerHello::default()
        });
        if label == Label::ClientEarly {
            self.handshake.early_data = Some(true);
        }
        let server_way = if is_client { way.reverse() } else { way };
        self.half(server_way).has_hello = true;
        self.begin_13(server_way);
        true
    }

    /// Finds the suite by the records that are held for the server's hello.
    fn prove_suite_by_held(&mut self, way: Direction, io: &Io<'_>) -> bool {
        if self.handshake.is_known() || self.halves[way.index()].held.is_empty() {
            return false;
        }
        let held = std::mem::take(&mut self.half(way).held);
        let known = held.iter().take(HELD_TRIED).any(|held| {
            let record = Record {
                header: held.header,
                payload: &held.payload,
            };
            self.prove_suite(way, record, io)
        });
        self.half(way).held = held;
        known
    }

    fn begin_stage(&mut self, way: Direction, stage: Stage) {
        if let Some(keyed) = self.half(way).keyed() {
            keyed.change(stage);
        }
    }

    /// Puts the next keys of a direction in force (RFC 8446 section 7.2). No key log has them.
    fn update_keys(&mut self, way: Direction) {
        let suite = self.handshake.suite();
        let Some((suite, keyed)) = suite.zip(self.half(way).keyed()) else {
            return;
        };
        if let Some(epoch) = &mut keyed.epoch
            && let Some(secret) = &epoch.secret
        {
            let next = next_traffic_secret(suite, secret);
            if let Some(protection) = Protection::from_traffic_secret(suite, &next) {
                epoch.protection = protection;
                epoch.secret = Some(SecretBytes::new(Box::from(next.as_slice())));
                epoch.sequence = 0;
                self.facts.key_updates += 1;
            }
        }
    }
}

/// Records behind a loss that hides where they begin.
impl Connection {
    /// Begins a search behind `hidden` bytes, of which the first damaged record has the payload length `first`; `None` if its
    /// header is missing.
    fn begin_search(&mut self, way: Direction, hidden: u64, first: Option<u16>) {
        let is_known = self.handshake.is_known();
        let half = self.half(way);
        match half.layer {
            Layer::Closed | Layer::Dead => {
                half.counts.inexact = true;
                half.layer = Layer::Dead;
                return;
            }
            Layer::Clear | Layer::Keyed(_) => {}
        }
        half.messages.lose();
        if !is_known && !half.held.is_empty() {
            // What is held cannot be placed behind what is found.
            self.close(way, TlsObstacle::HandshakeMissing);
            self.half(way).layer = Layer::Dead;
            return;
        }
        let settled =
            matches!(&half.layer, Layer::Keyed(keyed) if keyed.stage == Stage::Application);
        half.search = Some(Box::new(Search {
            hidden,
            first,
            settled,
            ..Search::default()
        }));
    }

    /// Looks for the next record behind a loss in the bytes captured so far.
    fn search(&mut self, way: Direction, at: FrameRef, io: &mut Io<'_>) {
        if self.half(way).has_hello && !self.handshake.is_known() {
            // Without the hello of the other end there are no keys to try.
            if let Some(search) = &mut self.half(way).search {
                search.waits = Some(at);
                if search.bytes.len() > super::half::HELD_MAX {
                    let bytes = std::mem::take(&mut search.bytes);
                    self.half(way).search = None;
                    self.count_without_hello(way, &bytes, at, io);
                }
            }
            return;
        }
        let Some(mut search) = self.half(way).search.take() else {
            return;
        };
        loop {
            let Ok((place, length)) = search.next_place() else {
                if self.handshake.is_known() {
                    search.trim();
                } else if search.bytes.len() > super::half::HELD_MAX {
                    return self.count_without_hello(way, &search.bytes, at, io);
                }
                self.half(way).search = Some(search);
                return;
            };
            let end = place + HEADER + length;
            let bytes = std::mem::take(&mut search.bytes);
            let (before, from) = bytes.split_at(place);
            let header = *from.first_chunk().expect("a place has a header");
            let record = Record {
                header,
                payload: &from[HEADER..HEADER + length],
            };
            let hidden = search.hidden.saturating_add(place as u64);
            let mut content = io.keyring.take_scratch();
            let found = self.try_place(
                way,
                record,
                before,
                hidden,
                search.settled,
                &mut content,
                at,
                io,
            );
            if let Some(found) = found {
                self.half(way).messages.restart();
                match found {
                    Found::Opened { kind, records } => {
                        // The lengths of this record help to estimate what the loss hides.
                        self.note_lengths(way, record, Some(kind), &content, io);
                        self.report_hidden(way, hidden, records, at, io);
                        self.opened(way, kind, &content, at, io);
                    }
                    Found::Authentic { records } => {
                        self.report_hidden(way, hidden, records, at, io);
                        self.note_lengths(way, record, None, &content, io);
                        self.pass_unopened(way, header, at, io);
                    }
                    Found::Clear => self.clear_record(way, header, record.payload, at, io),
                }
                io.keyring.give_scratch(content);
                return self.read(way, &bytes[end..], at, io);
            }
            io.keyring.give_scratch(content);
            search.bytes = bytes;
            search.at = place + 2;
            search.places += 1;
            if !self.handshake.is_known() {
                // A hello that was captured begins where bytes do, behind a ChangeCipherSpec at most.
                let places = if self.has_secrets(io.keyring) {
                    PLACES
                } else {
                    HELLO_PLACES
                };
                if search.places >= places || self.half(way).trials > TRIALS {
                    return self.count_without_hello(way, &search.bytes, at, io);
                }
                continue;
            }
            if search.places >= PLACES || self.half(way).trials > TRIALS {
                let hidden = hidden.saturating_add((search.bytes.len() - place) as u64);
                self.report_hidden(way, hidden, Hidden::Unknown, at, io);
                self.close(way, TlsObstacle::Gap);
                self.half(way).layer = Layer::Dead;
                return;
            }
        }
    }

    /// Counts the records behind a loss that hides a hello without which nothing opens: `bytes`, and those that follow. Mostly
    /// segments are lost, and a record begins behind them.
    fn count_without_hello(&mut self, way: Direction, bytes: &[u8], at: FrameRef, io: &mut Io<'_>) {
        self.close(way, TlsObstacle::HandshakeMissing);
        if are_records(bytes) {
            self.read(way, bytes, at, io);
        } else {
            self.half(way).layer = Layer::Dead;
        }
    }

    /// Tries to open the record at a place under the sequence numbers that are possible there. `settled` says that the loss hides
    /// only records under the keys of the content.
    #[expect(clippy::too_many_arguments, reason = "the parts of one search")]
    fn try_place(
        &mut self,
        way: Direction,
        record: Record<'_>,
        before: &[u8],
        hidden: u64,
        settled: bool,
        content: &mut Vec<u8>,
        at: FrameRef,
        io: &mut Io<'_>,
    ) -> Option<Found> {
        if !self.half(way).has_hello && is_hello(record) {
            return Some(Found::Clear);
        }
        if matches!(self.half(way).layer, Layer::Clear) {
            if !self.handshake.is_known() && !self.prove_suite(way, record, io) {
                return None;
            }
            if is_clear_record(record) {
                return Some(Found::Clear);
            }
        }
        let half = &mut self.halves[way.index()];
        let cost = record.payload.len() as u64 + TRIAL_COST;
        let mut next_keys = None;
        if let Layer::Keyed(keyed) = &mut half.layer
            && let Some(epoch) = &mut keyed.epoch
        {
            epoch.protection.passed(before, false);
            // Records are mostly of one length, so that the number of those hidden is known about.
            let longest = (keyed.longest + HEADER) as u64;
            let least = (hidden / longest.max(1)).saturating_sub(1).min(SEQUENCES);
            let first = epoch.sequence;
            for skipped in (least..SEQUENCES).chain(0..least) {
                half.trials += cost;
                if half.trials > TRIALS {
                    return None;
                }
                let Some(proof) = epoch.protection.prove(first + skipped, record, content) else {
                    continue;
                };
                keyed.failures = 0;
                let records = if epoch.stage == Stage::Application {
                    Hidden::Records(skipped)
                } else {
                    Hidden::Handshake
                };
                return Some(match proof {
                    Proof::Opened(kind) => {
                        epoch.sequence = first + skipped + 1;
                        Found::Opened { kind, records }
                    }
                    Proof::Authentic => {
                        epoch.sequence = first + skipped;
                        Found::Authentic { records }
                    }
                });
            }
            let suite = self.handshake.suite();
            if let (Some(secret), Some(suite), Stage::Application) =
                (&epoch.secret, suite, epoch.stage)
            {
                next_keys = updated_keys(suite, secret);
            }
        }
        let updated = next_keys.is_some();
        let candidates = match next_keys {
            Some(next) => vec![next],
            None => self.candidates(way, io.keyring),
        };
        for mut candidate in candidates {
            candidate.protection.passed(before, false);
            for sequence in 0..SEQUENCES {
                let half = self.half(way);
                half.trials += cost;
                if half.trials > TRIALS {
                    return None;
                }
                if let Some(proof) = candidate.protection.prove(sequence, record, content) {
                    self.facts.key_updates += u64::from(updated);
                    let half = self.half(way);
                    let seen = half.keyed().map_or(0, |keyed| keyed.passed.len() as u64);
                    let seen = if settled { seen.min(sequence) } else { 0 };
                    // Up to TLS 1.2 the first record under new keys is the Finished, which is no content.
                    let finished = u64::from(self.version() < TLS_1_3 && seen == 0);
                    let content_records = (sequence - seen).saturating_sub(finished);
                    let records = match candidate.stage {
                        Stage::Early | Stage::Handshake => Hidden::Handshake,
                        Stage::Application if updated => Hidden::Unknown,
                        Stage::Application => {
                            hidden_content(content_records, settled, finished == 1)
                        }
                    };
                    self.adopt(way, candidate, sequence, seen, at, io);
                    return Some(match proof {
                        Proof::Opened(kind) => Found::Opened { kind, records },
                        Proof::Authentic => {
                            if let Some(epoch) = self
                                .half(way)
                                .keyed()
                                .and_then(|keyed| keyed.epoch.as_mut())
                            {
                                epoch.sequence = sequence;
                            }
                            Found::Authentic { records }
                        }
                    });
                }
            }
        }
        None
    }

    /// Reports the content that a loss hides in `hidden` bytes.
    fn report_hidden(
        &mut self,
        way: Direction,
        hidden: u64,
        records: Hidden,
        at: FrameRef,
        io: &mut Io<'_>,
    ) {
        let is_client = self.handshake.client_way == Some(way);
        let half = self.half(way);
        let Layer::Keyed(keyed) = &half.layer else {
            return;
        };
        let Some(epoch) = &keyed.epoch else {
            return;
        };
        if epoch.stage != Stage::Application {
            return;
        }
        let is_behind = matches!(records, Hidden::BehindHandshake(_));
        let is_known = half.counts.opened > 1 || is_behind && keyed.longest_content.is_some();
        let (longest, beside) = typical_record(keyed, epoch, is_known);
        let (count, hidden) = match records {
            Hidden::Handshake => return,
            Hidden::Records(count) => (count, hidden),
            // Its verify data have 12 bytes behind the header of the message (RFC 5246 section 7.4.9).
            Hidden::BehindFinished(count) => (count, hidden.saturating_sub(16 + beside)),
            // How long the handshake is stays unknown; records of content mostly have one length.
            Hidden::BehindHandshake(count) => {
                let each = keyed.longest_content.unwrap_or(longest) + beside;
                (count, hidden.min(count.saturating_mul(each)))
            }
            Hidden::Unknown => (hidden.div_ceil(longest), hidden),
        };
        let each = hidden.checked_div(count).unwrap_or(0);
        let are_tickets = !is_client
            && half.counts.opened == 0
            && each * count == hidden
            && io
                .keyring
                .is_ticket_length(each.saturating_sub(HEADER as u64));
        if count == 0 || are_tickets {
            return;
        }
        let content = hidden.saturating_sub(count.saturating_mul(beside));
        let (_, exact) = epoch.protection.content_length(longest);
        half.counts.content += content;
        half.counts.inexact |=
            !exact || matches!(records, Hidden::Unknown | Hidden::BehindHandshake(_));
        if content > 0 {
            io.receiver.gap(way, at, content);
        }
    }

    /// Reports the content that a loss hides up to the end of the direction. The last record is taken for the alert that closes,
    /// which nearly every program sends.
    fn report_to_end(&mut self, way: Direction, search: &Search, at: FrameRef, io: &mut Io<'_>) {
        let half = self.half(way);
        let hidden = search.hidden.saturating_add(search.bytes.len() as u64);
        let Some((keyed, epoch)) = half
            .keyed()
            .and_then(|keyed| Some((&*keyed, keyed.epoch.as_ref()?)))
        else {
            return self.note_obstacle(way, TlsObstacle::Gap);
        };
        let first = search.first.map_or(0, u64::from);
        let alert = HEADER as u64 + epoch.protection.shortest(ALERT_LENGTH);
        let whole = search.first.map_or(0, |_| HEADER as u64 + first);
        let rest = hidden.saturating_sub(whole);
        if hidden == whole + alert || hidden == alert {
            // Nothing but the alert is missing beside a record whose length is known.
            if hidden != alert {
                self.lose_record(way, first, at, io);
            }
            return;
        }
        let longest = keyed.longest as u64;
        if whole > 0 && rest > alert && first <= longest {
            self.lose_record(way, first, at, io);
            self.report_hidden(way, rest - alert, Hidden::Unknown, at, io);
        } else {
            let hidden = hidden.saturating_sub(alert);
            self.report_hidden(way, hidden, Hidden::Unknown, at, io);
        }
        self.note_obstacle(way, TlsObstacle::Gap);
    }
}

/// Returns the length of the longest record with its header, and what a record takes beside its content, in bytes.
fn typical_record(keyed: &Keyed, epoch: &Epoch, is_known: bool) -> (u64, u64) {
    // Before there are records of content to go by, the longest possible ones are assumed.
    let typical = if is_known {
        keyed.longest
    } else {
        LONGEST.max(keyed.longest)
    } as u64;
    let beside = match keyed.longest_content {
        Some(content) => (keyed.longest as u64).saturating_sub(content),
        None => LEAST - epoch.protection.content_length(LEAST).0,
    };
    let header = HEADER as u64;
    (typical.max(1) + header, beside + header)
}

/// Records that a loss hides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hidden {
    /// So many records of content.
    Records(u64),
    /// So many, behind a Finished of TLS 1.2 and before.
    BehindFinished(u64),
    /// So many at most, behind messages of a handshake.
    BehindHandshake(u64),
    /// Some; other keys may have been in force before.
    Unknown,
    /// None: the handshake goes on behind the loss.
    Handshake,
}

/// Record found behind a loss.
enum Found {
    Opened {
        kind: u8,
        records: Hidden,
    },
    /// One that its MAC places, and that does not open.
    Authentic {
        records: Hidden,
    },
    /// Part of a handshake in clear.
    Clear,
}

/// Returns whether a record in clear begins with a hello.
fn is_hello(record: Record<'_>) -> bool {
    match (record.header[0], record.payload) {
        // A hello may be longer than its first record, and others may follow.
        (HANDSHAKE, [CLIENT_HELLO | SERVER_HELLO, 0, _, _, 3, 0..=3, ..]) => true,
        _ => false,
    }
}

/// Returns whether bytes begin with a record that another one follows, or nothing.
fn are_records(bytes: &[u8]) -> bool {
    let is_header = |bytes: &[u8]| bytes.len() >= HEADER && looks_like_record(bytes);
    is_header(bytes) && {
        let length = usize::from(u16::from_be_bytes([bytes[3], bytes[4]]));
        let behind = bytes.get(HEADER + length..).unwrap_or_default();
        behind.len() < HEADER || is_header(behind)
    }
}

/// Returns the keys behind a `KeyUpdate` (RFC 8446 section 7.2).
fn updated_keys(suite: Suite, secret: &SecretBytes) -> Option<Candidate> {
    let next = next_traffic_secret(suite, secret);
    let protection = Protection::from_traffic_secret(suite, &next)?;
    Some(Candidate {
        stage: Stage::Application,
        protection,
        source: TlsSecret::Keylog,
        secret: SecretBytes::new(Box::from(next.as_slice())),
    })
}

/// Returns what a loss hides before a record that is opened under new keys of the content, `records` of which came before it.
/// `finished`: the first of all was the Finished.
const fn hidden_content(records: u64, settled: bool, finished: bool) -> Hidden {
    match (records, settled) {
        (0, _) => Hidden::Records(0),
        (_, true) if finished => Hidden::BehindFinished(records),
        (_, true) => Hidden::Records(records),
        (_, false) => Hidden::BehindHandshake(records),
    }
}

/// Returns whether a record is a handshake message or change of keys in clear.
fn is_clear_record(record: Record<'_>) -> bool {
    match (record.header[0], record.payload) {
        (CHANGE_CIPHER_SPEC, [1]) => true,
        (HANDSHAKE, [kind, a, b, c, rest @ ..]) => {
            matches!(
                *kind,
                NEW_SESSION_TICKET | CERTIFICATE..=CLIENT_KEY_EXCHANGE
            ) && u32::from_be_bytes([0, *a, *b, *c]) as usize <= rest.len()
        }
        _ => false,
    }
}

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const NEW_SESSION_TICKET: u8 = 4;
const END_OF_EARLY_DATA: u8 = 5;
const ENCRYPTED_EXTENSIONS: u8 = 8;
const CERTIFICATE: u8 = 11;
const SERVER_KEY_EXCHANGE: u8 = 12;
const CERTIFICATE_REQUEST: u8 = 13;
const SERVER_HELLO_DONE: u8 = 14;
const FINISHED: u8 = 20;
const KEY_UPDATE: u8 = 24;

const CLOSE_NOTIFY: u8 = 0;

/// Length of an alert in bytes.
const ALERT_LENGTH: u64 = 2;

/// Most alerts of a connection that are kept.
const ALERTS: usize = 16;

/// Most records in a row that may fail under keys that opened others.
const FAILURES: u32 = 64;

/// Most records that may stay closed where the keys of the first one are known.
const CERTAIN: u64 = 1;

/// Most records of a TLS 1.3 handshake whose secrets are missing: one for each message, and three more for a long chain of
/// certificates.
const HANDSHAKE_RECORDS: u64 = 8;

/// Most records, and their bytes, that may stay closed before keys are given up: early data that the server refused.
const UNOPENED: u64 = 256;
const UNOPENED_BYTES: u64 = 256 << 10;

/// Most records without content in a row. OpenSSL sends one before each record of TLS 1.0 CBC.
const EMPTY: u32 = 1000;

/// Sequence numbers tried behind a loss.
const SEQUENCES: u64 = 4096;

/// Payload length in bytes by which the parts of a record beside its content are measured: longer than all of them.
const LEAST: u64 = 1024;

/// Payload in bytes of a record with as much content as there can be.
const LONGEST: usize = (1 << 14) + 40;

/// Places tried behind a loss; and behind one that hides the first bytes of a direction.
const PLACES: u32 = 64;
const HELLO_PLACES: u32 = 2;

/// Most held records by which the suite of a connection without the server's hello is looked for.
const HELD_TRIED: usize = 8;

/// Most sequence numbers tried for the first record under new keys.
const NUMBERS: usize = 32;

/// Most work on trial openings in one direction, in bytes; and the fixed part of one trial.
const TRIALS: u64 = 1 << 30;
const TRIAL_COST: u64 = 64;

impl std::fmt::Debug for Connection {
    /// Formats the facts only: keys and content stay out of messages.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("name", &self.name)
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}
