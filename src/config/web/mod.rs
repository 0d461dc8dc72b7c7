//! `--web.config.file`: TLS, headers, passwords and a rate limit of the pages, in the format of Prometheus' exporter-toolkit.
//!
//! Text to values only: certificates and keys are read where they are used.

mod names;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use bcrypt::HashParts;
use hyper::header::{HeaderName, HeaderValue};
use serde::{Deserialize, Deserializer, de};
use tuermer_probes::settings::Span;

pub use names::{ClientAuth, Curve, Suite, Version};

use super::fault::{ConfigError, Fault};
use super::fields::Fields;
use super::misread::Faults;
use super::node::Entry;
use super::reader::Reader;
use super::yaml;

const KEYS: [&str; 4] = ["tls_server_config", "http_server_config", "basic_auth_users", "rate_limit"];

/// Range of costs that bcrypt knows.
const COSTS: std::ops::RangeInclusive<u32> = 4..=31;

/// What guards the pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebConfig {
    /// TLS, if the pages are served over it.
    pub tls: Option<TlsConfig>,
    /// Whether HTTP/2 is offered over TLS.
    pub http2: bool,
    /// Header fields of every answer.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Who may see the pages; everybody if there is nobody.
    pub users: BTreeMap<String, PasswordHash>,
    /// How often requests are answered.
    pub rate: Option<RateLimit>,
    /// What an operator should know although the file is valid.
    pub warnings: Vec<String>,
}

/// How TLS is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// The chain of certificates.
    pub certificate: Pem,
    /// The key of the first certificate.
    pub key: Pem,
    /// Whose certificates clients may show.
    pub client_authorities: Option<Pem>,
    /// Which certificate a client must show.
    pub client_auth: ClientAuth,
    /// Names one of which a client's certificate must carry; empty: any.
    pub client_names: Vec<String>,
    /// Oldest version served.
    pub min_version: Version,
    /// Newest version served.
    pub max_version: Version,
    /// Cipher suites of TLS 1.2; empty: the library's.
    pub suites: Vec<Suite>,
    /// Key exchanges; empty: the library's.
    pub curves: Vec<Curve>,
}

/// Where PEM blocks are.
#[derive(Clone, PartialEq, Eq)]
pub enum Pem {
    /// In the configuration itself.
    Inline(Box<str>),
    /// In a file.
    File(PathBuf),
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(_) => f.write_str("inline"),
            Self::File(path) => path.fmt(f),
        }
    }
}

/// A password's hash by bcrypt. It does not show itself.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    text: Box<str>,
    cost: u32,
}

impl PasswordHash {
    /// The hash as it is written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Two to this power is the number of rounds.
    pub const fn cost(&self) -> u32 {
        self.cost
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

impl<'de> Deserialize<'de> for PasswordHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match HashParts::from_str(&text) {
            Ok(parts) if COSTS.contains(&parts.get_cost()) => Ok(Self { text: text.into(), cost: parts.get_cost() }),
            _ => Err(de::Error::custom("not a password's hash by bcrypt, such as `htpasswd -nBC 10 \"\"` makes it")),
        }
    }
}

/// How often requests are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Time after which one more request is answered.
    pub interval: Duration,
    /// Most requests answered at once.
    pub burst: u32,
}

/// The section `tls_server_config` as it is written.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct WrittenTls {
    cert: String,
    key: String,
    cert_file: String,
    key_file: String,
    client_ca: String,
    client_ca_file: String,
    client_auth_type: ClientAuth,
    client_allowed_sans: Vec<String>,
    min_version: Option<Version>,
    max_version: Option<Version>,
    cipher_suites: Vec<Suite>,
    curve_preferences: Vec<Curve>,
    #[serde(rename = "prefer_server_cipher_suites")]
    _prefer_server_cipher_suites: Option<bool>,
}

/// The section `http_server_config` as it is written.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct WrittenHttp {
    http2: Option<bool>,
    headers: BTreeMap<String, String>,
}

/// The section `rate_limit` as it is written.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct WrittenRate {
    interval: Option<Span>,
    burst: u32,
}

/// Understands a text. Files are looked for beside `path`.
pub fn parse(text: &str, path: &Path) -> Result<WebConfig, ConfigError> {
    let mut faults = Vec::new();
    match read(text, path.parent().unwrap_or(Path::new("")), &mut faults) {
        Ok(config) if faults.is_empty() => Ok(config),
        Ok(_) => Err(ConfigError::new(faults, text, &path.display().to_string())),
        Err(fault) => Err(ConfigError::new(vec![fault], text, &path.display().to_string())),
    }
}

fn read(text: &str, folder: &Path, faults: &mut Vec<Fault>) -> Result<WebConfig, Fault> {
    let mut config = WebConfig {
        tls: None,
        http2: true,
        headers: Vec::new(),
        users: BTreeMap::new(),
        rate: None,
        warnings: Vec::new(),
    };
    // As in the reference, a file without anything is valid, and guards nothing.
    let Some(root) = yaml::read(text)? else { return Ok(config) };
    let fields = Fields::of(&root, root.place, "a web configuration")?;
    fields.refuse_others(KEYS.into_iter(), faults);
    if let Some(entry) = fields.find("tls_server_config") {
        match section(entry).and_then(|written| tls(written, entry, folder, &mut config.warnings)) {
            Ok(tls) => config.tls = tls,
            Err(fault) => faults.push(fault),
        }
    }
    if let Some(entry) = fields.find("http_server_config") {
        match section(entry).and_then(|written: WrittenHttp| Ok((written.http2, headers(written.headers, entry)?))) {
            Ok((http2, headers)) => (config.http2, config.headers) = (http2.unwrap_or(true), headers),
            Err(fault) => faults.push(fault),
        }
    }
    if let Some(entry) = fields.find("basic_auth_users") {
        match section(entry) {
            Ok(users) => config.users = users,
            Err(fault) => faults.push(fault),
        }
    }
    if let Some(entry) = fields.find("rate_limit") {
        match section::<WrittenRate>(entry) {
            Ok(WrittenRate { interval, burst }) => {
                let interval = interval.map(|span| span.0).filter(|interval| !interval.is_zero());
                config.rate = interval.map(|interval| RateLimit { interval, burst });
            }
            Err(fault) => faults.push(fault),
        }
    }
    Ok(config)
}

pub(super) fn section<T: de::DeserializeOwned>(entry: &Entry<'_>) -> Result<T, Fault> {
    let faults = Faults::default();
    let reader = Reader::of_entry(entry, &faults);
    T::deserialize(reader).map_err(|error| faults.take(entry.key_place, error))
}

fn tls(
    written: WrittenTls,
    entry: &Entry<'_>,
    folder: &Path,
    warnings: &mut Vec<String>,
) -> Result<Option<TlsConfig>, Fault> {
    let fields = Fields::of(&entry.value, entry.key_place, "`tls_server_config`")?;
    let place = |key: &str| fields.find(key).map_or(entry.key_place, Entry::place);
    let one_of = |inline: String, file: String, keys: [&str; 2]| match (inline.is_empty(), file.is_empty()) {
        (true, true) => Ok(None),
        (false, true) => Ok(Some(Pem::Inline(inline.into()))),
        (true, false) => Ok(Some(Pem::File(folder.join(file)))),
        (false, false) => {
            Err(Fault::new(place(keys[1]), format_args!("`{}` and `{}` exclude each other", keys[0], keys[1])))
        }
    };
    let certificate = one_of(written.cert, written.cert_file, ["cert", "cert_file"])?;
    let key = one_of(written.key, written.key_file, ["key", "key_file"])?;
    let client_authorities = one_of(written.client_ca, written.client_ca_file, ["client_ca", "client_ca_file"])?;
    let client_auth = written.client_auth_type;
    let (certificate, key) = match (certificate, key) {
        (Some(certificate), Some(key)) => (certificate, key),
        (None, None) if client_authorities.is_none() && client_auth == ClientAuth::None => {
            warnings.push("`tls_server_config` names no certificate: the pages are served without TLS".to_owned());
            return Ok(None);
        }
        (None, _) => return Err(Fault::new(entry.key_place, "TLS needs `cert` or `cert_file`")),
        (_, None) => return Err(Fault::new(entry.key_place, "TLS needs `key` or `key_file`")),
    };
    match (&client_authorities, client_auth.is_verified()) {
        (Some(_), _) if client_auth == ClientAuth::None => {
            let fault = Fault::new(entry.key_place, "clients have an authority, but need no certificate");
            return Err(fault.with_help("set `client_auth_type`, for example to RequireAndVerifyClientCert"));
        }
        (None, true) => {
            let fault =
                Fault::new(place("client_auth_type"), "certificates of clients need an authority to be verified");
            return Err(fault.with_help("set `client_ca_file` or `client_ca`"));
        }
        _ => {}
    }
    let (min_version, max_version) =
        (written.min_version.unwrap_or(Version::Tls12), written.max_version.unwrap_or(Version::Tls13));
    if max_version < Version::Tls12 {
        let fault = Fault::new(place("max_version"), "TLS 1.0 and 1.1 cannot be served");
        return Err(fault.with_help("they are broken (RFC 8996); allowed: TLS12, TLS13"));
    }
    if max_version < min_version {
        return Err(Fault::new(place("max_version"), "`max_version` is older than `min_version`"));
    }
    if min_version < Version::Tls12 {
        warnings.push("TLS 1.0 and 1.1 cannot be served (RFC 8996): `min_version` is TLS12".to_owned());
    }
    let names = |names: Vec<&str>| names.join(", ");
    let lacking: Vec<_> = written.cipher_suites.iter().filter(|suite| !suite.is_served()).map(|s| s.name()).collect();
    if !lacking.is_empty() {
        warnings.push(format!("not served, because weak: {}", names(lacking)));
    }
    let lacking: Vec<_> =
        written.curve_preferences.iter().filter(|curve| !curve.is_served()).map(|c| c.name()).collect();
    if !lacking.is_empty() {
        warnings.push(format!("not served by this build: {}", names(lacking)));
    }
    if !written.curve_preferences.is_empty() && !written.curve_preferences.iter().any(|curve| curve.is_served()) {
        return Err(Fault::new(place("curve_preferences"), "none of these key exchanges can be served"));
    }
    let has_suite = written.cipher_suites.iter().any(|suite| suite.is_of_tls12() && suite.is_served());
    if !written.cipher_suites.is_empty() && !has_suite && max_version == Version::Tls12 {
        return Err(Fault::new(place("cipher_suites"), "none of these suites can be served with TLS 1.2"));
    }
    Ok(Some(TlsConfig {
        certificate,
        key,
        client_authorities,
        client_auth,
        client_names: written.client_allowed_sans,
        min_version,
        max_version,
        suites: written.cipher_suites,
        curves: written.curve_preferences,
    }))
}

/// The fields that may be set, with the values that each allows; none: any.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
    ("Content-Security-Policy", &[]),
];

fn headers(written: BTreeMap<String, String>, section: &Entry<'_>) -> Result<Vec<(HeaderName, HeaderValue)>, Fault> {
    let fields = Fields::of(&section.value, section.key_place, "`http_server_config`")?;
    let Some(entry) = fields.find("headers") else { return Ok(Vec::new()) };
    let fields = Fields::of(&entry.value, entry.key_place, "`headers`")?;
    let mut headers = Vec::with_capacity(written.len());
    for (name, value) in written {
        let found = fields.iter().find(|field| field.key == name);
        let (key_place, place) = found.map_or((entry.key_place, entry.key_place), |f| (f.key_place, f.place()));
        let Some((_, allowed)) = HEADERS.iter().find(|(known, _)| *known == name) else {
            return Err(Fault::unknown(key_place, "header", &name, HEADERS.map(|(known, _)| known)));
        };
        if !allowed.is_empty() && !allowed.contains(&value.as_str()) {
            return Err(Fault::unknown(place, "value", &value, allowed.iter().copied()));
        }
        // Without a value the field is left out, as the reference's HTTP library does it.
        if value.is_empty() {
            continue;
        }
        match (HeaderName::try_from(&name), HeaderValue::try_from(&value)) {
            (Ok(name), Ok(value)) => headers.push((name, value)),
            _ => return Err(Fault::new(place, "not the value of a header")),
        }
    }
    Ok(headers)
}
