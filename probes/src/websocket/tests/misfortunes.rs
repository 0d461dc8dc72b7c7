//! Peers that do not answer, or not as they should.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_tungstenite::accept_async;

use super::{LONG, SHORT, all, ask_for, gauges, message};
use crate::report::Report;
use crate::testkit::{
    Act, Authority, Peer, close, flood, gist, hear, hear_nothing_more, reset, say, starttls, trickle, wait_for_ever,
};

fn expecting() -> Value {
    json!({"query_response": [{"expect": "x"}]})
}

async fn meet(timeout: Duration, script: Vec<Act>) -> Report {
    let peer = Peer::play(script).await;
    let report = ask_for(timeout, expecting(), &format!("ws://{}/", peer.address())).await;
    assert!(report.duration < LONG, "{:?}", report.duration);
    report
}

#[tokio::test]
async fn silence_before_the_upgrade_ends_with_the_deadline() {
    for script in [
        vec![wait_for_ever()],
        vec![hear("\r\n\r\n"), say("HTTP/1.1 101 Sw"), wait_for_ever()],
        vec![trickle("HTTP/1.1 200 OK\r\n\r\n", Duration::from_secs(1))],
    ] {
        let report = meet(SHORT, script).await;
        assert_eq!(gist(&report), "timeout in processing");
        assert_eq!(gauges(&report), all(0.0, 0.0, 0.0));
    }
    let peer = Peer::play(vec![wait_for_ever()]).await;
    let report = ask_for(SHORT, expecting(), &format!("wss://{}/", peer.address())).await;
    assert_eq!(gist(&report), "timeout in tls");
}

#[tokio::test]
async fn a_broken_upgrade_is_told() {
    let head = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(40_000));
    for (script, due) in [
        (vec![hear("\r\n\r\n"), close()], "closed_early in processing"),
        (vec![hear("\r\n\r\n"), say("HTTP/1.1 101"), close()], "closed_early in processing"),
        (vec![hear("\r\n\r\n"), reset()], "connection_reset in processing"),
        (
            vec![hear("\r\n\r\n"), say("220 mail.example ESMTP\r\n"), hear_nothing_more()],
            "protocol_error in processing",
        ),
        (vec![hear("\r\n\r\n"), say(head), hear_nothing_more()], "too_long in processing"),
        (vec![hear("\r\n\r\n"), flood(b'x')], "protocol_error in processing"),
        (
            vec![hear("\r\n\r\n"), say("HTTP/1.1 103 x\r\n\r\n".repeat(4000)), hear_nothing_more()],
            "too_long in processing",
        ),
    ] {
        let report = meet(LONG, script).await;
        assert_eq!(gist(&report), due);
        assert_eq!(gauges(&report), all(0.0, 0.0, 0.0));
    }
}

#[tokio::test]
async fn a_wrong_certificate_ends_the_run_but_its_end_is_known() {
    let authority = Authority::new();
    for (leaf, due) in [
        (authority.expired_leaf(&["127.0.0.1"]), "tls_cert_expired in tls"),
        (authority.leaf(&["other.example"]), "tls_cert_name in tls"),
        (Authority::new().leaf(&["127.0.0.1"]), "tls_cert_untrusted in tls"),
    ] {
        let peer = Peer::play(vec![starttls(leaf.server()), hear_nothing_more()]).await;
        let settings = json!({"http_config": {"tls_config": {"ca": authority.pem()}}});
        let report = ask_for(LONG, settings, &format!("wss://{}/", peer.address())).await;
        assert_eq!((gist(&report), gauges(&report)), (due.to_owned(), all(0.0, 0.0, 0.0)));
        let end = report.reading_named("probe_tls_certificate_not_after_timestamp_seconds");
        assert!(end.is_some_and(|end| end > 1e9));
    }
    let peer = Peer::play(vec![say("plain text"), hear_nothing_more()]).await;
    let report = ask_for(LONG, json!({}), &format!("wss://{}/", peer.address())).await;
    assert_eq!(gist(&report), "tls_handshake in tls");
}

/// What a peer does in the end.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Then {
    Wait,
    Close,
    Reset,
}

/// Meets a peer that agrees to the upgrade, and then sends these bytes so many times.
#[expect(clippy::disallowed_methods, reason = "the peer runs beside the probe that is tested")]
async fn upgraded(timeout: Duration, frames: &[u8], times: usize, then: Then) -> Report {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
    let address = listener.local_addr().expect("an address");
    let frames = frames.to_vec();
    let peer = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut stream = accept_async(stream).await.expect("an upgrade").into_inner();
        for _ in 0..times {
            if stream.write_all(&frames).await.is_err() {
                return;
            }
        }
        match then {
            Then::Wait => std::future::pending().await,
            Then::Close => {}
            Then::Reset => socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("SO_LINGER"),
        }
    });
    let report = ask_for(timeout, expecting(), &format!("ws://{address}/")).await;
    assert!(report.duration < LONG, "{:?}", report.duration);
    peer.abort();
    assert_eq!(gauges(&report), all(101.0, 1.0, 1.0));
    report
}

#[tokio::test]
async fn a_connection_that_ends_after_the_upgrade_is_told() {
    let half = b"\x81\x05hel";
    assert_eq!(gist(&upgraded(LONG, b"", 1, Then::Close).await), "closed_early in transfer");
    assert_eq!(gist(&upgraded(LONG, half, 1, Then::Close).await), "closed_early in transfer");
    assert_eq!(gist(&upgraded(LONG, half, 1, Then::Reset).await), "connection_reset in transfer");
    assert_eq!(gist(&upgraded(SHORT, half, 1, Then::Wait).await), "timeout in transfer");
}

#[tokio::test]
async fn frames_that_are_none_break_the_protocol() {
    for frame in [
        &b"\x83\x00"[..],
        b"\xc1\x01x",
        b"\x81\x81\0\0\0\0x",
        b"\x80\x01x",
        &[b"\x89\x7e\0\xff".to_vec(), vec![b'x'; 255]].concat(),
        b"\x81\x01\xff",
        b"\x88\x01x",
        &b"HTTP/1.1 400 Bad Request\r\n\r\n".repeat(9),
    ] {
        let report = upgraded(LONG, frame, 1, Then::Wait).await;
        assert_eq!(gist(&report), "protocol_error in transfer", "{frame:?}");
    }
}

#[tokio::test]
async fn what_is_too_long_is_not_taken() {
    // A frame of two mebibytes, announced only; fragments that are too long together; pings; fragments of nothing.
    let announced = upgraded(LONG, b"\x82\x7f\0\0\0\0\0\x20\0\0", 1, Then::Wait).await;
    assert_eq!(gist(&announced), "too_long in transfer");
    assert_eq!(message(&announced), "Space limit exceeded: Message too long: 2097152 > 1048576");
    let fragment = [b"\x02\x7e\x80\0".to_vec(), vec![b'x'; 0x8000]].concat();
    let more = [b"\0\x7e\x80\0".to_vec(), vec![b'x'; 0x8000]].concat();
    let long = upgraded(LONG, &[fragment, more.repeat(40)].concat(), 1, Then::Wait).await;
    assert_eq!(gist(&long), "too_long in transfer");
    let pings = upgraded(LONG, b"\x89\0", 2000, Then::Wait).await;
    assert_eq!(gist(&pings), "too_long in transfer");
    let nothing = [b"\x02\0".to_vec(), b"\0\0".repeat(9 << 20)].concat();
    let endless = upgraded(LONG, &nothing, 1, Then::Wait).await;
    assert_eq!(gist(&endless), "too_long in transfer");
}
