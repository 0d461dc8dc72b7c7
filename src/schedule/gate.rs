//! How many runs may go on at once.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// How many runs may go on at once, scheduled and on demand together. Clones are the same gate.
#[derive(Debug, Clone)]
pub struct Gate(Arc<ArcSwap<Permits>>);

#[derive(Debug)]
struct Permits {
    runs_max: usize,
    semaphore: Arc<Semaphore>,
}

impl Permits {
    fn new(runs_max: usize) -> Self {
        let semaphore = Semaphore::new(runs_max.clamp(1, Semaphore::MAX_PERMITS));
        Self { runs_max, semaphore: Arc::new(semaphore) }
    }
}

/// The right to one run, as long as it lives.
#[derive(Debug)]
pub struct Pass {
    _permit: OwnedSemaphorePermit,
}

impl Gate {
    /// A gate for so many runs, at least one.
    pub fn new(runs_max: usize) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(Permits::new(runs_max))))
    }

    /// Lets so many runs go on from now. If that is a change, runs that are going on do not count against it.
    pub fn resize(&self, runs_max: usize) {
        if self.0.load().runs_max != runs_max {
            self.0.store(Arc::new(Permits::new(runs_max)));
        }
    }

    /// The right to a run, waiting in line until `deadline`.
    pub async fn enter(&self, deadline: Instant) -> Option<Pass> {
        let semaphore = Arc::clone(&self.0.load().semaphore);
        let permit = match Arc::clone(&semaphore).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => timeout_at(deadline, semaphore.acquire_owned()).await.ok()?.ok()?,
        };
        Some(Pass { _permit: permit })
    }

    /// Lets nobody in any more.
    pub(super) fn close(&self) {
        self.0.load().semaphore.close();
    }
}
