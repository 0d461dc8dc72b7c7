//! Serving connections, with limits: how many, how long a head may take, how much of it there may be.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::web::Body;
use crate::web::guard::Guard;
use crate::web::listener::Listener;
use crate::web::patience::Patient;
use crate::web::secure::{Handshakes, secured};

/// Most connections at once. Chosen: a thousand Prometheus, and room beside idle ones until their time is over.
const CONNECTIONS_MAX: usize = 8192;
/// Longest time from a connection, or the end of a request, to a complete request head. Also ends idle connections.
const HEAD_TIME_MAX: Duration = Duration::from_secs(20);
/// Largest request head in bytes. Chosen: a long `/probe` target, four times over.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Most header fields of a request. Chosen: what browsers behind proxies send, twice over.
const HEADERS_MAX: usize = 64;
/// Most requests at once on a connection of HTTP/2. Chosen: what browsers open, and some.
const STREAMS_MAX: u32 = 64;
/// Bytes of requests' bodies that HTTP/2 lets a client send unasked: the least. Nobody reads bodies.
const WINDOW_BYTES: u32 = 65_535;
/// Longest time an idle connection of HTTP/2 has to finish what it began. Chosen: a large page over a slow line.
const FINISH_TIME_MAX: Duration = Duration::from_secs(60);
/// Pause after a failure to accept, for example for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves for ever. `answer` is called for every request.
pub(super) async fn serve<A, F>(listener: Listener, guard: Option<Arc<Guard>>, answer: A)
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let listener = match listener.open() {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "cannot serve"),
    };
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let handshakes = Arc::new(Handshakes::default());
    let guard = guard.filter(|guard| guard.over_tls());
    let http = Http::new();
    loop {
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (answer, http) = (answer.clone(), http.clone());
        let Some(guard) = guard.clone() else {
            tokio::spawn(async move {
                http.one(Patient::new(stream), answer).await;
                drop(permit);
            });
            continue;
        };
        let handshakes = Arc::clone(&handshakes);
        tokio::spawn(async move {
            if let Some(stream) = secured(stream, &guard, &handshakes).await {
                match stream.get_ref().1.alpn_protocol() {
                    Some(b"h2") => http.two(stream, answer).await,
                    _ => http.one(stream, answer).await,
                }
            }
            drop(permit);
        });
    }
}

/// Both versions of HTTP, with their limits.
#[derive(Clone)]
struct Http {
    one: http1::Builder,
    two: http2::Builder<TokioExecutor>,
}

impl Http {
    fn new() -> Self {
        let mut one = http1::Builder::new();
        one.timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME_MAX)
            .max_buf_size(HEAD_BYTES_MAX)
            .max_headers(HEADERS_MAX);
        let mut two = http2::Builder::new(TokioExecutor::new());
        two.timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(HEAD_BYTES_MAX as u32)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .keep_alive_interval(HEAD_TIME_MAX)
            .keep_alive_timeout(HEAD_TIME_MAX);
        Self { one, two }
    }

    /// HTTP/1.1. A client that breaks its connection or its request harms itself only.
    async fn one<S, A, F>(&self, stream: S, answer: A)
    where
        S: AsyncRead + AsyncWrite + Unpin,
        A: Fn(Request<Incoming>) -> F,
        F: Future<Output = Response<Body>>,
    {
        let service = service_fn(move |request| {
            let answered = answer(request);
            async move { Ok::<_, Infallible>(answered.await) }
        });
        let _ = self.one.serve_connection(TokioIo::new(stream), service).await;
    }

    /// HTTP/2, whose library knows no limit for idle connections and for heads that never end.
    async fn two<S, A, F>(&self, stream: S, answer: A)
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
        A: Fn(Request<Incoming>) -> F,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let activity = Arc::new(Activity::new());
        let seen = Arc::clone(&activity);
        let service = service_fn(move |request| {
            let (running, answered) = (seen.begin(), answer(request));
            async move {
                let answered = answered.await;
                drop(running);
                Ok::<_, Infallible>(answered)
            }
        });
        let mut connection = pin!(self.two.serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            _ = &mut connection => return,
            () = activity.until_idle() => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = tokio::time::timeout(FINISH_TIME_MAX, connection).await;
    }
}

/// When a connection was last asked something.
struct Activity {
    running: AtomicUsize,
    last: Mutex<Instant>,
}

impl Activity {
    fn new() -> Self {
        Self { running: AtomicUsize::new(0), last: Mutex::new(Instant::now()) }
    }

    fn begin(self: &Arc<Self>) -> Running {
        self.running.fetch_add(1, Ordering::Relaxed);
        Running(Arc::clone(self))
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Instant> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn until_idle(&self) {
        loop {
            let end = *self.last() + HEAD_TIME_MAX;
            if Instant::now() >= end && self.running.load(Ordering::Relaxed) == 0 {
                return;
            }
            tokio::time::sleep_until(end.max(Instant::now() + Duration::from_secs(1))).await;
        }
    }
}

/// A request being answered.
struct Running(Arc<Activity>);

impl Drop for Running {
    fn drop(&mut self) {
        *self.0.last() = Instant::now();
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// The beginning of a connection of HTTP/2: preface and empty settings (RFC 9113 sections 3.4 and 6.5).
    const BEGINNING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

    #[tokio::test(start_paused = true)]
    async fn a_connection_of_http_2_that_asks_nothing_is_ended() {
        for beginning in [&b""[..], &BEGINNING[..10], BEGINNING] {
            let (near, mut far) = tokio::io::duplex(64 * 1024);
            far.write_all(beginning).await.unwrap();
            let silent = async {
                let mut heard = Vec::new();
                far.read_to_end(&mut heard).await.unwrap();
            };
            let begin = Instant::now();
            let http = Http::new();
            let serving = http.two(near, |_| async { Response::default() });
            tokio::join!(serving, silent);
            assert!(begin.elapsed() <= HEAD_TIME_MAX * 2 + FINISH_TIME_MAX, "{:?}", begin.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_takes_long_is_not_idle() {
        let activity = Arc::new(Activity::new());
        let running = activity.begin();
        let long = HEAD_TIME_MAX * 5;
        let begin = Instant::now();
        let ((), ()) = tokio::join!(activity.until_idle(), async {
            tokio::time::sleep(long).await;
            drop(running);
        });
        assert!(begin.elapsed() >= long + HEAD_TIME_MAX, "{:?}", begin.elapsed());
    }
}
