//! Keys that contradict each other: found when a module is loaded.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::accept;
use super::settings::{Credentials, OAuth2, ProxyKeys, Written};
use crate::secret::Secret;

/// Names that `http_headers` must not set, because something else does (blackbox_exporter's list).
const RESERVED_HEADERS: &[&str] = &[
    "authorization",
    "host",
    "content-encoding",
    "content-length",
    "content-type",
    "user-agent",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "www-authenticate",
    "accept-encoding",
    "x-prometheus-remote-write-version",
    "x-prometheus-remote-read-version",
    "x-prometheus-scrape-timeout-seconds",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-content-sha256",
];

/// The grant whose assertion the client signs (RFC 7523 section 2.1).
pub(super) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

pub(super) fn check(written: &Written) -> Result<(), String> {
    credentials(&written.credentials())?;
    proxy_keys(written.proxy())?;
    reserved_headers(written.http_headers.keys())?;
    if is_set(written.body.as_ref()) && is_path(written.body_file.as_ref()) {
        return Err("at most one of body and body_file may be set".to_owned());
    }
    header_rules(written)?;
    versions(written)?;
    compression(written)
}

/// Names that `http_headers` sets.
pub(crate) fn reserved_headers<'a>(mut names: impl Iterator<Item = &'a String>) -> Result<(), String> {
    match names.find(|name| RESERVED_HEADERS.contains(&name.to_ascii_lowercase().as_str())) {
        Some(name) => Err(format!("http_headers: setting header {name:?} is not allowed")),
        None => Ok(()),
    }
}

fn is_set(text: Option<&String>) -> bool {
    text.is_some_and(|text| !text.is_empty())
}

fn is_path(path: Option<&PathBuf>) -> bool {
    path.is_some_and(|path| !path.as_os_str().is_empty())
}

fn is_secret(secret: Option<&Secret>) -> bool {
    secret.is_some_and(|secret| secret.value() != Ok(""))
}

fn one_source(name: &str, sources: [bool; 3]) -> Result<(), String> {
    match sources.into_iter().filter(|set| *set).count() {
        0 | 1 => Ok(()),
        _ => Err(format!("at most one of {name}, {name}_file and {name}_ref may be set")),
    }
}

/// Credentials that contradict each other.
pub(crate) fn credentials(keys: &Credentials<'_>) -> Result<(), String> {
    let token = is_secret(keys.bearer_token);
    let token_file = is_path(keys.bearer_token_file);
    if token && token_file {
        return Err("at most one of bearer_token and bearer_token_file may be set".to_owned());
    }
    let ways = [
        ("basic_auth", keys.basic_auth.is_some()),
        ("authorization", keys.authorization.is_some()),
        ("oauth2", keys.oauth2.is_some()),
        ("bearer_token", token || token_file),
    ];
    let mut set = ways.into_iter().filter(|(_, set)| *set);
    if let (Some((one, _)), Some((other, _))) = (set.next(), set.next()) {
        return Err(format!("at most one of {one} and {other} may be set"));
    }
    if let Some(basic) = keys.basic_auth {
        let file = is_path(basic.username_file.as_ref());
        one_source("username", [is_set(basic.username.as_ref()), file, is_set(basic.username_ref.as_ref())])?;
        let file = is_path(basic.password_file.as_ref());
        one_source("password", [is_secret(basic.password.as_ref()), file, is_set(basic.password_ref.as_ref())])?;
    }
    if let Some(authorization) = keys.authorization {
        let file = is_path(authorization.credentials_file.as_ref());
        let value = is_secret(authorization.credentials.as_ref());
        one_source("credentials", [value, file, is_set(authorization.credentials_ref.as_ref())])?;
        if authorization.r#type.as_deref().is_some_and(|scheme| scheme.trim().eq_ignore_ascii_case("basic")) {
            return Err("authorization: type Basic is what basic_auth is for".to_owned());
        }
    }
    keys.oauth2.map_or(Ok(()), oauth2)
}

fn oauth2(oauth2: &OAuth2) -> Result<(), String> {
    for (name, value) in [("client_id", &oauth2.client_id), ("token_url", &oauth2.token_url)] {
        if !is_set(value.as_ref()) {
            return Err(format!("oauth2: {name} must be set"));
        }
    }
    let file = is_path(oauth2.client_secret_file.as_ref());
    let by_reference = is_set(oauth2.client_secret_ref.as_ref());
    one_source("client_secret", [is_secret(oauth2.client_secret.as_ref()), file, by_reference])?;
    let key = [
        is_secret(oauth2.client_certificate_key.as_ref()),
        is_path(oauth2.client_certificate_key_file.as_ref()),
        is_set(oauth2.client_certificate_key_ref.as_ref()),
    ];
    if oauth2.grant_type.as_deref() == Some(JWT_BEARER) {
        one_source("client_certificate_key", key)?;
        if !key.contains(&true) {
            return Err("oauth2: client_certificate_key must be set for this grant_type".to_owned());
        }
        let algorithm = oauth2.signature_algorithm.as_deref().unwrap_or_default();
        if !["", "RS256", "RS384", "RS512"].contains(&algorithm) {
            return Err("oauth2: signature_algorithm must be RS256, RS384 or RS512".to_owned());
        }
    }
    proxy_keys(oauth2.proxy())
}

fn proxy_keys(keys: ProxyKeys<'_>) -> Result<(), String> {
    proxy(keys.url, keys.no_proxy, keys.from_environment, keys.connect_header)
}

/// Keys of proxies that contradict each other.
pub(crate) fn proxy(
    url: Option<&Secret>,
    no_proxy: Option<&str>,
    from_environment: bool,
    connect_header: &BTreeMap<String, Vec<Secret>>,
) -> Result<(), String> {
    let url = url.filter(|url| url.value() != Ok(""));
    let no_proxy = no_proxy.is_some_and(|no_proxy| !no_proxy.is_empty());
    if !connect_header.is_empty() && url.is_none() && !from_environment {
        return Err("proxy_connect_header needs proxy_url or proxy_from_environment".to_owned());
    }
    if from_environment && (url.is_some() || no_proxy) {
        return Err("proxy_from_environment excludes proxy_url and no_proxy".to_owned());
    }
    if no_proxy && url.is_none() {
        return Err("no_proxy needs proxy_url".to_owned());
    }
    match url.map(Secret::value) {
        Some(Ok(text)) if text.contains(|c: char| c.is_whitespace() || c.is_control()) => {
            Err("proxy_url is no URL".to_owned())
        }
        _ => Ok(()),
    }
}

fn header_rules(written: &Written) -> Result<(), String> {
    for rule in written.fail_if_header_matches.iter().chain(&written.fail_if_header_not_matches) {
        if rule.header.is_empty() {
            return Err("header name must be set for HTTP header matchers".to_owned());
        }
        if rule.regexp.as_ref().is_none_or(|regexp| regexp.source().is_empty()) {
            return Err("regexp must be set for HTTP header matchers".to_owned());
        }
    }
    Ok(())
}

fn versions(written: &Written) -> Result<(), String> {
    for version in &written.valid_http_versions {
        match (version.as_str(), written.enable_http3) {
            ("HTTP/3.0", false) => return Err("valid_http_versions: HTTP/3.0 needs enable_http3".to_owned()),
            ("HTTP/1.1" | "HTTP/2.0", true) => {
                return Err(format!("valid_http_versions: {version} cannot be had with enable_http3"));
            }
            _ => {}
        }
    }
    if written.enable_http3 && written.enable_http2 {
        return Err("enable_http3 needs enable_http2: false".to_owned());
    }
    Ok(())
}

fn compression(written: &Written) -> Result<(), String> {
    let Some(algorithm) = written.compression.as_deref().filter(|algorithm| !algorithm.is_empty()) else {
        return Ok(());
    };
    for (name, value) in &written.headers {
        let value = value.as_deref().unwrap_or_default();
        if name.eq_ignore_ascii_case("accept-encoding") && !value.is_empty() && !accept::accepts(value, algorithm) {
            return Err(format!("invalid configuration \"{name}: {value}\", \"compression: {algorithm}\""));
        }
    }
    Ok(())
}
