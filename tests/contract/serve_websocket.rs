//! A server of websockets that says `incoming_42` (not on `/silent`) and answers `outgoing_42` with `passed`; it notes the
//! headers of requests and the messages it hears.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::rustls::ServerConfig;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

use crate::serve::{Notes, Served};

/// A server on 127.0.0.1.
pub(crate) async fn chat(config: Option<Arc<ServerConfig>>) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
    let address = listener.local_addr().expect("an address");
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
    Served::from(address).hearing(move || notes.all())
}

#[expect(clippy::result_large_err, reason = "the library's signature")]
async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, book: Notes) {
    let mut is_silent = false;
    let note = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        is_silent = request.uri().path() == "/silent";
        for (name, value) in request.headers() {
            book.add(format_args!("{name}: {}", String::from_utf8_lossy(value.as_bytes())));
        }
        Ok(response)
    };
    let Ok(mut socket) = accept_hdr_async(stream, note).await else { return };
    if !is_silent && socket.send(Message::text("incoming_42")).await.is_err() {
        return;
    }
    while let Some(Ok(message)) = socket.next().await {
        book.add(format_args!("< {}", message.to_text().unwrap_or("bytes")));
        if message == Message::text("outgoing_42") && socket.send(Message::text("passed")).await.is_err() {
            return;
        }
    }
}
