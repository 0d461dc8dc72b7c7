//! Status, version, headers.

use serde_json::json;

use super::{answer, answering, dialogue, lengths, phases, probe, probe_peer, read, reads};
use crate::testkit::{Peer, ask, gist};

#[tokio::test]
async fn statuses_from_200_to_299_are_right() {
    for (status, gist_due) in [
        ("200 OK", "up"),
        ("201 Created", "up"),
        ("299 Odd", "up"),
        ("300 Choices", "status_unexpected in check"),
        ("404 Not Found", "status_unexpected in check"),
    ] {
        let peer = answering(answer(status, "", "nothing\r\n")).await;
        let report = probe_peer(json!({}), &peer).await;
        assert_eq!(gist(&report), gist_due, "{status}");
        let code: f64 = status[..3].parse().expect("a number");
        assert_eq!(lengths(&report), [Some(code), Some(9.0), Some(9.0)]);
        assert_eq!(phases(&report), ["connect", "processing", "resolve", "tls", "transfer"]);
    }
}

#[tokio::test]
async fn a_list_of_statuses_replaces_the_default() {
    for (status, gist_due) in [("404 Not Found", "up"), ("201 Created", "status_unexpected in check")] {
        let peer = answering(answer(status, "", "")).await;
        let report = probe_peer(json!({"valid_status_codes": [200, 404]}), &peer).await;
        assert_eq!(gist(&report), gist_due);
    }
    let peer = answering(answer("201 Created", "", "")).await;
    let report = probe_peer(json!({"valid_status_codes": [200, 404]}), &peer).await;
    assert_eq!(report.failure().expect("a failure").message(), "201 Created instead of [200, 404]");
}

#[tokio::test]
async fn versions_are_compared_literally() {
    for (versions, gist_due) in [
        (json!([]), "up"),
        (json!(["HTTP/1.1"]), "up"),
        (json!(["HTTP/1.1", "HTTP/2.0"]), "up"),
        (json!(["HTTP/2.0"]), "version_unexpected in check"),
        (json!(["HTTP/1"]), "version_unexpected in check"),
    ] {
        let peer = answering(answer("200 OK", "", "")).await;
        let report = probe_peer(json!({"valid_http_versions": versions}), &peer).await;
        assert_eq!(gist(&report), gist_due, "{versions}");
        assert_eq!(read(&report, "http_version"), Some(1.1));
    }
}

#[tokio::test]
async fn an_answer_of_http_1_0_is_told_apart() {
    let peer = answering("HTTP/1.0 200 OK\r\n\r\nhello").await;
    let report = probe_peer(json!({"valid_http_versions": ["HTTP/1.1"]}), &peer).await;
    assert_eq!(gist(&report), "version_unexpected in check");
    assert_eq!(read(&report, "http_version"), Some(1.0));
    assert_eq!(lengths(&report), [Some(200.0), Some(-1.0), Some(5.0)]);
}

#[tokio::test]
async fn last_modified_is_read_if_it_is_a_date() {
    for (value, due) in [
        ("Wed, 21 Oct 2015 07:28:00 GMT", Some(1_445_412_480.0)),
        ("Wednesday, 21-Oct-15 07:28:00 GMT", Some(1_445_412_480.0)),
        ("Wed Oct 21 07:28:00 2015", Some(1_445_412_480.0)),
        ("yesterday", None),
    ] {
        let peer = answering(answer("200 OK", &format!("Last-Modified: {value}\r\n"), "")).await;
        let report = probe_peer(json!({}), &peer).await;
        assert_eq!(read(&report, "http_last_modified_timestamp_seconds"), due, "{value}");
    }
}

#[tokio::test]
async fn informational_answers_are_passed_over() {
    let hint = "HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n";
    let peer = answering(format!("{hint}{}", answer("200 OK", "", ""))).await;
    let report = probe_peer(json!({}), &peer).await;
    assert_eq!(gist(&report), "up");
    assert_eq!(read(&report, "http_status_code"), Some(200.0));
}

/// A header rule against an answer's headers: what becomes of it, and the regex gauge.
async fn header_rule(key: &str, rule: serde_json::Value, headers: &str) -> (String, Option<f64>) {
    let peer = answering(answer("200 OK", headers, "")).await;
    let report = probe_peer(json!({key: [rule]}), &peer).await;
    (gist(&report), read(&report, "failed_due_to_regex"))
}

#[tokio::test]
async fn a_header_that_matches_fails() {
    let up = || ("up".to_owned(), Some(0.0));
    let failed = || ("header_unexpected in check".to_owned(), Some(1.0));
    let key = "fail_if_header_matches";
    let rule = json!({"header": "content-type", "regexp": "text/javascript"});
    assert_eq!(header_rule(key, rule.clone(), "Content-Type: text/javascript\r\n").await, failed());
    assert_eq!(header_rule(key, rule, "Content-Type: text/html\r\n").await, up());
    let rule = json!({"header": "X-A", "regexp": ".*"});
    assert_eq!(header_rule(key, rule.clone(), "X-A:\r\n").await, failed());
    assert_eq!(header_rule(key, rule, "").await, failed());
    let rule = json!({"header": "X-A", "regexp": ".*", "allow_missing": true});
    assert_eq!(header_rule(key, rule.clone(), "").await, up());
    assert_eq!(header_rule(key, rule, "X-A:\r\n").await, failed());
    let rule = json!({"header": "Set-Cookie", "regexp": "^b="});
    assert_eq!(header_rule(key, rule, "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n").await, failed());
}

#[tokio::test]
async fn a_header_that_does_not_match_fails() {
    let up = || ("up".to_owned(), Some(0.0));
    let failed = || ("header_unexpected in check".to_owned(), Some(1.0));
    let key = "fail_if_header_not_matches";
    let rule = json!({"header": "X-A", "regexp": "^b$"});
    assert_eq!(header_rule(key, rule.clone(), "X-A: a\r\nX-A: b\r\n").await, up());
    assert_eq!(header_rule(key, rule.clone(), "X-A: a\r\n").await, failed());
    assert_eq!(header_rule(key, rule, "").await, failed());
    let rule = json!({"header": "X-A", "regexp": "^b$", "allow_missing": true});
    assert_eq!(header_rule(key, rule, "").await, up());
}

#[tokio::test]
async fn a_broken_header_rule_quotes_the_value_but_no_cookie() {
    let rule = |name: &str| json!({"fail_if_header_matches": [{"header": name, "regexp": "x"}]});
    let headers = "X-A: ab\u{7f}x\r\nSet-Cookie: x=hunter2\r\n".replace('\u{7f}', "\t");
    let peer = answering(answer("200 OK", &headers, "")).await;
    let message = |report: crate::Report| report.failure().expect("a failure").message().to_owned();
    assert_eq!(message(probe_peer(rule("X-A"), &peer).await), "header \"X-A\" matches `x`: ab\\tx");
    assert_eq!(message(probe_peer(rule("Set-Cookie"), &peer).await), "header \"Set-Cookie\" matches `x`: its value");
}

#[tokio::test]
async fn a_wrong_status_evaluates_no_rule() {
    let peer = answering(answer("500 Oops", "", "hello")).await;
    let settings = json!({
        "fail_if_body_matches_regexp": ["hello"],
        "fail_if_header_not_matches": [{"header": "X-A", "regexp": "b"}],
    });
    let report = probe_peer(settings, &peer).await;
    assert_eq!(gist(&report), "status_unexpected in check");
    assert_eq!(read(&report, "failed_due_to_regex"), Some(0.0));
}

#[tokio::test]
async fn the_first_broken_rule_is_the_failure() {
    let peer = answering(answer("200 OK", "", "hello")).await;
    let settings = json!({
        "fail_if_body_not_matches_regexp": ["hello"],
        "fail_if_header_not_matches": [{"header": "X-A", "regexp": "b"}],
        "valid_http_versions": ["HTTP/2.0"],
        "fail_if_not_ssl": true,
    });
    let report = probe_peer(settings, &peer).await;
    assert_eq!(gist(&report), "header_unexpected in check");
    assert_eq!(reads(&report, ["failed_due_to_regex", "http_uncompressed_body_length"]), [Some(1.0), Some(5.0)]);
}

#[tokio::test]
async fn an_unencrypted_answer_can_be_a_failure() {
    let settings = json!({"fail_if_not_ssl": true});
    let peer = answering(answer("200 OK", "", "")).await;
    let report = probe_peer(settings.clone(), &peer).await;
    assert_eq!((gist(&report), read(&report, "http_ssl")), ("tls_missing in check".to_owned(), Some(0.0)));
    let peer = answering(answer("404 Not Found", "", "")).await;
    assert_eq!(gist(&probe_peer(settings.clone(), &peer).await), "status_unexpected in check");
    let target = super::url(Peer::closed_port().await);
    assert_eq!(gist(&probe(settings, &target).await), "connect_refused in connect");
}

#[tokio::test]
async fn a_target_is_known_by_its_scheme() {
    let peer = answering(answer("200 OK", "", "")).await;
    for (target, due) in [
        (format!("HTTP://{}", peer.address()), "up"),
        (peer.address().to_string(), "up"),
        (format!("{}?x=1#y", peer.address()), "up"),
        ("http://127.0.0.1:abc/".to_owned(), "target_invalid in no phase"),
        ("http://127.0.0.1/%zz".to_owned(), "target_invalid in no phase"),
        (":80".to_owned(), "target_invalid in resolve"),
        ("http:///x".to_owned(), "target_invalid in resolve"),
    ] {
        let report = probe(json!({}), &target).await;
        assert_eq!(gist(&report), due, "{target}");
        assert_eq!(read(&report, "ip_protocol").is_some(), due != "target_invalid in no phase");
    }
}

#[tokio::test]
async fn a_target_that_is_no_url_shows_zeros_and_no_phase() {
    let report = probe(json!({}), "http://127.0.0.1:abc/").await;
    let mut names: Vec<_> = report.readings.iter().map(|reading| (reading.measure.name, reading.value)).collect();
    names.sort_by_key(|(name, _)| *name);
    let due = [
        ("probe_failed_due_to_regex", 0.0),
        ("probe_http_content_length", 0.0),
        ("probe_http_redirects", 0.0),
        ("probe_http_ssl", 0.0),
        ("probe_http_status_code", 0.0),
        ("probe_http_uncompressed_body_length", 0.0),
        ("probe_http_version", 0.0),
    ];
    assert_eq!(names, due);
    assert_eq!(phases(&report), Vec::<&str>::new());
}

#[tokio::test]
async fn an_unresolvable_target_shows_only_the_resolve_phase() {
    let report = ask("http", json!({"ip_protocol_fallback": false}), "http://127.0.0.1/", super::LONG).await;
    assert_eq!(gist(&report), "dns_nodata in resolve");
    assert_eq!(phases(&report), ["resolve"]);
    assert_eq!(reads(&report, ["ip_protocol", "ip_addr_hash"]), [Some(0.0), Some(0.0)]);
}

#[tokio::test]
async fn notes_tell_the_dialogue() {
    let peer = answering(answer("404 Not Found", "", "")).await;
    let target = format!("http://u:hunter2@{}/a?b=c", peer.address());
    let report = probe(json!({}), &target).await;
    assert_eq!(dialogue(&report), ["> GET /a?b=c HTTP/1.1", "< HTTP/1.1 404 Not Found"]);
    let notes: Vec<_> = report.notes.iter().map(|(_, _, text)| text).collect();
    assert!(!notes.join("\n").contains("hunter2"), "{notes:?}");
}
