//! The keys of a `grpc` module as blackbox_exporter's users write them.

use std::collections::BTreeMap;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;

use super::metadata::Metadata;
use super::{ALPN, message};
use crate::http::settings::or_default;
use crate::http::tls::has_material;
use crate::net::{Family, Tls, TlsSettings};
use crate::secret::Secret;
use crate::settings::{IpProtocol, yes};

/// How a gRPC server is asked, ready to be used any number of times.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(with = "Written", rename = "grpc")]
pub(crate) struct Settings {
    pub(super) service: Box<str>,
    /// The body of the request.
    pub(super) question: Bytes,
    pub(super) tls: bool,
    pub(super) client: Tls,
    /// Whether the TLS settings can be at fault, which is then found also for a target without TLS.
    pub(super) has_tls_material: bool,
    pub(super) family: Family,
    pub(super) metadata: Metadata,
}

/// How a gRPC server is asked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "grpc")]
struct Written {
    /// The service whose health is asked for; empty: the server's as a whole.
    #[serde(default, deserialize_with = "or_default")]
    service: String,
    /// Whether the connection is encrypted.
    #[serde(default)]
    tls: bool,
    /// How the encrypted channel is built.
    #[serde(default, deserialize_with = "or_default")]
    tls_config: TlsSettings,
    /// Internet protocol tried first.
    #[serde(default)]
    preferred_ip_protocol: IpProtocol,
    /// Whether the other Internet protocol will do.
    #[serde(default = "yes")]
    ip_protocol_fallback: bool,
    /// Metadata of the call, each name with its values. Values of a name that ends in `-bin` are sent in base64.
    #[serde(default, deserialize_with = "or_default")]
    metadata: BTreeMap<String, Option<Vec<Secret>>>,
}

impl TryFrom<Written> for Settings {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        Ok(Self {
            question: message::question(&written.service)?,
            service: written.service.into(),
            tls: written.tls,
            has_tls_material: has_material(&written.tls_config),
            client: Tls::new(written.tls_config, &[ALPN]),
            family: Family { preferred: written.preferred_ip_protocol, fallback: written.ip_protocol_fallback },
            metadata: Metadata::of(&written.metadata),
        })
    }
}
