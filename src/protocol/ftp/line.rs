//! Lines of a control connection, and the Telnet sequences inside them.
//!
//! RFC 959 section 5.3: a command ends with CR LF. A bare LF is accepted too, and a bare CR is data. The end of a
//! segment is never the end of a line.
//!
//! Telnet: ABOR may be preceded by IAC IP IAC DM (RFC 959 section 4.1.3, RFC 1123 section 4.1.2.12). In names, the byte
//! 255 is sent doubled (RFC 854), and CR as CR NUL (RFC 2640 section 3.1).

use std::borrow::Cow;

/// A line without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The bytes; borrowed from the chunk if it has the whole line.
    pub bytes: Cow<'a, [u8]>,
    /// Whether the line was longer than the limit, and is cut there.
    pub truncated: bool,
}

/// Splits one direction of a control connection into lines. Holds at most one line, and of that at most `limit` bytes.
#[derive(Debug)]
pub struct LineAssembler {
    partial: Vec<u8>,
    limit: usize,
    truncated: bool,
}

impl LineAssembler {
    /// Creates an assembler of lines of up to `limit` bytes.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self {
            partial: Vec::new(),
            limit,
            truncated: false,
        }
    }

    /// Removes the next complete line from the front of `input`. `None` without one: all of `input` is then held until
    /// its line is complete.
    pub fn next<'input>(&mut self, input: &mut &'input [u8]) -> Option<Line<'input>> {
        let Some(end) = input.iter().position(|&byte| byte == b'\n') else {
            self.keep(input);
            *input = &[];
            return None;
        };
        let (head, rest) = input.split_at(end);
        *input = &rest[1..];
        // The common case, a whole line in one chunk, copies nothing.
        if self.partial.is_empty() && head.len() <= self.limit {
            return Some(Line {
                bytes: Cow::Borrowed(without_returns(head)),
                truncated: false,
            });
        }
        self.keep(head);
        Some(self.take())
    }

    /// Returns whether the next byte begins a line.
    #[must_use]
    pub const fn at_line_start(&self) -> bool {
        self.partial.is_empty()
    }

    /// Removes the incomplete last line at the end of the stream; `None` if the stream ends with a line end.
    pub fn rest(&mut self) -> Option<Line<'static>> {
        (!self.at_line_start()).then(|| self.take())
    }

    fn keep(&mut self, bytes: &[u8]) {
        let free = self.limit.saturating_sub(self.partial.len());
        if bytes.len() > free {
            self.truncated = true;
        }
        self.partial
            .extend_from_slice(&bytes[..bytes.len().min(free)]);
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

/// Strips all CRs at the end: some servers send CR CR LF.
fn without_returns(mut bytes: &[u8]) -> &[u8] {
    while let [head @ .., b'\r'] = bytes {
        bytes = head;
    }
    bytes
}

/// Removes Telnet sequences from a line; `IAC IAC` and CR NUL become one byte. Borrows a line without any.
#[must_use]
pub fn strip_telnet<'a>(line: impl Into<Cow<'a, [u8]>>) -> Cow<'a, [u8]> {
    let line = line.into();
    if memchr::memchr2(IAC, 0, &line).is_none() {
        return line;
    }
    let mut out = Vec::with_capacity(line.len());
    let mut rest = &*line;
    loop {
        match rest {
            [] => break,
            [IAC, IAC, tail @ ..] => {
                out.push(IAC);
                rest = tail;
            }
            [b'\r', 0, tail @ ..] => {
                out.push(b'\r');
                rest = tail;
            }
            [IAC, WILL..=DONT, _, tail @ ..] => rest = tail,
            [IAC, SUBNEGOTIATION, tail @ ..] => {
                let end = tail
                    .windows(2)
                    .position(|pair| pair == [IAC, SUBNEGOTIATION_END]);
                rest = end.map_or(&[][..], |at| &tail[at + 2..]);
            }
            [IAC, SUBNEGOTIATION_END..=DONT, tail @ ..] => rest = tail,
            [byte, tail @ ..] => {
                // IAC before any other byte is a Latin-1 letter of a client that does not double it.
                out.push(*byte);
                rest = tail;
            }
        }
    }
    // The Data Mark may lose its IAC to TCP urgent handling and stand alone before the verb.
    if out.first() == Some(&DATA_MARK) {
        out.remove(0);
    }
    Cow::Owned(out)
}

/// Telnet codes (RFC 854).
const IAC: u8 = 255;
const SUBNEGOTIATION_END: u8 = 240;
const DATA_MARK: u8 = 242;
const SUBNEGOTIATION: u8 = 250;
const WILL: u8 = 251;
const DONT: u8 = 254;

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
    fn lines_beyond_the_limit_are_cut_and_marked() {
        let found = lines(&[b"RETR aaaaaaaa", b"aaaaaaaaaaaa\r\nNOOP\r\n"], 10);
        assert_eq!(
            found,
            [(b"RETR aaaaa".to_vec(), true), (b"NOOP".to_vec(), false)]
        );
    }

    #[test]
    fn incomplete_line_is_returned_at_the_end() {
        let mut assembler = LineAssembler::new(100);
        assert_eq!(assembler.next(&mut &b"QUI"[..]), None);
        assert!(!assembler.at_line_start());
        assert_eq!(
            assembler.rest().map(|line| line.bytes.to_vec()),
            Some(b"QUI".to_vec())
        );
        assert!(assembler.rest().is_none());
    }

    #[test]
    fn interrupt_process_and_data_mark_before_abor_are_removed() {
        assert_eq!(&*strip_telnet(b"\xff\xf4\xff\xf2ABOR"), b"ABOR");
        assert_eq!(&*strip_telnet(b"\xff\xf4\xf2ABOR"), b"ABOR");
    }

    #[test]
    fn doubled_255_is_one_byte_of_the_name() {
        assert_eq!(&*strip_telnet(b"RETR a\xff\xffb"), b"RETR a\xffb");
    }

    #[test]
    fn carriage_return_and_nul_become_a_carriage_return() {
        assert_eq!(&*strip_telnet(b"RETR a\r\0b\r\0"), b"RETR a\rb\r");
        assert_eq!(&*strip_telnet(b"RETR a\rb\0"), b"RETR a\rb\0");
    }

    #[test]
    fn negotiations_are_removed_and_plain_lines_borrowed() {
        assert_eq!(
            &*strip_telnet(b"\xff\xfb\x01\xff\xfa\x18\x00x\xff\xf0USER x"),
            b"USER x"
        );
        assert!(matches!(strip_telnet(b"USER x"), Cow::Borrowed(_)));
        assert_eq!(&*strip_telnet(b"RETR na\xffve"), b"RETR na\xffve");
        assert_eq!(&*strip_telnet(b"a\xff"), b"a\xff");
    }
}
