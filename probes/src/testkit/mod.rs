//! Scripted peers and throw-away certificates, for tests.
//!
//! Peers run on loopback, on a port the system chose, inside the test's runtime.

mod authority;
pub mod http2;
mod http3;
mod letters;
mod peer;
mod responder;
mod zone;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use authority::{Authority, Leaf, ListOf, in_days};
pub use http3::{Http3Act, Http3Peer, Http3Request};
pub use letters::Letters;
pub use peer::{Act, Peer, close, flood, hear, hear_nothing_more, relay, reset, say, starttls, trickle, wait_for_ever};
pub use responder::Responder;
pub use zone::{Data, zone};

use crate::net::{Beginning, FileContent, Files, Net, Resolver};
use crate::phase::Phase;
use crate::report::Report;
use crate::target::Target;

/// Reads real files, without a cache.
#[derive(Debug)]
pub struct DiskFiles;

impl Files for DiskFiles {
    fn read(&self, path: &Path) -> io::Result<FileContent> {
        let bytes = std::fs::read(path)?;
        let version = bytes.iter().fold(7_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
        Ok(FileContent { bytes: bytes.into(), version })
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        let names = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
        names.filter_map(io::Result::transpose).collect()
    }

    fn beginning(&self, folder: &Path, name: &str, bytes_max: usize) -> io::Result<Beginning> {
        let file = folder.join(name);
        if !std::fs::symlink_metadata(&file)?.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut bytes = std::fs::read(&file)?;
        bytes.truncate(bytes_max);
        Ok(Beginning { bytes, modified: std::fs::metadata(&file)?.modified()? })
    }

    fn remove(&self, folder: &Path, name: &str) -> io::Result<()> {
        std::fs::remove_file(folder.join(name))
    }
}

/// A world with the system's names and real files.
pub fn net() -> Net {
    Net::new(Resolver::system().expect("a resolver"), Arc::new(DiskFiles))
}

/// A world whose names come from one server.
pub fn net_with_resolver(server: std::net::SocketAddr) -> Net {
    Net::new(Resolver::of_servers(&[server]).expect("a resolver"), Arc::new(DiskFiles))
}

/// Asks once: a kind's name, its settings as JSON, a target, a timeout.
pub async fn ask(kind: &str, settings: serde_json::Value, target: &str, timeout: Duration) -> Report {
    ask_in(&net(), kind, settings, target, timeout).await
}

/// As [`ask`], in a given world.
pub async fn ask_in(net: &Net, kind: &str, settings: serde_json::Value, target: &str, timeout: Duration) -> Report {
    let module = crate::kind(kind).expect("a known kind").module(settings).expect("valid settings");
    match module.bind(&Target::new(target)) {
        Ok(probe) => probe.run(net, timeout).await,
        Err(invalid) => module.refuse(&invalid, timeout),
    }
}

/// Reads bytes as an SPF record, a DKIM key, a DMARC record or an MTA-STS policy, as `which` says by its rest by four.
/// Whether they are one.
pub fn is_mail_policy(which: u8, bytes: &[u8]) -> bool {
    crate::mail_policy::is_some_policy(which, bytes)
}

/// What a report says in one line, for assertions: `up`, or `reason in phase`.
pub fn gist(report: &Report) -> String {
    match report.failure() {
        None => "up".to_owned(),
        Some(failure) => {
            let phase = report.failed_at().map_or("no phase", |(_, phase)| phase.name());
            format!("{} in {phase}", failure.reason())
        }
    }
}

/// The phases that blackbox_exporter would show, sorted.
pub fn phases_shown(kind: &str, report: &Report) -> Vec<&'static str> {
    let phases = crate::kind(kind).expect("a known kind").phases;
    let own = |phase: Phase| phases.iter().find(|own| own.name() == phase.name()).copied().unwrap_or(phase);
    let laps = report.laps.iter().filter_map(|lap| own(lap.phase).shown(lap.cut));
    let declared =
        report.declared.iter().filter(|phase| !report.laps.iter().any(|lap| lap.phase.name() == phase.name()));
    let mut names: Vec<_> = laps.chain(declared.filter_map(|phase| own(*phase).shown(false))).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Laps must have no gaps and no overlaps, and their lengths must add up to the duration.
pub fn assert_laps_cover_the_run(report: &Report) {
    let mut at = Duration::ZERO;
    for lap in &report.laps {
        assert_eq!(lap.start, at, "{:?} begins where the lap before ended", lap.phase.name());
        at += lap.length;
    }
    if !report.laps.is_empty() {
        assert_eq!(at, report.duration, "laps add up to the duration");
    }
}
