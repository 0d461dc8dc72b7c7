//! The encrypted channel: settings, handshake, and what is read off it.
//!
//! A client configuration is built once for a module and rebuilt when one of its files changes. Each handshake gets a
//! verifier of its own, which writes down the chain before it decides: so the facts of a certificate are known also when
//! it is refused.

mod below;
mod identity;
mod judge;
mod name;
mod readings;
mod revocation;
mod roots;
mod scan;
mod seen;
mod session;
mod settings;
mod sign;
#[cfg(test)]
mod tests;
mod verify;

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
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
pub(super) use judge::alert;
pub(super) use readings::MEASURES;
use revocation::Wishes;
use roots::Roots;
pub(super) use roots::SystemRoots;
pub(crate) use rustls::SignatureScheme;
use scan::Answer;
pub use seen::{Seen, Trust};
pub use session::Session;
pub use settings::{TlsSettings, TlsVersion};
pub(crate) use sign::{random_bytes, rsa_signature};
use verify::{Named, Strictness, Verifier};

use crate::failure::{Failure, Reason};
use crate::net::{Net, Source, tls::settings::Pem};
use crate::phase::Phase;
use crate::recorder::Recorder;

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
    /// What the settings allow.
    range: RangeInclusive<TlsVersion>,
}

impl Built {
    /// The versions that are allowed and spoken.
    fn spoken(range: &RangeInclusive<TlsVersion>) -> Vec<&'static SupportedProtocolVersion> {
        let spoken = [(TlsVersion::Tls12, &rustls::version::TLS12), (TlsVersion::Tls13, &rustls::version::TLS13)];
        spoken.into_iter().filter(|(version, _)| range.contains(version)).map(|(_, version)| version).collect()
    }
}

/// What a server answers to the offer of a version.
#[derive(Debug, Clone)]
pub enum Offer {
    /// It would go on with this version, or with an older one where that is how the protocol works.
    Taken(Session),
    /// It ends the handshake with this alert.
    Refused(u8),
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

    /// The same client, which also looks into lists of revoked certificates if `wanted`.
    #[must_use]
    pub fn checking_revoked(mut self, wanted: bool) -> Self {
        self.settings.check_revoked |= wanted;
        self
    }

    /// The settings.
    pub const fn settings(&self) -> &TlsSettings {
        &self.settings
    }

    /// Whether the settings allow the version of this name.
    pub fn allows(&self, version: &str) -> bool {
        self.settings.range().is_ok_and(|range| {
            TlsVersion::ALL.into_iter().any(|known| known.name() == version && range.contains(&known))
        })
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
        let range = self.settings.range()?;
        let spoken = match Built::spoken(&range) {
            // Never used: the server is only asked what it would agree on.
            spoken if spoken.is_empty() => vec![&rustls::version::TLS12],
            spoken => spoken,
        };
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&spoken)
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
        Ok(Built { versions: pem.versions, config: Arc::new(config), roots, range })
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
        let (seen, shaken) = self.shake(Strictness::Refuse, net, recorder, stream, name).await;
        seen.read(recorder);
        let secured = shaken?;
        self.judge_revocation(net, recorder, &seen)?;
        Ok(secured)
    }

    /// As [`Self::handshake_in`], with a peer that only helps to ask, such as a proxy: nothing is read off it.
    pub(crate) async fn handshake_aside<S>(
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
        let (mut seen, mut shaken) = self.shake(Strictness::WriteDown, net, recorder, stream, name).await;
        if let Ok((_, session)) = &mut shaken
            && let Err(failure) = self.judge_revocation(net, recorder, &seen)
        {
            seen.trust = Trust::Refused(failure);
            session.seen.trust = seen.trust.clone();
        }
        seen.read(recorder);
        (seen, shaken)
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
        if *built.range.end() < TlsVersion::Tls12 {
            let (oldest, newest) = (*built.range.start(), *built.range.end());
            let failure = match self.offer_of(built, recorder, stream, newest, name).await {
                Ok(offer) => judge::too_old(&offer, oldest),
                Err(failure) => failure,
            };
            return (Seen::default(), Err(failure));
        }
        let old_allowed = *built.range.start() < TlsVersion::Tls12;
        let (config, server_name, verifier) = self.client_of(built, recorder, name, strictness);
        let connector = tokio_rustls::TlsConnector::from(config);
        let shaken = connector.connect(server_name, stream).await;
        let seen = verifier.take_seen();
        match shaken {
            Ok(stream) => {
                let session = Session::of(stream.get_ref().1, seen.clone());
                recorder.note(format_args!("{} with {}", session.version, session.cipher));
                (seen, Ok((stream, session)))
            }
            Err(error) => {
                let failure = judge::broken(&error, &seen, old_allowed);
                (seen, Err(failure))
            }
        }
    }

    /// A client for one handshake that another library makes.
    pub(super) fn client(&self, net: &Net, recorder: &Recorder, name: &str) -> Result<Client, Failure> {
        Ok(self.client_of(self.built(net)?, recorder, name, Strictness::Refuse))
    }

    fn client_of(&self, built: Built, recorder: &Recorder, name: &str, strictness: Strictness) -> Client {
        let mut config = ClientConfig::clone(&built.config);
        let verifier = Arc::new(self.verifier(built, recorder, name, strictness));
        // A name that no certificate can carry is still connected to where nobody verifies it.
        let server_name = verifier.name.server_name.clone();
        let server_name = server_name.unwrap_or(ServerName::IpAddress(Ipv4Addr::UNSPECIFIED.into()));
        config.client_auth_cert_resolver = Arc::<Verifier>::clone(&verifier);
        config.dangerous().set_certificate_verifier(Arc::<Verifier>::clone(&verifier));
        (Arc::new(config), server_name, verifier)
    }

    fn wishes(&self) -> Wishes {
        let TlsSettings { check_revoked, fail_if_revoked, fail_if_crl_unavailable, .. } = self.settings;
        Wishes { check: check_revoked, fail_if_revoked, fail_if_unavailable: fail_if_crl_unavailable }
    }

    /// What the lists of revoked certificates say. Only a verified chain is asked about: another could lead anywhere.
    pub(super) fn judge_revocation(&self, net: &Net, recorder: &mut Recorder, seen: &Seen) -> Result<(), Failure> {
        match (self.wishes(), &seen.trust) {
            (wishes, _) if !wishes.any() => Ok(()),
            (wishes, Trust::Verified(_)) => revocation::judge(net, recorder, wishes, &seen.path),
            _ => {
                recorder.note("revocation is not looked at: the chain is not verified");
                Ok(())
            }
        }
    }

    fn verifier(&self, built: Built, recorder: &Recorder, name: &str, strictness: Strictness) -> Verifier {
        let own_name = self.settings.server_name.as_deref().filter(|name| !name.is_empty());
        Verifier {
            roots: built.roots,
            name: Named::of(own_name.unwrap_or(name)),
            now: recorder.wall_clock().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO),
            strictness,
            keep_path: self.wishes().any(),
            known: Arc::clone(&self.known),
            client: Arc::clone(&built.config.client_auth_cert_resolver),
            seen: Mutex::default(),
        }
    }

    /// Asks the peer whether it takes a version, also one that this program does not speak, and what it would show. The
    /// connection is of no use afterwards. Enters no phase.
    pub async fn offer<S>(
        &self,
        net: &Net,
        recorder: &Recorder,
        stream: S,
        version: TlsVersion,
        name: &str,
    ) -> Result<Offer, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.offer_of(self.built(net)?, recorder, stream, version, name).await
    }

    /// After a handshake that the peer ended with an alert: asks it once more, on a connection of its own, whether it
    /// speaks what this program does not. Such a peer is not down.
    pub(crate) async fn explain(
        &self,
        net: &Net,
        recorder: &mut Recorder,
        (peer, source): (SocketAddr, Source),
        name: &str,
        failure: Failure,
    ) -> Failure {
        if failure.reason() != Reason::TlsAlert {
            return failure;
        }
        // Half of what is left, so that the failure itself is told in time.
        let room = recorder.deadline().saturating_duration_since(recorder.now()) / 2;
        let failure = recorder.leg_failed(failure);
        let asked = async {
            let stream = net.tcp_in(TLS, recorder, peer, source).await?;
            // Every version up to TLS 1.2 is offered by it.
            self.offer(net, recorder, stream, TlsVersion::Tls12, name).await
        };
        match tokio::time::timeout(room, asked).await {
            Ok(Ok(Offer::Taken(session))) if self.allows(session.version) => session.unspoken().unwrap_or(failure),
            _ => failure,
        }
    }

    async fn offer_of<S>(
        &self,
        built: Built,
        recorder: &Recorder,
        stream: S,
        version: TlsVersion,
        name: &str,
    ) -> Result<Offer, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let verifier = self.verifier(built, recorder, name, Strictness::WriteDown);
        match scan::ask(stream, version, verifier.name.server_name.as_ref()).await? {
            Answer::Alert(number) => Ok(Offer::Refused(number)),
            Answer::Agreed(agreed) => {
                verifier.look(&agreed.chain);
                let version = agreed.version_name();
                Ok(Offer::Taken(Session::of_offer(version, agreed.cipher, verifier.take_seen())))
            }
        }
    }
}

/// Numbers that nobody can guess.
fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    // If there are none now, a hello without a secret does as well.
    let _ = provider().secure_random.fill(&mut bytes);
    bytes
}

/// What a handshake needs: settings with their own verifier, whom to speak to, and the verifier, which tells later.
type Client = (Arc<ClientConfig>, ServerName<'static>, Arc<Verifier>);

/// Has the provider seed its random numbers, which takes it long the first time.
pub(super) fn seed() {
    // If there are none now, the handshake that needs them says so.
    let _ = random();
}

/// The one crypto provider, with its own pick of suites and key exchanges.
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: std::sync::OnceLock<Arc<CryptoProvider>> = std::sync::OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider())))
}
