//! Sizes as `body_size_limit` takes them.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// A number of bytes, as `10MB` or `1KB512B`. Every unit is a power of 1024; zero and negative sizes mean no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(u64);

impl Size {
    /// The size in bytes, unless it means that there is no limit.
    pub fn limit(self) -> Option<u64> {
        (self.0 > 0).then_some(self.0)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let invalid = || format!("invalid size {text:?}, expected a number with a unit such as 512KB, 10MB, 1.5GiB");
        let (negative, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        if rest == "0" {
            return Ok(Self(0));
        }
        if rest.is_empty() {
            return Err(invalid());
        }
        let mut bytes = 0.0;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(invalid)?;
            let number: f64 = rest[..digits].parse().map_err(|_| invalid())?;
            rest = &rest[digits..];
            let unit_end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
            bytes += number * 1024_f64.powi(power_of_1024(&rest[..unit_end]).ok_or_else(invalid)?);
            rest = &rest[unit_end..];
        }
        // At the edge of what Go's integers hold blackbox_exporter's limit turns negative, which is none at all.
        let edge = 2_f64.powi(63);
        if bytes > edge {
            return Err(format!("size {text:?} is too large"));
        }
        Ok(Self(if negative || bytes == edge { 0 } else { bytes as u64 }))
    }
}

fn power_of_1024(unit: &str) -> Option<i32> {
    Some(match unit {
        "B" => 0,
        "KB" | "KiB" => 1,
        "MB" | "MiB" => 2,
        "GB" | "GiB" => 3,
        "TB" | "TiB" => 4,
        "PB" | "PiB" => 5,
        "EB" | "EiB" => 6,
        _ => return None,
    })
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&Cow::<'de, str>::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "size".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "size"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_powers_of_1024() {
        let read = |text| Size::parse(text).map(Size::limit);
        assert_eq!(read("1MB"), Ok(Some(1 << 20)));
        assert_eq!(read("1MiB"), Ok(Some(1 << 20)));
        assert_eq!(read("1.5MB"), Ok(Some(3 << 19)));
        assert_eq!(read("1KB512B"), Ok(Some(1536)));
        assert_eq!(read("128B"), Ok(Some(128)));
        assert_eq!(read("0"), Ok(None));
        assert_eq!(read("-5MB"), Ok(None));
        assert_eq!(read("8EB"), Ok(None));
        for wrong in ["1024", "1mb", "1M", "1 MB", "", "MB", "99EB", "1..5MB"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
