//! Numbers and digests as digits.

use std::fmt;

/// A number displayed with its digits in groups of three: `1,234,567`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grouped(u64);

/// Wraps a number for display in groups of three digits.
#[must_use]
pub const fn grouped(number: u64) -> Grouped {
    Grouped(number)
}

impl fmt::Display for Grouped {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1000 {
            return self.0.fmt(out);
        }
        let mut text = [b','; LONGEST];
        let mut begin = text.len();
        let mut rest = self.0;
        for (written, place) in text.iter_mut().enumerate().rev() {
            let from_the_end = LONGEST - 1 - written;
            // Every fourth byte from the end keeps its comma.
            if from_the_end % 4 == 3 {
                continue;
            }
            *place = b'0' + u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
            begin = written;
            if rest == 0 {
                break;
            }
        }
        // `pad` applies the width of the format string, as for any number.
        out.pad(std::str::from_utf8(&text[begin..]).unwrap_or_default())
    }
}

/// Formats bytes as lower-case hexadecimal digits, two per byte.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out
}

/// Bytes of `u64::MAX` in groups: 20 digits and 6 commas.
const LONGEST: usize = 26;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_are_grouped_by_three_digits() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_715, "1,715"),
            (100_000, "100,000"),
            (1_234_567, "1,234,567"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(grouped(number).to_string(), text);
        }
        assert_eq!(
            format!("{:>7}|{:<7}|", grouped(1_715), grouped(12)),
            "  1,715|12     |"
        );
    }

    #[test]
    fn every_byte_is_two_hex_digits() {
        assert_eq!(hex(&[0x00, 0x0f, 0xa5, 0xff]), "000fa5ff");
        assert_eq!(hex(&[]), "");
    }
}
