//! Keeps a connection of the HTTP library moving inside the probe's own future, so that nothing has to be spawned.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};

use hyper::client::conn::{http1, http2};
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;

use super::body::Payload;
use super::wire::Wire;
use crate::net::Stamped;

/// What the HTTP library reads from and writes to.
pub(super) type Io = TokioIo<Stamped<Wire>>;

/// A connection that moves when it is polled.
pub(super) enum Drive {
    /// HTTP/1 (RFC 9112).
    Http1(Box<http1::Connection<Io, Payload>>),
    /// HTTP/2 (RFC 9113), whose library wants to spawn.
    Http2(Box<http2::Connection<Io, Payload, Spawner>>, Tasks),
    /// Over.
    Done,
}

impl Drive {
    /// Moves the connection as far as it gets. The error is the one in which the connection ended just now.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Result<(), hyper::Error> {
        match self {
            Self::Http1(connection) => {
                if let Poll::Ready(ended) = Pin::new(connection).poll(cx) {
                    *self = Self::Done;
                    return ended;
                }
            }
            Self::Http2(connection, tasks) => {
                let ended = Pin::new(connection).poll(cx);
                tasks.poll(cx);
                if let Poll::Ready(Err(error)) = ended {
                    *self = Self::Done;
                    return Err(error);
                }
            }
            Self::Done => {}
        }
        Ok(())
    }
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Tasks that the HTTP library wants to run beside its connection.
#[derive(Default)]
pub(super) struct Tasks {
    spawned: Arc<Mutex<Vec<Task>>>,
    running: Vec<Task>,
}

impl Tasks {
    /// What the library spawns with. Tasks hold one, so it must not keep the tasks alive.
    pub(super) fn spawner(&self) -> Spawner {
        Spawner(Arc::downgrade(&self.spawned))
    }

    fn take_spawned(&self) -> Vec<Task> {
        std::mem::take(&mut *self.spawned.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Polls every task once, those too that are spawned meanwhile.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
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
pub(super) struct Spawner(Weak<Mutex<Vec<Task>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Spawner {
    fn execute(&self, future: F) {
        if let Some(spawned) = self.0.upgrade() {
            spawned.lock().unwrap_or_else(PoisonError::into_inner).push(Box::pin(future));
        }
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
        spawner.execute(async move {
            let again = Arc::clone(&held);
            inner.execute(async move {
                std::future::pending::<()>().await;
                drop(again);
            });
            std::future::pending::<()>().await;
            drop(held);
        });
        tasks.poll(&mut Context::from_waker(std::task::Waker::noop()));
        assert_eq!((tasks.running.len(), Arc::strong_count(&kept)), (2, 3));
        drop(tasks);
        assert_eq!(Arc::strong_count(&kept), 1);
        spawner.execute(std::future::pending());
    }
}
