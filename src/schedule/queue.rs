//! The task that starts runs when they are due.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tokio::time::Instant;
use tuermer_probes::net::Net;

use super::grid::Grid;
use super::run::{Busy, Run, World};
use crate::agent_metrics::Skip;
use crate::store::Entry;

/// Shortest interval. Chosen: the timer's tick; a plan's intervals are far longer.
const INTERVAL_MIN: Duration = Duration::from_millis(1);

/// What shall be scheduled from now on.
#[derive(Debug)]
pub(super) struct Orders {
    pub(super) entries: Arc<[Arc<Entry>]>,
    pub(super) net: Arc<Net>,
}

/// The next start of every check.
pub(super) struct Queue {
    world: Arc<World>,
    grid: Grid,
    jobs: Vec<Job>,
    /// Moment and place in `jobs`, the earliest first.
    starts: BinaryHeap<Reverse<(Instant, usize)>>,
}

/// A check that is scheduled.
struct Job {
    entry: Arc<Entry>,
    net: Arc<Net>,
    due: Instant,
    /// Whether a run is waiting or going on.
    busy: Arc<AtomicBool>,
}

impl Queue {
    pub(super) fn new(world: World, wall: SystemTime) -> Self {
        let grid = Grid::new(Instant::now(), wall);
        Self { world: Arc::new(world), grid, jobs: Vec::new(), starts: BinaryHeap::new() }
    }

    /// Starts runs until nobody can give orders any more.
    pub(super) async fn serve(mut self, mut orders: mpsc::UnboundedReceiver<Orders>) {
        let timer = tokio::time::sleep_until(Instant::now());
        tokio::pin!(timer);
        loop {
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    Some(order) => self.follow(order),
                    None => break,
                },
                () = &mut timer, if !self.starts.is_empty() => self.start_due(Instant::now()),
            }
            if let Some(Reverse((due, _))) = self.starts.peek() {
                timer.as_mut().reset(*due);
            }
        }
        self.world.gate.close();
    }

    /// Replaces the checks. A check that is known and has the interval it had keeps its next start.
    fn follow(&mut self, orders: Orders) {
        let now = Instant::now();
        let old: HashMap<_, _> = self.jobs.drain(..).map(|job| (job.entry.check().identity, job)).collect();
        let jobs = orders.entries.iter().map(|entry| {
            let check = entry.check();
            let old = old.get(&check.identity);
            let due = old.filter(|job| job.entry.check().interval == check.interval).map(|job| job.due);
            Job {
                entry: Arc::clone(entry),
                net: Arc::clone(&orders.net),
                due: due.unwrap_or_else(|| self.grid.next(check.identity, check.interval, now)),
                busy: old.map(|job| Arc::clone(&job.busy)).unwrap_or_default(),
            }
        });
        self.jobs = jobs.collect();
        self.starts = self.jobs.iter().enumerate().map(|(at, job)| Reverse((job.due, at))).collect();
    }

    fn start_due(&mut self, now: Instant) {
        while let Some(mut first) = self.starts.peek_mut() {
            let Reverse((due, at)) = *first;
            if due > now {
                return;
            }
            let job = &mut self.jobs[at];
            job.due = job.start(&self.world, now);
            *first = Reverse((job.due, at));
        }
    }
}

impl Job {
    /// Starts the run that is due, if it still makes sense, and gives the next moment.
    fn start(&self, world: &Arc<World>, now: Instant) -> Instant {
        let interval = self.entry.check().interval.max(INTERVAL_MIN);
        let missed = now.duration_since(self.due).as_nanos() / interval.as_nanos();
        if missed > 0 {
            // This moment and further ones have passed: the next one is soon enough, and keeps the checks spread.
            let skipped = u64::try_from(missed).unwrap_or(u64::MAX).saturating_add(1);
            world.metrics.runs_skipped(Skip::Late, skipped);
            let ahead = Duration::from_nanos_u128(interval.as_nanos() * (missed + 1));
            return self.due + ahead;
        }
        let next = self.due + interval;
        match Busy::claim(&self.busy) {
            None => world.metrics.runs_skipped(Skip::Late, 1),
            Some(busy) => {
                let run = Run {
                    world: Arc::clone(world),
                    net: Arc::clone(&self.net),
                    entry: Arc::clone(&self.entry),
                    due: self.due,
                    next,
                    _busy: busy,
                };
                tokio::spawn(run.make());
            }
        }
        next
    }
}
