//! How TLS is served: certificates, versions, suites, clients.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::{RootCertStore, ServerConfig, SupportedCipherSuite};
use tuermer_probes::net::FileContent;

use crate::config::web::{Curve, Pem, Suite, TlsConfig, Version, WebConfig};

/// Protocols offered in the handshake (RFC 7301; RFC 9113 section 3.2).
const HTTP_2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";

/// The PEM blocks that TLS is served with.
pub(super) struct Material {
    certificate: FileContent,
    key: FileContent,
    authorities: Option<FileContent>,
}

/// What tells one state of everything from another.
#[derive(Debug)]
pub(super) struct Stamp {
    config: Arc<WebConfig>,
    versions: [u64; 3],
}

impl Stamp {
    /// Whether nothing has changed.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.config, &other.config) && self.versions == other.versions
    }
}

impl Material {
    pub(super) fn read(
        settings: &TlsConfig,
        content: impl Fn(&Path) -> Result<FileContent, Arc<str>>,
    ) -> Result<Self, Arc<str>> {
        let read = |pem: &Pem| match pem {
            Pem::Inline(text) => Ok(FileContent { bytes: text.as_bytes().into(), version: 0 }),
            Pem::File(path) => content(path),
        };
        Ok(Self {
            certificate: read(&settings.certificate)?,
            key: read(&settings.key)?,
            authorities: settings.client_authorities.as_ref().map(read).transpose()?,
        })
    }

    pub(super) fn stamp(&self, config: &Arc<WebConfig>) -> Stamp {
        let authorities = self.authorities.as_ref().map_or(0, |content| content.version);
        Stamp { config: Arc::clone(config), versions: [self.certificate.version, self.key.version, authorities] }
    }
}

/// TLS as the settings want it.
pub(super) fn build(config: &WebConfig, settings: &TlsConfig, material: &Material) -> Result<ServerConfig, String> {
    let chain = certificates(&material.certificate.bytes).map_err(|why| format!("the certificate: {why}"))?;
    let key = PrivateKeyDer::from_pem_slice(&material.key.bytes).map_err(|_| "the key: no key in PEM".to_owned())?;
    let authorities = material.authorities.as_ref().map(|content| roots(&content.bytes)).transpose()?;

    let provider = Arc::new(provider(settings));
    let has_suites_of_tls12 = provider.cipher_suites.iter().any(|suite| suite.tls13().is_none());
    let mut versions = Vec::with_capacity(2);
    if settings.max_version >= Version::Tls13 {
        versions.push(&rustls::version::TLS13);
    }
    if settings.min_version <= Version::Tls12 && has_suites_of_tls12 {
        versions.push(&rustls::version::TLS12);
    }
    let clients = super::clients::verifier(settings, authorities, &provider)?;
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)
        .map_err(|error| format!("TLS cannot be served so: {error}"))?;
    let are_clients_asked = clients.is_some();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => builder.with_client_cert_verifier(clients),
    };
    let mut tls =
        builder.with_single_cert(chain, key).map_err(|error| format!("certificate and key cannot be used: {error}"))?;
    tls.alpn_protocols = if config.http2 { vec![HTTP_2.to_vec(), HTTP_1.to_vec()] } else { vec![HTTP_1.to_vec()] };
    if are_clients_asked {
        // A session taken up again shows no certificate again: its authority may have been taken away meanwhile
        // (CVE-2025-68121).
        tls.session_storage = Arc::new(NoServerSessionStorage {});
        tls.send_tls13_tickets = 0;
    }
    Ok(tls)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err("no certificate in PEM".to_owned()),
        Err(error) => Err(format!("not PEM: {error}")),
    }
}

fn roots(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem).map_err(|why| format!("the authorities of clients: {why}"))? {
        roots.add(certificate).map_err(|error| format!("an authority of clients cannot be used: {error}"))?;
    }
    Ok(roots)
}

/// The library's provider with what the settings leave of it. The suites of TLS 1.3 are not chosen, as in Go.
fn provider(settings: &TlsConfig) -> CryptoProvider {
    let mut provider = default_provider();
    if !settings.suites.is_empty() {
        let is_chosen =
            |suite: &SupportedCipherSuite| suite.tls13().is_some() || settings.suites.iter().any(|s| is(*s, suite));
        provider.cipher_suites.retain(is_chosen);
    }
    if !settings.curves.is_empty() {
        provider.kx_groups = settings.curves.iter().filter_map(|curve| exchange(*curve)).collect();
    }
    provider
}

fn is(wanted: Suite, suite: &SupportedCipherSuite) -> bool {
    format!("{:?}", suite.suite()) == wanted.name()
}

fn exchange(curve: Curve) -> Option<&'static dyn SupportedKxGroup> {
    match curve {
        Curve::P256 => Some(kx_group::SECP256R1),
        Curve::P384 => Some(kx_group::SECP384R1),
        Curve::P521 => None,
        Curve::X25519 => Some(kx_group::X25519),
        Curve::X25519MLKEM768 => Some(kx_group::X25519MLKEM768),
    }
}
