//! The escapes that every JSON of ours has.
//!
//! Beyond what JSON asks for, U+007F to U+009F and the characters that cannot be seen or that turn text around are
//! written as `\uXXXX`: a report on a terminal or in an editor shows what is there.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{CompactFormatter, Formatter};

use crate::model::wire_text::is_hostile;

/// Writes a value, without spaces and line ends; what [`compact_json`](super::compact_json) does not write by itself.
pub(super) fn write_escaped<W: Write>(
    value: &(impl Serialize + ?Sized),
    out: &mut W,
) -> io::Result<()> {
    let mut serializer = Serializer::with_formatter(out, Escaping(CompactFormatter));
    Ok(value.serialize(&mut serializer)?)
}

/// JSON that was written before, to be written as it is. Only [`Escaping`] and [`compact_json`](super::compact_json) know what to do with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'a>(pub(super) &'a [u8]);

impl Serialize for Text<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Nothing else in a report is bytes, and the formatter below writes bytes as they are.
        serializer.serialize_bytes(self.0)
    }
}

/// Adds our escapes to a formatter of `serde_json`.
pub(super) struct Escaping<F>(pub(super) F);

impl<F: Formatter> Formatter for Escaping<F> {
    fn write_string_fragment<W: Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        // Nearly all text is plain, and looking at all bytes at once is much faster than at one character after the other.
        if is_plain(fragment) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut rest = fragment;
        while let Some((at, character)) = rest.char_indices().find(|&(_, c)| is_hostile(c)) {
            let (plain, hostile) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = hostile.get(character.len_utf8()..).unwrap_or_default();
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_byte_array<W: Write + ?Sized>(
        &mut self,
        writer: &mut W,
        value: &[u8],
    ) -> io::Result<()> {
        writer.write_all(value)
    }

    fn begin_array<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: Write + ?Sized>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: Write + ?Sized>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn end_object_key<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_key(writer)
    }

    fn begin_object_value<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

/// True for ASCII without DEL; `serde_json` escapes the other controls by itself.
fn is_plain(text: &str) -> bool {
    text.bytes().fold(0, u8::max) < 0x7f
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(value: &impl Serialize) -> String {
        let mut out = Vec::new();
        write_escaped(value, &mut out).expect("memory takes it");
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    #[test]
    fn invisible_characters_are_escaped_and_nothing_else_is() {
        let hostile = "a\u{7f}\u{9b}2J\u{202e}fdp.exe\u{200b}\u{e0041}\x1b\"ü漢";
        let text = line(&hostile);
        assert_eq!(
            text,
            "\"a\\u007f\\u009b2J\\u202efdp.exe\\u200b\\udb40\\udc41\\u001b\\\"ü漢\""
        );
        let back: String = serde_json::from_str(&text).expect("valid JSON");
        assert_eq!(back, hostile);
    }
}
