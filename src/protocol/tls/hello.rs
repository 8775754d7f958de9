//! Parses the two hellos of a handshake (RFC 8446 section 4.1, RFC 5246 section 7.4.1).

use super::record::{ContentType, RecordSplitter};

/// Reader of one direction of a TLS connection, from its first byte until the rest is encrypted.
#[derive(Clone, Debug, Default)]
pub struct HandshakeReader {
    records: RecordSplitter,
    /// Incomplete handshake message, with its header.
    message: Vec<u8>,
    /// Bytes left of a message whose content is not parsed.
    skip: usize,
    client_hello: Option<ClientHello>,
    server_hello: Option<ServerHello>,
    /// Whether a message was captured that only a full handshake has.
    full_handshake: bool,
    cipher_changed: bool,
    done: bool,
}

/// Offers of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// Random bytes, which identify the connection in a key log.
    pub random: [u8; 32],
    /// Server name (RFC 6066 section 3); `None` without the extension.
    pub server_name: Option<String>,
    /// Offered versions in the client's order, without GREASE (RFC 8701).
    pub versions: Vec<u16>,
    /// TLS 1.2 session to resume, or empty. Without meaning in TLS 1.3.
    pub session_id: Vec<u8>,
    /// Whether a ticket of an earlier session is offered (RFC 5077).
    pub session_ticket: bool,
    /// Whether a TLS 1.3 session is offered for resumption (RFC 8446 section 4.2.11).
    pub pre_shared_key: bool,
    /// Application protocols (ALPN, RFC 7301); `ftp` and `ftp-data` are registered.
    pub application_protocols: Vec<Vec<u8>>,
    /// Ticket of the session to resume (RFC 5077), or empty.
    pub ticket: Vec<u8>,
    /// Identities of the TLS 1.3 sessions offered for resumption, in the client's order.
    pub identities: Vec<Vec<u8>>,
    /// Whether early data follows (RFC 8446 section 4.2.10).
    pub early_data: bool,
    /// Numbers of the cipher suites of TLS 1.3 that are offered, in the client's order.
    pub suites_13: Vec<u16>,
}

/// Choices of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerHello {
    /// Random bytes.
    pub random: [u8; 32],
    /// Chosen version, from the extension if there is one (RFC 8446 section 4.2.1).
    pub version: u16,
    /// Number of the cipher suite; [`cipher_suite::name`](super::cipher_suite::name) returns its name.
    pub cipher_suite: u16,
    /// Session ID of TLS 1.2; in TLS 1.3 an echo of the client's.
    pub session_id: Vec<u8>,
    /// Whether the client's pre-shared key was accepted.
    pub pre_shared_key: bool,
    /// Whether it only requests another `ClientHello` (RFC 8446 section 4.1.4). Version and suite are final all the
    /// same.
    pub retry_request: bool,
    /// Index of the accepted pre-shared key in the client's list; `None` if none was accepted.
    pub identity: Option<u16>,
    /// Compression method; 0 for none.
    pub compression: u8,
    /// Whether the master secret depends on the handshake (RFC 7627).
    pub extended_master_secret: bool,
    /// Whether CBC records are authenticated after encryption (RFC 7366).
    pub encrypt_then_mac: bool,
    /// Application protocol chosen before TLS 1.3; `None` if none was.
    pub application_protocol: Option<Vec<u8>>,
}

impl HandshakeReader {
    /// Creates a reader at the first byte of a direction.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the next bytes of the direction.
    pub fn feed(&mut self, bytes: &[u8]) {
        let mut input = bytes;
        while !self.done {
            match self.records.next(&mut input) {
                Ok(Some(fragment)) => match fragment.content {
                    ContentType::Handshake => self.collect(fragment.bytes),
                    ContentType::ChangeCipherSpec => self.change_cipher(),
                    ContentType::ApplicationData => self.stop(),
                    ContentType::Alert | ContentType::Heartbeat => {}
                },
                Ok(None) => return,
                Err(_) => self.stop(),
            }
        }
    }

    /// Returns whether further bytes make no difference.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Returns the `ClientHello`; `None` before it, and in the server's direction.
    #[must_use]
    pub fn client_hello(&self) -> Option<&ClientHello> {
        self.client_hello.as_ref()
    }

    /// Returns the `ServerHello`; `None` before it, and in the client's direction.
    #[must_use]
    pub fn server_hello(&self) -> Option<&ServerHello> {
        self.server_hello.as_ref()
    }

    /// Collects handshake messages, which records may split anywhere.
    fn collect(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.done {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len());
                self.skip -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            let wanted = match self.message.as_slice() {
                [_, a, b, c, ..] => MESSAGE_HEADER + u32::from_be_bytes([0, *a, *b, *c]) as usize,
                _ => MESSAGE_HEADER,
            };
            let missing = wanted.saturating_sub(self.message.len());
            let (now, rest) = bytes.split_at(missing.min(bytes.len()));
            self.message.extend_from_slice(now);
            bytes = rest;
            if self.message.len() == MESSAGE_HEADER && wanted == MESSAGE_HEADER {
                self.begin_message();
            } else if self.message.len() == wanted {
                let message = std::mem::take(&mut self.message);
                self.hello(&message);
            }
        }
    }

    /// Decides by its header whether a message is collected, skipped, or the last one of interest.
    fn begin_message(&mut self) {
        let [kind, a, b, c] = self.message[..] else {
            return;
        };
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        match kind {
            CLIENT_HELLO | SERVER_HELLO if (1..=HELLO_MAX).contains(&length) => {}
            // A length of 24 bits may announce 16 MiB, which no hello has and no attacker may make us hold.
            CLIENT_HELLO | SERVER_HELLO => self.stop(),
            // Before TLS 1.3, a server that resumes a session sends none of these.
            CERTIFICATE | SERVER_KEY_EXCHANGE | CERTIFICATE_REQUEST | SERVER_HELLO_DONE => {
                self.full_handshake = true;
                self.stop();
            }
            _ => {
                self.message.clear();
                self.skip = length;
            }
        }
    }

    fn hello(&mut self, message: &[u8]) {
        let Some((kind, body)) = message.split_first() else {
            return;
        };
        let body = body.get(MESSAGE_HEADER - 1..).unwrap_or_default();
        if *kind == CLIENT_HELLO {
            self.client_hello = parse_client_hello(body);
            self.stop();
        } else {
            let hello = parse_server_hello(body);
            // In TLS 1.3 everything after the hello is encrypted.
            let last = hello
                .as_ref()
                .is_none_or(|hello| hello.version >= TLS_1_3 && !hello.retry_request);
            if hello.is_some() {
                self.server_hello = hello;
            }
            if last {
                self.stop();
            }
        }
    }

    fn change_cipher(&mut self) {
        // After a retry request it changes no keys: it is sent for middleboxes only (RFC 8446 appendix D.4).
        if self
            .server_hello
            .as_ref()
            .is_some_and(|hello| hello.retry_request)
        {
            return;
        }
        self.cipher_changed = true;
        self.stop();
    }

    fn stop(&mut self) {
        self.done = true;
        self.message = Vec::new();
    }
}

/// Returns whether an earlier session was resumed; `None` if the captured part of the handshake does not show it.
///
/// TLS 1.3: the server accepts the pre-shared key. Before: the server sends no certificate (RFC 5077 section 3.1 for
/// tickets), or echoes the session ID of the client (RFC 5246 section 7.4.1.3).
#[must_use]
pub fn resumed(client: &HandshakeReader, server: &HandshakeReader) -> Option<bool> {
    let hello = server.server_hello()?;
    if hello.retry_request {
        return None;
    }
    if hello.version >= TLS_1_3 {
        return Some(hello.pre_shared_key);
    }
    if server.full_handshake {
        return Some(false);
    }
    let echoed = client.client_hello().is_some_and(|client| {
        !client.session_id.is_empty() && client.session_id == hello.session_id
    });
    (server.cipher_changed || echoed).then_some(true)
}

/// Returns the name of a version, such as `TLS 1.2`; the number as `0x0305` if it has none.
#[must_use]
pub fn version_name(version: u16) -> String {
    match version {
        0x0300 => "SSL 3.0".into(),
        0x0301 => "TLS 1.0".into(),
        0x0302 => "TLS 1.1".into(),
        0x0303 => "TLS 1.2".into(),
        TLS_1_3 => "TLS 1.3".into(),
        other => format!("0x{other:04X}"),
    }
}

/// Parses the body of a `ClientHello`; `None` if it is malformed.
pub(super) fn parse_client_hello(body: &[u8]) -> Option<ClientHello> {
    let mut body = Reader(body);
    let legacy_version = body.u16()?;
    let random = body.array()?;
    let session_id = body.vector8().filter(|id| id.len() <= SESSION_ID_MAX)?;
    let suites = body.vector16()?.as_chunks::<2>().0;
    // Compression methods.
    body.vector8()?;
    let mut hello = ClientHello {
        random,
        session_id: session_id.to_vec(),
        versions: vec![legacy_version],
        suites_13: suites
            .iter()
            .map(|suite| u16::from_be_bytes(*suite))
            .filter(|suite| (0x1301..=0x1305).contains(suite))
            .collect(),
        ..ClientHello::default()
    };
    for (number, content) in extensions(&mut body) {
        match number {
            SERVER_NAME => hello.server_name = server_name(content),
            // With this extension the legacy version is 1.2, whatever the client supports (RFC 8446 section 4.1.2).
            SUPPORTED_VERSIONS => {
                let list = Reader(content).vector8().unwrap_or_default();
                hello.versions = list
                    .as_chunks::<2>()
                    .0
                    .iter()
                    .map(|version| u16::from_be_bytes(*version))
                    .filter(|version| !is_grease(*version))
                    .collect();
            }
            SESSION_TICKET => {
                hello.session_ticket = !content.is_empty();
                hello.ticket = content.to_vec();
            }
            PRE_SHARED_KEY => {
                hello.pre_shared_key = true;
                let mut list = Reader(Reader(content).vector16().unwrap_or_default());
                // Each identity is followed by the age of its ticket (RFC 8446 section 4.2.11).
                while let (Some(identity), Some(_)) = (list.vector16(), list.take(4)) {
                    hello.identities.push(identity.to_vec());
                }
            }
            EARLY_DATA => hello.early_data = true,
            APPLICATION_PROTOCOLS => {
                hello.application_protocols =
                    application_protocols(content).map(<[u8]>::to_vec).collect();
            }
            _ => {}
        }
    }
    Some(hello)
}

/// Parses the body of a `ServerHello`; `None` if it is malformed.
pub(super) fn parse_server_hello(body: &[u8]) -> Option<ServerHello> {
    let mut body = Reader(body);
    let legacy_version = body.u16()?;
    let random: [u8; 32] = body.array()?;
    let session_id = body.vector8().filter(|id| id.len() <= SESSION_ID_MAX)?;
    let cipher_suite = body.u16()?;
    let [compression] = body.array()?;
    let mut hello = ServerHello {
        random,
        version: legacy_version,
        cipher_suite,
        session_id: session_id.to_vec(),
        compression,
        retry_request: random == RETRY_REQUEST,
        ..ServerHello::default()
    };
    for (number, content) in extensions(&mut body) {
        match number {
            SUPPORTED_VERSIONS => {
                if let Some(version) = Reader(content).u16() {
                    hello.version = version;
                }
            }
            PRE_SHARED_KEY => {
                hello.pre_shared_key = true;
                hello.identity = Reader(content).u16();
            }
            EXTENDED_MASTER_SECRET => hello.extended_master_secret = true,
            ENCRYPT_THEN_MAC => hello.encrypt_then_mac = true,
            APPLICATION_PROTOCOLS => {
                hello.application_protocol =
                    application_protocols(content).next().map(<[u8]>::to_vec);
            }
            _ => {}
        }
    }
    Some(hello)
}

/// Parses encrypted extensions (RFC 8446 section 4.3.1). Returns the chosen application protocol, and whether early data is
/// accepted.
pub(super) fn parse_encrypted_extensions(body: &[u8]) -> (Option<Vec<u8>>, bool) {
    let (mut protocol, mut early_data) = (None, false);
    for (number, content) in extensions(&mut Reader(body)) {
        match number {
            EARLY_DATA => early_data = true,
            APPLICATION_PROTOCOLS => {
                protocol = application_protocols(content).next().map(<[u8]>::to_vec);
            }
            _ => {}
        }
    }
    (protocol, early_data)
}

/// Returns the names in an extension for application protocols (RFC 7301 section 3.1).
fn application_protocols(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut list = Reader(Reader(content).vector16().unwrap_or_default());
    std::iter::from_fn(move || list.vector8())
}

/// Returns the extensions up to the first malformed one. There may be none at all (RFC 5246 section 7.4.1.2).
fn extensions<'a>(body: &mut Reader<'a>) -> impl Iterator<Item = (u16, &'a [u8])> {
    let mut list = Reader(body.vector16().unwrap_or_default());
    std::iter::from_fn(move || Some((list.u16()?, list.vector16()?)))
}

/// Returns the first host name of the list. It must be ASCII (RFC 6066 section 3); anything else is not shown.
fn server_name(content: &[u8]) -> Option<String> {
    let mut list = Reader(Reader(content).vector16()?);
    loop {
        let kind = list.take(1)?;
        let name = list.vector16()?;
        if kind == [HOST_NAME] {
            let plain =
                (1..=NAME_MAX).contains(&name.len()) && name.iter().all(u8::is_ascii_graphic);
            return plain.then(|| String::from_utf8_lossy(name).into_owned());
        }
    }
}

/// Returns whether a number is GREASE (RFC 8701 section 2).
fn is_grease(number: u16) -> bool {
    let [high, low] = number.to_be_bytes();
    high == low && high & 0x0f == 0x0a
}

/// Cursor over bytes; each method removes a value from the front.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(front)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// Removes a vector with a length of one byte.
    pub(super) fn vector8(&mut self) -> Option<&'a [u8]> {
        let [length] = self.array()?;
        self.take(usize::from(length))
    }

    /// Removes a vector with a length of two bytes.
    pub(super) fn vector16(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }
}

const TLS_1_3: u16 = 0x0304;

/// Length of a handshake message header in bytes: type and 24-bit length.
const MESSAGE_HEADER: usize = 4;

/// Longest hello in bytes. With post-quantum key shares and a long ticket, hellos have a few thousand.
const HELLO_MAX: usize = 32 << 10;
const SESSION_ID_MAX: usize = 32;
const NAME_MAX: usize = 255;

const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;
const SERVER_KEY_EXCHANGE: u8 = 12;
const CERTIFICATE_REQUEST: u8 = 13;
const SERVER_HELLO_DONE: u8 = 14;

const SERVER_NAME: u16 = 0;
const APPLICATION_PROTOCOLS: u16 = 16;
const ENCRYPT_THEN_MAC: u16 = 22;
const EXTENDED_MASTER_SECRET: u16 = 23;
const SESSION_TICKET: u16 = 35;
const PRE_SHARED_KEY: u16 = 41;
const EARLY_DATA: u16 = 42;
const SUPPORTED_VERSIONS: u16 = 43;
const HOST_NAME: u8 = 0;

/// Random bytes of a retry request: the SHA-256 of `HelloRetryRequest` (RFC 8446 section 4.1.3).
const RETRY_REQUEST: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha2::{Digest, Sha256};

    use super::*;

    fn vector8(content: &[u8]) -> Vec<u8> {
        [&[u8::try_from(content.len()).expect("short")], content].concat()
    }

    fn vector16(content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).expect("short");
        [&length.to_be_bytes(), content].concat()
    }

    fn extension(number: u16, content: &[u8]) -> Vec<u8> {
        [number.to_be_bytes().to_vec(), vector16(content)].concat()
    }

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).expect("short").to_be_bytes();
        [&[kind], &length[1..], body].concat()
    }

    fn record(kind: u8, content: &[u8]) -> Vec<u8> {
        [vec![kind, 3, 3], vector16(content)].concat()
    }

    fn client_hello(session_id: &[u8], extensions: &[Vec<u8>]) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend(vector8(session_id));
        body.extend(vector16(&[0x13, 0x01, 0xc0, 0x2f]));
        body.extend(vector8(&[0]));
        if !extensions.is_empty() {
            body.extend(vector16(&extensions.concat()));
        }
        message(CLIENT_HELLO, &body)
    }

    fn server_hello(
        random: [u8; 32],
        session_id: &[u8],
        suite: u16,
        extensions: &[Vec<u8>],
    ) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend(random);
        body.extend(vector8(session_id));
        body.extend(suite.to_be_bytes());
        body.push(0);
        if !extensions.is_empty() {
            body.extend(vector16(&extensions.concat()));
        }
        message(SERVER_HELLO, &body)
    }

    fn name_extension(name: &[u8]) -> Vec<u8> {
        extension(
            SERVER_NAME,
            &vector16(&[vec![HOST_NAME], vector16(name)].concat()),
        )
    }

    fn read(stream: &[u8]) -> HandshakeReader {
        let mut reader = HandshakeReader::new();
        reader.feed(stream);
        reader
    }

    fn modern_client(session_id: &[u8]) -> Vec<u8> {
        record(
            22,
            &client_hello(
                session_id,
                &[
                    extension(0x0a0a, b""),
                    name_extension(b"ftp.example.net"),
                    extension(SUPPORTED_VERSIONS, &vector8(&[0x8a, 0x8a, 3, 4, 3, 3])),
                    extension(SESSION_TICKET, b""),
                    extension(PRE_SHARED_KEY, b"whatever"),
                ],
            ),
        )
    }

    fn tls_1_3() -> Vec<u8> {
        extension(SUPPORTED_VERSIONS, &[3, 4])
    }

    #[test]
    fn client_hello_has_name_versions_and_offers() {
        let reader = read(&modern_client(&[9; 32]));
        let hello = reader.client_hello().expect("a hello");
        assert_eq!(hello.server_name.as_deref(), Some("ftp.example.net"));
        assert_eq!(hello.versions, [0x0304, 0x0303]);
        assert_eq!(hello.session_id, [9; 32]);
        assert_eq!(hello.random, [7; 32]);
        assert!(hello.pre_shared_key && !hello.session_ticket);
        assert!(reader.is_done());

        let old = read(&record(22, &client_hello(&[], &[])));
        let hello = old.client_hello().expect("a hello");
        assert_eq!(
            (hello.versions.as_slice(), &hello.server_name),
            ([0x0303].as_slice(), &None)
        );
    }

    #[test]
    fn server_names_that_are_not_ascii_are_dropped() {
        for name in [b"".as_slice(), b"a b", b"caf\xe9", b"\x1b[2J", &[b'a'; 256]] {
            let reader = read(&record(22, &client_hello(&[], &[name_extension(name)])));
            assert_eq!(reader.client_hello().expect("a hello").server_name, None);
        }
    }

    #[test]
    fn tls_1_3_resumption_is_detected_by_the_pre_shared_key() {
        let client = read(&modern_client(&[9; 32]));
        let full = server_hello([1; 32], &[9; 32], 0x1302, &[tls_1_3()]);
        let stream = [record(22, &full), record(20, &[1]), record(23, &[0; 50])].concat();
        let server = read(&stream);
        let hello = server.server_hello().expect("a hello");
        assert_eq!((hello.version, hello.cipher_suite), (TLS_1_3, 0x1302));
        // The session id is repeated although nothing is resumed.
        assert_eq!(resumed(&client, &server), Some(false));

        let taken = [tls_1_3(), extension(PRE_SHARED_KEY, &[0, 0])];
        let server = read(&record(
            22,
            &server_hello([1; 32], &[9; 32], 0x1302, &taken),
        ));
        assert_eq!(resumed(&client, &server), Some(true));
    }

    #[test]
    fn retry_request_is_not_the_final_server_hello() {
        assert_eq!(
            Sha256::digest(b"HelloRetryRequest").as_slice(),
            RETRY_REQUEST
        );
        let client = read(&modern_client(&[9; 32]));
        let retry = record(
            22,
            &server_hello(RETRY_REQUEST, &[9; 32], 0x1301, &[tls_1_3()]),
        );
        let change = record(20, &[1]);
        let mut server = read(&[retry, change].concat());
        assert!(!server.is_done());
        assert!(
            server
                .server_hello()
                .is_some_and(|hello| hello.retry_request && hello.version == TLS_1_3)
        );
        assert_eq!(resumed(&client, &server), None);
        let taken = [tls_1_3(), extension(PRE_SHARED_KEY, &[0, 0])];
        server.feed(&record(
            22,
            &server_hello([1; 32], &[9; 32], 0x1301, &taken),
        ));
        assert!(server.is_done());
        assert_eq!(resumed(&client, &server), Some(true));
    }

    #[test]
    fn tls_1_2_handshake_with_certificate_is_full() {
        let client = read(&record(22, &client_hello(&[5; 32], &[])));
        let hello = server_hello([1; 32], &[6; 32], 0xc02f, &[]);
        // All messages in one record, as many servers send them.
        let flight = [
            hello,
            message(CERTIFICATE, &[0; 3000]),
            message(SERVER_HELLO_DONE, b""),
        ]
        .concat();
        let server = read(&record(22, &flight));
        assert_eq!(resumed(&client, &server), Some(false));
        let hello = server.server_hello().expect("a hello");
        assert_eq!(version_name(hello.version), "TLS 1.2");
    }

    #[test]
    fn tls_1_2_resumption_is_detected_by_id_or_ticket() {
        let client = read(&record(22, &client_hello(&[5; 32], &[])));
        let by_id = read(&record(22, &server_hello([1; 32], &[5; 32], 0xc02f, &[])));
        assert_eq!(resumed(&client, &by_id), Some(true));

        let client = read(&record(
            22,
            &client_hello(&[], &[extension(SESSION_TICKET, b"ticket")]),
        ));
        assert!(
            client
                .client_hello()
                .is_some_and(|hello| hello.session_ticket)
        );
        let mut stream = record(22, &server_hello([1; 32], &[], 0xc02f, &[]));
        assert_eq!(resumed(&client, &read(&stream)), None);
        // A new ticket comes before the change: RFC 5077 section 3.1.
        stream.extend(record(22, &message(4, &[0; 200])));
        stream.extend(record(20, &[1]));
        assert_eq!(resumed(&client, &read(&stream)), Some(true));
    }

    #[test]
    fn alert_before_the_hello_is_skipped() {
        let stream = [
            record(21, &[1, 112]),
            record(22, &server_hello([1; 32], &[], 0x002f, &[])),
        ]
        .concat();
        assert!(read(&stream).server_hello().is_some());
    }

    #[test]
    fn truncated_hello_gives_nothing() {
        let whole = modern_client(&[9; 32]);
        let expected = read(&whole).client_hello().cloned();
        for cut in 0..whole.len() {
            let mut reader = read(&whole[..cut]);
            assert_eq!(reader.client_hello(), None, "cut at {cut}");
            reader.feed(&whole[cut..]);
            assert_eq!(reader.client_hello().cloned(), expected);
        }
        let hello = client_hello(&[9; 32], &[name_extension(b"a.example")]);
        for cut in 1..hello.len() {
            // A message may be spread over records, and a record over segments.
            let stream = [record(22, &hello[..cut]), record(22, &hello[cut..])].concat();
            let mut reader = HandshakeReader::new();
            for byte in stream.chunks(1) {
                reader.feed(byte);
            }
            let name = reader
                .client_hello()
                .and_then(|hello| hello.server_name.clone());
            assert_eq!(name.as_deref(), Some("a.example"));
        }
    }

    #[test]
    fn cleartext_and_oversized_hellos_end_the_reading() {
        assert!(read(b"220 ready\r\n").is_done());
        let endless = message(CLIENT_HELLO, &vec![0; HELLO_MAX + 1]);
        let stream: Vec<u8> = endless
            .chunks(16_000)
            .flat_map(|part| record(22, part))
            .collect();
        let reader = read(&stream);
        assert!(reader.is_done() && reader.client_hello().is_none());
        assert!(read(&record(22, &message(SERVER_HELLO, b""))).is_done());
        assert!(
            read(&record(22, &message(CLIENT_HELLO, b"short")))
                .client_hello()
                .is_none()
        );
    }

    #[test]
    fn versions_have_names() {
        assert_eq!(version_name(0x0301), "TLS 1.0");
        assert_eq!(version_name(0x7f1c), "0x7F1C");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_cause_no_panic(
            kind in 20_u8..25,
            message_kind in 0_u8..26,
            mut body in proptest::collection::vec(any::<u8>(), 0..300),
            flips in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..8),
        ) {
            let mut hello = modern_client(&[9; 32]);
            for (index, value) in flips {
                let place = index.index(hello.len());
                hello[place] = value;
            }
            read(&hello);
            body = record(kind, &message(message_kind, &body));
            let reader = read(&body);
            prop_assert!(reader.message.capacity() <= HELLO_MAX);
        }
    }

    #[test]
    fn application_protocols_of_the_client_are_listed() {
        let names = vector16(&[vector8(b"ftp"), vector8(b"ftp-data")].concat());
        let mut reader = HandshakeReader::new();
        reader.feed(&record(22, &client_hello(&[], &[extension(16, &names)])));
        let hello = reader.client_hello().expect("a hello");
        assert_eq!(hello.application_protocols, [&b"ftp"[..], b"ftp-data"]);
    }
}
