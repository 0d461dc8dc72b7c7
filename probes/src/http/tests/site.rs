//! A small web site: pages are a function from request to answer.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A request as the site saw it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) authority: Option<String>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) version: Version,
}

impl Seen {
    /// A header's value; empty if it is missing.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

pub(super) type Page = Response<Full<Bytes>>;

/// A running site. Gone when dropped.
pub(super) struct Site {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Site {
    pub(super) async fn open(pages: impl Fn(&Seen) -> Page + Send + Sync + 'static) -> Self {
        Self::start(None, pages).await
    }

    pub(super) async fn open_encrypted(
        config: ServerConfig,
        pages: impl Fn(&Seen) -> Page + Send + Sync + 'static,
    ) -> Self {
        Self::start(Some(Arc::new(config)), pages).await
    }

    #[expect(clippy::disallowed_methods, reason = "the site runs beside the probe that is tested")]
    async fn start(config: Option<Arc<ServerConfig>>, pages: impl Fn(&Seen) -> Page + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (pages, book) = (Arc::new(pages), Arc::clone(&seen));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).expect("TCP_NODELAY");
                let (pages, book, config) = (Arc::clone(&pages), Arc::clone(&book), config.clone());
                tokio::spawn(async move {
                    let service = service_fn(move |request: Request<Incoming>| {
                        let (pages, book) = (Arc::clone(&pages), Arc::clone(&book));
                        async move { Ok::<_, Infallible>(serve(request, &*pages, &book).await) }
                    });
                    // Connections end as they like: the probe's side is looked at.
                    let Some(config) = config else {
                        let _ = hyper::server::conn::http1::Builder::new()
                            .serve_connection(TokioIo::new(stream), service)
                            .await;
                        return;
                    };
                    let Ok(stream) = tokio_rustls::TlsAcceptor::from(config).accept(stream).await else { return };
                    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                        let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                        let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                    } else {
                        let builder = hyper::server::conn::http1::Builder::new();
                        let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                    }
                });
            }
        });
        Self { address, seen, task }
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    /// A URL of the site, by address.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Every request seen until now.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(request: Request<Incoming>, pages: &(dyn Fn(&Seen) -> Page + Sync), book: &Mutex<Vec<Seen>>) -> Page {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let seen = Seen {
        method: head.method,
        path: head.uri.path_and_query().map_or_else(String::new, ToString::to_string),
        authority: head.uri.authority().map(ToString::to_string),
        headers: head.headers,
        body,
        version: head.version,
    };
    let page = pages(&seen);
    book.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
    page
}

/// A page with this body.
pub(super) fn page(body: impl Into<Bytes>) -> Page {
    Response::new(Full::new(body.into()))
}

/// A redirect.
pub(super) fn redirect(status: u16, location: &str) -> Page {
    let response = Response::builder().status(status).header("location", location);
    response.body(Full::new(Bytes::from_static(b"elsewhere"))).expect("an answer")
}
