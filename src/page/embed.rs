//! JSON within HTML, without a character that is markup.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

/// Writer of JSON for a script element.
///
/// In JSON `<`, `>` and `&` occur in strings alone, where an escape means the same: no `</script>` can end the element.
pub(super) struct Embedded<'w>(pub(super) &'w mut dyn Write);

impl Write for Embedded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        // Runs without markup, which is nearly all, are written in one call each.
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

/// Converts a value of the report to JSON. Its types have string keys only, so that serialization cannot fail.
pub(super) fn value(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

/// Writer of a JSON object, name by name.
pub(super) struct ObjectWriter<'o, 'w> {
    out: &'o mut Embedded<'w>,
    /// Separator before the next name: empty before the first.
    comma: &'static str,
}

impl<'o, 'w> ObjectWriter<'o, 'w> {
    /// Begins an object.
    pub(super) fn begin(out: &'o mut Embedded<'w>) -> io::Result<Self> {
        out.write_all(b"{")?;
        Ok(Self { out, comma: "" })
    }

    /// Writes a name and its value.
    pub(super) fn field(&mut self, name: &str, value: &impl Serialize) -> io::Result<()> {
        self.name(name)?;
        Ok(serde_json::to_writer(&mut *self.out, value)?)
    }

    /// Writes a name and a list. Each value is made after the one before it is written, so that none is kept.
    pub(super) fn list(
        &mut self,
        name: &str,
        values: impl Iterator<Item = impl Serialize>,
    ) -> io::Result<()> {
        self.name(name)?;
        let mut begin = "[";
        for value in values {
            self.out.write_all(begin.as_bytes())?;
            serde_json::to_writer(&mut *self.out, &value)?;
            begin = ",";
        }
        let end = if begin == "[" { "[]" } else { "]" };
        self.out.write_all(end.as_bytes())
    }

    /// Writes a name and a value that `write` writes as JSON, already without markup.
    pub(super) fn raw(
        &mut self,
        name: &str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        self.name(name)?;
        write(self.out.0)
    }

    /// Ends the object.
    pub(super) fn end(self) -> io::Result<()> {
        self.out.write_all(b"}")
    }

    fn name(&mut self, name: &str) -> io::Result<()> {
        let comma = std::mem::replace(&mut self.comma, ",");
        write!(self.out, "{comma}\"{name}\":")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_written_name_by_name_is_valid_json() {
        let mut out = Vec::new();
        let mut embedded = Embedded(&mut out);
        let written = (|| {
            let mut object = ObjectWriter::begin(&mut embedded)?;
            object.field("text", &"a<b")?;
            object.list("none", std::iter::empty::<u8>())?;
            object.list("some", 1..3)?;
            object.raw("raw", |out| out.write_all(b"[null]"))?;
            object.end()
        })();
        written.expect("memory takes it");
        let text = r#"{"text":"a\u003cb","none":[],"some":[1,2],"raw":[null]}"#;
        assert_eq!(String::from_utf8(out).expect("text"), text);
    }

    #[test]
    fn markup_is_escaped_and_parses_to_the_same_string() {
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
