//! Mail that arrived at the agent itself: what a receiver keeps, and how probes ask for it.
//!
//! Knows no socket and no protocol of mail. The agent's receiver feeds it; probes reach it through [`crate::net::Net::inbox`].

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::Instant;

/// Who handed a message in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The address it came from.
    pub address: IpAddr,
    /// The name it greeted with, as it wrote it.
    pub name: Box<str>,
}

/// A message that arrived.
#[derive(Clone, PartialEq, Eq)]
pub struct Arrived {
    /// Counts up from one over all messages of an inbox.
    pub number: u64,
    /// When its last byte was taken, on the clock that only goes forward.
    pub at: Instant,
    /// The same moment on the wall clock.
    pub moment: SystemTime,
    /// Who handed it in.
    pub client: Client,
    /// The sender of the envelope; empty for notices of non-delivery.
    pub sender: Box<str>,
    /// The recipients of the envelope that were accepted, as the client wrote them.
    pub recipients: Box<[Box<str>]>,
    /// Header and body as they came, the receiver's own `Received` field in front. Lines end with CRLF.
    pub bytes: Arc<[u8]>,
}

impl fmt::Debug for Arrived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Arrived({}, {} bytes)", self.number, self.bytes.len())
    }
}

impl Arrived {
    /// Whether the message is for this address. Letters of either case are one, also before the `@`.
    pub fn is_for(&self, recipient: &str) -> bool {
        self.recipients.iter().any(|own| own.eq_ignore_ascii_case(recipient))
    }

    /// The header, up to and with the end of its last line.
    pub fn header(&self) -> &[u8] {
        &self.bytes[..self.header_end()]
    }

    /// What follows the empty line after the header.
    pub fn body(&self) -> &[u8] {
        let rest = &self.bytes[self.header_end()..];
        rest.strip_prefix(b"\r\n").unwrap_or(rest)
    }

    /// Whether these bytes stand somewhere in the header or the body. Nothing stands everywhere.
    pub fn contains(&self, wanted: &[u8]) -> bool {
        let Some((first, rest)) = wanted.split_first() else { return true };
        let mut text = &*self.bytes;
        while let Some(at) = text.iter().position(|byte| byte == first) {
            text = &text[at + 1..];
            if text.starts_with(rest) {
                return true;
            }
        }
        false
    }

    fn header_end(&self) -> usize {
        let end = self.bytes.windows(4).position(|window| window == b"\r\n\r\n");
        end.map_or(self.bytes.len(), |at| at + 2)
    }
}

/// What is known of an address.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Since when mail for it has been taken.
    pub since: Instant,
    /// When the newest message for it arrived that was thrown away to make room. Before that moment, what is not here
    /// may still have been.
    pub forgotten: Option<Instant>,
    /// What is kept, oldest first.
    pub messages: Vec<Arc<Arrived>>,
}

/// What [`Inbox::changed`] gives.
pub type Changed<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Mail that arrived. The agent's receiver is one, tests make it up.
pub trait Inbox: Send + Sync {
    /// What arrived for an address after the message of this number; 0 for all that is kept. `None`: no mail is taken for
    /// the address.
    fn kept(&self, recipient: &str, after: u64) -> Option<Kept>;

    /// Waits until a message with a number above this one arrived, for whomever.
    fn changed(&self, after: u64) -> Changed<'_>;

    /// The number of the last message that arrived, for whomever; 0 before the first.
    fn newest(&self) -> u64;

    /// Throws a message away. One that is gone already is no fault.
    fn remove(&self, number: u64);
}

impl dyn Inbox + '_ {
    /// Waits for a message to this address that has these bytes in its header or body; one that is there already will do.
    /// `None`: no mail is taken for the address. The caller keeps the deadline.
    pub async fn wait_for(&self, recipient: &str, wanted: &[u8]) -> Option<Arc<Arrived>> {
        let mut seen = 0;
        loop {
            // Asked first: what arrives while the messages are looked through is looked at next.
            let newest = self.newest();
            let kept = self.kept(recipient, seen)?;
            if let Some(found) = kept.messages.into_iter().find(|message| message.contains(wanted)) {
                return Some(found);
            }
            seen = newest;
            self.changed(seen).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::testkit::Letters;

    use super::*;

    #[test]
    fn a_message_has_a_header_and_a_body() {
        for (text, header, body) in [
            ("A: b\r\n c\r\n\r\nbody\r\n\r\nmore", "A: b\r\n c\r\n", "body\r\n\r\nmore"),
            ("A: b\r\n", "A: b\r\n", ""),
            ("", "", ""),
        ] {
            let letters = Letters::for_address("me@example.org");
            letters.arrive("", text);
            let kept = letters.kept("ME@example.ORG", 0).expect("an address that is taken");
            let [message] = &*kept.messages else { panic!("{kept:?}") };
            assert_eq!((message.header(), message.body()), (header.as_bytes(), body.as_bytes()));
        }
    }

    #[test]
    fn bytes_are_found_wherever_they_stand() {
        let letters = Letters::for_address("me@example.org");
        letters.arrive("", "aab\r\n\r\nxaaab");
        let message = letters.kept("me@example.org", 0).expect("an address that is taken").messages.remove(0);
        let found = ["", "aab", "xaa", "aaab", "b", "aaaab", "bb"].map(|wanted| message.contains(wanted.as_bytes()));
        assert_eq!(found, [true, true, true, true, true, false, false]);
    }

    #[tokio::test]
    async fn a_message_is_waited_for() {
        let letters = Letters::for_address("me@example.org");
        letters.arrive("", "\r\nsomething else");
        let inbox: &dyn Inbox = &*letters;
        let (found, ()) = tokio::join!(inbox.wait_for("me@example.org", b"token-7"), async {
            letters.arrive("", "\r\nnothing of interest");
            tokio::task::yield_now().await;
            letters.arrive("", "X: token-7\r\n\r\n");
        });
        assert_eq!(found.map(|message| message.number), Some(3));
        assert_eq!(inbox.wait_for("you@example.org", b"token-7").await, None);
        inbox.remove(3);
        let waiting = tokio::time::timeout(Duration::from_millis(50), inbox.wait_for("me@example.org", b"token-7"));
        assert!(waiting.await.is_err());
    }
}
