//! A real server of gRPC, with its health service.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::codegen::Service;
use tonic::metadata::MetadataMap;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};

/// What stands before the health service.
pub(super) type Guard = fn(&MetadataMap) -> Result<(), Status>;

/// Gone when dropped.
pub(super) struct Running {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<MetadataMap>>>,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Running {
    /// A server whose services are healthy (the server itself, `good`), ill (`bad`) or in the dark (`dark`).
    pub(super) async fn start() -> Self {
        Self::with(None, |_| Ok(())).await
    }

    /// As [`Self::start`], behind TLS.
    pub(super) async fn behind(config: ServerConfig) -> Self {
        Self::with(Some(Arc::new(config)), |_| Ok(())).await
    }

    /// As [`Self::start`], with a guard.
    pub(super) async fn guarded(guard: Guard) -> Self {
        Self::with(None, guard).await
    }

    #[expect(clippy::disallowed_methods, reason = "the server runs beside the probe that is tested")]
    async fn with(config: Option<Arc<ServerConfig>>, guard: Guard) -> Self {
        let (reporter, health) = tonic_health::server::health_reporter();
        for (name, status) in
            [("good", ServingStatus::Serving), ("bad", ServingStatus::NotServing), ("dark", ServingStatus::Unknown)]
        {
            reporter.set_service_status(name, status).await;
        }
        // Both families, where the machine has both.
        let listener = match TcpListener::bind("[::]:0").await {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind("127.0.0.1:0").await.expect("a loopback port"),
        };
        let port = listener.local_addr().expect("an address").port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let book = Arc::clone(&heard);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).expect("TCP_NODELAY");
                let (book, health, config) = (Arc::clone(&book), health.clone(), config.clone());
                tokio::spawn(async move {
                    match config {
                        None => serve(stream, health, guard, book).await,
                        Some(config) => {
                            let accepted = tokio_rustls::TlsAcceptor::from(config).accept(stream).await;
                            if let Ok(stream) = accepted {
                                serve(stream, health, guard, book).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address: SocketAddr::from(([127, 0, 0, 1], port)), heard, task }
    }

    pub(super) fn target(&self) -> String {
        self.address.to_string()
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    /// The metadata of all calls.
    pub(super) fn heard(&self) -> Vec<MetadataMap> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    health: HealthServer<impl Health>,
    guard: Guard,
    book: Arc<Mutex<Vec<MetadataMap>>>,
) {
    let guarded = InterceptedService::new(health, move |request: Request<()>| {
        book.lock().unwrap_or_else(PoisonError::into_inner).push(request.metadata().clone());
        guard(request.metadata()).map(|()| request)
    });
    let service = service_fn(move |request: http::Request<Incoming>| guarded.clone().call(request));
    // A probe that went away is the probe's own affair.
    let _ = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}
