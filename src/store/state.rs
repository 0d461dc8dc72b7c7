//! What is known of a check that ran.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tuermer_probes::{Failure, Reason, Report, Verdict};

use super::Addition;
use super::families::FamilyId;
use super::histogram::Histogram;
use super::history::{History, Past, PastRun};
use super::kept::{Kept, Place, has_label};

/// Runs whose laps are remembered. Chosen: enough to tell a slow run from a slow service.
pub const WATERFALLS_MAX: usize = 4;

/// Most bytes of notes that are kept of the last failure. Chosen: a long dialogue, and 80 MB if ten thousand checks fail.
const FAILURE_NOTE_BYTES_MAX: usize = 8 * 1024;

/// What is known of a check that ran.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    pub(crate) exported: Option<Arc<Exported>>,
    /// `None` as long as no run read something that lasts.
    pub(crate) kept: Option<Arc<Kept>>,
    pub(crate) last: Option<Last>,
    pub(crate) last_success: Option<SystemTime>,
    pub(crate) totals: Totals,
    history: History,
    /// From the newest to the oldest.
    waterfalls: Vec<Arc<PastRun>>,
    last_failure: Option<Arc<Report>>,
}

/// What the last run said.
#[derive(Debug, Clone)]
pub struct Last {
    /// When it began.
    pub began: SystemTime,
    /// How long it took.
    pub duration: Duration,
    /// What it said of the service.
    pub verdict: Verdict,
    /// When the first run with this verdict in a row began.
    pub since: SystemTime,
    /// Runs with the verdict down since the last that was up.
    pub failures_in_a_row: u32,
}

/// Runs since the agent began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Runs {
    /// That said the service works.
    pub up: u32,
    /// That said it does not.
    pub down: u32,
    /// That could not tell.
    pub unknown: u32,
}

/// Everything counted since the agent began.
#[derive(Debug, Clone, Default)]
pub(crate) struct Totals {
    pub(crate) runs: Runs,
    /// Sorted by the reasons' names; only those that occurred.
    pub(crate) failures: Vec<(Reason, u32)>,
    pub(crate) durations: Histogram,
}

impl Totals {
    fn count(&mut self, report: &Report) {
        let count = match report.verdict() {
            Verdict::Up => &mut self.runs.up,
            Verdict::Down => &mut self.runs.down,
            Verdict::Unknown => &mut self.runs.unknown,
        };
        *count = count.saturating_add(1);
        self.durations.observe(report.duration);
        let Some(reason) = report.failure().map(Failure::reason) else { return };
        match self.failures.binary_search_by_key(&reason.name(), |(reason, _)| reason.name()) {
            Ok(at) => self.failures[at].1 = self.failures[at].1.saturating_add(1),
            Err(at) => self.failures.insert(at, (reason, 1)),
        }
    }
}

/// The samples of the last report, packed: sorted by family name and labels.
#[derive(Debug)]
pub(crate) struct Exported {
    series: Box<[Series]>,
    text: Box<[u8]>,
}

#[derive(Debug, Clone, Copy)]
struct Series {
    value: f64,
    /// Where its labels end in the text; they begin where those before end.
    end: u32,
    family: FamilyId,
}

impl Exported {
    /// Packs samples: family, rendered labels, value.
    pub(super) fn pack<'a>(samples: impl ExactSizeIterator<Item = (FamilyId, &'a [u8], f64)>) -> Self {
        let mut text = Vec::new();
        let mut series = Vec::with_capacity(samples.len());
        for (family, labels, value) in samples {
            text.extend_from_slice(labels);
            let end = u32::try_from(text.len()).expect("the labels of a report are limited to far less than 4 GiB");
            series.push(Series { value, end, family });
        }
        Self { series: series.into_boxed_slice(), text: text.into_boxed_slice() }
    }

    /// Family, rendered labels, value.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (FamilyId, &[u8], f64)> {
        self.series.iter().scan(0, |start, series| {
            let labels = &self.text[*start..series.end as usize];
            *start = series.end as usize;
            Some((series.family, labels, series.value))
        })
    }
}

impl State {
    /// Takes in the report of a run. Says whether everything that lasts found its place.
    pub(super) fn record(&mut self, mut report: Report, exported: Exported, added: &[Addition<'_>]) -> Place {
        let place = self.keep(added);
        let (verdict, began, duration) = (report.verdict(), report.began, report.duration);
        self.totals.count(&report);
        self.history.push(Past::of(&report));
        self.waterfalls.truncate(WATERFALLS_MAX - 1);
        self.waterfalls.insert(0, Arc::new(PastRun::of(&report)));
        self.exported = Some(Arc::new(exported));
        if verdict == Verdict::Up {
            self.last_success = Some(began);
        }
        let before = self.last.as_ref();
        let since = before.filter(|last| last.verdict == verdict).map_or(began, |last| last.since);
        let failures_before = before.map_or(0, |last| last.failures_in_a_row);
        let failures_in_a_row = match verdict {
            Verdict::Up => 0,
            Verdict::Down => failures_before.saturating_add(1),
            Verdict::Unknown => failures_before,
        };
        self.last = Some(Last { began, duration, verdict, since, failures_in_a_row });
        if report.failure().is_some() {
            report.readings = Vec::new();
            report.laps.shrink_to_fit();
            report.notes.shorten(FAILURE_NOTE_BYTES_MAX);
            self.last_failure = Some(Arc::new(report));
        }
        place
    }

    fn keep(&mut self, added: &[Addition<'_>]) -> Place {
        if added.is_empty() {
            return Place::Found;
        }
        let kept = Arc::make_mut(self.kept.get_or_insert_default());
        let mut worst = Place::Found;
        for Addition { family, shape, labels, value } in added {
            let place = kept.take(*family, *shape, labels, *value);
            if worst == Place::Found {
                worst = place;
            }
        }
        worst
    }

    /// The check has other labels now. A series whose own labels would repeat one of them is forgotten, with all others
    /// of its sort, because no sample may have two labels of one name.
    pub(super) fn make_way_for(&mut self, names: &[&str]) {
        let clashes = |labels: &[u8]| names.iter().any(|name| has_label(labels, name));
        if self.exported.as_ref().is_some_and(|exported| exported.iter().any(|(_, labels, _)| clashes(labels))) {
            self.exported = None;
        }
        if self.kept.as_ref().is_some_and(|kept| names.iter().any(|name| kept.has_label(name))) {
            self.kept = None;
        }
    }

    /// Another kind asks: what was counted has names of the old one.
    pub(super) fn forget_kept(&mut self) {
        self.kept = None;
    }

    /// The settings changed: what the last report exported answered another question. Counters and history stay.
    pub(super) fn forget_report(&mut self) {
        self.exported = None;
    }

    pub(super) fn verdict(&self) -> Option<Verdict> {
        self.last.as_ref().map(|last| last.verdict)
    }

    pub(super) fn view(&self) -> View {
        View {
            last: self.last.clone(),
            last_success: self.last_success,
            runs: self.totals.runs,
            history: self.history.to_vec(),
            waterfalls: self.waterfalls.clone(),
            last_failure: self.last_failure.clone(),
            exported: self.exported.clone(),
            kept: self.kept.clone(),
        }
    }
}

/// Everything known of a check at one moment.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// What the last run said; `None` before the first.
    pub last: Option<Last>,
    /// When the last run began that said the service works.
    pub last_success: Option<SystemTime>,
    /// Runs since the agent began.
    pub runs: Runs,
    /// Past outcomes, from the oldest to the newest.
    pub history: Vec<Past>,
    /// Where the time of the last runs went, from the newest to the oldest.
    pub waterfalls: Vec<Arc<PastRun>>,
    /// The last run that did not pass, without its readings and with shortened notes.
    pub last_failure: Option<Arc<Report>>,
    pub(super) exported: Option<Arc<Exported>>,
    pub(super) kept: Option<Arc<Kept>>,
}
