//! TLS on a control connection, as it looks without keys (RFC 4217): its beginning, the facts in its hellos, its end.
//!
//! ```text
//! bytes of one end -> Layer::Clear ── a record where a line should begin ──> Layer::Records
//!                        ^                                                       │ no record header
//!                        └── a command or a reply ── Layer::Judging <────────────┘ (CCC, RFC 4217 section 12.3)
//!                                                       └─ neither ──> Layer::Lost: nothing is read
//! ```

use compact_str::CompactString;

use crate::diagnosis::TlsStart;
use crate::model::record::{Opener, Tls};
use crate::model::{Direction, FrameRef, Timestamp};
use crate::protocol::ftp::{Verb, parse_command, reply_code, strip_telnet};
use crate::protocol::tls::alert::Alert;
use crate::protocol::tls::cipher_suite;
use crate::protocol::tls::decryption::{Connection, Keyring};
use crate::protocol::tls::hello::{HandshakeReader, resumed, version_name};
use crate::protocol::tls::record::{ContentType, looks_like_record};
use crate::session::encrypted::tls_filter::{Piece, TlsFilter};
use crate::session::encrypted::tls_record::{OpenedPieces, tls_record};

/// Encryption of one control connection.
#[derive(Debug, Default)]
pub(crate) struct Encryption {
    /// AUTH TLS was accepted, and no clear command came since.
    accepted: bool,
    /// AUTH TLS was accepted at some time.
    negotiated: bool,
    /// A TLS record was seen.
    seen: bool,
    /// By end, the client first; `None` for an endpoint that has only sent cleartext.
    ends: [Option<Box<EndEncryption>>; 2],
    /// PROT P is in force, or another level; `None` before PROT.
    data_protected: Option<bool>,
    /// The handshake was reported in a step.
    reported: bool,
    /// First and last frame of the hellos; `None` before the first.
    hellos: Option<Box<(FrameRef, FrameRef)>>,
    /// Time of the last bytes that cannot be read; `None` before the first.
    heard: Option<Timestamp>,
    /// Commands cannot be read now.
    hidden: bool,
    /// TLS with secrets, where the client sends [`Direction::Up`]; `None` before the first record.
    tls: Option<Box<Opening>>,
}

/// Opening of the records of both ends.
#[derive(Debug)]
struct Opening {
    connection: Connection,
    /// Secrets may open the rest of what an end sends; by end, the client first.
    readable: [bool; 2],
}

#[derive(Debug, Default)]
struct EndEncryption {
    layer: Layer,
    filter: TlsFilter,
    /// The end was encrypted, and is clear again (CCC).
    returned: bool,
    progress: Progress,
}

/// Records of one end, as far as they show whether a handshake succeeded.
#[derive(Debug, Default)]
struct Progress {
    /// Frame of the first record; `None` before it.
    first: Option<u64>,
    /// A record other than an alert was seen.
    carried: bool,
    /// A `ChangeCipherSpec` was seen: up to TLS 1.2 the end has accepted the handshake.
    changed_cipher: bool,
    /// Longest record of application data, in bytes. In TLS 1.3 most of the handshake looks like that.
    longest_application: u16,
    /// Bytes of the current alert in clear, at most 2.
    alert_bytes: Vec<u8>,
    /// First alert in clear that ends a handshake, and its frame; `None` without one.
    alert: Option<(Alert, u64)>,
}

#[derive(Debug, Default)]
enum Layer {
    /// Lines.
    #[default]
    Clear,
    /// The old hello of SSL 2, of which so many bytes are left; records follow (RFC 5246 appendix E.2).
    OldHello(usize),
    /// TLS records, read by the filter.
    Records,
    /// No record where one should begin: bytes until the end of what may be a line.
    Judging(Vec<u8>),
    /// Neither records nor lines.
    Lost,
}

/// Result of reading bytes of an encrypted end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// All of them are encrypted, or undecided so far.
    All,
    /// The stream is clear again.
    Clear {
        /// The line that shows it.
        line: Vec<u8>,
        /// Bytes that belong to it or to records before it.
        used: usize,
    },
}

/// TLS handshake of a control connection, as its step shows it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Handshake {
    /// Version, cipher suite, resumption; `None` without the server's hello.
    pub(crate) facts: Option<String>,
    /// All bytes of the handshake were captured.
    pub(crate) whole: bool,
    /// At least one hello was read.
    pub(crate) has_hello: bool,
    pub(crate) begun: FrameRef,
    pub(crate) ended: FrameRef,
}

impl Encryption {
    /// Returns whether an end's stream is read as lines.
    pub(crate) fn is_clear(&self, from_client: bool) -> bool {
        self.end(from_client)
            .is_none_or(|end| matches!(end.layer, Layer::Clear))
    }

    /// Returns whether an end has sent a TLS record.
    pub(crate) fn has_records(&self, from_client: bool) -> bool {
        self.end(from_client)
            .is_some_and(|end| end.progress.first.is_some())
    }

    /// Returns how far TLS came, as evidence for the diagnosis; `None` where nobody asked for it.
    pub(crate) fn start(&self) -> Option<TlsStart> {
        if !self.negotiated && !self.seen {
            return None;
        }
        let of = |from_client| self.end(from_client);
        let first = |from_client| of(from_client).and_then(|end| end.progress.first);
        let changed = |from_client| of(from_client).is_some_and(|end| end.progress.changed_cipher);
        let longest =
            |from_client| of(from_client).map_or(0, |end| end.progress.longest_application);
        let alert = |from_client, by| {
            let (alert, frame) = of(from_client)?.progress.alert?;
            Some((frame, by, alert))
        };
        // The client's Finished of TLS 1.3 takes 53 bytes and more; its encrypted alert takes 19 (RFC 8446 sections 4.4.4
        // and 5.2). Both look like application data.
        let established = longest(true) >= FINISHED
            || changed(true) && changed(false) && self.tls_version() < TLS_1_3;
        Some(TlsStart {
            negotiated: self.negotiated,
            client: first(true),
            server: first(false),
            alert: [alert(true, Opener::Client), alert(false, Opener::Server)]
                .into_iter()
                .flatten()
                .min_by_key(|(frame, ..)| *frame),
            established,
            encrypted_alert: (1..FINISHED).contains(&longest(true)),
            unknown: self
                .ends
                .iter()
                .flatten()
                .any(|end| end.filter.is_blind() || matches!(end.layer, Layer::Lost)),
        })
    }

    /// Returns the version that the server chose; 0 without its hello.
    fn tls_version(&self) -> u16 {
        self.end(false)
            .and_then(|end| end.filter.server_hello())
            .map_or(0, |hello| hello.version)
    }

    /// Returns whether a TLS record was seen on the connection.
    pub(crate) const fn was_seen(&self) -> bool {
        self.seen
    }

    /// Returns whether the client's stream is encrypted now.
    pub(crate) fn hides_commands(&self) -> bool {
        // A server that answers USER with an alert encrypts nothing, and neither does its client.
        let carried = self
            .ends
            .iter()
            .flatten()
            .any(|end| end.progress.carried || !matches!(end.layer, Layer::Clear));
        let readable = self.is_readable(true);
        self.seen && carried && !readable && self.end(true).is_none_or(|end| !end.returned)
    }

    /// Returns whether commands are read out of their records while replies stay closed: the secrets of the client's direction
    /// alone are known (RFC 8446 section 7.3).
    pub(crate) fn hides_replies(&self) -> bool {
        let reads_commands = self.is_readable(true)
            && (self.connection()).is_some_and(|tls| tls.records(way(true)).1 > 0);
        reads_commands && !self.is_readable(false) && !self.is_clear(false)
    }

    /// Returns whether the records of an end are opened, or may still be.
    pub(crate) fn is_readable(&self, from_client: bool) -> bool {
        self.tls
            .as_ref()
            .is_some_and(|tls| tls.readable[usize::from(!from_client)])
    }

    /// Returns the opened connection, for what its handshake shows; `None` before the first record.
    pub(crate) fn connection(&self) -> Option<&Connection> {
        self.tls.as_ref().map(|tls| &tls.connection)
    }

    /// Returns whether PROT P is in force.
    pub(crate) fn protects_data(&self) -> bool {
        self.data_protected == Some(true)
    }

    /// Records that AUTH with a mechanism of TLS was accepted.
    pub(crate) const fn accept(&mut self) {
        self.accepted = true;
        self.negotiated = true;
    }

    /// Records a command in clear: after AUTH it shows that nothing was encrypted after all. Returns whether that is new.
    pub(crate) const fn clear_command(&mut self) -> bool {
        std::mem::replace(&mut self.accepted, false) && !self.seen
    }

    /// Marks commands as hidden from here on. Returns whether they were readable before.
    pub(crate) const fn hide_commands(&mut self) -> bool {
        !std::mem::replace(&mut self.hidden, true)
    }

    /// Marks commands as readable from here on. Returns whether they were hidden before.
    pub(crate) const fn show_commands(&mut self) -> bool {
        std::mem::replace(&mut self.hidden, false)
    }

    /// Returns the time of the last bytes that cannot be read; `None` without any.
    pub(crate) const fn heard(&self) -> Option<Timestamp> {
        self.heard
    }

    /// Returns the handshake once, when it is over as far as it can be read; `None` without hellos.
    pub(crate) fn take_handshake(&mut self) -> Option<Handshake> {
        if std::mem::replace(&mut self.reported, true) {
            return None;
        }
        let (begun, ended) = *self.hellos.as_deref()?;
        Some(Handshake {
            facts: self.facts(),
            whole: self.ends.iter().flatten().all(|end| !end.filter.is_blind()),
            has_hello: self.has_hello(),
            begun,
            ended,
        })
    }

    /// Records the time of bytes that cannot be read.
    pub(crate) const fn hear(&mut self, time: Timestamp) {
        self.heard = Some(time);
    }

    /// Records the level of an accepted PROT.
    pub(crate) fn protect(&mut self, level: &[u8]) {
        self.data_protected = Some(level.trim_ascii().eq_ignore_ascii_case(b"P"));
    }

    /// Switches an end to TLS if `bytes`, at the beginning of a line, begin like it. Returns whether they do.
    pub(crate) fn begin(&mut self, from_client: bool, bytes: &[u8]) -> bool {
        let layer = match bytes {
            [HANDSHAKE]
            | [HANDSHAKE, 3, ..]
            | [CHANGE_CIPHER_SPEC..=APPLICATION_DATA, 3, 0..=4, ..] => Layer::Records,
            [high, low, 1, 3, ..] if from_client && high & 0x80 != 0 => {
                self.seen = true;
                Layer::OldHello(usize::from(u16::from_be_bytes([high & 0x7f, *low])) + OLD_HEADER)
            }
            _ => return false,
        };
        let end = self.end_mut(from_client);
        if bytes.first() == Some(&HANDSHAKE) {
            // Another handshake after a CCC; its facts replace those of the first one.
            end.filter.restart_handshake();
        }
        end.filter.resume();
        end.returned = false;
        end.layer = layer;
        if let Some(tls) = &mut self.tls {
            tls.connection.restart(way(from_client));
        }
        true
    }

    /// Reads bytes of an end that is not clear.
    ///
    /// Content goes to `opened`, of both ends: records of the other one may have waited for these bytes.
    pub(crate) fn take(
        &mut self,
        from_client: bool,
        bytes: &[u8],
        arrived: FrameRef,
        name: impl FnOnce() -> CompactString,
        keyring: &mut Keyring,
        opened: &mut OpenedPieces,
    ) -> Taken {
        let mut rest = bytes;
        let (mut records, mut hello) = (0_usize, false);
        let tls = self.tls.get_or_insert_with(|| {
            Box::new(Opening {
                connection: Connection::new(name()),
                readable: [false; 2],
            })
        });
        let is_searching = tls.connection.is_searching(way(from_client));
        let [client, server] = &mut self.ends;
        let end = if from_client { client } else { server }.get_or_insert_default();
        if matches!(end.layer, Layer::Lost)
            && (is_searching
                || tls.connection.has_opened() && tls.connection.is_open(way(from_client)))
        {
            // The next record is known only by the key that opens it.
            tls.read(from_client, bytes, arrived, keyring, opened);
            self.seen = true;
            self.hear(arrived.time);
            return Taken::All;
        }
        if let Layer::OldHello(left) = &mut end.layer {
            let passed = (*left).min(rest.len());
            *left -= passed;
            rest = rest.get(passed..).unwrap_or_default();
            if *left == 0 {
                end.layer = Layer::Records;
            }
        }
        if matches!(end.layer, Layer::Lost) {
            if looks_like_record(rest) && rest.len() > 4 {
                end.layer = Layer::Records;
                end.filter.resume();
            } else {
                end.layer = Layer::Judging(Vec::new());
            }
        }
        let before = rest;
        let mut refused_bytes = 0;
        let was_records = matches!(end.layer, Layer::Records);
        if was_records {
            hello = end.filter.read_hello(rest);
            while let Some(piece) = end.filter.next(&mut rest) {
                match piece {
                    Piece::Sealed {
                        content,
                        length,
                        bytes,
                        ..
                    } => {
                        records += 1;
                        end.progress.note(content, length, bytes, arrived.number);
                    }
                    Piece::NotTls { refused } => {
                        refused_bytes = refused.len();
                        end.layer = Layer::Judging(refused);
                        break;
                    }
                }
            }
        }
        if was_records {
            let records = before.len() - rest.len();
            let records = records.saturating_sub(refused_bytes);
            let records = before.get(..records).unwrap_or_default();
            tls.read(from_client, records, arrived, keyring, opened);
        }
        let passed = bytes.len() - rest.len();
        let taken = end.judge(from_client, rest, passed);
        if records > 0 {
            self.seen = true;
            self.hear(arrived.time);
        }
        if hello && !self.reported {
            self.hellos
                .get_or_insert_with(|| Box::new((arrived, arrived)))
                .1 = arrived;
        }
        taken
    }

    /// Skips bytes that were not captured.
    pub(crate) fn hole(
        &mut self,
        from_client: bool,
        length: u64,
        at: FrameRef,
        keyring: &mut Keyring,
        opened: &mut OpenedPieces,
    ) {
        if let Some(tls) = &mut self.tls {
            tls.connection
                .gap(way(from_client), length, at, keyring, opened);
            tls.update(keyring);
        }
        let end = self.end_mut(from_client);
        end.filter.lose_handshake();
        let known = match end.layer {
            Layer::Clear => return,
            Layer::Records => end.filter.skip(length),
            _ => false,
        };
        if !known {
            end.layer = Layer::Lost;
        }
    }

    /// Ends the connection: what a loss hides to its end is missing.
    pub(crate) fn finish(
        &mut self,
        at: FrameRef,
        keyring: &mut Keyring,
        opened: &mut OpenedPieces,
    ) {
        if let Some(tls) = &mut self.tls {
            tls.connection.finish(at, keyring, opened);
            tls.update(keyring);
        }
    }

    /// Ends the stream of an end. Returns its last bytes if they are a line in clear.
    pub(crate) fn stream_end(&mut self, from_client: bool) -> Option<Vec<u8>> {
        let [client, server] = &mut self.ends;
        let end = if from_client { client } else { server }.as_deref_mut()?;
        let Layer::Judging(text) = &mut end.layer else {
            return None;
        };
        let text = std::mem::take(text);
        let plausible = is_plausible(&text, from_client);
        end.returned = plausible;
        end.layer = if plausible { Layer::Clear } else { Layer::Lost };
        plausible.then_some(text)
    }

    /// Returns whether the hellos of both ends were read, as far as they were captured.
    pub(crate) fn handshake_is_known(&self) -> bool {
        let done = |from_client| {
            self.end(from_client)
                .is_some_and(|end| end.filter.handshake_is_over())
        };
        self.seen && done(true) && done(false)
    }

    /// Formats the facts of the handshake: `TLS 1.3, TLS_AES_256_GCM_SHA384, resumed`; `None` without the server's hello.
    fn facts(&self) -> Option<String> {
        let tls = self.record(0)?;
        let mut text = format!("{}, {}", tls.version?, tls.cipher_suite?);
        if tls.resumed == Some(true) {
            text.push_str(", resumed");
        }
        Some(text)
    }

    /// Returns whether a hello was read.
    fn has_hello(&self) -> bool {
        let has = |from_client, hello: fn(&HandshakeReader) -> bool| {
            self.end(from_client)
                .is_some_and(|end| hello(end.filter.handshake()))
        };
        has(true, |reader| reader.client_hello().is_some())
            || has(false, |reader| reader.server_hello().is_some())
    }

    /// Returns the id of the TLS session by which it can be resumed, before TLS 1.3; `None` if the server gave none.
    pub(crate) fn session_id(&self) -> Option<&[u8]> {
        let hello = self.end(false)?.filter.server_hello()?;
        (hello.version < TLS_1_3 && !hello.session_id.is_empty())
            .then_some(hello.session_id.as_slice())
    }

    /// Returns the encryption as the report shows it; `None` for a session in clear. `wire_bytes` are the payload bytes of the
    /// connection.
    pub(crate) fn record(&self, wire_bytes: u64) -> Option<Tls> {
        if !self.seen && !self.accepted {
            return None;
        }
        let unread = HandshakeReader::new();
        let reader = |from_client| {
            self.end(from_client)
                .map_or(&unread, |end: &EndEncryption| end.filter.handshake())
        };
        let (client, server) = (reader(true), reader(false));
        let hello = server.server_hello();
        let ways = [Direction::Up, Direction::Down];
        let tls = self.tls.as_ref().map_or_else(Tls::default, |tls| {
            tls_record(&tls.connection, Direction::Up, &ways, wire_bytes)
        });
        Some(Tls {
            version: hello.map_or(tls.version, |hello| Some(version_name(hello.version))),
            cipher_suite: hello.map_or(tls.cipher_suite, |hello| {
                Some(cipher_suite::name(hello.cipher_suite))
            }),
            server_name: client
                .client_hello()
                .and_then(|hello| hello.server_name.clone()),
            resumed: resumed(client, server),
            data_protected: self.data_protected,
            ..tls
        })
    }

    fn end(&self, from_client: bool) -> Option<&EndEncryption> {
        let [client, server] = &self.ends;
        if from_client { client } else { server }.as_deref()
    }

    fn end_mut(&mut self, from_client: bool) -> &mut EndEncryption {
        let [client, server] = &mut self.ends;
        if from_client { client } else { server }.get_or_insert_default()
    }
}

impl Opening {
    fn read(
        &mut self,
        from_client: bool,
        bytes: &[u8],
        at: FrameRef,
        keyring: &mut Keyring,
        opened: &mut OpenedPieces,
    ) {
        self.connection
            .data(way(from_client), bytes, at, keyring, opened);
        self.update(keyring);
    }

    fn update(&mut self, keyring: &Keyring) {
        let is_open = |end| keyring.has_source() && self.connection.is_open(way(end));
        self.readable = [is_open(true), is_open(false)];
    }
}

/// Returns the direction under which the engine knows an end.
const fn way(from_client: bool) -> Direction {
    if from_client {
        Direction::Up
    } else {
        Direction::Down
    }
}

impl Progress {
    fn note(&mut self, content: ContentType, length: u16, bytes: &[u8], frame: u64) {
        self.first.get_or_insert(frame);
        self.carried |= content != ContentType::Alert;
        match content {
            ContentType::ChangeCipherSpec => self.changed_cipher = true,
            ContentType::ApplicationData => {
                self.longest_application = self.longest_application.max(length);
            }
            // Level and description in clear: an encrypted alert is longer by its authentication code.
            ContentType::Alert if length == ALERT && self.alert.is_none() => {
                self.alert_bytes.extend(bytes);
                if let [level, description, ..] = self.alert_bytes[..] {
                    self.alert_bytes.clear();
                    let alert = Alert { level, description };
                    self.alert = alert.is_fatal().then_some((alert, frame));
                }
            }
            _ => {}
        }
    }
}

impl EndEncryption {
    /// Decides, once there is a line, whether the stream is clear again. `bytes` follow `passed` others.
    fn judge(&mut self, from_client: bool, bytes: &[u8], passed: usize) -> Taken {
        let Layer::Judging(line) = &mut self.layer else {
            return Taken::All;
        };
        let end = bytes.iter().position(|&byte| byte == b'\n');
        let count = end.map_or(bytes.len(), |end| end + 1);
        let possible = line.len() + count <= LINE_BYTES;
        if possible {
            line.extend(bytes.iter().take(count));
            if end.is_none() && line.iter().all(|&byte| is_text(byte)) {
                return Taken::All;
            }
        }
        let line = std::mem::take(line);
        if possible && is_plausible(&line, from_client) {
            self.layer = Layer::Clear;
            self.returned = true;
            return Taken::Clear {
                line,
                used: passed + count,
            };
        }
        self.layer = Layer::Lost;
        Taken::All
    }
}

/// Returns whether text is a command or a reply beyond doubt.
fn is_plausible(text: &[u8], from_client: bool) -> bool {
    if !text.iter().all(|&byte| is_text(byte)) {
        return false;
    }
    let text = strip_telnet(text);
    let line = text
        .split(|&byte| byte == b'\n')
        .next()
        .unwrap_or_default()
        .trim_ascii_end();
    if from_client {
        !matches!(Verb::from_bytes(&parse_command(line).verb), Verb::Unknown)
    } else {
        reply_code(line).is_some() && matches!(line.get(3), None | Some(b' ' | b'-'))
    }
}

/// Returns whether a byte may stand in a line: text of any character set, line ends, and the commands of Telnet.
const fn is_text(byte: u8) -> bool {
    !matches!(byte, 0..=8 | 11 | 12 | 14..=31 | 127)
}

/// Longest line that is waited for, in bytes.
const LINE_BYTES: usize = 4096;

/// Length of the header of an SSL 2 hello, in bytes.
const OLD_HEADER: usize = 2;

/// Length of an alert in clear, in bytes.
const ALERT: u16 = 2;

/// Shortest record that can hold the client's Finished of TLS 1.3, in bytes.
const FINISHED: u16 = 40;

const TLS_1_3: u16 = 0x0304;
const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: bool = true;

    fn encrypted() -> Encryption {
        let mut encryption = Encryption::default();
        assert!(encryption.begin(CLIENT, &RECORD));
        assert_eq!(take(&mut encryption, &RECORD), Taken::All);
        encryption
    }

    fn take(encryption: &mut Encryption, bytes: &[u8]) -> Taken {
        encryption.take(
            CLIENT,
            bytes,
            FrameRef::default(),
            CompactString::default,
            &mut Keyring::default(),
            &mut OpenedPieces::default(),
        )
    }

    fn hole(encryption: &mut Encryption, length: u64) {
        encryption.hole(
            CLIENT,
            length,
            FrameRef::default(),
            &mut Keyring::default(),
            &mut OpenedPieces::default(),
        );
    }

    fn clear(line: &[u8], used: usize) -> Taken {
        Taken::Clear {
            line: line.to_vec(),
            used,
        }
    }

    /// An alert, of two bytes.
    const RECORD: [u8; 7] = [21, 3, 3, 0, 2, 1, 0];

    #[test]
    fn lines_behind_the_last_record_are_read_again() {
        let mut encryption = encrypted();
        let bytes = [&RECORD[..], b"PASV\r\nRETR a\r\n"].concat();
        assert_eq!(
            take(&mut encryption, &bytes),
            clear(b"PASV\r\n", RECORD.len() + 6)
        );
        assert!(encryption.is_clear(CLIENT) && !encryption.hides_commands());
        assert!(encryption.record(0).is_some());
    }

    #[test]
    fn lines_in_pieces_of_one_byte_are_read_again() {
        let mut encryption = encrypted();
        let taken: Vec<Taken> = b"PASV\r\n"
            .iter()
            .map(|byte| take(&mut encryption, &[*byte]))
            .filter(|taken| *taken != Taken::All)
            .collect();
        assert_eq!(taken, [clear(b"PASV\r\n", 1)]);
    }

    #[test]
    fn garbage_behind_the_last_record_is_no_line() {
        for garbage in [
            &b"\x80\x01garbage\r\n"[..],
            b"PASV\0\r\n",
            b"HELLO there\r\n",
            b"220 ready\r\n",
            b"\r\n",
        ] {
            let mut encryption = encrypted();
            assert_eq!(take(&mut encryption, garbage), Taken::All);
            assert!(!encryption.is_clear(CLIENT), "{}", garbage.escape_ascii());
        }
    }

    #[test]
    fn records_go_on_after_a_hole_within_one_and_are_found_again_after_a_longer_one() {
        let mut encryption = encrypted();
        assert_eq!(take(&mut encryption, &[23, 3, 3, 0, 100, b'x']), Taken::All);
        hole(&mut encryption, 99);
        assert_eq!(take(&mut encryption, b"NOOP\r\n"), clear(b"NOOP\r\n", 6));
        let mut encryption = encrypted();
        hole(&mut encryption, 1000);
        assert_eq!(take(&mut encryption, &[200; 50]), Taken::All);
        assert_eq!(take(&mut encryption, &RECORD), Taken::All);
        assert_eq!(take(&mut encryption, b"NOOP\r\n"), clear(b"NOOP\r\n", 6));
    }

    #[test]
    fn bytes_that_only_begin_like_a_record_are_no_encryption() {
        let mut encryption = Encryption::default();
        assert!(encryption.begin(CLIENT, &[22]));
        assert_eq!(take(&mut encryption, b"\x16rubbish\r\n"), Taken::All);
        assert_eq!(encryption.record(0), None);
        assert_eq!(take(&mut encryption, b"NOOP\r\n"), clear(b"NOOP\r\n", 6));
    }

    #[test]
    fn ssl_2_hello_is_skipped() {
        let mut encryption = Encryption::default();
        let hello = [0x80, 4, 1, 3, 1, 0];
        assert!(encryption.begin(CLIENT, &hello));
        assert_eq!(take(&mut encryption, &hello), Taken::All);
        assert_eq!(take(&mut encryption, &RECORD), Taken::All);
        assert!(encryption.was_seen() && !encryption.is_clear(CLIENT));
    }
}
