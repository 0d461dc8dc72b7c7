//! The dialogue against scripted peers: what blackbox_exporter's users rely on, and what goes wrong.

mod encrypted;
mod lines;
mod misfortunes;

use std::time::Duration;

use serde_json::{Value, json};

use crate::report::{Report, Verdict};
use crate::testkit::{self, Act, Peer, assert_laps_cover_the_run, close, gist, hear, say, wait_for_ever};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(400);

async fn ask_for(timeout: Duration, settings: Value, target: &str) -> Report {
    let report = testkit::ask("tcp", settings, target, timeout).await;
    assert_laps_cover_the_run(&report);
    report
}

/// Asks a peer that plays a script.
async fn ask(settings: Value, script: Vec<Act>) -> Report {
    let peer = Peer::play(script).await;
    ask_for(LONG, settings, &peer.address().to_string()).await
}

async fn ask_briefly(settings: Value, script: Vec<Act>) -> Report {
    let peer = Peer::play(script).await;
    let report = ask_for(SHORT, settings, &peer.address().to_string()).await;
    assert!(report.duration >= SHORT && report.duration < LONG, "{:?}", report.duration);
    report
}

/// Asks a peer and gives what it heard, too.
async fn talk(settings: Value, script: Vec<Act>) -> (Report, String) {
    let peer = Peer::play(script).await;
    let report = ask_for(LONG, settings, &peer.address().to_string()).await;
    (report, String::from_utf8_lossy(&peer.heard()).into_owned())
}

fn entries(entries: Value) -> Value {
    json!({"query_response": entries})
}

/// `probe_failed_due_to_regex` and `probe_failed_due_to_bytes`.
fn flags(report: &Report) -> (Option<f64>, Option<f64>) {
    (report.reading_named("probe_failed_due_to_regex"), report.reading_named("probe_failed_due_to_bytes"))
}

const CLEAR: (Option<f64>, Option<f64>) = (Some(0.0), Some(0.0));
const NO_LINE: (Option<f64>, Option<f64>) = (Some(1.0), Some(0.0));
const OTHER_BYTES: (Option<f64>, Option<f64>) = (Some(0.0), Some(1.0));

/// The labels of `probe_expect_info`, one series after the other.
fn expect_info(report: &Report) -> Vec<Vec<(&str, &str)>> {
    let series = report.readings.iter().filter(|reading| reading.measure.name == "probe_expect_info");
    series.map(|reading| reading.labels.iter().map(|label| (&*label.name, &*label.value)).collect()).collect()
}

/// How often a metric was read.
fn count(report: &Report, name: &str) -> usize {
    report.readings.iter().filter(|reading| reading.measure.name == name).count()
}

fn phases(report: &Report) -> Vec<&str> {
    report.laps.iter().map(|lap| lap.phase.name()).collect()
}

fn message(report: &Report) -> &str {
    report.failure().expect("a failure").message()
}

#[tokio::test]
async fn t1_connecting_is_enough() {
    let report = ask(json!({}), vec![close()]).await;
    assert_eq!(gist(&report), "up");
    assert_eq!(flags(&report), CLEAR);
    assert_eq!(report.reading_named("probe_ip_protocol"), Some(4.0));
    assert_eq!(report.reading_named("probe_ip_addr_hash"), Some(3_668_918_509.0));
    assert_eq!(phases(&report), ["resolve", "connect"]);
}

#[tokio::test]
async fn t2_a_target_without_port_or_with_scheme_cannot_be_asked() {
    for target in ["localhost", "tcp://localhost:80", "localhost:", "localhost:nosuch", "localhost:65536", "[::1"] {
        let report = ask_for(LONG, json!({}), target).await;
        assert_eq!(gist(&report), "target_invalid in no phase", "{target}");
        assert_eq!(report.readings.len(), 0, "{target}");
    }
}

#[tokio::test]
async fn t2_an_empty_host_is_looked_up_in_vain() {
    let report = ask_for(LONG, json!({}), ":0").await;
    assert_eq!(gist(&report), "target_invalid in resolve");
    assert_eq!(report.reading_named("probe_ip_protocol"), Some(0.0));
    assert_eq!(flags(&report), (None, None));
}

#[tokio::test]
async fn t2_a_closed_port_refuses() {
    let report = ask_for(LONG, json!({}), &Peer::closed_port().await.to_string()).await;
    assert_eq!(gist(&report), "connect_refused in connect");
    assert_eq!(report.reading_named("probe_ip_protocol"), Some(4.0));
    assert_eq!(flags(&report), (None, None));
}

#[tokio::test]
async fn t23_the_source_address_is_used_when_it_is_one() {
    let report = ask(json!({"source_ip_address": "127.0.0.1"}), vec![close()]).await;
    assert_eq!(gist(&report), "up");
    let report = ask(json!({"source_ip_address": "garbage"}), vec![close()]).await;
    assert_eq!(gist(&report), "config_unusable in connect");
    assert_eq!(report.reading_named("probe_ip_protocol"), Some(4.0));
}

#[tokio::test]
async fn t24_the_address_family_is_chosen() {
    let only = |family: &str| json!({"preferred_ip_protocol": family, "ip_protocol_fallback": false});
    let report = ask(only("ip4"), vec![close()]).await;
    assert_eq!(gist(&report), "up");
    let report = ask(only("ip6"), vec![close()]).await;
    assert_eq!(gist(&report), "dns_nodata in resolve");
    assert_eq!(report.reading_named("probe_ip_protocol"), Some(0.0));
}

#[test]
fn unknown_settings_are_errors() {
    let module = |settings| crate::kind("tcp").expect("the kind").module(settings).map(drop);
    assert!(module(json!({"query_response": [{"expect": "a", "unknown": 1}]})).is_err());
    assert!(module(json!({"querry_response": []})).is_err());
    assert!(module(json!({"tls_config": {"min_version": "TLS9"}})).is_err());
    assert!(module(json!({"source_ip_address": "garbage", "tls": false})).is_ok());
}

#[tokio::test]
async fn a_secret_is_sent_but_not_shown() {
    let path = std::env::temp_dir().join(format!("tuermer-tcp-secret-{}", std::process::id()));
    std::fs::write(&path, "hunter2\n").expect("a file");
    let settings = entries(json!([
        {"send": format!("PASS ${{file:{}}}\r", path.display())},
        {"expect": "got (.*)", "labels": [{"name": "said", "value": "$1"}]},
        {"expect": "bye"},
    ]));
    let (report, heard) = talk(settings, vec![hear("\n"), say("got hunter2\r\nhunter2?\r\n"), close()]).await;
    std::fs::remove_file(&path).expect("the file");
    assert_eq!(heard, "PASS hunter2\r\n");
    assert_eq!(expect_info(&report), [[("said", "<secret>")]]);
    assert_eq!(message(&report), "no line matches \"bye\"; the last of 1 was \"<secret>?\"");
    assert!(report.notes.iter().all(|(_, _, text)| !text.contains("hunter2")));
}

#[tokio::test]
async fn a_module_whose_secret_file_is_missing_is_unusable() {
    let report = ask(entries(json!([{"send": "${file:/no/such/file}"}])), vec![wait_for_ever()]).await;
    assert_eq!(gist(&report), "config_unusable in exchange");
    assert_eq!(report.verdict(), Verdict::Down);
}
