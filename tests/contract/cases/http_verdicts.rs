//! `http`: H45 to H53 and H63, rules on headers and bodies, encryption, and what the head says.

use tuermer_probes::testkit::Peer;

use crate::case::{Case, case};
use crate::serve::{Served, Site, certified, page};

/// A module with these settings.
fn module(settings: &str) -> String {
    format!("{{ prober: http, timeout: 3s, http: {{ preferred_ip_protocol: ip4, {settings} }} }}")
}

/// A rule on a header.
fn rule(key: &str, header: &str, pattern: &str, more: &str) -> String {
    module(&format!("{key}: [{{ header: {header}, regexp: '{pattern}', {more} }}]"))
}

pub(super) fn cases() -> Vec<Case> {
    [encryption(), bodies(), headers()].concat()
}

fn encryption() -> Vec<Case> {
    vec![
        case("H45", "an_unencrypted_answer_can_be_wrong")
            .module(module("fail_if_not_ssl: true"))
            .serve(|| Site::open(|_| page(200, "", "")))
            .query("debug=true")
            .has("unencrypted")
            .again()
            .expect("success 0; http_ssl 0; http_status_code 200"),
        case("H46", "that_is_not_said_of_what_failed_before")
            .module(module("fail_if_not_ssl: true"))
            .row("404")
            .serve(|| Site::open(|_| page(404, "", "")))
            .query("debug=true")
            .lacks("unencrypted")
            .again()
            .expect("success 0; http_status_code 404")
            .row("refused")
            .serve(|| async { Served::from(Peer::closed_port().await) })
            .query("debug=true")
            .lacks("unencrypted")
            .again()
            .expect("success 0; http_status_code 0"),
        case("H47", "an_encrypted_answer_can_be_wrong")
            .module(module("fail_if_ssl: true, tls_config: { ca_file: '{ca}' }"))
            .serve(|| Site::open_encrypted(certified(&["127.0.0.1"]), |_| page(200, "", "")))
            .target("https://{peer}/")
            .expect("success 0; http_ssl 1; http_status_code 200; ssl_earliest_cert_expiry > 0; tls_version_info")
            .expect("ssl_last_chain_info; ssl_last_chain_expiry_timestamp_seconds > 0"),
        case("H63", "the_time_of_the_last_change_is_told")
            .module(module(""))
            .row("valid")
            .serve(|| Site::open(|_| page(200, "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT", "")))
            .expect("success 1; http_last_modified_timestamp_seconds 784111777")
            .row("of RFC 850")
            .serve(|| Site::open(|_| page(200, "Last-Modified: Sunday, 06-Nov-94 08:49:37 GMT", "")))
            .expect("success 1; http_last_modified_timestamp_seconds 784111777")
            .row("of asctime")
            .serve(|| Site::open(|_| page(200, "Last-Modified: Sun Nov  6 08:49:37 1994", "")))
            .expect("success 1; http_last_modified_timestamp_seconds 784111777")
            .row("malformed")
            .serve(|| Site::open(|_| page(200, "Last-Modified: yesterday", "")))
            .expect("success 1; !http_last_modified_timestamp_seconds"),
    ]
}

fn bodies() -> Vec<Case> {
    let site = |body: &'static str| move || Site::open(move |_| page(200, "", body));
    vec![
        case("H48", "a_body_that_matches_any_fails")
            .row("one pattern")
            .module(module("fail_if_body_matches_regexp: [could not connect]"))
            .serve(site("could not connect to database"))
            .expect("success 0; failed_due_to_regex 1; http_content_length 29; http_uncompressed_body_length 29")
            .row("two patterns, the second")
            .module(module("fail_if_body_matches_regexp: [could not connect, internal error]"))
            .serve(site("internal error"))
            .expect("success 0; failed_due_to_regex 1; http_content_length 14; http_uncompressed_body_length 14")
            .row("two patterns, none")
            .module(module("fail_if_body_matches_regexp: [could not connect, internal error]"))
            .serve(site("hello world"))
            .expect("success 1; failed_due_to_regex 0; http_content_length 11; http_uncompressed_body_length 11"),
        case("H49", "a_body_must_match_all")
            .module(module("fail_if_body_not_matches_regexp: [Download the latest version here, Copyright 2015]"))
            .row("only one")
            .serve(site("Download the latest version here"))
            .expect("success 0; failed_due_to_regex 1; http_uncompressed_body_length 32")
            .row("both")
            .serve(site("Download the latest version here. Copyright 2015 Test Inc."))
            .expect("success 1; failed_due_to_regex 0; http_uncompressed_body_length 58"),
    ]
}

fn headers() -> Vec<Case> {
    let site = |headers: &'static str| move || Site::open(move |_| page(200, headers, ""));
    let matches = "fail_if_header_matches";
    let not_matches = "fail_if_header_not_matches";
    vec![
        case("H50", "a_header_that_matches_fails")
            .row("the same")
            .module(rule(matches, "Content-Type", "text/javascript", ""))
            .serve(site("Content-Type: text/javascript"))
            .expect("success 0; failed_due_to_regex 1")
            .row("another")
            .module(rule(matches, "Content-Type", "text/javascript", ""))
            .serve(site("Content-Type: application/octet-stream"))
            .expect("success 1; failed_due_to_regex 0")
            .row("the name in small letters")
            .module(rule(matches, "content-type", "text/javascript", ""))
            .serve(site("Content-Type: application/octet-stream"))
            .expect("success 1; failed_due_to_regex 0"),
        case("H51", "an_empty_header_is_there_and_a_missing_one_is_not")
            .row("empty")
            .module(rule(matches, "X-A", ".*", ""))
            .serve(site("X-A:"))
            .expect("success 0; failed_due_to_regex 1")
            .row("missing")
            .module(rule(matches, "X-A", ".*", ""))
            .serve(site(""))
            .expect("success 0; failed_due_to_regex 1")
            .row("missing, and may be")
            .module(rule(matches, "X-A", ".*", "allow_missing: true"))
            .serve(site(""))
            .expect("success 1; failed_due_to_regex 0")
            .row("empty, and might be missing")
            .module(rule(matches, "X-A", ".*", "allow_missing: true"))
            .serve(site("X-A:"))
            .expect("success 0; failed_due_to_regex 1"),
        case("H52", "every_value_of_a_header_is_looked_at")
            .module(rule(matches, "Set-Cookie", ".*Domain=\\.example\\.com.*", ""))
            .serve(site(
                "Set-Cookie: zz4=4; expires=Mon, 01-Jan-1990 00:00:00 GMT; Domain=www.example.com; Path=/\n\
                         Set-Cookie: zz5=5; expires=Mon, 01-Jan-1990 00:00:00 GMT; Domain=.example.com; Path=/",
            ))
            .expect("success 0; failed_due_to_regex 1"),
        case("H53", "one_value_of_a_header_must_match")
            .row("any")
            .module(rule(not_matches, "Set-Cookie", ".*Domain=\\.example\\.com.*", ""))
            .serve(site("Set-Cookie: zz4=4; Domain=www.example.com\nSet-Cookie: zz5=5; Domain=.example.com"))
            .expect("success 1; failed_due_to_regex 0")
            .row("none")
            .module(rule(not_matches, "Set-Cookie", ".*Domain=\\.example\\.com.*", ""))
            .serve(site("Set-Cookie: zz4=4; Domain=www.example.com"))
            .expect("success 0; failed_due_to_regex 1")
            .row("missing")
            .module(rule(not_matches, "X-A", "b", ""))
            .serve(site(""))
            .expect("success 0; failed_due_to_regex 1")
            .row("missing, and may be")
            .module(rule(not_matches, "X-A", "b", "allow_missing: true"))
            .serve(site(""))
            .expect("success 1; failed_due_to_regex 0"),
    ]
}
