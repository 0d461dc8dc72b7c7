//! Whether a user's password is right.
//!
//! bcrypt is slow on purpose. So a right password is remembered under a keyed hash (HMAC-SHA-256 with a key of this
//! process alone, over user, hash and password, each behind its length: no part can pass for another, which was
//! CVE-2022-46146). Wrong ones are not remembered: nobody can crowd out the right ones. Only so many are tried at once,
//! so that guessing cannot take the processors from checks, and a user who does not exist costs as much time as one
//! who does.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;
use hyper::header::HeaderValue;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::config::web::PasswordHash;

/// Most passwords remembered. Chosen: as exporter-toolkit; a user has one, or few that bcrypt takes for the same.
const KNOWN_MAX: usize = 100;
/// How long a password that nobody uses is remembered. Chosen: hours without a scrape are an end.
const KNOWN_TIME_MAX: Duration = Duration::from_secs(3600);
/// Most requests that wait for their password to be tried. Chosen: a few hundred kilobytes, a minute of guessing.
const WAITING_MAX: usize = 256;
/// Longest wait for the turn. Chosen: Prometheus' usual timeout.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Cost of the hash that is tried for a user who does not exist, where no user exists. Chosen: exporter-toolkit's.
const COST_DEFAULT: u32 = 10;

/// What is thought of a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judged {
    Right,
    Wrong,
    /// Too many are being tried.
    NoRoom,
}

/// Passwords known to be right, and room to try others.
#[derive(Debug)]
pub(super) struct Passwords {
    key: hmac::Key,
    known: Mutex<HashMap<[u8; 32], Instant>>,
    waiting: Semaphore,
    room: Arc<Semaphore>,
}

impl Passwords {
    pub(super) fn new() -> Result<Self, String> {
        let random = aws_lc_rs::rand::SystemRandom::new();
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &random).map_err(|_| "there are no random numbers")?;
        // At most half of the processors, so that a flood of passwords leaves the rest to the agent's work.
        let room = std::thread::available_parallelism().map_or(1, |threads| (threads.get() / 2).max(1));
        Ok(Self {
            key,
            known: Mutex::default(),
            waiting: Semaphore::new(WAITING_MAX),
            room: Arc::new(Semaphore::new(room)),
        })
    }

    /// Judges what somebody says.
    pub(super) async fn judge(&self, users: &BTreeMap<String, PasswordHash>, user: &[u8], password: &[u8]) -> Judged {
        let hash = std::str::from_utf8(user).ok().and_then(|user| users.get(user));
        let Some(hash) = hash else {
            // As slow as for a user who exists. The result is no matter.
            let cost = users.values().map(PasswordHash::cost).max().unwrap_or(COST_DEFAULT);
            let nobody = format!("$2b${cost:02}${}", ".".repeat(53));
            return match self.attempt(&nobody, password, || false).await {
                Judged::NoRoom => Judged::NoRoom,
                _ => Judged::Wrong,
            };
        };
        let tag = self.tag([user, hash.text().as_bytes(), password]);
        if self.knows(&tag) {
            return Judged::Right;
        }
        let judged = self.attempt(hash.text(), password, || self.knows(&tag)).await;
        if judged == Judged::Right {
            self.remember(tag);
        }
        judged
    }

    /// Tries a password, unless it has become known while this one waited for its turn.
    async fn attempt(&self, hash: &str, password: &[u8], is_known: impl Fn() -> bool + Send) -> Judged {
        let Ok(_waiting) = self.waiting.try_acquire() else { return Judged::NoRoom };
        let turn = tokio::time::timeout(WAIT_MAX, Arc::clone(&self.room).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Judged::NoRoom };
        if is_known() {
            return Judged::Right;
        }
        let (hash, password) = (hash.to_owned(), password.to_owned());
        let tried = tokio::task::spawn_blocking(move || {
            // Held until the work is done, also where the one who asked has gone.
            let _turn = turn;
            bcrypt::verify(password, &hash)
        });
        match tried.await {
            Ok(Ok(true)) => Judged::Right,
            _ => Judged::Wrong,
        }
    }

    fn tag(&self, parts: [&[u8]; 3]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut tag = [0; 32];
        tag.copy_from_slice(context.sign().as_ref());
        tag
    }

    fn knows(&self, tag: &[u8; 32]) -> bool {
        let now = Instant::now();
        let mut known = self.known();
        let Some(used) = known.get_mut(tag) else { return false };
        if now.duration_since(*used) > KNOWN_TIME_MAX {
            known.remove(tag);
            return false;
        }
        *used = now;
        true
    }

    fn remember(&self, tag: [u8; 32]) {
        let mut known = self.known();
        if known.len() >= KNOWN_MAX
            && let Some(oldest) = known.iter().min_by_key(|(_, used)| **used).map(|(tag, _)| *tag)
        {
            known.remove(&oldest);
        }
        known.insert(tag, Instant::now());
    }

    fn known(&self) -> MutexGuard<'_, HashMap<[u8; 32], Instant>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// User and password of `Authorization: Basic` (RFC 7617 section 2).
pub(super) fn credentials(value: &HeaderValue) -> Option<(Vec<u8>, Vec<u8>)> {
    let (scheme, encoded) = value.as_bytes().split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let both = crate::config::base64(std::str::from_utf8(encoded).ok()?)?;
    let colon = both.iter().position(|byte| *byte == b':')?;
    Some((both[..colon].to_vec(), both[colon + 1..].to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `hunter2`, cost 4.
    const HASH: &str = "$2b$04$BWcfIUuHZyP1ZAmgkRcYjOD2qtuG2Tm7MvUlsy6a8D4SRT5Vkj83y";

    fn users() -> BTreeMap<String, PasswordHash> {
        let text = format!("basic_auth_users: {{ alice: {HASH} }}");
        crate::config::web::parse(&text, std::path::Path::new("web.yml")).unwrap().users
    }

    #[tokio::test]
    async fn only_the_right_password_of_a_user_is_right_and_remembered() {
        let (passwords, users) = (Passwords::new().unwrap(), users());
        for (user, password) in [("alice", "hunter3"), ("alice", ""), ("bob", "hunter2"), ("", "")] {
            let judged = passwords.judge(&users, user.as_bytes(), password.as_bytes()).await;
            assert_eq!(judged, Judged::Wrong, "{user} {password}");
        }
        assert_eq!(passwords.known().len(), 0);
        assert_eq!(passwords.judge(&users, b"alice", b"hunter2").await, Judged::Right);
        assert_eq!(passwords.known().len(), 1);
        // No room to try anything: what is known needs none.
        passwords.room.close();
        assert_eq!(passwords.judge(&users, b"alice", b"hunter2").await, Judged::Right);
        assert_eq!(passwords.judge(&users, b"alice", b"hunter3").await, Judged::NoRoom);
    }

    /// CVE-2022-46146: who knows a hash must not be able to pass off another split of the same bytes as known.
    #[tokio::test]
    async fn no_other_split_of_the_same_bytes_is_known() {
        let passwords = Passwords::new().unwrap();
        let whole = passwords.tag([b"alice", HASH.as_bytes(), b"hunter2"]);
        for parts in [
            [&b"alic"[..], format!("e{HASH}").as_bytes(), b"hunter2"],
            [b"alice", &HASH.as_bytes()[..59], b"yhunter2"],
            [b"", format!("alice{HASH}").as_bytes(), b"hunter2"],
            [b"alice", b"", format!("{HASH}hunter2").as_bytes()],
        ] {
            assert_ne!(passwords.tag(parts), whole);
        }
        assert_ne!(Passwords::new().unwrap().tag([b"alice", HASH.as_bytes(), b"hunter2"]), whole);
    }

    #[tokio::test]
    async fn a_password_whose_hash_changed_is_known_no_longer() {
        let (passwords, users) = (Passwords::new().unwrap(), users());
        assert_eq!(passwords.judge(&users, b"alice", b"hunter2").await, Judged::Right);
        let other = HASH.replace("BWcf", "AWcf");
        let text = format!("basic_auth_users: {{ alice: {other} }}");
        let users = crate::config::web::parse(&text, std::path::Path::new("web.yml")).unwrap().users;
        assert_eq!(passwords.judge(&users, b"alice", b"hunter2").await, Judged::Wrong);
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_are_remembered_and_only_so_long() {
        let passwords = Passwords::new().unwrap();
        for number in 0..=KNOWN_MAX {
            passwords.remember(passwords.tag([b"alice", HASH.as_bytes(), number.to_string().as_bytes()]));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(passwords.known().len(), KNOWN_MAX);
        assert!(!passwords.knows(&passwords.tag([b"alice", HASH.as_bytes(), b"0"])), "the oldest is gone");
        let last = passwords.tag([b"alice", HASH.as_bytes(), KNOWN_MAX.to_string().as_bytes()]);
        assert!(passwords.knows(&last));
        tokio::time::advance(KNOWN_TIME_MAX + Duration::from_secs(1)).await;
        assert!(!passwords.knows(&last));
    }

    #[test]
    fn credentials_are_read_as_go_reads_them() {
        let read = |text: &str| credentials(&HeaderValue::from_str(text).unwrap());
        let pair = |user: &str, password: &str| Some((user.as_bytes().to_vec(), password.as_bytes().to_vec()));
        assert_eq!(read("Basic YWxpY2U6aHVudGVyMg=="), pair("alice", "hunter2"));
        assert_eq!(read("bAsIc YTpiOmM="), pair("a", "b:c"));
        for wrong in ["", "Basic", "Basic ", "Bearer abc", "Basic ???", "Basic YWxpY2U="] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
