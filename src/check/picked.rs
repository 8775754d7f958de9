//! Records of the report as JSON values that hold only the fields that somebody reads.
//!
//! A session of 48 MB of commands would be gigabytes as a tree of values, of which an expression reads a few names: the other
//! fields are passed over as the record is serialized, and never made.

use std::collections::BTreeSet;

use serde::Serialize;
use serde::ser::{
    SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};
use serde_json::value::Serializer as Whole;
use serde_json::{Error, Map, Value};

/// Converts a record, with the fields of these names only, at any depth; `None` stands for all. What cannot be a value is null.
pub(super) fn value_of(record: &impl Serialize, names: Option<&BTreeSet<String>>) -> Value {
    let value = match names {
        Some(names) => record.serialize(Picking { names }),
        None => serde_json::to_value(record),
    };
    value.unwrap_or_default()
}

/// Serializer that passes over fields of other names.
#[derive(Clone, Copy)]
struct Picking<'n> {
    names: &'n BTreeSet<String>,
}

/// A list or an object that is being made.
struct Parts<'n> {
    picking: Picking<'n>,
    items: Vec<Value>,
    fields: Map<String, Value>,
    key: Option<String>,
    /// Name of the variant of an enum around it.
    variant: Option<&'static str>,
}

impl<'n> Picking<'n> {
    fn parts(self, length: usize, variant: Option<&'static str>) -> Parts<'n> {
        Parts {
            picking: self,
            items: Vec::with_capacity(length),
            fields: Map::new(),
            key: None,
            variant,
        }
    }
}

impl Parts<'_> {
    fn item(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        self.items.push(value.serialize(self.picking)?);
        Ok(())
    }

    fn field(&mut self, name: &str, value: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        if self.picking.names.contains(name) {
            let value = value.serialize(self.picking)?;
            self.fields.insert(name.to_owned(), value);
        }
        Ok(())
    }

    fn within_variant(variant: Option<&'static str>, value: Value) -> Value {
        match variant {
            Some(name) => Value::Object(std::iter::once((name.to_owned(), value)).collect()),
            None => value,
        }
    }

    fn list(self) -> Value {
        Self::within_variant(self.variant, Value::Array(self.items))
    }

    fn object(self) -> Value {
        Self::within_variant(self.variant, Value::Object(self.fields))
    }
}

/// Methods of values that hold no others: they are made as `serde_json` makes them.
macro_rules! plain {
    ($($method:ident($kind:ty)),*) => {
        $(fn $method(self, value: $kind) -> Result<Value, Error> {
            Whole.$method(value)
        })*
    };
}

impl<'n> serde::Serializer for Picking<'n> {
    type Ok = Value;
    type Error = Error;
    type SerializeSeq = Parts<'n>;
    type SerializeTuple = Parts<'n>;
    type SerializeTupleStruct = Parts<'n>;
    type SerializeTupleVariant = Parts<'n>;
    type SerializeMap = Parts<'n>;
    type SerializeStruct = Parts<'n>;
    type SerializeStructVariant = Parts<'n>;

    plain!(
        serialize_bool(bool),
        serialize_i8(i8),
        serialize_i16(i16),
        serialize_i32(i32),
        serialize_i64(i64),
        serialize_i128(i128),
        serialize_u8(u8),
        serialize_u16(u16),
        serialize_u32(u32),
        serialize_u64(u64),
        serialize_u128(u128),
        serialize_f32(f32),
        serialize_f64(f64),
        serialize_char(char),
        serialize_str(&str),
        serialize_bytes(&[u8]),
        serialize_unit_struct(&'static str)
    );

    fn serialize_none(self) -> Result<Value, Error> {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, Error> {
        Ok(Value::Null)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Value, Error> {
        Ok(Value::from(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Value, Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, Error> {
        let value = value.serialize(self)?;
        Ok(Parts::within_variant(Some(variant), value))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Parts<'n>, Error> {
        Ok(self.parts(length.unwrap_or_default(), None))
    }

    fn serialize_tuple(self, length: usize) -> Result<Parts<'n>, Error> {
        Ok(self.parts(length, None))
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Parts<'n>, Error> {
        Ok(self.parts(length, None))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Parts<'n>, Error> {
        Ok(self.parts(length, Some(variant)))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Parts<'n>, Error> {
        Ok(self.parts(0, None))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Parts<'n>, Error> {
        Ok(self.parts(0, None))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts<'n>, Error> {
        Ok(self.parts(0, Some(variant)))
    }
}

/// The traits of lists, which differ in the name of a method alone.
macro_rules! list {
    ($($kind:ident, $method:ident);*) => {
        $(impl $kind for Parts<'_> {
            type Ok = Value;
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.item(value)
            }

            fn end(self) -> Result<Value, Error> {
                Ok(self.list())
            }
        })*
    };
}

/// The traits of objects whose fields have fixed names.
macro_rules! object {
    ($($kind:ident),*) => {
        $(impl $kind for Parts<'_> {
            type Ok = Value;
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Error> {
                self.field(name, value)
            }

            fn end(self) -> Result<Value, Error> {
                Ok(self.object())
            }
        })*
    };
}

list!(
    SerializeSeq, serialize_element;
    SerializeTuple, serialize_element;
    SerializeTupleStruct, serialize_field;
    SerializeTupleVariant, serialize_field
);
object!(SerializeStruct, SerializeStructVariant);

impl SerializeMap for Parts<'_> {
    type Ok = Value;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.key = Some(match key.serialize(Whole)? {
            Value::String(name) => name,
            other => other.to_string(),
        });
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let key = self.key.take().unwrap_or_default();
        self.field(&key, value)
    }

    fn end(self) -> Result<Value, Error> {
        Ok(self.object())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example::example_session;

    /// Removes fields of other names from an object and all objects in it.
    fn prune(value: &mut Value, names: &BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                fields.retain(|name, _| names.contains(name));
                fields.values_mut().for_each(|field| prune(field, names));
            }
            Value::Array(items) => items.iter_mut().for_each(|item| prune(item, names)),
            _ => {}
        }
    }

    #[test]
    fn fields_of_any_names_are_those_of_the_whole_value() {
        let session = example_session();
        let whole = serde_json::to_value(&session).expect("JSON");
        assert_eq!(value_of(&session, None), whole);
        for names in [
            vec!["steps", "commands", "verb", "replies", "code", "lines"],
            vec![
                "transfers",
                "connection",
                "close",
                "client",
                "completeness",
                "link",
            ],
            vec![
                "client", "server", "login", "timing", "verdict", "tls", "dns", "findings",
            ],
            vec!["nothing"],
        ] {
            let names = names.into_iter().map(str::to_owned).collect();
            let mut expected = whole.clone();
            prune(&mut expected, &names);
            assert_eq!(value_of(&session, Some(&names)), expected, "{names:?}");
        }
    }
}
