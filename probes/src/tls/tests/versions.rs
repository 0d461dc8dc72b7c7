//! Servers of versions that this program does not speak.

use super::*;
use crate::report::Verdict;
use crate::testkit::{hear, say};

/// A server of this version (by its number) that shows the certificates in the clear and then waits.
async fn old_server(version: u8, suite: [u8; 2], chain: &[&[u8]]) -> Peer {
    let wrapped = |width: usize, bytes: &[u8]| {
        let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
        [&length[4 - width..], bytes].concat()
    };
    let hello = [&[3, version][..], &[7; 32], &[0], &suite, &[0]].concat();
    let list: Vec<u8> = chain.iter().flat_map(|der| wrapped(3, der)).collect();
    let messages = [&[2][..], &wrapped(3, &hello), &[11], &wrapped(3, &wrapped(3, &list)), &[14, 0, 0, 0]].concat();
    let records: Vec<u8> =
        messages.chunks(1000).flat_map(|piece| [&[22, 3, version][..], &wrapped(2, piece)].concat()).collect();
    Peer::play(vec![hear("\u{3}"), say(records), wait_for_ever()]).await
}

async fn examine_old(version: u8, suite: [u8; 2], settings: Value) -> Report {
    let leaf = Authority::new().leaf(&["127.0.0.1"]);
    let peer = old_server(version, suite, &[&leaf.der]).await;
    let report = ask("tls", settings, &peer.address().to_string(), PATIENCE).await;
    assert_laps_cover_the_run(&report);
    report
}

/// TLS_RSA_WITH_AES_128_CBC_SHA.
const OLD_SUITE: [u8; 2] = [0, 0x2f];

fn skipping(more: Value) -> Value {
    let mut settings = json!({ "tls_config": { "insecure_skip_verify": true } });
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    settings
}

#[tokio::test]
async fn an_old_server_is_described_and_its_version_told() {
    let report = examine_old(1, OLD_SUITE, skipping(json!({}))).await;
    assert_eq!(gist(&report), "version_unexpected in scan");
    assert_eq!(message(&report), "the server speaks TLS 1.0 at best, which tls_config does not allow");
    let session = labels(&report, "probe_tls_session_info");
    assert_eq!(session[..2], [("version", "TLS 1.0"), ("cipher", "TLS_RSA_WITH_AES_128_CBC_SHA")]);
    assert_eq!(labels(&report, "probe_tls_version_info"), [("version", "TLS 1.0")]);
    assert_eq!(labels(&report, "probe_tls_leaf_info").len(), 8);
}

#[tokio::test]
async fn an_old_server_that_the_settings_allow_makes_the_verdict_unknown() {
    for config in [json!({ "min_version": "TLS10" }), json!({ "min_version": "TLS10", "max_version": "TLS11" })] {
        let mut config = config;
        config["insecure_skip_verify"] = true.into();
        let report = examine_old(2, OLD_SUITE, json!({ "tls_config": config })).await;
        assert_eq!(gist(&report), "agent_unbuilt in scan");
        assert_eq!(report.verdict(), Verdict::Unknown);
        let words = "the server speaks TLS 1.1 with TLS_RSA_WITH_AES_128_CBC_SHA at best, which this program does not";
        assert_eq!(message(&report), words);
    }
}

#[tokio::test]
async fn a_certificate_of_an_old_server_is_judged_all_the_same() {
    let config = json!({ "tls_config": { "min_version": "TLS10", "ca": Authority::new().pem() } });
    let report = examine_old(1, OLD_SUITE, config).await;
    assert_eq!(gist(&report), "tls_cert_untrusted in scan");
    let report = examine_old(1, OLD_SUITE, skipping(json!({ "valid_versions": ["TLS13"] }))).await;
    assert_eq!(gist(&report), "version_unexpected in scan");
    assert_eq!(message(&report), "TLS 1.0 is not one of the valid versions");
}

#[tokio::test]
async fn other_kinds_do_not_call_an_old_server_down_where_the_settings_allow_it() {
    let peer = old_server(1, OLD_SUITE, &[b"certificate"]).await;
    for (min, max, gist_due) in [
        ("TLS10", "TLS13", "agent_unbuilt in tls"),
        ("TLS10", "TLS11", "agent_unbuilt in tls"),
        ("TLS11", "TLS11", "tls_handshake in tls"),
        ("TLS12", "TLS13", "tls_handshake in tls"),
    ] {
        let config = json!({ "insecure_skip_verify": true, "min_version": min, "max_version": max });
        let settings = json!({ "tls": true, "tls_config": config });
        let report = ask("tcp", settings, &peer.address().to_string(), PATIENCE).await;
        assert_eq!(gist(&report), gist_due, "{min} to {max}: {}", message(&report));
    }
    let authority = Authority::new();
    let new = Peer::play(vec![starttls(authority.leaf(&["127.0.0.1"]).server()), wait_for_ever()]).await;
    for (max, gist_due) in [("TLS13", "up"), ("TLS12", "up"), ("TLS11", "tls_alert in tls")] {
        let config = json!({ "ca": authority.pem(), "min_version": "TLS10", "max_version": max });
        let settings = json!({ "tls": true, "tls_config": config });
        let report = ask("tcp", settings, &new.address().to_string(), PATIENCE).await;
        assert_eq!(gist(&report), gist_due, "up to {max}: {}", message(&report));
    }
}

#[tokio::test]
async fn a_server_that_still_offers_a_version_can_fail_the_check() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["localhost"]);
    let scanning = |more| trusting(&authority, more);
    let offered = |report: &Report| -> Vec<(String, f64)> {
        let of_measure = report.readings.iter().filter(|reading| reading.measure.name == "probe_tls_offered");
        of_measure.map(|reading| (reading.labels[0].value.to_string(), reading.value)).collect()
    };
    let all = json!({ "scan_versions": ["TLS13", "TLS12", "TLS11", "TLS10"], "fail_if_offers": ["TLS10", "TLS11"] });
    let report = examine(leaf.server(), scanning(all)).await;
    assert_eq!(gist(&report), "up", "{}", message(&report));
    let due = [("TLS 1.0", 0.0), ("TLS 1.1", 0.0), ("TLS 1.2", 1.0), ("TLS 1.3", 1.0)];
    assert_eq!(offered(&report), due.map(|(version, value)| (version.to_owned(), value)));
    let report = examine(leaf.server(), scanning(json!({ "fail_if_offers": ["TLS12"] }))).await;
    assert_eq!(gist(&report), "version_unexpected in verify");
    assert_eq!(message(&report), "the server still offers TLS 1.2");
    assert_eq!(offered(&report), [("TLS 1.2".to_owned(), 1.0)]);
}
