//! What serves a case: scripted peers, responders, web servers, files; and the names of the bench.

use std::any::Any;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::task::JoinHandle;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tuermer_probes::testkit::{Act, Authority, Peer, Responder};

/// Largest request a site reads.
const REQUEST_BYTES_MAX: usize = 1 << 20;

type Ear = Box<dyn Fn() -> Vec<u8> + Send + Sync>;

/// Servers of a row, and the placeholders they fill in.
#[derive(Default)]
pub(crate) struct Served {
    variables: Vec<(String, String)>,
    ears: Vec<Ear>,
    kept: Vec<Box<dyn Any + Send + Sync>>,
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Served").field(&self.variables).finish()
    }
}

impl Served {
    /// Nothing but placeholders.
    pub(crate) fn nothing() -> Self {
        Self::default()
    }

    /// Fills in a placeholder `{name}`.
    pub(crate) fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.variables.push((name.to_owned(), value.to_string()));
        self
    }

    /// Fills in a placeholder `{name}` with the path of a file.
    pub(crate) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let folder = crate::process::folder();
        let path = folder.path().join(name);
        std::fs::write(&path, content).expect("written");
        self.with(name, path.display()).keep(folder)
    }

    /// Keeps something alive until the end.
    pub(crate) fn keep(mut self, kept: impl Any + Send + Sync) -> Self {
        self.kept.push(Box::new(kept));
        self
    }

    /// Listens to what something hears.
    pub(crate) fn hearing(mut self, ear: impl Fn() -> Vec<u8> + Send + Sync + 'static) -> Self {
        self.ears.push(Box::new(ear));
        self
    }

    /// A further server: its address is `{name}`, its port `{name_port}`.
    pub(crate) fn and(mut self, name: &str, other: impl Into<Self>) -> Self {
        let other = other.into();
        for (variable, value) in other.variables {
            match variable.as_str() {
                "peer" => self.variables.push((name.to_owned(), value)),
                variable => self.variables.push((format!("{name}_{variable}"), value)),
            }
        }
        self.ears.extend(other.ears);
        self.kept.extend(other.kept);
        self
    }

    /// The placeholders.
    pub(crate) fn variables(&self) -> &[(String, String)] {
        &self.variables
    }

    /// How much was heard by each server until now.
    pub(crate) fn mark(&self) -> Vec<usize> {
        self.ears.iter().map(|ear| ear().len()).collect()
    }

    /// What was heard since, server by server.
    pub(crate) fn heard_since(&self, mark: &[usize]) -> Vec<u8> {
        self.ears.iter().zip(mark).flat_map(|(ear, from)| ear().split_off(*from)).collect()
    }

    fn at(address: SocketAddr) -> Self {
        Self::nothing().with("peer", address).with("port", address.port())
    }
}

impl From<Peer> for Served {
    fn from(peer: Peer) -> Self {
        let peer = Arc::new(peer);
        let ear = Arc::clone(&peer);
        Self::at(peer.address()).hearing(move || ear.heard()).keep(peer)
    }
}

impl From<Responder> for Served {
    fn from(responder: Responder) -> Self {
        let responder = Arc::new(responder);
        let ear = Arc::clone(&responder);
        Self::at(responder.address()).hearing(move || ear.heard().concat()).keep(responder)
    }
}

impl From<SocketAddr> for Served {
    fn from(address: SocketAddr) -> Self {
        Self::at(address)
    }
}

/// The authority of all cases; `{ca}` is its certificate as a file.
pub(crate) fn authority() -> &'static Authority {
    static AUTHORITY: LazyLock<Authority> = LazyLock::new(Authority::new);
    &AUTHORITY
}

/// A TLS server with a certificate of the authority for these names or addresses.
pub(crate) fn certified(names: &[&str]) -> Arc<ServerConfig> {
    authority().leaf(names).server()
}

/// A TLS server with a certificate for these names, that notes the name each client asks for, one a line (`-`: none).
pub(crate) fn noting_names(names: &[&str]) -> (Arc<ServerConfig>, Notes) {
    let notes = Notes::default();
    let mut config = ServerConfig::clone(&certified(names));
    config.cert_resolver = Arc::new(Noting { within: Arc::clone(&config.cert_resolver), notes: notes.clone() });
    (Arc::new(config), notes)
}

/// What was noted, for [`Served::hearing`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Notes(Arc<Mutex<Vec<u8>>>);

impl Notes {
    /// Notes a line.
    pub(crate) fn add(&self, line: impl fmt::Display) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(format!("{line}\n").bytes());
    }

    /// Everything noted until now.
    pub(crate) fn all(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Notes names on their way to the resolver of certificates.
#[derive(Debug)]
struct Noting {
    within: Arc<dyn ResolvesServerCert>,
    notes: Notes,
}

impl ResolvesServerCert for Noting {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.notes.add(hello.server_name().unwrap_or("-"));
        self.within.resolve(hello)
    }
}

/// A server that takes connections and closes them, and notes where they come from.
pub(crate) async fn noting_callers() -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
    let address = listener.local_addr().expect("an address");
    let notes = Notes::default();
    let book = notes.clone();
    tokio::spawn(async move {
        while let Ok((_, from)) = listener.accept().await {
            book.add(from.ip());
        }
    });
    Served::at(address).hearing(move || notes.all())
}

/// A scripted peer on 127.0.0.1 and on ::1, with the same port.
pub(crate) async fn dual(script: Vec<Act>) -> Served {
    loop {
        let four = Peer::play(script.clone()).await;
        let six = SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, four.address().port()));
        // Somebody else may have the port on the other side: then the next.
        if std::net::TcpListener::bind(six).is_ok() {
            let six = Peer::play_on(six, script).await;
            return Served::from(four).and("six", six);
        }
    }
}

/// A scripted peer behind a unix socket: `{socket}`.
pub(crate) async fn unix(script: Vec<Act>) -> Served {
    let peer = Peer::play(script).await;
    let there = peer.address();
    let folder = crate::process::folder();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).expect("a socket");
    tokio::spawn(async move {
        while let Ok((mut here, _)) = listener.accept().await {
            let mut there = TcpStream::connect(there).await.expect("the peer");
            // An end of either side ends the connection.
            let _ = tokio::io::copy_bidirectional(&mut here, &mut there).await;
        }
    });
    Served::from(peer).with("socket", path.display()).keep(folder)
}

/// A request that a [`Site`] read.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Request line and headers as they came.
    pub(crate) head: String,
    pub(crate) method: String,
    pub(crate) path: String,
    /// The body, with its chunks as they came if it is chunked.
    pub(crate) body: Vec<u8>,
}

impl Asked {
    /// A header's value; empty if it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value.trim())
    }
}

/// An HTTP/1 server that answers each request with bytes, and closes: whatever is wrong with an answer can be said.
#[derive(Debug)]
pub(crate) struct Site {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<u8>>>,
    task: JoinHandle<()>,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl From<Site> for Served {
    fn from(site: Site) -> Self {
        let site = Arc::new(site);
        let ear = Arc::clone(&site);
        let heard = move || ear.heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self::at(site.address).with("url", format_args!("http://{}", site.address)).hearing(heard).keep(site)
    }
}

impl Site {
    /// Serves pages.
    pub(crate) async fn open(pages: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::start(([127, 0, 0, 1], 0).into(), None, pages).await
    }

    /// Serves pages on another address.
    pub(crate) async fn open_on(
        address: SocketAddr,
        pages: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        Self::start(address, None, pages).await
    }

    /// Serves pages over TLS.
    pub(crate) async fn open_encrypted(
        config: Arc<ServerConfig>,
        pages: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        Self::start(([127, 0, 0, 1], 0).into(), Some(config), pages).await
    }

    async fn start(
        address: SocketAddr,
        config: Option<Arc<ServerConfig>>,
        pages: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.expect("a loopback port");
        let address = listener.local_addr().expect("an address");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (ear, pages) = (Arc::clone(&heard), Arc::new(pages));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).expect("TCP_NODELAY");
                let (ear, pages, config) = (Arc::clone(&ear), Arc::clone(&pages), config.clone());
                tokio::spawn(async move {
                    match config {
                        None => answer(stream, &ear, &*pages).await,
                        Some(config) => {
                            if let Ok(stream) = tokio_rustls::TlsAcceptor::from(config).accept(stream).await {
                                answer(stream, &ear, &*pages).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, heard, task }
    }
}

async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    ear: &Mutex<Vec<u8>>,
    pages: &(dyn Fn(&Asked) -> Vec<u8> + Send + Sync),
) {
    let mut bytes = Vec::new();
    while !is_whole(&bytes) {
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(read) if read > 0 && bytes.len() < REQUEST_BYTES_MAX => {
                ear.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..read]);
                bytes.extend_from_slice(&buffer[..read]);
            }
            _ => return,
        }
    }
    let end = head_end(&bytes).expect("the request is whole");
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut words = head.split_whitespace();
    let mut word = || words.next().unwrap_or_default().to_owned();
    let (method, path) = (word(), word());
    let answer = pages(&Asked { method, path, body: bytes[end..].to_vec(), head });
    // The other side may have had enough.
    let _ = stream.write_all(&answer).await;
    let _ = stream.shutdown().await;
    let mut rest = [0; 4096];
    while matches!(stream.read(&mut rest).await, Ok(read) if read > 0) {}
}

/// Where the body begins.
fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

fn is_whole(bytes: &[u8]) -> bool {
    let Some(end) = head_end(bytes) else { return false };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    if head.contains("\r\ntransfer-encoding: chunked") {
        return bytes[end..].ends_with(b"0\r\n\r\n");
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    bytes.len() - end >= length.unwrap_or(0_usize)
}

/// An answer with a status, headers (`Name: value`, one a line) and a body, with its length.
pub(crate) fn page(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut answer = format!("HTTP/1.1 {status} {status}\r\nContent-Length: {}\r\n", body.len());
    for line in headers.lines().map(str::trim).filter(|line| !line.is_empty()) {
        answer += line;
        answer += "\r\n";
    }
    answer += "\r\n";
    [answer.as_bytes(), body].concat()
}
