//! A peer that follows a script.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

/// Longest line a peer listens to.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// One thing a peer does.
#[derive(Debug, Clone)]
pub enum Act {
    /// Sends these bytes.
    Say(Vec<u8>),
    /// Reads until this text was heard; closes if it was not heard before the end.
    Hear(String),
    /// Sends these bytes one at a time with a pause before each.
    Trickle(Vec<u8>, Duration),
    /// Sends this byte until the other side closes.
    Flood(u8),
    /// Takes a TLS handshake and goes on encrypted.
    StartTls(Arc<ServerConfig>),
    /// Carries everything to another server and back: what a tunnel does.
    Relay(SocketAddr),
    /// Reads and forgets until the other side closes.
    HearNothingMore,
    /// Does nothing until the other side closes.
    WaitForEver,
    /// Closes.
    Close,
    /// Closes with a reset.
    Reset,
}

/// Sends text.
pub fn say(text: impl Into<Vec<u8>>) -> Act {
    Act::Say(text.into())
}

/// Waits for text.
pub fn hear(text: impl Into<String>) -> Act {
    Act::Hear(text.into())
}

/// Sends text one byte at a time.
pub fn trickle(text: impl Into<Vec<u8>>, pause: Duration) -> Act {
    Act::Trickle(text.into(), pause)
}

/// Sends one byte for ever.
pub const fn flood(byte: u8) -> Act {
    Act::Flood(byte)
}

/// Goes on encrypted.
pub const fn starttls(config: Arc<ServerConfig>) -> Act {
    Act::StartTls(config)
}

/// Carries everything to another server and back.
pub const fn relay(to: SocketAddr) -> Act {
    Act::Relay(to)
}

/// Listens without an answer until the other side closes.
pub const fn hear_nothing_more() -> Act {
    Act::HearNothingMore
}

/// Stands still until the other side closes.
pub const fn wait_for_ever() -> Act {
    Act::WaitForEver
}

/// Closes.
pub const fn close() -> Act {
    Act::Close
}

/// Closes with a reset.
pub const fn reset() -> Act {
    Act::Reset
}

/// A server that plays the same script for every connection, on a loopback port of its own. Gone when dropped.
#[derive(Debug)]
pub struct Peer {
    address: SocketAddr,
    script: Arc<Mutex<Vec<Act>>>,
    heard: Arc<Mutex<Vec<u8>>>,
    task: JoinHandle<()>,
}

impl Peer {
    /// Starts a peer on 127.0.0.1.
    pub async fn play(script: Vec<Act>) -> Self {
        Self::play_on(SocketAddr::from(([127, 0, 0, 1], 0)), script).await
    }

    /// Starts a peer on another loopback address, for hosts that share a port.
    pub async fn play_on(address: SocketAddr, script: Vec<Act>) -> Self {
        let listener = TcpListener::bind(address).await.expect("a loopback port");
        let address = listener.local_addr().expect("an address");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ear = Arc::clone(&heard);
        let script = Arc::new(Mutex::new(script));
        let played = Arc::clone(&script);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).expect("TCP_NODELAY");
                let script = played.lock().unwrap_or_else(PoisonError::into_inner).clone();
                tokio::spawn(perform(stream, script, Arc::clone(&ear)));
            }
        });
        Self { address, script, heard, task }
    }

    /// Plays another script for connections from now on.
    pub fn now_plays(&self, script: Vec<Act>) {
        *self.script.lock().unwrap_or_else(PoisonError::into_inner) = script;
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything heard until now on all connections.
    pub fn heard(&self) -> Vec<u8> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A port on which nobody listens, and nobody will: it stays taken until the process ends.
    pub async fn closed_port() -> SocketAddr {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a loopback port");
        let address = socket.local_addr().expect("an address");
        // Otherwise the system may give the port to the next server of a test.
        std::mem::forget(socket);
        address
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A stream of bytes in both directions.
trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

enum Wire {
    Plain(TcpStream),
    /// One channel, or one within another.
    Tls(Box<dyn Duplex>),
}

impl Wire {
    async fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer).await,
            Self::Tls(stream) => stream.read(buffer).await,
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(bytes).await,
            Self::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
        }
    }
}

/// Plays the script; a dead connection ends it early, which the test sees on its own side.
async fn perform(stream: TcpStream, script: Vec<Act>, ear: Arc<Mutex<Vec<u8>>>) {
    let mut wire = Wire::Plain(stream);
    let mut pending = Vec::new();
    for act in script {
        match act {
            Act::Say(bytes) => {
                if wire.write(&bytes).await.is_err() {
                    return;
                }
            }
            Act::Trickle(bytes, pause) => {
                for byte in bytes {
                    tokio::time::sleep(pause).await;
                    if wire.write(&[byte]).await.is_err() {
                        return;
                    }
                }
            }
            Act::Flood(byte) => {
                let block = vec![byte; 16 * 1024];
                while wire.write(&block).await.is_ok() {}
                return;
            }
            Act::Hear(text) => {
                let mut buffer = [0; 4096];
                while !contains(&pending, text.as_bytes()) {
                    match wire.read(&mut buffer).await {
                        Ok(read) if read > 0 && pending.len() < LINE_BYTES_MAX => {
                            ear.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..read]);
                            pending.extend_from_slice(&buffer[..read]);
                        }
                        _ => return,
                    }
                }
                pending.clear();
            }
            Act::StartTls(config) => {
                let stream: Box<dyn Duplex> = match wire {
                    Wire::Plain(stream) => Box::new(stream),
                    Wire::Tls(stream) => stream,
                };
                match tokio_rustls::TlsAcceptor::from(config).accept(stream).await {
                    Ok(stream) => wire = Wire::Tls(Box::new(stream)),
                    Err(_) => return,
                }
            }
            Act::Relay(to) => {
                let Ok(mut far) = TcpStream::connect(to).await else { return };
                // Whichever side ends it, the test sees it on its own.
                let _ = match &mut wire {
                    Wire::Plain(near) => tokio::io::copy_bidirectional(near, &mut far).await,
                    Wire::Tls(near) => tokio::io::copy_bidirectional(near, &mut far).await,
                };
                return;
            }
            Act::HearNothingMore | Act::WaitForEver => {
                let mut buffer = [0; 4096];
                while matches!(wire.read(&mut buffer).await, Ok(read) if read > 0) {}
                return;
            }
            Act::Close => return,
            Act::Reset => {
                if let Wire::Plain(stream) = &wire {
                    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).expect("SO_LINGER");
                }
                return;
            }
        }
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    needle.is_empty() || haystack.windows(needle.len()).any(|window| window == needle)
}
