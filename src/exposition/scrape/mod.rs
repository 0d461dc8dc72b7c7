//! The store as Prometheus text: every family once, with the samples of all checks.
//!
//! Each check is locked once and shortly. What reports export is then brought into the order of families by
//! counting, so that a scrape allocates a few large stretches of memory and nothing per check or series.

mod page;
mod snapshot;

use std::io;

use tuermer_probes::Shape;

use super::Format;
use super::number::{seconds, unix_seconds};
use crate::store::{FamilyHead, Store};
use page::Page;
use snapshot::{Ran, Snapshot, Sorted};

/// How much text is handed on at once. Chosen: stays in the processor's cache.
const CHUNK_BYTES: usize = 64 * 1024;

/// Appends the metrics of all checks, without [`super::end`].
pub fn render_store(store: &Store, format: Format, out: &mut Vec<u8>) {
    render(store, Page { format, out, spill_bytes: usize::MAX, spill: &mut |_| {} });
}

/// As [`render_store`], but hands the text on while it is written, so that only a piece of it is in memory.
pub fn write_store(store: &Store, format: Format, sink: &mut dyn io::Write) -> io::Result<()> {
    let mut out = Vec::with_capacity(CHUNK_BYTES * 2);
    let mut written = Ok(());
    let mut spill = |out: &mut Vec<u8>| {
        if written.is_ok() {
            written = sink.write_all(out);
        }
        out.clear();
    };
    render(store, Page { format, out: &mut out, spill_bytes: CHUNK_BYTES, spill: &mut spill });
    spill(&mut out);
    written
}

fn render(store: &Store, mut page: Page<'_>) {
    let entries = store.entries();
    let snapshot = Snapshot::take(&entries);
    let heads = store.family_heads();
    let sorted = Sorted::of(&snapshot, heads.len());
    for (name, block) in blocks(&heads) {
        match block {
            Block::Reported(id) => {
                let (help, samples, ran) = (heads[id].help, sorted.family(id), &snapshot.ran);
                match heads[id].shape {
                    Shape::Level | Shape::Count | Shape::Lasting => page.gauges(name, help, samples, ran),
                    Shape::Total => page.counters(name, help, samples, ran),
                    Shape::Distribution(bounds) => page.histograms(name, help, bounds, samples, ran),
                }
            }
            Block::Durations => page.durations(name, &snapshot.ran),
            Block::Failures => page.failures(name, &snapshot),
            Block::Interval => {
                let interval = |ran: &Ran<'_>| Some(seconds(ran.interval));
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
    /// One of those that reports export, by number.
    Reported(usize),
    Durations,
    Failures,
    Interval,
    LastRun,
    LastSuccess,
    Runs,
}

/// Every family in the order of names.
fn blocks(heads: &[FamilyHead]) -> Vec<(&str, Block)> {
    let mut blocks: Vec<_> = heads.iter().enumerate().map(|(id, head)| (&*head.name, Block::Reported(id))).collect();
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
