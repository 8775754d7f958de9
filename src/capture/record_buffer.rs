//! The reused read buffer: the only place of this layer that reads input.

use std::io::{ErrorKind, Read};

/// A window onto an input, filled by `read` and lent as slices.
///
/// It holds [`CAPACITY`] bytes, or as much as one larger record needs while that record is looked at, and grows only as
/// the bytes arrive: a length that lies costs nothing.
pub(super) struct RecordBuffer {
    input: Box<dyn Read + Send>,
    /// Filled from `start` to `end`.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    capacity: usize,
    /// Offset in the input of `bytes[0]`.
    base: u64,
    decompressed: bool,
    ended: bool,
    failure: Option<std::io::Error>,
}

impl RecordBuffer {
    /// A buffer of `capacity` bytes over `input`; `decompressed` is said where an offset is told.
    pub(super) fn new(input: Box<dyn Read + Send>, capacity: usize, decompressed: bool) -> Self {
        Self {
            input,
            bytes: vec![0; capacity.max(64)],
            start: 0,
            end: 0,
            capacity: capacity.max(64),
            base: 0,
            decompressed,
            ended: false,
            failure: None,
        }
    }

    /// True once at least `count` bytes are held; false where the input ends (or fails) before.
    #[inline]
    pub(super) fn need(&mut self, count: usize) -> bool {
        self.end - self.start >= count || self.refill(count)
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
        self.base + self.start as u64
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
    fn refill(&mut self, count: usize) -> bool {
        self.bytes.copy_within(self.start..self.end, 0);
        self.base += self.start as u64;
        self.end -= self.start;
        self.start = 0;
        if self.bytes.len() > self.capacity && count.max(self.end) <= self.capacity {
            self.bytes.truncate(self.capacity);
            self.bytes.shrink_to_fit();
        }
        while self.end < count && !self.ended {
            if self.end == self.bytes.len() {
                let grown = self.bytes.len().saturating_mul(2).min(count);
                self.bytes.resize(grown, 0);
            }
            let Some(room) = self.bytes.get_mut(self.end..) else {
                return false;
            };
            match self.input.read(room) {
                Ok(0) => self.ended = true,
                Ok(got) => self.end = (self.end + got).min(self.bytes.len()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.ended = true;
                    self.failure = Some(error);
                }
            }
        }
        self.end >= count
    }
}

/// Bytes of the buffer: large enough that system calls cost nothing, small enough to stay in the second-level cache.
pub(super) const CAPACITY: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

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
