//! The keys of a `grpc` module as blackbox_exporter's users write them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, de};

use super::metadata::Metadata;
use super::{ALPN, message};
use crate::http::settings::or_default;
use crate::http::tls::has_material;
use crate::net::{Family, Tls, TlsSettings};
use crate::secret::Secret;
use crate::settings::{IpProtocol, yes};

/// How a gRPC server is asked, ready to be used any number of times.
#[derive(Debug)]
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

impl Settings {
    fn of(written: Written) -> Result<Self, String> {
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

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::of(Written::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl JsonSchema for Settings {
    fn schema_name() -> Cow<'static, str> {
        Written::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Written::json_schema(generator)
    }
}
