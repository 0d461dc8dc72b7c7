//! Mails that go through a post office of our own.

mod places;
mod pop3;
mod post;
mod signed;
mod unanswered;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use self::post::{Post, Rules};
use super::Mail;
use super::settings::tests::written;
use super::token::{Key, Token};
use crate::probe::Probe as _;
use crate::report::{Report, Verdict};
use crate::target::Target;
use crate::testkit::{
    Act, Peer, ask, ask_in, assert_laps_cover_the_run, close, gist, hear, say, trickle, wait_for_ever,
};

/// Ample: a test that needs it has failed.
const AMPLE: Duration = Duration::from_secs(20);
/// For what never comes.
const SHORT: Duration = Duration::from_millis(1500);
const KEY: &str = "a key of sixteen bytes";
const HOUR: Duration = Duration::from_secs(3600);

fn settings(imap: impl ToString, more: Value) -> Value {
    let fetch = json!({"host": imap.to_string(), "encryption": "none", "username": "box", "password": "pencil",
        "allow_cleartext_login": true, "folders": ["Filed", "Missing"]});
    let mut settings = written(json!({"token_key": KEY, "fetch": fetch, "submit": {"preferred_ip_protocol": "ip4"}}));
    settings.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
    settings
}

async fn sent_with(post: &Post, more: Value, timeout: Duration) -> Report {
    let report = ask("mail", settings(post.imap, more), &post.smtp.to_string(), timeout).await;
    assert_laps_cover_the_run(&report);
    report
}

async fn sent(post: &Post, timeout: Duration) -> Report {
    sent_with(post, json!({}), timeout).await
}

fn message(report: &Report) -> &str {
    report.failure().map_or("", |failure| failure.message())
}

fn read(report: &Report, name: &str) -> Option<f64> {
    report.reading_named(&format!("probe_mail_{name}"))
}

/// The value of a measure with this label.
fn labelled(report: &Report, name: &str, value: &str) -> Option<f64> {
    let name = format!("probe_mail_{name}");
    let fits = |reading: &&crate::measure::Reading| {
        reading.measure.name == name && reading.labels.iter().any(|label| &*label.value == value)
    };
    report.readings.iter().find(fits).map(|reading| reading.value)
}

fn step(report: &Report) -> &str {
    report.failed_at().and_then(|(step, _)| step).unwrap_or_default()
}

/// A mail of the check that another run sent.
fn mail_of_the_check(post: &Post, key: &str, age: Duration) -> String {
    mail_of(post, json!({}), key, age)
}

/// A mail of a check with these settings.
fn mail_of(post: &Post, more: Value, key: &str, age: Duration) -> String {
    let token = token_of(settings(post.imap, more), post, key, SystemTime::now() - age);
    format!("X-Tuermer-Token: {token}\r\n\r\nbody\r\n")
}

/// The token of a mail that a check with these settings sent.
fn token_of(settings: Value, post: &Post, key: &str, sent: SystemTime) -> String {
    let settings = serde_json::from_value(settings).expect("settings");
    let probe = Mail::bind(&Arc::new(settings), &Target::new(post.smtp.to_string())).expect("a target");
    Token::new(&Key::of_secret(key), probe.check, sent, 3).expect("random numbers").text()
}

/// A notice about a mail.
fn notice(returned: &str, action: &str) -> String {
    let headers = returned.split("\r\n\r\n").next().expect("headers");
    format!(
        "Subject: Undelivered\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=x\r\n\r\n\
         --x\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; y\r\n\r\n\
         Action: {action}\r\nStatus: 5.2.2\r\n\r\n--x\r\nContent-Type: text/rfc822-headers\r\n\r\n{headers}\r\n--x--\r\n"
    )
}

#[tokio::test]
async fn a_mail_arrives_and_is_deleted() {
    let received = "Received: from a.example (a.example [192.0.2.1]) by mx.town.example with ESMTP; Thu, 1 Jan 2099 00:00:00 +0000\r\n\
                    Authentication-Results: mx.town.example; spf=pass; dkim=none\r\nX-Spam-Score: -1.5\r\n";
    let post = Post::open(Rules::inbox(move |text| format!("{received}{text}"))).await;
    let more = json!({"subject": "Round trip", "padding_bytes": 2000, "trusted_authserv_ids": ["mx.town.example"],
        "require_authentication": ["spf"], "fail_if_altered": true});
    let report = sent_with(&post, more, AMPLE).await;
    assert_eq!(gist(&report), "up", "{}", message(&report));
    for (name, value) in [
        ("submitted", 1.0),
        ("sent_total", 1.0),
        ("received_total", 1.0),
        ("lost_total", 0.0),
        ("arrived", 1.0),
        ("junk", 0.0),
        ("body_intact", 1.0),
        ("hops", 1.0),
        ("hops_without_tls", 1.0),
        ("hop_skew_total", 0.0),
        ("spam_score", -1.5),
        ("late_total", 0.0),
        ("duplicate_total", 0.0),
        ("forged_total", 0.0),
        ("deleted_total", 1.0),
        ("returned", 0.0),
    ] {
        assert_eq!(read(&report, name), Some(value), "{name}");
    }
    assert_eq!(read(&report, "unknown_total"), None);
    for place in ["message_id", "header", "subject", "body"] {
        assert_eq!(labelled(&report, "token_present", place), Some(1.0), "{place}");
    }
    assert_eq!(labelled(&report, "auth_pass", "spf"), Some(1.0));
    assert_eq!(labelled(&report, "auth_pass", "dkim"), Some(0.0));
    assert_eq!(labelled(&report, "folder_info", "inbox"), Some(1.0));
    assert!(read(&report, "last_delivery_seconds").is_some_and(|seconds| seconds < AMPLE.as_secs_f64()));
    assert_eq!(post.mails(), []);
    let steps: Vec<_> = report.laps.iter().filter_map(|lap| lap.step.as_deref()).collect();
    assert!(
        steps.contains(&"submit")
            && steps.contains(&"fetch")
            && steps.iter().all(|step| ["submit", "fetch"].contains(step)),
        "{steps:?}"
    );
    for phase in
        ["connect", "ehlo", "mail", "rcpt", "data", "login", "select", "transit", "retrieval", "sweep", "logout"]
    {
        assert!(report.laps.iter().any(|lap| lap.phase.name() == phase), "{phase}");
    }
}

/// All observations of a distribution.
fn observations(report: &Report, name: &str) -> Vec<f64> {
    let name = format!("probe_mail_{name}");
    report.readings.iter().filter(|reading| reading.measure.name == name).map(|reading| reading.value).collect()
}

#[tokio::test]
async fn what_can_be_counted_is_zero_before_it_happens() {
    let nobody = Peer::closed_port().await;
    let report = ask("mail", settings(nobody, json!({})), &nobody.to_string(), AMPLE).await;
    for name in ["sent", "received", "lost", "late", "duplicate", "forged", "delay_notices", "deleted", "hop_skew"] {
        assert_eq!(read(&report, &format!("{name}_total")), Some(0.0), "{name}");
    }
    for class in ["2", "4", "5", "none"] {
        assert_eq!(labelled(&report, "bounced_total", class), Some(0.0), "{class}");
    }
    assert_eq!((read(&report, "unknown_total"), read(&report, "submitted")), (None, Some(0.0)));
}

#[tokio::test]
async fn the_way_of_a_mail_is_observed_and_its_arrival_lasts() {
    let received = "Received: from a.example by mx.town.example with ESMTPS; Thu, 1 Jan 2099 00:00:05 +0000\r\n\
                    Received: from x.example by a.example with ESMTPS; Thu, 1 Jan 2099 00:00:00 +0000\r\n\
                    Authentication-Results: mx.town.example; spf=pass; dkim=fail\r\n";
    let post = Post::open(Rules::inbox(move |text| format!("{received}{text}"))).await;
    post.put("INBOX", mail_of_the_check(&post, KEY, HOUR), Duration::ZERO);
    post.put("INBOX", mail_of_the_check(&post, KEY, 2 * HOUR), Duration::ZERO);
    let report = sent_with(&post, json!({"trusted_authserv_ids": ["mx.town.example"]}), AMPLE).await;
    assert_eq!(gist(&report), "up", "{}", message(&report));
    let totals = ["sent_total", "received_total", "late_total", "lost_total"].map(|name| read(&report, name));
    assert_eq!(totals, [1.0, 1.0, 2.0, 0.0].map(Some));
    let last = read(&report, "last_delivery_seconds").expect("a delivery");
    let mut ways = observations(&report, "delivery_seconds");
    ways.sort_by(f64::total_cmp);
    assert!(ways[0] == last && (3600.0..3700.0).contains(&ways[1]) && (7200.0..7300.0).contains(&ways[2]), "{ways:?}");
    assert_eq!(ways.len(), 3);
    assert_eq!(labelled(&report, "last_hop_delay_seconds", "2"), Some(5.0));
    assert_eq!(labelled(&report, "hop_delay_seconds", "2"), Some(5.0));
    assert_eq!(labelled(&report, "auth_results_total", "pass"), Some(1.0));
    assert_eq!(labelled(&report, "auth_results_total", "fail"), Some(1.0));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a later time").as_secs_f64();
    let ago = now - read(&report, "last_received_timestamp_seconds").expect("a time");
    assert!((-1.0..60.0).contains(&ago), "{ago}");
}

#[tokio::test]
async fn a_hop_before_the_one_before_it_is_skewed_and_has_no_length() {
    let received = "Received: from a.example by mx.town.example with ESMTPS; Thu, 1 Jan 2015 00:00:05 +0000\r\n";
    let post = Post::open(Rules::inbox(move |text| format!("{received}{text}"))).await;
    let report = sent(&post, AMPLE).await;
    assert_eq!(gist(&report), "up", "{}", message(&report));
    assert_eq!(read(&report, "hop_skew_total"), Some(1.0));
    assert!(observations(&report, "hop_delay_seconds").is_empty());
}

#[tokio::test]
async fn a_mail_that_does_not_arrive_is_missing() {
    let post = Post::open(Rules::routed(|_| Vec::new())).await;
    let report = sent(&post, SHORT).await;
    assert_eq!((gist(&report).as_str(), step(&report)), ("mail_missing in transit", "fetch"), "{}", message(&report));
    assert_eq!(report.verdict(), Verdict::Down);
    assert_eq!((read(&report, "lost_total"), read(&report, "received_total")), (Some(1.0), Some(0.0)));
    assert!(observations(&report, "delivery_seconds").is_empty());
    assert_eq!((read(&report, "submitted"), read(&report, "arrived")), (Some(1.0), Some(0.0)));
    assert!(report.duration < SHORT, "{:?}", report.duration);
}

#[tokio::test]
async fn a_mail_that_takes_its_time_is_waited_for() {
    for (capabilities, tells_news) in
        [("IMAP4rev1 AUTH=PLAIN IDLE", true), ("IMAP4rev1 AUTH=PLAIN IDLE", false), ("IMAP4rev1 AUTH=PLAIN", false)]
    {
        let rules = Rules::routed(|text| vec![("INBOX", text.to_owned(), Duration::from_millis(500))]);
        let post = Post::open(Rules { capabilities, tells_news, ..rules }).await;
        let report = sent(&post, AMPLE).await;
        assert_eq!(gist(&report), "up", "{capabilities}: {}", message(&report));
        assert!(read(&report, "last_delivery_seconds").is_some_and(|seconds| seconds > 0.3));
        assert_eq!(post.heard("UID EXPUNGE"), 0, "others' deleted mails are left alone");
    }
}

#[tokio::test]
async fn junk_is_no_arrival_unless_it_may_be() {
    for (capabilities, folder) in [("IMAP4rev1 AUTH=PLAIN SPECIAL-USE", "Unwanted"), ("IMAP4rev1 AUTH=PLAIN", "Spam")] {
        let rules = Rules::routed(move |text| vec![(folder, text.to_owned(), Duration::ZERO)]);
        let post = Post::open(Rules { capabilities, ..rules }).await;
        let report = sent(&post, AMPLE).await;
        assert_eq!(gist(&report).split(' ').next(), Some("mail_junked"));
        assert_eq!((read(&report, "arrived"), read(&report, "junk")), (Some(1.0), Some(1.0)));
        let report = sent_with(&post, json!({"junk": "pass"}), AMPLE).await;
        assert_eq!(gist(&report), "up");
    }
}

#[tokio::test]
async fn a_mail_may_be_filed_elsewhere() {
    let post = Post::open(Rules::routed(|text| vec![("Filed", text.to_owned(), Duration::ZERO)])).await;
    let report = sent(&post, AMPLE).await;
    assert_eq!(gist(&report), "up", "{}", message(&report));
    assert_eq!(labelled(&report, "folder_info", "other"), Some(1.0));
}

#[tokio::test]
async fn a_mail_that_comes_twice_is_counted() {
    let post = Post::open(Rules::routed(|text| {
        vec![("INBOX", text.to_owned(), Duration::ZERO), ("INBOX", text.to_owned(), Duration::ZERO)]
    }))
    .await;
    let report = sent(&post, AMPLE).await;
    assert_eq!(gist(&report), "up", "{}", message(&report));
    assert_eq!((read(&report, "duplicate_total"), read(&report, "deleted_total")), (Some(1.0), Some(2.0)));
    assert_eq!(post.mails(), []);
}

#[tokio::test]
async fn mails_of_earlier_runs_are_late_and_younger_ones_are_left_alone() {
    let post = Post::open(Rules::inbox(str::to_owned)).await;
    post.put("INBOX", mail_of_the_check(&post, KEY, HOUR), Duration::ZERO);
    let young = mail_of_the_check(&post, KEY, Duration::ZERO);
    post.put("INBOX", young.clone(), Duration::ZERO);
    post.put("INBOX", "Subject: somebody else's\r\n\r\nx\r\n".to_owned(), HOUR);
    let report = sent(&post, AMPLE).await;
    assert_eq!(gist(&report), "up", "{}", message(&report));
    assert_eq!(read(&report, "late_total"), Some(1.0));
    assert!(read(&report, "late_age_seconds").is_some_and(|age| (3600.0..3700.0).contains(&age)));
    let left: Vec<_> = post.mails().into_iter().map(|mail| mail.text).collect();
    assert_eq!(left, [young, "Subject: somebody else's\r\n\r\nx\r\n".to_owned()]);
}

#[tokio::test]
async fn mails_of_another_check_on_the_same_way_are_left_alone() {
    let post = Post::open(Rules::inbox(str::to_owned)).await;
    let others = [json!({"content": "gtube"}), json!({"padding_bytes": 1}), json!({"subject": "another"})];
    for more in others.clone() {
        post.put("INBOX", mail_of(&post, more, KEY, HOUR), HOUR);
    }
    let report = sent(&post, AMPLE).await;
    assert_eq!(gist(&report), "up", "{}", message(&report));
    assert_eq!(
        ["late_total", "forged_total", "deleted_total"].map(|name| read(&report, name)),
        [0.0, 0.0, 1.0].map(Some)
    );
    assert_eq!(post.mails().len(), others.len());
}

#[tokio::test]
async fn copies_of_a_late_mail_are_no_late_mails() {
    let post = Post::open(Rules::inbox(str::to_owned)).await;
    let net = crate::testkit::net();
    let mail = mail_of_the_check(&post, KEY, HOUR);
    let mut counted = Vec::new();
    // Two at once, one more in the next run, and another in the run after that.
    for copies in [2, 1, 0, 1] {
        (0..copies).for_each(|_| post.put("INBOX", mail.clone(), Duration::ZERO));
        let report = ask_in(&net, "mail", settings(post.imap, json!({})), &post.smtp.to_string(), AMPLE).await;
        assert_eq!(gist(&report), "up", "{}", message(&report));
        counted.push(["late_total", "duplicate_total"].map(|name| read(&report, name).expect("a count")));
    }
    assert_eq!(counted, [[1.0, 1.0], [0.0, 1.0], [0.0, 0.0], [0.0, 1.0]]);
    assert_eq!(post.mails().len(), 0);
}

#[tokio::test]
async fn forged_mails_are_counted_and_swept_in_the_end() {
    let post = Post::open(Rules::inbox(str::to_owned)).await;
    post.put("INBOX", mail_of_the_check(&post, "another key", HOUR), Duration::ZERO);
    post.put("INBOX", mail_of_the_check(&post, "another key", HOUR), HOUR);
    let report = sent_with(&post, json!({"sweep_after": "30m"}), AMPLE).await;
    assert_eq!(gist(&report), "up", "{}", message(&report));
    assert_eq!((read(&report, "forged_total"), read(&report, "late_total")), (Some(2.0), Some(0.0)));
    assert_eq!(post.mails().len(), 1);
    let report = sent_with(&post, json!({"token_key": null}), AMPLE).await;
    assert_eq!((read(&report, "forged_total"), read(&report, "unknown_total")), (None, Some(1.0)));
}

#[tokio::test]
async fn a_forged_mail_that_lies_there_is_counted_by_one_run() {
    let post = Post::open(Rules::inbox(str::to_owned)).await;
    let net = crate::testkit::net();
    let forged = async |again: bool| {
        if again {
            post.put("INBOX", mail_of_the_check(&post, "another key", HOUR), Duration::ZERO);
        }
        let report = ask_in(&net, "mail", settings(post.imap, json!({})), &post.smtp.to_string(), AMPLE).await;
        assert_eq!(gist(&report), "up", "{}", message(&report));
        read(&report, "forged_total")
    };
    let mut counted = Vec::new();
    for again in [true, false, true, true, false] {
        counted.push(forged(again).await);
    }
    assert_eq!(counted, [1.0, 0.0, 1.0, 1.0, 0.0].map(Some));
    assert_eq!(post.mails().len(), 3);
}

#[tokio::test]
async fn a_forged_mail_is_no_arrival() {
    let post = Post::open(Rules::routed(|text| {
        let changed = text.replace("Message-ID: <t1", "Message-ID: <t10");
        vec![(
            "INBOX",
            changed.replace("Subject: t1", "Subject: t10").replace("Token: t1", "Token: t10"),
            Duration::ZERO,
        )]
    }))
    .await;
    let report = sent(&post, SHORT).await;
    assert_eq!(gist(&report), "mail_missing in transit");
}

#[tokio::test]
async fn a_mail_whose_headers_were_all_written_anew_is_found_by_its_body() {
    let post = Post::open(Rules::inbox(|text| {
        let (_, body) = text.split_once("\r\n\r\n").expect("a body");
        format!("From: gateway@x.example\r\nSubject: checked\r\nMessage-ID: <1@x.example>\r\n\r\n{body}")
    }))
    .await;
    let report = sent(&post, AMPLE).await;
    assert_eq!(gist(&report), "up", "{}", message(&report));
    for (place, expected) in [("message_id", 0.0), ("header", 0.0), ("subject", 0.0), ("body", 1.0)] {
        assert_eq!(labelled(&report, "token_present", place), Some(expected), "{place}");
    }
    assert_eq!((read(&report, "body_intact"), post.mails().len()), (Some(1.0), 0));
    // What merely quotes it has not arrived.
    let post = Post::open(Rules::inbox(|text| {
        let (_, body) = text.split_once("\r\n\r\n").expect("a body");
        format!("From: mailer-daemon@x.example\r\nSubject: failure notice\r\n\r\nSorry.\r\n{body}")
    }))
    .await;
    let report = sent(&post, SHORT).await;
    assert_eq!(gist(&report), "mail_missing in transit", "{}", message(&report));
}

#[tokio::test]
async fn a_notice_of_non_delivery_ends_the_wait() {
    let post = Post::open(Rules::inbox(|text| notice(text, "failed"))).await;
    let report = sent(&post, AMPLE).await;
    assert_eq!(gist(&report).split(' ').next(), Some("bounced"), "{}", message(&report));
    assert!(message(&report).contains("5.2.2"), "{}", message(&report));
    assert_eq!((read(&report, "returned"), read(&report, "arrived")), (Some(1.0), Some(0.0)));
    assert_eq!(labelled(&report, "bounce_status_info", "5.2.2"), Some(1.0));
    assert_eq!((labelled(&report, "bounced_total", "5"), read(&report, "lost_total")), (Some(1.0), Some(0.0)));
    assert_eq!(post.mails(), []);
}

#[tokio::test]
async fn notices_of_other_mails_change_nothing() {
    let post = Post::open(Rules::inbox(str::to_owned)).await;
    post.put("INBOX", notice(&mail_of_the_check(&post, KEY, HOUR), "failed"), HOUR);
    post.put("INBOX", notice("Subject: somebody else's", "failed"), HOUR);
    let report = sent(&post, AMPLE).await;
    assert_eq!(gist(&report), "up", "{}", message(&report));
    assert_eq!((labelled(&report, "bounced_total", "5"), read(&report, "returned")), (Some(1.0), Some(0.0)));
    assert_eq!(post.mails().len(), 1);
}

#[tokio::test]
async fn a_mail_that_was_delayed_is_waited_for() {
    let post = Post::open(Rules::routed(|text| {
        vec![("INBOX", notice(text, "delayed"), Duration::ZERO), ("INBOX", text.to_owned(), Duration::from_millis(300))]
    }))
    .await;
    let report = sent(&post, AMPLE).await;
    assert_eq!(gist(&report), "up", "{}", message(&report));
    assert_eq!(read(&report, "delay_notices_total"), Some(1.0));
}

#[tokio::test]
async fn what_was_changed_on_the_way_is_told() {
    let post =
        Post::open(Rules::inbox(|text| text.replace("Subject: ", "Subject: [external] ") + "-- \r\nad\r\n")).await;
    let report = sent(&post, AMPLE).await;
    assert_eq!((gist(&report).as_str(), read(&report, "body_intact")), ("up", Some(0.0)));
    assert_eq!(labelled(&report, "header_intact", "subject"), Some(0.0));
    assert_eq!(labelled(&report, "header_intact", "from"), Some(1.0));
    let report = sent_with(&post, json!({"fail_if_altered": true}), AMPLE).await;
    assert!(gist(&report).starts_with("mail_altered"));
    assert_eq!(message(&report), "changed on the way: Subject, body");
    let report =
        sent_with(&post, json!({"trusted_authserv_ids": ["x"], "require_authentication": ["dkim"]}), AMPLE).await;
    assert!(gist(&report).starts_with("mail_unauthenticated"));
}

#[tokio::test]
async fn what_filters_must_stop_may_not_arrive() {
    let refusing = Rules { reply: "550 5.7.1 spam", ..Rules::routed(|_| Vec::new()) };
    let junk = Rules::routed(|text| vec![("Unwanted", text.to_owned(), Duration::ZERO)]);
    let lost = Rules::routed(|_| Vec::new());
    let inbox = Rules::inbox(str::to_owned);
    for (rules, test, timeout, expected) in [
        (refusing, "gtube", AMPLE, "up"),
        (junk, "eicar", AMPLE, "up"),
        (lost, "gtube", SHORT, "up"),
        (inbox, "eicar", AMPLE, "mail_unfiltered"),
    ] {
        let post = Post::open(rules).await;
        let report = sent_with(&post, json!({"content": test}), timeout).await;
        assert_eq!(gist(&report).split(' ').next(), Some(expected), "{}", message(&report));
        assert_eq!(labelled(&report, "content_test_ok", test), Some(f64::from(u8::from(expected == "up"))));
    }
}

#[tokio::test]
async fn a_refused_mail_is_a_failure_of_handing_in() {
    for (reply, expected) in [
        ("550 5.7.1 no", "rejected in data"),
        ("452 4.3.1 full", "rejected_temporarily in data"),
        ("nonsense", "protocol_error in data"),
    ] {
        let post = Post::open(Rules { reply, ..Rules::inbox(str::to_owned) }).await;
        let report = sent(&post, AMPLE).await;
        assert_eq!((gist(&report).as_str(), step(&report)), (expected, "submit"));
        assert_eq!((read(&report, "submitted"), read(&report, "arrived")), (Some(0.0), None));
        let (reason, phase) = expected.split_once(" in ").expect("a reason and a phase");
        assert_eq!(send_failures(&report), [format!("{phase} {reason} 1")]);
        assert_eq!(post.heard(""), 0, "nobody looks for what was not sent");
    }
    let nobody = Peer::closed_port().await;
    let report = ask("mail", settings(nobody, json!({})), &nobody.to_string(), AMPLE).await;
    assert_eq!((gist(&report).as_str(), step(&report)), ("connect_refused in connect", "submit"));
    assert_eq!(send_failures(&report), ["connect connect_refused 1"]);
    let unfiltered = Post::open(Rules { reply: "550 5.7.1 spam", ..Rules::routed(|_| Vec::new()) }).await;
    let report = sent_with(&unfiltered, json!({"content": "gtube"}), AMPLE).await;
    assert_eq!(send_failures(&report), Vec::<String>::new(), "it had to be refused");
}

/// Phase, reason and number of mails that were not taken.
fn send_failures(report: &Report) -> Vec<String> {
    let failures = report.readings.iter().filter(|reading| reading.measure.name == "probe_mail_send_failures_total");
    let line = |reading: &crate::measure::Reading| {
        let labels: Vec<&str> = reading.labels.iter().map(|label| &*label.value).collect();
        format!("{} {}", labels.join(" "), reading.value)
    };
    failures.map(line).collect()
}

#[tokio::test]
async fn a_server_that_falls_silent_is_left_while_time_is_left() {
    let until_data = || {
        ["EHLO", "MAIL", "RCPT"].into_iter().fold(vec![say("220 x\r\n")], |mut script, heard| {
            script.extend([hear(heard), say("250 ok\r\n")]);
            script
        })
    };
    for (phase, script) in [
        ("greeting", vec![wait_for_ever()]),
        ("data", [until_data(), vec![wait_for_ever()]].concat()),
        ("data", [until_data(), vec![hear("DATA"), say("354 go\r\n"), wait_for_ever()]].concat()),
        ("greeting", vec![trickle("220 a post office that takes its time to say so", Duration::from_millis(100))]),
    ] {
        let peer = Peer::play(script).await;
        let report = ask("mail", settings(peer.address(), json!({})), &peer.address().to_string(), SHORT).await;
        assert_laps_cover_the_run(&report);
        assert_eq!(gist(&report), format!("timeout in {phase}"));
        assert!(report.duration < SHORT, "{:?}", report.duration);
    }
}

/// A store's dialogue up to the first search.
fn store_until(last: usize, act: Act) -> Vec<Act> {
    let stages: [(&str, &str); 8] = [
        ("", "* OK ready\r\n"),
        ("a1 CAPABILITY\r\n", "* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN\r\na1 OK done\r\n"),
        ("a2 AUTHENTICATE PLAIN", "a2 OK in\r\n"),
        ("a3 CAPABILITY\r\n", "* CAPABILITY IMAP4rev1 IDLE\r\na3 OK done\r\n"),
        ("a4 LIST", "a4 OK done\r\n"),
        ("a5 SELECT", "a5 NO none\r\n"),
        ("a6 SELECT", "a6 NO none\r\n"),
        ("a7 SELECT", "a7 OK in\r\n"),
    ];
    let mut script = Vec::new();
    for (heard, said) in &stages[..last] {
        script.extend([hear(*heard), say(*said)]);
    }
    if let Some((heard, _)) = stages.get(last) {
        script.push(hear(*heard));
    } else {
        script.push(hear("a8 UID SEARCH"));
    }
    script.push(act);
    script
}

#[tokio::test]
async fn a_store_that_cannot_be_looked_into_tells_nothing_about_the_mail() {
    let post = Post::open(Rules::inbox(str::to_owned)).await;
    let report = ask("mail", settings(Peer::closed_port().await, json!({})), &post.smtp.to_string(), SHORT).await;
    assert_eq!((gist(&report).as_str(), step(&report)), ("mail_unseen in connect", "fetch"));
    assert_eq!(report.verdict(), Verdict::Unknown);
    assert_eq!((read(&report, "submitted"), read(&report, "arrived")), (Some(1.0), None));
    for (phase, last, act, timeout) in [
        ("greeting", 0, wait_for_ever(), SHORT),
        ("greeting", 0, say("220 smtp\r\n"), AMPLE),
        ("capability", 1, close(), SHORT),
        ("login", 2, say("a2 NO [AUTHENTICATIONFAILED] no\r\n"), AMPLE),
        ("login", 2, wait_for_ever(), SHORT),
        ("select", 4, wait_for_ever(), SHORT),
        ("select", 4, say("* LIST (\\Junk) \"/\" {4294967296}\r\n"), AMPLE),
        ("transit", 7, say("a7 NO [UNAVAILABLE] later\r\n"), SHORT),
        ("transit", 8, wait_for_ever(), SHORT),
        ("transit", 8, say("* SEARCH {4294967296}\r\n"), AMPLE),
        ("transit", 8, say("* SEARCH\r\na8 OK done\r\n* BYE down\r\n"), SHORT),
    ] {
        let store = Peer::play(store_until(last, act)).await;
        let report = ask("mail", settings(store.address(), json!({})), &post.smtp.to_string(), timeout).await;
        assert_laps_cover_the_run(&report);
        assert_eq!(gist(&report), format!("mail_unseen in {phase}"), "{last}: {}", message(&report));
        assert_eq!(report.verdict(), Verdict::Unknown);
        assert!(report.duration < timeout, "{:?}", report.duration);
    }
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_sends_no_mail() {
    let post = Post::open(Rules::inbox(str::to_owned)).await;
    let report = sent_with(&post, json!({"token_key": "${file:/nonexistent/key}"}), AMPLE).await;
    assert!(gist(&report).starts_with("config_unusable"), "{}", gist(&report));
    assert_eq!(post.mails(), []);
}
