//! Lines of a control connection, and the Telnet sequences inside them.
//!
//! RFC 959 section 5.3: a command ends with CR LF. A bare LF is accepted too, and a bare CR is data. The end of a
//! segment is not the end of a line; a peer that never sends a line end is a matter of the dialogue.
//!
//! Home-made peers pad and misplace bytes that mean nothing to Telnet (RFC 854, "no operation" for NUL). CR and NUL at
//! the beginning of a line are the rest of the last line end (LF CR, CR LF NUL) and are skipped. Two NULs in a row are
//! the padding of a fixed buffer, and end the line before them. A byte order mark at the beginning of a line is skipped.
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
    /// Offsets in `bytes` at which segments begin, without the first one. Empty if one segment has the whole line.
    pub segments: Vec<usize>,
    /// Offset in `bytes` of the first segment that was sent after the other side had answered: another line may begin
    /// there. `None` if the other side sent nothing within the line.
    pub answered: Option<usize>,
}

impl Line<'_> {
    /// Removes Telnet sequences, and a byte order mark at the beginning.
    #[must_use]
    pub fn without_telnet(self) -> Self {
        let mut segments = self.segments;
        let mut answered = self.answered;
        for start in segments.iter_mut().chain(&mut answered) {
            // Sequences are removed from both parts alike, so the length of the second one gives the place.
            let tail = strip_telnet(self.bytes.get(*start..).unwrap_or_default()).len();
            *start = tail;
        }
        let bytes = strip_telnet(self.bytes);
        for start in segments.iter_mut().chain(&mut answered) {
            *start = bytes.len().saturating_sub(*start);
        }
        let bytes = match bytes.strip_prefix(BYTE_ORDER_MARK) {
            None => bytes,
            Some(rest) => {
                for start in segments.iter_mut().chain(&mut answered) {
                    *start = start.saturating_sub(BYTE_ORDER_MARK.len());
                }
                Cow::Owned(rest.to_vec())
            }
        };
        // What was removed may have been a segment of its own, and the first one has no entry.
        segments.retain(|start| *start > 0);
        Line {
            bytes,
            truncated: self.truncated,
            segments,
            answered: answered.filter(|start| *start > 0),
        }
    }
}

/// Splits one direction of a control connection into lines. Holds at most one line, and of that at most `limit` bytes.
#[derive(Debug)]
pub struct LineAssembler {
    partial: Vec<u8>,
    /// Offsets in `partial` at which segments begin, without the first one.
    segments: Vec<usize>,
    /// Offset in `partial` of the first byte sent after the other side had answered; `None` without one.
    answered: Option<usize>,
    limit: usize,
    truncated: bool,
    /// A line feed was read.
    line_feeds: bool,
    /// Name of a byte that was skipped or taken for a line end against RFC 959 section 5.3.1; `None` without one.
    oddity: Option<&'static str>,
}

impl LineAssembler {
    /// Creates an assembler of lines of up to `limit` bytes.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self {
            partial: Vec::new(),
            segments: Vec::new(),
            answered: None,
            limit,
            truncated: false,
            line_feeds: false,
            oddity: None,
        }
    }

    /// Removes the next complete line from the front of `input`. `None` without one: all of `input` is then held until
    /// its line is complete.
    pub fn next<'input>(&mut self, input: &mut &'input [u8]) -> Option<Line<'input>> {
        if self.partial.is_empty() {
            while let [first @ (b'\r' | 0), rest @ ..] = *input {
                // CR CR LF and an empty line begin with CR as well.
                match (first, rest.first()) {
                    (0, _) => self.oddity = Some(NUL),
                    (_, Some(b'\r' | b'\n')) => {}
                    _ => self.oddity = Some("CR behind LF"),
                }
                *input = rest;
            }
            if input.is_empty() {
                return None;
            }
        } else if self.partial.last() == Some(&0)
            && let [0, rest @ ..] = *input
        {
            *input = rest;
            self.oddity = Some(NUL);
            return Some(self.take());
        } else if self.segments.len() < SEGMENTS {
            self.segments.push(self.partial.len());
        }
        let Some((end, length)) = line_end(input) else {
            self.keep(input);
            *input = &[];
            return None;
        };
        self.line_feeds |= length == 1;
        let (head, rest) = input.split_at(end);
        if length > 1 || matches!(head, [.., 0] | [.., 0, b'\r']) && !matches!(head, [.., b'\r', 0])
        {
            self.oddity = Some(NUL);
        }
        if self.partial.is_empty() && head.starts_with(BYTE_ORDER_MARK) {
            self.oddity = Some("a byte order mark");
        }
        *input = &rest[length..];
        // The common case, a whole line in one chunk, copies nothing.
        if self.partial.is_empty() && head.len() <= self.limit {
            return Some(Line {
                bytes: Cow::Borrowed(without_padding(head)),
                truncated: false,
                segments: Vec::new(),
                answered: None,
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

    /// Records that the other side has sent bytes: what follows in an incomplete line may be another line.
    pub fn on_answer(&mut self) {
        if !self.partial.is_empty() {
            self.answered.get_or_insert(self.partial.len());
        }
    }

    /// Returns whether any line so far ended with a line feed.
    #[must_use]
    pub const fn has_line_feeds(&self) -> bool {
        self.line_feeds
    }

    /// Takes the name of a byte that clients skip and RFC 959 section 5.3.1 does not allow; `None` if there was none since.
    pub const fn take_oddity(&mut self) -> Option<&'static str> {
        self.oddity.take()
    }

    /// Returns the bytes of the incomplete line.
    #[must_use]
    pub fn incomplete(&self) -> &[u8] {
        &self.partial
    }

    /// Returns a copy of the incomplete line, cut where it ends so far.
    #[must_use]
    pub fn incomplete_line(&self) -> Line<'static> {
        Line {
            bytes: Cow::Owned(self.partial.clone()),
            truncated: true,
            segments: self.segments.clone(),
            answered: self.answered,
        }
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
        bytes.truncate(without_padding(&bytes).len());
        Line {
            bytes: Cow::Owned(bytes),
            truncated: std::mem::take(&mut self.truncated),
            segments: std::mem::take(&mut self.segments),
            answered: self.answered.take(),
        }
    }
}

/// Returns the first line end of `input` and its length: LF, or the first two NULs of a padding.
fn line_end(input: &[u8]) -> Option<(usize, usize)> {
    memchr::memchr2_iter(b'\n', 0, input).find_map(|at| match input[at..] {
        [b'\n', ..] => Some((at, 1)),
        [0, 0, ..] => Some((at, 2)),
        _ => None,
    })
}

/// Strips all CRs and NULs at the end: some servers send CR CR LF, and some peers the NUL of a C string.
fn without_padding(mut bytes: &[u8]) -> &[u8] {
    loop {
        bytes = match bytes {
            // CR NUL is a CR within a name (RFC 2640 section 3.1).
            [.., b'\r', 0] => return bytes,
            [head @ .., b'\r' | 0] => head,
            _ => return bytes,
        }
    }
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

/// U+FEFF in UTF-8, with which some text writers begin their first line (RFC 3629 section 6).
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Name of the padding of fixed buffers.
const NUL: &str = "NUL";

/// Segments of one line whose beginnings are recorded; those after them count as one.
const SEGMENTS: usize = 4096;

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
    fn nul_padding_and_the_rest_of_a_line_end_are_no_part_of_a_line() {
        let odd: &[u8] = b"USER bob\n\rPASS x\r\n\0QUIT\0\0\0\0\0NOOP\0\0";
        let whole = lines(&[odd], 100);
        let texts: Vec<&[u8]> = whole.iter().map(|(line, _)| line.as_slice()).collect();
        assert_eq!(texts, [&b"USER bob"[..], b"PASS x", b"QUIT", b"NOOP"]);
        let bytes: Vec<&[u8]> = odd.chunks(1).collect();
        assert_eq!(lines(&bytes, 100), whole);
    }

    #[test]
    fn segments_of_a_line_are_found_after_telnet_is_removed() {
        let mut assembler = LineAssembler::new(100);
        assert!(assembler.next(&mut &b"RETR \xff\xf1a"[..]).is_none());
        let line = assembler
            .next(&mut &b"PASS x\n"[..])
            .map(Line::without_telnet);
        let line = line.expect("a line");
        assert_eq!(
            (&*line.bytes, line.segments),
            (&b"RETR aPASS x"[..], vec![6])
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
