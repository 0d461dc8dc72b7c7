//! What a call carries besides its message: headers of HTTP/2 ("gRPC over HTTP2", Requests).

use std::collections::BTreeMap;
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::call::Broken;
use super::status::Code;
use crate::failure::{Failure, Reason};
use crate::http::auth::base64;
use crate::http::headers::{USER_AGENT, is_sensitive};
use crate::net::Net;
use crate::secret::Secret;

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// Names that the protocol keeps for itself: what a module says of them is passed over, as in blackbox_exporter.
const RESERVED: [&str; 8] = [
    "content-type",
    "grpc-encoding",
    "grpc-message",
    "grpc-message-type",
    "grpc-status",
    "grpc-timeout",
    "te",
    "user-agent",
];

/// Largest number of a timeout ("gRPC over HTTP2", TimeoutValue: at most eight digits).
const TIMEOUT_MAX: u128 = 99_999_999;

/// A module's metadata.
#[derive(Debug)]
pub(super) struct Metadata {
    ready: HeaderMap,
    in_files: Vec<(HeaderName, Secret)>,
    /// The name of what no call can carry.
    illegal: Option<String>,
}

impl Metadata {
    pub(super) fn of(written: &BTreeMap<String, Option<Vec<Secret>>>) -> Self {
        let mut metadata =
            Self { ready: HeaderMap::with_capacity(written.len() + 4), in_files: Vec::new(), illegal: None };
        metadata.ready.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        metadata.ready.insert(header::TE, HeaderValue::from_static("trailers"));
        metadata.ready.insert(header::USER_AGENT, USER_AGENT);
        for (name, values) in written.iter().filter_map(|(name, values)| Some((name, values.as_ref()?))) {
            metadata.add(name, values);
        }
        metadata
    }

    /// Names are lower-case on the wire; blackbox_exporter fails for others.
    fn add(&mut self, text: &str, values: &[Secret]) {
        let lower = text.to_ascii_lowercase();
        if RESERVED.contains(&&*lower) || lower.starts_with(':') {
            return;
        }
        let Ok(name) = HeaderName::try_from(&lower) else {
            self.illegal.get_or_insert(lower);
            return;
        };
        for secret in values {
            match secret.value() {
                Ok(value) => match encoded(&name, value.as_bytes()) {
                    Some(value) => {
                        self.ready.append(&name, value);
                    }
                    None => {
                        self.illegal.get_or_insert_with(|| lower.clone());
                    }
                },
                Err(_) => self.in_files.push((name.clone(), secret.clone())),
            }
        }
    }

    /// The headers of a call that must be done within the given time.
    pub(super) fn headers(&self, net: &Net, left: Duration) -> Result<HeaderMap, Broken> {
        let unusable = |failure| Broken { code: Code::INTERNAL, failure };
        let illegal = |name: &str| {
            let message = format_args!("metadata {name:?} is not one that a call can carry");
            unusable(Failure::new(Reason::ConfigUnusable, message))
        };
        if let Some(name) = &self.illegal {
            return Err(illegal(name));
        }
        let mut headers = self.ready.clone();
        for (name, secret) in &self.in_files {
            let value = net.secret(secret).map_err(unusable)?;
            headers.append(name, encoded(name, value.as_bytes()).ok_or_else(|| illegal(name.as_str()))?);
        }
        let timeout = format!("{}m", left.as_millis().clamp(1, TIMEOUT_MAX));
        headers.insert(GRPC_TIMEOUT, HeaderValue::try_from(timeout).expect("digits and a letter"));
        Ok(headers)
    }
}

/// A value as it is sent: bytes in base64 without padding where the name says so, else printable ASCII ("gRPC over
/// HTTP2", Custom-Metadata).
fn encoded(name: &HeaderName, value: &[u8]) -> Option<HeaderValue> {
    let mut value = if name.as_str().ends_with("-bin") {
        HeaderValue::try_from(base64(value).trim_end_matches('=')).ok()?
    } else {
        let is_printable = value.iter().all(|byte| (b' '..=b'~').contains(byte));
        HeaderValue::from_bytes(value).ok().filter(|_| is_printable)?
    };
    value.set_sensitive(is_sensitive(name));
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit;

    fn headers(written: &[(&str, &[&str])]) -> Result<HeaderMap, Code> {
        let secrets = |values: &[&str]| Some(values.iter().map(|value| Secret::inline(*value)).collect());
        let written = written.iter().map(|(name, values)| ((*name).to_owned(), secrets(values))).collect();
        let headers = Metadata::of(&written).headers(&testkit::net(), Duration::from_secs(5));
        headers.map_err(|broken| broken.code)
    }

    #[test]
    fn names_are_lowered_and_bytes_are_encoded() {
        let headers =
            headers(&[("Key1", &["v1", "v2"]), ("key2-Bin", &["a\u{1}b?"]), ("TE", &["gzip"])]).expect("good");
        let all =
            |name: &str| headers.get_all(name).iter().map(|value| value.to_str().expect("text")).collect::<Vec<_>>();
        assert_eq!(all("key1"), ["v1", "v2"]);
        assert_eq!(all("key2-bin"), ["YQFiPw"]);
        assert_eq!(all("te"), ["trailers"]);
        assert_eq!(all("grpc-timeout"), ["5000m"]);
    }

    #[test]
    fn what_no_call_can_carry_is_an_error_of_the_call() {
        assert_eq!(headers(&[("a b", &["x"])]), Err(Code::INTERNAL));
        assert_eq!(headers(&[("a", &["x\n"])]), Err(Code::INTERNAL));
        assert_eq!(headers(&[("a", &["ä"])]), Err(Code::INTERNAL));
    }
}
