//! What the end of a QUIC connection means, in a reason and a sentence.

use quinn::ConnectionError;
use rustls::AlertDescription;

use crate::failure::{Failure, Reason, shown};
use crate::net::tls::{Seen, Trust, alert};

/// How much of a peer's reason is quoted in bytes. Chosen: enough to recognise it.
const QUOTE_BYTES_MAX: usize = 120;
/// Error codes from here on carry an alert of TLS in their last byte (RFC 9001 section 4.8).
const CRYPTO_ERRORS: std::ops::Range<u64> = 0x100..0x200;
/// The peer does not take the connection (RFC 9000 section 20.1).
const CONNECTION_REFUSED: u64 = 0x2;

/// What a handshake that broke means.
pub(super) fn handshake(error: &ConnectionError, seen: &Seen) -> Failure {
    match (error, seen.trust()) {
        (ConnectionError::TransportError(error), trust) if CRYPTO_ERRORS.contains(&error.code.into()) => match trust {
            Trust::Refused(failure) => failure.clone(),
            _ => Failure::new(Reason::TlsHandshake, &error.reason),
        },
        (ConnectionError::ConnectionClosed(close), _) if CRYPTO_ERRORS.contains(&close.error_code.into()) => {
            let [.., code] = u64::from(close.error_code).to_be_bytes();
            alert(AlertDescription::from(code), seen)
        }
        _ => end(error).unwrap_or_else(|| Failure::new(Reason::ProtocolError, error)),
    }
}

/// What the end of a connection means, unless it was this side that ended it in order.
pub(super) fn end(error: &ConnectionError) -> Option<Failure> {
    let (reason, message) = match error {
        ConnectionError::LocallyClosed => return None,
        ConnectionError::VersionMismatch => (Reason::ProtocolError, "the peer speaks no known version of QUIC".into()),
        ConnectionError::TransportError(error) => (Reason::ProtocolError, error.to_string()),
        ConnectionError::ConnectionClosed(close) if u64::from(close.error_code) == CONNECTION_REFUSED => {
            (Reason::ConnectRefused, "the peer refuses the connection".into())
        }
        ConnectionError::ConnectionClosed(close) => {
            let quoted = shown(&close.reason, QUOTE_BYTES_MAX);
            (Reason::ClosedEarly, format!("the peer broke the connection off with {}: {quoted}", close.error_code))
        }
        ConnectionError::ApplicationClosed(close) => {
            let quoted = shown(&close.reason, QUOTE_BYTES_MAX);
            (Reason::ClosedEarly, format!("the peer closed the connection with code {}: {quoted}", close.error_code))
        }
        ConnectionError::Reset => (Reason::ConnectionReset, "the peer does not know the connection any more".into()),
        ConnectionError::TimedOut => (Reason::Timeout, "the connection was idle for too long".into()),
        ConnectionError::CidsExhausted => (Reason::ProtocolError, error.to_string()),
    };
    Some(Failure::new(reason, message.trim_end_matches([':', ' '])))
}
