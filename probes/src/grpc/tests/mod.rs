//! Against a real server of gRPC, and against peers that misbehave.

mod encrypted;
mod health;
mod misfortunes;
mod server;

use std::time::Duration;

use serde_json::{Value, json};

use crate::report::Report;
use crate::testkit::{self, assert_laps_cover_the_run};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(400);

/// Asks with settings to which IPv4 is added.
async fn ask_for(timeout: Duration, mut settings: Value, target: &str) -> Report {
    let keys = settings.as_object_mut().expect("a map");
    keys.entry("preferred_ip_protocol").or_insert(json!("ip4"));
    let report = testkit::ask("grpc", settings, target, timeout).await;
    assert_laps_cover_the_run(&report);
    report
}

/// `probe_grpc_status_code` and `probe_grpc_ssl`.
fn status(report: &Report) -> (Option<f64>, Option<f64>) {
    (report.reading_named("probe_grpc_status_code"), report.reading_named("probe_grpc_ssl"))
}

/// What was read of the states: name and value.
fn states(report: &Report) -> Vec<(&str, f64)> {
    let series = report.readings.iter().filter(|reading| reading.measure.name == "probe_grpc_healthcheck_response");
    series.map(|reading| (&*reading.labels[0].value, reading.value)).collect()
}

/// The four states, of which one is reported.
fn only(name: &str) -> Vec<(&'static str, f64)> {
    super::message::STATES.iter().map(|state| (*state, f64::from(u8::from(*state == name)))).collect()
}

/// The metrics on TLS that were read, without those that blackbox_exporter does not have.
fn tls_family(report: &Report) -> Vec<&'static str> {
    let of_tls = |name: &str| name.starts_with("probe_ssl") || name.starts_with("probe_tls");
    let readings = report.readings.iter().filter(|reading| of_tls(reading.measure.name) && !reading.measure.extra);
    let mut names: Vec<_> = readings.map(|reading| reading.measure.name).collect();
    names.sort_unstable();
    names
}

fn shown(report: &Report) -> Vec<&'static str> {
    testkit::phases_shown("grpc", report)
}
