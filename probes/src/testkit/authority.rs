//! Certificates that live as long as a test.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, CrlDistributionPoint,
    CrlIssuingDistributionPoint, DnType, ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SerialNumber,
};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// An authority made for one test.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key.
#[derive(Debug)]
pub struct Leaf {
    /// The certificate.
    pub der: CertificateDer<'static>,
    /// The certificate as PEM.
    pub pem: String,
    /// The key as PEM.
    pub key_pem: String,
    key: KeyPair,
    /// What a server sends after the certificate.
    chain: Vec<CertificateDer<'static>>,
    /// What a server says of its revocation.
    ocsp: Option<Vec<u8>>,
}

/// A list of revoked certificates.
#[derive(Debug, Clone)]
pub struct ListOf {
    /// Serial numbers.
    pub revoked: Vec<Vec<u8>>,
    /// Since when it counts.
    pub from: SystemTime,
    /// When the next one is due.
    pub until: SystemTime,
    /// The address it is made for, if it says so.
    pub address: Option<String>,
}

impl Default for ListOf {
    fn default() -> Self {
        Self { revoked: Vec::new(), from: in_days(-1.0), until: in_days(7.0), address: None }
    }
}

/// The moment that many days from now.
pub fn in_days(days: f64) -> SystemTime {
    let distance = Duration::from_secs_f64(days.abs() * 86_400.0);
    if days < 0.0 { SystemTime::now() - distance } else { SystemTime::now() + distance }
}

/// Parameters of an authority's certificate.
fn authority_params(name: &str, from: SystemTime, until: SystemTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = from.into();
    params.not_after = until.into();
    params
}

/// Parameters of a server's certificate for these names or addresses.
fn leaf_params(names: &[&str], from: SystemTime, until: SystemTime) -> CertificateParams {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params.not_before = from.into();
    params.not_after = until.into();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

impl Authority {
    /// A new authority, valid for a hundred days.
    pub fn new() -> Self {
        Self::valid(in_days(-1.0), in_days(100.0))
    }

    /// A new authority with these bounds.
    pub fn valid(from: SystemTime, until: SystemTime) -> Self {
        Self::of_key(&KeyPair::generate().expect("a key"), from, until)
    }

    fn of_key(key: &KeyPair, from: SystemTime, until: SystemTime) -> Self {
        let params = authority_params("tuermer test authority", from, until);
        let key = KeyPair::try_from(key.serialize_der()).expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    /// The same name and key in a certificate with other bounds.
    pub fn renewed(&self, from: SystemTime, until: SystemTime) -> Self {
        Self::of_key(self.0.key(), from, until)
    }

    /// An authority below this one.
    pub fn intermediate(&self, name: &str, from: SystemTime, until: SystemTime) -> Self {
        let params = authority_params(name, from, until);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::signed_by(params, key, &self.0).expect("a certificate"))
    }

    /// Two authorities below this one with the same name and key, which end at different times.
    pub fn intermediate_pair(&self, name: &str, from: SystemTime, until: [SystemTime; 2]) -> (Self, Self) {
        let key = KeyPair::generate().expect("a key");
        let signed = |until| {
            let key = KeyPair::try_from(key.serialize_der()).expect("a key");
            let params = authority_params(name, from, until);
            Self(CertifiedIssuer::signed_by(params, key, &self.0).expect("a certificate"))
        };
        (signed(until[0]), signed(until[1]))
    }

    /// The authority's list of revoked certificates, as DER.
    pub fn revocation_list(&self, list: &ListOf) -> Vec<u8> {
        let revoked = list.revoked.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from_slice(serial),
            revocation_time: list.from.into(),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: list.from.into(),
            next_update: list.until.into(),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: list.address.clone().map(|address| CrlIssuingDistributionPoint {
                distribution_point: CrlDistributionPoint { uris: vec![address] },
                scope: None,
            }),
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.0).expect("a list").der().to_vec()
    }

    /// A certificate with this serial number, whose list of revoked ones is at this address.
    pub fn listed_leaf(&self, names: &[&str], serial: &[u8], url: &str) -> Leaf {
        self.leaf_with(names, |params| {
            params.serial_number = Some(SerialNumber::from_slice(serial));
            params.crl_distribution_points = vec![CrlDistributionPoint { uris: vec![url.to_owned()] }];
        })
    }

    /// The authority's certificate.
    pub fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    /// The authority's certificate as PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these names or addresses, valid from yesterday for thirty days.
    pub fn leaf(&self, names: &[&str]) -> Leaf {
        self.leaf_valid(names, in_days(-1.0), in_days(30.0))
    }

    /// A certificate that ended yesterday.
    pub fn expired_leaf(&self, names: &[&str]) -> Leaf {
        self.leaf_valid(names, in_days(-30.0), in_days(-1.0))
    }

    /// A certificate with these bounds.
    pub fn leaf_valid(&self, names: &[&str], from: SystemTime, until: SystemTime) -> Leaf {
        self.leaf_with(names, |params| {
            params.not_before = from.into();
            params.not_after = until.into();
        })
    }

    /// A certificate that differs from an ordinary one in any way.
    pub fn leaf_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Leaf {
        let mut params = leaf_params(names, in_days(-1.0), in_days(30.0));
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        Leaf::of(&certificate, key)
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Leaf {
    fn of(certificate: &rcgen::Certificate, key: KeyPair) -> Self {
        let (der, pem) = (certificate.der().clone(), certificate.pem());
        Self { der, pem, key_pem: key.serialize_pem(), key, chain: Vec::new(), ocsp: None }
    }

    /// A certificate that vouches for itself.
    pub fn self_signed(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = leaf_params(names, in_days(-1.0), in_days(30.0));
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        Self::of(&params.self_signed(&key).expect("a certificate"), key)
    }

    /// The same, sent with these certificates after it.
    #[must_use]
    pub fn with_chain(mut self, chain: impl IntoIterator<Item = CertificateDer<'static>>) -> Self {
        self.chain = chain.into_iter().collect();
        self
    }

    /// The same, sent with these bytes as the authority's statement on its revocation.
    #[must_use]
    pub fn with_ocsp(mut self, statement: &[u8]) -> Self {
        self.ocsp = Some(statement.to_vec());
        self
    }

    /// A server that shows this certificate.
    pub fn server(&self) -> Arc<ServerConfig> {
        Arc::new(self.server_config(&[]))
    }

    /// A server that shows this certificate and speaks these application protocols.
    pub fn server_config(&self, alpn: &[&str]) -> ServerConfig {
        let mut config = self.config(None, rustls::ALL_VERSIONS);
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    }

    /// A server that shows this certificate and speaks one version of TLS.
    pub fn server_of_version(&self, version: &'static SupportedProtocolVersion) -> Arc<ServerConfig> {
        Arc::new(self.config(None, &[version]))
    }

    /// A server that shows this certificate, speaks one version of TLS and wants a client certificate of an authority.
    pub fn server_for_clients_of(
        &self,
        clients: &Authority,
        version: &'static SupportedProtocolVersion,
    ) -> Arc<ServerConfig> {
        Arc::new(self.config(Some(clients), &[version]))
    }

    fn config(&self, clients: Option<&Authority>, versions: &[&'static SupportedProtocolVersion]) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).expect("a key");
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_protocol_versions(versions).expect("versions");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(clients.der()).expect("an authority");
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
            }
        };
        let chain = std::iter::once(&self.der).chain(&self.chain).cloned().collect();
        // Not `with_single_cert`: it refuses certificates that only a careless server shows.
        let signing_key = provider_key(key);
        let mut certified = rustls::sign::CertifiedKey::new(chain, signing_key);
        certified.ocsp.clone_from(&self.ocsp);
        builder.with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified)))
    }
}

fn provider_key(key: PrivateKeyDer<'static>) -> Arc<dyn rustls::sign::SigningKey> {
    rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).expect("a key that can sign")
}
