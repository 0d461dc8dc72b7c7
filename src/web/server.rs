//! Listening, with limits: how many connections, how long a head may take, how much of it there may be.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;

use crate::web::Body;
use crate::web::listener::Listener;
use crate::web::patience::Patient;

/// Most connections at once. Chosen: a thousand Prometheus, and room beside idle ones until their time is over.
const CONNECTIONS_MAX: usize = 8192;
/// Longest time from a connection, or the end of a request, to a complete request head. Also ends idle connections.
const HEAD_TIME_MAX: Duration = Duration::from_secs(20);
/// Largest request head in bytes. Chosen: a long `/probe` target, four times over.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Most header fields of a request. Chosen: what browsers behind proxies send, twice over.
const HEADERS_MAX: usize = 64;
/// Pause after a failure to accept, for example for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves for ever. `answer` is called for every request.
pub(super) async fn serve<A, F>(listener: Listener, answer: A)
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let listener = match listener.open() {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "cannot serve"),
    };
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX);
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
        let answer = answer.clone();
        let service = service_fn(move |request| {
            let answered = answer(request);
            async move { Ok::<_, Infallible>(answered.await) }
        });
        let connection = http.serve_connection(TokioIo::new(Patient::new(stream)), service);
        tokio::spawn(async move {
            // A client that breaks its connection or its request harms itself only.
            let _ = connection.await;
            drop(permit);
        });
    }
}
