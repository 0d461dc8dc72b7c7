//! rspamd: a filter that refuses what filters must stop.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use super::postfix::milter;
use super::{Daemon, folder, free_address};
use crate::support::program;

pub(crate) struct Rspamd {
    daemon: Daemon,
    /// Where the mail server hands its mail to it (milter).
    address: SocketAddr,
}

impl Rspamd {
    /// Starts a filter that knows the test for unwanted mail, and nothing else: no lists, no network.
    pub(crate) fn start() -> Option<Self> {
        let program = program(&["rspamd"])?;
        let (folder, address) = (folder(), free_address());
        let at = folder.path().display();
        let config = format!(
            r#"options {{
  filters = "";
  gtube_patterns = "all";
  dns {{ nameserver = ["127.0.0.1:1"]; timeout = 0.1s; retransmits = 1; }}
  tempdir = "{at}"; hs_cache_dir = "{at}"; dynamic_conf = "{at}/dynamic"; pidfile = "{at}/pid";
  control_socket = "{at}/control mode=0600";
}}
logging {{ type = "console"; level = "info"; }}
worker "rspamd_proxy" {{
  bind_socket = "{address}"; milter = yes; count = 1;
  upstream "local" {{ default = yes; self_scan = yes; }}
}}
"#
        );
        let file = folder.path().join("rspamd.conf");
        fs::write(&file, config).expect("written");
        let mut command = Command::new(program);
        command.args(["--no-fork", "--insecure", "--config"]).arg(file);
        let daemon = Daemon::start("rspamd", folder, &mut command).until_listening(address);
        Some(Self { daemon, address })
    }

    /// Lines of a mail server's main.cf: every mail is looked at, and none is taken while nobody can.
    pub(crate) fn settings(&self) -> String {
        milter(self.address)
    }

    /// What it has printed until now.
    pub(crate) fn log(&self) -> String {
        self.daemon.log()
    }
}
