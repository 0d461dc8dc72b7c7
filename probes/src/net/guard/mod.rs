//! Targets that come from outside: what `/probe` may have the agent connect to.
//!
//! Decided on the very address that is connected to, for every connection of the run: the target's, those of redirects,
//! proxies, mail servers, token servers. Knows no kind. Scheduled checks have no guard: the operator wrote them.

mod address;
mod rules;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

pub use rules::TargetList;
use rules::{Port, Refusal, is_plain_name};

use super::Net;
use super::resolver::absolute;
use crate::failure::{Failure, Reason, shown};

/// Most names that are remembered of one run. Chosen: more hosts than any run asks.
const NAMES_MAX: usize = 64;

/// Longest host that is quoted in bytes. Chosen: longer than any name.
const HOST_SHOWN_BYTES_MAX: usize = 300;

/// Watches over the connections of one run that was asked for from outside.
#[derive(Debug)]
pub struct Guard {
    list: Arc<TargetList>,
    /// The addresses that names led to in this run.
    names: Mutex<Vec<(IpAddr, String)>>,
    has_connected: AtomicBool,
}

impl Guard {
    /// A guard for one run.
    pub fn new(list: Arc<TargetList>) -> Arc<Self> {
        Arc::new(Self { list, names: Mutex::default(), has_connected: AtomicBool::new(false) })
    }

    /// Whether anything was connected to. If not, a refusal was of the target itself.
    pub fn has_connected(&self) -> bool {
        self.has_connected.load(Ordering::Relaxed)
    }

    fn judge(&self, address: IpAddr, port: Port) -> Result<(), Refusal> {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let names: Vec<&str> =
            names.iter().filter(|(known, _)| *known == address).map(|(_, name)| name.as_str()).collect();
        self.list.judge(&names, address, port)
    }

    fn remember(&self, host: &str, address: IpAddr) {
        let Some(name) = asked_name(host) else { return };
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() < NAMES_MAX {
            names.push((address, name));
        }
    }
}

/// The name that is looked up for a host, if a list can speak of it.
fn asked_name(host: &str) -> Option<String> {
    let name = super::network::plain_name(&absolute(host).ok()?.to_ascii());
    is_plain_name(&name).then_some(name)
}

fn refused(what: impl std::fmt::Display, refusal: &Refusal) -> Failure {
    Failure::new(Reason::TargetRefused, format_args!("{what} must not be asked from outside: {refusal}"))
}

impl Net {
    /// The world for a run that was asked for from outside.
    #[must_use]
    pub fn guarded(&self, guard: &Arc<Guard>) -> Self {
        Self { guard: Some(Arc::clone(guard)), ..self.clone() }
    }

    /// An address that a host was found to have: refused here, before anything is sent, if nothing there may be asked. A
    /// port of zero is one that is not known yet.
    pub(crate) fn permit_found(&self, host: &str, address: IpAddr, port: u16) -> Result<(), Failure> {
        let Some(guard) = &self.guard else { return Ok(()) };
        guard.remember(host, address);
        let port = if port == 0 { Port::Unknown } else { Port::Is(port) };
        guard.judge(address, port).map_err(|refusal| {
            let host = shown(host.as_bytes(), HOST_SHOWN_BYTES_MAX);
            let address = address.to_string();
            if host == address {
                refused(address, &refusal)
            } else {
                refused(format_args!("{host} ({address})"), &refusal)
            }
        })
    }

    /// What is about to be connected to. Everything in `net` that sends a first packet asks here.
    pub(super) fn permit(&self, peer: SocketAddr) -> Result<(), Failure> {
        self.permit_port(peer.ip(), Port::Is(peer.port()))
    }

    /// As [`Self::permit`], for a protocol without ports.
    pub(super) fn permit_without_port(&self, peer: IpAddr) -> Result<(), Failure> {
        self.permit_port(peer, Port::None)
    }

    fn permit_port(&self, peer: IpAddr, port: Port) -> Result<(), Failure> {
        let Some(guard) = &self.guard else { return Ok(()) };
        guard.judge(peer, port).map_err(|refusal| match port {
            Port::Is(port) => refused(SocketAddr::new(peer, port), &refusal),
            Port::Unknown | Port::None => refused(peer, &refusal),
        })?;
        guard.has_connected.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// A host that somebody else, a proxy, is asked to look up and connect to. The list must name it: what it will lead to
    /// cannot be seen from here. Addresses in any spelling are judged as addresses.
    pub fn permit_unresolved(&self, host: &str, port: u16) -> Result<(), Failure> {
        let Some(guard) = &self.guard else { return Ok(()) };
        let port = Port::Is(port);
        let bare = host.split_once('%').map_or(host, |(address, _)| address);
        let judged = match (bare.parse::<IpAddr>(), url::Host::parse(host)) {
            (Ok(address), _) => guard.list.judge(&[], address, port),
            (_, Ok(url::Host::Ipv4(address))) => guard.list.judge(&[], address.into(), port),
            _ => match asked_name(host) {
                Some(name) => guard.list.judge_name(&name, port),
                None => Err(Refusal::Unlisted),
            },
        };
        judged.map_err(|refusal| refused(shown(host.as_bytes(), HOST_SHOWN_BYTES_MAX), &refusal))
    }

    /// A unix socket that is about to be connected to.
    pub(super) fn permit_socket(&self, path: &Path) -> Result<(), Failure> {
        let Some(guard) = &self.guard else { return Ok(()) };
        let judged = path.to_str().map_or(Err(Refusal::Unlisted), |path| guard.list.judge_socket(path));
        judged.map_err(|refusal| refused(path.display(), &refusal))?;
        guard.has_connected.store(true, Ordering::Relaxed);
        Ok(())
    }
}
