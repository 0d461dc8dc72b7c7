//! The store at one moment of each check, in the order in which it is written.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tuermer_probes::Reason;

use crate::store::{Entry, Exported, Histogram, Kept, Runs};

/// The checks that ran, each at one moment.
pub(super) struct Snapshot<'a> {
    pub(super) ran: Vec<Ran<'a>>,
    /// Place in `ran`, reason, how often.
    pub(super) failures: Vec<(usize, Reason, u32)>,
}

pub(super) struct Ran<'a> {
    pub(super) labels: &'a [u8],
    pub(super) exported: Option<Arc<Exported>>,
    pub(super) kept: Option<Arc<Kept>>,
    pub(super) interval: Duration,
    pub(super) last_run: SystemTime,
    pub(super) last_success: Option<SystemTime>,
    pub(super) runs: Runs,
    pub(super) durations: Histogram,
}

impl<'a> Snapshot<'a> {
    pub(super) fn take(entries: &'a [Arc<Entry>]) -> Self {
        let mut snapshot = Self { ran: Vec::with_capacity(entries.len()), failures: Vec::new() };
        for entry in entries {
            let state = entry.state();
            let Some((state, last)) = state.as_deref().and_then(|state| Some((state, state.last.as_ref()?))) else {
                continue;
            };
            let at = snapshot.ran.len();
            snapshot.failures.extend(state.totals.failures.iter().map(|(reason, count)| (at, *reason, *count)));
            snapshot.ran.push(Ran {
                labels: entry.labels(),
                exported: state.exported.clone(),
                kept: state.kept.clone(),
                interval: entry.check().interval,
                last_run: last.began,
                last_success: state.last_success,
                runs: state.totals.runs,
                durations: state.totals.durations,
            });
        }
        snapshot
    }
}

/// What reports export, of all checks, in the order of families.
pub(super) struct Sorted<'s> {
    samples: Vec<Sample<'s>>,
    /// Where each family's samples end; they begin where the family's before end.
    ends: Vec<usize>,
}

#[derive(Clone, Copy)]
pub(super) struct Sample<'s> {
    /// Of a histogram the sum.
    pub(super) value: f64,
    pub(super) labels: &'s [u8],
    /// Place in [`Snapshot::ran`].
    pub(super) ran: u32,
    /// Of a histogram what [`Kept::buckets`] wants.
    pub(super) buckets: u32,
}

impl<'s> Ran<'s> {
    /// Family and sample, of the last report and of all of them.
    fn samples(&self, ran: u32) -> impl Iterator<Item = (usize, Sample<'_>)> {
        let exported = self
            .exported
            .iter()
            .flat_map(|exported| exported.iter())
            .map(move |(family, labels, value)| (usize::from(family), Sample { value, labels, ran, buckets: 0 }));
        let kept = self.kept.iter().flat_map(|kept| kept.iter()).map(move |kept| {
            let sample = Sample { value: kept.value, labels: kept.labels, ran, buckets: kept.buckets };
            (usize::from(kept.family), sample)
        });
        exported.chain(kept)
    }
}

impl<'s> Sorted<'s> {
    /// Counts the samples of each family, then puts each sample into its family's place.
    pub(super) fn of(snapshot: &'s Snapshot<'_>, families: usize) -> Self {
        let samples = || (0..).zip(&snapshot.ran).flat_map(|(at, ran)| ran.samples(at));
        let mut ends = vec![0; families + 1];
        for (family, _) in samples() {
            // A family that was learned after the heads were copied is left for the next scrape.
            if let Some(count) = ends.get_mut(family + 1) {
                *count += 1;
            }
        }
        for family in 0..families {
            ends[family + 1] += ends[family];
        }
        // `ends[family]` is where the family begins, and moves to its end while it is filled.
        let mut sorted = vec![Sample { value: 0.0, labels: &[], ran: 0, buckets: 0 }; ends[families]];
        for (family, sample) in samples() {
            if family < families {
                sorted[ends[family]] = sample;
                ends[family] += 1;
            }
        }
        Self { samples: sorted, ends }
    }

    pub(super) fn family(&self, family: usize) -> &[Sample<'s>] {
        let start = if family == 0 { 0 } else { self.ends[family - 1] };
        &self.samples[start..self.ends[family]]
    }
}
