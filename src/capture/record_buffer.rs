//! The reused read buffer: the only place of this layer that reads input.

use std::io::{ErrorKind, Read};

use super::long_file::{HEADROOM, LongFile};

/// A window onto an input, filled by `read` and lent as slices.
///
/// It holds [`CAPACITY`] bytes, or as much as one larger record needs while that record is looked at, and grows only as
/// the bytes arrive: a length that lies costs nothing.
pub(super) struct RecordBuffer {
    input: Input,
    /// Filled from `start` to `end`.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    capacity: usize,
    /// Offset in the input of `bytes[0]`. It wraps: before the first byte of the input there may be room.
    base: u64,
    decompressed: bool,
    ended: bool,
    /// The input had nothing to give and may have more later.
    idle: bool,
    failure: Option<std::io::Error>,
}

/// Where the bytes come from.
enum Input {
    Stream(Box<dyn Read + Send>),
    /// Comes in buffers of its own, which take the place of this one.
    Pieces(Box<LongFile>),
}

impl RecordBuffer {
    /// A buffer of `capacity` bytes over `input`; `decompressed` is said where an offset is told.
    pub(super) fn new(input: Box<dyn Read + Send>, capacity: usize, decompressed: bool) -> Self {
        let capacity = capacity.max(64);
        Self {
            bytes: vec![0; capacity],
            capacity,
            decompressed,
            ..Self::empty(Input::Stream(input))
        }
    }

    /// The buffers of a long file.
    pub(super) fn over(file: LongFile) -> Self {
        Self::empty(Input::Pieces(Box::new(file)))
    }

    fn empty(input: Input) -> Self {
        Self {
            input,
            bytes: Vec::new(),
            start: 0,
            end: 0,
            capacity: 0,
            base: 0,
            decompressed: false,
            ended: false,
            idle: false,
            failure: None,
        }
    }

    /// True once at least `count` bytes are held; false where the input ends (or fails) before.
    #[inline]
    pub(super) fn need(&mut self, count: usize) -> bool {
        self.end - self.start >= count || self.refill(count, false)
    }

    /// Like [`need`](Self::need), but false too where an input that is waited for has nothing now; then
    /// [`take_idle`](Self::take_idle) is true, and the same can be asked again.
    #[inline]
    pub(super) fn need_now(&mut self, count: usize) -> bool {
        self.end - self.start >= count || self.refill(count, true)
    }

    /// Whether the last call failed only because the input had nothing at that time; told once.
    pub(super) fn take_idle(&mut self) -> bool {
        std::mem::take(&mut self.idle)
    }

    /// Every byte held.
    #[inline]
    pub(super) fn held(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// `len` held bytes from `offset`; empty where that is more than is held.
    #[inline]
    pub(super) fn slice(&self, offset: usize, len: usize) -> &[u8] {
        let start = self.start.saturating_add(offset);
        let end = start.saturating_add(len);
        if end > self.end {
            return &[];
        }
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// The first `N` held bytes; zeros where fewer are held, so [`Self::need`] comes first.
    #[inline]
    pub(super) fn head<const N: usize>(&self) -> [u8; N] {
        self.held().first_chunk().copied().unwrap_or([0; N])
    }

    /// Lets go of the first `count` held bytes.
    #[inline]
    pub(super) fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.end);
    }

    /// Passes over `count` bytes, held or not; false where the input ends before.
    pub(super) fn skip(&mut self, mut count: u64) -> bool {
        loop {
            let held = self.end - self.start;
            match usize::try_from(count) {
                Ok(rest) if rest <= held => {
                    self.consume(rest);
                    return true;
                }
                _ => {
                    count -= held as u64;
                    self.consume(held);
                    if !self.need(1) {
                        return false;
                    }
                }
            }
        }
    }

    /// Offset in the input of the first held byte.
    pub(super) fn position(&self) -> u64 {
        self.base.wrapping_add(self.start as u64)
    }

    /// That offset in words.
    pub(super) fn place(&self) -> String {
        let within = if self.decompressed {
            " of the decompressed data"
        } else {
            ""
        };
        format!("byte {}{within}", self.position())
    }

    /// Why the input could not be read to its end; handed over once.
    pub(super) fn take_failure(&mut self) -> Option<std::io::Error> {
        self.failure.take()
    }

    #[cold]
    #[inline(never)]
    fn refill(&mut self, count: usize, now: bool) -> bool {
        while self.end - self.start < count && !self.ended {
            let read = match &mut self.input {
                Input::Stream(_) => self.refill_from_stream(count),
                Input::Pieces(_) => self.refill_from_pieces(),
            };
            match read {
                Ok(0) => self.ended = true,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if now {
                        self.idle = true;
                        return false;
                    }
                }
                Err(error) => {
                    self.ended = true;
                    self.failure = Some(error);
                }
            }
        }
        self.end - self.start >= count
    }

    fn refill_from_stream(&mut self, count: usize) -> std::io::Result<usize> {
        self.compact();
        if self.bytes.len() > self.capacity && count.max(self.end) <= self.capacity {
            self.bytes.truncate(self.capacity);
            self.bytes.shrink_to_fit();
        }
        if self.end == self.bytes.len() {
            let grown = self.bytes.len().saturating_mul(2).min(count);
            self.bytes.resize(grown, 0);
        }
        let (Input::Stream(input), Some(room)) = (&mut self.input, self.bytes.get_mut(self.end..))
        else {
            return Ok(0);
        };
        let got = input.read(room)?;
        self.end = (self.end + got).min(self.bytes.len());
        Ok(got)
    }

    /// The next piece becomes the buffer; what is held of the last moves into the room before it.
    fn refill_from_pieces(&mut self) -> std::io::Result<usize> {
        let position = self.position();
        let Input::Pieces(file) = &mut self.input else {
            return Ok(0);
        };
        let Some(mut piece) = file.next()? else {
            return Ok(0);
        };
        let got = piece.end - HEADROOM;
        let held = self.bytes.get(self.start..self.end).unwrap_or_default();
        let begin = HEADROOM.saturating_sub(held.len());
        let room = piece.bytes.get_mut(begin..HEADROOM).unwrap_or_default();
        if room.len() == held.len() {
            room.copy_from_slice(held);
            self.base = position.wrapping_sub(begin as u64);
            (self.start, self.end) = (begin, piece.end);
            std::mem::swap(&mut self.bytes, &mut piece.bytes);
        } else {
            // A record that is larger than the room grows as its bytes arrive.
            self.bytes.truncate(self.end);
            self.bytes.drain(..self.start);
            let bytes = piece.bytes.get(HEADROOM..piece.end).unwrap_or_default();
            self.bytes.extend_from_slice(bytes);
            self.base = position;
            (self.start, self.end) = (0, self.bytes.len());
        }
        file.give_back(piece.bytes);
        Ok(got)
    }

    /// Moves what is held to the beginning.
    fn compact(&mut self) {
        self.bytes.copy_within(self.start..self.end, 0);
        self.base = self.position();
        self.end -= self.start;
        self.start = 0;
    }
}

/// Bytes of the buffer: large enough that system calls cost nothing, small enough to stay in the second-level cache.
pub(super) const CAPACITY: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::long_file;

    /// Gives one byte a call.
    struct Drip(std::vec::IntoIter<u8>);

    impl Read for Drip {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            match (self.0.next(), buffer.first_mut()) {
                (Some(byte), Some(slot)) => {
                    *slot = byte;
                    Ok(1)
                }
                _ => Ok(0),
            }
        }
    }

    fn buffer(bytes: Vec<u8>) -> RecordBuffer {
        RecordBuffer::new(Box::new(Drip(bytes.into_iter())), 64, false)
    }

    #[test]
    fn lends_what_a_slow_input_gave() {
        let mut buffer = buffer((0..=255).collect());
        assert!(buffer.need(10));
        assert_eq!(buffer.slice(8, 2), [8, 9]);
        buffer.consume(10);
        assert_eq!(buffer.position(), 10);
        assert!(buffer.need(2));
        assert_eq!(buffer.head::<2>(), [10, 11]);
    }

    #[test]
    fn the_pieces_of_a_long_file_are_one_input() {
        let length = 5 * long_file::PIECE + 1234;
        let expected = long_file::tests::numbered(0, length);
        // Small records, some as large as the room before a piece, some larger, one as large as several pieces.
        for sizes in [
            &[16, 1500, 60, 9000][..],
            &[HEADROOM, 1, HEADROOM - 1, HEADROOM + 1],
            &[HEADROOM + 7, 3 * long_file::PIECE, 5],
        ] {
            let mut buffer = RecordBuffer::over(long_file::tests::long(length));
            let mut at = 0;
            for size in sizes.iter().cycle() {
                let size = (*size).min(length - at);
                assert_eq!(buffer.position(), at as u64);
                assert!(buffer.need(size));
                assert!(buffer.slice(0, size) == &expected[at..at + size]);
                buffer.consume(size);
                at += size;
                if at == length {
                    break;
                }
            }
            assert!(!buffer.need(1));
            assert!(buffer.take_failure().is_none());
        }
    }

    #[test]
    fn grows_for_a_larger_record_and_shrinks_after_it() {
        let mut buffer = buffer(vec![7; 1000]);
        assert!(buffer.need(500));
        assert_eq!(buffer.slice(499, 1), [7]);
        buffer.consume(500);
        assert!(buffer.need(10));
        assert_eq!(buffer.bytes.len(), 64);
        assert!(!buffer.need(501));
        assert_eq!(buffer.held().len(), 500);
    }

    #[test]
    fn a_length_that_lies_costs_only_what_arrives() {
        let mut buffer = buffer(vec![7; 100]);
        assert!(!buffer.need(64 << 20));
        assert!(buffer.bytes.len() <= 256);
    }

    #[test]
    fn skips_more_than_it_holds() {
        let mut buffer = buffer((0..=255).collect());
        assert!(buffer.need(3));
        assert!(buffer.skip(200));
        assert_eq!(buffer.position(), 200);
        assert!(buffer.need(1));
        assert_eq!(buffer.head::<1>(), [200]);
        assert!(!buffer.skip(57));
    }

    #[test]
    fn a_failing_input_ends_and_says_why() {
        struct Fails;
        impl Read for Fails {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::Error::other("torn cable"))
            }
        }
        let mut buffer = RecordBuffer::new(Box::new(Fails), 64, false);
        assert!(!buffer.need(1));
        assert_eq!(
            buffer.take_failure().map(|e| e.to_string()).as_deref(),
            Some("torn cable")
        );
        assert!(buffer.take_failure().is_none());
    }
}
