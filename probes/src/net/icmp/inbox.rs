//! What arrives at a socket, and what the kernel says of it.

use std::io::{self, IoSliceMut};
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg};

use crate::net::icmp::packet::Refusal;

/// Room for what the kernel tells beside a packet: an arrival time, a hop limit, an error with its sender.
const CONTROL_BYTES: usize = 256;

/// Where the kernel puts what arrives.
pub(super) struct Inbox {
    pub(super) bytes: Vec<u8>,
    control: Vec<u8>,
    pub(super) others: Others,
}

/// What is known of messages that are not for this request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    /// There was none yet.
    None,
    /// There was one.
    Seen,
    /// They are filtered out.
    Filtered,
}

/// What the kernel says of what it put there.
pub(super) struct Arrival {
    pub(super) length: usize,
    pub(super) from: Option<IpAddr>,
    pub(super) at: Option<SystemTime>,
    pub(super) hop_limit: Option<u8>,
    pub(super) refusal: Option<Refusal>,
}

impl Inbox {
    /// Room for messages of so many bytes; longer ones are cut.
    pub(super) fn of(bytes_max: usize) -> Self {
        Self { bytes: vec![0; bytes_max], control: vec![0; CONTROL_BYTES], others: Others::None }
    }

    /// Takes the next message, or with `MSG_ERRQUEUE` the next error.
    pub(super) fn take(&mut self, socket: BorrowedFd<'_>, flags: MsgFlags) -> io::Result<Arrival> {
        let mut parts = [IoSliceMut::new(&mut self.bytes)];
        let received = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut self.control), flags)?;
        let from = received.address.as_ref().and_then(address);
        let mut arrival = Arrival { length: received.bytes, from, at: None, hop_limit: None, refusal: None };
        for message in received.cmsgs()? {
            match message {
                ControlMessageOwned::ScmTimestampns(at) => {
                    let seconds = u64::try_from(at.tv_sec()).unwrap_or(0);
                    let nanos = u32::try_from(at.tv_nsec()).unwrap_or(0);
                    arrival.at = Some(UNIX_EPOCH + Duration::new(seconds, nanos));
                }
                ControlMessageOwned::Ipv4Ttl(hops) | ControlMessageOwned::Ipv6HopLimit(hops) => {
                    arrival.hop_limit = u8::try_from(hops).ok();
                }
                ControlMessageOwned::Ipv4RecvErr(error, from) => {
                    let from = from.map(|from| IpAddr::from(u32::from_be(from.sin_addr.s_addr).to_be_bytes()));
                    arrival.refusal = Refusal::of_kernel(&error, from);
                }
                ControlMessageOwned::Ipv6RecvErr(error, from) => {
                    let from = from.map(|from| IpAddr::from(from.sin6_addr.s6_addr));
                    arrival.refusal = Refusal::of_kernel(&error, from);
                }
                _ => {}
            }
        }
        Ok(arrival)
    }
}

fn address(storage: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = storage.as_sockaddr_in().map(|address| IpAddr::from(address.ip()));
    v4.or_else(|| storage.as_sockaddr_in6().map(|address| IpAddr::from(address.ip())))
}
