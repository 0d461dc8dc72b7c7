//! Servers of this process are asked for their certificates.

mod misfortunes;
mod versions;

use std::time::Duration;

use rustls::version::{TLS12, TLS13};
use serde_json::{Value, json};

use super::*;
use crate::report::Report;
use crate::testkit::{
    Authority, Leaf, Peer, ask, ask_in, assert_laps_cover_the_run, gist, in_days, net, starttls, wait_for_ever,
};

/// Long enough for a handshake on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

async fn examine_as(name: &str, server: Arc<rustls::ServerConfig>, settings: Value) -> Report {
    let peer = Peer::play(vec![starttls(server), wait_for_ever()]).await;
    let module = crate::kind("tls").unwrap().module(settings).unwrap();
    let target = Target::new(peer.address().to_string()).with_hostname(name);
    let report = module.bind(&target).unwrap().run(&net(), PATIENCE).await;
    assert_laps_cover_the_run(&report);
    report
}

async fn examine(server: Arc<rustls::ServerConfig>, settings: Value) -> Report {
    examine_as("localhost", server, settings).await
}

/// The settings that trust an authority, with more of them.
fn trusting(authority: &Authority, more: Value) -> Value {
    let mut settings = json!({ "tls_config": { "ca": authority.pem() } });
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    settings
}

fn message(report: &Report) -> &str {
    report.failure().map_or("", Failure::message)
}

fn labels<'a>(report: &'a Report, measure: &str) -> Vec<(&'a str, &'a str)> {
    let reading = report.readings.iter().find(|reading| reading.measure.name == measure);
    reading.map_or_else(Vec::new, |reading| reading.labels.iter().map(|label| (&*label.name, &*label.value)).collect())
}

fn seconds(time: std::time::SystemTime) -> f64 {
    time.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as f64
}

#[tokio::test]
async fn a_good_certificate_is_described() {
    let authority = Authority::new();
    let (from, until) = (in_days(-2.0), in_days(20.0));
    let leaf = authority.leaf_valid(&["localhost", "127.0.0.1"], from, until).with_chain([authority.der()]);
    let server = leaf.server_config(&["h2", "http/1.1"]);
    let report = examine(Arc::new(server), trusting(&authority, json!({ "alpn": ["http/1.1"] }))).await;
    assert_eq!(gist(&report), "up", "{}", message(&report));
    let phases: Vec<_> = report.laps.iter().map(|lap| lap.phase.name()).collect();
    assert_eq!(phases, ["resolve", "connect", "tls", "verify"]);
    assert_eq!(labels(&report, "probe_tls_verify_info"), [("result", "ok")]);
    let session = labels(&report, "probe_tls_session_info");
    assert_eq!((session[0], session[3]), (("version", "TLS 1.3"), ("alpn", "http/1.1")));
    assert!(session[1].1.starts_with("TLS_") && !session[2].1.is_empty(), "{session:?}");
    let info = labels(&report, "probe_tls_leaf_info");
    assert_eq!(
        info[..4],
        [
            ("subject", "CN=rcgen self signed cert"),
            ("issuer", "CN=tuermer test authority"),
            ("subjectalternative", "localhost"),
            ("ip_addresses", "127.0.0.1"),
        ]
    );
    assert_eq!(info[6..], [("key", "ECDSA 256"), ("signature", "ECDSA-SHA256")]);
    let chain: Vec<_> = report
        .readings
        .iter()
        .filter(|reading| reading.measure.name == "probe_tls_chain_not_after_timestamp_seconds")
        .map(|reading| (&*reading.labels[0].value, &*reading.labels[1].value))
        .collect();
    assert_eq!(chain, [("0", "CN=rcgen self signed cert"), ("1", "CN=tuermer test authority")]);
    assert_eq!(report.reading_named("probe_tls_chain_not_after_timestamp_seconds"), Some(seconds(until)));
    assert_eq!(report.reading_named("probe_tls_chain_not_before_timestamp_seconds"), Some(seconds(from)));
    assert_eq!(report.reading_named("probe_tls_chain_length"), Some(2.0));
    assert_eq!(report.reading_named("probe_tls_ocsp_stapled"), Some(0.0));
    assert_eq!(report.reading_named("probe_tls_client_certificate_asked"), Some(0.0));
    assert_eq!(report.reading_named("probe_ssl_earliest_cert_expiry"), Some(seconds(until)));
    assert_eq!(report.reading_named("probe_ssl_last_chain_expiry_timestamp_seconds"), Some(seconds(until)));
}

#[tokio::test]
async fn a_stapled_statement_and_a_wish_for_a_client_certificate_are_seen() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["localhost"]).with_ocsp(b"good");
    let report = examine(leaf.server_for_clients_of(&authority, &TLS13), trusting(&authority, json!({}))).await;
    assert_eq!(gist(&report), "up", "{}", message(&report));
    assert_eq!(report.reading_named("probe_tls_ocsp_stapled"), Some(1.0));
    assert_eq!(report.reading_named("probe_tls_client_certificate_asked"), Some(1.0));
}

/// What is known of a certificate in any case.
fn assert_described(report: &Report, result: &str, until: f64) {
    assert_eq!(labels(report, "probe_tls_verify_info"), [("result", result)]);
    assert_eq!(report.reading_named("probe_tls_chain_not_after_timestamp_seconds"), Some(until));
    assert_eq!(report.reading_named("probe_ssl_earliest_cert_expiry"), Some(until));
    assert_eq!(report.reading_named("probe_tls_certificate_not_after_timestamp_seconds"), Some(until));
    assert_eq!(labels(report, "probe_ssl_last_chain_info").len(), 5);
    assert_eq!(labels(report, "probe_tls_session_info").len(), 4);
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_described_all_the_same() {
    let authority = Authority::new();
    let trusting = || trusting(&authority, json!({}));
    let (past, until) = (in_days(-3.0), in_days(20.0));
    for version in [&TLS12, &TLS13] {
        let expired = authority.leaf_valid(&["localhost"], in_days(-30.0), past).server_of_version(version);
        let report = examine(expired, trusting()).await;
        assert_eq!(gist(&report), "tls_cert_expired in verify");
        assert!(message(&report).contains("expired 3 days ago"), "{}", message(&report));
        assert_described(&report, "tls_cert_expired", seconds(past));

        let good = authority.leaf_valid(&["localhost"], in_days(-1.0), until).server_of_version(version);
        let report = examine_as("elsewhere", good, trusting()).await;
        assert_eq!(gist(&report), "tls_cert_name in verify");
        assert_described(&report, "tls_cert_name", seconds(until));
        assert_eq!(report.reading_named("probe_ssl_last_chain_expiry_timestamp_seconds"), None);

        let strange = Leaf::self_signed(&["localhost"], |params| params.not_after = until.into());
        let report = examine(strange.server_of_version(version), trusting()).await;
        assert_eq!(gist(&report), "tls_cert_untrusted in verify");
        assert_described(&report, "tls_cert_untrusted", seconds(until));

        let skipping = json!({ "tls_config": { "insecure_skip_verify": true } });
        let report = examine(strange.server_of_version(version), skipping).await;
        assert_eq!(gist(&report), "up");
        assert_described(&report, "skipped", seconds(until));
    }
}

#[tokio::test]
async fn a_certificate_that_ends_soon_fails_before_it_ends() {
    let authority = Authority::new();
    let leaf = authority.leaf_valid(&["localhost"], in_days(-1.0), in_days(3.5));
    let within = |span: &str| trusting(&authority, json!({ "fail_if_expires_within": span }));
    assert_eq!(gist(&examine(leaf.server(), within("72h")).await), "up");
    let report = examine(leaf.server(), within("336h")).await;
    assert_eq!(gist(&report), "tls_cert_expires_soon in verify");
    let words = message(&report);
    assert!(words.starts_with("the certificate of CN=rcgen self signed cert ends in 3 days, at "), "{words}");
    assert!(words.ends_with(", but 14 days are due"), "{words}");
    assert_eq!(labels(&report, "probe_tls_verify_info"), [("result", "ok")]);
    let expired = authority.leaf_valid(&["localhost"], in_days(-9.0), in_days(-3.0));
    let report = examine(expired.server(), within("336h")).await;
    assert_eq!(gist(&report), "tls_cert_expired in verify");
    let unchecked = json!({ "tls_config": { "insecure_skip_verify": true }, "fail_if_expires_within": "1h" });
    assert_eq!(gist(&examine(expired.server(), unchecked).await), "tls_cert_expires_soon in verify");
}

#[tokio::test]
async fn an_authority_that_ends_soon_counts_too() {
    let authority = Authority::new();
    let between = authority.intermediate("between", in_days(-1.0), in_days(5.5));
    let leaf = between.leaf(&["localhost"]).with_chain([between.der()]);
    let settings = trusting(&authority, json!({ "fail_if_expires_within": "336h" }));
    let report = examine(leaf.server(), settings).await;
    assert_eq!(gist(&report), "tls_cert_expires_soon in verify");
    assert!(message(&report).starts_with("the intermediate certificate of CN=between ends in 5 days"));
}

#[tokio::test]
async fn the_fingerprint_must_be_one_of_the_expected() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["localhost"]);
    let report = examine(leaf.server(), trusting(&authority, json!({}))).await;
    let fingerprint = labels(&report, "probe_tls_leaf_info")[5].1.to_owned();
    let other = "00".repeat(32);
    let expecting = |fingerprints: &[&str]| trusting(&authority, json!({ "fingerprint_sha256": fingerprints }));
    assert_eq!(gist(&examine(leaf.server(), expecting(&[&other, &fingerprint.to_uppercase()])).await), "up");
    let report = examine(leaf.server(), expecting(&[&other])).await;
    assert_eq!(gist(&report), "tls_cert_unexpected in verify");
    let words = format!("the certificate with the fingerprint {fingerprint} is not one of the expected");
    assert_eq!(message(&report), words);
}

#[tokio::test]
async fn the_version_must_be_one_of_the_valid() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["localhost"]);
    let only = |version: &str| trusting(&authority, json!({ "valid_versions": [version] }));
    assert_eq!(gist(&examine(leaf.server_of_version(&TLS12), only("TLS12")).await), "up");
    let report = examine(leaf.server_of_version(&TLS12), only("TLS13")).await;
    assert_eq!(gist(&report), "version_unexpected in verify");
    assert_eq!(message(&report), "TLS 1.2 is not one of the valid versions");
}

#[test]
fn a_target_is_a_host_with_or_without_a_port() {
    let settings: Arc<Settings> = Arc::new(serde_json::from_value(json!({})).unwrap());
    let bound = |text: &str| {
        let probe = Tls::bind(&settings, &Target::new(text)).ok()?;
        Some((probe.host.into_string(), probe.port))
    };
    let host = |host: &str, port| Some((host.to_owned(), port));
    assert_eq!(bound("www.example.org"), host("www.example.org", 443));
    assert_eq!(bound("www.example.org:8443"), host("www.example.org", 8443));
    assert_eq!(bound("mx.example.org:smtps"), host("mx.example.org", 465));
    assert_eq!(bound("192.0.2.1"), host("192.0.2.1", 443));
    assert_eq!(bound("[2001:db8::1]:8443"), host("2001:db8::1", 8443));
    assert_eq!(bound("2001:db8::1"), host("2001:db8::1", 443));
    for wrong in ["www.example.org:nothing", "https://www.example.org/", "[::1"] {
        assert_eq!(bound(wrong), None, "{wrong}");
    }
}
