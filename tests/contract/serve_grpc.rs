//! A gRPC server whose health service answers as the service's name says, and notes the metadata of its calls.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::rustls::ServerConfig;

use crate::serve::{Notes, Served};

/// How long the service `slow` takes.
const SLOWNESS: Duration = Duration::from_secs(4);

/// A server on 127.0.0.1 and on ::1, with the same port.
pub(crate) async fn health(config: Option<Arc<ServerConfig>>) -> Served {
    let listener = TcpListener::bind("[::]:0").await.expect("a port of both families");
    let port = listener.local_addr().expect("an address").port();
    let notes = Notes::default();
    let book = notes.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (config, book) = (config.clone(), book.clone());
            tokio::spawn(async move {
                match config {
                    None => serve(stream, book).await,
                    Some(config) => {
                        let accepted = tokio_rustls::TlsAcceptor::from(config).accept(stream).await;
                        if let Ok(stream) = accepted {
                            serve(stream, book).await;
                        }
                    }
                }
            });
        }
    });
    Served::from(SocketAddr::from(([127, 0, 0, 1], port))).hearing(move || notes.all())
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, book: Notes) {
    let service = service_fn(move |request| answer(request, book.clone()));
    // A caller that went away is its own affair.
    let _ = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    request: Request<Incoming>,
    book: Notes,
) -> Result<Response<impl Body<Data = Bytes, Error = Infallible>>, Infallible> {
    for (name, value) in request.headers() {
        book.add(format_args!("{name}: {}", String::from_utf8_lossy(value.as_bytes())));
    }
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    // Prefix of five bytes, tag and length of the name.
    let name = String::from_utf8_lossy(body.get(7..).unwrap_or_default());
    if name == "slow" {
        tokio::time::sleep(SLOWNESS).await;
    }
    let (status, state) = match &*name {
        "" | "slow" => ("0", 1),
        "dark" => ("0", 0),
        "bad" => ("0", 2),
        "lost" => ("0", 3),
        "odd" => ("0", 99),
        "refused" => ("7", 0),
        "without health" => ("12", 0),
        _ => ("5", 0),
    };
    let message = if status == "0" { vec![0, 0, 0, 0, 2, 8, state] } else { Vec::new() };
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", status.parse().expect("a value"));
    let body = Full::new(Bytes::from(message)).with_trailers(async move { Some(Ok(trailers)) });
    Ok(Response::builder().header("content-type", "application/grpc").body(body).expect("a response"))
}
