//! Grafana's dashboards: their expressions are read by promtool, their shape is what Grafana loads.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::support::{output, program, project_file};
use crate::yaml;

/// What Grafana puts in the place of its variables, once chosen so that Prometheus can read it.
const VARIABLES: [(&str, &str); 6] = [
    ("$__rate_interval", "5m"),
    ("$__interval", "1m"),
    ("$__range", "1h"),
    ("$agent", "127.0.0.1:9115"),
    ("$check", ".*"),
    ("$target", "a|b"),
];

/// The dashboards: file and identity.
const DASHBOARDS: [(&str, &str); 2] = [("tuermer", "tuermer"), ("mail", "tuermer-mail")];

#[test]
fn promtool_reads_every_expression() {
    let Some(promtool) = program(&["promtool"]) else { return };
    let mut rules = String::from("groups:\n  - name: dashboard\n    rules:\n");
    let expressions = expressions();
    assert!(expressions.len() > 50, "only {} expressions found", expressions.len());
    for (number, expression) in expressions.iter().enumerate() {
        let quoted = serde_json::to_string(&substituted(expression)).expect("JSON, which is YAML");
        writeln!(rules, "      - record: dashboard:expression{number}:value\n        expr: {quoted}").expect("text");
    }
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("dashboard.yml");
    fs::write(&path, rules).expect("rules");
    output(Command::new(promtool).args(["check", "rules", "--lint=all", "--lint-fatal"]).arg(path));
}

#[test]
fn the_dashboards_can_be_installed_anywhere() {
    for (file, uid) in DASHBOARDS {
        let dashboard = dashboard(file);
        assert_eq!(dashboard["uid"], uid);
        assert!(dashboard["schemaVersion"].as_u64().is_some_and(|version| version >= 36), "Grafana 9 or later");
        assert!(dashboard.get("id").is_none(), "an id belongs to one Grafana");
        let variables = dashboard["templating"]["list"].as_array().expect("variables");
        assert_eq!(variables[0]["type"], "datasource");
        for panel in panels(&dashboard).iter().filter(|panel| panel["type"] != "row") {
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
        }
    }
}

#[test]
fn panels_have_distinct_ids_and_do_not_overlap() {
    for (file, _) in DASHBOARDS {
        let dashboard = dashboard(file);
        let ids: Vec<u64> = panels(&dashboard).iter().map(|panel| panel["id"].as_u64().expect("id")).collect();
        assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len());
        no_overlap(dashboard["panels"].as_array().expect("panels"));
        for row in dashboard["panels"].as_array().expect("panels") {
            no_overlap(row["panels"].as_array().map_or(&[], Vec::as_slice));
        }
    }
}

/// A panel whose columns are named after queries that are not there shows bare "Value #X".
#[test]
fn columns_are_those_of_queries_that_exist() {
    for (file, _) in DASHBOARDS {
        let dashboard = dashboard(file);
        for panel in panels(&dashboard) {
            let targets = panel["targets"].as_array().map_or(&[][..], Vec::as_slice);
            let queries: BTreeSet<&str> = targets.iter().filter_map(|target| target["refId"].as_str()).collect();
            assert_eq!(queries.len(), targets.len(), "{}: two queries of one name", panel["title"]);
            for transformation in panel["transformations"].as_array().into_iter().flatten() {
                let renamed = transformation["options"]["renameByName"].as_object();
                for query in renamed.into_iter().flatten().filter_map(|(name, _)| name.strip_prefix("Value #")) {
                    assert!(queries.contains(query), "{}: no query {query}", panel["title"]);
                }
            }
        }
    }
}

#[test]
fn links_between_the_dashboards_lead_somewhere() {
    let mut links = 0;
    for (file, _) in DASHBOARDS {
        let text = dashboard(file).to_string();
        for (_, rest) in text.match_indices("/d/").map(|(at, found)| text.split_at(at + found.len())) {
            let uid = rest.split(['?', '"', '/']).next().unwrap_or_default();
            assert!(DASHBOARDS.iter().any(|(_, known)| *known == uid), "{file} leads to {uid}");
            links += 1;
        }
    }
    assert!(links >= 2);
}

#[test]
fn provisioning_finds_the_dashboards_and_the_data_source() {
    let files = fs::read_dir(project_file("deploy/grafana/dashboards")).expect("dashboards");
    let files: BTreeSet<String> =
        files.map(|file| file.expect("a file").file_name().into_string().expect("a name")).collect();
    assert_eq!(files, DASHBOARDS.iter().map(|(file, _)| format!("{file}.json")).collect());
    let providers = yaml("deploy/grafana/provisioning/dashboards/tuermer.yml");
    let folder = providers["providers"][0]["options"]["path"].as_str().expect("path");
    let compose = fs::read_to_string(project_file("deploy/compose.yml")).expect("compose.yml");
    assert!(compose.contains(&format!("- ./grafana/dashboards:{folder}:ro")));
    let sources = yaml("deploy/grafana/provisioning/datasources/prometheus.yml");
    assert_eq!(sources["datasources"][0]["type"], "prometheus");
    assert_eq!(sources["datasources"][0]["isDefault"], true);
}

fn dashboard(file: &str) -> Value {
    let text = fs::read_to_string(project_file(&format!("deploy/grafana/dashboards/{file}.json"))).expect("dashboard");
    serde_json::from_str(&text).expect("JSON")
}

/// All panels: rows, and what rows hold.
fn panels(dashboard: &Value) -> Vec<&Value> {
    let outer = dashboard["panels"].as_array().expect("panels").iter();
    outer.flat_map(|panel| panel["panels"].as_array().into_iter().flatten().chain([panel])).collect()
}

/// Every expression of every panel of every dashboard.
pub(crate) fn expressions() -> Vec<String> {
    let dashboards = DASHBOARDS.map(|(file, _)| dashboard(file));
    let targets = dashboards.iter().flat_map(panels).filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| target["expr"].as_str().expect("expr").to_owned()).collect()
}

fn substituted(expression: &str) -> String {
    let expression =
        VARIABLES.iter().fold(expression.to_owned(), |text, (variable, value)| text.replace(variable, value));
    assert!(!expression.contains('$'), "a variable is left in {expression}");
    expression
}

fn no_overlap(panels: &[Value]) {
    let place = |panel: &Value| ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().expect(side));
    for (index, panel) in panels.iter().enumerate() {
        let [x, y, w, h] = place(panel);
        assert!(x + w <= 24, "{} is too wide", panel["title"]);
        for other in &panels[..index] {
            let [ox, oy, ow, oh] = place(other);
            let apart = x + w <= ox || ox + ow <= x || y + h <= oy || oy + oh <= y;
            assert!(apart, "{} lies on {}", panel["title"], other["title"]);
        }
    }
}
