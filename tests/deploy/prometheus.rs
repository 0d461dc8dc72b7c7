//! Prometheus' configuration and rules, read and run by promtool.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::support::{output, program, project_file};
use crate::yaml;

/// The files of rules that Prometheus reads; each has its tests beside it.
const FILES: [&str; 2] = ["rules", "rules_mail"];

#[test]
fn promtool_accepts_the_configuration_and_the_rules() {
    let Some(promtool) = program(&["promtool"]) else { return };
    let directory = project_file("deploy/prometheus");
    output(Command::new(&promtool).args(["check", "config", "prometheus.yml"]).current_dir(&directory));
    let files = FILES.map(|file| format!("{file}.yml"));
    let lint = ["check", "rules", "--lint=all", "--lint-fatal"];
    output(Command::new(&promtool).args(lint).args(&files).current_dir(&directory));
    let configuration = yaml("deploy/prometheus/prometheus.yml");
    assert_eq!(crate::texts(&configuration, "/rule_files"), files);
}

#[test]
fn alerts_fire_when_they_should_and_only_then() {
    let Some(promtool) = program(&["promtool"]) else { return };
    let directory = project_file("deploy/prometheus");
    let files = FILES.map(|file| format!("{file}_test.yml"));
    output(Command::new(promtool).args(["test", "rules"]).args(files).current_dir(directory));
}

#[test]
fn every_alert_is_seen_to_fire_and_seen_to_be_silent() {
    let alerts = alerts();
    let tests = tests();
    let mut seen = BTreeMap::<&str, usize>::new();
    for test in tests.iter().flat_map(|tests| tests["tests"].as_array().expect("tests")) {
        // What is not among the alerts expected must be silent: a case with more series than alerts shows both.
        let series = test["input_series"].as_array().expect("series").len();
        for case in test["alert_rule_test"].as_array().expect("cases") {
            let fired = case["exp_alerts"].as_array().expect("alerts").len();
            if fired > 0 && fired < series {
                *seen.entry(case["alertname"].as_str().expect("name")).or_default() += fired;
            }
        }
    }
    let seen: BTreeSet<&str> = seen.into_keys().collect();
    assert_eq!(alerts.iter().map(|alert| alert["alert"].as_str().expect("name")).collect::<BTreeSet<_>>(), seen);
}

#[test]
fn every_alert_says_how_grave_it_is_and_what_is_wrong() {
    for alert in alerts() {
        let severity = alert["labels"]["severity"].as_str();
        assert!(matches!(severity, Some("page" | "ticket")), "{alert}");
        assert!(alert["annotations"]["summary"].is_string(), "{alert}");
        assert!(alert["annotations"]["description"].is_string(), "{alert}");
    }
}

#[test]
fn every_alert_about_mail_is_tested_with_the_fate_of_its_check() {
    let tests = yaml("deploy/prometheus/rules_mail_test.yml");
    let cases = tests["tests"].as_array().expect("tests").iter().flat_map(|test| {
        let cases = test["alert_rule_test"].as_array().expect("cases");
        cases.iter().flat_map(|case| case["exp_alerts"].as_array().expect("alerts"))
    });
    for alert in cases {
        assert_eq!(alert["exp_labels"]["fate"], ",mail,", "{alert}");
    }
}

/// Every rule that alerts.
pub(crate) fn alerts() -> Vec<Value> {
    rules().into_iter().filter(|rule| rule["alert"].is_string()).collect()
}

/// The tests of each file of rules.
fn tests() -> [Value; 2] {
    FILES.map(|file| yaml(&format!("deploy/prometheus/{file}_test.yml")))
}

/// What the tests of rules say, as text.
pub(crate) fn tests_text() -> String {
    let path = |file| crate::project_file(&format!("deploy/prometheus/{file}_test.yml"));
    FILES.map(|file| std::fs::read_to_string(path(file)).expect("tests")).concat()
}

/// Every rule: those that record, those that alert.
pub(crate) fn rules() -> Vec<Value> {
    let files = FILES.map(|file| yaml(&format!("deploy/prometheus/{file}.yml")));
    let groups = files.iter().flat_map(|rules| rules["groups"].as_array().expect("groups"));
    groups.flat_map(|group| group["rules"].as_array().expect("rules")).cloned().collect()
}
