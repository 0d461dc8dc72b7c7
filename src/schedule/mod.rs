//! The queue of next starts: every check at its own steady moment of each interval. Knows no text format and no page.
//!
//! A check's moments lie on a grid: whole intervals since 1970 plus an offset that is a hash of the check's identity. So
//! checks are spread evenly, and keep their moments over reloads and restarts. Moments that passed while the machine slept
//! are counted, not made up for.

mod gate;
mod grid;
mod queue;
mod run;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tuermer_probes::net::Net;

pub use gate::{Gate, Pass};

use crate::agent_metrics::AgentMetrics;
use crate::plan::Plan;
use crate::store::Store;
use queue::{Orders, Queue};
use run::World;

/// The queue of next starts, from outside. The queue itself is a task of the runtime in which this was made.
#[derive(Debug)]
pub struct Schedule {
    store: Arc<Store>,
    gate: Gate,
    orders: mpsc::UnboundedSender<Orders>,
    /// Closed once the queue and every run it started have ended.
    ended: mpsc::Receiver<()>,
}

impl Schedule {
    /// Starts an empty queue in the present runtime, the one in which probes shall run.
    pub fn start(store: Arc<Store>, metrics: Arc<AgentMetrics>, gate: Gate) -> Self {
        Self::start_at(SystemTime::now(), store, metrics, gate)
    }

    /// As [`Self::start`], with the wall clock showing `wall`.
    fn start_at(wall: SystemTime, store: Arc<Store>, metrics: Arc<AgentMetrics>, gate: Gate) -> Self {
        let (orders, received) = mpsc::unbounded_channel();
        let (alive, ended) = mpsc::channel(1);
        let world = World { store: Arc::clone(&store), metrics, gate: gate.clone(), _alive: alive };
        tokio::spawn(Queue::new(world, wall).serve(received));
        Self { store, gate, orders, ended }
    }

    /// Takes over a plan's checks, also into the store, and its limit. Unchanged checks keep their rhythm. Runs going on
    /// end with the settings they began with; their reports are dropped if their check has changed or is gone.
    pub fn apply(&self, plan: &Plan, net: Net) {
        self.gate.resize(plan.agent.runs_in_flight_max);
        let entries = self.store.apply(plan);
        // Fails only if the runtime of the queue is gone, and then nothing can be scheduled.
        let _ = self.orders.send(Orders { entries, net: Arc::new(net) });
    }

    /// Starts no more runs and waits for those going on, at most `grace`. True if all of them ended.
    pub async fn shutdown(self, grace: Duration) -> bool {
        let Self { orders, mut ended, .. } = self;
        drop(orders);
        tokio::time::timeout(grace, ended.recv()).await.is_ok()
    }
}
