//! `tuermer demo`: a small town in one process, probed with an ordinary configuration.
//!
//! The town is a home page, a post office, a name server, an application and a gateway on loopback. Each part can be broken
//! and mended while it is watched; `switches` has the table of what can be broken and what the checks then say.

mod config;
mod panel;
mod parts;
mod post;
mod remote;
mod serve;
mod switches;
mod town;

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tuermer_probes::net::Net;

use config::Config;
pub use panel::TownPanel;
use post::{Office, PASSWORD, USER};
pub use remote::change;
pub use switches::{CHECKS, SWITCHES, Sign, Switch, help};
use town::Town;
pub use town::{Fault, Part};

/// The running town.
#[derive(Debug)]
pub struct Demo {
    town: Town,
    office: Arc<Office>,
    config_file: PathBuf,
    home: SocketAddr,
}

impl Demo {
    /// Brings the town to life on free loopback ports and writes its configuration into a folder.
    pub async fn start(folder: &Path) -> io::Result<Self> {
        let town = Town::new();
        let office = Arc::new(Office::open(&town).await?);
        let config = Config {
            home: parts::home(&town).await?,
            server: office.server,
            store: office.store,
            desk: parts::desk(&town).await?,
            names: parts::names(&town).await?,
        };
        let config_file = folder.join("tuermer.yml");
        std::fs::write(&config_file, config.text())?;
        Ok(Self { town, office, config_file, home: config.home })
    }

    /// The configuration the town is watched with.
    pub fn config_file(&self) -> &Path {
        &self.config_file
    }

    /// Where to look and what to try; `program` is how this program was called.
    pub fn introduction(&self, page: &dyn fmt::Display, program: &str) -> String {
        let file = self.config_file.display();
        format!(
            "A small town is up: home page, post office, name server, service desk, gateway.

  page      http://{page}/
  metrics   http://{page}/metrics
  settings  {file}

Break something and watch, on the page or from another terminal:

  {program} demo --at {page} break mail greylists
  {program} demo --at {page} mend mail
  {program} demo --at {page} break queue late
  {program} demo --at {page} break names
  {program} demo break --help
  {program} probe page http://www.{domain}:{home}/ --config.file {file}

A mail goes round every few seconds. Mail by hand is delivered too:

  swaks --server {server} --to {USER}@{domain}
  curl 'imap://{USER}:{PASSWORD}@{store}/INBOX;MAILINDEX=1'

Ctrl-C ends it.",
            domain = parts::DOMAIN,
            home = self.home.port(),
            server = self.office.server,
            store = self.office.store,
        )
    }

    /// The part of the page from which the town is broken and mended.
    pub fn panel(&self) -> TownPanel {
        TownPanel::new(self.town.clone(), Arc::clone(&self.office))
    }

    /// The world of the town's probes: packets from a silent gateway are lost.
    pub fn world(&self) -> Arc<dyn Fn(Net) -> Net + Send + Sync> {
        let town = self.town.clone();
        Arc::new(move |net| {
            let town = town.clone();
            net.with_blackhole(Arc::new(move |address| {
                address == IpAddr::V4(config::GATEWAY) && town.fault(Part::Gateway) == Some(Fault::Silent)
            }))
        })
    }
}
