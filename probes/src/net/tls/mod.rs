//! The encrypted channel: settings, handshake, and what is read off it.
//!
//! A client configuration is built once for a module and rebuilt when one of its files changes. Each handshake gets a
//! verifier of its own, which writes down the chain before it decides: so the facts of a certificate are known also when
//! it is refused.

mod identity;
mod judge;
mod name;
mod readings;
mod roots;
mod seen;
mod session;
mod settings;
#[cfg(test)]
mod tests;
mod verify;

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};

pub use identity::Identity;
use identity::Known;
pub(super) use readings::MEASURES;
use roots::Roots;
pub(super) use roots::SystemRoots;
pub use seen::{Seen, Trust};
pub use session::Session;
pub use settings::{TlsSettings, TlsVersion};
use verify::{Named, Strictness, Verifier};

use crate::failure::{Failure, Reason};
use crate::net::{Net, tls::settings::Pem};
use crate::recorder::{Phase, Recorder};

/// The encrypted channel is being built.
pub const TLS: Phase = Phase::new("tls").whole_only();

/// The stream after a handshake.
pub type Secured<S> = tokio_rustls::client::TlsStream<S>;

/// A module's TLS client.
#[derive(Debug)]
pub struct Tls {
    settings: TlsSettings,
    alpn: Vec<Vec<u8>>,
    built: Mutex<Option<Built>>,
    known: Arc<Known>,
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
        Self {
            settings,
            alpn: alpn.iter().map(|name| name.as_bytes().to_vec()).collect(),
            built: Mutex::default(),
            known: Arc::default(),
        }
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

    fn build(&self, net: &Net, pem: Pem<'_>) -> Result<Built, Failure> {
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
            .with_custom_certificate_verifier(Arc::new(verify::Nobody));
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
        self.shake(Strictness::Refuse, net, recorder, stream, name).await.1
    }

    /// As [`Self::handshake`], but a certificate that is not trusted does not end it: whether it is trusted is in
    /// [`Seen::trust`]. For kinds that ask about certificates and say nothing over the channel.
    pub async fn examine<S>(
        &self,
        net: &Net,
        recorder: &mut Recorder,
        stream: S,
        name: &str,
    ) -> (Seen, Result<(Secured<S>, Session), Failure>)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        recorder.enter(TLS);
        self.shake(Strictness::WriteDown, net, recorder, stream, name).await
    }

    async fn shake<S>(
        &self,
        strictness: Strictness,
        net: &Net,
        recorder: &mut Recorder,
        stream: S,
        name: &str,
    ) -> (Seen, Result<(Secured<S>, Session), Failure>)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let built = match self.built(net) {
            Ok(built) => built,
            Err(failure) => return (Seen::default(), Err(failure)),
        };
        let name = Named::of(self.settings.server_name.as_deref().filter(|name| !name.is_empty()).unwrap_or(name));
        // A name that no certificate can carry is still connected to where nobody verifies it.
        let server_name = name.server_name.clone().unwrap_or(ServerName::IpAddress(Ipv4Addr::UNSPECIFIED.into()));
        let mut config = ClientConfig::clone(&built.config);
        let verifier = Arc::new(Verifier {
            roots: built.roots,
            name,
            now: recorder.wall_clock().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO),
            strictness,
            known: Arc::clone(&self.known),
            client: Arc::clone(&config.client_auth_cert_resolver),
            seen: Mutex::default(),
        });
        config.client_auth_cert_resolver = Arc::<Verifier>::clone(&verifier);
        config.dangerous().set_certificate_verifier(Arc::<Verifier>::clone(&verifier));
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let shaken = connector.connect(server_name, stream).await;
        let seen = verifier.take_seen();
        seen.read(recorder);
        match shaken {
            Ok(stream) => {
                let session = Session::of(stream.get_ref().1, seen.clone());
                recorder.note(format_args!("{} with {}", session.version, session.cipher));
                (seen, Ok((stream, session)))
            }
            Err(error) => {
                let failure = judge::broken(&error, &seen);
                (seen, Err(failure))
            }
        }
    }
}

/// Has the provider seed its random numbers, which takes it long the first time.
pub(super) fn seed() {
    let mut bytes = [0; 32];
    // If there are none now, the handshake that needs them says so.
    let _ = provider().secure_random.fill(&mut bytes);
}

/// The one crypto provider, with its own pick of suites and key exchanges.
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: std::sync::OnceLock<Arc<CryptoProvider>> = std::sync::OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider())))
}

fn protocol_version(version: TlsVersion) -> Option<&'static SupportedProtocolVersion> {
    match version {
        TlsVersion::Tls10 | TlsVersion::Tls11 => None,
        TlsVersion::Tls12 => Some(&rustls::version::TLS12),
        TlsVersion::Tls13 => Some(&rustls::version::TLS13),
    }
}
