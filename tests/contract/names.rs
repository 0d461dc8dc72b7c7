//! The names of the bench: the same for both programs, from a DNS responder for tuermer and as `/etc/hosts` for
//! blackbox_exporter.

use std::fmt::Write as _;
use std::net::IpAddr;

use tuermer_probes::testkit::Responder;

/// Names and their addresses, in the order in which they are given. Every other name does not exist. `localhost` is as
/// the machine's own `/etc/hosts` says for tuermer: ask for it with `preferred_ip_protocol: ip4`.
const NAMES: &[(&str, &[&str])] = &[
    ("localhost", &["127.0.0.1", "::1"]),
    ("both.test", &["127.0.0.1", "::1"]),
    ("v4.test", &["127.0.0.1"]),
    ("v6.test", &["::1"]),
    ("three.test", &["127.0.0.11", "127.0.0.12", "127.0.0.13"]),
    ("one.test", &["127.0.0.1"]),
    ("other.test", &["127.0.0.1"]),
    ("foo.example.com", &["127.0.0.1"]),
];

const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;

/// The content of `/etc/hosts`.
pub(crate) fn hosts() -> String {
    let mut hosts = String::new();
    for (name, addresses) in NAMES {
        for address in *addresses {
            let _ = writeln!(hosts, "{address} {name}");
        }
    }
    hosts
}

/// Whether a text names any of them, or one that does not exist.
pub(crate) fn are_in(text: &str) -> bool {
    text.contains(".test") || NAMES.iter().any(|(name, _)| *name != "localhost" && text.contains(name))
}

/// A name server that knows the names.
pub(crate) async fn server() -> Responder {
    Responder::udp_and_tcp(answer, answer).await
}

/// RFC 1035 section 4.1.
fn answer(query: &[u8]) -> Vec<Vec<u8>> {
    let Some((name, end)) = question(query) else { return Vec::new() };
    let kind = u16::from_be_bytes([query[end - 4], query[end - 3]]);
    let addresses = NAMES.iter().find(|(known, _)| *known == name).map(|(_, addresses)| *addresses);
    let records: Vec<Vec<u8>> = addresses
        .unwrap_or_default()
        .iter()
        .filter_map(|address| match (address.parse().expect("an address"), kind) {
            (IpAddr::V4(address), TYPE_A) => Some(address.octets().to_vec()),
            (IpAddr::V6(address), TYPE_AAAA) => Some(address.octets().to_vec()),
            _ => None,
        })
        .collect();
    let rcode = if addresses.is_some() { 0 } else { 3 };
    let mut message = query[..2].to_vec();
    message.extend([0x85, 0x80 | rcode, 0, 1, 0, u8::try_from(records.len()).expect("few"), 0, 0, 0, 0]);
    message.extend(&query[12..end]);
    for record in records {
        message.extend([0xC0, 12]);
        message.extend(kind.to_be_bytes());
        message.extend([0, 1, 0, 0, 0, 60, 0, u8::try_from(record.len()).expect("short")]);
        message.extend(record);
    }
    vec![message]
}

/// The name asked for, and where the question ends.
fn question(query: &[u8]) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    let mut at = 12;
    loop {
        let length = usize::from(*query.get(at)?);
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(query.get(at + 1..at + 1 + length)?).to_ascii_lowercase());
        at += 1 + length;
    }
    (query.len() >= at + 5).then(|| (labels.join("."), at + 5))
}
