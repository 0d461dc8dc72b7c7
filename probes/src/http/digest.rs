//! What a body comes to: its SHA-256, compared with those that are right, and shown as a number.

use std::borrow::Cow;
use std::fmt::Write as _;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use sha2::{Digest as _, Sha256};

use crate::failure::{Failure, Reason};
use crate::measure::{Measure, Unit};
use crate::recorder::Recorder;

/// A label would make a new series of every change.
pub(super) static BODY_HASH: Measure = Measure::level(
    "probe_http_body_hash",
    Unit::None,
    "First 48 bits of the SHA-256 of the final answer's body, where `body_hash` asks for it: changes when the body does.",
);

/// A SHA-256 as it is written: 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sha256Text([u8; 32]);

impl<'de> Deserialize<'de> for Sha256Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        let invalid = || de::Error::custom(format!("invalid SHA-256 {text:?}, expected 64 hexadecimal digits"));
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(invalid());
        }
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| invalid())?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| invalid())?;
        }
        Ok(Self(bytes))
    }
}

impl JsonSchema for Sha256Text {
    fn schema_name() -> Cow<'static, str> {
        "sha256".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string"})
    }
}

/// What a module wants to know of bodies as a whole.
#[derive(Debug)]
pub(super) struct Wanted {
    is_shown: bool,
    right: Vec<Sha256Text>,
}

impl Wanted {
    /// `None` if it wants to know nothing.
    pub(super) fn of(is_shown: bool, right: Vec<Sha256Text>) -> Option<Self> {
        (is_shown || !right.is_empty()).then_some(Self { is_shown, right })
    }

    /// Compares a body that came whole, and writes down what it comes to.
    pub(super) fn judge(&self, body: Sha256, recorder: &mut Recorder) -> Result<(), Failure> {
        let bytes: [u8; 32] = body.finalize().into();
        if self.is_shown {
            let number = bytes.iter().take(6).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
            recorder.read(&BODY_HASH, number as f64);
        }
        let mut text = String::with_capacity(64);
        for byte in bytes {
            let _ = write!(text, "{byte:02x}");
        }
        recorder.note(format_args!("the body's SHA-256 is {text}"));
        if self.right.is_empty() || self.right.contains(&Sha256Text(bytes)) {
            return Ok(());
        }
        Err(Failure::new(
            Reason::BodyUnexpected,
            format_args!("the body's SHA-256 is {text}, which is none of the right ones"),
        ))
    }
}
