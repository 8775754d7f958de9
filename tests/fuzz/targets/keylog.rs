//! Any bytes as a key log: read in pieces of any size, it gives the same secrets.

#![no_main]

use ftpscope::model::record::TlsSecret;
use ftpscope::protocol::tls::decryption::{KeyLogReader, Keyring, Secret, SecretId};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut whole = Vec::new();
    let mut reader = KeyLogReader::default();
    let mut found = |id: SecretId, secret: Secret| whole.push((id, secret));
    reader.feed(bytes, &mut found);
    reader.finish(&mut found);
    let mut pieces = Vec::new();
    let mut pieced = KeyLogReader::default();
    let mut found = |id: SecretId, secret: Secret| pieces.push((id, secret));
    for piece in bytes.chunks(3) {
        pieced.feed(piece, &mut found);
    }
    pieced.finish(&mut found);
    assert_eq!(whole, pieces);
    assert_eq!(reader.unusable(), pieced.unusable());
    let mut keyring = Keyring::default();
    keyring.add_key_log(TlsSecret::Keylog, bytes);
    assert!(keyring.len() <= whole.len());
});
