//! JSON (RFC 8259) as values of CEL. Numbers are doubles, as in Go; the last of several equal keys stands.

use std::collections::HashMap;
use std::fmt;

use ::cel::common::types::{CelBool, CelDouble, CelList, CelMap, CelMapKey, CelNull, CelString};
use ::cel::common::value::Val;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::failure::{Failure, Reason};
use crate::http::intake::KEPT_BYTES_MAX;

/// Largest body that CEL rules see in bytes: as much as is kept.
pub(super) const JSON_BYTES_MAX: usize = KEPT_BYTES_MAX;
/// Most values in it: each takes many times its two bytes in memory.
pub(super) const JSON_VALUES_MAX: u32 = 50_000;
/// How many values an object counts as that has something in it: the library keeps a table for each.
pub(super) const OBJECT_VALUES: u32 = 4;
/// How deep lists and objects may be within each other.
pub(super) const JSON_DEPTH_MAX: u32 = 64;

type Boxed = Box<dyn Val>;

/// Reads a body.
pub(super) fn value(body: Vec<u8>) -> Result<Boxed, Failure> {
    if body.len() > JSON_BYTES_MAX {
        let message = format_args!("the body is larger than {JSON_BYTES_MAX} bytes, all that CEL rules see");
        return Err(Failure::new(Reason::BodyTooLarge, message));
    }
    let no_json =
        |error: serde_json::Error| Failure::new(Reason::BodyUnexpected, format_args!("the body is no JSON: {error}"));
    // As Go does with bytes that are not UTF-8.
    let text = String::from_utf8(body).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    let mut left = JSON_VALUES_MAX;
    let mut deserializer = serde_json::Deserializer::from_str(&text);
    let value = Reader { left: &mut left, depth: 0 }.deserialize(&mut deserializer);
    if left == 0 {
        let message = format_args!("the body has more than {JSON_VALUES_MAX} JSON values, all that CEL rules see");
        return Err(Failure::new(Reason::BodyTooLarge, message));
    }
    let value = value.map_err(no_json)?;
    deserializer.end().map_err(no_json)?;
    Ok(value)
}

/// Reads one value.
struct Reader<'a> {
    left: &'a mut u32,
    depth: u32,
}

impl Reader<'_> {
    fn take<E: Error>(&mut self, values: u32) -> Result<(), E> {
        *self.left = self.left.saturating_sub(values);
        if *self.left == 0 { Err(E::custom("too many values")) } else { Ok(()) }
    }

    fn within<E: Error>(&mut self) -> Result<Reader<'_>, E> {
        if self.depth == JSON_DEPTH_MAX {
            return Err(E::custom(format_args!("more than {JSON_DEPTH_MAX} levels")));
        }
        Ok(Reader { left: self.left, depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Boxed;

    fn deserialize<D: Deserializer<'de>>(mut self, deserializer: D) -> Result<Boxed, D::Error> {
        self.take(1)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Boxed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Boxed, E> {
        Ok(Box::new(CelNull))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Boxed, E> {
        Ok(Box::new(CelBool::from(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Boxed, E> {
        Ok(Box::new(CelDouble::from(value as f64)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Boxed, E> {
        Ok(Box::new(CelDouble::from(value as f64)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Boxed, E> {
        Ok(Box::new(CelDouble::from(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Boxed, E> {
        self.visit_string(value.to_owned())
    }

    fn visit_string<E>(self, value: String) -> Result<Boxed, E> {
        Ok(Box::new(CelString::from(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Boxed, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self.within()?)? {
            list.push(item);
        }
        Ok(Box::new(CelList::from(list)))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Boxed, A::Error> {
        let mut map = HashMap::new();
        while let Some(key) = entries.next_key::<String>()? {
            if map.is_empty() {
                self.take(OBJECT_VALUES - 1)?;
            }
            map.insert(CelMapKey::from(key), entries.next_value_seed(self.within()?)?);
        }
        Ok(Box::new(CelMap::from(map)))
    }
}
