//! The front page: all checks, failing ones first.

use std::sync::Arc;
use std::time::SystemTime;

use askama::Template;
use hyper::Response;
use tuermer_probes::{Report, Verdict, hide_password};

use crate::agent::Agent;
use crate::store::{Entry, View};
use crate::web::Body;
use crate::web::pages::recent::{self, Recent};
use crate::web::pages::{REFRESH, chart, html, words};

/// Most checks on the page. Chosen: what a browser shows without effort.
const ROWS_MAX: usize = 1000;

#[derive(Template)]
#[template(path = "index.html", config = "src/web/askama.toml")]
struct Index {
    way_back: String,
    refresh: u32,
    version: &'static str,
    made: String,
    down: usize,
    up_word: String,
    down_word: String,
    unknown_word: String,
    extra: String,
    rows: Vec<Row>,
    left_out: usize,
    config_file: String,
    example: String,
    recent: Vec<Recent>,
}

/// A check on the page.
pub(super) struct Row {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) target: String,
    pub(super) word: &'static str,
    pub(super) class: &'static str,
    pub(super) why: String,
    pub(super) since: String,
    pub(super) duration: String,
    pub(super) last_run: String,
    pub(super) history: Vec<chart::HistoryBar>,
    pub(super) history_words: String,
}

/// The front page.
pub(super) fn page(agent: &Agent, way_back: String) -> Response<Body> {
    let now = SystemTime::now();
    let counts = agent.store().counts();
    let mut entries: Vec<(u8, Arc<Entry>)> =
        agent.store().entries().iter().map(|entry| (urgency(entry.verdict()), Arc::clone(entry))).collect();
    // Stable: within one urgency the file's order remains.
    entries.sort_by_key(|(urgency, _)| *urgency);
    let left_out = entries.len().saturating_sub(ROWS_MAX);
    entries.truncate(ROWS_MAX);
    html(&Index {
        way_back,
        refresh: REFRESH,
        version: env!("CARGO_PKG_VERSION"),
        made: words::moment(now),
        down: counts.down,
        up_word: format!("{} up", counts.up),
        down_word: format!("{} down", counts.down),
        unknown_word: format!("{} unknown", counts.unknown + counts.pending),
        extra: agent.panel().map_or_else(String::new, |panel| panel.html()),
        rows: entries.iter().map(|(_, entry)| Row::of(entry, &entry.view(), now)).collect(),
        left_out,
        config_file: agent.config_file().display().to_string(),
        example: recent::example(agent),
        recent: recent::rows(agent, now),
    })
}

const fn urgency(verdict: Option<Verdict>) -> u8 {
    match verdict {
        Some(Verdict::Down) => 0,
        Some(Verdict::Unknown) => 1,
        _ => 2,
    }
}

impl Row {
    pub(super) fn of(entry: &Entry, view: &View, now: SystemTime) -> Self {
        let check = entry.check();
        let last = view.last.as_ref();
        let verdict = last.map(|last| last.verdict);
        let failed = verdict.is_some_and(|verdict| verdict != Verdict::Up);
        Self {
            id: format!("{:016x}", check.identity),
            name: check.name.to_string(),
            target: hide_password(check.target.text()).into_owned(),
            word: chart::word(verdict),
            class: chart::class(verdict),
            why: view.last_failure.as_deref().filter(|_| failed).map_or_else(String::new, why),
            since: last.map_or_else(String::new, |last| words::ago(last.since, now)),
            duration: last.map_or_else(String::new, |last| words::length(last.duration)),
            last_run: last.map_or_else(|| "not yet".to_owned(), |last| words::ago(last.began, now)),
            history: chart::history(&view.history),
            history_words: chart::history_words(&view.history),
        }
    }
}

/// Reason, place and message of a failed run.
fn why(report: &Report) -> String {
    let Some(failure) = report.failure() else { return String::new() };
    let place = match report.failed_at() {
        Some((Some(step), phase)) => format!(" in {} of {step}", phase.name()),
        Some((None, phase)) => format!(" in {}", phase.name()),
        None => String::new(),
    };
    format!("{}{place}: {}", failure.reason(), failure.message())
}
