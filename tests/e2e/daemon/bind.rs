//! BIND: an authoritative name server for a zone of the test.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use super::{Daemon, folder, free_address};
use crate::support::program;

pub(crate) struct Bind {
    _daemon: Daemon,
    pub(crate) address: SocketAddr,
}

impl Bind {
    /// Serves `zone` as the domain.
    pub(crate) fn start(domain: &str, zone: &str) -> Option<Self> {
        let program = program(&["named"])?;
        // BIND listens on addresses that an interface has; the other loopback addresses work without being there.
        let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), free_address().port());
        let folder = folder();
        let at = folder.path();
        let here = at.display();
        fs::write(at.join("zone"), zone).expect("written");
        let (ip, port) = (address.ip(), address.port());
        let config = format!(
            "options {{ directory \"{here}\"; pid-file \"{here}/pid\"; session-keyfile \"{here}/session.key\";
               listen-on port {port} {{ {ip}; }}; listen-on-v6 {{ none; }};
               recursion no; allow-query {{ any; }}; dnssec-validation no; minimal-responses no; }};
             controls {{ }};
             zone \"{domain}\" {{ type primary; file \"{here}/zone\"; }};"
        );
        fs::write(at.join("named.conf"), config).expect("written");
        let mut command = Command::new(program);
        command.arg("-g").arg("-4").arg("-c").arg(at.join("named.conf"));
        let daemon =
            Daemon::start("named", folder, &mut command).until_listening(address).until_printed("all zones loaded");
        Some(Self { _daemon: daemon, address })
    }
}
