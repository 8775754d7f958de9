//! Hand-made handshakes.

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
