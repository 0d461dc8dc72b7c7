//! The agent's own receiver: nothing is polled, and the moment of arrival is known exactly.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use crate::failure::{Failure, Reason};
use crate::inbox::{Arrived, Inbox};
use crate::mail::places::{FOUND_MAX, Fetched, Listing, Name, Spot, Wanted};
use crate::net::Net;
use crate::recorder::Recorder;

/// Longest pause between two looks. Chosen: news end it, so it only bounds what a missed one would cost.
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Most bytes of messages that one look searches. Chosen: no more than a moment's work.
const SEARCHED_BYTES_MAX: usize = 16 << 20;

/// The inbox of the agent.
pub(in crate::mail) struct ReceiverPlace<'a> {
    net: &'a Net,
    recipient: &'a str,
    /// When the mail was not there yet.
    since: Instant,
    /// What was there when it was listed last.
    newest: u64,
    /// Whether some were too many to be searched.
    has_skipped: bool,
    /// What may be of interest.
    mails: HashMap<u64, Arc<Arrived>>,
}

/// The inbox, if mail is taken for the address.
pub(super) fn inbox<'n>(net: &'n Net, recipient: &str) -> Result<&'n dyn Inbox, Failure> {
    let Some(inbox) = net.inbox() else {
        let message = "no mail is taken here: that takes an agent, with `receive` in its configuration";
        return Err(Failure::new(Reason::InboxUnusable, message));
    };
    if inbox.kept(recipient, inbox.newest()).is_none() {
        let message = format_args!("no mail is taken for {recipient}: it is not among `recipients` of `receive`");
        return Err(Failure::new(Reason::InboxUnusable, message));
    }
    Ok(inbox)
}

impl<'a> ReceiverPlace<'a> {
    pub(super) fn new(net: &'a Net, recipient: &'a str, since: Instant) -> Self {
        Self { net, recipient, since, newest: 0, has_skipped: false, mails: HashMap::new() }
    }

    pub(super) fn list(&mut self, recorder: &mut Recorder, wanted: &Wanted) -> Result<Listing, Failure> {
        let inbox = inbox(self.net, self.recipient)?;
        let newest = inbox.newest();
        let kept = inbox.kept(self.recipient, self.newest).map(|kept| kept.messages).unwrap_or_default();
        self.newest = newest;
        let mut left = SEARCHED_BYTES_MAX;
        for message in kept.into_iter().rev() {
            let Some(rest) = left.checked_sub(message.bytes.len()) else {
                self.has_skipped |= message.at >= self.since;
                recorder.note("messages are too many, or too large, to be looked through");
                continue;
            };
            left = rest;
            if message.contains(wanted.prefix.as_bytes()) || message.contains(b"delivery-status") || is_packed(&message)
            {
                self.mails.insert(message.number, message);
            }
        }
        let mut numbers: Vec<u64> = self.mails.keys().copied().collect();
        numbers.sort_unstable_by_key(|number| std::cmp::Reverse(*number));
        numbers.truncate(FOUND_MAX);
        let spot = |number| Spot { folder: 0, era: 0, name: Name::Number(number) };
        Ok(Listing { era: 0, spots: numbers.into_iter().map(spot).collect() })
    }

    pub(super) fn fetch(&self, spot: &Spot, bytes_max: usize) -> Option<Fetched> {
        let Name::Number(number) = spot.name else { return None };
        let message = self.mails.get(&number)?;
        Some(Fetched {
            stored: Some(message.moment),
            arrived: Some(message.at),
            client: Some(message.client.address),
            sender: Some(message.sender.clone()),
            text: message.bytes[..message.bytes.len().min(bytes_max)].to_vec(),
            has_body: true,
        })
    }

    pub(super) async fn rest(&self, earliest: Instant, latest: Instant) {
        if let Some(inbox) = self.net.inbox() {
            // Without news it is as good as a pause.
            let _ = timeout_at(latest, inbox.changed(self.newest)).await;
        }
        sleep_until(earliest).await;
    }

    pub(super) fn delete(&mut self, spots: &[Spot]) -> usize {
        let Some(inbox) = self.net.inbox() else { return 0 };
        let numbers = spots.iter().filter_map(|spot| match spot.name {
            Name::Number(number) => Some(number),
            Name::Text(_) => None,
        });
        let mut deleted = 0;
        for number in numbers {
            inbox.remove(number);
            deleted += usize::from(self.mails.remove(&number).is_some());
        }
        deleted
    }

    /// Why what was not found may have been there all the same.
    pub(super) fn missed(&self) -> Option<Failure> {
        if self.has_skipped {
            let message = "messages that arrived meanwhile were too many, or too large, to be looked through";
            return Some(Failure::new(Reason::InboxUnusable, message));
        }
        let forgotten = self.net.inbox()?.kept(self.recipient, self.newest)?.forgotten?;
        (forgotten >= self.since).then(|| {
            let message = "messages that arrived meanwhile had to be thrown away to make room";
            Failure::new(Reason::InboxUnusable, message)
        })
    }
}

/// Whether the message may have its token in a body that is packed.
fn is_packed(message: &Arrived) -> bool {
    message.contains(b"base64") || message.contains(b"quoted-printable")
}
