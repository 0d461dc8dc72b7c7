//! hickory's sockets, and why one could not be had: hickory itself only says that there is no connection.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::time::Duration;

use hickory_resolver::net::runtime::{RuntimeProvider, TokioRuntimeProvider};

type Making<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

/// Makes sockets and remembers why it could not.
#[derive(Clone, Default)]
pub(super) struct Provider {
    tokio: TokioRuntimeProvider,
    failed: Arc<Failed>,
}

#[derive(Debug, Default)]
struct Failed {
    times: AtomicU64,
    /// The system's number of the last error.
    number: AtomicI32,
}

impl Failed {
    fn remember(&self, error: &io::Error) {
        if let Some(number) = error.raw_os_error() {
            self.number.store(number, Ordering::Relaxed);
            self.times.fetch_add(1, Ordering::Release);
        }
    }
}

impl Provider {
    /// How often no socket could be had.
    pub(super) fn failures(&self) -> u64 {
        self.failed.times.load(Ordering::Acquire)
    }

    /// Why no socket could be had last, if that was after so many failures.
    pub(super) fn failure_since(&self, failures: u64) -> Option<io::Error> {
        (self.failures() > failures).then(|| io::Error::from_raw_os_error(self.failed.number.load(Ordering::Relaxed)))
    }

    fn remembering<T: 'static>(&self, making: Making<T>) -> Making<T> {
        let failed = Arc::clone(&self.failed);
        Box::pin(async move { making.await.inspect_err(|error| failed.remember(error)) })
    }
}

impl RuntimeProvider for Provider {
    type Handle = <TokioRuntimeProvider as RuntimeProvider>::Handle;
    type Timer = <TokioRuntimeProvider as RuntimeProvider>::Timer;
    type Udp = <TokioRuntimeProvider as RuntimeProvider>::Udp;
    type Tcp = <TokioRuntimeProvider as RuntimeProvider>::Tcp;

    fn create_handle(&self) -> Self::Handle {
        self.tokio.create_handle()
    }

    fn connect_tcp(
        &self,
        server: SocketAddr,
        local: Option<SocketAddr>,
        patience: Option<Duration>,
    ) -> Making<Self::Tcp> {
        self.remembering(self.tokio.connect_tcp(server, local, patience))
    }

    fn bind_udp(&self, local: SocketAddr, server: SocketAddr) -> Making<Self::Udp> {
        self.remembering(self.tokio.bind_udp(local, server))
    }
}
