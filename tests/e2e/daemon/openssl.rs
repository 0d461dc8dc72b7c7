//! `openssl s_server`: speaks the versions of TLS that nobody should.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use super::nginx::Pem;
use super::{Daemon, folder, free_address};
use crate::support::program;

pub(crate) struct OpenSsl {
    _daemon: Daemon,
    pub(crate) address: SocketAddr,
}

impl OpenSsl {
    /// Starts a server with more arguments (`-tls1`).
    pub(crate) fn start(pem: &Pem<'_>, arguments: &[&str]) -> Option<Self> {
        let program = program(&["openssl"])?;
        let (folder, address) = (folder(), free_address());
        let [certificate, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
        fs::write(&certificate, pem.certificate).expect("written");
        fs::write(&key, pem.key).expect("written");
        let mut command = Command::new(program);
        command.arg("s_server").arg("-accept").arg(address.to_string()).args(["-www", "-cipher", "ALL:@SECLEVEL=0"]);
        command.arg("-cert").arg(certificate).arg("-key").arg(key).args(arguments);
        let daemon = Daemon::start("openssl", folder, &mut command).until_listening(address);
        Some(Self { _daemon: daemon, address })
    }
}
