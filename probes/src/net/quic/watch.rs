//! Watches a handshake for what the QUIC library does not tell: the cipher suite.
//!
//! The suite is read off the peer's ServerHello (RFC 8446 section 4.1.3); everything else is handed through.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use quinn::crypto::rustls::QuicClientConfig;
use quinn::crypto::{ClientConfig, ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey, Session};
use quinn::{ConnectError, ConnectionId, Side};
use quinn_proto::TransportError;
use quinn_proto::transport_parameters::TransportParameters;

/// A handshake message of this type is a ServerHello (RFC 8446 section 4).
const SERVER_HELLO: u8 = 2;
/// Type, length, legacy_version and random come before the legacy session.
const BYTES_BEFORE_SESSION: usize = 1 + 3 + 2 + 32;
/// Up to the suite, with the longest session (RFC 8446 section 4.1.3).
const BYTES_TO_SUITE_MAX: usize = BYTES_BEFORE_SESSION + 1 + 32 + 2;

/// A client whose handshakes are watched.
pub(super) struct Watched {
    config: Arc<QuicClientConfig>,
    suite: Arc<AtomicU16>,
}

impl Watched {
    /// Writes the suite's number to `suite`.
    pub(super) fn new(config: QuicClientConfig, suite: Arc<AtomicU16>) -> Self {
        Self { config: Arc::new(config), suite }
    }
}

impl ClientConfig for Watched {
    fn start_session(
        self: Arc<Self>,
        version: u32,
        server_name: &str,
        parameters: &TransportParameters,
    ) -> Result<Box<dyn Session>, ConnectError> {
        let session = Arc::clone(&self.config).start_session(version, server_name, parameters)?;
        Ok(Box::new(WatchedSession { session, suite: Arc::clone(&self.suite), head: Vec::new() }))
    }
}

struct WatchedSession {
    session: Box<dyn Session>,
    suite: Arc<AtomicU16>,
    /// The beginning of what the peer says.
    head: Vec<u8>,
}

/// The suite that a ServerHello picks, once it has come so far.
fn suite(head: &[u8]) -> Option<u16> {
    let session = usize::from(*head.get(BYTES_BEFORE_SESSION)?);
    let at = BYTES_BEFORE_SESSION + 1 + session;
    let bytes = head.get(at..at + 2).filter(|_| head[0] == SERVER_HELLO)?;
    Some(u16::from_be_bytes([bytes[0], bytes[1]]))
}

impl Session for WatchedSession {
    fn read_handshake(&mut self, bytes: &[u8]) -> Result<bool, TransportError> {
        if self.head.len() < BYTES_TO_SUITE_MAX {
            let room = BYTES_TO_SUITE_MAX - self.head.len();
            self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
            if let Some(suite) = suite(&self.head) {
                self.suite.store(suite, Ordering::Relaxed);
            }
        }
        self.session.read_handshake(bytes)
    }

    fn initial_keys(&self, id: &ConnectionId, side: Side) -> Keys {
        self.session.initial_keys(id, side)
    }

    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        self.session.handshake_data()
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        self.session.peer_identity()
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        self.session.early_crypto()
    }

    fn early_data_accepted(&self) -> Option<bool> {
        self.session.early_data_accepted()
    }

    fn is_handshaking(&self) -> bool {
        self.session.is_handshaking()
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        self.session.transport_parameters()
    }

    fn write_handshake(&mut self, bytes: &mut Vec<u8>) -> Option<Keys> {
        self.session.write_handshake(bytes)
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        self.session.next_1rtt_keys()
    }

    fn is_valid_retry(&self, id: &ConnectionId, header: &[u8], payload: &[u8]) -> bool {
        self.session.is_valid_retry(id, header, payload)
    }

    fn export_keying_material(
        &self,
        output: &mut [u8],
        label: &[u8],
        context: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        self.session.export_keying_material(output, label, context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suite_is_read_once_it_has_come() {
        let mut hello = vec![SERVER_HELLO, 0, 0, 90, 3, 3];
        hello.extend_from_slice(&[7; 32]);
        let with_session = |session: &[u8]| {
            let mut hello = hello.clone();
            hello.push(session.len() as u8);
            hello.extend_from_slice(session);
            hello.extend_from_slice(&[0x13, 0x02, 0]);
            hello
        };
        assert_eq!(suite(&with_session(&[])), Some(0x1302));
        assert_eq!(suite(&with_session(&[9; 32])), Some(0x1302));
        let whole = with_session(&[]);
        assert_eq!(suite(&whole[..whole.len() - 2]), None);
        assert_eq!(suite(&[]), None);
        assert_eq!(suite(&[&[SERVER_HELLO + 1], &whole[1..]].concat()), None);
    }
}
