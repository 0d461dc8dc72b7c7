//! What the server takes that this program does not speak: old versions, weak suites.

use std::net::SocketAddr;

use crate::failure::{Failure, Reason};
use crate::net::{Net, Offer, Seen, Session, Source, TlsVersion};
use crate::phase::Phase;
use crate::recorder::Recorder;
use crate::tls::facts;
use crate::tls::settings::Settings;

/// Versions are being asked for.
pub(super) const SCAN: Phase = Phase::new("scan");

/// Whom to ask again.
pub(super) struct Server<'a> {
    pub(super) settings: &'a Settings,
    pub(super) address: SocketAddr,
    pub(super) source: Source,
    pub(super) name: &'a str,
}

impl Server<'_> {
    async fn ask(&self, net: &Net, recorder: &mut Recorder, version: TlsVersion) -> Result<Offer, Failure> {
        let stream = net.tcp_in(SCAN, recorder, self.address, self.source).await?;
        self.settings.tls.offer(net, recorder, stream, version, self.name).await
    }

    /// Which of the versions that the settings name the server takes.
    pub(super) async fn offered(&self, net: &Net, recorder: &mut Recorder) -> Result<Vec<TlsVersion>, Failure> {
        let mut offered = Vec::new();
        for version in &self.settings.scanned {
            let takes = match self.ask(net, recorder, *version).await {
                // A server that agrees on an older version has refused this one.
                Ok(Offer::Taken(session)) => session.version == version.name(),
                Ok(Offer::Refused(_)) => false,
                // Old servers hang up instead of saying why.
                Err(failure) if matches!(failure.reason(), Reason::ClosedEarly | Reason::ConnectionReset) => false,
                Err(failure) => return Err(failure),
            };
            recorder.read_with(&facts::OFFERED, &[version.name()], f64::from(u8::from(takes)));
            if takes {
                offered.push(*version);
            }
        }
        Ok(offered)
    }

    /// After a handshake that broke: reads what the server would have agreed on, and says whose fault it is. An honest
    /// verdict needs it: a server that speaks what this program does not is not down.
    pub(super) async fn explain(&self, net: &Net, recorder: &mut Recorder, seen: &Seen, failure: Failure) -> Failure {
        let is_of_interest = matches!(failure.reason(), Reason::TlsAlert | Reason::TlsHandshake | Reason::AgentUnbuilt);
        if !is_of_interest || seen.certificates() > 0 {
            return failure;
        }
        // Half of what is left, so that the failure itself is told in time.
        let room = recorder.deadline().saturating_duration_since(recorder.now()) / 2;
        let failure = recorder.leg_failed(failure);
        // Every version up to TLS 1.2 is offered by it.
        let asked = tokio::time::timeout(room, self.ask(net, recorder, TlsVersion::Tls12)).await;
        let Ok(Ok(Offer::Taken(session))) = asked else { return failure };
        facts::read_seen(session.seen(), recorder);
        facts::read_session(&session, recorder);
        self.judge(&session, recorder).unwrap_or(failure)
    }

    fn judge(&self, session: &Session, recorder: &Recorder) -> Option<Failure> {
        let version = session.version;
        if let Err(failure) = self.settings.verify(session, recorder) {
            return Some(failure);
        }
        if !self.settings.tls.allows(version) {
            let message = format_args!("the server speaks {version} at best, which tls_config does not allow");
            return Some(Failure::new(Reason::VersionUnexpected, message));
        }
        // Otherwise something else broke the handshake.
        session.unspoken()
    }
}
