//! What is sent for the upgrade, where to, and what is made of the answer (contract, cases W3, W5 to W8, W10).

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::protocol::Message;

use super::server::{Running, Script};
use super::{LONG, all, ask_for, gauges, message, shown};
use crate::report::Report;
use crate::testkit::{Authority, Peer, gist, hear, hear_nothing_more, say};

fn greeting() -> Script {
    Script { greeting: vec![Message::text("hi")], answers: Vec::new() }
}

/// Asks a server and gives a header of the request.
async fn sent(settings: Value, names: &[&str]) -> Vec<Vec<String>> {
    let server = Running::start(greeting()).await;
    let report = ask_for(LONG, settings, &server.target()).await;
    assert_eq!(gist(&report), "up");
    let request = &server.requests()[0];
    let all =
        |name: &&str| request.get_all(*name).iter().map(|value| value.to_str().expect("text").to_owned()).collect();
    names.iter().map(all).collect()
}

#[tokio::test]
async fn w3_an_encrypted_websocket_is_asked_with_credentials() {
    let authority = Authority::new();
    let server = Running::encrypted(authority.leaf(&["localhost"]).server(), greeting()).await;
    for trust in [json!({"ca": authority.pem()}), json!({"insecure_skip_verify": true, "max_version": "TLS12"})] {
        let settings = json!({
            "http_config": {"tls_config": trust, "authorization": {"credentials": "hunter2"}},
            "headers": {"X-Own": {"values": ["a", "b"], "secrets": ["c"]}},
            "query_response": [{"expect": "hi"}],
        });
        let report = ask_for(LONG, settings, &format!("wss://localhost:{}/", server.port())).await;
        assert_eq!((gist(&report), gauges(&report)), ("up".to_owned(), all(101.0, 1.0, 0.0)));
        let request = server.requests().pop().expect("a request");
        assert_eq!(request["authorization"], "Bearer hunter2");
        assert_eq!(request.get_all("x-own").iter().collect::<Vec<_>>(), ["a", "b", "c"]);
        let of_tls = |name: &str| name.starts_with("probe_ssl") || name.starts_with("probe_tls");
        let known = report.readings.iter().filter(|reading| of_tls(reading.measure.name));
        let (extra, shown): (Vec<_>, Vec<_>) = known.partition(|reading| reading.measure.extra);
        assert_eq!((extra.is_empty(), shown.len()), (false, 0));
        assert!(report.notes.iter().all(|(_, _, text)| !text.contains("hunter2")));
    }
}

/// Asks a peer that answers so.
async fn answered(answer: &str) -> Report {
    let peer = Peer::play(vec![hear("\r\n\r\n"), say(answer), hear_nothing_more()]).await;
    ask_for(LONG, json!({}), &format!("ws://{}", peer.address())).await
}

#[tokio::test]
async fn w5_any_other_answer_fails() {
    for (answer, status) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200.0),
        ("HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", 302.0),
        ("HTTP/1.0 403 Forbidden\r\n\r\n", 403.0),
        ("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 503 Busy\r\n\r\n", 503.0),
    ] {
        let report = answered(answer).await;
        assert_eq!(gist(&report), "status_unexpected in processing", "{answer}");
        assert_eq!(gauges(&report), all(status, 0.0, 0.0));
        assert_eq!(shown(&report), ["connect", "processing", "resolve"]);
    }
}

#[tokio::test]
async fn an_upgrade_to_something_else_is_none() {
    let head = "HTTP/1.1 101 Switching Protocols\r\n";
    for (rest, words) in [
        ("Upgrade: h2c\r\nConnection: Upgrade\r\n", "without Upgrade: websocket"),
        ("Upgrade: websocket\r\n", "without Connection: Upgrade"),
        ("Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n", "with a key that does not fit"),
    ] {
        let report = answered(&format!("{head}{rest}\r\n")).await;
        assert_eq!(gist(&report), "protocol_error in processing");
        assert_eq!(message(&report), format!("the server answered 101 {words}"));
        assert_eq!(gauges(&report), all(101.0, 0.0, 0.0));
    }
}

#[tokio::test]
async fn w6_only_websockets_are_asked() {
    for target in ["http://127.0.0.1:1/", "localhost:80", "ws:127.0.0.1", "x", "ws://u:p@127.0.0.1:1/", "wss://@h/"] {
        let report = ask_for(LONG, json!({}), target).await;
        assert_eq!(gist(&report), "target_invalid in no phase", "{target}");
        assert_eq!(gauges(&report), all(0.0, 0.0, 0.0), "{target}");
        assert!(!message(&report).contains("u:p"));
    }
    for target in ["127.0.0.1:80", "ws://h:port/", "ws://[::1", "ws://a b/", "ws://h/%zz", "ws://h\n"] {
        let report = ask_for(LONG, json!({}), target).await;
        assert_eq!(gist(&report), "target_invalid in no phase", "{target}");
        assert_eq!((gauges(&report), report.readings.len()), ([None; 3], 0), "{target}");
    }
}

#[tokio::test]
async fn a_failed_way_shows_how_far_it_came() {
    let report = ask_for(LONG, json!({}), "ws:///x").await;
    assert_eq!((gist(&report), gauges(&report)), ("target_invalid in resolve".to_owned(), all(0.0, 0.0, 0.0)));
    assert_eq!(report.reading_named("probe_ip_protocol"), Some(0.0));
    assert_eq!(shown(&report), [""; 0]);
    let report = ask_for(LONG, json!({}), &format!("WS://{}", Peer::closed_port().await)).await;
    assert_eq!((gist(&report), gauges(&report)), ("connect_refused in connect".to_owned(), all(0.0, 0.0, 0.0)));
    assert_eq!(shown(&report), ["processing", "resolve"]);
    let unreadable = json!({"http_config": {"tls_config": {"ca_file": "/nonexistent/ca.pem"}}});
    let report = ask_for(LONG, unreadable, "ws://127.0.0.1:1").await;
    assert_eq!((gist(&report), gauges(&report)), ("config_unusable in no phase".to_owned(), all(0.0, 0.0, 0.0)));
    assert_eq!(report.reading_named("probe_ip_protocol"), None);
}

fn own_file(name: &str, content: &str) -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("tuermer-websocket-{name}-{}", std::process::id()));
    std::fs::write(&path, content).expect("a file");
    path
}

#[tokio::test]
async fn w7_credentials_and_headers_come_from_where_they_stand() {
    let due = [vec!["Basic YWxpOnBhc3M=".to_owned()]];
    let inline = json!({"http_config": {"basic_auth": {"username": "ali", "password": "pass"}}});
    assert_eq!(sent(inline, &["authorization"]).await, due);
    let (user, word, value) = (own_file("user", " ali\n"), own_file("word", "pass\n\n"), own_file("value", "\tv \n"));
    let files = json!({
        "http_config": {"basic_auth": {"username_file": user, "password_file": word}},
        "headers": {"X-File": {"files": [value]}},
    });
    let heard = sent(files, &["authorization", "x-file"]).await;
    for path in [user, word, value] {
        std::fs::remove_file(path).expect("the file");
    }
    assert_eq!(heard, [due[0].clone(), vec!["v".to_owned()]]);
    let token = json!({"http_config": {"bearer_token": "t"}});
    assert_eq!(sent(token, &["authorization"]).await, [["Bearer t"]]);
}

#[tokio::test]
async fn w8_what_cannot_be_read_is_left_out() {
    let settings = json!({
        "http_config": {"bearer_token_file": "/nonexistent/token"},
        "headers": {"X-File": {"files": ["/nonexistent/value"], "values": ["v"]}},
    });
    assert_eq!(sent(settings, &["authorization", "x-file"]).await, [vec![], vec!["v".to_owned()]]);
}

#[tokio::test]
async fn w10_headers_take_the_place_of_others() {
    let settings = json!({
        "headers": {"Host": {"values": ["other.example:1"]}, "user-agent": "mine", "Authorization": "Own x"},
        "http_config": {"basic_auth": {"username": "u"}},
    });
    let heard = sent(settings, &["host", "user-agent", "authorization"]).await;
    assert_eq!(heard, [["other.example:1"], ["mine"], ["Own x"]]);
    let plain = sent(json!({}), &["user-agent", "connection", "upgrade", "sec-websocket-version", "origin"]).await;
    let agent = concat!("tuermer/", env!("CARGO_PKG_VERSION")).to_owned();
    let due = [vec![agent], vec!["Upgrade".to_owned()], vec!["websocket".to_owned()], vec!["13".to_owned()], vec![]];
    assert_eq!(plain, due);
}

#[tokio::test]
async fn headers_of_the_upgrade_fail_the_run() {
    let server = Running::start(greeting()).await;
    for name in ["Upgrade", "connection", "Sec-WebSocket-Key", "a b"] {
        let report = ask_for(LONG, json!({"headers": {name: "x"}}), &server.target()).await;
        assert_eq!(gist(&report), "config_unusable in processing", "{name}");
        assert_eq!((gauges(&report), shown(&report)), (all(0.0, 0.0, 0.0), vec!["processing", "resolve"]));
    }
}

#[test]
fn settings_that_contradict_each_other_are_errors() {
    let module = |settings| {
        let read = crate::kind("websocket").expect("the kind").module(settings);
        read.map(drop).map_err(|error| error.to_string())
    };
    let client = |keys: Value| module(json!({"http_config": keys}));
    assert!(client(json!({"bearer_token": "a", "bearer_token_file": "b"})).is_err());
    assert!(client(json!({"authorization": {"type": "basic"}})).is_err());
    assert!(client(json!({"proxy_connect_header": {"a": ["b"]}})).is_err());
    assert!(client(json!({"http_headers": {"Host": {"values": ["h"]}}})).is_err());
    assert!(client(json!({"unknown": 1})).is_err());
    assert!(module(json!({"query_response": [{"expect": ":["}]})).is_err());
    assert!(module(json!({"headers": {"a": ["b"]}})).is_err());
    let unused = json!({
        "oauth2": {"client_id": "a", "token_url": "http://h/"}, "proxy_url": "http://p", "no_proxy": "x",
        "follow_redirects": false, "enable_http2": false, "http_headers": {"X": {"values": ["h"]}},
    });
    assert_eq!(client(unused), Ok(()));
    assert_eq!(module(json!({"headers": {"a": null, "b": 5, "c": true}, "http_config": null})), Ok(()));
}

#[test]
fn only_what_lets_others_in_is_a_secret() {
    let carries = |settings: Value| {
        let module = crate::kind("websocket").expect("the kind").module(settings);
        module.expect("settings").carries_secrets()
    };
    assert!(!carries(json!({"headers": {"Origin": "https://h", "User-Agent": {"values": ["x"]}}})));
    assert!(carries(json!({"headers": {"Origin": {"secrets": ["x"]}}})));
    assert!(carries(json!({"headers": {"X-Api-Key": "x"}})));
    assert!(carries(json!({"headers": {"Origin": {"files": ["/x"]}}})));
    assert!(carries(json!({"http_config": {"bearer_token": "x"}})));
}
