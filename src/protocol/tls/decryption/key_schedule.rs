//! Key schedule: from secrets to the keys of one direction (RFC 5246 sections 5, 6.3 and 8.1; RFC 8446 section 7).
//!
//! ```text
//! TLS 1.2 and before   premaster secret ─PRF─> master secret ─PRF─> key block: MAC keys, keys, IVs of both ends
//! TLS 1.3              traffic secret ─HKDF-Expand-Label─> key, IV; `traffic upd` gives the next traffic secret
//! ```

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384};
use zeroize::Zeroizing;

use super::suite::TLS_1_2;

/// Hash of a suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha1,
    Sha256,
    Sha384,
}

/// Bytes of a derived secret, wiped when dropped.
pub(super) type Derived = Zeroizing<Vec<u8>>;

/// Keyed MAC, ready for records.
#[derive(Clone)]
pub(super) enum RecordMac {
    Sha1(Box<Hmac<Sha1>>),
    Sha256(Box<Hmac<Sha256>>),
    Sha384(Box<Hmac<Sha384>>),
}

impl Hash {
    /// Returns the length of its output in bytes.
    pub(super) const fn length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
        }
    }
}

impl RecordMac {
    pub(super) fn new(hash: Hash, key: &[u8]) -> Self {
        match hash {
            Hash::Sha1 => Self::Sha1(Box::new(keyed(key))),
            Hash::Sha256 => Self::Sha256(Box::new(keyed(key))),
            Hash::Sha384 => Self::Sha384(Box::new(keyed(key))),
        }
    }

    /// Returns its length in bytes.
    pub(super) const fn length(&self) -> usize {
        match self {
            Self::Sha1(_) => 20,
            Self::Sha256(_) => 32,
            Self::Sha384(_) => 48,
        }
    }

    /// Returns whether `tag` authenticates `parts`.
    pub(super) fn verifies(&self, parts: &[&[u8]], tag: &[u8]) -> bool {
        fn check<M: Mac + Clone>(mac: &M, parts: &[&[u8]], tag: &[u8]) -> bool {
            let mut mac = mac.clone();
            for part in parts {
                mac.update(part);
            }
            mac.verify_slice(tag).is_ok()
        }
        match self {
            Self::Sha1(mac) => check(&**mac, parts, tag),
            Self::Sha256(mac) => check(&**mac, parts, tag),
            Self::Sha384(mac) => check(&**mac, parts, tag),
        }
    }
}

/// Expands a secret with the pseudorandom function of a version (RFC 5246 section 5, RFC 2246 section 5).
pub(super) fn prf(
    version: u16,
    hash: Hash,
    secret: &[u8],
    label: &[u8],
    seed: &[&[u8]],
    length: usize,
) -> Derived {
    let mut output = Zeroizing::new(vec![0; length]);
    if version >= TLS_1_2 {
        match hash {
            Hash::Sha384 => p_hash::<Hmac<Sha384>>(secret, label, seed, &mut output),
            Hash::Sha256 | Hash::Sha1 => p_hash::<Hmac<Sha256>>(secret, label, seed, &mut output),
        }
    } else {
        // Both halves of the secret, which share the middle byte of an odd length.
        let half = secret.len().div_ceil(2);
        let (first, second) = (
            secret.get(..half).unwrap_or_default(),
            secret.get(secret.len() - half..).unwrap_or_default(),
        );
        p_hash::<Hmac<Md5>>(first, label, seed, &mut output);
        p_hash::<Hmac<Sha1>>(second, label, seed, &mut output);
    }
    output
}

/// Adds the output of `P_hash` to `output`, by exclusive or.
fn p_hash<M: Mac + KeyInit + Clone>(
    secret: &[u8],
    label: &[u8],
    seed: &[&[u8]],
    output: &mut [u8],
) {
    let Ok(key) = <M as KeyInit>::new_from_slice(secret) else {
        return;
    };
    let with_seed = |mut mac: M| {
        mac.update(label);
        for part in seed {
            mac.update(part);
        }
        mac.finalize().into_bytes()
    };
    let mut a = with_seed(key.clone());
    let size = a.len();
    for block in output.chunks_mut(size) {
        let mut mac = key.clone();
        mac.update(&a);
        for (place, byte) in block.iter_mut().zip(with_seed(mac)) {
            *place ^= byte;
        }
        let mut mac = key.clone();
        mac.update(&a);
        a = mac.finalize().into_bytes();
    }
}

/// Derives the master secret from a premaster secret; with a session hash as RFC 7627 section 4 does.
pub(super) fn master_secret(
    version: u16,
    hash: Hash,
    premaster: &[u8],
    randoms: [&[u8; 32]; 2],
    session_hash: Option<&[u8]>,
) -> Derived {
    match session_hash {
        Some(digest) => prf(
            version,
            hash,
            premaster,
            b"extended master secret",
            &[digest],
            48,
        ),
        None => prf(
            version,
            hash,
            premaster,
            b"master secret",
            &[randoms[0], randoms[1]],
            48,
        ),
    }
}

/// Returns the hash over handshake messages that an extended master secret depends on (RFC 7627 section 3).
pub(super) fn session_hash(version: u16, hash: Hash, messages: &[&[u8]]) -> Vec<u8> {
    fn digest<D: Digest>(messages: &[&[u8]]) -> Vec<u8> {
        let mut digest = D::new();
        for message in messages {
            digest.update(message);
        }
        digest.finalize().to_vec()
    }
    if version < TLS_1_2 {
        return [digest::<Md5>(messages), digest::<Sha1>(messages)].concat();
    }
    match hash {
        Hash::Sha384 => digest::<Sha384>(messages),
        Hash::Sha256 | Hash::Sha1 => digest::<Sha256>(messages),
    }
}

/// Derives a value from a traffic secret: HKDF-Expand-Label without a context (RFC 8446 section 7.1).
pub(super) fn expand_label(hash: Hash, secret: &[u8], label: &[u8], length: usize) -> Derived {
    let mut info = Vec::with_capacity(32);
    info.extend(u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
    info.push(u8::try_from(PREFIX.len() + label.len()).unwrap_or(u8::MAX));
    info.extend_from_slice(PREFIX);
    info.extend_from_slice(label);
    info.push(0);
    let mut output = Zeroizing::new(vec![0; length]);
    // Fails only for secrets shorter than the hash; those give zeros, which open nothing.
    let _ = match hash {
        Hash::Sha384 => {
            Hkdf::<Sha384>::from_prk(secret).map(|key| key.expand(&info, &mut output).is_ok())
        }
        Hash::Sha256 | Hash::Sha1 => {
            Hkdf::<Sha256>::from_prk(secret).map(|key| key.expand(&info, &mut output).is_ok())
        }
    };
    output
}

fn keyed<M: KeyInit>(key: &[u8]) -> M {
    M::new_from_slice(key).expect("HMAC takes keys of any length")
}

/// Prefix of every label (RFC 8446 section 7.1).
const PREFIX: &[u8] = b"tls13 ";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::tls::decryption::suite::{TLS_1_0, TLS_1_2};

    fn hex(digits: &str) -> Vec<u8> {
        let digits: Vec<u8> = digits.bytes().filter(u8::is_ascii_hexdigit).collect();
        let pairs = digits.chunks(2);
        pairs
            .map(|pair| u8::from_str_radix(&String::from_utf8_lossy(pair), 16).expect("hex"))
            .collect()
    }

    /// Vectors of the IETF TLS working group's list, 2009-06: `P_SHA256` and `P_SHA384` as TLS 1.2 uses them.
    #[test]
    fn tls_1_2_prf_gives_the_published_vectors() {
        let output = prf(
            TLS_1_2,
            Hash::Sha256,
            &hex("9bbe436ba940f017b17652849a71db35"),
            b"test label",
            &[&hex("a0ba9f936cda311827a6f796ffd5198c")],
            100,
        );
        let expected = "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af\
                        0fa022f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff701\
                        87347b66";
        assert_eq!(*output, hex(expected));
        let output = prf(
            TLS_1_2,
            Hash::Sha384,
            &hex("b80b733d6ceefcdc71566ea48e5567df"),
            b"test label",
            &[&hex("cd665cf6a8447dd6ff8b27555edb7465")],
            148,
        );
        let expected = "7b0c18e9ced410ed1804f2cfa34a336a1c14dffb4900bb5fd7942107e81c83cde9ca0faa60be9fe34f82b1233c9146a0\
                        e534cb400fed2700884f9dc236f80edd8bfa961144c9e8d792eca722a7b32fc3d416d473ebc2c5fd4abfdad05d918425\
                        9b5bf8cd4d90fa0d31e2dec479e4f1a26066f2eea9a69236a3e52655c9e9aee691c8f3a26854308d5eaa3be85e0990703\
                        d73e56f";
        assert_eq!(*output, hex(expected));
    }

    /// Vector of the same kind for TLS 1.0 and 1.1, as NSS and `GnuTLS` test it.
    #[test]
    fn tls_1_0_prf_gives_the_published_vector() {
        let output = prf(
            TLS_1_0,
            Hash::Sha256,
            &[0xab; 48],
            b"PRF Testvector",
            &[&[0xcd; 64]],
            104,
        );
        let expected = "d3d4d1e349b5d515044666d51de32bab258cb521b6b053463e354832fd976754443bcf9a296519bc289abcbc1187e4eb\
                        d31e602353776c408aafb74cbc85eff69255f9788faa184cbb957a9819d84a5d7eb006eb459d3ae8de9810454b8b2d8f\
                        1afbc655a8c9a013";
        assert_eq!(*output, hex(expected));
    }

    /// RFC 8448 section 3: keys of the server's handshake traffic, and of the client's application traffic.
    #[test]
    fn tls_1_3_keys_are_those_of_rfc_8448() {
        let secret = hex("b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38");
        assert_eq!(
            *expand_label(Hash::Sha256, &secret, b"key", 16),
            hex("3fce516009c21727d0f2e4e86ee403bc")
        );
        assert_eq!(
            *expand_label(Hash::Sha256, &secret, b"iv", 12),
            hex("5d313eb2671276ee13000b30")
        );
        let secret = hex("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5");
        assert_eq!(
            *expand_label(Hash::Sha256, &secret, b"key", 16),
            hex("17422dda596ed5d9acd890e3c63f5051")
        );
        assert_eq!(
            *expand_label(Hash::Sha256, &secret, b"iv", 12),
            hex("5b78923dee08579033e523d9")
        );
    }

    #[test]
    fn mac_of_rfc_4231_verifies_and_a_changed_one_does_not() {
        let mac = RecordMac::new(Hash::Sha256, b"Jefe");
        let mut tag = hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        let parts: [&[u8]; 2] = [b"what do ya want ", b"for nothing?"];
        assert!(mac.verifies(&parts, &tag));
        assert_eq!(mac.length(), Hash::Sha256.length());
        tag[0] ^= 1;
        assert!(!mac.verifies(&parts, &tag));
    }
}
