//! JSON within HTML: not one character that markup knows.

use std::io::{self, Write};

/// Writes JSON so that it can stand in a script element: `<`, `>` and `&` only ever stand in strings, where an escape
/// means the same.
pub(super) struct Embedded<'w>(pub(super) &'w mut dyn Write);

impl Write for Embedded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while let Some(at) = rest.iter().position(|byte| b"<>&".contains(byte)) {
            let (plain, marked) = rest.split_at(at);
            self.0.write_all(plain)?;
            let (mark, after) = marked.split_at(1);
            for byte in mark {
                write!(self.0, "\\u{byte:04x}")?;
            }
            rest = after;
        }
        self.0.write_all(rest)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_written_as_escapes_and_reads_the_same() {
        let mut out = Vec::new();
        let text = "</script><!-- & -->";
        let json = serde_json::to_string(text).expect("a string");
        let mut embedded = Embedded(&mut out);
        embedded
            .write_all(json.as_bytes())
            .expect("memory takes it");
        let written = String::from_utf8(out).expect("text");
        assert!(!written.contains(['<', '>', '&']), "{written}");
        let back: String = serde_json::from_str(&written).expect("JSON");
        assert_eq!(back, text);
    }
}
