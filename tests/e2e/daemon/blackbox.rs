//! blackbox_exporter: the oracle.

use std::fs;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use super::{Daemon, folder, free_address};
use crate::support::program;

pub(crate) struct Blackbox {
    _daemon: Daemon,
    pub(crate) address: SocketAddr,
}

const NAMES: [&str; 2] = ["prometheus-blackbox-exporter", "blackbox_exporter"];

impl Blackbox {
    /// Starts it with a configuration.
    pub(crate) fn start(config: &str) -> Option<Self> {
        let program = program(&NAMES)?;
        let (folder, address) = (folder(), free_address());
        let file = folder.path().join("blackbox.yml");
        fs::write(&file, config).expect("written");
        let mut command = Command::new(program);
        command.arg(format!("--config.file={}", file.display())).arg(format!("--web.listen-address={address}"));
        let daemon = Daemon::start("blackbox_exporter", folder, &mut command).until_listening(address);
        Some(Self { _daemon: daemon, address })
    }

    /// Whether it takes a configuration.
    pub(crate) fn takes(config: &str) -> Option<bool> {
        let program = program(&NAMES)?;
        let folder = folder();
        let file = folder.path().join("blackbox.yml");
        fs::write(&file, config).expect("written");
        let mut command = Command::new(program);
        command.arg(format!("--config.file={}", file.display())).arg("--config.check");
        Some(command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("it runs").success())
    }
}
