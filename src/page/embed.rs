//! JSON within HTML, without a character that is markup, and the strings that the diagrams share.
//!
//! Sessions repeat much of each other, so [`StringTable`] interns the strings of their diagrams. The strings go to a
//! [`SpooledText`], as the list that follows the sessions. An index finds them again, up to a memory limit. Beyond it the
//! index is cleared, and strings that come again get a second number. So a page of few sessions has every string once, and
//! a page of very many has the common ones a few times.

use std::collections::HashMap;
use std::io::{self, Write};

use foldhash::fast::RandomState;
use serde::Serialize;
use serde_json::Value;

use crate::model::wire_text::printable;
use crate::report::SpooledText;

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

/// Table of strings in the order in which they first came, made printable.
#[derive(Debug)]
pub(super) struct StringTable {
    /// JSON of the list, without its brackets.
    list: SpooledText,
    /// Count of the strings in `list`.
    count: usize,
    /// Numbers by string. Never iterated, so that the random order of its hashes cannot reach the page.
    index: HashMap<Box<str>, usize, RandomState>,
    /// Memory of `index` in bytes.
    index_memory: usize,
    /// Limit of `index_memory` in bytes.
    index_limit: usize,
    /// First error of the temporary file; `None` while all is well.
    error: Option<io::Error>,
}

impl StringTable {
    /// Creates an empty table.
    pub(super) fn new() -> Self {
        Self {
            list: SpooledText::new(IN_MEMORY),
            count: 0,
            index: HashMap::default(),
            index_memory: 0,
            index_limit: INDEX_LIMIT,
            error: None,
        }
    }

    /// Returns the number of a string, and adds the string to the list if the index does not have it.
    pub(super) fn intern(&mut self, text: &str) -> usize {
        // Made printable first: strings that look equal on the page are equal in the table.
        let text = printable(text);
        if let Some(number) = self.index.get(text.as_ref()) {
            return *number;
        }
        let number = self.count;
        self.count += 1;
        // Rows are serialized without a way to fail here: the error is kept for `write`.
        if self.error.is_none() {
            self.error = self.append(&text).err();
        }
        let memory = text.len() + ENTRY_MEMORY;
        if self.index_memory + memory > self.index_limit {
            self.index.clear();
            self.index_memory = 0;
        }
        self.index_memory += memory;
        self.index.insert(text.into(), number);
        number
    }

    fn append(&mut self, text: &str) -> io::Result<()> {
        if !self.list.is_empty() {
            self.list.write_all(b",")?;
        }
        Ok(serde_json::to_writer(Embedded(&mut self.list), text)?)
    }

    /// Writes the list. Returns the error of an earlier [`Self::intern`] if there was one.
    pub(super) fn write(mut self, out: &mut dyn Write) -> io::Result<()> {
        if let Some(error) = self.error {
            return Err(error);
        }
        out.write_all(b"[")?;
        self.list.copy(0, self.list.len(), out)?;
        out.write_all(b"]")
    }
}

/// Returns a string for the page, with invisible and direction-changing characters written as escapes.
pub(super) fn visible(text: &str) -> String {
    printable(text).into_owned()
}

/// Bytes of the list kept in memory before it goes to a temporary file.
const IN_MEMORY: usize = 4 << 20;
/// Limit of the memory of the index in bytes.
const INDEX_LIMIT: usize = 8 << 20;
/// Memory of an index entry beside its string in bytes: table slot and allocator overhead.
const ENTRY_MEMORY: usize = 64;

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

    fn list(strings: StringTable) -> Vec<String> {
        let mut out = Vec::new();
        strings.write(&mut out).expect("memory takes it");
        serde_json::from_slice(&out).expect("a list of texts")
    }

    #[test]
    fn equal_strings_share_one_number() {
        let mut strings = StringTable::new();
        let numbers = ["one", "<two>", "one", "\u{202e}"].map(|text| strings.intern(text));
        assert_eq!(numbers, [0, 1, 0, 2]);
        assert_eq!(list(strings), ["one", "<two>", "\\u{202e}"]);
        assert!(list(StringTable::new()).is_empty());
    }

    #[test]
    fn index_stays_within_its_limit_and_every_number_finds_its_string() {
        let mut strings = StringTable {
            index_limit: 10 * (ENTRY_MEMORY + 4),
            ..StringTable::new()
        };
        let texts: Vec<String> = (0..200).map(|at| format!("{:04}", at % 50)).collect();
        let numbers: Vec<usize> = texts.iter().map(|text| strings.intern(text)).collect();
        assert!(strings.index.len() <= 10 && strings.index_memory <= strings.index_limit);
        assert_eq!(strings.intern("0049"), numbers[199]);
        let list = list(strings);
        for (text, number) in texts.iter().zip(numbers) {
            assert_eq!(&list[number], text);
        }
    }
}
