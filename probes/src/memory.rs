//! What one run leaves for the next: small facts, kept in the process and nowhere else.
//!
//! Knows no kind of probe and no clock: who remembers says when it is. Nothing here is needed for a verdict on the
//! present; what is forgotten makes the next run the first.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::target::Target;

/// Most facts that are kept; the one that was written longest ago goes first. Chosen: a thousand checks with four each,
/// in a megabyte.
pub(crate) const FACTS_MAX: usize = 4096;
/// Longest text of a fact in bytes; the rest is cut off. Chosen: a few digests or names.
pub(crate) const TEXT_BYTES_MAX: usize = 256;
/// What of a SHA-256 is kept to tell one fact from another, in bytes. Chosen: nobody finds two alike.
const DIGEST_BYTES: usize = 16;

type Digest = [u8; DIGEST_BYTES];

/// Facts that runs left. All clones are one.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<Shelf>>);

#[derive(Default)]
struct Shelf {
    facts: HashMap<Digest, Kept>,
    /// How often anything was written.
    written: u64,
}

struct Kept {
    fact: Fact,
    until: Instant,
    /// The how-manieth it was to be written.
    number: u64,
}

/// Something that a run found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fact {
    /// Since when it is so, on the run's clock.
    pub(crate) since: Instant,
    /// The same on the wall clock.
    pub(crate) at: SystemTime,
    /// What it is, if that is not said by its name.
    pub(crate) text: Box<str>,
}

/// Who remembers: a module at a target. Others do not get to see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Owner(Digest);

impl Owner {
    /// A kind with settings as they were loaded, which are told apart by what they show of themselves: not by secrets.
    pub(crate) fn of(kind: &str, settings: &impl fmt::Debug) -> Self {
        Self(digest(&[kind.as_bytes()])).and(settings)
    }

    /// The same, with something else that tells it from others.
    pub(crate) fn and(self, what: &impl fmt::Debug) -> Self {
        let mut hash = Hash(Sha256::new());
        hash.0.update(self.0);
        write!(hash, "{what:?}").expect("a hash takes any text");
        Self(first(&hash.0.finalize()))
    }

    /// The same at a target.
    pub(crate) fn at(self, target: &Target) -> Self {
        let hostname = target.hostname().unwrap_or_default();
        Self(digest(&[&self.0, target.text().as_bytes(), hostname.as_bytes()]))
    }
}

/// Takes text.
struct Hash(Sha256);

impl fmt::Write for Hash {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

/// Parts cannot trade bytes: each has its length before it.
fn digest(parts: &[&[u8]]) -> Digest {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    first(&hash.finalize())
}

fn first(hash: &[u8]) -> Digest {
    std::array::from_fn(|index| hash[index])
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memory")
    }
}

impl Memory {
    /// What belongs to one owner.
    pub(crate) const fn of(&self, owner: Owner) -> Drawer<'_> {
        Drawer { memory: self, owner }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One owner's part of the memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drawer<'a> {
    memory: &'a Memory,
    owner: Owner,
}

impl Drawer<'_> {
    /// The fact of this name, unless it is too old.
    pub(crate) fn recall(&self, now: Instant, name: &[&str]) -> Option<Fact> {
        let shelf = self.memory.shelf();
        shelf.facts.get(&self.key(name)).filter(|kept| now < kept.until).map(|kept| kept.fact.clone())
    }

    /// Keeps a fact for so long, in the place of what had its name.
    pub(crate) fn keep(&self, now: Instant, name: &[&str], mut fact: Fact, lasts: Duration) {
        if fact.text.len() > TEXT_BYTES_MAX {
            fact.text = fact.text[..fact.text.floor_char_boundary(TEXT_BYTES_MAX)].into();
        }
        let key = self.key(name);
        let mut shelf = self.memory.shelf();
        if shelf.facts.len() >= FACTS_MAX && !shelf.facts.contains_key(&key) {
            shelf.make_room(now);
        }
        shelf.written += 1;
        let number = shelf.written;
        shelf.facts.insert(key, Kept { fact, until: now + lasts, number });
    }

    /// Forgets the fact of this name.
    pub(crate) fn forget(&self, name: &[&str]) {
        self.memory.shelf().facts.remove(&self.key(name));
    }

    fn key(&self, name: &[&str]) -> Digest {
        let parts: Vec<&[u8]> =
            std::iter::once(&self.owner.0[..]).chain(name.iter().map(|part| part.as_bytes())).collect();
        digest(&parts)
    }
}

impl Shelf {
    fn make_room(&mut self, now: Instant) {
        self.facts.retain(|_, kept| now < kept.until);
        if self.facts.len() >= FACTS_MAX
            && let Some(oldest) = self.facts.iter().min_by_key(|(_, kept)| kept.number).map(|(key, _)| *key)
        {
            self.facts.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn fact(text: &str) -> Fact {
        Fact { since: now(), at: SystemTime::UNIX_EPOCH, text: text.into() }
    }

    #[expect(clippy::disallowed_methods, reason = "a test says when it is")]
    fn now() -> Instant {
        Instant::now()
    }

    fn owner(settings: &str, target: &str) -> Owner {
        Owner::of("smtp", &settings).at(&Target::new(target))
    }

    #[tokio::test(start_paused = true)]
    async fn a_fact_is_kept_until_it_is_too_old() {
        let memory = Memory::default();
        let drawer = memory.of(owner("a", "x"));
        assert_eq!(drawer.recall(now(), &["k"]), None);
        drawer.keep(now(), &["k"], fact("one"), HOUR);
        drawer.keep(now(), &["k"], fact("two"), HOUR);
        tokio::time::advance(HOUR - Duration::from_secs(1)).await;
        let seen = drawer.recall(now(), &["k"]).expect("a fact");
        assert_eq!((&*seen.text, now() - seen.since), ("two", HOUR - Duration::from_secs(1)));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(drawer.recall(now(), &["k"]), None);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_sees_what_another_left() {
        let memory = Memory::default();
        memory.of(owner("a", "x")).keep(now(), &["k", "l"], fact("mine"), HOUR);
        let seen = |owner, name: &[&str]| memory.clone().of(owner).recall(now(), name).map(|fact| fact.text);
        assert_eq!(seen(owner("a", "x"), &["k", "l"]).as_deref(), Some("mine"));
        assert_eq!(seen(owner("b", "x"), &["k", "l"]), None);
        assert_eq!(seen(owner("a", "y"), &["k", "l"]), None);
        assert_eq!(seen(Owner::of("mail", &"a").at(&Target::new("x")), &["k", "l"]), None);
        assert_eq!(seen(Owner::of("smtp", &"a").at(&Target::new("x").with_hostname("h")), &["k", "l"]), None);
        assert_eq!(seen(Owner::of("smtp", &"a").and(&"terms").at(&Target::new("x")), &["k", "l"]), None);
        assert_eq!(seen(owner("a", "x"), &["kl"]), None);
        assert_eq!(seen(owner("a", "x"), &["k", "", "l"]), None);
        memory.of(owner("a", "x")).forget(&["k", "l"]);
        assert_eq!(seen(owner("a", "x"), &["k", "l"]), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_memory_loses_what_is_too_old_and_then_what_is_oldest() {
        let memory = Memory::default();
        let drawer = memory.of(owner("a", "x"));
        let name = |number: usize| number.to_string();
        drawer.keep(now(), &["old"], fact(""), Duration::from_secs(1));
        for number in 1..FACTS_MAX {
            drawer.keep(now(), &[&name(number)], fact(""), HOUR);
        }
        tokio::time::advance(Duration::from_secs(2)).await;
        drawer.keep(now(), &["new"], fact(""), HOUR);
        assert!(drawer.recall(now(), &["1"]).is_some());
        // Written again, it is the youngest.
        drawer.keep(now(), &["1"], fact(""), HOUR);
        drawer.keep(now(), &["newer"], fact(""), HOUR);
        let kept = ["1", "2", "3", "new", "newer"].map(|name| drawer.recall(now(), &[name]).is_some());
        assert_eq!(kept, [true, false, true, true, true]);
        assert_eq!(memory.shelf().facts.len(), FACTS_MAX);
    }

    #[tokio::test]
    async fn texts_are_bounded() {
        let memory = Memory::default();
        let drawer = memory.of(owner("a", "x"));
        drawer.keep(now(), &["k"], fact(&"ä".repeat(TEXT_BYTES_MAX)), HOUR);
        drawer.keep(now(), &["l"], fact(&format!("x{}", "ä".repeat(TEXT_BYTES_MAX))), HOUR);
        let length = |name| drawer.recall(now(), &[name]).map(|fact| fact.text.len());
        assert_eq!((length("k"), length("l")), (Some(TEXT_BYTES_MAX), Some(TEXT_BYTES_MAX - 1)));
    }
}
