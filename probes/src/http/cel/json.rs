//! JSON (RFC 8259) as values of CEL. Numbers are doubles, as in Go; the last of several equal keys stands.

use std::collections::HashMap;
use std::fmt;

use ::cel::common::types::{CelBool, CelDouble, CelList, CelMap, CelMapKey, CelNull, CelString};
use ::cel::common::value::Val;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::failure::{Failure, Reason};

/// Largest body that CEL rules see in bytes. Chosen: far above every page that a rule is written for.
pub(super) const JSON_BYTES_MAX: usize = 4 << 20;
/// Most values in it: each takes many times its two bytes in memory.
pub(super) const JSON_VALUES_MAX: u32 = 100_000;
/// How deep lists and objects may be within each other.
pub(super) const JSON_DEPTH_MAX: u32 = 64;

type Boxed = Box<dyn Val>;

/// Reads a body.
pub(super) fn value(body: &[u8]) -> Result<Boxed, Failure> {
    if body.len() > JSON_BYTES_MAX {
        let message = format_args!("the body is larger than {JSON_BYTES_MAX} bytes, all that CEL rules see");
        return Err(Failure::new(Reason::BodyTooLarge, message));
    }
    let no_json =
        |error: serde_json::Error| Failure::new(Reason::BodyUnexpected, format_args!("the body is no JSON: {error}"));
    // As Go does with bytes that are not UTF-8.
    let text = String::from_utf8_lossy(body);
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
    fn within<E: Error>(&mut self) -> Result<Reader<'_>, E> {
        if self.depth == JSON_DEPTH_MAX {
            return Err(E::custom(format_args!("more than {JSON_DEPTH_MAX} levels")));
        }
        Ok(Reader { left: self.left, depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Boxed;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Boxed, D::Error> {
        *self.left = self.left.saturating_sub(1);
        if *self.left == 0 {
            return Err(D::Error::custom("too many values"));
        }
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
            map.insert(CelMapKey::from(key), entries.next_value_seed(self.within()?)?);
        }
        Ok(Box::new(CelMap::from(map)))
    }
}
