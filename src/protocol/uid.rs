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
    name('C', connection_digest(community_id, first))
}

/// Returns the name of a transfer: `F` and up to 17 letters and digits. `connection` is the uid of its session, or of the
/// data connection for data without a session; `id` is the transfer's number, 0 for data without a command.
#[must_use]
pub fn file_uid(connection: &str, id: u64) -> CompactString {
    name('F', digest("ftpscope file 1", connection, &id.to_string()))
}

/// Returns the first 51 bits of a connection's digest, at least 1: a number that JavaScript reads exactly.
#[must_use]
pub fn flow_number(community_id: &str, first: Timestamp) -> u64 {
    let (high, low) = connection_digest(community_id, first);
    ((u64::from(high) << 19) | (low >> 45)).max(1)
}

fn connection_digest(community_id: &str, first: Timestamp) -> (u32, u64) {
    digest("ftpscope uid 1", community_id, &first.nanos().to_string())
}

/// Returns the first 32 and the following 64 bits of the SHA-256 over three strings with NUL between them.
fn digest(purpose: &str, parent: &str, child: &str) -> (u32, u64) {
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

fn name(letter: char, (high, low): (u32, u64)) -> CompactString {
    let mut text = CompactString::default();
    text.push(letter);
    push_base62(&mut text, high.into());
    push_base62(&mut text, low);
    text
}

fn push_base62(text: &mut CompactString, mut number: u64) {
    // 62^11 is more than 2^64.
    let mut digits = [0; 11];
    let mut begin = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[usize::try_from(number % 62).unwrap_or_default()];
        number /= 62;
        begin -= 1;
        if number == 0 {
            break;
        }
    }
    text.extend(digits[begin..].iter().copied().map(char::from));
}

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uid_is_letter_and_two_numbers_in_base_62() {
        assert_eq!(name('C', (0, 61)), "C0z");
        assert_eq!(name('F', (62, 3_844)), "F10100");
        assert_eq!(name('C', (u32::MAX, u64::MAX)), "C4gfFC3LygHa16AHYF");
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
