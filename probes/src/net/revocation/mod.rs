//! Lists of revoked certificates: which ones are wanted, which were had, and a keeper that fetches them beside the probes.
//!
//! A run only looks into what is here: it never waits for a list, so a slow authority delays no probe. What a run misses
//! is fetched by whoever drives [`RevocationLists::keep`], from public addresses only, and kept until it is due again.
//! Knows no verdict.

mod address;
mod fetch;
mod list;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls_pki_types::SubjectPublicKeyInfoDer;
use tokio::sync::Notify;
use tokio::time::Instant;

pub(super) use list::{List, Serial};

use crate::net::Net;

/// Most lists known. Chosen: an authority's shards number a hundred, a module meets few authorities.
const LISTS_MAX: usize = 256;

/// Most memory for all lists in bytes.
const KEPT_BYTES_MAX: usize = 64 << 20;

/// Most lists fetched at once.
const FETCHES_MAX: usize = 4;

/// How long a list is fetched again after a failure. Chosen: an authority's short outage is over, nobody is flooded.
const RETRY: Duration = Duration::from_secs(5 * 60);

/// Shortest and longest time after which a list is fetched again. Within them: half of what is left of its validity.
const RENEWAL: [Duration; 2] = [Duration::from_secs(10 * 60), Duration::from_secs(6 * 60 * 60)];

/// A list for which nobody has asked so long is forgotten. Chosen: longer than any check's interval.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(25 * 60 * 60);

/// Who signs a list: the name and the key of an authority.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Signer {
    /// The distinguished name's DER, without its outer tag.
    pub(super) name: Box<[u8]>,
    pub(super) key: SubjectPublicKeyInfoDer<'static>,
}

/// How it stands with a list.
#[derive(Debug, Clone)]
pub(super) enum Standing {
    /// It was asked for just now.
    Awaited,
    /// It could not be had, for this cause.
    Unavailable(Arc<str>),
    /// It was had.
    Had(Arc<List>),
}

type Key = (Arc<str>, Arc<Signer>);

#[derive(Debug)]
struct Entry {
    standing: Standing,
    /// When a run last looked.
    asked: Instant,
    /// When it is fetched next.
    due: Instant,
    /// Whether it is being fetched.
    in_flight: bool,
}

#[derive(Default)]
struct Shared {
    entries: Mutex<HashMap<Key, Entry>>,
    wanted: Notify,
}

/// The lists that runs want and the keeper fetches. One for an agent: it outlives configurations.
#[derive(Clone, Default)]
pub struct RevocationLists(Arc<Shared>);

impl fmt::Debug for RevocationLists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RevocationLists")
    }
}

#[expect(clippy::disallowed_methods, reason = "lists are kept beside the runs; no run's time is told by it")]
fn now() -> (SystemTime, Instant) {
    (SystemTime::now(), Instant::now())
}

impl RevocationLists {
    /// How it stands with the list at this address, signed by this authority. Wants it from now on.
    pub(super) fn look(&self, url: &Arc<str>, signer: &Arc<Signer>) -> Standing {
        let (_, now) = now();
        let mut entries = self.entries();
        let key = (Arc::clone(url), Arc::clone(signer));
        if let Some(entry) = entries.get_mut(&key) {
            entry.asked = now;
            return entry.standing.clone();
        }
        if entries.len() >= LISTS_MAX {
            forget_oldest(&mut entries, None);
        }
        entries.insert(key, Entry { standing: Standing::Awaited, asked: now, due: now, in_flight: false });
        drop(entries);
        self.0.wanted.notify_one();
        Standing::Awaited
    }

    /// Whether a run wants a list that was not had yet.
    pub fn are_wanted(&self) -> bool {
        self.entries().values().any(|entry| matches!(entry.standing, Standing::Awaited))
    }

    /// Fetches what is due, and comes back when all of it was tried.
    pub async fn fetch_due(&self, net: &Net) {
        let work = async || {
            while let Some(key) = self.claim() {
                let fetched = fetch::fetch(net, &key).await;
                self.put(key, fetched);
            }
        };
        let [a, b, c, d] = [(); FETCHES_MAX].map(|()| work());
        tokio::join!(a, b, c, d);
    }

    /// Fetches what runs want, for ever; `net` gives the world as it is at that moment.
    pub async fn keep(&self, net: impl Fn() -> Arc<Net>) {
        loop {
            self.fetch_due(&net()).await;
            let (_, now) = now();
            let next = self.entries().values().map(|entry| entry.due).min();
            let next = next.unwrap_or(now + FORGOTTEN_AFTER);
            // The wish of a run, or the next renewal.
            let _ = tokio::time::timeout_at(next, self.0.wanted.notified()).await;
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.0.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the next list that is due.
    fn claim(&self) -> Option<Key> {
        let (_, now) = now();
        let mut entries = self.entries();
        entries.retain(|_, entry| now.duration_since(entry.asked) < FORGOTTEN_AFTER);
        let due = entries.iter_mut().filter(|(_, entry)| entry.due <= now && !entry.in_flight);
        let (key, entry) = due.min_by_key(|(_, entry)| entry.due)?;
        entry.in_flight = true;
        Some(key.clone())
    }

    fn put(&self, key: Key, fetched: Result<List, String>) {
        let (wall, now) = now();
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(&key) else { return };
        entry.in_flight = false;
        match fetched {
            Ok(list) => {
                let wall = wall.duration_since(UNIX_EPOCH).map_or(0, |wall| wall.as_secs());
                let left = u64::try_from(list.next_update).unwrap_or(0).saturating_sub(wall);
                let [shortest, longest] = RENEWAL;
                entry.due = now + (Duration::from_secs(left) / 2).clamp(shortest, longest);
                entry.standing = Standing::Had(Arc::new(list));
            }
            Err(why) => {
                entry.due = now + RETRY;
                // A list that was had counts until a newer one is had: the peer's certificate did not get better.
                if !matches!(entry.standing, Standing::Had(_)) {
                    entry.standing = Standing::Unavailable(why.into());
                }
            }
        }
        while kept_bytes(&entries) > KEPT_BYTES_MAX {
            forget_oldest(&mut entries, Some(&key));
        }
    }
}

fn kept_bytes(entries: &HashMap<Key, Entry>) -> usize {
    let bytes = |entry: &Entry| match &entry.standing {
        Standing::Had(list) => list.kept_bytes(),
        Standing::Awaited | Standing::Unavailable(_) => 0,
    };
    entries.values().map(bytes).sum()
}

/// Makes room: forgets the list for which nobody has asked longest, but never `newest`.
fn forget_oldest(entries: &mut HashMap<Key, Entry>, newest: Option<&Key>) {
    let others = entries.iter().filter(|(key, _)| Some(*key) != newest);
    match others.min_by_key(|(_, entry)| entry.asked).map(|(key, _)| key.clone()) {
        Some(key) => drop(entries.remove(&key)),
        None => entries.clear(),
    }
}
