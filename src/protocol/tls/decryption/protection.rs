//! Record protection: opens one record under given keys and sequence number.
//!
//! | kind | versions | what authenticates the record |
//! | --- | --- | --- |
//! | GCM, CCM, `CCM_8` | 1.2 | tag; 8 bytes of the nonce are in the record (RFC 5288 section 3, RFC 6655 section 3) |
//! | ChaCha20-Poly1305 | 1.2 | tag; nonce from the sequence number (RFC 7905 section 2) |
//! | all AEADs | 1.3 | tag; nonce from the sequence number; type and padding inside (RFC 8446 section 5.2) |
//! | CBC | 1.0 to 1.2 | MAC of the content (RFC 5246 section 6.2.3.2), or of the ciphertext (RFC 7366) |
//! | NULL | 1.0 to 1.2 | MAC of the content |
//!
//! Content leaves this module only where its tag or MAC is right.

use aes::{Aes128Dec, Aes128Enc, Aes256Dec, Aes256Enc};
use aes_gcm::AesGcm;
use cbc::cipher::{Array, BlockCipherDecrypt, BlockModeDecrypt, InnerIvInit};
use ccm::Ccm;
use ccm::consts::{U8, U12, U16};
use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use des::TdesEde3;

use super::key_schedule::{Derived, Hash, RecordMac, expand_label};
use super::suite::{Cipher, Suite, TLS_1_1, TLS_1_3};

/// Record as it was captured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    /// Header: content type, version, length.
    pub(super) header: [u8; 5],
    pub(super) payload: &'a [u8],
}

/// Keys of one direction, ready to open records.
pub(super) struct Protection {
    suite: Suite,
    version: u16,
    kind: Kind,
    /// Last block of the record before, which is the IV of the next one; empty if it is missing. `None` but for TLS 1.0 CBC.
    chained: Option<Box<[u8]>>,
}

enum Kind {
    Aead {
        cipher: Box<dyn Aead>,
        tag: usize,
        nonce: Nonce,
    },
    Cbc {
        cipher: Box<dyn BlockChain>,
        block: usize,
        mac: RecordMac,
        encrypt_then_mac: bool,
    },
    Null {
        mac: RecordMac,
    },
}

/// Proof of the number of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// The record opened, with this content type.
    Opened(u8),
    /// The MAC is right, and the block before the record is missing.
    Authentic,
}

/// Construction of the nonce of an AEAD.
#[derive(Clone, Copy)]
enum Nonce {
    /// 4 bytes from the key block, and 8 from the record.
    Explicit([u8; 4]),
    /// Exclusive or of 12 bytes and the sequence number; the content type is in the header.
    Sequence([u8; 12]),
    /// The same in TLS 1.3, where the content type is inside.
    Inner([u8; 12]),
}

/// Authenticated encryption: the seam at which another implementation can take the place of this one.
trait Aead: Send {
    /// Decrypts `buffer` in place. Returns false if the tag is wrong; the buffer then holds nothing of use.
    fn open(&self, nonce: &[u8; 12], aad: &[u8], buffer: &mut [u8], tag: &[u8]) -> bool;
}

/// Block cipher in CBC mode.
trait BlockChain: Send {
    /// Decrypts whole blocks in place. Returns false if lengths do not fit.
    fn decrypt(&self, iv: &[u8], buffer: &mut [u8]) -> bool;
}

/// Sizes of a suite in the key block, in bytes.
struct KeyLengths {
    mac: usize,
    key: usize,
    iv: usize,
}

impl Protection {
    /// Creates the keys of one end from a key block (RFC 5246 section 6.3).
    pub(super) fn from_key_block(
        suite: Suite,
        version: u16,
        block: &[u8],
        client: bool,
        encrypt_then_mac: bool,
    ) -> Option<Self> {
        let lengths = KeyLengths::new(suite, version);
        let part = |before: usize, length: usize| {
            let start = before + if client { 0 } else { length };
            block.get(start..start + length)
        };
        let mac_key = part(0, lengths.mac)?;
        let key = part(2 * lengths.mac, lengths.key)?;
        let iv = part(2 * (lengths.mac + lengths.key), lengths.iv)?;
        let mac = suite.mac.map(|hash| RecordMac::new(hash, mac_key));
        let kind = match (suite.cipher, mac) {
            (Cipher::Null, Some(mac)) => Kind::Null { mac },
            (cipher, Some(mac)) => Kind::Cbc {
                cipher: block_chain(cipher, key)?,
                block: cipher.block_length(),
                mac,
                encrypt_then_mac,
            },
            (cipher, None) => Kind::Aead {
                nonce: match iv.try_into() {
                    Ok(iv) => Nonce::Sequence(iv),
                    Err(_) => Nonce::Explicit(iv.try_into().ok()?),
                },
                cipher: aead(cipher, key)?,
                tag: cipher.tag_length(),
            },
        };
        let chains = matches!(kind, Kind::Cbc { .. }) && version < TLS_1_1;
        Some(Self {
            suite,
            version,
            kind,
            chained: chains.then(|| iv.into()),
        })
    }

    /// Creates the keys of one end from its traffic secret (RFC 8446 section 7.3).
    pub(super) fn from_traffic_secret(suite: Suite, secret: &[u8]) -> Option<Self> {
        if secret.len() != suite.hash.length() {
            return None;
        }
        let key = expand_label(suite.hash, secret, b"key", suite.cipher.key_length());
        let iv = expand_label(suite.hash, secret, b"iv", 12);
        Some(Self {
            suite,
            version: TLS_1_3,
            kind: Kind::Aead {
                cipher: aead(suite.cipher, &key)?,
                tag: suite.cipher.tag_length(),
                nonce: Nonce::Inner(iv.as_slice().try_into().ok()?),
            },
            chained: None,
        })
    }

    /// Opens a record. Returns its content type, with the content in `output`; `None` if it does not open.
    pub(super) fn open(
        &self,
        sequence: u64,
        record: Record<'_>,
        output: &mut Vec<u8>,
    ) -> Option<u8> {
        output.clear();
        let opened = match &self.kind {
            Kind::Aead { cipher, tag, nonce } => {
                open_aead(&**cipher, *tag, *nonce, sequence, record, output)
            }
            Kind::Cbc {
                cipher,
                block,
                mac,
                encrypt_then_mac: true,
            } => self.open_authenticated_cbc(&**cipher, *block, mac, sequence, record, output),
            Kind::Cbc {
                cipher, block, mac, ..
            } => self.open_cbc(&**cipher, *block, mac, sequence, record, output),
            Kind::Null { mac } => open_null(mac, sequence, record, output),
        };
        if opened.is_none() {
            output.clear();
        }
        opened.filter(|_| output.len() <= CONTENT_MAX)
    }

    /// Takes note of bytes that passed, opened or not: in TLS 1.0 the last block of a record is the IV of the next one.
    ///
    /// A MAC of the ciphertext does not cover that IV: the MAC of the record before does. Unless it proves to be right, which
    /// `authentic` says, the block is taken for missing, or damage to it would change the next record's first block unnoticed.
    pub(super) fn passed(&mut self, payload: &[u8], authentic: bool) {
        if let (
            Some(chained),
            Kind::Cbc {
                block,
                mac,
                encrypt_then_mac,
                ..
            },
        ) = (&mut self.chained, &self.kind)
        {
            let tag = if *encrypt_then_mac { mac.length() } else { 0 };
            let end = payload.len().saturating_sub(tag);
            let last = end.checked_sub(*block).and_then(|at| payload.get(at..end));
            let last = last.filter(|_| authentic || !*encrypt_then_mac);
            *chained = last.unwrap_or_default().into();
        }
    }

    /// Returns whether the MAC of a record is right though the record may not open, since the block before it is missing.
    pub(super) fn authenticates(&self, sequence: u64, record: Record<'_>) -> bool {
        match (&self.chained, &self.kind) {
            (
                Some(_),
                Kind::Cbc {
                    mac,
                    encrypt_then_mac: true,
                    ..
                },
            ) => authenticated(mac, sequence, record).is_some(),
            _ => false,
        }
    }

    /// Opens a record, or proves at least that it has this number. See [`Proof`].
    pub(super) fn prove(
        &self,
        sequence: u64,
        record: Record<'_>,
        output: &mut Vec<u8>,
    ) -> Option<Proof> {
        match self.open(sequence, record, output) {
            Some(kind) => Some(Proof::Opened(kind)),
            None => self
                .authenticates(sequence, record)
                .then_some(Proof::Authentic),
        }
    }

    /// Returns the content length that a payload of `length` bytes has at most, and whether it has just that.
    pub(super) const fn content_length(&self, length: u64) -> (u64, bool) {
        self.suite.content_length(self.version, length)
    }

    /// Returns the payload length of the shortest record with `content` bytes.
    pub(super) fn shortest(&self, content: u64) -> u64 {
        let fits = |length: u64| match &self.kind {
            Kind::Cbc {
                block,
                mac,
                encrypt_then_mac,
                ..
            } => {
                // A MAC of the ciphertext stands behind the blocks.
                let mac = if *encrypt_then_mac { mac.length() } else { 0 };
                length
                    .checked_sub(mac as u64)
                    .is_some_and(|blocks| blocks % *block as u64 == 0)
            }
            Kind::Aead { .. } | Kind::Null { .. } => true,
        };
        (content..content + 128)
            .find(|&length| fits(length) && self.content_length(length).0 >= content)
            .unwrap_or(content)
    }

    /// Opens a CBC record whose MAC covers the content (RFC 5246 section 6.2.3.2).
    fn open_cbc(
        &self,
        cipher: &dyn BlockChain,
        block: usize,
        mac: &RecordMac,
        sequence: u64,
        record: Record<'_>,
        output: &mut Vec<u8>,
    ) -> Option<u8> {
        self.decrypt_cbc(cipher, block, record.payload, output)?;
        let content = output.len().checked_sub(mac.length())?;
        let (content, tag) = output.split_at(content);
        let length = u16::try_from(content.len()).ok()?;
        let prefix = mac_prefix(sequence, record.header, length);
        if !mac.verifies(&[&prefix, content], tag) {
            return None;
        }
        output.truncate(usize::from(length));
        Some(record.header[0])
    }

    /// Opens a CBC record whose MAC covers the ciphertext (RFC 7366 section 3).
    fn open_authenticated_cbc(
        &self,
        cipher: &dyn BlockChain,
        block: usize,
        mac: &RecordMac,
        sequence: u64,
        record: Record<'_>,
        output: &mut Vec<u8>,
    ) -> Option<u8> {
        let encrypted = authenticated(mac, sequence, record)?;
        self.decrypt_cbc(cipher, block, encrypted, output)?;
        Some(record.header[0])
    }

    /// Decrypts blocks and takes off the padding.
    fn decrypt_cbc(
        &self,
        cipher: &dyn BlockChain,
        block: usize,
        payload: &[u8],
        output: &mut Vec<u8>,
    ) -> Option<()> {
        let (iv, encrypted) = match &self.chained {
            Some(iv) => (&**iv, payload),
            None => payload.split_at_checked(block)?,
        };
        output.extend_from_slice(encrypted);
        if output.is_empty() || !cipher.decrypt(iv, output) {
            return None;
        }
        // Each byte of the padding is its length (RFC 5246 section 6.2.3.2).
        let padding = *output.last()?;
        let content = output.len().checked_sub(usize::from(padding) + 1)?;
        if output.get(content..)?.iter().any(|byte| *byte != padding) {
            return None;
        }
        output.truncate(content);
        Some(())
    }
}

impl KeyLengths {
    fn new(suite: Suite, version: u16) -> Self {
        Self {
            mac: suite.mac.map_or(0, Hash::length),
            key: suite.cipher.key_length(),
            iv: suite.cipher.key_block_iv(version),
        }
    }
}

/// Returns the length in bytes of the key block that a suite needs.
pub(super) fn key_block_length(suite: Suite, version: u16) -> usize {
    let lengths = KeyLengths::new(suite, version);
    2 * (lengths.mac + lengths.key + lengths.iv)
}

/// Returns the secret that follows a traffic secret after a `KeyUpdate` (RFC 8446 section 7.2).
pub(super) fn next_traffic_secret(suite: Suite, secret: &[u8]) -> Derived {
    expand_label(suite.hash, secret, b"traffic upd", suite.hash.length())
}

fn open_aead(
    cipher: &dyn Aead,
    tag: usize,
    nonce: Nonce,
    sequence: u64,
    record: Record<'_>,
    output: &mut Vec<u8>,
) -> Option<u8> {
    let end = record.payload.len().checked_sub(tag)?;
    let (encrypted, tag) = record.payload.split_at(end);
    match nonce {
        Nonce::Explicit(fixed) => {
            let (explicit, encrypted) = encrypted.split_at_checked(8)?;
            let mut nonce = [0; 12];
            nonce[..4].copy_from_slice(&fixed);
            nonce[4..].copy_from_slice(explicit);
            let length = u16::try_from(encrypted.len()).ok()?;
            output.extend_from_slice(encrypted);
            let aad = mac_prefix(sequence, record.header, length);
            cipher
                .open(&nonce, &aad, output, tag)
                .then_some(record.header[0])
        }
        Nonce::Sequence(iv) => {
            output.extend_from_slice(encrypted);
            let length = u16::try_from(encrypted.len()).ok()?;
            let aad = mac_prefix(sequence, record.header, length);
            cipher
                .open(&sequence_nonce(iv, sequence), &aad, output, tag)
                .then_some(record.header[0])
        }
        Nonce::Inner(iv) => {
            output.extend_from_slice(encrypted);
            let nonce = sequence_nonce(iv, sequence);
            if !cipher.open(&nonce, &record.header, output, tag) {
                return None;
            }
            // Zeros at the end are padding (RFC 8446 section 5.4).
            let last = output.iter().rposition(|byte| *byte != 0)?;
            let kind = *output.get(last)?;
            output.truncate(last);
            Some(kind)
        }
    }
}

fn open_null(
    mac: &RecordMac,
    sequence: u64,
    record: Record<'_>,
    output: &mut Vec<u8>,
) -> Option<u8> {
    output.extend_from_slice(authenticated(mac, sequence, record)?);
    Some(record.header[0])
}

/// Returns the bytes of a record in front of its MAC; `None` if that is wrong.
fn authenticated<'r>(mac: &RecordMac, sequence: u64, record: Record<'r>) -> Option<&'r [u8]> {
    let end = record.payload.len().checked_sub(mac.length())?;
    let (bytes, tag) = record.payload.split_at(end);
    let prefix = mac_prefix(sequence, record.header, u16::try_from(end).ok()?);
    mac.verifies(&[&prefix, bytes], tag).then_some(bytes)
}

/// Returns the bytes that a MAC covers in front of the content: sequence number, type, version, length.
fn mac_prefix(sequence: u64, header: [u8; 5], length: u16) -> [u8; 13] {
    let mut prefix = [0; 13];
    prefix[..8].copy_from_slice(&sequence.to_be_bytes());
    prefix[8..11].copy_from_slice(&header[..3]);
    prefix[11..].copy_from_slice(&length.to_be_bytes());
    prefix
}

fn sequence_nonce(iv: [u8; 12], sequence: u64) -> [u8; 12] {
    let mut nonce = iv;
    for (place, byte) in nonce.iter_mut().skip(4).zip(sequence.to_be_bytes()) {
        *place ^= byte;
    }
    nonce
}

fn aead(cipher: Cipher, key: &[u8]) -> Option<Box<dyn Aead>> {
    Some(match cipher {
        Cipher::Aes128Gcm => Box::new(RustCrypto(
            AesGcm::<Aes128Enc, U12>::new_from_slice(key).ok()?,
        )),
        Cipher::Aes256Gcm => Box::new(RustCrypto(
            AesGcm::<Aes256Enc, U12>::new_from_slice(key).ok()?,
        )),
        Cipher::Aes128Ccm => Box::new(RustCrypto(
            Ccm::<Aes128Enc, U16, U12>::new_from_slice(key).ok()?,
        )),
        Cipher::Aes256Ccm => Box::new(RustCrypto(
            Ccm::<Aes256Enc, U16, U12>::new_from_slice(key).ok()?,
        )),
        Cipher::Aes128Ccm8 => Box::new(RustCrypto(
            Ccm::<Aes128Enc, U8, U12>::new_from_slice(key).ok()?,
        )),
        Cipher::Aes256Ccm8 => Box::new(RustCrypto(
            Ccm::<Aes256Enc, U8, U12>::new_from_slice(key).ok()?,
        )),
        Cipher::ChaCha20Poly1305 => {
            Box::new(RustCrypto(ChaCha20Poly1305::new_from_slice(key).ok()?))
        }
        _ => return None,
    })
}

fn block_chain(cipher: Cipher, key: &[u8]) -> Option<Box<dyn BlockChain>> {
    Some(match cipher {
        Cipher::Aes128Cbc => Box::new(Cbc::<Aes128Dec>(Aes128Dec::new_from_slice(key).ok()?)),
        Cipher::Aes256Cbc => Box::new(Cbc::<Aes256Dec>(Aes256Dec::new_from_slice(key).ok()?)),
        Cipher::TripleDesCbc => Box::new(Cbc::<TdesEde3>(TdesEde3::new_from_slice(key).ok()?)),
        _ => return None,
    })
}

/// AEAD of the `RustCrypto` project.
struct RustCrypto<A>(A);

impl<A: AeadInOut<NonceSize = U12> + Send> Aead for RustCrypto<A> {
    fn open(&self, nonce: &[u8; 12], aad: &[u8], buffer: &mut [u8], tag: &[u8]) -> bool {
        let Ok(tag) = tag.try_into() else {
            return false;
        };
        self.0
            .decrypt_inout_detached(nonce.into(), aad, InOutBuf::from(buffer), tag)
            .is_ok()
    }
}

/// Block cipher of the `RustCrypto` project in CBC mode.
struct Cbc<C>(C);

impl<C> BlockChain for Cbc<C>
where
    C: BlockCipherDecrypt + Clone + Send,
{
    fn decrypt(&self, iv: &[u8], buffer: &mut [u8]) -> bool {
        let (blocks, rest) = Array::slice_as_chunks_mut(buffer);
        let Ok(iv) = iv.try_into() else {
            return false;
        };
        let mut chain = cbc::Decryptor::<C>::inner_iv_init(self.0.clone(), iv);
        chain.decrypt_blocks(blocks);
        rest.is_empty()
    }
}

/// Longest content of a record in bytes (RFC 8446 section 5.1).
const CONTENT_MAX: usize = 1 << 14;
