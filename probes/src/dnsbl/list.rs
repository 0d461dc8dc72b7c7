//! One list: the names it is asked by and what its answers mean (RFC 5782).
//!
//! Knows no clock and no verdict on the run.

use std::net::{IpAddr, Ipv4Addr};

use hickory_proto::rr::{RData, RecordType};

use crate::failure::Reason;
use crate::net::{Net, ResolverError};

/// Answers with which lists refuse a resolver instead of naming an entry, as the large ones document.
const REFUSALS: [u8; 3] = [127, 255, 255];
/// Longest name that can be asked for in bytes (RFC 1035 section 2.3.4, without the final dot).
const NAME_BYTES_MAX: usize = 253;

/// What a list is about, and hence what stands in it for its test (RFC 5782 sections 2.1, 2.2, 2.4 and 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    Addresses,
    Domains,
}

impl About {
    /// The entry that every such list has, and the one that none has.
    pub(super) const fn test_entries(self) -> [&'static str; 2] {
        match self {
            Self::Addresses => ["2.0.0.127", "1.0.0.127"],
            Self::Domains => ["TEST", "INVALID"],
        }
    }
}

/// What a list says of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// It names it, with these codes.
    Listed(Vec<Ipv4Addr>),
    /// It does not.
    Clear,
    /// It does not serve this resolver.
    Refused(String),
    /// Nothing that could be understood.
    None(String),
}

/// Asks a list for an entry.
pub(super) async fn ask(net: &Net, zone: &str, entry: &str) -> Word {
    let name = format!("{entry}.{zone}.");
    if name.len() > NAME_BYTES_MAX + 1 {
        return Word::None(format!("{entry} is too long a name for {zone}"));
    }
    word(net.resolver().lookup(&name, RecordType::A).await)
}

/// What an answer means.
fn word(answer: Result<Vec<RData>, ResolverError>) -> Word {
    let records = match answer {
        Ok(records) => records,
        Err(ResolverError { reason: Reason::DnsNxdomain | Reason::DnsNodata, .. }) => return Word::Clear,
        Err(ResolverError { reason: Reason::DnsRefused, message, .. }) => return Word::Refused(message),
        Err(error) => return Word::None(error.message),
    };
    let codes: Vec<Ipv4Addr> =
        records.iter().filter_map(|data| if let RData::A(address) = data { Some(address.0) } else { None }).collect();
    if let Some(code) = codes.iter().find(|code| code.octets().starts_with(&REFUSALS)) {
        return Word::Refused(format!("it answers {code}: it does not serve this resolver"));
    }
    match codes.iter().find(|code| !code.is_loopback()) {
        // A zone that was sold answers everything with the address of a web server.
        Some(address) => Word::None(format!("it answers {address}, which is no code of a list")),
        None if codes.is_empty() => Word::Clear,
        None => Word::Listed(codes),
    }
}

/// The name under which an address stands in a list: its octets, or the 32 digits of IPv6, last first.
pub(super) fn reversed(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}")
        }
        IpAddr::V6(address) => {
            let octets = address.octets();
            let digits = octets.iter().rev().flat_map(|octet| [octet & 15, octet >> 4]);
            digits.map(|digit| format!("{digit:x}")).collect::<Vec<_>>().join(".")
        }
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::rdata::A;

    use super::*;

    fn says(codes: &[[u8; 4]]) -> Word {
        word(Ok(codes.iter().map(|octets| RData::A(A(Ipv4Addr::from(*octets)))).collect()))
    }

    fn fails(reason: Reason) -> Word {
        word(Err(ResolverError { reason, message: "why".to_owned(), security: crate::net::Security::Unknown }))
    }

    #[test]
    fn addresses_are_written_last_part_first() {
        assert_eq!(reversed(IpAddr::from([192, 0, 2, 99])), "99.2.0.192");
        assert_eq!(reversed("::ffff:192.0.2.99".parse().expect("an address")), "99.2.0.192");
        // The example of RFC 5782 section 2.4.
        assert_eq!(
            reversed("2001:db8:1:2:3:4:567:89ab".parse().expect("an address")),
            "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2"
        );
    }

    #[test]
    fn an_entry_is_told_from_a_refusal_and_from_nonsense() {
        assert_eq!(
            says(&[[127, 0, 0, 2], [127, 0, 0, 4]]),
            Word::Listed(vec![[127, 0, 0, 2].into(), [127, 0, 0, 4].into()])
        );
        assert!(matches!(says(&[[127, 255, 255, 254]]), Word::Refused(_)));
        assert!(matches!(says(&[[127, 0, 0, 2], [127, 255, 255, 252]]), Word::Refused(_)));
        assert!(matches!(says(&[[203, 0, 113, 7]]), Word::None(_)));
        assert_eq!(says(&[]), Word::Clear);
        assert_eq!(fails(Reason::DnsNxdomain), Word::Clear);
        assert_eq!(fails(Reason::DnsNodata), Word::Clear);
        assert_eq!(fails(Reason::DnsRefused), Word::Refused("why".to_owned()));
        assert_eq!(fails(Reason::DnsServfail), Word::None("why".to_owned()));
    }
}
