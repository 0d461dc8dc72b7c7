//! Sockets to be served: bound here or passed by systemd. Knows no HTTP.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::TcpStream;

/// Connections that wait to be accepted. Chosen: a few seconds of a thousand Prometheus.
const BACKLOG: i32 = 1024;
/// The first descriptor that systemd passes (sd_listen_fds(3)).
const PASSED_FROM: RawFd = 3;
/// Most sockets taken from systemd. Chosen: more than units have.
const PASSED_MAX: RawFd = 256;
/// How an address of a virtual machine's host or guest begins (vsock(7)).
const VSOCK: &str = "vsock://";

/// A socket that listens and is not served yet.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    address: Address,
}

/// Where a socket listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// An Internet address.
    Internet(SocketAddr),
    /// Anything else, in words.
    Other(Box<str>),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Internet(address) => address.fmt(f),
            Self::Other(words) => words.fmt(f),
        }
    }
}

impl Listener {
    /// Binds an address: `host:port`, `[v6]:port`, `:port` for every interface, `vsock://CID:port` or `vsock://:port`.
    pub fn bind(address: &str) -> Result<Self, String> {
        bind(address)
            .and_then(|socket| Self::new(socket, address))
            .map_err(|error| format!("cannot listen on {address}: {error}"))
    }

    /// The sockets that systemd passes to this process. To be asked once: each is taken by its number.
    pub fn passed() -> Result<Vec<Self>, String> {
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<RawFd>().ok());
        let for_us = number("LISTEN_PID").is_some_and(|id| u32::try_from(id) == Ok(std::process::id()));
        let count = number("LISTEN_FDS").filter(|_| for_us).unwrap_or(0).clamp(0, PASSED_MAX);
        if count == 0 {
            return Err("systemd passes no sockets: is there a socket unit?".to_owned());
        }
        (PASSED_FROM..PASSED_FROM + count).map(Self::take).collect()
    }

    fn take(descriptor: RawFd) -> Result<Self, String> {
        let cannot = |error| format!("cannot serve descriptor {descriptor}, which systemd passes: {error}");
        #[expect(unsafe_code, reason = "systemd passes sockets by their number alone, and nobody else knows these")]
        // SAFETY: by the protocol of sd_listen_fds(3) this process owns the descriptor, and it is taken once.
        let socket = Socket::from(unsafe { OwnedFd::from_raw_fd(descriptor) });
        let listens = socket.is_listener().map_err(cannot)?;
        if !listens || socket.r#type().map_err(cannot)? != Type::STREAM {
            return Err(cannot(io::Error::other("it is not a socket that accepts connections")));
        }
        socket.set_nonblocking(true).and_then(|()| socket.set_cloexec(true)).map_err(cannot)?;
        Self::new(socket, "a socket of systemd").map_err(cannot)
    }

    fn new(socket: Socket, name: &str) -> io::Result<Self> {
        let bound = socket.local_addr()?;
        let address = match (bound.as_socket(), bound.as_vsock_address(), bound.as_pathname()) {
            (Some(address), _, _) => Address::Internet(address),
            (_, Some((context, port)), _) => Address::Other(format!("{VSOCK}{context}:{port}").into()),
            (_, _, Some(path)) => Address::Other(path.display().to_string().into()),
            _ => Address::Other(name.into()),
        };
        Ok(Self { socket, address })
    }

    /// Where it listens.
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// Takes part in the runtime's waiting.
    pub(crate) fn open(self) -> io::Result<Open> {
        #[expect(unsafe_code, reason = "the runtime has no safe way to wait for a socket of any family")]
        // SAFETY: the socket is owned, open, moved in here for good, and its descriptor never changes.
        let open = unsafe { AsyncFd::register_with_interest(self.socket, Interest::READABLE) };
        Ok(Open(open?))
    }
}

/// A socket that is served.
#[derive(Debug)]
pub(crate) struct Open(AsyncFd<Socket>);

impl Open {
    /// The next connection. Whatever family it is of, it is a stream of bytes: that is all its type stands for.
    pub(crate) async fn accept(&self) -> io::Result<TcpStream> {
        let (connection, _) = self.0.async_io(Interest::READABLE, Socket::accept).await?;
        connection.set_nonblocking(true)?;
        // A lost option costs latency only; not every family has it.
        let _ = connection.set_tcp_nodelay(true);
        TcpStream::from_std(connection.into())
    }
}

fn bind(address: &str) -> io::Result<Socket> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
    if let Some(rest) = address.strip_prefix(VSOCK) {
        let (context, port) = rest.split_once(':').ok_or_else(|| wrong("no port"))?;
        let context = match context {
            "" => libc::VMADDR_CID_ANY,
            context => context.parse().map_err(|_| wrong("no such context number"))?,
        };
        let port = port.parse().map_err(|_| wrong("no such port"))?;
        return listen(Domain::VSOCK, &SockAddr::vsock(context, port));
    }
    match address.strip_prefix(':') {
        Some(port) => {
            let port: u16 = port.parse().map_err(|_| wrong("no such port"))?;
            // One socket for both protocols where the machine has IPv6, as Go does it.
            match bind_internet(SocketAddr::from(([0_u16; 8], port))) {
                Err(error) if lacks_ipv6(&error) => bind_internet(SocketAddr::from(([0_u8; 4], port))),
                bound => bound,
            }
        }
        None => {
            let addresses: Vec<SocketAddr> = std::net::ToSocketAddrs::to_socket_addrs(address)?.collect();
            // A name stands for one address, of IPv4 if it has one, as in Go.
            let best = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
            bind_internet(*best.ok_or_else(|| wrong("no such host"))?)
        }
    }
}

fn lacks_ipv6(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL))
}

fn bind_internet(address: SocketAddr) -> io::Result<Socket> {
    listen(Domain::for_address(address), &address.into())
}

fn listen(domain: Domain, address: &SockAddr) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::STREAM, None)?;
    if let Some(address) = address.as_socket_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    if domain != Domain::VSOCK {
        socket.set_reuse_address(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_cannot_be_bound_is_told() {
        for address in ["nonsense", ":http", "vsock://3", "vsock://x:1", "127.0.0.1:port"] {
            let error = Listener::bind(address).unwrap_err();
            assert!(error.starts_with(&format!("cannot listen on {address}: ")), "{error}");
        }
    }

    #[test]
    fn a_port_in_use_is_not_bound_a_second_time() {
        let first = Listener::bind("127.0.0.1:0").unwrap();
        assert!(Listener::bind(&first.address().to_string()).is_err());
        let first = Listener::bind(":0").unwrap();
        let Address::Internet(address) = first.address() else { panic!("{first:?}") };
        assert!(Listener::bind(&format!(":{}", address.port())).is_err());
    }

    #[tokio::test]
    async fn a_listener_accepts_connections_one_after_the_other() {
        let listener = Listener::bind("127.0.0.1:0").unwrap();
        let address = listener.address().to_string();
        let open = listener.open().unwrap();
        for _ in 0..3 {
            let (near, far) = tokio::join!(open.accept(), TcpStream::connect(&address));
            assert_eq!(near.unwrap().peer_addr().unwrap(), far.unwrap().local_addr().unwrap());
        }
    }
}
