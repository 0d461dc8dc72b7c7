//! An inbox that tests fill.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::Instant;

use crate::inbox::{Arrived, Changed, Client, Inbox, Kept};

/// An inbox for one address that keeps everything.
#[derive(Debug)]
pub struct Letters {
    address: Box<str>,
    since: Mutex<Instant>,
    forgotten: Mutex<Option<Instant>>,
    messages: Mutex<Vec<Arc<Arrived>>>,
    newest: watch::Sender<u64>,
}

impl Letters {
    /// An inbox that takes mail for this address from now on.
    pub fn for_address(address: &str) -> Arc<Self> {
        Arc::new(Self {
            address: address.into(),
            since: Mutex::new(Instant::now()),
            forgotten: Mutex::default(),
            messages: Mutex::default(),
            newest: watch::Sender::new(0),
        })
    }

    /// Says that mail has been taken for so long.
    pub fn taken_for(&self, age: Duration) {
        *held(&self.since) = ago(age);
    }

    /// Says that a message which arrived so long ago had to make room.
    pub fn forgotten(&self, age: Duration) {
        *held(&self.forgotten) = Some(ago(age));
    }

    /// A message arrives.
    pub fn arrive(&self, sender: &str, text: &str) {
        self.arrived_before(Duration::ZERO, sender, text);
    }

    /// A message arrived so long ago.
    pub fn arrived_before(&self, age: Duration, sender: &str, text: &str) {
        let number = *self.newest.borrow() + 1;
        held(&self.messages).push(Arc::new(Arrived {
            number,
            at: ago(age),
            moment: SystemTime::now() - age,
            client: Client { address: IpAddr::V4(Ipv4Addr::LOCALHOST), name: "localhost".into() },
            sender: sender.into(),
            recipients: [self.address.clone()].into(),
            bytes: text.as_bytes().into(),
        }));
        self.newest.send_replace(number);
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ago(age: Duration) -> Instant {
    Instant::now().checked_sub(age).expect("a machine that has run for so long")
}

impl Inbox for Letters {
    fn kept(&self, recipient: &str, after: u64) -> Option<Kept> {
        let is_new = |message: &&Arc<Arrived>| message.number > after && message.is_for(recipient);
        recipient.eq_ignore_ascii_case(&self.address).then(|| Kept {
            since: *held(&self.since),
            forgotten: *held(&self.forgotten),
            messages: held(&self.messages).iter().filter(is_new).cloned().collect(),
        })
    }

    fn changed(&self, after: u64) -> Changed<'_> {
        let mut newest = self.newest.subscribe();
        Box::pin(async move {
            // The sender lives as long as the inbox.
            let _ = newest.wait_for(|newest| *newest > after).await;
        })
    }

    fn newest(&self) -> u64 {
        *self.newest.borrow()
    }

    fn remove(&self, number: u64) {
        held(&self.messages).retain(|message| message.number != number);
    }
}
