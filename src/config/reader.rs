//! The tree as a serde deserializer: blackbox_exporter's rules of what is accepted where, and where a fault happened.
//!
//! Knows no key but those of secrets.

use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, Expected, MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::misread::{Faults, Misread};
use super::node::{Entry, Form, Node, Scalar, Value};
use super::scalar;
use super::source::{Place, is_secret_key};

/// A node, ready to be read.
#[derive(Clone, Copy)]
pub(super) struct Reader<'n, 't> {
    node: &'n Node<'t>,
    /// Where to point if the node as a whole is wrong.
    place: Place,
    /// Whether the node lies in the value of a secret key.
    is_secret: bool,
    faults: &'n Faults,
}

impl<'n, 't> Reader<'n, 't> {
    pub(super) fn new(node: &'n Node<'t>, place: Place, faults: &'n Faults) -> Self {
        Self { node, place, is_secret: false, faults }
    }

    /// The value of a key, which may be a secret's.
    pub(super) fn of_entry(entry: &'n Entry<'t>, faults: &'n Faults) -> Self {
        Self { is_secret: is_secret_key(&entry.key), ..Self::new(&entry.value, entry.place(), faults) }
    }

    /// Keeps the place of the first fault.
    fn placed<T>(self, result: Result<T, Misread>) -> Result<T, Misread> {
        if let Err(misread) = &result {
            let value = match &self.node.value {
                Value::Scalar(scalar) => Some(&*scalar.text),
                Value::List(_) | Value::Map(_) => None,
            };
            self.faults.keep(misread, self.place, value, self.is_secret);
        }
        result
    }

    fn scalar(self, visitor: &dyn Expected) -> Result<&'n Scalar<'t>, Misread> {
        match &self.node.value {
            Value::Scalar(scalar) => Ok(scalar),
            Value::List(_) => Err(de::Error::invalid_type(Unexpected::Seq, visitor)),
            Value::Map(_) => Err(de::Error::invalid_type(Unexpected::Map, visitor)),
        }
    }

    fn any<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Misread> {
        match &self.node.value {
            Value::List(_) => self.list(visitor),
            Value::Map(_) => self.map(visitor, &[]),
            Value::Scalar(Scalar { text, form: Form::Plain }) => {
                if scalar::is_null(text) {
                    visitor.visit_unit()
                } else if let "true" | "True" | "TRUE" | "false" | "False" | "FALSE" = text.as_ref() {
                    visitor.visit_bool(text.starts_with(['t', 'T']))
                } else if let Some(number) = scalar::integer(text) {
                    match (u64::try_from(number), i64::try_from(number)) {
                        (Ok(number), _) => visitor.visit_u64(number),
                        (_, Ok(number)) => visitor.visit_i64(number),
                        _ => visitor.visit_borrowed_str(text),
                    }
                } else if let Some(number) = scalar::float(text) {
                    visitor.visit_f64(number)
                } else {
                    visitor.visit_borrowed_str(text)
                }
            }
            Value::Scalar(_) => self.text(visitor),
        }
    }

    /// Any scalar as text: numbers and truth values as they were written, nothing as the empty text.
    fn text<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Misread> {
        let scalar = self.scalar(&visitor)?;
        match scalar.form {
            Form::Plain if scalar::is_null(&scalar.text) => visitor.visit_borrowed_str(""),
            Form::Plain | Form::Text => visitor.visit_borrowed_str(&scalar.text),
            Form::Binary => {
                let bytes = scalar::binary(&scalar.text).ok_or_else(|| de::Error::custom("not valid base64"))?;
                match String::from_utf8(bytes) {
                    Ok(text) => visitor.visit_string(text),
                    Err(error) => visitor.visit_byte_buf(error.into_bytes()),
                }
            }
        }
    }

    fn bytes<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Misread> {
        let scalar = self.scalar(&visitor)?;
        match scalar.form {
            Form::Plain if scalar::is_null(&scalar.text) => visitor.visit_borrowed_bytes(b""),
            Form::Plain | Form::Text => visitor.visit_borrowed_bytes(scalar.text.as_bytes()),
            Form::Binary => match scalar::binary(&scalar.text) {
                Some(bytes) => visitor.visit_byte_buf(bytes),
                None => Err(de::Error::custom("not valid base64")),
            },
        }
    }

    fn truth<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Misread> {
        let scalar = self.scalar(&visitor)?;
        match (scalar.form, scalar::truth(&scalar.text)) {
            (Form::Plain, Some(truth)) => visitor.visit_bool(truth),
            _ => Err(de::Error::invalid_type(Unexpected::Str(&scalar.text), &visitor)),
        }
    }

    fn number<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Misread> {
        let scalar = self.scalar(&visitor)?;
        if scalar.form == Form::Plain {
            if let Some(number) = scalar::integer(&scalar.text) {
                return match (u64::try_from(number), i64::try_from(number)) {
                    (Ok(number), _) => visitor.visit_u64(number),
                    (_, Ok(number)) => visitor.visit_i64(number),
                    _ => Err(de::Error::custom(format_args!("number {number} is out of range"))),
                };
            }
            if let Some(number) = scalar::float(&scalar.text) {
                return visitor.visit_f64(number);
            }
        }
        Err(de::Error::invalid_type(Unexpected::Str(&scalar.text), &visitor))
    }

    fn list<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Misread> {
        match &self.node.value {
            Value::List(items) => visitor.visit_seq(Items { items: items.iter(), reader: self }),
            Value::Scalar(scalar) if scalar.is_null() => visitor.visit_seq(Items { items: [].iter(), reader: self }),
            Value::Scalar(scalar) => Err(de::Error::invalid_type(Unexpected::Str(&scalar.text), &visitor)),
            Value::Map(_) => Err(de::Error::invalid_type(Unexpected::Map, &visitor)),
        }
    }

    fn map<V: Visitor<'n>>(self, visitor: V, fields: &'static [&'static str]) -> Result<V::Value, Misread> {
        let entries = match &self.node.value {
            Value::Map(entries) => entries.iter(),
            Value::Scalar(scalar) if scalar.is_null() => [].iter(),
            Value::Scalar(scalar) => {
                return Err(de::Error::invalid_type(Unexpected::Str(&scalar.text), &visitor));
            }
            Value::List(_) => return Err(de::Error::invalid_type(Unexpected::Seq, &visitor)),
        };
        visitor.visit_map(Entries { entries, value: None, fields, reader: self })
    }
}

macro_rules! read_as {
    ($($method:ident $as:ident;)*) => {
        $(fn $method<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Misread> {
            self.placed(self.$as(visitor))
        })*
    };
}

impl<'n> Deserializer<'n> for Reader<'n, '_> {
    type Error = Misread;

    read_as! {
        deserialize_any any;
        deserialize_bool truth;
        deserialize_i8 number;
        deserialize_i16 number;
        deserialize_i32 number;
        deserialize_i64 number;
        deserialize_i128 number;
        deserialize_u8 number;
        deserialize_u16 number;
        deserialize_u32 number;
        deserialize_u64 number;
        deserialize_u128 number;
        deserialize_f32 number;
        deserialize_f64 number;
        deserialize_char text;
        deserialize_str text;
        deserialize_string text;
        deserialize_identifier text;
        deserialize_bytes bytes;
        deserialize_byte_buf bytes;
        deserialize_seq list;
    }

    fn deserialize_option<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Misread> {
        self.placed(if self.node.is_null() { visitor.visit_none() } else { visitor.visit_some(self) })
    }

    fn deserialize_unit<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Misread> {
        self.placed(self.any(visitor))
    }

    fn deserialize_unit_struct<V: Visitor<'n>>(self, _: &'static str, visitor: V) -> Result<V::Value, Misread> {
        self.placed(self.any(visitor))
    }

    fn deserialize_newtype_struct<V: Visitor<'n>>(self, _: &'static str, visitor: V) -> Result<V::Value, Misread> {
        self.placed(visitor.visit_newtype_struct(self))
    }

    fn deserialize_tuple<V: Visitor<'n>>(self, _: usize, visitor: V) -> Result<V::Value, Misread> {
        self.placed(self.list(visitor))
    }

    fn deserialize_tuple_struct<V: Visitor<'n>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Misread> {
        self.placed(self.list(visitor))
    }

    fn deserialize_map<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Misread> {
        self.placed(self.map(visitor, &[]))
    }

    /// A known key without a value is as if it were not there: the default stands.
    fn deserialize_struct<V: Visitor<'n>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misread> {
        self.placed(self.map(visitor, fields))
    }

    fn deserialize_enum<V: Visitor<'n>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misread> {
        let scalar = self.placed(self.scalar(&visitor))?;
        visitor.visit_enum(Key { text: &scalar.text, reader: self })
    }

    fn deserialize_ignored_any<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Misread> {
        visitor.visit_unit()
    }
}

struct Items<'n, 't> {
    items: std::slice::Iter<'n, Node<'t>>,
    reader: Reader<'n, 't>,
}

impl<'n> SeqAccess<'n> for Items<'n, '_> {
    type Error = Misread;

    fn next_element_seed<S: DeserializeSeed<'n>>(&mut self, seed: S) -> Result<Option<S::Value>, Misread> {
        let Some(node) = self.items.next() else { return Ok(None) };
        let reader = Reader { node, place: node.place, ..self.reader };
        reader.placed(seed.deserialize(reader)).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Entries<'n, 't> {
    entries: std::slice::Iter<'n, Entry<'t>>,
    value: Option<&'n Entry<'t>>,
    fields: &'static [&'static str],
    reader: Reader<'n, 't>,
}

impl<'n> MapAccess<'n> for Entries<'n, '_> {
    type Error = Misread;

    fn next_key_seed<S: DeserializeSeed<'n>>(&mut self, seed: S) -> Result<Option<S::Value>, Misread> {
        let is_set = |entry: &&Entry<'_>| !(entry.value.is_null() && self.fields.contains(&entry.key.as_ref()));
        let Some(entry) = self.entries.by_ref().find(is_set) else { return Ok(None) };
        self.value = Some(entry);
        let reader = Reader { node: &entry.value, place: entry.key_place, is_secret: false, ..self.reader };
        seed.deserialize(Key { text: &entry.key, reader }).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'n>>(&mut self, seed: S) -> Result<S::Value, Misread> {
        let Some(entry) = self.value.take() else { return Err(de::Error::custom("a value was read before its key")) };
        let is_secret = self.reader.is_secret || is_secret_key(&entry.key);
        let reader = Reader { node: &entry.value, place: entry.place(), is_secret, ..self.reader };
        reader.placed(seed.deserialize(reader))
    }
}

/// A key, or the name of a variant. It keeps its faults itself: behind the wall they are text without help.
#[derive(Clone, Copy)]
struct Key<'n, 't> {
    text: &'n str,
    reader: Reader<'n, 't>,
}

impl<'de> Deserializer<'de> for Key<'de, '_> {
    type Error = Misread;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misread> {
        self.reader.placed(visitor.visit_borrowed_str(self.text))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Misread> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misread> {
        visitor.visit_some(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misread> {
        visitor.visit_enum(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl<'de> EnumAccess<'de> for Key<'de, '_> {
    type Error = Misread;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Misread> {
        Ok((seed.deserialize(self)?, self))
    }
}

/// Only variants without content: a name is all there is.
impl<'de> VariantAccess<'de> for Key<'de, '_> {
    type Error = Misread;

    fn unit_variant(self) -> Result<(), Misread> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, _: S) -> Result<S::Value, Misread> {
        Err(de::Error::invalid_type(Unexpected::UnitVariant, &"a value"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Misread> {
        Err(de::Error::invalid_type(Unexpected::UnitVariant, &visitor))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Misread> {
        Err(de::Error::invalid_type(Unexpected::UnitVariant, &visitor))
    }
}
