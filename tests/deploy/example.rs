//! The example configuration loads, and shows everything.

use std::collections::BTreeSet;

use tuermer::config;
use tuermer_probes::KINDS;

use crate::support::project_file;

#[test]
fn the_example_shows_every_kind_as_module_and_as_check() {
    let loaded = config::load(&project_file("deploy/tuermer.yml")).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(loaded.warnings, Vec::<String>::new());
    let modules: BTreeSet<&str> =
        loaded.plan.modules.values().filter_map(|named| Some(named.module.as_ref()?.kind().name)).collect();
    let checks: BTreeSet<&str> =
        loaded.plan.checks.iter().filter_map(|check| Some(check.module.module.as_ref()?.kind().name)).collect();
    let kinds: BTreeSet<&str> = KINDS.iter().map(|kind| kind.name).collect();
    assert_eq!(modules, kinds, "modules");
    assert_eq!(checks, kinds, "checks");
}

/// Settings that the example leaves out.
const NOT_SHOWN: [(&str, &[&str]); 1] = [
    // Other words for what the example says with `authorization`, `follow_redirects` and `proxy_url`.
    ("http", &["bearer_token", "bearer_token_file", "no_follow_redirects", "proxy_from_environment"]),
];

#[test]
fn the_example_shows_every_setting() {
    let example = crate::yaml("deploy/tuermer.yml");
    let modules = example["modules"].as_object().expect("modules");
    for kind in KINDS {
        let schema = kind.schema();
        let settings = schema.as_value()["properties"].as_object().expect("settings").keys().map(String::as_str);
        let shown: BTreeSet<&str> = modules
            .values()
            .filter(|module| module["prober"] == kind.name)
            .filter_map(|module| module[kind.name].as_object())
            .flat_map(|settings| settings.keys().map(String::as_str))
            .chain(NOT_SHOWN.iter().filter(|(name, _)| *name == kind.name).flat_map(|(_, keys)| keys.iter().copied()))
            .collect();
        let missing: Vec<&str> = settings.filter(|key| !shown.contains(key)).collect();
        assert_eq!(missing, Vec::<&str>::new(), "not shown of {}", kind.name);
    }
}

#[test]
fn every_module_of_the_example_is_used() {
    let plan = config::load(&project_file("deploy/tuermer.yml")).expect("the example").plan;
    let used: BTreeSet<&str> = plan.checks.iter().map(|check| &*check.module.name).collect();
    assert_eq!(used, plan.modules.keys().map(|name| &**name).collect());
}

#[test]
fn the_job_for_blackbox_exporters_way_asks_for_modules_that_exist() {
    let plan = config::load(&project_file("deploy/tuermer.yml")).expect("the example").plan;
    let scrapes = crate::yaml("deploy/prometheus/prometheus.yml");
    let module = scrapes.pointer("/scrape_configs/1/static_configs/0/labels/__param_module");
    assert!(plan.modules.contains_key(module.and_then(serde_json::Value::as_str).expect("module")));
}
