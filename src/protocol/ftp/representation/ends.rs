//! Ends of files in a data connection that stays open: MODE B and C mark them (RFC 959 sections 3.4.2 and 3.4.3).

use super::{END_OF_FILE, END_OF_RECORD, RESTART_MARKER, SUSPECT};
use crate::model::record::TransferMode;

/// Scanner of the headers of one direction, for the ends of files only.
#[derive(Clone, Debug)]
pub struct FileEnds {
    state: State,
    compressed: bool,
    /// Whether the next string of bytes is the last of the file.
    last: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before a header.
    Header,
    /// MODE B: in a header after the descriptor, with the first byte of the count; `None` before it.
    Count(Option<u8>),
    /// MODE C: after an escape.
    Descriptor,
    /// In data, with the number of bytes left.
    Data(u16),
    /// The position of the next header is unknown.
    Lost,
}

impl FileEnds {
    /// Creates a scanner at the first byte of a file; `None` for modes in which only the end of the connection ends a
    /// file.
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

    /// Scans `bytes` up to the end of the file. Returns the number of bytes that belong to it, ready for the next file;
    /// `None` if the file does not end in `bytes`.
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

    /// Skips `length` missing bytes. Beyond the current data, the position of the next header is lost.
    pub fn skip(&mut self, length: u64) {
        self.state = match self.state {
            State::Data(left) if u64::from(left) > length => {
                State::Data(left - u16::try_from(length).unwrap_or(left))
            }
            State::Data(left) if u64::from(left) == length && !self.last => State::Header,
            _ => State::Lost,
        };
    }

    /// Returns whether the file is over although no string of bytes followed its last descriptor, as some senders of
    /// MODE C leave it.
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
                // A filler has no data.
                0xc0..=0xff => State::Data(0),
            },
            // Undefined bits: not MODE B or C at all, such as TLS.
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

/// Defined bits of a descriptor.
const KNOWN: u8 = END_OF_RECORD | END_OF_FILE | SUSPECT | RESTART_MARKER;

#[cfg(test)]
mod tests {
    use super::*;

    fn block(descriptor: u8, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(data.len()).expect("short").to_be_bytes();
        [&[descriptor][..], &length, data].concat()
    }

    /// Returns the ends of files in `bytes`, scanned in pieces of `size`.
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
    fn blocks_end_files_in_pieces_of_any_size() {
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
    fn runs_end_files_in_pieces_of_any_size() {
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
    fn hole_inside_a_block_is_skipped_and_any_other_loses_the_position() {
        let mut ends = FileEnds::new(TransferMode::Block).expect("it marks ends");
        assert_eq!(ends.push(&block(64, &[1; 1000])[..403]), None);
        ends.skip(500);
        assert_eq!(ends.push(&[1; 200]), Some(100));
        assert_eq!(ends.push(&block(64, &[1; 10])[..5]), None);
        ends.skip(9);
        assert_eq!(ends.push(&block(64, b"")), None);
    }

    #[test]
    fn undefined_descriptor_ends_no_file() {
        assert!(ends(TransferMode::Block, b"\x16\x03\x01\x00\x40\x40\x00\x00", 8).is_empty());
        assert!(FileEnds::new(TransferMode::Stream).is_none());
    }
}
