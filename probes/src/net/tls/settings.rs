//! `tls_config` as blackbox_exporter's users write it.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::SupportedProtocolVersion;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

use crate::failure::{Failure, Reason};
use crate::net::Net;
use crate::secret::Secret;

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
    pub key_file: Option<PathBuf>,
    /// Name of the client key in a secret manager: read, but of no use here.
    pub key_ref: Option<String>,
    /// Name to send and to verify; default: the target's.
    pub server_name: Option<String>,
    /// Oldest version to accept; default TLS12.
    pub min_version: Option<TlsVersion>,
    /// Newest version to accept; default TLS13.
    pub max_version: Option<TlsVersion>,
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

/// The material of a client, read from where the settings say.
pub(super) struct Pem {
    pub(super) ca: Option<Arc<[u8]>>,
    pub(super) cert: Option<Arc<[u8]>>,
    pub(super) key: Option<Arc<[u8]>>,
    /// Versions of the files.
    pub(super) versions: Vec<u64>,
}

impl TlsSettings {
    pub(super) fn pem(&self, net: &Net) -> Result<Pem, Failure> {
        if self.ca_ref.is_some() || self.cert_ref.is_some() || self.key_ref.is_some() {
            let message = "tls_config: ca_ref, cert_ref and key_ref need a secret manager, and there is none";
            return Err(Failure::new(Reason::ConfigUnusable, message));
        }
        let mut versions = Vec::new();
        let mut read = |inline: Option<&str>, file: Option<&PathBuf>| match (inline, file) {
            (Some(text), _) => Ok(Some(Arc::from(text.as_bytes()))),
            (None, Some(path)) if !path.as_os_str().is_empty() => net.file(path).map(|content| {
                versions.push(content.version);
                Some(content.bytes)
            }),
            _ => Ok(None),
        };
        let ca = read(self.ca.as_deref(), self.ca_file.as_ref())?;
        let cert = read(self.cert.as_deref(), self.cert_file.as_ref())?;
        let key_text = self.key.as_ref().map(|key| net.secret(key)).transpose()?;
        let key = read(key_text.as_deref(), self.key_file.as_ref())?;
        Ok(Pem { ca, cert, key, versions })
    }

    /// The versions to offer.
    pub(super) fn versions(&self) -> Result<Vec<&'static SupportedProtocolVersion>, Failure> {
        let min = self.min_version.unwrap_or(TlsVersion::Tls12);
        let max = self.max_version.unwrap_or(TlsVersion::Tls13);
        let unusable = |message: &str| Err(Failure::new(Reason::ConfigUnusable, format_args!("tls_config: {message}")));
        if min > max {
            return unusable("min_version is above max_version");
        }
        let versions: Vec<_> = [TlsVersion::Tls12, TlsVersion::Tls13]
            .into_iter()
            .filter(|version| (min..=max).contains(version))
            .filter_map(super::protocol_version)
            .collect();
        if versions.is_empty() { unusable("this build speaks TLS 1.2 and TLS 1.3 only") } else { Ok(versions) }
    }
}
