//! The programs that are compared, each with the first processor for itself.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::targets::Targets;

/// A running exporter. Ends when dropped.
pub(crate) struct Exporter {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    child: Child,
    _folder: TempDir,
}

impl Exporter {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        // It has nothing to lose.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// tuermer, as built for this run.
pub(crate) fn tuermer(targets: &Targets) -> Option<Exporter> {
    start("tuermer", env!("CARGO_BIN_EXE_tuermer"), targets)
}

/// blackbox_exporter, if this machine has it.
pub(crate) fn blackbox(targets: &Targets) -> Option<Exporter> {
    let programs = ["/usr/bin/prometheus-blackbox-exporter", "/usr/local/bin/blackbox_exporter"];
    let Some(program) = programs.into_iter().find(|program| Path::new(program).exists()) else {
        println!("blackbox_exporter is not installed: no ratios (tests/install-daemons.sh installs it)\n");
        return None;
    };
    start("blackbox_exporter", program, targets)
}

fn start(name: &'static str, program: &str, targets: &Targets) -> Option<Exporter> {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("blackbox.yml");
    fs::write(&config, targets.config(folder.path())).expect("written");
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let mut command = Command::new("taskset");
    command.args(["-c", "0", program]);
    command.arg(format!("--config.file={}", config.display())).arg(format!("--web.listen-address={free}"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().expect("taskset of util-linux");
    let exporter = Exporter { name, address: free, child, _folder: folder };
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(free).is_err() {
        assert!(Instant::now() < deadline, "{name} does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    Some(exporter)
}
