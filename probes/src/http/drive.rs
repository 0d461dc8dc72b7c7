//! Keeps a connection of the HTTP library moving inside the probe's own future, so that nothing has to be spawned.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::client::conn::{http1, http2};
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;

use super::body::Payload;
use super::wire::Wire;
use crate::net::{Spawner, Stamped, Tasks};

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

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Spawner {
    fn execute(&self, future: F) {
        self.spawn(Box::pin(future));
    }
}
