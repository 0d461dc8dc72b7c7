//! Kind `tls`: asks a server for its certificate, and reads it whether it is trusted or not.
//!
//! A certificate that is not trusted does not end the handshake, so version, cipher suite and chain are known in any
//! case; the verdict comes after it, in the phase `verify`. Says nothing over the channel. Versions and suites that this
//! program does not speak are asked for on connections of their own, in the phase `scan`.

mod facts;
mod scan;
mod settings;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

use crate::failure::{Failure, Reason};
use crate::measure::Measure;
use crate::net::{self, Net, Seen, Session, TlsVersion, Trust};
use crate::phase::Phase;
use crate::probe::Probe;
use crate::recorder::Recorder;
use crate::target::{HostPort, Invalid, Target, port_number};
use crate::tls::scan::{SCAN, Server};
use crate::tls::settings::Settings;

/// The certificate is being judged.
const VERIFY: Phase = Phase::new("verify");

/// The port where a target names none (RFC 9110 section 4.2.2).
const HTTPS: u16 = 443;

/// A server that is asked for its certificate.
#[derive(Debug)]
pub(crate) struct Tls {
    settings: Arc<Settings>,
    host: Box<str>,
    port: u16,
    /// Whom the certificate must be for.
    name: Box<str>,
}

impl Probe for Tls {
    const NAME: &'static str = "tls";
    const ABOUT: &'static str = "Makes a TLS handshake and reads the server's certificates, trusted or not.";
    const TARGET: &'static str = "host:port";
    const PHASES: &'static [Phase] = &[net::RESOLVE, net::CONNECT, net::TLS, SCAN, VERIFY];
    const MEASURES: &'static [&'static Measure] = facts::MEASURES;
    type Settings = Settings;

    fn bind(settings: &Arc<Settings>, target: &Target) -> Result<Self, Invalid> {
        let text = target.text();
        let invalid = |what: &str| Invalid::Target(format!("{text:?} {what}, expected host or host:port"));
        let (host, port) = match text.parse() {
            Ok(IpAddr::V6(_)) => (text, HTTPS),
            _ => {
                let HostPort { host, port } = HostPort::split(text).ok_or_else(|| invalid("is no host and port"))?;
                let port = port.map_or(Some(HTTPS), port_number).ok_or_else(|| invalid("has an unknown port"))?;
                (host, port)
            }
        };
        let name = target.hostname().unwrap_or(host);
        Ok(Self { settings: Arc::clone(settings), host: host.into(), port, name: name.into() })
    }

    fn begin(_: &Settings, recorder: &mut Recorder) {
        recorder.declare(Self::PHASES);
    }

    async fn run(&self, net: &Net, recorder: &mut Recorder) -> Result<(), Failure> {
        let Settings { family, source_ip_address, tls, .. } = &*self.settings;
        let address = net.choose_peer(recorder, &self.host, self.port, *family).await?;
        let source = source_ip_address.get().inspect_err(|_| recorder.enter(net::CONNECT))?;
        let server = Server { settings: &self.settings, address, source, name: &self.name };
        let stream = net.tcp(recorder, server.address, source).await?;
        let (seen, shaken) = tls.examine(net, recorder, stream, &self.name).await;
        facts::read_seen(&seen, recorder);
        let session = match shaken {
            Ok((stream, session)) => {
                // Some servers take one connection at a time.
                drop(stream);
                session
            }
            Err(failure) => return Err(server.explain(net, recorder, &seen, failure).await),
        };
        facts::read_session(&session, recorder);
        let offered = server.offered(net, recorder).await?;
        recorder.enter(VERIFY);
        self.settings.verify(&session, recorder)?;
        self.settings.expect_refused(&offered)
    }
}

impl Settings {
    /// What the operator wants of a certificate and a channel, the gravest first.
    fn verify(&self, session: &Session, recorder: &Recorder) -> Result<(), Failure> {
        let seen = session.seen();
        if let Trust::Refused(failure) = seen.trust() {
            return Err(failure.clone());
        }
        if !self.valid_versions.is_empty()
            && !self.valid_versions.iter().any(|version| version.name() == session.version)
        {
            let message = format_args!("{} is not one of the valid versions", session.version);
            return Err(Failure::new(Reason::VersionUnexpected, message));
        }
        self.expect_fingerprint(seen)?;
        seen.expect_lasting(recorder.wall_clock(), self.fail_if_expires_within)
    }

    /// Whether the server refuses the versions that it should.
    fn expect_refused(&self, offered: &[TlsVersion]) -> Result<(), Failure> {
        match offered.iter().find(|version| self.fail_if_offers.contains(version)) {
            None => Ok(()),
            Some(version) => {
                let message = format_args!("the server still offers {}", version.name());
                Err(Failure::new(Reason::VersionUnexpected, message))
            }
        }
    }

    fn expect_fingerprint(&self, seen: &Seen) -> Result<(), Failure> {
        let shown = seen.identity().map_or("", |identity| identity.fingerprint_sha256.as_str());
        if self.fingerprints.is_empty() || self.fingerprints.iter().any(|expected| expected.text() == shown) {
            return Ok(());
        }
        let message = format_args!("the certificate with the fingerprint {shown} is not one of the expected");
        Err(Failure::new(Reason::TlsCertUnexpected, message))
    }
}
