//! What a reading says when it fails, and where it failed first.
//!
//! The settings of a kind are read behind erased types. Errors cross that wall as text, so the place of the first one is
//! kept aside in a [`Faults`] on its way out of the innermost value.

use std::cell::RefCell;
use std::fmt;

use serde::de::{self, Expected, Unexpected};

use super::fault::Fault;
use super::source::Place;

/// The first fault of a reading, with its place.
#[derive(Debug, Default)]
pub(super) struct Faults(RefCell<Option<Fault>>);

impl Faults {
    /// Keeps a fault if it is the first. `value` is the scalar that it is about, if it is about one.
    pub(super) fn keep(&self, misread: &Misread, place: Place, value: Option<&str>, is_secret: bool) {
        let mut first = self.0.borrow_mut();
        if first.is_none() {
            let mut fault = misread.0.at(place);
            fault.is_local |= value.is_some();
            *first = Some(fault.without(value.filter(|_| is_secret).unwrap_or_default()));
        }
    }

    /// The fault that made a reading fail.
    pub(super) fn take(&self, place: Place, otherwise: impl fmt::Display) -> Fault {
        self.0.borrow_mut().take().unwrap_or_else(|| Fault::new(place, otherwise))
    }
}

/// A fault without a place; the reader that sees it first knows where it is.
#[derive(Debug)]
pub(super) struct Misread(Box<Fault>);

impl Misread {
    fn local(mut fault: Fault) -> Self {
        fault.is_local = true;
        Self(Box::new(fault))
    }

    fn of_value(message: fmt::Arguments<'_>) -> Self {
        Self::local(Fault::new(Place::TOP, message))
    }
}

impl fmt::Display for Misread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.message())
    }
}

impl std::error::Error for Misread {}

impl de::Error for Misread {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(Box::new(Fault::new(Place::TOP, message)))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::of_value(format_args!("expected {}, found {}", Wanted(expected), Found(found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::of_value(format_args!("expected {}, found {}", Wanted(expected), Found(found)))
    }

    fn unknown_variant(found: &str, expected: &'static [&'static str]) -> Self {
        Self::local(Fault::unknown(Place::TOP, "value", found, expected.iter().copied()))
    }

    fn unknown_field(found: &str, expected: &'static [&'static str]) -> Self {
        Self::local(Fault::unknown(Place::TOP, "key", found, expected.iter().copied()))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(format_args!("key `{field}` is missing"))
    }
}

/// What was wanted, without the names of Rust types.
struct Wanted<'a>(&'a dyn Expected);

impl fmt::Display for Wanted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        f.write_str(match text.as_str() {
            "a sequence" => "a list",
            "a boolean" => "true or false",
            _ if text.starts_with("struct ") => "a map of keys and values",
            "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
            "u8" => "a whole number from 0 to 255",
            "u16" => "a whole number from 0 to 65535",
            "u32" | "u64" | "u128" | "usize" => "a whole number of 0 or more",
            text if text.starts_with("a nonzero ") => "a whole number above 0",
            "f32" | "f64" => "a number",
            text => text,
        })
    }
}

struct Found<'a>(Unexpected<'a>);

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Unexpected::Map => f.write_str("a map"),
            Unexpected::Seq => f.write_str("a list"),
            Unexpected::Unit | Unexpected::Option => f.write_str("nothing"),
            Unexpected::Str(text) => write!(f, "{text:?}"),
            Unexpected::Bool(truth) => write!(f, "{truth}"),
            Unexpected::Unsigned(number) => write!(f, "{number}"),
            Unexpected::Signed(number) => write!(f, "{number}"),
            Unexpected::Float(number) => write!(f, "{number}"),
            other => write!(f, "{other}"),
        }
    }
}
