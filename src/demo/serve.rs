//! Serving a part over TCP: listening while it is not down.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use crate::demo::town::{Fault, Part, Town};

/// Most connections of one part at once. Chosen: the demo's own probes and a curious person.
const CONNECTIONS_MAX: usize = 64;
/// Longest time a connection may last. Chosen: longer than any of the demo's probes.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(30);
/// Longest line a part reads in bytes (RFC 5321 section 4.5.3.1.6, twice over).
const LINE_BYTES_MAX: u64 = 2048;

/// Listens on a free loopback port and answers each connection, except while the part is down.
pub(super) async fn part<A, F>(town: &Town, part: Part, answer: A) -> io::Result<SocketAddr>
where
    A: Fn(Conversation) -> F + Send + Sync + 'static,
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (town, mut faults) = (town.clone(), town.watch(part));
    tokio::spawn(async move {
        let mut listener = Some(listener);
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            if town.fault(part) == Some(Fault::Down) {
                listener = None;
                if faults.wait_for(|fault| *fault != Some(Fault::Down)).await.is_err() {
                    return;
                }
            }
            let open = match listener.take() {
                Some(open) => open,
                None => match listen_again(address).await {
                    Some(open) => open,
                    None => continue,
                },
            };
            tokio::select! {
                accepted = open.accept() => {
                    if let (Ok((stream, _)), Ok(permit)) = (accepted, Arc::clone(&room).try_acquire_owned()) {
                        let answered = answer(Conversation::new(stream, faults.clone()));
                        tokio::spawn(async move {
                            // A guest who leaves early is no concern of the town.
                            let _ = tokio::time::timeout(CONNECTION_TIME_MAX, answered).await;
                            drop(permit);
                        });
                    }
                }
                changed = faults.changed() => if changed.is_err() { return },
            }
            listener = Some(open);
        }
    });
    Ok(address)
}

/// Takes the port of before again; somebody else may have it for a moment.
async fn listen_again(address: SocketAddr) -> Option<TcpListener> {
    match TcpListener::bind(address).await {
        Ok(listener) => Some(listener),
        Err(error) => {
            tracing::warn!(%address, %error, "the town cannot listen again yet");
            tokio::time::sleep(Duration::from_secs(1)).await;
            None
        }
    }
}

/// A line-by-line conversation with a guest.
pub(super) struct Conversation {
    stream: BufReader<TcpStream>,
    faults: watch::Receiver<Option<Fault>>,
}

impl Conversation {
    fn new(stream: TcpStream, faults: watch::Receiver<Option<Fault>>) -> Self {
        // A lost option costs latency only.
        let _ = stream.set_nodelay(true);
        Self { stream: BufReader::new(stream), faults }
    }

    /// What is wrong now.
    pub(super) fn fault(&self) -> Option<Fault> {
        *self.faults.borrow()
    }

    /// Says nothing for as long as the part is silent.
    pub(super) async fn while_silent(&mut self) -> io::Result<()> {
        let spoke = self.faults.wait_for(|fault| *fault != Some(Fault::Silent)).await;
        spoke.map(drop).map_err(|_| io::ErrorKind::ConnectionAborted.into())
    }

    pub(super) async fn say(&mut self, text: &str) -> io::Result<()> {
        self.stream.get_mut().write_all(text.as_bytes()).await
    }

    /// The next line without its end; nothing at the end of the conversation.
    pub(super) async fn hear(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        let heard = (&mut self.stream).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await?;
        if heard == 0 {
            return Ok(None);
        }
        if !line.ends_with(b"\n") {
            return Err(io::Error::other("line too long or cut"));
        }
        Ok(Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned()))
    }

    /// Waits until the guest says something, or takes leave.
    pub(super) async fn arrives(&mut self) -> io::Result<()> {
        self.stream.fill_buf().await.map(drop)
    }
}
