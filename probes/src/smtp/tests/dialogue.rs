//! What servers say when all is well, and how they refuse.

use super::*;
use crate::testkit::gist;

#[tokio::test]
async fn a_server_in_the_open_takes_the_message() {
    let peer = Peer::play(script(&plain())).await;
    let report = ask_peer(&peer, json!({}), AMPLE).await;
    assert_eq!(gist(&report), "up", "{:?}", report.failure());
    let said = "S: 220 mx.example.org ESMTP|C: EHLO [127.0.0.1]|S: 250-mx.example.org|S: 250-SIZE 1000|S: 250 DSN|\
                C: MAIL FROM:<>|S: 250 2.1.0 Ok|C: RCPT TO:<postmaster>|S: 250 2.1.5 Ok|C: RSET|S: 250 2.0.0 Ok|\
                C: QUIT|S: 221 2.0.0 Bye";
    assert_eq!(dialogue(&report).join("|"), said);
    let phases: Vec<_> = report.laps.iter().map(|lap| lap.phase.name()).collect();
    assert_eq!(phases, ["resolve", "connect", "greeting", "ehlo", "mail", "rcpt", "rset", "quit"]);
    let step = report.laps[1].step.as_deref().expect("a step");
    assert_eq!(step, "127.0.0.1");
    let read = |name: &str, values: &[&str]| reading(&report, Some(step), name, values);
    for (command, code) in [("greeting", 220.0), ("ehlo", 250.0), ("mail", 250.0), ("rcpt", 250.0), ("quit", 221.0)] {
        assert_eq!(read("probe_smtp_reply_code", &[command]), Some(code), "{command}");
    }
    assert_eq!(read("probe_smtp_enhanced_status_info", &["rcpt", "2.1.5"]), Some(1.0));
    assert_eq!(read("probe_smtp_capability", &["DSN", "before"]), Some(1.0));
    assert_eq!(read("probe_smtp_capability", &["CHUNKING", "before"]), Some(0.0));
    assert_eq!(read("probe_smtp_max_size_bytes", &[]), Some(1000.0));
    assert_eq!(read("probe_smtp_starttls_offered", &[]), Some(0.0));
    assert_eq!(read("probe_smtp_rcpt_accepted", &[]), Some(1.0));
    assert_eq!(read("probe_smtp_greylisted", &[]), Some(0.0));
    assert_eq!(read("probe_smtp_server_success", &[]), Some(1.0));
    assert_eq!(report.reading_named("probe_smtp_servers"), Some(1.0));
    assert_eq!(report.reading_named("probe_smtp_servers_accepting"), Some(1.0));
    assert_eq!(report.reading_named("probe_mail_deliverable"), Some(1.0));
}

#[tokio::test]
async fn a_dialogue_becomes_encrypted_and_capabilities_are_read_again() {
    let authority = Authority::new();
    let (config, settings) = trusted(&authority);
    let peer = Peer::play(script(&encrypted(config))).await;
    let report = ask_peer(&peer, settings, AMPLE).await;
    assert_eq!(gist(&report), "up", "{:?}", report.failure());
    let phases: Vec<_> = report.laps.iter().map(|lap| lap.phase.name()).collect();
    let whole = ["resolve", "connect", "greeting", "ehlo", "starttls", "tls", "ehlo", "mail", "rcpt", "rset", "quit"];
    assert_eq!(phases, whole);
    let read = |name: &str, values: &[&str]| reading(&report, Some("127.0.0.1"), name, values);
    assert_eq!(read("probe_smtp_replies_total", &["ehlo", "250"]), Some(2.0));
    assert_eq!(read("probe_smtp_starttls_offered", &[]), Some(1.0));
    assert_eq!(read("probe_smtp_capability", &["STARTTLS", "before"]), Some(1.0));
    assert_eq!(read("probe_smtp_capability", &["STARTTLS", "after"]), Some(0.0));
    assert_eq!(read("probe_smtp_capability", &["AUTH", "after"]), Some(1.0));
    assert_eq!(read("probe_smtp_auth_mechanism_info", &["PLAIN", "after"]), Some(1.0));
    assert_eq!(read("probe_smtp_max_size_bytes", &[]), Some(2000.0));
    assert_eq!(read("probe_tls_certificate_verified", &[]), Some(1.0));
    assert_eq!(read("probe_tls_version_info", &["TLS 1.3"]), Some(1.0));
}

#[tokio::test]
async fn encryption_is_left_out_where_it_must_not_be() {
    let mut stages = plain();
    stages[1].2 = say("250-mx.example.org\r\n250 STARTTLS\r\n");
    let peer = Peer::play(script(&stages)).await;
    assert_eq!(gist(&ask_peer(&peer, json!({"starttls": "never"}), AMPLE).await), "up");
}

#[tokio::test]
async fn a_server_without_starttls_fails_where_it_is_required() {
    let peer = Peer::play(refusing(&plain()[..2], 2, "")).await;
    let report = ask_peer(&peer, json!({"starttls": "required"}), SHORT).await;
    assert_eq!(gist(&report), "starttls_missing in ehlo");
    assert_eq!(report.reading_named("probe_smtp_starttls_offered"), Some(0.0));
}

#[tokio::test]
async fn a_server_that_does_not_know_ehlo_is_greeted_with_helo() {
    let mut stages = plain();
    stages[1].2 = say("502 what\r\n");
    stages.insert(2, ("ehlo", vec![hear("HELO [127.0.0.1]\r\n")], say("250 mx.example.org\r\n")));
    let peer = Peer::play(script(&stages)).await;
    let report = ask_peer(&peer, json!({}), AMPLE).await;
    assert_eq!(gist(&report), "up", "{:?}", report.failure());
    assert_eq!(reading(&report, Some("127.0.0.1"), "probe_smtp_reply_code", &["helo"]), Some(250.0));
    let peer = Peer::play(script(&stages)).await;
    assert_eq!(gist(&ask_peer(&peer, json!({"starttls": "required"}), SHORT).await), "starttls_missing in ehlo");
}

#[tokio::test]
async fn names_and_addresses_come_from_the_settings() {
    let stages = vec![
        ("greeting", vec![], say("220-mx\r\n220-be patient\r\n220 mx\r\n")),
        ("ehlo", vec![hear("EHLO probe.example.net\r\n")], say("250 mx\r\n")),
        ("mail", vec![hear("MAIL FROM:<probe@example.net>\r\n")], say("250 Ok\r\n")),
        ("rcpt", vec![hear("RCPT TO:<a@example.org>\r\n")], say("250 Ok\r\n")),
        ("rcpt", vec![hear("RCPT TO:<b@example.org>\r\n")], say("251 will forward\r\n")),
        ("rset", vec![hear("RSET\r\n")], say("250 Ok\r\n")),
        ("quit", vec![hear("QUIT\r\n")], say("221 Bye\r\n")),
    ];
    let peer = Peer::play(script(&stages)).await;
    let settings = json!({
        "ehlo_name": "probe.example.net",
        "mail_from": "probe@example.net",
        "recipients": ["a@example.org", "b@example.org"],
    });
    let report = ask_peer(&peer, settings, AMPLE).await;
    assert_eq!(gist(&report), "up", "{:?}", report.failure());
}

#[tokio::test]
async fn without_recipients_the_dialogue_ends_after_ehlo() {
    let mut stages = plain();
    stages.drain(2..4);
    let peer = Peer::play(script(&stages)).await;
    let report = ask_peer(&peer, json!({"recipients": []}), AMPLE).await;
    assert_eq!(gist(&report), "up", "{:?}", report.failure());
    assert_eq!(report.reading_named("probe_smtp_rcpt_accepted"), None);
}

/// Reason and phase of every refusal, at every stage.
#[tokio::test]
async fn refusals_are_told_apart_at_every_command() {
    let authority = Authority::new();
    let (config, settings) = trusted(&authority);
    let cases = [
        (0, "554 5.7.1 no service\r\n", "rejected in greeting"),
        (0, "450 4.3.2 later\r\n", "rejected_temporarily in greeting"),
        (0, "421 4.3.2 too many connections\r\n", "rejected_temporarily in greeting"),
        (1, "550 5.7.1 not you\r\n", "rejected in ehlo"),
        (1, "451 later\r\n", "rejected_temporarily in ehlo"),
        (2, "501 5.5.4 no\r\n", "rejected in starttls"),
        (2, "454 4.7.0 TLS not available\r\n", "rejected_temporarily in starttls"),
        (2, "250 ok\r\n", "protocol_error in starttls"),
        (4, "550 5.7.1 not you\r\n", "rejected in ehlo"),
        (5, "553 5.1.8 no such domain\r\n", "sender_refused in mail"),
        (5, "451 4.3.0 later\r\n", "rejected_temporarily in mail"),
        (5, "421 4.3.2 closing\r\n", "rejected_temporarily in mail"),
        (5, "354 go on\r\n", "protocol_error in mail"),
        (6, "550-5.1.1 no such user\r\n550 5.1.1 really\r\n", "recipient_refused in rcpt"),
        (6, "452 4.2.2 mailbox full\r\n", "rejected_temporarily in rcpt"),
        (6, "450 4.2.0 Greylisted, see elsewhere\r\n", "greylisted in rcpt"),
        (6, "354 go on\r\n", "protocol_error in rcpt"),
    ];
    for (broken, reply, expected) in cases {
        let peer = Peer::play(refusing(&encrypted(Arc::clone(&config)), broken, reply)).await;
        let report = ask_peer(&peer, settings.clone(), AMPLE).await;
        assert_eq!(gist(&report), expected, "{reply:?}: {:?}", report.failure());
        let took_leave = String::from_utf8_lossy(&peer.heard()).ends_with("RSET\r\nQUIT\r\n");
        assert_eq!(took_leave, !reply.starts_with("421"), "{reply:?}");
    }
}

#[tokio::test]
async fn a_refused_recipient_is_quoted_and_measured() {
    let stages = plain();
    let refused = refusing(&stages, stage(&stages, "rcpt"), "550-5.1.1 no\r\n550 5.1.1 such\x1b user\r\n");
    let peer = Peer::play(refused).await;
    let report = ask_peer(&peer, json!({}), AMPLE).await;
    let message = "the answer to RCPT TO:<postmaster> is 550 5.1.1 no 5.1.1 such\\u{1b} user";
    assert_eq!(report.failure().map(|failure| failure.message()), Some(message));
    let read = |name: &str, values: &[&str]| reading(&report, Some("127.0.0.1"), name, values);
    assert_eq!(read("probe_smtp_reply_code", &["rcpt"]), Some(550.0));
    assert_eq!(read("probe_smtp_replies_total", &["rcpt", "550"]), Some(1.0));
    assert_eq!(read("probe_smtp_enhanced_status_info", &["rcpt", "5.1.1"]), Some(1.0));
    assert_eq!(read("probe_smtp_rcpt_accepted", &[]), Some(0.0));
    assert_eq!(read("probe_smtp_server_success", &[]), Some(0.0));
    assert_eq!(report.reading_named("probe_mail_deliverable"), Some(0.0));
}

#[tokio::test]
async fn greylisting_counts_as_the_settings_say() {
    let stages = plain();
    let greylisted = refusing(&stages, stage(&stages, "rcpt"), "451 4.7.1 Greylisting in action\r\n");
    let peer = Peer::play(greylisted).await;
    let report = ask_peer(&peer, json!({}), AMPLE).await;
    assert_eq!(gist(&report), "greylisted in rcpt");
    let report = ask_peer(&peer, json!({"greylisting": "pass"}), AMPLE).await;
    assert_eq!(gist(&report), "up");
    assert_eq!(report.reading_named("probe_smtp_greylisted"), Some(1.0));
}

#[tokio::test]
async fn a_bad_leave_changes_no_verdict() {
    let stages = plain();
    let leaves = [
        vec![close()],
        vec![say("500 no\r\n"), hear("QUIT\r\n"), close()],
        vec![say("garbage\r\n")],
        vec![wait_for_ever()],
    ];
    for leave in leaves {
        let peer = Peer::play(script_with(&stages, stage(&stages, "rset"), leave.clone())).await;
        let report = ask_peer(&peer, json!({}), Duration::from_secs(3)).await;
        assert_eq!(gist(&report), "up", "{leave:?}: {:?}", report.failure());
    }
}

#[tokio::test]
async fn an_ipv6_host_is_greeted_with_its_kind_of_address() {
    let address = std::net::SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 0));
    if std::net::TcpListener::bind(address).is_err() {
        return; // A machine without IPv6 on loopback.
    }
    let mut stages = plain();
    stages[1].1 = vec![hear("EHLO [IPv6:::1]\r\n")];
    let peer = Peer::play_on(address, script(&stages)).await;
    let report = ask_peer(&peer, json!({}), AMPLE).await;
    assert_eq!(gist(&report), "up", "{:?}", report.failure());
}
