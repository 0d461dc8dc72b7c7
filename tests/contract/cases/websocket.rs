//! `websocket`: W1 to W11.

use tuermer_probes::testkit::{hear, hear_nothing_more, say};

use crate::case::{Case, case};
use crate::serve::certified;
use crate::serve_websocket::chat;

const NEWER: &str = "module: the prober `websocket` is newer";
/// What is shown once there was an address.
const SHOWN: &str = "websocket_status_code websocket_connection_upgraded websocket_failed_due_to_regex \
                     websocket_duration_seconds ip_protocol ip_addr_hash dns_lookup_time_seconds";

/// A module with these settings.
fn websocket(settings: &str) -> String {
    format!("{{ prober: websocket, timeout: 2s, websocket: {{ preferred_ip_protocol: ip4, {settings} }} }}")
}

/// The dialogue of case W1, which ends so.
fn dialogue(last: &str) -> String {
    websocket(&format!(
        "query_response: [{{ expect: 'incoming_(.+)', send: 'outgoing_${{1}}' }}, {{ expect: '{last}' }}]"
    ))
}

pub(super) fn cases() -> Vec<Case> {
    [dialogues(), requests()].concat()
}

fn dialogues() -> Vec<Case> {
    vec![
        case("W1", "a_dialogue_is_held")
            .not_in_0_23(NEWER)
            .module(dialogue("^passed"))
            .serve(|| chat(None))
            .target("ws://{peer}/")
            .expect("success 1; websocket_status_code 101; websocket_connection_upgraded 1")
            .expect("websocket_failed_due_to_regex 0; websocket_duration_seconds{phase=resolve} >= 0")
            .expect("websocket_duration_seconds{phase=connect} >= 0; websocket_duration_seconds{phase=transfer} >= 0")
            .expect("websocket_duration_seconds{phase=processing} >= 0; !websocket_duration_seconds{phase=tls}")
            .only(SHOWN)
            .heard_has("< outgoing_42\n"),
        case("W2", "another_message_fails_the_dialogue")
            .not_in_0_23(NEWER)
            .module(dialogue("^never"))
            .serve(|| chat(None))
            .target("ws://{peer}/")
            .expect("success 0; websocket_connection_upgraded 1; websocket_failed_due_to_regex 1"),
        case("W4", "without_a_dialogue_nothing_is_transferred")
            .not_in_0_23(NEWER)
            .module(websocket(""))
            .serve(|| chat(None))
            .target("ws://{peer}/silent")
            .expect("success 1; websocket_connection_upgraded 1; !websocket_duration_seconds{phase=transfer}")
            .only(SHOWN),
        case("W9", "a_silent_server_ends_with_the_timeout")
            .not_in_0_23(NEWER)
            .module("{ prober: websocket, timeout: 1s, websocket: { query_response: [{ expect: x }] } }")
            .serve(|| chat(None))
            .target("ws://{peer}/silent")
            .expect("success 0; websocket_connection_upgraded 1; websocket_failed_due_to_regex 1")
            .took(0.9, 3.5),
        case("W11", "what_is_for_lines_has_no_meaning")
            .not_in_0_23(NEWER)
            .module(websocket(
                "query_response: [{ expect_bytes: never, starttls: true }, \
                 { expect: incoming, labels: [{ name: a, value: b }], starttls: true }]",
            ))
            .serve(|| chat(None))
            .target("ws://{peer}/")
            .expect("success 1; websocket_failed_due_to_regex 0; !expect_info"),
    ]
}

fn requests() -> Vec<Case> {
    let encrypted = || chat(Some(certified(&["127.0.0.1"])));
    let answer = |answer: &str| [hear("\r\n\r\n"), say(answer), hear_nothing_more()];
    let refused = |code: u16| {
        format!(
            "success 0; websocket_connection_upgraded 0; websocket_status_code {code}; websocket_failed_due_to_regex 0"
        )
    };
    let credentials = "authorization: { credentials: hunter2 }";
    vec![
        case("W3", "an_encrypted_websocket_is_asked_with_credentials")
            .not_in_0_23(NEWER)
            .serve(encrypted)
            .target("wss://{peer}/")
            .expect("success 1; websocket_status_code 101")
            .only(SHOWN)
            .heard_has("authorization: Bearer hunter2\n")
            .heard_has("x-own: v\n")
            .row("unverified")
            .module(websocket(&format!(
                "http_config: {{ tls_config: {{ insecure_skip_verify: true }}, {credentials} }}, \
                 headers: {{ X-Own: {{ values: [v] }} }}"
            )))
            .row("verified")
            .module(websocket(&format!(
                "http_config: {{ tls_config: {{ ca_file: '{{ca}}' }}, {credentials} }}, \
                 headers: {{ X-Own: {{ values: [v] }} }}"
            ))),
        case("W5", "any_other_answer_fails")
            .not_in_0_23(NEWER)
            .module(websocket(""))
            .target("ws://{peer}/")
            .row("200")
            .peer(answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
            .expect(refused(200))
            .row("302")
            .peer(answer("HTTP/1.1 302 Found\r\nLocation: ws://{peer}/other\r\nContent-Length: 0\r\n\r\n"))
            .expect(refused(302))
            .heard_lacks("/other")
            .row("403")
            .peer(answer("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"))
            .expect(refused(403)),
        case("W6", "only_websockets_are_asked")
            .not_in_0_23(NEWER)
            .module(websocket(""))
            .row("http")
            .target("http://127.0.0.1:1/")
            .expect("success 0; websocket_status_code 0; websocket_connection_upgraded 0")
            .row("no scheme")
            .target("127.0.0.1:1")
            .expect("success 0")
            .only("")
            .row("user")
            .target("ws://u:p@127.0.0.1:1/")
            .expect("success 0; websocket_status_code 0"),
        case("W7", "credentials_and_headers_come_from_where_they_stand")
            .not_in_0_23(NEWER)
            .serve(|| async {
                let files = [("user", "ali\n"), ("word", "\tpass \n"), ("value", " v\n")];
                let served = chat(None).await;
                files.into_iter().fold(served, |served, (name, content)| served.file(name, content))
            })
            .target("ws://{peer}/")
            .expect("success 1")
            .heard_has("authorization: Basic YWxpOnBhc3M=\n")
            .row("inline")
            .module(websocket("http_config: { basic_auth: { username: ali, password: pass } }"))
            .row("files")
            .module(websocket(
                "http_config: { basic_auth: { username_file: '{user}', password_file: '{word}' } }, \
                 headers: { X-File: { files: ['{value}'] } }",
            ))
            .heard_has("x-file: v\n"),
        case("W8", "a_file_that_cannot_be_read_is_left_out")
            .not_in_0_23(NEWER)
            .module(websocket("headers: { X-File: { files: [/nonexistent/value], values: [v] } }"))
            .serve(|| chat(None))
            .target("ws://{peer}/")
            .expect("success 1")
            .heard_has("x-file: v\n"),
        case("W10", "headers_take_the_place_of_others")
            .not_in_0_23(NEWER)
            .serve(|| chat(None))
            .target("ws://{peer}/")
            .expect("success 1")
            .heard_has("user-agent: mine\n")
            .heard_lacks("user-agent: tuermer")
            .row("values")
            .module(websocket("headers: { Host: { values: [other.test] }, User-Agent: { values: [mine] } }"))
            .heard_has("host: other.test\n")
            .row("text")
            .module(websocket("headers: { user-agent: mine }")),
    ]
}
