//! Prometheus' configuration and rules, read and run by promtool.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::support::{output, program, project_file};
use crate::yaml;

#[test]
fn promtool_accepts_the_configuration_and_the_rules() {
    let Some(promtool) = program(&["promtool"]) else { return };
    let directory = project_file("deploy/prometheus");
    output(Command::new(&promtool).args(["check", "config", "prometheus.yml"]).current_dir(&directory));
    let lint = ["check", "rules", "--lint=all", "--lint-fatal", "rules.yml"];
    output(Command::new(&promtool).args(lint).current_dir(&directory));
}

#[test]
fn alerts_fire_when_they_should_and_only_then() {
    let Some(promtool) = program(&["promtool"]) else { return };
    let directory = project_file("deploy/prometheus");
    output(Command::new(promtool).args(["test", "rules", "rules_test.yml"]).current_dir(directory));
}

#[test]
fn every_alert_is_seen_to_fire_and_seen_to_be_silent() {
    let alerts = alerts();
    let tests = yaml("deploy/prometheus/rules_test.yml");
    let mut seen = BTreeMap::<&str, usize>::new();
    for test in tests["tests"].as_array().expect("tests") {
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

/// Every rule that alerts.
fn alerts() -> Vec<Value> {
    rules().into_iter().filter(|rule| rule["alert"].is_string()).collect()
}

/// Every rule: those that record, those that alert.
pub(crate) fn rules() -> Vec<Value> {
    let rules = yaml("deploy/prometheus/rules.yml");
    let groups = rules["groups"].as_array().expect("groups");
    groups.iter().flat_map(|group| group["rules"].as_array().expect("rules")).cloned().collect()
}
