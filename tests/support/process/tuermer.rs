//! The agent itself, as a user runs it.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use super::{Daemon, PATIENCE, folder};

pub(crate) struct Tuermer {
    pub(crate) daemon: Daemon,
    pub(crate) address: SocketAddr,
}

/// The agent's command line.
pub(crate) fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_tuermer"))
}

/// Runs a command of the agent to its end.
pub(crate) fn output(command: &mut Command) -> Output {
    command.output().expect("tuermer runs")
}

impl Tuermer {
    /// Starts the agent with a configuration.
    pub(crate) fn start(config: &str) -> Self {
        Self::start_with(config, &[])
    }

    /// Starts the agent with room for so many open files.
    pub(crate) fn start_limited(config: &str, files_max: u32) -> Self {
        let mut limited = Command::new("prlimit");
        limited.arg(format!("--nofile={files_max}:{files_max}")).arg(env!("CARGO_BIN_EXE_tuermer"));
        Self::start_as(limited, config, &[])
    }

    /// Starts the agent with a configuration and flags.
    pub(crate) fn start_with(config: &str, flags: &[&str]) -> Self {
        Self::start_as(command(), config, flags)
    }

    fn start_as(mut command: Command, config: &str, flags: &[&str]) -> Self {
        let folder = folder();
        let file = folder.path().join("tuermer.yml");
        fs::write(&file, config).expect("written");
        command.arg(format!("--config.file={}", file.display())).arg("--web.listen-address=127.0.0.1:0").args(flags);
        let mut daemon = Daemon::start("tuermer", folder, &mut command);
        let address = listening(&mut daemon);
        Self { daemon: daemon.until_listening(address), address }
    }

    /// The configuration file.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.daemon.folder().join("tuermer.yml")
    }

    /// `GET`: status and body.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let response = reqwest::get(format!("http://{}{path}", self.address)).await.expect("an answer");
        (response.status().as_u16(), response.text().await.expect("a body"))
    }

    /// `POST`: status and body.
    pub(crate) async fn post(&self, path: &str) -> (u16, String) {
        let request = reqwest::Client::new().post(format!("http://{}{path}", self.address));
        let response = request.send().await.expect("an answer");
        (response.status().as_u16(), response.text().await.expect("a body"))
    }

    /// The metrics of a page.
    pub(crate) async fn metrics(&self, path: &str) -> Metrics {
        let (status, text) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {text}");
        Metrics::parse(&text)
    }

    /// Asks on demand.
    pub(crate) async fn probe(&self, module: &str, target: &str) -> Metrics {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("module", module)
            .append_pair("target", target)
            .finish();
        self.metrics(&format!("/probe?{query}")).await
    }
}

/// Reads from the log where the agent listens.
pub(crate) fn listening(daemon: &mut Daemon) -> SocketAddr {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let log = daemon.log();
        let address = log.lines().filter(|line| line.contains("istening")).find_map(|line| {
            let word = line.split_whitespace().find_map(|word| word.strip_prefix("address="))?;
            word.parse().ok()
        });
        if let Some(address) = address {
            return address;
        }
        daemon.assert_running();
        assert!(Instant::now() < deadline, "tuermer does not say where it listens:\n{log}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A page of metrics: series as written (`name{labels}`) and their values.
#[derive(Debug)]
pub(crate) struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    /// Reads text exposition; a series that appears twice is a defect.
    pub(crate) fn parse(text: &str) -> Self {
        let mut series = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value in {line:?}"));
            let value = value.parse().unwrap_or_else(|_| panic!("no number in {line:?}"));
            assert!(series.insert(name.to_owned(), value).is_none(), "twice: {name}");
        }
        Self(series)
    }

    /// The value of a series, as it is written.
    pub(crate) fn value(&self, series: &str) -> Option<f64> {
        self.0.get(series).copied()
    }

    /// The first series of a metric whose labels contain all these pieces (`reason="timeout"`).
    pub(crate) fn find(&self, name: &str, labels: &[&str]) -> Option<(&str, f64)> {
        self.all(name, labels).first().copied()
    }

    /// Every series of a metric whose labels contain all these pieces.
    pub(crate) fn all(&self, name: &str, labels: &[&str]) -> Vec<(&str, f64)> {
        let of_name =
            |series: &str| series.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('{'));
        let found =
            self.0.iter().filter(|(series, _)| of_name(series) && labels.iter().all(|label| series.contains(label)));
        found.map(|(series, value)| (series.as_str(), *value)).collect()
    }
}
