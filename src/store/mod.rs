//! What is known of every check: the last report, counters, a short history. Knows no schedule.

mod entry;
mod families;
mod histogram;
mod history;
mod kept;
mod state;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use arc_swap::ArcSwap;
use tracing::warn;
use tuermer_probes::{Report, Shape, Verdict, hide_password};

pub use entry::Entry;
pub use history::{HISTORY_RUNS_MAX, LapView, Past, PastRun};
pub use state::{Last, Runs, View, WATERFALLS_MAX};

pub(crate) use families::FamilyHead;
pub(crate) use histogram::{BOUNDS, Histogram};
pub(crate) use kept::Kept;
pub(crate) use state::Exported;

use families::{Families, FamilyId};
use kept::{KEPT_SERIES_MAX, Place};

use crate::exposition::{Samples, phases_name};
use crate::plan::{Plan, ProbeMetrics};

/// What is known of every check. Read and written from any thread; nobody waits long.
#[derive(Debug, Default)]
pub struct Store {
    list: ArcSwap<List>,
    families: RwLock<Families>,
}

/// The checks of one plan, in its order.
#[derive(Debug, Default)]
struct List {
    entries: Arc<[Arc<Entry>]>,
    by_identity: HashMap<u64, usize>,
}

/// How many checks are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// The service works.
    pub up: usize,
    /// The service does not work.
    pub down: usize,
    /// The agent could not ask.
    pub unknown: usize,
    /// Not asked yet.
    pub pending: usize,
}

/// A number of a check's last report, or one that all reports added up to.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadingView {
    /// The metric's name.
    pub name: Arc<str>,
    /// What it means.
    pub help: &'static str,
    /// Its labels as in the exposition, without those of the check.
    pub labels: String,
    /// The number.
    pub value: f64,
}

/// What a reading adds to the runs before its own.
#[derive(Debug, Clone, Copy)]
struct Addition<'s> {
    family: FamilyId,
    shape: Shape,
    labels: &'s [u8],
    value: f64,
}

impl Store {
    /// A store without checks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes over a plan's checks and gives their entries in the plan's order.
    ///
    /// A check that did not change keeps its entry. One that did (the same identity, other settings or labels) gets a new
    /// entry with the counters, the history and what else lasts of the old, but, if another question is asked now, without the metrics of
    /// the last report. Whoever still runs an old entry's probe records into the old entry, which nobody sees.
    pub fn apply(&self, plan: &Plan) -> Arc<[Arc<Entry>]> {
        self.learn(plan);
        let old = self.list.load_full();
        let mut by_identity = HashMap::with_capacity(plan.checks.len());
        let entries = plan.checks.iter().enumerate().map(|(at, check)| {
            by_identity.insert(check.identity, at);
            match old.by_identity.get(&check.identity) {
                Some(at) => old.entries[*at].succeeded_by(check),
                None => Arc::new(Entry::new(Arc::clone(check))),
            }
        });
        let entries: Arc<[_]> = entries.collect();
        self.list.store(Arc::new(List { entries: Arc::clone(&entries), by_identity }));
        entries
    }

    fn learn(&self, plan: &Plan) {
        let mut families = self.families.write().unwrap_or_else(PoisonError::into_inner);
        let mut known = HashSet::new();
        for check in &plan.checks {
            if known.insert(Arc::as_ptr(&check.module)) {
                families.learn(check);
            }
        }
    }

    /// Every check, in the plan's order.
    pub fn entries(&self) -> Arc<[Arc<Entry>]> {
        Arc::clone(&self.list.load().entries)
    }

    /// The check with this identity.
    pub fn entry(&self, identity: u64) -> Option<Arc<Entry>> {
        let list = self.list.load();
        list.by_identity.get(&identity).map(|at| Arc::clone(&list.entries[*at]))
    }

    /// Takes in the report of a run of a check.
    pub fn record(&self, entry: &Entry, report: Report) {
        let Some(module) = &entry.check().module.module else { return };
        let phases = phases_name(module.kind());
        let mut samples = Samples::of(&report, module.kind(), &phases, ProbeMetrics::All, entry.taken());
        samples.list.retain(|sample| !sample.family.shape().is_over_runs());
        let exported = self.pack(&samples, &phases);
        let samples = Samples::over_runs(&report, entry.taken());
        let added = self.additions(&samples);
        let place = entry.state().get_or_insert_default().record(report, exported, &added);
        if place == Place::Full {
            let check = entry.check();
            let target = &*hide_password(check.target.text());
            warn!(
                check = &*check.name,
                target, "more than {KEPT_SERIES_MAX} counters and histograms: others are dropped"
            );
        }
    }

    /// What a report adds to the runs before it.
    fn additions<'s>(&self, samples: &'s Samples<'_>) -> Vec<Addition<'s>> {
        if samples.list.is_empty() {
            return Vec::new();
        }
        let (ids, mut families) = (self.ids(samples, ""), Vec::with_capacity(samples.list.len()));
        let known = self.families();
        for (family, sample) in ids.into_iter().zip(&samples.list) {
            // Of two measures with one name, the first says what the family is.
            let shape = known.heads()[usize::from(family)].shape;
            if shape == sample.family.shape() {
                families.push(Addition { family, shape, labels: samples.labels(sample), value: sample.value });
            }
        }
        families
    }

    fn pack(&self, samples: &Samples<'_>, phases: &str) -> Exported {
        let samples_of = samples.list.iter().zip(self.ids(samples, phases));
        Exported::pack(samples_of.map(|(sample, id)| (id, samples.labels(sample), sample.value)))
    }

    /// The number of each sample's family.
    fn ids(&self, samples: &Samples<'_>, phases: &str) -> Vec<FamilyId> {
        let families = self.families();
        let ids: Option<Vec<_>> = samples.list.iter().map(|sample| families.find(sample.family, phases)).collect();
        drop(families);
        ids.unwrap_or_else(|| {
            // A measure that its kind does not declare.
            let mut families = self.families.write().unwrap_or_else(PoisonError::into_inner);
            samples.list.iter().map(|sample| families.intern(sample.family, phases)).collect()
        })
    }

    /// Name, help and shape of every family that reports export, by number.
    pub(crate) fn family_heads(&self) -> Vec<FamilyHead> {
        self.families().heads().to_vec()
    }

    fn families(&self) -> RwLockReadGuard<'_, Families> {
        self.families.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many checks are in which state.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for entry in self.entries().iter() {
            match entry.verdict() {
                Some(Verdict::Up) => counts.up += 1,
                Some(Verdict::Down) => counts.down += 1,
                Some(Verdict::Unknown) => counts.unknown += 1,
                None => counts.pending += 1,
            }
        }
        counts
    }

    /// The numbers of the last report of a view and those that last, sorted by name. Of histograms sum and count.
    pub fn readings(&self, view: &View) -> Vec<ReadingView> {
        let families = self.families();
        let heads = families.heads();
        let mut readings = Vec::new();
        let mut push = |family: FamilyId, suffix: &str, labels: &[u8], value: f64| {
            let FamilyHead { name, help, .. } = &heads[usize::from(family)];
            let name = if suffix.is_empty() { Arc::clone(name) } else { format!("{name}{suffix}").into() };
            readings.push(ReadingView { name, help, labels: String::from_utf8_lossy(labels).into_owned(), value });
        };
        for (family, labels, value) in view.exported.iter().flat_map(|exported| exported.iter()) {
            push(family, "", labels, value);
        }
        for (kept, sample) in view.kept.iter().flat_map(|kept| kept.iter().map(move |sample| (kept, sample))) {
            if let Shape::Distribution(bounds) = heads[usize::from(sample.family)].shape {
                let count: u64 = kept.buckets(sample.buckets, bounds.len()).iter().copied().map(u64::from).sum();
                push(sample.family, "_count", sample.labels, count as f64);
                push(sample.family, "_sum", sample.labels, sample.value);
            } else {
                push(sample.family, "", sample.labels, sample.value);
            }
        }
        readings.sort_by(|one, other| one.name.cmp(&other.name));
        readings
    }
}
