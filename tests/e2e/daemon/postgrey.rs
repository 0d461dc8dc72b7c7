//! postgrey: lets strangers come again before a mail server takes their mail.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use super::{Daemon, folder, free_address};
use crate::support::program;

pub(crate) struct Postgrey {
    _daemon: Daemon,
    /// Where the mail server asks.
    pub(crate) address: SocketAddr,
}

impl Postgrey {
    /// Starts a service that lets a stranger wait for so many seconds.
    pub(crate) fn start(delay_seconds: u32) -> Option<Self> {
        let program = program(&["postgrey"])?;
        let (folder, address) = (folder(), free_address());
        let at = folder.path();
        let whitelist = at.join("whitelist");
        fs::write(&whitelist, "").expect("written");
        fs::create_dir(at.join("database")).expect("a folder");
        let mut command = Command::new(program);
        command.arg(format!("--inet={address}")).arg(format!("--dbdir={}", at.join("database").display()));
        command.arg(format!("--delay={delay_seconds}")).args(["--user=root", "--group=root"]);
        for list in ["clients", "recipients"] {
            command.arg(format!("--whitelist-{list}={}", whitelist.display()));
        }
        let daemon = Daemon::start("postgrey", folder, &mut command).until_listening(address);
        Some(Self { _daemon: daemon, address })
    }
}
