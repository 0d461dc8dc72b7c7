//! Who is trusted: writes the chain down, then decides.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert, spki_for_anchor};

use crate::failure::{Failure, Reason};
use crate::net::tls::identity::{self, Identity};
use crate::recorder::Recorder;

/// Most certificates of a chain that are looked at. Chosen: real chains have two to four.
const CHAIN_CERTIFICATES_MAX: usize = 10;

/// Trusted authorities, with the ends of their validity.
#[derive(Debug)]
pub(crate) struct Roots {
    anchors: Vec<TrustAnchor<'static>>,
    /// The certificates behind the anchors, in the same order.
    certificates: Vec<(CertificateDer<'static>, i64)>,
}

impl Roots {
    fn of(certificates: impl Iterator<Item = CertificateDer<'static>>) -> Self {
        let mut roots = Self { anchors: Vec::new(), certificates: Vec::new() };
        for certificate in certificates {
            if let (Ok(anchor), Some(until)) =
                (anchor_from_trusted_cert(&certificate), identity::not_after(&certificate))
            {
                roots.anchors.push(anchor.to_owned());
                roots.certificates.push((certificate, until));
            }
        }
        roots
    }

    pub(super) fn of_pem(pem: &[u8]) -> Result<Self, String> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let roots = Self::of(certificates.map_err(|error| error.to_string())?.into_iter());
        if roots.anchors.is_empty() { Err("no certificate in it".to_owned()) } else { Ok(roots) }
    }

    /// The latest end of validity of the authorities with this name and key.
    fn valid_until(&self, anchor: &TrustAnchor<'_>) -> Option<i64> {
        let same = |other: &TrustAnchor<'_>| {
            other.subject == anchor.subject && spki_for_anchor(other) == spki_for_anchor(anchor)
        };
        let ends =
            self.anchors.iter().zip(&self.certificates).filter(|(other, _)| same(other)).map(|(_, (_, until))| *until);
        ends.max()
    }

    fn holds(&self, certificate: &CertificateDer<'_>) -> bool {
        self.certificates.iter().any(|(known, _)| known == certificate)
    }
}

/// The system's trusted authorities, loaded when first needed.
#[derive(Clone, Debug, Default)]
pub(crate) struct SystemRoots(Arc<OnceLock<Result<Arc<Roots>, String>>>);

impl SystemRoots {
    pub(super) fn get(&self) -> Result<Arc<Roots>, Failure> {
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

/// What the peer showed in one handshake.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    identity: Option<Identity>,
    certificates: usize,
    earliest_expiry: Option<i64>,
    verified_until: Option<i64>,
    decided: bool,
}

impl Seen {
    pub(super) const fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    pub(super) fn earliest_expiry(&self) -> Option<f64> {
        self.earliest_expiry.map(|at| at as f64)
    }

    pub(super) fn verified_until(&self) -> Option<f64> {
        self.verified_until.map(|at| at as f64)
    }

    pub(super) fn read(&self, recorder: &mut Recorder) {
        if !self.decided {
            return;
        }
        recorder.read(&super::CHAIN_CERTIFICATES, self.certificates as f64);
        recorder.read(&super::CERT_VERIFIED, f64::from(u8::from(self.verified_until.is_some())));
        if let Some(identity) = &self.identity {
            recorder.read(&super::CERT_NOT_BEFORE, identity.not_before as f64);
            recorder.read(&super::CERT_NOT_AFTER, identity.not_after as f64);
        }
    }
}

/// Verifies for one handshake.
#[derive(Debug)]
pub(super) struct Verifier {
    /// `None`: everybody is trusted.
    roots: Option<Arc<Roots>>,
    /// `None`: the name is none that a certificate can carry.
    name: Option<ServerName<'static>>,
    now: Duration,
    seen: Mutex<Seen>,
}

impl Verifier {
    pub(super) fn new(roots: Option<Arc<Roots>>, name: Option<ServerName<'static>>, now: Duration) -> Self {
        Self { roots, name, now, seen: Mutex::new(Seen::default()) }
    }

    /// Stands in a configuration until a handshake puts its own in place: trusts nobody.
    pub(super) fn refusing() -> Self {
        let nobody = Roots { anchors: Vec::new(), certificates: Vec::new() };
        Self::new(Some(Arc::new(nobody)), None, Duration::ZERO)
    }

    pub(super) fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The end of validity of the verified chain.
    fn decide(
        &self,
        roots: &Roots,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
    ) -> Result<i64, webpki::Error> {
        let now = UnixTime::since_unix_epoch(self.now);
        let end_entity = EndEntityCert::try_from(leaf)?;
        let own_end = identity::not_after(leaf).ok_or(webpki::Error::BadDer)?;
        let until = if roots.holds(leaf) {
            // Trusted as it stands, as Go does it: a service's self-signed certificate given as its own authority.
            if i64::try_from(now.as_secs()).unwrap_or(i64::MAX) > own_end {
                let not_after = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(own_end).unwrap_or(0)));
                return Err(webpki::Error::CertExpired { time: now, not_after });
            }
            own_end
        } else {
            let path = end_entity.verify_for_usage(
                webpki::ALL_VERIFICATION_ALGS,
                &roots.anchors,
                rest,
                now,
                KeyUsage::server_auth(),
                None,
                None,
            )?;
            let intermediates =
                path.intermediate_certificates().filter_map(|certificate| identity::not_after(&certificate.der()));
            intermediates.chain(roots.valid_until(path.anchor())).fold(own_end, i64::min)
        };
        match &self.name {
            Some(name) => end_entity.verify_is_valid_for_subject_name(name)?,
            None => return Err(webpki::Error::MalformedDnsIdentifier),
        }
        Ok(until)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _ocsp: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let rest = &rest[..rest.len().min(CHAIN_CERTIFICATES_MAX)];
        let decision = self.roots.as_ref().map(|roots| self.decide(roots, leaf, rest));
        let chain = std::iter::once(leaf).chain(rest);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Seen {
            identity: Identity::of_der(leaf),
            certificates: 1 + rest.len(),
            earliest_expiry: chain.filter_map(|certificate| identity::not_after(certificate)).min(),
            verified_until: decision.as_ref().and_then(|decision| decision.as_ref().ok().copied()),
            decided: true,
        };
        match decision {
            None | Some(Ok(_)) => Ok(ServerCertVerified::assertion()),
            Some(Err(error)) => Err(Error::InvalidCertificate(explain(error))),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &super::provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &super::provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        super::provider().signature_verification_algorithms.supported_schemes()
    }
}

/// The verdict in rustls' words, so that the peer gets the fitting alert.
fn explain(error: webpki::Error) -> CertificateError {
    match error {
        webpki::Error::CertExpired { .. } => CertificateError::Expired,
        webpki::Error::CertNotValidYet { .. } => CertificateError::NotValidYet,
        webpki::Error::UnknownIssuer | webpki::Error::CaUsedAsEndEntity => CertificateError::UnknownIssuer,
        webpki::Error::CertRevoked => CertificateError::Revoked,
        webpki::Error::CertNotValidForName(_) | webpki::Error::MalformedDnsIdentifier => {
            CertificateError::NotValidForName
        }
        webpki::Error::InvalidSignatureForPublicKey => CertificateError::BadSignature,
        other => CertificateError::Other(rustls::OtherError(Arc::new(other))),
    }
}

/// What a failed handshake means.
pub(super) fn judge(name: &str, error: &std::io::Error, seen: &Seen) -> Failure {
    let holder = seen.identity().map_or("", |identity| identity.subject.as_str());
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return match Reason::of_io(error) {
            Reason::ClosedEarly => {
                Failure::new(Reason::ClosedEarly, "the peer closed the connection during the TLS handshake")
            }
            _ => Failure::io("TLS handshake", error),
        };
    };
    let reason = match tls {
        Error::InvalidCertificate(CertificateError::Expired) => Reason::TlsCertExpired,
        Error::InvalidCertificate(CertificateError::NotValidYet) => Reason::TlsCertNotYetValid,
        Error::InvalidCertificate(CertificateError::NotValidForName) => Reason::TlsCertName,
        // A signature that none of the authorities of that name made: an authority that is not trusted bears the name.
        Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            Reason::TlsCertUntrusted
        }
        Error::InvalidCertificate(CertificateError::Revoked) => Reason::TlsCertRevoked,
        Error::InvalidCertificate(_) => Reason::TlsCertInvalid,
        Error::AlertReceived(_) => Reason::TlsAlert,
        _ => Reason::TlsHandshake,
    };
    match reason {
        Reason::TlsCertName => {
            let names = seen.identity().map_or("", |identity| identity.dns_names.as_str());
            Failure::new(reason, format_args!("the certificate is not for {name} but for {names:?} ({holder})"))
        }
        Reason::TlsCertExpired
        | Reason::TlsCertNotYetValid
        | Reason::TlsCertUntrusted
        | Reason::TlsCertRevoked
        | Reason::TlsCertInvalid => Failure::new(reason, format_args!("{tls} (certificate of {holder:?})")),
        _ => Failure::new(reason, tls),
    }
}
