//! Writes the chain down, then decides whether it is trusted.

use std::cell::Cell;
use std::net::Ipv6Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, DigitallySignedStruct, Error, PeerMisbehaved, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage, RawPublicKeyEntity, RequiredEkuNotFoundContext, VerifiedPath};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::net::tls::identity::{Identity, Known};
use crate::net::tls::judge;
use crate::net::tls::roots::{Roots, Validity};
use crate::net::tls::seen::{Seen, Trust};

/// Most certificates of a chain that are looked at. Chosen: real chains have two to four. A whole chain takes at most
/// 64 KiB (rustls' limit of a handshake message).
const CHAIN_CERTIFICATES_MAX: usize = 16;

/// What is done about a certificate that is not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strictness {
    /// The handshake fails.
    Refuse,
    /// The handshake goes on; the cause is in [`Seen::trust`].
    WriteDown,
}

/// Verifies for one handshake.
#[derive(Debug)]
pub(in crate::net) struct Verifier {
    /// `None`: everybody is trusted.
    pub(super) roots: Option<Arc<Roots>>,
    /// Whom the certificate must be for.
    pub(super) name: Named,
    pub(super) now: Duration,
    pub(super) strictness: Strictness,
    /// Whether the verified path is written down.
    pub(super) keep_path: bool,
    pub(super) known: Arc<Known>,
    /// The settings' own client certificate.
    pub(super) client: Arc<dyn ResolvesClientCert>,
    pub(super) seen: Mutex<Seen>,
}

/// Whom a certificate must be for.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) text: Box<str>,
    /// `None`: no certificate can carry this name.
    pub(super) server_name: Option<ServerName<'static>>,
}

impl Named {
    pub(super) fn of(text: &str) -> Self {
        // A zone means something on this machine only: no certificate has it.
        let bare = match text.split_once('%') {
            Some((address, _)) if address.parse::<Ipv6Addr>().is_ok() => address,
            _ => text,
        };
        Self { text: text.into(), server_name: ServerName::try_from(bare.to_owned()).ok() }
    }
}

/// Stands in a configuration until a handshake puts its own verifier in place: trusts nobody.
#[derive(Debug)]
pub(super) struct Nobody;

impl ServerCertVerifier for Nobody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Err(Error::InvalidCertificate(CertificateError::UnknownIssuer))
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::InvalidCertificate(CertificateError::BadSignature))
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::InvalidCertificate(CertificateError::BadSignature))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        Vec::new()
    }
}

impl Verifier {
    /// Takes what was seen; for the end of the handshake.
    pub(in crate::net) fn take_seen(&self) -> Seen {
        std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks at a chain that was shown without a handshake.
    pub(super) fn look(&self, chain: &[CertificateDer<'_>]) {
        if let Some((leaf, rest)) = chain.split_first() {
            // The decision is written down; nothing depends on the answer.
            let _ = self.verdict_on(leaf, rest, &[]);
        }
    }

    /// Writes the chain down and decides.
    fn verdict_on(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        ocsp: &[u8],
    ) -> Result<ServerCertVerified, Error> {
        let certificates = 1 + rest.len();
        let rest = &rest[..rest.len().min(CHAIN_CERTIFICATES_MAX - 1)];
        let chain: Vec<_> = std::iter::once(leaf).chain(rest).map(|der| self.known.identity(der)).collect();
        let decision = self.roots.as_ref().map(|roots| self.decide(roots, leaf, rest, &chain));
        let (trust, answer) = match decision {
            None => (Trust::NotChecked, Ok(ServerCertVerified::assertion())),
            Some(Ok(until)) => (Trust::Verified(until), Ok(ServerCertVerified::assertion())),
            Some(Err(error)) => {
                let failure = judge::refusal(&error, &self.name.text, &chain, certificates, self.now_seconds());
                let answer = match self.strictness {
                    Strictness::WriteDown => Ok(ServerCertVerified::assertion()),
                    Strictness::Refuse => Err(Error::InvalidCertificate(explain(error))),
                };
                (Trust::Refused(failure), answer)
            }
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.chain = chain;
        seen.certificates = certificates;
        seen.trust = trust;
        seen.ocsp_stapled = !ocsp.is_empty();
        answer
    }

    /// The end of validity of the verified chain that lasts longest.
    fn decide(
        &self,
        roots: &Roots,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        chain: &[Option<Arc<Identity>>],
    ) -> Result<i64, webpki::Error> {
        let identity = chain.first().and_then(Option::as_deref).ok_or(webpki::Error::BadDer)?;
        let end_entity = EndEntityCert::try_from(leaf)?;
        let until = if roots.holds(leaf) {
            self.note_path([leaf].into_iter());
            self.decide_trusted_leaf(identity)?
        } else {
            self.decide_path(roots, &end_entity, rest, chain, identity.not_after)?
        };
        match &self.name.server_name {
            Some(name) => end_entity.verify_is_valid_for_subject_name(name)?,
            None => return Err(webpki::Error::MalformedDnsIdentifier),
        }
        Ok(until)
    }

    /// A certificate that is itself among the trusted ones needs no path, as in Go: a service's self-signed certificate
    /// given as its own authority.
    fn decide_trusted_leaf(&self, identity: &Identity) -> Result<i64, webpki::Error> {
        let time = UnixTime::since_unix_epoch(self.now);
        if self.now_seconds() > identity.not_after {
            return Err(webpki::Error::CertExpired { time, not_after: unix_time(identity.not_after) });
        }
        if self.now_seconds() < identity.not_before {
            return Err(webpki::Error::CertNotValidYet { time, not_before: unix_time(identity.not_before) });
        }
        if !identity.for_servers {
            let context = RequiredEkuNotFoundContext { required: KeyUsage::server_auth(), present: Vec::new() };
            return Err(webpki::Error::RequiredEkuNotFoundContext(context));
        }
        Ok(identity.not_after)
    }

    /// Looks at paths until one lasts as long as the peer's own certificate: none can last longer.
    fn decide_path(
        &self,
        roots: &Roots,
        end_entity: &EndEntityCert<'_>,
        rest: &[CertificateDer<'_>],
        chain: &[Option<Arc<Identity>>],
        own_end: i64,
    ) -> Result<i64, webpki::Error> {
        let time = UnixTime::since_unix_epoch(self.now);
        let longest = Cell::new(None::<i64>);
        let end_of = |der: &CertificateDer<'_>| {
            let position = rest.iter().position(|certificate| certificate.as_ref() == der.as_ref())?;
            Some(chain.get(position + 1)?.as_deref()?.not_after)
        };
        let look = |path: &VerifiedPath<'_>| {
            let root_end = match roots.valid_until(path.anchor(), self.now_seconds()) {
                Validity::Valid(until) => until,
                Validity::Ended(at) => {
                    return Err(webpki::Error::CertExpired { time, not_after: unix_time(at) });
                }
                Validity::NotBegun(at) => {
                    return Err(webpki::Error::CertNotValidYet { time, not_before: unix_time(at) });
                }
            };
            let ends = path.intermediate_certificates().filter_map(|certificate| end_of(&certificate.der()));
            let until = ends.fold(own_end.min(root_end), i64::min);
            if longest.get() < Some(until) {
                longest.set(Some(until));
                let between: Vec<_> = path.intermediate_certificates().map(|certificate| certificate.der()).collect();
                let leaf = path.end_entity().der();
                self.note_path(std::iter::once(&leaf).chain(&between).chain(roots.certificate(path.anchor())));
            }
            // An error makes the search go on.
            if until == own_end { Ok(()) } else { Err(webpki::Error::UnknownIssuer) }
        };
        let found = end_entity.verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            roots.anchors(),
            rest,
            time,
            KeyUsage::server_auth(),
            None,
            Some(&look),
        );
        match (longest.get(), found) {
            (Some(until), _) => Ok(until),
            (None, Err(error)) => Err(error),
            (None, Ok(_)) => Err(webpki::Error::UnknownIssuer),
        }
    }

    fn note_path<'c>(&self, path: impl Iterator<Item = &'c CertificateDer<'c>>) {
        if self.keep_path {
            let path = path.filter_map(|der| self.known.identity(der)).collect();
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).path = path;
        }
    }

    fn now_seconds(&self) -> i64 {
        i64::try_from(self.now.as_secs()).unwrap_or(i64::MAX)
    }

    /// Whether the signature's certificate may be one that webpki cannot read: nobody trusts it anyway.
    fn reads_any_certificate(&self) -> bool {
        self.roots.is_none() || self.strictness == Strictness::WriteDown
    }
}

fn unix_time(seconds: i64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        ocsp: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verdict_on(leaf, rest, ocsp)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &super::provider().signature_verification_algorithms;
        match verify_tls12_signature(message, certificate, signed, algorithms) {
            Err(Error::InvalidCertificate(_)) if self.reads_any_certificate() => {
                verify_with_key(message, certificate, signed)
            }
            verified => verified,
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &super::provider().signature_verification_algorithms;
        match verify_tls13_signature(message, certificate, signed, algorithms) {
            Err(Error::InvalidCertificate(_)) if self.reads_any_certificate() => {
                verify_with_key(message, certificate, signed)
            }
            verified => verified,
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        super::provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Verifies with nothing but the certificate's key: old devices have certificates of version 1, which webpki does not read.
fn verify_with_key(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    const UNREADABLE: Error = Error::InvalidCertificate(CertificateError::BadEncoding);
    let (_, certificate) = X509Certificate::from_der(certificate).map_err(|_| UNREADABLE)?;
    let key = SubjectPublicKeyInfoDer::from(certificate.public_key().raw);
    let key = RawPublicKeyEntity::try_from(&key).map_err(|_| UNREADABLE)?;
    let schemes = super::provider().signature_verification_algorithms.mapping;
    let algorithms =
        schemes.iter().filter(|(scheme, _)| *scheme == signed.scheme).flat_map(|(_, algorithms)| *algorithms);
    for algorithm in algorithms {
        if key.verify_signature(*algorithm, message, signed.signature()).is_ok() {
            return Ok(HandshakeSignatureValid::assertion());
        }
    }
    Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into())
}

/// Hands out the settings' client certificate, and writes down that it was asked for.
impl ResolvesClientCert for Verifier {
    fn resolve(&self, issuers: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let key = self.client.resolve(issuers, schemes);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.client_certificate_asked = true;
        seen.client_certificate_given = key.is_some();
        key
    }

    fn has_certs(&self) -> bool {
        self.client.has_certs()
    }
}

/// The verdict in rustls' words, so that the peer gets the fitting alert.
fn explain(error: webpki::Error) -> CertificateError {
    match error {
        webpki::Error::CertExpired { .. } => CertificateError::Expired,
        webpki::Error::CertNotValidYet { .. } => CertificateError::NotValidYet,
        webpki::Error::UnknownIssuer
        | webpki::Error::CaUsedAsEndEntity
        | webpki::Error::InvalidSignatureForPublicKey => CertificateError::UnknownIssuer,
        webpki::Error::CertRevoked => CertificateError::Revoked,
        webpki::Error::CertNotValidForName(_) | webpki::Error::MalformedDnsIdentifier => {
            CertificateError::NotValidForName
        }
        other => CertificateError::Other(rustls::OtherError(Arc::new(other))),
    }
}
