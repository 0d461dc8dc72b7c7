//! Peers that do not behave.

use std::time::Duration;

use serde_json::json;

use super::{CLEAR, LONG, NO_LINE, SHORT, ask, ask_briefly, ask_for, entries, flags, message};
use crate::testkit::{self, Act, Peer, Responder, close, flood, gist, hear, reset, say, trickle};

#[tokio::test]
async fn a_silent_name_server_times_out_in_resolve() {
    let server = Responder::udp(|_| Vec::new()).await;
    let net = testkit::net_with_resolver(server.address());
    let report = testkit::ask_in(&net, "tcp", json!({}), "silent.example:25", SHORT).await;
    testkit::assert_laps_cover_the_run(&report);
    assert_eq!(gist(&report), "dns_timeout in resolve");
    assert_eq!(report.reading_named("probe_ip_protocol"), Some(0.0));
    assert_eq!(flags(&report), (None, None));
}

#[tokio::test]
async fn a_host_that_drops_packets_times_out_in_connect() {
    // A listener that takes nobody: when its short queue is full, the system drops what comes.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a loopback port");
    socket.listen(0).expect("a listener");
    let address = socket.local_addr().expect("an address").as_socket().expect("an IP address");
    let queue: Vec<_> = (0..64).map_while(|_| std::net::TcpStream::connect_timeout(&address, SHORT).ok()).collect();
    assert!(queue.len() < 64, "the queue is never full");
    let report = ask_for(SHORT, json!({}), &address.to_string()).await;
    assert_eq!(gist(&report), "timeout in connect");
    assert_eq!(report.reading_named("probe_ip_protocol"), Some(4.0));
    assert_eq!(flags(&report), (None, None));
}

#[tokio::test]
async fn a_peer_that_resets_is_told_from_one_that_closes() {
    let settings = entries(json!([{"send": "hello"}, {"expect": "x"}]));
    let report = ask(settings, vec![hear("hello\n"), reset()]).await;
    assert_eq!(gist(&report), "connection_reset in exchange");
    assert_eq!(flags(&report), CLEAR);
}

#[tokio::test]
async fn garbage_is_no_answer() {
    let settings = entries(json!([{"expect": "^220"}]));
    let report = ask(settings, vec![say(b"\x00\xff\x1b[2J\n\xfe".to_vec()), close()]).await;
    assert_eq!(gist(&report), "answer_unexpected in exchange");
    assert_eq!(message(&report), "no line matches \"^220\"; the last of 2 was \"\\xfe\"");
}

#[tokio::test]
async fn a_peer_that_closes_midway_did_not_answer() {
    let settings = entries(json!([{"expect": "^220", "send": "HELO x"}, {"expect": "^250"}]));
    let report = ask(settings, vec![say("220 hi\n"), hear("HELO x\n"), close()]).await;
    assert_eq!(gist(&report), "closed_early in exchange");
    assert_eq!(flags(&report), NO_LINE);
}

#[tokio::test]
async fn a_flood_is_cut_off() {
    let report = ask(entries(json!([{"expect": "y"}])), vec![flood(b'x')]).await;
    assert_eq!(gist(&report), "too_long in exchange");
    let report = ask(entries(json!([{"expect": "y"}])), vec![flood(b'\n')]).await;
    assert_eq!(gist(&report), "too_long in exchange");
    let report = ask(json!({"tls": true}), vec![flood(b'x')]).await;
    assert_eq!(gist(&report), "tls_handshake in tls");
}

#[tokio::test]
async fn a_trickle_does_not_outlast_the_deadline() {
    let drop_by_drop = || vec![trickle(vec![b'x'; 10_000], Duration::from_millis(20))];
    let report = ask_briefly(entries(json!([{"expect": "y"}])), drop_by_drop()).await;
    assert_eq!(gist(&report), "timeout in exchange");
    let report = ask_briefly(entries(json!([{"expect_bytes": "x".repeat(9000)}])), drop_by_drop()).await;
    assert_eq!(gist(&report), "timeout in exchange");
}

#[tokio::test]
async fn a_peer_that_does_not_listen_times_out_in_exchange() {
    // More than the buffers of a connection on loopback hold.
    let settings = entries(json!([{"send": "x".repeat(16 << 20)}]));
    let peer = Peer::play(vec![say("220\n"), Act::Trickle(vec![b'x'], LONG)]).await;
    let report = ask_for(SHORT, settings, &peer.address().to_string()).await;
    assert_eq!(gist(&report), "timeout in exchange");
}
