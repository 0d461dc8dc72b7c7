//! One scheduled run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::info;
use tuermer_probes::net::Net;
use tuermer_probes::{Failure, Outcome, Reason, Recorder, Report, Verdict, hide_password};

use super::gate::Gate;
use crate::agent_metrics::{AgentMetrics, Skip};
use crate::store::{Entry, Store};

/// What all runs share.
#[derive(Debug)]
pub(super) struct World {
    pub(super) store: Arc<Store>,
    pub(super) metrics: Arc<AgentMetrics>,
    pub(super) gate: Gate,
    /// Dropped with the last run: whoever listens knows that all have ended.
    pub(super) _alive: mpsc::Sender<()>,
}

/// The mark of a check whose run is waiting or going on, as long as it lives.
pub(super) struct Busy(Arc<AtomicBool>);

impl Busy {
    /// `None` if there is such a run already.
    pub(super) fn claim(busy: &Arc<AtomicBool>) -> Option<Self> {
        (!busy.swap(true, Ordering::AcqRel)).then(|| Self(Arc::clone(busy)))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// A run that is due.
pub(super) struct Run {
    pub(super) world: Arc<World>,
    pub(super) net: Arc<Net>,
    pub(super) entry: Arc<Entry>,
    pub(super) due: Instant,
    /// When the next one will be due.
    pub(super) next: Instant,
    pub(super) _busy: Busy,
}

impl Run {
    /// Waits for the gate, asks, and writes down what happened. Waiting is lateness, not part of the run.
    pub(super) async fn make(self) {
        let World { store, metrics, gate, .. } = &*self.world;
        let Some(pass) = gate.enter(self.next).await else {
            metrics.runs_skipped(Skip::Overload, 1);
            let failure = Failure::new(Reason::AgentOverload, "no room for another run within the interval");
            let report = Recorder::start(self.entry.check().timeout).finish(Outcome::Fail(failure));
            metrics.reported(&report);
            self.log_change(&report);
            store.record(&self.entry, report);
            return;
        };
        metrics.run_was_late(self.due.elapsed());
        let in_flight = metrics.run_began();
        let check = self.entry.check();
        let report = check.probe.run(&self.net, check.timeout).await;
        drop((pass, in_flight));
        metrics.reported(&report);
        self.log_change(&report);
        store.record(&self.entry, report);
    }

    /// One line for each change, none for a check that works from the start.
    fn log_change(&self, report: &Report) {
        let (before, now) = (self.entry.verdict().unwrap_or(Verdict::Up), report.verdict());
        if before == now {
            return;
        }
        let check = self.entry.check();
        let (name, target) = (&*check.name, &*hide_password(check.target.text()));
        match report.failure() {
            None => info!(check = name, target, "up"),
            Some(failure) => {
                let phase = report.failed_at().map_or("", |(_, phase)| phase.name());
                let verdict = if now == Verdict::Down { "down" } else { "unknown" };
                info!(
                    check = name,
                    target,
                    reason = failure.reason().name(),
                    phase,
                    failure = failure.message(),
                    "{verdict}"
                );
            }
        }
    }
}
