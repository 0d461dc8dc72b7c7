//! Keeps what a library wants to spawn inside the probe's own future, so that nothing outlives it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::Context;

/// What a library spawns.
pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Tasks that a library wants to run beside its connection.
#[derive(Default)]
pub(crate) struct Tasks {
    spawned: Arc<Mutex<Vec<Task>>>,
    running: Vec<Task>,
}

impl Tasks {
    /// What the library spawns with. Tasks hold one, so it must not keep the tasks alive.
    pub(crate) fn spawner(&self) -> Spawner {
        Spawner(Arc::downgrade(&self.spawned))
    }

    fn take_spawned(&self) -> Vec<Task> {
        std::mem::take(&mut *self.spawned.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Polls every task once, those too that are spawned meanwhile.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) {
        let is_pending = |task: &mut Task, cx: &mut Context<'_>| task.as_mut().poll(cx).is_pending();
        self.running.retain_mut(|task| is_pending(task, cx));
        loop {
            let mut fresh = self.take_spawned();
            if fresh.is_empty() {
                return;
            }
            fresh.retain_mut(|task| is_pending(task, cx));
            self.running.append(&mut fresh);
        }
    }
}

/// Puts tasks where [`Tasks`] finds them.
#[derive(Clone)]
pub(crate) struct Spawner(Weak<Mutex<Vec<Task>>>);

impl Spawner {
    /// Hands a task to its keeper; drops it if that is gone.
    pub(crate) fn spawn(&self, task: Task) {
        if let Some(spawned) = self.0.upgrade() {
            spawned.lock().unwrap_or_else(PoisonError::into_inner).push(task);
        }
    }
}

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spawner")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_end_with_their_keeper_though_they_hold_a_spawner() {
        let kept = Arc::new(());
        let mut tasks = Tasks::default();
        let (spawner, held) = (tasks.spawner(), Arc::clone(&kept));
        let inner = spawner.clone();
        spawner.spawn(Box::pin(async move {
            let again = Arc::clone(&held);
            inner.spawn(Box::pin(async move {
                std::future::pending::<()>().await;
                drop(again);
            }));
            std::future::pending::<()>().await;
            drop(held);
        }));
        tasks.poll(&mut Context::from_waker(std::task::Waker::noop()));
        assert_eq!((tasks.running.len(), Arc::strong_count(&kept)), (2, 3));
        drop(tasks);
        assert_eq!(Arc::strong_count(&kept), 1);
        spawner.spawn(Box::pin(std::future::pending()));
    }
}
