//! Peers that do not behave.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use serde_json::{Value, json};

use super::{LONG, SHORT, answer, answering, probe_peer, read, url};
use crate::http::client::HEAD_BYTES_MAX;
use crate::report::Report;
use crate::testkit::{
    Act, Authority, Peer, ask, assert_laps_cover_the_run, close, flood, gist, hear, hear_nothing_more, reset, say,
    starttls, trickle, wait_for_ever,
};

async fn plain(script: Vec<Act>, timeout: Duration) -> Report {
    let peer = Peer::play(script).await;
    let report = ask("http", json!({"preferred_ip_protocol": "ip4"}), &url(peer.address()), timeout).await;
    assert_laps_cover_the_run(&report);
    assert!(report.duration < timeout + LONG, "{:?}", report.duration);
    report
}

struct Encrypted {
    server: Arc<ServerConfig>,
    settings: Value,
}

impl Encrypted {
    fn new(alpn: &[&str]) -> Self {
        let authority = Authority::new();
        let server = Arc::new(authority.leaf(&["localhost"]).server_config(alpn));
        Self { server, settings: json!({"preferred_ip_protocol": "ip4", "tls_config": {"ca": authority.pem()}}) }
    }

    /// Plays a script after the handshake.
    async fn play(&self, mut script: Vec<Act>, timeout: Duration) -> Report {
        script.insert(0, starttls(Arc::clone(&self.server)));
        self.play_from_start(script, timeout).await
    }

    async fn play_from_start(&self, script: Vec<Act>, timeout: Duration) -> Report {
        let peer = Peer::play(script).await;
        let target = format!("https://localhost:{}/", peer.address().port());
        let report = ask("http", self.settings.clone(), &target, timeout).await;
        assert_laps_cover_the_run(&report);
        assert!(report.duration < timeout + LONG, "{:?}", report.duration);
        report
    }
}

#[tokio::test]
async fn a_closed_port_refuses() {
    let target = url(Peer::closed_port().await);
    let report = ask("http", json!({"preferred_ip_protocol": "ip4"}), &target, LONG).await;
    assert_eq!(gist(&report), "connect_refused in connect");
    assert_eq!(read(&report, "http_status_code"), Some(0.0));
    let target = target.replace("http://", "https://");
    let report = ask("http", json!({"preferred_ip_protocol": "ip4"}), &target, LONG).await;
    assert_eq!(gist(&report), "connect_refused in connect");
}

#[tokio::test]
async fn a_silent_peer_times_out_where_it_is_silent() {
    assert_eq!(gist(&plain(vec![hear_nothing_more()], SHORT).await), "timeout in processing");
    assert_eq!(gist(&plain(vec![wait_for_ever()], SHORT).await), "timeout in processing");
    let half_head = vec![hear("\r\n\r\n"), say("HTTP/1.1 200 OK\r\nX-A"), hear_nothing_more()];
    assert_eq!(gist(&plain(half_head, SHORT).await), "timeout in processing");
    let half_body = || {
        let half = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe";
        vec![hear("\r\n\r\n"), say(half), hear_nothing_more()]
    };
    assert_eq!(gist(&plain(half_body(), SHORT).await), "timeout in transfer");
    let encrypted = Encrypted::new(&[]);
    assert_eq!(gist(&encrypted.play_from_start(vec![wait_for_ever()], SHORT).await), "timeout in tls");
    assert_eq!(gist(&encrypted.play(vec![hear_nothing_more()], SHORT).await), "timeout in processing");
    assert_eq!(gist(&encrypted.play(half_body(), SHORT).await), "timeout in transfer");
    let encrypted = Encrypted::new(&["h2"]);
    assert_eq!(gist(&encrypted.play(vec![hear_nothing_more()], SHORT).await), "timeout in processing");
}

#[tokio::test]
async fn times_of_a_silent_peer_are_not_shown_as_measured() {
    let report = plain(vec![hear_nothing_more()], SHORT).await;
    let lap = report.last_lap().expect("a lap");
    assert!(lap.cut && lap.phase.is_whole_only());
    let report =
        plain(vec![hear("\r\n\r\n"), say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), wait_for_ever()], SHORT)
            .await;
    let lap = report.last_lap().expect("a lap");
    assert!(lap.cut && !lap.phase.is_whole_only() && !lap.length.is_zero());
    assert_eq!(read(&report, "http_status_code"), Some(200.0));
}

#[tokio::test]
async fn garbage_is_no_answer() {
    for garbage in
        ["garbage\r\n\r\n", "SSH-2.0-OpenSSH_9\r\n", "HTTP/9.9 what\r\n\r\n", "HTTP/1.1 abc OK\r\n\r\n", "\0\0\0\0"]
    {
        let script = || vec![hear("\r\n\r\n"), say(garbage), hear_nothing_more()];
        assert_eq!(gist(&plain(script(), LONG).await), "protocol_error in processing", "{garbage}");
        let encrypted = Encrypted::new(&[]);
        assert_eq!(gist(&encrypted.play(script(), LONG).await), "protocol_error in processing", "{garbage}");
    }
    let header = "HTTP/1.1 200 OK\r\nno colon\r\n\r\n";
    assert_eq!(gist(&plain(vec![hear("\r\n\r\n"), say(header)], LONG).await), "protocol_error in processing");
    let lengths = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!";
    assert_eq!(gist(&plain(vec![hear("\r\n\r\n"), say(lengths)], LONG).await), "protocol_error in processing");
}

#[tokio::test]
async fn a_peer_that_speaks_no_tls_breaks_the_handshake() {
    let script = vec![say("HTTP/1.1 400 Bad Request\r\n\r\n"), hear_nothing_more()];
    assert_eq!(gist(&Encrypted::new(&[]).play_from_start(script, LONG).await), "tls_handshake in tls");
    let client_hello = "\u{16}\u{3}";
    let script = vec![hear(client_hello), close()];
    assert_eq!(gist(&Encrypted::new(&[]).play_from_start(script, LONG).await), "closed_early in tls");
}

#[tokio::test]
async fn a_peer_that_speaks_no_http_2_breaks_the_protocol() {
    let encrypted = Encrypted::new(&["h2"]);
    let script = vec![hear("SM\r\n\r\n"), say(answer("200 OK", "", "hello")), hear_nothing_more()];
    assert_eq!(gist(&encrypted.play(script, LONG).await), "protocol_error in processing");
}

#[tokio::test]
async fn a_peer_that_closes_midway_closed_early() {
    let half_head = "HTTP/1.1 200 OK\r\nX-";
    let half_body = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe";
    for (text, phase) in [("", "processing"), (half_head, "processing"), (half_body, "transfer")] {
        let script = || vec![hear("\r\n\r\n"), say(text), close()];
        let due = format!("closed_early in {phase}");
        assert_eq!(gist(&plain(script(), LONG).await), due, "{text}");
        assert_eq!(gist(&Encrypted::new(&[]).play(script(), LONG).await), due, "{text}");
    }
    let http2 = Encrypted::new(&["h2"]);
    assert_eq!(gist(&http2.play(vec![hear("SM\r\n\r\n"), close()], LONG).await), "closed_early in processing");
}

#[tokio::test]
async fn a_reset_is_told_apart() {
    let script = vec![hear("\r\n\r\n"), reset()];
    assert_eq!(gist(&plain(script, LONG).await), "connection_reset in processing");
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe";
    let peer = Peer::play(vec![hear("\r\n\r\n"), say(head), trickle("ll", Duration::from_millis(50)), reset()]).await;
    let report = ask("http", json!({}), &url(peer.address()), LONG).await;
    assert_eq!(gist(&report), "connection_reset in transfer");
}

#[tokio::test]
async fn a_head_without_end_is_too_long() {
    let head = "HTTP/1.1 200 OK\r\nX-A: ";
    let script = || vec![hear("\r\n\r\n"), say(head), flood(b'x')];
    assert_eq!(gist(&plain(script(), LONG).await), "too_long in processing");
    assert_eq!(gist(&Encrypted::new(&[]).play(script(), LONG).await), "too_long in processing");
    let script = || vec![hear("\r\n\r\n"), flood(b'x')];
    assert_eq!(gist(&plain(script(), LONG).await), "protocol_error in processing");
}

#[tokio::test]
async fn ten_thousand_headers_are_too_many() {
    let many: String = (0..10_000).map(|n| format!("X-{n}: {n}\r\n")).collect();
    let script = vec![hear("\r\n\r\n"), say(answer("200 OK", &many, "")), hear_nothing_more()];
    assert_eq!(gist(&plain(script, LONG).await), "too_long in processing");
    let few: String = (0..90).map(|n| format!("X-{n}: {n}\r\n")).collect();
    let script = vec![hear("\r\n\r\n"), say(answer("200 OK", &few, "")), hear_nothing_more()];
    assert_eq!(gist(&plain(script, LONG).await), "up");
}

#[tokio::test]
async fn informational_answers_without_end_are_too_long() {
    let hint = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n";
    let many = hint.repeat(4 * HEAD_BYTES_MAX / hint.len());
    let script = vec![hear("\r\n\r\n"), say(many), hear_nothing_more()];
    assert_eq!(gist(&plain(script, LONG).await), "too_long in processing");
}

#[tokio::test]
async fn one_byte_at_a_time_ends_with_the_deadline() {
    let slowly = |text: &str| vec![hear("\r\n\r\n"), trickle(text, Duration::from_millis(40))];
    let report = plain(slowly(&answer("200 OK", "", "hello")), SHORT).await;
    assert_eq!(gist(&report), "timeout in processing");
    let mut script = vec![hear("\r\n\r\n"), say("HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n")];
    script.push(trickle("x".repeat(999), Duration::from_millis(40)));
    assert_eq!(gist(&plain(script.clone(), SHORT).await), "timeout in transfer");
    assert_eq!(gist(&Encrypted::new(&[]).play(script, SHORT).await), "timeout in transfer");
}

#[tokio::test]
async fn a_slow_answer_is_an_answer() {
    let text = answer("200 OK", "", "hello");
    let report = plain(vec![hear("\r\n\r\n"), trickle(text, Duration::from_millis(1))], LONG).await;
    assert_eq!(gist(&report), "up");
}

#[tokio::test]
async fn a_change_of_protocol_that_nobody_asked_for_is_a_wrong_status() {
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: odd\r\n\r\nodd bytes";
    let report = plain(vec![hear("\r\n\r\n"), say(switch), hear_nothing_more()], LONG).await;
    assert_eq!(
        (gist(&report), read(&report, "http_status_code")),
        ("status_unexpected in check".to_owned(), Some(101.0))
    );
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_request_counts() {
    let script = vec![hear("\r\n\r\n"), say(answer("413 Content Too Large", "", "no")), hear_nothing_more()];
    let peer = Peer::play(script).await;
    let settings = json!({"preferred_ip_protocol": "ip4", "method": "POST", "body": "x".repeat(4 << 20)});
    let report = ask("http", settings, &url(peer.address()), LONG).await;
    assert_eq!(
        (gist(&report), read(&report, "http_status_code")),
        ("status_unexpected in check".to_owned(), Some(413.0))
    );
}

#[tokio::test]
async fn a_module_can_say_how_large_a_head_may_be() {
    let headers: String = (0..40).map(|n| format!("X-{n}: {n}\r\n")).collect();
    let peer = answering(answer("200 OK", &headers, "")).await;
    for (limits, due) in [
        (json!({"header_count_limit": 41}), "up"),
        (json!({"header_count_limit": 40}), "too_long in processing"),
        (json!({"header_size_limit": "1KB"}), "up"),
        (json!({"header_size_limit": "100B"}), "too_long in processing"),
    ] {
        assert_eq!(gist(&probe_peer(limits.clone(), &peer).await), due, "{limits}");
    }
    let large = format!("X-Large: {}\r\n", "x".repeat(4 * HEAD_BYTES_MAX));
    let peer = answering(answer("200 OK", &large, "")).await;
    assert_eq!(gist(&probe_peer(json!({}), &peer).await), "too_long in processing");
    assert_eq!(gist(&probe_peer(json!({"header_size_limit": "1MB"}), &peer).await), "up");
}
