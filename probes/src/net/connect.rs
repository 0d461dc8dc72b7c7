//! Opening connections: TCP, UDP and unix sockets.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpSocket, UdpSocket};

use crate::failure::{Failure, Reason};
use crate::net::{Net, Network, Stream, TcpStream, UnixStream};
use crate::phase::Phase;
use crate::recorder::Recorder;

/// A connection is being opened.
pub const CONNECT: Phase = Phase::new("connect").whole_only();

/// The local address a probe speaks from.
pub type Source = Option<IpAddr>;

pub(super) fn family_matches(source: Source, peer: SocketAddr) -> Result<(), Failure> {
    match source {
        Some(source) if source.is_ipv4() != peer.is_ipv4() => Err(Failure::new(
            Reason::ConfigUnusable,
            format_args!("source address {source} is of another protocol than {}", peer.ip()),
        )),
        _ => Ok(()),
    }
}

/// Has the system acknowledge what arrives next without delay (tcp(7), `TCP_QUICKACK`). A peer that waits for the
/// acknowledgement of one small piece before it sends the next (RFC 1122 section 4.2.3.4) would otherwise seem slow by
/// the forty milliseconds that the acknowledgement is held back.
pub fn acknowledge_at_once(stream: &TcpStream) {
    // A wish that is not granted costs accuracy, not the answer.
    let _ = SockRef::from(&**stream).set_tcp_quickack(true);
}

impl Net {
    /// Opens a TCP connection, in phase [`CONNECT`].
    pub async fn tcp(&self, recorder: &mut Recorder, peer: SocketAddr, source: Source) -> Result<TcpStream, Failure> {
        self.tcp_in(CONNECT, recorder, peer, source).await
    }

    /// As [`Self::tcp`], in a phase of the kind's own: for kinds that show the time of a connection that failed.
    pub async fn tcp_in(
        &self,
        phase: Phase,
        recorder: &mut Recorder,
        peer: SocketAddr,
        source: Source,
    ) -> Result<TcpStream, Failure> {
        recorder.enter(phase);
        self.permit(peer)?;
        let source = self.source(source, peer)?;
        let socket = if peer.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        let socket = socket.map_err(|error| Failure::io("cannot open a socket", &error))?;
        self.use_interface(SockRef::from(&socket))?;
        if let Some(source) = source {
            socket.bind(source).map_err(|error| cannot_bind(source.ip(), &error))?;
        }
        let stream =
            socket.connect(peer).await.map_err(|error| Failure::io(&format!("cannot connect to {peer}"), &error))?;
        // Without it a short request may wait for the acknowledgement of the one before.
        stream.set_nodelay(true).map_err(|error| Failure::io("cannot set TCP_NODELAY", &error))?;
        recorder.note(format_args!("connected to {peer}"));
        Ok(Stream::new(stream, self.watch()))
    }

    /// Opens a UDP socket that speaks with one peer only. Enters no phase: nothing travels.
    pub async fn udp(&self, peer: SocketAddr, source: Source) -> Result<UdpSocket, Failure> {
        self.permit(peer)?;
        let source = self.source(source, peer)?;
        let failed = |error: io::Error| Failure::io("cannot open a socket", &error);
        let socket = Socket::new(Domain::for_address(peer), Type::DGRAM.nonblocking(), Some(Protocol::UDP));
        let socket = socket.map_err(failed)?;
        self.use_interface(SockRef::from(&socket))?;
        if let Some(source) = source {
            socket.bind(&source.into()).map_err(|error| cannot_bind(source.ip(), &error))?;
        }
        let socket = UdpSocket::from_std(socket.into()).map_err(failed)?;
        socket.connect(peer).await.map_err(|error| Failure::io(&format!("cannot reach {peer}"), &error))?;
        Ok(socket)
    }

    /// Opens a connection to a unix socket, in phase [`CONNECT`]. A path that begins with `@` names a socket without a
    /// file (unix(7), "abstract").
    pub async fn unix(&self, recorder: &mut Recorder, path: &Path) -> Result<UnixStream, Failure> {
        recorder.enter(CONNECT);
        self.permit_socket(path)?;
        let spelt = match path.as_os_str().as_bytes().strip_prefix(b"@") {
            Some(name) => Cow::Owned(PathBuf::from(OsStr::from_bytes(&[b"\0", name].concat()))),
            None => Cow::Borrowed(path),
        };
        let stream = tokio::net::UnixStream::connect(spelt).await.map_err(|error| {
            let message = format!("cannot connect to {}: {error}", path.display());
            match error.kind() {
                std::io::ErrorKind::NotFound => Failure::new(Reason::ConnectRefused, message),
                _ => Failure::new(Reason::of_io(&error), message),
            }
        })?;
        recorder.note(format_args!("connected to {}", path.display()));
        Ok(Stream::new(stream, self.watch()))
    }

    /// The local address to speak from: the kind's own, else the module's.
    pub(super) fn source(&self, source: Source, peer: SocketAddr) -> Result<Option<SocketAddr>, Failure> {
        family_matches(source, peer)?;
        match source {
            Some(source) => Ok(Some(SocketAddr::new(source, 0))),
            None => Ok(self.network().and_then(|network| network.source(peer))),
        }
    }

    /// Has a socket use the module's interface only, if it names one (socket(7), `SO_BINDTODEVICE`).
    pub(super) fn use_interface(&self, socket: SockRef<'_>) -> Result<(), Failure> {
        let Some(name) = self.network().and_then(Network::interface) else { return Ok(()) };
        socket.bind_device(Some(name.as_bytes())).map_err(|error| match error.raw_os_error() {
            Some(libc::EPERM) => {
                let message = format_args!("cannot use interface {name}: this system asks for CAP_NET_RAW");
                Failure::new(Reason::AgentPermission, message)
            }
            Some(libc::ENODEV) => Failure::new(Reason::AgentNoRoute, format_args!("there is no interface {name}")),
            _ => Failure::io(&format!("cannot use interface {name}"), &error),
        })
    }
}

pub(super) fn cannot_bind(source: IpAddr, error: &std::io::Error) -> Failure {
    let reason = match Reason::of_io(error) {
        // The operator's address, not the lack of ports.
        Reason::AgentPorts => Reason::ConfigUnusable,
        reason => reason,
    };
    Failure::new(reason, format_args!("cannot speak from {source}: {error}"))
}
