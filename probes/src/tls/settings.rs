//! What can be set of kind `tls`.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use crate::net::{Family, Tls, TlsSettings, TlsVersion};
use crate::settings::{IpProtocol, SourceAddress, Span, yes};

/// How a server is asked for its certificate, and what is expected of it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(from = "Written")]
#[schemars(with = "Written", rename = "tls")]
pub(crate) struct Settings {
    pub(super) family: Family,
    pub(super) source_ip_address: SourceAddress,
    pub(super) tls: Tls,
    pub(super) valid_versions: Vec<TlsVersion>,
    /// Versions that are asked for, each on a connection of its own.
    pub(super) scanned: Vec<TlsVersion>,
    pub(super) fail_if_offers: Vec<TlsVersion>,
    pub(super) fail_if_expires_within: Duration,
    pub(super) fingerprints: Vec<Fingerprint>,
}

/// The settings as an operator writes them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Written {
    /// Address family to try first.
    #[serde(default)]
    preferred_ip_protocol: IpProtocol,
    /// Whether the other address family will do.
    #[serde(default = "yes")]
    ip_protocol_fallback: bool,
    /// Local address to speak from.
    #[serde(default)]
    source_ip_address: SourceAddress,
    /// How the encrypted channel is built and whom it trusts.
    #[serde(default)]
    tls_config: TlsSettings,
    /// Application protocols to offer, the preferred first: `h2`, `http/1.1`.
    #[serde(default)]
    alpn: Vec<ProtocolName>,
    /// Versions that the server may agree on; empty: any.
    #[serde(default)]
    valid_versions: Vec<TlsVersion>,
    /// Versions to ask the server for, each on a connection of its own: `probe_tls_offered` tells which it takes. Also
    /// `TLS10` and `TLS11`.
    #[serde(default)]
    scan_versions: Vec<TlsVersion>,
    /// Fail if the server takes one of these versions: `[TLS10, TLS11]`.
    #[serde(default)]
    fail_if_offers: Vec<TlsVersion>,
    /// Fail if a certificate of the chain ends sooner: `336h`.
    #[serde(default = "none")]
    fail_if_expires_within: Span,
    /// SHA-256 fingerprints of which the server's own certificate must have one; empty: any.
    #[serde(default)]
    fingerprint_sha256: Vec<Fingerprint>,
}

const fn none() -> Span {
    Span(Duration::ZERO)
}

impl From<Written> for Settings {
    fn from(written: Written) -> Self {
        let alpn: Vec<&str> = written.alpn.iter().map(|name| &*name.0).collect();
        let mut scanned = [written.scan_versions.as_slice(), &written.fail_if_offers].concat();
        scanned.sort_unstable();
        scanned.dedup();
        Self {
            family: Family { preferred: written.preferred_ip_protocol, fallback: written.ip_protocol_fallback },
            source_ip_address: written.source_ip_address,
            tls: Tls::new(written.tls_config, &alpn),
            valid_versions: written.valid_versions,
            scanned,
            fail_if_offers: written.fail_if_offers,
            fail_if_expires_within: written.fail_if_expires_within.0,
            fingerprints: written.fingerprint_sha256,
        }
    }
}

/// Name of an application protocol: 1 to 255 bytes (RFC 7301 section 3.1).
#[derive(Debug, JsonSchema)]
#[schemars(inline)]
struct ProtocolName(#[schemars(length(min = 1, max = 255))] Box<str>);

impl<'de> Deserialize<'de> for ProtocolName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Cow::<'de, str>::deserialize(deserializer)?;
        match name.len() {
            1..=255 => Ok(Self(name.into())),
            length => Err(de::Error::custom(format_args!("the protocol's name has {length} bytes, expected 1 to 255"))),
        }
    }
}

/// SHA-256 of a certificate: 64 hexadecimal digits, with colons or without.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fingerprint(String);

impl Fingerprint {
    /// Digits of SHA-256.
    const DIGITS: usize = 64;

    /// In lower-case digits without colons.
    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        let digits: String = text.chars().filter(|c| *c != ':').map(|c| c.to_ascii_lowercase()).collect();
        if digits.len() == Self::DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(Self(digits))
        } else {
            Err(de::Error::custom(format_args!("{text:?} is no SHA-256 fingerprint, expected 64 hexadecimal digits")))
        }
    }
}

impl JsonSchema for Fingerprint {
    fn schema_name() -> Cow<'static, str> {
        "fingerprint_sha256".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "sha256"})
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fingerprints_are_written_in_many_ways() {
        let digits = "0a".repeat(32);
        let colons = vec!["0A"; 32].join(":");
        for text in [&digits, &colons] {
            assert_eq!(Fingerprint::deserialize(json!(text)).unwrap().text(), digits);
        }
        for wrong in ["", "0a", &"0g".repeat(32), &"0a".repeat(20)] {
            assert!(Fingerprint::deserialize(json!(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn wrong_settings_do_not_load() {
        for wrong in [
            json!({ "alpn": [""] }),
            json!({ "alpn": ["x".repeat(256)] }),
            json!({ "valid_versions": ["TLS 1.3"] }),
            json!({ "fail_if_expires_within": "14d" }),
            json!({ "starttls": "smtp" }),
        ] {
            assert!(Settings::deserialize(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
