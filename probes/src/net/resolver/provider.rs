//! hickory's sockets, and why one could not be had: hickory itself only says that there is no connection.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use hickory_resolver::net::runtime::{RuntimeProvider, TokioRuntimeProvider};

type Making<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

/// Makes sockets and remembers why it could not.
#[derive(Clone, Default)]
pub(super) struct Provider {
    tokio: TokioRuntimeProvider,
    /// The system's number of the last error, or zero.
    failed: Arc<AtomicI32>,
}

impl Provider {
    /// Why no socket could be had last, if that ever happened.
    pub(super) fn last_failure(&self) -> Option<io::Error> {
        match self.failed.load(Ordering::Relaxed) {
            0 => None,
            number => Some(io::Error::from_raw_os_error(number)),
        }
    }

    fn remembering<T: 'static>(&self, making: Making<T>) -> Making<T> {
        let failed = Arc::clone(&self.failed);
        Box::pin(async move {
            making.await.inspect_err(|error| failed.store(error.raw_os_error().unwrap_or(0), Ordering::Relaxed))
        })
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
