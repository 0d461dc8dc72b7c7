//! A socket that speaks with one peer, as the QUIC library wants it.

use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::net::UdpSocket;

use crate::failure::Failure;
use crate::net::Stamps;
use crate::watch::Watch;

/// A socket that speaks with one peer. One datagram at a time: a probe has few.
#[derive(Debug)]
pub(super) struct Socket {
    io: UdpSocket,
    peer: SocketAddr,
    stamps: Stamps,
    /// `None`: the run may receive as much as it likes.
    watch: Option<Arc<Watch>>,
    /// What the network last said of the peer. The library is not told: it would take it for its own socket's end.
    trouble: Mutex<Option<io::Error>>,
}

impl Socket {
    pub(super) fn new(io: UdpSocket, peer: SocketAddr, watch: Option<Arc<Watch>>) -> Self {
        Self { io, peer, stamps: Stamps::new(), watch, trouble: Mutex::default() }
    }

    pub(super) const fn stamps(&self) -> &Stamps {
        &self.stamps
    }

    /// Whether the network has said that the peer cannot be reached.
    pub(super) fn check(&self) -> Result<(), Failure> {
        match &*self.trouble.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(Failure::io(&format!("cannot reach {}", self.peer), error)),
            None => Ok(()),
        }
    }

    fn note(&self, error: io::Error) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Writable(self))
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        match self.io.try_send(transmit.contents) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
            Err(error) => {
                self.note(error);
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let (Some(buffer), Some(meta)) = (buffers.first_mut(), meta.first_mut()) else { return Poll::Ready(Ok(0)) };
        loop {
            ready!(self.io.poll_recv_ready(cx))?;
            match self.io.try_recv(buffer) {
                Ok(bytes) => {
                    self.stamps.saw(bytes);
                    if self.watch.as_ref().is_some_and(|watch| !watch.receive(bytes)) {
                        // The run is over: whoever polled it sees that next.
                        return Poll::Pending;
                    }
                    *meta = RecvMeta { addr: self.peer, len: bytes, stride: bytes, ecn: None, dst_ip: None };
                    return Poll::Ready(Ok(1));
                }
                // The next look at readiness waits.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => self.note(error),
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }
}

/// Waits until datagrams can be sent.
#[derive(Debug)]
struct Writable(Arc<Socket>);

impl UdpPoller for Writable {
    fn poll_writable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.io.poll_send_ready(cx)
    }
}
