//! Regular expressions as blackbox_exporter's users write them (RE2 syntax).

use std::borrow::Cow;
use std::fmt;

use regex::bytes::{Captures, Regex, RegexBuilder};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// Largest compiled pattern in bytes. Chosen: ten times what long alternations need.
pub(crate) const PATTERN_BYTES_MAX: usize = 1 << 20;

/// A compiled pattern that matches bytes anywhere in a text, in time linear in its length.
#[derive(Clone)]
pub struct Pattern {
    source: Box<str>,
    compiled: Regex,
}

impl Pattern {
    /// Compiles a pattern.
    pub fn new(source: &str) -> Result<Self, String> {
        let compiled = RegexBuilder::new(source)
            .size_limit(PATTERN_BYTES_MAX)
            .build()
            .map_err(|error| format!("invalid regular expression {source:?}: {error}"))?;
        Ok(Self { source: source.into(), compiled })
    }

    /// Whether the pattern matches somewhere in the text.
    pub fn is_match(&self, text: &[u8]) -> bool {
        self.compiled.is_match(text)
    }

    /// The first match and its groups.
    pub fn captures<'t>(&self, text: &'t [u8]) -> Option<Captures<'t>> {
        self.compiled.captures(text)
    }

    /// The number of the group with this name.
    pub fn group(&self, name: &str) -> Option<usize> {
        self.compiled.capture_names().position(|known| known == Some(name))
    }

    /// The pattern as the operator wrote it.
    pub fn source(&self) -> &str {
        &self.source
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&Cow::<'de, str>::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl JsonSchema for Pattern {
    fn schema_name() -> Cow<'static, str> {
        "regex".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "regex"})
    }
}
