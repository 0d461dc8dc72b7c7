//! What blackbox_exporter's users rely on (contract, cases G1 to G12).

use std::time::Duration;

use serde_json::json;
use tonic::Status;

use super::server::Running;
use super::{LONG, ask_for, only, shown, states, status, tls_family};
use crate::report::Report;
use crate::testkit::http2::{DATA, END_HEADERS, END_STREAM, HEADERS, SETTINGS, STATUS_200, frame, literal};
use crate::testkit::{self, Act, Peer, gist, hear, hear_nothing_more, say};

const OK: (Option<f64>, Option<f64>) = (Some(0.0), Some(0.0));

#[tokio::test]
async fn g1_a_healthy_server_is_up() {
    let server = Running::start().await;
    let report = ask_for(LONG, json!({}), &server.target()).await;
    assert_eq!(gist(&report), "up");
    assert_eq!(states(&report), only("SERVING"));
    assert_eq!(status(&report), OK);
    assert_eq!(shown(&report), ["check", "resolve"]);
    let phases: Vec<_> = report.laps.iter().map(|lap| lap.phase.name()).collect();
    assert_eq!(phases, ["resolve", "connect", "check"]);
    assert_eq!(tls_family(&report), [""; 0]);
    let notes: Vec<_> = report.notes.iter().map(|(_, _, text)| text).collect();
    assert_eq!(notes[2..], ["/grpc.health.v1.Health/Check service \"\"", "OK (0)"]);
}

#[tokio::test]
async fn g2_the_other_family_will_do_without_a_word() {
    let server = Running::start().await;
    let report = testkit::ask("grpc", json!({}), &server.target(), LONG).await;
    assert_eq!(gist(&report), "up");
    assert_eq!(report.reading_named("probe_ip_protocol"), Some(4.0));
}

#[tokio::test]
async fn g3_a_service_that_does_not_serve_is_down() {
    let server = Running::start().await;
    for (service, state) in [("bad", "NOT_SERVING"), ("dark", "UNKNOWN")] {
        let report = ask_for(LONG, json!({"service": service}), &server.target()).await;
        assert_eq!(gist(&report), "status_unexpected in check");
        assert_eq!(states(&report), only(state));
        assert_eq!(status(&report), OK);
    }
    assert_eq!(gist(&ask_for(LONG, json!({"service": "good"}), &server.target()).await), "up");
}

/// A peer that greets, hears the request for the service `stage` and sends these frames.
pub(super) async fn play(frames: Vec<u8>, timeout: Duration) -> Report {
    let greeting = frame(SETTINGS, 0, 0, &[]);
    let script: Vec<Act> = vec![hear("stage"), say([greeting, frames].concat()), hear_nothing_more()];
    let peer = Peer::play(script).await;
    ask_for(timeout, json!({"service": "stage"}), &peer.address().to_string()).await
}

/// The frames of an answer with this message.
pub(super) fn answer(message: &[u8]) -> Vec<u8> {
    let head = [STATUS_200, &literal("content-type", "application/grpc")].concat();
    let trailers = literal("grpc-status", "0");
    let headers = frame(HEADERS, END_HEADERS, 1, &head);
    let data = frame(DATA, 0, 1, message);
    [headers, data, frame(HEADERS, END_HEADERS | END_STREAM, 1, &trailers)].concat()
}

#[tokio::test]
async fn g3_g11_states_are_shown_by_name_or_number() {
    let report = play(answer(b"\0\0\0\0\x02\x08\x03"), LONG).await;
    assert_eq!(gist(&report), "status_unexpected in check");
    assert_eq!(states(&report), only("SERVICE_UNKNOWN"));

    let report = play(answer(b"\0\0\0\0\x02\x08\x63"), LONG).await;
    assert_eq!(gist(&report), "status_unexpected in check");
    let mut due = only("none");
    due.push(("99", 1.0));
    assert_eq!(states(&report), due);
    assert_eq!(status(&report), OK);
}

#[tokio::test]
async fn g4_a_refused_call_has_its_code() {
    let server = Running::start().await;
    let unknown = ask_for(LONG, json!({"service": "nobody"}), &server.target()).await;
    assert_eq!(gist(&unknown), "rejected in check");
    let bare = Running::guarded(|_| Err(Status::unimplemented(""))).await;
    let unimplemented = ask_for(LONG, json!({}), &bare.target()).await;
    assert_eq!(gist(&unimplemented), "rejected in check");
    let closed = Running::guarded(|_| Err(Status::permission_denied("not you"))).await;
    let denied = ask_for(LONG, json!({}), &closed.target()).await;
    assert_eq!(gist(&denied), "auth_refused in check");
    let message = denied.failure().expect("a failure").message();
    assert_eq!(message, "the server answered PERMISSION_DENIED (7): not you");
    for (report, code) in [(unknown, 5.0), (unimplemented, 12.0), (denied, 7.0)] {
        assert_eq!(status(&report), (Some(code), Some(0.0)));
        assert_eq!(states(&report), only("none"));
    }
}

#[tokio::test]
async fn g7_without_an_address_nothing_is_called() {
    let report = ask_for(LONG, json!({}), "nowhere.invalid:80").await;
    assert_eq!(report.failed_at().map(|(_, phase)| phase.name()), Some("resolve"));
    assert_eq!(status(&report), OK);
    assert_eq!(states(&report), []);
    assert_eq!(shown(&report), ["resolve"]);
    assert_eq!(report.reading_named("probe_ip_protocol"), Some(0.0));
}

#[tokio::test]
async fn g8_metadata_arrives() {
    let server = Running::start().await;
    let metadata = json!({"Key1": ["v1", "v2"], "key2-bin": ["a\u{1}b"], "authorization": ["Bearer hunter2"]});
    let report = ask_for(LONG, json!({"metadata": metadata}), &server.target()).await;
    assert_eq!(gist(&report), "up");
    let heard = &server.heard()[0];
    assert_eq!(heard.get_all("key1").iter().collect::<Vec<_>>(), ["v1", "v2"]);
    let bytes = heard.get_bin("key2-bin").expect("a value").to_bytes().expect("base64");
    assert_eq!(&bytes[..], b"a\x01b");
    assert_eq!(heard.get("authorization").expect("a value"), "Bearer hunter2");
    assert!(heard.get("grpc-timeout").is_some());
    assert!(report.notes.iter().all(|(_, _, text)| !text.contains("hunter2")));
}

#[tokio::test]
async fn metadata_that_no_call_can_carry_fails_the_call() {
    let server = Running::start().await;
    let report = ask_for(LONG, json!({"metadata": {"a": ["line\nfeed"]}}), &server.target()).await;
    assert_eq!(gist(&report), "config_unusable in check");
    assert_eq!(status(&report), (Some(13.0), Some(0.0)));
}

#[tokio::test]
async fn g10_an_ipv6_address_is_a_target() {
    let server = Running::start().await;
    let port = server.port();
    let report = testkit::ask("grpc", json!({}), &format!("[::1]:{port}"), LONG).await;
    if report.verdict() == crate::Verdict::Unknown {
        return; // A machine without IPv6.
    }
    assert_eq!(gist(&report), "up");
    assert_eq!(report.reading_named("probe_ip_protocol"), Some(6.0));
}

#[tokio::test]
async fn g12_a_scheme_changes_nothing() {
    let server = Running::start().await;
    for target in [format!("https://{}", server.target()), format!("http://{}/path", server.target())] {
        let report = ask_for(LONG, json!({}), &target).await;
        assert_eq!((gist(&report), status(&report)), ("up".to_owned(), OK), "{target}");
    }
}

#[tokio::test]
async fn a_target_that_is_none_is_refused() {
    for target in ["http://h:port", "[::1", "a b", "h\n"] {
        let report = ask_for(LONG, json!({}), target).await;
        assert_eq!(gist(&report), "target_invalid in no phase", "{target}");
        assert_eq!((status(&report), shown(&report)), (OK, vec!["resolve"]), "{target}");
    }
    let report = ask_for(LONG, json!({}), ":80").await;
    assert_eq!(gist(&report), "target_invalid in resolve");
}

#[test]
fn the_request_goes_to_the_name_that_was_asked_for() {
    let uri = |settings: serde_json::Value, target: &str| {
        let settings = std::sync::Arc::new(serde_json::from_value(settings).expect("settings"));
        let target = crate::target::Target::new(target);
        let probe = <super::super::Grpc as crate::probe::Probe>::bind(&settings, &target).expect("a target");
        probe.uri.to_string().replace(super::super::METHOD, "")
    };
    assert_eq!(uri(json!({}), "h.example"), "http://h.example:80");
    assert_eq!(uri(json!({}), "::1"), "http://[::1]:80");
    assert_eq!(uri(json!({}), "[fe80::1%lo]:81"), "http://[fe80::1]:81");
    assert_eq!(uri(json!({"tls": true}), "h.example:81"), "https://h.example");
    assert_eq!(uri(json!({"tls": true, "tls_config": {"server_name": "n"}}), "h.example"), "https://n");
}

#[test]
fn unknown_settings_are_errors() {
    let module = |settings| crate::kind("grpc").expect("the kind").module(settings).map(drop);
    assert!(module(json!({"servce": "x"})).is_err());
    assert!(module(json!({"tls_config": {"min_version": "TLS9"}})).is_err());
    assert!(module(json!({"metadata": {"a": null}, "service": null, "tls_config": null})).is_ok());
}

#[test]
fn only_what_lets_others_in_is_a_secret() {
    let carries = |metadata: serde_json::Value| {
        let module = crate::kind("grpc").expect("the kind").module(json!({"metadata": metadata}));
        module.expect("settings").carries_secrets()
    };
    assert!(!carries(json!({"tenant": ["a"], "trace-bin": ["b"]})));
    assert!(carries(json!({"authorization": ["a"]})));
    assert!(carries(json!({"tenant": ["${file:/x}"]})));
}
