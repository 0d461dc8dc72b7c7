//! Lists as zones of a name server on loopback.

use std::time::Duration;

use hickory_proto::op::ResponseCode;
use serde_json::{Value, json};

use crate::report::{Report, Verdict};
use crate::testkit::{Data, Responder, ask_in, assert_laps_cover_the_run, gist, net_with_resolver, zone};

/// Ample: a test that needs it has failed.
const AMPLE: Duration = Duration::from_secs(20);

const CODE: Data = Data::A([127, 0, 0, 4]);
const TESTED: Data = Data::A([127, 0, 0, 2]);

/// `list.test` passes its test and names 192.0.2.99.
fn records() -> Vec<(&'static str, Data)> {
    vec![("2.0.0.127.list.test.", TESTED), ("99.2.0.192.list.test.", CODE)]
}

async fn asked_with(
    records: Vec<(&'static str, Data)>,
    settings: Value,
    target: &str,
    timeout: Duration,
) -> (Report, Responder) {
    let server = zone(records).await;
    let report = ask_in(&net_with_resolver(server.address()), "dnsbl", settings, target, timeout).await;
    assert_laps_cover_the_run(&report);
    (report, server)
}

async fn asked(records: Vec<(&'static str, Data)>, settings: Value, target: &str) -> Report {
    asked_with(records, settings, target, AMPLE).await.0
}

/// The readings that begin with `probe_dnsbl_`, one a line.
fn readings(report: &Report) -> Vec<String> {
    let line = |reading: &crate::Reading| {
        let step = reading.step.as_deref().map(|step| format!(" {step}")).unwrap_or_default();
        let labels: String = reading.labels.iter().map(|label| format!(" {}", label.value)).collect();
        format!("{}{step}{labels} = {}", reading.measure.name.trim_start_matches("probe_dnsbl_"), reading.value)
    };
    report.readings.iter().filter(|reading| reading.measure.name.starts_with("probe_dnsbl_")).map(line).collect()
}

fn message(report: &Report) -> &str {
    report.failure().map_or("", |failure| failure.message())
}

#[tokio::test]
async fn an_address_that_is_not_listed_passes() {
    let report = asked(records(), json!({"address_lists": ["list.test"]}), "192.0.2.7").await;
    assert_eq!(gist(&report), "up", "{}", message(&report));
    let expected = [
        "lists = 1",
        "lists_usable = 1",
        "listings = 0",
        "zone_ok list.test = 1",
        "refused list.test = 0",
        "listed list.test 192.0.2.7 = 0",
    ];
    assert_eq!(readings(&report), expected);
}

#[tokio::test]
async fn an_address_that_is_listed_fails_with_the_code() {
    let report = asked(records(), json!({"address_lists": ["list.test"]}), "192.0.2.99").await;
    assert_eq!(gist(&report), "listed in query");
    assert_eq!(message(&report), "list.test names 192.0.2.99 with 127.0.0.4");
    assert_eq!(report.failed_at().and_then(|(step, _)| step), Some("list.test"));
    let readings = readings(&report);
    assert!(readings.contains(&"listed list.test 192.0.2.99 = 1".to_owned()), "{readings:?}");
    assert!(readings.contains(&"code_info list.test 192.0.2.99 127.0.0.4 = 1".to_owned()), "{readings:?}");
    assert!(readings.contains(&"listings = 1".to_owned()), "{readings:?}");
}

#[tokio::test]
async fn a_code_that_is_ignored_is_no_entry() {
    let settings = json!({"address_lists": ["list.test"], "ignored_codes": ["127.0.0.4"]});
    let report = asked(records(), settings, "192.0.2.99").await;
    assert_eq!(gist(&report), "up", "{}", message(&report));
    assert!(readings(&report).contains(&"code_info list.test 192.0.2.99 127.0.0.4 = 1".to_owned()));
}

#[tokio::test]
async fn every_address_of_a_host_is_asked_about() {
    let mut records = records();
    records.extend([
        ("mx.example.org.", Data::A([192, 0, 2, 7])),
        ("mx.example.org.", Data::A([192, 0, 2, 99])),
        ("mx.example.org.", Data::Aaaa([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1])),
    ]);
    let report = asked(records, json!({"address_lists": ["list.test"]}), "mx.example.org").await;
    assert_eq!(gist(&report), "listed in query");
    let readings = readings(&report);
    for expected in ["192.0.2.7 = 0", "192.0.2.99 = 1", "2001:db8::1 = 0"] {
        assert!(readings.contains(&format!("listed list.test {expected}")), "{expected} in {readings:?}");
    }
}

#[tokio::test]
async fn a_domain_is_asked_about_by_its_name() {
    let records = || vec![("TEST.names.test.", TESTED), ("bad.example.names.test.", CODE)];
    let settings = json!({"domain_lists": ["names.test"]});
    let report = asked(records(), settings.clone(), "bad.example").await;
    assert_eq!(gist(&report), "listed in query");
    let report = asked(records(), settings, "good.example").await;
    assert_eq!(gist(&report), "up", "{}", message(&report));
}

#[tokio::test]
async fn a_list_that_refuses_the_resolver_says_nothing_about_the_address() {
    let refusing = [
        vec![("2.0.0.127.list.test.", Data::A([127, 255, 255, 254]))],
        vec![("2.0.0.127.list.test.", Data::Code(ResponseCode::Refused))],
    ];
    for records in refusing {
        let report = asked(records, json!({"address_lists": ["list.test"]}), "192.0.2.99").await;
        assert_eq!(gist(&report), "list_unusable in self_test");
        assert_eq!(report.verdict(), Verdict::Unknown);
        let expected =
            ["lists = 1", "lists_usable = 0", "listings = 0", "zone_ok list.test = 0", "refused list.test = 1"];
        assert_eq!(readings(&report), expected);
    }
}

#[tokio::test]
async fn a_list_that_fails_its_test_is_not_believed() {
    let dead = vec![("99.2.0.192.list.test.", CODE)];
    let report = asked(dead.clone(), json!({"address_lists": ["list.test"]}), "192.0.2.99").await;
    assert_eq!(gist(&report), "list_unusable in self_test");
    assert_eq!(message(&report), "it lacks 2.0.0.127, which every list has: it is empty or gone");
    let report = asked(dead, json!({"address_lists": ["list.test"], "self_test": false}), "192.0.2.99").await;
    assert_eq!(gist(&report), "listed in query");

    let mut world = records();
    world.push(("1.0.0.127.list.test.", CODE));
    let report = asked(world, json!({"address_lists": ["list.test"]}), "192.0.2.99").await;
    assert_eq!(gist(&report), "list_unusable in self_test");
    assert_eq!(message(&report), "it names 1.0.0.127, which no list has: it names everybody");
    assert_eq!(report.verdict(), Verdict::Unknown);
}

#[tokio::test]
async fn a_zone_that_was_sold_is_no_list() {
    let records = vec![("2.0.0.127.list.test.", Data::A([203, 0, 113, 7]))];
    let report = asked(records, json!({"address_lists": ["list.test"]}), "192.0.2.99").await;
    assert_eq!(gist(&report), "list_unusable in self_test");
    assert_eq!(message(&report), "it answers 203.0.113.7, which is no code of a list");
}

#[tokio::test]
async fn one_list_that_is_silent_leaves_time_and_verdict_to_the_others() {
    let mut records = records();
    records.push(("2.0.0.127.silent.test.", Data::Silence));
    let settings = json!({"address_lists": ["silent.test", "list.test"]});
    let (report, _server) = asked_with(records, settings, "192.0.2.7", Duration::from_secs(3)).await;
    assert_eq!(gist(&report), "up", "{}", message(&report));
    assert_eq!(report.reading_named("probe_dnsbl_lists_usable"), Some(1.0));
    let cut: Vec<_> =
        report.laps.iter().filter(|lap| lap.cut).map(|lap| (lap.step.as_deref(), lap.phase.name())).collect();
    assert_eq!(cut, [(Some("silent.test"), "self_test")]);
}

#[tokio::test]
async fn where_every_list_is_silent_nothing_is_known() {
    let records = vec![("2.0.0.127.list.test.", Data::Silence)];
    let settings = json!({"address_lists": ["list.test"]});
    let (report, _server) = asked_with(records, settings, "192.0.2.7", Duration::from_millis(400)).await;
    assert_eq!(gist(&report), "list_unusable in self_test");
    assert_eq!(report.verdict(), Verdict::Unknown);
}

#[tokio::test]
async fn a_host_without_an_address_cannot_be_asked_about() {
    let report = asked(records(), json!({"address_lists": ["list.test"]}), "gone.example.org").await;
    assert_eq!(gist(&report), "dns_nxdomain in resolve");
}

#[tokio::test]
async fn names_too_long_for_a_list_are_not_asked() {
    let long = format!("{0}.{0}.{0}.{1}", "a".repeat(60), "b".repeat(50));
    let records = vec![("TEST.names.test.", TESTED)];
    let (report, server) = asked_with(records, json!({"domain_lists": ["names.test"]}), &long, AMPLE).await;
    assert_eq!(gist(&report), "up", "{}", message(&report));
    let longer = format!("{long}.{}", "c".repeat(15));
    let records = vec![("TEST.names.test.", TESTED)];
    let (report, second) = asked_with(records, json!({"domain_lists": ["names.test"]}), &longer, AMPLE).await;
    assert_eq!(gist(&report), "list_unusable in query");
    assert_eq!((server.heard().len(), second.heard().len()), (3, 2));
}

#[test]
fn settings_and_targets_that_make_no_sense_are_refused() {
    let kind = crate::kind("dnsbl").expect("the kind");
    let refused = |settings: Value| kind.module(settings).expect_err("settings").to_string();
    assert_eq!(refused(json!({})), "no list is named: write `address_lists`, `domain_lists` or both");
    assert_eq!(refused(json!({"address_lists": vec!["list.test"; 33]})), "33 lists, at most 32 are allowed");
    assert_eq!(refused(json!({"address_lists": ["list test"]})), "\"list test\" is no host name");
    let module = kind.module(json!({"domain_lists": ["list.test"]})).expect("settings");
    let invalid = |text: &str| module.bind(&crate::Target::new(text)).expect_err("a target").to_string();
    assert_eq!(invalid("192.0.2.1"), "\"192.0.2.1\" is an address, which no list of domains knows");
    assert_eq!(invalid("http://example.org"), "\"http://example.org\" is no host name");
}
