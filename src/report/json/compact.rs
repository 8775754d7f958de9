//! Compact JSON, written straight to its target.
//!
//! NDJSON consists mostly of short plain strings under known names. `serde_json` examines each of their bytes in turn
//! and writes strings in pieces; here a plain string is recognized at a glance and written in one piece. Everything
//! else is left to [`super::write_escaped`], so that both write the same bytes.
//!
//! [`Object`] and [`List`] write values with parts that are JSON text already, such as the steps of a session that had
//! their own lines before: the caller names each field in its order, so that no text is ever searched for a place to
//! insert.

use std::io::{self, Write};

use serde::ser::{self, Serialize};

/// Writes a value without spaces and line ends.
pub(crate) fn write_value<W: Write>(
    value: &(impl Serialize + ?Sized),
    out: &mut W,
) -> io::Result<()> {
    Ok(value.serialize(Compact(out))?)
}

/// An object that is written field by field.
pub(crate) struct Object<'w, W>(Sequence<'w, W>);

impl<'w, W: Write> Object<'w, W> {
    /// Begins an object.
    pub(crate) fn begin(out: &'w mut W) -> io::Result<Self> {
        Ok(Self(Sequence::begin(out, b"{", b"}")?))
    }

    /// Writes a field.
    pub(crate) fn field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> io::Result<()> {
        Ok(self.0.field(name, value)?)
    }

    /// Writes a field if there is a value. Fields that are `null` without one are written by [`field`](Self::field).
    pub(crate) fn some<T: Serialize>(
        &mut self,
        name: &'static str,
        value: Option<T>,
    ) -> io::Result<()> {
        value.map_or(Ok(()), |value| self.field(name, &value))
    }

    /// Writes a count, which is omitted if it is 0.
    pub(crate) fn count(&mut self, name: &'static str, count: u64) -> io::Result<()> {
        self.some(name, (count > 0).then_some(count))
    }

    /// Writes a field whose value is JSON already.
    pub(crate) fn written(&mut self, name: &'static str, json: &[u8]) -> io::Result<()> {
        self.0.key(name)?;
        self.0.out.write_all(json)
    }

    /// Begins a field that is an object.
    pub(crate) fn object(&mut self, name: &'static str) -> io::Result<Object<'_, W>> {
        self.0.key(name)?;
        Object::begin(self.0.out)
    }

    /// Begins a field that is a list.
    pub(crate) fn list(&mut self, name: &'static str) -> io::Result<List<'_, W>> {
        self.0.key(name)?;
        Ok(List(Sequence::begin(self.0.out, b"[", b"]")?))
    }

    /// Ends the object.
    pub(crate) fn end(self) -> io::Result<()> {
        Ok(self.0.close()?)
    }
}

/// A list that is written element by element.
pub(crate) struct List<'w, W>(Sequence<'w, W>);

impl<W: Write> List<'_, W> {
    /// Writes an element.
    pub(crate) fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> io::Result<()> {
        Ok(self.0.element(value)?)
    }

    /// Writes an element that is JSON already.
    pub(crate) fn written(&mut self, json: &[u8]) -> io::Result<()> {
        self.0.comma()?;
        self.0.out.write_all(json)
    }

    /// Ends the list.
    pub(crate) fn end(self) -> io::Result<()> {
        Ok(self.0.close()?)
    }
}

/// Serializer of one value to its target.
struct Compact<'w, W>(&'w mut W);

/// Failure to write, or a value that JSON cannot hold.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Error(#[from] io::Error);

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        error.0
    }
}

impl ser::Error for Error {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self(io::Error::other(message.to_string()))
    }
}

impl<W: Write> Compact<'_, W> {
    fn raw(self, bytes: &[u8]) -> Result<(), Error> {
        Ok(self.0.write_all(bytes)?)
    }

    /// Writes a value as `serde_json` does.
    fn other(self, value: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        Ok(super::write_escaped(value, self.0)?)
    }

    fn unsigned(self, mut value: u64) -> Result<(), Error> {
        let mut digits = [b'0'; DIGITS];
        let mut first = DIGITS;
        loop {
            first -= 1;
            digits[first] = b'0' + u8::try_from(value % 10).unwrap_or_default();
            value /= 10;
            if value == 0 {
                break;
            }
        }
        self.raw(&digits[first..])
    }

    fn string(self, text: &str) -> Result<(), Error> {
        if !is_plain(text) {
            return self.other(text);
        }
        self.0.write_all(b"\"")?;
        self.0.write_all(text.as_bytes())?;
        self.raw(b"\"")
    }
}

/// A list or an object that is being written.
struct Sequence<'w, W> {
    out: &'w mut W,
    empty: bool,
    end: &'static [u8],
}

impl<'w, W: Write> Sequence<'w, W> {
    fn begin(out: &'w mut W, begin: &[u8], end: &'static [u8]) -> Result<Self, Error> {
        out.write_all(begin)?;
        Ok(Self {
            out,
            empty: true,
            end,
        })
    }

    /// Begins the content of an enum variant, as the only field of an object.
    fn variant(
        out: &'w mut W,
        name: &str,
        begin: &[u8],
        end: &'static [u8],
    ) -> Result<Self, Error> {
        out.write_all(b"{")?;
        Compact(&mut *out).string(name)?;
        out.write_all(b":")?;
        Self::begin(out, begin, end)
    }

    fn comma(&mut self) -> Result<(), Error> {
        if std::mem::take(&mut self.empty) {
            Ok(())
        } else {
            Ok(self.out.write_all(b",")?)
        }
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.comma()?;
        value.serialize(Compact(&mut *self.out))
    }

    /// Writes the name of a field: a word of ours, which needs no escapes.
    // Names are a third of the output. Each is written in one piece, with what stands around it.
    fn key(&mut self, name: &'static str) -> Result<(), Error> {
        debug_assert!(is_plain(name), "{name}");
        let mut text = [0; LONG_NAME + 4];
        let comma = usize::from(!std::mem::take(&mut self.empty));
        text[..2].copy_from_slice(if comma == 0 { b"\"\0" } else { b",\"" });
        let begin = comma + 1;
        if name.len() > LONG_NAME {
            self.out.write_all(&text[..begin])?;
            self.out.write_all(name.as_bytes())?;
            return Ok(self.out.write_all(b"\":")?);
        }
        let end = begin + name.len();
        text[begin..end].copy_from_slice(name.as_bytes());
        text[end..end + 2].copy_from_slice(b"\":");
        Ok(self.out.write_all(&text[..end + 2])?)
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        self.key(name)?;
        value.serialize(Compact(&mut *self.out))
    }

    fn close(self) -> Result<(), Error> {
        Ok(self.out.write_all(self.end)?)
    }
}

impl<'w, W: Write> ser::Serializer for Compact<'w, W> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Sequence<'w, W>;
    type SerializeTuple = Sequence<'w, W>;
    type SerializeTupleStruct = Sequence<'w, W>;
    type SerializeTupleVariant = Sequence<'w, W>;
    type SerializeMap = Sequence<'w, W>;
    type SerializeStruct = Sequence<'w, W>;
    type SerializeStructVariant = Sequence<'w, W>;

    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        self.raw(if value { b"true" } else { b"false" })
    }

    fn serialize_i8(self, value: i8) -> Result<(), Error> {
        self.other(&value)
    }

    fn serialize_i16(self, value: i16) -> Result<(), Error> {
        self.other(&value)
    }

    fn serialize_i32(self, value: i32) -> Result<(), Error> {
        self.other(&value)
    }

    fn serialize_i64(self, value: i64) -> Result<(), Error> {
        self.other(&value)
    }

    fn serialize_u8(self, value: u8) -> Result<(), Error> {
        self.unsigned(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<(), Error> {
        self.unsigned(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<(), Error> {
        self.unsigned(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<(), Error> {
        self.unsigned(value)
    }

    fn serialize_f32(self, value: f32) -> Result<(), Error> {
        self.other(&value)
    }

    fn serialize_f64(self, value: f64) -> Result<(), Error> {
        self.other(&value)
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.string(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), Error> {
        self.string(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        self.other(value)
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.raw(b"null")
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.raw(b"null")
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.raw(b"null")
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), Error> {
        self.string(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let mut object = Sequence::begin(self.0, b"{", b"}")?;
        object.field(variant, value)?;
        object.close()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, Error> {
        Sequence::begin(self.0, b"[", b"]")
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Error> {
        Sequence::begin(self.0, b"[", b"]")
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, Error> {
        Sequence::begin(self.0, b"[", b"]")
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        Sequence::variant(self.0, variant, b"[", b"]}")
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Error> {
        Sequence::begin(self.0, b"{", b"}")
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeStruct, Error> {
        Sequence::begin(self.0, b"{", b"}")
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Error> {
        Sequence::variant(self.0, variant, b"{", b"}}")
    }
}

/// Implements a trait of serde whose values are the elements of a list.
macro_rules! elements {
    ($($name:ident :: $method:ident),*) => {$(
        impl<W: Write> ser::$name for Sequence<'_, W> {
            type Ok = ();
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.element(value)
            }

            fn end(self) -> Result<(), Error> {
                self.close()
            }
        }
    )*};
}

elements!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

/// Implements a trait of serde whose values are the fields of an object.
macro_rules! fields {
    ($($name:ident),*) => {$(
        impl<W: Write> ser::$name for Sequence<'_, W> {
            type Ok = ();
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Error> {
                self.field(name, value)
            }

            fn end(self) -> Result<(), Error> {
                self.close()
            }
        }
    )*};
}

fields!(SerializeStruct, SerializeStructVariant);

impl<W: Write> ser::SerializeMap for Sequence<'_, W> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.comma()?;
        // Keys of JSON are strings. Maps are rare and small in reports, so that the copy costs nothing.
        let key = match serde_json::to_value(key).map_err(io::Error::from)? {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        Compact(&mut *self.out).string(&key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.out.write_all(b":")?;
        value.serialize(Compact(&mut *self.out))
    }

    fn end(self) -> Result<(), Error> {
        self.close()
    }
}

/// Returns true for ASCII text without a character to escape.
// Looks at all bytes in any case: without an early exit the loop is vectorized, and strings are short.
fn is_plain(text: &str) -> bool {
    let escaped = |byte: u8| {
        let quoted = u8::from(byte == b'"') | u8::from(byte == b'\\');
        quoted | u8::from(!(0x20..0x7f).contains(&byte))
    };
    text.bytes().fold(0, |any, byte| any | escaped(byte)) == 0
}

/// Longest name of a field that is written in one piece, in bytes.
const LONG_NAME: usize = 44;

/// Digits of `u64::MAX`.
const DIGITS: usize = 20;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::report::example::{example_report, example_session};

    fn both(value: &impl Serialize) -> (String, String) {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        write_value(value, &mut ours).expect("memory takes it");
        super::super::write_escaped(value, &mut theirs).expect("memory takes it");
        let text = |bytes| String::from_utf8(bytes).expect("JSON is UTF-8");
        (text(ours), text(theirs))
    }

    #[derive(serde::Serialize)]
    enum Any {
        Unit,
        New(u8),
        Tuple(i64, f64),
        Struct { field: Option<char> },
    }

    #[test]
    fn every_shape_is_written_as_serde_json_writes_it() {
        let (ours, theirs) = both(&example_session());
        assert_eq!(ours, theirs);
        let (ours, theirs) = both(&example_report());
        assert_eq!(ours, theirs);
        let (ours, theirs) = both(&[
            Any::Unit,
            Any::New(9),
            Any::Tuple(i64::MIN, f64::NAN),
            Any::Tuple(-1, 1e21),
            Any::Struct { field: Some('"') },
            Any::Struct { field: None },
        ]);
        assert_eq!(ours, theirs);
        let (ours, theirs) = both(&BTreeMap::from([(1_u32, 1), (20, 2)]));
        assert_eq!(ours, theirs);
    }

    #[test]
    fn object_written_field_by_field_holds_values_and_written_parts() {
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out).expect("memory takes it");
        let mut write = || -> io::Result<()> {
            object.field("a", "\u{202e}")?;
            object.count("omitted", 0)?;
            object.count("b_omitted", 2)?;
            object.some("none", None::<u8>)?;
            object.written("c", b"[1]")?;
            object.object("d")?.end()?;
            let mut list = object.list("e")?;
            list.written(b"{}")?;
            list.element(&7_u8)?;
            list.end()
        };
        write().expect("memory takes it");
        object.end().expect("memory takes it");
        assert_eq!(
            String::from_utf8_lossy(&out),
            r#"{"a":"\u202e","b_omitted":2,"c":[1],"d":{},"e":[{},7]}"#
        );
    }

    proptest! {
        #[test]
        fn any_string_and_number_is_written_as_serde_json_writes_it(text: String, number: u64, fraction: f64) {
            let (ours, theirs) = both(&(&text, number, fraction, BTreeMap::from([(text.clone(), 0)])));
            prop_assert_eq!(ours, theirs);
        }
    }
}
