//! What is sent.

use std::io::Write as _;

use serde_json::{Value, json};

use super::{LONG, answer, answering, heard, phases, probe, probe_peer, url};
use crate::net::Net;
use crate::report::Report;
use crate::target::{Invalid, Target};
use crate::testkit::{Peer, gist, net};

/// The request that a module sends, with the peer's address replaced.
async fn request(settings: Value) -> String {
    let peer = answering(answer("200 OK", "", "")).await;
    let report = probe_peer(settings, &peer).await;
    assert_eq!(gist(&report), "up");
    heard(&peer).replace(&peer.address().to_string(), "PEER")
}

const AGENT: &str = concat!("User-Agent: tuermer/", env!("CARGO_PKG_VERSION"), "\r\n");

#[tokio::test]
async fn a_request_has_only_the_headers_it_needs() {
    let due = format!("GET / HTTP/1.1\r\nHost: PEER\r\n{AGENT}Connection: close\r\n\r\n");
    assert_eq!(request(json!({})).await, due);
}

#[tokio::test]
async fn configured_headers_replace_the_defaults() {
    let settings = json!({"headers": {
        "host": "vhost.example",
        "user-agent": "Agent/1",
        "Accept-Language": "en-US",
        "Content-Length": "77",
        "Transfer-Encoding": "chunked",
        "X-Empty": "",
    }});
    let due = "GET / HTTP/1.1\r\nHost: vhost.example\r\nUser-Agent: Agent/1\r\nAccept-Language: en-US\r\n\
               X-Empty: \r\nConnection: close\r\n\r\n";
    assert_eq!(request(settings).await, due);
}

#[tokio::test]
async fn headers_of_several_values_are_added_in_order() {
    let settings = json!({
        "headers": {"X-A": "one"},
        "http_headers": {"x-a": {"values": ["two", "three"], "secrets": ["four"]}},
    });
    let heard = request(settings).await;
    let lines: Vec<_> = heard.lines().filter(|line| line.starts_with("X-A")).collect();
    assert_eq!(lines, ["X-A: one", "X-A: two", "X-A: three", "X-A: four"]);
}

#[tokio::test]
async fn headers_are_read_from_files_when_they_are_sent() {
    let file = Scratch::with("from a file\n");
    let heard = request(json!({"http_headers": {"X-A": {"files": [file.path()]}}})).await;
    assert!(heard.contains("X-A: from a file\r\n"), "{heard}");
}

#[tokio::test]
async fn a_method_is_sent_as_written() {
    assert!(request(json!({"method": "purge"})).await.starts_with("purge / HTTP/1.1\r\n"));
    assert!(request(json!({"method": ""})).await.starts_with("GET / HTTP/1.1\r\n"));
    let post = request(json!({"method": "POST"})).await;
    assert!(post.contains("Content-Length: 0\r\n"), "{post}");
}

#[tokio::test]
async fn a_method_that_is_no_token_is_found_before_connecting() {
    let peer = answering(answer("200 OK", "", "")).await;
    let report = probe_peer(json!({"method": "PO ST"}), &peer).await;
    assert_eq!(gist(&report), "config_unusable in check");
    assert_eq!(phases(&report), ["resolve"]);
    assert_eq!(heard(&peer), "");
}

#[tokio::test]
async fn a_header_that_no_request_can_carry_is_found_before_connecting() {
    for settings in [json!({"headers": {"X A": "b"}}), json!({"headers": {"X-A": "b\nc"}})] {
        let peer = answering(answer("200 OK", "", "")).await;
        let report = probe_peer(settings, &peer).await;
        assert_eq!(gist(&report), "config_unusable in check");
        assert_eq!(phases(&report), ["connect", "processing", "resolve", "tls", "transfer"]);
        assert_eq!(heard(&peer), "");
    }
}

#[tokio::test]
async fn a_body_is_sent_with_its_length() {
    let heard = request(json!({"method": "POST", "body": "Test Body"})).await;
    assert!(heard.contains("Content-Length: 9\r\n"), "{heard}");
    assert!(!heard.contains("Transfer-Encoding"), "{heard}");
}

#[tokio::test]
async fn a_body_from_a_file_is_sent_in_chunks() {
    let site = super::site::Site::open(|seen| super::site::page(seen.body.clone())).await;
    let file = Scratch::with("Test Body");
    let settings = json!({
        "method": "POST",
        "body_file": file.path(),
        "fail_if_body_not_matches_regexp": ["^Test Body$"],
    });
    let report = probe(settings, &site.url("/")).await;
    assert_eq!(gist(&report), "up");
    assert_eq!(site.seen()[0].header("transfer-encoding"), "chunked");
}

#[tokio::test]
async fn an_unreadable_body_file_is_found_before_connecting() {
    let peer = answering(answer("200 OK", "", "")).await;
    let report = probe_peer(json!({"method": "POST", "body_file": "/nonexistent/body"}), &peer).await;
    assert_eq!(gist(&report), "config_unusable in check");
    assert_eq!(phases(&report), ["resolve"]);
    assert_eq!(heard(&peer), "");
}

#[tokio::test]
async fn a_head_request_has_a_length_but_no_body() {
    let peer = answering("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n").await;
    let report = probe_peer(json!({"method": "HEAD"}), &peer).await;
    assert_eq!(gist(&report), "up");
    assert_eq!(super::lengths(&report), [Some(200.0), Some(10.0), Some(0.0)]);
}

async fn authorization(settings: Value) -> String {
    let heard = request(settings).await;
    let line = heard.lines().find_map(|line| line.strip_prefix("Authorization: "));
    line.unwrap_or_default().to_owned()
}

#[tokio::test]
async fn credentials_become_a_header() {
    let file = Scratch::with(" hunter2\n");
    for (settings, due) in [
        (json!({"basic_auth": {"username": "u", "password": "p"}}), "Basic dTpw"),
        (json!({"basic_auth": {}}), "Basic Og=="),
        (json!({"basic_auth": {"username": "u", "password_file": file.path()}}), "Basic dTpodW50ZXIy"),
        (json!({"basic_auth": {"username_file": file.path(), "password": "p"}}), "Basic aHVudGVyMjpw"),
        (json!({"authorization": {"credentials": "t"}}), "Bearer t"),
        (json!({"authorization": {"type": " Token ", "credentials_file": file.path()}}), "Token hunter2"),
        (json!({"bearer_token": "t"}), "Bearer t"),
        (json!({"bearer_token_file": file.path()}), "Bearer hunter2"),
        (json!({"basic_auth": {"username": "u"}, "headers": {"authorization": "Own x"}}), "Own x"),
    ] {
        assert_eq!(authorization(settings.clone()).await, due, "{settings}");
    }
}

#[tokio::test]
async fn the_targets_user_becomes_a_header() {
    let peer = answering(answer("200 OK", "", "")).await;
    let target = format!("http://u:p@{}/", peer.address());
    probe(json!({"basic_auth": {"username": "other"}}), &target).await;
    assert!(heard(&peer).contains("Authorization: Basic dTpw\r\n"), "{}", heard(&peer));
}

#[tokio::test]
async fn a_missing_password_file_is_found_before_connecting() {
    let peer = answering(answer("200 OK", "", "")).await;
    let settings = json!({"basic_auth": {"username": "u", "password_file": "/nonexistent/password"}});
    let report = probe_peer(settings, &peer).await;
    assert_eq!(gist(&report), "config_unusable in check");
    assert_eq!(phases(&report), ["connect", "processing", "resolve", "tls", "transfer"]);
    assert_eq!(heard(&peer), "");
}

#[tokio::test]
async fn a_module_that_cannot_be_used_asks_nobody() {
    for settings in [
        json!({"proxy_url": "ftp://u:hunter2@127.0.0.1:1/"}),
        json!({"basic_auth": {"password_ref": "x"}}),
        json!({"compression": "lzma"}),
        json!({"method": "CONNECT"}),
    ] {
        let peer = answering(answer("200 OK", "", "")).await;
        let report = probe_peer(settings.clone(), &peer).await;
        assert_eq!(gist(&report), "config_unusable in check", "{settings}");
        assert_eq!(heard(&peer), "");
        assert!(!report.failure().expect("a failure").message().contains("hunter2"));
    }
}

async fn ask_as(hostname: &str, settings: Value, peer: &Peer, net: &Net) -> Result<Report, Invalid> {
    let module = crate::kind("http").expect("the kind").module(settings).expect("settings");
    let probe = module.bind(&Target::new(url(peer.address())).with_hostname(hostname))?;
    Ok(probe.run(net, LONG).await)
}

#[tokio::test]
async fn the_hostname_of_a_target_is_what_is_asked_for() {
    let peer = answering(answer("200 OK", "", "")).await;
    let with_host = || json!({"headers": {"hOst": "h1"}});
    for settings in [json!({}), with_host()] {
        let report = ask_as("h1", settings, &peer, &net()).await.expect("a report");
        assert_eq!(gist(&report), "up");
    }
    assert_eq!(heard(&peer).matches("Host: h1\r\n").count(), 2);
    let contradiction = ask_as("h2", with_host(), &peer, &net()).await.expect_err("a contradiction");
    let due = "hostname \"h2\" contradicts the module's Host header \"h1\"";
    assert_eq!(contradiction, Invalid::Hostname(due.to_owned()));
}

/// A file that lives as long as a test.
pub(super) struct Scratch(std::path::PathBuf);

impl Scratch {
    pub(super) fn with(content: &str) -> Self {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tuermer-http-{}-{number}", std::process::id()));
        let mut file = std::fs::File::create(&path).expect("a file");
        file.write_all(content.as_bytes()).expect("written");
        Self(path)
    }

    pub(super) fn path(&self) -> &str {
        self.0.to_str().expect("text")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
