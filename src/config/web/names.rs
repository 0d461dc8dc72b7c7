//! Go's names for what TLS has, and which of it is served.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, de};

/// Which certificate a client must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum ClientAuth {
    /// None.
    #[default]
    #[serde(rename = "NoClientCert", alias = "")]
    None,
    /// Any or none.
    #[serde(rename = "RequestClientCert")]
    Request,
    /// Any, whoever signed it.
    #[serde(rename = "RequireAnyClientCert", alias = "RequireClientCert")]
    RequireAny,
    /// One of the authorities', or none.
    #[serde(rename = "VerifyClientCertIfGiven")]
    VerifyIfGiven,
    /// One of the authorities'.
    #[serde(rename = "RequireAndVerifyClientCert")]
    RequireAndVerify,
}

impl ClientAuth {
    /// Whether the certificate must be of an authority.
    pub const fn is_verified(self) -> bool {
        matches!(self, Self::VerifyIfGiven | Self::RequireAndVerify)
    }

    /// Whether there must be one.
    pub const fn is_required(self) -> bool {
        matches!(self, Self::RequireAny | Self::RequireAndVerify)
    }
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Version {
    /// TLS 1.0, not served.
    #[serde(rename = "TLS10")]
    Tls10,
    /// TLS 1.1, not served.
    #[serde(rename = "TLS11")]
    Tls11,
    /// TLS 1.2.
    #[serde(rename = "TLS12")]
    Tls12,
    /// TLS 1.3.
    #[serde(rename = "TLS13")]
    Tls13,
}

/// A cipher suite that Go knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suite(pub(super) &'static str);

/// What Go's `crypto/tls` calls its suites, the ones it has given up since included.
const SUITES: &[&str] = &[
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
];

impl Suite {
    /// Its name, which is IANA's too.
    pub const fn name(self) -> &'static str {
        self.0
    }

    /// Whether it is one of those that a file can choose: the suites of TLS 1.3 are always there.
    pub fn is_of_tls12(self) -> bool {
        self.0.contains("_WITH_")
    }

    /// Whether it can be served: the library has none without forward secrecy or authenticated encryption.
    pub fn is_served(self) -> bool {
        !self.0.starts_with("TLS_RSA_") && !self.0.contains("_CBC_")
    }
}

impl<'de> Deserialize<'de> for Suite {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Cow::<'de, str>::deserialize(deserializer)?;
        let known = SUITES.iter().find(|known| **known == name);
        known.map(|known| Self(known)).ok_or_else(|| de::Error::unknown_variant(&name, SUITES))
    }
}

/// A key exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Curve {
    /// NIST's curve over 256 bits.
    #[serde(rename = "CurveP256")]
    P256,
    /// NIST's curve over 384 bits.
    #[serde(rename = "CurveP384")]
    P384,
    /// NIST's curve over 521 bits, not served.
    #[serde(rename = "CurveP521")]
    P521,
    /// Bernstein's curve.
    X25519,
    /// Bernstein's curve with a lattice beside it.
    X25519MLKEM768,
}

impl Curve {
    /// Go's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::P256 => "CurveP256",
            Self::P384 => "CurveP384",
            Self::P521 => "CurveP521",
            Self::X25519 => "X25519",
            Self::X25519MLKEM768 => "X25519MLKEM768",
        }
    }

    /// Whether it can be served.
    pub const fn is_served(self) -> bool {
        !matches!(self, Self::P521)
    }
}
