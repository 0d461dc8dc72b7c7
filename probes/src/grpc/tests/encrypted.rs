//! Calls over TLS.

use serde_json::json;

use super::server::Running;
use super::{LONG, ask_for, only, shown, states, status, tls_family};
use crate::testkit::{Authority, Leaf, Peer, gist, hear_nothing_more, say, starttls};

const NO_CONNECTION: (Option<f64>, Option<f64>) = (Some(14.0), Some(0.0));

async fn behind(leaf: &Leaf) -> Running {
    Running::behind(leaf.server_config(&["h2"])).await
}

#[tokio::test]
async fn g5_a_call_over_tls_shows_the_certificate() {
    let leaf = Authority::new().leaf(&["other.example"]);
    let server = behind(&leaf).await;
    let settings = json!({"tls": true, "tls_config": {"insecure_skip_verify": true, "max_version": "TLS12"}});
    let report = ask_for(LONG, settings, &server.target()).await;
    assert_eq!(gist(&report), "up");
    assert_eq!(status(&report), (Some(0.0), Some(1.0)));
    assert_eq!(states(&report), only("SERVING"));
    let family = ["probe_ssl_earliest_cert_expiry", "probe_ssl_last_chain_info", "probe_tls_version_info"];
    assert_eq!(tls_family(&report), family);
    let version = report.readings.iter().find(|reading| reading.measure.name == "probe_tls_version_info");
    assert_eq!(&*version.expect("a version").labels[0].value, "TLS 1.2");
    assert_eq!(shown(&report), ["check", "resolve"]);
}

#[tokio::test]
async fn the_target_is_the_name_to_verify() {
    let authority = Authority::new();
    let server = behind(&authority.leaf(&["localhost", "n.example"])).await;
    let settings = |name: &str| json!({"tls": true, "tls_config": {"ca": authority.pem(), "server_name": name}});
    assert_eq!(gist(&ask_for(LONG, settings(""), &format!("localhost:{}", server.port())).await), "up");
    assert_eq!(gist(&ask_for(LONG, settings("n.example"), &server.target()).await), "up");
    let report = ask_for(LONG, settings(""), &server.target()).await;
    assert_eq!(gist(&report), "tls_cert_name in tls");
    assert_eq!(status(&report), NO_CONNECTION);
}

#[tokio::test]
async fn a_service_that_does_not_serve_shows_its_certificate_and_a_refusal_does_not() {
    let authority = Authority::new();
    let server = behind(&authority.leaf(&["127.0.0.1"])).await;
    let settings = |service: &str| json!({"tls": true, "tls_config": {"ca": authority.pem()}, "service": service});
    let report = ask_for(LONG, settings("bad"), &server.target()).await;
    assert_eq!((status(&report), tls_family(&report).len()), ((Some(0.0), Some(1.0)), 3));
    let report = ask_for(LONG, settings("nobody"), &server.target()).await;
    assert_eq!((status(&report), tls_family(&report).len()), ((Some(5.0), Some(0.0)), 0));
}

#[tokio::test]
async fn a_wrong_certificate_ends_the_call_but_its_end_is_known() {
    let authority = Authority::new();
    let settings = json!({"tls": true, "tls_config": {"ca": authority.pem()}});
    for (leaf, due) in [
        (authority.expired_leaf(&["127.0.0.1"]), "tls_cert_expired in tls"),
        (authority.leaf(&["other.example"]), "tls_cert_name in tls"),
        (Authority::new().leaf(&["127.0.0.1"]), "tls_cert_untrusted in tls"),
    ] {
        let server = behind(&leaf).await;
        let report = ask_for(LONG, settings.clone(), &server.target()).await;
        assert_eq!(gist(&report), due);
        assert_eq!((status(&report), tls_family(&report)), (NO_CONNECTION, vec![]));
        assert_eq!(states(&report), only("none"));
        let end = report.reading_named("probe_tls_certificate_not_after_timestamp_seconds");
        assert!(end.is_some_and(|end| end > 1e9));
    }
}

#[tokio::test]
async fn g6_one_side_encrypted_is_no_connection() {
    let leaf = Authority::new().leaf(&["localhost"]);
    let encrypted = behind(&leaf).await;
    let report = ask_for(LONG, json!({}), &encrypted.target()).await;
    assert_eq!(gist(&report), "protocol_error in check");
    assert_eq!((status(&report), shown(&report)), (NO_CONNECTION, vec!["check", "resolve"]));

    let plain = Running::start().await;
    let report = ask_for(LONG, json!({"tls": true}), &plain.target()).await;
    assert_eq!(report.failed_at().map(|(_, phase)| phase.name()), Some("tls"), "{}", gist(&report));
    assert_eq!((status(&report), tls_family(&report)), (NO_CONNECTION, vec![]));

    let report = ask_for(LONG, json!({}), &Peer::closed_port().await.to_string()).await;
    assert_eq!(gist(&report), "connect_refused in connect");
    assert_eq!((status(&report), shown(&report)), (NO_CONNECTION, vec!["check", "resolve"]));
}

#[tokio::test]
async fn a_peer_that_agrees_to_no_http2_is_not_called() {
    let authority = Authority::new();
    let config = authority.leaf(&["127.0.0.1"]).server();
    let peer = Peer::play(vec![starttls(config), say("hello"), hear_nothing_more()]).await;
    let settings = json!({"tls": true, "tls_config": {"ca": authority.pem()}});
    let report = ask_for(LONG, settings, &peer.address().to_string()).await;
    assert_eq!(gist(&report), "tls_handshake in tls");
    assert_eq!(status(&report), NO_CONNECTION);
}

#[tokio::test]
async fn tls_settings_that_cannot_be_used_are_found_first() {
    for tls in [json!({"ca_file": "/nonexistent/ca.pem"}), json!({"min_version": "TLS13", "max_version": "TLS12"})] {
        let report = ask_for(LONG, json!({"tls_config": tls}), "127.0.0.1:1").await;
        assert_eq!(gist(&report), "config_unusable in no phase");
        assert_eq!(report.reading_named("probe_ip_protocol"), None);
        assert_eq!((status(&report), shown(&report)), ((Some(0.0), Some(0.0)), vec!["resolve"]));
    }
}
