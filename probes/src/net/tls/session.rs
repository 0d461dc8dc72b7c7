//! What was agreed on in a handshake.

use std::borrow::Cow;

use rustls::{ClientConnection, ProtocolVersion};

use crate::failure::{Failure, Reason};
use crate::net::tls::identity::Identity;
use crate::net::tls::seen::Seen;
use crate::net::tls::settings::TlsVersion;

/// What was agreed on in a handshake.
#[derive(Debug, Clone)]
pub struct Session {
    /// `TLS 1.2` or `TLS 1.3`; of a server that was only asked what it would agree on also an older one.
    pub version: &'static str,
    /// The suite's IANA name, or its number.
    pub cipher: Cow<'static, str>,
    /// The key exchange group's name, where it is known.
    pub key_exchange: &'static str,
    /// The application protocol, if one was agreed on.
    pub alpn: Option<Vec<u8>>,
    pub(super) seen: Seen,
}

impl Session {
    pub(super) fn of(connection: &ClientConnection, seen: Seen) -> Self {
        let version = match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
            Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
            _ => "unknown",
        };
        let group = connection.negotiated_key_exchange_group();
        Self {
            version,
            cipher: connection.negotiated_cipher_suite().map_or(Cow::Borrowed(""), |suite| cipher_name(suite.suite())),
            key_exchange: group.and_then(|group| group.name().as_str()).unwrap_or(""),
            alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
            seen,
        }
    }

    /// What a server would have agreed on.
    pub(super) const fn of_offer(version: &'static str, cipher: Cow<'static, str>, seen: Seen) -> Self {
        Self { version, cipher, key_exchange: "", alpn: None, seen }
    }

    /// What was agreed on in a handshake of QUIC, which knows one version of TLS only (RFC 9001 section 4.2).
    pub(in crate::net) fn of_quic(suite: u16, alpn: Option<Vec<u8>>, seen: Seen) -> Self {
        Self { version: "TLS 1.3", cipher: cipher_name(suite.into()), key_exchange: "", alpn, seen }
    }

    /// Of a server that was only asked: that this program does not speak what it would agree on, if so.
    pub(crate) fn unspoken(&self) -> Option<Failure> {
        let Self { version, cipher, .. } = self;
        let is_spoken = *version == TlsVersion::Tls12.name() && cipher.contains("_ECDHE_") && !cipher.contains("_CBC_");
        let message = format_args!("the server speaks {version} with {cipher} at best, which this program does not");
        (!is_spoken).then(|| Failure::new(Reason::AgentUnbuilt, message))
    }

    /// The peer's own certificate.
    pub fn identity(&self) -> Option<&Identity> {
        self.seen.identity()
    }

    /// What the peer showed.
    pub const fn seen(&self) -> &Seen {
        &self.seen
    }
}

/// The name in IANA's registry. rustls spells TLS 1.3 suites with a prefix of its own.
pub(super) fn cipher_name(suite: rustls::CipherSuite) -> Cow<'static, str> {
    match suite.as_str() {
        Some("TLS13_AES_128_GCM_SHA256") => Cow::Borrowed("TLS_AES_128_GCM_SHA256"),
        Some("TLS13_AES_256_GCM_SHA384") => Cow::Borrowed("TLS_AES_256_GCM_SHA384"),
        Some("TLS13_CHACHA20_POLY1305_SHA256") => Cow::Borrowed("TLS_CHACHA20_POLY1305_SHA256"),
        Some(name) => Cow::Borrowed(name),
        None => Cow::Owned(format!("0x{:04X}", u16::from(suite))),
    }
}

#[cfg(test)]
mod tests {
    use rustls::CipherSuite;

    use super::*;

    #[test]
    fn suites_have_their_registered_names() {
        for suite in rustls::crypto::aws_lc_rs::ALL_CIPHER_SUITES {
            let name = cipher_name(suite.suite());
            assert!(name.starts_with("TLS_"), "{name}");
        }
        assert_eq!(cipher_name(CipherSuite::Unknown(0xfab)), "0x0FAB");
    }
}
