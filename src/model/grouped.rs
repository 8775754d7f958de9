//! Counts as text.

use std::fmt;

/// A number whose digits are shown in groups of three: `1,234,567`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grouped(u64);

/// Shows the digits of a number in groups of three.
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
        out.pad(std::str::from_utf8(&text[begin..]).unwrap_or_default())
    }
}

/// Twenty digits and six commas: the largest number there is.
const LONGEST: usize = 26;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_groups_of_three() {
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
}
