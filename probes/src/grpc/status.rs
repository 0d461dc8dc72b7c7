//! How a call ended: gRPC's status codes, and where an answer says which ("gRPC over HTTP2", Responses).

use std::fmt;

use http::header::{self, HeaderMap};
use http::response;

use super::STATUS_CODE;
use super::call::Broken;
use crate::failure::{Failure, Reason, shown};
use crate::recorder::Recorder;

/// Longest message of a status that is shown, in bytes. Chosen: a sentence or two.
const MESSAGE_BYTES_SHOWN: usize = 200;

/// A status code of gRPC (its "Status codes and their use").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Code(pub(super) i32);

const NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

impl Code {
    pub(super) const OK: Self = Self(0);
    pub(super) const CANCELLED: Self = Self(1);
    pub(super) const UNKNOWN: Self = Self(2);
    pub(super) const DEADLINE_EXCEEDED: Self = Self(4);
    pub(super) const NOT_FOUND: Self = Self(5);
    pub(super) const PERMISSION_DENIED: Self = Self(7);
    pub(super) const RESOURCE_EXHAUSTED: Self = Self(8);
    pub(super) const UNIMPLEMENTED: Self = Self(12);
    pub(super) const INTERNAL: Self = Self(13);
    pub(super) const UNAVAILABLE: Self = Self(14);
    pub(super) const UNAUTHENTICATED: Self = Self(16);

    /// Writes the code down.
    pub(super) fn read(self, recorder: &mut Recorder) {
        recorder.read(&STATUS_CODE, f64::from(self.0));
    }

    /// What it means for a run.
    const fn reason(self) -> Reason {
        match self {
            Self::DEADLINE_EXCEEDED => Reason::Timeout,
            Self::NOT_FOUND | Self::UNIMPLEMENTED => Reason::Rejected,
            Self::PERMISSION_DENIED | Self::UNAUTHENTICATED => Reason::AuthRefused,
            Self::RESOURCE_EXHAUSTED | Self::UNAVAILABLE => Reason::RejectedTemporarily,
            _ => Reason::StatusUnexpected,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match usize::try_from(self.0).ok().and_then(|code| NAMES.get(code)) {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "status {}", self.0),
        }
    }
}

/// How a call ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) code: Code,
    /// The server's words, or ours; printable.
    pub(super) message: String,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.code.fmt(f)?;
        if self.message.is_empty() { Ok(()) } else { write!(f, ": {}", self.message) }
    }
}

impl From<Status> for Broken {
    fn from(status: Status) -> Self {
        let failure = Failure::new(status.code.reason(), format_args!("the server answered {status}"));
        Self { code: status.code, failure }
    }
}

/// How the call ended that was answered so. Without trailers the head is all there is ("Trailers-Only").
pub(super) fn of(head: &response::Parts, trailers: Option<&HeaderMap>) -> Status {
    let own = |code, message: String| Status { code, message };
    let headers = &head.headers;
    let content_type = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    if !is_grpc(content_type) {
        let shown = shown(content_type, MESSAGE_BYTES_SHOWN);
        return own(
            of_http(head.status.as_u16()),
            format!("HTTP {} with content type \"{shown}\"", head.status.as_u16()),
        );
    }
    let Some(code) = trailers.and_then(|trailers| trailers.get("grpc-status")).or_else(|| headers.get("grpc-status"))
    else {
        return match head.status.as_u16() {
            200 => own(Code::UNKNOWN, "the answer ended without a status".to_owned()),
            status => own(of_http(status), format!("HTTP {status}")),
        };
    };
    let Some(code) = code.to_str().ok().and_then(|text| text.parse().ok()) else {
        let shown = shown(code.as_bytes(), MESSAGE_BYTES_SHOWN);
        return own(Code::UNKNOWN, format!("the status is no number: \"{shown}\""));
    };
    let message = trailers.and_then(|trailers| trailers.get("grpc-message")).or_else(|| headers.get("grpc-message"));
    let message = message.map_or_else(String::new, |message| {
        let bytes = message.as_bytes();
        shown(&unescaped(&bytes[..bytes.len().min(3 * MESSAGE_BYTES_SHOWN)]), MESSAGE_BYTES_SHOWN)
    });
    own(Code(code), message)
}

/// `application/grpc`, perhaps with `+format` or `;parameter`.
fn is_grpc(content_type: &[u8]) -> bool {
    const NAME: &[u8] = b"application/grpc";
    content_type.len() >= NAME.len()
        && content_type[..NAME.len()].eq_ignore_ascii_case(NAME)
        && matches!(content_type.get(NAME.len()), None | Some(b'+' | b';'))
}

/// The code for an answer that is none of gRPC (its "HTTP to gRPC Status Code Mapping").
const fn of_http(status: u16) -> Code {
    match status {
        400 => Code::INTERNAL,
        401 => Code::UNAUTHENTICATED,
        403 => Code::PERMISSION_DENIED,
        404 => Code::UNIMPLEMENTED,
        429 | 502 | 503 | 504 => Code::UNAVAILABLE,
        _ => Code::UNKNOWN,
    }
}

/// The bytes that a status message means ("gRPC over HTTP2", Percent-Encoded).
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| byte == b'%').and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(meant) => {
                bytes.push(meant);
                rest = &after[2..];
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(http: u16, headers: &[(&'static str, &str)], trailers: Option<&[(&'static str, &str)]>) -> (i32, String) {
        let map = |fields: &[(&'static str, &str)]| {
            fields
                .iter()
                .map(|(name, value)| ((*name).parse().expect("a name"), value.parse().expect("a value")))
                .collect()
        };
        let mut head = http::Response::new(()).into_parts().0;
        head.status = http.try_into().expect("a status");
        head.headers = map(headers);
        let trailers: Option<HeaderMap> = trailers.map(map);
        let status = of(&head, trailers.as_ref());
        (status.code.0, status.message)
    }

    const GRPC: (&str, &str) = ("content-type", "application/grpc+proto");

    #[test]
    fn the_status_is_in_the_trailers_or_in_the_head() {
        let told = |code, message: &str| (code, message.to_owned());
        assert_eq!(status(200, &[GRPC], Some(&[("grpc-status", "0")])), told(0, ""));
        assert_eq!(
            status(200, &[GRPC, ("grpc-status", "5"), ("grpc-message", "no%20such%")], None),
            told(5, "no such%")
        );
        assert_eq!(status(200, &[GRPC], Some(&[("grpc-status", "99")])), told(99, ""));
        assert_eq!(status(200, &[GRPC], Some(&[("grpc-status", "x")])), told(2, "the status is no number: \"x\""));
        assert_eq!(status(200, &[GRPC], None), told(2, "the answer ended without a status"));
        assert_eq!(status(503, &[GRPC], None), told(14, "HTTP 503"));
    }

    #[test]
    fn an_answer_that_is_none_of_grpc_has_a_status_all_the_same() {
        for (http, code) in [(200, 2), (400, 13), (401, 16), (403, 7), (404, 12), (502, 14), (418, 2)] {
            let message = format!("HTTP {http} with content type \"text/html\"");
            assert_eq!(status(http, &[("content-type", "text/html")], None), (code, message));
        }
        assert_eq!(status(200, &[("content-type", "application/grpc-web")], None).0, 2);
    }

    #[test]
    fn codes_have_names() {
        assert_eq!(Code::UNAVAILABLE.to_string(), "UNAVAILABLE (14)");
        assert_eq!(Code(-3).to_string(), "status -3");
    }
}
