//! What the peer showed in a handshake.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::failure::Failure;
use crate::net::tls::identity::Identity;
use crate::net::tls::judge;

/// Whether the peer's certificate is trusted.
#[derive(Debug, Clone, Default)]
pub enum Trust {
    /// The peer showed no certificate.
    #[default]
    NotShown,
    /// Nobody asked: the settings accept any certificate.
    NotChecked,
    /// It is; the chain lasts until then, in seconds since 1970.
    Verified(i64),
    /// It is not, for this cause.
    Refused(Failure),
}

/// What the peer showed in one handshake.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The peer's certificates in the order sent, `None` for those that cannot be read.
    pub(super) chain: Vec<Option<Arc<Identity>>>,
    pub(super) certificates: usize,
    pub(super) trust: Trust,
    /// The verified path, the trusted authority last; empty unless somebody wants to know of revocation.
    pub(super) path: Vec<Arc<Identity>>,
    pub(super) ocsp_stapled: bool,
    pub(super) client_certificate_asked: bool,
    pub(super) client_certificate_given: bool,
}

impl Seen {
    /// The peer's own certificate.
    pub fn identity(&self) -> Option<&Identity> {
        self.chain.first()?.as_deref()
    }

    /// The certificates in the order sent, with their position (zero is the peer's own).
    pub fn chain(&self) -> impl Iterator<Item = (usize, &Identity)> {
        self.chain.iter().enumerate().filter_map(|(position, certificate)| Some((position, certificate.as_deref()?)))
    }

    /// How many certificates the peer sent.
    pub const fn certificates(&self) -> usize {
        self.certificates
    }

    /// Whether the peer is trusted.
    pub const fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Whether the peer sent a statement of its authority that the certificate is not revoked (RFC 6066 section 8).
    pub const fn ocsp_stapled(&self) -> bool {
        self.ocsp_stapled
    }

    /// Whether the peer asked for a client certificate.
    pub const fn client_certificate_asked(&self) -> bool {
        self.client_certificate_asked
    }

    /// Whether the settings had a client certificate for it.
    pub(super) const fn client_certificate_given(&self) -> bool {
        self.client_certificate_given
    }

    /// Whether the verified chain (where nobody verifies, what the peer sent) lasts at least so much longer.
    pub(crate) fn expect_lasting(&self, now: SystemTime, window: Duration) -> Result<(), Failure> {
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
        let end = match self.trust {
            Trust::Verified(until) => until,
            _ => self.earliest_expiry().unwrap_or(i64::MAX),
        };
        let window = i64::try_from(window.as_secs()).unwrap_or(i64::MAX);
        if window > 0 && end < now.saturating_add(window) {
            return Err(judge::ends_soon(&self.chain, end, now, window));
        }
        Ok(())
    }

    /// The earliest end of validity of what the peer sent, in seconds since 1970.
    pub fn earliest_expiry(&self) -> Option<i64> {
        self.chain().map(|(_, certificate)| certificate.not_after).min()
    }
}
