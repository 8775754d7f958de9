//! Text conversions: EBCDIC, and the line ends of TYPE A.

use super::Output;

/// Converter of EBCDIC to UTF-8 by code page 1047, with LF as line end.
///
/// Code page 1047 is the one in which z/OS exchanges Latin-1 with Unix. Code page 037 differs in six characters: the
/// brackets, `^`, `¬`, `Ý` and the diaeresis.
#[derive(Debug, Default)]
pub(super) struct Ebcdic {
    /// Whether the previous byte was CR, which is dropped before a line end.
    after_return: bool,
}

impl Ebcdic {
    pub(super) fn push(&mut self, bytes: &[u8], out: Output<'_>) {
        let mut text = String::with_capacity(PIECE * 2);
        for piece in bytes.chunks(PIECE) {
            text.clear();
            for &byte in piece {
                let after_return = std::mem::replace(&mut self.after_return, byte == RETURN);
                match byte {
                    // Held back until the next byte: CR before a line end is dropped, any other is kept.
                    RETURN => {}
                    NEW_LINE | LINE_FEED => text.push('\n'),
                    _ => {
                        if after_return {
                            text.push('\r');
                        }
                        text.push(character(byte));
                    }
                }
                if byte == RETURN && after_return {
                    text.push('\r');
                }
            }
            out(text.as_bytes());
        }
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "the same signature as in the other stages"
    )]
    pub(super) fn finish(&mut self, out: Output<'_>) -> Result<(), String> {
        if std::mem::take(&mut self.after_return) {
            out(b"\r");
        }
        Ok(())
    }
}

/// Returns the character of an EBCDIC byte.
fn character(byte: u8) -> char {
    if let Some(&control) = CONTROLS.get(usize::from(byte)) {
        return char::from(control);
    }
    let row = ROWS.get(usize::from(byte >> 4).saturating_sub(4));
    row.and_then(|row| row.chars().nth(usize::from(byte & 15)))
        .unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Converter of CR LF to LF and CR NUL to CR (RFC 959 section 3.1.1.1; RFC 854). Other CRs and LFs are kept.
#[derive(Debug, Default)]
pub(super) struct Lines {
    after_return: bool,
    /// Number of LFs without CR and CRs without LF: the file is no text, or its sender did not convert it.
    bare: u64,
}

impl Lines {
    pub(super) fn push(&mut self, bytes: &[u8], out: Output<'_>) {
        let mut rest = bytes;
        if !rest.is_empty() && std::mem::take(&mut self.after_return) {
            match rest.first() {
                Some(b'\n') => {}
                Some(0) => {
                    out(b"\r");
                    rest = &rest[1..];
                }
                _ => {
                    self.bare += 1;
                    out(b"\r");
                }
            }
            if rest.first() == Some(&b'\n') {
                out(b"\n");
                rest = &rest[1..];
            }
        }
        let mut written = 0;
        let mut at = 0;
        while let Some(found) = rest
            .get(at..)
            .and_then(|rest| rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')))
        {
            at += found;
            if rest[at] == b'\n' {
                self.bare += 1;
                at += 1;
                continue;
            }
            match rest.get(at + 1) {
                None => {
                    out(&rest[written..at]);
                    self.after_return = true;
                    return;
                }
                Some(b'\n') => {
                    out(&rest[written..at]);
                    written = at + 1;
                    at += 2;
                }
                Some(0) => {
                    out(&rest[written..=at]);
                    written = at + 2;
                    at += 2;
                }
                Some(_) => {
                    self.bare += 1;
                    at += 1;
                }
            }
        }
        if let Some(last) = rest.get(written..).filter(|last| !last.is_empty()) {
            out(last);
        }
    }

    pub(super) fn finish(&mut self, out: Output<'_>) -> Result<(), String> {
        if std::mem::take(&mut self.after_return) {
            self.bare += 1;
            out(b"\r");
        }
        if self.bare > 0 {
            return Err(format!("{} line ends are not CR LF", self.bare));
        }
        Ok(())
    }
}

const NEW_LINE: u8 = 0x15;
const LINE_FEED: u8 = 0x25;
const RETURN: u8 = 0x0d;

/// Bytes converted at a time.
const PIECE: usize = 4096;

/// Control characters at 0x00 to 0x3f.
const CONTROLS: [u8; 64] = [
    0x00, 0x01, 0x02, 0x03, 0x9c, 0x09, 0x86, 0x7f, 0x97, 0x8d, 0x8e, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f,
    0x10, 0x11, 0x12, 0x13, 0x9d, 0x85, 0x08, 0x87, 0x18, 0x19, 0x92, 0x8f, 0x1c, 0x1d, 0x1e, 0x1f,
    0x80, 0x81, 0x82, 0x83, 0x84, 0x0a, 0x17, 0x1b, 0x88, 0x89, 0x8a, 0x8b, 0x8c, 0x05, 0x06, 0x07,
    0x90, 0x91, 0x16, 0x93, 0x94, 0x95, 0x96, 0x04, 0x98, 0x99, 0x9a, 0x9b, 0x14, 0x15, 0x9e, 0x1a,
];

/// Characters from 0x40 on, sixteen per row.
const ROWS: [&str; 12] = [
    " \u{a0}âäàáãåçñ¢.<(+|",
    "&éêëèíîïìß!$*);^",
    "-/ÂÄÀÁÃÅÇÑ¦,%_>?",
    "øÉÊËÈÍÎÏÌ`:#@'=\"",
    "Øabcdefghi«»ðýþ±",
    "°jklmnopqrªºæ¸Æ¤",
    "µ~stuvwxyz¡¿Ð[Þ®",
    "¬£¥·©§¶¼½¾Ý¨¯]´×",
    "{ABCDEFGHI\u{ad}ôöòóõ",
    "}JKLMNOPQR¹ûüùúÿ",
    "\\÷STUVWXYZ²ÔÖÒÓÕ",
    "0123456789³ÛÜÙÚ\u{9f}",
];
