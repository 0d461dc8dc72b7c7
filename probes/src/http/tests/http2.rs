//! Peers that misbehave in HTTP/2.

use std::time::Duration;

use serde_json::json;

use super::{LONG, read};
use crate::report::Report;
use crate::testkit::http2::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS, STATUS_200, frame,
    literal,
};
use crate::testkit::{
    Act, Authority, Peer, ask, assert_laps_cover_the_run, gist, hear, hear_nothing_more, say, starttls,
};

/// A peer that greets, hears the request, and sends these frames.
async fn play(frames: Vec<u8>, timeout: Duration) -> Report {
    let authority = Authority::new();
    let server = authority.leaf(&["localhost"]).server_config(&["h2"]);
    let greeting = frame(SETTINGS, 0, 0, &[]);
    let script: Vec<Act> =
        vec![starttls(server.into()), hear("SM\r\n\r\n"), say(greeting), say(frames), hear_nothing_more()];
    let peer = Peer::play(script).await;
    let settings = json!({"preferred_ip_protocol": "ip4", "tls_config": {"ca": authority.pem()}});
    let report = ask("http", settings, &format!("https://localhost:{}/", peer.address().port()), timeout).await;
    assert_laps_cover_the_run(&report);
    report
}

#[tokio::test]
async fn frames_make_an_answer() {
    let frames = [frame(HEADERS, END_HEADERS, 1, STATUS_200), frame(DATA, END_STREAM, 1, b"hello")].concat();
    let report = play(frames, LONG).await;
    assert_eq!(gist(&report), "up");
    assert_eq!(super::lengths(&report), [Some(200.0), Some(-1.0), Some(5.0)]);
}

#[tokio::test]
async fn informational_answers_are_passed_over() {
    let hint = frame(HEADERS, END_HEADERS, 1, &literal(":status", "103"));
    let last = frame(HEADERS, END_HEADERS | END_STREAM, 1, STATUS_200);
    let report = play([hint.clone(), hint, last].concat(), LONG).await;
    assert_eq!((gist(&report), read(&report, "http_status_code")), ("up".to_owned(), Some(200.0)));
}

#[tokio::test]
async fn a_refused_stream_breaks_the_exchange() {
    let refused = frame(RST_STREAM, 0, 1, &[0, 0, 0, 7]);
    assert_eq!(gist(&play(refused, LONG).await), "protocol_error in processing");
    let going = frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 0xb]);
    assert_eq!(gist(&play(going, LONG).await), "protocol_error in processing");
    let midway = [frame(HEADERS, END_HEADERS, 1, STATUS_200), frame(RST_STREAM, 0, 1, &[0, 0, 0, 2])].concat();
    assert_eq!(gist(&play(midway, LONG).await), "protocol_error in transfer");
}

#[tokio::test]
async fn frames_out_of_place_break_the_protocol() {
    for frames in [
        frame(DATA, 0, 1, b"hello"),
        frame(HEADERS, END_HEADERS, 1, &[0xff; 9]),
        frame(HEADERS, END_HEADERS, 4, STATUS_200),
        frame(CONTINUATION, END_HEADERS, 1, STATUS_200),
        frame(SETTINGS, 0, 0, &[1]),
        vec![0xff; 32],
    ] {
        assert_eq!(gist(&play(frames.clone(), LONG).await), "protocol_error in processing", "{frames:?}");
    }
}

#[tokio::test]
async fn a_head_without_end_is_too_long() {
    let field = literal("x-a", &"a".repeat(100)).repeat(100);
    let mut frames = frame(HEADERS, 0, 1, STATUS_200);
    for _ in 0..100 {
        frames.extend(frame(CONTINUATION, 0, 1, &field));
    }
    // The library stops before our own limit does.
    assert_eq!(gist(&play(frames, LONG).await), "protocol_error in processing");
}

#[tokio::test]
async fn a_flood_without_answer_is_too_long() {
    for flood in [frame(PING, 0, 0, &[0; 8]).repeat(20_000), frame(SETTINGS, 0, 0, &[]).repeat(40_000)] {
        assert_eq!(gist(&play(flood, LONG).await), "too_long in processing");
    }
}

#[tokio::test]
async fn empty_frames_without_end_break_the_protocol() {
    let mut frames = frame(HEADERS, END_HEADERS, 1, STATUS_200);
    frames.extend(frame(DATA, 0, 1, b"").repeat(20_000));
    let report = play(frames, LONG).await;
    assert_eq!(gist(&report), "protocol_error in transfer");
    assert_eq!(read(&report, "http_uncompressed_body_length"), Some(0.0));
}
