//! What a run is watched by from outside: until when what it does at present must be over, and how much it may receive.
//!
//! Shared by the run's notebook, which knows what is being done, by its connections, which know what arrives, and by the
//! one that ends the run. Only runs of modules with `limits` or of several addresses have one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// No limit.
const NEVER: u64 = u64::MAX;

/// What a run is watched by.
#[derive(Debug)]
pub(crate) struct Watch {
    origin: Instant,
    /// Nanoseconds after `origin` when what is going on must be over.
    until: AtomicU64,
    received: AtomicU64,
    received_max: u64,
}

impl Watch {
    /// A watch over a run that began at `origin`.
    pub(crate) fn new(origin: Instant, received_max: Option<u64>) -> Self {
        let received_max = received_max.unwrap_or(NEVER);
        Self { origin, until: AtomicU64::new(NEVER), received: AtomicU64::new(0), received_max }
    }

    /// What begins now must be over then.
    pub(crate) fn expect_until(&self, until: Option<Instant>) {
        let nanos = |until: Instant| u64::try_from((until - self.origin).as_nanos()).unwrap_or(NEVER);
        self.until.store(until.map_or(NEVER, nanos), Ordering::Relaxed);
    }

    /// When what is going on must be over.
    pub(crate) fn until(&self) -> Option<Instant> {
        match self.until.load(Ordering::Relaxed) {
            NEVER => None,
            nanos => self.origin.checked_add(Duration::from_nanos(nanos)),
        }
    }

    /// Counts what arrived. False if it is more than may: then nobody shall see it.
    pub(crate) fn receive(&self, bytes: usize) -> bool {
        let before = self.received.fetch_add(bytes as u64, Ordering::Relaxed);
        before.saturating_add(bytes as u64) <= self.received_max
    }

    /// The limit, if more than that arrived.
    pub(crate) fn exceeded(&self) -> Option<u64> {
        (self.received.load(Ordering::Relaxed) > self.received_max).then_some(self.received_max)
    }
}
