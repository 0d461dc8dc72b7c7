//! What arrived, kept in memory: so many messages, so many bytes, so long. Never on disk.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::watch;
use tokio::time::Instant;
use tuermer_probes::inbox::{Arrived, Changed, Client, Inbox, Kept};

use super::dialogue::Envelope;
use crate::plan::Receive;

/// What a message takes beside its bytes. Chosen: an envelope with a few recipients.
const ENVELOPE_BYTES: usize = 512;

/// What arrived. Outlives configurations.
pub struct Post {
    state: Mutex<State>,
    newest: watch::Sender<u64>,
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Post")
    }
}

impl Default for Post {
    fn default() -> Self {
        Self { state: Mutex::default(), newest: watch::Sender::new(0) }
    }
}

#[derive(Default)]
struct State {
    /// `None`: no mail is taken.
    settings: Option<Arc<Receive>>,
    /// The addresses that mail is taken for, in small letters.
    addresses: HashMap<Box<str>, Address>,
    messages: VecDeque<Arc<Arrived>>,
    bytes: usize,
}

/// What is known of an address.
struct Address {
    since: Instant,
    forgotten: Option<Instant>,
}

impl Post {
    /// Takes mail for these addresses from now on. For those that were there before, nothing changes.
    pub(super) fn apply(&self, settings: Option<&Arc<Receive>>) {
        let now = Instant::now();
        let mut state = self.state();
        let mut before = std::mem::take(&mut state.addresses);
        for recipient in settings.iter().flat_map(|settings| &settings.recipients) {
            let name: Box<str> = recipient.to_ascii_lowercase().into();
            let address = before.remove(&name).unwrap_or(Address { since: now, forgotten: None });
            state.addresses.insert(name, address);
        }
        state.settings = settings.cloned();
        state.tidy(now);
    }

    /// Keeps a message.
    pub(super) fn deliver(&self, client: Client, envelope: Envelope, bytes: Vec<u8>) {
        let now = Instant::now();
        let mut state = self.state();
        let number = *self.newest.borrow() + 1;
        let Envelope { sender, recipients } = envelope;
        let moment = SystemTime::now();
        let message = Arrived { number, at: now, moment, client, sender, recipients, bytes: bytes.into() };
        state.bytes += room(&message);
        state.messages.push_back(Arc::new(message));
        state.tidy(now);
        drop(state);
        self.newest.send_replace(number);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn room(message: &Arrived) -> usize {
    message.bytes.len() + ENVELOPE_BYTES
}

impl State {
    /// Throws away what is too old, and what there is no room for.
    fn tidy(&mut self, now: Instant) {
        let Some(settings) = self.settings.clone() else {
            (self.messages, self.bytes) = (VecDeque::new(), 0);
            return;
        };
        while let Some(oldest) = self.messages.front()
            && now.saturating_duration_since(oldest.at) > settings.keep_for
        {
            self.forget(0);
        }
        while self.messages.len() > settings.keep_messages_max || self.bytes > settings.keep_bytes_max {
            self.forget(self.most_dispensable());
        }
    }

    /// The oldest message of the address that takes most room: a flood for one address takes nothing from the others.
    fn most_dispensable(&self) -> usize {
        let owner = |message: &Arc<Arrived>| message.recipients.first().map(|own| own.to_ascii_lowercase());
        let mut rooms: HashMap<_, (usize, usize)> = HashMap::new();
        for (index, message) in self.messages.iter().enumerate() {
            rooms.entry(owner(message)).or_insert((0, index)).0 += room(message);
        }
        rooms.into_values().max().map_or(0, |(_, oldest)| oldest)
    }

    fn forget(&mut self, index: usize) {
        let Some(message) = self.messages.remove(index) else { return };
        self.bytes -= room(&message);
        for recipient in &message.recipients {
            if let Some(address) = self.addresses.get_mut(&*recipient.to_ascii_lowercase()) {
                address.forgotten = address.forgotten.max(Some(message.at));
            }
        }
    }
}

impl Inbox for Post {
    fn kept(&self, recipient: &str, after: u64) -> Option<Kept> {
        let mut state = self.state();
        state.tidy(Instant::now());
        let Address { since, forgotten } = *state.addresses.get(&*recipient.to_ascii_lowercase())?;
        // Numbers count up, so what is new is at the end.
        let first = state.messages.partition_point(|message| message.number <= after);
        let own = state.messages.range(first..).filter(|message| message.is_for(recipient)).cloned();
        Some(Kept { since, forgotten, messages: own.collect() })
    }

    fn changed(&self, after: u64) -> Changed<'_> {
        let mut newest = self.newest.subscribe();
        Box::pin(async move {
            // What sends lives as long as this.
            let _ = newest.wait_for(|newest| *newest > after).await;
        })
    }

    fn newest(&self) -> u64 {
        *self.newest.borrow()
    }

    fn remove(&self, number: u64) {
        let mut state = self.state();
        if let Ok(index) = state.messages.binary_search_by_key(&number, |message| message.number)
            && let Some(message) = state.messages.remove(index)
        {
            state.bytes -= room(&message);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn settings(change: impl FnOnce(&mut Receive)) -> Arc<Receive> {
        let recipients = ["a@b.example", "C@b.example"].map(Into::into).into();
        let mut settings = Receive { recipients, ..Receive::default() };
        change(&mut settings);
        Arc::new(settings)
    }

    fn envelope(recipients: &[&str]) -> Envelope {
        Envelope { sender: "".into(), recipients: recipients.iter().map(|text| (*text).into()).collect() }
    }

    fn client() -> Client {
        Client { address: [192, 0, 2, 1].into(), name: "mx.example".into() }
    }

    fn kept(post: &Post, recipient: &str) -> Vec<u64> {
        post.kept(recipient, 0).unwrap().messages.iter().map(|message| message.number).collect()
    }

    #[test]
    fn messages_are_kept_for_their_recipients_only() {
        let post = Post::default();
        assert!(post.kept("a@b.example", 0).is_none());
        post.apply(Some(&settings(|_| {})));
        post.deliver(client(), envelope(&["A@b.example"]), b"one".to_vec());
        post.deliver(client(), envelope(&["c@b.example", "a@B.example"]), b"two".to_vec());
        assert_eq!((kept(&post, "a@b.example"), kept(&post, "c@b.example")), (vec![1, 2], vec![2]));
        assert!(post.kept("d@b.example", 0).is_none());
        post.remove(1);
        post.remove(1);
        assert_eq!(kept(&post, "a@b.example"), [2]);
        assert_eq!(post.kept("a@b.example", 0).unwrap().forgotten, None);
        assert_eq!(post.state().bytes, 3 + ENVELOPE_BYTES);
    }

    #[test]
    fn a_flood_for_one_address_takes_nothing_from_another() {
        let post = Post::default();
        post.apply(Some(&settings(|settings| settings.keep_messages_max = 4)));
        post.deliver(client(), envelope(&["a@b.example"]), b"backup done".to_vec());
        for _ in 0..10 {
            post.deliver(client(), envelope(&["c@b.example"]), vec![b'x'; 100]);
        }
        assert_eq!((kept(&post, "a@b.example"), kept(&post, "c@b.example")), (vec![1], vec![9, 10, 11]));
        assert!(post.kept("a@b.example", 0).unwrap().forgotten.is_none());
        assert!(post.kept("c@b.example", 0).unwrap().forgotten.is_some());
    }

    #[test]
    fn bytes_are_bounded() {
        let post = Post::default();
        post.apply(Some(&settings(|settings| settings.keep_bytes_max = 2 * (1000 + ENVELOPE_BYTES))));
        for _ in 0..5 {
            post.deliver(client(), envelope(&["a@b.example"]), vec![b'x'; 1000]);
        }
        assert_eq!(kept(&post, "a@b.example"), [4, 5]);
        assert_eq!(post.state().bytes, 2 * (1000 + ENVELOPE_BYTES));
    }

    #[tokio::test(start_paused = true)]
    async fn old_messages_are_thrown_away_and_that_is_told() {
        let post = Post::default();
        post.apply(Some(&settings(|settings| settings.keep_for = Duration::from_secs(60))));
        let arrived = Instant::now();
        post.deliver(client(), envelope(&["a@b.example"]), b"one".to_vec());
        tokio::time::advance(Duration::from_secs(61)).await;
        let kept = post.kept("a@b.example", 0).unwrap();
        assert_eq!((kept.messages.len(), kept.forgotten), (0, Some(arrived)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_configuration_loses_nothing() {
        let post = Post::default();
        let began = Instant::now();
        post.apply(Some(&settings(|_| {})));
        post.deliver(client(), envelope(&["a@b.example"]), b"one".to_vec());
        tokio::time::advance(Duration::from_secs(5)).await;
        post.apply(Some(&settings(|settings| {
            settings.recipients = ["A@b.example", "new@b.example"].map(Into::into).into()
        })));
        assert_eq!((kept(&post, "a@b.example"), post.kept("a@b.example", 0).unwrap().since), (vec![1], began));
        assert_eq!(post.kept("new@b.example", 0).unwrap().since, Instant::now());
        assert!(post.kept("c@b.example", 0).is_none());
        post.apply(None);
        assert!(post.kept("a@b.example", 0).is_none() && post.state().messages.is_empty());
    }
}
