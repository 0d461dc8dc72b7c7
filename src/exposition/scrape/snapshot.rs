//! The store at one moment of each check, in the order in which it is written.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tuermer_probes::Reason;

use crate::store::{Entry, Exported, Histogram, Runs};

/// The checks that ran, each at one moment.
pub(super) struct Snapshot<'a> {
    pub(super) ran: Vec<Ran<'a>>,
    /// Place in `ran`, reason, how often.
    pub(super) failures: Vec<(usize, Reason, u32)>,
}

pub(super) struct Ran<'a> {
    pub(super) labels: &'a [u8],
    pub(super) exported: Option<Arc<Exported>>,
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

/// The gauges of all checks in the order of families.
pub(super) struct Gauges<'s> {
    samples: Vec<Gauge<'s>>,
    /// Where each family's samples end; they begin where the family's before end.
    ends: Vec<usize>,
}

#[derive(Clone, Copy)]
pub(super) struct Gauge<'s> {
    pub(super) value: f64,
    pub(super) labels: &'s [u8],
    /// Place in [`Snapshot::ran`].
    pub(super) ran: u32,
}

impl<'s> Gauges<'s> {
    /// Counts the samples of each family, then puts each sample into its family's place.
    pub(super) fn sorted(snapshot: &'s Snapshot<'_>, families: usize) -> Self {
        let exported = || snapshot.ran.iter().map(|ran| ran.exported.as_deref());
        let mut ends = vec![0; families + 1];
        for (family, _, _) in exported().flatten().flat_map(Exported::iter) {
            // A family that was learned after the heads were copied is left for the next scrape.
            if let Some(count) = ends.get_mut(usize::from(family) + 1) {
                *count += 1;
            }
        }
        for family in 0..families {
            ends[family + 1] += ends[family];
        }
        // `ends[family]` is where the family begins, and moves to its end while it is filled.
        let mut samples = vec![Gauge { value: 0.0, labels: &[], ran: 0 }; ends[families]];
        for (ran, exported) in (0..).zip(exported()) {
            for (family, labels, value) in exported.into_iter().flat_map(Exported::iter) {
                let family = usize::from(family);
                if family < families {
                    samples[ends[family]] = Gauge { value, labels, ran };
                    ends[family] += 1;
                }
            }
        }
        Self { samples, ends }
    }

    pub(super) fn of(&self, family: usize) -> &[Gauge<'s>] {
        let start = if family == 0 { 0 } else { self.ends[family - 1] };
        &self.samples[start..self.ends[family]]
    }
}
