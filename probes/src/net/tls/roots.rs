//! Trusted authorities.

use std::sync::{Arc, OnceLock};

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, TrustAnchor};
use webpki::anchor_from_trusted_cert;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::failure::{Failure, Reason};

/// Trusted authorities, with their validity: a trust anchor alone has none.
#[derive(Debug, Default)]
pub(crate) struct Roots {
    anchors: Vec<TrustAnchor<'static>>,
    /// What stands behind the anchors, in the same order.
    certificates: Vec<Root>,
}

#[derive(Debug)]
struct Root {
    der: CertificateDer<'static>,
    not_before: i64,
    not_after: i64,
}

impl Roots {
    /// The authorities among these certificates; what cannot be read is left out.
    pub(super) fn of(certificates: impl Iterator<Item = CertificateDer<'static>>) -> Self {
        let mut roots = Self::default();
        for der in certificates {
            let Ok((_, certificate)) = X509Certificate::from_der(&der) else { continue };
            let validity = certificate.validity();
            let (not_before, not_after) = (validity.not_before.timestamp(), validity.not_after.timestamp());
            let Ok(anchor) = anchor_from_trusted_cert(&der).map(|anchor| anchor.to_owned()) else { continue };
            roots.anchors.push(anchor);
            roots.certificates.push(Root { der, not_before, not_after });
        }
        roots
    }

    pub(super) fn of_pem(pem: &[u8]) -> Result<Self, String> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let roots = Self::of(certificates.map_err(|error| error.to_string())?.into_iter());
        if roots.anchors.is_empty() { Err("no certificate in it".to_owned()) } else { Ok(roots) }
    }

    pub(super) fn anchors(&self) -> &[TrustAnchor<'static>] {
        &self.anchors
    }

    /// The latest end of validity among the authorities with this name and key. Those that are valid at `now` count
    /// first, so that a renewed authority stands for the one it replaces.
    pub(super) fn valid_until(&self, anchor: &TrustAnchor<'_>, now: i64) -> Validity {
        let same = |other: &TrustAnchor<'_>| {
            other.subject == anchor.subject && other.subject_public_key_info == anchor.subject_public_key_info
        };
        let certificates = self.anchors.iter().zip(&self.certificates);
        let mut found = Validity::Ended(0);
        for (_, root) in certificates.filter(|(other, _)| same(other)) {
            let this = if now > root.not_after {
                Validity::Ended(root.not_after)
            } else if now < root.not_before {
                Validity::NotBegun(root.not_before)
            } else {
                Validity::Valid(root.not_after)
            };
            found = found.max(this);
        }
        found
    }

    /// The authority's own certificate.
    pub(super) fn certificate(&self, anchor: &TrustAnchor<'_>) -> Option<&CertificateDer<'static>> {
        let mut both = self.anchors.iter().zip(&self.certificates);
        both.find(|(known, _)| *known == anchor).map(|(_, root)| &root.der)
    }

    /// Whether this very certificate is trusted.
    pub(super) fn holds(&self, certificate: &CertificateDer<'_>) -> bool {
        self.certificates.iter().any(|root| root.der.as_ref() == certificate.as_ref())
    }
}

/// How a certificate's validity stands, in seconds since 1970. Ordered from the least useful.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Validity {
    /// Ended then.
    Ended(i64),
    /// Begins then.
    NotBegun(i64),
    /// Lasts until then.
    Valid(i64),
}

/// The system's trusted authorities, loaded when first needed.
#[derive(Clone, Debug, Default)]
pub(crate) struct SystemRoots(Arc<OnceLock<Result<Arc<Roots>, String>>>);

impl SystemRoots {
    pub(crate) fn get(&self) -> Result<Arc<Roots>, Failure> {
        let loaded = self.0.get_or_init(|| {
            let loaded = rustls_native_certs::load_native_certs();
            let roots = Roots::of(loaded.certs.into_iter());
            if roots.anchors.is_empty() {
                return Err("the system has no trusted certificate authorities".to_owned());
            }
            Ok(Arc::new(roots))
        });
        loaded.clone().map_err(|message| Failure::new(Reason::ConfigUnusable, message))
    }
}
