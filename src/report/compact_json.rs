//! Compact JSON, straight into its target.
//!
//! NDJSON is mostly short plain strings under known names. `serde_json` looks at each of their bytes by itself and hands them
//! on in pieces; here a plain string is seen to be one at a glance and written in one piece. All else is left to the
//! writer of [`escaped_json`], so that both write the same.

use std::io::{self, Write};

use serde::ser::{self, Serialize};

use super::escaped_json;

/// Writes a value, without spaces and line ends.
pub(super) fn write_value<W: Write>(value: &impl Serialize, out: &mut W) -> io::Result<()> {
    value
        .serialize(&mut Compact { out })
        .map_err(|error| error.0)
}

/// The target.
struct Compact<'w, W> {
    out: &'w mut W,
}

/// Why a value could not be written.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Error(#[from] io::Error);

impl ser::Error for Error {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self(io::Error::other(message.to_string()))
    }
}

impl<W: Write> Compact<'_, W> {
    fn raw(&mut self, bytes: &[u8]) -> Result<(), Error> {
        Ok(self.out.write_all(bytes)?)
    }

    /// A number, or text that is not plain.
    fn other(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        Ok(escaped_json::write_escaped(value, self.out)?)
    }

    fn unsigned(&mut self, mut value: u64) -> Result<(), Error> {
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

    fn string(&mut self, text: &str) -> Result<(), Error> {
        if !is_plain(text) {
            return self.other(text);
        }
        self.raw(b"\"")?;
        self.raw(text.as_bytes())?;
        self.raw(b"\"")
    }
}

/// A list or an object that is being written.
struct Within<'a, 'w, W> {
    json: &'a mut Compact<'w, W>,
    empty: bool,
    end: &'static [u8],
}

impl<'a, 'w, W: Write> Within<'a, 'w, W> {
    fn begin(
        json: &'a mut Compact<'w, W>,
        begin: &[u8],
        end: &'static [u8],
    ) -> Result<Self, Error> {
        json.raw(begin)?;
        Ok(Self {
            json,
            empty: true,
            end,
        })
    }

    /// One of the alternatives of an enum, under its name.
    fn named(
        json: &'a mut Compact<'w, W>,
        name: &str,
        begin: &[u8],
        end: &'static [u8],
    ) -> Result<Self, Error> {
        json.raw(b"{")?;
        json.string(name)?;
        json.raw(b":")?;
        Self::begin(json, begin, end)
    }

    fn comma(&mut self) -> Result<(), Error> {
        if std::mem::take(&mut self.empty) {
            Ok(())
        } else {
            self.json.raw(b",")
        }
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.comma()?;
        value.serialize(&mut *self.json)
    }

    fn field<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<(), Error> {
        self.comma()?;
        self.json.string(key)?;
        self.json.raw(b":")?;
        value.serialize(&mut *self.json)
    }

    fn close(self) -> Result<(), Error> {
        self.json.raw(self.end)
    }
}

impl<'a, 'w, W: Write> ser::Serializer for &'a mut Compact<'w, W> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Within<'a, 'w, W>;
    type SerializeTuple = Within<'a, 'w, W>;
    type SerializeTupleStruct = Within<'a, 'w, W>;
    type SerializeTupleVariant = Within<'a, 'w, W>;
    type SerializeMap = Within<'a, 'w, W>;
    type SerializeStruct = Within<'a, 'w, W>;
    type SerializeStructVariant = Within<'a, 'w, W>;

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

    /// JSON that was written before (`escaped_json::Text`).
    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        self.raw(value)
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
        let mut within = Within::begin(self, b"{", b"}")?;
        within.field(variant, value)?;
        within.close()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, Error> {
        Within::begin(self, b"[", b"]")
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Error> {
        Within::begin(self, b"[", b"]")
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, Error> {
        Within::begin(self, b"[", b"]")
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        Within::named(self, variant, b"[", b"]}")
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Error> {
        Within::begin(self, b"{", b"}")
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeStruct, Error> {
        Within::begin(self, b"{", b"}")
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Error> {
        Within::named(self, variant, b"{", b"}}")
    }
}

impl<W: Write> ser::SerializeSeq for Within<'_, '_, W> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.element(value)
    }

    fn end(self) -> Result<(), Error> {
        self.close()
    }
}

impl<W: Write> ser::SerializeTuple for Within<'_, '_, W> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.element(value)
    }

    fn end(self) -> Result<(), Error> {
        self.close()
    }
}

impl<W: Write> ser::SerializeTupleStruct for Within<'_, '_, W> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.element(value)
    }

    fn end(self) -> Result<(), Error> {
        self.close()
    }
}

impl<W: Write> ser::SerializeTupleVariant for Within<'_, '_, W> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.element(value)
    }

    fn end(self) -> Result<(), Error> {
        self.close()
    }
}

impl<W: Write> ser::SerializeMap for Within<'_, '_, W> {
    type Ok = ();
    type Error = Error;

    /// Keys of objects are strings; what is none becomes one.
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.comma()?;
        let mut text = Vec::new();
        escaped_json::write_escaped(key, &mut text)?;
        if text.starts_with(b"\"") {
            self.json.raw(&text)
        } else {
            self.json.string(&String::from_utf8_lossy(&text))
        }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.json.raw(b":")?;
        value.serialize(&mut *self.json)
    }

    fn end(self) -> Result<(), Error> {
        self.close()
    }
}

impl<W: Write> ser::SerializeStruct for Within<'_, '_, W> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.field(key, value)
    }

    fn end(self) -> Result<(), Error> {
        self.close()
    }
}

impl<W: Write> ser::SerializeStructVariant for Within<'_, '_, W> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.field(key, value)
    }

    fn end(self) -> Result<(), Error> {
        self.close()
    }
}

/// True for ASCII of which nothing is escaped. All bytes are looked at in any case, many at once.
fn is_plain(text: &str) -> bool {
    let escaped = |byte: u8| {
        let quoted = u8::from(byte == b'"') | u8::from(byte == b'\\');
        quoted | u8::from(!(0x20..0x7f).contains(&byte))
    };
    text.bytes().fold(0, |any, byte| any | escaped(byte)) == 0
}

/// Digits of the largest number.
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
        escaped_json::write_escaped(value, &mut theirs).expect("memory takes it");
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

    proptest! {
        #[test]
        fn texts_and_numbers_too(text: String, number: u64, fraction: f64) {
            let (ours, theirs) = both(&(&text, number, fraction, BTreeMap::from([(text.clone(), 0)])));
            prop_assert_eq!(ours, theirs);
        }
    }
}
