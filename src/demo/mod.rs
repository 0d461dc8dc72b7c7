//! `tuermer demo`: a small town in one process, probed with an ordinary configuration.
//!
//! The town is a home page, a mail server, a name server, an application and a gateway on loopback. Each part can be
//! broken and mended while it is watched.

mod panel;
mod parts;
mod remote;
mod serve;
mod town;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tuermer_probes::net::Net;

pub use panel::TownPanel;
pub use remote::change;
use town::{Fault, Part, Town};

/// Where the gateway answers pings: an address of its own within loopback.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 53);

/// The running town.
#[derive(Debug)]
pub struct Demo {
    town: Town,
    received: Arc<AtomicU64>,
    config_file: PathBuf,
    home: SocketAddr,
    mail: SocketAddr,
}

impl Demo {
    /// Brings the town to life on free loopback ports and writes its configuration into a folder.
    pub async fn start(folder: &Path) -> io::Result<Self> {
        let town = Town::new();
        let received = Arc::new(AtomicU64::new(0));
        let config = Config {
            home: parts::home(&town).await?,
            mail: parts::mail(&town, Arc::clone(&received)).await?,
            desk: parts::desk(&town).await?,
            names: parts::names(&town).await?,
        };
        let config_file = folder.join("tuermer.yml");
        std::fs::write(&config_file, config.text())?;
        Ok(Self { town, received, config_file, home: config.home, mail: config.mail })
    }

    /// The configuration the town is watched with.
    pub fn config_file(&self) -> &Path {
        &self.config_file
    }

    /// Where to look and what to try; `program` is how this program was called.
    pub fn introduction(&self, page: &dyn fmt::Display, program: &str) -> String {
        let file = self.config_file.display();
        format!(
            "A small town is up: home page, mail server, name server, service desk, gateway.

  page      http://{page}/
  metrics   http://{page}/metrics
  settings  {file}

Break something and watch, on the page or from another terminal:

  {program} demo --at {page} break mail greylists
  {program} demo --at {page} mend mail
  {program} demo --at {page} break names
  {program} probe page http://www.{domain}:{home}/ --config.file {file}

The mail server really receives: swaks --server {mail} --to clerk@{domain}

Ctrl-C ends it.",
            domain = parts::DOMAIN,
            home = self.home.port(),
            mail = self.mail,
        )
    }

    /// The part of the page from which the town is broken and mended.
    pub fn panel(&self) -> TownPanel {
        TownPanel::new(self.town.clone(), Arc::clone(&self.received))
    }

    /// The world of the town's probes: packets from a silent gateway are lost.
    pub fn world(&self) -> Arc<dyn Fn(Net) -> Net + Send + Sync> {
        let town = self.town.clone();
        Arc::new(move |net| {
            let town = town.clone();
            net.with_blackhole(Arc::new(move |address| {
                address == IpAddr::V4(GATEWAY) && town.fault(Part::Gateway) == Some(Fault::Silent)
            }))
        })
    }
}

/// Where the parts listen.
struct Config {
    home: SocketAddr,
    mail: SocketAddr,
    names: SocketAddr,
    desk: SocketAddr,
}

impl Config {
    fn text(&self) -> String {
        let Self { home, mail, names, desk } = self;
        let (home_port, mail_port, domain) = (home.port(), mail.port(), parts::DOMAIN);
        format!(
            r#"# The demo's configuration: an ordinary one. Change it, and it is loaded again.
resolver: ["{names}"]

modules:
  page:
    prober: http
    timeout: 1500ms
    http:
      preferred_ip_protocol: ip4
      fail_if_body_not_matches_regexp: ["Welcome to the town"]
  mail:
    prober: smtp
    timeout: 1500ms
    smtp:
      port: {mail_port}
      preferred_ip_protocol: ip4
      starttls: never
      recipients: [postmaster@{domain}]
  name:
    prober: dns
    timeout: 1s
    dns:
      preferred_ip_protocol: ip4
      query_name: www.{domain}
      query_type: A
  desk:
    prober: tcp
    timeout: 1s
    tcp:
      preferred_ip_protocol: ip4
      query_response:
        - expect: "^READY"
        - send: "PING"
        - expect: "^PONG"
  ping:
    prober: icmp
    timeout: 1s
    icmp:
      preferred_ip_protocol: ip4

checks:
  home page:
    module: page
    targets: ["http://www.{domain}:{home_port}/"]
    interval: 2s
    labels: {{ service: homepage }}
  mail:
    module: mail
    targets: ["{domain}"]
    interval: 2s
    labels: {{ service: mail }}
  name server:
    module: name
    targets: ["{names}"]
    interval: 2s
    labels: {{ service: network }}
  service desk:
    module: desk
    targets: ["{desk}"]
    interval: 2s
    labels: {{ service: appointments }}
  gateway:
    module: ping
    targets: ["{GATEWAY}"]
    interval: 2s
    labels: {{ service: network }}
"#
        )
    }
}
