//! A recorded TLS connection, damaged: bytes flipped, lost, repeated and cut anywhere. What comes out was sent like that.

#![no_main]

use ftpscope::model::record::TlsSecret;
use ftpscope::model::{Direction, FrameRef};
use ftpscope::protocol::tls::decryption::{Connection, Keyring, Receiver};

/// Receiver that accepts only bytes that were sent.
struct Checked;

impl Receiver for Checked {
    fn content(&mut self, _: Direction, _: FrameRef, bytes: &[u8]) {
        let sent = |text: &[u8]| text.windows(bytes.len()).any(|part| part == bytes);
        assert!(bytes.is_empty() || TEXTS.iter().any(|text| sent(text)));
    }

    fn gap(&mut self, _: Direction, _: FrameRef, _: u64) {}
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((&stream, changes)) = bytes.split_first() else {
        return;
    };
    let (keys, mut flights) = recorded(STREAMS[usize::from(stream) % STREAMS.len()]);
    let mut losses = Vec::new();
    for change in changes.as_chunks::<4>().0 {
        let [kind, flight, place, value] = *change;
        let flight = usize::from(flight) % flights.len();
        let bytes = &mut flights[flight].1;
        let place = usize::from(place) * bytes.len() / 256;
        match kind % 4 {
            0 => bytes[place] ^= value,
            1 => bytes.truncate(place + 1),
            2 => losses.push((flight, u64::from(value) << (kind >> 4))),
            _ => bytes.extend_from_within(place..),
        }
    }
    let mut keyring = Keyring::default();
    keyring.add_key_log(TlsSecret::Keylog, keys.as_bytes());
    let mut connection = Connection::new("C".into());
    let at = FrameRef::default();
    let size = usize::from(stream >> 4) * 7 + 1;
    for (index, (way, bytes)) in flights.iter().enumerate() {
        for piece in bytes.chunks(size) {
            connection.data(*way, piece, at, &mut keyring, &mut Checked);
        }
        for (_, length) in losses.iter().filter(|(flight, _)| *flight == index) {
            connection.gap(*way, *length, at, &mut keyring, &mut Checked);
        }
    }
    connection.finish(at, &mut keyring, &mut Checked);
});

/// Returns the key log and the flights of a recorded stream.
fn recorded(text: &str) -> (String, Vec<(Direction, Vec<u8>)>) {
    let (mut keys, mut flights) = (String::new(), Vec::new());
    for line in text.lines() {
        match line.split_once(' ') {
            Some(("K", rest)) => keys.push_str(&format!("{rest}\n")),
            Some((side, rest)) => {
                let digit = |at| u8::from_str_radix(rest.get(at..at + 2).unwrap_or("0"), 16);
                let bytes = (0..rest.len()).step_by(2).map(|at| digit(at).unwrap_or(0));
                let way = if side == "C" { Direction::Up } else { Direction::Down };
                flights.push((way, bytes.collect()));
            }
            None => {}
        }
    }
    (keys, flights)
}

const TEXTS: [&[u8]; 2] = [b"USER anonymous\r\n", b"230 ok\r\n"];

const STREAMS: [&str; 5] = [
    include_str!("../../../testdata/tls/streams/tls13-aes256-gcm.txt"),
    include_str!("../../../testdata/tls/streams/tls13-hello-retry.txt"),
    include_str!("../../../testdata/tls/streams/tls12-aes128-sha.txt"),
    include_str!("../../../testdata/tls/streams/tls12-aes128-ccm.txt"),
    include_str!("../../../testdata/tls/streams/tls10-aes128-sha.txt"),
];
