//! The keys of an `http` module as blackbox_exporter's users write them.
//!
//! Knows keys and types only. What they mean together is decided once, in [`super::module`].

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::net::TlsSettings;
use crate::pattern::Pattern;
use crate::secret::Secret;
use crate::settings::{IpProtocol, yes};

use super::cel::Expression;
use super::digest::Sha256Text;
use super::intake::EXPANSION_RATIO_MAX;
use super::redirect::REDIRECTS_MAX;
use super::size::Size;

/// A text that may be left out: YAML's null is the empty text.
type Text = Option<String>;

/// How an `http` module asks and what it expects.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "http")]
pub(super) struct Written {
    /// Status codes that are right; empty: 200 to 299.
    #[serde(deserialize_with = "or_default")]
    pub(super) valid_status_codes: Vec<i64>,
    /// Versions that are right, as `HTTP/1.1` or `HTTP/2.0`; empty: any.
    #[serde(deserialize_with = "or_default")]
    pub(super) valid_http_versions: Vec<String>,
    /// Internet protocol tried first.
    pub(super) preferred_ip_protocol: IpProtocol,
    /// Whether the other Internet protocol will do.
    #[serde(default = "yes")]
    pub(super) ip_protocol_fallback: bool,
    /// Leave the target's name to the proxy.
    pub(super) skip_resolve_phase_with_proxy: bool,
    /// Whether redirects are followed, at most `redirect_limit`.
    #[serde(default = "yes")]
    pub(super) follow_redirects: bool,
    /// Whether a redirect that spells out the target's own name still counts as one to the target: it keeps credentials,
    /// `server_name` and the address. blackbox_exporter takes the name for another host, and so does the default.
    pub(super) trust_own_name_redirects: bool,
    /// The old word for the opposite of `follow_redirects`, which it overrules.
    #[schemars(extend("deprecated" = true))]
    pub(super) no_follow_redirects: Option<bool>,
    /// Fail if the answer came encrypted.
    pub(super) fail_if_ssl: bool,
    /// Fail if the answer came unencrypted.
    pub(super) fail_if_not_ssl: bool,
    /// Request method, sent as written; default GET.
    pub(super) method: Text,
    /// Request headers, one value each.
    #[serde(deserialize_with = "or_default")]
    pub(super) headers: BTreeMap<String, Text>,
    /// Request headers with several values, added to those of `headers`.
    #[serde(deserialize_with = "or_default")]
    pub(super) http_headers: BTreeMap<String, Option<HeaderValues>>,
    /// Request body.
    pub(super) body: Text,
    /// File with the request body, sent in chunks.
    pub(super) body_file: Option<PathBuf>,
    /// Fail if the answer's body matches any of these.
    #[serde(deserialize_with = "or_default")]
    pub(super) fail_if_body_matches_regexp: Vec<Pattern>,
    /// Fail if the answer's body does not match all of these.
    #[serde(deserialize_with = "or_default")]
    pub(super) fail_if_body_not_matches_regexp: Vec<Pattern>,
    /// Fail if a value of a header matches.
    #[serde(deserialize_with = "or_default")]
    pub(super) fail_if_header_matches: Vec<HeaderMatch>,
    /// Fail if no value of a header matches.
    #[serde(deserialize_with = "or_default")]
    pub(super) fail_if_header_not_matches: Vec<HeaderMatch>,
    /// Fail if this CEL expression on the JSON body is true, or cannot be evaluated.
    pub(super) fail_if_body_json_matches_cel: Option<Expression>,
    /// Fail if this CEL expression on the JSON body is not true, or cannot be evaluated.
    pub(super) fail_if_body_json_not_matches_cel: Option<Expression>,
    /// How the body is decompressed: `gzip`, `br`, `deflate`, `zstd` or `identity`; default: not at all.
    pub(super) compression: Text,
    /// Largest body after decompression, as `10MB` (units of 1024); default: none.
    pub(super) body_size_limit: Option<Size>,
    /// Most redirects that are followed.
    pub(super) redirect_limit: u32,
    /// Most headers of an answer; default: 100 of HTTP/1.
    pub(super) header_count_limit: Option<usize>,
    /// Largest head of an answer, as `64KB` (units of 1024).
    pub(super) header_size_limit: Option<Size>,
    /// Largest ratio of decompressed to received bytes, for bodies that come to more than 16 MiB.
    pub(super) expansion_limit: u32,
    /// Show a number that is made of the body: it changes when the body does.
    pub(super) body_hash: bool,
    /// SHA-256 of bodies that are right, in hexadecimal digits; empty: any.
    #[serde(deserialize_with = "or_default")]
    pub(super) valid_body_sha256: Vec<Sha256Text>,
    /// Cookies that are sent to the target, and to no other origin.
    #[serde(deserialize_with = "or_default")]
    pub(super) cookies: BTreeMap<String, Secret>,
    /// Ask over HTTP/3, and only so: no proxy, TLS 1.3, `http://` taken for `https://`. Phase `connect` lasts until the
    /// peer's first datagram, phase `tls` until the end of the handshake. Needs `enable_http2: false`.
    pub(super) enable_http3: bool,
    /// Offer HTTP/2 to encrypted targets.
    #[serde(default = "yes")]
    pub(super) enable_http2: bool,
    /// User name and password.
    pub(super) basic_auth: Option<BasicAuth>,
    /// Credentials of another scheme.
    pub(super) authorization: Option<Authorization>,
    /// Credentials of the scheme Bearer.
    pub(super) bearer_token: Option<Secret>,
    /// File with credentials of the scheme Bearer.
    pub(super) bearer_token_file: Option<PathBuf>,
    /// Credentials fetched from a token server.
    pub(super) oauth2: Option<OAuth2>,
    /// How encrypted targets are spoken to and trusted.
    #[serde(deserialize_with = "or_default")]
    pub(super) tls_config: TlsSettings,
    /// Look into the authorities' lists of revoked certificates, as `check_revoked` of `tls_config`.
    pub(super) check_revoked: bool,
    /// The proxy to ask through.
    pub(super) proxy_url: Option<Secret>,
    /// Hosts that are asked without the proxy, joined by commas: compared with the address where that is known, else with
    /// the name. Every such list has this machine in it.
    pub(super) no_proxy: Text,
    /// Take the proxy from the environment.
    pub(super) proxy_from_environment: bool,
    /// Headers for the proxy's CONNECT.
    #[serde(deserialize_with = "or_default")]
    pub(super) proxy_connect_header: BTreeMap<String, Vec<Secret>>,
}

impl Default for Written {
    fn default() -> Self {
        Self {
            valid_status_codes: Vec::new(),
            valid_http_versions: Vec::new(),
            preferred_ip_protocol: IpProtocol::Ip6,
            ip_protocol_fallback: true,
            skip_resolve_phase_with_proxy: false,
            follow_redirects: true,
            trust_own_name_redirects: false,
            no_follow_redirects: None,
            fail_if_ssl: false,
            fail_if_not_ssl: false,
            method: None,
            headers: BTreeMap::new(),
            http_headers: BTreeMap::new(),
            body: None,
            body_file: None,
            fail_if_body_matches_regexp: Vec::new(),
            fail_if_body_not_matches_regexp: Vec::new(),
            fail_if_header_matches: Vec::new(),
            fail_if_header_not_matches: Vec::new(),
            fail_if_body_json_matches_cel: None,
            fail_if_body_json_not_matches_cel: None,
            compression: None,
            body_size_limit: None,
            redirect_limit: REDIRECTS_MAX,
            header_count_limit: None,
            header_size_limit: None,
            expansion_limit: EXPANSION_RATIO_MAX,
            body_hash: false,
            valid_body_sha256: Vec::new(),
            cookies: BTreeMap::new(),
            enable_http3: false,
            enable_http2: true,
            basic_auth: None,
            authorization: None,
            bearer_token: None,
            bearer_token_file: None,
            oauth2: None,
            tls_config: TlsSettings::default(),
            check_revoked: false,
            proxy_url: None,
            no_proxy: None,
            proxy_from_environment: false,
            proxy_connect_header: BTreeMap::new(),
        }
    }
}

/// The keys that say who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Credentials<'a> {
    pub(crate) basic_auth: Option<&'a BasicAuth>,
    pub(crate) authorization: Option<&'a Authorization>,
    pub(crate) bearer_token: Option<&'a Secret>,
    pub(crate) bearer_token_file: Option<&'a PathBuf>,
    pub(crate) oauth2: Option<&'a OAuth2>,
}

impl Written {
    pub(super) fn credentials(&self) -> Credentials<'_> {
        Credentials {
            basic_auth: self.basic_auth.as_ref(),
            authorization: self.authorization.as_ref(),
            bearer_token: self.bearer_token.as_ref(),
            bearer_token_file: self.bearer_token_file.as_ref(),
            oauth2: self.oauth2.as_ref(),
        }
    }
}

impl Credentials<'_> {
    /// Whether they stand in a secret manager, of which there is none.
    pub(crate) fn by_reference(&self) -> bool {
        self.basic_auth.is_some_and(|auth| auth.username_ref.is_some() || auth.password_ref.is_some())
            || self.authorization.is_some_and(|auth| auth.credentials_ref.is_some())
    }
}

/// Values of one request header, all sent, in this order.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub(crate) struct HeaderValues {
    /// Values.
    #[serde(deserialize_with = "or_default")]
    pub(crate) values: Vec<String>,
    /// Values that must not be seen.
    #[serde(deserialize_with = "or_default")]
    pub(crate) secrets: Vec<Secret>,
    /// Files with values.
    #[serde(deserialize_with = "or_default")]
    pub(crate) files: Vec<PathBuf>,
}

/// A rule on an answer's header.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct HeaderMatch {
    /// The header's name, in any case.
    #[serde(default)]
    pub(super) header: String,
    /// What its value is compared with.
    #[serde(default)]
    pub(super) regexp: Option<Pattern>,
    /// Whether the header may be missing.
    #[serde(default)]
    pub(super) allow_missing: bool,
}

/// User name and password (RFC 7617).
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub(crate) struct BasicAuth {
    /// User name.
    pub(super) username: Text,
    /// File with the user name.
    pub(super) username_file: Option<PathBuf>,
    /// Name of the user name in a secret manager: read, but of no use here.
    pub(super) username_ref: Text,
    /// Password.
    pub(super) password: Option<Secret>,
    /// File with the password.
    pub(super) password_file: Option<PathBuf>,
    /// Name of the password in a secret manager: read, but of no use here.
    pub(super) password_ref: Text,
}

/// An `Authorization` header of any scheme but Basic.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub(crate) struct Authorization {
    /// The scheme; default Bearer.
    pub(super) r#type: Text,
    /// The credentials.
    pub(super) credentials: Option<Secret>,
    /// File with the credentials.
    pub(super) credentials_file: Option<PathBuf>,
    /// Name of the credentials in a secret manager: read, but of no use here.
    pub(super) credentials_ref: Text,
}

/// How a token is fetched for each run (RFC 6749 section 4.4, RFC 7523 section 2.1).
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub(crate) struct OAuth2 {
    /// The client's name.
    pub(super) client_id: Text,
    /// The client's secret.
    pub(super) client_secret: Option<Secret>,
    /// File with the client's secret.
    pub(super) client_secret_file: Option<PathBuf>,
    /// Name of the client's secret in a secret manager: read, but of no use here.
    pub(super) client_secret_ref: Text,
    /// Identifier of the client's key.
    pub(super) client_certificate_key_id: Text,
    /// The client's key.
    pub(super) client_certificate_key: Option<Secret>,
    /// File with the client's key.
    pub(super) client_certificate_key_file: Option<PathBuf>,
    /// Name of the client's key in a secret manager: read, but of no use here.
    pub(super) client_certificate_key_ref: Text,
    /// What is shown for the token: `urn:ietf:params:oauth:grant-type:jwt-bearer` for an assertion that the client signs;
    /// default: the client's name and secret.
    pub(super) grant_type: Text,
    /// How an assertion is signed: RS256, RS384 or RS512.
    pub(super) signature_algorithm: Text,
    /// Issuer of the assertion.
    pub(super) iss: Text,
    /// Audience of the assertion.
    pub(super) audience: Text,
    /// Further claims of the assertion.
    #[serde(deserialize_with = "or_default")]
    pub(super) claims: BTreeMap<String, serde_json::Value>,
    /// What the token is for.
    #[serde(deserialize_with = "or_default")]
    pub(super) scopes: Vec<String>,
    /// Where the token is fetched.
    pub(super) token_url: Text,
    /// Further parameters of the request for the token.
    #[serde(deserialize_with = "or_default")]
    pub(super) endpoint_params: BTreeMap<String, Secret>,
    /// How the token server is spoken to and trusted.
    #[serde(deserialize_with = "or_default")]
    pub(super) tls_config: TlsSettings,
    /// The proxy to the token server.
    pub(super) proxy_url: Option<Secret>,
    /// Hosts that are asked without the proxy, joined by commas.
    pub(super) no_proxy: Text,
    /// Take the proxy from the environment.
    pub(super) proxy_from_environment: bool,
    /// Headers for the proxy's CONNECT.
    #[serde(deserialize_with = "or_default")]
    pub(super) proxy_connect_header: BTreeMap<String, Vec<Secret>>,
}

/// The keys of a proxy, which stand in more than one section.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProxyKeys<'a> {
    /// The proxy; not an empty one.
    pub(super) url: Option<&'a Secret>,
    /// Hosts that are asked without it; not an empty list.
    pub(super) no_proxy: Option<&'a str>,
    pub(super) from_environment: bool,
    pub(super) connect_header: &'a BTreeMap<String, Vec<Secret>>,
}

impl<'a> ProxyKeys<'a> {
    fn of(
        url: Option<&'a Secret>,
        no_proxy: Option<&'a str>,
        from_environment: bool,
        connect_header: &'a BTreeMap<String, Vec<Secret>>,
    ) -> Self {
        let url = url.filter(|url| url.value() != Ok(""));
        Self { url, no_proxy: no_proxy.filter(|list| !list.is_empty()), from_environment, connect_header }
    }
}

impl Written {
    pub(super) fn proxy(&self) -> ProxyKeys<'_> {
        let Self { proxy_url, no_proxy, proxy_from_environment, proxy_connect_header, .. } = self;
        ProxyKeys::of(proxy_url.as_ref(), no_proxy.as_deref(), *proxy_from_environment, proxy_connect_header)
    }
}

impl OAuth2 {
    pub(super) fn proxy(&self) -> ProxyKeys<'_> {
        let Self { proxy_url, no_proxy, proxy_from_environment, proxy_connect_header, .. } = self;
        ProxyKeys::of(proxy_url.as_ref(), no_proxy.as_deref(), *proxy_from_environment, proxy_connect_header)
    }
}

/// YAML's null is the default.
pub(crate) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
