//! The request headers of a module: which go everywhere, which only to the origin they are meant for.

use std::borrow::Cow;
use std::collections::BTreeMap;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::settings::HeaderValues;
use crate::failure::{Failure, Reason};
use crate::net::Net;
use crate::secret::Secret;

/// Sent where the module names no User-Agent.
pub(crate) const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("tuermer/", env!("CARGO_PKG_VERSION")));

/// Names whose values are credentials (Go's list).
const CREDENTIALS: [HeaderName; 6] = [
    header::AUTHORIZATION,
    header::COOKIE,
    HeaderName::from_static("cookie2"),
    header::WWW_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::PROXY_AUTHENTICATE,
];

/// What the names of other headers have in them whose values let others in, without `-` and `_`. Chosen: the words that
/// public interfaces use.
const SENSITIVE: [&str; 11] =
    ["auth", "token", "secret", "passw", "apikey", "accesskey", "credential", "session", "cookie", "jwt", "signature"];

/// Headers that speak of the request's body: they go when the body goes.
pub(super) const OF_BODY: [HeaderName; 4] =
    [header::CONTENT_ENCODING, header::CONTENT_LANGUAGE, header::CONTENT_LOCATION, header::CONTENT_TYPE];

/// Headers that speak of a connection of HTTP/1 (RFC 9113 section 8.2.2).
pub(super) const OF_CONNECTION: [HeaderName; 6] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// A module's request headers.
#[derive(Debug)]
pub(super) struct Headers {
    /// The name to ask for, where it is not the target's.
    pub(super) host: Option<HeaderValue>,
    /// What every host may see.
    pub(super) open: HeaderMap,
    /// What only the target's origin may see.
    confidential: Confidential,
    /// What only the target's origin may see and is read from files.
    in_files: Vec<(HeaderName, Secret)>,
    /// The name of a header that no request can carry.
    illegal: Option<String>,
}

/// Headers that only the target's origin may see.
#[derive(Debug, Clone, Default)]
pub(super) struct Confidential {
    /// What blackbox_exporter too keeps from other hosts.
    pub(super) credentials: HeaderMap,
    /// What it would send anywhere: values that the module calls secret, or whose names say so.
    pub(super) secrets: HeaderMap,
}

impl Confidential {
    fn of(&mut self, name: &HeaderName) -> &mut HeaderMap {
        if CREDENTIALS.contains(name) { &mut self.credentials } else { &mut self.secrets }
    }
}

/// Whether a header's name says that its value lets others in.
pub(crate) fn is_sensitive(name: &HeaderName) -> bool {
    let plain: String = name.as_str().chars().filter(|c| !matches!(c, '-' | '_')).collect();
    CREDENTIALS.contains(name) || SENSITIVE.iter().any(|word| plain.contains(word))
}

impl Headers {
    pub(super) fn of(single: &BTreeMap<String, Option<String>>, many: &BTreeMap<String, Option<HeaderValues>>) -> Self {
        let mut headers = Self {
            host: None,
            open: HeaderMap::with_capacity(single.len() + many.len() + 1),
            confidential: Confidential::default(),
            in_files: Vec::new(),
            illegal: None,
        };
        headers.open.insert(header::USER_AGENT, USER_AGENT);
        for (name, value) in single {
            headers.set(name, value.as_deref().unwrap_or_default());
        }
        if headers.open.get(header::USER_AGENT).is_some_and(HeaderValue::is_empty) {
            headers.open.remove(header::USER_AGENT);
        }
        for (name, values) in many.iter().filter_map(|(name, values)| Some((name, values.as_ref()?))) {
            headers.add(name, values);
        }
        headers
    }

    /// A header of one value. The last of several spellings of one name stands.
    fn set(&mut self, text: &str, value: &str) {
        let (Ok(name), Ok(mut value)) = (HeaderName::try_from(text), HeaderValue::try_from(value.trim())) else {
            self.illegal.get_or_insert_with(|| text.to_owned());
            return;
        };
        match name {
            header::HOST => self.host = Some(value).filter(|value| !value.is_empty()),
            // What they say follows from the body that is really sent.
            header::CONTENT_LENGTH | header::TRANSFER_ENCODING => {}
            name if is_sensitive(&name) => {
                value.set_sensitive(true);
                self.confidential.of(&name).insert(name, value);
            }
            name => {
                self.open.insert(name, value);
            }
        }
    }

    /// A header of several values.
    fn add(&mut self, text: &str, values: &HeaderValues) {
        let Ok(name) = HeaderName::try_from(text) else {
            self.illegal.get_or_insert_with(|| text.to_owned());
            return;
        };
        let open = values.values.iter().map(|value| (Ok(value.as_str()), is_sensitive(&name)));
        let secret = values.secrets.iter().map(|secret| (secret.value().map_err(|_| secret), true));
        for (value, is_confidential) in open.chain(secret) {
            match value.map(|value| HeaderValue::try_from(value.trim())) {
                Ok(Ok(mut value)) => {
                    value.set_sensitive(is_confidential);
                    let map = if is_confidential { self.confidential.of(&name) } else { &mut self.open };
                    map.append(&name, value);
                }
                Ok(Err(_)) => {
                    self.illegal.get_or_insert_with(|| text.to_owned());
                }
                Err(in_file) => self.in_files.push((name.clone(), in_file.clone())),
            }
        }
        self.in_files.extend(values.files.iter().map(|path| (name.clone(), Secret::file(path))));
    }

    /// What only the target's origin may see, with the files as they are now.
    pub(super) fn read_confidential(&self, net: &Net) -> Result<Cow<'_, Confidential>, Failure> {
        let unusable = |name: &str| {
            Failure::new(Reason::ConfigUnusable, format_args!("header {name:?} is not one that a request can carry"))
        };
        if let Some(name) = &self.illegal {
            return Err(unusable(name));
        }
        if self.in_files.is_empty() {
            return Ok(Cow::Borrowed(&self.confidential));
        }
        let mut headers = self.confidential.clone();
        for (name, secret) in &self.in_files {
            let mut value = HeaderValue::try_from(net.secret(secret)?).map_err(|_| unusable(name.as_str()))?;
            value.set_sensitive(true);
            headers.of(name).append(name, value);
        }
        Ok(Cow::Owned(headers))
    }
}
