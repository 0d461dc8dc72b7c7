//! Asks a server what it would agree on, without agreeing: a hello is sent, the server's first answer is read.
//!
//! No key is exchanged and nothing is encrypted, so this also reads servers of TLS 1.0 and 1.1, whose cryptography this
//! program does not have. That a server shows a certificate does not prove that it has the key. Knows no verdict.

mod flight;
mod hello;

use std::borrow::Cow;

use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::failure::{Failure, Reason};
use crate::net::tls::scan::flight::{Flight, RECORD_BYTES_MAX};
use crate::net::tls::session::cipher_name;
use crate::net::tls::settings::TlsVersion;

/// What a server answers to a hello.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// It would go on like this.
    Agreed(Agreed),
    /// It ends the handshake with this alert (RFC 8446 section 6).
    Alert(u8),
}

/// What a server would go on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Agreed {
    /// The version's number on the wire.
    pub(super) version: u16,
    pub(super) cipher: Cow<'static, str>,
    /// The certificates it shows; none where they would come encrypted.
    pub(super) chain: Vec<CertificateDer<'static>>,
}

impl Agreed {
    /// The version; `None` for SSL 3.0 and numbers nobody knows.
    pub(super) fn version(&self) -> Option<TlsVersion> {
        TlsVersion::ALL.into_iter().find(|version| version.number() == self.version)
    }

    /// The version's name for people and for metrics.
    pub(super) fn version_name(&self) -> &'static str {
        match (self.version, self.version()) {
            (_, Some(version)) => version.name(),
            (0x0300, None) => "SSL 3.0",
            (_, None) => "unknown",
        }
    }
}

/// Offers one version (and, before TLS 1.3, silently every older one: that is how the protocol works) and reads the
/// answer. The connection is of no use afterwards.
pub(super) async fn ask<S>(mut stream: S, version: TlsVersion, name: Option<&ServerName<'_>>) -> Result<Answer, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let broken = |error: std::io::Error| match Reason::of_io(&error) {
        Reason::ClosedEarly => Failure::new(Reason::ClosedEarly, "the peer closed the connection after the hello"),
        _ => Failure::io("TLS hello", &error),
    };
    let hello = hello::client_hello(version, name, super::random());
    stream.write_all(&hello).await.map_err(broken)?;
    stream.flush().await.map_err(broken)?;
    let mut flight = Flight::default();
    let mut payload = Vec::new();
    loop {
        let mut header = [0; 5];
        match stream.read_exact(&mut header).await {
            Ok(_) => {}
            // A server that says hello and then closes has answered the question.
            Err(error) => return flight.end().ok_or_else(|| broken(error)),
        }
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        let nonsense = |what: &str| Failure::new(Reason::TlsHandshake, format_args!("what the peer says is {what}"));
        // Change of cipher, alert, handshake or data; every version's number begins with a three.
        let is_record = (20..=23).contains(&header[0]) && header[1] == 3 && length <= RECORD_BYTES_MAX;
        if !is_record {
            return Err(nonsense("not TLS"));
        }
        payload.resize(length, 0);
        match stream.read_exact(&mut payload).await {
            Ok(_) => {}
            Err(error) => return flight.end().ok_or_else(|| broken(error)),
        }
        if let Some(answer) = flight.take(header[0], &payload).map_err(nonsense)? {
            return Ok(answer);
        }
    }
}

/// The suite's IANA name, or its number.
fn suite_name(number: u16) -> Cow<'static, str> {
    cipher_name(rustls::CipherSuite::from(number))
}

#[cfg(test)]
mod tests;
