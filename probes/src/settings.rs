//! What the kinds' settings are made of.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use crate::failure::{Failure, Reason};
pub use crate::http::size::Size;
use crate::net::Source;

/// Which Internet protocol is tried first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IpProtocol {
    /// IPv4.
    Ip4,
    /// IPv6.
    #[default]
    Ip6,
}

impl<'de> Deserialize<'de> for IpProtocol {
    /// Empty or `ip6` is IPv6, `ip4` is IPv4. blackbox_exporter takes any other text for `ip4`; here it is an error.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Cow::<'de, str>::deserialize(deserializer)?.as_ref() {
            "" | "ip6" => Ok(Self::Ip6),
            "ip4" => Ok(Self::Ip4),
            other => Err(de::Error::unknown_variant(other, &["ip4", "ip6"])),
        }
    }
}

impl JsonSchema for IpProtocol {
    fn schema_name() -> Cow<'static, str> {
        "ip_protocol".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"enum": ["ip4", "ip6"], "default": "ip6"})
    }
}

/// A length of time in Go's notation (`1m30s`, `100ms`, `1.5h`, `0`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl Span {
    /// Reads Go's notation; negative spans are read as zero, as blackbox_exporter treats them as unset.
    pub fn parse(text: &str) -> Result<Self, String> {
        let invalid =
            || format!("invalid duration {text:?}, expected a number with a unit such as 500ms, 5s, 1m30s, 2h");
        let (negative, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if rest == "0" {
            return Ok(Self(Duration::ZERO));
        }
        if rest.is_empty() {
            return Err(invalid());
        }
        let mut seconds = 0.0;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(invalid)?;
            let number: f64 = rest[..digits].parse().map_err(|_| invalid())?;
            rest = &rest[digits..];
            let unit_end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
            let unit = match &rest[..unit_end] {
                "ns" => 1e-9,
                "us" | "µs" | "μs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return Err(invalid()),
            };
            seconds += number * unit;
            rest = &rest[unit_end..];
        }
        if negative {
            return Ok(Self(Duration::ZERO));
        }
        Duration::try_from_secs_f64(seconds).map(Self).map_err(|_| invalid())
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&Cow::<'de, str>::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "duration"})
    }
}

/// `source_ip_address`: any text loads, as in blackbox_exporter; a text that is no address fails the run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceAddress(Option<Result<IpAddr, Box<str>>>);

impl SourceAddress {
    /// The local address to speak from, if one is set.
    pub fn get(&self) -> Result<Source, Failure> {
        match &self.0 {
            None => Ok(None),
            Some(Ok(address)) => Ok(Some(*address)),
            Some(Err(text)) => {
                let message = format_args!("source_ip_address: {text:?} is not an IP address");
                Err(Failure::new(Reason::ConfigUnusable, message))
            }
        }
    }
}

impl<'de> Deserialize<'de> for SourceAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Cow::<'de, str>::deserialize(deserializer)?.as_ref() {
            "" => Self(None),
            text => Self(Some(text.parse().map_err(|_| text.into()))),
        })
    }
}

impl JsonSchema for SourceAddress {
    fn schema_name() -> Cow<'static, str> {
        "ip_address".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "default": ""})
    }
}

/// `true`: the default of switches that are on unless switched off.
pub const fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_is_no_address_fails_only_when_used() {
        let read = |text: &str| SourceAddress::deserialize(serde_json::json!(text)).expect("any text");
        assert_eq!(read("").get(), Ok(None));
        assert_eq!(read("::1").get(), Ok(Some(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]))));
        assert_eq!(read("localhost").get().map_err(|failure| failure.reason()), Err(Reason::ConfigUnusable));
    }

    #[test]
    fn go_durations_are_read() {
        let read = |text| Span::parse(text).map(|span| span.0.as_millis()).ok();
        assert_eq!(read("1m30s"), Some(90_000));
        assert_eq!(read("1.5s"), Some(1500));
        assert_eq!(read("100ms"), Some(100));
        assert_eq!(read("0"), Some(0));
        assert_eq!(read("-5s"), Some(0));
        for wrong in ["5", "1d", "5 s", "", "s", "1..5s", "99999999999999999999h"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
