//! The page of one check.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::SystemTime;

use askama::Template;
use hyper::Response;
use tuermer_probes::{NoteKind, Report};

use crate::agent::Agent;
use crate::store::{ReadingView, View};
use crate::web::Body;
use crate::web::pages::index::Row;
use crate::web::pages::{REFRESH, chart, html, nothing_here, words};

#[derive(Template)]
#[template(path = "check.html", config = "src/web/askama.toml")]
struct CheckPage {
    way_back: String,
    refresh: u32,
    version: &'static str,
    made: String,
    row: Row,
    module: String,
    kind: &'static str,
    labels: Vec<(Arc<str>, Arc<str>)>,
    interval: String,
    timeout: String,
    runs: String,
    waterfalls: Vec<chart::Waterfall>,
    failure: Option<FailureView>,
    readings: Vec<(String, f64)>,
}

struct FailureView {
    when: String,
    reason: &'static str,
    about: &'static str,
    phase: String,
    message: String,
    notes: String,
}

/// The page of the check with this identity.
pub(super) fn page(agent: &Agent, identity: u64, way_back: String) -> Response<Body> {
    let Some(entry) = agent.store().entry(identity) else { return nothing_here() };
    let (now, view, check) = (SystemTime::now(), entry.view(), entry.check());
    let readings = agent.store().readings(&view).into_iter();
    html(&CheckPage {
        way_back,
        refresh: REFRESH,
        version: env!("CARGO_PKG_VERSION"),
        made: words::moment(now),
        row: Row::of(&entry, &view, now),
        module: check.module.name.to_string(),
        kind: check.module.module.as_ref().map_or("", |module| module.kind().name),
        labels: check.labels.to_vec(),
        interval: words::length(check.interval),
        timeout: words::length(check.timeout),
        runs: runs(&view),
        waterfalls: view.waterfalls.iter().map(|run| chart::waterfall(run)).collect(),
        failure: view.last_failure.as_deref().and_then(FailureView::of),
        readings: readings.map(|reading| (series(&reading), reading.value)).collect(),
    })
}

fn series(reading: &ReadingView) -> String {
    if reading.labels.is_empty() { reading.name.to_string() } else { format!("{}{{{}}}", reading.name, reading.labels) }
}

fn runs(view: &View) -> String {
    let runs = view.runs;
    format!("{} up, {} down, {} unknown since the agent began", runs.up, runs.down, runs.unknown)
}

impl FailureView {
    fn of(report: &Report) -> Option<Self> {
        let failure = report.failure()?;
        Some(Self {
            when: words::moment(report.began),
            reason: failure.reason().name(),
            about: failure.reason().about(),
            phase: report.failed_at().map_or("none", |(_, phase)| phase.name()).to_owned(),
            message: failure.message().to_owned(),
            notes: notes(report),
        })
    }
}

fn notes(report: &Report) -> String {
    let mut text = String::new();
    for (at, kind, words) in report.notes.iter() {
        let mark = match kind {
            NoteKind::Info => ' ',
            NoteKind::Sent => '>',
            NoteKind::Received => '<',
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:>10} {mark} {words}", words::length(at));
    }
    text
}
