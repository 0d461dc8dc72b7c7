//! What `deploy/` holds is loaded, checked and tried by the programs that it is written for.

#[path = "../support/mod.rs"]
mod support;

mod agent;
mod alertmanager;
mod compose;
mod example;
mod grafana;
mod misfortunes;
mod names;
mod prometheus;
mod server;
mod service;
mod web;

use std::fs;

use serde_json::Value;

use support::project_file;

/// A YAML file of the project.
fn yaml(path: &str) -> Value {
    let text = fs::read_to_string(project_file(path)).expect(path);
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The texts of a list at this place in a file.
fn texts<'a>(value: &'a Value, pointer: &str) -> Vec<&'a str> {
    let list = value.pointer(pointer).and_then(Value::as_array).unwrap_or_else(|| panic!("{pointer} is no list"));
    list.iter().map(|item| item.as_str().unwrap_or_else(|| panic!("{pointer} holds {item}"))).collect()
}
