//! Servers that do not even show a certificate.

use super::*;
use crate::testkit::{Act, close, flood, hear, reset, say, trickle};

/// Long enough to see that a server is silent.
const SHORT: Duration = Duration::from_millis(300);

async fn misfortune(script: Vec<Act>) -> Report {
    let peer = Peer::play(script).await;
    let report = ask("tls", json!({}), &peer.address().to_string(), SHORT).await;
    assert_laps_cover_the_run(&report);
    assert!(report.duration < Duration::from_secs(3), "{:?}", report.duration);
    assert_eq!(labels(&report, "probe_tls_verify_info"), [], "nothing was verified");
    report
}

#[tokio::test]
async fn a_closed_port_is_refused_in_connect() {
    let report = ask("tls", json!({}), &Peer::closed_port().await.to_string(), PATIENCE).await;
    assert_eq!(gist(&report), "connect_refused in connect");
    assert_eq!(report.declared.len(), 5);
}

#[tokio::test]
async fn a_silent_server_times_out_in_tls() {
    assert_eq!(gist(&misfortune(vec![wait_for_ever()]).await), "timeout in tls");
}

#[tokio::test]
async fn a_server_of_one_byte_a_second_times_out_in_tls() {
    let script = vec![trickle([0x16, 3, 3, 0, 42, 2, 0, 0, 38, 3, 3], Duration::from_secs(1))];
    assert_eq!(gist(&misfortune(script).await), "timeout in tls");
}

#[tokio::test]
async fn garbage_and_floods_break_the_handshake() {
    for script in [vec![say("220 mx.example ESMTP\r\n"), wait_for_ever()], vec![flood(b'x')], vec![flood(0x16)]] {
        assert_eq!(gist(&misfortune(script).await), "tls_handshake in tls");
    }
}

#[tokio::test]
async fn a_server_that_goes_away_is_told_from_one_that_resets() {
    assert_eq!(gist(&misfortune(vec![hear("\u{3}"), close()]).await), "closed_early in tls");
    assert_eq!(gist(&misfortune(vec![hear("\u{3}"), reset()]).await), "connection_reset in tls");
}

#[tokio::test]
async fn an_alert_ends_the_handshake() {
    // Alert, TLS 1.2, two bytes: fatal, handshake_failure (RFC 8446 section 6).
    let report = misfortune(vec![hear("\u{3}"), say([0x15, 3, 3, 0, 2, 2, 40]), wait_for_ever()]).await;
    assert_eq!(gist(&report), "tls_alert in tls");
}

#[tokio::test]
async fn a_certificate_is_described_although_the_handshake_breaks_after_it() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["localhost"]);
    let report = examine(leaf.server_for_clients_of(&Authority::new(), &TLS12), trusting(&authority, json!({}))).await;
    assert_eq!(gist(&report), "tls_alert in tls");
    assert_eq!(labels(&report, "probe_tls_verify_info"), [("result", "ok")]);
    assert_eq!(labels(&report, "probe_tls_leaf_info").len(), 8);
    assert_eq!(report.reading_named("probe_tls_client_certificate_asked"), Some(1.0));
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_the_modules_fault() {
    let peer = Peer::play(vec![wait_for_ever()]).await;
    let settings = json!({ "tls_config": { "ca_file": "/nonexistent/ca.pem" } });
    let report = ask_in(&net(), "tls", settings, &peer.address().to_string(), PATIENCE).await;
    assert_eq!(gist(&report), "config_unusable in tls");
    let settings = json!({ "source_ip_address": "garbage" });
    let report = ask_in(&net(), "tls", settings, &peer.address().to_string(), PATIENCE).await;
    assert_eq!(gist(&report), "config_unusable in connect");
}

#[tokio::test]
async fn a_target_that_is_none_is_refused() {
    let report = ask("tls", json!({}), "https://www.example.org/", PATIENCE).await;
    assert_eq!(gist(&report), "target_invalid in no phase");
}
