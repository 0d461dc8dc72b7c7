//! The request for an upgrade (RFC 6455 section 4.1) and what a module adds to it.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Request;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http_body_util::Empty;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;

use super::settings::Header;
use crate::failure::{Failure, Reason};
use crate::http::auth::Auth;
use crate::http::headers::{USER_AGENT, is_sensitive};
use crate::net::Net;
use crate::recorder::Recorder;
use crate::secret::Secret;

/// Headers that make the upgrade: whoever sets them breaks it, and blackbox_exporter does not even try.
const OF_UPGRADE: [HeaderName; 6] = [
    header::CONNECTION,
    header::SEC_WEBSOCKET_ACCEPT,
    header::SEC_WEBSOCKET_EXTENSIONS,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_VERSION,
    header::UPGRADE,
];

/// A module's request headers.
#[derive(Debug)]
pub(super) struct Headers {
    ready: HeaderMap,
    in_files: Vec<(HeaderName, Secret)>,
    auth: Auth,
    /// What no upgrade can carry, in words.
    illegal: Option<String>,
}

impl Headers {
    pub(super) fn of(written: &BTreeMap<String, Option<Header>>, auth: Auth) -> Self {
        let mut headers = Self { ready: HeaderMap::new(), in_files: Vec::new(), auth, illegal: None };
        headers.ready.insert(header::USER_AGENT, USER_AGENT);
        headers.ready.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.ready.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.ready.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        for (name, values) in written.iter().filter_map(|(name, values)| Some((name, values.as_ref()?))) {
            headers.set(name, values);
        }
        headers
    }

    /// Sets a header: in the place of what would be sent without a word.
    fn set(&mut self, text: &str, values: &Header) {
        let Ok(name) = HeaderName::try_from(text) else {
            return self.refuse(format!("header {text:?} is not one that a request can carry"));
        };
        if OF_UPGRADE.contains(&name) {
            return self.refuse(format!("header {text:?} is the upgrade's own"));
        }
        self.ready.remove(&name);
        for (secret, is_secret) in values.values() {
            match secret.value() {
                Ok(value) => match HeaderValue::try_from(value.trim()) {
                    Ok(mut value) => {
                        value.set_sensitive(is_secret || is_sensitive(&name));
                        self.ready.append(&name, value);
                    }
                    Err(_) => self.refuse(format!("header {text:?} has a value that no request can carry")),
                },
                Err(_) => self.in_files.push((name.clone(), secret)),
            }
        }
    }

    fn refuse(&mut self, message: String) {
        self.illegal.get_or_insert(message);
    }

    /// The request for an upgrade, with the files as they are now. A file that cannot be read is passed over, as in
    /// blackbox_exporter.
    pub(super) fn request(
        &self,
        net: &Net,
        recorder: &mut Recorder,
        url: &crate::http::url::Url,
    ) -> Result<Request<Empty<Bytes>>, Failure> {
        if let Some(message) = &self.illegal {
            return Err(Failure::new(Reason::ConfigUnusable, message));
        }
        let mut headers = self.ready.clone();
        for (name, secret) in &self.in_files {
            match net.secret(secret).map(HeaderValue::try_from) {
                Ok(Ok(mut value)) => {
                    value.set_sensitive(true);
                    headers.append(name, value);
                }
                Ok(Err(_)) => recorder.note(format_args!("header {name} has a value that no request can carry")),
                Err(failure) => recorder.note(format_args!("header {name} is left out: {}", failure.message())),
            }
        }
        if !headers.contains_key(header::HOST) {
            headers.insert(header::HOST, url.authority.clone());
        }
        if !headers.contains_key(header::AUTHORIZATION) {
            match self.auth.header(net) {
                Ok(Some(value)) => {
                    headers.insert(header::AUTHORIZATION, value.into_owned());
                }
                Ok(None) => {}
                Err(failure) => recorder.note(format_args!("credentials are left out: {}", failure.message())),
            }
        }
        let key = HeaderValue::try_from(generate_key()).expect("base64");
        headers.insert(header::SEC_WEBSOCKET_KEY, key);
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = url.path.clone().into();
        *request.headers_mut() = headers;
        Ok(request)
    }
}
