//! Requests through a proxy.

use std::sync::Arc;

use serde_json::{Value, json};

use super::site::{Site, page};
use super::{LONG, SHORT, answer, answering, dialogue, heard, phases, probe, read, reads};
use crate::testkit::{
    Act, Authority, Peer, ask, assert_laps_cover_the_run, close, flood, gist, hear, hear_nothing_more, relay, say,
    starttls,
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
async fn a_proxy_can_be_spoken_to_encrypted() {
    let authority = Authority::new();
    let server = authority.leaf(&["localhost"]).server();
    let plain = vec![starttls(Arc::clone(&server)), hear("\r\n\r\n"), say(answer("200 OK", "", "")), close()];
    let site = Site::open_encrypted(authority.leaf(&["localhost"]).server_config(&["h2"]), |_| page("")).await;
    let inside = vec![starttls(server), hear("\r\n\r\n"), say(OPEN), relay(([127, 0, 0, 1], site.port()).into())];
    for (script, scheme, encrypted) in [(plain, "http", 0.0), (inside, "https", 1.0)] {
        let proxy = Peer::play(script).await;
        let mut settings = json!({"proxy_url": format!("https://u:hunter2@localhost:{}", proxy.address().port())});
        settings["tls_config"] = json!({"ca": authority.pem()});
        let report = probe(settings, &format!("{scheme}://localhost:444/")).await;
        assert_eq!(gist(&report), "up");
        assert_eq!(reads(&report, ["http_ssl", "tls_chain_certificates"])[0], Some(encrypted));
        // The proxy's certificate is not the target's.
        assert_eq!(read(&report, "tls_chain_certificates").is_some(), encrypted == 1.0);
        let heard = heard(&proxy);
        let due =
            if encrypted == 1.0 { "CONNECT 127.0.0.1:444 HTTP/1.1\r\n" } else { "GET http://localhost:444/ HTTP" };
        assert!(heard.starts_with(due), "{heard}");
        assert!(heard.contains("Proxy-Authorization: Basic dTpodW50ZXIy\r\n"), "{heard}");
    }
    let proxy = Peer::play(vec![starttls(Authority::new().leaf(&["localhost"]).server())]).await;
    let settings = json!({
        "proxy_url": format!("https://localhost:{}", proxy.address().port()),
        "tls_config": {"ca": authority.pem()},
    });
    assert_eq!(gist(&probe(settings, "https://localhost:444/").await), "tls_cert_untrusted in proxy");
}

/// What a SOCKS proxy says when the connection is open (RFC 1928 section 6).
const CONNECTED: &[u8] = &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0];

#[tokio::test]
async fn requests_go_through_socks() {
    let authority = Authority::new();
    let server = authority.leaf(&["localhost"]).server();
    let request = |skips| {
        let mut bytes = b"\x05\x01\x00\x05\x01\x00".to_vec();
        bytes.extend(if skips { b"\x03\x09localhost".as_slice() } else { &[1, 127, 0, 0, 1] });
        bytes.extend(444_u16.to_be_bytes());
        bytes
    };
    for (word, skips) in [("socks5", false), ("socks5h", true)] {
        let proxy = Peer::play(vec![
            hear("\x05\x01\x00"),
            say([5, 0]),
            hear("\x01\x00"),
            say(CONNECTED),
            starttls(Arc::clone(&server)),
            hear("\r\n\r\n"),
            say(answer("200 OK", "", "")),
            close(),
        ])
        .await;
        let settings = json!({
            "proxy_url": format!("{word}://{}", proxy.address()),
            "skip_resolve_phase_with_proxy": skips,
            "tls_config": {"ca": authority.pem()},
        });
        let report = probe(settings, "https://localhost:444/").await;
        assert_eq!((gist(&report), read(&report, "http_ssl")), ("up".to_owned(), Some(1.0)));
        let heard = proxy.heard();
        assert!(heard.starts_with(&request(skips)), "{heard:?}");
        let heard = String::from_utf8_lossy(&heard[request(skips).len()..]).into_owned();
        assert!(heard.starts_with("GET / HTTP/1.1\r\nHost: localhost:444\r\n"), "{heard}");
    }
}

#[tokio::test]
async fn a_socks_proxy_can_want_a_password() {
    let proxy = Peer::play(vec![
        hear("\x05\x02\x00\x02"),
        say([5, 2]),
        hear("hunter2"),
        say([1, 0]),
        hear("\x05\x01\x00"),
        say(CONNECTED),
        hear("\r\n\r\n"),
        say(answer("200 OK", "", "")),
        close(),
    ])
    .await;
    let settings = json!({"proxy_url": format!("socks5://al%40i:hunter2@{}", proxy.address())});
    let report = probe(settings, "http://127.0.0.1:1/path").await;
    assert_eq!(gist(&report), "up");
    let heard = String::from_utf8_lossy(&proxy.heard()).into_owned();
    assert!(heard.contains("\x01\x04al@i\x07hunter2") && heard.contains("GET /path HTTP/1.1\r\n"), "{heard:?}");
    assert!(!heard.contains("Proxy-Authorization"), "{heard}");
    let notes: Vec<_> = report.notes.iter().map(|(_, _, text)| text.to_owned()).collect();
    assert!(!notes.concat().contains("hunter2"), "{notes:?}");
}

#[tokio::test]
async fn a_socks_proxy_that_misbehaves_is_told_apart() {
    let reply =
        |code: u8| vec![hear("\x05\x01\x00"), say([5, 0]), hear("\x7f"), say([5, code, 0, 1, 0, 0, 0, 0, 0, 0])];
    for (script, timeout, due) in [
        (reply(5), LONG, "connect_refused in proxy"),
        (reply(4), LONG, "connect_unreachable in proxy"),
        (reply(2), LONG, "connect_error in proxy"),
        (reply(77), LONG, "protocol_error in proxy"),
        (vec![hear("\x05"), say([5, 255])], LONG, "auth_refused in proxy"),
        (vec![hear("\x05"), say([5, 2])], LONG, "auth_refused in proxy"),
        (vec![hear("\x05"), say("SSH-2.0")], LONG, "protocol_error in proxy"),
        (vec![hear("\x05"), close()], LONG, "closed_early in proxy"),
        (vec![hear_nothing_more()], SHORT, "timeout in proxy"),
        (vec![hear("\x05\x01\x00"), say([5, 0]), hear_nothing_more()], SHORT, "timeout in proxy"),
    ] {
        let proxy = Peer::play(script).await;
        let settings = json!({"proxy_url": format!("socks5://{}", proxy.address()), "preferred_ip_protocol": "ip4"});
        let report = ask("http", settings, "http://127.0.0.1:1/", timeout).await;
        assert_eq!(gist(&report), due);
        assert_laps_cover_the_run(&report);
    }
    let proxy = answering("").await;
    let settings = json!({"proxy_url": format!("ftp://{}", proxy.address())});
    assert_eq!(gist(&probe(settings, "http://127.0.0.1:1/").await), "config_unusable in check");
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
