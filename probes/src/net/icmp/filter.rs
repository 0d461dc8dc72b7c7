//! What a socket is shown of what arrives: small programs for the kernel's packet filter (bpf(4), Linux `filter.rst`).

use socket2::SockFilter;

/// Loads a byte at an offset.
const LOAD_BYTE: u16 = 0x30;
/// Loads two bytes at an offset.
const LOAD_HALF: u16 = 0x28;
/// Loads a byte at an offset from the index.
const LOAD_BYTE_INDEXED: u16 = 0x50;
/// Loads two bytes at an offset from the index.
const LOAD_HALF_INDEXED: u16 = 0x48;
/// Sets the index to the length of the IPv4 header at an offset.
const INDEX_HEADER: u16 = 0xb1;
/// Compares with a constant; goes on, or skips as many instructions as said.
const JUMP_EQUAL: u16 = 0x15;
/// Ends with a constant: how many bytes pass.
const RETURN: u16 = 0x06;

/// Type of an echo reply (RFC 792).
const ECHO_REPLY_V4: u32 = 0;
/// Type of an echo reply (RFC 4443 section 4.2).
const ECHO_REPLY_V6: u32 = 129;

const PASS: SockFilter = SockFilter::new(RETURN, 0, 0, u32::MAX);
const DROP: SockFilter = SockFilter::new(RETURN, 0, 0, 0);

/// Lets nothing pass.
pub(super) const NOTHING: [SockFilter; 1] = [DROP];

/// Lets echo replies with this identifier and sequence number pass. What a raw IPv4 socket sees begins with the IPv4 header.
pub(super) const fn replies_v4(identifier: u16, sequence: u16) -> [SockFilter; 9] {
    [
        SockFilter::new(INDEX_HEADER, 0, 0, 0),
        SockFilter::new(LOAD_BYTE_INDEXED, 0, 0, 0),
        SockFilter::new(JUMP_EQUAL, 0, 5, ECHO_REPLY_V4),
        SockFilter::new(LOAD_HALF_INDEXED, 0, 0, 4),
        SockFilter::new(JUMP_EQUAL, 0, 3, identifier as u32),
        SockFilter::new(LOAD_HALF_INDEXED, 0, 0, 6),
        SockFilter::new(JUMP_EQUAL, 0, 1, sequence as u32),
        PASS,
        DROP,
    ]
}

/// As [`replies_v4`]. What a raw IPv6 socket sees begins with the ICMP header.
pub(super) const fn replies_v6(identifier: u16, sequence: u16) -> [SockFilter; 8] {
    [
        SockFilter::new(LOAD_BYTE, 0, 0, 0),
        SockFilter::new(JUMP_EQUAL, 0, 5, ECHO_REPLY_V6),
        SockFilter::new(LOAD_HALF, 0, 0, 4),
        SockFilter::new(JUMP_EQUAL, 0, 3, identifier as u32),
        SockFilter::new(LOAD_HALF, 0, 0, 6),
        SockFilter::new(JUMP_EQUAL, 0, 1, sequence as u32),
        PASS,
        DROP,
    ]
}
