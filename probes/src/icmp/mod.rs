//! Kind `icmp`: sends one echo request and waits for its reply.
//!
//! Behaves as blackbox_exporter's prober of the same name, with two differences. The time of the reply is the kernel's,
//! so `rtt` does not contain the agent's own delay. And where a router says that the host cannot be reached, the run
//! fails at once with that reason, while blackbox_exporter waits for the timeout.

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::failure::Failure;
use crate::measure::{Measure, Unit};
use crate::net::{self, EchoRoute, Family, Net};
use crate::phase::Phase;
use crate::probe::Probe;
use crate::recorder::Recorder;
use crate::settings::{IpProtocol, SourceAddress, yes};
use crate::target::{Invalid, Target};

/// The socket is opened and the request made.
const SETUP: Phase = Phase::new("setup").whole_only();
/// The request and its reply are under way.
const RTT: Phase = Phase::new("rtt").whole_only();
/// The reply waits for the agent.
const WAKE: Phase = Phase::new("wake").extra();

static REPLY_HOP_LIMIT: Measure = Measure::level(
    "probe_icmp_reply_hop_limit",
    Unit::None,
    "Hops that the reply had left: time to live (IPv4) or hop limit (IPv6).",
);

/// Length of the payload if the settings say nothing: blackbox_exporter's.
const PAYLOAD_BYTES: u64 = 28;

/// An echo request to a host.
#[derive(Debug)]
pub(crate) struct Icmp {
    settings: Arc<Settings>,
    host: Box<str>,
}

/// How a host is asked for an echo.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// Address family to try first.
    #[serde(default)]
    preferred_ip_protocol: IpProtocol,
    /// Whether the other address family will do.
    #[serde(default = "yes")]
    ip_protocol_fallback: bool,
    /// Local address to send from.
    #[serde(default)]
    source_ip_address: SourceAddress,
    /// Bytes after the echo header; 0 is the default of 28.
    #[serde(default)]
    payload_size: u64,
    /// Whether IPv4 routers must not cut the request into pieces. Needs `CAP_NET_RAW`.
    #[serde(default)]
    dont_fragment: bool,
    /// How many hops the request may take; 0 is the system's default.
    #[serde(default = "default_ttl")]
    ttl: u8,
}

const fn default_ttl() -> u8 {
    64
}

impl Probe for Icmp {
    const NAME: &'static str = "icmp";
    const ABOUT: &'static str = "Sends an ICMP echo request and waits for the reply.";
    const TARGET: &'static str = "host";
    // As in blackbox_exporter, a lookup that failed counts as zero.
    const PHASES: &'static [Phase] = &[net::RESOLVE.whole_only(), SETUP, RTT, WAKE];
    const MEASURES: &'static [&'static Measure] = &[&REPLY_HOP_LIMIT];
    type Settings = Settings;

    fn bind(settings: &Arc<Settings>, target: &Target) -> Result<Self, Invalid> {
        Ok(Self { settings: Arc::clone(settings), host: target.text().into() })
    }

    fn begin(_: &Settings, recorder: &mut Recorder) {
        recorder.declare(&[net::RESOLVE, SETUP, RTT]);
    }

    async fn run(&self, net: &Net, recorder: &mut Recorder) -> Result<(), Failure> {
        let settings = &*self.settings;
        let family = Family { preferred: settings.preferred_ip_protocol, fallback: settings.ip_protocol_fallback };
        let peer = net.choose_peer(recorder, &self.host, 0, family).await?;
        let scope = if let SocketAddr::V6(peer) = peer { peer.scope_id() } else { 0 };
        let peer = peer.ip().to_canonical();
        recorder.enter(SETUP);
        let route = EchoRoute {
            peer,
            scope,
            source: settings.source_ip_address.get()?,
            hop_limit: Some(settings.ttl).filter(|hops| *hops > 0),
            dont_fragment: settings.dont_fragment,
            payload_bytes: if settings.payload_size == 0 { PAYLOAD_BYTES } else { settings.payload_size },
        };
        let echo = net.echo(&route)?;
        recorder.enter(RTT);
        echo.send()?;
        let reply = echo.reply().await?;
        let at = reply.at.map_or_else(|| recorder.now(), |at| recorder.moment(at));
        recorder.enter_at(WAKE, at);
        if let Some(hops) = reply.hop_limit {
            recorder.read(&REPLY_HOP_LIMIT, f64::from(hops));
        }
        Ok(())
    }
}
