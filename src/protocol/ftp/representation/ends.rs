//! Where one file ends and the next begins on a data connection that stays open: MODE B and C mark the end of a file
//! themselves (RFC 959 sections 3.4.2 and 3.4.3).

use super::{END_OF_FILE, END_OF_RECORD, RESTART_MARKER, SUSPECT};
use crate::model::record::TransferMode;

/// Follows the headers of one direction, and nothing else.
#[derive(Clone, Debug)]
pub struct FileEnds {
    state: State,
    compressed: bool,
    /// The string of bytes that comes is the last of the file.
    last: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before a header.
    Header,
    /// MODE B: within a header, the descriptor read, and perhaps the first byte of the count.
    Count(Option<u8>),
    /// MODE C: behind an escape.
    Descriptor,
    /// Within data, so many bytes before its end.
    Data(u16),
    /// Nobody knows where the next header is.
    Lost,
}

impl FileEnds {
    /// Before the first byte of a file; `None` where only the end of the connection ends a file.
    #[must_use]
    pub const fn new(mode: TransferMode) -> Option<Self> {
        let compressed = match mode {
            TransferMode::Block => false,
            TransferMode::Compressed => true,
            TransferMode::Stream | TransferMode::Deflate => return None,
        };
        Some(Self {
            state: State::Header,
            compressed,
            last: false,
        })
    }

    /// Looks at the bytes that come; where a file ends among them, tells how many are of it, looks at no more, and is
    /// ready for the next file.
    pub fn push(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match self.state {
                State::Lost => return None,
                State::Data(left) => {
                    let taken = usize::from(left).min(bytes.len() - at);
                    at += taken;
                    self.state = State::Data(left - u16::try_from(taken).unwrap_or(left));
                }
                _ => {
                    at += 1;
                    self.state = self.after(byte);
                }
            }
            if self.state == State::Data(0) {
                self.state = State::Header;
                if std::mem::take(&mut self.last) {
                    return Some(at);
                }
            }
        }
        None
    }

    /// So many bytes are missing.
    pub fn skip(&mut self, length: u64) {
        self.state = match self.state {
            State::Data(left) if u64::from(left) > length => {
                State::Data(left - u16::try_from(length).unwrap_or(left))
            }
            State::Data(left) if u64::from(left) == length && !self.last => State::Header,
            _ => State::Lost,
        };
    }

    /// True where nothing is missing before the next file: MODE C may say that it is over and send no string of bytes
    /// behind that.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.state == State::Header && self.last
    }

    fn after(&mut self, byte: u8) -> State {
        match self.state {
            State::Header if self.compressed => match byte {
                0 => State::Descriptor,
                1..=0x7f => State::Data(u16::from(byte)),
                // One byte to repeat follows.
                0x80..=0xbf => State::Data(1),
                // A filler is all of it.
                0xc0..=0xff => State::Data(0),
            },
            State::Header | State::Descriptor if byte & !KNOWN != 0 => State::Lost,
            State::Header => {
                self.last = byte & END_OF_FILE != 0;
                State::Count(None)
            }
            State::Descriptor => {
                self.last |= byte & END_OF_FILE != 0;
                State::Header
            }
            State::Count(None) => State::Count(Some(byte)),
            State::Count(Some(high)) => State::Data(u16::from_be_bytes([high, byte])),
            State::Data(_) | State::Lost => self.state,
        }
    }
}

/// The bits that a descriptor may have.
const KNOWN: u8 = END_OF_RECORD | END_OF_FILE | SUSPECT | RESTART_MARKER;

#[cfg(test)]
mod tests {
    use super::*;

    fn block(descriptor: u8, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(data.len()).expect("short").to_be_bytes();
        [&[descriptor][..], &length, data].concat()
    }

    /// Where files end in `bytes`, given in pieces of `size`.
    fn ends(mode: TransferMode, bytes: &[u8], size: usize) -> Vec<usize> {
        let mut ends = FileEnds::new(mode).expect("the mode marks ends");
        let mut found = Vec::new();
        let mut at = 0;
        for piece in bytes.chunks(size) {
            let mut rest = piece;
            while let Some(used) = ends.push(rest) {
                rest = &rest[used..];
                found.push(at + piece.len() - rest.len());
            }
            at += piece.len();
        }
        found
    }

    #[test]
    fn blocks_end_a_file_in_pieces_of_any_size() {
        let first = [block(0, b"abc"), block(128, b""), block(64 | 128, b"de")].concat();
        let second = [block(16, b"marker"), block(0, &[0x40; 300]), block(64, b"")].concat();
        let both = [first.clone(), second.clone()].concat();
        for size in [1, 2, 3, 7, both.len()] {
            assert_eq!(
                ends(TransferMode::Block, &both, size),
                [first.len(), both.len()],
                "pieces of {size}"
            );
        }
    }

    #[test]
    fn runs_end_a_file_in_pieces_of_any_size() {
        // Five bytes, nine times one byte, a filler; then a last string.
        let first = b"\x05hello\x89x\xc4\x00\x40\x02ok";
        let second = b"\x00\x40\xc1";
        let both = [&first[..], second].concat();
        for size in [1, 4, both.len()] {
            assert_eq!(
                ends(TransferMode::Compressed, &both, size),
                [first.len(), both.len()]
            );
        }
        let mut bare = FileEnds::new(TransferMode::Compressed).expect("it marks ends");
        assert_eq!(bare.push(b"\x01a\x00\x40"), None);
        assert!(bare.is_at_end());
    }

    #[test]
    fn a_hole_within_a_block_does_no_harm_and_any_other_does() {
        let mut ends = FileEnds::new(TransferMode::Block).expect("it marks ends");
        assert_eq!(ends.push(&block(64, &[1; 1000])[..403]), None);
        ends.skip(500);
        assert_eq!(ends.push(&[1; 200]), Some(100));
        assert_eq!(ends.push(&block(64, &[1; 10])[..5]), None);
        ends.skip(9);
        assert_eq!(ends.push(&block(64, b"")), None);
    }

    #[test]
    fn what_is_no_descriptor_ends_nothing() {
        assert!(ends(TransferMode::Block, b"\x16\x03\x01\x00\x40\x40\x00\x00", 8).is_empty());
        assert!(FileEnds::new(TransferMode::Stream).is_none());
    }
}
