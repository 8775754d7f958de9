//! Bytes from the wire as text.
//!
//! [`decode`] brings them into the report; [`printable`] is the only way from there to a terminal, table or page.

use std::borrow::Cow;
use std::fmt::Write as _;

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
}
