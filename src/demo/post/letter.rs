//! A mail with its envelope, and the notice that it cannot be delivered.

use tokio::time::Instant;

use crate::demo::parts::DOMAIN;

/// What stands between the parts of a notice.
const BOUNDARY: &str = "notice-of-the-town";

/// A mail on its way to one recipient.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    /// Who gets word if it cannot be delivered; empty: nobody (RFC 5321 section 4.5.5).
    pub(super) from: String,
    pub(super) to: String,
    /// Headers and body, lines ended by CR LF.
    pub(super) text: String,
    /// When the mail server took it.
    pub(super) accepted: Instant,
}

impl Letter {
    /// Adds the line by which a server says that the mail came by it (RFC 5321 section 4.4).
    pub(super) fn stamp(&mut self, from: &str, by: &str, with: &str) {
        let date = now();
        self.text.insert_str(
            0,
            &format!(
                "Received: from {from} ([127.0.0.1])\r\n\tby {by}.{DOMAIN} with {with}\r\n\tfor <{}>;\r\n\t{date}\r\n",
                self.to
            ),
        );
    }

    /// The notice that the mail cannot be delivered (RFC 3464). There is none about a notice.
    pub(super) fn notice(&self, status: &str, why: &str) -> Option<Self> {
        if self.from.is_empty() {
            return None;
        }
        let Self { from, to, text, .. } = self;
        let headers = text.split("\r\n\r\n").next().unwrap_or_default();
        let date = now();
        let text = format!(
            "From: Mail delivery <postmaster@{DOMAIN}>\r\nTo: <{from}>\r\nDate: {date}\r\nSubject: Undelivered mail\r\n\
             Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"{BOUNDARY}\"\r\n\r\n\
             --{BOUNDARY}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n\
             The mail to {to} could not be delivered: {why}.\r\n\r\n\
             --{BOUNDARY}\r\nContent-Type: message/delivery-status\r\n\r\n\
             Reporting-MTA: dns; mail.{DOMAIN}\r\n\r\n\
             Final-Recipient: rfc822; {to}\r\nAction: failed\r\nStatus: {status}\r\n\r\n\
             --{BOUNDARY}\r\nContent-Type: text/rfc822-headers\r\n\r\n{headers}\r\n\r\n--{BOUNDARY}--\r\n"
        );
        Some(Self { from: String::new(), to: from.clone(), text, accepted: Instant::now() })
    }
}

/// This moment as mails write it (RFC 5322 section 3.3).
fn now() -> String {
    let now = jiff::Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC);
    jiff::fmt::rfc2822::to_string(&now).unwrap_or_default()
}
