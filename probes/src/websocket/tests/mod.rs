//! Against a real server of websockets, and against peers that misbehave.

mod messages;
mod misfortunes;
mod requests;
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
    let report = testkit::ask("websocket", settings, target, timeout).await;
    assert_laps_cover_the_run(&report);
    report
}

/// Status code, whether upgraded, whether failed due to a pattern; no number where nothing was read.
fn gauges(report: &Report) -> [Option<f64>; 3] {
    ["status_code", "connection_upgraded", "failed_due_to_regex"]
        .map(|name| report.reading_named(&format!("probe_websocket_{name}")))
}

/// The gauges with these values.
fn all(status: f64, upgraded: f64, regex: f64) -> [Option<f64>; 3] {
    [Some(status), Some(upgraded), Some(regex)]
}

fn shown(report: &Report) -> Vec<&'static str> {
    testkit::phases_shown("websocket", report)
}

fn message(report: &Report) -> &str {
    report.failure().expect("a failure").message()
}
