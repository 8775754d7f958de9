//! Replies: a code of three digits, and one or more lines.
//!
//! RFC 959 section 4.2: `NNN-` begins a reply of several lines and `NNN ` with the same code ends it; lines between may
//! begin with anything, other codes included. Some servers end it with another code. A line of that form may be the
//! end, and is if the client sends its next command ([`ReplyAssembler::client_went_on`]).

use crate::model::wire_text;

/// A complete reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedReply {
    /// The code, 100 to 699.
    pub code: u16,
    /// The lines, without the reply's own code.
    pub lines: Vec<Vec<u8>>,
    /// Number of lines beyond the limit.
    pub lines_omitted: u64,
    /// Whether a line was cut at the limit of bytes.
    pub truncated: bool,
    /// Whether it did not end as RFC 959 requires.
    pub irregular: bool,
}

impl ParsedReply {
    /// Returns the first line without its code; empty for a bare code.
    #[must_use]
    pub fn first_line(&self) -> &[u8] {
        self.lines.first().map_or(&[], Vec::as_slice)
    }
}

/// Result of a line of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplyLine {
    /// The line completes this reply.
    Complete(ParsedReply),
    /// The line belongs to a reply that is not complete, or to the rest of one cut by a hole.
    Inside,
    /// The line has no code, outside a reply.
    Odd,
}

/// Collects the lines of one server into replies.
#[derive(Debug)]
pub struct ReplyAssembler {
    /// Incomplete reply; `None` between replies.
    open: Option<ParsedReply>,
    /// Whether the last line of the open reply has the form of an end, but another code.
    maybe_ended: bool,
    /// Code of a reply whose end may follow a hole, so that its remaining lines are skipped. `None` without such a
    /// reply.
    lost_end: Option<u16>,
    /// Most lines kept of a reply.
    limit: usize,
}

impl ReplyAssembler {
    /// Creates an assembler that keeps up to `limit` lines of a reply.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self {
            open: None,
            maybe_ended: false,
            lost_end: None,
            limit,
        }
    }

    /// Adds a line of the server, without its end; `truncated` if it is cut.
    pub fn line(&mut self, line: &[u8], truncated: bool) -> ReplyLine {
        let shape = shape(line);
        // After a hole, lines without a code or with the code of the cut reply are its rest; any other code begins a
        // new reply.
        if let Some(code) = self.lost_end {
            match shape {
                Shape::Text => return ReplyLine::Inside,
                Shape::More(other, _) if other == code => return ReplyLine::Inside,
                Shape::Last(other, _) if other == code => {
                    self.lost_end = None;
                    return ReplyLine::Inside;
                }
                Shape::More(..) | Shape::Last(..) => self.lost_end = None,
            }
        }
        let Some(reply) = &mut self.open else {
            let shape = match shape {
                Shape::Text => tolerant_shape(line),
                regular => regular,
            };
            let (code, more, text) = match shape {
                Shape::Last(code, text) => (code, false, text),
                Shape::More(code, text) => (code, true, text),
                Shape::Text => return ReplyLine::Odd,
            };
            let reply = ParsedReply {
                code,
                lines: vec![text.to_vec()],
                lines_omitted: 0,
                truncated,
                irregular: false,
            };
            if !more {
                return ReplyLine::Complete(reply);
            }
            self.open = Some(reply);
            self.maybe_ended = false;
            return ReplyLine::Inside;
        };
        reply.truncated |= truncated;
        self.maybe_ended = false;
        let (text, ended) = match shape {
            Shape::Last(code, text) if code == reply.code => (text, true),
            Shape::More(code, text) if code == reply.code => (text, false),
            Shape::Last(..) => {
                self.maybe_ended = true;
                (line, false)
            }
            Shape::Text
                if reply_code(line) == Some(reply.code)
                    && line.get(3).is_some_and(|byte| is_separator(*byte)) =>
            {
                (&line[4..], true)
            }
            _ => (line, false),
        };
        if reply.lines.len() < self.limit {
            reply.lines.push(text.to_vec());
        } else {
            reply.lines_omitted += 1;
        }
        match self.open.take() {
            Some(reply) if ended => ReplyLine::Complete(reply),
            reply => {
                self.open = reply;
                ReplyLine::Inside
            }
        }
    }

    /// Ends the open reply when the client sends a command, if its last line has the form of an end. `None` otherwise.
    ///
    /// A client that sends its next command has seen the end of the reply.
    pub fn client_went_on(&mut self) -> Option<ParsedReply> {
        if self.maybe_ended {
            self.give_up()
        } else {
            None
        }
    }

    /// Ends the open reply at a hole in the stream; its lines after the hole are skipped. `None` without an open reply.
    pub fn hole(&mut self) -> Option<ParsedReply> {
        let reply = self.give_up()?;
        self.lost_end = Some(reply.code);
        Some(reply)
    }

    /// Ends the open reply at the end of the stream. `None` without an open reply.
    pub fn give_up(&mut self) -> Option<ParsedReply> {
        self.maybe_ended = false;
        let mut reply = self.open.take()?;
        reply.irregular = true;
        Some(reply)
    }

    /// Returns whether a reply of several lines is incomplete.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.open.is_some()
    }
}

/// Form of a line, with code and text.
enum Shape<'a> {
    /// `NNN text`, or a bare code.
    Last(u16, &'a [u8]),
    /// `NNN-text`.
    More(u16, &'a [u8]),
    /// Anything else.
    Text,
}

fn shape(line: &[u8]) -> Shape<'_> {
    let Some(code) = reply_code(line) else {
        return Shape::Text;
    };
    match &line[3..] {
        [] => Shape::Last(code, &[]),
        [b' ', text @ ..] => Shape::Last(code, text),
        [b'-', text @ ..] => Shape::More(code, text),
        // `230_ok` or `2301`: no code, since neither a space nor a hyphen follows it.
        _ => Shape::Text,
    }
}

/// Returns the form of a line that begins a reply and breaks RFC 959 section 4.2: with blanks before the code, with the text
/// directly behind it (`220Welcome`), or with another separator (`220:ready`, a tab). Clients take the three digits and go on;
/// here the code must be one that servers send, for `150MB free` is none.
fn tolerant_shape(line: &[u8]) -> Shape<'_> {
    let line = line.trim_ascii_start();
    match (shape(line), reply_code(line)) {
        (Shape::Text, Some(code)) if is_common(code) => match &line[3..] {
            [separator, text @ ..] if is_separator(*separator) => Shape::Last(code, text),
            text @ [first, ..] if first.is_ascii_alphabetic() => Shape::Last(code, text),
            _ => Shape::Text,
        },
        (Shape::Last(code, text), _) if is_common(code) => Shape::Last(code, text),
        (Shape::More(code, text), _) if is_common(code) => Shape::More(code, text),
        _ => Shape::Text,
    }
}

/// Returns whether home-made servers put `byte` between code and text. A full stop or comma would be that of a number.
const fn is_separator(byte: u8) -> bool {
    matches!(byte, b'\t' | b':' | b';' | b'=' | b')' | b']' | b'>')
}

/// Returns whether a code is in RFC 959 section 4.2.2 or in its extensions.
const fn is_common(code: u16) -> bool {
    matches!(code, 110 | 120 | 125 | 150 | 200 | 202 | 211..=215 | 220 | 221 | 225..=234 | 250 | 257
        | 331 | 332 | 334 | 350 | 421 | 425 | 426 | 430 | 431 | 434 | 450..=452 | 500..=504 | 521 | 522
        | 530..=536 | 550..=553)
}

/// Returns the first non-empty line as trimmed text for a sentence, cut after 200 bytes; bytes that are not UTF-8
/// become U+FFFD. Empty if no line has text.
#[must_use]
pub fn first_text_line(lines: &[Vec<u8>]) -> String {
    let line = lines
        .iter()
        .find(|line| !line.is_empty())
        .map_or(&b""[..], Vec::as_slice);
    wire_text::decode::<String>(&line[..line.len().min(SENTENCE_BYTES)])
        .0
        .trim()
        .to_owned()
}

/// Returns whether `code` ends a transfer that a preliminary reply (1yz) has begun.
///
/// RFC 959 section 5.4 lists 226 and 250 as successes and 4yz and 5yz as failures. Codes from 600 are the protected
/// replies of RFC 2228, whose content is hidden.
#[must_use]
pub const fn completes_transfer(code: u16) -> bool {
    // 225 ("no transfer in progress") is sent by servers that close the connection before they answer.
    matches!(code, 225 | 226 | 250 | 400..)
}

/// Parses the code at the start of a line: first digit 1 to 6 (RFC 959 section 4.2.1, RFC 2228 section 5).
#[must_use]
pub fn reply_code(line: &[u8]) -> Option<u16> {
    match line {
        [a @ b'1'..=b'6', b @ b'0'..=b'9', c @ b'0'..=b'9', ..] => {
            Some(u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0'))
        }
        _ => None,
    }
}

/// Parses the size in a 150 or 125 reply: `(N bytes)` in its last parenthesis, since the name may have one too.
#[must_use]
pub fn announced_size(text: &[u8]) -> Option<u64> {
    // `a (123 bytes) b (1715 bytes)`: the size comes after the name.
    let open = text.iter().rposition(|&byte| byte == b'(')?;
    let inner = &text[open + 1..];
    let digits = inner
        .iter()
        .take_while(|byte| byte.is_ascii_digit() || **byte == b',')
        .count();
    let unit = inner.get(digits..)?;
    let unit = unit.strip_prefix(b" ").unwrap_or(unit);
    if digits == 0 || !unit.get(..4)?.eq_ignore_ascii_case(b"byte") {
        return None;
    }
    number(&inner[..digits])
}

/// Parses the number in a 213 reply to SIZE (RFC 3659 section 4).
#[must_use]
pub fn size_reply(text: &[u8]) -> Option<u64> {
    let text = text.trim_ascii();
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    number(text)
}

/// Parses digits, skipping separators; `None` if the number does not fit 64 bits.
fn number(digits: &[u8]) -> Option<u64> {
    let mut value: u64 = 0;
    for digit in digits.iter().filter(|byte| byte.is_ascii_digit()) {
        value = value
            .checked_mul(10)?
            .checked_add(u64::from(digit - b'0'))?;
    }
    Some(value)
}

/// Longest part of a line that [`first_text_line`] returns, in bytes.
const SENTENCE_BYTES: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn replies(lines: &[&str]) -> Vec<(u16, usize)> {
        let mut assembler = ReplyAssembler::new(100);
        let mut found = Vec::new();
        for line in lines {
            if let ReplyLine::Complete(reply) = assembler.line(line.as_bytes(), false) {
                found.push((reply.code, reply.lines.len()));
            }
        }
        found
    }

    #[test]
    fn lines_inside_a_reply_may_begin_with_other_codes() {
        assert_eq!(
            replies(&[
                "250-",
                "550 not an end",
                "  x",
                "250-y",
                "250 done",
                "226 ok"
            ]),
            [(250, 5), (226, 1)]
        );
    }

    #[test]
    fn bare_code_is_a_reply() {
        assert_eq!(replies(&["331", "230-", "230"]), [(331, 1), (230, 2)]);
    }

    #[test]
    fn lines_without_a_code_are_odd() {
        let mut assembler = ReplyAssembler::new(100);
        assert_eq!(assembler.line(b"SYST not supported", false), ReplyLine::Odd);
        assert_eq!(assembler.line(b"230_no_space", false), ReplyLine::Odd);
        assert_eq!(assembler.line(b"999 x", false), ReplyLine::Odd);
    }

    #[test]
    fn another_separator_than_a_space_is_tolerated() {
        let lines = [
            "220:ready",
            "331\tpassword",
            "230-hello",
            "230:go on",
            "150.5 MB free",
        ];
        assert_eq!(replies(&lines), [(220, 1), (331, 1), (230, 2)]);
        assert_eq!(replies(&["220-150:1", "220 end"]), [(220, 2)]);
    }

    #[test]
    fn end_with_another_code_counts_once_the_client_sends_a_command() {
        let mut assembler = ReplyAssembler::new(100);
        assembler.line(b"230- welcome", false);
        assert_eq!(assembler.client_went_on(), None);
        assembler.line(b"226 logged in", false);
        let reply = assembler.client_went_on().expect("a reply");
        assert_eq!((reply.code, reply.irregular), (230, true));
        assert!(!assembler.is_open());
    }

    #[test]
    fn reply_ends_at_a_hole_and_its_rest_is_skipped() {
        let mut assembler = ReplyAssembler::new(100);
        assembler.line(b"220-welcome", false);
        assert_eq!(assembler.hole().map(|reply| reply.code), Some(220));
        assert_eq!(assembler.line(b"220-more", false), ReplyLine::Inside);
        assert_eq!(assembler.line(b"220 ready", false), ReplyLine::Inside);
        assert!(matches!(
            assembler.line(b"331 password", false),
            ReplyLine::Complete(_)
        ));
    }

    #[test]
    fn size_is_in_the_last_parenthesis() {
        assert_eq!(
            announced_size(
                b"Opening BINARY mode data connection for a (123 bytes) b (1715 bytes)."
            ),
            Some(1715)
        );
        assert_eq!(
            announced_size(b"Opening ASCII mode data connection for readme.txt(1715 bytes)."),
            Some(1715)
        );
        assert_eq!(
            announced_size(b"Opening data connection for x (-1 bytes)"),
            None
        );
        assert_eq!(announced_size(b"Connecting (port 20)"), None);
        assert_eq!(announced_size(b"x (99999999999999999999999 bytes)"), None);
        assert_eq!(announced_size(b"x ("), None);
        assert_eq!(size_reply(b"1715"), Some(1715));
        assert_eq!(size_reply(b"20240101"), Some(20_240_101));
        assert_eq!(size_reply(b"no"), None);
    }

    #[test]
    fn first_line_is_raw_and_first_text_line_skips_empty_lines() {
        let mut assembler = ReplyAssembler::new(100);
        assembler.line(b"220-", false);
        assembler.line(b"  ready \xff", false);
        let ReplyLine::Complete(reply) = assembler.line(b"220 end", false) else {
            panic!("the reply is complete");
        };
        assert_eq!(reply.first_line(), b"");
        assert_eq!(first_text_line(&reply.lines), "ready \u{fffd}");
        assert_eq!(first_text_line(&[vec![b'x'; 300]]).len(), 200);
        assert_eq!(first_text_line(&[]), "");
    }

    #[test]
    fn only_final_replies_of_transfers_complete_them() {
        for code in [225, 226, 250, 426, 451, 550, 633] {
            assert!(completes_transfer(code), "{code}");
        }
        for code in [150, 200, 211, 221, 227, 350] {
            assert!(!completes_transfer(code), "{code}");
        }
    }
}
