//! Dialogues of messages (contract, cases W1, W2, W4, W9, W11).

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::server::{Running, Script};
use super::{LONG, SHORT, all, ask_for, gauges, message, shown};
use crate::report::{NoteKind, Report};
use crate::testkit::gist;

fn entries(entries: Value) -> Value {
    json!({"query_response": entries})
}

/// The dialogue of case W1.
fn dialogue(last: &str) -> Value {
    entries(json!([{"expect": "incoming_(.+)", "send": "outgoing_${1}"}, {"expect": last}]))
}

fn script() -> Script {
    let answers = vec![("outgoing_42", Message::text("passed"))];
    Script { greeting: vec![Message::text("incoming_42")], answers }
}

fn silent() -> Script {
    Script { greeting: Vec::new(), answers: Vec::new() }
}

async fn talk(settings: Value, greeting: Vec<Message>) -> Report {
    let server = Running::start(Script { greeting, answers: Vec::new() }).await;
    ask_for(LONG, settings, &server.target()).await
}

#[tokio::test]
async fn w1_a_dialogue_is_held() {
    let server = Running::start(script()).await;
    let report = ask_for(LONG, dialogue("^passed"), &server.target()).await;
    assert_eq!(gist(&report), "up");
    assert_eq!(gauges(&report), all(101.0, 1.0, 0.0));
    assert_eq!(shown(&report), ["connect", "processing", "resolve", "transfer"]);
    let phases: Vec<_> = report.laps.iter().map(|lap| lap.phase.name()).collect();
    assert_eq!(phases, ["resolve", "connect", "processing", "transfer"]);
    let spoken: Vec<_> =
        report.notes.iter().filter(|(_, kind, _)| *kind != NoteKind::Info).map(|note| note.2).collect();
    let due = ["GET /chat?a=b HTTP/1.1, to become a websocket", "HTTP/1.1 101 Switching Protocols"];
    assert_eq!(spoken[..2], due);
    assert_eq!(spoken[2..], ["incoming_42", "outgoing_42", "passed"]);
    let goodbye = Message::Close(Some(CloseFrame { code: CloseCode::Normal, reason: "".into() }));
    assert_eq!(server.messages(2).await, [Message::text("outgoing_42"), goodbye]);
}

#[tokio::test]
async fn w2_another_message_fails_the_dialogue() {
    let server = Running::start(script()).await;
    let report = ask_for(LONG, dialogue("^never"), &server.target()).await;
    assert_eq!(gist(&report), "answer_unexpected in transfer");
    assert_eq!(message(&report), "the message \"passed\" does not match \"^never\"");
    assert_eq!(gauges(&report), all(101.0, 1.0, 1.0));
    assert_eq!(server.messages(2).await.len(), 2);
}

#[tokio::test]
async fn one_message_only_is_compared() {
    let greeting = vec![Message::text("first"), Message::text("second")];
    let report = talk(entries(json!([{"expect": "second"}])), greeting.clone()).await;
    assert_eq!(gist(&report), "answer_unexpected in transfer");
    let report = talk(entries(json!([{"expect": "first"}, {"expect": "second"}])), greeting).await;
    assert_eq!(gist(&report), "up");
}

#[tokio::test]
async fn bytes_are_messages_too_and_pings_are_none() {
    let greeting = vec![Message::Ping("p".into()), Message::binary(b"\xff42".to_vec())];
    let report = talk(entries(json!([{"expect": "^.(42)$", "send": "$0"}])), greeting).await;
    assert_eq!((gist(&report), gauges(&report)), ("up".to_owned(), all(101.0, 1.0, 0.0)));
}

#[tokio::test]
async fn w4_without_a_dialogue_nothing_is_transferred() {
    let server = Running::start(silent()).await;
    let report = ask_for(LONG, json!({}), &server.target()).await;
    assert_eq!((gist(&report), gauges(&report)), ("up".to_owned(), all(101.0, 1.0, 0.0)));
    assert_eq!(shown(&report), ["connect", "processing", "resolve"]);
}

#[tokio::test]
async fn w9_a_silent_server_ends_with_the_deadline() {
    let server = Running::start(silent()).await;
    let report = ask_for(SHORT, entries(json!([{"expect": "x"}])), &server.target()).await;
    assert_eq!(gist(&report), "timeout in transfer");
    assert_eq!(gauges(&report), all(101.0, 1.0, 1.0));
    assert!(report.duration >= SHORT && report.duration < LONG);
}

#[tokio::test]
async fn w11_what_is_for_lines_has_no_meaning() {
    let server = Running::start(script()).await;
    let settings = entries(json!([
        {"expect_bytes": "never", "starttls": true},
        {"expect": "incoming", "labels": [{"name": "a", "value": "b"}], "starttls": true},
        {"send": "$1 ${env}"},
    ]));
    let report = ask_for(LONG, settings, &server.target()).await;
    assert_eq!((gist(&report), gauges(&report)), ("up".to_owned(), all(101.0, 1.0, 0.0)));
    assert!(report.readings.iter().all(|reading| reading.measure.name != "probe_expect_info"));
    assert_eq!(server.messages(1).await[0], Message::text("$1 ${env}"));
}

#[tokio::test]
async fn a_goodbye_is_no_message() {
    let goodbye = Message::Close(Some(CloseFrame { code: CloseCode::Away, reason: "off \u{1b}[31m".into() }));
    let report = talk(entries(json!([{"expect": "x"}])), vec![goodbye]).await;
    assert_eq!(gist(&report), "closed_early in transfer");
    let due = "the peer closed the websocket where a message was due: 1001 \"off \\u{1b}[31m\"";
    assert_eq!(message(&report), due);
    assert_eq!(gauges(&report), all(101.0, 1.0, 1.0));
}

#[tokio::test]
async fn a_secret_is_sent_but_not_shown() {
    let folder = std::env::temp_dir().join(format!("tuermer-websocket-secret-{}", std::process::id()));
    std::fs::write(&folder, "hunter2\n").expect("a file");
    let server =
        Running::start(Script { greeting: Vec::new(), answers: vec![("hunter2", Message::text("got hunter2"))] }).await;
    let settings = entries(json!([{"send": format!("${{file:{}}}", folder.display())}, {"expect": "never"}]));
    let report = ask_for(LONG, settings, &server.target()).await;
    std::fs::remove_file(&folder).expect("the file");
    assert_eq!(message(&report), "the message \"got <secret>\" does not match \"never\"");
    assert!(report.notes.iter().all(|(_, _, text)| !text.contains("hunter2")));
}
