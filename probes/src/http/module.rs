//! A module's settings with everything decided that can be decided before a target is known.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use schemars::JsonSchema;
use serde::Deserialize;

use super::auth::Auth;
use super::cel::Cel;
use super::client::HeadLimits;
use super::conflicts;
use super::decode::Compression;
use super::digest;
use super::headers::Headers;
use super::proxy::{Proxies, Wrong};
use super::settings::Written;
use super::tls::Clients;
use super::token::TokenServer;
use super::verdict::Rules;
use crate::failure::{Failure, Reason};
use crate::net::{Family, Net, TlsVersion};
use crate::secret::Secret;

/// How a module asks and what it expects, ready to be used any number of times.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(with = "Written", rename = "http")]
pub(crate) struct Settings {
    pub(super) family: Family,
    pub(super) follow_redirects: bool,
    /// Whether an absolute redirect to the target's own name leads to the target.
    pub(super) trust_own_name_redirects: bool,
    pub(super) method: Method,
    pub(super) headers: Headers,
    pub(super) auth: Auth,
    /// Where the token comes from that is shown instead.
    pub(super) token_server: Option<TokenServer>,
    pub(super) body: RequestBody,
    pub(super) rules: Rules,
    pub(super) compression: Option<Compression>,
    pub(super) body_bytes_max: Option<u64>,
    pub(super) cel: Option<Arc<Cel>>,
    pub(super) redirect_limit: u32,
    pub(super) head_limits: HeadLimits,
    /// Largest ratio of decompressed to received bytes; at least 1.
    pub(super) expansion_max: u64,
    /// What is asked about the body as a whole.
    pub(super) digest: Option<digest::Wanted>,
    /// What the target gets as cookies.
    pub(super) cookies: BTreeMap<String, Secret>,
    /// Whether HTTP/3 is spoken, and nothing else.
    pub(super) http3: bool,
    /// Whether a proxy is configured that HTTP/3 cannot go through.
    pub(super) passes_proxy_by: bool,
    pub(super) tls: Clients,
    /// The proxies to ask through.
    pub(super) proxies: Option<Proxies>,
    /// Whether the target's name is left to the proxy.
    pub(super) skips_resolving: bool,
    /// What makes the module unusable, in words.
    unusable: Option<(Reason, Cow<'static, str>)>,
}

/// What is sent after the head of the request.
#[derive(Debug)]
pub(super) enum RequestBody {
    None,
    Inline(Bytes),
    File(PathBuf),
}

impl Settings {
    /// Whether the module can be used at all: everything that blackbox_exporter finds before it builds the request.
    pub(super) fn check(&self, net: &Net) -> Result<(), Failure> {
        if let Some((reason, message)) = &self.unusable {
            return Err(Failure::new(*reason, message));
        }
        self.tls.check(net)
    }

    /// Whether the body counts, also where blackbox_exporter reads none.
    pub(super) fn asks_about_body(&self) -> bool {
        self.rules.has_body_rules() || self.cel.is_some() || self.digest.is_some()
    }
}

impl TryFrom<Written> for Settings {
    type Error = String;

    fn try_from(mut written: Written) -> Result<Self, Self::Error> {
        conflicts::check(&written)?;
        let http3 = written.enable_http3;
        if http3 {
            // QUIC knows no older version of TLS (RFC 9001 section 4.2).
            written.tls_config.min_version = Some(TlsVersion::Tls13);
        }
        let mut unusable = unusable(&written);
        // blackbox_exporter looks at the keys only: there may be no proxy in the environment.
        let has_proxy = written.proxy().url.is_some() || written.proxy_from_environment;
        // There is no way for QUIC through them.
        let passes_proxy_by = http3 && has_proxy;
        let skips_resolving = written.skip_resolve_phase_with_proxy && has_proxy && !http3;
        let proxies = Proxies::of(&written.proxy(), &written.tls_config).or_else(|wrong| match wrong {
            Wrong::Unreadable(message) => Err(message),
            wrong => {
                unusable.get_or_insert((Reason::ConfigUnusable, wrong.message()));
                Ok(None)
            }
        })?;
        let proxies = proxies.filter(|_| !http3);
        // Words that are not understood here were found unusable above.
        let method = written.method.as_deref().filter(|method| !method.is_empty()).unwrap_or("GET");
        let method = Method::from_bytes(method.as_bytes()).unwrap_or_default();
        let has_explicit_auth = written.headers.keys().any(|name| name.eq_ignore_ascii_case("authorization"));
        let auth = if has_explicit_auth { Auth::None } else { Auth::of(&written.credentials())? };
        let alpn: &[&str] = match (http3, written.enable_http2) {
            (true, _) => &["h3"],
            (false, true) => &["h2", "http/1.1"],
            (false, false) => &[],
        };
        let family = Family { preferred: written.preferred_ip_protocol, fallback: written.ip_protocol_fallback };
        let token_server = written.oauth2.as_ref().filter(|_| !has_explicit_auth);
        let token_server = token_server.map(|oauth2| TokenServer::of(oauth2, family, written.enable_http2));
        let token_server = token_server.transpose().unwrap_or_else(|message| {
            unusable.get_or_insert((Reason::ConfigUnusable, message.into()));
            None
        });
        Ok(Self {
            family,
            follow_redirects: written.no_follow_redirects.map_or(written.follow_redirects, |no| !no),
            trust_own_name_redirects: written.trust_own_name_redirects,
            method,
            headers: Headers::of(&written.headers, &written.http_headers),
            auth,
            token_server,
            body: match (&written.body, &written.body_file) {
                (Some(body), _) if !body.is_empty() => RequestBody::Inline(Bytes::from(body.clone().into_bytes())),
                (_, Some(path)) if !path.as_os_str().is_empty() => RequestBody::File(path.clone()),
                _ => RequestBody::None,
            },
            compression: written.compression.as_deref().and_then(Compression::of),
            redirect_limit: written.redirect_limit,
            head_limits: HeadLimits::of(
                written.header_size_limit.and_then(super::size::Size::limit),
                written.header_count_limit,
            ),
            expansion_max: u64::from(written.expansion_limit.max(1)),
            digest: digest::Wanted::of(written.body_hash, std::mem::take(&mut written.valid_body_sha256)),
            cookies: std::mem::take(&mut written.cookies),
            body_bytes_max: written.body_size_limit.and_then(super::size::Size::limit),
            cel: Cel::of(
                written.fail_if_body_json_matches_cel.take(),
                written.fail_if_body_json_not_matches_cel.take(),
            ),
            http3,
            passes_proxy_by,
            tls: Clients::of(&written.tls_config, alpn, written.check_revoked),
            proxies,
            skips_resolving,
            unusable,
            rules: Rules::of(written),
        })
    }
}

/// What blackbox_exporter takes and cannot be used here, or nowhere.
fn unusable(written: &Written) -> Option<(Reason, Cow<'static, str>)> {
    let method = written.method.as_deref().unwrap_or_default();
    if !method.is_empty() && Method::from_bytes(method.as_bytes()).is_err() {
        return Some((Reason::ConfigUnusable, format!("method {method:?} is not a token").into()));
    }
    if let Some(name) = written.compression.as_deref()
        && !Compression::is_known(name)
    {
        // Found after the answer by blackbox_exporter.
        return Some((Reason::ConfigUnusable, format!("compression {name:?} is not known").into()));
    }
    let by_reference = written.credentials().by_reference();
    let causes = [
        (method == "CONNECT", Reason::ConfigUnusable, "method CONNECT asks for a tunnel, not for an answer"),
        (by_reference, Reason::ConfigUnusable, "the keys that end in _ref need a secret manager, and there is none"),
    ];
    causes.into_iter().find(|(is_so, ..)| *is_so).map(|(_, reason, message)| (reason, message.into()))
}
