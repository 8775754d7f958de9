//! Line ends of a file sent with TYPE A, counted while it passes.

/// Counts of line ends and of the characters in them.
#[derive(Clone, Debug, Default)]
pub(crate) struct LineEnds {
    line_feeds: u64,
    returns: u64,
    /// CR LF.
    pairs: u64,
    /// CR NUL, which stands for a CR within a line (RFC 854).
    escaped: u64,
    /// The last byte was a CR: the next call may complete a pair.
    after_return: bool,
}

impl LineEnds {
    /// Counts the next bytes of the file.
    pub(crate) fn count(&mut self, bytes: &[u8]) {
        let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
            return;
        };
        if self.after_return {
            self.pairs += u64::from(*first == b'\n');
            self.escaped += u64::from(*first == 0);
        }
        self.after_return = *last == b'\r';
        let next = bytes.get(1..).unwrap_or_default();
        // Pieces of less than 256 bytes: 8-bit counters let the compiler count a whole vector register at once, and no
        // counter overflows.
        for piece in bytes.chunks(PIECE) {
            let (mut line_feeds, mut returns) = (0_u8, 0_u8);
            for &byte in piece {
                line_feeds = line_feeds.wrapping_add(u8::from(byte == b'\n'));
                returns = returns.wrapping_add(u8::from(byte == b'\r'));
            }
            self.line_feeds += u64::from(line_feeds);
            self.returns += u64::from(returns);
        }
        for (piece, next) in bytes.chunks(PIECE).zip(next.chunks(PIECE)) {
            let (mut pairs, mut escaped) = (0_u8, 0_u8);
            for (&byte, &next) in piece.iter().zip(next) {
                let after_return = u8::from(byte == b'\r');
                pairs = pairs.wrapping_add(after_return & u8::from(next == b'\n'));
                escaped = escaped.wrapping_add(after_return & u8::from(next == 0));
            }
            self.pairs += u64::from(pairs);
            self.escaped += u64::from(escaped);
        }
    }

    /// Returns the number of CR LF, the line end of NVT-ASCII (RFC 959 section 3.1.1.1).
    pub(crate) const fn proper(&self) -> u64 {
        self.pairs
    }

    /// Returns the number of LF without a CR before it.
    pub(crate) const fn bare_line_feeds(&self) -> u64 {
        self.line_feeds.saturating_sub(self.pairs)
    }

    /// Returns the number of CR followed by neither LF nor NUL.
    pub(crate) const fn bare_returns(&self) -> u64 {
        let known = self.pairs.saturating_add(self.escaped);
        self.returns.saturating_sub(known)
    }
}

/// Bytes per piece, at most 255.
const PIECE: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_do_not_depend_on_the_size_of_pieces() {
        let text = b"one\r\ntwo\nthree\rfour\r\0\r\r\n\n".repeat(40);
        for size in [1, 2, 3, 127, 128, 129, text.len()] {
            let mut ends = LineEnds::default();
            for piece in text.chunks(size) {
                ends.count(piece);
            }
            assert_eq!(
                (ends.proper(), ends.bare_line_feeds(), ends.bare_returns()),
                (80, 80, 80),
                "pieces of {size}"
            );
        }
    }
}
