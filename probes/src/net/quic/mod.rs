//! QUIC (RFC 9000): an encrypted connection over datagrams that moves only while its owner polls it.
//!
//! The library wants to spawn what drives a connection. It gets a runtime of its own here, whose tasks live inside the
//! probe's future: when that is dropped, nothing of the connection is left. Knows nothing of what is said over it.

mod judge;
mod socket;
mod watch;

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use quinn::crypto::rustls::{HandshakeData, QuicClientConfig};
use quinn::{AsyncTimer, AsyncUdpSocket, ClientConfig, Connection, Endpoint, EndpointConfig, Runtime, TransportConfig};
use quinn::{ConnectError, VarInt};

use self::socket::Socket;
use self::watch::Watched;
use crate::failure::{Failure, Reason};
use crate::net::tls::TLS;
use crate::net::{CONNECT, Net, Session, Spawner, Stamps, Tasks, Tls};
use crate::recorder::Recorder;

/// What a peer may send unread on a stream and on a connection (RFC 9000 section 4.1), as for HTTP/2.
const WINDOW_BYTES: u32 = 256 << 10;
/// Streams of one direction that a peer may open at once. Chosen: HTTP/3 needs three (RFC 9114 section 6.2), and room
/// for those that mean nothing.
const PEER_STREAMS_MAX: u32 = 8;
/// Said when a connection is left in order: H3_NO_ERROR (RFC 9114 section 8.1), the only protocol spoken over it.
const NO_ERROR: VarInt = VarInt::from_u32(0x100);

/// A connection with everything that moves it. Says goodbye when dropped.
pub(crate) struct Quic {
    pub(crate) connection: Connection,
    tasks: Tasks,
    socket: Arc<Socket>,
    /// Keeps the connection's driver from ending early.
    _endpoint: Endpoint,
}

impl Quic {
    /// Moves the connection as far as it gets.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Result<(), Failure> {
        self.tasks.poll(cx);
        self.socket.check()
    }

    /// When bytes came, and how many: datagrams with all that is around their content.
    pub(crate) fn stamps(&self) -> &Stamps {
        self.socket.stamps()
    }

    /// What the end of the connection means, if the peer or the network ended it.
    pub(crate) fn end(&self) -> Option<Failure> {
        self.connection.close_reason().and_then(|error| judge::end(&error))
    }
}

impl Drop for Quic {
    fn drop(&mut self) {
        // Without a runtime, or on the way out of a panic, the peer finds out by itself.
        if tokio::runtime::Handle::try_current().is_ok() && !std::thread::panicking() {
            self.connection.close(NO_ERROR, b"");
            self.tasks.poll(&mut Context::from_waker(Waker::noop()));
        }
    }
}

impl Tls {
    /// Opens a connection. In phase [`CONNECT`] until the peer's first datagram, then in phase [`TLS`] until the
    /// handshake is over. `name` is as for [`Self::handshake`].
    pub(crate) async fn quic(
        &self,
        net: &Net,
        recorder: &mut Recorder,
        peer: SocketAddr,
        name: &str,
    ) -> Result<(Quic, Session), Failure> {
        recorder.enter(CONNECT);
        let (config, server_name, verifier) = self.client(net, recorder, name)?;
        let suite = Arc::new(AtomicU16::new(0));
        let config = QuicClientConfig::try_from(config)
            .map_err(|_| Failure::new(Reason::ConfigUnusable, "tls_config: QUIC needs TLS 1.3"))?;
        let mut config = ClientConfig::new(Arc::new(Watched::new(config, Arc::clone(&suite))));
        config.transport_config(Arc::new(transport()));
        let socket = Arc::new(Socket::new(net.udp(peer, None).await?, peer, net.watch()));
        let mut tasks = Tasks::default();
        let (io, runtime) = (Arc::<Socket>::clone(&socket), Arc::new(Inside(tasks.spawner())));
        let endpoint = Endpoint::new_with_abstract_socket(EndpointConfig::default(), None, io, runtime)
            .map_err(|error| Failure::io("cannot open a socket", &error))?;
        let connecting =
            endpoint.connect_with(config, peer, &server_name.to_str()).map_err(|error| unusable(&error))?;
        let mut connecting = pin!(connecting);
        let mut has_answered = false;
        let ended = poll_fn(|cx| {
            tasks.poll(cx);
            if !has_answered && let Some(at) = socket.stamps().first_read() {
                has_answered = true;
                recorder.enter_at(TLS, at);
                recorder.note(format_args!("{peer} answers over QUIC"));
            }
            if let Err(failure) = socket.check() {
                return Poll::Ready(Err(failure));
            }
            connecting.as_mut().poll(cx).map(Ok)
        });
        let ended = ended.await;
        let seen = verifier.take_seen();
        seen.read(recorder);
        let connection = ended?.map_err(|error| judge::handshake(&error, &seen))?;
        self.judge_revocation(net, recorder, &seen)?;
        let agreed = connection.handshake_data().and_then(|data| data.downcast::<HandshakeData>().ok());
        let session = Session::of_quic(suite.load(Ordering::Relaxed), agreed.and_then(|data| data.protocol), seen);
        recorder.note(format_args!("{} with {}", session.version, session.cipher));
        Ok((Quic { connection, tasks, socket, _endpoint: endpoint }, session))
    }
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport.stream_receive_window(VarInt::from_u32(WINDOW_BYTES)).receive_window(VarInt::from_u32(WINDOW_BYTES));
    transport.max_concurrent_uni_streams(VarInt::from_u32(PEER_STREAMS_MAX));
    transport.max_concurrent_bidi_streams(VarInt::from_u32(0));
    transport.datagram_receive_buffer_size(None);
    // The probe's deadline is what ends a silence.
    transport.max_idle_timeout(None);
    transport
}

fn unusable(error: &ConnectError) -> Failure {
    Failure::new(Reason::ConfigUnusable, format_args!("QUIC: {error}"))
}

/// A runtime whose tasks the probe keeps.
#[derive(Debug)]
struct Inside(Spawner);

impl Runtime for Inside {
    fn new_timer(&self, at: Instant) -> Pin<Box<dyn AsyncTimer>> {
        Box::pin(tokio::time::sleep_until(at.into()))
    }

    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        self.0.spawn(future);
    }

    fn wrap_udp_socket(&self, _: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        // Only for sockets that the library opens, and it opens none.
        Err(io::ErrorKind::Unsupported.into())
    }
}
