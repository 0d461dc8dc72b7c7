//! What a server says it can do, in its reply to EHLO (RFC 5321 section 4.1.1.1).

use crate::recorder::Recorder;
use crate::sasl::Mechanism;
use crate::smtp::measures::{AUTH_MECHANISM_INFO, CAPABILITY, MAX_SIZE, STARTTLS_OFFERED};
use crate::smtp::wire::Reply;

/// The capabilities that are told apart (IANA, "SMTP Service Extensions"): all that matter to those who deliver mail.
const KNOWN: [&str; 10] = [
    "STARTTLS",
    "AUTH",
    "SIZE",
    "PIPELINING",
    "8BITMIME",
    "SMTPUTF8",
    "ENHANCEDSTATUSCODES",
    "CHUNKING",
    "DSN",
    "REQUIRETLS",
];

/// The ways to log in that are told apart (IANA, "SASL Mechanisms").
const MECHANISMS: [&str; 12] = [
    "PLAIN",
    "LOGIN",
    "CRAM-MD5",
    "DIGEST-MD5",
    "SCRAM-SHA-1",
    "SCRAM-SHA-1-PLUS",
    "SCRAM-SHA-256",
    "SCRAM-SHA-256-PLUS",
    "XOAUTH2",
    "OAUTHBEARER",
    "GSSAPI",
    "NTLM",
];

/// Capabilities of a server at one moment: they may differ before and after TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Capabilities {
    offered: [bool; KNOWN.len()],
    mechanisms: [bool; MECHANISMS.len()],
    /// Largest message in bytes; zero: no fixed limit (RFC 1870 section 3).
    size: Option<u64>,
}

/// Where in a table a word stands.
fn position(table: &[&str], word: &str) -> Option<usize> {
    table.iter().position(|known| known.eq_ignore_ascii_case(word))
}

impl Capabilities {
    /// Reads a positive reply to EHLO: the first line greets, each other names a capability.
    pub(super) fn of_reply(reply: &Reply) -> Self {
        let mut read = Self::default();
        for line in reply.lines.iter().skip(1).filter_map(|line| std::str::from_utf8(line).ok()) {
            let mut words = line.split_ascii_whitespace();
            let Some(keyword) = words.next() else { continue };
            // An old spelling, `AUTH=LOGIN PLAIN`, is still sent beside the right one.
            let (keyword, first) = keyword.split_once('=').map_or((keyword, None), |(key, value)| (key, Some(value)));
            let Some(index) = position(&KNOWN, keyword) else { continue };
            read.offered[index] = true;
            match KNOWN[index] {
                "SIZE" => read.size = read.size.or_else(|| words.next()?.parse().ok()),
                "AUTH" => {
                    let known = first.into_iter().chain(words).filter_map(|word| position(&MECHANISMS, word));
                    known.for_each(|mechanism| read.mechanisms[mechanism] = true);
                }
                _ => {}
            }
        }
        read
    }

    /// Whether the server offers encryption (RFC 3207 section 4).
    pub(super) const fn starttls(&self) -> bool {
        self.offered[0]
    }

    /// The ways to log in that are offered and known here.
    pub(super) fn mechanisms(&self) -> Vec<Mechanism> {
        let offered = MECHANISMS.iter().zip(self.mechanisms).filter(|(_, offered)| *offered);
        offered.filter_map(|(name, _)| Mechanism::of_name(name)).collect()
    }

    /// Writes down what was offered before or after the encrypted channel was there.
    pub(super) fn read(&self, recorder: &mut Recorder, encrypted: bool) {
        let tls = if encrypted { "after" } else { "before" };
        for (name, offered) in KNOWN.iter().zip(self.offered) {
            recorder.read_with(&CAPABILITY, &[name, tls], f64::from(u8::from(offered)));
        }
        for (name, _) in MECHANISMS.iter().zip(self.mechanisms).filter(|(_, offered)| *offered) {
            recorder.read_with(&AUTH_MECHANISM_INFO, &[name, tls], 1.0);
        }
        if let Some(size) = self.size {
            recorder.read(&MAX_SIZE, size as f64);
        }
        if !encrypted {
            recorder.read(&STARTTLS_OFFERED, f64::from(u8::from(self.starttls())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_lines(lines: &[&str]) -> Capabilities {
        Capabilities::of_reply(&Reply { code: 250, lines: lines.iter().map(|line| line.as_bytes().into()).collect() })
    }

    fn offered(capabilities: &Capabilities) -> Vec<&'static str> {
        KNOWN.into_iter().zip(capabilities.offered).filter(|(_, offered)| *offered).map(|(name, _)| name).collect()
    }

    #[test]
    fn capabilities_are_read_whatever_their_case() {
        let read =
            of_lines(&["mx DSN", "PIPELINING", "size 10240000", "StartTls", "AUTH PLAIN scram-sha-256 X", "X-NEW", ""]);
        assert_eq!(offered(&read), ["STARTTLS", "AUTH", "SIZE", "PIPELINING"]);
        assert_eq!(read.size, Some(10_240_000));
        let mechanisms = MECHANISMS.into_iter().zip(read.mechanisms).filter(|(_, offered)| *offered);
        assert_eq!(mechanisms.map(|(name, _)| name).collect::<Vec<_>>(), ["PLAIN", "SCRAM-SHA-256"]);
        assert!(read.starttls());
    }

    #[test]
    fn the_old_spelling_of_auth_is_read() {
        assert_eq!(of_lines(&["mx", "AUTH=LOGIN PLAIN"]), of_lines(&["mx", "AUTH PLAIN LOGIN"]));
    }

    #[test]
    fn a_size_that_is_no_number_is_no_limit() {
        assert_eq!(of_lines(&["mx", "SIZE 99999999999999999999999"]).size, None);
        assert_eq!(of_lines(&["mx", "SIZE"]).size, None);
    }
}
