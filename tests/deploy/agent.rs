//! The agent, running: what it exports of its checks and of itself.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::server::Server;
use crate::support::program;

/// Longest time until both checks of the agent have run. Chosen: many times their interval.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn promtool_likes_the_metrics() {
    let Some(promtool) = program(&["promtool"]) else { return };
    let mut lint = Command::new(promtool);
    let mut lint = lint.args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("lint");
    let mut input = lint.stdin.take().expect("a pipe");
    input.write_all(metrics().as_bytes()).expect("promtool reads");
    drop(input);
    let output = lint.wait_with_output().expect("promtool ends");
    let complaints = String::from_utf8_lossy(&output.stderr);
    let ours = complaints.lines().filter(|line| line.starts_with("probe_") || line.starts_with("tuermer_"));
    assert_eq!(ours.collect::<Vec<_>>(), Vec::<&str>::new());
}

/// The names of the metrics that an agent exports, one of whose checks passes and one fails.
pub(crate) fn names() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in metrics().lines() {
        let mut words = line.split(' ');
        if words.next() == Some("#") && words.next() == Some("TYPE") {
            let name = words.next().expect("a name");
            names.insert(name.to_owned());
            if words.next() == Some("histogram") {
                names.extend(["bucket", "sum", "count"].map(|part| format!("{name}_{part}")));
            }
        }
    }
    names
}

/// What `/metrics` says once one check has passed and one has failed.
fn metrics() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let open = listener.local_addr().expect("an address");
    // A port that is known to be closed: its listener is gone at once.
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a loopback port");
    let agent = Agent::start(&format!(
        "modules: {{ port: {{ prober: tcp }} }}\n\
         checks:\n\
         \x20 open: {{ module: port, targets: [\"{open}\"], interval: 1s, timeout: 1s }}\n\
         \x20 closed: {{ module: port, targets: [\"{closed}\"], interval: 1s, timeout: 1s }}\n"
    ));
    let deadline = Instant::now() + PATIENCE;
    loop {
        let metrics = agent.get("/metrics");
        if ["probe_last_success_timestamp_seconds{", "probe_failures_total{"].iter().all(|name| metrics.contains(name))
        {
            return metrics;
        }
        assert!(Instant::now() < deadline, "no run of both checks in:\n{metrics}");
        std::thread::yield_now();
    }
}

/// An agent with a configuration.
struct Agent {
    server: Server,
    _directory: tempfile::TempDir,
}

impl Agent {
    fn start(config: &str) -> Self {
        let directory = tempfile::tempdir().expect("directory");
        let file = directory.path().join("tuermer.yml");
        std::fs::write(&file, config).expect("configuration");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tuermer"));
        command.arg("--config.file").arg(file).arg("--web.listen-address=127.0.0.1:0");
        Self { server: Server::start(&mut command), _directory: directory }
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.server.address).expect("the agent listens");
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").expect("the agent reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the agent answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains(" 200 "), "{head}");
        body.to_owned()
    }
}
