//! ICMP echo: one request, its reply.
//!
//! An unprivileged ("ping") socket (Linux since 3.0, sysctl `net.ipv4.ping_group_range`) is tried first: the kernel
//! chooses its identifier and shows it nothing but echo replies with that. A raw one, which needs `CAP_NET_RAW`, is shown
//! everything that comes from the peer; once that is more than its own reply, it gets a filter to the same effect. The
//! time of arrival is the kernel's, not that of our waking up.

mod filter;
mod inbox;
mod packet;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use nix::sys::socket::{MsgFlags, setsockopt, sockopt};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::failure::{Failure, Reason};
use crate::net::Net;
use crate::net::connect::{Source, cannot_bind};
use crate::net::icmp::inbox::{Arrival, Inbox, Others};
use crate::net::icmp::packet::{IPV4_HEADER_BYTES_MAX, Request};

/// Most messages of others that are looked at in one go. Chosen: the runtime has other things to do.
const MESSAGES_AT_ONCE_MAX: usize = 64;

/// How many hops a request may take if it carries its own header and nothing else is said (RFC 1340, "IP TTL").
const HOP_LIMIT: u8 = 64;

/// How an echo request is made and travels.
#[derive(Debug, Clone)]
pub struct EchoRoute {
    /// Whom it goes to.
    pub peer: IpAddr,
    /// The number of the interface in whose zone that is, for link-local addresses of IPv6; else zero.
    pub scope: u32,
    /// The local address it comes from.
    pub source: Source,
    /// How many hops it may take; `None`: as many as the system's default says.
    pub hop_limit: Option<u8>,
    /// Whether IPv4 routers must not cut it into pieces. Needs a raw socket.
    pub dont_fragment: bool,
    /// Length of what follows its header.
    pub payload_bytes: u64,
}

/// A request with a socket of its own.
#[derive(Debug)]
pub struct Echo {
    socket: Socket,
    asked: Asked,
    /// The packet, where it carries its own header.
    packet: Option<Vec<u8>>,
}

/// What a reply must fit.
#[derive(Debug)]
struct Asked {
    access: Access,
    peer: IpAddr,
    request: Request,
    identifier: u16,
    sequence: u16,
    /// Whether the socket has a filter already, which lets nothing pass.
    swallowed: bool,
}

/// A reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EchoReply {
    /// When the kernel got it, on the wall clock.
    pub at: Option<SystemTime>,
    /// How many hops it had left.
    pub hop_limit: Option<u8>,
}

/// On what terms the system gave a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Sends and shows ICMP messages.
    Unprivileged,
    /// Sends ICMP messages; shows them, over IPv4 with the IPv4 header.
    Raw,
    /// Sends and shows IPv4 packets.
    RawWithHeader,
}

/// Keeps the kernel's arrival times switched on. The kernel switches them with the first and last socket that wants
/// them, and patches its own code for that: done for every request it would cost more than the request.
#[derive(Clone, Debug, Default)]
pub(super) struct ArrivalTimes(Arc<OnceLock<Option<Socket>>>);

impl ArrivalTimes {
    fn keep(&self) {
        self.0.get_or_init(|| {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).ok()?;
            setsockopt(&socket, sockopt::ReceiveTimestampns, &true).ok()?;
            Some(socket)
        });
    }
}

impl Net {
    /// Makes an echo request with a random identifier, sequence number and nonce, and a socket for it. Enters no phase:
    /// nothing travels.
    pub fn echo(&self, route: &EchoRoute) -> Result<Echo, Failure> {
        let EchoRoute { peer, source, .. } = *route;
        let address = match peer {
            IpAddr::V4(_) => SocketAddr::new(peer, 0),
            IpAddr::V6(peer) => SocketAddrV6::new(peer, 0, 0, route.scope).into(),
        };
        self.permit_without_port(peer)?;
        let source = self.source(source, address)?;
        let payload_bytes_max = packet::payload_bytes_max(peer);
        let payload_bytes = usize::try_from(route.payload_bytes).unwrap_or(usize::MAX);
        if payload_bytes > payload_bytes_max {
            let message =
                format_args!("a payload of {payload_bytes} bytes does not fit, at most {payload_bytes_max} do");
            return Err(Failure::new(Reason::ConfigUnusable, message));
        }
        self.arrival_times.keep();
        let (socket, access) = open(route)?;
        // A keyed hash of a counter: nobody outside can foretell it.
        let random = RandomState::new();
        let [high, low, sequence_high, sequence_low, ..] = random.hash_one(0_u8).to_be_bytes();
        let sequence = u16::from_be_bytes([sequence_high, sequence_low]);
        let wished = u16::from_be_bytes([high, low]);
        let swallowed = self.blackhole.as_ref().is_some_and(|swallows| swallows(peer));
        let unusable = |error: io::Error| Failure::io("cannot set up an ICMP socket", &error);
        configure(&socket, access, route, swallowed).map_err(unusable)?;
        self.use_interface(SockRef::from(&socket))?;
        if let Some(source) = source {
            socket.bind(&source.into()).map_err(|error| cannot_bind(source.ip(), &error))?;
        }
        socket.connect(&address.into()).map_err(|error| Failure::io(&format!("cannot send to {peer}"), &error))?;
        let identifier = match access {
            Access::Unprivileged => socket.local_addr().map_err(unusable)?.as_socket().map_or(0, |own| own.port()),
            Access::Raw | Access::RawWithHeader => wished,
        };
        let request = Request::new(peer, identifier, sequence, random.hash_one(1_u8), payload_bytes);
        let packet = match (access, peer) {
            (Access::RawWithHeader, IpAddr::V4(peer)) => {
                let hop_limit = route.hop_limit.unwrap_or(HOP_LIMIT);
                Some(packet::with_header(request.message(), peer.octets(), hop_limit))
            }
            _ => None,
        };
        Ok(Echo { socket, asked: Asked { access, peer, request, identifier, sequence, swallowed }, packet })
    }
}

/// Opens the least privileged socket that will do.
fn open(route: &EchoRoute) -> Result<(Socket, Access), Failure> {
    let (domain, protocol) = match route.peer {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    let socket = |kind: Type| Socket::new(domain, kind.nonblocking(), Some(protocol));
    let with_header = route.dont_fragment && route.peer.is_ipv4();
    if !with_header {
        match socket(Type::DGRAM) {
            Ok(socket) => return Ok((socket, Access::Unprivileged)),
            Err(error) if is_denied(&error) => {}
            Err(error) => return Err(Failure::io("cannot open an ICMP socket", &error)),
        }
    }
    match socket(Type::RAW) {
        Ok(socket) => Ok((socket, if with_header { Access::RawWithHeader } else { Access::Raw })),
        Err(error) if is_denied(&error) => {
            let message = match with_header {
                true => "cannot open a raw ICMP socket: dont_fragment needs CAP_NET_RAW",
                false => "cannot open an ICMP socket: neither net.ipv4.ping_group_range nor CAP_NET_RAW allows it",
            };
            Err(Failure::new(Reason::AgentPermission, message))
        }
        Err(error) => Err(Failure::io("cannot open a raw ICMP socket", &error)),
    }
}

/// Whether such sockets are not allowed or not known, so that another kind may do.
fn is_denied(error: &io::Error) -> bool {
    let number = error.raw_os_error();
    matches!(number, Some(libc::EPERM | libc::EACCES | libc::EPROTONOSUPPORT | libc::ESOCKTNOSUPPORT))
}

fn configure(socket: &Socket, access: Access, route: &EchoRoute, swallowed: bool) -> io::Result<()> {
    if swallowed {
        socket.attach_filter(&filter::NOTHING)?;
    }
    setsockopt(socket, sockopt::ReceiveTimestampns, &true)?;
    match route.peer {
        IpAddr::V4(_) => {
            setsockopt(socket, sockopt::Ipv4RecvErr, &true)?;
            match access {
                Access::Unprivileged => setsockopt(socket, sockopt::Ipv4RecvTtl, &true)?,
                Access::Raw => {}
                Access::RawWithHeader => socket.set_header_included_v4(true)?,
            }
            if let Some(hops) = route.hop_limit {
                socket.set_ttl_v4(hops.into())?;
            }
        }
        IpAddr::V6(_) => {
            setsockopt(socket, sockopt::Ipv6RecvErr, &true)?;
            setsockopt(socket, sockopt::Ipv6RecvHopLimit, &true)?;
            if let Some(hops) = route.hop_limit {
                socket.set_unicast_hops_v6(hops.into())?;
            }
        }
    }
    Ok(())
}

impl Echo {
    /// Whether the socket needed a privilege.
    pub fn is_raw(&self) -> bool {
        self.asked.access != Access::Unprivileged
    }

    /// Sends the request.
    pub fn send(&self) -> Result<(), Failure> {
        let bytes = self.packet.as_deref().unwrap_or(self.asked.request.message());
        match self.socket.send(bytes) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(Failure::new(Reason::AgentMemory, format_args!("no room to send {} bytes", bytes.len())))
            }
            Err(error) => {
                let doing = format!("cannot send {} bytes to {}", bytes.len(), self.asked.peer);
                Err(Failure::io(&doing, &error))
            }
        }
    }

    /// Waits for the reply, or for the network's word that the request did not get through.
    pub async fn reply(self) -> Result<EchoReply, Failure> {
        let Self { socket, asked, .. } = self;
        let failed = |error: io::Error| Failure::io("cannot receive ICMP messages", &error);
        let bytes_max = asked.request.message().len() + IPV4_HEADER_BYTES_MAX + 1;
        let mut inbox = Inbox::of(bytes_max);
        // The answer of a near peer is there already: then nobody has to watch the socket.
        if let Some(reply) = asked.take_own(socket.as_fd(), &mut inbox).map_err(failed)?.found()? {
            return Ok(reply);
        }
        asked.narrow(socket.as_fd(), &mut inbox).map_err(failed)?;
        // It is no UDP socket, but can be watched like one, and is used for nothing else.
        let socket = UdpSocket::from_std(socket.into()).map_err(failed)?;
        loop {
            let ready = socket.ready(Interest::READABLE | Interest::ERROR).await.map_err(failed)?;
            // What turns out not to be ready is cleared, of one kind at a time.
            let interest = if ready.is_error() { Interest::ERROR } else { Interest::READABLE };
            let taken = socket.try_io(interest, || match asked.take_own(socket.as_fd(), &mut inbox)? {
                Taken::Nothing => Err(io::ErrorKind::WouldBlock.into()),
                taken => Ok(taken),
            });
            match taken {
                Ok(taken) => {
                    if let Some(reply) = taken.found()? {
                        return Ok(reply);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(failed(error)),
            }
            asked.narrow(socket.as_fd(), &mut inbox).map_err(failed)?;
        }
    }
}

impl Asked {
    /// Has the kernel keep from a raw socket what is not for it, if there was such: a filter costs more than a message.
    fn narrow(&self, socket: BorrowedFd<'_>, inbox: &mut Inbox) -> io::Result<()> {
        if inbox.others != Others::Seen || self.swallowed || self.access == Access::Unprivileged {
            return Ok(());
        }
        inbox.others = Others::Filtered;
        let socket = SockRef::from(&socket);
        match self.peer {
            IpAddr::V4(_) => socket.attach_filter(&filter::replies_v4(self.identifier, self.sequence)),
            IpAddr::V6(_) => socket.attach_filter(&filter::replies_v6(self.identifier, self.sequence)),
        }
    }

    /// Looks through what is there for what concerns this request.
    fn take_own(&self, socket: BorrowedFd<'_>, inbox: &mut Inbox) -> io::Result<Taken> {
        for _ in 0..MESSAGES_AT_ONCE_MAX {
            let taken = match inbox.take(socket, MsgFlags::empty()) {
                Ok(arrival) => self.own_reply(inbox, &arrival),
                // The number of an error, which waits in a queue of its own (ip(7), `IP_RECVERR`).
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => self.own_refusal(socket, inbox)?,
                Err(_) => return Ok(Taken::Nothing),
            };
            if let Some(taken) = taken {
                return Ok(taken);
            }
            if inbox.others == Others::None {
                inbox.others = Others::Seen;
            }
        }
        Ok(Taken::Others)
    }

    fn own_reply(&self, inbox: &Inbox, arrival: &Arrival) -> Option<Taken> {
        let bytes = &inbox.bytes[..arrival.length];
        let (hop_limit, message) = match (self.access, self.peer) {
            (Access::Raw | Access::RawWithHeader, IpAddr::V4(_)) => {
                let (hop_limit, message) = packet::without_header(bytes)?;
                (Some(hop_limit), message)
            }
            _ => (arrival.hop_limit, bytes),
        };
        let is_own = arrival.from == Some(self.peer) && self.request.is_answered_by(message);
        is_own.then_some(Taken::Reply(EchoReply { at: arrival.at, hop_limit }))
    }

    fn own_refusal(&self, socket: BorrowedFd<'_>, inbox: &mut Inbox) -> io::Result<Option<Taken>> {
        for _ in 0..MESSAGES_AT_ONCE_MAX {
            let arrival = match inbox.take(socket, MsgFlags::MSG_ERRQUEUE) {
                Ok(arrival) => arrival,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            };
            let quoted = &inbox.bytes[..arrival.length];
            let quoted = match self.access {
                Access::RawWithHeader => packet::without_header(quoted).map_or(&[][..], |(_, message)| message),
                Access::Unprivileged | Access::Raw => quoted,
            };
            if let Some(refusal) = arrival.refusal
                && self.request.begins_with(quoted)
            {
                return Ok(Some(Taken::Refusal(refusal.failure(self.peer))));
            }
        }
        Ok(None)
    }
}

/// What a look at a socket gave.
enum Taken {
    /// Nothing is there.
    Nothing,
    /// There may be more, after much that was not ours.
    Others,
    Reply(EchoReply),
    Refusal(Failure),
}

impl Taken {
    fn found(self) -> Result<Option<EchoReply>, Failure> {
        match self {
            Self::Nothing | Self::Others => Ok(None),
            Self::Reply(reply) => Ok(Some(reply)),
            Self::Refusal(failure) => Err(failure),
        }
    }
}
