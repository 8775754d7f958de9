//! Names of connections and files that are the same in every run, as `uid` in the report.
//!
//! Community IDs name a pair of end points; its ports may be used again. A uid names one connection between them: it depends
//! on the time of the first packet as well, and on nothing else, so that tables of different runs can be joined by it.
//!
//! The form is Zeek's: a letter, then 32 and 64 bits of a digest, each as a number in base 62 with the most significant digit
//! first. [`flow_number`] gives another number from the same digest to formats that need one.

use compact_str::CompactString;
use sha2::{Digest, Sha256};

use crate::model::Timestamp;

/// Returns the name of the connection with this Community ID whose first packet was captured at `first`: `C` and up to 17
/// letters and digits.
#[must_use]
pub fn connection_uid(community_id: &str, first: Timestamp) -> CompactString {
    name(b'C', connection_digest(community_id, first))
}

/// Returns the name of a transfer: `F` and up to 17 letters and digits. `connection` is the uid of its session, or of the
/// data connection for data without a session; `id` is the transfer's number, 0 for data without a command.
#[must_use]
pub fn file_uid(connection: &str, id: u64) -> CompactString {
    name(
        b'F',
        digest("ftpscope file 1", connection, decimal(id).text()),
    )
}

/// Returns the first 51 bits of a connection's digest, at least 1: a number that JavaScript reads exactly.
#[must_use]
pub fn flow_number(community_id: &str, first: Timestamp) -> u64 {
    let (high, low) = connection_digest(community_id, first);
    ((u64::from(high) << 19) | (low >> 45)).max(1)
}

fn connection_digest(community_id: &str, first: Timestamp) -> (u32, u64) {
    let nanos = first.nanos();
    let mut text = decimal(nanos.unsigned_abs());
    if nanos < 0 {
        text.push(b'-');
    }
    digest("ftpscope uid 1", community_id, text.text())
}

/// Returns the first 32 and the following 64 bits of the SHA-256 over three strings with NUL between them.
fn digest(purpose: &str, parent: &str, child: &[u8]) -> (u32, u64) {
    let mut hash = Sha256::new();
    hash.update(purpose);
    hash.update([0]);
    hash.update(parent);
    hash.update([0]);
    hash.update(child);
    let [a, b, c, d, rest @ ..] = <[u8; 32]>::from(hash.finalize());
    let low = rest.first_chunk::<8>().copied().unwrap_or_default();
    (u32::from_be_bytes([a, b, c, d]), u64::from_be_bytes(low))
}

// Every connection and transfer has such a name: it is made in place, from its last digit to the letter.
fn name(letter: u8, (high, low): (u32, u64)) -> CompactString {
    let mut text = FromTheEnd::default();
    text.push_number(low, DIGITS);
    text.push_number(high.into(), DIGITS);
    text.push(letter);
    CompactString::from_utf8_lossy(text.text())
}

fn decimal(number: u64) -> FromTheEnd {
    let mut text = FromTheEnd::default();
    text.push_number(number, b"0123456789");
    text
}

/// ASCII text of up to 24 bytes that is written from its end.
struct FromTheEnd {
    bytes: [u8; 24],
    begin: usize,
}

impl Default for FromTheEnd {
    fn default() -> Self {
        let bytes = [0; 24];
        Self {
            begin: bytes.len(),
            bytes,
        }
    }
}

impl FromTheEnd {
    /// Writes a byte before the others. Nothing longer than the text is ever written: 1 + 6 + 11 digits in base 62, or
    /// a sign and 20 decimal ones.
    fn push(&mut self, byte: u8) {
        self.begin = self.begin.saturating_sub(1);
        self.bytes[self.begin] = byte;
    }

    /// Writes a number in the base that `digits` has.
    fn push_number<const BASE: usize>(&mut self, mut number: u64, digits: &[u8; BASE]) {
        loop {
            let digit = usize::try_from(number % BASE as u64).unwrap_or_default();
            self.push(digits[digit]);
            number /= BASE as u64;
            if number == 0 {
                break;
            }
        }
    }

    fn text(&self) -> &[u8] {
        &self.bytes[self.begin..]
    }
}

/// Digits of base 62.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uid_is_letter_and_two_numbers_in_base_62() {
        assert_eq!(name(b'C', (0, 61)), "C0z");
        assert_eq!(name(b'F', (62, 3_844)), "F10100");
        assert_eq!(name(b'C', (u32::MAX, u64::MAX)), "C4gfFC3LygHa16AHYF");
    }

    #[test]
    fn uid_depends_on_end_points_and_time_alone() {
        let id = "1:t9T66/2c66NQyftAEsr4aMZv4Hc=";
        let uid = connection_uid(id, Timestamp::from_parts(1_795_190_081, 256_485_000));
        assert_eq!(uid, "C23f3kJ32bNAFC6PyY");
        let later = connection_uid(id, Timestamp::from_parts(1_795_190_081, 256_485_001));
        assert_ne!(uid, later);
        assert_eq!(file_uid(&uid, 1), "F3ybQvK6xqIQjobrdb");
    }
}
