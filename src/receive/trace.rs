//! The line that says how a message came (RFC 5321 section 4.4).

use std::fmt::Write as _;
use std::net::IpAddr;

use super::dialogue::{Client, Envelope};
use crate::plan::{MailProtocol, Receive};

/// The field `Received` of a message that begins to arrive.
pub(super) fn received(
    settings: &Receive,
    client: Option<&Client>,
    peer: IpAddr,
    encryption: Option<&str>,
    envelope: &Envelope,
) -> Vec<u8> {
    let name = client.map_or("unknown", |client| &client.name);
    let peer = match peer.to_canonical() {
        IpAddr::V4(address) => format!("[{address}]"),
        IpAddr::V6(address) => format!("[IPv6:{address}]"),
    };
    // RFC 3848.
    let with = match (settings.protocol, client.is_some_and(|client| client.is_extended), encryption.is_some()) {
        (MailProtocol::Smtp, false, _) => "SMTP",
        (MailProtocol::Smtp, true, false) => "ESMTP",
        (MailProtocol::Smtp, true, true) => "ESMTPS",
        (MailProtocol::Lmtp, _, false) => "LMTP",
        (MailProtocol::Lmtp, _, true) => "LMTPS",
    };
    let mut field = format!("Received: from {name} ({peer})\r\n\tby {} with {with}", settings.hostname);
    if let Some(encryption) = encryption {
        let _ = write!(field, " ({encryption})");
    }
    if let [recipient] = &*envelope.recipients {
        let _ = write!(field, "\r\n\tfor <{recipient}>");
    }
    let now = jiff::Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC);
    let date = jiff::fmt::rfc2822::to_string(&now).unwrap_or_default();
    let _ = write!(field, ";\r\n\t{date}\r\n");
    field.into_bytes()
}
