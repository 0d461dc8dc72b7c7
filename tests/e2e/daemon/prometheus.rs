//! Prometheus: scrapes, evaluates rules, sends alerts.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use serde_json::Value;

use super::{Daemon, folder, free_address};
use crate::support::program;

pub(crate) struct Prometheus {
    _daemon: Daemon,
    pub(crate) address: SocketAddr,
}

impl Prometheus {
    /// Starts Prometheus with a configuration and a file of rules (`rules.yml` beside it).
    pub(crate) fn start(config: &str, rules: &str) -> Option<Self> {
        let program = program(&["prometheus"])?;
        let (folder, address) = (folder(), free_address());
        let at = folder.path();
        fs::write(at.join("prometheus.yml"), config).expect("written");
        fs::write(at.join("rules.yml"), rules).expect("written");
        let mut command = Command::new(program);
        command.arg(format!("--config.file={}", at.join("prometheus.yml").display()));
        command.arg(format!("--storage.tsdb.path={}", at.join("data").display()));
        command.arg(format!("--web.listen-address={address}"));
        let daemon = Daemon::start("prometheus", folder, &mut command).until_listening(address);
        Some(Self { _daemon: daemon, address })
    }

    /// The values of a label of these series, as dashboards fill their variables.
    pub(crate) async fn label_values(&self, series: &str, label: &str) -> Vec<String> {
        let url = format!("http://{}/api/v1/label/{label}/values", self.address);
        let url = reqwest::Url::parse_with_params(&url, [("match[]", series)]).expect("a URL");
        let Ok(response) = reqwest::get(url).await else { return Vec::new() };
        let Ok(answer) = response.text().await else { return Vec::new() };
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        let values = answer["data"].as_array().cloned().unwrap_or_default();
        values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect()
    }

    /// The result of an instant query.
    pub(crate) async fn query(&self, expression: &str) -> Vec<Value> {
        let url = format!("http://{}/api/v1/query", self.address);
        let url = reqwest::Url::parse_with_params(&url, [("query", expression)]).expect("a URL");
        let Ok(response) = reqwest::get(url).await else { return Vec::new() };
        let Ok(answer) = response.text().await else { return Vec::new() };
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        answer["data"]["result"].as_array().cloned().unwrap_or_default()
    }
}
