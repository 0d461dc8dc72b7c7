//! The store as Prometheus text: every family once, with the samples of all checks.
//!
//! Each check is locked once and shortly. The gauges of all last reports are then brought into the order of families by
//! counting, so that a scrape allocates a few large stretches of memory and nothing per check or series.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tuermer_probes::Reason;

use super::Format;
use super::number::{unix_seconds, write_count, write_number};
use super::text::{FamilyType, write_bound_label, write_head, write_labels};
use crate::store::{BOUNDS, Entry, Exported, FamilyHead, Histogram, Runs, Store};

/// Appends the metrics of all checks, without [`super::end`].
pub fn render_store(store: &Store, format: Format, out: &mut Vec<u8>) {
    let entries = store.entries();
    let snapshot = Snapshot::take(&entries);
    let heads = store.family_heads();
    let gauges = Gauges::sorted(&snapshot, heads.len());
    let mut page = Page { format, out };
    for (name, block) in blocks(&heads) {
        match block {
            Block::Gauges(id) => page.gauges(name, heads[id].help, gauges.of(id), &snapshot.ran),
            Block::Durations => page.durations(name, &snapshot.ran),
            Block::Failures => page.failures(name, &snapshot),
            Block::Interval => {
                let interval = |ran: &Ran<'_>| Some(ran.interval.as_secs_f64());
                page.values(name, "Time from one run's start to the next, in seconds.", &snapshot.ran, interval);
            }
            Block::LastRun => {
                page.values(name, "When the last run began.", &snapshot.ran, |ran| Some(unix_seconds(ran.last_run)));
            }
            Block::LastSuccess => {
                let last_success = |ran: &Ran<'_>| ran.last_success.map(unix_seconds);
                page.values(name, "When the last run that passed began.", &snapshot.ran, last_success);
            }
            Block::Runs => page.runs(name, &snapshot.ran),
        }
    }
}

/// A family.
#[derive(Debug, Clone, Copy)]
enum Block {
    /// One of those the last reports export, by number.
    Gauges(usize),
    Durations,
    Failures,
    Interval,
    LastRun,
    LastSuccess,
    Runs,
}

/// Every family in the order of names.
fn blocks(heads: &[FamilyHead]) -> Vec<(&str, Block)> {
    let mut blocks: Vec<_> = heads.iter().enumerate().map(|(id, head)| (&*head.name, Block::Gauges(id))).collect();
    blocks.extend([
        ("probe_failures_total", Block::Failures),
        ("probe_interval_seconds", Block::Interval),
        ("probe_last_run_timestamp_seconds", Block::LastRun),
        ("probe_last_success_timestamp_seconds", Block::LastSuccess),
        ("probe_run_duration_seconds", Block::Durations),
        ("probe_runs_total", Block::Runs),
    ]);
    blocks.sort_unstable_by_key(|(name, _)| *name);
    blocks
}

/// The checks that ran, each at one moment.
struct Snapshot<'a> {
    ran: Vec<Ran<'a>>,
    /// Place in `ran`, reason, how often.
    failures: Vec<(usize, Reason, u32)>,
}

struct Ran<'a> {
    labels: &'a [u8],
    exported: Option<Arc<Exported>>,
    interval: Duration,
    last_run: SystemTime,
    last_success: Option<SystemTime>,
    runs: Runs,
    durations: Histogram,
}

impl<'a> Snapshot<'a> {
    fn take(entries: &'a [Arc<Entry>]) -> Self {
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
struct Gauges<'s> {
    samples: Vec<Gauge<'s>>,
    /// Where each family's samples end; they begin where the family's before end.
    ends: Vec<usize>,
}

#[derive(Clone, Copy)]
struct Gauge<'s> {
    value: f64,
    labels: &'s [u8],
    /// Place in [`Snapshot::ran`].
    ran: u32,
}

impl<'s> Gauges<'s> {
    /// Counts the samples of each family, then puts each sample into its family's place.
    fn sorted(snapshot: &'s Snapshot<'_>, families: usize) -> Self {
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

    fn of(&self, family: usize) -> &[Gauge<'s>] {
        let start = if family == 0 { 0 } else { self.ends[family - 1] };
        &self.samples[start..self.ends[family]]
    }
}

/// What is being written.
struct Page<'o> {
    format: Format,
    out: &'o mut Vec<u8>,
}

impl Page<'_> {
    fn head(&mut self, family: FamilyType, name: &str, help: &str) {
        write_head(family, name, help, self.format, self.out);
    }

    /// Name and labels of a sample; the value follows.
    fn begin(&mut self, name: &str, suffix: &str, labels: &[u8], more: &[u8]) {
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(suffix.as_bytes());
        write_labels(labels, more, self.out);
    }

    fn number(&mut self, value: f64) {
        write_number(value, self.out);
        self.out.push(b'\n');
    }

    fn count(&mut self, value: u64) {
        write_count(value, self.out);
        self.out.push(b'\n');
    }

    fn gauges(&mut self, name: &str, help: &str, gauges: &[Gauge<'_>], ran: &[Ran<'_>]) {
        if gauges.is_empty() {
            return;
        }
        self.head(FamilyType::Gauge, name, help);
        for gauge in gauges {
            self.begin(name, "", ran[gauge.ran as usize].labels, gauge.labels);
            self.number(gauge.value);
        }
    }

    /// One gauge for each check that has a value.
    fn values(&mut self, name: &str, help: &str, ran: &[Ran<'_>], value: impl Fn(&Ran<'_>) -> Option<f64>) {
        let mut values = ran.iter().filter_map(|ran| Some((ran, value(ran)?))).peekable();
        if values.peek().is_some() {
            self.head(FamilyType::Gauge, name, help);
        }
        for (ran, value) in values {
            self.begin(name, "", ran.labels, b"");
            self.number(value);
        }
    }

    fn runs(&mut self, name: &str, ran: &[Ran<'_>]) {
        if ran.is_empty() {
            return;
        }
        self.head(FamilyType::Counter, name, "Runs since the agent began, by what they said of the service.");
        for ran in ran {
            for (outcome, count) in [
                (br#"outcome="down""#.as_slice(), ran.runs.down),
                (br#"outcome="unknown""#, ran.runs.unknown),
                (br#"outcome="up""#, ran.runs.up),
            ] {
                self.begin(name, "", ran.labels, outcome);
                self.count(count.into());
            }
        }
    }

    fn failures(&mut self, name: &str, snapshot: &Snapshot<'_>) {
        if snapshot.failures.is_empty() {
            return;
        }
        self.head(FamilyType::Counter, name, "Runs since the agent began that did not pass, by reason.");
        for (ran, reason, count) in &snapshot.failures {
            self.out.extend_from_slice(name.as_bytes());
            self.out.push(b'{');
            self.out.extend_from_slice(snapshot.ran[*ran].labels);
            self.out.extend_from_slice(b",reason=\"");
            self.out.extend_from_slice(reason.name().as_bytes());
            self.out.extend_from_slice(b"\"} ");
            self.count((*count).into());
        }
    }

    fn durations(&mut self, name: &str, ran: &[Ran<'_>]) {
        if ran.is_empty() {
            return;
        }
        let les = bound_labels(self.format);
        self.head(FamilyType::Histogram, name, "How long runs took, in seconds.");
        for ran in ran {
            let counts = ran.durations.cumulative();
            for (le, count) in les.iter().zip(counts) {
                self.begin(name, "_bucket", ran.labels, le);
                self.count(count);
            }
            self.begin(name, "_sum", ran.labels, b"");
            self.number(ran.durations.sum());
            self.begin(name, "_count", ran.labels, b"");
            self.count(counts[BOUNDS]);
        }
    }
}

/// The label `le` of each bucket.
fn bound_labels(format: Format) -> Vec<Vec<u8>> {
    let label = |bound| {
        let mut out = Vec::new();
        write_bound_label(bound, format, &mut out);
        out
    };
    Histogram::bounds().chain([f64::INFINITY]).map(label).collect()
}
