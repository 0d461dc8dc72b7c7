//! Echo messages and what the network says about them (RFC 792, RFC 4443).

use std::fmt;
use std::net::IpAddr;

use crate::failure::{Failure, Reason};

/// Length of the header of an echo message (RFC 792, RFC 4443 section 4.1).
pub(super) const ECHO_HEADER_BYTES: usize = 8;

/// Length of an IPv4 header without options (RFC 791 section 3.1).
pub(super) const IPV4_HEADER_BYTES: usize = 20;

/// Longest IPv4 header.
pub(super) const IPV4_HEADER_BYTES_MAX: usize = 60;

/// Most bytes after the echo header: IPv4's length field counts its header too (RFC 791 section 3.1), IPv6's does not
/// (RFC 8200 section 3).
pub(super) const fn payload_bytes_max(peer: IpAddr) -> usize {
    match peer {
        IpAddr::V4(_) => 65_535 - IPV4_HEADER_BYTES - ECHO_HEADER_BYTES,
        IpAddr::V6(_) => 65_535 - ECHO_HEADER_BYTES,
    }
}

/// An echo request that a reply can be told by.
#[derive(Debug)]
pub(super) struct Request {
    message: Vec<u8>,
    reply_type: u8,
}

impl Request {
    /// A request with this identifier and sequence number and a payload of this length that begins with the nonce.
    pub(super) fn new(peer: IpAddr, identifier: u16, sequence: u16, nonce: u64, payload_bytes: usize) -> Self {
        let (request_type, reply_type) = match peer {
            IpAddr::V4(_) => (8, 0),
            IpAddr::V6(_) => (128, 129),
        };
        let mut message = Vec::with_capacity(ECHO_HEADER_BYTES + payload_bytes);
        message.extend_from_slice(&[request_type, 0, 0, 0]);
        message.extend_from_slice(&identifier.to_be_bytes());
        message.extend_from_slice(&sequence.to_be_bytes());
        let filler = (0..=u8::MAX).cycle();
        message.extend(nonce.to_be_bytes().into_iter().chain(filler).take(payload_bytes));
        if peer.is_ipv4() {
            // Over IPv6 the checksum covers addresses too, and the kernel fills it in (RFC 3542 section 3.1).
            let checksum = checksum(&message);
            message[2..4].copy_from_slice(&checksum.to_be_bytes());
        }
        Self { message, reply_type }
    }

    /// The request as ICMP message.
    pub(super) fn message(&self) -> &[u8] {
        &self.message
    }

    /// Whether an ICMP message is the reply. Its checksum was verified by the kernel.
    pub(super) fn is_answered_by(&self, message: &[u8]) -> bool {
        message.len() == self.message.len() && message[..2] == [self.reply_type, 0] && message[4..] == self.message[4..]
    }

    /// Whether the beginning of an ICMP message is this request's: its type, identifier and sequence number.
    pub(super) fn begins_with(&self, message: &[u8]) -> bool {
        message.len() >= ECHO_HEADER_BYTES && message[..2] == self.message[..2] && message[4..8] == self.message[4..8]
    }
}

/// Takes the IPv4 header off a packet: the hops that were left, and the message in it.
pub(super) fn without_header(packet: &[u8]) -> Option<(u8, &[u8])> {
    let length = usize::from(packet.first()? & 0x0f) * 4;
    let message = packet.get(length.max(IPV4_HEADER_BYTES)..)?;
    // RFC 791 section 3.1: the time to live is the ninth byte.
    Some((packet[8], message))
}

/// Puts an IPv4 header before a message that must not be cut into pieces. What is zero here the kernel fills in (raw(7)).
pub(super) fn with_header(message: &[u8], peer: [u8; 4], hop_limit: u8) -> Vec<u8> {
    /// Version 4, five words of header.
    const VERSION_AND_LENGTH: u8 = 0x45;
    /// The flag DF (RFC 791 section 3.1).
    const DONT_FRAGMENT: u8 = 0x40;
    /// The protocol ICMP.
    const ICMP: u8 = 1;
    let mut packet = Vec::with_capacity(IPV4_HEADER_BYTES + message.len());
    packet.extend_from_slice(&[VERSION_AND_LENGTH, 0, 0, 0, 0, 0, DONT_FRAGMENT, 0]);
    packet.extend_from_slice(&[hop_limit, ICMP, 0, 0, 0, 0, 0, 0]);
    packet.extend_from_slice(&peer);
    packet.extend_from_slice(message);
    packet
}

/// The Internet checksum (RFC 1071).
pub(super) fn checksum(message: &[u8]) -> u16 {
    let mut words = message.chunks_exact(2);
    let mut sum: u64 = words.by_ref().map(|word| u64::from(u16::from_be_bytes([word[0], word[1]]))).sum();
    if let [last] = words.remainder() {
        sum += u64::from(*last) << 8;
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

/// The network's word that a request did not get through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Who says so, if it was not this machine.
    pub(super) from: Option<IpAddr>,
    pub(super) cause: Cause,
}

/// Why a request did not get through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// There is no way to the host.
    Unreachable,
    /// A rule forbids it.
    Prohibited,
    /// It took as many hops as it may.
    HopLimit,
    /// It is larger than a link takes, which takes this many bytes.
    TooLarge(u32),
    /// Another type and code.
    Other(u8, u8),
}

impl Refusal {
    /// Reads what the kernel keeps of an ICMP error (ip(7), `IP_RECVERR`); `None` for what is no such error.
    pub(super) fn of_kernel(error: &libc::sock_extended_err, from: Option<IpAddr>) -> Option<Self> {
        let cause = match (error.ee_origin, error.ee_type, error.ee_code) {
            // RFC 792, RFC 1812 section 5.2.7.1.
            (libc::SO_EE_ORIGIN_ICMP, 3, 4) => Cause::TooLarge(error.ee_info),
            (libc::SO_EE_ORIGIN_ICMP, 3, 9 | 10 | 13) => Cause::Prohibited,
            (libc::SO_EE_ORIGIN_ICMP, 3, _) => Cause::Unreachable,
            (libc::SO_EE_ORIGIN_ICMP, 11, _) => Cause::HopLimit,
            // RFC 4443 section 3.
            (libc::SO_EE_ORIGIN_ICMP6, 1, 1) => Cause::Prohibited,
            (libc::SO_EE_ORIGIN_ICMP6, 1, _) => Cause::Unreachable,
            (libc::SO_EE_ORIGIN_ICMP6, 2, _) => Cause::TooLarge(error.ee_info),
            (libc::SO_EE_ORIGIN_ICMP6, 3, _) => Cause::HopLimit,
            (libc::SO_EE_ORIGIN_ICMP | libc::SO_EE_ORIGIN_ICMP6, other, code) => Cause::Other(other, code),
            _ => return None,
        };
        Some(Self { from, cause })
    }

    /// The failure that it means for a request to `peer`.
    pub(super) fn failure(self, peer: IpAddr) -> Failure {
        let reason = match self.cause {
            Cause::TooLarge(_) | Cause::Other(..) => Reason::ConnectError,
            Cause::Unreachable | Cause::Prohibited | Cause::HopLimit => Reason::ConnectUnreachable,
        };
        Failure::new(reason, format_args!("{peer}: {self}"))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.from {
            Some(from) => write!(f, "{from} says that ")?,
            None => f.write_str("the network says that ")?,
        }
        match self.cause {
            Cause::Unreachable => f.write_str("there is no way to it"),
            Cause::Prohibited => f.write_str("a rule forbids to reach it"),
            Cause::HopLimit => f.write_str("the request took more hops than its limit"),
            Cause::TooLarge(0) => f.write_str("the request is too large for a link"),
            Cause::TooLarge(bytes) => write!(f, "the request is too large for a link, which takes {bytes} bytes"),
            Cause::Other(kind, code) => write!(f, "the request failed (ICMP type {kind}, code {code})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::collection;
    use proptest::prelude::*;

    use super::*;

    const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

    #[test]
    fn a_request_is_written_as_the_standard_says() {
        let request = Request::new(V4, 0x1234, 0x5678, 0x0102_0304_0506_0708, 11);
        let expected = [8, 0, 0x7d, 0x3e, 0x12, 0x34, 0x56, 0x78, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2];
        assert_eq!(request.message(), expected);
        // A message with its checksum sums up to zero (RFC 1071 section 1).
        assert_eq!(checksum(request.message()), 0);
        assert_eq!(Request::new(V4, 1, 2, u64::MAX, 3).message()[8..], [0xff; 3]);
        assert_eq!(Request::new(V6, 1, 2, 3, 0).message(), [128, 0, 0, 0, 0, 1, 0, 2]);
    }

    #[test]
    fn only_the_very_reply_counts() {
        let request = Request::new(V4, 1, 2, 3, 28);
        let reply = [&[0, 0, 9, 9], &request.message()[4..]].concat();
        assert!(request.is_answered_by(&reply));
        assert!(!request.is_answered_by(request.message()));
        assert!(!request.is_answered_by(&reply[..reply.len() - 1]));
        assert!(!request.is_answered_by(&[reply.as_slice(), &[0]].concat()));
        for byte in [0, 1, 4, 7, 8, reply.len() - 1] {
            let mut other = reply.clone();
            other[byte] ^= 1;
            assert!(!request.is_answered_by(&other), "byte {byte}");
        }
    }

    #[test]
    fn an_error_must_quote_the_request() {
        let request = Request::new(V4, 1, 2, 3, 28);
        assert!(request.begins_with(&request.message()[..8]));
        assert!(!request.begins_with(&request.message()[..7]));
        assert!(!request.begins_with(Request::new(V4, 1, 3, 3, 28).message()));
    }

    #[test]
    fn headers_are_taken_off_at_their_own_length() {
        let packet = with_header(&[7; 3], [127, 0, 0, 1], 9);
        assert_eq!(without_header(&packet), Some((9, &[7; 3][..])));
        let mut with_options = packet.clone();
        with_options[0] = 0x46;
        assert_eq!(without_header(&with_options), None);
        with_options.extend_from_slice(&[5; 4]);
        assert_eq!(without_header(&with_options), Some((9, &[5; 3][..])));
        assert_eq!(without_header(&[0x41; 19]), None);
        assert_eq!(without_header(&[]), None);
    }

    proptest! {
        #[test]
        fn whatever_arrives_is_looked_at_safely(packet in collection::vec(any::<u8>(), 0..100)) {
            let request = Request::new(V4, 1, 2, 3, 28);
            let message = without_header(&packet).map_or(&packet[..], |(_, message)| message);
            prop_assert!(!request.is_answered_by(message) && !request.begins_with(message));
        }
    }

    #[test]
    fn errors_are_told_apart() {
        let read = |ee_origin, ee_type, ee_code| {
            let error = libc::sock_extended_err {
                ee_errno: 0,
                ee_origin,
                ee_type,
                ee_code,
                ee_pad: 0,
                ee_info: 1400,
                ee_data: 0,
            };
            Refusal::of_kernel(&error, Some(V4)).map(|refusal| refusal.failure(V6).to_string())
        };
        let text = |words: &str| Some(words.to_owned());
        assert_eq!(read(libc::SO_EE_ORIGIN_LOCAL, 3, 1), None);
        assert_eq!(
            read(libc::SO_EE_ORIGIN_ICMP, 3, 1),
            text("connect_unreachable: ::1: 127.0.0.1 says that there is no way to it")
        );
        assert_eq!(
            read(libc::SO_EE_ORIGIN_ICMP, 3, 13),
            text("connect_unreachable: ::1: 127.0.0.1 says that a rule forbids to reach it")
        );
        assert_eq!(
            read(libc::SO_EE_ORIGIN_ICMP6, 3, 0),
            text("connect_unreachable: ::1: 127.0.0.1 says that the request took more hops than its limit")
        );
        assert_eq!(
            read(libc::SO_EE_ORIGIN_ICMP6, 2, 0),
            text("connect_error: ::1: 127.0.0.1 says that the request is too large for a link, which takes 1400 bytes")
        );
        assert_eq!(
            read(libc::SO_EE_ORIGIN_ICMP6, 4, 2),
            text("connect_error: ::1: 127.0.0.1 says that the request failed (ICMP type 4, code 2)")
        );
    }
}
