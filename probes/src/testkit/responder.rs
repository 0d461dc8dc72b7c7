//! A peer that answers each message on its own: over UDP, over TCP with a length before each message, or both.
//!
//! Knows no protocol: what to say is a closure's business. The length is two bytes, the high one first, as in DNS
//! (RFC 1035 section 4.2.2).

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinHandle;

/// What to say to a message: any number of messages.
type Answer = dyn Fn(&[u8]) -> Vec<Vec<u8>> + Send + Sync;

/// Largest message a responder hears.
const MESSAGE_BYTES_MAX: usize = 65_535;

/// How often a pair of equal UDP and TCP ports is looked for.
const PAIR_TRIES_MAX: usize = 100;

/// A server that answers messages, on a loopback port of its own. Gone when dropped.
pub struct Responder {
    address: SocketAddr,
    heard: Heard,
    /// What was heard over TCP by a responder for both.
    over_tcp: Option<Heard>,
    tasks: Vec<JoinHandle<()>>,
}

type Heard = Arc<Mutex<Vec<Vec<u8>>>>;

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Responder").field(&self.address).finish()
    }
}

impl Responder {
    /// Answers datagrams.
    pub async fn udp(answer: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + Sync + 'static) -> Self {
        Self::of_socket(UdpSocket::bind("127.0.0.1:0").await.expect("a loopback port"), Arc::new(answer))
    }

    /// Answers messages on TCP connections.
    pub async fn tcp(answer: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        Self::of_listener(listener, None, Arc::new(answer))
    }

    /// Answers messages on TCP connections that begin with a TLS handshake.
    pub async fn tls(
        config: Arc<ServerConfig>,
        answer: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        Self::of_listener(listener, Some(config), Arc::new(answer))
    }

    /// Answers on one port over UDP and over TCP, each in its own way.
    pub async fn udp_and_tcp(
        over_udp: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + Sync + 'static,
        over_tcp: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        for _ in 0..PAIR_TRIES_MAX {
            let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a loopback port");
            // Somebody else may have the port of this number on the other side: then the next pair.
            if let Ok(listener) = TcpListener::bind(socket.local_addr().expect("an address")).await {
                let mut udp = Self::of_socket(socket, Arc::new(over_udp));
                let mut tcp = Self::of_listener(listener, None, Arc::new(over_tcp));
                udp.tasks.append(&mut tcp.tasks);
                udp.over_tcp = Some(Arc::clone(&tcp.heard));
                return udp;
            }
        }
        panic!("no pair of equal ports in {PAIR_TRIES_MAX} tries");
    }

    fn of_socket(socket: UdpSocket, answer: Arc<Answer>) -> Self {
        let address = socket.local_addr().expect("an address");
        let heard = Heard::default();
        let task = tokio::spawn(answer_datagrams(socket, answer, Arc::clone(&heard)));
        Self { address, heard, over_tcp: None, tasks: vec![task] }
    }

    fn of_listener(listener: TcpListener, config: Option<Arc<ServerConfig>>, answer: Arc<Answer>) -> Self {
        let address = listener.local_addr().expect("an address");
        let heard = Heard::default();
        let ear = Arc::clone(&heard);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, config.clone(), Arc::clone(&answer), Arc::clone(&ear)));
            }
        });
        Self { address, heard, over_tcp: None, tasks: vec![task] }
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every message heard until now; of a responder for both, those over UDP.
    pub fn heard(&self) -> Vec<Vec<u8>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Of a responder for both, every message heard over TCP until now.
    pub fn heard_over_tcp(&self) -> Vec<Vec<u8>> {
        let heard = self.over_tcp.as_ref().expect("a responder for both");
        heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

fn note(heard: &Heard, message: &[u8]) {
    heard.lock().unwrap_or_else(PoisonError::into_inner).push(message.to_vec());
}

async fn answer_datagrams(socket: UdpSocket, answer: Arc<Answer>, heard: Heard) {
    let mut buffer = vec![0; MESSAGE_BYTES_MAX];
    loop {
        // An error here tells of an earlier datagram that nobody took.
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
        note(&heard, &buffer[..length]);
        for message in answer(&buffer[..length]) {
            socket.send_to(&message, from).await.expect("loopback takes the datagram");
        }
    }
}

async fn converse(stream: TcpStream, config: Option<Arc<ServerConfig>>, answer: Arc<Answer>, heard: Heard) {
    stream.set_nodelay(true).expect("TCP_NODELAY");
    match config {
        None => answer_frames(stream, answer, heard).await,
        Some(config) => {
            if let Ok(stream) = tokio_rustls::TlsAcceptor::from(config).accept(stream).await {
                answer_frames(stream, answer, heard).await;
            }
        }
    }
}

/// Answers until the other side closes or breaks off.
async fn answer_frames(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: Arc<Answer>, heard: Heard) {
    while let Ok(length) = stream.read_u16().await {
        let mut message = vec![0; usize::from(length)];
        if stream.read_exact(&mut message).await.is_err() {
            return;
        }
        note(&heard, &message);
        for answer in answer(&message) {
            let length = u16::try_from(answer.len()).expect("a message fits its length");
            let frame = [&length.to_be_bytes()[..], &answer].concat();
            if stream.write_all(&frame).await.is_err() || stream.flush().await.is_err() {
                return;
            }
        }
    }
}
