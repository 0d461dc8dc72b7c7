use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::report::{Report, Verdict};
use crate::testkit::{Letters, ask_in, assert_laps_cover_the_run, gist, net};

const HOUR: Duration = Duration::from_secs(3600);
const ADDRESS: &str = "backup@tuermer.example.org";

/// An inbox that has been there for two days.
fn letters() -> Arc<Letters> {
    let letters = Letters::for_address(ADDRESS);
    letters.taken_for(48 * HOUR);
    letters
}

async fn look(letters: &Arc<Letters>, settings: Value) -> Report {
    let net = net().with_inbox(Arc::clone(letters) as Arc<dyn crate::inbox::Inbox>);
    let report = ask_in(&net, "arrival", settings, ADDRESS, Duration::from_secs(5)).await;
    assert_laps_cover_the_run(&report);
    report
}

fn reading(report: &Report, name: &str) -> Option<f64> {
    report.readings.iter().find(|reading| reading.measure.name == name).map(|reading| reading.value)
}

#[tokio::test]
async fn a_message_that_arrived_in_time_is_found() {
    let letters = letters();
    letters.arrived_before(30 * HOUR, "", "Subject: Backup done\r\n\r\nold");
    letters.arrived_before(2 * HOUR, "root@db1.example.org", "Subject: Backup done\r\n\r\n0 errors");
    letters.arrived_before(HOUR, "root@db2.example.org", "Subject: something else\r\n\r\n");
    let report =
        look(&letters, json!({"every": "25h", "subject": "^Backup", "from": "@db1\\.", "body": "0 errors"})).await;
    assert_eq!(gist(&report), "up");
    let age = reading(&report, "probe_arrival_age_seconds").unwrap_or_default();
    assert!((7200.0..7300.0).contains(&age), "{age}");
    assert_eq!(reading(&report, "probe_arrival_messages"), Some(2.0));
    assert_eq!(reading(&report, "probe_arrival_every_seconds"), Some(90_000.0));
    assert_eq!(reading(&report, "probe_arrival_last_size_bytes"), Some(32.0));
}

#[tokio::test]
async fn the_sender_may_be_that_of_the_header() {
    let letters = letters();
    letters.arrive("bounces@relay.example", "From: =?utf-8?Q?B=C3=A4cker?= <db1@example.org>\r\n\r\n");
    assert_eq!(gist(&look(&letters, json!({"every": "1h", "from": "Bäcker"})).await), "up");
    assert_eq!(gist(&look(&letters, json!({"every": "1h", "from": "relay"})).await), "up");
    assert_eq!(gist(&look(&letters, json!({"every": "1h", "from": "db2"})).await), "arrival_missing in search");
}

#[tokio::test]
async fn a_message_that_came_too_long_ago_is_missing() {
    let letters = letters();
    letters.arrived_before(30 * HOUR, "", "Subject: Backup done\r\n\r\n");
    let report = look(&letters, json!({"every": "25h"})).await;
    assert_eq!(gist(&report), "arrival_missing in search");
    assert_eq!(report.verdict(), Verdict::Down);
    let message = report.failure().map(|failure| failure.message().to_owned()).unwrap_or_default();
    assert_eq!(message, "the last one arrived 108000s ago, more than 90000s");
    letters.arrive("", "Subject: Backup done\r\n\r\n");
    assert_eq!(gist(&look(&letters, json!({"every": "25h"})).await), "up");
}

#[tokio::test]
async fn the_newest_message_counts_and_what_it_says() {
    let letters = letters();
    letters.arrived_before(2 * HOUR, "", "Subject: Backup\r\n\r\nall well");
    letters.arrived_before(HOUR, "", "Subject: Backup\r\n\r\n3 errors");
    let bad = json!({"every": "25h", "subject": "Backup", "fail_if_body_matches_regexp": ["[1-9] errors"]});
    assert_eq!(gist(&look(&letters, bad.clone()).await), "body_unexpected in search");
    let good = json!({"every": "25h", "subject": "Backup", "fail_if_body_not_matches_regexp": ["all well"]});
    assert_eq!(gist(&look(&letters, good.clone()).await), "body_unexpected in search");
    letters.arrive("", "Subject: Backup\r\n\r\nall well");
    assert_eq!((gist(&look(&letters, bad).await), gist(&look(&letters, good).await)), ("up".into(), "up".into()));
}

#[tokio::test]
async fn who_has_not_looked_for_long_enough_does_not_know() {
    let letters = letters();
    letters.taken_for(HOUR);
    let report = look(&letters, json!({"every": "25h"})).await;
    assert_eq!((gist(&report).as_str(), report.verdict()), ("inbox_unusable in search", Verdict::Unknown));
    assert_eq!(gist(&look(&letters, json!({"every": "59m"})).await), "arrival_missing in search");
    letters.arrive("", "Subject: Backup\r\n\r\n");
    assert_eq!(gist(&look(&letters, json!({"every": "25h"})).await), "up");
}

#[tokio::test]
async fn what_was_thrown_away_may_have_been_it() {
    let letters = letters();
    letters.forgotten(2 * HOUR);
    let report = look(&letters, json!({"every": "25h"})).await;
    assert_eq!((gist(&report).as_str(), report.verdict()), ("inbox_unusable in search", Verdict::Unknown));
    assert_eq!(gist(&look(&letters, json!({"every": "1h"})).await), "arrival_missing in search");
}

#[tokio::test]
async fn without_an_inbox_nothing_is_known() {
    let timeout = Duration::from_secs(5);
    let settings = json!({"every": "25h"});
    let report = ask_in(&net(), "arrival", settings.clone(), ADDRESS, timeout).await;
    assert_eq!((gist(&report).as_str(), report.verdict()), ("inbox_unusable in search", Verdict::Unknown));
    let net = net().with_inbox(letters() as Arc<dyn crate::inbox::Inbox>);
    let report = ask_in(&net, "arrival", settings.clone(), "other@tuermer.example.org", timeout).await;
    assert_eq!((gist(&report).as_str(), report.verdict()), ("inbox_unusable in search", Verdict::Unknown));
    for target in ["", "backup", "@example.org", "a b@example.org", "a@b@", "a@exa mple.org", "a\r\n@example.org"] {
        let report = ask_in(&net, "arrival", settings.clone(), target, timeout).await;
        assert_eq!(gist(&report), "target_invalid in no phase", "{target}");
    }
}

#[test]
fn an_interval_is_needed() {
    let read = |settings: Value| {
        crate::kind("arrival").expect("a kind").module(settings).map(drop).map_err(|error| error.to_string())
    };
    assert!(read(json!({"every": "24h"})).is_ok());
    assert!(
        read(json!({})).is_err() && read(json!({"every": "0s"})).is_err() && read(json!({"every": "9000h"})).is_err()
    );
}
