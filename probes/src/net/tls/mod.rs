//! The encrypted channel: settings, handshake, and what is read off it.
//!
//! A client configuration is built once for a module and rebuilt when one of its files changes. Each handshake gets a
//! verifier of its own, which writes down the chain before it decides: so the facts of a certificate are known also when
//! it is refused.

mod identity;
mod settings;
mod verify;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, ProtocolVersion, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};

pub use identity::Identity;
pub use settings::{TlsSettings, TlsVersion};
pub(super) use verify::SystemRoots;
use verify::{Roots, Verifier};

use crate::failure::{Failure, Reason};
use crate::measure::{Measure, Unit};
use crate::net::{Net, tls::settings::Pem};
use crate::recorder::{Phase, Recorder};

/// The encrypted channel is being built.
pub const TLS: Phase = Phase::new("tls").whole_only();

/// What Go prints for a time that was never set: the value of the last chain's expiry without a verified chain.
const NEVER: f64 = -62_135_596_800.0;

static EARLIEST_EXPIRY: Measure = Measure::level(
    "probe_ssl_earliest_cert_expiry",
    Unit::Timestamp,
    "Earliest end of validity of the certificates the peer sent.",
);
static LAST_CHAIN_EXPIRY: Measure = Measure::level(
    "probe_ssl_last_chain_expiry_timestamp_seconds",
    Unit::Timestamp,
    "Latest end of validity of the verified chains.",
);
static LAST_CHAIN_INFO: Measure =
    Measure::level("probe_ssl_last_chain_info", Unit::Info, "The peer's own certificate.").labels(&[
        "fingerprint_sha256",
        "subject",
        "issuer",
        "subjectalternative",
        "serialnumber",
    ]);
static VERSION_INFO: Measure =
    Measure::level("probe_tls_version_info", Unit::Info, "TLS version agreed on.").labels(&["version"]);
static CIPHER_INFO: Measure =
    Measure::level("probe_tls_cipher_info", Unit::Info, "Cipher suite agreed on.").labels(&["cipher"]);

static CERT_NOT_AFTER: Measure = Measure::level(
    "probe_tls_certificate_not_after_timestamp_seconds",
    Unit::Timestamp,
    "End of validity of the peer's own certificate, verified or not.",
)
.extra();
static CERT_NOT_BEFORE: Measure = Measure::level(
    "probe_tls_certificate_not_before_timestamp_seconds",
    Unit::Timestamp,
    "Start of validity of the peer's own certificate, verified or not.",
)
.extra();
static CERT_VERIFIED: Measure = Measure::level(
    "probe_tls_certificate_verified",
    Unit::None,
    "1 if the certificate was verified against trusted authorities, the name and the time.",
)
.extra();
static CHAIN_CERTIFICATES: Measure =
    Measure::level("probe_tls_chain_certificates", Unit::None, "How many certificates the peer sent.").extra();

pub(super) const MEASURES: &[&Measure] = &[
    &EARLIEST_EXPIRY,
    &LAST_CHAIN_EXPIRY,
    &LAST_CHAIN_INFO,
    &VERSION_INFO,
    &CIPHER_INFO,
    &CERT_NOT_AFTER,
    &CERT_NOT_BEFORE,
    &CERT_VERIFIED,
    &CHAIN_CERTIFICATES,
];

/// The stream after a handshake.
pub type Secured<S> = tokio_rustls::client::TlsStream<S>;

/// A module's TLS client.
#[derive(Debug)]
pub struct Tls {
    settings: TlsSettings,
    alpn: Vec<Vec<u8>>,
    built: Mutex<Option<Built>>,
}

#[derive(Debug, Clone)]
struct Built {
    /// Versions of the files it was built from.
    versions: Vec<u64>,
    config: Arc<ClientConfig>,
    roots: Option<Arc<Roots>>,
}

impl Tls {
    /// A client that offers these application protocols, none if empty.
    pub fn new(settings: TlsSettings, alpn: &[&str]) -> Self {
        Self { settings, alpn: alpn.iter().map(|name| name.as_bytes().to_vec()).collect(), built: Mutex::new(None) }
    }

    /// The settings.
    pub const fn settings(&self) -> &TlsSettings {
        &self.settings
    }

    /// Whether the settings can be used: files readable, versions in order.
    pub fn check(&self, net: &Net) -> Result<(), Failure> {
        self.built(net).map(drop)
    }

    fn built(&self, net: &Net) -> Result<Built, Failure> {
        let pem = self.settings.pem(net)?;
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(built) = &*built
            && built.versions == pem.versions
        {
            return Ok(built.clone());
        }
        let fresh = self.build(net, pem)?;
        *built = Some(fresh.clone());
        Ok(fresh)
    }

    fn build(&self, net: &Net, pem: Pem) -> Result<Built, Failure> {
        let unusable = |what: &str, error: &dyn std::fmt::Display| {
            Failure::new(Reason::ConfigUnusable, format_args!("tls_config: {what}: {error}"))
        };
        let roots = match (&pem.ca, self.settings.insecure_skip_verify) {
            (_, true) => None,
            (None, false) => Some(net.roots.get()?),
            (Some(ca), false) => {
                let roots = Roots::of_pem(ca).map_err(|error| unusable("ca", &error))?;
                Some(Arc::new(roots))
            }
        };
        let versions = self.settings.versions()?;
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&versions)
            .map_err(|error| unusable("versions", &error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Verifier::refusing()));
        let mut config = match (&pem.cert, &pem.key) {
            (Some(cert), Some(key)) => {
                let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(cert).collect();
                let chain = chain.map_err(|error| unusable("cert", &error))?;
                let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| unusable("key", &error))?;
                builder.with_client_auth_cert(chain, key).map_err(|error| unusable("cert and key", &error))?
            }
            _ => builder.with_no_client_auth(),
        };
        // Every probe makes a full handshake: that is what is measured.
        config.resumption = Resumption::disabled();
        config.alpn_protocols.clone_from(&self.alpn);
        Ok(Built { versions: pem.versions, config: Arc::new(config), roots })
    }

    /// Builds the encrypted channel, in phase [`TLS`], and writes down what the peer showed. `name` is what the
    /// certificate is verified for where the settings name none; IP addresses are not sent as server name.
    pub async fn handshake<S>(
        &self,
        net: &Net,
        recorder: &mut Recorder,
        stream: S,
        name: &str,
    ) -> Result<(Secured<S>, Session), Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.handshake_in(TLS, net, recorder, stream, name).await
    }

    /// As [`Self::handshake`], in a phase of the kind's own: for kinds that count it as part of connecting.
    pub async fn handshake_in<S>(
        &self,
        phase: Phase,
        net: &Net,
        recorder: &mut Recorder,
        stream: S,
        name: &str,
    ) -> Result<(Secured<S>, Session), Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        recorder.enter(phase);
        let built = self.built(net)?;
        let name = self.settings.server_name.as_deref().filter(|name| !name.is_empty()).unwrap_or(name);
        // A name that no certificate can carry is still connected to where nobody verifies it.
        let (server_name, verifiable) = match ServerName::try_from(name.to_owned()) {
            Ok(server_name) => (server_name, true),
            Err(_) => (ServerName::IpAddress(std::net::Ipv4Addr::UNSPECIFIED.into()), false),
        };
        let now = recorder.wall_clock().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let verifier = Arc::new(Verifier::new(built.roots.clone(), verifiable.then(|| server_name.clone()), now));
        let mut config = ClientConfig::clone(&built.config);
        config.dangerous().set_certificate_verifier(Arc::<Verifier>::clone(&verifier));
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let shaken = connector.connect(server_name, stream).await;
        let seen = verifier.seen();
        seen.read(recorder);
        match shaken {
            Ok(stream) => {
                let session = Session::of(stream.get_ref().1, seen);
                recorder.note(format_args!("{} with {}", session.version, session.cipher));
                Ok((stream, session))
            }
            Err(error) => Err(verify::judge(name, &error, &seen)),
        }
    }
}

/// The one crypto provider, with its own pick of suites and key exchanges.
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: std::sync::OnceLock<Arc<CryptoProvider>> = std::sync::OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider())))
}

/// What was agreed on in a handshake.
#[derive(Debug, Clone)]
pub struct Session {
    /// `TLS 1.2` or `TLS 1.3`.
    pub version: &'static str,
    /// The suite's IANA name.
    pub cipher: String,
    /// The application protocol, if one was agreed on.
    pub alpn: Option<Vec<u8>>,
    seen: verify::Seen,
}

impl Session {
    fn of(connection: &rustls::ClientConnection, seen: verify::Seen) -> Self {
        let version = match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
            Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
            _ => "unknown",
        };
        let cipher = connection.negotiated_cipher_suite().map_or_else(String::new, |suite| cipher_name(suite.suite()));
        Self { version, cipher, alpn: connection.alpn_protocol().map(<[u8]>::to_vec), seen }
    }

    /// The peer's own certificate.
    pub fn identity(&self) -> Option<&Identity> {
        self.seen.identity()
    }

    /// Writes down the metrics that blackbox_exporter shows of a channel; `with_cipher` where it shows the suite. What
    /// an earlier channel of the same leg left is forgotten: a run can start TLS inside TLS.
    pub fn read(&self, recorder: &mut Recorder, with_cipher: bool) {
        for measure in [&EARLIEST_EXPIRY, &LAST_CHAIN_INFO, &VERSION_INFO, &CIPHER_INFO] {
            recorder.forget(measure);
        }
        recorder.read_with(&VERSION_INFO, &[self.version], 1.0);
        if with_cipher {
            recorder.read_with(&CIPHER_INFO, &[&self.cipher], 1.0);
        }
        if let Some(earliest) = self.seen.earliest_expiry() {
            recorder.read(&EARLIEST_EXPIRY, earliest);
        }
        recorder.read(&LAST_CHAIN_EXPIRY, self.seen.verified_until().unwrap_or(NEVER));
        if let Some(identity) = self.seen.identity() {
            let Identity { fingerprint_sha256, subject, issuer, dns_names, serial, .. } = identity;
            recorder.read_with(&LAST_CHAIN_INFO, &[fingerprint_sha256, subject, issuer, dns_names, serial], 1.0);
        }
    }
}

/// rustls spells TLS 1.3 suites with a prefix of its own.
fn cipher_name(suite: rustls::CipherSuite) -> String {
    let name = format!("{suite:?}");
    name.strip_prefix("TLS13_").map_or(name.clone(), |rest| format!("TLS_{rest}"))
}

fn protocol_version(version: TlsVersion) -> Option<&'static SupportedProtocolVersion> {
    match version {
        TlsVersion::Tls10 | TlsVersion::Tls11 => None,
        TlsVersion::Tls12 => Some(&rustls::version::TLS12),
        TlsVersion::Tls13 => Some(&rustls::version::TLS13),
    }
}
