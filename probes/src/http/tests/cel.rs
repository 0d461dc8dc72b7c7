//! Rules in CEL.

use serde_json::{Value, json};

use super::site::{Site, page};
use super::{answer, answering, lengths, probe, probe_peer, read, reads};
use crate::report::Report;
use crate::testkit::{Peer, close, gist, hear, say};

const IF: &str = "fail_if_body_json_matches_cel";
const IF_NOT: &str = "fail_if_body_json_not_matches_cel";

async fn judge(settings: Value, body: &str) -> Report {
    let peer = answering(answer("200 OK", "", body)).await;
    probe_peer(settings, &peer).await
}

/// Whether it passed, and the two flags.
fn flags(report: &Report) -> (bool, [Option<f64>; 2]) {
    (report.failure().is_none(), reads(report, ["failed_due_to_cel", "failed_due_to_regex"]))
}

#[tokio::test]
async fn a_rule_that_is_true_fails() {
    let settings = json!({IF: "body.foo.bar == 'baz'"});
    for (body, passes) in [
        (r#"{"foo": {"bar": "baz"}}"#, false),
        (r#"{"foo": {"bar": "qux"}}"#, true),
        ("{}", false),
        ("not JSON", false),
        ("", false),
        ("🎉", false),
    ] {
        let report = judge(settings.clone(), body).await;
        assert_eq!(flags(&report), (passes, [Some(f64::from(u8::from(!passes))), Some(0.0)]), "{body}");
        assert_eq!(lengths(&report)[2], Some(body.len() as f64));
    }
    let report = judge(settings, r#"{"foo": {"bar": "baz"}}"#).await;
    assert_eq!(gist(&report), "body_unexpected in check");
    assert_eq!(report.failure().unwrap().message(), "CEL `body.foo.bar == 'baz'` is true");
}

#[tokio::test]
async fn a_rule_that_is_not_true_fails() {
    for (rule, body, passes) in [
        ("!has(body.foo)", "{}", true),
        ("body.n == 3", r#"{"n": 3}"#, true),
        ("body.n == 3.0", r#"{"n": 3}"#, true),
        ("type(body.n) == double", r#"{"n": 3}"#, true),
        ("body.n % 2 == 1", r#"{"n": 3}"#, false),
        ("body.n", r#"{"n": 3}"#, false),
    ] {
        let report = judge(json!({IF_NOT: rule}), body).await;
        assert_eq!(flags(&report), (passes, [Some(f64::from(u8::from(!passes))), Some(0.0)]), "{rule}");
    }
}

#[tokio::test]
async fn both_rules_count() {
    let settings = json!({IF: "body.a == 1", IF_NOT: "body.b == 1"});
    for (body, passes) in
        [(r#"{"a": 0, "b": 1}"#, true), (r#"{"a": 1, "b": 1}"#, false), (r#"{"a": 0, "b": 0}"#, false)]
    {
        assert_eq!(flags(&judge(settings.clone(), body).await).0, passes, "{body}");
    }
}

#[tokio::test]
async fn regular_expressions_and_cel_see_the_same_body() {
    let settings = json!({IF_NOT: "body.ok", "fail_if_body_not_matches_regexp": ["ok"]});
    assert_eq!(flags(&judge(settings.clone(), r#"{"ok": true}"#).await), (true, [Some(0.0), Some(0.0)]));
    assert_eq!(flags(&judge(settings.clone(), r#"{"ok": false}"#).await), (false, [Some(1.0), Some(0.0)]));
    // What a regular expression has failed no CEL is asked about.
    assert_eq!(flags(&judge(settings, r#"{"no": true}"#).await), (false, [Some(0.0), Some(1.0)]));
}

#[tokio::test]
async fn a_wrong_status_asks_no_rule() {
    let peer = answering(answer("500 Broken", "", "not JSON")).await;
    let report = probe_peer(json!({IF: "true"}), &peer).await;
    assert_eq!(
        (gist(&report), flags(&report)),
        ("status_unexpected in check".to_owned(), (false, [Some(0.0), Some(0.0)]))
    );
}

#[tokio::test]
async fn a_body_that_does_not_come_whole_fails_the_rule() {
    let text = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"a\": 1}";
    let peer = Peer::play(vec![hear("\r\n\r\n"), say(text), close()]).await;
    let report = probe_peer(json!({IF_NOT: "body.a == 1"}), &peer).await;
    assert_eq!(gist(&report), "closed_early in transfer");
    assert_eq!(flags(&report), (false, [Some(1.0), Some(0.0)]));
}

#[tokio::test]
async fn a_redirect_that_is_not_followed_has_a_body_too() {
    let peer = answering(answer("302 Found", "Location: /x\r\n", r#"{"a": 1}"#)).await;
    let settings = json!({IF_NOT: "body.a == 1", "follow_redirects": false, "valid_status_codes": [302]});
    assert_eq!(gist(&probe_peer(settings, &peer).await), "up");
}

#[tokio::test]
async fn what_the_rules_cost_is_not_the_services_fault() {
    let body = serde_json::to_vec(&(0..3000).collect::<Vec<_>>()).unwrap();
    let site = Site::open(move |_| page(body.clone())).await;
    let report = probe(json!({IF_NOT: "body.all(x, body.all(y, x + y >= 0.0))"}), &site.url("/")).await;
    assert_eq!(gist(&report), "agent_overload in check");
    assert!(report.failure().unwrap().reason().is_shortage());
}

#[tokio::test]
async fn without_a_rule_there_is_no_flag() {
    assert_eq!(read(&judge(json!({}), "{}").await, "failed_due_to_cel"), None);
}
