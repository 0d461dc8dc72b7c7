//! TLS on a connection, before its first request.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::web::guard::Guard;
use crate::web::patience::Patient;

/// Longest time from a connection to the end of its handshake. Chosen: several lost packets on a far way.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);
/// Most handshakes at once; more wait, within the same time. Chosen: each takes tens of kilobytes.
pub(super) const HANDSHAKES_MAX: usize = 512;
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
    handshakes: &Semaphore,
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
    handshakes: &Semaphore,
) -> io::Result<Option<TlsStream<Patient<TcpStream>>>> {
    // Before there is room: who says nothing needs none.
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
    let Ok(_room) = handshakes.acquire().await else { return Ok(None) };
    let Ok(config) = guard.tls() else {
        stream.write_all(INTERNAL_ERROR).await?;
        return Ok(None);
    };
    TlsAcceptor::from(Arc::clone(&config)).accept(Patient::new(stream)).await.map(Some)
}

async fn not_tls(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(NOT_TLS).await?;
    stream.shutdown().await?;
    // Closed with bytes unread, the connection would be reset and the answer lost.
    tokio::io::copy(&mut stream.take(NOT_TLS_BYTES_MAX), &mut tokio::io::sink()).await.map(drop)
}
