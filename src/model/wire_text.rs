//! Bytes from the wire as text.
//!
//! [`printable`] is the only way such text may reach a terminal; [`decode`] is how it enters the report.

use std::borrow::Cow;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Text for the report: UTF-8 with U+FFFD where the bytes are none, and then the exact bytes in base64.
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

/// Text that is safe on a terminal: C0, C1, DEL, bidirectional and zero-width controls as `\xNN` or `\u{NNNN}`.
///
/// Borrowed where nothing has to change, which is nearly always.
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

/// True for characters that move the cursor, change what stands beside them, or cannot be seen.
#[must_use]
pub fn is_hostile(character: char) -> bool {
    matches!(
        character,
        '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_lose_their_power() {
        assert_eq!(printable("a\x1b]0;x\x07b"), "a\\x1b]0;x\\x07b");
        assert_eq!(
            printable("invoice\u{202e}fdp.exe"),
            "invoice\\u{202e}fdp.exe"
        );
        assert_eq!(printable("Grüße.txt"), "Grüße.txt");
    }

    #[test]
    fn bytes_that_are_no_utf8_are_kept_exactly() {
        assert_eq!(decode::<String>(b"ok"), ("ok".into(), None));
        assert_eq!(
            decode::<String>(b"\xff"),
            ("\u{fffd}".into(), Some("/w==".into()))
        );
    }
}
