//! Kind `tcp`: opens a connection and holds a dialogue of lines or bytes, in plain text or encrypted.
//!
//! Behaves as blackbox_exporter's prober of the same name. Knows no protocol: what is said is the operator's.

pub(crate) mod dialogue;
pub(crate) mod entry;
pub(crate) mod template;
#[cfg(test)]
mod tests;
pub(crate) mod wire;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::failure::Failure;
use crate::measure::Measure;
use crate::net::{self, Family, Net, Tls, TlsSettings};
use crate::phase::Phase;
use crate::probe::Probe;
use crate::recorder::Recorder;
use crate::settings::{IpProtocol, SourceAddress, yes};
use crate::target::{HostPort, Invalid, Target, port_number};
use crate::tcp::dialogue::{Dialogue, EXCHANGE};
use crate::tcp::wire::Wire;

/// A question put to a TCP port.
#[derive(Debug)]
pub(crate) struct Tcp {
    settings: Arc<Settings>,
    host: Box<str>,
    port: u16,
    /// What a certificate must be for.
    name: Box<str>,
}

/// How a TCP port is asked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct Settings {
    /// Address family to try first.
    #[serde(default)]
    preferred_ip_protocol: IpProtocol,
    /// Whether the other address family will do.
    #[serde(default = "yes")]
    ip_protocol_fallback: bool,
    /// Local address to speak from.
    #[serde(default)]
    source_ip_address: SourceAddress,
    /// What is expected and sent, in order.
    #[serde(default)]
    query_response: Dialogue,
    /// Whether the connection is encrypted from the start.
    #[serde(default)]
    tls: bool,
    /// How the encrypted channel is built, at the start or by `starttls`.
    #[serde(default = "default_tls", deserialize_with = "read_tls")]
    #[schemars(with = "TlsSettings")]
    tls_config: Tls,
    /// Whether lists of revoked certificates are looked into, as `check_revoked` of `tls_config`.
    #[serde(default)]
    check_revoked: bool,
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The derived function of the same name.
        let settings = Self::deserialize(deserializer)?;
        Ok(Self { tls_config: settings.tls_config.checking_revoked(settings.check_revoked), ..settings })
    }
}

/// A client that offers no application protocol.
pub(crate) fn default_tls() -> Tls {
    Tls::new(TlsSettings::default(), &[])
}

/// A client of these settings that offers no application protocol.
pub(crate) fn read_tls<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Tls, D::Error> {
    Ok(Tls::new(<TlsSettings as Deserialize>::deserialize(deserializer)?, &[]))
}

impl Probe for Tcp {
    const NAME: &'static str = "tcp";
    const ABOUT: &'static str = "Opens a TCP connection and holds a dialogue.";
    const TARGET: &'static str = "host:port";
    const PHASES: &'static [Phase] = &[net::RESOLVE, net::CONNECT, net::TLS, EXCHANGE];
    const PHASES_EXTRA: bool = true;
    const HOSTNAME: Option<&'static [&'static str]> = Some(&["tls_config", "server_name"]);
    const MEASURES: &'static [&'static Measure] = dialogue::MEASURES;
    type Settings = Settings;

    fn bind(settings: &Arc<Settings>, target: &Target) -> Result<Self, Invalid> {
        let text = target.text();
        let invalid = |what: &str| Invalid::Target(format!("{text:?} {what}, expected host:port"));
        let HostPort { host, port } = HostPort::split(text).ok_or_else(|| invalid("is no host and port"))?;
        let port = port.ok_or_else(|| invalid("has no port"))?;
        let port = port_number(port).ok_or_else(|| invalid("has an unknown port"))?;
        let name = target.hostname().unwrap_or(host);
        Ok(Self { settings: Arc::clone(settings), host: host.into(), port, name: name.into() })
    }

    fn begin(settings: &Settings, recorder: &mut Recorder) {
        recorder.declare(&[net::RESOLVE, net::CONNECT]);
        if settings.tls {
            recorder.declare(&[net::TLS]);
        }
        settings.query_response.declare(recorder);
    }

    async fn run(&self, net: &Net, recorder: &mut Recorder) -> Result<(), Failure> {
        let Settings { query_response, tls, tls_config, .. } = &*self.settings;
        let family =
            Family { preferred: self.settings.preferred_ip_protocol, fallback: self.settings.ip_protocol_fallback };
        let peer = net.choose_peer(recorder, &self.host, self.port, family).await?;
        let source = self.settings.source_ip_address.get().inspect_err(|_| recorder.enter(net::CONNECT))?;
        let stream = net.tcp(recorder, peer, source).await?;
        let mut wire = Wire::new(stream);
        if *tls {
            wire = match wire.secure(net, recorder, tls_config, &self.name).await {
                Ok(wire) => wire,
                Err(failure) => {
                    return Err(tls_config.explain(net, recorder, (peer, source), &self.name, failure).await);
                }
            };
        }
        query_response.hold(net, recorder, wire, tls_config, &self.name).await
    }
}
