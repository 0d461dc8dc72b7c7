//! The part of the front page about probes on demand: examples of how to ask, and the last that were asked for.

use std::time::SystemTime;

use tuermer_probes::{Failure, Verdict, hide_password};
use url::form_urlencoded::Serializer;

use crate::agent::Agent;
use crate::history::Past;
use crate::web::pages::{chart, words};

/// Most probes on the page. Chosen: twice the default limit of the history, which is all of it.
const ROWS_MAX: usize = 200;
/// The module of the example, if there is one of this name: the one that is asked for when none is named.
const EXAMPLE_MODULE: &str = "http_2xx";

/// A probe on the page.
pub(super) struct Recent {
    pub(super) id: u64,
    pub(super) word: &'static str,
    pub(super) class: &'static str,
    pub(super) module: String,
    pub(super) target: String,
    pub(super) why: String,
    pub(super) duration: String,
    pub(super) when: String,
}

/// The last probes, the newest first.
pub(super) fn rows(agent: &Agent, now: SystemTime) -> Vec<Recent> {
    agent.history().all().iter().rev().take(ROWS_MAX).map(|past| Recent::of(past, now)).collect()
}

/// What follows `probe?` in the example.
pub(super) fn example(agent: &Agent) -> String {
    let loaded = agent.loaded();
    let modules = &loaded.plan.modules;
    let first = modules.keys().next().map_or(EXAMPLE_MODULE, AsRef::as_ref);
    let module = if modules.contains_key(EXAMPLE_MODULE) { EXAMPLE_MODULE } else { first };
    Serializer::new(String::new()).append_pair("module", module).append_pair("target", "example.org").finish()
}

impl Recent {
    fn of(past: &Past, now: SystemTime) -> Self {
        let report = &past.asked.report;
        let verdict = Some(report.verdict());
        Self {
            id: past.id,
            word: match report.verdict() {
                Verdict::Up => "Success",
                Verdict::Down => "Failure",
                Verdict::Unknown => "Unknown",
            },
            class: chart::class(verdict),
            module: past.asked.module.name.to_string(),
            target: hide_password(past.asked.target.text()).into_owned(),
            why: report.failure().map_or_else(String::new, Failure::to_string),
            duration: words::length(report.duration),
            when: words::ago(report.began, now),
        }
    }
}
