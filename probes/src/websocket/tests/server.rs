//! A real server of websockets.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{SinkExt, StreamExt};
use http::HeaderMap;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::Message;

/// What the server says: first of all, and to each message it hears.
#[derive(Debug, Clone)]
pub(super) struct Script {
    pub(super) greeting: Vec<Message>,
    pub(super) answers: Vec<(&'static str, Message)>,
}

/// Gone when dropped.
pub(super) struct Running {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<HeaderMap>>>,
    messages: Arc<Mutex<Vec<Message>>>,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Running {
    pub(super) async fn start(script: Script) -> Self {
        Self::with(None, script).await
    }

    pub(super) async fn encrypted(config: Arc<ServerConfig>, script: Script) -> Self {
        Self::with(Some(config), script).await
    }

    #[expect(clippy::disallowed_methods, reason = "the server runs beside the probe that is tested")]
    async fn with(config: Option<Arc<ServerConfig>>, script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let address = listener.local_addr().expect("an address");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let messages = Arc::new(Mutex::new(Vec::new()));
        let books = (Arc::clone(&requests), Arc::clone(&messages));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).expect("TCP_NODELAY");
                let (config, script, books) = (config.clone(), script.clone(), books.clone());
                tokio::spawn(async move {
                    match config {
                        None => serve(stream, script, books).await,
                        Some(config) => {
                            let accepted = tokio_rustls::TlsAcceptor::from(config).accept(stream).await;
                            if let Ok(stream) = accepted {
                                serve(stream, script, books).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, requests, messages, task }
    }

    pub(super) fn target(&self) -> String {
        format!("ws://{}/chat?a=b", self.address)
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    /// The headers of all requests.
    pub(super) fn requests(&self) -> Vec<HeaderMap> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for so many messages, the goodbye among them.
    pub(super) async fn messages(&self, count: usize) -> Vec<Message> {
        loop {
            let messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if messages.len() >= count {
                return messages;
            }
            tokio::task::yield_now().await;
        }
    }
}

type Books = (Arc<Mutex<Vec<HeaderMap>>>, Arc<Mutex<Vec<Message>>>);

#[expect(clippy::result_large_err, reason = "the library's signature")]
async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, script: Script, (requests, messages): Books) {
    let note = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        requests.lock().unwrap_or_else(PoisonError::into_inner).push(request.headers().clone());
        Ok(response)
    };
    let Ok(mut socket) = accept_hdr_async(stream, note).await else { return };
    for message in script.greeting {
        if socket.send(message).await.is_err() {
            return;
        }
    }
    while let Some(Ok(message)) = socket.next().await {
        messages.lock().unwrap_or_else(PoisonError::into_inner).push(message.clone());
        let answer = script.answers.iter().find(|(heard, _)| message.to_text().is_ok_and(|text| text == *heard));
        if let Some((_, answer)) = answer
            && socket.send(answer.clone()).await.is_err()
        {
            return;
        }
    }
}
