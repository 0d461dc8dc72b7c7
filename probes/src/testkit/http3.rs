//! A peer that speaks HTTP/3: for each request it does what a closure says.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, Bytes};
use h3::error::Code;
use h3::server::RequestStream;
use http::{Request, Response};
use quinn::crypto::rustls::QuicServerConfig;
use rustls::ServerConfig;
use tokio::task::JoinHandle;

/// Largest body a peer hears.
const BODY_BYTES_MAX: usize = 16 << 20;

/// A request with its body.
pub type Http3Request = Request<Bytes>;

/// One thing a peer does about a request.
#[derive(Debug, Clone)]
pub enum Http3Act {
    /// Sends a head: an informational one or the answer's.
    Head(Response<()>),
    /// Sends a piece of the body.
    Data(Bytes),
    /// Sends such a piece for ever.
    Flood(Bytes),
    /// Ends the answer.
    Finish,
    /// Breaks the answer off.
    Reset,
    /// Closes the connection with this code.
    Close(u32),
    /// Does nothing until the other side leaves.
    WaitForEver,
}

impl Http3Act {
    /// An answer of status 200 with this body, its length announced.
    pub fn page(body: impl Into<Bytes>) -> Vec<Self> {
        let body = body.into();
        let head = Response::builder().header("content-length", body.len());
        vec![Self::Head(head.body(()).expect("an answer")), Self::Data(body), Self::Finish]
    }
}

type Script = dyn Fn(&Http3Request) -> Vec<Http3Act> + Send + Sync;
type Stream = RequestStream<h3_quinn::BidiStream<Bytes>, Bytes>;

/// A server on a loopback port of its own. Gone when dropped.
pub struct Http3Peer {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Http3Request>>>,
    endpoint: quinn::Endpoint,
    task: JoinHandle<()>,
}

impl fmt::Debug for Http3Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Http3Peer").field(&self.address).finish()
    }
}

impl Http3Peer {
    /// Starts a peer that shows this configuration's certificate; it should name the application protocol `h3`.
    pub fn play(config: ServerConfig, script: impl Fn(&Http3Request) -> Vec<Http3Act> + Send + Sync + 'static) -> Self {
        Self::play_on(SocketAddr::from(([127, 0, 0, 1], 0)), config, script)
    }

    /// Starts a peer on another loopback address.
    pub fn play_on(
        local: SocketAddr,
        config: ServerConfig,
        script: impl Fn(&Http3Request) -> Vec<Http3Act> + Send + Sync + 'static,
    ) -> Self {
        let config = QuicServerConfig::try_from(config).expect("TLS 1.3");
        let config = quinn::ServerConfig::with_crypto(Arc::new(config));
        let endpoint = quinn::Endpoint::server(config, local).expect("a loopback port");
        let address = endpoint.local_addr().expect("an address");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (script, ear): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&heard));
        let accepting = endpoint.clone();
        let task = tokio::spawn(async move {
            while let Some(incoming) = accepting.accept().await {
                tokio::spawn(converse(incoming, Arc::clone(&script), Arc::clone(&ear)));
            }
        });
        Self { address, heard, endpoint, task }
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request heard until now.
    pub fn heard(&self) -> Vec<Http3Request> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.endpoint.open_connections()
    }

    /// Waits until every connection has ended.
    pub async fn wait_idle(&self) {
        self.endpoint.wait_idle().await;
    }
}

impl Drop for Http3Peer {
    fn drop(&mut self) {
        self.task.abort();
        self.endpoint.close(0_u32.into(), b"");
    }
}

/// Serves one connection; what breaks it is the other side's affair, or the script's.
async fn converse(incoming: quinn::Incoming, script: Arc<Script>, ear: Arc<Mutex<Vec<Http3Request>>>) {
    let Ok(quic) = incoming.await else { return };
    let Ok(mut connection) = h3::server::Connection::new(h3_quinn::Connection::new(quic.clone())).await else { return };
    while let Ok(Some(resolver)) = connection.accept().await {
        let (script, ear, quic) = (Arc::clone(&script), Arc::clone(&ear), quic.clone());
        tokio::spawn(async move {
            let Ok((request, mut stream)) = resolver.resolve_request().await else { return };
            let mut body = Vec::new();
            while let Ok(Some(mut chunk)) = stream.recv_data().await {
                let room = BODY_BYTES_MAX - body.len();
                let chunk = chunk.copy_to_bytes(chunk.remaining());
                body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            }
            let request = request.map(|()| Bytes::from(body));
            let acts = script(&request);
            ear.lock().unwrap_or_else(PoisonError::into_inner).push(request);
            for act in acts {
                if perform(act, &mut stream, &quic).await.is_err() {
                    return;
                }
            }
        });
    }
}

async fn perform(act: Http3Act, stream: &mut Stream, quic: &quinn::Connection) -> Result<(), h3::error::StreamError> {
    match act {
        Http3Act::Head(head) => stream.send_response(head).await,
        Http3Act::Data(bytes) => stream.send_data(bytes).await,
        Http3Act::Flood(bytes) => loop {
            stream.send_data(bytes.clone()).await?;
        },
        Http3Act::Finish => stream.finish().await,
        Http3Act::Reset => {
            stream.stop_stream(Code::H3_INTERNAL_ERROR);
            Ok(())
        }
        Http3Act::Close(code) => {
            quic.close(code.into(), b"closed by the test");
            Ok(())
        }
        Http3Act::WaitForEver => {
            quic.closed().await;
            Ok(())
        }
    }
}
