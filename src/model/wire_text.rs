//! Text for people: bytes from the wire, messages of the operating system, numbers and digests.
//!
//! [`decode`] brings bytes from the wire into the report; [`printable`] is the only way from there to a terminal, table or page.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::{fmt, io};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Decodes bytes for the report: as UTF-8 with U+FFFD for invalid sequences, plus the exact bytes in base64 if there
/// were any.
#[must_use]
pub fn decode<T: for<'a> From<Cow<'a, str>>>(bytes: &[u8]) -> (T, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Cow::Borrowed(text).into(), None),
        Err(_) => (
            String::from_utf8_lossy(bytes).into(),
            Some(STANDARD.encode(bytes)),
        ),
    }
}

/// Escapes hostile characters as `\xNN` or `\u{NNNN}`, so that the text is safe on a terminal.
///
/// Returns the text itself if it has none, which is nearly always.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hostile) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        let code = u32::from(character);
        if !is_hostile(character) {
            out.push(character);
        } else if code < 0x100 {
            let _ = write!(out, "\\x{code:02x}");
        } else {
            let _ = write!(out, "\\u{{{code:x}}}");
        }
    }
    out.into()
}

/// Returns true for characters that move the cursor, reorder or join their neighbours, or are invisible: C0, DEL and C1
/// controls, soft hyphen, zero-width and bidirectional controls, interlinear annotations and language tags.
// Bidirectional controls let a name display as `invoice exe.pdf` while it ends in `.exe` (MITRE ATT&CK T1036.002); C1
// controls are escape sequences of one byte to terminals in 8-bit mode.
#[must_use]
pub fn is_hostile(character: char) -> bool {
    matches!(
        character,
        '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}'
    )
}

/// Returns the system's message for `cause` without the error number, beginning in lower case.
#[must_use]
pub fn system_message(cause: &io::Error) -> String {
    let text = cause.to_string();
    let words = text.split(" (os error").next().unwrap_or(&text);
    let mut rest = words.chars();
    match rest.next() {
        // It follows a colon: "cannot read x: no such file or directory".
        Some(first) => first.to_lowercase().chain(rest).collect(),
        None => words.to_owned(),
    }
}

/// A number displayed with its digits in groups of three: `1,234,567`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grouped(u64);

/// Wraps a number for display in groups of three digits.
#[must_use]
pub const fn grouped(number: u64) -> Grouped {
    Grouped(number)
}

impl fmt::Display for Grouped {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1000 {
            return self.0.fmt(out);
        }
        let mut text = [b','; LONGEST];
        let mut begin = text.len();
        let mut rest = self.0;
        for (written, place) in text.iter_mut().enumerate().rev() {
            let from_the_end = LONGEST - 1 - written;
            // Every fourth byte from the end keeps its comma.
            if from_the_end % 4 == 3 {
                continue;
            }
            *place = b'0' + u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
            begin = written;
            if rest == 0 {
                break;
            }
        }
        // `pad` applies the width of the format string, as for any number.
        out.pad(std::str::from_utf8(&text[begin..]).unwrap_or_default())
    }
}

/// Formats bytes as lower-case hexadecimal digits, two per byte.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out
}

/// Bytes of `u64::MAX` in groups: 20 digits and 6 commas.
const LONGEST: usize = 26;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_and_bidirectional_controls_are_escaped() {
        assert_eq!(printable("a\x1b]0;x\x07b"), "a\\x1b]0;x\\x07b");
        assert_eq!(
            printable("invoice\u{202e}fdp.exe"),
            "invoice\\u{202e}fdp.exe"
        );
        assert_eq!(printable("Grüße.txt"), "Grüße.txt");
    }

    #[test]
    fn invalid_utf8_is_kept_exactly_as_base64() {
        assert_eq!(decode::<String>(b"ok"), ("ok".into(), None));
        assert_eq!(
            decode::<String>(b"\xff"),
            ("\u{fffd}".into(), Some("/w==".into()))
        );
    }

    #[test]
    fn large_numbers_are_grouped_by_three_digits() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_715, "1,715"),
            (100_000, "100,000"),
            (1_234_567, "1,234,567"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(grouped(number).to_string(), text);
        }
        assert_eq!(
            format!("{:>7}|{:<7}|", grouped(1_715), grouped(12)),
            "  1,715|12     |"
        );
    }

    #[test]
    fn every_byte_is_two_hex_digits() {
        assert_eq!(hex(&[0x00, 0x0f, 0xa5, 0xff]), "000fa5ff");
        assert_eq!(hex(&[]), "");
    }
}
