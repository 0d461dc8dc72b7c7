//! Who has how many connections, and who sent how many messages of late.
//!
//! Clients with IPv6 are counted by their network of 64 bits: that is what one customer has at least.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::plan::Receive;

/// Time in which a bucket of messages fills.
const MINUTE: Duration = Duration::from_secs(60);

/// Counts clients.
#[derive(Debug, Default)]
pub(super) struct Clients(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    connections: usize,
    by_client: HashMap<IpAddr, usize>,
    messages: Option<Bucket>,
    /// Those that are not full. There are never more than messages are taken in a minute.
    messages_by_client: HashMap<IpAddr, Bucket>,
}

/// Holds as many messages as a minute allows.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    messages: f64,
    filled: Instant,
}

impl Bucket {
    /// The bucket as it is now.
    fn now(self, now: Instant, per_minute: u32) -> Self {
        let full = f64::from(per_minute);
        let more = now.saturating_duration_since(self.filled).as_secs_f64() / MINUTE.as_secs_f64() * full;
        Self { messages: (self.messages + more).min(full), filled: now }
    }

    fn full(now: Instant, per_minute: u32) -> Self {
        Self { messages: f64::from(per_minute), filled: now }
    }
}

/// A connection that counts until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    clients: Arc<Clients>,
    client: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counted = self.clients.counted();
        counted.connections -= 1;
        if let Some(own) = counted.by_client.get_mut(&self.client) {
            *own -= 1;
            if *own == 0 {
                counted.by_client.remove(&self.client);
            }
        }
    }
}

impl Clients {
    /// A place for one more connection, if there is one.
    pub(super) fn place(self: &Arc<Self>, address: IpAddr, settings: &Receive) -> Option<Place> {
        let client = client(address);
        let mut counted = self.counted();
        let own = counted.by_client.get(&client).copied().unwrap_or(0);
        if counted.connections >= settings.connections_max || own >= settings.connections_per_client_max {
            return None;
        }
        counted.connections += 1;
        counted.by_client.insert(client, own + 1);
        Some(Place { clients: Arc::clone(self), client })
    }

    /// Whether most places are taken, so that nobody should be waited for long.
    pub(super) fn is_crowded(&self, settings: &Receive) -> bool {
        self.counted().connections * 2 > settings.connections_max
    }

    /// Whether one more message of a client is taken now.
    pub(super) fn may_send(&self, address: IpAddr, settings: &Receive) -> bool {
        let client = client(address);
        let now = Instant::now();
        let (of_all, of_one) = (settings.messages_per_minute, settings.messages_per_minute_per_client);
        let mut counted = self.counted();
        let mut all = counted.messages.map_or_else(|| Bucket::full(now, of_all), |bucket| bucket.now(now, of_all));
        let own = counted.messages_by_client.get(&client);
        let mut own = own.map_or_else(|| Bucket::full(now, of_one), |bucket| bucket.now(now, of_one));
        if all.messages < 1.0 || own.messages < 1.0 {
            return false;
        }
        all.messages -= 1.0;
        own.messages -= 1.0;
        counted.messages = Some(all);
        counted.messages_by_client.retain(|_, bucket| now.saturating_duration_since(bucket.filled) < MINUTE);
        counted.messages_by_client.insert(client, own);
        true
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Receive {
        Receive {
            connections_max: 4,
            connections_per_client_max: 2,
            messages_per_minute: 6,
            messages_per_minute_per_client: 3,
            ..Receive::default()
        }
    }

    #[test]
    fn connections_are_counted_for_each_and_for_all() {
        let (clients, settings) = (Arc::new(Clients::default()), settings());
        let place = |address: &str| clients.place(address.parse().unwrap(), &settings);
        let one = (place("2001:db8::1").unwrap(), place("2001:db8::2").unwrap());
        assert!(place("2001:db8::3").is_none() && !clients.is_crowded(&settings));
        let other = (place("2001:db8:0:1::1").unwrap(), place("192.0.2.1").unwrap());
        assert!(place("192.0.2.2").is_none() && clients.is_crowded(&settings));
        drop(one.0);
        assert!(place("::ffff:192.0.2.1").is_some());
        drop((one.1, other));
        assert!(clients.counted().by_client.is_empty() && clients.counted().connections == 0);
    }

    #[tokio::test(start_paused = true)]
    async fn messages_are_counted_for_each_and_for_all() {
        let (clients, settings) = (Clients::default(), settings());
        let sent = |address: &str| (0..9).filter(|_| clients.may_send(address.parse().unwrap(), &settings)).count();
        assert_eq!([sent("192.0.2.1"), sent("192.0.2.2"), sent("192.0.2.3")], [3, 3, 0]);
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!([sent("192.0.2.1"), sent("192.0.2.3")], [1, 1]);
        tokio::time::advance(Duration::from_secs(600)).await;
        assert_eq!(sent("192.0.2.1"), 3);
        assert_eq!(clients.counted().messages_by_client.len(), 1);
    }
}
