//! `tls_config` as blackbox_exporter's users write it.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

use crate::failure::{Failure, Reason};
use crate::net::Net;
use crate::secret::{Secret, SecretPath};

/// A TLS version that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum TlsVersion {
    /// TLS 1.0 (RFC 2246).
    #[serde(rename = "TLS10")]
    Tls10,
    /// TLS 1.1 (RFC 4346).
    #[serde(rename = "TLS11")]
    Tls11,
    /// TLS 1.2 (RFC 5246).
    #[serde(rename = "TLS12")]
    Tls12,
    /// TLS 1.3 (RFC 8446).
    #[serde(rename = "TLS13")]
    Tls13,
}

impl TlsVersion {
    /// Every version, the oldest first.
    pub const ALL: [Self; 4] = [Self::Tls10, Self::Tls11, Self::Tls12, Self::Tls13];

    /// The version's number on the wire (RFC 8446 section 4.2.1).
    pub const fn number(self) -> u16 {
        match self {
            Self::Tls10 => 0x0301,
            Self::Tls11 => 0x0302,
            Self::Tls12 => 0x0303,
            Self::Tls13 => 0x0304,
        }
    }

    /// The version's name as metrics show it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tls10 => "TLS 1.0",
            Self::Tls11 => "TLS 1.1",
            Self::Tls12 => "TLS 1.2",
            Self::Tls13 => "TLS 1.3",
        }
    }
}

/// How the encrypted channel is built and whom it trusts.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, remote = "Self")]
#[schemars(inline)]
pub struct TlsSettings {
    /// Accept any certificate.
    pub insecure_skip_verify: bool,
    /// Trusted authorities as PEM; replaces the system's.
    pub ca: Option<String>,
    /// File with trusted authorities; replaces the system's.
    pub ca_file: Option<PathBuf>,
    /// Name of the authorities in a secret manager: read, but of no use here.
    pub ca_ref: Option<String>,
    /// Client certificate as PEM.
    pub cert: Option<String>,
    /// File with the client certificate.
    pub cert_file: Option<PathBuf>,
    /// Name of the client certificate in a secret manager: read, but of no use here.
    pub cert_ref: Option<String>,
    /// Client key as PEM.
    pub key: Option<Secret>,
    /// File with the client key.
    pub key_file: Option<SecretPath>,
    /// Name of the client key in a secret manager: read, but of no use here.
    pub key_ref: Option<String>,
    /// Name to send and to verify; default: the target's.
    pub server_name: Option<String>,
    /// Oldest version to accept; default TLS12. What is older is not spoken: a server that speaks nothing newer makes the
    /// verdict unknown.
    pub min_version: Option<TlsVersion>,
    /// Newest version to accept; default TLS13.
    pub max_version: Option<TlsVersion>,
    /// Show what the authorities' lists of revoked certificates say of a verified chain (`probe_ssl_crl_*`).
    pub check_revoked: bool,
    /// Fail if a certificate of the verified chain was revoked.
    pub fail_if_revoked: bool,
    /// Fail if a list of revoked certificates cannot be had.
    pub fail_if_crl_unavailable: bool,
}

impl<'de> Deserialize<'de> for TlsSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The derived function of the same name, which checks keys and types only.
        let settings = Self::deserialize(deserializer)?;
        settings.validated().map_err(de::Error::custom)
    }
}

impl TlsSettings {
    fn validated(self) -> Result<Self, String> {
        let sources = |set: [bool; 3]| set.into_iter().filter(|set| *set).count();
        let ca = sources([self.ca.is_some(), self.ca_file.is_some(), self.ca_ref.is_some()]);
        let cert = sources([self.cert.is_some(), self.cert_file.is_some(), self.cert_ref.is_some()]);
        let key = sources([self.key.is_some(), self.key_file.is_some(), self.key_ref.is_some()]);
        for (name, count) in [("ca", ca), ("cert", cert), ("key", key)] {
            if count > 1 {
                return Err(format!("at most one of {name}, {name}_file and {name}_ref may be set"));
            }
        }
        if cert != key {
            return Err("a client certificate needs its key, and a key its certificate".to_owned());
        }
        Ok(self)
    }
}

/// The material of a client, from where the settings say.
pub(super) struct Pem<'a> {
    pub(super) ca: Option<Text<'a>>,
    pub(super) cert: Option<Text<'a>>,
    pub(super) key: Option<Text<'a>>,
    /// Versions of the files.
    pub(super) versions: Vec<u64>,
}

/// A PEM text: the settings' own, or a file's. No copy is made: most handshakes only compare versions.
pub(super) enum Text<'a> {
    Inline(&'a str),
    File(Arc<[u8]>),
}

impl std::ops::Deref for Text<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Inline(text) => text.as_bytes(),
            Self::File(bytes) => bytes,
        }
    }
}

impl TlsSettings {
    pub(super) fn pem(&self, net: &Net) -> Result<Pem<'_>, Failure> {
        if self.ca_ref.is_some() || self.cert_ref.is_some() || self.key_ref.is_some() {
            let message = "tls_config: ca_ref, cert_ref and key_ref need a secret manager, and there is none";
            return Err(Failure::new(Reason::ConfigUnusable, message));
        }
        let mut versions = Vec::new();
        let mut file = |path: Option<&PathBuf>| match path.filter(|path| !path.as_os_str().is_empty()) {
            Some(path) => net.file(path).map(|content| {
                versions.push(content.version);
                Some(Text::File(content.bytes))
            }),
            None => Ok(None),
        };
        let ca = match &self.ca {
            Some(text) => Some(Text::Inline(text)),
            None => file(self.ca_file.as_ref())?,
        };
        let cert = match &self.cert {
            Some(text) => Some(Text::Inline(text)),
            None => file(self.cert_file.as_ref())?,
        };
        let key = match self.key.as_ref().map(Secret::value) {
            Some(Ok(text)) => Some(Text::Inline(text)),
            Some(Err(path)) => file(Some(path))?,
            None => file(self.key_file.as_deref())?,
        };
        Ok(Pem { ca, cert, key, versions })
    }

    /// The same without the client's certificate; `None` if there is none.
    pub(crate) fn without_certificate(&self) -> Option<Self> {
        let has_certificate = self.cert.is_some() || self.cert_file.is_some() || self.cert_ref.is_some();
        has_certificate.then(|| Self {
            cert: None,
            cert_file: None,
            cert_ref: None,
            key: None,
            key_file: None,
            key_ref: None,
            ..self.clone()
        })
    }

    /// The oldest and the newest version to accept.
    pub(super) fn range(&self) -> Result<RangeInclusive<TlsVersion>, Failure> {
        let min = self.min_version.unwrap_or(TlsVersion::Tls12);
        let max = self.max_version.unwrap_or(TlsVersion::Tls13);
        if min > max {
            let message = "tls_config: min_version is above max_version";
            return Err(Failure::new(Reason::ConfigUnusable, message));
        }
        Ok(min..=max)
    }
}
