//! Parameters of the cipher suites that can be opened.
//!
//! For opening records only the cipher, the MAC and the hash of the key schedule matter; the key exchange does not, since the
//! key log has its result. Suites are therefore grouped by their second half: `…_WITH_AES_128_GCM_SHA256`.

use super::key_schedule::Hash;

/// Cipher suite, as far as records are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Suite {
    pub(super) cipher: Cipher,
    /// Hash of the MAC; `None` for an AEAD.
    pub(super) mac: Option<Hash>,
    /// Hash of the key schedule in TLS 1.2 and 1.3; before, it is MD5 with SHA-1.
    pub(super) hash: Hash,
}

/// Cipher of a suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cipher {
    Aes128Gcm,
    Aes256Gcm,
    Aes128Ccm,
    Aes256Ccm,
    /// CCM with a tag of 8 bytes (RFC 6655).
    Aes128Ccm8,
    Aes256Ccm8,
    ChaCha20Poly1305,
    Aes128Cbc,
    Aes256Cbc,
    TripleDesCbc,
    Null,
}

/// Records of a TLS 1.3 client that end its handshake: `Certificate` and `CertificateVerify` where the server asked for them, and
/// the Finished (RFC 8446 section 4.4). From outside all of them look like content.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClientFlight {
    records: u8,
    done: bool,
}

impl ClientFlight {
    /// Returns whether the Finished has passed.
    #[must_use]
    pub const fn is_done(self) -> bool {
        self.done
    }

    /// Ends the flight: its Finished was opened.
    pub(super) const fn end(&mut self) {
        self.done = true;
    }

    /// Takes the next record by its length, under the cipher suite of this number; `None` if the server's hello is missing.
    /// Returns whether it belongs to the flight.
    ///
    /// The Finished is known by its length. Where no record has it, which padding may cause, the third one ends the flight.
    pub fn take(&mut self, length: u64, suite: Option<u16>) -> bool {
        if self.done {
            return false;
        }
        self.records += 1;
        let suite = suite.and_then(|number| Suite::new(TLS_1_3, number));
        let is_finished = match suite {
            Some(suite) => length == suite.finished_length(),
            None => matches!(length, 45 | 53 | 69),
        };
        self.done = is_finished || self.records == FLIGHT;
        true
    }
}

/// Records of the longest flight, one message in each.
const FLIGHT: u8 = 3;

impl Suite {
    /// Returns the length of a TLS 1.3 record with a Finished in bytes, without padding: message header, hash, content type, tag
    /// (RFC 8446 sections 4.4.4 and 5.2).
    const fn finished_length(self) -> u64 {
        let hash = match self.hash {
            Hash::Sha384 => 48,
            _ => 32,
        };
        4 + hash + 1 + self.cipher.tag_length() as u64
    }

    /// Returns the parameters of a suite; `None` for one that cannot be opened in this version.
    pub(super) fn new(version: u16, number: u16) -> Option<Self> {
        let aead = |cipher, hash| Self {
            cipher,
            mac: None,
            hash,
        };
        let mac = |cipher, mac| Self {
            cipher,
            mac: Some(mac),
            hash: if mac == Hash::Sha384 {
                Hash::Sha384
            } else {
                Hash::Sha256
            },
        };
        if version >= TLS_1_3 {
            return Some(match number {
                0x1301 => aead(Cipher::Aes128Gcm, Hash::Sha256),
                0x1302 => aead(Cipher::Aes256Gcm, Hash::Sha384),
                0x1303 => aead(Cipher::ChaCha20Poly1305, Hash::Sha256),
                0x1304 => aead(Cipher::Aes128Ccm, Hash::Sha256),
                0x1305 => aead(Cipher::Aes128Ccm8, Hash::Sha256),
                _ => return None,
            });
        }
        let suite = match number {
            0x002f..=0x0034
            | 0x008c
            | 0x0090
            | 0x0094
            | 0xc004
            | 0xc009
            | 0xc00e
            | 0xc013
            | 0xc018
            | 0xc01d..=0xc01f
            | 0xc035 => mac(Cipher::Aes128Cbc, Hash::Sha1),
            0x0035..=0x003a
            | 0x008d
            | 0x0091
            | 0x0095
            | 0xc005
            | 0xc00a
            | 0xc00f
            | 0xc014
            | 0xc019
            | 0xc020..=0xc022
            | 0xc036 => mac(Cipher::Aes256Cbc, Hash::Sha1),
            0x000a
            | 0x000d
            | 0x0010
            | 0x0013
            | 0x0016
            | 0x001b
            | 0x008b
            | 0x008f
            | 0x0093
            | 0xc003
            | 0xc008
            | 0xc00d
            | 0xc012
            | 0xc017
            | 0xc01a..=0xc01c
            | 0xc034 => mac(Cipher::TripleDesCbc, Hash::Sha1),
            0x003c
            | 0x003e..=0x0040
            | 0x0067
            | 0x006c
            | 0x00ae
            | 0x00b2
            | 0x00b6
            | 0xc023
            | 0xc025
            | 0xc027
            | 0xc029
            | 0xc037 => mac(Cipher::Aes128Cbc, Hash::Sha256),
            0x003d | 0x0068..=0x006b | 0x006d => mac(Cipher::Aes256Cbc, Hash::Sha256),
            0x00af | 0x00b3 | 0x00b7 | 0xc024 | 0xc026 | 0xc028 | 0xc02a | 0xc038 => {
                mac(Cipher::Aes256Cbc, Hash::Sha384)
            }
            0x009c | 0x009e | 0x00a0 | 0x00a2 | 0x00a4 | 0x00a6 | 0x00a8 | 0x00aa | 0x00ac
            | 0xc02b | 0xc02d | 0xc02f | 0xc031 | 0xd001 => aead(Cipher::Aes128Gcm, Hash::Sha256),
            0x009d | 0x009f | 0x00a1 | 0x00a3 | 0x00a5 | 0x00a7 | 0x00a9 | 0x00ab | 0x00ad
            | 0xc02c | 0xc02e | 0xc030 | 0xc032 | 0xd002 => aead(Cipher::Aes256Gcm, Hash::Sha384),
            0xc09c | 0xc09e | 0xc0a4 | 0xc0a6 | 0xc0ac | 0xd005 => {
                aead(Cipher::Aes128Ccm, Hash::Sha256)
            }
            0xc09d | 0xc09f | 0xc0a5 | 0xc0a7 | 0xc0ad => aead(Cipher::Aes256Ccm, Hash::Sha256),
            0xc0a0 | 0xc0a2 | 0xc0a8 | 0xc0aa | 0xc0ae | 0xd003 => {
                aead(Cipher::Aes128Ccm8, Hash::Sha256)
            }
            0xc0a1 | 0xc0a3 | 0xc0a9 | 0xc0ab | 0xc0af => aead(Cipher::Aes256Ccm8, Hash::Sha256),
            0xcca8..=0xccae => aead(Cipher::ChaCha20Poly1305, Hash::Sha256),
            0x0002 | 0x002c..=0x002e | 0xc001 | 0xc006 | 0xc00b | 0xc010 | 0xc015 | 0xc039 => {
                mac(Cipher::Null, Hash::Sha1)
            }
            0x003b | 0x00b0 | 0x00b4 | 0x00b8 | 0xc03a => mac(Cipher::Null, Hash::Sha256),
            _ => return None,
        };
        // Other MACs and AEADs exist from TLS 1.2 on (RFC 5246 section 1.2).
        (version >= TLS_1_2 || suite.mac == Some(Hash::Sha1)).then_some(suite)
    }
}

impl Suite {
    /// Returns the content length that a payload of `length` bytes has at most, and whether it has just that.
    pub(super) const fn content_length(self, version: u16, length: u64) -> (u64, bool) {
        let tag = self.cipher.tag_length() as u64;
        let mac = match self.mac {
            Some(hash) => hash.length() as u64,
            None => 0,
        };
        let (beside, exact) = match self.cipher {
            // The content type and padding are inside (RFC 8446 section 5.2).
            _ if version >= TLS_1_3 => (tag + 1, false),
            Cipher::ChaCha20Poly1305 => (tag, true),
            Cipher::Null => (mac, true),
            Cipher::Aes128Cbc | Cipher::Aes256Cbc | Cipher::TripleDesCbc => {
                let iv = if version <= TLS_1_0 {
                    0
                } else {
                    self.cipher.block_length() as u64
                };
                // At least one byte of padding.
                (iv + mac + 1, false)
            }
            // 8 bytes of the nonce.
            _ => (tag + 8, true),
        };
        // No record has more content (RFC 5246 section 6.2.1).
        let content = length.saturating_sub(beside);
        (
            if content > CONTENT_MAX {
                CONTENT_MAX
            } else {
                content
            },
            exact,
        )
    }
}

impl Cipher {
    /// Returns the key length in bytes.
    pub(super) const fn key_length(self) -> usize {
        match self {
            Self::Aes128Gcm | Self::Aes128Ccm | Self::Aes128Ccm8 | Self::Aes128Cbc => 16,
            Self::Aes256Gcm
            | Self::Aes256Ccm
            | Self::Aes256Ccm8
            | Self::ChaCha20Poly1305
            | Self::Aes256Cbc => 32,
            Self::TripleDesCbc => 24,
            Self::Null => 0,
        }
    }

    /// Returns the length in bytes of the IV in the key block of TLS 1.2 and before.
    pub(super) const fn key_block_iv(self, version: u16) -> usize {
        match self {
            // The first 4 bytes of the nonce (RFC 5288 section 3, RFC 6655 section 3).
            Self::Aes128Gcm
            | Self::Aes256Gcm
            | Self::Aes128Ccm
            | Self::Aes256Ccm
            | Self::Aes128Ccm8
            | Self::Aes256Ccm8 => 4,
            // RFC 7905 section 2.
            Self::ChaCha20Poly1305 => 12,
            // From TLS 1.1 on the IV is in each record (RFC 4346 section 6.2.3.2).
            Self::Aes128Cbc | Self::Aes256Cbc if version <= TLS_1_0 => 16,
            Self::TripleDesCbc if version <= TLS_1_0 => 8,
            _ => 0,
        }
    }

    /// Returns the tag length of an AEAD in bytes, 0 for any other cipher.
    pub(super) const fn tag_length(self) -> usize {
        match self {
            Self::Aes128Ccm8 | Self::Aes256Ccm8 => 8,
            Self::Aes128Gcm
            | Self::Aes256Gcm
            | Self::Aes128Ccm
            | Self::Aes256Ccm
            | Self::ChaCha20Poly1305 => 16,
            _ => 0,
        }
    }

    /// Returns the block length of a CBC cipher in bytes, 0 for any other.
    pub(super) const fn block_length(self) -> usize {
        match self {
            Self::Aes128Cbc | Self::Aes256Cbc => 16,
            Self::TripleDesCbc => 8,
            _ => 0,
        }
    }
}

/// Returns whether the premaster secret of a suite is encrypted for the server's RSA key (RFC 5246 section 7.4.7.1).
pub(super) const fn is_rsa_key_exchange(number: u16) -> bool {
    matches!(
        number,
        0x0001..=0x000a
            | 0x002f
            | 0x0035
            | 0x003b..=0x003d
            | 0x0041
            | 0x0084
            | 0x0096
            | 0x009c
            | 0x009d
            | 0xc09c
            | 0xc09d
            | 0xc0a0
            | 0xc0a1
    )
}

/// Most content of one record in bytes (RFC 5246 section 6.2.1).
const CONTENT_MAX: u64 = 1 << 14;

pub(super) const TLS_1_0: u16 = 0x0301;
pub(super) const TLS_1_1: u16 = 0x0302;
pub(super) const TLS_1_2: u16 = 0x0303;
pub(super) const TLS_1_3: u16 = 0x0304;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::tls::cipher_suite::name;

    /// Returns the parameters that a registered name stands for.
    fn by_name(name: &str) -> Option<Suite> {
        let (_, kind) = name
            .split_once("_WITH_")
            .or_else(|| name.split_once("TLS_"))?;
        let (cipher, aead) = match kind {
            kind if kind.starts_with("AES_128_GCM") => (Cipher::Aes128Gcm, true),
            kind if kind.starts_with("AES_256_GCM") => (Cipher::Aes256Gcm, true),
            kind if kind.starts_with("AES_128_CCM_8") => (Cipher::Aes128Ccm8, true),
            kind if kind.starts_with("AES_256_CCM_8") => (Cipher::Aes256Ccm8, true),
            kind if kind.starts_with("AES_128_CCM") => (Cipher::Aes128Ccm, true),
            kind if kind.starts_with("AES_256_CCM") => (Cipher::Aes256Ccm, true),
            kind if kind.starts_with("CHACHA20") => (Cipher::ChaCha20Poly1305, true),
            kind if kind.starts_with("AES_128_CBC") => (Cipher::Aes128Cbc, false),
            kind if kind.starts_with("AES_256_CBC") => (Cipher::Aes256Cbc, false),
            kind if kind.starts_with("3DES_EDE_CBC") => (Cipher::TripleDesCbc, false),
            "NULL_SHA" | "NULL_SHA256" => (Cipher::Null, false),
            _ => return None,
        };
        let hash = if kind.ends_with("SHA384") {
            Hash::Sha384
        } else if kind.ends_with("SHA") && !aead {
            Hash::Sha1
        } else {
            Hash::Sha256
        };
        Some(Suite {
            cipher,
            mac: (!aead).then_some(hash),
            hash: if hash == Hash::Sha384 {
                hash
            } else {
                Hash::Sha256
            },
        })
    }

    #[test]
    fn parameters_are_those_that_the_registered_name_stands_for() {
        let mut opened = 0;
        for number in 0..=u16::MAX {
            let version = if number >> 8 == 0x13 {
                TLS_1_3
            } else {
                TLS_1_2
            };
            let name = name(number);
            let suite = Suite::new(version, number);
            opened += usize::from(suite.is_some());
            if name.starts_with("0x") {
                assert_eq!(suite, None, "{name} is opened and has no name");
            } else {
                assert_eq!(suite, by_name(&name), "{name}");
            }
        }
        assert!(opened > 150, "{opened}");
    }

    #[test]
    fn aead_suites_do_not_exist_before_tls_1_2() {
        assert_eq!(Suite::new(TLS_1_1, 0xc02f), None);
        assert!(Suite::new(TLS_1_0, 0x002f).is_some());
        assert_eq!(Suite::new(TLS_1_3, 0xc02f), None);
        assert_eq!(Suite::new(TLS_1_2, 0x1301), None);
    }
}
