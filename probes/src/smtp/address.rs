//! Addresses and names that go out to a server: nothing that could end a command early gets in.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

/// Longest address in bytes: a path of RFC 5321 section 4.5.3.1.3 without its brackets.
const ADDRESS_BYTES_MAX: usize = 254;
/// Longest part before the at sign in bytes (RFC 5321 section 4.5.3.1.1).
const LOCAL_PART_BYTES_MAX: usize = 64;
/// Longest domain in bytes (RFC 5321 section 4.5.3.1.2).
const DOMAIN_BYTES_MAX: usize = 255;

/// Text that cannot end a command early or hide in one: printable ASCII without space and angle brackets.
fn is_safe(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>'))
}

/// `local-part@domain`, or `postmaster` alone (RFC 5321 section 4.1.1.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Mailbox(String);

impl Mailbox {
    /// Checks an address. Addresses with quoted spaces and outside ASCII are refused.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let invalid = |why: &str| Err(format!("invalid mail address {text:?}: {why}"));
        if !is_safe(text) {
            return invalid("only printable ASCII without spaces and angle brackets is sent");
        }
        if text.len() > ADDRESS_BYTES_MAX {
            return invalid("it is longer than 254 bytes");
        }
        match text.rsplit_once('@') {
            None if text.eq_ignore_ascii_case("postmaster") => Ok(Self(text.to_owned())),
            None => invalid("there is no @ in it"),
            Some(("", _)) => invalid("there is nothing before the @"),
            Some((_, "")) => invalid("there is nothing after the @"),
            Some((local, _)) if local.len() > LOCAL_PART_BYTES_MAX => invalid("more than 64 bytes stand before the @"),
            Some(_) => Ok(Self(text.to_owned())),
        }
    }

    /// What stands behind the at sign.
    pub(crate) fn domain(&self) -> Option<&str> {
        self.0.rsplit_once('@').map(|(_, domain)| domain)
    }

    /// The mailbox that every domain which takes mail must have (RFC 5321 section 4.5.1).
    pub(super) fn postmaster(domain: Option<&str>) -> Self {
        Self(domain.map_or_else(|| "postmaster".to_owned(), |domain| format!("postmaster@{domain}")))
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Mailbox {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&Cow::<'de, str>::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// Where notices of non-delivery go: a mailbox, or nowhere (RFC 5321 section 4.5.5).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct ReversePath(String);

impl From<&Mailbox> for ReversePath {
    fn from(mailbox: &Mailbox) -> Self {
        Self(mailbox.0.clone())
    }
}

impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ReversePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Cow::<'de, str>::deserialize(deserializer)?.as_ref() {
            "" => Ok(Self::default()),
            text => Mailbox::parse(text).map(|Mailbox(text)| Self(text)).map_err(de::Error::custom),
        }
    }
}

/// The name a client greets with: a domain, or an address in brackets (RFC 5321 section 4.1.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct EhloName(String);

impl fmt::Display for EhloName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for EhloName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        if text.is_empty() || text.len() > DOMAIN_BYTES_MAX || !is_safe(&text) {
            let message =
                format!("invalid name to greet with {text:?}, expected a host name or an address in brackets");
            return Err(de::Error::custom(message));
        }
        Ok(Self(text.into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked() {
        let parse = |text: &str| Mailbox::parse(text).map(|mailbox| mailbox.to_string()).ok();
        assert_eq!(parse("info@example.org"), Some("info@example.org".to_owned()));
        assert_eq!(parse("Postmaster"), Some("Postmaster".to_owned()));
        for bad in ["", "info", "@example.org", "info@", &"a".repeat(300), &format!("{}@x", "a".repeat(65))] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
