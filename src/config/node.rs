//! A YAML document as a tree that remembers where everything stood.
//!
//! Settings are read through a wall (their kinds' types are erased) that no parser's own positions survive, the identity
//! of a module's content is a hash over its structure, and several faults are told at once: all three need the tree.

use std::borrow::Cow;

use super::source::Place;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Node<'t> {
    pub(super) place: Place,
    pub(super) value: Value<'t>,
}

/// What a node is.
#[derive(Debug, Clone)]
pub(super) enum Value<'t> {
    Scalar(Scalar<'t>),
    List(Vec<Node<'t>>),
    /// Without duplicate keys, in the order of the file; merge keys are resolved.
    Map(Vec<Entry<'t>>),
}

/// Text whose meaning depends on what is wanted.
#[derive(Debug, Clone)]
pub(super) struct Scalar<'t> {
    pub(super) text: Cow<'t, str>,
    pub(super) form: Form,
}

/// How a scalar was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Bare: it may be a number, a truth value, null or text.
    Plain,
    /// Quoted, a block, or tagged `!!str`: text.
    Text,
    /// Tagged `!!binary`: base64.
    Binary,
}

/// One key of a map with its value.
#[derive(Debug, Clone)]
pub(super) struct Entry<'t> {
    pub(super) key: Cow<'t, str>,
    pub(super) key_place: Place,
    pub(super) value: Node<'t>,
}

impl Node<'_> {
    /// Whether this is nothing: `~`, `null`, or no value at all.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.is_null())
    }

    /// The number of nodes, and the bytes of text that a copy would copy.
    pub(super) fn weight(&self) -> (usize, usize) {
        let bytes = |text: &Cow<'_, str>| if matches!(text, Cow::Owned(_)) { text.len() } else { 0 };
        let add = |(nodes, text): (usize, usize), (more_nodes, more_text)| (nodes + more_nodes, text + more_text);
        match &self.value {
            Value::Scalar(scalar) => (1, bytes(&scalar.text)),
            Value::List(items) => items.iter().map(Self::weight).fold((1, 0), add),
            Value::Map(entries) => {
                entries.iter().map(|entry| add(entry.value.weight(), (1, bytes(&entry.key)))).fold((1, 0), add)
            }
        }
    }
}

impl Node<'_> {
    /// Takes out what stands at a place; false if nothing does.
    pub(super) fn prune(&mut self, place: Place) -> bool {
        match &mut self.value {
            Value::Scalar(_) => false,
            Value::List(items) => match items.iter().position(|item| item.place == place) {
                Some(index) => {
                    items.remove(index);
                    true
                }
                None => items.iter_mut().any(|item| item.prune(place)),
            },
            Value::Map(entries) => {
                let is_at = |entry: &Entry<'_>| entry.key_place == place || entry.value.place == place;
                match entries.iter().position(is_at) {
                    Some(index) => {
                        entries.remove(index);
                        true
                    }
                    None => entries.iter_mut().any(|entry| entry.value.prune(place)),
                }
            }
        }
    }
}

impl Scalar<'_> {
    pub(super) fn is_null(&self) -> bool {
        self.form == Form::Plain && super::scalar::is_null(&self.text)
    }
}

impl Entry<'_> {
    /// Where to point for the value as a whole: at the value if it is on one line, else at its key.
    pub(super) fn place(&self) -> Place {
        match self.value.value {
            Value::Scalar(_) if self.value.place.start < self.value.place.end => self.value.place,
            _ => self.key_place,
        }
    }
}
