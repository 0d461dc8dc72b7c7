//! The keys of a `websocket` module as blackbox_exporter's users write them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, de};

use super::dialogue::Dialogue;
use super::headers::Headers;
use crate::http::auth::Auth;
use crate::http::conflicts;
use crate::http::settings::{Authorization, BasicAuth, Credentials, HeaderValues, OAuth2, or_default};
use crate::http::tls::has_material;
use crate::net::{Family, Tls, TlsSettings};
use crate::secret::Secret;
use crate::settings::{IpProtocol, yes};
use crate::tcp;

/// How a websocket is asked, ready to be used any number of times.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(with = "Written", rename = "websocket")]
pub(crate) struct Settings {
    pub(super) family: Family,
    pub(super) tls: Tls,
    /// Whether the TLS settings can be at fault, which is then found also for a target without TLS.
    pub(super) has_tls_material: bool,
    pub(super) headers: Headers,
    pub(super) dialogue: Dialogue,
}

/// How a websocket is asked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "websocket")]
struct Written {
    /// Internet protocol tried first.
    #[serde(default)]
    preferred_ip_protocol: IpProtocol,
    /// Whether the other Internet protocol will do.
    #[serde(default = "yes")]
    ip_protocol_fallback: bool,
    /// Credentials and encryption of the connection.
    #[serde(default, deserialize_with = "or_default")]
    http_config: HttpConfig,
    /// Request headers.
    #[serde(default, deserialize_with = "or_default")]
    headers: BTreeMap<String, Option<Header>>,
    /// What is expected and sent, in order: a message where `tcp` has lines. Only `expect` and `send` have a meaning.
    #[serde(default, deserialize_with = "or_default")]
    query_response: tcp::dialogue::Dialogue,
}

/// Keys of an HTTP client.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
struct HttpConfig {
    /// User name and password.
    basic_auth: Option<BasicAuth>,
    /// Credentials of another scheme.
    authorization: Option<Authorization>,
    /// Credentials of the scheme Bearer.
    bearer_token: Option<Secret>,
    /// File with credentials of the scheme Bearer.
    bearer_token_file: Option<PathBuf>,
    /// How encrypted targets are spoken to and trusted.
    #[serde(deserialize_with = "or_default")]
    tls_config: TlsSettings,
    /// Read, but of no use here, as in blackbox_exporter.
    oauth2: Option<OAuth2>,
    /// Read, but of no use here: a websocket follows no redirect.
    #[serde(rename = "follow_redirects")]
    _follow_redirects: bool,
    /// Read, but of no use here: a websocket is asked for over HTTP/1.1.
    #[serde(rename = "enable_http2")]
    _enable_http2: bool,
    /// Read, but of no use here, as in blackbox_exporter; `headers` are.
    #[serde(deserialize_with = "or_default")]
    http_headers: BTreeMap<String, Option<HeaderValues>>,
    /// Read, but of no use here, as in blackbox_exporter.
    proxy_url: Option<Secret>,
    /// Read, but of no use here, as in blackbox_exporter.
    no_proxy: Option<String>,
    /// Read, but of no use here, as in blackbox_exporter.
    proxy_from_environment: bool,
    /// Read, but of no use here, as in blackbox_exporter.
    #[serde(deserialize_with = "or_default")]
    proxy_connect_header: BTreeMap<String, Vec<Secret>>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            basic_auth: None,
            authorization: None,
            bearer_token: None,
            bearer_token_file: None,
            tls_config: TlsSettings::default(),
            oauth2: None,
            _follow_redirects: true,
            _enable_http2: true,
            http_headers: BTreeMap::new(),
            proxy_url: None,
            no_proxy: None,
            proxy_from_environment: false,
            proxy_connect_header: BTreeMap::new(),
        }
    }
}

impl HttpConfig {
    /// What blackbox_exporter refuses to load, it refuses here too, use or not.
    fn auth(&self) -> Result<Auth, String> {
        let keys = Credentials {
            basic_auth: self.basic_auth.as_ref(),
            authorization: self.authorization.as_ref(),
            bearer_token: self.bearer_token.as_ref(),
            bearer_token_file: self.bearer_token_file.as_ref(),
            oauth2: self.oauth2.as_ref(),
        };
        conflicts::credentials(&keys)?;
        conflicts::reserved_headers(self.http_headers.keys())?;
        conflicts::proxy(
            self.proxy_url.as_ref(),
            self.no_proxy.as_deref(),
            self.proxy_from_environment,
            &self.proxy_connect_header,
        )?;
        Auth::of(&keys)
    }
}

/// The values of one request header: one text, or several in a map.
#[derive(Debug)]
pub(super) enum Header {
    /// As upstream's example has it.
    One(Secret),
    /// As blackbox_exporter takes it.
    Many(HeaderValues),
}

impl Header {
    /// All values in the order in which they are sent, and whether each is a secret by its place.
    pub(super) fn values(&self) -> Vec<(Secret, bool)> {
        match self {
            Self::One(value) => vec![(value.clone(), false)],
            Self::Many(HeaderValues { values, secrets, files }) => {
                let values = values.iter().map(|value| (Secret::inline(value.as_str()), false));
                let secrets = secrets.iter().map(|secret| (secret.clone(), true));
                values.chain(secrets).chain(files.iter().map(|path| (Secret::file(path), true))).collect()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, or a map of values, secrets and files")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Header, E> {
                Secret::parse(text).map(Header::One).map_err(E::custom)
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Header, E> {
                self.visit_str(if value { "true" } else { "false" })
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Header, E> {
                self.visit_str(&value.to_string())
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Header, E> {
                self.visit_str(&value.to_string())
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Header, E> {
                self.visit_str(&value.to_string())
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Header, A::Error> {
                HeaderValues::deserialize(MapAccessDeserializer::new(map)).map(Header::Many)
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Header {
    fn schema_name() -> Cow<'static, str> {
        "websocket_header".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let many = HeaderValues::json_schema(generator);
        json_schema!({"anyOf": [{"type": "string"}, many]})
    }
}

impl TryFrom<Written> for Settings {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let auth = written.http_config.auth()?;
        let HttpConfig { tls_config, .. } = written.http_config;
        Ok(Self {
            family: Family { preferred: written.preferred_ip_protocol, fallback: written.ip_protocol_fallback },
            has_tls_material: has_material(&tls_config),
            tls: Tls::new(tls_config, &[]),
            headers: Headers::of(&written.headers, auth),
            dialogue: Dialogue(written.query_response),
        })
    }
}
