//! What the decoders read from: a small buffer that can look ahead.

use std::io::{self, BufRead, Read};

/// Compressed bytes, with a look at the next few before they are taken.
pub(super) struct Source {
    input: Box<dyn Read + Send>,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
    asked_past_end: bool,
}

impl Source {
    pub(super) fn new(input: Box<dyn Read + Send>) -> Self {
        Self {
            input,
            bytes: vec![0; BUFFER],
            start: 0,
            end: 0,
            ended: false,
            asked_past_end: false,
        }
    }

    /// At least `count` bytes (at most [`BUFFER`]), fewer only at the end of the input.
    pub(super) fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        if self.end - self.start < count {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        while self.end - self.start < count.min(BUFFER) && !self.ended {
            self.read_more()?;
        }
        Ok(self.held())
    }

    /// True once more was asked for than the input has.
    pub(super) fn asked_past_end(&self) -> bool {
        self.asked_past_end
    }

    fn held(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    fn read_more(&mut self) -> io::Result<()> {
        let room = self.bytes.get_mut(self.end..).unwrap_or_default();
        match self.input.read(room) {
            Ok(0) => self.ended = true,
            Ok(got) => self.end = (self.end + got).min(self.bytes.len()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

impl BufRead for Source {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.peek(1)
    }

    fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.end);
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut held = self.fill_buf()?;
        let count = held.read(buffer)?;
        self.asked_past_end |= count == 0 && !buffer.is_empty();
        self.consume(count);
        Ok(count)
    }
}

const BUFFER: usize = 64 << 10;
