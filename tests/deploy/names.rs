//! The names that rules and dashboard use are names that tuermer exports.

use std::collections::BTreeSet;

use serde_json::Value;
use tuermer_probes::{KINDS, Measure, Reason, Shape, kind, net};

use crate::prometheus::{rules, tests_text};
use crate::{agent, grafana};

#[test]
fn every_metric_that_is_asked_for_exists() {
    let known = known();
    for expression in expressions() {
        for name in words(&expression).filter(|word| is_metric(word)) {
            assert!(known.contains(name), "{name} is no metric of tuermer: {expression}");
        }
    }
}

#[test]
fn every_phase_that_is_asked_for_exists() {
    let mut count = 0;
    for expression in expressions() {
        for (name, rest) in expression.match_indices("probe_").map(|(at, _)| split_word(&expression[at..])) {
            let family = name.strip_prefix("probe_").and_then(|name| name.strip_suffix("_duration_seconds"));
            let Some(kind) = family.and_then(kind) else { continue };
            let Some(labels) = rest.strip_prefix('{').and_then(|rest| rest.split('}').next()) else { continue };
            let Some((_, phases)) = labels.split_once("phase=").filter(|(before, _)| !before.ends_with(['_', '!']))
            else {
                continue;
            };
            for phase in phases.trim_start_matches(['~', '"']).split('"').next().unwrap_or_default().split('|') {
                count += 1;
                let exists = kind.phases.iter().any(|declared| declared.name() == phase);
                assert!(exists, "{} has no phase {phase}: {expression}", kind.name);
            }
        }
    }
    assert!(count > 20, "only {count} phases found");
}

#[test]
fn every_kind_has_its_place_on_a_dashboard() {
    let expressions = expressions().concat();
    for kind in KINDS {
        assert!(expressions.contains(&format!("probe_{}_duration_seconds{{", kind.name)), "{} is missing", kind.name);
    }
}

#[test]
fn every_reason_in_the_rules_tests_exists() {
    let tests = tests_text();
    let mut count = 0;
    for (_, rest) in tests.match_indices("reason=\"").map(|(at, found)| tests.split_at(at + found.len())) {
        let reason = rest.split('"').next().unwrap_or_default();
        count += 1;
        assert!(Reason::ALL.iter().any(|known| known.name() == reason), "{reason} is no reason");
    }
    assert!(count > 4);
}

/// Every expression of rules and dashboard.
fn expressions() -> Vec<String> {
    let text = |rule: &Value| rule["expr"].as_str().expect("expr").to_owned();
    rules().iter().map(text).chain(grafana::expressions()).collect()
}

fn is_metric(word: &str) -> bool {
    ["probe_", "tuermer_", "process_"].iter().any(|prefix| word.starts_with(prefix)) || word.contains(':')
}

/// The word that a text begins with, and the rest.
fn split_word(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !"_:".contains(c)).unwrap_or(text.len());
    text.split_at(end)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && !"_:".contains(c)).filter(|word| !word.is_empty())
}

/// Every metric there is: what the kinds declare, what the rules record, what a running agent exports.
pub(crate) fn known() -> BTreeSet<String> {
    let measures = net::MEASURES.iter().copied().chain(KINDS.iter().map(|kind| kind.measures));
    let series = |measure: &Measure| match measure.shape {
        Shape::Distribution(_) => ["bucket", "sum", "count"].map(|part| format!("{}_{part}", measure.name)).to_vec(),
        Shape::Level | Shape::Count | Shape::Total | Shape::Lasting => vec![measure.name.to_owned()],
    };
    let mut known: BTreeSet<String> = measures.flatten().flat_map(|measure| series(measure)).collect();
    known.extend(KINDS.iter().map(|kind| format!("probe_{}_duration_seconds", kind.name)));
    known.extend(rules().iter().filter_map(|rule| rule["record"].as_str().map(str::to_owned)));
    known.extend(agent::names());
    known
}
