//! TLS on a connection, before its first request.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::web::guard::Guard;
use crate::web::patience::Patient;

/// Longest time from a connection to the end of its handshake. Chosen: several lost packets on a far way.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);
/// Most handshakes at once. Chosen: each takes tens of kilobytes.
const HANDSHAKES_MAX: usize = 512;
/// First byte of a TLS handshake (RFC 8446 section 5.1).
const HANDSHAKE: u8 = 22;
/// A fatal alert "internal error" (RFC 8446 section 6).
const INTERNAL_ERROR: &[u8] = &[21, 3, 3, 0, 2, 2, 80];
/// What a client hears that speaks HTTP where TLS is served: Go's words.
const NOT_TLS: &[u8] = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
/// Most bytes of such a request that are taken in. Chosen: as much as a head may have.
const NOT_TLS_BYTES_MAX: u64 = 32 * 1024;

/// Makes a connection secure; `None` if it ended otherwise.
pub(super) async fn secured(
    stream: TcpStream,
    guard: &Guard,
    handshakes: &Handshakes,
) -> Option<TlsStream<Patient<TcpStream>>> {
    let made = tokio::time::timeout(HANDSHAKE_TIME_MAX, handshake(stream, guard, handshakes)).await;
    match made {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(%error, "no TLS with a client");
            None
        }
        Err(_) => None,
    }
}

async fn handshake(
    mut stream: TcpStream,
    guard: &Guard,
    handshakes: &Handshakes,
) -> io::Result<Option<TlsStream<Patient<TcpStream>>>> {
    // Before it has a place among the others: who says nothing needs none.
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Ok(None);
    }
    if first[0].is_ascii_alphabetic() {
        return not_tls(stream).await.map(|()| None);
    }
    if first[0] != HANDSHAKE {
        return Ok(None);
    }
    let Ok(config) = guard.tls() else {
        stream.write_all(INTERNAL_ERROR).await?;
        return Ok(None);
    };
    let turn = handshakes.begin();
    tokio::select! {
        made = TlsAcceptor::from(config).accept(Patient::new(stream)) => made.map(Some),
        () = turn.lost() => Ok(None),
    }
}

/// The handshakes that go on. Where there are too many, a new one takes the place of the oldest: who shakes hands
/// promptly is done before many others have begun, and who does not keeps nobody out.
#[derive(Debug, Default)]
pub(super) struct Handshakes(Mutex<VecDeque<Arc<Notify>>>);

impl Handshakes {
    fn begin(&self) -> Turn<'_> {
        let turn = Arc::new(Notify::new());
        let mut all = self.all();
        if all.len() >= HANDSHAKES_MAX
            && let Some(oldest) = all.pop_front()
        {
            oldest.notify_one();
        }
        all.push_back(Arc::clone(&turn));
        Turn { turn, all: self }
    }

    fn all(&self) -> MutexGuard<'_, VecDeque<Arc<Notify>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the handshakes that go on, until it is dropped or lost.
struct Turn<'h> {
    turn: Arc<Notify>,
    all: &'h Handshakes,
}

impl Turn<'_> {
    async fn lost(&self) {
        self.turn.notified().await;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut all = self.all.all();
        // From the back: most are done soon after they began.
        if let Some(at) = all.iter().rposition(|turn| Arc::ptr_eq(turn, &self.turn)) {
            all.remove(at);
        }
    }
}

async fn not_tls(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(NOT_TLS).await?;
    stream.shutdown().await?;
    // Closed with bytes unread, the connection would be reset and the answer lost.
    tokio::io::copy(&mut stream.take(NOT_TLS_BYTES_MAX), &mut tokio::io::sink()).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future as _;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    /// Whether a place is lost, asked without waiting.
    fn is_lost(turn: &Turn<'_>) -> bool {
        matches!(pin!(turn.lost()).poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(()))
    }

    #[test]
    fn the_oldest_handshake_makes_room_for_a_new_one() {
        let handshakes = Handshakes::default();
        let mut turns: Vec<_> = (0..HANDSHAKES_MAX).map(|_| handshakes.begin()).collect();
        assert!(!turns.iter().any(is_lost));
        let newest = handshakes.begin();
        let lost: Vec<bool> = turns.iter().map(is_lost).collect();
        assert!(lost[0] && !lost[1..].contains(&true), "only the oldest");
        drop(turns.remove(5));
        let next = handshakes.begin();
        assert!(!turns[1..].iter().chain([&newest, &next]).any(is_lost), "there was room");
        drop((turns, newest, next));
        assert!(handshakes.all().is_empty());
    }
}
