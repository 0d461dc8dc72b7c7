//! Requests through a proxy.

use serde_json::{Value, json};

use super::{LONG, SHORT, answer, answering, dialogue, heard, phases, probe, read};
use crate::testkit::{
    Act, Authority, Peer, ask, assert_laps_cover_the_run, close, flood, gist, hear, hear_nothing_more, say, starttls,
};

fn through(proxy: &Peer) -> Value {
    json!({"proxy_url": format!("http://u:hunter2@{}", proxy.address())})
}

const OPEN: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

#[tokio::test]
async fn a_plain_request_goes_to_the_proxy_as_it_is() {
    let proxy = answering(answer("200 OK", "", "hello")).await;
    let mut settings = through(&proxy);
    settings["headers"] = json!({"Host": "vhost.example"});
    let report = probe(settings, "http://localhost:1/path?query").await;
    assert_eq!(gist(&report), "up");
    assert_eq!(read(&report, "ip_protocol"), Some(4.0));
    let heard = heard(&proxy);
    assert!(heard.starts_with("GET http://vhost.example/path?query HTTP/1.1\r\nHost: vhost.example\r\n"), "{heard}");
    assert!(heard.contains("Proxy-Authorization: Basic dTpodW50ZXIy\r\n"), "{heard}");
    let laps: Vec<_> = report.laps.iter().map(|lap| lap.phase.name()).collect();
    assert_eq!(laps, ["resolve", "proxy", "connect", "processing", "transfer", "check"]);
    assert!(!dialogue(&report).concat().contains("hunter2"));
}

#[tokio::test]
async fn a_name_can_be_left_to_the_proxy() {
    let proxy = answering(answer("200 OK", "", "hello")).await;
    let mut settings = through(&proxy);
    settings["skip_resolve_phase_with_proxy"] = json!(true);
    let report = probe(settings, "http://no.such.name.invalid/").await;
    assert_eq!(gist(&report), "up");
    assert!(heard(&proxy).starts_with("GET http://no.such.name.invalid/ HTTP/1.1\r\n"));
    assert_eq!(read(&report, "ip_protocol"), None);
    assert_eq!(phases(&report), ["connect", "processing", "tls", "transfer"]);
    let peer = answering(answer("200 OK", "", "hello")).await;
    let report = super::probe_peer(json!({"skip_resolve_phase_with_proxy": true}), &peer).await;
    assert_eq!(phases(&report), ["connect", "processing", "resolve", "tls", "transfer"]);
}

/// A proxy that opens a tunnel to a peer that answers.
async fn tunnel(authority: &Authority) -> Peer {
    let server = authority.leaf(&["localhost"]).server();
    let script = vec![hear("\r\n\r\n"), say(OPEN), starttls(server), hear("\r\n\r\n"), say(answer("200 OK", "", ""))];
    Peer::play(script).await
}

#[tokio::test]
async fn an_encrypted_request_goes_through_a_tunnel() {
    let authority = Authority::new();
    for (skips, host) in [(false, "127.0.0.1:444"), (true, "localhost:444")] {
        let proxy = tunnel(&authority).await;
        let mut settings = through(&proxy);
        settings["skip_resolve_phase_with_proxy"] = json!(skips);
        settings["proxy_connect_header"] = json!({"X-Key": ["one", "two"]});
        settings["tls_config"] = json!({"ca": authority.pem()});
        let report = probe(settings, "https://localhost:444/").await;
        assert_eq!(gist(&report), "up");
        assert_eq!(read(&report, "http_ssl"), Some(1.0));
        let due = format!(
            "CONNECT {host} HTTP/1.1\r\nHost: {host}\r\nX-Key: one\r\nX-Key: two\r\n\
             Proxy-Authorization: Basic dTpodW50ZXIy\r\n\r\n"
        );
        let heard = heard(&proxy);
        assert!(heard.starts_with(&due), "{heard}");
        assert!(heard[due.len()..].starts_with("GET / HTTP/1.1\r\nHost: localhost:444\r\n"), "{heard}");
        let laps: Vec<_> = report.laps.iter().map(|lap| lap.phase.name()).filter(|name| *name != "resolve").collect();
        assert_eq!(laps, ["proxy", "connect", "proxy", "tls", "processing", "transfer", "check"]);
    }
}

#[tokio::test]
async fn exceptions_are_asked_directly() {
    let (proxy, peer) = (answering("").await, answering(answer("200 OK", "", "")).await);
    let mut settings = through(&proxy);
    settings["no_proxy"] = json!("other.example");
    assert_eq!(gist(&super::probe_peer(settings.clone(), &peer).await), "up");
    settings["skip_resolve_phase_with_proxy"] = json!(true);
    let report = super::probe_peer(settings, &peer).await;
    assert_eq!(gist(&report), "up");
    assert_eq!(heard(&proxy), "");
}

#[tokio::test]
async fn a_proxys_url_can_be_in_a_file() {
    let proxy = answering(answer("200 OK", "", "")).await;
    let file = super::requests::Scratch::with(&format!("{}\n", proxy.address()));
    let report = probe(json!({"proxy_url": format!("${{file:{}}}", file.path())}), "127.0.0.1:1").await;
    assert_eq!(gist(&report), "up");
    let report = probe(json!({"proxy_url": "${file:/nonexistent/proxy}"}), "127.0.0.1:1").await;
    assert_eq!(gist(&report), "config_unusable in proxy");
}

#[tokio::test]
async fn a_proxy_that_misbehaves_is_told_apart() {
    for (script, timeout, due) in [
        (vec![hear("\r\n\r\n"), say("HTTP/1.1 403 Forbidden\r\n\r\n")], LONG, "connect_error in proxy"),
        (vec![hear("\r\n\r\n"), say("HTTP/1.1 407 Who\r\n\r\n")], LONG, "auth_refused in proxy"),
        (vec![hear("\r\n\r\n"), say("SSH-2.0-OpenSSH_9\r\n\r\n")], LONG, "protocol_error in proxy"),
        (vec![hear("\r\n\r\n"), say(format!("{OPEN}more")), hear_nothing_more()], LONG, "protocol_error in proxy"),
        (vec![hear("\r\n\r\n"), close()], LONG, "closed_early in proxy"),
        (vec![hear("\r\n\r\n"), flood(b'x')], LONG, "too_long in proxy"),
        (vec![hear_nothing_more()], SHORT, "timeout in proxy"),
    ] {
        let proxy = Peer::play(script).await;
        let mut settings = through(&proxy);
        settings["preferred_ip_protocol"] = json!("ip4");
        let report = ask("http", settings, "https://127.0.0.1:1/", timeout).await;
        assert_eq!(gist(&report), due);
        assert_laps_cover_the_run(&report);
        assert_eq!(read(&report, "http_status_code"), Some(0.0));
    }
    let settings = json!({"proxy_url": format!("http://{}", Peer::closed_port().await)});
    assert_eq!(gist(&probe(settings, "https://127.0.0.1:1/").await), "connect_refused in connect");
}

#[tokio::test]
async fn a_redirect_goes_through_the_proxy_by_name() {
    let redirect = answer("302 Found", "Location: http://elsewhere.invalid/x\r\n", "");
    let script: Vec<Act> = vec![hear("\r\n\r\n"), say(redirect), close()];
    let proxy = Peer::play(script).await;
    let report = probe(through(&proxy), "http://127.0.0.1:1/").await;
    assert_eq!((gist(&report), read(&report, "http_redirects")), ("redirect_limit in check".to_owned(), Some(11.0)));
    assert!(heard(&proxy).contains("GET http://elsewhere.invalid/x HTTP/1.1\r\nHost: elsewhere.invalid\r\n"));
}
