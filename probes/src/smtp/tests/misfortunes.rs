//! Everything that can go wrong on the wire, in each phase.

use super::*;
use crate::testkit::{flood, gist, reset, trickle};

/// Plays the misfortune at each stage and expects the reason, in that stage's phase.
async fn at_each_stage(stages: &[Stage], settings: &Value, timeout: Duration, acts: &[Act], reason: &str) {
    for (index, (phase, ..)) in stages.iter().enumerate().filter(|(_, (phase, ..))| !matches!(*phase, "rset" | "quit"))
    {
        let (first, reason) = match (*phase, reason) {
            // What is no reply is, in a handshake, no handshake. Before the client's first record it would be something
            // else: plain text after the reply to STARTTLS.
            ("tls", "protocol_error" | "too_long") => (Some(hear("\u{16}\u{3}\u{1}")), "tls_handshake"),
            _ => (None, reason),
        };
        let acts = first.into_iter().chain(acts.iter().cloned());
        let peer = Peer::play(script_with(stages, index, acts)).await;
        let report = ask_peer(&peer, settings.clone(), timeout).await;
        assert_eq!(gist(&report), format!("{reason} in {phase}"), "stage {index}: {:?}", report.failure());
        assert!(report.duration < Duration::from_secs(10), "stage {index}: {:?}", report.duration);
    }
}

#[tokio::test]
async fn a_silent_server_times_out_where_it_fell_silent() {
    at_each_stage(&plain(), &json!({}), SHORT, &[wait_for_ever()], "timeout").await;
}

#[tokio::test]
async fn a_server_silent_around_encryption_times_out_where_it_fell_silent() {
    let (config, settings) = trusted(&Authority::new());
    at_each_stage(&encrypted(config)[..5], &settings, Duration::from_secs(1), &[wait_for_ever()], "timeout").await;
}

#[tokio::test]
async fn a_server_that_says_one_byte_at_a_time_times_out() {
    let slow = [trickle("220-slow\r\n".repeat(100), Duration::from_millis(50))];
    at_each_stage(&plain(), &json!({}), SHORT, &slow, "timeout").await;
}

#[tokio::test]
async fn garbage_is_a_broken_protocol() {
    let (config, settings) = trusted(&Authority::new());
    let garbage = [say("+OK what do you want here?\r\n"), wait_for_ever()];
    at_each_stage(&encrypted(config), &settings, AMPLE, &garbage, "protocol_error").await;
}

#[tokio::test]
async fn a_reply_with_two_codes_is_a_broken_protocol() {
    let garbage = [say("250-one\r\n251 two\r\n"), wait_for_ever()];
    at_each_stage(&plain(), &json!({}), AMPLE, &garbage, "protocol_error").await;
}

#[tokio::test]
async fn a_flood_is_too_long() {
    let (config, settings) = trusted(&Authority::new());
    at_each_stage(&encrypted(config), &settings, AMPLE, &[flood(b'2')], "too_long").await;
}

#[tokio::test]
async fn a_reply_without_end_is_too_long() {
    let endless = [say("250-more\r\n".repeat(101)), wait_for_ever()];
    at_each_stage(&plain(), &json!({}), AMPLE, &endless, "too_long").await;
}

#[tokio::test]
async fn a_server_that_closes_closed_early() {
    let (config, settings) = trusted(&Authority::new());
    at_each_stage(&encrypted(Arc::clone(&config)), &settings, AMPLE, &[close()], "closed_early").await;
    let middle = [say("250-in the mid"), close()];
    let stages = encrypted(config);
    at_each_stage(&stages[..3], &settings, AMPLE, &middle, "closed_early").await;
}

#[tokio::test]
async fn a_server_that_resets_is_told_from_one_that_closes() {
    at_each_stage(&plain(), &json!({}), AMPLE, &[reset()], "connection_reset").await;
}

#[tokio::test]
async fn a_source_that_cannot_be_used_is_the_modules_fault() {
    let peer = Peer::play(silent()).await;
    for source in ["nowhere", "::1"] {
        let report = ask_peer(&peer, json!({"source_ip_address": source}), AMPLE).await;
        assert_eq!(gist(&report), "config_unusable in connect", "{source}");
    }
}

#[tokio::test]
async fn a_closed_port_refuses() {
    let address = Peer::closed_port().await;
    let report = ask("smtp", json!({}), &address.to_string(), AMPLE).await;
    assert_eq!(gist(&report), "connect_refused in connect");
    assert_laps_cover_the_run(&report);
}

#[tokio::test]
async fn plain_text_after_the_reply_to_starttls_is_refused() {
    let (config, settings) = trusted(&Authority::new());
    let mut stages = encrypted(config);
    stages[2].2 = say("220 Go ahead\r\n250 injected\r\n");
    let peer = Peer::play(script(&stages)).await;
    let report = ask_peer(&peer, settings, AMPLE).await;
    assert_eq!(gist(&report), "protocol_error in starttls");
    let message = "plain text where encryption should begin: 250 injected\\r\\n";
    assert_eq!(report.failure().map(|failure| failure.message()), Some(message));
}

#[tokio::test]
async fn a_server_that_speaks_unasked_breaks_the_protocol() {
    let mut stages = plain();
    stages[0].2 = say("220 mx\r\n250 early\r\n");
    let peer = Peer::play(script(&stages)).await;
    assert_eq!(gist(&ask_peer(&peer, json!({}), AMPLE).await), "protocol_error in ehlo");
}

#[tokio::test]
async fn a_server_may_say_unasked_that_it_closes() {
    let mut stages = plain();
    stages[0].2 = say("220 mx\r\n421 4.3.2 shutting down\r\n");
    let peer = Peer::play(script(&stages)).await;
    assert_eq!(gist(&ask_peer(&peer, json!({}), AMPLE).await), "rejected_temporarily in ehlo");
}

#[tokio::test]
async fn a_wrong_certificate_is_told_by_what_is_wrong() {
    let authority = Authority::new();
    let stranger = Authority::new();
    let cases = [
        (authority.expired_leaf(&["127.0.0.1"]), "tls_cert_expired in tls"),
        (authority.leaf(&["mx.example.org"]), "tls_cert_name in tls"),
        (stranger.leaf(&["127.0.0.1"]), "tls_cert_untrusted in tls"),
    ];
    for (leaf, expected) in cases {
        let peer = Peer::play(script(&encrypted(leaf.server()))).await;
        let report = ask_peer(&peer, json!({"tls_config": {"ca": authority.pem()}}), AMPLE).await;
        assert_eq!(gist(&report), expected, "{:?}", report.failure());
        assert_eq!(report.reading_named("probe_tls_certificate_verified"), Some(0.0));
        assert!(report.reading_named("probe_tls_certificate_not_after_timestamp_seconds").is_some());
        let careless = ask_peer(&peer, json!({"tls_config": {"insecure_skip_verify": true}}), AMPLE).await;
        assert_eq!(gist(&careless), "up", "{:?}", careless.failure());
    }
}

#[tokio::test]
async fn a_hostile_target_is_refused_before_anything_is_sent() {
    let report = ask("smtp", json!({}), "example.org\r\nQUIT", AMPLE).await;
    assert_eq!(gist(&report), "target_invalid in no phase");
}
