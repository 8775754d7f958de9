//! The engine against rustls: a client and a server talk in memory, and what they said must come out.

#![expect(
    clippy::format_collect,
    reason = "a few strings in tests need no speed"
)]

use std::sync::{Arc, Mutex};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::{cipher_suite, default_provider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, KeyLog, ServerConfig, ServerConnection,
    SignatureScheme, SupportedCipherSuite,
};

use super::*;
use crate::model::record::{TlsObstacle, TlsResumption, TlsSecret};
use crate::model::{Direction, FrameRef, Timestamp};

const CLIENT: Direction = Direction::Up;
const SERVER: Direction = Direction::Down;

/// Bytes of both directions, in the order they were sent.
type Flights = Vec<(Direction, Vec<u8>)>;

/// Content and gaps that come out, joined.
#[derive(Debug, Default, PartialEq, Eq, Clone)]
struct Opened {
    content: [Vec<u8>; 2],
    gaps: [u64; 2],
}

impl Receiver for Opened {
    fn content(&mut self, way: Direction, _: FrameRef, bytes: &[u8]) {
        self.content[way.index()].extend_from_slice(bytes);
    }

    fn gap(&mut self, way: Direction, _: FrameRef, length: u64) {
        self.gaps[way.index()] += length;
    }
}

/// Lines of a key log.
#[derive(Debug, Default)]
struct Log(Mutex<String>);

impl KeyLog for Log {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let hex = |bytes: &[u8]| {
            bytes
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        };
        let line = format!("{label} {} {}\n", hex(client_random), hex(secret));
        self.0.lock().expect("no panic").push_str(&line);
    }
}

/// Accepts every certificate.
#[derive(Debug)]
struct Trusting;

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Client and server, with the key log of the client.
struct Pair {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    log: Arc<Log>,
}

impl Pair {
    fn new(suite: SupportedCipherSuite) -> Self {
        let mut provider = default_provider();
        provider.cipher_suites = vec![suite];
        let provider = Arc::new(provider);
        let log = Arc::new(Log::default());
        let mut client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .expect("a suite")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Trusting))
            .with_no_client_auth();
        client.key_log = Arc::clone(&log) as Arc<dyn KeyLog>;
        client.enable_early_data = true;
        client.alpn_protocols = vec![b"ftp".to_vec()];
        let is_ecdsa = format!("{:?}", suite.suite()).contains("ECDSA");
        let (certificate, key) = if is_ecdsa {
            (
                include_bytes!("../../../../testdata/tls/ecdsa.pem").as_slice(),
                include_bytes!("../../../../testdata/tls/ecdsa.key").as_slice(),
            )
        } else {
            (
                include_bytes!("../../../../testdata/tls/rsa.pem").as_slice(),
                include_bytes!("../../../../testdata/tls/rsa.key").as_slice(),
            )
        };
        let certificate = CertificateDer::from_pem_slice(certificate).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(key).expect("a key");
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .expect("a suite")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("a key that fits");
        server.max_early_data_size = 4096;
        server.alpn_protocols = vec![b"ftp".to_vec()];
        Self {
            client: Arc::new(client),
            server: Arc::new(server),
            log,
        }
    }

    /// Sends `up` and `down`, and closes.
    fn talk(&self, early: &[u8], up: &[u8], down: &[u8]) -> Flights {
        let name = ServerName::try_from("ftp.example").expect("a name");
        let mut client = ClientConnection::new(Arc::clone(&self.client), name).expect("a client");
        let mut server = ServerConnection::new(Arc::clone(&self.server)).expect("a server");
        client.set_buffer_limit(None);
        server.set_buffer_limit(None);
        let mut flights = Flights::new();
        if let Some(mut sender) = client.early_data() {
            use std::io::Write;
            sender.write_all(early).expect("room");
        }
        let mut sent = false;
        loop {
            let before = flights.len();
            let mut bytes = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut bytes).expect("memory");
            }
            feed(&bytes, |piece| {
                server
                    .read_tls(piece)
                    .map(|_| server.process_new_packets().map(|_| drain(&mut server)))
            });
            push(&mut flights, CLIENT, bytes);
            let mut bytes = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut bytes).expect("memory");
            }
            feed(&bytes, |piece| {
                client
                    .read_tls(piece)
                    .map(|_| client.process_new_packets().map(|_| drain(&mut client)))
            });
            push(&mut flights, SERVER, bytes);
            if !sent && !client.is_handshaking() && !server.is_handshaking() {
                use std::io::Write;
                sent = true;
                client.writer().write_all(up).expect("room");
                server.writer().write_all(down).expect("room");
                if client.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3) {
                    client.refresh_traffic_keys().expect("application keys");
                    client.writer().write_all(up).expect("room");
                }
                client.send_close_notify();
                server.send_close_notify();
            } else if flights.len() == before {
                return flights;
            }
        }
    }

    fn keyring(&self) -> Keyring {
        let mut keyring = Keyring::default();
        keyring.add_key_log(
            TlsSecret::Keylog,
            self.log.0.lock().expect("no panic").as_bytes(),
        );
        keyring
    }
}

fn feed<E: std::fmt::Debug, F: std::fmt::Debug>(
    bytes: &[u8],
    mut read: impl FnMut(&mut &[u8]) -> Result<Result<(), E>, F>,
) {
    let mut rest = bytes;
    while !rest.is_empty() {
        read(&mut rest).expect("room").expect("a peer that agrees");
    }
}

fn drain<D>(connection: &mut impl std::ops::DerefMut<Target = rustls::ConnectionCommon<D>>) {
    use std::io::Read;
    let mut received = Vec::new();
    let _ = connection.reader().read_to_end(&mut received);
}

fn push(flights: &mut Flights, way: Direction, bytes: Vec<u8>) {
    if !bytes.is_empty() {
        flights.push((way, bytes));
    }
}

fn at(number: u64) -> FrameRef {
    FrameRef {
        time: Timestamp::from_nanos(0),
        number,
        place: crate::model::CapturePlace::default(),
    }
}

/// Opens flights in segments of `size` bytes.
fn open(flights: &Flights, size: usize, keyring: &mut Keyring) -> (Connection, Opened) {
    let mut connection = Connection::new("C1".into());
    let mut opened = Opened::default();
    for (way, bytes) in flights {
        for piece in bytes.chunks(size) {
            connection.data(*way, piece, at(1), keyring, &mut opened);
        }
    }
    connection.finish(at(2), keyring, &mut opened);
    (connection, opened)
}

fn suites() -> Vec<SupportedCipherSuite> {
    rustls::crypto::ring::ALL_CIPHER_SUITES.to_vec()
}

fn is_13(suite: SupportedCipherSuite) -> bool {
    suite.tls13().is_some()
}

#[test]
fn every_suite_of_rustls_opens_in_segments_of_any_size() {
    let (up, down) = (b"USER anonymous\r\n".repeat(9), vec![7; 70_000]);
    for suite in suites() {
        let pair = Pair::new(suite);
        let flights = pair.talk(b"", &up, &down);
        let mut keyring = pair.keyring();
        for size in [1, 7, 1460, 1 << 20] {
            let (connection, opened) = open(&flights, size, &mut keyring);
            let twice = if is_13(suite) { 2 } else { 1 };
            assert_eq!(opened.content[0], up.repeat(twice), "{suite:?}");
            assert!(opened.content[1] == down, "{suite:?} {size}");
            let facts = connection.facts();
            assert_eq!((opened.gaps, facts.obstacle), ([0; 2], None), "{suite:?}");
            assert_eq!(facts.secret, Some(TlsSecret::Keylog));
            assert_eq!(facts.application_protocol.as_deref(), Some(&b"ftp"[..]));
            assert_eq!(facts.key_updates, u64::from(is_13(suite)));
            assert!(facts.certificate.is_some() && facts.alerts.is_empty());
            for way in [CLIENT, SERVER] {
                assert_eq!(connection.close_notify(way), Some(true));
                let (records, all) = connection.records(way);
                assert!(records > 0 && records == all);
            }
            assert_eq!(connection.content_bytes(SERVER), (70_000, true));
        }
    }
}

#[test]
fn resumed_connections_name_the_first_one_and_open() {
    for suite in suites() {
        let pair = Pair::new(suite);
        let first = pair.talk(b"", b"one", b"two");
        let second = pair.talk(b"early", b"three", b"four");
        let mut keyring = pair.keyring();
        open(&first, 1460, &mut keyring);
        let (connection, opened) = open(&second, 1460, &mut keyring);
        let facts = connection.facts();
        assert_eq!(facts.resumes.as_deref(), Some("C1"), "{suite:?}");
        let up = if is_13(suite) {
            assert_eq!(facts.resumption, Some(TlsResumption::Psk));
            assert_eq!(facts.early_data_bytes, 5);
            b"earlythreethree".as_slice()
        } else {
            assert!(facts.resumption.is_some());
            b"three"
        };
        assert_eq!(opened.content, [up, b"four"], "{suite:?}");
    }
}

#[test]
fn tls_1_2_resumption_needs_no_line_of_its_own() {
    let pair = Pair::new(cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256);
    let first = pair.talk(b"", b"one", b"two");
    let mut keyring = pair.keyring();
    let second = pair.talk(b"", b"three", b"four");
    open(&first, 1460, &mut keyring);
    let (connection, opened) = open(&second, 1460, &mut keyring);
    assert_eq!(connection.facts().secret, Some(TlsSecret::Resumed));
    assert_eq!(opened.content, [b"three".as_slice(), b"four"]);
}

#[test]
fn without_a_secret_nothing_opens_and_sizes_are_counted() {
    for suite in suites() {
        let pair = Pair::new(suite);
        let flights = pair.talk(b"", b"one", &vec![7; 40_000]);
        let (connection, opened) = open(&flights, 1460, &mut Keyring::default());
        assert_eq!(opened, Opened::default());
        assert_eq!(connection.facts().obstacle, Some(TlsObstacle::NoSecret));
        let (bytes, exact) = connection.content_bytes(SERVER);
        if is_13(suite) {
            // Tickets and the closing alert look like content.
            assert!(
                !exact && (40_000..41_000).contains(&bytes),
                "{suite:?} {bytes}"
            );
        } else {
            assert_eq!((bytes, exact), (40_000, true), "{suite:?}");
        }
        assert_eq!(connection.records(SERVER).1, 0);
    }
}

#[test]
fn wrong_secret_lets_no_byte_out() {
    for suite in suites() {
        let pair = Pair::new(suite);
        let flights = pair.talk(b"", b"one", &vec![7; 40_000]);
        let log = pair.log.0.lock().expect("no panic").clone();
        let wrong: String = log
            .lines()
            .map(|line| {
                let (before, secret) = line.split_at(line.rfind(' ').expect("fields") + 1);
                let secret: String = secret
                    .chars()
                    .map(|c| if c == '0' { '1' } else { '0' })
                    .collect();
                format!("{before}{secret}\n")
            })
            .collect();
        let mut keyring = Keyring::default();
        keyring.add_key_log(TlsSecret::Keylog, wrong.as_bytes());
        let (connection, opened) = open(&flights, 1460, &mut keyring);
        assert_eq!(opened, Opened::default());
        assert_eq!(connection.facts().obstacle, Some(TlsObstacle::WrongSecret));
        // The right secret beside a wrong one opens, whichever was logged last.
        for texts in [[&log, &wrong], [&wrong, &log]] {
            let mut keyring = Keyring::default();
            for text in texts {
                keyring.add_key_log(TlsSecret::Keylog, text.as_bytes());
            }
            let (_, opened) = open(&flights, 1460, &mut keyring);
            assert!(opened.content[1] == vec![7; 40_000], "{suite:?}");
        }
    }
}

#[test]
fn secrets_may_not_be_used_when_turned_off() {
    let pair = Pair::new(cipher_suite::TLS13_AES_128_GCM_SHA256);
    let flights = pair.talk(b"", b"one", b"two");
    let mut keyring = pair.keyring();
    keyring.turn_off();
    let (connection, opened) = open(&flights, 1460, &mut keyring);
    assert_eq!(opened, Opened::default());
    assert_eq!(connection.facts().obstacle, Some(TlsObstacle::Off));
}

#[test]
fn damaged_record_is_a_gap_of_its_length_and_the_next_one_opens() {
    for suite in suites() {
        let pair = Pair::new(suite);
        let down: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        let mut flights = pair.talk(b"", b"one", &down);
        let largest = flights.iter_mut().max_by_key(|(_, bytes)| bytes.len());
        let (_, bytes) = largest.expect("flights");
        let place = bytes.len() / 2;
        bytes[place] ^= 1;
        let (connection, opened) = open(&flights, 1460, &mut pair.keyring());
        assert_eq!(connection.facts().obstacle, Some(TlsObstacle::Damaged));
        let content = &opened.content[1];
        assert_eq!(content.len() as u64 + opened.gaps[1], 100_000, "{suite:?}");
        assert!(opened.gaps[1] > 0 && down.ends_with(&content[content.len() - 1000..]));
    }
}

#[test]
fn records_open_again_behind_every_loss_and_missing_bytes_are_exact() {
    for suite in suites() {
        let pair = Pair::new(suite);
        let down: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        let flights = pair.talk(b"", b"one", &down);
        let mut keyring = pair.keyring();
        for lost in (0..60_usize).step_by(11) {
            let mut connection = Connection::new("C1".into());
            let mut opened = Opened::default();
            for (way, bytes) in &flights {
                for (number, piece) in bytes.chunks(1460).enumerate() {
                    let hit = bytes.len() > 100_000
                        && (10 + lost..11 + lost + lost % 30).contains(&number);
                    if hit {
                        connection.gap(*way, piece.len() as u64, at(1), &mut keyring, &mut opened);
                    } else {
                        connection.data(*way, piece, at(1), &mut keyring, &mut opened);
                    }
                }
            }
            connection.finish(at(2), &mut keyring, &mut opened);
            let content = &opened.content[1];
            assert_eq!(
                content.len() as u64 + opened.gaps[1],
                200_000,
                "{suite:?} {lost} {:?}",
                connection.facts().obstacle
            );
            assert!(down.ends_with(&content[content.len() - 1000..]));
            assert_eq!(connection.close_notify(SERVER), Some(true));
        }
    }
}

#[test]
fn connection_that_begins_in_the_middle_stays_closed() {
    for suite in suites() {
        let pair = Pair::new(suite);
        let flights = pair.talk(b"", b"one", &vec![7; 40_000]);
        let later: Flights = flights[2..].to_vec();
        let (connection, opened) = open(&later, 1460, &mut pair.keyring());
        assert_eq!(opened, Opened::default());
        assert_eq!(
            connection.facts().obstacle,
            Some(TlsObstacle::HandshakeMissing)
        );
    }
}

#[test]
fn client_records_wait_for_a_server_hello_that_is_captured_later() {
    for suite in suites() {
        let pair = Pair::new(suite);
        let flights = pair.talk(b"", b"one", b"two");
        // One direction behind the other: all of the client's bytes first.
        let mut sorted = flights.clone();
        sorted.sort_by_key(|(way, _)| *way != CLIENT);
        let (_, opened) = open(&sorted, 1460, &mut pair.keyring());
        let up = if is_13(suite) { "oneone" } else { "one" };
        assert_eq!(opened.content, [up.as_bytes(), b"two"], "{suite:?}");
    }
}

#[test]
fn idle_connection_takes_less_than_2_kib() {
    assert!(
        size_of::<Connection>() < 1024,
        "{}",
        size_of::<Connection>()
    );
}

/// Opens every recorded stream of `testdata/tls/streams`: OpenSSL with suites that rustls lacks.
#[test]
fn recorded_streams_of_openssl_open_in_segments_of_any_size() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/tls/streams");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let (keys, flights) = recorded(&std::fs::read_to_string(&path).expect("a text"));
        let mut keyring = Keyring::default();
        keyring.add_key_log(TlsSecret::Keylog, keys.as_bytes());
        for size in [1, 1460] {
            let (connection, opened) = open(&flights, size, &mut keyring);
            assert_eq!(
                opened.content,
                [b"USER anonymous\r\n".as_slice(), b"230 ok\r\n"],
                "{} {:?}",
                path.display(),
                connection.facts()
            );
            assert_eq!(connection.facts().obstacle, None, "{}", path.display());
        }
        seen += 1;
    }
    assert!(seen >= 15, "{seen}");
}

/// RSA key exchange opens with the private key of the server alone.
#[test]
fn private_key_opens_connections_with_rsa_key_exchange() {
    for text in [
        include_str!("../../../../testdata/tls/streams/tls12-rsa-aes128-gcm.txt"),
        include_str!("../../../../testdata/tls/streams/tls10-aes128-sha.txt"),
    ] {
        let (_, flights) = recorded(text);
        let mut keyring = Keyring::default();
        keyring
            .add_private_key(include_str!("../../../../testdata/tls/rsa.key"))
            .expect("a key");
        let (connection, opened) = open(&flights, 1460, &mut keyring);
        assert_eq!(connection.facts().secret, Some(TlsSecret::PrivateKey));
        assert_eq!(opened.content[1], b"230 ok\r\n");
    }
}

/// Parses a recorded stream: key log lines behind `K`, bytes of client and server behind `C` and `S`.
fn recorded(text: &str) -> (String, Flights) {
    let (mut keys, mut flights) = (String::new(), Flights::new());
    for line in text.lines() {
        let (kind, rest) = line.split_once(' ').expect("two fields");
        if kind == "K" {
            keys.push_str(rest);
            keys.push('\n');
            continue;
        }
        let bytes = (0..rest.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&rest[at..at + 2], 16).expect("hex"))
            .collect();
        flights.push((if kind == "C" { CLIENT } else { SERVER }, bytes));
    }
    (keys, flights)
}

/// Reads flights; of the server's first one, `lost` bytes behind the first `kept` are missing.
fn open_without(
    flights: &Flights,
    kept: usize,
    lost: usize,
    keyring: &mut Keyring,
) -> (Connection, Opened) {
    let mut connection = Connection::new("C1".into());
    let mut opened = Opened::default();
    let first = flights.iter().position(|(way, _)| *way == SERVER);
    for (number, (way, bytes)) in flights.iter().enumerate() {
        let mut bytes = bytes.as_slice();
        if Some(number) == first {
            connection.data(*way, &bytes[..kept], at(1), keyring, &mut opened);
            connection.gap(*way, lost as u64, at(1), keyring, &mut opened);
            bytes = &bytes[kept + lost..];
        }
        for piece in bytes.chunks(1460) {
            connection.data(*way, piece, at(1), keyring, &mut opened);
        }
    }
    connection.finish(at(2), keyring, &mut opened);
    (connection, opened)
}

/// Before TLS 1.3 the keys depend on the server's random, which is lost with its hello.
#[test]
fn suite_of_a_lost_server_hello_is_proven_by_the_first_record_that_opens() {
    for suite in suites() {
        let pair = Pair::new(suite);
        let flights = pair.talk(b"", b"one", &vec![7; 40_000]);
        for (kept, lost) in [(0, 20), (0, 200), (30, 20), (3, 300), (0, 600)] {
            let (connection, opened) = open_without(&flights, kept, lost, &mut pair.keyring());
            let facts = connection.facts();
            let place = format!("{suite:?} {kept} {lost} {facts:?}");
            if is_13(suite) {
                assert_eq!(opened.content[0], b"oneone", "{place}");
                assert!(opened.content[1] == vec![7; 40_000], "{place}");
                assert_eq!(
                    (facts.cipher_suite, facts.resumed),
                    (Some(suite.suite().into()), None)
                );
                assert_eq!((connection.version(), facts.obstacle), (0x0304, None));
            } else {
                assert_eq!(opened.content, <[Vec<u8>; 2]>::default(), "{place}");
                assert_eq!(facts.obstacle, Some(TlsObstacle::HandshakeMissing));
            }
        }
    }
}

#[test]
fn client_alone_opens_where_no_byte_of_the_server_was_captured() {
    for suite in suites() {
        let pair = Pair::new(suite);
        let up = vec![9; 400_000];
        let flights = pair.talk(b"", &up, b"two");
        let client: Flights = flights
            .into_iter()
            .filter(|(way, _)| *way == CLIENT)
            .collect();
        let (connection, opened) = open(&client, 1460, &mut pair.keyring());
        if is_13(suite) {
            assert!(opened.content[0] == up.repeat(2), "{suite:?}");
            assert_eq!(connection.close_notify(CLIENT), Some(true));
        } else {
            assert_eq!(opened, Opened::default(), "{suite:?}");
            let obstacle = connection.facts().obstacle;
            assert_eq!(obstacle, Some(TlsObstacle::HandshakeMissing));
        }
        // Without secrets the suite stays unknown.
        let (connection, opened) = open(&client, 1460, &mut Keyring::default());
        assert_eq!(opened, Opened::default());
        assert_eq!(connection.facts().cipher_suite, None);
    }
}

#[test]
fn secrets_of_the_handshake_alone_change_no_count_of_closed_records() {
    for suite in suites().into_iter().filter(|suite| is_13(*suite)) {
        let pair = Pair::new(suite);
        let flights = pair.talk(b"", &vec![7; 40_000], &vec![7; 20_000]);
        let log = pair.log.0.lock().expect("no panic").clone();
        let of_handshake = log.lines().filter(|line| line.contains("HANDSHAKE"));
        let mut keyring = Keyring::default();
        for line in of_handshake {
            keyring.add_key_log(TlsSecret::Keylog, format!("{line}\n").as_bytes());
        }
        let (with, _) = open(&flights, 1460, &mut keyring);
        let (without, _) = open(&flights, 1460, &mut Keyring::default());
        for way in [CLIENT, SERVER] {
            assert_eq!(with.records(way), without.records(way), "{suite:?}");
            assert_eq!(with.content_bytes(way), without.content_bytes(way));
        }
        assert_eq!(with.facts().obstacle, Some(TlsObstacle::NoSecret));
    }
}

/// Records of OpenSSL's DES-EDE3-CBC and HMAC-SHA-1 under the key of its test vectors, which no library offers for TLS any
/// more: MAC inside (RFC 5246 section 6.2.3.2), MAC of the ciphertext (RFC 7366), and chained ones of TLS 1.0.
#[test]
fn records_of_triple_des_open_under_their_own_number_only() {
    const KEY: &str = "0123456789abcdeff1e0d3c2b5a49786fedcba9876543210";
    const IV: &str = "fedcba9876543210";
    let bytes = |hex: &str| -> Vec<u8> {
        let digits = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
        (0..hex.len()).step_by(2).map(digits).collect()
    };
    let mac: Vec<u8> = (0..20).collect();
    let (key, iv) = (bytes(KEY), bytes(IV));
    let (other_mac, other_key) = ([0; 20], [0; 24]);
    let block = [&mac[..], &other_mac, &key, &other_key, &iv, &[0; 8]].concat();
    let keys = |version, encrypt_then_mac| {
        let suite = suite::Suite::new(version, 0x000a).expect("TLS_RSA_WITH_3DES_EDE_CBC_SHA");
        protection::Protection::from_key_block(suite, version, &block, true, encrypt_then_mac)
            .expect("keys")
    };
    let check = |keys: &protection::Protection, minor, sequence, payload: &[u8], text: &[u8]| {
        let length = u8::try_from(payload.len()).expect("a short record");
        let header = [23, 3, minor, 0, length];
        let mut content = Vec::new();
        let mut opened = |sequence, payload: &[u8]| {
            let record = protection::Record { header, payload };
            let kind = keys.open(sequence, record, &mut content);
            kind.map(|kind| (kind, content.clone()))
        };
        assert_eq!(opened(sequence, payload), Some((23, text.to_vec())));
        assert_eq!(opened(sequence + 1, payload), None);
        for place in 0..payload.len() {
            let mut damaged = payload.to_vec();
            damaged[place] ^= 1;
            assert_eq!(opened(sequence, &damaged), None, "byte {place}");
        }
    };
    let retrieve = b"RETR readme.txt\r\n";
    let inside = bytes(concat!(
        "fedcba9876543210dae33ab79eed32eb4fc138f95d962afe",
        "87856f7c5615bec3195497dd7f8f9e29ce5188050f9929d8"
    ));
    check(&keys(0x0303, false), 3, 3, &inside, retrieve);
    let behind = bytes(concat!(
        "fedcba9876543210dae33ab79eed32eb4fc138f95d962afe484dd33f30a76a05",
        "5526de671c6f00bfac8d9480db940282e6f7c8e4"
    ));
    check(&keys(0x0303, true), 3, 3, &behind, retrieve);
    let mut chained = keys(0x0301, false);
    let first = bytes("1a7b44389ce7f2894b339b3d80191f5776ea304dbd376609052fd6640a5c636e");
    let second = bytes(concat!(
        "7e6e1865c883fa1cd839826f1538058f2d7d02a31601b74a",
        "219e7c9c3950242a58c0baafe12ac48d"
    ));
    check(&chained, 1, 0, &first, b"PASV\r\n");
    chained.passed(&first, false);
    check(&chained, 1, 1, &second, retrieve);
}

/// Content of each record that opened.
#[derive(Debug, Default)]
struct Pieces(Vec<Vec<u8>>);

impl Receiver for Pieces {
    fn content(&mut self, _: Direction, _: FrameRef, bytes: &[u8]) {
        self.0.push(bytes.to_vec());
    }

    fn gap(&mut self, _: Direction, _: FrameRef, _: u64) {}
}

/// Returns the records of flights, one by one.
fn records_of(flights: &Flights) -> Flights {
    let mut records = Flights::new();
    for (way, bytes) in flights {
        let mut rest = bytes.as_slice();
        while let [_, _, _, high, low, ..] = rest {
            let length = 5 + usize::from(u16::from_be_bytes([*high, *low]));
            let (record, behind) = rest.split_at(length);
            records.push((*way, record.to_vec()));
            rest = behind;
        }
    }
    records
}

/// Reads records, and returns what opens, with the number of pieces behind each record.
fn pieces_of(records: &Flights, keys: &str) -> (Vec<Vec<u8>>, Vec<usize>) {
    let mut keyring = Keyring::default();
    keyring.add_key_log(TlsSecret::Keylog, keys.as_bytes());
    let mut connection = Connection::new("C1".into());
    let mut pieces = Pieces::default();
    let mut counts = Vec::with_capacity(records.len());
    for (way, bytes) in records {
        connection.data(*way, bytes, at(1), &mut keyring, &mut pieces);
        counts.push(pieces.0.len());
    }
    connection.finish(at(2), &mut keyring, &mut pieces);
    (pieces.0, counts)
}

/// Damages records of content in rounds, and checks what opens. Returns the number of records damaged.
fn damage_records(name: &str, flights: &Flights, keys: &str, number: usize) -> usize {
    let records = records_of(flights);
    let (whole, counts) = pieces_of(&records, keys);
    // The piece of each record of content.
    let piece_of = |at: usize| {
        let before = at.checked_sub(1).map_or(0, |before| counts[before]);
        (counts[at] == before + 1).then_some(before)
    };
    let content: Vec<usize> = (0..records.len())
        .filter(|&at| piece_of(at).is_some())
        .collect();
    assert!(content.len() > 1, "{name}: {}", content.len());
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 16).expect("64 bits") % limit
    };
    let mut damaged = 0;
    while damaged < number {
        let mut changed = records.clone();
        let mut hit = Vec::new();
        for &at in &content {
            if draw(2) == 0 {
                continue;
            }
            let (_, bytes) = &mut changed[at];
            // The header as well, but not the length: that would be a loss.
            for _ in 0..=draw(3) {
                let place = draw(bytes.len());
                if !(3..5).contains(&place) {
                    bytes[place] ^= 1 << draw(8);
                }
            }
            if changed[at].1 != records[at].1 {
                hit.extend(piece_of(at));
            }
        }
        damaged += hit.len().max(1);
        let (found, _) = pieces_of(&changed, keys);
        let mut left = (0..whole.len()).filter(|piece| !hit.contains(piece));
        for piece in &found {
            assert!(
                left.any(|one| whole[one] == *piece),
                "{name}: {} after {hit:?}",
                piece.escape_ascii()
            );
        }
    }
    damaged
}

/// `FTPSCOPE_DAMAGED_RECORDS` sets how many records of all suites are damaged, without it some 3,000.
#[test]
fn damaged_records_of_any_suite_yield_no_content() {
    let number = std::env::var("FTPSCOPE_DAMAGED_RECORDS");
    let number: usize = number.map_or(3_000, |number| number.parse().expect("a number"));
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/tls/streams");
    let paths: Vec<_> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    let of_each = number.div_ceil(paths.len() + suites().len());
    let mut damaged = 0;
    for path in paths {
        let (keys, flights) = recorded(&std::fs::read_to_string(&path).expect("a text"));
        damaged += damage_records(&path.display().to_string(), &flights, &keys, of_each);
    }
    let down: Vec<u8> = (0..9_000_u32).flat_map(u32::to_le_bytes).collect();
    for suite in suites() {
        let mut pair = Pair::new(suite);
        let server = Arc::get_mut(&mut pair.server).expect("the only owner");
        server.max_fragment_size = Some(150);
        let flights = pair.talk(b"", b"USER anonymous\r\n", &down);
        let keys = pair.log.0.lock().expect("no panic").clone();
        damaged += damage_records(&format!("{suite:?}"), &flights, &keys, of_each);
    }
    println!("{damaged} records damaged");
    assert!(damaged >= number, "{damaged}");
}
