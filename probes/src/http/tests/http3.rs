//! Targets that speak HTTP/3.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use quinn::crypto::rustls::QuicServerConfig;
use serde_json::{Value, json};
use tokio::net::UdpSocket;

use super::{LONG, SHORT, dialogue, lengths, phases, read, reads};
use crate::Reason;
use crate::report::Report;
use crate::testkit::{Authority, Http3Act as Act, Http3Peer, Http3Request, Leaf, ask, assert_laps_cover_the_run, gist};

/// A peer for `localhost`, and settings that trust it.
fn peer(script: impl Fn(&Http3Request) -> Vec<Act> + Send + Sync + 'static) -> (Http3Peer, Value) {
    let authority = Authority::new();
    let peer = Http3Peer::play(authority.leaf(&["localhost"]).server_config(&["h3"]), script);
    (peer, trusting(&authority.pem()))
}

fn trusting(authority: &str) -> Value {
    json!({
        "enable_http3": true,
        "enable_http2": false,
        "preferred_ip_protocol": "ip4",
        "tls_config": {"ca": authority},
    })
}

fn by_name(peer: &Http3Peer) -> String {
    format!("https://localhost:{}/", peer.address().port())
}

async fn probe_in(settings: Value, target: &str, timeout: Duration) -> Report {
    let report = ask("http", settings, target, timeout).await;
    assert_laps_cover_the_run(&report);
    report
}

async fn probe(settings: Value, target: &str) -> Report {
    probe_in(settings, target, LONG).await
}

fn notes(report: &Report) -> Vec<&str> {
    report.notes.iter().map(|(_, _, text)| text).collect()
}

fn head(status: u16, headers: &[(&str, &str)]) -> Act {
    let head =
        headers.iter().fold(Response::builder().status(status), |head, (name, value)| head.header(*name, *value));
    Act::Head(head.body(()).expect("an answer"))
}

#[tokio::test]
async fn an_answer_shows_phases_version_and_certificate() {
    let (peer, settings) = peer(|_| Act::page("hello"));
    let report = probe(settings, &by_name(&peer)).await;
    assert_eq!(gist(&report), "up");
    assert_eq!(lengths(&report), [Some(200.0), Some(5.0), Some(5.0)]);
    assert_eq!(reads(&report, ["http_ssl", "http_version"]), [Some(1.0), Some(3.0)]);
    let laps: Vec<_> = report.laps.iter().map(|lap| lap.phase.name()).collect();
    assert_eq!(laps, ["resolve", "connect", "tls", "processing", "transfer", "check"]);
    let labels = |name: &str| {
        let reading = report.readings.iter().find(|reading| reading.measure.name == name).expect(name);
        reading.labels.iter().map(|label| label.value.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(labels("probe_tls_version_info"), ["TLS 1.3"]);
    assert!(labels("probe_tls_cipher_info")[0].starts_with("TLS_"), "{:?}", labels("probe_tls_cipher_info"));
    assert_eq!(labels("probe_ssl_last_chain_info")[3], "localhost");
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    assert!(read(&report, "ssl_earliest_cert_expiry").is_some_and(|expiry| expiry > now));
    assert!(read(&report, "ssl_last_chain_expiry_timestamp_seconds").is_some_and(|expiry| expiry > now));
    assert_eq!(dialogue(&report), ["> GET / HTTP/3.0", "< HTTP/3.0 200 OK"]);
}

#[tokio::test]
async fn the_request_carries_what_the_module_says() {
    let (peer, mut settings) = peer(|_| Act::page("hello"));
    settings["method"] = json!("POST");
    settings["body"] = json!("to be sent");
    settings["headers"] = json!({"Host": "other.example", "X-One": "1", "Connection": "close"});
    settings["http_headers"] = json!({"X-Two": {"values": ["2", "3"], "secrets": ["4"]}});
    settings["basic_auth"] = json!({"username": "u", "password": "p"});
    settings["tls_config"]["server_name"] = json!("localhost");
    let report = probe(settings, &format!("https://localhost:{}/a%20b?c", peer.address().port())).await;
    assert_eq!(gist(&report), "up");
    let request = &peer.heard()[0];
    assert_eq!(request.method(), "POST");
    assert_eq!(request.uri(), "https://other.example/a%20b?c");
    assert_eq!(request.body(), "to be sent");
    let mut headers: Vec<_> =
        request.headers().iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    headers.retain(|line| !line.starts_with("user-agent"));
    headers.sort_unstable();
    assert_eq!(
        headers,
        ["authorization: Basic dTpw", "content-length: 10", "x-one: 1", "x-two: 2", "x-two: 3", "x-two: 4"]
    );
}

#[tokio::test]
async fn http_targets_are_asked_encrypted() {
    let (peer, settings) = peer(|_| Act::page("hello"));
    let note = "HTTP/3 is always encrypted: http:// is taken for https://";
    for (scheme, is_noted) in [("HtTp://", true), ("https://", false), ("", false)] {
        let report = probe(settings.clone(), &format!("{scheme}localhost:{}/", peer.address().port())).await;
        assert_eq!((gist(&report), notes(&report).contains(&note)), ("up".to_owned(), is_noted), "{scheme}");
    }
}

#[tokio::test]
async fn bodies_of_every_size_arrive() {
    let (peer, mut settings) = peer(|request| Act::page(request.body().clone()));
    settings["method"] = json!("POST");
    settings["body"] = json!("x".repeat(3 << 20));
    settings["fail_if_body_not_matches_regexp"] = json!(["^x+$"]);
    let report = probe(settings, &by_name(&peer)).await;
    assert_eq!(gist(&report), "up");
    assert_eq!(read(&report, "http_uncompressed_body_length"), Some(f64::from(3 << 20)));
}

#[tokio::test]
async fn a_body_without_a_length_is_read_to_its_end() {
    let (peer, settings) = peer(|_| vec![head(200, &[]), Act::Data("hel".into()), Act::Data("lo".into()), Act::Finish]);
    let report = probe(settings, &by_name(&peer)).await;
    assert_eq!((gist(&report), lengths(&report)), ("up".to_owned(), [Some(200.0), Some(-1.0), Some(5.0)]));
}

#[tokio::test]
async fn informational_answers_are_passed_over() {
    let (peer, settings) = peer(|_| [vec![head(103, &[("link", "</a>")])], Act::page("hello")].concat());
    let report = probe(settings, &by_name(&peer)).await;
    assert_eq!((gist(&report), lengths(&report)), ("up".to_owned(), [Some(200.0), Some(5.0), Some(5.0)]));
    let (peer, settings) = self::peer(|_| [vec![head(103, &[]); 20], Act::page("hello")].concat());
    assert_eq!(gist(&probe(settings, &by_name(&peer)).await), "too_long in processing");
}

#[tokio::test]
async fn redirects_are_followed_where_http_3_leads() {
    let (peer, settings) = peer(|request| match request.uri().path() {
        "/" => vec![head(302, &[("location", "/there")]), Act::Finish],
        "/there" => Act::page("hello"),
        _ => vec![head(302, &[("location", "http://localhost/")]), Act::Finish],
    });
    let report = probe(settings.clone(), &by_name(&peer)).await;
    assert_eq!((gist(&report), read(&report, "http_redirects")), ("up".to_owned(), Some(1.0)));
    let report = probe(settings, &format!("{}away", by_name(&peer))).await;
    let found = (gist(&report), reads(&report, ["http_redirects", "http_status_code"]));
    assert_eq!(found, ("redirect_invalid in processing".to_owned(), [Some(1.0), Some(0.0)]));
}

#[tokio::test]
async fn ipv6_targets_are_asked_too() {
    let authority = Authority::new();
    let config = authority.leaf(&["::1"]).server_config(&["h3"]);
    let peer = Http3Peer::play_on("[::1]:0".parse().unwrap(), config, |_| Act::page("hello"));
    let report = probe(trusting(&authority.pem()), &format!("https://{}/", peer.address())).await;
    assert_eq!((gist(&report), read(&report, "ip_protocol")), ("up".to_owned(), Some(6.0)));
}

#[tokio::test]
async fn only_http_3_is_a_right_version() {
    let (peer, mut settings) = peer(|_| Act::page("hello"));
    settings["valid_http_versions"] = json!(["HTTP/3.0"]);
    assert_eq!(gist(&probe(settings.clone(), &by_name(&peer)).await), "up");
    settings["valid_http_versions"] = json!(["HTTP/3"]);
    assert_eq!(gist(&probe(settings, &by_name(&peer)).await), "version_unexpected in check");
}

#[tokio::test]
async fn a_proxy_is_passed_by() {
    let (peer, mut settings) = peer(|_| Act::page("hello"));
    settings["proxy_url"] = json!("http://127.0.0.1:1/");
    settings["skip_resolve_phase_with_proxy"] = json!(true);
    let report = probe(settings, &by_name(&peer)).await;
    assert_eq!(gist(&report), "up");
    assert_eq!(notes(&report)[0], "HTTP/3 does not go through the proxy: the target is asked directly");
    assert!(phases(&report).contains(&"resolve"));
}

#[tokio::test]
async fn tls_1_2_at_most_is_no_tls_for_http_3() {
    let mut settings = trusting(&Authority::new().pem());
    settings["tls_config"]["max_version"] = json!("TLS12");
    assert_eq!(gist(&probe(settings, "https://127.0.0.1:1/").await), "config_unusable in check");
}

#[tokio::test]
async fn a_wrong_certificate_is_told_as_over_tcp() {
    let authority = Authority::new();
    for (leaf, gist_due) in [
        (authority.expired_leaf(&["localhost"]), "tls_cert_expired in tls"),
        (authority.leaf(&["other.example"]), "tls_cert_name in tls"),
        (Authority::new().leaf(&["localhost"]), "tls_cert_untrusted in tls"),
        (Leaf::self_signed(&["localhost"], |_| {}), "tls_cert_untrusted in tls"),
    ] {
        let peer = Http3Peer::play(leaf.server_config(&["h3"]), |_| Act::page("hello"));
        let report = probe(trusting(&authority.pem()), &by_name(&peer)).await;
        assert_eq!(gist(&report), gist_due);
        assert_eq!(reads(&report, ["http_ssl", "ssl_earliest_cert_expiry"]), [Some(0.0), None]);
        assert!(read(&report, "tls_certificate_not_after_timestamp_seconds").is_some());
        let mut insecure = trusting(&authority.pem());
        insecure["tls_config"] = json!({"insecure_skip_verify": true});
        let report = probe(insecure, &by_name(&peer)).await;
        assert_eq!(gist(&report), "up");
        assert_eq!(read(&report, "ssl_last_chain_expiry_timestamp_seconds"), Some(-62_135_596_800.0));
    }
}

#[tokio::test]
async fn a_peer_without_the_protocol_is_told_so() {
    let authority = Authority::new();
    let peer = Http3Peer::play(authority.leaf(&["localhost"]).server_config(&["other"]), |_| Act::page("hello"));
    let report = probe(trusting(&authority.pem()), &by_name(&peer)).await;
    assert_eq!(gist(&report), "tls_alert in tls");
    assert!(report.failure().unwrap().message().contains("none of the offered application protocols"));
}

#[tokio::test]
async fn nobody_listening_is_a_refusal() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let target = format!("https://{}/", socket.local_addr().unwrap());
    drop(socket);
    assert_eq!(gist(&probe(trusting(&Authority::new().pem()), &target).await), "connect_refused in connect");
}

#[tokio::test]
async fn a_silent_socket_times_out_in_connect() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let target = format!("https://{}/", socket.local_addr().unwrap());
    let report = probe_in(trusting(&Authority::new().pem()), &target, SHORT).await;
    assert_eq!(gist(&report), "timeout in connect");
    assert_eq!(phases(&report), ["connect", "processing", "resolve", "tls", "transfer"]);
}

#[tokio::test]
async fn garbage_is_no_answer() {
    let peer =
        crate::testkit::Responder::udp(|_| vec![b"this is not QUIC".to_vec(), vec![0xff; 1200], Vec::new()]).await;
    let report = probe_in(trusting(&Authority::new().pem()), &format!("https://{}/", peer.address()), SHORT).await;
    assert_eq!(gist(&report), "timeout in tls");
}

#[tokio::test]
async fn a_flood_of_garbage_does_not_outlast_the_deadline() {
    let peer = crate::testkit::Responder::udp(|_| vec![vec![0x40; 1200]; 2000]).await;
    let report = probe_in(trusting(&Authority::new().pem()), &format!("https://{}/", peer.address()), SHORT).await;
    assert_eq!(gist(&report), "timeout in tls");
}

#[tokio::test]
async fn silence_is_told_by_the_phase_it_came_in() {
    let (peer, settings) = peer(|_| vec![Act::WaitForEver]);
    assert_eq!(gist(&probe_in(settings, &by_name(&peer), SHORT).await), "timeout in processing");
    let (peer, settings) = self::peer(|_| vec![head(200, &[]), Act::Data("hel".into()), Act::WaitForEver]);
    let report = probe_in(settings, &by_name(&peer), SHORT).await;
    assert_eq!(gist(&report), "timeout in transfer");
    assert_eq!(lengths(&report), [Some(200.0), Some(-1.0), Some(3.0)]);
}

#[tokio::test]
async fn what_breaks_off_midway_is_told() {
    let begun = || vec![head(200, &[("content-length", "100")]), Act::Data("hello".into())];
    for (then, gist_due) in [
        (Act::Finish, "closed_early in transfer"),
        (Act::Data(Bytes::from(vec![b'x'; 200])), "protocol_error in transfer"),
    ] {
        let last = then.clone();
        let (peer, settings) = self::peer(move |_| [begun(), vec![last.clone()]].concat());
        let report = probe(settings, &by_name(&peer)).await;
        assert_eq!(gist(&report), gist_due, "{then:?}: {:?}", report.failure());
    }
    // What breaks a stream or a connection off loses what was not read yet (RFC 9000 sections 3.2, 10.2).
    for then in [Act::Reset, Act::Close(0x100)] {
        let (peer, settings) = peer(move |_| [begun(), vec![then.clone()]].concat());
        assert_eq!(probe(settings, &by_name(&peer)).await.failure().unwrap().reason(), Reason::ClosedEarly);
    }
    for (first, gist_due) in [
        (Act::Reset, "closed_early in processing"),
        (Act::Close(0x102), "closed_early in processing"),
        (Act::Finish, "protocol_error in processing"),
        (Act::Data("no head".into()), "protocol_error in processing"),
    ] {
        let only = first.clone();
        let (peer, settings) = self::peer(move |_| vec![only.clone()]);
        let report = probe(settings, &by_name(&peer)).await;
        assert_eq!(gist(&report), gist_due, "{first:?}: {:?}", report.failure());
    }
}

#[tokio::test]
async fn an_endless_body_ends_at_the_limit_of_the_module() {
    let (peer, mut settings) = peer(|_| vec![head(200, &[]), Act::Flood(Bytes::from(vec![b'x'; 16 << 10]))]);
    settings["body_size_limit"] = json!("1MB");
    let report = probe(settings, &by_name(&peer)).await;
    assert_eq!(gist(&report), "body_too_large in transfer");
    assert_eq!(read(&report, "http_uncompressed_body_length"), Some(f64::from(1 << 20)));
}

/// A peer that begins an answer of its own making with these bytes and repeats the rest for ever, on the stream of the
/// request or on one of its own.
fn raw_peer(
    authority: &Authority,
    own_stream: bool,
    begin: &'static [u8],
    rest: &'static [u8],
) -> (quinn::Endpoint, SocketAddr) {
    let config = QuicServerConfig::try_from(authority.leaf(&["localhost"]).server_config(&["h3"])).unwrap();
    let config = quinn::ServerConfig::with_crypto(Arc::new(config));
    let endpoint = quinn::Endpoint::server(config, SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let (address, accepting) = (endpoint.local_addr().unwrap(), endpoint.clone());
    beside(async move {
        let connection = accepting.accept().await.unwrap().await.unwrap();
        let (mut answer, _request) = connection.accept_bi().await.unwrap();
        let mut own = connection.open_uni().await.unwrap();
        let answer = if own_stream { &mut own } else { &mut answer };
        let mut piece = begin;
        while answer.write_all(piece).await.is_ok() {
            piece = rest;
        }
    });
    (endpoint, address)
}

#[expect(clippy::disallowed_methods, reason = "the peer runs beside the probe that is tested")]
fn beside(peer: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(peer);
}

#[tokio::test]
async fn what_has_no_end_before_the_answer_is_too_long() {
    // A head of 2^29 bytes (RFC 9114 section 7.2.2); a control stream (section 6.2.1) whose settings have no end; one
    // with such a frame that means nothing (section 7.2.8).
    for (own_stream, begin) in [
        (false, &[0x01, 0xa0, 0, 0, 0][..]),
        (true, &[0x00, 0x04, 0xa0, 0, 0, 0][..]),
        (true, &[0x00, 0x04, 0x00, 0x21, 0xa0, 0, 0, 0][..]),
    ] {
        let authority = Authority::new();
        let (_endpoint, address) = raw_peer(&authority, own_stream, begin, &[0x21; 4096]);
        let report = probe(trusting(&authority.pem()), &format!("https://localhost:{}/", address.port())).await;
        assert_eq!(gist(&report), "too_long in processing", "{begin:?}: {:?}", report.failure());
    }
}

#[tokio::test]
async fn compressed_bodies_are_read_as_over_tcp() {
    let (peer, mut settings) = peer(|_| Act::page("not compressed"));
    settings["compression"] = json!("gzip");
    assert_eq!(gist(&probe(settings, &by_name(&peer)).await), "decode_error in transfer");
}

#[tokio::test]
async fn the_peer_is_left_in_order() {
    let (peer, settings) = peer(|_| Act::page("hello"));
    assert_eq!(gist(&probe(settings, &by_name(&peer)).await), "up");
    tokio::time::timeout(LONG, peer.wait_idle()).await.expect("the connection was closed");
    assert_eq!(peer.connections(), 0);
}

#[tokio::test]
async fn nothing_is_left_when_the_deadline_drops_the_probe() {
    let (peer, settings) = peer(|_| vec![Act::WaitForEver]);
    let before = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let silent = Http3Peer::address(&peer);
    let report = probe_in(settings, &format!("https://localhost:{}/", silent.port()), SHORT).await;
    assert_eq!(gist(&report), "timeout in processing");
    tokio::time::timeout(LONG, peer.wait_idle()).await.expect("the connection was closed");
    // The peer's own tasks for the connection end with it.
    tokio::time::timeout(LONG, async {
        while tokio::runtime::Handle::current().metrics().num_alive_tasks() > before {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("no task is left");
}
