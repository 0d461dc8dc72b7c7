//! Handshakes against servers of this process: whom we trust, what we read, how each misfortune ends.

mod misfortune;
mod trust;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

use super::*;
use crate::probe::{Kind, Probe};
use crate::report::Report;
use crate::target::{Invalid, Target};
use crate::testkit::{Act, Peer, assert_laps_cover_the_run, net, say, starttls, wait_for_ever};

/// Long enough for a handshake on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// Long enough to see that a peer is silent.
const SHORT: Duration = Duration::from_millis(300);

/// A handshake, and one byte read where the peer has something to say after it.
#[derive(Debug)]
struct Shake {
    tls: Arc<Tls>,
    peer: SocketAddr,
    name: String,
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct ShakeSettings {
    tls_config: TlsSettings,
    #[serde(skip)]
    tls: std::sync::OnceLock<Arc<Tls>>,
}

impl Probe for Shake {
    const NAME: &'static str = "shake";
    const ABOUT: &'static str = "Makes a TLS handshake.";
    const TARGET: &'static str = "address:port";
    const PHASES: &'static [Phase] = &[TLS];
    const MEASURES: &'static [&'static crate::Measure] = &[];
    type Settings = ShakeSettings;

    fn bind(settings: &Arc<ShakeSettings>, target: &Target) -> Result<Self, Invalid> {
        let tls = settings.tls.get_or_init(|| Arc::new(Tls::new(settings.tls_config.clone(), &[])));
        let peer: SocketAddr = target.text().parse().map_err(|_| Invalid::Target("no address".to_owned()))?;
        let name = target.hostname().map_or_else(|| peer.ip().to_string(), str::to_owned);
        Ok(Self { tls: Arc::clone(tls), peer, name })
    }

    async fn run(&self, net: &Net, recorder: &mut Recorder) -> Result<(), Failure> {
        let stream = net.tcp(recorder, self.peer, None).await?;
        let (mut stream, session) = self.tls.handshake(net, recorder, stream, &self.name).await?;
        session.read(recorder, true);
        let read = stream.read_u8().await;
        read.map(drop).map_err(|error| Failure::io("reading", &error))
    }
}

static SHAKE: Kind = Kind::of::<Shake>();

fn module(tls_config: Value) -> crate::Module {
    SHAKE.module(json!({ "tls_config": tls_config })).unwrap()
}

/// Greets after the handshake.
fn greeting(server: Arc<ServerConfig>) -> Vec<Act> {
    vec![starttls(server), say("!"), wait_for_ever()]
}

async fn shake_in(net: &Net, script: Vec<Act>, tls_config: Value, name: &str, timeout: Duration) -> Report {
    let peer = Peer::play(script).await;
    let target = Target::new(peer.address().to_string()).with_hostname(name);
    let report = module(tls_config).bind(&target).unwrap().run(net, timeout).await;
    assert_laps_cover_the_run(&report);
    report
}

async fn shake(server: Arc<ServerConfig>, tls_config: Value, name: &str) -> Report {
    shake_in(&net(), greeting(server), tls_config, name, PATIENCE).await
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap().as_secs() as f64
}

fn message(report: &Report) -> &str {
    report.failure().map_or("", Failure::message)
}

fn label<'a>(report: &'a Report, measure: &str, label: &str) -> Option<&'a str> {
    let reading = report.readings.iter().find(|reading| reading.measure.name == measure)?;
    Some(&reading.labels.iter().find(|known| known.name == label)?.value)
}
