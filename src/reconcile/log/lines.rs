//! Lines of an input, lent one at a time from one buffer.

use std::io::{self, Read};

/// Reader of lines. Memory is one buffer, which grows for long lines up to a limit.
pub(super) struct Lines {
    input: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// Part of `buffer` that is read and not lent yet.
    start: usize,
    end: usize,
    is_ended: bool,
    /// Bytes of a line that are kept.
    longest: usize,
}

/// One line, without its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawLine<'a> {
    pub(super) bytes: &'a [u8],
    /// True if the line is longer than the limit and cut there.
    pub(super) is_cut: bool,
    /// True for a last line without an end: its writer may have been interrupted.
    pub(super) is_open: bool,
}

impl Lines {
    /// Creates a reader that keeps `longest` bytes of a line.
    pub(super) fn new(input: Box<dyn Read + Send>, longest: usize) -> Self {
        Self {
            longest,
            input,
            buffer: vec![0; BUFFER],
            start: 0,
            end: 0,
            is_ended: false,
        }
    }

    /// Returns the next line, without LF or CR LF; `None` at the end. A last line without an end counts as one.
    ///
    /// # Errors
    ///
    /// The input cannot be read. The lines before the error were returned, the one it interrupted is not.
    pub(super) fn next(&mut self) -> io::Result<Option<RawLine<'_>>> {
        let mut searched = 0;
        loop {
            let held = &self.buffer[self.start + searched..self.end];
            if let Some(at) = memchr::memchr(b'\n', held) {
                let from = self.start;
                let to = from + searched + at;
                self.start = to + 1;
                return Ok(Some(RawLine {
                    bytes: without_return(&self.buffer[from..to]),
                    is_cut: false,
                    is_open: false,
                }));
            }
            searched = self.end - self.start;
            if self.is_ended {
                if searched == 0 {
                    return Ok(None);
                }
                let from = self.start;
                self.start = self.end;
                return Ok(Some(RawLine {
                    bytes: without_return(&self.buffer[from..self.end]),
                    is_cut: false,
                    is_open: true,
                }));
            }
            if searched >= self.longest {
                return self.cut_line().map(Some);
            }
            self.fill()?;
        }
    }

    /// Reads more behind what is held.
    fn fill(&mut self) -> io::Result<()> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            let longer = (self.buffer.len() * 2).min(self.longest.saturating_add(1));
            self.buffer.resize(longer.max(self.end + 1), 0);
        }
        loop {
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(count) => {
                    self.end += count;
                    self.is_ended = count == 0;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.is_ended = true;
                    self.end = self.start;
                    return Err(error);
                }
            }
        }
    }

    /// Returns the first bytes of a line that is too long, and drops the others.
    fn cut_line(&mut self) -> io::Result<RawLine<'_>> {
        let mut rest = vec![0; BUFFER];
        let kept: Vec<u8> = self.buffer[self.start..self.end].to_vec();
        self.start = self.end;
        loop {
            let count = match self.input.read(&mut rest) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.is_ended = true;
                    return Err(error);
                }
            };
            if count == 0 {
                self.is_ended = true;
                self.buffer = kept;
                (self.start, self.end) = (self.buffer.len(), self.buffer.len());
                break;
            }
            if let Some(at) = memchr::memchr(b'\n', &rest[..count]) {
                self.buffer = kept;
                self.start = self.buffer.len();
                self.buffer.extend_from_slice(&rest[at + 1..count]);
                self.end = self.buffer.len();
                break;
            }
        }
        Ok(RawLine {
            bytes: &self.buffer[..self.start],
            is_cut: true,
            is_open: false,
        })
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Bytes read at once.
const BUFFER: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: usize = 1 << 20;

    /// Gives an input in pieces of three bytes.
    struct Slow(io::Cursor<Vec<u8>>);

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = buffer.len().min(3);
            self.0.read(&mut buffer[..length])
        }
    }

    fn lines(bytes: &[u8]) -> Vec<(Vec<u8>, bool)> {
        let mut lines = Lines::new(Box::new(io::Cursor::new(bytes.to_vec())), LONGEST);
        let mut found = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            found.push((line.bytes.to_vec(), line.is_cut));
        }
        found
    }

    #[test]
    fn every_line_end_is_removed_and_the_last_may_be_absent() {
        let mut slow = Lines::new(
            Box::new(Slow(io::Cursor::new(
                b"one\r\ntwo\n\n\0nul\xff\nlast".to_vec(),
            ))),
            LONGEST,
        );
        let mut found = Vec::new();
        while let Some(line) = slow.next().unwrap() {
            found.push(line.bytes.to_vec());
        }
        assert_eq!(
            found,
            [&b"one"[..], b"two", b"", b"\0nul\xff", b"last"].map(<[u8]>::to_vec)
        );
    }

    #[test]
    fn long_lines_are_whole_up_to_the_limit_and_cut_beyond_it() {
        let long = vec![b'a'; 700_000];
        let longer = vec![b'b'; 3_000_000];
        let text = [&long[..], b"\n", &longer, b"\nnext\n", &longer].concat();
        let found = lines(&text);
        assert_eq!(found.len(), 4);
        assert_eq!(found[0], (long, false));
        assert!(found[1].1 && found[1].0.len() >= LONGEST && found[1].0.len() < 2 * LONGEST);
        assert_eq!(found[2], (b"next".to_vec(), false));
        assert!(found[3].1);
    }
}
