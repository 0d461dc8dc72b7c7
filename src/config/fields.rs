//! The keys of one map of the agent's own, read one by one.

use std::time::Duration;

use tuermer_probes::settings::Span;

use super::fault::Fault;
use super::node::{Entry, Node, Scalar, Value};
use super::source::Place;

/// The entries of a map.
pub(super) struct Fields<'n, 't> {
    /// Where the map's own key stands.
    pub(super) place: Place,
    entries: &'n [Entry<'t>],
}

impl<'n, 't> Fields<'n, 't> {
    /// The entries of a node that must be a map; null is an empty one.
    pub(super) fn of(node: &'n Node<'t>, place: Place, what: &str) -> Result<Self, Fault> {
        match &node.value {
            Value::Map(entries) => Ok(Self { place, entries }),
            _ if node.is_null() => Ok(Self { place, entries: &[] }),
            _ => Err(Fault::new(place, format_args!("{what} must be a map of keys and values"))),
        }
    }

    /// Complains about every key that is not one of these.
    pub(super) fn refuse_others<'a>(&self, allowed: impl Iterator<Item = &'a str> + Clone, faults: &mut Vec<Fault>) {
        for entry in self.entries {
            if !allowed.clone().any(|key| key == entry.key) {
                faults.push(Fault::unknown(entry.key_place, "key", &entry.key, allowed.clone()));
            }
        }
    }

    /// All entries.
    pub(super) fn iter(&self) -> std::slice::Iter<'n, Entry<'t>> {
        self.entries.iter()
    }

    /// The entry of a key, unless its value is null.
    pub(super) fn find(&self, key: &str) -> Option<&'n Entry<'t>> {
        self.entries.iter().find(|entry| entry.key == key && !entry.value.is_null())
    }

    /// The entry of a key that must be there.
    pub(super) fn required(&self, key: &str, what: &str) -> Result<&'n Entry<'t>, Fault> {
        self.find(key).ok_or_else(|| Fault::new(self.place, format_args!("{what} has no `{key}`")))
    }
}

impl<'t> Entry<'t> {
    /// The value as text.
    pub(super) fn text(&self) -> Result<&str, Fault> {
        text_of(&self.value).ok_or_else(|| {
            Fault::new(self.place(), format_args!("`{}` must be a single value, not a list or a map", self.key))
        })
    }

    /// The value as a list.
    pub(super) fn list(&self) -> Result<&[Node<'t>], Fault> {
        match &self.value.value {
            Value::List(items) => Ok(items),
            Value::Scalar(scalar) => Err(Fault::new(self.place(), format_args!("`{}` must be a list", self.key))
                .with_help(format_args!("write [{}]", scalar.text))),
            Value::Map(_) => Err(Fault::new(self.place(), format_args!("`{}` must be a list, not a map", self.key))),
        }
    }

    /// The value as a length of time.
    pub(super) fn span(&self) -> Result<Duration, Fault> {
        let span = Span::parse(self.text()?).map_err(|message| Fault::new(self.place(), message))?;
        Ok(span.0)
    }
}

/// A scalar's text; null is the empty text.
pub(super) fn text_of<'n>(node: &'n Node<'_>) -> Option<&'n str> {
    match &node.value {
        Value::Scalar(scalar) if scalar.is_null() => Some(""),
        Value::Scalar(Scalar { text, .. }) => Some(text),
        _ => None,
    }
}
