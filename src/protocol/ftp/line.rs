//! Lines out of a stream of chunks.
//!
//! RFC 959 section 5.3: a command ends with CR LF. A bare LF is accepted too, and a bare CR is data (RFC 2640 section 3.1
//! lets CR NUL stand for CR inside a name). Lines never end at a segment.

use std::borrow::Cow;

/// One line without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The bytes: those of the chunk, where all of the line is in one.
    pub bytes: Cow<'a, [u8]>,
    /// True where the line was longer than the bound and is cut there.
    pub truncated: bool,
}

/// Collects one direction of a control connection into lines. Keeps at most one line, and of that at most `limit` bytes.
#[derive(Debug)]
pub struct LineAssembler {
    partial: Vec<u8>,
    limit: usize,
    truncated: bool,
}

impl LineAssembler {
    /// For lines of up to `limit` bytes.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self {
            partial: Vec::new(),
            limit,
            truncated: false,
        }
    }

    /// The next complete line of `input`, which is advanced past it. Without one, the rest of `input` is kept for later.
    pub fn next<'input>(&mut self, input: &mut &'input [u8]) -> Option<Line<'input>> {
        let Some(end) = input.iter().position(|&byte| byte == b'\n') else {
            self.keep(input);
            *input = &[];
            return None;
        };
        let (head, rest) = input.split_at(end);
        *input = &rest[1..];
        if self.partial.is_empty() && head.len() <= self.limit {
            return Some(Line {
                bytes: Cow::Borrowed(without_returns(head)),
                truncated: false,
            });
        }
        self.keep(head);
        Some(self.take())
    }

    /// True where the next byte begins a line.
    #[must_use]
    pub const fn at_line_start(&self) -> bool {
        self.partial.is_empty()
    }

    /// What came after the last line end, at the end of the stream.
    pub fn rest(&mut self) -> Option<Line<'static>> {
        (!self.at_line_start()).then(|| self.take())
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = self.limit.saturating_sub(self.partial.len());
        if bytes.len() > room {
            self.truncated = true;
        }
        self.partial
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn take(&mut self) -> Line<'static> {
        let mut bytes = std::mem::take(&mut self.partial);
        bytes.truncate(without_returns(&bytes).len());
        Line {
            bytes: Cow::Owned(bytes),
            truncated: std::mem::take(&mut self.truncated),
        }
    }
}

fn without_returns(mut bytes: &[u8]) -> &[u8] {
    while let [head @ .., b'\r'] = bytes {
        bytes = head;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]], limit: usize) -> Vec<(Vec<u8>, bool)> {
        let mut assembler = LineAssembler::new(limit);
        let mut found = Vec::new();
        for chunk in chunks {
            let mut input = *chunk;
            while let Some(line) = assembler.next(&mut input) {
                found.push((line.bytes.to_vec(), line.truncated));
            }
        }
        found
    }

    #[test]
    fn any_segmentation_gives_the_same_lines() {
        let stream: &[u8] = b"USER ftp\r\nPASS a\rb\nQUIT\r\n";
        let whole = lines(&[stream], 100);
        assert_eq!(whole.len(), 3);
        assert_eq!(whole[1].0, b"PASS a\rb");
        for at in 0..=stream.len() {
            let (head, tail) = stream.split_at(at);
            assert_eq!(lines(&[head, tail], 100), whole, "cut at {at}");
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(lines(&bytes, 100), whole);
    }

    #[test]
    fn long_lines_are_cut_and_marked_and_cost_no_more_than_the_bound() {
        let found = lines(&[b"RETR aaaaaaaa", b"aaaaaaaaaaaa\r\nNOOP\r\n"], 10);
        assert_eq!(
            found,
            [(b"RETR aaaaa".to_vec(), true), (b"NOOP".to_vec(), false)]
        );
    }

    #[test]
    fn an_unfinished_line_is_there_at_the_end() {
        let mut assembler = LineAssembler::new(100);
        assert_eq!(assembler.next(&mut &b"QUI"[..]), None);
        assert!(!assembler.at_line_start());
        assert_eq!(
            assembler.rest().map(|line| line.bytes.to_vec()),
            Some(b"QUI".to_vec())
        );
        assert!(assembler.rest().is_none());
    }
}
