//! The reused read buffer: every byte of a capture file passes through it.
//!
//! ```text
//! bytes: [ consumed | held ............ | free ]
//!        ^base      ^start              ^end
//! ```

use std::io::{ErrorKind, Read};

use super::parallel_file::{HEADROOM, ParallelFile};

/// A window onto an input that lends records as slices.
///
/// The window holds [`CAPACITY`] bytes, or as many as one larger record needs while that record is current. It
/// grows only as bytes arrive: a length field that lies allocates nothing.
pub(super) struct RecordBuffer {
    input: ByteSource,
    /// Filled from `start` to `end`.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    capacity: usize,
    /// Offset in the input of `bytes[0]`. Wraps below 0: headroom may lie before the first byte of the input.
    base: u64,
    /// Set if offsets count decompressed bytes, which messages then state.
    decompressed: bool,
    ended: bool,
    /// Set if the input had no bytes at the last request but may have some later.
    idle: bool,
    /// Error that ended the input; `None` if it ended normally or not yet.
    failure: Option<std::io::Error>,
}

/// Source of the buffer's bytes.
enum ByteSource {
    Stream(Box<dyn Read + Send>),
    /// Supplies filled buffers, which replace the current one without a copy.
    Pieces(Box<ParallelFile>),
}

impl RecordBuffer {
    /// Creates a buffer of `capacity` bytes over `input`. `decompressed` makes positions say so.
    pub(super) fn new(input: Box<dyn Read + Send>, capacity: usize, decompressed: bool) -> Self {
        let capacity = capacity.max(64);
        Self {
            bytes: vec![0; capacity],
            capacity,
            decompressed,
            ..Self::empty(ByteSource::Stream(input))
        }
    }

    /// Creates a buffer over the pieces of a parallel file.
    pub(super) fn over(file: ParallelFile) -> Self {
        Self::empty(ByteSource::Pieces(Box::new(file)))
    }

    fn empty(input: ByteSource) -> Self {
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

    /// Reads until at least `count` bytes are held. Returns false if the input ends or fails before.
    #[inline]
    pub(super) fn ensure(&mut self, count: usize) -> bool {
        self.end - self.start >= count || self.refill(count, false)
    }

    /// Like [`ensure`](Self::ensure), but also returns false if a live input has no bytes now. Then
    /// [`take_idle`](Self::take_idle) returns true and the call may be repeated.
    #[inline]
    pub(super) fn try_ensure(&mut self, count: usize) -> bool {
        self.end - self.start >= count || self.refill(count, true)
    }

    /// Returns true, once, if the last call failed only because the input had no bytes at that time.
    pub(super) fn take_idle(&mut self) -> bool {
        std::mem::take(&mut self.idle)
    }

    /// Returns all held bytes.
    #[inline]
    pub(super) fn held(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Returns `len` held bytes from `offset`; empty if fewer are held.
    #[inline]
    pub(super) fn slice(&self, offset: usize, len: usize) -> &[u8] {
        let start = self.start.saturating_add(offset);
        let end = start.saturating_add(len);
        if end > self.end {
            return &[];
        }
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// Returns the first `N` held bytes; zeros if fewer are held, so call [`Self::ensure`] first.
    #[inline]
    pub(super) fn head<const N: usize>(&self) -> [u8; N] {
        self.held().first_chunk().copied().unwrap_or([0; N])
    }

    /// Releases the first `count` held bytes.
    #[inline]
    pub(super) fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.end);
    }

    /// Skips `count` bytes, held or not, without growing. Returns false if the input ends before.
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
                    if !self.ensure(1) {
                        return false;
                    }
                }
            }
        }
    }

    /// Returns the offset in the input of the first held byte.
    pub(super) fn position(&self) -> u64 {
        self.base.wrapping_add(self.start as u64)
    }

    /// Formats that offset for a message: `byte 24`, `byte 24 of the decompressed data`.
    pub(super) fn describe_position(&self) -> String {
        let within = if self.decompressed {
            " of the decompressed data"
        } else {
            ""
        };
        format!("byte {}{within}", self.position())
    }

    /// Returns, once, the error that ended the input; `None` if it ended normally.
    pub(super) fn take_failure(&mut self) -> Option<std::io::Error> {
        self.failure.take()
    }

    /// Reads until `count` bytes are held; gives up on an idle input if `may_idle`.
    #[cold]
    #[inline(never)]
    fn refill(&mut self, count: usize, may_idle: bool) -> bool {
        while self.end - self.start < count && !self.ended {
            let read = match &mut self.input {
                ByteSource::Stream(_) => self.refill_from_stream(count),
                ByteSource::Pieces(_) => self.refill_from_pieces(),
            };
            match read {
                Ok(0) => self.ended = true,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if may_idle {
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
        // One jumbo record must not keep its memory for the rest of the file.
        if self.bytes.len() > self.capacity && count.max(self.end) <= self.capacity {
            self.bytes.truncate(self.capacity);
            self.bytes.shrink_to_fit();
        }
        // Doubled only once the buffer is full: a record that claims 64 MiB costs at most twice the bytes that arrive.
        if self.end == self.bytes.len() {
            let grown = self.bytes.len().saturating_mul(2).min(count);
            self.bytes.resize(grown, 0);
        }
        let (ByteSource::Stream(input), Some(free)) =
            (&mut self.input, self.bytes.get_mut(self.end..))
        else {
            return Ok(0);
        };
        let got = input.read(free)?;
        // `Read` implementations are not trusted to keep their promise about the count.
        self.end = (self.end + got).min(self.bytes.len());
        Ok(got)
    }

    /// Makes the next piece the buffer, with the held bytes of the current one copied into its headroom.
    fn refill_from_pieces(&mut self) -> std::io::Result<usize> {
        let position = self.position();
        let ByteSource::Pieces(file) = &mut self.input else {
            return Ok(0);
        };
        let Some(mut piece) = file.next()? else {
            return Ok(0);
        };
        let got = piece.end - HEADROOM;
        let held = self.bytes.get(self.start..self.end).unwrap_or_default();
        let begin = HEADROOM.saturating_sub(held.len());
        let headroom = piece.bytes.get_mut(begin..HEADROOM).unwrap_or_default();
        if headroom.len() == held.len() {
            headroom.copy_from_slice(held);
            self.base = position.wrapping_sub(begin as u64);
            (self.start, self.end) = (begin, piece.end);
            std::mem::swap(&mut self.bytes, &mut piece.bytes);
        } else {
            // A record larger than the headroom: append the piece to the bytes held so far.
            self.bytes.truncate(self.end);
            self.bytes.drain(..self.start);
            let bytes = piece.bytes.get(HEADROOM..piece.end).unwrap_or_default();
            self.bytes.extend_from_slice(bytes);
            self.base = position;
            (self.start, self.end) = (0, self.bytes.len());
        }
        file.recycle(piece.bytes);
        Ok(got)
    }

    /// Moves the held bytes to the front.
    fn compact(&mut self) {
        self.bytes.copy_within(self.start..self.end, 0);
        self.base = self.position();
        self.end -= self.start;
        self.start = 0;
    }
}

/// Default capacity in bytes: large enough to make system calls negligible, small enough for the second-level cache.
pub(super) const CAPACITY: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::parallel_file::{self, PIECE};

    /// Reader that returns one byte a call.
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
    fn slow_input_is_read_until_the_request_is_met() {
        let mut buffer = buffer((0..=255).collect());
        assert!(buffer.ensure(10));
        assert_eq!(buffer.slice(8, 2), [8, 9]);
        buffer.consume(10);
        assert_eq!(buffer.position(), 10);
        assert!(buffer.ensure(2));
        assert_eq!(buffer.head::<2>(), [10, 11]);
    }

    #[test]
    fn pieces_of_a_parallel_file_form_one_input() {
        let length = 5 * PIECE + 1234;
        let expected = parallel_file::tests::numbered(0, length);
        // Small records, records about as large as the headroom, and one of several pieces.
        for sizes in [
            &[16, 1500, 60, 9000][..],
            &[HEADROOM, 1, HEADROOM - 1, HEADROOM + 1],
            &[HEADROOM + 7, 3 * PIECE, 5],
        ] {
            let mut buffer = RecordBuffer::over(parallel_file::tests::parallel(length));
            let mut at = 0;
            for size in sizes.iter().cycle() {
                let size = (*size).min(length - at);
                assert_eq!(buffer.position(), at as u64);
                assert!(buffer.ensure(size));
                assert!(buffer.slice(0, size) == &expected[at..at + size]);
                buffer.consume(size);
                at += size;
                if at == length {
                    break;
                }
            }
            assert!(!buffer.ensure(1));
            assert!(buffer.take_failure().is_none());
        }
    }

    #[test]
    fn buffer_grows_for_a_large_record_and_shrinks_after_it() {
        let mut buffer = buffer(vec![7; 1000]);
        assert!(buffer.ensure(500));
        assert_eq!(buffer.slice(499, 1), [7]);
        buffer.consume(500);
        assert!(buffer.ensure(10));
        assert_eq!(buffer.bytes.len(), 64);
        assert!(!buffer.ensure(501));
        assert_eq!(buffer.held().len(), 500);
    }

    #[test]
    fn request_beyond_the_input_allocates_only_what_arrives() {
        let mut buffer = buffer(vec![7; 100]);
        assert!(!buffer.ensure(64 << 20));
        assert!(buffer.bytes.len() <= 256);
    }

    #[test]
    fn skip_passes_more_bytes_than_are_held() {
        let mut buffer = buffer((0..=255).collect());
        assert!(buffer.ensure(3));
        assert!(buffer.skip(200));
        assert_eq!(buffer.position(), 200);
        assert!(buffer.ensure(1));
        assert_eq!(buffer.head::<1>(), [200]);
        assert!(!buffer.skip(57));
    }

    #[test]
    fn failing_input_ends_with_its_error_returned_once() {
        struct Fails;
        impl Read for Fails {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::Error::other("torn cable"))
            }
        }
        let mut buffer = RecordBuffer::new(Box::new(Fails), 64, false);
        assert!(!buffer.ensure(1));
        assert_eq!(
            buffer.take_failure().map(|e| e.to_string()).as_deref(),
            Some("torn cable")
        );
        assert!(buffer.take_failure().is_none());
    }
}
