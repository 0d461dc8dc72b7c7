//! EDNS: the record that extends the header (RFC 6891), asked with and read.

use std::fmt;

use super::message::Record;
use super::text::{Hex, write_escaped};
use super::wire::Cursor;

/// Name server identifier (RFC 5001).
pub(super) const NSID: u16 = 3;
/// RFC 7873.
const COOKIE: u16 = 10;
/// Why a server failed (RFC 8914).
const EXTENDED_ERROR: u16 = 15;

/// The bit that asks for DNSSEC records (RFC 3225 section 3).
pub(super) const DNSSEC_OK: u32 = 0x8000;

/// An OPT record: its class is a size, its TTL holds flags (RFC 6891 section 6.1.3).
pub(super) struct Opt<'m> {
    message: &'m [u8],
    record: &'m Record,
}

impl<'m> Opt<'m> {
    pub(super) const fn new(message: &'m [u8], record: &'m Record) -> Self {
        Self { message, record }
    }

    /// What the server says about its failure.
    pub(super) fn extended_error(&self) -> Option<ExtendedError<'m>> {
        self.options().filter(|(code, _)| *code == EXTENDED_ERROR).find_map(|(_, value)| ExtendedError::read(value))
    }

    /// Codes and values of the options, as far as they can be read (RFC 6891 section 6.1.2).
    fn options(&self) -> impl Iterator<Item = (u16, &'m [u8])> {
        let mut cursor: Cursor<'m> = self.record.data(self.message);
        std::iter::from_fn(move || {
            let code = cursor.short().ok()?;
            let length = cursor.short().ok()?;
            Some((code, cursor.bytes(usize::from(length)).ok()?))
        })
    }
}

/// Several lines, the first empty, as dig shows it.
impl fmt::Display for Opt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ttl = self.record.ttl;
        write!(f, "\n;; OPT PSEUDOSECTION:\n; EDNS: version {}; flags:", ttl >> 16 & 0xff)?;
        if ttl & DNSSEC_OK != 0 {
            f.write_str(" do")?;
        }
        f.write_str("; ")?;
        if ttl & 0x7fff != 0 {
            write!(f, "MBZ: 0x{:04x}, ", ttl & 0x7fff)?;
        }
        write!(f, "udp: {}", self.record.class.0)?;
        for (code, value) in self.options() {
            match code {
                NSID => {
                    write!(f, "\n; NSID: {}  ", Hex(value))?;
                    for byte in value {
                        let shown = if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
                        write!(f, "({shown})")?;
                    }
                }
                COOKIE => write!(f, "\n; COOKIE: {}", Hex(value))?,
                EXTENDED_ERROR if let Some(error) = ExtendedError::read(value) => write!(f, "\n; EDE: {error}")?,
                _ => write!(f, "\n; LOCAL OPT: {code}:0x{}", Hex(value))?,
            }
        }
        Ok(())
    }
}

/// Why a server could not answer, in its own words (RFC 8914 section 2).
#[derive(Debug, Clone, Copy)]
pub(super) struct ExtendedError<'m> {
    code: u16,
    text: &'m [u8],
}

impl<'m> ExtendedError<'m> {
    fn read(value: &'m [u8]) -> Option<Self> {
        let (code, text) = value.split_first_chunk()?;
        Some(Self { code: u16::from_be_bytes(*code), text })
    }
}

impl fmt::Display for ExtendedError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(name) = EXTENDED_ERRORS.get(usize::from(self.code)) {
            write!(f, " ({name})")?;
        }
        f.write_str(": (")?;
        write_escaped(f, self.text, |_| false)?;
        f.write_str(")")
    }
}

/// By code, from 0 (IANA, extended DNS error codes).
const EXTENDED_ERRORS: [&str; 30] = [
    "Other",
    "Unsupported DNSKEY Algorithm",
    "Unsupported DS Digest Type",
    "Stale Answer",
    "Forged Answer",
    "DNSSEC Indeterminate",
    "DNSSEC Bogus",
    "Signature Expired",
    "Signature Not Yet Valid",
    "DNSKEY Missing",
    "RRSIGs Missing",
    "No Zone Key Bit Set",
    "NSEC Missing",
    "Cached Error",
    "Not Ready",
    "Blocked",
    "Censored",
    "Filtered",
    "Prohibited",
    "Stale NXDOMAIN Answer",
    "Not Authoritative",
    "Not Supported",
    "No Reachable Authority",
    "Network Error",
    "Invalid Data",
    "Signature Expired before Valid",
    "Too Early",
    "Unsupported NSEC3 Iterations Value",
    "Unable to conform to policy",
    "Synthesized",
];
